# shellcheck shell=bash
# For the scripts here, which source it: a dlab in a folder of its own that also has the test lab "tally", and words for
# conditions. The first argument of the script is the build folder.
set -u
export LC_ALL=C.utf8 TERM=dumb
unset COLUMNS NO_COLOR
root=$(cd "$(dirname "$0")/../.." && pwd)
build=$(cd "${1:-$root/build}" && pwd) || exit 2
node="$root/tests/nodes/tally.py"
python=$(python3 -c 'import sys; print(sys.executable)')
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2
mkdir tmp && export TMPDIR="$work/tmp" # the nodes' folders
passed=0 failed=0

sed 's/^const struct lab \*const all_labs\[\] = {/extern const struct lab lab_tally;\n&\n\t\&lab_tally,/' "$build/labs.c" > labs.c
# shellcheck disable=SC2046,SC2086
${CC:-cc} -std=c11 -D_GNU_SOURCE ${TEST_CFLAGS:-} -I"$root/core" -o dlab "$root/tests/cli/lab_tally.c" labs.c \
	"$build/core/main.o" "$build/libdlab.a" $(pkg-config --libs $(sed -n 's/^PKGS = //p' "$root/Makefile")) -lpthread -lm || exit 2

ok() { # NAME CONDITION...: the condition is a command, and its status is that of ok
	local name=$1
	shift
	if "$@"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAILED $name"
		return 1
	fi
}
has() { grep -qF -- "$1" "${2:-out}"; }
hasnt() { ! grep -qF -- "$1" "${2:-out}"; }
nodes_here() { # python3 processes that stand in this folder
	local at
	for at in /proc/[0-9]*/cwd; do
		[ "$(readlink "$at")" = "$work" ] && [ "$(cat "${at%cwd}comm")" = python3 ] && return 0
	done 2>/dev/null
	return 1
}
