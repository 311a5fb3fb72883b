/* tool.h - runs nft, iptables and tc, one at a time, in the order in which they were asked for. */
#ifndef DLAB_TOOL_H
#define DLAB_TOOL_H

#include <sys/types.h>

#include "base.h"

struct tool_job {
	char *id, *name, *script; /* owned */
	struct tool_job *next;    /* owned */
};

struct tool {
	struct tool_job *first, *last; /* the first is the one that runs, when pid is not 0 */
	pid_t pid;
	int out;          /* what it writes; -1: none runs */
	struct buf said;
};

void tool_init(struct tool *);
/* "ID NAME SCRIPT" */
void tool_add(struct tool *, struct slice words);
/* Reads what it wrote. True when one has ended: its id, its exit status and its words are put out; the text is borrowed
 * until tool_next, which starts the next one. */
bool tool_read(struct tool *, char id[24], int *status, struct slice *said);


void tool_next(struct tool *);

#endif
