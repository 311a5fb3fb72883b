/* The checker of linearizability: small histories with the verdict beside them, brute force against all small histories of
 * a register, and published histories with the verdicts of Knossos. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "check_linear.h"

/* --- histories as text: a word calls an operation, a digit and ")" ends that of a client ---
 *
 *   "0w1 1r1 0) 1)"   client 0 writes 1; client 1 reads, and its answer is 1; 0 ends, 1 ends
 *
 * w1 write, r1 read, c12 cas from 1 to 2 ("c12!" refused), a1 append, l1,2 read of a list, q1 enqueue, d1 dequeue,
 * L acquire ("L!" refused), U release; "n" is nil; "k3:" before it names the key. What does not end is a maybe. */

enum { OPS = 32, LISTED = 16 };

struct script {
	struct lin_op op[OPS];
	int64_t list[OPS][LISTED];
	size_t n;
};

static int64_t take_value(const char **at)
{
	char *end;
	if (**at == 'n') {
		++*at;
		return LIN_NIL;
	}
	int64_t v = strtoll((char[]){ **at, '\0' }, &end, 10);
	++*at;
	return v;
}

static void take_call(struct script *s, const char *at, struct lin_op *op)
{
	static const struct {
		char letter;
		int f;
	} letters[] = { { 'w', LIN_WRITE }, { 'r', LIN_READ }, { 'c', LIN_CAS }, { 'a', LIN_APPEND }, { 'l', LIN_READ }, { 'q', LIN_ENQUEUE },
		{ 'd', LIN_DEQUEUE }, { 'L', LIN_ACQUIRE }, { 'U', LIN_RELEASE } };
	char letter = *at++;
	for (size_t i = 0; i < ARRAY_LEN(letters); i++)
		if (letters[i].letter == letter)
			op->f = letters[i].f;
	op->result = at[strlen(at) - (*at != '\0')] != '!';
	if (letter == 'c')
		op->from = take_value(&at);
	if (letter == 'l') {
		op->list = s->list[s->n];
		for (; *at; at += *at == ',')
			s->list[s->n][op->list_n++] = take_value(&at);
	} else if (op->f == LIN_READ || op->f == LIN_DEQUEUE) {
		op->result = take_value(&at);
	} else if (letter != 'L' && letter != 'U') {
		op->value = take_value(&at);
	}
}

static void script_read(struct script *s, const char *text)
{
	char *copy = xstrdup(text), *rest = NULL;
	size_t open[10] = { 0 };
	uint64_t place = 0;
	s->n = 0;
	for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
		int client = *word++ - '0';
		place++;
		if (*word == ')') {
			s->op[open[client]].ret = place;
			continue;
		}
		struct lin_op *op = &s->op[s->n];
		*op = (struct lin_op){ .call = place, .ret = LIN_MAYBE, .client = client, .index = s->n };
		if (*word == 'k') {
			op->key = word[1] - '0';
			word += 3;
		}
		take_call(s, word, op);
		open[client] = s->n++;
	}
	free(copy);
}

/* --- an order that is given must be one --- */

enum { ORDERED = 1024 };

static bool stands_before(const struct lin_op *a, const struct lin_op *b, int order)
{
	return order == LIN_REAL_TIME ? a->ret < b->call : !lin_is_maybe(a) && a->client == b->client && a->call < b->call;
}

static bool equal_states(struct lin_state a, struct lin_state b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.w, b.w, a.n * sizeof *a.w) == 0);
}

static void order_holds(const struct lin_op *ops, size_t n, const struct lin_report *r, int order)
{
	int64_t next[64];
	size_t seen[ORDERED] = { 0 };
	assert_true(n <= ORDERED);
	for (size_t i = 0; i < r->steps_n; i++) {
		const struct lin_step *s = &r->steps[i];
		size_t next_n = 0;
		bool parted = i > 0 && r->by_key && ops[s->op].key != ops[r->steps[i - 1].op].key;
		assert_true(s->op < n && seen[s->op]++ == 0);
		assert_true(equal_states(s->before, i == 0 || parted ? r->model->start : r->steps[i - 1].after));
		assert_true(r->model->step(s->before, &ops[s->op], next, &next_n));
		assert_true(equal_states(s->after, r->model->pure(&ops[s->op]) ? s->before : (struct lin_state){ next, next_n }));
		for (size_t k = 0; k < i; k++)
			if (!r->by_key || ops[r->steps[k].op].key == ops[s->op].key)
				assert_false(stands_before(&ops[s->op], &ops[r->steps[k].op], order));
	}
	for (size_t i = 0; i < n && r->verdict == LIN_PASS; i++)
		assert_true(seen[i] || lin_is_maybe(&ops[i]));
}

struct expected {
	const struct lin_model *model;
	const char *history;
	char real_time, clients; /* '+' pass, '-' fail */
	int core;                /* how many operations contradict each other in real time */
};

