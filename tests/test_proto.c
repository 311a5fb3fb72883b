/* The envelope reader: tables of lines, and a comparison with jansson (fuzz/envelope_oracle.h says where the two differ
 * on purpose). In a line of the table, ~ marks the offending byte and is taken out before reading. */
#include "fuzz/envelope_oracle.h"

#include <setjmp.h>

#include <cmocka.h>

enum { OK = -1 };

/* Reads the line from memory of exactly its length, so that a sanitizer sees a step too far. */
static int read_exact(const char *s, size_t n, size_t *at)
{
	struct envelope e;
	char *exact = memcpy(xmalloc(n), s, n);
	int bad = envelope_read(&e, (struct slice){ exact, n }, at);
	free(exact);
	return bad;
}

struct line {
	int bad;
	const char *text;
};

static void check_line(const struct line *l)
{
	char text[512];
	const char *mark = strchr(l->text, '~');
	size_t n = strlen(l->text), at = 12345, want = mark ? (size_t)(mark - l->text) : 0;
	assert_true(n < sizeof text);
	memcpy(text, l->text, n);
	if (mark) {
		memmove(text + want, text + want + 1, n - want - 1);
		n--;
	}
	int bad = read_exact(text, n, &at);
	if (bad != l->bad || (mark && at != want))
		fail_msg("%s: got %d at %zu, wanted %d at %zu", l->text, bad, at, l->bad, want);
	const char *why = envelope_disagree(text, n);
	if (why)
		fail_msg("%s: %s", l->text, why);
}

static void check_lines(const struct line *l, size_t count)
{
	for (size_t i = 0; i < count; i++)
		check_line(&l[i]);
}

#define BODY(inside) "{\"dest\":\"n1\",\"body\":{" inside "}}"
#define VALUE(v) BODY("\"v\":" v)

static void test_shapes(void **state)
{
	(void)state;
	static const struct line lines[] = {
		{ OK, BODY("") },
		{ OK, " \t\r\n{ \"dest\" : \"n1\" , \"body\" : { } } \t\r\n" },
		{ OK, "{\"dest\":\"\",\"body\":{}}" },
		{ OK, "{\"src\":null,\"dest\":\"n1\",\"body\":{},\"id\":3,\"\":[{}]}" },
		{ BAD_NOT_JSON, "~" },
		{ BAD_NOT_JSON, "   ~" },
		{ BAD_NOT_JSON, "{~" },
		{ BAD_NOT_JSON, "{\"dest~" },
		{ BAD_NOT_JSON, "{\"dest\"~" },
		{ BAD_NOT_JSON, "{\"dest\":~" },
		{ BAD_NOT_JSON, "{\"dest\":\"n1\"~" },
		{ BAD_NOT_JSON, "{\"dest\":\"n1\",~" },
		{ BAD_NOT_JSON, "{\"dest\":\"n1\",\"body\":{}~" },
		{ BAD_NOT_JSON, BODY("") "~x" },
		{ BAD_NOT_JSON, BODY("") " ~{}" },
		{ BAD_NOT_JSON, "{~,}" },
		{ BAD_NOT_JSON, BODY("\"a\":1,~") },
		{ BAD_NOT_JSON, BODY("\"a\":1,~,\"b\":2") },
		{ BAD_NOT_JSON, BODY("\"a\":1 ~\"b\":2") },
		{ BAD_NOT_JSON, BODY("\"a\" ~1") },
		{ BAD_NOT_JSON, BODY("\"a\"~=1") },
		{ BAD_NOT_JSON, BODY("~a:1") },
		{ BAD_NOT_JSON, BODY("~'a':1") },
		{ BAD_NOT_JSON, BODY("~1:1") },
		{ BAD_NOT_JSON, BODY("~/* */") },
		{ BAD_NOT_JSON, VALUE("[1,~]") },
		{ BAD_NOT_JSON, VALUE("[~,1]") },
		{ BAD_NOT_JSON, VALUE("[1 ~2]") },
		{ BAD_NOT_JSON, VALUE("[1~}") },
		{ BAD_NOT_JSON, VALUE("{\"a\":1~]") },
		{ BAD_NOT_JSON, "~\xef\xbb\xbf" BODY("") },
		{ BAD_NOT_JSON, "[1,2~" },
		{ BAD_NOT_JSON, "[1,2]~]" },
		{ BAD_NOT_JSON, "~Hello" },
		{ BAD_NOT_OBJECT, "~[1,2]" },
		{ BAD_NOT_OBJECT, " ~\"text\" " },
		{ BAD_NOT_OBJECT, "~12" },
		{ BAD_NOT_OBJECT, "~null" },
		{ BAD_NO_DEST, "{~}" },
		{ BAD_NO_DEST, "{\"body\":{}~}" },
		{ BAD_NO_DEST, "{\"dest\":~5,\"body\":{}}" },
		{ BAD_NO_DEST, "{\"Dest\":\"n1\",\"body\":{}~}" },
		{ BAD_NO_DEST, "{\"dest\":\"n1\",\"dest\":~null,\"body\":{}}" },
		{ BAD_NO_BODY, "{\"dest\":\"n1\"~}" },
		{ BAD_NO_BODY, "{\"dest\":\"n1\",\"body\": ~[]}" },
		{ BAD_NO_BODY, "{\"dest\":\"n1\",\"body\":~\"{}\"}" },
		{ BAD_NO_BODY, "{\"dest\":\"n1\",\"body\":{\"type\":\"a\"},\"body\":~3}" },
	};
	check_lines(lines, ARRAY_LEN(lines));
}

