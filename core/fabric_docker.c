/* fabric_docker.c - nodes as containers on a Docker network.
 *
 * Each node has an agent beside it (docker/pod.h), which carries its messages and tells what happened, and when. The
 * agents' clock is ours (CLOCK_MONOTONIC of one machine; else the difference is measured), but their words come over
 * pipes of different length. So this fabric lives a few milliseconds in the past: everything that the agents say waits
 * LAG in a heap, and comes out in the order in which it happened. now() is that past time.
 *
 * The router (route.c) judges the nodes' lines and knows clients and services; messages between nodes and the nodes'
 * timers are the agents' (router.remote). What the kernel drops, nobody tells: a message that has not arrived when it
 * must have is taken as dropped, by the cut if there was one. */
#include "fabric.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "docker_pods.h"
#include "docker_said.h"
#include "docker_talk.h"
#include "docker_wires.h"
#include "guard.h"
#include "route.h"
#include "shape.h"

enum {
	LAG_MS = 3,
	LOOK_EVERY_MS = 50,
	HELLO_LIMIT_MS = 60000,
	ACT_LIMIT_MS = 60000,     /* for a tool, a kill, a pause */
	UP_LIMIT_MS = 60000,      /* for a node's container */
	SHUT_WAIT_MS = 1000,
	GRACE_MS = 300,           /* how long beyond its delay a message may take where something drops messages */
	LONG_GRACE_MS = 3000,     /* and where nothing does: then it is only late, on a busy machine */
	UNSENT_WAIT_MS = 2000,    /* how long an arrival waits for the word of its sender */
	POD_NEWLINE = 0x1e,       /* docker/pod.h */
	TEXT_MAX = 200,
};

struct docker_node {
	struct talk talk;         /* with its agent */
	struct wires wires;
	struct shape shape;
	struct buf cuts;          /* the scripts that are in force */
	struct buf tc;
	struct docker_call start; /* of its container */
	bool hello, here, up, starting, killed;
	bool warm;                /* its container runs, and no node was started in it yet */
	int64_t start_ns;         /* when it was asked for, real */
	int64_t shut_ns;          /* it closed stdout; 0: not */
	char why[TEXT_MAX];       /* it is being ended for that; empty: not */
};

struct fabric {
	struct cluster cluster;
	struct router router;
	struct pods pods;
	struct shaping shaping;
	struct docker_node node[PODS_MAX]; /* the clients' pod has an agent, too */
	struct said_heap said;
	int64_t began;   /* machine's clock */
	int64_t offset;  /* the agents' clock minus ours */
	int64_t now;
	int64_t look_at;
	int64_t uncut_ns[NODES_MAX][NODES_MAX]; /* when the last cut src -> dst ended; 0: never cut */
	uint64_t asked, answered; /* tools and syncs */
	int tool_status;          /* of the last tool that failed; 0: none */
	char tool_said[TEXT_MAX];
	char nowhere[TEXT_MAX];   /* why the clients' agent cannot reach us; empty: it can */
};

static int64_t real_now(const struct fabric *f)
{
	return clock_ns() - f->began;
}

static int nodes_of(const struct fabric *f)
{
	return f->cluster.lanes->nodes;
}

static bool of_sockets(const struct fabric *f)
{
	return f->cluster.kind == CLUSTER_SOCKETS;
}

/* Servers of raw sockets say nothing to one another that would have to be put in order. */
static int64_t lag_ns(const struct fabric *f)
{
	return of_sockets(f) ? 0 : LAG_MS * NS_PER_MS;
}

/* --- words --- */

static bool take_word(struct slice *s, struct slice *word)
{
	const char *end = s->n ? memchr(s->s, ' ', s->n) : NULL;
	size_t n = end ? (size_t)(end - s->s) : s->n;
	*word = (struct slice){ s->s, n };
	n += end != NULL;
	*s = (struct slice){ s->s + n, s->n - n };
	return word->n > 0;
}

static int64_t take_int(struct slice *s)
{
	struct slice word;
	int64_t v = 0;
	take_word(s, &word);
	slice_int(word, &v);
	return v;
}

/* --- to an agent --- */

static void PRINTF_LIKE(2, 3) say_to(struct docker_node *n, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	buf_vprintf(talk_buf(&n->talk), fmt, ap);
	va_end(ap);
	talk_flush(&n->talk);
}

/* A line of ours ends with its newline. */
static void say_line(struct docker_node *n, const char *word, struct slice line)
{
	buf_str(talk_buf(&n->talk), word);
	buf_slice(talk_buf(&n->talk), line);
	talk_flush(&n->talk);
}

static void ask_tool(struct fabric *f, int node, const char *tool, struct slice script)
{
	struct talk *t = &f->node[node].talk;
	buf_printf(talk_buf(t), "run %llu %s ", (unsigned long long)++f->asked, tool);
	for (size_t i = 0; i < script.n; i++)
		buf_char(talk_buf(t), script.s[i] == '\n' ? POD_NEWLINE : script.s[i]);
	buf_char(talk_buf(t), '\n');
	talk_flush(t);
}

