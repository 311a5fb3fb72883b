/* Faults as text, and the shape of every named partition. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "fault.h"

static lane_set everyone(const struct lanes *l)
{
	return lanes_all_nodes(l) | (UINT64_C(15) << l->nodes);
}

static lane_set random_set(struct rng *rng, lane_set of, lane_set nodes)
{
	switch (rng_below(rng, 6)) {
	case 0:
		return of;
	case 1:
		return nodes;
	case 2:
		return 0;
	default:
		return rng_next(rng) & of;
	}
}

/* Values of every size, so that every unit is printed. */
static int64_t random_size(struct rng *rng, int64_t max)
{
	int64_t v = (int64_t)rng_below(rng, (uint64_t)max + 1);
	for (uint64_t cut = rng_below(rng, 14); cut > 0; cut--)
		v /= 10;
	for (uint64_t up = rng_below(rng, 14); up > 0 && v <= max / 10; up--)
		v *= 10;
	return v;
}

static struct fault random_fault(struct rng *rng, const struct lanes *l, int kind)
{
	lane_set nodes = lanes_all_nodes(l);
	struct fault f = { .kind = (uint8_t)kind };
	if (kind == FAULT_HEAL)
		return f;
	if (kind == FAULT_KILL || kind == FAULT_START || kind == FAULT_PAUSE || kind == FAULT_RESUME) {
		f.from = random_set(rng, nodes, nodes);
		return f;
	}
	f.from = random_set(rng, everyone(l), nodes);
	f.to = random_set(rng, everyone(l), nodes);
	if (kind == FAULT_LOSS || kind == FAULT_DUPLICATE || kind == FAULT_REORDER)
		f.p_million = (uint32_t)random_size(rng, 1000000);
	if (kind == FAULT_RATE)
		f.rate_bps = random_size(rng, INT64_C(1000000000000));
	if (kind == FAULT_LATENCY) {
		f.mean_ns = random_size(rng, 3600 * NS_PER_S);
		f.jitter_ns = random_size(rng, 3600 * NS_PER_S);
		f.dist = (uint8_t)rng_below(rng, DIST_COUNT);
	}
	return f;
}

static bool fault_same(const struct fault *a, const struct fault *b)
{
	return a->kind == b->kind && a->dist == b->dist && a->p_million == b->p_million && a->from == b->from &&
	       a->to == b->to && a->mean_ns == b->mean_ns && a->jitter_ns == b->jitter_ns && a->rate_bps == b->rate_bps;
}

static void every_fault_reads_back(void **state)
{
	(void)state;
	struct rng rng;
	rng_seed(&rng, 1);
	struct buf b = BUF_EMPTY;
	for (int i = 0; i < 40000; i++) {
		struct lanes l;
		lanes_init(&l, (int)rng_between(&rng, 1, i % 2 ? 7 : NODES_MAX), (int)rng_below(&rng, 2));
		struct fault f = random_fault(&rng, &l, i % FAULT_KIND_COUNT), out[2];
		struct err err = { "" };
		b.n = 0;
		fault_print(&b, &l, &f);
		if (fault_parse(&l, buf_as_slice(&b), out, &err) != 1 || !fault_same(&f, &out[0]))
			fail_msg("\"%s\" did not read back: %s", buf_cstr(&b), err.text);
	}
	buf_done(&b);
}

static void print_is(const struct lanes *l, const struct fault *f, const char *expected)
{
	struct buf b = BUF_EMPTY;
	fault_print(&b, l, f);
	assert_string_equal(buf_cstr(&b), expected);
	buf_done(&b);
}

