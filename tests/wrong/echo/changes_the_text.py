# test: one
"""Capitalizes the text."""
import os, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../core/sdk/python"))
import dlab

node = dlab.Node()


@node.on("echo")
def echo(msg):
    text = msg["body"].get("echo")
    node.reply(msg, {"type": "echo_ok", "echo": text.upper() if isinstance(text, str) else text})


node.run()
