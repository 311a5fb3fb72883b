/* One pass over the bytes, by recursive descent; JSON_DEPTH_MAX bounds the recursion. Every function that reads
 * returns false after the first wrong byte and leaves it in the reader. */
#include "proto.h"

#include <endian.h>

enum { PLAIN = 1, SPACE = 2, DIGIT = 4, HEX = 8 };
#define S_ SPACE
#define P_ PLAIN
#define B_ (PLAIN | SPACE)
#define D_ (PLAIN | DIGIT | HEX)
#define H_ (PLAIN | HEX)
/* PLAIN: stands for itself in a string. Bytes from 0x80 on are nothing by themselves. */
static const uint8_t byte_class[256] = {
	0,  0,  0,  0,  0,  0,  0,  0,  0,  S_, S_, 0,  0,  S_, 0,  0,
	0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,
	B_, P_, 0,  P_, P_, P_, P_, P_, P_, P_, P_, P_, P_, P_, P_, P_,
	D_, D_, D_, D_, D_, D_, D_, D_, D_, D_, P_, P_, P_, P_, P_, P_,
	P_, H_, H_, H_, H_, H_, H_, P_, P_, P_, P_, P_, P_, P_, P_, P_,
	P_, P_, P_, P_, P_, P_, P_, P_, P_, P_, P_, P_, 0,  P_, P_, P_,
	P_, H_, H_, H_, H_, H_, H_, P_, P_, P_, P_, P_, P_, P_, P_, P_,
	P_, P_, P_, P_, P_, P_, P_, P_, P_, P_, P_, P_, P_, P_, P_, P_,
};
#undef S_
#undef P_
#undef B_
#undef D_
#undef H_

typedef unsigned char byte;

struct reader {
	const byte *start, *p, *end;
	const byte *wrong; /* the offending byte, when bad >= 0 */
	int bad;           /* -1, or enum bad */
	int depth;
	bool escaped;      /* the string that was read last has an escape */
};

static bool read_wrong(struct reader *r, const byte *where, int bad)
{
	r->bad = bad;
	r->wrong = where;
	return false;
}

static inline bool byte_is(const byte *p, int classes)
{
	return (byte_class[*p] & classes) != 0;
}

static inline void skip_space(struct reader *r)
{
	const byte *p = r->p;
	while (p < r->end && *p <= ' ' && byte_is(p, SPACE))
		p++;
	r->p = p;
}

/* True when the next byte is c; steps over it. */
static inline bool skip_byte(struct reader *r, char c)
{
	if (r->p == r->end || *r->p != (byte)c)
		return read_wrong(r, r->p, BAD_NOT_JSON);
	r->p++;
	return true;
}

/* Eight bytes at once: the top bit of a byte is set when it is a quote, a backslash, below 0x20 or above 0x7f. A borrow
 * can only come from a byte below that is itself one of these, so the lowest bit that is set is exact. */
static inline uint64_t special_8(const byte *p)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	uint64_t w;
	memcpy(&w, p, sizeof w);
	w = le64toh(w);
	uint64_t control = w - ones * 0x20;
	uint64_t quote = (w ^ ones * '"') - ones;
	uint64_t backslash = (w ^ ones * '\\') - ones;
	return (w | control | quote | backslash) & ones * 0x80;
}

static inline const byte *skip_plain(const byte *p, const byte *end)
{
	for (; end - p >= 8; p += 8) {
		uint64_t special = special_8(p);
		if (special)
			return p + __builtin_ctzll(special) / 8;
	}
	while (p < end && byte_is(p, PLAIN))
		p++;
	return p;
}

static unsigned hex_value(byte c)
{
	return c <= '9' ? c - '0' + 0u : (c | 0x20) - 'a' + 10u;
}

/* The unit of \uXXXX at p; 0, which no text may hold, when there is none. */
static unsigned unicode_unit(const byte *p, const byte *end)
{
	if (end - p < 6 || p[0] != '\\' || p[1] != 'u')
		return 0;
	unsigned unit = 0;
	for (int i = 2; i < 6; i++) {
		if (!byte_is(p + i, HEX))
			return 0;
		unit = unit << 4 | hex_value(p[i]);
	}
	return unit;
}

static bool unit_is_high(unsigned unit)
{
	return unit >= 0xd800 && unit <= 0xdbff;
}

