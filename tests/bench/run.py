#!/usr/bin/env python3
"""Prints how fast this build is, one figure a line with its goal beside it. usage: run.py (by `make bench`)

Speeds are ratios: a bare loop and the real thing are measured in turns, in short slices, in the same process or one after
the other, and medians are compared, so that a slow machine, or one with other work to do, changes both. BENCH_FULL=1 runs
all of 1,000 seeds instead of some of them. The exit status is 0 unless something broke: a goal that is missed is a figure.
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("BUILD", "build")).resolve()
TOOLS = BUILD / "tests" / "bench"
FULL = bool(os.environ.get("BENCH_FULL"))
SEEDS, SOME_SEEDS = 1000, 50
SLICES, STEPS, PYTHON_STEPS = 20, 15000, 5000
EVENTS, ROUNDS = 500000, 3

COPY = TOOLS / "copy_node"
ECHO, BROADCAST, RAFT = TOOLS / "node_echo", TOOLS / "node_broadcast", TOOLS / "node_raft"
PYTHON_COPY = f"{sys.executable} {ROOT / 'tests/bench/copy_node.py'}"
PYTHON_ECHO = f"{sys.executable} {ROOT / 'solutions/echo/python/echo.py'}"
PYTHON_RAFT = [sys.executable, ROOT / "solutions/raft/python/raft.py"]
RAFT_SEEDS, SOME_RAFT_SEEDS = 200, 10
IMAGE = "dlab-agent:" + re.search(r"^VERSION := (\S+)", (ROOT / "Makefile").read_text(), re.M).group(1)
CLUSTERS, FAULTS, PINGS = 5, 20, 2000


class Report:
    def __init__(self):
        self.met = self.missed = 0

    def line(self, what, text, goal="", good=None):
        verdict = ""
        if good is not None:
            self.met += good
            self.missed += not good
            verdict = "met" if good else "MISSED"
        print(f"  {what:<50} {text:<46} {goal:<10} {verdict}".rstrip(), flush=True)

    def at_least(self, what, value, goal, text):
        self.line(what, text, f">= {goal:,}", value >= goal)

    def at_most(self, what, value, goal, text):
        self.line(what, text, f"<= {goal:,}", value <= goal)


def call(*command, cwd, **more):
    env = {**os.environ, "PYTHONPATH": str(ROOT / "core/sdk/python")}
    done = subprocess.run([str(c) for c in command], cwd=cwd, env=env, stdout=subprocess.PIPE, text=True, check=False, **more)
    if done.returncode != 0:
        sys.exit(f"bench: {' '.join(map(str, command))} ended with status {done.returncode}")
    return done.stdout


def bench_sim(folder, *args):
    return json.loads(call(TOOLS / "bench_sim", *args, cwd=folder))


def steps(report, folder):
    for what, goal, count, stored, bare, node in (
            ("sim steps, C nodes, nothing stored", 0.80, STEPS, "-", COPY, ECHO),
            ("sim steps, C nodes, every event stored", 0.75, STEPS, folder / "run.db", COPY, ECHO),
            ("sim steps, Python nodes", 0.60, PYTHON_STEPS, "-", PYTHON_COPY, PYTHON_ECHO)):
        r = bench_sim(folder, "steps", SLICES, count, stored, bare, node)
        report.at_least(what, r["ratio"], goal, f"{r['ratio']:.2f} of bare ({r['sim']:,} of {r['bare']:,} a second)")
        if what.endswith("nothing stored"):
            memory = r["bytes_per_event"]
    report.line("memory of a run", f"{memory:.0f} MB per million events")


def store(report, folder):
    text = call(TOOLS / "bench_store", EVENTS, ROUNDS, cwd=folder)
    rate, bare, ratio = re.search(r"^store: (\d+) rows/s, bare: (\d+) rows/s, ratio ([\d.]+)", text).groups()
    report.at_least("events stored a second", int(rate), 300000, f"{int(rate):,}")
    report.at_least("events stored, beside bare inserts", float(ratio), 0.85, f"{ratio} of bare ({int(bare):,} a second)")


def linear(report, folder):
    text = call(TOOLS / "bench_linear", cwd=folder)
    for what, shape, goal in (("linearizability, 10 clients x 1,000, bad", "10 clients x 1000, bad", 20),
                              ("linearizability, 20 clients x 1,000, good", "20 clients x 1000, good", 100)):
        plain, mine, ratio = re.search(rf"^{shape} .* straight +([\d.]+) ms.* here +([\d.]+) ms.* ratio (\d+)", text, re.M).groups()
        report.at_least(what, int(ratio), goal, f"{ratio} times a straight search ({mine} of {plain} ms)")


def start(report, folder):
    for what, megabytes in (("start of five C nodes until the last init_ok", 1), ("the same, the harness holds 1 GB", 1024)):
        r = bench_sim(folder, "start", SLICES, megabytes, COPY, ECHO)
        report.at_most(what, r["ratio"], 1.5, f"{r['ratio']:.2f} times five bare spawns ({r['sim_ms']} of {r['bare_ms']} ms)")


def idle(report, folder):
    r = bench_sim(folder, "idle", 2000, BROADCAST)
    report.line("five idle broadcast nodes", f"{r['virtual_per_real']:,} virtual seconds a second")


def seeds(report, folder):
    count = SEEDS if FULL else SOME_SEEDS
    for lab, node in (("echo", ECHO), ("broadcast", BROADCAST)):
        began = time.monotonic()
        call(BUILD / "dlab", "test", lab, "--seeds", count, "-j", 2, "--", node, cwd=folder)
        took = time.monotonic() - began
        note = "" if FULL else f", from {count} (BENCH_FULL=1: all)"
        report.line(f"1,000 seeds of all tests of {lab}, -j 2", f"{took * SEEDS / count:.0f} s{note}")


def on_one_core():
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def consensus(report, folder):
    for language, goal, times, node in (("C", 3, 3, [RAFT]), ("Python", 15, 1, PYTHON_RAFT)):
        took = []
        for _ in range(times):
            began = time.monotonic()
            call(BUILD / "dlab", "test", "raft", "--", *node, cwd=folder, preexec_fn=on_one_core)
            took.append(time.monotonic() - began)
        seconds = sorted(took)[len(took) // 2]
        report.at_most(f"all tests of raft, one seed, {language} nodes, one core", seconds, goal, f"{seconds:.1f} s")
    count = RAFT_SEEDS if FULL else SOME_RAFT_SEEDS
    began = time.monotonic()
    call(BUILD / "dlab", "test", "raft", "--seeds", count, "-j", 2, "--", RAFT, cwd=folder)
    took = (time.monotonic() - began) * RAFT_SEEDS / count
    report.line(f"{RAFT_SEEDS} seeds of all tests of raft, C, -j 2", f"{took:.0f} s" + ("" if FULL else f", from {count} (BENCH_FULL=1: all)"))


def screen(folder, *args):
    return json.loads(call(TOOLS / "bench_screen", *args, cwd=folder))


def dashboard(report, folder):
    r = screen(folder, "stored", 1000000, 300)
    report.at_most("dashboard: a run of a million events, first screen", r["first_s"], 0.2, f"{1000 * r['first_s']:.1f} ms")
    report.at_most("the slowest of 600 jumps, any view", r["jump_s"], 0.05, f"{1000 * r['jump_s']:.1f} ms")
    report.at_most("memory of it", r["memory_mb"], 60, f"{r['memory_mb']:.0f} MB")
    r = screen(folder, "live", 10, 20000)
    report.at_most("20,000 events a second, live: events lost", r["events"] - r["seen"], 0, f"{r['events'] - r['seen']} of {r['events']:,}")
    report.at_most("frames a second of it", r["frames_a_second"], 30, f"{r['frames_a_second']:.0f}")
    report.at_most("of one core", r["core"], 0.25, f"{100 * r['core']:.0f} %")


def play_docker(folder, nodes, script, *node):
    """`dlab run` on docker; yields its lines as they come."""
    with subprocess.Popen([BUILD / "dlab", "run", "-n", str(nodes), "--fabric", "docker", "--latency", "0", "--", *map(str, node)], cwd=folder,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env={**os.environ, "COLUMNS": "400"}) as run:
        run.stdin.write(script)
        run.stdin.close()
        yield from run.stdout


def first_word(folder):
    """From `docker run` to the first byte of what it runs."""
    began = time.monotonic()
    with subprocess.Popen(["docker", "run", "--rm", "--network", "none", "--entrypoint", "echo", IMAGE, "up"], cwd=folder,
                          stdout=subprocess.PIPE, text=True) as run:
        run.stdout.read(1)
        took = time.monotonic() - began
    return took


def cluster_up(folder, nodes):
    began, left, took = time.monotonic(), nodes, 0
    for line in play_docker(folder, nodes, "quit\n", ECHO):
        left -= "init_ok" in line
        took = took or (time.monotonic() - began if left == 0 else 0)
    return took


def fault_ms(folder):
    marks = []
    script = "n1 echo echo=a\n" + "cut n1 > n2\nheal\n" * FAULTS + "n1 echo echo=b\nquit\n"
    for line in play_docker(folder, 3, script, ECHO):
        if "echo_ok" in line:
            marks.append(time.monotonic())
    return 1000 * (marks[-1] - marks[0]) / (2 * FAULTS)


def containers(report, folder):
    image = subprocess.run(["docker", "image", "inspect", IMAGE], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False) \
        if shutil.which("docker") else None
    if not image or image.returncode != 0:
        report.line("the docker fabric", "not measured: no Docker engine, or no image (make image)")
        return
    os.chmod(folder, 0o755)
    pairs = [(first_word(folder), cluster_up(folder, 5)) for _ in range(CLUSTERS)]
    bare, up = (sorted(column)[CLUSTERS // 2] for column in zip(*pairs))
    report.at_most("five pods up, beside one `docker run`", up / bare, 2.5, f"{up / bare:.2f} times ({1000 * up:.0f} of {1000 * bare:.0f} ms)")
    ms = fault_ms(folder)
    report.at_most("a cut or a heal is in force after", ms, 50, f"{ms:.0f} ms")
    said = "".join(play_docker(folder, 2, f"n1 go count={PINGS}\nquit\n", "python3", ROOT / "tests/bench/pingpong.py"))
    pods, plain = (float(re.search(name + r"=([\d.]+)", said).group(1)) for name in ("pods", "bare"))
    report.line("messages a second between two pods", f"{pods:,.0f}, {pods / plain:.2f} of bare UDP ({plain:,.0f})")


def main():
    report = Report()
    print(f"load of this machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    with tempfile.TemporaryDirectory(prefix="dlab-bench-") as name:
        for part in (steps, store, linear, start, idle, consensus, seeds, dashboard, containers):
            part(report, pathlib.Path(name))
    print(f"{report.met} goals met, {report.missed} missed")


if __name__ == "__main__":
    main()
