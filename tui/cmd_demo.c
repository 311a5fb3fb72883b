/* cmd_demo.c - `dlab demo`: scripted scenes, on a screen or as lines; and the speaker's notes. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "app.h"
#include "cmd.h"
#include "demo.h"
#include "demo_place.h"
#include "live.h"
#include "rows.h"
#include "text.h"
#include "workspace.h"

extern const struct command cmd_demo;

enum { CHUNK_MS = 20, LOOK_MS = 10, CHUNK_LOOK_MS = 1, NOTES_LOOK_MS = 200, PLAIN_WIDTH = 160 };

struct options {
	const char *fabric;
	int64_t seed;
	bool plain, notes;
};

static int take_option(void *ctx, const struct cmd_option *o, const char *value)
{
	struct options *x = ctx;
	if (strcmp(o->name, "seed") == 0)
		return cmd_number(&cmd_demo, o->name, value, 0, INT64_MAX, &x->seed);
	if (strcmp(o->name, "fabric") == 0)
		x->fabric = value;
	else if (strcmp(o->name, "plain") == 0)
		x->plain = true;
	else
		x->notes = true;
	return 0;
}

static int list(void)
{
	for (const struct demo *const *d = all_demos; *d; d++)
		printf("  %-20s %s\n", (*d)->id, (*d)->teaches);
	printf("`dlab demo NAME` shows one; `dlab demo --notes` in a second terminal shows the speaker's notes.\n");
	return EXIT_PASSED;
}

/* --- lines instead of a screen --- */

struct plain {
	struct demo_run run;
	struct live *live;
	struct source *source;
	struct rows rows;
	struct style style;
	struct buf line;
	uint64_t printed;
	int step;
	enum demo_phase phase;
};

static int send_line(void *ctx, const char *line)
{
	struct plain *p = ctx;
	struct err ignored;
	printf("> %s\n", line);
	return live_send(p->live, line, &ignored);
}

static void print_rows(struct plain *p)
{
	for (; p->printed < source_count(p->source); p->printed++) {
		const struct event *e = source_at(p->source, p->printed + 1);
		if (!e)
			return;
		if (!rows_hides(&p->rows, e) && e->kind != EVENT_TIMER && e->kind != EVENT_NOTE) {
			p->line.n = 0;
			rows_print(&p->line, &p->rows, e, false);
			fwrite(p->line.s, 1, p->line.n, stdout);
		}
		if (e->kind != EVENT_STATE)
			rows_see(&p->rows, e);
	}
}

static void tell(struct plain *p)
{
	const char *gate = demo_gate(&p->run);
	if (p->step != p->run.step) {
		printf("\n%d of %d: %s\n", p->run.step + 1, demo_steps(p->run.demo), p->run.say);
		demo_place_write(p->run.demo, p->run.step, p->run.notes);
	}
	p->step = p->run.step;
	if (gate)
		printf("%s\n", gate);
	fflush(stdout);
	if (p->run.phase != DEMO_SAYING)
		return;
	for (int c; isatty(STDIN_FILENO) && (c = getchar()) != '\n' && c != EOF;)
		;
	demo_go(&p->run);
}

/* On sim, until the file shows all of the time that was granted: what a scene does then happens at the same moment whenever it
 * is played, on a busy machine too. A file tells nobody that it grows. */
static void catch_up(struct plain *p)
{
	while (!live_over(p->live) && source_reached_ns(p->source) < live_granted_ns(p->live)) {
		poll(NULL, 0, CHUNK_LOOK_MS);
		source_refresh(p->source);
	}
	live_set_granted(p->live, source_reached_ns(p->source));
}

static void let_time_pass(struct plain *p, bool sim)
{
	if (sim) {
		live_time(p->live, live_granted_ns(p->live) + CHUNK_MS * NS_PER_MS);
		catch_up(p);
	} else {
		poll(NULL, 0, LOOK_MS);
		source_refresh(p->source);
	}
}

static void play_scene(struct plain *p, bool sim)
{
	int64_t began = clock_ns();
	if (sim)
		catch_up(p); /* with where it begins */
	while (!live_over(p->live)) {
		print_rows(p);
		int64_t now = sim ? live_granted_ns(p->live) : clock_ns() - began;
		if (demo_see(&p->run, p->source, source_count(p->source), now) || p->step < 0)
			tell(p);
		if (p->run.phase == DEMO_OVER || p->run.phase == DEMO_FAILED)
			break;
		let_time_pass(p, sim);
	}
}

/* The scene's end; or why the run ended before. */
static int end_of(struct plain *p, struct err *e)
{
	if (p->run.phase == DEMO_OVER)
		return EXIT_PASSED;
	if (p->run.phase == DEMO_FAILED)
		return EXIT_FAILED;
	const char *words = live_words(p->live);
	return err_set(e, "%s", *words ? words : "the run ended before the scene did");
}

