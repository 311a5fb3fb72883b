/* picture.h - a screen as an SVG picture, for documents. */
#ifndef DLAB_PICTURE_H
#define DLAB_PICTURE_H

#include "grid.h"

/* Appends. A standalone picture: light or dark as the reader's page is, every character in its column whatever the font. */
void picture_print(struct buf *, const struct grid *, const char *title);

#endif
