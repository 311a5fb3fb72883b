/* kv_client.h - clients of a replicated key-value store that do not give up: one operation, several requests.
 *
 * An operation is `read {key}`, `write {key,value}` or `cas {key,from,to}`. A client asks a node; when that did not work it asks
 * again, and each request of one operation carries the same pair `session`, `seq`, so that the store can tell a repetition from
 * something new (Raft (extended version), section 8; Ongaro's thesis, section 6.3):
 *
 *   error 11, 14, ...: it did not happen     ->  the node that `leader` names, or the next one, after 50 ms
 *   no answer within 1 s, error 0, error 13  ->  perhaps it did: the next one
 *   10 s after the first request             ->  over: MAYBE; FAILED when every request was definitely refused
 *
 * A session has one operation at a time. After a MAYBE the client takes a new session: a late request of the old one may still be
 * under way. Every value is written once in a run, so a read tells whose write it saw: 3012 is of client 3's 12th operation.
 *
 * In the run's history each request is an op of its own; the operations stand here. */
#ifndef DLAB_KV_CLIENT_H
#define DLAB_KV_CLIENT_H

#include "check_model.h"
#include "lab.h"

enum { KV_TRY_MS = 1000, KV_PAUSE_MS = 50, KV_GIVE_UP_MS = 10000, KV_KEYS_MAX = 16, KV_BY_HAND = 21 };

struct kv_op {
	struct kv *kv;         /* which it belongs to */
	int f;                 /* LIN_READ, LIN_WRITE, LIN_CAS */
	int64_t key, value;    /* value: write, cas: the new one */
	int64_t from;          /* cas: the value that is expected */
	int64_t result;        /* read: the value, LIN_NIL when there is no such key; cas: 1 done, 0 refused */
	bool no_key;           /* cas: refused with error 20 */
	int64_t session, seq;
	uint8_t status;        /* enum op_status; PENDING: goes on */
	bool perhaps;          /* a request may have been carried out, and nobody said so */
	struct op **tries;     /* its requests; in the run's arena */
	size_t tries_n, tries_cap;
	const struct op *answered; /* the request whose answer counts; NULL: none */
	int64_t give_up_ns;
	lane_set nodes;        /* whom the client asks */
	int next;              /* whom it asks next */
	bool led;              /* `next` is what the last answer named */
};

struct kv {
	struct kv_op **ops;    /* in the order of their first requests; in the run's arena */
	size_t n, cap;
	int64_t sessions;      /* given so far */
	int clients;           /* of those asked one by one */
	const struct op *answered; /* the last request with a result; NULL: none yet */
	struct kv_client *client[CLIENTS_MAX]; /* of a workload, by client number */
};

struct kv_client {
	struct kv *kv;
	int number;            /* of a workload: the client's; else from KV_BY_HAND on */
	int64_t asked;         /* operations so far, also those that are left out */
	int64_t session, seq;
	lane_set nodes;        /* whom it asks */
	int64_t seen[KV_KEYS_MAX]; /* the last value that it saw of a key: what a cas expects */
};

struct kv *kv_new(struct play *);

/* --- many clients: the callbacks of a struct workload; its arg is a struct kv_load --- */
struct kv_load {
	struct kv *kv;
	lane_set nodes;        /* whom they ask */
	int keys;              /* 0 .. keys - 1 */
	int first_key;         /* ... from this one on */
	unsigned reads, writes;/* percent; the rest are cas */
};
/* Starts it, as play_workload_start does, with fewer than KV_BY_HAND clients. rate 0: one operation after another. */
void kv_load_start(struct play *, struct kv_load *, const struct workload *);

/* --- one by one --- */
struct kv_client *kv_client_new(struct play *, struct kv *, lane_set nodes);
struct kv_op *kv_read(struct play *, struct kv_client *, int64_t key);
struct kv_op *kv_write(struct play *, struct kv_client *, int64_t key);
struct kv_op *kv_cas(struct play *, struct kv_client *, int64_t key, int64_t from);
/* Sends one request of it. */
struct op *kv_try(struct play *, struct kv_op *, int node);
/* Looks at what came of its last request, which has ended. In how many ms to try again; -1: the operation is over. */
int64_t kv_take(struct play *, struct kv_op *);
/* Goes on until it is over. The last request may be under way. */
void kv_finish(struct play *, struct kv_client *, struct kv_op *);
/* The client lets go of an operation that is not over. What it knows of it stays. */
void kv_let_go(struct kv_client *, struct kv_op *);

/* --- telling --- */
/* "the write of 3012", "the read of key 2", "the compare-and-set from 2007 to 3012" */
const char *kv_name(struct play *, const struct kv_op *);
/* "4 requests from 2.001 s on: n1 answered error 11 twice, n2 did not answer" */
const char *kv_story(struct play *, const struct kv_op *);
static inline uint64_t kv_call(const struct kv_op *o) { return o->tries_n ? o->tries[0]->call_seq : 0; }
static inline int64_t kv_call_ns(const struct kv_op *o) { return o->tries_n ? o->tries[0]->call_ns : 0; }

#endif
