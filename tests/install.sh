#!/bin/sh
# Installs what is missing on Debian or Ubuntu, and says what. usage: install.sh build|try|test|all|docker
# As root it calls apt-get; elsewhere it calls it through sudo. With nothing missing it installs nothing.
set -u
need=""
want() { # want PACKAGE CHECK...: the check succeeds when it is there
	package=$1
	shift
	"$@" >/dev/null 2>&1 || need="$need $package"
}
library() { pkg-config --exists "$1" 2>/dev/null; }
header() { printf '#include <%s>\n' "$1" | ${CC:-cc} -E -x c - ; }

want gcc command -v "${CC:-cc}"
want libc6-dev header stdio.h
want pkg-config command -v pkg-config
want libsqlite3-dev library sqlite3
want libjansson-dev library jansson
want libmd4c-dev library md4c
want libcurl4-openssl-dev library libcurl
want libncurses-dev library ncursesw
case $1 in try | test | all | docker) want python3 command -v python3 ;; esac
case $1 in test | all)
	want libcmocka-dev library cmocka
	want golang-go command -v go
	want procps command -v ps
	want tmux command -v tmux
	;;
esac
case $1 in docker)
	want tmux command -v tmux
	want libcmocka-dev library cmocka
	want docker.io command -v docker
	# An engine that somebody else runs will do; without one, root starts its own.
	[ "$(id -u)" != 0 ] || docker info 2>/dev/null | grep -q 'Server Version' || want docker.io command -v dockerd
	[ "$(id -u)" != 0 ] || want debootstrap command -v debootstrap
	;;
esac
case $1 in all)
	want clang command -v clang
	want libclang-rt-14-dev sh -c 'ls /usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.fuzzer-x86_64.a /usr/lib/clang/*/lib/linux/libclang_rt.fuzzer-x86_64.a 2>/dev/null | grep -q .'
	want valgrind command -v valgrind
	want ruby command -v ruby
	want nodejs command -v node
	want zsh command -v zsh
	want man-db command -v man
	;;
esac

[ -n "$need" ] || exit 0
echo "dlab needs these packages, which are not installed:$need"
sudo=""
if [ "$(id -u)" != 0 ]; then
	command -v sudo >/dev/null || { echo "Install them as root: apt-get install$need"; exit 1; }
	sudo=sudo
fi
command -v apt-get >/dev/null || { echo "This is no Debian or Ubuntu: install them in your system's way."; exit 1; }
echo "Installing them with $sudo apt-get."
$sudo apt-get update -qq >/dev/null &&
	$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $need >/dev/null ||
	{ echo "apt-get failed; try it by hand: $sudo apt-get install$need"; exit 1; }
