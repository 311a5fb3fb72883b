/* kv_client.c - clients of a replicated key-value store: asking, asking again, and telling how it went. */
#include "kv_client.h"

static const char *const names[] = { [LIN_READ] = "read", [LIN_WRITE] = "write", [LIN_CAS] = "cas" };

struct kv *kv_new(struct play *p)
{
	return arena_zero(play_arena(p), sizeof(struct kv));
}

/* --- operations --- */

static void kv_add(struct play *p, struct kv *kv, struct kv_op *o)
{
	if (kv->n == kv->cap) {
		size_t cap = kv->cap ? 2 * kv->cap : 64;
		struct kv_op **ops = arena_alloc(play_arena(p), cap * sizeof *ops);
		if (kv->n)
			memcpy(ops, kv->ops, kv->n * sizeof *ops);
		kv->ops = ops;
		kv->cap = cap;
	}
	kv->ops[kv->n++] = o;
}

static void new_session(struct kv_client *c)
{
	c->session = ++c->kv->sessions;
	c->seq = 0;
}

static struct kv_op *op_new(struct play *p, struct kv_client *c, int f, int64_t key, int64_t from)
{
	struct kv_op *o = arena_zero(play_arena(p), sizeof *o);
	c->asked++;
	*o = (struct kv_op){ .kv = c->kv, .f = f, .key = key, .from = from, .value = f == LIN_READ ? 0 : 1000 * c->number + c->asked, .session = c->session,
		.seq = ++c->seq, .status = OP_PENDING, .nodes = c->nodes, .next = -1,
		.give_up_ns = play_now(p) + KV_GIVE_UP_MS * NS_PER_MS };
	kv_add(p, c->kv, o);
	return o;
}

static void body_of(struct buf *b, const struct kv_op *o)
{
	buf_printf(b, "{\"type\":\"%s\",\"key\":%lld", names[o->f], (long long)o->key);
	if (o->f == LIN_WRITE)
		buf_printf(b, ",\"value\":%lld", (long long)o->value);
	if (o->f == LIN_CAS)
		buf_printf(b, ",\"from\":%lld,\"to\":%lld", (long long)o->from, (long long)o->value);
	buf_printf(b, ",\"session\":\"s%lld\",\"seq\":%lld}", (long long)o->session, (long long)o->seq);
}

static void add_try(struct play *p, struct kv_op *o, struct op *request)
{
	if (o->tries_n == o->tries_cap) {
		size_t cap = o->tries_cap ? 2 * o->tries_cap : 4;
		struct op **tries = arena_alloc(play_arena(p), cap * sizeof *tries);
		if (o->tries_n)
			memcpy(tries, o->tries, o->tries_n * sizeof *tries);
		o->tries = tries;
		o->tries_cap = cap;
	}
	o->tries[o->tries_n++] = request;
	request->key = o->key;
	request->value = o->value;
	request->extra = o->from;
	request->data = o;
}

/* --- whom to ask --- */

/* The first of `nodes` from `node` on, round and round. */
static int node_from(const struct play *p, lane_set nodes, int node)
{
	int n = play_nodes(p);
	assert(nodes & lanes_all_nodes(play_lanes(p)));
	while (!(nodes & lane_bit(node % n)))
		node++;
	return node % n;
}

/* The node that an error names as the leader; -1: none that the client may ask. */
static int named_leader(struct play *p, const struct kv_op *o, const struct op *request)
{
	const char *name = json_get_string(play_json(p, request->answer), "leader", NULL);
	int node = name ? lane_find(play_lanes(p), slice_of(name)) : LANE_UNKNOWN;
	bool good = lane_is_node(play_lanes(p), node) && (o->nodes & lane_bit(node)) && node != request->node;
	return good ? node : -1;
}

/* --- what came of a request --- */

static _Noreturn void fail_answer(struct play *p, const struct op *request, const char *rule, const char *expected, const char *hint)
{
	FAIL(p, .rule = rule, .expected = expected,
		.seen = play_text(p, "%s answered %.*s with %.*s", play_node_name(p, request->node), SLICE_ARG(request->request),
			SLICE_ARG(request->answer)),
		.hint = hint, .nodes = lane_bit(request->node), .t_ns = request->return_ns,
		.evidence = { request->call_seq, request->return_seq });
}

static void finish_with(struct kv_op *o, const struct op *request, int64_t result)
{
	o->status = OP_OK;
	o->kv->answered = o->answered = request;
	o->result = result;
}

static void finish_ok(struct play *p, struct kv_op *o, const struct op *request)
{
	finish_with(o, request, 1);
	if (o->f != LIN_READ)
		return;
	const json_t *value = json_get(play_answer(p, request), "value");
	if (!json_is_integer(value))
		fail_answer(p, request, "read_ok carries the value", "{\"type\":\"read_ok\",\"value\":N} with the number that was written",
			"a key that does not exist is error 20, not a value");
	o->result = json_integer_value(value);
}

