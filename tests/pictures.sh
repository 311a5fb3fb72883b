#!/usr/bin/env bash
# Draws the pictures of the documents again, from runs on sim: the same dlab draws the same pictures.   pictures.sh [DLAB [FOLDER]]
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
dlab=$(realpath "${1:-$root/build/dlab}")
mkdir -p "${2:-$root/stages/pictures}"
to=$(realpath "${2:-$root/stages/pictures}")
box=$(mktemp -d)
trap 'rm -rf "$box"' EXIT
cd "$box"

# The failure at the top of the README.
"$dlab" test broadcast -t loss --seed 3 -- python3 "$root/tests/wrong/broadcast/fire_and_forget.py" > out 2>&1 && {
	echo "pictures: the run did not fail as it should" >&2
	exit 1
}
"$dlab" export broadcast/loss --as svg --most 34 -o "$to/broadcast-loss.svg" 2> out

# The dashboard: a Raft whose log is not checked, at the evidence.
"$dlab" test raft -t log-rejoin -- python3 "$root/tests/wrong/raft/appends_without_prev_check.py" > out 2>&1 && {
	echo "pictures: the run did not fail as it should" >&2
	exit 1
}
"$dlab" open raft/log-rejoin --view flow --size 110x30 --still "$to/dashboard-flow.svg"
"$dlab" open raft/log-rejoin --view cluster --size 110x26 --still "$to/dashboard-cluster.svg"
