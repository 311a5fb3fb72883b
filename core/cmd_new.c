/* cmd_new.c - `dlab new`: a workspace with a starter for every lab.
 *
 *     DIR/dlab.json  README.md  .gitignore
 *     DIR/LAB/       the starter: what the learner works on
 *     DIR/dlab.py    the SDK (dlab.h and a Makefile; dlab.go and go.mod), where every lab finds it
 *
 * In Go the workspace is one module named dlab whose root package is the SDK: `import "dlab"` needs no network, no
 * replace and no second module. */
#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <unistd.h>

#include "catalogue.h"
#include "cmd.h"
#include "files.h"
#include "style.h"
#include "workspace.h"

extern const struct command cmd_new;

/* --- languages: one table; what differs is here --- */

struct sdk_file {
	const char *from; /* under core/sdk/ */
	const char *to;   /* in the workspace */
	bool optional;
};

struct text_file {
	const char *to, *text;
};

struct language {
	const char *name, *title, *ending;
	struct sdk_file sdk[3];   /* ended by one without `from` */
	struct text_file texts[2];
	/* Words with %s for the lab, %f for the starter's main file; ended by NULL. */
	const char *run[4], *build[8];
	const char *first_file;   /* what a learner opens: "%s/%f" */
};

static const char makefile[] =
	"# `make` builds every lab in C: LAB/*.c becomes bin/LAB. dlab calls it before it tests.\n"
	"CC ?= cc\n"
	"CFLAGS ?= -O2 -g -Wall -Wextra\n"
	"LDLIBS ?= -lpthread -lm\n"
	"\n"
	"LABS := $(sort $(patsubst %/,%,$(dir $(wildcard */*.c))))\n"
	"\n"
	"all: $(LABS:%=bin/%)\n"
	"\n"
	".SECONDEXPANSION:\n"
	"$(LABS:%=bin/%): bin/%: $$(wildcard $$*/*.c $$*/*.h) $(wildcard *.c *.h)\n"
	"\t@mkdir -p bin\n"
	"\t$(CC) $(CFLAGS) -I. -o $@ $(filter %.c,$^) $(LDFLAGS) $(LDLIBS)\n"
	"\n"
	"clean:\n"
	"\trm -rf bin\n"
	"\n"
	".PHONY: all clean\n";

static const struct language languages[] = {
	{ .name = "python", .title = "Python", .ending = ".py", .sdk = { { "python/dlab.py", "dlab.py", false } },
		.run = { "python3", "%s/%f" }, .first_file = "%s/%f" },
	{ .name = "c", .title = "C", .ending = ".c", .sdk = { { "c/dlab.h", "dlab.h", false }, { "c/dlab.c", "dlab.c", true } },
		.texts = { { "Makefile", makefile } }, .run = { "bin/%s" }, .build = { "make", "-s", "bin/%s" }, .first_file = "%s/%f" },
	{ .name = "go", .title = "Go", .ending = ".go", .sdk = { { "go/dlab.go", "dlab.go", false } },
		.texts = { { "go.mod", "module dlab\n\ngo 1.19\n" } }, .run = { "bin/%s" },
		.build = { "go", "build", "-buildvcs=false", "-o", "bin/%s", "./%s" }, .first_file = "%s/%f" },
};

static const struct language *find_language(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(languages); i++)
		if (strcmp(languages[i].name, name) == 0)
			return &languages[i];
	return NULL;
}

/* --- options --- */

struct options {
	const char *language;
	bool add;
};

static int take_option(void *ctx, const struct cmd_option *o, const char *value)
{
	struct options *x = ctx;
	if (strcmp(o->name, "add") == 0)
		x->add = true;
	else
		x->language = value;
	if (x->language && !find_language(x->language))
		return cmd_usage(&cmd_new, "there are starters in python, c and go, not in \"%s\"; any other language works, too: "
			"a node is a program that reads and writes lines", x->language);
	return 0;
}

/* --- the workspace --- */

struct making {
	const char *dir;
	const struct language *language;
	bool added;      /* to a workspace that was there */
	char *home;      /* owned: dlab's own files */
	json_t *doc;     /* owned: dlab.json */
	int labs_made, labs_kept, labs_without; /* made now; there before; no starter in the language */
	const struct lab *first; /* of those made */
	char *first_file; /* owned */
};

