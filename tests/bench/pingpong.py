"""Two nodes that pass one message to and fro, and then one bare datagram between the same containers. `go {count}` is asked of the
first; go_ok says how many a second of each."""
import json
import re
import socket
import sys
import threading
import time

PORT = 7001
me, peer, left, began, asker = None, None, 0, 0.0, None


def send(dest, body):
    sys.stdout.write(json.dumps({"src": me, "dest": dest, "body": body}) + "\n")
    sys.stdout.flush()


def serve_bare():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("", PORT))
    while True:
        data, whence = s.recvfrom(2048)
        s.sendto(data, whence)


def bare(count):
    mine = re.search(r"10\.199\.\d+\.1\d\b", open("/proc/net/fib_trie").read()).group(0)
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.connect((mine.rsplit(".", 1)[0] + ".11", PORT))
    s.settimeout(5)
    start = time.monotonic()
    for _ in range(count):
        s.send(b'{"type":"ping"}')
        s.recv(100)
    return 2 * count / (time.monotonic() - start)


for line in sys.stdin:
    message = json.loads(line)
    body, src = message["body"], message["src"]
    if body["type"] == "init":
        me, peer = body["node_id"], [n for n in body["node_ids"] if n != body["node_id"]][0]
        threading.Thread(target=serve_bare, daemon=True).start()
        send(src, {"type": "init_ok", "in_reply_to": body["msg_id"]})
    elif body["type"] == "go":
        asker, left, count, began = (src, body["msg_id"]), body["count"], body["count"], time.monotonic()
        send(peer, {"type": "ping"})
    elif body["type"] == "ping":
        send(src, {"type": "pong"})
    elif body["type"] == "pong":
        left -= 1
        if left:
            send(peer, {"type": "ping"})
        else:
            rate = 2 * count / (time.monotonic() - began)
            send(asker[0], {"type": "go_ok", "in_reply_to": asker[1], "pods": rate, "bare": bare(count)})
