/* raft-kv.c - a key-value store on top of Raft: `read`, `write` and `cas` to any node, linearizable whatever happens to the
 * network and the nodes, each operation once although clients ask again, and no stale read from a leader that is none any more.
 *
 * What clients do stands in parts/kv_client.c, whether their answers fit together in parts/kv_judge.c. The tests here only hurt
 * the cluster where it hurts most. They want to know the leader; they take it from the nodes' `state` reports if there are any, and
 * guess otherwise, so that a node without reports can be judged too. What is reported is held against
 * the rules of parts/raft_rules.c.
 *
 * What is no rule: who answers a client that asked a follower (the follower itself, by asking the leader, or nobody, with
 * error 11), how a read is made linearizable (the log, ReadIndex, a lease that is short enough), and what the nodes say to one
 * another. */
#include "lab.h"
#include "parts/kv_client.h"
#include "parts/kv_judge.h"
#include "parts/raft_rules.h"

enum {
	KEYS = 4,
	LOAD_MS = 6000,
	SETTLE_MS = 3000,        /* so long a test waits for a leader */
	ELECTION_MS = 400,       /* as a rule enough for a new leader */
	MINORITY_MS = 3000,
	OLD_LEADER_MS = 3000,
	LOYAL_MS = 60,           /* between two reads of a client of the old leader */
	SNAPSHOT_ENTRIES = 20,   /* also in the tests' config */
	GROUP = 25,              /* operations between two looks at the data folders */
	STORAGE_SLACK = 4096
};

struct world {
	struct raft_rules rules;
	struct kv *kv;
	struct kv_load load;
};

static double seconds(int64_t ns)
{
	return (double)ns / (double)NS_PER_S;
}

static lane_set all_nodes(const struct play *p)
{
	return lanes_all_nodes(play_lanes(p));
}

static struct world *begin(struct play *p)
{
	struct world *w = arena_zero(play_arena(p), sizeof *w);
	raft_rules_begin(&w->rules, p, false);
	w->kv = kv_new(p);
	w->load = (struct kv_load){ .kv = w->kv, .nodes = all_nodes(p), .keys = KEYS, .reads = 45, .writes = 30 };
	play_set_data(p, w);
	return w;
}

static void watch(struct play *p, const struct event *e)
{
	struct world *w = play_data(p);
	if (w)
		raft_rules_watch(&w->rules, p, e);
}

/* --- who leads --- */

static bool has_reports(struct play *p)
{
	const struct world *w = play_data(p);
	for (int i = 0; i < play_nodes(p); i++)
		if (w->rules.node[i].state_seq)
			return true;
	return false;
}

static int leader_now(struct play *p)
{
	const struct world *w = play_data(p);
	return raft_rules_leader(&w->rules, p);
}

static bool there_is_a_leader(struct play *p, void *arg)
{
	(void)arg;
	return leader_now(p) >= 0;
}

/* The leader. When nobody says who it is, the node that answered last, which mostly is it; or else a node by chance. */
static int leader(struct play *p)
{
	const struct world *w = play_data(p);
	int guess = (int)rng_below(play_rng(p), (uint64_t)play_nodes(p));
	if (w->kv->answered && play_is_up(p, w->kv->answered->node))
		guess = w->kv->answered->node;
	if (has_reports(p))
		play_until(p, there_is_a_leader, NULL, SETTLE_MS);
	int node = leader_now(p);
	return node >= 0 ? node : guess;
}

static int other_than(struct play *p, int node)
{
	return (node + 1 + (int)rng_below(play_rng(p), (uint64_t)play_nodes(p) - 1)) % play_nodes(p);
}

/* "n1 follower in term 7; n3 candidate in term 9 (7 candidacies, led 0 times)" */
static const char *roles_text(struct play *p)
{
	const struct world *w = play_data(p);
	const char *text = "";
	for (int i = 0; i < play_nodes(p); i++) {
		const struct raft_node *n = &w->rules.node[i];
		const char *name = play_node_name(p, i), *one;
		if (!play_is_up(p, i))
			one = play_text(p, "%s is down", name);
		else if (!n->state_seq)
			one = play_text(p, "%s has reported nothing", name);
		else
			one = play_text(p, "%s %s in term %lld (candidate in %u terms, leader in %u)", name, raft_role_name(n->role),
				(long long)n->term, n->candidacies, n->victories);
		text = play_text(p, "%s%s%s", text, i ? "; " : "", one);
	}
	return text;
}

