/* check_txn.c - what reads of lists tell about transactions, and the cycles in it.
 *
 * First each read is judged by itself and beside its own transaction. Then, key by key, the longest list that was read gives
 * the order of the appends; all other reads of the key must be beginnings of it. Failed appends and garbage were reported by
 * then and are left out of the order:
 *
 *      longest   [ a  b  c  d ]        a -ww-> b -ww-> c -ww-> d
 *      read 1    [ a  b ]              b -wr-> read 1 -rw-> c
 *      appended, and in no list: e     d -ww-> e, reader of the longest -rw-> e
 *
 * Edges join transactions. Those that are on a cycle together are a strongly connected component (Tarjan 1972); within one,
 * a breadth-first search from the end of an edge back to its start gives a small cycle. */
#include "check_txn.h"

#include <stdlib.h>

#define NONE UINT32_MAX
/* Without an order of their own they are only known to be later; each is joined to all readers of the longest list. */
enum { UNSEEN_JOINED = 16 };
enum { CYCLES_TRIED = 50 }; /* per component; the shortest is kept */
#define BIT(why) (1u << (why))

struct write {
	int64_t key, value;
	uint32_t txn, micro;
	uint32_t nth, of;  /* which of its transaction's appends to the key, and how many there are */
	uint32_t seen;     /* 1 + its place in the longest list; 0: it is not there */
};

struct read {
	int64_t key;
	uint32_t txn, micro;
	const int64_t *list;
	size_t n;
	size_t outer;      /* without what its own transaction appended */
	bool fits;         /* ends with what its own transaction had appended, and shows nothing else of it */
	bool linked;       /* says something about others that no earlier read of its transaction says */
};

/* One key: its writes by value, its reads in their order. */
struct column {
	struct write *writes;
	struct read *reads;
	size_t writes_n, reads_n;
	const struct read *longest;
	bool broken;       /* reads contradict each other: no order is known */
	struct write **order; /* [order_n] done, as the longest list shows them */
	size_t order_n;
	size_t *before;    /* [longest->n + 1] how many of the order are among the first so many values */
};

struct graph {
	struct txn_edge *edges; /* owned; by `from` once it is built */
	size_t n, cap;
	size_t *start;     /* [txns + 1] */
};

struct work {
	struct arena arena; /* scratch */
	struct arena *out;
	const struct txn *txns;
	uint32_t n;
	bool *done;        /* [n] it happened */
	struct write *writes;
	struct read *reads;
	size_t writes_n, reads_n;
	struct column *columns;
	size_t columns_n;
	struct graph g;
	struct txn_anomaly *found; /* owned; in the order in which they were found */
	size_t found_n, found_cap;
	struct txn_report *report;
};

static void found_add(struct work *w, struct txn_anomaly a)
{
	if (w->report->found[a.kind]++ >= TXN_SHOWN)
		return;
	if (w->found_n == w->found_cap) {
		w->found_cap = w->found_cap ? w->found_cap * 2 : 16;
		w->found = xrealloc(w->found, w->found_cap * sizeof *w->found);
	}
	w->found[w->found_n++] = a;
}

/* --- writes and reads --- */

static int by_key_value(const void *a, const void *b)
{
	const struct write *x = a, *y = b;
	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return x->value < y->value ? -1 : x->value > y->value;
}

static int by_key(const void *a, const void *b)
{
	const struct read *x = a, *y = b;
	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	if (x->txn != y->txn)
		return x->txn < y->txn ? -1 : 1;
	return x->micro < y->micro ? -1 : x->micro > y->micro;
}

/* How many of the first micro-operations append to the key. */
static uint32_t appends(const struct txn *t, size_t micros, int64_t key)
{
	uint32_t n = 0;
	for (size_t i = 0; i < micros; i++)
		n += t->micro[i].f == TXN_APPEND && t->micro[i].key == key;
	return n;
}

static void collect(struct work *w)
{
	size_t micros = 0;
	for (uint32_t i = 0; i < w->n; i++)
		micros += w->txns[i].micro_n;
	w->writes = arena_alloc(&w->arena, (micros + 1) * sizeof *w->writes);
	w->reads = arena_alloc(&w->arena, (micros + 1) * sizeof *w->reads);
	for (uint32_t i = 0; i < w->n; i++) {
		const struct txn *t = &w->txns[i];
		assert(t->micro_n < NONE);
		w->done[i] = t->status == TXN_OK;
		for (uint32_t k = 0; k < t->micro_n; k++) {
			const struct txn_micro *m = &t->micro[k];
			if (m->f == TXN_APPEND)
				w->writes[w->writes_n++] = (struct write){ .key = m->key, .value = m->value, .txn = i, .micro = k,
					.nth = appends(t, k, m->key), .of = appends(t, t->micro_n, m->key) };
			else if (t->status == TXN_OK)
				w->reads[w->reads_n++] = (struct read){ .key = m->key, .txn = i, .micro = k, .list = m->list, .n = m->list_n };
		}
	}
	if (w->writes_n)
		qsort(w->writes, w->writes_n, sizeof *w->writes, by_key_value);
	if (w->reads_n)
		qsort(w->reads, w->reads_n, sizeof *w->reads, by_key);
	for (size_t i = 1; i < w->writes_n; i++)
		assert(by_key_value(&w->writes[i - 1], &w->writes[i]) != 0);
}

