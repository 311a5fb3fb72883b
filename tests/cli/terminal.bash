# shellcheck shell=bash
# For the scripts that look at a real terminal (tmux), which source it after tally.bash.
terminals=0 socket=none # each terminal is a server of its own: one that ends may still hold its socket
in_tmux() { tmux -L "$socket" -f /dev/null "$@"; }
trap 'in_tmux kill-server 2>/dev/null; rm -rf "$work"' EXIT
start() { # WIDTH HEIGHT COMMAND...: in a shell that stays, as a person's does
	in_tmux kill-server 2>/dev/null
	socket="dlab-$$-$((++terminals))"
	in_tmux new-session -d -x "$1" -y "$2" "env -u TMUX PS1='prompt> ' LC_ALL=${LANGUAGE_HERE:-C.UTF-8} ${EXTRA:-TERM=tmux-256color} bash --norc --noprofile"
	mkfifo "$socket.out" && exec 9<> "$socket.out" # what it writes is the word that there is something new to see
	in_tmux pipe-pane "cat > '$PWD/$socket.out'"
	shift 2
	shows 'prompt>' && in_tmux send-keys -l "$*" && in_tmux send-keys Enter
}
screen() { in_tmux capture-pane -p ${1:-}; }
keys() { in_tmux send-keys "$@"; }
# Looks at the screen again whenever the program has written, until the command is true of it; so many seconds at most.
SCREEN_LIMIT_S=10
looks() { # COMMAND...
	local end=$((SECONDS + SCREEN_LIMIT_S))
	while screen > shown 2>/dev/null; ! "$@"; do
		[ $SECONDS -lt $end ] || return 1
		timeout $((end - SECONDS)) dd bs=65536 count=1 status=none <&9 > /dev/null
	done
}
shows() { # until it has the text
	looks grep -qF -- "$1" shown && return 0
	sed 's/^/    | /' shown
	return 1
}
hasnt_now() { ! grep -qF -- "$1" shown; }
gone() { looks hasnt_now "$1"; } # until it has not
