/* broadcast: every value that one node was given reaches all nodes, with few messages.
 *
 * The given topology is not used. Its neighbours' neighbours would tell one another the same value many times. A
 * tree with n - 1 edges carries every value over every edge once, and no tree is flatter than a star: two hops
 * from any node to any other. So the first node is the hub, and all others talk to it alone. (The price: while the
 * hub is down, nothing spreads. Its restart mends that.)
 *
 * - A leaf sends a new value to the hub at once. The hub collects what is new for a while, then tells it to each
 *   leaf in one message. With n leaves that is n messages a round, however many values came in.
 * - What a peer has not confirmed is sent again, round by round: that outlives loss and partitions.
 * - A node writes a value to its disk before it confirms it to a client. After a crash it offers these values
 *   again and asks its peers for all that they have. */
#define DLAB_IMPLEMENTATION
#include "dlab.h"

enum {
	MS_PER_LEAF = 30, /* the hub sends at most 33 messages a second, whatever the number of leaves */
	ROUND_MIN_MS = 250,
	VALUES_PER_MESSAGE = 3000 /* keeps a line below the limit of 60,000 bytes */
};

struct list { /* of integers; as a set it is sorted */
	int64_t *at;
	size_t n, cap;
};

struct peer {
	struct node *node;
	const char *name;
	struct list unconfirmed; /* the values that it may not have; a set */
};

struct node {
	struct dlab *d;
	struct list values; /* all that this node knows; a set */
	struct list own;    /* those that a client gave to this node, in order; they are on the disk */
	struct peer *peers; /* whom this node talks to */
	size_t peer_count;
	int64_t round_ms;   /* how long the hub collects, and everybody waits before sending again */
	bool waiting;       /* the timer "round" is set */
};

struct batch { /* on its way to a peer */
	struct peer *peer;
	struct list values;
};

static void *resize(void *old, size_t n)
{
	void *p = realloc(old, n);
	if (!p)
		abort();
	return p;
}

/* --- lists and sets --- */

static void list_insert(struct list *l, size_t at, int64_t value)
{
	if (l->n == l->cap) {
		l->cap = l->cap ? l->cap * 2 : 16;
		l->at = resize(l->at, l->cap * sizeof *l->at);
	}
	memmove(l->at + at + 1, l->at + at, (l->n - at) * sizeof *l->at);
	l->at[at] = value;
	l->n++;
}

