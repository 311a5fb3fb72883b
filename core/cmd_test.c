/* cmd_test.c - `dlab test`: grade a node. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "catalogue.h"
#include "cmd.h"
#include "jobs.h"
#include "progress.h"
#include "report.h"
#include "workspace.h"

extern const struct command cmd_test;

enum { SEEDS_MAX = 1000000, JOBS_MAX = 64 };
enum { FORM_JSON, FORM_JUNIT, FORM_HTML, FORMS };

struct options {
	const char *test, *fabric, *image;
	const char *file[FORMS]; /* where a form of the report goes, in the order of `forms`; or NULL */
	int64_t seed, seeds, jobs, first;
	bool check_determinism, keep_all, first_failure;
	struct skip_set skip;
};

static int take_skip(struct options *x, const char *value)
{
	struct err e;
	skip_done(&x->skip);
	return skip_parse(&x->skip, slice_of(value), &e) == 0 ? 0 : cmd_usage(&cmd_test, "--skip: %s", e.text);
}

static int take_option(void *ctx, const struct cmd_option *o, const char *value)
{
	struct options *x = ctx;
	if (strcmp(o->name, "test") == 0)
		x->test = value;
	else if (strcmp(o->name, "fabric") == 0)
		x->fabric = value;
	else if (strcmp(o->name, "image") == 0)
		x->image = value;
	else if (strcmp(o->name, "json") == 0)
		x->file[FORM_JSON] = value;
	else if (strcmp(o->name, "junit") == 0)
		x->file[FORM_JUNIT] = value;
	else if (strcmp(o->name, "html") == 0)
		x->file[FORM_HTML] = value;
	else if (strcmp(o->name, "check-determinism") == 0)
		x->check_determinism = true;
	else if (strcmp(o->name, "keep") == 0)
		x->keep_all = true;
	else if (strcmp(o->name, "first-failure") == 0)
		x->first_failure = true;
	else if (strcmp(o->name, "skip") == 0)
		return take_skip(x, value);
	else if (strcmp(o->name, "seed") == 0)
		return cmd_number(&cmd_test, o->name, value, 0, INT64_MAX / 2, &x->seed);
	else if (strcmp(o->name, "first") == 0)
		return cmd_number(&cmd_test, o->name, value, 0, 1, &x->first);
	else if (strcmp(o->name, "seeds") == 0)
		return cmd_number(&cmd_test, o->name, value, 1, SEEDS_MAX, &x->seeds);
	else if (strcmp(o->name, "jobs") == 0)
		return cmd_number(&cmd_test, o->name, value, 1, JOBS_MAX, &x->jobs);
	return 0;
}

/* --- which lab, when none is named: the folder we stand in, else the first that is not passed yet --- */

static const struct lab *lab_of_folder(const struct workspace *w)
{
	char *here = realpath(".", NULL);
	const struct lab *lab = NULL;
	size_t n = strlen(w->root);
	if (here && strncmp(here, w->root, n) == 0 && here[n] == '/') {
		char *name = here + n + 1;
		name[strcspn(name, "/")] = '\0';
		lab = catalogue_lab(name);
	}
	free(here);
	return lab;
}

static const struct lab *next_lab(const struct workspace *w)
{
	struct err e;
	struct progress *progress = progress_open(w->state, &e);
	const struct lab *best = NULL;
	for (const struct lab *const *l = all_labs; *l; l++) {
		if (!json_get(json_get(w->doc, "labs"), (*l)->id))
			continue;
		if (progress && progress_lab_points(progress, *l, &e) >= (int)catalogue_points(*l))
			continue;
		if (!best || (*l)->stage < best->stage)
			best = *l;
	}
	progress_close(progress);
	return best;
}