static void faults_print_as_said(void **state)
{
	(void)state;
	struct lanes l;
	lanes_init(&l, 5, 1);
	lane_set all = everyone(&l);
	print_is(&l, &(struct fault){ .kind = FAULT_CUT, .from = 3, .to = 4 }, "cut n1,n2 > n3");
	print_is(&l, &(struct fault){ .kind = FAULT_LATENCY, .from = 1, .to = all, .mean_ns = 80 * NS_PER_MS,
	         .jitter_ns = 10 * NS_PER_MS, .dist = DIST_NORMAL }, "latency n1 > * mean 80ms jitter 10ms normal");
	print_is(&l, &(struct fault){ .kind = FAULT_LATENCY, .from = 1, .to = 31 }, "latency n1 > nodes mean 0ms constant");
	print_is(&l, &(struct fault){ .kind = FAULT_LOSS, .from = all, .to = all, .p_million = 300000 }, "loss * > * 30%");
	print_is(&l, &(struct fault){ .kind = FAULT_REORDER, .from = 1, .to = 32, .p_million = 10500 },
	         "reorder n1 > lin-kv 1.05%");
	print_is(&l, &(struct fault){ .kind = FAULT_RATE, .from = 1, .to = 2, .rate_bps = 1500 }, "rate n1 > n2 1500B/s");
	print_is(&l, &(struct fault){ .kind = FAULT_RATE, .from = 1, .to = 2 }, "rate n1 > n2 unlimited");
	print_is(&l, &(struct fault){ .kind = FAULT_KILL, .from = 2 }, "kill n2");
	print_is(&l, &(struct fault){ .kind = FAULT_PAUSE, .from = 31 }, "pause *");
	print_is(&l, &(struct fault){ .kind = FAULT_HEAL }, "heal");
	print_is(&l, &(struct fault){ .kind = FAULT_KIND_COUNT }, "?");
}

struct typed {
	const char *text;
	struct fault want[2]; /* the second: when "|" gives two */
	int count;
};

static void people_may_type_it_otherwise(void **state)
{
	(void)state;
	const lane_set all = 31 | 15 << 5;
	const struct typed cases[] = {
		{ "cut n1,n2 | n3", { { .kind = FAULT_CUT, .from = 3, .to = 4 }, { .kind = FAULT_CUT, .from = 4, .to = 3 } }, 2 },
		{ "cut n1 , n2|rest", { { .kind = FAULT_CUT, .from = 3, .to = 28 }, { .kind = FAULT_CUT, .from = 28, .to = 3 } }, 2 },
		{ "  uncut\trest>n5\n", { { .kind = FAULT_UNCUT, .from = 15, .to = 16 } }, 1 },
		{ "loss n1>* 2.5 %", { { .kind = FAULT_LOSS, .from = 1, .to = all, .p_million = 25000 } }, 1 },
		{ "loss nodes > nodes 100%", { { .kind = FAULT_LOSS, .from = 31, .to = 31, .p_million = 1000000 } }, 1 },
		{ "latency n1 > n2 80ms",
		  { { .kind = FAULT_LATENCY, .from = 1, .to = 2, .mean_ns = 80000000, .dist = DIST_CONSTANT } }, 1 },
		{ "latency n1 > n2 1.5 s 10ms",
		  { { .kind = FAULT_LATENCY, .from = 1, .to = 2, .mean_ns = 1500000000, .jitter_ns = 10000000,
		      .dist = DIST_UNIFORM } }, 1 },
		{ "latency n1 > n2 exponential jitter 1us mean 7ns",
		  { { .kind = FAULT_LATENCY, .from = 1, .to = 2, .mean_ns = 7, .jitter_ns = 1000, .dist = DIST_EXPONENTIAL } }, 1 },
		{ "rate lin-kv > n2 1.5kB/s", { { .kind = FAULT_RATE, .from = 32, .to = 2, .rate_bps = 1500 } }, 1 },
		{ "kill *", { { .kind = FAULT_KILL, .from = 31 } }, 1 },
		{ "pause n2,n3", { { .kind = FAULT_PAUSE, .from = 6 } }, 1 },
	};
	struct lanes l;
	lanes_init(&l, 5, 1);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err err = { "" };
		struct fault out[2];
		int count = fault_parse(&l, slice_of(cases[i].text), out, &err);
		if (count != cases[i].count)
			fail_msg("\"%s\" gave %d: %s", cases[i].text, count, err.text);
		for (int k = 0; k < count; k++)
			if (!fault_same(&out[k], &cases[i].want[k]))
				fail_msg("\"%s\": fault %d is another", cases[i].text, k);
	}
}

