/* cmd_shrink.c - `dlab shrink`: the few faults and operations that a failure needs. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cmd.h"
#include "jobs.h"
#include "report.h"
#include "rows.h"
#include "runfile.h"
#include "shrink.h"
#include "text.h"

extern const struct command cmd_shrink;

enum { WORKERS_MAX = 64, SLOWER = 10, LINE_COLUMNS = 100 };

struct options {
	int64_t workers;
};

struct shrinking {
	struct style style;
	const char *path;
	struct rerun rerun;
	struct result first;   /* the run as it is stored, once more */
	struct result small;
	struct shrink shrink;
	size_t shown_n;        /* kept at the last progress line */
	int64_t began_ns;
	char *small_path;      /* owned */
	struct buf list;       /* what remains, one a line */
	size_t faults, ops;    /* in the list */
};

static int take_option(void *ctx, const struct cmd_option *o, const char *value)
{
	struct options *x = ctx;
	return cmd_number(&cmd_shrink, o->name, value, 1, WORKERS_MAX, &x->workers);
}

/* --- is there something to shrink --- */

static int refuse(struct shrinking *s, const char *fmt, ...) PRINTF_LIKE(2, 3);

static int refuse(struct shrinking *s, const char *fmt, ...)
{
	struct buf b = BUF_EMPTY, shown = BUF_EMPTY;
	va_list ap;
	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	text_add(&shown, buf_as_slice(&b), SIZE_MAX, rows_ascii());
	fprintf(stderr, "dlab shrink: %s: %s\n", s->path, buf_cstr(&shown));
	buf_done(&b);
	buf_done(&shown);
	return EXIT_FAILED;
}

static int check_stored(struct shrinking *s, struct store_run *r)
{
	const char *verdict = store_meta_get(r, STORE_VERDICT).s, *fabric = store_meta_get(r, STORE_FABRIC).s;
	if (!fabric || strcmp(fabric, "sim") != 0)
		return refuse(s, "this run was on %s, where real time never repeats; only a run on sim can be made smaller. "
			"Look for a seed that fails on sim: dlab test %s --seeds 100", fabric ? fabric : "an unknown fabric",
			store_meta_get(r, STORE_LAB).n ? store_meta_get(r, STORE_LAB).s : "LAB");
	if (!verdict || strcmp(verdict, "failed") != 0)
		return refuse(s, "this run did not fail (%s), so there is no failure to make smaller",
			verdict && *verdict ? verdict : "it has no verdict");
	return 0;
}

static int run_first(struct shrinking *s, struct store_run *r)
{
	struct err e = { "" };
	struct slice rule = store_meta_get(r, STORE_RULE);
	if (jobs_run_one(&s->rerun.spec, &s->first, &e, NULL, NULL) != 0)
		return cmd_world(&e);
	if (s->first.verdict != VERDICT_FAIL)
		return refuse(s, "it does not fail any more: run again with the same command and seed, it %s. The node was changed "
			"since, or it does not repeat itself (dlab test --check-determinism)", s->first.verdict == VERDICT_PASS ?
			"passes" : "has no verdict");
	if (!slice_is(rule, s->first.rule))
		return refuse(s, "it fails in another way now: \"%s\", and not \"%.*s\". Run `%s` and shrink that run", s->first.rule,
			SLICE_ARG(rule), s->rerun.repeat);
	return 0;
}

/* --- while it goes on --- */

static bool progress(void *ctx, const struct shrink *k)
{
	struct shrinking *s = ctx;
	if (!s->style.terminal && k->kept_n == s->shown_n)
		return true;
	s->shown_n = k->kept_n;
	printf("%s  %4zu run%s  %4zu operations and faults  %6llu events%s", s->style.terminal ? "\r\033[K" : "", k->runs,
		k->runs == 1 ? " " : "s", k->kept_n, (unsigned long long)k->events,
		s->style.terminal ? "" : "\n");
	fflush(stdout);
	return true;
}

/* --- what remains --- */

struct remaining {
	struct shrinking *s;
	const struct trace *trace;
	const struct history *history;
	bool link_fault; /* one is on: a heal is worth a line */
};

