#include "rows.h"

#include <langinfo.h>
#include <stdio.h>

#include "proto.h"
#include "text.h"

enum life { LIFE_DOWN, LIFE_UP, LIFE_PAUSED };
enum { CELL_MAX = 9, CELL_MIN = 4, TEXT_MIN = 24, CELLS_MAX = (ROWS_NODES_MAX + 2) * CELL_MAX, BODY_MAX = 2000 };

#define GLYPHS(X) \
	X(SPACE, " ", " ") X(UP, "\u2502", "|") X(PAUSED, "\u250a", ":") X(DASH, "\u2500", "-") X(LOST, "\u254c", ".") \
	X(CROSS, "\u253c", "+") X(FROM_LEFT, "\u251c", "|") X(FROM_RIGHT, "\u2524", "|") X(RIGHT, "\u25b6", ">") \
	X(LEFT, "\u25c0", "<") X(GONE, "\u2717", "x") X(DOT, "\u25cf", "*") X(BAR, "\u2550", "=") X(MARK, "\u00bb", ">")

enum glyph {
#define X(name, utf8, ascii) GLYPH_##name,
	GLYPHS(X)
#undef X
};

static const char *glyph(const struct rows *r, int g)
{
	static const char *const glyphs[][2] = {
#define X(name, utf8, ascii) { utf8, ascii },
		GLYPHS(X)
#undef X
	};
	return glyphs[g][r->ascii];
}

bool rows_ascii(void)
{
	return strcmp(nl_langinfo(CODESET), "UTF-8") != 0;
}

/* --- layout --- */

static int digits(uint64_t n)
{
	int d = 1;
	for (; n >= 10; n /= 10)
		d++;
	return d;
}

static int gutter(const struct rows *r)
{
	return 1 + r->seq_width + 1 + r->time_width + 1;
}

void rows_init_with(struct rows *r, const struct lanes *l, const struct style *s, const struct rows_plan *plan,
	const struct event *(*sent)(void *, const struct event *), void *ctx)
{
	*r = (struct rows){ .sent = sent, .sent_ctx = ctx, .lanes = l, .style = s, .width = plan->width, .ascii = rows_ascii(),
		.client_column = -1, .service_column = -1 };
	r->seq_width = digits(plan->last_seq) < 4 ? 4 : digits(plan->last_seq);
	r->time_width = digits((uint64_t)(plan->last_ns / NS_PER_S)) + 4;
	r->time_width = r->time_width < 6 ? 6 : r->time_width;
	if (!plan->columns || l->nodes > ROWS_NODES_MAX)
		return;
	r->n = l->nodes + plan->clients + plan->services;
	r->client_column = plan->clients ? 0 : -1;
	r->service_column = plan->services ? r->n - 1 : -1;
	r->cell = (plan->width - gutter(r) - 1 - TEXT_MIN) / r->n;
	r->cell = r->cell > CELL_MAX ? CELL_MAX : r->cell;
	r->columns = r->cell >= CELL_MIN;
}

static const struct event *sent_in_trace(void *ctx, const struct event *e)
{
	return trace_message(ctx, e->msg);
}

void rows_init(struct rows *r, const struct trace *t, const struct style *s, const struct rows_plan *plan)
{
	rows_init_with(r, trace_lanes(t), s, plan, sent_in_trace, (void *)(uintptr_t)t);
}

/* -1: none. */
static int column_of(const struct rows *r, int lane)
{
	if (lane < 0)
		return -1;
	if (lane_is_node(r->lanes, lane))
		return lane + (r->client_column == 0);
	return lane_is_service(r->lanes, lane) ? r->service_column : r->client_column;
}

void rows_head(struct buf *b, const struct rows *r)
{
	buf_printf(b, "%s %*s %*s ", r->style->dim, r->seq_width, "seq", r->time_width, "time");
	for (int c = 0; r->columns && c < r->n; c++) {
		bool clients = c == r->client_column, services = c == r->service_column;
		const char *name = clients ? r->cell > 8 ? "clients" : "c" : services ? r->cell > 8 ? "services" : "kv" :
			lane_name(r->lanes, c - (r->client_column == 0));
		buf_printf(b, "%-*s", r->cell, name);
	}
	while (b->n && b->s[b->n - 1] == ' ')
		b->n--;
	buf_printf(b, "%s\n", r->style->off);
}

/* --- what a row says --- */

/* A row is a message, something of one lane, or a bar over the whole width. */
enum shape { SHAPE_MESSAGE, SHAPE_LOCAL, SHAPE_BAR };