static bool unit_is_low(unsigned unit)
{
	return unit >= 0xdc00 && unit <= 0xdfff;
}

/* Length of the escape at p, a backslash; 0 when it is wrong. \u0000 is wrong, as it is to jansson: what follows it would
 * be lost to every reader of C strings. */
static size_t escape_len(const byte *p, const byte *end)
{
	if (end - p < 2 || p[1] == '\0')
		return 0;
	if (strchr("\"\\/bfnrt", p[1]))
		return 2;
	unsigned unit = unicode_unit(p, end);
	if (unit == 0 || unit_is_low(unit))
		return 0;
	if (!unit_is_high(unit))
		return 6;
	return unit_is_low(unicode_unit(p + 6, end)) ? 12 : 0;
}

/* Length of a character of two to four bytes at p (RFC 3629: no surrogates, nothing overlong); 0 when it is none. */
static size_t utf8_len(const byte *p, const byte *end)
{
	size_t n = (size_t)(end - p);
	size_t len = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	if (p[0] < 0xc2 || p[0] > 0xf4 || n < len)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
	    (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return len;
}

/* A string in which `p` is the first byte that is not plain. */
static bool read_string_on(struct reader *r, const byte *p)
{
	for (;; p = skip_plain(p, r->end)) {
		if (p == r->end)
			return read_wrong(r, p, BAD_NOT_JSON);
		if (*p == '"')
			break;
		size_t len = 0;
		if (*p == '\\') {
			r->escaped = true;
			len = escape_len(p, r->end);
		} else if (*p >= 0x80) {
			len = utf8_len(p, r->end);
		}
		if (len == 0)
			return read_wrong(r, p, BAD_NOT_JSON);
		p += len;
	}
	r->p = p + 1;
	return true;
}

/* The reader is at the opening quote; afterwards behind the closing one. Most strings are plain: those take no call. */
static inline bool read_string(struct reader *r)
{
	const byte *p = skip_plain(r->p + 1, r->end);
	r->escaped = false;
	if (p == r->end || *p != '"')
		return read_string_on(r, p);
	r->p = p + 1;
	return true;
}

static bool read_digits(struct reader *r)
{
	const byte *p = r->p;
	while (p < r->end && byte_is(p, DIGIT))
		p++;
	if (p == r->p)
		return read_wrong(r, p, BAD_NOT_JSON);
	r->p = p;
	return true;
}

/* Any number of RFC 8259, however large: what it is worth is the business of who takes it. */
static bool read_number(struct reader *r)
{
	if (*r->p == '-')
		r->p++;
	if (r->p < r->end && *r->p == '0')
		r->p++;
	else if (!read_digits(r))
		return false;
	if (r->p < r->end && *r->p == '.') {
		r->p++;
		if (!read_digits(r))
			return false;
	}
	if (r->p < r->end && (*r->p | 0x20) == 'e') {
		r->p++;
		if (r->p < r->end && (*r->p == '+' || *r->p == '-'))
			r->p++;
		return read_digits(r);
	}
	return true;
}

static bool read_word(struct reader *r, const char *word)
{
	for (; *word; word++)
		if (!skip_byte(r, *word))
			return false;
	return true;
}

static inline bool read_open(struct reader *r)
{
	if (r->depth == JSON_DEPTH_MAX)
		return read_wrong(r, r->p, BAD_TOO_DEEP);
	r->depth++;
	r->p++;
	return true;
}

/* In an array or object, before an item: false at the closing bracket (then the reader is behind it) and when something
 * else is wrong. */
static inline bool read_item(struct reader *r, bool *first, char close)
{
	skip_space(r);
	if (r->p < r->end && *r->p == (byte)close) {
		r->p++;
		r->depth--;
		return false;
	}
	if (!*first) {
		if (!skip_byte(r, ','))
			return false;
		skip_space(r);
	}
	*first = false;
	return true;
}

struct token {
	const byte *s, *end; /* as written; a string with its quotes */
	bool escaped;        /* a string with an escape */
};

/* Steps over `"key" :` to the value. */
static inline bool read_key(struct reader *r, bool *first, struct token *key)
{
	if (!read_item(r, first, '}'))
		return false;
	if (r->p == r->end || *r->p != '"')
		return read_wrong(r, r->p, BAD_NOT_JSON);
	key->s = r->p;
	if (!read_string(r))
		return false;
	key->end = r->p;
	key->escaped = r->escaped;
	skip_space(r);
	if (!skip_byte(r, ':'))
		return false;
	skip_space(r);
	return true;
}

static bool read_value(struct reader *r);

static bool read_array(struct reader *r)
{
	if (!read_open(r))
		return false;
	for (bool first = true; read_item(r, &first, ']');)
		if (!read_value(r))
			return false;
	return r->bad < 0;
}

static bool read_object(struct reader *r)
{
	if (!read_open(r))
		return false;
	struct token key;
	for (bool first = true; read_key(r, &first, &key);)
		if (!read_value(r))
			return false;
	return r->bad < 0;
}

static bool read_value(struct reader *r)
{
	if (r->p == r->end)
		return read_wrong(r, r->p, BAD_NOT_JSON);
	switch (*r->p) {
	case '"':
		return read_string(r);
	case '{':
		return read_object(r);
	case '[':
		return read_array(r);
	case 't':
		return read_word(r, "true");
	case 'f':
		return read_word(r, "false");
	case 'n':
		return read_word(r, "null");
	default:
		if (*r->p == '-' || byte_is(r->p, DIGIT))
			return read_number(r);
		return read_wrong(r, r->p, BAD_NOT_JSON);
	}
}

static bool read_token(struct reader *r, struct token *t)
{
	t->s = r->p;
	if (!read_value(r))
		return false;
	t->end = r->p;
	t->escaped = r->escaped;
	return true;
}

static bool read_end(struct reader *r)
{
	skip_space(r);
	return r->p == r->end || read_wrong(r, r->p, BAD_NOT_JSON);
}

static struct reader reader_of(struct slice s)
{
	const byte *p = (const byte *)(s.n > 0 ? s.s : "");
	return (struct reader){ .start = p, .p = p, .end = p + s.n, .wrong = p, .bad = -1 };
}

static int reader_result(const struct reader *r, size_t *at)
{
	if (at)
		*at = (size_t)(r->wrong - r->start);
	return r->bad;
}

/* --- what tokens are worth --- */

static struct slice slice_between(const byte *s, const byte *end)
{
	return (struct slice){ (const char *)s, (size_t)(end - s) };
}

static size_t utf8_put(unsigned code, byte *out)
{
	if (code < 0x80) {
		out[0] = (byte)code;
		return 1;
	}
	size_t n = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
	static const byte lead[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
	for (size_t i = n - 1; i > 0; i--, code >>= 6)
		out[i] = (byte)(0x80 | (code & 0x3f));
	out[0] = (byte)(lead[n] | code);
	return n;
}

/* One character of a string that was found right: its UTF-8 into out; returns the bytes that it takes as written. */
static size_t decode_one(const byte *p, const byte *end, byte out[4], size_t *out_n)
{
	if (*p != '\\') {
		size_t len = *p < 0x80 ? 1 : utf8_len(p, end);
		memcpy(out, p, len);
		*out_n = len;
		return len;
	}
	static const char names[] = "bfnrt", means[] = "\b\f\n\r\t";
	if (p[1] != 'u') {
		const char *name = strchr(names, p[1]);
		out[0] = name ? (byte)means[name - names] : p[1];
		*out_n = 1;
		return 2;
	}
	unsigned unit = unicode_unit(p, end);
	if (!unit_is_high(unit)) {
		*out_n = utf8_put(unit, out);
		return 6;
	}
	unsigned low = unicode_unit(p + 6, end);
	*out_n = utf8_put(0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00), out);
	return 12;
}

/* Decodes into room; what does not fit is cut off, and a character that is cut in two becomes question marks. */
static struct slice decode(const byte *p, const byte *end, char *room, size_t cap)
{
	size_t n = 0;
	while (p < end) {
		byte c[4];
		size_t len;
		p += decode_one(p, end, c, &len);
		if (n + len > cap) {
			memset(room + n, '?', cap - n);
			n = cap;
			break;
		}
		memcpy(room + n, c, len);
		n += len;
	}
	return (struct slice){ room, n };
}

static struct slice token_name(struct token t, char room[NAME_MAX_BYTES + 1])
{
	if (*t.s != '"')
		return SLICE_NONE;
	struct slice inner = slice_between(t.s + 1, t.end - 1);
	if (!t.escaped && inner.n <= NAME_MAX_BYTES)
		return inner;
	return decode(t.s + 1, t.end - 1, room, NAME_MAX_BYTES + 1);
}

/* -1 when the token is no integer, or one beyond int64. */
static int64_t token_int(struct token t)
{
	bool minus = *t.s == '-';
	const byte *p = t.s + minus;
	int64_t v = 0;
	for (; p < t.end; p++) {
		int digit = *p - '0';
		if (!byte_is(p, DIGIT) || __builtin_mul_overflow(v, 10, &v) ||
		    __builtin_sub_overflow(v, digit, &v))
			return -1;
	}
	if (minus)
		return v;
	return v == INT64_MIN ? -1 : -v;
}

/* The exponent of a number, cut to a range in which sums with a line's length are safe. */
static int64_t exponent(const byte *p, const byte *end)
{
	bool minus = *p == '-';
	if (*p == '-' || *p == '+')
		p++;
	int64_t v = 0;
	for (; p < end; p++)
		if (v < INT32_MAX / 10)
			v = v * 10 + (*p - '0');
	return minus ? -v : v;
}

/* The integer part of a positive number, digit by digit and so without rounding; INT64_MAX when it is beyond that. */
static int64_t integer_part(const byte *p, const byte *end)
{
	const byte *e = p, *point = NULL;
	for (; e < end && (*e | 0x20) != 'e'; e++)
		if (*e == '.')
			point = e;
	int64_t places = (point ? point : e) - p;
	if (e < end)
		places += exponent(e + 1, end);
	int64_t v = 0;
	for (; places > 0 && (p < e || v > 0); places--) {
		if (p == point)
			p++;
		int digit = p < e ? *p++ - '0' : 0;
		if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, digit, &v))
			return INT64_MAX;
	}
	return v;
}