static void list_event(struct remaining *r, const struct event *e)
{
	struct buf line = BUF_EMPTY;
	bool undoes = (e->kind == EVENT_FAULT && (e->arg == FAULT_HEAL || e->arg == FAULT_UNCUT)) || e->kind == EVENT_RESUME ||
		e->kind == EVENT_START;
	if ((e->kind == EVENT_START && e->arg <= 1) || (e->kind == EVENT_FAULT && undoes && !r->link_fault))
		return;
	buf_printf(&line, "%9.3f s  ", (double)e->t_ns / (double)NS_PER_S);
	if (e->src >= 0)
		buf_printf(&line, "%s ", lane_name(trace_lanes(r->trace), e->src));
	if (e->kind == EVENT_PAUSE)
		buf_str(&line, "is paused");
	else if (e->kind == EVENT_RESUME)
		buf_str(&line, "goes on");
	else
		text_add(&line, e->text, LINE_COLUMNS, rows_ascii());
	if (e->kind == EVENT_FAULT)
		r->link_fault = !undoes || (e->arg == FAULT_UNCUT && r->link_fault);
	r->s->faults += !undoes;
	buf_printf(&r->s->list, "  %s%s%s\n", undoes ? r->s->style.dim : r->s->style.yellow, buf_cstr(&line), r->s->style.off);
	buf_done(&line);
}

static void list_op(struct remaining *r, const struct op *op)
{
	const struct lanes *l = trace_lanes(r->trace);
	struct buf body = BUF_EMPTY, line = BUF_EMPTY;
	rows_print_body(&body, op->request);
	buf_printf(&line, "%9.3f s  %s -> %s  ", (double)op->call_ns / (double)NS_PER_S, lane_name(l, lane_client(l, op->client)),
		lane_name(l, op->node));
	text_add(&line, buf_as_slice(&body), LINE_COLUMNS, rows_ascii());
	if (op->status != OP_OK)
		buf_str(&line, op->answer.n ? "  (an error)" : "  (no answer)");
	r->s->ops++;
	buf_printf(&r->s->list, "  %s\n", buf_cstr(&line));
	buf_done(&body);
	buf_done(&line);
}

static bool is_fault(const struct event *e)
{
	return e->kind == EVENT_FAULT || e->kind == EVENT_PAUSE || e->kind == EVENT_RESUME || e->kind == EVENT_START ||
		e->kind == EVENT_EXIT;
}

/* Faults and the workload's operations, merged by their places in the trace. */
static void list_remaining(void *ctx, const struct trace *t, const struct history *h)
{
	struct remaining r = { .s = ctx, .trace = t, .history = h };
	size_t i = 0, n = history_count(h);
	for (uint64_t seq = 1; seq <= trace_count(t) + 1; seq++) {
		for (; i < n && history_at(h, i)->call_seq <= seq; i++)
			if (history_at(h, i)->shrinkable && history_at(h, i)->status != OP_SKIPPED)
				list_op(&r, history_at(h, i));
		if (seq <= trace_count(t) && is_fault(trace_at(t, seq)))
			list_event(&r, trace_at(t, seq));
	}
}

static char *small_name(const char *path)
{
	size_t n = strlen(path);
	if (n > 9 && strcmp(path + n - 9, ".small.db") == 0)
		return xstrdup(path);
	return xasprintf("%.*s.small.db", (int)(n > 3 && strcmp(path + n - 3, ".db") == 0 ? n - 3 : n), path);
}

/* The smallest run once more, this time into a file. */
static int run_small(struct shrinking *s, struct skip_set *skip)
{
	struct err e = { "" };
	struct run_spec spec = s->rerun.spec;
	spec.skip = *skip;
	spec.store_path = s->small_path;
	if (jobs_run_one(&spec, &s->small, &e, list_remaining, s) != 0)
		return cmd_world(&e);
	if (s->small.verdict == VERDICT_FAIL && strcmp(s->small.rule, s->first.rule) == 0)
		return 0;
	return refuse(s, "the small run failed once and then not again: the node does not repeat itself "
		"(dlab test --check-determinism tells where)");
}

static void print_repeat(struct shrinking *s, const struct skip_set *skip)
{
	struct buf b = BUF_EMPTY;
	buf_printf(&b, "dlab replay %s", s->small_path);
	report_field(stdout, &s->style, "look", buf_cstr(&b));
	b.n = 0;
	buf_printf(&b, "%s --skip ", s->rerun.repeat);
	skip_print(&b, skip);
	command_print(&b, s->rerun.argv);
	report_field(stdout, &s->style, "repeat", buf_cstr(&b));
	char *here = realpath(".", NULL);
	if (here && strcmp(here, s->rerun.cwd) != 0) {
		b.n = 0;
		buf_printf(&b, "in %s", s->rerun.cwd);
		report_field(stdout, &s->style, "", buf_cstr(&b));
	}
	free(here);
	buf_done(&b);
}

