#!/usr/bin/env bash
# Runs the commands of dlab in a folder of its own and checks what they print and how they end.
# usage: run.sh [DLAB]      (build/dlab by default; ends with "N passed, N failed")
set -u
here=$(cd "$(dirname "$0")/../.." && pwd)
dlab=$(realpath "${1:-$here/build/dlab}")
box=$(mktemp -d)
trap 'chmod -R u+w "$box"; rm -rf "$box"' EXIT
mkdir "$box/tmp"
export TMPDIR=$box/tmp LC_ALL=C.UTF-8 TERM=dumb PAGER=cat
export DOCKER_HOST=unix:///nowhere/docker.sock # with an engine: tests/docker
unset NO_COLOR DLAB_HOME DLAB_SESSION
passed=0 failed=0 output=''

verdict() { # verdict WHAT WHY: WHY is empty when all is well
	if [ -z "$2" ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		printf 'FAILED %s: %s\n%s\n' "$1" "$2" "$(printf '%s\n' "$output" | head -n 20 | sed 's/^/    /')"
	fi
}

# expect STATUS PATTERN COMMAND...: stdout and stderr together must match the extended regular expression.
expect() {
	local status=$1 pattern=$2 got why=''
	shift 2
	output=$("$@" 2>&1 </dev/null)
	got=$?
	[ "$got" = "$status" ] || why="exit status $got, not $status"
	printf '%s\n' "$output" | grep -Eq -e "$pattern" || why="$why; the output does not match: $pattern"
	printf '%s\n' "$output" | grep -Eq 'Sanitizer|runtime error' && why="$why; a sanitizer spoke"
	verdict "${*/#$dlab/dlab}" "${why#; }"
}
# lacks PATTERN: of the last output.
lacks() {
	local why=''
	printf '%s\n' "$output" | grep -Eq -e "$1" && why="the output matches: $1"
	verdict "without $1" "$why"
}
# holds WHAT COMMAND...: a condition.
holds() {
	local what=$1 why=''
	shift
	output=$("$@" 2>&1) || why="does not hold: $*"
	verdict "$what" "$why"
}
section() { rm -rf "$box/w"; mkdir "$box/w"; cd "$box/w" || exit 1; }
python() { echo python3 "$here/solutions/$1/python/$1.py"; }

# --- main, help, version ---
section
expect 2 'Usage: dlab COMMAND' "$dlab"
expect 0 '^dlab [0-9]+\.[0-9]+\.[0-9]+$' "$dlab" --version
expect 0 'Usage: dlab COMMAND' "$dlab" --help
expect 0 'Usage: dlab COMMAND' "$dlab" help
expect 0 '^dlab test ' "$dlab" help test
expect 0 '^dlab new-lab ID' "$dlab" help new-lab
expect 0 '--seeds N' "$dlab" test --help
expect 2 'no command "tset"; did you mean `dlab test`' "$dlab" tset
expect 2 'did you mean `dlab doctor`' "$dlab" doct
expect 2 'no command "xyzzy"' "$dlab" xyzzy
lacks 'did you mean'
expect 2 'no command ""' "$dlab" ''
expect 2 'no command "-x"' "$dlab" -x
expect 2 'no command' "$dlab" "$(printf 'a%.0s' {1..5000})"
expect 2 'did you mean `dlab list`' "$dlab" help lsit
expect 2 'one command at a time' "$dlab" help list test
for command in $("$dlab" help | awk '/^  [a-z]/{print $1}'); do
	expect 0 "^dlab $command" "$dlab" help "$command"
	expect 2 'no option --no-such-option' "$dlab" "$command" --no-such-option
	expect 2 'no option -Z' "$dlab" "$command" -Z
done
if [ -w /dev/full ]; then
	expect 3 'cannot write to stdout' bash -c '"$0" help > /dev/full' "$dlab"
fi
holds 'a reader that has seen enough is no error' bash -c 'set -o pipefail; "$0" list --json | head -n 1 > /dev/null' "$dlab"

# --- new ---
section
expect 2 'say where' "$dlab" new
expect 2 'say where' "$dlab" new a b
expect 2 'say where' "$dlab" new ''
expect 2 'not in "cobol"' "$dlab" new a --lang cobol
expect 2 '--lang needs a value: LANGUAGE' "$dlab" new a --lang
expect 2 'takes no value' "$dlab" new a --add=1
holds 'nothing was made' test ! -e a
expect 0 'cd py' "$dlab" new py
for language in python c go; do
	expect 0 'dlab test' "$dlab" new "in-$language" --lang "$language"
	holds "dlab.json of $language is JSON" python3 -m json.tool "in-$language/dlab.json"
	holds "README of $language" grep -q 'dlab guide' "in-$language/README.md"
	holds "ignored files of $language" grep -qx '/.dlab/' "in-$language/.gitignore"
	holds "no module in a lab of $language" bash -c "! ls in-$language/*/go.mod"
done
holds 'the SDK of python' cmp py/dlab.py "$here/core/sdk/python/dlab.py"
holds 'the SDK of c' cmp in-c/dlab.h "$here/core/sdk/c/dlab.h"
holds 'the SDK of go' cmp in-go/dlab.go "$here/core/sdk/go/dlab.go"
for start in "$here"/stages/*/*/start/python; do
	lab=$(basename "$(dirname "$(dirname "$start")")")
	"$dlab" list "$lab" >/dev/null 2>&1 || continue
	holds "the starter of $lab is copied" diff -r -x __pycache__ "$start" "py/$lab"
	holds "$lab is in dlab.json" grep -q "\"$lab\"" py/dlab.json
done
holds 'C builds' make -s -C in-c CFLAGS='-Wall -Wextra -Werror'
holds 'Go builds without a network' env GOFLAGS=-mod=mod GOPROXY=off bash -c 'cd in-go && go build -o bin/ ./...'
expect 2 'py is not empty' "$dlab" new py
expect 0 'Nothing to add' "$dlab" new py --add
mkdir empty
expect 0 'Made a workspace' "$dlab" new empty/
touch full
expect 3 'cannot read the folder full: Not a directory' "$dlab" new full
expect 0 "cd 'a b'" "$dlab" new 'a b'
expect 0 'Made a workspace' "$dlab" new deep/er/still
expect 3 'cannot make the folder /proc/no' "$dlab" new /proc/no
expect 2 'no workspace' "$dlab" new nowhere --add
# --add: what is there stays, what is missing comes, what the learner wrote in dlab.json stays
echo 'mine' > py/sockets/sockets.py
rm -rf py/dlab.py
python3 - py/dlab.json <<'P'
import json, sys
doc = json.load(open(sys.argv[1]))
doc["labs"]["sockets"]["run"] = ["my", "own"]
doc["note"] = "keep me"
json.dump(doc, open(sys.argv[1], "w"))
P
expect 0 'Nothing to add' "$dlab" new --add py
holds 'an own file stays' grep -qx mine py/sockets/sockets.py
holds 'a missing SDK comes back' test -s py/dlab.py
rm -rf in-c/sockets
expect 0 'Added 1 lab in C' "$dlab" new in-c --add
holds 'a missing lab comes back' test -s in-c/sockets/sockets.c
rm -rf py/sockets
expect 0 'Added 1 lab in Go' "$dlab" new py --add --lang go
holds 'own words in dlab.json stay' grep -q '"run": *\["my", *"own"\]' py/dlab.json
holds 'own members in dlab.json stay' grep -q 'keep me' py/dlab.json
echo '{"language": "ada", "labs": {}}' > in-go/dlab.json
expect 2 '"language": "ada", for which there are no starters' "$dlab" new --add in-go
echo '{' > in-go/dlab.json
expect 2 'in-go/dlab.json: line 2, column 0' "$dlab" new --add in-go
expect 3 'set DLAB_HOME' env DLAB_HOME=/nonexistent "$dlab" new other
holds 'a failed one left nothing behind' test ! -e other/dlab.json

# --- list, progress ---
section
expect 0 'Stage 1: foundations' "$dlab" list
holds 'looking makes no folder' test ! -e .dlab
expect 0 '^  echo .* 0/100 ' "$dlab" list
expect 0 'one-node|one ' "$dlab" list echo
expect 2 'no lab "ehco"; did you mean echo' "$dlab" list ehco
expect 2 'one lab at most' "$dlab" list echo sockets
expect 2 'did you mean --json' "$dlab" list --jsn
holds 'JSON of all labs' bash -c '"$0" list --json | python3 -c "
import json, sys
labs = json.load(sys.stdin)[\"labs\"]
assert [l for l in labs if l[\"id\"] == \"sockets\"][0][\"kind\"] == \"sockets\"
assert all(sum(t[\"points\"] for t in l[\"tests\"]) == l[\"points\"] == 100 for l in labs), labs
assert all(l[\"earned\"] == 0 for l in labs)"' "$dlab"
mkdir echo
cat > echo/wrong.py <<'P'
import json, sys
for line in sys.stdin:
    m = json.loads(line)
    kind = m["body"]["type"]
    body = {"type": kind + "_ok", "in_reply_to": m["body"].get("msg_id")}
    if kind == "echo":
        body["echo"] = "no"
    if kind in ("init", "echo"):
        print(json.dumps({"src": m["dest"], "dest": m["src"], "body": body}))
    print(json.dumps({"dest": "dlab", "body": {"type": "done"}}), flush=True)
P
echo '{"labs": {"echo": {"run": ["python3", "echo/wrong.py"]}}}' > dlab.json
expect 1 'failed|FAILED|0 of 1' "$dlab" test echo -t one
expect 0 'one .*last: failed: ' "$dlab" list echo
echo "{\"labs\": {\"echo\": {\"run\": [\"python3\", \"$here/solutions/echo/python/echo.py\"]}}}" > dlab.json
expect 0 '1 of 1' "$dlab" test echo -t one
expect 0 'one .*last: passed' "$dlab" list echo
expect 0 '^  echo .* 20/100 ' "$dlab" list
expect 0 '"earned": 20' "$dlab" list echo --json
echo 'garbage that is long enough to be read as a database, but is none' > .dlab/progress.db
expect 3 'progress.db is not dlab' "$dlab" list
expect 3 'progress.db is not dlab' "$dlab" list --json

# --- a dlab.json that is wrong, in many ways ---
section
while IFS=$'\t' read -r text pattern; do
	printf '%b' "$text" > dlab.json
	expect 2 "$box/w/dlab.json: .*$pattern|dlab.json: .*$pattern" "$dlab" list
	expect 2 "dlab.json: " "$dlab" test echo
done <<'T'
	line 1, column 0
{	line 1, column 1
[]	must be an object with a member "labs"
null	must be an object with a member "labs"
"labs"	must be an object with a member "labs"
{}	a member "labs"
{"labs": []}	a member "labs", which is an object
{"labs": 5}	a member "labs", which is an object
{"labs": {"echo": 5}}	labs.echo must be an object, such as
{"labs": {"echo": null}}	labs.echo must be an object
{"labs": {"echo": {}}}	labs.echo has no "run"
{"labs": {"echo": {"rnu": ["x"]}}}	labs.echo has no "run"
{"labs": {"echo": {"run": "python3 x"}}}	labs.echo.run must be a list of words, such as
{"labs": {"echo": {"run": []}}}	labs.echo.run must be a list of words
{"labs": {"echo": {"run": [1]}}}	labs.echo.run must be a list of words; number 1 is none
{"labs": {"echo": {"run": ["a", ["b"]]}}}	labs.echo.run must be a list of words; number 2 is none
{"labs": {"echo": {"run": [""]}}}	labs.echo.run must begin with a program
{"labs": {"echo": {"run": ["a"], "build": "make"}}}	labs.echo.build must be a list of words
{"labs": {"echo": {"run": ["a"], "build": []}}}	labs.echo.build must be a list of words
{"labs": {"echo": {"run": ["a"]}, "x y": {"run": ["a"]}}}	no name of a lab
{"labs": {"../x": {"run": ["a"]}}}	no name of a lab
{"labs": {"": {"run": ["a"]}}}	no name of a lab
{"labs": {"\\u001b[31m": {"run": ["a"]}}}	no name of a lab
{"labs": {"echo": {"run": ["a"]}}	line 1
{"labs": {"echo": {"run": ["a",]}}}	line 1, column
{"labs":\n{"echo":\n{"run": [oops]}}}	line 3, column
{"labs": {"echo": {"run": ["\\ud800"]}}}	line 1, column
\0377\0376	line 1
T
printf '{"labs": {"echo": {"run": ["a\\u0000b"]}}}' > dlab.json
expect 2 'dlab.json: line 1, column .*\\u0000' "$dlab" list
head -c 2000000 /dev/zero | tr '\0' ' ' > dlab.json
expect 2 'dlab.json: longer than' "$dlab" list
rm dlab.json; mkdir dlab.json
expect 2 'dlab.json: ' "$dlab" list
rmdir dlab.json; ln -s nowhere dlab.json
expect 0 'Stage 1' "$dlab" list
rm dlab.json
echo '{"labs": {"echo": {"run": ["no-such-program-here"]}}}' > dlab.json
expect 2 'no program "no-such-program-here" in PATH' "$dlab" test echo
expect 2 'dlab.json does not say how the node of sockets is started' "$dlab" test sockets
expect 2 'no lab "ecko"; did you mean echo' "$dlab" test ecko
expect 2 'no test "onne"; did you mean one' "$dlab" test echo -t onne -- true
expect 2 '--seeds takes a whole number from 1' "$dlab" test echo --seeds 0
expect 2 '--seeds takes a whole number' "$dlab" test echo --seeds 1x
expect 2 '--seed needs a value' "$dlab" test echo --seed

# --- hint, guide ---
section
expect 2 'say which lab' "$dlab" hint
expect 2 'did you mean sockets' "$dlab" hint socket one-line
expect 2 'no test "one-lin"; did you mean one-line' "$dlab" hint sockets one-lin
expect 2 '--level takes a whole number from 1 to 9' "$dlab" hint sockets one-line --level 0
expect 0 'hint 1 of 3' "$dlab" hint sockets one-line
expect 0 '^2 more' "$dlab" hint sockets two-in-one
expect 0 'hint 2 of 3' "$dlab" hint sockets one-line
expect 0 'hint 1 of 3' "$dlab" hint sockets one-line --level 1
expect 0 'hint 3 of 3' "$dlab" hint sockets one-line
expect 0 'That was the last one' "$dlab" hint sockets one-line
expect 0 'hint 2 of 3' "$dlab" hint sockets two-in-one
expect 0 'sockets / one-line' "$dlab" hint sockets
expect 2 'has 3 hints; there is no level 4' "$dlab" hint sockets one-line --level 4
for text in 'broken' '[]' '{"sockets": 5}' '{"sockets": {"one-line": "x"}}' '{"sockets": {"one-line": -7}}'; do
	echo "$text" > .dlab/hints.json
	expect 0 'hint 1 of 3' "$dlab" hint sockets one-line
done
echo '{"sockets": {"one-line": 99}, "echo": {"one": 2}}' > .dlab/hints.json
expect 0 'hint 3 of 3' "$dlab" hint sockets one-line
holds 'other labs are kept' grep -q '"echo"' .dlab/hints.json
for lab in $("$dlab" list --json | python3 -c 'import json,sys; [print(l["id"]) for l in json.load(sys.stdin)["labs"]]'); do
	[ -n "$(find "$here"/stages/*/"$lab" -name guide.md 2>/dev/null)" ] || continue
	expect 0 "$lab" "$dlab" guide "$lab"
	holds "guide of $lab: text lines fit into 80 columns" bash -c '! "$0" guide "$1" | grep -v "^ \{4\}" | grep -Ev "^.{0,80}$"' "$dlab" "$lab"
done
expect 0 '^# sockets' "$dlab" guide sockets
lacks "$(printf '\033')"
expect 0 '^\| `one-line`|^- \*\*one-line' "$dlab" guide sockets --raw
expect 2 'say which lab' "$dlab" guide
expect 2 'did you mean sockets' "$dlab" guide sokets
mkdir -p home/stages/01-foundations/sockets
expect 3 'cannot read .*guide.md' env DLAB_HOME="$PWD/home" "$dlab" guide sockets
expect 3 'there is no folder for echo' env DLAB_HOME="$PWD/home" "$dlab" guide echo
printf 'a\033[31mb \302\233c\001\n\n> q\n>> r\n\n1. x\n   - y\n\n     z\n\n```\n\033]0;t\007code\n```\n\n|a|b|\n|-|-:|\n|1|`2`|\n\n***\n&lt;&#7;\n' \
	> home/stages/01-foundations/sockets/guide.md
expect 0 '^a\[31mb c$' env DLAB_HOME="$PWD/home" "$dlab" guide sockets
lacks "$(printf '[\033\007\001]')"
: > home/stages/01-foundations/sockets/guide.md
holds 'an empty guide' env DLAB_HOME="$PWD/home" "$dlab" guide sockets
printf '## one-line\n1. first\ngoes on\n\n2. second\n# x\n3. none\n' > home/stages/01-foundations/sockets/hints.md
expect 0 'first goes on' env DLAB_HOME="$PWD/home" "$dlab" hint sockets one-line --level 1
expect 0 'hint 2 of 2' env DLAB_HOME="$PWD/home" "$dlab" hint sockets one-line --level 2
expect 2 'no hint for sockets / restart' env DLAB_HOME="$PWD/home" "$dlab" hint sockets restart

# --- doctor ---
section
expect 0 '^ok  /proc' "$dlab" doctor
expect 0 '^ok  TMPDIR' "$dlab" doctor
holds 'doctor leaves nothing behind' bash -c '[ -z "$(ls -A . "$TMPDIR")" ] || [ "$(ls -A . "$TMPDIR" | grep -vc :)" -le 1 ]'
expect 3 '^!!  TMPDIR' env TMPDIR=/nonexistent "$dlab" doctor
expect 3 '^!!  open files' bash -c 'ulimit -n 100; exec "$0" doctor' "$dlab"
expect 0 '^--  locale' env LC_ALL=C "$dlab" doctor
expect 2 'no arguments' "$dlab" doctor now
mkdir bin
ln -s "$(command -v sh)" bin/sh
expect 0 '^--  python3 +not found' env PATH="$PWD/bin" "$dlab" doctor
echo '{"language": "python", "labs": {}}' > dlab.json
expect 3 '^!!  python3 +not found; this workspace needs it' env PATH="$PWD/bin" "$dlab" doctor
printf '#!/bin/sh\necho Python 3.7.9\n' > bin/python3
chmod +x bin/python3
expect 3 '^!!  python3 +Python 3.7.9 is too old: 3.8' env PATH="$PWD/bin" "$dlab" doctor
expect 3 "^!!  dlab's files" env DLAB_HOME=/nonexistent "$dlab" doctor
if [ "$(id -u)" != 0 ]; then
	mkdir ro; chmod 555 ro; cd ro || exit 1
	expect 3 '^!!  .dlab' "$dlab" doctor
	cd ..; chmod 755 ro
fi

# --- without Docker ---
expect 0 '^--  docker +there is no Docker engine at /nowhere/docker.sock' "$dlab" doctor
expect 3 'there is no Docker engine at /nowhere/docker.sock' "$dlab" test echo --fabric docker -- true
expect 3 'there is no Docker engine at /nowhere/docker.sock' "$dlab" run --fabric docker -- true
expect 2 '--image is for --fabric docker' "$dlab" test echo --image x -- true
expect 2 '--image is for --fabric docker' "$dlab" run --image x -- true
expect 3 'there is no Docker engine at /nowhere/docker.sock' "$dlab" test sockets --fabric docker -- true
rm -rf .dlab

# --- clean ---
section
expect 0 'Nothing to clean' "$dlab" clean
expect 2 'no arguments' "$dlab" clean everything
mkdir -p .dlab/runs keep/.dlab/runs
touch .dlab/runs/a.db .dlab/runs/a.db-wal .dlab/runs/notes.txt keep/.dlab/runs/b.db .dlab/progress.db .dlab/hints.json
ln -s "$PWD/keep/.dlab/runs/b.db" .dlab/runs/link.db
mkdir "$TMPDIR/dlab-AbCd12" "$TMPDIR/dlab-inuse1" "$TMPDIR/dlab-cwdcwd" "$TMPDIR/dlab-toolong" "$TMPDIR/other"
mkdir "$TMPDIR/dlab-AbCd12/n1"; echo data > "$TMPDIR/dlab-AbCd12/n1/f"
touch "$TMPDIR/dlab-afile1"
ln -s "$PWD/keep" "$TMPDIR/dlab-alink1"
exec 9< "$TMPDIR/dlab-inuse1"
flock -s 9
coproc SITS { cd "$TMPDIR/dlab-cwdcwd" && echo there && read -r _; }
sits=$SITS_PID
read -r -t 10 _ <&"${SITS[0]}"
expect 0 'Would remove 3 run files' "$dlab" clean --dry-run
expect 0 'Would remove 1 left-over folder' "$dlab" clean --dry-run
holds 'dry: nothing is gone' test -e .dlab/runs/a.db -a -d "$TMPDIR/dlab-AbCd12"
expect 0 'Removed 3 run files' "$dlab" clean
holds 'runs are gone' test ! -e .dlab/runs/a.db -a ! -e .dlab/runs/a.db-wal -a ! -L .dlab/runs/link.db
holds 'what a link names stays' test -e keep/.dlab/runs/b.db
holds 'what is no run stays' test -e .dlab/runs/notes.txt -a -e .dlab/progress.db
holds 'the left-over folder is gone' test ! -e "$TMPDIR/dlab-AbCd12"
holds 'a locked folder stays' test -d "$TMPDIR/dlab-inuse1"
holds 'a folder that someone stands in stays' test -d "$TMPDIR/dlab-cwdcwd"
holds 'other things stay' test -d "$TMPDIR/dlab-toolong" -a -d "$TMPDIR/other" -a -e "$TMPDIR/dlab-afile1" -a -d "$TMPDIR/dlab-alink1"
exec 9<&-
echo >&"${SITS[1]}"
wait "$sits" 2>/dev/null
expect 0 'Removed 2 left-over folders' "$dlab" clean
expect 0 'Removed 2 files of your progress|Removed 2 file of your progress' "$dlab" clean --all
holds 'the progress is gone' test ! -e .dlab/progress.db -a ! -e .dlab/hints.json
# a run that is under way keeps its folder: the node asks dlab to clean in the middle of it
cat > node.py <<'P'
import subprocess, sys
subprocess.run([sys.argv[1], "clean"], stdout=open(sys.argv[2], "w"), check=True)
exec(open(sys.argv[3]).read(), {"__file__": sys.argv[3], "__name__": "__main__"})
P
expect 0 '1 of 1' "$dlab" test echo -t one -- python3 "$PWD/node.py" "$dlab" "$PWD/said" "$here/solutions/echo/python/echo.py"
holds 'clean left the folder of a living run alone' bash -c '! grep -q left-over said'
holds 'and the run took it away itself' bash -c '[ -z "$(ls -d "$TMPDIR"/dlab-?????? 2>/dev/null | grep -v -e afile1 -e alink1)" ]'

# --- new-lab: in a copy of the tree ---
section
expect 2 'say the id' "$dlab" new-lab
expect 2 'say the stage' "$dlab" new-lab thing
expect 2 '--stage takes a whole number from 1 to 9' "$dlab" new-lab thing --stage 10
for id in X Upper a -- a_b 'a b' a- 1a a--b "$(printf 'a%.0s' {1..31})" ../x; do
	expect 2 'an id is 2 to 30|say the id|no option' "$dlab" new-lab "$id" --stage 1
done
expect 2 'there is a lab echo already' "$dlab" new-lab echo --stage 1
expect 2 'plain text' "$dlab" new-lab thing --stage 1 --title 'a "b"'
mkdir -p home/stages
expect 2 "is not dlab's source tree" env DLAB_HOME="$PWD/home" "$dlab" new-lab thing --stage 1
mkdir tree
cp -R "$here/core" "$here/labs" "$here/stages" "$here/Makefile" tree/
expect 0 'solutions/one-thing/python/one-thing.py' env DLAB_HOME="$PWD/tree" "$dlab" new-lab one-thing --stage 3 --title 'a thing'
holds 'the stage has its folder' test -d tree/stages/03-partition-replication/one-thing
holds 'no mark of the template is left' bash -c '! grep -rE "@[A-Z_]+@" tree/labs/one-thing.c tree/stages/03-*/one-thing tree/solutions tree/tests'
expect 2 'one-thing.c is there already' env DLAB_HOME="$PWD/tree" "$dlab" new-lab one-thing --stage 3
holds 'the judge compiles without a warning' cc -std=c11 -D_GNU_SOURCE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror \
	-Itree/core -c tree/labs/one-thing.c -o judge.o

# --- completion and man ---
section
expect 2 'bash or zsh' "$dlab" completion
expect 2 'not for "fish"' "$dlab" completion fish
"$dlab" completion bash > complete.bash
"$dlab" completion zsh > complete.zsh
holds 'bash reads its script' bash -n complete.bash
complete() { # complete WORD...: what bash offers for the last word
	output=$(bash -c 'source complete.bash; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _dlab; printf "%s\n" "${COMPREPLY[@]}"' - "$@" 2>&1 |
		tr '\n' ' ')
}
offers() { # offers PATTERN WORD...
	local pattern=$1 why=''
	shift
	complete "$@"
	printf '%s\n' "$output" | grep -Eq -e "$pattern" || why="offers: $output"
	verdict "completion of: $*" "$why"
}
mkdir -p .dlab/runs sub
touch .dlab/runs/echo.one.sim.1.db 'sub/a file'
offers '^list ?$' dlab li
offers 'test .*new-lab' dlab ''
offers 'echo .*sockets' dlab test ''
offers '^--seed --seeds $' dlab test --see
offers 'sim proc' dlab test echo --fabric ''
offers 'proc' dlab test echo --fabric = p
offers 'one three-nodes' dlab test echo -t ''
offers '^two-in-one $' dlab hint sockets two
offers '^ ?$' dlab test -t ''
offers 'python c go' dlab new x --lang ''
offers 'list .*test' dlab help ''
offers 'bash zsh' dlab completion ''
offers 'sub' dlab test echo -- su
offers 'a file' dlab test echo --json 'sub/a'
if command -v zsh >/dev/null; then
	holds 'zsh reads its script' zsh -n complete.zsh
	holds 'zsh can load it' zsh -f -c 'autoload -Uz compinit && compinit -u -D && source ./complete.zsh && [[ $_comps[dlab] == _dlab ]]'
fi
"$dlab" man > dlab.1
holds 'the man page names every command' bash -c 'for c in $("$0" help | awk "/^  [a-z]/{print \$1}"); do grep -qF "dlab ${c//-/\\-}" dlab.1 || { echo $c; exit 1; }; done' "$dlab"
if command -v groff >/dev/null; then
	holds 'groff has no complaint about the man page' bash -c '[ -z "$(groff -ww -man -Tutf8 dlab.1 2>&1 >/dev/null)" ]'
fi

# --- install ---
if [ "$dlab" = "$here/build/dlab" ]; then
	section
	holds 'make install' make -s -C "$here" install DESTDIR="$box/dest" PREFIX=/usr
	installed=$box/dest/usr/bin/dlab
	expect 0 '^ok  dlab.s files +.*/dest/usr/share/dlab$' "$installed" doctor
	expect 0 'Made a workspace' "$installed" new w
	expect 0 '# sockets' "$installed" guide sockets
	holds 'the man page is there' test -s "$box/dest/usr/share/man/man1/dlab.1"
	expect 2 "is not dlab's source tree" "$installed" new-lab thing --stage 1
	holds 'make uninstall' make -s -C "$here" uninstall DESTDIR="$box/dest" PREFIX=/usr
	holds 'nothing is left' bash -c '[ -z "$(find "$0" -type f)" ]' "$box/dest"
fi

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
