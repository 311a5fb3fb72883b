# shellcheck shell=bash
# For the scripts that look at a real terminal (tmux), which source it after tally.bash.
terminals=0 socket=none # each terminal is a server of its own: one that ends may still hold its socket
in_tmux() { tmux -L "$socket" -f /dev/null "$@"; }
trap 'in_tmux kill-server 2>/dev/null; rm -rf "$work"' EXIT
start() { # WIDTH HEIGHT COMMAND...: in a shell that stays, as a person's does
	in_tmux kill-server 2>/dev/null
	socket="dlab-$$-$((++terminals))"
	in_tmux new-session -d -x "$1" -y "$2" "env -u TMUX PS1='prompt> ' LC_ALL=${LANGUAGE_HERE:-C.UTF-8} ${EXTRA:-TERM=tmux-256color} bash --norc --noprofile"
	shift 2
	shows 'prompt>' && in_tmux send-keys -l "$*" && in_tmux send-keys Enter
}
screen() { in_tmux capture-pane -p ${1:-}; }
keys() { in_tmux send-keys "$@"; }
# Waits until the screen has a text, ten seconds at most: there is no other word from a terminal.
shows() {
	local i
	for ((i = 0; i < 200; i++)); do
		screen > shown 2>/dev/null
		grep -qF -- "$1" shown && return 0
		read -rt 0.05 < <(sleep 0.05) || true
	done
	sed 's/^/    | /' shown
	return 1
}
gone() { # likewise until it has not
	local i
	for ((i = 0; i < 200; i++)); do
		screen > shown 2>/dev/null
		grep -qF -- "$1" shown || return 0
		read -rt 0.05 < <(sleep 0.05) || true
	done
	return 1
}
