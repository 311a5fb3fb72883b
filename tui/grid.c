#include "grid.h"

#include <stdio.h>
#include <stdlib.h>

#include "text.h"

/* What grid_style's strings are made of: STEER and a letter, 'a' + look. */
enum { STEER = 1 };

static const int32_t glyphs[][2] = {
#define X(name, utf8, ascii) [GLYPH_##name] = { utf8, ascii },
	GRID_GLYPHS(X)
#undef X
};

int32_t grid_glyph(const struct grid *g, enum glyph glyph)
{
	return glyphs[glyph][g->ascii];
}

void grid_init(struct grid *g, int w, int h, bool ascii)
{
	w = w < 1 ? 1 : w > GRID_MAX ? GRID_MAX : w;
	h = h < 1 ? 1 : h > GRID_MAX ? GRID_MAX : h;
	*g = (struct grid){ .w = w, .h = h, .ascii = ascii, .cells = xcalloc((size_t)w * (size_t)h, sizeof(struct cell)) };
	grid_clear(g);
}

void grid_done(struct grid *g)
{
	free(g->cells);
	g->cells = NULL;
}

void grid_clear(struct grid *g)
{
	for (int i = 0; i < g->w * g->h; i++)
		g->cells[i] = (struct cell){ .c = ' ' };
	g->cursor_x = g->cursor_y = 0;
}

static struct cell *cell_at(struct grid *g, int x, int y)
{
	return x >= 0 && y >= 0 && x < g->w && y < g->h ? &g->cells[y * g->w + x] : NULL;
}

/* A half of a wide character that loses its other half becomes a space. */
static void part_from_neighbours(struct grid *g, int x, int y)
{
	struct cell *here = cell_at(g, x, y), *left = cell_at(g, x - 1, y), *right = cell_at(g, x + 1, y);
	if (here->c == 0 && left)
		left->c = ' ';
	if (here->c > 0 && text_char_columns(here->c) == 2 && right)
		right->c = ' ';
}

void grid_put(struct grid *g, int x, int y, int look, int32_t c)
{
	struct cell *cell = cell_at(g, x, y);
	if (!cell)
		return;
	bool wide = text_char_columns(c) == 2;
	struct cell *right = wide ? cell_at(g, x + 1, y) : NULL;
	part_from_neighbours(g, x, y);
	if (wide && !right) {
		*cell = (struct cell){ .c = '?', .look = (uint8_t)look };
		return;
	}
	if (right) {
		part_from_neighbours(g, x + 1, y);
		*right = (struct cell){ .c = 0, .look = (uint8_t)look };
	}
	*cell = (struct cell){ .c = c, .look = (uint8_t)look };
}

static void put_mark(struct grid *g, int x, int y, int32_t c)
{
	struct cell *cell = cell_at(g, x, y);
	if (cell && cell->c == 0)
		cell = cell_at(g, x - 1, y);
	for (int i = 0; cell && i < MARKS_MAX; i++)
		if (!cell->mark[i]) {
			cell->mark[i] = c;
			return;
		}
}

/* Where a text that is being written stands. */
struct pen {
	struct grid *g;
	int x, y, start, end; /* columns */
	int look;
	bool full;
};

static void pen_cut(struct pen *p)
{
	for (int i = 0; i < 3; i++)
		if (p->end - 3 + i >= p->start)
			grid_put(p->g, p->end - 3 + i, p->y, p->look, '.');
	p->x = p->end;
	p->full = true;
}

static void pen_put(struct pen *p, int32_t c)
{
	if (text_is_harmful(c) || (p->g->ascii && c > 126))
		c = '?';
	int columns = text_char_columns(c);
	if (columns == 0) {
		if (p->x > p->start)
			put_mark(p->g, p->x - 1, p->y, c);
		return;
	}
	if (p->x + columns > p->end) {
		pen_cut(p);
		return;
	}
	grid_put(p->g, p->x, p->y, p->look, c);
	p->x += columns;
}

static struct pen pen_at(struct grid *g, int x, int y, int columns, int look)
{
	int end = columns < 0 || x + columns > g->w ? g->w : x + columns;
	return (struct pen){ .g = g, .x = x, .y = y, .start = x, .end = end, .look = look, .full = end <= x };
}

int grid_text(struct grid *g, int x, int y, int columns, int look, struct slice s)
{
	struct pen p = pen_at(g, x, y, columns, look);
	while (s.n && !p.full)
		pen_put(&p, text_next(&s));
	return p.x;
}

int grid_str(struct grid *g, int x, int y, int columns, int look, const char *s)
{
	return grid_text(g, x, y, columns, look, slice_of(s));
}

int grid_printf(struct grid *g, int x, int y, int columns, int look, const char *fmt, ...)
{
	struct buf b = BUF_EMPTY;
	va_list ap;
	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	x = grid_text(g, x, y, columns, look, buf_as_slice(&b));
	buf_done(&b);
	return x;
}

/* Bytes of the first line of a text that has so many columns of room. */
static size_t line_of(struct slice s, int room)
{
	size_t space = 0;
	int columns = 0;
	for (struct slice rest = s; rest.n;) {
		size_t at = s.n - rest.n;
		if (*rest.s == ' ')
			space = at;
		columns += text_char_columns(text_next(&rest));
		if (columns > room)
			return space ? space : at ? at : 1;
	}
	return s.n;
}

