/* play.c - the verbs of a judge that have to do with time, asking and judging. */
#include "play.h"

#include "files.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "canon.h"
#include "text.h"

enum { ASK_TIMEOUT_MS = 5000, EVENTS_LIMIT = 5000000, MEMORY_LIMIT_MB = 2048, LOOKS_PER_CLOCK = 16, QUOTE_COLUMNS = 200, CHILDREN_DEPTH = 8 };

const struct network LAB_NETWORK = { .mean_ns = NS_PER_MS, .dist = DIST_EXPONENTIAL };

/* --- the world --- */

int play_nodes(const struct play *p) { return p->lanes.nodes; }
int64_t play_now(const struct play *p) { return p->ops->now(p->fabric); }
int64_t play_elapsed_ms(const struct play *p) { return (play_now(p) - p->t0_ns) / NS_PER_MS; }
struct rng *play_rng(struct play *p) { return &p->rng; }
uint64_t play_seed(const struct play *p) { return p->spec->seed; }
bool play_time_is_exact(const struct play *p) { return p->ops->deterministic; }
struct arena *play_arena(struct play *p) { return &p->arena; }
const struct trace *play_trace(const struct play *p) { return p->trace; }
const struct history *play_history(const struct play *p) { return p->history; }
const struct lanes *play_lanes(const struct play *p) { return &p->lanes; }
const char *play_node_name(const struct play *p, int node) { return lane_name(&p->lanes, node); }
void *play_data(struct play *p) { return p->lab_data; }
void play_set_data(struct play *p, void *data) { p->lab_data = data; }
bool play_is_up(const struct play *p, int node) { return p->up[node]; }

const char *play_text(struct play *p, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	const char *s = arena_vprintf(&p->arena, fmt, ap);
	va_end(ap);
	return s;
}

const char *play_quote(struct play *p, struct slice text)
{
	struct buf b = BUF_EMPTY;
	text_add(&b, text, QUOTE_COLUMNS, false);
	const char *s = arena_copy(&p->arena, (struct slice){ buf_cstr(&b), b.n + 1 }).s;
	buf_done(&b);
	return s;
}

/* --- the agenda: what the harness itself will do, ordered by (time, order of entry) --- */

static bool sooner(const struct agenda_item *a, const struct agenda_item *b)
{
	return a->t_ns != b->t_ns ? a->t_ns < b->t_ns : a->order < b->order;
}

static void swap_items(struct agenda_item *a, struct agenda_item *b)
{
	struct agenda_item t = *a;
	*a = *b;
	*b = t;
}

void play_agenda_add(struct play *p, int64_t t_ns, void (*fn)(struct play *, void *), void *arg)
{
	if (p->agenda_n == p->agenda_cap) {
		p->agenda_cap = p->agenda_cap ? p->agenda_cap * 2 : 64;
		p->agenda = xrealloc(p->agenda, p->agenda_cap * sizeof *p->agenda);
	}
	size_t i = p->agenda_n++;
	p->agenda[i] = (struct agenda_item){ .t_ns = t_ns, .order = p->agenda_order++, .fn = fn, .arg = arg };
	for (; i > 0 && sooner(&p->agenda[i], &p->agenda[(i - 1) / 2]); i = (i - 1) / 2)
		swap_items(&p->agenda[i], &p->agenda[(i - 1) / 2]);
}

static struct agenda_item agenda_pop(struct play *p)
{
	struct agenda_item top = p->agenda[0];
	p->agenda[0] = p->agenda[--p->agenda_n];
	for (size_t i = 0;;) {
		size_t least = i, left = 2 * i + 1;
		for (size_t k = left; k < left + 2 && k < p->agenda_n; k++)
			if (sooner(&p->agenda[k], &p->agenda[least]))
				least = k;
		if (least == i)
			return top;
		swap_items(&p->agenda[i], &p->agenda[least]);
		i = least;
	}
}

void play_at(struct play *p, int64_t ms, void (*fn)(struct play *, void *), void *arg)
{
	play_agenda_add(p, play_now(p) + ms * NS_PER_MS, fn, arg);
}

/* --- what the harness adds to the trace --- */

static void notify(struct play *p, const struct event *e)
{
	if (p->store)
		store_poke(p->store);
	if (p->spec->watch)
		p->spec->watch(p->spec->watch_ctx, p->trace, e);
	if (p->lab->watch && p->phase == PLAY_PLAYING)
		p->lab->watch(p, e);
}