static void mistakes_get_a_sentence(void **state)
{
	(void)state;
	static const char *const cases[][2] = {
		{ "cut n9 > n1", "n9 is not a node of this cluster (n1 to n5)" },
		{ "cut n1,bob > n2", "bob is not a node of this cluster (n1 to n5)" },
		{ "loss n1 > c1 3%", "c1 is a client; faults act on nodes and services only" },
		{ "kill lin-kv", "lin-kv is a service; kill acts on nodes only" },
		{ "kill", "kill: a name is missing, for example n1" },
		{ "kill rest", "rest is not a node of this cluster (n1 to n5)" },
		{ "cut n1,", "cut: a name is missing, for example n1" },
		{ "cut n1", "cut needs two sides: \"cut n1 > n2\" for one way, \"cut n1 | n2\" for both" },
		{ "cut n1 n2", "cut needs two sides: \"cut n1 > n2\" for one way, \"cut n1 | n2\" for both" },
		{ "cut n1 >", "cut: a name is missing, for example n1" },
		{ "cut rest | rest", "cut: only one side can be the rest" },
		{ "cut n1 > n2 n3", "cut: \"n3\" is not expected there" },
		{ "heal n1", "heal: \"n1\" is not expected there" },
		{ "loss n1 > n2", "loss needs a percentage at the end, for example 30%" },
		{ "loss n1 > n2 0.3", "loss: 0.3 needs a unit, for example 30%" },
		{ "loss n1 > n2 101%", "loss: 101% is too large" },
		{ "loss n1 > n2 100.0001%", "loss: 100.0001% is too large" },
		{ "loss n1 > n2 99999999999999999999999999%", "loss: 99999999999999999999999999% is too large" },
		{ "loss n1 > n2 1.00001%", "loss: 1.00001% is too precise" },
		{ "loss n1 > n2 -1%", "loss: \"-1%\" is not a percentage, for example 30%" },
		{ "latency n1 > n2", "latency needs a time at the end, for example 80ms" },
		{ "latency n1 > n2 80", "latency: 80 needs a unit, for example 80ms" },
		{ "latency n1 > n2 1ms 2ms 3ms", "latency: \"3ms\" is one too many" },
		{ "latency n1 > n2 jitter 3ms", "latency needs a mean, for example \"latency n1 > n2 mean 80ms\"" },
		{ "latency n1 > n2 9999999s", "latency: 9999999s is too large" },
		{ "latency n1 > n2 3ms gaussian", "latency: \"gaussian\" is not a time, for example 80ms" },
		{ "rate n1 > n2 5", "rate: 5 needs a unit, for example 100kB/s" },
		{ "", "say which fault, for example \"cut n1 > n2\" or \"loss * > * 30%\"" },
		{ "   ", "say which fault, for example \"cut n1 > n2\" or \"loss * > * 30%\"" },
		{ "Cut n1 > n2", "\"Cut\" is not a fault; there are cut, uncut, latency, loss, duplicate, reorder, rate, heal, "
		  "kill, start, pause, resume, and no other" },
	};
	struct lanes l;
	lanes_init(&l, 5, 1);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err err = { "" };
		struct fault out[2];
		assert_int_equal(fault_parse(&l, slice_of(cases[i][0]), out, &err), -1);
		assert_string_equal(err.text, cases[i][1]);
	}
	struct err err = { "" };
	struct fault out[2];
	assert_int_equal(fault_parse(&l, SLICE_NONE, out, &err), -1);
	lanes_init(&l, 1, 0);
	assert_int_equal(fault_parse(&l, SLICE("kill n1"), out, &err), -1);
	assert_string_equal(err.text, "n1 is not a node of this cluster (n0)");
}

