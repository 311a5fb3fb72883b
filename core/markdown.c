/* Inline text is collected in a buffer in which a byte MARK + a set of looks switches the look; blocks then wrap it.
 * Source bytes below 32 never reach that buffer, so the switches cannot be forged. */
#include "markdown.h"

#include <md4c.h>
#include <stdlib.h>
#include <wchar.h>

enum { MARK = 1, HARD_BREAK = 2, LOOK_BASE = '@', LOOK_BOLD = 1, LOOK_CODE = 2, DEPTH_MAX = 16, COLUMNS_MAX = 12,
	WIDTH_LEAST = 20, CELL_LEAST = 8, GAP = 2 };

/* What stands before the lines of a block: a list's bullet on the first one, blanks on the others. */
struct prefix {
	char first[16], rest[16];
	int width;
	bool used;
};

struct list {
	bool ordered;
	unsigned next;
};

struct row {
	struct buf cell[COLUMNS_MAX]; /* owned; inline text */
};

struct markdown {
	struct buf *out;           /* borrowed */
	const struct style *style; /* borrowed */
	int width;
	struct buf text;           /* owned; inline text of the block at hand */
	int bold, code;            /* how many spans of each are open */
	struct prefix prefix[DEPTH_MAX];
	int depth, too_deep;
	struct list list[DEPTH_MAX];
	int lists, lists_too_deep;
	bool blank_due;            /* a block was written: the next one begins after a blank line */
	bool in_code_block, in_table;
	struct buf url;            /* owned; of the link at hand */
	size_t link_begin;
	struct row *rows;          /* owned; of the table at hand */
	size_t rows_n;
	int columns, column;
	MD_ALIGN align[COLUMNS_MAX];
};

/* --- characters --- */

static size_t char_bytes(const char *s, size_t n)
{
	unsigned char c = (unsigned char)*s;
	size_t want = c < 0xc0 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
	return want < n ? want : n;
}

static int char_width(const char *s, size_t n)
{
	static const unsigned char masks[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
	wchar_t c = (wchar_t)((unsigned char)*s & masks[n]);
	if (n == 1)
		return 1;
	for (size_t i = 1; i < n; i++)
		c = (wchar_t)(c << 6 | ((unsigned char)s[i] & 0x3f));
	int width = wcwidth(c);
	return width < 0 ? 1 : width;
}

/* The columns that inline text takes, up to its end. */
static int text_width(const char *s, size_t n)
{
	int width = 0;
	for (size_t i = 0; i < n;) {
		if (s[i] == MARK) {
			i += 2;
			continue;
		}
		size_t k = char_bytes(s + i, n - i);
		width += char_width(s + i, k);
		i += k;
	}
	return width;
}

/* --- inline text --- */

static void add_clean(struct markdown *m, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];
		if (c == '\t')
			buf_str(&m->text, "    ");
		else if (c == 0xc2 && i + 1 < n && (unsigned char)s[i + 1] < 0xa0)
			i++; /* U+0080 to U+009F steer a terminal, too */
		else if ((c >= ' ' && c != 0x7f) || (c == '\n' && m->in_code_block))
			buf_char(&m->text, s[i]);
	}
}

static void add_look(struct markdown *m)
{
	buf_char(&m->text, MARK);
	buf_char(&m->text, (char)(LOOK_BASE + (m->bold ? LOOK_BOLD : 0) + (m->code ? LOOK_CODE : 0)));
}

static void print_look(const struct markdown *m, struct buf *to, int look)
{
	if (look & LOOK_BOLD)
		buf_str(to, m->style->bold);
	if (look & LOOK_CODE)
		buf_str(to, m->style->blue);
}

