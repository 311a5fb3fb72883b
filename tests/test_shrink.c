/* Delta debugging over pure predicates; sets of what is left out; and that leaving out does not change the rest. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/lab_tally.c"
#include "ddmin.h"
#include "determinism.h"
#include "jobs.h"
#include "shrink.h"
#include "workspace.h"

/* After ours: cmocka has a macro run_test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

enum { LIST_MAX = 200 };

/* --- ddmin --- */

struct oracle {
	bool needed[LIST_MAX];  /* the behaviour needs all of these */
	bool odd;               /* and an odd number of items: not monotone */
	size_t tries, stop_after;
};

static bool shows(const struct oracle *o, const uint32_t *items, size_t n)
{
	size_t missing = 0;
	for (size_t i = 0; i < LIST_MAX; i++)
		missing += o->needed[i];
	for (size_t i = 0; i < n; i++)
		missing -= o->needed[items[i]];
	return missing == 0 && (!o->odd || n % 2 == 1);
}

static int64_t ask_oracle(void *ctx, const struct candidate *c, size_t n)
{
	struct oracle *o = ctx;
	for (size_t i = 0; i < n; i++) {
		if (o->stop_after && o->tries == o->stop_after)
			return -1;
		o->tries++;
		for (size_t k = 1; k < c[i].n; k++)
			assert_true(c[i].items[k - 1] < c[i].items[k]); /* the order of the list */
		if (shows(o, c[i].items, c[i].n))
			return (int64_t)i;
	}
	return (int64_t)n;
}

static void fill(uint32_t *items, size_t n)
{
	for (size_t i = 0; i < n; i++)
		items[i] = (uint32_t)i;
}

static void what_is_needed_is_what_remains(void **state)
{
	(void)state;
	struct rng rng;
	rng_seed(&rng, 11);
	for (int round = 0; round < 3000; round++) {
		struct oracle o = { .odd = false };
		uint32_t items[LIST_MAX];
		size_t n = rng_below(&rng, LIST_MAX + 1), needed = n ? rng_below(&rng, n < 8 ? n + 1 : 8) : 0, count = 0;
		for (size_t i = 0; i < needed; i++)
			o.needed[rng_below(&rng, n)] = true;
		for (size_t i = 0; i < LIST_MAX; i++)
			count += o.needed[i];
		fill(items, n);
		assert_int_equal(ddmin(items, &n, ask_oracle, &o), 0);
		assert_int_equal(n, count);
		for (size_t i = 0; i < n; i++)
			assert_true(o.needed[items[i]]);
	}
}

static void the_result_is_1_minimal(void **state)
{
	(void)state;
	struct rng rng;
	rng_seed(&rng, 12);
	for (int round = 0; round < 3000; round++) {
		struct oracle o = { .odd = true };
		uint32_t items[LIST_MAX], less[LIST_MAX];
		size_t n = 1 + 2 * rng_below(&rng, LIST_MAX / 2);
		for (int i = 0; i < 4; i++)
			o.needed[rng_below(&rng, n)] = true;
		fill(items, n);
		assert_int_equal(ddmin(items, &n, ask_oracle, &o), 0);
		assert_true(shows(&o, items, n));
		for (size_t leave = 0; leave < n; leave++) {
			size_t k = 0;
			for (size_t i = 0; i < n; i++)
				if (i != leave)
					less[k++] = items[i];
			assert_false(shows(&o, less, k));
		}
	}
}

/* Two of 128 that stand far apart: the paper's bound is quadratic, its good case is about 2 log n rounds. */
static void it_does_not_try_too_often(void **state)
{
	(void)state;
	struct oracle o = { .needed = { [3] = true, [100] = true } };
	uint32_t items[128];
	size_t n = 128;
	fill(items, n);
	assert_int_equal(ddmin(items, &n, ask_oracle, &o), 0);
	assert_int_equal(n, 2);
	assert_true(o.tries < 60);
}

static void it_can_be_stopped(void **state)
{
	(void)state;
	for (size_t stop = 1; stop < 20; stop++) {
		struct oracle o = { .needed = { [3] = true, [100] = true }, .stop_after = stop };
		uint32_t items[128];
		size_t n = 128;
		fill(items, n);
		assert_int_equal(ddmin(items, &n, ask_oracle, &o), -1);
		assert_true(shows(&o, items, n));
	}
}

/* --- sets --- */