static int64_t token_after_ms(struct token t)
{
	if (*t.s == 'n')
		return AFTER_NULL;
	return byte_is(t.s, DIGIT) ? integer_part(t.s, t.end) : AFTER_NONE;
}

/* --- the envelope --- */

enum envelope_key { KEY_SRC, KEY_DEST, KEY_BODY, ENVELOPE_KEYS };
enum body_key { KEY_TYPE, KEY_MSG_ID, KEY_IN_REPLY_TO, KEY_NAME, KEY_AFTER_MS, BODY_KEYS };

struct known_key {
	const char *s;
	size_t n;
};
#define KNOWN(s) { s, sizeof(s) - 1 }
static const struct known_key envelope_keys[] = {
	[KEY_SRC] = KNOWN("src"), [KEY_DEST] = KNOWN("dest"), [KEY_BODY] = KNOWN("body"),
};
static const struct known_key body_keys[] = {
	[KEY_TYPE] = KNOWN("type"), [KEY_MSG_ID] = KNOWN("msg_id"), [KEY_IN_REPLY_TO] = KNOWN("in_reply_to"),
	[KEY_NAME] = KNOWN("name"), [KEY_AFTER_MS] = KNOWN("after_ms"),
};

/* Place of the key in the table; `count` when it is not there. */
static inline int key_find(const struct known_key *keys, int count, struct token key)
{
	char room[16]; /* longer than any known key */
	struct slice k = slice_between(key.s + 1, key.end - 1);
	if (key.escaped)
		k = decode(key.s + 1, key.end - 1, room, sizeof room);
	int i = 0;
	while (i < count && !(keys[i].n == k.n && keys[i].s[0] == k.s[0] && memcmp(keys[i].s, k.s, k.n) == 0))
		i++;
	return i;
}

