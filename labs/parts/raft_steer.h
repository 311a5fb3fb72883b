/* raft_steer.h - what the tests of raft have in common: wait for a leader, propose, cut by role, and the quiet phase.
 *
 * A verb that needs something (raft_need_...) fails the test when it does not come, and tells the closest the run came. */
#ifndef DLAB_RAFT_STEER_H
#define DLAB_RAFT_STEER_H

#include "raft_rules.h"

enum {
	LEADER_MS = 5000,  /* for an election, with a majority up and connected */
	COMMIT_MS = 5000,  /* from then until a command is committed */
	CAUGHT_UP_MS = 10000,
	STEER_MS = 60000   /* until chance has made the one node leader that can win */
};

/* play_data of the lab. */
struct raft_world {
	struct raft_rules rules;
	lane_set members;  /* those who must agree in the end */
	unsigned commands; /* proposed so far */
	bool lossy;        /* the test's own network loses messages: the quiet phase turns that off */
	bool partial;      /* this run leaves a fault out (shrink): what follows from the fault is not demanded */
};

/* First of all in a play. */
struct raft_world *raft_begin(struct play *);
struct raft_world *raft_world(struct play *);
const struct raft_node *raft_node(struct play *, int node);
lane_set raft_all(const struct play *);

/* --- leaders --- */
/* The leader of a set of nodes: none of them has a later term. -1: there is none now. */
int raft_leader_of(struct play *, lane_set);
int raft_need_leader(struct play *, lane_set);
/* One leader, and no other node says that it is one. */
void raft_need_one_leader(struct play *, lane_set);
/* As long as `node` is the only one that can win. Says whether it did. */
bool raft_wait_for_leader(struct play *, int node, int64_t limit_ms);
/* No new leader in this time, as nobody can have a majority; `why` is a sentence part. */
void raft_no_new_leader(struct play *, int64_t ms, const char *why);

/* A leader that is well and reaches everybody stays the leader, in its term. */
void raft_undisturbed(struct play *, int64_t ms);

/* --- commands --- */
/* The body of a propose whose command nobody has used; `pad` bytes longer than it must be. */
struct slice raft_propose_body(struct play *, int pad);
struct op *raft_send(struct play *, int node, int64_t timeout_ms);
/* One command committed by the leader of the set, with retries of new ones. Returns its index. */
int64_t raft_need_commit(struct play *, lane_set);
/* n at once; each is committed, or another one in its place. Returns the greatest index. */
int64_t raft_need_commits(struct play *, lane_set, int n, int pad);
/* All of the set, which are a majority and connected, apply the index. Proposes more when they do not. */
void raft_need_applied(struct play *, lane_set, int64_t index, int64_t limit_ms);
/* Nothing more is applied in this time, and no propose is answered, as no majority is connected. */
void raft_nothing_commits(struct play *, int64_t ms, const char *why);

/* --- faults --- */
void raft_partition(struct play *, const struct partition *);
/* Each of these by itself; the others stay together. */
void raft_cut_alone(struct play *, lane_set alone);
/* Only the links of the hub with the spokes. */
void raft_star(struct play *, int hub, lane_set spokes);
void raft_kill(struct play *, lane_set);
void raft_start(struct play *, lane_set);
/* `n` nodes of the set, by chance. */
lane_set raft_some(struct play *, lane_set of, int n);
int raft_one(struct play *, lane_set of);

/* Heals, starts everybody, and demands: one leader, one more command, all commands on all members, no second leader. */
void raft_finish(struct play *);

/* "n1 is leader of term 3, has 12 entries, ..." for those of the set. */
const char *raft_story(struct play *, lane_set);

#endif
