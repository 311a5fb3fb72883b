/* term.h - the terminal, by ncursesw: the only file that knows of it. Shows grids, gives keys. */
#ifndef DLAB_TERM_H
#define DLAB_TERM_H

#include "grid.h"
#include "key.h"

struct terminal;

/* NULL and an error when this terminal cannot be drawn on (TERM=dumb, say). */
struct terminal *term_open(struct err *);
void term_close(struct terminal *);
/* The size by now; true when it has changed since the last call. */
bool term_size(struct terminal *, int *w, int *h);
void term_show(struct terminal *, const struct grid *);
/* The next key that was pressed (key.h); 0: none. */
int term_key(struct terminal *);
/* Puts a text into the clipboard of the terminal (OSC 52), where it allows that. */
void term_copy(struct terminal *, struct slice text);
/* After the drawing process has died without term_close: what it left behind is undone. */
void term_mend(void);

#endif
