/* A space-time diagram (Lamport 1978) as one SVG file: a column for each node, time downwards, a row for each moment.
 *
 *      seq   time      n1        n2        n3
 *        3  0.002 s     *         |         |      n1 sends n2: b x=1
 *        4  0.003 s     |`------->*         |      n2 gets from n1: b
 *
 * What a colour tells is also told by a shape: a delivered message is a full line with a full head, a lost one is
 * dashed and ends in a cross, a second copy is dotted with an open head, one whose other end is not in the picture has a
 * ring there. A band with stripes is a network that is not whole. A lane is full while its node is up, a hollow
 * bar while it is paused, and gone while it is down. No script, no font, no file from elsewhere. */
#include <math.h>
#include <stdlib.h>

#include "export_scene.h"
#include "text.h"

extern const struct export_format export_svg;

enum {
	MARGIN = 20, SEQ_RIGHT = 74, TIME_RIGHT = 150, LANES_LEFT = 196, LANE_WIDTH = 92, LANE_NARROW = 52, LANES_WIDE = 8,
	TEXT_GAP = 44, CHAR_WIDTH = 8, TITLE_Y = 30, EXTENT_Y = 52, NAMES_Y = 92, FIRST_ROW = 122, ROW = 24, HALF_ROW = ROW / 2,
	LEGEND = 96, HEAD = 9, SHORT = 26, TITLE_COLUMNS = 110,
};

struct drawing {
	struct export *x;      /* borrowed */
	struct buf *b;         /* borrowed: the export's */
	const struct scene *s; /* borrowed */
	int *y;                /* owned; of each moment */
	int width, bottom, text_x, lane_width;
};

/* --- places --- */

static int lane_x(const struct drawing *d, int column)
{
	return LANES_LEFT + column * d->lane_width;
}

static int lanes_right(const struct drawing *d)
{
	return lane_x(d, d->s->columns_n > 0 ? d->s->columns_n - 1 : 0);
}

static int longest_text(const struct scene *s)
{
	size_t longest = 40;
	for (int i = 0; i < s->moments_n; i++) {
		size_t n = text_columns(s->moments[i].says);
		longest = n > longest ? n : longest;
	}
	return (int)longest;
}

static void measure(struct drawing *d)
{
	int y = FIRST_ROW;
	d->lane_width = d->s->columns_n > LANES_WIDE ? LANE_NARROW : LANE_WIDTH;
	d->text_x = lanes_right(d) + TEXT_GAP;
	d->y = xcalloc((size_t)d->s->moments_n + 1, sizeof *d->y);
	for (int i = 0; i < d->s->moments_n; i++) {
		if (d->s->moments[i].skipped)
			y += ROW;
		d->y[i] = y;
		y += ROW;
	}
	d->bottom = y + HALF_ROW;
	d->width = d->text_x + longest_text(d->s) * CHAR_WIDTH + MARGIN;
}

/* --- pieces --- */

static void line(const struct drawing *d, const char *class, double x1, double y1, double x2, double y2)
{
	buf_printf(d->b, "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", class, x1, y1, x2, y2);
}

