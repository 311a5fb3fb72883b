/* fabric_proc.c - node processes on this machine, free-running, by the wall clock.
 *
 * One poll() waits for what nodes write and for the next due item of the links and timers. Messages cross the
 * links in user space (link.c), so cuts, loss and delay need no privilege. Kill is SIGKILL, pause is SIGSTOP, to
 * the node's whole process group. A node that does not read its stdin gets a backlog, up to a limit.
 */
#include "fabric.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "child.h"
#include "guard.h"
#include "route.h"

enum { BACKLOG_MAX = 16 << 20, CONNECT_EVERY_MS = 10, REAP_EVERY_MS = 100, EXIT_WAIT_MS = 1000, DRAIN_ROUNDS = 64 };

struct proc_node {
	struct child child;
	struct buf backlog; /* what it has not read yet */
	size_t backlog_at;
	bool out_eof;
	int64_t closed_at;   /* when it was seen to have closed stdout or stdin: it is about to end, or is ended; 0: not */
	const char *closed;  /* static; which of them */
	bool stop_told;
	uint64_t bytes_seen; /* without a whole line since */
	int port;
	int64_t connect_at;  /* CLUSTER_SOCKETS: when to try its port again; 0: it is ready */
};

struct fabric {
	struct cluster cluster;
	struct router router;
	struct proc_node node[NODES_MAX];
	int64_t began; /* machine's clock */
	int64_t now;
	int64_t reap_at; /* when to look for nodes that ended while a child of theirs holds their stdout */
	char *peers;   /* owned; CLUSTER_SOCKETS: "n1=127.0.0.1:4711,..." */
};

/* --- ports for raw sockets: asked of the kernel, never fixed --- */

static int free_port(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof a;
	int port = -1;
	if (bind(fd, (struct sockaddr *)&a, sizeof a) == 0 && getsockname(fd, (struct sockaddr *)&a, &n) == 0)
		port = ntohs(a.sin_port);
	close(fd);
	return port;
}

static int choose_ports(struct fabric *f, struct err *e)
{
	struct buf peers = BUF_EMPTY;
	for (int i = 0; i < f->cluster.lanes->nodes; i++) {
		f->node[i].port = free_port();
		if (f->node[i].port < 0) {
			buf_done(&peers);
			return err_errno(e, "no free port on 127.0.0.1");
		}
		buf_printf(&peers, "%s%s=127.0.0.1:%d", i ? "," : "", lane_name(f->cluster.lanes, i), f->node[i].port);
	}
	f->peers = xstrdup(buf_cstr(&peers));
	buf_done(&peers);
	return 0;
}

static int proc_dial(struct fabric *f, int node, struct sockaddr_in *to)
{
	*to = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons((uint16_t)f->node[node].port) };
	return socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static pid_t proc_pid(const struct fabric *f, int node)
{
	return f->node[node].child.pid;
}

static bool port_accepts(int port)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons((uint16_t)port) };
	bool ok = connect(fd, (struct sockaddr *)&a, sizeof a) == 0;
	close(fd);
	return ok;
}

static void try_port(struct fabric *f, int node)
{
	struct proc_node *n = &f->node[node];
	if (port_accepts(n->port)) {
		n->connect_at = 0;
		f->router.node[node].phase = NODE_READY;
		router_say(&f->router, f->now, EVENT_READY, node, 0, SLICE_NONE);
	} else {
		n->connect_at = f->now + CONNECT_EVERY_MS * NS_PER_MS;
	}
}

/* --- open --- */

static int64_t real_now(const struct fabric *f)
{
	return clock_ns() - f->began;
}

static struct fabric *proc_open(const struct cluster *c, struct err *e)
{
	struct fabric *f = xcalloc(1, sizeof *f);
	f->cluster = *c;
	router_init(&f->router, &f->cluster, "proc", false, true);
	f->began = clock_ns();
	if (c->kind == CLUSTER_SOCKETS && choose_ports(f, e) != 0) {
		router_done(&f->router);
		free(f);
		return NULL;
	}
	return f;
}

/* --- reading --- */

static void take_logs(struct fabric *f, int node, bool last)
{
	struct child *c = &f->node[node].child;
	struct slice line;
	enum child_read how;
	int rounds = 0;
	do {
		how = child_fill_err(c);
		while (line_next(&c->err_buf, LOG_LINE_MAX, last && how != CHILD_MORE, &line) != LINE_NONE)
			router_log(&f->router, f->now, node, line);
	} while (how == CHILD_MORE && ++rounds < (last ? DRAIN_ROUNDS : 16)); /* somebody may write for ever */
	if (how == CHILD_EOF && c->err >= 0) {
		close(c->err);
		c->err = -1;
	}
}