static void ask_sync(struct fabric *f, int node)
{
	say_to(&f->node[node], "sync %llu\n", (unsigned long long)++f->asked);
}

/* --- the command log --- */

static void log_command(struct fabric *f, int node, const char *prompt, struct slice script)
{
	struct buf b = BUF_EMPTY;
	buf_str(&b, prompt);
	for (size_t i = 0; i < script.n; i++)
		buf_char(&b, script.s[i] != '\n' ? script.s[i] : i + 1 == script.n || script.s[i + 1] == '\n' ? ' ' : ';');
	router_say(&f->router, f->now, EVENT_NOTE, node, 0, buf_as_slice(&b));
	buf_done(&b);
}

/* --- messages between nodes --- */

static struct event wire_event(const struct fabric *f, int src, const struct wire *w, int kind, int why)
{
	return (struct event){ .t_ns = f->now, .kind = (uint8_t)kind, .why = (uint8_t)why, .src = (int16_t)src, .dst = w->dst,
		.msg = w->msg, .type = w->type, .arg = -1 };
}

static void push_wire(struct fabric *f, int src, const struct wire *w, int kind, int why)
{
	*router_push(&f->router) = wire_event(f, src, w, kind, why);
}

/* The latest time at which a message that is sent now can arrive. */
static int64_t latest_arrival(const struct fabric *f, int src, int dst, size_t bytes)
{
	struct network r = link_rule(f->router.link, src, dst);
	int64_t delay = r.mean_ns + 6 * (r.dist == DIST_EXPONENTIAL ? r.mean_ns : r.jitter_ns);
	if (r.reorder_million)
		delay = 5 * delay + 20 * NS_PER_MS;
	if (r.rate_bps)
		delay += 20 * (int64_t)bytes * NS_PER_S / r.rate_bps + NS_PER_S;
	bool drops = r.loss_million || link_is_cut(f->router.link, src, dst);
	return f->now + delay + (drops ? GRACE_MS : LONG_GRACE_MS) * NS_PER_MS;
}

/* NULL when its sender has not spoken of it yet. */
static struct wire *find_wire(struct fabric *f, int64_t src, int64_t k)
{
	return src >= 0 && src < nodes_of(f) ? wires_find(&f->node[src].wires, k) : NULL;
}

static enum drop presumed_reason(const struct fabric *f, int src, const struct wire *w)
{
	if (link_is_cut(f->router.link, src, w->dst) || f->uncut_ns[src][w->dst] > w->sent_ns)
		return DROP_CUT;
	return link_rule(f->router.link, src, w->dst).loss_million ? DROP_LOSS : DROP_FULL;
}

static void presume_lost(struct fabric *f, int src)
{
	for (const struct wire *w; (w = wires_overdue(&f->node[src].wires, f->now));)
		push_wire(f, src, w, EVENT_DROP, (int)presumed_reason(f, src, w));
}

/* --- what agents say --- */

static void hear_hello(struct fabric *f, int node, int64_t t, struct slice boot)
{
	char ours[BOOT_ID_MAX];
	boot_id(ours);
	f->node[node].hello = true;
	if (!slice_is(boot, ours)) /* the engine is in a machine of its own (Docker Desktop) */
		f->offset = t - clock_ns();
}

static void end_node(struct fabric *f, int node, const char *why);

static void hear_out(struct fabric *f, int node, struct slice rest)
{
	int64_t k = take_int(&rest);
	f->router.timer_refused = k < 0;
	router_line(&f->router, f->now, node, rest);
	const struct sent *sent = &f->router.sent;
	if (k > 0)
		wires_add(&f->node[node].wires, (uint64_t)k, (struct wire){ .msg = sent->msg, .sent_ns = f->now, .type = sent->type,
			.dst = (int8_t)sent->dst, .give_up_ns = sent->msg ? latest_arrival(f, node, sent->dst, rest.n) : 0 });
	if (f->router.node[node].bad > BAD_LINES_MAX)
		end_node(f, node, "wrote more than the limits allow and was ended");
}

/* False when its sender has not spoken of the message yet. */
static bool hear_got(struct fabric *f, int node, struct slice rest)
{
	int64_t src = take_int(&rest), k = take_int(&rest);
	struct wire *w = find_wire(f, src, k);
	if (!w)
		return false;
	if (w->msg) {
		struct wire to = *w;
		to.dst = (int8_t)node;
		push_wire(f, (int)src, &to, EVENT_RECV, w->got);
	}
	w->settled = true;
	w->got = true;
	return true;
}

