/* fabric_sim.c - real node processes in virtual time, one at a time: same seed, same trace.
 *
 * The clock jumps to the next due item (link.c). A line goes to one node, and the fabric reads what that node
 * writes until it says done; only then is the next item looked at. So the order of everything follows from the
 * heap alone. Reading blocks, on one core, because a sleeping reader is what makes a round trip cheap; an
 * interval timer interrupts the read from time to time to look whether the node is stuck.
 *
 *   idle --line--> stepping --done--> idle        stepping --end of file, flood, time--> down
 */
#include "fabric.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <unistd.h>

#include "child.h"
#include "guard.h"
#include "route.h"

enum { TICK_US = 50000, EXIT_WAIT_MS = 1000, QUIET_CHECK = 64, MEMORY_CHECK = 1024, SETTLE_MS = 50, DRAIN_ROUNDS = 4 };

/* After init_ok and nothing more for so long, the node does not know lockstep. */
static const int64_t NO_DONE_NS = 2 * NS_PER_S;

struct fabric {
	struct cluster cluster;
	struct router router;
	struct child child[NODES_MAX];
	bool init_pending[NODES_MAX]; /* was given init and has not been read since */
	int inits;                    /* how many of them */
	int64_t now;
	unsigned quiet; /* how often there was nothing to do */
	unsigned steps;
	lane_set may_log;             /* nodes whose stderr may hold something; the others' is known to be empty */
	lane_set untold;              /* nodes of whose stderr no signal tells */
	sig_atomic_t log_signals;     /* how many are taken into account */
	struct sigaction old_alarm, old_io;
	cpu_set_t old_cpus;
	bool pinned;
	int ran_last;                 /* node for which next() waited last; -1: it waited for something else */
};

/* A little more than router_log takes: so it is always router_log that ends it, and says so. */
enum { LOG_KEPT = LOG_BYTES_MAX + 65536 };

static void on_tick(int sig)
{
	(void)sig; /* its only work is to interrupt read() */
}

/* A node rarely logs, and a system call after each step that finds nothing costs as much as all our own work on the step.
 * So the kernel tells of a write to stderr by SIGIO. That is exact: the signal is pending before the node's write
 * returns, and is handled before a read of ours returns what the node wrote later. Only a variable of the file can be
 * seen from a handler of signals. */
static volatile sig_atomic_t log_signals;

static void on_log(int sig)
{
	(void)sig;
	log_signals = (sig_atomic_t)((unsigned)log_signals + 1);
}

static void log_signals_start(struct fabric *f)
{
	struct sigaction act = { .sa_handler = on_log, .sa_flags = SA_RESTART };
	sigaction(SIGIO, &act, &f->old_io);
	f->log_signals = log_signals;
}

/* When no process writes any more. */
static void log_signals_stop(struct fabric *f)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN }; /* drops one that is still pending */
	sigaction(SIGIO, &ignore, NULL);
	sigaction(SIGIO, &f->old_io, NULL);
}

/* Of a node that was just started: what it has written already is not told of. To this thread: another one of this
 * process would handle the signal at some later time. */
static void log_signals_of(struct fabric *f, int node)
{
	int fd = f->child[node].err;
#ifdef F_OWNER_TID
	struct f_owner_ex owner = { F_OWNER_TID, gettid() };
	bool told = fcntl(fd, F_SETOWN_EX, &owner) == 0;
#else
	bool told = fcntl(fd, F_SETOWN, getpid()) == 0;
#endif
	told = told && fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_ASYNC) == 0;
	f->may_log |= lane_bit(node);
	f->untold = told ? f->untold & ~lane_bit(node) : f->untold | lane_bit(node);
}

static void ticks_start(struct fabric *f)
{
	struct sigaction act = { .sa_handler = on_tick }; /* without SA_RESTART */
	sigaction(SIGALRM, &act, &f->old_alarm);
	struct itimerval every = { { 0, TICK_US }, { 0, TICK_US } };
	setitimer(ITIMER_REAL, &every, NULL);
}

