/* lanes.h - who can send or receive: a lane is a small number that stands for a name.
 *
 *   0 .. nodes-1            nodes       "n1", "n2", ... (or "n0", ... in Maelstrom's manner)
 *   nodes .. nodes+3        services    "lin-kv", "seq-kv", "lww-kv", "lin-tso"
 *   nodes+4 .. count-1      clients     "c0", "c1", ... ("c0" is the harness's own: it says init)
 *
 * Sets of nodes and services are 64-bit masks of lanes, so there are at most 60 nodes. */
#ifndef DLAB_LANES_H
#define DLAB_LANES_H

#include "base.h"

enum { NODES_MAX = 60, SERVICES = 4, CLIENTS_MAX = 132, LANES_MAX = NODES_MAX + SERVICES + CLIENTS_MAX };
enum service { SERVICE_LIN_KV, SERVICE_SEQ_KV, SERVICE_LWW_KV, SERVICE_LIN_TSO };
enum { LANE_NONE = -1, LANE_DLAB = -2, LANE_UNKNOWN = -3 };

typedef uint64_t lane_set; /* bit i: lane i; only nodes and services */

struct lanes {
	int nodes;
	int first; /* the number in the first node's name: 0 or 1 */
	char name[LANES_MAX][12];
	uint8_t name_n[LANES_MAX];
};

void lanes_init(struct lanes *, int nodes, int first);
static inline int lane_service(const struct lanes *l, int service) { return l->nodes + service; }
static inline int lane_client(const struct lanes *l, int client) { return l->nodes + SERVICES + client; }
static inline int lanes_count(const struct lanes *l) { return l->nodes + SERVICES + CLIENTS_MAX; }
static inline bool lane_is_node(const struct lanes *l, int lane) { return lane >= 0 && lane < l->nodes; }
static inline bool lane_is_service(const struct lanes *l, int lane)
{
	return lane >= l->nodes && lane < l->nodes + SERVICES;
}
static inline bool lane_is_client(const struct lanes *l, int lane) { return lane >= l->nodes + SERVICES; }
static inline lane_set lane_bit(int lane) { return (lane_set)1 << lane; }
/* All nodes, without the services. */
lane_set lanes_all_nodes(const struct lanes *);

/* The lane of a name; LANE_DLAB for "dlab", LANE_UNKNOWN for a name that nobody has. */
int lane_find(const struct lanes *, struct slice name);
/* Static for the life of the lanes; "?" for a lane that is not one. */
const char *lane_name(const struct lanes *, int lane);
/* "n1, n3" */
void lane_set_print(struct buf *, const struct lanes *, lane_set);

#endif