static bool hear_lost(struct fabric *f, struct slice rest)
{
	int64_t src = take_int(&rest), k = take_int(&rest), why = take_int(&rest);
	struct wire *w = find_wire(f, src, k);
	if (!w)
		return false;
	if (w->msg)
		push_wire(f, (int)src, w, EVENT_DROP, why >= 0 && why < DROP_COUNT ? (int)why : DROP_FULL);
	w->settled = true;
	return true;
}

static void hear_end(struct fabric *f, int node, int64_t status, bool out_of_memory)
{
	struct docker_node *n = &f->node[node];
	struct buf text = BUF_EMPTY;
	int64_t arg = 1000 + SIGKILL;
	bool own = !n->killed && !n->why[0];
	if (n->killed) {
		buf_str(&text, "was killed by the lab");
	} else if (n->why[0]) {
		buf_str(&text, n->why);
	} else if (out_of_memory || (status < 0 && pods_out_of_memory(&f->pods, node))) {
		buf_printf(&text, "used more than %d MB of memory and was ended", POD_MEMORY_MB);
	} else if (status < 0) {
		buf_str(&text, "ended together with its container");
	} else {
		child_print_status(&text, (int)status);
	}
	if (own && status >= 0)
		arg = WIFSIGNALED((int)status) ? 1000 + WTERMSIG((int)status) : WEXITSTATUS((int)status);
	n->up = n->killed = false;
	n->why[0] = '\0';
	n->shut_ns = 0;
	router_exit(&f->router, f->now, node, arg, buf_as_slice(&text));
	buf_done(&text);
}

static void hear_end_words(struct fabric *f, int node, struct slice rest)
{
	int64_t status = take_int(&rest);
	hear_end(f, node, status, take_int(&rest) == 1);
}

static void hear_ran(struct fabric *f, struct slice rest)
{
	f->answered++;
	take_int(&rest);
	int64_t status = take_int(&rest);
	if (status == 0)
		return;
	f->tool_status = (int)status;
	snprintf(f->tool_said, sizeof f->tool_said, "%.*s", rest.n < 150 ? (int)rest.n : 150, rest.s);
}

static void hear_up(struct fabric *f, int node)
{
	f->node[node].up = true;
	f->router.node[node].init_sent_ns = f->now;
}

/* A server of raw sockets. */
static void hear_ready(struct fabric *f, int node)
{
	f->router.node[node].phase = NODE_READY;
	router_say(&f->router, f->now, EVENT_READY, node, 0, SLICE_NONE);
}

/* False: it must be said again a little later. */
static bool hear(struct fabric *f, const struct said *s)
{
	struct slice rest = { s->line, s->n }, word;
	int node = s->node;
	take_word(&rest, &word);
	take_int(&rest);
	bool alive = f->router.node[node].phase != NODE_DOWN;
	if (slice_is(word, "got"))
		return hear_got(f, node, rest);
	if (slice_is(word, "lost"))
		return hear_lost(f, rest);
	if (slice_is(word, "up"))
		hear_up(f, node);
	if (!alive)
		return true;
	if (slice_is(word, "out"))
		hear_out(f, node, rest);
	else if (slice_is(word, "err"))
		router_log(&f->router, f->now, node, rest);
	else if (slice_is(word, "timer"))
		router_say(&f->router, f->now, EVENT_TIMER, node, 0, rest);
	else if (slice_is(word, "long"))
		router_bad(&f->router, f->now, node, BAD_TOO_LONG, rest);
	else if (slice_is(word, "last"))
		router_bad(&f->router, f->now, node, BAD_NO_NEWLINE, rest);
	else if (slice_is(word, "ready"))
		hear_ready(f, node);
	else if (slice_is(word, "shut"))
		f->node[node].shut_ns = f->now;
	else if (slice_is(word, "unfit"))
		end_node(f, node, arena_printf(f->cluster.arena, "%.*s", SLICE_ARG(rest)));
	else if (slice_is(word, "end"))
		hear_end_words(f, node, rest);
	return true;
}

static void hear_in_time(struct fabric *f)
{
	struct said s = said_take(&f->said);
	if (s.t_ns > f->now)
		f->now = s.t_ns;
	if (hear(f, &s)) {
		free(s.line);
		return;
	}
	/* An arrival before its sending: the sender's words are still on their way. */
	if (real_now(f) - s.t_ns > UNSENT_WAIT_MS * NS_PER_MS) {
		free(s.line);
		return;
	}
	s.t_ns = f->now + NS_PER_MS;
	said_put(&f->said, s);
}

/* --- reading --- */