static void ticks_stop(struct fabric *f)
{
	struct itimerval never = { { 0, 0 }, { 0, 0 } };
	struct sigaction ignore = { .sa_handler = SIG_IGN }; /* drops a tick that is still pending */
	setitimer(ITIMER_REAL, &never, NULL);
	sigaction(SIGALRM, &ignore, NULL);
	sigaction(SIGALRM, &f->old_alarm, NULL);
}

static void pin(struct fabric *f)
{
	if (f->cluster.core < 0 || sched_getaffinity(0, sizeof f->old_cpus, &f->old_cpus) != 0)
		return;
	cpu_set_t one;
	CPU_ZERO(&one);
	CPU_SET((size_t)f->cluster.core, &one);
	f->pinned = sched_setaffinity(0, sizeof one, &one) == 0;
}

static struct fabric *sim_open(const struct cluster *c, struct err *e)
{
	if (c->kind == CLUSTER_SOCKETS) {
		err_set(e, "this lab speaks over raw sockets, which have no virtual time: use --fabric proc");
		return NULL;
	}
	struct fabric *f = xcalloc(1, sizeof *f);
	f->cluster = *c;
	f->ran_last = -1;
	router_init(&f->router, &f->cluster, "sim", true, false);
	pin(f);
	ticks_start(f);
	log_signals_start(f);
	return f;
}

static void set_init_pending(struct fabric *f, int node, bool pending)
{
	f->inits += pending - f->init_pending[node];
	f->init_pending[node] = pending;
}

/* --- the end of a node --- */

/* Only at the end of a step: else the order of log and messages in the trace would follow from real time. */
static void take_log(struct fabric *f, int node, bool last)
{
	struct child *c = &f->child[node];
	struct slice line;
	size_t came = 1;
	int rounds = last ? DRAIN_ROUNDS : 1; /* somebody that left the node's group may write for ever */
	while (rounds-- > 0 && came > 0)
		came = child_soak_err(c, LOG_KEPT);
	if (came == 0)
		f->may_log &= ~lane_bit(node);
	while (line_next(&c->err_buf, LOG_LINE_MAX, last, &line) != LINE_NONE)
		router_log(&f->router, f->now, node, line);
}

static bool may_have_log(struct fabric *f, int node)
{
	if (f->log_signals != log_signals) { /* whose it was is not told */
		f->log_signals = log_signals;
		f->may_log = ~(lane_set)0;
	}
	const struct line_buf *b = &f->child[node].err_buf; /* read while the node was in its step */
	return ((f->may_log | f->untold) & lane_bit(node)) || b->at < b->n;
}

static void down(struct fabric *f, int node, int64_t status, struct slice text)
{
	struct child *c = &f->child[node];
	f->ran_last = -1; /* a kill waits for the process */
	child_kill(c);
	take_log(f, node, true);
	child_done(c);
	set_init_pending(f, node, false);
	router_exit(&f->router, f->now, node, status, text);
}

/* End of file on stdout, or nobody reads stdin: the process has ended, is about to, or has closed a pipe. */
static void ended(struct fabric *f, int node, const char *closed)
{
	struct child *c = &f->child[node];
	int64_t limit = clock_ns() + EXIT_WAIT_MS * NS_PER_MS;
	while (!child_reap(c) && clock_ns() < limit)
		usleep(200); /* an exit in progress: no event tells of it but the reaping itself */
	struct buf text = BUF_EMPTY;
	int64_t status = 0;
	if (!c->reaped) {
		buf_printf(&text, "closed its %s and was ended", closed);
	} else {
		child_print_status(&text, c->status);
		status = WIFSIGNALED(c->status) ? 1000 + WTERMSIG(c->status) : WEXITSTATUS(c->status);
	}
	down(f, node, status, buf_as_slice(&text));
	buf_done(&text);
}

static void end_node(struct fabric *f, int node, const char *why)
{
	down(f, node, 1000 + SIGKILL, slice_of(why));
}

/* --- one step of one node --- */

/* What happened while a step was read. */
struct step {
	int64_t lines, bytes;
	int64_t deadline; /* real time, ns */
	bool done;
	bool loud;        /* it writes to stderr so much that both pipes must be watched */
};

