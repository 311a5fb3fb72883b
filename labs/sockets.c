/* sockets.c - the lab `sockets`: a line-echo server over raw TCP.
 *
 * The rules that every test rests on:
 *   R1 A line is all bytes up to and with a newline; it goes back unchanged, on the connection it came on.
 *   R2 Nothing of a line goes back before its newline has come.
 *   R3 When the client ends its side, every answer still goes out; an unfinished last line is sent back as it
 *      is; then the node closes.
 *   R4 No client waits for another, and none can end the node.
 * The node is a black box: what is judged came over a connection, or is its exit status or its number of open files. */
#include "sock.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

enum {
	ANSWER_MS = 5000,       /* the longest silence while an answer is due */
	EXIT_MS = 300,          /* between the end of a connection and the news that its node has ended */
	START_MS = 10000,       /* for a node to listen again */
	HALVES_MS = 100,        /* between the two halves of a line */
	STALL_MS = 200,         /* nothing went out for so long: the buffers between us and the node are full */
	SPELL_MS = 5,           /* between two bytes of a line that is sent in single bytes */
	CROWD = 100,
	BIG_LINE = 1 << 20,     /* bytes of the long line, without its newline */
	BULK = 8 << 20,         /* more than the kernel's buffers of both ends hold */
	BULK_LINE = 1024,
	LEAK_CONNECTIONS = 5000,
	LEAK_SLACK = 20,        /* files a node may open for itself meanwhile */
	RESET_ROUNDS = 20,
	STALL_ROUNDS = 10,
	RESET_STALL_MS = 20,
	BY_KILL = 1000 + SIGKILL /* arg of the EXIT that follows play_kill */
};

#define HINT_READ "one read() is not one line: keep what has come in a buffer for each connection, and answer when you see a newline"
#define HINT_WRITE "one write() is not one answer: it says how many bytes it took; keep the rest and send it when the connection takes more"
#define HINT_TURNS "never wait inside read() or write() for one client: use poll, epoll or a selector, or a thread for each connection"
#define HINT_BACKLOG HINT_TURNS ". And give listen() a backlog of at least 128: with less, the system drops or resets connections " \
	"that come at the same moment"
#define HINT_OWN "a client got bytes that are not its own: each connection needs a buffer of its own"

/* --- saying what went wrong --- */

/* One sentence about what a step demands; what was seen is found out. */
struct demand {
	const char *rule, *expected, *hint;
};

/* The last end of a node's process, when it has not been started since. */
static const struct event *node_exit(const struct play *p, int node)
{
	const struct trace *t = play_trace(p);
	for (uint64_t seq = trace_count(t); seq >= 1; seq--) {
		const struct event *e = trace_at(t, seq);
		if (e->dst != node)
			continue;
		if (e->kind == EVENT_EXIT)
			return e;
		if (e->kind == EVENT_START)
			return NULL;
	}
	return NULL;
}

/* The last steps of a connection, and the end of its node: newest last. */
static void find_evidence(const struct play *p, int node, int64_t id, uint64_t *out, size_t max)
{
	const struct trace *t = play_trace(p);
	size_t n = 0;
	for (uint64_t seq = trace_count(t); seq >= 1 && n < max; seq--) {
		const struct event *e = trace_at(t, seq);
		bool step = e->kind == EVENT_SOCK && (id < 0 || e->arg == id || e->arg == 0);
		if (step || (e->kind == EVENT_EXIT && e->dst == node))
			out[n++] = seq;
	}
	for (size_t i = 0; i < n / 2; i++) {
		uint64_t swap = out[i];
		out[i] = out[n - 1 - i];
		out[n - 1 - i] = swap;
	}
}

/* Fails the test; `id` is the connection it is about, -1: no single one. */
static _Noreturn void fail_at(struct play *p, int node, int64_t id, const struct demand *d, const char *seen)
{
	const struct event *end = node_exit(p, node);
	struct finding f = {
		.rule = d->rule, .expected = d->expected, .hint = d->hint, .nodes = lane_bit(node),
		.seen = end ? play_text(p, "%s; %s %.*s", seen, play_node_name(p, node), SLICE_ARG(end->text)) : seen,
	};
	find_evidence(p, node, id, f.evidence, ARRAY_LEN(f.evidence));
	play_fail(p, &f);
}

