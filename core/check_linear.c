/* check_linear.c - the search for an order (Wing and Gong 1993, Lowe 2017), with an exact memory of where it was.
 *
 * Operations that must have a place stand in lanes: rows in which each ended before the next began (for LIN_CLIENTS a lane
 * is a client). Whatever was placed so far is a prefix of each lane. So a node of the search is a cursor per lane, which
 * operations without an answer ("maybes") were taken, and the state of the object:
 *
 *      lane 0   [w1]  [r1] | [w2]          placed | not yet
 *      lane 1      [r1] | [   w3   ]       next may come: heads that began before any head ended
 *      lane 2     | [   c12   ]
 *
 * In real time the first end among the heads, R, tells nearly all: what ended before R is placed, what began after R is
 * not, and each lane has at most one operation that spans R. Hence the exact key of a node is small: (operation that
 * ends at R, state, one bit per lane, one bit per maybe); 16 bytes when lanes and maybes are 64 or fewer.
 *
 * Some things keep the search narrow. A pure operation that fits is placed at once and is no choice: it could be moved
 * here from any later place. A maybe that would change nothing is not taken. Of maybes that are the same but for their
 * places, the one that was called first is taken first. Of heads that are the same but for their times, the one that ends first is
 * placed first: in an order that begins with another one the two can change places, for what follows the other one in its
 * lane begins later than the first one ends. Where only writes can come next, the value is forgotten. And what must end
 * first is tried first: an order that exists is then found soon. */
#include "check_linear.h"

#include <stdlib.h>

#include "ddmin.h"

enum { MEMO_FIRST = 64, INTERN_FIRST = 64, ROUND_FIRST = 1024, ROUND_FACTOR = 4 };
#define NONE UINT32_MAX
#define STATES_DEFAULT UINT64_C(20000000)
#define BYTES_DEFAULT (UINT64_C(1) << 30)
#define NO_LIMIT (UINT64_MAX - 1) /* as a place: later than every call */
#define CORE_TRY_STATES UINT64_C(30000)
#define CORE_ALL_STATES UINT64_C(1500000)
#define CORE_PAIRS 5000
#define CORE_BYTES (UINT64_C(64) << 20)

/* What all parts of a check may use together. */
struct purse {
	uint64_t states, states_max;
	size_t bytes, bytes_max, peak;
};

static bool purse_take(struct purse *p, size_t bytes)
{
	if (bytes > p->bytes_max || p->bytes > p->bytes_max - bytes)
		return false;
	p->bytes += bytes;
	p->peak = p->bytes > p->peak ? p->bytes : p->peak;
	return true;
}

static void purse_give(struct purse *p, size_t bytes)
{
	assert(bytes <= p->bytes);
	p->bytes -= bytes;
}

/* --- nodes that were visited: keys of one width in an open-addressing table; the first word of a key is never 0 --- */

struct memo {
	uint64_t *slots; /* owned */
	size_t width, cap, n;
};

enum memo_answer { MEMO_NEW, MEMO_SEEN, MEMO_FULL };

static size_t memo_hash(const uint64_t *key, size_t width)
{
	uint64_t h = 0;
	for (size_t i = 0; i < width; i++) {
		h = (h ^ key[i]) * UINT64_C(0x9e3779b97f4a7c15);
		h ^= h >> 29;
	}
	return (size_t)(h * UINT64_C(0xbf58476d1ce4e5b9) >> 20);
}

static bool same_key(const uint64_t *a, const uint64_t *b, size_t width)
{
	for (size_t i = 0; i < width; i++)
		if (a[i] != b[i])
			return false;
	return true;
}

static uint64_t *memo_find(const struct memo *m, const uint64_t *key)
{
	for (size_t i = memo_hash(key, m->width);; i++) {
		uint64_t *slot = m->slots + (i & (m->cap - 1)) * m->width;
		if (slot[0] == 0 || same_key(slot, key, m->width))
			return slot;
	}
}

static bool memo_grow(struct memo *m, struct purse *purse)
{
	size_t cap = m->cap ? m->cap * 2 : MEMO_FIRST, size = m->width * sizeof *m->slots;
	if (!purse_take(purse, cap * size))
		return false;
	struct memo old = *m;
	m->slots = xcalloc(cap * m->width, sizeof *m->slots);
	m->cap = cap;
	for (size_t i = 0; i < old.cap; i++)
		if (old.slots[i * m->width])
			memcpy(memo_find(m, old.slots + i * m->width), old.slots + i * m->width, size);
	free(old.slots);
	purse_give(purse, old.cap * size);
	return true;
}

static enum memo_answer memo_add(struct memo *m, struct purse *purse, const uint64_t *key)
{
	if (m->n >= m->cap / 4 * 3 && !memo_grow(m, purse) && m->n >= m->cap / 16 * 15)
		return MEMO_FULL;
	uint64_t *slot = memo_find(m, key);
	if (slot[0])
		return MEMO_SEEN;
	memcpy(slot, key, m->width * sizeof *key);
	m->n++;
	return MEMO_NEW;
}

static void memo_done(struct memo *m, struct purse *purse)
{
	free(m->slots);
	purse_give(purse, m->cap * m->width * sizeof *m->slots);
	*m = (struct memo){ .width = m->width };
}

/* --- states by number: equal states have equal numbers --- */

struct states {
	int64_t *words;  /* owned; one state after the other */
	size_t words_cap;
	size_t *start;   /* owned; [n + 1] */
	uint32_t *table; /* owned; numbers, by hash; NONE: empty */
	size_t cap;      /* of the table; half as many states */
	uint32_t n;
	int64_t *next;   /* owned; where a step writes */
	size_t next_cap;
};

static struct lin_state state_at(const struct states *s, uint32_t number)
{
	return (struct lin_state){ s->words + s->start[number], s->start[number + 1] - s->start[number] };
}

static bool same_state(struct lin_state a, struct lin_state b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.w, b.w, a.n * sizeof *a.w) == 0);
}

static size_t state_hash(struct lin_state s)
{
	uint64_t h = s.n;
	for (size_t i = 0; i < s.n; i++) {
		h = (h ^ (uint64_t)s.w[i]) * UINT64_C(0x9e3779b97f4a7c15);
		h ^= h >> 32;
	}
	return (size_t)h;
}

static uint32_t *states_find(const struct states *s, struct lin_state state)
{
	for (size_t i = state_hash(state);; i++) {
		uint32_t *slot = &s->table[i & (s->cap - 1)];
		if (*slot == NONE || same_state(state_at(s, *slot), state))
			return slot;
	}
}

