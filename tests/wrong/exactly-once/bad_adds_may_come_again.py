# test: garbage
"""Refuses an add that makes no sense as if it were only a bad moment: the client would ask again for ever."""
import os, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../core/sdk/python"))
import dlab

node = dlab.Node()
life, number = 0, 0
value, seen = 0, {}


@node.on("init")
def init(msg):
    global life, value, seen
    life = (node.load("life") or 0) + 1
    node.save("life", life)
    saved = node.load("counter")
    if saved:
        value, seen = saved["value"], saved["seen"]


@node.on("add")
def add(msg):
    global number
    delta = msg["body"].get("delta")
    if type(delta) is not int:
        node.reply_error(msg, 11, "not now")
        return
    number += 1
    request = {"type": "apply", "key": "%s-%d-%d" % (node.node_id, life, number), "delta": delta}
    if node.node_id == "n1":
        count(request)
        node.reply(msg, {"type": "add_ok"})
    else:
        ask(request, lambda answer: node.reply(msg, {"type": "add_ok"}), msg)


@node.on("read")
def read(msg):
    if node.node_id == "n1":
        node.reply(msg, {"type": "read_ok", "value": value})
    else:
        ask({"type": "get"}, lambda answer: node.reply(msg, {"type": "read_ok", "value": answer["value"]}), msg)


def ask(request, finish, msg, pause=200, stop=None):
    stop = stop or node.now() + 18000

    def answered(answer):
        if answer["body"]["type"] != "error":
            finish(answer["body"])
        elif node.now() < stop:
            ask(request, finish, msg, min(2 * pause, 2000), stop)
        else:
            node.reply_error(msg, 0, "no answer from n1")
    node.rpc("n1", request, answered, pause // 2 + node.random(pause // 2))


@node.on("apply")
def apply(msg):
    body = msg["body"]
    if body["key"] not in seen:
        count(body)
    node.reply(msg, {"type": "apply_ok"})


@node.on("get")
def get(msg):
    node.reply(msg, {"type": "get_ok", "value": value})


def count(request):
    global value
    for key in [k for k, since in seen.items() if since < node.now() - 25000]:
        del seen[key]
    value += request["delta"]
    seen[request["key"]] = node.now()
    node.save("counter", {"value": value, "seen": seen})
    node.state({"value": value, "table": len(seen)})


node.run()