/* --- progress --- */

static _Noreturn void fail_progress(struct play *p, const struct kv_op *o, const char *when)
{
	const struct op *last = o->tries[o->tries_n - 1];
	FAIL(p, .rule = "the store goes on", .source = "Raft (extended version), sections 5.2 and 8",
		.expected = play_text(p, "%s is answered within %d s %s", kv_name(p, o), KV_GIVE_UP_MS / 1000, when),
		.seen = play_text(p, "%s. At the end: %s", kv_story(p, o), roles_text(p)),
		.hint = "is there a leader? Then follow one request: does it reach the leader, is its entry on a majority, is it committed and "
			"applied, and does the answer go to the client that asked? A leader with nothing of its own term to commit needs a no-op",
		.nodes = o->nodes, .t_ns = play_now(p), .evidence = { o->tries[0]->call_seq, last->call_seq, last->return_seq });
}

static void need(struct play *p, const struct kv_op *o, const char *when)
{
	if (o->status != OP_OK)
		fail_progress(p, o, when);
}

static const char well[] = "while a majority of the nodes is up and connected";

static const struct kv_op *ask(struct play *p, struct kv_client *c, struct kv_op *o)
{
	kv_finish(p, c, o);
	need(p, o, well);
	return o;
}

static const struct kv_op *ask_first(struct play *p, struct kv_client *c, struct kv_op *o, int node)
{
	kv_try(p, o, node);
	return ask(p, c, o);
}

/* Operations that began in a time when nothing was wrong. */
static void need_all(struct play *p, size_t from)
{
	const struct world *w = play_data(p);
	for (size_t i = from; i < w->kv->n; i++)
		need(p, w->kv->ops[i], well);
}

/* --- the frame of a test --- */

static void start(struct play *p, int clients, double rate, int64_t count, int64_t duration_ms)
{
	struct world *w = play_data(p);
	kv_load_start(p, &w->load, &(struct workload){ .clients = clients, .rate = rate, .count = count, .duration_ms = duration_ms });
}

/* So many operations, or as many as there are in a time: nodes on a busy machine may be slow. */
static void load(struct play *p, int clients, double rate, int64_t count)
{
	start(p, clients, rate, count, LOAD_MS);
	play_workload_wait(p);
}

static void measure_answers(struct play *p)
{
	const struct world *w = play_data(p);
	size_t ok = 0;
	for (size_t i = 0; i < w->kv->n; i++)
		ok += w->kv->ops[i]->status == OP_OK;
	play_measure(p, "operations answered", w->kv->n ? 100 * (double)ok / (double)w->kv->n : 0, "%", NULL);
}

/* Everything is mended. A write, and a read of each key, each first at another node; then all is judged. */
static void end_quietly(struct play *p)
{
	struct world *w = play_data(p);
	struct kv_client *c = kv_client_new(p, w->kv, all_nodes(p));
	play_calm(p);
	play_note(p, "quiet phase: no more faults");
	measure_answers(p);
	ask(p, c, kv_write(p, c, 0));
	for (int i = 0; i < KEYS || i < play_nodes(p); i++)
		ask_first(p, c, kv_read(p, c, i % KEYS), i % play_nodes(p));
	raft_rules_end(&w->rules, p);
	kv_judge(p, w->kv);
}

/* --- basic --- */

#define HINT_CODES "reads and compare-and-sets of a key that does not exist are error 20. A compare-and-set whose \"from\" is not the " \
	"value is error 22, and changes nothing"
#define HINT_ONE_LOG "one node knows what another does not: all requests, reads too, go through the leader and its log"

static void expect(struct play *p, const struct kv_op *o, bool good, const char *expected, const char *hint)
{
	if (good)
		return;
	FAIL(p, .rule = "a key-value store answers what it holds", .expected = expected,
		.seen = play_text(p, "%s answered %.*s", play_node_name(p, o->answered->node), SLICE_ARG(o->answered->answer)),
		.hint = hint, .nodes = lane_bit(o->answered->node), .t_ns = o->answered->return_ns,
		.evidence = { o->answered->call_seq, o->answered->return_seq });
}