/* Pieces of the language in any order never crash, and what is taken reads back. */
static void any_words_are_safe(void **state)
{
	(void)state;
	static const char *const words[] = {
		"cut", "uncut", "latency", "loss", "rate", "heal", "kill", "n1", "n2", "n99", "lin-kv", "c1", "*", "nodes", "rest",
		"nobody", ",", ">", "|", "30%", "80ms", "1.5", "s", "mean", "jitter", "normal", "unlimited", "\xff\xfe", "B/s",
		".", "1.", "00", "%s%n",
	};
	struct rng rng;
	rng_seed(&rng, 3);
	struct lanes l;
	lanes_init(&l, 3, 1);
	struct buf b = BUF_EMPTY;
	int taken = 0;
	for (int i = 0; i < 200000; i++) {
		b.n = 0;
		for (uint64_t n = rng_below(&rng, 9); n > 0; n--) {
			buf_str(&b, words[rng_below(&rng, ARRAY_LEN(words))]);
			if (rng_below(&rng, 4))
				buf_char(&b, ' ');
		}
		/* An exact copy, so that a sanitizer sees a read behind the end. */
		char *copy = xmalloc(b.n);
		if (b.n)
			memcpy(copy, b.s, b.n);
		struct fault out[2], again[2];
		struct err err = { "" };
		int n = fault_parse(&l, (struct slice){ copy, b.n }, out, &err);
		free(copy);
		assert_int_equal(n < 0, err.text[0] != '\0');
		for (int k = 0; k < n; k++, taken++) {
			b.n = 0;
			fault_print(&b, &l, &out[k]);
			assert_int_equal(fault_parse(&l, buf_as_slice(&b), again, &err), 1);
			assert_true(fault_same(&out[k], &again[0]));
		}
	}
	assert_true(taken > 100);
	buf_done(&b);
}

/* --- partitions --- */

static lane_set heard(const struct lanes *l, const struct partition *p, int node)
{
	return lanes_all_nodes(l) & ~p->drop[node];
}

/* What holds for all of them: nodes only, and everybody hears itself. */
static void is_sound(const struct lanes *l, const struct partition *p)
{
	for (int i = 0; i < NODES_MAX; i++) {
		assert_int_equal(p->drop[i] & ~lanes_all_nodes(l), 0);
		assert_int_equal(p->drop[i] & lane_bit(i), 0);
		if (i >= l->nodes)
			assert_int_equal(p->drop[i], 0);
	}
}

static void split_cuts_both_ways(void **state)
{
	(void)state;
	struct lanes l;
	struct partition p;
	lanes_init(&l, 5, 1);
	partition_split(&p, &l, 0x03 | lane_bit(6)); /* the service in it does not count */
	is_sound(&l, &p);
	for (int i = 0; i < 5; i++)
		assert_int_equal(heard(&l, &p, i), i < 2 ? 0x03 : 0x1c);
	assert_int_equal(partition_isolate(&p, &l, 3), 8);
	is_sound(&l, &p);
	for (int i = 0; i < 5; i++)
		assert_int_equal(heard(&l, &p, i), i == 3 ? 0x08 : 0x17);
	partition_one_way(&p, &l, 0x05);
	is_sound(&l, &p);
	for (int i = 0; i < 5; i++)
		assert_int_equal(heard(&l, &p, i), 0x05 >> i & 1 ? 0x1f : 0x1a);
}

static int count(lane_set s)
{
	return __builtin_popcountll(s);
}

static void halves_are_never_empty(void **state)
{
	(void)state;
	struct rng rng;
	rng_seed(&rng, 7);
	for (int n = 2; n <= NODES_MAX; n++) {
		struct lanes l;
		struct partition p;
		lanes_init(&l, n, 1);
		lane_set seen = 0, first = 0;
		bool varies = false;
		for (int i = 0; i < 100; i++) {
			lane_set part = partition_halves(&p, &l, &rng);
			is_sound(&l, &p);
			assert_int_equal(count(part), n / 2);
			for (int k = 0; k < n; k++)
				assert_int_equal(heard(&l, &p, k), part & lane_bit(k) ? part : lanes_all_nodes(&l) & ~part);
			varies |= i > 0 && part != first;
			first = part;
			seen |= part;
		}
		assert_true(varies);
		assert_int_equal(seen, lanes_all_nodes(&l));
	}
}

