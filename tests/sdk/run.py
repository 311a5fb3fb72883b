#!/usr/bin/env python3
"""Drives the SDKs in C, Go and Python through the same lines and holds what they write against one expectation.

A node's stdout is a sequenced-packet socket here: one write is one packet, so a test sees how many writes there
were. usage: run.py [-v] [TEST...]; ends with a line `N passed, N failed`."""
import json
import os
import pathlib
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
LIMIT_S = 20
DONE = {"dest": "dlab", "body": {"type": "done"}}
COMMANDS = {}


def build(folder):
    """Fills COMMANDS; returns what is left out, with the reason."""
    missing = []
    COMMANDS["python"] = [sys.executable, str(HERE / "probe.py")]
    sanitize = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g"]
    for name, flags in (("c", ["-O2"]), ("c-sanitized", sanitize)):
        binary = os.path.join(folder, name)
        done = subprocess.run(["cc", "-Wall", "-Wextra", "-Werror", *flags, "-I", str(ROOT / "core/sdk/c"), "-o", binary,
                               str(HERE / "probe.c")], capture_output=True, text=True)
        if done.returncode == 0:
            COMMANDS[name] = [binary]
        elif name == "c":
            sys.exit(done.stderr)
        else:
            missing.append((name, "the compiler has no sanitizers"))
    if not shutil.which("go"):
        return missing + [("go", "there is no go")]
    binary = os.path.join(folder, "go")
    subprocess.run(["go", "build", "-o", binary, "."], cwd=HERE / "go", check=True,
                   env={**os.environ, "GOFLAGS": "-mod=mod", "GOPROXY": "off"})
    COMMANDS["go"] = [binary]
    return missing


class Probe:
    """A running node."""

    def __init__(self, language):
        self.ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        # Sanitized C reports leaks too: at the end of the input the SDK frees all that is its own.
        env = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}
        self.process = subprocess.Popen(COMMANDS[language], stdin=subprocess.PIPE, stdout=theirs, stderr=subprocess.PIPE,
                                        bufsize=0, env=env)
        theirs.close()

    def raw(self, data):
        self.process.stdin.write(data)

    def say(self, body, src="c1", at_ms=None, dest="n1"):
        line = {"id": 7, "src": src, "dest": dest, "body": body}
        if at_ms is not None:
            line["at_ms"] = at_ms
        self.raw(json.dumps(line).encode() + b"\n")

    def packet(self, limit_s=LIMIT_S):
        """One write of the node; None when there is none within the limit, or at its end."""
        if not select.select([self.ours], [], [], limit_s)[0]:
            return None
        return self.ours.recv(1 << 20) or None

    def write(self, limit_s=LIMIT_S):
        """The lines of one write, as JSON."""
        packet = self.packet(limit_s)
        assert packet is not None, "the node wrote nothing"
        assert packet.endswith(b"\n"), packet
        return [json.loads(line) for line in packet.splitlines()]

    def init(self, at_ms=0, ids=("n1", "n2", "n3"), dlab=None, **more):
        body = {"type": "init", "msg_id": 1, "node_id": "n1", "node_ids": list(ids), **more}
        if dlab is not None:
            body["dlab"] = dlab
        self.say(body, src="c0", at_ms=at_ms)
        return self.write()

    def end(self):
        """Closes the input; the exit status and the log."""
        self.process.stdin.close()
        log = self.process.stderr.read().decode(errors="replace")
        self.process.stderr.close()
        status = self.process.wait(LIMIT_S)
        self.ours.close()
        return status, log


def out(dest, body, src="n1"):
    return {"src": src, "dest": dest, "body": body}


def timer(name, after_ms):
    return out("dlab", {"type": "timer", "name": name, "after_ms": after_ms})


