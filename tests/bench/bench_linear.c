/* bench_linear.c - the checker of linearizability beside a straight search (Wing and Gong 1993, Lowe 2017: a list of calls
 * and returns, a memory of copied bit sets) on the same synthetic histories of a register, in one program.
 *
 * The straight search is that of Porcupine (Athalye 2017): it visits the same nodes in the same order. It differs in two
 * things, both in its own favour: a bit set is copied only when its node is new (Porcupine copies it for each question),
 * and the state is part of the hash (Porcupine hashes the bit set alone and compares states one by one).
 *
 * usage: bench_linear ; environment: PLAIN_MB (default 2500): memory after which the straight search gives up */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "check_linear.h"

/* Of the processor, not of the clock on the wall: other programs may be running. */
static int64_t cpu_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * NS_PER_S + t.tv_nsec;
}

/* --- the straight search --- */

struct entry {
	struct entry *prev, *next, *match; /* match: of a call its return; NULL for a return */
	uint32_t op;
};

struct seen {
	struct seen *next;
	int64_t state;
	uint64_t bits[];
};

struct plain {
	const struct lin_op *ops;
	size_t n, words, count, cap, bytes, bytes_max;
	struct entry *entries, head;
	struct seen **table;
	uint64_t *bits;
	struct arena arena;
};

static void entry_unlink(struct entry *e)
{
	e->prev->next = e->next;
	if (e->next)
		e->next->prev = e->prev;
}

static void entry_link(struct entry *e)
{
	e->prev->next = e;
	if (e->next)
		e->next->prev = e;
}

static void lift(struct entry *e)
{
	entry_unlink(e);
	entry_unlink(e->match);
}

static void unlift(struct entry *e)
{
	entry_link(e->match);
	entry_link(e);
}

static bool register_takes(const struct lin_op *op, int64_t now, int64_t *next)
{
	*next = op->f == LIN_WRITE ? op->value : now;
	return op->f == LIN_WRITE || op->result == now;
}

static void seen_grow(struct plain *p)
{
	size_t cap = p->cap ? p->cap * 2 : 1024;
	struct seen **table = xcalloc(cap, sizeof(struct seen *));
	for (size_t i = 0; i < p->cap; i++)
		for (struct seen *s = p->table[i], *next; s; s = next) {
			next = s->next;
			size_t at = hash_bytes((uint64_t)s->state, s->bits, p->words * 8) & (cap - 1);
			s->next = table[at];
			table[at] = s;
		}
	free(p->table);
	p->table = table;
	p->cap = cap;
}

static bool seen_add(struct plain *p, int64_t state)
{
	if (p->count >= p->cap)
		seen_grow(p);
	size_t at = hash_bytes((uint64_t)state, p->bits, p->words * 8) & (p->cap - 1);
	for (struct seen *s = p->table[at]; s; s = s->next)
		if (s->state == state && memcmp(s->bits, p->bits, p->words * 8) == 0)
			return false;
	struct seen *s = arena_alloc(&p->arena, sizeof *s + p->words * 8);
	s->state = state;
	memcpy(s->bits, p->bits, p->words * 8);
	s->next = p->table[at];
	p->table[at] = s;
	p->count++;
	return true;
}

static int by_place(const void *a, const void *b, void *ops)
{
	const struct lin_op *o = ops;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	uint64_t px = x & 1 ? o[x / 2].ret : o[x / 2].call, py = y & 1 ? o[y / 2].ret : o[y / 2].call;
	return px < py ? -1 : px > py;
}

static void entries_make(struct plain *p)
{
	uint32_t *order = xmalloc(2 * p->n * sizeof *order);
	struct entry *last = &p->head;
	for (uint32_t i = 0; i < 2 * p->n; i++)
		order[i] = i;
	qsort_r(order, 2 * p->n, sizeof *order, by_place, (void *)(uintptr_t)p->ops);
	p->entries = xcalloc(2 * p->n, sizeof *p->entries);
	for (size_t i = 0; i < 2 * p->n; i++) {
		struct entry *e = &p->entries[order[i]];
		*e = (struct entry){ .prev = last, .op = order[i] / 2, .match = order[i] & 1 ? NULL : &p->entries[order[i] + 1] };
		last->next = e;
		last = e;
	}
	free(order);
}

static int plain_search(struct plain *p)
{
	struct entry **stack = xmalloc(p->n * sizeof(struct entry *));
	int64_t *states = xmalloc((p->n + 1) * sizeof *states);
	size_t depth = 0;
	int verdict = LIN_PASS;
	states[0] = LIN_NIL;
	for (struct entry *e = p->head.next; p->head.next;) {
		int64_t next;
		if (e->match && register_takes(&p->ops[e->op], states[depth], &next)) {
			p->bits[e->op / 64] |= UINT64_C(1) << (e->op % 64);
			if (seen_add(p, next)) {
				stack[depth++] = e;
				states[depth] = next;
				lift(e);
				e = p->head.next;
				continue;
			}
			p->bits[e->op / 64] &= ~(UINT64_C(1) << (e->op % 64));
		}
		if (e->match) {
			e = e->next;
			continue;
		}
		if (depth == 0 || p->arena.total > p->bytes_max) {
			verdict = depth ? LIN_UNKNOWN : LIN_FAIL;
			break;
		}
		e = stack[--depth];
		p->bits[e->op / 64] &= ~(UINT64_C(1) << (e->op % 64));
		unlift(e);
		e = e->next;
	}
	free(stack);
	free(states);
	return verdict;
}

