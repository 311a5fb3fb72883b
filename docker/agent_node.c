/* agent_node.c - the node behind the agent: its pipes, what it is given, what it says. */
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pass.h"
#include "pod.h"

enum { BACKLOG_MAX = 16 << 20, HELD_MAX = 100000, DRAIN_ROUNDS = 64, KEEP = 1 << 20, KNOCK_EVERY_MS = 10, KNOCK_LIMIT_MS = 100 };

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void unfit(struct agent *a, const char *why)
{
	if (!a->unfit)
		report_text(&a->report, "unfit", "%s", why);
	a->unfit = true;
}

/* --- up and down --- */

static int accept_pipes(struct agent *a)
{
	char how;
	int fd[3]; /* its stdin's write end, its stdout's and stderr's read ends */
	if (pass_receive(a->connection, &how, fd, ARRAY_LEN(fd)) != 0)
		return -1;
	a->in = fd[0];
	a->out = fd[1];
	a->err = fd[2];
	for (int i = 0; i < 3; i++)
		fcntl(fd[i], F_SETFL, O_NONBLOCK);
	fcntl(a->in, F_SETPIPE_SZ, 256 << 10);
	return 0;
}

void node_connect(struct agent *a)
{
	int fd = accept4(a->listener, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		return;
	if (a->connection >= 0) { /* PID 1 was first; this is some process of the node's */
		close(fd);
		return;
	}
	a->connection = fd;
	if (accept_pipes(a) != 0) {
		close_fd(&a->connection);
		return;
	}
	report_line(&a->report, "here", SLICE_NONE);
	node_go(a);
}

/* Once its container is there and its first line is known. */
void node_go(struct agent *a)
{
	if (a->connection < 0 || a->phase != AGENT_DOWN || (!a->init.n && !a->serve_port) || send(a->connection, "g", 1, MSG_NOSIGNAL) != 1)
		return;
	a->phase = AGENT_INIT;
	a->unfit = false;
	a->silent_bytes = 0;
	report_line(&a->report, "up", SLICE_NONE);
	if (a->serve_port)
		a->knock_ns = clock_ns();
	node_give(a, buf_as_slice(&a->init));
	a->init.n = 0;
}

/* PID 1 of its container passes it on. */
void node_signal(struct agent *a, int signal_number)
{
	char byte = (char)signal_number;
	if (a->connection >= 0 && a->phase != AGENT_DOWN)
		send(a->connection, &byte, 1, MSG_NOSIGNAL);
}

/* On this pod's own address, so that no fault of the network delays it. */
static bool accepts(const struct agent *a)
{
	struct sockaddr_in to = a->peer[a->me];
	struct timeval limit = { .tv_usec = KNOCK_LIMIT_MS * 1000 };
	to.sin_port = htons((uint16_t)a->serve_port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
	bool yes = connect(fd, (struct sockaddr *)&to, sizeof to) == 0;
	close(fd);
	return yes;
}

void node_knock(struct agent *a)
{
	if (!a->knock_ns || a->knock_ns > clock_ns())
		return;
	bool ready = accepts(a);
	if (ready)
		report_line(&a->report, "ready", SLICE_NONE);
	a->knock_ns = ready ? 0 : clock_ns() + KNOCK_EVERY_MS * NS_PER_MS;
}

static void forget_held(struct agent *a)
{
	for (size_t i = 0; i < a->held_n; i++) {
		if (a->held[i].src != LANE_DLAB)
			report_text(&a->report, "lost", "%d %llu %d", a->held[i].src, (unsigned long long)a->held[i].k, DROP_DEAD);
		free(a->held[i].body);
	}
	a->held_n = 0;
}

static void buf_reset(struct line_buf *b)
{
	free(b->s);
	*b = (struct line_buf){ 0 };
}

static void node_down(struct agent *a, int status, int out_of_memory)
{
	for (int i = 0; i < DRAIN_ROUNDS && a->out >= 0; i++) /* its last words */
		node_read_out(a);
	for (int i = 0; i < DRAIN_ROUNDS && a->err >= 0; i++)
		node_read_err(a);
	close_fd(&a->connection);
	close_fd(&a->in);
	close_fd(&a->out);
	close_fd(&a->err);
	buf_reset(&a->out_buf);
	buf_reset(&a->err_buf);
	buf_done(&a->backlog);
	a->backlog_at = 0;
	enum agent_phase was = a->phase;
	a->phase = AGENT_DOWN;
	if (was != AGENT_DOWN)
		a->serve_port = 0;
	a->knock_ns = 0;
	link_forget_timers(a->link, a->me);
	forget_held(a);
	report_text(&a->report, was == AGENT_DOWN ? "gone" : "end", "%d %d", status, out_of_memory);
}

void node_read_connection(struct agent *a)
{
	char text[32], *rest;
	ssize_t n = recv(a->connection, text, sizeof text - 1, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	text[n > 0 ? n : 0] = '\0';
	int status = n > 0 ? (int)strtol(text, &rest, 10) : -1;
	node_down(a, status, n > 0 ? atoi(rest) : 0);
}

/* --- to the node --- */

static size_t write_some(struct agent *a, const char *s, size_t n)
{
	ssize_t w = a->in >= 0 ? write(a->in, s, n) : (ssize_t)n;
	if (w >= 0)
		return (size_t)w;
	if (errno == EAGAIN || errno == EINTR)
		return 0;
	close_fd(&a->in);
	unfit(a, "closed its stdin and was ended");
	return n;
}

void node_flush(struct agent *a)
{
	a->backlog_at += write_some(a, a->backlog.s + a->backlog_at, a->backlog.n - a->backlog_at);
	if (a->backlog_at == a->backlog.n)
		a->backlog.n = a->backlog_at = 0;
}

void node_give(struct agent *a, struct slice line)
{
	if (a->phase == AGENT_DOWN || line.n == 0)
		return;
	size_t taken = a->backlog.n ? 0 : write_some(a, line.s, line.n);
	if (a->backlog.n - a->backlog_at > BACKLOG_MAX) {
		unfit(a, "does not read its stdin, and was ended");
		return;
	}
	if (taken < line.n)
		buf_add(&a->backlog, line.s + taken, line.n - taken);
}

static void hold(struct agent *a, int src, uint64_t k, struct slice body)
{
	if (a->held_n >= HELD_MAX) {
		if (src >= 0)
			report_text(&a->report, "lost", "%d %llu %d", src, (unsigned long long)k, DROP_FULL);
		return;
	}
	if (a->held_n == a->held_cap) {
		a->held_cap = a->held_cap ? a->held_cap * 2 : 16;
		a->held = xrealloc(a->held, a->held_cap * sizeof *a->held);
	}
	char *copy = xmalloc(body.n + 1);
	memcpy(copy, body.s, body.n);
	a->held[a->held_n++] = (struct held){ src, k, copy, body.n };
}

static void give_timer(struct agent *a, struct slice name)
{
	struct buf body = BUF_EMPTY;
	buf_str(&body, "{\"type\":\"timer\",\"name\":");
	buf_json_string(&body, name);
	buf_str(&body, "}");
	envelope_write(&a->line, ++a->sent * NODES_MAX + (uint64_t)a->me, SLICE("dlab"), slice_of(lane_name(&a->lanes, a->me)),
		(clock_ns() - a->began_ns) / NS_PER_MS, buf_as_slice(&body));
	buf_done(&body);
	report_line(&a->report, "timer", name);
}

void node_deliver(struct agent *a, int src, uint64_t k, struct slice body)
{
	if (a->phase == AGENT_DOWN && src >= 0)
		report_text(&a->report, "lost", "%d %llu %d", src, (unsigned long long)k, DROP_DEAD);
	if (a->phase == AGENT_INIT)
		hold(a, src, k, body);
	if (a->phase != AGENT_READY)
		return;
	a->line.n = 0;
	if (src < 0) {
		give_timer(a, body);
	} else {
		envelope_write(&a->line, k * NODES_MAX + (uint64_t)src, slice_of(lane_name(&a->lanes, src)),
			slice_of(lane_name(&a->lanes, a->me)), (clock_ns() - a->began_ns) / NS_PER_MS, body);
		report_text(&a->report, "got", "%d %llu", src, (unsigned long long)k);
	}
	node_give(a, buf_as_slice(&a->line));
}

static void become_ready(struct agent *a)
{
	size_t n = a->held_n;
	struct held *held = a->held;
	a->phase = AGENT_READY;
	a->held = NULL;
	a->held_n = a->held_cap = 0;
	for (size_t i = 0; i < n; i++) {
		node_deliver(a, held[i].src, held[i].k, (struct slice){ held[i].body, held[i].n });
		free(held[i].body);
	}
	free(held);
}

/* --- from the node --- */

/* The same conditions as the router's (core/route.c), which judges every line. False: too many timers. */
static bool set_timer(struct agent *a, const struct envelope *e)
{
	if (!slice_is(e->type, "timer") || !e->name.s || e->after_ms == AFTER_NONE || e->after_ms > TIMER_MS_MAX)
		return true;
	return link_timer(a->link, clock_ns(), a->me, e->name, e->after_ms == AFTER_NULL ? -1 : e->after_ms * NS_PER_MS);
}

static bool says_init_ok(const struct agent *a, const struct envelope *e, int dst)
{
	return a->phase == AGENT_INIT && dst == lane_client(&a->lanes, 0) && e->in_reply_to == 1 && slice_is(e->type, "init_ok");
}

static void out_line(struct agent *a, struct slice line)
{
	struct envelope e;
	size_t at;
	int64_t k = 0;
	int dst = envelope_read(&e, line, &at) < 0 ? lane_find(&a->lanes, e.dest) : LANE_UNKNOWN;
	bool mine = !e.src.s || slice_is(e.src, lane_name(&a->lanes, a->me));
	if (dst == LANE_DLAB)
		k = set_timer(a, &e) ? 0 : -1;
	else if (mine && lane_is_node(&a->lanes, dst))
		k = (int64_t)++a->sent;
	report_text(&a->report, "out", "%lld %.*s", (long long)k, SLICE_ARG(line));
	if (k > 0)
		net_send(a, dst, e.body, (uint64_t)k);
	else if (mine && dst >= 0 && says_init_ok(a, &e, dst))
		become_ready(a);
}

static void take_out(struct agent *a, bool eof)
{
	struct slice line;
	enum line_kind kind;
	while ((kind = line_next(&a->out_buf, LINE_MAX_BYTES, eof, &line)) != LINE_NONE) {
		a->silent_bytes = 0;
		if (a->serve_port)
			report_line(&a->report, "err", line);
		else if (kind == LINE_WHOLE)
			out_line(a, line);
		else
			report_line(&a->report, kind == LINE_LAST ? "last" : "long", (struct slice){ line.s, line.n < 1024 ? line.n : 1024 });
	}
}

void node_read_out(struct agent *a)
{
	size_t got;
	bool eof = line_fill(a->out, &a->out_buf, &got) == CHILD_EOF;
	a->silent_bytes += got;
	take_out(a, eof);
	if (a->silent_bytes > BYTES_PER_STEP)
		unfit(a, "wrote more than the limits allow and was ended");
	if (!eof)
		return;
	close_fd(&a->out);
	if (!a->serve_port) /* a server of raw sockets does not need it */
		report_line(&a->report, "shut", SLICE_NONE);
}

void node_read_err(struct agent *a)
{
	struct slice line;
	size_t got;
	bool eof = line_fill(a->err, &a->err_buf, &got) == CHILD_EOF;
	while (line_next(&a->err_buf, LOG_LINE_MAX, eof, &line) != LINE_NONE)
		report_line(&a->report, "err", line);
	if (eof)
		close_fd(&a->err);
}
