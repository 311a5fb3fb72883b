/* nemesis.c - the verbs of a judge that hurt: faults by hand, named partitions, and seeded schedules. */
#include <stdlib.h>

#include "play.h"

enum { START_LIMIT_MS = 11000 }; /* a fabric gives a node 10 s and says more about why it did not answer */

/* --- faults by hand --- */

static void trace_fault(struct play *p, const struct fault *f)
{
	if (f->kind >= FAULT_KILL) /* the fabric says KILL, START, PAUSE, RESUME itself */
		return;
	struct buf b = BUF_EMPTY;
	fault_print(&b, &p->lanes, f);
	struct event e = { .kind = EVENT_FAULT, .src = LANE_NONE, .dst = LANE_NONE, .arg = f->kind,
		.text = arena_copy(&p->arena, buf_as_slice(&b)) };
	buf_done(&b);
	play_record(p, &e);
}

static void note_asked(struct play *p, const struct fault *f)
{
	p->bites.asked_cut |= f->kind == FAULT_CUT;
	p->bites.asked_loss |= f->kind == FAULT_LOSS && f->p_million >= 50000;
	p->bites.asked_dup |= f->kind == FAULT_DUPLICATE && f->p_million >= 50000;
}

void play_fault_quietly(struct play *p, const struct fault *f)
{
	trace_fault(p, f);
	note_asked(p, f);
	if (p->ops->fault(p->fabric, f, &p->err) != 0)
		play_stop_world(p);
}

/* Gives the next fault its number; true when it is left out. */
static bool fault_is_skipped(struct play *p)
{
	uint32_t ordinal;
	return play_skips(p, p->nemesis_acts ? STREAM_NEMESIS : STREAM_PLAY, &ordinal);
}

void play_fault(struct play *p, struct fault f)
{
	if (!fault_is_skipped(p))
		play_fault_quietly(p, &f);
}

/* The links of nodes and services. */
static lane_set all_links(const struct play *p)
{
	return lanes_all_nodes(&p->lanes) | ((((lane_set)1 << SERVICES) - 1) << p->lanes.nodes);
}

/* A partition is left out by shrink as a whole. */
void play_partition(struct play *p, const struct partition *part)
{
	if (fault_is_skipped(p))
		return;
	lane_set nodes = lanes_all_nodes(&p->lanes);
	play_fault_quietly(p, &(struct fault){ .kind = FAULT_UNCUT, .from = nodes, .to = nodes });
	for (int b = 0; b < p->lanes.nodes; b++)
		if (part->drop[b])
			play_fault_quietly(p, &(struct fault){ .kind = FAULT_CUT, .from = part->drop[b], .to = lane_bit(b) });
}

void play_cut_off(struct play *p, lane_set part)
{
	struct partition cut = { { 0 } };
	partition_split(&cut, &p->lanes, part);
	play_partition(p, &cut);
}

void play_cut_one_way(struct play *p, lane_set from, lane_set to)
{
	play_fault(p, (struct fault){ .kind = FAULT_CUT, .from = from, .to = to });
}

static void everywhere(struct play *p, int kind, uint32_t percent)
{
	play_fault(p, (struct fault){ .kind = (uint8_t)kind, .from = all_links(p), .to = all_links(p),
		.p_million = percent * 10000 });
}

void play_loss(struct play *p, uint32_t percent) { everywhere(p, FAULT_LOSS, percent); }
void play_duplicate(struct play *p, uint32_t percent) { everywhere(p, FAULT_DUPLICATE, percent); }
void play_reorder(struct play *p, uint32_t percent) { everywhere(p, FAULT_REORDER, percent); }

void play_latency(struct play *p, lane_set from, lane_set to, int64_t mean_ms, int64_t jitter_ms, enum fault_dist dist)
{
	play_fault(p, (struct fault){ .kind = FAULT_LATENCY, .dist = (uint8_t)dist, .from = from, .to = to,
		.mean_ns = mean_ms * NS_PER_MS, .jitter_ns = jitter_ms * NS_PER_MS });
}

