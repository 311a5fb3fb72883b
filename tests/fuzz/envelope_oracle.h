/* envelope_oracle.h - a second opinion on a line: what jansson makes of it.
 *
 * envelope_disagree() reads the bytes with core/proto.c and with jansson and returns a sentence about the first
 * difference, or NULL. These differences are on purpose and are allowed for here:
 *   - Numbers. jansson refuses an integer beyond int64 and a real beyond double; both are valid JSON (RFC 8259,
 *     section 6), and a node may carry them through. Its copy of the line gets 0.5 in their place.
 *   - Depth. The limit is JSON_DEPTH_MAX here and 2048 there.
 *   - Length. LINE_MAX_BYTES here, none there.
 *   - NUL. jansson 2.14 swallows a NUL byte right behind a number; a NUL byte is nowhere valid JSON.
 *   - after_ms. The fraction is cut off digit by digit here; there it is rounded to a double first. */
#ifndef DLAB_ENVELOPE_ORACLE_H
#define DLAB_ENVELOPE_ORACLE_H

#include "json.h"
#include "proto.h"

#include <stdio.h>
#include <stdlib.h>

#define ORACLE_REQUIRE(condition) \
	do { \
		if (!(condition)) \
			return "not so: " #condition; \
	} while (0)

/* Puts 0.5 in the place of the number that ends at `end`. Of two numbers side by side (1-2, which is no JSON) only
 * the second goes: it begins with the minus, which stays. */
static inline bool oracle_patch(char *s, size_t end)
{
	size_t start = end;
	bool minus = false;
	while (!minus && start > 0 && s[start - 1] != '\0' && strchr("0123456789.eE+-", s[start - 1])) {
		start--;
		minus = s[start] == '-' && start > 0 && (s[start - 1] | 0x20) != 'e';
	}
	if (s[start] == '-')
		start++;
	if (end - start < 3)
		return false;
	memset(s + start, ' ', end - start);
	memcpy(s + start, "0.5", 3);
	return true;
}

/* Parses s, which it changes where a number is too large; *patched tells. */
static inline json_t *oracle_load(char *s, size_t n, bool *patched)
{
	json_error_t e;
	json_t *j;
	*patched = false;
	while (!(j = json_loadb(s, n, JSON_DECODE_ANY, &e)) && json_error_code(&e) == json_error_numeric_overflow) {
		*patched = true;
		if (!oracle_patch(s, (size_t)e.position))
			return NULL;
	}
	return j;
}

static inline int oracle_depth(const json_t *j)
{
	int deepest = 0;
	if (json_is_array(j)) {
		for (size_t i = 0; i < json_array_size(j); i++) {
			int d = oracle_depth(json_array_get(j, i));
			deepest = d > deepest ? d : deepest;
		}
		return deepest + 1;
	}
	if (!json_is_object(j))
		return 0;
	json_t *o = (json_t *)(uintptr_t)j;
	for (void *i = json_object_iter(o); i; i = json_object_iter_next(o, i)) {
		int d = oracle_depth(json_object_iter_value(i));
		deepest = d > deepest ? d : deepest;
	}
	return deepest + 1;
}

/* How many brackets are open before s[at]. */
static inline int oracle_open(const char *s, size_t at)
{
	int open = 0;
	bool quoted = false;
	for (size_t i = 0; i < at; i++) {
		if (quoted && s[i] == '\\')
			i++;
		else if (s[i] == '"')
			quoted = !quoted;
		else if (!quoted && (s[i] == '{' || s[i] == '['))
			open++;
		else if (!quoted && (s[i] == '}' || s[i] == ']'))
			open--;
	}
	return open;
}

static inline bool oracle_same_text(struct slice got, const json_t *want)
{
	if (!json_is_string(want))
		return got.s == NULL;
	const char *s = json_string_value(want);
	size_t n = json_string_length(want);
	if (n <= NAME_MAX_BYTES)
		return got.s && got.n == n && memcmp(got.s, s, n) == 0;
	size_t whole = NAME_MAX_BYTES + 1; /* without what is left of a character that was cut */
	while (whole > 0 && n > whole && ((unsigned char)s[whole] & 0xc0) == 0x80)
		whole--;
	return got.n == NAME_MAX_BYTES + 1 && memcmp(got.s, s, whole) == 0;
}

static inline int64_t oracle_int(const json_t *j)
{
	return json_is_integer(j) ? json_integer_value(j) : -1;
}

static inline bool oracle_same_after(int64_t got, const json_t *want)
{
	if (json_is_null(want))
		return got == AFTER_NULL;
	if (!json_is_number(want))
		return got == AFTER_NONE;
	double v = json_number_value(want);
	if (v < 0)
		return got == AFTER_NONE;
	if (v < 1 && got == AFTER_NONE) /* -0, or a negative number that is rounded to it */
		return true;
	if (v > 9.2e18)
		return got > INT64_C(9199999999999990000);
	double rounding = 1 + v * 1e-15;
	return got >= 0 && (double)got >= v - 1 - rounding && (double)got <= v + rounding;
}

