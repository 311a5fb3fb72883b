#!/usr/bin/env bash
# replay, shrink and run, from outside. Builds a dlab that also has the test lab "tally".
#   tests/cli/replay.sh [BUILD]     GOLDEN=write: rewrites tests/golden/
# CC, TEST_CFLAGS (sanitizers) as in the build. Ends with "N passed, N failed".
source "$(dirname "$0")/tally.bash"

d() { # EXPECTED-STATUS ARGUMENTS...: output in out, errors in errors
	local expected=$1 status
	shift
	./dlab "$@" > out 2> errors < "${INPUT:-/dev/null}"
	status=$?
	ok "status of dlab $* is $expected, not $status" [ $status = "$expected" ]
}
nobody() { ! pgrep -fx "$python $node retry" > /dev/null; }
events() { ./dlab replay "$1" --raw | wc -l; }
golden() { # NAME: `out` without what differs from machine to machine
	sed -e '/^    repeat /,$d' -e 's/ *$//' out > "$1"
	[ "${GOLDEN:-}" = write ] && cp "$1" "$root/tests/golden/$1"
	ok "golden $1" diff -u "$root/tests/golden/$1" "$1"
}

# --- a run to look at ---
d 0 test tally -t cut --seed 3 -- "$python" "$node" retry
d 0 replay tally/cut
golden replay-cut.txt
ok "a delivered message" has '├────────┼───────▶│'
ok "no line is wider than 80" python3 -c 'import sys; sys.exit(any(len(l) > 80 for l in open("replay-cut.txt", encoding="utf-8").read().split("\n")))'
ok "the repeat command" has "repeat    dlab test tally -t cut --fabric sim --seed 3 -- $python"
./dlab replay > newest; ok "no RUN is the newest" cmp -s newest out
./dlab replay tally > newest; ok "LAB is the newest of it" cmp -s newest out
./dlab replay .dlab/runs/tally.cut.sim.3.db > newest; ok "a path" cmp -s <(sed '/again/d' newest) <(sed '/again/d' out)
LC_ALL=C ./dlab replay tally/cut > out
golden replay-cut-ascii.txt
ok "ASCII alone" bash -c '! LC_ALL=C grep -qP "[^\x00-\x7f]" replay-cut-ascii.txt'
d 0 replay tally/cut --width 50
ok "a narrow terminal" has 'n1   > n2   tell'
d 0 replay tally/cut --width 200
ok "a wide terminal shows whole bodies" has 'node_ids=["n1","n2","n3"]'
d 0 replay tally/cut --type tell
ok "--type: only these messages" hasnt ' told '
ok "--type: bars stay" has 'cut n3 > n1'
d 0 replay tally/cut --not-type tell --not-type timer
ok "--not-type" hasnt ' tell '
ok "--not-type by kind" hasnt 'timer again'
d 0 replay tally/cut --node n2 --to 0.001
ok "--node" hasnt 'node_id="n1"'
d 0 replay tally/cut --from 3
ok "--from" hasnt 'tell value'
d 0 replay tally/cut --around 50 --rows 2
ok "--around" [ "$(grep -c '^.\? *[0-9]* *[0-9]\.[0-9]* ' out)" = 5 ]
d 0 replay tally/cut --all
ok "--all shows where a message leaves" has 'sends n3 tell'
d 2 replay tally/cut --node n9
ok "--node of nobody" has 'nobody in this run is called "n9"' errors
d 2 replay tally/cut --from x
d 2 replay tally/nosuch
d 2 replay tally/cut extra
d 0 replay tally/cut --json
ok "--json: every line is an object" python3 -c 'import json; [json.loads(l)["seq"] for l in open("out")]'
ok "--json and --raw have every event" [ "$(wc -l < out)" = "$(events tally/cut)" ]
d 0 replay --again tally/cut
ok "--again: the same" has 'the same run again'
./dlab replay tally/cut --all 2> errors | head -1 > out; status=${PIPESTATUS[0]}
ok "a reader that goes away is no error" [ "$status" = 0 ]
ok "and nothing is said of it" [ ! -s errors ]

