/* fault.h - faults are data: a lab's schedule is a table of them, a key press makes one, replay re-reads them.
 *
 * A link fault acts on every directed pair of `from` x `to`. Partitions are directional: a cut from a to b
 * drops at the receiver, silently; b to a is another cut. Probabilities are in millionths. */
#ifndef DLAB_FAULT_H
#define DLAB_FAULT_H

#include "base.h"
#include "lanes.h"

#define FAULT_KINDS(X) \
	X(CUT, "cut") X(UNCUT, "uncut") X(LATENCY, "latency") X(LOSS, "loss") X(DUPLICATE, "duplicate") \
	X(REORDER, "reorder") X(RATE, "rate") X(HEAL, "heal") X(KILL, "kill") X(START, "start") X(PAUSE, "pause") \
	X(RESUME, "resume")

enum fault_kind {
#define X(name, text) FAULT_##name,
	FAULT_KINDS(X)
#undef X
	FAULT_KIND_COUNT
};

#define FAULT_DISTS(X) X(CONSTANT, "constant") X(UNIFORM, "uniform") X(EXPONENTIAL, "exponential") X(NORMAL, "normal")

enum fault_dist {
#define X(name, text) DIST_##name,
	FAULT_DISTS(X)
#undef X
	DIST_COUNT
};

/* HEAL puts every link back to the test's own network (see struct network); the nodes stay as they are.
 * KILL, START, PAUSE, RESUME act on the nodes in `from`. */
struct fault {
	uint8_t kind; /* enum fault_kind */
	uint8_t dist; /* LATENCY: enum fault_dist */
	uint32_t p_million; /* LOSS, DUPLICATE, REORDER */
	lane_set from, to;  /* directed pairs */
	int64_t mean_ns, jitter_ns; /* LATENCY: UNIFORM is mean +- jitter, NORMAL has it as deviation */
	int64_t rate_bps;   /* RATE: bytes a second, 0 no limit */
};

/* The state of every link of a test when no fault is on. */
struct network {
	int64_t mean_ns, jitter_ns;
	uint8_t dist;
	uint32_t loss_million, dup_million, reorder_million;
	int64_t rate_bps;
};

/* A partition: drop[b] is the set of senders that b does not hear. */
struct partition {
	lane_set drop[NODES_MAX];
};

/* The bit `1 << kind` says that a fabric can inject that kind of fault. */
#define FAULT_BIT(kind) (1u << (kind))

/* "cut n1,n2 > n3", "latency n1 > * mean 80ms jitter 10ms normal", "loss * > * 30%", "kill n2", "heal" */
void fault_print(struct buf *, const struct lanes *, const struct fault *);
/* Reads what fault_print writes (and a little more: "n1,n2 | n3" cuts both ways and gives two faults).
 * Returns how many faults were put in out[2], or -1. */
int fault_parse(const struct lanes *, struct slice, struct fault out[2], struct err *);

/* --- named partitions (names as in Jepsen's nemesis) --- */
/* A part hears only itself. Nodes of the complement form the other part. */
void partition_split(struct partition *, const struct lanes *, lane_set part);
/* Floor half against the rest, chosen by chance. Returns the smaller part. */
lane_set partition_halves(struct partition *, const struct lanes *, struct rng *);
/* One node, chosen by chance, against all others. */
lane_set partition_isolate(struct partition *, const struct lanes *, int node);
/* Two halves that hear only a bridge node, which hears all. */
int partition_bridge(struct partition *, const struct lanes *, struct rng *);
/* Every node hears a majority, no two the same one. */
void partition_majorities_ring(struct partition *, const struct lanes *, struct rng *);
/* `part` is heard by nobody outside, and hears all. */
void partition_one_way(struct partition *, const struct lanes *, lane_set part);
/* Links only between the hub and each spoke, both ways: of them all, the hub alone can reach a majority. */
void partition_star(struct partition *, const struct lanes *, int hub, lane_set spokes);

const char *fault_kind_name(int kind); /* static */
const char *fault_dist_name(int dist); /* static */

#endif
