/* check.h - checkers: pure functions over operations. No trace, no play, no clock.
 *
 * The order of things is given by numbers: `call` and `ret` are places in one sequence of events, so that what began
 * and ended at the same instant of virtual time still has an order. Times (`..._ns`) serve for latencies only.
 * All input is borrowed until the call returns; all output is in the arena. */
#ifndef DLAB_CHECK_H
#define DLAB_CHECK_H

#include "arena.h"
#include "base.h"
#include "lanes.h"

/* --- a set that only grows, kept by several nodes (broadcast) --- */

/* A value that a client added. No value is added twice. */
struct set_add {
	int64_t value;
	uint64_t call;
	uint64_t ret;   /* 0: never acknowledged */
	int64_t ret_ns;
};

/* A read that was answered. */
struct set_read {
	int node;       /* 0..59 */
	uint64_t call, ret;
	int64_t call_ns, ret_ns;
	const int64_t *values; /* in any order */
	size_t n;
};

/* STABLE: from some time on, every read of every node that was read shows it. LOST: the last read of some node lacks
 * it, although it was known to exist before that read began. NEVER_READ: neither can be said. */
enum set_fate { SET_STABLE, SET_LOST, SET_NEVER_READ };

struct set_value {
	int64_t value;
	size_t add;         /* index of its add */
	int fate;           /* enum set_fate */
	uint64_t known;     /* when it was proved to exist: acknowledged, or shown by a read; 0: never */
	int64_t known_ns;
	bool stale;         /* a read that began after `known` lacked it */
	size_t absent;      /* the last read (by its call) that lacked it; SIZE_MAX: none */
	lane_set lost_on;   /* nodes whose last read lacks it */
	int64_t stable_ns;  /* STABLE: from `known` to the call of the last read that lacked it; 0 when that was before */
};

/* Something that no read may show; the first of its kind, by the read's return. */
struct set_oddity {
	size_t read;        /* which read */
	size_t earlier;     /* vanished: a read of the same node that showed it and had ended before */
	int64_t value;
	unsigned times;     /* doubled: how often the read shows it */
};

struct set_report {
	struct set_value *values; /* in the order of the adds */
	size_t n, acknowledged;
	size_t stable, lost, never_read, stale;
	/* Counted per read and value. */
	size_t phantoms;    /* shown and never added, or not yet */
	size_t doubled;     /* shown more than once */
	size_t vanished;    /* shown by a node, and lacking in a read of that node that began later */
	struct set_oddity phantom, twice, gone; /* valid when its count is not 0 */
};

/* Rules of set-full (Jepsen's checker) for each node by itself. With all reads on one node it says what set-full says. */
struct set_report set_check(struct arena *, const struct set_add *, size_t adds_n, const struct set_read *, size_t reads_n);

#endif