# --- a failure ---
d 1 test tally -t faults -- "$python" "$node" once
d 0 replay tally/faults --evidence
ok "--evidence shows what the verdict rests on" has '»'
ok "the verdict in full" has 'expected  '
ok "a lost message" bash -c './dlab replay tally/faults | grep -q "╌✗│.*lost: "'
before=$(events tally/faults)
d 0 shrink .dlab/runs/tally.faults.sim.1.db -j 2
cp out shrunk
ok "shrink: two remain" grep -q '^2 of [0-9]* operations and faults' out
ok "shrink: 1 operation" [ "$(grep -c ' add value=' out)" = 1 ]
ok "shrink: its place in time" grep -q '^ *[0-9.]* s  c[0-9] -> n[0-9]  add value=' out
ok "shrink: a small run" [ "$(events .dlab/runs/tally.faults.sim.1.small.db)" -lt $((before / 10)) ]
d 0 replay --again .dlab/runs/tally.faults.sim.1.small.db
ok "the small run again" has 'the same run again'
repeat=$(sed -n 's/^    repeat    dlab //p' shrunk)
./dlab $repeat > out 2> errors
ok "the printed command fails" [ $? = 1 ]
ok "by the same rule" has 'every node has every number'
ok "and says how to repeat it" has ' --skip '
./dlab replay --raw tally/faults > one; ./dlab replay --raw .dlab/runs/tally.faults.sim.1.small.db > two
ok "it is the small run" cmp -s one two
d 0 shrink .dlab/runs/tally.faults.sim.1.db
ok "one worker finds the same" cmp -s <(grep -v 'runs\|look' out) <(grep -v 'runs\|look' shrunk)
ok "the file of the large run is as it was" [ "$(events .dlab/runs/tally.faults.sim.1.db)" = "$before" ]
d 1 shrink .dlab/runs/tally.faults.sim.1.db -- "$python" "$node" retry
ok "shrink: it does not fail any more" has 'does not fail any more' errors
d 1 shrink tally/cut
ok "shrink: it did not fail" has 'did not fail' errors
d 2 test tally -t cut --skip 1,x -- "$python" "$node" retry
d 2 test tally --skip 1 -- "$python" "$node" retry
d 2 test tally -t cut --skip 1 --fabric proc -- "$python" "$node" retry

# --- a node that does not repeat itself ---
d 0 test tally -t calm -- "$python" "$node" clock
d 1 replay --again tally/calm
ok "the first event that differs" has 'is the first that differs'
ok "whose it is" grep -q "differs, n[123]'s" out

# --- proc ---
d 0 test tally -t calm --fabric proc -- "$python" "$node" retry
d 1 shrink tally/calm
ok "shrink: not from sim" has 'this run was on proc' errors
d 2 replay --again tally/calm

# --- files of strangers ---
mkdir elsewhere && cp .dlab/runs/tally.cut.sim.3.db elsewhere/x.db
d 2 replay --again elsewhere/x.db
ok "the command of a stranger is not started" has 'give the command yourself' errors
d 0 replay --again elsewhere/x.db -- "$python" "$node" retry
d 0 replay elsewhere/x.db
echo "no database" > elsewhere/bad.db
d 3 replay elsewhere/bad.db
head -c 6000 .dlab/runs/tally.cut.sim.3.db > elsewhere/cut.db
d 3 replay elsewhere/cut.db
python3 - <<'PYTHON'
import shutil, sqlite3
shutil.copy("elsewhere/x.db", "elsewhere/evil.db")
db = sqlite3.connect("elsewhere/evil.db")
evil = "\x1b[2J\x9b31m\u202eevil\nline\r"
db.execute("UPDATE events SET text = ? WHERE seq > 20 AND text != ''", (evil,))
for key in ("title", "rule", "seen", "expected", "hint", "source", "lab", "test", "fabric", "seed", "command", "skip", "verdict"):
    db.execute("UPDATE meta SET value = ? WHERE key = ?", (evil, key))
