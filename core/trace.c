#include "trace.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

/* A directory of chunks that is as large as it will ever be: it never moves, so another thread can read it. */
enum { CHUNKS_MAX = 1 << 16, TYPE_SLOTS = 2 * TYPES_MAX };

/* Where a lane's time stands: the clock after its last merge ([0] is how many entries follow), its own tick,
 * and what it was last told. */
struct lane_clock {
	const uint32_t *base;
	uint32_t tick;
	uint64_t told; /* seq of the last event that made it act */
};

struct trace {
	struct arena *arena; /* borrowed */
	const struct lanes *lanes; /* borrowed */
	struct event **chunks; /* the table is owned, the chunks are in `events` */
	struct arena events;
	uint64_t count;
	_Atomic uint64_t published;
	uint64_t *sends; /* owned; by message number: seq of its first event */
	uint64_t sends_n, sends_cap;
	struct slice types[TYPES_MAX];
	uint16_t types_n;
	uint16_t type_slot[TYPE_SLOTS]; /* 0: free */
	struct lane_clock clock[LANES_MAX];
	int lanes_used; /* entries that a clock needs */
	uint64_t hash;
	size_t clock_bytes;
};

struct trace *trace_new(struct arena *arena, const struct lanes *lanes)
{
	struct trace *t = xcalloc(1, sizeof *t);
	t->arena = arena;
	t->lanes = lanes;
	arena_init(&t->events);
	t->chunks = xcalloc(CHUNKS_MAX, sizeof *t->chunks);
	t->types_n = 1;
	t->types[0] = SLICE("");
	return t;
}

void trace_free(struct trace *t)
{
	if (!t)
		return;
	arena_done(&t->events);
	free(t->chunks);
	free(t->sends);
	free(t);
}

/* --- vector clocks --- */

static uint32_t clock_entry(const uint32_t *base, int lane)
{
	return base && (uint32_t)lane < base[0] ? base[1 + lane] : 0;
}

static void lane_seen(struct trace *t, int lane)
{
	if (lane >= t->lanes_used)
		t->lanes_used = lane + 1;
}

/* The receiver's clock becomes the maximum of both; `base` and `tick` are the sender's at the time of sending. */
static void clock_merge(struct trace *t, int lane, int from, const uint32_t *base, uint32_t tick)
{
	struct lane_clock *c = &t->clock[lane];
	uint32_t n = (uint32_t)t->lanes_used;
	size_t bytes = ((size_t)n + 1) * sizeof(uint32_t);
	uint32_t *merged = arena_alloc(t->arena, bytes);
	t->clock_bytes += bytes;
	uint32_t mine = c->base ? c->base[0] : 0, theirs = base ? base[0] : 0;
	merged[0] = n;
	if (mine)
		memcpy(merged + 1, c->base + 1, mine * sizeof *merged);
	if (mine < n)
		memset(merged + 1 + mine, 0, (n - mine) * sizeof *merged);
	for (uint32_t i = 1; i <= theirs; i++)
		merged[i] = merged[i] > base[i] ? merged[i] : base[i];
	if (tick > merged[1 + from])
		merged[1 + from] = tick;
	merged[1 + lane] = c->tick;
	c->base = merged;
}

static void clock_of(struct event *e, const struct lane_clock *c)
{
	e->clock = c->base;
	e->tick = c->tick;
}

static bool kind_is_told(int kind)
{
	return kind == EVENT_RECV || kind == EVENT_CALL || kind == EVENT_TIMER || kind == EVENT_START;
}

static void stamp_message_end(struct trace *t, struct event *e)
{
	const struct event *sent = trace_message(t, e->msg);
	if (sent && !e->cause)
		e->cause = sent->seq;
	if (e->kind != EVENT_RECV || e->dst < 0)
		return;
	t->clock[e->dst].tick++;
	if (sent && sent->src >= 0)
		clock_merge(t, e->dst, sent->src, sent->clock, sent->tick);
	clock_of(e, &t->clock[e->dst]);
}

/* A CALL or REPLY is the two ends of a message at once: the sender ticks, then the receiver merges. The event
 * itself belongs to the node. */
