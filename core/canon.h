/* canon.h - one text for each JSON value: two values are the same exactly when their canonical texts are.
 *
 * Numbers are compared as decimal numbers, exactly and however long (1, 1.0 and 10e-1 are one; "1" is a text). Texts
 * are compared after their escapes. Members of an object have no order; when a key stands twice, the last counts. */
#ifndef DLAB_CANON_H
#define DLAB_CANON_H

#include "base.h"

/* Appends the canonical text of a value that is known to be valid JSON (proto.h: json_valid). */
void json_canon(struct buf *, struct slice value);
/* True when two values, both known to be valid JSON, are the same. */
bool json_same(struct slice a, struct slice b);

/* A member of an object that is known to be valid JSON, as it is written there; s == NULL when there is none. Keys are
 * compared after their escapes; when one stands twice, the last counts. */
struct slice json_member(struct slice object, const char *key);

#endif