/* Answers and greetings are heard at once: somebody waits for them. */
static void take_line(struct fabric *f, int node, struct slice line)
{
	struct slice rest = line, word;
	take_word(&rest, &word);
	int64_t t = take_int(&rest);
	if (slice_is(word, "hello")) {
		hear_hello(f, node, t, rest);
	} else if (slice_is(word, "here") || slice_is(word, "gone")) {
		f->node[node].here = slice_is(word, "here");
	} else if (slice_is(word, "nowhere")) {
		snprintf(f->nowhere, sizeof f->nowhere, "%.*s", rest.n < 150 ? (int)rest.n : 150, rest.s);
	} else if (slice_is(word, "ran")) {
		hear_ran(f, rest);
	} else if (word.n) {
		said_add(&f->said, t - f->began - f->offset, node, line);
	}
}

static int read_node(struct fabric *f, int node, struct err *e)
{
	struct talk *t = &f->node[node].talk;
	struct slice line;
	if (!talk_read(t))
		return err_set(e, "the container of %s's agent has ended in the middle of the run: did the Docker engine stop?",
			pod_owner(&f->pods, node));
	while (talk_next(t, &line))
		take_line(f, node, line);
	return 0;
}

/* --- waiting --- */

/* Until something comes, or so long. What comes is put where it belongs; no time passes on the run's clock. */
static int wait_agents(struct fabric *f, int64_t wait_ns, struct err *e)
{
	struct pollfd fds[PODS_MAX];
	int n = f->pods.count, rc;
	wait_ns = wait_ns > 0 ? wait_ns : 0;
	for (int i = 0; i < n; i++)
		fds[i] = (struct pollfd){ .fd = f->node[i].talk.fd,
			.events = (short)(POLLIN | (talk_waits(&f->node[i].talk) ? POLLOUT : 0)) };
	if (docker_pending(f->pods.docker)) {
		rc = docker_step(f->pods.docker, fds, (size_t)n, (int)((wait_ns + NS_PER_MS - 1) / NS_PER_MS), e);
	} else {
		struct timespec ts = { wait_ns / NS_PER_S, wait_ns % NS_PER_S };
		rc = ppoll(fds, (nfds_t)n, &ts, NULL) < 0 && errno != EINTR ? err_errno(e, "cannot wait for the agents") : 0;
	}
	for (int i = 0; i < n && rc == 0; i++) {
		if (fds[i].revents & POLLOUT)
			talk_flush(&f->node[i].talk);
		if (fds[i].revents & (POLLIN | POLLHUP | POLLERR))
			rc = read_node(f, i, e);
	}
	return rc;
}

/* Until what was asked of tools and agents is done. */
static int wait_answers(struct fabric *f, struct err *e)
{
	int64_t limit = clock_ns() + ACT_LIMIT_MS * NS_PER_MS;
	while (f->answered < f->asked) {
		if (clock_ns() > limit)
			return err_set(e, "an agent did not answer within %d s: is the machine too busy?", ACT_LIMIT_MS / 1000);
		if (wait_agents(f, 100 * NS_PER_MS, e) != 0)
			return -1;
	}
	return 0;
}

/* --- shaping --- */

static void fault_to_agent(struct fabric *f, int node, const struct fault *fault)
{
	struct buf b = BUF_EMPTY;
	fault_print(&b, f->cluster.lanes, fault);
	say_to(&f->node[node], "fault %.*s\n", SLICE_ARG(b));
	buf_done(&b);
}

/* What the test's own network does, as faults for agents that do it themselves. */
static void base_to_agent(struct fabric *f, int node)
{
	const struct network *n = &f->cluster.network;
	unsigned own = shape_agent_kinds(&f->shaping);
	lane_set all = lanes_all_nodes(f->cluster.lanes);
	const struct fault faults[] = {
		{ .kind = FAULT_LATENCY, .dist = n->dist, .mean_ns = n->mean_ns, .jitter_ns = n->jitter_ns },
		{ .kind = FAULT_LOSS, .p_million = n->loss_million },
		{ .kind = FAULT_DUPLICATE, .p_million = n->dup_million },
		{ .kind = FAULT_REORDER, .p_million = n->reorder_million },
		{ .kind = FAULT_RATE, .rate_bps = n->rate_bps },
	};
	for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
		struct fault one = faults[i];
		one.from = one.to = all;
		if (own & FAULT_BIT(one.kind))
			fault_to_agent(f, node, &one);
	}
}

/* As it would be typed; the script is what it reads. */
static const char *prompt_of(const char *tool)
{
	static const struct { const char *tool, *prompt; } prompts[] = {
		{ "nft", "nft -f -  " }, { "iptables", "iptables-legacy-restore --noflush  " }, { "tc", "tc -batch -  " },
	};
	for (size_t i = 0; i < ARRAY_LEN(prompts); i++)
		if (strcmp(tool, prompts[i].tool) == 0)
			return prompts[i].prompt;
	return "";
}

static void run_if_changed(struct fabric *f, int node, const char *tool, struct buf *old, struct buf *now)
{
	if (!slice_eq(buf_as_slice(old), buf_as_slice(now))) {
		log_command(f, node, prompt_of(tool), buf_as_slice(now));
		ask_tool(f, node, tool, buf_as_slice(now));
	}
	buf_done(old);
	*old = *now;
}

