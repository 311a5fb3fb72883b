# test: long-line
"""Gives back at most 4,096 bytes, as if the text stood in a fixed buffer."""
import os, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../core/sdk/python"))
import dlab

node = dlab.Node()


@node.on("echo")
def echo(msg):
    text = msg["body"].get("echo")
    node.reply(msg, {"type": "echo_ok", "echo": text[:4096] if isinstance(text, str) else text})


node.run()
