/* explain.h - from a verdict to what a person reads: the events that matter, and the notices. */
#ifndef DLAB_EXPLAIN_H
#define DLAB_EXPLAIN_H

#include "trace.h"

/* One event as a short line for people: "   3.204 s  n1 -> n3  append_entries {...}  lost: cut". No newline. */
void explain_event(struct buf *, const struct trace *, const struct event *);
/* Up to `max` events that matter for the given evidence: itself, and what led to it, in order; one a line. */
void explain_events(struct buf *, const struct trace *, const uint64_t *evidence, size_t n, size_t max);
/* Lints and bad lines of a run, each kind once with its number: up to `max` texts, owned by the caller. Returns
 * how many. */
int explain_notices(const struct trace *, char **out, int max);

#endif