static struct write *write_of(const struct work *w, int64_t key, int64_t value)
{
	struct write wanted = { .key = key, .value = value };
	return w->writes_n ? bsearch(&wanted, w->writes, w->writes_n, sizeof wanted, by_key_value) : NULL;
}

/* --- one read by itself, and beside its own transaction --- */

static struct txn_anomaly about_read(const struct read *r, int kind, int64_t value)
{
	return (struct txn_anomaly){ .kind = kind, .txn = r->txn, .micro = r->micro, .other = r->txn, .other_micro = r->micro, .key = r->key, .value = value };
}

static struct txn_anomaly about_both(const struct read *r, int kind, const struct write *other)
{
	struct txn_anomaly a = about_read(r, kind, other->value);
	a.other = other->txn;
	a.other_micro = other->micro;
	return a;
}

static int ascending(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return x < y ? -1 : x > y;
}

/* The smallest value that stands in the list twice. */
static bool find_twice(const struct read *r, int64_t *sorted, int64_t *value)
{
	if (r->n < 2)
		return false;
	memcpy(sorted, r->list, r->n * sizeof *sorted);
	qsort(sorted, r->n, sizeof *sorted, ascending);
	for (size_t i = 1; i < r->n; i++)
		if (sorted[i] == sorted[i - 1]) {
			*value = sorted[i];
			return true;
		}
	return false;
}

/* The list must end with what the transaction appended before, in that order; sets `outer`. */
static bool ends_with_own(const struct work *w, struct read *r)
{
	const struct txn *t = &w->txns[r->txn];
	size_t own = appends(t, r->micro, r->key), at = r->n;
	r->outer = r->n;
	if (own > r->n)
		return false;
	for (size_t i = r->micro; i-- > 0;)
		if (t->micro[i].f == TXN_APPEND && t->micro[i].key == r->key && r->list[--at] != t->micro[i].value)
			return false;
	r->outer = at;
	return true;
}

static bool same_outer(const struct read *a, const struct read *b)
{
	return a->outer == b->outer && (a->outer == 0 || memcmp(a->list, b->list, a->outer * sizeof *a->list) == 0);
}

/* The first value of the list that nobody appended, that a failed transaction appended, or that is the reader's own and
 * does not stand at its end, as own values must. What is seen has happened. */
static void judge_values(struct work *w, struct read *r)
{
	struct write *failed = NULL, *at = NULL;
	size_t garbage = SIZE_MAX;
	for (size_t i = 0; i < r->n; i++) {
		at = write_of(w, r->key, r->list[i]);
		if (!at) {
			garbage = garbage == SIZE_MAX ? i : garbage;
			continue;
		}
		w->done[at->txn] = w->done[at->txn] || w->txns[at->txn].status == TXN_MAYBE;
		if (w->txns[at->txn].status == TXN_FAILED)
			failed = failed ? failed : at;
		r->fits = r->fits && (at->txn != r->txn || i >= r->outer);
	}
	if (garbage != SIZE_MAX)
		found_add(w, about_read(r, TXN_GARBAGE, r->list[garbage]));
	if (failed)
		found_add(w, about_both(r, TXN_G1A, failed));
	at = r->outer ? write_of(w, r->key, r->list[r->outer - 1]) : NULL;
	if (at && at->txn != r->txn && at->nth + 1 < at->of)
		found_add(w, about_both(r, TXN_G1B, at));
}

/* Reads come by key and then in their order; `earlier`: the one before, of the same transaction and key, or NULL. */
static void judge_read(struct work *w, struct read *r, const struct read *earlier, int64_t *sorted)
{
	int64_t twice;
	r->fits = ends_with_own(w, r);
	judge_values(w, r);
	r->linked = r->fits && !(earlier && earlier->fits && same_outer(earlier, r));
	if (!r->fits || (earlier && !same_outer(earlier, r)))
		found_add(w, about_read(r, TXN_INTERNAL, TXN_NOTHING));
	if (find_twice(r, sorted, &twice))
		found_add(w, about_read(r, TXN_DUPLICATE, twice));
}

