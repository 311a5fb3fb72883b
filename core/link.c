#include "link.h"

#include <stdlib.h>

#include "arena.h"
#include "proto.h"

/* How chance is spent. Every directed pair has a generator of its own, so that traffic on one link does not
 * change the luck of another. Every message takes the same draws in the same order (struct draws), whatever
 * the rule says, so that a change of one probability leaves the other draws as they were; and a message that
 * is lost at 10 % is also lost at 20 %. All is integer arithmetic: a seed means the same on every machine.
 *
 * The heap is 4-ary and indexed: an item knows its place in it, so a timer that is set again moves instead of
 * leaving a dead entry behind. Keys stand in the heap, items in a pool that is reused. */

__extension__ typedef unsigned __int128 wide;

enum { NO_ITEM = UINT32_MAX >> 1, ARITY = 4 };
static const int64_t forever_ns = INT64_MAX / 2; /* the latest time that anything is due */

struct key {
	int64_t due_ns;
	uint64_t order;
	uint32_t item;
};

/* One direction of one link. */
struct pair {
	struct network rule;
	struct rng rng;
	int64_t busy_ns; /* until when the queue of a limited rate is occupied */
};

struct timer {
	struct slice name; /* in the link's arena; interned for good */
	uint64_t hash;
	uint32_t item; /* in the pool; NO_ITEM: not running */
	uint32_t generation;
};

/* The timers of a node. Names are never forgotten: what was popped points to them. */
struct timer_table {
	struct timer *timer; /* owned */
	uint32_t count, cap;
	uint32_t *bucket; /* owned; open addressing: number of a timer + 1, 0 empty */
	uint32_t buckets; /* a power of two, more than half of it empty */
	uint32_t running;
};

struct link {
	int nodes, linked; /* lanes below `linked` have links: nodes and services */
	struct network network;
	struct pair *pair; /* owned; linked x linked */
	lane_set cut[NODES_MAX + SERVICES]; /* by receiver: the senders it does not hear */
	struct key *heap;        /* owned */
	struct link_item *item;  /* owned; the pool */
	uint32_t *place;         /* owned; an item's place in the heap, or the next free item */
	uint32_t count, cap, free;
	uint64_t order; /* of the next entry */
	struct timer_table timers[NODES_MAX];
	struct arena names;
};

/* --- the heap --- */

static bool key_before(const struct key *a, const struct key *b)
{
	return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->order < b->order;
}

static void heap_put(struct link *k, uint32_t place, const struct key *key)
{
	k->heap[place] = *key;
	k->place[key->item] = place;
}

static void heap_up(struct link *k, uint32_t place, struct key key)
{
	while (place > 0) {
		uint32_t parent = (place - 1) / ARITY;
		if (!key_before(&key, &k->heap[parent]))
			break;
		heap_put(k, place, &k->heap[parent]);
		place = parent;
	}
	heap_put(k, place, &key);
}

static void heap_down(struct link *k, uint32_t place, struct key key)
{
	for (;;) {
		uint32_t child = place * ARITY + 1;
		if (child >= k->count)
			break;
		uint32_t end = child + ARITY < k->count ? child + ARITY : k->count;
		uint32_t least = child;
		for (uint32_t i = child + 1; i < end; i++)
			if (key_before(&k->heap[i], &k->heap[least]))
				least = i;
		if (!key_before(&k->heap[least], &key))
			break;
		heap_put(k, place, &k->heap[least]);
		place = least;
	}
	heap_put(k, place, &key);
}

/* Puts a key where another was, or where one is missing. */
static void heap_set(struct link *k, uint32_t place, struct key key)
{
	if (place > 0 && key_before(&key, &k->heap[(place - 1) / ARITY]))
		heap_up(k, place, key);
	else
		heap_down(k, place, key);
}

static void heap_remove(struct link *k, uint32_t place)
{
	uint32_t item = k->heap[place].item;
	struct key last = k->heap[--k->count];
	if (place < k->count)
		heap_set(k, place, last);
	k->place[item] = k->free;
	k->free = item;
}

static void pool_grow(struct link *k)
{
	uint32_t cap = k->cap ? k->cap * 2 : 64;
	assert(cap < NO_ITEM);
	k->heap = xrealloc(k->heap, cap * sizeof *k->heap);
	k->item = xrealloc(k->item, cap * sizeof *k->item);
	k->place = xrealloc(k->place, cap * sizeof *k->place);
	for (uint32_t i = k->cap; i < cap; i++)
		k->place[i] = i + 1 < cap ? i + 1 : NO_ITEM;
	k->free = k->cap;
	k->cap = cap;
}

