/* docker_api.h - the Docker Engine API over its unix socket, by libcurl. Thin: it knows requests, answers and their
 * errors, not containers.
 *
 * Calls may be under way at the same time: docker_send begins one, docker_step moves all of them on, and call->done
 * says when one has its answer. docker_finish waits for several. The version is negotiated: the engine's own, but at
 * most 1.44 and at least 1.40. */
#ifndef DLAB_DOCKER_API_H
#define DLAB_DOCKER_API_H

#include <poll.h>

#include "base.h"
#include "json.h"

struct docker;

/* One request. All zero before docker_send; docker_call_done frees what it holds, also in mid-way. */
struct docker_call {
	bool done;
	long status;      /* of HTTP; 0: there was no answer */
	struct buf reply; /* owned */
	struct err err;   /* why there was no answer */
	struct docker *docker; /* borrowed */
	void *easy;       /* owned; libcurl's handle while it is under way */
	void *headers;    /* owned; libcurl's list */
	char *body, *url; /* owned */
	char what[64];    /* for sentences: "POST /containers/create" */
};

/* Finds the engine (docker_where.h), speaks to it, agrees on a version. */
struct docker *docker_open(struct err *);
/* An engine at a known socket. */
struct docker *docker_open_at(const char *socket, struct err *);
void docker_close(struct docker *);
const char *docker_socket(const struct docker *);  /* borrowed until docker_close */
const char *docker_version(const struct docker *); /* likewise; "1.41" */

/* body: JSON, or NULL; it is taken over (json_decref). */
void docker_send(struct docker *, struct docker_call *, const char *method, json_t *body, const char *path, ...) PRINTF_LIKE(5, 6);
/* Waits for an answer, for one of the descriptors (n may be 0) or for wait_ms, whichever is first. */
int docker_step(struct docker *, struct pollfd *, size_t n, int wait_ms, struct err *);
/* How many calls are under way. */
size_t docker_pending(const struct docker *);
/* Waits until all have their answers. 0 when all went well (2xx, or 304: it was so already); else the first error. */
int docker_finish(struct docker *, struct docker_call *, size_t n, struct err *);
/* Whether a call that is done went well; else a sentence with the engine's own words. */
int docker_check(const struct docker_call *, struct err *);
void docker_call_done(struct docker_call *);

/* One call from begin to end. The answer as JSON is put in *reply (owned by the caller; NULL: not wanted). */
int docker_do(struct docker *, const char *method, json_t *body, json_t **reply, struct err *, const char *path, ...) PRINTF_LIKE(6, 7);

/* A container's stdin, stdout and stderr on one descriptor, owned by the caller; what comes is framed (stream, 0, 0, 0,
 * length in 4 bytes, big end first). The container's id is borrowed. -1 and an error. */
int docker_attach(const struct docker *, const char *id, struct err *);

#endif
