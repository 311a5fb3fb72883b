/* cmd_hint.c - `dlab hint`: help with one test, a little more each time it is asked for.
 *
 * stages/NN-x/LAB/hints.md has "## TEST", then "1. ", "2. ", "3. ", each of one or more lines. How far a learner has
 * come stands in .dlab/hints.json: {"echo": {"one": 2}}. */
#include <ctype.h>
#include <stdlib.h>

#include "catalogue.h"
#include "cmd.h"
#include "files.h"
#include "markdown.h"
#include "progress.h"
#include "workspace.h"

extern const struct command cmd_hint;

enum { HINTS_MAX = 1 << 20, LEVELS_MAX = 9 };

struct hints {
	struct slice level[LEVELS_MAX]; /* borrowed from the file's text */
	int n;
};

struct options {
	int64_t level; /* 0: the next one */
};

static int take_option(void *ctx, const struct cmd_option *o, const char *value)
{
	struct options *x = ctx;
	return cmd_number(&cmd_hint, o->name, value, 1, LEVELS_MAX, &x->level);
}

/* --- hints.md --- */

static struct slice take_line(struct slice *text)
{
	const char *end = memchr(text->s, '\n', text->n);
	struct slice line = { text->s, end ? (size_t)(end - text->s) : text->n };
	size_t step = line.n + (end != NULL);
	text->s += step;
	text->n -= step;
	if (line.n > 0 && line.s[line.n - 1] == '\r')
		line.n--;
	return line;
}

static struct slice trimmed(struct slice s)
{
	while (s.n > 0 && isspace((unsigned char)s.s[0])) {
		s.s++;
		s.n--;
	}
	while (s.n > 0 && isspace((unsigned char)s.s[s.n - 1]))
		s.n--;
	return s;
}

/* "## one" -> "one"; "## `one`" too. */
static bool heading_is(struct slice line, const char *id)
{
	if (line.n < 3 || strncmp(line.s, "## ", 3) != 0)
		return false;
	struct slice name = trimmed((struct slice){ line.s + 3, line.n - 3 });
	if (name.n > 1 && name.s[0] == '`' && name.s[name.n - 1] == '`')
		name = (struct slice){ name.s + 1, name.n - 2 };
	return slice_is(name, id);
}

/* "# Title" and the like; "#include" is none. */
static bool is_heading(struct slice line)
{
	size_t n = 0;
	while (n < line.n && line.s[n] == '#')
		n++;
	return n > 0 && n < line.n && line.s[n] == ' ';
}

static bool begins_level(struct slice line)
{
	return line.n > 2 && isdigit((unsigned char)line.s[0]) && line.s[1] == '.' && line.s[2] == ' ';
}

static struct hints find_hints(struct slice text, const char *test)
{
	struct hints h = { .n = 0 };
	bool inside = false;
	while (text.n > 0) {
		struct slice line = take_line(&text);
		if (is_heading(line)) {
			inside = heading_is(line, test);
		} else if (inside && begins_level(line) && h.n < LEVELS_MAX) {
			h.level[h.n++] = (struct slice){ line.s + 3, line.n - 3 };
		} else if (inside && h.n > 0 && trimmed(line).n > 0) { /* goes on: everything up to this line's end */
			h.level[h.n - 1].n = (size_t)(line.s + line.n - h.level[h.n - 1].s);
		}
	}
	return h;
}

static int read_hints(const struct lab *lab, struct buf *text, struct err *e)
{
	char *home = dlab_home(e);
	if (!home)
		return -1;
	char *folder = catalogue_folder(home, lab->id);
	char *path = folder ? xasprintf("%s/hints.md", folder) : NULL;
	int rc = path ? file_read(path, HINTS_MAX, text, e) : err_set(e, "there is no folder for %s in %s/stages", lab->id, home);
	free(path);
	free(folder);
	free(home);
	return rc;
}

/* --- how far the learner has come --- */

static char *memory_path(const struct workspace *w)
{
	return xasprintf("%s/hints.json", w->state);
}

/* A missing or broken memory is an empty one: it is worth no more. */
static json_t *memory_read(const struct workspace *w)
{
	struct err e;
	char *path = memory_path(w);
	json_t *doc = file_exists(path) ? json_read_file(path, HINTS_MAX, &e) : NULL;
	free(path);
	if (json_is_object(doc))
		return doc;
	json_decref(doc);
	return json_object();
}

static void memory_set(json_t *doc, const char *lab, const char *test, int64_t level)
{
	json_t *tests = json_object_get(doc, lab);
	if (!json_is_object(tests)) {
		tests = json_object();
		json_object_set_new(doc, lab, tests);
	}
	json_object_set_new(tests, test, json_integer(level));
}

static int memory_write(const struct workspace *w, const json_t *doc, struct err *e)
{
	char *path = memory_path(w);
	struct buf text = BUF_EMPTY;
	json_print(&text, doc);
	buf_char(&text, '\n');
	int rc = file_replace(path, buf_as_slice(&text), e);
	buf_done(&text);
	free(path);
	return rc;
}

