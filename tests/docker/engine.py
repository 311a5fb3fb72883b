"""A Docker engine for the tests: the one that runs, or one that this starts; and the images that they need."""
import contextlib
import os
import pathlib
import select
import shutil
import socket
import subprocess
import tempfile

BASE = "debian:bookworm-slim"
START_LIMIT_S, PULL_LIMIT_S, BUILD_LIMIT_S = 60, 60, 600


def call(*command, limit=60, said=None, **more):
    """Runs it to its end. The result has its `pid`, too, by which left() knows what was its own."""
    command = [str(c) for c in command]
    try:
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                              stdin=subprocess.DEVNULL if said is None else subprocess.PIPE, **more) as process:
            try:
                out, _ = process.communicate(said, timeout=limit)
            except subprocess.TimeoutExpired as problem:
                process.kill()
                process.communicate()
                return subprocess.CompletedProcess(command, 125, str(problem))
    except OSError as problem:
        return subprocess.CompletedProcess(command, 125, str(problem))
    done = subprocess.CompletedProcess(command, process.returncode, out)
    done.pid = process.pid
    return done


def docker(*words, **more):
    return call("docker", *words, **more)


class Engine:
    """`missing` says why there is none; it is None when all is there."""

    def __init__(self):
        self.process = None
        self.missing = self.start() or self.need_base() or self.need_containers()

    def start(self):
        if docker("info").returncode == 0 and "Server Version" in docker("info").stdout:
            return None
        if os.geteuid() != 0 or not shutil.which("dockerd"):
            return "no Docker engine answers, and only root, with docker.io installed, can start one"
        return self.start_daemon()

    def start_daemon(self, *options, host=None, wrapper=()):
        log = tempfile.TemporaryFile()
        with tempfile.TemporaryDirectory(prefix="dlab-engine-") as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
            ready.bind(f"{folder}/ready")
            self.process = subprocess.Popen([*wrapper, "dockerd", *options], stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
                                            env={**os.environ, "NOTIFY_SOCKET": f"{folder}/ready"})
            ended = os.pidfd_open(self.process.pid)
            heard, _, _ = select.select([ready, ended], [], [], START_LIMIT_S)  # it says READY=1, as to systemd (sd_notify(3)), or ends
            os.close(ended)
        if ready in heard and "Server Version" in docker(*(["-H", host] if host else []), "info").stdout:
            return None
        log.seek(0)
        words = log.read().decode(errors="replace").strip().splitlines()[-1:]
        self.stop()
        return f"dockerd does not start here: {words[0][-300:] if words else 'it says nothing'}"

    def need_base(self):
        """Pulled, or made as a distribution would make it."""
        if self.missing_image(BASE) is None or docker("pull", "-q", BASE, limit=PULL_LIMIT_S).returncode == 0:
            return None
        if os.geteuid() != 0 or not shutil.which("debootstrap"):
            return f"the image {BASE} cannot be pulled, and only root, with debootstrap installed, can make it"
        with tempfile.TemporaryDirectory(prefix="dlab-base-") as folder:
            made = call("debootstrap", "--variant=minbase", "--include=iproute2,iptables,nftables,python3", "bookworm", folder, limit=BUILD_LIMIT_S)
            if made.returncode != 0:
                return f"debootstrap cannot make {BASE}: {made.stdout.strip().splitlines()[-1:]}"
            for package in pathlib.Path(folder, "var/cache/apt/archives").glob("*.deb"):
                package.unlink()
            made = call("sh", "-c", f"tar -C {folder} -c . | docker import - {BASE}", limit=BUILD_LIMIT_S)
            return None if made.returncode == 0 else f"{BASE} cannot be imported: {made.stdout[-300:]}"

    @staticmethod
    def need_containers():
        """An engine may come up where its containers do not: without the rights for their file systems, or for their network."""
        tried = docker("run", "--rm", BASE, "true")
        return None if tried.returncode == 0 else f"no container runs here: {tried.stdout.strip()[-300:]}"

    @staticmethod
    def missing_image(name):
        return None if docker("image", "inspect", name).returncode == 0 else f"there is no image {name}"

    def stop(self):
        if self.process:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None


class SmallEngine(Engine):
    """A second one, all of whose files stand in a small file system in memory. It has a network of its own: in ours it would
    take away the first one's bridge."""

    def __init__(self, folder, megabytes):
        self.process, self.folder, self.host = None, folder, f"unix://{folder}/engine.sock"
        self.disk = pathlib.Path(folder, "disk")
        self.disk.mkdir()
        self.mounted = call("mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "dlab-test", self.disk).returncode == 0
        self.missing = "no small file system can be mounted" if not self.mounted else self.start_daemon(
            "-H", self.host, "--data-root", f"{self.disk}/data", "--exec-root", f"{folder}/exec", "--pidfile", f"{folder}/pid",
            "--bridge", "none", "--iptables=false", host=self.host, wrapper=("unshare", "--net"))

    def fill(self, room):
        """But for some bytes. Returns what must be removed to have room again."""
        path = self.disk / "ballast"
        with open(path, "wb", buffering=0) as ballast, contextlib.suppress(OSError):
            while True:
                ballast.write(b"x" * 4096)
        os.truncate(path, path.stat().st_size - room)
        return path

    def stop(self):
        super().stop()
        if self.mounted:
            call("umount", "-l", self.disk)


def left(pid=None, host=None):
    """What there is of one dlab process, or of all: containers, networks, volumes."""
    where = ["-H", host] if host else []
    def count(*words):
        done = docker(*where, *words, "--filter", "label=org.dlab.owner", "--format", '{{.Label "org.dlab.owner"}}')
        if done.returncode != 0:
            raise AssertionError(done.stdout)
        owners = [line.split()[0] for line in done.stdout.splitlines() if line.strip()]
        return len(owners) if pid is None else owners.count(str(pid))
    return [count("ps", "-a"), count("network", "ls"), count("volume", "ls")]
