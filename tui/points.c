#include "points.h"

#include <stdlib.h>

#include "check_linear.h"
#include "canon.h"
#include "proto.h"

enum { STATES_MAX = 50000, BYTES_MAX = 32 << 20, SAME_LOOK_BACK = 400 };

/* Operations as the checker takes them. A request that is asked again (same session, same seq) is one operation. */
struct gathering {
	struct source *source;
	struct arena arena;
	struct lin_op *op;
	struct slice *session, *seq;
	bool *settled; /* an answer says what became of it */
	size_t n;
	size_t *of;    /* by the survey's operation: which of op[]; SIZE_MAX: none */
};

static bool is_object(struct slice s)
{
	return s.n && s.s[0] == '{' && json_valid(s, NULL);
}

static bool read_request(struct lin_op *op, struct slice body)
{
	static const struct { const char *type; int f; } types[] = { { "\"read\"", LIN_READ }, { "\"write\"", LIN_WRITE }, { "\"cas\"", LIN_CAS } };
	struct slice type = is_object(body) ? json_member(body, "type") : SLICE_NONE;
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (slice_is(type, types[i].type)) {
			op->f = types[i].f;
			bool good = slice_int(json_member(body, "key"), &op->key);
			if (op->f == LIN_WRITE)
				good &= slice_int(json_member(body, "value"), &op->value);
			if (op->f == LIN_CAS)
				good &= slice_int(json_member(body, "from"), &op->from) && slice_int(json_member(body, "to"), &op->value);
			return good;
		}
	return false;
}

enum outcome { DONE, NOT_DONE, PERHAPS };

/* What an answer says. A store that has no such key was seen to have none. */
static enum outcome read_answer(struct lin_op *op, struct slice body)
{
	int64_t code;
	if (!is_object(body))
		return PERHAPS;
	if (!slice_is(json_member(body, "type"), "\"error\"")) {
		op->result = 1;
		return op->f != LIN_READ || slice_int(json_member(body, "value"), &op->result) ? DONE : PERHAPS;
	}
	if (!slice_int(json_member(body, "code"), &code))
		return PERHAPS;
	op->result = op->f == LIN_READ ? LIN_NIL : 0;
	if ((op->f == LIN_READ && code == ERROR_NO_KEY) || (op->f == LIN_CAS && (code == ERROR_PRECONDITION || code == ERROR_NO_KEY)))
		return DONE;
	return proto_error_definite(code) ? NOT_DONE : PERHAPS;
}

/* The operation that this request asks for once more; n: it is a new one. */
static size_t same_as(const struct gathering *g, struct slice session, struct slice seq)
{
	for (size_t i = g->n; session.n && seq.n && i > 0 && g->n - i < SAME_LOOK_BACK; i--)
		if (slice_eq(g->session[i - 1], session) && slice_eq(g->seq[i - 1], seq))
			return i - 1;
	return g->n;
}

static bool gather_one(struct gathering *g, const struct operation *from, size_t *of)
{
	const struct event *call = source_at(g->source, from->call);
	struct lin_op op = { .call = from->call, .ret = LIN_MAYBE, .client = from->client };
	if (!call || !read_request(&op, call->text))
		return false;
	struct slice session = json_member(call->text, "session"), seq = json_member(call->text, "seq");
	size_t i = same_as(g, session, seq);
	if (i == g->n) {
		g->op[i] = op;
		g->session[i] = arena_copy(&g->arena, session);
		g->seq[i] = arena_copy(&g->arena, seq);
		g->settled[i] = false;
		g->n++;
	}
	*of = i;
	const struct event *reply = from->reply ? source_at(g->source, from->reply) : NULL;
	enum outcome outcome = reply ? read_answer(&op, reply->text) : PERHAPS;
	if (outcome == DONE && !g->settled[i]) {
		g->op[i].ret = from->reply;
		g->op[i].result = op.result;
		g->settled[i] = true;
	}
	if (outcome == NOT_DONE && g->op[i].call == from->call && !g->settled[i])
		*of = SIZE_MAX; /* refused; when nothing follows it is left out */
	return true;
}

