/* kv_judge.c - from operations to a verdict on linearizability, and from the smallest contradiction to words. */
#include "kv_judge.h"

#include "check_linear.h"

#define LINEARIZABLE "Herlihy and Wing: Linearizability (1990)"
#define SECTION_8 "Raft (extended version), section 8; "
#define THESIS_READS SECTION_8 "Ongaro's thesis, section 6.4"
#define THESIS_ONCE SECTION_8 "Ongaro's thesis, section 6.3"

static double seconds(int64_t ns)
{
	return (double)ns / (double)NS_PER_S;
}

/* --- operations for the checker --- */

/* False: it says nothing, or did not happen. */
static bool lin_op_of(const struct kv_op *o, size_t index, struct lin_op *out)
{
	bool maybe = o->status == OP_MAYBE || o->status == OP_PENDING;
	if (!kv_call(o) || o->status == OP_FAILED || (maybe && o->f == LIN_READ))
		return false;
	*out = (struct lin_op){ .call = kv_call(o), .ret = maybe ? LIN_MAYBE : o->answered->return_seq, .f = o->f,
		.client = (int)o->session, .key = o->key, .value = o->value, .from = o->from, .result = o->result, .index = index };
	if (o->f == LIN_CAS && o->no_key) { /* it saw that there is none, which is more than that `from` is not there */
		out->f = LIN_READ;
		out->result = LIN_NIL;
	}
	return true;
}

/* --- what an operation tells about the value of its key --- */

struct account {
	struct play *p;
	const struct kv *kv;
	const struct kv_op **core; /* the contradiction, ordered by call */
	size_t core_n;
	int64_t key;
};

static uint64_t returned(const struct kv_op *o)
{
	return o->status == OP_OK ? o->answered->return_seq : UINT64_MAX;
}

static bool is_before(const struct kv_op *a, const struct kv_op *b)
{
	return returned(a) < kv_call(b);
}

static bool is_refused_cas(const struct kv_op *o)
{
	return o->f == LIN_CAS && o->status == OP_OK && !o->result;
}

/* It found this value there. */
static bool found(const struct kv_op *o, int64_t *value)
{
	if (o->status != OP_OK || o->f == LIN_WRITE || (is_refused_cas(o) && !o->no_key))
		return false;
	*value = o->no_key ? LIN_NIL : o->f == LIN_READ ? o->result : o->from;
	return true;
}

/* It left this value there. */
static bool left(const struct kv_op *o, int64_t *value)
{
	if (o->status != OP_OK || (is_refused_cas(o) && !o->no_key))
		return false;
	*value = o->no_key ? LIN_NIL : o->f == LIN_READ ? o->result : o->value;
	return true;
}

/* Whose value it is: one that was written once, also if that was refused. */
static const struct kv_op *writer_of(const struct account *a, int64_t key, int64_t value)
{
	for (size_t i = 0; i < a->kv->n; i++) {
		const struct kv_op *o = a->kv->ops[i];
		if (o->f != LIN_READ && o->key == key && o->value == value && kv_call(o))
			return o;
	}
	return NULL;
}

/* --- words --- */

static const char *value_text(struct play *p, int64_t value)
{
	return value == LIN_NIL ? "no such key" : play_text(p, "%lld", (long long)value);
}

static const char *node_of(const struct account *a, const struct op *request)
{
	return play_node_name(a->p, request->node);
}

/* "the read that n1 answered at 3.210 s (asked at 3.200 s)" */
static const char *told(const struct account *a, const struct kv_op *o)
{
	double asked = seconds(kv_call_ns(o));
	if (o->status != OP_OK)
		return play_text(a->p, "%s (asked at %.3f s, %s)", kv_name(a->p, o), asked,
			o->status == OP_FAILED ? "refused with a definite error" : "never answered");
	const char *how = is_refused_cas(o) ? play_text(a->p, "refused with error %d", o->no_key ? ERROR_NO_KEY : ERROR_PRECONDITION) :
		o->f == LIN_READ ? "answered" : "acknowledged";
	return play_text(a->p, "%s (asked at %.3f s, %s by %s at %.3f s)", kv_name(a->p, o), asked, how, node_of(a, o->answered),
		seconds(o->answered->return_ns));
}