static void judge_reads(struct work *w)
{
	size_t longest = 0;
	for (size_t i = 0; i < w->reads_n; i++)
		longest = w->reads[i].n > longest ? w->reads[i].n : longest;
	int64_t *sorted = arena_alloc(&w->arena, (longest + 1) * sizeof *sorted);
	for (size_t i = 0; i < w->reads_n; i++) {
		struct read *r = &w->reads[i], *before = i ? r - 1 : NULL;
		bool same = before && before->key == r->key && before->txn == r->txn;
		judge_read(w, r, same ? before : NULL, sorted);
	}
}

/* --- the order of each key --- */

/* Keys that were read and never written show at most garbage: they need no column. */
static void columns_make(struct work *w)
{
	size_t r = 0;
	w->columns = arena_zero(&w->arena, (w->writes_n + 1) * sizeof *w->columns);
	for (size_t i = 0; i < w->writes_n;) {
		struct column *c = &w->columns[w->columns_n++];
		c->writes = &w->writes[i];
		while (i < w->writes_n && w->writes[i].key == c->writes->key) {
			i++;
			c->writes_n++;
		}
		while (r < w->reads_n && w->reads[r].key < c->writes->key)
			r++;
		c->reads = &w->reads[r];
		while (r < w->reads_n && w->reads[r].key == c->writes->key) {
			r++;
			c->reads_n++;
		}
	}
}

/* All reads of a key must be beginnings of the longest; the first of the longest ones counts. */
static void column_longest(struct work *w, struct column *c)
{
	for (size_t i = 0; i < c->reads_n; i++)
		if (!c->longest || c->reads[i].n > c->longest->n)
			c->longest = &c->reads[i];
	for (size_t i = 0; i < c->reads_n && !c->broken; i++) {
		const struct read *r = &c->reads[i];
		if (r->n == 0 || memcmp(r->list, c->longest->list, r->n * sizeof *r->list) == 0)
			continue;
		struct txn_anomaly a = about_read(r, TXN_INCOMPATIBLE, TXN_NOTHING);
		a.other = c->longest->txn;
		a.other_micro = c->longest->micro;
		found_add(w, a);
		c->broken = true;
	}
}

static void column_order(struct work *w, struct column *c)
{
	size_t n = c->longest ? c->longest->n : 0;
	c->order = arena_alloc(&w->arena, (n + 1) * sizeof(struct write *));
	c->before = arena_alloc(&w->arena, (n + 1) * sizeof *c->before);
	for (size_t i = 0; i < n; i++) {
		struct write *at = write_of(w, c->longest->key, c->longest->list[i]);
		c->before[i] = c->order_n;
		if (!at || !w->done[at->txn])
			continue;
		c->broken = c->broken || at->seen; /* twice */
		at->seen = (uint32_t)i + 1;
		c->order[c->order_n++] = at;
	}
	c->before[n] = c->order_n;
}

/* What a transaction appended to a key must show in the order in which it did so, without holes. */
static void column_inner_order(struct work *w, struct column *c)
{
	for (size_t i = 0; i < c->order_n; i++) {
		const struct write *later = c->order[i];
		const struct txn *t = &w->txns[later->txn];
		for (size_t k = later->micro; k-- > 0 && later->nth > 0;) {
			if (t->micro[k].f != TXN_APPEND || t->micro[k].key != later->key)
				continue;
			const struct write *first = write_of(w, later->key, t->micro[k].value);
			if (first->seen == 0 || first->seen > later->seen) {
				found_add(w, about_both(c->longest, TXN_INTERNAL, later));
				c->broken = true;
				return;
			}
			break;
		}
	}
}

/* --- edges --- */

static void edge_add(struct work *w, struct txn_edge e)
{
	struct graph *g = &w->g;
	if (e.from == e.to)
		return;
	if (g->n == g->cap) {
		g->cap = g->cap ? g->cap * 2 : 1024;
		g->edges = xrealloc(g->edges, g->cap * sizeof *g->edges);
	}
	g->edges[g->n++] = e;
}

static void edge_ww(struct work *w, const struct write *from, const struct write *to)
{
	edge_add(w, (struct txn_edge){ from->txn, to->txn, TXN_WW, from->key, from->value, to->value });
}

/* Done, and in no list: it stands after all that is in the longest one. The first of them are joined. */
static size_t column_unseen(struct work *w, struct column *c, const struct write **unseen)
{
	size_t n = 0;
	for (size_t i = 0; i < c->writes_n; i++) {
		if (c->writes[i].seen || !w->done[c->writes[i].txn])
			continue;
		w->report->unseen++;
		if (n < UNSEEN_JOINED)
			unseen[n++] = &c->writes[i];
	}
	return n;
}