static int shape_of(const struct event *e)
{
	switch (e->kind) {
	case EVENT_RECV:
	case EVENT_DROP:
	case EVENT_CALL:
	case EVENT_REPLY:
		return SHAPE_MESSAGE;
	case EVENT_EXIT:
	case EVENT_KILL:
	case EVENT_PAUSE:
	case EVENT_RESUME:
	case EVENT_FAULT:
	case EVENT_VERDICT:
		return SHAPE_BAR;
	case EVENT_NOTE:
	case EVENT_LINT:
		return e->src < 0 ? SHAPE_BAR : SHAPE_LOCAL;
	case EVENT_START:
		return e->arg > 1 ? SHAPE_BAR : SHAPE_LOCAL;
	default:
		return SHAPE_LOCAL;
	}
}

static bool is_object(struct slice s)
{
	return s.n && s.s[0] == '{' && s.n <= 2 * LINE_MAX_BYTES && json_valid(s, NULL);
}

static bool is_envelope_key(struct slice key)
{
	return slice_is(key, "type") || slice_is(key, "msg_id") || slice_is(key, "in_reply_to");
}

static struct slice member(struct slice object, struct slice wanted)
{
	struct slice key, value, found = SLICE_NONE;
	size_t pos = 0;
	while (json_member_next(object, &pos, &key, &value))
		if (slice_eq(key, wanted))
			found = value;
	return found;
}

/* The members that `before` does not have in the same way. */
static bool add_members(struct buf *b, struct slice object, struct slice before)
{
	struct slice key, value;
	size_t pos = 0;
	bool any = false;
	while (b->n < BODY_MAX && json_member_next(object, &pos, &key, &value)) {
		if (is_envelope_key(key) || (before.n && slice_eq(member(before, key), value)))
			continue;
		buf_char(b, ' ');
		buf_slice(b, key);
		buf_char(b, '=');
		buf_slice(b, value);
		any = true;
	}
	return any;
}

void rows_print_body(struct buf *b, struct slice body)
{
	struct slice type = is_object(body) ? member(body, SLICE("type")) : SLICE_NONE;
	if (type.n < 2 || type.s[0] != '"') {
		buf_slice(b, body);
		return;
	}
	buf_slice(b, (struct slice){ type.s + 1, type.n - 2 });
	add_members(b, body, SLICE_NONE);
}

static bool state_is_news(const struct rows *r, const struct event *e)
{
	struct buf b = BUF_EMPTY;
	bool known = e->src >= 0 && e->src < r->lanes->nodes && r->state[e->src].n;
	bool news = !known || !is_object(e->text) || add_members(&b, e->text, r->state[e->src]);
	buf_done(&b);
	return news;
}

static void add_state(struct buf *b, const struct rows *r, const struct event *e)
{
	buf_str(b, "state");
	if (!is_object(e->text)) {
		buf_char(b, ' ');
		buf_slice(b, e->text);
		return;
	}
	bool node = e->src >= 0 && e->src < r->lanes->nodes;
	if (!add_members(b, e->text, node ? r->state[e->src] : SLICE_NONE))
		buf_str(b, " as before");
}

static void add_local(struct buf *b, const struct rows *r, const struct event *e)
{
	switch (e->kind) {
	case EVENT_SEND:
		buf_printf(b, "sends %s ", lane_name(r->lanes, e->dst));
		rows_print_body(b, e->text);
		return;
	case EVENT_STATE: add_state(b, r, e); return;
	case EVENT_APPLY: rows_print_body(b, e->text); return;
	case EVENT_BAD: buf_printf(b, "%s: ", bad_text(e->why)); break;
	case EVENT_READY: buf_str(b, "ready"); break;
	case EVENT_TIMER: buf_str(b, "timer "); break;
	case EVENT_ARM: buf_str(b, e->arg < 0 ? "stops timer " : "sets timer "); break;
	case EVENT_LOG: buf_str(b, "log: "); break;
	default: break;
	}
	buf_slice(b, e->text);
	if (e->kind == EVENT_ARM && e->arg >= 0)
		buf_printf(b, " to %lld ms", (long long)e->arg);
}

static void add_bar(struct buf *b, const struct rows *r, const struct event *e)
{
	if (e->src >= 0)
		buf_printf(b, "%s ", lane_name(r->lanes, e->src));
	switch (e->kind) {
	case EVENT_KILL: buf_str(b, "is killed by the lab"); break;
	case EVENT_PAUSE: buf_str(b, "is paused by the lab"); break;
	case EVENT_RESUME: buf_str(b, "goes on"); break;
	default: buf_slice(b, e->text); break;
	}
}

