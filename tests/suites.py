#!/usr/bin/env python3
"""Runs the test suites one after another and adds up what they count. usage: suites.py quick|all [--only NAME]

A suite is a command whose output ends with a line `N passed, N failed` (`, N skipped` may follow), or a cmocka program.
The output of a suite that fails is printed in full, of one that passes only its skips. The last line here has the same form.
"""
import argparse
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import textwrap
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(os.environ.get("BUILD", "build"))
PRINTING = threading.Lock()
PLAIN = re.compile(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$", re.M)
CMOCKA = re.compile(r"^\[  (PASSED|FAILED|SKIPPED)  \] (\d+) test\(s\)", re.M)


class Suite:
    """`alone`: it measures the wall clock, or uses all cores by itself; the others run two at a time."""

    def __init__(self, name, command, minutes=10, env=None, alone=False):
        self.name, self.command, self.minutes, self.env = name, [str(c) for c in command], minutes, env or {}
        self.alone = alone


def counts(text, status):
    """Passed, failed, skipped; a suite without a count is one test, which its exit status decides."""
    plain = PLAIN.findall(text)
    if plain:
        passed, failed, skipped = (int(n or 0) for n in plain[-1])
    elif CMOCKA.search(text):
        sums = {"PASSED": 0, "FAILED": 0, "SKIPPED": 0}
        for word, n in CMOCKA.findall(text):
            sums[word] += int(n)
        passed, failed, skipped = sums["PASSED"], sums["FAILED"], sums["SKIPPED"]
    else:
        passed, failed, skipped = (1, 0, 0) if status == 0 else (0, 1, 0)
    return passed, max(failed, 1 if status != 0 else 0), skipped


def run(suite):
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="dlab-suite-") as folder:
        try:
            done = subprocess.run(suite.command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                  errors="replace", stdin=subprocess.DEVNULL, timeout=suite.minutes * 60, check=False,
                                  env={**os.environ, "ROOT": str(ROOT), **suite.env})
            text, status = done.stdout, done.returncode
        except subprocess.TimeoutExpired as late:
            raw = late.stdout or b""
            text = (raw if isinstance(raw, str) else raw.decode(errors="replace")) + f"\nended after {suite.minutes} minutes"
            status = 1
    result = counts(text, status)
    with PRINTING:
        tell(suite, result, text, time.monotonic() - began)
    return result, [f"{suite.name}: {line.strip()}" for line in failures(text)] if result[1] else []


def failures(text):
    """What a log that was cut must still show at its end."""
    return re.findall(r"^.*(?:\bFAILED\b|\bERROR\b).*$", text, re.M)[:20] or text.strip().splitlines()[-1:] or ["no output"]


def tell(suite, result, text, seconds):
    mark = "FAILED" if result[1] else "ok    "
    skipped = f", {result[2]} skipped" if result[2] else ""
    print(f"  {mark} {suite.name:<34} {result[0]:>5} passed{skipped}  {seconds:6.1f} s", flush=True)
    if result[1]:
        print(textwrap.indent(text[-20000:], "    "), flush=True)  # who adds up our last lines must not meet its own
    else:
        for line in re.findall(r"^.*\bskipped\b:? .*$|^.*\[  SKIPPED \].*$", text, re.M | re.I)[:20]:
            if not PLAIN.match(line):
                print(f"           {line.strip()}", flush=True)


def units(build, prefix=()):
    for path in sorted((ROOT / build / "tests").glob("test_*")):
        if path.suffix == "":
            yield Suite(f"{path.name}{' ' + prefix[0] if prefix else ''}", [*prefix, path])


def corpora(build):
    for path in sorted((ROOT / build / "tests").glob("replay_fuzz_*")):
        if path.suffix == "":
            folder = ROOT / "tests" / "fuzz" / "corpus" / path.name.replace("replay_fuzz_", "")
            yield Suite(f"corpus of {path.name.replace('replay_', '')}", [path, folder])


def scripts(folder):
    for path in sorted((ROOT / "tests" / folder).glob("*")):
        if path.suffix == ".sh":
            yield Suite(f"{folder}/{path.name}", ["bash", path])
        elif path.name == "run.py":
            yield Suite(f"{folder}/run.py", ["python3", path], alone=folder in ("hostile", "compat"))


def quick():
    yield Suite("layers", ["python3", ROOT / "tests/layers.py"])
    yield from units(BUILD)
    yield from corpora(BUILD)
    yield from scripts("sdk")
    yield from scripts("cli")
    yield Suite("labs, one seed", ["python3", ROOT / "tests/check-labs.py", "--quick"], alone=True)


def fuzzers():
    for path in sorted((ROOT / BUILD / "fuzz").glob("fuzz_*")):
        if path.suffix == "":
            folder = ROOT / "tests" / "fuzz" / "corpus" / path.name.replace("fuzz_", "")
            command = 'mkdir new-inputs && exec "$0" -max_total_time=20 -verbosity=0 new-inputs "$1"'
            yield Suite(f"{path.name}, 20 s", ["sh", "-c", command, path, folder])


def everything():
    sanitized = {"ASAN_OPTIONS": "detect_leaks=1:abort_on_error=1", "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1"}
    for suite in [*units("build-asan"), *corpora("build-asan")]:
        suite.name, suite.env = f"{suite.name}, sanitizers", sanitized
        yield suite
    memory_checker = ("valgrind", "-q", "--error-exitcode=9", "--leak-check=full", "--child-silent-after-fork=yes")
    for name in ("base", "lanes", "fault", "link", "proto", "services", "store", "progress", "text", "check_set"):
        path = ROOT / BUILD / "tests" / f"test_{name}"
        if path.exists():
            yield Suite(f"test_{name}, valgrind", [*memory_checker, path])
    yield from fuzzers()
    for folder in ("hostile", "compat", "faults", "determinism"):
        yield from scripts(folder)
    yield Suite("demos, 10 seeds", ["bash", ROOT / "tests/cli/demo.sh"], env={"DEMO_SEEDS": "10"})
    # `make check-labs` runs 50 seeds, and takes a quarter of an hour.
    yield Suite("labs, 20 seeds", ["python3", ROOT / "tests/check-labs.py", "--seeds", "20", "--slow-seeds", "3", "--right-seeds", "2"],
                minutes=60, alone=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("which", choices=["quick", "all"])
    parser.add_argument("--only", help="suites whose name holds this")
    options = parser.parse_args()
    # Nodes are started as "python3", some thousands of them. The distribution's own starts in a third of the time that a
    # version manager's wrapper takes, or an environment with many packages.
    plain = "/usr/bin" if os.path.exists("/usr/bin/python3") else pathlib.Path(sys.executable).resolve().parent
    os.environ["PATH"] = f"{plain}:{os.environ['PATH']}"
    chosen = quick() if options.which == "quick" else everything()
    chosen = [suite for suite in chosen if not options.only or options.only in suite.name]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        results = list(pool.map(run, [suite for suite in chosen if not suite.alone]))
    results += [run(suite) for suite in chosen if suite.alone]
    totals = [sum(column) for column in zip(*(result for result, _ in results))] or [0, 0, 0]
    for _, lines in results:
        for line in lines:
            print(f"  {line}", flush=True)
    print(f"{totals[0]} passed, {totals[1]} failed" + (f", {totals[2]} skipped" if totals[2] else ""))
    return 1 if totals[1] or not totals[0] else 0


if __name__ == "__main__":
    sys.exit(main())