enum { TEXT_SRC, TEXT_DEST, TEXT_TYPE, TEXT_NAME };

static void body_reset(struct envelope *e)
{
	e->body = e->type = e->name = SLICE_NONE;
	e->msg_id = e->in_reply_to = -1;
	e->after_ms = AFTER_NONE;
}

static void body_take(struct envelope *e, int key, struct token t)
{
	switch (key) {
	case KEY_TYPE:
		e->type = token_name(t, e->text[TEXT_TYPE]);
		break;
	case KEY_MSG_ID:
		e->msg_id = token_int(t);
		break;
	case KEY_IN_REPLY_TO:
		e->in_reply_to = token_int(t);
		break;
	case KEY_NAME:
		e->name = token_name(t, e->text[TEXT_NAME]);
		break;
	case KEY_AFTER_MS:
		e->after_ms = token_after_ms(t);
		break;
	default:
		break;
	}
}

/* The reader is at the value of "body". What is no object leaves the body empty. */
static bool read_body(struct reader *r, struct envelope *e)
{
	const byte *start = r->p;
	body_reset(e);
	if (r->p == r->end || *r->p != '{')
		return read_value(r);
	if (!read_open(r))
		return false;
	struct token key, value;
	for (bool first = true; read_key(r, &first, &key);) {
		if (!read_token(r, &value))
			return false;
		body_take(e, key_find(body_keys, BODY_KEYS, key), value);
	}
	e->body = slice_between(start, r->p);
	return r->bad < 0;
}

