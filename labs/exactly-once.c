/* exactly-once.c - a counter that lives at n1, asked through front nodes over a network that loses and doubles.
 *
 * What is true for every right node, at every read and not only at the last one:
 *   R1 An add that was acknowledged before the read was asked is in its value.
 *   R2 Beside those, only adds that were asked before the read was answered can be in it, each once or not at all:
 *      the value is the sum of R1's and of a subset of these. An add without an answer, or with an indefinite error,
 *      stays one of these for ever: a copy of it may be under way.
 *   R3 An add with a definite error is in no value.
 *   R4 A read that is asked after another was answered shows no less, since deltas are positive and nothing that was
 *      shown may get lost.
 * All deltas of a run differ, so a value that is wrong mostly names the add that it is wrong by.
 *
 * How a front and n1 talk is the node's own affair: no rule looks into a message between nodes. The trace is searched for
 * messages that hold an add's delta, but only to say more about a test that has failed already. */
#include "lab.h"

#include <stdlib.h>

enum {
	ANSWER_MS = 20000,      /* so long does a client wait, a little longer than a front tries */
	SOON_MS = 5000,         /* for an answer when nothing is wrong */
	SETTLE_MS = 1000,       /* before the last reads */
	DELTA_LEAST = 1001, DELTAS = 997, DELTA_STEP = 389, /* a prime and a step: all different for 997 adds */
	LOST_ANSWERS_S = 8,
	CRASH_ADDS = 9,         /* three in each of three rounds */
	STORM_MS = 10000, STORM_ADDS = 60, STORM_PER_ADD = 20,
	WAVE_FROM_MS = 2000, WAVE_MS = 50, WAVES = (STORM_MS - WAVE_FROM_MS) / WAVE_MS, WAVES_BUSY = 8,
	FORGET_MS = 30000, KEYS_LEFT = 50,
	COST_PER_OP = 3,
	SERVER = 0,             /* n1 */
	MAY_BE_LOST = 1         /* op->extra: its front was killed */
};

static const char rule_lost[] = "an acknowledged add is in every later read";
static const char rule_once[] = "every add counts once";
static const char rule_refused[] = "an add that was refused does not count";
static const char rule_back[] = "a read shows no less than an earlier one";
static const char rule_trying[] = "a front keeps trying";

struct world {
	int64_t adds;      /* begun so far */
	int first_node;    /* whom the workload asks: this one and those after it */
	unsigned reads;    /* percent of its operations */
};

static double seconds(int64_t ns)
{
	return (double)ns / (double)NS_PER_S;
}

static int64_t not_zero(int64_t t_ns)
{
	return t_ns ? t_ns : 1;
}

static bool is_op(const struct op *op, const char *f)
{
	return op->status != OP_SKIPPED && op->call_seq && strcmp(op->f, f) == 0;
}

/* An add with a delta that counts; those of the test `garbage` have none. */
static bool is_add(const struct op *op)
{
	return is_op(op, "add") && op->value > 0;
}

static bool is_read(const struct op *op)
{
	return op->status == OP_OK && is_op(op, "read");
}

/* --- what the trace tells about one add --- */

/* A number as a member or an element: 1389 in {"delta":1389}, but not in "n2-1389" or 21389. */
static bool holds_number(struct slice text, int64_t number)
{
	char digits[24];
	size_t n = (size_t)snprintf(digits, sizeof digits, "%lld", (long long)number);
	for (size_t i = 1; i + n < text.n; i++) {
		if (memcmp(text.s + i, digits, n) != 0)
			continue;
		size_t before = i - 1;
		while (before > 0 && text.s[before] == ' ')
			before--;
		if (strchr(":[,", text.s[before]) && !strchr("0123456789.eE", text.s[i + n]))
			return true;
	}
	return false;
}

struct story {
	int sent;           /* messages of its front to n1 that hold the delta */
	int arrived;        /* of these at n1, copies counted */
	int before_answer;  /* of those, before the client had its answer */
	bool restarted;     /* n1 was started anew between two arrivals */
	int64_t first_ns, last_ns; /* of the arrivals */
	uint64_t evidence[6];
	size_t evidence_n;
};

static void story_arrival(struct story *s, const struct op *add, const struct event *e, uint64_t server_start)
{
	if (s->arrived++ == 0)
		s->first_ns = e->t_ns;
	else if (server_start > s->evidence[0])
		s->restarted = true;
	s->last_ns = e->t_ns;
	s->before_answer += add->return_seq && e->seq < add->return_seq;
	if (s->evidence_n < ARRAY_LEN(s->evidence))
		s->evidence[s->evidence_n++] = e->seq;
}

/* Up to a place in the trace. */
static struct story story_of(const struct play *p, const struct op *add, uint64_t until)
{
	struct story s = { 0 };
	const struct trace *t = play_trace(p);
	uint64_t server_start = 0;
	for (uint64_t seq = add->call_seq; seq <= until; seq++) {
		const struct event *e = trace_at(t, seq);
		if (e->kind == EVENT_START && e->src == SERVER)
			server_start = seq;
		bool message = e->src == add->node && e->dst == SERVER && add->node != SERVER;
		if (!message || (e->kind != EVENT_SEND && e->kind != EVENT_RECV) || !holds_number(trace_body(t, e), add->value))
			continue;
		if (e->kind == EVENT_SEND)
			s.sent++;
		else
			story_arrival(&s, add, e, server_start);
	}
	return s;
}

