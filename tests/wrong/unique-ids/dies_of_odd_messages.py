# test: garbage
"""Takes everything that is no request for a mistake of its own and gives up."""
import os, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../core/sdk/python"))
import dlab

node = dlab.Node()
count = 0


@node.on("init")
def init(msg):
    global life
    life = (node.load("life") or 0) + 1
    node.save("life", life)


@node.on("generate")
def generate(msg):
    global count
    count += 1
    node.reply(msg, {"type": "generate_ok", "id": "%s-%d-%d" % (node.node_id, life, count)})


class Strict(dict):
    def get(self, kind, default=None):
        return self[kind]


node._handlers = Strict(node._handlers)


node.run()
