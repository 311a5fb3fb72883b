# test: partition
"""Tries each message twice, one second apart; a cut lasts longer."""
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
    learn(msg["body"]["value"])
    node.reply(msg, {"type": "gossip_ok"})


def learn(value):
    if value not in values:
        values.add(value)
        for peer in node.node_ids:
            if peer != node.node_id:
                tell(peer, value, 2)


def tell(peer, value, tries):
    def answer(msg):
        if msg["body"]["type"] == "error" and tries > 1:
            tell(peer, value, tries - 1)
    node.rpc(peer, {"type": "gossip", "value": value}, answer, 1000)


node.run()