/* A node was started anew between two places of the trace. */
static bool restarted_between(const struct play *p, int node, uint64_t from, uint64_t to)
{
	for (uint64_t seq = from; seq < to; seq++) {
		const struct event *e = trace_at(play_trace(p), seq);
		if (e->kind == EVENT_START && e->src == node)
			return true;
	}
	return false;
}

/* Not at the start of the run, but after a kill. */
static bool was_restarted(const struct play *p, lane_set nodes, uint64_t before)
{
	int starts = 0, n = 0;
	for (int i = 0; i < play_nodes(p); i++)
		n += (nodes & lane_bit(i)) != 0;
	for (uint64_t seq = 1; seq < before; seq++) {
		const struct event *e = trace_at(play_trace(p), seq);
		starts += e->kind == EVENT_START && (nodes & lane_bit(e->src));
	}
	return starts > n;
}

/* The node sent something to n1 while it had the read. */
static bool asked_server(const struct play *p, const struct op *read)
{
	for (uint64_t seq = read->call_seq; seq < read->return_seq; seq++) {
		const struct event *e = trace_at(play_trace(p), seq);
		if (e->kind == EVENT_SEND && e->src == read->node && e->dst == SERVER)
			return true;
	}
	return read->node == SERVER;
}

static lane_set fronts(const struct play *p)
{
	return lanes_all_nodes(play_lanes(p)) & ~lane_bit(SERVER);
}

/* --- the sums that a read may show --- */

struct sums {
	int64_t acked;      /* R1 */
	size_t acked_n;
	int64_t open;       /* the sum of R2's */
	size_t open_n;
	uint64_t *reach;    /* bit s: some of R2's add up to s; 0 <= s <= open */
};

enum part { PART_NONE, PART_ACKED, PART_OPEN, PART_REFUSED };

/* What an add is for a read. */
static enum part part_of(const struct op *add, const struct op *read)
{
	if (!is_add(add) || add->call_seq > read->return_seq)
		return PART_NONE;
	if (add->status == OP_FAILED)
		return PART_REFUSED;
	return add->status == OP_OK && add->return_seq < read->call_seq ? PART_ACKED : PART_OPEN;
}

static bool reaches(const struct sums *s, int64_t sum)
{
	return sum >= 0 && sum <= s->open && (s->reach[sum / 64] >> (sum % 64) & 1);
}

/* reach |= reach << delta, from the top down, so that no word is read after it was changed. */
static void reach_add(uint64_t *reach, size_t words, int64_t delta)
{
	size_t jump = (size_t)delta / 64;
	unsigned bits = (unsigned)(delta % 64);
	for (size_t i = words; i-- > jump;) {
		uint64_t word = reach[i - jump] << bits;
		if (bits && i > jump)
			word |= reach[i - jump - 1] >> (64 - bits);
		reach[i] |= word;
	}
}

/* `refused`: as if adds with a definite error were open. */
static struct sums sums_for(struct play *p, const struct op *read, bool refused)
{
	const struct history *h = play_history(p);
	struct sums s = { 0 };
	for (size_t i = 0; i < history_count(h); i++) {
		const struct op *add = history_at(h, i);
		enum part part = part_of(add, read);
		part = part == PART_REFUSED && refused ? PART_OPEN : part;
		s.acked += part == PART_ACKED ? add->value : 0;
		s.acked_n += part == PART_ACKED;
		s.open += part == PART_OPEN ? add->value : 0;
		s.open_n += part == PART_OPEN;
	}
	size_t words = (size_t)s.open / 64 + 1;
	s.reach = arena_zero(play_arena(p), words * sizeof *s.reach);
	s.reach[0] = 1;
	for (size_t i = 0; i < history_count(h); i++) {
		enum part part = part_of(history_at(h, i), read);
		if (part == PART_OPEN || (part == PART_REFUSED && refused))
			reach_add(s.reach, words, history_at(h, i)->value);
	}
	return s;
}

/* --- saying what is wrong with a read --- */

static const char *count_text(struct play *p, size_t n)
{
	return n == 1 ? "the one add that was" : play_text(p, "the %zu adds that were", n);
}

static const char *sum_text(struct play *p, const struct sums *s)
{
	const char *acked = s->acked_n ? play_text(p, "%lld, the sum of %s acknowledged before the read", (long long)s->acked,
		count_text(p, s->acked_n)) : "0: no add was acknowledged before the read";
	if (s->open_n == 0)
		return acked;
	return play_text(p, "%s. Of %s still open (together %lld) each may count too, once", acked, count_text(p, s->open_n),
		(long long)s->open);
}

static const char *read_text(struct play *p, const struct op *read)
{
	return play_text(p, "%s showed %lld at %.3f s", play_node_name(p, read->node), (long long)read->result,
		seconds(read->return_ns));
}

static const char *add_text(struct play *p, const struct op *add)
{
	return play_text(p, "the add of %lld (to %s at %.3f s%s)", (long long)add->value, play_node_name(p, add->node),
		seconds(add->call_ns), add->status == OP_OK ? play_text(p, ", acknowledged at %.3f s", seconds(add->return_ns)) : "");
}

/* The places that prove it: the add, where it came to n1, the read. */
static void set_evidence(struct finding *f, const struct op *add, const struct story *s, const struct op *read)
{
	size_t n = 0;
	if (add) {
		f->evidence[n++] = add->call_seq;
		for (size_t i = 0; i < s->evidence_n; i++)
			f->evidence[n++] = s->evidence[i];
		if (add->return_seq && add->return_seq < read->call_seq)
			f->evidence[n++] = add->return_seq;
	}
	f->evidence[n++] = read->call_seq;
	f->evidence[n] = read->return_seq;
	/* In the order of the trace. */
	for (size_t i = 1; i <= n; i++)
		for (size_t k = i; k > 0 && f->evidence[k] < f->evidence[k - 1]; k--) {
			uint64_t swap = f->evidence[k];
			f->evidence[k] = f->evidence[k - 1];
			f->evidence[k - 1] = swap;
		}
}

