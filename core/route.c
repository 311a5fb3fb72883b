#include "route.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

extern char **environ;

enum { BAD_TEXT_MAX = 300 };

/* What the SDKs write after every line: every second line of a simulation, so it is worth knowing by heart. */
#define DONE_LINE "{\"dest\":\"dlab\",\"body\":{\"type\":\"done\"}}"

void router_init(struct router *r, const struct cluster *c, const char *fabric_name, bool lockstep, bool live)
{
	*r = (struct router){ .cluster = c, .fabric_name = fabric_name, .lockstep = lockstep, .live = live };
	r->link = link_new(c->lanes, &c->network, rng_derive(c->seed, 1));
}

void router_done(struct router *r)
{
	link_free(r->link);
	free(r->queue.ring);
	buf_done(&r->line);
	for (int i = 0; i < NODES_MAX; i++) {
		free(r->node[i].held.items);
		buf_done(&r->node[i].last_line);
	}
}

/* --- the queue of events that next() will give --- */

struct event *router_push(struct router *r)
{
	struct event_queue *q = &r->queue;
	if (q->n == q->cap) {
		size_t cap = q->cap ? q->cap * 2 : 64;
		struct event *ring = xmalloc(cap * sizeof *ring);
		for (size_t i = 0; i < q->n; i++)
			ring[i] = q->ring[(q->head + i) & (q->cap - 1)];
		free(q->ring);
		*q = (struct event_queue){ .ring = ring, .head = 0, .n = q->n, .cap = cap };
	}
	return &q->ring[(q->head + q->n++) & (q->cap - 1)];
}

bool router_next(struct router *r, struct event *e)
{
	struct event_queue *q = &r->queue;
	if (q->n == 0)
		return false;
	*e = q->ring[q->head];
	q->head = (q->head + 1) & (q->cap - 1);
	q->n--;
	return true;
}

void router_say(struct router *r, int64_t now, int kind, int node, int64_t arg, struct slice text)
{
	*router_push(r) = (struct event){ .t_ns = now, .kind = (uint8_t)kind, .src = (int16_t)node, .dst = (int16_t)node,
		.arg = arg, .text = text.n ? arena_copy(r->cluster->arena, text) : text };
}

void router_bad(struct router *r, int64_t now, int node, enum bad why, struct slice text)
{
	struct route_node *n = &r->node[node];
	if (++n->bad > BAD_LINES_MAX)
		return;
	if (text.n > BAD_TEXT_MAX)
		text.n = BAD_TEXT_MAX;
	*router_push(r) = (struct event){ .t_ns = now, .kind = EVENT_BAD, .why = (uint8_t)why, .src = (int16_t)node, .dst = (int16_t)node,
		.text = arena_copy(r->cluster->arena, text) };
}

static void lint(struct router *r, int64_t now, int node, const char *text)
{
	router_say(r, now, EVENT_LINT, node, 0, slice_of(text));
}

static struct slice lane_slice(const struct router *r, int lane)
{
	const struct lanes *l = r->cluster->lanes;
	return (struct slice){ l->name[lane], l->name_n[lane] };
}

static uint16_t type_of(const struct router *r, struct slice type)
{
	return type.s ? r->cluster->type_of(r->cluster->type_ctx, type) : 0;
}

/* --- start and end of a node --- */

static void add_node_ids(struct buf *b, const struct lanes *l)
{
	buf_str(b, "[");
	for (int i = 0; i < l->nodes; i++)
		buf_printf(b, "%s\"%s\"", i ? "," : "", lane_name(l, i));
	buf_str(b, "]");
}

/* Each incarnation of each node has its own seed: with one seed for all, all would time out at once for ever. */
static uint64_t node_seed(const struct router *r, int node)
{
	uint64_t purpose = 1000 + (uint64_t)node * 1000 + (uint64_t)r->node[node].incarnation;
	return rng_derive(r->cluster->seed, purpose) >> 12; /* fits a double exactly: JavaScript reads it as one */
}

