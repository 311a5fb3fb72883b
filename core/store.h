/* store.h - a run as one SQLite file, written by a thread of its own while the run goes on.
 *
 * The file is in WAL mode while it is written, so that it can be read at any time and opened after a SIGKILL: it
 * then holds what was committed (nothing is older than a quarter of a second). store_finish leaves one file.
 * It is known by its application_id ("dlab") and its user_version, the version of the tables:
 *
 *   meta(key, value)   what the run was and how it ended; the keys are below
 *   lanes, types       the names behind the numbers src, dst, lane and type
 *   kinds, reasons     the names behind the numbers kind and why
 *   events             struct event; `clock` stands only in a row whose lane has merged another clock since its
 *                      last event: the lane's vector clock as varints (LEB128), zeros at the end left out
 *   ops                struct op, without data
 *   evidence(n, seq)   the events that prove the verdict, in order
 *   readable, operations   views for a person with the sqlite3 shell
 *
 * A run file may come from a stranger: reading checks every number and length, and never trusts its schema. */
#ifndef DLAB_STORE_H
#define DLAB_STORE_H

#include "arena.h"
#include "base.h"
#include "history.h"
#include "lanes.h"
#include "trace.h"

enum { STORE_APPLICATION_ID = 0x646c6162, STORE_VERSION = 1 };

/* Keys of meta that the commands agree on. Those marked * the store writes itself. */
#define STORE_STATE "state"           /* * "running" until the run has ended, then "finished" */
#define STORE_REACHED "reached_ns"    /* * where its time stands while it waits for what is typed; only of free play on sim */
#define STORE_DLAB "dlab"             /* * version of dlab */
#define STORE_NODES "nodes"           /* * how many */
#define STORE_FIRST "first"           /* * number in the first node's name: 0 or 1 */
#define STORE_EVENTS "events"         /* * how many, once finished */
#define STORE_TRACE_HASH "trace_hash" /* * trace_hash in 16 hexadecimal digits, once finished */
#define STORE_LAB "lab"
#define STORE_TEST "test"
#define STORE_TITLE "title"
#define STORE_SEED "seed"
#define STORE_FABRIC "fabric"
#define STORE_COMMAND "command"       /* JSON array */
#define STORE_CWD "cwd"               /* where the nodes started */
#define STORE_LATENCY "latency_ns"    /* of the links; 0: the usual network, or the test's */
#define STORE_FORKED "forked_ns"      /* when the test was left; only of a fork */
#define STORE_SKIP "skip"             /* what was left out, as skip.h writes it */
#define STORE_VERDICT "verdict"
#define STORE_RULE "rule"
#define STORE_SOURCE "source"
#define STORE_EXPECTED "expected"
#define STORE_SEEN "seen"
#define STORE_HINT "hint"

struct store_pair {
	const char *key;    /* borrowed for the call */
	struct slice value; /* likewise */
};

/* What is known of a run. Everything is borrowed for the call. */
struct store_meta {
	const struct store_pair *pairs;
	size_t pairs_n;
	const struct history *history; /* or NULL */
	const uint64_t *evidence;      /* places in the trace */
	size_t evidence_n;
};

/* --- writing; from the run's thread --- */
struct store;

/* Starts a file; an older one there is replaced. NULL and an error when that fails. The trace is borrowed until
 * store_finish or store_abandon. No two stores may write to one path at a time. */
struct store *store_create(const char *path, const struct trace *, struct err *);
/* Writes pairs into meta at once, so that they are there when the run is killed. A failure is told by store_finish. */
void store_describe(struct store *, const struct store_pair *, size_t n);
/* From now on no event waits longer than that for its place in the file (a quarter of a second unless told): for a reader
 * who looks on. */
void store_hurry(struct store *, int latency_ms);
/* Writes all events so far, and says that the run has got to that moment and waits: a reader sees both or neither. False when
 * the file cannot be written any more; store_finish tells why. */
bool store_reached(struct store *, int64_t now_ns);
/* Cheap; call it after every event, or every few. Wakes the writer when there is enough to write. */
void store_poke(struct store *);
/* Writes the rest and frees the store, in any case. -1 and an error when this or any earlier write failed; the
 * file then holds the events up to that point. When somebody reads the file at this moment, a -wal file may stay
 * beside it: both together are the run. */
int store_finish(struct store *, const struct store_meta *, struct err *);
/* Deletes the file and frees the store; NULL is fine. */
void store_abandon(struct store *);

/* --- reading; one thread per store_run --- */
struct store_run;

/* NULL and an error when it is not the file of a run, or not of a version that is known. */
struct store_run *store_open(const char *path, struct err *);
void store_close(struct store_run *);
/* Value of a key of meta; without s when there is none. Borrowed until store_close; followed by a NUL. */
struct slice store_meta_get(struct store_run *, const char *key);
/* Borrowed until store_close. */
const struct lanes *store_lanes(const struct store_run *);
/* How many events there are by now. */
uint64_t store_events(struct store_run *);
/* Where the run's time stood when it last waited (store_reached); -1 when it never did. All events up to then are in a
 * store_events that is asked later. */
int64_t store_reached_ns(const struct store_run *);
/* The verdict's evidence; returns how many were put in out. */
size_t store_evidence(struct store_run *, uint64_t *out, size_t max);

/* Up to n events from seq `from` on; texts are copied into the arena, clocks are NULL (see store_clock). Returns
 * how many, or -1. The types are those of store_type. */
int store_page(struct store_run *, uint64_t from, struct event *out, int n, struct arena *, struct err *);
/* Name of a type; borrowed until store_close; empty when there is none. */
struct slice store_type(struct store_run *, uint16_t type);
/* The vector clock of an event of store_page into out[lanes_count]; false when it has none. */
bool store_clock(struct store_run *, const struct event *, uint32_t *out);

/* A whole run in memory, as it was. Must not be moved: its parts point at one another. */
struct store_loaded {
	struct arena arena;
	struct lanes lanes;
	struct trace *trace;     /* owned */
	struct history *history; /* owned */
};

/* 0, or -1 and an error; then there is nothing to free. */
int store_load(struct store_run *, struct store_loaded *, struct err *);
void store_loaded_done(struct store_loaded *);

#endif