static char *in_dir(const struct making *m, const char *name)
{
	return xasprintf("%s/%s", m->dir, name);
}

/* "%s" becomes the lab, "%f" the file. Owned by the caller. */
static char *fill_in(const char *pattern, const char *lab, const char *file)
{
	struct buf b = BUF_EMPTY;
	for (const char *c = pattern; *c; c++) {
		if (c[0] == '%' && (c[1] == 's' || c[1] == 'f'))
			buf_str(&b, *++c == 's' ? lab : file);
		else
			buf_char(&b, *c);
	}
	buf_cstr(&b);
	return b.s;
}

static json_t *fill_words(const char *const *words, size_t max, const char *lab, const char *file)
{
	json_t *list = json_array();
	for (size_t i = 0; i < max && words[i]; i++) {
		char *word = fill_in(words[i], lab, file);
		json_array_append_new(list, json_string(word));
		free(word);
	}
	return list;
}

/* The file that is started: named as the lab, or main, or the only one of its language. Owned by the caller. */
static char *main_file(const char *folder, const struct language *lang, const char *lab)
{
	char *under = xstrdup(lab);
	for (char *c = under; *c; c++)
		*c = *c == '-' ? '_' : *c;
	const char *const names[] = { lab, under, "main" };
	char *found = NULL;
	for (size_t i = 0; i < ARRAY_LEN(names) && !found; i++) {
		char *path = xasprintf("%s/%s%s", folder, names[i], lang->ending);
		if (file_exists(path))
			found = xasprintf("%s%s", names[i], lang->ending);
		free(path);
	}
	glob_t all;
	char *pattern = xasprintf("%s/*%s", folder, lang->ending);
	if (!found && glob(pattern, 0, NULL, &all) == 0) {
		found = xstrdup(strrchr(all.gl_pathv[0], '/') + 1);
		globfree(&all);
	}
	free(pattern);
	free(under);
	return found;
}

/* A starter's own module would hide it from the workspace's. */
static bool leave_out(const char *name)
{
	return strcmp(name, "go.mod") == 0 || strcmp(name, "go.sum") == 0 || strcmp(name, "go.work") == 0;
}

static json_t *entry_of(const struct making *m, const char *lab, const char *file)
{
	const struct language *l = m->language;
	json_t *entry = json_object();
	json_object_set_new(entry, "run", fill_words(l->run, ARRAY_LEN(l->run), lab, file));
	if (l->build[0])
		json_object_set_new(entry, "build", fill_words(l->build, ARRAY_LEN(l->build), lab, file));
	return entry;
}

/* dlab.json gets the lab unless it already says how it is started. */
static void add_entry(struct making *m, const char *lab, const char *file)
{
	json_t *labs = json_object_get(m->doc, "labs");
	if (!json_object_get(labs, lab))
		json_object_set_new(labs, lab, entry_of(m, lab, file));
}

static int make_lab(struct making *m, const struct lab *lab, const char *start, struct err *e)
{
	char *to = in_dir(m, lab->id);
	int rc = 0;
	if (file_exists(to)) {
		m->labs_kept++;
		free(to);
		return 0;
	}
	rc = folder_copy_new(start, to, leave_out, e);
	char *file = rc == 0 ? main_file(to, m->language, lab->id) : NULL;
	if (file) {
		add_entry(m, lab->id, file);
		m->labs_made++;
		if (!m->first || lab->stage < m->first->stage) {
			free(m->first_file);
			m->first = lab;
			m->first_file = fill_in(m->language->first_file, lab->id, file);
		}
	} else if (rc == 0) {
		rc = err_set(e, "the starter %s has no %s file", start, m->language->ending);
	}
	free(file);
	free(to);
	return rc;
}

static int make_labs(struct making *m, struct err *e)
{
	int rc = 0;
	for (const struct lab *const *l = all_labs; *l && rc == 0; l++) {
		char *folder = catalogue_folder(m->home, (*l)->id);
		char *start = xasprintf("%s/start/%s", folder ? folder : "", m->language->name);
		if (folder && file_is_folder(start))
			rc = make_lab(m, *l, start, e);
		else
			m->labs_without++;
		free(start);
		free(folder);
	}
	return rc;
}

