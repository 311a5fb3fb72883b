/* lab.h - what a judge is made of: a constant table of tests, and the verbs by which a test plays and checks.
 *
 * labs/x.c defines `const struct lab lab_x`; the Makefile lists it. A test has a `play`, which drives the
 * scenario in straight-line code, and may have a `check`, which looks at the finished run. Both get the same
 * struct play. A verb that fails the test (play_fail, a broken invariant, the time limit) does not return.
 * Time is virtual on sim and real elsewhere; a judge never asks which.
 *
 * A play that ends without failing passes, unless its check fails or no operation was answered (an empty history
 * never passes). A cut or a loss that touched no message is told; where the test says NEEDS_BITE it leaves the
 * verdict open. */
#ifndef DLAB_LAB_H
#define DLAB_LAB_H

#include "arena.h"
#include "base.h"
#include "fault.h"
#include "history.h"
#include "json.h"
#include "proto.h"
#include "trace.h"

struct play;

enum test_kind { TEST_SAFETY, TEST_LIVENESS, TEST_EFFICIENCY, TEST_TIMING };

/* What a test needs of a fabric. */
enum {
	NEEDS_WALL_CLOCK = 1,
	NEEDS_SOCKETS = 2,
	NEEDS_BITE = 4, /* its cuts and losses must have touched a message, else there is no verdict */
	MAY_MISS = 8    /* nothing is said when they touched none: a right node may send nothing */
};

struct test {
	const char *id;      /* "one-node"; unique in its lab */
	const char *title;   /* "answers one echo" */
	unsigned points;     /* those of a lab add up to 100 */
	enum test_kind kind;
	int nodes;
	int64_t limit_ms;    /* of the run's clock, after the last init_ok */
	void (*play)(struct play *);
	void (*check)(struct play *); /* or NULL */
	unsigned needs;
	struct network network;       /* links when no fault is on; all zero: LAB_NETWORK */
	const char *config;           /* JSON object given to nodes as init's "config", or NULL */
};

/* Keys that belong in a reply beside type, msg_id and in_reply_to: "messages", "value seq", "". */
struct reply_shape {
	const char *type; /* "read_ok" */
	const char *keys; /* separated by one space */
};

enum lab_kind { LAB_LINES, LAB_SOCKETS };

struct lab {
	const char *id, *title;
	int stage; /* 1..9 */
	enum lab_kind kind;
	const struct test *tests;         /* ended by one without id */
	const struct reply_shape *shapes; /* ended by one without type; or NULL */
	/* Called for every event as it is traced, or NULL: invariants that stop the run at the first broken one. */
	void (*watch)(struct play *, const struct event *);
	bool docker; /* marked D in the catalogue: also runs on Docker */
};

/* 1 ms, exponential: what a test gets when it says nothing. */
extern const struct network LAB_NETWORK;

/* --- the world --- */
int play_nodes(const struct play *);
int64_t play_now(const struct play *);      /* ns since the run began */
int64_t play_elapsed_ms(const struct play *); /* since the last init_ok of the start */
struct rng *play_rng(struct play *);        /* the lab's own stream; follows from the seed */
uint64_t play_seed(const struct play *);
/* False where the machine's load shows in the run's clock: a bound on time that is no time-out then only informs. */
bool play_time_is_exact(const struct play *);
struct arena *play_arena(struct play *);    /* lives as long as the run */
const struct trace *play_trace(const struct play *);
const struct history *play_history(const struct play *);
const struct lanes *play_lanes(const struct play *);
const char *play_node_name(const struct play *, int node);
void *play_data(struct play *);             /* the lab's own, for watch; NULL until set */
void play_set_data(struct play *, void *);

/* --- time --- */
void play_for(struct play *, int64_t ms);
typedef bool (*play_cond)(struct play *, void *arg);
/* Goes on until the condition holds (it is asked after every event) or limit_ms have passed; says which. */
bool play_until(struct play *, play_cond, void *arg, int64_t limit_ms);
/* Calls fn in `ms` from now, while the play goes on inside another verb. */
void play_at(struct play *, int64_t ms, void (*fn)(struct play *, void *arg), void *arg);

