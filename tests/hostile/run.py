#!/usr/bin/env python3
"""Nodes that nobody trusts: each must end in a verdict that names what happened, and leave nothing behind.

Every run has a folder of its own for its temporary files and a token in its environment and in the words of its nodes, so
that what it leaves behind is found whoever else runs dlab at the same time: processes (also those that left the session
and emptied their environment), folders, descriptors.

usage: run.py [--jobs N] [NAME...]     DLAB=path names the binary; the last line is `N passed, N failed`
"""
import argparse
import atexit
import concurrent.futures
import functools
import os
import pathlib
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import uuid

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
DLAB = pathlib.Path(os.environ.get("DLAB") or ROOT / os.environ.get("BUILD", "build") / "dlab").resolve()
SOLUTION = ROOT / "solutions/echo/python/echo.py"
LIMIT_S = 60         # of one run of dlab; the longest wait of a fabric is 10 s
GONE_S = 2           # after the harness was killed, nothing may live longer
CRASH = re.compile(r"AddressSanitizer|LeakSanitizer|runtime error:|Assertion .* failed|stack smashing", re.I)

# What most of the nodes below begin with. TOKEN makes their processes known by their words.
PREAMBLE = """
import json, os, signal, subprocess, sys, time
TOKEN = "@TOKEN@"
lockstep = False
def say(dest, body):
    os.write(1, (json.dumps({"dest": dest, "body": body}) + "\\n").encode())
def done():
    if lockstep: say("dlab", {"type": "done"})
def hear():
    line = sys.stdin.readline()
    if not line: sys.exit(0)
    return json.loads(line)
def init(**more):
    global lockstep
    m = hear()
    lockstep = m["body"].get("dlab", {}).get("lockstep", False)
    say(m["src"], {"type": "init_ok", "in_reply_to": m["body"]["msg_id"], **more})
    done()
def serve():
    while True:
        m = hear()
        b = m["body"]
        if b["type"] == "echo":
            say(m["src"], {"type": "echo_ok", "in_reply_to": b["msg_id"], "echo": b["echo"]})
        done()
def hang():
    while True: signal.pause()
def child():
    if os.fork(): return
    signal.signal(15, signal.SIG_IGN)
    hang()
"""


class Case:
    """A node, and what is to be read about it. `seen` is one pattern, or one for each fabric."""

    def __init__(self, name, node, seen, status=1, fabrics=("sim", "proc"), options=("-t", "one"), lab="echo", **more):
        self.name, self.node, self.status, self.options, self.lab = name, node, status, options, lab
        self.seen = seen if isinstance(seen, dict) else {f: seen for f in fabrics}
        self.fabrics, self.more = fabrics, more


