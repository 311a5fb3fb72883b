#include "arena.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

/* A page that is touched for the first time costs more than all else that is done for an event: up to 17 us on a virtual
 * machine, where the host takes the fault too. So a run that has grown asks for large pages, one for 512 small ones. */
enum {
	BLOCK_FIRST = 64 * 1024,
	BLOCK_LARGE = 4 * 1024 * 1024,
	LARGE_FROM = 512 * 1024,       /* bytes that an arena has when it goes over to large blocks */
	LARGE_PAGE = 2 * 1024 * 1024,
};

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

static struct arena_block *block_large(size_t size)
{
	struct arena_block *b = aligned_alloc(LARGE_PAGE, size);
	if (!b)
		return xmalloc(size); /* which says so and dies */
#ifdef MADV_HUGEPAGE
	madvise(b, size, MADV_HUGEPAGE); /* a wish: without large pages it is the same memory */
#endif
	return b;
}

/* Blocks double at first, so that a short run costs little. */
static void *arena_grow(struct arena *a, size_t n)
{
	size_t least = sizeof(struct arena_block) + n;
	size_t size = a->total >= LARGE_FROM ? BLOCK_LARGE : a->total ? a->total : BLOCK_FIRST;
	if (size < least)
		size = least;
	if (size >= LARGE_PAGE)
		size = (size + LARGE_PAGE - 1) / LARGE_PAGE * LARGE_PAGE;
	struct arena_block *b = size >= LARGE_PAGE ? block_large(size) : xmalloc(size);
	b->next = a->head;
	a->head = b;
	a->total += size;
	a->at = b->data + n;
	a->end = (char *)b + size;
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
