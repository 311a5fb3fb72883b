"""dlab.py - the SDK for nodes in Python: one file, the standard library, Python 3.8 or newer.

A node is a process that reads one JSON message per line and writes one per line:

    import dlab
    node = dlab.Node()

    @node.on("echo")
    def echo(msg):
        node.reply(msg, {"type": "echo_ok", "echo": msg["body"]["echo"]})

    node.run()

- A message is a dict {"src": ..., "dest": ..., "body": {"type": ..., ...}}.
- One handler runs at a time, to its end. There are no threads and no locks.
- Take time from now() and timer(), and chance from random() and random_unit(). Then the simulator can repeat a
  run exactly. time.time(), threads and the random module break that.
- What a handler sends leaves the process in one write when the handler is done.
- An exception in a handler ends the node, with a traceback in its log: a half-done step must not go on.
"""
import json
import os
import select
import sys
import time

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
_decode = json.JSONDecoder().raw_decode  # loads() looks for spaces with regular expressions, which takes as long again
_DONE = '{"dest":"dlab","body":{"type":"done"}}\n'
_MASK = (1 << 64) - 1


class Node:
    def __init__(self):
        # To read; they are set when "init" arrives.
        self.node_id = ""
        self.node_ids = []
        self.config = {}      # what the lab adds to init
        self.data_dir = None  # this folder survives a crash; None: there is none

        self._handlers = {}   # type -> handler
        self._timers = {}     # name -> (due in ms, handler)
        self._waiting = {}    # msg_id of an open rpc -> (due in ms, dest, handler)
        self._alarm = None    # when the one timer for all open rpcs goes off
        self._last_id = 0
        self._out = []        # lines that the present handler wrote
        self._harness = False   # dlab runs this node: it keeps the timers
        self._lockstep = False  # it also waits for our "done" after every line
        self._now = 0
        self._start = time.monotonic()
        self._chance = 0

    # --- messages ---

    def on(self, type, handler=None):
        """handler(msg) is called for every message of that type. Works as a decorator too.
        A handler of "init" runs after the SDK's own work; the place to load() what an earlier life saved."""
        if handler is None:
            return lambda h: self.on(type, h) or h
        self._handlers[type] = handler

    def send(self, dest, body):
        self._write('{"src":"%s","dest":%s,"body":%s}\n' % (self.node_id, _encode(dest), _encode(body)))

    def reply(self, msg, body):
        """Answers a request: the same as send, with the request's id as in_reply_to."""
        if type(msg["body"].get("msg_id")) is int:
            body = dict(body, in_reply_to=msg["body"]["msg_id"])
        self.send(msg["src"], body)

    def reply_error(self, msg, code, text):
        self.reply(msg, {"type": "error", "code": code, "text": text})

    def rpc(self, dest, body, on_answer, timeout_ms=1000):
        """Sends a request. on_answer(msg) is called once: with the answer, or after the time-out with a body
        {"type": "error", "code": 0, "text": "timeout"}. The request may have been carried out all the same."""
        self._last_id += 1
        due = self._now + max(1, int(timeout_ms))
        self._waiting[self._last_id] = (due, dest, on_answer)
        self.send(dest, dict(body, msg_id=self._last_id))
        self._set_alarm(due)

    # --- time and chance ---

    def now(self):
        """Milliseconds; the same during one handler."""
        return self._now

    def timer(self, name, after_ms, handler):
        """handler() is called once, after_ms from now. The same name again replaces the timer."""
        after_ms = max(0, int(after_ms))
        self._timers.pop(name, None)
        self._timers[name] = (self._now + after_ms, handler)
        self._tell({"type": "timer", "name": name, "after_ms": after_ms})

    def cancel_timer(self, name):
        if self._timers.pop(name, None):
            self._tell({"type": "timer", "name": name, "after_ms": None})

    def random(self, n):
        """An integer, 0 <= result < n. The generator is splitmix64."""
        self._chance = (self._chance + 0x9E3779B97F4A7C15) & _MASK
        z = self._chance
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
        return (z ^ (z >> 31)) % n

    def random_unit(self):
        """A float, 0 <= result < 1."""
        return self.random(1 << 53) / (1 << 53)

    # --- what others see, what a crash leaves ---

    def state(self, report):
        """Shows a dict on the node's card and to the judge. Each lab's guide names the keys."""
        self._tell(dict(report, type="state"))

    def apply(self, report):
        """Says that an entry was applied to the state machine: a dict. For labs whose guide asks for it."""
        self._tell(dict(report, type="apply"))

    def log(self, text):
        sys.stderr.write(str(text) + "\n")
        sys.stderr.flush()

    def save(self, name, value):
        """Writes a JSON value to the file `name`: after a crash the old value is there or the new one, never
        a half. Returns False when there is no data_dir."""
        if not self.data_dir:
            return False
        path = os.path.join(self.data_dir, name)
        with open(path + ".tmp", "w", encoding="utf-8") as file:
            file.write(json.dumps(value))
            file.flush()
            self._sync(file.fileno())
        os.replace(path + ".tmp", path)
        folder = os.open(self.data_dir, os.O_RDONLY)
        self._sync(folder)
        os.close(folder)
        return True

    def load(self, name):
        """What was saved under that name; None when nothing was."""
        if not self.data_dir:
            return None
        try:
            with open(os.path.join(self.data_dir, name), encoding="utf-8") as file:
                return json.load(file)
        except FileNotFoundError:
            return None

    # --- the loop ---

    def run(self):
        """Reads messages until the input ends."""
        rest = b""
        while True:
            if not self._harness and not self._wait_for_input():
                continue
            data = os.read(0, 1 << 16)
            if not data:
                break
            lines = (rest + data).split(b"\n")
            rest = lines.pop()
            for line in lines:
                self._handle(line)
        if rest:
            self._handle(rest)

    def _handle(self, line):
        msg = _parse(line)
        if msg:
            self._dispatch(msg)
        elif line.strip():
            self.log("dlab: skipped a line that is not a message: %r" % line[:200])
        self._flush()

    def _dispatch(self, msg):
        body = msg["body"]
        kind = body.get("type")
        at_ms = msg.get("at_ms")
        if type(at_ms) is int:
            self._now = at_ms
        elif not self._harness:
            self._now = self._clock()
        if type(kind) is not str:
            kind = ""
        if kind == "init":
            self._init(msg)
        elif msg["src"] == "dlab":
            if kind == "timer":
                self._fire(body.get("name"))
        else:
            self._request_or_answer(msg, kind)

    def _request_or_answer(self, msg, kind):
        body = msg["body"]
        answered = body.get("in_reply_to")
        call = self._waiting.pop(answered, None) if type(answered) is int else None
        handler = call[2] if call else self._handlers.get(kind)
        if handler:
            handler(msg)
        elif answered is None and type(body.get("msg_id")) is int:
            self.reply_error(msg, 10, "this node has no handler for the type " + _encode(kind))

    def _init(self, msg):
        body = msg["body"]
        dlab = body.get("dlab")
        if self.node_id:
            self.reply_error(msg, 22, "this node has had its init")
            return
        self.node_id = body["node_id"]
        self.node_ids = body["node_ids"]
        self.config = body.get("config") or {}
        self._start = time.monotonic()
        self._harness = type(dlab) is dict
        if self._harness:
            self._lockstep = dlab.get("lockstep") is True
            self.data_dir = dlab.get("data_dir")
        elif "at_ms" not in msg:
            self._now = 0
        # An earlier life of this node may still get answers: do not use its ids again.
        self._last_id = self._now * 1000
        seed = dlab.get("seed") if self._harness else None
        self._chance = (int.from_bytes(os.urandom(8), "big") if seed is None else seed) & _MASK
        self.reply(msg, {"type": "init_ok"})
        if "init" in self._handlers:
            self._handlers["init"](msg)

    def _fire(self, name):
        due, handler = self._timers.get(name, (None, None)) if type(name) is str else (None, None)
        if handler and due <= self._now:  # else it was stopped or set anew while this line was under way
            del self._timers[name]
            handler()

    def _set_alarm(self, due):
        """One timer serves all open rpcs; it stands at the earliest time-out, or earlier."""
        if self._alarm is None or due < self._alarm:
            self._alarm = due
            self.timer("rpc time-out", due - self._now, self._expire)

    def _expire(self):
        self._alarm = None
        for due, id in sorted((call[0], id) for id, call in self._waiting.items() if call[0] <= self._now):
            _, dest, on_answer = self._waiting.pop(id)
            on_answer({"src": dest, "dest": self.node_id,
                       "body": {"type": "error", "in_reply_to": id, "code": 0, "text": "timeout"}})
        if self._waiting:
            self._set_alarm(min(call[0] for call in self._waiting.values()))

    def _tell(self, body):
        if self._harness:
            self.send("dlab", body)

    def _write(self, line):
        self._out.append(line)

    def _flush(self):
        if self._lockstep:
            self._out.append(_DONE)
        if not self._out:
            return
        text = "".join(self._out)
        self._out.clear()
        data = _to_bytes(text)
        try:
            written = os.write(1, data)
            while written < len(data):
                written += os.write(1, data[written:])
        except BrokenPipeError:
            os._exit(0)  # the harness has gone

    def _sync(self, fd):
        # The simulator kills processes, never the machine: there the disk need not be forced.
        if not self._lockstep:
            os.fsync(fd)

    # --- without dlab (a Maelstrom harness): the timers are ours, on the wall clock ---

    def _clock(self):
        return int((time.monotonic() - self._start) * 1000)

    def _wait_for_input(self):
        """Runs the timers that are due. True when there is input to read."""
        self._now = self._clock()
        for name in [n for n, _ in sorted(self._timers.items(), key=lambda t: t[1][0])]:
            self._fire(name)
            self._flush()
        wait = None
        if self._timers:
            wait = max(0, min(t[0] for t in self._timers.values()) - self._clock()) / 1000
        return bool(select.select([0], [], [], wait)[0])


def _parse(line):
    """The message in a line; None when it is none."""
    try:
        text = line.decode("utf-8").strip(" \t\r\n")
        msg, end = _decode(text)
    except (ValueError, RecursionError):
        return None
    if end < len(text):
        return None
    if type(msg) is not dict or type(msg.get("src")) is not str or type(msg.get("body")) is not dict:
        return None
    if msg["body"].get("type") == "init":
        id, ids = msg["body"].get("node_id"), msg["body"].get("node_ids")
        if type(id) is not str or type(ids) is not list:
            return None
    return msg


def _to_bytes(text):
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can carry only as an escape
        return "".join(c if not "\ud800" <= c <= "\udfff" else "\\u%04x" % ord(c) for c in text).encode("utf-8")