static void end_child(struct fabric *f, int node, int64_t status, struct slice text)
{
	struct proc_node *n = &f->node[node];
	child_kill(&n->child);
	take_logs(f, node, true);
	child_done(&n->child);
	buf_done(&n->backlog);
	n->backlog_at = 0;
	n->out_eof = n->stop_told = false;
	n->closed_at = n->connect_at = 0;
	n->bytes_seen = 0;
	router_exit(&f->router, f->now, node, status, text);
}

static void take_lines(struct fabric *f, int node, bool eof)
{
	struct proc_node *n = &f->node[node];
	struct slice line;
	enum line_kind kind;
	while (n->child.pid && (kind = line_next(&n->child.out_buf, LINE_MAX_BYTES, eof, &line)) != LINE_NONE) {
		if (f->cluster.kind == CLUSTER_SOCKETS)
			router_log(&f->router, f->now, node, line);
		else if (kind == LINE_TOO_LONG)
			router_bad(&f->router, f->now, node, BAD_TOO_LONG, line);
		else if (kind == LINE_LAST)
			router_bad(&f->router, f->now, node, BAD_NO_NEWLINE, line);
		else
			router_line(&f->router, f->now, node, line);
		n->bytes_seen = 0;
		if (f->router.node[node].bad > BAD_LINES_MAX)
			end_child(f, node, 1000 + SIGKILL, SLICE("wrote more than the limits allow and was ended"));
	}
}

static void reaped(struct fabric *f, int node)
{
	struct proc_node *n = &f->node[node];
	int status = n->child.status;
	struct buf text = BUF_EMPTY;
	child_print_status(&text, status);
	end_child(f, node, WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status), buf_as_slice(&text));
	buf_done(&text);
}

static void end_with_reason(struct fabric *f, int node, const char *why)
{
	end_child(f, node, 1000 + SIGKILL, slice_of(why));
}

/* It may be on its way out; if it is not, look_after ends it. A server of raw sockets needs neither pipe. */
static void pipe_closed(struct fabric *f, int node, const char *which)
{
	struct proc_node *n = &f->node[node];
	if (n->closed_at || f->cluster.kind == CLUSTER_SOCKETS)
		return;
	n->closed_at = f->now;
	n->closed = which;
}

static void read_out(struct fabric *f, int node)
{
	struct proc_node *n = &f->node[node];
	uint64_t before = n->child.out_bytes;
	enum child_read how = child_fill_out(&n->child);
	n->bytes_seen += n->child.out_bytes - before;
	take_lines(f, node, how == CHILD_EOF);
	if (!n->child.pid)
		return;
	if (n->bytes_seen > BYTES_PER_STEP) {
		end_with_reason(f, node, "wrote more than the limits allow and was ended");
	} else if (how == CHILD_EOF) {
		n->out_eof = true;
		pipe_closed(f, node, "stdout");
	}
}

/* --- writing --- */

/* How much of it was taken. What cannot be written any more counts as taken. */
static size_t write_some(struct fabric *f, int node, const char *s, size_t n)
{
	ssize_t w = write(f->node[node].child.in, s, n);
	if (w >= 0)
		return (size_t)w;
	if (errno == EAGAIN || errno == EINTR)
		return 0;
	pipe_closed(f, node, "stdin");
	return n;
}

static void flush_backlog(struct fabric *f, int node)
{
	struct proc_node *n = &f->node[node];
	n->backlog_at += write_some(f, node, n->backlog.s + n->backlog_at, n->backlog.n - n->backlog_at);
	if (n->backlog_at == n->backlog.n)
		n->backlog.n = n->backlog_at = 0;
}

static void write_line(struct fabric *f, int node, struct slice line)
{
	struct proc_node *n = &f->node[node];
	if (n->backlog.n > n->backlog_at) {
		if (n->backlog.n - n->backlog_at > BACKLOG_MAX) {
			end_with_reason(f, node, "does not read its stdin, and was ended");
			return;
		}
		buf_slice(&n->backlog, line);
		return;
	}
	size_t taken = write_some(f, node, line.s, line.n);
	if (taken < line.n)
		buf_add(&n->backlog, line.s + taken, line.n - taken);
}

/* --- waiting --- */

