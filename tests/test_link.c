/* Messages under way: order, chance, faults, timers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <malloc.h>
#include <stdio.h>

#include "link.h"
#include "proto.h"

enum { NODES = 5, ALL = 31, CALM_SEED = 42, MANY = 100000 };

static const int64_t never = INT64_MAX / 4; /* later than all that is due in these tests */

static struct link *make(const struct network *n, uint64_t seed)
{
	struct lanes l;
	lanes_init(&l, NODES, 1);
	return link_new(&l, n, seed);
}

static struct link_item message(uint64_t msg, int src, int dst)
{
	return (struct link_item){ .msg = msg, .src = (int16_t)src, .dst = (int16_t)dst, .body = SLICE("{}"), .type = 7 };
}

static int post(struct link *k, int64_t now, uint64_t msg, int src, int dst)
{
	struct link_item item = message(msg, src, dst);
	return link_send(k, now, &item);
}

static void fault(struct link *k, struct fault f)
{
	link_fault(k, &f);
}

static uint64_t pop_msg(struct link *k, int64_t now)
{
	struct link_item item;
	return link_pop(k, now, &item) ? item.msg : 0;
}

/* --- order --- */

static void items_come_by_time_then_by_entry(void **state)
{
	(void)state;
	struct link *k = make(&(struct network){ .mean_ns = 10 }, CALM_SEED);
	assert_true(link_due(k) == INT64_MAX);
	assert_int_equal(pop_msg(k, never), 0);
	assert_int_equal(post(k, 5, 1, 0, 1), 1);
	assert_int_equal(post(k, 0, 2, 0, 1), 1);
	assert_true(link_timer(k, 0, 3, SLICE("t"), 10)); /* ties with message 2 and came later */
	assert_int_equal(post(k, 0, 3, 4, 2), 1);
	assert_int_equal(link_pending(k), 4);
	assert_int_equal(link_due(k), 10);
	assert_int_equal(pop_msg(k, 9), 0);
	struct link_item item;
	assert_true(link_pop(k, 10, &item));
	assert_int_equal(item.msg, 2);
	assert_int_equal(item.kind, ITEM_MESSAGE);
	assert_int_equal(item.due_ns, 10);
	assert_int_equal(item.type, 7);
	assert_int_equal(item.copy, 0);
	assert_true(slice_is(item.body, "{}"));
	assert_true(link_pop(k, 10, &item));
	assert_int_equal(item.kind, ITEM_TIMER);
	assert_int_equal(item.msg, 0);
	assert_true(item.src == 3 && item.dst == 3);
	assert_true(slice_is(item.body, "t"));
	assert_int_equal(pop_msg(k, 10), 3);
	assert_int_equal(pop_msg(k, 10), 0);
	assert_int_equal(link_due(k), 15);
	assert_int_equal(pop_msg(k, 100), 1);
	assert_int_equal(link_pending(k), 0);
	link_free(k);
	link_free(NULL);
}

static void clients_and_self_are_never_touched(void **state)
{
	(void)state;
	const struct network bad = { .mean_ns = NS_PER_S, .loss_million = 1000000, .rate_bps = 1, .dup_million = 1000000 };
	const int client = NODES + SERVICES, pairs[][2] = { { client, 0 }, { 0, client + 7 }, { 2, 2 }, { LANE_NONE, 1 } };
	struct link *k = make(&bad, CALM_SEED);
	fault(k, (struct fault){ .kind = FAULT_CUT, .from = UINT64_MAX, .to = UINT64_MAX });
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		assert_int_equal(post(k, 50, i + 1, pairs[i][0], pairs[i][1]), 1);
		assert_int_equal(link_due(k), 50);
		assert_int_equal(pop_msg(k, 50), i + 1);
		assert_false(link_is_cut(k, pairs[i][0], pairs[i][1]));
		assert_int_equal(link_rule(k, pairs[i][0], pairs[i][1]).loss_million, 0);
	}
	assert_int_equal(post(k, 50, 9, 0, 1), 0);
	assert_int_equal(post(k, 50, 9, 0, NODES), 0); /* a service is behind a link */
	assert_true(link_is_cut(k, 0, NODES));
	link_free(k);
}

/* The heap against a list that is searched from end to end. */
struct model_entry {
	int64_t due;
	uint64_t order, msg; /* msg 0: a timer */
	int node, name;
};
struct model {
	struct model_entry e[4096];
	size_t n;
	uint64_t order;
};