/* What was refused and never asked again did not happen. */
static void leave_out_refused(struct gathering *g, const struct survey *s)
{
	bool *asked = xcalloc(g->n + 1, sizeof *asked);
	size_t *to = xcalloc(g->n + 1, sizeof *to), n = 0;
	for (size_t i = 0; i < s->ops_n; i++)
		if (g->of[i] != SIZE_MAX)
			asked[g->of[i]] = true;
	for (size_t i = 0; i < g->n; i++)
		if (asked[i]) {
			to[i] = n;
			g->op[n] = g->op[i];
			g->op[n].index = n;
			n++;
		}
	for (size_t i = 0; i < s->ops_n; i++)
		if (g->of[i] != SIZE_MAX)
			g->of[i] = to[g->of[i]];
	g->n = n;
	free(asked);
	free(to);
}

static bool gather(struct gathering *g, const struct survey *s)
{
	for (size_t i = 0; i < s->ops_n; i++)
		if (!gather_one(g, &s->ops[i], &g->of[i]))
			return false;
	leave_out_refused(g, s);
	return g->n > 0;
}

static int64_t time_of(struct source *source, uint64_t seq)
{
	const struct event *e = source_at(source, seq);
	return e ? e->t_ns : -1;
}

/* Each step at the earliest moment that its call and the step before allow; the parts (keys) have orders of their own. */
static void place(struct points *p, const struct gathering *g, const struct survey *s, const struct lin_report *r)
{
	int64_t *at = xcalloc(g->n + 1, sizeof *at), now = -1, key = 0;
	for (size_t i = 0; i < g->n; i++)
		at[i] = -1;
	for (size_t i = 0; i < r->steps_n; i++) {
		const struct lin_op *op = &g->op[r->steps[i].op];
		if (i == 0 || op->key != key)
			now = -1;
		key = op->key;
		int64_t call = time_of(g->source, op->call);
		now = call > now ? call : now;
		at[r->steps[i].op] = now;
	}
	for (size_t i = 0; i < s->ops_n; i++) { /* of a request that was asked again: where the answer is that counts */
		const struct lin_op *op = g->of[i] == SIZE_MAX ? NULL : &g->op[g->of[i]];
		bool here = op && (lin_is_maybe(op) ? op->call == s->ops[i].call : op->ret == s->ops[i].reply);
		p->t_ns[i] = here ? at[g->of[i]] : -1;
	}
	free(at);
}

static void blame(struct points *p, const struct gathering *g, const struct survey *s, const struct lin_report *r)
{
	for (size_t k = 0; k < r->core_n; k++)
		for (size_t i = 0; i < s->ops_n; i++)
			p->conflict[i] |= g->of[i] == r->core[k];
}

static void judge(struct points *p, struct gathering *g, const struct survey *s)
{
	struct lin_options options = { .states = STATES_MAX, .bytes = BYTES_MAX, .witness = true };
	struct lin_report r = lin_check(&g->arena, &lin_map, g->op, g->n, &options);
	p->state = r.verdict == LIN_PASS ? POINTS_ORDER : r.verdict == LIN_FAIL ? POINTS_CONFLICT : POINTS_UNKNOWN;
	if (p->state == POINTS_ORDER)
		place(p, g, s, &r);
	if (p->state == POINTS_CONFLICT)
		blame(p, g, s, &r);
}

void points_find(struct points *p, const struct survey *s, struct source *source)
{
	size_t n = s->ops_n;
	points_done(p);
	p->ops_n = n;
	if (n == 0 || n > POINTS_OPS_MAX)
		return;
	p->t_ns = xcalloc(n, sizeof *p->t_ns);
	p->conflict = xcalloc(n, sizeof *p->conflict);
	struct gathering g = { .source = source, .op = xcalloc(n, sizeof *g.op), .session = xcalloc(n, sizeof *g.session),
		.seq = xcalloc(n, sizeof *g.seq), .settled = xcalloc(n, sizeof *g.settled), .of = xcalloc(n, sizeof *g.of) };
	arena_init(&g.arena);
	for (size_t i = 0; i < n; i++)
		p->t_ns[i] = -1;
	if (gather(&g, s))
		judge(p, &g, s);
	arena_done(&g.arena);
	free(g.op);
	free(g.session);
	free(g.seq);
	free(g.settled);
	free(g.of);
}

void points_done(struct points *p)
{
	free(p->t_ns);
	free(p->conflict);
	*p = (struct points){ 0 };
}