/* One client, which tries everything once; each request goes to the next node first. */
static void ask_one_by_one(struct play *p)
{
	struct world *w = play_data(p);
	for (int i = 0; i < play_nodes(p); i++) {
		struct kv_client *c = kv_client_new(p, w->kv, all_nodes(p));
		int64_t key = KEYS + i;
		const struct kv_op *o = ask_first(p, c, kv_read(p, c, key), i);
		expect(p, o, o->result == LIN_NIL, "error 20: nobody has written this key", HINT_CODES);
		o = ask(p, c, kv_cas(p, c, key, 1));
		expect(p, o, o->no_key, "error 20: nobody has written this key", HINT_CODES);
		const struct kv_op *written = ask(p, c, kv_write(p, c, key));
		o = ask_first(p, c, kv_read(p, c, key), (i + 1) % play_nodes(p));
		expect(p, o, o->result == written->value, play_text(p, "%lld, which was acknowledged before", (long long)written->value),
			HINT_ONE_LOG);
		o = ask(p, c, kv_cas(p, c, key, 1));
		expect(p, o, !o->result && !o->no_key, play_text(p, "error 22: the value is %lld, not 1", (long long)written->value),
			HINT_CODES);
		o = ask(p, c, kv_cas(p, c, key, written->value));
		expect(p, o, o->result != 0, play_text(p, "cas_ok: the value is %lld", (long long)written->value), HINT_ONE_LOG);
	}
}

static void play_basic(struct play *p)
{
	begin(p);
	ask_one_by_one(p);
	load(p, 5, 0, 60);
	need_all(p, 0);
	end_quietly(p);
}

static void play_five(struct play *p)
{
	begin(p);
	load(p, 10, 0, 200);
	need_all(p, 0);
	end_quietly(p);
}

/* --- bad days --- */

static void play_partitioned(struct play *p)
{
	begin(p);
	play_nemesis(p, &(struct nemesis){ .kinds = NEMESIS_HALVES | NEMESIS_ISOLATE | NEMESIS_BRIDGE | NEMESIS_RING | NEMESIS_ONE_WAY |
			NEMESIS_ISOLATE_ROLE, .role = leader_now, .every_ms = 600, .hold_ms = 1500, .duration_ms = 9000 });
	start(p, 6, 20, 0, 9000);
	play_workload_wait(p);
	end_quietly(p);
}

static void restart_all(struct play *p)
{
	for (int i = 0; i < play_nodes(p); i++)
		play_kill(p, i);
	play_calm(p);
}

static void play_crash(struct play *p)
{
	begin(p);
	for (int round = 0; round < 2; round++) {
		start(p, 6, 20, 0, 2500);
		play_for(p, 400);
		int victim = leader(p);
		play_kill(p, victim);
		play_for(p, 600);
		play_start(p, victim);
		play_for(p, 300);
		victim = other_than(p, leader(p));
		play_kill(p, victim);
		play_for(p, 400);
		play_start(p, victim);
		play_for(p, 400);
		restart_all(p);
		play_workload_wait(p);
	}
	end_quietly(p);
}

static void play_lossy(struct play *p)
{
	begin(p);
	play_loss(p, 10);
	play_duplicate(p, 10);
	play_reorder(p, 10);
	start(p, 6, 25, 0, 6000);
	play_workload_wait(p);
	end_quietly(p);
}

static void play_everything(struct play *p)
{
	begin(p);
	play_nemesis(p, &(struct nemesis){ .kinds = NEMESIS_HALVES | NEMESIS_ISOLATE | NEMESIS_BRIDGE | NEMESIS_RING | NEMESIS_ONE_WAY |
			NEMESIS_KILL | NEMESIS_PAUSE | NEMESIS_LOSS | NEMESIS_LATENCY | NEMESIS_SWIZZLE | NEMESIS_KILL_ROLE | NEMESIS_ISOLATE_ROLE,
		.role = leader_now, .every_ms = 400, .hold_ms = 1200, .duration_ms = 12000 });
	start(p, 6, 20, 0, 12000);
	play_workload_wait(p);
	end_quietly(p);
}