struct node_ref {
	const struct play *p;
	int node;
};

static bool node_is_gone(void *arg)
{
	const struct node_ref *ref = arg;
	return node_exit(ref->p, ref->node) != NULL;
}

static _Noreturn void fail_on(struct play *p, const struct sock *s, const struct demand *d, const char *seen)
{
	/* The end of a node becomes known a moment after that of its connections. */
	if (sock_state(s) != SOCK_OPEN)
		play_sock_wait(p, node_is_gone, &(struct node_ref){ p, sock_node(s) }, EXIT_MS);
	fail_at(p, sock_node(s), sock_id(s), d, seen);
}

/* Why nothing more comes: "then the node closed the connection". */
static const char *how_it_stopped(struct play *p, const struct sock *s, int64_t idle_ms)
{
	switch (sock_state(s)) {
	case SOCK_EOF:
		return "the node closed the connection";
	case SOCK_BROKEN:
		if (sock_error(s) == ECONNRESET)
			return "the connection was reset by the node's side";
		return play_text(p, "the connection broke (%s)", strerror(sock_error(s)));
	default:
		return play_text(p, "nothing%s came within %d ms", sock_got(s).n > 0 ? " more" : "", (int)idle_ms);
	}
}

static const char *quoted(struct play *p, struct slice text)
{
	struct buf b = BUF_EMPTY;
	sock_quote(&b, text);
	const char *copy = play_text(p, "%s", buf_cstr(&b));
	buf_done(&b);
	return copy;
}

static size_t common_prefix(struct slice a, struct slice b)
{
	size_t n = a.n < b.n ? a.n : b.n, i = 0;
	while (i < n && a.s[i] == b.s[i])
		i++;
	return i;
}

/* What came instead of `want`; NULL when it came. More than was wanted is wrong as well. */
static const char *seen_instead(struct play *p, const struct sock *s, struct slice want, int64_t idle_ms)
{
	struct slice got = sock_got(s);
	if (slice_eq(got, want))
		return NULL;
	size_t same = common_prefix(got, want);
	const char *name = sock_name(s);
	if (same == 0 && got.n > 0 && want.n > 0)
		return play_text(p, "%s got %s where %s was due", name, quoted(p, got), quoted(p, want));
	if (same < got.n && same < want.n) {
		struct slice rest = { got.s + same, got.n - same }, due = { want.s + same, want.n - same };
		return play_text(p, "%s got %zu right bytes, then %s where %s was due", name, same, quoted(p, rest), quoted(p, due));
	}
	if (same == want.n)
		return play_text(p, "%s got what was due and %zu bytes more: %s", name, got.n - same,
				 quoted(p, (struct slice){ got.s + same, got.n - same }));
	const char *stopped = how_it_stopped(p, s, idle_ms);
	if (got.n == 0)
		return play_text(p, "%s got no byte: %s", name, stopped);
	if (got.n <= SOCK_QUOTE_MAX)
		return play_text(p, "%s got %s, then %s", name, quoted(p, got), stopped);
	return play_text(p, "%s got the first %zu of %zu bytes, then %s", name, got.n, want.n, stopped);
}

/* A node that ends in a test that says what such an end means (its demand is the play's data) fails at once. */
static void watch_end(struct play *p, const struct event *e)
{
	const struct demand *d = play_data(p);
	if (e->kind != EVENT_EXIT || !d || e->arg == BY_KILL)
		return;
	struct finding f = {
		.rule = d->rule, .expected = d->expected, .hint = d->hint, .nodes = lane_bit(e->src),
		.seen = play_text(p, "%s %.*s", play_node_name(p, e->src), SLICE_ARG(e->text)),
	};
	find_evidence(p, e->src, -1, f.evidence, ARRAY_LEN(f.evidence));
	play_fail(p, &f);
}

/* --- steps --- */

/* A connection is made, or the test fails. */
static void need_open(struct play *p, struct sock *s)
{
	if (sock_state(s) != SOCK_BROKEN)
		return;
	struct demand d = {
		.rule = "the node accepts connections", .expected = play_text(p, "%s can connect", sock_name(s)),
		.hint = "listen on the address in DLAB_LISTEN and keep accepting; no client may end the node",
	};
	fail_on(p, s, &d, play_text(p, "%s could not connect: %s", sock_name(s), strerror(sock_error(s))));
}