static void test_values(void **state)
{
	(void)state;
	static const struct line lines[] = {
		{ OK, VALUE("[true,false,null,[],{},\"\"]") },
		{ OK, VALUE("[0,-0,10,-1,0.0,0.5,1e5,1E+5,1e-05,-0e0,123456789012]") },
		/* Valid JSON that jansson refuses for its size. */
		{ OK, VALUE("9223372036854775808") },
		{ OK, VALUE("-9223372036854775809") },
		{ OK, VALUE("[1e309,-1e309,1e99999999999999999999]") },
		{ BAD_NOT_JSON, VALUE("~") },
		{ BAD_NOT_JSON, VALUE("~True") },
		{ BAD_NOT_JSON, VALUE("tru~") },
		{ BAD_NOT_JSON, VALUE("tru~E") },
		{ BAD_NOT_JSON, VALUE("true~x") },
		{ BAD_NOT_JSON, VALUE("nul~") },
		{ BAD_NOT_JSON, VALUE("~NaN") },
		{ BAD_NOT_JSON, VALUE("~Infinity") },
		{ BAD_NOT_JSON, VALUE("-~Infinity") },
		{ BAD_NOT_JSON, VALUE("-~") },
		{ BAD_NOT_JSON, VALUE("~+1") },
		{ BAD_NOT_JSON, VALUE("~.5") },
		{ BAD_NOT_JSON, VALUE("0~1") },
		{ BAD_NOT_JSON, VALUE("-0~1") },
		{ BAD_NOT_JSON, VALUE("0~x10") },
		{ BAD_NOT_JSON, VALUE("1.~") },
		{ BAD_NOT_JSON, VALUE("1.~e5") },
		{ BAD_NOT_JSON, VALUE("1.5~.5") },
		{ BAD_NOT_JSON, VALUE("1e~") },
		{ BAD_NOT_JSON, VALUE("1e+~") },
		{ BAD_NOT_JSON, VALUE("1e5~.5") },
		{ BAD_NOT_JSON, VALUE("1~-2") },
		{ BAD_NOT_JSON, VALUE("1~-1e999") },
	};
	check_lines(lines, ARRAY_LEN(lines));
}

static void test_strings(void **state)
{
	(void)state;
	static const struct line lines[] = {
		{ OK, VALUE("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\uABCD\\uabcd\"") },
		{ OK, VALUE("\"\x7f\"") },
		{ OK, VALUE("\"\xc2\x80 \xdf\xbf \xe0\xa0\x80 \xed\x9f\xbf \xee\x80\x80 \xef\xbf\xbf \xf0\x90\x80\x80 "
			    "\xf4\x8f\xbf\xbf\"") },
		{ OK, VALUE("\"\\ud83d\\ude00\\uDBFF\\uDFFF\"") },
		{ OK, VALUE("\"\\ud7ff\\ue000\\uffff\"") },
		{ OK, BODY("\"\xc3\xa9\\n\":1") },
		{ BAD_NOT_JSON, VALUE("\"~\\x41\"") },
		{ BAD_NOT_JSON, VALUE("\"~\\'\"") },
		{ BAD_NOT_JSON, VALUE("\"12345678~\\u12g4\"") },
		{ BAD_NOT_JSON, VALUE("\"~\\u123\"") },
		{ BAD_NOT_JSON, VALUE("\"~\\U0041\"") },
		{ BAD_NOT_JSON, "{\"dest\":\"~\\u004" },
		{ BAD_NOT_JSON, "{\"dest\":\"~\\" },
		/* As jansson does without JSON_ALLOW_NUL. */
		{ BAD_NOT_JSON, VALUE("\"a~\\u0000\"") },
		{ BAD_NOT_JSON, BODY("\"~\\u0000\":1") },
		{ BAD_NOT_JSON, VALUE("\"~\\ud800\"") },
		{ BAD_NOT_JSON, VALUE("\"~\\ud800x12345\"") },
		{ BAD_NOT_JSON, VALUE("\"~\\ud800\\n12345\"") },
		{ BAD_NOT_JSON, VALUE("\"~\\ud800\\ud800\"") },
		{ BAD_NOT_JSON, VALUE("\"~\\ud800\\u0041\"") },
		{ BAD_NOT_JSON, VALUE("\"~\\udc00\"") },
		{ BAD_NOT_JSON, VALUE("\"~\\udfff\\ud800\"") },
		{ BAD_NOT_JSON, VALUE("\"a~\nb\"") },
		{ BAD_NOT_JSON, VALUE("\"1234567~\tb\"") },
		{ BAD_NOT_JSON, VALUE("\"12345678~\x1f\"") },
		{ BAD_NOT_JSON, VALUE("\"~\x80\"") },
		{ BAD_NOT_JSON, VALUE("\"~\xff\"") },
		{ BAD_NOT_JSON, VALUE("\"~\xc0\x80\"") },
		{ BAD_NOT_JSON, VALUE("\"~\xc1\xbf\"") },
		{ BAD_NOT_JSON, VALUE("\"~\xe0\x9f\xbf\"") },
		{ BAD_NOT_JSON, VALUE("\"~\xf0\x8f\xbf\xbf\"") },
		{ BAD_NOT_JSON, VALUE("\"~\xed\xa0\x80\"") },
		{ BAD_NOT_JSON, VALUE("\"~\xed\xbf\xbf\"") },
		{ BAD_NOT_JSON, VALUE("\"~\xf4\x90\x80\x80\"") },
		{ BAD_NOT_JSON, VALUE("\"~\xf5\x80\x80\x80\"") },
		{ BAD_NOT_JSON, VALUE("\"~\xc3\"") },
		{ BAD_NOT_JSON, VALUE("\"~\xe2\x82\"") },
		{ BAD_NOT_JSON, "{\"dest\":\"~\xe2\x82" },
		{ BAD_NOT_JSON, VALUE("~\xc3\xa9") },
	};
	check_lines(lines, ARRAY_LEN(lines));
}

