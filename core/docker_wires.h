/* docker_wires.h - the messages from one node to the others that were sent and of whose end nobody has spoken. Pure.
 *
 * The kernel carries them and says nothing when it drops one. So each has a time at which it must have arrived if it
 * arrives at all; beyond that it counts as lost. Messages have the numbers that the sender's agent gave them: 1, 2, ... */
#ifndef DLAB_DOCKER_WIRES_H
#define DLAB_DOCKER_WIRES_H

#include "base.h"

struct wire {
	uint64_t msg; /* 0: it was no message, but took a number */
	int64_t sent_ns, give_up_ns;
	uint16_t type;
	int8_t dst;
	bool got;
	bool settled; /* arrived, or told as dropped */
};

/* Those of one sender. All zero: none. */
struct wires {
	struct wire *wire;   /* owned; the k'th is wire[k - 1] */
	size_t n, cap, open; /* before `open` all are settled */
};

/* The k'th. Numbers that were passed over are no messages. */
void wires_add(struct wires *, uint64_t k, struct wire);
/* NULL when its sender has not spoken of it yet. Borrowed until the next wires_add. */
struct wire *wires_find(struct wires *, int64_t k);
/* One that should have arrived by then and has not; it is settled now. NULL: there is none. INT64_MAX: any. */
const struct wire *wires_overdue(struct wires *, int64_t now_ns);
void wires_done(struct wires *);

#endif