static void rect(const struct drawing *d, const char *class, int x, int y, int width, int height)
{
	buf_printf(d->b, "<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"/>\n", class, x, y, width, height);
}

static void words(const struct drawing *d, const char *class, int x, int y, struct slice text)
{
	buf_printf(d->b, "<text class=\"%s\" x=\"%d\" y=\"%d\">", class, x, y);
	export_add_xml(d->b, text);
	buf_str(d->b, "</text>\n");
}

static void cross(const struct drawing *d, double x, double y, double r)
{
	buf_printf(d->b, "<path class=\"cross\" d=\"M%.1f %.1fL%.1f %.1fM%.1f %.1fL%.1f %.1f\"/>\n", x - r, y - r, x + r, y + r,
		x - r, y + r, x + r, y - r);
}

static void ring(const struct drawing *d, const char *class, double x, double y, double r)
{
	buf_printf(d->b, "<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\"/>\n", class, x, y, r);
}

/* A triangle whose tip is at x, y, after a line that came along dx, dy (of length 1). */
static void head(const struct drawing *d, const char *class, double x, double y, double dx, double dy)
{
	double bx = x - dx * HEAD, by = y - dy * HEAD, w = HEAD * 0.45;
	buf_printf(d->b, "<path class=\"%s\" d=\"M%.1f %.1fL%.1f %.1fL%.1f %.1fZ\"/>\n", class, x, y, bx - dy * w, by + dx * w,
		bx + dy * w, by - dx * w);
}

/* --- messages --- */

struct look {
	const char *line, *head; /* classes; head NULL: a cross */
};

/* Ends a little before the lane, so that the tip is seen. */
static void arrow_whole(const struct drawing *d, const struct look *look, double x1, double y1, double x2, double y2)
{
	double length = hypot(x2 - x1, y2 - y1), dx = length > 0 ? (x2 - x1) / length : 1, dy = length > 0 ? (y2 - y1) / length : 0;
	double short_by = look->head ? 4 : length > 60 ? 20 : 6, ex = x2 - dx * short_by, ey = y2 - dy * short_by;
	line(d, look->line, x1, y1, ex - (look->head ? dx * HEAD : 0), ey - (look->head ? dy * HEAD : 0));
	if (look->head)
		head(d, look->head, ex, ey, dx, dy);
	else
		cross(d, ex, ey, 5);
}

/* A message to oneself goes round. */
static void arrow_round(const struct drawing *d, const struct look *look, double x, double y1, double y2)
{
	buf_printf(d->b, "<path class=\"%s\" d=\"M%.1f %.1fC%.1f %.1f %.1f %.1f %.1f %.1f\"/>\n", look->line, x, y1, x + 30, y1 + 2,
		x + 30, y2 - 2, x + HEAD + 3, y2);
	if (look->head)
		head(d, look->head, x + 4, y2, -1, 0);
	else
		cross(d, x + HEAD, y2, 5);
}

/* Only one end is in the picture: a short line to a ring, on the side of the other end. */
static void arrow_stub(const struct drawing *d, const struct look *look, const struct scene_arrow *a)
{
	bool leaves = a->to == SCENE_OUTSIDE;
	double here = lane_x(d, leaves ? a->src : a->dst), y = d->y[leaves ? a->from : a->to];
	double side = a->dst == a->src ? 1 : (a->dst > a->src) == leaves ? 1 : -1, there = here + side * SHORT;
	ring(d, "ring", there, y, 3);
	if (leaves)
		line(d, look->line, here, y, there - side * 3, y);
	else
		arrow_whole(d, look, there - side * 3, y, here, y);
}

static void draw_arrow(const struct drawing *d, const struct scene_arrow *a)
{
	static const struct look looks[FATE_COUNT] = {
		[FATE_DELIVERED] = { "sent", "head" }, [FATE_DOUBLED] = { "sent doubled", "head open" },
		[FATE_LOST] = { "sent lost", NULL }, [FATE_UNDER_WAY] = { "sent", "head" },
	};
	const struct look *look = &looks[a->fate];
	if (a->from == SCENE_OUTSIDE || a->to == SCENE_OUTSIDE)
		arrow_stub(d, look, a);
	else if (a->src == a->dst)
		arrow_round(d, look, lane_x(d, a->src), d->y[a->from], d->y[a->to]);
	else
		arrow_whole(d, look, lane_x(d, a->src), d->y[a->from], lane_x(d, a->dst), d->y[a->to]);
}

/* --- bands and lanes --- */

static int span_top(const struct drawing *d, const struct scene_span *span)
{
	return span->from == SCENE_OUTSIDE ? FIRST_ROW - HALF_ROW : d->y[span->from];
}

static int span_bottom(const struct drawing *d, const struct scene_span *span)
{
	return span->to == SCENE_OUTSIDE ? d->bottom : d->y[span->to];
}

/* First the ground, then, above the strips of the evidence, the stripes: so both are seen. */
static void draw_bands(const struct drawing *d, const char *class)
{
	for (int i = 0; i < d->s->spans_n; i++) {
		const struct scene_span *span = &d->s->spans[i];
		int top = span_top(d, span), left = LANES_LEFT - d->lane_width / 3, width = lanes_right(d) + d->lane_width / 3 - left;
		if (span->state == SPAN_FAULT)
			rect(d, class, left, top, width, span_bottom(d, span) - top);
	}
}

static void draw_lane(const struct drawing *d, int column)
{
	int x = lane_x(d, column), at = NAMES_Y + 8;
	for (int i = 0; i < d->s->spans_n; i++) {
		const struct scene_span *span = &d->s->spans[i];
		int top = span_top(d, span), bottom = span_bottom(d, span);
		if (span->column != column || span->state == SPAN_FAULT || bottom <= at)
			continue;
		if (span->from == SCENE_OUTSIDE)
			top = at; /* it was so before the first row */
		if (top > at)
			line(d, "lane", x, at, x, top);
		if (span->state == SPAN_PAUSED)
			rect(d, "paused", x - 5, top, 10, bottom - top);
		at = bottom;
	}
	if (at < d->bottom)
		line(d, "lane", x, at, x, d->bottom);
}

static void draw_lanes(const struct drawing *d)
{
	for (int i = 0; i < d->s->columns_n; i++) {
		words(d, "name", lane_x(d, i), NAMES_Y, slice_of(d->s->column[i]));
		draw_lane(d, i);
	}
}

/* --- rows --- */

static void draw_mark(const struct drawing *d, const struct scene_moment *m, int y)
{
	int x = lane_x(d, m->kind == EVENT_RECV ? m->dst : m->src);
	switch (m->kind) {
	case EVENT_KILL:
	case EVENT_EXIT: cross(d, x, y, 6); return;
	case EVENT_PAUSE:
	case EVENT_RESUME: rect(d, "bar", x - 6, y - 2, 12, 4); return;
	case EVENT_DROP:
	case EVENT_CALL:
	case EVENT_REPLY: return; /* the arrow says it */
	case EVENT_SEND:
	case EVENT_RECV: ring(d, "point", x, y, 3); return;
	default: ring(d, "point", x, y, 4); return;
	}
}

static void draw_row(const struct drawing *d, int i)
{
	const struct scene_moment *m = &d->s->moments[i];
	struct buf t = BUF_EMPTY;
	int y = d->y[i], lane = m->kind == EVENT_RECV ? m->dst : m->src;
	const char *class = m->evidence ? "says marked" : m->src == SCENE_OUTSIDE ? "says lab" : "says";
	if (m->skipped) {
		buf_printf(&t, "%llu more events", (unsigned long long)m->skipped);
		line(d, "gap", MARGIN, y - ROW, d->text_x - MARGIN / 2, y - ROW);
		words(d, "says skipped", d->text_x, y - ROW + 4, buf_as_slice(&t));
		t.n = 0;
	}
	buf_printf(&t, "%s%llu", m->evidence ? "\u25b8 " : "", (unsigned long long)m->seq);
	words(d, m->evidence ? "number marked" : "number", SEQ_RIGHT, y + 4, buf_as_slice(&t));
	t.n = 0;
	buf_printf(&t, "%.3f s", (double)m->t_ns / (double)NS_PER_S);
	words(d, "number", TIME_RIGHT, y + 4, buf_as_slice(&t));
	words(d, class, d->text_x, y + 4, m->says);
	if (lane != SCENE_OUTSIDE)
		draw_mark(d, m, y);
	else if (!m->msg)
		line(d, "all", LANES_LEFT - d->lane_width / 3, y, lanes_right(d) + d->lane_width / 3, y);
	buf_done(&t);
}

/* What the verdict rests on has a strip behind its row. */
static void draw_strips(const struct drawing *d)
{
	for (int i = 0; i < d->s->moments_n; i++)
		if (d->s->moments[i].evidence)
			rect(d, "strip", MARGIN / 2, d->y[i] - HALF_ROW + 1, d->width - MARGIN, ROW - 2);
}

/* --- legend, head --- */

static void legend_word(const struct drawing *d, int column, int row, const char *text)
{
	words(d, "legend", MARGIN + column * 210 + 60, d->bottom + 34 + row * ROW + 4, slice_of(text));
}

static void draw_legend(const struct drawing *d)
{
	double x = MARGIN, y = d->bottom + 34, next = y + ROW;
	arrow_whole(d, &(struct look){ "sent", "head" }, x, y, x + 52, y);
	legend_word(d, 0, 0, "delivered");
	arrow_whole(d, &(struct look){ "sent lost", NULL }, x, next, x + 52, next);
	legend_word(d, 0, 1, "lost");
	arrow_whole(d, &(struct look){ "sent doubled", "head open" }, x + 210, y, x + 262, y);
	legend_word(d, 1, 0, "second copy");
	line(d, "sent", x + 210, next, x + 240, next);
	ring(d, "ring", x + 243, next, 3);
	legend_word(d, 1, 1, "other end not shown");
	rect(d, "paused", MARGIN + 420 + 20, (int)y - 9, 10, 18);
	legend_word(d, 2, 0, "paused");
	cross(d, x + 445, next, 6);
	legend_word(d, 2, 1, "down: no line");
	rect(d, "band", MARGIN + 630, (int)y - 8, 48, 16);
	rect(d, "stripes", MARGIN + 630, (int)y - 8, 48, 16);
	legend_word(d, 3, 0, "the network is not whole");
	rect(d, "strip", MARGIN + 630, (int)next - 9, 48, 18);
	legend_word(d, 3, 1, "the verdict rests on it");
}

static const char css[] =
	".scene{--paper:#fff;--ink:#1b1f24;--dim:#5c6670;--lane:#8a949e;--sent:#0b57c4;--bad:#b3261e;--strip:#fff1c2;--band:#fdf1ef;"
	"--stripe:#e0b4ae;font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace}\n"
	"@media (prefers-color-scheme:dark){.scene{--paper:#14181d;--ink:#e3e8ee;--dim:#9aa5b1;--lane:#66717c;--sent:#7db4ff;"
	"--bad:#ff8a80;--strip:#4a3c08;--band:#2a1d1d;--stripe:#5e3d3a}}\n"
	".scene .paper{fill:var(--paper)}.scene text{fill:var(--ink);white-space:pre;font-size:12px}"
	".scene .title{font-size:16px;font-weight:bold}.scene .extent,.scene .number,.scene .skipped,.scene .legend{fill:var(--dim)}"
	".scene .number{text-anchor:end}.scene .name{text-anchor:middle;font-weight:bold;font-size:13px}"
	".scene .marked{font-weight:bold;fill:var(--ink)}.scene .lab{font-style:italic}\n"
	".scene .lane{stroke:var(--lane);stroke-width:1.5}.scene .all{stroke:var(--ink);stroke-width:1.5}"
	".scene .gap{stroke:var(--lane);stroke-dasharray:1 5}.scene .strip{fill:var(--strip)}.scene .band{fill:var(--band)}"
	".scene .stripes{fill:url(#stripes);stroke:var(--stripe)}.scene .stripe{stroke:var(--stripe);stroke-width:1}\n"
	".scene .sent{stroke:var(--sent);stroke-width:1.6;fill:none}.scene .lost{stroke:var(--bad);stroke-dasharray:7 4}"
	".scene .doubled{stroke-dasharray:2 3}.scene .head{fill:var(--sent);stroke:var(--sent)}.scene .open{fill:var(--paper)}"
	".scene .cross{stroke:var(--bad);stroke-width:2.2;fill:none}.scene .ring{fill:var(--paper);stroke:var(--sent);stroke-width:1.6}"
	".scene .point{fill:var(--ink)}.scene .bar{fill:var(--ink)}.scene .paused{fill:var(--paper);stroke:var(--ink);stroke-width:1.5}\n";

static void draw_head(const struct drawing *d, struct slice title, bool standalone)
{
	struct buf shown = BUF_EMPTY, extent = BUF_EMPTY;
	int height = d->bottom + LEGEND;
	text_add(&shown, title, TITLE_COLUMNS, false);
	scene_print_extent(d->s, &extent);
	buf_printf(d->b, "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"scene\" role=\"img\" aria-labelledby=\"scene-title scene-desc\" "
		"width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\">\n<title id=\"scene-title\">", d->width, height, d->width, height);
	export_add_xml(d->b, buf_as_slice(&shown));
	buf_printf(d->b, "</title>\n<desc id=\"scene-desc\">A space-time diagram, time downwards, with %d columns; ", d->s->columns_n);
	export_add_xml(d->b, buf_as_slice(&extent));
	buf_printf(d->b, ". Each row says in words what it shows.</desc>\n<style>%s</style>\n", css);
	buf_str(d->b, "<defs><pattern id=\"stripes\" width=\"12\" height=\"12\" patternUnits=\"userSpaceOnUse\" "
		"patternTransform=\"rotate(45)\"><line class=\"stripe\" x1=\"0\" y1=\"0\" x2=\"0\" y2=\"12\"/></pattern></defs>\n");
	if (standalone)
		rect(d, "paper", 0, 0, d->width, height);
	words(d, "title", MARGIN, TITLE_Y, buf_as_slice(&shown));
	words(d, "extent", MARGIN, EXTENT_Y, buf_as_slice(&extent));
	buf_done(&shown);
	buf_done(&extent);
}

void scene_draw_svg(struct export *x, const struct scene *s, struct slice title, bool standalone)
{
	struct drawing d = { .x = x, .b = &x->out, .s = s };
	measure(&d);
	draw_head(&d, title, standalone);
	draw_bands(&d, "band");
	draw_strips(&d);
	draw_bands(&d, "stripes");
	draw_lanes(&d);
	for (int i = 0; i < s->arrows_n; i++) {
		draw_arrow(&d, &s->arrows[i]);
		export_flush(x, 1 << 16);
	}
	for (int i = 0; i < s->moments_n; i++) {
		draw_row(&d, i);
		export_flush(x, 1 << 16);
	}
	draw_legend(&d);
	buf_str(d.b, "</svg>\n");
	free(d.y);
}

static int write_svg(struct export *x, struct err *err)
{
	struct scene s;
	struct buf title = BUF_EMPTY;
	int rc = scene_read(&s, x, err);
	scene_print_title(x, &title);
	if (rc == 0)
		scene_draw_svg(x, &s, buf_as_slice(&title), true);
	buf_done(&title);
	scene_done(&s);
	return rc;
}

const struct export_format export_svg = {
	.name = "svg",
	.what = "a space-time diagram as a picture",
	.most = 60,
	.write = write_svg,
};