static int choose_lab(const struct cmd_words *words, const struct workspace *w, const struct lab **lab)
{
	if (words->n > 1)
		return cmd_usage(&cmd_test, "one lab at a time, please; \"%s\" is one word too many", words->word[1]);
	if (words->n == 1) {
		*lab = cmd_need_lab(&cmd_test, words->word[0]);
		return *lab ? 0 : EXIT_USAGE;
	}
	if (words->after)
		return cmd_usage(&cmd_test, "say which lab the command is for, as in `dlab test echo -- COMMAND`");
	*lab = lab_of_folder(w);
	if (!*lab && w->doc)
		*lab = next_lab(w);
	return *lab ? 0 : cmd_usage(&cmd_test, "say which lab; `dlab list` shows them");
}

/* --- making the jobs --- */

struct plan {
	const struct lab *lab;
	const struct fabric_ops *fabric;
	char **argv;           /* owned */
	char *cwd;             /* owned */
	char *words;           /* owned; " -- python3 x.py" */
	char *runs;            /* owned */
	struct job *jobs;      /* owned */
	struct test_report *tests; /* owned */
	size_t tests_n, jobs_n;
	struct lab_report report;
	struct style style;
	struct progress *progress;
	const struct options *options;
	bool start_failed, started; /* of some run */
	size_t line;           /* the test whose line comes next */
};

static void fill_job(struct plan *p, struct job *j, const struct test *t, uint64_t seed)
{
	const struct options *o = p->options;
	j->spec = (struct run_spec){ .lab = p->lab, .test = t, .fabric = p->fabric, .argv = p->argv, .cwd = p->cwd, .image = o->image,
		.seed = seed, .first = (int)o->first, .core = -1, .skip = o->skip,
		.store_failed_only = o->seeds > 1 && !o->keep_all };
	j->twice = o->check_determinism;
	j->store_path = xasprintf("%s/%s.%s.%s.%llu%s.db", p->runs, p->lab->id, t->id, p->fabric->name,
		(unsigned long long)seed, skip_is_empty(&o->skip) ? "" : ".skip");
}

static int make_jobs(struct plan *p)
{
	const struct options *o = p->options;
	size_t all = catalogue_tests(p->lab);
	if (o->test && !cmd_need_test(&cmd_test, p->lab, o->test))
		return EXIT_USAGE;
	p->tests = xcalloc(all, sizeof *p->tests);
	p->jobs = xcalloc(all * (size_t)o->seeds, sizeof *p->jobs);
	for (size_t i = 0; i < all; i++) {
		const struct test *t = &p->lab->tests[i];
		if (o->test && strcmp(o->test, t->id) != 0)
			continue;
		struct test_report *r = &p->tests[p->tests_n++];
		*r = (struct test_report){ .test = t, .jobs = &p->jobs[p->jobs_n], .n = (size_t)o->seeds };
		for (size_t k = 0; k < r->n; k++)
			fill_job(p, &p->jobs[p->jobs_n++], t, (uint64_t)o->seed + k);
	}
	return 0;
}

/* --- while it runs --- */

static struct test_report *report_of(struct plan *p, const struct job *j)
{
	return &p->tests[(size_t)(j - p->jobs) / (size_t)p->options->seeds];
}

static void record_test(struct plan *p, const struct test_report *t)
{
	const struct job *last = t->worst ? t->worst : &t->jobs[t->n - 1];
	static const char *const names[] = { "PASS", "FAIL", "UNKNOWN" };
	if (!p->progress || last->result.verdict == VERDICT_WORLD)
		return;
	struct progress_result r = { .lab = p->lab->id, .test = t->test->id, .verdict = names[last->result.verdict],
		.rule = last->result.rule, .passed = test_report_passed(t), .seed = last->spec.seed, .time_s = time(NULL) };
	struct err e;
	if (progress_record(p->progress, &r, 1, &e) != 0)
		fprintf(stderr, "dlab: the progress was not recorded: %s\n", e.text);
}

/* Lines come in the order of the table, also when the workers finish in another. */
static void print_ready_lines(struct plan *p)
{
	while (p->line < p->tests_n && p->tests[p->line].done == p->tests[p->line].n) {
		record_test(p, &p->tests[p->line]);
		report_test_line(stdout, &p->style, &p->report, &p->tests[p->line++]);
	}
}

