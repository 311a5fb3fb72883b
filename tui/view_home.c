/* view_home.c - the roadmap as a map of stages and labs, and a lab's guide. */
#include <stdio.h>

#include "catalogue.h"
#include "dash.h"

enum { BAR = 10, LABS_W = 48 };

static void draw_lab(struct dash *d, struct grid *g, struct rect r, int i)
{
	const struct home_lab *h = &d->home.lab[i];
	bool chosen = i == d->home.at;
	int look = chosen ? LOOK_REVERSE : LOOK_PLAIN, full = h->of ? (int)(h->points * BAR / h->of) : 0;
	grid_fill(g, r, look, ' ');
	grid_printf(g, r.x + 3, r.y, 16, look | (h->points == h->of ? LOOK_GREEN : 0), "%s", h->lab->id);
	for (int b = 0; b < BAR; b++)
		grid_put(g, r.x + 20 + b, r.y, look | (b < full ? LOOK_GREEN : LOOK_DIM), grid_glyph(g, b < full ? GLYPH_BAR : GLYPH_EMPTY));
	grid_printf(g, r.x + 32, r.y, r.w - 32, look, "%3u of %u", h->points, h->of);
	if (chosen) {
		grid_put(g, r.x + 1, r.y, look, grid_glyph(g, GLYPH_CURSOR));
		g->cursor_x = r.x;
		g->cursor_y = r.y;
	}
}

static void draw_labs(struct dash *d, struct grid *g, struct rect r)
{
	int y = r.y, stage = 0, top = 0, lines = 0, line_of = 0;
	for (int i = 0; i < d->home.n; i++) {
		lines += 1 + (d->home.lab[i].lab->stage != stage);
		stage = d->home.lab[i].lab->stage;
		if (i == d->home.at)
			line_of = lines;
	}
	top = line_of > r.h ? line_of - r.h : 0;
	stage = 0;
	lines = 0;
	for (int i = 0; i < d->home.n; i++) {
		const struct lab *lab = d->home.lab[i].lab;
		if (lab->stage != stage && lines++ >= top && y < r.y + r.h)
			grid_printf(g, r.x + 1, y++, r.w, LOOK_BOLD, "%d %s", lab->stage, stage_slug(lab->stage));
		stage = lab->stage;
		if (lines++ >= top && y < r.y + r.h)
			draw_lab(d, g, (struct rect){ r.x, y++, r.w, 1 }, i);
	}
}

static void draw_tests(struct dash *d, struct grid *g, struct rect r)
{
	const struct home *h = &d->home;
	if (h->n == 0)
		return;
	grid_printf(g, r.x, r.y, r.w, LOOK_BOLD, "%s", h->lab[h->at].lab->title);
	for (int i = 0; i < h->tests && i < r.h - 2; i++) {
		const struct home_test *t = &h->test[i];
		int look = t->passed ? LOOK_GREEN : *t->verdict ? LOOK_RED : LOOK_DIM;
		grid_put(g, r.x, r.y + 1 + i, look, *t->verdict || t->passed ? grid_glyph(g, t->passed ? GLYPH_PASS : GLYPH_GONE) : '-');
		int x = grid_printf(g, r.x + 2, r.y + 1 + i, r.w - 2, LOOK_PLAIN, "%-18s ", t->test->id);
		grid_str(g, x, r.y + 1 + i, r.x + r.w - x, LOOK_DIM, !t->passed && *t->rule ? t->rule : t->test->title);
	}
}

void view_home(struct dash *d, struct grid *g, struct rect r)
{
	int labs = r.w < LABS_W + 30 ? r.w : r.w < 100 ? LABS_W - 6 : LABS_W;
	draw_labs(d, g, (struct rect){ r.x, r.y, labs, r.h });
	if (labs < r.w)
		draw_tests(d, g, (struct rect){ r.x + labs + 1, r.y, r.w - labs - 2, r.h });
}

void view_guide(struct dash *d, struct grid *g, struct rect r)
{
	struct err e;
	if (d->guide_w != r.w - 4 && dash_guide(d, d->guide_lab, r.w - 4, &e) != 0) {
		grid_printf(g, r.x + 2, r.y + 1, -1, LOOK_RED, "%s", e.text);
		return;
	}
	int line = 0, lines = 0;
	for (size_t i = 0; i < d->guide.n; i++)
		lines += d->guide.s[i] == '\n';
	if (d->scroll > lines - r.h)
		d->scroll = lines - r.h;
	if (d->scroll < 0)
		d->scroll = 0;
	struct slice rest = buf_as_slice(&d->guide);
	while (rest.n && line < d->scroll + r.h) {
		const char *end = memchr(rest.s, '\n', rest.n);
		size_t n = end ? (size_t)(end - rest.s) : rest.n;
		if (line >= d->scroll)
			grid_styled(g, r.x + 2, r.y + line - d->scroll, r.w - 4, LOOK_PLAIN, (struct slice){ rest.s, n });
		line++;
		n += end != NULL;
		rest = (struct slice){ rest.s + n, rest.n - n };
	}
}
