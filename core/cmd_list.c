/* cmd_list.c - `dlab list`: the roadmap and what of it is done. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "catalogue.h"
#include "cmd.h"
#include "progress.h"
#include "style.h"
#include "workspace.h"

extern const struct command cmd_list;

enum { BAR_CELLS = 10 };

struct view {
	struct style style;
	struct progress *progress; /* owned; NULL: nothing was done here yet */
	struct arena arena;
	bool json;
};

static int take_option(void *ctx, const struct cmd_option *o, const char *value)
{
	struct view *v = ctx;
	(void)o;
	(void)value;
	v->json = true;
	return 0;
}

/* Looking must not make a folder: the progress is opened only where there is some. */
static int open_progress(struct view *v, const struct workspace *w, struct err *e)
{
	char *file = xasprintf("%s/progress.db", w->state);
	bool there = access(file, F_OK) == 0;
	free(file);
	if (!there)
		return 0;
	v->progress = progress_open(w->state, e);
	return v->progress ? 0 : -1;
}

/* Points that were earned; never -1: a failure is in e and gives 0. */
static unsigned earned(struct view *v, const struct lab *lab, struct err *e)
{
	int points = v->progress ? progress_lab_points(v->progress, lab, e) : 0;
	return points > 0 ? (unsigned)points : 0;
}

/* 1: the row of a test that was tried; 0: it never was. */
static int row_of(struct view *v, const struct lab *lab, const struct test *t, struct progress_row *row)
{
	struct err e;
	*row = (struct progress_row){ .last_verdict = "", .last_rule = "" };
	return v->progress && progress_find(v->progress, lab->id, t->id, &v->arena, row, &e) == 1;
}

/* --- JSON --- */

static json_t *test_json(struct view *v, const struct lab *lab, const struct test *t)
{
	struct progress_row row;
	json_t *j = json_object();
	json_object_set_new(j, "id", json_string(t->id));
	json_object_set_new(j, "title", json_string(t->title));
	json_object_set_new(j, "kind", json_string(test_kind_name(t->kind)));
	json_object_set_new(j, "points", json_integer(t->points));
	json_object_set_new(j, "nodes", json_integer(t->nodes));
	int tried = row_of(v, lab, t, &row);
	json_object_set_new(j, "passed", json_boolean(row.passes > 0));
	json_object_set_new(j, "attempts", json_integer(row.attempts));
	json_object_set_new(j, "last_verdict", tried ? json_string(row.last_verdict) : json_null());
	json_object_set_new(j, "last_rule", tried && *row.last_rule ? json_string(row.last_rule) : json_null());
	return j;
}

static json_t *lab_json(struct view *v, const struct lab *lab, struct err *e)
{
	json_t *j = json_object(), *tests = json_array();
	json_object_set_new(j, "id", json_string(lab->id));
	json_object_set_new(j, "title", json_string(lab->title));
	json_object_set_new(j, "kind", json_string(lab->kind == LAB_SOCKETS ? "sockets" : "lines"));
	json_object_set_new(j, "stage", json_integer(lab->stage));
	json_object_set_new(j, "stage_name", json_string(stage_slug(lab->stage)));
	json_object_set_new(j, "points", json_integer(catalogue_points(lab)));
	json_object_set_new(j, "earned", json_integer(earned(v, lab, e)));
	for (const struct test *t = lab->tests; t->id; t++)
		json_array_append_new(tests, test_json(v, lab, t));
	json_object_set_new(j, "tests", tests);
	return j;
}

static void print_json(struct view *v, const struct lab *only, struct err *e)
{
	json_t *doc = json_object(), *labs = json_array();
	for (int stage = 1; stage <= STAGE_COUNT; stage++)
		for (const struct lab *const *l = all_labs; *l; l++)
			if ((*l)->stage == stage && (!only || only == *l))
				json_array_append_new(labs, lab_json(v, *l, e));
	json_object_set_new(doc, "version", json_string(DLAB_VERSION));
	json_object_set_new(doc, "labs", labs);
	json_dumpf(doc, stdout, JSON_INDENT(1));
	putchar('\n');
	json_decref(doc);
}

/* --- text --- */

static void print_bar(const struct style *s, unsigned got, unsigned of)
{
	unsigned full = of ? got * BAR_CELLS / of : 0;
	printf("%s", got == of ? s->green : s->yellow);
	for (unsigned i = 0; i < full; i++)
		printf("%s", s->bar_full);
	printf("%s%s", s->off, s->dim);
	for (unsigned i = full; i < BAR_CELLS; i++)
		printf("%s", s->bar_empty);
	printf("%s", s->off);
}

static void print_stage(int stage)
{
	char name[40];
	snprintf(name, sizeof name, "%s", stage_slug(stage));
	for (char *c = name; *c; c++)
		if (*c == '-')
			*c = ' ';
	printf("\nStage %d: %s\n", stage, name);
}