static void model_add(struct model *m, int64_t due, uint64_t msg, int node, int name)
{
	assert_true(m->n < ARRAY_LEN(m->e));
	m->e[m->n++] = (struct model_entry){ due, m->order++, msg, node, name };
}

/* name -1: all of the node. */
static void model_stop(struct model *m, int node, int name)
{
	for (size_t i = 0; i < m->n;)
		if (m->e[i].msg == 0 && m->e[i].node == node && (name < 0 || m->e[i].name == name))
			m->e[i] = m->e[--m->n];
		else
			i++;
}

static size_t model_least(const struct model *m)
{
	size_t least = 0;
	for (size_t i = 1; i < m->n; i++)
		if (m->e[i].due < m->e[least].due || (m->e[i].due == m->e[least].due && m->e[i].order < m->e[least].order))
			least = i;
	return least;
}

static void model_pop(struct link *k, struct model *m, int64_t now)
{
	struct link_item item;
	size_t i = model_least(m);
	if (m->n == 0 || m->e[i].due > now) {
		assert_false(link_pop(k, now, &item));
		return;
	}
	assert_true(link_pop(k, now, &item));
	assert_int_equal(item.due_ns, m->e[i].due);
	assert_int_equal(item.msg, m->e[i].msg);
	if (item.kind == ITEM_TIMER) {
		char name[16];
		snprintf(name, sizeof name, "t%d", m->e[i].name);
		assert_true(slice_is(item.body, name));
		assert_int_equal(item.src, m->e[i].node);
	}
	m->e[i] = m->e[--m->n];
}

static void model_timer(struct link *k, struct model *m, struct rng *rng, int64_t now)
{
	int node = (int)rng_below(rng, NODES), name = (int)rng_below(rng, 40);
	char text[16];
	snprintf(text, sizeof text, "t%d", name);
	int64_t after = rng_below(rng, 4) ? (int64_t)rng_below(rng, 30) : -1;
	assert_true(link_timer(k, now, node, slice_of(text), after));
	memset(text, '!', sizeof text); /* the name must have been copied */
	model_stop(m, node, name);
	if (after >= 0)
		model_add(m, now + after, 0, node, name);
}

static void heap_agrees_with_a_list(void **state)
{
	(void)state;
	static struct model m; /* large; cleared below */
	for (uint64_t seed = 1; seed <= 20; seed++) {
		memset(&m, 0, sizeof m);
		struct rng rng;
		rng_seed(&rng, seed);
		struct link *k = make(&(struct network){ 0 }, seed);
		int64_t now = 0;
		uint64_t msg = 0, pops = 2 + seed % 4;
		for (int i = 0; i < 5000; i++) {
			uint64_t what = rng_below(&rng, 6 + pops);
			if (what < 3 && m.n < 1000) {
				int64_t latency = (int64_t)rng_below(&rng, 40);
				fault(k, (struct fault){ .kind = FAULT_LATENCY, .from = ALL, .to = ALL, .mean_ns = latency });
				msg++;
				assert_int_equal(post(k, now, msg, (int)(msg % NODES), (int)((msg + 1) % NODES)), 1);
				model_add(&m, now + latency, msg, -1, -1);
			} else if (what < 5) {
				model_timer(k, &m, &rng, now);
			} else if (what == 5 && rng_below(&rng, 20) == 0) {
				int node = (int)rng_below(&rng, NODES);
				link_forget_timers(k, node);
				model_stop(&m, node, -1);
			} else {
				now += rng_below(&rng, 3) ? 0 : (int64_t)rng_below(&rng, 8);
				model_pop(k, &m, now);
			}
			assert_int_equal(link_pending(k), m.n);
			assert_true(link_due(k) == (m.n ? m.e[model_least(&m)].due : INT64_MAX));
		}
		while (m.n)
			model_pop(k, &m, never);
		assert_int_equal(link_pending(k), 0);
		link_free(k);
	}
}

/* --- chance --- */

/* Latencies of MANY messages from n1 to n2, by message. */
static int64_t *latencies(const struct network *n, uint64_t seed)
{
	struct link *k = make(n, seed);
	int64_t *ns = xcalloc(MANY, sizeof *ns);
	for (int i = 0; i < MANY; i++)
		assert_int_equal(post(k, NS_PER_S, (uint64_t)i, 0, 1), 1);
	struct link_item item;
	while (link_pop(k, never, &item))
		ns[item.msg] = item.due_ns - NS_PER_S;
	link_free(k);
	return ns;
}

