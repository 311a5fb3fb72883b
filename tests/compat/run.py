#!/usr/bin/env python3
"""Nodes in Maelstrom's dialect of the protocol run unchanged on proc: no lockstep, no timers of ours, threads and clocks of
their own, in Python, Ruby, JavaScript and sh; two of them stand on the services. And right nodes that write their JSON in
another way than the SDKs are right.

A language that is not installed is skipped, which is counted and said. usage: run.py [NAME...]
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / os.environ.get("BUILD", "build")
DLAB = pathlib.Path(os.environ.get("DLAB") or BUILD / "dlab").resolve()
NODES = ROOT / "tests" / "nodes" / "maelstrom"
JUDGE = BUILD / "tests" / "kv_judge"
INTERPRETERS = {".py": sys.executable, ".rb": "ruby", ".js": "node", ".sh": "sh"}
LIMIT_S = 200

# A node, how it is judged, and which tests; --first 0 names the nodes from n0 on.
LABS = [
    ("echo.sh", "echo", [("one",), ("three-nodes", "--first", "0"), ("ids-out-of-order",), ("long-line",), ("unknown-type",)]),
    ("echo.rb", "echo", [("one",), ("three-nodes",), ("ids-out-of-order",), ("long-line",), ("unicode",), ("unknown-type",),
                         ("garbage",)]),
    ("unique.js", "unique-ids", [("one-node",), ("three-nodes", "--first", "0"), ("partition",), ("restart",)]),
    ("broadcast.py", "broadcast", [("one-node",), ("five-nodes", "--first", "0"), ("partition",), ("loss",)]),
]
# Solutions that write their JSON as no SDK does (tests/nodes/odd_json.py); on sim.
ODD_JSON = ROOT / "tests" / "nodes" / "odd_json.py"
ODD = [("echo", ["ids-out-of-order", "unicode", "unknown-type"]), ("unique-ids", ["one-node"]), ("broadcast", ["five-nodes"]),
       ("exactly-once", ["calm", "pruned"])]
SERVICES = [("kv_proxy.py", "kv"), ("counter.rb", "counter")]


def command(node):
    return [shutil.which(INTERPRETERS[pathlib.Path(node).suffix]), str(NODES / node)]


def run(words, folder, **env):
    done = subprocess.run([str(w) for w in words], cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", timeout=LIMIT_S, check=False,
                          env={**os.environ, "TMPDIR": str(folder), **env})
    return done.returncode, done.stdout


def build_judge():
    JUDGE.parent.mkdir(parents=True, exist_ok=True)
    packages = re.search(r"^PKGS = (.*)$", (ROOT / "Makefile").read_text(), re.M).group(1).split()
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", *packages], capture_output=True, text=True, check=True)
    return run([os.environ.get("CC", "cc"), "-std=c11", "-D_GNU_SOURCE", "-I", ROOT / "core", "-I", BUILD, "-o", JUDGE,
                pathlib.Path(__file__).with_name("kv_judge.c"), BUILD / "libdlab.a", *flags.stdout.split(), "-lpthread", "-lm"], ROOT)


def checks():
    for node, lab, tests in LABS:
        for test, *options in tests:
            yield node, f"{lab}, {test}{' ' if options else ''}{' '.join(options)}", \
                [DLAB, "test", lab, "-t", test, "--fabric", "proc", *options, "--"]
    # sim refuses a node that does not know lockstep, and says where it runs
    yield "echo.rb", "refused by sim", None
    for lab, tests in ODD:
        for test in tests:
            yield "odd_json.py", f"{lab}, {test}", [DLAB, "test", lab, "-t", test, "--", sys.executable, ODD_JSON,
                                                    ROOT / "solutions" / lab / "python" / f"{lab}.py"]
    for node, test in SERVICES:
        yield node, f"services, {test}", [JUDGE, test, "proc"]


def refused(node, folder):
    status, text = run([DLAB, "test", "echo", "-t", "one", "--", *command(node)], folder)
    ok = status == 1 and "does not know lockstep" in text and "--fabric proc" in text
    return (0 if ok else 1), text


def main():
    passed, failed, skipped = 0, 0, 0
    status, text = build_judge()
    if status != 0:
        print(f"  FAILED the judge of the services does not build\n{text}\n0 passed, 1 failed")
        return 1
    for node, name, words in checks():
        title = f"{node}: {name}"
        if sys.argv[1:] and not any(n in title for n in sys.argv[1:]):
            continue
        if not command(node)[0]:
            skipped += 1
            print(f"  skipped {title}: {INTERPRETERS[pathlib.Path(node).suffix]} is not installed", flush=True)
            continue
        with tempfile.TemporaryDirectory(prefix="compat-") as folder:
            if not words:
                status, text = refused(node, folder)
            else:
                status, text = run(words if "--" in words[:-1] else [*words, *command(node)], folder)
        passed += status == 0
        failed += status != 0
        print(f"  {'ok     ' if status == 0 else 'FAILED '} {title}" + (f"\n{text}" if status else ""), flush=True)
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