static bool states_grow(struct states *s, struct purse *purse)
{
	size_t cap = s->cap ? s->cap * 2 : INTERN_FIRST;
	size_t more = (cap - s->cap) * (sizeof *s->table + sizeof *s->start / 2);
	if (cap / 2 >= NONE || !purse_take(purse, more))
		return false;
	s->table = xrealloc(s->table, cap * sizeof *s->table);
	s->start = xrealloc(s->start, (cap / 2 + 1) * sizeof *s->start);
	s->cap = cap;
	memset(s->table, 0xff, cap * sizeof *s->table);
	s->start[0] = 0;
	for (uint32_t i = 0; i < s->n; i++)
		*states_find(s, state_at(s, i)) = i;
	return true;
}

static bool words_room(struct states *s, struct purse *purse, size_t need)
{
	if (need <= s->words_cap)
		return true;
	size_t cap = need * 2 > INTERN_FIRST ? need * 2 : INTERN_FIRST;
	if (!purse_take(purse, (cap - s->words_cap) * sizeof *s->words))
		return false;
	s->words = xrealloc(s->words, cap * sizeof *s->words);
	s->words_cap = cap;
	return true;
}

/* The number of a state; NONE when the purse is empty. */
static uint32_t states_number(struct states *s, struct purse *purse, struct lin_state state)
{
	if (s->n >= s->cap / 2 && !states_grow(s, purse))
		return NONE;
	uint32_t *slot = states_find(s, state);
	if (*slot != NONE)
		return *slot;
	size_t used = s->n ? s->start[s->n] : 0;
	if (!words_room(s, purse, used + state.n + 1))
		return NONE;
	if (state.n)
		memcpy(s->words + used, state.w, state.n * sizeof *state.w);
	s->start[s->n + 1] = used + state.n;
	*slot = s->n;
	return s->n++;
}

static void states_done(struct states *s, struct purse *purse)
{
	if (s->cap)
		purse_give(purse, s->cap * (sizeof *s->table + sizeof *s->start / 2) + s->words_cap * sizeof *s->words);
	free(s->words);
	free(s->start);
	free(s->table);
	free(s->next);
	*s = (struct states){ .n = 0 };
}

/* --- the search of one part --- */

/* What the search asks of an operation in a lane all the time, side by side. */
struct slot {
	uint64_t call, ret; /* call 0: it waits for no other lane */
	uint32_t op;
	uint32_t kind;      /* equal for operations that differ in their times alone */
	bool pure;
};

struct lane {
	struct slot *slots; /* in the arena; in their order; after the last one stands one that never begins */
	uint32_t n, at;
};

struct maybe {
	uint32_t op;
	uint32_t twin;  /* number of a maybe that is taken first; NONE */
	uint32_t lane, after; /* LIN_CLIENTS: it waits until the lane's cursor is here; lane NONE: it waits for nothing */
};

struct frame {
	uint64_t limit;  /* what began later may not come next */
	uint32_t first;  /* the lane whose head ends first */
	uint32_t state;
	uint32_t next;   /* maybes of a lower number were tried */
	size_t trail;    /* length of the trail when the frame was made, pure operations included */
	size_t trail_before; /* and before the operation that led here */
};

enum search_answer { SEARCH_FOUND, SEARCH_NONE, SEARCH_PAUSED, SEARCH_FULL };

struct search {
	const struct lin_model *model;
	int order;
	bool repeat;      /* maybes can be taken again and again */
	struct purse *purse;
	const struct lin_op *ops; /* borrowed */
	bool *pure, *blind; /* [n] */
	uint32_t *leaves; /* [n]; of a blind operation the state that it leaves behind; NONE: not asked yet */
	uint32_t *lane_of; /* [n]; of a maybe: lanes_n + its number */
	size_t n;
	struct lane *lanes;
	uint64_t *head_call, *head_ret; /* of each lane; UINT64_MAX at its end */
	uint64_t *head_pure; /* bits of lanes, as all that follow */
	uint64_t *open;   /* where the search is: heads that may come next */
	uint64_t limit;   /* of where it is, and the lane that ends there */
	uint32_t first;
	uint32_t lanes_n;
	size_t words;     /* of a set of lanes */
	struct maybe *maybes; /* by call */
	uint32_t maybes_n;
	uint64_t *taken, *key; /* bits of lanes (0 in `taken`), then of maybes */
	size_t mask_n;
	size_t must, placed; /* operations that must have a place, and those that have */
	struct memo memo;
	struct states states;
	struct frame *stack; /* owned */
	uint64_t *sets;   /* owned; of each frame the open heads, then those that were not tried */
	size_t depth, stack_cap;
	uint32_t *trail, *best; /* owned; what was placed, in order; the longest */
	size_t trail_n, trail_cap, best_n, best_cap, best_placed;
	size_t low;       /* the trail equals `best` up to here */
	uint64_t furthest; /* the latest limit that was reached */
	bool begun;
};

static const struct slot *head(const struct search *s, uint32_t lane)
{
	return &s->lanes[lane].slots[s->lanes[lane].at];
}

static void head_set(struct search *s, uint32_t lane)
{
	const struct slot *h = head(s, lane);
	uint64_t *pure = &s->head_pure[lane / 64], bit = UINT64_C(1) << (lane % 64);
	s->head_call[lane] = h->call;
	s->head_ret[lane] = h->ret;
	*pure = h->pure ? *pure | bit : *pure & ~bit;
}

static uint32_t head_op(const struct search *s, uint32_t lane)
{
	return head(s, lane)->op;
}

static uint64_t first_end(const struct search *s, uint32_t *lane)
{
	uint64_t first = NO_LIMIT;
	*lane = NONE;
	for (uint32_t i = 0; i < s->lanes_n; i++)
		if (s->head_ret[i] < first) {
			first = s->head_ret[i];
			*lane = i;
		}
	return first;
}

static uint64_t limit_now(const struct search *s, uint32_t *lane)
{
	if (s->order == LIN_REAL_TIME)
		return first_end(s, lane);
	*lane = NONE;
	return NO_LIMIT;
}

/* Finds out which heads may come next. */
static void open_all(struct search *s)
{
	s->limit = limit_now(s, &s->first);
	memset(s->open, 0, s->words * sizeof *s->open);
	for (uint32_t i = 0; i < s->lanes_n; i++)
		s->open[i / 64] |= (uint64_t)(s->head_call[i] <= s->limit) << (i % 64);
}

/* The same after a head was placed. In real time the next of a lane begins after its head has ended: as long as the first
 * end of all is the same one, it may not come yet, and for the other lanes nothing is new. */
static void open_after(struct search *s, uint32_t lane)
{
	if (s->order != LIN_REAL_TIME || lane == s->first)
		open_all(s);
	else
		s->open[lane / 64] &= ~(UINT64_C(1) << (lane % 64));
}

static void trail_push(struct search *s, uint32_t op)
{
	if (s->trail_n == s->trail_cap) {
		s->trail_cap = s->trail_cap ? s->trail_cap * 2 : s->n + 8;
		s->trail = xrealloc(s->trail, s->trail_cap * sizeof *s->trail);
	}
	s->trail[s->trail_n++] = op;
}

