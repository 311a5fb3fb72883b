#!/usr/bin/env python3
"""broadcast without lockstep: one thread reads, another sends again and again what a neighbour has not confirmed."""
import json
import sys
import threading
import time

lock = threading.Lock()
name, neighbours, seen, unconfirmed, asked, number = None, [], set(), {}, {}, 0


def send(dest, body):
    print(json.dumps({"src": name, "dest": dest, "body": body}), flush=True)


def resend():
    global number
    while True:
        time.sleep(0.1)
        with lock:
            for node in neighbours:
                if unconfirmed[node]:
                    number += 1
                    asked[number] = (node, set(unconfirmed[node]))
                    send(node, {"type": "gossip", "values": sorted(unconfirmed[node]), "msg_id": number})


def learn(values, source):
    new = set(values) - seen
    seen.update(new)
    for node in neighbours:
        if node != source:
            unconfirmed[node] |= new


def handle(message):
    global name, neighbours
    body, src = message["body"], message["src"]
    answer = {"type": str(body.get("type")) + "_ok"}
    if body.get("type") == "init":
        name = body["node_id"]
    elif body.get("type") == "topology":
        neighbours = body["topology"][name]
        for node in neighbours:
            unconfirmed[node] = set(seen)
        threading.Thread(target=resend, daemon=True).start()
    elif body.get("type") == "broadcast":
        learn([body["message"]], src)
    elif body.get("type") == "gossip":
        learn(body["values"], src)
    elif body.get("type") == "gossip_ok":
        node, values = asked.pop(body["in_reply_to"], (src, set()))
        unconfirmed[node] -= values
        return
    elif body.get("type") == "read":
        answer["messages"] = list(seen)
    else:
        answer = {"type": "error", "code": 10, "text": "not known here"}
    if "msg_id" in body:
        send(src, {**answer, "in_reply_to": body["msg_id"]})


for line in sys.stdin:
    with lock:
        handle(json.loads(line))
