/* echo.c - the first lab: the protocol. A node answers `echo {echo}` with `echo_ok {echo}`.
 *
 * What comes back is compared as a JSON value (canon.h): escapes, blanks, the order of keys and 1.0 for 1 are no matter. */
#include "canon.h"
#include "lab.h"

enum { LONG_LINE = 50000, MANY = 60 };

static void fail_echo(struct play *p, const struct op *op, const char *sent, const char *got, const char *hint)
{
	FAIL(p, .rule = "echo_ok carries what was sent",
		.expected = sent, .seen = got, .hint = hint,
		.nodes = lane_bit(op->node), .t_ns = op->return_ns, .evidence = { op->call_seq, op->return_seq });
}

/* Where two texts differ first, for a sentence. */
static const char *where_differs(struct play *p, const char *a, const char *b)
{
	size_t i = 0;
	while (a[i] && a[i] == b[i])
		i++;
	return play_text(p, "give the text back as it came; yours differs from byte %zu on (sent %zu bytes, got %zu)", i + 1, strlen(a),
		strlen(b));
}

/* The answer must hold exactly the value that was asked. */
static void need_same(struct play *p, const struct op *op)
{
	const json_t *answer = play_need_answer(p, op);
	struct slice sent = json_member(op->request, "echo"), got = json_member(op->answer, "echo");
	if (got.s && json_same(sent, got))
		return;
	const char *sent_text = play_text(p, "\"echo\":%s", play_quote(p, sent));
	if (!got.s)
		fail_echo(p, op, sent_text, "the reply has no key \"echo\"", "copy the request's \"echo\" into the reply");
	const char *want = json_get_string(play_json(p, op->request), "echo", NULL), *have = json_get_string(answer, "echo", NULL);
	fail_echo(p, op, sent_text, play_text(p, "\"echo\":%s", play_quote(p, got)), want && have ? where_differs(p, want, have) :
		"give the value back as it is, whatever its type");
}

static void ask_echo(struct play *p, int node, const char *value)
{
	need_same(p, play_ask(p, node, "{\"type\":\"echo\",\"echo\":%s}", value));
}

static void play_one(struct play *p)
{
	ask_echo(p, 0, "\"hello\"");
	ask_echo(p, 0, "\"\"");
	ask_echo(p, 0, play_text(p, "\"please echo %d\"", (int)rng_below(play_rng(p), 1000)));
}

static void play_three_nodes(struct play *p)
{
	struct op *op[3];
	for (int round = 0; round < 5; round++) {
		for (int i = 0; i < 3; i++)
			op[i] = play_send(p, i, "{\"type\":\"echo\",\"echo\":\"to %s, round %d\"}", play_node_name(p, i), round);
		for (int i = 0; i < 3; i++) {
			play_wait(p, op[i]);
			need_same(p, op[i]);
		}
	}
}

/* Many clients ask one node at once: their msg_ids are small numbers that stand in no order, and repeat. */
static void play_ids(struct play *p)
{
	struct op *op[MANY];
	for (int i = 0; i < 10; i++)
		ask_echo(p, 0, play_text(p, "%d", i));
	for (int i = 0; i < MANY; i++)
		op[i] = play_send(p, 0, "{\"type\":\"echo\",\"echo\":[%d,\"%d\"]}", i, (int)rng_below(play_rng(p), 1000000));
	for (int i = 0; i < MANY; i++) {
		play_wait(p, op[i]);
		need_same(p, op[i]);
	}
}

static void play_long_line(struct play *p)
{
	char *text = arena_alloc(play_arena(p), LONG_LINE + 1);
	for (int i = 0; i < LONG_LINE; i++)
		text[i] = (char)('a' + (int)rng_below(play_rng(p), 26));
	text[LONG_LINE] = '\0';
	ask_echo(p, 0, play_text(p, "\"%s\"", text));
	ask_echo(p, 0, "\"short again\"");
}

