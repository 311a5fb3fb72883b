/* route.h - what sim and proc share: from a line of a node to events and links, and from a due item to a line.
 *
 * The router knows the nodes' states and the messages under way; it has no clock and starts no process. The
 * fabric tells it the time, gives it the nodes' lines, and asks what to write to whom.
 *
 *   DOWN --started--> INIT --init_ok--> READY     ended: back to DOWN, timers and held messages are gone
 *
 * A message for a node that is in INIT or paused is held and goes on, in its order, when the node can take it. */
#ifndef DLAB_ROUTE_H
#define DLAB_ROUTE_H

#include "fabric.h"
#include "link.h"
#include "proto.h"

enum node_phase { NODE_DOWN, NODE_INIT, NODE_READY };

struct item_list {
	struct link_item *items; /* owned */
	size_t n, cap;
};

struct route_node {
	enum node_phase phase;
	bool paused;
	int incarnation;         /* how often it was started */
	int bad;                 /* BAD events of this incarnation */
	int logs;                /* LOG events of this incarnation */
	uint64_t log_bytes;      /* of their texts */
	bool no_src_seen;        /* that lint was given */
	bool asked_service;      /* of this incarnation: an answer may come before it has answered init */
	int64_t init_sent_ns;
	struct item_list held;
	struct buf last_line;    /* what it was given last, to recognise an echo */
};

struct event_queue {
	struct event *ring; /* owned; a power of two */
	size_t head, n, cap;
};

/* A message from node to node. */
struct sent {
	uint64_t msg;  /* its number; 0: there is none */
	int16_t dst;
	uint16_t type;
};

struct router {
	const struct cluster *cluster; /* borrowed */
	struct link *link;             /* owned */
	struct event_queue queue;
	struct route_node node[NODES_MAX];
	uint64_t messages;             /* numbers given so far */
	struct buf line;               /* the line under construction */
	const char *fabric_name;       /* static */
	bool lockstep;
	bool live;                     /* wall clock: a paused process buffers by itself, nothing is held */
	/* Somebody else carries messages between nodes, and keeps the nodes' timers (docker's agents): */
	bool remote;
	const char *data_dir;          /* static; where a node sees its folder */
	bool timer_refused;            /* of the line that router_line is given: it did not set the timer */
	struct sent sent;              /* by the last line */
};

void router_init(struct router *, const struct cluster *, const char *fabric_name, bool lockstep, bool live);
void router_done(struct router *);

/* The place for one more event, to be filled in before anything else is asked of the router. */
struct event *router_push(struct router *);
bool router_next(struct router *, struct event *);
/* An event of one node with a text, which is copied into the arena. */
void router_say(struct router *, int64_t now, int kind, int node, int64_t arg, struct slice text);
void router_bad(struct router *, int64_t now, int node, enum bad why, struct slice text);

/* The init line for a node that was just started; borrowed until the next call. Events: START, then CALL. */
struct slice router_start(struct router *, int64_t now, int node);
/* A line that a node wrote. True when it says done (lockstep only). */
bool router_line(struct router *, int64_t now, int node, struct slice line);
void router_log(struct router *, int64_t now, int node, struct slice line);
/* The process ended: forgets its timers, drops what was held. text: a sentence; status: as event.h says. */
void router_exit(struct router *, int64_t now, int node, int64_t status, struct slice text);
void router_pause(struct router *, int64_t now, int node, bool pause);
/* A message from a client or a service. Returns its number. */
uint64_t router_post(struct router *, int64_t now, const struct parcel *);
/* Handles an item that is due. When a line must be written to a node, returns true with the node and the line
 * (borrowed until the next call). */
bool router_deliver(struct router *, int64_t now, const struct link_item *, int *node, struct slice *line);
/* Takes out a message between nodes and services that is under way, as its DROP (why END). False: there is none left. */
bool router_under_way(struct router *, int64_t now, struct event *);
/* The folder of a node, which is made when it is not there; owned by the caller. */
char *node_data_dir(const struct cluster *, int node);
/* The environment of a node: ours, plus DLAB_*. Owned by the caller; free with env_free. */
char **node_env(const struct cluster *, int node, int port, const char *peers, bool deterministic);
void env_free(char **);

#endif
