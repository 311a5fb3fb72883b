#!/usr/bin/env bash
# The real dashboard in a real terminal (tmux): keys, sizes, locales, how it leaves. Ends with "N passed, N failed".
#   tests/cli/screen.sh [BUILD]
source "$(dirname "$0")/tally.bash"

source "$root/tests/cli/terminal.bash"
nothing_of_it() { ! pgrep -f "^$work/dlab" > /dev/null; }

./dlab test tally -t cut --seed 3 -- "$python" "$node" retry > /dev/null
./dlab test tally -t cut --seed 5 -- "$python" "$node" > /dev/null 2>&1

# --- a run ---
start 100 30 "$work/dlab open .dlab/runs/tally.cut.sim.3.db"
ok "it opens in Flow" shows '2 Flow'
ok "rows are there" shows 'tell'
keys 1; ok "1 is the cluster" shows '┌──────────────────┐'
keys 3; ok "3 is the timeline" shows 'a column is'
keys 4; ok "4 are logs" shows 'stderr'
keys 5; ok "5 are operations" shows 'operations'
keys 6; ok "6 is the score" shows 'verdict'
keys 7; ok "7 are commands" shows 'these are of --fabric docker'
keys 2; ok "back in Flow" shows 'seq'
keys g; ok "g is the start" shows '0.000 s x1'
keys G
keys '/' 't' 'e' 'l' 'l' Enter
keys '?'; ok "? shows keys" shows ':find-next'
keys Escape; ok "Esc closes it" shows 'space go'
keys Enter; ok "Enter looks closer" shows 'event (Enter or Esc closes)'
keys q; keys ':' g o t o ' ' 1 Enter; ok ":goto" shows '▶    1 '
keys f k i n d = x x; ok "a wrong filter says so" shows 'no kind is called'
keys Escape
in_tmux resize-window -x 60 -y 20; ok "60x20 still draws" shows '2 Flow'
in_tmux resize-window -x 50 -y 15; ok "too small says so" shows 'dlab needs 60x20 characters'
in_tmux resize-window -x 200 -y 50; ok "large again, it recovers" shows '7 Commands'
keys w; ok "w writes the screen" shows 'dlab-screen.txt'
ok "the file has the screen" grep -q '2 Flow' dlab-screen.txt
keys q; ok "q goes home" shows 'foundations'
keys q; ok "q leaves" shows 'prompt>'
keys -l 'echo status=$?'; keys Enter; ok "with status 0" shows 'status=0'
keys -l 'stty -a | grep -ow -- "-\?icanon\|-\?echo"'; keys Enter; ok "the terminal echoes again" bash -c '! grep -qx -- "-echo" shown'
ok "nothing is left" nothing_of_it

# --- dlab alone ---
start 80 24 "$build/dlab"
ok "dlab alone shows the roadmap" shows '1 foundations'
keys Enter; ok "Enter opens the guide" shows 'echo: the protocol'
keys q; ok "q goes back to the roadmap" shows '4 consensus'
keys C-c; ok "ctrl-c leaves" shows 'prompt>'

# --- killed ---
start 80 24 "$work/dlab open tally; echo ended=\$?"
ok "it is there" shows '2 Flow'
pkill -9 -n -f "^$work/dlab open"
ok "after a SIGKILL of what draws, the shell is back and is told" shows 'was ended by signal 9'
keys -l 'echo alive=$((1+1))'; keys Enter; ok "and echoes" shows 'echo alive='
ok "and works" shows 'alive=2'
ok "nothing is left" nothing_of_it

# --- other terminals ---
LANGUAGE_HERE=C start 80 24 "$work/dlab open tally"
ok "LANG=C draws" shows '2 Flow'
ok "in ASCII alone" bash -c '! LC_ALL=C grep -qP "[^\x00-\x7f]" shown'
keys Q
EXTRA='TERM=tmux-256color NO_COLOR=1' start 80 24 "$work/dlab open tally"
ok "NO_COLOR draws" shows '2 Flow'
screen -e > coloured
ok "without a colour" bash -c "! grep -qP '\\x1b\\[[0-9;]*(3[0-7]|9[0-7]|38;)' coloured"
keys Q
EXTRA='TERM=tmux-256color' start 80 24 "$work/dlab open tally"
ok "colours draw" shows '2 Flow'
screen -e > coloured
ok "with colours" grep -qP '\x1b\[[0-9;]*3[0-7]' coloured
keys Q
EXTRA='TERM=dumb' start 80 24 "$work/dlab open tally | grep ^verdict"
ok "TERM=dumb prints lines" shows 'verdict: '
EXTRA='TERM=vt100' start 80 24 "$work/dlab open tally"
ok "a vt100 draws" shows '2 Flow'
keys Q
in_tmux kill-server 2>/dev/null

# --- a test that is watched ---
start 100 30 "$build/dlab test raft -t log-rejoin --watch -- $python $root/tests/wrong/raft/appends_without_prev_check.py; echo ended=\$?"
ok "it stays at the evidence" shows 'this is one that did not'
ok "in Flow" shows 'apply term=1'
keys Q; ok "the report follows" shows '0 of 1 tests passed'
ok "with the test's status" shows 'ended=1'

# --- a fork ---
start 100 30 "$work/dlab open .dlab/runs/tally.cut.sim.3.db"
ok "a stored run" shows '2 Flow'
keys ':' 'goto 30' Enter k; ok "a fault on a stored run asks" shows 'Fork the run at'
keys Enter; ok "it is live from there" shows 'LIVE'
ok "and the fault was done" shows 'n1 was killed by the lab'
keys Space; ok "time goes on" shows 'plays'
keys Q Enter; ok "it leaves" shows 'prompt>'
in_tmux kill-server 2>/dev/null

# --- a run in which every text is hostile ---
python3 "$root/tests/evil_run.py" .dlab/runs/tally.cut.sim.3.db evil.db
for view in cluster flow timeline logs operations score commands; do
	./dlab open evil.db --view $view --size 90x40 --still - > still 2> errors
	ok "hostile texts, $view: nothing steers" bash -c '[ -s still ] && ! LC_ALL=C grep -qP "[\x00-\x09\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\xaa-\xae\x8b]|\xe2\x81[\xa6-\xa9]" still'
	ok "hostile texts, $view: 40 lines" [ "$(wc -l < still)" = 40 ]
	./dlab open evil.db --view $view --still still.svg
	ok "hostile texts, $view: a safe picture" python3 "$root/tests/check_export.py" svg still.svg
done > /dev/null
start 90 30 "$work/dlab open evil.db --view logs"
ok "hostile texts on a terminal" shows '4 Logs'
keys 2; ok "and the next view" shows 'seq'
keys 6; ok "and the next" shows 'verdict'
keys Q; ok "and out" shows 'prompt>'
in_tmux kill-server 2>/dev/null

# --- no terminal ---
./dlab open tally/cut > plain 2> errors < /dev/null
ok "no terminal: lines" has 'verdict: ' plain
ok "without escapes" bash -c '! grep -qP "\x1b" plain'
./dlab open --plain .dlab/runs/tally.cut.sim.3.db | head -1 > one
ok "a reader that leaves early" [ -s one ]
./dlab open nosuchrun 2> errors; ok "no such run is said" has 'nosuchrun' errors
ok "no process is left" nothing_of_it
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