static void stamp_client_message(struct trace *t, struct event *e)
{
	struct lane_clock *src = &t->clock[e->src], *dst = &t->clock[e->dst];
	src->tick++;
	if (!e->cause)
		e->cause = src->told;
	if (e->kind == EVENT_REPLY)
		clock_of(e, src);
	dst->tick++;
	clock_merge(t, e->dst, e->src, src->base, src->tick);
	if (e->kind == EVENT_CALL)
		clock_of(e, dst);
	dst->told = e->seq;
}

static void stamp_local(struct trace *t, struct event *e, int lane)
{
	struct lane_clock *c = &t->clock[lane];
	c->tick++;
	if (!e->cause && e->kind != EVENT_START)
		e->cause = c->told;
	clock_of(e, c);
}

static void stamp(struct trace *t, struct event *e)
{
	if (e->src >= 0)
		lane_seen(t, e->src);
	if (e->dst >= 0)
		lane_seen(t, e->dst);
	int lane = event_lane(e);
	if (e->kind == EVENT_RECV || e->kind == EVENT_DROP)
		stamp_message_end(t, e);
	else if (e->kind == EVENT_CALL || e->kind == EVENT_REPLY)
		stamp_client_message(t, e);
	else if (lane >= 0)
		stamp_local(t, e, lane);
	if (kind_is_told(e->kind) && lane >= 0)
		t->clock[lane].told = e->seq;
}

/* --- appending --- */

static void index_message(struct trace *t, const struct event *e)
{
	if (e->kind != EVENT_SEND && e->kind != EVENT_CALL && e->kind != EVENT_REPLY)
		return;
	if (e->msg >= t->sends_cap) {
		uint64_t cap = t->sends_cap ? t->sends_cap : 1024;
		while (cap <= e->msg)
			cap *= 2;
		t->sends = xrealloc(t->sends, cap * sizeof *t->sends);
		memset(t->sends + t->sends_cap, 0, (cap - t->sends_cap) * sizeof *t->sends);
		t->sends_cap = cap;
	}
	if (!t->sends[e->msg])
		t->sends[e->msg] = e->seq;
}

static void fingerprint(struct trace *t, const struct event *e)
{
	uint64_t fields[6] = { (uint64_t)e->t_ns, e->msg, e->cause, (uint64_t)e->arg,
		((uint64_t)e->kind << 40) | ((uint64_t)e->why << 32) | ((uint64_t)(uint16_t)e->src << 16) | (uint16_t)e->dst,
		e->tick };
	t->hash = hash_bytes(t->hash, fields, sizeof fields);
	if (e->text.n)
		t->hash = hash_bytes(t->hash, e->text.s, e->text.n);
}

uint64_t trace_append(struct trace *t, const struct event *given)
{
	uint64_t chunk = t->count / TRACE_CHUNK;
	assert(chunk < CHUNKS_MAX);
	if (!t->chunks[chunk])
		t->chunks[chunk] = arena_alloc(&t->events, TRACE_CHUNK * sizeof(struct event));
	struct event *e = &t->chunks[chunk][t->count % TRACE_CHUNK];
	*e = *given;
	e->seq = ++t->count;
	stamp(t, e);
	index_message(t, e);
	fingerprint(t, e);
	atomic_store_explicit(&t->published, t->count, memory_order_release);
	return e->seq;
}

uint64_t trace_count(const struct trace *t)
{
	return t->count;
}

const struct event *trace_at(const struct trace *t, uint64_t seq)
{
	assert(seq >= 1);
	return &t->chunks[(seq - 1) / TRACE_CHUNK][(seq - 1) % TRACE_CHUNK];
}

uint64_t trace_published(const struct trace *t)
{
	return atomic_load_explicit(&t->published, memory_order_acquire);
}

const struct event *trace_message(const struct trace *t, uint64_t msg)
{
	if (msg == 0 || msg >= t->sends_cap || !t->sends[msg])
		return NULL;
	return trace_at(t, t->sends[msg]);
}