/* --- a leader that is none any more --- */

/* A client that asks only the node that is cut off, again and again. What it is told is judged with the rest. */
struct loyal {
	struct kv_client *client;
	struct kv_op *op; /* NULL: none is under way */
};

static void ask_old_leader(struct play *p, struct loyal *l, int64_t key, int node)
{
	if (l->op && l->op->tries[0]->status == OP_PENDING)
		return;
	if (l->op) {
		kv_take(p, l->op);
		kv_let_go(l->client, l->op);
	}
	l->op = kv_read(p, l->client, key);
	kv_try(p, l->op, node);
}

static void ask_old_leader_for(struct play *p, int64_t ms, int node)
{
	struct world *w = play_data(p);
	struct loyal loyal[KEYS] = { { 0 } };
	for (int i = 0; i < KEYS; i++)
		loyal[i].client = kv_client_new(p, w->kv, lane_bit(node));
	for (int64_t until = play_now(p) + ms * NS_PER_MS; play_now(p) < until; play_for(p, LOYAL_MS))
		for (int i = 0; i < KEYS; i++)
			ask_old_leader(p, &loyal[i], i, node);
	for (int i = 0; i < KEYS; i++) {
		play_wait(p, loyal[i].op->tries[0]);
		kv_take(p, loyal[i].op);
		kv_let_go(loyal[i].client, loyal[i].op);
	}
}

static void play_leader_cut(struct play *p)
{
	struct world *w = begin(p);
	load(p, 3, 0, 20);
	for (int round = 0; round < 2; round++) {
		int old = leader(p);
		lane_set others = all_nodes(p) & ~lane_bit(old);
		struct kv_client *c = kv_client_new(p, w->kv, lane_bit(old));
		play_note(p, "%s is cut off; its clients still reach it", play_node_name(p, old));
		play_cut_off(p, lane_bit(old));
		size_t first = w->kv->n;
		struct kv_op *lost = kv_write(p, c, 0); /* which must not be acknowledged, or else stay */
		kv_try(p, lost, old);
		w->load.nodes = others;
		start(p, 3, 15, 0, OLD_LEADER_MS);
		ask_old_leader_for(p, OLD_LEADER_MS, old);
		play_workload_wait(p);
		for (size_t i = first; i < w->kv->n; i++)
			if (w->kv->ops[i]->nodes == others)
				need(p, w->kv->ops[i], well);
		w->load.nodes = lost->nodes = all_nodes(p);
		play_heal(p);
		kv_finish(p, c, lost);
		load(p, 3, 0, 10);
	}
	end_quietly(p);
}

/* --- each operation once --- */

/* The operation reaches `node`; whatever the others tell that node from then on is lost, and a little later it is alone. So the
 * operation may have been put into the others' logs, and its client has no answer. */
static void ask_and_lose_the_answer(struct play *p, struct kv_op *o, int node)
{
	kv_try(p, o, node);
	play_for(p, 0);
	play_cut_one_way(p, all_nodes(p) & ~lane_bit(node), lane_bit(node));
	play_for(p, 150);
	play_cut_off(p, lane_bit(node));
}

enum once_kind { ONCE_WRITE, ONCE_CAS };
struct once {
	enum once_kind kind;
	bool ask_follower, restart;
};

/* True when the operation had happened before its client asked again. */
static bool play_once_round(struct play *p, struct kv_client *a, struct kv_client *b, const struct once *plan)
{
	const struct kv_op *before = ask(p, b, kv_write(p, b, 0));
	int node = leader(p);
	if (plan->ask_follower)
		node = other_than(p, node);
	struct kv_op *o = plan->kind == ONCE_WRITE ? kv_write(p, a, 0) : kv_cas(p, a, 0, before->value);
	ask_and_lose_the_answer(p, o, node);
	b->nodes = all_nodes(p) & ~lane_bit(node);
	const struct kv_op *seen = ask(p, b, kv_read(p, b, 0));
	bool happened = seen->result == o->value;
	ask(p, b, kv_write(p, b, 0));
	if (plan->restart)
		restart_all(p);
	a->nodes = o->nodes = plan->restart ? all_nodes(p) : b->nodes;
	play_note(p, "the client that had no answer asks again, with the same session and seq");
	kv_finish(p, a, o);
	need(p, o, well);
	ask(p, b, kv_read(p, b, 0));
	play_heal(p);
	b->nodes = a->nodes = all_nodes(p);
	ask(p, b, kv_read(p, b, 0));
	return happened && o->tries_n > 1;
}

