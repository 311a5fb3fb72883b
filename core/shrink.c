#include "shrink.h"

#include <stdlib.h>

#include "ddmin.h"
#include "jobs.h"

/* One round of ddmin: the candidates that were not refuted before, as jobs. */
struct round {
	struct shrink *s;
	const struct candidate *candidates;
	struct job *jobs;
	size_t *number; /* of a job's candidate */
	size_t n;
};

static uint64_t fingerprint(const struct candidate *c)
{
	return hash_bytes(c->n + 1, c->items, c->n * sizeof *c->items);
}

static bool is_refuted(const struct shrink *s, const struct candidate *c)
{
	uint64_t f = fingerprint(c);
	for (size_t i = 0; i < s->refuted_n; i++)
		if (s->refuted[i] == f)
			return true;
	return false;
}

static void refute(struct shrink *s, const struct candidate *c)
{
	if ((s->refuted_n & (s->refuted_n - 1)) == 0) /* full: the size is a power of two */
		s->refuted = xrealloc(s->refuted, (s->refuted_n ? 2 * s->refuted_n : 1) * sizeof *s->refuted);
	s->refuted[s->refuted_n++] = fingerprint(c);
}

static bool fails_so(const struct shrink *s, const struct job *j)
{
	return j->done && j->result.verdict == VERDICT_FAIL && strcmp(j->result.rule, s->rule) == 0;
}

/* What has not begun need not be tried once one fails: those before it have begun. */
static bool job_ended(void *ctx, struct job *j)
{
	struct round *r = ctx;
	r->s->runs++;
	return !fails_so(r->s, j) && j->result.verdict != VERDICT_WORLD;
}

/* The first job that fails in the same way; n when none does, -1 when the world failed before that. */
static int64_t first_failure(struct round *r, size_t all)
{
	for (size_t i = 0; i < r->n; i++) {
		struct job *j = &r->jobs[i];
		const struct candidate *c = &r->candidates[r->number[i]];
		if (fails_so(r->s, j)) {
			r->s->events = j->result.events_n;
			r->s->kept_n = c->n;
			memcpy(r->s->kept, c->items, c->n * sizeof *c->items);
			return (int64_t)r->number[i];
		}
		if (j->done && j->result.verdict == VERDICT_WORLD) {
			*r->s->err = j->err;
			return -1;
		}
		if (j->done)
			refute(r->s, c);
	}
	return (int64_t)all;
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return x < y ? -1 : x > y;
}

static void keep_only(struct skip_set *skip, const struct candidate *c)
{
	uint32_t *sorted = xmalloc((c->n + 1) * sizeof *sorted);
	memcpy(sorted, c->items, c->n * sizeof *sorted);
	qsort(sorted, c->n, sizeof *sorted, by_number);
	skip_all_but(skip, sorted, c->n);
	free(sorted);
}

static int64_t try_candidates(void *ctx, const struct candidate *candidates, size_t n)
{
	struct shrink *s = ctx;
	struct round r = { .s = s, .candidates = candidates, .jobs = xcalloc(n, sizeof *r.jobs),
		.number = xcalloc(n, sizeof *r.number) };
	for (size_t i = 0; i < n; i++) {
		if (is_refuted(s, &candidates[i]))
			continue;
		struct job *j = &r.jobs[r.n];
		j->spec = s->spec;
		keep_only(&j->spec.skip, &candidates[i]);
		r.number[r.n++] = i;
	}
	int64_t hit = r.n ? jobs_run(r.jobs, r.n, s->workers, job_ended, &r, s->err) : 0;
	if (hit == 0)
		hit = first_failure(&r, n);
	for (size_t i = 0; i < r.n; i++) {
		result_done(&r.jobs[i].result);
		skip_done(&r.jobs[i].spec.skip);
	}
	free(r.jobs);
	free(r.number);
	if (hit >= 0 && s->progress && !s->progress(s->ctx, s))
		return -1;
	return hit;
}

/* The list is in the order of time: what belongs together stands together, so that halves can hold it. */
int shrink_run(struct shrink *s, const uint32_t *parts, size_t n, struct err *e)
{
	uint32_t *items = xmalloc((n + 1) * sizeof *items);
	s->kept = xmalloc((n + 1) * sizeof *s->kept);
	s->kept_n = n;
	s->err = e;
	e->text[0] = '\0';
	memcpy(items, parts, n * sizeof *items);
	memcpy(s->kept, parts, n * sizeof *items);
	int rc = ddmin(items, &n, try_candidates, s);
	qsort(s->kept, s->kept_n, sizeof *s->kept, by_number);
	s->err = NULL;
	free(items);
	return rc == 0 ? 0 : e->text[0] ? -1 : 1;
}

void shrink_done(struct shrink *s)
{
	free(s->kept);
	free(s->refuted);
	s->kept = NULL;
	s->refuted = NULL;
	s->kept_n = s->refuted_n = 0;
}