static void read_edges(struct work *w, const struct column *c, const struct read *r, const struct write **unseen, size_t unseen_n)
{
	size_t at = c->before[r->outer];
	int64_t last = r->outer ? r->list[r->outer - 1] : TXN_NOTHING;
	if (at > 0)
		edge_add(w, (struct txn_edge){ c->order[at - 1]->txn, r->txn, TXN_WR, r->key, c->order[at - 1]->value, TXN_NOTHING });
	if (at < c->order_n) {
		edge_add(w, (struct txn_edge){ r->txn, c->order[at]->txn, TXN_RW, r->key, last, c->order[at]->value });
		return;
	}
	for (size_t i = 0; i < unseen_n; i++)
		edge_add(w, (struct txn_edge){ r->txn, unseen[i]->txn, TXN_RW, r->key, last, unseen[i]->value });
}

static void column_edges(struct work *w, struct column *c)
{
	const struct write *unseen[UNSEEN_JOINED];
	size_t unseen_n = column_unseen(w, c, unseen);
	if (c->broken)
		return;
	for (size_t i = 1; i < c->order_n; i++)
		edge_ww(w, c->order[i - 1], c->order[i]);
	for (size_t i = 0; i < unseen_n && c->order_n > 0; i++)
		edge_ww(w, c->order[c->order_n - 1], unseen[i]);
	for (size_t i = 0; i < c->reads_n; i++)
		if (c->reads[i].linked)
			read_edges(w, c, &c->reads[i], unseen, unseen_n);
}

static void columns_judge(struct work *w)
{
	for (size_t i = 0; i < w->columns_n; i++) {
		struct column *c = &w->columns[i];
		column_longest(w, c);
		column_order(w, c);
		if (!c->broken)
			column_inner_order(w, c);
		column_edges(w, c);
	}
}

/* --- the order of clients and of time --- */

struct end {
	uint64_t place;
	uint32_t txn;
	bool ret;
};

static int by_place(const void *a, const void *b)
{
	const struct end *x = a, *y = b;
	if (x->place != y->place)
		return x->place < y->place ? -1 : 1;
	if (x->ret != y->ret) /* at one place the call comes first: such transactions overlap */
		return x->ret ? 1 : -1;
	return x->txn < y->txn ? -1 : x->txn > y->txn;
}

/* Calls of all that happened, and returns of what was answered. */
static size_t ends_make(struct work *w, struct end *ends)
{
	size_t n = 0;
	for (uint32_t i = 0; i < w->n; i++) {
		if (!w->done[i])
			continue;
		ends[n++] = (struct end){ w->txns[i].call, i, false };
		if (w->txns[i].status == TXN_OK)
			ends[n++] = (struct end){ w->txns[i].ret, i, true };
	}
	if (n)
		qsort(ends, n, sizeof *ends, by_place);
	return n;
}

/* What has ended and has nobody behind it yet that has ended as well: they stand for all before them, and there are never
 * more of them than there were transactions at one time. */
static void edges_by_time(struct work *w)
{
	struct end *ends = arena_alloc(&w->arena, (2 * (size_t)w->n + 1) * sizeof *ends);
	uint32_t *front = arena_alloc(&w->arena, ((size_t)w->n + 1) * sizeof *front);
	size_t front_n = 0, n = ends_make(w, ends);
	for (size_t i = 0; i < n; i++) {
		uint32_t t = ends[i].txn;
		size_t kept = 0;
		for (size_t k = 0; k < front_n; k++) {
			if (!ends[i].ret)
				edge_add(w, (struct txn_edge){ .from = front[k], .to = t, .why = TXN_BY_TIME });
			else if (w->txns[front[k]].ret < w->txns[t].call)
				continue;
			front[kept++] = front[k];
		}
		front_n = kept;
		if (ends[i].ret)
			front[front_n++] = t;
	}
}

static int by_client(const void *a, const void *b, void *txns)
{
	const struct txn *x = (const struct txn *)txns + *(const uint32_t *)a, *y = (const struct txn *)txns + *(const uint32_t *)b;
	if (x->client != y->client)
		return x->client < y->client ? -1 : 1;
	if (x->call != y->call)
		return x->call < y->call ? -1 : 1;
	return x < y ? -1 : x > y;
}

/* What had no answer when its client went on may still take effect: nothing stands behind it. */
static void edges_by_client(struct work *w)
{
	uint32_t *index = arena_alloc(&w->arena, ((size_t)w->n + 1) * sizeof *index), last = NONE;
	size_t n = 0;
	for (uint32_t i = 0; i < w->n; i++)
		if (w->done[i])
			index[n++] = i;
	if (n)
		qsort_r(index, n, sizeof *index, by_client, (void *)(uintptr_t)w->txns);
	for (size_t i = 0; i < n; i++) {
		const struct txn *t = &w->txns[index[i]];
		if (last != NONE && w->txns[last].client == t->client)
			edge_add(w, (struct txn_edge){ .from = last, .to = index[i], .why = TXN_BY_CLIENT });
		if (t->status == TXN_OK)
			last = index[i];
	}
}

