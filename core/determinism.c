#include "determinism.h"

#include <stdio.h>
#include <stdlib.h>

enum { SHOWN = 300 };

void trace_lines(struct buf *b, const struct trace *t)
{
	for (uint64_t s = 1; s <= trace_count(t); s++) {
		trace_print_event(b, t, trace_at(t, s));
		buf_char(b, '\n');
	}
}

static void keep_lines(void *ctx, const struct trace *t, const struct history *h)
{
	(void)h;
	trace_lines(ctx, t);
}

static struct slice line_at(const struct buf *b, size_t at)
{
	const char *end = at < b->n ? memchr(b->s + at, '\n', b->n - at) : NULL;
	return (struct slice){ at < b->n ? b->s + at : "", end ? (size_t)(end - b->s) - at : b->n - (at < b->n ? at : b->n) };
}

/* "1043 2.003 send n2 > n1 ...": the words after the number and the time. */
static struct slice node_of(struct slice line)
{
	size_t i = 0;
	for (int words = 0; words < 3; words++) {
		while (i < line.n && line.s[i] != ' ')
			i++;
		while (i < line.n && line.s[i] == ' ')
			i++;
	}
	size_t from = i;
	while (i < line.n && line.s[i] != ' ')
		i++;
	return (struct slice){ line.s + from, i - from };
}

bool trace_lines_differ(const struct buf *a, const struct buf *b, struct difference *d)
{
	size_t at = 0, start = 0;
	*d = (struct difference){ .seq = 1 };
	while (at < a->n && at < b->n && a->s[at] == b->s[at])
		if (a->s[at++] == '\n') {
			start = at;
			d->seq++;
		}
	if (at == a->n && at == b->n)
		return false;
	d->one = line_at(a, start);
	d->two = line_at(b, start);
	d->node = node_of(d->one.n ? d->one : d->two);
	d->one.n = d->one.n > SHOWN ? SHOWN : d->one.n;
	d->two.n = d->two.n > SHOWN ? SHOWN : d->two.n;
	return true;
}

static void say_difference(struct result *r, const struct difference *d)
{
	struct result old = *r;
	*r = (struct result){ .verdict = VERDICT_FAIL, .t_ns = old.t_ns, .virtual_ns = old.virtual_ns, .real_ns = old.real_ns,
		.events_n = old.events_n, .messages_n = old.messages_n, .hash = old.hash, .memory = old.memory };
	result_done(&old);
	snprintf(r->rule, sizeof r->rule, "same seed, same run");
	snprintf(r->nodes, sizeof r->nodes, "%.*s", SLICE_ARG(d->node));
	r->expected = xasprintf("two runs with one seed that are equal, event by event");
	r->seen = xasprintf("they differ first at event %llu, which is %.*s's\n  first run:  %.*s\n  second run: %.*s",
		(unsigned long long)d->seq, SLICE_ARG(d->node), SLICE_ARG(d->one), SLICE_ARG(d->two));
	r->hint = xstrdup("in sim a node takes time from at_ms and timers, and chance from the seed in init: look for a clock of "
		"its own, a random generator without that seed, a thread, or the order of a hash table");
	r->evidence[0] = d->seq;
}

int determinism_run(const struct run_spec *spec, struct result *r, struct err *e)
{
	struct buf first = BUF_EMPTY, second = BUF_EMPTY;
	struct result other = { 0 };
	struct run_spec settled = *spec, again;
	settled.settle = true; /* a thread whose lines all fell into steps, as many in both runs, is not seen by comparing */
	again = settled;
	again.store_path = NULL;
	int rc = run_test_with(&again, &other, e, keep_lines, &first);
	if (rc == 0)
		rc = run_test_with(&settled, r, e, keep_lines, &second);
	else
		*r = (struct result){ .verdict = VERDICT_WORLD };
	struct difference d;
	if (rc == 0 && trace_lines_differ(&first, &second, &d))
		say_difference(r, &d);
	result_done(&other);
	buf_done(&first);
	buf_done(&second);
	return rc;
}
