#!/usr/bin/env bash
# A scene in front of a class, from start to end, by keys: split brain. Ends with "N passed, N failed".
#   tests/cli/scene.sh [BUILD [FABRIC]]
source "$(dirname "$0")/tally.bash"
source "$root/tests/cli/terminal.bash"
fabric=${2:-sim}

start 100 34 "$build/dlab demo split-brain --fabric $fabric"
ok "the demo begins" shows 'Raft: split brain'
[ "$fabric" != sim ] || keys '>' '>' '>' # a class would not have it so fast
ok "a leader, and the first gate" shows 'may n'
keys PPage; ok "a demo goes forward" shows 'A demo goes forward'
keys NPage; ok "the second gate" shows 'Which side can elect a leader?'
keys b; ok "b blanks the screen" gone 'Which side'
keys b; ok "any key brings it back" shows 'Which side'
keys NPage; ok "two leaders" shows 'Which can commit it?'
ok "seen on the screen" bash -c '[ "$(grep -o "★ leader" shown | wc -l)" = 2 ]'
ok "and the cut" bash -c 'grep -q "x   x" shown'
"$build/dlab" demo --notes > notes 2>&1 & notes=$!
keys NPage; ok "one commits" shows 'What becomes of banana?'
keys 2; ok "all keys work meanwhile" shows 'seq'
keys 1 NPage; ok "healed, the end" shows 'The end.'
ok "one leader is left" bash -c '[ "$(grep -o "★ leader" shown | wc -l)" = 1 ]'
keys Q Enter; ok "q leaves a live run when asked twice" shows 'prompt>'
wait "$notes"
ok "the notes followed" grep -q 'at most one leader in a TERM' notes
in_tmux kill-server 2>/dev/null
ok "no node is left" bash -c "$(declare -f nodes_here); work='$work' root='$root'; ! nodes_here"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