static int make_sdk(const struct making *m, struct err *e)
{
	int rc = 0;
	for (const struct sdk_file *f = m->language->sdk; f->from && rc == 0; f++) {
		char *from = xasprintf("%s/core/sdk/%s", m->home, f->from), *to = in_dir(m, f->to);
		if (!file_exists(to) && !(f->optional && !file_exists(from)))
			rc = file_copy_new(from, to, e);
		free(from);
		free(to);
	}
	return rc;
}

/* Makes a file that is not there yet. */
static int make_text(const struct making *m, const char *name, const char *text, struct err *e)
{
	char *path = in_dir(m, name);
	int rc = file_exists(path) ? 0 : file_write_new(path, slice_of(text), e);
	free(path);
	return rc;
}

static int make_readme(const struct making *m, struct err *e)
{
	struct buf b = BUF_EMPTY;
	const struct language *l = m->language;
	buf_printf(&b, "# Distributed systems, in %s\n\n", l->title);
	buf_str(&b, "A workspace of dlab. The first three commands:\n\n"
		"    dlab guide echo     # what to build\n"
		"    dlab test echo      # does it work?\n"
		"    dlab hint echo      # a nudge\n\n"
		"| here | what it is |\n|---|---|\n"
		"| `echo/`, ... | one folder for each lab, with a starter: this is where you work |\n");
	for (const struct sdk_file *f = l->sdk; f->from; f++)
		if (!f->optional)
			buf_printf(&b, "| `%s` | the SDK: one file, to read as well as to use |\n", f->to);
	for (size_t i = 0; i < ARRAY_LEN(l->texts) && l->texts[i].to; i++)
		buf_printf(&b, "| `%s` | how it is built |\n", l->texts[i].to);
	buf_str(&b, "| `dlab.json` | how each lab's node is built and started; change it as you like |\n"
		"| `.dlab/` | your progress and the records of your runs |\n\n"
		"`dlab list` shows all labs and your points, `dlab doctor` whether this machine has what is needed.\n"
		"`dlab new --add .` adds labs that are new in dlab; it never touches what is there.\n");
	int rc = make_text(m, "README.md", buf_cstr(&b), e);
	buf_done(&b);
	return rc;
}

/* A line for each member, and for each lab, so that it reads well. */
static void print_members(struct buf *b, const json_t *object, int depth)
{
	const char *key, *comma = "";
	json_t *value;
	buf_char(b, '{');
	json_object_foreach((json_t *)(uintptr_t)object, key, value) {
		buf_printf(b, "%s\n%*s", comma, 2 * depth + 2, "");
		comma = ",";
		buf_json_string(b, slice_of(key));
		buf_str(b, ": ");
		if (depth == 0 && strcmp(key, "labs") == 0)
			print_members(b, value, 1);
		else
			json_print(b, value);
	}
	buf_printf(b, "\n%*s}", 2 * depth, "");
}

static int write_json(const struct making *m, struct err *e)
{
	char *path = in_dir(m, "dlab.json");
	struct buf b = BUF_EMPTY;
	print_members(&b, m->doc, 0);
	buf_char(&b, '\n');
	int rc = file_replace(path, buf_as_slice(&b), e);
	buf_done(&b);
	free(path);
	return rc;
}

static int make_files(struct making *m, struct err *e)
{
	const struct language *l = m->language;
	if (make_labs(m, e) != 0 || make_sdk(m, e) != 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(l->texts) && l->texts[i].to; i++)
		if (make_text(m, l->texts[i].to, l->texts[i].text, e) != 0)
			return -1;
	if (make_readme(m, e) != 0 || make_text(m, ".gitignore", "/.dlab/\n/bin/\n__pycache__/\n", e) != 0)
		return -1;
	return m->labs_made ? write_json(m, e) : 0;
}

/* --- new or added to --- */

/* 0: go on with m->doc set. EXIT_USAGE or EXIT_WORLD after printing. */
static int begin_new(struct making *m, struct err *e)
{
	int empty = folder_is_empty(m->dir, e);
	if (empty < 0)
		return cmd_world(e);
	if (!empty)
		return cmd_usage(&cmd_new, "%s is not empty; a workspace needs a folder of its own (--add adds labs to a workspace "
			"that is there)", m->dir);
	m->doc = json_pack("{s:s, s:{}}", "language", m->language->name, "labs");
	return folder_make(m->dir, e) == 0 ? 0 : cmd_world(e);
}

