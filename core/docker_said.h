/* docker_said.h - what the agents of the docker fabric have said, until its time has come: a heap by time, and of what was
 * said at the same time, by the order in which it was put in. Pure. */
#ifndef DLAB_DOCKER_SAID_H
#define DLAB_DOCKER_SAID_H

#include "base.h"

/* All zero: nothing. */
struct said_heap {
	struct said *said; /* owned */
	size_t n, cap;
	uint64_t order;
};

struct said {
	int64_t t_ns;
	uint64_t order;
	int node;
	char *line; /* owned by whoever holds it; "WORD T REST" */
	size_t n;
};

/* The line is copied. */
void said_add(struct said_heap *, int64_t t_ns, int node, struct slice line);
/* Puts back what was taken, for another time; the line is taken over. */
void said_put(struct said_heap *, struct said);
/* The time of the earliest; INT64_MAX: there is none. */
int64_t said_due(const struct said_heap *);
/* Takes out the earliest; there must be one. */
struct said said_take(struct said_heap *);
void said_done(struct said_heap *);

#endif