/* Puts edges in the order of where they begin; among themselves they stay as they were. */
static void graph_build(struct work *w)
{
	struct graph *g = &w->g;
	struct txn_edge *sorted = xmalloc((g->n + 1) * sizeof *sorted);
	size_t *at = arena_alloc(&w->arena, ((size_t)w->n + 1) * sizeof *at);
	g->start = arena_zero(&w->arena, ((size_t)w->n + 2) * sizeof *g->start);
	for (size_t i = 0; i < g->n; i++)
		g->start[g->edges[i].from + 1]++;
	for (uint32_t i = 0; i < w->n; i++) {
		g->start[i + 1] += g->start[i];
		at[i] = g->start[i];
	}
	for (size_t i = 0; i < g->n; i++)
		sorted[at[g->edges[i].from]++] = g->edges[i];
	free(g->edges);
	g->edges = sorted;
}

/* --- strongly connected components --- */

struct parts {
	uint32_t *of;      /* [n] the component of each; what can be reached from one has no higher number */
	uint32_t *size;    /* [component] */
};

struct tarjan {
	const struct graph *g;
	unsigned mask;
	struct parts p;
	uint32_t *low, *number; /* number 0: not seen yet */
	uint32_t *stack, *path; /* the path is what would be on the call stack */
	size_t *edge;      /* [n] the next edge to look at */
	uint32_t stack_n, path_n, seen, parts_n;
};

static void tarjan_enter(struct tarjan *t, uint32_t v)
{
	t->low[v] = t->number[v] = ++t->seen;
	t->edge[v] = t->g->start[v];
	t->stack[t->stack_n++] = t->path[t->path_n++] = v;
}

static void tarjan_leave(struct tarjan *t, uint32_t v)
{
	uint32_t top;
	t->path_n--;
	if (t->path_n > 0 && t->low[v] < t->low[t->path[t->path_n - 1]])
		t->low[t->path[t->path_n - 1]] = t->low[v];
	if (t->low[v] != t->number[v])
		return;
	do {
		top = t->stack[--t->stack_n];
		t->p.of[top] = t->parts_n;
		t->p.size[t->parts_n]++;
	} while (top != v);
	t->parts_n++;
}

static void tarjan_from(struct tarjan *t, uint32_t root)
{
	tarjan_enter(t, root);
	while (t->path_n > 0) {
		uint32_t v = t->path[t->path_n - 1];
		if (t->edge[v] == t->g->start[v + 1]) {
			tarjan_leave(t, v);
			continue;
		}
		const struct txn_edge *e = &t->g->edges[t->edge[v]++];
		uint32_t to = (uint32_t)e->to;
		if (!(t->mask & BIT(e->why)))
			continue;
		if (t->number[to] == 0)
			tarjan_enter(t, to);
		else if (t->p.of[to] == NONE && t->number[to] < t->low[v])
			t->low[v] = t->number[to];
	}
}

static struct parts parts_of(struct work *w, unsigned mask)
{
	size_t size = ((size_t)w->n + 1) * sizeof(uint32_t);
	struct tarjan t = { .g = &w->g, .mask = mask };
	t.p.of = memset(arena_alloc(&w->arena, size), 0xff, size);
	t.p.size = arena_zero(&w->arena, size);
	t.low = arena_alloc(&w->arena, size);
	t.number = arena_zero(&w->arena, size);
	t.stack = arena_alloc(&w->arena, size);
	t.path = arena_alloc(&w->arena, size);
	t.edge = arena_alloc(&w->arena, ((size_t)w->n + 1) * sizeof *t.edge);
	for (uint32_t i = 0; i < w->n; i++)
		if (t.number[i] == 0)
			tarjan_from(&t, i);
	return t.p;
}

/* --- small cycles --- */

/* A cycle of a kind has an edge of `start`, and from its end a path back over `back`. Where `not_by` is set, there must be
 * no path back over that. `edges` are all it may have. */
struct shape {
	int kind;
	unsigned start, back, not_by, edges;
};

#define WW_WR (BIT(TXN_WW) | BIT(TXN_WR))
#define ALL (WW_WR | BIT(TXN_RW))