static const struct expected table[] = {
	{ &lin_register, "", '+', '+', 0 },
	{ &lin_register, "0rn 0)", '+', '+', 0 },
	{ &lin_register, "0r1 0)", '-', '-', 1 },
	{ &lin_register, "0w1 0) 1r1 1)", '+', '+', 0 },
	/* A stale read: it began after the write had ended. Clients alone do not order them. */
	{ &lin_register, "0w1 0) 1rn 1)", '-', '+', 2 },
	{ &lin_register, "0w1 1rn 0) 1)", '+', '+', 0 },
	{ &lin_register, "0w1 0) 0rn 0)", '-', '-', 2 },
	/* New, then old: the value goes back. */
	{ &lin_register, "0w1 1r1 1) 2rn 2) 0)", '-', '+', 2 },
	{ &lin_register, "0w1 1r1 1) 1rn 1) 0)", '-', '-', 2 },
	{ &lin_register, "0w1 1w2 2r1 2) 3r2 3) 0) 1)", '+', '+', 0 },
	{ &lin_register, "0w1 1w2 2r1 2) 3r2 3) 2r1 2) 0) 1)", '-', '+', 3 },
	/* Without an answer: never, at once, or much later, but once. */
	{ &lin_register, "0w1 1rn 1) 1rn 1)", '+', '+', 0 },
	{ &lin_register, "0w1 1r1 1) 1r1 1)", '+', '+', 0 },
	{ &lin_register, "0w1 1rn 1) 1w2 1) 1r2 1) 1r1 1)", '+', '+', 0 },
	{ &lin_register, "0w1 1r1 1) 1w2 1) 1r1 1)", '-', '-', 3 },
	{ &lin_register, "0w1 2w1 1r1 1) 1w2 1) 1r1 1)", '+', '+', 0 },
	{ &lin_register, "0r1 0) 1w1", '-', '+', 1 },
	{ &lin_cas_register, "0w1 0) 0c12 0) 1r2 1)", '+', '+', 0 },
	{ &lin_cas_register, "0w1 0) 0c12! 0)", '-', '-', 2 },
	{ &lin_cas_register, "0w1 0) 0c21! 0) 0c11 0)", '+', '+', 0 },
	{ &lin_cas_register, "0w1 0) 0c12 1c12 0) 1)", '-', '-', 3 },
	{ &lin_cas_register, "0w1 0) 0c12 1c12! 0) 1)", '+', '+', 0 },
	{ &lin_cas_register, "0w1 0) 1c12 0r2 0) 0r1 0)", '-', '-', 3 },
	{ &lin_cas_register, "0cn1 0) 0r1 0)", '+', '+', 0 },
	/* Each key is right by itself, but no single order explains both keys: sequential consistency is not local. */
	{ &lin_map, "0k1:w1 0) 0k2:rn 0) 1k2:w1 1) 1k1:rn 1)", '-', '-', 2 },
	{ &lin_map, "0k1:w1 1k2:w1 0) 1) 0k2:r1 1k1:r1 0) 1)", '+', '+', 0 },
	{ &lin_map, "0k2:w1 0) 0k1:r1 0)", '-', '-', 1 },
	{ &lin_map, "0k2:w1 0) 0k1:w2 0) 0k2:wn 0) 1k2:rn 1) 1k1:r2 1)", '+', '+', 0 },
	{ &lin_list, "0a1 0) 1a2 1) 0l1,2 0)", '+', '+', 0 },
	{ &lin_list, "0a1 0) 1a2 1) 0l2,1 0)", '-', '+', 3 },
	{ &lin_list, "0a1 1a2 0) 1) 0l1,2 0) 1a3 1l2,1 1)", '-', '-', 4 },
	{ &lin_list, "0a1 0) 1a2 0l1 0) 0l1,2 0)", '+', '+', 0 },
	{ &lin_list, "0a1 0l1,1 0)", '-', '-', 2 },
	{ &lin_list, "0a1 0) 0a2 0) 0a3 0) 0l1,3 0)", '-', '-', 2 },
	{ &lin_lock, "0L 0) 1L 1)", '-', '-', 2 },
	{ &lin_lock, "0L 0) 1L! 1) 0U 0) 1L 1)", '+', '+', 0 },
	{ &lin_lock, "0L 0) 0U 1L 1) 0)", '+', '+', 0 },
	{ &lin_lock, "0L 0) 0U 1L 1) 1U 1)", '+', '+', 0 },
	{ &lin_lock, "0L 0) 1U 1)", '-', '-', 1 },
	{ &lin_lock, "0U! 0) 0L! 0)", '-', '-', 1 },
	{ &lin_queue, "0q1 0) 0q2 0) 1d1 1) 1d2 1) 1dn 1)", '+', '+', 0 },
	{ &lin_queue, "0q1 0) 0q2 0) 1d2 1) 1d1 1)", '-', '-', 3 },
	{ &lin_queue, "0q1 1q2 0) 1) 1d2 1) 1d1 1)", '+', '+', 0 },
	{ &lin_queue, "0q1 0) 1dn 1)", '-', '+', 2 },
	{ &lin_queue, "0q1 0) 1d1 1) 2d1 2)", '-', '-', 3 },
	{ &lin_queue, "0q1 0) 1d1 2dn 2) 1)", '+', '+', 0 },
	{ &lin_queue, "0q1 0) 0q2 0) 1d9 2d2 2)", '+', '+', 0 },
	{ &lin_queue, "0q1 0) 0q2 0) 1d9 2dn 2)", '-', '+', 3 },
};