static void play_unicode(struct play *p)
{
	static const char *const texts[] = {
		"\"gr\xc3\xbc\xc3\x9f dich\"", "\"\xe4\xbd\xa0\xe5\xa5\xbd\"", "\"\xf0\x9f\x90\x98 in the room\"",
		"\"e\xcc\x81 is not \xc3\xa9\"", "\"quote \\\" backslash \\\\ slash / newline \\n tab \\t\"",
		"\"\\u00e9\\ud83d\\udc18\\u0001\"", "\"\xd8\xb3\xd9\x84\xd8\xa7\xd9\x85\"", "{\"a\":[1,2.5,null,true]}",
	};
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		ask_echo(p, 0, texts[i]);
}

static void play_unknown_type(struct play *p)
{
	ask_echo(p, 0, "\"before\"");
	const struct op *op = play_ask(p, 0, "{\"type\":\"ehco\",\"echo\":\"hello\"}");
	if (op->status != OP_FAILED || op->code != ERROR_NOT_SUPPORTED)
		FAIL(p, .rule = "an unknown type is answered with error 10",
			.expected = "{\"type\":\"error\",\"code\":10,...} in reply to a request of type \"ehco\"",
			.seen = op->answer.n ? play_quote(p, op->answer) : "no answer within 5 s",
			.hint = "code 10 is not-supported: it tells the client for sure that nothing happened",
			.nodes = lane_bit(0), .evidence = { op->call_seq, op->return_seq });
	ask_echo(p, 0, "\"after\"");
}

/* Requests that no sane client sends. Nothing is asked of the answers but that the node lives on. */
static void play_garbage(struct play *p)
{
	static const char *const bodies[] = {
		"{}", "{\"type\":42}", "{\"type\":\"echo\"}", "{\"type\":null,\"echo\":1}", "{\"echo\":\"no type\"}",
		"{\"type\":\"echo_ok\"," TO_NOTHING ",\"echo\":\"a reply to nothing\"}",
		"{\"type\":\"error\"," TO_NOTHING ",\"code\":99}", "{\"type\":\"\",\"in_reply_to\":\"x\"}",
		"{\"type\":\"echo\",\"echo\":\"twice\",\"echo\":\"the same key\"}",
	};
	for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
		play_throw(p, 0, slice_of(bodies[i]));
		ask_echo(p, 0, play_text(p, "\"still there after garbage %zu?\"", i + 1));
	}
}

static const struct reply_shape shapes[] = { { "echo_ok", "echo" }, { 0 } };

static const struct test tests[] = {
	{ "one", "one node answers echo", 20, TEST_SAFETY, 1, 20000, play_one, NULL, 0, { 0 }, NULL },
	{ "three-nodes", "three nodes answer at once", 15, TEST_SAFETY, 3, 60000, play_three_nodes, NULL, 0, { 0 }, NULL },
	{ "ids-out-of-order", "each reply names its own request", 15, TEST_SAFETY, 1, 60000, play_ids, NULL, 0, { 0 }, NULL },
	{ "long-line", "a line of 50 kB", 15, TEST_SAFETY, 1, 20000, play_long_line, NULL, 0, { 0 }, NULL },
	{ "unicode", "any text, and any JSON value", 15, TEST_SAFETY, 1, 60000, play_unicode, NULL, 0, { 0 }, NULL },
	{ "unknown-type", "an unknown type gets error 10", 10, TEST_SAFETY, 1, 30000, play_unknown_type, NULL, 0, { 0 }, NULL },
	{ "garbage", "odd messages do not stop it", 10, TEST_SAFETY, 1, 90000, play_garbage, NULL, 0, { 0 }, NULL },
	{ 0 },
};

const struct lab lab_echo = {
	.id = "echo", .title = "the protocol", .stage = 1, .kind = LAB_LINES, .tests = tests, .shapes = shapes,
};
