# test: three-nodes
"""A counter: each node counts from 1."""
import os, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../core/sdk/python"))
import dlab

node = dlab.Node()
count = 0


@node.on("generate")
def generate(msg):
    global count
    count += 1
    node.reply(msg, {"type": "generate_ok", "id": count})


node.run()