static struct sock *connect_to(struct play *p, int node)
{
	struct sock *s = play_sock_connect(p, node);
	need_open(p, s);
	return s;
}

/* These bytes and no others come, in time; they are taken. */
static void expect(struct play *p, struct sock *s, struct slice want, int64_t idle_ms, const struct demand *d)
{
	play_sock_recv(p, s, want.n, idle_ms);
	const char *seen = seen_instead(p, s, want, idle_ms);
	if (seen)
		fail_on(p, s, d, seen);
	sock_take(s, want.n);
}

/* The node closes its side, after `want`. */
static void expect_end(struct play *p, struct sock *s, struct slice want, int64_t idle_ms, const struct demand *d)
{
	play_sock_recv_eof(p, s, idle_ms);
	const char *seen = seen_instead(p, s, want, idle_ms);
	if (!seen && sock_state(s) == SOCK_BROKEN)
		seen = play_text(p, "%s got all its bytes, then %s", sock_name(s), how_it_stopped(p, s, idle_ms));
	if (!seen && sock_state(s) != SOCK_EOF)
		seen = play_text(p, "%s got all its bytes, but the node did not close the connection within %d ms", sock_name(s),
				 (int)idle_ms);
	if (seen)
		fail_on(p, s, d, seen);
	sock_take(s, want.n);
}

/* Sends a text and wants the same text back. */
static void echo(struct play *p, struct sock *s, const char *text, const struct demand *d)
{
	play_sock_send(p, s, slice_of(text));
	expect(p, s, slice_of(text), ANSWER_MS, d);
}

/* The node still serves a newcomer. */
static void expect_alive(struct play *p, int node, const struct demand *d)
{
	struct sock *s = play_sock_connect(p, node);
	if (sock_state(s) == SOCK_BROKEN)
		fail_on(p, s, d, play_text(p, "%s could not connect: %s", sock_name(s), strerror(sock_error(s))));
	echo(p, s, "still here?\n", d);
	play_sock_close(p, s);
}

/* Lines of BULK_LINE bytes, each with its number; in the run's arena. */
static struct slice bulk_lines(struct play *p, size_t total)
{
	char *s = arena_alloc(play_arena(p), total + BULK_LINE + 1);
	size_t n = 0;
	for (int i = 1; n < total; i++, n += BULK_LINE) {
		const char *head = play_text(p, "line %d ", i);
		size_t head_n = strlen(head);
		memcpy(s + n, head, head_n);
		memset(s + n + head_n, 'a' + i % 26, BULK_LINE - head_n - 1);
		s[n + BULK_LINE - 1] = '\n';
	}
	return (struct slice){ s, n };
}

/* --- the tests --- */

static void play_one_line(struct play *p)
{
	struct sock *s = connect_to(p, 0);
	echo(p, s, "hello\n", &(struct demand){
		"a line comes back", "\"hello\\n\" comes back, unchanged, and the connection stays open",
		"read until there is a newline, then send the whole line back, newline and all" });
	echo(p, s, "a second line\n", &(struct demand){
		"a connection carries many lines", "a second line on the same connection comes back as well",
		"after an answer, go back to reading; close only when the client has ended its side" });
	echo(p, s, "\n", &(struct demand){
		"an empty line is a line", "a newline alone comes back as a newline alone",
		"an empty line is not the end of the connection: only a read() of 0 bytes is" });
	echo(p, s, "tabs\t, spaces  and a return\r\n", &(struct demand){
		"a line comes back unchanged", "spaces and the \"\\r\" at the end come back too",
		"do not strip or trim: a line is its bytes, all of them" });
	play_sock_close(p, s);
}

static void play_two_in_one(struct play *p)
{
	static const char hint[] = "one read() may bring several lines: answer every line in the buffer, in order, and keep what comes "
				   "after the last newline";
	struct sock *s = connect_to(p, 0);
	echo(p, s, "first\nsecond\n", &(struct demand){
		"every line of a packet is answered", "two lines, sent in one packet, both come back in order", hint });
	play_sock_send(p, s, SLICE("third\nfourth\nfif"));
	expect(p, s, SLICE("third\nfourth\n"), ANSWER_MS, &(struct demand){
		"every line of a packet is answered", "the two whole lines come back, and nothing of the unfinished third one", hint });
	play_sock_send(p, s, SLICE("th\n"));
	expect(p, s, SLICE("fifth\n"), ANSWER_MS, &(struct demand){
		"the rest of a packet is kept", "\"fif\" and then \"th\\n\" come back as one line \"fifth\\n\"", hint });
	play_sock_close(p, s);
}

