#!/usr/bin/env python3
"""Who may include whom. Reads the #include lines of core/, labs/, tui/, docker/, solutions/ and prints what breaks the rules."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
# core/, from the bottom up: a file may include headers of its own layer and of those below.
LAYERS = [
    {"base", "agent_id"},  # the second is made by the Makefile
    {"arena", "json", "lanes", "style"},
    {"event", "history", "fault", "guard", "skip", "ddmin", "files", "markdown", "pager", "scratch", "pass"},
    {"proto", "canon", "child", "text", "docker_where", "docker_said", "docker_wires"},
    {"trace", "link", "services", "docker_api", "docker_talk"},
    {"docker_sweep", "docker_dial", "shape"},
    {"check", "check_set", "check_linear", "check_txn", "check_model", "measure", "store", "explain", "rows", "lab", "registry",
     "workspace", "catalogue"},
    {"fabric", "route", "progress", "docker_pods"},
    {"run", "play", "sock", "workload", "nemesis", "invariant"},
    {"determinism", "jobs", "runfile", "shrink", "replay", "export"},
    {"report", "cmd", "complete"},
]
LABS_MAY = {"base", "canon", "arena", "lab", "fault", "json", "proto", "history", "trace", "event", "lanes", "sock"}
AGENT_MAY = {"base", "lanes", "arena", "event", "fault", "link", "proto", "child", "shape", "pass"}
TUI_MAY_NOT = re.compile(r"^(fabric|link$|child$|route$)")  # store.h is how it reads a run


def rank(name):
    for i, layer in enumerate(LAYERS):
        if name in layer:
            return i
    if name.startswith("cmd_") or name == "main":
        return len(LAYERS)
    for family in ("fabric", "check", "export", "report"):
        if name.startswith(family):
            return next(i for i, layer in enumerate(LAYERS) if family in layer)
    return None


def includes(path):
    for number, line in enumerate(path.read_text().splitlines(), 1):
        match = re.match(r'\s*#\s*include\s*"([^"]+)\.h"', line)
        if match:
            yield number, match.group(1)


def broken():
    for path in sorted(ROOT.glob("core/*.[ch]")):
        mine = rank(path.stem)
        if mine is None:
            yield f"{path.relative_to(ROOT)}: it has no layer; give it one in tests/layers.py"
            continue
        for number, name in includes(path):
            theirs = rank(name)
            if theirs is None or theirs > mine:
                yield f"{path.relative_to(ROOT)}:{number}: {path.stem} may not include {name}.h"
    for path in sorted(ROOT.glob("labs/**/*.[ch]")):
        for number, name in includes(path):
            if name not in LABS_MAY and not name.startswith("check") and not (path.parent / f"{name}.h").exists():
                yield f"{path.relative_to(ROOT)}:{number}: a judge may not include {name}.h"
    for path in sorted(ROOT.glob("tui/*.[ch]")):
        for number, name in includes(path):
            if TUI_MAY_NOT.match(name):
                yield f"{path.relative_to(ROOT)}:{number}: the screen may not include {name}.h"
        if path.name != "term.c" and re.search(r"#\s*include\s*<(n?cursesw?|term)\.h", path.read_text()):
            yield f"{path.relative_to(ROOT)}: only tui/term.c knows ncurses"
    for path in sorted(ROOT.glob("docker/*.[ch]")):
        for number, name in includes(path):
            if name not in AGENT_MAY and not (path.parent / f"{name}.h").exists():
                yield f"{path.relative_to(ROOT)}:{number}: the agent may not include {name}.h"
    for path in sorted(ROOT.glob("solutions/**/*.[ch]")):
        for number, name in includes(path):
            if name != "dlab" and not (path.parent / f"{name}.h").exists():
                yield f"{path.relative_to(ROOT)}:{number}: a solution may include the SDK's dlab.h and its own headers only"
    for path in sorted(p for d in ("core", "labs", "tui", "docker", "solutions") for p in ROOT.glob(f"{d}/**/*.[ch]")):
        for number, name in includes(path):
            if "tests/" in name:
                yield f"{path.relative_to(ROOT)}:{number}: nothing includes tests"


def main():
    problems = list(broken())
    for problem in problems:
        print(problem)
    print("layers: " + (f"{len(problems)} broken" if problems else "as they should be"))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
