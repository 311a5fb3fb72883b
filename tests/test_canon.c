/* Canonical texts of JSON values: equal values have equal texts, others have not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "canon.h"
#include "proto.h"

static char *canon(const char *text)
{
	struct buf b = BUF_EMPTY;
	size_t at;
	if (!json_valid(slice_of(text), &at))
		fail_msg("%s is not JSON", text);
	json_canon(&b, slice_of(text));
	buf_cstr(&b);
	return b.s;
}

static void same(void **state)
{
	(void)state;
	static const char *const pairs[][2] = {
		{ "1", " 1 " }, { "1", "1.0" }, { "1", "10e-1" }, { "1", "0.1E1" }, { "100", "1e2" }, { "100", "1e+2" }, { "0", "-0" },
		{ "0", "0.000" }, { "0", "0e99" }, { "-12.5", "-125e-1" }, { "0.10", "0.1" }, { "\"a\"", "\"\\u0061\"" },
		{ "\"\xf0\x9f\x90\x98\"", "\"\\ud83d\\udc18\"" }, { "\"/\"", "\"\\/\"" }, { "[1,2]", "[ 1.0 , 2 ]" },
		{ "{\"a\":1,\"b\":2}", "{ \"b\" : 2, \"a\" : 1 }" }, { "{\"a\":1}", "{\"a\":2,\"a\":1}" },
		{ "{\"a\":1}", "{\"\\u0061\":1.0}" }, { "[]", "[ ]" }, { "{}", "{ }" }, { "[[{\"x\":[]}],null]", "[ [ {\"x\" : [ ]} ] , null ]" },
		{ "123456789012345678901234567890", "123456789012345678901234567890.0" },
	};
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		char *a = canon(pairs[i][0]), *b = canon(pairs[i][1]);
		if (strcmp(a, b) != 0)
			fail_msg("%s and %s: %s and %s", pairs[i][0], pairs[i][1], a, b);
		free(a);
		free(b);
	}
}

static void different(void **state)
{
	(void)state;
	static const char *const all[] = {
		"0", "1", "\"1\"", "-1", "10", "1e400", "1e401", "-1e400", "0.1", "1.5", "12", "\"\"", "\"a\"", "\"A\"", "\" a\"", "\"a \"", "\"a\\u0001\"",
		"true", "false", "\"true\"", "[]", "{}", "[1]", "[1,1]", "[[1]]", "[\"1\"]", "[1,2]", "[2,1]", "{\"a\":1}", "{\"a\":2}",
		"{\"b\":1}", "{\"a\":1,\"b\":1}", "{\"a\":{\"b\":1}}", "[null]", "null", "\"null\"", "123456789012345678901234567890",
		"123456789012345678901234567891", "18446744073709551616", "9007199254740993", "9007199254740992", "0.1000000000000000000001",
		"\"e\xcc\x81\"", "\"\xc3\xa9\"", "[\"a,b\"]", "[\"a\",\"b\"]", "{\"a:1\":2}", "\"]\"", "\"\\\"\"", "\"\\\\\"",
	};
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		for (size_t k = i + 1; k < ARRAY_LEN(all); k++) {
			char *a = canon(all[i]), *b = canon(all[k]);
			if (strcmp(a, b) == 0)
				fail_msg("%s and %s are both %s", all[i], all[k], a);
			free(a);
			free(b);
		}
}

static void members(void **state)
{
	(void)state;
	static const char text[] = "{\"a\":1,\"\\u0061b\": [2] ,\"\\\"\":3,\"c\":4,\"\\u0063\":5,\"\":6}";
	static const char *const want[][2] = { { "a", "1" }, { "ab", "[2]" }, { "\"", "3" }, { "c", "5" }, { "", "6" } };
	assert_true(json_valid(slice_of(text), NULL));
	for (size_t i = 0; i < ARRAY_LEN(want); i++)
		if (!slice_is(json_member(slice_of(text), want[i][0]), want[i][1]))
			fail_msg("%s", want[i][0]);
	assert_null(json_member(slice_of(text), "\\u0061b").s);
	assert_null(json_member(slice_of(text), "b").s);
	assert_null(json_member(SLICE("{}"), "").s);
	assert_true(json_same(SLICE("{\"a\":1.0}"), SLICE("{ \"\\u0061\" : 1 }")));
	assert_false(json_same(SLICE("1"), SLICE("\"1\"")));
}

static void endless_exponents(void **state)
{
	(void)state;
	free(canon("1e99999999999999999999999999"));
	free(canon("1e-99999999999999999999999999"));
	free(canon("-0.0e-99999999999999999999999999"));
}

static void deep(void **state)
{
	(void)state;
	char text[2 * 190 + 2];
	for (int i = 0; i < 190; i++) {
		text[i] = '[';
		text[190 + i] = ']';
	}
	text[380] = '\0';
	char *c = canon(text);
	assert_string_equal(c, text);
	free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same), cmocka_unit_test(different), cmocka_unit_test(members), cmocka_unit_test(endless_exponents), cmocka_unit_test(deep),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