static double mean_of(const int64_t *ns)
{
	double sum = 0;
	for (int i = 0; i < MANY; i++)
		sum += (double)ns[i];
	return sum / MANY;
}

static double variance_of(const int64_t *ns)
{
	double mean = mean_of(ns), sum = 0;
	for (int i = 0; i < MANY; i++)
		sum += ((double)ns[i] - mean) * ((double)ns[i] - mean);
	return sum / MANY;
}

static double share_below(const int64_t *ns, int64_t limit)
{
	int n = 0;
	for (int i = 0; i < MANY; i++)
		n += ns[i] < limit;
	return (double)n / MANY;
}

static void is_near(double got, double want, double tolerance)
{
	if (got < want - tolerance || got > want + tolerance)
		fail_msg("%g is not %g +- %g", got, want, tolerance);
}

static const int64_t ms = NS_PER_MS;

static void constant_is_constant(void **state)
{
	(void)state;
	int64_t *ns = latencies(&(struct network){ .mean_ns = 80 * ms, .jitter_ns = 5 * ms }, 1);
	for (int i = 0; i < MANY; i++)
		assert_int_equal(ns[i], 80 * ms);
	free(ns);
}

static void uniform_fills_its_range(void **state)
{
	(void)state;
	int64_t *ns = latencies(&(struct network){ .mean_ns = 80 * ms, .jitter_ns = 10 * ms, .dist = DIST_UNIFORM }, 2);
	int64_t least = INT64_MAX, most = 0;
	for (int i = 0; i < MANY; i++) {
		least = ns[i] < least ? ns[i] : least;
		most = ns[i] > most ? ns[i] : most;
	}
	assert_true(least >= 70 * ms && least < 70 * ms + ms / 10);
	assert_true(most <= 90 * ms && most > 90 * ms - ms / 10);
	is_near(mean_of(ns), 80e6, 0.1e6);
	is_near(variance_of(ns), 1e14 / 3, 1e12);
	is_near(share_below(ns, 75 * ms), 0.25, 0.006);
	free(ns);
	/* Small ranges hit each of their values: 3 ns +- 2 ns. */
	ns = latencies(&(struct network){ .mean_ns = 3, .jitter_ns = 2, .dist = DIST_UNIFORM }, 3);
	for (int64_t v = 1; v <= 5; v++)
		is_near(share_below(ns, v + 1) - share_below(ns, v), 0.2, 0.006);
	is_near(share_below(ns, 1), 0, 0);
	is_near(share_below(ns, 6), 1, 0);
	free(ns);
	/* More jitter than mean: never into the past. */
	ns = latencies(&(struct network){ .mean_ns = 1, .jitter_ns = 10 * ms, .dist = DIST_UNIFORM }, 4);
	is_near(share_below(ns, 0), 0, 0);
	is_near(share_below(ns, 1), 0.5, 0.006);
	free(ns);
}

static void exponential_has_its_shape(void **state)
{
	(void)state;
	int64_t *ns = latencies(&(struct network){ .mean_ns = 50 * ms, .dist = DIST_EXPONENTIAL }, 5);
	is_near(mean_of(ns), 50e6, 0.6e6);
	is_near(variance_of(ns), 2.5e15, 1e14);
	/* 1 - e^-x */
	is_near(share_below(ns, 5 * ms), 0.09516, 0.004);
	is_near(share_below(ns, 50 * ms), 0.63212, 0.006);
	is_near(share_below(ns, 150 * ms), 0.95021, 0.003);
	is_near(share_below(ns, 300 * ms), 0.99752, 0.0006);
	is_near(share_below(ns, 0), 0, 0);
	free(ns);
}

