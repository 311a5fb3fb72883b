/* A sequence diagram for Mermaid (https://mermaid.js.org/syntax/sequenceDiagram.html), for a README or a wiki.
 *
 * Mermaid draws a message as one level line, so a message stands where it ended; where it left is said only when it
 * has not ended. Its syntax knows no quotes: a character that could be a sign of it is written as a numeric entity, "#35;". */
#include "export_scene.h"
#include "text.h"

extern const struct export_format export_mermaid;

/* Letters, digits, blanks and a few signs that mean nothing to Mermaid; and all beyond ASCII. */
static bool is_plain(int32_t c)
{
	return c > 0x7e || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c > 0 && strchr(" .,=_-/():[]*+?!", (int)c));
}

static void add_text(struct buf *b, struct slice s)
{
	while (s.n > 0) {
		struct slice before = s;
		int32_t c = text_next(&s);
		if (text_is_harmful(c))
			buf_char(b, '?');
		else if (is_plain(c))
			buf_add(b, before.s, before.n - s.n);
		else
			buf_printf(b, "#%d;", (int)c);
	}
}

static bool is_letter(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

static bool is_end(struct slice word)
{
	static const char end[] = "end";
	for (size_t i = 0; word.n == 3 && i < 3; i++)
		if ((word.s[i] | 0x20) != end[i])
			return false;
	return word.n == 3;
}

/* The word "end" ends a block wherever it stands, so its first letter is an entity. */
static void add_words(struct buf *b, struct slice s)
{
	while (s.n > 0) {
		struct slice word = { s.s, 1 };
		while (word.n < s.n && is_letter(s.s[word.n]) == is_letter(s.s[0]))
			word.n++;
		s.s += word.n;
		s.n -= word.n;
		if (is_end(word)) {
			buf_printf(b, "#%d;", word.s[0]);
			word.s++;
			word.n--;
		}
		add_text(b, word);
	}
}

static const char *arrow_sign(const struct scene_moment *m)
{
	return m->kind == EVENT_DROP ? "--x" : m->kind == EVENT_RECV && m->why ? "-->>" : m->kind == EVENT_SEND ? "-)" : "->>";
}

static bool is_line(const struct scene_moment *m)
{
	return m->msg && m->src >= 0 && m->dst >= 0;
}

/* What cannot be seen from the line. */
static const char *remark(const struct scene *s, const struct scene_moment *m)
{
	static const char *const left[FATE_COUNT] = {
		[FATE_DELIVERED] = " (arrives later)", [FATE_DOUBLED] = " (arrives later)", [FATE_LOST] = " (is lost later)",
		[FATE_UNDER_WAY] = " (still on the way at the end)",
	};
	if (m->kind == EVENT_SEND)
		return m->arrow == SCENE_OUTSIDE ? "" : left[s->arrows[m->arrow].fate];
	return m->kind == EVENT_RECV && m->why ? " (second copy)" : "";
}

static void add_message(struct buf *b, const struct scene *s, const struct scene_moment *m)
{
	buf_printf(b, "    %s%s%s: ", s->column[m->src], arrow_sign(m), s->column[m->dst]);
	add_words(b, scene_label(s, m));
	if (m->kind == EVENT_DROP)
		buf_printf(b, " (%s)", drop_text(m->why));
	add_words(b, slice_of(remark(s, m)));
	buf_char(b, '\n');
}

static void add_note(struct buf *b, const struct scene *s, const struct scene_moment *m)
{
	if (m->src >= 0)
		buf_printf(b, "    Note over %s: ", s->column[m->src]);
	else if (s->columns_n > 1)
		buf_printf(b, "    Note over %s,%s: ", s->column[0], s->column[s->columns_n - 1]);
	else
		buf_printf(b, "    Note over %s: ", s->column[0]);
	buf_printf(b, "%.3f s ", (double)m->t_ns / (double)NS_PER_S);
	add_words(b, m->says);
	buf_char(b, '\n');
}

/* A message that left and arrived has its line where it arrived. */
static bool ends_below(const struct scene *s, const struct scene_moment *m)
{
	return m->kind == EVENT_SEND && m->arrow != SCENE_OUTSIDE && s->arrows[m->arrow].to != SCENE_OUTSIDE;
}

static void add_diagram(struct buf *b, const struct scene *s)
{
	buf_str(b, "sequenceDiagram\n");
	for (int i = 0; i < s->columns_n; i++)
		buf_printf(b, "    participant %s\n", s->column[i]);
	for (int i = 0; i < s->moments_n; i++) {
		const struct scene_moment *m = &s->moments[i];
		if (m->skipped && s->columns_n)
			buf_printf(b, "    Note over %s: %llu more events\n", s->column[0], (unsigned long long)m->skipped);
		if (is_line(m) && !ends_below(s, m))
			add_message(b, s, m);
		else if (!m->msg && s->columns_n)
			add_note(b, s, m);
	}
}

static int write_mermaid(struct export *x, struct err *err)
{
	struct scene s;
	int rc = scene_read(&s, x, err);
	if (rc == 0) {
		struct buf title = BUF_EMPTY, plain = BUF_EMPTY;
		scene_print_title(x, &title);
		text_add(&plain, buf_as_slice(&title), SCENE_TEXT_COLUMNS, false);
		buf_str(&x->out, "%% ");
		add_words(&x->out, buf_as_slice(&plain));
		buf_str(&x->out, "\n%% ");
		scene_print_extent(&s, &x->out);
		buf_char(&x->out, '\n');
		add_diagram(&x->out, &s);
		buf_done(&title);
		buf_done(&plain);
	}
	scene_done(&s);
	return rc;
}

const struct export_format export_mermaid = {
	.name = "mermaid",
	.what = "a sequence diagram for Mermaid",
	.most = 60,
	.write = write_mermaid,
};
