"""A node that does what it is told, well or badly: for the contract tests of the fabrics. Without the SDK on purpose.

    {"type":"do","steps":[["send","n2",{"type":"hi"}],["raw","text\n"],["log","text"],["exit",3],["signal",11],["sleep",0.1],
                          ["fork"],["burst","n2",times,pause],["raw_later","text\n"],["mutter","text",times],["long",70000],["close"]]}        answered with do_ok when all is done
    {"type":"seen"}                                                              seen_ok: the types of all that arrived
"""
import json
import os
import signal
import sys
import threading
import time

me, lockstep, seen = None, False, []
idle = threading.Event()


def write(text):
    data = text.encode("utf-8", "surrogateescape")
    while data:
        data = data[os.write(1, data):]


def send(dest, body):
    write(json.dumps({"src": me, "dest": dest, "body": body}) + "\n")


def raw_later(text):
    """Writes when the line that asked for it is done with, then leaves a file that says so."""
    while not idle.wait(10):
        pass
    write(text)
    open(os.environ["DLAB_DATA_DIR"] + "/spoke", "w").close()


def step(words):
    verb, rest = words[0], words[1:]
    if verb == "send":
        send(rest[0], rest[1])
    elif verb == "raw":
        write(rest[0])
    elif verb == "log":
        sys.stderr.write(rest[0] + "\n")
        sys.stderr.flush()
    elif verb == "mutter":
        for _ in range(rest[1]):
            sys.stderr.write(rest[0])
            sys.stderr.flush()
    elif verb == "burst":
        for i in range(rest[1]):
            send(rest[0], {"type": "burst", "i": i})
            time.sleep(rest[2])
    elif verb == "exit":
        os._exit(rest[0])
    elif verb == "signal":
        signal.signal(rest[0], signal.SIG_DFL)
        os.kill(os.getpid(), rest[0])
    elif verb == "sleep":
        time.sleep(rest[0])
    elif verb == "fork":
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            os.setsid()
            while True:
                time.sleep(60)
    elif verb == "raw_later":
        threading.Thread(target=raw_later, args=rest, daemon=True).start()
    elif verb == "long":
        write("x" * rest[0] + "\n")
    elif verb == "close":
        os.close(1)


def main():
    global me, lockstep
    if len(sys.argv) > 1 and sys.argv[1] == "mute":
        sys.stdin.read()
        return
    for line in sys.stdin:
        idle.clear()
        message = json.loads(line)
        body = message["body"]
        kind = body.get("type")
        if kind == "init":
            me, lockstep = body["node_id"], body["dlab"]["lockstep"]
            if len(sys.argv) > 1 and sys.argv[1] == "slow" and me == "n2":
                time.sleep(0.3)
            if len(sys.argv) > 1 and sys.argv[1] == "slow" and me == "n1":
                time.sleep(0.1)  # n2 has been started by now, and not answered yet
                send("n2", {"type": "early"})
            send(message["src"], {"type": "init_ok", "in_reply_to": body["msg_id"]})
        elif kind == "do":
            for words in body["steps"]:
                step(words)
            send(message["src"], {"type": "do_ok", "in_reply_to": body["msg_id"]})
        elif kind == "seen":
            send(message["src"], {"type": "seen_ok", "in_reply_to": body["msg_id"], "seen": seen})
        else:
            seen.append(body.get("name", kind))
        if lockstep:
            write('{"dest":"dlab","body":{"type":"done"}}\n')
        idle.set()


main()
