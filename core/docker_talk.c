#include "docker_talk.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "proto.h"

enum { HEAD = 8, STDOUT_FRAME = 1, READ_ROOM = 64 << 10, MOST = LINE_MAX_BYTES + 4096 };

/* --- out --- */

bool talk_waits(const struct talk *t)
{
	return t->out.n > t->out_at;
}

void talk_flush(struct talk *t)
{
	while (talk_waits(t)) {
		ssize_t w = send(t->fd, t->out.s + t->out_at, t->out.n - t->out_at, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return;
		t->out_at += (size_t)w;
	}
	t->out.n = t->out_at = 0;
}

/* --- in --- */

static void make_room(struct talk *t)
{
	if (t->frames_at == t->frames.n)
		t->frames.n = t->frames_at = 0;
	if (t->frames_at > READ_ROOM) {
		memmove(t->frames.s, t->frames.s + t->frames_at, t->frames.n - t->frames_at);
		t->frames.n -= t->frames_at;
		t->frames_at = 0;
	}
	buf_room(&t->frames, READ_ROOM);
}

bool talk_read(struct talk *t)
{
	make_room(t);
	ssize_t n = recv(t->fd, t->frames.s + t->frames.n, READ_ROOM, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n > 0)
		t->frames.n += (size_t)n;
	return n > 0;
}

static void add_bytes(struct line_buf *b, const char *s, size_t n)
{
	if (b->at == b->n)
		b->at = b->n = b->seen = 0;
	if (b->cap - b->n < n) {
		b->cap = 2 * (b->n + n);
		b->s = xrealloc(b->s, b->cap);
	}
	memcpy(b->s + b->n, s, n);
	b->n += n;
}

/* Unpacks one frame. False: none is whole. */
static bool unpack(struct talk *t)
{
	const unsigned char *h = (const unsigned char *)t->frames.s + t->frames_at;
	size_t left = t->frames.n - t->frames_at;
	size_t size = left < HEAD ? 0 : (size_t)h[4] << 24 | (size_t)h[5] << 16 | (size_t)h[6] << 8 | h[7];
	if (left < HEAD || left - HEAD < size)
		return false;
	if (h[0] == STDOUT_FRAME)
		add_bytes(&t->lines, (const char *)h + HEAD, size);
	t->frames_at += HEAD + size;
	return true;
}

bool talk_next(struct talk *t, struct slice *line)
{
	do
		if (line_next(&t->lines, MOST, false, line) != LINE_NONE)
			return true;
	while (unpack(t));
	return false;
}

void talk_done(struct talk *t)
{
	buf_done(&t->out);
	buf_done(&t->frames);
	free(t->lines.s);
}
