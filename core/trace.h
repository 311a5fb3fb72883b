/* trace.h - the only record of what happened: append-only, one writer, many readers.
 *
 * Events stand in chunks that never move, so a reader in another thread may read every event whose seq is at
 * most trace_published(). Every event of a lane carries that lane's vector clock (Fidge 1988, Mattern 1989):
 * `clock` points to the clock after the lane's last merge, shared by all events until the next, and `tick` is
 * the lane's own entry; trace_clock puts the two together. A message index gives the SEND of a RECV. */
#ifndef DLAB_TRACE_H
#define DLAB_TRACE_H

#include "arena.h"
#include "event.h"
#include "lanes.h"

enum { TRACE_CHUNK = 4096, TYPES_MAX = 4096 };

struct trace;

/* The arena is borrowed until trace_free; event texts must live in it (or as long as it does). */
struct trace *trace_new(struct arena *, const struct lanes *);
void trace_free(struct trace *);

/* Appends a copy of the event; sets seq, cause (unless set), clock and tick. Returns the seq. */
uint64_t trace_append(struct trace *, const struct event *);

uint64_t trace_count(const struct trace *);
/* 1 <= seq <= count. Borrowed until trace_free. */
const struct event *trace_at(const struct trace *, uint64_t seq);
/* For another thread: how many events it may read. */
uint64_t trace_published(const struct trace *);

/* The SEND or CALL or REPLY that began message `msg`; NULL for 0 or one never seen. */
const struct event *trace_message(const struct trace *, uint64_t msg);
/* The body that an event is about: its own text, or that of its message. */
struct slice trace_body(const struct trace *, const struct event *);

/* Types of bodies are interned: 0 is "none". */
uint16_t trace_type(struct trace *, struct slice type);
/* Static for the life of the trace; NUL-terminated behind. */
struct slice trace_type_name(const struct trace *, uint16_t type);
/* The number of a type that occurred, or 0. */
uint16_t trace_type_find(const struct trace *, struct slice type);

/* Copies the vector clock of an event into out[lanes_count]; false when the event has none. */
bool trace_clock(const struct trace *, const struct event *, uint32_t *out);
/* Happened-before (Lamport 1978): a before b. */
bool trace_before(const struct trace *, const struct event *a, const struct event *b);

/* A fingerprint of all events so far: equal traces give equal numbers. */
uint64_t trace_hash(const struct trace *);
const struct lanes *trace_lanes(const struct trace *);
/* Bytes the trace and its clocks take, without the texts. */
size_t trace_memory(const struct trace *);

/* One event as a line of text, without newline: what `replay --raw`, golden runs and --plain show. */
void trace_print_event(struct buf *, const struct trace *, const struct event *);

#endif