static void play_byte_by_byte(struct play *p)
{
	static const char line[] = "one byte at a time";
	struct demand d = { "one read is not one line", "nothing comes back before the newline was sent", HINT_READ };
	struct sock *s = connect_to(p, 0);
	play_sock_send_pieces(p, s, slice_of(line), 1, SPELL_MS);
	if (sock_got(s).n > 0)
		fail_on(p, s, &d, play_text(p, "%s got %s before it had sent a newline", sock_name(s), quoted(p, sock_got(s))));
	if (sock_state(s) != SOCK_OPEN)
		fail_on(p, s, &d, play_text(p, "before the newline was sent, %s", how_it_stopped(p, s, 0)));
	play_sock_send(p, s, SLICE("\n"));
	d.expected = "after the newline, the whole line comes back once";
	expect(p, s, SLICE("one byte at a time\n"), ANSWER_MS, &d);
	play_sock_send_pieces(p, s, SLICE("and\nagain\n"), 1, SPELL_MS);
	d.expected = "two lines, sent in single bytes, come back as two lines";
	expect(p, s, SLICE("and\nagain\n"), ANSWER_MS, &d);
	play_sock_close(p, s);
}

struct crowd {
	struct sock *socks[CROWD];
	struct slice lines[CROWD];
	size_t n;
};

static bool crowd_is_answered(void *arg)
{
	const struct crowd *c = arg;
	for (size_t i = 0; i < c->n; i++)
		if (sock_state(c->socks[i]) == SOCK_OPEN && sock_got(c->socks[i]).n < c->lines[i].n)
			return false;
	return true;
}

static size_t crowd_count_answered(const struct crowd *c)
{
	size_t n = 0;
	for (size_t i = 0; i < c->n; i++)
		n += slice_eq(sock_got(c->socks[i]), c->lines[i]);
	return n;
}

/* Everybody has the right answer, and takes it. */
static void crowd_expect(struct play *p, struct crowd *c, const struct demand *d)
{
	play_sock_wait(p, crowd_is_answered, c, ANSWER_MS);
	size_t answered = crowd_count_answered(c);
	play_sock_note(p, 0, "%zu of %zu connections have their answer", answered, c->n);
	for (size_t i = 0; i < c->n; i++) {
		const char *seen = seen_instead(p, c->socks[i], c->lines[i], ANSWER_MS);
		struct slice got = sock_got(c->socks[i]);
		struct demand mixed = { d->rule, d->expected, HINT_OWN };
		if (seen)
			fail_on(p, c->socks[i], common_prefix(got, c->lines[i]) < got.n ? &mixed : d, play_text(p, "%zu of %zu connections were answered; %s", answered, c->n, seen));
		sock_take(c->socks[i], c->lines[i].n);
	}
}

static bool crowd_has_input(void *arg)
{
	const struct crowd *c = arg;
	for (size_t i = 0; i < c->n; i++)
		if (sock_got(c->socks[i]).n > 0)
			return true;
	return false;
}

static void crowd_connect(struct play *p, struct crowd *c, size_t n, const struct demand *d)
{
	c->n = n;
	size_t made = play_sock_connect_many(p, 0, c->socks, n);
	for (size_t i = 0; made < n && i < n; i++)
		if (sock_state(c->socks[i]) == SOCK_BROKEN)
			fail_on(p, c->socks[i], d, play_text(p, "%zu of %zu could connect; %s: %s", made, n, sock_name(c->socks[i]),
							     strerror(sock_error(c->socks[i]))));
}

