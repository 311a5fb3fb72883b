/* grid.h - a screen as a value: cells with a character and a look, which a test can compare and term.c shows.
 *
 * Everything but term.c draws here. Nothing that is drawn can leave the grid: what lies outside is cut, characters that
 * could steer a terminal become "?", a wide character takes two cells, a combining one joins the cell before it. */
#ifndef DLAB_GRID_H
#define DLAB_GRID_H

#include "base.h"
#include "style.h"

enum look { LOOK_PLAIN, LOOK_DIM, LOOK_BOLD, LOOK_RED, LOOK_GREEN, LOOK_YELLOW, LOOK_BLUE, LOOK_COUNT, LOOK_REVERSE = 16 };
enum { MARKS_MAX = 2, GRID_MAX = 1000 };

struct cell {
	int32_t c;               /* 0: the right half of a wide character */
	int32_t mark[MARKS_MAX]; /* combining characters, 0: none */
	uint8_t look;            /* enum look, | LOOK_REVERSE */
};

struct grid {
	int w, h;
	struct cell *cells; /* owned; w * h */
	bool ascii;
	int cursor_x, cursor_y; /* where the terminal's own cursor stands: on what is chosen */
};

struct rect {
	int x, y, w, h;
};

void grid_init(struct grid *, int w, int h, bool ascii);
void grid_done(struct grid *);
void grid_clear(struct grid *);
/* Writes a text, `columns` at most (negative: to the edge); what is cut ends in "...". Returns the column behind it. */
int grid_text(struct grid *, int x, int y, int columns, int look, struct slice);
int grid_str(struct grid *, int x, int y, int columns, int look, const char *);
int grid_printf(struct grid *, int x, int y, int columns, int look, const char *fmt, ...) PRINTF_LIKE(6, 7);
/* A text with the marks of grid_style in it, as rows.h and markdown.h write it; `look` where they say nothing. */
int grid_styled(struct grid *, int x, int y, int columns, int look, struct slice);
/* Several lines of a text, broken at spaces. Returns how many lines were used, at most r.h. */
int grid_wrapped(struct grid *, struct rect r, int look, struct slice);
void grid_put(struct grid *, int x, int y, int look, int32_t c);
void grid_fill(struct grid *, struct rect, int look, int32_t c);
/* Changes how cells look, not what they say. */
void grid_look(struct grid *, struct rect, int look);
void grid_frame(struct grid *, struct rect, int look, const char *title);
/* A style whose marks grid_styled understands; they hold a control character, which no text of a node can. */
struct style grid_style(int width, bool ascii);

/* Glyphs that exist in ASCII too. */
#define GRID_GLYPHS(X) \
	X(BAR, 0x2588, '#') X(EMPTY, 0x2591, '.') X(DOT, 0x25cf, '*') X(RING, 0x25cb, 'o') X(GONE, 0x2717, 'x') X(TILDE, '~', '~') \
	X(UP, 0x2502, '|') X(DASH, 0x2500, '-') X(TL, 0x250c, '+') X(TR, 0x2510, '+') X(BL, 0x2514, '+') X(BR, 0x2518, '+') \
	X(CURSOR, 0x25b6, '>') X(PASS, 0x2713, '+') X(LIGHT, 0x00b7, '.') X(MID, 0x2592, ':') X(HEAVY, 0x2593, '%') \
	X(PAUSED, 0x2016, '=') X(ELLIPSIS, 0x2026, '.')

enum glyph {
#define X(name, utf8, ascii) GLYPH_##name,
	GRID_GLYPHS(X)
#undef X
};
int32_t grid_glyph(const struct grid *, enum glyph);

/* The grid as text, a line a row, without the spaces at their ends. With `looks` a second block: a letter for each
 * cell that is not plain. */
void grid_print(struct buf *, const struct grid *, bool looks);
/* One cell as UTF-8. */
void cell_print(struct buf *, const struct cell *);

#endif