/* With this core alone there is no order either, once the others are maybes, and those that changed nothing are gone. */
static void core_holds(const struct lin_op *ops, size_t n, const struct lin_report *r, const char *what)
{
	struct lin_op less[OPS];
	struct arena a;
	arena_init(&a);
	size_t less_n = 0;
	for (size_t i = 0; i < n; i++) {
		bool stays = false;
		for (size_t k = 0; k < r->core_n; k++)
			stays = stays || r->core[k] == i;
		if (!stays && r->model->pure(&ops[i]))
			continue;
		less[less_n] = ops[i];
		less[less_n].ret = stays ? ops[i].ret : LIN_MAYBE;
		less_n++;
	}
	struct lin_report again = lin_check(&a, r->by_key ? &lin_map : r->model, less, less_n, NULL);
	if (again.verdict != LIN_FAIL)
		fail_msg("\"%s\": the core does not fail by itself", what);
	arena_done(&a);
}

static char verdict_of(const struct lin_model *m, const struct script *s, int order, struct arena *a, struct lin_report *r)
{
	*r = lin_check(a, m, s->op, s->n, &(struct lin_options){ .order = order, .witness = true });
	order_holds(s->op, s->n, r, order);
	assert_int_not_equal(r->verdict, LIN_UNKNOWN);
	return r->verdict == LIN_PASS ? '+' : '-';
}

static void small_histories(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		const struct expected *x = &table[i];
		struct script s;
		struct arena a;
		struct lin_report r, by_clients;
		arena_init(&a);
		script_read(&s, x->history);
		char real_time = verdict_of(x->model, &s, LIN_REAL_TIME, &a, &r);
		char clients = verdict_of(x->model, &s, LIN_CLIENTS, &a, &by_clients);
		if (real_time != x->real_time || clients != x->clients)
			fail_msg("%s \"%s\": got %c%c, expected %c%c", x->model->name, x->history, real_time, clients, x->real_time, x->clients);
		if (r.core_n != (size_t)x->core || (r.verdict == LIN_FAIL && !r.core_minimal))
			fail_msg("%s \"%s\": %zu operations contradict each other, expected %d", x->model->name, x->history, r.core_n, x->core);
		if (r.verdict == LIN_FAIL && r.model->repeats)
			core_holds(s.op, s.n, &r, x->history);
		arena_done(&a);
	}
}

/* --- brute force: every order, by rules of its own --- */

struct brute {
	const struct lin_op *op;
	size_t n;
	int order;
	bool before[8][8];
};

static bool brute_step(const struct lin_op *o, int64_t *v)
{
	switch (o->f) {
	case LIN_READ:
		return lin_is_maybe(o) || o->result == *v;
	case LIN_WRITE:
		*v = o->value;
		return true;
	default:
		if (!lin_is_maybe(o) && o->result == 0)
			return *v != o->from;
		if (*v != o->from)
			return false;
		*v = o->value;
		return true;
	}
}

static bool brute_from(const struct brute *b, unsigned placed, int64_t v)
{
	bool all = true;
	for (size_t i = 0; i < b->n; i++)
		all = all && (placed >> i & 1 || lin_is_maybe(&b->op[i]));
	if (all)
		return true;
	for (size_t i = 0; i < b->n; i++) {
		int64_t next = v;
		bool free = !(placed >> i & 1);
		for (size_t k = 0; k < b->n && free; k++)
			free = placed >> k & 1 || !b->before[k][i];
		if (free && brute_step(&b->op[i], &next) && brute_from(b, placed | 1u << i, next))
			return true;
	}
	return false;
}

static bool brute_force(const struct lin_op *op, size_t n, int order)
{
	struct brute b = { .op = op, .n = n, .order = order };
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < n; k++)
			b.before[i][k] = i != k && stands_before(&op[i], &op[k], order);
	return brute_from(&b, 0, LIN_NIL);
}

static void describe(struct buf *b, const struct lin_op *op, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		buf_printf(b, "\n  %d: ", op[i].client);
		lin_cas_register.show_op(b, &op[i]);
		buf_printf(b, " %llu %lld", (unsigned long long)op[i].call, (long long)op[i].ret);
	}
}