/* Takes the complete lines out of the buffer. True when the step is over. */
static bool take_lines(struct fabric *f, int node, struct step *s, bool eof)
{
	struct child *c = &f->child[node];
	struct slice line;
	enum line_kind kind;
	while ((kind = line_next(&c->out_buf, LINE_MAX_BYTES, eof, &line)) != LINE_NONE) {
		if (kind == LINE_TOO_LONG)
			router_bad(&f->router, f->now, node, BAD_TOO_LONG, line);
		else if (kind == LINE_LAST)
			router_bad(&f->router, f->now, node, BAD_NO_NEWLINE, line);
		else if (router_line(&f->router, f->now, node, line))
			s->done = true;
		if (s->done)
			return true;
		if (++s->lines > LINES_PER_STEP || f->router.node[node].bad > BAD_LINES_MAX) {
			router_bad(&f->router, f->now, node, BAD_FLOOD, line);
			end_node(f, node, "wrote more than the limits allow and was ended");
			return true;
		}
	}
	return false;
}

static void stuck(struct fabric *f, int node)
{
	struct route_node *n = &f->router.node[node];
	const char *text = "did not say \"done\" in time, and was ended";
	if (child_stopped(&f->child[node]))
		text = "is stopped (SIGSTOP, or a read from a terminal), and was ended";
	else if (n->phase == NODE_INIT)
		text = "did not answer init, and was ended";
	else if (f->init_pending[node])
		text = "answered init and did not say \"done\": it does not know lockstep. Use the SDK, write "
		       "{\"dest\":\"dlab\",\"body\":{\"type\":\"done\"}} after each line, or run it with --fabric proc";
	end_node(f, node, text);
}

static bool too_late(struct fabric *f, int node, struct step *s)
{
	int64_t now = clock_ns();
	bool silent_after_init = f->init_pending[node] && f->router.node[node].phase == NODE_READY;
	if (silent_after_init && s->deadline > now + NO_DONE_NS)
		s->deadline = now + NO_DONE_NS;
	return now > s->deadline;
}

static bool eats_memory(struct fabric *f, int node)
{
	if (child_memory(&f->child[node]) <= (uint64_t)NODE_MEMORY_MB << 20)
		return false;
	char why[96];
	snprintf(why, sizeof why, "used more than %d MB of memory and was ended", NODE_MEMORY_MB);
	end_node(f, node, why);
	return true;
}

/* The process has ended, but a child of its own may hold its stdout, so that no end of file comes: what it said
 * before is read, and no more. */
static void read_rest(struct fabric *f, int node, struct step *s)
{
	struct child *c = &f->child[node];
	enum child_read how = CHILD_MORE;
	fcntl(c->out, F_SETFL, O_NONBLOCK);
	while (how == CHILD_MORE && s->bytes < BYTES_PER_STEP) {
		uint64_t before = c->out_bytes;
		how = child_fill_out(c);
		s->bytes += (int64_t)(c->out_bytes - before);
		if (take_lines(f, node, s, how != CHILD_MORE))
			break;
	}
	if (c->pid)
		ended(f, node, "stdout");
}

/* What a read that waits is interrupted for. True when the step is over. */
static bool look_up(struct fabric *f, int node, struct step *s)
{
	struct child *c = &f->child[node];
	s->loud = child_soak_err(c, LOG_KEPT) > 0; /* a node that blocks on a full stderr goes on */
	if (child_reap(c))
		read_rest(f, node, s);
	else if (child_reads_no_more(c))
		ended(f, node, "stdin");
	else if (too_late(f, node, s))
		stuck(f, node);
	else
		return eats_memory(f, node);
	return true;
}

/* A read of stdout that waits; when stderr is full again and again, one that empties both. */
static enum child_read read_more(struct fabric *f, int node, const struct step *s)
{
	struct child *c = &f->child[node];
	struct pollfd fds[] = { { .fd = c->out, .events = POLLIN }, { .fd = c->err, .events = POLLIN } };
	if (s->loud && (poll(fds, ARRAY_LEN(fds), TICK_US / 1000) < 0 || !fds[0].revents))
		return CHILD_AGAIN;
	return child_fill_out(c);
}