static _Noreturn void fail_read(struct play *p, const struct op *read, const struct sums *sums, const char *rule,
	const char *seen, const char *hint, const struct op *add, const struct story *story)
{
	struct finding f = { .rule = rule, .expected = sum_text(p, sums), .seen = seen, .hint = hint,
		.nodes = lane_bit(read->node) | (add ? lane_bit(add->node) : 0) | lane_bit(SERVER),
		.t_ns = not_zero(read->return_ns) };
	set_evidence(&f, add, story, read);
	play_fail(p, &f);
}

#define HINT_ASK "every read asks n1, each time: what a front knows is old"
#define HINT_KEY "give each add a key when the client asks (front, life, number), and send the same key with every retry. n1 " \
	"keeps the keys that it has applied; for a key it knows it changes nothing and sends the old answer again"
#define HINT_KEYS_ON_DISK "n1 was killed and started again: the keys that it has seen must survive, and be written together with " \
	"the value (one file, one write), before n1 answers"
#define HINT_VALUE_ON_DISK "n1 was killed and started again: what is only in memory is gone. Write the value (and the keys, in the " \
	"same file) to data_dir before you answer"
#define HINT_BOTH_ON_DISK "n1 was killed and started again: the value and the keys that it has applied must both survive. Write them " \
	"together (one file, one write) to data_dir before n1 answers"
#define HINT_FORGOT "did n1 forget the key too early? The front may still be trying: keep a key for 25 s, or until the front has " \
	"said that it is done with it"
#define HINT_LIFE "a front was killed and started again: if it counts from 1 again, n1 takes a new add for an old one. Make the life " \
	"a part of the key, for example a number in data_dir that goes up at every start"
#define HINT_TWO_KEYS "two different adds need two different keys, or n1 takes the second for a copy of the first. To keep only the " \
	"newest number of a front is not enough: messages overtake one another"
#define HINT_REFUSED "error 11, like most codes, promises that nothing happened. A front that sent the add and heard nothing cannot " \
	"know that: it answers error 0, or nothing"

static const char *hint_twice(const struct op *add, const struct story *s)
{
	if (add->node == SERVER)
		return "n1 was asked by the client itself, and once: look for two places that change the counter";
	if (s->restarted)
		return HINT_KEYS_ON_DISK;
	return s->arrived > 1 && s->last_ns - s->first_ns > 3 * NS_PER_S ? HINT_FORGOT : HINT_KEY;
}

static const char *hint_lost(struct play *p, const struct op *read, const struct op *add, const struct story *s)
{
	if (!asked_server(p, read))
		return play_text(p, "%s answered the read without asking n1: " HINT_ASK, play_node_name(p, read->node));
	if (add->node != SERVER && s->sent == 0)
		return play_text(p, "%s sent no message to n1 that holds the number %lld. Only n1 counts: hand the add to n1, and answer "
			"the client when n1 has answered", play_node_name(p, add->node), (long long)add->value);
	if (add->node != SERVER && s->before_answer == 0)
		return "the client had its add_ok before n1 had the add: answer a client only when n1 has answered";
	if (restarted_between(p, SERVER, add->return_seq, read->return_seq))
		return HINT_VALUE_ON_DISK;
	return was_restarted(p, lane_bit(add->node), add->call_seq) ? HINT_LIFE : HINT_TWO_KEYS;
}

/* One add that explains a wrong value: it fits when that add is counted once more, or once less. */
struct guess {
	const char *rule;
	const struct op *add;
	struct story story;
	int score; /* how well the trace agrees; 0: no guess */
};

static int score_of(const struct play *p, const struct op *read, const struct guess *g)
{
	const struct story *s = &g->story;
	bool remote = g->add->node != SERVER;
	if (g->rule == rule_refused)
		return 6;
	if (g->rule == rule_once)
		return s->restarted ? 4 : s->arrived > 1 ? 3 : s->arrived == 0; /* what came once was hardly counted twice */
	if (!asked_server(p, read) || (remote && s->before_answer == 0))
		return 5;
	return restarted_between(p, SERVER, g->add->return_seq, read->return_seq) ? 4 : 2;
}

static void consider(const struct play *p, const struct op *read, const struct sums *s, const struct op *add, const char *rule,
	struct guess *best)
{
	int64_t off = read->result - s->acked, once = rule == rule_lost ? -add->value : add->value;
	if (!reaches(s, off - once))
		return;
	struct guess g = { .rule = rule, .add = add, .story = story_of(p, add, read->return_seq) };
	g.score = score_of(p, read, &g);
	if (g.score > best->score)
		*best = g;
}

static struct guess guess_add(const struct play *p, const struct op *read, const struct sums *s)
{
	const struct history *h = play_history(p);
	struct guess best = { 0 };
	for (size_t i = 0; i < history_count(h); i++) {
		const struct op *add = history_at(h, i);
		enum part part = part_of(add, read);
		if (part == PART_REFUSED)
			consider(p, read, s, add, rule_refused, &best);
		if (part == PART_ACKED || part == PART_OPEN)
			consider(p, read, s, add, rule_once, &best);
		if (part == PART_ACKED)
			consider(p, read, s, add, rule_lost, &best);
	}
	return best;
}

