/* docker_where.h - which Docker engine is meant, found as the docker command finds it: DOCKER_HOST, then the context
 * (DOCKER_CONTEXT, or currentContext in config.json), then the usual socket. Only engines with a unix socket on this
 * machine will do: the nodes' folder is mounted into their containers. */
#ifndef DLAB_DOCKER_WHERE_H
#define DLAB_DOCKER_WHERE_H

#include "base.h"

/* The path of the socket; owned by the caller. NULL and a sentence that says what to do. */
char *docker_where(struct err *);

#endif
