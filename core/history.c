#include "history.h"

#include <stdlib.h>

enum { CHUNK = 256 };

/* The chunks are the arena's and never move; only the table of them grows. */
struct history {
	struct arena *arena; /* borrowed until history_free */
	struct op **chunk;   /* the table is owned, the chunks are the arena's */
	size_t chunks;       /* places in the table */
	size_t count;
};

struct history *history_new(struct arena *a)
{
	struct history *h = xmalloc(sizeof *h);
	*h = (struct history){ .arena = a };
	return h;
}

void history_free(struct history *h)
{
	if (!h)
		return;
	free(h->chunk);
	free(h);
}

struct op *history_add(struct history *h)
{
	size_t c = h->count / CHUNK;
	if (h->count % CHUNK == 0) {
		if (c == h->chunks) {
			h->chunks = h->chunks ? h->chunks * 2 : 8;
			h->chunk = xrealloc(h->chunk, h->chunks * sizeof *h->chunk);
		}
		h->chunk[c] = arena_alloc(h->arena, CHUNK * sizeof(struct op));
	}
	struct op *op = &h->chunk[c][h->count++ % CHUNK];
	*op = (struct op){ .status = OP_PENDING, .code = -1, .return_ns = INT64_MAX };
	return op;
}

size_t history_count(const struct history *h)
{
	return h->count;
}

struct op *history_at(const struct history *h, size_t i)
{
	assert(i < h->count);
	return &h->chunk[i / CHUNK][i % CHUNK];
}

const char *op_status_name(int status)
{
	static const char *const names[] = {
		[OP_PENDING] = "pending", [OP_OK] = "ok",           [OP_FAILED] = "failed",
		[OP_MAYBE] = "maybe",     [OP_SKIPPED] = "skipped",
	};
	return status >= 0 && status < (int)ARRAY_LEN(names) ? names[status] : "?";
}