static _Noreturn void fail_guess(struct play *p, const struct op *read, const struct sums *s, const struct guess *g)
{
	const struct op *add = g->add;
	const char *seen, *hint;
	if (g->rule == rule_lost) {
		seen = play_text(p, "%s, as if %s were missing", read_text(p, read), add_text(p, add));
		hint = hint_lost(p, read, add, &g->story);
	} else if (g->rule == rule_once) {
		seen = play_text(p, "%s, as if %s had counted twice", read_text(p, read), add_text(p, add));
		hint = hint_twice(add, &g->story);
	} else {
		seen = play_text(p, "%s, as if %s had counted; it was answered with error %d", read_text(p, read), add_text(p, add),
			add->code);
		hint = HINT_REFUSED;
	}
	if (g->story.arrived > 1)
		seen = play_text(p, "%s. n1 had received %d messages of %s with the number %lld, from %.3f s to %.3f s", seen,
			g->story.arrived, play_node_name(p, add->node), (long long)add->value, seconds(g->story.first_ns),
			seconds(g->story.last_ns));
	fail_read(p, read, s, g->rule, seen, hint, add, &g->story);
}

/* No single add explains the value. */
static _Noreturn void fail_several(struct play *p, const struct op *read, const struct sums *s)
{
	const struct story none = { 0 };
	bool crashed = was_restarted(p, lane_bit(SERVER), read->return_seq);
	struct sums more = sums_for(p, read, true);
	int64_t off = read->result - s->acked;
	if (off < 0)
		fail_read(p, read, s, rule_lost, play_text(p, "%s: %lld too little, so more than one add is missing", read_text(p, read),
				(long long)-off), !asked_server(p, read) ? HINT_ASK : crashed ? HINT_VALUE_ON_DISK :
			was_restarted(p, fronts(p), read->call_seq) ? HINT_LIFE :
			"a client gets add_ok only after n1 has answered; an answer belongs to the request that it names in in_reply_to; two "
			"different adds need two different keys", NULL, &none);
	const char *seen = off > s->open ? play_text(p, "%s: at least %lld too much", read_text(p, read), (long long)(off - s->open)) :
		play_text(p, "%s, which no choice of whole adds gives", read_text(p, read));
	if (more.open_n > s->open_n && reaches(&more, off))
		fail_read(p, read, s, rule_refused, play_text(p, "%s, as if some of the %zu adds that were answered with a definite error "
				"had counted", read_text(p, read), more.open_n - s->open_n), HINT_REFUSED, NULL, &none);
	fail_read(p, read, s, rule_once, seen, crashed ? HINT_BOTH_ON_DISK :
		HINT_KEY ". A key must be kept as long as its front may still be trying", NULL, &none);
}

static _Noreturn void fail_value(struct play *p, const struct op *read, const struct sums *s)
{
	struct guess g = guess_add(p, read, s);
	if (g.score > 0)
		fail_guess(p, read, s, &g);
	fail_several(p, read, s);
}

/* --- judging the reads --- */

static void take_value(struct play *p, struct op *read)
{
	const json_t *value = json_get(play_answer(p, read), "value");
	if (!json_whole(value, &read->result))
		FAIL(p, .rule = "read_ok carries the counter",
			.expected = "{\"type\":\"read_ok\",\"value\":N} with a whole number",
			.seen = play_text(p, "%s answered %s", play_node_name(p, read->node), play_quote(p, read->answer)),
			.hint = value ? "give the number as a JSON number, without quotes or fraction" : "the key is called \"value\"",
			.nodes = lane_bit(read->node), .t_ns = not_zero(read->return_ns),
			.evidence = { read->call_seq, read->return_seq });
}

static void check_order(struct play *p, struct op *const *reads, size_t n, size_t i)
{
	const struct op *b = reads[i];
	for (size_t k = 0; k < n; k++) {
		const struct op *a = reads[k];
		if (a->return_seq > b->call_seq || a->result <= b->result)
			continue;
		bool restart = restarted_between(p, SERVER, a->return_seq, b->return_seq);
		FAIL(p, .rule = rule_back,
			.expected = play_text(p, "%lld or more: %s", (long long)a->result, read_text(p, a)),
			.seen = play_text(p, "%s, asked after that", read_text(p, b)),
			.hint = restart ? "n1 was killed since: it had shown an add that was not yet in data_dir" :
				HINT_ASK ". And an answer to an earlier question must not be taken for it",
			.nodes = lane_bit(a->node) | lane_bit(b->node), .t_ns = not_zero(b->return_ns),
			.evidence = { a->call_seq, a->return_seq, b->call_seq, b->return_seq });
	}
}

static int by_return(const void *a, const void *b)
{
	const struct op *x = *(struct op *const *)a, *y = *(struct op *const *)b;
	return x->return_seq < y->return_seq ? -1 : x->return_seq > y->return_seq;
}

/* Every read, in the order of the answers: so the first wrong one is named, which is nearest to its cause. Returns how
 * many there are. */
static size_t check_reads(struct play *p)
{
	const struct history *h = play_history(p);
	struct op **reads = arena_alloc(play_arena(p), (history_count(h) + 1) * sizeof *reads);
	size_t n = 0;
	for (size_t i = 0; i < history_count(h); i++)
		if (is_read(history_at(h, i)))
			reads[n++] = history_at(h, i);
	qsort(reads, n, sizeof *reads, by_return);
	for (size_t i = 0; i < n; i++)
		take_value(p, reads[i]);
	for (size_t i = 0; i < n; i++) {
		struct sums s = sums_for(p, reads[i], false);
		if (!reaches(&s, reads[i]->result - s.acked))
			fail_value(p, reads[i], &s);
		check_order(p, reads, n, i);
	}
	return n;
}