static int begin_added(struct making *m, const char *language, struct err *e)
{
	char *path = in_dir(m, "dlab.json");
	bool there = file_exists(path);
	if (there)
		m->doc = json_read_file(path, WORKSPACE_FILE_MAX, e);
	int rc = 0;
	if (!there)
		rc = cmd_usage(&cmd_new, "%s is no workspace (it has no dlab.json), so nothing can be added to it", m->dir);
	else if (!m->doc || (workspace_check(m->doc, e) != 0 && err_wrap(e, "%s", path)))
		rc = cmd_usage(&cmd_new, "%s", e->text);
	free(path);
	if (rc != 0 || language)
		return rc;
	const char *own = json_get_string(m->doc, "language", "python");
	m->language = find_language(own);
	return m->language ? 0 : cmd_usage(&cmd_new, "dlab.json says \"language\": \"%s\", for which there are no starters; say --lang "
		"python, c or go", own);
}

/* As a shell reads it. */
static void print_path(const char *path)
{
	if (strspn(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-") == strlen(path)) {
		printf("%s", path);
		return;
	}
	putchar('\'');
	for (; *path; path++)
		printf(*path == '\'' ? "'\\''" : "%c", *path);
	putchar('\'');
}

static void print_done(const struct making *m)
{
	struct style s = style_of(stdout);
	if (m->labs_kept && !m->labs_made) {
		printf("Nothing to add: all %d labs are there.\n", m->labs_kept);
		return;
	}
	printf("%s%s%s %s %d lab%s in %s.\n", s.green, s.pass, s.off, m->added ? "Added" : "Made a workspace with", m->labs_made,
		m->labs_made == 1 ? "" : "s", m->language->title);
	printf("\nNow:\n");
	if (strcmp(m->dir, ".") != 0) {
		printf("  cd ");
		print_path(m->dir);
		printf("\n");
	}
	printf("  dlab guide %-14s %s# what to build%s\n", m->first->id, s.dim, s.off);
	printf("  dlab test %-15s %s# see it fail, then change %s%s\n", m->first->id, s.dim, m->first_file, s.off);
}

static int make(struct making *m, const struct options *o, struct err *e)
{
	m->home = dlab_home(e);
	if (!m->home)
		return cmd_world(e);
	int rc = o->add ? begin_added(m, o->language, e) : begin_new(m, e);
	if (rc != 0)
		return rc;
	if (make_files(m, e) != 0)
		return cmd_world(e);
	if (m->labs_made + m->labs_kept == 0) {
		err_set(e, "%s/stages has no starters in %s", m->home, m->language->title);
		return cmd_world(e);
	}
	print_done(m);
	return EXIT_PASSED;
}

static int run(int argc, char **argv)
{
	struct options o = { 0 };
	struct cmd_words words;
	struct err e;
	int rc = cmd_parse(&cmd_new, argc, argv, &words, take_option, &o);
	if (rc != 0)
		return rc < 0 ? EXIT_PASSED : rc;
	if (words.n != 1 || words.after || !*words.word[0])
		return cmd_usage(&cmd_new, "say where: one folder, as in `dlab new my-labs`");
	struct making m = { .dir = words.word[0], .added = o.add, .language = find_language(o.language ? o.language : "python") };
	for (size_t n = strlen(m.dir); n > 1 && m.dir[n - 1] == '/'; n--)
		words.word[0][n - 1] = '\0';
	rc = make(&m, &o, &e);
	json_decref(m.doc);
	free(m.home);
	free(m.first_file);
	return rc;
}

static const struct cmd_option options[] = {
	{ "lang", 'l', "LANGUAGE", "python (default), c or go; with --add, that of the workspace", "python c go" },
	{ "add", 0, NULL, "add the labs that a workspace does not have yet; nothing is overwritten", NULL },
	{ 0 },
};

const struct command cmd_new = {
	.name = "new",
	.arguments = "DIR [--lang LANGUAGE] [--add]",
	.summary = "Make a workspace: a folder with a starter for every lab",
	.help = "Makes DIR with one folder for each lab, the SDK beside them, and dlab.json, which says how the node of each lab is\n"
		"built and started. Any language works: put your own command into dlab.json.",
	.completes = "@folders",
	.options = options,
	.run = run,
};
