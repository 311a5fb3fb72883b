/* lab_tally.c - a lab for the tests of replay and shrink alone: every node gets every number. */
#include "lab.h"

extern const struct lab lab_tally;

enum { CLIENTS = 3, WAIT_MS = 3000 };

static void next_add(struct play *p, struct op *op, struct rng *rng, struct buf *body, void *arg)
{
	(void)arg;
	op->node = (int)rng_below(rng, (uint64_t)play_nodes(p));
	op->value = op->ordinal;
	buf_printf(body, "{\"type\":\"add\",\"value\":%lld}", (long long)op->value);
}

static bool holds(const json_t *values, int64_t value)
{
	for (size_t i = 0; i < json_array_size(values); i++)
		if (json_integer_value(json_array_get(values, i)) == value)
			return true;
	return false;
}

static void need_all(struct play *p)
{
	const struct history *h = play_history(p);
	size_t adds = history_count(h);
	for (int node = 0; node < play_nodes(p); node++) {
		const struct op *read = play_ask(p, node, "{\"type\":\"read\"}");
		const json_t *values = json_get(play_need_answer(p, read), "values");
		for (size_t i = 0; i < adds; i++) {
			const struct op *op = history_at(h, i);
			if (op->status == OP_OK && op->shrinkable && !holds(values, op->value))
				FAIL(p, .rule = "every node has every number",
					.expected = play_text(p, "%lld at %s", (long long)op->value, play_node_name(p, node)),
					.seen = play_text(p, "%s has %zu numbers, and %lld is not among them", play_node_name(p, node),
						json_array_size(values), (long long)op->value),
					.nodes = lane_bit(node), .evidence = { op->call_seq, op->return_seq, read->return_seq });
		}
	}
}

static void play_adds(struct play *p, const struct workload *w)
{
	play_workload(p, w);
	play_calm(p);
	play_note(p, "quiet phase");
	play_for(p, WAIT_MS);
	need_all(p);
}

static void play_faults(struct play *p)
{
	play_nemesis(p, &(struct nemesis){ .kinds = NEMESIS_HALVES | NEMESIS_ISOLATE | NEMESIS_LOSS | NEMESIS_PAUSE,
		.every_ms = 1500, .hold_ms = 400, .duration_ms = 9000 });
	play_adds(p, &(struct workload){ .clients = CLIENTS, .duration_ms = 9000, .rate = 20, .next = next_add });
}

static void play_kills(struct play *p)
{
	play_nemesis(p, &(struct nemesis){ .kinds = NEMESIS_KILL | NEMESIS_SWIZZLE, .every_ms = 1000, .hold_ms = 300,
		.duration_ms = 6000 });
	play_adds(p, &(struct workload){ .clients = CLIENTS, .duration_ms = 6000, .rate = 20, .next = next_add });
}

static void play_calm_day(struct play *p)
{
	play_adds(p, &(struct workload){ .clients = CLIENTS, .count = 12, .next = next_add });
}

static void play_one_cut(struct play *p)
{
	play_cut_off(p, lane_bit(2));
	play_adds(p, &(struct workload){ .clients = 1, .count = 4, .rate = 200, .next = next_add });
}

/* The client tells each node itself: three requests, one operation. */
static void next_of_three(struct play *p, struct op *op, struct rng *rng, struct buf *body, void *arg)
{
	if (!op->before) {
		next_add(p, op, rng, body, arg);
		return;
	}
	op->node = (op->before->node + 1) % play_nodes(p);
	op->value = op->before->value;
	buf_printf(body, "{\"type\":\"add\",\"value\":%lld}", (long long)op->value);
}

static int64_t until_three(struct play *p, struct op *op, void *arg)
{
	(void)p;
	(void)arg;
	return op->before && op->before->before ? -1 : 20;
}

static void play_again(struct play *p)
{
	play_adds(p, &(struct workload){ .clients = CLIENTS, .count = 12, .next = next_of_three, .again = until_three });
}

static const struct test tally_tests[] = {
	{ "calm", "without faults", 25, TEST_SAFETY, 3, 60000, play_calm_day, NULL, 0, { 0 }, NULL },
	{ "cut", "n3 is cut off for a while", 25, TEST_SAFETY, 3, 60000, play_one_cut, NULL, 0, { 0 }, NULL },
	{ "faults", "partitions, loss and pauses", 25, TEST_SAFETY, 5, 60000, play_faults, NULL, 0, { 0 }, NULL },
	{ "kills", "nodes are killed and cut off", 25, TEST_SAFETY, 3, 60000, play_kills, NULL, 0, { 0 }, NULL },
	{ "again", "an operation is three requests", 0, TEST_SAFETY, 3, 60000, play_again, NULL, 0, { 0 }, NULL },
	{ 0 },
};

const struct lab lab_tally = {
	.id = "tally", .title = "every node gets every number", .stage = 9, .kind = LAB_LINES, .tests = tally_tests,
};
