/* demo_place.h - where a demo stands, for a second terminal with the speaker's notes: a small file in .dlab. */
#ifndef DLAB_DEMO_PLACE_H
#define DLAB_DEMO_PLACE_H

#include "demo.h"

/* A failure is none of the audience's business: the demo goes on. */
void demo_place_write(const struct demo *, int step, const char *notes);
void demo_place_clear(void);
/* Appends what stands there; false when no demo runs. */
bool demo_place_read(struct buf *);
/* Where the run of a demo is stored; owned. */
char *demo_store(struct err *);

#endif