static bool job_ended(void *ctx, struct job *j)
{
	struct plan *p = ctx;
	struct test_report *t = report_of(p, j);
	t->done++;
	t->passed += j->result.verdict == VERDICT_PASS;
	if (j->result.verdict != VERDICT_PASS && (!t->worst || j->spec.seed < t->worst->spec.seed))
		t->worst = j;
	p->start_failed |= j->result.start_failed;
	p->started |= !j->result.start_failed && j->result.verdict != VERDICT_WORLD;
	print_ready_lines(p);
	if (p->line < p->tests_n)
		report_progress(stdout, &p->style, &p->report, &p->tests[p->line]);
	if (p->options->first_failure && j->result.verdict != VERDICT_PASS)
		return false;
	if (p->start_failed && !p->started)
		return false;
	return j->result.verdict != VERDICT_WORLD && !ferror(stdout); /* nobody reads: head -1 */
}

static void print_rest(struct plan *p)
{
	for (; p->line < p->tests_n; p->line++) {
		if (p->tests[p->line].done)
			record_test(p, &p->tests[p->line]);
		report_test_line(stdout, &p->style, &p->report, &p->tests[p->line]);
	}
	report_failures(stdout, &p->style, &p->report);
	report_lab_tail(stdout, &p->style, &p->report);
	if (p->start_failed && p->started)
		printf("The node started in some runs and not in others: it has 10 s of real time for that. Was the machine too busy?\n");
	else if (p->start_failed && p->tests_n > 1)
		printf("The other tests were not run: a node that does not start fails them all.\n");
}

static void print_passing_notices(const struct plan *p)
{
	for (size_t i = 0; i < p->tests_n; i++) {
		const struct test_report *t = &p->tests[i];
		if (t->worst || !t->done)
			continue;
		const struct result *r = &t->jobs[t->n - 1].result;
		for (int k = 0; k < r->notices_n; k++)
			printf("  %snoticed%s in %s: %s\n", p->style.dim, p->style.off, t->test->id, r->notices[k]);
	}
}

static void write_json(FILE *f, const struct lab_report *r)
{
	json_t *doc = report_json(r);
	json_dumpf(doc, f, JSON_INDENT(1));
	fputc('\n', f);
	json_decref(doc);
}

static void write_junit(FILE *f, const struct lab_report *r)
{
	report_junit(f, r, 1);
}

/* The forms of a report that go into a file. */
static const struct form {
	void (*write)(FILE *, const struct lab_report *);
} forms[FORMS] = { [FORM_JSON] = { write_json }, [FORM_JUNIT] = { write_junit }, [FORM_HTML] = { report_html } };

static int write_file(const char *path, const struct plan *p, void (*write)(FILE *, const struct lab_report *))
{
	FILE *f = strcmp(path, "-") == 0 ? stdout : fopen(path, "w");
	struct err e;
	if (!f) {
		err_errno(&e, "cannot write %s", path);
		return cmd_world(&e);
	}
	write(f, &p->report);
	int rc = f == stdout ? fflush(f) : fclose(f);
	if (rc == 0)
		return 0;
	err_errno(&e, "cannot write %s", path);
	return cmd_world(&e);
}

static int exit_status(const struct plan *p)
{
	int status = EXIT_PASSED;
	for (size_t i = 0; i < p->tests_n; i++) {
		const struct test_report *t = &p->tests[i];
		if (t->worst && t->worst->result.verdict == VERDICT_WORLD)
			return EXIT_WORLD;
		if (!test_report_passed(t))
			status = EXIT_FAILED;
	}
	return status;
}

/* Only to a person: what a file or a pipe gets is the report. */
static void offer_dashboard(const struct plan *p)
{
	for (size_t i = 0; i < p->tests_n && p->style.terminal && cmd_find("open"); i++) {
		const struct job *j = p->tests[i].worst;
		if (j && j->store_path && j->result.verdict != VERDICT_WORLD) {
			printf("%sdlab open %s%s shows it on the screen, at its evidence\n", p->style.dim, path_from_here(j->store_path), p->style.off);
			return;
		}
	}
}

