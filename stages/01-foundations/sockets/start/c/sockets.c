/* Lab sockets: send every line back to the client that sent it. guide.md has the rules.
 *
 * This is a beginning: it serves one client at a time, and reads but does not answer.
 * Build: cc -O2 -o sockets sockets.c */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* "127.0.0.1:4711" -> a listening socket */
static int listen_on(const char *address)
{
	char host[64];
	const char *colon = address ? strrchr(address, ':') : NULL;
	if (!colon || (size_t)(colon - address) >= sizeof host) {
		fprintf(stderr, "DLAB_LISTEN must be host:port\n");
		exit(2);
	}
	memcpy(host, address, (size_t)(colon - address));
	host[colon - address] = '\0';
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(colon + 1)) };
	if (inet_pton(AF_INET, host, &at.sin_addr) != 1)
		die(host);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	if (fd < 0)
		die("socket");
	if (bind(fd, (const struct sockaddr *)&at, sizeof at) < 0)
		die("bind");
	if (listen(fd, SOMAXCONN) < 0)
		die("listen");
	return fd;
}

static void serve(int fd)
{
	char chunk[4096];
	for (;;) {
		ssize_t n = read(fd, chunk, sizeof chunk); /* some bytes: a part of a line, or several lines */
		if (n <= 0) /* 0: the client sends no more */
			return;
		fprintf(stderr, "read %zd bytes\n", n); /* stderr is your log */
		/* Your turn: what goes back to the client, and when? */
	}
}

int main(void)
{
	int listener = listen_on(getenv("DLAB_LISTEN"));
	for (;;) {
		int fd = accept(listener, NULL, NULL);
		if (fd < 0)
			die("accept");
		serve(fd);
		close(fd);
	}
}