static struct slice init_body(struct router *r, int node, const char *data_dir)
{
	const struct cluster *c = r->cluster;
	struct buf b = BUF_EMPTY;
	buf_printf(&b, "{\"type\":\"init\",\"msg_id\":%d,\"node_id\":\"%s\",\"node_ids\":", INIT_MSG_ID,
		lane_name(c->lanes, node));
	add_node_ids(&b, c->lanes);
	buf_printf(&b, ",\"dlab\":{\"seed\":%llu,\"lockstep\":%s,\"fabric\":\"%s\",\"data_dir\":",
		(unsigned long long)node_seed(r, node), r->lockstep ? "true" : "false", r->fabric_name);
	buf_json_string(&b, slice_of(data_dir));
	buf_str(&b, "}");
	if (c->config.n) {
		buf_str(&b, ",\"config\":");
		buf_slice(&b, c->config);
	}
	buf_str(&b, "}");
	struct slice body = arena_copy(c->arena, buf_as_slice(&b));
	buf_done(&b);
	return body;
}

static struct slice make_line(struct router *r, int64_t now, uint64_t msg, struct slice src, int node, struct slice body)
{
	r->line.n = 0;
	envelope_write(&r->line, msg, src, lane_slice(r, node), now / NS_PER_MS, body);
	if (r->node[node].phase == NODE_INIT) { /* only a node that has not spoken yet can be a mere copier */
		r->node[node].last_line.n = 0;
		buf_add(&r->node[node].last_line, r->line.s, r->line.n - 1);
	}
	return buf_as_slice(&r->line);
}

struct slice router_start(struct router *r, int64_t now, int node)
{
	struct route_node *n = &r->node[node];
	assert(n->phase == NODE_DOWN);
	n->phase = NODE_INIT;
	n->paused = false;
	n->incarnation++;
	n->bad = n->logs = 0;
	n->log_bytes = 0;
	n->asked_service = false;
	n->init_sent_ns = now;
	char *dir = r->data_dir ? xstrdup(r->data_dir) : node_data_dir(r->cluster, node);
	/* The folder's path differs from run to run; the trace must not, so it holds the init without it. */
	struct slice traced = init_body(r, node, "");
	struct slice told = init_body(r, node, dir);
	free(dir);
	char text[64];
	int len = n->incarnation == 1 ? snprintf(text, sizeof text, "started") :
		snprintf(text, sizeof text, "started again, for the %d. time", n->incarnation);
	router_say(r, now, EVENT_START, node, n->incarnation, (struct slice){ text, (size_t)len });
	if (r->cluster->kind == CLUSTER_SOCKETS)
		return SLICE_NONE;
	int client = lane_client(r->cluster->lanes, 0);
	*router_push(r) = (struct event){ .t_ns = now, .kind = EVENT_CALL, .src = (int16_t)client, .dst = (int16_t)node,
		.msg = ++r->messages, .arg = -1, .text = traced, .type = type_of(r, SLICE("init")) };
	return make_line(r, now, r->messages, lane_slice(r, client), node, told);
}

static void drop(struct router *r, int64_t now, const struct link_item *item, enum drop why)
{
	*router_push(r) = (struct event){ .t_ns = now, .kind = EVENT_DROP, .why = (uint8_t)why, .src = item->src, .dst = item->dst,
		.msg = item->msg, .type = item->type, .arg = -1 };
}

static void hold(struct route_node *n, const struct link_item *item)
{
	struct item_list *h = &n->held;
	if (h->n == h->cap) {
		h->cap = h->cap ? h->cap * 2 : 16;
		h->items = xrealloc(h->items, h->cap * sizeof *h->items);
	}
	h->items[h->n++] = *item;
}

static void release_held(struct router *r, int64_t now, int node)
{
	struct item_list *h = &r->node[node].held;
	for (size_t i = 0; i < h->n; i++) {
		h->items[i].due_ns = now;
		link_put(r->link, &h->items[i]);
	}
	h->n = 0;
}

void router_exit(struct router *r, int64_t now, int node, int64_t status, struct slice text)
{
	struct route_node *n = &r->node[node];
	router_say(r, now, EVENT_EXIT, node, status, text);
	n->phase = NODE_DOWN;
	n->paused = false;
	link_forget_timers(r->link, node);
	for (size_t i = 0; i < n->held.n; i++)
		if (n->held.items[i].kind == ITEM_MESSAGE)
			drop(r, now, &n->held.items[i], DROP_DEAD);
	n->held.n = 0;
}

