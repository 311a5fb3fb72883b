/* cmd_clean.c - `dlab clean`: removes what runs leave: their files in .dlab/runs, and folders, containers, networks and
 * volumes of runs whose harness was killed. A folder that a living run uses is locked by it (run.c), and is left alone. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd.h"
#include "docker_sweep.h"
#include "files.h"
#include "scratch.h"
#include "workspace.h"

extern const struct command cmd_clean;

enum { RANDOM_PART = 6 };

struct cleaning {
	bool all, dry;
	int64_t bytes;
	int things, failures;
};

static int take_option(void *ctx, const struct cmd_option *o, const char *value)
{
	struct cleaning *c = ctx;
	(void)value;
	if (strcmp(o->name, "all") == 0)
		c->all = true;
	else
		c->dry = true;
	return 0;
}

static void print_bytes(int64_t n)
{
	if (n < 1024 * 1024)
		printf("%lld kB", (long long)((n + 1023) / 1024));
	else
		printf("%.1f MB", (double)n / (1024 * 1024));
}

static void remove_thing(struct cleaning *c, const char *path)
{
	struct err e;
	int64_t bytes = tree_bytes(path);
	if (!c->dry && tree_remove(path, &e) != 0) {
		fprintf(stderr, "dlab: %s\n", e.text);
		c->failures++;
		return;
	}
	c->bytes += bytes;
	c->things++;
}

/* A run that goes on is written to NAME.part<pid>.db (run.c) by a process that lives. */
static bool is_being_written(const char *name)
{
	const char *part = strstr(name, ".part");
	long pid = part ? strtol(part + 5, NULL, 10) : 0;
	return pid > 0 && kill((pid_t)pid, 0) == 0;
}

/* A run's file and what SQLite keeps beside it; not that of a run that goes on. */
static bool is_run_file(const char *name)
{
	static const char *const ends[] = { ".db", ".db-wal", ".db-shm", ".db-journal" };
	size_t n = strlen(name);
	if (is_being_written(name))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(ends); i++)
		if (n > strlen(ends[i]) && strcmp(name + n - strlen(ends[i]), ends[i]) == 0)
			return true;
	return false;
}