/* A bad byte at every place of a string, so that the eight-byte step meets it at every offset. */
static void test_string_offsets(void **state)
{
	(void)state;
	static const char wrong[] = { '\x00', '\x01', '\x1f', '\n', '\x80', '\xff', '\xc1' };
	for (size_t n = 1; n < 40; n++) {
		for (size_t i = 0; i < n; i++) {
			for (size_t k = 0; k < ARRAY_LEN(wrong); k++) {
				char s[64];
				size_t at;
				memset(s, 'a', sizeof s);
				s[0] = s[n + 1] = '"';
				s[1 + i] = wrong[k];
				assert_false(json_valid((struct slice){ s, n + 2 }, &at));
				assert_int_equal(at, 1 + i);
				s[1 + i] = '\x7f';
				assert_true(json_valid((struct slice){ s, n + 2 }, &at));
			}
		}
	}
}

static void test_nul_bytes(void **state)
{
	(void)state;
	static const char *const lines[] = { "@", BODY("") "@", BODY("@"), VALUE("4@"), VALUE("\"@\""), VALUE("\"\\@\""),
					     VALUE("tr@"), BODY("\"a@\":1"), "{\"dest@\":\"n1\",\"body\":{}}" };
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		char text[128];
		size_t n = strlen(lines[i]), at;
		memcpy(text, lines[i], n);
		*(char *)memchr(text, '@', n) = '\0';
		assert_int_equal(read_exact(text, n, &at), BAD_NOT_JSON);
		assert_null(envelope_disagree(text, n));
	}
}

static void assert_slice(struct slice got, const char *want)
{
	if (!want) {
		assert_null(got.s);
		return;
	}
	assert_non_null(got.s);
	if (!slice_is(got, want))
		fail_msg("got %.*s, wanted %s", SLICE_ARG(got), want);
}

static void test_fields(void **state)
{
	(void)state;
	struct envelope e;
	size_t at;
	struct slice line = SLICE("{\"id\":9,\"src\":\"c1\",\"dest\":\"n1\",\"body\": {\"type\":\"echo\",\"msg_id\":1,"
				  "\"in_reply_to\":-7,\"name\":\"a\",\"after_ms\":5} ,\"at_ms\":3}");
	assert_int_equal(envelope_read(&e, line, &at), OK);
	assert_slice(e.src, "c1");
	assert_slice(e.dest, "n1");
	assert_slice(e.type, "echo");
	assert_slice(e.name, "a");
	assert_slice(e.body, "{\"type\":\"echo\",\"msg_id\":1,\"in_reply_to\":-7,\"name\":\"a\",\"after_ms\":5}");
	assert_int_equal(e.msg_id, 1);
	assert_int_equal(e.in_reply_to, -7);
	assert_int_equal(e.after_ms, 5);

	assert_int_equal(envelope_read(&e, SLICE(BODY("")), NULL), OK);
	assert_slice(e.src, NULL);
	assert_slice(e.type, NULL);
	assert_slice(e.name, NULL);
	assert_slice(e.body, "{}");
	assert_int_equal(e.msg_id, -1);
	assert_int_equal(e.in_reply_to, -1);
	assert_int_equal(e.after_ms, AFTER_NONE);

	/* Nested members do not count. */
	assert_int_equal(envelope_read(&e, SLICE(VALUE("{\"type\":\"x\",\"msg_id\":4,\"dest\":\"n9\"}")), &at), OK);
	assert_slice(e.type, NULL);
	assert_slice(e.dest, "n1");
	assert_int_equal(e.msg_id, -1);

	/* Other kinds than expected. */
	assert_int_equal(envelope_read(&e, SLICE("{\"src\":1,\"dest\":\"n1\",\"body\":{\"type\":{},\"name\":[\"x\"],"
						 "\"msg_id\":\"5\",\"in_reply_to\":null}}"), &at), OK);
	assert_slice(e.src, NULL);
	assert_slice(e.type, NULL);
	assert_slice(e.name, NULL);
	assert_int_equal(e.msg_id, -1);
	assert_int_equal(e.in_reply_to, -1);
}

