/* jobs.h - many runs, in this process or in worker processes that are pinned to a core each.
 *
 * Workers are forked, so a run cannot disturb another; each result comes back as one line of JSON. The order in
 * which runs are done never changes what they are: job i is the same with -j 1 and -j 2. */
#ifndef DLAB_JOBS_H
#define DLAB_JOBS_H

#include "json.h"
#include "run.h"

struct job {
	struct run_spec spec;  /* marker, guard and core are set by jobs_run */
	char *store_path;      /* owned; or NULL */
	struct result result;  /* owned; valid once done */
	struct err err;        /* why, when the verdict is WORLD */
	bool done;
	bool twice;            /* run it twice and compare: --check-determinism */
};

/* Runs all. `ended` is called in this process after each job, in the order in which they end. It returns false to
 * stop: what has not begun is then left undone. -1 and an error when workers cannot be made. */
int jobs_run(struct job *, size_t n, int workers, bool (*ended)(void *ctx, struct job *), void *ctx, struct err *);

/* One run in this process, under a guard; as run_test_with. */
int jobs_run_one(struct run_spec *, struct result *, struct err *,
	void (*keep)(void *ctx, const struct trace *, const struct history *), void *ctx);

/* A result as a document and back; the caller owns the document. */
json_t *result_to_json(const struct result *);
void result_from_json(struct result *, const json_t *);

#endif