static void normal_has_its_shape(void **state)
{
	(void)state;
	int64_t *ns = latencies(&(struct network){ .mean_ns = 80 * ms, .jitter_ns = 10 * ms, .dist = DIST_NORMAL }, 6);
	is_near(mean_of(ns), 80e6, 0.12e6);
	is_near(variance_of(ns), 1e14, 1.5e12);
	is_near(share_below(ns, 60 * ms), 0.02275, 0.0025);
	is_near(share_below(ns, 70 * ms), 0.15866, 0.006);
	is_near(share_below(ns, 80 * ms), 0.5, 0.006);
	is_near(share_below(ns, 95 * ms), 0.93319, 0.004);
	free(ns);
	ns = latencies(&(struct network){ .mean_ns = 10 * ms, .jitter_ns = 10 * ms, .dist = DIST_NORMAL }, 7);
	is_near(share_below(ns, 0), 0, 0); /* cut at 0 */
	is_near(share_below(ns, 1), 0.15866, 0.006);
	free(ns);
}

/* Which of MANY messages were lost, as a sum of those and as a bit per message. */
static int lost(const struct network *n, uint64_t seed, bool *out)
{
	struct link *k = make(n, seed);
	int count = 0;
	for (int i = 0; i < MANY; i++) {
		out[i] = post(k, 0, (uint64_t)i, 0, 1) == 0;
		count += out[i];
	}
	link_free(k);
	return count;
}

static void loss_is_as_often_as_said(void **state)
{
	(void)state;
	bool *some = xcalloc(MANY, sizeof *some), *more = xcalloc(MANY, sizeof *more);
	is_near(lost(&(struct network){ .loss_million = 300000 }, 8, some), 30000, 435); /* 3 sigma */
	is_near(lost(&(struct network){ .loss_million = 400000 }, 8, more), 40000, 465);
	for (int i = 0; i < MANY; i++)
		assert_true(!some[i] || more[i]); /* the same draws */
	int runs = 0;
	for (int i = 1; i < MANY; i++)
		runs += some[i] != some[i - 1];
	is_near(runs, 2 * 0.3 * 0.7 * MANY, 500); /* one loss says nothing about the next */
	assert_int_equal(lost(&(struct network){ .loss_million = 1000000 }, 8, some), MANY);
	assert_int_equal(lost(&(struct network){ 0 }, 8, some), 0);
	is_near(lost(&(struct network){ .loss_million = 100 }, 8, some), 10, 9.5);
	free(some);
	free(more);
}

static void doubles_have_a_latency_of_their_own(void **state)
{
	(void)state;
	const struct network n = { .mean_ns = 50 * ms, .jitter_ns = 50 * ms, .dist = DIST_UNIFORM, .dup_million = 250000 };
	struct link *k = make(&n, 9);
	int doubled = 0, seen[2] = { 0 }, second_first = 0;
	int64_t *due = xcalloc(MANY, sizeof *due);
	for (int i = 0; i < MANY; i++)
		doubled += post(k, 0, (uint64_t)i, 0, 1) - 1;
	struct link_item item;
	while (link_pop(k, never, &item)) {
		seen[item.copy]++;
		second_first += item.copy && due[item.msg] == 0;
		due[item.msg] = item.due_ns;
	}
	is_near(doubled, 25000, 411);
	assert_int_equal(seen[0], MANY);
	assert_int_equal(seen[1], doubled);
	is_near(second_first, doubled / 2.0, 250); /* the second copy is as fast as the first */
	free(due);
	link_free(k);
}

static void reordering_really_overtakes(void **state)
{
	(void)state;
	for (int pass = 0; pass < 2; pass++) {
		const struct network n = { .mean_ns = 10 * ms, .reorder_million = pass ? 100000 : 0 };
		struct link *k = make(&n, 10);
		int overtaken = 0, late = 0;
		for (int i = 1; i <= MANY; i++)
			post(k, i * ms, (uint64_t)i, 0, 1);
		struct link_item item;
		uint64_t highest = 0;
		while (link_pop(k, never, &item)) {
			int64_t hold = item.due_ns - 10 * ms - (int64_t)item.msg * ms;
			assert_true(hold >= 0 && hold <= 50 * ms); /* 4 latencies + 10 ms */
			late += hold > 0;
			overtaken += item.msg < highest;
			highest = item.msg > highest ? item.msg : highest;
		}
		link_free(k);
		is_near(late, pass ? 10000 : 0, pass ? 285 : 0);
		assert_true(pass ? overtaken > 9000 && overtaken < 11000 : overtaken == 0);
	}
}