static void test_last_wins(void **state)
{
	(void)state;
	struct envelope e;
	size_t at;
	assert_int_equal(envelope_read(&e, SLICE("{\"dest\":\"n1\",\"body\":{\"type\":\"a\",\"msg_id\":1},"
						 "\"dest\":\"n\\u0032\",\"body\":{\"msg_id\":2,\"msg_id\":3}}"), &at), OK);
	assert_slice(e.dest, "n2");
	assert_slice(e.type, NULL);
	assert_slice(e.body, "{\"msg_id\":2,\"msg_id\":3}");
	assert_int_equal(e.msg_id, 3);
	assert_int_equal(envelope_read(&e, SLICE(BODY("\"type\":\"a\",\"t\\u0079pe\":1,\"msg_id\":1,\"msg_id\":null")), &at),
			 OK);
	assert_slice(e.type, NULL);
	assert_int_equal(e.msg_id, -1);
}

static void test_decoded(void **state)
{
	(void)state;
	struct envelope e;
	size_t at;
	assert_int_equal(envelope_read(&e, SLICE("{\"\\u0073rc\":\"\\u006e\\u0033\",\"d\\u0065st\":\"\\ud83d\\ude00\",\"bod\\u0079\":"
						 "{\"\\u0074\\u0079\\u0070\\u0065\":\"\\b\\f\\n\\r\\t\\\"\\\\\\/\\u00e9\\u20ac\xc3\xa9\","
						 "\"in\\u005freply\\u005fto\":4,\"nam\\u0065\":\"\"}}"), &at), OK);
	assert_slice(e.src, "n3");
	assert_slice(e.dest, "\xf0\x9f\x98\x80");
	assert_slice(e.type, "\b\f\n\r\t\"\\/\xc3\xa9\xe2\x82\xac\xc3\xa9");
	assert_slice(e.name, "");
	assert_int_equal(e.in_reply_to, 4);
	/* A key that only begins like a known one, and one that is longer than what is decoded. */
	assert_int_equal(envelope_read(&e, SLICE(BODY("\"type\\u0020\":\"x\",\"msg_\\u0069d0123456789abcdef\":1")), &at), OK);
	assert_slice(e.type, NULL);
	assert_int_equal(e.msg_id, -1);
}

static void test_long_names(void **state)
{
	(void)state;
	struct buf b = BUF_EMPTY;
	struct envelope e;
	size_t at;
	for (int n = 60; n < 70; n++) {
		for (int escaped = 0; escaped < 2; escaped++) {
			b.n = 0;
			buf_printf(&b, "{\"dest\":\"%s%0*d\",\"body\":{}}", escaped ? "\\u0041" : "A", n - 1, 7);
			assert_int_equal(envelope_read(&e, buf_as_slice(&b), &at), OK);
			assert_int_equal(e.dest.n, n <= NAME_MAX_BYTES ? n : NAME_MAX_BYTES + 1);
			assert_int_equal(e.dest.s[0], 'A');
		}
	}
	b.n = 0;
	buf_printf(&b, "{\"dest\":\"%063d\xe2\x82\xac\",\"body\":{}}", 7);
	assert_int_equal(envelope_read(&e, buf_as_slice(&b), &at), OK);
	assert_int_equal(e.dest.n, NAME_MAX_BYTES + 1);
	assert_memory_equal(e.dest.s + 62, "7??", 3);
	buf_done(&b);
}