static void play_many_clients(struct play *p)
{
	struct demand d = { "clients do not wait for one another", "100 connections are open at once and each gets its own line back",
			    HINT_BACKLOG };
	struct demand early = { "one read is not one line", "nothing comes back while each client has sent half a line", HINT_READ };
	struct crowd c;
	crowd_connect(p, &c, CROWD, &d);
	/* First half of every line, then the second halves from the last client to the first. */
	for (size_t i = 0; i < c.n; i++) {
		c.lines[i] = slice_of(play_text(p, "I am client %zu of %d\n", i + 1, CROWD));
		play_sock_send(p, c.socks[i], (struct slice){ c.lines[i].s, 5 });
	}
	play_sock_note(p, 0, "each has sent half a line");
	/* So that the halves are read before the rest comes; a node that is slower only has it easier. */
	play_sock_wait(p, crowd_has_input, &c, HALVES_MS);
	for (size_t i = 0; i < c.n; i++)
		if (sock_got(c.socks[i]).n > 0)
			fail_on(p, c.socks[i], &early, play_text(p, "%s had sent half a line and got %s", sock_name(c.socks[i]),
								 quoted(p, sock_got(c.socks[i]))));
	for (size_t i = c.n; i-- > 0;)
		play_sock_send(p, c.socks[i], (struct slice){ c.lines[i].s + 5, c.lines[i].n - 5 });
	play_sock_note(p, 0, "each has sent the rest, the last one first");
	crowd_expect(p, &c, &d);
	play_sock_close_many(p, c.socks, c.n);
}

/* Until all buffers between us and the node are full, or it has taken everything. On a busy machine a node may also stand
 * still because it gets no processor: so it has to answer somebody else meanwhile. */
static void wait_for_brim(struct play *p, struct sock *slow, struct sock *other, const struct demand *d)
{
	uint64_t moved = 0;
	for (int i = 1; i <= STALL_ROUNDS && moved != play_sock_moved(slow); i++) {
		play_sock_stall(p, slow, STALL_MS, ANSWER_MS);
		moved = play_sock_moved(slow);
		echo(p, other, play_text(p, "meanwhile %d\n", i), d);
		play_sock_stall(p, slow, STALL_MS, ANSWER_MS);
	}
}

static void play_slow_reader(struct play *p)
{
	struct demand d = { "a slow reader holds up nobody", "while one client sends 8 MiB of lines and does not read, another is answered",
			    "write() to a client who does not read blocks: make the socket non-blocking, keep what it did not take, and go on "
			    "with the others; or give each connection its own thread" };
	struct slice lines = bulk_lines(p, BULK);
	struct sock *other = connect_to(p, 0);
	struct sock *slow = play_sock_connect_slow(p, 0);
	need_open(p, slow);
	play_sock_send(p, slow, lines);
	wait_for_brim(p, slow, other, &d);
	for (int i = 1; i <= 5; i++)
		echo(p, other, play_text(p, "quick %d\n", i), &d);
	expect_alive(p, 0, &d);
	play_sock_release(p, slow);
	d = (struct demand){ "a slow reader gets everything", "when it reads at last, all 8 MiB come back in order", HINT_WRITE };
	expect(p, slow, lines, ANSWER_MS, &d);
	play_sock_close(p, slow);
	play_sock_close(p, other);
}

static void play_half_close(struct play *p)
{
	struct demand d = { "half-close: the rest still comes, then the end",
			    "after the client has ended its sending side, both lines come back and then the node closes",
			    "a read() of 0 bytes says that the client sends no more, but it still reads: send what is left, then close" };
	struct sock *s = connect_to(p, 0);
	play_sock_send(p, s, SLICE("one\ntwo\n"));
	play_sock_half_close(p, s);
	expect_end(p, s, SLICE("one\ntwo\n"), ANSWER_MS, &d);
	play_sock_close(p, s);

	struct slice lines = bulk_lines(p, BULK);
	d.expected = "8 MiB of lines and a half-close: all of it comes back, then the node closes";
	s = play_sock_connect_slow(p, 0);
	need_open(p, s);
	play_sock_send(p, s, lines);
	play_sock_half_close(p, s);
	play_sock_stall(p, s, STALL_MS, ANSWER_MS);
	play_sock_release(p, s);
	expect_end(p, s, lines, ANSWER_MS, &d);
	play_sock_close(p, s);
}

/* Any byte but the newline, from the seed. */
static struct slice random_line(struct play *p, size_t n)
{
	char *s = arena_alloc(play_arena(p), n + 1);
	for (size_t i = 0; i < n; i++) {
		uint64_t c = rng_below(play_rng(p), 255);
		s[i] = (char)(unsigned char)(c < '\n' ? c : c + 1);
	}
	s[n] = '\n';
	return (struct slice){ s, n + 1 };
}

