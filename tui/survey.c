#include "survey.h"

#include <stdlib.h>

enum { BATCH = 512, FIRST_BUCKET_NS = 1000000 };

void survey_init(struct survey *s, const struct lanes *lanes)
{
	*s = (struct survey){ .nodes = lanes->nodes, .bucket_ns = FIRST_BUCKET_NS };
	s->count = xcalloc((size_t)lanes->nodes * SURVEY_BUCKETS, sizeof *s->count);
}

void survey_done(struct survey *s)
{
	struct places *all[] = { &s->logs, &s->commands };
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		free(all[i]->seq);
	free(s->ops);
	free(s->keys);
	free(s->marks);
	free(s->count);
	*s = (struct survey){ 0 };
}

static void places_add(struct places *p, uint64_t seq)
{
	if (p->n == p->cap) {
		p->cap = p->cap ? p->cap * 2 : 256;
		p->seq = xrealloc(p->seq, p->cap * sizeof *p->seq);
	}
	p->seq[p->n++] = (uint32_t)seq;
}

int64_t places_find(const struct places *p, uint64_t seq)
{
	size_t lo = 0, hi = p->n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (p->seq[mid] <= seq)
			lo = mid + 1;
		else
			hi = mid;
	}
	return (int64_t)lo - 1;
}

/* --- density --- */

static void halve(uint32_t *counts)
{
	for (int i = 0; i < SURVEY_BUCKETS / 2; i++)
		counts[i] = counts[2 * i] + counts[2 * i + 1];
	memset(counts + SURVEY_BUCKETS / 2, 0, SURVEY_BUCKETS / 2 * sizeof *counts);
}

static int bucket_of(struct survey *s, int64_t t_ns)
{
	while (t_ns / s->bucket_ns >= SURVEY_BUCKETS) {
		s->bucket_ns *= 2;
		for (int n = 0; n < s->nodes; n++)
			halve(s->count + n * SURVEY_BUCKETS);
		halve(s->lost);
	}
	return t_ns < 0 ? 0 : (int)(t_ns / s->bucket_ns);
}

uint32_t survey_count(const struct survey *s, int node, int bucket)
{
	return s->count[node * SURVEY_BUCKETS + bucket];
}

static void note_density(struct survey *s, const struct event *e)
{
	int bucket = bucket_of(s, e->t_ns), lane = event_lane(e);
	if (lane >= 0 && lane < s->nodes)
		s->count[lane * SURVEY_BUCKETS + bucket]++;
	if (e->kind == EVENT_DROP)
		s->lost[bucket]++;
	if (e->t_ns > s->end_ns)
		s->end_ns = e->t_ns;
}

/* --- operations --- */

static void note_call(struct survey *s, const struct lanes *lanes, const struct event *e)
{
	int client = e->src - lane_client(lanes, 0);
	if (client < 0 || client >= CLIENTS_MAX)
		return;
	if (s->ops_n == s->ops_cap) {
		s->ops_cap = s->ops_cap ? s->ops_cap * 2 : 256;
		s->ops = xrealloc(s->ops, s->ops_cap * sizeof *s->ops);
	}
	s->ops[s->ops_n++] = (struct operation){ .call_ns = e->t_ns, .call = (uint32_t)e->seq, .client = e->src, .node = e->dst };
	s->pending[client] = (uint32_t)s->ops_n;
}

static void note_reply(struct survey *s, const struct lanes *lanes, const struct event *e)
{
	int client = e->dst - lane_client(lanes, 0);
	if (client < 0 || client >= CLIENTS_MAX || !s->pending[client])
		return;
	struct operation *op = &s->ops[s->pending[client] - 1];
	if (op->node != e->src)
		return;
	op->reply = (uint32_t)e->seq;
	s->pending[client] = 0;
}

/* --- places --- */