static void test_integers(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t id, after;
	} cases[] = {
		{ "0", 0, 0 },
		{ "-0", 0, AFTER_NONE },
		{ "1", 1, 1 },
		{ "-1", -1, AFTER_NONE },
		{ "-42", -42, AFTER_NONE },
		{ "9223372036854775807", INT64_MAX, INT64_MAX },
		{ "-9223372036854775808", INT64_MIN, AFTER_NONE },
		{ "9223372036854775808", -1, INT64_MAX },
		{ "-9223372036854775809", -1, AFTER_NONE },
		{ "99999999999999999999999", -1, INT64_MAX },
		{ "1.0", -1, 1 },
		{ "1e3", -1, 1000 },
		{ "150.75", -1, 150 },
		{ "1.5075e2", -1, 150 },
		{ "1507.5e-1", -1, 150 },
		{ "1507.5E-01", -1, 150 },
		{ "0.99999999999999999999", -1, 0 },
		{ "1e-1", -1, 0 },
		{ "1e999999999999999999999", -1, INT64_MAX },
		{ "0e999999999999999999999", -1, 0 },
		{ "0.0e+5", -1, 0 },
		{ "1e-999999999999999999999", -1, 0 },
		{ "12345678901234567890e-10", -1, 1234567890 },
		{ "-0.5", -1, AFTER_NONE },
		{ "null", -1, AFTER_NULL },
		{ "\"5\"", -1, AFTER_NONE },
		{ "true", -1, AFTER_NONE },
		{ "[5]", -1, AFTER_NONE },
		{ "{\"after_ms\":5}", -1, AFTER_NONE },
	};
	struct buf b = BUF_EMPTY;
	struct envelope e;
	size_t at;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *t = cases[i].text;
		b.n = 0;
		buf_printf(&b, BODY("\"msg_id\":%s,\"in_reply_to\":%s,\"after_ms\":%s"), t, t, t);
		assert_int_equal(envelope_read(&e, buf_as_slice(&b), &at), OK);
		if (e.msg_id != cases[i].id || e.in_reply_to != cases[i].id || e.after_ms != cases[i].after)
			fail_msg("%s: got %lld, %lld", t, (long long)e.msg_id, (long long)e.after_ms);
		assert_null(envelope_disagree(b.s, b.n));
	}
	buf_done(&b);
}

/* BODY with a nest of so many brackets below the two of the line. */
static void nest(struct buf *b, unsigned below, const char *open, const char *close)
{
	b->n = 0;
	buf_str(b, "{\"dest\":\"n1\",\"body\":{\"v\":");
	for (unsigned i = 0; i < below; i++)
		buf_str(b, open);
	buf_str(b, "1");
	for (unsigned i = 0; i < below; i++)
		buf_str(b, close);
	buf_str(b, "}}");
}

static void test_depth(void **state)
{
	(void)state;
	struct buf b = BUF_EMPTY;
	struct envelope e;
	size_t at, start = strlen("{\"dest\":\"n1\",\"body\":{\"v\":");
	const unsigned most = JSON_DEPTH_MAX - 2;
	nest(&b, most, "[", "]");
	assert_int_equal(envelope_read(&e, buf_as_slice(&b), &at), OK);
	assert_null(envelope_disagree(b.s, b.n));
	nest(&b, most + 1, "[", "]");
	assert_int_equal(envelope_read(&e, buf_as_slice(&b), &at), BAD_TOO_DEEP);
	assert_int_equal(at, start + most);
	assert_null(envelope_disagree(b.s, b.n));
	assert_false(json_valid(buf_as_slice(&b), &at));
	assert_int_equal(at, start + most);
	nest(&b, most + 1, "{\"a\":", "}");
	assert_int_equal(envelope_read(&e, buf_as_slice(&b), &at), BAD_TOO_DEEP);
	assert_int_equal(at, start + 5 * most);
	nest(&b, most, "{\"a\":", "}");
	assert_int_equal(envelope_read(&e, buf_as_slice(&b), &at), OK);
	nest(&b, 25000, "[", "");
	assert_int_equal(envelope_read(&e, buf_as_slice(&b), &at), BAD_TOO_DEEP);
	/* Many, but side by side. */
	nest(&b, 5000, "[[[]],", "]");
	assert_int_equal(envelope_read(&e, buf_as_slice(&b), &at), BAD_TOO_DEEP);
	b.n = 0;
	buf_str(&b, "{\"dest\":\"n1\",\"body\":{\"v\":[[]");
	for (int i = 0; i < 5000; i++)
		buf_str(&b, ",[{}]");
	buf_str(&b, "]}}");
	assert_int_equal(envelope_read(&e, buf_as_slice(&b), &at), OK);
	buf_done(&b);
}

static void test_length(void **state)
{
	(void)state;
	struct buf b = BUF_EMPTY;
	struct envelope e;
	size_t at;
	buf_str(&b, BODY(""));
	while (b.n < LINE_MAX_BYTES)
		buf_char(&b, ' ');
	assert_int_equal(envelope_read(&e, buf_as_slice(&b), &at), OK);
	buf_char(&b, ' ');
	assert_int_equal(envelope_read(&e, buf_as_slice(&b), &at), BAD_TOO_LONG);
	assert_int_equal(at, LINE_MAX_BYTES);
	assert_true(json_valid(buf_as_slice(&b), NULL));
	assert_null(envelope_disagree(b.s, b.n));
	buf_done(&b);
}

