#include "source.h"

#include <stdlib.h>

enum { METAS_MAX = 24, IDLE_LOOK = 8 };

struct page {
	uint64_t first;      /* seq of its first event; 0: free */
	uint64_t used;       /* when it was last wanted */
	int n;
	struct event event[SOURCE_PAGE];
	struct arena arena;  /* owned; the texts */
};

struct source {
	char *path;             /* owned */
	struct store_run *run;  /* owned */
	uint64_t count, clock;
	int64_t reached_ns;
	bool finished;
	unsigned idle;          /* refreshes that found nothing new */
	uint64_t evidence[SOURCE_EVIDENCE];
	size_t evidence_n;
	struct slice type[TYPES_MAX]; /* borrowed from run; without s: not asked yet */
	struct { const char *key; const char *value; } meta[METAS_MAX]; /* likewise */
	size_t metas;
	struct page page[SOURCE_PAGES];
};

static void read_state(struct source *s)
{
	s->finished = slice_is(store_meta_get(s->run, STORE_STATE), "finished");
	if (s->finished)
		s->evidence_n = store_evidence(s->run, s->evidence, SOURCE_EVIDENCE);
}

struct source *source_open(const char *path, struct err *e)
{
	struct store_run *run = store_open(path, e);
	if (!run)
		return NULL;
	struct source *s = xcalloc(1, sizeof *s);
	s->run = run;
	s->path = xstrdup(path);
	read_state(s);
	s->reached_ns = store_reached_ns(run);
	s->count = store_events(run);
	return s;
}

static void page_free(struct page *p)
{
	if (p->first)
		arena_done(&p->arena);
	p->first = 0;
}

static void forget_pages(struct source *s)
{
	for (int i = 0; i < SOURCE_PAGES; i++)
		page_free(&s->page[i]);
}

void source_close(struct source *s)
{
	if (!s)
		return;
	forget_pages(s);
	store_close(s->run);
	free(s->path);
	free(s);
}

/* A file that is finished gets its place by a rename, and what was kept of it is then at the old name: it is opened again. */
static void reopen(struct source *s)
{
	struct err ignored;
	struct store_run *again = store_open(s->path, &ignored);
	if (!again)
		return;
	store_close(s->run);
	s->run = again;
	s->metas = 0;
	memset(s->type, 0, sizeof s->type);
	forget_pages(s);
}

bool source_refresh(struct source *s)
{
	if (s->finished)
		return false;
	s->reached_ns = store_reached_ns(s->run); /* before the events, which then are all there */
	uint64_t before = s->count, count = store_events(s->run);
	s->idle = count > before ? 0 : s->idle + 1;
	if (s->idle % IDLE_LOOK == 1) { /* each look stays in the reader's memory */
		read_state(s);
		if (s->finished) {
			reopen(s);
			count = store_events(s->run);
		}
	}
	s->count = count > before ? count : before;
	for (int i = 0; i < SOURCE_PAGES; i++) /* one that was not full may have more now */
		if (s->page[i].first && s->page[i].n < SOURCE_PAGE)
			page_free(&s->page[i]);
	return s->count > before || s->finished;
}

const char *source_path(const struct source *s)
{
	return s->path;
}

const struct lanes *source_lanes(const struct source *s)
{
	return store_lanes(s->run);
}

uint64_t source_count(const struct source *s)
{
	return s->count;
}

bool source_finished(const struct source *s)
{
	return s->finished;
}

int64_t source_end_ns(struct source *s)
{
	const struct event *last = source_at(s, s->count);
	return last ? last->t_ns : 0;
}

int64_t source_reached_ns(const struct source *s)
{
	return s->reached_ns;
}

static struct page *find_page(struct source *s, uint64_t first)
{
	struct page *oldest = &s->page[0];
	for (int i = 0; i < SOURCE_PAGES; i++) {
		struct page *p = &s->page[i];
		if (p->first == first)
			return p;
		if (!p->first || (oldest->first && p->used < oldest->used))
			oldest = p;
	}
	page_free(oldest);
	return oldest;
}

static void read_page(struct source *s, struct page *p, uint64_t first)
{
	struct err ignored;
	arena_init(&p->arena);
	p->first = first;
	int n = store_page(s->run, first, p->event, SOURCE_PAGE, &p->arena, &ignored);
	p->n = n < 0 ? 0 : n;
}

const struct event *source_at(struct source *s, uint64_t seq)
{
	if (seq == 0 || seq > s->count)
		return NULL;
	uint64_t first = (seq - 1) / SOURCE_PAGE * SOURCE_PAGE + 1;
	struct page *p = find_page(s, first);
	if (p->first != first)
		read_page(s, p, first);
	p->used = ++s->clock;
	return seq - first < (uint64_t)p->n ? &p->event[seq - first] : NULL;
}

const struct event *source_sent(struct source *s, const struct event *e)
{
	if ((e->kind != EVENT_RECV && e->kind != EVENT_DROP) || e->cause >= e->seq)
		return NULL;
	const struct event *sent = source_at(s, e->cause);
	return sent && sent->msg == e->msg ? sent : NULL;
}

const struct event *source_sent_of(void *source, const struct event *e)
{
	return source_sent(source, e);
}

struct slice source_body(struct source *s, const struct event *e)
{
	if (e->text.n)
		return e->text;
	const struct event *sent = source_sent(s, e);
	return sent ? sent->text : SLICE_NONE;
}

uint64_t source_seek(struct source *s, int64_t t_ns)
{
	uint64_t lo = 0, hi = s->count;
	while (lo < hi) {
		uint64_t mid = lo + (hi - lo + 1) / 2;
		const struct event *e = source_at(s, mid);
		if (e && e->t_ns <= t_ns)
			lo = mid;
		else
			hi = mid - 1;
	}
	return lo;
}

struct slice source_type(struct source *s, uint16_t type)
{
	if (type >= TYPES_MAX)
		return SLICE("");
	if (!s->type[type].n)
		s->type[type] = store_type(s->run, type);
	return s->type[type];
}

const char *source_meta(struct source *s, const char *key)
{
	for (size_t i = 0; i < s->metas; i++)
		if (strcmp(s->meta[i].key, key) == 0)
			return s->meta[i].value;
	struct slice v = store_meta_get(s->run, key);
	if (!v.s)
		return "";
	if (s->metas < METAS_MAX) {
		s->meta[s->metas].key = key;
		s->meta[s->metas++].value = v.s;
	}
	return v.s;
}

size_t source_evidence(const struct source *s, const uint64_t **out)
{
	*out = s->evidence;
	return s->evidence_n;
}

bool source_clock(struct source *s, const struct event *e, uint32_t *out)
{
	/* The index that makes it quick is there when the run is over. */
	return s->finished && store_clock(s->run, e, out);
}

int source_page(struct source *s, uint64_t from, struct event *out, int n, struct arena *arena)
{
	struct err ignored;
	return store_page(s->run, from, out, n, arena, &ignored);
}
