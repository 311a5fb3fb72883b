/* text.h - text of strangers made fit to be shown: on a terminal, in a column, as JSON.
 *
 * What a node writes, and what stands in a run file, may hold anything. Shown as it is, it could move the cursor, change
 * colours or turn the direction of what follows. Harmful are control characters (C0, DEL, C1), line and paragraph
 * separators, controls of writing direction, invisible tags, and bytes that are not UTF-8. */
#ifndef DLAB_TEXT_H
#define DLAB_TEXT_H

#include "base.h"

/* Takes the first character off; never fails: what is not UTF-8 comes byte by byte, as -1. The slice is not empty. */
int32_t text_next(struct slice *);
/* True for a character that must not reach a terminal; true for -1. */
bool text_is_harmful(int32_t c);
/* Columns a character takes: 0 (combining), 1 or 2 (wide). */
int text_char_columns(int32_t c);

/* Appends s with a "?" for whatever is harmful, cut to `columns` columns; what was cut ends in "...". With `ascii`
 * also a "?" for each character beyond ASCII. Returns how many columns it took. */
size_t text_add(struct buf *, struct slice s, size_t columns, bool ascii);
/* Columns of a text that text_add has made. */
size_t text_columns(struct slice s);
/* Appends JSON (which is valid) in one line; what is harmful in its strings becomes \uXXXX. */
void text_add_json(struct buf *, struct slice json);

#endif