static void test_body(void **state)
{
	(void)state;
	struct envelope e;
	size_t at;
	assert_int_equal(envelope_read_body(&e, SLICE(" {\"type\":\"read\",\"msg_id\":3,\"key\":{\"dest\":\"n1\"}} "), &at), OK);
	assert_slice(e.type, "read");
	assert_slice(e.body, "{\"type\":\"read\",\"msg_id\":3,\"key\":{\"dest\":\"n1\"}}");
	assert_slice(e.src, NULL);
	assert_slice(e.dest, NULL);
	assert_int_equal(e.msg_id, 3);
	assert_int_equal(envelope_read_body(&e, SLICE(" []"), &at), BAD_NOT_OBJECT);
	assert_int_equal(at, 1);
	assert_int_equal(envelope_read_body(&e, SLICE("{}}"), &at), BAD_NOT_JSON);
	assert_int_equal(at, 2);
	assert_int_equal(envelope_read_body(&e, SLICE_NONE, &at), BAD_NOT_JSON);
	assert_int_equal(at, 0);
}

static void test_members(void **state)
{
	(void)state;
	struct slice object = SLICE(" { \"a\" : 1 , \"b\\n\":{\"c\":[1,2]},\"a\":\"x\" } ");
	static const struct {
		const char *key, *value;
	} want[] = { { "a", "1" }, { "b\\n", "{\"c\":[1,2]}" }, { "a", "\"x\"" } };
	struct slice key, value;
	size_t pos = 0, i = 0;
	for (; json_member_next(object, &pos, &key, &value); i++) {
		assert_true(i < ARRAY_LEN(want));
		assert_slice(key, want[i].key);
		assert_slice(value, want[i].value);
	}
	assert_int_equal(i, ARRAY_LEN(want));
	assert_false(json_member_next(object, &pos, &key, &value));
	pos = 0;
	assert_false(json_member_next(SLICE("{}"), &pos, &key, &value));
	pos = 0;
	assert_false(json_member_next(SLICE(" { } "), &pos, &key, &value));
	pos = 0;
	assert_false(json_member_next(SLICE("[1]"), &pos, &key, &value));
	pos = 0;
	assert_false(json_member_next(SLICE_NONE, &pos, &key, &value));
}

static void test_valid(void **state)
{
	(void)state;
	size_t at;
	assert_true(json_valid(SLICE(" null "), &at));
	assert_true(json_valid(SLICE("-1.5e5"), &at));
	assert_true(json_valid(SLICE("\"\""), &at));
	assert_true(json_valid(SLICE("[{}]"), &at));
	assert_false(json_valid(SLICE("1 2"), &at));
	assert_int_equal(at, 2);
	assert_false(json_valid(SLICE(""), &at));
	assert_int_equal(at, 0);
	assert_false(json_valid(SLICE("-"), &at));
	assert_int_equal(at, 1);
}

static void check_written(uint64_t id, struct slice src, int64_t at_ms, const char *want)
{
	struct buf b = BUF_EMPTY;
	buf_room(&b, 500);
	memset(b.s, 'x', b.cap);
	buf_str(&b, "before");
	envelope_write(&b, id, src, SLICE("n2"), at_ms, SLICE("{\"type\":\"a\"}"));
	assert_string_equal(b.s + 6, want);
	assert_int_equal(b.n, 6 + strlen(want));
	buf_done(&b);
}

static void test_write(void **state)
{
	(void)state;
	check_written(7, SLICE("n1"), 12, "{\"id\":7,\"src\":\"n1\",\"dest\":\"n2\",\"at_ms\":12,\"body\":{\"type\":\"a\"}}\n");
	check_written(0, SLICE_NONE, 0, "{\"id\":0,\"src\":\"\",\"dest\":\"n2\",\"at_ms\":0,\"body\":{\"type\":\"a\"}}\n");
	check_written(UINT64_MAX, SLICE("\xc3\xa9\"\n"), INT64_MIN,
		      "{\"id\":18446744073709551615,\"src\":\"\xc3\xa9\\\"\\u000a\",\"dest\":\"n2\","
		      "\"at_ms\":-9223372036854775808,\"body\":{\"type\":\"a\"}}\n");
	check_written(UINT64_MAX, SLICE("n"), INT64_MIN,
		      "{\"id\":18446744073709551615,\"src\":\"n\",\"dest\":\"n2\","
		      "\"at_ms\":-9223372036854775808,\"body\":{\"type\":\"a\"}}\n");
}

