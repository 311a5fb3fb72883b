# test: loss
"""Tells each value once to the node it must reach and asks for no answer: what is lost stays lost."""
import os, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../core/sdk/python"))
import dlab

node = dlab.Node()
values = set()


@node.on("topology")
def topology(msg):
    node.reply(msg, {"type": "topology_ok"})


@node.on("broadcast")
def broadcast(msg):
    value = msg["body"].get("message")
    if type(value) is int:
        learn(value)
    node.reply(msg, {"type": "broadcast_ok"})


@node.on("read")
def read(msg):
    node.reply(msg, {"type": "read_ok", "messages": sorted(values)})


@node.on("gossip")
def gossip(msg):
    values.add(msg["body"]["value"])


def learn(value):
    if value not in values:
        values.add(value)
        for peer in node.node_ids:
            if peer != node.node_id:
                node.send(peer, {"type": "gossip", "value": value})


node.run()
