# test: partition
"""Every id comes from a counter on the first node: who is cut off from it has none."""
import os, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../core/sdk/python"))
import dlab

node = dlab.Node()
count = 0


def make():
    global count
    count += 1
    return {"type": "generate_ok", "id": count}


@node.on("init")
def init(msg):
    global count
    count = (node.load("life") or 0) * 1000000
    node.save("life", (node.load("life") or 0) + 1)


@node.on("generate")
def generate(msg):
    if node.node_id == node.node_ids[0]:
        node.reply(msg, make())
        return

    def answer(got):
        if got["body"]["type"] == "ticket_ok":
            node.reply(msg, {"type": "generate_ok", "id": got["body"]["id"]})
        else:
            node.reply_error(msg, 11, "cannot reach " + node.node_ids[0])
    node.rpc(node.node_ids[0], {"type": "ticket"}, answer, 1000)


@node.on("ticket")
def ticket(msg):
    node.reply(msg, dict(make(), type="ticket_ok"))


node.run()
