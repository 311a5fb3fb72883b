/* determinism.h - does the same seed give the same run? Runs a test twice and names the first event that differs. */
#ifndef DLAB_DETERMINISM_H
#define DLAB_DETERMINISM_H

#include "run.h"

/* As run_test. When both runs have a verdict and their traces differ, the result is a FAIL that says where. */
int determinism_run(const struct run_spec *, struct result *, struct err *);

#endif
