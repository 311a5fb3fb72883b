/* base.h - what every file uses: slices, errors, chance, growing text, time.
 *
 * A slice borrows bytes; it is never NUL-terminated and never owns.
 * A `struct err *` is the last parameter of what can fail because of the world (a full disk, no such
 * program). Such a function returns 0 or a negative number and leaves one sentence in the err.
 * Out of memory dies (xmalloc). Chance comes only from a struct rng, so that a seed repeats a run. */
#ifndef DLAB_BASE_H
#define DLAB_BASE_H

#include <assert.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define NS_PER_US INT64_C(1000)
#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S INT64_C(1000000000)

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))

/* --- slices --- */
struct slice {
	const char *s; /* borrowed */
	size_t n;      /* bytes */
};

#define SLICE(literal) ((struct slice){ (literal), sizeof(literal) - 1 })
#define SLICE_NONE ((struct slice){ NULL, 0 })
/* For printf: "%.*s", SLICE_ARG(x) */
#define SLICE_ARG(x) (int)(x).n, (x).s

static inline struct slice slice_of(const char *cstr)
{
	return (struct slice){ cstr, cstr ? strlen(cstr) : 0 };
}

static inline bool slice_eq(struct slice a, struct slice b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.s, b.s, a.n) == 0);
}

static inline bool slice_is(struct slice a, const char *cstr)
{
	return slice_eq(a, slice_of(cstr));
}

/* Reads a whole slice as a decimal int64. Returns false when it is anything else. */
bool slice_int(struct slice, int64_t *out);
/* True when all of it is UTF-8 (RFC 3629). */
bool slice_utf8(struct slice);

/* --- errors of the world --- */
struct err {
	char text[1024]; /* one sentence, NUL-terminated; empty when nothing failed */
};

/* Sets the text; returns -1, so that a caller can write `return err_set(...)`. */
int err_set(struct err *, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Like err_set, and adds ": " and the text of errno. */
int err_errno(struct err *, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Puts "prefix: " before the text that is there; returns -1. */
int err_wrap(struct err *, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* --- chance: xoshiro256** (Blackman and Vigna, 2018), seeded by splitmix64 --- */
struct rng {
	uint64_t s[4];
};

void rng_seed(struct rng *, uint64_t seed);
/* A seed made of a seed and a purpose: streams that do not disturb one another. */
uint64_t rng_derive(uint64_t seed, uint64_t purpose);
uint64_t rng_next(struct rng *);
/* 0 <= result < n, without bias; n > 0. */
uint64_t rng_below(struct rng *, uint64_t n);
/* lo <= result <= hi. */
int64_t rng_between(struct rng *, int64_t lo, int64_t hi);
/* 0 <= result < 1. */
double rng_unit(struct rng *);
/* True with probability p_million / 1,000,000. */
bool rng_chance(struct rng *, uint32_t p_million);

/* --- memory that dies when there is none --- */
void *xmalloc(size_t n);
void *xcalloc(size_t count, size_t size);
void *xrealloc(void *, size_t n);
char *xstrdup(const char *);
char *xasprintf(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* --- growing text --- */
struct buf {
	char *s;    /* owned; NUL-terminated when n > 0 or after buf_cstr */
	size_t n;   /* bytes used, without the NUL */
	size_t cap; /* bytes there are */
};

#define BUF_EMPTY ((struct buf){ NULL, 0, 0 })

void buf_room(struct buf *, size_t more);
void buf_add(struct buf *, const void *, size_t n);
void buf_str(struct buf *, const char *);
void buf_slice(struct buf *, struct slice);
void buf_char(struct buf *, char);
void buf_int(struct buf *, int64_t);
void buf_printf(struct buf *, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_vprintf(struct buf *, const char *fmt, va_list) PRINTF_LIKE(2, 0);
/* Adds s as a JSON string with its quotes; bytes that are not UTF-8 become U+FFFD. */
void buf_json_string(struct buf *, struct slice s);
const char *buf_cstr(struct buf *);
void buf_done(struct buf *);
static inline struct slice buf_as_slice(const struct buf *b)
{
	return (struct slice){ b->s, b->n };
}

/* --- time of the machine, ns; the monotonic clock --- */
int64_t clock_ns(void);
/* Which start of this machine that clock counts from; empty when it is not known. */
enum { BOOT_ID_MAX = 64 };
void boot_id(char out[BOOT_ID_MAX]);

/* --- a hash of bytes for tables and for the trace's fingerprint; not against attackers --- */
uint64_t hash_bytes(uint64_t seed, const void *, size_t n);

#endif