/* An error that is the operation's result: 20 and 22. */
static void finish_refused(struct play *p, struct kv_op *o, const struct op *request)
{
	bool no_key = request->code == ERROR_NO_KEY;
	if (o->f == LIN_WRITE || (o->f == LIN_READ && !no_key))
		fail_answer(p, request, "errors 20 and 22 mean what the protocol says",
			"20 (key-does-not-exist) for a read or cas of a key that does not exist, 22 (precondition-failed) for a cas whose "
			"\"from\" is not the value; a write makes the key",
			"a request that the node cannot serve now is error 11 (temporarily-unavailable)");
	o->no_key = no_key;
	finish_with(o, request, o->f == LIN_READ ? LIN_NIL : 0);
}

/* It is not over: whom to ask next, and when. */
static int64_t try_on(struct play *p, struct kv_op *o, const struct op *request)
{
	int leader = request->answer.n ? named_leader(p, o, request) : -1;
	bool at_once = leader >= 0 && !o->led;
	o->led = leader >= 0;
	o->next = leader >= 0 ? leader : node_from(p, o->nodes, request->node + 1);
	int64_t pause_ms = at_once || request->code == -1 ? 0 : KV_PAUSE_MS;
	if (play_now(p) + pause_ms * NS_PER_MS < o->give_up_ns)
		return pause_ms;
	o->status = o->perhaps ? OP_MAYBE : OP_FAILED;
	return -1;
}

int64_t kv_take(struct play *p, struct kv_op *o)
{
	const struct op *request = o->tries[o->tries_n - 1];
	assert(request->status != OP_PENDING);
	if (request->status == OP_OK) {
		finish_ok(p, o, request);
		return -1;
	}
	if (request->status == OP_FAILED && (request->code == ERROR_NOT_SUPPORTED || request->code == ERROR_MALFORMED))
		play_need_answer(p, request);
	if (request->status == OP_FAILED && (request->code == ERROR_NO_KEY || request->code == ERROR_PRECONDITION)) {
		finish_refused(p, o, request);
		return -1;
	}
	o->perhaps |= request->status == OP_MAYBE;
	return try_on(p, o, request);
}

/* What the client keeps of an operation that is over. */
static void client_learn(struct kv_client *c, const struct kv_op *o)
{
	if (o->status == OP_MAYBE)
		new_session(c);
	if (o->status == OP_OK && o->f == LIN_READ)
		c->seen[o->key] = o->result;
	if (o->status == OP_OK && (o->f == LIN_WRITE || (o->f == LIN_CAS && o->result)))
		c->seen[o->key] = o->value;
}

/* --- many clients --- */

static struct kv_client *client_new(struct play *p, struct kv *kv, int number, lane_set nodes)
{
	struct kv_client *c = arena_zero(play_arena(p), sizeof *c);
	c->kv = kv;
	c->number = number;
	c->nodes = nodes;
	for (int i = 0; i < KV_KEYS_MAX; i++)
		c->seen[i] = LIN_NIL;
	new_session(c);
	return c;
}

static struct kv_client *load_client(struct play *p, struct kv_load *load, int number)
{
	struct kv_client **c = &load->kv->client[number];
	assert(number < KV_BY_HAND);
	if (!*c)
		*c = client_new(p, load->kv, number, load->nodes);
	(*c)->nodes = load->nodes;
	return *c;
}

/* Draws the same whether the operation is left out or not. */
static void begin_op(struct play *p, struct op *request, struct rng *rng, struct buf *body, struct kv_load *load)
{
	struct kv_client *c = load_client(p, load, request->client);
	int first = (int)rng_below(rng, (uint64_t)play_nodes(p));
	int64_t key = load->first_key + (int64_t)rng_below(rng, (uint64_t)load->keys);
	unsigned kind = (unsigned)rng_below(rng, 100);
	assert(key < KV_KEYS_MAX);
	int f = kind < load->reads ? LIN_READ : kind < load->reads + load->writes || c->seen[key] == LIN_NIL ? LIN_WRITE : LIN_CAS;
	request->node = node_from(p, load->nodes, first);
	if (request->status == OP_SKIPPED) {
		c->asked++;
		return;
	}
	struct kv_op *o = op_new(p, c, f, key, f == LIN_CAS ? c->seen[key] : 0);
	add_try(p, o, request);
	body_of(body, o);
}

static void load_next(struct play *p, struct op *request, struct rng *rng, struct buf *body, void *arg)
{
	if (!request->before) {
		begin_op(p, request, rng, body, arg);
		return;
	}
	struct kv_op *o = request->before->data;
	request->node = o->next;
	add_try(p, o, request);
	body_of(body, o);
}

