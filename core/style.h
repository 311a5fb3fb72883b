/* style.h - colours and marks of a terminal, or none: NO_COLOR, TERM=dumb and pipes get plain text. */
#ifndef DLAB_STYLE_H
#define DLAB_STYLE_H

#include <stdbool.h>
#include <stdio.h>

struct style {
	/* Static; escape sequences, or "" */
	const char *bold, *dim, *red, *green, *yellow, *blue, *off;
	/* Static; marks, UTF-8 or ASCII by the locale */
	const char *pass, *fail, *unknown, *skip, *arrow, *bar_full, *bar_empty;
	bool terminal; /* lines may be overwritten */
	int width;     /* columns; 80 when unknown */
};

/* Looks at the environment and at the stream. Call setlocale(LC_CTYPE, "") before. */
struct style style_of(FILE *);

#endif
