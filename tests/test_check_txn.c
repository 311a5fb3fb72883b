/* The checker of transactions on lists: small histories with their anomalies beside them, and random ones beside brute force
 * (every order of the transactions) and beside a plain search for each kind of cycle. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "check_txn.h"

enum { TXNS = 8, MICROS = 6, LISTED = 16 };

struct script {
	struct txn txn[TXNS];
	struct txn_micro micro[TXNS][MICROS];
	int64_t list[TXNS][MICROS][LISTED];
	size_t n;
};

/* --- histories as text ---
 *
 *   "0:1-4 a1=7 r2=5,6 | 1:2-? a2=5"   client 0, from 1 to 4, appends 7 to key 1 and reads key 2 as [5 6]; client 1 gets no
 *                                      answer ("-x": it failed) */

static void take_micro(struct script *s, struct txn *t, const char *word)
{
	size_t i = (size_t)(t - s->txn);
	char *at;
	assert_true(t->micro_n < MICROS);
	struct txn_micro *m = &s->micro[i][t->micro_n];
	*m = (struct txn_micro){ .f = *word == 'a' ? TXN_APPEND : TXN_READ, .list = s->list[i][t->micro_n] };
	m->key = strtoll(word + 1, &at, 10);
	assert_true(*at == '=');
	at++;
	if (m->f == TXN_APPEND)
		m->value = strtoll(at, &at, 10);
	for (; *at; at += *at == ',')
		s->list[i][t->micro_n][m->list_n++] = strtoll(at, &at, 10);
	t->micro_n++;
}

static void script_read(struct script *s, const char *text)
{
	char *copy = xstrdup(text), *rest = NULL;
	struct txn *t = NULL;
	s->n = 0;
	for (char *word = strtok_r(copy, " |", &rest); word; word = strtok_r(NULL, " |", &rest)) {
		char *at;
		if (*word == 'a' || *word == 'r') {
			assert_non_null(t);
			take_micro(s, t, word);
			continue;
		}
		assert_true(s->n < TXNS);
		t = &s->txn[s->n];
		*t = (struct txn){ .client = (int)strtol(word, &at, 10), .micro = s->micro[s->n], .index = s->n };
		t->call = strtoull(at + 1, &at, 10);
		t->status = at[1] == '?' ? TXN_MAYBE : at[1] == 'x' ? TXN_FAILED : TXN_OK;
		t->ret = strtoull(at + 1, NULL, 10);
		s->n++;
	}
	free(copy);
}

/* --- a witness must prove what it says --- */

static const struct txn_micro *append_of(const struct txn *t, int64_t key, int64_t value)
{
	for (size_t i = 0; i < t->micro_n; i++)
		if (t->micro[i].f == TXN_APPEND && t->micro[i].key == key && t->micro[i].value == value)
			return &t->micro[i];
	return NULL;
}

static size_t place_of(const struct txn_micro *read, int64_t value)
{
	for (size_t i = 0; i < read->list_n; i++)
		if (read->list[i] == value)
			return i;
	return SIZE_MAX;
}

/* True when a read of the key shows `value` and, if it shows `next`, then later. */
static bool shown_in_order(const struct txn *txns, size_t n, int64_t key, int64_t value, int64_t next)
{
	bool shown = false;
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < txns[i].micro_n; k++) {
			const struct txn_micro *m = &txns[i].micro[k];
			if (m->f != TXN_READ || m->key != key || txns[i].status != TXN_OK)
				continue;
			if (place_of(m, next) < place_of(m, value))
				return false;
			shown = shown || place_of(m, value) != SIZE_MAX;
		}
	return shown;
}

static bool read_lacks(const struct txn *t, const struct txn_edge *e)
{
	for (size_t i = 0; i < t->micro_n; i++) {
		const struct txn_micro *m = &t->micro[i];
		if (m->f == TXN_READ && m->key == e->key && place_of(m, e->next) == SIZE_MAX &&
			(e->value == TXN_NOTHING || place_of(m, e->value) != SIZE_MAX))
			return true;
	}
	return false;
}

static bool read_shows(const struct txn *t, const struct txn_edge *e)
{
	for (size_t i = 0; i < t->micro_n; i++)
		if (t->micro[i].f == TXN_READ && t->micro[i].key == e->key && place_of(&t->micro[i], e->value) != SIZE_MAX)
			return true;
	return false;
}