static void flip_taken(struct search *s, uint32_t maybe)
{
	if (!s->repeat)
		s->taken[(s->lanes_n + maybe) / 64] ^= UINT64_C(1) << ((s->lanes_n + maybe) % 64);
}

static bool is_taken(const struct search *s, uint32_t maybe)
{
	return !s->repeat && (s->taken[(s->lanes_n + maybe) / 64] >> ((s->lanes_n + maybe) % 64) & 1);
}

static void place(struct search *s, uint32_t op)
{
	uint32_t lane = s->lane_of[op];
	trail_push(s, op);
	if (lane >= s->lanes_n) {
		flip_taken(s, lane - s->lanes_n);
		return;
	}
	s->lanes[lane].at++;
	s->placed++;
	head_set(s, lane);
}

/* Keeps the trail when it is the longest so far; only what differs from the last one is copied. */
static void note_best(struct search *s)
{
	if (s->placed < s->best_placed || (s->placed == s->best_placed && s->best_n))
		return;
	if (s->best_cap < s->trail_n) {
		s->best_cap = s->trail_cap;
		s->best = xrealloc(s->best, s->best_cap * sizeof *s->best);
	}
	if (s->trail_n > s->low)
		memcpy(s->best + s->low, s->trail + s->low, (s->trail_n - s->low) * sizeof *s->best);
	s->best_n = s->low = s->trail_n;
	s->best_placed = s->placed;
}

static void undo_to(struct search *s, size_t trail)
{
	note_best(s);
	s->low = trail < s->low ? trail : s->low;
	while (s->trail_n > trail) {
		uint32_t op = s->trail[--s->trail_n], lane = s->lane_of[op];
		if (lane >= s->lanes_n) {
			flip_taken(s, lane - s->lanes_n);
			continue;
		}
		s->lanes[lane].at--;
		s->placed--;
		head_set(s, lane);
	}
}

static int64_t *next_room(struct states *s, size_t n)
{
	if (s->next_cap < n + 2) {
		s->next_cap = 2 * n + 8;
		s->next = xrealloc(s->next, s->next_cap * sizeof *s->next);
	}
	return s->next;
}

static bool fits(struct search *s, uint32_t state, uint32_t op)
{
	struct lin_state now = state_at(&s->states, state);
	size_t n = 0;
	return s->model->step(now, &s->ops[op], next_room(&s->states, now.n), &n);
}

static bool place_pure_once(struct search *s, uint32_t state)
{
	for (size_t w = 0; w < s->words; w++)
		for (uint64_t bits = s->open[w] & s->head_pure[w]; bits; bits &= bits - 1) {
			uint32_t lane = (uint32_t)(w * 64) + (uint32_t)__builtin_ctzll(bits);
			if (!fits(s, state, head_op(s, lane)))
				continue;
			bool more = s->order != LIN_REAL_TIME || lane == s->first;
			place(s, head_op(s, lane));
			open_after(s, lane);
			if (more)
				return true;
		}
	return false;
}

/* Places all pure operations that may come next and fit, and those that may come then. */
static void place_pure(struct search *s, uint32_t state)
{
	while (place_pure_once(s, state))
		;
}

static void key_make(struct search *s, uint32_t state)
{
	uint64_t *mask = s->key + 1;
	memcpy(mask, s->taken, s->mask_n * sizeof *mask);
	if (s->order == LIN_REAL_TIME) {
		s->key[0] = (uint64_t)(head_op(s, s->first) + 1) << 32 | state;
		for (size_t i = 0; i < s->words; i++)
			mask[i] |= s->open[i];
		return;
	}
	s->key[0] = UINT64_C(1) << 32 | state;
	memset(mask + s->mask_n, 0, (s->memo.width - 1 - s->mask_n) * sizeof *mask);
	for (uint32_t i = 0; i < s->lanes_n; i++)
		mask[s->mask_n + i / 2] |= (uint64_t)s->lanes[i].at << (32 * (i % 2));
}

/* Where the search is becomes a frame; pure heads that are left do not fit. */
static void frame_push(struct search *s, struct frame f)
{
	if (s->depth == s->stack_cap) {
		s->stack_cap = s->stack_cap ? s->stack_cap * 2 : 64;
		s->stack = xrealloc(s->stack, s->stack_cap * sizeof *s->stack);
		s->sets = xrealloc(s->sets, s->stack_cap * s->words * 2 * sizeof *s->sets);
	}
	uint64_t *open = s->sets + s->depth * s->words * 2;
	for (size_t i = 0; i < s->words; i++) {
		open[i] = s->open[i];
		open[s->words + i] = s->open[i] & ~s->head_pure[i];
	}
	s->stack[s->depth++] = f;
}

/* The search goes back to its last frame; the trail is as it was. */
static void frame_load(struct search *s)
{
	const struct frame *f = &s->stack[s->depth - 1];
	s->limit = f->limit;
	s->first = f->first;
	for (size_t i = 0; i < s->words; i++)
		s->open[i] = s->sets[(s->depth - 1) * s->words * 2 + i];
}

static bool maybe_may(const struct search *s, uint32_t number, uint64_t limit)
{
	const struct maybe *m = &s->maybes[number];
	if (is_taken(s, number) || (m->twin != NONE && !is_taken(s, m->twin)))
		return false;
	if (s->order == LIN_REAL_TIME)
		return s->ops[m->op].call <= limit;
	return m->lane == NONE || s->lanes[m->lane].at >= m->after;
}

/* True when nothing may come next but what is blind: then what follows is the same for all states of which this is true. */
static bool only_blind(struct search *s, uint32_t state)
{
	if (!s->model->blind)
		return false;
	for (size_t w = 0; w < s->words; w++)
		for (uint64_t bits = s->open[w] & ~s->head_pure[w]; bits; bits &= bits - 1) {
			uint32_t op = head_op(s, (uint32_t)(w * 64) + (uint32_t)__builtin_ctzll(bits));
			if (!s->blind[op] && fits(s, state, op))
				return false;
		}
	for (uint32_t i = 0; i < s->maybes_n; i++)
		if (!s->blind[s->maybes[i].op] && maybe_may(s, i, s->limit) && fits(s, state, s->maybes[i].op))
			return false;
	return true;
}

/* Goes to a node: `trail` is the length that the trail had before the operation that led here. */
static enum search_answer enter(struct search *s, uint32_t state, size_t trail)
{
	place_pure(s, state);
	if (s->placed == s->must)
		return SEARCH_FOUND;
	if (s->order == LIN_REAL_TIME && s->limit > s->furthest)
		s->furthest = s->limit;
	key_make(s, only_blind(s, state) ? NONE : state);
	switch (memo_add(&s->memo, s->purse, s->key)) {
	case MEMO_FULL:
		return SEARCH_FULL;
	case MEMO_SEEN:
		undo_to(s, trail);
		return SEARCH_NONE;
	default:
		s->purse->states++;
		frame_push(s, (struct frame){ .limit = s->limit, .first = s->first, .state = state, .trail = s->trail_n, .trail_before = trail });
		return SEARCH_PAUSED;
	}
}