/* The network is whole again before the client has lost its patience: a node that leads no more may say what it knows. When it says
 * that nothing happened, the client believes it, and does not ask again. */
static void play_refusal(struct play *p, struct kv_client *a, struct kv_client *b)
{
	int node = leader(p);
	struct kv_op *o = kv_write(p, a, 0);
	ask_and_lose_the_answer(p, o, node);
	b->nodes = all_nodes(p) & ~lane_bit(node);
	ask(p, b, kv_read(p, b, 0));
	play_heal(p);
	b->nodes = all_nodes(p);
	play_wait(p, o->tries[0]);
	kv_take(p, o);
	kv_let_go(a, o);
	ask(p, b, kv_read(p, b, 0));
}

/* A request that was under way for long: its client has had the answer to it, and to the next one too. */
static void play_latecomer(struct play *p, struct kv_client *a, struct kv_client *b)
{
	struct kv_op *o = kv_write(p, a, 0);
	ask(p, a, o);
	const struct op *answered = o->answered;
	ask(p, a, kv_write(p, a, 0));
	ask(p, b, kv_read(p, b, 0));
	play_note(p, "an old request, which was answered before, comes again");
	play_wait(p, kv_try(p, o, answered->node));
	ask(p, b, kv_read(p, b, 0));
}

static void play_once(struct play *p)
{
	static const struct once plans[] = {
		{ ONCE_WRITE, false, false }, { ONCE_CAS, false, false }, { ONCE_WRITE, true, false }, { ONCE_CAS, false, true },
	};
	struct world *w = begin(p);
	struct kv_client *a = kv_client_new(p, w->kv, all_nodes(p)), *b = kv_client_new(p, w->kv, all_nodes(p));
	int happened = 0;
	for (size_t i = 0; i < ARRAY_LEN(plans); i++)
		happened += play_once_round(p, a, b, &plans[i]);
	play_refusal(p, a, b);
	play_latecomer(p, a, b);
	play_measure(p, "repeated although it had happened", happened, "", NULL);
	end_quietly(p);
}

/* --- progress --- */

/* What clients of the minority ask. It stays without an answer, or is refused. */
static void ask_minority(struct play *p, struct kv_client *c, struct kv_op *o, int64_t until_ns)
{
	int64_t pause_ms = 0;
	while (o->status == OP_PENDING && play_now(p) < until_ns) {
		int node = o->next >= 0 ? o->next : (int)rng_below(play_rng(p), (uint64_t)play_nodes(p));
		while (!(c->nodes & lane_bit(node)))
			node = (node + 1) % play_nodes(p);
		play_wait(p, kv_try(p, o, node));
		pause_ms = kv_take(p, o);
		play_for(p, pause_ms > 0 ? pause_ms : 0);
	}
	if (o->status == OP_OK)
		FAIL(p, .rule = "a minority acknowledges nothing", .source = "Raft (extended version), sections 5.3 and 8",
			.expected = "no write_ok from two of five nodes that are cut off from the other three: a majority has to have the entry",
			.seen = play_text(p, "%s answered %s with %.*s", play_node_name(p, o->answered->node), kv_name(p, o),
				SLICE_ARG(o->answered->answer)),
			.hint = "answer when the entry is committed and applied. With five nodes, committed means: on three",
			.nodes = c->nodes, .t_ns = o->answered->return_ns, .evidence = { o->answered->call_seq, o->answered->return_seq });
}

