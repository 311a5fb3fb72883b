/* cmd_replay.c - `dlab replay`: a stored run as a readable log; and the same run once more. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "cmd.h"
#include "determinism.h"
#include "jobs.h"
#include "report.h"
#include "rows.h"
#include "runfile.h"
#include "text.h"

extern const struct command cmd_replay;

enum { WORDS_MAX = 32, ROWS_AROUND = 20, ROWS_EVIDENCE = 40, WIDTH_MIN = 40, WIDTH_MAX = 1000, EVENTS_MAX = 1 << 30 };

struct words {
	const char *word[WORDS_MAX]; /* borrowed from argv */
	int n;
};

struct options {
	double from_s, to_s;
	struct words nodes, types, not_types;
	int64_t around, rows, width;
	bool evidence, all, raw, json, again;
};

struct replay {
	const struct options *o;
	const char *path;
	struct style style;
	struct store_run *file;    /* owned */
	struct store_loaded run;   /* owned */
	struct rows rows;
	uint64_t *ended;           /* owned; as rows.ended */
	uint8_t *shown;            /* owned; by seq: SHOWN, MARKED */
	bool lane[LANES_MAX];      /* --node */
	struct buf out;
};

enum { SHOWN = 1, MARKED = 2 };

/* --- options --- */

static int take_word(const struct cmd_option *o, struct words *w, const char *value)
{
	if (w->n == WORDS_MAX)
		return cmd_usage(&cmd_replay, "--%s can be given %d times at most", o->name, WORDS_MAX);
	w->word[w->n++] = value;
	return 0;
}

static int take_seconds(const struct cmd_option *o, const char *value, double *out)
{
	char *end;
	*out = strtod(value, &end);
	if (end != value && *end == '\0' && isfinite(*out) && *out >= 0)
		return 0;
	return cmd_usage(&cmd_replay, "--%s takes seconds, such as 1.5, not \"%s\"", o->name, value);
}

static int take_option(void *ctx, const struct cmd_option *o, const char *value)
{
	struct options *x = ctx;
	if (strcmp(o->name, "from") == 0)
		return take_seconds(o, value, &x->from_s);
	if (strcmp(o->name, "to") == 0)
		return take_seconds(o, value, &x->to_s);
	if (strcmp(o->name, "node") == 0)
		return take_word(o, &x->nodes, value);
	if (strcmp(o->name, "type") == 0)
		return take_word(o, &x->types, value);
	if (strcmp(o->name, "not-type") == 0)
		return take_word(o, &x->not_types, value);
	if (strcmp(o->name, "around") == 0)
		return cmd_number(&cmd_replay, o->name, value, 1, EVENTS_MAX, &x->around);
	if (strcmp(o->name, "rows") == 0)
		return cmd_number(&cmd_replay, o->name, value, 1, EVENTS_MAX, &x->rows);
	if (strcmp(o->name, "width") == 0)
		return cmd_number(&cmd_replay, o->name, value, WIDTH_MIN, WIDTH_MAX, &x->width);
	x->evidence |= strcmp(o->name, "evidence") == 0;
	x->all |= strcmp(o->name, "all") == 0;
	x->raw |= strcmp(o->name, "raw") == 0;
	x->json |= strcmp(o->name, "json") == 0;
	x->again |= strcmp(o->name, "again") == 0;
	return 0;
}

/* --- which events --- */

static bool word_among(const struct words *w, struct slice s)
{
	for (int i = 0; i < w->n; i++)
		if (slice_is(s, w->word[i]))
			return true;
	return false;
}

static bool lane_wanted(const struct replay *r, const struct event *e)
{
	if (r->o->nodes.n == 0 || (e->src < 0 && e->dst < 0))
		return true;
	return (e->src >= 0 && r->lane[e->src]) || (e->dst >= 0 && r->lane[e->dst]);
}

/* A message by the type of its body, anything else by its kind. Faults and the like have no type: --type leaves them. */
static bool type_wanted(const struct replay *r, const struct event *e)
{
	const struct options *o = r->o;
	struct slice type = e->msg ? trace_type_name(r->run.trace, e->type) : slice_of(event_kind_name(e->kind));
	if (word_among(&o->not_types, type))
		return false;
	bool frame = e->kind == EVENT_FAULT || e->kind == EVENT_NOTE || e->kind == EVENT_VERDICT || e->kind == EVENT_EXIT;
	return o->types.n == 0 || frame || word_among(&o->types, type);
}