static void test_errors(void **state)
{
	(void)state;
	static const struct {
		int64_t code;
		bool definite;
		const char *name;
	} want[] = {
		{ 0, false, "timeout" }, { 1, true, "node-not-found" }, { 10, true, "not-supported" },
		{ 11, true, "temporarily-unavailable" }, { 12, true, "malformed-request" }, { 13, false, "crash" },
		{ 14, true, "abort" }, { 20, true, "key-does-not-exist" }, { 21, true, "key-already-exists" },
		{ 22, true, "precondition-failed" }, { 30, true, "txn-conflict" }, { 2, false, "unknown error" },
		{ 999, false, "unknown error" }, { -1, false, "unknown error" }, { INT64_MIN, false, "unknown error" },
		{ 1000, true, "the lab's own" }, { INT64_MAX, true, "the lab's own" },
		{ INT64_C(0x100000000) * -1, false, "unknown error" },
	};
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		assert_int_equal(proto_error_definite(want[i].code), want[i].definite);
		assert_string_equal(proto_error_name(want[i].code), want[i].name);
	}
}

/* --- documents --- */

static void check_whole(void)
{
	static const struct {
		const char *text;
		bool whole;
		int64_t value;
	} want[] = {
		{ "10", true, 10 }, { "10.0", true, 10 }, { "1e1", true, 10 }, { "-0.0", true, 0 }, { "10.5", false, 0 }, { "1e300", false, 0 },
		{ "-1e300", false, 0 }, { "\"10\"", false, 0 }, { "null", false, 0 }, { "9007199254740992.0", true, INT64_C(9007199254740992) },
		{ "9223372036854775807", true, INT64_MAX }, { "9223372036854775808.0", false, 0 },
	};
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		int64_t value = 0;
		json_t *j = json_read(slice_of(want[i].text), NULL);
		if (json_whole(j, &value) != want[i].whole || value != want[i].value)
			fail_msg("%s", want[i].text);
		json_decref(j);
	}
}

static void test_documents(void **state)
{
	(void)state;
	static const char text[] = "{\"z\":1,\"a\":[0.1,1e100,-2.5,1.0,null,true,false,\"\xc3\xa9\\n\\\"\"],\"s\":\"x\"}";
	struct err err;
	struct buf b = BUF_EMPTY;
	json_t *j = json_read(slice_of(text), &err);
	assert_non_null(j);
	assert_int_equal(json_get_int(j, "z", 5), 1);
	assert_int_equal(json_get_int(j, "s", 5), 5);
	assert_int_equal(json_get_int(j, "no", 5), 5);
	assert_int_equal(json_get_int(NULL, "no", 5), 5);
	check_whole();
	assert_string_equal(json_get_string(j, "s", "o"), "x");
	assert_string_equal(json_get_string(j, "z", "o"), "o");
	assert_null(json_get(json_get(j, "a"), "a"));
	json_print(&b, j);
	assert_string_equal(b.s, "{\"z\":1,\"a\":[0.1,1e100,-2.5,1.0,null,true,false,\"\xc3\xa9\\u000a\\\"\"],\"s\":\"x\"}");
	json_t *back = json_read(buf_as_slice(&b), &err);
	assert_true(json_equal(j, back));
	json_decref(back);
	json_decref(j);
	b.n = 0;
	json_print(&b, NULL);
	assert_string_equal(b.s, "null");
	buf_done(&b);
	assert_null(json_read(SLICE("{\"a\":}"), &err));
	assert_non_null(strstr(err.text, "line 1"));
	assert_null(json_read(SLICE_NONE, &err));
}

static void test_reals(void **state)
{
	(void)state;
	struct rng r;
	struct buf b = BUF_EMPTY;
	rng_seed(&r, 3);
	for (int i = 0; i < 5000; i++) {
		double v = (rng_unit(&r) - 0.5) * (i % 2 ? 1 : 1e-300);
		json_t *j = json_real(v);
		b.n = 0;
		json_print(&b, j);
		json_t *back = json_read(buf_as_slice(&b), NULL);
		assert_true(json_equal(j, back));
		json_decref(back);
		json_decref(j);
	}
	buf_done(&b);
}

static void test_files(void **state)
{
	(void)state;
	struct err err = { "" };
	FILE *f = fopen("document.json", "w");
	assert_non_null(f);
	fputs("{\"a\": 1}\n", f);
	fclose(f);
	json_t *j = json_read_file("document.json", 9, &err);
	assert_int_equal(json_get_int(j, "a", 0), 1);
	json_decref(j);
	assert_null(json_read_file("document.json", 8, &err));
	assert_string_equal(err.text, "document.json: longer than 8 bytes");
	assert_null(json_read_file("none.json", 8, &err));
	assert_string_equal(err.text, "none.json: No such file or directory");
	assert_null(json_read_file(".", 8, &err));
	f = fopen("document.json", "w");
	assert_non_null(f);
	fputs("{\"a\": 1", f);
	fclose(f);
	assert_null(json_read_file("document.json", 100, &err));
	assert_non_null(strstr(err.text, "document.json: line 1"));
	remove("document.json");
}

