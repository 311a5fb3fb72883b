#include "export.h"

#include <stdlib.h>

#include "rows.h"
#include "text.h"

extern const struct export_format export_json, export_shiviz, export_mermaid, export_svg, export_html;

/* In the order of the help. */
const struct export_format *const export_formats[] = {
	&export_json,
	&export_shiviz,
	&export_mermaid,
	&export_svg,
	&export_html,
	NULL
};

const struct export_format *export_find(const char *name)
{
	for (const struct export_format *const *f = export_formats; *f; f++)
		if (strcmp((*f)->name, name) == 0)
			return *f;
	return NULL;
}

/* --- reading --- */

static int next_page(struct export *x, struct err *e)
{
	arena_done(&x->texts);
	arena_init(&x->texts);
	x->at = 0;
	x->page_n = store_page(x->run, x->next, x->page, EXPORT_PAGE, &x->texts, e);
	if (x->page_n > 0)
		x->next = x->page[x->page_n - 1].seq + 1;
	return x->page_n;
}

const struct event *export_next(struct export *x, struct err *e)
{
	if (x->at >= x->page_n && next_page(x, e) <= 0)
		return NULL;
	return &x->page[x->at++];
}

void export_rewind(struct export *x)
{
	x->at = x->page_n = 0;
	x->next = 1;
}

struct slice export_type(struct export *x, const struct event *e)
{
	struct slice *name = &x->types[e->type];
	if (e->type == 0)
		return SLICE("");
	if (!name->s)
		*name = store_type(x->run, e->type);
	return *name;
}

/* --- choosing --- */

static bool in_words(const struct export_words *w, struct slice s)
{
	for (int i = 0; i < w->n; i++)
		if (slice_is(s, w->word[i]))
			return true;
	return false;
}

/* What happened to all stays in the record of one. */
static bool lane_wanted(const struct export *x, const struct event *e)
{
	if (x->ask->nodes.n == 0 || (e->src < 0 && e->dst < 0))
		return true;
	return (e->src >= 0 && x->lane[e->src]) || (e->dst >= 0 && x->lane[e->dst]);
}

/* A message by the type of its body, anything else by its kind; the frame of a run has no type, and stays. */
static bool type_wanted(struct export *x, const struct event *e)
{
	static const bool frame[EVENT_KIND_COUNT] = {
		[EVENT_FAULT] = true, [EVENT_NOTE] = true, [EVENT_VERDICT] = true, [EVENT_EXIT] = true,
	};
	if (x->ask->types.n == 0 || frame[e->kind])
		return true;
	struct slice type = slice_of(event_kind_name(e->kind));
	return in_words(&x->ask->types, e->msg ? export_type(x, e) : type);
}

bool export_wants(struct export *x, const struct event *e)
{
	return e->t_ns >= x->ask->from_ns && e->t_ns <= x->ask->to_ns && lane_wanted(x, e) && type_wanted(x, e);
}

bool export_takes(struct export *x)
{
	bool room = x->shown < x->most;
	*(room ? &x->shown : &x->left) += 1;
	return room;
}

/* --- messages by their numbers --- */

static struct export_slot *index_slot(const struct export_index *x, uint64_t key)
{
	size_t at = hash_bytes(0, &key, sizeof key) & (x->cap - 1);
	while (x->slots[at].key && x->slots[at].key != key)
		at = (at + 1) & (x->cap - 1);
	return &x->slots[at];
}

static void index_grow(struct export_index *x)
{
	struct export_index larger = { .n = x->n, .cap = x->cap ? x->cap * 2 : 256 };
	larger.slots = xcalloc(larger.cap, sizeof *larger.slots);
	for (size_t i = 0; i < x->cap; i++)
		if (x->slots[i].key)
			*index_slot(&larger, x->slots[i].key) = x->slots[i];
	free(x->slots);
	*x = larger;
}

void export_index_put(struct export_index *x, uint64_t key, uint64_t value)
{
	assert(key > 0);
	if (x->n * 2 >= x->cap)
		index_grow(x);
	struct export_slot *slot = index_slot(x, key);
	x->n += slot->key == 0;
	*slot = (struct export_slot){ key, value };
}

uint64_t export_index_get(const struct export_index *x, uint64_t key, uint64_t otherwise)
{
	const struct export_slot *slot = x->cap && key ? index_slot(x, key) : NULL;
	return slot && slot->key ? slot->value : otherwise;
}

void export_index_done(struct export_index *x)
{
	free(x->slots);
	*x = (struct export_index){ 0 };
}

/* --- saying --- */

