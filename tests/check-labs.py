#!/usr/bin/env python3
"""Proves that guides, starters, solutions, judges and wrong solutions of every lab belong together.

  every solution passes SEEDS seeds on sim and one run on proc;
  every starter, in a workspace as a learner gets it, fails a test with a sentence and a next step;
  every wrong solution fails the test that its first line names, within WRONG_SEEDS seeds;
  what is right in another way than the solutions (tests/right/LAB) passes RIGHT_SEEDS seeds;
  the guide names the same tests with the same points as the judge, and the hints have three levels for each.

usage: check-labs.py [--seeds N] [--wrong-seeds N] [--jobs N] [LAB...]      ends with a line `N passed, N failed`
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading

ROOT = pathlib.Path(__file__).resolve().parent.parent
DLAB = ROOT / "build" / "dlab"
NODES = ROOT / "build" / "nodes"
LANGUAGES = ("c", "python", "go")
CONSENSUS = 4 # the stage


class Tally:
    """Counts and prints. Checks that mostly wait are done side by side (`later`); those of the wall clock alone."""

    def __init__(self, jobs):
        self.passed, self.failed = 0, 0
        self.lock = threading.Lock()
        self.pool = concurrent.futures.ThreadPoolExecutor(jobs)
        self.waiting = []

    def say(self, ok, what, detail=""):
        with self.lock:
            self.passed += ok
            self.failed += not ok
            print(f"  {'ok    ' if ok else 'FAILED'} {what}" + (f"\n{detail}" if detail and not ok else ""), flush=True)

    def later(self, function, *arguments):
        self.waiting.append(self.pool.submit(function, self, *arguments))

    def wait(self):
        for future in self.waiting:
            future.result()
        self.waiting = []


def run(args, **more):
    return subprocess.run([str(a) for a in args], capture_output=True, text=True, errors="replace", check=False, **more)


def grade(lab, command, *options, cwd=ROOT):
    """The JSON of a grading, and the exit status. command is None in a workspace."""
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        words = [DLAB, "test", lab, "--json", out.name, *options] + (["--", *command] if command else [])
        done = run(words, cwd=cwd)
        text = pathlib.Path(out.name).read_text() or "null"
        return json.loads(text), done.returncode, done.stdout + done.stderr


def build(lab, language, source):
    """The command that starts a solution, and an error text."""
    if language == "python":
        return ["python3", next(iter(sorted(source.glob("*.py"))))], ""
    NODES.mkdir(parents=True, exist_ok=True)
    binary = NODES / f"{lab}-{language}"
    if language == "c":
        sources = sorted(source.glob("*.c"))
        done = run(["cc", "-O2", "-Wall", "-Wextra", "-I", ROOT / "core/sdk/c", "-o", binary, *sources, "-lpthread"])
    else:
        done = run(["go", "build", "-o", binary, "."], cwd=source, env={**os.environ, "GOFLAGS": "-mod=mod", "GOPROXY": "off"})
    return [binary], done.stderr if done.returncode or (language == "c" and done.stderr) else ""


def check_run(tally, lab, language, command, fabric, seeds):
    # By the wall clock a test mostly waits, so some of them fit side by side.
    jobs = ["-j", "4"] if fabric == "proc" else []
    _, status, text = grade(lab["id"], command, "--fabric", fabric, "--seeds", str(seeds), *jobs)
    tally.say(status == 0, f"{lab['id']}: the {language} solution passes {seeds} seed(s) on {fabric}", text[-6000:])


def check_solutions(tally, lab, options, fabric):
    """On sim side by side, on proc one solution after another."""
    if fabric == ("sim" if lab["kind"] == "sockets" else "proc") and (options.quick or fabric == "sim"):
        return
    for language in LANGUAGES:
        source = ROOT / "solutions" / lab["id"] / language
        if not source.is_dir():
            if lab["id"] != "raft-kv" or language != "go":
                tally.say(False, f"{lab['id']}: there is no solution in {language}")
            continue
        command, error = build(lab["id"], language, source)
        if error:
            tally.say(False, f"{lab['id']}: the {language} solution does not build cleanly", error)
            continue
        slow = lab["stage"] == CONSENSUS and language != "c"
        if fabric == "sim":
            tally.later(check_run, lab, language, command, fabric, options.slow_seeds or options.seeds if slow else options.seeds)
        elif not (slow and options.slow_seeds):
            check_run(tally, lab, language, command, fabric, 1)


def helpful(run_result):
    return bool(run_result.get("rule") and run_result.get("expected") and run_result.get("seen") and run_result.get("hint"))


def check_starter(tally, lab, language, folder):
    graded, status, text = grade(lab["id"], None, "-x", cwd=folder)
    first = next((r for t in (graded or {}).get("tests", []) for r in t["runs"] if r["verdict"] != "passed"), None)
    ok = status == 1 and first is not None and helpful(first) and not first["start_failed"]
    tally.say(ok, f"{lab['id']}: the {language} starter starts, and fails with a sentence and a next step", text[-3000:])


def named_test(path):
    match = re.search(r"test:\s*([\w-]+)", path.read_text().splitlines()[0])
    return match.group(1) if match else None


def wrong_command(path):
    if path.suffix == ".py":
        return ["python3", path], ""
    binary = NODES / f"wrong-{path.parent.name}-{path.stem}"
    NODES.mkdir(parents=True, exist_ok=True)
    done = run(["cc", "-O2", "-I", ROOT / "core/sdk/c", "-o", binary, path, "-lpthread"])
    return [binary], done.stderr if done.returncode else ""


def check_wrong_one(tally, lab, path, options):
    test = named_test(path)
    what = f"{lab['id']}: {path.name} fails {test}"
    if test not in [t["id"] for t in lab["tests"]]:
        tally.say(False, f"{what}: its first line names no test of the lab")
        return
    command, error = wrong_command(path)
    fabric = "proc" if lab["kind"] == "sockets" else "sim"
    seeds = 1 if fabric == "proc" else options.wrong_seeds
    graded, status, text = grade(lab["id"], command, "-t", test, "--fabric", fabric, "--seeds", str(seeds), "-x")
    bad = [r for t in (graded or {}).get("tests", []) for r in t["runs"] if r["verdict"] == "failed"]
    ok = not error and status == 1 and bool(bad) and helpful(bad[0]) and not bad[0]["start_failed"]
    tally.say(ok, what, error or text[-3000:])


def check_wrong(tally, lab, options):
    wrong = sorted(p for p in (ROOT / "tests/wrong" / lab["id"]).glob("*.*") if p.suffix in (".py", ".c"))
    if len(wrong) < 2:
        tally.say(False, f"{lab['id']}: there are fewer than two wrong solutions")
    for path in wrong:
        tally.later(check_wrong_one, lab, path, options)


def check_right_one(tally, lab, path, options):
    _, status, text = grade(lab["id"], ["python3", path], "--fabric", "sim", "--seeds", str(options.right_seeds))
    tally.say(status == 0, f"{lab['id']}: {path.name}, which is right in another way, passes", text[-6000:])


def check_right(tally, lab, options):
    for path in sorted((ROOT / "tests/right" / lab["id"]).glob("*.py")):
        tally.later(check_right_one, lab, path, options)


def check_texts(tally, lab, folder):
    guide = (folder / "guide.md").read_text() if (folder / "guide.md").exists() else ""
    named = {m.group(1): int(m.group(2)) for m in re.finditer(r"^- \*\*([\w-]+)\*\* \((\d+)", guide, re.M)}
    table = {t["id"]: t["points"] for t in lab["tests"]}
    tally.say(named == table, f"{lab['id']}: the guide names the tests and points of the judge",
              f"    guide: {named}\n    judge: {table}")
    tally.say(sum(table.values()) == 100, f"{lab['id']}: the points add up to 100", str(sum(table.values())))
    hints = (folder / "hints.md").read_text() if (folder / "hints.md").exists() else ""
    parts = dict(re.findall(r"^## ([\w-]+)\n(.*?)(?=^## |\Z)", hints, re.M | re.S))
    short = [t for t in table if not all(re.search(rf"^{n}\. ", parts.get(t, ""), re.M) for n in (1, 2, 3))]
    tally.say(not short, f"{lab['id']}: the hints have three levels for every test", f"    missing: {short}")


def make_workspaces(tally, folder):
    made = {}
    for language in LANGUAGES:
        target = pathlib.Path(folder) / language
        done = run([DLAB, "new", target, "--lang", language], cwd=folder)
        tally.say(done.returncode == 0, f"dlab new --lang {language}", done.stdout + done.stderr)
        if done.returncode == 0:
            made[language] = target
    return made


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--wrong-seeds", type=int, default=20)
    parser.add_argument("--slow-seeds", type=int, help="of solutions that take seconds a seed (consensus, not in C), and "
                        "those not by the wall clock; default: --seeds")
    parser.add_argument("--right-seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2 * (os.cpu_count() or 1), help="checks side by side")
    parser.add_argument("--quick", action="store_true", help="one seed, no wall clock, each wrong solution on few seeds")
    parser.add_argument("labs", nargs="*")
    options = parser.parse_args()
    if options.quick:
        options.seeds, options.slow_seeds, options.wrong_seeds = 1, 1, 5
    tally = Tally(options.jobs)
    labs = json.loads(run([DLAB, "list", "--json"]).stdout)["labs"]
    folder = tempfile.mkdtemp(prefix="check-labs-")
    os.environ["GOFLAGS"], os.environ["GOPROXY"] = "-mod=mod", "off"
    try:
        workspaces = make_workspaces(tally, folder)
        for lab in labs:
            if options.labs and lab["id"] not in options.labs:
                continue
            stage = next(iter(ROOT.glob(f"stages/*/{lab['id']}")), ROOT / "stages" / lab["id"])
            check_texts(tally, lab, stage)
            check_solutions(tally, lab, options, "sim")
            for language, workspace in workspaces.items():
                tally.later(check_starter, lab, language, workspace)
            check_wrong(tally, lab, options)
            if not options.quick:
                check_right(tally, lab, options)
        tally.wait()
        print("by the wall clock", flush=True)
        for lab in labs:
            if not options.labs or lab["id"] in options.labs:
                check_solutions(tally, lab, options, "proc")
    finally:
        shutil.rmtree(folder)
    print(f"{tally.passed} passed, {tally.failed} failed")
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