/* Healing is never left out by shrink: what fails without a heal fails for another reason. */
void play_heal(struct play *p)
{
	play_fault_quietly(p, &(struct fault){ .kind = FAULT_HEAL, .from = all_links(p), .to = all_links(p) });
}

/* --- nodes --- */

static void node_fault(struct play *p, int kind, int node)
{
	play_fault_quietly(p, &(struct fault){ .kind = (uint8_t)kind, .from = lane_bit(node) });
}

void play_kill(struct play *p, int node)
{
	if (!fault_is_skipped(p) && p->up[node])
		node_fault(p, FAULT_KILL, node);
	play_pump(p, play_now(p));
}

static bool all_ready(struct play *p, void *arg)
{
	(void)arg;
	for (int i = 0; i < p->lanes.nodes; i++)
		if (p->up[i] && !p->ready[i])
			return false;
	return true;
}

static int first_unready(const struct play *p)
{
	for (int i = 0; i < p->lanes.nodes; i++)
		if (p->up[i] && !p->ready[i])
			return i;
	return 0;
}

void play_ready(struct play *p)
{
	play_pump(p, play_now(p)); /* the START events */
	if (play_until(p, all_ready, NULL, START_LIMIT_MS))
		return;
	int node = first_unready(p);
	bool sockets = p->lab->kind == LAB_SOCKETS;
	p->result->start_failed = p->phase == PLAY_STARTING;
	FAIL(p, .rule = sockets ? "a node accepts connections" : "a node answers init",
		.expected = sockets ? "the port in DLAB_LISTEN accepts connections within 10 s" :
			"every node answers init with init_ok within 10 s",
		.seen = play_text(p, sockets ? "%s does not accept connections" : "%s did not answer init", play_node_name(p, node)),
		.hint = sockets ? "listen on the address in the environment variable DLAB_LISTEN (host:port)" :
			"answer with one line on stdout and flush it: many languages keep output back when stdout is no terminal",
		.nodes = lane_bit(node));
}

void play_start(struct play *p, int node)
{
	if (p->up[node])
		return;
	node_fault(p, FAULT_START, node);
	play_ready(p);
}

void play_pause(struct play *p, int node)
{
	if (!fault_is_skipped(p) && p->up[node])
		node_fault(p, FAULT_PAUSE, node);
	play_pump(p, play_now(p));
}

void play_resume(struct play *p, int node)
{
	if (p->up[node] && p->paused[node])
		node_fault(p, FAULT_RESUME, node);
	play_pump(p, play_now(p));
}

/* --- a table of cuts --- */

static void cut_all(struct partition *part, const struct play *p, lane_set of)
{
	for (int b = 0; b < p->lanes.nodes; b++)
		part->drop[b] = of & ~lane_bit(b);
}

static void cut_oddly(struct partition *part, struct play *p)
{
	struct rng *rng = play_rng(p);
	switch (rng_below(rng, 3)) {
	case 0: partition_bridge(part, &p->lanes, rng); break;
	case 1: partition_majorities_ring(part, &p->lanes, rng); break;
	default: partition_one_way(part, &p->lanes, lane_bit((int)rng_below(rng, (uint64_t)p->lanes.nodes))); break;
	}
}

static void cut_now(struct play *p, void *arg)
{
	const struct cut_step *step = arg;
	struct partition part = { { 0 } };
	switch (step->kind) {
	case CUT_NOTHING: play_heal(p); return;
	case CUT_HALVES: partition_halves(&part, &p->lanes, play_rng(p)); break;
	case CUT_RING: partition_majorities_ring(&part, &p->lanes, play_rng(p)); break;
	case CUT_ODDLY: cut_oddly(&part, p); break;
	case CUT_ALL_NODES: cut_all(&part, p, lanes_all_nodes(&p->lanes)); break;
	case CUT_ALL_AND_SERVICES: cut_all(&part, p, all_links(p)); break;
	}
	play_partition(p, &part);
}

void play_cuts(struct play *p, const struct cut_step *steps, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct cut_step *step = arena_alloc(&p->arena, sizeof *step);
		*step = steps[i];
		play_at(p, step->ms, cut_now, step);
	}
}

/* --- a seeded schedule --- */

