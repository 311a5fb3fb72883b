#include "pass.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union room {
	struct cmsghdr head; /* for its alignment */
	char bytes[CMSG_SPACE(sizeof(int) * PASS_MAX)];
};

static struct msghdr header(struct iovec *byte, union room *r, size_t size)
{
	memset(r, 0, sizeof *r);
	return (struct msghdr){ .msg_iov = byte, .msg_iovlen = 1, .msg_control = r->bytes, .msg_controllen = size };
}

int pass_send(int socket, char byte, const int *fds, size_t n)
{
	struct iovec one = { &byte, 1 };
	union room r;
	struct msghdr h = header(&one, &r, CMSG_SPACE(sizeof *fds * n));
	struct cmsghdr *c = CMSG_FIRSTHDR(&h);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof *fds * n);
	memcpy(CMSG_DATA(c), fds, sizeof *fds * n);
	return sendmsg(socket, &h, MSG_NOSIGNAL) == 1 ? 0 : -1;
}

/* What came and is not wanted would stay open for ever. */
static void close_all(const struct cmsghdr *c)
{
	int fd;
	for (size_t at = 0; c && c->cmsg_type == SCM_RIGHTS && CMSG_LEN(at + sizeof fd) <= c->cmsg_len; at += sizeof fd) {
		memcpy(&fd, CMSG_DATA(c) + at, sizeof fd);
		close(fd);
	}
}

int pass_receive(int socket, char *byte, int *fds, size_t n)
{
	struct iovec one = { byte, 1 };
	union room r;
	struct msghdr h = header(&one, &r, sizeof r.bytes);
	ssize_t got;
	do
		got = recvmsg(socket, &h, MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	if (got != 1)
		return -1;
	const struct cmsghdr *c = CMSG_FIRSTHDR(&h);
	if (c && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof *fds * n)) {
		memcpy(fds, CMSG_DATA(c), sizeof *fds * n);
		return 0;
	}
	close_all(c);
	errno = EPROTO;
	return -1;
}