/* Reads until the node says done, ends, floods or takes too long. */
static void read_step(struct fabric *f, int node)
{
	struct child *c = &f->child[node];
	int64_t limit = f->init_pending[node] ? f->cluster.init_limit_ns : f->cluster.step_limit_ns;
	struct step s = { 0 };
	uint64_t before = c->out_bytes;
	for (;;) {
		if (take_lines(f, node, &s, false))
			break;
		enum child_read how = read_more(f, node, &s);
		if (how == CHILD_EOF) {
			if (!take_lines(f, node, &s, true))
				ended(f, node, "stdout");
			break;
		}
		if (c->out_bytes - before > BYTES_PER_STEP) {
			router_bad(&f->router, f->now, node, BAD_FLOOD, SLICE(""));
			end_node(f, node, "wrote more than the limits allow and was ended");
			break;
		}
		if (how == CHILD_MORE)
			continue;
		if (!s.deadline) /* counted from the first tick on: most steps need no clock */
			s.deadline = clock_ns() + limit;
		if (look_up(f, node, &s))
			break;
	}
	f->ran_last = node;
	set_init_pending(f, node, false);
	if (c->pid && may_have_log(f, node))
		take_log(f, node, false);
	const struct route_node *n = &f->router.node[node];
	if (c->pid && s.done && n->phase == NODE_INIT && !n->asked_service)
		end_node(f, node, "said \"done\" before it had answered init, and was ended");
	if (c->pid && ++f->steps % MEMORY_CHECK == 0)
		eats_memory(f, node);
}

/* Whether the pipe may hold something that was written since the node's last done was read. All share one core: while
 * this process only computes, no other can write. Asking costs as much as a fifth of what the harness does in a step. */
static bool may_have_written(const struct fabric *f, int node)
{
	if (f->pinned && f->cluster.prompt && f->ran_last == node)
		return false;
	int waiting = 0;
	return ioctl(f->child[node].out, FIONREAD, &waiting) == 0 && waiting > 0;
}

/* A node that wrote since its last done runs something of its own. */
static bool wrote_after_done(struct fabric *f, int node)
{
	struct child *c = &f->child[node];
	if (may_have_written(f, node))
		child_fill_out(c);
	struct slice line = { c->out_buf.s + c->out_buf.at, c->out_buf.n - c->out_buf.at };
	const char *end = line.n ? memchr(line.s, '\n', line.n) : NULL;
	if (end)
		line.n = (size_t)(end - line.s);
	if (line.n == 0)
		return false; /* end of file: the next read says so */
	router_bad(&f->router, f->now, node, BAD_AFTER_DONE, line);
	end_node(f, node, "wrote after \"done\": does it use a thread or a clock of its own? Run it with --fabric proc");
	return true;
}

static void step(struct fabric *f, int node, struct slice line)
{
	struct child *c = &f->child[node];
	if (wrote_after_done(f, node))
		return;
	if (child_write(c, line.s, line.n) != 0) {
		if (errno == EPIPE)
			ended(f, node, "stdin");
		else
			end_node(f, node, "does not read its stdin, and was ended");
		return;
	}
	read_step(f, node);
}

/* --- the door --- */

static int sim_start(struct fabric *f, int node, struct err *e)
{
	char **env = node_env(&f->cluster, node, 0, NULL, true);
	struct child_spec spec = { .argv = f->cluster.argv, .env = env, .cwd = f->cluster.cwd };
	f->ran_last = -1;
	int rc = child_spawn(&f->child[node], &spec, e);
	env_free(env);
	if (rc != 0)
		return -1;
	log_signals_of(f, node);
	if (f->cluster.guard)
		guard_announce(f->cluster.guard, f->child[node].pid);
	struct slice line = router_start(&f->router, f->now, node);
	set_init_pending(f, node, true);
	child_write(&f->child[node], line.s, line.n); /* a node that is gone already is noticed by the read */
	return 0;
}

static uint64_t sim_post(struct fabric *f, const struct parcel *parcel, struct err *e)
{
	(void)e;
	return router_post(&f->router, f->now, parcel);
}

static void kill_nodes(struct fabric *f, lane_set nodes)
{
	for (int i = 0; i < f->cluster.lanes->nodes; i++)
		if ((nodes & lane_bit(i)) && f->child[i].pid) {
			router_say(&f->router, f->now, EVENT_KILL, i, 0, SLICE_NONE);
			end_node(f, i, "was killed by the lab");
		}
}