struct slice trace_body(const struct trace *t, const struct event *e)
{
	if (e->text.n || (e->kind != EVENT_RECV && e->kind != EVENT_DROP))
		return e->text;
	const struct event *sent = trace_message(t, e->msg);
	return sent ? sent->text : SLICE_NONE;
}

/* --- types --- */

static uint16_t *type_place(const struct trace *t, struct slice type)
{
	size_t at = hash_bytes(1, type.s, type.n) % TYPE_SLOTS;
	uint16_t *slots = (uint16_t *)(uintptr_t)t->type_slot;
	while (slots[at] && !slice_eq(t->types[slots[at]], type))
		at = (at + 1) % TYPE_SLOTS;
	return &slots[at];
}

uint16_t trace_type(struct trace *t, struct slice type)
{
	if (!type.s)
		return 0;
	uint16_t *place = type_place(t, type);
	if (*place)
		return *place;
	if (t->types_n == TYPES_MAX) /* a node that invents types without end: the rest has none */
		return 0;
	t->types[t->types_n] = arena_copy(t->arena, type);
	return *place = t->types_n++;
}

struct slice trace_type_name(const struct trace *t, uint16_t type)
{
	return type < TYPES_MAX ? t->types[type] : SLICE("");
}

uint16_t trace_type_find(const struct trace *t, struct slice type)
{
	return *type_place(t, type);
}

/* --- causality --- */

bool trace_clock(const struct trace *t, const struct event *e, uint32_t *out)
{
	int n = lanes_count(t->lanes), lane = event_lane(e);
	if (e->tick == 0 || lane < 0)
		return false;
	for (int i = 0; i < n; i++)
		out[i] = clock_entry(e->clock, i);
	out[lane] = e->tick;
	return true;
}

bool trace_before(const struct trace *t, const struct event *a, const struct event *b)
{
	(void)t;
	int la = event_lane(a), lb = event_lane(b);
	if (la < 0 || lb < 0 || !a->tick || !b->tick || a->seq >= b->seq)
		return false;
	uint32_t known = la == lb ? b->tick : clock_entry(b->clock, la);
	return a->tick <= known;
}

uint64_t trace_hash(const struct trace *t)
{
	return t->hash;
}

const struct lanes *trace_lanes(const struct trace *t)
{
	return t->lanes;
}

size_t trace_memory(const struct trace *t)
{
	uint64_t chunks = (t->count + TRACE_CHUNK - 1) / TRACE_CHUNK;
	return (size_t)chunks * TRACE_CHUNK * sizeof(struct event) + t->clock_bytes + t->sends_cap * sizeof *t->sends;
}

/* --- text --- */

static void print_message(struct buf *b, const struct trace *t, const struct event *e)
{
	buf_printf(b, "%s > %s #%llu ", lane_name(t->lanes, e->src), lane_name(t->lanes, e->dst),
		(unsigned long long)e->msg);
	if (e->kind == EVENT_DROP)
		buf_printf(b, "(%s) ", drop_text(e->why));
	if (e->kind == EVENT_RECV && e->why)
		buf_str(b, "(second copy) ");
	if (e->text.n)
		buf_slice(b, e->text);
	else
		buf_slice(b, trace_type_name(t, e->type));
}

void trace_print_event(struct buf *b, const struct trace *t, const struct event *e)
{
	buf_printf(b, "%llu %lld.%06lld %s ", (unsigned long long)e->seq, (long long)(e->t_ns / NS_PER_MS),
		(long long)(e->t_ns % NS_PER_MS), event_kind_name(e->kind));
	if (e->msg) {
		print_message(b, t, e);
		return;
	}
	if (e->src >= 0)
		buf_printf(b, "%s ", lane_name(t->lanes, e->src));
	if (e->kind == EVENT_BAD)
		buf_printf(b, "%s: ", bad_text(e->why));
	buf_slice(b, e->text);
	if (e->kind == EVENT_ARM)
		buf_printf(b, " %lld ms", (long long)e->arg);
	if (e->kind == EVENT_EXIT)
		buf_printf(b, " (%lld)", (long long)e->arg);
}