/* Of the heads that the last frame did not try, the lane of the one that ends first; NONE: there is none. */
static uint32_t next_lane(struct search *s)
{
	uint64_t *untried = s->sets + (s->depth * 2 - 1) * s->words, first = UINT64_MAX;
	uint32_t best = NONE;
	for (size_t w = 0; w < s->words; w++)
		for (uint64_t bits = untried[w]; bits; bits &= bits - 1) {
			uint32_t lane = (uint32_t)(w * 64) + (uint32_t)__builtin_ctzll(bits);
			if (s->head_ret[lane] < first) {
				first = s->head_ret[lane];
				best = lane;
			}
		}
	if (best != NONE)
		untried[best / 64] &= ~(UINT64_C(1) << (best % 64));
	return best;
}

/* True when another head that may come next is the same operation and ends earlier. A client's own order (LIN_CLIENTS) knows
 * no ends. */
static bool has_earlier_twin(const struct search *s, uint32_t lane)
{
	const uint64_t *open = s->sets + (s->depth - 1) * 2 * s->words;
	uint32_t kind = head(s, lane)->kind;
	for (size_t w = 0; w < s->words && s->order == LIN_REAL_TIME; w++)
		for (uint64_t bits = open[w]; bits; bits &= bits - 1) {
			uint32_t other = (uint32_t)(w * 64) + (uint32_t)__builtin_ctzll(bits);
			if (s->head_ret[other] < s->head_ret[lane] && head(s, other)->kind == kind)
				return true;
		}
	return false;
}

/* The head that the last frame tries next; NONE: there is none. */
static uint32_t next_head(struct search *s)
{
	uint32_t lane;
	do
		lane = next_lane(s);
	while (lane != NONE && has_earlier_twin(s, lane));
	return lane == NONE ? NONE : head_op(s, lane);
}

/* The operation that the last frame tries next; NONE when there is none left. */
static uint32_t frame_choice(struct search *s, struct frame *f)
{
	uint32_t op = next_head(s);
	while (op == NONE && f->next < s->maybes_n) {
		uint32_t maybe = f->next++;
		if (maybe_may(s, maybe, f->limit))
			op = s->maybes[maybe].op;
	}
	return op;
}

/* The state that a step leads to; NONE when it does not fit, and when the purse is empty: then *full is set. */
static uint32_t step_to(struct search *s, uint32_t state, uint32_t op, bool *full)
{
	struct lin_state now = state_at(&s->states, state);
	int64_t *next = next_room(&s->states, now.n);
	size_t n = 0;
	if (!s->model->step(now, &s->ops[op], next, &n))
		return NONE;
	uint32_t after = states_number(&s->states, s->purse, (struct lin_state){ next, n });
	*full = after == NONE;
	return after;
}

/* The state after the operation; NONE when it does not fit or, for a maybe, changes nothing. */
static uint32_t state_after(struct search *s, uint32_t state, uint32_t op, bool *full)
{
	uint32_t after = s->leaves[op];
	if (after == NONE)
		after = step_to(s, state, op, full);
	if (s->blind[op])
		s->leaves[op] = after;
	return after == state && s->lane_of[op] >= s->lanes_n ? NONE : after;
}

static enum search_answer begin(struct search *s)
{
	s->begun = true;
	open_all(s);
	uint32_t start = states_number(&s->states, s->purse, s->model->start);
	return start == NONE ? SEARCH_FULL : enter(s, start, 0);
}

/* Goes on until there is an answer or `states` more nodes were visited. */
static enum search_answer search_run(struct search *s, uint64_t states)
{
	uint64_t end = s->purse->states + states;
	enum search_answer a = s->begun ? SEARCH_PAUSED : begin(s);
	while (a != SEARCH_FOUND && a != SEARCH_FULL && s->depth > 0 && s->purse->states < end) {
		struct frame *f = &s->stack[s->depth - 1];
		uint32_t op = frame_choice(s, f);
		if (op == NONE) {
			undo_to(s, f->trail_before);
			s->depth--;
			continue;
		}
		bool full = false;
		uint32_t after = state_after(s, f->state, op, &full);
		size_t trail = f->trail;
		if (full) {
			a = SEARCH_FULL;
		} else if (after != NONE) {
			frame_load(s);
			place(s, op);
			if (s->lane_of[op] < s->lanes_n)
				open_after(s, s->lane_of[op]);
			a = enter(s, after, trail);
		}
	}
	if (a == SEARCH_FOUND || a == SEARCH_FULL)
		return a;
	return s->depth > 0 ? SEARCH_PAUSED : SEARCH_NONE;
}

/* --- making a search --- */

static int by_call(const void *a, const void *b, void *ops)
{
	const struct lin_op *x = (const struct lin_op *)ops + *(const uint32_t *)a;
	const struct lin_op *y = (const struct lin_op *)ops + *(const uint32_t *)b;
	if (x->call != y->call)
		return x->call < y->call ? -1 : 1;
	return x < y ? -1 : x > y;
}

static int by_client(const void *a, const void *b, void *ops)
{
	int x = ((const struct lin_op *)ops)[*(const uint32_t *)a].client;
	int y = ((const struct lin_op *)ops)[*(const uint32_t *)b].client;
	return x == y ? by_call(a, b, ops) : x < y ? -1 : 1;
}

static void order_by(uint32_t *index, size_t n, int (*order)(const void *, const void *, void *), const struct lin_op *ops)
{
	if (n > 1)
		qsort_r(index, n, sizeof *index, order, (void *)(uintptr_t)ops);
}

/* Gives each operation of `must` (by call) the first lane whose last operation has ended; returns how many lanes. */
static uint32_t lanes_by_time(struct search *s, const uint32_t *must, uint64_t *ends)
{
	uint32_t lanes = 0;
	for (size_t i = 0; i < s->must; i++) {
		uint32_t lane = 0;
		while (lane < lanes && ends[lane] >= s->ops[must[i]].call)
			lane++;
		lanes += lane == lanes;
		ends[lane] = s->ops[must[i]].ret;
		s->lane_of[must[i]] = lane;
	}
	return lanes;
}

static uint32_t lanes_by_client(struct search *s, const uint32_t *must)
{
	uint32_t lanes = 0;
	for (size_t i = 0; i < s->must; i++) {
		if (i == 0 || s->ops[must[i]].client != s->ops[must[i - 1]].client)
			lanes++;
		s->lane_of[must[i]] = lanes - 1;
	}
	return lanes;
}

