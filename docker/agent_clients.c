/* agent_clients.c - where the harness's clients stand: sockets of this pod's network, made here and passed on. See
 * core/docker_dial.h. */
#include "agent.h"

#include <errno.h>
#include <sys/un.h>
#include <unistd.h>

#include "pass.h"
#include "pod.h"

static int reach_harness(uint64_t token)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = POD_HARNESS };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) == 0 && send(fd, &token, sizeof token, MSG_NOSIGNAL) == sizeof token)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

void clients_open(struct agent *a)
{
	a->harness = reach_harness(a->token);
	if (a->harness >= 0)
		report_line(&a->report, "here", SLICE_NONE);
	else
		report_text(&a->report, "nowhere", "%s", strerror(errno));
}

/* One socket for one byte; where none can be made, the harness sees the end. */
void clients_serve(struct agent *a)
{
	char how;
	ssize_t n = recv(a->harness, &how, 1, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	int fd = n == 1 ? socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0) : -1;
	if (fd < 0 || pass_send(a->harness, how, &fd, 1) != 0) {
		close(a->harness);
		a->harness = -1;
	}
	if (fd >= 0)
		close(fd);
}