static int64_t next_wake(const struct fabric *f, int64_t until_ns)
{
	int64_t wake = link_due(f->router.link);
	if (until_ns < wake)
		wake = until_ns;
	if (f->reap_at < wake)
		wake = f->reap_at;
	for (int i = 0; i < f->cluster.lanes->nodes; i++) {
		if (f->node[i].connect_at && f->node[i].connect_at < wake)
			wake = f->node[i].connect_at;
		/* it has closed a pipe and not ended yet: look again soon */
		if ((f->node[i].closed_at || f->node[i].out_eof) && f->now + 2 * NS_PER_MS < wake)
			wake = f->now + 2 * NS_PER_MS;
	}
	return wake;
}

static int fill_polls(const struct fabric *f, struct pollfd *fds, int *who)
{
	int n = 0;
	for (int i = 0; i < f->cluster.lanes->nodes; i++) {
		const struct proc_node *p = &f->node[i];
		if (!p->child.pid)
			continue;
		if (!p->out_eof) {
			who[n] = i;
			fds[n++] = (struct pollfd){ .fd = p->child.out, .events = POLLIN };
		}
		if (p->child.err >= 0) {
			who[n] = i;
			fds[n++] = (struct pollfd){ .fd = p->child.err, .events = POLLIN };
		}
		if (p->backlog.n > p->backlog_at) {
			who[n] = i;
			fds[n++] = (struct pollfd){ .fd = p->child.in, .events = POLLOUT };
		}
	}
	return n;
}

static void handle_poll(struct fabric *f, const struct pollfd *fd, int node)
{
	struct proc_node *n = &f->node[node];
	if (!fd->revents || !n->child.pid)
		return;
	if (fd->fd == n->child.out)
		read_out(f, node);
	else if (fd->fd == n->child.err)
		take_logs(f, node, false);
	else if (fd->fd == n->child.in)
		flush_backlog(f, node);
}

static int wait_nodes(struct fabric *f, int64_t wake, struct err *e)
{
	struct pollfd fds[3 * NODES_MAX];
	int who[3 * NODES_MAX];
	int n = fill_polls(f, fds, who);
	int64_t left = wake - real_now(f);
	if (left < 0)
		left = 0;
	struct timespec ts = { left / NS_PER_S, left % NS_PER_S };
	int got = ppoll(fds, (nfds_t)n, &ts, NULL);
	if (got < 0 && errno != EINTR)
		return err_errno(e, "cannot wait for the nodes");
	f->now = real_now(f);
	for (int i = 0; i < n && got > 0; i++)
		handle_poll(f, &fds[i], who[i]);
	return 0;
}

/* A node that answers nothing because it stands still; the judge sees only the silence. */
static void tell_stop(struct fabric *f, int node)
{
	struct proc_node *n = &f->node[node];
	if (n->stop_told || f->router.node[node].paused || !child_stopped(&n->child))
		return;
	n->stop_told = true;
	router_say(&f->router, f->now, EVENT_LINT, node, 0, SLICE("is stopped (SIGSTOP, or a read from a terminal)"));
}

static void end_silent(struct fabric *f, int node)
{
	bool stopped = child_stopped(&f->node[node].child);
	end_with_reason(f, node, stopped ? "is stopped (SIGSTOP, or a read from a terminal), and was ended" :
		"did not answer init, and was ended");
}

/* Now and then: what a node does wrong without a sign on the pipes that are waited for. */
static void look_at_node(struct fabric *f, int node)
{
	struct proc_node *n = &f->node[node];
	const struct route_node *r = &f->router.node[node];
	tell_stop(f, node);
	if (child_reads_no_more(&n->child))
		pipe_closed(f, node, "stdin");
	if (child_memory(&n->child) > (uint64_t)NODE_MEMORY_MB << 20) {
		char why[96];
		snprintf(why, sizeof why, "used more than %d MB of memory and was ended", NODE_MEMORY_MB);
		end_with_reason(f, node, why);
	} else if (f->cluster.kind == CLUSTER_LINES && r->phase == NODE_INIT && !r->paused &&
		   f->now - r->init_sent_ns > f->cluster.init_limit_ns) {
		end_silent(f, node);
	}
}

static void end_closed(struct fabric *f, int node)
{
	char why[64];
	snprintf(why, sizeof why, "closed its %s and was ended", f->node[node].closed);
	end_with_reason(f, node, why);
}

static void look_after(struct fabric *f)
{
	bool all = f->now >= f->reap_at;
	if (all)
		f->reap_at = f->now + REAP_EVERY_MS * NS_PER_MS;
	for (int i = 0; i < f->cluster.lanes->nodes; i++) {
		struct proc_node *n = &f->node[i];
		if (n->child.pid && (n->closed_at || n->out_eof || all) && child_reap(&n->child))
			reaped(f, i);
		else if (n->child.pid && n->closed_at && f->now - n->closed_at > EXIT_WAIT_MS * NS_PER_MS)
			end_closed(f, i);
		else if (n->child.pid && all)
			look_at_node(f, i);
		if (n->connect_at && n->connect_at <= f->now)
			try_port(f, i);
	}
}

