#!/usr/bin/env python3
"""A node of the test lab "tally": tells each number to the others.

tally.py once: tells it once, so a number that is lost on the way stays lost.
tally.py retry: tells it again until it is acknowledged.
tally.py clock: as retry, and reports the machine's clock as its state, so no two runs are the same.
"""
import json
import sys
import time

mode = sys.argv[1]
me, peers, numbers, open_tells = None, [], [], {}


def send(dest, **body):
    print(json.dumps({"src": me, "dest": dest, "body": body}))


for line in sys.stdin:
    message = json.loads(line)
    src, body = message["src"], message["body"]
    kind = body["type"]
    if kind == "init":
        me = body["node_id"]
        peers = [n for n in body["node_ids"] if n != me]
        send(src, type="init_ok", in_reply_to=body["msg_id"])
    elif kind == "add":
        numbers.append(body["value"])
        send(src, type="add_ok", in_reply_to=body["msg_id"])
        for peer in peers:
            open_tells[(peer, body["value"])] = True
            send(peer, type="tell", value=body["value"])
        send("dlab", type="state", numbers=len(numbers), role="teller")
    elif kind == "tell":
        if body["value"] not in numbers:
            numbers.append(body["value"])
        send(src, type="told", value=body["value"])
    elif kind == "told":
        open_tells.pop((src, body["value"]), None)
    elif kind == "timer":
        for peer, value in open_tells:
            send(peer, type="tell", value=value)
    elif kind == "read":
        send(src, type="read_ok", in_reply_to=body["msg_id"], values=numbers)
    elif kind == "shout":
        print("\x1b[2J\u202e" + "log", file=sys.stderr, flush=True)
        send(src, type="shout_ok", in_reply_to=body["msg_id"])
    if mode == "clock":
        send("dlab", type="state", clock=time.time_ns())
    if mode != "once" and kind in ("init", "timer"):
        send("dlab", type="timer", name="again", after_ms=200)
    send("dlab", type="done")
    sys.stdout.flush()
