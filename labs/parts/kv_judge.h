/* kv_judge.h - is there one order of all operations of a key-value store that explains every answer? And if not, why not, in
 * words.
 *
 * check_linear finds out, key by key, and gives the smallest contradiction: a few operations that have no order whatever the
 * others did. Every value is written once, so mostly it has one of a few well-known shapes, and the verdict names it: a value that
 * nobody wrote; an acknowledged write that is gone; a read that shows an old value; an operation that happened twice. */
#ifndef DLAB_KV_JUDGE_H
#define DLAB_KV_JUDGE_H

#include "kv_client.h"

/* Fails the test when there is no order; no verdict when the checker does not find out. */
void kv_judge(struct play *, const struct kv *);

#endif