/* Puts the router's rules into force at one pod. */
static void shape_node(struct fabric *f, int node)
{
	struct docker_node *n = &f->node[node];
	struct buf cuts = BUF_EMPTY, tc = BUF_EMPTY;
	const char *tool = shape_cut_tool(&f->shaping);
	if (tool && (shape_print_cuts(&cuts, &n->shape, &f->shaping, f->router.link) || n->cuts.n))
		run_if_changed(f, node, tool, &n->cuts, &cuts);
	else
		buf_done(&cuts);
	shape_print_tc(&tc, &n->shape, &f->shaping, f->router.link);
	run_if_changed(f, node, "tc", &n->tc, &tc);
}

static int shape_all(struct fabric *f, struct err *e)
{
	f->tool_status = 0;
	for (int i = 0; i < f->pods.count; i++)
		shape_node(f, i);
	for (int i = 0; i < f->pods.count; i++)
		ask_sync(f, i);
	if (wait_answers(f, e) != 0)
		return -1;
	return f->tool_status ? err_set(e, "the network cannot be shaped so: %s", f->tool_said) : 0;
}

/* True when a tool could do it at the first pod. */
static bool probe(struct fabric *f, const char *tool, struct slice script, struct err *e)
{
	f->tool_status = 0;
	ask_tool(f, 0, tool, script);
	return wait_answers(f, e) == 0 && f->tool_status == 0;
}

/* DLAB_SHAPING, for tests: what of the machine may be used ("nft,htb"; "agent": nothing); else all that there is. */
static bool may_use(const char *what)
{
	const char *list = getenv("DLAB_SHAPING");
	return !list || !*list || strstr(list, what);
}

/* The first pod's base rules are the probe, and stay. */
static bool probe_firewall(struct fabric *f, struct err *e)
{
	struct buf base = BUF_EMPTY;
	const char *tool = shape_cut_tool(&f->shaping);
	shape_print_base(&base, &f->node[0].shape, &f->shaping);
	bool works = may_use(tool) && probe(f, tool, buf_as_slice(&base), e);
	for (int i = 0; i < f->pods.count && works; i++) {
		log_command(f, i, prompt_of(tool), buf_as_slice(&base));
		if (i > 0)
			ask_tool(f, i, tool, buf_as_slice(&base));
	}
	buf_done(&base);
	return works;
}

/* A probe that fails half-way may leave its root. */
static bool probe_tc(struct fabric *f, const char *what, const char *script, struct err *e)
{
	bool works = may_use(what) && probe(f, "tc", slice_of(script), e);
	if (!works && may_use(what))
		probe(f, "tc", SLICE("qdisc del dev lo root\n"), e);
	return works;
}

static int probe_all(struct fabric *f, struct err *e)
{
	struct shaping *s = &f->shaping;
	struct err tool;
	for (int i = 0; i < f->pods.count; i++)
		f->node[i].shape = (struct shape){ .lanes = f->cluster.lanes, .address = (const char (*)[16])f->pods.address,
			.pods = f->pods.count, .me = i, .clients.mean_ns = f->cluster.network.mean_ns };
	s->nft = true;
	s->nft = probe_firewall(f, &tool);
	s->iptables = !s->nft;
	s->iptables = s->iptables && probe_firewall(f, &tool);
	s->netem = probe_tc(f, "netem", shape_probe_netem(), &tool);
	s->netem_doubles = s->netem && probe_tc(f, "netem", shape_probe_doubles(), &tool);
	s->htb = !s->netem && probe_tc(f, "htb", shape_probe_htb(), &tool);
	return wait_answers(f, e);
}

/* --- open --- */

/* What is said before the run's clock begins, is said at once. */
static void begin_clock(struct fabric *f)
{
	f->began = clock_ns();
	for (int i = 0; i < f->pods.count; i++) {
		say_to(&f->node[i], "clock %lld\n", (long long)(f->began + f->offset));
		f->node[i].warm = true;
	}
}

static int wait_hello(struct fabric *f, struct err *e)
{
	int64_t limit = clock_ns() + HELLO_LIMIT_MS * NS_PER_MS;
	for (int i = 0; i < f->pods.count; i++)
		while (!f->node[i].hello || !f->node[i].here) {
			if (f->nowhere[0])
				return err_set(e, "the clients' container cannot reach %s (%s): raw sockets need a Docker engine that sees the files "
					"of this machine; use --fabric proc", f->pods.dial.folder, f->nowhere);
			if (clock_ns() > limit)
				return err_set(e, "the containers of %s did not come up within %d s; does the image fit this machine?",
					pod_owner(&f->pods, i), HELLO_LIMIT_MS / 1000);
			if (wait_agents(f, 100 * NS_PER_MS, e) != 0)
				return -1;
		}
	return of_sockets(f) ? dial_accept(&f->pods.dial, f->pods.token, e) : 0;
}