static int by_what(const void *a, const void *b, void *ops)
{
	const struct lin_op *x = (const struct lin_op *)ops + *(const uint32_t *)a;
	const struct lin_op *y = (const struct lin_op *)ops + *(const uint32_t *)b;
	const int64_t of[][2] = { { x->f, y->f }, { x->key, y->key }, { x->value, y->value }, { x->from, y->from }, { x->result, y->result } };
	for (size_t i = 0; i < ARRAY_LEN(of); i++)
		if (of[i][0] != of[i][1])
			return of[i][0] < of[i][1] ? -1 : 1;
	return 0;
}

/* Numbers the operations that must have a place: those with equal numbers are the same but for their times. */
static uint32_t *kinds_make(struct arena *a, const struct search *s, const uint32_t *must)
{
	uint32_t *kind = arena_alloc(a, (s->n + 1) * sizeof *kind), *order = arena_alloc(a, (s->must + 1) * sizeof *order);
	memcpy(order, must, s->must * sizeof *order);
	order_by(order, s->must, by_what, s->ops);
	for (size_t i = 0; i < s->must; i++) {
		bool plain = !s->model->by_client && s->ops[order[i]].list_n == 0;
		bool same = i > 0 && plain && s->ops[order[i - 1]].list_n == 0 && by_what(&order[i - 1], &order[i], (void *)(uintptr_t)s->ops) == 0;
		kind[order[i]] = same ? kind[order[i - 1]] : (uint32_t)i;
	}
	return kind;
}

static void lanes_fill(struct arena *a, struct search *s, const uint32_t *must)
{
	const uint32_t *kind = kinds_make(a, s, must);
	s->lanes = arena_zero(a, (s->lanes_n + 1) * sizeof *s->lanes);
	s->head_call = arena_alloc(a, (s->lanes_n + 1) * sizeof *s->head_call);
	s->head_ret = arena_alloc(a, (s->lanes_n + 1) * sizeof *s->head_ret);
	s->words = (s->lanes_n + 63) / 64;
	s->head_pure = arena_zero(a, (s->words + 1) * sizeof *s->head_pure);
	s->open = arena_zero(a, (s->words + 1) * sizeof *s->open);
	struct slot *slots = arena_alloc(a, (s->must + s->lanes_n + 1) * sizeof *slots);
	for (size_t i = 0; i < s->must; i++)
		s->lanes[s->lane_of[must[i]]].n++;
	for (uint32_t i = 0; i < s->lanes_n; i++) {
		s->lanes[i].slots = slots;
		slots += s->lanes[i].n + 1;
	}
	for (size_t i = 0; i < s->must; i++) {
		struct lane *l = &s->lanes[s->lane_of[must[i]]];
		const struct lin_op *op = &s->ops[must[i]];
		l->slots[l->at++] = (struct slot){ .call = s->order == LIN_CLIENTS ? 0 : op->call, .ret = op->ret, .op = must[i],
			.kind = kind[must[i]], .pure = s->pure[must[i]] };
	}
	for (uint32_t i = 0; i < s->lanes_n; i++) {
		s->lanes[i].slots[s->lanes[i].n] = (struct slot){ .call = UINT64_MAX, .ret = UINT64_MAX, .op = NONE };
		s->lanes[i].at = 0;
		head_set(s, i);
	}
}

static bool same_maybe(const struct lin_model *m, const struct lin_op *x, const struct lin_op *y)
{
	return lin_is_maybe(x) && lin_is_maybe(y) && x->f == y->f && x->key == y->key && x->value == y->value && x->from == y->from && (!m->by_client || x->client == y->client);
}

static void find_twin(struct search *s, uint32_t number)
{
	struct maybe *m = &s->maybes[number];
	for (uint32_t i = number; i-- > 0 && m->twin == NONE;)
		if (same_maybe(s->model, &s->ops[s->maybes[i].op], &s->ops[m->op]) && s->maybes[i].lane == m->lane)
			m->twin = i;
}

/* A maybe of LIN_CLIENTS stands after what its client had called before. */
static void find_place(struct search *s, struct maybe *m)
{
	if (s->order != LIN_CLIENTS || s->repeat)
		return;
	for (uint32_t i = 0; i < s->lanes_n; i++) {
		const struct lane *l = &s->lanes[i];
		if (s->ops[l->slots[0].op].client != s->ops[m->op].client)
			continue;
		m->lane = i;
		while (m->after < l->n && s->ops[l->slots[m->after].op].call < s->ops[m->op].call)
			m->after++;
	}
}

/* Repeated maybes need no twin: the first of its kind does what all of them can do. */
static void maybes_fill(struct arena *a, struct search *s, const uint32_t *maybe, size_t n)
{
	s->maybes = arena_alloc(a, (n + 1) * sizeof *s->maybes);
	for (size_t i = 0; i < n; i++) {
		struct maybe *m = &s->maybes[s->maybes_n];
		*m = (struct maybe){ .op = maybe[i], .twin = NONE, .lane = NONE };
		find_place(s, m);
		find_twin(s, s->maybes_n);
		if (s->repeat && m->twin != NONE)
			continue;
		s->lane_of[m->op] = s->lanes_n + s->maybes_n++;
	}
}

/* What ends after the horizon need not have a place, but if it has one, it has its result. Operations are borrowed until search_done; what the search owns of lasting size is in the arena. */
static void search_init(struct arena *a, struct search *s, const struct lin_model *model, int order, bool repeat, uint64_t horizon,
	struct purse *purse, const struct lin_op *ops, size_t n)
{
	assert(n < NONE / 2);
	*s = (struct search){ .model = model, .order = order, .repeat = repeat, .purse = purse, .ops = ops, .n = n };
	s->pure = arena_alloc(a, n + 1);
	s->blind = arena_alloc(a, n + 1);
	s->lane_of = arena_alloc(a, (n + 1) * sizeof *s->lane_of);
	s->leaves = arena_alloc(a, (n + 1) * sizeof *s->leaves);
	memset(s->leaves, 0xff, n * sizeof *s->leaves);
	uint32_t *must = arena_alloc(a, (n + 1) * sizeof *must), *maybe = arena_alloc(a, (n + 1) * sizeof *maybe);
	uint64_t *ends = arena_alloc(a, (n + 1) * sizeof *ends);
	size_t maybe_n = 0;
	for (uint32_t i = 0; i < n; i++) {
		assert(ops[i].call <= ops[i].ret);
		s->pure[i] = model->pure(&ops[i]);
		s->blind[i] = model->blind && model->blind(&ops[i]);
		if (ops[i].ret <= horizon)
			must[s->must++] = i;
		else if (!s->pure[i])
			maybe[maybe_n++] = i;
	}
	order_by(must, s->must, order == LIN_CLIENTS ? by_client : by_call, ops);
	order_by(maybe, maybe_n, by_call, ops);
	s->lanes_n = order == LIN_CLIENTS ? lanes_by_client(s, must) : lanes_by_time(s, must, ends);
	lanes_fill(a, s, must);
	maybes_fill(a, s, maybe, maybe_n);
	s->mask_n = (s->lanes_n + (repeat ? 0 : s->maybes_n) + 63) / 64;
	s->memo.width = 1 + s->mask_n + (order == LIN_CLIENTS ? (s->lanes_n + 1) / 2 : 0);
	s->taken = arena_zero(a, (s->mask_n + 1) * sizeof *s->taken);
	s->key = arena_alloc(a, (s->memo.width + 1) * sizeof *s->key);
}

