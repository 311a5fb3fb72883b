/* live.h - a live run: a child `dlab run` that takes lines on stdin and writes a run file, which the dashboard reads.
 *
 * The engine is a process of its own, so that nothing it does can hold up the screen, and it ends with us however we end. On
 * sim its time stands still: live_time says how far it may go. */
#ifndef DLAB_LIVE_H
#define DLAB_LIVE_H

#include "base.h"

struct live_spec {
	char *const *argv;  /* borrowed; the arguments of `dlab run`, ended by NULL */
	const char *cwd;    /* borrowed; where it starts; NULL: here */
	const char *store;  /* borrowed; absolute, or from cwd; its run file, which is there after live_start */
	bool sim;
};

struct live;

/* NULL and an error, which may be what `dlab run` said, when there is no run. Waits until its file can be read. */
struct live *live_start(const struct live_spec *, struct err *);
/* A line to its stdin; it never waits. -1 and an error when the run is over, or does not read. */
int live_send(struct live *, const char *line, struct err *);
/* On sim: lets time pass up to that moment of the run. */
void live_time(struct live *, int64_t t_ns);
/* The moment up to which it was let go. */
int64_t live_granted_ns(const struct live *);
void live_set_granted(struct live *, int64_t t_ns);
/* Reads what it said; true when it has ended by itself. */
bool live_over(struct live *);
/* The last words on its stderr; "" when there are none. Borrowed until live_stop. */
const char *live_words(struct live *);
const char *live_path(const struct live *);
/* Asks it to end, waits a moment, and ends it. Its file stays. */
void live_stop(struct live *);

#endif