static void docker_fabric_close(struct fabric *f)
{
	if (!f)
		return;
	for (int i = 0; i < f->pods.count; i++) {
		struct docker_node *n = &f->node[i];
		if (n->starting)
			docker_call_done(&n->start);
		talk_done(&n->talk);
		buf_done(&n->cuts);
		buf_done(&n->tc);
		wires_done(&n->wires);
	}
	said_done(&f->said);
	if (f->pods.docker)
		pods_close(&f->pods);
	router_done(&f->router);
	free(f);
}

static void say_status(struct fabric *f)
{
	struct buf b = BUF_EMPTY;
	buf_printf(&b, "docker: network %s, ", f->pods.run);
	shape_print_status(&b, &f->shaping);
	if (of_sockets(f) && !f->shaping.netem)
		buf_str(&b, "; the clients' connections are not delayed");
	router_say(&f->router, f->now, EVENT_NOTE, LANE_NONE, 0, buf_as_slice(&b));
	buf_done(&b);
}

static struct fabric *docker_fabric_open(const struct cluster *c, struct err *e)
{
	if (c->kind == CLUSTER_SOCKETS && c->lanes->nodes == NODES_MAX) {
		err_set(e, "with raw sockets there can be %d nodes at most on docker", NODES_MAX - 1);
		return NULL;
	}
	struct fabric *f = xcalloc(1, sizeof *f);
	f->cluster = *c;
	router_init(&f->router, &f->cluster, "docker", false, true);
	f->router.remote = true;
	f->router.data_dir = "/dlab/data";
	f->began = clock_ns();
	if (pods_open(&f->pods, &f->cluster, e) != 0) {
		docker_fabric_close(f);
		return NULL;
	}
	for (int i = 0; i < f->pods.count; i++)
		f->node[i].talk.fd = f->pods.pod[i].control;
	int rc = wait_hello(f, e) != 0 || probe_all(f, e) != 0 ? -1 : 0;
	for (int i = 0; i < nodes_of(f) && rc == 0 && !of_sockets(f); i++)
		base_to_agent(f, i);
	if (rc != 0 || shape_all(f, e) != 0) {
		docker_fabric_close(f);
		return NULL;
	}
	begin_clock(f);
	say_status(f);
	return f;
}

/* --- time --- */

static void post_line(struct fabric *f, int node, struct slice line)
{
	say_line(&f->node[node], "line ", line);
}

static void deliver_one(struct fabric *f)
{
	struct link_item item;
	int node;
	struct slice line;
	if (link_due(f->router.link) > f->now)
		f->now = link_due(f->router.link);
	if (link_pop(f->router.link, f->now, &item) && router_deliver(&f->router, f->now, &item, &node, &line))
		post_line(f, node, line);
}

static int look_at_start(struct fabric *f, int node, struct err *e)
{
	struct docker_node *n = &f->node[node];
	if (!n->starting || !n->start.done)
		return 0;
	bool again = n->start.status == 304 && !n->up; /* the container of before is just ending */
	int rc = docker_check(&n->start, e);
	docker_call_done(&n->start);
	n->starting = again && rc == 0;
	if (n->starting)
		docker_send(f->pods.docker, &n->start, "POST", NULL, "/containers/%s/start", f->pods.pod[node].name);
	return rc == 0 ? 0 : err_wrap(e, "cannot start the container of %s", lane_name(f->cluster.lanes, node));
}

static void look_at_node(struct fabric *f, int node)
{
	struct docker_node *n = &f->node[node];
	const struct route_node *r = &f->router.node[node];
	presume_lost(f, node);
	if (r->phase == NODE_DOWN || n->why[0])
		return;
	if (n->shut_ns && f->now - n->shut_ns > SHUT_WAIT_MS * NS_PER_MS)
		end_node(f, node, "closed its stdout and was ended");
	else if (!of_sockets(f) && n->up && r->phase == NODE_INIT && !r->paused && f->now - r->init_sent_ns > f->cluster.init_limit_ns)
		end_node(f, node, "did not answer init, and was ended");
}

static int look_after(struct fabric *f, struct err *e)
{
	for (int i = 0; i < nodes_of(f); i++) {
		const struct docker_node *n = &f->node[i];
		if (look_at_start(f, i, e) != 0)
			return -1;
		if (f->router.node[i].phase == NODE_INIT && !n->up && real_now(f) - n->start_ns > UP_LIMIT_MS * NS_PER_MS)
			return err_set(e, "the container of %s did not come up within %d s", lane_name(f->cluster.lanes, i), UP_LIMIT_MS / 1000);
		if (f->now >= f->look_at)
			look_at_node(f, i);
	}
	if (f->now >= f->look_at)
		f->look_at = f->now + LOOK_EVERY_MS * NS_PER_MS;
	return 0;
}