static void edge_holds(const struct txn *txns, size_t n, const struct txn_edge *e)
{
	const struct txn *from = &txns[e->from], *to = &txns[e->to];
	assert_true(e->from < n && e->to < n && e->from != e->to);
	assert_true(from->status != TXN_FAILED && to->status != TXN_FAILED);
	switch (e->why) {
	case TXN_WW:
		assert_non_null(append_of(from, e->key, e->value));
		assert_non_null(append_of(to, e->key, e->next));
		assert_true(shown_in_order(txns, n, e->key, e->value, e->next));
		break;
	case TXN_WR:
		assert_non_null(append_of(from, e->key, e->value));
		assert_true(to->status == TXN_OK && read_shows(to, e));
		break;
	case TXN_RW:
		assert_non_null(append_of(to, e->key, e->next));
		assert_true(from->status == TXN_OK && read_lacks(from, e));
		break;
	case TXN_BY_CLIENT:
		assert_true(from->status == TXN_OK && from->client == to->client && from->call < to->call);
		break;
	default:
		assert_int_equal(e->why, TXN_BY_TIME);
		assert_true(from->status == TXN_OK && from->ret < to->call);
	}
}

static void cycle_holds(const struct txn *txns, size_t n, const struct txn_anomaly *a)
{
	size_t count[TXN_BY_TIME + 1] = { 0 };
	assert_true(a->edges_n >= 2);
	for (size_t i = 0; i < a->edges_n; i++) {
		edge_holds(txns, n, &a->edges[i]);
		count[a->edges[i].why]++;
		assert_true(a->edges[i].to == a->edges[(i + 1) % a->edges_n].from);
		for (size_t k = 0; k < i; k++)
			assert_true(a->edges[k].from != a->edges[i].from);
	}
	assert_true(a->ordered == (count[TXN_BY_CLIENT] + count[TXN_BY_TIME] > 0));
	if (a->kind == TXN_G0)
		assert_true(count[TXN_WR] == 0 && count[TXN_RW] == 0);
	else if (a->kind == TXN_G1C)
		assert_true(count[TXN_WR] > 0 && count[TXN_RW] == 0);
	else if (a->kind == TXN_G_SINGLE)
		assert_true(count[TXN_RW] == 1);
	else
		assert_true(count[TXN_RW] >= 2);
}

static void report_holds(const struct txn *txns, size_t n, const struct txn_report *r)
{
	size_t shown[TXN_KINDS] = { 0 };
	for (size_t i = 0; i < r->n; i++) {
		const struct txn_anomaly *a = &r->anomalies[i];
		shown[a->kind]++;
		assert_true(i == 0 || r->anomalies[i - 1].kind <= a->kind);
		if (a->kind >= TXN_G0) {
			cycle_holds(txns, n, a);
			continue;
		}
		assert_true(a->txn < n && a->other < n && a->micro < txns[a->txn].micro_n && a->other_micro < txns[a->other].micro_n);
		assert_int_equal(txns[a->txn].micro[a->micro].f, TXN_READ);
		assert_true(txns[a->txn].micro[a->micro].key == a->key);
	}
	for (int kind = 0; kind < TXN_KINDS; kind++)
		assert_true(shown[kind] == (r->found[kind] < TXN_SHOWN ? r->found[kind] : TXN_SHOWN));
	struct buf b = BUF_EMPTY;
	txn_print(&b, txns, r);
	assert_true(b.n > 0);
	buf_done(&b);
}

/* --- small histories --- */

struct expected {
	const char *history;
	const char *any, *clients, *time; /* the kinds that are found; NULL: as before it */
};

