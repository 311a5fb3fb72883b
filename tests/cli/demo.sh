#!/usr/bin/env bash
# Every demo, as lines, on sim: it must come to its end whatever the seed; and the speaker's notes.
#   DEMO_SEEDS=N tests/cli/demo.sh [BUILD]     Ends with "N passed, N failed".
source "$(dirname "$0")/tally.bash"
dlab="$build/dlab"

for demo in $("$dlab" demo | awk '/^  [a-z]/ { print $1 }'); do
	for ((seed = 1; seed <= ${DEMO_SEEDS:-1}; seed++)); do
		timeout 120 "$dlab" demo "$demo" --plain --seed "$seed" > out 2> errors < /dev/null
		ok "$demo, seed $seed, ends well" [ $? = 0 ] || tail -n 12 out errors
		ok "$demo, seed $seed, says so" has 'The end.'
		ok "$demo, seed $seed, leaves no name open" bash -c "! grep -E '^[0-9]+ of|^>' out | grep -q '[$]'"
	done
	"$dlab" demo --notes "$demo" > notes 2> errors
	ok "$demo has a note for each step" [ "$(grep -cE '^[0-9]+\. ' notes)" = "$(grep -cE '^   .' notes)" ]
done
"$dlab" demo --plain split-brain > out 2>&1 < /dev/null
ok "two leaders" has 'Two leaders:'
ok "only one of the two requests is committed" bash -c '! grep -q "apply.*banana" out && grep -q "apply.*cherry" out'
"$dlab" demo --plain figure-8 > out 2>&1 < /dev/null
ok "figure 8: the wrong node applies x and then y at the same index" bash -c \
	'[ "$(grep -E "apply .*command=\"[xy]\"" out | grep -oE "index=[0-9]+" | sort -u | wc -l)" = 1 ] && grep -q "apply.*\"x\"" out && grep -q "apply.*\"y\"" out'
"$dlab" demo --plain figure-8-right > out 2>&1 < /dev/null
ok "figure 8: the right node never applies x" bash -c '! grep -q "apply.*\"x\"" out && grep -q "apply.*\"y\"" out'
# looked PID N: the demo has looked at the file N more times, or is over; each look ends with a wait
looked() {
	local waits until=
	while waits=$(awk '$1 == "State:" && $2 == "Z" { exit } /^voluntary/ { print $2 }' "/proc/$1/status") && [ -n "$waits" ]; do
		until=${until:-$((waits + $2))}
		[ "$waits" -lt "$until" ] || return
	done
} 2> /dev/null
# held PID: stops the run behind a demo a few times, as a busy machine would
held() {
	local run
	until read -r run _ < "/proc/$1/task/$1/children"; do kill -0 "$1" || return; done 2> /dev/null
	for _ in 1 2 3; do kill -STOP "$run"; looked "$1" 200; kill -CONT "$run"; looked "$1" 50; done 2> /dev/null
}
"$dlab" demo --plain figure-8-right --seed 3 > free < /dev/null
"$dlab" demo --plain figure-8-right --seed 3 > out < /dev/null &
held $!
ok "a scene that was held up ends well" wait $!
ok "and is the same scene" cmp free out
"$dlab" demo --plain nosuch > out 2> errors; ok "no such demo" has 'there is no demo "nosuch"' errors
"$dlab" demo --notes > out 2> errors; ok "no demo runs" has 'no demo runs'
ok "no node is left" bash -c "$(declare -f nodes_here); work='$work'; ! nodes_here"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
