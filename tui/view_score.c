/* view_score.c - this run's verdict and its evidence; the tests of its lab with what they are worth. */
#include <stdio.h>

#include "dash.h"
#include "rows.h"

/* A field with its name before it, wrapped at spaces. Returns the line behind it. */
static int field(struct grid *g, struct rect r, int y, const char *name, const char *text, int look)
{
	enum { NAME_W = 10 };
	if (!*text)
		return y;
	grid_str(g, r.x, y, NAME_W, LOOK_DIM, name);
	return y + grid_wrapped(g, (struct rect){ r.x + NAME_W, y, r.w - NAME_W, r.y + r.h - y }, look, slice_of(text));
}

static int evidence_lines(struct dash *d, struct grid *g, struct rect r, int y)
{
	const uint64_t *evidence;
	size_t n = source_evidence(d->source, &evidence);
	struct buf text = BUF_EMPTY;
	for (size_t i = 0; i < n && y < r.y + r.h; i++, y++) {
		const struct event *e = source_at(d->source, evidence[i]);
		bool chosen = d->pane == 0 && d->evidence == (int)i;
		int look = chosen ? LOOK_REVERSE : LOOK_PLAIN;
		if (!e)
			continue;
		text.n = 0;
		rows_print_body(&text, source_body(d->source, e));
		int x = grid_printf(g, r.x, y, r.w, look, "%c %9.3f  %s ", chosen ? '>' : ' ', (double)e->t_ns / 1e9, event_kind_name(e->kind));
		if (e->src >= 0)
			x = grid_printf(g, x, y, r.x + r.w - x, look, "%s%s%s ", lane_name(source_lanes(d->source), e->src),
				e->dst >= 0 && e->dst != e->src ? " > " : "", e->dst >= 0 && e->dst != e->src ? lane_name(source_lanes(d->source), e->dst) : "");
		grid_text(g, x, y, r.x + r.w - x, look, buf_as_slice(&text));
		if (chosen) {
			g->cursor_x = r.x;
			g->cursor_y = y;
		}
	}
	buf_done(&text);
	return y;
}

static void draw_verdict(struct dash *d, struct grid *g, struct rect r)
{
	struct source *s = d->source;
	const char *verdict = source_meta(s, STORE_VERDICT), *rule = source_meta(s, STORE_RULE);
	int look = strcmp(verdict, "passed") == 0 ? LOOK_GREEN : LOOK_RED, y = r.y;
	const uint64_t *evidence;
	y = field(g, r, y, "test", source_meta(s, STORE_TITLE), LOOK_BOLD);
	y = field(g, r, y, "verdict", *verdict ? verdict : source_finished(s) ? "none: nothing was judged" : "not yet: it is still running",
		*verdict ? look : LOOK_PLAIN);
	y = field(g, r, y, "rule", rule, LOOK_BOLD);
	y = field(g, r, y, "source", source_meta(s, STORE_SOURCE), LOOK_DIM);
	y = field(g, r, y, "expected", source_meta(s, STORE_EXPECTED), LOOK_PLAIN);
	y = field(g, r, y, "seen", source_meta(s, STORE_SEEN), LOOK_PLAIN);
	y = field(g, r, y, "next", source_meta(s, STORE_HINT), LOOK_PLAIN);
	if (source_evidence(s, &evidence) > 0) {
		grid_str(g, r.x, ++y, r.w, LOOK_DIM, "it rests on these events; Enter shows one in Flow");
		evidence_lines(d, g, r, y + 1);
	}
}

static void draw_tests(struct dash *d, struct grid *g, struct rect r)
{
	const struct home *h = &d->home;
	if (h->n == 0 || home_find(h, source_meta(d->source, STORE_LAB)) != h->at)
		return;
	const struct home_lab *lab = &h->lab[h->at];
	grid_printf(g, r.x, r.y, r.w, LOOK_BOLD, "%s: %u of %u points", lab->lab->id, lab->points, lab->of);
	for (int i = 0; i < h->tests && i < r.h - 1; i++) {
		const struct home_test *t = &h->test[i];
		bool here = strcmp(t->test->id, source_meta(d->source, STORE_TEST)) == 0;
		int look = t->passed ? LOOK_GREEN : *t->verdict ? LOOK_RED : LOOK_DIM;
		grid_put(g, r.x, r.y + 1 + i, look, *t->verdict || t->passed ? grid_glyph(g, t->passed ? GLYPH_PASS : GLYPH_GONE) : '-');
		grid_printf(g, r.x + 2, r.y + 1 + i, r.w - 2, here ? LOOK_BOLD : LOOK_PLAIN, "%3u %s", t->test->points, t->test->id);
	}
}

void view_score(struct dash *d, struct grid *g, struct rect r)
{
	int tests = r.w >= 100 ? 34 : 0;
	draw_verdict(d, g, (struct rect){ r.x + 1, r.y, r.w - 2 - tests, r.h });
	if (tests)
		draw_tests(d, g, (struct rect){ r.x + r.w - tests, r.y, tests, r.h });
}
