#!/usr/bin/env python3
"""A key-value store that asks the service lin-kv for everything, and hands the answers and errors through."""
import json
import sys

name, number, waiting = None, 0, {}


def send(dest, body):
    print(json.dumps({"src": name, "dest": dest, "body": body}), flush=True)


for line in sys.stdin:
    message = json.loads(line)
    body = message["body"]
    if body["type"] == "init":
        name = body["node_id"]
        send(message["src"], {"type": "init_ok", "in_reply_to": body["msg_id"]})
    elif body.get("in_reply_to") in waiting:
        client, msg_id = waiting.pop(body["in_reply_to"])
        send(client, {**{k: v for k, v in body.items() if k != "msg_id"}, "in_reply_to": msg_id})
    else:
        number += 1
        waiting[number] = (message["src"], body["msg_id"])
        send("lin-kv", {**body, "msg_id": number})
