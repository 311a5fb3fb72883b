#include "picture.h"

#include "export.h"

enum { CELL_W = 8, CELL_H = 17, BASE = 13, PAD = 10 };

static const char css[] =
	"svg{--paper:#fff;--ink:#1b1f24;--dim:#6b7681;--red:#b3261e;--green:#1a7f37;--yellow:#8a6100;--blue:#1f5fbf}"
	"@media (prefers-color-scheme:dark){svg{--paper:#14181d;--ink:#e3e8ee;--dim:#8894a0;--red:#ff8a80;--green:#57d173;--yellow:#f0c34e;"
	"--blue:#82b1ff}}"
	"text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;white-space:pre;fill:var(--ink)}"
	".b{fill:var(--dim)}.c{font-weight:bold}.d{fill:var(--red)}.e{fill:var(--green)}.f{fill:var(--yellow)}.g{fill:var(--blue)}"
	"rect{fill:var(--paper)}rect.r{fill:var(--ink)}rect.r.d{fill:var(--red)}rect.r.e{fill:var(--green)}rect.r.f{fill:var(--yellow)}"
	"rect.r.g{fill:var(--blue)}rect.r.b{fill:var(--dim)}text.r{fill:var(--paper)}";

/* Cells of one row that look the same. */
struct stretch {
	int x, n, look;
};

static bool next_stretch(const struct grid *g, int y, struct stretch *s)
{
	s->x += s->n;
	if (s->x >= g->w)
		return false;
	s->look = g->cells[y * g->w + s->x].look;
	for (s->n = 1; s->x + s->n < g->w && g->cells[y * g->w + s->x + s->n].look == s->look; s->n++)
		;
	return true;
}

static void print_class(struct buf *b, int look)
{
	buf_printf(b, " class=\"%s%c\"", look & LOOK_REVERSE ? "r " : "", 'a' + (look & (LOOK_REVERSE - 1)));
}

/* Words, each at its column: spaces between them are not drawn, so that no font can shift what follows. */
static void print_words(struct buf *b, const struct grid *g, int y, const struct stretch *s)
{
	struct buf word = BUF_EMPTY;
	for (int x = s->x; x < s->x + s->n;) {
		int from = x;
		word.n = 0;
		while (x < s->x + s->n && g->cells[y * g->w + x].c != ' ')
			cell_print(&word, &g->cells[y * g->w + x++]);
		if (x == from) {
			x++;
			continue;
		}
		buf_printf(b, "<text x=\"%d\" y=\"%d\" textLength=\"%d\" lengthAdjust=\"spacingAndGlyphs\"", PAD + from * CELL_W,
			PAD + y * CELL_H + BASE, (x - from) * CELL_W);
		print_class(b, s->look);
		buf_char(b, '>');
		export_add_xml(b, buf_as_slice(&word));
		buf_str(b, "</text>\n");
	}
	buf_done(&word);
}

void picture_print(struct buf *b, const struct grid *g, const char *title)
{
	int w = 2 * PAD + g->w * CELL_W, h = 2 * PAD + g->h * CELL_H;
	buf_printf(b, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" role=\"img\">\n<title>", w, h, w, h);
	export_add_xml(b, slice_of(title));
	buf_printf(b, "</title>\n<desc>%d columns, %d rows of a terminal</desc>\n<style>%s</style>\n<rect x=\"0\" y=\"0\" width=\"%d\" height=\"%d\"/>\n", g->w, g->h, css, w, h);
	for (int y = 0; y < g->h; y++)
		for (struct stretch s = { 0, 0, 0 }; next_stretch(g, y, &s);) {
			if (s.look & LOOK_REVERSE) {
				buf_printf(b, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"", PAD + s.x * CELL_W, PAD + y * CELL_H, s.n * CELL_W, CELL_H);
				print_class(b, s.look);
				buf_str(b, "/>\n");
			}
			print_words(b, g, y, &s);
		}
	buf_str(b, "</svg>\n");
}
