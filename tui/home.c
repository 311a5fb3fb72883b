#include "home.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "catalogue.h"
#include "progress.h"
#include "workspace.h"

/* NULL where nothing was done yet: looking makes no folder. */
static struct progress *progress_here(void)
{
	struct workspace w;
	struct err ignored;
	if (workspace_open(&w, &ignored) != 0)
		return NULL;
	char *file = xasprintf("%s/progress.db", w.state);
	struct progress *p = access(file, F_OK) == 0 ? progress_open(w.state, &ignored) : NULL;
	free(file);
	workspace_close(&w);
	return p;
}

static void read_lab(struct home_lab *h, struct progress *p, struct arena *arena)
{
	struct err ignored;
	int points = p ? progress_lab_points(p, h->lab, &ignored) : 0;
	h->points = points > 0 ? (unsigned)points : 0;
	h->of = catalogue_points(h->lab);
	for (const struct test *t = h->lab->tests; t->id; t++) {
		struct progress_row row;
		h->tests++;
		if (p && progress_find(p, h->lab->id, t->id, arena, &row, &ignored) == 1) {
			h->tried++;
			h->passed += row.passes > 0;
		}
	}
}

void home_read(struct home *h)
{
	int at = h->at;
	struct arena arena;
	struct progress *p = progress_here();
	*h = (struct home){ 0 };
	arena_init(&arena);
	for (int stage = 1; stage <= STAGE_COUNT; stage++)
		for (const struct lab *const *l = all_labs; *l && h->n < HOME_LABS; l++)
			if ((*l)->stage == stage) {
				h->lab[h->n].lab = *l;
				read_lab(&h->lab[h->n++], p, &arena);
			}
	arena_done(&arena);
	progress_close(p);
	home_choose(h, at);
}

void home_choose(struct home *h, int lab)
{
	struct arena arena;
	struct err ignored;
	h->at = lab < 0 ? 0 : lab >= h->n ? h->n - 1 : lab;
	h->tests = 0;
	if (h->n == 0)
		return;
	struct progress *p = progress_here();
	arena_init(&arena);
	for (const struct test *t = h->lab[h->at].lab->tests; t->id && h->tests < HOME_TESTS; t++) {
		struct home_test *out = &h->test[h->tests++];
		struct progress_row row;
		*out = (struct home_test){ .test = t };
		if (!p || progress_find(p, h->lab[h->at].lab->id, t->id, &arena, &row, &ignored) != 1)
			continue;
		out->passed = row.passes > 0;
		snprintf(out->verdict, sizeof out->verdict, "%s", row.last_verdict);
		snprintf(out->rule, sizeof out->rule, "%s", row.last_rule);
	}
	arena_done(&arena);
	progress_close(p);
}

int home_find(const struct home *h, const char *id)
{
	for (int i = 0; i < h->n; i++)
		if (strcmp(h->lab[i].lab->id, id) == 0)
			return i;
	return -1;
}