/* Enters a copy of the item, due at the time it says; returns its place in the pool. */
static uint32_t heap_add(struct link *k, const struct link_item *item)
{
	if (k->count == k->cap)
		pool_grow(k);
	uint32_t i = k->free;
	k->free = k->place[i];
	k->item[i] = *item;
	heap_up(k, k->count++, (struct key){ item->due_ns, k->order++, i });
	return i;
}

/* --- chance --- */

/* A word as a fraction of 2^64, times n: 0 <= result < n. */
static uint64_t word_below(uint64_t word, uint64_t n)
{
	return (uint64_t)((wide)word * n >> 64);
}

static bool word_chance(uint64_t word, uint32_t p_million)
{
	return word_below(word, 1000000) < p_million;
}

/* -log2(word / 2^64) with 24 binary places, digit by digit: squaring a number in [1, 2) doubles its logarithm. */
static uint64_t word_log2(uint64_t word)
{
	word |= 1;
	int zeros = __builtin_clzll(word);
	uint64_t m = word << zeros >> 32; /* [1, 2) with 31 places */
	uint64_t log = 0;
	for (int i = 0; i < 24; i++) {
		m = m * m >> 31;
		log <<= 1;
		if (m >> 32) {
			m >>= 1;
			log |= 1;
		}
	}
	return ((uint64_t)(zeros + 1) << 24) - log;
}

static int64_t draw_exponential(int64_t mean_ns, uint64_t word)
{
	const uint64_t ln2_32 = UINT64_C(2977044472); /* ln 2 with 32 binary places */
	uint64_t ln = word_log2(word) * ln2_32 >> 24; /* 32 places: at most 65 * 2^24 * 2^32 before the shift */
	return (int64_t)((wide)ln * (uint64_t)mean_ns >> 32);
}

static int64_t draw_uniform(int64_t mean_ns, int64_t jitter_ns, uint64_t word)
{
	return mean_ns - jitter_ns + (int64_t)word_below(word, 2 * (uint64_t)jitter_ns + 1);
}

/* The sum of twelve uniform numbers of 16 bits has a deviation of 2^16 and is close to normal up to 3 of them. */
static int64_t draw_normal(int64_t mean_ns, int64_t jitter_ns, const uint64_t word[3])
{
	int64_t sum = 0;
	for (int i = 0; i < 3; i++)
		for (int bit = 0; bit < 64; bit += 16)
			sum += (int64_t)(word[i] >> bit & 0xffff);
	sum -= 12 * 0xffff / 2;
	uint64_t size = (uint64_t)(sum < 0 ? -sum : sum);
	int64_t off = (int64_t)((wide)size * (uint64_t)jitter_ns >> 16);
	return sum < 0 ? mean_ns - off : mean_ns + off;
}

/* What one copy of a message draws. */
struct copy_draws {
	uint64_t latency[3], reorder, hold;
};

struct draws {
	uint64_t loss, duplicate;
	struct copy_draws copy[2];
};

static void draws_take(struct draws *d, struct rng *rng)
{
	d->loss = rng_next(rng);
	d->duplicate = rng_next(rng);
	for (int c = 0; c < 2; c++) {
		for (int i = 0; i < 3; i++)
			d->copy[c].latency[i] = rng_next(rng);
		d->copy[c].reorder = rng_next(rng);
		d->copy[c].hold = rng_next(rng);
	}
}

static int64_t draw_latency(const struct network *rule, const uint64_t word[3])
{
	int64_t ns = rule->mean_ns;
	switch (rule->dist) {
	case DIST_UNIFORM:
		ns = draw_uniform(rule->mean_ns, rule->jitter_ns, word[0]);
		break;
	case DIST_EXPONENTIAL:
		ns = draw_exponential(rule->mean_ns, word[0]);
		break;
	case DIST_NORMAL:
		ns = draw_normal(rule->mean_ns, rule->jitter_ns, word);
		break;
	default:
		break;
	}
	return ns > 0 ? ns : 0;
}

/* --- the link itself --- */

static bool has_link(const struct link *k, int src, int dst)
{
	return src >= 0 && dst >= 0 && src < k->linked && dst < k->linked && src != dst;
}

static struct pair *pair_at(const struct link *k, int src, int dst)
{
	return &k->pair[src * k->linked + dst];
}

static void network_check(const struct network *n)
{
	const int64_t limit = 366 * 24 * 3600 * NS_PER_S; /* keeps every sum below 2^63 */
	assert(n->mean_ns >= 0 && n->mean_ns <= limit && n->jitter_ns >= 0 && n->jitter_ns <= limit);
	assert(n->rate_bps >= 0 && n->dist < DIST_COUNT);
	(void)n;
	(void)limit;
}

static void heal(struct link *k)
{
	memset(k->cut, 0, sizeof k->cut);
	for (int i = 0; i < k->linked * k->linked; i++) {
		k->pair[i].rule = k->network;
		k->pair[i].busy_ns = 0;
	}
}

