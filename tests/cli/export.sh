#!/usr/bin/env bash
# export, from outside. Builds a dlab that also has the test lab "tally".
#   tests/cli/export.sh [BUILD]
# CC, TEST_CFLAGS (sanitizers) as in the build. Ends with "N passed, N failed".
source "$(dirname "$0")/tally.bash"

d() { # EXPECTED-STATUS ARGUMENTS...: output in out, errors in errors
	local expected=$1 status
	shift
	./dlab "$@" > out 2> errors < /dev/null
	status=$?
	ok "status of dlab $* is $expected, not $status" [ $status = "$expected" ]
	ok "no sanitizer speaks: $*" hasnt 'runtime error' errors
}
checked() { python3 "$root/tests/check_export.py" "$@"; } # FORMAT FILE WORDS...
same() { # NAME FILE LINES: so many lines of FILE hold NAME
	ok "$1: $3 lines of $2" [ "$(grep -c -- "$1" "$2")" = "$3" ]
}

# --- runs to look at ---
d 0 test tally -t cut --seed 3 -- "$python" "$node" retry
d 1 test tally -t faults -- "$python" "$node" once
# The same run from a stranger, whose text is as bad as can be.
mkdir elsewhere && cp .dlab/runs/tally.faults.sim.1.db elsewhere/x.db
python3 "$root/tests/evil_run.py" elsewhere/x.db elsewhere/evil.db
runs=".dlab/runs/tally.cut.sim.3.db .dlab/runs/tally.faults.sim.1.db elsewhere/evil.db"

# --- the command ---
d 2 export tally/cut
ok "no form" has '--as json' errors
d 2 export tally/cut --as xml
ok "an unknown form" has 'there is no format "xml"; there are json' errors
d 2 export tally/nosuch --as json
d 2 export tally/cut extra --as json
d 2 export tally/cut --as json --from x
d 2 export tally/cut --as json --most 0
d 2 export tally/cut --as json --node n9
ok "--node of nobody" has 'nobody in this run is called "n9"' errors
echo "no database" > elsewhere/bad.db
d 3 export elsewhere/bad.db --as json
d 3 export tally/cut --as json -o nosuch/file
ok "says where it cannot write" has 'cannot write nosuch/file' errors
d 0 export tally/cut --as json
cp out whole
d 0 export tally/cut --as json -o file
ok "-o writes the same" cmp -s file whole
ok "and nothing to stdout" [ ! -s out ]
ok "and leaves nothing beside it" [ ! -e file.part ]
d 2 export tally/cut --as json -o file --node n9
ok "a failure leaves the old file" cmp -s file whole
ok "and nothing beside it" [ ! -e file.part ]
d 0 export tally/cut --as json -o /dev/null
d 3 export tally/cut --as json -o /dev/full
./dlab export tally/cut --as json 2> errors | head -1 > out; status=${PIPESTATUS[0]}
ok "a reader that goes away is no error" [ "$status" = 0 ]

# --- json ---
for run in $runs; do
	d 0 export "$run" --as json
	ok "json: $run" checked json out whole
done
d 0 export tally/cut --as json
ok "json and replay have the same events" [ "$(wc -l < out)" = $(($(./dlab replay tally/cut --raw | wc -l) + 1)) ]
d 0 export tally/cut --as json --most 5
ok "--most" [ "$(wc -l < out)" = 6 ]
ok "what was left out is told" grep -q '^dlab export: 5 events, and [0-9]* more were left out' errors
d 0 export tally/cut --as json --from 0.5 --to 1
ok "--from, --to" python3 -c 'import json; t = [json.loads(l)["t_ns"] for l in list(open("out"))[1:]]; assert t and min(t) >= 5e8 and max(t) <= 1e9'
d 0 export tally/cut --as json --node n2
ok "--node" python3 -c 'import json; [e for e in map(json.loads, list(open("out"))[1:]) if "src" not in e or "n2" in (e["src"], e.get("dst")) or exit(1)]'
d 0 export tally/cut --as json --type tell
ok "--type" python3 -c 'import json; exit({e.get("type") for e in map(json.loads, list(open("out"))[1:]) if "msg" in e} != {"tell"})'
d 0 export tally/cut --as json --from 999999
ok "an empty window is told" has 'no event of this run is in that window' errors

# --- shiviz ---
for run in $runs; do
	for how in "" "--from 0.9 --to 2" "--node n2" "--type tell --type told" "--type told" "--most 7" "--from 0.5 --node n1 --most 50"; do
		# shellcheck disable=SC2086
		d 0 export "$run" --as shiviz $how
		# shellcheck disable=SC2046
		[ -s errors ] && grep -q 'no event' errors || ok "shiviz: $run $how" checked shiviz out
	done
done
d 0 export tally/cut --as shiviz
ok "shiviz: a message that is lost" grep -q '^[0-9.]* s to n[0-9], cut: tell$' out
ok "shiviz: its sender's" bash -c 'grep -A1 ", cut: tell$" out | grep -q "^n[0-9] {"'
ok "shiviz: what the lab does" bash -c 'grep -A1 " fault: cut " out | grep -q "^lab {\"lab\":"'
python3 "$root/tests/small_run.py" .dlab/runs/tally.cut.sim.3.db small.db
d 0 export small.db --as shiviz
ok "shiviz: as many edges as messages that arrived" checked shiviz out edges=4 events=22
d 0 export small.db --as shiviz --type b
ok "shiviz: knowledge goes on through what is left out" checked shiviz out edges=2 events=10
sed 's/"n1":1/"n1":2/' out > wrong
ok "the checker sees a wrong clock" bash -c "! python3 '$root/tests/check_export.py' shiviz wrong"

