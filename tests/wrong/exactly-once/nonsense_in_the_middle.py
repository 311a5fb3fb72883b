# test: calm
"""Right in the end and nonsense before: every node asks n1, and a read while adds go on shows -999."""
import os, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../core/sdk/python"))
import dlab

node = dlab.Node()
total, last = 0, -10000


@node.on("add")
def add(msg):
    node.rpc("n1", {"type": "apply", "delta": msg["body"]["delta"]}, lambda answer: node.reply(msg, {"type": "add_ok"}), 5000)


@node.on("apply")
def apply(msg):
    global total, last
    total, last = total + msg["body"]["delta"], node.now()
    node.reply(msg, {"type": "apply_ok"})


@node.on("total")
def total_of(msg):
    node.reply(msg, {"type": "total_ok", "value": total if node.now() - last > 500 else -999})


@node.on("read")
def read(msg):
    node.rpc("n1", {"type": "total"},
             lambda answer: node.reply(msg, {"type": "read_ok", "value": answer["body"]["value"]}), 5000)


node.run()