static void sets_are_read_and_written(void **state)
{
	(void)state;
	static const char *const texts[] = { "", "0", "0-7,9", "9", "0-", "63-64", "0-62,64-", "5,7,9-70,100-", "128-" };
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct skip_set s;
		struct err e;
		struct buf b = BUF_EMPTY;
		assert_int_equal(skip_parse(&s, slice_of(texts[i]), &e), 0);
		assert_int_equal(skip_is_empty(&s), *texts[i] == '\0');
		skip_print(&b, &s);
		assert_string_equal(buf_cstr(&b), texts[i]);
		buf_done(&b);
		skip_done(&s);
	}
	static const char *const wrong[] = { "x", "1,", ",1", "7-5", "1--2", "-1", "1-,2", "1 2", "99999999999", "67108864", "1-x", "0x1" };
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		struct skip_set s;
		struct err e;
		assert_int_equal(skip_parse(&s, slice_of(wrong[i]), &e), -1);
		assert_null(s.words);
	}
}

static void all_but_some(void **state)
{
	(void)state;
	const uint32_t kept[] = { 2, 70, 3 + SKIP_STREAMS };
	struct skip_set s;
	skip_all_but(&s, kept, ARRAY_LEN(kept));
	for (uint32_t i = 0; i < 1000; i++)
		assert_int_equal(skip_has(&s, i), i != 2 && i != 70 && i != 3 + SKIP_STREAMS);
	assert_true(skip_keeps_later(&s, 3));
	assert_true(skip_keeps_later(&s, 3 + SKIP_STREAMS));
	assert_false(skip_keeps_later(&s, 3 + 2 * SKIP_STREAMS));
	assert_false(skip_keeps_later(&s, 4));
	skip_done(&s);
	skip_all_but(&s, NULL, 0);
	assert_true(skip_has(&s, 0) && !skip_is_empty(&s) && !skip_keeps_later(&s, 0));
	skip_done(&s);
}

/* --- runs --- */

enum { OPS_MAX = 1000 };

struct kept {
	struct buf lines;       /* every event */
	struct op ops[OPS_MAX]; /* the workload's; their texts are gone */
	size_t n, skipped;
	size_t repeated;        /* requests that go on with an operation of the workload */
};

static void keep(void *ctx, const struct trace *t, const struct history *h)
{
	struct kept *k = ctx;
	trace_lines(&k->lines, t);
	for (size_t i = 0; i < history_count(h); i++) {
		const struct op *op = history_at(h, i);
		k->skipped += op->status == OP_SKIPPED;
		k->repeated += op->before != NULL;
		if (op->shrinkable && k->n < OPS_MAX)
			k->ops[k->n++] = *op;
	}
}

static struct run_spec spec_of(int test, char **argv)
{
	return (struct run_spec){ .lab = &lab_tally, .test = &lab_tally.tests[test], .fabric = &fabric_sim, .argv = argv,
		.cwd = "/", .seed = 5, .first = 1, .core = -1 };
}

static char **node(const char *mode)
{
	static const char script[] = DLAB_TESTS "/nodes/tally.py";
	char *argv[] = { xstrdup("python3"), xstrdup(script), xstrdup(mode), NULL };
	struct err e;
	char **found = command_resolve(argv, "/", &e);
	for (int i = 0; i < 3; i++)
		free(argv[i]);
	assert_non_null(found);
	return found;
}

static void run_kept(struct run_spec *s, struct result *r, struct kept *k)
{
	struct err e = { "" };
	*k = (struct kept){ BUF_EMPTY, { { 0 } }, 0, 0, 0 };
	assert_int_equal(jobs_run_one(s, r, &e, keep, k), 0);
}

static void kept_done(struct kept *k)
{
	buf_done(&k->lines);
}

static const struct op *op_of(const struct kept *k, uint32_t ordinal)
{
	for (size_t i = 0; i < k->n; i++)
		if (k->ops[i].ordinal == ordinal)
			return &k->ops[i];
	return NULL;
}

static void an_empty_set_changes_nothing(void **state)
{
	(void)state;
	char **argv = node("retry");
	uint64_t none[2] = { 0, 0 };
	struct run_spec a = spec_of(2, argv), b = a;
	struct result ra, rb;
	static struct kept ka, kb;
	struct difference d;
	b.skip = (struct skip_set){ none, 2, false };
	run_kept(&a, &ra, &ka);
	run_kept(&b, &rb, &kb);
	assert_false(trace_lines_differ(&ka.lines, &kb.lines, &d));
	assert_true(ra.hash == rb.hash && ra.parts_n == rb.parts_n && ra.parts_n == ra.ordinals);
	kept_done(&ka);
	kept_done(&kb);
	result_done(&ra);
	result_done(&rb);
	command_free(argv);
}

