/* cmd_open.c - `dlab open`: the dashboard. */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#include "action.h"
#include "app.h"
#include "cmd.h"
#include "runfile.h"

extern const struct command cmd_open;

struct options {
	bool plain, home, live, test;
	int view, w, h;
	const char *still, *keys;
};

static int take_view(const char *value)
{
	for (int v = 0; v < VIEW_GUIDE; v++)
		if (strcasecmp(view_name((enum view)v), value) == 0)
			return v;
	return -1;
}

static int take_size(struct options *x, const char *value)
{
	char end;
	if (sscanf(value, "%dx%d%c", &x->w, &x->h, &end) == 2 && x->w >= MIN_W && x->h >= MIN_H && x->w <= GRID_MAX && x->h <= GRID_MAX)
		return 0;
	return cmd_usage(&cmd_open, "--size takes columns and rows, such as 100x30, from %dx%d on", MIN_W, MIN_H);
}

static int take_option(void *ctx, const struct cmd_option *o, const char *value)
{
	struct options *x = ctx;
	if (strcmp(o->name, "still") == 0)
		x->still = value;
	else if (strcmp(o->name, "keys") == 0)
		x->keys = value;
	else if (strcmp(o->name, "size") == 0)
		return take_size(x, value);
	else if (strcmp(o->name, "plain") == 0)
		x->plain = true;
	else if (strcmp(o->name, "home") == 0)
		x->home = true;
	else if (strcmp(o->name, "live") == 0)
		x->live = true;
	else if (strcmp(o->name, "test") == 0)
		x->test = true;
	else if ((x->view = take_view(value)) < 0)
		return cmd_usage(&cmd_open, "there is no view \"%s\": cluster, flow, timeline, logs, operations, score or commands", value);
	return 0;
}

static int run(int argc, char **argv)
{
	struct options o = { .view = -1, .w = 100, .h = 30 };
	struct cmd_words words;
	struct workspace w;
	struct err e = { "" };
	int rc = cmd_parse(&cmd_open, argc, argv, &words, take_option, &o);
	if (rc != 0)
		return rc < 0 ? EXIT_PASSED : rc;
	if (words.n > 1 || (words.after && !o.live && !o.test))
		return cmd_usage(&cmd_open, "one run at a time, please");
	bool plain = o.plain || !app_can_draw();
	if (o.live || o.test) {
		static char *nothing[] = { NULL };
		char **after = words.after ? words.after : nothing;
		if (plain)
			return cmd_usage(&cmd_open, "--watch needs a terminal");
		rc = o.live ? app_run(&(struct app_spec){ .view = o.view < 0 ? VIEW_CLUSTER : o.view, .live = after }, &e) :
			app_run(&(struct app_spec){ .view = o.view, .test = after }, &e);
		return rc < 0 ? cmd_world(&e) : rc;
	}
	if (o.home && !plain)
		rc = app_run(&(struct app_spec){ .view = VIEW_HOME }, &e);
	else if (workspace_open(&w, &e) != 0)
		return cmd_usage(&cmd_open, "%s", e.text);
	else {
		char *path = runfile_find(&w, words.n ? words.word[0] : NULL, &e);
		workspace_close(&w);
		if (!path)
			return cmd_usage(&cmd_open, "%s", e.text);
		rc = o.still ? still_write(&(struct still){ .run = path, .file = o.still, .view = o.view, .w = o.w, .h = o.h, .keys = o.keys }, &e) :
			plain ? plain_run(path, &e) : app_run(&(struct app_spec){ .run = path, .view = o.view }, &e);
		free(path);
	}
	return rc < 0 ? cmd_world(&e) : rc;
}

static size_t keys(struct cmd_key *out, size_t max)
{
	size_t n = 0;
	for (const struct action *a = all_actions; a->name && n < max; a++)
		out[n++] = (struct cmd_key){ a->keys, a->name, a->help };
	return n;
}

static const struct cmd_option options[] = {
	{ "view", 'v', "NAME", "begin with this view", "cluster flow timeline logs operations score commands" },
	{ "plain", 0, NULL, "lines instead of a screen, one event each (also when this is no terminal)", NULL },
	{ "still", 0, "FILE", "write one screen into FILE: a picture (.svg), or text; - is stdout", "@files" },
	{ "size", 0, "WxH", "of --still: columns and rows (default 100x30)", NULL },
	{ "keys", 0, "KEYS", "of --still: press these first, such as a or :goto 120 and Enter", NULL },
	{ "live", 0, NULL, "a live run: what follows -- are arguments of `dlab run` (which calls this itself: dlab run --watch)", NULL },
	{ "test", 0, NULL, "the same for the arguments of `dlab test` (dlab test --watch)", NULL },
	{ "home", 0, NULL, "begin at the roadmap", NULL },
	{ 0 },
};

const struct command cmd_open = {
	.name = "open",
	.arguments = "[RUN] [OPTIONS]",
	.summary = "Look at a run in the dashboard",
	.help = "RUN is a run file (.db), LAB or LAB/TEST for the newest run of it, or nothing for the newest of all. A run that failed\n"
		"opens at its evidence; one that another terminal is writing is followed. `dlab` alone opens the roadmap.\n"
		"1 to 7 choose a view, ? shows the keys, q goes back.",
	.completes = "@runs",
	.options = options,
	.run = run,
	.keys = keys,
};