uint64_t play_record(struct play *p, struct event *e)
{
	e->t_ns = play_now(p);
	uint64_t seq = trace_append(p->trace, e);
	notify(p, trace_at(p->trace, seq));
	return seq;
}

static void trace_text(struct play *p, int kind, int node, const char *text)
{
	struct event e = { .kind = (uint8_t)kind, .src = (int16_t)node, .dst = (int16_t)node, .text = slice_of(text) };
	play_record(p, &e);
}

void play_note(struct play *p, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	const char *s = arena_vprintf(&p->arena, fmt, ap);
	va_end(ap);
	trace_text(p, EVENT_NOTE, LANE_NONE, s);
}

/* --- judging --- */

_Noreturn static void over(struct play *p)
{
	p->phase = PLAY_OVER;
	longjmp(p->stop, 1);
}

static bool takes_over(const struct play *p)
{
	return p->spec->take_over && p->phase == PLAY_PLAYING && !p->unjudged;
}

/* What has not been handled of that moment is left to whom it is handed to. */
_Noreturn void play_hand_over(struct play *p)
{
	p->unjudged = true;
	p->phase = PLAY_CHECKING; /* the test's limits end with it */
	p->spec->take_over(p);
	over(p);
}

static void set_verdict(struct play *p, enum verdict v, const struct finding *f)
{
	struct result *r = p->result;
	r->verdict = v;
	snprintf(r->rule, sizeof r->rule, "%s", f->rule);
	snprintf(r->source, sizeof r->source, "%s", f->source ? f->source : "");
	r->expected = f->expected ? xstrdup(f->expected) : NULL;
	r->seen = f->seen ? xstrdup(f->seen) : NULL;
	r->hint = f->hint ? xstrdup(f->hint) : NULL;
	r->t_ns = f->t_ns ? f->t_ns : play_now(p);
	struct buf b = BUF_EMPTY;
	lane_set_print(&b, &p->lanes, f->nodes);
	snprintf(r->nodes, sizeof r->nodes, "%s", buf_cstr(&b));
	buf_done(&b);
	memcpy(r->evidence, f->evidence, sizeof r->evidence);
}

_Noreturn void play_fail(struct play *p, const struct finding *f)
{
	if (takes_over(p)) /* a fork is there to see what comes after */
		play_hand_over(p);
	set_verdict(p, VERDICT_FAIL, f);
	over(p);
}

_Noreturn void play_unknown(struct play *p, const char *why)
{
	set_verdict(p, VERDICT_UNKNOWN, &(struct finding){ .rule = "the judge could not decide", .seen = why });
	over(p);
}

_Noreturn void play_stop_world(struct play *p)
{
	p->result->verdict = VERDICT_WORLD;
	over(p);
}

void play_measure(struct play *p, const char *what, double value, const char *unit, const char *bound)
{
	struct result *r = p->result;
	if (r->measures_n == MEASURES_MAX)
		return;
	struct measure *m = &r->measures[r->measures_n++];
	snprintf(m->what, sizeof m->what, "%s", what);
	snprintf(m->unit, sizeof m->unit, "%s", unit ? unit : "");
	snprintf(m->bound, sizeof m->bound, "%s", bound ? bound : "");
	m->value = value;
}

/* --- what comes from the fabric --- */

static void lint_once(struct play *p, int node, unsigned kind, const char *text)
{
	if (p->lint_kinds[kind]++ < 3)
		trace_text(p, EVENT_LINT, node, text);
}

enum lint_kind { LINT_LATE, LINT_NOTHING, LINT_SHAPE, LINT_TYPE, LINT_INIT };

static const struct reply_shape *shape_of(const struct play *p, struct slice type)
{
	for (const struct reply_shape *s = p->lab->shapes; s && s->type; s++)
		if (slice_is(type, s->type))
			return s;
	return NULL;
}

static bool word_in(const char *words, struct slice word)
{
	for (const char *at = words; *at;) {
		size_t n = strcspn(at, " ");
		if (slice_eq((struct slice){ at, n }, word))
			return true;
		at += n + (at[n] == ' ');
	}
	return false;
}