/* Each operation that is there in both runs has the same contents, whatever was left out. */
static void leaving_one_out_leaves_the_others(void **state)
{
	(void)state;
	static const char *const lists[] = { "0,1,4,139", "3-600" };
	char **argv = node("retry");
	struct run_spec a = spec_of(2, argv);
	struct result ra, rb;
	static struct kept ka, kb;
	run_kept(&a, &ra, &ka);
	assert_int_equal(ka.skipped, 0);
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		struct run_spec b = a;
		struct err e;
		assert_int_equal(skip_parse(&b.skip, slice_of(lists[i]), &e), 0);
		run_kept(&b, &rb, &kb);
		size_t common = 0;
		for (size_t n = 0; n < kb.n; n++) {
			const struct op *op = &kb.ops[n], *same = op_of(&ka, op->ordinal);
			common += same != NULL;
			assert_true(!same || (same->client == op->client && same->node == op->node && same->value == op->value));
		}
		assert_true(ka.n > 100 && common > 100); /* the last ones may come too late in one of the runs */
		assert_true(kb.skipped > 0);
		kept_done(&kb);
		result_done(&rb);
		skip_done(&b.skip);
	}
	kept_done(&ka);
	result_done(&ra);
	command_free(argv);
}

/* A counted workload runs exactly what is kept, whoever would have been faster. */
static void what_is_kept_is_run(void **state)
{
	(void)state;
	char **argv = node("retry");
	const uint32_t kept[] = { 3, 5 + SKIP_STREAMS, 4 + 6 * SKIP_STREAMS }; /* the last one is beyond the count of all */
	struct run_spec s = spec_of(0, argv);
	struct result r;
	static struct kept k;
	run_kept(&s, &r, &k);
	assert_int_equal(r.parts_n, 12);
	kept_done(&k);
	result_done(&r);
	skip_all_but(&s.skip, kept, ARRAY_LEN(kept));
	run_kept(&s, &r, &k);
	assert_int_equal(r.verdict, VERDICT_PASS);
	assert_int_equal(r.parts_n, ARRAY_LEN(kept));
	for (size_t i = 0; i < ARRAY_LEN(kept); i++)
		assert_true(r.parts[i] == kept[0] || r.parts[i] == kept[1] || r.parts[i] == kept[2]);
	kept_done(&k);
	result_done(&r);
	skip_done(&s.skip);
	command_free(argv);
}

/* The requests of one operation come and go together, and the client is busy until the last one has ended. */
static void an_operation_may_be_several_requests(void **state)
{
	(void)state;
	char **argv = node("retry");
	const uint32_t kept[] = { 3, 5 + SKIP_STREAMS };
	struct run_spec s = spec_of(4, argv);
	struct result r;
	static struct kept k;
	run_kept(&s, &r, &k);
	assert_int_equal(r.verdict, VERDICT_PASS);
	assert_int_equal(r.parts_n, 12);
	assert_int_equal(k.n, 12);
	assert_int_equal(k.repeated, 24);
	kept_done(&k);
	result_done(&r);
	skip_all_but(&s.skip, kept, ARRAY_LEN(kept));
	run_kept(&s, &r, &k);
	assert_int_equal(r.verdict, VERDICT_PASS);
	assert_int_equal(k.repeated, 2 * ARRAY_LEN(kept));
	kept_done(&k);
	result_done(&r);
	skip_done(&s.skip);
	command_free(argv);
}

static void a_failure_becomes_small(void **state)
{
	(void)state;
	char **argv = node("once");
	struct run_spec s = spec_of(2, argv);
	struct result r;
	static struct kept k;
	struct err e;
	s.seed = 1;
	run_kept(&s, &r, &k);
	assert_int_equal(r.verdict, VERDICT_FAIL);
	uint32_t first[8];
	for (int workers = 1; workers <= 2; workers++) {
		struct shrink small = { .spec = s, .rule = r.rule, .workers = workers };
		assert_int_equal(shrink_run(&small, r.parts, r.parts_n, &e), 0);
		assert_int_equal(small.kept_n, 2); /* one operation, one fault */
		assert_true(small.events < 100 && r.events_n > 2000);
		if (workers == 1)
			memcpy(first, small.kept, 2 * sizeof *first);
		assert_memory_equal(first, small.kept, 2 * sizeof *first);
		shrink_done(&small);
	}
	kept_done(&k);
	result_done(&r);
	command_free(argv);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_needed_is_what_remains),
		cmocka_unit_test(the_result_is_1_minimal),
		cmocka_unit_test(it_does_not_try_too_often),
		cmocka_unit_test(it_can_be_stopped),
		cmocka_unit_test(sets_are_read_and_written),
		cmocka_unit_test(all_but_some),
		cmocka_unit_test(an_empty_set_changes_nothing),
		cmocka_unit_test(leaving_one_out_leaves_the_others),
		cmocka_unit_test(what_is_kept_is_run),
		cmocka_unit_test(an_operation_may_be_several_requests),
		cmocka_unit_test(a_failure_becomes_small),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
