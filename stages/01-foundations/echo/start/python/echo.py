"""echo: your node gets {"type": "echo", "echo": X} and answers {"type": "echo_ok", "echo": X}."""
import os, sys
sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), up) for up in ("..", "../../../../../core/sdk/python")]
import dlab

node = dlab.Node()

# Your code comes here. A handler is a function that gets the message:
#
#     @node.on("echo")
#     def echo(msg):
#         ...
#
# The request is msg["body"]. Answer with node.reply(msg, {...}). dlab.py says what else there is.

node.run()