static void check_shape(struct play *p, const struct event *e, struct slice type)
{
	const struct reply_shape *shape = shape_of(p, type);
	struct slice key, value;
	size_t pos = 0;
	while (shape && p->lint_kinds[LINT_SHAPE] < 3 && json_member_next(e->text, &pos, &key, &value))
		if (!memchr(key.s, '\\', key.n) && !word_in("type msg_id in_reply_to", key) && !word_in(shape->keys, key))
			lint_once(p, e->src, LINT_SHAPE, play_text(p, "%s has a key that does not belong there: \"%.*s\"",
				shape->type, SLICE_ARG(key)));
}

static bool type_answers(struct slice request_type, struct slice type)
{
	return type.n == request_type.n + 3 && memcmp(type.s, request_type.s, request_type.n) == 0 &&
		memcmp(type.s + request_type.n, "_ok", 3) == 0;
}

static void end_op(struct play *p, struct op *op, int status, int code)
{
	op->status = (uint8_t)status;
	op->code = (int16_t)code;
	if (op->client >= 0 && p->client[op->client].op == op)
		p->client[op->client].op = NULL;
	workload_op_ended(p, op);
}

static void answer_op(struct play *p, struct op *op, const struct event *e)
{
	struct slice type = trace_type_name(p->trace, e->type);
	op->answer = e->text;
	op->return_ns = e->t_ns;
	op->return_seq = e->seq;
	if (slice_is(type, "error")) {
		const json_t *doc = play_json(p, e->text);
		int64_t code = json_get_int(doc, "code", ERROR_CRASH);
		end_op(p, op, proto_error_definite(code) ? OP_FAILED : OP_MAYBE, code > INT16_MAX ? INT16_MAX : (int)code);
	} else if (type_answers(slice_of(op->f), type)) {
		check_shape(p, e, type);
		end_op(p, op, OP_OK, 0);
	} else {
		lint_once(p, e->src, LINT_TYPE, play_text(p, "answered %s with a \"%.*s\"; expected \"%s_ok\"", op->f,
			SLICE_ARG(type), op->f));
		end_op(p, op, OP_MAYBE, ERROR_CRASH);
	}
}

/* The harness holds back all else until a node has answered init, so what it says to c0 before that is about init. */
static void init_reply(struct play *p, const struct event *e)
{
	struct slice type = trace_type_name(p->trace, e->type);
	bool ok = slice_is(type, "init_ok");
	if (ok && e->arg == INIT_MSG_ID)
		return;
	struct slice number = json_member(e->text, "in_reply_to");
	const char *text = "answered init without in_reply_to: it must be the msg_id of the request, 1";
	if (!ok)
		text = play_text(p, "answered init with a \"%s\" instead of init_ok", play_quote(p, type));
	else if (number.s)
		text = play_text(p, "answered init with in_reply_to %s: it must be the msg_id of the request, written as it came: 1",
			play_quote(p, number));
	if (!p->init_remark[e->src])
		p->init_remark[e->src] = text;
	lint_once(p, e->src, LINT_INIT, text);
}

static const char *reply_to_nothing(struct play *p, const struct event *e)
{
	struct slice number = json_member(e->text, "in_reply_to");
	if (e->arg >= 0)
		return play_text(p, "a reply to nothing: no request of %s has the msg_id %lld", lane_name(&p->lanes, e->dst),
			(long long)e->arg);
	if (number.s)
		return play_text(p, "a reply with in_reply_to %s: it must be the request's msg_id, a whole number written as it came",
			play_quote(p, number));
	return "a reply without the number in_reply_to: nobody can tell what it answers";
}

static void client_reply(struct play *p, const struct event *e)
{
	int number = e->dst - lane_client(&p->lanes, 0);
	struct client *c = &p->client[number];
	if (c->op && e->arg == c->awaited)
		answer_op(p, c->op, e);
	else if (number == 0 && !p->ready[e->src])
		init_reply(p, e);
	else if (e->arg >= 1 && e->arg <= c->msg_id)
		lint_once(p, e->src, LINT_LATE, "a second reply, or one that came too late; it is not counted");
	else if (p->thrown & lane_bit(e->src))
		return; /* odd replies to odd messages */
	else
		lint_once(p, e->src, LINT_NOTHING, reply_to_nothing(p, e));
}

/* Type and in_reply_to of a body that the harness wrote. Requests of judges nearly always begin with their type, and
 * are not replies: then there is nothing more to read. */