static void compare_to_brute_force(struct arena *a, const struct lin_op *op, size_t n, int order)
{
	struct lin_report r = lin_check(a, &lin_cas_register, op, n, &(struct lin_options){ .order = order, .verdict_only = true });
	bool ok = brute_force(op, n, order);
	if (r.verdict == (ok ? LIN_PASS : LIN_FAIL))
		return;
	struct buf b = BUF_EMPTY;
	describe(&b, op, n);
	fail_msg("brute force says %s, order %d:%s", ok ? "pass" : "fail", order, buf_cstr(&b));
}

/* What an operation can be: with values nil, 1, 2. */
static const struct lin_op kinds[] = {
	{ .f = LIN_READ, .result = LIN_NIL }, { .f = LIN_READ, .result = 1 }, { .f = LIN_READ, .result = 2 },
	{ .f = LIN_WRITE, .value = 1 }, { .f = LIN_WRITE, .value = 2 },
	{ .f = LIN_CAS, .from = 1, .value = 2, .result = 1 }, { .f = LIN_CAS, .from = 2, .value = 1, .result = 1 },
	{ .f = LIN_CAS, .from = LIN_NIL, .value = 1, .result = 1 },
	{ .f = LIN_CAS, .from = 1, .value = 2 }, { .f = LIN_CAS, .from = LIN_NIL, .value = 1 },
	{ .ret = LIN_MAYBE, .f = LIN_WRITE, .value = 1 }, { .ret = LIN_MAYBE, .f = LIN_WRITE, .value = 2 },
	{ .ret = LIN_MAYBE, .f = LIN_CAS, .from = 1, .value = 2 }, { .ret = LIN_MAYBE, .f = LIN_CAS, .from = LIN_NIL, .value = 1 },
	{ .f = LIN_CAS, .from = 2, .value = 1 }, { .f = LIN_CAS, .from = LIN_NIL, .value = 2, .result = 1 },
	{ .ret = LIN_MAYBE, .f = LIN_CAS, .from = 2, .value = 1 }, { .ret = LIN_MAYBE, .f = LIN_CAS, .from = LIN_NIL, .value = 2 },
	/* Up to here in all histories of 4; these, which only say less, as well in those of 3. */
	{ .f = LIN_CAS, .from = 1, .value = 1, .result = 1 }, { .f = LIN_WRITE, .value = LIN_NIL },
	{ .f = LIN_CAS, .from = 2, .value = LIN_NIL, .result = 1 }, { .ret = LIN_MAYBE, .f = LIN_READ },
	{ .ret = LIN_MAYBE, .f = LIN_CAS, .from = 1, .value = 1 }, { .ret = LIN_MAYBE, .f = LIN_WRITE, .value = LIN_NIL },
};
enum { KINDS_OF_4 = 18 };

struct every {
	struct arena a;
	struct lin_op op[4];
	size_t n, kinds, count;
};

/* The kinds of the operations whose places are given. A maybe has no end: its end's place stays unused. */
static void every_kind(struct every *e, size_t i)
{
	if (i == e->n) {
		compare_to_brute_force(&e->a, e->op, e->n, LIN_REAL_TIME);
		e->count++;
		return;
	}
	struct lin_op place = e->op[i];
	for (size_t k = 0; k < e->kinds; k++) {
		if (lin_is_maybe(&kinds[k]) && place.ret != 2 * e->n && place.ret != place.call + 1)
			continue; /* the same history comes with another end */
		e->op[i] = kinds[k];
		e->op[i].call = place.call;
		e->op[i].ret = lin_is_maybe(&kinds[k]) ? LIN_MAYBE : place.ret;
		e->op[i].client = (int)i;
		every_kind(e, i + 1);
	}
	e->op[i] = place;
}

/* All ways to give n operations two places each of 2n: the first free place is the call of the next operation. */
static void every_place(struct every *e, size_t i, unsigned used)
{
	if (i == e->n) {
		every_kind(e, 0);
		return;
	}
	unsigned call = 0;
	while (used >> call & 1)
		call++;
	for (unsigned ret = call + 1; ret < 2 * e->n; ret++) {
		if (used >> ret & 1)
			continue;
		e->op[i].call = call + 1;
		e->op[i].ret = ret + 1;
		every_place(e, i + 1, used | 1u << call | 1u << ret);
	}
}

static void all_histories_of_up_to_4(void **state)
{
	(void)state;
	size_t count = 0;
	for (size_t n = 1; n <= 4; n++) {
		struct every e = { .n = n, .kinds = n < 4 ? ARRAY_LEN(kinds) : KINDS_OF_4 };
		arena_init(&e.a);
		every_place(&e, 0, 0);
		arena_done(&e.a);
		count += e.count;
	}
	print_message("%zu histories agree with brute force\n", count);
	assert_true(count > 1000000);
}