/* --- the comparison with jansson --- */

static const char *const seeds[] = {
	"{\"src\":\"c1\",\"dest\":\"n1\",\"body\":{\"type\":\"echo\",\"msg_id\":1,\"echo\":\"hi there, you\"}}",
	"{\"dest\":\"dlab\",\"body\":{\"type\":\"timer\",\"name\":\"election\",\"after_ms\":150}}",
	"{\"dest\":\"dlab\",\"body\":{\"type\":\"timer\",\"name\":\"e\",\"after_ms\":1.25e2}}",
	"{\"d\\u0065st\":\"\\u006e1\",\"body\":{\"t\\u0079pe\":\"\\ud83d\\ude00\\n\\\\\",\"in_reply_to\":-5}}",
	"{\"dest\":\"n1\",\"body\":{\"a\":[true,false,null,{},[],0,-1.5e-3,\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"]}}",
	"{\"dest\":\"n1\",\"body\":{\"msg_id\":9223372036854775807,\"in_reply_to\":-9223372036854775808}}",
	" { \"dest\" : \"n1\" , \"body\" : { \"type\" : \"read\" , \"key\" : [ 1 , 2 ] } } ",
	"{\"dest\":\"n1\",\"dest\":\"n2\",\"body\":{\"msg_id\":1},\"body\":{\"msg_id\":2,\"msg_id\":3}}",
	"{\"dest\":\"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn\",\"body\":{}}",
	"{\"dest\":\"n1\",\"body\":{\"a\":[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]}}",
};

static const char *const pieces[] = {
	"\"", "\\", "{", "}", "[", "]", ",", ":", " ", "\n", "0", "1", "-", ".", "e", "E5", "null", "true", "\\u", "\\u0000",
	"\\ud800", "\\udc00", "\\u0041", "\xc3", "\xa9", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82\xac", "\x7f", "\x01",
	"\"dest\":", "\"body\":{}", "\"type\":\"x\"", "\"msg_id\":7,", "\"after_ms\":null,", "99999999999999999999", "1e400",
};

static void mutate(struct rng *r, struct buf *b)
{
	struct slice piece = slice_of(pieces[rng_below(r, ARRAY_LEN(pieces))]);
	size_t at = (size_t)rng_below(r, b->n + 1);
	size_t end = at + (size_t)rng_below(r, b->n - at + 1);
	struct slice old = { xmalloc(b->n + 1), b->n };
	memcpy((char *)(uintptr_t)old.s, b->s, b->n);
	uint64_t kind = rng_below(r, 5);
	b->n = 0;
	buf_add(b, old.s, at);
	if (kind == 0) { /* a byte changes */
		buf_char(b, (char)rng_below(r, 256));
		end = at < old.n ? at + 1 : at;
	} else if (kind == 1) { /* a piece goes in */
		buf_slice(b, piece);
		end = at;
	} else if (kind == 2) { /* a range stands twice */
		buf_add(b, old.s + at, end - at);
		end = at;
	} else if (kind == 3) { /* a byte goes */
		end = at < old.n ? at + 1 : at;
	} else if (rng_below(r, 4) > 0) { /* seldom: a range goes */
		end = at;
		buf_slice(b, piece);
	}
	buf_add(b, old.s + end, old.n - end);
	free((char *)(uintptr_t)old.s);
}

static void test_jansson_agrees(void **state)
{
	(void)state;
	enum { CASES = 200000 };
	struct rng r;
	struct buf b = BUF_EMPTY;
	int good = 0;
	rng_seed(&r, 20260101);
	for (int i = 0; i < CASES; i++) {
		b.n = 0;
		buf_str(&b, seeds[rng_below(&r, ARRAY_LEN(seeds))]);
		for (uint64_t changes = rng_below(&r, 4); changes > 0; changes--)
			mutate(&r, &b);
		const char *why = envelope_disagree(b.s, b.n);
		if (why)
			fail_msg("case %d: %s\n%.*s", i, why, SLICE_ARG(buf_as_slice(&b)));
		struct envelope e;
		good += envelope_read(&e, buf_as_slice(&b), NULL) == OK;
	}
	/* The comparison is worth something only when both kinds are many. */
	assert_in_range(good, CASES / 10, CASES * 9 / 10);
	buf_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shapes),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_string_offsets),
		cmocka_unit_test(test_nul_bytes),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_last_wins),
		cmocka_unit_test(test_decoded),
		cmocka_unit_test(test_long_names),
		cmocka_unit_test(test_integers),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_length),
		cmocka_unit_test(test_body),
		cmocka_unit_test(test_members),
		cmocka_unit_test(test_valid),
		cmocka_unit_test(test_write),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_documents),
		cmocka_unit_test(test_reals),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_jansson_agrees),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