db.execute("UPDATE types SET name = ? WHERE name = 'tell'", (evil,))
db.commit()
shutil.copy("elsewhere/x.db", "elsewhere/running.db")
db = sqlite3.connect("elsewhere/running.db")
db.execute("UPDATE meta SET value = 'running' WHERE key = 'state'")
db.execute("DELETE FROM meta WHERE key IN ('verdict', 'rule', 'events', 'trace_hash')")
db.execute("DELETE FROM events WHERE seq > 60")
db.execute("DELETE FROM ops")
db.commit()
PYTHON
harmless() { ! LC_ALL=C grep -qP '[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\x8b\x8e\x8f\xa8-\xae]' "$@"; }
for how in "" --raw --json --all --evidence "--width 50"; do
	# shellcheck disable=SC2086
	d 0 replay elsewhere/evil.db $how
	ok "harmless: $how" harmless out
done
d 2 replay --again elsewhere/evil.db
ok "harmless: --again" harmless errors
d 1 shrink elsewhere/evil.db
ok "harmless: shrink" harmless errors
d 0 replay elsewhere/running.db
ok "a run that was killed" has 'not finished'
d 0 replay --again elsewhere/running.db -- "$python" "$node" retry
ok "as far as it goes" has 'as far as the file goes'

# --- free play ---
cat > script <<'SCRIPT'
# a remark
n1 add value=7
go 200
n2 {"type":"read"}
cut n1 | n2 n3
n1 add value=8
go 400
n3 read
state
heal
go 600
n3 read
n1 shout
kill n2
n2 read
start n2
n2 read
pause n3
resume n3
n3 nosuch x="a b" y={"z": [1, 2]} word=plain
SCRIPT
for fabric in sim proc; do
	INPUT=script d 0 run -f $fabric -n 3 --latency 5 -- "$python" "$node" retry
	ok "$fabric: the answer" has 'read_ok values=[7]'
	ok "$fabric: a cut" has 'lost: cut'
	ok "$fabric: after the heal" has 'read_ok values=[7, 8]'
	ok "$fabric: state" grep -q 'n1 *up *state numbers=2 role="teller"' out
	ok "$fabric: a dead node is not asked" has 'n2 is down'
	ok "$fabric: a node that was started again" has 'read_ok values=[]'
	ok "$fabric: values of the short form" has 'nosuch x="a b" y={"z":[1,2]} word="plain"'
	ok "$fabric: no answer" has 'no answer from n3'
	ok "$fabric: harmless" harmless out
	ok "$fabric: stored" bash -c './dlab replay free | grep -q "free/play"'
	ok "$fabric: nobody is left" nobody
done
d 2 replay --again free
printf 'step 2\nn0 add value=1\nstep 1\nstep 1000\n' > script
INPUT=script d 0 run -f sim --count-from 0 -n 2 -- "$python" "$node" once
ok "n0" has 'n0   > n1   tell value=1'
printf 'nosuch\nn1\nn1 {"a":1}\nn1 {bad\nn1 a b\ngo x\nstep x\ncut n1 >\nn9 read\nn1 {"type":"read","msg_id":1}' > script
INPUT=script d 2 run -f sim -n 2 -- "$python" "$node" once
ok "nine complaints" [ "$(grep -c '^dlab run: ' errors)" = 9 ]
ok "and an answer" has 'read_ok'
d 1 run -- false
ok "a node that ends at once" has 'exited with status 1' errors
d 2 run
d 2 run -f nosuch -- cat
d 2 run -- nosuchprogram

# Ctrl-C: it ends in order, and leaves nobody.
mkfifo in
for fabric in sim proc; do
	./dlab run -f $fabric -- "$python" "$node" retry < in > out 2> errors &
	pid=$! began=$SECONDS
	exec 9> in
	printf 'n1 add value=1\n' >&9
	until has add_ok || [ $((SECONDS - began)) -gt 30 ]; do :; done
	kill -INT $pid
	wait $pid
	ok "$fabric: Ctrl-C ends it in order" [ $? = 0 ]
	ok "$fabric: Ctrl-C: the run is stored" has 'look at them again'
	ok "$fabric: Ctrl-C leaves nobody" nobody
	exec 9>&-
done

ok "no folder of a node is left" [ -z "$(ls tmp)" ]

echo "$passed passed, $failed failed"
[ $failed = 0 ]