static void a_rate_makes_a_queue(void **state)
{
	(void)state;
	struct link *k = make(&(struct network){ .mean_ns = 5 * ms, .rate_bps = 1000 }, 11);
	struct link_item item = message(1, 0, 1);
	item.body = (struct slice){ "0123456789", 10 }; /* 10 ms at 1000 bytes a second */
	for (item.msg = 1; item.msg <= 3; item.msg++)
		link_send(k, 0, &item);
	item.msg = 4; /* the other way has a queue of its own */
	item.src = 1;
	item.dst = 0;
	link_send(k, 0, &item);
	static const int64_t due_ms[] = { 15, 15, 25, 35 }, msg[] = { 1, 4, 2, 3 };
	struct link_item out;
	for (int i = 0; i < 4; i++) {
		assert_int_equal(link_due(k), due_ms[i] * ms);
		assert_true(link_pop(k, never, &out));
		assert_int_equal(out.msg, msg[i]);
	}
	/* After a rest the queue is empty again. */
	link_send(k, 100 * ms, &item);
	assert_int_equal(link_due(k), 115 * ms);
	link_pop(k, never, &out);
	/* Without a limit there is no queue; a slow one does not pass the end of time. */
	fault(k, (struct fault){ .kind = FAULT_RATE, .from = ALL, .to = ALL });
	link_send(k, 101 * ms, &item);
	assert_int_equal(link_due(k), 106 * ms);
	link_pop(k, never, &out);
	fault(k, (struct fault){ .kind = FAULT_RATE, .from = ALL, .to = ALL, .rate_bps = 1 });
	item.body.n = SIZE_MAX / 2; /* never read */
	int64_t last = 0;
	for (int i = 0; i < 10; i++)
		assert_int_equal(link_send(k, 0, &item), 1);
	for (int i = 0; i < 10; i++, last = out.due_ns) {
		assert_true(link_pop(k, INT64_MAX, &out));
		assert_true(out.due_ns >= last);
	}
	link_free(k);
}

/* A hash of all that arrives from a random traffic; `f` acts in the middle. */
static uint64_t fate(uint64_t seed, const struct network *n, const struct fault *f, int only_src)
{
	struct link *k = make(n, seed);
	struct rng rng;
	rng_seed(&rng, 99);
	uint64_t h = 0;
	for (int i = 1; i <= 2000; i++) {
		if (f && i == 1000)
			link_fault(k, f);
		int src = (int)rng_below(&rng, NODES), dst = (int)rng_below(&rng, NODES + SERVICES);
		post(k, i * ms, (uint64_t)i, src, dst);
		struct link_item item;
		while (link_pop(k, i * ms, &item))
			if (only_src < 0 || item.src == only_src) {
				int64_t what[] = { item.due_ns, (int64_t)item.msg, item.copy };
				h = hash_bytes(h, what, sizeof what);
			}
	}
	link_free(k);
	return h;
}

static const struct network rough = { .mean_ns = 30 * NS_PER_MS, .jitter_ns = 10 * NS_PER_MS, .dist = DIST_NORMAL,
	                              .loss_million = 100000, .dup_million = 100000, .reorder_million = 100000 };

static void same_seed_same_fate(void **state)
{
	(void)state;
	struct network n = rough;
	for (int dist = 0; dist < DIST_COUNT; dist++) {
		n.dist = (uint8_t)dist;
		assert_true(fate(1, &n, NULL, -1) == fate(1, &n, NULL, -1));
		assert_true(fate(1, &n, NULL, -1) != fate(2, &n, NULL, -1));
	}
	/* What happens to n2's links changes nothing for n1's. */
	const struct fault f = { .kind = FAULT_DUPLICATE, .from = 2, .to = ALL, .p_million = 900000 };
	assert_true(fate(1, &rough, &f, -1) != fate(1, &rough, NULL, -1));
	assert_true(fate(1, &rough, &f, 0) == fate(1, &rough, NULL, 0));
}

/* A seed means the same on every machine: these latencies were drawn once and hold for good. */
static void draws_are_the_same_everywhere(void **state)
{
	(void)state;
	static const int64_t want[DIST_COUNT][3] = {
		{ 50000000, 50000000, 50000000 },
		{ 58702677, 53888915, 49842010 },
		{ 3353284, 18232064, 35453616 },
		{ 64647369, 44609528, 53144378 },
	};
	for (int dist = 0; dist < DIST_COUNT; dist++) {
		struct network n = { .mean_ns = 50 * ms, .jitter_ns = 10 * ms, .dist = (uint8_t)dist };
		struct link *k = make(&n, 1);
		for (int i = 0; i < 3; i++) {
			struct link_item item;
			post(k, 0, 1, 0, 1);
			assert_true(link_pop(k, never, &item));
			assert_int_equal(item.due_ns, want[dist][i]);
		}
		link_free(k);
	}
}

