# test: three-nodes
"""Glues the node's place to a count without a mark between: place 0, count 11 and place 1, count 1 are the same."""
import os, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../core/sdk/python"))
import dlab

node = dlab.Node()


@node.on("init")
def init(msg):
    global count
    count = 0


@node.on("generate")
def generate(msg):
    global count
    count += 1
    node.reply(msg, {"type": "generate_ok", "id": int(str(node.node_ids.index(node.node_id)) + str(count))})


node.run()
