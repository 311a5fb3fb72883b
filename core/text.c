#include "text.h"

struct span {
	int32_t first, last;
};

static bool in_spans(const struct span *s, size_t n, int32_t c)
{
	for (size_t i = 0; i < n; i++)
		if (c >= s[i].first && c <= s[i].last)
			return true;
	return false;
}

/* The length that a first byte promises; 0 when it is none. */
static size_t promised(unsigned char c)
{
	return c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xf0 && c < 0xf5 ? 4 : 0;
}

int32_t text_next(struct slice *s)
{
	unsigned char first = (unsigned char)s->s[0];
	size_t n = promised(first);
	if (n == 0 || n > s->n || !slice_utf8((struct slice){ s->s, n })) {
		s->s++;
		s->n--;
		return -1;
	}
	int32_t c = n == 1 ? first : first & (0x7f >> n);
	for (size_t i = 1; i < n; i++)
		c = c << 6 | ((unsigned char)s->s[i] & 0x3f);
	s->s += n;
	s->n -= n;
	return c;
}

bool text_is_harmful(int32_t c)
{
	static const struct span harmful[] = {
		{ -1, 0x1f }, { 0x7f, 0x9f }, { 0x61c, 0x61c }, { 0x180e, 0x180e }, { 0x200b, 0x200b }, { 0x200e, 0x200f },
		{ 0x2028, 0x202e }, { 0x2060, 0x206f }, { 0xfeff, 0xfeff }, { 0xfff9, 0xfffb }, { 0xe0000, 0xe0fff },
	};
	return in_spans(harmful, ARRAY_LEN(harmful), c);
}

/* The blocks of the Unicode character database (EastAsianWidth, general category Mn) that matter, in whole blocks. */
int text_char_columns(int32_t c)
{
	static const struct span none[] = {
		{ 0x300, 0x36f }, { 0x483, 0x489 }, { 0x591, 0x5bd }, { 0x610, 0x61a }, { 0x64b, 0x65f }, { 0x1ab0, 0x1aff },
		{ 0x1dc0, 0x1dff }, { 0x200c, 0x200d }, { 0x20d0, 0x20ff }, { 0xfe00, 0xfe0f }, { 0xfe20, 0xfe2f },
	};
	static const struct span wide[] = {
		{ 0x1100, 0x115f }, { 0x2e80, 0x303e }, { 0x3041, 0xa4cf }, { 0xac00, 0xd7a3 }, { 0xf900, 0xfaff },
		{ 0xfe30, 0xfe4f }, { 0xff00, 0xff60 }, { 0xffe0, 0xffe6 }, { 0x1f300, 0x1f64f }, { 0x1f680, 0x1f6ff },
		{ 0x1f900, 0x1f9ff }, { 0x20000, 0x3fffd },
	};
	if (c < 0x300)
		return 1;
	return in_spans(none, ARRAY_LEN(none), c) ? 0 : in_spans(wide, ARRAY_LEN(wide), c) ? 2 : 1;
}

/* One character, made harmless, when it fits. Returns its columns, or -1. */
static int add_char(struct buf *b, struct slice *s, size_t room, bool ascii)
{
	struct slice before = *s;
	int32_t c = text_next(s);
	bool hide = text_is_harmful(c) || (ascii && c > 0x7e);
	int columns = hide ? 1 : text_char_columns(c);
	if ((size_t)columns > room)
		return -1;
	if (hide)
		buf_char(b, '?');
	else
		buf_add(b, before.s, before.n - s->n);
	return columns;
}

size_t text_add(struct buf *b, struct slice s, size_t columns, bool ascii)
{
	static const char dots[] = "...";
	size_t at = 0, keep_at = 0, keep_n = b->n; /* where the dots go when it does not fit */
	size_t room_for_dots = columns < 3 ? columns : 3;
	while (s.n > 0) {
		int n = add_char(b, &s, columns - at, ascii);
		if (n < 0) {
			b->n = keep_n;
			buf_add(b, dots, room_for_dots);
			return keep_at + room_for_dots;
		}
		at += (size_t)n;
		if (at + room_for_dots <= columns) {
			keep_at = at;
			keep_n = b->n;
		}
	}
	return at;
}

size_t text_columns(struct slice s)
{
	size_t n = 0;
	while (s.n > 0)
		n += (size_t)text_char_columns(text_next(&s));
	return n;
}

static void add_escape(struct buf *b, int32_t c)
{
	if (c < 0)
		c = 0xfffd;
	if (c < 0x10000) {
		buf_printf(b, "\\u%04x", (unsigned)c);
		return;
	}
	c -= 0x10000;
	buf_printf(b, "\\u%04x\\u%04x", 0xd800u + ((unsigned)c >> 10), 0xdc00u + ((unsigned)c & 0x3ff));
}

void text_add_json(struct buf *b, struct slice json)
{
	while (json.n > 0) {
		struct slice before = json;
		int32_t c = text_next(&json);
		if (c == '\n' || c == '\r' || c == '\t')
			buf_char(b, ' '); /* between tokens: strings hold none as they are */
		else if (text_is_harmful(c))
			add_escape(b, c);
		else
			buf_add(b, before.s, before.n - json.n);
	}
}