static inline const char *oracle_body(const struct envelope *e, const json_t *body, bool patched)
{
	ORACLE_REQUIRE(oracle_same_text(e->type, json_get(body, "type")));
	ORACLE_REQUIRE(oracle_same_text(e->name, json_get(body, "name")));
	ORACLE_REQUIRE(e->msg_id == oracle_int(json_get(body, "msg_id")));
	ORACLE_REQUIRE(e->in_reply_to == oracle_int(json_get(body, "in_reply_to")));
	ORACLE_REQUIRE(patched || oracle_same_after(e->after_ms, json_get(body, "after_ms")));
	return NULL;
}

/* Builds the object again from its members. `s` are the bytes read, `patched` jansson's copy of them. */
static inline const char *oracle_members(const char *s, const char *patched, struct slice object, const json_t *want)
{
	json_t *built = json_object();
	struct slice key, value;
	bool read = true;
	for (size_t pos = 0; read && json_member_next(object, &pos, &key, &value);) {
		json_t *k = json_loadb(patched + (key.s - 1 - s), key.n + 2, JSON_DECODE_ANY, NULL);
		json_t *v = json_loadb(patched + (value.s - s), value.n, JSON_DECODE_ANY, NULL);
		read = k && v && json_object_set(built, json_string_value(k), v) == 0;
		json_decref(k);
		json_decref(v);
	}
	bool same = read && json_equal(built, want);
	json_decref(built);
	ORACLE_REQUIRE(same);
	return NULL;
}

/* Writes the body into a line of the harness and reads it back. */
static inline const char *oracle_round_trip(const struct envelope *e)
{
	struct envelope again;
	struct buf b = BUF_EMPTY;
	size_t at;
	envelope_write(&b, 1, e->src, e->dest, -5, e->body);
	int bad = envelope_read(&again, (struct slice){ b.s, b.n - 1 }, &at);
	bool same = bad == BAD_TOO_LONG ||
		    (bad == -1 && b.s[b.n - 1] == '\n' && slice_eq(e->body, again.body) &&
		     slice_eq(e->dest, again.dest) && slice_eq(e->src, again.src));
	buf_done(&b);
	ORACLE_REQUIRE(same);
	bad = envelope_read_body(&again, e->body, &at);
	ORACLE_REQUIRE(bad == -1 && slice_eq(again.body, e->body) && again.msg_id == e->msg_id);
	ORACLE_REQUIRE(slice_eq(again.type, e->type) && again.after_ms == e->after_ms && !again.dest.s);
	return NULL;
}

static inline int oracle_expected(const json_t *j, size_t n)
{
	if (n > LINE_MAX_BYTES)
		return BAD_TOO_LONG;
	if (!j)
		return BAD_NOT_JSON;
	if (!json_is_object(j))
		return BAD_NOT_OBJECT;
	if (!json_is_string(json_get(j, "dest")))
		return BAD_NO_DEST;
	return json_is_object(json_get(j, "body")) ? -1 : BAD_NO_BODY;
}

static inline const char *oracle_compare(struct slice line, const char *copy, const json_t *j, bool patched)
{
	struct envelope e;
	size_t at = 0, at_valid = 0;
	bool valid = json_valid(line, &at_valid);
	int bad = envelope_read(&e, line, &at);
	bool deep = j && oracle_depth(j) > JSON_DEPTH_MAX;
	ORACLE_REQUIRE(at <= line.n && at_valid <= line.n);
	if (!j && !valid && oracle_open(line.s, at_valid) == JSON_DEPTH_MAX && bad == BAD_TOO_DEEP)
		return NULL; /* what is wrong comes after the limit was passed */
	ORACLE_REQUIRE(valid == (j && !deep));
	if (deep && line.n <= LINE_MAX_BYTES) {
		ORACLE_REQUIRE(bad == BAD_TOO_DEEP && oracle_open(line.s, at) == JSON_DEPTH_MAX);
		return NULL;
	}
	ORACLE_REQUIRE(bad == oracle_expected(j, line.n));
	if (bad == -1) {
		const json_t *body = json_get(j, "body");
		ORACLE_REQUIRE(oracle_same_text(e.src, json_get(j, "src")));
		ORACLE_REQUIRE(oracle_same_text(e.dest, json_get(j, "dest")));
		ORACLE_REQUIRE(e.body.s >= line.s && e.body.s + e.body.n <= line.s + line.n);
		const char *why = oracle_body(&e, body, patched);
		if (!why)
			why = oracle_members(line.s, copy, e.body, body);
		return why ? why : oracle_round_trip(&e);
	}
	if (valid && json_is_object(j))
		return oracle_members(line.s, copy, line, j);
	return NULL;
}

static inline const char *envelope_disagree(const void *bytes, size_t n)
{
	char *line = malloc(n ? n : 1), *copy = malloc(n ? n : 1); /* exact, so that a step too far is seen */
	const char *why = "out of memory";
	if (line && copy) {
		memcpy(line, n ? bytes : "", n);
		memcpy(copy, line, n);
		bool patched;
		json_t *j = oracle_load(copy, n, &patched);
		if (memchr(line, '\0', n)) {
			json_decref(j);
			j = NULL;
		}
		why = oracle_compare((struct slice){ line, n }, copy, j, patched);
		json_decref(j);
	}
	free(line);
	free(copy);
	return why;
}

#endif
