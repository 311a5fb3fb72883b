/* check_txn.h - are these transactions on lists serializable, and if not, how are they not?
 *
 * The method of Elle (Kingsbury and Alvaro, "Elle: Inferring Isolation Anomalies from Experimental Observations", VLDB 2020).
 * Clients append values to lists and read whole lists. A list shows the order in which it was appended to; so reads tell
 * which transaction must stand before which. Names are those of Adya ("Weak Consistency", MIT 1999):
 *
 *   ww  both append to a key, one right after the other        G0        a cycle of ww alone
 *   wr  one reads what the other appended last                 G1c       of ww and wr
 *   rw  one reads a list as it was before the other appended   G-single  with exactly one rw
 *                                                              G2        with two or more rw
 *
 * Every anomaly that is found is one: its witness proves it. That nothing is found proves that there is an order only when
 * reads show all that was appended; what no read shows may hide something. What ended without an answer counts as done
 * when somebody saw it, and is left out otherwise.
 *
 * Pure: no trace, no clock, no chance. The time is linear in the size of what was read (but for a logarithm) while all is
 * well; the search for cycles is at worst the product of transactions and edges. Input is borrowed until the call returns;
 * all output is in the arena. */
#ifndef DLAB_CHECK_TXN_H
#define DLAB_CHECK_TXN_H

#include "arena.h"
#include "base.h"

enum txn_f { TXN_APPEND, TXN_READ };
/* FAILED: it definitely did not happen. MAYBE: no answer. */
enum txn_status { TXN_OK, TXN_FAILED, TXN_MAYBE };

#define TXN_NOTHING INT64_MIN /* instead of a value: the list was empty */

struct txn_micro {
	int f;               /* enum txn_f */
	int64_t key;
	int64_t value;       /* append: no value is appended to a key twice */
	const int64_t *list; /* borrowed; read: what it showed; counts in a transaction that is OK */
	size_t list_n;
};

struct txn {
	uint64_t call, ret;  /* places in one sequence of events; ret counts when it is OK */
	int client;
	int status;          /* enum txn_status */
	const struct txn_micro *micro; /* borrowed; in their order */
	size_t micro_n;
	size_t index;        /* the caller's own: its place in the caller's history */
};

/* What must be kept besides the values. CLIENTS: what a client did before stands before ("strong session"). REAL_TIME:
 * what ended before another began stands before it ("strict"). */
enum txn_order { TXN_ANY_ORDER, TXN_CLIENTS, TXN_REAL_TIME };

/* What is promised, the strongest first. G2 breaks the first; G-single the first two; G1 the first three; G0 and what cannot
 * be in any history of lists, all. Consistent view is Adya's PL-2+; snapshot isolation promises it, and more. */
enum txn_level { TXN_SERIALIZABLE, TXN_CONSISTENT_VIEW, TXN_READ_COMMITTED, TXN_READ_UNCOMMITTED };

enum txn_kind {
	TXN_INTERNAL,     /* a transaction disagrees with what it did and saw itself; breaks what G-single breaks (as in Elle) */
	TXN_DUPLICATE,    /* a list shows a value twice */
	TXN_INCOMPATIBLE, /* of two reads of a key, neither is the beginning of the other */
	TXN_GARBAGE,      /* a list shows what nobody appended */
	TXN_G1A,          /* aborted read: it shows what a failed transaction appended */
	TXN_G1B,          /* intermediate read: it ends between two appends of another transaction */
	TXN_G0, TXN_G1C, TXN_G_SINGLE, TXN_G2,
	TXN_KINDS
};

enum txn_why { TXN_WW, TXN_WR, TXN_RW, TXN_BY_CLIENT, TXN_BY_TIME };

struct txn_edge {
	size_t from, to;   /* transactions, as given */
	int why;           /* enum txn_why */
	int64_t key;       /* ww, wr, rw */
	int64_t value;     /* ww, wr: appended by `from`; rw: the last that `from` saw, or TXN_NOTHING */
	int64_t next;      /* ww, rw: appended by `to` */
};

enum { TXN_SHOWN = 8 }; /* anomalies of a kind that are shown; all are counted */

struct txn_anomaly {
	int kind;          /* enum txn_kind */
	/* Not a cycle: whose read is wrong, which of its micro-operations; G1a, G1b: `other` appended the value; INCOMPATIBLE:
	 * the other read; INTERNAL: other == txn, or the append that stands in the wrong order (`other`, `other_micro`). */
	size_t txn, micro, other, other_micro;
	int64_t key, value; /* INCOMPATIBLE: no value */
	/* A cycle: each edge begins where the one before ends. */
	const struct txn_edge *edges;
	size_t edges_n;
	bool ordered;      /* it needs the order of clients or of time */
};

struct txn_options {
	int order; /* enum txn_order */
	int level; /* enum txn_level */
};

struct txn_report {
	bool ok;           /* nothing that the level forbids */
	int level, order;  /* as asked */
	size_t done;       /* transactions that happened: OK, or MAYBE and seen */
	size_t reads, unseen; /* reads that were judged; appends that happened and that no read shows */
	size_t found[TXN_KINDS]; /* INCOMPATIBLE, and cycles: one per key, and per group of transactions in cycles; else one per read */
	struct txn_anomaly *anomalies; /* by kind */
	size_t n;
};

struct txn_report txn_check(struct arena *, const struct txn *, size_t n, const struct txn_options *);
/* Static: "G-single" and so on. */
const char *txn_kind_name(int kind);
/* True when a level promises that there is no such anomaly. */
bool txn_forbids(int level, int kind);
/* For people; of each kind the first. */
void txn_print(struct buf *, const struct txn *, const struct txn_report *);

#endif