/* --- judging that requests are answered --- */

static bool must_be_answered(const struct op *op)
{
	return (is_add(op) || is_op(op, "read")) && op->extra != MAY_BE_LOST;
}

static const char *hint_unanswered(struct play *p, const struct op *op)
{
	if (op->node == SERVER)
		return "n1 needs nobody to answer: it changes its counter and replies";
	struct story s = is_add(op) ? story_of(p, op, trace_count(play_trace(p))) : (struct story){ .sent = -1 };
	const char *again = "when no answer comes in time, send the request again, with the same key, and wait a little longer each "
		"time (at most 2 s); go on for 18 s";
	if (op->status == OP_FAILED)
		return "the front gave up and answered with a definite error. Try on for 18 s; then answer error 0 (timeout), or nothing";
	if (s.sent == 0)
		return play_text(p, "%s sent nothing to n1 that holds the number %lld: forward every add to n1",
			play_node_name(p, op->node), (long long)op->value);
	if (s.sent == 1)
		return play_text(p, "%s sent it to n1 once. The message, or the answer to it, was lost: %s", play_node_name(p, op->node),
			again);
	return again;
}

/* Percent of all requests must have their answer. */
static void need_answers(struct play *p, unsigned percent)
{
	const struct history *h = play_history(p);
	const struct op *first = NULL;
	size_t asked = 0, answered = 0;
	for (size_t i = 0; i < history_count(h); i++) {
		const struct op *op = history_at(h, i);
		if (!must_be_answered(op))
			continue;
		asked++;
		answered += op->status == OP_OK;
		first = first || op->status == OP_OK ? first : op;
	}
	play_measure(p, "requests answered", asked ? 100 * (double)answered / (double)asked : 100, "%", percent == 100 ? "all" :
		play_text(p, ">= %u %%", percent));
	if (!first || 100 * answered >= percent * asked)
		return;
	const char *name = play_node_name(p, first->node);
	const char *how = first->answer.n ? play_text(p, "%s answered it with %s", name, play_quote(p, first->answer)) :
		play_text(p, "%s did not answer within %d s", name, ANSWER_MS / 1000);
	FAIL(p, .rule = rule_trying,
		.expected = play_text(p, "add_ok or read_ok within %d s for %s the %zu requests", ANSWER_MS / 1000,
			percent == 100 ? "each of" : play_text(p, "at least %u %% of", percent), asked),
		.seen = play_text(p, "%zu had none. The first: %s%s at %.3f s; %s", asked - answered, first->f,
			is_add(first) ? play_text(p, " of %lld", (long long)first->value) : "", seconds(first->call_ns), how),
		.hint = hint_unanswered(p, first), .nodes = lane_bit(first->node), .t_ns = first->return_seq ? not_zero(first->return_ns) : 0,
		.evidence = { first->call_seq, first->return_seq });
}

/* --- asking --- */

static int64_t next_delta(struct play *p, struct world *w)
{
	return DELTA_LEAST + (int64_t)((uint64_t)(w->adds++ * DELTA_STEP + (int64_t)(play_seed(p) % DELTAS)) % DELTAS);
}

static struct world *begin(struct play *p, int first_node)
{
	struct world *w = arena_zero(play_arena(p), sizeof *w);
	*w = (struct world){ .first_node = first_node, .reads = 25 };
	play_set_data(p, w);
	return w;
}

static struct op *send_add(struct play *p, int node, int64_t timeout_ms)
{
	int64_t delta = next_delta(p, play_data(p));
	struct op *op = play_send_body(p, -1, node, slice_of(play_text(p, "{\"type\":\"add\",\"delta\":%lld}", (long long)delta)),
		timeout_ms);
	op->value = delta;
	return op;
}

static void ask_add(struct play *p, int node)
{
	struct op *op = send_add(p, node, SOON_MS);
	play_wait(p, op);
	play_need_answer(p, op);
}

static void ask_read(struct play *p, int node)
{
	struct op *op = play_send_body(p, -1, node, SLICE("{\"type\":\"read\"}"), SOON_MS);
	play_wait(p, op);
	play_need_answer(p, op);
}

static void next_op(struct play *p, struct op *op, struct rng *rng, struct buf *body, void *arg)
{
	struct world *w = arg;
	op->node = w->first_node + (int)rng_below(rng, (uint64_t)(play_nodes(p) - w->first_node));
	if (rng_below(rng, 100) < w->reads) {
		buf_str(body, "{\"type\":\"read\"}");
		return;
	}
	op->value = next_delta(p, w);
	buf_printf(body, "{\"type\":\"add\",\"delta\":%lld}", (long long)op->value);
}

static void start_asking(struct play *p, int clients, double rate, int64_t count)
{
	play_workload_start(p, &(struct workload){ .clients = clients, .rate = rate, .count = count, .timeout_ms = ANSWER_MS,
		.next = next_op, .arg = play_data(p) });
}

static void ask_many(struct play *p, int clients, double rate, int64_t count)
{
	start_asking(p, clients, rate, count);
	play_workload_wait(p);
}

/* Everything is mended; then every node is read, and all reads are judged. */
static void end_quietly(struct play *p)
{
	play_calm(p);
	play_note(p, "quiet phase: no more adds, and no faults");
	play_for(p, SETTLE_MS);
	for (int i = 0; i < play_nodes(p); i++)
		ask_read(p, i);
	play_measure(p, "reads judged", (double)check_reads(p), "", NULL);
}

/* n1 hears the fronts, and they do not hear n1. */
static void lose_answers(struct play *p)
{
	play_cut_one_way(p, lane_bit(SERVER), fronts(p));
}

