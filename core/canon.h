/* canon.h - one text for each JSON value: two values are the same exactly when their canonical texts are.
 *
 * Numbers are compared as decimal numbers, exactly and however long (1, 1.0 and 10e-1 are one; "1" is a text). Texts
 * are compared after their escapes. Members of an object have no order; when a key stands twice, the last counts. */
#ifndef DLAB_CANON_H
#define DLAB_CANON_H

#include "base.h"

/* Appends the canonical text of a value that is known to be valid JSON (proto.h: json_valid). */
void json_canon(struct buf *, struct slice value);

#endif
