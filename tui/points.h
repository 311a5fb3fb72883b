/* points.h - for the operations of a key-value store: one order that explains all answers, or those that have none.
 *
 * A linearization point is the moment at which an operation may have taken effect, between its call and its answer, so that all
 * answers are those of one single copy (Herlihy and Wing 1990). It is a picture, not a verdict: the lab's judge has its own. */
#ifndef DLAB_POINTS_H
#define DLAB_POINTS_H

#include "survey.h"

enum points_state { POINTS_NONE, POINTS_ORDER, POINTS_CONFLICT, POINTS_UNKNOWN };
enum { POINTS_OPS_MAX = 4000 };

struct points {
	enum points_state state; /* NONE: the run's operations are none of a key-value store, or too many */
	size_t ops_n;            /* of the survey, for which they were found */
	int64_t *t_ns;           /* owned; by the survey's operation; -1: it has none */
	bool *conflict;          /* owned; likewise: it is one of those that contradict each other */
};

/* Finds them; some milliseconds at most for what a test asks. */
void points_find(struct points *, const struct survey *, struct source *);
void points_done(struct points *);

#endif
