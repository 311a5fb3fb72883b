#include "ddmin.h"

#include <stdlib.h>

/* Item i belongs to chunk i * parts / n: chunks differ by one item at most. */
static size_t chunk_start(size_t n, size_t parts, size_t chunk)
{
	return (chunk * n + parts - 1) / parts;
}

static struct candidate without(const uint32_t *items, size_t n, size_t from, size_t to)
{
	struct candidate c = { xmalloc((n - (to - from)) * sizeof *items + 1), n - (to - from) };
	memcpy(c.items, items, from * sizeof *items);
	memcpy(c.items + from, items + to, (n - to) * sizeof *items);
	return c;
}

/* With two chunks the complement of one is the other: both halves are tried. */
static int64_t try_round(const uint32_t *items, size_t n, size_t parts, ddmin_try try, void *ctx, struct candidate *found)
{
	struct candidate *all = xcalloc(parts, sizeof *all);
	for (size_t i = 0; i < parts; i++)
		all[i] = without(items, n, chunk_start(n, parts, i), chunk_start(n, parts, i + 1));
	int64_t hit = try(ctx, all, parts);
	if (hit >= 0 && (size_t)hit < parts) {
		*found = all[hit];
		all[hit].items = NULL;
	}
	for (size_t i = 0; i < parts; i++)
		free(all[i].items);
	free(all);
	return hit;
}

int ddmin(uint32_t *items, size_t *n, ddmin_try try, void *ctx)
{
	size_t parts = 1; /* first without any of them */
	while (*n > 0) {
		struct candidate found;
		int64_t hit = try_round(items, *n, parts, try, ctx, &found);
		if (hit < 0)
			return -1;
		if ((size_t)hit < parts) {
			memcpy(items, found.items, found.n * sizeof *items);
			*n = found.n;
			free(found.items);
			parts = parts > 2 ? parts - 1 : 2;
		} else if (parts == *n) {
			return 0;
		} else {
			parts *= 2;
		}
		if (parts > *n)
			parts = *n;
	}
	return 0;
}
