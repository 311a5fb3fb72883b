#include "export_scene.h"

#include <stdlib.h>

#include "fault.h"
#include "rows.h"
#include "text.h"

enum { EVIDENCE = 64, FAULTS_MAX = 512, TEXT_BYTES = 1000 };

/* What is built while the run is read. */
struct reading {
	struct scene *s;              /* borrowed */
	struct export *x;             /* borrowed */
	uint64_t evidence[EVIDENCE];  /* seq */
	uint64_t ordinal[EVIDENCE];   /* of the same, among what could be drawn */
	size_t evidence_n;
	bool near_evidence;           /* no window was asked for: what is near the evidence is drawn */
	uint64_t drawable, reach;     /* events that could be drawn; how many around each piece of evidence are */
	uint64_t seen, skipped;       /* what could be drawn; and since the last moment */
	struct export_index sent;     /* message: its arrow */
	struct fault faults[FAULTS_MAX]; /* those that are on */
	int faults_n;
	int span[SPAN_COUNT][LANES_MAX]; /* the open span of a lane, and 1; 0: none. Of the network in [0] */
};

static void *grown(void *table, int n, int *cap, size_t size)
{
	if (n < *cap)
		return table;
	*cap = *cap ? *cap * 2 : 64;
	return xrealloc(table, (size_t)*cap * size);
}

/* --- which events --- */

/* What has no place of its own, unless a person asked for the kind: too many, and too little to see. */
static bool kind_is_drawn(const struct export *x, int kind)
{
	static const bool quiet[EVENT_KIND_COUNT] = {
		[EVENT_READY] = true, [EVENT_ARM] = true, [EVENT_STATE] = true, [EVENT_LOG] = true, [EVENT_LINT] = true,
	};
	return !quiet[kind] || x->ask->types.n > 0;
}

static bool is_evidence(const struct reading *r, uint64_t seq)
{
	for (size_t i = 0; i < r->evidence_n; i++)
		if (r->evidence[i] == seq)
			return true;
	return false;
}

static bool could_be_drawn(struct reading *r, const struct event *e)
{
	return (kind_is_drawn(r->x, e->kind) || is_evidence(r, e->seq)) && export_wants(r->x, e);
}

/* Around each piece of evidence the same number, more of them before it than after. */
static uint64_t first_near(uint64_t ordinal, uint64_t reach)
{
	uint64_t before = reach - reach / 4;
	return ordinal > before ? ordinal - before : 1;
}

static uint64_t last_near(uint64_t ordinal, uint64_t reach)
{
	return ordinal + reach / 4;
}

