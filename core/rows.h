/* rows.h - a trace as rows for people: time downwards, one row per event, a column per node.
 *
 *       seq   time clients n1      n2      n3
 *        31  0.120 ├──────▶│       │       │       c2: add value=3
 *        33  0.121 │       │       ├──────▶│       gossip values=[3]  0.8 ms
 *        34  0.122 │       ├╌╌╌╌╌╌╌┼╌╌╌╌╌╌✗│       gossip values=[3]  lost: cut
 *        35  0.130 ══ cut n1 > n3 ═══════════════════════════════════════════════
 *
 * A message has one row: where it arrives or is lost. Its leaving is told there ("12.1 ms on the way"). Lifelines: a full
 * one is up, a dotted one paused, none down. When the columns do not fit, the form is "n1 > n3" in words. Nothing here
 * writes to a file; text of nodes is made harmless. */
#ifndef DLAB_ROWS_H
#define DLAB_ROWS_H

#include "style.h"
#include "trace.h"

enum { ROWS_NODES_MAX = 9 }; /* with more, no columns */

struct rows {
	/* The SEND, CALL or REPLY that a RECV or DROP ends, or NULL; its text lives until the row is printed. */
	const struct event *(*sent)(void *ctx, const struct event *);
	void *sent_ctx;            /* borrowed */
	const struct lanes *lanes; /* borrowed */
	const struct style *style; /* borrowed */
	const uint64_t *ended;     /* borrowed; bit m: message m has arrived or was lost; NULL: not known */
	uint64_t ended_n;          /* messages it knows of */
	bool ascii, all;           /* all: hide nothing */
	bool columns;
	int width, cell;           /* characters: of a row, of a column */
	int seq_width, time_width;
	int client_column, service_column; /* -1: none */
	int n;                     /* columns */
	uint8_t life[NODES_MAX];
	struct slice state[NODES_MAX]; /* the last report; borrowed from the event that it came with */
};

/* What the columns must hold. */
struct rows_plan {
	int width;
	bool columns;              /* wanted; they come when they fit */
	bool clients, services;    /* who acts beside the nodes */
	uint64_t last_seq;         /* for the widths of the numbers */
	int64_t last_ns;
};

/* Of the messages of a trace, which may grow. The trace is borrowed. */
void rows_init(struct rows *, const struct trace *, const struct style *, const struct rows_plan *);
/* Of events from elsewhere: `sent` finds where a message began. */
void rows_init_with(struct rows *, const struct lanes *, const struct style *, const struct rows_plan *,
	const struct event *(*sent)(void *, const struct event *), void *ctx);
/* The line with the names. */
void rows_head(struct buf *, const struct rows *);
/* True for an event that has no row of its own unless `all` is set. */
bool rows_hides(const struct rows *, const struct event *);
/* One row with its newline. Marked: one of those that the verdict rests on. */
void rows_print(struct buf *, const struct rows *, const struct event *, bool marked);
/* Every event, in order, printed or not, after it was printed: who is up, who said what last. */
void rows_see(struct rows *, const struct event *);

/* A body for people: add value=3. Anything that is no object with a type is shown as it stands. */
void rows_print_body(struct buf *, struct slice body);
/* True when the locale has no UTF-8. */
bool rows_ascii(void);

#endif
