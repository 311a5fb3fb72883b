"""A node that means harm. `attack {how}` does it and tells what worked; `echo` is answered as by anybody. No SDK on purpose."""
import ctypes
import json
import os
import signal
import socket
import struct
import sys
import time


def bomb(_):
    """Forks as long as the kernel lets it; every child does the same, and spins. They leave their parent time to tell: among
    the groups of processes, and so for all others, that makes no difference."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    made, refused, end = 0, 0, time.monotonic() + 2
    while time.monotonic() < end:
        try:
            if os.fork() == 0:
                os.nice(19)
                while True:
                    try:
                        os.fork()
                    except OSError:
                        pass
            made += 1
        except OSError:
            refused += 1
    return {"made": made, "refused": refused > 0}


def memory(_):
    hoard = []
    while True:
        hoard.append(b"x" * (16 << 20))


def write(_):
    """Where it can write, beside its own folder and /tmp; and how many bytes fit there."""
    could = []
    places = ["/", "/etc", "/usr", "/usr/bin", "/var", "/root", "/dlab", "/proc/sys/kernel", "/sys/fs/cgroup", os.getcwd(),
              os.path.dirname(os.path.abspath(__file__))]
    for place in places:
        try:
            with open(os.path.join(place, "hostile"), "w") as file:
                file.write("x")
            could.append(place)
        except OSError:
            pass
    for path in ("/dlab/dlab-agent", "/usr/bin/dlab-agent", os.path.abspath(__file__), "/proc/sysrq-trigger"):
        try:
            os.close(os.open(path, os.O_WRONLY))
            could.append(path)
        except OSError:
            pass
    for path in ("/dlab/node.sock", "/dlab/dlab-agent"):
        try:
            os.unlink(path)
            could.append("unlink " + path)
        except OSError:
            pass
    fitted = {}
    for folder in (os.environ["DLAB_DATA_DIR"], "/tmp"):
        path, size = os.path.join(folder, "big"), 0
        try:
            with open(path, "wb", buffering=0) as file:
                while size < 1 << 30:
                    size += file.write(b"x" * (1 << 20))
        except OSError:
            pass
        os.unlink(path)
        fitted[folder] = size >> 20
    return {"could": could, "fitted": fitted}


def reach(family, kind, address, data=None):
    s = socket.socket(family, kind)
    s.settimeout(1)
    try:
        s.connect(address)
        if data is None:
            return True
        s.send(data)
        return bool(s.recv(10))
    except OSError:
        return False
    finally:
        s.close()


def network(body):
    """The host by the bridge's address, an address of nobody, and a peer's agent with a forged message."""
    mine = [a for a in open("/proc/net/fib_trie").read().split() if a.startswith("10.199.") and not a.endswith((".0", ".255"))][0]
    gateway = mine.rsplit(".", 1)[0] + ".1"
    could = []
    for where in (gateway, "192.0.2.1", "172.17.0.1"):
        if reach(socket.AF_INET, socket.SOCK_STREAM, (where, body["port"])):
            could.append("tcp " + where)
        if reach(socket.AF_INET, socket.SOCK_DGRAM, (where, body["port"]), b"hello"):
            could.append("udp " + where)
    for name in ("SOCK_RAW",):
        try:
            socket.socket(socket.AF_INET, getattr(socket, name), socket.IPPROTO_ICMP).close()
            could.append(name)
        except OSError:
            pass
    forged = struct.pack("<IIQQ", 0x62616c64, 0, 0, 1) + json.dumps({"type": "forged"}).encode()
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for last in range(10, 14):
        try:
            s.sendto(forged, (mine.rsplit(".", 1)[0] + f".{last}", 4711))
        except OSError:
            pass
    return {"could": could, "gateway": gateway}


def rights(_):
    """What a process without rights may not."""
    libc, could = ctypes.CDLL(None, use_errno=True), []

    def attempt(name, action):
        try:
            if action() in (None, 0, True):
                could.append(name)
        except OSError:
            pass
    attempt("setuid", lambda: os.setuid(0))
    attempt("sethostname", lambda: socket.sethostname("hostile"))
    attempt("mknod", lambda: os.mknod("/tmp/disk", 0o600 | 0o060000, os.makedev(8, 0)))
    attempt("mount", lambda: libc.mount(b"none", b"/tmp", b"tmpfs", 0, None))
    attempt("unshare", lambda: libc.unshare(0x10000000 | 0x40000000))
    attempt("ptrace 1", lambda: libc.ptrace(16, 1, 0, 0))
    attempt("read 1", lambda: open("/proc/1/mem", "rb").close())
    attempt("environ of 1", lambda: len(open("/proc/1/environ", "rb").read()) > 0)
    attempt("settime", lambda: time.clock_settime(time.CLOCK_REALTIME, time.time()))
    attempt("docker.sock", lambda: os.stat("/var/run/docker.sock") is not None)
    for sig in (signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM):
        os.kill(1, sig)  # PID 1 does not even notice
    return {"could": could, "uid": os.getuid(), "lives": os.path.exists("/proc/1")}


def flood(_):
    while True:
        os.write(1, b"this is no JSON\n" * 4000)


def endless(_):
    while True:
        os.write(1, b"x" * 65536)


def deaf(_):
    """Ignores every signal that can be ignored, in a session of its own, and lives on when its parent ends."""
    for sig in range(1, 32):
        try:
            signal.signal(sig, signal.SIG_IGN)
        except (OSError, ValueError):
            pass
    if os.fork() == 0:
        os.setsid()
        while True:
            signal.pause()
    return {}


ATTACKS = {f.__name__: f for f in (bomb, memory, write, network, rights, flood, endless, deaf)}
for line in sys.stdin:
    message = json.loads(line)
    body = message["body"]
    if body["type"] == "init":
        reply = {"type": "init_ok"}
    elif body["type"] == "attack":
        reply = {"type": "attack_ok", **ATTACKS[body["how"]](body)}
    elif body["type"] == "echo":
        reply = {"type": "echo_ok", "echo": body["echo"]}
    else:
        print("got", json.dumps(body), file=sys.stderr, flush=True)
        continue
    reply["in_reply_to"] = body["msg_id"]
    print(json.dumps({"src": message["dest"], "dest": message["src"], "body": reply}), flush=True)
