# test: one
"""Answers with the number of its own message where the request's belongs."""
import os, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../core/sdk/python"))
import dlab

node = dlab.Node()
count = 100


@node.on("echo")
def echo(msg):
    global count
    count += 1
    node.send(msg["src"], {"type": "echo_ok", "echo": msg["body"].get("echo"), "in_reply_to": count})


node.run()
