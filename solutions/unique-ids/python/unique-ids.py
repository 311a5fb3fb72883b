"""unique-ids: identifiers that no two nodes ever give out, and no node twice.

An id is <node>-<life>-<count>. The node's name keeps nodes apart without a word between them, so a partition
changes nothing. The count keeps the ids of one life apart. The count is lost in a crash: the life, one more
at every start and on the disk before the first id goes out, keeps lives apart."""
import os, sys
sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), up) for up in ("..", "../../../core/sdk/python")]
import dlab
import time

node = dlab.Node()
life = None
count = 0


@node.on("init")
def init(msg):
    global life
    life = (node.load("life") or 0) + 1
    if not node.save("life", life):
        life = time.time_ns()  # no disk to remember lives (not dlab): a start is later than the one before


@node.on("generate")
def generate(msg):
    global count
    count += 1
    node.reply(msg, {"type": "generate_ok", "id": "%s-%d-%d" % (node.node_id, life, count)})


node.run()