static void print_small(struct shrinking *s, const struct skip_set *skip)
{
	const struct style *y = &s->style;
	printf("%s%zu of %zu operations and faults, %llu of %llu events  %s(%zu runs, %.1f s)%s\n\n", y->terminal ? "\r\033[K" : "",
		s->shrink.kept_n, s->first.parts_n, (unsigned long long)s->small.events_n,
		(unsigned long long)s->first.events_n, y->dim, s->shrink.runs, (double)(clock_ns() - s->began_ns) / (double)NS_PER_S,
		y->off);
	if (s->list.n)
		printf("%sWhat remains; without any one of these it does not fail:%s\n%s\n", y->bold, y->off, s->list.s);
	else
		printf("Nothing is needed: it fails without any fault, and without the workload.\n\n");
	printf("  %s%s%s%s\n", y->red, y->bold, verdict_name(s->small.verdict), y->off);
	report_field(stdout, y, "rule", s->small.rule);
	report_field(stdout, y, "expected", s->small.expected);
	report_field(stdout, y, "seen", s->small.seen);
	print_repeat(s, skip);
}

static int shrink_it(struct shrinking *s, int workers)
{
	struct err e = { "" };
	int64_t limit = SLOWER * s->first.real_ns;
	s->rerun.spec.real_limit_ns = limit > 10 * NS_PER_S ? limit : 10 * NS_PER_S;
	s->shrink = (struct shrink){ .spec = s->rerun.spec, .rule = s->first.rule, .workers = workers, .progress = progress,
		.ctx = s, .events = s->first.events_n };
	printf("%s%s/%s%s, seed %llu: %s\n", s->style.bold, s->rerun.spec.lab->id, s->rerun.spec.test->id, s->style.off,
		(unsigned long long)s->rerun.spec.seed, s->first.rule);
	progress(s, &(struct shrink){ .kept_n = s->first.parts_n, .events = s->first.events_n, .runs = 1 });
	if (shrink_run(&s->shrink, s->first.parts, s->first.parts_n, &e) < 0)
		return cmd_world(&e);
	struct skip_set skip;
	skip_all_but(&skip, s->shrink.kept, s->shrink.kept_n);
	int rc = run_small(s, &skip);
	if (rc == 0)
		print_small(s, &skip);
	skip_done(&skip);
	return rc;
}

static int shrink_file(struct shrinking *s, const struct workspace *w, char **after, int workers)
{
	struct err e = { "" };
	struct store_run *r = store_open(s->path, &e);
	if (!r)
		return cmd_world(&e);
	int rc = check_stored(s, r);
	if (rc == 0 && rerun_open(&s->rerun, w, s->path, r, after, &e) != 0)
		rc = cmd_usage(&cmd_shrink, "%s", e.text);
	if (rc == 0)
		rc = run_first(s, r);
	store_close(r);
	return rc ? rc : shrink_it(s, workers);
}

static int run(int argc, char **argv)
{
	struct options o = { .workers = 1 };
	struct cmd_words words;
	struct workspace w;
	struct err e = { "" };
	int rc = cmd_parse(&cmd_shrink, argc, argv, &words, take_option, &o);
	if (rc != 0)
		return rc < 0 ? EXIT_PASSED : rc;
	if (words.n > 1)
		return cmd_usage(&cmd_shrink, "one run at a time, please; \"%s\" is one word too many", words.word[1]);
	if (workspace_open(&w, &e) != 0)
		return cmd_usage(&cmd_shrink, "%s", e.text);
	char *path = runfile_find(&w, words.n ? words.word[0] : NULL, &e);
	if (path) {
		struct shrinking s = { .style = style_of(stdout), .path = path, .began_ns = clock_ns(),
			.small_path = small_name(path) };
		rc = shrink_file(&s, &w, words.after, (int)o.workers);
		shrink_done(&s.shrink);
		result_done(&s.first);
		result_done(&s.small);
		rerun_close(&s.rerun);
		free(s.small_path);
		buf_done(&s.list);
	} else {
		rc = cmd_usage(&cmd_shrink, "%s", e.text);
	}
	free(path);
	workspace_close(&w);
	return rc;
}

static const struct cmd_option options[] = {
	{ "jobs", 'j', "N", "runs at a time, each on a core of its own (default 1); the outcome is the same for any N", NULL },
	{ 0 },
};

const struct command cmd_shrink = {
	.name = "shrink",
	.arguments = "[RUN] [OPTIONS] [-- COMMAND...]",
	.summary = "Find the few faults and operations that a failing run needs",
	.help = "Takes a run on sim that failed (a run file, LAB, LAB/TEST, or the newest), runs it again without some of its operations\n"
		"and faults, and keeps leaving out more while it fails by the same rule: delta debugging (Zeller and Hildebrandt 2002).\n"
		"Halves are tried first, single ones last. What remains is printed in the order of time; the small run is stored beside\n"
		"the large one as NAME.small.db, and the printed command repeats it.\n"
		"Without a command after --, RUN must be a file in this workspace's .dlab/runs. Exit status: 0 a small run was found,\n"
		"1 there is nothing to make smaller, 2 used wrongly, 3 the world failed.",
	.completes = "@runs",
	.options = options,
	.run = run,
};