static const struct expected table[] = {
	{ "", "", NULL, NULL },
	{ "0:1-2 a1=1 | 1:3-4 r1=1", "", NULL, NULL },
	{ "0:1-2 a1=1 | 0:3-4 a1=2 r1=1,2 a1=3 r1=1,2,3", "", NULL, NULL },
	/* An answer may come late, or never: what is seen has happened. */
	{ "0:1-? a1=1 a2=1 | 1:3-4 r1=1 r2=1", "", NULL, NULL },
	{ "0:1-? a1=1 a2=1 | 1:3-4 r1= r2=", "", NULL, NULL },
	{ "0:1-? a1=1 a2=1 | 1:3-4 r1=1 r2=", "G-single", NULL, NULL },

	{ "0:1-2 a1=1 r1=", "internal", NULL, NULL },
	{ "0:1-2 a1=1 | 1:3-4 a1=2 r1=2,1", "internal", NULL, "internal G0" },
	{ "0:1-2 r1=1 a1=1", "internal", NULL, NULL },
	{ "0:1-2 a1=1 | 1:3-4 r1= r1=1", "internal G-single", NULL, NULL },
	{ "0:1-2 a1=1 a1=2 | 1:3-4 r1=2,1", "internal G1b", NULL, NULL },
	{ "0:1-2 a1=1 a1=2 | 1:3-4 r1=2", "internal", NULL, NULL },
	{ "0:1-2 a1=1 | 1:3-4 r1=1,1", "duplicate", NULL, NULL },
	{ "0:1-2 a1=1 | 1:1-2 a1=2 | 2:3-4 r1=1,2 | 3:3-4 r1=2", "incompatible order", NULL, NULL },
	{ "0:1-2 a1=1 | 1:1-2 a1=2 | 2:3-4 r1=1,2 | 3:3-4 r1=2,1", "incompatible order", NULL, NULL },
	{ "0:1-2 a1=1 | 1:3-4 r1=1,9", "garbage read", NULL, NULL },
	{ "0:1-2 a1=1 | 1:3-4 r2=1", "garbage read", NULL, NULL },
	{ "0:1-x a1=1 | 1:3-4 r1=1", "G1a", NULL, NULL },
	{ "0:1-x a1=1 | 1:3-4 a1=2 | 2:5-6 r1=1,2", "G1a", NULL, NULL },
	/* Who sees the half of it misses the rest. */
	{ "0:1-4 a1=1 a1=2 | 1:2-3 r1=1", "G1b G-single", NULL, NULL },
	{ "0:1-4 a1=1 r1=1 a1=2 | 1:5-6 r1=1,2", "", NULL, NULL },

	/* Adya, section 3.2 and 4: write cycles, circular information flow, anti-dependency cycles. */
	{ "0:1-4 a1=1 a2=1 | 1:1-4 a1=2 a2=2 | 2:5-6 r1=1,2 r2=2,1", "G0", NULL, NULL },
	{ "0:1-4 a1=1 a1=3 | 1:1-4 a1=2 | 2:5-6 r1=1,2,3", "G0", NULL, NULL },
	{ "0:1-4 a1=1 r2=2 | 1:1-4 a2=2 r1=1", "G1c", NULL, NULL },
	{ "0:1-4 a1=1 r2=2 | 1:1-4 a1=2 a2=2 | 2:5-6 r1=1,2", "G1c", NULL, NULL },
	/* Read skew; a lost update. */
	{ "0:1-4 r1= r2=2 | 1:1-4 a1=1 a2=2", "G-single", NULL, NULL },
	{ "0:1-4 r1= a1=1 | 1:1-4 r1= a1=2 | 2:5-6 r1=1,2", "G-single", NULL, NULL },
	/* Write skew: each misses what the other appended. */
	{ "0:1-4 r1= a2=1 | 1:1-4 r2= a1=2 | 2:5-6 r1=2 r2=1", "G2", NULL, NULL },
	/* The same, where nobody reads afterwards: what is in no list is later than all lists. */
	{ "0:1-4 r1= a2=1 | 1:1-4 r2= a1=2", "G2", NULL, NULL },
	/* Two readers see two appends in different orders ("long fork"). */
	{ "0:1-9 a1=1 | 1:1-9 a2=1 | 2:1-9 r1=1 r2= | 3:1-9 r1= r2=1", "G2", NULL, NULL },
	{ "0:1-9 r1= a2=1 | 1:1-9 r2= a3=1 | 2:1-9 r3= a1=1", "G2", NULL, NULL },

	/* Old reads: wrong for the client itself, or for the clock alone. */
	{ "0:1-2 a1=1 | 0:3-4 r1=", "", "G-single", "G-single" },
	{ "0:1-2 a1=1 | 1:3-4 r1=", "", "", "G-single" },
	{ "0:1-4 a1=1 | 1:3-6 r1=", "", NULL, NULL },
	{ "0:1-2 a1=1 | 0:3-4 a1=2 | 1:5-6 r1=2,1", "", "G0", "G0" },
	{ "0:1-2 r1=2 | 1:3-4 a1=2", "", "", "G1c" },
	/* Without an answer it may take effect after what its client did next. */
	{ "0:1-? a1=1 | 0:3-4 r1= | 0:5-6 r1=1", "", NULL, NULL },
	{ "0:1-2 a1=1 | 1:3-? a2=1 | 2:5-6 r2=1 r1=", "", "", "G-single" },
	/* G2 in real time: two clients, each of which misses what the other did before. */
	{ "0:1-2 a1=1 | 0:3-4 r2= | 1:1-2 a2=1 | 1:3-4 r1=", "", "G2", "G-single" },
};

