"""exactly-once: `add {delta}` on any node must count once, on the counter of n1. `read {}` gives its value."""
import os, sys
sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), up) for up in ("..", "../../../../../core/sdk/python")]
import dlab

node = dlab.Node()
value = 0  # as it stands, every node counts for itself


@node.on("add")
def add(msg):
    global value
    value += msg["body"]["delta"]
    # Your code comes here. Only n1 may count: a node that is not n1 hands the add to n1 and answers the client when n1
    # has answered. node.rpc("n1", {"type": ...}, on_answer, timeout_ms) sends a request; on_answer(msg) gets the
    # answer, or {"type": "error", "code": 0} when none came in time.
    node.reply(msg, {"type": "add_ok"})


@node.on("read")
def read(msg):
    node.reply(msg, {"type": "read_ok", "value": value})


node.run()