static void read_own_body(struct envelope *e, struct slice body, bool request)
{
	static const char head[] = "{\"type\":\"";
	const size_t skip = sizeof head - 1;
	const char *end = body.n > skip ? memchr(body.s + skip, '"', body.n - skip) : NULL;
	if (request && end && memcmp(body.s, head, skip) == 0 && !memchr(body.s + skip, '\\', (size_t)(end - body.s) - skip)) {
		e->type = (struct slice){ body.s + skip, (size_t)(end - body.s) - skip };
		e->in_reply_to = -1;
		return;
	}
	size_t at;
	int bad = envelope_read_body(e, body, &at);
	assert(bad < 0);
	(void)bad;
}

static void post(struct play *p, int src, int node, struct slice body, struct slice *type)
{
	struct envelope e;
	read_own_body(&e, body, lane_is_client(&p->lanes, src));
	struct parcel parcel = { .src = src, .node = node, .body = body, .type = trace_type(p->trace, e.type),
		.in_reply_to = e.in_reply_to };
	*type = trace_type_name(p->trace, parcel.type);
	if (!p->ops->post(p->fabric, &parcel, &p->err))
		play_stop_world(p);
}

static void service_request(struct play *p, const struct event *e)
{
	struct buf reply = BUF_EMPTY;
	struct slice from = slice_of(lane_name(&p->lanes, e->src));
	if (services_handle(p->services, e->dst - lane_service(&p->lanes, 0), from, trace_body(p->trace, e), &reply)) {
		struct slice body = arena_copy(&p->arena, buf_as_slice(&reply)), type;
		buf_done(&reply);
		post(p, e->dst, e->src, body, &type);
	} else {
		buf_done(&reply);
	}
}

/* The last lines of stderr before an end, for the report. */
static void keep_stderr(struct play *p, int node)
{
	enum { LINES = 20 };
	uint64_t seqs[LINES];
	size_t n = 0;
	for (uint64_t s = trace_count(p->trace); s >= 1 && n < LINES; s--) {
		const struct event *e = trace_at(p->trace, s);
		if (e->kind == EVENT_START && e->src == node && n > 0)
			break;
		if (e->kind == EVENT_LOG && e->src == node)
			seqs[n++] = s;
	}
	struct buf b = BUF_EMPTY;
	while (n > 0) {
		buf_slice(&b, trace_at(p->trace, seqs[--n])->text);
		buf_char(&b, '\n');
	}
	free(p->result->stderr_tail);
	p->result->stderr_tail = b.n ? xstrdup(buf_cstr(&b)) : NULL;
	buf_done(&b);
}

/* The first bad line of a node, which mostly tells more than what followed from it. */
static const struct event *first_bad(const struct play *p, int node)
{
	for (uint64_t s = 1; s <= trace_count(p->trace); s++) {
		const struct event *e = trace_at(p->trace, s);
		if (e->kind == EVENT_BAD && e->src == node)
			return e;
	}
	return NULL;
}

static const char *start_hint(struct play *p, const struct event *bad, bool by_itself)
{
	if (by_itself && p->result->stderr_tail)
		return "it ended before it had answered: the last lines of its stderr are shown here";
	if (p->lab->kind == LAB_SOCKETS)
		return "listen on the address in the environment variable DLAB_LISTEN (host:port), and accept connections for ever";
	if (!bad && p->result->stderr_tail)
		return "it ended before it answered init: the last lines of its stderr, shown here, say why";
	if (!bad)
		return "the first line on stdin is init. Answer it with one line on stdout: {\"src\":\"n1\",\"dest\":\"c0\","
		       "\"body\":{\"type\":\"init_ok\",\"in_reply_to\":1}}, and flush stdout after each line";
	if (bad->why == BAD_ECHO)
		return "a node reads a message and writes a new one: swap src and dest, set type and in_reply_to";
	return play_text(p, "stdout is for messages only, one JSON object a line; print remarks to stderr. The line was: %.*s",
		SLICE_ARG(bad->text));
}

static _Noreturn void fail_start(struct play *p, int node, const char *seen, uint64_t evidence, bool by_itself)
{
	const struct event *bad = first_bad(p, node);
	p->result->start_failed = p->phase == PLAY_STARTING;
	const char *before = bad ? bad_text(bad->why) : p->init_remark[node];
	if (before)
		seen = play_text(p, "%s. Before that it %s", seen, before);
	bool sockets = p->lab->kind == LAB_SOCKETS;
	FAIL(p, .rule = sockets ? "a node accepts connections" : "a node answers init",
		.expected = sockets ? "the port in DLAB_LISTEN accepts connections within 10 s" :
			"every node answers init with init_ok within 10 s",
		.seen = seen, .hint = start_hint(p, bad, by_itself), .nodes = lane_bit(node), .evidence = { bad ? bad->seq : evidence, bad ? evidence : 0 });
}

