/* export.h - a stored run in the form of another tool: one format, one file, one entry in export_formats.
 *
 * The run file is read page by page, so a format that keeps nothing (json) can write a run of any length. A format that
 * draws a picture shows the first `most` events that were asked for and counts the rest; the command says so.
 * Text of nodes may hold anything: each format escapes what its readers could mistake for its own signs, and shows
 * what is harmful (text.h) in a harmless form. */
#ifndef DLAB_EXPORT_H
#define DLAB_EXPORT_H

#include <stdio.h>

#include "event.h"
#include "store.h"

enum { EXPORT_WORDS_MAX = 32, EXPORT_PAGE = 256, EXPORT_ASKED_WRONGLY = -2 };

struct export_words {
	const char *word[EXPORT_WORDS_MAX]; /* borrowed until the export is done */
	int n;
};

struct export_ask {
	int64_t from_ns, to_ns; /* a window of the run's clock, both ends in it */
	bool windowed;          /* a person chose the window */
	struct export_words nodes, types;
	uint64_t most;          /* events; 0: the format's own number */
	const char *path;       /* the run file, as a person would type it; borrowed */
};

struct export {
	const struct export_ask *ask; /* borrowed */
	struct store_run *run;        /* borrowed */
	const struct lanes *lanes;    /* borrowed from run */
	FILE *file;                   /* borrowed */
	struct buf out;               /* what is not yet in file */
	uint64_t most, shown, left;   /* the limit; events told, and events asked for that were left out */
	bool lane[LANES_MAX];         /* whom ask->nodes names */
	struct slice types[TYPES_MAX]; /* names that were looked up; borrowed from run */
	struct arena texts;           /* of the page */
	struct event page[EXPORT_PAGE];
	int page_n, at;
	uint64_t next;                /* seq after the page */
};

/* A table from a message's number to a number of the format's own. Numbers of messages in a stranger's file may be
 * anything, so this grows with how many there are, not with how large they are. All zero: empty. */
struct export_index {
	struct export_slot {
		uint64_t key, value; /* key 0: free */
	} *slots; /* owned */
	size_t n, cap;
};

struct export_format {
	const char *name, *what; /* static */
	uint64_t most;           /* without --most */
	int (*write)(struct export *, struct err *); /* 0, or -1 and an error */
};

extern const struct export_format *const export_formats[]; /* ended by NULL */
const struct export_format *export_find(const char *name); /* NULL: none */

/* Writes the run into the file. 0; or -1 (or EXPORT_ASKED_WRONGLY) and an error. How much was told is in *shown, *left. */
int export_run(const struct export_format *, const struct export_ask *, struct store_run *, FILE *, uint64_t *shown,
	uint64_t *left, struct err *);

/* --- for the formats --- */

/* The next event of the run, wanted or not; NULL at the end, or after an error. Borrowed until the next call. */
const struct event *export_next(struct export *, struct err *);
/* Begins with the first event again. */
void export_rewind(struct export *);
/* True for an event in the window, of the nodes and of the types that were asked for. */
bool export_wants(struct export *, const struct event *);
/* Counts a wanted event: true when it is to be told, false when there are `most` already. */
bool export_takes(struct export *);
/* The type of a body; empty when it has none. Borrowed until the run is closed. */
struct slice export_type(struct export *, const struct event *);
/* Hands `out` to the file when it has grown. What fails is told at the end. */
void export_flush(struct export *, size_t above);

void export_index_put(struct export_index *, uint64_t key, uint64_t value); /* key > 0 */
/* `otherwise` when there is none. */
uint64_t export_index_get(const struct export_index *, uint64_t key, uint64_t otherwise);
void export_index_done(struct export_index *);

/* What happened, as a sentence without its subject: "sends n2 gossip values=[3]". Text of nodes stands in it as it is. A
 * message has two ends; `receiving` chooses the one of the receiver. */
void export_say(struct export *, struct buf *, const struct event *, bool receiving);

/* Text for XML and HTML, in an element or a quoted attribute: what is harmful, or no XML, becomes "?". */
void export_add_xml(struct buf *, struct slice);
/* What every page here begins with, up to the title's text, and how it looks. */
extern const char export_html_head[], export_html_css[];

#endif