/* What must not be cut: the fate of a message. */
static void add_fate(struct buf *b, const struct rows *r, const struct event *e)
{
	const struct event *sent = e->kind == EVENT_RECV ? r->sent(r->sent_ctx, e) : NULL;
	if (e->kind == EVENT_DROP)
		buf_printf(b, "  lost: %s", drop_text(e->why));
	else if (e->kind == EVENT_RECV && e->why)
		buf_str(b, "  second copy");
	else if (e->kind == EVENT_SEND && r->ended && (e->msg >= r->ended_n || !(r->ended[e->msg / 64] >> (e->msg % 64) & 1)))
		buf_str(b, "  still on the way at the end");
	if (sent && sent->t_ns < e->t_ns)
		buf_printf(b, "  %.1f ms", (double)(e->t_ns - sent->t_ns) / (double)NS_PER_MS);
}

static const char *colour_of(const struct rows *r, const struct event *e)
{
	const struct style *s = r->style;
	switch (e->kind) {
	case EVENT_STATE:
	case EVENT_APPLY: return s->blue;
	case EVENT_BAD:
	case EVENT_EXIT:
	case EVENT_KILL: return s->red;
	case EVENT_VERDICT: return e->arg == 0 ? s->green : s->red;
	case EVENT_FAULT:
	case EVENT_PAUSE:
	case EVENT_LINT: return s->yellow;
	case EVENT_NOTE:
	case EVENT_TIMER:
	case EVENT_ARM:
	case EVENT_LOG:
	case EVENT_START:
	case EVENT_READY: return s->dim;
	default: return "";
	}
}

/* --- drawing --- */

static void add_gutter(struct buf *b, const struct rows *r, const struct event *e, bool marked)
{
	char at[40];
	snprintf(at, sizeof at, "%.3f", (double)e->t_ns / (double)NS_PER_S);
	buf_str(b, marked ? r->style->bold : r->style->dim);
	buf_str(b, marked ? glyph(r, GLYPH_MARK) : " ");
	buf_printf(b, "%*llu %*s ", r->seq_width, (unsigned long long)e->seq, r->time_width, at);
	buf_str(b, r->style->off);
}

static void draw_lifelines(const struct rows *r, uint8_t *cells)
{
	static const uint8_t lifeline[] = { [LIFE_DOWN] = GLYPH_SPACE, [LIFE_UP] = GLYPH_UP, [LIFE_PAUSED] = GLYPH_PAUSED };
	memset(cells, GLYPH_SPACE, (size_t)(r->n * r->cell));
	for (int c = 0; c < r->n; c++) {
		int node = c - (r->client_column == 0);
		bool is_node = node >= 0 && node < r->lanes->nodes;
		cells[c * r->cell] = is_node ? lifeline[r->life[node]] : GLYPH_UP;
	}
}

static void draw_arrow(const struct rows *r, uint8_t *cells, int from, int to, bool lost)
{
	int a = from * r->cell, z = to * r->cell, step = a < z ? 1 : -1;
	cells[a] = step > 0 ? GLYPH_FROM_LEFT : GLYPH_FROM_RIGHT;
	for (int i = a + step; i != z; i += step)
		if (cells[i] == GLYPH_SPACE)
			cells[i] = lost ? GLYPH_LOST : GLYPH_DASH;
		else
			cells[i] = GLYPH_CROSS;
	cells[z - step] = lost ? GLYPH_GONE : step > 0 ? GLYPH_RIGHT : GLYPH_LEFT;
}

static void add_cells(struct buf *b, const struct rows *r, const struct event *e)
{
	uint8_t cells[CELLS_MAX];
	int from = column_of(r, e->src), to = column_of(r, e->dst);
	draw_lifelines(r, cells);
	if (shape_of(e) == SHAPE_MESSAGE && from >= 0 && to >= 0 && from != to)
		draw_arrow(r, cells, from, to, e->kind == EVENT_DROP);
	else if (from >= 0)
		cells[from * r->cell] = GLYPH_DOT;
	for (int i = 0; i < r->n * r->cell; i++)
		buf_str(b, glyph(r, cells[i]));
	buf_char(b, ' ');
}

