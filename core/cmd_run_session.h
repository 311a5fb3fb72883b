/* cmd_run_session.h - free play: what a person (or a script, or the dashboard) types, and what is done with it.
 *
 * A line that changes something is a remark in the trace, "> kill n2", so that the run file tells what was typed, and a run
 * on sim can be repeated up to any place: that is a fork. Only for cmd_run.c. */
#ifndef DLAB_CMD_RUN_SESSION_H
#define DLAB_CMD_RUN_SESSION_H

#include "play.h"
#include "rows.h"

#define SESSION_REMARK "> "

/* Of an earlier run: what was typed, and after which event at which time. */
struct session_line {
	uint64_t seq;
	int64_t t_ns;
	char *text; /* owned */
};

struct session_script {
	struct session_line *line; /* owned */
	size_t n, cap;
	int64_t until_ns;          /* after the last line, so far goes the repetition */
};

enum { SESSION_PENDING = 100 };

/* Everything of one free play. */
struct session {
	struct play *play;        /* borrowed while the play runs */
	struct style style;
	struct rows rows;
	bool rows_ready;
	uint64_t shown;           /* rows so far */
	struct buf out;
	struct buf in;            /* what was read of stdin and not used yet */
	struct buf line;          /* the one that is obeyed; here, because the world may fail, and the play is left, in its midst */
	bool in_ended, quit;
	bool terminal;            /* stdin is one */
	bool misunderstood;       /* a line of a script was */
	int signals;              /* signalfd of SIGINT and SIGTERM */
	const struct op *pending[SESSION_PENDING]; /* requests that nobody waits for */
	size_t pending_n;
	const struct session_script *script; /* borrowed; what is repeated first; or NULL */
};


/* Reads lines from stdin and obeys them until it ends, or somebody quits. */
void session_play(struct session *, struct play *);
/* For run_spec.watch, with the session: a row on stdout. */
void session_show(void *session, const struct trace *, const struct event *);
/* What was typed in a stored run of free play, up to a time. 0, or -1 and an error. */
int session_script_read(struct session_script *, struct store_run *, int64_t until_ns, struct err *);
void session_script_done(struct session_script *);

#endif
