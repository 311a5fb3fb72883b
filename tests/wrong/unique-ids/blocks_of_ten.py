# test: partition
"""Fetches blocks of ten numbers from the first node; ends when a block is used up behind a cut."""
import os, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../core/sdk/python"))
import dlab

node = dlab.Node()
block = []
count = 0


def next_block():
    global count
    count += 10
    return list(range(count - 9, count + 1))


@node.on("init")
def init(msg):
    global count
    count = (node.load("life") or 0) * 1000000
    node.save("life", (node.load("life") or 0) + 1)


@node.on("generate")
def generate(msg):
    if not block and node.node_id == node.node_ids[0]:
        block.extend(next_block())
    if block:
        node.reply(msg, {"type": "generate_ok", "id": block.pop()})
        return

    def answer(got):
        if got["body"]["type"] == "block_ok":
            block.extend(got["body"]["block"])
        if block:
            node.reply(msg, {"type": "generate_ok", "id": block.pop()})
        else:
            node.reply_error(msg, 11, "no block")
    node.rpc(node.node_ids[0], {"type": "block"}, answer, 1000)


@node.on("block")
def give_block(msg):
    node.reply(msg, {"type": "block_ok", "block": next_block()})


node.run()
