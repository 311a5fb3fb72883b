#!/usr/bin/env python3
"""A run file with a few events of every kind that a picture must tell apart.   small_run.py FROM TO

FROM is the file of any run of three nodes; its tables are kept, its events are replaced."""
import shutil
import sqlite3
import sys

N1, N2, N3, C1, NOBODY = 0, 1, 2, 8, -1
A, B = 1, 2
# kind, source, destination, message, type, text, why, arg; a millisecond each
EVENTS = [
    ("note", NOBODY, NOBODY, 0, 0, "phase one", 0, 0),
    ("call", C1, N1, 1, A, '{"type":"a","msg_id":1}', 0, -1),
    ("send", N1, N2, 2, B, '{"type":"b","x":1}', 0, -1),
    ("recv", N1, N2, 2, B, "", 0, -1),
    ("send", N2, N3, 3, A, '{"type":"a","x":2}', 0, -1),
    ("recv", N2, N3, 3, A, "", 0, -1),
    ("recv", N2, N3, 3, A, "", 1, -1),
    ("fault", NOBODY, NOBODY, 0, 0, "cut n1 > n3", 0, 0),
    ("send", N1, N3, 4, B, '{"type":"b","x":3}', 0, -1),
    ("drop", N1, N3, 4, B, "", 1, -1),
    ("reply", N1, C1, 5, A, '{"type":"a","in_reply_to":1}', 0, 1),
    ("pause", N2, N2, 0, 0, "", 0, 0),
    ("resume", N2, N2, 0, 0, "", 0, 0),
    ("kill", N3, N3, 0, 0, "", 0, 0),
    ("exit", N3, N3, 0, 0, "killed", 0, 1009),
    ("fault", NOBODY, NOBODY, 0, 0, "heal", 0, 0),
    ("log", N1, N1, 0, 0, "a line of the log", 0, 0),
    ("state", N1, N1, 0, 0, '{"type":"state","n":4}', 0, 0),
    ("send", N2, N1, 6, B, '{"type":"b","x":4}', 0, -1),
    ("verdict", NOBODY, NOBODY, 0, 0, "failed", 0, 0),
]
META = {"state": "finished", "events": str(len(EVENTS)), "lab": "small", "test": "one", "title": "a small run", "seed": "7",
        "fabric": "sim", "verdict": "failed", "rule": "n3 gets b", "expected": "b at n3", "seen": "no b at n3",
        "hint": "send it again", "source": "", "trace_hash": "0" * 16}


def main():
    shutil.copy(sys.argv[1], sys.argv[2])
    db = sqlite3.connect(sys.argv[2])
    kinds = {name: n for n, name in db.execute("SELECT id, name FROM kinds")}
    for table in ("events", "types", "evidence", "ops"):
        db.execute(f"DELETE FROM {table}")
    db.executemany("INSERT INTO types (id, name) VALUES (?, ?)", [(0, ""), (A, "a"), (B, "b")])
    for seq, (kind, src, dst, msg, of, text, why, arg) in enumerate(EVENTS, 1):
        db.execute("INSERT INTO events (seq, t, kind, why, src, dst, lane, msg, cause, arg, type, tick, text) VALUES "
                   "(?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?, 0, ?)", (seq, seq * 1000000, kinds[kind], why, src, dst, src, msg, arg, of, text))
    db.executemany("INSERT INTO evidence (n, seq) VALUES (?, ?)", [(0, 9), (1, 10), (2, 18)])
    db.executemany("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", META.items())
    db.commit()


if __name__ == "__main__":
    main()