static void one_probability_leaves_the_others_alone(void **state)
{
	(void)state;
	struct network n = rough, lossy = rough;
	lossy.loss_million = 500000;
	struct link *a = make(&n, 12), *b = make(&lossy, 12);
	int both = 0;
	for (int i = 1; i <= 10000; i++) {
		struct link_item x, y;
		int in_a = post(a, 0, (uint64_t)i, 0, 1), in_b = post(b, 0, (uint64_t)i, 0, 1);
		both += in_a && in_b;
		assert_true(in_b == 0 || in_a == in_b);
		while (link_pop(a, never, &x))
			if (in_b) {
				assert_true(link_pop(b, never, &y));
				assert_int_equal(x.due_ns, y.due_ns);
				assert_int_equal(x.copy, y.copy);
			}
	}
	assert_true(both > 4000 && both < 6000);
	link_free(a);
	link_free(b);
}

/* --- faults --- */

static void a_cut_is_one_way_and_looked_at_on_arrival(void **state)
{
	(void)state;
	struct link *k = make(&(struct network){ .mean_ns = 10 * ms }, 13);
	assert_int_equal(post(k, 0, 1, 0, 1), 1);
	fault(k, (struct fault){ .kind = FAULT_CUT, .from = 0x1, .to = 0x6 });
	assert_int_equal(post(k, 0, 2, 0, 1), 1); /* a cut takes nothing at the sender */
	for (int src = 0; src < NODES + SERVICES; src++)
		for (int dst = 0; dst < NODES + SERVICES; dst++)
			assert_int_equal(link_is_cut(k, src, dst), src == 0 && (dst == 1 || dst == 2));
	fault(k, (struct fault){ .kind = FAULT_CUT, .from = 0x8, .to = 0x2 });
	assert_true(link_is_cut(k, 0, 1) && link_is_cut(k, 3, 1));
	fault(k, (struct fault){ .kind = FAULT_UNCUT, .from = 0x1, .to = 0x2 });
	assert_true(!link_is_cut(k, 0, 1) && link_is_cut(k, 3, 1) && link_is_cut(k, 0, 2));
	assert_int_equal(link_pending(k), 2);
	fault(k, (struct fault){ .kind = FAULT_HEAL });
	for (int src = 0; src < NODES; src++)
		for (int dst = 0; dst < NODES; dst++)
			assert_false(link_is_cut(k, src, dst));
	fault(k, (struct fault){ .kind = FAULT_CUT, .from = ALL, .to = ALL });
	assert_false(link_is_cut(k, 2, 2));
	link_free(k);
}

static bool rule_same(struct network a, struct network b)
{
	return a.mean_ns == b.mean_ns && a.jitter_ns == b.jitter_ns && a.dist == b.dist && a.loss_million == b.loss_million &&
	       a.dup_million == b.dup_million && a.reorder_million == b.reorder_million && a.rate_bps == b.rate_bps;
}

static void faults_set_rules_and_heal_takes_them_back(void **state)
{
	(void)state;
	struct network home = rough;
	home.rate_bps = 5000;
	struct link *k = make(&home, 14);
	const lane_set from = 0x3, to = 0x4 | lane_bit(NODES + SERVICE_LWW_KV);
	const struct fault faults[] = {
		{ .kind = FAULT_LATENCY, .from = from, .to = to, .mean_ns = 7, .jitter_ns = 3, .dist = DIST_UNIFORM },
		{ .kind = FAULT_LOSS, .from = from, .to = to, .p_million = 1 },
		{ .kind = FAULT_DUPLICATE, .from = from, .to = to, .p_million = 2 },
		{ .kind = FAULT_REORDER, .from = from, .to = to, .p_million = 3 },
		{ .kind = FAULT_RATE, .from = from, .to = to, .rate_bps = 4 },
	};
	const struct network want = { 7, 3, DIST_UNIFORM, 1, 2, 3, 4 };
	for (size_t i = 0; i < ARRAY_LEN(faults); i++)
		link_fault(k, &faults[i]);
	for (int src = 0; src < NODES + SERVICES; src++)
		for (int dst = 0; dst < NODES + SERVICES; dst++) {
			bool hit = (from & lane_bit(src)) && (to & lane_bit(dst));
			if (src != dst)
				assert_true(rule_same(link_rule(k, src, dst), hit ? want : home));
		}
	fault(k, (struct fault){ .kind = FAULT_HEAL });
	for (int src = 0; src < NODES + SERVICES; src++)
		for (int dst = 0; dst < NODES + SERVICES; dst++)
			if (src != dst)
				assert_true(rule_same(link_rule(k, src, dst), home));
	link_free(k);
}