static const char *end_hint(const struct play *p, bool by_itself)
{
	if (p->result->stderr_tail)
		return "the last lines of its stderr are shown here";
	return by_itself ? "catch the error, or print to stderr where you are: the last lines are shown here" :
		"dlab ended it for the reason that is given; mend that first";
}

static void node_ended(struct play *p, const struct event *e)
{
	int node = e->src;
	bool by_lab = p->killed[node];
	bool was_ready = p->ready[node];
	p->up[node] = p->ready[node] = p->paused[node] = p->killed[node] = false;
	if (by_lab)
		return;
	p->exit_status[node] = e->arg;
	if (p->may_end[node] || p->phase == PLAY_CHECKING)
		return;
	const char *name = lane_name(&p->lanes, node);
	bool by_itself = e->arg != 1000 + SIGKILL;
	if (!was_ready)
		fail_start(p, node, play_text(p, "%s %.*s", name, SLICE_ARG(e->text)), e->seq, by_itself);
	/* Before anybody asked anything, as a node that does not know lockstep: the other tests would end alike. */
	p->result->start_failed |= history_count(p->history) == 0;
	const struct event *bad = first_bad(p, node);
	FAIL(p, .rule = "a node does not end by itself", .expected = "every node runs until the test is over",
		.seen = play_text(p, "%s %.*s", name, SLICE_ARG(e->text)),
		.hint = end_hint(p, by_itself), .nodes = lane_bit(node), .evidence = { bad ? bad->seq : e->seq, bad ? e->seq : 0 });
}

/* The request of an operation is in the trace now: several that were asked at once have a place each. */
static void note_call(struct play *p, const struct event *e)
{
	if (!lane_is_client(&p->lanes, e->src))
		return;
	struct op *op = p->client[e->src - lane_client(&p->lanes, 0)].op;
	if (op && op->node == e->dst && slice_eq(op->request, e->text))
		op->call_seq = e->seq;
}

static void count_bite(struct play *p, const struct event *e)
{
	if (e->kind == EVENT_DROP && e->why == DROP_CUT)
		p->bites.cut++;
	if (e->kind == EVENT_DROP && e->why == DROP_LOSS)
		p->bites.lost++;
	if (e->kind == EVENT_RECV && e->why == 1)
		p->bites.doubled++;
}

static void handle(struct play *p, const struct event *given)
{
	const struct event *e = trace_at(p->trace, trace_append(p->trace, given));
	switch (e->kind) {
	case EVENT_START: p->up[e->src] = true; break;
	case EVENT_READY: p->ready[e->src] = true; break;
	case EVENT_PAUSE: p->paused[e->src] = true; break;
	case EVENT_RESUME: p->paused[e->src] = false; break;
	case EVENT_KILL: p->killed[e->src] = true; break;
	case EVENT_SEND:
	case EVENT_CALL: note_call(p, e); break;
	case EVENT_REPLY: client_reply(p, e); break;
	case EVENT_EXIT:
		if (!p->killed[e->src])
			keep_stderr(p, e->src); /* before the lab may judge the end */
		notify(p, e);
		node_ended(p, e);
		return;
	case EVENT_DROP: count_bite(p, e); break;
	case EVENT_RECV:
		count_bite(p, e);
		if (lane_is_service(&p->lanes, e->dst))
			service_request(p, e);
		break;
	default: break;
	}
	notify(p, e);
}

/* --- the loop --- */

/* The call of the first operation without an answer; 0: none. */
static uint64_t first_unanswered(const struct play *p)
{
	for (size_t i = 0; i < history_count(p->history); i++) {
		const struct op *op = history_at(p->history, i);
		if (op->status != OP_SKIPPED && op->answer.n == 0)
			return op->call_seq;
	}
	return 0;
}

static const char *how_far(struct play *p)
{
	size_t asked = 0, unanswered = 0;
	for (size_t i = 0; i < history_count(p->history); i++) {
		const struct op *op = history_at(p->history, i);
		asked += op->status != OP_SKIPPED;
		unanswered += op->status != OP_SKIPPED && op->answer.n == 0;
	}
	return play_text(p, "it was still going on: %zu requests so far, and %zu of them without an answer", asked, unanswered);
}

