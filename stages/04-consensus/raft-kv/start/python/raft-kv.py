"""raft-kv: `read {key}`, `write {key, value}` and `cas {key, from, to}` on any node; all nodes hold one map."""
import os, sys
sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), up) for up in ("..", "../../../../../core/sdk/python")]
import dlab

node = dlab.Node()
store = {}  # as it stands, every node has a map of its own


def execute(body):
    """The state machine: carries out one operation, and returns the answer."""
    key = body["key"]
    if body["type"] == "write":
        store[key] = body["value"]
        return {"type": "write_ok"}
    if key not in store:
        return {"type": "error", "code": 20, "text": "no such key"}
    if body["type"] == "read":
        return {"type": "read_ok", "value": store[key]}
    if store[key] != body["from"]:
        return {"type": "error", "code": 22, "text": "another value"}
    store[key] = body["to"]
    return {"type": "cas_ok"}


def request(msg):
    # Your code comes here. A node that does not lead answers error 11. The leader puts msg["body"] into its log, and answers
    # when the entry is committed and applied: with execute(), once for each pair of session and seq.
    node.reply(msg, execute(msg["body"]))


for kind in ("read", "write", "cas"):
    node.on(kind, request)
node.run()