static void kinds_found(struct buf *b, const struct txn_report *r)
{
	for (int kind = 0; kind < TXN_KINDS; kind++)
		if (r->found[kind])
			buf_printf(b, "%s%s", b->n ? " " : "", txn_kind_name(kind));
}

static void small_histories(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		const char *expect = "";
		for (int order = TXN_ANY_ORDER; order <= TXN_REAL_TIME; order++) {
			const char *const given[] = { table[i].any, table[i].clients, table[i].time };
			struct buf b = BUF_EMPTY;
			struct script s;
			struct arena a;
			arena_init(&a);
			script_read(&s, table[i].history);
			struct txn_report r = txn_check(&a, s.txn, s.n, &(struct txn_options){ .order = order });
			report_holds(s.txn, s.n, &r);
			expect = given[order] ? given[order] : expect;
			kinds_found(&b, &r);
			if (strcmp(buf_cstr(&b), expect) != 0)
				fail_msg("\"%s\", order %d: got \"%s\", expected \"%s\"", table[i].history, order, buf_cstr(&b), expect);
			assert_true(r.ok == (*expect == '\0'));
			buf_done(&b);
			arena_done(&a);
		}
	}
}

/* --- levels --- */

static void levels(void **state)
{
	(void)state;
	static const struct {
		const char *history;
		const char *ok; /* '+' for each level that is kept, the strongest first */
	} cases[] = {
		{ "0:1-2 a1=1 | 1:3-4 r1=1", "++++" },
		{ "0:1-4 r1= a2=1 | 1:1-4 r2= a1=2", "-+++" },
		{ "0:1-4 r1= r2=2 | 1:1-4 a1=1 a2=2", "--++" },
		{ "0:1-2 a1=1 | 1:3-4 r1= r1=1", "--++" },
		{ "0:1-4 a1=1 r2=2 | 1:1-4 a2=2 r1=1", "---+" },
		{ "0:1-4 a1=1 a1=2 | 1:2-3 r1=1", "---+" },
		{ "0:1-4 a1=1 a2=1 | 1:1-4 a1=2 a2=2 | 2:5-6 r1=1,2 r2=2,1", "----" },
		{ "0:1-2 a1=1 | 1:3-4 r1=1,9", "----" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		for (int level = TXN_SERIALIZABLE; level <= TXN_READ_UNCOMMITTED; level++) {
			struct script s;
			struct arena a;
			arena_init(&a);
			script_read(&s, cases[i].history);
			struct txn_report r = txn_check(&a, s.txn, s.n, &(struct txn_options){ .level = level });
			if (r.ok != (cases[i].ok[level] == '+'))
				fail_msg("\"%s\", level %d: got %d", cases[i].history, level, r.ok);
			arena_done(&a);
		}
}

/* --- random histories: objects that keep more or less of what they should --- */

enum { KEYS = 2, CASE_TXNS = 4 };

struct store {
	int64_t list[KEYS][LISTED];
	size_t n[KEYS];
};

/* SERIAL: one after the other. MIXED: each micro-operation by itself. SNAPSHOT: reads from when it began, appends at its end. */
enum manner { SERIAL, MIXED, SNAPSHOT, MANNERS };

static void store_append(struct store *s, int64_t key, int64_t value)
{
	s->list[key][s->n[key]++] = value;
}

static void store_read(struct script *s, const struct store *from, size_t txn, size_t micro)
{
	struct txn_micro *m = &s->micro[txn][micro];
	m->list_n = from->n[m->key];
	memcpy(s->list[txn][micro], from->list[m->key], sizeof from->list[m->key]);
}

static void step_micro(struct script *s, struct store *store, size_t txn, size_t micro)
{
	const struct txn_micro *m = &s->micro[txn][micro];
	if (m->f == TXN_APPEND)
		store_append(store, m->key, m->value);
	else
		store_read(s, store, txn, micro);
}

static void make_txns(struct rng *g, struct script *s, bool all_answered)
{
	int64_t value = 0;
	s->n = 2 + rng_below(g, CASE_TXNS - 1);
	for (size_t i = 0; i < s->n; i++) {
		struct txn *t = &s->txn[i];
		*t = (struct txn){ .client = (int)rng_below(g, 3), .micro = s->micro[i], .micro_n = 1 + rng_below(g, 3) };
		if (!all_answered && rng_chance(g, 250000))
			t->status = rng_chance(g, 500000) ? TXN_MAYBE : TXN_FAILED;
		for (size_t k = 0; k < t->micro_n; k++) {
			bool append = rng_chance(g, 500000);
			s->micro[i][k] = (struct txn_micro){ .f = append ? TXN_APPEND : TXN_READ, .key = (int64_t)rng_below(g, KEYS),
				.value = append ? ++value : 0, .list = s->list[i][k] };
		}
	}
}

/* Which transaction makes a step: the first `begin` of it is its call, its last is its return. */
static void run_serial(struct rng *g, struct script *s, struct store *store)
{
	size_t order[TXNS];
	for (size_t i = 0; i < s->n; i++) {
		size_t at = rng_below(g, i + 1);
		order[i] = order[at];
		order[at] = i;
	}
	for (size_t i = 0; i < s->n; i++)
		for (size_t k = 0; k < s->txn[order[i]].micro_n; k++)
			if (s->txn[order[i]].status != TXN_FAILED)
				step_micro(s, store, order[i], k);
}

static void run_mixed(struct rng *g, struct script *s, struct store *store)
{
	size_t done[TXNS] = { 0 }, left = 0;
	for (size_t i = 0; i < s->n; i++)
		left += s->txn[i].micro_n;
	while (left > 0) {
		size_t i = rng_below(g, s->n);
		if (done[i] == s->txn[i].micro_n)
			continue;
		step_micro(s, store, i, done[i]++);
		left--;
	}
}

static void run_snapshots(struct rng *g, struct script *s, struct store *store)
{
	struct store seen[TXNS];
	size_t at[TXNS] = { 0 };
	for (size_t ended = 0; ended < s->n;) {
		size_t i = rng_below(g, s->n);
		if (at[i] == 0) {
			seen[i] = *store;
			at[i] = 1;
		} else if (at[i] == 1) {
			for (size_t k = 0; k < s->txn[i].micro_n; k++)
				step_micro(s, &seen[i], i, k);
			for (size_t k = 0; k < s->txn[i].micro_n && s->txn[i].status != TXN_FAILED; k++)
				if (s->micro[i][k].f == TXN_APPEND)
					store_append(store, s->micro[i][k].key, s->micro[i][k].value);
			at[i] = 2;
			ended++;
		}
	}
}

/* A read is cut short, so that it shows an older list. */
static void spoil(struct rng *g, struct script *s)
{
	size_t i = rng_below(g, s->n), k = rng_below(g, s->txn[i].micro_n);
	if (s->micro[i][k].f == TXN_READ)
		s->micro[i][k].list_n = rng_below(g, s->micro[i][k].list_n + 1);
}

/* Calls and returns at random, but one client does one thing after the other. */
static void make_places(struct rng *g, struct script *s)
{
	uint64_t place = 0;
	for (size_t i = 0; i < s->n; i++) {
		place += 1 + rng_below(g, 3);
		s->txn[i].call = place;
		s->txn[i].ret = place + 1 + rng_below(g, 8);
	}
	for (size_t i = 0; i < s->n; i++)
		for (size_t k = i + 1; k < s->n; k++)
			if (s->txn[k].client == s->txn[i].client && s->txn[k].call <= s->txn[i].ret)
				s->txn[i].ret = s->txn[k].call - 1 > s->txn[i].call ? s->txn[k].call - 1 : s->txn[i].call;
}

/* Reads all there is; it stands beside all others. */
static void add_reader(struct script *s, const struct store *store)
{
	struct txn *t = &s->txn[s->n];
	*t = (struct txn){ .client = 9, .micro = s->micro[s->n], .micro_n = KEYS, .call = 0, .ret = 1000 };
	for (size_t k = 0; k < KEYS; k++) {
		s->micro[s->n][k] = (struct txn_micro){ .f = TXN_READ, .key = (int64_t)k, .list = s->list[s->n][k] };
		store_read(s, store, s->n, k);
	}
	s->n++;
}

static void random_history(struct rng *g, struct script *s, bool complete)
{
	static void (*const run[])(struct rng *, struct script *, struct store *) = { run_serial, run_mixed, run_snapshots };
	struct store store = { .n = { 0 } };
	make_txns(g, s, complete && rng_chance(g, 700000));
	run[rng_below(g, MANNERS)](g, s, &store);
	make_places(g, s);
	for (uint64_t spoils = rng_below(g, 3); spoils > 0; spoils--)
		spoil(g, s);
	if (complete)
		add_reader(s, &store);
}

static void describe(struct buf *b, const struct script *s)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct txn *t = &s->txn[i];
		buf_printf(b, "%s%d:%llu-", i ? " | " : "", t->client, (unsigned long long)t->call);
		if (t->status == TXN_OK)
			buf_int(b, (int64_t)t->ret);
		else
			buf_char(b, t->status == TXN_MAYBE ? '?' : 'x');
		for (size_t k = 0; k < t->micro_n; k++) {
			const struct txn_micro *m = &t->micro[k];
			buf_printf(b, " %c%lld=", m->f == TXN_APPEND ? 'a' : 'r', (long long)m->key);
			if (m->f == TXN_APPEND)
				buf_int(b, m->value);
			for (size_t v = 0; v < m->list_n; v++)
				buf_printf(b, "%s%lld", v ? "," : "", (long long)m->list[v]);
		}
	}
}

