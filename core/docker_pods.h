/* docker_pods.h - the containers of one cluster: a network, and for each node a pod of two containers (docker/pod.h). For
 * raw sockets there is one pod more, the last: that of the clients, with an agent's container only.
 *
 * pods_open makes all that can be made before a node is started, side by side; pods_close removes all of it. What the
 * learner's container may not: gain rights, write outside its folder and /tmp, use more memory, processes or files than the
 * limits say. The folder where nodes start, and those that the command's words name, are mounted read-only. */
#ifndef DLAB_DOCKER_PODS_H
#define DLAB_DOCKER_PODS_H

#include "docker_api.h"
#include "docker_dial.h"
#include "fabric.h"
#include "shape.h"

enum { POD_MEMORY_MB = 512, POD_DISK_MB = 256, POD_TMP_MB = 64, POD_PROCESSES = 256, POD_FILES = 16384, POD_PORT = 4711, PODS_MAX = NODES_MAX + 1 };

struct pod {
	char name[64];    /* of the learner's container */
	char agent[72];   /* its name */
	int control;      /* the agent's stdin and stdout; -1: closed */
};

struct pods {
	const struct cluster *cluster; /* borrowed */
	struct docker *docker;         /* owned */
	char run[64];                  /* the network's name, and the beginning of all others */
	int count;                     /* of pods: the nodes', and the clients' where there is one */
	char address[PODS_MAX][16];
	struct pod pod[PODS_MAX];
	struct dial dial;              /* the clients' pod */
	int port;                      /* at which a node serves raw sockets; 0: it does not */
	uint64_t token;
	bool made;                     /* there is something to remove */
};

int pods_open(struct pods *, const struct cluster *, struct err *);
void pods_close(struct pods *);
/* "n1", "the clients" */
const char *pod_owner(const struct pods *, int pod);
/* PID 1 of the learner's container, by this machine's numbers; 0: it is not known. */
pid_t pods_pid(const struct pods *, int node);
/* Whether the engine says that the node's container was ended for want of memory; waits until it has ended. */
bool pods_out_of_memory(struct pods *, int node);
/* "POST kill" and its like for the learner's container of every node in the set; waits. */
int pods_each(struct pods *, lane_set nodes, const char *verb, struct err *);
/* What the engine's kernel can do, asked of a container of its own. */
int pods_probe(struct docker *, struct shaping *, struct err *);
/* The image of the agents: "dlab-agent:0.1.0". */
const char *pods_agent_image(void);
/* What is wrong with it, to follow its name: "is not there", "holds the agents of another dlab", or the engine's own words
 * in *e. NULL: nothing. */
const char *pods_agent_image_fault(struct docker *, struct err *e);

#endif
