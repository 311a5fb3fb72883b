/* raft-kv: a key-value store that is the same on every node, and that a client may ask twice.
 *
 * - Every operation is a command in Raft's log, reads too: so a read sees all that was acknowledged before it, and a leader
 *   that was deposed without knowing it cannot answer one.
 * - A client that hears nothing asks again, perhaps another node, with the same session and number. The store keeps the last
 *   number of every session with its answer. Asked again, it repeats the answer and does nothing (section 8; thesis 6.3).
 *   This table is part of the replicated state: every node has it, and every snapshot.
 * - Keys and values are any JSON; they are compared as texts. */
#define DLAB_IMPLEMENTATION
#include "raft.h"

struct pair {
	char *name, *value;
};

/* From text to text; a plain list. */
struct map {
	struct pair *at;
	size_t n, cap;
};

struct store {
	struct dlab *d;
	struct raft *raft;
	struct map values;   /* key -> value, both JSON */
	struct map sessions; /* name (JSON) -> {"seq": 12, "answer": {...}}: its last request */
};

/* --- maps --- */

static char *copy(struct dlab_json j)
{
	char *text = strndup(j.s, j.n);
	if (!text)
		abort();
	return text;
}

static struct pair *map_find(const struct map *m, struct dlab_json name)
{
	for (size_t i = 0; i < m->n; i++)
		if (strlen(m->at[i].name) == name.n && memcmp(m->at[i].name, name.s, name.n) == 0)
			return &m->at[i];
	return NULL;
}

/* None when it has no such name. */
static struct dlab_json map_get(const struct map *m, struct dlab_json name)
{
	const struct pair *p = map_find(m, name);
	return p ? (struct dlab_json){ p->value, strlen(p->value) } : (struct dlab_json){ 0 };
}

static void map_set(struct map *m, struct dlab_json name, struct dlab_json value)
{
	struct pair *p = map_find(m, name);
	if (p) {
		free(p->value);
		p->value = copy(value);
		return;
	}
	if (m->n == m->cap) {
		m->cap = m->cap ? m->cap * 2 : 16;
		m->at = realloc(m->at, m->cap * sizeof *m->at);
		if (!m->at)
			abort();
	}
	m->at[m->n++] = (struct pair){ copy(name), copy(value) };
}

static void map_clear(struct map *m)
{
	for (size_t i = 0; i < m->n; i++) {
		free(m->at[i].name);
		free(m->at[i].value);
	}
	free(m->at);
	*m = (struct map){ 0 };
}

/* [[name, value], ...] */
static struct dlab_json map_json(struct dlab *d, const struct map *m)
{
	struct dlab_text *pairs = dlab_array(d);
	for (size_t i = 0; i < m->n; i++) {
		struct dlab_text *pair = dlab_array(d);
		dlab_put(pair, NULL, (struct dlab_json){ m->at[i].name, strlen(m->at[i].name) });
		dlab_put(pair, NULL, (struct dlab_json){ m->at[i].value, strlen(m->at[i].value) });
		dlab_put(pairs, NULL, dlab_as_json(pair));
	}
	return dlab_as_json(pairs);
}

static void map_read(struct map *m, struct dlab_json pairs)
{
	struct dlab_json pair = { 0 };
	map_clear(m);
	while (dlab_next(pairs, &pair)) {
		struct dlab_json name = { 0 }, value;
		dlab_next(pair, &name);
		value = name;
		dlab_next(pair, &value);
		map_set(m, name, value);
	}
}

static bool same(struct dlab_json a, struct dlab_json b)
{
	return a.n == b.n && memcmp(a.s, b.s, a.n) == 0;
}

/* --- operations --- */

static struct dlab_json error(struct store *s, int code, const char *text)
{
	struct dlab_text *body = dlab_body(s->d, "error");
	dlab_put_int(body, "code", code);
	dlab_put_string(body, "text", text);
	return dlab_as_json(body);
}

static struct dlab_json do_read(struct store *s, struct dlab_json request)
{
	struct dlab_json value = map_get(&s->values, dlab_get(request, "key"));
	if (!value.n)
		return error(s, 20, "there is no such key");
	struct dlab_text *body = dlab_body(s->d, "read_ok");
	dlab_put(body, "value", value);
	return dlab_as_json(body);
}

