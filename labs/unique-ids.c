/* unique-ids.c - every node answers `generate {}` with `generate_ok {id}`, and no id is ever given twice: not by two
 * nodes, not at one instant, not while the network is cut, not after a crash.
 *
 * An id is any JSON value but null. Ids are compared as JSON values (canon.h): 1 and 1.0 are one id, 1 and "1" are two. */
#include "canon.h"
#include "lab.h"

#include <stdlib.h>

enum { ASK_LIMIT_MS = 5000, BURST = 100, IDS_ONE = 400, IDS_THREE = 3000, CLIENTS = 12 };

/* A node was killed while it had the request: no answer is no fault. Kept in op->extra. */
enum { MAY_BE_LOST = 1 };

static const struct slice generate = { "{\"type\":\"generate\"}", sizeof "{\"type\":\"generate\"}" - 1 };

/* --- every request is answered --- */

/* The network was cut at some time since the call. */
static bool was_cut(const struct play *p, uint64_t call_seq)
{
	const struct trace *t = play_trace(p);
	for (uint64_t s = trace_count(t); s >= 1; s--) {
		const struct event *e = trace_at(t, s);
		if (e->kind != EVENT_FAULT || e->arg == FAULT_UNCUT)
			continue;
		if (e->arg != FAULT_HEAL || s < call_seq)
			return e->arg != FAULT_HEAL;
	}
	return false;
}

/* The first message from the node that was dropped after the call. */
static uint64_t first_drop(const struct play *p, const struct op *op)
{
	const struct trace *t = play_trace(p);
	for (uint64_t s = op->call_seq; s <= trace_count(t); s++)
		if (trace_at(t, s)->kind == EVENT_DROP && trace_at(t, s)->src == op->node)
			return s;
	return 0;
}

static void need_answer(struct play *p, const struct op *op)
{
	if (op->status == OP_OK || op->status == OP_PENDING || op->status == OP_SKIPPED)
		return;
	if (op->extra == MAY_BE_LOST && op->answer.n == 0)
		return;
	if (op->code == ERROR_NOT_SUPPORTED || !was_cut(p, op->call_seq))
		play_need_answer(p, op);
	const char *name = play_node_name(p, op->node);
	FAIL(p, .rule = "generate is answered also while the network is cut",
		.expected = play_text(p, "generate_ok from %s: it runs, and the client reaches it", name),
		.seen = op->answer.n ? play_text(p, "%s answered %s", name, play_quote(p, op->answer)) :
			play_text(p, "%s did not answer within %.1f s, while other nodes or services were out of its reach", name,
				ASK_LIMIT_MS / 1000.0),
		.hint = "make the id from what the node knows by itself (its own name and a count), so that it waits for nobody",
		.nodes = lane_bit(op->node), .t_ns = op->return_seq ? op->return_ns : 0,
		.evidence = { op->call_seq, first_drop(p, op), op->return_seq });
}

/* --- no id twice --- */

struct given {
	struct slice id; /* canonical, in the run's arena */
	const struct op *op;
};

static struct given take_id(struct play *p, const struct op *op)
{
	struct slice id = json_member(op->answer, "id");
	if (!id.s || slice_is(id, "null"))
		FAIL(p, .rule = "generate_ok carries an id",
			.expected = "{\"type\":\"generate_ok\",\"id\":...} with any JSON value but null",
			.seen = play_text(p, "%s answered %s", play_node_name(p, op->node), play_quote(p, op->answer)),
			.hint = id.s ? "null is no id: give a text or a number" : "the key is called \"id\"",
			.nodes = lane_bit(op->node), .t_ns = op->return_ns, .evidence = { op->call_seq, op->return_seq });
	struct buf b = BUF_EMPTY;
	json_canon(&b, id);
	struct given g = { arena_copy(play_arena(p), buf_as_slice(&b)), op };
	buf_done(&b);
	return g;
}

/* Equal ids stand together, in the order of their answers. */
static int by_id(const void *a, const void *b)
{
	const struct given *x = a, *y = b;
	int order = memcmp(x->id.s, y->id.s, x->id.n < y->id.n ? x->id.n : y->id.n);
	if (order == 0 && x->id.n != y->id.n)
		order = x->id.n < y->id.n ? -1 : 1;
	return order ? order : x->op->return_seq < y->op->return_seq ? -1 : 1;
}

/* The node was started anew between two events. */
static uint64_t restart_between(const struct play *p, int node, uint64_t from, uint64_t to)
{
	for (uint64_t s = from; s < to; s++) {
		const struct event *e = trace_at(play_trace(p), s);
		if (e->kind == EVENT_START && e->src == node)
			return s;
	}
	return 0;
}

