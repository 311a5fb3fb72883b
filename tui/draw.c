/* draw.c - the frame around the views: title, tabs, the demo's box, prompt, footer. */
#include <math.h>
#include <stdio.h>

#include "action.h"
#include "dash.h"

enum { BOX_H = 6 };

static void title_of_run(struct dash *d, struct grid *g)
{
	struct source *s = d->source;
	const char *lab = source_meta(s, STORE_LAB), *verdict = source_meta(s, STORE_VERDICT);
	int x = grid_printf(g, 1, 0, -1, LOOK_BOLD | LOOK_REVERSE, "%s", *lab ? lab : "run");
	x = grid_printf(g, x, 0, -1, LOOK_REVERSE, " %s seed %s  %s", source_meta(s, STORE_TEST), source_meta(s, STORE_SEED),
		source_meta(s, STORE_FABRIC));
	x = grid_printf(g, x + 2, 0, -1, LOOK_BOLD | LOOK_REVERSE, "%.3f s", (double)d->t_ns / (double)NS_PER_S);
	x = grid_printf(g, x, 0, -1, LOOK_REVERSE, " x%g  %s", d->speed, d->follow ? "FOLLOWS" : d->playing ? "plays" : "PAUSED");
	if (d->survey.seen < source_count(s))
		grid_printf(g, x + 2, 0, -1, LOOK_REVERSE, "reading %d %%", (int)(100 * d->survey.seen / source_count(s)));
	else if (d->live)
		grid_str(g, x + 2, 0, -1, LOOK_BOLD | LOOK_REVERSE, "LIVE");
	else if (*verdict)
		grid_printf(g, x + 2, 0, -1, LOOK_BOLD | LOOK_REVERSE, "%s", verdict);
	else if (!source_finished(s))
		grid_str(g, x + 2, 0, -1, LOOK_REVERSE, "still running");
}

static void title(struct dash *d, struct grid *g)
{
	grid_fill(g, (struct rect){ 0, 0, g->w, 1 }, LOOK_REVERSE, ' ');
	if (d->source)
		title_of_run(d, g);
	else
		grid_str(g, 1, 0, -1, LOOK_BOLD | LOOK_REVERSE, "dlab");
}

static void tabs(struct dash *d, struct grid *g)
{
	int x = 1;
	for (int v = VIEW_CLUSTER; v <= VIEW_COMMANDS; v++) {
		int look = !d->source ? LOOK_DIM : d->view == (enum view)v ? LOOK_BOLD | LOOK_REVERSE : LOOK_PLAIN;
		const char *name = view_name((enum view)v);
		x = g->w >= 76 || d->view == (enum view)v ? grid_printf(g, x, 1, -1, look, " %d %s ", v, name) :
			grid_printf(g, x, 1, -1, look, " %d %.4s ", v, name);
	}
}

static void narration(const struct narration *n, struct grid *g, struct rect r)
{
	char head[120];
	snprintf(head, sizeof head, "%s  %d of %d", n->title, n->step, n->steps);
	grid_fill(g, r, LOOK_PLAIN, ' ');
	grid_frame(g, r, LOOK_BOLD, head);
	grid_wrapped(g, (struct rect){ r.x + 2, r.y + 1, r.w - 4, r.h - 3 + !n->gate }, LOOK_BOLD, slice_of(n->say));
	if (n->gate)
		grid_printf(g, r.x + 2, r.y + r.h - 2, r.w - 4, LOOK_YELLOW, "%s", n->gate);
}

/* "n3>n1,n2": to whom a node's messages do not come, or not as they did. */
static void add_links(struct buf *b, const struct dash *d, const char *what, const lane_set *by_receiver)
{
	const struct lanes *l = source_lanes(d->source);
	bool any = false;
	for (int from = 0; from < l->nodes; from++) {
		bool begun = false;
		for (int to = 0; to < l->nodes; to++) {
			if (to == from || !(by_receiver[to] >> from & 1))
				continue;
			if (!any)
				buf_printf(b, "%s%s", b->n ? "   " : "", what);
			buf_printf(b, begun ? ",%s" : " %s>", lane_name(l, begun ? to : from));
			if (!begun)
				buf_str(b, lane_name(l, to));
			any = begun = true;
		}
	}
}

