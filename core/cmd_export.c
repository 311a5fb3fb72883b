/* cmd_export.c - `dlab export`: a stored run in the form of another tool. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd.h"
#include "export.h"
#include "runfile.h"

extern const struct command cmd_export;

enum { EVENTS_MAX = 1 << 30 };

struct options {
	struct export_ask ask;
	const struct export_format *format;
	const char *out; /* NULL: stdout */
};

/* --- options --- */

static int take_word(const struct cmd_option *o, struct export_words *w, const char *value)
{
	if (w->n == EXPORT_WORDS_MAX)
		return cmd_usage(&cmd_export, "--%s can be given %d times at most", o->name, EXPORT_WORDS_MAX);
	w->word[w->n++] = value;
	return 0;
}

static int take_seconds(const struct cmd_option *o, struct export_ask *ask, const char *value, int64_t *out)
{
	char *end;
	double s = strtod(value, &end);
	if (end == value || *end || !isfinite(s) || s < 0 || s > 1e9)
		return cmd_usage(&cmd_export, "--%s takes seconds, such as 1.5, not \"%s\"", o->name, value);
	*out = (int64_t)llround(s * (double)NS_PER_S);
	ask->windowed = true;
	return 0;
}

static int take_format(struct options *x, const char *value)
{
	struct buf names = BUF_EMPTY;
	x->format = export_find(value);
	if (x->format)
		return 0;
	for (const struct export_format *const *f = export_formats; *f; f++)
		buf_printf(&names, "%s%s", f == export_formats ? "" : ", ", (*f)->name);
	cmd_usage(&cmd_export, "there is no format \"%s\"; there are %s", value, buf_cstr(&names));
	buf_done(&names);
	return -1;
}

static int take_option(void *ctx, const struct cmd_option *o, const char *value)
{
	struct options *x = ctx;
	if (strcmp(o->name, "as") == 0)
		return take_format(x, value);
	if (strcmp(o->name, "from") == 0)
		return take_seconds(o, &x->ask, value, &x->ask.from_ns);
	if (strcmp(o->name, "to") == 0)
		return take_seconds(o, &x->ask, value, &x->ask.to_ns);
	if (strcmp(o->name, "node") == 0)
		return take_word(o, &x->ask.nodes, value);
	if (strcmp(o->name, "type") == 0)
		return take_word(o, &x->ask.types, value);
	if (strcmp(o->name, "most") == 0) {
		int64_t most = 0;
		int rc = cmd_number(&cmd_export, o->name, value, 1, EVENTS_MAX, &most);
		x->ask.most = (uint64_t)most;
		return rc;
	}
	x->out = value;
	return 0;
}

/* --- where it goes --- */

/* A file is written beside its place and moved there when it is whole; a pipe or a device is written as it is. */
struct target {
	const char *path; /* borrowed; NULL: stdout */
	char *part;       /* owned; NULL: written in place */
	FILE *file;       /* owned unless stdout */
};

static int target_open(struct target *t, const char *path, struct err *e)
{
	struct stat st;
	*t = (struct target){ path, NULL, stdout };
	if (!path || strcmp(path, "-") == 0) {
		t->path = NULL;
		return 0;
	}
	bool in_place = stat(path, &st) == 0 && !S_ISREG(st.st_mode);
	t->part = in_place ? NULL : xasprintf("%s.part", path);
	t->file = fopen(t->part ? t->part : path, "w");
	if (t->file)
		return 0;
	err_errno(e, "cannot write %s", path);
	free(t->part);
	return -1;
}

static int target_close(struct target *t, bool whole, struct err *e)
{
	if (!t->path)
		return 0; /* main looks after stdout */
	bool bad = ferror(t->file);
	bad |= fclose(t->file) != 0;
	if (whole && (bad || (t->part && rename(t->part, t->path) != 0)))
		whole = err_errno(e, "cannot write %s", t->path) == 0;
	if (!whole && t->part)
		unlink(t->part);
	free(t->part);
	return whole ? 0 : -1;
}

/* --- putting it together --- */

/* To stderr, so that it never stands in what is written. */
static void say_what_was_left(uint64_t shown, uint64_t left)
{
	if (left > 0)
		fprintf(stderr, "dlab export: %llu event%s, and %llu more were left out: --most N takes more, --from and --to another "
			"part, --node and --type fewer kinds\n", (unsigned long long)shown, shown == 1 ? "" : "s", (unsigned long long)left);
	else if (shown == 0)
		fprintf(stderr, "dlab export: no event of this run is in that window, of those nodes and types\n");
}