static void play_progress(struct play *p)
{
	struct world *w = begin(p);
	load(p, 3, 0, 10);
	int one = leader(p), two = other_than(p, one);
	struct kv_client *c = kv_client_new(p, w->kv, lane_bit(one) | lane_bit(two));
	play_note(p, "%s and %s are cut off from the other three", play_node_name(p, one), play_node_name(p, two));
	play_cut_off(p, c->nodes);
	int64_t from_ns = play_now(p);
	size_t first = w->kv->n;
	w->load.nodes = all_nodes(p) & ~c->nodes;
	start(p, 3, 15, 0, MINORITY_MS);
	play_for(p, 10); /* what was under way has arrived or is lost */
	struct kv_op *o = kv_write(p, c, 1);
	ask_minority(p, c, o, from_ns + MINORITY_MS * NS_PER_MS);
	play_workload_wait(p);
	for (size_t i = first; i < w->kv->n; i++)
		if (w->kv->ops[i] != o)
			need(p, w->kv->ops[i], well);
	play_heal(p);
	play_note(p, "the network is whole again");
	o->nodes = c->nodes = all_nodes(p);
	o->give_up_ns = play_now(p) + KV_GIVE_UP_MS * NS_PER_MS;
	int64_t healed_ns = play_now(p);
	if (o->status != OP_PENDING)
		o = kv_write(p, c, 1);
	kv_finish(p, c, o);
	need(p, o, "after the heal");
	play_measure(p, "the minority's write after the heal", seconds(play_now(p) - healed_ns), "s", NULL);
	end_quietly(p);
}

/* --- snapshots --- */

/* The most that a data folder held, and whose it was; bytes < 0: no fabric told. */
struct weight {
	int64_t bytes;
	int node;
};

/* Operations in groups; weighs the folders after each, the first few left aside. */
static struct weight load_and_weigh(struct play *p, int groups)
{
	struct weight most = { -1, 0 };
	for (int i = 0; i < groups; i++) {
		load(p, 4, 0, GROUP);
		for (int node = 0; node < play_nodes(p) && i >= groups / 3; node++) {
			int64_t bytes = play_storage_bytes(p, node);
			if (bytes > most.bytes)
				most = (struct weight){ bytes, node };
		}
	}
	return most;
}

static void check_storage(struct play *p, size_t ops, struct weight early, struct weight late)
{
	int64_t bound = early.bytes + early.bytes / 2 + STORAGE_SLACK;
	const struct world *w = play_data(p);
	if (early.bytes < 0 || late.bytes < 0)
		return;
	play_measure(p, "data folder", (double)late.bytes, "bytes", play_text(p, "<= %lld", (long long)bound));
	if (late.bytes > bound)
		FAIL(p, .rule = "the log does not grow for ever", .source = "Raft (extended version), section 7",
			.expected = play_text(p, "with snapshot_entries %d, a data folder holds about as much after %zu operations as after %zu: "
				"at most %lld bytes, which is half as much again and %d", SNAPSHOT_ENTRIES, w->kv->n, ops, (long long)bound, STORAGE_SLACK),
			.seen = play_text(p, "%lld bytes at %s; after %zu operations it was %lld at most", (long long)late.bytes,
				play_node_name(p, late.node), ops, (long long)early.bytes),
			.hint = "when more than snapshot_entries applied entries are in the log, save the state machine (the map, the sessions, index "
				"and term of the last entry in it) and drop these entries. A node that is behind gets the snapshot instead of entries",
			.nodes = lane_bit(late.node));
}

static void play_snapshot(struct play *p)
{
	struct world *w = begin(p);
	struct weight early = load_and_weigh(p, 6);
	size_t ops = w->kv->n;
	int lagging = other_than(p, leader(p));
	play_note(p, "%s is cut off while the others go on", play_node_name(p, lagging));
	play_cut_off(p, lane_bit(lagging));
	w->load.nodes = all_nodes(p) & ~lane_bit(lagging);
	load(p, 4, 0, 4 * GROUP);
	w->load.nodes = all_nodes(p);
	play_heal(p);
	load(p, 4, 20, 20);
	int old = leader(p);
	play_kill(p, old == lagging ? other_than(p, lagging) : old); /* now it is needed */
	load(p, 4, 0, GROUP);
	play_calm(p);
	restart_all(p);
	check_storage(p, ops, early, load_and_weigh(p, 4));
	need_all(p, 0);
	end_quietly(p);
}

/* A client dies with the answer in its hand. Its successor knows only that it asked, and asks again, with the same session and
 * seq, when the entry has long been folded into a snapshot. */
