/* services.h - the four services that nodes may use, as pure state machines: a request goes in, a reply comes out.
 *
 * lin-kv   linearizable: one state.
 * seq-kv   sequential: the last 32 states are kept, and each sender has a place among them that never goes back. A
 *          request is answered at a random place between the sender's own and the newest, so a read may be stale. One
 *          that would change the state is done again on the newest and adds a state.
 * lww-kv   last write wins: two replicas. Each request first merges a random one into a random one, then
 *          meets a random one. The higher Lamport time wins a merge, so an acknowledged write may be lost.
 * lin-tso  timestamps: 0, 1, 2, ...
 *
 *     read {key} -> read_ok {value}       write {key, value} -> write_ok
 *     cas {key, from, to, create_if_not_exists} -> cas_ok          ts -> ts_ok {ts}
 *
 * Keys and values are any JSON and are compared by structure: the order of members does not count, 1 and 1.0 are
 * different. A read gives back the very text that was written. lww-kv does not heed create_if_not_exists. Errors: 20
 * the key does not exist, 22 the value is another than `from`, 10 no such request, 12 a member is missing.
 *
 * All chance comes from the seed: the same requests give the same replies. */
#ifndef DLAB_SERVICES_H
#define DLAB_SERVICES_H

#include "base.h"
#include "lanes.h"

struct services;

/* The caller owns the result (services_free). */
struct services *services_new(uint64_t seed);
void services_free(struct services *);

/* Carries out the request `body` of src on a service (enum service). When it has a msg_id, appends the reply's body, with
 * in_reply_to and without msg_id, and returns true. A request without one is carried out too, but has no reply. */
bool services_handle(struct services *, int service, struct slice src, struct slice body, struct buf *reply);

/* Appends what the service holds, as one JSON object for people. "keys" has one array for each key, in the order of
 * their first use: the key and its value, or for lww-kv its value at each replica; null where there is none. */
void services_print(struct buf *, const struct services *, int service);

#endif
