"""broadcast: a value that one node was given must reach all nodes.

A client sends {"type": "broadcast", "message": 7} to one node and {"type": "read"} to any."""
import os, sys
sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), up) for up in ("..", "../../../../../core/sdk/python")]
import dlab

node = dlab.Node()
values = []


@node.on("topology")
def topology(msg):
    # Who your neighbours could be: msg["body"]["topology"][node.node_id]. You may as well choose your own.
    node.reply(msg, {"type": "topology_ok"})


@node.on("broadcast")
def broadcast(msg):
    values.append(msg["body"]["message"])
    # Your code comes here. The other nodes (node.node_ids) must learn the value too. The network may lose what you
    # send, so ask for an answer: node.rpc(dest, body, on_answer, timeout_ms).
    node.reply(msg, {"type": "broadcast_ok"})


@node.on("read")
def read(msg):
    node.reply(msg, {"type": "read_ok", "messages": values})


node.run()