struct link *link_new(const struct lanes *l, const struct network *network, uint64_t seed)
{
	struct link *k = xcalloc(1, sizeof *k);
	k->nodes = l->nodes;
	k->linked = l->nodes + SERVICES;
	network_check(network);
	k->network = *network;
	k->free = NO_ITEM;
	k->pair = xcalloc((size_t)(k->linked * k->linked), sizeof *k->pair);
	for (int src = 0; src < k->linked; src++)
		for (int dst = 0; dst < k->linked; dst++)
			rng_seed(&pair_at(k, src, dst)->rng, rng_derive(seed, (uint64_t)(src * 64 + dst)));
	heal(k);
	arena_init(&k->names);
	return k;
}

void link_free(struct link *k)
{
	if (!k)
		return;
	for (int i = 0; i < k->nodes; i++) {
		free(k->timers[i].timer);
		free(k->timers[i].bucket);
	}
	free(k->heap);
	free(k->item);
	free(k->place);
	free(k->pair);
	arena_done(&k->names);
	free(k);
}

static int64_t time_after(int64_t t_ns, int64_t more_ns)
{
	return more_ns < forever_ns - t_ns ? t_ns + more_ns : forever_ns;
}

/* When a message of n bytes has left the queue of its pair. The second copy of a doubled message takes no room in
 * it: the network made it further on. A lost message takes none either. */
static int64_t leave_queue(struct pair *p, int64_t now_ns, size_t n)
{
	if (p->rule.rate_bps == 0)
		return now_ns;
	wide ns = (wide)n * (uint64_t)NS_PER_S / (uint64_t)p->rule.rate_bps;
	int64_t start = p->busy_ns > now_ns ? p->busy_ns : now_ns;
	p->busy_ns = time_after(start, ns < (wide)forever_ns ? (int64_t)ns : forever_ns);
	return p->busy_ns;
}

int link_send(struct link *k, int64_t now_ns, const struct link_item *given)
{
	struct link_item item = *given;
	item.kind = ITEM_MESSAGE;
	item.copy = 0;
	item.due_ns = now_ns;
	if (!has_link(k, item.src, item.dst)) {
		heap_add(k, &item);
		return 1;
	}
	struct pair *p = pair_at(k, item.src, item.dst);
	struct draws d;
	draws_take(&d, &p->rng);
	if (word_chance(d.loss, p->rule.loss_million))
		return 0;
	int copies = word_chance(d.duplicate, p->rule.dup_million) ? 2 : 1;
	int64_t left_ns = leave_queue(p, now_ns, item.body.n);
	for (int c = 0; c < copies; c++) {
		int64_t latency = draw_latency(&p->rule, d.copy[c].latency);
		if (word_chance(d.copy[c].reorder, p->rule.reorder_million))
			latency += (int64_t)word_below(d.copy[c].hold, 4 * (uint64_t)latency + 10 * NS_PER_MS + 1);
		item.copy = (uint8_t)c;
		item.due_ns = time_after(left_ns, latency);
		heap_add(k, &item);
	}
	return copies;
}

void link_put(struct link *k, const struct link_item *item)
{
	uint32_t place = heap_add(k, item);
	if (item->kind == ITEM_TIMER) {
		struct timer_table *t = &k->timers[item->src];
		t->timer[item->slot].item = place;
		t->running++;
	}
}

int64_t link_due(struct link *k)
{
	return k->count ? k->heap[0].due_ns : INT64_MAX;
}

bool link_pop(struct link *k, int64_t now_ns, struct link_item *out)
{
	if (k->count == 0 || k->heap[0].due_ns > now_ns)
		return false;
	*out = k->item[k->heap[0].item];
	heap_remove(k, 0);
	if (out->kind == ITEM_TIMER) {
		struct timer_table *t = &k->timers[out->src];
		t->timer[out->slot].item = NO_ITEM;
		t->running--;
	}
	return true;
}

size_t link_pending(const struct link *k)
{
	return k->count;
}

/* --- timers --- */

static uint32_t *bucket_of(const struct timer_table *t, uint64_t hash, struct slice name)
{
	for (uint32_t i = (uint32_t)hash;; i++) {
		uint32_t *b = &t->bucket[i & (t->buckets - 1)];
		if (*b == 0)
			return b;
		const struct timer *timer = &t->timer[*b - 1];
		if (timer->hash == hash && slice_eq(timer->name, name))
			return b;
	}
}

static void table_grow(struct timer_table *t)
{
	t->cap = t->cap ? t->cap * 2 : 8;
	t->timer = xrealloc(t->timer, t->cap * sizeof *t->timer);
	free(t->bucket);
	t->buckets = t->cap * 2;
	t->bucket = xcalloc(t->buckets, sizeof *t->bucket);
	for (uint32_t i = 0; i < t->count; i++)
		*bucket_of(t, t->timer[i].hash, t->timer[i].name) = i + 1;
}