static bool wanted(const struct replay *r, const struct event *e)
{
	double t = (double)e->t_ns / (double)NS_PER_S;
	bool hidden = !r->o->raw && !r->o->json && rows_hides(&r->rows, e);
	return !hidden && t >= r->o->from_s && t <= r->o->to_s && lane_wanted(r, e) && type_wanted(r, e);
}

static void choose_wanted(struct replay *r)
{
	struct rows rows = r->rows;
	for (uint64_t s = 1; s <= trace_count(r->run.trace); s++) {
		const struct event *e = trace_at(r->run.trace, s);
		if (wanted(r, e))
			r->shown[s] |= SHOWN;
		rows_see(&r->rows, e); /* rows_hides looks at what was seen */
	}
	r->rows = rows;
}

/* The last `rows` that would be shown up to a place, and as many after it. */
static void choose_around(struct replay *r)
{
	uint64_t count = trace_count(r->run.trace), middle = (uint64_t)r->o->around;
	int64_t rows = r->o->rows ? r->o->rows : ROWS_AROUND, left = rows;
	uint64_t from = middle > count ? count : middle;
	r->shown[from] |= SHOWN;
	uint64_t first = from, last = from;
	for (; first > 1 && left > 0; first--)
		left -= r->shown[first - 1] & SHOWN;
	for (left = rows; last < count && left > 0; last++)
		left -= r->shown[last + 1] & SHOWN;
	memset(r->shown, 0, first);
	memset(r->shown + last + 1, 0, count - last);
	r->shown[from] |= MARKED;
}

/* What the verdict rests on, and what led there: along the causes, nearest first. */
static size_t mark_evidence(struct replay *r, uint64_t *found, size_t max)
{
	uint64_t count = trace_count(r->run.trace), first[EVIDENCE_MAX];
	size_t n = 0, all = store_evidence(r->file, first, EVIDENCE_MAX);
	for (size_t i = 0; i < all && n < max; i++)
		if (first[i] >= 1 && first[i] <= count && !(r->shown[first[i]] & MARKED)) {
			r->shown[first[i]] |= MARKED;
			found[n++] = first[i];
		}
	return n;
}

/* Those that are shown anyway have a mark. */
static void choose_marks(struct replay *r)
{
	uint64_t found[EVIDENCE_MAX];
	mark_evidence(r, found, EVIDENCE_MAX);
}

static void choose_evidence(struct replay *r)
{
	size_t max = (size_t)(r->o->rows ? r->o->rows : ROWS_EVIDENCE);
	if (max > trace_count(r->run.trace))
		max = trace_count(r->run.trace);
	uint64_t *found = xcalloc(max + 1, sizeof *found);
	memset(r->shown, 0, trace_count(r->run.trace) + 1);
	size_t n = mark_evidence(r, found, max);
	for (size_t i = 0; i < n; i++) {
		uint64_t cause = trace_at(r->run.trace, found[i])->cause;
		r->shown[found[i]] |= SHOWN;
		if (cause && n < max && !r->shown[cause]) {
			r->shown[cause] |= SHOWN;
			found[n++] = cause;
		}
	}
	/* A message that is shown where it arrives needs no second row where it leaves. */
	for (size_t i = 0; i < n; i++) {
		const struct event *e = trace_at(r->run.trace, found[i]);
		if ((e->kind == EVENT_RECV || e->kind == EVENT_DROP) && e->cause && !r->o->all && !r->o->raw && !r->o->json)
			r->shown[e->cause] &= MARKED;
	}
	free(found);
}

/* --- printing --- */

static bool flush(struct replay *r)
{
	bool good = fwrite(r->out.s, 1, r->out.n, stdout) == r->out.n && !ferror(stdout);
	r->out.n = 0;
	return good;
}

static void add_raw(struct replay *r, const struct event *e)
{
	struct buf line = BUF_EMPTY;
	trace_print_event(&line, r->run.trace, e);
	text_add(&r->out, buf_as_slice(&line), SIZE_MAX, false);
	buf_char(&r->out, '\n');
	buf_done(&line);
}

static void json_key_text(struct buf *b, const char *key, struct slice text)
{
	buf_printf(b, ",\"%s\":", key);
	buf_json_string(b, text);
}

