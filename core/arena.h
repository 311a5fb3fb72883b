/* arena.h - memory that is freed all at once. One arena per run; pointers into it live as long as it does.
 * Not for several threads that allocate; reading what was published to another thread is fine. */
#ifndef DLAB_ARENA_H
#define DLAB_ARENA_H

#include "base.h"

struct arena_block;
struct arena {
	struct arena_block *head; /* owned; newest first */
	char *at, *end;           /* free part of the newest block */
	size_t total;             /* bytes asked of malloc */
};

void arena_init(struct arena *);
void arena_done(struct arena *);
/* Aligned to 8; not cleared. */
void *arena_alloc(struct arena *, size_t n);
void *arena_zero(struct arena *, size_t n);
/* Copies; the result is followed by a NUL that its n does not count. */
struct slice arena_copy(struct arena *, struct slice);
char *arena_printf(struct arena *, const char *fmt, ...) PRINTF_LIKE(2, 3);
char *arena_vprintf(struct arena *, const char *fmt, va_list) PRINTF_LIKE(2, 0);

#endif