CASES = [
    Case("false", ["/bin/false"], "n1 exited with status 1"),
    Case("true", ["/bin/true"], "n1 exited with status 0"),
    Case("cat", ["/bin/cat"], "did not answer init.*wrote back the very line"),
    Case("yes", ["yes"], "wrote more than the limits allow.*not JSON"),
    Case("yes-valid", "init()\nline = b'{\"dest\":\"c9\",\"body\":{}}\\n' * 1000\nhear()\nwhile True: os.write(1, line)",
         {"sim": "more than the limits allow", "proc": "did not answer echo|5,000,000|without end|more than"}),
    Case("long-line-before-init", "os.write(1, b'x' * 10_000_000)\nhang()", "did not answer init.*(longer|over|60,000|too long)"),
    Case("long-line-after-init", "init()\nhear()\nos.write(1, b'x' * 10_000_000)\nhang()",
         {"sim": 'did not say "done".*', "proc": "did not answer echo"}, also="60,000"),
    Case("endless-line", "init()\nhear()\nwhile True: os.write(1, b'x' * 60_000)", "wrote more than the limits allow"),
    # children.c says what the three are; "bare" ones have no marker, no parent and no session of ours.
    Case("200-children", "sys.exit(3)", "n1 exited with status 3", children="plain"),
    Case("200-children-setsid", "sys.exit(3)", "n1 exited with status 3", children="setsid"),
    Case("200-children-and-serves", "init()\nserve()", "1 of 1 tests passed", status=0, children="plain"),
    Case("children-without-environment", "sys.exit(4)", "n1 exited with status 4", children="bare"),
    Case("children-without-environment-and-serves", "init()\nserve()", "1 of 1 tests passed", status=0, children="bare"),
    Case("ignores-sigterm", "signal.signal(15, signal.SIG_IGN)\ninit()\nserve()", "1 of 1 tests passed", status=0),
    Case("ignores-sigterm-silent", "signal.signal(15, signal.SIG_IGN)\nhang()", "n1 did not answer init"),
    Case("ignores-the-end-of-stdin", "init()\ntry: serve()\nexcept SystemExit: hang()", "1 of 1 tests passed", status=0),
    Case("closes-stdout", "init()\nos.close(1)\nhang()", "n1 closed its stdout and was ended"),
    Case("closes-stdout-at-once", "os.close(1)\nhang()", "n1 closed its stdout and was ended"),
    Case("closes-stdin", "init()\nos.close(0)\nhang()", "n1 closed its stdin and was ended"),
    Case("closes-everything", "init()\nos.close(0); os.close(1); os.close(2)\nhang()", "n1 closed its std(in|out) and was ended"),
    Case("reads-nothing-more", "init()\nhang()",
         {"sim": 'did not say "done" in time', "proc": "did not answer generate|did not answer|no answer|was answered"},
         lab="unique-ids", options=("-t", "one-node")),
    Case("stdin-closed-under-load", "init()\nos.close(0)\nhang()", "closed its stdin and was ended", lab="unique-ids",
         options=("-t", "one-node")),
    Case("stops-itself", "os.kill(os.getpid(), signal.SIGSTOP)\nhang()", "n1 is stopped"),
    Case("stops-itself-after-init", "init()\nhear()\nos.kill(os.getpid(), signal.SIGSTOP)\nhang()", "is stopped"),
    # The same 64 MB many times over: as much memory for whoever counts, and quickly made.
    Case("eats-memory", "import mmap\nfd = os.memfd_create('m')\nos.truncate(fd, 64 << 20)\nkeep = []\n"
         "while len(keep) < 64: keep.append(mmap.mmap(fd, 64 << 20, mmap.MAP_SHARED | mmap.MAP_POPULATE))\nhang()",
         "n1 used more than 1024 MB"),
    Case("stderr-100-MB", "init()\nline = b'e' * 999 + b'\\n'\nfor i in range(1000): os.write(2, line * 100)\nserve()",
         "1 of 1 tests passed", status=0, also="writes so much to stderr"),
    Case("stderr-100-MB-without-newline", "init()\nfor i in range(1000): os.write(2, b'e' * 100_000)\nserve()", "1 of 1 tests passed",
         status=0),
    Case("stderr-without-end", "init()\nhear()\nwhile True: os.write(2, b'e' * 999 + b'\\n')",
         {"sim": 'did not say "done" in time', "proc": "did not answer echo"}),
    Case("stderr-without-end-by-a-child", "subprocess.Popen(['setsid', 'yes', TOKEN], stdout=2)\nsys.exit(5)", "n1 exited with status 5"),
    Case("init-twice", "m = hear()\nlockstep = m['body']['dlab']['lockstep']\n"
         "for i in (1, 2): say('c0', {'type': 'init_ok', 'in_reply_to': 1})\ndone()\nserve()", "1 of 1 tests passed", status=0,
         also="a second reply"),
    Case("init-wrong-number", "hear()\nsay('c0', {'type': 'init_ok', 'in_reply_to': 99})\nhang()", "did not answer init.*99"),
    Case("init-without-number", "hear()\nsay('c0', {'type': 'init_ok'})\nhang()", "did not answer init.*in_reply_to"),
    Case("init-error", "hear()\nsay('c0', {'type': 'error', 'in_reply_to': 1, 'code': 13, 'text': 'no'})\nhang()",
         "did not answer init.*error"),
    Case("done-1000-times", "for i in range(1000): say('dlab', {'type': 'done'})\nhang()",
         {"sim": 'said "done" before it had answered init', "proc": "did not answer init"}),
    Case("done-1000-times-after-init", "hear()\ndone = b'{\"dest\":\"dlab\",\"body\":{\"type\":\"done\"}}\\n'\n"
         "os.write(1, b'{\"dest\":\"c0\",\"body\":{\"type\":\"init_ok\",\"in_reply_to\":1}}\\n' + done * 1000)\nserve()",
         {"sim": 'wrote after "done"'}, fabrics=("sim",)),
    Case("terminal-codes", "for i in range(20): os.write(1, b'\\x1b]0;owned\\x07\\x1b[31m\\xff\\xfe\\x00\\x9b2J\\n')\n"
         "os.write(2, b'\\x1b[2J\\x1b]52;c;aGk=\\x07\\xff\\x9b31m\\xe2\\x80\\xae stderr\\n')\nsys.exit(6)", "n1 exited with status 6"),
    Case("terminal-codes-in-an-answer", "init()\nm = hear()\n"
         "say(m['src'], {'type': 'echo_ok', 'in_reply_to': m['body']['msg_id'], 'echo': '\\x1b[31m\\x9b2J\\u202e'})\n"
         "os.write(1, b'{\"dest\":\"c0\",\"body\":{\"type\":\"\\xff\\x1b[2J\"}}\\n')\ndone()\nhang()", "echo_ok carries what was sent"),
    Case("partial-line", "os.write(1, b'{\"dest\":\"c0\",\"body\":{\"type\":\"init_ok\",\"in_reply')", "exited with status 0.*newline"),
    Case("dies-by-a-signal", "init()\nhear()\nos.kill(os.getpid(), signal.SIGSEGV)", "n1 was killed by signal 11"),
    Case("no-such-program", ["./not-there"], "dlab test: cannot start ./not-there: No such file", status=2),
    Case("no-such-name", ["dlab-no-such-program"], 'no program "dlab-no-such-program" in PATH', status=2),
    Case("a-folder", ["/tmp"], "cannot start /tmp: it is a folder", status=2),
    Case("not-executable", ["./plain.txt"], "plain.txt is not executable", status=2, files={"plain.txt": (0o644, "echo hi\n")}),
    Case("no-shebang", ["./script"], "cannot start .*script: .*begins with #!", status=3, files={"script": (0o755, "echo hi\n")}),
    Case("no-interpreter", ["./script"], "cannot start .*script: .*interpreter", status=3,
         files={"script": (0o755, "#!/no/such/interpreter\n")}),
    Case("empty-file", ["./script"], "cannot start .*script: ", status=3, files={"script": (0o755, "")}),
]


