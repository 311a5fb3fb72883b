/* raft.h - Raft for a state machine: commands go in at the leader, and come out at every node in the same order.
 *
 * The members are all nodes, for good. Register no handler for "init" beside it: raft.c has one. */
#ifndef RAFT_H
#define RAFT_H

#include "dlab.h"

struct raft;

/* The state machine. What it returns is JSON that lives until the handler returns. */
struct raft_machine {
	/* Carries out a command. Returns the body of the answer. The same state and command must give the same, everywhere. */
	struct dlab_json (*apply)(void *arg, struct dlab_json command);
	/* The whole state, for a snapshot, and back. */
	struct dlab_json (*save)(void *arg);
	void (*load)(void *arg, struct dlab_json state);
	void *arg;
};

struct raft *raft_new(struct dlab *, struct raft_machine);
void raft_free(struct raft *);

/* A client's request asks for this command. It is answered once the command is applied here; with error 11 when this node
 * is not the leader; or never, when this node cannot know what became of it. */
void raft_propose(struct raft *, const struct dlab_msg *, struct dlab_json command);

#endif
