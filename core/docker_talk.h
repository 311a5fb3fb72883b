/* docker_talk.h - lines to a container and from it, over the stream that docker_attach gives. What it does not take at once
 * waits here; what comes is unpacked from the engine's frames (stream, 0, 0, 0, length in 4 bytes, big end first), and of
 * its stdout the whole lines are given. Never waits. */
#ifndef DLAB_DOCKER_TALK_H
#define DLAB_DOCKER_TALK_H

#include "base.h"
#include "child.h"

/* All zero but for fd. */
struct talk {
	int fd;                /* borrowed */
	struct buf out;        /* what has not gone out; from out_at */
	size_t out_at;
	struct buf frames;     /* what has come and is packed; from frames_at */
	size_t frames_at;
	struct line_buf lines; /* its stdout */
};

/* Put together a line; talk_flush sends it. */
#define talk_buf(t) (&(t)->out)
/* An end of the other side is seen when it is read. */
void talk_flush(struct talk *);
bool talk_waits(const struct talk *);
/* Takes what has come. False: the stream has ended. */
bool talk_read(struct talk *);
/* The next whole line, borrowed until the next call. False: there is none yet. */
bool talk_next(struct talk *, struct slice *line);
void talk_done(struct talk *);

#endif
