/* cmd_new_lab.c - `dlab new-lab`: for authors. A tiny lab that works, made from core/template/: judge, guide, hints,
 * starters, solutions and wrong solutions, so that an author starts from green. */
#include <ctype.h>
#include <stdlib.h>

#include "catalogue.h"
#include "cmd.h"
#include "files.h"
#include "workspace.h"

extern const struct command cmd_new_lab;

enum { ID_MAX = 30, TITLE_MAX = 60, TEMPLATE_MAX = 1 << 20 };

/* @STAGES@ is the stage's folder, @LAB@ the id. */
static const struct { const char *from, *to; } files[] = {
	{ "judge.c.in", "labs/@LAB@.c" },
	{ "guide.md.in", "@STAGES@/@LAB@/guide.md" },
	{ "hints.md.in", "@STAGES@/@LAB@/hints.md" },
	{ "start.py.in", "@STAGES@/@LAB@/start/python/@LAB@.py" },
	{ "start.c.in", "@STAGES@/@LAB@/start/c/@LAB@.c" },
	{ "start.go.in", "@STAGES@/@LAB@/start/go/main.go" },
	{ "start.go.mod.in", "@STAGES@/@LAB@/start/go/go.mod" },
	{ "solution.py.in", "solutions/@LAB@/python/@LAB@.py" },
	{ "solution.c.in", "solutions/@LAB@/c/@LAB@.c" },
	{ "solution.go.in", "solutions/@LAB@/go/main.go" },
	{ "solution.go.mod.in", "solutions/@LAB@/go/go.mod" },
	{ "wrong_same.py.in", "tests/wrong/@LAB@/same_value.py" },
	{ "wrong_first_only.py.in", "tests/wrong/@LAB@/first_node_only.py" },
};

struct options {
	int64_t stage;
	const char *title;
};

struct making {
	const char *home; /* borrowed: the source tree */
	const char *id, *title;
	char *id_c;       /* owned: dashes as underscores */
	char *stages;     /* owned: "stages/01-foundations" */
	char number[4];   /* of the stage */
};

static int take_option(void *ctx, const struct cmd_option *o, const char *value)
{
	struct options *x = ctx;
	if (strcmp(o->name, "stage") == 0)
		return cmd_number(&cmd_new_lab, o->name, value, 1, STAGE_COUNT, &x->stage);
	for (const char *c = value; *c; c++)
		if (strchr("\"\\*/@%", *c) || iscntrl((unsigned char)*c))
			return cmd_usage(&cmd_new_lab, "--title is plain text, without any of \" \\ * / @ %%");
	if (!*value || strlen(value) > TITLE_MAX)
		return cmd_usage(&cmd_new_lab, "--title takes 1 to %d bytes", TITLE_MAX);
	x->title = value;
	return 0;
}

/* A text with its @NAMES@ replaced. */
static void fill_in(const struct making *m, struct slice text, struct buf *out)
{
	const struct { const char *name, *value; } values[] = {
		{ "@LAB@", m->id }, { "@LAB_C@", m->id_c }, { "@TITLE@", m->title }, { "@STAGES@", m->stages }, { "@STAGE@", m->number },
	};
	for (size_t i = 0; i < text.n;) {
		size_t k = 0, n = 0;
		for (; k < ARRAY_LEN(values); k++) {
			n = strlen(values[k].name);
			if (text.n - i >= n && memcmp(text.s + i, values[k].name, n) == 0)
				break;
		}
		if (k < ARRAY_LEN(values)) {
			buf_str(out, values[k].value);
			i += n;
		} else {
			buf_char(out, text.s[i++]);
		}
	}
}

/* Where a file goes; owned by the caller. */
static char *target(const struct making *m, const char *to)
{
	struct buf b = BUF_EMPTY;
	fill_in(m, slice_of(to), &b);
	char *path = xasprintf("%s/%s", m->home, buf_cstr(&b));
	buf_done(&b);
	return path;
}

static int make_file(const struct making *m, const char *from, const char *to, struct err *e)
{
	struct buf text = BUF_EMPTY, filled = BUF_EMPTY;
	char *source = xasprintf("%s/core/template/%s", m->home, from), *path = target(m, to);
	int rc = file_read(source, TEMPLATE_MAX, &text, e);
	if (rc == 0) {
		fill_in(m, buf_as_slice(&text), &filled);
		rc = file_write_new(path, buf_as_slice(&filled), e);
	}
	if (rc == 0)
		printf("  %s\n", path + strlen(m->home) + 1);
	buf_done(&text);
	buf_done(&filled);
	free(source);
	free(path);
	return rc;
}

