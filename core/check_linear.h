/* check_linear.h - is there one order of these operations that explains all their answers?
 *
 * Linearizability (Herlihy and Wing 1990): an order that a single copy could have gone through, in which an operation
 * that ended before another began also stands before it. Sequential consistency (Lamport 1979): the same, but only the
 * operations of one client keep their order. Finding the order is NP-complete, so the search has a budget and a third
 * answer, UNKNOWN, which is never a pass.
 *
 * Hard for this search are queues: in which order values went in shows only when they come out, and a dequeue without an
 * answer may have taken any of them. Up to about 50 operations of 5 clients, or 200 where the queue stays short and all
 * was answered, are judged in milliseconds; with more, or with one in twenty without an answer, the budget may run out.
 *
 * Pure: no trace, no clock, no chance; the same operations give the same report. No verdict rests on a hash: what is
 * remembered of the search are exact keys. Input is borrowed until the call returns; all output is in the arena. */
#ifndef DLAB_CHECK_LINEAR_H
#define DLAB_CHECK_LINEAR_H

#include "arena.h"
#include "base.h"
#include "check_model.h"

/* LIN_CLIENTS: an operation that is LIN_MAYBE stands after those that its client had called before, but those that its client
 * called later need not wait for it. */
enum lin_order { LIN_REAL_TIME, LIN_CLIENTS };
enum lin_verdict { LIN_PASS, LIN_FAIL, LIN_UNKNOWN };

struct lin_options {
	int order;       /* enum lin_order */
	uint64_t states; /* how many to visit at most; 0: 20 million */
	size_t bytes;    /* memory of the search at most; 0: 1 GB */
	bool verdict_only; /* leave out steps, blocked and core */
	bool witness;    /* give the order that was found also when all is well */
};

struct lin_step {
	size_t op; /* index into the operations that were given */
	struct lin_state before, after;
};

struct lin_report {
	int verdict;        /* enum lin_verdict */
	const struct lin_model *model; /* static; of the part that is shown */
	bool by_key;        /* keys were judged one by one */
	int64_t key;        /* by_key and not PASS: the key that is shown */
	size_t ops;         /* operations of that part that must have a place (of all parts with PASS) */
	size_t parts, parts_passed;
	uint64_t states;    /* visited */
	size_t bytes;       /* of memory at most at one time */
	bool out_of_states, out_of_bytes; /* UNKNOWN: why */

	/* FAIL, UNKNOWN: the longest order of that part that was found. PASS with `witness`: the whole order, part after part. */
	struct lin_step *steps;
	size_t steps_n;
	size_t placed;      /* how many of them had to have a place */
	/* FAIL: what could come next in time, and why not all of it fits: at least one of these can never be placed. */
	size_t *blocked;
	size_t blocked_n;

	/* FAIL: operations that contradict each other whatever the others did: the others may have happened at any time
	 * after their calls, or not at all (with a model that `repeats`, as a rule as often as one likes; with one that has
	 * `about`, all that touches other values is left out), and still these have no order. Ordered by call. */
	size_t *core;
	size_t core_n;
	bool core_minimal;  /* any one of them, set free like the others, makes an order possible; false: not all was tried */
};

struct lin_report lin_check(struct arena *, const struct lin_model *, const struct lin_op *, size_t n, const struct lin_options *);
/* A few lines for people, no longer than about 40 steps. */
void lin_print(struct buf *, const struct lin_op *, const struct lin_report *);

#endif