static void search_forget(struct search *s)
{
	memo_done(&s->memo, s->purse);
	states_done(&s->states, s->purse);
	memset(s->leaves, 0xff, s->n * sizeof *s->leaves);
}

static void search_done(struct search *s)
{
	search_forget(s);
	free(s->stack);
	free(s->sets);
	free(s->trail);
	free(s->best);
	s->stack = NULL;
	s->sets = NULL;
	s->trail = s->best = NULL;
}

/* --- the smallest contradiction ---
 *
 * Taking a write out of a history would make reads of its value impossible, which proves nothing. So what is left out is
 * allowed instead of forgotten: a pure operation goes away, any other may happen at any time after its call, or never,
 * and with a model that `repeats` as often as one likes. If there still is no order, those that stayed contradict each other
 * by themselves. Of a model with `about`, all operations of a value go away together. */

struct unit_value {
	int64_t value;
	uint32_t unit;
};

struct shrink {
	const struct search *s;
	struct lin_op *all;  /* what began up to the furthest point */
	size_t *from;        /* [n] number in the search */
	size_t n;
	uint32_t *unit;      /* [n]; NONE: it always stays */
	uint32_t units;
	struct unit_value *values; /* [values_n] by value */
	size_t values_n;
	bool repeat;
	uint64_t horizon;
	uint64_t states;     /* left */
	bool unsure;         /* a trial ended without an answer */
};

/* No order got beyond the first end at `furthest`: what began later has no part in it, and what ended later may be left. */
static void shrink_cut(struct arena *a, struct shrink *k)
{
	const struct search *s = k->s;
	k->all = arena_alloc(a, (s->n + 1) * sizeof *k->all);
	k->from = arena_alloc(a, (s->n + 1) * sizeof *k->from);
	for (size_t i = 0; i < s->n; i++) {
		struct lin_op op = s->ops[i];
		if (s->order == LIN_REAL_TIME && op.call > s->furthest)
			continue;
		if (op.ret > k->horizon && s->model->pure(&op))
			continue;
		k->from[k->n] = i;
		k->all[k->n++] = op;
	}
}

static int by_value(const void *a, const void *b)
{
	const struct unit_value *x = a, *y = b;
	return x->value < y->value ? -1 : x->value > y->value;
}

/* The unit of all operations about a value; NONE when there is no such operation. */
static uint32_t unit_of_value(const struct shrink *k, int64_t value)
{
	struct unit_value wanted = { .value = value };
	const struct unit_value *found = k->values_n ? bsearch(&wanted, k->values, k->values_n, sizeof wanted, by_value) : NULL;
	return found ? found->unit : NONE;
}

static void shrink_values(struct arena *a, struct shrink *k)
{
	size_t n = 0;
	k->values = arena_alloc(a, (k->n + 1) * sizeof *k->values);
	for (size_t i = 0; i < k->n; i++)
		n += k->s->model->about(&k->all[i], &k->values[n].value);
	if (n)
		qsort(k->values, n, sizeof *k->values, by_value);
	for (size_t i = 0; i < n; i++) {
		if (k->values_n && k->values[k->values_n - 1].value == k->values[i].value)
			continue;
		k->values[k->values_n++] = (struct unit_value){ k->values[i].value, k->units++ };
	}
}

static void shrink_units(struct arena *a, struct shrink *k)
{
	const struct lin_model *m = k->s->model;
	k->unit = arena_alloc(a, (k->n + 1) * sizeof *k->unit);
	if (m->about)
		shrink_values(a, k);
	for (size_t i = 0; i < k->n; i++) {
		int64_t value;
		bool stays = m->about ? !m->pure(&k->all[i]) : k->all[i].ret > k->horizon;
		if (m->about && m->about(&k->all[i], &value))
			k->unit[i] = unit_of_value(k, value);
		else
			k->unit[i] = stays ? NONE : k->units++;
	}
}

static bool value_stays(const struct shrink *k, const bool *stays, int64_t value)
{
	uint32_t unit = unit_of_value(k, value);
	return unit == NONE || stays[unit];
}

static void filter_list(struct arena *a, const struct shrink *k, const bool *stays, struct lin_op *op)
{
	int64_t *list = arena_alloc(a, (op->list_n + 1) * sizeof *list);
	size_t n = 0;
	for (size_t i = 0; i < op->list_n; i++)
		if (value_stays(k, stays, op->list[i]))
			list[n++] = op->list[i];
	op->list = list;
	op->list_n = n;
}

/* True when the units that stay have no order, whatever the others did. */
static bool contradicts(struct shrink *k, const uint32_t *units, size_t n)
{
	struct arena a;
	struct search s;
	struct purse purse = { .bytes_max = CORE_BYTES };
	const struct lin_model *m = k->s->model;
	arena_init(&a);
	bool *stays = arena_zero(&a, k->units + 1);
	struct lin_op *ops = arena_alloc(&a, (k->n + 1) * sizeof *ops);
	size_t ops_n = 0;
	for (size_t i = 0; i < n; i++)
		stays[units[i]] = true;
	for (size_t i = 0; i < k->n; i++) {
		struct lin_op op = k->all[i];
		bool out = k->unit[i] != NONE && !stays[k->unit[i]];
		if (out && (m->about || m->pure(&op)))
			continue;
		if (out)
			op.ret = LIN_MAYBE;
		if (m->about && op.list_n)
			filter_list(&a, k, stays, &op);
		ops[ops_n++] = op;
	}
	search_init(&a, &s, m, k->s->order, k->repeat, k->horizon, &purse, ops, ops_n);
	enum search_answer answer = search_run(&s, CORE_TRY_STATES < k->states ? CORE_TRY_STATES : k->states);
	k->unsure = k->unsure || answer == SEARCH_PAUSED || answer == SEARCH_FULL;
	k->states -= purse.states < k->states ? purse.states : k->states;
	search_done(&s);
	arena_done(&a);
	return answer == SEARCH_NONE;
}

static int64_t try_units(void *ctx, const struct candidate *c, size_t n)
{
	struct shrink *k = ctx;
	for (size_t i = 0; i < n; i++) {
		if (k->states == 0)
			return -1;
		if (contradicts(k, c[i].items, c[i].n))
			return (int64_t)i;
	}
	return (int64_t)n;
}

