#include "tool.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pod.h"

extern char **environ;

enum { SAID_MAX = 8192, STATUS_NOT_STARTED = 127 };

void tool_init(struct tool *t)
{
	*t = (struct tool){ .out = -1 };
	setenv("XTABLES_LOCKFILE", "/dev/shm/xtables.lock", 1); /* iptables' own place cannot be written here */
}

static int script_file(const char *script)
{
	int fd = memfd_create("script", MFD_CLOEXEC);
	size_t n = strlen(script);
	if (fd >= 0 && write(fd, script, n) == (ssize_t)n && lseek(fd, 0, SEEK_SET) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

/* Only these, and with these arguments. Of iptables, the one that does without the kernel's nf_tables. */
static char *const *arguments(const char *name)
{
	static char nft[] = "nft", tc[] = "tc", iptables[] = "iptables-legacy-restore", file[] = "-f", batch[] = "-batch", in[] = "-",
		keep[] = "--noflush";
	static char *const of_nft[] = { nft, file, in, NULL }, *const of_tc[] = { tc, batch, in, NULL },
		*const of_iptables[] = { iptables, keep, NULL };
	static const struct { const char *name; char *const *argv; } tools[] = {
		{ "nft", of_nft }, { "iptables", of_iptables }, { "tc", of_tc },
	};
	for (size_t i = 0; i < ARRAY_LEN(tools); i++)
		if (strcmp(name, tools[i].name) == 0)
			return tools[i].argv;
	return NULL;
}

static int spawn(struct tool *t, const struct tool_job *job, int script, int out)
{
	posix_spawn_file_actions_t actions;
	char *const *argv = arguments(job->name);
	if (!argv)
		return EINVAL;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, script, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, out, STDERR_FILENO);
	int rc = posix_spawnp(&t->pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	return rc;
}

/* One that cannot be started ends at once, and its pipe says so by its end of file. */
static void start(struct tool *t)
{
	int fd[2];
	if (t->out >= 0 || !t->first)
		return;
	t->said.n = 0;
	t->pid = 0;
	if (pipe2(fd, O_CLOEXEC) != 0)
		abort(); /* an agent without descriptors is of no use */
	int script = script_file(t->first->script);
	int rc = script < 0 ? errno : spawn(t, t->first, script, fd[1]);
	if (rc != 0) {
		t->pid = 0;
		buf_printf(&t->said, "cannot start %s: %s", t->first->name, strerror(rc));
	}
	if (script >= 0)
		close(script);
	close(fd[1]);
	t->out = fd[0];
}

static char *take_word(struct slice *s)
{
	const char *end = s->n ? memchr(s->s, ' ', s->n) : NULL;
	size_t n = end ? (size_t)(end - s->s) : s->n;
	char *word = xasprintf("%.*s", (int)n, s->s);
	n += end != NULL;
	*s = (struct slice){ s->s + n, s->n - n };
	return word;
}

void tool_add(struct tool *t, struct slice words)
{
	struct tool_job *job = xcalloc(1, sizeof *job);
	job->id = take_word(&words);
	job->name = take_word(&words);
	job->script = xasprintf("%.*s\n", SLICE_ARG(words));
	for (char *c = job->script; *c; c++)
		if (*c == POD_NEWLINE)
			*c = '\n';
	*(t->first ? &t->last->next : &t->first) = job;
	t->last = job;
	start(t);
}

static int end_job(struct tool *t, char id[24])
{
	struct tool_job *job = t->first;
	int status = 0;
	if (t->pid)
		waitpid(t->pid, &status, 0);
	snprintf(id, 24, "%s", job->id);
	int rc = !t->pid ? STATUS_NOT_STARTED : WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	t->first = job->next;
	free(job->id);
	free(job->name);
	free(job->script);
	free(job);
	close(t->out);
	t->out = -1;
	return rc;
}

bool tool_read(struct tool *t, char id[24], int *status, struct slice *said)
{
	char room[4096];
	ssize_t n = read(t->out, room, sizeof room);
	if (n < 0 && errno == EINTR)
		return false;
	if (n > 0) {
		if (t->said.n < SAID_MAX)
			buf_add(&t->said, room, (size_t)n);
		return false;
	}
	for (size_t i = 0; i < t->said.n; i++)
		if (t->said.s[i] == '\n')
			t->said.s[i] = ' ';
	*status = end_job(t, id);
	*said = buf_as_slice(&t->said);
	return true;
}

void tool_next(struct tool *t)
{
	start(t);
}