static void json_lanes(struct buf *b, const struct lanes *l, const struct event *e)
{
	if (e->src >= 0)
		json_key_text(b, "src", slice_of(lane_name(l, e->src)));
	if (e->dst >= 0 && e->dst != e->src)
		json_key_text(b, "dst", slice_of(lane_name(l, e->dst)));
}

static void add_json(struct replay *r, const struct event *e)
{
	const struct trace *t = r->run.trace;
	struct buf b = BUF_EMPTY;
	struct slice body = trace_body(t, e);
	buf_printf(&b, "{\"seq\":%llu,\"t_ns\":%lld,\"kind\":\"%s\"", (unsigned long long)e->seq, (long long)e->t_ns,
		event_kind_name(e->kind));
	json_lanes(&b, &r->run.lanes, e);
	if (e->msg)
		buf_printf(&b, ",\"msg\":%llu", (unsigned long long)e->msg);
	if (e->type)
		json_key_text(&b, "type", trace_type_name(t, e->type));
	if (e->kind == EVENT_DROP)
		json_key_text(&b, "why", slice_of(drop_text(e->why)));
	if (e->kind == EVENT_BAD)
		json_key_text(&b, "why", slice_of(bad_text(e->why)));
	if (e->kind == EVENT_RECV && e->why)
		buf_str(&b, ",\"copy\":true");
	if (e->kind == EVENT_EXIT || e->kind == EVENT_ARM || e->kind == EVENT_SOCK)
		buf_printf(&b, ",\"arg\":%lld", (long long)e->arg);
	if (e->cause)
		buf_printf(&b, ",\"cause\":%llu", (unsigned long long)e->cause);
	if (body.n && (e->msg || e->kind == EVENT_STATE || e->kind == EVENT_APPLY) && json_valid(body, NULL)) {
		buf_str(&b, ",\"body\":");
		buf_slice(&b, body);
	} else if (body.n) {
		json_key_text(&b, "text", body);
	}
	buf_char(&b, '}');
	text_add_json(&r->out, buf_as_slice(&b));
	buf_char(&r->out, '\n');
	buf_done(&b);
}

static void print_gap(struct replay *r, uint64_t from, uint64_t to)
{
	if (to > from && (r->o->evidence || r->o->around) && !r->o->raw && !r->o->json)
		buf_printf(&r->out, "%s%*s%llu more%s\n", r->style.dim, 2 + r->rows.seq_width, "", (unsigned long long)(to - from),
			r->style.off);
}

static void print_events(struct replay *r)
{
	uint64_t count = trace_count(r->run.trace), last = 0;
	for (uint64_t s = 1; s <= count; s++) {
		const struct event *e = trace_at(r->run.trace, s);
		if (r->shown[s] & SHOWN) {
			print_gap(r, last + 1, s);
			last = s;
			if (r->o->raw)
				add_raw(r, e);
			else if (r->o->json)
				add_json(r, e);
			else
				rows_print(&r->out, &r->rows, e, r->shown[s] & MARKED);
		}
		rows_see(&r->rows, e);
		if (r->out.n > 65536 && !flush(r))
			return;
	}
	print_gap(r, last + 1, count + 1);
}

/* Text of the file, harmless, NUL-terminated; borrowed until the run is freed. */
static const char *meta(struct replay *r, const char *key)
{
	struct buf b = BUF_EMPTY;
	struct slice value = store_meta_get(r->file, key);
	while (value.n) {
		const char *end = memchr(value.s, '\n', value.n);
		struct slice line = { value.s, end ? (size_t)(end - value.s) : value.n };
		text_add(&b, line, SIZE_MAX, rows_ascii());
		value.s += line.n + (end != NULL);
		value.n -= line.n + (end != NULL);
		if (end)
			buf_char(&b, '\n');
	}
	const char *s = arena_copy(&r->run.arena, (struct slice){ buf_cstr(&b), b.n }).s;
	buf_done(&b);
	return s;
}

static const char *verdict_colour(const struct replay *r, const char *verdict)
{
	return strcmp(verdict, "passed") == 0 ? r->style.green : strcmp(verdict, "failed") == 0 ? r->style.red : r->style.yellow;
}