static void print_lab_line(struct view *v, const struct lab *lab, struct err *e)
{
	unsigned all = catalogue_points(lab), got = earned(v, lab, e);
	printf("  %-16s ", lab->id);
	print_bar(&v->style, got, all);
	printf(" %3u/%-3u  %s\n", got, all, lab->title);
}

static void print_roadmap(struct view *v, struct err *e)
{
	const struct lab *next = NULL;
	unsigned all = 0, got = 0;
	printf("%sThe labs%s\n", v->style.bold, v->style.off);
	for (int stage = 1; stage <= STAGE_COUNT; stage++) {
		bool head = false;
		for (const struct lab *const *l = all_labs; *l; l++) {
			if ((*l)->stage != stage)
				continue;
			if (!head)
				print_stage(stage);
			head = true;
			print_lab_line(v, *l, e);
			all += catalogue_points(*l);
			got += earned(v, *l, e);
			if (!next && earned(v, *l, e) < catalogue_points(*l))
				next = *l;
		}
	}
	printf("\n%u of %u points.", got, all);
	if (next)
		printf(" Next: `dlab guide %s`, then `dlab test %s`.", next->id, next->id);
	printf("\n`dlab list LAB` shows a lab's tests.\n");
}

static void print_test_line(struct view *v, const struct lab *lab, const struct test *t, int wide)
{
	const struct style *s = &v->style;
	struct progress_row row;
	int tried = row_of(v, lab, t, &row);
	bool passed = row.passes > 0;
	const char *mark = passed ? s->pass : tried ? s->fail : s->skip;
	const char *colour = passed ? s->green : tried ? s->red : s->dim;
	int pad = strcmp(mark, "FAILED") == 0 || strcmp(s->fail, "FAILED") == 0 ? 6 - (int)strlen(mark) : 0;
	printf("  %s%s%s%*s  %-*s %3u  %-10s  %s", colour, mark, s->off, pad, "", wide, t->id, t->points, test_kind_name(t->kind),
		t->title);
	if (!tried)
		printf("\n");
	else if (strcmp(row.last_verdict, "PASS") == 0)
		printf("  %s(last: passed)%s\n", s->dim, s->off);
	else
		printf("  %s(last: %s%s%s)%s\n", s->dim, strcmp(row.last_verdict, "FAIL") == 0 ? "failed" : "undecided",
			*row.last_rule ? ": " : "", row.last_rule, s->off);
}

static void print_lab(struct view *v, const struct lab *lab, struct err *e)
{
	int wide = 0;
	for (const struct test *t = lab->tests; t->id; t++)
		if ((int)strlen(t->id) > wide)
			wide = (int)strlen(t->id);
	printf("%s%s%s: %s (stage %d, %s)\n\n", v->style.bold, lab->id, v->style.off, lab->title, lab->stage,
		stage_slug(lab->stage));
	for (const struct test *t = lab->tests; t->id; t++)
		print_test_line(v, lab, t, wide);
	printf("\n%u of %u points. `dlab guide %s` explains the lab, `dlab hint %s TEST` helps with a test.\n",
		earned(v, lab, e), catalogue_points(lab), lab->id, lab->id);
}

static int show(struct view *v, const struct lab *lab)
{
	struct workspace w;
	struct err e = { "" };
	if (workspace_open(&w, &e) != 0)
		return cmd_usage(&cmd_list, "%s", e.text);
	int rc = open_progress(v, &w, &e);
	if (rc == 0 && v->json)
		print_json(v, lab, &e);
	else if (rc == 0 && lab)
		print_lab(v, lab, &e);
	else if (rc == 0)
		print_roadmap(v, &e);
	progress_close(v->progress);
	workspace_close(&w);
	return *e.text ? cmd_world(&e) : EXIT_PASSED;
}

static int run(int argc, char **argv)
{
	struct view v = { .style = style_of(stdout) };
	struct cmd_words words;
	const struct lab *lab = NULL;
	int rc = cmd_parse(&cmd_list, argc, argv, &words, take_option, &v);
	if (rc != 0)
		return rc < 0 ? EXIT_PASSED : rc;
	if (words.n > 1 || words.after)
		return cmd_usage(&cmd_list, "one lab at most");
	if (words.n == 1 && !(lab = cmd_need_lab(&cmd_list, words.word[0])))
		return EXIT_USAGE;
	arena_init(&v.arena);
	rc = show(&v, lab);
	arena_done(&v.arena);
	return rc;
}

static const struct cmd_option options[] = {
	{ "json", 0, NULL, "as JSON on stdout", NULL },
	{ 0 },
};

const struct command cmd_list = {
	.name = "list",
	.arguments = "[LAB] [--json]",
	.summary = "Show the roadmap and your progress, or a lab's tests",
	.help = "Without LAB: all labs by stages, with the points that you have. With LAB: its tests, what each is worth, of\n"
		"which kind it is, and how it ended last time. Kinds: safety (never wrong), liveness (goes on), efficiency\n"
		"(messages, bytes), timing. A test that was passed once stays passed.",
	.completes = "@labs",
	.options = options,
	.run = run,
};
