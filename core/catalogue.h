/* catalogue.h - finding labs and tests by name, the stages they belong to, and the nearest name to a mistyped one. */
#ifndef DLAB_CATALOGUE_H
#define DLAB_CATALOGUE_H

#include "base.h"
#include "registry.h"

enum { STAGE_COUNT = 9 };

/* NULL when nobody has the name. Static. */
const struct lab *catalogue_lab(const char *id);
const struct test *catalogue_test(const struct lab *, const char *id);
size_t catalogue_tests(const struct lab *);
unsigned catalogue_points(const struct lab *);
/* "safety", "liveness", "efficiency", "timing"; static. */
const char *test_kind_name(enum test_kind);

/* The last part of the stage's folder, "foundations" of stages/01-foundations; static. 1 <= stage <= STAGE_COUNT. */
const char *stage_slug(int stage);
/* home/stages/NN-x/LAB of a lab, whether or not dlab has a judge for it. Owned by the caller; NULL when there is none. */
char *catalogue_folder(const char *home, const char *lab);
/* home/stages/NN-x of a stage; owned by the caller. When there is none yet, the one that it should have. */
char *stage_folder(const char *home, int stage);

/* The nearest of several names: offer them all, then read best, which is NULL when none is near enough to be meant. */
struct nearest {
	const char *word; /* borrowed: what was typed */
	const char *best; /* borrowed: one of the candidates, or NULL */
	size_t distance;  /* its edits: insert, remove, replace, swap two neighbours */
};
void nearest_offer(struct nearest *, const char *candidate);
const char *nearest_lab(const char *word);
const char *nearest_test(const struct lab *, const char *word);

#endif