static int compare_ordinals(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

/* How many events are within reach of the evidence; the ordinals are sorted. */
static uint64_t count_near(const struct reading *r, uint64_t reach)
{
	uint64_t n = 0, upto = 0;
	for (size_t i = 0; i < r->evidence_n; i++) {
		uint64_t first = first_near(r->ordinal[i], reach), last = last_near(r->ordinal[i], reach);
		if (last > r->drawable)
			last = r->drawable;
		if (first <= upto)
			first = upto + 1;
		if (last >= first)
			n += last - first + 1;
		if (last > upto)
			upto = last;
	}
	return n;
}

/* As far as the picture has room. */
static void choose_reach(struct reading *r)
{
	uint64_t step = UINT64_C(1) << 32;
	qsort(r->ordinal, r->evidence_n, sizeof *r->ordinal, compare_ordinals);
	for (r->reach = 0; step; step /= 2)
		if (count_near(r, r->reach + step) <= r->x->most)
			r->reach += step;
}

static int find_evidence(struct reading *r, struct err *err)
{
	const struct event *e;
	r->evidence_n = store_evidence(r->x->run, r->evidence, EVIDENCE);
	r->near_evidence = r->evidence_n > 0 && !r->x->ask->windowed;
	while (r->near_evidence && (e = export_next(r->x, err))) {
		r->drawable += could_be_drawn(r, e);
		for (size_t i = 0; i < r->evidence_n; i++)
			if (r->evidence[i] == e->seq)
				r->ordinal[i] = r->drawable;
	}
	export_rewind(r->x);
	if (r->near_evidence)
		choose_reach(r);
	return err->text[0] ? -1 : 0;
}

static bool is_near(const struct reading *r, uint64_t ordinal)
{
	for (size_t i = 0; i < r->evidence_n; i++)
		if (ordinal >= first_near(r->ordinal[i], r->reach) && ordinal <= last_near(r->ordinal[i], r->reach))
			return true;
	return false;
}

static bool takes(struct reading *r, const struct event *e)
{
	if (!could_be_drawn(r, e))
		return false;
	r->seen++;
	bool chosen = !r->near_evidence || is_near(r, r->seen);
	bool taken = chosen && export_takes(r->x);
	if (!chosen)
		r->x->left++;
	r->skipped += !taken;
	return taken;
}

/* --- spans --- */

static void span_open(struct reading *r, int state, int lane, bool taken)
{
	struct scene *s = r->s;
	int *open = &r->span[state][lane];
	if (*open)
		return;
	s->spans = grown(s->spans, s->spans_n, &s->spans_cap, sizeof *s->spans);
	s->spans[s->spans_n] = (struct scene_span){ state, state == SPAN_FAULT ? SCENE_OUTSIDE : lane,
		taken || s->moments_n ? s->moments_n : SCENE_OUTSIDE, SCENE_OUTSIDE };
	*open = ++s->spans_n;
}

static void span_close(struct reading *r, int state, int lane)
{
	int *open = &r->span[state][lane];
	if (*open)
		r->s->spans[*open - 1].to = r->s->moments_n;
	*open = 0;
}

static bool covers(const struct fault *large, const struct fault *small)
{
	return (small->from & ~large->from) == 0 && (small->to & ~large->to) == 0;
}

/* Forgets the faults that this one ends or takes the place of. */
static void fault_forget(struct reading *r, const struct fault *f)
{
	int ends = f->kind == FAULT_UNCUT ? FAULT_CUT : f->kind, kept = 0;
	for (int i = 0; i < r->faults_n; i++)
		if (f->kind != FAULT_HEAL && (r->faults[i].kind != ends || !covers(f, &r->faults[i])))
			r->faults[kept++] = r->faults[i];
	r->faults_n = kept;
}

static bool fault_is_on(const struct fault *f)
{
	switch (f->kind) {
	case FAULT_CUT:
	case FAULT_LATENCY: return true;
	case FAULT_LOSS:
	case FAULT_DUPLICATE:
	case FAULT_REORDER: return f->p_million > 0;
	case FAULT_RATE: return f->rate_bps > 0;
	default: return false;
	}
}

static void see_fault(struct reading *r, const struct event *e, bool taken)
{
	struct fault f[2];
	struct err ignored = { "" }; /* a stranger's file may say anything */
	int n = fault_parse(r->x->lanes, e->text, f, &ignored);
	for (int i = 0; i < n; i++) {
		fault_forget(r, &f[i]);
		if (fault_is_on(&f[i]) && r->faults_n < FAULTS_MAX)
			r->faults[r->faults_n++] = f[i];
	}
	if (r->faults_n > 0)
		span_open(r, SPAN_FAULT, 0, taken);
	else
		span_close(r, SPAN_FAULT, 0);
}

static void see_state(struct reading *r, const struct event *e, bool taken)
{
	int lane = e->src;
	if (e->kind == EVENT_FAULT)
		see_fault(r, e, taken);
	if (lane < 0)
		return;
	if (e->kind == EVENT_PAUSE)
		span_open(r, SPAN_PAUSED, lane, taken);
	if (e->kind == EVENT_RESUME || e->kind == EVENT_KILL || e->kind == EVENT_EXIT)
		span_close(r, SPAN_PAUSED, lane);
	if (e->kind == EVENT_KILL || e->kind == EVENT_EXIT)
		span_open(r, SPAN_DOWN, lane, taken);
	if (e->kind == EVENT_START)
		span_close(r, SPAN_DOWN, lane);
}

/* What ended before the first moment is no part of the picture; what ends after the last one goes on. */
static void clip_spans(struct scene *s)
{
	int kept = 0;
	for (int i = 0; i < s->spans_n; i++) {
		struct scene_span span = s->spans[i];
		if (span.to >= s->moments_n)
			span.to = SCENE_OUTSIDE;
		if (span.from < s->moments_n && (span.to == SCENE_OUTSIDE || span.to > span.from) && span.to != 0)
			s->spans[kept++] = span;
	}
	s->spans_n = kept;
}

/* --- arrows --- */

static struct scene_arrow *arrow_add(struct reading *r, struct scene_arrow a)
{
	struct scene *s = r->s;
	s->arrows = grown(s->arrows, s->arrows_n, &s->arrows_cap, sizeof *s->arrows);
	s->arrows[s->arrows_n] = a;
	return &s->arrows[s->arrows_n++];
}

/* Where a message ended; its arrow is there when its leaving is in the picture. */
static void see_end(struct reading *r, const struct event *e, int here)
{
	uint64_t at = export_index_get(&r->sent, e->msg, UINT64_MAX);
	int fate = e->kind == EVENT_DROP ? FATE_LOST : e->why ? FATE_DOUBLED : FATE_DELIVERED;
	if (at == UINT64_MAX && here == SCENE_OUTSIDE)
		return;
	struct scene_arrow a = { SCENE_OUTSIDE, here, e->src, e->dst, fate };
	if (at != UINT64_MAX && r->s->arrows[at].fate == FATE_UNDER_WAY) {
		r->s->arrows[at].to = here;
		r->s->arrows[at].fate = fate;
		return;
	}
	if (at != UINT64_MAX)
		a.from = r->s->arrows[at].from;
	arrow_add(r, a);
}

static void see_message(struct reading *r, const struct event *e, int here)
{
	switch (e->kind) {
	case EVENT_SEND:
		if (here == SCENE_OUTSIDE || e->msg == 0)
			return;
		arrow_add(r, (struct scene_arrow){ here, SCENE_OUTSIDE, e->src, e->dst, FATE_UNDER_WAY });
		export_index_put(&r->sent, e->msg, (uint64_t)r->s->arrows_n - 1);
		return;
	case EVENT_CALL:
	case EVENT_REPLY:
		if (here != SCENE_OUTSIDE)
			arrow_add(r, (struct scene_arrow){ here, here, e->src, e->dst, FATE_DELIVERED });
		return;
	case EVENT_RECV:
	case EVENT_DROP:
		see_end(r, e, here);
		return;
	default:
		return;
	}
}

/* --- moments --- */

static struct slice harmless(struct reading *r, struct slice text)
{
	struct buf b = BUF_EMPTY;
	if (text.n > TEXT_BYTES)
		text.n = TEXT_BYTES;
	text_add(&b, text, SCENE_TEXT_COLUMNS, false);
	struct slice kept = arena_copy(&r->s->arena, buf_as_slice(&b));
	buf_done(&b);
	return kept;
}

static struct slice sentence(struct reading *r, const struct event *e)
{
	struct buf b = BUF_EMPTY;
	int subject = e->kind == EVENT_RECV ? e->dst : e->src;
	if (subject >= 0)
		buf_printf(&b, "%s ", lane_name(r->x->lanes, subject));
	export_say(r->x, &b, e, false);
	struct slice says = harmless(r, buf_as_slice(&b));
	buf_done(&b);
	return says;
}

static struct slice body(struct reading *r, const struct event *e)
{
	struct buf b = BUF_EMPTY;
	if (e->kind == EVENT_RECV || e->kind == EVENT_DROP)
		buf_slice(&b, export_type(r->x, e));
	else if (e->msg)
		rows_print_body(&b, e->text);
	struct slice kept = harmless(r, buf_as_slice(&b));
	buf_done(&b);
	return kept;
}

static void moment_add(struct reading *r, const struct event *e)
{
	struct scene *s = r->s;
	s->moments = grown(s->moments, s->moments_n, &s->moments_cap, sizeof *s->moments);
	s->moments[s->moments_n++] = (struct scene_moment){ .seq = e->seq, .t_ns = e->t_ns, .kind = e->kind, .src = e->src,
		.dst = e->dst, .msg = e->msg, .why = e->why, .skipped = s->moments_n ? r->skipped : 0,
		.evidence = is_evidence(r, e->seq), .says = sentence(r, e), .body = body(r, e), .arrow = SCENE_OUTSIDE };
	r->skipped = 0;
}

/* --- columns --- */

static void note_lane(bool *acts, int lane)
{
	if (lane >= 0)
		acts[lane] = true;
}

static int column_add(struct scene *s, const char *name)
{
	if (s->columns_n == SCENE_COLUMNS_MAX) {
		s->columns_left++;
		return SCENE_OUTSIDE;
	}
	s->column[s->columns_n] = name;
	return s->columns_n++;
}

/* Many clients share a column: what they say is in words beside it, and the nodes keep their room. */
static void share_column(struct scene *s, const struct lanes *l, const bool *acts, int *column_of)
{
	int n = 0, shared = SCENE_OUTSIDE;
	for (int lane = lane_client(l, 0); lane < lanes_count(l); lane++)
		n += acts[lane];
	if (n > SCENE_CLIENTS)
		shared = column_add(s, "clients");
	for (int lane = lane_client(l, 0); lane < lanes_count(l); lane++)
		column_of[lane] = n > SCENE_CLIENTS ? shared : acts[lane] ? column_add(s, lane_name(l, lane)) : SCENE_OUTSIDE;
}

/* A few nodes all have a column, so that silence is seen; of many nodes, and of services and clients, those that act. */
static void choose_columns(struct scene *s, const struct lanes *l, int *column_of)
{
	bool acts[LANES_MAX] = { false };
	for (int i = 0; i < s->moments_n; i++) {
		note_lane(acts, s->moments[i].src);
		note_lane(acts, s->moments[i].dst);
	}
	for (int lane = 0; lane < lane_client(l, 0); lane++) {
		bool wanted = acts[lane] || (lane < l->nodes && l->nodes <= SCENE_NODES);
		column_of[lane] = wanted ? column_add(s, lane_name(l, lane)) : SCENE_OUTSIDE;
	}
	share_column(s, l, acts, column_of);
}

static void to_column(const int *column_of, int *lane)
{
	*lane = *lane >= 0 ? column_of[*lane] : SCENE_OUTSIDE;
}

/* Lanes become columns; what would join a lane without a column is left out. */
static void use_columns(struct scene *s, const int *column_of)
{
	int kept = 0;
	for (int i = 0; i < s->moments_n; i++) {
		to_column(column_of, &s->moments[i].src);
		to_column(column_of, &s->moments[i].dst);
	}
	for (int i = 0; i < s->arrows_n; i++) {
		struct scene_arrow a = s->arrows[i];
		to_column(column_of, &a.src);
		to_column(column_of, &a.dst);
		if (a.src >= 0 && a.dst >= 0)
			s->arrows[kept++] = a;
	}
	s->arrows_n = kept;
	kept = 0;
	for (int i = 0; i < s->spans_n; i++) {
		struct scene_span span = s->spans[i];
		to_column(column_of, &span.column);
		if (span.state == SPAN_FAULT || span.column >= 0)
			s->spans[kept++] = span;
	}
	s->spans_n = kept;
}

static void join(struct scene *s, int moment, int arrow)
{
	if (moment != SCENE_OUTSIDE && s->moments[moment].arrow == SCENE_OUTSIDE)
		s->moments[moment].arrow = arrow;
}

static void join_arrows(struct scene *s)
{
	for (int i = 0; i < s->arrows_n; i++) {
		join(s, s->arrows[i].from, i);
		join(s, s->arrows[i].to, i);
	}
}

struct slice scene_label(const struct scene *s, const struct scene_moment *m)
{
	int from = m->arrow == SCENE_OUTSIDE ? SCENE_OUTSIDE : s->arrows[m->arrow].from;
	return from == SCENE_OUTSIDE ? m->body : s->moments[from].body;
}

/* --- putting it together --- */

static void read_events(struct reading *r, struct err *err)
{
	const struct event *e;
	while ((e = export_next(r->x, err))) {
		bool taken = takes(r, e);
		see_state(r, e, taken);
		see_message(r, e, taken ? r->s->moments_n : SCENE_OUTSIDE);
		if (taken)
			moment_add(r, e);
	}
}

int scene_read(struct scene *s, struct export *x, struct err *err)
{
	struct reading *r = xcalloc(1, sizeof *r);
	int column_of[LANES_MAX];
	*s = (struct scene){ 0 };
	arena_init(&s->arena);
	r->s = s;
	r->x = x;
	if (find_evidence(r, err) == 0)
		read_events(r, err);
	s->left = x->left;
	clip_spans(s);
	choose_columns(s, x->lanes, column_of);
	use_columns(s, column_of);
	join_arrows(s);
	export_index_done(&r->sent);
	free(r);
	return err->text[0] ? -1 : 0;
}

void scene_done(struct scene *s)
{
	arena_done(&s->arena);
	free(s->moments);
	free(s->arrows);
	free(s->spans);
}

void scene_print_title(struct export *x, struct buf *b)
{
	struct slice verdict = store_meta_get(x->run, STORE_VERDICT), rule = store_meta_get(x->run, STORE_RULE);
	buf_slice(b, store_meta_get(x->run, STORE_LAB));
	buf_char(b, '/');
	buf_slice(b, store_meta_get(x->run, STORE_TEST));
	if (verdict.n) {
		buf_char(b, ' ');
		buf_slice(b, verdict);
	}
	if (rule.n) {
		buf_str(b, ": ");
		buf_slice(b, rule);
	}
}

void scene_print_extent(const struct scene *s, struct buf *b)
{
	if (s->moments_n == 0) {
		buf_str(b, "no events");
		return;
	}
	buf_printf(b, "%d event%s from %.3f s to %.3f s", s->moments_n, s->moments_n == 1 ? "" : "s",
		(double)s->moments[0].t_ns / (double)NS_PER_S, (double)s->moments[s->moments_n - 1].t_ns / (double)NS_PER_S);
	if (s->left)
		buf_printf(b, "; %llu more are not shown", (unsigned long long)s->left);
	if (s->columns_left)
		buf_printf(b, "; %d of those that act have no column", s->columns_left);
}
