# test: one-node
"""Answers one request in twenty."""
import os, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../core/sdk/python"))
import dlab

node = dlab.Node()
values = set()


def lucky():
    return node.random(20) == 0


@node.on("topology")
def topology(msg):
    node.reply(msg, {"type": "topology_ok"})


@node.on("broadcast")
def broadcast(msg):
    values.add(msg["body"].get("message"))
    if lucky():
        node.reply(msg, {"type": "broadcast_ok"})


@node.on("read")
def read(msg):
    if lucky():
        node.reply(msg, {"type": "read_ok", "messages": sorted(values)})


node.run()
