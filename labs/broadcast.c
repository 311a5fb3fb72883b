/* broadcast.c - every node answers `broadcast {message}` and `read {}`; in the end every node has every message.
 *
 * A read of every node is asked ten times a second beside the workload. These reads tell when a value is stable (shown
 * by all nodes), that no node takes back what it has shown, and that no value is invented or shown twice. They cost
 * no message between nodes and are not counted as operations.
 *
 * What is no rule: in which order a read shows the values, that a node shows a value at once which it has acknowledged
 * (with one node it is: nobody else could have it), and which way values go. `topology` is advice. */
#include "canon.h"
#include "check.h"
#include "lab.h"

#include <stdlib.h>

enum {
	ANSWER_MS = 5000,      /* for broadcast and read */
	STABLE_MS = 10000,     /* after the last operation and the heal */
	SAMPLE_MS = 100,
	CLIENTS = 50,          /* 1..50 ask, */
	SAMPLER = 60,          /* 60.. sample, one for each node */
	STORM = 200000,        /* messages between nodes after which a test without a budget stops */
	NAMES_SHOWN = 6
};

/* What a test plays and how strict it is. */
struct plan {
	double rate;           /* operations a second, half of them broadcasts */
	int64_t count;         /* operations, or */
	int64_t duration_ms;
	void (*faults)(struct play *); /* starts them; NULL: none */
	const char *trouble;   /* "while the network is cut"; NULL: none */
	const char *lost_hint;
	unsigned per_op;       /* messages between nodes per operation; 0: no budget */
	int64_t median_ms, max_ms; /* of the stable latency; 0: no bound */
};

/* The values that a read shows; op->data. */
struct shown {
	const int64_t *values;
	size_t n;
};

struct sampler {
	struct world *world;
	struct op *op;
	int node;
	bool complete; /* its last read shows every acknowledged value */
};

struct world {
	const struct plan *plan;
	struct sampler sampler[NODES_MAX];
	int64_t begun;         /* broadcasts so far */
	int64_t *wanted;       /* in order: the acknowledged values; filled when the workload is over */
	size_t wanted_n;
	uint64_t messages;     /* between nodes so far */
	uint64_t budget;       /* of them, for the whole test */
	int64_t begin_ns, stable_ns;
	bool sampling, quiet;
};

static double seconds(int64_t ns)
{
	return (double)ns / (double)NS_PER_S;
}

static int64_t not_zero(int64_t t_ns)
{
	return t_ns ? t_ns : 1;
}

/* --- what a read says --- */