/* Who, where the columns do not say it. */
static void add_who(struct buf *b, const struct rows *r, const struct event *e)
{
	if (shape_of(e) == SHAPE_LOCAL) {
		if (!r->columns && e->src >= 0)
			buf_printf(b, "%-4s ", lane_name(r->lanes, e->src));
		return;
	}
	bool client = e->src >= 0 && e->dst >= 0 && (!lane_is_node(r->lanes, e->src) || !lane_is_node(r->lanes, e->dst));
	if (!r->columns)
		buf_printf(b, "%-4s > %-4s ", lane_name(r->lanes, e->src), lane_name(r->lanes, e->dst));
	else if (client) /* several share the column */
		buf_printf(b, "%s: ", lane_name(r->lanes, lane_is_node(r->lanes, e->src) ? e->dst : e->src));
}

static struct slice body_of(const struct rows *r, const struct event *e)
{
	bool end = e->kind == EVENT_RECV || e->kind == EVENT_DROP;
	const struct event *sent = end && !e->text.n ? r->sent(r->sent_ctx, e) : NULL;
	return sent ? sent->text : e->text;
}

static void add_text_row(struct buf *b, const struct rows *r, const struct event *e)
{
	struct buf text = BUF_EMPTY, fate = BUF_EMPTY;
	int used = gutter(r);
	if (r->columns) {
		add_cells(b, r, e);
		used += r->n * r->cell + 1;
	}
	add_who(&text, r, e);
	if (shape_of(e) == SHAPE_MESSAGE)
		rows_print_body(&text, body_of(r, e));
	else
		add_local(&text, r, e);
	add_fate(&fate, r, e);
	int room = r->width - used - (int)fate.n;
	buf_str(b, colour_of(r, e));
	text_add(b, buf_as_slice(&text), room > 8 ? (size_t)room : 8, r->ascii);
	buf_str(b, *colour_of(r, e) ? r->style->off : "");
	buf_str(b, e->kind == EVENT_DROP ? r->style->red : r->style->dim);
	buf_slice(b, buf_as_slice(&fate));
	buf_str(b, r->style->off);
	buf_done(&text);
	buf_done(&fate);
}

static void add_bar_row(struct buf *b, const struct rows *r, const struct event *e)
{
	const char *line = glyph(r, e->kind == EVENT_NOTE || e->kind == EVENT_LINT ? GLYPH_DASH : GLYPH_BAR);
	struct buf text = BUF_EMPTY;
	int room = r->width - gutter(r) - 8;
	add_bar(&text, r, e);
	buf_printf(b, "%s%s%s ", colour_of(r, e), line, line);
	size_t used = text_add(b, buf_as_slice(&text), room > 8 ? (size_t)room : 8, r->ascii);
	buf_char(b, ' ');
	for (int i = gutter(r) + 4 + (int)used; i < r->width; i++)
		buf_str(b, line);
	buf_str(b, r->style->off);
	buf_done(&text);
}

void rows_print(struct buf *b, const struct rows *r, const struct event *e, bool marked)
{
	add_gutter(b, r, e, marked);
	if (shape_of(e) == SHAPE_BAR)
		add_bar_row(b, r, e);
	else
		add_text_row(b, r, e);
	while (b->n && b->s[b->n - 1] == ' ')
		b->n--;
	buf_char(b, '\n');
}

bool rows_hides(const struct rows *r, const struct event *e)
{
	if (r->all)
		return false;
	switch (e->kind) {
	case EVENT_SEND:
		return !r->ended || (e->msg < r->ended_n && (r->ended[e->msg / 64] >> (e->msg % 64) & 1));
	case EVENT_STATE: return !state_is_news(r, e);
	case EVENT_START: return e->arg == 1;
	case EVENT_ARM:
	case EVENT_READY: /* the reply to init says it */
	case EVENT_KILL: return true; /* its EXIT follows */
	default: return false;
	}
}

void rows_see(struct rows *r, const struct event *e)
{
	int node = e->src;
	if (node < 0 || node >= r->lanes->nodes)
		return;
	switch (e->kind) {
	case EVENT_START:
	case EVENT_RESUME: r->life[node] = LIFE_UP; break;
	case EVENT_PAUSE: r->life[node] = LIFE_PAUSED; break;
	case EVENT_EXIT:
		r->life[node] = LIFE_DOWN;
		r->state[node] = SLICE_NONE;
		break;
	case EVENT_STATE:
		if (is_object(e->text))
			r->state[node] = e->text;
		break;
	default: break;
	}
}