void router_pause(struct router *r, int64_t now, int node, bool pause)
{
	struct route_node *n = &r->node[node];
	if (n->phase == NODE_DOWN || n->paused == pause)
		return;
	n->paused = pause;
	router_say(r, now, pause ? EVENT_PAUSE : EVENT_RESUME, node, 0, SLICE_NONE);
	if (!pause)
		release_held(r, now, node);
}

/* --- lines from a node --- */

void router_log(struct router *r, int64_t now, int node, struct slice line)
{
	struct route_node *n = &r->node[node];
	if (n->logs > LOG_LINES_MAX)
		return;
	if (line.n > LOG_LINE_MAX)
		line.n = LOG_LINE_MAX;
	n->log_bytes += line.n + 1;
	if (n->log_bytes > LOG_BYTES_MAX)
		n->logs = LOG_LINES_MAX;
	if (++n->logs > LOG_LINES_MAX) {
		lint(r, now, node, "writes so much to stderr that the rest of it is not kept");
		return;
	}
	router_say(r, now, EVENT_LOG, node, 0, line);
}

static bool dlab_timer(struct router *r, int64_t now, int node, const struct envelope *e)
{
	if (!e->name.s || e->after_ms == AFTER_NONE || e->after_ms > TIMER_MS_MAX)
		return false;
	int64_t after = e->after_ms == AFTER_NULL ? -1 : e->after_ms;
	if (r->remote ? r->timer_refused : !link_timer(r->link, now, node, e->name, after < 0 ? -1 : after * NS_PER_MS))
		return false;
	router_say(r, now, EVENT_ARM, node, after, e->name);
	return true;
}

/* A message to "dlab". Returns true for done. */
static bool dlab_line(struct router *r, int64_t now, int node, const struct envelope *e, struct slice line)
{
	if (slice_is(e->type, "done"))
		return r->lockstep;
	if (slice_is(e->type, "state"))
		router_say(r, now, EVENT_STATE, node, 0, e->body);
	else if (slice_is(e->type, "apply"))
		router_say(r, now, EVENT_APPLY, node, 0, e->body);
	else if (!slice_is(e->type, "timer") || !dlab_timer(r, now, node, e))
		router_bad(r, now, node, BAD_BAD_DLAB, line);
	return false;
}

static void reply_line(struct router *r, int64_t now, int node, int client, const struct envelope *e)
{
	struct route_node *n = &r->node[node];
	*router_push(r) = (struct event){ .t_ns = now, .kind = EVENT_REPLY, .src = (int16_t)node, .dst = (int16_t)client,
		.msg = ++r->messages, .arg = e->in_reply_to, .text = arena_copy(r->cluster->arena, e->body),
		.type = type_of(r, e->type) };
	if (n->phase == NODE_INIT && client == lane_client(r->cluster->lanes, 0) && e->in_reply_to == INIT_MSG_ID &&
	    slice_is(e->type, "init_ok")) {
		n->phase = NODE_READY;
		router_say(r, now, EVENT_READY, node, 0, SLICE_NONE);
		release_held(r, now, node);
	}
}

static void peer_line(struct router *r, int64_t now, int node, int dst, const struct envelope *e)
{
	struct link_item item = { .kind = ITEM_MESSAGE, .msg = ++r->messages, .src = (int16_t)node, .dst = (int16_t)dst,
		.body = arena_copy(r->cluster->arena, e->body), .type = type_of(r, e->type) };
	*router_push(r) = (struct event){ .t_ns = now, .kind = EVENT_SEND, .src = item.src, .dst = item.dst, .msg = item.msg,
		.arg = e->in_reply_to, .text = item.body, .type = item.type };
	if (r->remote && lane_is_node(r->cluster->lanes, dst)) {
		r->sent = (struct sent){ item.msg, item.dst, item.type };
		return;
	}
	r->node[node].asked_service |= lane_is_service(r->cluster->lanes, dst);
	if (link_send(r->link, now, &item) == 0)
		drop(r, now, &item, DROP_LOSS);
}