static const struct shape shapes[] = {
	{ TXN_G0, BIT(TXN_WW), BIT(TXN_WW), 0, BIT(TXN_WW) },
	{ TXN_G1C, BIT(TXN_WR), WW_WR, 0, WW_WR },
	{ TXN_G_SINGLE, BIT(TXN_RW), WW_WR, 0, ALL },
	{ TXN_G2, BIT(TXN_RW), ALL, WW_WR, ALL },
};

struct hunt {
	struct work *w;
	struct parts all;  /* of all edges of the shape */
	struct parts back, not_by;
	size_t *by;        /* [n] 1 + the edge that led here; valid where `round` is this one */
	uint32_t *round, *queue;
	uint32_t rounds;
};

/* The number of edges of a shortest path, 0: there is none that is shorter than `limit`. A path never leaves the component,
 * and never goes where `to` cannot be reached from. */
static size_t path_find(struct hunt *h, const struct parts *p, unsigned mask, uint32_t from, uint32_t to, size_t limit)
{
	const struct graph *g = &h->w->g;
	uint32_t head = 0, tail = 0, part = h->all.of[from];
	if (p->of[from] < p->of[to])
		return 0;
	h->round[from] = ++h->rounds;
	h->queue[tail++] = from;
	for (size_t length = 1; length < limit && head < tail; length++)
		for (uint32_t level = tail; head < level; head++) {
			uint32_t v = h->queue[head];
			for (size_t i = g->start[v]; i < g->start[v + 1]; i++) {
				uint32_t next = (uint32_t)g->edges[i].to;
				if (!(mask & BIT(g->edges[i].why)) || h->round[next] == h->rounds || h->all.of[next] != part || p->of[next] < p->of[to])
					continue;
				h->round[next] = h->rounds;
				h->by[next] = i + 1;
				if (next == to)
					return length;
				h->queue[tail++] = next;
			}
		}
	return 0;
}

/* The cycle that begins with an edge and goes on with the path that was found last. */
static void cycle_keep(struct hunt *h, const struct txn_edge *first, size_t n, struct txn_anomaly *a)
{
	struct txn_edge *edges = arena_alloc(h->w->out, n * sizeof *edges);
	uint32_t at = (uint32_t)first->from;
	edges[0] = *first;
	for (size_t i = n; i-- > 1;) {
		edges[i] = h->w->g.edges[h->by[at] - 1];
		at = (uint32_t)edges[i].from;
	}
	a->edges = edges;
	a->edges_n = n;
}

/* One cycle for each component that has any: the first of the shortest that were tried. */
static void shape_hunt(struct hunt *h, const struct shape *s, bool ordered)
{
	struct work *w = h->w;
	struct txn_anomaly **best = arena_zero(&w->arena, ((size_t)w->n + 1) * sizeof(struct txn_anomaly *));
	uint32_t *tried = arena_zero(&w->arena, ((size_t)w->n + 1) * sizeof *tried);
	for (size_t i = 0; i < w->g.n; i++) {
		const struct txn_edge *e = &w->g.edges[i];
		uint32_t from = (uint32_t)e->from, to = (uint32_t)e->to, part = h->all.of[from];
		if (!(s->start & BIT(e->why)) || h->all.of[to] != part || tried[part] == CYCLES_TRIED)
			continue;
		if (s->not_by && path_find(h, &h->not_by, s->not_by, to, from, SIZE_MAX) > 0)
			continue;
		size_t path = path_find(h, &h->back, s->back, to, from, best[part] ? best[part]->edges_n - 1 : SIZE_MAX);
		tried[part] += path > 0 || best[part];
		if (path == 0)
			continue;
		if (!best[part])
			best[part] = arena_zero(&w->arena, sizeof **best);
		*best[part] = (struct txn_anomaly){ .kind = s->kind, .ordered = ordered };
		cycle_keep(h, e, path + 1, best[part]);
	}
	for (uint32_t i = w->n; i-- > 0;)
		if (best[i])
			found_add(w, *best[i]);
}

static bool any_cycle(struct work *w, unsigned mask)
{
	struct parts p = parts_of(w, mask);
	for (uint32_t i = 0; i < w->n; i++)
		if (p.size[i] > 1)
			return true;
	return false;
}

static void cycles(struct work *w, unsigned order, bool ordered)
{
	struct hunt h = { .w = w };
	if (!any_cycle(w, ALL | order))
		return;
	h.by = arena_alloc(&w->arena, ((size_t)w->n + 1) * sizeof *h.by);
	h.round = arena_zero(&w->arena, ((size_t)w->n + 1) * sizeof *h.round);
	h.queue = arena_alloc(&w->arena, ((size_t)w->n + 1) * sizeof *h.queue);
	for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
		struct shape s = shapes[i];
		if (ordered && w->report->found[s.kind])
			continue; /* there is one that needs no order */
		s.back |= order;
		s.edges |= order;
		s.not_by |= s.not_by ? order : 0;
		h.all = parts_of(w, s.edges);
		h.back = parts_of(w, s.back);
		h.not_by = s.not_by ? parts_of(w, s.not_by) : h.back;
		shape_hunt(&h, &s, ordered);
	}
}

