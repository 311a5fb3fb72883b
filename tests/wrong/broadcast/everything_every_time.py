# test: efficient
"""Sends all that it knows to all others four times a second, new or not."""
import os, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../core/sdk/python"))
import dlab

node = dlab.Node()
values = set()
missing = {}  # peer -> values that it has not confirmed


@node.on("init")
def init(msg):
    for peer in [n for n in node.node_ids if n != node.node_id]:
        missing[peer] = set()
    tick()


@node.on("topology")
def topology(msg):
    node.reply(msg, {"type": "topology_ok"})


@node.on("broadcast")
def broadcast(msg):
    value = msg["body"].get("message")
    if type(value) is not int:
        node.reply_error(msg, 12, "message must be an integer")
        return
    learn(value)
    node.reply(msg, {"type": "broadcast_ok"})


@node.on("read")
def read(msg):
    node.reply(msg, {"type": "read_ok", "messages": sorted(values)})


@node.on("gossip")
def gossip(msg):
    for value in msg["body"]["values"]:
        learn(value)
    node.reply(msg, {"type": "gossip_ok"})


def learn(value):
    if value not in values:
        values.add(value)
        for peer in missing:
            missing[peer].add(value)


def tick():
    for peer in missing:
        if values:
            tell(peer, sorted(values))
    node.timer("tick", 250, tick)


def tell(peer, batch):
    def answer(msg):
        if msg["body"]["type"] == "gossip_ok":
            missing[peer].difference_update(batch)
    node.rpc(peer, {"type": "gossip", "values": batch}, answer, 240)


node.run()