/* --- brute force: every order --- */

static bool stands_before(const struct txn *a, const struct txn *b, int order)
{
	if (a->status != TXN_OK || order == TXN_ANY_ORDER)
		return false;
	return order == TXN_REAL_TIME ? a->ret < b->call : a->client == b->client && a->call < b->call;
}

static bool run_one(const struct txn *t, struct store *s)
{
	for (size_t i = 0; i < t->micro_n; i++) {
		const struct txn_micro *m = &t->micro[i];
		if (m->f == TXN_APPEND)
			store_append(s, m->key, m->value);
		else if (t->status == TXN_OK &&
			(m->list_n != s->n[m->key] || memcmp(m->list, s->list[m->key], m->list_n * sizeof *m->list) != 0))
			return false;
	}
	return true;
}

static bool brute_from(const struct script *s, unsigned placed, const struct store *now, int order)
{
	bool all = true;
	for (size_t i = 0; i < s->n; i++)
		all = all && (placed >> i & 1 || s->txn[i].status != TXN_OK);
	if (all)
		return true;
	for (size_t i = 0; i < s->n; i++) {
		struct store next = *now;
		bool free = !(placed >> i & 1) && s->txn[i].status != TXN_FAILED;
		for (size_t k = 0; k < s->n && free; k++)
			free = k == i || placed >> k & 1 || !stands_before(&s->txn[k], &s->txn[i], order);
		if (free && run_one(&s->txn[i], &next) && brute_from(s, placed | 1u << i, &next, order))
			return true;
	}
	return false;
}