struct nemesis_run {
	struct nemesis plan;
	struct rng rng;
	int64_t end_ns;
	lane_set killed, paused;
	lane_set swizzled; /* nodes that the running swizzle has cut off */
	bool on, links_hurt, stopped;
};

/* A bad day that began: how it is undone. */
static void undo(struct play *p, struct nemesis_run *n)
{
	if (n->links_hurt)
		play_heal(p);
	for (int i = 0; i < p->lanes.nodes; i++) {
		if ((n->paused & lane_bit(i)) && p->paused[i])
			node_fault(p, FAULT_RESUME, i);
		if ((n->killed & lane_bit(i)) && !p->up[i])
			node_fault(p, FAULT_START, i);
	}
	n->links_hurt = false;
	n->killed = n->paused = n->swizzled = 0;
	n->on = false;
}

/* Drawn among all that may be hurt, up or not, and in any case: so leaving out one fault leaves the others as they
 * were. When the one that was drawn is down or paused, it is the next that is not. */
static int choose_victim(const struct play *p, struct nemesis_run *n)
{
	int candidates[NODES_MAX], count = 0;
	for (int i = 0; i < p->lanes.nodes; i++)
		if (!(n->plan.spare & lane_bit(i)))
			candidates[count++] = i;
	uint64_t draw = rng_next(&n->rng);
	for (int k = 0; k < count; k++) {
		int node = candidates[(draw + (unsigned)k) % (unsigned)count];
		if (p->up[node] && !p->paused[node])
			return node;
	}
	return -1;
}

/* Who has the role now, when it can be hurt. */
static int role_victim(struct play *p, const struct nemesis_run *n)
{
	int node = n->plan.role ? n->plan.role(p) : -1;
	return node >= 0 && p->up[node] && !p->paused[node] && !(n->plan.spare & lane_bit(node)) ? node : -1;
}

static void hurt_partition(struct play *p, struct nemesis_run *n, unsigned kind)
{
	struct partition part = { { 0 } };
	int one = (int)rng_below(&n->rng, (uint64_t)p->lanes.nodes);
	int role = kind == NEMESIS_ISOLATE_ROLE ? role_victim(p, n) : -1;
	switch (kind) {
	case NEMESIS_ISOLATE_ROLE: partition_isolate(&part, &p->lanes, role >= 0 ? role : one); break;
	case NEMESIS_HALVES: partition_halves(&part, &p->lanes, &n->rng); break;
	case NEMESIS_ISOLATE: partition_isolate(&part, &p->lanes, one); break;
	case NEMESIS_BRIDGE: partition_bridge(&part, &p->lanes, &n->rng); break;
	case NEMESIS_RING: partition_majorities_ring(&part, &p->lanes, &n->rng); break;
	default: partition_one_way(&part, &p->lanes, lane_bit(one)); break;
	}
	n->links_hurt = true;
	play_partition(p, &part);
}

static void hurt_node(struct play *p, struct nemesis_run *n, unsigned kind)
{
	int victim = choose_victim(p, n), role = kind == NEMESIS_KILL_ROLE ? role_victim(p, n) : -1;
	victim = role >= 0 ? role : victim;
	if (fault_is_skipped(p) || victim < 0)
		return;
	node_fault(p, kind == NEMESIS_PAUSE ? FAULT_PAUSE : FAULT_KILL, victim);
	*(kind == NEMESIS_PAUSE ? &n->paused : &n->killed) |= lane_bit(victim);
}

static void swizzle_step(struct play *p, void *arg)
{
	struct nemesis_run *n = arg;
	lane_set all = lanes_all_nodes(&p->lanes);
	if (n->stopped || !n->on || n->swizzled == all)
		return;
	int node = (int)rng_below(&n->rng, (uint64_t)p->lanes.nodes);
	while (n->swizzled & lane_bit(node))
		node = (node + 1) % p->lanes.nodes;
	n->swizzled |= lane_bit(node);
	struct fault cut = { .kind = FAULT_CUT, .from = all, .to = lane_bit(node) };
	p->nemesis_acts = true;
	play_fault(p, cut);
	cut.from = lane_bit(node);
	cut.to = all;
	play_fault(p, cut);
	p->nemesis_acts = false;
	play_at(p, 1 + n->plan.hold_ms / (2 * p->lanes.nodes), swizzle_step, n);
}

