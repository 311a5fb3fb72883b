/* report.h - the agent's lines to the harness. They wait in memory while the harness is slow; report_full says when to
 * read no more from the node. */
#ifndef DLAB_REPORT_H
#define DLAB_REPORT_H

#include "base.h"

struct report {
	struct buf out;
	size_t at;
};

/* "WORD NOW " and then the rest of the line, without its newline. */
void report_line(struct report *, const char *word, struct slice rest);
void report_text(struct report *, const char *word, const char *fmt, ...) PRINTF_LIKE(3, 4);
bool report_waits(const struct report *);
bool report_full(const struct report *);
/* Writes what stdout takes. False when nobody reads any more. */
bool report_flush(struct report *);

#endif