static void the_largest_cluster_fits(void **state)
{
	(void)state;
	struct lanes l;
	lanes_init(&l, NODES_MAX, 1);
	struct link *k = link_new(&l, &(struct network){ .mean_ns = 1 }, 1);
	fault(k, (struct fault){ .kind = FAULT_CUT, .from = UINT64_MAX, .to = UINT64_MAX });
	assert_true(link_is_cut(k, 63, 0) && link_is_cut(k, 0, 63));
	fault(k, (struct fault){ .kind = FAULT_LOSS, .from = UINT64_MAX, .to = UINT64_MAX, .p_million = 1000000 });
	assert_int_equal(post(k, 0, 1, 59, 63), 0);
	assert_int_equal(post(k, 0, 1, 59, 64), 1);
	link_free(k);
}

/* --- timers --- */

static bool arm(struct link *k, int64_t now, int node, const char *name, int64_t after)
{
	return link_timer(k, now, node, slice_of(name), after);
}

static void timers_rearm_stop_and_are_forgotten(void **state)
{
	(void)state;
	struct link *k = make(&(struct network){ 0 }, 15);
	struct link_item item;
	assert_true(arm(k, 0, 0, "election", 100));
	assert_true(arm(k, 50, 0, "election", 100)); /* later */
	assert_int_equal(link_due(k), 150);
	assert_true(arm(k, 60, 0, "election", 10)); /* sooner */
	assert_true(arm(k, 60, 1, "election", 5));  /* another node's */
	assert_true(arm(k, 60, 0, "heartbeat", 20));
	assert_int_equal(link_pending(k), 3);
	assert_true(link_pop(k, 100, &item) && item.src == 1 && item.due_ns == 65);
	assert_true(link_pop(k, 100, &item) && item.src == 0 && item.due_ns == 70 && slice_is(item.body, "election"));
	assert_int_equal(item.generation, 3);
	assert_true(link_pop(k, 100, &item) && slice_is(item.body, "heartbeat"));
	assert_false(link_pop(k, never, &item)); /* each goes off once */
	assert_true(arm(k, 100, 0, "election", 0)); /* and can be set again, also for now */
	assert_int_equal(link_due(k), 100);
	assert_true(arm(k, 100, 0, "election", -1));
	assert_true(arm(k, 100, 0, "election", -1));
	assert_true(arm(k, 100, 2, "never was", -1));
	assert_int_equal(link_pending(k), 0);
	for (int i = 0; i < 3; i++) {
		arm(k, 0, 0, "a", 10);
		arm(k, 0, 0, "b", 20);
		arm(k, 0, 1, "a", 30);
		post(k, 0, 5, 0, 1);
		link_forget_timers(k, 0);
		assert_int_equal(link_pending(k), 2); /* the message stays, and so does the other's timer */
		assert_int_equal(pop_msg(k, never), 5);
		assert_true(link_pop(k, never, &item) && item.src == 1);
	}
	/* After a time that is too long for the clock. */
	assert_true(arm(k, 1000, 0, "long", INT64_MAX));
	assert_true(link_due(k) > INT64_MAX / 4);
	link_free(k);
}

static void a_rearmed_timer_goes_behind_what_is_due_then(void **state)
{
	(void)state;
	struct link *k = make(&(struct network){ .mean_ns = 10 }, 16);
	arm(k, 0, 0, "t", 10);
	post(k, 0, 1, 0, 1);
	arm(k, 0, 0, "t", 10);
	assert_int_equal(pop_msg(k, 10), 1);
	link_free(k);
}