/* --- the report --- */

static const struct {
	const char *name, *means;
	int level; /* the weakest level that forbids it */
} kinds[TXN_KINDS] = {
	[TXN_INTERNAL] = { "internal", "a transaction disagrees with itself", TXN_CONSISTENT_VIEW },
	[TXN_DUPLICATE] = { "duplicate", "a list shows a value twice", TXN_READ_UNCOMMITTED },
	[TXN_INCOMPATIBLE] = { "incompatible order", "two reads of a key contradict each other", TXN_READ_UNCOMMITTED },
	[TXN_GARBAGE] = { "garbage read", "a list shows what nobody appended", TXN_READ_UNCOMMITTED },
	[TXN_G1A] = { "G1a", "aborted read: a list shows what a failed transaction appended", TXN_READ_COMMITTED },
	[TXN_G1B] = { "G1b", "intermediate read: a list shows half of what another transaction appended", TXN_READ_COMMITTED },
	[TXN_G0] = { "G0", "write cycle: appends of transactions stand between one another", TXN_READ_UNCOMMITTED },
	[TXN_G1C] = { "G1c", "circular information flow: each saw, or stands behind, what the other appended", TXN_READ_COMMITTED },
	[TXN_G_SINGLE] = { "G-single", "read skew: a transaction missed an append, and saw, or stands behind, what came after it", TXN_CONSISTENT_VIEW },
	[TXN_G2] = { "G2", "write skew and the like: each missed what the next one appended", TXN_SERIALIZABLE },
};

const char *txn_kind_name(int kind)
{
	assert(kind >= 0 && kind < TXN_KINDS);
	return kinds[kind].name;
}

bool txn_forbids(int level, int kind)
{
	assert(kind >= 0 && kind < TXN_KINDS);
	return level <= kinds[kind].level;
}

static void report_fill(struct arena *a, const struct work *w, struct txn_report *r)
{
	r->reads = w->reads_n;
	for (uint32_t i = 0; i < w->n; i++)
		r->done += w->done[i];
	r->ok = true;
	for (int kind = 0; kind < TXN_KINDS; kind++)
		r->ok = r->ok && !(r->found[kind] && txn_forbids(r->level, kind));
	r->anomalies = arena_alloc(a, (w->found_n + 1) * sizeof *r->anomalies);
	for (int kind = 0; kind < TXN_KINDS; kind++)
		for (size_t i = 0; i < w->found_n; i++)
			if (w->found[i].kind == kind)
				r->anomalies[r->n++] = w->found[i];
}

struct txn_report txn_check(struct arena *a, const struct txn *txns, size_t n, const struct txn_options *options)
{
	static const struct txn_options defaults = { .order = TXN_ANY_ORDER };
	const struct txn_options *o = options ? options : &defaults;
	struct txn_report r = { .level = o->level, .order = o->order };
	struct work w = { .out = a, .txns = txns, .n = (uint32_t)n, .report = &r };
	assert(n < NONE / 2);
	arena_init(&w.arena);
	w.done = arena_zero(&w.arena, n + 1);
	collect(&w);
	judge_reads(&w);
	columns_make(&w);
	columns_judge(&w);
	if (o->order == TXN_CLIENTS)
		edges_by_client(&w);
	if (o->order == TXN_REAL_TIME)
		edges_by_time(&w);
	graph_build(&w);
	cycles(&w, 0, false);
	if (o->order != TXN_ANY_ORDER)
		cycles(&w, o->order == TXN_CLIENTS ? BIT(TXN_BY_CLIENT) : BIT(TXN_BY_TIME), true);
	report_fill(a, &w, &r);
	free(w.g.edges);
	free(w.found);
	arena_done(&w.arena);
	return r;
}

/* --- for people --- */

enum { VALUES_SHOWN = 8 };

static void print_list(struct buf *b, const int64_t *list, size_t n)
{
	size_t first = n > VALUES_SHOWN ? n - VALUES_SHOWN : 0;
	buf_str(b, first ? "[... " : "[");
	for (size_t i = first; i < n; i++)
		buf_printf(b, "%s%lld", i > first ? " " : "", (long long)list[i]);
	buf_char(b, ']');
}

