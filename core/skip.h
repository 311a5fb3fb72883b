/* skip.h - what a run leaves out: a set of ordinals.
 *
 * An ordinal names an operation of a workload or a fault for all runs with one seed, whatever else is left out: it
 * is made of who does it (the play, the nemesis, a client) and of how many that one did before.
 *
 *     ordinal = place * SKIP_STREAMS + stream        stream 0: the play's faults, 1: the nemesis's, 2 + k: client k
 *
 * As text it is "0-7,9", or "0-7,9-" when everything from 9 on is left out too. */
#ifndef DLAB_SKIP_H
#define DLAB_SKIP_H

#include "base.h"
#include "lanes.h"

enum { STREAM_PLAY, STREAM_NEMESIS, STREAM_CLIENT, SKIP_STREAMS = STREAM_CLIENT + CLIENTS_MAX };
enum { SKIP_MAX = 1 << 26 }; /* ordinals that a set can name one by one */

struct skip_set {
	uint64_t *words; /* bit i of words[i / 64] for ordinal i; whoever made the set owns it (skip_done) */
	size_t n;        /* words */
	bool rest;       /* everything beyond the words too */
};

bool skip_has(const struct skip_set *, uint32_t ordinal);
/* True when no ordinal is left out. */
bool skip_is_empty(const struct skip_set *);
/* True when this ordinal, or a later one of its stream, is not left out. */
bool skip_keeps_later(const struct skip_set *, uint32_t ordinal);
/* All but n ordinals, which are sorted. */
void skip_all_but(struct skip_set *, const uint32_t *kept, size_t n);
/* 0, or -1 and an error; an empty text is an empty set. */
int skip_parse(struct skip_set *, struct slice, struct err *);
void skip_print(struct buf *, const struct skip_set *);
void skip_done(struct skip_set *);

#endif
