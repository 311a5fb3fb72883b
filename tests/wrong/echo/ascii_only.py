# test: unicode
"""Writes a question mark for each character beyond ASCII."""
import os, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../core/sdk/python"))
import dlab

node = dlab.Node()


@node.on("echo")
def echo(msg):
    text = msg["body"].get("echo")
    if isinstance(text, str):
        text = text.encode("ascii", "replace").decode()
    node.reply(msg, {"type": "echo_ok", "echo": text})


node.run()
