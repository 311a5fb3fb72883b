/* progress.h - what a learner has done so far: one row per lab and test in .dlab/progress.db.
 *
 * Many processes may record at a time (dlab test -j 2, two terminals): each record is one transaction, and
 * one waits for the other. A test that was passed once stays passed: its points are not lost again. */
#ifndef DLAB_PROGRESS_H
#define DLAB_PROGRESS_H

#include "arena.h"
#include "base.h"
#include "lab.h"

struct progress;

/* How a test ended. Texts are borrowed for the call. */
struct progress_result {
	const char *lab, *test; /* ids */
	const char *verdict;    /* "PASS", "FAIL", "UNKNOWN" */
	const char *rule;       /* the broken rule, or NULL */
	bool passed;
	uint64_t seed;
	int64_t time_s;         /* of the wall clock, since 1970 */
};

struct progress_row {
	const char *lab, *test;          /* in the arena of the call, like all texts here */
	int64_t attempts, passes;
	int64_t first_pass_s;            /* 0: not passed yet */
	const char *last_verdict, *last_rule; /* last_rule is "" when there is none */
	uint64_t last_seed;
	int64_t last_time_s;
};

/* Makes the folder and the file where they are missing. NULL and an error when that fails. */
struct progress *progress_open(const char *dir, struct err *);
void progress_close(struct progress *);
/* Adds n results in one transaction, in their order: all or none. */
int progress_record(struct progress *, const struct progress_result *, size_t n, struct err *);
/* Sum of the points of the lab's tests that were passed at least once; -1 and an error on failure. */
int progress_lab_points(struct progress *, const struct lab *, struct err *);
/* The row of one test; 1, or 0 when it was never tried, or -1 and an error. */
int progress_find(struct progress *, const char *lab, const char *test, struct arena *, struct progress_row *, struct err *);
/* All rows by lab and test, in the arena (NULL when there are none); how many, or -1 and an error. */
int progress_list(struct progress *, struct arena *, struct progress_row **, struct err *);

#endif
