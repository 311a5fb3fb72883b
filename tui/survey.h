/* survey.h - what is known of a whole run after going through it once, in slices between frames.
 *
 * It holds places and counts, never texts. Until it has come to the end, those who ask
 * get what there is, and `seen` says how far that is. */
#ifndef DLAB_SURVEY_H
#define DLAB_SURVEY_H

#include "moment.h"

enum { SURVEY_BUCKETS = 512, SURVEY_KEY_EVERY = 4096 };

/* Places in the trace, ascending. */
struct places {
	uint32_t *seq; /* owned */
	size_t n, cap;
};

/* With its time, so that where it belongs on an axis is known without reading it. */
struct mark {
	uint32_t seq;
	uint8_t kind;  /* enum event_kind */
	int64_t t_ns;
};

struct operation {
	int64_t call_ns;
	uint32_t call, reply; /* places; reply 0: none yet */
	int16_t client, node; /* lanes */
};

struct survey {
	uint64_t seen;          /* events so far */
	int64_t end_ns;
	struct mark *marks;     /* owned; what changes nodes or network: faults, starts again, ends, pauses, the verdict */
	size_t marks_n, marks_cap;
	struct places logs;     /* stderr */
	struct places commands; /* tc, nft, docker */
	struct moment now;      /* after `seen` */
	struct moment *keys;    /* owned; before every SURVEY_KEY_EVERY events */
	size_t keys_n, keys_cap;
	struct operation *ops;  /* owned; by their calls */
	size_t ops_n, ops_cap;
	uint32_t pending[CLIENTS_MAX]; /* 1 + index in ops of what a client waits for */
	int64_t bucket_ns;      /* doubles when the run outgrows its buckets */
	uint32_t *count;        /* owned; [lane of a node][bucket] */
	uint32_t lost[SURVEY_BUCKETS];
	int nodes;
	bool clients, services; /* act in it */
};

void survey_init(struct survey *, const struct lanes *);
void survey_done(struct survey *);
/* Goes on for about that long. True while there is more. */
bool survey_go(struct survey *, struct source *, int64_t budget_ns);
/* How things stood after event seq. Where the survey has not come yet, it is put together from the events just before, and
 * false is returned. */
bool survey_moment(const struct survey *, struct source *, uint64_t seq, struct moment *);
/* Index of the last place that is not after seq; -1 when none is. */
int64_t places_find(const struct places *, uint64_t seq);
uint32_t survey_count(const struct survey *, int node, int bucket);

#endif
