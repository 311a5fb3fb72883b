/* json.h - documents: thin over jansson. For whole answers in labs, settings and reports; never on the path of every message. */
#ifndef DLAB_JSON_H
#define DLAB_JSON_H

#include "base.h"
#include <jansson.h>

/* NULL and an error text when s is not JSON. The caller owns the result (json_decref). */
json_t *json_read(struct slice s, struct err *);
/* Reads a file of at most limit bytes. */
json_t *json_read_file(const char *path, size_t limit, struct err *);
/* Member of an object; NULL when j is no object or has none. Borrowed from j. */
json_t *json_get(const json_t *j, const char *key);
/* True for a whole number, however it is written (10, 10.0, 1e1), that an int64_t holds exactly. */
bool json_whole(const json_t *, int64_t *);
/* The member as a whole number, or `otherwise`. */
int64_t json_get_int(const json_t *j, const char *key, int64_t otherwise);
/* The member as text; borrowed from j; `otherwise` when it is no string. */
const char *json_get_string(const json_t *j, const char *key, const char *otherwise);
/* The document in one line, appended. */
void json_print(struct buf *, const json_t *);

#endif