# --- mermaid ---
for run in $runs small.db; do
	for how in "" "--from 0.9 --to 2" "--node n2" "--type tell" "--from 0 --most 400"; do
		# shellcheck disable=SC2086
		d 0 export "$run" --as mermaid $how
		ok "mermaid: $run $how" checked mermaid out
	done
done
d 0 export small.db --as mermaid
ok "mermaid: what the small run holds" checked mermaid out message=7 lost=1 participant=4
ok "mermaid: a message bears its body where it arrives" has '    n1->>n2: b x=1'
ok "mermaid: a lost message" has '    n1--xn3: b x=3 (cut)'
ok "mermaid: a second copy" has '    n2-->>n3: a x=2 (second copy)'
ok "mermaid: one that never arrives" has '    n2-)n1: b x=4 (still on the way at the #101;nd)'
ok "mermaid: what the network does" has '    Note over n1,c1: 0.008 s fault: cut n1 #62; n3'
d 0 export tally/faults --as mermaid --most 40
ok "mermaid: what is left out is told" grep -q '^%% [34][0-9] events from .* more are not shown$' out
ok "mermaid: where" grep -q 'Note over n1: [0-9]* more events' out
printf 'sequenceDiagram\n    participant n1\n    n1->>n1: a; b\n' > wrong
ok "the checker sees a sign" bash -c "! python3 '$root/tests/check_export.py' mermaid wrong"

# --- svg ---
for run in $runs small.db; do
	for how in "" "--from 0.9 --to 2" "--node n2" "--type tell" "--from 0 --most 400" "--from 999999"; do
		# shellcheck disable=SC2086
		d 0 export "$run" --as svg $how
		ok "svg: $run $how" checked svg out
	done
done
d 0 export small.db --as svg
ok "svg: what the small run holds" checked svg out sent=5 sent.lost=1 sent.doubled=1 head.open=1 ring=1 band=1 stripes=1 \
	paused=1 strip=3 name=4 cross=3 says.marked=3
d 0 export small.db --as svg --from 0.0095 --to 0.0125
ok "svg: what began before the window" checked svg out band=1 paused=1 sent.lost=1 ring=1
d 0 export small.db --as svg --from 0.0185
ok "svg: a healed network has no band" checked svg out band=0 says=1
ok "svg: a dead node has no lane" checked svg out lane=2
d 0 export small.db --as svg --type log --from 0
ok "svg: a log is in it when it is asked for" has 'n1 log: a line of the log'
ok "svg: text is escaped" bash -c './dlab export elsewhere/evil.db --as svg --from 0 | grep -q "&lt;script&gt;"'

# --- html ---
for run in $runs small.db; do
	for how in "" "--from 0.9 --to 2" "--node n2" "--from 999999"; do
		# shellcheck disable=SC2086
		d 0 export "$run" --as html $how
		ok "html: $run $how" checked html out
	done
done
d 0 export small.db --as html
ok "html: what it tells" checked html out "span=failed" "dd=n3 gets b" "dd=b at n3" "dd=no b at n3" "dd=0.018 s" "text=n1 state n=4" "dd=send it again" \
	"pre=a line of the log" "pre=dlab replay small.db --evidence" "pre=dlab test small -t one --fabric sim --seed 7 -- " \
	"text=n1 to n3, cut: b" "code=small"
d 0 export small.db --as html --node n2
ok "html: the log of another node is not in it" hasnt "a line of the log"
d 0 export elsewhere/evil.db --as html
ok "html: text is escaped, not lost" checked html out "p=<script>alert(1)</script>" "dd=]]><b>&amp;&lt;" "pre=<script>alert(1)</script>"
sed 's/&lt;script/<script/' out > wrong
ok "the checker sees a script" bash -c "! python3 '$root/tests/check_export.py' html wrong"

# --- html of a grading ---
cat > evil.py <<'EOF'
import sys
sys.stderr.write("<script>alert(1)</script> \033[31mred\n")
print("<b>no JSON</b>")
sys.exit(3)
EOF
d 1 test tally --html - -- "$python" evil.py
ok "html: a grading" checked grading out "code=cut" "td=failed" "dt=expected" "dd=<script>alert(1)</script> ?[31mred"
d 0 test tally -t cut --html graded.html -- "$python" "$node" retry
ok "html: a file" checked grading graded.html "td=passed"

# --- the pictures of the documents ---
"$root/tests/pictures.sh" "$build/dlab" pictures || failed=$((failed + 1))
for picture in "$root"/stages/pictures/*.svg; do
	ok "svg: $picture" checked svg "$picture"
	ok "$picture is what this dlab draws (make pictures)" cmp "$picture" "pictures/${picture##*/}"
done

ok "no folder of a node is left" [ -z "$(ls tmp)" ]

echo "$passed passed, $failed failed"
[ $failed = 0 ]
