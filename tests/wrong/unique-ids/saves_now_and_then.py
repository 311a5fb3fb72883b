# test: restart
"""Saves its counter at every tenth id: a crash takes it back by up to nine."""
import os, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../core/sdk/python"))
import dlab

node = dlab.Node()
count = 0


@node.on("init")
def init(msg):
    global count
    count = node.load("count") or 0


@node.on("generate")
def generate(msg):
    global count
    count += 1
    if count % 10 == 0:
        node.save("count", count)
    node.reply(msg, {"type": "generate_ok", "id": "%s-%d" % (node.node_id, count)})


node.run()
