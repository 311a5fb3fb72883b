# test: unknown-type
"""Says nothing to a type that it does not know: the client waits for the time-out."""
import os, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../core/sdk/python"))
import dlab

node = dlab.Node()


@node.on("echo")
def echo(msg):
    node.reply(msg, {"type": "echo_ok", "echo": msg["body"].get("echo")})


@node.on("ehco")
def ignore(msg):
    pass


node.run()