/* The place where a value is, or should be. */
static size_t set_place(const struct list *s, int64_t value)
{
	size_t lo = 0, hi = s->n;
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		if (s->at[mid] < value)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static bool set_has(const struct list *s, int64_t value)
{
	size_t i = set_place(s, value);
	return i < s->n && s->at[i] == value;
}

static void set_add(struct list *s, int64_t value)
{
	if (!set_has(s, value))
		list_insert(s, set_place(s, value), value);
}

/* Takes the values of another set out. */
static void set_subtract(struct list *s, const struct list *gone)
{
	size_t kept = 0;
	for (size_t i = 0; i < s->n; i++)
		if (!set_has(gone, s->at[i]))
			s->at[kept++] = s->at[i];
	s->n = kept;
}

static struct dlab_json list_json(struct dlab *d, const struct list *l)
{
	struct dlab_text *array = dlab_array(d);
	for (size_t i = 0; i < l->n; i++)
		dlab_put_int(array, NULL, l->at[i]);
	return dlab_as_json(array);
}

static bool is_int(struct dlab_json j)
{
	return dlab_int(j, 0) == dlab_int(j, 1);
}

/* False when it is no array of integers. */
static bool list_read(struct list *l, struct dlab_json array)
{
	struct dlab_json item = { 0 };
	while (dlab_next(array, &item)) {
		if (!is_int(item))
			return false;
		list_insert(l, l->n, dlab_int(item, 0));
	}
	return dlab_kind(array) == '[';
}

/* --- sending --- */

static void start_round(struct node *);

static void on_gossip_answer(struct dlab *d, const struct dlab_msg *m, void *arg)
{
	(void)d;
	struct batch *batch = arg;
	if (strcmp(m->type, "gossip_ok") == 0)
		set_subtract(&batch->peer->unconfirmed, &batch->values);
	free(batch->values.at);
	free(batch);
}

static void send_values(struct peer *p)
{
	struct dlab *d = p->node->d;
	struct batch *batch = resize(NULL, sizeof *batch);
	*batch = (struct batch){ .peer = p };
	for (size_t i = 0; i < p->unconfirmed.n && i < VALUES_PER_MESSAGE; i++)
		list_insert(&batch->values, i, p->unconfirmed.at[i]);
	struct dlab_text *body = dlab_body(d, "gossip");
	dlab_put(body, "values", list_json(d, &batch->values));
	dlab_rpc(d, p->name, body, on_gossip_answer, batch, p->node->round_ms);
}

static void send_round(struct node *n)
{
	for (size_t i = 0; i < n->peer_count; i++)
		if (n->peers[i].unconfirmed.n)
			send_values(&n->peers[i]);
	start_round(n);
}

static void on_round(struct dlab *d, const struct dlab_msg *m, void *arg)
{
	(void)d, (void)m;
	struct node *n = arg;
	n->waiting = false;
	send_round(n);
}

static void start_round(struct node *n)
{
	for (size_t i = 0; i < n->peer_count; i++)
		if (!n->waiting && n->peers[i].unconfirmed.n) {
			n->waiting = true;
			dlab_timer(n->d, "round", n->round_ms, on_round, n);
		}
}

/* Takes in values from a peer (or a client: NULL) and plans to pass on those that are new. */
static void learn(struct node *n, const struct list *told, const char *source)
{
	bool news = false;
	for (size_t i = 0; i < told->n; i++) {
		if (set_has(&n->values, told->at[i]))
			continue;
		news = true;
		set_add(&n->values, told->at[i]);
		for (struct peer *p = n->peers; p < n->peers + n->peer_count; p++)
			if (!source || strcmp(p->name, source) != 0)
				set_add(&p->unconfirmed, told->at[i]);
	}
	if (news && !source && n->peer_count == 1)
		send_round(n); /* a leaf has one peer: nothing is saved by waiting */
	else if (news)
		start_round(n);
}

static void ask_for_all(struct peer *);

static void on_lost_answer(struct dlab *d, const struct dlab_msg *m, void *arg)
{
	(void)d;
	if (strcmp(m->type, "lost_ok") != 0)
		ask_for_all(arg);
}

static void ask_for_all(struct peer *p)
{
	struct dlab *d = p->node->d;
	dlab_rpc(d, p->name, dlab_body(d, "lost"), on_lost_answer, p, p->node->round_ms);
}

/* --- what comes in --- */

static void find_peers(struct node *n)
{
	const char *self = dlab_node_id(n->d), *hub = dlab_node(n->d, 0);
	size_t nodes = dlab_node_count(n->d);
	n->peers = resize(NULL, nodes * sizeof *n->peers);
	for (size_t i = 0; i < nodes; i++) {
		const char *name = dlab_node(n->d, i);
		if (strcmp(name, self) != 0 && (strcmp(self, hub) == 0 || strcmp(name, hub) == 0))
			n->peers[n->peer_count++] = (struct peer){ .node = n, .name = name };
	}
	n->round_ms = MS_PER_LEAF * ((int64_t)nodes - 1);
	if (n->round_ms < ROUND_MIN_MS)
		n->round_ms = ROUND_MIN_MS;
}

static void on_init(struct dlab *d, const struct dlab_msg *m, void *arg)
{
	(void)m;
	struct node *n = arg;
	find_peers(n);
	struct dlab_json saved = dlab_load(d, "values");
	if (!saved.n) {
		dlab_save(d, "values", list_json(d, &n->own));
		return;
	}
	list_read(&n->own, saved);
	learn(n, &n->own, NULL);
	for (size_t i = 0; i < n->peer_count; i++)
		ask_for_all(&n->peers[i]);
}

static void on_topology(struct dlab *d, const struct dlab_msg *m, void *arg)
{
	(void)arg;
	dlab_reply(d, m, dlab_body(d, "topology_ok"));
}

static void on_broadcast(struct dlab *d, const struct dlab_msg *m, void *arg)
{
	struct node *n = arg;
	struct dlab_json message = dlab_get(m->body, "message");
	int64_t value = dlab_int(message, 0);
	if (!is_int(message)) {
		dlab_reply_error(d, m, 12, "message must be an integer");
		return;
	}
	if (!set_has(&n->values, value)) {
		list_insert(&n->own, n->own.n, value);
		dlab_save(d, "values", list_json(d, &n->own));
		learn(n, &(struct list){ &value, 1, 1 }, NULL);
	}
	dlab_reply(d, m, dlab_body(d, "broadcast_ok"));
}

static void on_read(struct dlab *d, const struct dlab_msg *m, void *arg)
{
	struct node *n = arg;
	struct dlab_text *body = dlab_body(d, "read_ok");
	dlab_put(body, "messages", list_json(d, &n->values));
	dlab_reply(d, m, body);
}

static void on_gossip(struct dlab *d, const struct dlab_msg *m, void *arg)
{
	struct list told = { 0 };
	if (list_read(&told, dlab_get(m->body, "values"))) {
		learn(arg, &told, m->src);
		dlab_reply(d, m, dlab_body(d, "gossip_ok"));
	} else {
		dlab_reply_error(d, m, 12, "values must be integers");
	}
	free(told.at);
}

/* A peer has forgotten everything but its own values. */
static void on_lost(struct dlab *d, const struct dlab_msg *m, void *arg)
{
	struct node *n = arg;
	for (struct peer *p = n->peers; p < n->peers + n->peer_count; p++)
		if (strcmp(p->name, m->src) == 0)
			for (size_t i = 0; i < n->values.n; i++)
				set_add(&p->unconfirmed, n->values.at[i]);
	start_round(n);
	dlab_reply(d, m, dlab_body(d, "lost_ok"));
}

int main(void)
{
	struct node n = { .d = dlab_new() };
	dlab_on(n.d, "init", on_init, &n);
	dlab_on(n.d, "topology", on_topology, &n);
	dlab_on(n.d, "broadcast", on_broadcast, &n);
	dlab_on(n.d, "read", on_read, &n);
	dlab_on(n.d, "gossip", on_gossip, &n);
	dlab_on(n.d, "lost", on_lost, &n);
	return dlab_run(n.d);
}