static struct dlab_json do_write(struct store *s, struct dlab_json request)
{
	map_set(&s->values, dlab_get(request, "key"), dlab_get(request, "value"));
	return dlab_as_json(dlab_body(s->d, "write_ok"));
}

static struct dlab_json do_cas(struct store *s, struct dlab_json request)
{
	struct dlab_json value = map_get(&s->values, dlab_get(request, "key"));
	if (!value.n && !dlab_bool(dlab_get(request, "create_if_not_exists")))
		return error(s, 20, "there is no such key");
	if (value.n && !same(value, dlab_get(request, "from")))
		return error(s, 22, "the value is another one");
	map_set(&s->values, dlab_get(request, "key"), dlab_get(request, "to"));
	return dlab_as_json(dlab_body(s->d, "cas_ok"));
}

static const struct operation {
	const char *type;
	struct dlab_json (*carry_out)(struct store *, struct dlab_json request);
	const char *keys[4]; /* what the request must have */
} operations[] = {
	{ "read", do_read, { "key" } },
	{ "write", do_write, { "key", "value" } },
	{ "cas", do_cas, { "key", "from", "to" } },
};
enum { OPERATIONS = sizeof operations / sizeof operations[0] };

static const struct operation *operation_of(const char *type)
{
	for (size_t i = 0; i < OPERATIONS; i++)
		if (strcmp(operations[i].type, type) == 0)
			return &operations[i];
	return NULL;
}

/* --- the state machine: what Raft calls, in the same order on every node --- */

static struct dlab_json carry_out(struct store *s, struct dlab_json request)
{
	return operation_of(dlab_string(s->d, dlab_get(request, "type")))->carry_out(s, request);
}

/* A command is the client's request. */
static struct dlab_json apply(void *arg, struct dlab_json request)
{
	struct store *s = arg;
	struct dlab_json session = dlab_get(request, "session");
	if (!session.n)
		return carry_out(s, request);
	struct dlab_json last = map_get(&s->sessions, session);
	int64_t seq = dlab_int(dlab_get(request, "seq"), 0), last_seq = dlab_int(dlab_get(last, "seq"), -1);
	if (seq == last_seq)
		return dlab_get(last, "answer");
	if (seq < last_seq) /* a session has one request at a time: nobody waits for this one any more */
		return error(s, 13, "this session has gone on");
	struct dlab_text *record = dlab_object(s->d);
	struct dlab_json answer = carry_out(s, request);
	dlab_put_int(record, "seq", seq);
	dlab_put(record, "answer", answer);
	map_set(&s->sessions, session, dlab_as_json(record));
	return answer;
}

static struct dlab_json save(void *arg)
{
	struct store *s = arg;
	struct dlab_text *state = dlab_object(s->d);
	dlab_put(state, "values", map_json(s->d, &s->values));
	dlab_put(state, "sessions", map_json(s->d, &s->sessions));
	return dlab_as_json(state);
}

static void load(void *arg, struct dlab_json state)
{
	struct store *s = arg;
	map_read(&s->values, dlab_get(state, "values"));
	map_read(&s->sessions, dlab_get(state, "sessions"));
}

/* --- clients --- */

static const char *what_is_wrong(struct dlab_json request, const struct operation *o)
{
	for (size_t i = 0; i < 4 && o->keys[i]; i++)
		if (!dlab_get(request, o->keys[i]).n)
			return "a key of the request is missing";
	struct dlab_json seq = dlab_get(request, "seq");
	if (dlab_get(request, "session").n && dlab_int(seq, 0) != dlab_int(seq, 1))
		return "a session needs seq, a whole number";
	return NULL;
}

static void on_request(struct dlab *d, const struct dlab_msg *m, void *arg)
{
	struct store *s = arg;
	const char *wrong = what_is_wrong(m->body, operation_of(m->type));
	if (wrong)
		dlab_reply_error(d, m, 12, wrong);
	else
		raft_propose(s->raft, m, m->body);
}

int main(void)
{
	struct store s = { .d = dlab_new() };
	s.raft = raft_new(s.d, (struct raft_machine){ apply, save, load, &s });
	for (size_t i = 0; i < OPERATIONS; i++)
		dlab_on(s.d, operations[i].type, on_request, &s);
	int status = dlab_run(s.d);
	raft_free(s.raft);
	map_clear(&s.values);
	map_clear(&s.sessions);
	return status;
}
