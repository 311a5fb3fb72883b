/* play.h - the inside of a running test: what run.c, play.c, workload.c, nemesis.c and sock.c share. Not for labs.
 *
 *   STARTING --all ready--> PLAYING --play returned--> CHECKING --> over
 *        `------------ play_fail, a broken invariant, a limit, the world: longjmp ---------^
 *
 * Straight-line judges need a way out of any depth: play_fail stores the finding and jumps to run.c. Nothing that
 * a verb holds may need freeing: it is in the arena, or in a list here. */
#ifndef DLAB_PLAY_H
#define DLAB_PLAY_H

#include <setjmp.h>

#include "fabric.h"
#include "lab.h"
#include "proto.h"
#include "run.h"
#include "services.h"
#include "sock.h"
#include "store.h"

struct agenda_item {
	int64_t t_ns;
	uint64_t order;
	void (*fn)(struct play *, void *arg);
	void *arg;
};

struct client {
	struct op *op;        /* what it waits for; NULL: free */
	int64_t awaited;      /* msg_id of that request */
	int64_t msg_id;       /* given so far */
	int64_t deadline_ns;  /* of op */
	bool watched;         /* a place on the agenda looks at the deadline */
	bool reserved;        /* belongs to a workload */
};

/* One way in which faults can touch messages, for the rule that a fault must have an effect. */
struct bites {
	uint64_t ordered, cut, lost, doubled;
	bool asked_cut, asked_loss, asked_dup;
};

enum play_phase { PLAY_STARTING, PLAY_PLAYING, PLAY_CHECKING, PLAY_OVER };

struct play {
	const struct run_spec *spec; /* borrowed */
	const struct lab *lab;
	const struct test *test;
	struct result *result;
	enum play_phase phase;
	struct lanes lanes;
	struct arena arena;
	struct trace *trace;
	struct history *history;
	struct services *services;
	const struct fabric_ops *ops;
	struct fabric *fabric;
	struct cluster cluster;
	struct rng rng;
	int64_t t0_ns;           /* when the last node of the start had answered init */
	int64_t real_began_ns;
	bool settled;            /* the nodes had their moment of real time before a request was given up */
	unsigned looks;          /* at the limits, so far */
	jmp_buf stop;
	struct err err;          /* the world's failure */
	struct agenda_item *agenda; /* owned; binary heap */
	size_t agenda_n, agenda_cap;
	uint64_t agenda_order;
	struct client client[CLIENTS_MAX];
	bool up[NODES_MAX], ready[NODES_MAX], paused[NODES_MAX], may_end[NODES_MAX], killed[NODES_MAX];
	int64_t exit_status[NODES_MAX]; /* -1: has not ended by itself */
	json_t **docs;           /* owned */
	size_t docs_n, docs_cap;
	uint32_t streams[SKIP_STREAMS]; /* of what can be left out: how many there were of each stream */
	uint32_t ordinals;       /* and of all */
	bool nemesis_acts;       /* the faults of now are the nemesis's */
	bool unjudged;           /* no verdict: a play that a person drives */
	struct bites bites;
	const char *init_remark[NODES_MAX]; /* what was wrong with its answer to init; arena or static; NULL: nothing */
	lane_set thrown;         /* nodes that got garbage */
	struct workload_run *workloads;
	struct buf body;         /* owned; the request that is being made, without its msg_id */
	struct nemesis_run *nemesis;
	void *lab_data;
	struct socks *socks;     /* owned; NULL unless the lab opened connections */
	struct store *store;     /* the run's file, NULL: none */
	char *part_path;         /* owned; where it is written until the run has ended */
	int store_lock;          /* of a file that is written in its place; -1: none */
	unsigned lint_kinds[16]; /* per kind of lint: how often */
};

/* Handles what the fabric has, and the agenda, up to a time (which may have passed already). */
void play_pump(struct play *, int64_t until_ns);
/* Handles one thing. False when the time has come and there was nothing. */
bool play_pump_one(struct play *, int64_t until_ns);
/* Appends an event of the harness's own; t_ns is set. */
uint64_t play_record(struct play *, struct event *);
/* The test's straight line ends here: run_spec.take_over goes on. */
_Noreturn void play_hand_over(struct play *);
/* Takes a place on the agenda at an absolute time. */
void play_agenda_add(struct play *, int64_t t_ns, void (*fn)(struct play *, void *), void *arg);
/* Gives a number to something of a stream that can be left out; true when this run leaves it out. */
bool play_skips(struct play *, int stream, uint32_t *ordinal);
/* Sends a body (a JSON object without msg_id) for a client that is free; sets the operation's f, request and times. */
void play_call(struct play *, struct op *, int client, struct slice body, int64_t timeout_ms);
/* The same as play_fault, but not to be left out by shrink and without a place in the list of faults. */
void play_fault_quietly(struct play *, const struct fault *);
_Noreturn void play_stop_world(struct play *);
/* Called by play.c when an operation has ended. */
void workload_op_ended(struct play *, struct op *);

/* --- for sockets --- */
/* The fabric's dial. */
int play_dial(struct play *, int node, struct sockaddr_in *to);
/* The run's place for its connections, NULL at first; run.c calls socks_free on it at the end. */
struct socks **play_socks(struct play *);

#endif
