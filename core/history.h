/* history.h - what clients asked and what came back: the operations of a run, in the order of their calls.
 *
 * An operation is OK (answered), FAILED (a definite error: it did not happen) or MAYBE (no answer, or an
 * indefinite error: it may take effect at any later time, or never). Checkers read histories, never traces of messages. */
#ifndef DLAB_HISTORY_H
#define DLAB_HISTORY_H

#include "arena.h"
#include "base.h"

enum op_status { OP_PENDING, OP_OK, OP_FAILED, OP_MAYBE, OP_SKIPPED };

struct op {
	const char *f;        /* static or in the run's arena: "read", "add", ... ; the request's type by default */
	int client;           /* 0..; a client has one operation at a time */
	int node;             /* whom it asked */
	bool final;           /* a read of the quiet phase at the end */
	bool shrinkable;      /* a generator made it: shrink may leave it out */
	uint8_t status;       /* enum op_status */
	int16_t code;         /* FAILED, MAYBE: the error's code; -1: no answer */
	uint32_t ordinal;     /* its number among what shrink can leave out */
	int64_t key, value, extra; /* the lab's own meaning */
	int64_t result;       /* likewise, set from the answer */
	void *data;           /* likewise; in the run's arena */
	struct op *before;    /* a generator's: the request before this one, when the client asks again; NULL: it is the first */
	struct slice request; /* the body that was sent, in the run's arena */
	struct slice answer;  /* the body that came back; empty: none */
	int64_t call_ns, return_ns; /* return_ns INT64_MAX while nothing came back */
	uint64_t call_seq, return_seq; /* places in the trace; 0: none */
};

struct history;
struct history *history_new(struct arena *);
void history_free(struct history *);
/* Adds an empty operation; it never moves. Borrowed until history_free. */
struct op *history_add(struct history *);
size_t history_count(const struct history *);
struct op *history_at(const struct history *, size_t i);
const char *op_status_name(int status); /* static */

#endif
