/* shape.h - from the rules of links to what nft, iptables and tc are told. Pure: it only writes text.
 *
 * Who does what, the first that the machine can:
 *   cut                   nftables at the receiver's input, iptables there          the agent of the receiver
 *   loss                  netem at the sender, nftables or iptables at the receiver  the agent of the sender
 *   doubles               netem, where several may stand in one tree                the agent of the sender
 *   latency, reordering   netem                                                     the agent of the sender
 *   rate                  netem, htb alone                                          the agent of the sender
 *
 * A cut is made where messages arrive: there nobody tells the sender, as on a real network. netem stands below one
 * htb class for each peer; a class and its filter are made once, netem is changed in place, so no queue is lost. */
#ifndef DLAB_SHAPE_H
#define DLAB_SHAPE_H

#include "link.h"

struct shaping {
	bool nft, iptables; /* one of them at most */
	bool netem, netem_doubles;
	bool htb;           /* asked for where netem is missing */
};

/* One pod, as its scripts need to know it. */
struct shape {
	const struct lanes *lanes;      /* borrowed */
	const char (*address)[16];      /* borrowed; of every pod: the nodes', and after them the clients' where there is one */
	int pods;
	int me;
	struct network clients;         /* between the clients' pod and every other */
	bool rooted;                    /* the htb stands */
	lane_set classed;               /* peers that have a class */
};

/* FAULT_BITs of what the agents must do themselves. */
unsigned shape_agent_kinds(const struct shaping *);
/* The tool that cuts: "nft", "iptables"; NULL: the agents do. static */
const char *shape_cut_tool(const struct shaping *);
/* For that tool. The node may speak to its peers only. */
void shape_print_base(struct buf *, const struct shape *, const struct shaping *);
/* Likewise. Cuts and, without netem, losses: one atomic script that can be repeated. False: nothing is dropped by it. */
bool shape_print_cuts(struct buf *, const struct shape *, const struct shaping *, const struct link *);
/* What tc does to messages to every peer. Nothing is written when nothing was ever shaped. */
void shape_print_tc(struct buf *, struct shape *, const struct shaping *, const struct link *);
/* Scripts that fail where netem is missing, or may not double beside another netem. */
const char *shape_probe_netem(void);   /* static */
const char *shape_probe_doubles(void); /* static */
const char *shape_probe_htb(void);     /* static */
/* "cuts by nftables, delays by netem" */
void shape_print_status(struct buf *, const struct shaping *);

#endif
