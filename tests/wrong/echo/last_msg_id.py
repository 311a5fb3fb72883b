# test: ids-out-of-order
"""Keeps the last msg_id of all clients and takes a lower one for a copy."""
import os, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../core/sdk/python"))
import dlab

node = dlab.Node()
last = 0


@node.on("echo")
def echo(msg):
    global last
    msg_id = msg["body"].get("msg_id", 0)
    if msg_id > last:
        last = msg_id
        node.reply(msg, {"type": "echo_ok", "echo": msg["body"].get("echo")})


node.run()
