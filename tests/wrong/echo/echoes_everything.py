# test: unknown-type
"""Answers every type as if it were echo."""
import os, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../core/sdk/python"))
import dlab

node = dlab.Node()


def echo(msg):
    node.reply(msg, {"type": "echo_ok", "echo": msg["body"].get("echo")})


class Everything(dict):
    def get(self, kind, default=None):
        return echo


node._handlers = Everything()


node.run()
