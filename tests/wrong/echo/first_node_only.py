# test: three-nodes
"""Only the first node answers; the others take it for the leader."""
import os, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../core/sdk/python"))
import dlab

node = dlab.Node()


@node.on("echo")
def echo(msg):
    if node.node_id == node.node_ids[0]:
        node.reply(msg, {"type": "echo_ok", "echo": msg["body"].get("echo")})


node.run()
