#!/usr/bin/env python3
"""The world fails: the n'th call of a function of the system fails, n = 1, 2, ... until none is left to fail.

Each run of `dlab test` must end by itself with exit status 0, 1 or 3, say a sentence when it is not 0, and leave no
process behind. Up to DENSE every n is tried; beyond it the steps grow, for reading /proc alone takes thousands of calls.

usage: run.py [FUNCTION...]      DLAB=path names the binary; not one with sanitizers
"""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / os.environ.get("BUILD", "build")
DLAB = pathlib.Path(os.environ.get("DLAB") or BUILD / "dlab").resolve()
DENSE, STEP = 40, 1.25
LIMIT_S = 40
CALLS = ["write", "read", "pipe2", "posix_spawnp", "mkdtemp", "open", "mmap", "mmap64", "fork", "fcntl", "fcntl64", "poll", "ppoll",
         "mkdir", "opendir", "realpath", "pwrite64", "pread64", "fdatasync", "ftruncate64", "unlink", "pthread_create"]
# The sim and proc fabrics, and two workers; a node that fails leaves other traces than one that passes.
WAYS = [("sim", []), ("proc", ["--fabric", "proc"]), ("two workers", ["--seeds", "2", "-j", "2"])]


def compile_c(out, source, *flags):
    done = subprocess.run(["cc", "-O1", *map(str, flags), "-o", out, source], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        print(f"{done.stderr}\n0 passed, 1 failed")
        sys.exit(1)


def left(token):
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and token in (entry / "environ").read_bytes() and \
                    (entry / "stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX":
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def one(tools, way, call, n):
    """Whether the call failed at all, and what is wrong with how the run went."""
    token = f"faults-{uuid.uuid4().hex}"
    with tempfile.TemporaryDirectory(prefix="faults-") as name:
        folder = pathlib.Path(name)
        fired = folder / "fired"
        env = {**os.environ, "LD_PRELOAD": str(tools / "shim.so"), "FAULT_PROGRAM": str(DLAB), "FAULT_CALL": call, "FAULT_N": str(n),
               "FAULT_FIRED": str(fired), "FAULT_TOKEN": token, "TMPDIR": name}
        dlab = subprocess.Popen([DLAB, "test", "echo", "-t", "one", *way, "--", str(tools / "echo")], cwd=folder, env=env,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        bad = []
        try:
            text, _ = dlab.communicate(timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            dlab.kill()
            text, _ = dlab.communicate()
            bad.append(f"no end within {LIMIT_S} s")
        if dlab.returncode not in (0, 1, 3) and not bad:
            bad.append(f"status {dlab.returncode}")
        if dlab.returncode in (1, 3) and not re.search(r"dlab: |error  |seen  ", text) and not (call == "write" and not text):
            bad.append("no sentence")
        for pid in left(token.encode()):
            bad.append(f"left process {pid}")
            os.kill(pid, signal.SIGKILL)
        return fired.exists(), [f"{call} {n}: {b}" for b in bad] + ([text[-1200:]] if bad else [])


def check(tools, title, way, call):
    n, problems, runs = 1, [], 0
    while True:
        happened, bad = one(tools, way, call, n)
        problems += bad
        runs += happened
        if not happened or len(problems) > 6:
            return runs, problems
        n = n + 1 if n < DENSE else int(n * STEP)


def main():
    passed, failed = 0, 0
    tools = pathlib.Path(tempfile.mkdtemp(prefix="faults-tools-"))
    try:
        compile_c(tools / "shim.so", pathlib.Path(__file__).with_name("shim.c"), "-shared", "-fPIC", "-ldl")
        compile_c(tools / "echo", ROOT / "solutions/echo/c/echo.c", "-I", ROOT / "core/sdk/c")
        for title, way in WAYS:
            for call in sys.argv[1:] or CALLS:
                runs, problems = check(tools, title, way, call)
                passed += runs > 0 and not problems
                failed += bool(problems)
                if runs or problems:
                    print(f"  {'FAILED ' if problems else 'ok     '} {title}: {call}, {runs} failures", flush=True)
                for line in problems:
                    print("          " + line.replace("\n", "\n          "), flush=True)
    finally:
        shutil.rmtree(tools)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