static void compare(struct rng *g, size_t count, bool complete, size_t *good, size_t found[TXN_KINDS])
{
	for (size_t i = 0; i < count; i++) {
		struct script s;
		random_history(g, &s, complete);
		for (int order = TXN_ANY_ORDER; order <= TXN_REAL_TIME; order++) {
			struct arena a;
			arena_init(&a);
			struct txn_report r = txn_check(&a, s.txn, s.n, &(struct txn_options){ .order = order });
			bool ok = brute_from(&s, 0, &(struct store){ .n = { 0 } }, order);
			if (complete ? r.ok != ok : ok && !r.ok) {
				struct buf b = BUF_EMPTY;
				describe(&b, &s);
				txn_print(&b, s.txn, &r);
				fail_msg("brute force says %s, order %d: %s", ok ? "serializable" : "not serializable", order, buf_cstr(&b));
			}
			report_holds(s.txn, s.n, &r);
			*good += ok;
			for (int kind = 0; kind < TXN_KINDS; kind++)
				found[kind] += r.found[kind] > 0;
			arena_done(&a);
		}
	}
}

static void random_histories(void **state)
{
	(void)state;
	struct rng g;
	size_t good = 0, found[TXN_KINDS] = { 0 };
	rng_seed(&g, 11);
	compare(&g, 40000, true, &good, found);
	print_message("every append is read: %zu of %d are serializable; the same as brute force\n", good, 3 * 40000);
	assert_true(good > 20000 && good < 100000);
	for (int kind = 0; kind < TXN_KINDS; kind++)
		assert_true(found[kind] > 100 || kind == TXN_DUPLICATE || kind == TXN_INCOMPATIBLE || kind == TXN_GARBAGE);
	good = 0;
	compare(&g, 40000, false, &good, found);
	print_message("not every append is read: no anomaly in %zu histories that have an order\n", good);
	assert_true(good > 20000);
}

/* --- each kind of cycle beside a plain search for it --- */

enum { WHYS = TXN_RW + 1 };

struct reach {
	bool edge[WHYS][TXNS][TXNS];
	bool narrow[TXNS][TXNS], ww[TXNS][TXNS], wide[TXNS][TXNS]; /* paths over ww and wr; over ww; over all */
	size_t n;
};