static void print_head(struct replay *r)
{
	const struct style *s = &r->style;
	const char *verdict = meta(r, STORE_VERDICT), *rule = meta(r, STORE_RULE);
	bool free_play = strcmp(meta(r, STORE_LAB), "free") == 0, over = strcmp(meta(r, STORE_STATE), "finished") == 0;
	printf("%s%s/%s%s  %s\n", s->bold, meta(r, STORE_LAB), meta(r, STORE_TEST), s->off, meta(r, STORE_TITLE));
	printf("  %s%s, seed %s, %d node%s, %llu events%s%s%s\n", s->dim, meta(r, STORE_FABRIC), meta(r, STORE_SEED),
		r->run.lanes.nodes, r->run.lanes.nodes == 1 ? "" : "s", (unsigned long long)trace_count(r->run.trace),
		*meta(r, STORE_SKIP) ? ", parts left out: " : "", meta(r, STORE_SKIP), s->off);
	if (!over)
		printf("  %snot finished: it is still running, or was killed; this is what had been written%s\n", s->yellow, s->off);
	else if (!free_play)
		printf("  %s%s%s%s%s\n", verdict_colour(r, verdict), verdict, s->off, *rule ? ": " : "", rule);
	putchar('\n');
}

static void print_repeat(struct replay *r)
{
	struct buf b = BUF_EMPTY, shown = BUF_EMPTY;
	buf_printf(&b, "dlab test %s -t %s --fabric %s --seed %s", meta(r, STORE_LAB), meta(r, STORE_TEST),
		meta(r, STORE_FABRIC), meta(r, STORE_SEED));
	if (*meta(r, STORE_SKIP))
		buf_printf(&b, " --skip %s", meta(r, STORE_SKIP));
	runfile_print_command(&b, r->file);
	text_add(&shown, buf_as_slice(&b), SIZE_MAX, rows_ascii());
	bool sim = strcmp(meta(r, STORE_FABRIC), "sim") == 0;
	report_field(stdout, &r->style, sim ? "repeat" : "again", buf_cstr(&shown));
	if (sim) {
		b.n = 0;
		buf_printf(&b, "dlab replay --again %s", r->path);
		report_field(stdout, &r->style, "", buf_cstr(&b));
	}
	buf_done(&b);
	buf_done(&shown);
}

static void print_tail(struct replay *r)
{
	const struct style *s = &r->style;
	const char *verdict = meta(r, STORE_VERDICT);
	if (strcmp(meta(r, STORE_LAB), "free") == 0)
		return;
	if (*verdict)
		printf("\n  %s%s%s%s  %s/%s\n", verdict_colour(r, verdict), s->bold, verdict, s->off, meta(r, STORE_LAB),
			meta(r, STORE_TEST));
	else
		putchar('\n');
	report_field(stdout, s, "rule", meta(r, STORE_RULE));
	report_field(stdout, s, "source", meta(r, STORE_SOURCE));
	report_field(stdout, s, "expected", meta(r, STORE_EXPECTED));
	report_field(stdout, s, "seen", meta(r, STORE_SEEN));
	report_field(stdout, s, "next", meta(r, STORE_HINT));
	print_repeat(r);
}

/* --- putting it together --- */

static void look_at_run(struct replay *r, struct rows_plan *plan)
{
	const struct trace *t = r->run.trace;
	uint64_t count = trace_count(t);
	for (uint64_t s = 1; s <= count; s++) {
		const struct event *e = trace_at(t, s);
		for (int side = 0; side < 2; side++) {
			int lane = side ? e->dst : e->src;
			plan->clients |= lane >= 0 && lane_is_client(&r->run.lanes, lane);
			plan->services |= lane >= 0 && lane_is_service(&r->run.lanes, lane);
		}
		if ((e->kind == EVENT_RECV || e->kind == EVENT_DROP) && e->msg < r->rows.ended_n)
			r->ended[e->msg / 64] |= (uint64_t)1 << (e->msg % 64);
	}
	plan->last_seq = count;
	plan->last_ns = count ? trace_at(t, count)->t_ns : 0;
}

static uint64_t last_message(const struct trace *t)
{
	uint64_t last = 0;
	for (uint64_t s = 1; s <= trace_count(t); s++)
		if (trace_at(t, s)->msg > last)
			last = trace_at(t, s)->msg;
	return last;
}

static int find_lanes(struct replay *r)
{
	for (int i = 0; i < r->o->nodes.n; i++) {
		int lane = lane_find(&r->run.lanes, slice_of(r->o->nodes.word[i]));
		if (lane < 0)
			return cmd_usage(&cmd_replay, "--node: nobody in this run is called \"%s\"; its nodes are %s to %s",
				r->o->nodes.word[i], lane_name(&r->run.lanes, 0), lane_name(&r->run.lanes, r->run.lanes.nodes - 1));
		r->lane[lane] = true;
	}
	return 0;
}