bool router_line(struct router *r, int64_t now, int node, struct slice line)
{
	struct envelope e;
	size_t at;
	struct route_node *n = &r->node[node];
	r->sent = (struct sent){ 0 };
	if (n->phase == NODE_INIT && n->last_line.n && slice_eq(line, buf_as_slice(&n->last_line))) {
		router_bad(r, now, node, BAD_ECHO, line);
		return false;
	}
	if (r->lockstep && slice_eq(line, SLICE(DONE_LINE)))
		return true;
	int bad = envelope_read(&e, line, &at);
	if (bad >= 0) {
		router_bad(r, now, node, (enum bad)bad, line);
		return false;
	}
	int dst = lane_find(r->cluster->lanes, e.dest);
	if (dst == LANE_DLAB)
		return dlab_line(r, now, node, &e, line);
	if (dst == LANE_UNKNOWN) {
		router_bad(r, now, node, BAD_UNKNOWN_DEST, line);
		return false;
	}
	if (e.src.s && !slice_eq(e.src, lane_slice(r, node))) {
		router_bad(r, now, node, BAD_WRONG_SRC, line);
		return false;
	}
	if (!e.src.s && !n->no_src_seen) {
		n->no_src_seen = true;
		lint(r, now, node, "leaves out \"src\"; it is filled in");
	}
	if (lane_is_client(r->cluster->lanes, dst))
		reply_line(r, now, node, dst, &e);
	else
		peer_line(r, now, node, dst, &e);
	return false;
}

/* --- messages to a node --- */

uint64_t router_post(struct router *r, int64_t now, const struct parcel *p)
{
	struct link_item item = { .kind = ITEM_MESSAGE, .msg = ++r->messages, .src = (int16_t)p->src, .dst = (int16_t)p->node,
		.body = p->body, .type = p->type };
	if (lane_is_service(r->cluster->lanes, p->src)) {
		*router_push(r) = (struct event){ .t_ns = now, .kind = EVENT_SEND, .src = item.src, .dst = item.dst, .msg = item.msg,
			.arg = p->in_reply_to, .text = p->body, .type = item.type };
		if (link_send(r->link, now, &item) == 0)
			drop(r, now, &item, DROP_LOSS);
	} else {
		item.due_ns = now;
		link_put(r->link, &item);
	}
	return item.msg;
}

/* A service speaks only when asked; some nodes ask it before they answer init, and wait. */
static bool node_takes(const struct router *r, int node, int src)
{
	const struct route_node *n = &r->node[node];
	bool listens = n->phase == NODE_READY || (n->phase == NODE_INIT && lane_is_service(r->cluster->lanes, src));
	return listens && (r->live || !n->paused);
}

bool router_under_way(struct router *r, int64_t now, struct event *e)
{
	struct link_item item;
	while (link_pop(r->link, INT64_MAX, &item)) {
		if (item.kind != ITEM_MESSAGE || item.copy || lane_is_client(r->cluster->lanes, item.src))
			continue;
		*e = (struct event){ .t_ns = now, .kind = EVENT_DROP, .why = DROP_END, .src = item.src, .dst = item.dst, .msg = item.msg,
			.type = item.type, .arg = -1 };
		return true;
	}
	return false;
}

/* A client's message that cannot be delivered at once is a SEND; its RECV or DROP follows. */
static void announce_late(struct router *r, int64_t now, struct link_item *item)
{
	if (!lane_is_client(r->cluster->lanes, item->src) || item->copy)
		return;
	*router_push(r) = (struct event){ .t_ns = now, .kind = EVENT_SEND, .src = item->src, .dst = item->dst, .msg = item->msg,
		.arg = -1, .text = item->body, .type = item->type };
	item->copy = 2; /* announced */
}

static bool deliver_timer(struct router *r, int64_t now, const struct link_item *item, int *node, struct slice *line)
{
	if (!node_takes(r, item->dst, LANE_DLAB)) {
		if (r->node[item->dst].phase != NODE_DOWN)
			hold(&r->node[item->dst], item);
		return false;
	}
	router_say(r, now, EVENT_TIMER, item->dst, 0, item->body);
	struct buf body = BUF_EMPTY;
	buf_str(&body, "{\"type\":\"timer\",\"name\":");
	buf_json_string(&body, item->body);
	buf_str(&body, "}");
	*node = item->dst;
	*line = make_line(r, now, ++r->messages, SLICE("dlab"), item->dst, buf_as_slice(&body));
	buf_done(&body);
	return true;
}