static void play_long_line(struct play *p)
{
	struct demand d = { "a line may be long", "a line of 1,048,576 bytes comes back whole",
			    "a buffer of fixed size cuts long lines: let it grow until the newline comes" };
	struct sock *s = connect_to(p, 0);
	char *letters = arena_alloc(play_arena(p), BIG_LINE + 1);
	for (size_t i = 0; i < BIG_LINE; i++)
		letters[i] = (char)('a' + i % 26);
	letters[BIG_LINE] = '\n';
	struct slice line = { letters, BIG_LINE + 1 };
	play_sock_send(p, s, line);
	expect(p, s, line, ANSWER_MS, &d);
	line = random_line(p, BIG_LINE);
	play_sock_send(p, s, line);
	expect(p, s, line, ANSWER_MS, &(struct demand){
		"a line is bytes, not text", "a line of 1,048,576 bytes of every value (zero too) comes back unchanged",
		"do not decode what comes, and do not use strlen() or strchr(): bytes and a length" });
	echo(p, s, "short again\n", &d);
	play_sock_close(p, s);
}

/* How a client can go away in the middle: of its own line, or of the node's answers. After a half-close a write of the
 * node fails with EPIPE (and SIGPIPE) at once, else with ECONNRESET first. */
enum vanish { VANISH_IN_LINE, VANISH_BEFORE_ANSWER, VANISH_IN_ANSWER, VANISH_AFTER_HALF_CLOSE, VANISH_BY_CLOSE, VANISH_WAYS };

static void vanish(struct play *p, enum vanish way, struct slice lines)
{
	struct sock *s = connect_to(p, 0);
	if (way == VANISH_IN_LINE) {
		play_sock_send(p, s, SLICE("half a li"));
	} else if (way == VANISH_IN_ANSWER || way == VANISH_AFTER_HALF_CLOSE) {
		play_sock_hold(p, s);
		play_sock_send(p, s, lines);
		if (way == VANISH_AFTER_HALF_CLOSE)
			play_sock_half_close(p, s);
		play_sock_stall(p, s, RESET_STALL_MS, ANSWER_MS);
	} else {
		play_sock_send(p, s, SLICE("a\nb\nc\nd\n"));
	}
	if (way == VANISH_BY_CLOSE)
		play_sock_close(p, s);
	else
		play_sock_reset(p, s);
}

static void play_reset(struct play *p)
{
	struct demand d = { "a reset ends one connection, not the node", "after clients have vanished, by reset or by close, the others are answered",
			    "a write to a connection that is gone raises SIGPIPE, or fails with EPIPE or ECONNRESET; a read can fail too: "
			    "ignore SIGPIPE, treat the error as the end of that one client, and go on" };
	play_set_data(p, &d);
	struct slice lines = bulk_lines(p, BULK);
	struct sock *witness = connect_to(p, 0);
	echo(p, witness, "before\n", &d);
	for (int round = 0; round < RESET_ROUNDS; round++) {
		vanish(p, (enum vanish)(round % VANISH_WAYS), lines);
		echo(p, witness, play_text(p, "after client %d\n", round + 1), &d);
	}
	play_sock_close(p, witness);
	expect_alive(p, 0, &d);
	play_set_data(p, NULL);
}

/* What a batch leaves behind, so that every way to end a connection is walked. */
enum leave { LEAVE_CLOSE, LEAVE_HALF_LINE, LEAVE_HALF_CLOSE, LEAVE_RESET, LEAVE_WAYS };

static void leave(struct play *p, struct sock *s, enum leave way)
{
	if (way == LEAVE_HALF_LINE)
		play_sock_send(p, s, SLICE("unfini"));
	if (way == LEAVE_HALF_CLOSE)
		play_sock_half_close(p, s);
	if (way == LEAVE_RESET)
		play_sock_reset(p, s);
}

static bool crowd_has_ended(void *arg)
{
	const struct crowd *c = arg;
	for (size_t i = 0; i < c->n; i++)
		if (sock_state(c->socks[i]) == SOCK_OPEN)
			return false;
	return true;
}

