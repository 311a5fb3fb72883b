# test: five-nodes
"""Adds what it hears to a list, also when it stands there already."""
import os, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../core/sdk/python"))
import dlab

node = dlab.Node()
values = []


@node.on("topology")
def topology(msg):
    node.reply(msg, {"type": "topology_ok"})


@node.on("broadcast")
def broadcast(msg):
    values.append(msg["body"].get("message"))
    for peer in node.node_ids:
        node.send(peer, {"type": "gossip", "value": msg["body"].get("message")})
    node.reply(msg, {"type": "broadcast_ok"})


@node.on("read")
def read(msg):
    node.reply(msg, {"type": "read_ok", "messages": values})


@node.on("gossip")
def gossip(msg):
    values.append(msg["body"]["value"])


node.run()
