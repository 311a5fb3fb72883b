#!/usr/bin/env python3
"""The docker fabric with real containers: its contract, the labs, its errors, what it leaves behind, hostile nodes.

Without an engine all is skipped, with the reason. Checks that mostly wait, measure nothing and change nothing of the engine
run side by side, the others alone. usage: run.py [PART OF A NAME]
"""
import concurrent.futures
import contextlib
import json
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import traceback

from engine import Engine, SmallEngine, call, docker, left

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = (ROOT / os.environ.get("BUILD", "build")).resolve()
DLAB = BUILD / "dlab"
HOSTILE = ROOT / "tests" / "docker" / "hostile.py"
ENV = {**os.environ, "PYTHONPATH": str(ROOT / "core/sdk/python"), "DLAB_HOME": str(ROOT)}
VERSION = re.search(r"^VERSION := (\S+)", (ROOT / "Makefile").read_text(), re.M).group(1)
CHECKS = []
SWEPT_LIMIT_S = 10
SIDE_BY_SIDE = 3
HERE = threading.local()  # .folder: the check's own


class Skip(Exception):
    pass


def check(function, alone=False):
    CHECKS.append((function.__name__.replace("_", " "), function, alone))
    return function


def check_alone(function):
    return check(function, alone=True)


def need(condition, *words):
    if not condition:
        raise AssertionError(" ".join(str(w) for w in words))


def dlab(*words, limit=200, env=None, **more):
    return call(DLAB, *words, limit=limit, env={**ENV, **(env or {})}, **{"cwd": HERE.folder, **more})


def solution(lab):
    return ["--", "python3", ROOT / "solutions" / lab / "python" / f"{lab}.py"]


def test_lab(lab, *tests, node=None):
    """Each of these tests of a lab; none: all."""
    for test in tests or [None]:
        done = dlab("test", lab, *(["-t", test] if test else []), "--fabric", "docker", *(["--", node] if node else solution(lab)))
        need(done.returncode == 0, lab, test, done.stdout[-3000:])


def wrong(lab, name, test, sentence):
    done = dlab("test", lab, "-t", test, "--fabric", "docker", "--", "python3", ROOT / "tests/wrong" / lab / f"{name}.py")
    need(done.returncode == 1 and re.search(sentence, done.stdout), name, done.stdout[-2000:])


def contract(*words, env=None, limit=400):
    done = call(BUILD / "tests" / "test_contract", "docker", *words, limit=limit, env={**ENV, **(env or {})}, cwd=HERE.folder)
    need(done.returncode == 0, done.stdout[-3000:])


# --- the fabric ---

@check_alone
def the_contract():
    contract()


@check_alone
def the_contract_when_agents_shape():
    for case in ("*cut*", "*loss*", "*latency*", "*doubled*", "*overtaken*", "*rate*", "*heal*"):
        contract(f"docker: {case}", env={"DLAB_SHAPING": "agent"})


@check_alone
def the_second_choices():
    """iptables where nftables is missing, htb where netem is: taken, said, and as good."""
    use = {"DLAB_SHAPING": "iptables,htb"}
    said = play("n1 echo echo=x\n", more=use).stdout
    if "cuts by iptables" not in said:
        raise Skip("the kernel has no ip_tables, or the image no iptables-legacy-restore")
    need("loss by iptables" in said and "iptables-legacy-restore --noflush" in said, said)
    need("rates by htb" in said, said)
    for case in ("*cut*", "*loss*", "*rate*", "*heal*"):
        contract(f"docker: {case}", env=use)
    hostile_network(use)


@check
def the_kernel_cuts_where_it_can():
    """A fallback that nobody asked for would be hidden by the agents' good work."""
    seen = dlab("doctor").stdout
    if "cuts by nftables" not in seen:
        raise Skip("the kernel has no nftables")
    said = play("n1 echo echo=x\n").stdout
    need("cuts by nftables" in said, said)


