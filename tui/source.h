/* source.h - a run as the screen reads it: pages of its file, a bounded number of them in memory.
 *
 * It is the same for a stored run and for one that another process is writing: source_refresh looks how far the
 * file has come. An event and its text stay valid until source_refresh, or until SOURCE_PAGES other pages were read. */
#ifndef DLAB_SOURCE_H
#define DLAB_SOURCE_H

#include "store.h"

enum { SOURCE_PAGES = 64, SOURCE_PAGE = 256, SOURCE_EVIDENCE = 16 };

struct source;

/* NULL and an error when it is no run file. */
struct source *source_open(const char *path, struct err *);
void source_close(struct source *);
/* Looks how many events there are by now; true when there are more than before, or the run has ended since. */
bool source_refresh(struct source *);

const char *source_path(const struct source *); /* borrowed until source_close */
const struct lanes *source_lanes(const struct source *);
uint64_t source_count(const struct source *);
bool source_finished(const struct source *);
int64_t source_end_ns(struct source *); /* time of the last event */
/* Of a live run on sim: where its time stood when it last waited for a line, all events up to then are here; -1: it never did. */
int64_t source_reached_ns(const struct source *);
/* NULL when it is outside, or the file cannot be read there. */
const struct event *source_at(struct source *, uint64_t seq);
/* The SEND, CALL or REPLY that a RECV or DROP ends; NULL for others. */
const struct event *source_sent(struct source *, const struct event *);
/* The same, as rows.h asks for it: ctx is the source. */
const struct event *source_sent_of(void *source, const struct event *);
/* The body that an event is about: its own text, or that of its message. */
struct slice source_body(struct source *, const struct event *);
/* The last event that is not later than t; 0 when none is. */
uint64_t source_seek(struct source *, int64_t t_ns);
struct slice source_type(struct source *, uint16_t type);
/* Value of a key (a static string) of the file's meta; "" when there is none. Borrowed until source_refresh. */
const char *source_meta(struct source *, const char *key);
/* The events that the verdict rests on. */
size_t source_evidence(const struct source *, const uint64_t **);
/* Vector clock; false for an event without one. */
bool source_clock(struct source *, const struct event *, uint32_t *out);
/* For a reader that goes through all of it once: as store_page. */
int source_page(struct source *, uint64_t from, struct event *out, int n, struct arena *);

#endif
