#include "filter.h"

#include <stdio.h>
#include <strings.h>

static bool contains(struct slice text, struct slice word)
{
	for (size_t i = 0; word.n && i + word.n <= text.n; i++)
		if (strncasecmp(text.s + i, word.s, word.n) == 0)
			return true;
	return word.n == 0;
}

bool event_says(struct source *s, const struct event *e, struct slice word)
{
	return contains(source_body(s, e), word) || contains(source_type(s, e->type), word) ||
		contains(slice_of(event_kind_name(e->kind)), word) ||
		(e->kind == EVENT_DROP && contains(slice_of(drop_text(e->why)), word));
}

static int kind_find(struct slice name)
{
	for (int k = 0; k < EVENT_KIND_COUNT; k++)
		if (slice_is(name, event_kind_name(k)))
			return k;
	return -1;
}

static bool read_term(struct filter *f, const struct lanes *lanes, struct slice word)
{
	static const char *const names[] = { [FILTER_TYPE] = "type=", [FILTER_NODE] = "node=", [FILTER_KIND] = "kind=" };
	struct filter_term t = { .what = FILTER_WORD };
	if (word.n > 1 && word.s[0] == '!') {
		t.not = true;
		word = (struct slice){ word.s + 1, word.n - 1 };
	}
	t.value = word;
	for (int i = FILTER_TYPE; i <= FILTER_KIND; i++)
		if (word.n >= 5 && memcmp(word.s, names[i], 5) == 0) {
			t.what = (uint8_t)i;
			t.value = (struct slice){ word.s + 5, word.n - 5 };
		}
	t.lane = t.what == FILTER_NODE ? lane_find(lanes, t.value) : 0;
	t.kind = t.what == FILTER_KIND ? kind_find(t.value) : 0;
	if (t.lane < 0)
		snprintf(f->wrong, sizeof f->wrong, "nobody here is called \"%.*s\"", t.value.n > 40 ? 40 : (int)t.value.n, t.value.s);
	else if (t.kind < 0)
		snprintf(f->wrong, sizeof f->wrong, "no kind is called \"%.*s\": send, recv, drop, call, reply, state, log, ...",
			t.value.n > 40 ? 40 : (int)t.value.n, t.value.s);
	else if (f->n == FILTER_TERMS)
		snprintf(f->wrong, sizeof f->wrong, "%d terms at most", FILTER_TERMS);
	else
		f->term[f->n++] = t;
	return !*f->wrong;
}

bool filter_set(struct filter *f, const struct lanes *lanes, const char *text)
{
	*f = (struct filter){ 0 };
	snprintf(f->text, sizeof f->text, "%s", text);
	for (const char *at = f->text; *at;) {
		size_t n = strcspn(at, " ");
		if (n && !read_term(f, lanes, (struct slice){ at, n }))
			return false;
		at += n + strspn(at + n, " ");
	}
	return true;
}

static bool term_holds(const struct filter_term *t, struct source *s, const struct event *e)
{
	switch (t->what) {
	case FILTER_TYPE: return slice_eq(source_type(s, e->type), t->value);
	case FILTER_NODE: return e->src == t->lane || e->dst == t->lane;
	case FILTER_KIND: return e->kind == t->kind;
	default: return event_says(s, e, t->value);
	}
}

bool filter_matches(const struct filter *f, struct source *s, const struct event *e)
{
	for (int i = 0; i < f->n && !*f->wrong; i++)
		if (term_holds(&f->term[i], s, e) == f->term[i].not)
			return false;
	return true;
}