/* "n1 answered 104 at 3.215 s to a read asked at 3.210 s" */
static const char *finding_text(const struct account *a, const struct kv_op *o, int64_t value)
{
	const char *asked = o->f == LIN_READ ? "a read" : play_text(a->p, "%s", kv_name(a->p, o));
	if (o->f == LIN_CAS && !o->no_key)
		return play_text(a->p, "%s (asked at %.3f s) found %s: %s acknowledged it at %.3f s", asked, seconds(kv_call_ns(o)),
			value_text(a->p, value), node_of(a, o->answered), seconds(o->answered->return_ns));
	return play_text(a->p, "%s answered %s at %.3f s to %s asked at %.3f s", node_of(a, o->answered),
		value == LIN_NIL ? "error 20 (no such key)" : value_text(a->p, value), seconds(o->answered->return_ns), asked,
		seconds(kv_call_ns(o)));
}

static void add_evidence(struct finding *f, size_t *n, uint64_t seq)
{
	if (!seq || seq == UINT64_MAX || *n == ARRAY_LEN(f->evidence))
		return;
	size_t at = *n;
	while (at > 0 && f->evidence[at - 1] > seq)
		at--;
	if (at > 0 && f->evidence[at - 1] == seq)
		return;
	for (size_t i = (*n)++; i > at; i--)
		f->evidence[i] = f->evidence[i - 1];
	f->evidence[at] = seq;
}

static void add_op(struct finding *f, size_t *n, const struct kv_op *o)
{
	if (!o)
		return;
	bool much = o->tries_n > 2;
	for (size_t i = 0; i < o->tries_n; i++) {
		if (much && i > 0 && o->tries[i] != o->answered)
			continue;
		add_evidence(f, n, o->tries[i]->call_seq);
		f->nodes |= lane_bit(o->tries[i]->node);
	}
	if (o->answered)
		add_evidence(f, n, o->answered->return_seq);
}

struct shape {
	const char *rule, *source, *expected, *seen, *hint;
	const struct kv_op *op[4]; /* those that prove it */
};

static _Noreturn void fail_shape(const struct account *a, const struct shape *s)
{
	struct finding f = { .rule = s->rule, .source = s->source, .expected = s->expected, .seen = s->seen, .hint = s->hint };
	size_t n = 0;
	int64_t last_ns = 0;
	for (size_t i = 0; i < ARRAY_LEN(s->op); i++) {
		add_op(&f, &n, s->op[i]);
		if (s->op[i] && s->op[i]->answered && s->op[i]->answered->return_ns > last_ns)
			last_ns = s->op[i]->answered->return_ns;
	}
	f.t_ns = last_ns;
	play_fail(a->p, &f);
}

#define HINT_ONCE "keep, in the replicated state, the highest seq of each session and the answer to it. Look there when an entry is " \
	"applied, not when the request comes: the first request may be in the log already. A known pair gets the old answer, and " \
	"changes nothing"
#define HINT_READ "only a leader that knows it still is one may answer a read. Put the read into the log as an entry, or use " \
	"ReadIndex: note the commit index (after an entry of the own term is committed), hear a majority answer a heartbeat, wait until " \
	"that index is applied, then answer. A follower that answers by itself shows the past"
#define HINT_CAS "compare when the entry is applied, in the order of the log: what the leader sees when the request comes is not yet " \
	"decided"
#define HINT_KILLED "a node was killed meanwhile: log, term and vote must be in data_dir before any message speaks of them"
#define HINT_LOST "answer a client only when its entry is committed and applied, and commit only what a majority has on disk. A " \
	"vote goes only to a candidate whose log is at least as up to date"

/* --- the shapes --- */

/* The store may have carried it out for this request: it did not say that it had not. */
static bool is_serious(const struct op *request)
{
	return request->status != OP_FAILED || request->code == ERROR_NO_KEY || request->code == ERROR_PRECONDITION;
}

/* More than one request may have been carried out, the last of them after this place of the trace. */
static bool may_be_repeated(const struct kv_op *o, uint64_t after)
{
	size_t serious = 0;
	bool late = false;
	for (size_t i = 0; i < o->tries_n; i++) {
		const struct op *request = o->tries[i];
		if (!is_serious(request))
			continue;
		late = serious++ > 0 && (request->return_seq == 0 || request->return_seq > after);
	}
	return late;
}

