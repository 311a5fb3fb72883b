/* view_timeline.c - the whole run on one screen: density per node and time, faults, losses, operations. */
#include <stdio.h>

#include "dash.h"

enum { NAME_W = 9, FAULT_ROWS = 5 };

struct axis {
	struct rect r; /* of the plot */
	int64_t from, to;
};

static int x_of(const struct axis *a, int64_t t_ns)
{
	double part = (double)(t_ns - a->from) / (double)(a->to - a->from);
	return a->r.x + (int)(part * (a->r.w - 1));
}

static bool on_axis(const struct axis *a, int64_t t_ns)
{
	return t_ns >= a->from && t_ns <= a->to;
}

static int64_t t_of(const struct axis *a, int column)
{
	return a->from + (a->to - a->from) * column / a->r.w;
}

/* Events of a column: whole buckets, so that nothing is counted twice. */
static uint64_t count_in(const struct survey *s, const uint32_t *counts, const struct axis *a, int column)
{
	int64_t lo = t_of(a, column) / s->bucket_ns, hi = t_of(a, column + 1) / s->bucket_ns;
	uint64_t sum = 0;
	for (int64_t b = lo; b <= hi && b < SURVEY_BUCKETS; b++)
		if (b < hi || hi == lo)
			sum += counts[b];
	return sum;
}

static uint64_t most(const struct survey *s, const struct axis *a)
{
	uint64_t max = 1;
	for (int n = 0; n < s->nodes; n++)
		for (int c = 0; c < a->r.w; c++) {
			uint64_t v = count_in(s, s->count + n * SURVEY_BUCKETS, a, c);
			max = v > max ? v : max;
		}
	return max;
}

static void draw_density(struct dash *d, struct grid *g, const struct axis *a, int y, int node, uint64_t max)
{
	static const int steps[] = { GLYPH_LIGHT, GLYPH_EMPTY, GLYPH_MID, GLYPH_HEAVY, GLYPH_BAR };
	const struct survey *s = &d->survey;
	grid_printf(g, a->r.x - NAME_W, y, NAME_W - 1, LOOK_PLAIN, "%s", lane_name(source_lanes(d->source), node));
	for (int c = 0; c < a->r.w; c++) {
		uint64_t v = count_in(s, s->count + node * SURVEY_BUCKETS, a, c);
		if (v) {
			uint64_t step = v * (ARRAY_LEN(steps) - 1) / max;
			grid_put(g, a->r.x + c, y, LOOK_BLUE, grid_glyph(g, (enum glyph)steps[step]));
		}
	}
}

static void draw_lost(struct dash *d, struct grid *g, const struct axis *a, int y)
{
	grid_str(g, a->r.x - NAME_W, y, NAME_W - 1, LOOK_RED, "lost");
	for (int c = 0; c < a->r.w; c++)
		if (count_in(&d->survey, d->survey.lost, a, c))
			grid_put(g, a->r.x + c, y, LOOK_RED, grid_glyph(g, GLYPH_GONE));
}

static int draw_words(struct dash *d, struct grid *g, int x, int y, const struct mark *m)
{
	enum { WORDS_W = 24 };
	const struct event *e = source_at(d->source, m->seq);
	if (!e)
		return x;
	if (m->kind == EVENT_FAULT)
		return grid_text(g, x, y, WORDS_W, LOOK_YELLOW, e->text);
	return grid_printf(g, x, y, WORDS_W, LOOK_YELLOW, "%s %s", event_kind_name(m->kind),
		e->src >= 0 ? lane_name(source_lanes(d->source), e->src) : "");
}

/* What happened to nodes and network: one mark each, and the words of those that fit. */
static void draw_marks(struct dash *d, struct grid *g, const struct axis *a, int y, int rows)
{
	int free_from[FAULT_ROWS] = { 0 };
	grid_str(g, a->r.x - NAME_W, y, NAME_W - 1, LOOK_YELLOW, "faults");
	for (size_t i = 0; i < d->survey.marks_n; i++) {
		const struct mark *m = &d->survey.marks[i];
		if (!on_axis(a, m->t_ns))
			continue;
		int x = x_of(a, m->t_ns), row = 0;
		while (row < rows - 1 && free_from[row] > x)
			row++;
		grid_put(g, x, y + row, LOOK_YELLOW, grid_glyph(g, GLYPH_CURSOR));
		if (free_from[row] <= x)
			free_from[row] = 1 + draw_words(d, g, x + 1, y + row, m);
	}
}

static void draw_ops(struct dash *d, struct grid *g, const struct axis *a, int y)
{
	grid_str(g, a->r.x - NAME_W, y, NAME_W - 1, LOOK_GREEN, "clients");
	int last = -1;
	for (size_t i = 0; i < d->survey.ops_n; i++) {
		const struct operation *op = &d->survey.ops[i];
		if (!on_axis(a, op->call_ns) || (x_of(a, op->call_ns) == last && op->reply))
			continue;
		last = x_of(a, op->call_ns);
		grid_put(g, last, y, op->reply ? LOOK_GREEN : LOOK_RED, grid_glyph(g, op->reply ? GLYPH_DASH : GLYPH_GONE));
	}
}

static void draw_cursor(struct dash *d, struct grid *g, const struct axis *a)
{
	if (!on_axis(a, d->t_ns))
		return;
	int x = x_of(a, d->t_ns);
	for (int y = a->r.y; y < a->r.y + a->r.h; y++)
		if (x < g->w && y < g->h)
			g->cells[y * g->w + x].look |= LOOK_REVERSE;
	g->cursor_x = x;
	g->cursor_y = a->r.y;
}

void view_timeline(struct dash *d, struct grid *g, struct rect r)
{
	int64_t end = d->survey.end_ns > 0 ? d->survey.end_ns : 1;
	struct axis a = { .r = { r.x + NAME_W + 1, r.y + 1, r.w - NAME_W - 3, r.h - 3 }, .from = d->from_ns,
		.to = d->to_ns > d->from_ns ? d->to_ns : end };
	int nodes = source_lanes(d->source)->nodes, y = a.r.y, rows = a.r.h - 3 - FAULT_ROWS;
	uint64_t max = most(&d->survey, &a);
	for (int n = 0; n < nodes && n < rows; n++)
		draw_density(d, g, &a, y++, n, max);
	if (nodes > rows)
		grid_printf(g, r.x + 1, y - 1, NAME_W, LOOK_DIM, "+%d more", nodes - rows + 1);
	draw_lost(d, g, &a, y++);
	draw_ops(d, g, &a, y++);
	draw_marks(d, g, &a, ++y, FAULT_ROWS);
	grid_printf(g, a.r.x, r.y + r.h - 1, -1, LOOK_DIM, "%.3f s", (double)a.from / 1e9);
	grid_printf(g, a.r.x + a.r.w - 12, r.y + r.h - 1, -1, LOOK_DIM, "%10.3f s", (double)a.to / 1e9);
	grid_printf(g, a.r.x + a.r.w / 2 - 14, r.y + r.h - 1, -1, LOOK_DIM, "a column is %.1f ms", (double)(a.to - a.from) / a.r.w / 1e6);
	draw_cursor(d, g, &a);
}
