/* moment.h - how nodes and network stand at one place of a run. */
#ifndef DLAB_MOMENT_H
#define DLAB_MOMENT_H

#include "fault.h"
#include "source.h"

enum life { LIFE_DOWN, LIFE_UP, LIFE_PAUSED };

struct moment {
	uint64_t seq;              /* right after this event */
	int64_t t_ns;
	uint8_t life[NODES_MAX];   /* enum life */
	uint64_t state[NODES_MAX]; /* place of the node's last report; 0: none since it was started */
	lane_set cut[NODES_MAX + SERVICES];  /* by receiver: senders that it does not hear */
	lane_set slow[NODES_MAX + SERVICES]; /* whose messages take another time than the test's own network's */
	lane_set lossy[NODES_MAX + SERVICES];
};

/* Before the first event. */
void moment_init(struct moment *);
/* The next event, in order. */
void moment_apply(struct moment *, const struct lanes *, const struct event *);
/* Members of a report that people look at first, short: "leader t3 c17"; false when there is none. */
bool moment_state(const struct moment *, struct source *, int node, struct buf *role, struct buf *rest);

#endif