/* A value that nobody wrote before it was seen. */
static void look_for_invented(const struct account *a)
{
	for (size_t i = 0; i < a->core_n; i++) {
		const struct kv_op *o = a->core[i];
		int64_t v;
		if (!found(o, &v) || v == LIN_NIL)
			continue;
		const struct kv_op *w = writer_of(a, o->key, v);
		struct shape s = { .rule = "an answer shows only what was written", .source = LINEARIZABLE, .op = { w, o } };
		const char *seen = finding_text(a, o, v);
		if (!w) {
			s.expected = play_text(a->p, "a value that was written to key %lld before the answer", (long long)o->key);
			s.seen = play_text(a->p, "%s; nobody wrote %lld to key %lld", seen, (long long)v, (long long)o->key);
			s.hint = "give back the value of the key that was asked for, as it was sent";
		} else if (w->status == OP_FAILED) {
			s.expected = play_text(a->p, "what was definitely refused does not happen, not later either: %s was answered with "
				"definite errors only", kv_name(a->p, w));
			s.seen = play_text(a->p, "%s; %s had had %s", seen, kv_name(a->p, w), kv_story(a->p, w));
			s.hint = "error 11 promises that the request was not put into any log. A node that has forwarded it, or put it into its "
				"own log, does not know: no answer, error 0 or 13";
		} else if (is_refused_cas(w)) {
			s.rule = "an operation takes effect once";
			s.source = THESIS_ONCE;
			s.expected = play_text(a->p, "%s was answered with error %d, so it changed nothing", kv_name(a->p, w),
				w->no_key ? ERROR_NO_KEY : ERROR_PRECONDITION);
			s.seen = play_text(a->p, "%s. The compare-and-set had %s", seen, kv_story(a->p, w));
			s.hint = may_be_repeated(w, 0) ? "the first request was carried out, and its answer got lost. The second was carried out again, and "
				"did not find the old value any more. " HINT_ONCE : "compare and set in one step, when the entry is applied";
		} else if (kv_call(w) > returned(o)) {
			s.expected = play_text(a->p, "%lld is seen only after somebody asked to write it", (long long)v);
			s.seen = play_text(a->p, "%s; %s came later", seen, told(a, w));
			s.hint = "an answer must belong to the request that its in_reply_to names";
		} else {
			continue;
		}
		fail_shape(a, &s);
	}
}

/* Did any answer after the operation show its value? */
static bool ever_shown(const struct account *a, const struct kv_op *w, int64_t value)
{
	for (size_t i = 0; i < a->kv->n; i++) {
		const struct kv_op *o = a->kv->ops[i];
		int64_t v;
		if (o != w && o->key == w->key && found(o, &v) && v == value)
			return true;
	}
	return false;
}

static bool was_killed_between(const struct account *a, uint64_t from, uint64_t to)
{
	for (uint64_t seq = from; seq <= to && seq <= trace_count(play_trace(a->p)); seq++)
		if (trace_at(play_trace(a->p), seq)->kind == EVENT_KILL)
			return true;
	return false;
}

/* The value stood there before x: it was left by an operation that ended before, or it came, over compare-and-sets, from a value
 * that was. */
static const struct kv_op *older_than(const struct account *a, int64_t value, const struct kv_op *x)
{
	for (size_t steps = 0; steps < a->kv->n && value != LIN_NIL; steps++) {
		int64_t had;
		for (size_t i = 0; i < a->core_n; i++)
			if (left(a->core[i], &had) && had == value && is_before(a->core[i], x))
				return a->core[i];
		const struct kv_op *w = writer_of(a, a->key, value);
		if (!w || w->f != LIN_CAS)
			return NULL;
		value = w->from;
	}
	return NULL;
}

/* "104 is older: the write of 104 (asked at ...)", or "156 is older: it came from 138, and ..." */
static const char *older_text(const struct account *a, int64_t value, const struct kv_op *old)
{
	int64_t had = value;
	left(old, &had);
	const char *came = had == value ? "" : play_text(a->p, "it came, by compare-and-set, from %s, and ", value_text(a->p, had));
	return play_text(a->p, "%s is older: %s%s", value_text(a->p, value), came,
		old->f == LIN_READ ? finding_text(a, old, had) : told(a, old));
}