/* One operation at a time for each client; a client whose operation is a maybe may go on. */
static void random_history(struct rng *g, struct lin_op *op, size_t n)
{
	uint64_t place = 0, calls = 0;
	size_t open[3] = { SIZE_MAX, SIZE_MAX, SIZE_MAX };
	while (calls < n || open[0] != SIZE_MAX || open[1] != SIZE_MAX || open[2] != SIZE_MAX) {
		int client = (int)rng_below(g, 3);
		if (open[client] != SIZE_MAX) {
			op[open[client]].ret = ++place;
			open[client] = SIZE_MAX;
		} else if (calls < n) {
			struct lin_op *o = &op[calls];
			*o = kinds[rng_below(g, ARRAY_LEN(kinds))];
			o->client = client;
			o->call = ++place;
			if (!lin_is_maybe(o))
				open[client] = calls;
			calls++;
		}
	}
}

static void random_histories(void **state)
{
	(void)state;
	struct rng g;
	struct arena a;
	rng_seed(&g, 5);
	arena_init(&a);
	for (int i = 0; i < 150000; i++) {
		struct lin_op op[7];
		size_t n = i % 3 ? 5 : 7;
		random_history(&g, op, n);
		compare_to_brute_force(&a, op, n, LIN_REAL_TIME);
		compare_to_brute_force(&a, op, n, LIN_CLIENTS);
	}
	arena_done(&a);
}

/* Orders, states and cores of random failures hold what they promise. */
static void random_reports(void **state)
{
	(void)state;
	struct rng g;
	rng_seed(&g, 6);
	for (int i = 0; i < 3000; i++) {
		struct lin_op op[12];
		struct arena a;
		arena_init(&a);
		random_history(&g, op, ARRAY_LEN(op));
		int order = i % 2 ? LIN_REAL_TIME : LIN_CLIENTS;
		struct lin_report r = lin_check(&a, &lin_cas_register, op, ARRAY_LEN(op), &(struct lin_options){ .order = order, .witness = true });
		order_holds(op, ARRAY_LEN(op), &r, order);
		if (r.verdict == LIN_FAIL) {
			if (!r.core_n || !r.core_minimal || !r.blocked_n) {
				struct buf d = BUF_EMPTY;
				describe(&d, op, ARRAY_LEN(op));
				fail_msg("core %zu (minimal %d), blocked %zu, order %d:%s", r.core_n, r.core_minimal, r.blocked_n, order, buf_cstr(&d));
			}
			assert_true(r.placed < r.ops);
			if (order == LIN_REAL_TIME)
				core_holds(op, ARRAY_LEN(op), &r, "random");
		}
		struct buf b = BUF_EMPTY;
		lin_print(&b, op, &r);
		assert_true(b.n > 0);
		buf_done(&b);
		arena_done(&a);
	}
}

/* --- histories made by running an object: good by construction, until one answer is changed --- */

static size_t simulated_list(struct rng *g, struct lin_op *op, size_t n, struct arena *a, bool queue)
{
	int64_t values[256];
	size_t head = 0, tail = 0;
	uint64_t place = 0;
	for (size_t i = 0; i < n; i++) {
		struct lin_op *o = &op[i];
		*o = (struct lin_op){ .client = (int)(i % 4), .call = place + 1 + rng_below(g, 3), .index = i };
		place += 4;
		o->ret = place + rng_below(g, 7); /* ends after others have begun */
		bool add = rng_chance(g, 500000);
		if (add && o->client == 3 && rng_chance(g, 500000))
			o->ret = LIN_MAYBE;
		o->f = add ? queue ? LIN_ENQUEUE : LIN_APPEND : queue ? LIN_DEQUEUE : LIN_READ;
		if (add) {
			o->value = values[tail++] = (int64_t)i;
		} else if (queue) {
			o->result = head < tail ? values[head++] : LIN_NIL;
		} else {
			o->list_n = tail;
			o->list = memcpy(arena_alloc(a, tail * 8 + 8), values, tail * 8);
		}
	}
	return n;
}

static void lists_and_queues(void **state)
{
	(void)state;
	struct rng g;
	size_t failed = 0;
	rng_seed(&g, 7);
	for (int i = 0; i < 200; i++) {
		struct lin_op op[48];
		struct arena a;
		const struct lin_model *m = i % 2 ? &lin_queue : &lin_list;
		arena_init(&a);
		size_t n = simulated_list(&g, op, ARRAY_LEN(op), &a, i % 2);
		struct lin_report r = lin_check(&a, m, op, n, &(struct lin_options){ .witness = true });
		assert_int_equal(r.verdict, LIN_PASS);
		order_holds(op, n, &r, LIN_REAL_TIME);
		/* Two reads, or dequeues, of which the second is given the answer of the first. */
		size_t first = 10, last = n - 5;
		while (op[first].f != (i % 2 ? LIN_DEQUEUE : LIN_READ) || lin_is_maybe(&op[first]) || op[first].result == LIN_NIL)
			first++;
		while (op[last].f != op[first].f || lin_is_maybe(&op[last]))
			last--;
		if (last <= first + 4 || (i % 2 == 0 && op[last].list_n < op[first].list_n + 4)) {
			arena_done(&a);
			continue;
		}
		op[last].result = op[first].result;
		op[last].list = op[first].list;
		op[last].list_n = op[first].list_n;
		r = lin_check(&a, m, op, n, NULL);
		order_holds(op, n, &r, LIN_REAL_TIME);
		failed += r.verdict == LIN_FAIL;
		assert_int_equal(r.verdict, LIN_FAIL);
		if (r.core_n < 2 || r.core_n > 4) {
			struct buf d = BUF_EMPTY;
			lin_print(&d, op, &r);
			fail_msg("%s: %s", m->name, buf_cstr(&d));
		}
		arena_done(&a);
	}
	assert_true(failed > 100);
}