static int play_plain(const struct demo *d, const char *fabric, uint64_t seed, struct err *e)
{
	static char dlab[] = "dlab", run[] = "run", store[] = "--store";
	char **words = demo_words(d, fabric, seed, e), *path = demo_store(e);
	char *argv[20] = { dlab, run, store, path };
	bool sim = strcmp(fabric, "sim") == 0;
	for (int i = 0; words && words[i]; i++)
		argv[4 + i] = words[i];
	struct plain p = { .style = style_of(stdout), .step = -1 };
	char *home = dlab_home(e); /* on docker, the folder where it starts is what the nodes see */
	p.live = words && path && home ? live_start(&(struct live_spec){ .argv = argv, .cwd = home, .store = path, .sim = sim }, e) : NULL;
	p.source = p.live ? source_open(path, e) : NULL;
	if (p.source) {
		rows_init_with(&p.rows, source_lanes(p.source), &p.style, &(struct rows_plan){ .width = PLAIN_WIDTH, .last_seq = 9999 }, source_sent_of, p.source);
		demo_begin(&p.run, d, source_lanes(p.source), send_line, &p);
		play_scene(&p, sim);
	}
	int rc = p.source ? end_of(&p, e) : -1;
	source_close(p.source);
	live_stop(p.live);
	demo_place_clear();
	buf_done(&p.line);
	demo_words_free(words);
	free(home);
	free(path);
	return rc;
}

/* --- the speaker's notes --- */

static int follow_notes(void)
{
	struct buf now = BUF_EMPTY, before = BUF_EMPTY;
	bool ever = false;
	while (!ferror(stdout)) {
		now.n = 0;
		if (!demo_place_read(&now)) {
			if (!ever)
				printf("no demo runs in this workspace: start one in another terminal with `dlab demo NAME`\n");
			break;
		}
		if (!slice_eq(buf_as_slice(&now), buf_as_slice(&before))) {
			if (isatty(STDOUT_FILENO))
				printf("\n");
			fwrite(now.s, 1, now.n, stdout);
			printf("\n");
			fflush(stdout);
			before.n = 0;
			buf_slice(&before, buf_as_slice(&now));
		}
		ever = true;
		poll(NULL, 0, NOTES_LOOK_MS);
	}
	buf_done(&now);
	buf_done(&before);
	return ever ? EXIT_PASSED : EXIT_FAILED;
}

static int all_notes(const struct demo *d)
{
	printf("%s: %s\n", d->title, d->teaches);
	for (int i = 0; d->steps[i].say; i++)
		printf("\n%d. %s\n   %s\n", i + 1, d->steps[i].say, d->steps[i].notes ? d->steps[i].notes : "");
	return EXIT_PASSED;
}

static int run(int argc, char **argv)
{
	struct options o = { .fabric = "sim", .seed = 1 };
	struct cmd_words words;
	struct err e = { "" };
	int rc = cmd_parse(&cmd_demo, argc, argv, &words, take_option, &o);
	if (rc != 0)
		return rc < 0 ? EXIT_PASSED : rc;
	if (words.n > 1 || words.after)
		return cmd_usage(&cmd_demo, "one demo at a time, please");
	if (words.n == 0)
		return o.notes ? follow_notes() : list();
	const struct demo *d = demo_find(words.word[0]);
	if (!d)
		return cmd_usage(&cmd_demo, "there is no demo \"%s\"; `dlab demo` lists them", words.word[0]);
	if (strcmp(o.fabric, "sim") != 0 && strcmp(o.fabric, "proc") != 0 && strcmp(o.fabric, "docker") != 0)
		return cmd_usage(&cmd_demo, "there is no fabric \"%s\": sim, proc or docker", o.fabric);
	if (o.notes)
		return all_notes(d);
	if (o.plain || !app_can_draw()) {
		rc = play_plain(d, o.fabric, (uint64_t)o.seed, &e);
	} else {
		char **live = demo_words(d, o.fabric, (uint64_t)o.seed, &e);
		rc = live ? app_run(&(struct app_spec){ .view = VIEW_CLUSTER, .live = live, .demo = d }, &e) : -1;
		demo_words_free(live);
	}
	return rc < 0 ? cmd_world(&e) : rc;
}

static const struct cmd_option options[] = {
	{ "fabric", 'f', "NAME", "sim (default), proc or docker", "sim proc docker" },
	{ "seed", 's', "N", "the seed of chance (default 1)", NULL },
	{ "plain", 0, NULL, "lines instead of a screen; gates wait for Enter on a terminal", NULL },
	{ "notes", 0, NULL, "the speaker's notes: of NAME, or of the demo that runs in another terminal", NULL },
	{ 0 },
};

const struct command cmd_demo = {
	.name = "demo",
	.arguments = "[NAME] [OPTIONS]",
	.summary = "Show a scripted scene to a class",
	.help = "Without NAME: which there are. A scene starts a cluster of the shipped nodes and waits for real events. Where it asks the\n"
		"class, it stands still until PgDn or Right (a presenter's clicker will do); b blanks the screen. All keys of the\n"
		"dashboard work meanwhile. On sim, --plain prints the same lines for the same seed. Its exit status: 0, or 1 when something\n"
		"did not happen in time.",
	.completes = "split-brain raft-election figure-8 figure-8-right stale-read stale-read-right exactly-once exactly-once-wrong broadcast",
	.options = options,
	.run = run,
};