/* 100 connections: one line each, and away. */
static void leak_batch(struct play *p, int batch, const struct demand *leaks)
{
	/* In the first batch there is nothing yet that could have leaked. */
	const struct demand crowded = { "clients do not wait for one another", leaks->expected, HINT_BACKLOG };
	const struct demand *d = batch == 0 ? &crowded : leaks;
	struct crowd c;
	enum leave way = (enum leave)(batch % LEAVE_WAYS);
	crowd_connect(p, &c, CROWD, d);
	for (size_t i = 0; i < c.n; i++) {
		c.lines[i] = slice_of(play_text(p, "connection %zu\n", (size_t)batch * CROWD + i + 1));
		play_sock_send(p, c.socks[i], c.lines[i]);
	}
	crowd_expect(p, &c, d);
	for (size_t i = 0; i < c.n; i++)
		leave(p, c.socks[i], way);
	if (way == LEAVE_HALF_CLOSE && !play_sock_wait(p, crowd_has_ended, &c, ANSWER_MS))
		fail_at(p, 0, -1, d, play_text(p, "%d ms after a half-close the node has not closed its side", ANSWER_MS));
	play_sock_close_many(p, c.socks, c.n);
}

struct files {
	struct play *p;
	int limit, now;
};

static bool files_are_closed(void *arg)
{
	struct files *f = arg;
	f->now = play_open_files(f->p, 0);
	return f->now <= f->limit;
}

static void play_no_leaks(struct play *p)
{
	struct demand d = { "connections leave no descriptor behind", "5,000 connections, 100 at a time, are all answered",
			    "close() the descriptor on every path: end of file, error, reset; a thread must close its connection too" };
	expect_alive(p, 0, &d);
	int before = play_open_files(p, 0);
	for (int batch = 0; batch < LEAK_CONNECTIONS / CROWD; batch++)
		leak_batch(p, batch, &d);
	expect_alive(p, 0, &d);
	struct files f = { p, before + LEAK_SLACK, 0 };
	if (before >= 0 && !play_sock_wait(p, files_are_closed, &f, ANSWER_MS)) {
		d.expected = play_text(p, "after 5,000 connections the node has about as many files open as before (%d)", before);
		fail_at(p, 0, -1, &d, play_text(p, "5,000 connections later it has %d open", f.now));
	}
	if (before >= 0)
		play_measure(p, "open files after 5,000 connections", f.now, "files", play_text(p, "<= %d", f.limit));
}

static void play_last_line(struct play *p)
{
	struct demand d = { "the last line may lack its newline",
			    "\"no newline\" and then a half-close: it comes back without a newline, then the node closes",
			    "at the end of input, look into the buffer: what is left there is the last line; send it as it is" };
	struct sock *s = connect_to(p, 0);
	play_sock_send(p, s, SLICE("no newline"));
	play_sock_half_close(p, s);
	expect_end(p, s, SLICE("no newline"), ANSWER_MS, &d);
	play_sock_close(p, s);
	s = connect_to(p, 0);
	d.expected = "a whole line, an unfinished one and a half-close: both come back as they were, then the node closes";
	play_sock_send(p, s, SLICE("whole\nunfinished"));
	play_sock_half_close(p, s);
	expect_end(p, s, SLICE("whole\nunfinished"), ANSWER_MS, &d);
	play_sock_close(p, s);
	s = connect_to(p, 0);
	d.expected = "a client that sends nothing and half-closes gets nothing, and the node closes";
	play_sock_half_close(p, s);
	expect_end(p, s, SLICE_NONE, ANSWER_MS, &d);
	play_sock_close(p, s);
}

/* True when the node listens again, or has ended instead. */
static bool node_has_started(void *arg)
{
	const struct node_ref *ref = arg;
	const struct trace *t = play_trace(ref->p);
	for (uint64_t seq = trace_count(t); seq >= 1; seq--) {
		const struct event *e = trace_at(t, seq);
		if (e->dst != ref->node)
			continue;
		if (e->kind == EVENT_READY || e->kind == EVENT_EXIT)
			return true;
		if (e->kind == EVENT_START)
			return false;
	}
	return false;
}

