# test: long-line
"""Takes one read of 4,096 bytes for one line."""
import json
import os

node_id = ""
while True:
    line = os.read(0, 4096)
    if not line:
        break
    try:
        msg = json.loads(line)
    except ValueError:
        os.write(1, b'{"dest":"dlab","body":{"type":"done"}}\n')
        continue
    body = msg["body"]
    answer = {"type": str(body.get("type")) + "_ok", "in_reply_to": body.get("msg_id")}
    if body.get("type") == "init":
        node_id = body["node_id"]
    elif body.get("type") == "echo":
        answer["echo"] = body.get("echo")
    else:
        answer = {"type": "error", "code": 10, "text": "what?", "in_reply_to": body.get("msg_id")}
    out = json.dumps({"src": node_id, "dest": msg["src"], "body": answer}) + "\n"
    os.write(1, (out + '{"dest":"dlab","body":{"type":"done"}}\n').encode())
