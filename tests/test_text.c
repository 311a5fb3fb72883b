/* Text of strangers: nothing harmful gets through, columns are kept, JSON stays JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "json.h"
#include "text.h"

#define shows(given, columns, ascii, expected) check_text(slice_of(given), columns, ascii, expected)

static void check_text(struct slice given, size_t columns, bool ascii, const char *expected)
{
	struct buf b = BUF_EMPTY;
	buf_str(&b, "<");
	size_t used = text_add(&b, given, columns, ascii);
	assert_string_equal(buf_cstr(&b) + 1, expected);
	assert_int_equal(used, text_columns(slice_of(expected)));
	buf_done(&b);
}

static void plain_text_stays(void **state)
{
	(void)state;
	shows("", 10, false, "");
	shows("hello", 10, false, "hello");
	shows("gr\u00fc\u00df \u4f60\u597d \U0001f418", 40, false, "gr\u00fc\u00df \u4f60\u597d \U0001f418");
}

static void harmful_characters_are_replaced(void **state)
{
	(void)state;
	static const char *const harmful[] = {
		"\x01", "\x1b", "\n", "\t", "\r", "\x7f", "\xc2\x80", "\xc2\x9b", "\u061c", "\u200b", "\u200e", "\u200f", "\u2028", "\u2029",
		"\u202a", "\u202e", "\u2066", "\u2069", "\ufeff", "\xee\x80\x80" /* private, harmless: see below */,
		"\U000e0041", "\xff", "\x80", "\xc0",
	};
	for (size_t i = 0; i < ARRAY_LEN(harmful); i++) {
		char text[16];
		snprintf(text, sizeof text, "a%sb", harmful[i]);
		bool private_use = strcmp(harmful[i], "\xee\x80\x80") == 0;
		shows(text, 10, false, private_use ? text : "a?b");
	}
	check_text((struct slice){ "a\0b", 3 }, 10, false, "a?b");
	shows("\xe4\xbd", 10, false, "??");           /* breaks off */
	shows("\xed\xa0\x80", 10, false, "???");      /* half a surrogate pair */
	shows("\xf4\x90\x80\x80", 10, false, "????"); /* beyond Unicode */
	shows("\xc1\xbf", 10, false, "??");           /* too long a form */
}

static void ascii_alone_when_asked(void **state)
{
	(void)state;
	shows("gr\u00fc\u00df \u4f60", 40, true, "gr?? ?");
}

static void what_does_not_fit_is_cut(void **state)
{
	(void)state;
	shows("abcdef", 6, false, "abcdef");
	shows("abcdefg", 6, false, "abc...");
	shows("abcd", 3, false, "...");
	shows("abcd", 1, false, ".");
	shows("a", 0, false, "");
	shows("\u4f60\u597d\u4f60", 6, false, "\u4f60\u597d\u4f60"); /* two columns each */
	shows("\u4f60\u597d\u4f60", 5, false, "\u4f60...");
	shows("e\u0301e\u0301e\u0301e\u0301", 4, false, "e\u0301e\u0301e\u0301e\u0301"); /* accents take none */
}

/* Any bytes, any width: never wider than asked, never anything harmful. */
static void any_bytes_are_made_harmless(void **state)
{
	(void)state;
	struct rng rng;
	rng_seed(&rng, 7);
	for (int round = 0; round < 20000; round++) {
		char bytes[24];
		size_t n = rng_below(&rng, sizeof bytes), columns = rng_below(&rng, 30);
		for (size_t i = 0; i < n; i++) { /* many first and following bytes */
			uint64_t any = rng_below(&rng, 256);
			bytes[i] = rng_below(&rng, 2) ? (char)any : "\xe2\x80\xae\xc2\x9b\x1b\xf3\xa0"[any % 8];
		}
		struct buf b = BUF_EMPTY;
		bool ascii = rng_below(&rng, 2);
		size_t used = text_add(&b, (struct slice){ bytes, n }, columns, ascii);
		assert_true(used <= columns);
		assert_true(slice_utf8(buf_as_slice(&b)));
		assert_int_equal(text_columns(buf_as_slice(&b)), used);
		struct slice at = buf_as_slice(&b);
		while (at.n) {
			int32_t c = text_next(&at);
			assert_false(text_is_harmful(c));
			assert_true(!ascii || (c >= 0x20 && c < 0x7f));
		}
		buf_done(&b);
	}
}

static void json_stays_what_it_was(void **state)
{
	(void)state;
	static const char given[] = "{\n\t\"a\": \"x\u202ey\xc2\x9b\U000e0041\x7f\",\r\n \"b\":[1, 2]}";
	struct buf b = BUF_EMPTY;
	struct err e = { "" };
	text_add_json(&b, slice_of(given));
	assert_null(memchr(b.s, '\n', b.n));
	assert_string_equal(buf_cstr(&b),
		"{  \"a\": \"x\\u202ey\\u009b\\udb40\\udc41\\u007f\",   \"b\":[1, 2]}");
	json_t *before = json_read(slice_of(given), &e), *after = json_read(buf_as_slice(&b), &e);
	assert_non_null(before);
	assert_true(json_equal(before, after));
	json_decref(before);
	json_decref(after);
	buf_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_text_stays),
		cmocka_unit_test(harmful_characters_are_replaced),
		cmocka_unit_test(ascii_alone_when_asked),
		cmocka_unit_test(what_does_not_fit_is_cut),
		cmocka_unit_test(any_bytes_are_made_harmless),
		cmocka_unit_test(json_stays_what_it_was),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