static void print_inline(const struct markdown *m, struct buf *to, const char *s, size_t n, int *look)
{
	if (*look)
		print_look(m, to, *look);
	for (size_t i = 0; i < n; i++) {
		if (s[i] == MARK) {
			buf_str(to, *look ? m->style->off : "");
			print_look(m, to, *look = s[++i] - LOOK_BASE);
		} else {
			buf_char(to, s[i]);
		}
	}
	if (*look)
		buf_str(to, m->style->off);
}

/* The next line of at most `width` columns: breaks at blanks, in a word only when it is longer than a line. Moves
 * *at behind it; false at the end. */
static bool next_line(struct slice text, size_t *at, int width, struct slice *line)
{
	size_t begin = *at;
	while (begin < text.n && text.s[begin] == ' ')
		begin++;
	if (begin >= text.n)
		return false;
	size_t fits = begin, i = begin; /* fits: the last blank that is not too far */
	int columns = 0;
	while (i < text.n && text.s[i] != HARD_BREAK) {
		if (text.s[i] == MARK) {
			i += 2;
			continue;
		}
		if (text.s[i] == ' ')
			fits = i;
		size_t k = char_bytes(text.s + i, text.n - i);
		int w = char_width(text.s + i, k);
		if (columns + w > width && text.s[i] != ' ') {
			size_t end = fits > begin ? fits : i;
			if (end == begin)
				end = i + k;
			*line = (struct slice){ text.s + begin, end - begin };
			*at = end;
			return true;
		}
		columns += w;
		i += k;
	}
	*line = (struct slice){ text.s + begin, i - begin };
	*at = i < text.n ? i + 1 : i;
	return true;
}

/* --- lines of blocks --- */

static int prefix_width(const struct markdown *m)
{
	int width = 0;
	for (int i = 0; i < m->depth; i++)
		width += m->prefix[i].width;
	return width;
}

static int room(const struct markdown *m)
{
	int left = m->width - prefix_width(m);
	return left < WIDTH_LEAST ? WIDTH_LEAST : left;
}

static void print_prefix(struct markdown *m)
{
	for (int i = 0; i < m->depth; i++) {
		buf_str(m->out, m->prefix[i].used ? m->prefix[i].rest : m->prefix[i].first);
		m->prefix[i].used = true;
	}
}

static void end_line(struct markdown *m)
{
	while (m->out->n > 0 && m->out->s[m->out->n - 1] == ' ')
		m->out->n--;
	buf_char(m->out, '\n');
}

static void begin_block(struct markdown *m)
{
	if (m->blank_due)
		buf_char(m->out, '\n');
	m->blank_due = false;
}

/* Writes the paragraph that was collected, if any. */
static void flush_text(struct markdown *m)
{
	size_t at = 0;
	int look = 0;
	struct slice line;
	while (next_line(buf_as_slice(&m->text), &at, room(m), &line)) {
		begin_block(m);
		print_prefix(m);
		print_inline(m, m->out, line.s, line.n, &look);
		end_line(m);
	}
	m->text.n = 0;
}

static void flush_code(struct markdown *m)
{
	begin_block(m);
	for (size_t at = 0; at < m->text.n;) {
		const char *end = memchr(m->text.s + at, '\n', m->text.n - at);
		size_t n = end ? (size_t)(end - m->text.s) - at : m->text.n - at;
		print_prefix(m);
		buf_str(m->out, "    ");
		buf_add(m->out, m->text.s + at, n);
		end_line(m);
		at += n + 1;
	}
	m->text.n = 0;
	m->blank_due = true;
}

static void push_prefix(struct markdown *m, const char *first, const char *rest)
{
	if (m->depth == DEPTH_MAX) {
		m->too_deep++;
		return;
	}
	struct prefix *p = &m->prefix[m->depth++];
	*p = (struct prefix){ .width = (int)strlen(first) };
	memcpy(p->first, first, strlen(first) + 1);
	memcpy(p->rest, rest, strlen(rest) + 1);
}

static void pop_prefix(struct markdown *m)
{
	if (m->too_deep)
		m->too_deep--;
	else
		m->depth--;
}

