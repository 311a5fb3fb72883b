"""exactly-once: a counter at n1 that counts every add once, though the network loses and doubles messages.

Exactly once = at least once (the front sends an add until n1 has answered) and at most once (n1 knows the adds that it
has already counted, by their keys).

- A key is <front>-<life>-<number>. It is made when the client asks and stays the same in every retry. The life goes up
  at every start of the front, so that a front that forgot how far it had counted cannot use an old key again.
- n1 writes the value and the keys in one file before it answers: a crash loses neither, or both.
- Pauses double from 200 ms to 2 s. Half of each is chance, so that many fronts do not come back at one instant.
- A front stops after 18 s, and a message is under way for 3 s at most. So a key that is 25 s old is of no more use."""
import os, sys
sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), up) for up in ("..", "../../../core/sdk/python")]
import dlab

SERVER = "n1"
FIRST_PAUSE_MS, LONGEST_PAUSE_MS = 200, 2000
TRY_MS = 18000
KEEP_MS = 25000

node = dlab.Node()
life = 0
number = 0
value = 0   # the counter; n1's alone
seen = {}   # key -> when it was applied, oldest first; n1's alone


@node.on("init")
def init(msg):
    global life, value, seen
    life = (node.load("life") or 0) + 1
    node.save("life", life)
    saved = node.load("counter")
    if saved:
        value, seen = saved["value"], saved["seen"]


# --- a front ---

@node.on("add")
def add(msg):
    global number
    delta = msg["body"].get("delta")
    if type(delta) is not int:
        node.reply_error(msg, 12, "delta must be a whole number")
        return
    number += 1
    request = {"type": "apply", "key": "%s-%d-%d" % (node.node_id, life, number), "delta": delta}
    if node.node_id == SERVER:
        count(request)
        node.reply(msg, {"type": "add_ok"})
    else:
        ask(request, msg, lambda answer: {"type": "add_ok"})


@node.on("read")
def read(msg):
    if node.node_id == SERVER:
        node.reply(msg, {"type": "read_ok", "value": value})
    else:
        ask({"type": "get"}, msg, lambda answer: {"type": "read_ok", "value": answer["value"]})


def ask(request, msg, make_reply):
    """Sends a request to n1 until it answers, then replies to the client."""
    stop = node.now() + TRY_MS

    def attempt(pause):
        def answered(answer):
            if answer["body"]["type"] != "error":
                node.reply(msg, make_reply(answer["body"]))
            elif node.now() < stop:
                attempt(min(pause * 2, LONGEST_PAUSE_MS))
            else:
                node.reply_error(msg, 0, "no answer from " + SERVER)  # it may have happened: an indefinite error
        node.rpc(SERVER, request, answered, timeout_ms=pause // 2 + node.random(pause // 2))

    attempt(FIRST_PAUSE_MS)


# --- n1 ---

@node.on("apply")
def apply(msg):
    body = msg["body"]
    if type(body.get("key")) is not str or type(body.get("delta")) is not int:
        node.reply_error(msg, 12, "apply needs a key and a delta")
        return
    if body["key"] not in seen:
        count(body)
    node.reply(msg, {"type": "apply_ok"})


@node.on("get")
def get(msg):
    node.reply(msg, {"type": "get_ok", "value": value})


def count(request):
    global value
    while seen and next(iter(seen.values())) < node.now() - KEEP_MS:
        del seen[next(iter(seen))]
    value += request["delta"]
    seen[request["key"]] = node.now()
    node.save("counter", {"value": value, "seen": seen})
    node.state({"value": value, "table": len(seen)})


node.run()
