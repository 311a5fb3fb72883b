/* raft_rules.h - the safety rules of Raft, judged online from the nodes' `state` and `apply` reports and from what
 * clients of `propose` hear. Any lab can hold one and feed it from its `watch`; the run stops at the first broken rule.
 *
 * Sources: Ongaro and Ousterhout, In Search of an Understandable Consensus Algorithm (Extended Version), 2014.
 *
 *   1 one leader a term (5.2)               7 applied in order, each index once a life (5.3)
 *   2 one vote a term (5.2)                 8 nothing invented, nothing twice
 *   3 the term never goes back (Figure 2)   9 terms grow with the index (5.3)
 *   4 nor does commit, in one life         10 propose_ok tells index and digest as they are
 *   5 a leader has what is committed (5.4) 11 what was refused is applied nowhere
 *   6 one entry at an index (5.4.3)        12 reports are whole
 *
 *  13 what a node has applied stays in its log (5.4)
 *
 * A handler's reports may come in any order, and before or after its messages. So what needs two of them is judged when
 * the node's next handler begins ("settled"). */
#ifndef DLAB_RAFT_RULES_H
#define DLAB_RAFT_RULES_H

#include "lab.h"

enum raft_role { RAFT_FOLLOWER, RAFT_CANDIDATE, RAFT_LEADER };

/* What the reports of a node say. Places in the trace are 0 while there is none. */
struct raft_node {
	uint64_t start_seq;      /* its last START */
	uint64_t state_seq;      /* its last report of this life */
	enum raft_role role;
	int64_t term, commit, last_index, last_term; /* term: also of earlier lives */
	uint64_t term_seq, commit_seq; /* first report of this term; last one of commit in this life */
	int vote;                /* in `term`; a lane, -1: none reported */
	uint64_t vote_seq;
	int64_t applied;         /* the last index, in this life; 0: none */
	uint64_t applied_seq;
	int64_t snapshot;        /* the last index of the last snapshot that it took over, in this life */
	int64_t applied_alone;   /* the last one that was no snapshot, in this life */
	int64_t longest;         /* how far its log surely reached once, in any life */
	uint64_t longest_seq;
	int64_t kept, kept_alone; /* the same two before the handler that runs */
	uint64_t kept_seq;
	unsigned candidacies, victories; /* terms in which it was candidate, leader */
	int64_t first_candidate, last_candidate; /* terms */
	/* Of the handler that runs, or ran last: to be judged when the next one begins. */
	int64_t fresh_index, fresh_term; /* the last entry applied in it; 0: none */
	uint64_t fresh_seq;
	struct raft_promise *promises;   /* propose_ok's given in it; in the run's arena */
	int64_t unsettled_ns;            /* since when; -1: nothing to judge */
};

/* What stands at an index, as the first node that applied it says. */
struct raft_entry {
	int64_t term, digest;    /* digest: of the state machine after it */
	struct slice command;    /* s == NULL: none (a no-op, members) */
	uint64_t seq;            /* of the report; 0: nobody has applied it */
};

struct raft_command {
	struct slice text;
	uint64_t call_seq, refused_seq, ok_seq, applied_seq; /* 0: not so */
	int64_t index;           /* where it was applied; 0: nowhere */
};

struct raft_promise {
	struct raft_promise *next;
	struct raft_command *command;
	int64_t index, digest;
	uint64_t seq;
};

struct raft_leader { int64_t term; int node; uint64_t seq; };
struct raft_reach { int64_t term, index; uint64_t seq; };

struct raft_rules {
	bool strict;                 /* reports are asked for, and must be whole */
	struct raft_node node[NODES_MAX];
	struct raft_entry *entry;    /* [1..entries] have been applied by somebody; in the run's arena, as all lists here */
	int64_t entries;
	size_t entry_cap;
	struct raft_command **command; /* a hash table of what was proposed */
	size_t commands, command_cap;  /* cap: a power of two */
	struct { struct raft_command *command; int64_t msg_id; } asked[CLIENTS_MAX]; /* each client's last propose */
	struct raft_leader *leader;  /* the leaders so far, in the order of their reports */
	size_t leaders, leader_cap;
	struct raft_reach *reach;    /* per term of those that applied: the greatest index applied in it */
	size_t reaches, reach_cap;
	int64_t top_term;            /* the greatest that any node reported */
};

/* Takes in what was traced since the start of the run. Call it first in `play`, before play_set_data. `strict`: the lab asks
 * for whole reports; else a report may lack keys, and what is there is judged. */
void raft_rules_begin(struct raft_rules *, struct play *, bool strict);
/* From `watch`. */
void raft_rules_watch(struct raft_rules *, struct play *, const struct event *);
/* At the end of a play: what still waits to be judged. */
void raft_rules_end(struct raft_rules *, struct play *);

/* The node that is up and reports leader of the greatest term; -1: none. */
int raft_rules_leader(const struct raft_rules *, const struct play *);
/* How many leaders (pairs of term and node) there were so far. */
size_t raft_rules_leaders(const struct raft_rules *);
const struct raft_command *raft_rules_command(const struct raft_rules *, struct slice text);
const char *raft_role_name(enum raft_role); /* static */

/* The digest after a command: see the lab's guide. */
int64_t raft_digest(int64_t digest, struct slice command);

#endif
