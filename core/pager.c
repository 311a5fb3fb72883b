#include "pager.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static bool is_long(struct slice text)
{
	struct winsize w;
	unsigned lines = 0;
	for (size_t i = 0; i < text.n; i++)
		lines += text.s[i] == '\n';
	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_row > 0 && lines >= w.ws_row;
}

/* Starts `sh -c command` that reads from the pipe; SIGPIPE ends it as usual. */
static pid_t start(const char *command, int in)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t pipe_only;
	char shell[] = "sh", option[] = "-c", *words = xstrdup(command);
	char *argv[] = { shell, option, words, NULL };
	pid_t pid;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
	posix_spawnattr_init(&attr);
	sigemptyset(&pipe_only);
	sigaddset(&pipe_only, SIGPIPE);
	posix_spawnattr_setsigdefault(&attr, &pipe_only);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF);
	int rc = posix_spawn(&pid, "/bin/sh", &actions, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	free(words);
	return rc == 0 ? pid : -1;
}

static void feed(int fd, struct slice text)
{
	while (text.n > 0) {
		ssize_t n = write(fd, text.s, text.n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return; /* the reader has seen enough */
		text.s += n;
		text.n -= (size_t)n;
	}
}

/* False when it did not show the text: 127 is the shell's "no such command". */
static bool page(const char *command, struct slice text)
{
	int fds[2], status;
	if (pipe2(fds, O_CLOEXEC) != 0)
		return false;
	setenv("LESS", "FRX", 0);
	pid_t pid = start(command, fds[0]);
	close(fds[0]);
	if (pid > 0)
		feed(fds[1], text);
	close(fds[1]);
	if (pid < 0)
		return false;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return true;
	return !(WIFEXITED(status) && WEXITSTATUS(status) == 127);
}

void pager_show(struct slice text, const struct style *style)
{
	const char *pager = getenv("PAGER");
	if (!pager)
		pager = "if command -v less >/dev/null; then exec less; else exec cat; fi";
	fflush(stdout);
	if (style->terminal && *pager && is_long(text) && page(pager, text))
		return;
	if (text.n > 0)
		fwrite(text.s, 1, text.n, stdout);
}