/* --- asking --- */
/* Sends a request (a JSON object without msg_id, printf style) from client 0 and waits for the answer, 5 s at most. */
const struct op *play_ask(struct play *, int node, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Sends it from a client that is free, and does not wait. */
struct op *play_send(struct play *, int node, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* As play_send, with a body that is in the run's arena (or static), from a given client (-1: one that is free). */
struct op *play_send_body(struct play *, int client, int node, struct slice body, int64_t timeout_ms);
/* Sends a body, static or in the run's arena, and expects nothing: for garbage. It is no operation and gets no msg_id. */
void play_throw(struct play *, int node, struct slice body);
/* For an answer to nothing: no node has asked so often. (A small number might be that of a request that is under way, and
 * a correct node would take the garbage for its answer.) */
#define TO_NOTHING "\"in_reply_to\":900000000000001"
/* Waits until the operation has ended, its time-out at most. */
void play_wait(struct play *, const struct op *);
/* Answer as a document, NULL when there is none or it is of another type than "<request's type>_ok".
 * Freed by the run. */
const json_t *play_answer(struct play *, const struct op *);
/* Any body as a document; freed by the run. NULL when it is no JSON. */
const json_t *play_json(struct play *, struct slice);
/* The answer, or a failed test with a sentence about why there is none ("n2 did not answer echo within 5 s"). */
const json_t *play_need_answer(struct play *, const struct op *);

/* --- many clients --- */
struct workload {
	int clients;          /* each has one operation at a time; client numbers from first_client */
	int first_client;     /* 1 by default (0 counts as 1): client 0 is play_ask's */
	int64_t duration_ms;  /* new operations begin within it */
	int64_t count;        /* or until so many were begun; 0: no bound */
	double rate;          /* operations a second of all clients together (Poisson); 0: one after another */
	int64_t timeout_ms;   /* 0: 5,000 */
	/* Fills f, node, key, value, extra, data of an operation and writes its body. Draws chance from rng only. */
	void (*next)(struct play *, struct op *, struct rng *rng, struct buf *body, void *arg);
	/* Called when an operation has ended; may be NULL. Sets op->result and the like. */
	void (*done)(struct play *, struct op *, void *arg);
	/* NULL: an operation is one request. Else it is called when a request has ended, and says in how many ms the client
	 * asks again for the same operation (`next` is called with op->before set, and draws no chance), or -1: it is over. */
	int64_t (*again)(struct play *, struct op *, void *arg);
	void *arg;
};
/* Runs it to its end: until all operations have ended. Faults set with play_at or play_nemesis happen meanwhile. */
void play_workload(struct play *, const struct workload *);
/* Starts it and returns; play_workload_wait waits for all that were started. */
void play_workload_start(struct play *, const struct workload *);
void play_workload_wait(struct play *);

/* --- faults; each is recorded, can be left out by shrink, and must have an effect --- */
void play_fault(struct play *, struct fault);
/* Both: replaces the partition that is there. */
void play_partition(struct play *, const struct partition *);
void play_cut_off(struct play *, lane_set part);       /* part | rest, both ways */
void play_cut_one_way(struct play *, lane_set from, lane_set to);
void play_loss(struct play *, uint32_t percent);       /* all links */
void play_duplicate(struct play *, uint32_t percent);
void play_reorder(struct play *, uint32_t percent);
void play_latency(struct play *, lane_set from, lane_set to, int64_t mean_ms, int64_t jitter_ms, enum fault_dist);
/* A table of cuts in the order of time, of which each replaces the one before. Starts them and returns. */
enum cut_kind {
	CUT_NOTHING, /* heals */
	CUT_HALVES, CUT_RING,
	CUT_ODDLY,   /* a bridge, a ring, or one node that hears and is not heard */
	CUT_ALL_NODES, CUT_ALL_AND_SERVICES /* everybody is alone; with services or without */
};
struct cut_step { int64_t ms; enum cut_kind kind; };
void play_cuts(struct play *, const struct cut_step *, size_t n);
/* Every link as the test's network says; cuts, loss, delay are gone. Nodes stay as they are. */
void play_heal(struct play *);
void play_kill(struct play *, int node);               /* SIGKILL */
void play_start(struct play *, int node);              /* after a kill; waits until it has answered init */
void play_pause(struct play *, int node);
void play_resume(struct play *, int node);
bool play_is_up(const struct play *, int node);
/* Waits for an answer to init of every node that was started; fails the test with a sentence otherwise. */
void play_ready(struct play *);

/* A seeded schedule beside a workload: every `every_ms` (+-50 %) one of `kinds` for `hold_ms`, then undone. */
enum nemesis_kind {
	NEMESIS_HALVES = 1, NEMESIS_ISOLATE = 2, NEMESIS_BRIDGE = 4, NEMESIS_RING = 8, NEMESIS_ONE_WAY = 16,
	NEMESIS_KILL = 32, NEMESIS_PAUSE = 64, NEMESIS_LOSS = 128, NEMESIS_LATENCY = 256, NEMESIS_SWIZZLE = 512,
	/* Whoever has the role at that time (the leader, say); by chance while nobody has it. */
	NEMESIS_KILL_ROLE = 1024, NEMESIS_ISOLATE_ROLE = 2048
};
struct nemesis {
	unsigned kinds;
	int64_t every_ms, hold_ms;
	int64_t duration_ms; /* the last one is undone by then */
	lane_set spare;      /* nodes that are never killed or paused */
	int (*role)(struct play *); /* who has it; -1: nobody. For the kinds _ROLE */
};
/* Starts it and returns; at the end everything is healed and every node is up again. */
void play_nemesis(struct play *, const struct nemesis *);
/* Heals, resumes and restarts everything, stops the nemesis. */
void play_calm(struct play *);

/* --- judging --- */
struct finding {
	const char *rule;     /* short and fixed: what shrink compares. "every node has every value" */
	const char *source;   /* where the rule comes from: "Raft (extended version), section 5.4.1"; or NULL */
	const char *expected; /* a sentence part; from the run's arena */
	const char *seen;     /* likewise */
	const char *hint;     /* what to look at next; or NULL */
	lane_set nodes;       /* whom it is about */
	int64_t t_ns;         /* when; 0: now */
	uint64_t evidence[10];/* places in the trace that prove it, in order; 0: none */
};
_Noreturn void play_fail(struct play *, const struct finding *);
/* Sugar: FAIL(p, .rule = "...", .expected = "...", .seen = play_text(p, "... %d", x)); */
#define FAIL(p, ...) play_fail((p), &(struct finding){ __VA_ARGS__ })
/* The checker ran out of time or memory: no pass. */
_Noreturn void play_unknown(struct play *, const char *why);
/* printf into the run's arena. */
const char *play_text(struct play *, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* What a node wrote, for a sentence: what is long is cut and ends in "..."; in the run's arena. */
const char *play_quote(struct play *, struct slice);
/* A remark in the trace: "quiet phase". */
void play_note(struct play *, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Shown with the verdict, pass or fail: "messages per operation", 12.4, "<= 20". */
void play_measure(struct play *, const char *what, double value, const char *unit, const char *bound);

/* --- measuring (measure.c) --- */
struct traffic {
	uint64_t server_messages; /* SENDs between nodes, and between nodes and services */
	uint64_t server_bytes;    /* of their bodies */
	uint64_t client_messages; /* CALLs and REPLYs */
};
/* Between two times, from <= t < to. */
struct traffic measure_traffic(const struct play *, int64_t from_ns, int64_t to_ns);
/* Bytes in the node's data folder; -1 where the fabric cannot know. */
int64_t play_storage_bytes(const struct play *, int node);
/* The q quantile (0..1) of n numbers, which are sorted in place: sorted[min(n-1, floor(q*n))]. */
int64_t measure_quantile(int64_t *numbers, size_t n, double q);

#endif