# --- what is left behind ---

def processes(token):
    """Everything alive that has the token in its words or its environment, but for us and the dlab that we wait for."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            stat = (entry / "stat").read_text()
            words = (entry / "cmdline").read_bytes()
            if stat.rsplit(")", 1)[1].split()[0] in "ZX":
                continue
            if token.encode() in words + (entry / "environ").read_bytes():
                found.append((int(entry.name), words.replace(b"\0", b" ").decode(errors="replace")[:80]))
        except OSError:
            continue
    return found


def wait_for(condition, limit):
    """Its first true value, or its last one."""
    end = time.monotonic() + limit
    while True:
        value = condition()
        if value or time.monotonic() > end:
            return value
        time.sleep(0.01)


@functools.cache
def children_program():
    folder = tempfile.mkdtemp(prefix="hostile-tools-")
    atexit.register(shutil.rmtree, folder)
    subprocess.run(["cc", "-O1", "-o", f"{folder}/children", pathlib.Path(__file__).with_name("children.c")], check=True)
    return f"{folder}/children"


class Bench:
    """A folder for one run: its temporary files, its workspace, its token."""

    def __init__(self):
        self.token = f"3600.{uuid.uuid4().int % 10**20:020}"  # also a number of seconds, for sleep
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="hostile-"))
        self.tmp, self.work = self.home / "tmp", self.home / "work"
        self.tmp.mkdir()
        self.work.mkdir()
        self.env = {**os.environ, "TMPDIR": str(self.tmp), "HOSTILE_TOKEN": self.token,
                    "ASAN_OPTIONS": "detect_leaks=1:exitcode=99", "UBSAN_OPTIONS": "print_stacktrace=1"}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for pid, _words in processes(self.token):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        shutil.rmtree(self.home, ignore_errors=True)

    def node(self, code):
        if isinstance(code, list):
            return code
        path = self.work / f"{self.token}.py"
        path.write_text(PREAMBLE.replace("@TOKEN@", self.token) + textwrap.dedent(code) + "\n")
        return [sys.executable, str(path)]

    def command(self, case, fabric, *more):
        for name, (mode, text) in case.more.get("files", {}).items():
            (self.work / name).write_text(text)
            (self.work / name).chmod(mode)
        node = self.node(case.node)
        if how := case.more.get("children"):
            node = [children_program(), "200", how, self.token, *node]
        return [str(DLAB), "test", case.lab, *case.options, "--fabric", fabric, *more, "--", *node]

    def start(self, command, **more):
        return subprocess.Popen(command, cwd=self.work, env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, **more)

    def finish(self, dlab, limit=LIMIT_S):
        """Output and status; a dlab that hangs is killed, and its status is "hung"."""
        try:
            out, _ = dlab.communicate(timeout=limit)
            return out, dlab.returncode
        except subprocess.TimeoutExpired:
            dlab.kill()
            out, _ = dlab.communicate()
            return out, "hung"

    def left(self):
        """Problems, in words."""
        bad = [f"left a process: {pid} {words}" for pid, words in processes(self.token)]
        return bad + [f"left {p}" for p in self.tmp.glob("*")]

    def left_soon(self, limit=GONE_S):
        wait_for(lambda: not self.left(), limit)
        return self.left()

    def run_files(self):
        return sorted(self.work.glob(".dlab/runs/*.db"))


def readable(path, with_events=True):
    """Problems of a run file whose writer was killed or had no room."""
    try:
        db = sqlite3.connect(path)
        bad = [f"{path.name}: integrity: {row[0]}" for row in db.execute("PRAGMA integrity_check") if row[0] != "ok"]
        if db.execute("SELECT count(*) FROM events").fetchone()[0] == 0 and with_events:
            bad.append(f"{path.name} has no events")
        db.execute("SELECT * FROM readable").fetchall()
        db.close()
        return bad
    except sqlite3.Error as error:
        return [f"{path.name}: {error}"]


def plain_text(raw):
    """Problems of what goes to a terminal."""
    bad = []
    text = raw.decode(errors="surrogateescape")
    if any("\udc80" <= c <= "\udcff" for c in text):
        bad.append("its output is not UTF-8")
    odd = sorted({c for c in text if (c < " " and c != "\n") or "\x7f" <= c <= "\x9f" or c in "\u2028\u2029\u202a\u202b\u202c\u202d\u202e"})
    return bad + ([f"its output has control characters: {odd!r}"] if odd else [])


# --- the tests; each returns a list of problems ---

def check_case(case, fabric):
    with Bench() as bench:
        raw, status = bench.finish(bench.start(bench.command(case, fabric)))
        text = raw.decode(errors="replace")
        flat = " ".join(text.split())
        bad = bench.left() + plain_text(raw)
        if status != case.status:
            bad.append(f"status {status}, expected {case.status}")
        for pattern in (case.seen[fabric], case.more.get("also", "")):
            if not re.search(pattern, flat):
                bad.append(f"its output does not match {pattern!r}")
        if CRASH.search(text):
            bad.append("the harness crashed")
        return bad and bad + [text[-3000:]]


def slow_node():
    """Answers init, says nothing afterwards: a run that stays in its middle for seconds."""
    return Case("slow", "for i in range(3): child()\ninit()\nhear()\nhang()", "")


def check_signal(fabric, sig, workers, group):
    with Bench() as bench:
        more = ["-j", str(workers), "--seeds", "4", "--keep"] if workers > 1 else []
        dlab = bench.start(bench.command(slow_node(), fabric, *more), start_new_session=True)
        # The node is up when its children are: wanted for each worker, and the run's file with them.
        up = wait_for(lambda: len(bench.run_files()) >= workers and
                      sum(w.startswith(sys.executable) for _, w in processes(bench.token)) >= 4 * workers and bench.run_files(), 30)
        if not up:
            return ["no run was in its middle within 30 s", bench.finish(dlab, 1)[0].decode(errors="replace")[-2000:]]
        wait_for(lambda: all(not readable(f) for f in bench.run_files()), 10)
        (os.killpg if group else os.kill)(dlab.pid, sig)
        raw, status = bench.finish(dlab, 10)
        bad = bench.left_soon()
        if status != -sig:
            bad.append(f"status {status}, expected {-sig}")
        for path in bench.run_files():
            bad += readable(path)
        return bad + ([raw.decode(errors="replace")[-1000:]] if bad else [])


def check_descriptors(fabric):
    """A node that fails after its start, thirty times, with 64 descriptors."""
    case = Case("fails", "init()\nhear()\nsys.exit(1)", "")
    with Bench() as bench:
        few = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        raw, status = bench.finish(bench.start(bench.command(case, fabric, "--seeds", "30"), preexec_fn=few), 180)
        bad = bench.left()
        if status != 1 or b"0 of 30 seeds" not in raw or b"n1 exited with status 1" not in raw:
            bad.append(f"status {status}: {raw.decode(errors='replace')[-1500:]}")
        return bad


def check_head(workers):
    with Bench() as bench:
        command = [str(DLAB), "test", "echo", "--seeds", "12", "-j", str(workers), "--", sys.executable, str(SOLUTION)]
        dlab = bench.start(command)
        dlab.stdout.readline()
        dlab.stdout.close()
        dlab.stdout = None
        try:
            status = dlab.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            dlab.kill()
            status = "hung"
        return bench.left() + ([] if status in (0, 1, 3) else [f"status {status}"])


def full_disk_problems(bench, raw, status):
    bad = bench.left()
    text = raw.decode(errors="replace")
    if status != 3 or not re.search(r"(too large|full|No space|disk)", text):
        bad.append(f"status {status}: {text[-1500:]}")
    if CRASH.search(text):
        bad.append(f"crashed: {text[-1500:]}")
    for path in bench.work.glob(".dlab/runs/*"):
        bad += [f"left {path}, and did not say so"] if path.name not in text else readable(path, False)
    return bad


def check_file_size(limit_kb):
    """A file may not grow beyond a limit: what a quota and a full disk look like."""
    with Bench() as bench:
        small = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit_kb << 10, limit_kb << 10))
        command = [str(DLAB), "test", "echo", "-t", "long-line", "--", sys.executable, str(SOLUTION)]
        raw, status = bench.finish(bench.start(command, preexec_fn=small))
        return full_disk_problems(bench, raw, status)


def check_full_disk():
    with Bench() as bench:
        runs = bench.work / ".dlab"
        runs.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32k", "tmpfs", str(runs)], capture_output=True, check=False)
        if mounted.returncode != 0:
            return "no permission to mount a small file system"
        try:
            command = [str(DLAB), "test", "echo", "-t", "long-line", "--", sys.executable, str(SOLUTION)]
            raw, status = bench.finish(bench.start(command))
            return full_disk_problems(bench, raw, status)
        finally:
            subprocess.run(["umount", str(runs)], check=False)


def all_checks():
    for case in CASES:
        for fabric in case.fabrics:
            yield f"{case.name}, {fabric}", lambda c=case, f=fabric: check_case(c, f)
    for fabric in ("sim", "proc"):
        yield f"30 failures with 64 descriptors, {fabric}", lambda f=fabric: check_descriptors(f)
        for sig in (signal.SIGKILL, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            for workers in (1, 2):
                yield (f"{sig.name} in mid-run, {fabric}, -j {workers}",
                       lambda f=fabric, s=sig, w=workers: check_signal(f, s, w, False))
        yield f"SIGKILL to the group, {fabric}, -j 2", lambda f=fabric: check_signal(f, signal.SIGKILL, 2, True)
        yield f"Ctrl-C, {fabric}, -j 2", lambda f=fabric: check_signal(f, signal.SIGINT, 2, True)
    yield "head -1, -j 1", lambda: check_head(1)
    yield "head -1, -j 2", lambda: check_head(2)
    for limit_kb in (0, 8, 64):
        yield f"files of {limit_kb} kB at most", lambda k=limit_kb: check_file_size(k)
    yield "a full disk", check_full_disk


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int, default=4, help="runs at a time; most of them wait")
    parser.add_argument("names", nargs="*", help="only those whose name holds one of these")
    options = parser.parse_args()
    lock, sums = threading.Lock(), {"passed": 0, "failed": 0, "skipped": 0}
    # A shell's background job or nohup ignores these, and so would all runs that are to end by them.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

    def one(check):
        name, function = check
        began = time.monotonic()
        try:
            bad = function()
        except Exception as error:  # the sum at the end must be right whatever happens
            bad = [f"the test itself failed: {error!r}"]
        outcome = "skipped" if isinstance(bad, str) else "failed" if bad else "passed"
        with lock:
            sums[outcome] += 1
            mark = {"passed": "ok     ", "failed": "FAILED ", "skipped": "skipped"}[outcome]
            print(f"  {mark} {name}  {time.monotonic() - began:.1f} s" + (f": {bad}" if outcome == "skipped" else ""), flush=True)
            for line in bad if outcome == "failed" else []:
                print(textwrap.indent(line, "          "), flush=True)

    children_program()  # before there are threads
    checks = [c for c in all_checks() if not options.names or any(n in c[0] for n in options.names)]
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        list(pool.map(one, checks))
    print(f"{sums['passed']} passed, {sums['failed']} failed" + (f", {sums['skipped']} skipped" if sums["skipped"] else ""))
    return 1 if sums["failed"] or not sums["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