/* --- scenarios --- */

static void play_calmly(struct play *p)
{
	begin(p, SERVER);
	ask_read(p, SERVER);
	for (int round = 0; round < 2; round++)
		for (int i = 0; i < play_nodes(p); i++) {
			ask_add(p, i);
			ask_read(p, (i + 1) % play_nodes(p));
			check_reads(p);
		}
	ask_many(p, 6, 30, 90);
	end_quietly(p);
	need_answers(p, 100);
}

static void play_duplicates(struct play *p)
{
	begin(p, 1);
	play_duplicate(p, 50);
	play_reorder(p, 30);
	ask_many(p, 8, 30, 150);
	end_quietly(p);
	need_answers(p, 100);
}

static void play_lossy(struct play *p)
{
	begin(p, 1);
	play_loss(p, 30);
	play_duplicate(p, 20);
	play_reorder(p, 20);
	ask_many(p, 10, 20, 160);
	end_quietly(p);
	need_answers(p, 90);
}

static void play_lost_answers(struct play *p)
{
	struct world *w = begin(p, 1);
	for (int i = 1; i < play_nodes(p); i++)
		ask_add(p, i);
	lose_answers(p);
	w->reads = 0;
	start_asking(p, 12, 6, 24);
	for (int i = 0; i < LOST_ANSWERS_S; i++) {
		play_for(p, 1000);
		ask_read(p, SERVER); /* the client reaches n1 itself */
	}
	play_heal(p);
	play_workload_wait(p);
	end_quietly(p);
	need_answers(p, 100);
}

/* n1 is killed with adds applied that nobody was told of, and then while all is well. */
static void play_crash(struct play *p)
{
	struct op *op[CRASH_ADDS];
	size_t n = 0;
	begin(p, 1);
	play_duplicate(p, 20);
	start_asking(p, 8, 14, 110);
	for (int round = 0; round < 3; round++) {
		play_for(p, 700);
		if (round < 2)
			lose_answers(p);
		op[n++] = send_add(p, 1, ANSWER_MS); /* so that the cut has an answer to lose */
		play_for(p, 400);
		for (int i = 1; i < play_nodes(p); i++)
			op[n++] = send_add(p, i, ANSWER_MS);
		play_for(p, 100);
		ask_read(p, SERVER); /* what n1 has shown must not go back */
		play_kill(p, SERVER);
		play_for(p, 300 + (int64_t)rng_below(play_rng(p), 700));
		play_start(p, SERVER);
		play_heal(p);
		play_duplicate(p, 20);
	}
	while (n > 0)
		play_wait(p, op[--n]);
	play_workload_wait(p);
	end_quietly(p);
	need_answers(p, 100);
}

/* A front is killed with adds under way; in its next life it must not look like the first one. */
static void play_fronts(struct play *p)
{
	struct op *op[2]; /* few: what is open can hide what is wrong */
	begin(p, 1);
	for (int round = 0; round < 3; round++) {
		int victim = 1 + (int)rng_below(play_rng(p), (uint64_t)play_nodes(p) - 1);
		for (int k = 0; k < 8; k++)
			ask_add(p, victim);
		lose_answers(p);
		for (size_t k = 0; k < ARRAY_LEN(op); k++) {
			op[k] = send_add(p, victim, 1000);
			op[k]->extra = MAY_BE_LOST;
		}
		play_for(p, 300);
		play_kill(p, victim);
		for (size_t k = 0; k < ARRAY_LEN(op); k++)
			play_wait(p, op[k]);
		play_start(p, victim);
		play_heal(p);
		for (int k = 0; k < 8; k++)
			ask_add(p, victim);
		ask_read(p, victim);
	}
	end_quietly(p);
	need_answers(p, 100);
}

static void play_ends(struct play *p)
{
	begin(p, 1);
	play_loss(p, 50);
	ask_many(p, 6, 10, 60);
	need_answers(p, 70);
	play_heal(p);
	play_note(p, "the network is well again");
	for (int k = 0; k < 5; k++)
		for (int i = 1; i < play_nodes(p); i++)
			ask_add(p, i);
	end_quietly(p);
}

static void play_cost(struct play *p)
{
	begin(p, 1);
	int64_t from_ns = play_now(p);
	ask_many(p, 4, 20, 100);
	int64_t to_ns = play_now(p);
	end_quietly(p);
	need_answers(p, 100);
	uint64_t sent = measure_traffic(p, from_ns, to_ns + 1).server_messages;
	size_t ops = 0;
	for (size_t i = 0; i < history_count(play_history(p)); i++)
		ops += history_at(play_history(p), i)->shrinkable && history_at(play_history(p), i)->status != OP_SKIPPED;
	double each = ops ? (double)sent / (double)ops : 0;
	play_measure(p, "messages per request", each, "", play_text(p, "<= %d", COST_PER_OP));
	if (sent > COST_PER_OP * ops && play_time_is_exact(p)) /* a slow machine makes right nodes try again */
		FAIL(p, .rule = "messages per request",
			.expected = play_text(p, "at most %d messages between nodes per request: %zu for %zu requests", COST_PER_OP,
				COST_PER_OP * ops, ops),
			.seen = play_text(p, "%llu messages, %.1f per request", (unsigned long long)sent, each),
			.hint = "two are needed, there and back, and the way takes 10 ms each time. Do not send again before an answer can be "
				"there: begin with a time-out of 100 ms or more",
			.nodes = fronts(p));
}

/* --- the storm --- */

static bool is_between_nodes(const struct play *p, const struct event *e)
{
	return e->kind == EVENT_SEND && e->src < play_nodes(p) && e->dst < play_nodes(p);
}