static int64_t load_again(struct play *p, struct op *request, void *arg)
{
	(void)arg;
	return kv_take(p, request->data);
}

static void load_done(struct play *p, struct op *request, void *arg)
{
	(void)p;
	struct kv_load *load = arg;
	client_learn(load->kv->client[request->client], request->data);
}

void kv_load_start(struct play *p, struct kv_load *load, const struct workload *plan)
{
	struct workload w = *plan;
	w.timeout_ms = KV_TRY_MS;
	w.next = load_next;
	w.again = load_again;
	w.done = load_done;
	w.arg = load;
	play_workload_start(p, &w);
}

/* --- one by one --- */

struct kv_client *kv_client_new(struct play *p, struct kv *kv, lane_set nodes)
{
	return client_new(p, kv, KV_BY_HAND + kv->clients++, nodes);
}

struct kv_op *kv_read(struct play *p, struct kv_client *c, int64_t key) { return op_new(p, c, LIN_READ, key, 0); }
struct kv_op *kv_write(struct play *p, struct kv_client *c, int64_t key) { return op_new(p, c, LIN_WRITE, key, 0); }
struct kv_op *kv_cas(struct play *p, struct kv_client *c, int64_t key, int64_t from) { return op_new(p, c, LIN_CAS, key, from); }

struct op *kv_try(struct play *p, struct kv_op *o, int node)
{
	struct buf b = BUF_EMPTY;
	body_of(&b, o);
	struct slice body = arena_copy(play_arena(p), buf_as_slice(&b));
	buf_done(&b);
	struct op *request = play_send_body(p, -1, node, body, KV_TRY_MS);
	add_try(p, o, request);
	return request;
}

void kv_finish(struct play *p, struct kv_client *c, struct kv_op *o)
{
	while (o->status == OP_PENDING) {
		int64_t pause_ms = 0;
		if (o->tries_n) {
			play_wait(p, o->tries[o->tries_n - 1]);
			pause_ms = kv_take(p, o);
		}
		if (pause_ms < 0)
			break;
		play_for(p, pause_ms);
		int node = o->next >= 0 ? o->next : (int)rng_below(play_rng(p), (uint64_t)play_nodes(p));
		kv_try(p, o, node_from(p, o->nodes, node));
	}
	client_learn(c, o);
}

void kv_let_go(struct kv_client *c, struct kv_op *o)
{
	if (o->status == OP_PENDING)
		o->status = o->perhaps || o->tries[o->tries_n - 1]->status == OP_PENDING ? OP_MAYBE : OP_FAILED;
	client_learn(c, o);
}

/* --- telling --- */

const char *kv_name(struct play *p, const struct kv_op *o)
{
	if (o->f == LIN_READ)
		return play_text(p, "the read of key %lld", (long long)o->key);
	if (o->f == LIN_WRITE)
		return play_text(p, "the write of %lld", (long long)o->value);
	return play_text(p, "the compare-and-set from %lld to %lld", (long long)o->from, (long long)o->value);
}

static const char *times(struct play *p, size_t n)
{
	return n == 1 ? "" : n == 2 ? " twice" : play_text(p, " %zu times", n);
}

/* What a node made of the requests that it got: "n1 answered error 11 twice". */
static void tell_node(struct play *p, struct buf *b, const struct kv_op *o, int node, bool answered)
{
	size_t n = 0;
	const struct op *last = NULL;
	for (size_t i = 0; i < o->tries_n; i++)
		if (o->tries[i]->node == node && (o->tries[i]->answer.n > 0) == answered && o->tries[i]->status != OP_PENDING) {
			n++;
			last = o->tries[i];
		}
	if (n == 0)
		return;
	buf_str(b, b->n ? ", " : "");
	if (answered && last->status != OP_OK)
		buf_printf(b, "%s answered error %d%s", play_node_name(p, node), last->code, times(p, n));
	else
		buf_printf(b, "%s %s%s", play_node_name(p, node), answered ? "answered" : "did not answer", times(p, n));
}

const char *kv_story(struct play *p, const struct kv_op *o)
{
	struct buf b = BUF_EMPTY;
	for (int node = 0; node < play_nodes(p); node++) {
		tell_node(p, &b, o, node, true);
		tell_node(p, &b, o, node, false);
	}
	const char *text = play_text(p, "%zu request%s from %.3f s on: %s", o->tries_n, o->tries_n == 1 ? "" : "s",
		(double)kv_call_ns(o) / (double)NS_PER_S, b.n ? buf_cstr(&b) : "no answer yet");
	buf_done(&b);
	return text;
}
