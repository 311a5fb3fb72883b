#include "docker_dial.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "pass.h"

#define SOCKET_NAME "harness.sock"

enum { ACCEPT_LIMIT_S = 10 };

/* The path of a unix socket is short; that of the folder need not be. */
static int bind_in(int fd, const char *folder)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int place = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (place < 0)
		return -1;
	snprintf(a.sun_path, sizeof a.sun_path, "/proc/self/fd/%d/" SOCKET_NAME, place);
	/* The agent's root has no rights over other users' files, so everybody may connect; the folder above is ours alone. */
	int rc = bind(fd, (struct sockaddr *)&a, sizeof a) == 0 && chmod(a.sun_path, 0666) == 0 && listen(fd, 4) == 0 ? 0 : -1;
	close(place);
	return rc;
}

int dial_open(struct dial *d, const char *parent, struct err *e)
{
	*d = (struct dial){ .folder = xasprintf("%s/clients", parent), .agent = -1 };
	d->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct timeval limit = { .tv_sec = ACCEPT_LIMIT_S };
	if (d->listener >= 0 && mkdir(d->folder, 0755) == 0 && chmod(d->folder, 0755) == 0 && bind_in(d->listener, d->folder) == 0 &&
	    setsockopt(d->listener, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0)
		return 0;
	err_errno(e, "cannot make a socket in %s", d->folder);
	return -1;
}

/* Whoever else connects does not know the token. */
static bool knows(int fd, uint64_t token)
{
	uint64_t said = 0;
	struct timeval limit = { .tv_sec = ACCEPT_LIMIT_S };
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	return recv(fd, &said, sizeof said, MSG_WAITALL) == (ssize_t)sizeof said && said == token;
}

int dial_accept(struct dial *d, uint64_t token, struct err *e)
{
	for (;;) {
		int fd = accept4(d->listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0 && errno == EINTR)
			continue;
		if (fd < 0)
			return err_errno(e, "the clients' container does not connect");
		if (knows(fd, token)) {
			d->agent = fd;
			return 0;
		}
		close(fd);
	}
}

int dial_socket(struct dial *d)
{
	char how;
	int fd;
	if (send(d->agent, "s", 1, MSG_NOSIGNAL) != 1)
		return -1;
	return pass_receive(d->agent, &how, &fd, 1) == 0 ? fd : -1;
}

void dial_done(struct dial *d)
{
	if (!d->folder)
		return;
	if (d->listener >= 0)
		close(d->listener);
	if (d->agent >= 0)
		close(d->agent);
	char *path = xasprintf("%s/" SOCKET_NAME, d->folder);
	unlink(path);
	rmdir(d->folder);
	free(path);
	free(d->folder);
	*d = (struct dial){ .folder = NULL };
}