static int plain_check(const struct lin_op *ops, size_t n, size_t bytes_max, size_t *states)
{
	struct plain p = { .ops = ops, .n = n, .words = (n + 63) / 64, .bytes_max = bytes_max };
	arena_init(&p.arena);
	p.bits = xcalloc(p.words, sizeof *p.bits);
	entries_make(&p);
	int verdict = plain_search(&p);
	*states = p.count;
	free(p.bits);
	free(p.entries);
	free(p.table);
	arena_done(&p.arena);
	return verdict;
}

/* --- histories: clients that are always busy; each operation takes effect at a random moment between its ends --- */

static void history_make(struct lin_op *ops, size_t n, int clients, bool good, uint64_t seed)
{
	struct rng g;
	struct lin_op *open[64] = { NULL };
	bool done[64] = { false };
	uint64_t place = 0;
	int64_t value = LIN_NIL;
	rng_seed(&g, seed);
	for (size_t called = 0, ended = 0; ended < n;) {
		size_t c = rng_below(&g, (uint64_t)clients);
		struct lin_op *o = open[c];
		if (!o && called < n) {
			bool write = rng_chance(&g, 500000);
			open[c] = &ops[called];
			done[c] = false;
			ops[called++] = (struct lin_op){ .f = write ? LIN_WRITE : LIN_READ, .client = (int)c, .call = ++place,
				.value = (int64_t)rng_below(&g, 5) };
		} else if (o && !done[c]) {
			value = o->f == LIN_WRITE ? o->value : value;
			o->result = value;
			done[c] = true;
		} else if (o) {
			o->ret = ++place;
			open[c] = NULL;
			ended++;
		}
	}
	for (size_t i = n * 9 / 10; i < n && !good; i++)
		if (ops[i].f == LIN_READ) {
			ops[i].result = 99;
			break;
		}
}

struct shape {
	int clients;
	size_t n;
	bool good;
};

static double seconds_of(const struct lin_op *ops, size_t n, const struct lin_options *o, struct lin_report *r)
{
	struct arena a;
	arena_init(&a);
	int64_t began = cpu_ns();
	*r = lin_check(&a, &lin_register, ops, n, o);
	double s = (double)(cpu_ns() - began) / 1e9;
	arena_done(&a);
	return s;
}

static void bench(const struct shape *shape, size_t plain_bytes)
{
	static const char *const verdicts[] = { "pass", "fail", "unknown" };
	double plain = 0, mine = 0, whole = 0;
	size_t plain_states = 0, states = 0, bytes = 0;
	int gave_up = 0, verdict = -1;
	struct lin_op *ops = xmalloc(shape->n * sizeof *ops);
	for (uint64_t seed = 1; seed <= 5; seed++) {
		struct lin_report r;
		size_t count;
		history_make(ops, shape->n, shape->clients, shape->good, seed);
		int64_t began = cpu_ns();
		int other = plain_check(ops, shape->n, plain_bytes, &count);
		plain += (double)(cpu_ns() - began) / 1e9;
		gave_up += other == LIN_UNKNOWN;
		plain_states += count;
		mine += seconds_of(ops, shape->n, &(struct lin_options){ .verdict_only = true, .states = 200000000 }, &r);
		verdict = r.verdict;
		states += r.states;
		bytes = r.bytes > bytes ? r.bytes : bytes;
		if (other != LIN_UNKNOWN && verdict != LIN_UNKNOWN && other != verdict)
			exit(1);
		if (!shape->good)
			whole += seconds_of(ops, shape->n, &(struct lin_options){ .states = 200000000 }, &r);
	}
	printf("%2d clients x %zu, %-4s %-7s  straight %9.2f ms, %zu states%s; here %8.3f ms, %zu states, %zu MB; ratio %.0f", shape->clients,
		shape->n, shape->good ? "good" : "bad", verdicts[verdict], plain * 200, plain_states / 5, gave_up ? " (gave up)" : "", mine * 200,
		states / 5, bytes >> 20, plain / mine);
	if (!shape->good)
		printf("; with the core %.1f ms", whole * 200);
	printf("\n");
	fflush(stdout);
	free(ops);
}

int main(void)
{
	static const struct shape shapes[] = { { 5, 1000, true }, { 5, 1000, false }, { 10, 1000, true }, { 10, 1000, false }, { 20, 1000, true } };
	const char *mb = getenv("PLAIN_MB");
	size_t bytes = (mb ? strtoull(mb, NULL, 10) : 2500) << 20;
	for (size_t i = 0; i < ARRAY_LEN(shapes); i++)
		bench(&shapes[i], bytes);
	return 0;
}
