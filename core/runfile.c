#include "runfile.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "registry.h"
#include "text.h"

/* --- finding --- */

static bool is_file(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* "echo/one" fits "echo.one.sim.1.db", and "echo" does. */
static bool name_fits(const char *name, const char *run)
{
	size_t n = strlen(name);
	if (n < 4 || strcmp(name + n - 3, ".db") != 0)
		return false;
	for (; run && *run; run++, name++)
		if (*name != (*run == '/' ? '.' : *run))
			return false;
	return !run || *name == '.';
}

static bool later(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec != b->tv_sec ? a->tv_sec > b->tv_sec : a->tv_nsec > b->tv_nsec;
}

static bool has_failed(const char *path)
{
	struct err ignored;
	struct store_run *r = store_open(path, &ignored);
	struct slice verdict = r ? store_meta_get(r, STORE_VERDICT) : SLICE_NONE;
	bool failed = verdict.n && !slice_is(verdict, "passed");
	store_close(r);
	return failed;
}

static char *newest(const char *folder, const char *run, time_t since, bool failed)
{
	DIR *d = opendir(folder);
	char *best = NULL;
	struct timespec best_time = { 0, 0 };
	for (const struct dirent *e; d && (e = readdir(d));) {
		if (!name_fits(e->d_name, run))
			continue;
		char *path = xasprintf("%s/%s", folder, e->d_name);
		struct stat st;
		bool good = stat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_mtim.tv_sec >= since && (!failed || has_failed(path));
		if (good && (!best || later(&st.st_mtim, &best_time))) {
			free(best);
			best = path;
			best_time = st.st_mtim;
		} else {
			free(path);
		}
	}
	if (d)
		closedir(d);
	return best;
}

char *runfile_find(const struct workspace *w, const char *run, struct err *e)
{
	if (run && is_file(run))
		return xstrdup(run);
	char *folder = xasprintf("%s/runs", w->state);
	char *path = newest(folder, run, 0, false);
	if (!path && run)
		err_set(e, "there is no run \"%s\": neither a file nor a lab's run in %s", run, folder);
	else if (!path)
		err_set(e, "there is no run in %s yet: `dlab test` makes some", folder);
	free(folder);
	return path;
}

char *runfile_newest(const struct workspace *w, time_t since, bool failed)
{
	char *folder = xasprintf("%s/runs", w->state), *path = newest(folder, NULL, since, failed);
	free(folder);
	return path;
}

/* --- what a file says --- */

static char **stored_command(struct store_run *r)
{
	struct err ignored;
	json_t *list = json_read(store_meta_get(r, STORE_COMMAND), &ignored);
	size_t n = json_array_size(list);
	char **argv = n ? xcalloc(n + 1, sizeof *argv) : NULL;
	for (size_t i = 0; i < n; i++) {
		const char *word = json_string_value(json_array_get(list, i));
		if (!word) {
			command_free(argv);
			argv = NULL;
			break;
		}
		argv[i] = xstrdup(word);
	}
	json_decref(list);
	return argv;
}

void runfile_print_command(struct buf *b, struct store_run *r)
{
	char **argv = stored_command(r);
	if (argv)
		command_print(b, argv);
	command_free(argv);
}

static const struct test *find_test(const struct lab *lab, struct slice id)
{
	for (const struct test *t = lab->tests; t->id; t++)
		if (slice_is(id, t->id))
			return t;
	return NULL;
}

bool runfile_is_free(struct store_run *r)
{
	return slice_is(store_meta_get(r, STORE_LAB), "free");
}

static int find_where(struct run_spec *s, struct store_run *r, struct err *e)
{
	struct slice fabric = store_meta_get(r, STORE_FABRIC), seed = store_meta_get(r, STORE_SEED);
	int64_t number = 0;
	if (!fabric.s || !(s->fabric = fabric_find(fabric.s)))
		return err_set(e, "the run does not say which fabric it was on");
	if (!slice_int(seed, &number) || number < 0)
		return err_set(e, "the run does not say its seed");
	s->seed = (uint64_t)number;
	return 0;
}

static int find_what(struct run_spec *s, struct store_run *r, struct err *e)
{
	struct slice lab = store_meta_get(r, STORE_LAB), test = store_meta_get(r, STORE_TEST);
	struct buf b = BUF_EMPTY;
	text_add(&b, lab, 40, false);
	buf_char(&b, '/');
	text_add(&b, test, 40, false);
	for (const struct lab *const *l = all_labs; *l; l++)
		if (slice_is(lab, (*l)->id))
			s->lab = *l;
	s->test = s->lab ? find_test(s->lab, test) : NULL;
	int rc = 0;
	if (runfile_is_free(r))
		rc = err_set(e, "this is a run of free play: a person drove it, so there is no test to repeat");
	else if (!s->test)
		rc = err_set(e, "this dlab has no test %s, which the run is of", buf_cstr(&b));
	else
		rc = find_where(s, r, e);
	buf_done(&b);
	return rc;
}

/* Where the file really is, and whether that is this workspace's folder of runs. */
static bool is_ours(const struct workspace *w, const char *path)
{
	char *runs = xasprintf("%s/runs", w->state), *folder = realpath(runs, NULL), *file = realpath(path, NULL);
	size_t n = folder ? strlen(folder) : 0;
	bool ours = folder && file && strncmp(file, folder, n) == 0 && file[n] == '/' && !strchr(file + n + 1, '/');
	free(runs);
	free(folder);
	free(file);
	return ours;
}

static int find_command(struct rerun *a, const struct workspace *w, const char *path, struct store_run *r, char **after,
	struct err *e)
{
	char **stored = after ? NULL : stored_command(r);
	struct slice cwd = store_meta_get(r, STORE_CWD);
	if (!after && !stored)
		return err_set(e, "the run does not say the command: give it after --");
	if (!after && !is_ours(w, path)) {
		struct buf words = BUF_EMPTY, shown = BUF_EMPTY;
		command_print(&words, stored);
		text_add(&shown, buf_as_slice(&words), 400, false);
		err_set(e, "%s is not in this workspace's .dlab/runs: to start what it says, give the command yourself. It says:%s", path,
			buf_cstr(&shown));
		buf_done(&words);
		buf_done(&shown);
		command_free(stored);
		return -1;
	}
	a->cwd = after || !cwd.n ? realpath(".", NULL) : xstrdup(cwd.s);
	if (a->cwd && access(a->cwd, X_OK) == 0)
		a->argv = command_resolve(after ? after : stored, a->cwd, e);
	else
		err_errno(e, "the folder where the run's nodes were started cannot be entered (%s)", a->cwd ? a->cwd : ".");
	command_free(stored);
	return a->argv ? 0 : -1;
}

int rerun_open_free(struct rerun *a, const struct workspace *w, const char *path, struct store_run *r, char **after,
	struct err *e)
{
	*a = (struct rerun){ .spec = { .core = -1 } };
	if (find_where(&a->spec, r, e) != 0 || find_command(a, w, path, r, after, e) != 0) {
		rerun_close(a);
		return -1;
	}
	a->spec.nodes = store_lanes(r)->nodes;
	a->spec.first = store_lanes(r)->first;
	a->spec.argv = a->argv;
	a->spec.cwd = a->cwd;
	return 0;
}

void rerun_close(struct rerun *a)
{
	command_free(a->argv);
	free(a->cwd);
	free(a->repeat);
	skip_done(&a->skip);
	*a = (struct rerun){ 0 };
}

int rerun_open(struct rerun *a, const struct workspace *w, const char *path, struct store_run *r, char **after, struct err *e)
{
	*a = (struct rerun){ .spec = { .core = -1 } };
	if (find_what(&a->spec, r, e) != 0)
		return -1;
	struct slice skip = store_meta_get(r, STORE_SKIP);
	if (skip_parse(&a->skip, skip, e) != 0) {
		err_wrap(e, "what the run left out");
		return -1;
	}
	if (find_command(a, w, path, r, after, e) != 0) {
		rerun_close(a);
		return -1;
	}
	const struct lanes *l = store_lanes(r);
	a->spec.nodes = l->nodes == a->spec.test->nodes ? 0 : l->nodes;
	a->spec.first = l->first;
	a->spec.argv = a->argv;
	a->spec.cwd = a->cwd;
	a->spec.skip = a->skip;
	a->repeat = xasprintf("dlab test %s -t %s --fabric %s --seed %llu", a->spec.lab->id, a->spec.test->id,
		a->spec.fabric->name, (unsigned long long)a->spec.seed);
	return 0;
}
