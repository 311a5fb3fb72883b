#include "docker_said.h"

#include <stdlib.h>

enum { FIRST_CAP = 256 };

static bool earlier(const struct said *a, const struct said *b)
{
	return a->t_ns != b->t_ns ? a->t_ns < b->t_ns : a->order < b->order;
}

static void swap(struct said *a, struct said *b)
{
	struct said t = *a;
	*a = *b;
	*b = t;
}

void said_put(struct said_heap *h, struct said s)
{
	if (h->n == h->cap) {
		h->cap = h->cap ? 2 * h->cap : FIRST_CAP;
		h->said = xrealloc(h->said, h->cap * sizeof *h->said);
	}
	size_t i = h->n++;
	h->said[i] = s;
	for (; i > 0 && earlier(&h->said[i], &h->said[(i - 1) / 2]); i = (i - 1) / 2)
		swap(&h->said[i], &h->said[(i - 1) / 2]);
}

void said_add(struct said_heap *h, int64_t t_ns, int node, struct slice line)
{
	struct said s = { .t_ns = t_ns, .order = h->order++, .node = node, .line = xmalloc(line.n + 1), .n = line.n };
	memcpy(s.line, line.s, line.n);
	said_put(h, s);
}

int64_t said_due(const struct said_heap *h)
{
	return h->n ? h->said[0].t_ns : INT64_MAX;
}

struct said said_take(struct said_heap *h)
{
	assert(h->n > 0);
	struct said top = h->said[0];
	h->said[0] = h->said[--h->n];
	for (size_t i = 0;;) {
		size_t least = i;
		for (size_t k = 2 * i + 1; k < 2 * i + 3 && k < h->n; k++)
			if (earlier(&h->said[k], &h->said[least]))
				least = k;
		if (least == i)
			return top;
		swap(&h->said[i], &h->said[least]);
		i = least;
	}
}

void said_done(struct said_heap *h)
{
	for (size_t i = 0; i < h->n; i++)
		free(h->said[i].line);
	free(h->said);
	*h = (struct said_heap){ 0 };
}
