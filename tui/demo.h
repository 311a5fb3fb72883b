/* demo.h - scripted scenes for a class: what is said, what is done, and which real event it waits for.
 *
 * A scene never pretends: each step ends when its condition holds in the trace, and says so when it does not come. The
 * runner has no terminal and no clock: the dashboard and `dlab demo --plain` both call it.
 *
 *   SAYING --gate's key, or none--> PLAYING --condition, or time--> next step ... --> OVER
 *                                      `-----limit without it-----> FAILED
 *
 * Names: $A ... $Z stand for nodes (or several, "n2,n3") that are bound while it runs. */
#ifndef DLAB_DEMO_H
#define DLAB_DEMO_H

#include "source.h"

enum { DEMO_NAMES = 26, DEMO_NAME_MAX = 80, DEMO_TEXT_MAX = 700, DEMO_APPLIED_MAX = 400 };

struct demo_run;

struct demo_step {
	const char *say;    /* one to three short sentences */
	const char *notes;  /* for the speaker: what to ask, what to expect */
	const char *gate;   /* shown, and time stands still until its key; NULL: it goes on by itself */
	const char *act;    /* lines as `dlab run` reads them, one behind another; NULL: none */
	bool (*until)(struct demo_run *); /* whether what is known now is enough; binds names; NULL: only time_ms */
	const char *who, *what; /* of `until` */
	int64_t time_ms;    /* of the run's clock: how long (without until), or for how long until holds; the last moment counts */
	int64_t limit_ms;   /* how long until is waited for; 0: 30 s */
};

struct demo {
	const char *id, *title;
	const char *teaches; /* one sentence for the list */
	const char *node;   /* below dlab's home: "solutions/raft/python/raft.py" */
	int nodes;
	int64_t latency_ms;
	double speed;       /* of the screen: virtual seconds a second */
	const struct demo_step *steps; /* ended by one without say */
};

extern const struct demo *const all_demos[]; /* ended by NULL */
const struct demo *demo_find(const char *id);
int demo_steps(const struct demo *);
/* The arguments of `dlab run` that start its cluster; owned (free each, and it). NULL and an error. */
char **demo_words(const struct demo *, const char *fabric, uint64_t seed, struct err *);
void demo_words_free(char **);

enum demo_phase { DEMO_SAYING, DEMO_PLAYING, DEMO_OVER, DEMO_FAILED };

/* What the nodes have told so far. */
struct demo_facts {
	bool up[NODES_MAX], leads[NODES_MAX], follows[NODES_MAX];
	int64_t term[NODES_MAX];
	char applied[NODES_MAX][DEMO_APPLIED_MAX]; /* commands, each behind a space */
	int oks, errors;      /* answers to clients since the step began */
	char answer[200];     /* the last one's body */
	int64_t now_ns;
};

struct demo_run {
	const struct demo *demo;
	const struct lanes *lanes; /* borrowed */
	int step;
	enum demo_phase phase;
	uint64_t seen;        /* events that were looked at */
	int64_t began_ns;     /* of the step's playing */
	int64_t met_ns;       /* when its condition held; -1: not yet */
	char name[DEMO_NAMES][DEMO_NAME_MAX];
	char say[DEMO_TEXT_MAX], notes[DEMO_TEXT_MAX], gate[DEMO_TEXT_MAX];
	struct demo_facts facts;
	int (*send)(void *ctx, const char *line); /* to the live run */
	void *ctx;
};

void demo_begin(struct demo_run *, const struct demo *, const struct lanes *, int (*send)(void *, const char *), void *ctx);
/* The gate's key. False when there is no gate at this moment. */
bool demo_go(struct demo_run *);
/* Takes in the events up to `seq`, then looks at the step: what it does next meets the nodes as they are now. True when step or
 * phase has changed. */
bool demo_see(struct demo_run *, struct source *, uint64_t seq, int64_t now_ns);
/* The gate's words; NULL when none is there now. */
const char *demo_gate(const struct demo_run *);
/* True while time should pass. */
bool demo_plays(const struct demo_run *);
void demo_bind(struct demo_run *, char name, lane_set nodes);
/* The nodes behind a name; 0: not bound. */
lane_set demo_nodes(const struct demo_run *, char name);

/* --- conditions that several demos use --- */
bool demo_leader(struct demo_run *);      /* one up node leads; binds A, R the others, B, C, ... them one by one */
bool demo_new_leader(struct demo_run *);  /* another than A leads in a later term; binds N, and M all but A and N */
bool demo_two_leaders(struct demo_run *); /* the same, and A leads still, in its own term */
bool demo_who_leads(struct demo_run *);   /* `who` leads in the highest term */
bool demo_other_leads(struct demo_run *); /* somebody up other than `who` leads in the highest term; binds N */
bool demo_who_follows(struct demo_run *);
bool demo_answered(struct demo_run *);    /* a client got an answer that is no error, with `what` in it (or NULL) */
bool demo_refused(struct demo_run *);     /* a client got an error */
bool demo_applied(struct demo_run *);     /* `who` (each) has applied the command `what` */

#endif
