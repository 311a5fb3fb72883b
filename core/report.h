/* report.h - verdicts for people, for machines (JSON) and for CI (JUnit XML). */
#ifndef DLAB_REPORT_H
#define DLAB_REPORT_H

#include "jobs.h"
#include "style.h"

/* All runs of one test. */
struct test_report {
	const struct test *test;
	struct job *jobs; /* borrowed */
	size_t n;         /* runs that were asked for */
	size_t done, passed;
	const struct job *worst; /* the first that did not pass, by seed; or NULL */
};

struct lab_report {
	const struct lab *lab;
	const char *fabric;
	uint64_t seed;
	struct test_report *tests; /* borrowed */
	size_t n;
	const char *command_words; /* how to repeat it: " -- python3 x.py", or "" in a workspace */
	int64_t real_ns;
};

bool test_report_passed(const struct test_report *);
void report_lab_head(FILE *, const struct style *, const struct lab_report *);
/* The one line of a test, ended; written over the progress line on a terminal. */
void report_test_line(FILE *, const struct style *, const struct lab_report *, const struct test_report *);
/* The progress of a test's seeds, on a terminal only; stays open. */
void report_progress(FILE *, const struct style *, const struct lab_report *, const struct test_report *);
/* Expected, seen, nodes, time, the events that matter, how to replay. */
void report_failure(FILE *, const struct style *, const struct lab_report *, const struct test_report *);
/* All failures of a lab: each rule in full once, and what broke the same rule again in a line. */
void report_failures(FILE *, const struct style *, const struct lab_report *);
/* "    label     text", the text made harmless and indented when it has several lines; nothing when it is empty. */
void report_field(FILE *, const struct style *, const char *label, const char *text);
/* The command that does a run again. */
void report_repeat(struct buf *, const struct lab_report *, const struct job *);
void report_lab_tail(FILE *, const struct style *, const struct lab_report *);
json_t *report_json(const struct lab_report *);
/* One page that needs nothing else: for an instructor, or to hand back with the points. As safe as export's: no script, nothing
 * from elsewhere, all text of nodes escaped. */
void report_html(FILE *, const struct lab_report *);
void report_junit(FILE *, const struct lab_report *labs, size_t n);

#endif
