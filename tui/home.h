/* home.h - the roadmap with what a learner has done of it. */
#ifndef DLAB_HOME_H
#define DLAB_HOME_H

#include "lab.h"

enum { HOME_LABS = 64, HOME_TESTS = 64 };

struct home_test {
	const struct test *test;
	char verdict[12]; /* "PASS", "FAIL", "UNKNOWN", "" never tried */
	char rule[100];
	bool passed;
};

struct home_lab {
	const struct lab *lab;
	unsigned points, of;
	int tests, passed, tried;
};

struct home {
	struct home_lab lab[HOME_LABS];
	int n, at;
	struct home_test test[HOME_TESTS]; /* of lab[at] */
	int tests;
};

/* Reads the progress of the workspace here; without one, nothing is done yet. */
void home_read(struct home *);
/* Chooses a lab, and reads its tests. */
void home_choose(struct home *, int lab);
/* Index of a lab; -1. */
int home_find(const struct home *, const char *id);

#endif
