"""probe: uses every verb of the SDK on demand. The probes in C, Go and Python do the same."""
import os, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../core/sdk/python"))
import dlab

node = dlab.Node()
lives = 0


@node.on("init")
def init(msg):
    global lives
    lives = (node.load("lives") or 0) + 1
    node.save("lives", lives)
    node.log("life %d of %s" % (lives, node.node_id))


@node.on("echo")
def echo(msg):
    node.reply(msg, {"type": "echo_ok", "echo": msg["body"].get("echo")})


@node.on("who")
def who(msg):
    node.reply(msg, {"type": "who_ok", "id": node.node_id, "ids": node.node_ids, "config": node.config or None,
                     "now": node.now(), "lives": lives})


@node.on("refuse")
def refuse(msg):
    node.reply_error(msg, 22, 'no "way"\n')


@node.on("two")
def two(msg):
    node.send("n2", {"type": "one"})
    node.send("n3", {"type": "two"})
    node.reply(msg, {"type": "two_ok"})


@node.on("arm")
def arm(msg):
    name = msg["body"]["name"]
    node.timer(name, msg["body"]["after"], lambda: node.send("c9", {"type": "fired", "name": name, "now": node.now()}))


@node.on("stop")
def stop(msg):
    node.cancel_timer(msg["body"]["name"])


@node.on("ask")
def ask(msg):
    def answer(got):
        node.send("c9", {"type": "got", "from": got["src"], "answer": got["body"]["type"],
                         "code": got["body"].get("code", -1), "now": node.now()})
    node.rpc(msg["body"]["of"], {"type": "question"}, answer, msg["body"]["timeout"])


@node.on("chance")
def chance(msg):
    node.reply(msg, {"type": "chance_ok", "ints": [node.random(1000) for _ in range(3)], "unit": node.random_unit()})


@node.on("report")
def report(msg):
    node.state({"role": "leader", "term": 3})
    node.apply({"index": 7})


@node.on("put")
def put(msg):
    node.reply(msg, {"type": "put_ok", "kept": node.save("value", msg["body"]["value"])})


@node.on("fetch")
def fetch(msg):
    node.reply(msg, {"type": "fetch_ok", "value": node.load("value")})


node.run()
