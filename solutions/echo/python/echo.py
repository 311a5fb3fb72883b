"""echo: answers every echo request with what it was given."""
import os, sys
sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), up) for up in ("..", "../../../core/sdk/python")]
import dlab

node = dlab.Node()


@node.on("echo")
def echo(msg):
    node.reply(msg, {"type": "echo_ok", "echo": msg["body"].get("echo")})


node.run()