/* --- lists --- */

static void begin_list(struct markdown *m, bool ordered, unsigned start)
{
	flush_text(m);
	if (m->lists == DEPTH_MAX)
		m->lists_too_deep++;
	else
		m->list[m->lists++] = (struct list){ ordered, start };
}

static void end_list(struct markdown *m)
{
	if (m->lists_too_deep)
		m->lists_too_deep--;
	else
		m->lists--;
	m->blank_due = m->lists == 0;
}

static void begin_item(struct markdown *m)
{
	struct list *l = &m->list[m->lists - 1];
	char first[16] = "- ", rest[16] = "  ";
	if (l->ordered) {
		int n = snprintf(first, sizeof first, "%u. ", l->next++ % 1000000);
		memset(rest, ' ', (size_t)n);
		rest[n] = '\0';
	}
	push_prefix(m, first, rest);
}

static void end_item(struct markdown *m)
{
	flush_text(m);
	if (m->depth > 0 && !m->too_deep && !m->prefix[m->depth - 1].used) { /* an empty item shows its bullet */
		print_prefix(m);
		end_line(m);
	}
	pop_prefix(m);
}

/* --- tables --- */

static void begin_row(struct markdown *m)
{
	m->rows = xrealloc(m->rows, (m->rows_n + 1) * sizeof *m->rows);
	m->rows[m->rows_n++] = (struct row){ 0 };
	m->column = 0;
}

static void end_cell(struct markdown *m, MD_ALIGN align)
{
	if (m->column < COLUMNS_MAX) {
		m->align[m->column] = align;
		m->rows[m->rows_n - 1].cell[m->column] = m->text;
		m->text = BUF_EMPTY;
	}
	m->text.n = 0;
	m->column++;
	if (m->column > m->columns)
		m->columns = m->column < COLUMNS_MAX ? m->column : COLUMNS_MAX;
}

/* As wide as the cells want; where that is too much, the widest columns give. */
static void column_widths(const struct markdown *m, int width[COLUMNS_MAX])
{
	int total = (m->columns - 1) * GAP;
	for (int c = 0; c < m->columns; c++) {
		width[c] = 1;
		for (size_t r = 0; r < m->rows_n; r++) {
			int w = text_width(m->rows[r].cell[c].s, m->rows[r].cell[c].n);
			if (w > width[c])
				width[c] = w;
		}
		total += width[c];
	}
	for (; total > room(m); total--) {
		int widest = 0;
		for (int c = 1; c < m->columns; c++)
			if (width[c] > width[widest])
				widest = c;
		if (width[widest] <= CELL_LEAST)
			return;
		width[widest]--;
	}
}

static void blanks(struct buf *b, int n)
{
	for (; n > 0; n--)
		buf_char(b, ' ');
}

static void print_cell(struct markdown *m, struct slice line, int width, MD_ALIGN align, bool head, int *look)
{
	int free_columns = width - text_width(line.s, line.n);
	int before = align == MD_ALIGN_RIGHT ? free_columns : align == MD_ALIGN_CENTER ? free_columns / 2 : 0;
	blanks(m->out, before);
	buf_str(m->out, head ? m->style->bold : "");
	print_inline(m, m->out, line.s, line.n, look);
	buf_str(m->out, head ? m->style->off : "");
	blanks(m->out, free_columns - before);
}

static void print_row(struct markdown *m, const struct row *row, const int *width, bool head)
{
	size_t at[COLUMNS_MAX] = { 0 };
	int look[COLUMNS_MAX] = { 0 };
	for (bool more = true; more;) {
		struct slice line[COLUMNS_MAX];
		more = false;
		for (int c = 0; c < m->columns; c++) {
			if (next_line(buf_as_slice(&row->cell[c]), &at[c], width[c], &line[c]))
				more = true;
			else
				line[c] = SLICE_NONE;
		}
		if (!more)
			break;
		print_prefix(m);
		for (int c = 0; c < m->columns; c++) {
			blanks(m->out, c ? GAP : 0);
			print_cell(m, line[c], width[c], m->align[c], head, &look[c]);
		}
		end_line(m);
	}
}