static void too_many_timers_are_refused(void **state)
{
	(void)state;
	struct link *k = make(&(struct network){ 0 }, 17);
	char name[16];
	for (int i = 0; i < TIMERS_MAX; i++) {
		snprintf(name, sizeof name, "t%d", i);
		assert_true(arm(k, 0, 0, name, 10 + i));
	}
	assert_false(arm(k, 0, 0, "one more", 1));
	assert_true(arm(k, 0, 0, "t7", 1));      /* setting again takes no place */
	assert_true(arm(k, 0, 1, "one more", 5000)); /* another node has its own limit */
	struct link_item item;
	assert_true(link_pop(k, 1, &item));
	assert_true(arm(k, 0, 0, "one more", 1)); /* one that went off made a place */
	assert_false(arm(k, 0, 0, "t7", 1));
	assert_true(arm(k, 0, 0, "t8", -1)); /* and so does one that was stopped */
	assert_true(arm(k, 0, 0, "t7", 1));
	assert_false(arm(k, 0, 0, "t8", 1));
	link_forget_timers(k, 0);
	assert_int_equal(link_pending(k), 1);
	assert_true(arm(k, 0, 0, "t8", 1));
	link_free(k);
}

static void names_stay_where_they_are(void **state)
{
	(void)state;
	enum { NAMES = 20000 };
	struct link *k = make(&(struct network){ 0 }, 18);
	struct slice *seen = xcalloc(NAMES, sizeof *seen);
	char name[32];
	struct link_item item;
	for (int i = 0; i < NAMES; i++) { /* a name of its own for each, as for time-outs of requests */
		snprintf(name, sizeof name, "rpc-%d", i);
		assert_true(arm(k, i, 0, name, 0));
		assert_true(link_pop(k, i, &item));
		seen[i] = item.body;
	}
	for (int i = 0; i < NAMES; i++) {
		snprintf(name, sizeof name, "rpc-%d", i);
		assert_true(slice_is(seen[i], name));
		assert_true(arm(k, 0, 0, name, 0) && link_pop(k, 0, &item));
		assert_ptr_equal(item.body.s, seen[i].s);
	}
	free(seen);
	link_free(k);
}

static void a_million_rearms_cost_no_memory(void **state)
{
	(void)state;
	struct link *k = make(&(struct network){ .mean_ns = 100 }, 19);
	struct link_item item;
	size_t before = 0;
	for (int64_t i = 0; i < 1000000; i++) {
		if (i == 1000)
			before = mallinfo2().uordblks;
		int node = (int)(i % NODES);
		post(k, i, 1, node, (node + 1) % NODES);
		arm(k, i, node, "election", 150000 + (i * 7919) % 150000);
		if (i % 3 == 0) {
			arm(k, i, node, "heartbeat", 50000);
			arm(k, i, node, "heartbeat", -1);
		}
		while (link_pop(k, i, &item))
			assert_int_equal(item.kind, ITEM_MESSAGE);
	}
	assert_true(link_pending(k) <= 100 + NODES);
	assert_true(mallinfo2().uordblks <= before + 4096);
	link_free(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(items_come_by_time_then_by_entry),
		cmocka_unit_test(clients_and_self_are_never_touched),
		cmocka_unit_test(heap_agrees_with_a_list),
		cmocka_unit_test(constant_is_constant),
		cmocka_unit_test(uniform_fills_its_range),
		cmocka_unit_test(exponential_has_its_shape),
		cmocka_unit_test(normal_has_its_shape),
		cmocka_unit_test(loss_is_as_often_as_said),
		cmocka_unit_test(doubles_have_a_latency_of_their_own),
		cmocka_unit_test(reordering_really_overtakes),
		cmocka_unit_test(a_rate_makes_a_queue),
		cmocka_unit_test(same_seed_same_fate),
		cmocka_unit_test(draws_are_the_same_everywhere),
		cmocka_unit_test(one_probability_leaves_the_others_alone),
		cmocka_unit_test(a_cut_is_one_way_and_looked_at_on_arrival),
		cmocka_unit_test(faults_set_rules_and_heal_takes_them_back),
		cmocka_unit_test(the_largest_cluster_fits),
		cmocka_unit_test(timers_rearm_stop_and_are_forgotten),
		cmocka_unit_test(a_rearmed_timer_goes_behind_what_is_due_then),
		cmocka_unit_test(too_many_timers_are_refused),
		cmocka_unit_test(names_stay_where_they_are),
		cmocka_unit_test(a_million_rearms_cost_no_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
