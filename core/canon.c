#include "canon.h"

#include <stdio.h>
#include <stdlib.h>

#include "json.h"
#include "proto.h"

/* Beyond this an exponent is only compared as "very large". */
#define EXPONENT_MAX INT64_C(1000000000000000)

struct canon {
	const char *at, *end;
};

static void skip_space(struct canon *c)
{
	while (c->at < c->end && strchr(" \t\r\n", *c->at))
		c->at++;
}

static bool is_digit(const struct canon *c)
{
	return c->at < c->end && *c->at >= '0' && *c->at <= '9';
}

static int64_t read_exponent(struct canon *c)
{
	if (c->at == c->end || (*c->at | 0x20) != 'e')
		return 0;
	c->at++;
	bool minus = *c->at == '-';
	c->at += *c->at == '-' || *c->at == '+';
	int64_t e = 0;
	for (; is_digit(c); c->at++)
		if (e < EXPONENT_MAX)
			e = e * 10 + (*c->at - '0');
	return minus ? -e : e;
}

/* -12.50 becomes -125e-1, 0.0 becomes 0. */
static void canon_number(struct buf *out, struct canon *c)
{
	struct buf digits = BUF_EMPTY;
	int64_t exponent = 0;
	bool minus = *c->at == '-', point = false;
	for (c->at += minus; is_digit(c) || (c->at < c->end && *c->at == '.'); c->at++) {
		if (*c->at == '.') {
			point = true;
			continue;
		}
		exponent -= point;
		if (digits.n > 0 || *c->at != '0')
			buf_char(&digits, *c->at);
	}
	exponent += read_exponent(c);
	for (; digits.n > 0 && digits.s[digits.n - 1] == '0'; digits.n--)
		exponent++;
	if (digits.n == 0) {
		buf_char(out, '0');
	} else {
		if (minus)
			buf_char(out, '-');
		buf_slice(out, buf_as_slice(&digits));
		buf_printf(out, "e%lld", (long long)exponent);
	}
	buf_done(&digits);
}

static void canon_string(struct buf *out, struct canon *c)
{
	const char *begin = c->at++;
	while (c->at < c->end && *c->at != '"')
		c->at += *c->at == '\\' ? 2 : 1;
	c->at++;
	struct slice text = { begin, (size_t)(c->at - begin) };
	json_t *j = json_loadb(text.s, text.n, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	if (j)
		buf_json_string(out, (struct slice){ json_string_value(j), json_string_length(j) });
	else
		buf_slice(out, text);
	json_decref(j);
}

static void canon_value(struct buf *out, struct canon *c);

static void canon_array(struct buf *out, struct canon *c)
{
	c->at++;
	buf_char(out, '[');
	for (skip_space(c); c->at < c->end && *c->at != ']'; skip_space(c)) {
		if (*c->at == ',') {
			buf_char(out, *c->at++);
			continue;
		}
		canon_value(out, c);
	}
	c->at++;
	buf_char(out, ']');
}

struct member {
	struct buf key, value;
	size_t place;
};

static int by_key(const void *a, const void *b)
{
	const struct member *x = a, *y = b;
	size_t n = x->key.n < y->key.n ? x->key.n : y->key.n;
	int order = memcmp(x->key.s, y->key.s, n);
	if (order == 0 && x->key.n != y->key.n)
		order = x->key.n < y->key.n ? -1 : 1;
	return order ? order : x->place < y->place ? -1 : 1;
}

static void canon_object(struct buf *out, struct canon *c)
{
	struct member *all = NULL;
	size_t n = 0, room = 0;
	c->at++;
	for (skip_space(c); c->at < c->end && *c->at != '}'; skip_space(c)) {
		if (*c->at == ',') {
			c->at++;
			continue;
		}
		if (n == room)
			all = xrealloc(all, (room = room ? room * 2 : 8) * sizeof *all);
		all[n] = (struct member){ .place = n };
		canon_string(&all[n].key, c);
		skip_space(c);
		c->at++; /* the colon */
		canon_value(&all[n++].value, c);
	}
	c->at++;
	if (n > 0)
		qsort(all, n, sizeof *all, by_key);
	buf_char(out, '{');
	for (size_t i = 0; i < n; i++) {
		if (i + 1 == n || !slice_eq(buf_as_slice(&all[i].key), buf_as_slice(&all[i + 1].key))) {
			buf_slice(out, buf_as_slice(&all[i].key));
			buf_char(out, ':');
			buf_slice(out, buf_as_slice(&all[i].value));
			buf_char(out, ',');
		}
		buf_done(&all[i].key);
		buf_done(&all[i].value);
	}
	buf_char(out, '}');
	free(all);
}

static void canon_value(struct buf *out, struct canon *c)
{
	skip_space(c);
	if (c->at >= c->end)
		return;
	switch (*c->at) {
	case '{': canon_object(out, c); break;
	case '[': canon_array(out, c); break;
	case '"': canon_string(out, c); break;
	case 't':
	case 'f':
	case 'n':
		while (c->at < c->end && *c->at >= 'a' && *c->at <= 'z')
			buf_char(out, *c->at++);
		break;
	default: canon_number(out, c); break;
	}
}

void json_canon(struct buf *out, struct slice value)
{
	struct canon c = { value.s, value.s + value.n };
	canon_value(out, &c);
}

bool json_same(struct slice a, struct slice b)
{
	struct buf x = BUF_EMPTY, y = BUF_EMPTY;
	json_canon(&x, a);
	json_canon(&y, b);
	bool same = slice_eq(buf_as_slice(&x), buf_as_slice(&y));
	buf_done(&x);
	buf_done(&y);
	return same;
}

/* `key` as it is written, between its quotes. */
static bool key_is(struct slice key, const char *name)
{
	if (key.n == 0 || !memchr(key.s, '\\', key.n))
		return slice_is(key, name);
	json_t *j = json_loadb(key.s - 1, key.n + 2, JSON_DECODE_ANY, NULL);
	bool same = j && strcmp(json_string_value(j), name) == 0;
	json_decref(j);
	return same;
}

struct slice json_member(struct slice object, const char *name)
{
	struct slice key, value, found = SLICE_NONE;
	for (size_t pos = 0; json_member_next(object, &pos, &key, &value);)
		if (key_is(key, name))
			found = value;
	return found;
}