static size_t writer_of(const struct script *s, int64_t value)
{
	for (size_t i = 0; i < s->n; i++)
		for (size_t k = 0; k < s->txn[i].micro_n; k++)
			if (s->micro[i][k].f == TXN_APPEND && s->micro[i][k].value == value)
				return i;
	return SIZE_MAX;
}

static void close(bool path[TXNS][TXNS], size_t n)
{
	for (size_t via = 0; via < n; via++)
		for (size_t i = 0; i < n; i++)
			for (size_t k = 0; k < n; k++)
				path[i][k] = path[i][k] || (path[i][via] && path[via][k]);
}

/* By the definitions, from the lists of the last reader; all transactions happened, and all reads fit these lists. */
static void reach_make(struct reach *x, const struct script *s)
{
	*x = (struct reach){ .n = s->n };
	for (size_t key = 0; key < KEYS; key++) {
		const struct txn_micro *all = &s->micro[s->n - 1][key];
		for (size_t i = 1; i < all->list_n; i++)
			x->edge[TXN_WW][writer_of(s, all->list[i - 1])][writer_of(s, all->list[i])] = true;
		for (size_t i = 0; i < s->n; i++)
			for (size_t k = 0; k < s->txn[i].micro_n; k++) {
				const struct txn_micro *m = &s->micro[i][k];
				size_t at = m->list_n;
				if (m->f != TXN_READ || m->key != (int64_t)key || s->txn[i].status != TXN_OK)
					continue;
				while (at > 0 && writer_of(s, all->list[at - 1]) == i)
					at--;
				if (at > 0)
					x->edge[TXN_WR][writer_of(s, all->list[at - 1])][i] = true;
				if (at < all->list_n)
					x->edge[TXN_RW][i][writer_of(s, all->list[at])] = true;
			}
	}
	for (size_t i = 0; i < s->n; i++)
		for (size_t k = 0; k < s->n; k++) {
			x->ww[i][k] = i != k && x->edge[TXN_WW][i][k];
			x->narrow[i][k] = i != k && (x->edge[TXN_WW][i][k] || x->edge[TXN_WR][i][k]);
			x->wide[i][k] = i != k && (x->narrow[i][k] || x->edge[TXN_RW][i][k]);
		}
	close(x->ww, x->n);
	close(x->narrow, x->n);
	close(x->wide, x->n);
}

static void cycles_expected(const struct reach *x, bool expect[TXN_KINDS])
{
	for (size_t i = 0; i < x->n; i++)
		for (size_t k = 0; k < x->n; k++) {
			if (i == k)
				continue;
			expect[TXN_G0] |= x->ww[i][k] && x->ww[k][i];
			expect[TXN_G1C] |= x->edge[TXN_WR][i][k] && x->narrow[k][i];
			expect[TXN_G_SINGLE] |= x->edge[TXN_RW][i][k] && x->narrow[k][i];
			expect[TXN_G2] |= x->edge[TXN_RW][i][k] && x->wide[k][i] && !x->narrow[k][i];
		}
}

static void kinds_of_cycles(void **state)
{
	(void)state;
	struct rng g;
	size_t found[TXN_KINDS] = { 0 }, compared = 0;
	rng_seed(&g, 12);
	for (int i = 0; i < 60000; i++) {
		struct script s;
		struct arena a;
		struct reach x;
		bool expect[TXN_KINDS] = { false };
		arena_init(&a);
		random_history(&g, &s, true);
		struct txn_report r = txn_check(&a, s.txn, s.n, NULL);
		if (r.done == s.n && r.found[TXN_INTERNAL] == 0 && r.found[TXN_INCOMPATIBLE] == 0) {
			reach_make(&x, &s);
			cycles_expected(&x, expect);
			for (int kind = TXN_G0; kind < TXN_KINDS; kind++) {
				if (expect[kind] != (r.found[kind] > 0)) {
					struct buf b = BUF_EMPTY;
					describe(&b, &s);
					fail_msg("%s expected: %d; %s", txn_kind_name(kind), expect[kind], buf_cstr(&b));
				}
				found[kind] += expect[kind];
			}
			compared++;
		}
		arena_done(&a);
	}
	print_message("%zu compared: G0 %zu, G1c %zu, G-single %zu, G2 %zu\n", compared, found[TXN_G0], found[TXN_G1C], found[TXN_G_SINGLE], found[TXN_G2]);
	for (int kind = TXN_G0; kind < TXN_KINDS; kind++)
		assert_true(found[kind] > 100);
}

/* --- texts, and size --- */

