#!/usr/bin/env python3
"""Same seed, same trace: for the solutions in C, Python and Go, run after run, with one worker and with two; another seed,
another trace. And who breaks it is named: a thread, a clock, chance without the seed.

usage: run.py [--seeds N] [--long]      --long: 100 seeds; 20 otherwise
"""
import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / os.environ.get("BUILD", "build")
DLAB = pathlib.Path(os.environ.get("DLAB") or BUILD / "dlab").resolve()
LABS = [("echo", "three-nodes"), ("unique-ids", "restart"), ("broadcast", "loss")]
LIMIT_S = 900

NODE = """
import json, os, random, sys, threading, time
def say(dest, body): os.write(1, (json.dumps({"dest": dest, "body": body}) + "\\n").encode())
def echo(m, **more):
    say(m["src"], {"type": "echo_ok", "in_reply_to": m["body"]["msg_id"], "echo": m["body"]["echo"], **more})
for line in sys.stdin:
    m = json.loads(line)
    if m["body"]["type"] == "init":
        say(m["src"], {"type": "init_ok", "in_reply_to": 1})
        BEGIN
    else:
        ANSWER
    say("dlab", {"type": "done"})
"""

# What a node does wrong: at its start, for an answer, the words by which it is named, and the options.
CULPRITS = [
    ("the clock in an answer", "pass", "echo(m, at=time.time())", "same seed, same run.*clock", ["--check-determinism"]),
    ("chance without the seed", "pass", "echo(m, dice=random.random())", "same seed, same run.*random", ["--check-determinism"]),
    ("a thread that answers", "pass", "threading.Timer(0.02, echo, [m]).start()", "n1 wrote after \"done\".*thread", []),
    ("a thread that chatters", "threading.Thread(target=lambda: [(time.sleep(0.001), say('c1', {'type': 'hello'})) for _ in iter(int, 1)],"
     " daemon=True).start()", "time.sleep(0.01); echo(m)", "(n1 wrote after \"done\"|same seed, same run).*thread",
     ["--check-determinism"]), # its lines may all fall into steps: seen at the end, when the node is given a moment
]


class Tally:
    def __init__(self):
        self.passed, self.failed, self.skipped = 0, 0, 0

    def say(self, ok, what, detail=""):
        self.passed += ok
        self.failed += not ok
        print(f"  {'ok     ' if ok else 'FAILED '} {what}" + (f"\n{detail}" if not ok else ""), flush=True)

    def skip(self, what, why):
        self.skipped += 1
        print(f"  skipped {what}: {why}", flush=True)


def build(lab, language, folder):
    """The node's command, and why there is none."""
    source = ROOT / "solutions" / lab / language
    if language == "python":
        return [sys.executable, str(next(source.glob("*.py")))], ""
    binary = folder / f"{lab}-{language}"
    words = ["cc", "-O2", "-I", ROOT / "core/sdk/c", "-o", binary, *source.glob("*.c"), "-lpthread"] if language == "c" \
        else ["go", "build", "-o", binary, "."]
    try:
        done = subprocess.run([str(w) for w in words], cwd=source, capture_output=True, text=True, check=False,
                              env={**os.environ, "GOFLAGS": "-mod=mod", "GOPROXY": "off"})
    except FileNotFoundError as missing:
        return None, f"{missing.filename} is not installed"
    return ([str(binary)], "") if done.returncode == 0 else (None, done.stderr)


def dlab(folder, lab, test, node, *options):
    out = folder / "result.json"
    done = subprocess.run([DLAB, "test", lab, "-t", test, "--json", str(out), *options, "--", *node], cwd=folder, text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=LIMIT_S, check=False)
    return json.loads(out.read_text())["tests"][0]["runs"], done.stdout


def hashes(*args):
    runs, text = dlab(*args)
    return {r["seed"]: (r["hash"], r["events"], r["verdict"]) for r in runs}, text


def check_solution(tally, folder, lab, test, language, seeds):
    title = f"{lab}/{test} in {language}, {seeds} seeds"
    node, why = build(lab, language, folder)
    if not node:
        (tally.skip if "not installed" in why else lambda t, w: tally.say(False, t, w))(title, why)
        return
    one, text = hashes(folder, lab, test, node, "--seeds", str(seeds))
    two, _ = hashes(folder, lab, test, node, "--seeds", str(seeds), "-j", "2")
    passed = len(one) == seeds and all(r[2] == "passed" for r in one.values())
    tally.say(passed, f"{title}: all pass", text[-2000:])
    differ = [s for s in one if one[s] != two.get(s)]
    tally.say(not differ, f"{title}: one worker and two give the same traces", "\n".join(f"{s}: {one[s]} {two.get(s)}" for s in differ[:5]))
    tally.say(len({r[0] for r in one.values()}) == seeds, f"{title}: each seed has a trace of its own", str(one)[:500])


def check_culprit(tally, folder, title, begin, answer, seen, options):
    path = folder / "culprit.py"
    path.write_text(NODE.replace("BEGIN", begin).replace("ANSWER", answer))
    runs, text = dlab(folder, "echo", "one" if options else "ids-out-of-order", [sys.executable, str(path)], *options)
    tally.say(runs[0]["verdict"] == "failed" and bool(re.search(seen, " ".join(text.split()))), f"{title} is named", text[-2000:])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--long", action="store_true")
    options = parser.parse_args()
    seeds = 100 if options.long else options.seeds
    tally = Tally()
    with tempfile.TemporaryDirectory(prefix="determinism-") as name:
        folder = pathlib.Path(name)
        for lab, test in LABS:
            for language in ("c", "python", "go"):
                check_solution(tally, folder, lab, test, language, seeds)
        for culprit in CULPRITS:
            check_culprit(tally, folder, *culprit)
    print(f"{tally.passed} passed, {tally.failed} failed" + (f", {tally.skipped} skipped" if tally.skipped else ""))
    return 1 if tally.failed or not tally.passed else 0


if __name__ == "__main__":
    sys.exit(main())
