"""A Docker engine for the tests: the one that runs, or one that this starts; and the images that they need."""
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
        log = tempfile.TemporaryFile()
        with tempfile.TemporaryDirectory(prefix="dlab-engine-") as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
            ready.bind(f"{folder}/ready")
            self.process = subprocess.Popen(["dockerd"], stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
                                            env={**os.environ, "NOTIFY_SOCKET": f"{folder}/ready"})
            ended = os.pidfd_open(self.process.pid)
            heard, _, _ = select.select([ready, ended], [], [], START_LIMIT_S)  # it says READY=1, as to systemd (sd_notify(3)), or ends
            os.close(ended)
        if ready in heard and "Server Version" in docker("info").stdout:
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


def left(pid=None):
    """What there is of one dlab process, or of all: containers, networks, volumes."""
    def count(*words):
        done = docker(*words, "--filter", "label=org.dlab.owner", "--format", '{{.Label "org.dlab.owner"}}')
        if done.returncode != 0:
            raise AssertionError(done.stdout)
        owners = [line.split()[0] for line in done.stdout.splitlines() if line.strip()]
        return len(owners) if pid is None else owners.count(str(pid))
    return [count("ps", "-a"), count("network", "ls"), count("volume", "ls")]