static void printed(void **state)
{
	(void)state;
	struct script s;
	struct arena a;
	struct buf b = BUF_EMPTY;
	arena_init(&a);
	script_read(&s, "0:1-4 r1= a2=1 | 1:2-5 r2= a1=2 | 2:6-7 r1=2 r2=1,9 | 3:8-? a1=4");
	struct txn_report r = txn_check(&a, s.txn, s.n, NULL);
	txn_print(&b, s.txn, &r);
	assert_string_equal(buf_cstr(&b),
		"garbage read: a list shows what nobody appended\n"
		"  T1  client 2: read key 1 [2], read key 2 [1 9]  (6 to 7)\n"
		"  Nobody appended 9 to key 2.\n"
		"G2: write skew and the like: each missed what the next one appended\n"
		"  T1  client 0: read key 1 [], append to key 2 1  (1 to 4)\n"
		"  T2  client 1: read key 2 [], append to key 1 2  (2 to 5)\n"
		"  T1 before T2: T1 read key 1 as empty, without the 2 of T2 (rw).\n"
		"  T2 before T1: T2 read key 2 as empty, without the 1 of T1 (rw).\n"
		"  Each would have to stand before itself.\n");
	b.n = 0;
	script_read(&s, "0:1-2 a1=1 | 1:3-4 r1=");
	r = txn_check(&a, s.txn, s.n, &(struct txn_options){ .order = TXN_REAL_TIME, .level = TXN_READ_COMMITTED });
	assert_true(r.ok && r.found[TXN_G_SINGLE] == 1);
	txn_print(&b, s.txn, &r);
	assert_non_null(strstr(buf_cstr(&b), ", with the order of real time; allowed here\n"));
	assert_non_null(strstr(buf_cstr(&b), "  T2 before T1: T2 had ended when T1 began.\n"));
	b.n = 0;
	r = txn_check(&a, s.txn, s.n, NULL);
	txn_print(&b, s.txn, &r);
	assert_string_equal(buf_cstr(&b), "Nothing contradicts an order of the 2 transactions.\n");
	buf_done(&b);
	arena_done(&a);
}

/* A store of many keys, one transaction after the other by many clients: in order, until one read is taken back. */
static void large_history(void **state)
{
	(void)state;
	enum { MANY = 20000, PER_KEY = 50 };
	struct arena a;
	struct rng g;
	arena_init(&a);
	rng_seed(&g, 13);
	struct txn *txns = arena_zero(&a, MANY * sizeof *txns);
	int64_t *values = arena_alloc(&a, MANY * sizeof *values);
	for (size_t i = 0; i < MANY; i++) {
		struct txn_micro *m = arena_zero(&a, 2 * sizeof *m);
		size_t key = i / PER_KEY;
		values[i] = (int64_t)i;
		m[0] = (struct txn_micro){ .f = TXN_APPEND, .key = (int64_t)key, .value = (int64_t)i };
		m[1] = (struct txn_micro){ .f = TXN_READ, .key = (int64_t)key, .list = values + key * PER_KEY, .list_n = i % PER_KEY + 1 };
		txns[i] = (struct txn){ .client = (int)(i % 20), .call = 10 * i + 1, .ret = 10 * i + 150, .micro = m, .micro_n = 2 };
	}
	for (int order = TXN_ANY_ORDER; order <= TXN_REAL_TIME; order++) {
		struct txn_report r = txn_check(&a, txns, MANY, &(struct txn_options){ .order = order });
		assert_true(r.ok && r.done == MANY && r.unseen == 0);
	}
	/* Reads the next key as it was before all, and this one as it is. */
	size_t bad = MANY - 3 * PER_KEY - 1;
	struct txn_micro *m = arena_zero(&a, 2 * sizeof *m);
	m[0] = (struct txn_micro){ .f = TXN_READ, .key = (int64_t)(bad / PER_KEY) + 1 };
	m[1] = (struct txn_micro){ .f = TXN_APPEND, .key = (int64_t)(bad / PER_KEY) + 2, .value = MANY };
	txns[bad + 2 * PER_KEY].micro = m;
	struct txn_report r = txn_check(&a, txns, MANY, &(struct txn_options){ .order = TXN_REAL_TIME });
	assert_false(r.ok);
	assert_true(r.found[TXN_G_SINGLE] == 1 && r.anomalies[r.n - 1].edges_n >= 2);
	report_holds(txns, MANY, &r);
	arena_done(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(small_histories), cmocka_unit_test(levels), cmocka_unit_test(random_histories),
		cmocka_unit_test(kinds_of_cycles), cmocka_unit_test(printed), cmocka_unit_test(large_history),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