static void ask_once_more(struct play *p, struct kv_op *o)
{
	const struct op *first = o->answered;
	uint8_t status = o->status;
	int64_t result = o->result;
	o->status = OP_PENDING;
	o->give_up_ns = play_now(p) + KV_GIVE_UP_MS * NS_PER_MS;
	int node = (int)rng_below(play_rng(p), (uint64_t)play_nodes(p));
	for (int64_t pause_ms = 0; pause_ms >= 0;) {
		play_for(p, pause_ms);
		play_wait(p, kv_try(p, o, node));
		pause_ms = kv_take(p, o);
		node = o->next;
	}
	need(p, o, well);
	const struct op *again = o->answered;
	int64_t answer = o->result;
	o->answered = first;
	o->status = status;
	o->result = result;
	if (answer != result)
		FAIL(p, .rule = "an operation takes effect once", .source = "Raft (extended version), section 8; Ongaro's thesis, section 6.3",
			.expected = play_text(p, "%s, session s%lld, seq %lld, has the answer that it had at %.3f s: %.*s", kv_name(p, o),
				(long long)o->session, (long long)o->seq, seconds(first->return_ns), SLICE_ARG(first->answer)),
			.seen = play_text(p, "%s answered it with %.*s", play_node_name(p, again->node), SLICE_ARG(again->answer)),
			.hint = "the session table (session, highest seq, its answer) is a part of the state machine: it belongs into every snapshot, "
				"on disk and in what a leader sends to a follower", .nodes = lane_bit(again->node), .t_ns = again->return_ns,
			.evidence = { first->call_seq, first->return_seq, again->call_seq, again->return_seq });
}

static void fill_log(struct play *p)
{
	load(p, 4, 0, 3 * SNAPSHOT_ENTRIES);
}

static void replace_leader(struct play *p)
{
	int old = leader(p);
	play_kill(p, old);
	play_for(p, ELECTION_MS);
	leader(p);
	play_start(p, old);
}

static void play_sessions(struct play *p)
{
	struct world *w = begin(p);
	const int64_t key = 0;
	w->load.first_key = 1;
	w->load.keys = KEYS - 1;
	struct kv_client *b = kv_client_new(p, w->kv, all_nodes(p));
	for (int round = 0; round < 2; round++) {
		struct kv_client *a = kv_client_new(p, w->kv, all_nodes(p));
		struct kv_client *d = kv_client_new(p, w->kv, all_nodes(p));
		int lagging = other_than(p, leader(p));
		if (round == 1) {
			play_note(p, "%s is cut off while the others go on", play_node_name(p, lagging));
			play_cut_off(p, lane_bit(lagging));
			a->nodes = b->nodes = d->nodes = w->load.nodes = all_nodes(p) & ~lane_bit(lagging);
		}
		struct kv_op *write = kv_write(p, a, key);
		ask(p, a, write);
		struct kv_op *cas = kv_cas(p, d, key, write->value);
		ask(p, d, cas);
		ask(p, b, kv_write(p, b, key));
		fill_log(p);
		ask(p, b, kv_write(p, b, key)); /* after the last snapshot: a node that gets one must still take this from the log */
		a->nodes = b->nodes = d->nodes = write->nodes = cas->nodes = w->load.nodes = all_nodes(p);
		if (round == 0) {
			restart_all(p);
		} else { /* the one that has it all from a snapshot is to lead */
			play_heal(p);
			load(p, 4, 20, 20);
			for (int i = 0; i < 4 && leader(p) != lagging; i++)
				replace_leader(p);
		}
		ask(p, b, kv_read(p, b, key));
		ask_once_more(p, cas);
		ask_once_more(p, write);
		ask(p, b, kv_read(p, b, key));
		play_calm(p);
	}
	end_quietly(p);
}

/* --- odd messages --- */

