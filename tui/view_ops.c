/* view_ops.c - what clients asked, as bars in time, with what the verdict rests on. */
#include <stdio.h>

#include "dash.h"
#include "rows.h"

enum { WHO_W = 14, TEXT_W = 34, LIVE_OPS_MAX = 200 }; /* a live run is judged again with each operation */

static int64_t op_before(const struct survey *s, uint64_t seq)
{
	size_t lo = 0, hi = s->ops_n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (s->ops[mid].call <= seq)
			lo = mid + 1;
		else
			hi = mid;
	}
	return (int64_t)lo - 1;
}

/* The verdict rests on it, or no order has a place for it. */
static bool proves(struct dash *d, const struct operation *op)
{
	if (d->points.state == POINTS_CONFLICT && d->points.conflict[op - d->survey.ops])
		return true;
	const uint64_t *evidence;
	size_t n = source_evidence(d->source, &evidence);
	for (size_t i = 0; i < n; i++)
		if (evidence[i] == op->call || (op->reply && evidence[i] == op->reply))
			return true;
	return false;
}

/* The stretch of time of the operations on the screen. */
struct stretch {
	int64_t from, to;
};

static struct stretch stretch_of(struct dash *d, int64_t first, int64_t last)
{
	struct stretch s = { INT64_MAX, 0 };
	for (int64_t i = first; i <= last; i++) {
		const struct event *call = source_at(d->source, d->survey.ops[i].call);
		const struct event *reply = source_at(d->source, d->survey.ops[i].reply);
		if (call && call->t_ns < s.from)
			s.from = call->t_ns;
		if (call && call->t_ns > s.to)
			s.to = call->t_ns;
		if (reply && reply->t_ns > s.to)
			s.to = reply->t_ns;
	}
	if (s.to <= s.from)
		s.to = s.from + 1;
	return s;
}

static void draw_bar(struct grid *g, struct rect r, const struct stretch *s, int64_t call, int64_t reply, bool marked)
{
	int w = r.w - 1, a = (int)((double)(call - s->from) / (double)(s->to - s->from) * w);
	int z = reply < 0 ? w : (int)((double)(reply - s->from) / (double)(s->to - s->from) * w);
	int look = reply < 0 ? LOOK_YELLOW : marked ? LOOK_RED : LOOK_GREEN;
	for (int x = a; x <= z; x++)
		grid_put(g, r.x + x, r.y, look, grid_glyph(g, reply < 0 ? GLYPH_TILDE : marked ? GLYPH_HEAVY : GLYPH_DASH));
	grid_put(g, r.x + a, r.y, look, '[');
	if (reply >= 0 && z > a)
		grid_put(g, r.x + z, r.y, look, ']');
}

/* It may stand before the bar: the same request was asked before. */
static void draw_point(struct grid *g, struct rect r, const struct stretch *s, int64_t t_ns, int64_t reply)
{
	if (t_ns < s->from || t_ns > s->to || t_ns > reply)
		return;
	int x = (int)((double)(t_ns - s->from) / (double)(s->to - s->from) * (r.w - 1));
	grid_put(g, r.x + x, r.y, LOOK_BOLD, grid_glyph(g, GLYPH_DOT));
}

static const char *legend(const struct dash *d)
{
	switch (d->points.state) {
	case POINTS_ORDER: return "o: one order that explains all answers";
	case POINTS_CONFLICT: return "!: these answers have no order";
	case POINTS_UNKNOWN: return "whether an order explains all answers was not found out";
	default: return "!: the verdict rests on it";
	}
}

static void draw_op(struct dash *d, struct grid *g, struct rect r, const struct operation *op, const struct stretch *s, bool chosen)
{
	const struct event *call = source_at(d->source, op->call), *reply = source_at(d->source, op->reply);
	const struct lanes *l = source_lanes(d->source);
	struct buf text = BUF_EMPTY;
	if (!call)
		return;
	bool marked = proves(d, op);
	int look = chosen ? LOOK_REVERSE : marked ? LOOK_RED : LOOK_PLAIN;
	grid_printf(g, r.x, r.y, WHO_W, look, "%s%s > %s", marked ? "! " : "  ", lane_name(l, op->client), lane_name(l, op->node));
	rows_print_body(&text, call->text);
	grid_text(g, r.x + WHO_W + 1, r.y, TEXT_W, look, buf_as_slice(&text));
	text.n = 0;
	if (reply)
		rows_print_body(&text, reply->text);
	else
		buf_str(&text, "no answer");
	int answer = r.w > 120 ? TEXT_W : 0, x = r.x + WHO_W + TEXT_W + 2;
	if (answer)
		grid_text(g, x, r.y, answer - 1, reply ? LOOK_PLAIN : LOOK_YELLOW, buf_as_slice(&text));
	struct rect bar = { x + answer, r.y, r.x + r.w - x - answer - 1, 1 };
	draw_bar(g, bar, s, call->t_ns, reply ? reply->t_ns : -1, marked);
	if (d->points.state == POINTS_ORDER && d->points.t_ns[op - d->survey.ops] >= 0)
		draw_point(g, bar, s, d->points.t_ns[op - d->survey.ops], reply ? reply->t_ns : INT64_MAX);
	if (chosen) {
		g->cursor_x = r.x;
		g->cursor_y = r.y;
	}
	buf_done(&text);
}

static int verdict_lines(struct dash *d, struct grid *g, struct rect r)
{
	const char *rule = source_meta(d->source, STORE_RULE), *seen = source_meta(d->source, STORE_SEEN);
	const uint64_t *evidence;
	if (!*rule || source_evidence(d->source, &evidence) == 0)
		return 0;
	grid_printf(g, r.x + 1, r.y, r.w - 2, LOOK_RED, "! %s", rule);
	grid_printf(g, r.x + 3, r.y + 1, r.w - 4, LOOK_PLAIN, "%s", seen);
	return 2;
}

void view_ops(struct dash *d, struct grid *g, struct rect r)
{
	if (d->survey.ops_n == 0) {
		grid_str(g, r.x + 2, r.y + 1, -1, LOOK_DIM, "No client has asked anything so far.");
		return;
	}
	bool changed = d->points.ops_n != d->survey.ops_n && d->survey.seen == source_count(d->source);
	if (changed && (source_finished(d->source) || d->survey.ops_n <= LIVE_OPS_MAX))
		points_find(&d->points, &d->survey, d->source);
	int used = verdict_lines(d, g, r);
	r = (struct rect){ r.x + 1, r.y + used, r.w - 2, r.h - used };
	int rows = r.h - 1;
	int64_t here = op_before(&d->survey, d->at), first = here - rows / 2, n = (int64_t)d->survey.ops_n;
	if (first + rows > n)
		first = n - rows;
	first = first < 0 ? 0 : first;
	int64_t last = first + rows - 1 < n - 1 ? first + rows - 1 : n - 1;
	struct stretch s = stretch_of(d, first, last);
	grid_printf(g, r.x, r.y, r.w, LOOK_DIM, "%lld of %lld operations, %.3f s to %.3f s; [--] answered, [~~ not; %s",
		(long long)(here + 1), (long long)n, (double)s.from / 1e9, (double)s.to / 1e9, legend(d));
	for (int64_t i = first; i <= last; i++)
		draw_op(d, g, (struct rect){ r.x, r.y + 1 + (int)(i - first), r.w, 1 }, &d->survey.ops[i], &s, i == here);
}