static void look_at_limits(struct play *p)
{
	if (p->phase == PLAY_PLAYING && play_now(p) - p->t0_ns > p->test->limit_ms * NS_PER_MS)
		FAIL(p, .rule = "the test ends in time",
			.expected = play_text(p, "an end within %.1f s", (double)p->test->limit_ms / 1000),
			.seen = how_far(p), .hint = "a client that gets no answer waits until its time is up, and that makes a test long: look "
				"at the first request without an answer", .evidence = { first_unanswered(p) });
	if (trace_count(p->trace) > EVENTS_LIMIT)
		FAIL(p, .rule = "a run stays below 5,000,000 events", .expected = "far fewer messages",
			.seen = "the nodes send without end", .hint = "look for two nodes that answer each other's answers");
	if (p->arena.total > (size_t)MEMORY_LIMIT_MB << 20)
		FAIL(p, .rule = "a run stays below 2 GB of messages", .expected = "fewer or shorter messages",
			.seen = "the nodes write without end");
	int64_t limit = p->spec->real_limit_ns ? p->spec->real_limit_ns : 120 * NS_PER_S;
	if (p->looks++ % LOOKS_PER_CLOCK == 0 && clock_ns() - p->real_began_ns > limit)
		play_unknown(p, play_text(p, "the run took more than %lld s of real time", (long long)(limit / NS_PER_S)));
}

bool play_pump_one(struct play *p, int64_t until_ns)
{
	int64_t now = play_now(p), wake = until_ns;
	if (p->agenda_n && p->agenda[0].t_ns < wake)
		wake = p->agenda[0].t_ns;
	bool taken = takes_over(p);
	if (taken && p->spec->take_over_ns < wake)
		wake = p->spec->take_over_ns;
	if (wake < now)
		wake = now;
	struct event e;
	int got = p->ops->next(p->fabric, wake, &e, &p->err);
	if (got < 0)
		play_stop_world(p);
	if (got > 0) {
		handle(p, &e);
		look_at_limits(p);
		return true;
	}
	now = play_now(p);
	if (taken && now >= p->spec->take_over_ns)
		play_hand_over(p);
	if (p->agenda_n && p->agenda[0].t_ns <= now) {
		struct agenda_item item = agenda_pop(p);
		item.fn(p, item.arg);
		look_at_limits(p);
		return true;
	}
	look_at_limits(p);
	return now < until_ns;
}

void play_pump(struct play *p, int64_t until_ns)
{
	while (play_pump_one(p, until_ns))
		;
}

void play_for(struct play *p, int64_t ms)
{
	play_pump(p, play_now(p) + ms * NS_PER_MS);
}

bool play_until(struct play *p, play_cond cond, void *arg, int64_t limit_ms)
{
	int64_t until = play_now(p) + limit_ms * NS_PER_MS;
	while (!cond(p, arg))
		if (!play_pump_one(p, until))
			return cond(p, arg);
	return true;
}

/* --- asking --- */

const json_t *play_json(struct play *p, struct slice text)
{
	struct err e;
	json_t *doc = json_read(text, &e);
	if (!doc)
		return NULL;
	if (p->docs_n == p->docs_cap) {
		p->docs_cap = p->docs_cap ? p->docs_cap * 2 : 64;
		p->docs = xrealloc(p->docs, p->docs_cap * sizeof(json_t *));
	}
	return p->docs[p->docs_n++] = doc;
}

/* One place on the agenda per client, however many operations it has had since: most of them end in time. */
static void look_at_deadline(struct play *p, void *arg)
{
	struct client *c = arg;
	c->watched = false;
	if (!c->op)
		return;
	if (play_now(p) >= c->deadline_ns && p->ops->settle && !p->settled) {
		p->settled = true;
		p->ops->settle(p->fabric);
		c->watched = true;
		play_agenda_add(p, play_now(p), look_at_deadline, c); /* after what was found */
		return;
	}
	if (play_now(p) >= c->deadline_ns) {
		end_op(p, c->op, OP_MAYBE, -1);
		return;
	}
	c->watched = true;
	play_agenda_add(p, c->deadline_ns, look_at_deadline, c);
}

