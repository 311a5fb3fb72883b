/* ddmin.h - delta debugging: a smallest part of a list that still shows a behaviour (Zeller and Hildebrandt,
 * "Simplifying and isolating failure-inducing input", IEEE TSE 2002, algorithm ddmin).
 *
 * Pure: what is tried, and in which order, follows from the answers alone. The candidates of a round are handed over
 * together, so that they can be tried in parallel; the first of them that shows the behaviour counts, so the outcome
 * does not depend on how many were tried at once. The result is 1-minimal: without any single one of its items the
 * behaviour is gone. As is usual, single chunks are tried only while there are two of them: later, complements alone. */
#ifndef DLAB_DDMIN_H
#define DLAB_DDMIN_H

#include "base.h"

struct candidate {
	uint32_t *items; /* owned by ddmin; in the order of the list */
	size_t n;
};

/* Returns the number of the first candidate that shows the behaviour, n when none does, -1 to stop at once. */
typedef int64_t (*ddmin_try)(void *ctx, const struct candidate *, size_t n);

/* Makes items smaller, in place; *n is how many are left. All of them show the behaviour: that is not tried again.
 * 0, or -1 when it was stopped; then the items are the smallest list that was found so far. */
int ddmin(uint32_t *items, size_t *n, ddmin_try, void *ctx);

#endif
