#include "docker_wires.h"

#include <stdlib.h>

enum { FIRST_CAP = 256 };

static void push(struct wires *s, struct wire w)
{
	if (s->n == s->cap) {
		s->cap = s->cap ? 2 * s->cap : FIRST_CAP;
		s->wire = xrealloc(s->wire, s->cap * sizeof *s->wire);
	}
	s->wire[s->n++] = w;
}

void wires_add(struct wires *s, uint64_t k, struct wire w)
{
	while (s->n + 1 < k)
		push(s, (struct wire){ .settled = true });
	w.settled = w.msg == 0;
	push(s, w);
}

struct wire *wires_find(struct wires *s, int64_t k)
{
	return k >= 1 && (uint64_t)k <= s->n ? &s->wire[k - 1] : NULL;
}

const struct wire *wires_overdue(struct wires *s, int64_t now_ns)
{
	while (s->open < s->n && s->wire[s->open].settled)
		s->open++;
	for (size_t i = s->open; i < s->n; i++) {
		struct wire *w = &s->wire[i];
		if (w->settled || w->give_up_ns > now_ns)
			continue;
		w->settled = true;
		return w;
	}
	return NULL;
}

void wires_done(struct wires *s)
{
	free(s->wire);
	*s = (struct wires){ 0 };
}
