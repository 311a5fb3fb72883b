/* dlab.h - the SDK for nodes in C: one file, libc only, C11 with POSIX.
 *
 * A node is a process that reads one JSON message per line and writes one per line:
 *
 *	#define DLAB_IMPLEMENTATION
 *	#include "dlab.h"
 *
 *	static void on_echo(struct dlab *d, const struct dlab_msg *m, void *arg)
 *	{
 *		struct dlab_text *body = dlab_body(d, "echo_ok");
 *		dlab_put(body, "echo", dlab_get(m->body, "echo"));
 *		dlab_reply(d, m, body);
 *	}
 *
 *	int main(void)
 *	{
 *		struct dlab *d = dlab_new();
 *		dlab_on(d, "echo", on_echo, NULL);
 *		return dlab_run(d);
 *	}
 *
 * - One handler runs at a time, to its end. There are no threads and no locks.
 * - Take time from dlab_now and dlab_timer, and chance from dlab_random. Then the simulator can repeat a run
 *   exactly. clock_gettime, threads and rand() break that.
 * - What a handler sends leaves the process in one write when the handler is done.
 * - What the SDK hands out (messages, JSON, strings, texts under construction) lives until the handler returns:
 *   copy what you want to keep. What you hand in is copied, except `arg`, which is yours.
 * - The process ends when memory runs out or the disk fails. */
#ifndef DLAB_H
#define DLAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dlab;      /* the node */
struct dlab_text; /* a JSON object or array under construction */

/* A piece of JSON text that is known to be valid; n == 0: there is none. */
struct dlab_json {
	const char *s;
	size_t n;
};

struct dlab_msg {
	const char *src, *dest, *type; /* type: the body's; "" when it has none */
	struct dlab_json body;
	int64_t msg_id, in_reply_to;   /* the body's; -1 when there is none */
};

/* `arg` is what was given with the handler. A timer's handler gets m == NULL. */
typedef void dlab_handler(struct dlab *, const struct dlab_msg *m, void *arg);

/* --- the node --- */
struct dlab *dlab_new(void);
/* Reads messages until the input ends; frees the node. Returns what main should return. */
int dlab_run(struct dlab *);
/* Set when "init" arrives; they live as long as the node. */
const char *dlab_node_id(const struct dlab *);
size_t dlab_node_count(const struct dlab *);
const char *dlab_node(const struct dlab *, size_t i); /* 0 <= i < count */
struct dlab_json dlab_config(const struct dlab *);    /* what the lab adds to init */
const char *dlab_data_dir(const struct dlab *);       /* this folder survives a crash; NULL: there is none */

/* --- messages --- */
/* The handler of all messages of a type. One for "init" runs after the SDK's own work; the place to dlab_load
 * what an earlier life saved. */
void dlab_on(struct dlab *, const char *type, dlab_handler *, void *arg);
void dlab_send(struct dlab *, const char *dest, struct dlab_text *body);
/* Answers a request: the same as dlab_send, with the request's id as in_reply_to. */
void dlab_reply(struct dlab *, const struct dlab_msg *, struct dlab_text *body);
void dlab_reply_error(struct dlab *, const struct dlab_msg *, int code, const char *text);
/* Sends a request. on_answer is called once: with the answer, or after the time-out with a body
 * {"type":"error","code":0,"text":"timeout"}. The request may have been carried out all the same. */
void dlab_rpc(struct dlab *, const char *dest, struct dlab_text *body, dlab_handler *on_answer, void *arg,
	int64_t timeout_ms);

/* --- time and chance --- */
/* Milliseconds; the same during one handler. */
int64_t dlab_now(const struct dlab *);
/* Calls the handler once, after_ms from now. The same name again replaces the timer. */
void dlab_timer(struct dlab *, const char *name, int64_t after_ms, dlab_handler *, void *arg);
void dlab_cancel_timer(struct dlab *, const char *name);
/* 0 <= result < n. The generator is splitmix64. */
uint64_t dlab_random(struct dlab *, uint64_t n);
/* 0 <= result < 1. */
double dlab_random_unit(struct dlab *);

/* --- what others see, what a crash leaves --- */
/* Shows a report, made with dlab_body(d, "state"), on the node's card and to the judge. Each lab's guide names
 * the keys. */
