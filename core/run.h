/* run.h - one run of one test: from a command and a seed to a verdict and a run file. */
#ifndef DLAB_RUN_H
#define DLAB_RUN_H

#include "fabric.h"
#include "lab.h"
#include "skip.h"

enum verdict { VERDICT_PASS, VERDICT_FAIL, VERDICT_UNKNOWN, VERDICT_WORLD /* no verdict: the world failed */ };

struct run_spec {
	const struct lab *lab;
	const struct test *test;
	const struct fabric_ops *fabric;
	char *const *argv;      /* borrowed; the learner's command, ended by NULL; argv[0] found already */
	const char *cwd;        /* borrowed; where nodes start */
	uint64_t seed;
	int nodes;              /* 0: the test's own number */
	int first;              /* number in the first node's name */
	const char *image;      /* borrowed; docker: what the nodes run in; NULL: dlab's own */
	int core;               /* processor to stay on, -1 any */
	const char *marker;     /* borrowed; guard.h */
	struct guard *guard;    /* borrowed; NULL: none */
	const char *store_path; /* NULL: the run is not stored */
	bool store_failed_only; /* the file is written only when the test did not pass */
	bool store_live;        /* somebody looks on: the file is at its place from the start, and events come soon */
	struct skip_set skip;   /* borrowed: what this run leaves out */
	int64_t real_limit_ns;  /* 0: 120 s */
	bool settle;            /* at the end of the play, give a thread of a node the real time to show itself */
	/* Called for every event as it is traced; or NULL. */
	void (*watch)(void *ctx, const struct trace *, const struct event *);
	void *watch_ctx;
	/* At that time of the run's clock the test's straight line ends, and this goes on with what it left: clients, faults to
	 * come. When it returns, the run has ended, without a verdict. NULL: never. */
	void (*take_over)(struct play *);
	int64_t take_over_ns;
};

struct measure {
	char what[48], unit[16], bound[24];
	double value;
};

enum { EVIDENCE_MAX = 10, MEASURES_MAX = 12, NOTICES_MAX = 8 };

/* Everything that a report needs after the run's memory is gone. */
struct result {
	enum verdict verdict;
	bool start_failed;      /* no node came up: other tests would end in the same way */
	char rule[160], source[160];
	char *expected, *seen, *hint; /* owned; NULL: none */
	char nodes[160];        /* "n1, n3" */
	int64_t t_ns;           /* when the rule was broken */
	uint64_t evidence[EVIDENCE_MAX];
	char *events;           /* owned; the events that matter, one a line; NULL: none */
	char *stderr_tail;      /* owned; last lines of a node that ended; NULL: none */
	char *notices[NOTICES_MAX]; /* owned; lints and bad lines, summed up */
	int notices_n;
	struct measure measures[MEASURES_MAX];
	int measures_n;
	uint64_t events_n, messages_n;
	uint32_t ordinals;      /* how many operations and faults can be left out, with those that were */
	uint32_t *parts;        /* owned; the ordinals of those that were not, in the order of their time */
	size_t parts_n;         /* 0 when the run was in a worker process */
	uint64_t hash;          /* of the trace */
	int64_t virtual_ns, real_ns;
	size_t memory;          /* of the trace, bytes */
};

/* Runs it. 0 when there is a verdict; -1 when the world failed (the verdict is WORLD). The result is filled in
 * both cases and is to be freed with result_done. */
int run_test(const struct run_spec *, struct result *, struct err *);
void result_done(struct result *);
const char *verdict_name(enum verdict); /* static: "passed", "failed", "unknown", "error" */

/* Runs it and calls `keep` with the trace before it is freed, for those who look at the run itself. */
int run_test_with(const struct run_spec *, struct result *, struct err *,
	void (*keep)(void *ctx, const struct trace *, const struct history *), void *ctx);

#endif
