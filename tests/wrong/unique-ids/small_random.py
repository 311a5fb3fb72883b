# test: one-node
"""A number below 10,000 by chance: by the birthday paradox, two are soon the same."""
import os, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../core/sdk/python"))
import dlab

node = dlab.Node()


@node.on("generate")
def generate(msg):
    node.reply(msg, {"type": "generate_ok", "id": "%s-%d" % (node.node_id, node.random(10000))})


node.run()