/* --- more operations at a time than a word has bits --- */

enum { WIDE = 150 };

/* Two writes, then many reads and writes at a time. Reads of 2 come first in any right order; each value that is written then is
 * read once, in the middle of everything. */
static size_t wide_history(struct lin_op *op, int64_t last)
{
	size_t n = 0;
	op[n++] = (struct lin_op){ .f = LIN_WRITE, .value = 1, .call = 1, .ret = 2 };
	op[n++] = (struct lin_op){ .f = LIN_WRITE, .value = 2, .call = 3, .ret = 4 };
	for (int i = 0; i < WIDE; i++) {
		uint64_t at = 10 + (uint64_t)i;
		op[n++] = (struct lin_op){ .f = LIN_READ, .result = 2, .client = 1 + i, .call = at, .ret = 1000 + at };
		op[n++] = (struct lin_op){ .f = LIN_WRITE, .value = 10 + i, .client = 500 + i, .call = 200 + at, .ret = 1200 + at };
		op[n++] = (struct lin_op){ .f = LIN_READ, .result = 10 + i, .client = 1000 + i, .call = 400 + at, .ret = 1400 + at };
	}
	op[n++] = (struct lin_op){ .f = LIN_READ, .result = last, .client = 2000, .call = 3000, .ret = 3001 };
	return n;
}

static void many_at_a_time(void **state)
{
	(void)state;
	struct lin_op op[3 * WIDE + 3];
	for (int order = LIN_REAL_TIME; order <= LIN_CLIENTS; order++) {
		struct arena a;
		arena_init(&a);
		size_t n = wide_history(op, 10 + WIDE - 1);
		struct lin_report r = lin_check(&a, &lin_register, op, n, &(struct lin_options){ .order = order, .witness = true });
		assert_int_equal(r.verdict, LIN_PASS);
		assert_true(r.ops == n && r.steps_n == n);
		order_holds(op, n, &r, order);
		arena_done(&a);
	}
	/* The first write is over when these begin; in the order of clients alone it need not be. */
	struct arena a;
	arena_init(&a);
	size_t n = wide_history(op, 10 + WIDE - 1);
	op[2 + 3 * (WIDE - 1)].result = 1;
	struct lin_report r = lin_check(&a, &lin_register, op, n, &(struct lin_options){ .verdict_only = true, .states = 3000 });
	assert_true(r.verdict != LIN_PASS);
	op[2 + 3 * (WIDE - 1)].ret = 190; /* it ends before any other write begins: nothing can help */
	r = lin_check(&a, &lin_register, op, n, NULL);
	assert_int_equal(r.verdict, LIN_FAIL);
	assert_true(r.core_minimal && r.core_n == 3 && r.core[0] == 0 && r.core[1] == 1 && r.core[2] == 2 + 3 * (WIDE - 1));
	arena_done(&a);
}

/* --- budgets --- */

/* Nine writes at once and reads that see them again and again: many orders, none of them right. */
static size_t hard_history(struct lin_op *op, int64_t key)
{
	size_t n = 0;
	for (int i = 0; i < 18; i++)
		op[n++] = (struct lin_op){ .f = LIN_WRITE, .value = i, .key = key, .client = i, .call = (uint64_t)i + 1, .ret = 100 + (uint64_t)i };
	for (int i = 0; i < 18; i++)
		op[n++] = (struct lin_op){ .f = LIN_READ, .result = 17 - i, .key = key, .client = 20 + i, .call = 20 + (uint64_t)i, .ret = 150 };
	op[n++] = (struct lin_op){ .f = LIN_READ, .result = 99, .key = key, .client = 50, .call = 200, .ret = 201 };
	return n;
}