static void set_deadline(struct play *p, struct client *c, int64_t deadline_ns)
{
	/* A deadline before the one that is watched is rare: then there are two places. */
	if (!c->watched || deadline_ns < c->deadline_ns)
		play_agenda_add(p, deadline_ns, look_at_deadline, c);
	c->watched = true;
	c->deadline_ns = deadline_ns;
}

/* {"type":"echo",...} becomes {"type":"echo",...,"msg_id":7}. */
static struct slice with_msg_id(struct play *p, struct slice body, int64_t msg_id)
{
	assert(body.n >= 2 && body.s[body.n - 1] == '}');
	static const char key[] = ",\"msg_id\":";
	enum { KEY_N = sizeof key - 1 };
	char tail[24];
	size_t at = sizeof tail;
	tail[--at] = '}';
	do
		tail[--at] = (char)('0' + msg_id % 10);
	while (msg_id /= 10);
	size_t n = body.n - 1 + KEY_N + sizeof tail - at;
	char *s = arena_alloc(&p->arena, n + 1);
	memcpy(s, body.s, body.n - 1);
	memcpy(s + body.n - 1, key, KEY_N);
	memcpy(s + body.n - 1 + KEY_N, tail + at, sizeof tail - at);
	s[n] = '\0';
	return (struct slice){ s, n };
}

void play_call(struct play *p, struct op *op, int client, struct slice body, int64_t timeout_ms)
{
	struct slice type;
	struct client *c = &p->client[client];
	assert(!c->op);
	c->op = op;
	c->awaited = ++c->msg_id;
	op->client = client;
	op->status = OP_PENDING;
	op->return_ns = INT64_MAX;
	op->request = with_msg_id(p, body, c->awaited);
	op->call_ns = play_now(p);
	op->call_seq = trace_count(p->trace) + 1; /* until the CALL is there: note_call */
	post(p, lane_client(&p->lanes, client), op->node, op->request, &type);
	op->f = type.s;
	set_deadline(p, c, op->call_ns + timeout_ms * NS_PER_MS);
}

static int free_client(struct play *p)
{
	int i = 0;
	while (p->client[i].op || p->client[i].reserved) {
		i++;
		assert(i < CLIENTS_MAX); /* a judge that asks more at a time is wrong */
	}
	return i;
}

struct op *play_send_body(struct play *p, int client, int node, struct slice body, int64_t timeout_ms)
{
	struct op *op = history_add(p->history);
	op->node = node;
	play_call(p, op, client >= 0 ? client : free_client(p), body, timeout_ms);
	return op;
}

static struct op *PRINTF_LIKE(4, 0) send_text(struct play *p, int client, int node, const char *fmt, va_list ap)
{
	return play_send_body(p, client, node, slice_of(arena_vprintf(&p->arena, fmt, ap)), ASK_TIMEOUT_MS);
}

struct op *play_send(struct play *p, int node, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	struct op *op = send_text(p, -1, node, fmt, ap);
	va_end(ap);
	return op;
}

void play_throw(struct play *p, int node, struct slice body)
{
	p->thrown |= lane_bit(node);
	struct slice type;
	post(p, lane_client(&p->lanes, 0), node, body, &type);
}

static bool op_has_ended(struct play *p, void *op)
{
	(void)p;
	return ((const struct op *)op)->status != OP_PENDING;
}

void play_wait(struct play *p, const struct op *op)
{
	play_until(p, op_has_ended, (void *)(uintptr_t)op, 3600 * 1000);
}

const struct op *play_ask(struct play *p, int node, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	struct op *op = send_text(p, -1, node, fmt, ap);
	va_end(ap);
	play_wait(p, op);
	return op;
}

const json_t *play_answer(struct play *p, const struct op *op)
{
	return op->status == OP_OK ? play_json(p, op->answer) : NULL;
}

static const char *why_no_answer(struct play *p, const struct op *op)
{
	const char *name = play_node_name(p, op->node);
	if (op->answer.n == 0)
		return play_text(p, "%s did not answer %s within %.1f s", name, op->f,
			(double)(play_now(p) - op->call_ns) / (double)NS_PER_S);
	const json_t *doc = play_json(p, op->answer);
	if (strcmp(json_get_string(doc, "type", ""), "error") == 0)
		return play_text(p, "%s answered %s with error %d (%s): %s", name, op->f, op->code,
			proto_error_name(op->code), play_quote(p, slice_of(json_get_string(doc, "text", "no text"))));
	return play_text(p, "%s answered %s with %s", name, op->f, play_quote(p, op->answer));
}