static int sim_fault(struct fabric *f, const struct fault *fault, struct err *e)
{
	int rc = 0;
	switch (fault->kind) {
	case FAULT_KILL:
		kill_nodes(f, fault->from);
		return 0;
	case FAULT_START:
		for (int i = 0; i < f->cluster.lanes->nodes && rc == 0; i++)
			if ((fault->from & lane_bit(i)) && !f->child[i].pid)
				rc = sim_start(f, i, e);
		return rc;
	case FAULT_PAUSE:
	case FAULT_RESUME:
		for (int i = 0; i < f->cluster.lanes->nodes; i++)
			if (fault->from & lane_bit(i))
				router_pause(&f->router, f->now, i, fault->kind == FAULT_PAUSE);
		return 0;
	default:
		link_fault(f->router.link, fault);
		return 0;
	}
}

/* Reads the answers to init of all that were started, in the order of the nodes. */
static void collect_inits(struct fabric *f)
{
	for (int i = 0; f->inits > 0 && i < f->cluster.lanes->nodes; i++)
		if (f->init_pending[i])
			read_step(f, i);
}

static bool has_spoken(const struct child *c)
{
	return c->out_buf.at < c->out_buf.n;
}

/* What was read already is seen every time; asking the pipes costs a system call for each. */
static bool anyone_speaks_unasked(struct fabric *f, bool ask)
{
	bool any = false;
	for (int i = 0; i < f->cluster.lanes->nodes; i++)
		if (f->child[i].pid && (ask || has_spoken(&f->child[i])) && wrote_after_done(f, i))
			any = true;
	return any;
}

static int sim_next(struct fabric *f, int64_t until_ns, struct event *event, struct err *e)
{
	(void)e;
	assert(until_ns >= f->now);
	for (;;) {
		collect_inits(f);
		if (router_next(&f->router, event))
			return 1;
		int64_t due = link_due(f->router.link);
		if (due > until_ns) {
			if (anyone_speaks_unasked(f, ++f->quiet % QUIET_CHECK == 0))
				continue;
			f->now = until_ns;
			return 0;
		}
		if (due > f->now)
			f->now = due;
		struct link_item item;
		int node;
		struct slice line;
		if (link_pop(f->router.link, f->now, &item) && router_deliver(&f->router, f->now, &item, &node, &line))
			step(f, node, line);
	}
}

/* Virtual time passes a request's time limit at once; a thread of a node needs real time to show itself. */
static void sim_settle(struct fabric *f)
{
	struct pollfd fds[NODES_MAX];
	nfds_t n = 0;
	for (int i = 0; i < f->cluster.lanes->nodes; i++)
		if (f->child[i].pid)
			fds[n++] = (struct pollfd){ .fd = f->child[i].out, .events = POLLIN };
	int64_t limit = clock_ns() + SETTLE_MS * NS_PER_MS;
	f->ran_last = -1;
	for (int64_t left; (left = limit - clock_ns()) > 0;) /* our own ticks interrupt it */
		if (poll(fds, n, (int)(left / NS_PER_MS) + 1) > 0)
			break;
	anyone_speaks_unasked(f, true);
}

static int64_t sim_now(const struct fabric *f)
{
	return f->now;
}

static void sim_close(struct fabric *f)
{
	if (!f)
		return;
	ticks_stop(f);
	for (int i = 0; i < f->cluster.lanes->nodes; i++)
		if (f->child[i].pid) {
			child_kill(&f->child[i]);
			child_done(&f->child[i]);
		}
	guard_sweep_descendants(f->cluster.marker, f->cluster.guard);
	log_signals_stop(f);
	if (f->pinned)
		sched_setaffinity(0, sizeof f->old_cpus, &f->old_cpus);
	router_done(&f->router);
	free(f);
}

const struct fabric_ops fabric_sim = {
	.name = "sim",
	.open = sim_open,
	.start = sim_start,
	.post = sim_post,
	.fault = sim_fault,
	.next = sim_next,
	.settle = sim_settle,
	.now = sim_now,
	.close = sim_close,
	.can = (1u << FAULT_KIND_COUNT) - 1,
	.deterministic = true,
};