/* When the next thing happens on the run's clock; INT64_MAX: nothing is known. */
static int64_t next_thing(struct fabric *f)
{
	int64_t said = said_due(&f->said), due = link_due(f->router.link);
	return said < due ? said : due;
}

static void do_next_thing(struct fabric *f)
{
	if (f->said.n && said_due(&f->said) <= link_due(f->router.link))
		hear_in_time(f);
	else
		deliver_one(f);
}

static int docker_fabric_next(struct fabric *f, int64_t until_ns, struct event *event, struct err *e)
{
	for (;;) {
		if (router_next(&f->router, event))
			return 1;
		int64_t past = real_now(f) - lag_ns(f), next = next_thing(f);
		if (next <= past && (next <= until_ns || next <= f->now)) {
			do_next_thing(f);
			continue;
		}
		int64_t reach = past < until_ns ? past : until_ns;
		if (reach > f->now)
			f->now = reach;
		if (look_after(f, e) != 0)
			return -1;
		if (router_next(&f->router, event))
			return 1;
		if (f->now >= until_ns && past >= until_ns)
			return wait_agents(f, 0, e) == 0 ? 0 : -1;
		int64_t wake = next < until_ns ? next : until_ns;
		if (f->look_at < wake)
			wake = f->look_at;
		if (wait_agents(f, wake - past, e) != 0)
			return -1;
	}
}

static bool docker_fabric_under_way(struct fabric *f, struct event *event)
{
	while (router_next(&f->router, event))
		if (event->kind == EVENT_SEND || event->kind == EVENT_RECV || event->kind == EVENT_DROP)
			return true;
	for (int i = 0; i < nodes_of(f); i++) {
		const struct wire *w = wires_overdue(&f->node[i].wires, INT64_MAX);
		if (w) {
			*event = wire_event(f, i, w, EVENT_DROP, DROP_END);
			return true;
		}
	}
	return router_under_way(&f->router, f->now, event);
}

static int64_t docker_fabric_now(const struct fabric *f)
{
	return f->now;
}

/* --- verbs --- */

static void log_verb(struct fabric *f, int node, const char *verb)
{
	router_say(&f->router, f->now, EVENT_NOTE, node, 0, slice_of(arena_printf(f->cluster.arena, "docker %s %s", verb,
		f->pods.pod[node].name)));
}

static int docker_fabric_start(struct fabric *f, int node, struct err *e)
{
	struct docker_node *n = &f->node[node];
	(void)e;
	struct slice line = router_start(&f->router, f->now, node);
	if (of_sockets(f))
		say_to(n, "serve %d\n", f->pods.port);
	else
		say_line(n, "init ", line);
	n->killed = n->up = false;
	n->why[0] = '\0';
	n->shut_ns = 0;
	n->start_ns = real_now(f);
	n->starting = !n->warm;
	if (n->starting) {
		log_verb(f, node, "start");
		docker_send(f->pods.docker, &n->start, "POST", NULL, "/containers/%s/start", f->pods.pod[node].name);
	}
	n->warm = false;
	return 0;
}

static uint64_t docker_fabric_post(struct fabric *f, const struct parcel *parcel, struct err *e)
{
	(void)e;
	return router_post(&f->router, f->now, parcel);
}

/* A container that is being started cannot be killed or paused yet. */
static int wait_started(struct fabric *f, lane_set nodes, struct err *e)
{
	for (int i = 0; i < nodes_of(f); i++)
		while ((nodes & lane_bit(i)) && f->node[i].starting) {
			if (wait_agents(f, 100 * NS_PER_MS, e) != 0 || look_at_start(f, i, e) != 0)
				return -1;
		}
	return 0;
}

/* For what it did itself. Its agent says when it has ended. */
static void end_node(struct fabric *f, int node, const char *why)
{
	struct docker_node *n = &f->node[node];
	struct err ignored;
	if (n->why[0] || n->killed)
		return;
	snprintf(n->why, sizeof n->why, "%s", why);
	if (wait_started(f, lane_bit(node), &ignored) == 0)
		pods_each(&f->pods, lane_bit(node), "kill", &ignored);
}

static lane_set living(const struct fabric *f, lane_set wanted)
{
	lane_set up = 0;
	for (int i = 0; i < nodes_of(f); i++)
		if ((wanted & lane_bit(i)) && f->router.node[i].phase != NODE_DOWN)
			up |= lane_bit(i);
	return up;
}

