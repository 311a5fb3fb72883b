/* link.h - messages under way, timers, and the faults of every link. Pure: no clock, no process, no I/O.
 *
 * Everything that will happen stands in one heap, ordered by (time, order of entry): that is the rule for ties.
 * Latency, loss, duplication and reordering are drawn when a message is sent; a cut is looked at when it
 * arrives, as a firewall at the receiver would, so a message that is under way when the cut comes is lost and
 * one that arrives after the heal is not. A doubled message has a latency of its own for each copy. A reordered
 * message is held back for up to 4 latencies + 10 ms. A rate makes a queue per directed pair. */
#ifndef DLAB_LINK_H
#define DLAB_LINK_H

#include "fault.h"
#include "lanes.h"

enum link_item_kind { ITEM_MESSAGE, ITEM_TIMER };

struct link_item {
	int64_t due_ns;
	uint64_t msg;      /* message's number; 0 for timers */
	struct slice body; /* borrowed from the run's arena; the timer's name: the link's, until link_free */
	int16_t src, dst;  /* timers: the node in both */
	uint8_t kind;
	uint8_t copy;      /* 1: the second copy of a doubled message */
	uint16_t type;     /* passed through */
	uint32_t slot;     /* timers: place in the timer table */
	uint32_t generation; /* timers: how often this timer was set, from 1 */
};

struct link;

/* The network is copied; chance comes from seed alone. */
struct link *link_new(const struct lanes *, const struct network *, uint64_t seed);
void link_free(struct link *);

/* Takes a message at time now. Returns how many copies are under way: 0 (lost), 1 or 2. A message to itself
 * and one from or to a client is never touched by faults and is due at once. */
int link_send(struct link *, int64_t now_ns, const struct link_item *);
/* Puts an item in as it is, due at item->due_ns, without chance and without faults: one that was popped and held back
 * for a node that could not take it. A timer that was set again meanwhile must not be put back. */
void link_put(struct link *, const struct link_item *);
/* Sets, re-arms (same name) or stops (after_ns < 0) a timer of a node. False: too many timers. */
bool link_timer(struct link *, int64_t now_ns, int node, struct slice name, int64_t after_ns);
/* Forgets all timers of a node (it crashed). */
void link_forget_timers(struct link *, int node);

/* When the next item is due; INT64_MAX when there is none. */
int64_t link_due(struct link *);
/* Takes the next due item out. Returns false when none is due at `now`. */
bool link_pop(struct link *, int64_t now_ns, struct link_item *out);
/* True when an arriving message must be dropped because of a cut. */
bool link_is_cut(const struct link *, int src, int dst);
/* Puts a link fault into force (CUT .. HEAL). */
void link_fault(struct link *, const struct fault *);
/* The present rule of a directed pair, for showing. */
struct network link_rule(const struct link *, int src, int dst);
size_t link_pending(const struct link *);

#endif
