/* view_cluster.c - the nodes in a ring, what is between them, and their cards. */
#include <math.h>
#include <stdio.h>

#include "dash.h"

enum { CARDS_FROM_W = 90, CARDS_W = 32, LOOK_AROUND = 1500, BOX_W = 20, BOX_H = 5, BIG_W = 24, BIG_H = 7 };

struct ring {
	struct rect r;
	int w, h; /* of a node's box */
	int x[NODES_MAX], y[NODES_MAX]; /* middles */
};

static void place(struct ring *ring, struct dash *d, struct rect r)
{
	int n = source_lanes(d->source)->nodes;
	ring->r = r;
	ring->w = d->presenter ? BIG_W : n > 12 ? 6 : BOX_W;
	ring->h = d->presenter ? BIG_H : n > 12 || r.h < 14 ? 1 : BOX_H;
	double rx = (r.w - ring->w - 2) / 2.0, ry = (r.h - ring->h) / 2.0;
	for (int i = 0; i < n; i++) {
		double a = -M_PI / 2 + 2 * M_PI * i / n;
		ring->x[i] = r.x + r.w / 2 + (int)lround(cos(a) * (rx < 1 ? 1 : rx));
		ring->y[i] = r.y + r.h / 2 + (int)lround(sin(a) * (ry < 1 ? 1 : ry));
	}
}

/* Where a message stands that has come so far (0..1) of its way. */
static void put_between(struct grid *g, const struct ring *ring, int a, int b, double part, int look, int32_t c)
{
	int x = (int)lround(ring->x[a] + part * (ring->x[b] - ring->x[a]));
	int y = (int)lround(ring->y[a] + part * (ring->y[b] - ring->y[a]));
	grid_put(g, x, y, look, c);
}

static void draw_link(struct dash *d, struct grid *g, const struct ring *ring, int a, int b)
{
	const struct moment *m = dash_moment(d);
	bool ab = m->cut[b] >> a & 1, ba = m->cut[a] >> b & 1, slow = (m->slow[b] >> a | m->slow[a] >> b) & 1;
	int dx = ring->x[b] - ring->x[a], dy = ring->y[b] - ring->y[a], n = abs(dx) > abs(dy) ? abs(dx) : abs(dy);
	int32_t dot = grid_glyph(g, slow ? GLYPH_TILDE : GLYPH_LIGHT), gone = grid_glyph(g, GLYPH_GONE);
	for (int i = 1; i < n; i++) {
		double part = (double)i / n;
		bool cut = part < 0.5 ? ba : ab; /* the receiver's half shows what it does not hear */
		if (!cut || i % 3 == 0)
			put_between(g, ring, a, b, part, cut ? LOOK_RED : LOOK_DIM, cut ? gone : dot);
	}
}

static void draw_messages(struct dash *d, struct grid *g, const struct ring *ring)
{
	uint64_t from = d->at > LOOK_AROUND ? d->at - LOOK_AROUND : 1;
	for (uint64_t q = from; q <= d->at + LOOK_AROUND; q++) {
		const struct event *e = source_at(d->source, q);
		if (!e)
			break;
		if ((e->kind != EVENT_RECV && e->kind != EVENT_DROP) || e->t_ns < d->t_ns)
			continue;
		const struct event *from_e = source_sent(d->source, e);
		const struct lanes *l = source_lanes(d->source);
		if (!from_e || from_e->t_ns > d->t_ns || !lane_is_node(l, e->src) || !lane_is_node(l, e->dst))
			continue;
		int64_t way = e->t_ns - from_e->t_ns;
		double part = way > 0 ? (double)(d->t_ns - from_e->t_ns) / (double)way : 1;
		bool lost = e->kind == EVENT_DROP;
		part = 0.15 + part * 0.7; /* not inside the boxes */
		put_between(g, ring, e->src, e->dst, part, lost ? LOOK_RED : LOOK_BOLD, grid_glyph(g, lost ? GLYPH_GONE : GLYPH_DOT));
	}
}

static int life_look(const struct moment *m, int node, bool leads)
{
	return m->life[node] == LIFE_DOWN ? LOOK_RED : m->life[node] == LIFE_PAUSED ? LOOK_YELLOW : leads ? LOOK_GREEN : LOOK_PLAIN;
}

static bool leads(const struct buf *role)
{
	return role->n && (slice_is(buf_as_slice(role), "leader") || slice_is(buf_as_slice(role), "primary") ||
		slice_is(buf_as_slice(role), "coordinator"));
}

static void draw_node(struct dash *d, struct grid *g, const struct ring *ring, int node)
{
	const struct moment *m = dash_moment(d);
	struct buf role = BUF_EMPTY, rest = BUF_EMPTY;
	moment_state(m, d->source, node, &role, &rest);
	const char *name = lane_name(source_lanes(d->source), node);
	int look = life_look(m, node, leads(&role)) | (node == d->node ? LOOK_REVERSE : 0);
	struct rect r = { ring->x[node] - ring->w / 2, ring->y[node] - ring->h / 2, ring->w, ring->h };
	const char *life = m->life[node] == LIFE_DOWN ? "down" : m->life[node] == LIFE_PAUSED ? "paused" : role.n ? buf_cstr(&role) : "up";
	grid_fill(g, r, look, ' ');
	if (r.h == 1) {
		grid_printf(g, r.x, r.y, r.w, look, "%s%s", name, leads(&role) ? "*" : m->life[node] == LIFE_DOWN ? "x" : "");
	} else {
		bool big = d->presenter;
		grid_frame(g, r, look, NULL);
		grid_printf(g, r.x + 1 + big, r.y + 1 + big, r.w - 2, look | (big ? LOOK_BOLD : 0), "%s %s%s", name,
			leads(&role) ? (d->ascii ? "* " : "\xe2\x98\x85 ") : "", life);
		grid_wrapped(g, (struct rect){ r.x + 1 + big, r.y + 2 + 2 * big, r.w - 2 - big, 2 }, look, buf_as_slice(&rest));
	}
	if (node == d->node) {
		g->cursor_x = r.x;
		g->cursor_y = r.y;
	}
	buf_done(&role);
	buf_done(&rest);
}

