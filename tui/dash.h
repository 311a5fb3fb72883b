/* dash.h - the dashboard's model: a run, a place in it, and what the person looks at. No terminal.
 *
 *   keys --> action.c --> struct dash --> view_*.c --> struct grid --> term.c
 *              |
 *              `--> verbs: lines for a live run (`dlab run`), or a fork of a stored one
 *
 * Drawing reads the model and changes nothing but what it keeps of the file. */
#ifndef DLAB_DASH_H
#define DLAB_DASH_H

#include "filter.h"
#include "grid.h"
#include "home.h"
#include "moment.h"
#include "points.h"
#include "survey.h"

/* Number, name, what it shows. 1 to 7 are the keys. */
#define DASH_VIEWS(X) \
	X(HOME, "Home", "the roadmap") X(CLUSTER, "Cluster", "nodes, links and messages under way") \
	X(FLOW, "Flow", "messages between columns, time downwards") X(TIMELINE, "Timeline", "the whole run at once") \
	X(LOGS, "Logs", "what the nodes wrote to stderr") X(OPS, "Operations", "what clients asked") \
	X(SCORE, "Score", "the verdict, and the tests of the lab") X(COMMANDS, "Commands", "every tc, nft and docker command") \
	X(GUIDE, "Guide", "a lab's guide")

enum view {
#define X(name, text, meaning) VIEW_##name,
	DASH_VIEWS(X)
#undef X
	VIEW_COUNT
};

enum prompt_kind { PROMPT_NONE, PROMPT_COMMAND, PROMPT_FIND, PROMPT_FILTER, PROMPT_SURE };
enum { PROMPT_MAX = 240, MIN_W = 60, MIN_H = 20 };

struct dash;

/* What the dashboard can ask of the world. Any of them may be NULL: it can't be done here. */
struct verbs {
	void *ctx; /* borrowed */
	/* A line as `dlab run` reads it. 0, or -1 and an error. */
	int (*send)(void *ctx, const char *line, struct err *);
	/* Starts a live run that repeats this one up to t, and opens it. */
	int (*fork)(void *ctx, struct dash *, int64_t t_ns, struct err *);
	/* Opens another run's file: the newest of a lab. */
	int (*open)(void *ctx, struct dash *, const char *run, struct err *);
	/* Writes the screen into a file. */
	int (*write)(void *ctx, const struct dash *, const char *path, struct err *);
	/* Puts a text where the terminal's clipboard takes it. */
	void (*copy)(void *ctx, struct slice text);
	/* The demo's next step, or the one before. */
	void (*demo)(void *ctx, int step);
};

/* What stands in the demo's box; all borrowed, NULL: no demo. */
struct narration {
	const char *title, *say, *gate;
	int step, steps;
};

struct dash {
	enum view view, before;     /* before: where Esc goes back to from the guide */
	bool ascii, presenter, blank;
	struct verbs verbs;
	struct narration narration;

	struct source *source;      /* owned; NULL: no run */
	struct survey survey;
	struct points points;       /* found when Operations is shown */
	bool live, live_sim;        /* another process is at it, and takes lines; on sim its time goes as far as we let it */
	uint64_t at;                /* the chosen event; 0: before the first */
	int64_t t_ns;               /* the playhead; not before the chosen event */
	bool playing, follow;
	double speed;
	struct moment moment;       /* after `at` */
	bool moment_known;

	struct filter filter;
	char find[PROMPT_MAX];
	bool all;                   /* hide nothing of Flow: repeats, states without news */
	bool causes;                /* mark past, future and what is concurrent */
	bool inspector, help;
	int row;                    /* Flow: the line of the screen on which the chosen event stands */
	int node;                   /* whom verbs are for */
	int pane;                   /* which part of a view has the keys */
	int evidence;               /* Score: which of the verdict's events */
	int scroll;                 /* Guide, help, inspector: first line */
	int64_t from_ns, to_ns;     /* Timeline's window; to_ns 0: all */

	struct home home;
	struct buf guide;           /* owned; with the marks of grid_style */
	char guide_lab[64];
	int guide_w;                /* for which it was wrapped */

	enum prompt_kind prompt;
	char typed[PROMPT_MAX];
	size_t typed_n;
	char pending[PROMPT_MAX];   /* what is done when the person is sure */
	char message[PROMPT_MAX];
	bool message_bad, quit;
	int64_t quiet_ns;           /* how long nothing new came of a live run */
};

void dash_init(struct dash *, bool ascii);
void dash_done(struct dash *);
/* 0, or -1 and an error; then the run that was open stays. */
int dash_open(struct dash *, const char *path, struct err *);
/* Real time has passed: the survey, the file's end, the playhead. True when the screen may look different now. */
bool dash_tick(struct dash *, int64_t dt_ns);
/* Chooses an event; 0 is before the first. */
void dash_goto(struct dash *, uint64_t seq);
/* The next (or the last) event that Flow shows; false when there is none. */
bool dash_step(struct dash *, int by);
/* True for an event that has a row in Flow. */
bool dash_shows(struct dash *, const struct event *);
/* How things stand after the chosen event. */
const struct moment *dash_moment(struct dash *);
int64_t dash_end_ns(const struct dash *);
void dash_say(struct dash *, bool bad, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* A copy of the guide of a lab, wrapped; 0, or -1 and an error. */
int dash_guide(struct dash *, const char *lab, int width, struct err *);

/* Draws all of it. */
void dash_draw(struct dash *, struct grid *);

/* --- the views --- */
void view_home(struct dash *, struct grid *, struct rect);
void view_cluster(struct dash *, struct grid *, struct rect);
void view_flow(struct dash *, struct grid *, struct rect);
void view_timeline(struct dash *, struct grid *, struct rect);
void view_logs(struct dash *, struct grid *, struct rect);
void view_ops(struct dash *, struct grid *, struct rect);
void view_score(struct dash *, struct grid *, struct rect);
void view_commands(struct dash *, struct grid *, struct rect);
void view_guide(struct dash *, struct grid *, struct rect);
void view_inspector(struct dash *, struct grid *, struct rect);
void view_help(struct dash *, struct grid *, struct rect);
/* The nodes' cards and who reaches whom; for the side of Flow and Cluster. */
void view_cards(struct dash *, struct grid *, struct rect);
const char *view_name(enum view);    /* static */
const char *view_meaning(enum view); /* static */

#endif
