/* shrink.h - from a failing run on sim to a small one that fails by the same rule: leaves out operations and faults. */
#ifndef DLAB_SHRINK_H
#define DLAB_SHRINK_H

#include "run.h"

struct shrink {
	struct run_spec spec;   /* borrows as run.h says; its skip is what the failing run left out */
	const char *rule;       /* borrowed; of the failing run */
	int workers;            /* candidates that are tried at once; the outcome is the same for any number */
	/* Called after every round; may be NULL. False stops it. */
	bool (*progress)(void *ctx, const struct shrink *);
	void *ctx;

	uint32_t *kept;         /* owned; the smallest list so far: ordinals of what stays in; sorted at the end */
	size_t kept_n;
	uint64_t events;        /* of the smallest run so far */
	size_t runs;            /* tried so far */
	uint64_t *refuted;      /* owned; fingerprints of lists that do not fail so */
	size_t refuted_n;
	struct err *err;        /* borrowed while it runs */
};

/* `parts`: what the failing run held (result.parts), copied. 0; 1 when progress stopped it (what was found holds);
 * -1 and an error when the world failed. Freed with shrink_done in any case. */
int shrink_run(struct shrink *, const uint32_t *parts, size_t n, struct err *);
void shrink_done(struct shrink *);

#endif