void dlab_state(struct dlab *, struct dlab_text *report);
/* Says that an entry was applied to the state machine; made with dlab_body(d, "apply"). For labs whose guide asks for it. */
void dlab_apply(struct dlab *, struct dlab_text *report);
/* Writes a line to the node's log, printf style. */
void dlab_log(struct dlab *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Writes JSON to the file `name`: after a crash the old text is there or the new one, never a half. Returns
 * false when there is no data_dir. */
bool dlab_save(struct dlab *, const char *name, struct dlab_json);
/* What was saved under that name; none when nothing was. */
struct dlab_json dlab_load(struct dlab *, const char *name);

/* --- reading JSON --- */
/* '{' '[' '"' 't' 'f' 'n', '0' for a number, 0 for none. */
char dlab_kind(struct dlab_json);
/* A member of an object; none when it has none of that name or is no object. */
struct dlab_json dlab_get(struct dlab_json object, const char *key);
/* An integer, or `otherwise` when it is anything else. */
int64_t dlab_int(struct dlab_json, int64_t otherwise);
double dlab_double(struct dlab_json, double otherwise);
/* True only for true. */
bool dlab_bool(struct dlab_json);
/* The text of a string, NULL when it is none. A \u0000 in it ends it early. */
const char *dlab_string(struct dlab *, struct dlab_json);
/* Walks an array: struct dlab_json item = {0}; while (dlab_next(array, &item)) ... */
bool dlab_next(struct dlab_json array, struct dlab_json *item);
/* Walks an object: key and value start as {0}; the key is a JSON string (see dlab_string). */
bool dlab_next_member(struct dlab_json object, struct dlab_json *key, struct dlab_json *value);

/* --- building JSON --- */
struct dlab_text *dlab_body(struct dlab *, const char *type); /* {"type": type} */
struct dlab_text *dlab_object(struct dlab *);
struct dlab_text *dlab_array(struct dlab *);
/* Members of objects. Elements of arrays go in with key NULL. */
void dlab_put(struct dlab_text *, const char *key, struct dlab_json); /* none is written as null */
void dlab_put_int(struct dlab_text *, const char *key, int64_t);
void dlab_put_double(struct dlab_text *, const char *key, double);
void dlab_put_bool(struct dlab_text *, const char *key, bool);
void dlab_put_string(struct dlab_text *, const char *key, const char *); /* NULL is written as null */
/* The text so far as JSON, to put it into another or to save it. Valid until the text grows. */
struct dlab_json dlab_as_json(struct dlab_text *);

#endif

/* ====================================================================================================== */
#if defined DLAB_IMPLEMENTATION && !defined DLAB_IMPLEMENTED
#define DLAB_IMPLEMENTED

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { DLAB_DEPTH_MAX = 500, DLAB_READ_BYTES = 1 << 16 };
#define DLAB_RPC_TIMER "rpc time-out"
#define DLAB_DONE "{\"dest\":\"dlab\",\"body\":{\"type\":\"done\"}}\n"

struct dlab_block { /* of the arena; the bytes follow */
	struct dlab_block *next;
	size_t used, size;
};

struct dlab_text {
	struct dlab *d;
	char *s; /* in the arena */
	size_t n, cap;
	char close; /* '}' or ']' */
};

struct dlab_on {
	char *type;
	dlab_handler *handler;
	void *arg;
};

struct dlab_timer {
	char *name;
	int64_t due;
	uint64_t order; /* which of two with the same due time comes first */
	dlab_handler *handler;
	void *arg;
};

struct dlab_call { /* an open rpc */
	int64_t id, due;
	char *dest;
	dlab_handler *handler;
	void *arg;
};

/* A list that grows: items, their number, the room there is. */
#define DLAB_LIST(type) struct { type *at; size_t n, cap; }

struct dlab {
	char *id, *data_dir;
	struct dlab_json config;
	DLAB_LIST(char *) nodes;
	DLAB_LIST(struct dlab_on) on;
	DLAB_LIST(struct dlab_timer) timers;
	DLAB_LIST(struct dlab_call) calls;
	DLAB_LIST(char) in;  /* bytes read and not yet handled */
	struct dlab_block *arena; /* what lives until the handler returns */
	struct dlab_text *out;    /* in it: the lines that the handler wrote; NULL: none */
	int64_t alarm; /* when the one timer for all open rpcs goes off; -1: it is not set */
	int64_t last_id, now, start;
	uint64_t chance, armed;
	bool harness;  /* dlab runs this node: it keeps the timers */
	bool lockstep; /* it also waits for our "done" after every line */
};

/* --- memory --- */

static _Noreturn void dlab_die(const char *what, const char *name)
{
	fprintf(stderr, "dlab: %s %s: %s\n", what, name, strerror(errno));
	exit(1);
}

static void *dlab_realloc(void *old, size_t n)
{
	void *p = realloc(old, n ? n : 1);
	if (!p)
		dlab_die("cannot get memory", "");
	return p;
}

static char *dlab_strdup(const char *s)
{
	size_t n = strlen(s) + 1;
	return memcpy(dlab_realloc(NULL, n), s, n);
}

/* Makes room for `more` items in a list. */
#define DLAB_ROOM(list, more) \
	do { \
		if ((list).n + (more) > (list).cap) { \
			(list).cap = ((list).n + (more)) * 2; \
			(list).at = dlab_realloc((list).at, (list).cap * sizeof *(list).at); \
		} \
	} while (0)

static void *dlab_alloc(struct dlab *d, size_t n)
{
	n = (n + 15) & ~(size_t)15;
	struct dlab_block *b = d->arena;
	if (!b || b->size - b->used < n) {
		size_t size = n > DLAB_READ_BYTES ? n : DLAB_READ_BYTES;
		b = dlab_realloc(NULL, sizeof *b + size);
		*b = (struct dlab_block){ d->arena, 0, size };
		d->arena = b;
	}
	b->used += n;
	return (char *)(b + 1) + b->used - n;
}

/* Forgets everything; keeps one block. */
static void dlab_arena_reset(struct dlab *d)
{
	while (d->arena && d->arena->next) {
		struct dlab_block *b = d->arena;
		d->arena = b->next;
		free(b);
	}
	if (d->arena)
		d->arena->used = 0;
}

/* --- reading JSON: a strict scanner that makes no tree ---
 *
 * Each dlab_scan_ takes the place where something must begin, and returns the place behind it, or NULL when it is
 * something else. No end is passed along: a line ends with a NUL, and a NUL fits nowhere in JSON. */

static const char *dlab_scan_value(const char *p, int depth);

static inline const char *dlab_space(const char *p)
{
	while (*p <= ' ' && (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n')) /* mostly the first test is enough */
		p++;
	return p;
}

static inline const char *dlab_scan_char(const char *p, char want)
{
	p = dlab_space(p);
	return *p == want ? p + 1 : NULL;
}

static int dlab_hex4(const char *p)
{
	int v = 0;
	for (int i = 0; i < 4; i++) {
		char h = p[i];
		int digit = h >= '0' && h <= '9' ? h - '0' : h >= 'a' && h <= 'f' ? h - 'a' + 10 :
			h >= 'A' && h <= 'F' ? h - 'A' + 10 : -1;
		if (digit < 0)
			return -1;
		v = v * 16 + digit;
	}
	return v;
}

/* The bytes of a character beyond ASCII that begins at p; 0 when that is not UTF-8 (RFC 3629). */
static size_t dlab_utf8_length(const unsigned char *p)
{
	size_t n = *p >= 0xf0 ? 4 : *p >= 0xe0 ? 3 : 2;
	if (*p < 0xc2 || *p > 0xf4)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	/* Too long a form, half of a surrogate pair, beyond U+10FFFF: seen in the second byte. */
	if ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f) || (*p == 0xf0 && p[1] < 0x90) || (*p == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

/* The bytes of the escape at p, a backslash, without the digits of a \u; 0 when it is none. */
static size_t dlab_escape_length(const char *p)
{
	if (p[1] == 'u')
		return dlab_hex4(p + 2) < 0 ? 0 : 2;
	return p[1] && strchr("\"\\/bfnrt", p[1]) ? 2 : 0;
}

/* Each ASCII character that stands for itself in a string, at its own place; NUL for all others. */
static const char dlab_plain[256] =
	"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0 !\0#$%&'()*+,-./0123456789:;<=>?"
	"@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\0]^_`abcdefghijklmnopqrstuvwxyz{|}~\x7f";

/* Behind the characters that stand for themselves. */
static inline const char *dlab_skip_plain(const char *p)
{
	while (dlab_plain[(unsigned char)*p])
		p++;
	return p;
}

/* The rest of a string, from the first character on that may not stand for itself. */
static const char *dlab_scan_string_on(const char *p)
{
	for (;; p = dlab_skip_plain(p)) {
		unsigned char c = (unsigned char)*p;
		if (c == '"')
			return p + 1;
		size_t n = c >= 0x80 ? dlab_utf8_length((const unsigned char *)p) : c == '\\' ? dlab_escape_length(p) : 0;
		if (n == 0)
			return NULL;
		p += n;
	}
}

/* Most strings are plain: those take no call. */
static inline const char *dlab_scan_string(const char *p)
{
	if (*p != '"')
		return NULL;
	p = dlab_skip_plain(p + 1);
	return *p == '"' ? p + 1 : dlab_scan_string_on(p);
}

static const char *dlab_scan_digits(const char *p)
{
	const char *from = p;
	while (*p >= '0' && *p <= '9')
		p++;
	return p > from ? p : NULL;
}

static const char *dlab_scan_number(const char *p)
{
	p += *p == '-';
	p = *p == '0' ? p + 1 : dlab_scan_digits(p);
	if (p && *p == '.')
		p = dlab_scan_digits(p + 1);
	if (p && (*p == 'e' || *p == 'E')) {
		p++;
		p = dlab_scan_digits(*p == '+' || *p == '-' ? p + 1 : p);
	}
	return p;
}

static const char *dlab_scan_word(const char *p, const char *word)
{
	size_t n = strlen(word);
	return strncmp(p, word, n) == 0 ? p + n : NULL;
}

/* Behind `"key" :`. */
static inline const char *dlab_scan_key(const char *p)
{
	p = dlab_scan_string(p);
	return p ? dlab_scan_char(p, ':') : NULL;
}

static const char *dlab_scan_items(const char *p, char close, int depth)
{
	const char *end = dlab_scan_char(p + 1, close);
	if (end)
		return end;
	do {
		p = dlab_space(p + 1); /* p: the opening bracket, or a comma */
		if (close == '}')
			p = dlab_scan_key(p);
		if (p)
			p = dlab_scan_value(dlab_space(p), depth);
		if (!p)
			return NULL;
		p = dlab_space(p);
	} while (*p == ',');
	return *p == close ? p + 1 : NULL;
}

static const char *dlab_scan_value(const char *p, int depth)
{
	if (depth == DLAB_DEPTH_MAX)
		return NULL;
	switch (*p) {
	case '{': return dlab_scan_items(p, '}', depth + 1);
	case '[': return dlab_scan_items(p, ']', depth + 1);
	case '"': return dlab_scan_string(p);
	case 't': return dlab_scan_word(p, "true");
	case 'f': return dlab_scan_word(p, "false");
	case 'n': return dlab_scan_word(p, "null");
	default: return dlab_scan_number(p);
	}
}

/* The value of a member, and most are strings. */
static inline const char *dlab_scan_member(const char *p)
{
	return *p == '"' ? dlab_scan_string(p) : dlab_scan_value(p, 0);
}

/* Moves to the next item of an object or array. `at` is where the last one ended; NULL: at the beginning. */
static inline bool dlab_walk(struct dlab_json whole, const char *at, struct dlab_json *key, struct dlab_json *value)
{
	const char *p = at ? dlab_scan_char(at, ',') : whole.s + 1;
	if (!p)
		return false;
	p = dlab_space(p);
	if (key) {
		const char *end = dlab_scan_string(p);
		if (!end)
			return false;
		*key = (struct dlab_json){ p, (size_t)(end - p) };
		p = dlab_scan_char(end, ':');
		if (!p)
			return false;
		p = dlab_space(p);
	}
	const char *end = dlab_scan_member(p);
	if (end)
		*value = (struct dlab_json){ p, (size_t)(end - p) };
	return end;
}

char dlab_kind(struct dlab_json j)
{
	if (j.n == 0)
		return 0;
	return *j.s == '-' || (*j.s >= '0' && *j.s <= '9') ? '0' : *j.s;
}

bool dlab_next(struct dlab_json array, struct dlab_json *item)
{
	return dlab_kind(array) == '[' && dlab_walk(array, item->s ? item->s + item->n : NULL, NULL, item);
}

bool dlab_next_member(struct dlab_json object, struct dlab_json *key, struct dlab_json *value)
{
	return dlab_kind(object) == '{' && dlab_walk(object, value->s ? value->s + value->n : NULL, key, value);
}

static char *dlab_utf8(char *to, uint32_t c)
{
	if (c < 0x80) {
		*to++ = (char)c;
	} else if (c < 0x800) {
		*to++ = (char)(0xc0 | c >> 6);
		*to++ = (char)(0x80 | (c & 0x3f));
	} else if (c < 0x10000) {
		*to++ = (char)(0xe0 | c >> 12);
		*to++ = (char)(0x80 | (c >> 6 & 0x3f));
		*to++ = (char)(0x80 | (c & 0x3f));
	} else {
		*to++ = (char)(0xf0 | c >> 18);
		*to++ = (char)(0x80 | (c >> 12 & 0x3f));
		*to++ = (char)(0x80 | (c >> 6 & 0x3f));
		*to++ = (char)(0x80 | (c & 0x3f));
	}
	return to;
}

/* Decodes \uXXXX, or a pair of them; half of a pair becomes U+FFFD. *p stands behind the u. */
static uint32_t dlab_unescape_u(const char **p)
{
	uint32_t c = (uint32_t)dlab_hex4(*p);
	*p += 4;
	if (c < 0xd800 || c > 0xdfff)
		return c;
	int low = (*p)[0] == '\\' && (*p)[1] == 'u' ? dlab_hex4(*p + 2) : -1;
	if (c > 0xdbff || low < 0xdc00 || low > 0xdfff)
		return 0xfffd;
	*p += 6;
	return 0x10000 + ((c - 0xd800) << 10) + ((uint32_t)low - 0xdc00);
}

const char *dlab_string(struct dlab *d, struct dlab_json j)
{
	if (dlab_kind(j) != '"')
		return NULL;
	char *text = dlab_alloc(d, j.n), *to = text; /* never longer than it is written */
	const char *end = j.s + j.n - 1;
	for (const char *p = j.s + 1; p < end;) {
		if (*p != '\\') {
			*to++ = *p++;
			continue;
		}
		char e = p[1];
		p += 2;
		if (e == 'u')
			to = dlab_utf8(to, dlab_unescape_u(&p));
		else
			*to++ = e == 'n' ? '\n' : e == 't' ? '\t' : e == 'r' ? '\r' : e == 'b' ? '\b' : e == 'f' ? '\f' : e;
	}
	*to = '\0';
	return text;
}

/* A key with escapes: rare, so it is decoded with an arena of its own. */
static bool dlab_key_decodes_to(struct dlab_json key, const char *want)
{
	if (!memchr(key.s, '\\', key.n))
		return false;
	struct dlab tmp = { 0 };
	bool same = strcmp(dlab_string(&tmp, key), want) == 0;
	free(tmp.arena);
	return same;
}

/* Most keys differ in their first letter. An escape is longer than what it stands for, so a key of the wanted length has none. */
static inline bool dlab_key_is(struct dlab_json key, const char *want, size_t n)
{
	if (n > 0 && key.s[1] != *want && key.s[1] != '\\')
		return false;
	return key.n == n + 2 ? memcmp(key.s + 1, want, n) == 0 : key.n > n + 2 && dlab_key_decodes_to(key, want);
}

struct dlab_json dlab_get(struct dlab_json object, const char *name)
{
	struct dlab_json key = { 0 }, value = { 0 }, found = { 0 };
	size_t n = strlen(name);
	while (dlab_next_member(object, &key, &value))
		if (dlab_key_is(key, name, n))
			found = value; /* when a key stands twice, the last one counts */
	return found;
}

int64_t dlab_int(struct dlab_json j, int64_t otherwise)
{
	bool minus = j.n > 0 && *j.s == '-';
	uint64_t v = 0, limit = (uint64_t)INT64_MAX + minus;
	if (dlab_kind(j) != '0')
		return otherwise;
	for (size_t i = minus; i < j.n; i++) {
		uint64_t digit = (uint64_t)(j.s[i] - '0');
		if (digit > 9 || (i > 17 && v > (limit - digit) / 10)) /* what is shorter always fits */
			return otherwise;
		v = v * 10 + digit;
	}
	return minus ? -1 - (int64_t)(v - 1) : (int64_t)v;
}

double dlab_double(struct dlab_json j, double otherwise)
{
	char text[64];
	if (dlab_kind(j) != '0' || j.n >= sizeof text)
		return otherwise;
	memcpy(text, j.s, j.n);
	text[j.n] = '\0';
	return strtod(text, NULL);
}

bool dlab_bool(struct dlab_json j)
{
	return dlab_kind(j) == 't';
}

/* --- building JSON --- */

static void dlab_grow(struct dlab_text *t, size_t more)
{
	char *old = t->s;
	t->cap = (t->n + more + 1) * 2;
	t->s = dlab_alloc(t->d, t->cap);
	memcpy(t->s, old, t->n);
}

/* Where n more bytes go; behind them there is room for the closing bracket. */
static inline char *dlab_more(struct dlab_text *t, size_t n)
{
	if (t->n + n + 1 > t->cap)
		dlab_grow(t, n);
	t->n += n;
	return t->s + t->n - n;
}

static inline void dlab_add(struct dlab_text *t, const char *s, size_t n)
{
	memcpy(dlab_more(t, n), s, n);
}

static void dlab_add_escaped(struct dlab_text *t, const char *s)
{
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;
		char escape[8];
		if (c >= 0x20 && c != '"' && c != '\\')
			dlab_add(t, s, 1);
		else
			dlab_add(t, escape, (size_t)snprintf(escape, sizeof escape, c < 0x20 ? "\\u%04x" : "\\%c", c));
	}
}

static void dlab_add_quoted(struct dlab_text *t, const char *s)
{
	size_t n = (size_t)(dlab_skip_plain(s) - s);
	if (s[n]) {
		*dlab_more(t, 1) = '"';
		dlab_add_escaped(t, s);
		*dlab_more(t, 1) = '"';
		return;
	}
	char *to = dlab_more(t, n + 2);
	to[0] = to[n + 1] = '"';
	memcpy(to + 1, s, n);
}

/* What stands before a value: a comma, and the key of a member. */
static void dlab_add_key(struct dlab_text *t, const char *key)
{
	if (t->n > 1)
		*dlab_more(t, 1) = ',';
	if (key) {
		dlab_add_quoted(t, key);
		*dlab_more(t, 1) = ':';
	}
}

static struct dlab_text *dlab_text_new(struct dlab *d, size_t cap)
{
	struct dlab_text *t = dlab_alloc(d, sizeof *t + cap);
	*t = (struct dlab_text){ d, (char *)(t + 1), 0, cap, 0 };
	return t;
}

static struct dlab_text *dlab_brackets(struct dlab *d, char open, char close)
{
	struct dlab_text *t = dlab_text_new(d, 256);
	t->close = close;
	*dlab_more(t, 1) = open;
	return t;
}

struct dlab_text *dlab_object(struct dlab *d)
{
	return dlab_brackets(d, '{', '}');
}

struct dlab_text *dlab_array(struct dlab *d)
{
	return dlab_brackets(d, '[', ']');
}

struct dlab_text *dlab_body(struct dlab *d, const char *type)
{
	struct dlab_text *t = dlab_object(d);
	dlab_put_string(t, "type", type);
	return t;
}

struct dlab_json dlab_as_json(struct dlab_text *t)
{
	t->s[t->n] = t->close; /* there is always room for it */
	return (struct dlab_json){ t->s, t->n + 1 };
}

void dlab_put(struct dlab_text *t, const char *key, struct dlab_json j)
{
	dlab_add_key(t, key);
	dlab_add(t, j.n ? j.s : "null", j.n ? j.n : 4);
}

void dlab_put_int(struct dlab_text *t, const char *key, int64_t v)
{
	char digits[24], *p = digits + sizeof digits;
	uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
	do
		*--p = (char)('0' + u % 10);
	while (u /= 10);
	if (v < 0)
		*--p = '-';
	dlab_put(t, key, (struct dlab_json){ p, (size_t)(digits + sizeof digits - p) });
}

void dlab_put_double(struct dlab_text *t, const char *key, double v)
{
	char text[40];
	int n = isfinite(v) ? snprintf(text, sizeof text, "%.17g", v) : 0; /* JSON has no infinity: null */
	dlab_put(t, key, (struct dlab_json){ text, (size_t)n });
}

void dlab_put_bool(struct dlab_text *t, const char *key, bool v)
{
	dlab_put(t, key, (struct dlab_json){ v ? "true" : "false", v ? 4 : 5 });
}

void dlab_put_string(struct dlab_text *t, const char *key, const char *s)
{
	if (!s) {
		dlab_put(t, key, (struct dlab_json){ 0 });
		return;
	}
	dlab_add_key(t, key);
	dlab_add_quoted(t, s);
}

/* --- messages --- */

static struct dlab_text *dlab_out(struct dlab *d)
{
	if (!d->out)
		d->out = dlab_text_new(d, 4096);
	return d->out;
}

void dlab_send(struct dlab *d, const char *dest, struct dlab_text *body)
{
	struct dlab_json text = dlab_as_json(body);
	struct dlab_text *out = dlab_out(d);
	dlab_add(out, "{\"src\":\"", 8);
	dlab_add(out, d->id, strlen(d->id));
	dlab_add(out, "\",\"dest\":", 9);
	dlab_add_quoted(out, dest);
	dlab_add(out, ",\"body\":", 8);
	dlab_add(out, text.s, text.n);
	dlab_add(out, "}\n", 2);
}

/* Sends with one more member, which the text does not keep. */
static void dlab_send_with(struct dlab *d, const char *dest, struct dlab_text *body, const char *key, int64_t value)
{
	size_t n = body->n;
	dlab_put_int(body, key, value);
	dlab_send(d, dest, body);
	body->n = n;
}

void dlab_reply(struct dlab *d, const struct dlab_msg *m, struct dlab_text *body)
{
	if (m->msg_id < 0)
		dlab_send(d, m->src, body);
	else
		dlab_send_with(d, m->src, body, "in_reply_to", m->msg_id);
}

void dlab_reply_error(struct dlab *d, const struct dlab_msg *m, int code, const char *text)
{
	struct dlab_text *body = dlab_body(d, "error");
	dlab_put_int(body, "code", code);
	dlab_put_string(body, "text", text);
	dlab_reply(d, m, body);
}

static void dlab_expire(struct dlab *, const struct dlab_msg *, void *);

/* One timer serves all open rpcs; it stands at the earliest time-out, or earlier. */
static void dlab_set_alarm(struct dlab *d, int64_t due)
{
	if (d->alarm < 0 || due < d->alarm) {
		d->alarm = due;
		dlab_timer(d, DLAB_RPC_TIMER, due - d->now, dlab_expire, NULL);
	}
}

void dlab_rpc(struct dlab *d, const char *dest, struct dlab_text *body, dlab_handler *on_answer, void *arg,
	int64_t timeout_ms)
{
	int64_t due = d->now + (timeout_ms < 1 ? 1 : timeout_ms);
	DLAB_ROOM(d->calls, 1);
	d->calls.at[d->calls.n++] = (struct dlab_call){ ++d->last_id, due, dlab_strdup(dest), on_answer, arg };
	dlab_send_with(d, dest, body, "msg_id", d->last_id);
	dlab_set_alarm(d, due);
}

/* Takes an open rpc off the list; the order of the others stays. The caller frees its dest. */
static struct dlab_call dlab_take_call(struct dlab *d, size_t i)
{
	struct dlab_call call = d->calls.at[i];
	d->calls.n--;
	memmove(d->calls.at + i, d->calls.at + i + 1, (d->calls.n - i) * sizeof call);
	return call;
}

/* The open rpc that ends first (the older of two); d->calls.n when there is none. */
static size_t dlab_first_call(const struct dlab *d)
{
	size_t first = 0;
	for (size_t i = 1; i < d->calls.n; i++)
		if (d->calls.at[i].due < d->calls.at[first].due)
			first = i;
	return first;
}

static void dlab_expire(struct dlab *d, const struct dlab_msg *m, void *arg)
{
	(void)m, (void)arg;
	d->alarm = -1;
	for (size_t i; (i = dlab_first_call(d)) < d->calls.n && d->calls.at[i].due <= d->now;) {
		struct dlab_call call = dlab_take_call(d, i);
		struct dlab_text *body = dlab_body(d, "error");
		dlab_put_int(body, "in_reply_to", call.id);
		dlab_put_int(body, "code", 0);
		dlab_put_string(body, "text", "timeout");
		struct dlab_msg late = { call.dest, d->id, "error", dlab_as_json(body), -1, call.id };
		call.handler(d, &late, call.arg);
		free(call.dest);
	}
	if (d->calls.n)
		dlab_set_alarm(d, d->calls.at[dlab_first_call(d)].due);
}

void dlab_on(struct dlab *d, const char *type, dlab_handler *handler, void *arg)
{
	DLAB_ROOM(d->on, 1);
	d->on.at[d->on.n++] = (struct dlab_on){ dlab_strdup(type), handler, arg };
}

static const struct dlab_on *dlab_find_on(const struct dlab *d, const char *type)
{
	for (size_t i = d->on.n; i-- > 0;)
		if (strcmp(d->on.at[i].type, type) == 0)
			return &d->on.at[i];
	return NULL;
}

/* --- time and chance --- */

static int64_t dlab_clock(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t dlab_now(const struct dlab *d)
{
	return d->now;
}

static struct dlab_timer *dlab_find_timer(struct dlab *d, const char *name)
{
	for (size_t i = 0; i < d->timers.n; i++)
		if (strcmp(d->timers.at[i].name, name) == 0)
			return &d->timers.at[i];
	return NULL;
}

static struct dlab_timer dlab_take_timer(struct dlab *d, struct dlab_timer *t)
{
	struct dlab_timer taken = *t;
	free(taken.name);
	*t = d->timers.at[--d->timers.n];
	return taken;
}

void dlab_timer(struct dlab *d, const char *name, int64_t after_ms, dlab_handler *handler, void *arg)
{
	struct dlab_timer *t = dlab_find_timer(d, name);
	if (!t) {
		DLAB_ROOM(d->timers, 1);
		t = &d->timers.at[d->timers.n++];
		t->name = dlab_strdup(name);
	}
	if (after_ms < 0)
		after_ms = 0;
	*t = (struct dlab_timer){ t->name, d->now + after_ms, ++d->armed, handler, arg };
	if (d->harness) {
		struct dlab_text *body = dlab_body(d, "timer");
		dlab_put_string(body, "name", name);
		dlab_put_int(body, "after_ms", after_ms);
		dlab_send(d, "dlab", body);
	}
}

void dlab_cancel_timer(struct dlab *d, const char *name)
{
	struct dlab_timer *t = dlab_find_timer(d, name);
	if (!t)
		return;
	dlab_take_timer(d, t);
	if (d->harness) {
		struct dlab_text *body = dlab_body(d, "timer");
		dlab_put_string(body, "name", name);
		dlab_put(body, "after_ms", (struct dlab_json){ 0 });
		dlab_send(d, "dlab", body);
	}
}

static void dlab_fire(struct dlab *d, const char *name)
{
	struct dlab_timer *t = name ? dlab_find_timer(d, name) : NULL;
	if (!t || t->due > d->now)
		return; /* it was stopped or set anew while this line was under way */
	struct dlab_timer ringing = dlab_take_timer(d, t);
	ringing.handler(d, NULL, ringing.arg);
}

static uint64_t dlab_chance(struct dlab *d)
{
	uint64_t z = (d->chance += UINT64_C(0x9E3779B97F4A7C15));
	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

uint64_t dlab_random(struct dlab *d, uint64_t n)
{
	return dlab_chance(d) % n;
}

double dlab_random_unit(struct dlab *d)
{
	return (double)dlab_random(d, UINT64_C(1) << 53) / 9007199254740992.0;
}

static uint64_t dlab_seed(struct dlab_json j)
{
	uint64_t v = 0;
	if (dlab_kind(j) == '0') {
		for (size_t i = *j.s == '-'; i < j.n; i++)
			v = v * 10 + (uint64_t)(j.s[i] - '0');
		return *j.s == '-' ? 0 - v : v;
	}
	int fd = open("/dev/urandom", O_RDONLY);
	if (fd < 0 || read(fd, &v, sizeof v) != (ssize_t)sizeof v)
		dlab_die("cannot read", "/dev/urandom");
	close(fd);
	return v;
}

/* --- what others see, what a crash leaves --- */

void dlab_state(struct dlab *d, struct dlab_text *report)
{
	if (d->harness)
		dlab_send(d, "dlab", report);
}

void dlab_apply(struct dlab *d, struct dlab_text *report)
{
	dlab_state(d, report); /* both are for the harness; the type in the body tells them apart */
}

void dlab_log(struct dlab *d, const char *fmt, ...)
{
	(void)d;
	va_list ap;
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

/* data_dir/name<suffix>, in the arena. */
static char *dlab_path(struct dlab *d, const char *name, const char *suffix)
{
	size_t n = strlen(d->data_dir) + strlen(name) + strlen(suffix) + 2;
	char *path = dlab_alloc(d, n);
	snprintf(path, n, "%s/%s%s", d->data_dir, name, suffix);
	return path;
}

static void dlab_sync(const struct dlab *d, int fd, const char *name)
{
	/* The simulator kills processes, never the machine: there the disk need not be forced. */
	if (!d->lockstep && fsync(fd) != 0)
		dlab_die("cannot sync", name);
}

static void dlab_write_all(int fd, const char *s, size_t n, const char *name)
{
	while (n > 0) {
		ssize_t wrote = write(fd, s, n);
		if (wrote < 0 && errno != EINTR)
			dlab_die("cannot write", name);
		if (wrote > 0) {
			s += wrote;
			n -= (size_t)wrote;
		}
	}
}

bool dlab_save(struct dlab *d, const char *name, struct dlab_json j)
{
	if (!d->data_dir)
		return false;
	const char *path = dlab_path(d, name, ""), *next = dlab_path(d, name, ".tmp");
	int fd = open(next, O_WRONLY | O_CREAT | O_TRUNC, 0666);
	if (fd < 0)
		dlab_die("cannot write", next);
	dlab_write_all(fd, j.n ? j.s : "null", j.n ? j.n : 4, next);
	dlab_sync(d, fd, next);
	if (close(fd) != 0 || rename(next, path) != 0)
		dlab_die("cannot write", path);
	int folder = open(d->data_dir, O_RDONLY);
	if (folder < 0)
		dlab_die("cannot open", d->data_dir);
	dlab_sync(d, folder, d->data_dir);
	close(folder);
	return true;
}

struct dlab_json dlab_load(struct dlab *d, const char *name)
{
	if (!d->data_dir)
		return (struct dlab_json){ 0 };
	const char *path = dlab_path(d, name, "");
	FILE *file = fopen(path, "r");
	if (!file && errno == ENOENT)
		return (struct dlab_json){ 0 };
	if (!file || fseek(file, 0, SEEK_END) != 0)
		dlab_die("cannot read", path);
	long size = ftell(file);
	if (size < 0)
		dlab_die("cannot read", path);
	char *text = dlab_alloc(d, (size_t)size + 1);
	rewind(file);
	text[fread(text, 1, (size_t)size, file)] = '\0';
	fclose(file);
	const char *from = dlab_space(text), *end = dlab_scan_value(from, 0);
	errno = EINVAL;
	if (!end)
		dlab_die("damaged file", path);
	return (struct dlab_json){ from, (size_t)(end - from) };
}

/* --- the loop --- */

struct dlab *dlab_new(void)
{
	struct dlab *d = dlab_realloc(NULL, sizeof *d);
	*d = (struct dlab){ .id = dlab_strdup(""), .alarm = -1, .start = dlab_clock() };
	return d;
}

const char *dlab_node_id(const struct dlab *d)
{
	return d->id;
}

size_t dlab_node_count(const struct dlab *d)
{
	return d->nodes.n;
}

const char *dlab_node(const struct dlab *d, size_t i)
{
	return d->nodes.at[i];
}

struct dlab_json dlab_config(const struct dlab *d)
{
	return d->config;
}

const char *dlab_data_dir(const struct dlab *d)
{
	return d->data_dir;
}

static char *dlab_keep(struct dlab *d, struct dlab_json string)
{
	const char *s = dlab_string(d, string);
	return s ? dlab_strdup(s) : NULL;
}

static bool dlab_is_init(const struct dlab_msg *m)
{
	return dlab_kind(dlab_get(m->body, "node_id")) == '"' && dlab_kind(dlab_get(m->body, "node_ids")) == '[';
}

static void dlab_init(struct dlab *d, const struct dlab_msg *m, bool timed)
{
	if (*d->id) {
		dlab_reply_error(d, m, 22, "this node has had its init");
		return;
	}
	free(d->id);
	d->id = dlab_keep(d, dlab_get(m->body, "node_id"));
	struct dlab_json ids = dlab_get(m->body, "node_ids"), id = { 0 };
	while (dlab_next(ids, &id)) {
		DLAB_ROOM(d->nodes, 1);
		char *name = dlab_keep(d, id);
		if (name)
			d->nodes.at[d->nodes.n++] = name;
	}
	struct dlab_json config = dlab_get(m->body, "config"), dlab = dlab_get(m->body, "dlab");
	if (config.n)
		d->config = (struct dlab_json){ memcpy(dlab_realloc(NULL, config.n), config.s, config.n), config.n };
	d->start = dlab_clock();
	d->harness = dlab_kind(dlab) == '{';
	d->lockstep = dlab_bool(dlab_get(dlab, "lockstep"));
	d->data_dir = dlab_keep(d, dlab_get(dlab, "data_dir"));
	if (!timed && !d->harness)
		d->now = 0;
	d->last_id = d->now * 1000; /* an earlier life may still get answers: do not use its ids again */
	d->chance = dlab_seed(dlab_get(dlab, "seed"));
	dlab_reply(d, m, dlab_body(d, "init_ok"));
	const struct dlab_on *on = dlab_find_on(d, "init");
	if (on)
		on->handler(d, m, on->arg);
}

static void dlab_request_or_answer(struct dlab *d, const struct dlab_msg *m, bool is_answer)
{
	for (size_t i = 0; m->in_reply_to >= 0 && i < d->calls.n; i++)
		if (d->calls.at[i].id == m->in_reply_to) {
			struct dlab_call call = dlab_take_call(d, i);
			free(call.dest);
			call.handler(d, m, call.arg);
			return;
		}
	const struct dlab_on *on = dlab_find_on(d, m->type);
	if (on) {
		on->handler(d, m, on->arg);
	} else if (!is_answer && m->msg_id >= 0) {
		struct dlab_text *text = dlab_array(d); /* for its quoting alone */
		dlab_add(text, "this node has no handler for the type ", 38);
		dlab_add_quoted(text, m->type);
		dlab_add(text, "", 1);
		dlab_reply_error(d, m, 10, text->s + 1);
	}
}

/* What the SDK reads of a line. */
struct dlab_line {
	struct dlab_json src, dest, at_ms, body, type, msg_id, in_reply_to, name;
};

/* One member of the line (body: of the body) whose value stands at *c. */
struct dlab_member {
	const char *key;
	size_t n, offset; /* the key's length; where the line keeps it */
};

#define DLAB_MEMBER(name) { #name, sizeof #name - 1, offsetof(struct dlab_line, name) }
static const struct dlab_member dlab_of_line[] = { DLAB_MEMBER(src), DLAB_MEMBER(dest), DLAB_MEMBER(at_ms),
	DLAB_MEMBER(body), { 0 } };
static const struct dlab_member dlab_of_body[] = { DLAB_MEMBER(type), DLAB_MEMBER(msg_id), DLAB_MEMBER(in_reply_to),
	DLAB_MEMBER(name), { 0 } };

/* Where the line keeps the member with this key; NULL for all others. */
static struct dlab_json *dlab_find_member(const struct dlab_member *table, struct dlab_json key, struct dlab_line *line)
{
	const struct dlab_member *m = table;
	while (m->key && !dlab_key_is(key, m->key, m->n))
		m++;
	return m->key ? (struct dlab_json *)(void *)((char *)line + m->offset) : NULL;
}

/* Scans an object once and notes where the members of the table stand; the body's are noted on the way. */
static const char *dlab_scan_members(const char *p, const struct dlab_member *table, struct dlab_line *line)
{
	const char *end = *p == '{' ? dlab_scan_char(p + 1, '}') : NULL;
	if (*p != '{' || end)
		return end;
	do {
		struct dlab_json key = { dlab_space(p + 1), 0 }; /* p: the brace, or a comma */
		end = dlab_scan_string(key.s);
		p = end ? dlab_scan_char(end, ':') : NULL;
		if (!p)
			return NULL;
		key.n = (size_t)(end - key.s);
		struct dlab_json *found = dlab_find_member(table, key, line);
		p = dlab_space(p);
		bool is_body = found == &line->body && *p == '{';
		end = is_body ? dlab_scan_members(p, dlab_of_body, line) : dlab_scan_member(p);
		if (!end)
			return NULL;
		if (found)
			*found = (struct dlab_json){ p, (size_t)(end - p) };
		p = dlab_space(end);
	} while (*p == ',');
	return *p == '}' ? p + 1 : NULL;
}

static bool dlab_dispatch(struct dlab *d, const char *s, size_t n)
{
	struct dlab_line line = { 0 };
	const char *end = dlab_scan_members(dlab_space(s), dlab_of_line, &line);
	if (!end || dlab_space(end) != s + n)
		return false;
	const char *src = dlab_string(d, line.src), *dest = dlab_string(d, line.dest), *type = dlab_string(d, line.type);
	struct dlab_msg m = { src, dest ? dest : "", type ? type : "", line.body, dlab_int(line.msg_id, -1),
		dlab_int(line.in_reply_to, -1) };
	bool init = strcmp(m.type, "init") == 0;
	if (!src || dlab_kind(line.body) != '{' || (init && !dlab_is_init(&m)))
		return false;
	int64_t at_ms = dlab_int(line.at_ms, -1);
	if (at_ms >= 0)
		d->now = at_ms;
	else if (!d->harness)
		d->now = dlab_clock() - d->start;
	if (init)
		dlab_init(d, &m, at_ms >= 0);
	else if (strcmp(src, "dlab") != 0)
		dlab_request_or_answer(d, &m, line.in_reply_to.n > 0 && dlab_kind(line.in_reply_to) != 'n');
	else if (strcmp(m.type, "timer") == 0)
		dlab_fire(d, dlab_string(d, line.name));
	return true;
}

static void dlab_flush(struct dlab *d)
{
	if (d->lockstep)
		dlab_add(dlab_out(d), DLAB_DONE, sizeof DLAB_DONE - 1);
	if (d->out)
		dlab_write_all(1, d->out->s, d->out->n, "stdout");
	d->out = NULL;
	dlab_arena_reset(d);
}

static void dlab_handle(struct dlab *d, const char *s, size_t n)
{
	if (!dlab_dispatch(d, s, n) && n > strspn(s, " \t\r"))
		dlab_log(d, "dlab: skipped a line that is not a message: %.*s", n > 200 ? 200 : (int)n, s);
	dlab_flush(d);
}

/* Handles the whole lines of the input buffer, and what is left of it at the end of the file. */
static void dlab_handle_input(struct dlab *d, size_t fresh, bool eof)
{
	size_t at = 0;
	for (size_t look = d->in.n - fresh; look < d->in.n;) { /* what is older holds no newline */
		char *end = memchr(d->in.at + look, '\n', d->in.n - look);
		if (!end)
			break;
		*end = '\0';
		dlab_handle(d, d->in.at + at, (size_t)(end - d->in.at) - at);
		look = at = (size_t)(end - d->in.at) + 1;
	}
	if (at > 0)
		memmove(d->in.at, d->in.at + at, d->in.n - at);
	d->in.n -= at;
	if (eof && d->in.n > 0) {
		d->in.at[d->in.n] = '\0';
		dlab_handle(d, d->in.at, d->in.n);
	}
}

/* Without dlab (a Maelstrom harness) the timers are ours, on the wall clock. Runs the first one that is due;
 * true when there is none and the input can be read. */
static bool dlab_wait_for_input(struct dlab *d)
{
	const struct dlab_timer *first = NULL;
	for (size_t i = 0; i < d->timers.n; i++) {
		const struct dlab_timer *t = &d->timers.at[i];
		if (!first || t->due < first->due || (t->due == first->due && t->order < first->order))
			first = t;
	}
	if (!first)
		return true;
	d->now = dlab_clock() - d->start;
	if (first->due <= d->now) {
		dlab_fire(d, first->name);
		dlab_flush(d);
		return false;
	}
	int64_t wait = first->due - d->now;
	struct pollfd in = { .fd = 0, .events = POLLIN };
	return poll(&in, 1, wait > 60000 ? 60000 : (int)wait) > 0;
}

static void dlab_free(struct dlab *d)
{
	for (size_t i = 0; i < d->nodes.n; i++)
		free(d->nodes.at[i]);
	for (size_t i = 0; i < d->on.n; i++)
		free(d->on.at[i].type);
	for (size_t i = 0; i < d->timers.n; i++)
		free(d->timers.at[i].name);
	for (size_t i = 0; i < d->calls.n; i++)
		free(d->calls.at[i].dest);
	void *all[] = { d->id, d->data_dir, (void *)(uintptr_t)d->config.s, d->nodes.at, d->on.at, d->timers.at, d->calls.at,
		d->in.at };
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		free(all[i]);
	dlab_arena_reset(d);
	free(d->arena);
	free(d);
}

int dlab_run(struct dlab *d)
{
	ssize_t got = 1;
	while (got != 0) {
		if (!d->harness && !dlab_wait_for_input(d))
			continue;
		DLAB_ROOM(d->in, (size_t)DLAB_READ_BYTES + 1);
		got = read(0, d->in.at + d->in.n, DLAB_READ_BYTES);
		if (got < 0 && errno != EINTR)
			dlab_die("cannot read", "stdin");
		if (got < 0)
			continue;
		d->in.n += (size_t)got;
		dlab_handle_input(d, (size_t)got, got == 0);
	}
	dlab_free(d);
	return 0;
}

#endif