/* Steps over `head`, a name without escapes, and its closing quote. When anything is different, nothing has happened. */
static bool skip_head(const byte **at, const byte *end, struct slice head, struct slice *name)
{
	if ((size_t)(end - *at) <= head.n || memcmp(*at, head.s, head.n) != 0)
		return false;
	const byte *s = *at + head.n, *p = skip_plain(s, end);
	if (p == end || *p != '"' || p - s > NAME_MAX_BYTES)
		return false;
	*name = slice_between(s, p);
	*at = p + 1;
	return true;
}

/* Nearly all lines begin as the SDKs write them. Then the head is taken at once, and the reader is before the comma of
 * "body"; else it is where it was. */
static bool skip_usual_head(struct reader *r, struct envelope *e, const byte *at[ENVELOPE_KEYS])
{
	const byte *p = r->p;
	struct slice src, dest;
	if (!skip_head(&p, r->end, SLICE("\"src\":\""), &src))
		return false;
	const byte *at_dest = p + sizeof ",\"dest\":" - 1;
	if (!skip_head(&p, r->end, SLICE(",\"dest\":\""), &dest))
		return false;
	e->src = src;
	e->dest = dest;
	at[KEY_DEST] = at_dest;
	r->p = p;
	return true;
}

/* The reader is at the brace. Where "dest" and "body" stand, or the closing brace, is left in at[]. */
static bool read_envelope(struct reader *r, struct envelope *e, const byte *at[ENVELOPE_KEYS])
{
	if (!read_open(r))
		return false;
	struct token key, value;
	for (bool first = !skip_usual_head(r, e, at); read_key(r, &first, &key);) {
		int k = key_find(envelope_keys, ENVELOPE_KEYS, key);
		if (k < ENVELOPE_KEYS)
			at[k] = r->p;
		if (!(k == KEY_BODY ? read_body(r, e) : read_token(r, &value)))
			return false;
		if (k == KEY_SRC)
			e->src = token_name(value, e->text[TEXT_SRC]);
		else if (k == KEY_DEST)
			e->dest = token_name(value, e->text[TEXT_DEST]);
	}
	if (r->bad >= 0)
		return false;
	for (int k = 0; k < ENVELOPE_KEYS; k++)
		if (!at[k])
			at[k] = r->p - 1;
	return true;
}

/* Finds the object of a line that is not too long; says so when there is valid JSON of another kind. */
static bool read_brace(struct reader *r)
{
	if (r->end - r->start > LINE_MAX_BYTES)
		return read_wrong(r, r->start + LINE_MAX_BYTES, BAD_TOO_LONG);
	skip_space(r);
	const byte *value = r->p;
	if (value < r->end && *value == '{')
		return true;
	return read_value(r) && read_end(r) && read_wrong(r, value, BAD_NOT_OBJECT);
}

int envelope_read(struct envelope *e, struct slice line, size_t *at)
{
	struct reader r = reader_of(line);
	const byte *place[ENVELOPE_KEYS] = { NULL };
	e->src = e->dest = SLICE_NONE;
	body_reset(e);
	if (read_brace(&r) && read_envelope(&r, e, place) && read_end(&r)) {
		if (!e->dest.s)
			read_wrong(&r, place[KEY_DEST], BAD_NO_DEST);
		else if (!e->body.s)
			read_wrong(&r, place[KEY_BODY], BAD_NO_BODY);
	}
	return reader_result(&r, at);
}

int envelope_read_body(struct envelope *e, struct slice body, size_t *at)
{
	struct reader r = reader_of(body);
	e->src = e->dest = SLICE_NONE;
	body_reset(e);
	if (read_brace(&r) && read_body(&r, e))
		read_end(&r);
	return reader_result(&r, at);
}

