/* exactly-once: a counter at n1 that counts every add once, though the network loses and doubles messages.
 *
 * Exactly once = at least once (the front sends an add until n1 has answered) and at most once (n1 knows the adds that
 * it has already counted, by their keys).
 *
 * - A key is (front, life, number). It is made when the client asks and stays the same in every retry. The life goes up
 *   at every start of the front, so that a front that forgot how far it had counted cannot use an old key again.
 * - Every request also says which of the front's adds is the oldest that is still open. n1 forgets the numbers below and
 *   never applies them again. So the table holds little more than what is open, and no clock is needed for it.
 * - n1 writes the value and the table in one file before it answers: a crash loses neither, or both.
 * - Pauses double from 200 ms to 2 s. Half of each is chance, so that many fronts do not come back at one instant. */
#define DLAB_IMPLEMENTATION
#include "dlab.h"

#define SERVER "n1"

enum { FIRST_PAUSE_MS = 200, LONGEST_PAUSE_MS = 2000, TRY_MS = 18000 };

struct node {
	struct dlab *d;
	int64_t life, number;
	struct request *open;  /* newest first */
	int64_t value;         /* n1's alone, and so are the fronts */
	struct front *fronts;
	size_t front_count;
};

/* What a client asked of this front and n1 has not answered yet. */
struct request {
	struct node *node;
	struct request *next;
	struct dlab_msg client; /* src is ours */
	int64_t number;         /* 0: a read */
	int64_t delta;
	int64_t pause_ms, stop_ms;
};

/* What n1 knows of a front. */
struct front {
	const char *name;
	int64_t life;
	int64_t oldest; /* every number below is finished for good */
	int64_t *done;  /* numbers from `oldest` on that were applied */
	size_t done_count, done_cap;
};

static void *resize(void *old, size_t n)
{
	void *p = realloc(old, n);
	if (!p)
		abort();
	return p;
}

static bool is_int(struct dlab_json j)
{
	return dlab_int(j, 0) == dlab_int(j, 1);
}

/* --- a front --- */

static void attempt(struct request *);

static void finish(struct request *r, struct dlab_text *reply)
{
	struct request **at = &r->node->open;
	while (*at != r)
		at = &(*at)->next;
	*at = r->next;
	dlab_reply(r->node->d, &r->client, reply);
	free((char *)(uintptr_t)r->client.src);
	free(r);
}

static void on_answer(struct dlab *d, const struct dlab_msg *m, void *arg)
{
	struct request *r = arg;
	if (strcmp(m->type, "apply_ok") == 0) {
		finish(r, dlab_body(d, "add_ok"));
	} else if (strcmp(m->type, "get_ok") == 0) {
		struct dlab_text *reply = dlab_body(d, "read_ok");
		dlab_put(reply, "value", dlab_get(m->body, "value"));
		finish(r, reply);
	} else if (dlab_now(d) < r->stop_ms) {
		r->pause_ms = r->pause_ms * 2 < LONGEST_PAUSE_MS ? r->pause_ms * 2 : LONGEST_PAUSE_MS;
		attempt(r);
	} else {
		struct dlab_text *error = dlab_body(d, "error"); /* it may have happened: an indefinite error */
		dlab_put_int(error, "code", 0);
		dlab_put_string(error, "text", "no answer from " SERVER);
		finish(r, error);
	}
}

static int64_t oldest_open(const struct node *n)
{
	int64_t oldest = n->number + 1;
	for (const struct request *r = n->open; r; r = r->next)
		if (r->number > 0 && r->number < oldest)
			oldest = r->number;
	return oldest;
}

static void attempt(struct request *r)
{
	struct node *n = r->node;
	struct dlab_text *body = dlab_body(n->d, r->number ? "apply" : "get");
	if (r->number) {
		dlab_put_int(body, "life", n->life);
		dlab_put_int(body, "number", r->number);
		dlab_put_int(body, "oldest", oldest_open(n));
		dlab_put_int(body, "delta", r->delta);
	}
	int64_t pause_ms = r->pause_ms / 2 + (int64_t)dlab_random(n->d, (uint64_t)r->pause_ms / 2);
	dlab_rpc(n->d, SERVER, body, on_answer, r, pause_ms);
}

static void ask(struct node *n, const struct dlab_msg *m, int64_t number, int64_t delta)
{
	struct request *r = resize(NULL, sizeof *r);
	*r = (struct request){ .node = n, .next = n->open, .client = { .src = strdup(m->src), .msg_id = m->msg_id },
		.number = number, .delta = delta, .pause_ms = FIRST_PAUSE_MS, .stop_ms = dlab_now(n->d) + TRY_MS };
	if (!r->client.src)
		abort();
	n->open = r;
	attempt(r);
}

/* --- n1 --- */

static bool is_server(const struct node *n)
{
	return strcmp(dlab_node_id(n->d), SERVER) == 0;
}

static struct front *front_of(struct node *n, const char *name)
{
	for (size_t i = 0; i < n->front_count; i++)
		if (strcmp(n->fronts[i].name, name) == 0)
			return &n->fronts[i];
	return NULL;
}

