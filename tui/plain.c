/* plain.c - a run as lines, appended, one event each: for pipes, CI and screen readers. */
#include <poll.h>
#include <stdio.h>

#include "app.h"
#include "cmd.h"
#include "rows.h"
#include "text.h"

enum { LOOK_MS = 100 };

static void print_verdict(struct source *s)
{
	static const struct { const char *name, *key; } fields[] = { { "verdict", STORE_VERDICT }, { "rule", STORE_RULE },
		{ "expected", STORE_EXPECTED }, { "seen", STORE_SEEN }, { "next", STORE_HINT } };
	struct buf b = BUF_EMPTY;
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		const char *v = source_meta(s, fields[i].key);
		b.n = 0;
		text_add(&b, slice_of(v), SIZE_MAX, rows_ascii());
		if (*v)
			printf("%s: %s\n", fields[i].name, buf_cstr(&b));
	}
	buf_done(&b);
}

int plain_run(const char *path, struct err *e)
{
	struct source *s = source_open(path, e);
	if (!s)
		return -1;
	struct style style = style_of(stdout);
	struct rows rows;
	struct buf line = BUF_EMPTY;
	rows_init_with(&rows, source_lanes(s), &style, &(struct rows_plan){ .width = 200, .last_seq = 9999 }, source_sent_of, s);
	for (uint64_t q = 1;; q++) {
		while (q > source_count(s) && !source_finished(s) && !ferror(stdout)) {
			fflush(stdout);
			poll(NULL, 0, LOOK_MS); /* a file tells nobody that it grows */
			source_refresh(s);
		}
		const struct event *ev = source_at(s, q);
		if (!ev || ferror(stdout))
			break;
		if (!rows_hides(&rows, ev)) {
			line.n = 0;
			rows_print(&line, &rows, ev, false);
			fwrite(line.s, 1, line.n, stdout);
		}
		if (ev->kind != EVENT_STATE) /* its text does not outlive its page */
			rows_see(&rows, ev);
	}
	print_verdict(s);
	buf_done(&line);
	source_close(s);
	return EXIT_PASSED;
}
