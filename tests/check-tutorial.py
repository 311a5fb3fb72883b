#!/usr/bin/env python3
"""Proves that a tutorial shows what really happens: runs each `$ dlab ...` of its fenced blocks and looks for the lines below it.

Lines must come in that order. "..." stands for anything left out. Spaces and line breaks do not count.

usage: check-tutorial.py FILE...      ends with a line `N passed, N failed`
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent


def blocks(text):
    """(command, the pieces of output that are shown) of each fenced block."""
    for block in re.findall(r"^```\n\$ (.*?)^```$", text, re.M | re.S):
        command, _, shown = block.partition("\n")
        yield command, [" ".join(piece.split()) for piece in re.split(r"\.\.\.|\n", shown) if piece.strip()]


def missing(pieces, output):
    """The first piece that does not come in its turn; None when all do."""
    output, at = " ".join(output.split()), 0
    for piece in pieces:
        found = output.find(piece, at)
        if found < 0:
            return piece
        at = found + len(piece)
    return None


def workspace(folder):
    for name in ("tests", "solutions", "core"):
        (folder / name).symlink_to(ROOT / name)
    return {**os.environ, "PATH": f"{ROOT / 'build'}:{os.environ['PATH']}", "COLUMNS": "200", "NO_COLOR": "1"}


def check(path):
    passed = failed = 0
    with tempfile.TemporaryDirectory() as folder:
        environment = workspace(pathlib.Path(folder))
        for command, pieces in blocks(path.read_text()):
            done = subprocess.run(command, shell=True, cwd=folder, env=environment, text=True, check=False,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            lost = missing(pieces, done.stdout)
            passed, failed = passed + (lost is None), failed + (lost is not None)
            print(f"  {'ok    ' if lost is None else 'FAILED'} {path.name}: {command}", flush=True)
            if lost is not None:
                print(f"    not in its output, or not in this place: {lost}\n{done.stdout[-3000:]}")
    return passed, failed


def main():
    results = [check(pathlib.Path(path)) for path in sys.argv[1:]]
    passed, failed = sum(r[0] for r in results), sum(r[1] for r in results)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