static void say_send(struct export *x, struct buf *b, const struct event *e, bool receiving)
{
	buf_printf(b, receiving ? "gets from %s: " : "sends %s: ", lane_name(x->lanes, receiving ? e->src : e->dst));
	rows_print_body(b, e->text);
}

static void say_end(struct export *x, struct buf *b, const struct event *e)
{
	if (e->kind == EVENT_DROP)
		buf_printf(b, "to %s, %s: ", lane_name(x->lanes, e->dst), drop_text(e->why));
	else
		buf_printf(b, "gets from %s%s: ", lane_name(x->lanes, e->src), e->why ? " once more (doubled)" : "");
	buf_slice(b, export_type(x, e));
}

/* The words before an event's own text; NULL: none. */
static const char *words_before(const struct event *e)
{
	static const char *const words[EVENT_KIND_COUNT] = {
		[EVENT_TIMER] = "timer ", [EVENT_LOG] = "log: ",
		[EVENT_LINT] = "note: ", [EVENT_VERDICT] = "verdict: ", [EVENT_READY] = "is ready ", [EVENT_PAUSE] = "paused ",
		[EVENT_RESUME] = "resumed ", [EVENT_KILL] = "killed ", [EVENT_SOCK] = "socket: ", [EVENT_FAULT] = "fault: ",
	};
	return e->kind == EVENT_ARM ? e->arg < 0 ? "stops timer " : "sets timer " : words[e->kind];
}

static void say_local(struct buf *b, const struct event *e)
{
	const char *before = words_before(e);
	if (e->kind == EVENT_BAD)
		buf_printf(b, "%s: ", bad_text(e->why));
	else if (before)
		buf_str(b, before);
	if (e->kind == EVENT_STATE || e->kind == EVENT_APPLY)
		rows_print_body(b, e->text);
	else
		buf_slice(b, e->text);
	if (e->kind == EVENT_ARM && e->arg >= 0)
		buf_printf(b, " to %lld ms", (long long)e->arg);
}

void export_say(struct export *x, struct buf *b, const struct event *e, bool receiving)
{
	if (e->kind == EVENT_SEND || e->kind == EVENT_CALL || e->kind == EVENT_REPLY)
		say_send(x, b, e, receiving);
	else if (e->kind == EVENT_RECV || e->kind == EVENT_DROP)
		say_end(x, b, e);
	else
		say_local(b, e);
}

void export_add_xml(struct buf *b, struct slice s)
{
	while (s.n > 0) {
		struct slice before = s;
		int32_t c = text_next(&s);
		bool no_xml = c != '\n' && c != '\t' && (text_is_harmful(c) || (c & 0xfffe) == 0xfffe);
		switch (no_xml ? -1 : c) {
		case -1: buf_char(b, '?'); break;
		case '&': buf_str(b, "&amp;"); break;
		case '<': buf_str(b, "&lt;"); break;
		case '>': buf_str(b, "&gt;"); break;
		case '"': buf_str(b, "&quot;"); break;
		case '\'': buf_str(b, "&#39;"); break;
		default: buf_add(b, before.s, before.n - s.n);
		}
	}
}

/* --- writing --- */

void export_flush(struct export *x, size_t above)
{
	if (x->out.n > above) {
		fwrite(x->out.s, 1, x->out.n, x->file);
		x->out.n = 0;
	}
}

static int find_lanes(struct export *x, struct err *e)
{
	const struct export_words *w = &x->ask->nodes;
	for (int i = 0; i < w->n; i++) {
		int lane = lane_find(x->lanes, slice_of(w->word[i]));
		if (lane < 0)
			return err_set(e, "--node: nobody in this run is called \"%s\"; its nodes are %s to %s", w->word[i],
				lane_name(x->lanes, 0), lane_name(x->lanes, x->lanes->nodes - 1));
		x->lane[lane] = true;
	}
	return 0;
}

int export_run(const struct export_format *f, const struct export_ask *ask, struct store_run *run, FILE *file, uint64_t *shown,
	uint64_t *left, struct err *e)
{
	struct export *x = xcalloc(1, sizeof *x);
	*x = (struct export){ .ask = ask, .run = run, .lanes = store_lanes(run), .file = file, .next = 1,
		.most = ask->most ? ask->most : f->most };
	arena_init(&x->texts);
	e->text[0] = '\0'; /* export_next says by it whether it failed */
	int rc = find_lanes(x, e) != 0 ? EXPORT_ASKED_WRONGLY : f->write(x, e);
	export_flush(x, 0);
	*shown = x->shown;
	*left = x->left;
	arena_done(&x->texts);
	buf_done(&x->out);
	free(x);
	return rc;
}
