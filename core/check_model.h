/* check_model.h - what an object may answer: sequential models for the checkers of concurrent histories.
 *
 * A model is a struct of functions. Its state is a row of 64-bit words that nobody changes: a step reads one state and
 * writes the next. A step is a pure function of the state and the operation, so that states can be compared, kept and
 * shown. To judge an object of your own, fill in a struct lin_model; nothing else knows the models below. */
#ifndef DLAB_CHECK_MODEL_H
#define DLAB_CHECK_MODEL_H

#include "base.h"

/* Operations of the models below; a model of your own numbers its own. */
enum lin_f { LIN_READ, LIN_WRITE, LIN_CAS, LIN_APPEND, LIN_ACQUIRE, LIN_RELEASE, LIN_ENQUEUE, LIN_DEQUEUE };

#define LIN_NIL INT64_MIN       /* no value: a register never written, the answer of an empty queue */
#define LIN_ANY (INT64_MIN + 1) /* result of a read that fits every value */
#define LIN_MAYBE UINT64_MAX    /* as `ret`: it may take effect at any later time, or never; its result is not known */

/* One operation. What definitely did not happen is left out of a history; a compare-and-set that was refused because
 * the value was another one is an observation and stays in, with result 0. */
struct lin_op {
	uint64_t call, ret;  /* places in one sequence of events; ret LIN_MAYBE: see above */
	int f;               /* enum lin_f, or the model's own */
	int client;
	int64_t key;
	int64_t value;       /* written, appended, enqueued; cas: the new value */
	int64_t from;        /* cas: the value that is expected */
	int64_t result;      /* read, dequeue: the value; cas, acquire, release: 1 done, 0 refused */
	const int64_t *list; /* borrowed; read of a list: the values */
	size_t list_n;
	size_t index;        /* the caller's own: its place in the caller's history */
};

static inline bool lin_is_maybe(const struct lin_op *op)
{
	return op->ret == LIN_MAYBE;
}

struct lin_state {
	const int64_t *w; /* borrowed */
	size_t n;
};

struct lin_model {
	const char *name;
	/* The model of the operations of one key, when keys do not touch one another; else NULL. Linearizability is local
	 * (Herlihy and Wing 1990, theorem 1): each key may be judged alone. Sequential consistency is not. */
	const struct lin_model *part;
	struct lin_state start;
	/* True when the operation fits the state; then next (room for now.n + 2 words) and *next_n are set, except by a
	 * pure operation, which need not. An operation that is LIN_MAYBE fits when it can happen at all. */
	bool (*step)(struct lin_state now, const struct lin_op *, int64_t *next, size_t *next_n);
	/* True when the operation, with its result, changes no state that it fits: a read, a refused cas. */
	bool (*pure)(const struct lin_op *);
	/* True when the operation fits every state and what comes after does not depend on what was before: a write. NULL:
	 * none does. Where only such operations can come next, the search need not tell states apart. */
	bool (*blind)(const struct lin_op *);
	/* How the search for the smallest contradiction may leave operations out. `repeats`: finitely many operations,
	 * repeated at will, reach finitely many states. `about`: true when all operations about *value can be taken out of a
	 * right history, and *value out of all lists, and it stays right. NULL: there is no such thing. */
	bool repeats;
	bool (*about)(const struct lin_op *, int64_t *value);
	bool by_client; /* a step looks at the client */
	void (*show_state)(struct buf *, struct lin_state);
	void (*show_op)(struct buf *, const struct lin_op *);
};

/* read, write; starts as LIN_NIL */
extern const struct lin_model lin_register;
/* read, write, cas */
extern const struct lin_model lin_cas_register;
/* read, write, cas on keys; each key starts as LIN_NIL; judged key by key where that is right */
extern const struct lin_model lin_map;
/* append, read of the whole list */
extern const struct lin_model lin_list;
/* acquire and release by clients */
extern const struct lin_model lin_lock;
/* enqueue, dequeue; first in, first out; LIN_NIL is dequeued from an empty queue */
extern const struct lin_model lin_queue;

#endif
