/* measure.c - figures of a run: messages, bytes, quantiles. */
#include <stdlib.h>

#include "lab.h"

struct traffic measure_traffic(const struct play *p, int64_t from_ns, int64_t to_ns)
{
	struct traffic sum = { 0 };
	const struct trace *t = play_trace(p);
	for (uint64_t s = 1; s <= trace_count(t); s++) {
		const struct event *e = trace_at(t, s);
		if (e->t_ns < from_ns || e->t_ns >= to_ns)
			continue;
		bool client = lane_is_client(play_lanes(p), e->src) || lane_is_client(play_lanes(p), e->dst);
		if (e->kind == EVENT_SEND && !client) {
			sum.server_messages++;
			sum.server_bytes += e->text.n;
		} else if (e->kind == EVENT_CALL || e->kind == EVENT_REPLY) {
			sum.client_messages++;
		}
	}
	return sum;
}

static int ascending(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return x < y ? -1 : x > y;
}

int64_t measure_quantile(int64_t *numbers, size_t n, double q)
{
	if (n == 0)
		return 0;
	qsort(numbers, n, sizeof *numbers, ascending);
	size_t i = (size_t)(q * (double)n);
	return numbers[i < n ? i : n - 1];
}