/* The number of the timer with this name, UINT32_MAX when it never was. */
static uint32_t timer_find(const struct timer_table *t, struct slice name)
{
	if (t->count == 0)
		return UINT32_MAX;
	return *bucket_of(t, hash_bytes(0, name.s, name.n), name) - 1;
}

static uint32_t timer_intern(struct link *k, struct timer_table *t, struct slice name)
{
	uint32_t i = timer_find(t, name);
	if (i != UINT32_MAX)
		return i;
	if (t->count == t->cap)
		table_grow(t);
	struct timer *timer = &t->timer[t->count];
	*timer = (struct timer){ arena_copy(&k->names, name), hash_bytes(0, name.s, name.n), NO_ITEM, 0 };
	*bucket_of(t, timer->hash, timer->name) = t->count + 1;
	return t->count++;
}

static void timer_stop(struct link *k, struct timer_table *t, uint32_t i)
{
	if (i == UINT32_MAX || t->timer[i].item == NO_ITEM)
		return;
	heap_remove(k, k->place[t->timer[i].item]);
	t->timer[i].item = NO_ITEM;
	t->running--;
}

/* A timer that runs moves in the heap, behind all that is due at the same time. */
static void timer_move(struct link *k, struct timer *timer, int64_t due_ns)
{
	struct link_item *item = &k->item[timer->item];
	item->due_ns = due_ns;
	item->generation = ++timer->generation;
	heap_set(k, k->place[timer->item], (struct key){ due_ns, k->order++, timer->item });
}

bool link_timer(struct link *k, int64_t now_ns, int node, struct slice name, int64_t after_ns)
{
	assert(node >= 0 && node < k->nodes);
	struct timer_table *t = &k->timers[node];
	if (after_ns < 0) {
		timer_stop(k, t, timer_find(t, name));
		return true;
	}
	int64_t due_ns = time_after(now_ns, after_ns);
	uint32_t i = timer_find(t, name);
	if (i != UINT32_MAX && t->timer[i].item != NO_ITEM) {
		timer_move(k, &t->timer[i], due_ns);
		return true;
	}
	if (t->running == TIMERS_MAX)
		return false;
	i = timer_intern(k, t, name);
	struct timer *timer = &t->timer[i];
	timer->item = heap_add(k, &(struct link_item){
		.due_ns = due_ns,
		.body = timer->name,
		.src = (int16_t)node,
		.dst = (int16_t)node,
		.kind = ITEM_TIMER,
		.slot = i,
		.generation = ++timer->generation,
	});
	t->running++;
	return true;
}

void link_forget_timers(struct link *k, int node)
{
	assert(node >= 0 && node < k->nodes);
	struct timer_table *t = &k->timers[node];
	for (uint32_t i = 0; i < t->count && t->running > 0; i++)
		timer_stop(k, t, i);
}

/* --- faults --- */

bool link_is_cut(const struct link *k, int src, int dst)
{
	return has_link(k, src, dst) && (k->cut[dst] & lane_bit(src));
}

struct network link_rule(const struct link *k, int src, int dst)
{
	return has_link(k, src, dst) ? pair_at(k, src, dst)->rule : (struct network){ 0 };
}

static void pair_fault(struct pair *p, const struct fault *f)
{
	struct network *rule = &p->rule;
	switch (f->kind) {
	case FAULT_LATENCY:
		rule->mean_ns = f->mean_ns;
		rule->jitter_ns = f->jitter_ns;
		rule->dist = f->dist;
		break;
	case FAULT_LOSS:
		rule->loss_million = f->p_million;
		break;
	case FAULT_DUPLICATE:
		rule->dup_million = f->p_million;
		break;
	case FAULT_REORDER:
		rule->reorder_million = f->p_million;
		break;
	case FAULT_RATE:
		rule->rate_bps = f->rate_bps;
		p->busy_ns = 0;
		break;
	default:
		break;
	}
	network_check(rule);
}

void link_fault(struct link *k, const struct fault *f)
{
	assert(f->kind <= FAULT_HEAL);
	if (f->kind == FAULT_HEAL) {
		heal(k);
		return;
	}
	for (int dst = 0; dst < k->linked; dst++) {
		if (!(f->to & lane_bit(dst)))
			continue;
		if (f->kind == FAULT_CUT)
			k->cut[dst] |= f->from;
		else if (f->kind == FAULT_UNCUT)
			k->cut[dst] &= ~f->from;
		else
			for (int src = 0; src < k->linked; src++)
				if (f->from & lane_bit(src))
					pair_fault(pair_at(k, src, dst), f);
	}
}
