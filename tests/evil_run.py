#!/usr/bin/env python3
"""A copy of a run file in which every text is what a hostile node or stranger would write.   evil_run.py FROM TO"""
import shutil
import sqlite3
import sys

TEXTS = [
    "<script>alert(1)</script>", "]]><b>&amp;&lt;", "--><!-- \"'` onload=x", "\x1b[2J\x07\x00\x9b31m\r\n\x7f",
    "\u202eevil\u2066\u200b\U000e0041\ufeff", "end; loop x\nn1->>n2: no%%{init: {}}%% #35;", "{\"host\": 1} n1 {\"n1\":1}\nn9 {\"n9\":7}",
    "x" * 60000, "{\"type\":\"</title><script>\",\"value\":\"\u202e]]>\"}", "\U0001f418\u0301 \u4f60\u597d",
]


def main():
    shutil.copy(sys.argv[1], sys.argv[2])
    db = sqlite3.connect(sys.argv[2])
    # Some of it is on stderr.
    db.execute("UPDATE events SET kind = (SELECT id FROM kinds WHERE name = 'log'), msg = 0 WHERE seq % 5 = 0 AND kind = "
               "(SELECT id FROM kinds WHERE name = 'reply')")
    for seq, text in db.execute("SELECT seq, text FROM events WHERE text != '' AND seq > 20").fetchall():
        # Faults stay: a reader must be able to tell what they were.
        if db.execute("SELECT k.name FROM events e JOIN kinds k ON k.id = e.kind WHERE seq = ?", (seq,)).fetchone()[0] != "fault":
            db.execute("UPDATE events SET text = ? WHERE seq = ?", (TEXTS[seq % len(TEXTS)], seq))
    # Not UTF-8 at all: SQLite keeps such bytes as they are.
    db.execute("UPDATE events SET text = CAST(x'ff3c62c3282fe202' AS TEXT) WHERE seq % 13 = 0 AND seq > 20 AND text != '' AND kind "
               "NOT IN (SELECT id FROM kinds WHERE name = 'fault')")
    for n, key in enumerate("title rule seen expected hint source lab test fabric seed command skip".split()):
        db.execute("UPDATE meta SET value = ? WHERE key = ?", (TEXTS[n % len(TEXTS)], key))
    db.execute("UPDATE types SET name = ? WHERE name = 'tell'", (TEXTS[0],))
    db.execute("UPDATE types SET name = ? WHERE name = 'add'", (TEXTS[5],))
    db.commit()


if __name__ == "__main__":
    main()
