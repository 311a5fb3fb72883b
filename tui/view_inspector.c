/* view_inspector.c - one event, whole: its message as JSON, how long it took, what led to it, the node before and after. */
#include <stdio.h>

#include "dash.h"
#include "json.h"
#include "proto.h"

enum { CHAIN = 6 };

/* Lines of the panel, of which some are above it. */
struct lines {
	struct grid *g;
	struct rect r;
	int y; /* of the next line; below r.y: scrolled away */
};

static void add_line(struct lines *l, int look, struct slice s)
{
	if (l->y >= l->r.y && l->y < l->r.y + l->r.h)
		grid_text(l->g, l->r.x, l->y, l->r.w, look, s);
	l->y++;
}

static void add_printf(struct lines *l, int look, const char *fmt, ...) PRINTF_LIKE(3, 4);

static void add_printf(struct lines *l, int look, const char *fmt, ...)
{
	struct buf b = BUF_EMPTY;
	va_list ap;
	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	add_line(l, look, buf_as_slice(&b));
	buf_done(&b);
}

/* JSON over several lines; anything else as it stands. */
static void add_json(struct lines *l, struct slice body)
{
	struct err ignored;
	json_t *doc = body.n ? json_read(body, &ignored) : NULL;
	char *text = doc ? json_dumps(doc, JSON_INDENT(2) | JSON_PRESERVE_ORDER) : NULL;
	struct slice rest = text ? slice_of(text) : body;
	while (rest.n) {
		const char *end = memchr(rest.s, '\n', rest.n);
		size_t n = end ? (size_t)(end - rest.s) : rest.n;
		for (size_t at = 0; at == 0 || at < n; at += (size_t)l->r.w)
			add_line(l, LOOK_PLAIN, (struct slice){ rest.s + at, n - at < (size_t)l->r.w ? n - at : (size_t)l->r.w });
		n += end != NULL;
		rest = (struct slice){ rest.s + n, rest.n - n };
	}
	free(text);
	json_decref(doc);
}

static void add_event(struct dash *d, struct lines *l, int look, const struct event *e)
{
	const struct lanes *lanes = source_lanes(d->source);
	bool two = e->src >= 0 && e->dst >= 0 && e->src != e->dst;
	add_printf(l, look, "#%-7llu %10.3f s  %-6s %s%s%s %.*s", (unsigned long long)e->seq, (double)e->t_ns / 1e9,
		event_kind_name(e->kind), e->src >= 0 ? lane_name(lanes, e->src) : "", two ? " > " : "",
		two ? lane_name(lanes, e->dst) : "", SLICE_ARG(source_type(d->source, e->type)));
}

static void add_causes(struct dash *d, struct lines *l, const struct event *e)
{
	uint64_t cause = e->cause, below = e->seq;
	if (!cause)
		return;
	add_printf(l, LOOK_DIM, "what led to it");
	for (int i = 0; i < CHAIN && cause && cause < below; i++) {
		const struct event *before = source_at(d->source, cause);
		if (!before)
			return;
		add_event(d, l, LOOK_PLAIN, before);
		below = cause;
		cause = before->cause;
	}
}

static void add_state(struct dash *d, struct lines *l, const char *when, uint64_t seq, int node)
{
	struct moment m;
	struct buf role = BUF_EMPTY, rest = BUF_EMPTY;
	survey_moment(&d->survey, d->source, seq, &m);
	if (moment_state(&m, d->source, node, &role, &rest))
		add_printf(l, LOOK_BLUE, "%s %s %s", when, buf_cstr(&role), buf_cstr(&rest));
	buf_done(&role);
	buf_done(&rest);
}

/* The first report that came after, of what the event made of the node. */
static uint64_t next_state(struct dash *d, const struct event *e, int node)
{
	enum { LOOK_AHEAD = 64 };
	for (uint64_t q = e->seq; q <= e->seq + LOOK_AHEAD; q++) {
		const struct event *after = source_at(d->source, q);
		if (after && after->kind == EVENT_STATE && after->src == node)
			return q;
	}
	return e->seq;
}

static void add_clock(struct dash *d, struct lines *l, const struct event *e)
{
	uint32_t clock[LANES_MAX];
	struct buf b = BUF_EMPTY;
	const struct lanes *lanes = source_lanes(d->source);
	if (!source_clock(d->source, e, clock))
		return;
	for (int i = 0; i < lanes_count(lanes) && b.n < 200; i++)
		if (clock[i])
			buf_printf(&b, "%s%s:%u", b.n ? " " : "", lane_name(lanes, i), clock[i]);
	add_printf(l, LOOK_DIM, "vector clock");
	add_line(l, LOOK_PLAIN, buf_as_slice(&b));
	buf_done(&b);
}

static void add_fate(struct dash *d, struct lines *l, const struct event *e)
{
	const struct event *sent = source_sent(d->source, e);
	if (sent)
		add_printf(l, e->kind == EVENT_DROP ? LOOK_RED : LOOK_GREEN, "%s%s after %.3f ms on the way",
			e->kind == EVENT_DROP ? "lost: " : "arrived", e->kind == EVENT_DROP ? drop_text(e->why) : "",
			(double)(e->t_ns - sent->t_ns) / 1e6);
	if (e->kind == EVENT_BAD)
		add_printf(l, LOOK_RED, "the node %s", bad_text(e->why));
}

void view_inspector(struct dash *d, struct grid *g, struct rect r)
{
	const struct event *e = source_at(d->source, d->at);
	if (!e)
		return;
	grid_fill(g, r, LOOK_PLAIN, ' ');
	grid_frame(g, r, LOOK_BOLD, "event (Enter or Esc closes)");
	struct lines l = { g, { r.x + 2, r.y + 1, r.w - 4, r.h - 2 }, r.y + 1 - d->scroll };
	add_event(d, &l, LOOK_BOLD, e);
	add_printf(&l, LOOK_DIM, "%s", event_kind_meaning(e->kind));
	add_fate(d, &l, e);
	add_json(&l, source_body(d->source, e));
	add_causes(d, &l, e);
	int lane = event_lane(e);
	if (lane_is_node(source_lanes(d->source), lane)) {
		add_printf(&l, LOOK_DIM, "%s before and after", lane_name(source_lanes(d->source), lane));
		add_state(d, &l, "-", e->seq - 1, lane);
		add_state(d, &l, "+", next_state(d, e, lane), lane);
	}
	add_clock(d, &l, e);
}