static int terminal_width(const struct options *o, const struct style *s)
{
	const char *columns = getenv("COLUMNS");
	int64_t n;
	if (o->width)
		return (int)o->width;
	if (!s->terminal && columns && slice_int(slice_of(columns), &n) && n >= WIDTH_MIN && n <= WIDTH_MAX)
		return (int)n;
	return s->width < WIDTH_MIN ? WIDTH_MIN : s->width;
}

static int show(struct replay *r)
{
	const struct options *o = r->o;
	uint64_t count = trace_count(r->run.trace), messages = last_message(r->run.trace);
	struct rows_plan plan = { .width = terminal_width(o, &r->style), .columns = true };
	if (find_lanes(r) != 0)
		return EXIT_USAGE;
	r->ended = xcalloc(messages / 64 + 1, sizeof *r->ended);
	r->shown = xcalloc(count + 2, 1);
	r->rows.ended_n = messages + 1;
	look_at_run(r, &plan);
	rows_init(&r->rows, r->run.trace, &r->style, &plan);
	r->rows.all = o->all;
	r->rows.ended = r->ended;
	r->rows.ended_n = messages + 1;
	choose_wanted(r);
	if (o->evidence)
		choose_evidence(r);
	else
		choose_marks(r);
	if (o->around && count)
		choose_around(r);
	bool bare = o->raw || o->json;
	if (!bare) {
		print_head(r);
		rows_head(&r->out, &r->rows);
	}
	print_events(r);
	if (!bare && o->evidence && store_evidence(r->file, (uint64_t[1]){ 0 }, 1) == 0)
		buf_str(&r->out, "the verdict names no events\n");
	flush(r);
	if (!bare)
		print_tail(r);
	fflush(stdout);
	return EXIT_PASSED;
}

/* --- once more --- */

static void keep_lines(void *ctx, const struct trace *t, const struct history *h)
{
	(void)h;
	trace_lines(ctx, t);
}

static void print_line(struct replay *r, const char *what, struct slice line)
{
	struct buf b = BUF_EMPTY;
	text_add(&b, line.n ? line : SLICE("(it has ended)"), SIZE_MAX, rows_ascii());
	report_field(stdout, &r->style, what, buf_cstr(&b));
	buf_done(&b);
}

static int say_whether_same(struct replay *r, const struct buf *before, const struct buf *now, uint64_t hash)
{
	struct difference d;
	uint64_t count = trace_count(r->run.trace);
	bool whole = slice_is(store_meta_get(r->file, STORE_STATE), "finished");
	bool differ = trace_lines_differ(before, now, &d);
	if (!whole && differ && d.one.n == 0)
		differ = false;
	if (!differ && whole && hash != trace_hash(r->run.trace)) {
		printf("%s the events are the same, but not their causes: the file was changed, or an older dlab wrote it\n",
			r->style.unknown);
		return EXIT_FAILED;
	}
	if (!differ) {
		printf("%s%s%s the same run again: %llu events%s, trace %016llx\n", r->style.green, r->style.pass, r->style.off,
			(unsigned long long)count, whole ? "" : " as far as the file goes", (unsigned long long)hash);
		return EXIT_PASSED;
	}
	printf("%s%s%s not the same run: event %llu is the first that differs, %.*s's\n", r->style.red, r->style.fail, r->style.off,
		(unsigned long long)d.seq, SLICE_ARG(d.node));
	print_line(r, "then", d.one);
	print_line(r, "now", d.two);
	report_field(stdout, &r->style, "why", "the node was changed since; or it uses a clock, a thread or chance of its own: "
		"dlab test --check-determinism tells");
	return EXIT_FAILED;
}

static int again(struct replay *r, const struct workspace *w, char **after)
{
	struct rerun a;
	struct result result;
	struct err e = { "" };
	struct buf before = BUF_EMPTY, now = BUF_EMPTY;
	if (rerun_open(&a, w, r->path, r->file, after, &e) != 0)
		return cmd_usage(&cmd_replay, "%s", e.text);
	if (!a.spec.fabric->deterministic) {
		rerun_close(&a);
		return cmd_usage(&cmd_replay, "this run was on %s, where real time never repeats: only a run on sim can be made again",
			store_meta_get(r->file, STORE_FABRIC).s);
	}
	int rc = jobs_run_one(&a.spec, &result, &e, keep_lines, &now);
	if (rc == 0) {
		trace_lines(&before, r->run.trace);
		rc = say_whether_same(r, &before, &now, result.hash);
	} else {
		rc = cmd_world(&e);
	}
	result_done(&result);
	rerun_close(&a);
	buf_done(&before);
	buf_done(&now);
	return rc;
}