static void unswizzle_step(struct play *p, void *arg)
{
	struct nemesis_run *n = arg;
	lane_set all = lanes_all_nodes(&p->lanes);
	if (n->stopped || !n->on || !n->swizzled)
		return;
	int node = (int)rng_below(&n->rng, (uint64_t)p->lanes.nodes);
	while (!(n->swizzled & lane_bit(node)))
		node = (node + 1) % p->lanes.nodes;
	n->swizzled &= ~lane_bit(node);
	play_fault_quietly(p, &(struct fault){ .kind = FAULT_UNCUT, .from = all & ~n->swizzled, .to = lane_bit(node) });
	play_fault_quietly(p, &(struct fault){ .kind = FAULT_UNCUT, .from = lane_bit(node), .to = all & ~n->swizzled });
	play_at(p, 1 + n->plan.hold_ms / (2 * p->lanes.nodes), unswizzle_step, n);
}

static void hurt(struct play *p, struct nemesis_run *n, unsigned kind)
{
	n->on = true;
	p->nemesis_acts = true;
	switch (kind) {
	case NEMESIS_KILL:
	case NEMESIS_KILL_ROLE:
	case NEMESIS_PAUSE: hurt_node(p, n, kind); break;
	case NEMESIS_LOSS: n->links_hurt = true; play_loss(p, 30); break;
	case NEMESIS_LATENCY:
		n->links_hurt = true;
		play_latency(p, all_links(p), all_links(p), 50 + (int64_t)rng_below(&n->rng, 200), 0, DIST_EXPONENTIAL);
		break;
	case NEMESIS_SWIZZLE:
		n->links_hurt = true;
		swizzle_step(p, n);
		play_at(p, n->plan.hold_ms / 2, unswizzle_step, n);
		break;
	default: hurt_partition(p, n, kind); break;
	}
	p->nemesis_acts = false;
}

static unsigned choose_kind(struct nemesis_run *n)
{
	unsigned bits[16], count = 0;
	for (unsigned i = 0; i < 16; i++)
		if (n->plan.kinds & (1u << i))
			bits[count++] = 1u << i;
	return count ? bits[rng_below(&n->rng, count)] : 0;
}

static void nemesis_begin(struct play *p, void *arg);

static int64_t about(struct rng *r, int64_t ms)
{
	return rng_between(r, ms / 2, ms + ms / 2);
}

static void nemesis_end(struct play *p, void *arg)
{
	struct nemesis_run *n = arg;
	if (n->stopped)
		return;
	undo(p, n);
	play_at(p, about(&n->rng, n->plan.every_ms), nemesis_begin, n);
}

static void nemesis_begin(struct play *p, void *arg)
{
	struct nemesis_run *n = arg;
	int64_t left_ms = (n->end_ns - play_now(p)) / NS_PER_MS;
	if (n->stopped || left_ms < 10)
		return;
	hurt(p, n, choose_kind(n));
	int64_t hold = about(&n->rng, n->plan.hold_ms);
	play_at(p, hold < left_ms ? hold : left_ms, nemesis_end, n);
}

void play_nemesis(struct play *p, const struct nemesis *plan)
{
	struct nemesis_run *n = arena_zero(&p->arena, sizeof *n);
	n->plan = *plan;
	n->end_ns = play_now(p) + plan->duration_ms * NS_PER_MS;
	rng_seed(&n->rng, rng_derive(p->spec->seed, 40));
	p->nemesis = n;
	play_at(p, about(&n->rng, plan->every_ms / 2 + 1), nemesis_begin, n);
}

void play_calm(struct play *p)
{
	if (p->nemesis)
		p->nemesis->stopped = true;
	play_heal(p);
	for (int i = 0; i < p->lanes.nodes; i++) {
		if (p->up[i] && p->paused[i])
			node_fault(p, FAULT_RESUME, i);
		if (!p->up[i])
			node_fault(p, FAULT_START, i);
	}
	play_ready(p);
}
