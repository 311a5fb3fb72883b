/* A line-echo server: one thread, non-blocking sockets, poll().
 *
 *   socket -> in (bytes of an unfinished line) -> out (whole lines that wait to be sent) -> socket
 *
 * Build: cc -O2 -o sockets sockets.c */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CHUNK = 64 * 1024, OUT_ENOUGH = 1024 * 1024 };

struct bytes {
	char *s;
	size_t n, cap;
};

struct client {
	int fd;
	struct bytes in, out;
	size_t out_at;  /* out.s[0..out_at) has been sent */
	int input_over; /* the client sends no more */
};

static struct client *clients;
static size_t client_count, client_cap;
static volatile sig_atomic_t stop;

static void on_sigterm(int signal_number)
{
	(void)signal_number;
	stop = 1;
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void *need(void *memory)
{
	if (!memory)
		die("memory");
	return memory;
}

static void bytes_room(struct bytes *b, size_t more)
{
	size_t cap = b->cap ? b->cap : 4096;
	while (cap < b->n + more)
		cap *= 2;
	if (cap > b->cap)
		b->s = need(realloc(b->s, cap));
	b->cap = cap;
}

static void bytes_add(struct bytes *b, const char *s, size_t n)
{
	if (n == 0)
		return;
	bytes_room(b, n);
	memcpy(b->s + b->n, s, n);
	b->n += n;
}

static size_t out_left(const struct client *c)
{
	return c->out.n - c->out_at;
}

/* "127.0.0.1:4711" -> a listening socket */
static int listen_on(const char *address)
{
	char host[256];
	const char *colon = address ? strrchr(address, ':') : NULL;
	if (!colon || (size_t)(colon - address) >= sizeof host) {
		fprintf(stderr, "DLAB_LISTEN must be host:port\n");
		exit(2);
	}
	memcpy(host, address, (size_t)(colon - address));
	host[colon - address] = '\0';
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE }, *found;
	int failed = getaddrinfo(host, colon + 1, &hints, &found);
	if (failed) {
		fprintf(stderr, "%s: %s\n", address, gai_strerror(failed));
		exit(1);
	}
	int fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
	if (fd < 0)
		die("socket");
	/* Without this, bind() fails while old connections of the port are in TIME_WAIT. */
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(fd, found->ai_addr, found->ai_addrlen) < 0)
		die("bind");
	if (listen(fd, SOMAXCONN) < 0)
		die("listen");
	freeaddrinfo(found);
	return fd;
}

static void client_add(int fd)
{
	if (client_count == client_cap) {
		client_cap = client_cap ? 2 * client_cap : 64;
		clients = need(realloc(clients, client_cap * sizeof *clients));
	}
	clients[client_count++] = (struct client){ .fd = fd };
}

static void client_remove(size_t i)
{
	close(clients[i].fd);
	free(clients[i].in.s);
	free(clients[i].out.s);
	clients[i] = clients[--client_count];
}

static void accept_all(int listener)
{
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0)
			return;
		client_add(fd);
	}
}

/* Whole lines go to `out`; what follows the last newline stays in `in`. */
static void take_lines(struct client *c, const char *s, size_t n)
{
	const char *newline = memrchr(s, '\n', n);
	size_t whole = newline ? (size_t)(newline - s) + 1 : 0;
	if (whole > 0) {
		bytes_add(&c->out, c->in.s, c->in.n);
		c->in.n = 0;
		bytes_add(&c->out, s, whole);
	}
	bytes_add(&c->in, s + whole, n - whole);
}

static int is_moment(void)
{
	return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

/* Returns 0 when the connection is gone. */
static int client_read(struct client *c)
{
	static char chunk[CHUNK];
	ssize_t n = read(c->fd, chunk, sizeof chunk);
	if (n > 0) {
		take_lines(c, chunk, (size_t)n);
	} else if (n == 0) {
		c->input_over = 1;
		bytes_add(&c->out, c->in.s, c->in.n);
		c->in.n = 0;
	} else {
		return is_moment();
	}
	return 1;
}

/* Sends what the connection takes now. Returns 0 when it is gone. */
static int client_write(struct client *c)
{
	while (out_left(c) > 0) {
		ssize_t n = send(c->fd, c->out.s + c->out_at, out_left(c), MSG_NOSIGNAL);
		if (n < 0)
			return is_moment();
		c->out_at += (size_t)n;
	}
	c->out.n = c->out_at = 0;
	return 1;
}

/* A client who does not read its answers is not read either: that bounds our memory. */
static short wanted(const struct client *c)
{
	short events = 0;
	if (!c->input_over && out_left(c) < OUT_ENOUGH)
		events |= POLLIN;
	if (out_left(c) > 0)
		events |= POLLOUT;
	return events;
}

static int client_step(struct client *c)
{
	if ((wanted(c) & POLLIN) && !client_read(c))
		return 0;
	if (!client_write(c))
		return 0;
	return !(c->input_over && out_left(c) == 0);
}

static void serve(int listener, const sigset_t *while_waiting)
{
	struct pollfd *fds = NULL;
	while (!stop) {
		fds = need(realloc(fds, (client_count + 1) * sizeof *fds));
		fds[0] = (struct pollfd){ .fd = listener, .events = POLLIN };
		for (size_t i = 0; i < client_count; i++)
			fds[i + 1] = (struct pollfd){ .fd = clients[i].fd, .events = wanted(&clients[i]) };
		if (ppoll(fds, client_count + 1, NULL, while_waiting) < 0)
			continue; /* a signal came */
		/* Backwards: removing one moves the last into its place, and that one has had its turn. */
		for (size_t i = client_count; i-- > 0;)
			if (fds[i + 1].revents && !client_step(&clients[i]))
				client_remove(i);
		if (fds[0].revents)
			accept_all(listener);
	}
	free(fds);
}

int main(void)
{
	/* SIGTERM may come only inside ppoll(), so that none is missed between the test of `stop` and the wait. */
	sigset_t term, before;
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, &before);
	sigaction(SIGTERM, &(struct sigaction){ .sa_handler = on_sigterm }, NULL);
	int listener = listen_on(getenv("DLAB_LISTEN"));
	serve(listener, &before);
	while (client_count > 0)
		client_remove(client_count - 1);
	free(clients);
	close(listener);
	return 0;
}