/* --- showing --- */

static void print_hint(const struct lab *lab, const struct test *t, const struct hints *h, int level)
{
	struct style s = style_of(stdout);
	struct buf text = BUF_EMPTY;
	printf("%s%s / %s, hint %d of %d%s\n\n", s.bold, lab->id, t->id, level, h->n, s.off);
	markdown_print(&text, h->level[level - 1], &s, s.width);
	printf("%s\n", buf_cstr(&text));
	buf_done(&text);
	if (level < h->n)
		printf("%d more: `dlab hint %s %s` shows the next.\n", h->n - level, lab->id, t->id);
	else
		printf("That was the last one.%s\n", h->n > 1 ? " Earlier ones: --level 1 and so on." : "");
}

/* The level to show: the one that was asked for, or the one after the last that was seen. */
static int choose_level(const struct hints *h, int64_t asked, int64_t seen, int *level)
{
	if (asked > h->n)
		return cmd_usage(&cmd_hint, "this test has %d hint%s; there is no level %d", h->n, h->n == 1 ? "" : "s", (int)asked);
	*level = asked ? (int)asked : seen < 0 ? 1 : seen < h->n ? (int)seen + 1 : h->n;
	return 0;
}

static int show(const struct workspace *w, const struct lab *lab, const struct test *t, const struct hints *h, int64_t asked)
{
	json_t *memory = memory_read(w);
	int64_t seen = json_get_int(json_get(memory, lab->id), t->id, 0);
	struct err e = { "" };
	int level = 1, rc = choose_level(h, asked, seen, &level);
	if (rc == 0) {
		print_hint(lab, t, h, level);
		memory_set(memory, lab->id, t->id, level > seen ? level : seen);
		rc = memory_write(w, memory, &e) == 0 ? EXIT_PASSED : cmd_world(&e);
	}
	json_decref(memory);
	return rc;
}

/* Without TEST: the first that was tried and is not passed, else the first that is not passed. */
static const struct test *next_test(const struct workspace *w, const struct lab *lab)
{
	const struct test *untried = NULL, *failing = NULL;
	char *file = xasprintf("%s/progress.db", w->state);
	struct err e;
	struct progress *progress = file_exists(file) ? progress_open(w->state, &e) : NULL;
	struct arena arena;
	arena_init(&arena);
	for (const struct test *t = lab->tests; t->id && !failing; t++) {
		struct progress_row row;
		bool tried = progress && progress_find(progress, lab->id, t->id, &arena, &row, &e) == 1;
		if (tried && row.passes == 0)
			failing = t;
		else if (!tried && !untried)
			untried = t;
	}
	arena_done(&arena);
	progress_close(progress);
	free(file);
	return failing ? failing : untried;
}

static int hint(const struct workspace *w, const struct lab *lab, const struct test *t, int64_t asked)
{
	struct buf text = BUF_EMPTY;
	struct err e;
	int rc;
	if (read_hints(lab, &text, &e) != 0) {
		rc = cmd_world(&e);
	} else {
		struct hints h = find_hints(buf_as_slice(&text), t->id);
		rc = h.n ? show(w, lab, t, &h, asked) : cmd_usage(&cmd_hint, "there is no hint for %s / %s", lab->id, t->id);
	}
	buf_done(&text);
	return rc;
}

static int run(int argc, char **argv)
{
	struct options o = { 0 };
	struct cmd_words words;
	struct workspace w;
	struct err e;
	int rc = cmd_parse(&cmd_hint, argc, argv, &words, take_option, &o);
	if (rc != 0)
		return rc < 0 ? EXIT_PASSED : rc;
	if (words.n < 1 || words.n > 2 || words.after)
		return cmd_usage(&cmd_hint, "say which lab and which test, as in `dlab hint echo one`");
	const struct lab *lab = cmd_need_lab(&cmd_hint, words.word[0]);
	const struct test *t = lab && words.n == 2 ? cmd_need_test(&cmd_hint, lab, words.word[1]) : NULL;
	if (!lab || (words.n == 2 && !t))
		return EXIT_USAGE;
	if (workspace_open(&w, &e) != 0)
		return cmd_usage(&cmd_hint, "%s", e.text);
	if (!t)
		t = next_test(&w, lab);
	if (t)
		rc = hint(&w, lab, t, o.level);
	else
		printf("You have passed all tests of %s. `dlab list %s` shows them.\n", lab->id, lab->id);
	workspace_close(&w);
	return rc;
}

static const struct cmd_option options[] = {
	{ "level", 'l', "N", "this hint, from 1 (a nudge) on, instead of the next one", NULL },
	{ 0 },
};

const struct command cmd_hint = {
	.name = "hint",
	.arguments = "LAB [TEST] [--level N]",
	.summary = "Get help with a test, a little more each time",
	.help = "Each test has a few hints, from a nudge to an outline. Every call shows the next one and says how many are left.\n"
		"Without TEST it is the first one that you have not passed.",
	.completes = "@labs @tests",
	.options = options,
	.run = run,
};