static void network(struct dash *d, struct grid *g, int y)
{
	const struct moment *m = dash_moment(d);
	struct buf b = BUF_EMPTY;
	add_links(&b, d, "cut", m->cut);
	add_links(&b, d, "loss", m->lossy);
	add_links(&b, d, "delay", m->slow);
	grid_text(g, 1, y, g->w - 2, LOOK_YELLOW, buf_as_slice(&b));
	buf_done(&b);
}

static void prompt(struct dash *d, struct grid *g, int y)
{
	static const char *const ask[] = { [PROMPT_COMMAND] = ":", [PROMPT_FIND] = "/", [PROMPT_FILTER] = "filter: ",
		[PROMPT_SURE] = "" };
	if (d->prompt == PROMPT_NONE && !*d->message && d->source && d->view != VIEW_HOME && d->view != VIEW_GUIDE) {
		network(d, g, y);
		return;
	}
	if (d->prompt == PROMPT_NONE) {
		grid_printf(g, 1, y, g->w - 2, d->message_bad ? LOOK_RED : LOOK_PLAIN, "%s", d->message);
		return;
	}
	bool wrong = d->prompt == PROMPT_FILTER && *d->filter.wrong;
	int x = grid_str(g, 1, y, -1, LOOK_BOLD, ask[d->prompt]);
	x = grid_printf(g, x, y, g->w - 2 - x, wrong ? LOOK_RED | LOOK_REVERSE : LOOK_PLAIN, "%s",
		d->prompt == PROMPT_SURE ? d->message : d->typed);
	g->cursor_x = x;
	g->cursor_y = y;
	if (wrong)
		grid_printf(g, x + 2, y, -1, LOOK_RED, "%s", d->filter.wrong);
}

static void too_small(struct grid *g)
{
	grid_printf(g, 0, 0, -1, LOOK_PLAIN, "dlab needs %dx%d characters,", MIN_W, MIN_H);
	grid_printf(g, 0, 1, -1, LOOK_PLAIN, "this window has %dx%d.", g->w, g->h);
	grid_str(g, 0, 2, -1, LOOK_PLAIN, "Make it larger, or q to quit.");
}

static void body(struct dash *d, struct grid *g, struct rect r)
{
	static void (*const draws[VIEW_COUNT])(struct dash *, struct grid *, struct rect) = {
		[VIEW_HOME] = view_home, [VIEW_CLUSTER] = view_cluster, [VIEW_FLOW] = view_flow, [VIEW_TIMELINE] = view_timeline,
		[VIEW_LOGS] = view_logs, [VIEW_OPS] = view_ops, [VIEW_SCORE] = view_score, [VIEW_COMMANDS] = view_commands,
		[VIEW_GUIDE] = view_guide,
	};
	bool whole = d->view == VIEW_HOME || d->view == VIEW_GUIDE;
	if (!d->source && !whole) {
		grid_str(g, r.x + 2, r.y + 1, -1, LOOK_PLAIN, "No run is open. :open RUN opens one, q goes home.");
		return;
	}
	draws[d->view](d, g, r);
	if (d->inspector && !whole)
		view_inspector(d, g, (struct rect){ r.x + r.w / 3, r.y, r.w - r.w / 3, r.h });
}

void dash_draw(struct dash *d, struct grid *g)
{
	grid_clear(g);
	if (d->blank)
		return;
	if (g->w < MIN_W || g->h < MIN_H) {
		too_small(g);
		return;
	}
	int box = d->narration.say ? BOX_H : 0;
	title(d, g);
	tabs(d, g);
	struct rect r = { 0, 2, g->w, g->h - 4 - box };
	body(d, g, r);
	if (box)
		narration(&d->narration, g, (struct rect){ 0, g->h - 2 - box, g->w, box });
	action_footer(d, g, g->h - 1);
	prompt(d, g, g->h - 2);
	if (d->help)
		view_help(d, g, (struct rect){ 2, 1, g->w - 4, g->h - 2 });
}