/* How many of the messages of the storm stand in its busiest moments. */
static void check_waves(struct play *p, int64_t cut_ns)
{
	int64_t window[WAVES] = { 0 }, all = 0, busy = 0;
	int64_t from_ns = cut_ns + WAVE_FROM_MS * NS_PER_MS;
	const struct trace *t = play_trace(p);
	for (uint64_t seq = 1; seq <= trace_count(t); seq++) {
		const struct event *e = trace_at(t, seq);
		int64_t i = (e->t_ns - from_ns) / (WAVE_MS * NS_PER_MS);
		if (!is_between_nodes(p, e) || e->t_ns < from_ns || i >= WAVES)
			continue;
		window[i]++;
		all++;
	}
	measure_quantile(window, WAVES, 0.5); /* sorts */
	for (int i = WAVES - WAVES_BUSY; i < WAVES; i++)
		busy += window[i];
	play_measure(p, "retries in the 8 busiest moments", all ? 100 * (double)busy / (double)all : 0, "%", "< 50 %");
	if (all < STORM_ADDS || busy * 2 < all || !play_time_is_exact(p)) /* so few messages are no wave */
		return;
	FAIL(p, .rule = "retries do not come in waves",
		.expected = play_text(p, "less than half of the retries within the %d busiest of %d moments of %d ms", WAVES_BUSY, WAVES, WAVE_MS),
		.seen = play_text(p, "%lld of %lld; %lld within a single one", (long long)busy, (long long)all, (long long)window[WAVES - 1]),
		.hint = "all requests failed at the same instant, so equal pauses bring them back at the same instant, again and again. Add "
			"chance (jitter) to every pause: for example a random time between half the pause and the whole",
		.nodes = fronts(p), .t_ns = from_ns);
}

static void check_budget(struct play *p, int64_t from_ns, int64_t to_ns)
{
	uint64_t sent = 0, first = 0;
	const struct trace *t = play_trace(p);
	for (uint64_t seq = 1; seq <= trace_count(t); seq++) {
		const struct event *e = trace_at(t, seq);
		if (!is_between_nodes(p, e) || e->t_ns < from_ns || e->t_ns >= to_ns)
			continue;
		first = first ? first : seq;
		sent++;
	}
	double each = (double)sent / STORM_ADDS;
	play_measure(p, "messages per add during the cut", each, "", play_text(p, "<= %d", STORM_PER_ADD));
	if (sent > STORM_ADDS * STORM_PER_ADD)
		FAIL(p, .rule = "retries back off",
			.expected = play_text(p, "at most %d messages per add while n1 cannot be reached for %d s: %d for %d adds", STORM_PER_ADD,
				STORM_MS / 1000, STORM_ADDS * STORM_PER_ADD, STORM_ADDS),
			.seen = play_text(p, "%llu messages, %.1f per add", (unsigned long long)sent, each),
			.hint = "wait longer after each try: 200 ms, 400 ms, 800 ms, ... up to 2 s, each with some chance (jitter)",
			.nodes = fronts(p), .t_ns = from_ns, .evidence = { first });
}

static void play_storm(struct play *p)
{
	struct op *op[STORM_ADDS];
	begin(p, 1);
	for (int i = 1; i < play_nodes(p); i++)
		ask_add(p, i);
	play_cut_off(p, lane_bit(SERVER));
	int64_t cut_ns = play_now(p);
	for (int i = 0; i < STORM_ADDS; i++)
		op[i] = send_add(p, 1 + i % (play_nodes(p) - 1), ANSWER_MS);
	play_for(p, STORM_MS);
	int64_t heal_ns = play_now(p);
	play_heal(p);
	for (int i = 0; i < STORM_ADDS; i++)
		play_wait(p, op[i]);
	end_quietly(p);
	need_answers(p, 100);
	check_budget(p, cut_ns, heal_ns);
	check_waves(p, cut_ns);
}

/* --- the table --- */

/* The last report of n1 with a table; 0: there is none. */
static uint64_t last_report(struct play *p, int64_t *table, int64_t *most)
{
	const struct trace *t = play_trace(p);
	uint64_t last = 0;
	for (uint64_t seq = 1; seq <= trace_count(t); seq++) {
		const struct event *e = trace_at(t, seq);
		if (e->kind != EVENT_STATE || e->src != SERVER)
			continue;
		if (!json_whole(json_get(play_json(p, e->text), "table"), table))
			continue;
		*most = *table > *most ? *table : *most;
		last = seq;
	}
	return last;
}

static void check_table(struct play *p)
{
	int64_t table = 0, most = 0;
	uint64_t seq = last_report(p, &table, &most);
	if (!seq)
		FAIL(p, .rule = "n1 reports the size of its table",
			.expected = "a message of n1 to \"dlab\" after every change: {\"type\":\"state\",\"table\":N}, N being the number of keys that "
				"n1 remembers", .seen = "no such report",
			.hint = "the SDK has a function for it: state", .nodes = lane_bit(SERVER));
	play_measure(p, "most keys at a time", (double)most, "", NULL);
	play_measure(p, "keys in the end", (double)table, "", play_text(p, "<= %d", KEYS_LEFT));
	if (table > KEYS_LEFT)
		FAIL(p, .rule = "n1 forgets old keys",
			.expected = play_text(p, "at most %d keys when nothing came for %d s but the last 10 adds", KEYS_LEFT, FORGET_MS / 1000),
			.seen = play_text(p, "{\"table\":%lld} at %.3f s", (long long)table, seconds(trace_at(play_trace(p), seq)->t_ns)),
			.hint = "a key may go when no copy of it can come any more: its front tries for 18 s, a message travels for 3 s at "
				"most. Or let each front tell, with every request, below which number all of its adds are finished",
			.nodes = lane_bit(SERVER), .t_ns = not_zero(trace_at(play_trace(p), seq)->t_ns), .evidence = { seq });
}