static void unknown(void **state)
{
	(void)state;
	struct lin_op op[64];
	struct arena a;
	arena_init(&a);
	size_t n = hard_history(op, 1);
	struct lin_report r = lin_check(&a, &lin_map, op, n, &(struct lin_options){ .states = 500 });
	assert_int_equal(r.verdict, LIN_UNKNOWN);
	assert_true(r.out_of_states && !r.out_of_bytes);
	assert_true(r.states <= 500 && r.steps_n > 0 && r.placed < r.ops && r.core_n == 0);
	order_holds(op, n, &r, LIN_REAL_TIME);
	struct buf b = BUF_EMPTY;
	lin_print(&b, op, &r);
	assert_non_null(strstr(buf_cstr(&b), "No answer: the budget of states ran out after 500 states"));
	r = lin_check(&a, &lin_map, op, n, &(struct lin_options){ .bytes = 100000 });
	assert_int_equal(r.verdict, LIN_UNKNOWN);
	assert_true(r.out_of_bytes && !r.out_of_states && r.bytes <= 100000 && r.placed < r.ops);
	/* As much memory as there is: it is nearly used up before it gives up, and how far it came is told. */
	r = lin_check(&a, &lin_map, op, n, &(struct lin_options){ .bytes = 4 << 20, .states = UINT64_MAX });
	assert_int_equal(r.verdict, LIN_UNKNOWN);
	assert_true(r.out_of_bytes && !r.out_of_states && r.bytes <= 4 << 20 && r.bytes >= 2 << 20);
	assert_true(r.states > 50000 && r.placed > 0 && r.placed < r.ops && r.steps_n >= r.placed);
	order_holds(op, n, &r, LIN_REAL_TIME);
	b.n = 0;
	lin_print(&b, op, &r);
	assert_non_null(strstr(buf_cstr(&b), "No answer: the memory ran out after "));
	assert_non_null(strstr(buf_cstr(&b), "The longest order that fits has "));
	buf_done(&b);
	r = lin_check(&a, &lin_map, op, n, &(struct lin_options){ .bytes = 1 });
	assert_int_equal(r.verdict, LIN_UNKNOWN);
	/* A budget that is just not enough, and one that is. */
	n = 2;
	op[0] = (struct lin_op){ .f = LIN_WRITE, .value = 1, .call = 1, .ret = 2 };
	op[1] = (struct lin_op){ .f = LIN_READ, .result = 1, .call = 3, .ret = 4 };
	r = lin_check(&a, &lin_register, op, n, &(struct lin_options){ .states = 1 });
	assert_true(r.verdict == LIN_UNKNOWN || r.verdict == LIN_PASS);
	r = lin_check(&a, &lin_register, op, n, &(struct lin_options){ .states = 3 });
	assert_int_equal(r.verdict, LIN_PASS);
	arena_done(&a);
}

/* The hard key comes first; the easy failure of the other is found all the same, within the same budget. */
static void hard_key_hides_nothing(void **state)
{
	(void)state;
	struct lin_op op[70];
	struct arena a;
	arena_init(&a);
	size_t n = hard_history(op, 1);
	op[n++] = (struct lin_op){ .f = LIN_WRITE, .value = 1, .key = 2, .client = 60, .call = 300, .ret = 301 };
	op[n++] = (struct lin_op){ .f = LIN_READ, .result = 2, .key = 2, .client = 60, .call = 302, .ret = 303 };
	struct lin_report r = lin_check(&a, &lin_map, op, n, &(struct lin_options){ .states = 5000 });
	assert_int_equal(r.verdict, LIN_FAIL);
	assert_true(r.by_key && r.key == 2 && r.core_n == 1 && r.core[0] == n - 1);
	assert_true(r.steps_n == 1 && r.blocked_n == 1 && r.blocked[0] == n - 1);
	arena_done(&a);
}

static void printed(void **state)
{
	(void)state;
	struct script s;
	struct arena a;
	struct buf b = BUF_EMPTY;
	arena_init(&a);
	script_read(&s, "0k7:w1 0) 1k7:w2 1) 2k7:r1 2)");
	struct lin_report r = lin_check(&a, &lin_map, s.op, s.n, NULL);
	lin_print(&b, s.op, &r);
	assert_string_equal(buf_cstr(&b),
		"Key 7 (0 of 1 keys are in order):\n"
		"These operations have no order, whatever the others did:\n"
		"  client 0: write 1  (1 to 2)\n"
		"  client 1: write 2  (3 to 4)\n"
		"  client 2: read -> 1  (5 to 6)\n"
		"The longest order that fits has 2 of 3 operations:\n"
		"  nil  client 0: write 1  (1 to 2)  1\n"
		"  1  client 1: write 2  (3 to 4)  2\n"
		"Next would have to come one of these, and no choice leads to the end:\n"
		"  client 2: read -> 1  (5 to 6)\n");
	buf_done(&b);
	arena_done(&a);
}

/* --- published histories --- */

enum { PUBLISHED_OPS = 2048, PROCESSES = 4096 };

struct published {
	struct lin_op op[PUBLISHED_OPS];
	size_t n;
	size_t open[PROCESSES]; /* by process: 1 + its operation */
	size_t nil_reads;
};

static int64_t edn_value(const char *at, const char **end)
{
	while (*at == ' ' || *at == '[')
		at++;
	if (strncmp(at, "nil", 3) == 0) {
		*end = at + 3;
		return LIN_NIL;
	}
	char *stop;
	int64_t v = strtoll(at, &stop, 10);
	*end = stop;
	return v;
}