static void print_rule(struct markdown *m, const int *width)
{
	print_prefix(m);
	for (int c = 0; c < m->columns; c++) {
		blanks(m->out, c ? GAP : 0);
		for (int i = 0; i < width[c]; i++)
			buf_char(m->out, '-');
	}
	end_line(m);
}

static void end_table(struct markdown *m)
{
	int width[COLUMNS_MAX];
	begin_block(m);
	column_widths(m, width);
	for (size_t r = 0; r < m->rows_n; r++) {
		print_row(m, &m->rows[r], width, r == 0);
		if (r == 0)
			print_rule(m, width);
		for (int c = 0; c < COLUMNS_MAX; c++)
			buf_done(&m->rows[r].cell[c]);
	}
	free(m->rows);
	m->rows = NULL;
	m->rows_n = 0;
	m->columns = 0;
	m->blank_due = true;
}

/* --- what md4c calls --- */

/* Without colours a heading keeps its marks: it would look like any other line. */
static void begin_heading(struct markdown *m, unsigned level)
{
	flush_text(m);
	m->blank_due = m->out->n > 0;
	m->bold++;
	add_look(m);
	if (m->style->off[0] == '\0')
		buf_printf(&m->text, "%.*s ", (int)level, "######");
}

static int enter_block(MD_BLOCKTYPE type, void *detail, void *ctx)
{
	struct markdown *m = ctx;
	switch (type) {
	case MD_BLOCK_QUOTE:
		flush_text(m);
		begin_block(m);
		push_prefix(m, "| ", "| ");
		break;
	case MD_BLOCK_UL:
		begin_list(m, false, 0);
		break;
	case MD_BLOCK_OL:
		begin_list(m, true, ((MD_BLOCK_OL_DETAIL *)detail)->start);
		break;
	case MD_BLOCK_LI:
		begin_item(m);
		break;
	case MD_BLOCK_H:
		begin_heading(m, ((MD_BLOCK_H_DETAIL *)detail)->level);
		break;
	case MD_BLOCK_CODE:
		flush_text(m);
		m->in_code_block = true;
		break;
	case MD_BLOCK_HR:
		begin_block(m);
		print_prefix(m);
		for (int i = 0; i < room(m) && i < 40; i++)
			buf_char(m->out, '-');
		end_line(m);
		m->blank_due = true;
		break;
	case MD_BLOCK_TABLE:
		flush_text(m);
		m->in_table = true;
		break;
	case MD_BLOCK_TR:
		begin_row(m);
		break;
	default:
		break;
	}
	return 0;
}

static int leave_block(MD_BLOCKTYPE type, void *detail, void *ctx)
{
	struct markdown *m = ctx;
	switch (type) {
	case MD_BLOCK_QUOTE:
		flush_text(m);
		pop_prefix(m);
		m->blank_due = true;
		break;
	case MD_BLOCK_UL:
	case MD_BLOCK_OL:
		end_list(m);
		break;
	case MD_BLOCK_LI:
		end_item(m);
		break;
	case MD_BLOCK_H:
		m->bold--;
		flush_text(m);
		m->blank_due = true;
		break;
	case MD_BLOCK_P:
		flush_text(m);
		m->blank_due = true;
		break;
	case MD_BLOCK_CODE:
		m->in_code_block = false;
		flush_code(m);
		break;
	case MD_BLOCK_TH:
	case MD_BLOCK_TD:
		end_cell(m, ((MD_BLOCK_TD_DETAIL *)detail)->align);
		break;
	case MD_BLOCK_TABLE:
		m->in_table = false;
		end_table(m);
		break;
	default:
		break;
	}
	return 0;
}

