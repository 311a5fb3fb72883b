/* JSON lines: one object for the run, then one for each event. cmd_export.c documents the keys. */
#include "export.h"
#include "proto.h"
#include "text.h"

extern const struct export_format export_json;

static void add_text(struct buf *b, const char *key, struct slice text)
{
	buf_printf(b, ",\"%s\":", key);
	buf_json_string(b, text);
}

/* text_add_json also makes harmless what JSON itself allows in a string. */
static void add_line(struct export *x, struct buf *line)
{
	text_add_json(&x->out, buf_as_slice(line));
	buf_char(&x->out, '\n');
	line->n = 0;
	export_flush(x, 1 << 16);
}

static void add_head(struct export *x, struct buf *b)
{
	static const char *const keys[] = { STORE_DLAB, STORE_STATE, STORE_LAB, STORE_TEST, STORE_TITLE, STORE_FABRIC, STORE_SEED,
		STORE_SKIP, STORE_VERDICT, STORE_RULE, STORE_SOURCE, STORE_EXPECTED, STORE_SEEN, STORE_HINT };
	uint64_t evidence[64];
	buf_printf(b, "{\"kind\":\"run\",\"format\":1,\"events\":%llu,\"nodes\":[", (unsigned long long)store_events(x->run));
	for (int i = 0; i < x->lanes->nodes; i++)
		buf_printf(b, "%s\"%s\"", i ? "," : "", lane_name(x->lanes, i));
	buf_char(b, ']');
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		struct slice value = store_meta_get(x->run, keys[i]);
		if (value.n)
			add_text(b, keys[i], value);
	}
	buf_str(b, ",\"evidence\":[");
	size_t n = store_evidence(x->run, evidence, ARRAY_LEN(evidence));
	for (size_t i = 0; i < n; i++)
		buf_printf(b, "%s%llu", i ? "," : "", (unsigned long long)evidence[i]);
	buf_str(b, "]}");
	add_line(x, b);
}

static void add_lanes(struct export *x, struct buf *b, const struct event *e)
{
	if (e->src >= 0)
		add_text(b, "src", slice_of(lane_name(x->lanes, e->src)));
	if (e->dst >= 0 && e->dst != e->src)
		add_text(b, "dst", slice_of(lane_name(x->lanes, e->dst)));
}

static void add_what(struct export *x, struct buf *b, const struct event *e)
{
	struct slice type = export_type(x, e);
	if (e->msg)
		buf_printf(b, ",\"msg\":%llu", (unsigned long long)e->msg);
	if (type.n)
		add_text(b, "type", type);
	if (e->kind == EVENT_DROP)
		add_text(b, "why", slice_of(drop_text(e->why)));
	if (e->kind == EVENT_BAD)
		add_text(b, "why", slice_of(bad_text(e->why)));
	if (e->kind == EVENT_RECV && e->why)
		buf_str(b, ",\"copy\":true");
	if (e->kind == EVENT_EXIT || e->kind == EVENT_ARM || e->kind == EVENT_SOCK)
		buf_printf(b, ",\"arg\":%lld", (long long)e->arg);
	if (e->cause)
		buf_printf(b, ",\"cause\":%llu", (unsigned long long)e->cause);
}

static bool has_body(const struct event *e)
{
	return e->msg || e->kind == EVENT_STATE || e->kind == EVENT_APPLY;
}

static void add_event(struct export *x, struct buf *b, const struct event *e)
{
	buf_printf(b, "{\"seq\":%llu,\"t_ns\":%lld,\"kind\":\"%s\"", (unsigned long long)e->seq, (long long)e->t_ns,
		event_kind_name(e->kind));
	add_lanes(x, b, e);
	add_what(x, b, e);
	if (e->text.n && has_body(e) && json_valid(e->text, NULL)) {
		buf_str(b, ",\"body\":");
		buf_slice(b, e->text);
	} else if (e->text.n) {
		add_text(b, "text", e->text);
	}
	buf_char(b, '}');
	add_line(x, b);
}

static int write_json(struct export *x, struct err *err)
{
	struct buf line = BUF_EMPTY;
	const struct event *e;
	add_head(x, &line);
	while ((e = export_next(x, err)))
		if (export_wants(x, e) && export_takes(x))
			add_event(x, &line, e);
	buf_done(&line);
	return err->text[0] ? -1 : 0;
}

const struct export_format export_json = {
	.name = "json",
	.what = "an object for the run, then one for each event, a line each",
	.most = UINT64_MAX,
	.write = write_json,
};