static int export_file(const struct options *o, struct store_run *run, struct err *e)
{
	struct target t;
	uint64_t shown = 0, left = 0;
	if (target_open(&t, o->out, e) != 0)
		return -1;
	int rc = export_run(o->format, &o->ask, run, t.file, &shown, &left, e);
	if (target_close(&t, rc == 0, e) != 0)
		return rc ? rc : -1;
	if (rc != 0)
		return rc;
	say_what_was_left(shown, left);
	return 0;
}

static int export_named(struct options *o, const struct workspace *w, const char *name)
{
	struct err e = { "" };
	char *path = runfile_find(w, name, &e);
	if (!path)
		return cmd_usage(&cmd_export, "%s", e.text);
	o->ask.path = path;
	struct store_run *run = store_open(path, &e);
	int rc = run ? export_file(o, run, &e) : -1;
	store_close(run);
	free(path);
	return rc == 0 ? EXIT_PASSED : rc == EXPORT_ASKED_WRONGLY ? cmd_usage(&cmd_export, "%s", e.text) : cmd_world(&e);
}

static int run(int argc, char **argv)
{
	struct options o = { .ask.to_ns = INT64_MAX };
	struct cmd_words words;
	struct workspace w;
	struct err e = { "" };
	int rc = cmd_parse(&cmd_export, argc, argv, &words, take_option, &o);
	if (rc != 0)
		return rc < 0 ? EXIT_PASSED : rc;
	if (words.n > 1 || words.after)
		return cmd_usage(&cmd_export, "one run at a time, please");
	if (!o.format)
		return cmd_usage(&cmd_export, "which form? --as json, for example");
	if (workspace_open(&w, &e) != 0)
		return cmd_usage(&cmd_export, "%s", e.text);
	rc = export_named(&o, &w, words.n ? words.word[0] : NULL);
	workspace_close(&w);
	return rc;
}

static const struct cmd_option options[] = {
	{ "as", 0, "FORM", "json, shiviz, mermaid, svg or html", "json shiviz mermaid svg html" },
	{ "output", 'o', "FILE", "write there instead of to stdout", "@files" },
	{ "from", 0, "S", "from second S of the run on", NULL },
	{ "to", 0, "S", "up to second S", NULL },
	{ "node", 0, "NAME", "only what NAME (n2, c1, lin-kv) has to do with; can be repeated", NULL },
	{ "type", 0, "TYPE", "only messages of this type, or events of this kind (timer, apply); can be repeated", NULL },
	{ "most", 0, "N", "N events at most (json: all, shiviz: 2000, pictures: 60)", NULL },
	{ 0 },
};

const struct command cmd_export = {
	.name = "export",
	.arguments = "[RUN] --as FORM [-o FILE] [OPTIONS]",
	.summary = "Write a stored run in the form of another tool",
	.help = "RUN is as in `dlab replay`: a run file (.db), LAB or LAB/TEST, or nothing for the newest run.\n"
		"`json` is one object a line. The first has kind \"run\": format (1), events, nodes, the lab, test, seed, fabric, verdict,\n"
		"rule, expected, seen and evidence (places in the run). Each other is an event: seq, t_ns, kind (start, ready, exit,\n"
		"send, recv, drop, call, reply, arm, timer, state, apply, log, bad, lint, pause, resume, kill, fault, sock, note, verdict);\n"
		"and where they make sense src, dst, msg (the number of a message: a recv or a drop has that of its send), type, body\n"
		"(JSON) or text, why (of a drop or a bad line), copy (true: a doubled message came again), arg and cause (the seq of\n"
		"what led to it). A recv has no body: it is that of the send.\n"
		"`shiviz` is a log for ShiViz: load it there as it is. Line 1 is the regular expression that reads it. Clocks count the\n"
		"events that were written, so a window is a log of its own. A lost message is an event of its sender.\n"
		"`mermaid` is a sequence diagram for a Markdown page, `svg` a space-time diagram as a picture, `html` a report as one\n"
		"page that runs nothing and loads nothing: verdict, diagram, the last 200 lines of the logs (all nodes' or --node's), and\n"
		"how to see it again. A picture shows what the verdict rests on and the events around it; with --from or --to, the first\n"
		"events of that window. Set timers, states and logs are in it only when --type names them. What was left out is told\n"
		"on stderr.",
	.completes = "@runs",
	.options = options,
	.run = run,
};
