#include "arena.h"

#include <stdio.h>
#include <stdlib.h>

enum { BLOCK_FIRST = 64 * 1024, BLOCK_LIMIT = 4 * 1024 * 1024 };

struct arena_block {
	struct arena_block *next;
	char data[];
};

void arena_init(struct arena *a)
{
	*a = (struct arena){ 0 };
}

void arena_done(struct arena *a)
{
	while (a->head) {
		struct arena_block *next = a->head->next;
		free(a->head);
		a->head = next;
	}
	arena_init(a);
}

/* Blocks double up to a limit, so that a short run costs little and a long one few calls. */
static void *arena_grow(struct arena *a, size_t n)
{
	size_t size = a->total ? a->total : BLOCK_FIRST;
	if (size > BLOCK_LIMIT)
		size = BLOCK_LIMIT;
	if (size < n)
		size = n;
	struct arena_block *b = xmalloc(sizeof *b + size);
	b->next = a->head;
	a->head = b;
	a->total += size;
	a->at = b->data + n;
	a->end = b->data + size;
	return b->data;
}

void *arena_alloc(struct arena *a, size_t n)
{
	n = n ? (n + 7) & ~(size_t)7 : 8;
	if ((size_t)(a->end - a->at) < n)
		return arena_grow(a, n);
	void *p = a->at;
	a->at += n;
	return p;
}

void *arena_zero(struct arena *a, size_t n)
{
	return memset(arena_alloc(a, n), 0, n);
}

struct slice arena_copy(struct arena *a, struct slice s)
{
	char *p = arena_alloc(a, s.n + 1);
	if (s.n)
		memcpy(p, s.s, s.n);
	p[s.n] = '\0';
	return (struct slice){ p, s.n };
}

char *arena_vprintf(struct arena *a, const char *fmt, va_list ap)
{
	va_list again;
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, ap);
	assert(n >= 0);
	char *s = arena_alloc(a, (size_t)n + 1);
	vsnprintf(s, (size_t)n + 1, fmt, again);
	va_end(again);
	return s;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	char *s = arena_vprintf(a, fmt, ap);
	va_end(ap);
	return s;
}