static void deliver_due(struct fabric *f)
{
	struct link_item item;
	int node;
	struct slice line;
	while (link_pop(f->router.link, f->now, &item))
		if (router_deliver(&f->router, f->now, &item, &node, &line))
			write_line(f, node, line);
}

static int proc_next(struct fabric *f, int64_t until_ns, struct event *event, struct err *e)
{
	for (;;) {
		if (router_next(&f->router, event))
			return 1;
		int64_t now = real_now(f);
		if (now > f->now)
			f->now = now;
		deliver_due(f);
		look_after(f);
		if (router_next(&f->router, event))
			return 1;
		int64_t wake = next_wake(f, until_ns);
		if (wait_nodes(f, wake, e) != 0)
			return -1;
		if (f->now >= until_ns && f->router.queue.n == 0 && link_due(f->router.link) > f->now)
			return 0;
	}
}

/* --- verbs --- */

static int proc_start(struct fabric *f, int node, struct err *e)
{
	struct proc_node *n = &f->node[node];
	char **env = node_env(&f->cluster, node, n->port, f->peers, false);
	struct child_spec spec = { .argv = f->cluster.argv, .env = env, .cwd = f->cluster.cwd };
	int rc = child_spawn(&n->child, &spec, e);
	env_free(env);
	if (rc != 0)
		return -1;
	if (f->cluster.guard)
		guard_announce(f->cluster.guard, n->child.pid);
	fcntl(n->child.out, F_SETFL, O_NONBLOCK);
	struct slice line = router_start(&f->router, f->now, node);
	if (f->cluster.kind == CLUSTER_SOCKETS)
		n->connect_at = f->now + 1;
	else
		write_line(f, node, line);
	return 0;
}

static uint64_t proc_post(struct fabric *f, const struct parcel *parcel, struct err *e)
{
	(void)e;
	return router_post(&f->router, f->now, parcel);
}

static void proc_signal(struct fabric *f, int node, int signal_number)
{
	if (f->node[node].child.pid)
		kill(f->node[node].child.pid, signal_number);
}

static void signal_group(struct fabric *f, int node, bool stop)
{
	if (!f->node[node].child.pid)
		return;
	kill(-f->node[node].child.pid, stop ? SIGSTOP : SIGCONT);
	router_pause(&f->router, f->now, node, stop);
}

static void kill_node(struct fabric *f, int node)
{
	if (!f->node[node].child.pid)
		return;
	take_lines(f, node, false); /* what it said before is said */
	if (!f->node[node].child.pid)
		return;
	router_say(&f->router, f->now, EVENT_KILL, node, 0, SLICE_NONE);
	end_child(f, node, 1000 + SIGKILL, SLICE("was killed by the lab"));
}

static int proc_fault(struct fabric *f, const struct fault *fault, struct err *e)
{
	int rc = 0;
	if (fault->kind < FAULT_KILL) {
		link_fault(f->router.link, fault);
		return 0;
	}
	for (int i = 0; i < f->cluster.lanes->nodes && rc == 0; i++) {
		if (!(fault->from & lane_bit(i)))
			continue;
		if (fault->kind == FAULT_KILL)
			kill_node(f, i);
		else if (fault->kind == FAULT_START && !f->node[i].child.pid)
			rc = proc_start(f, i, e);
		else if (fault->kind == FAULT_PAUSE || fault->kind == FAULT_RESUME)
			signal_group(f, i, fault->kind == FAULT_PAUSE);
	}
	return rc;
}

static int64_t proc_now(const struct fabric *f)
{
	return f->now;
}

static void proc_close(struct fabric *f)
{
	if (!f)
		return;
	for (int i = 0; i < f->cluster.lanes->nodes; i++)
		if (f->node[i].child.pid) {
			child_kill(&f->node[i].child);
			child_done(&f->node[i].child);
			buf_done(&f->node[i].backlog);
		}
	guard_sweep(f->cluster.marker, f->cluster.guard, NULL, 0);
	router_done(&f->router);
	free(f->peers);
	free(f);
}

const struct fabric_ops fabric_proc = {
	.name = "proc",
	.open = proc_open,
	.start = proc_start,
	.post = proc_post,
	.fault = proc_fault,
	.next = proc_next,
	.now = proc_now,
	.close = proc_close,
	.pid = proc_pid,
	.signal = proc_signal,
	.dial = proc_dial,
	.can = (1u << FAULT_KIND_COUNT) - 1,
};