struct old_again {
	const struct kv_op *old, *x, *r, *w; /* w: whose value r found; old, w: or NULL */
	int64_t value, put;
};

static void blame(const struct account *a, const struct old_again *o, struct shape *s)
{
	bool killed = was_killed_between(a, kv_call(o->x), returned(o->r));
	if (o->w && may_be_repeated(o->w, kv_call(o->x))) {
		s->rule = "an operation takes effect once";
		s->source = THESIS_ONCE;
		s->expected = play_text(a->p, "%lld was written once, by session s%lld with seq %lld; once it is replaced, it does not come back",
			(long long)o->value, (long long)o->w->session, (long long)o->w->seq);
		s->seen = play_text(a->p, "%s. It happened again: for %s there were %s", s->seen, kv_name(a->p, o->w), kv_story(a->p, o->w));
		s->hint = HINT_ONCE;
		return;
	}
	s->expected = play_text(a->p, "%s, or something that was written later", value_text(a->p, o->put));
	if (o->r->f == LIN_CAS && !killed) {
		s->rule = "compare-and-set is one step";
		s->source = LINEARIZABLE;
		s->hint = HINT_CAS;
	} else if (o->x->f != LIN_READ && !o->x->no_key && !ever_shown(a, o->x, o->put)) {
		s->rule = "an acknowledged write is kept";
		s->source = "Raft (extended version), sections 5.3 and 5.4";
		s->seen = play_text(a->p, "%s. No answer ever showed %lld", s->seen, (long long)o->put);
		s->hint = killed ? HINT_KILLED ". And " HINT_LOST : HINT_LOST;
	} else {
		s->rule = "a read shows what was acknowledged before it";
		s->source = THESIS_READS;
		s->hint = killed ? HINT_KILLED ". If nothing is lost in a crash: " HINT_READ : HINT_READ;
	}
}

/* A value was there, then x put another there, and then r found the old one again. */
static _Noreturn void fail_old_again(const struct account *a, const struct old_again *o)
{
	const struct kv_op *x = o->x;
	const char *put = x->f == LIN_READ || x->no_key ? finding_text(a, x, o->put) : play_text(a->p,
		"%s had been acknowledged by %s at %.3f s", kv_name(a->p, x), node_of(a, x->answered), seconds(x->answered->return_ns));
	struct shape s = { .op = { o->old, x, o->r, o->w != o->old && o->w && o->w->tries_n > 1 ? o->w : NULL } };
	s.seen = play_text(a->p, "key %lld: %s; before that was asked, %s", (long long)a->key, finding_text(a, o->r, o->value), put);
	if (o->old)
		s.seen = play_text(a->p, "%s. But %s", s.seen, older_text(a, o->value, o->old));
	blame(a, o, &s);
	fail_shape(a, &s);
}

static void look_for_old(const struct account *a)
{
	for (size_t k = 0; k < a->core_n; k++)
		for (size_t i = 0; i < a->core_n; i++) {
			struct old_again o = { .r = a->core[k], .x = a->core[i] };
			if (!found(o.r, &o.value) || !left(o.x, &o.put) || o.put == o.value || !is_before(o.x, o.r))
				continue;
			o.old = older_than(a, o.value, o.x);
			o.w = o.value == LIN_NIL ? NULL : writer_of(a, a->key, o.value);
			if (o.old || o.value == LIN_NIL)
				fail_old_again(a, &o);
		}
}

/* Two compare-and-sets found the same value, which was there once. */
static void look_for_two_cas(const struct account *a)
{
	for (size_t i = 0; i < a->core_n; i++)
		for (size_t k = i + 1; k < a->core_n; k++) {
			const struct kv_op *x = a->core[i], *y = a->core[k];
			int64_t v, same;
			if (x->f != LIN_CAS || y->f != LIN_CAS || !x->result || !y->result || !found(x, &v) || !found(y, &same) || v != same)
				continue;
			struct shape s = { .rule = "compare-and-set is one step", .source = LINEARIZABLE,
				.expected = play_text(a->p, "%lld was written once, so one compare-and-set at most replaces it", (long long)v),
				.seen = play_text(a->p, "two did: %s, and %s", told(a, x), told(a, y)),
				.hint = HINT_CAS, .op = { writer_of(a, x->key, v), x, y } };
			fail_shape(a, &s);
		}
}