static void save(struct node *n)
{
	struct dlab_text *all = dlab_object(n->d), *fronts = dlab_object(n->d);
	int64_t table = 0;
	for (size_t i = 0; i < n->front_count; i++) {
		const struct front *f = &n->fronts[i];
		struct dlab_text *front = dlab_object(n->d), *done = dlab_array(n->d);
		for (size_t k = 0; k < f->done_count; k++)
			dlab_put_int(done, NULL, f->done[k]);
		dlab_put_int(front, "life", f->life);
		dlab_put_int(front, "oldest", f->oldest);
		dlab_put(front, "done", dlab_as_json(done));
		dlab_put(fronts, f->name, dlab_as_json(front));
		table += (int64_t)f->done_count;
	}
	dlab_put_int(all, "value", n->value);
	dlab_put(all, "fronts", dlab_as_json(fronts));
	dlab_save(n->d, "counter", dlab_as_json(all));
	struct dlab_text *report = dlab_body(n->d, "state");
	dlab_put_int(report, "value", n->value);
	dlab_put_int(report, "table", table);
	dlab_state(n->d, report);
}

static void done_add(struct front *f, int64_t number)
{
	if (f->done_count == f->done_cap) {
		f->done_cap = f->done_cap ? f->done_cap * 2 : 16;
		f->done = resize(f->done, f->done_cap * sizeof *f->done);
	}
	f->done[f->done_count++] = number;
}

static bool is_done(const struct front *f, int64_t number)
{
	for (size_t i = 0; i < f->done_count; i++)
		if (f->done[i] == number)
			return true;
	return false;
}

static void load(struct node *n)
{
	struct dlab_json saved = dlab_load(n->d, "counter"), fronts = dlab_get(saved, "fronts"), number = { 0 };
	n->value = dlab_int(dlab_get(saved, "value"), 0);
	n->front_count = dlab_node_count(n->d);
	n->fronts = resize(NULL, n->front_count * sizeof *n->fronts);
	for (size_t i = 0; i < n->front_count; i++) {
		struct front *f = &n->fronts[i];
		struct dlab_json front = dlab_get(fronts, dlab_node(n->d, i));
		*f = (struct front){ .name = dlab_node(n->d, i), .life = dlab_int(dlab_get(front, "life"), 0),
			.oldest = dlab_int(dlab_get(front, "oldest"), 1) };
		number = (struct dlab_json){ 0 };
		while (dlab_next(dlab_get(front, "done"), &number))
			done_add(f, dlab_int(number, 0));
	}
}

/* Takes note of a life and of what is finished in it. False when this life is over. */
static bool catch_up(struct front *f, int64_t life, int64_t oldest)
{
	if (life < f->life)
		return false;
	if (life > f->life) {
		f->life = life;
		f->oldest = 1;
		f->done_count = 0;
	}
	if (oldest > f->oldest)
		f->oldest = oldest;
	size_t kept = 0;
	for (size_t i = 0; i < f->done_count; i++)
		if (f->done[i] >= f->oldest)
			f->done[kept++] = f->done[i];
	f->done_count = kept;
	return true;
}

static void on_apply(struct dlab *d, const struct dlab_msg *m, void *arg)
{
	struct node *n = arg;
	struct front *f = front_of(n, m->src);
	int64_t number = dlab_int(dlab_get(m->body, "number"), 0);
	struct dlab_json delta = dlab_get(m->body, "delta");
	if (!f || number < 1 || !is_int(delta)) {
		dlab_reply_error(d, m, 12, "apply needs life, number, oldest and delta, and comes from a node");
		return;
	}
	if (!catch_up(f, dlab_int(dlab_get(m->body, "life"), 0), dlab_int(dlab_get(m->body, "oldest"), 0)) || number < f->oldest)
		return; /* a late copy: nobody waits for the answer */
	if (!is_done(f, number)) {
		done_add(f, number);
		n->value += dlab_int(delta, 0);
		save(n);
	}
	dlab_reply(d, m, dlab_body(d, "apply_ok"));
}

static void on_get(struct dlab *d, const struct dlab_msg *m, void *arg)
{
	const struct node *n = arg;
	struct dlab_text *body = dlab_body(d, "get_ok");
	dlab_put_int(body, "value", n->value);
	dlab_reply(d, m, body);
}

/* --- clients --- */

static void on_init(struct dlab *d, const struct dlab_msg *m, void *arg)
{
	(void)m;
	struct node *n = arg;
	n->life = dlab_int(dlab_load(d, "life"), 0) + 1;
	char life[24];
	dlab_save(d, "life", (struct dlab_json){ life, (size_t)snprintf(life, sizeof life, "%lld", (long long)n->life) });
	load(n);
}

static void on_add(struct dlab *d, const struct dlab_msg *m, void *arg)
{
	struct node *n = arg;
	struct dlab_json delta = dlab_get(m->body, "delta");
	if (!is_int(delta)) {
		dlab_reply_error(d, m, 12, "delta must be a whole number");
	} else if (!is_server(n)) {
		ask(n, m, ++n->number, dlab_int(delta, 0));
	} else {
		n->value += dlab_int(delta, 0);
		save(n);
		dlab_reply(d, m, dlab_body(d, "add_ok"));
	}
}

static void on_read(struct dlab *d, const struct dlab_msg *m, void *arg)
{
	struct node *n = arg;
	if (!is_server(n)) {
		ask(n, m, 0, 0);
		return;
	}
	struct dlab_text *body = dlab_body(d, "read_ok");
	dlab_put_int(body, "value", n->value);
	dlab_reply(d, m, body);
}

int main(void)
{
	struct node n = { .d = dlab_new() };
	dlab_on(n.d, "init", on_init, &n);
	dlab_on(n.d, "add", on_add, &n);
	dlab_on(n.d, "read", on_read, &n);
	dlab_on(n.d, "apply", on_apply, &n);
	dlab_on(n.d, "get", on_get, &n);
	return dlab_run(n.d);
}