static int run_plan(struct plan *p, struct err *e)
{
	const struct options *o = p->options;
	int64_t began = clock_ns();
	bool quiet = false;
	for (int i = 0; i < FORMS; i++)
		quiet |= o->file[i] && strcmp(o->file[i], "-") == 0;
	int saved = -1;
	if (quiet) { /* the report goes to stdout alone */
		fflush(stdout);
		saved = dup(STDOUT_FILENO);
		if (!freopen("/dev/null", "w", stdout))
			return cmd_world(e);
	}
	report_lab_head(stdout, &p->style, &p->report);
	report_progress(stdout, &p->style, &p->report, &p->tests[0]);
	if (jobs_run(p->jobs, p->jobs_n, (int)o->jobs, job_ended, p, e) != 0)
		return cmd_world(e);
	p->report.real_ns = clock_ns() - began;
	print_rest(p);
	print_passing_notices(p);
	offer_dashboard(p);
	if (quiet) {
		fflush(stdout);
		dup2(saved, STDOUT_FILENO);
		close(saved);
	}
	for (int i = 0; i < FORMS; i++)
		if (o->file[i] && write_file(o->file[i], p, forms[i].write) != 0)
			return EXIT_WORLD;
	return exit_status(p);
}

static void plan_done(struct plan *p)
{
	for (size_t i = 0; i < p->jobs_n; i++) {
		free(p->jobs[i].store_path);
		result_done(&p->jobs[i].result);
	}
	free(p->jobs);
	free(p->tests);
	command_free(p->argv);
	free(p->cwd);
	free(p->words);
	free(p->runs);
	progress_close(p->progress);
}

/* The command, where it starts, and whether the fabric fits the lab. */
static int prepare(struct plan *p, const struct workspace *w, char **after, struct err *e)
{
	const struct options *o = p->options;
	const char *fabric = o->fabric ? o->fabric : p->lab->kind == LAB_SOCKETS ? "proc" : "sim";
	p->fabric = fabric_find(fabric);
	if (!p->fabric)
		return cmd_usage(&cmd_test, "there is no fabric \"%s\": sim, proc or docker", fabric);
	if (p->lab->kind == LAB_SOCKETS && p->fabric->deterministic)
		return cmd_usage(&cmd_test, "%s speaks over raw sockets, which have no virtual time: use --fabric proc or docker", p->lab->id);
	if (o->image && p->fabric != &fabric_docker)
		return cmd_usage(&cmd_test, "--image is for --fabric docker");
	if (o->check_determinism && !p->fabric->deterministic)
		return cmd_usage(&cmd_test, "--check-determinism is for --fabric sim: real time never repeats");
	if (!skip_is_empty(&o->skip) && (!o->test || !p->fabric->deterministic))
		return cmd_usage(&cmd_test, "--skip leaves out parts of one test on sim: it needs --test and --fabric sim");
	if (!after && workspace_build(w, p->lab->id, e) != 0) {
		cmd_world(e);
		return EXIT_FAILED;
	}
	char **words = after ? NULL : workspace_command(w, p->lab->id, e);
	if (!after && !words)
		return cmd_usage(&cmd_test, "%s", e->text);
	p->cwd = after ? realpath(".", NULL) : xstrdup(w->root);
	if (!p->cwd) {
		err_errno(e, "cannot find the current folder");
		command_free(words);
		return cmd_world(e);
	}
	struct buf typed = BUF_EMPTY;
	buf_str(&typed, o->first == 0 ? " --first 0" : "");
	if (after)
		command_print(&typed, after);
	p->words = xstrdup(buf_cstr(&typed));
	buf_done(&typed);
	p->argv = command_resolve(after ? after : words, p->cwd, e);
	command_free(words);
	if (!p->argv)
		return cmd_usage(&cmd_test, "%s", e->text);
	p->runs = workspace_runs(w, e);
	return p->runs ? 0 : cmd_world(e);
}