/* All or nothing: an id that is half taken is refused before anything is made. */
static int refuse_taken(const struct making *m)
{
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		char *path = target(m, files[i].to);
		bool taken = file_exists(path);
		if (taken)
			cmd_usage(&cmd_new_lab, "%s is there already", path);
		free(path);
		if (taken)
			return EXIT_USAGE;
	}
	return 0;
}

static bool id_is_good(const char *id)
{
	size_t n = strlen(id);
	if (n < 2 || n > ID_MAX || !islower((unsigned char)id[0]) || id[n - 1] == '-' || strstr(id, "--"))
		return false;
	return strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789-") == n;
}

static int make(const struct making *m)
{
	struct err e;
	int rc = refuse_taken(m);
	if (rc != 0)
		return rc;
	printf("Made in %s:\n", m->home);
	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		if (make_file(m, files[i].from, files[i].to, &e) != 0)
			return cmd_world(&e);
	printf("\nNow:\n  make && build/dlab test %s -- python3 solutions/%s/python/%s.py\n  make check-labs\n", m->id, m->id, m->id);
	printf("Then change the judge, the guide and the solutions together; each test is named in the guide and in hints.md.\n");
	return EXIT_PASSED;
}

static int make_at(const char *home, const char *id, const struct options *o)
{
	struct making m = { .home = home, .id = id, .title = o->title ? o->title : "one more" };
	char *folder = stage_folder(home, (int)o->stage);
	char *judge = xasprintf("%s/core/template/judge.c.in", home);
	m.id_c = xstrdup(id);
	for (char *c = m.id_c; *c; c++)
		*c = *c == '-' ? '_' : *c;
	m.stages = xstrdup(folder + strlen(home) + 1);
	snprintf(m.number, sizeof m.number, "%d", (int)o->stage);
	int rc = file_exists(judge) ? make(&m) :
		cmd_usage(&cmd_new_lab, "%s is not dlab's source tree: labs are made there (DLAB_HOME names it)", home);
	free(judge);
	free(folder);
	free(m.id_c);
	free(m.stages);
	return rc;
}

static int run(int argc, char **argv)
{
	struct options o = { 0 };
	struct cmd_words words;
	struct err e;
	int rc = cmd_parse(&cmd_new_lab, argc, argv, &words, take_option, &o);
	if (rc != 0)
		return rc < 0 ? EXIT_PASSED : rc;
	if (words.n != 1 || words.after)
		return cmd_usage(&cmd_new_lab, "say the id of the lab, as in `dlab new-lab gossip --stage 2`");
	if (!id_is_good(words.word[0]))
		return cmd_usage(&cmd_new_lab, "an id is 2 to %d lower-case letters, digits and single dashes, and begins with a letter, "
			"not \"%s\"", ID_MAX, words.word[0]);
	if (!o.stage)
		return cmd_usage(&cmd_new_lab, "say the stage, 1 to %d, as in --stage 2", STAGE_COUNT);
	if (catalogue_lab(words.word[0]))
		return cmd_usage(&cmd_new_lab, "there is a lab %s already", words.word[0]);
	char *home = dlab_home(&e);
	if (!home)
		return cmd_world(&e);
	rc = make_at(home, words.word[0], &o);
	free(home);
	return rc;
}

static const struct cmd_option options[] = {
	{ "stage", 's', "N", "the stage it belongs to, 1 to 9", "1 2 3 4 5 6 7 8 9" },
	{ "title", 't', "TEXT", "what it is about, in a few words", NULL },
	{ 0 },
};

const struct command cmd_new_lab = {
	.name = "new-lab",
	.arguments = "ID --stage N [--title TEXT]",
	.summary = "For authors: make a new lab from a template",
	.help = "Makes, in dlab's source tree, a tiny lab that works: judge, guide, hints, starters, solutions and wrong solutions.\n"
		"It compiles and passes `make check-labs` as it is. Nothing is overwritten.",
	.options = options,
	.run = run,
};
