#include "explain.h"

#include <stdio.h>
#include <stdlib.h>

#include "text.h"

enum { BODY_SHOWN = 100, CANDIDATES = 64 };

static void explain_message(struct buf *b, const struct trace *t, const struct event *e)
{
	const struct lanes *l = trace_lanes(t);
	buf_printf(b, "%s -> %s  ", lane_name(l, e->src), lane_name(l, e->dst));
	text_add(b, trace_body(t, e), BODY_SHOWN, false);
	if (e->kind == EVENT_SEND)
		buf_str(b, "  sent");
	else if (e->kind == EVENT_RECV)
		buf_str(b, e->why ? "  arrived again" : "  arrived");
	else if (e->kind == EVENT_DROP)
		buf_printf(b, e->why == DROP_LOSS ? "  %s" : "  lost: %s", drop_text(e->why));
}

void explain_event(struct buf *b, const struct trace *t, const struct event *e)
{
	buf_printf(b, "%9.3f s  ", (double)e->t_ns / (double)NS_PER_S);
	if (e->msg) {
		explain_message(b, t, e);
		return;
	}
	if (e->src >= 0)
		buf_printf(b, "%s ", lane_name(trace_lanes(t), e->src));
	if (e->kind == EVENT_BAD)
		buf_printf(b, "%s: ", bad_text(e->why));
	else if (e->kind != EVENT_NOTE && e->kind != EVENT_EXIT && e->kind != EVENT_START && e->kind != EVENT_LINT)
		buf_printf(b, "%s ", event_kind_name(e->kind));
	text_add(b, e->text, BODY_SHOWN, false);
	if (e->kind == EVENT_ARM && e->arg >= 0)
		buf_printf(b, " in %lld ms", (long long)e->arg);
	else if (e->kind == EVENT_ARM)
		buf_str(b, " stopped");
}

static bool add_seq(uint64_t *seqs, size_t *n, size_t max, uint64_t seq)
{
	for (size_t i = 0; i < *n; i++)
		if (seqs[i] == seq)
			return false;
	if (seq == 0 || *n == max)
		return false;
	seqs[(*n)++] = seq;
	return true;
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

/* Breadth first along the causes, nearest first, until there are enough. */
void explain_events(struct buf *b, const struct trace *t, const uint64_t *evidence, size_t n, size_t max)
{
	uint64_t seqs[CANDIDATES];
	size_t found = 0;
	if (max > CANDIDATES)
		max = CANDIDATES;
	for (size_t i = 0; i < n; i++)
		if (evidence[i] <= trace_count(t))
			add_seq(seqs, &found, max, evidence[i]);
	for (size_t i = 0; i < found && found < max; i++)
		add_seq(seqs, &found, max, trace_at(t, seqs[i])->cause);
	qsort(seqs, found, sizeof *seqs, by_number);
	for (size_t i = 0; i < found; i++) {
		explain_event(b, t, trace_at(t, seqs[i]));
		buf_char(b, '\n');
	}
}

/* --- notices --- */

struct notice {
	const struct event *first;
	unsigned times;
};

static bool same_notice(const struct event *a, const struct event *b)
{
	if (a->kind != b->kind || a->why != b->why)
		return false;
	return a->kind == EVENT_BAD || slice_eq(a->text, b->text);
}

static void count_notice(struct notice *all, int *n, int max, const struct event *e)
{
	for (int i = 0; i < *n; i++)
		if (same_notice(all[i].first, e)) {
			all[i].times++;
			return;
		}
	if (*n < max)
		all[(*n)++] = (struct notice){ e, 1 };
}

static char *notice_text(const struct trace *t, const struct notice *n)
{
	const struct event *e = n->first;
	struct buf b = BUF_EMPTY;
	if (e->src >= 0)
		buf_printf(&b, "%s ", lane_name(trace_lanes(t), e->src));
	if (e->kind == EVENT_BAD) {
		buf_printf(&b, "%s: ", bad_text(e->why));
		text_add(&b, e->text, BODY_SHOWN, false);
	} else {
		text_add(&b, e->text, 2 * BODY_SHOWN, false);
	}
	if (n->times > 1)
		buf_printf(&b, " (%u times)", n->times);
	buf_printf(&b, ", first at %.3f s", (double)e->t_ns / (double)NS_PER_S);
	return b.s;
}

int explain_notices(const struct trace *t, char **out, int max)
{
	struct notice all[16];
	int n = 0;
	for (uint64_t s = 1; s <= trace_count(t); s++) {
		const struct event *e = trace_at(t, s);
		if (e->kind == EVENT_BAD || e->kind == EVENT_LINT)
			count_notice(all, &n, max < 16 ? max : 16, e);
	}
	for (int i = 0; i < n; i++)
		out[i] = notice_text(t, &all[i]);
	return n;
}
