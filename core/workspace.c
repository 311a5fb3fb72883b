#include "workspace.h"

#include <errno.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LAB_NAME_MAX = 60 };

extern char **environ;

static bool exists(const char *path)
{
	return access(path, F_OK) == 0;
}

/* --- dlab.json --- */

static int check_words(const json_t *list, const char *lab, const char *key, struct err *e)
{
	if (!json_is_array(list) || json_array_size(list) == 0)
		return err_set(e, "labs.%s.%s must be a list of words, such as [\"python3\", \"echo/echo.py\"]", lab, key);
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *word = json_string_value(json_array_get(list, i));
		if (!word || strlen(word) != json_string_length(json_array_get(list, i)))
			return err_set(e, "labs.%s.%s must be a list of words; number %zu is none", lab, key, i + 1);
	}
	if (json_string_length(json_array_get(list, 0)) == 0)
		return err_set(e, "labs.%s.%s must begin with a program, not with an empty word", lab, key);
	return 0;
}

/* Names are printed and become parts of paths. */
static bool name_is_plain(const char *name)
{
	size_t n = strlen(name);
	return n > 0 && n <= LAB_NAME_MAX &&
		strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == n;
}

int workspace_check(const json_t *doc, struct err *e)
{
	const json_t *labs = json_get(doc, "labs");
	const char *lab;
	json_t *entry;
	if (!json_is_object(labs))
		return err_set(e, "it must be an object with a member \"labs\", which is an object");
	json_object_foreach((json_t *)(uintptr_t)labs, lab, entry) {
		if (!name_is_plain(lab))
			return err_set(e, "\"labs\" has a member whose name is no name of a lab: letters, digits, \"-\" and \"_\", %d at most",
				LAB_NAME_MAX);
		if (!json_is_object(entry))
			return err_set(e, "labs.%s must be an object, such as {\"run\": [\"python3\", \"%s/%s.py\"]}", lab, lab, lab);
		if (!json_get(entry, "run"))
			return err_set(e, "labs.%s has no \"run\", which says how its node is started: a list of words", lab);
		if (check_words(json_get(entry, "run"), lab, "run", e) != 0)
			return -1;
		if (json_get(entry, "build") && check_words(json_get(entry, "build"), lab, "build", e) != 0)
			return -1;
	}
	return 0;
}

static char *find_root(bool *found)
{
	char *at = realpath(".", NULL);
	*found = false;
	while (at) {
		char *file = xasprintf("%s/dlab.json", at);
		*found = exists(file);
		free(file);
		char *slash = strrchr(at, '/');
		if (*found || !slash || slash == at)
			break;
		*slash = '\0';
	}
	if (*found)
		return at;
	free(at);
	return realpath(".", NULL);
}

int workspace_open(struct workspace *w, struct err *e)
{
	bool found;
	*w = (struct workspace){ .root = find_root(&found) };
	if (!w->root) {
		err_errno(e, "cannot find the current folder");
		return WORKSPACE_NOWHERE;
	}
	w->state = xasprintf("%s/.dlab", w->root);
	if (!found)
		return 0;
	char *path = xasprintf("%s/dlab.json", w->root);
	w->doc = json_read_file(path, WORKSPACE_FILE_MAX, e);
	int rc = w->doc && workspace_check(w->doc, e) == 0 ? 0 : err_wrap(e, "%s", path);
	free(path);
	if (rc != 0)
		workspace_close(w);
	return rc;
}

void workspace_close(struct workspace *w)
{
	free(w->root);
	free(w->state);
	json_decref(w->doc);
	*w = (struct workspace){ 0 };
}

/* --- commands --- */

static char **words_of(const json_t *list)
{
	size_t n = json_array_size(list);
	char **argv = xcalloc(n + 1, sizeof *argv);
	for (size_t i = 0; i < n; i++)
		argv[i] = xstrdup(json_string_value(json_array_get(list, i)));
	return argv;
}

void command_free(char **argv)
{
	for (char **a = argv; a && *a; a++)
		free(*a);
	free(argv);
}

void command_print(struct buf *b, char *const *argv)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-";
	buf_str(b, " --");
	for (char *const *a = argv; *a; a++) {
		bool quote = !**a || strspn(*a, plain) != strlen(*a);
		buf_str(b, quote ? " '" : " ");
		for (const char *c = *a; *c; c++)
			if (*c == '\'')
				buf_str(b, "'\\''");
			else
				buf_char(b, *c);
		buf_str(b, quote ? "'" : "");
	}
}

char **workspace_command(const struct workspace *w, const char *lab, struct err *e)
{
	const json_t *entry = json_get(json_get(w->doc, "labs"), lab);
	if (entry)
		return words_of(json_get(entry, "run"));
	if (w->doc)
		err_set(e, "dlab.json does not say how the node of %s is started: add it to \"labs\", or give the command after --",
			lab);
	else
		err_set(e, "there is no dlab.json here: make a workspace with `dlab new DIR --lang python`, or give the command "
			"after --, as in `dlab test %s -- python3 %s.py`", lab, lab);
	return NULL;
}