static int run(int argc, char **argv)
{
	struct options o = { .seed = 1, .seeds = 1, .jobs = 1, .first = 1 };
	struct cmd_words words;
	struct workspace w;
	struct err e = { "" };
	if (cmd_wants_watch(argc, argv))
		return cmd_watch(&cmd_test, "--test", argc, argv);
	int rc = cmd_parse(&cmd_test, argc, argv, &words, take_option, &o);
	if (rc != 0)
		return rc < 0 ? EXIT_PASSED : rc;
	rc = workspace_open(&w, &e);
	if (rc != 0)
		return rc == WORKSPACE_NOWHERE ? cmd_world(&e) : cmd_usage(&cmd_test, "%s", e.text);
	struct plan p = { .options = &o, .style = style_of(stdout) };
	rc = choose_lab(&words, &w, &p.lab);
	if (rc == 0)
		rc = prepare(&p, &w, words.after, &e);
	if (rc == 0)
		rc = make_jobs(&p);
	if (rc == 0) {
		p.report = (struct lab_report){ .lab = p.lab, .fabric = p.fabric->name, .seed = (uint64_t)o.seed, .tests = p.tests,
			.n = p.tests_n, .command_words = p.words };
		p.progress = words.after || !skip_is_empty(&o.skip) ? NULL : progress_open(w.state, &e);
		rc = run_plan(&p, &e);
	}
	plan_done(&p);
	skip_done(&o.skip);
	workspace_close(&w);
	return rc;
}

static const struct cmd_option options[] = {
	{ "test", 't', "TEST", "only this test", "@tests" },
	{ "fabric", 'f', "NAME", "sim (virtual time, repeatable; default), proc (real processes, wall clock) or docker (containers, a real network)",
		"sim proc docker" },
	{ "image", 0, "IMAGE", "docker: run the nodes in this image (default: dlab's own, a Debian with Python)", NULL },
	{ "seed", 's', "N", "the first seed; the same seed gives the same run on sim (default 1)", NULL },
	{ "seeds", 'n', "N", "how many seeds to run, from the first on (default 1)", NULL },
	{ "first", 0, "N", "number in the first node's name, 0 or 1 (default 1; nodes written for Maelstrom may count on n0)", "0 1" },
	{ "jobs", 'j', "N", "worker processes, each on a core of its own (default 1)", NULL },
	{ "check-determinism", 0, NULL, "run each seed twice and name the first event that differs", NULL },
	{ "skip", 0, "LIST", "leave out these operations and faults, as `dlab shrink` prints them: 0-7,9-", NULL },
	{ "first-failure", 'x', NULL, "stop at the first run that does not pass", NULL },
	{ "keep", 0, NULL, "with --seeds: keep the files of all runs, not only of those that failed", NULL },
	{ "watch", 'w', NULL, "look on in the dashboard, which stays at the evidence of a failure", NULL },
	{ "json", 0, "FILE", "write the results as JSON (- is stdout)", "@files" },
	{ "junit", 0, "FILE", "write the results as JUnit XML (- is stdout)", "@files" },
	{ "html", 0, "FILE", "write the results as one page of HTML (- is stdout)", "@files" },
	{ 0 },
};

const struct command cmd_test = {
	.name = "test",
	.arguments = "[LAB] [OPTIONS] [-- COMMAND...]",
	.summary = "Grade a node: run a lab's tests against it",
	.help = "Starts the node as real processes, plays each test's scenario, judges what happened and says why.\n"
		"In a workspace (`dlab new`) the command comes from dlab.json, and without LAB it is the lab of the folder you\n"
		"stand in, or the first that you have not passed. Elsewhere give the command after --.\n"
		"Exit status: 0 all passed, 1 a test failed, 2 used wrongly, 3 the world failed (no disk, no program, no Docker).\n"
		"Ctrl-C and SIGTERM end it at once (130 and 143 in a shell); its nodes end and their folder goes, also after SIGKILL.",
	.completes = "@labs",
	.options = options,
	.run = run,
};