static bool is_any(const char *name)
{
	return strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

/* Names first, so that nothing is removed under a folder's reader. Owned by the caller; ended by NULL. */
static char **names_in(const char *folder, bool (*wanted)(const char *))
{
	DIR *d = opendir(folder);
	char **names = xcalloc(1, sizeof *names);
	size_t n = 0;
	for (struct dirent *x = d ? readdir(d) : NULL; x; x = readdir(d)) {
		if (!wanted(x->d_name))
			continue;
		names = xrealloc(names, (n + 2) * sizeof *names);
		names[n++] = xstrdup(x->d_name);
		names[n] = NULL;
	}
	if (d)
		closedir(d);
	return names;
}

static void say(const struct cleaning *c, const struct cleaning *before, const char *what, const char *where)
{
	int n = c->things - before->things;
	if (n == 0)
		return;
	printf("%s %d %s%s in %s, ", c->dry ? "Would remove" : "Removed", n, what, n == 1 ? "" : "s", where);
	print_bytes(c->bytes - before->bytes);
	printf(".\n");
}

/* A run that is written in its place (`dlab run --store`) has a lock on it. */
static bool is_locked(const char *path)
{
	const char *dash = strrchr(path, '-');
	bool beside = dash && (strcmp(dash, "-wal") == 0 || strcmp(dash, "-shm") == 0);
	char *db = xasprintf("%.*s", beside ? (int)(dash - path) : (int)strlen(path), path);
	int fd = open(db, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	bool locked = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
	if (fd >= 0)
		close(fd);
	free(db);
	return locked;
}

static void clean_runs(struct cleaning *c, const struct workspace *w)
{
	struct cleaning before = *c;
	char *runs = xasprintf("%s/runs", w->state);
	char **names = names_in(runs, is_run_file);
	for (char **n = names; *n; n++) {
		char *path = xasprintf("%s/%s", runs, *n);
		if (!is_locked(path))
			remove_thing(c, path);
		free(path);
	}
	command_free(names);
	say(c, &before, "run file", runs);
	free(runs);
}

static void clean_progress(struct cleaning *c, const struct workspace *w)
{
	static const char *const files[] = { "progress.db", "progress.db-journal", "hints.json" };
	struct cleaning before = *c;
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		char *path = xasprintf("%s/%s", w->state, files[i]);
		if (file_exists(path))
			remove_thing(c, path);
		free(path);
	}
	say(c, &before, "file of your progress", w->state);
}

/* --- folders that nodes left behind --- */

/* As mkdtemp names them: dlab-XXXXXX. */
static bool is_left_over(const char *name)
{
	if (strncmp(name, "dlab-", 5) != 0 || strlen(name) != 5 + RANDOM_PART)
		return false;
	for (const char *c = name + 5; *c; c++)
		if (!isalnum((unsigned char)*c))
			return false;
	return true;
}

static bool link_is_below(const char *link, const char *folder)
{
	char target[4096];
	ssize_t n = readlink(link, target, sizeof target - 1);
	size_t k = strlen(folder);
	if (n < 0)
		return false;
	target[n] = '\0';
	return strncmp(target, folder, k) == 0 && (target[k] == '\0' || target[k] == '/' || target[k] == ' ');
}

static bool process_uses(const char *pid, const char *folder)
{
	char *cwd = xasprintf("/proc/%s/cwd", pid), *fds = xasprintf("/proc/%s/fd", pid);
	bool uses = link_is_below(cwd, folder);
	char **names = names_in(fds, is_any);
	for (char **n = names; *n && !uses; n++) {
		char *link = xasprintf("%s/%s", fds, *n);
		uses = link_is_below(link, folder);
		free(link);
	}
	command_free(names);
	free(fds);
	free(cwd);
	return uses;
}

static bool is_pid(const char *name)
{
	return isdigit((unsigned char)*name) && atol(name) != (long)getpid();
}

/* A node may have lived longer than its harness. */
static bool anyone_uses(const char *folder)
{
	char **pids = names_in("/proc", is_pid);
	bool uses = false;
	for (char **p = pids; *p && !uses; p++)
		uses = process_uses(*p, folder);
	command_free(pids);
	return uses;
}

static void clean_left_over(struct cleaning *c, const char *path)
{
	struct stat st;
	if (lstat(path, &st) != 0 || !S_ISDIR(st.st_mode) || st.st_uid != geteuid())
		return;
	int lock = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (lock >= 0 && flock(lock, LOCK_EX | LOCK_NB) == 0 && !anyone_uses(path))
		remove_thing(c, path);
	if (lock >= 0)
		close(lock);
}

static void clean_scratch(struct cleaning *c, const char *place)
{
	struct cleaning before = *c;
	char *tmp = realpath(place, NULL);
	if (!tmp)
		return;
	char **names = names_in(tmp, is_left_over);
	for (char **n = names; *n; n++) {
		char *path = xasprintf("%s/%s", tmp, *n);
		clean_left_over(c, path);
		free(path);
	}
	command_free(names);
	say(c, &before, "left-over folder", tmp);
	free(tmp);
}

/* Containers, networks and volumes of runs that were killed, their guard too. Without an engine there are none. */
static void clean_docker(struct cleaning *c)
{
	struct docker_swept n = { 0 };
	struct err e;
	struct docker *d = docker_open(&e);
	if (!d)
		return;
	if (docker_sweep(d, c->dry, &n, &e) != 0) {
		fprintf(stderr, "dlab: %s\n", e.text);
		c->failures++;
	}
	docker_close(d);
	int all = n.containers + n.networks + n.volumes;
	c->things += all;
	if (all)
		printf("%s %d container%s, %d network%s, %d volume%s in Docker.\n", c->dry ? "Would remove" : "Removed", n.containers,
			n.containers == 1 ? "" : "s", n.networks, n.networks == 1 ? "" : "s", n.volumes, n.volumes == 1 ? "" : "s");
}

static int run(int argc, char **argv)
{
	struct cleaning c = { 0 };
	struct cmd_words words;
	struct workspace w;
	struct err e;
	int rc = cmd_parse(&cmd_clean, argc, argv, &words, take_option, &c);
	if (rc != 0)
		return rc < 0 ? EXIT_PASSED : rc;
	if (words.n > 0 || words.after)
		return cmd_usage(&cmd_clean, "it takes no arguments; it cleans the workspace that you stand in");
	if (workspace_open(&w, &e) != 0)
		return cmd_usage(&cmd_clean, "%s", e.text);
	clean_runs(&c, &w);
	if (c.all)
		clean_progress(&c, &w);
	const char *place[SCRATCH_PLACES + 1];
	scratch_places(place);
	for (int i = 0; place[i]; i++)
		clean_scratch(&c, place[i]);
	clean_docker(&c);
	workspace_close(&w);
	if (c.things == 0 && !c.failures)
		printf("Nothing to clean.\n");
	else if (c.dry)
		printf("Nothing was removed: --dry-run.\n");
	return c.failures ? EXIT_WORLD : EXIT_PASSED;
}

static const struct cmd_option options[] = {
	{ "all", 'a', NULL, "also forget your progress and the hints that you have seen", NULL },
	{ "dry-run", 'n', NULL, "only say what would be removed", NULL },
	{ 0 },
};

const struct command cmd_clean = {
	.name = "clean",
	.arguments = "[--all] [--dry-run]",
	.summary = "Remove the files that runs leave",
	.help = "Removes the runs of this workspace (.dlab/runs), and folders dlab-* in $TMPDIR (or /dev/shm and /tmp) that belong to\n"
		"you and that no living process uses; in Docker, what killed runs have left (labels org.dlab.*). Your programs are not touched.",
	.options = options,
	.run = run,
};