static int wait_for(pid_t pid)
{
	int status;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return status;
}

int workspace_build(const struct workspace *w, const char *lab, struct err *e)
{
	const json_t *build = json_get(json_get(json_get(w->doc, "labs"), lab), "build");
	if (!build)
		return 0;
	char **argv = words_of(build);
	posix_spawn_file_actions_t actions;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addchdir_np(&actions, w->root);
	pid_t pid;
	int rc = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (rc != 0) {
		err_set(e, "cannot start the build command \"%s\": %s", argv[0], strerror(rc));
		command_free(argv);
		return -1;
	}
	command_free(argv);
	int status = wait_for(pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	return err_set(e, "the build command of %s failed (see above): %s", lab, "mend it and try again");
}

static char *look_in_path(const char *name)
{
	const char *path = getenv("PATH");
	for (const char *at = path ? path : "/usr/local/bin:/usr/bin:/bin"; *at;) {
		size_t n = strcspn(at, ":");
		char *full = xasprintf("%.*s/%s", (int)n, at, name);
		struct stat st;
		if (n > 0 && stat(full, &st) == 0 && S_ISREG(st.st_mode) && access(full, X_OK) == 0)
			return full;
		free(full);
		at += n + (at[n] == ':');
	}
	return NULL;
}

static char *find_program(const char *name, const char *root, struct err *e)
{
	if (!strchr(name, '/')) {
		char *found = look_in_path(name);
		if (!found)
			err_set(e, "there is no program \"%s\" in PATH", name);
		return found;
	}
	char *full = name[0] == '/' ? xstrdup(name) : xasprintf("%s/%s", root, name);
	struct stat st;
	if (stat(full, &st) != 0)
		err_errno(e, "cannot start %s", name);
	else if (S_ISDIR(st.st_mode))
		err_set(e, "cannot start %s: it is a folder", name);
	else if (access(full, X_OK) != 0)
		err_set(e, "%s is not executable: `chmod +x %s`, or start it through its interpreter (python3 %s)", name, name, name);
	else
		return full;
	free(full);
	return NULL;
}

char **command_resolve(char *const *argv, const char *root, struct err *e)
{
	size_t n = 0;
	while (argv[n])
		n++;
	if (n == 0) {
		err_set(e, "there is no command after --");
		return NULL;
	}
	char *program = find_program(argv[0], root, e);
	if (!program)
		return NULL;
	char **copy = xcalloc(n + 1, sizeof *copy);
	copy[0] = program;
	for (size_t i = 1; i < n; i++)
		copy[i] = xstrdup(argv[i]);
	return copy;
}

/* --- folders --- */

/* Where the guides are, so are the other files. NULL when they are not there. */
static char *home_below(const char *above, const char *name)
{
	char *stages = xasprintf("%s%s/stages", above, name);
	bool here = exists(stages);
	free(stages);
	return here ? xasprintf("%s%s", above, name) : NULL;
}

char *dlab_home(struct err *e)
{
	const char *set = getenv("DLAB_HOME");
	if (set && *set) {
		char *named = home_below(set, "");
		if (!named)
			err_set(e, "DLAB_HOME is %s, which has no folder stages/: set DLAB_HOME to the folder that has it, or not at all", set);
		return named;
	}
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	if (n > 0) {
		self[n] = '\0';
		for (int up = 0; up < 2; up++) /* build/dlab -> the tree; bin/dlab -> the prefix */
			if (strrchr(self, '/'))
				*strrchr(self, '/') = '\0';
		char *home = home_below(self, "");
		if (!home)
			home = home_below(self, "/share/dlab");
		if (home)
			return home;
	}
	if (exists(DLAB_PREFIX "/share/dlab/stages"))
		return xstrdup(DLAB_PREFIX "/share/dlab");
	err_set(e, "dlab's own files (guides, starters) are not where they should be: set DLAB_HOME to the folder with stages/");
	return NULL;
}

const char *path_from_here(const char *path)
{
	char *here = realpath(".", NULL);
	size_t n = here ? strlen(here) : 0;
	bool below = n > 1 && strncmp(path, here, n) == 0 && path[n] == '/';
	free(here);
	return below ? path + n + 1 : path;
}

char *workspace_runs(const struct workspace *w, struct err *e)
{
	char *runs = xasprintf("%s/runs", w->state);
	mkdir(w->state, 0777);
	if (mkdir(runs, 0777) == 0 || errno == EEXIST)
		return runs;
	err_errno(e, "cannot make %s", runs);
	free(runs);
	return NULL;
}