static void bridge_hears_all(void **state)
{
	(void)state;
	struct rng rng;
	rng_seed(&rng, 8);
	for (int n = 3; n <= NODES_MAX; n++) {
		struct lanes l;
		struct partition p;
		lanes_init(&l, n, 1);
		lane_set bridges = 0;
		for (int i = 0; i < 50; i++) {
			int bridge = partition_bridge(&p, &l, &rng);
			is_sound(&l, &p);
			bridges |= lane_bit(bridge);
			assert_int_equal(heard(&l, &p, bridge), lanes_all_nodes(&l));
			lane_set a = 0;
			for (int k = 0; k < n; k++) {
				if (k == bridge)
					continue;
				a = heard(&l, &p, k);
				assert_true(a & lane_bit(bridge));
				assert_true(count(a) - 1 == (n - 1) / 2 || count(a) - 1 == n / 2);
				for (int m = 0; m < n; m++)
					if (m != bridge) /* the halves are the same for all who are in them */
						assert_int_equal(heard(&l, &p, m) == a, (a & lane_bit(m)) != 0);
			}
		}
		assert_true(count(bridges) > 1);
	}
}

static void ring_gives_different_majorities(void **state)
{
	(void)state;
	struct rng rng;
	rng_seed(&rng, 9);
	for (int n = 3; n <= NODES_MAX; n++)
		for (int i = 0; i < 20; i++) {
			struct lanes l;
			struct partition p;
			lanes_init(&l, n, 1);
			partition_majorities_ring(&p, &l, &rng);
			is_sound(&l, &p);
			for (int a = 0; a < n; a++) {
				assert_int_equal(count(heard(&l, &p, a)), n / 2 + 1);
				for (int b = 0; b < a; b++)
					assert_true(heard(&l, &p, a) != heard(&l, &p, b));
			}
		}
}

static void small_clusters_do_not_break(void **state)
{
	(void)state;
	struct rng rng;
	rng_seed(&rng, 10);
	for (int n = 1; n <= 2; n++) {
		struct lanes l;
		struct partition p;
		lanes_init(&l, n, 1);
		partition_halves(&p, &l, &rng);
		is_sound(&l, &p);
		partition_bridge(&p, &l, &rng);
		is_sound(&l, &p);
		partition_majorities_ring(&p, &l, &rng);
		is_sound(&l, &p);
		partition_isolate(&p, &l, n - 1);
		is_sound(&l, &p);
	}
}

static void star_has_one_hub(void **state)
{
	(void)state;
	struct rng rng;
	rng_seed(&rng, 11);
	for (int n = 1; n <= NODES_MAX; n++) {
		struct lanes l;
		struct partition p;
		lanes_init(&l, n, 1);
		int hub = (int)rng_below(&rng, (uint64_t)n);
		lane_set spokes = rng_next(&rng) & lanes_all_nodes(&l) & ~lane_bit(hub);
		partition_star(&p, &l, hub, spokes | lane_bit(hub)); /* the hub is no spoke of its own */
		is_sound(&l, &p);
		assert_true(heard(&l, &p, hub) == (spokes | lane_bit(hub)));
		for (int i = 0; i < n; i++)
			if (i != hub)
				assert_true(heard(&l, &p, i) == (lane_bit(i) | (spokes & lane_bit(i) ? lane_bit(hub) : 0)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_fault_reads_back),
		cmocka_unit_test(faults_print_as_said),
		cmocka_unit_test(people_may_type_it_otherwise),
		cmocka_unit_test(mistakes_get_a_sentence),
		cmocka_unit_test(any_words_are_safe),
		cmocka_unit_test(split_cuts_both_ways),
		cmocka_unit_test(halves_are_never_empty),
		cmocka_unit_test(bridge_hears_all),
		cmocka_unit_test(ring_gives_different_majorities),
		cmocka_unit_test(small_clusters_do_not_break),
		cmocka_unit_test(star_has_one_hub),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
