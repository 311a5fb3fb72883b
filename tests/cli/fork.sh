#!/usr/bin/env bash
# Forks: a run on sim is repeated up to a time, event by event, and then goes on otherwise. Ends with "N passed, N failed".
#   tests/cli/fork.sh [BUILD]
source "$(dirname "$0")/tally.bash"

raw() { ./dlab replay --raw "$1"; }
# The events of FILE up to its first remark of what was typed that ORIGINAL does not have are those of ORIGINAL.
same_until() { # ORIGINAL FORK EVENTS: at least so many
	raw "$1" > original
	raw "$2" > fork
	local n
	n=$(diff --unchanged-line-format='' --old-line-format='' --new-line-format='%dn
' original fork | head -1)
	n=$((${n:-$(($(wc -l < fork) + 1))} - 1))
	[ "$n" -ge "$3" ] || { echo "only $n events are the same"; return 1; }
	cmp -s <(head -"$n" original) <(head -"$n" fork)
}
until_s() { awk -v s="$2" '$2 / 1000 <= s' <(raw "$1") | wc -l; }

# --- of a test ---
./dlab test tally -t cut --seed 3 -- "$python" "$node" retry > /dev/null
run=.dlab/runs/tally.cut.sim.3.db
for at in 0 0.0015 0.02 0.1 1; do
	echo 'kill n2' | ./dlab run --from "$run" --at $at --store fork.db > out 2> errors
	ok "fork at $at: status" [ $? = 0 ]
	ok "fork at $at: the same up to there" same_until "$run" fork.db "$(until_s "$run" $at)"
	ok "fork at $at: and then the fault" grep -q 'kill n2' fork
	ok "fork at $at: no verdict" bash -c '! grep -q verdict fork'
done
./dlab run --from "$run" --store fork.db > out 2>&1 < /dev/null
ok "without --at: to its end" same_until "$run" fork.db "$(($(raw "$run" | wc -l) - 1))"

# --- of a test that fails: what comes after can be seen ---
./dlab test tally -t cut --seed 4 -- "$python" "$node" > /dev/null
failing=$(ls -t .dlab/runs/*.db | head -1)
echo 'go 500' | ./dlab run --from "$failing" --store fork.db > out 2>&1
ok "a failing run goes on" same_until "$failing" fork.db 5

# --- of free play ---
printf 'n1 add value=3\ncut n1 | n2,n3\ngo 50\nsend n2 add value=4\ngo 100\nheal\ngo 300\nkill n3\ngo 20\n' |
	./dlab run --fabric sim --seed 9 --latency 7 --store .dlab/runs/free.one.db -- "$python" "$node" retry > out 2> errors
ok "free play" [ $? = 0 ]
for at in 0.001 0.04 0.12 0.3 0.47; do
	./dlab run --from free/one --at $at --store .dlab/runs/free.two.db > out 2> errors < /dev/null
	ok "free play, at $at: the same up to there" same_until .dlab/runs/free.one.db .dlab/runs/free.two.db "$(until_s .dlab/runs/free.one.db $at)"
	ok "free play, at $at: and no further" [ "$(wc -l < fork)" -le "$(wc -l < original)" ]
done

# --- a fork of a fork ---
printf 'cut n1 > n2\ngo 40\nkill n3\ngo 40\n' | ./dlab run --from "$run" --at 0.02 --store .dlab/runs/free.three.db > out 2>&1
./dlab run --from .dlab/runs/free.three.db --at 0.05 --store fork.db > out 2>&1 < /dev/null
ok "a fork of a fork repeats what was typed" same_until .dlab/runs/free.three.db fork.db "$(until_s .dlab/runs/free.three.db 0.05)"

ok "the cut is in it" grep -q 'cut n1 > n2' fork
ok "the kill, which came later, is not" bash -c '! grep -q "kill n3" fork'

# --- what cannot be forked ---
cp "$run" stranger.db
./dlab run --from stranger.db > out 2> errors < /dev/null
ok "a stranger's command is not started" [ $? = 2 ]
ok "and that is said" has 'not in this workspace' errors
cp .dlab/runs/free.one.db far.db
python3 - <<'EOF'
import sqlite3
db = sqlite3.connect("far.db")
db.execute("UPDATE meta SET value = '9223372036854775807' WHERE key = 'latency_ns'")
db.commit()
EOF
./dlab run --from far.db --at 0.05 --store fork.db -- "$python" "$node" retry > out 2> errors < /dev/null
ok "an absurd latency in a stranger's file is no crash" [ $? -le 2 ]
./dlab test tally -t cut --fabric proc -- "$python" "$node" retry > /dev/null
./dlab run --from tally/cut > out 2> errors < /dev/null
ok "real time never repeats" has 'only a run on sim can be forked' errors
./dlab run --at 3 -- x > out 2> errors < /dev/null
ok "--at alone" has '--at is for --from' errors
ok "no folder of a node is left" [ -z "$(ls tmp)" ]

# --- a file that is read while it is written ---
mkfifo in says
exec 4<> says
./dlab run --fabric sim --store live.db -- "$python" "$node" retry < in > says 2>&1 &
exec 3> in
read -rt 10 -u 4 _ # its first row: the file is there
echo 'n1 add value=5' >&3
ok "events are there while it runs" grep -m1 -q add_ok < <(exec timeout 10 ./dlab open --plain live.db 3>&-)
cp live.db .dlab/runs/free.copy.db 2> /dev/null
ln live.db .dlab/runs/free.live.db # the same file, where clean looks
./dlab clean > cleaned 2>&1
ok "clean leaves it alone while it is written" [ -e .dlab/runs/free.live.db ]
ok "and removes one that is not" [ ! -e .dlab/runs/free.copy.db ]
exec 3>&-
wait
ok "and it is finished when its input ends" bash -c "./dlab export live.db --as json > json 2> errors && ! grep -q running errors"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
