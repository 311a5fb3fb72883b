/* export_scene.h - a part of a run as a picture needs it: columns, moments from the top down, messages and spans.
 *
 * A scene holds at most `most` events, so it is in memory, with the texts cut. It is what svg, html and mermaid draw. A
 * moment is one event that has a place of its own; the order of moments is that of the run, not its clock, so a burst
 * stays readable and a pause does not make a picture of a kilometre. An arrow joins the moment where a message left
 * with the one where it ended; either may be outside the part that is shown. */
#ifndef DLAB_EXPORT_SCENE_H
#define DLAB_EXPORT_SCENE_H

#include "export.h"

enum { SCENE_COLUMNS_MAX = 72, SCENE_OUTSIDE = -1, SCENE_TEXT_COLUMNS = 72, SCENE_NODES = 9, SCENE_CLIENTS = 3 };

struct scene_moment {
	uint64_t seq;
	int64_t t_ns;
	int kind;          /* enum event_kind */
	int src, dst;      /* columns; SCENE_OUTSIDE: of nobody */
	uint64_t msg;
	uint8_t why;
	uint64_t skipped;  /* events between the one above and this one that were asked for and left out */
	bool evidence;     /* the verdict rests on it */
	struct slice says; /* harmless, cut; borrowed from the scene */
	struct slice body; /* of a message, or its type when it left outside; likewise */
	int arrow;         /* of a message: the first that begins or ends here; SCENE_OUTSIDE: none */
};

enum scene_fate { FATE_DELIVERED, FATE_DOUBLED, FATE_LOST, FATE_UNDER_WAY, FATE_COUNT };

struct scene_arrow {
	int from, to;      /* moments; SCENE_OUTSIDE: above or below the picture */
	int src, dst;      /* columns */
	int fate;          /* enum scene_fate */
};

/* From one moment to another: the network is not whole, or a node is down or paused. */
enum scene_state { SPAN_FAULT, SPAN_DOWN, SPAN_PAUSED, SPAN_COUNT };
struct scene_span {
	int state;         /* enum scene_state */
	int column;        /* SCENE_OUTSIDE: of all */
	int from, to;      /* moments; SCENE_OUTSIDE: from before, until after */
};

struct scene {
	struct arena arena;
	const char *column[SCENE_COLUMNS_MAX]; /* names; borrowed from the lanes, or static */
	int columns_n, columns_left;           /* columns_left: lanes that had no room */
	struct scene_moment *moments; /* owned */
	struct scene_arrow *arrows;   /* owned */
	struct scene_span *spans;     /* owned */
	int moments_n, arrows_n, spans_n;
	int moments_cap, arrows_cap, spans_cap;
	uint64_t left;                /* events asked for that are not in it */
};

/* When a verdict rests on events and no window was asked for: those and the events around each. Otherwise the first `most`
 * of what was asked for. 0, or -1 and an error; scene_done either way. */
int scene_read(struct scene *, struct export *, struct err *);
void scene_done(struct scene *);
/* What a message's arrow bears: its body, also where it arrives. */
struct slice scene_label(const struct scene *, const struct scene_moment *);
/* "lab/test failed: the rule", as it stands in the file; appended. */
void scene_print_title(struct export *, struct buf *);
/* "120 events from 0.250 s to 0.610 s; 2880 more are not shown" */
void scene_print_extent(const struct scene *, struct buf *);

/* The scene as an <svg> element, into the export's `out`. Title: plain text, as it stands in the file. */
void scene_draw_svg(struct export *, const struct scene *, struct slice title, bool standalone);

#endif