static void replay_done(struct replay *r)
{
	store_loaded_done(&r->run);
	store_close(r->file);
	free(r->ended);
	free(r->shown);
	buf_done(&r->out);
}

static int replay(const struct options *o, const struct workspace *w, const char *run, char **after)
{
	struct err e = { "" };
	char *path = runfile_find(w, run, &e);
	if (!path)
		return cmd_usage(&cmd_replay, "%s", e.text);
	struct replay r = { .o = o, .path = path, .style = style_of(stdout), .file = store_open(path, &e) };
	int rc;
	if (!r.file || store_load(r.file, &r.run, &e) != 0) {
		store_close(r.file);
		rc = cmd_world(&e);
	} else {
		rc = o->again ? again(&r, w, after) : show(&r);
		replay_done(&r);
	}
	free(path);
	return rc;
}

static int run(int argc, char **argv)
{
	struct options o = { .to_s = INFINITY };
	struct cmd_words words;
	struct workspace w;
	struct err e = { "" };
	int rc = cmd_parse(&cmd_replay, argc, argv, &words, take_option, &o);
	if (rc != 0)
		return rc < 0 ? EXIT_PASSED : rc;
	if (words.n > 1)
		return cmd_usage(&cmd_replay, "one run at a time, please; \"%s\" is one word too many", words.word[1]);
	if (words.after && !o.again)
		return cmd_usage(&cmd_replay, "a command is only for --again");
	if (workspace_open(&w, &e) != 0)
		return cmd_usage(&cmd_replay, "%s", e.text);
	rc = replay(&o, &w, words.n ? words.word[0] : NULL, words.after);
	workspace_close(&w);
	return rc;
}

static const struct cmd_option options[] = {
	{ "from", 0, "S", "from second S of the run on", NULL },
	{ "to", 0, "S", "up to second S", NULL },
	{ "node", 0, "NAME", "only what NAME (n2, c1, lin-kv) has to do with; can be repeated", NULL },
	{ "type", 0, "TYPE", "only messages of this type, or events of this kind (state, timer, log); can be repeated", NULL },
	{ "not-type", 0, "TYPE", "without these; can be repeated", NULL },
	{ "around", 0, "SEQ", "only the rows around event SEQ", NULL },
	{ "rows", 0, "N", "how many: on each side of --around (20), in all of --evidence (40)", NULL },
	{ "evidence", 0, NULL, "only what the verdict rests on, and what led to it", NULL },
	{ "all", 0, NULL, "a row for every event: also where messages leave, timers that are set, states without news", NULL },
	{ "raw", 0, NULL, "every event as one plain line: the form for comparing runs with diff", NULL },
	{ "json", 0, NULL, "one JSON object per event", NULL },
	{ "width", 0, "N", "columns of the terminal", NULL },
	{ "again", 0, NULL, "run it again (sim) and say whether it is the same run", NULL },
	{ 0 },
};

const struct command cmd_replay = {
	.name = "replay",
	.arguments = "[RUN] [OPTIONS] [-- COMMAND...]",
	.summary = "Show a stored run as a log, event by event",
	.help = "RUN is a run file (.db), LAB or LAB/TEST for the newest run of it, or nothing for the newest of all.\n"
		"Time goes downwards; each node has a column, and clients and services have one each when they act. A message\n"
		"has one row, where it arrives or is lost, and says how long it was on the way; --all shows where it left too.\n"
		"A line that ends in x was lost. A dotted lifeline is a paused node; no lifeline, one that is down. > before a number\n"
		"marks what the verdict rests on. A state report shows only what has changed. With more than 9 nodes, or on a narrow\n"
		"terminal, rows say \"n1 > n3\" instead of drawing it.\n"
		"--again starts the stored command with the stored seed. It does so only for files in this workspace's .dlab/runs; for\n"
		"any other give the command after --. Exit status of --again: 0 the same run, 1 another.",
	.completes = "@runs",
	.options = options,
	.run = run,
};