static void throw_all(struct play *p)
{
	static const char *const bodies[] = {
		"{}", "{\"type\":42}", "{\"type\":null,\"key\":1}", "{\"type\":\"\",\"in_reply_to\":\"x\"}", "{\"key\":1}",
		"{\"type\":\"read_ok\"," TO_NOTHING ",\"value\":1}", "{\"type\":\"write_ok\",\"in_reply_to\":-1}",
		"{\"type\":\"error\"," TO_NOTHING ",\"code\":99}", "{\"type\":\"error\"}",
		"{\"type\":\"write\"}", "{\"type\":\"write\",\"key\":null}", "{\"type\":\"read\"}", "{\"type\":\"read\",\"key\":[1]}",
		"{\"type\":\"cas\",\"key\":1}", "{\"type\":\"cas\",\"key\":{},\"from\":1,\"to\":2,\"session\":\"g1\",\"seq\":1}",
		"{\"type\":\"write\",\"key\":11,\"value\":1,\"session\":7,\"seq\":\"x\"}",
		"{\"type\":\"write\",\"key\":11,\"value\":2,\"session\":\"g2\",\"seq\":-1}",
		"{\"type\":\"write\",\"key\":11,\"value\":3,\"session\":\"g3\"}",
		"{\"type\":\"request_vote\"}", "{\"type\":\"request_vote\",\"term\":\"7\"}", "{\"type\":\"append_entries\",\"term\":null}",
		"{\"type\":\"append_entries_ok\"," TO_NOTHING "}", "{\"type\":\"install_snapshot\"}",
	};
	for (size_t i = 0; i < ARRAY_LEN(bodies); i++)
		for (int node = 0; node < play_nodes(p); node++)
			play_throw(p, node, slice_of(bodies[i]));
}

static void play_garbage(struct play *p)
{
	begin(p);
	for (int i = 0; i < 3; i++) {
		load(p, 4, 0, 20);
		throw_all(p);
	}
	load(p, 4, 0, 20);
	need_all(p, 0);
	end_quietly(p);
}

static const struct reply_shape shapes[] = { { "read_ok", "value" }, { "write_ok", "" }, { "cas_ok", "" }, { 0 } };

#define FOLD "{\"snapshot_entries\":20}"

static const struct test tests[] = {
	{ "basic", "three nodes hold one map", 8, TEST_SAFETY, 3, 120000, play_basic, NULL, 0, { 0 }, NULL },
	{ "five", "ten clients at once, five nodes", 8, TEST_SAFETY, 5, 120000, play_five, NULL, 0, { 0 }, NULL },
	{ "partition", "the network is cut in many ways", 10, TEST_SAFETY, 5, 120000, play_partitioned, NULL, NEEDS_BITE, { 0 }, NULL },
	{ "leader-cut", "a leader that is cut off tells nothing old", 12, TEST_SAFETY, 3, 120000, play_leader_cut, NULL, NEEDS_BITE, { 0 },
		NULL },
	{ "crash", "nodes are killed and started again", 10, TEST_SAFETY, 3, 120000, play_crash, NULL, 0, { 0 }, NULL },
	{ "lossy", "messages are lost, doubled, overtaken", 8, TEST_SAFETY, 5, 120000, play_lossy, NULL, NEEDS_BITE, { 0 }, NULL },
	{ "once", "what is asked again happens once", 12, TEST_SAFETY, 3, 120000, play_once, NULL, NEEDS_BITE, { 0 }, NULL },
	{ "progress", "the majority goes on, the minority waits", 8, TEST_LIVENESS, 5, 120000, play_progress, NULL, NEEDS_BITE, { 0 }, NULL },
	{ "snapshot", "the log is folded into a snapshot", 8, TEST_EFFICIENCY, 3, 120000, play_snapshot, NULL, NEEDS_BITE, { 0 }, FOLD },
	{ "sessions-in-snapshot", "a snapshot remembers who was answered", 6, TEST_SAFETY, 3, 120000, play_sessions, NULL, NEEDS_BITE,
		{ 0 }, FOLD },
	{ "everything", "all of it, five nodes", 6, TEST_SAFETY, 5, 120000, play_everything, NULL, 0, { 0 }, FOLD },
	{ "garbage", "odd messages do not stop it", 4, TEST_SAFETY, 3, 120000, play_garbage, NULL, 0, { 0 }, NULL },
	{ 0 },
};

const struct lab lab_raft_kv = {
	.id = "raft-kv", .title = "a key-value store on Raft", .stage = 4, .kind = LAB_LINES, .tests = tests, .shapes = shapes,
	.watch = watch, .docker = true,
};