/* What they said before is said, and heard before this returns: until the agents tell the end. */
static int kill_nodes(struct fabric *f, lane_set wanted, struct err *e)
{
	lane_set nodes = living(f, wanted);
	if (!nodes || wait_started(f, nodes, e) != 0)
		return nodes ? -1 : 0;
	for (int i = 0; i < nodes_of(f); i++)
		if (nodes & lane_bit(i)) {
			log_verb(f, i, "kill");
			router_say(&f->router, f->now, EVENT_KILL, i, 0, SLICE_NONE);
			f->node[i].killed = true;
		}
	int rc = pods_each(&f->pods, nodes, "kill", e);
	if (rc != 0 && !strstr(e->text, "not running")) /* it has just ended by itself */
		return -1;
	int64_t limit = clock_ns() + ACT_LIMIT_MS * NS_PER_MS;
	while (living(f, nodes)) {
		if (clock_ns() > limit)
			return err_set(e, "a killed container did not end within %d s", ACT_LIMIT_MS / 1000);
		while (living(f, nodes) && next_thing(f) <= real_now(f))
			do_next_thing(f);
		if (living(f, nodes) && wait_agents(f, NS_PER_MS, e) != 0)
			return -1;
	}
	return 0;
}

static int pause_nodes(struct fabric *f, lane_set wanted, bool pause, struct err *e)
{
	lane_set nodes = living(f, wanted);
	for (int i = 0; i < nodes_of(f); i++)
		if (f->router.node[i].paused == pause)
			nodes &= ~lane_bit(i);
	if (wait_started(f, nodes, e) != 0 || pods_each(&f->pods, nodes, pause ? "pause" : "unpause", e) != 0)
		return -1;
	for (int i = 0; i < nodes_of(f); i++)
		if (nodes & lane_bit(i)) {
			log_verb(f, i, pause ? "pause" : "unpause");
			router_pause(&f->router, f->now, i, pause);
		}
	return 0;
}

static int start_nodes(struct fabric *f, lane_set nodes, struct err *e)
{
	for (int i = 0; i < nodes_of(f); i++)
		if ((nodes & lane_bit(i)) && f->router.node[i].phase == NODE_DOWN && docker_fabric_start(f, i, e) != 0)
			return -1;
	return 0;
}

static void remember_cuts(struct fabric *f)
{
	for (int a = 0; a < nodes_of(f); a++)
		for (int b = 0; b < nodes_of(f); b++)
			if (link_is_cut(f->router.link, a, b))
				f->uncut_ns[a][b] = INT64_MAX;
			else if (f->uncut_ns[a][b] == INT64_MAX)
				f->uncut_ns[a][b] = f->now;
}

static int link_fault_everywhere(struct fabric *f, const struct fault *fault, struct err *e)
{
	unsigned own = shape_agent_kinds(&f->shaping);
	if (of_sockets(f) && own & FAULT_BIT(fault->kind))
		return err_set(e, "this machine's kernel cannot do \"%s\" to raw sockets, and the agents do not carry them",
			fault_kind_name(fault->kind));
	link_fault(f->router.link, fault);
	remember_cuts(f);
	for (int i = 0; i < nodes_of(f); i++) {
		if (own & FAULT_BIT(fault->kind) || fault->kind == FAULT_HEAL)
			fault_to_agent(f, i, fault);
		if (fault->kind == FAULT_HEAL && !of_sockets(f))
			base_to_agent(f, i);
	}
	return shape_all(f, e);
}

static int docker_fabric_fault(struct fabric *f, const struct fault *fault, struct err *e)
{
	switch (fault->kind) {
	case FAULT_KILL:
		return kill_nodes(f, fault->from, e);
	case FAULT_START:
		return start_nodes(f, fault->from, e);
	case FAULT_PAUSE:
	case FAULT_RESUME:
		return pause_nodes(f, fault->from, fault->kind == FAULT_PAUSE, e);
	default:
		return link_fault_everywhere(f, fault, e);
	}
}

/* --- for raw sockets --- */

static pid_t docker_fabric_pid(const struct fabric *f, int node)
{
	return f->router.node[node].phase == NODE_DOWN ? 0 : pods_pid(&f->pods, node);
}

static void docker_fabric_signal(struct fabric *f, int node, int signal_number)
{
	log_verb(f, node, arena_printf(f->cluster.arena, "kill --signal %d", signal_number));
	say_to(&f->node[node], "signal %d\n", signal_number);
}

static int docker_fabric_dial(struct fabric *f, int node, struct sockaddr_in *to)
{
	*to = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)f->pods.port) };
	if (inet_pton(AF_INET, f->pods.address[node], &to->sin_addr) != 1)
		return -1;
	return dial_socket(&f->pods.dial);
}

const struct fabric_ops fabric_docker = {
	.name = "docker",
	.open = docker_fabric_open,
	.start = docker_fabric_start,
	.post = docker_fabric_post,
	.fault = docker_fabric_fault,
	.next = docker_fabric_next,
	.now = docker_fabric_now,
	.close = docker_fabric_close,
	.under_way = docker_fabric_under_way,
	.pid = docker_fabric_pid,
	.signal = docker_fabric_signal,
	.dial = docker_fabric_dial,
	.can = (1u << FAULT_KIND_COUNT) - 1,
};
