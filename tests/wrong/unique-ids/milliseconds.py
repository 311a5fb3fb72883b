# test: one-node
"""The time in milliseconds: two requests in one millisecond get the same id."""
import os, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../core/sdk/python"))
import dlab

node = dlab.Node()


@node.on("generate")
def generate(msg):
    node.reply(msg, {"type": "generate_ok", "id": "%s-%d" % (node.node_id, node.now())})


node.run()