static void begin_link(struct markdown *m, const MD_SPAN_A_DETAIL *a)
{
	m->url.n = 0;
	buf_add(&m->url, a->href.text, a->href.size);
	m->link_begin = m->text.n;
}

/* The address follows when it is one of the web and the text does not show it already. */
static void end_link(struct markdown *m)
{
	struct slice shown = { m->text.s + m->link_begin, m->text.n - m->link_begin };
	if (!strstr(buf_cstr(&m->url), "://") || slice_eq(shown, buf_as_slice(&m->url)))
		return;
	add_clean(m, " (", 2);
	add_clean(m, m->url.s, m->url.n);
	add_clean(m, ")", 1);
}

static int enter_span(MD_SPANTYPE type, void *detail, void *ctx)
{
	struct markdown *m = ctx;
	bool plain = m->style->off[0] == '\0';
	switch (type) {
	case MD_SPAN_EM:
	case MD_SPAN_STRONG:
		m->bold++;
		add_look(m);
		break;
	case MD_SPAN_CODE:
		m->code++;
		add_look(m);
		if (plain)
			buf_char(&m->text, '`');
		break;
	case MD_SPAN_A:
		begin_link(m, detail);
		break;
	default:
		break;
	}
	return 0;
}

static int leave_span(MD_SPANTYPE type, void *detail, void *ctx)
{
	struct markdown *m = ctx;
	(void)detail;
	switch (type) {
	case MD_SPAN_EM:
	case MD_SPAN_STRONG:
		m->bold--;
		add_look(m);
		break;
	case MD_SPAN_CODE:
		if (m->style->off[0] == '\0')
			buf_char(&m->text, '`');
		m->code--;
		add_look(m);
		break;
	case MD_SPAN_A:
		end_link(m);
		break;
	default:
		break;
	}
	return 0;
}

static void add_entity(struct markdown *m, const char *s, size_t n)
{
	static const struct { const char *name, *text; } known[] = {
		{ "&amp;", "&" }, { "&lt;", "<" }, { "&gt;", ">" }, { "&quot;", "\"" }, { "&nbsp;", "\xc2\xa0" },
	};
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (slice_is((struct slice){ s, n }, known[i].name)) {
			buf_str(&m->text, known[i].text);
			return;
		}
	add_clean(m, s, n);
}

static int add_text(MD_TEXTTYPE type, const MD_CHAR *s, MD_SIZE n, void *ctx)
{
	struct markdown *m = ctx;
	switch (type) {
	case MD_TEXT_NULLCHAR:
		buf_str(&m->text, "\xef\xbf\xbd");
		break;
	case MD_TEXT_BR:
		buf_char(&m->text, m->in_table ? ' ' : HARD_BREAK);
		break;
	case MD_TEXT_SOFTBR:
		buf_char(&m->text, ' ');
		break;
	case MD_TEXT_ENTITY:
		add_entity(m, s, n);
		break;
	default:
		add_clean(m, s, n);
		break;
	}
	return 0;
}

void markdown_print(struct buf *out, struct slice source, const struct style *style, int width)
{
	struct markdown m = { .out = out, .style = style, .width = width < WIDTH_LEAST ? WIDTH_LEAST : width };
	MD_PARSER parser = { .flags = MD_FLAG_TABLES | MD_FLAG_NOHTML, .enter_block = enter_block, .leave_block = leave_block,
		.enter_span = enter_span, .leave_span = leave_span, .text = add_text };
	struct buf own = BUF_EMPTY; /* out may already hold something: blank lines count from here */
	m.out = &own;
	md_parse(source.n ? source.s : "", (MD_SIZE)source.n, &parser, &m);
	flush_text(&m);
	buf_slice(out, buf_as_slice(&own));
	buf_done(&own);
	buf_done(&m.text);
	buf_done(&m.url);
}
