/* A key-value service is a table of keys, and for each key one or more values:
 *
 *   lin-kv, seq-kv   versions, each from one state on       lin-kv is seq-kv with a window of one state
 *   lww-kv           one copy per replica, with the Lamport time of its write
 *
 * What a request does to the one value that it meets is the same for all (op_decide). */
#include "services.h"

#include "canon.h"
#include "json.h"
#include "proto.h"

#include <stdlib.h>

enum { SEQ_WINDOW = 32, REPLICAS = 2, QUOTE_MAX = 100 };

/* --- values --- */

struct value {
	unsigned refs;
	struct slice text;  /* as written; in this allocation */
	struct slice canon; /* equal exactly for equal values; in this allocation */
};

static struct value *value_ref(struct value *v)
{
	if (v)
		v->refs++;
	return v;
}

static void value_unref(struct value *v)
{
	if (v && --v->refs == 0)
		free(v);
}

static bool value_eq(const struct value *a, const struct value *b)
{
	return slice_eq(a->canon, b->canon);
}

/* NULL when the text holds a number that is too large to be compared. */
static struct value *value_new(struct slice text)
{
	json_t *j = json_loadb(text.s, text.n, JSON_DECODE_ANY, NULL);
	char *canon = j ? json_dumps(j, JSON_SORT_KEYS | JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
	json_decref(j);
	if (!canon)
		return NULL;
	size_t canon_n = strlen(canon);
	struct value *v = xmalloc(sizeof *v + text.n + canon_n);
	char *room = (char *)(v + 1);
	*v = (struct value){ 1, { room, text.n }, { room + text.n, canon_n } };
	memcpy(room, text.s, text.n);
	memcpy(room + text.n, canon, canon_n);
	free(canon);
	return v;
}

/* --- names: text to a small number, in the order of first use --- */

struct names {
	struct slice *name; /* owned, with their text */
	uint32_t *slot;     /* owned; 1 + number, 0 is free; a power of two, at most half full */
	uint32_t count, slots;
};

static void names_free(struct names *t)
{
	for (uint32_t i = 0; i < t->count; i++)
		free((char *)(uintptr_t)t->name[i].s);
	free(t->name);
	free(t->slot);
}

/* The slot of the name, or the free one where it belongs. */
static uint32_t *names_slot(const struct names *t, struct slice name)
{
	uint32_t mask = t->slots - 1, i = (uint32_t)hash_bytes(0, name.s, name.n) & mask;
	while (t->slot[i] != 0 && !slice_eq(t->name[t->slot[i] - 1], name))
		i = (i + 1) & mask;
	return &t->slot[i];
}

static void names_grow(struct names *t)
{
	free(t->slot);
	t->slots = t->slots ? 2 * t->slots : 16;
	t->slot = xcalloc(t->slots, sizeof *t->slot);
	t->name = xrealloc(t->name, t->slots / 2 * sizeof *t->name);
	for (uint32_t i = 0; i < t->count; i++)
		*names_slot(t, t->name[i]) = i + 1;
}

/* The name's number; a new name gets the next one. */
static uint32_t names_number(struct names *t, struct slice name)
{
	if (2 * t->count >= t->slots)
		names_grow(t);
	uint32_t *slot = names_slot(t, name);
	if (*slot == 0) {
		char *copy = xmalloc(name.n);
		if (name.n > 0)
			memcpy(copy, name.s, name.n);
		t->name[t->count] = (struct slice){ copy, name.n };
		*slot = ++t->count;
	}
	return *slot - 1;
}

/* Room for one per name: grows by doubling and clears what is new. */
static void *per_name(void *array, uint32_t *cap, uint32_t count, size_t size)
{
	if (count <= *cap)
		return array;
	uint32_t cap_new = *cap ? *cap : 16;
	while (cap_new < count)
		cap_new *= 2;
	char *grown = xrealloc(array, cap_new * size);
	memset(grown + *cap * size, 0, (cap_new - *cap) * size);
	*cap = cap_new;
	return grown;
}

/* --- requests --- */

#define OPS(X) X(READ, "read") X(WRITE, "write") X(CAS, "cas")

enum op_kind {
#define X(kind, name) OP_##kind,
	OPS(X)
#undef X
	OP_KINDS
};

static const char *const op_names[] = {
#define X(kind, name) name,
	OPS(X)
#undef X
};

struct op {
	int kind;
	bool create;
	struct value *key, *value, *from; /* owned; value: of a write, or the `to` of a cas */
};

struct outcome {
	int error;                   /* 0, or a code of the protocol */
	bool writes;                 /* the op's value is to take the place of the current one */
	const struct value *current; /* what the op met, or NULL; borrowed, and gone once the op has written */
};

static void op_done(struct op *op)
{
	value_unref(op->key);
	value_unref(op->value);
	value_unref(op->from);
}

/* What the op makes of a value, NULL for none. Changes nothing. */
static struct outcome op_decide(const struct op *op, const struct value *current)
{
	struct outcome o = { 0, op->kind != OP_READ, current };
	bool needs = op->kind == OP_READ || (op->kind == OP_CAS && !op->create);
	if (!current)
		o.error = needs ? ERROR_NO_KEY : 0;
	else if (op->kind == OP_CAS && !value_eq(current, op->from))
		o.error = ERROR_PRECONDITION;
	o.writes = o.writes && o.error == 0;
	return o;
}

static bool outcome_changes(struct outcome o, const struct op *op)
{
	return o.writes && !(o.current && value_eq(o.current, op->value));
}

/* --- lin-kv, seq-kv --- */

struct version {
	uint64_t since; /* the first state that has it */
	struct value *value; /* owned */
};

struct history_of_key {
	struct version *version; /* owned; oldest first */
	uint32_t count, cap;
};

struct seq {
	struct names keys, senders;
	struct history_of_key *key; /* owned; by number of the key */
	uint64_t *seen;             /* owned; by number of the sender: the state that it saw last */
	uint32_t key_cap, seen_cap;
	uint64_t newest;            /* number of the newest state; 0 is the empty one */
	uint64_t window;            /* states that are kept */
	struct rng rng;
};

static void seq_free(struct seq *s)
{
	for (uint32_t i = 0; i < s->keys.count; i++) {
		for (uint32_t k = 0; k < s->key[i].count; k++)
			value_unref(s->key[i].version[k].value);
		free(s->key[i].version);
	}
	free(s->key);
	free(s->seen);
	names_free(&s->keys);
	names_free(&s->senders);
}

static uint64_t seq_oldest(const struct seq *s)
{
	return s->newest < s->window ? 0 : s->newest - s->window + 1;
}

static struct value *history_at(const struct history_of_key *h, uint64_t state)
{
	uint32_t i = h->count;
	while (i > 0 && h->version[i - 1].since > state)
		i--;
	return i > 0 ? h->version[i - 1].value : NULL;
}

/* Forgets what no kept state has any more. */
static void history_trim(struct history_of_key *h, uint64_t oldest)
{
	uint32_t gone = 0;
	while (gone + 1 < h->count && h->version[gone + 1].since <= oldest)
		value_unref(h->version[gone++].value);
	if (gone == 0)
		return;
	memmove(h->version, h->version + gone, (h->count - gone) * sizeof *h->version);
	h->count -= gone;
}

static void seq_append(struct seq *s, struct history_of_key *h, struct value *v)
{
	s->newest++;
	h->version = per_name(h->version, &h->cap, h->count + 1, sizeof *h->version);
	h->version[h->count++] = (struct version){ s->newest, value_ref(v) };
	history_trim(h, seq_oldest(s));
}

static struct outcome seq_apply(struct seq *s, struct slice src, const struct op *op)
{
	uint32_t k = names_number(&s->keys, op->key->canon), sender = names_number(&s->senders, src);
	s->key = per_name(s->key, &s->key_cap, s->keys.count, sizeof *s->key);
	s->seen = per_name(s->seen, &s->seen_cap, s->senders.count, sizeof *s->seen);
	struct history_of_key *h = &s->key[k];
	uint64_t from = seq_oldest(s);
	if (s->seen[sender] > from)
		from = s->seen[sender];
	uint64_t at = from + rng_below(&s->rng, s->newest - from + 1);
	struct outcome o = op_decide(op, history_at(h, at));
	if (outcome_changes(o, op)) {
		o = op_decide(op, history_at(h, s->newest));
		if (outcome_changes(o, op))
			seq_append(s, h, op->value);
		at = s->newest;
	}
	assert(at >= s->seen[sender]);
	s->seen[sender] = at;
	return o;
}

/* --- lww-kv --- */

struct copy {
	int64_t time;        /* the Lamport time of its write */
	struct value *value; /* owned; NULL: the replica has none */
};

struct lww_key {
	struct copy at[REPLICAS];
	bool listed; /* in `differ` */
};

struct lww {
	struct names keys;
	struct lww_key *key; /* owned; by number of the key */
	uint32_t *differ;    /* owned; the keys whose copies may differ: a merge looks at these alone */
	uint32_t key_cap, differ_cap, differ_count;
	int64_t clock[REPLICAS]; /* the time of the replica's next write */
	struct rng rng;
};

static void lww_free(struct lww *w)
{
	for (uint32_t i = 0; i < w->keys.count; i++)
		for (int r = 0; r < REPLICAS; r++)
			value_unref(w->key[i].at[r].value);
	free(w->key);
	free(w->differ);
	names_free(&w->keys);
}

/* The source's copy wins when it is not older. */
static void copy_merge(struct copy *to, const struct copy *from)
{
	if (!from->value || (to->value && to->time > from->time))
		return;
	struct value *old = to->value;
	*to = (struct copy){ from->time, value_ref(from->value) };
	value_unref(old);
}

static bool lww_key_differs(const struct lww_key *k)
{
	for (int r = 1; r < REPLICAS; r++)
		if (k->at[r].value != k->at[0].value || k->at[r].time != k->at[0].time)
			return true;
	return false;
}

static void lww_merge(struct lww *w, uint64_t to, uint64_t from)
{
	uint32_t left = 0;
	if (w->clock[to] < w->clock[from])
		w->clock[to] = w->clock[from];
	for (uint32_t i = 0; i < w->differ_count; i++) {
		struct lww_key *k = &w->key[w->differ[i]];
		copy_merge(&k->at[to], &k->at[from]);
		k->listed = lww_key_differs(k);
		if (k->listed)
			w->differ[left++] = w->differ[i];
	}
	w->differ_count = left;
}

static void lww_write(struct lww *w, uint32_t number, uint64_t replica, struct value *v)
{
	struct lww_key *k = &w->key[number];
	struct copy *c = &k->at[replica];
	struct value *old = c->value;
	*c = (struct copy){ w->clock[replica]++, value_ref(v) };
	value_unref(old);
	if (k->listed)
		return;
	w->differ = per_name(w->differ, &w->differ_cap, w->differ_count + 1, sizeof *w->differ);
	w->differ[w->differ_count++] = number;
	k->listed = true;
}

static struct outcome lww_apply(struct lww *w, struct op *op)
{
	uint32_t k = names_number(&w->keys, op->key->canon);
	w->key = per_name(w->key, &w->key_cap, w->keys.count, sizeof *w->key);
	uint64_t from = rng_below(&w->rng, REPLICAS), to = rng_below(&w->rng, REPLICAS);
	lww_merge(w, to, from);
	uint64_t replica = rng_below(&w->rng, REPLICAS);
	op->create = false;
	struct outcome o = op_decide(op, w->key[k].at[replica].value);
	if (o.writes)
		lww_write(w, k, replica, op->value);
	return o;
}

/* --- all of them --- */

struct services {
	struct seq lin, seq;
	struct lww lww;
	int64_t ts; /* the next one of lin-tso */
};

struct services *services_new(uint64_t seed)
{
	struct services *s = xcalloc(1, sizeof *s);
	s->lin.window = 1;
	s->seq.window = SEQ_WINDOW;
	rng_seed(&s->lin.rng, rng_derive(seed, SERVICE_LIN_KV));
	rng_seed(&s->seq.rng, rng_derive(seed, SERVICE_SEQ_KV));
	rng_seed(&s->lww.rng, rng_derive(seed, SERVICE_LWW_KV));
	return s;
}

void services_free(struct services *s)
{
	if (!s)
		return;
	seq_free(&s->lin);
	seq_free(&s->seq);
	lww_free(&s->lww);
	free(s);
}

/* --- replies --- */

struct reply {
	struct buf *to;      /* NULL: the request has no msg_id, so nobody hears of it */
	int64_t in_reply_to;
};

static void reply_open(const struct reply *r, const char *type, const char *suffix)
{
	buf_str(r->to, "{\"type\":\"");
	buf_str(r->to, type);
	buf_str(r->to, suffix);
	buf_str(r->to, "\",\"in_reply_to\":");
	buf_int(r->to, r->in_reply_to);
}

static void reply_error(const struct reply *r, int code, struct slice text)
{
	if (!r->to)
		return;
	reply_open(r, "error", "");
	buf_str(r->to, ",\"code\":");
	buf_int(r->to, code);
	buf_str(r->to, ",\"text\":");
	buf_json_string(r->to, text);
	buf_char(r->to, '}');
}

static void PRINTF_LIKE(3, 4) reply_errorf(const struct reply *r, int code, const char *fmt, ...)
{
	struct buf text = BUF_EMPTY;
	va_list ap;
	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	reply_error(r, code, buf_as_slice(&text));
	buf_done(&text);
}

static void add_quote(struct buf *b, struct slice text)
{
	bool cut = text.n > QUOTE_MAX;
	buf_add(b, text.s, cut ? QUOTE_MAX : text.n);
	buf_str(b, cut ? "..." : "");
}

static void reply_mismatch(const struct reply *r, const struct value *current, const struct value *from)
{
	struct buf text = BUF_EMPTY;
	buf_str(&text, "current value ");
	add_quote(&text, current->text);
	buf_str(&text, " is not ");
	add_quote(&text, from->text);
	reply_error(r, ERROR_PRECONDITION, buf_as_slice(&text));
	buf_done(&text);
}

static void reply_outcome(const struct reply *r, const struct op *op, struct outcome o)
{
	if (!r->to)
		return;
	if (o.error == ERROR_NO_KEY) {
		reply_error(r, o.error, SLICE("key does not exist"));
		return;
	}
	if (o.error == ERROR_PRECONDITION) {
		reply_mismatch(r, o.current, op->from);
		return;
	}
	reply_open(r, op_names[op->kind], "_ok");
	if (op->kind == OP_READ) {
		buf_str(r->to, ",\"value\":");
		buf_slice(r->to, o.current->text);
	}
	buf_char(r->to, '}');
}

/* --- reading a request --- */

/* Says what is wrong when there is no such member. */
static struct value *member_value(struct slice body, const char *name, const struct reply *r)
{
	struct slice text = json_member(body, name);
	if (!text.s) {
		reply_errorf(r, ERROR_MALFORMED, "the request has no \"%s\"", name);
		return NULL;
	}
	struct value *v = value_new(text);
	if (!v)
		reply_errorf(r, ERROR_MALFORMED, "\"%s\" holds a number that is too large", name);
	return v;
}

/* Returns false after a reply that says why. The caller ends the op (op_done) in any case. */
static bool op_read(struct op *op, struct slice body, const struct reply *r)
{
	op->key = member_value(body, "key", r);
	if (!op->key)
		return false;
	if (op->kind == OP_READ)
		return true;
	if (op->kind == OP_CAS) {
		op->from = member_value(body, "from", r);
		if (!op->from)
			return false;
		op->create = slice_is(json_member(body, "create_if_not_exists"), "true");
	}
	op->value = member_value(body, op->kind == OP_CAS ? "to" : "value", r);
	return op->value != NULL;
}

static void reply_unknown(const struct reply *r, struct slice type, const char *service)
{
	struct buf text = BUF_EMPTY;
	buf_str(&text, service);
	if (type.s) {
		buf_str(&text, " has no request of type \"");
		add_quote(&text, type);
		buf_char(&text, '"');
	} else {
		buf_str(&text, " was sent a request without a type");
	}
	reply_error(r, type.s ? ERROR_NOT_SUPPORTED : ERROR_MALFORMED, buf_as_slice(&text));
	buf_done(&text);
}

static const char *const service_names[SERVICES] = { [SERVICE_LIN_KV] = "lin-kv", [SERVICE_SEQ_KV] = "seq-kv",
						     [SERVICE_LWW_KV] = "lww-kv", [SERVICE_LIN_TSO] = "lin-tso" };

static void tso_handle(struct services *s, const struct envelope *e, const struct reply *r)
{
	if (!slice_is(e->type, "ts")) {
		reply_unknown(r, e->type, service_names[SERVICE_LIN_TSO]);
		return;
	}
	int64_t ts = s->ts++;
	if (!r->to)
		return;
	reply_open(r, "ts", "_ok");
	buf_str(r->to, ",\"ts\":");
	buf_int(r->to, ts);
	buf_char(r->to, '}');
}

static struct outcome kv_apply(struct services *s, int service, struct slice src, struct op *op)
{
	switch (service) {
	case SERVICE_LIN_KV:
		return seq_apply(&s->lin, src, op);
	case SERVICE_SEQ_KV:
		return seq_apply(&s->seq, src, op);
	default:
		return lww_apply(&s->lww, op);
	}
}

static void kv_handle(struct services *s, int service, struct slice src, const struct envelope *e,
		      const struct reply *r)
{
	struct op op = { 0 };
	while (op.kind < OP_KINDS && !slice_is(e->type, op_names[op.kind]))
		op.kind++;
	if (op.kind == OP_KINDS) {
		reply_unknown(r, e->type, service_names[service]);
		return;
	}
	if (op_read(&op, e->body, r))
		reply_outcome(r, &op, kv_apply(s, service, src, &op));
	op_done(&op);
}

bool services_handle(struct services *s, int service, struct slice src, struct slice body, struct buf *reply)
{
	assert(service >= 0 && service < SERVICES);
	struct envelope e;
	if (envelope_read_body(&e, body, NULL) >= 0)
		return false;
	struct reply r = { e.msg_id == -1 ? NULL : reply, e.msg_id };
	if (service == SERVICE_LIN_TSO)
		tso_handle(s, &e, &r);
	else
		kv_handle(s, service, src, &e, &r);
	return r.to != NULL;
}

/* --- for people --- */

static void print_key(struct buf *b, const struct names *keys, uint32_t i)
{
	buf_str(b, i > 0 ? ",[" : "[");
	buf_slice(b, keys->name[i]);
}

static void print_value(struct buf *b, const struct value *v)
{
	buf_char(b, ',');
	buf_slice(b, v ? v->text : SLICE("null"));
}

static void seq_print(struct buf *b, const struct seq *s)
{
	buf_printf(b, "{\"state\":%llu,\"keys\":[", (unsigned long long)s->newest);
	for (uint32_t i = 0; i < s->keys.count; i++) {
		print_key(b, &s->keys, i);
		print_value(b, history_at(&s->key[i], s->newest));
		buf_char(b, ']');
	}
	buf_str(b, "],\"senders\":{");
	for (uint32_t i = 0; i < s->senders.count; i++) {
		buf_str(b, i > 0 ? "," : "");
		buf_json_string(b, s->senders.name[i]);
		buf_printf(b, ":%llu", (unsigned long long)s->seen[i]);
	}
	buf_str(b, "}}");
}

static void lww_print(struct buf *b, const struct lww *w)
{
	buf_str(b, "{\"keys\":[");
	for (uint32_t i = 0; i < w->keys.count; i++) {
		print_key(b, &w->keys, i);
		for (int r = 0; r < REPLICAS; r++)
			print_value(b, w->key[i].at[r].value);
		buf_char(b, ']');
	}
	buf_str(b, "]}");
}

void services_print(struct buf *b, const struct services *s, int service)
{
	switch (service) {
	case SERVICE_LIN_KV:
		seq_print(b, &s->lin);
		break;
	case SERVICE_SEQ_KV:
		seq_print(b, &s->seq);
		break;
	case SERVICE_LWW_KV:
		lww_print(b, &s->lww);
		break;
	default:
		buf_printf(b, "{\"next\":%lld}", (long long)s->ts);
		break;
	}
}