/* A compare-and-set was refused although the value was the expected one: it had replaced it itself, with an earlier request. */
static void look_for_refused_by_itself(const struct account *a)
{
	for (size_t i = 0; i < a->core_n; i++) {
		const struct kv_op *o = a->core[i];
		if (!is_refused_cas(o) || o->no_key || !may_be_repeated(o, 0))
			continue;
		struct shape s = { .rule = "an operation takes effect once", .source = THESIS_ONCE,
			.expected = play_text(a->p, "cas_ok for %s: the value was %lld, and nobody but itself can have replaced it by then",
				kv_name(a->p, o), (long long)o->from),
			.seen = play_text(a->p, "key %lld: %s, after %s", (long long)a->key, told(a, o), kv_story(a->p, o)),
			.hint = HINT_ONCE, .op = { writer_of(a, a->key, o->from), o } };
		for (size_t k = 0, n = 2; k < a->core_n && n < ARRAY_LEN(s.op); k++)
			if (a->core[k] != s.op[0] && a->core[k] != o)
				s.op[n++] = a->core[k];
		fail_shape(a, &s);
	}
}

static const char *list_text(const struct account *a)
{
	const char *text = "";
	for (size_t i = 0; i < a->core_n && i < 8; i++) {
		const struct kv_op *o = a->core[i];
		int64_t v;
		const char *one = o->f == LIN_READ && found(o, &v) ? finding_text(a, o, v) : told(a, o);
		text = play_text(a->p, "%s%s(%zu) %s", text, i ? "; " : "", i + 1, one);
	}
	return text;
}

static bool has_cas(const struct account *a)
{
	for (size_t i = 0; i < a->core_n; i++)
		if (a->core[i]->f == LIN_CAS)
			return true;
	return false;
}

static _Noreturn void fail_plainly(const struct account *a)
{
	struct shape s = { .rule = "one order explains every answer", .source = LINEARIZABLE,
		.expected = "an order of all operations on the key, each between its request and its answer, in which a single copy would have "
			"given these answers",
		.seen = play_text(a->p, "key %lld: there is none for these %zu, whatever the others did: %s%s", (long long)a->key,
			a->core_n, list_text(a), a->core_n > 8 ? "; ..." : ""),
		.hint = has_cas(a) ? HINT_CAS : HINT_READ };
	for (size_t i = 0; i < a->core_n && i < ARRAY_LEN(s.op); i++)
		s.op[i] = a->core[a->core_n - 1 - i];
	fail_shape(a, &s);
}

static _Noreturn void fail_core(struct play *p, const struct kv *kv, const struct lin_op *ops, const struct lin_report *r)
{
	struct account a = { .p = p, .kv = kv, .core = arena_alloc(play_arena(p), r->core_n * sizeof *a.core), .core_n = r->core_n,
		.key = r->key };
	for (size_t i = 0; i < r->core_n; i++)
		a.core[i] = kv->ops[ops[r->core[i]].index];
	look_for_invented(&a);
	look_for_two_cas(&a);
	look_for_old(&a);
	look_for_refused_by_itself(&a);
	fail_plainly(&a);
}

void kv_judge(struct play *p, const struct kv *kv)
{
	struct lin_op *ops = arena_alloc(play_arena(p), (kv->n + 1) * sizeof *ops);
	size_t n = 0, answered = 0;
	for (size_t i = 0; i < kv->n; i++) {
		n += lin_op_of(kv->ops[i], i, &ops[n]);
		answered += kv->ops[i]->status == OP_OK;
	}
	struct lin_report r = lin_check(play_arena(p), &lin_map, ops, n, &(struct lin_options){ 0 });
	play_measure(p, "operations judged", (double)answered, "", NULL);
	if (r.verdict == LIN_UNKNOWN)
		play_unknown(p, play_text(p, "the search for an order of the %zu operations on key %lld was given up after %llu steps", r.ops,
			(long long)r.key, (unsigned long long)r.states));
	if (r.verdict == LIN_FAIL)
		fail_core(p, kv, ops, &r);
}