/* With a model that has `about`, one or two units often do: looks from below, where trials are cheap. */
static bool find_small(struct shrink *k, uint32_t *units, size_t *n)
{
	size_t trials = 0;
	for (uint32_t i = 0; i < k->units; i++) {
		units[0] = i;
		if (contradicts(k, units, *n = 1))
			return true;
	}
	for (uint32_t i = k->units; i-- > 1;) {
		for (uint32_t j = i; j-- > 0 && trials < CORE_PAIRS && k->states > CORE_ALL_STATES / 2; trials++) {
			units[0] = j;
			units[1] = i;
			if (contradicts(k, units, *n = 2))
				return true;
		}
	}
	for (uint32_t i = 0; i < k->units; i++)
		units[i] = i;
	*n = k->units;
	return false;
}

/* Numbers in the search of what contradicts itself; returns how many. */
static size_t find_core(struct arena *a, const struct search *s, uint32_t *core, bool *minimal)
{
	struct shrink k = { .s = s, .states = CORE_ALL_STATES };
	k.horizon = s->order == LIN_REAL_TIME ? s->furthest : NO_LIMIT - 1;
	shrink_cut(a, &k);
	shrink_units(a, &k);
	size_t units_n = k.units, n = 0;
	uint32_t *units = arena_alloc(a, (k.units + 1) * sizeof *units);
	for (uint32_t i = 0; i < k.units; i++)
		units[i] = i;
	/* Repeating maybes is easier to search but allows more: only when the whole still contradicts itself. */
	k.repeat = s->model->repeats && contradicts(&k, units, units_n);
	bool sound = k.repeat || (s->model->about && find_small(&k, units, &units_n)) || contradicts(&k, units, units_n);
	k.unsure = false;
	int ended = sound ? ddmin(units, &units_n, try_units, &k) : -1;
	*minimal = ended == 0 && !k.unsure;
	bool *stays = arena_zero(a, k.units + 1);
	for (size_t i = 0; i < units_n; i++)
		stays[units[i]] = true;
	for (size_t i = 0; i < k.n; i++)
		if (k.unit[i] == NONE ? k.all[i].ret <= k.horizon : stays[k.unit[i]])
			core[n++] = (uint32_t)k.from[i];
	order_by(core, n, by_call, s->ops);
	return n;
}

/* --- the check: parts, rounds, report --- */

struct part {
	struct search search;
	size_t first, n; /* its operations in `ops` */
	enum search_answer answer;
};

struct check {
	struct arena arena;
	const struct lin_model *model; /* of a part */
	struct lin_op *ops;  /* copies, part after part */
	size_t *given;       /* [n] index into what was given */
	struct part *parts;
	size_t parts_n;
	struct purse purse;
};

static int by_key(const void *a, const void *b, void *ops)
{
	const struct lin_op *x = (const struct lin_op *)ops + *(const size_t *)a;
	const struct lin_op *y = (const struct lin_op *)ops + *(const size_t *)b;
	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return x < y ? -1 : x > y;
}

static void check_split(struct check *c, const struct lin_op *ops, size_t n, bool keys)
{
	c->ops = arena_alloc(&c->arena, (n + 1) * sizeof *c->ops);
	c->given = arena_alloc(&c->arena, (n + 1) * sizeof *c->given);
	for (size_t i = 0; i < n; i++)
		c->given[i] = i;
	if (keys && n > 1)
		qsort_r(c->given, n, sizeof *c->given, by_key, (void *)(uintptr_t)ops);
	for (size_t i = 0; i < n; i++) {
		c->ops[i] = ops[c->given[i]];
		c->parts_n += i == 0 || (keys && c->ops[i].key != c->ops[i - 1].key);
	}
	c->parts = arena_zero(&c->arena, (c->parts_n + 1) * sizeof *c->parts);
	size_t part = 0;
	for (size_t i = 0; i < n; i++) {
		part += i > 0 && keys && c->ops[i].key != c->ops[i - 1].key;
		if (c->parts[part].n++ == 0)
			c->parts[part].first = i;
	}
}

/* Each part in turn, with growing budgets, so that one that is hard does not hide another that fails at once.
 * Returns the part that fails, or NULL. */
static struct part *check_rounds(struct check *c)
{
	struct purse *purse = &c->purse;
	size_t open = c->parts_n;
	for (uint64_t round = ROUND_FIRST; open > 0 && purse->states < purse->states_max; round *= ROUND_FACTOR) {
		for (size_t i = 0; i < c->parts_n && purse->states < purse->states_max; i++) {
			struct part *p = &c->parts[i];
			if (p->answer != SEARCH_PAUSED)
				continue;
			uint64_t left = purse->states_max - purse->states;
			p->answer = search_run(&p->search, round < left ? round : left);
			open -= p->answer != SEARCH_PAUSED;
			if (p->answer == SEARCH_NONE)
				return p;
			if (p->answer == SEARCH_FULL)
				note_best(&p->search);
			if (p->answer != SEARCH_PAUSED)
				search_forget(&p->search);
		}
	}
	return NULL;
}

/* Replays an order; the steps go to the end of the report's. */
static void report_steps(struct arena *a, const struct check *c, const struct part *p, const uint32_t *order, size_t n, struct lin_report *r)
{
	struct lin_state now = c->model->start;
	for (size_t i = 0; i < n; i++) {
		const struct lin_op *op = &p->search.ops[order[i]];
		struct lin_step *step = &r->steps[r->steps_n++];
		int64_t *next = arena_alloc(a, (now.n + 2) * sizeof *next);
		size_t next_n = 0;
		bool fit = c->model->step(now, op, next, &next_n);
		assert(fit);
		(void)fit;
		step->op = c->given[p->first + order[i]];
		step->before = now;
		now = c->model->pure(op) ? now : (struct lin_state){ next, next_n };
		step->after = now;
		r->placed += !lin_is_maybe(op);
	}
}

/* Heads that could come next in time after the longest order. */
static void report_blocked(struct arena *a, const struct check *c, struct part *p, struct lin_report *r)
{
	struct search *s = &p->search;
	uint32_t lane;
	undo_to(s, 0);
	for (size_t i = 0; i < s->best_n; i++)
		place(s, s->best[i]);
	uint64_t limit = limit_now(s, &lane);
	r->blocked = arena_alloc(a, (s->lanes_n + 1) * sizeof *r->blocked);
	for (uint32_t i = 0; i < s->lanes_n; i++)
		if (s->head_call[i] <= limit)
			r->blocked[r->blocked_n++] = c->given[p->first + head_op(s, i)];
}

static void report_core(struct arena *a, struct check *c, const struct part *p, struct lin_report *r)
{
	uint32_t *core = arena_alloc(&c->arena, (p->n + 1) * sizeof *core);
	r->core_n = find_core(&c->arena, &p->search, core, &r->core_minimal);
	r->core = arena_alloc(a, (r->core_n + 1) * sizeof *r->core);
	for (size_t i = 0; i < r->core_n; i++)
		r->core[i] = c->given[p->first + core[i]];
}

