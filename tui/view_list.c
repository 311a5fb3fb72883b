/* view_list.c - Logs and Commands: places of a run as lines, the chosen one at the playhead. */
#include "dash.h"

static void draw_line(struct dash *d, struct grid *g, struct rect r, const struct event *e, bool chosen)
{
	const char *who = e->src >= 0 ? lane_name(source_lanes(d->source), e->src) : "";
	int look = chosen ? LOOK_REVERSE : LOOK_PLAIN;
	grid_fill(g, r, look, ' ');
	int x = grid_printf(g, r.x + 1, r.y, 12, look | LOOK_DIM, "%10.3f ", (double)e->t_ns / 1e9);
	grid_printf(g, x + 1, r.y, 9, look | LOOK_BOLD, "%s", who);
	grid_text(g, x + 8, r.y, r.x + r.w - x - 9, look, e->text);
	if (chosen) {
		g->cursor_x = r.x;
		g->cursor_y = r.y;
	}
}

/* A column per node, when asked for (Tab) and there is room. */
static void draw_columns(struct dash *d, struct grid *g, struct rect r, const struct places *p, int64_t first, int64_t here)
{
	int nodes = source_lanes(d->source)->nodes, w = (r.w - 12) / nodes;
	for (int n = 0; n < nodes; n++)
		grid_str(g, r.x + 12 + n * w, r.y, w, LOOK_DIM, lane_name(source_lanes(d->source), n));
	for (int i = 0; i + 1 < r.h && first + i < (int64_t)p->n; i++) {
		const struct event *e = source_at(d->source, p->seq[first + i]);
		if (!e)
			continue;
		int y = r.y + 1 + i, look = first + i == here ? LOOK_REVERSE : LOOK_PLAIN;
		grid_printf(g, r.x, y, 11, LOOK_DIM, "%10.3f", (double)e->t_ns / 1e9);
		if (lane_is_node(source_lanes(d->source), e->src))
			grid_text(g, r.x + 12 + e->src * w, y, w - 1, look, e->text);
	}
}

static void draw_places(struct dash *d, struct grid *g, struct rect r, const struct places *p, const char *none, bool columns)
{
	int64_t here = places_find(p, d->at), first = here - r.h / 2;
	if (p->n == 0) {
		grid_str(g, r.x + 2, r.y + 1, -1, LOOK_DIM, none);
		return;
	}
	if (first + r.h > (int64_t)p->n)
		first = (int64_t)p->n - r.h;
	first = first < 0 ? 0 : first;
	if (columns && (r.w - 12) / source_lanes(d->source)->nodes >= 12) {
		draw_columns(d, g, r, p, first, here);
		return;
	}
	for (int i = 0; i < r.h && first + i < (int64_t)p->n; i++) {
		const struct event *e = source_at(d->source, p->seq[first + i]);
		if (e)
			draw_line(d, g, (struct rect){ r.x, r.y + i, r.w, 1 }, e, first + i == here);
	}
}

void view_logs(struct dash *d, struct grid *g, struct rect r)
{
	draw_places(d, g, r, &d->survey.logs, "No node has written to stderr so far.", d->pane == 1);
}

void view_commands(struct dash *d, struct grid *g, struct rect r)
{
	draw_places(d, g, r, &d->survey.commands,
		"No tc, nft or docker command was run: these are of --fabric docker.", false);
}
