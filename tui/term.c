#define _XOPEN_SOURCE_EXTENDED 1
#define NCURSES_WIDECHAR 1
#include "term.h"

#include <curses.h>
#include <locale.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <term.h>
#include <unistd.h>
#include <wchar.h>

struct terminal {
	SCREEN *screen;
	int w, h;
	bool colours;
};

static const short colours[LOOK_COUNT] = { [LOOK_RED] = COLOR_RED, [LOOK_GREEN] = COLOR_GREEN, [LOOK_YELLOW] = COLOR_YELLOW,
	[LOOK_BLUE] = COLOR_BLUE };

static void start_colours(struct terminal *t)
{
	const char *no = getenv("NO_COLOR");
	if ((no && *no) || !has_colors())
		return;
	start_color();
	use_default_colors(); /* light terminals keep their paper */
	for (short look = LOOK_RED; look < LOOK_COUNT; look++)
		init_pair(look, colours[look], -1);
	t->colours = true;
}

struct terminal *term_open(struct err *e)
{
	const char *name = getenv("TERM");
	SCREEN *screen = newterm(NULL, stdout, stdin);
	if (!screen || !tigetstr("cup") || tigetstr("cup") == (char *)-1) {
		err_set(e, "the terminal \"%s\" cannot be drawn on; --plain writes lines instead", name ? name : "");
		return NULL;
	}
	struct terminal *t = xcalloc(1, sizeof *t);
	t->screen = screen;
	set_term(screen);
	raw();
	noecho();
	nonl();
	set_escdelay(25);
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	start_colours(t);
	return t;
}

void term_close(struct terminal *t)
{
	if (!t)
		return;
	endwin();
	delscreen(t->screen);
	free(t);
}

bool term_size(struct terminal *t, int *w, int *h)
{
	struct winsize size = { 0 };
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || !size.ws_col || !size.ws_row) {
		size.ws_col = (unsigned short)COLS;
		size.ws_row = (unsigned short)LINES;
	}
	bool changed = size.ws_col != t->w || size.ws_row != t->h;
	if (changed) {
		resizeterm(size.ws_row, size.ws_col);
		clearok(stdscr, TRUE);
	}
	*w = t->w = size.ws_col;
	*h = t->h = size.ws_row;
	return changed;
}

static attr_t attributes(const struct terminal *t, int look, short *pair)
{
	int base = look & (LOOK_REVERSE - 1);
	attr_t a = look & LOOK_REVERSE ? A_REVERSE : A_NORMAL;
	*pair = t->colours && base >= LOOK_RED && base < LOOK_COUNT ? (short)base : 0;
	if (base == LOOK_BOLD)
		a |= A_BOLD;
	if (base == LOOK_DIM)
		a |= A_DIM;
	return a;
}

static void show_cell(const struct terminal *t, int x, int y, const struct cell *cell)
{
	wchar_t text[2 + MARKS_MAX] = { (wchar_t)cell->c };
	cchar_t c;
	short pair;
	attr_t a = attributes(t, cell->look, &pair);
	for (int i = 0; i < MARKS_MAX; i++)
		text[1 + i] = (wchar_t)cell->mark[i];
	setcchar(&c, text, a, pair, NULL);
	mvadd_wch(y, x, &c);
}

void term_show(struct terminal *t, const struct grid *g)
{
	for (int y = 0; y < g->h; y++)
		for (int x = 0; x < g->w; x++)
			if (g->cells[y * g->w + x].c != 0)
				show_cell(t, x, y, &g->cells[y * g->w + x]);
	move(g->cursor_y, g->cursor_x);
	wnoutrefresh(stdscr);
	doupdate();
}

int term_key(struct terminal *t)
{
	static const struct { int theirs, ours; } keys[] = {
		{ KEY_UP, KEYS_UP }, { KEY_DOWN, KEYS_DOWN }, { KEY_LEFT, KEYS_LEFT }, { KEY_RIGHT, KEYS_RIGHT },
		{ KEY_PPAGE, KEYS_PAGE_UP }, { KEY_NPAGE, KEYS_PAGE_DOWN }, { KEY_HOME, KEYS_HOME }, { KEY_END, KEYS_END },
		{ KEY_BTAB, KEYS_BACK_TAB }, { KEY_BACKSPACE, KEYS_DELETE }, { KEY_DC, KEYS_DELETE }, { KEY_ENTER, KEYS_ENTER },
	};
	wint_t c;
	(void)t;
	int kind = get_wch(&c);
	if (kind == OK)
		return (int)c;
	for (size_t i = 0; kind == KEY_CODE_YES && i < ARRAY_LEN(keys); i++)
		if (keys[i].theirs == (int)c)
			return keys[i].ours;
	return kind == KEY_CODE_YES ? -1 : 0;
}

void term_copy(struct terminal *t, struct slice text)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	struct buf b = BUF_EMPTY;
	(void)t;
	buf_str(&b, "\033]52;c;");
	for (size_t i = 0; i < text.n; i += 3) {
		unsigned v = 0;
		for (size_t k = 0; k < 3; k++)
			v = v << 8 | (i + k < text.n ? (unsigned char)text.s[i + k] : 0);
		for (size_t k = 0; k < 4; k++)
			buf_char(&b, i + k <= text.n ? digits[v >> (18 - 6 * k) & 63] : '=');
	}
	buf_str(&b, "\a");
	if (write(STDOUT_FILENO, b.s, b.n) < 0) {
		/* a terminal that is gone is noticed by the next frame */
	}
	buf_done(&b);
}

static void say_capability(const char *name)
{
	const char *s = tigetstr(name);
	if (s && s != (const char *)-1)
		putp(s);
}

void term_mend(void)
{
	int ignored;
	if (setupterm(NULL, STDOUT_FILENO, &ignored) != OK)
		return;
	say_capability("sgr0");
	say_capability("cnorm");
	say_capability("rmkx");
	say_capability("rmcup");
	fflush(stdout);
}
