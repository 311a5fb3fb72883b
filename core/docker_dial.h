/* docker_dial.h - how the harness stands in the clients' pod without being in it: the pod's agent makes TCP sockets there
 * and passes them on (pass.h). A socket belongs to the network in which it was made, whoever connects it.
 *
 * The harness listens on a unix socket in a folder of its own, which is mounted into the agent's container; the agent
 * connects, says the run's token, and gives a socket for each byte that it gets. That needs an engine on this machine. */
#ifndef DLAB_DOCKER_DIAL_H
#define DLAB_DOCKER_DIAL_H

#include "base.h"

struct dial {
	char *folder;   /* owned; to be mounted */
	int listener, agent; /* -1: closed */
};

/* Makes the folder below `parent` and listens. */
int dial_open(struct dial *, const char *parent, struct err *);
/* Once the agent has said that it is there. */
int dial_accept(struct dial *, uint64_t token, struct err *);
/* A TCP socket of the clients' pod: not blocking, not connected, owned by the caller. -1: errno says why. */
int dial_socket(struct dial *);
/* Closes all and removes the folder. All zero is harmless. */
void dial_done(struct dial *);

#endif
