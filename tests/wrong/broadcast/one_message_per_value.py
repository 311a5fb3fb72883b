# test: tight
"""A tree, retries, and one message for each value on each edge: no batches."""
import os, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../core/sdk/python"))
import dlab

node = dlab.Node()
values = set()
peers = []


@node.on("init")
def init(msg):
    hub = node.node_ids[0]
    peers.extend(n for n in node.node_ids if n != node.node_id and hub in (n, node.node_id))


@node.on("topology")
def topology(msg):
    node.reply(msg, {"type": "topology_ok"})


@node.on("broadcast")
def broadcast(msg):
    value = msg["body"].get("message")
    if type(value) is int:
        learn(value, None)
    node.reply(msg, {"type": "broadcast_ok"})


@node.on("read")
def read(msg):
    node.reply(msg, {"type": "read_ok", "messages": sorted(values)})


@node.on("gossip")
def gossip(msg):
    learn(msg["body"]["value"], msg["src"])
    node.reply(msg, {"type": "gossip_ok"})


def learn(value, source):
    if value not in values:
        values.add(value)
        for peer in peers:
            if peer != source:
                tell(peer, value)


def tell(peer, value):
    def answer(msg):
        if msg["body"]["type"] == "error":
            tell(peer, value)
    node.rpc(peer, {"type": "gossip", "value": value}, answer, 1000)


node.run()
