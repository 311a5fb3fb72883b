#!/usr/bin/env python3
"""The links of the docker fabric by a kernel that has netem: in a virtual machine, whose own Docker Engine runs the containers.

The machine comes from a tool beside this tree, ../shared/tools/netem-vm (DLAB_NETEM_VM names another): `netem-vm -- COMMAND` runs a
command on a copy of the current folder. Without it all is skipped. It is emulated, so delays are long and nothing is timed.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = (ROOT / os.environ.get("BUILD", "build")).resolve()
# The nodes of the contract are Python; the machine's image may hold the smallest one, without these.
MODULES = ("json", "dataclasses.py")
LIMIT_S = 2400  # the first call makes the machine
CASES = ["*latency_is_one_way", "*loss_is_as_asked", "*doubled", "*overtaken", "*rate*", "*cut*", "*heal*"]
LABS = [("broadcast", "loss"), ("raft", "log-follower"), ("sockets", "two-in-one"), ("sockets", "half-close")]
BROKEN_MACHINE = 125  # the tool's status when the machine itself failed
COUNT = len(CASES) + len(LABS) + 1

INSIDE = r"""
root=$1
try() { # NAME COMMAND...
	name=$1; shift
	if "$@" >said 2>&1; then echo "  ok      $name"; else echo "  FAILED  $name"; tail -n 40 said; fi
}
cd /src/build/docker && tar -c image.Dockerfile dlab-agent | docker build -q -f image.Dockerfile -t "$(cat tag)" - >/dev/null 2>&1
export LD_LIBRARY_PATH=/src/lib PYTHONPATH=/src/python DLAB_HOME=/src
mkdir -p "$root" /tmp/w && mount --bind /src "$root" && chmod 755 /tmp/w && cd /tmp/w || exit 1
dlab=/src/build/dlab
try "netem is used" sh -c "$dlab doctor | tee /dev/stderr | grep -q 'delays by netem'"
$dlab doctor | grep shaping
"""


def stage(folder):
    """What the machine needs, and no more: the whole of it is copied."""
    for path in ("dlab", "tests/test_contract", "docker/dlab-agent", "docker/image.Dockerfile", *(f"tests/bench/node_{lab}" for lab, _ in LABS)):
        (folder / "build" / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(BUILD / path, folder / "build" / path)
    version = re.search(r"^VERSION := (\S+)", (ROOT / "Makefile").read_text(), re.M).group(1)
    (folder / "build/docker/tag").write_text(f"dlab-agent:{version}")
    for path in ("tests/nodes", "stages"):
        shutil.copytree(ROOT / path, folder / path, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "python").mkdir()
    for name in MODULES:
        source = pathlib.Path(os.__file__).parent / name if sys.version_info[:2] == (3, 11) else pathlib.Path("/usr/lib/python3.11") / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / "python" / name)
    (folder / "lib").mkdir()
    for line in subprocess.run(["ldd", BUILD / "tests/test_contract"], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines():
        if "libcmocka" in line:
            shutil.copy(line.split()[2], folder / "lib" / line.split()[0])


def script(folder):
    text = INSIDE
    for case in CASES:
        text += f'try "{case}" timeout 120 /src/build/tests/test_contract docker "docker: test_{case}"\n'
    for lab, test in LABS:
        text += f'try "{lab} {test}" timeout 200 $dlab test {lab} -t {test} --fabric docker -- /src/build/tests/bench/node_{lab}\n'
    (folder / "inside.sh").write_text(text)


def main():
    tool = pathlib.Path(os.environ.get("DLAB_NETEM_VM", ROOT / "../shared/tools/netem-vm"))
    if not os.access(tool, os.X_OK) or os.geteuid() != 0:
        print(f"  all skipped: {'only root can build the machine' if os.access(tool, os.X_OK) else f'{tool.name} is not beside this tree'}")
        print(f"0 passed, 0 failed, {COUNT} skipped")
        return 0
    with tempfile.TemporaryDirectory(prefix="dlab-netem-") as name:
        folder = pathlib.Path(name)
        stage(folder)
        script(folder)
        done = subprocess.run([tool, "-t", str(LIMIT_S), "--", "bash", "inside.sh", str(ROOT)], cwd=folder, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace", check=False, stdin=subprocess.DEVNULL)
    lines = re.findall(r"^  (ok|FAILED) ", done.stdout, re.M)
    if done.returncode == BROKEN_MACHINE and not lines:
        print(f"  all skipped: the virtual machine cannot be had here: {done.stdout.strip()[-500:]}")
        print(f"0 passed, 0 failed, {COUNT} skipped")
        return 0
    print(done.stdout[-20000:] if "FAILED" in lines or len(lines) < COUNT else re.sub(r"^(?!  ).*\n?", "", done.stdout, flags=re.M), end="")
    passed = lines.count("ok")
    print(f"{passed} passed, {COUNT - passed} failed, 0 skipped")
    return 0 if passed == COUNT else 1


if __name__ == "__main__":
    sys.exit(main())