static void print_txn(struct buf *b, const struct txn *t, size_t number)
{
	buf_printf(b, "  T%zu  client %d:", number, t->client);
	for (size_t i = 0; i < t->micro_n; i++) {
		const struct txn_micro *m = &t->micro[i];
		buf_printf(b, "%s %s key %lld", i ? "," : "", m->f == TXN_APPEND ? "append to" : "read", (long long)m->key);
		if (m->f == TXN_APPEND) {
			buf_printf(b, " %lld", (long long)m->value);
		} else if (t->status == TXN_OK) {
			buf_char(b, ' ');
			print_list(b, m->list, m->list_n);
		}
	}
	if (t->status == TXN_OK)
		buf_printf(b, "  (%llu to %llu)\n", (unsigned long long)t->call, (unsigned long long)t->ret);
	else
		buf_printf(b, "  (from %llu on, %s)\n", (unsigned long long)t->call, t->status == TXN_FAILED ? "failed" : "no answer");
}

static void print_edge(struct buf *b, const struct txn_edge *e, size_t from, size_t to)
{
	long long key = e->key, value = e->value, next = e->next;
	buf_printf(b, "  T%zu before T%zu: ", from, to);
	switch (e->why) {
	case TXN_WW:
		buf_printf(b, "in key %lld, %lld of T%zu stands before %lld of T%zu (ww).\n", key, value, from, next, to);
		break;
	case TXN_WR:
		buf_printf(b, "T%zu saw in key %lld the %lld of T%zu (wr).\n", to, key, value, from);
		break;
	case TXN_RW:
		buf_printf(b, "T%zu read key %lld", from, key);
		if (e->value == TXN_NOTHING)
			buf_str(b, " as empty");
		else
			buf_printf(b, " up to %lld", value);
		buf_printf(b, ", without the %lld of T%zu (rw).\n", next, to);
		break;
	case TXN_BY_CLIENT:
		buf_str(b, "one client did one after the other.\n");
		break;
	default:
		buf_printf(b, "T%zu had ended when T%zu began.\n", from, to);
	}
}

static void print_cycle(struct buf *b, const struct txn *txns, const struct txn_anomaly *a)
{
	for (size_t i = 0; i < a->edges_n; i++)
		print_txn(b, &txns[a->edges[i].from], i + 1);
	for (size_t i = 0; i < a->edges_n; i++)
		print_edge(b, &a->edges[i], i + 1, (i + 1) % a->edges_n + 1);
	buf_str(b, "  Each would have to stand before itself.\n");
}

static void print_value(struct buf *b, const struct txn_anomaly *a)
{
	long long key = a->key, value = a->value;
	switch (a->kind) {
	case TXN_INTERNAL:
		if (a->value != TXN_NOTHING)
			buf_printf(b, "  T%d appended more to key %lld before it appended %lld, and not all of that stands before it.\n", a->other == a->txn ? 1 : 2, key, value);
		else
			buf_printf(b, "  T1's read number %zu, of key %lld, does not fit what T1 had read and appended.\n", a->micro + 1, key);
		break;
	case TXN_DUPLICATE:
		buf_printf(b, "  %lld stands in key %lld more than once.\n", value, key);
		break;
	case TXN_INCOMPATIBLE:
		buf_printf(b, "  Of the two lists of key %lld, neither is the beginning of the other.\n", key);
		break;
	case TXN_GARBAGE:
		buf_printf(b, "  Nobody appended %lld to key %lld.\n", value, key);
		break;
	case TXN_G1A:
		buf_printf(b, "  T1 saw in key %lld the %lld of T2, which failed.\n", key, value);
		break;
	default:
		buf_printf(b, "  T1 saw key %lld end with %lld, after which T2 appended more.\n", key, value);
	}
}

static void print_anomaly(struct buf *b, const struct txn *txns, const struct txn_anomaly *a)
{
	if (a->edges) {
		print_cycle(b, txns, a);
		return;
	}
	print_txn(b, &txns[a->txn], 1);
	if (a->other != a->txn)
		print_txn(b, &txns[a->other], 2);
	print_value(b, a);
}

void txn_print(struct buf *b, const struct txn *txns, const struct txn_report *r)
{
	static const char *const orders[] = { "", ", with the order of each client", ", with the order of real time" };
	if (r->n == 0)
		buf_printf(b, "Nothing contradicts an order of the %zu transactions.\n", r->done);
	for (size_t i = 0; i < r->n; i++) {
		const struct txn_anomaly *a = &r->anomalies[i];
		if (i > 0 && r->anomalies[i - 1].kind == a->kind)
			continue;
		buf_printf(b, "%s: %s%s", kinds[a->kind].name, kinds[a->kind].means, a->ordered ? orders[r->order] : "");
		if (r->found[a->kind] > 1)
			buf_printf(b, " (the first of %zu)", r->found[a->kind]);
		buf_str(b, txn_forbids(r->level, a->kind) ? "\n" : "; allowed here\n");
		print_anomaly(b, txns, a);
	}
}
