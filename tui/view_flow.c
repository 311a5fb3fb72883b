/* view_flow.c - nodes as columns, time downwards, a row per event. */
#include <stdlib.h>

#include "dash.h"
#include "rows.h"

enum { CARDS_FROM_W = 100, CARDS_W = 32, ROWS_MAX = GRID_MAX, GAP_NS = 1000000000 };

/* The events on the screen. */
struct window {
	uint64_t seq[ROWS_MAX];
	int n, chosen; /* index of the chosen one; -1 when it has no row */
};

static uint64_t shown_before(struct dash *d, uint64_t q)
{
	while (--q > 0) {
		const struct event *e = source_at(d->source, q);
		if (e && dash_shows(d, e))
			return q;
	}
	return 0;
}

static uint64_t shown_after(struct dash *d, uint64_t q)
{
	while (++q <= source_count(d->source)) {
		const struct event *e = source_at(d->source, q);
		if (e && dash_shows(d, e))
			return q;
	}
	return 0;
}

/* Around the chosen event, which keeps its line of the screen where the run's ends allow it. */
static void choose(struct dash *d, struct window *w, int h)
{
	const struct event *here = source_at(d->source, d->at);
	uint64_t back[ROWS_MAX], q = d->at + 1;
	int row = d->row < 0 ? 0 : d->row >= h ? h - 1 : d->row, n = 0;
	bool rests = !d->playing && !d->follow; /* then what is chosen is seen, also what has no row otherwise */
	bool chosen = here && (dash_shows(d, here) || (rests && filter_matches(&d->filter, d->source, here)));
	int want = row + chosen;
	if (chosen)
		back[n++] = q = d->at;
	while (n < h && n < want && (q = shown_before(d, q)) > 0)
		back[n++] = q;
	w->n = 0;
	for (int i = n - 1; i >= 0; i--)
		w->seq[w->n++] = back[i];
	w->chosen = chosen ? w->n - 1 : -1;
	for (q = d->at; w->n < h && (q = shown_after(d, q)) > 0;)
		w->seq[w->n++] = q;
	if (w->n < h && n == want) { /* at the end: what is before fills the screen */
		int more = 0;
		uint64_t first = w->n ? w->seq[0] : d->at + 1;
		while (w->n + more < h && (first = shown_before(d, first)) > 0)
			back[more++] = first;
		memmove(w->seq + more, w->seq, (size_t)w->n * sizeof *w->seq);
		for (int i = 0; i < more; i++)
			w->seq[more - 1 - i] = back[i];
		w->n += more;
		w->chosen += w->chosen >= 0 ? more : 0;
	}
	if (w->chosen >= 0)
		d->row = w->chosen;
}

static void start_rows(struct dash *d, struct rows *rows, const struct style *style, int width, uint64_t first)
{
	struct rows_plan plan = { .width = width, .columns = true, .clients = d->survey.clients, .services = d->survey.services,
		.last_seq = source_count(d->source), .last_ns = dash_end_ns(d) };
	struct moment m;
	rows_init_with(rows, source_lanes(d->source), style, &plan, source_sent_of, d->source);
	rows->ascii = d->ascii;
	survey_moment(&d->survey, d->source, first > 1 ? first - 1 : 0, &m);
	for (int n = 0; n < rows->lanes->nodes; n++)
		rows->life[n] = m.life[n];
}

static bool is_evidence(struct dash *d, uint64_t seq)
{
	const uint64_t *evidence;
	size_t n = source_evidence(d->source, &evidence);
	for (size_t i = 0; i < n; i++)
		if (evidence[i] == seq)
			return true;
	return false;
}

/* How an event stands to the chosen one, by their vector clocks. */
enum relation { CONCURRENT, BEFORE, AFTER, UNKNOWN_RELATION };

