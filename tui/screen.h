/* screen.h - the terminal, by ncursesw: the only file that knows of it. Shows grids, gives keys. */
#ifndef DLAB_SCREEN_H
#define DLAB_SCREEN_H

#include "grid.h"
#include "key.h"

struct screen;

/* NULL and an error when this terminal cannot be drawn on (TERM=dumb, say). */
struct screen *screen_open(struct err *);
void screen_close(struct screen *);
/* The size by now; true when it has changed since the last call. */
bool screen_size(struct screen *, int *w, int *h);
void screen_show(struct screen *, const struct grid *);
/* The next key that was pressed (key.h); 0: none. */
int screen_key(struct screen *);
/* Puts a text into the clipboard of the terminal (OSC 52), where it allows that. */
void screen_copy(struct screen *, struct slice text);
/* After the drawing process has died without screen_close: what it left behind is undone. */
void screen_mend(void);

#endif
