#include "skip.h"

#include <stdlib.h>

bool skip_has(const struct skip_set *s, uint32_t ordinal)
{
	return ordinal / 64 < s->n ? s->words[ordinal / 64] >> (ordinal % 64) & 1 : s->rest;
}

bool skip_is_empty(const struct skip_set *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->words[i])
			return false;
	return !s->rest;
}

bool skip_keeps_later(const struct skip_set *s, uint32_t ordinal)
{
	for (uint64_t i = ordinal; i < s->n * 64; i += SKIP_STREAMS)
		if (!skip_has(s, (uint32_t)i))
			return true;
	return !s->rest;
}

void skip_done(struct skip_set *s)
{
	free(s->words);
	*s = (struct skip_set){ 0 };
}

static void make_room(struct skip_set *s, uint32_t last)
{
	size_t n = (size_t)last / 64 + 1;
	if (n <= s->n)
		return;
	s->words = xrealloc(s->words, n * sizeof *s->words);
	memset(s->words + s->n, 0, (n - s->n) * sizeof *s->words);
	s->n = n;
}

static void add_range(struct skip_set *s, uint32_t first, uint32_t last)
{
	make_room(s, last);
	for (uint64_t i = first; i <= last; i++)
		s->words[i / 64] |= (uint64_t)1 << (i % 64);
}

void skip_all_but(struct skip_set *s, const uint32_t *kept, size_t n)
{
	*s = (struct skip_set){ .rest = true };
	if (n == 0)
		return;
	make_room(s, kept[n - 1]);
	memset(s->words, 0xff, s->n * sizeof *s->words);
	for (size_t i = 0; i < n; i++)
		s->words[kept[i] / 64] &= ~((uint64_t)1 << (kept[i] % 64));
}

/* --- as text --- */

/* Takes digits off the front; -1 when there are none, or too many. */
static int64_t take_number(struct slice *s)
{
	int64_t v = -1;
	for (; s->n && *s->s >= '0' && *s->s <= '9'; s->s++, s->n--) {
		v = (v < 0 ? 0 : v) * 10 + (*s->s - '0');
		if (v >= SKIP_MAX)
			return -1;
	}
	return v;
}

static bool take_char(struct slice *s, char c)
{
	if (!s->n || *s->s != c)
		return false;
	s->s++;
	s->n--;
	return true;
}

/* "9", "0-7", or "9-", which ends the list. */
static int take_range(struct skip_set *s, struct slice *text)
{
	int64_t first = take_number(text), last = first;
	if (first < 0)
		return -1;
	if (take_char(text, '-')) {
		if (text->n == 0) {
			make_room(s, (uint32_t)first);
			add_range(s, (uint32_t)first, (uint32_t)(s->n * 64 - 1));
			s->rest = true;
			return 0;
		}
		last = take_number(text);
	}
	if (last < first)
		return -1;
	add_range(s, (uint32_t)first, (uint32_t)last);
	return 0;
}

int skip_parse(struct skip_set *s, struct slice text, struct err *e)
{
	*s = (struct skip_set){ 0 };
	struct slice at = text;
	while (at.n > 0)
		if (take_range(s, &at) != 0 || (at.n > 0 && (!take_char(&at, ',') || at.n == 0))) {
			skip_done(s);
			return err_set(e, "\"%.*s\" is no list of numbers such as 0-7,9", text.n > 40 ? 40 : (int)text.n, text.s);
		}
	return 0;
}

void skip_print(struct buf *b, const struct skip_set *s)
{
	const char *comma = "";
	size_t all = s->n * 64;
	for (size_t i = 0; i <= all; i++) {
		size_t first = i;
		while (i < all && skip_has(s, (uint32_t)i))
			i++;
		if (i == all && s->rest) {
			buf_printf(b, "%s%zu-", comma, first);
			return;
		}
		if (i == first)
			continue;
		buf_printf(b, i - first > 1 ? "%s%zu-%zu" : "%s%zu", comma, first, i - 1);
		comma = ",";
	}
}