@check
def raft_kv_passes():
    test_lab("raft-kv", "partition", "crash", "sessions-in-snapshot")


@check
def raft_passes():
    test_lab("raft", "elect-again", "persist-all")


@check
def broadcast_passes():
    test_lab("broadcast", "five-nodes", "loss")


@check
def a_wrong_broadcast_fails():
    wrong("broadcast", "fire_and_forget", "loss", "every node has every value")


@check
def exactly_once_passes():
    test_lab("exactly-once", "calm", "loss", "crash")


@check
def echo_passes():
    test_lab("echo")


# --- raw sockets: the clients stand in a pod of their own ---

@check
def sockets_in_python_passes():
    test_lab("sockets")


@check
def sockets_in_c_passes():
    """Linked statically, as one would build it for any image."""
    node = pathlib.Path(HERE.folder, "node")
    made = call("cc", "-static", "-O2", "-o", node, *(ROOT / "solutions/sockets/c").glob("*.c"))
    need(made.returncode == 0, made.stdout)
    test_lab("sockets", node=node)


@check
def wrong_servers_fail():
    wrong("sockets", "echoes_pieces", "byte-by-byte", "nothing comes back before the newline was sent")
    wrong("sockets", "one_client_at_a_time", "many-clients", "clients do not wait for one another")
    wrong("sockets", "dies_of_sigpipe", "reset", "a reset ends one connection, not the node")
    wrong("sockets", "leaks_in_a_child", "no-leaks", "connections later it has [0-9]+ open")
    wrong("sockets", "no_reuseaddr", "restart", "a node can restart on its port at once")
    wrong("sockets", "ignores_sigterm", "sigterm", "still runs 5000 ms after SIGTERM")
    wrong("sockets", "sigterm_status_1", "sigterm", "SIGTERM ends the node, with status 0")


@check
def the_clients_come_over_the_network():
    """From an address of the run's network that is no node's; and the kernel has been told of long cuts."""
    pathlib.Path(HERE.folder, "tell.py").write_text(TELLER)
    done = dlab("test", "sockets", "-t", "sigterm", "--fabric", "docker", "--", "python3", f"{HERE.folder}/tell.py",
                ROOT / "solutions/sockets/python/sockets.py")
    seen = re.findall(r"peer (10\.199\.\d+\.\d+) me (10\.199\.\d+\.\d+) retries (\d+) rto (\S+)", logs(HERE.folder))
    need(done.returncode == 0, done.stdout)
    need(seen and seen[-1][0] != seen[-1][1] and seen[-1][0].rsplit(".", 1)[0] == seen[-1][1].rsplit(".", 1)[0], seen)
    need(seen[-1][2] == "120" and seen[-1][3] in ("1000", "none"), seen)


TELLER = """
import sys, socket
def read(name):
    try:
        return open("/proc/sys/net/ipv4/" + name).read().strip()
    except OSError:
        return "none"
accept = socket.socket.accept
def tell(self):
    s, who = accept(self)
    print("peer", who[0], "me", s.getsockname()[0], "retries", read("tcp_retries2"), "rto", read("tcp_rto_max_ms"), file=sys.stderr, flush=True)
    return s, who
socket.socket.accept = tell
exec(open(sys.argv[1]).read())
"""


@check
def a_scene_in_front_of_a_class():
    done = call("bash", ROOT / "tests/cli/scene.sh", BUILD, "docker", limit=200)
    need(done.returncode == 0 and re.search(r"^[1-9]\d* passed, 0 failed$", done.stdout, re.M), done.stdout[-4000:])


@check
def an_image_of_the_learners():
    docker("tag", "debian:bookworm-slim", "dlab-test-image:1")
    try:
        done = dlab("test", "echo", "-t", "one", "--fabric", "docker", "--image", "dlab-test-image:1", *solution("echo"))
        if "cannot start python3" in done.stdout:
            raise Skip("the base image has no Python")
        need(done.returncode == 0, done.stdout)
    finally:
        docker("rmi", "dlab-test-image:1")


