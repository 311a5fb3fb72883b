/* check_set.c - the checker of a growing set: what was lost, shown twice, invented, taken back, and how long it took.
 *
 * Reads are looked at in the order of their returns. For each value and node it remembers the last read (by its call)
 * that showed the value, the last that lacked it, and the first (by its return) that showed it. A read counts for a
 * value when it returned after the value's add was called. */
#include "check.h"

#include <stdlib.h>

/* What the reads of one node said about one value. */
struct sight {
	uint64_t present, absent; /* calls of the last reads; 0: none */
	uint64_t shown;           /* return of the first read that showed it; 0: none */
	size_t shown_read;
};

struct work {
	const struct set_add *adds;
	const struct set_read *reads;
	size_t adds_n, reads_n;
	size_t *by_value;   /* indices of adds, ordered by value */
	struct sight *sights; /* [node * adds_n + add] */
	lane_set read_nodes;
	struct set_report *report;
};

static int by_value(const void *a, const void *b, void *adds)
{
	int64_t x = ((const struct set_add *)adds)[*(const size_t *)a].value;
	int64_t y = ((const struct set_add *)adds)[*(const size_t *)b].value;
	return x < y ? -1 : x > y;
}

static int by_return(const void *a, const void *b, void *reads)
{
	uint64_t x = ((const struct set_read *)reads)[*(const size_t *)a].ret;
	uint64_t y = ((const struct set_read *)reads)[*(const size_t *)b].ret;
	return x < y ? -1 : x > y;
}

static int ascending(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return x < y ? -1 : x > y;
}

static size_t *ordered(struct arena *a, size_t n, int (*order)(const void *, const void *, void *), const void *of)
{
	size_t *index = arena_alloc(a, (n + 1) * sizeof *index);
	for (size_t i = 0; i < n; i++)
		index[i] = i;
	qsort_r(index, n, sizeof *index, order, (void *)(uintptr_t)of);
	return index;
}

static void note_oddity(size_t *count, struct set_oddity *first, struct set_oddity this)
{
	if ((*count)++ == 0)
		*first = this;
}

static void value_shown(struct work *w, size_t read, size_t add)
{
	const struct set_read *r = &w->reads[read];
	struct set_value *v = &w->report->values[add];
	struct sight *s = &w->sights[(size_t)r->node * w->adds_n + add];
	if (r->call > s->present)
		s->present = r->call;
	if (!s->shown) {
		s->shown = r->ret;
		s->shown_read = read;
	}
	if (!v->known || r->ret < v->known) {
		v->known = r->ret;
		v->known_ns = r->ret_ns;
	}
}

static void value_lacking(struct work *w, size_t read, size_t add)
{
	const struct set_read *r = &w->reads[read];
	struct set_value *v = &w->report->values[add];
	struct sight *s = &w->sights[(size_t)r->node * w->adds_n + add];
	if (r->call > s->absent)
		s->absent = r->call;
	if (v->absent == SIZE_MAX || r->call > w->reads[v->absent].call)
		v->absent = read;
	if (s->shown && s->shown < r->call)
		note_oddity(&w->report->vanished, &w->report->gone,
			(struct set_oddity){ .read = read, .earlier = s->shown_read, .value = w->adds[add].value });
}

/* Walks the sorted values of a read and the sorted adds side by side. */
static void take_read(struct work *w, size_t read, int64_t *values)
{
	const struct set_read *r = &w->reads[read];
	struct set_report *report = w->report;
	size_t i = 0, k = 0;
	if (r->n > 0) {
		memcpy(values, r->values, r->n * sizeof *values);
		qsort(values, r->n, sizeof *values, ascending);
	}
	while (i < r->n || k < w->adds_n) {
		const struct set_add *add = k < w->adds_n ? &w->adds[w->by_value[k]] : NULL;
		if (i == r->n || (add && add->value < values[i])) {
			if (add->call < r->ret)
				value_lacking(w, read, w->by_value[k]);
			k++;
			continue;
		}
		struct set_oddity odd = { .read = read, .value = values[i] };
		while (i < r->n && values[i] == odd.value) {
			odd.times++;
			i++;
		}
		if (odd.times > 1)
			note_oddity(&report->doubled, &report->twice, odd);
		bool added = add && add->value == odd.value;
		if (added && add->call < r->ret)
			value_shown(w, read, w->by_value[k]);
		else
			note_oddity(&report->phantoms, &report->phantom, odd);
		k += added;
	}
}

static bool lost_at(const struct sight *s, uint64_t known)
{
	return known && s->absent > s->present && s->absent > known;
}

static bool stable_at(const struct sight *s)
{
	return s->present > s->absent;
}

static void judge_value(struct work *w, struct set_value *v)
{
	bool stable = w->read_nodes != 0;
	for (int node = 0; node < NODES_MAX; node++) {
		if (!(w->read_nodes & lane_bit(node)))
			continue;
		const struct sight *s = &w->sights[(size_t)node * w->adds_n + v->add];
		if (lost_at(s, v->known))
			v->lost_on |= lane_bit(node);
		stable = stable && stable_at(s);
	}
	v->fate = v->lost_on ? SET_LOST : stable ? SET_STABLE : SET_NEVER_READ;
	v->stale = v->absent != SIZE_MAX && v->known && w->reads[v->absent].call > v->known;
	if (v->fate == SET_STABLE && v->absent != SIZE_MAX && w->reads[v->absent].call_ns >= v->known_ns)
		v->stable_ns = w->reads[v->absent].call_ns + 1 - v->known_ns;
}

static void count_value(struct set_report *r, const struct set_value *v)
{
	r->stable += v->fate == SET_STABLE;
	r->lost += v->fate == SET_LOST;
	r->never_read += v->fate == SET_NEVER_READ;
	r->stale += v->fate == SET_STABLE && v->stale;
}

static void begin_values(struct work *w)
{
	for (size_t i = 0; i < w->adds_n; i++) {
		const struct set_add *a = &w->adds[i];
		w->report->values[i] = (struct set_value){ .value = a->value, .add = i, .known = a->ret, .known_ns = a->ret_ns,
			.absent = SIZE_MAX };
		w->report->acknowledged += a->ret != 0;
	}
}

struct set_report set_check(struct arena *arena, const struct set_add *adds, size_t adds_n, const struct set_read *reads,
	size_t reads_n)
{
	struct set_report report = { .n = adds_n };
	struct work w = { .adds = adds, .reads = reads, .adds_n = adds_n, .reads_n = reads_n, .report = &report };
	size_t longest = 0;
	int nodes = 0;
	for (size_t i = 0; i < reads_n; i++) {
		assert(reads[i].node >= 0 && reads[i].node < NODES_MAX);
		w.read_nodes |= lane_bit(reads[i].node);
		nodes = reads[i].node >= nodes ? reads[i].node + 1 : nodes;
		longest = reads[i].n > longest ? reads[i].n : longest;
	}
	report.values = arena_zero(arena, (adds_n + 1) * sizeof *report.values);
	w.sights = arena_zero(arena, ((size_t)nodes * adds_n + 1) * sizeof *w.sights);
	w.by_value = ordered(arena, adds_n, by_value, adds);
	begin_values(&w);
	int64_t *values = arena_alloc(arena, (longest + 1) * sizeof *values);
	size_t *order = ordered(arena, reads_n, by_return, reads);
	for (size_t i = 0; i < reads_n; i++)
		take_read(&w, order[i], values);
	for (size_t i = 0; i < adds_n; i++) {
		judge_value(&w, &report.values[i]);
		count_value(&report, &report.values[i]);
	}
	return report;
}