static int relation(struct dash *d, const uint32_t *mine, const struct event *here, const struct event *e, uint32_t *theirs)
{
	int a = event_lane(here), b = event_lane(e);
	if (a < 0 || b < 0 || !source_clock(d->source, e, theirs))
		return UNKNOWN_RELATION;
	if (e->seq < here->seq)
		return theirs[b] <= mine[b] ? BEFORE : CONCURRENT;
	return mine[a] <= theirs[a] ? AFTER : CONCURRENT;
}

static void mark_causes(struct dash *d, struct grid *g, struct rect r, const struct window *w)
{
	static const char marks[] = { [CONCURRENT] = ' ', [BEFORE] = '<', [AFTER] = '>', [UNKNOWN_RELATION] = ' ' };
	static const int looks[] = { LOOK_DIM, LOOK_YELLOW, LOOK_BLUE, LOOK_PLAIN };
	const struct event *here = w->chosen >= 0 ? source_at(d->source, d->at) : NULL;
	uint32_t mine[LANES_MAX], theirs[LANES_MAX];
	if (!here || !source_clock(d->source, here, mine))
		return;
	for (int i = 0; i < w->n; i++) {
		const struct event *e = source_at(d->source, w->seq[i]);
		if (!e || i == w->chosen)
			continue;
		int how = relation(d, mine, here, e, theirs);
		grid_put(g, r.x, r.y + i, looks[how], marks[how]);
		if (how == CONCURRENT)
			grid_look(g, (struct rect){ r.x, r.y + i, r.w, 1 }, LOOK_DIM);
	}
}

static void draw_rows(struct dash *d, struct grid *g, struct rect r, struct window *w)
{
	struct style style = grid_style(r.w - 1, d->ascii);
	struct rows rows;
	struct buf text = BUF_EMPTY;
	start_rows(d, &rows, &style, r.w - 1, w->n ? w->seq[0] : 1);
	rows_head(&text, &rows);
	text.n -= text.n > 0;
	grid_styled(g, r.x + 1, r.y, r.w - 1, LOOK_PLAIN, buf_as_slice(&text));
	uint64_t before = w->n ? w->seq[0] : 0;
	for (int i = 0; i < w->n; i++) {
		for (uint64_t q = before; q < w->seq[i]; q++) { /* those without a row change who is up, too */
			const struct event *e = source_at(d->source, q);
			if (e)
				rows_see(&rows, e);
		}
		const struct event *e = source_at(d->source, w->seq[i]);
		if (!e)
			continue;
		text.n = 0;
		rows_print(&text, &rows, e, is_evidence(d, e->seq));
		text.n -= text.n > 0;
		grid_styled(g, r.x + 1, r.y + 1 + i, r.w - 1, LOOK_PLAIN, buf_as_slice(&text));
		before = w->seq[i];
	}
	buf_done(&text);
}

void view_flow(struct dash *d, struct grid *g, struct rect r)
{
	if (r.w >= CARDS_FROM_W) {
		view_cards(d, g, (struct rect){ r.x + r.w - CARDS_W, r.y, CARDS_W, r.h });
		r.w -= CARDS_W + 1;
	}
	struct window *w = xcalloc(1, sizeof *w);
	choose(d, w, r.h - 1);
	draw_rows(d, g, r, w);
	struct rect rows = { r.x, r.y + 1, r.w, r.h - 1 };
	if (d->causes)
		mark_causes(d, g, rows, w);
	if (w->chosen >= 0) {
		int y = rows.y + w->chosen;
		for (int x = r.x; x < r.x + r.w; x++)
			if (x < g->w)
				g->cells[y * g->w + x].look |= LOOK_REVERSE;
		grid_put(g, r.x, y, LOOK_BOLD | LOOK_REVERSE, grid_glyph(g, GLYPH_CURSOR));
		g->cursor_x = r.x;
		g->cursor_y = y;
	}
	if (w->n == 0)
		grid_printf(g, r.x + 2, r.y + 2, -1, LOOK_DIM, source_count(d->source) ? "the filter leaves nothing (f and Enter clear it)" :
			"nothing has happened yet");
	free(w);
}