@check_alone
def an_agents_image_from_another_base():
    """For machines that cannot pull: from whatever Debian there is."""
    docker("tag", "debian:bookworm-slim", "dlab-test-base:1")
    try:
        need(build_image("BASE=dlab-test-base:1") and try_echo().returncode == 0)
    finally:
        docker("rmi", "dlab-test-base:1")
        build_image()


@check
def two_runs_at_once():
    with contextlib.ExitStack() as stack:
        runs = []
        for _ in range(2):
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            os.chmod(folder, 0o755)
            runs.append(subprocess.Popen([DLAB, "test", "echo", "--fabric", "docker", *map(str, solution("echo"))], cwd=folder, env=ENV,
                                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
        for run in runs:
            out, _ = run.communicate(timeout=200)
            need(run.returncode == 0, out)


# --- what goes wrong in the world: one sentence, status 3, nothing left ---

def refused(done, sentence):
    need(done.returncode == 3, "status", done.returncode, done.stdout)
    need(re.search(sentence, done.stdout), "no", repr(sentence), "in", done.stdout)
    need(left(done.pid) == [0, 0, 0], "left behind:", left(done.pid))


def try_echo(*words, env=None, **more):
    return dlab("test", "echo", "-t", "one", "--fabric", "docker", *words, *solution("echo"), env=env, **more)


@check
def no_engine():
    refused(try_echo(env={"DOCKER_HOST": "unix:///nowhere/docker.sock"}), "there is no Docker engine at /nowhere/docker.sock")


@check
def an_engine_far_away():
    refused(try_echo(env={"DOCKER_HOST": "tcp://192.0.2.1:2375"}), "dlab needs one on this machine")


@check
def no_permission():
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        raise Skip("only root can become another user, by setpriv")
    if os.access("/var/run/docker.sock", os.F_OK) and os.stat("/var/run/docker.sock").st_mode & 0o006:
        raise Skip("everybody may use this engine")
    os.chmod(HERE.folder, 0o777)
    done = call("setpriv", "--reuid=65532", "--regid=65532", "--clear-groups", DLAB, "test", "echo", "-t", "one", "--fabric", "docker",
                *solution("echo"), env={**ENV, "HOME": "/nonexistent"}, cwd=HERE.folder)
    if "dlab: " in done.stdout and "Permission denied" in done.stdout and "Docker" not in done.stdout:
        raise Skip("another user cannot reach this folder")
    refused(done, "you may not use the Docker engine at .*usermod -aG docker")


@check
def no_image():
    refused(try_echo("--image", "dlab-no-such-image:1"), "the Docker image dlab-no-such-image:1 is not there")


@check_alone
def an_image_of_another_dlab():
    """One that an older dlab built: its agents may say other things, and what they leave unsaid would count as lost."""
    image = f"dlab-agent:{VERSION}"
    stale = "FROM " + image + "\nLABEL org.dlab.agent=0\n"
    docker("tag", image, "dlab-agent:kept")
    try:
        built = call("sh", "-c", f"printf '{stale}' | docker build -q -t {image} -")
        need(built.returncode == 0, built.stdout)
        refused(try_echo(), f"the Docker image {image} holds the agents of another dlab: `make image`")
        need("holds the agents of another dlab" in dlab("doctor").stdout)
    finally:
        docker("tag", "dlab-agent:kept", image)
        docker("rmi", "dlab-agent:kept", built.stdout.split()[-1])
    need(try_echo().returncode == 0)


@check
def a_folder_of_the_system():
    done = dlab("test", "echo", "-t", "one", "--fabric", "docker", *solution("echo"), cwd="/usr")
    with contextlib.suppress(OSError):
        shutil.rmtree("/usr/.dlab")
    refused(done, "stand in a folder of your own, not in /usr")


@check_alone
def no_address_is_free():
    """Another network that overlaps all ranges that dlab tries."""
    made = docker("network", "create", "--subnet", "10.199.0.0/16", "dlab-test-wide")
    need(made.returncode == 0, made.stdout)
    try:
        refused(try_echo(), "every range from 10.199.0.0/24 to 10.199.255.0/24 is taken")
    finally:
        docker("network", "rm", "dlab-test-wide")


@check_alone
def some_addresses_are_taken():
    made = docker("network", "create", "--subnet", "10.199.0.0/17", "dlab-test-half")
    need(made.returncode == 0, made.stdout)
    try:
        need(try_echo().returncode == 0)
    finally:
        docker("network", "rm", "dlab-test-half")


FULL_BUT = (0, 40 << 10, 80 << 10, 160 << 10)


@check_alone
def a_full_disk():
    """A second engine, whose disk is full, or all but full, when a cluster is to be made: it ends here and there. (The image is no
    true one: where there is room enough, its program is not found.)"""
    with tempfile.TemporaryDirectory(prefix="dlab-small-") as folder:
        engine = SmallEngine(folder, 64)
        try:
            if engine.missing:
                raise Skip(engine.missing)
            label = (BUILD / "docker/image.Dockerfile").read_text().splitlines()[-1]
            made = call("sh", "-c", f"tar -C {BUILD}/docker -c dlab-agent | docker -H {engine.host} import -c '{label}' - dlab-agent:{VERSION}")
            need(made.returncode == 0, made.stdout)
            ended_at = set()
            for room in FULL_BUT:
                ballast = engine.fill(room)
                done = try_echo(env={"DOCKER_HOST": engine.host})
                need(done.returncode == 3, "with", room, "bytes: status", done.returncode, done.stdout)
                said = re.findall("^ *error +(.*)$", done.stdout, re.M)
                need(len(said) == 1, "with", room, "bytes:", done.stdout)
                ended_at.update(re.findall("(.*): the disk of the Docker engine at .*engine.sock is full: ", said[0]))
                need(left(done.pid, engine.host) == [0, 0, 0], "left behind:", left(done.pid, engine.host))
                ballast.unlink()
            need("cannot make a network" in ended_at and len(ended_at) > 1, "it was told that the disk is full of", ended_at)
        finally:
            engine.stop()


class Relay:
    """An engine that can stop: passes bytes between a socket of its own and the real one."""

    def __init__(self, folder):
        self.path, self.pairs = f"{folder}/engine.sock", []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(64)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect("/var/run/docker.sock")
                self.pairs += [near, far]
                for a, b in ((near, far), (far, near)):
                    threading.Thread(target=self.pump, args=(a, b), daemon=True).start()

    @staticmethod
    def pump(a, b):
        with contextlib.suppress(OSError):
            while data := a.recv(65536):
                b.sendall(data)
            b.shutdown(socket.SHUT_WR)

    def stop(self):
        self.listener.close()
        os.unlink(self.path)
        for s in self.pairs:
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)


@check
def an_engine_that_stops():
    with tempfile.TemporaryDirectory() as folder:
        relay = Relay(folder)
        run = start_run({"DOCKER_HOST": f"unix://{relay.path}"})
        wait_up(run)
        relay.stop()
        out, _ = run.communicate(timeout=60)
        need(run.returncode == 3, run.returncode, out)
        need("Docker engine" in out, out)
    dlab("clean")
    gone(run.pid)


# --- nothing is left behind ---

def start_run(env=None):
    run = subprocess.Popen([DLAB, "run", "-n", "3", "--fabric", "docker", "--", "python3", HOSTILE], env={**ENV, **(env or {})},
                           stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=HERE.folder)
    run.stdin.write("n1 echo echo=up\n")
    run.stdin.flush()
    return run


def wait_up(run):
    for line in run.stdout:
        if "echo_ok" in line:
            return
    raise AssertionError("the cluster did not come up")


def wait_left(pid, wanted, limit):
    """Until that is what there is of a dlab: looked at whenever the engine tells that something has changed."""
    end = time.monotonic() + limit
    with subprocess.Popen(["docker", "events", "--since", str(int(time.time()))], stdout=subprocess.PIPE) as events:
        try:
            while left(pid) != wanted:
                told = select.select([events.stdout], [], [], max(0, end - time.monotonic()))[0]
                need(told and os.read(events.stdout.fileno(), 65536), "after", limit, "s there are", left(pid), "containers, networks, volumes")
        finally:
            events.kill()


def gone(pid):
    wait_left(pid, [0, 0, 0], SWEPT_LIMIT_S)


@check
def a_killed_harness_leaves_nothing():
    run = start_run()
    wait_up(run)
    need(left(run.pid) == [6, 1, 3], left(run.pid))
    run.kill()
    run.wait()
    gone(run.pid)


@check
def a_killed_harness_of_raw_sockets_leaves_nothing():
    """Nor the folder of the socket through which the clients' pod passes its own."""
    scratch = tempfile.mkdtemp(dir=HERE.folder)
    run = subprocess.Popen([DLAB, "test", "sockets", "-t", "no-leaks", "--fabric", "docker", *map(str, solution("sockets"))], cwd=HERE.folder,
                           env={**ENV, "TMPDIR": scratch}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_left(run.pid, [3, 1, 2], 60)
    guard = os.pidfd_open(guard_of(run.pid))
    need(list(pathlib.Path(scratch).glob("*/clients/harness.sock")), "there is no socket in", list(pathlib.Path(scratch).rglob("*")))
    run.kill()
    run.wait()
    gone(run.pid)
    need(select.select([guard], [], [], SWEPT_LIMIT_S)[0], "the guard lives on")
    os.close(guard)
    need(not list(pathlib.Path(scratch).iterdir()), "left in the folder:", list(pathlib.Path(scratch).rglob("*")))


def guard_below(pid):
    """Of a process or its workers; 0: there is none."""
    for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        is_guard = pathlib.Path(f"/proc/{child}/comm").read_text().strip() == "lab-guard"
        found = int(child) if is_guard else guard_below(child)
        if found:
            return found
    return 0


def guard_of(pid):
    found = guard_below(pid)
    need(found, "there is no guard")
    return found


@check_alone
def a_killed_guard_is_swept_up_after():
    for sweep in ("clean", "test"):
        run = start_run()
        wait_up(run)
        os.kill(guard_of(run.pid), signal.SIGKILL)
        run.kill()
        run.wait()
        need(left(run.pid) != [0, 0, 0])
        if sweep == "clean":
            need("container" in dlab("clean").stdout)
        else:
            need(try_echo().returncode == 0)
        gone(run.pid)


@check
def clean_leaves_living_runs_alone():
    run = start_run()
    wait_up(run)
    dlab("clean")
    need(left(run.pid) == [6, 1, 3], left(run.pid))
    out, _ = run.communicate("n2 echo echo=still\nquit\n", timeout=60)
    need("still" in out and run.returncode == 0, out)
    gone(run.pid)


@check
def ctrl_c_leaves_nothing():
    run = start_run()
    wait_up(run)
    run.send_signal(signal.SIGINT)
    run.communicate(timeout=60)
    gone(run.pid)


# --- hostile nodes: n1 attacks, n2 must be as before, and the host too ---

def play(script, more=None):
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        done = call(DLAB, "run", "-n", "2", "--fabric", "docker", "--", "python3", HOSTILE, env={**ENV, "COLUMNS": "2000", **(more or {})},
                    said=script, limit=120, cwd=folder)
        done.stdout += logs(folder)  # the rows on the screen are cut
        return done


def logs(folder):
    """The events of the newest run: kind, node, text."""
    runs = sorted(pathlib.Path(folder, ".dlab/runs").glob("*.db"))
    if not runs:
        return ""
    with contextlib.closing(sqlite3.connect(runs[-1])) as db:
        return "".join(f"\n{kind} {src} {text}" for kind, src, text in db.execute("select kind, src, text from readable"))


def attack(how, env=None, **more):
    """What the node says of its attack, and all output. n2 answers afterwards, and nothing is left."""
    extra = " ".join(f"{k}={v}" for k, v in more.items())
    done = play(f"n1 attack how={how} {extra}\nn2 echo echo=alive\nquit\n", env)
    need(done.returncode == 0, done.stdout[-3000:])
    need(re.search(r'"echo_ok","echo":"alive"|"echo_ok", "echo": "alive"', done.stdout), done.stdout[-3000:])
    gone(done.pid)
    said = re.findall(r'^reply n1 (\{.*attack_ok.*\})$', done.stdout, re.M)
    return json.loads(said[-1]) if said else None, done.stdout


@check
def hostile_fork_bomb():
    said, _ = attack("bomb")
    need(said["made"] < 256 and said["refused"], said)


@check
def hostile_memory():
    said, out = attack("memory")
    need(said is None and "used more than 512 MB of memory and was ended" in out, out[-2000:])


@check
def hostile_writes():
    said, _ = attack("write")
    need(said["could"] == [], said)
    need(all(0 < mb <= 256 for mb in said["fitted"].values()), said)


@check
def hostile_network(env=None):
    """A service of the host listens on every address; the node must not get through, nor speak in a peer's name."""
    with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        tcp.bind(("", 0))
        tcp.listen()
        udp.bind(("", tcp.getsockname()[1]))
        udp.setblocking(False)
        said, out = attack("network", env, port=tcp.getsockname()[1])
        need(said["could"] == [], said)
        with contextlib.suppress(BlockingIOError):
            need(False, "a datagram came through:", udp.recv(100))
    need("forged" not in out, out[-2000:])


@check
def hostile_rights():
    said, _ = attack("rights")
    need(said["could"] == [] and said["uid"] != 0 and said["lives"], said)


@check
def hostile_flood():
    for how in ("flood", "endless"):
        said, out = attack(how)
        need(said is None and "wrote more than the limits allow and was ended" in out, out[-2000:])


@check
def hostile_deaf():
    began = time.monotonic()
    attack("deaf")
    need(time.monotonic() - began < 30)


# ---

def build_image(*options):
    made = call("make", "--no-print-directory", "image", *options, f"BUILD={os.environ.get('BUILD', 'build')}", cwd=ROOT, limit=600)
    if made.returncode != 0:
        print(f"  FAILED  the image cannot be built: {made.stdout.strip()[-300:]}")
    return made.returncode == 0


def run_one(name, function, _):
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="dlab-docker-") as folder:
        os.chmod(folder, 0o755)
        HERE.folder = folder
        try:
            function()
            result, words = "ok", ""
        except Skip as why:
            result, words = "skipped", f": {why}"
        except Exception:  # a check that breaks has failed
            result, words = "FAILED", "\n" + traceback.format_exc(limit=3)
    print(f"  {result:<7} {name}{words}  {time.monotonic() - began:.1f} s", flush=True)
    return result


def main():
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    chosen = [c for c in CHECKS if wanted in c[0]]
    engine = Engine()
    if engine.missing:
        engine.stop()
        print(f"  all skipped: {engine.missing}")
        print(f"0 passed, 0 failed, {len(chosen)} skipped")
        return 0
    try:
        if not build_image():
            print("0 passed, 1 failed, 0 skipped")
            return 1
        results = [run_one(*c) for c in chosen if c[2]]
        with concurrent.futures.ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            results += pool.map(lambda c: run_one(*c), [c for c in chosen if not c[2]])
        if left() != [0, 0, 0]:
            print(f"  FAILED  nothing is left: {left()} containers, networks, volumes")
            results.append("FAILED")
    finally:
        engine.stop()
    print(f"{results.count('ok')} passed, {results.count('FAILED')} failed, {results.count('skipped')} skipped")
    return 1 if "FAILED" in results else 0


if __name__ == "__main__":
    sys.exit(main())
