/* fabric.h - the only door to the world: nodes, network, clock.
 *
 * The contract; one test file runs it against every fabric:
 * 1. Time moves only inside next(), never backwards.
 * 2. next() gives events in the order of their time (ties have a rule); their text lives in the cluster's arena.
 * 3. What a node does wrong (crash, garbage, silence) is an event, never an error return.
 * 4. A fault that the fabric cannot inject is refused with a reason, never ignored; `can` says so beforehand.
 * 5. The fabric says init to a node that was started and holds back every other message to it until it has
 *    answered, but what a service says (it was asked by the node); then comes READY. A node that fails to answer gives EXIT or NOTE events and never READY.
 * 6. After close() no process of the cluster lives. */
#ifndef DLAB_FABRIC_H
#define DLAB_FABRIC_H

#include <netinet/in.h>
#include <sys/types.h>

#include "arena.h"
#include "event.h"
#include "fault.h"
#include "lanes.h"

/* Of the init that c0 says to each node. */
enum { INIT_MSG_ID = 1 };

enum cluster_kind { CLUSTER_LINES, CLUSTER_SOCKETS };

/* What to start. Everything is borrowed until close(). */
struct cluster {
	const struct lanes *lanes;
	struct arena *arena;      /* the run's; event texts and bodies go here */
	enum cluster_kind kind;
	char *const *argv;        /* the learner's command; argv[0] resolved to an absolute path where it is a file */
	const char *cwd;          /* where the nodes start */
	const char *data_root;    /* folder of the run; node n1's data is data_root/n1 */
	struct slice config;      /* JSON object for init's "config"; empty: none */
	struct network network;
	uint64_t seed;
	int core;                 /* processor to stay on; -1: any */
	bool prompt;              /* between two calls of next() the caller only computes: it waits for no terminal and nobody who types */
	const char *marker;       /* value of DLAB_SESSION in the nodes' environment (guard.h) */
	struct guard *guard;      /* told of every process; NULL: none */
	const char *image;        /* docker: what the nodes run in; NULL: the agents' own image */
	int64_t init_limit_ns;    /* 10 s by default */
	int64_t step_limit_ns;    /* sim: real time to answer one line, 10 s by default */
	uint16_t (*type_of)(void *, struct slice type); /* interns a body's type */
	void *type_ctx;
};

struct fabric;
struct guard;

/* A message from a client or a service to a node. */
struct parcel {
	int src, node;       /* lanes */
	struct slice body;   /* in the run's arena, or static */
	uint16_t type;       /* the body's type, interned */
	int64_t in_reply_to; /* the body's; -1: none */
};

struct fabric_ops {
	const char *name;
	/* NULL and an error when the world fails. */
	struct fabric *(*open)(const struct cluster *, struct err *);
	/* Starts a node's process (it must be down) and says init to it. */
	int (*start)(struct fabric *, int node, struct err *);
	/* Sends it, now. Returns the message's number, 0 on error. */
	uint64_t (*post)(struct fabric *, const struct parcel *, struct err *);
	int (*fault)(struct fabric *, const struct fault *, struct err *);
	/* 1: *event is the next one. 0: nothing before until_ns, and that is the time now. -1: the world failed. */
	int (*next)(struct fabric *, int64_t until_ns, struct event *, struct err *);
	int64_t (*now)(const struct fabric *);
	void (*close)(struct fabric *);
	/* Gives the nodes a moment of real time and looks whether one speaks that must not: NULL where all may speak at any
	 * time. What it finds comes from next(). */
	void (*settle)(struct fabric *);
	/* The node's process, or one whose only child it is; 0 while it is down. NULL where there is none. */
	pid_t (*pid)(const struct fabric *, int node);
	/* Sends a signal to the node's process; nothing when it is down. NULL where there is none. */
	void (*signal)(struct fabric *, int node, int signal_number);
	/* CLUSTER_SOCKETS: a TCP socket that does not block and is not connected, standing where the clients stand, and the
	 * address at which the node listens. Owned by the caller; -1: errno says why. NULL where there is none. */
	int (*dial)(struct fabric *, int node, struct sockaddr_in *to);
	/* For the end of a run: what next() has not told yet of messages, then a DROP for one that is still under way. False:
	 * there is no more. NULL where the trace says by itself what was under way: there is no kernel that may have dropped it. */
	bool (*under_way)(struct fabric *, struct event *);
	unsigned can;        /* FAULT_BITs */
	bool deterministic;  /* same seed, same trace */
};

extern const struct fabric_ops fabric_sim, fabric_proc, fabric_docker;
/* NULL for a name that nobody has. */
const struct fabric_ops *fabric_find(const char *name);

#endif