const json_t *play_need_answer(struct play *p, const struct op *op)
{
	const json_t *doc = play_answer(p, op);
	if (doc)
		return doc;
	bool unsupported = op->code == ERROR_NOT_SUPPORTED && op->status == OP_FAILED;
	FAIL(p, .rule = play_text(p, "a node answers %s", op->f),
		.expected = play_text(p, "a reply of type %s_ok, in_reply_to the request's msg_id", op->f),
		.seen = why_no_answer(p, op),
		.hint = unsupported ? play_text(p, "your node has no handler for \"%s\" yet: write one that replies %s_ok", op->f,
			op->f) : play_text(p, "the request was %s%s", play_quote(p, op->request), op->answer.n ? "" :
			". Each request needs one line in reply, to the client that asked, flushed at once"),
		.nodes = lane_bit(op->node), .t_ns = op->return_seq ? op->return_ns : 0,
		.evidence = { op->call_seq, op->return_seq });
}

bool play_skips(struct play *p, int stream, uint32_t *ordinal)
{
	struct result *r = p->result;
	*ordinal = p->streams[stream]++ * SKIP_STREAMS + (uint32_t)stream;
	p->ordinals++;
	if (skip_has(&p->spec->skip, *ordinal))
		return true;
	if ((r->parts_n & (r->parts_n - 1)) == 0) /* full: the size is a power of two */
		r->parts = xrealloc(r->parts, (r->parts_n ? 2 * r->parts_n : 1) * sizeof *r->parts);
	r->parts[r->parts_n++] = *ordinal;
	return false;
}

/* --- for sockets --- */

int play_dial(struct play *p, int node, struct sockaddr_in *to)
{
	errno = EOPNOTSUPP;
	return p->ops->dial ? p->ops->dial(p->fabric, node, to) : -1;
}

/* Of one process; -1: it cannot be seen. */
static int open_files_of(pid_t pid)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/%ld/fd", (long)pid);
	DIR *d = opendir(path);
	if (!d)
		return -1;
	int n = 0;
	for (const struct dirent *e; (e = readdir(d));)
		if (e->d_name[0] != '.')
			n++;
	closedir(d);
	return n;
}

int64_t play_storage_bytes(const struct play *p, int node)
{
	if (!p->cluster.data_root)
		return -1;
	char *folder = xasprintf("%s/%s", p->cluster.data_root, play_node_name(p, node));
	int64_t bytes = tree_length(folder);
	free(folder);
	return bytes;
}

static int most_open_files(pid_t pid, int depth);

/* Among the children of one thread and all that descend from them. */
static int most_open_files_below(pid_t pid, const char *thread, int depth)
{
	char path[96];
	snprintf(path, sizeof path, "/proc/%ld/task/%.20s/children", (long)pid, thread);
	FILE *f = fopen(path, "re");
	int most = -1;
	long child;
	while (f && fscanf(f, "%ld", &child) == 1) {
		int n = most_open_files((pid_t)child, depth + 1);
		most = n > most ? n : most;
	}
	if (f)
		fclose(f);
	return most;
}

/* Among a process and all that descend from it. */
static int most_open_files(pid_t pid, int depth)
{
	int most = open_files_of(pid);
	char path[64];
	snprintf(path, sizeof path, "/proc/%ld/task", (long)pid);
	DIR *threads = depth < CHILDREN_DEPTH ? opendir(path) : NULL;
	for (const struct dirent *e; threads && (e = readdir(threads));) {
		int n = e->d_name[0] == '.' ? -1 : most_open_files_below(pid, e->d_name, depth);
		most = n > most ? n : most;
	}
	if (threads)
		closedir(threads);
	return most;
}

int play_open_files(const struct play *p, int node)
{
	pid_t pid = p->ops->pid ? p->ops->pid(p->fabric, node) : 0;
	return pid > 0 ? most_open_files(pid, 0) : -1;
}

struct socks **play_socks(struct play *p)
{
	return &p->socks;
}

void play_signal(struct play *p, int node, int sig)
{
	p->may_end[node] = true;
	if (p->ops->signal)
		p->ops->signal(p->fabric, node, sig);
	play_note(p, "signal %d to %s", sig, play_node_name(p, node));
}

bool play_exit_status(const struct play *p, int node, int *status)
{
	*status = (int)p->exit_status[node];
	return !p->up[node] && p->exit_status[node] >= 0;
}