/* The part that is shown when no part fails and not all pass: the one with most operations without a place. */
static struct part *part_to_show(struct check *c)
{
	struct part *worst = NULL;
	for (size_t i = 0; i < c->parts_n; i++) {
		struct part *p = &c->parts[i];
		if (p->answer == SEARCH_FOUND)
			continue;
		note_best(&p->search);
		if (!worst || p->search.must - p->search.best_placed > worst->search.must - worst->search.best_placed)
			worst = p;
	}
	return worst;
}

static void report_part(struct arena *a, struct check *c, struct part *p, const struct lin_options *o, struct lin_report *r)
{
	r->key = c->ops[p->first].key;
	r->ops = p->search.must;
	if (o->verdict_only)
		return;
	r->steps = arena_alloc(a, (p->search.best_n + 1) * sizeof *r->steps);
	report_steps(a, c, p, p->search.best, p->search.best_n, r);
	if (r->verdict != LIN_FAIL)
		return;
	report_blocked(a, c, p, r);
	search_forget(&p->search);
	report_core(a, c, p, r);
}

static void report_pass(struct arena *a, const struct check *c, const struct lin_options *o, struct lin_report *r)
{
	size_t n = 0;
	for (size_t i = 0; i < c->parts_n; i++) {
		n += c->parts[i].search.trail_n;
		r->ops += c->parts[i].search.must;
	}
	if (!o->witness || o->verdict_only)
		return;
	r->steps = arena_alloc(a, (n + 1) * sizeof *r->steps);
	for (size_t i = 0; i < c->parts_n; i++)
		report_steps(a, c, &c->parts[i], c->parts[i].search.trail, c->parts[i].search.trail_n, r);
}

static void report_fill(struct arena *a, struct check *c, struct part *failed, const struct lin_options *o, struct lin_report *r)
{
	for (size_t i = 0; i < c->parts_n; i++) {
		r->parts_passed += c->parts[i].answer == SEARCH_FOUND;
		r->out_of_bytes = r->out_of_bytes || c->parts[i].answer == SEARCH_FULL;
		r->out_of_states = r->out_of_states || c->parts[i].answer == SEARCH_PAUSED;
	}
	r->verdict = failed ? LIN_FAIL : r->parts_passed == c->parts_n ? LIN_PASS : LIN_UNKNOWN;
	r->out_of_bytes = r->out_of_bytes && r->verdict == LIN_UNKNOWN;
	r->out_of_states = r->out_of_states && r->verdict == LIN_UNKNOWN;
	if (r->verdict == LIN_PASS)
		report_pass(a, c, o, r);
	else
		report_part(a, c, failed ? failed : part_to_show(c), o, r);
}

struct lin_report lin_check(struct arena *a, const struct lin_model *model, const struct lin_op *ops, size_t n, const struct lin_options *options)
{
	static const struct lin_options defaults = { .order = LIN_REAL_TIME };
	const struct lin_options *o = options ? options : &defaults;
	bool keys = model->part && o->order == LIN_REAL_TIME;
	struct check c = { .model = keys ? model->part : model };
	c.purse.states_max = o->states ? o->states : STATES_DEFAULT;
	c.purse.bytes_max = o->bytes ? o->bytes : BYTES_DEFAULT;
	arena_init(&c.arena);
	check_split(&c, ops, n, keys);
	for (size_t i = 0; i < c.parts_n; i++) {
		struct part *p = &c.parts[i];
		p->answer = SEARCH_PAUSED;
		search_init(&c.arena, &p->search, c.model, o->order, false, NO_LIMIT - 1, &c.purse, c.ops + p->first, p->n);
	}
	struct lin_report r = { .model = c.model, .by_key = keys, .parts = c.parts_n };
	struct part *failed = check_rounds(&c);
	r.states = c.purse.states;
	r.bytes = c.purse.peak;
	report_fill(a, &c, failed, o, &r);
	for (size_t i = 0; i < c.parts_n; i++)
		search_done(&c.parts[i].search);
	assert(c.purse.bytes == 0);
	arena_done(&c.arena);
	return r;
}

/* --- for people --- */

enum { STEPS_SHOWN = 12, CORE_SHOWN = 16 };

static void print_op(struct buf *b, const struct lin_report *r, const struct lin_op *op)
{
	buf_printf(b, "client %d: ", op->client);
	r->model->show_op(b, op);
	if (lin_is_maybe(op))
		buf_printf(b, "  (from %llu on)", (unsigned long long)op->call);
	else
		buf_printf(b, "  (%llu to %llu)", (unsigned long long)op->call, (unsigned long long)op->ret);
}

static void print_ops(struct buf *b, const struct lin_op *ops, const struct lin_report *r, const size_t *index, size_t n)
{
	for (size_t i = 0; i < n && i < CORE_SHOWN; i++) {
		buf_str(b, "  ");
		print_op(b, r, &ops[index[i]]);
		buf_char(b, '\n');
	}
	if (n > CORE_SHOWN)
		buf_printf(b, "  and %zu more\n", n - CORE_SHOWN);
}

static void print_steps(struct buf *b, const struct lin_op *ops, const struct lin_report *r)
{
	size_t first = r->steps_n > STEPS_SHOWN ? r->steps_n - STEPS_SHOWN : 0;
	buf_printf(b, "The longest order that fits has %zu of %zu operations%s\n", r->placed, r->ops, first ? "; its end:" : r->steps_n ? ":" : ".");
	for (size_t i = first; i < r->steps_n; i++) {
		buf_str(b, "  ");
		r->model->show_state(b, r->steps[i].before);
		buf_str(b, "  ");
		print_op(b, r, &ops[r->steps[i].op]);
		buf_str(b, "  ");
		r->model->show_state(b, r->steps[i].after);
		buf_char(b, '\n');
	}
}

void lin_print(struct buf *b, const struct lin_op *ops, const struct lin_report *r)
{
	if (r->verdict == LIN_PASS) {
		buf_printf(b, "All %zu operations have an order.\n", r->ops);
		return;
	}
	if (r->by_key)
		buf_printf(b, "Key %lld (%zu of %zu keys are in order):\n", (long long)r->key, r->parts_passed, r->parts);
	if (r->verdict == LIN_UNKNOWN)
		buf_printf(b, "No answer: %s ran out after %llu states (%zu MB).\n", r->out_of_states ? "the budget of states" : "the memory",
			(unsigned long long)r->states, r->bytes >> 20);
	if (r->verdict == LIN_FAIL && r->core_n) {
		buf_printf(b, "These operations have no order, whatever the others did%s:\n", r->core_minimal ? "" : " (there may be a smaller set)");
		print_ops(b, ops, r, r->core, r->core_n);
	}
	print_steps(b, ops, r);
	if (r->blocked_n) {
		buf_str(b, "Next would have to come one of these, and no choice leads to the end:\n");
		print_ops(b, ops, r, r->blocked, r->blocked_n);
	}
}