static void play_pruned(struct play *p)
{
	struct world *w = begin(p, 1);
	w->reads = 5;
	play_loss(p, 10);
	play_duplicate(p, 20);
	ask_many(p, 10, 30, 200);
	play_heal(p);
	play_note(p, "%d s of silence", FORGET_MS / 1000);
	play_for(p, FORGET_MS);
	for (int i = 0; i < 10; i++)
		ask_add(p, 1 + i % (play_nodes(p) - 1));
	end_quietly(p);
	need_answers(p, 90);
	check_table(p);
}

/* --- odd messages --- */

static void ask_bad_add(struct play *p, int node, const char *body)
{
	struct op *op = play_send_body(p, -1, node, slice_of(body), SOON_MS);
	play_wait(p, op);
	if (op->status == OP_FAILED && op->code == ERROR_MALFORMED)
		return;
	FAIL(p, .rule = "an add without a whole number is refused",
		.expected = play_text(p, "error 12 (malformed-request) in reply to %s", body),
		.seen = op->answer.n ? play_text(p, "%s answered %s", play_node_name(p, node), play_quote(p, op->answer)) :
			play_text(p, "%s did not answer within %d s", play_node_name(p, node), SOON_MS / 1000),
		.hint = "look at delta before anything else. Code 12 tells the client for sure that nothing happened",
		.nodes = lane_bit(node), .t_ns = op->return_seq ? not_zero(op->return_ns) : 0, .evidence = { op->call_seq, op->return_seq });
}

static void play_garbage(struct play *p)
{
	static const char *const bodies[] = {
		"{}", "{\"type\":42}", "{\"type\":null,\"delta\":5}", "{\"type\":\"\",\"in_reply_to\":\"x\"}", "{\"delta\":5}",
		"{\"type\":\"add_ok\"," TO_NOTHING "}", "{\"type\":\"read_ok\"," TO_NOTHING ",\"value\":1000000}",
		"{\"type\":\"error\"," TO_NOTHING ",\"code\":99}",
	};
	static const char *const adds[] = {
		"{\"type\":\"add\"}", "{\"type\":\"add\",\"delta\":\"5\"}", "{\"type\":\"add\",\"delta\":null}",
		"{\"type\":\"add\",\"delta\":1.5}", "{\"type\":\"add\",\"delta\":[5]}", "{\"type\":\"add\",\"delta\":true}",
	};
	begin(p, SERVER);
	for (size_t i = 0; i < ARRAY_LEN(bodies); i++)
		for (int node = 0; node < play_nodes(p); node++) {
			play_throw(p, node, slice_of(bodies[i]));
			ask_add(p, node);
		}
	for (size_t i = 0; i < ARRAY_LEN(adds); i++)
		for (int node = 0; node < play_nodes(p); node++)
			ask_bad_add(p, node, adds[i]);
	end_quietly(p);
}

static const struct reply_shape shapes[] = { { "add_ok", "" }, { "read_ok", "value" }, { 0 } };

#define SLOW { .mean_ns = 10 * NS_PER_MS, .dist = DIST_EXPONENTIAL }

static const struct test tests[] = {
	{ "calm", "three nodes, one counter", 10, TEST_SAFETY, 3, 90000, play_calmly, NULL, 0, { 0 }, NULL },
	{ "duplicates", "every second message comes twice", 10, TEST_SAFETY, 4, 120000, play_duplicates, NULL, NEEDS_BITE, SLOW, NULL },
	{ "loss", "30 % lost, some doubled, some overtaken", 15, TEST_SAFETY, 4, 300000, play_lossy, NULL, NEEDS_BITE, SLOW, NULL },
	{ "lost-answers", "n1 hears, and is not heard", 10, TEST_SAFETY, 3, 120000, play_lost_answers, NULL, NEEDS_BITE, { 0 }, NULL },
	{ "crash", "n1 is killed and started again", 15, TEST_SAFETY, 3, 180000, play_crash, NULL, NEEDS_BITE, SLOW, NULL },
	{ "fronts", "a front is killed and started again", 10, TEST_SAFETY, 3, 180000, play_fronts, NULL, NEEDS_BITE, { 0 }, NULL },
	{ "ends", "half of all messages are lost", 5, TEST_LIVENESS, 4, 600000, play_ends, NULL, NEEDS_BITE, { 0 }, NULL },
	{ "storm", "n1 is cut off for 10 s", 10, TEST_EFFICIENCY, 4, 120000, play_storm, NULL, NEEDS_BITE, { 0 }, NULL },
	{ "cost", "messages per request", 5, TEST_EFFICIENCY, 3, 120000, play_cost, NULL, 0, { .mean_ns = 10 * NS_PER_MS }, NULL },
	{ "pruned", "old keys are forgotten", 5, TEST_EFFICIENCY, 3, 300000, play_pruned, NULL, NEEDS_BITE, { 0 }, NULL },
	{ "garbage", "odd messages do not stop it", 5, TEST_SAFETY, 3, 300000, play_garbage, NULL, 0, { 0 }, NULL },
	{ 0 },
};

const struct lab lab_exactly_once = {
	.id = "exactly-once", .title = "a counter over a bad network", .stage = 1, .kind = LAB_LINES, .tests = tests,
	.shapes = shapes, .docker = true,
};