int grid_wrapped(struct grid *g, struct rect r, int look, struct slice s)
{
	int lines = 0;
	for (; s.n && lines < r.h && r.w > 0; lines++) {
		size_t n = line_of(s, r.w);
		grid_text(g, r.x, r.y + lines, r.w, look, (struct slice){ s.s, n });
		n += n < s.n && s.s[n] == ' ';
		s = (struct slice){ s.s + n, s.n - n };
	}
	return lines;
}

int grid_styled(struct grid *g, int x, int y, int columns, int look, struct slice s)
{
	struct pen p = pen_at(g, x, y, columns, look);
	while (s.n && !p.full) {
		if (s.s[0] == STEER && s.n > 1) {
			int told = s.s[1] - 'a';
			p.look = told == LOOK_PLAIN ? look : told;
			s = (struct slice){ s.s + 2, s.n - 2 };
			continue;
		}
		pen_put(&p, text_next(&s));
	}
	return p.x;
}

void grid_fill(struct grid *g, struct rect r, int look, int32_t c)
{
	for (int y = r.y; y < r.y + r.h; y++)
		for (int x = r.x; x < r.x + r.w; x++)
			grid_put(g, x, y, look, c);
}

void grid_look(struct grid *g, struct rect r, int look)
{
	for (int y = r.y; y < r.y + r.h; y++)
		for (int x = r.x; x < r.x + r.w; x++) {
			struct cell *cell = cell_at(g, x, y);
			if (cell)
				cell->look = (uint8_t)look;
		}
}

void grid_frame(struct grid *g, struct rect r, int look, const char *title)
{
	int right = r.x + r.w - 1, bottom = r.y + r.h - 1;
	for (int x = r.x + 1; x < right; x++) {
		grid_put(g, x, r.y, look, grid_glyph(g, GLYPH_DASH));
		grid_put(g, x, bottom, look, grid_glyph(g, GLYPH_DASH));
	}
	for (int y = r.y + 1; y < bottom; y++) {
		grid_put(g, r.x, y, look, grid_glyph(g, GLYPH_UP));
		grid_put(g, right, y, look, grid_glyph(g, GLYPH_UP));
	}
	grid_put(g, r.x, r.y, look, grid_glyph(g, GLYPH_TL));
	grid_put(g, right, r.y, look, grid_glyph(g, GLYPH_TR));
	grid_put(g, r.x, bottom, look, grid_glyph(g, GLYPH_BL));
	grid_put(g, right, bottom, look, grid_glyph(g, GLYPH_BR));
	if (title)
		grid_printf(g, r.x + 2, r.y, r.w - 4, look, " %s ", title);
}

struct style grid_style(int width, bool ascii)
{
	return (struct style){ .bold = "\001c", .dim = "\001b", .red = "\001d", .green = "\001e", .yellow = "\001f",
		.blue = "\001g", .off = "\001a", .pass = ascii ? "ok" : "\xe2\x9c\x93", .fail = ascii ? "FAILED" : "\xe2\x9c\x97",
		.unknown = "?", .skip = "-", .arrow = ascii ? "->" : "\xe2\x86\x92", .bar_full = ascii ? "#" : "\xe2\x96\x88",
		.bar_empty = ascii ? "-" : "\xe2\x96\x91", .width = width };
}

static void put_utf8(struct buf *b, int32_t c)
{
	if (c < 0x80) {
		buf_char(b, (char)c);
	} else if (c < 0x800) {
		buf_char(b, (char)(0xc0 | (c >> 6)));
		buf_char(b, (char)(0x80 | (c & 0x3f)));
	} else if (c < 0x10000) {
		buf_char(b, (char)(0xe0 | (c >> 12)));
		buf_char(b, (char)(0x80 | ((c >> 6) & 0x3f)));
		buf_char(b, (char)(0x80 | (c & 0x3f)));
	} else {
		buf_char(b, (char)(0xf0 | (c >> 18)));
		buf_char(b, (char)(0x80 | ((c >> 12) & 0x3f)));
		buf_char(b, (char)(0x80 | ((c >> 6) & 0x3f)));
		buf_char(b, (char)(0x80 | (c & 0x3f)));
	}
}

void cell_print(struct buf *b, const struct cell *cell)
{
	if (cell->c == 0)
		return;
	put_utf8(b, cell->c);
	for (int i = 0; i < MARKS_MAX && cell->mark[i]; i++)
		put_utf8(b, cell->mark[i]);
}

static char look_letter(int look)
{
	static const char plain[LOOK_COUNT + 1] = " dbrgyu", reversed[LOOK_COUNT + 1] = "#DBRGYU";
	int base = look & (LOOK_REVERSE - 1);
	return base >= LOOK_COUNT ? '?' : look & LOOK_REVERSE ? reversed[base] : plain[base];
}

static void end_line(struct buf *b)
{
	while (b->n && b->s[b->n - 1] == ' ')
		b->n--;
	buf_char(b, '\n');
}

void grid_print(struct buf *b, const struct grid *g, bool looks)
{
	for (int y = 0; y < g->h; y++) {
		for (int x = 0; x < g->w; x++)
			cell_print(b, &g->cells[y * g->w + x]);
		end_line(b);
	}
	for (int y = 0; looks && y < g->h; y++) {
		for (int x = 0; x < g->w; x++)
			buf_char(b, look_letter(g->cells[y * g->w + x].look));
		end_line(b);
	}
}
