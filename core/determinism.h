/* determinism.h - does the same seed give the same run? Runs a test twice and names the first event that differs. */
#ifndef DLAB_DETERMINISM_H
#define DLAB_DETERMINISM_H

#include "run.h"

/* Where two runs, as lines, differ first. */
struct difference {
	uint64_t seq;          /* of the first event that differs */
	struct slice node;     /* whose it is; borrowed from the lines, as all here */
	struct slice one, two; /* the event in each; empty where a run has ended; at most 300 bytes */
};

/* The lines of a run (trace_print_event), one after another, each ended by a newline. */
void trace_lines(struct buf *, const struct trace *);
/* True when they differ. */
bool trace_lines_differ(const struct buf *one, const struct buf *two, struct difference *);

/* As run_test. When both runs have a verdict and their traces differ, the result is a FAIL that says where. */
int determinism_run(const struct run_spec *, struct result *, struct err *);

#endif