/* The node is killed with connections open, which then linger in TIME_WAIT at its port. */
static void play_restart(struct play *p)
{
	struct demand d = { "a node can restart on its port at once", "after SIGKILL and a start, the node listens on the same port again",
			    "old connections hold the port for a minute (TIME_WAIT): set SO_REUSEADDR on the socket before bind()" };
	struct sock *socks[3];
	for (size_t i = 0; i < ARRAY_LEN(socks); i++) {
		socks[i] = connect_to(p, 0);
		echo(p, socks[i], "hold on\n", &d);
	}
	play_kill(p, 0);
	for (size_t i = 0; i < ARRAY_LEN(socks); i++) {
		play_sock_recv_eof(p, socks[i], ANSWER_MS);
		play_sock_close(p, socks[i]);
	}
	play_set_data(p, &d);
	play_fault(p, (struct fault){ .kind = FAULT_START, .from = lane_bit(0) });
	play_sock_wait(p, node_has_started, &(struct node_ref){ p, 0 }, START_MS);
	expect_alive(p, 0, &d);
	play_set_data(p, NULL);
}

struct ending {
	struct play *p;
	int status;
};

static bool node_has_ended(void *arg)
{
	struct ending *e = arg;
	return play_exit_status(e->p, 0, &e->status);
}

static void play_sigterm(struct play *p)
{
	struct demand d = { "SIGTERM ends the node, with status 0", "after SIGTERM the node exits by itself with status 0",
			    "handle SIGTERM: leave the loop and exit with status 0; without a handler the signal kills the process. A shell "
			    "script around the server gets the signal in its place: it must start the server with exec" };
	struct sock *idle = connect_to(p, 0), *busy = connect_to(p, 0);
	echo(p, idle, "before the signal\n", &d);
	play_sock_send(p, busy, SLICE("half a li"));
	play_signal(p, 0, SIGTERM);
	struct ending e = { p, 0 };
	if (!play_sock_wait(p, node_has_ended, &e, ANSWER_MS))
		fail_at(p, 0, -1, &d, play_text(p, "%s still runs %d ms after SIGTERM", play_node_name(p, 0), ANSWER_MS));
	if (e.status != 0)
		fail_at(p, 0, -1, &d, play_text(p, "%s got SIGTERM", play_node_name(p, 0)));
	play_sock_close(p, idle);
	play_sock_close(p, busy);
}

#define TEST(ID, TITLE, POINTS, KIND, LIMIT_S, PLAY) \
	{ .id = ID, .title = TITLE, .points = POINTS, .kind = KIND, .nodes = 1, .limit_ms = (LIMIT_S) * 1000, .play = PLAY, \
	  .needs = NEEDS_SOCKETS | NEEDS_WALL_CLOCK }

static const struct test tests[] = {
	TEST("one-line", "sends a line back", 6, TEST_SAFETY, 30, play_one_line),
	TEST("two-in-one", "answers two lines that came in one packet", 8, TEST_SAFETY, 30, play_two_in_one),
	TEST("byte-by-byte", "waits for the newline, byte by byte", 10, TEST_SAFETY, 30, play_byte_by_byte),
	TEST("many-clients", "serves 100 clients at once", 10, TEST_LIVENESS, 30, play_many_clients),
	TEST("slow-reader", "is not held up by a slow reader", 12, TEST_LIVENESS, 90, play_slow_reader),
	TEST("half-close", "sends the rest after a half-close", 8, TEST_SAFETY, 90, play_half_close),
	TEST("long-line", "sends back a line of 1 MiB", 8, TEST_SAFETY, 90, play_long_line),
	TEST("reset", "survives clients that reset their connection", 10, TEST_SAFETY, 90, play_reset),
	TEST("no-leaks", "closes what 5,000 connections opened", 10, TEST_SAFETY, 120, play_no_leaks),
	TEST("last-line", "sends back a last line without newline", 6, TEST_SAFETY, 30, play_last_line),
	TEST("restart", "can be started again on the same port at once", 6, TEST_LIVENESS, 30, play_restart),
	TEST("sigterm", "exits with status 0 on SIGTERM", 6, TEST_LIVENESS, 30, play_sigterm),
	{ .id = NULL },
};

const struct lab lab_sockets = {
	.id = "sockets", .title = "a line-echo server on raw TCP", .stage = 1, .kind = LAB_SOCKETS, .tests = tests, .watch = watch_end, .docker = true,
};