bool json_valid(struct slice s, size_t *at)
{
	struct reader r = reader_of(s);
	skip_space(&r);
	if (read_value(&r))
		read_end(&r);
	return reader_result(&r, at) < 0;
}

bool json_member_next(struct slice object, size_t *pos, struct slice *key, struct slice *value)
{
	struct reader r = reader_of(object);
	bool first = *pos == 0;
	struct token k, v;
	r.p += *pos;
	if (first) {
		skip_space(&r);
		if (!skip_byte(&r, '{'))
			return false;
	}
	r.depth = 1;
	if (!read_key(&r, &first, &k) || !read_token(&r, &v))
		return false;
	*key = slice_between(k.s + 1, k.end - 1);
	*value = slice_between(v.s, v.end);
	*pos = (size_t)(r.p - r.start);
	return true;
}

/* --- writing --- */

static inline char *put(char *to, const char *s, size_t n)
{
	memcpy(to, s, n);
	return to + n;
}
#define PUT(to, literal) put(to, literal, sizeof(literal) - 1)

static char *put_uint(char *to, uint64_t v)
{
	char digits[20];
	size_t at = sizeof digits;
	do
		digits[--at] = (char)('0' + v % 10);
	while (v /= 10);
	return put(to, digits + at, sizeof digits - at);
}

static bool slice_is_plain(struct slice s)
{
	const byte *p = (const byte *)s.s;
	return s.n == 0 || skip_plain(p, p + s.n) == p + s.n;
}

/* For names that need escapes: rare, so plainly written. */
static void envelope_write_slow(struct buf *b, uint64_t id, struct slice src, struct slice dest, int64_t at_ms,
				struct slice body)
{
	buf_str(b, "{\"id\":");
	buf_printf(b, "%llu", (unsigned long long)id);
	buf_str(b, ",\"src\":");
	buf_json_string(b, src);
	buf_str(b, ",\"dest\":");
	buf_json_string(b, dest);
	buf_str(b, ",\"at_ms\":");
	buf_int(b, at_ms);
	buf_str(b, ",\"body\":");
	buf_slice(b, body);
	buf_str(b, "}\n");
}

void envelope_write(struct buf *b, uint64_t id, struct slice src, struct slice dest, int64_t at_ms, struct slice body)
{
	assert(body.n > 0);
	if (!slice_is_plain(src) || !slice_is_plain(dest)) {
		envelope_write_slow(b, id, src, dest, at_ms, body);
		return;
	}
	enum { FRAME = 100 }; /* the literals below and two numbers of 20 characters take 85 */
	buf_room(b, FRAME + src.n + dest.n + body.n);
	char *to = b->s + b->n;
	to = put_uint(PUT(to, "{\"id\":"), id);
	to = PUT(to, ",\"src\":\"");
	if (src.n > 0)
		to = put(to, src.s, src.n);
	to = PUT(to, "\",\"dest\":\"");
	if (dest.n > 0)
		to = put(to, dest.s, dest.n);
	to = PUT(to, "\",\"at_ms\":");
	if (at_ms < 0)
		*to++ = '-';
	to = put_uint(to, at_ms < 0 ? 0 - (uint64_t)at_ms : (uint64_t)at_ms);
	to = PUT(to, ",\"body\":");
	to = put(to, body.s, body.n);
	to = PUT(to, "}\n");
	*to = '\0';
	b->n = (size_t)(to - b->s);
}

/* --- error codes --- */

enum { ERROR_OWN_FIRST = 1000 };

static const struct proto_error {
	int code;
	const char *name;
	bool definite;
} proto_errors[] = {
#define X(code, name, definite) { code, name, definite },
	PROTO_ERRORS(X)
#undef X
};

static const struct proto_error *proto_error_find(int64_t code)
{
	for (size_t i = 0; i < ARRAY_LEN(proto_errors); i++)
		if (proto_errors[i].code == code)
			return &proto_errors[i];
	return NULL;
}

bool proto_error_definite(int64_t code)
{
	const struct proto_error *e = proto_error_find(code);
	return code >= ERROR_OWN_FIRST || (e && e->definite);
}

const char *proto_error_name(int64_t code)
{
	const struct proto_error *e = proto_error_find(code);
	if (e)
		return e->name;
	return code >= ERROR_OWN_FIRST ? "the lab's own" : "unknown error";
}
