/* docker_sweep.h - nothing of ours stays in the engine: every container, network and volume says by its labels whose it
 * is, and what has lost its owner is removed.
 *
 * A session is one process of dlab: its marker (guard.h) is the label. The owner is its process: number, start, pid
 * namespace and the machine's boot. Of a process in another pid namespace one cannot say whether it lives: it is left alone. */
#ifndef DLAB_DOCKER_SWEEP_H
#define DLAB_DOCKER_SWEEP_H

#include "docker_api.h"

#define DOCKER_LABEL_RUN "org.dlab.run"
#define DOCKER_LABEL_SESSION "org.dlab.session"
#define DOCKER_LABEL_NODE "org.dlab.node"
#define DOCKER_LABEL_ROLE "org.dlab.role"
#define DOCKER_LABEL_OWNER "org.dlab.owner"

/* Labels for something of this process; owned by the caller. node, role: NULL: none. */
json_t *docker_labels(const char *run, const char *session, const char *node, const char *role);

struct docker_swept {
	int containers, networks, volumes;
};

/* Removes what has lost its owner; `dry`: only counts it. */
int docker_sweep(struct docker *, bool dry, struct docker_swept *, struct err *);
/* Removes all of one session, whoever owns it: for the guard, after its death. Tries for 10 s. */
void docker_sweep_session(const char *session);
/* Removes all with that label and value; tries again while something is in use, until limit_ms. 0 when nothing is left. */
int docker_sweep_label(struct docker *, const char *label, const char *value, int limit_ms, struct err *);

#endif