static _Noreturn void fail_list(struct play *p, const struct op *op, const char *seen, const char *hint)
{
	FAIL(p, .rule = "read_ok carries the list of values",
		.expected = "{\"type\":\"read_ok\",\"messages\":[...]} with the numbers that were broadcast, as they were sent",
		.seen = seen, .hint = hint, .nodes = lane_bit(op->node), .t_ns = not_zero(op->return_ns),
		.evidence = { op->call_seq, op->return_seq });
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Where an element of a list ends: at the comma or bracket outside of all texts, lists and objects. */
static const char *element_end(const char *at, const char *end)
{
	int depth = 0;
	for (; at < end; at++) {
		if (*at == '"')
			for (at++; *at != '"'; at++)
				at += *at == '\\';
		else if (*at == '[' || *at == '{')
			depth++;
		else if ((*at == ']' || *at == '}') && depth-- == 0)
			return at;
		else if (*at == ',' && depth == 0)
			return at;
	}
	return end;
}

/* An integer, also one that is written 12.0 or 12e0. */
static bool number_read(struct slice text, int64_t *out)
{
	char copy[40], *end;
	if (slice_int(text, out))
		return true;
	if (text.n >= sizeof copy || text.s[0] == '"')
		return false;
	memcpy(copy, text.s, text.n);
	copy[text.n] = '\0';
	double x = strtod(copy, &end);
	if (*end || end == copy || x < -9e15 || x > 9e15 || x != (double)(int64_t)x)
		return false;
	*out = (int64_t)x;
	return true;
}

static int64_t element_read(struct play *p, const struct op *op, struct slice text)
{
	int64_t value;
	while (text.n && is_space(text.s[text.n - 1]))
		text.n--;
	if (number_read(text, &value))
		return value;
	bool quoted = text.n && text.s[0] == '"';
	fail_list(p, op, play_text(p, "a read of %s shows %.*s, and only whole numbers were broadcast",
		play_node_name(p, op->node), text.n > 80 ? 80 : (int)text.n, text.s), quoted ?
		"give the number back as a number, without quotes" :
		"keep nothing but the \"message\" of a broadcast. A request without a message has none to keep");
}

static struct shown *list_read(struct play *p, const struct op *op, struct slice list)
{
	size_t room = 1;
	for (size_t i = 0; i < list.n; i++)
		room += list.s[i] == ',';
	struct shown *shown = arena_alloc(play_arena(p), sizeof *shown);
	int64_t *values = arena_alloc(play_arena(p), room * sizeof *values);
	*shown = (struct shown){ .values = values };
	const char *at = list.s + 1, *end = list.s + list.n - 1;
	for (;;) {
		while (at < end && is_space(*at))
			at++;
		if (at == end)
			return shown;
		const char *stop = element_end(at, end);
		values[shown->n++] = element_read(p, op, (struct slice){ at, (size_t)(stop - at) });
		at = stop + (stop < end);
	}
}

/* Reads the answer of a read, once. */
static const struct shown *shown_by(struct play *p, struct op *op)
{
	if (op->data)
		return op->data;
	struct slice list = json_member(op->answer, "messages");
	if (!list.s)
		fail_list(p, op, play_text(p, "%s's reply has no key \"messages\"", play_node_name(p, op->node)),
			"an empty list is [], not a missing key");
	if (slice_is(list, "null")) /* what Go writes for an empty list; Maelstrom takes it too */
		list = SLICE("[]");
	if (list.s[0] != '[')
		fail_list(p, op, play_text(p, "%s's \"messages\" is no list: %.*s", play_node_name(p, op->node),
			list.n > 80 ? 80 : (int)list.n, list.s), "give a list: [1,2], or [] while there is none");
	return op->data = list_read(p, op, list);
}

/* --- every request is answered --- */

static void need_answer(struct play *p, const struct op *op)
{
	const struct world *w = play_data(p);
	if (op->status == OP_OK)
		return;
	if (!w->plan->trouble || op->code == ERROR_NOT_SUPPORTED)
		play_need_answer(p, op);
	const char *name = play_node_name(p, op->node);
	FAIL(p, .rule = "broadcast and read are always answered",
		.expected = play_text(p, "%s answers %s with %s_ok, also %s: the client reaches it all the time", name, op->f, op->f,
			w->plan->trouble),
		.seen = op->answer.n ? play_text(p, "%s answered %s", name, play_quote(p, op->answer)) :
			play_text(p, "%s did not answer %s within %.1f s", name, op->f, ANSWER_MS / 1000.0),
		.hint = "answer at once from what the node itself knows. Pass the value on afterwards; do not wait for other nodes",
		.nodes = lane_bit(op->node), .t_ns = op->return_seq ? op->return_ns : 0,
		.evidence = { op->call_seq, op->return_seq });
}

/* --- asking --- */

static void next_op(struct play *p, struct op *op, struct rng *rng, struct buf *body, void *arg)
{
	struct world *w = arg;
	op->node = (int)rng_below(rng, (uint64_t)play_nodes(p));
	bool add = rng_below(rng, 2) == 0;
	int64_t value = 100 + 10 * w->begun + (int64_t)rng_below(rng, 10); /* distinct, and not to be guessed */
	if (!add) {
		buf_str(body, "{\"type\":\"read\"}");
		return;
	}
	w->begun++;
	op->value = value;
	buf_printf(body, "{\"type\":\"broadcast\",\"message\":%lld}", (long long)value);
}

static void op_done(struct play *p, struct op *op, void *arg)
{
	(void)arg;
	need_answer(p, op);
	if (strcmp(op->f, "read") == 0)
		shown_by(p, op);
}

static int ascending(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return x < y ? -1 : x > y;
}

/* Does the read show all that are wanted? */
static bool shows_all(struct play *p, const struct world *w, const struct shown *s)
{
	if (s->n < w->wanted_n)
		return false;
	int64_t *values = arena_alloc(play_arena(p), (s->n + 1) * sizeof *values);
	if (s->n)
		memcpy(values, s->values, s->n * sizeof *values);
	qsort(values, s->n, sizeof *values, ascending);
	size_t i = 0, k = 0;
	for (; i < s->n && k < w->wanted_n; i++)
		k += values[i] == w->wanted[k];
	return k == w->wanted_n;
}

static void look_at_sample(struct play *p, struct sampler *s)
{
	need_answer(p, s->op);
	const struct shown *shown = shown_by(p, s->op);
	s->complete = s->world->quiet && shows_all(p, s->world, shown);
	s->op = NULL;
}

static void sample(struct play *p, void *arg)
{
	struct sampler *s = arg;
	if (!s->world->sampling)
		return;
	if (s->op && s->op->status != OP_PENDING)
		look_at_sample(p, s);
	if (!s->op)
		s->op = play_send_body(p, SAMPLER + s->node, s->node, SLICE("{\"type\":\"read\"}"), ANSWER_MS);
	play_at(p, SAMPLE_MS, sample, s);
}

/* The nodes take turns, so that they are not all asked at one instant. */
static void start_sampling(struct play *p, struct world *w)
{
	w->sampling = true;
	for (int i = 0; i < play_nodes(p); i++) {
		w->sampler[i] = (struct sampler){ .world = w, .node = i };
		play_at(p, 1 + SAMPLE_MS * i / play_nodes(p), sample, &w->sampler[i]);
	}
}

static void stop_sampling(struct play *p, struct world *w)
{
	w->sampling = false;
	for (int i = 0; i < play_nodes(p); i++) {
		if (!w->sampler[i].op)
			continue;
		play_wait(p, w->sampler[i].op);
		look_at_sample(p, &w->sampler[i]);
	}
}

static bool all_complete(struct play *p, void *arg)
{
	const struct world *w = arg;
	for (int i = 0; i < play_nodes(p); i++)
		if (!w->sampler[i].complete)
			return false;
	return true;
}

static bool is_op(const struct op *op, const char *f)
{
	return op->status == OP_OK && strcmp(op->f, f) == 0;
}

static void want_all(struct play *p, struct world *w)
{
	const struct history *h = play_history(p);
	w->wanted = arena_alloc(play_arena(p), (history_count(h) + 1) * sizeof *w->wanted);
	for (size_t i = 0; i < history_count(h); i++)
		if (is_op(history_at(h, i), "broadcast"))
			w->wanted[w->wanted_n++] = history_at(h, i)->value;
	qsort(w->wanted, w->wanted_n, sizeof *w->wanted, ascending);
}

/* A grid, as wide as it is high: everybody has up to four neighbours. */
static struct slice topology(struct play *p)
{
	int n = play_nodes(p), side = 1;
	while (side * side < n)
		side++;
	struct buf b = BUF_EMPTY;
	buf_str(&b, "{\"type\":\"topology\",\"topology\":{");
	for (int i = 0; i < n; i++) {
		int near[4] = { i - side, i % side ? i - 1 : -1, (i + 1) % side ? i + 1 : -1, i + side };
		const char *comma = "";
		buf_printf(&b, "%s\"%s\":[", i ? "," : "", play_node_name(p, i));
		for (int k = 0; k < 4; k++) {
			if (near[k] < 0 || near[k] >= n)
				continue;
			buf_printf(&b, "%s\"%s\"", comma, play_node_name(p, near[k]));
			comma = ",";
		}
		buf_char(&b, ']');
	}
	buf_str(&b, "}}");
	struct slice body = arena_copy(play_arena(p), buf_as_slice(&b));
	buf_done(&b);
	return body;
}

/* First of all, as Maelstrom does. A node may do without it, and answer error 10. */
static void send_topology(struct play *p)
{
	struct op *op[NODES_MAX];
	struct slice body = topology(p);
	for (int i = 0; i < play_nodes(p); i++)
		op[i] = play_send_body(p, -1, i, body, ANSWER_MS);
	for (int i = 0; i < play_nodes(p); i++)
		play_wait(p, op[i]);
}

static void read_finally(struct play *p)
{
	struct op *op[NODES_MAX];
	for (int i = 0; i < play_nodes(p); i++) {
		op[i] = play_send(p, i, "{\"type\":\"read\"}");
		op[i]->final = true;
	}
	for (int i = 0; i < play_nodes(p); i++) {
		play_wait(p, op[i]);
		need_answer(p, op[i]);
		shown_by(p, op[i]);
	}
}

static void play_plan(struct play *p, const struct plan *plan)
{
	struct world *w = arena_zero(play_arena(p), sizeof *w);
	w->plan = plan;
	w->budget = plan->per_op ? plan->per_op * (uint64_t)plan->count : STORM;
	play_set_data(p, w);
	send_topology(p);
	w->begin_ns = play_now(p);
	w->messages = 0;
	start_sampling(p, w);
	if (plan->faults)
		plan->faults(p);
	play_workload(p, &(struct workload){ .clients = CLIENTS, .rate = plan->rate, .count = plan->count,
		.duration_ms = plan->duration_ms, .timeout_ms = ANSWER_MS, .next = next_op, .done = op_done, .arg = w });
	play_heal(p);
	play_note(p, "quiet phase: no more broadcasts, and no faults");
	want_all(p, w);
	w->quiet = true;
	play_until(p, all_complete, w, STABLE_MS);
	w->stable_ns = play_now(p);
	stop_sampling(p, w);
	read_finally(p);
}

/* --- too many messages: seen while they are sent, so that a storm ends soon --- */

static _Noreturn void fail_storm(struct play *p, const struct world *w, const struct event *e)
{
	FAIL(p, .rule = "a broadcast comes to an end",
		.expected = play_text(p, "far fewer than %d messages between nodes", STORM),
		.seen = play_text(p, "%llu messages between nodes after %lld broadcasts, and no end", (unsigned long long)w->messages,
			(long long)w->begun),
		.hint = "pass a value on only when you see it for the first time: keep a set of the values that you have seen",
		.nodes = lane_bit(e->src), .evidence = { e->seq });
}

static const char budget_rule[] = "messages per operation";
static const char budget_hint[] = "count what one broadcast costs: with 25 nodes it needs at least 24 messages when each is sent "
	"alone. Collect the values of a short time and send them together, and to few neighbours (a tree)";

/* Operations of the workload so far; the sampling reads are none. */
static size_t ops_of(const struct play *p)
{
	size_t n = 0;
	const struct history *h = play_history(p);
	for (size_t i = 0; i < history_count(h); i++)
		n += history_at(h, i)->shrinkable && history_at(h, i)->status != OP_SKIPPED;
	return n;
}

static _Noreturn void fail_budget(struct play *p, const struct world *w, const struct event *e)
{
	FAIL(p, .rule = budget_rule, .expected = play_text(p, "at most %u messages between nodes per operation: %llu for all %lld "
			"operations", w->plan->per_op, (unsigned long long)w->budget, (long long)w->plan->count),
		.seen = play_text(p, "%llu messages after %zu operations, %.1f s after the first", (unsigned long long)w->messages,
			ops_of(p), seconds(play_now(p) - w->begin_ns)),
		.hint = budget_hint, .nodes = lane_bit(e->src), .evidence = { e->seq });
}

static void watch(struct play *p, const struct event *e)
{
	struct world *w = play_data(p);
	if (!w || e->kind != EVENT_SEND || lane_is_client(play_lanes(p), e->src) || lane_is_client(play_lanes(p), e->dst))
		return;
	if (++w->messages <= w->budget)
		return;
	if (w->plan->per_op)
		fail_budget(p, w, e);
	fail_storm(p, w, e);
}

/* --- judging the whole run --- */

struct judged {
	struct set_add *adds;
	struct set_read *reads;
	const struct op **add_op, **read_op;
	size_t adds_n, reads_n;
	struct set_report report;
};

static void take_op(struct play *p, struct judged *j, struct op *op)
{
	if (op->status == OP_SKIPPED || !op->call_seq)
		return;
	bool ok = op->status == OP_OK;
	if (strcmp(op->f, "broadcast") == 0) {
		j->add_op[j->adds_n] = op;
		j->adds[j->adds_n++] = (struct set_add){ .value = op->value, .call = op->call_seq, .ret = ok ? op->return_seq : 0,
			.ret_ns = ok ? op->return_ns : 0 };
	} else if (ok && strcmp(op->f, "read") == 0) {
		const struct shown *shown = shown_by(p, op);
		j->read_op[j->reads_n] = op;
		j->reads[j->reads_n++] = (struct set_read){ .node = op->node, .call = op->call_seq, .ret = op->return_seq,
			.call_ns = op->call_ns, .ret_ns = op->return_ns, .values = shown->values, .n = shown->n };
	}
}

static struct judged *judge(struct play *p)
{
	const struct history *h = play_history(p);
	struct arena *a = play_arena(p);
	size_t n = history_count(h) + 1;
	struct judged *j = arena_zero(a, sizeof *j);
	j->adds = arena_alloc(a, n * sizeof *j->adds);
	j->reads = arena_alloc(a, n * sizeof *j->reads);
	j->add_op = arena_alloc(a, n * sizeof *j->add_op);
	j->read_op = arena_alloc(a, n * sizeof *j->read_op);
	for (size_t i = 0; i < history_count(h); i++)
		take_op(p, j, history_at(h, i));
	j->report = set_check(a, j->adds, j->adds_n, j->reads, j->reads_n);
	return j;
}

static const struct op *op_that_added(const struct judged *j, int64_t value)
{
	for (size_t i = 0; i < j->adds_n; i++)
		if (j->adds[i].value == value)
			return j->add_op[i];
	return NULL;
}

static void check_invented(struct play *p, const struct judged *j)
{
	const struct set_report *r = &j->report;
	if (!r->phantoms)
		return;
	const struct op *read = j->read_op[r->phantom.read], *add = op_that_added(j, r->phantom.value);
	const char *name = play_node_name(p, read->node);
	FAIL(p, .rule = "a read shows only what was broadcast",
		.expected = "only values that clients had broadcast by then",
		.seen = add ? play_text(p, "%s shows %lld at %.3f s, and a client broadcast it only at %.3f s", name,
				(long long)r->phantom.value, seconds(read->return_ns), seconds(add->call_ns)) :
			play_text(p, "%s shows %lld, which no client has broadcast", name, (long long)r->phantom.value),
		.hint = "look at every place where the node adds to its set: only the \"message\" of a broadcast may go in, and what "
			"other nodes pass on. A request without a message has none to keep",
		.nodes = lane_bit(read->node), .t_ns = not_zero(read->return_ns), .evidence = { read->call_seq, read->return_seq });
}

static void check_twice(struct play *p, const struct judged *j)
{
	const struct set_report *r = &j->report;
	if (!r->doubled)
		return;
	const struct op *read = j->read_op[r->twice.read], *add = op_that_added(j, r->twice.value);
	FAIL(p, .rule = "a read shows each value once",
		.expected = play_text(p, "%lld once", (long long)r->twice.value),
		.seen = play_text(p, "%s shows %lld %u times", play_node_name(p, read->node), (long long)r->twice.value,
			r->twice.times),
		.hint = "a value comes to a node by several ways, and again when it is sent again: keep values in a set, or look before "
			"you append",
		.nodes = lane_bit(read->node), .t_ns = not_zero(read->return_ns),
		.evidence = { add ? add->call_seq : 0, add ? read->call_seq : read->return_seq, add ? read->return_seq : 0 });
}

static void check_taken_back(struct play *p, const struct judged *j)
{
	const struct set_report *r = &j->report;
	if (!r->vanished)
		return;
	const struct op *read = j->read_op[r->gone.read], *earlier = j->read_op[r->gone.earlier];
	const char *name = play_node_name(p, read->node);
	FAIL(p, .rule = "a node goes on showing what it has shown",
		.expected = play_text(p, "%lld in every read of %s from %.3f s on", (long long)r->gone.value, name,
			seconds(earlier->return_ns)),
		.seen = play_text(p, "%s showed %lld at %.3f s, and a read that began later, at %.3f s, lacks it", name,
			(long long)r->gone.value, seconds(earlier->return_ns), seconds(read->call_ns)),
		.hint = "the set only grows: does something put another list in its place, for example one that came from another "
			"node? Merge instead",
		.nodes = lane_bit(read->node), .t_ns = not_zero(read->return_ns),
		.evidence = { earlier->return_seq, read->call_seq, read->return_seq });
}

/* --- every node has every value --- */

static size_t lacking_on(const struct judged *j, int node)
{
	size_t n = 0;
	for (size_t i = 0; i < j->report.n; i++)
		n += (j->report.values[i].lost_on & lane_bit(node)) != 0;
	return n;
}

/* "n3 lacks 12 of the 98 values, n5 lacks 12" */
static void print_lacking(struct play *p, const struct judged *j, struct buf *b)
{
	int shown = 0, more = 0;
	for (int i = 0; i < play_nodes(p); i++) {
		size_t n = lacking_on(j, i);
		if (n && shown == NAMES_SHOWN)
			more++;
		else if (n && shown++ == 0)
			buf_printf(b, "%s lacks %zu of the %zu values", play_node_name(p, i), n, j->report.acknowledged);
		else if (n)
			buf_printf(b, ", %s lacks %zu", play_node_name(p, i), n);
	}
	if (more)
		buf_printf(b, ", and %d more nodes lack some", more);
}

static int first_node(lane_set set)
{
	int node = 0;
	while (!(set & lane_bit(node)))
		node++;
	return node;
}

/* The number before which we stand is a msg_id or an in_reply_to. */
static bool is_envelope_number(struct slice text, size_t at)
{
	static const char *const keys[] = { "\"msg_id\"", "\"in_reply_to\"" };
	while (at > 0 && (is_space(text.s[at - 1]) || text.s[at - 1] == ':'))
		at--;
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		size_t n = strlen(keys[i]);
		if (at >= n && memcmp(text.s + at - n, keys[i], n) == 0)
			return true;
	}
	return false;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool holds_number(struct slice text, const char *number)
{
	size_t n = strlen(number);
	for (size_t i = 0; i + n <= text.n; i++)
		if (memcmp(text.s + i, number, n) == 0 && (i == 0 || !is_digit(text.s[i - 1])) &&
			(i + n == text.n || !is_digit(text.s[i + n])) && !is_envelope_number(text, i))
			return true;
	return false;
}

/* The next event of a kind, from a place on, of a message between nodes that has the value in it; to one of `to`. */
static const struct event *next_with(struct play *p, int kind, uint64_t from, int64_t value, lane_set to)
{
	const struct trace *t = play_trace(p);
	const char *number = play_text(p, "%lld", (long long)value);
	for (uint64_t s = from; s <= trace_count(t); s++) {
		const struct event *e = trace_at(t, s);
		if (e->kind == kind && lane_is_node(play_lanes(p), e->src) && lane_is_node(play_lanes(p), e->dst) &&
			(to & lane_bit(e->dst)) && holds_number(trace_body(t, e), number))
			return e;
	}
	return NULL;
}

static const struct op *last_read_of(const struct judged *j, int node)
{
	const struct op *last = NULL;
	for (size_t i = 0; i < j->reads_n; i++)
		if (j->reads[i].node == node && (!last || j->read_op[i]->call_seq > last->call_seq))
			last = j->read_op[i];
	return last;
}

static const struct set_value *first_lost(const struct judged *j)
{
	for (size_t i = 0; i < j->report.n; i++)
		if (j->report.values[i].fate == SET_LOST)
			return &j->report.values[i];
	return NULL;
}

/* A message that carried it was dropped: the test's own advice. Else it was never sent to where it lacks. */
static const char *lost_hint(struct play *p, const struct judged *j, const struct set_value *v)
{
	const struct world *w = play_data(p);
	const struct op *add = j->add_op[v->add];
	lane_set all = lanes_all_nodes(play_lanes(p));
	if (w->plan->lost_hint && next_with(p, EVENT_DROP, add->call_seq, add->value, all))
		return w->plan->lost_hint;
	if (v->lost_on == (all & ~lane_bit(add->node)))
		return "the value never left the node that took it: send it to other nodes as well";
	return "the value reached some nodes and stopped there: does a node pass on what it learns from another node?";
}

/* Adds the first messages that carried the value to the evidence. */
static void way_of(struct play *p, const struct op *add, struct finding *f)
{
	size_t n = 4 + (f->evidence[4] != 0);
	const struct event *e = NULL;
	while (n < ARRAY_LEN(f->evidence) && (e = next_with(p, EVENT_SEND, e ? e->seq + 1 : add->call_seq, add->value,
			lanes_all_nodes(play_lanes(p)))))
		f->evidence[n++] = e->seq;
}

static void check_lost(struct play *p, const struct judged *j)
{
	const struct set_value *v = first_lost(j);
	if (!v)
		return;
	lane_set nodes = 0;
	for (size_t i = 0; i < j->report.n; i++)
		nodes |= j->report.values[i].lost_on;
	int node = first_node(v->lost_on);
	const struct op *add = j->add_op[v->add], *last = last_read_of(j, node);
	const struct event *drop = next_with(p, EVENT_DROP, add->call_seq, add->value, lane_bit(node));
	struct buf b = BUF_EMPTY;
	print_lacking(p, j, &b);
	buf_printf(&b, ". The first is %lld: %s took it at %.3f s, and %s still lacks it at %.3f s", (long long)v->value,
		play_node_name(p, add->node), seconds(add->call_ns), play_node_name(p, node), seconds(last->return_ns));
	if (drop)
		buf_printf(&b, "; a message from %s to %s that carried it was lost at %.3f s",
			lane_name(play_lanes(p), drop->src), play_node_name(p, node), seconds(drop->t_ns));
	else if (!next_with(p, EVENT_SEND, add->call_seq, add->value, lane_bit(node)))
		buf_printf(&b, "; no message to %s has the number %lld in it", play_node_name(p, node), (long long)v->value);
	const struct world *w = play_data(p);
	struct finding f = { .rule = "every node has every value in the end",
		.expected = play_text(p, "%d s after the last broadcast%s at the latest, a read of any node shows every value that was "
			"acknowledged", STABLE_MS / 1000, w->plan->faults ? " and the last fault" : ""),
		.seen = play_text(p, "%s", buf_cstr(&b)), .hint = lost_hint(p, j, v), .nodes = nodes,
		.t_ns = not_zero(last->return_ns),
		.evidence = { add->call_seq, add->return_seq, last->call_seq, last->return_seq, drop ? drop->seq : 0 } };
	buf_done(&b);
	way_of(p, add, &f);
	play_fail(p, &f);
}

/* With one node there is nobody else to have it. */
static void check_alone(struct play *p, const struct judged *j)
{
	for (size_t i = 0; play_nodes(p) == 1 && i < j->report.n; i++) {
		const struct set_value *v = &j->report.values[i];
		if (!v->stale)
			continue;
		const struct op *add = j->add_op[i], *read = j->read_op[v->absent];
		FAIL(p, .rule = "an acknowledged value is there",
			.expected = play_text(p, "%lld in every read after broadcast_ok: there is only this node to keep it",
				(long long)v->value),
			.seen = play_text(p, "broadcast_ok at %.3f s, and a read that began at %.3f s lacks it", seconds(add->return_ns),
				seconds(read->call_ns)),
			.hint = "put the value into the set before you answer", .nodes = lane_bit(0), .t_ns = not_zero(read->return_ns),
			.evidence = { add->call_seq, add->return_seq, read->call_seq, read->return_seq });
	}
}

/* --- what it costs --- */

static void check_budget(struct play *p, const struct world *w, const struct judged *j)
{
	size_t ops = ops_of(p);
	if (ops == 0 || j->adds_n == 0 || play_nodes(p) == 1)
		return;
	struct traffic t = measure_traffic(p, w->begin_ns, w->stable_ns + 1);
	double per_op = (double)t.server_messages / (double)ops;
	const char *bound = w->plan->per_op ? play_text(p, "<= %u", w->plan->per_op) : NULL;
	play_measure(p, "messages per operation", per_op, "", bound);
	if (!w->plan->per_op || per_op <= w->plan->per_op)
		return;
	FAIL(p, .rule = budget_rule, .expected = play_text(p, "at most %u messages between nodes per operation", w->plan->per_op),
		.seen = play_text(p, "%.1f: %llu messages for %zu operations", per_op, (unsigned long long)t.server_messages, ops),
		.hint = budget_hint, .nodes = lanes_all_nodes(play_lanes(p)));
}

static const struct set_value *slowest(const struct judged *j)
{
	const struct set_value *worst = &j->report.values[0];
	for (size_t i = 1; i < j->report.n; i++)
		if (j->report.values[i].stable_ns > worst->stable_ns)
			worst = &j->report.values[i];
	return worst;
}

static void fail_slow(struct play *p, const struct world *w, const struct judged *j, int64_t median, int64_t max)
{
	const struct set_value *v = slowest(j);
	const struct op *add = j->add_op[v->add], *read = j->read_op[v->absent];
	FAIL(p, .rule = "stable latency",
		.expected = w->plan->max_ms ? play_text(p, "from the acknowledgement until all nodes show the value: median at most "
				"%.1f s, never more than %.1f s", (double)w->plan->median_ms / 1000, (double)w->plan->max_ms / 1000) :
			play_text(p, "from the acknowledgement until all nodes show the value: median at most %.1f s",
				(double)w->plan->median_ms / 1000),
		.seen = play_text(p, "median %.2f s, at most %.2f s. The slowest is %lld: %s took it at %.3f s, and %s still lacked it "
			"at %.3f s", seconds(median), seconds(max), (long long)v->value, play_node_name(p, add->node),
			seconds(add->call_ns), play_node_name(p, read->node), seconds(read->call_ns)),
		.hint = "each hop takes 100 ms, and each wait for more values adds to every hop: make the way shorter (a flatter tree) or "
			"wait less",
		.nodes = lane_bit(read->node), .t_ns = not_zero(read->return_ns),
		.evidence = { add->call_seq, add->return_seq, read->call_seq, read->return_seq });
}

static void check_latency(struct play *p, const struct world *w, const struct judged *j)
{
	size_t n = j->report.n;
	if (n == 0 || play_nodes(p) == 1)
		return;
	int64_t *latency = arena_alloc(play_arena(p), n * sizeof *latency);
	for (size_t i = 0; i < n; i++)
		latency[i] = j->report.values[i].stable_ns;
	int64_t median = measure_quantile(latency, n, 0.5), max = latency[n - 1];
	bool strict = w->plan->median_ms != 0 && play_time_is_exact(p);
	play_measure(p, "stable latency, median", seconds(median), "s",
		strict ? play_text(p, "<= %.1f s", (double)w->plan->median_ms / 1000) : NULL);
	play_measure(p, "stable latency, slowest", seconds(max), "s",
		w->plan->max_ms ? play_text(p, "<= %.1f s", (double)w->plan->max_ms / 1000) : NULL);
	if (strict && (median > w->plan->median_ms * NS_PER_MS || (w->plan->max_ms && max > w->plan->max_ms * NS_PER_MS)))
		fail_slow(p, w, j, median, max);
}

static void check(struct play *p)
{
	const struct world *w = play_data(p);
	const struct judged *j = judge(p);
	check_invented(p, j);
	check_twice(p, j);
	check_taken_back(p, j);
	check_lost(p, j);
	check_alone(p, j);
	check_budget(p, w, j);
	check_latency(p, w, j);
}

/* --- scenarios --- */

static void play_one_node(struct play *p)
{
	static const struct plan plan = { .rate = 50, .count = 100 };
	play_plan(p, &plan);
}

static void play_five_nodes(struct play *p)
{
	static const struct plan plan = { .rate = 40, .count = 200 };
	play_plan(p, &plan);
}

/* The last cut ends with the workload: nothing that is broadcast afterwards brings the rest along. */
static void partitions(struct play *p)
{
	static const struct cut_step steps[] = { { 500, CUT_HALVES }, { 5500, CUT_NOTHING }, { 6500, CUT_ODDLY }, { 11500, CUT_NOTHING },
		{ 12500, CUT_ALL_NODES } };
	play_cuts(p, steps, ARRAY_LEN(steps));
}

static void play_partitioned(struct play *p)
{
	static const struct plan plan = { .rate = 20, .duration_ms = 17500, .faults = partitions,
		.trouble = "while the network is cut",
		.lost_hint = "a message into a partition is lost, and nobody says so. Keep what another node has not confirmed, and send "
			"it again until it has" };
	play_plan(p, &plan);
}

static void losses(struct play *p)
{
	play_loss(p, 30);
	play_duplicate(p, 10);
	play_reorder(p, 10);
}

static void play_lossy(struct play *p)
{
	static const struct plan plan = { .rate = 20, .duration_ms = 10000, .faults = losses, .trouble = "while messages are lost",
		.lost_hint = "three in ten messages are lost, and nobody says so: wait for the other node's confirmation, and send the "
			"value again when it does not come" };
	play_plan(p, &plan);
}

static void play_efficient(struct play *p)
{
	static const struct plan plan = { .rate = 100, .count = 1000, .per_op = 20, .median_ms = 1000, .max_ms = 2000 };
	play_plan(p, &plan);
}

static void play_tight(struct play *p)
{
	static const struct plan plan = { .rate = 100, .count = 1000, .per_op = 8, .median_ms = 2000 };
	play_plan(p, &plan);
}

/* Requests that no sane client sends. They must not end the node, nor come up in a read. */
static void throw_garbage(struct play *p, void *arg)
{
	static const char *const bodies[] = {
		"{}", "{\"type\":42}", "{\"type\":null}", "{\"type\":\"brodcast\",\"message\":7}", "{\"type\":\"broadcast\"}",
		"{\"type\":\"broadcast_ok\"," TO_NOTHING "}", "{\"type\":\"read_ok\"," TO_NOTHING ",\"messages\":[5,6]}",
		"{\"type\":\"error\"," TO_NOTHING ",\"code\":99}", "{\"type\":\"\",\"in_reply_to\":\"x\"}",
		"{\"type\":\"topology\"}", "{\"type\":\"read\",\"messages\":[1,2],\"msg_id\":\"seven\"}",
	};
	(void)arg;
	for (size_t i = 0; i < ARRAY_LEN(bodies); i++)
		play_throw(p, (int)(i % (size_t)play_nodes(p)), slice_of(bodies[i]));
}

static void garbage(struct play *p)
{
	for (int i = 0; i < 3; i++)
		play_at(p, 300 + 700 * i, throw_garbage, NULL);
}

static void play_garbage(struct play *p)
{
	static const struct plan plan = { .rate = 30, .count = 75, .faults = garbage };
	play_plan(p, &plan);
}

static const struct reply_shape shapes[] = {
	{ "broadcast_ok", "" }, { "read_ok", "messages" }, { "topology_ok", "" }, { 0 },
};

/* The links of the two tests about cost: 100 ms, always. */
#define SLOW { .mean_ns = 100 * NS_PER_MS, .dist = DIST_CONSTANT }

static const struct test tests[] = {
	{ "one-node", "one node keeps what it is told", 10, TEST_SAFETY, 1, 60000, play_one_node, check, 0, { 0 }, NULL },
	{ "five-nodes", "every value reaches five nodes", 20, TEST_LIVENESS, 5, 60000, play_five_nodes, check, 0, { 0 }, NULL },
	{ "partition", "values get through 5-second partitions", 20, TEST_LIVENESS, 5, 90000, play_partitioned, check, NEEDS_BITE,
		{ 0 }, NULL },
	{ "loss", "values get through 30 % loss", 15, TEST_LIVENESS, 5, 90000, play_lossy, check, NEEDS_BITE, { 0 }, NULL },
	{ "efficient", "25 nodes, at most 20 messages per operation", 15, TEST_EFFICIENCY, 25, 90000, play_efficient, check, 0, SLOW,
		NULL },
	{ "tight", "25 nodes, at most 8 messages per operation", 10, TEST_EFFICIENCY, 25, 90000, play_tight, check, 0, SLOW, NULL },
	{ "garbage", "odd messages do not stop it", 10, TEST_SAFETY, 3, 60000, play_garbage, check, 0, { 0 }, NULL },
	{ 0 },
};

const struct lab lab_broadcast = {
	.id = "broadcast", .title = "every node has every message", .stage = 2, .kind = LAB_LINES, .tests = tests, .shapes = shapes,
	.watch = watch, .docker = true,
};