static void edn_line(struct published *p, const char *line, uint64_t place)
{
	const char *type = strstr(line, ":type :"), *f = strstr(line, ":f :"), *process = strstr(line, ":process "), *value = strstr(line, ":value [");
	if (!type || !f || !process || !value || process[9] == ':')
		return;
	size_t who = strtoull(process + 9, NULL, 10);
	assert_true(who < PROCESSES && p->n < PUBLISHED_OPS);
	value += 8;
	int64_t key = edn_value(value, &value);
	if (strncmp(type + 7, "invoke", 6) == 0) {
		struct lin_op *o = &p->op[p->n];
		*o = (struct lin_op){ .key = key, .client = (int)who, .call = place, .ret = LIN_MAYBE, .index = p->n, .result = 1 };
		o->f = strncmp(f + 4, "read", 4) == 0 ? LIN_READ : strncmp(f + 4, "write", 5) == 0 ? LIN_WRITE : LIN_CAS;
		if (o->f == LIN_CAS)
			o->from = edn_value(value, &value);
		if (o->f != LIN_READ)
			o->value = edn_value(value, &value);
		p->open[who] = ++p->n;
		return;
	}
	struct lin_op *o = &p->op[p->open[who] - 1];
	if (strncmp(type + 7, "ok", 2) == 0)
		o->ret = place;
	else if (strncmp(type + 7, "fail", 4) == 0)
		o->ret = 0; /* left out below */
	if (o->f == LIN_READ)
		o->result = edn_value(value, &value);
	p->nil_reads += o->f == LIN_READ && o->ret == place && o->result == LIN_NIL;
}

static bool published_read(struct published *p, const char *path)
{
	FILE *in = fopen(path, "r");
	char line[4096];
	uint64_t place = 0;
	size_t n = 0;
	*p = (struct published){ .n = 0 };
	if (!in)
		return false;
	while (fgets(line, sizeof line, in))
		edn_line(p, line, ++place);
	fclose(in);
	for (size_t i = 0; i < p->n; i++)
		if (p->op[i].ret != 0)
			p->op[n++] = p->op[i];
	p->n = n;
	return true;
}

static int verdict_published(struct published *p, bool wildcard, const char *name)
{
	struct arena a;
	arena_init(&a);
	for (size_t i = 0; i < p->n && wildcard; i++)
		if (p->op[i].f == LIN_READ && p->op[i].result == LIN_NIL)
			p->op[i].result = LIN_ANY;
	struct lin_report r = lin_check(&a, &lin_map, p->op, p->n, NULL);
	if (r.verdict == LIN_FAIL && getenv("DLAB_SHOW")) {
		struct buf b = BUF_EMPTY;
		lin_print(&b, p->op, &r);
		print_message("%s\n%s\n", name, buf_cstr(&b));
		buf_done(&b);
	}
	assert_true(r.verdict != LIN_FAIL || (r.core_n > 0 && r.core_minimal));
	arena_done(&a);
	return r.verdict;
}

/* Knossos takes an answer of nil for "not known"; here nil is the value of a key that was never written. */
static void published_histories(void **state)
{
	(void)state;
	const char *root = getenv("DLAB_HISTORIES");
	if (!root) {
		print_message("skipped: DLAB_HISTORIES does not name a folder of published histories\n");
		skip();
	}
	char *path = xasprintf("%s/verdicts.tsv", root), line[256];
	FILE *in = fopen(path, "r");
	struct published *p = xmalloc(sizeof *p);
	size_t agree = 0, stricter = 0;
	assert_non_null(in);
	free(path);
	while (fgets(line, sizeof line, in)) {
		char name[64], valid[64];
		if (sscanf(line, "%63[^\t]\t%63[^\t\n]", name, valid) != 2 || strncmp(name, "lin-kv/", 7) != 0)
			continue;
		path = xasprintf("%s/%s/history.edn", root, name);
		assert_true(published_read(p, path));
		free(path);
		int want = strcmp(valid, "true") == 0 ? LIN_PASS : LIN_FAIL;
		int strict = verdict_published(p, false, name), wild = verdict_published(p, true, name);
		if (wild != want)
			fail_msg("%s: published %s, here %d", name, valid, wild);
		assert_true(strict == LIN_FAIL || wild == LIN_PASS);
		if (strict != wild) {
			print_message("%s: fails here, passes where a read of nil fits all (%zu such reads)\n", name, p->nil_reads);
			assert_true(p->nil_reads > 0);
			stricter++;
		}
		agree++;
	}
	fclose(in);
	free(p);
	print_message("%zu published histories agree, %zu of them only where a read of nil fits every value\n", agree, stricter);
	assert_true(agree > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(small_histories), cmocka_unit_test(all_histories_of_up_to_4), cmocka_unit_test(random_histories),
		cmocka_unit_test(random_reports), cmocka_unit_test(lists_and_queues), cmocka_unit_test(many_at_a_time), cmocka_unit_test(unknown),
		cmocka_unit_test(hard_key_hides_nothing), cmocka_unit_test(printed), cmocka_unit_test(published_histories),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