static const char *hint_for(const struct op *a, const struct op *b, uint64_t restart)
{
	if (a->node != b->node)
		return "the two nodes count alike, or know the same clock: make the node's own name (node_id in init) a part of "
		       "each id";
	if (restart)
		return "what a process keeps in memory is gone after kill -9. Keep in data_dir how far you have counted, before you "
		       "answer; or count in data_dir how often the node was started, and make that a part of each id";
	if (a->return_ns == b->return_ns)
		return "both were given at the same instant: a clock alone makes no id. Add a counter";
	return "the node repeats itself. A clock can stand still between two requests, and a short random number comes again; a "
	       "counter that only goes up never repeats";
}

static double seconds(int64_t ns)
{
	return (double)ns / (double)NS_PER_S;
}

static _Noreturn void fail_twice(struct play *p, const struct given *a, const struct given *b, size_t twice, size_t n)
{
	const struct op *x = a->op, *y = b->op;
	uint64_t restart = x->node == y->node ? restart_between(p, x->node, x->return_seq, y->return_seq) : 0;
	struct slice id = json_member(y->answer, "id");
	const char *first = play_node_name(p, x->node), *second = play_node_name(p, y->node);
	FAIL(p, .rule = "no id is given twice",
		.expected = play_text(p, "%zu different ids for %zu requests", n, n),
		.seen = play_text(p, "%s gave the id %.*s%s at %.3f s, and %s gave it %s at %.3f s%s. In all, %zu of the ids had been "
			"given before", first, id.n > 80 ? 80 : (int)id.n, id.s, id.n > 80 ? "..." : "", seconds(x->return_ns),
			x->node == y->node ? "the same node" : second, x->node == y->node ? "again" : "too", seconds(y->return_ns),
			restart ? ", after it had been killed and started again" : "", twice),
		.hint = hint_for(x, y, restart), .nodes = lane_bit(x->node) | lane_bit(y->node), .t_ns = y->return_ns ? y->return_ns : 1,
		.evidence = { x->return_seq, restart, y->call_seq, y->return_seq });
}

static void check_ids(struct play *p)
{
	const struct history *h = play_history(p);
	struct given *all = arena_alloc(play_arena(p), (history_count(h) + 1) * sizeof *all);
	size_t n = 0, twice = 0, first = 0;
	for (size_t i = 0; i < history_count(h); i++)
		if (history_at(h, i)->status == OP_OK && strcmp(history_at(h, i)->f, "generate") == 0)
			all[n++] = take_id(p, history_at(h, i));
	qsort(all, n, sizeof *all, by_id);
	for (size_t i = 1; i < n; i++) {
		if (!slice_eq(all[i].id, all[i - 1].id))
			continue;
		if (twice++ == 0 || all[i].op->return_seq < all[first].op->return_seq)
			first = i;
	}
	play_measure(p, "ids", (double)n, "", NULL);
	if (twice > 0)
		fail_twice(p, &all[first - 1], &all[first], twice, n);
}

static void check_all(struct play *p)
{
	const struct history *h = play_history(p);
	for (size_t i = 0; i < history_count(h); i++)
		need_answer(p, history_at(h, i));
	check_ids(p);
}

/* --- scenarios --- */

/* Requests to every node of a set at one instant; waits for the answers. */
static void burst(struct play *p, lane_set nodes, int each)
{
	struct op *op[BURST];
	int n = 0;
	for (int i = 0; i < each; i++)
		for (int node = 0; node < play_nodes(p) && n < BURST; node++)
			if ((nodes & lane_bit(node)) && play_is_up(p, node))
				op[n++] = play_send_body(p, -1, node, generate, ASK_LIMIT_MS);
	for (int i = 0; i < n; i++) {
		play_wait(p, op[i]);
		need_answer(p, op[i]);
	}
}

static void next_generate(struct play *p, struct op *op, struct rng *rng, struct buf *body, void *arg)
{
	(void)arg;
	op->node = (int)rng_below(rng, (uint64_t)play_nodes(p));
	buf_slice(body, generate);
}

static void generate_done(struct play *p, struct op *op, void *arg)
{
	(void)arg;
	need_answer(p, op);
}

static void ask_many(struct play *p, double rate, int64_t duration_ms, int64_t count)
{
	play_workload(p, &(struct workload){ .clients = CLIENTS, .rate = rate, .duration_ms = duration_ms, .count = count,
		.timeout_ms = ASK_LIMIT_MS, .next = next_generate, .done = generate_done });
}