/* What happened last, in words: the ring shows where, not what. */
static void last_event(struct dash *d, struct grid *g, struct rect r)
{
	const struct event *e = source_at(d->source, d->at);
	if (!e)
		return;
	const struct lanes *l = source_lanes(d->source);
	struct slice body = source_body(d->source, e), type = source_type(d->source, e->type);
	int x = grid_printf(g, r.x + 1, r.y, r.w - 2, LOOK_BOLD, "#%llu %s ", (unsigned long long)e->seq, event_kind_name(e->kind));
	if (e->src >= 0)
		x = grid_printf(g, x, r.y, r.w - x - 2, LOOK_BOLD, "%s ", lane_name(l, e->src));
	if (e->dst >= 0 && e->dst != e->src)
		x = grid_printf(g, x, r.y, r.w - x - 2, LOOK_BOLD, "> %s ", lane_name(l, e->dst));
	if (type.n)
		x = grid_text(g, x, r.y, r.w - x - 2, LOOK_BOLD, type);
	grid_text(g, x + 1, r.y, r.w - x - 3, LOOK_DIM, body);
}

void view_cluster(struct dash *d, struct grid *g, struct rect r)
{
	if (r.w >= CARDS_FROM_W && !d->presenter) {
		view_cards(d, g, (struct rect){ r.x + r.w - CARDS_W, r.y, CARDS_W, r.h });
		r.w -= CARDS_W + 1;
	}
	struct ring ring;
	int n = source_lanes(d->source)->nodes;
	place(&ring, d, (struct rect){ r.x, r.y + 1, r.w, r.h - 3 });
	for (int a = 0; a < n; a++)
		for (int b = a + 1; b < n; b++)
			draw_link(d, g, &ring, a, b);
	draw_messages(d, g, &ring);
	for (int i = 0; i < n; i++)
		draw_node(d, g, &ring, i);
	last_event(d, g, (struct rect){ r.x, r.y + r.h - 1, r.w, 1 });
}

static void draw_matrix(struct dash *d, struct grid *g, struct rect r, int n)
{
	const struct moment *m = dash_moment(d);
	const struct lanes *l = source_lanes(d->source);
	grid_str(g, r.x, r.y, r.w, LOOK_DIM, "from\\to");
	for (int b = 0; b < n; b++)
		grid_str(g, r.x + 8 + 4 * b, r.y, 4, LOOK_DIM, lane_name(l, b));
	for (int a = 0; a < n && a < r.h - 1; a++) {
		grid_str(g, r.x + 2, r.y + 1 + a, 5, LOOK_DIM, lane_name(l, a));
		for (int b = 0; b < n; b++) {
			bool cut = m->cut[b] >> a & 1, slow = m->slow[b] >> a & 1, lossy = m->lossy[b] >> a & 1;
			const char *mark = a == b ? " " : cut ? "x" : lossy ? "%" : slow ? "~" : ".";
			grid_str(g, r.x + 8 + 4 * b, r.y + 1 + a, 3, cut ? LOOK_RED : lossy || slow ? LOOK_YELLOW : LOOK_DIM, mark);
		}
	}
}

void view_cards(struct dash *d, struct grid *g, struct rect r)
{
	const struct moment *m = dash_moment(d);
	const struct lanes *l = source_lanes(d->source);
	int matrix = l->nodes <= 7 ? l->nodes + 2 : 0, y = r.y;
	for (int i = r.y; i < r.y + r.h; i++)
		grid_put(g, r.x, i, LOOK_DIM, grid_glyph(g, GLYPH_UP));
	for (int n = 0; n < l->nodes && y < r.y + r.h - matrix; n++) {
		struct buf role = BUF_EMPTY, rest = BUF_EMPTY;
		moment_state(m, d->source, n, &role, &rest);
		int look = life_look(m, n, leads(&role)) | (n == d->node ? LOOK_REVERSE : 0);
		int x = grid_printf(g, r.x + 2, y++, r.w - 2, look, "%s %s%s", lane_name(l, n), leads(&role) ? "* " : "",
			m->life[n] == LIFE_DOWN ? "down" : m->life[n] == LIFE_PAUSED ? "paused" : role.n ? buf_cstr(&role) : "up");
		bool roomy = (r.h - matrix) / l->nodes >= 2;
		if (rest.n)
			grid_text(g, roomy ? r.x + 4 : x + 1, roomy ? y++ : y - 1, r.x + r.w - (roomy ? r.x + 4 : x + 1), LOOK_DIM,
				buf_as_slice(&rest));
		buf_done(&role);
		buf_done(&rest);
	}
	if (matrix && y + matrix <= r.y + r.h)
		draw_matrix(d, g, (struct rect){ r.x + 2, y + 1, r.w - 2, matrix - 1 }, l->nodes);
}
