/* node.c - PID 1 of the learner's container: hands three pipes to the agent, starts the command, reaps, ends all.
 *
 * The pipes are made here, as the learner's own user, so that a node may open /dev/stdout. The learner's processes
 * cannot kill PID 1 of their namespace, and being no dumpable process it cannot be traced or read either. */
#include "node.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pass.h"
#include "pod.h"

enum { EXIT_NO_AGENT = 125, EXIT_NO_COMMAND = 127, PIPES = 3 };

static int connect_agent(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = POD_SOCKET };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

/* In the child. What cannot be started is said on the node's own stderr. */
static _Noreturn void become(char **argv, const int theirs[PIPES])
{
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	for (int i = 0; i < PIPES; i++)
		dup2(theirs[i], i);
	execvp(argv[0], argv);
	fprintf(stderr, "cannot start %s in the container: %s\n", argv[0], strerror(errno));
	fflush(stderr);
	_exit(EXIT_NO_COMMAND);
}

/* The container comes up before its node is wanted; then the agent says so with a byte. */
static bool wait_for_go(int connection)
{
	char go;
	ssize_t n;
	do
		n = read(connection, &go, 1);
	while (n < 0 && errno == EINTR);
	return n == 1;
}

static pid_t start(char **argv, int connection)
{
	int ours[PIPES], theirs[PIPES], fd[2];
	for (int i = 0; i < PIPES; i++) {
		if (pipe2(fd, O_CLOEXEC) != 0)
			return -1;
		/* Above 2, so that no dup2 of the child overwrites an end. */
		int low = fcntl(fd[0], F_DUPFD_CLOEXEC, PIPES), high = fcntl(fd[1], F_DUPFD_CLOEXEC, PIPES);
		close(fd[0]);
		close(fd[1]);
		ours[i] = i == 0 ? high : low;
		theirs[i] = i == 0 ? low : high;
	}
	if (pass_send(connection, 'p', ours, PIPES) != 0 || !wait_for_go(connection))
		return -1;
	pid_t pid = fork();
	if (pid == 0)
		become(argv, theirs);
	for (int i = 0; i < PIPES; i++) {
		close(ours[i]);
		close(theirs[i]);
	}
	return pid;
}

/* Everybody else in this container. Who is born meanwhile is met by the next round. */
static void end_all(void)
{
	while (kill(-1, SIGKILL) == 0)
		while (waitpid(-1, NULL, 0) > 0)
			;
}

/* True when the command itself has ended. */
static bool reap(pid_t command, int *status)
{
	int one;
	bool ended = false;
	for (pid_t pid; (pid = waitpid(-1, &one, WNOHANG)) > 0;)
		if (pid == command) {
			*status = one;
			ended = true;
		}
	return ended;
}

/* Whether the kernel has ended a process of this container for want of memory: it counts them, in the old groups or the new
 * ones, before it does so. The engine hears of it later. */
static bool out_of_memory(void)
{
	static const char *const counters[] = { "/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control" };
	long killed = 0;
	for (size_t i = 0; i < sizeof counters / sizeof counters[0] && killed == 0; i++) {
		char line[128];
		FILE *f = fopen(counters[i], "re");
		while (f && fgets(line, sizeof line, f))
			if (strncmp(line, "oom_kill ", 9) == 0)
				killed = atol(line + 9);
		if (f)
			fclose(f);
	}
	return killed > 0;
}

/* Each byte of the agent's is a signal for the command. False when there is no agent any more. */
static bool pass_signal(int connection, pid_t command)
{
	char signal_number;
	ssize_t n = recv(connection, &signal_number, 1, MSG_DONTWAIT);
	if (n == 1)
		kill(command, signal_number);
	return n == 1 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

int node_main(char **argv)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	prctl(PR_SET_DUMPABLE, 0);
	int children = signalfd(-1, &set, SFD_CLOEXEC), connection = connect_agent(), status = 0;
	pid_t command = connection >= 0 && children >= 0 ? start(argv, connection) : -1;
	if (command < 0)
		return EXIT_NO_AGENT;
	for (bool ended = false; !ended;) {
		struct pollfd fds[] = { { .fd = children, .events = POLLIN }, { .fd = connection, .events = POLLIN } };
		struct signalfd_siginfo info;
		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[1].revents && !pass_signal(connection, command))
			break; /* the agent is gone, and with it the run */
		if (read(children, &info, sizeof info) > 0)
			ended = reap(command, &status);
	}
	end_all();
	dprintf(connection, "%d %d\n", status, WIFSIGNALED(status) && out_of_memory());
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