static bool is_command(const struct event *e)
{
	static const char *const programs[] = { "tc ", "nft ", "docker ", "iptables ", "ip ", "sysctl " };
	const char *at = e->kind == EVENT_NOTE && e->text.n ? e->text.s : "";
	if (e->kind == EVENT_NOTE && e->text.n > 2 && memcmp(at, "# ", 2) == 0)
		at += 2;
	for (size_t i = 0; i < ARRAY_LEN(programs); i++)
		if (strncmp(at, programs[i], strlen(programs[i])) == 0)
			return true;
	return false;
}

static bool is_mark(const struct event *e)
{
	static const uint64_t marks = UINT64_C(1) << EVENT_FAULT | UINT64_C(1) << EVENT_START | UINT64_C(1) << EVENT_EXIT |
		UINT64_C(1) << EVENT_PAUSE | UINT64_C(1) << EVENT_RESUME | UINT64_C(1) << EVENT_VERDICT;
	return (marks >> e->kind & 1) && (e->kind != EVENT_START || e->arg != 1);
}

static void note_mark(struct survey *s, const struct event *e)
{
	if (s->marks_n == s->marks_cap) {
		s->marks_cap = s->marks_cap ? s->marks_cap * 2 : 64;
		s->marks = xrealloc(s->marks, s->marks_cap * sizeof *s->marks);
	}
	s->marks[s->marks_n++] = (struct mark){ (uint32_t)e->seq, e->kind, e->t_ns };
}

static void note_place(struct survey *s, struct source *source, const struct event *e)
{
	const struct lanes *lanes = source_lanes(source);
	if (is_command(e))
		places_add(&s->commands, e->seq);
	else if (is_mark(e))
		note_mark(s, e);
	else if (e->kind == EVENT_LOG)
		places_add(&s->logs, e->seq);
	else if (e->kind == EVENT_CALL && !slice_is(source_type(source, e->type), "init"))
		note_call(s, lanes, e);
	else if (e->kind == EVENT_REPLY)
		note_reply(s, lanes, e);
}

static void keep_key(struct survey *s)
{
	if (s->keys_n == s->keys_cap) {
		s->keys_cap = s->keys_cap ? s->keys_cap * 2 : 16;
		s->keys = xrealloc(s->keys, s->keys_cap * sizeof *s->keys);
	}
	s->keys[s->keys_n++] = s->now;
}

static void note(struct survey *s, struct source *source, const struct event *e)
{
	const struct lanes *lanes = source_lanes(source);
	if ((e->seq - 1) % SURVEY_KEY_EVERY == 0)
		keep_key(s);
	moment_apply(&s->now, lanes, e);
	note_density(s, e);
	note_place(s, source, e);
	s->clients |= e->kind == EVENT_CALL || e->kind == EVENT_REPLY;
	s->services |= e->kind == EVENT_SEND && (lane_is_service(lanes, e->src) || lane_is_service(lanes, e->dst));
	s->seen = e->seq;
}

bool survey_go(struct survey *s, struct source *source, int64_t budget_ns)
{
	struct event batch[BATCH];
	int64_t until = clock_ns() + budget_ns;
	while (s->seen < source_count(source)) {
		struct arena texts;
		arena_init(&texts);
		int n = source_page(source, s->seen + 1, batch, BATCH, &texts);
		for (int i = 0; i < n; i++)
			note(s, source, &batch[i]);
		arena_done(&texts);
		if (n <= 0 || clock_ns() > until)
			break;
	}
	return s->seen < source_count(source);
}

bool survey_moment(const struct survey *s, struct source *source, uint64_t seq, struct moment *m)
{
	uint64_t key = seq ? (seq - 1) / SURVEY_KEY_EVERY : 0;
	bool known = seq <= s->seen;
	moment_init(m);
	if (known && key < s->keys_n)
		*m = s->keys[key];
	else
		memset(m->life, LIFE_UP, sizeof m->life);
	for (uint64_t q = key * SURVEY_KEY_EVERY + 1; q <= seq; q++) {
		const struct event *e = source_at(source, q);
		if (e)
			moment_apply(m, source_lanes(source), e);
	}
	return known;
}
