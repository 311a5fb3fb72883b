/* filter.h - which events a person wants to see: `type=append_entries node=n2 kind=drop !heartbeat`.
 *
 * Terms are separated by spaces and must all hold; ! before one turns it round. A word without = is looked for in the
 * body and in the type. A filter that cannot be read matches everything and says why. */
#ifndef DLAB_FILTER_H
#define DLAB_FILTER_H

#include "source.h"

enum { FILTER_TERMS = 16, FILTER_TEXT = 200 };

enum filter_what { FILTER_WORD, FILTER_TYPE, FILTER_NODE, FILTER_KIND };

struct filter_term {
	uint8_t what; /* enum filter_what */
	bool not;
	int lane, kind;
	struct slice value; /* borrowed from the filter's text */
};

struct filter {
	char text[FILTER_TEXT];
	struct filter_term term[FILTER_TERMS];
	int n;
	char wrong[120]; /* why it cannot be read; empty: it can */
};

/* An empty text matches everything. False when it cannot be read. */
bool filter_set(struct filter *, const struct lanes *, const char *text);
bool filter_matches(const struct filter *, struct source *, const struct event *);
/* What /find does: the word, in any case of its letters, somewhere in what the event says. */
bool event_says(struct source *, const struct event *, struct slice word);

#endif