static bool deliver_to_node(struct router *r, int64_t now, struct link_item *item, int *node, struct slice *line)
{
	struct route_node *n = &r->node[item->dst];
	if (n->phase == NODE_DOWN) {
		announce_late(r, now, item);
		drop(r, now, item, DROP_DEAD);
		return false;
	}
	if (link_is_cut(r->link, item->src, item->dst)) {
		drop(r, now, item, DROP_CUT);
		return false;
	}
	if (!node_takes(r, item->dst, item->src)) {
		announce_late(r, now, item);
		hold(n, item);
		return false;
	}
	bool call = lane_is_client(r->cluster->lanes, item->src) && item->copy != 2;
	*router_push(r) = (struct event){ .t_ns = now, .kind = call ? EVENT_CALL : EVENT_RECV, .src = item->src, .dst = item->dst,
		.msg = item->msg, .arg = -1, .type = item->type, .why = item->copy == 1, .text = call ? item->body : SLICE_NONE };
	*node = item->dst;
	*line = make_line(r, now, item->msg, lane_slice(r, item->src), item->dst, item->body);
	return true;
}

bool router_deliver(struct router *r, int64_t now, const struct link_item *due, int *node, struct slice *line)
{
	struct link_item item = *due;
	if (item.kind == ITEM_TIMER)
		return deliver_timer(r, now, &item, node, line);
	if (lane_is_node(r->cluster->lanes, item.dst))
		return deliver_to_node(r, now, &item, node, line);
	/* to a service: the run answers */
	if (link_is_cut(r->link, item.src, item.dst)) {
		drop(r, now, &item, DROP_CUT);
		return false;
	}
	*router_push(r) = (struct event){ .t_ns = now, .kind = EVENT_RECV, .src = item.src, .dst = item.dst, .msg = item.msg, .arg = -1,
		.type = item.type, .why = item.copy == 1 };
	return false;
}

/* --- where a node lives --- */

char *node_data_dir(const struct cluster *c, int node)
{
	char *dir = xasprintf("%s/%s", c->data_root, lane_name(c->lanes, node));
	mkdir(dir, 0777);
	return dir;
}

static bool is_ours(const char *entry)
{
	return strncmp(entry, "DLAB_NODE=", 10) == 0 || strncmp(entry, "DLAB_LISTEN=", 12) == 0 ||
		strncmp(entry, "DLAB_PEERS=", 11) == 0 || strncmp(entry, "DLAB_SESSION=", 13) == 0 ||
		strncmp(entry, "DLAB_DATA_DIR=", 14) == 0 || strncmp(entry, "PYTHONHASHSEED=", 15) == 0;
}

char **node_env(const struct cluster *c, int node, int port, const char *peers, bool deterministic)
{
	size_t n = 0;
	while (environ[n])
		n++;
	char **env = xcalloc(n + 8, sizeof *env), **at = env;
	for (size_t i = 0; i < n; i++)
		if (!is_ours(environ[i]))
			*at++ = xstrdup(environ[i]);
	*at++ = xasprintf("DLAB_NODE=%s", lane_name(c->lanes, node));
	*at++ = xasprintf("DLAB_SESSION=%s", c->marker);
	char *dir = node_data_dir(c, node);
	*at++ = xasprintf("DLAB_DATA_DIR=%s", dir);
	free(dir);
	if (port > 0) {
		*at++ = xasprintf("DLAB_LISTEN=127.0.0.1:%d", port);
		*at++ = xasprintf("DLAB_PEERS=%s", peers);
	}
	if (deterministic) /* else the order of a Python set of strings differs from run to run */
		*at++ = xstrdup("PYTHONHASHSEED=0");
	return env;
}

void env_free(char **env)
{
	for (char **at = env; *at; at++)
		free(*at);
	free(env);
}
