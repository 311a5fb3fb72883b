#include "report.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

enum { FULL_BYTES = 4 << 20 };

void report_line(struct report *r, const char *word, struct slice rest)
{
	buf_str(&r->out, word);
	buf_char(&r->out, ' ');
	buf_int(&r->out, clock_ns());
	buf_char(&r->out, ' ');
	buf_slice(&r->out, rest);
	buf_char(&r->out, '\n');
}

void report_text(struct report *r, const char *word, const char *fmt, ...)
{
	struct buf b = BUF_EMPTY;
	va_list ap;
	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	report_line(r, word, buf_as_slice(&b));
	buf_done(&b);
}

bool report_waits(const struct report *r)
{
	return r->out.n > r->at;
}

bool report_full(const struct report *r)
{
	return r->out.n - r->at > FULL_BYTES;
}

bool report_flush(struct report *r)
{
	while (report_waits(r)) {
		ssize_t n = write(STDOUT_FILENO, r->out.s + r->at, r->out.n - r->at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN;
		r->at += (size_t)n;
	}
	r->out.n = r->at = 0;
	return true;
}