class SdkTest(unittest.TestCase):
    language = ""

    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.probes = []

    def tearDown(self):
        for probe in self.probes:
            if probe.process.poll() is None:
                probe.process.kill()
            probe.process.wait()
            for pipe in (probe.process.stdin, probe.process.stderr):
                pipe.close()
            probe.ours.close()
        shutil.rmtree(self.folder)

    def probe(self):
        self.probes.append(Probe(self.language))
        return self.probes[-1]

    def lockstep(self, at_ms=0, **more):
        probe = self.probe()
        dlab = {"seed": 42, "lockstep": True, "fabric": "sim", "data_dir": self.folder}
        lines = probe.init(at_ms, dlab=dlab, **more)
        self.assertEqual(lines, [out("c0", {"type": "init_ok", "in_reply_to": 1}), DONE])
        return probe

    def free(self, **dlab):
        probe = self.probe()
        lines = probe.init(dlab={"seed": 42, "lockstep": False, "fabric": "proc", "data_dir": self.folder, **dlab})
        self.assertEqual(lines, [out("c0", {"type": "init_ok", "in_reply_to": 1})])
        return probe

    def maelstrom(self):
        probe = self.probe()
        self.assertEqual(probe.init(at_ms=None), [out("c0", {"type": "init_ok", "in_reply_to": 1})])
        return probe

    def finish(self, probe):
        status, log = probe.end()
        self.assertEqual(status, 0, log)
        return log

    # --- lines in and out ---

    def test_done_is_in_the_same_write(self):
        p = self.lockstep()
        p.say({"type": "two", "msg_id": 2}, at_ms=1)
        self.assertEqual(p.write(), [out("n2", {"type": "one"}), out("n3", {"type": "two"}),
                                     out("c1", {"type": "two_ok", "in_reply_to": 2}), DONE])
        p.say({"type": "stop", "name": "nothing"}, at_ms=2)
        self.assertEqual(p.write(), [DONE])
        self.finish(p)

    def test_one_write_for_each_of_many_lines(self):
        p = self.lockstep()
        line = b'{"src":"c1","dest":"n1","body":{"type":"echo","echo":%d,"msg_id":5}}\n'
        p.raw(b"".join(line % i for i in range(50)))
        for i in range(50):
            self.assertEqual(p.write(), [out("c1", {"type": "echo_ok", "echo": i, "in_reply_to": 5}), DONE])
        self.finish(p)

    def test_without_lockstep_there_is_no_done(self):
        p = self.free()
        p.say({"type": "two", "msg_id": 2}, at_ms=1)
        self.assertEqual(len(p.write()), 3)
        p.say({"type": "report"}, at_ms=2)
        self.assertEqual(p.write(), [out("dlab", {"type": "state", "role": "leader", "term": 3}),
                                     out("dlab", {"type": "apply", "index": 7})])
        p.say({"type": "stop", "name": "nothing"}, at_ms=3)  # says nothing
        p.raw(b"garbage\n")
        p.say({"type": "echo", "echo": "next", "msg_id": 3}, at_ms=4)
        self.assertEqual(p.write()[0]["body"]["echo"], "next")
        self.finish(p)

    def test_pieces_of_lines(self):
        p = self.lockstep()
        for byte in b'{"src":"c1","dest":"n1","body":{"type":"echo","echo":"a b","msg_id":2}}\n':
            p.raw(bytes([byte]))
        self.assertEqual(p.write(), [out("c1", {"type": "echo_ok", "echo": "a b", "in_reply_to": 2}), DONE])
        p.raw(b'{"src":"c1","dest":"n1","body":{"type":"echo","echo":"last","msg_id":3}}')
        p.process.stdin.close()
        self.assertEqual(p.write()[0]["body"]["echo"], "last")
        self.assertIsNone(p.packet())
        self.assertEqual(p.process.wait(LIMIT_S), 0)

    def test_values_come_back_as_they_are(self):
        p = self.lockstep()
        for value in ("", "grüß dich, 🐘", 'quote " slash / back \\ \n\t\u0001', "\u2028 </script>", [1, -2, 2.5, True, None],
                      {"a": {"b": [[]]}, "": 0}, 9007199254740993, -9223372036854775808, "x" * 59000, "é" * 29000,
                      "\ud83d half", None, [[[[[[[[[[]]]]]]]]]]):
            p.say({"type": "echo", "echo": value, "msg_id": 2})
            packet = p.packet()
            self.assertEqual(json.loads(packet.splitlines()[0])["body"].get("echo"), value)
        p.raw('{"src":"c1","dest":"n1","body":{"type":"echo","echo":"é🐘é","msg_id":2}}\n'.encode())
        self.assertEqual(p.write()[0]["body"]["echo"], "é🐘é")
        for text in ("é" * 29000, "<&>" * 19000, "\u2028" * 19000):  # an escape for each would break the limit of a line
            p.raw(('{"src":"c1","dest":"n1","body":{"type":"echo","echo":"%s","msg_id":2}}\n' % text).encode())
            packet = p.packet()
            self.assertLess(len(packet), 60000)
            self.assertEqual(json.loads(packet.split(b"\n")[0])["body"]["echo"], text)
        self.finish(p)

    def test_escaped_keys_and_spaces(self):
        p = self.lockstep()
        p.raw(rb' { "\u0073rc" : "c1" , "dest":"n1","extra":[{"src":"x"}], "body" : { "ty\u0070e" : "\u0065cho", "msg_id" : 2 ,'
              rb' "echo" : 1 , "in" : { "msg_id" : 9 , "type" : "who" } } , "at_ms" : 3 }' + b"\r\n")
        self.assertEqual(p.write(), [out("c1", {"type": "echo_ok", "echo": 1, "in_reply_to": 2}), DONE])
        self.finish(p)

    def test_unknown_type_is_error_10(self):
        p = self.lockstep()
        p.say({"type": "no\n\"such\"", "msg_id": 4})
        lines = p.write()
        self.assertEqual(lines[1:], [DONE])
        self.assertEqual(lines[0]["dest"], "c1")
        body = lines[0]["body"]
        self.assertEqual((body["type"], body["code"], body["in_reply_to"]), ("error", 10, 4))
        self.assertIn("such", body["text"])
        for silent in ({"type": "nosuch"}, {"type": "nosuch", "msg_id": 4, "in_reply_to": 9},
                       {"type": "nosuch", "msg_id": 4, "in_reply_to": "9"}, {"type": "x_ok", "in_reply_to": 3},
                       {"type": "nosuch", "msg_id": "4"}, {}):
            p.say(silent)
            self.assertEqual(p.write(), [DONE], silent)
        for odd in ({"msg_id": 5}, {"type": 42, "msg_id": 5}, {"type": ["echo"], "msg_id": 5}, {"type": None, "msg_id": 5},
                    {"type": "nosuch", "msg_id": 5, "in_reply_to": None}):
            p.say(odd)
            self.assertEqual(p.write()[0]["body"]["code"], 10, odd)
        self.finish(p)

    def test_garbage_is_logged_and_skipped(self):
        p = self.lockstep()
        bad = [b"garbage", b"{", b"[]", b"17", b'"text"', b"null", b"{}", b'{"src":"c1"}', b'{"src":"c1","body":[]}',
               b'{"src":"c1","body":{"type":"echo"}} more', b'{"src":5,"dest":"n1","body":{"type":"echo","msg_id":1}}',
               b'{"src":"c1","dest":"n1","body":{"type":"echo","echo":01,"msg_id":2}}', b'{"src":"c1","body":{"a":"\x01"}}',
               b'{"src":"c1","body":{"a":"\\x"}}', b'{"src":"c1","body":{"a":tru}}', b'{"src":"c1","body":{,}}',
               b'{"src":"c1","body":{"a":1,}}', b"[" * 100000, b'{"a":' * 50000, b'{"src":"c1","body":{"type":"init"}}']
        for line in bad:
            p.raw(line + b"\n")
            self.assertEqual(p.write(), [DONE], line[:80])
        p.raw(b"\n  \n")
        self.assertEqual((p.write(), p.write()), ([DONE], [DONE]))
        latin = [b"\xff\xfe\x00{}"]
        for text in (b"\xe9", b"\xc0\x80", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xe2\x82", b"\xf0\x80\x80\x80"):
            latin.append(b'{"src":"c1","dest":"n1","body":{"type":"echo","echo":"%s","msg_id":2}}' % text)
        for line in latin:  # not UTF-8
            p.raw(line + b"\n")
            self.assertEqual(p.write(), [DONE], line)
        p.say({"type": "echo", "echo": "alive", "msg_id": 2})
        self.assertEqual(p.write()[0]["body"]["echo"], "alive")
        log = self.finish(p)
        self.assertEqual(log.count("skipped a"), len(bad) + len(latin), log[-2000:])

    def test_who_am_i(self):
        p = self.lockstep(at_ms=5, config={"k": [1, 2]})
        p.say({"type": "who", "msg_id": 2}, at_ms=77)
        self.assertEqual(p.write()[0], out("c1", {"type": "who_ok", "id": "n1", "ids": ["n1", "n2", "n3"], "config": {"k": [1, 2]},
                                                  "now": 77, "lives": 1, "in_reply_to": 2}))
        self.assertIn("life 1 of n1\n", self.finish(p))

    def test_a_second_init_changes_nothing(self):
        p = self.lockstep()
        p.say({"type": "init", "msg_id": 9, "node_id": "n2", "node_ids": ["n2"], "dlab": {"lockstep": False}})
        self.assertEqual(p.write()[0]["body"]["code"], 22)
        p.say({"type": "who", "msg_id": 2})
        self.assertEqual(p.write()[0]["body"]["id"], "n1")
        self.finish(p)

    def test_reply_error(self):
        p = self.lockstep()
        p.say({"type": "refuse", "msg_id": 0})
        self.assertEqual(p.write()[0], out("c1", {"type": "error", "code": 22, "text": 'no "way"\n', "in_reply_to": 0}))
        p.say({"type": "refuse"}, src="n2")
        self.assertEqual(p.write()[0], out("n2", {"type": "error", "code": 22, "text": 'no "way"\n'}))
        self.finish(p)

    # --- time and chance ---

    def test_timers_of_the_harness(self):
        p = self.lockstep()
        p.say({"type": "arm", "name": "a \"b\"", "after": 100}, at_ms=10)
        self.assertEqual(p.write(), [timer('a "b"', 100), DONE])
        p.say({"type": "timer", "name": "a \"b\""}, src="dlab", at_ms=110)
        self.assertEqual(p.write(), [out("c9", {"type": "fired", "name": 'a "b"', "now": 110}), DONE])
        p.say({"type": "timer", "name": "a \"b\""}, src="dlab", at_ms=111)  # it goes off once
        self.assertEqual(p.write(), [DONE])
        p.say({"type": "arm", "name": "t", "after": 100}, at_ms=200)
        p.write()
        p.say({"type": "arm", "name": "t", "after": 100}, at_ms=250)
        self.assertEqual(p.write(), [timer("t", 100), DONE])
        p.say({"type": "timer", "name": "t"}, src="dlab", at_ms=300)  # was under way when it was set anew
        self.assertEqual(p.write(), [DONE])
        p.say({"type": "timer", "name": "t"}, src="dlab", at_ms=350)
        self.assertEqual(p.write(), [out("c9", {"type": "fired", "name": "t", "now": 350}), DONE])
        p.say({"type": "arm", "name": "u", "after": 5}, at_ms=400)
        p.write()
        p.say({"type": "stop", "name": "u"}, at_ms=401)
        self.assertEqual(p.write(), [timer("u", None), DONE])
        for name in ("u", "nobody", 5, None):
            p.say({"type": "timer", "name": name}, src="dlab", at_ms=405)
            self.assertEqual(p.write(), [DONE])
        p.say({"type": "timer"}, src="dlab", at_ms=405)
        self.assertEqual(p.write(), [DONE])
        p.say({"type": "hello", "msg_id": 3}, src="dlab", at_ms=406)
        self.assertEqual(p.write(), [DONE])
        self.finish(p)

    def test_chance_follows_from_the_seed(self):
        p = self.lockstep()
        p.say({"type": "chance", "msg_id": 2})
        body = p.write()[0]["body"]
        # splitmix64 from 42: 13679457532755275413, 2949826092126892291, 5139283748462763858, 6349198060258255764
        self.assertEqual(body["ints"], [413, 291, 858])
        self.assertEqual(body["unit"], (6349198060258255764 % 2**53) / 2**53)
        self.finish(p)

    def test_chance_without_a_seed(self):
        drawn = []
        for _ in range(2):
            p = self.maelstrom()
            p.say({"type": "chance", "msg_id": 2})
            drawn.append(p.write()[0]["body"]["unit"])
            self.finish(p)
        self.assertNotEqual(*drawn)

    # --- rpc ---

    def test_rpc_is_answered(self):
        p = self.lockstep()
        p.say({"type": "ask", "of": "n2", "timeout": 100}, at_ms=10)
        self.assertEqual(p.write(), [out("n2", {"type": "question", "msg_id": 1}), timer("rpc time-out", 100), DONE])
        p.say({"type": "answer", "in_reply_to": 99}, src="n2", at_ms=15)
        self.assertEqual(p.write(), [DONE])
        p.say({"type": "echo", "in_reply_to": 1, "code": 5}, src="n2", at_ms=20)
        self.assertEqual(p.write(), [out("c9", {"type": "got", "from": "n2", "answer": "echo", "code": 5, "now": 20}), DONE])
        p.say({"type": "answer", "in_reply_to": 1}, src="n2", at_ms=21)  # the network doubled it
        self.assertEqual(p.write(), [DONE])
        p.say({"type": "timer", "name": "rpc time-out"}, src="dlab", at_ms=110)
        self.assertEqual(p.write(), [DONE])
        self.finish(p)

    def test_rpc_times_out_in_order_with_one_timer(self):
        p = self.lockstep()
        p.say({"type": "ask", "of": "n2", "timeout": 300}, at_ms=0)
        self.assertEqual(p.write()[1], timer("rpc time-out", 300))
        p.say({"type": "ask", "of": "n3", "timeout": 100}, at_ms=100)
        self.assertEqual(p.write(), [out("n3", {"type": "question", "msg_id": 2}), timer("rpc time-out", 100), DONE])
        p.say({"type": "ask", "of": "n1", "timeout": 100}, at_ms=100)
        self.assertEqual(p.write(), [out("n1", {"type": "question", "msg_id": 3}), DONE])
        p.say({"type": "timer", "name": "rpc time-out"}, src="dlab", at_ms=200)
        late = {"type": "got", "answer": "error", "code": 0, "now": 200}
        self.assertEqual(p.write(), [out("c9", {**late, "from": "n3"}), out("c9", {**late, "from": "n1"}), timer("rpc time-out", 100),
                                     DONE])
        p.say({"type": "answer", "in_reply_to": 2}, src="n3", at_ms=250)  # too late
        self.assertEqual(p.write(), [DONE])
        p.say({"type": "timer", "name": "rpc time-out"}, src="dlab", at_ms=300)
        self.assertEqual(p.write(), [out("c9", {**late, "from": "n2", "now": 300}), DONE])
        self.finish(p)

    def test_rpc_ids_differ_after_a_restart(self):
        p = self.lockstep(at_ms=5000)
        p.say({"type": "ask", "of": "n2", "timeout": 100}, at_ms=5010)
        self.assertEqual(p.write()[0]["body"]["msg_id"], 5000001)
        self.finish(p)

    # --- the disk ---

    def test_saved_values_survive(self):
        for life, fabric in enumerate((self.lockstep, self.free, self.lockstep), 1):
            p = fabric()
            p.say({"type": "who", "msg_id": 2})
            self.assertEqual(p.write()[0]["body"]["lives"], life)
            p.say({"type": "fetch", "msg_id": 3})
            self.assertEqual(p.write()[0]["body"]["value"], None if life == 1 else {"é": [life - 1, "x" * 5000]})
            p.say({"type": "put", "msg_id": 4, "value": {"é": [life, "x" * 5000]}})
            self.assertEqual(p.write()[0], out("c1", {"type": "put_ok", "kept": True, "in_reply_to": 4}))
            p.process.kill()
        self.assertEqual(sorted(os.listdir(self.folder)), ["lives", "value"])

    def test_no_data_dir(self):
        p = self.maelstrom()
        p.say({"type": "put", "msg_id": 2, "value": 1})
        self.assertEqual(p.write()[0]["body"]["kept"], False)
        p.say({"type": "fetch", "msg_id": 3})
        self.assertEqual(p.write()[0]["body"]["value"], None)
        self.finish(p)

    def test_a_damaged_file_ends_the_node(self):
        pathlib.Path(self.folder, "value").write_text('{"half": ')
        p = self.lockstep()
        p.say({"type": "fetch", "msg_id": 2})
        self.assertIsNone(p.packet())
        status, log = p.end()
        self.assertNotEqual(status, 0)
        self.assertTrue(log)

    # --- without dlab ---

    def test_timers_on_the_wall_clock(self):
        p = self.maelstrom()
        p.say({"type": "report"})  # there is nobody to tell
        after = {"late": 60, "early": 40, "again": 50}
        p.say({"type": "arm", "name": "again", "after": 600000})
        p.say({"type": "arm", "name": "stopped", "after": 600000})
        p.say({"type": "stop", "name": "stopped"})
        for name in after:
            p.say({"type": "arm", "name": name, "after": after[name]})
        bodies = []
        while len(bodies) < 3:
            bodies += [line["body"] for line in p.write()]
        self.assertEqual(sorted(b["name"] for b in bodies), sorted(after))
        self.assertEqual(bodies, sorted(bodies, key=lambda b: b["now"]))
        for body in bodies:
            self.assertGreaterEqual(body["now"], after[body["name"]])
        p.say({"type": "echo", "echo": 1, "msg_id": 2})
        self.assertEqual(p.write(), [out("c1", {"type": "echo_ok", "echo": 1, "in_reply_to": 2})])
        self.finish(p)

    def test_rpc_on_the_wall_clock(self):
        p = self.maelstrom()
        p.say({"type": "ask", "of": "n2", "timeout": 20})
        self.assertEqual(p.write(), [out("n2", {"type": "question", "msg_id": 1})])
        got = p.write()[0]["body"]
        self.assertEqual((got["type"], got["from"], got["answer"], got["code"]), ("got", "n2", "error", 0))
        self.assertGreaterEqual(got["now"], 20)
        p.say({"type": "ask", "of": "n3", "timeout": 60000})
        self.assertEqual(p.write(), [out("n3", {"type": "question", "msg_id": 2})])
        p.say({"type": "answer", "in_reply_to": 2}, src="n3")
        self.assertEqual(p.write()[0]["body"]["answer"], "answer")
        self.finish(p)

    def test_the_end_of_input_ends_the_node_though_timers_are_set(self):
        p = self.maelstrom()
        p.say({"type": "arm", "name": "never", "after": 600000})
        self.finish(p)

    def test_input_before_init(self):
        p = self.probe()
        p.raw(b"garbage\n")
        p.say({"type": "nosuch", "msg_id": 3})
        self.assertEqual(p.write()[0]["body"]["code"], 10)
        self.finish(p)


class SameBytes(unittest.TestCase):
    def test_the_same_lines_give_the_same_bytes(self):
        """Twice the same input, twice the same output, byte for byte."""
        for language in COMMANDS:
            seen = []
            for _ in range(2):
                p = Probe(language)
                p.init(dlab={"seed": 7, "lockstep": True})
                text = b""
                for i in range(20):
                    for body in ({"type": "chance", "msg_id": i}, {"type": "two", "msg_id": i}, {"type": "report"},
                                 {"type": "ask", "of": "n2", "timeout": 10 + i % 3}, {"type": "arm", "name": "t%d" % i, "after": i},
                                 {"type": "who", "msg_id": i}):
                        p.say(body, at_ms=i)
                        text += p.packet()
                p.say({"type": "timer", "name": "rpc time-out"}, src="dlab", at_ms=100)
                seen.append(text + p.packet())
                p.end()
            self.assertEqual(seen[0], seen[1], language)


def main():
    folder = tempfile.mkdtemp(prefix="dlab-sdk-")
    try:
        for name, why in build(folder):
            print(f"skipped: {name}: {why}")
        verbose = "-v" in sys.argv[1:]
        wanted = [a for a in sys.argv[1:] if not a.startswith("-")]
        loader, suite = unittest.TestLoader(), unittest.TestSuite()
        for language in COMMANDS:
            case = type("Test_" + language.replace("-", "_"), (SdkTest,), {"language": language})
            suite.addTests(loader.loadTestsFromTestCase(case))
        suite.addTests(loader.loadTestsFromTestCase(SameBytes))
        if wanted:
            suite = unittest.TestSuite(t for t in suite if any(w in t.id() for w in wanted))
        result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2 if verbose else 1).run(suite)
    finally:
        shutil.rmtree(folder)
    failed = len({str(test) for test, _ in result.failures + result.errors})
    print(f"{result.testsRun - failed} passed, {failed} failed")
    return 1 if failed or not result.testsRun else 0


if __name__ == "__main__":
    sys.exit(main())