static void play_one(struct play *p)
{
	burst(p, lane_bit(0), 1);
	burst(p, lane_bit(0), BURST);
	ask_many(p, 200, 0, IDS_ONE);
}

static void play_three(struct play *p)
{
	burst(p, lanes_all_nodes(play_lanes(p)), BURST / 3);
	ask_many(p, 1500, 0, IDS_THREE);
}

/* In the end nobody hears anybody, and no service either. */
static void play_partitioned(struct play *p)
{
	static const struct cut_step steps[] = { { 500, CUT_HALVES }, { 3500, CUT_NOTHING }, { 4000, CUT_RING }, { 7000, CUT_NOTHING },
		{ 7500, CUT_ALL_AND_SERVICES } };
	play_cuts(p, steps, ARRAY_LEN(steps));
	ask_many(p, 150, 11000, 0);
	burst(p, lanes_all_nodes(play_lanes(p)), 5);
	play_heal(p);
}

static bool has_ended(struct play *p, void *op)
{
	(void)p;
	return ((const struct op *)op)->status != OP_PENDING;
}

/* Kills a node that has answered one of ten requests. */
static void kill_busy(struct play *p, int node)
{
	struct op *op[10];
	for (size_t i = 0; i < ARRAY_LEN(op); i++) {
		op[i] = play_send_body(p, -1, node, generate, ASK_LIMIT_MS);
		op[i]->extra = MAY_BE_LOST;
	}
	play_until(p, has_ended, op[0], ASK_LIMIT_MS);
	play_kill(p, node);
	play_start(p, node);
	for (size_t i = 0; i < ARRAY_LEN(op); i++)
		play_wait(p, op[i]);
}

static void kill_idle(struct play *p, int node)
{
	play_kill(p, node);
	play_start(p, node);
}

static void play_restart(struct play *p)
{
	lane_set all = lanes_all_nodes(play_lanes(p));
	int victim = (int)rng_below(play_rng(p), 3);
	burst(p, all, 20);
	kill_idle(p, victim);
	burst(p, all, 20);
	kill_busy(p, (victim + 1) % 3);
	burst(p, all, 10);
	kill_idle(p, victim); /* and again before it has given an id */
	kill_idle(p, victim);
	burst(p, all, 20);
	for (int i = 0; i < 3; i++)
		play_kill(p, i);
	for (int i = 0; i < 3; i++)
		play_start(p, i);
	burst(p, all, 30);
}

/* Requests that no sane client sends. Nothing is asked of the answers but that the node lives on. */
static void play_garbage(struct play *p)
{
	static const char *const bodies[] = {
		"{}", "{\"type\":42}", "{\"type\":null}", "{\"type\":\"gnerate\"}", "{\"type\":\"generate_ok\"," TO_NOTHING ",\"id\":1}",
		"{\"type\":\"error\"," TO_NOTHING ",\"code\":99}", "{\"type\":\"\",\"in_reply_to\":\"x\"}",
		"{\"type\":\"generate\",\"msg_id\":\"seven\",\"extra\":[{}]}", "{\"type\":\"generate\"}",
	};
	for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
		play_throw(p, 0, slice_of(bodies[i]));
		burst(p, lane_bit(0), 3);
	}
}

static const struct reply_shape shapes[] = { { "generate_ok", "id" }, { 0 } };

static const struct test tests[] = {
	{ "one-node", "one node, asked 100 times at once", 15, TEST_SAFETY, 1, 60000, play_one, check_all, 0, { 0 }, NULL },
	{ "three-nodes", "three nodes give 3,000 ids", 25, TEST_SAFETY, 3, 60000, play_three, check_all, 0, { 0 }, NULL },
	{ "partition", "every node answers while it is cut off", 20, TEST_SAFETY, 3, 60000, play_partitioned, check_all, MAY_MISS, { 0 }, NULL },
	{ "restart", "nodes are killed and started again", 30, TEST_SAFETY, 3, 120000, play_restart, check_all, 0, { 0 }, NULL },
	{ "garbage", "odd messages do not stop it", 10, TEST_SAFETY, 1, 90000, play_garbage, check_all, 0, { 0 }, NULL },
	{ 0 },
};

const struct lab lab_unique_ids = {
	.id = "unique-ids", .title = "ids that are never given twice", .stage = 2, .kind = LAB_LINES, .tests = tests, .shapes = shapes,
};
