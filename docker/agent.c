/* agent.c - `dlab-agent`: the small program inside the containers of the docker fabric. See pod.h. */
#include "agent.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "node.h"
#include "pod.h"
#include "shape.h"

enum { POLLS = 10, BACKLOG_OF_CONNECTIONS = 4, COPY_ROOM = 65536, CONTROL_MAX = 4 << 20 };

/* --- what it makes at its start --- */

static int copy_self(void)
{
	char room[COPY_ROOM];
	int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int to = open(POD_PROGRAM, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
	ssize_t n = 1;
	while (from >= 0 && to >= 0 && (n = read(from, room, sizeof room)) > 0)
		if (write(to, room, (size_t)n) != n)
			return -1;
	if (from < 0 || to < 0 || n < 0)
		return -1;
	close(from);
	return fchmod(to, 0755) == 0 && close(to) == 0 ? 0 : -1;
}

static int listen_for_node(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = POD_SOCKET };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) != 0 || chmod(POD_SOCKET, 0666) != 0)
		return -1;
	return listen(fd, BACKLOG_OF_CONNECTIONS) == 0 ? fd : -1;
}

static int read_addresses(struct agent *a, const char *text, int port, int first)
{
	int n = 0;
	for (const char *at = text; at && n < NODES_MAX; at = strchr(at, ',')) {
		char one[INET_ADDRSTRLEN];
		at += *at == ',';
		snprintf(one, sizeof one, "%.*s", (int)strcspn(at, ","), at);
		a->peer[n] = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
		if (inet_pton(AF_INET, one, &a->peer[n++].sin_addr) != 1)
			return -1;
	}
	lanes_init(&a->lanes, n, first);
	return n;
}

static int set_up(struct agent *a, char **word)
{
	static const struct network none;
	int port = atoi(word[2]);
	*a = (struct agent){ .me = atoi(word[0]), .udp = -1, .harness = -1, .connection = -1, .in = -1, .out = -1, .err = -1 };
	a->token = strtoull(word[3], NULL, 16);
	tool_init(&a->tool);
	umask(0);
	if (read_addresses(a, word[4], port, atoi(word[1])) <= a->me || a->me < 0)
		return -1;
	a->link = link_new(&a->lanes, &none, rng_derive(a->token, (uint64_t)a->me));
	a->began_ns = clock_ns();
	if (copy_self() != 0 || (mkdir(POD_DATA, 0777) != 0 && errno != EEXIST) || net_open(a, port) != 0)
		return -1;
	a->listener = listen_for_node();
	return a->listener;
}

static void say_hello(struct agent *a)
{
	char boot[BOOT_ID_MAX];
	boot_id(boot);
	report_line(&a->report, "hello", slice_of(boot));
}

/* --- what the harness says --- */

static bool word_is(struct slice *line, const char *word)
{
	size_t n = strlen(word);
	if (line->n < n || memcmp(line->s, word, n) != 0)
		return false;
	*line = (struct slice){ line->s + n, line->n - n };
	return true;
}

static void take_fault(struct agent *a, struct slice text)
{
	struct fault f[2];
	struct err e;
	int n = fault_parse(&a->lanes, text, f, &e);
	for (int i = 0; i < n; i++)
		if (f[i].kind <= FAULT_HEAL)
			link_fault(a->link, &f[i]);
}

static void with_newline(struct buf *b, struct slice line)
{
	b->n = 0;
	buf_slice(b, line);
	buf_char(b, '\n');
}

static int64_t number_of(struct slice text)
{
	int64_t n = 0;
	slice_int(text, &n);
	return n;
}

static void obey(struct agent *a, struct slice line)
{
	if (word_is(&line, "line ")) {
		with_newline(&a->line, line);
		node_give(a, buf_as_slice(&a->line));
	} else if (word_is(&line, "init ")) {
		with_newline(&a->init, line);
		node_go(a);
	} else if (word_is(&line, "serve ")) {
		a->serve_port = (int)number_of(line);
		node_go(a);
	} else if (word_is(&line, "signal ")) {
		node_signal(a, (int)number_of(line));
	} else if (word_is(&line, "clock ")) {
		a->began_ns = number_of(line);
	} else if (word_is(&line, "fault ")) {
		take_fault(a, line);
	} else if (word_is(&line, "sync ")) {
		report_text(&a->report, "ran", "%.*s 0 ", SLICE_ARG(line));
	} else if (word_is(&line, "run ")) {
		tool_add(&a->tool, line);
	}
}

/* False when the harness is gone. */
static bool read_control(struct agent *a)
{
	size_t got;
	enum child_read how = line_fill(STDIN_FILENO, &a->control, &got);
	struct slice line;
	while (line_next(&a->control, CONTROL_MAX, false, &line) != LINE_NONE)
		obey(a, line);
	return how != CHILD_EOF;
}

static void read_tool(struct agent *a)
{
	char id[24];
	int status;
	struct slice said;
	if (!tool_read(&a->tool, id, &status, &said))
		return;
	report_text(&a->report, "ran", "%s %d %.*s", id, status, SLICE_ARG(said));
	tool_next(&a->tool);
}

/* --- the loop --- */

struct watch {
	struct pollfd fd[POLLS];
	void (*act[POLLS])(struct agent *);
	int n;
};

static void watch_add(struct watch *w, int fd, short events, void (*act)(struct agent *))
{
	if (fd < 0)
		return;
	w->act[w->n] = act;
	w->fd[w->n++] = (struct pollfd){ .fd = fd, .events = events };
}

static void watch_all(struct agent *a, struct watch *w)
{
	bool full = report_full(&a->report);
	w->n = 0;
	watch_add(w, STDIN_FILENO, POLLIN, NULL);
	watch_add(w, report_waits(&a->report) ? STDOUT_FILENO : -1, POLLOUT, NULL);
	watch_add(w, full ? -1 : a->udp, POLLIN, net_read);
	watch_add(w, full ? -1 : a->out, POLLIN, node_read_out);
	watch_add(w, full ? -1 : a->err, POLLIN, node_read_err);
	watch_add(w, a->backlog.n ? a->in : -1, POLLOUT, node_flush);
	watch_add(w, a->listener, POLLIN, node_connect);
	watch_add(w, full ? -1 : a->connection, POLLIN, node_read_connection);
	watch_add(w, a->tool.out, POLLIN, read_tool);
	watch_add(w, a->harness, POLLIN, clients_serve);
}

static void wait_for(struct agent *a, struct watch *w)
{
	struct timespec ts, *limit = NULL;
	int64_t due = link_due(a->link);
	if (a->knock_ns && a->knock_ns < due)
		due = a->knock_ns;
	if (due != INT64_MAX) {
		int64_t left = due - clock_ns();
		left = left > 0 ? left : 0;
		ts = (struct timespec){ left / NS_PER_S, left % NS_PER_S };
		limit = &ts;
	}
	if (ppoll(w->fd, (nfds_t)w->n, limit, NULL) < 0)
		for (int i = 0; i < w->n; i++)
			w->fd[i].revents = 0;
}

static int run(struct agent *a)
{
	struct watch w;
	for (;;) {
		watch_all(a, &w);
		wait_for(a, &w);
		net_due(a);
		for (int i = 0; i < w.n; i++)
			if (w.fd[i].revents && w.act[i])
				w.act[i](a);
		net_due(a);
		node_knock(a);
		if ((w.fd[0].revents && !read_control(a)) || !report_flush(&a->report))
			return 0; /* the harness is gone: so is the run */
	}
}

static int pod_main(char **word)
{
	struct agent a;
	signal(SIGPIPE, SIG_IGN);
	if (set_up(&a, word) < 0) {
		perror("dlab-agent");
		return 1;
	}
	fcntl(STDOUT_FILENO, F_SETFL, fcntl(STDOUT_FILENO, F_GETFL) | O_NONBLOCK);
	say_hello(&a);
	if (word[5])
		clients_open(&a);
	return run(&a);
}

/* --- tables for netem --- */

enum { TABLE_ENTRIES = 4096, TABLE_SCALE = 8192, TABLE_MOST = 32767 };

static double exponential(double p)
{
	return -log(1 - p) - 1;
}

static double uniform(double p)
{
	return 2 * p - 1;
}

/* netem draws mean + deviation * t / 8192 with t from a table of quantiles. What lies beyond four deviations is cut. */
static int write_table(const char *folder, const char *name, double (*quantile)(double))
{
	char *path = xasprintf("%s/%s.dist", folder, name);
	FILE *f = fopen(path, "w");
	free(path);
	if (!f)
		return -1;
	fprintf(f, "# %s: quantiles of (x - mean) / deviation, times %d\n", name, TABLE_SCALE);
	for (int i = 0; i < TABLE_ENTRIES; i++) {
		double t = quantile((i + 0.5) / TABLE_ENTRIES) * TABLE_SCALE;
		fprintf(f, "%ld%c", lround(t < TABLE_MOST ? t : TABLE_MOST), i % 8 == 7 ? '\n' : ' ');
	}
	return fclose(f);
}

/* Two that iproute2 does not bring. */
static int tables_main(const char *folder)
{
	return write_table(folder, "exponential", exponential) == 0 && write_table(folder, "uniform", uniform) == 0 ? 0 : 1;
}

/* --- what this kernel can do --- */

static int try_script(struct tool *t, const char *name, const char *script)
{
	char id[24];
	int status;
	struct slice said;
	char *words = xasprintf("0 %s %s", name, script);
	tool_add(t, slice_of(words));
	free(words);
	while (!tool_read(t, id, &status, &said))
		;
	return status;
}

/* A line each: the name, and 0 when it can be done. */
static int probe_main(void)
{
	struct tool t;
	tool_init(&t);
	printf("nft %d\n", try_script(&t, "nft", "table inet dlab { chain in { type filter hook input priority 0; }\n}\ndelete table inet dlab"));
	printf("iptables %d\n", try_script(&t, "iptables", "*filter\n:DLAB_IN - [0:0]\nCOMMIT"));
	printf("netem %d\n", try_script(&t, "tc", shape_probe_netem()));
	try_script(&t, "tc", "qdisc del dev lo root");
	printf("doubles %d\n", try_script(&t, "tc", shape_probe_doubles()));
	try_script(&t, "tc", "qdisc del dev lo root");
	printf("htb %d\n", try_script(&t, "tc", shape_probe_htb()));
	return fflush(stdout) == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
	if ((argc == 7 || (argc == 8 && strcmp(argv[7], "clients") == 0)) && strcmp(argv[1], "pod") == 0)
		return pod_main(argv + 2);
	if (argc >= 3 && strcmp(argv[1], "node") == 0)
		return node_main(argv + 2);
	if (argc == 2 && strcmp(argv[1], "probe") == 0)
		return probe_main();
	if (argc == 3 && strcmp(argv[1], "tables") == 0)
		return tables_main(argv[2]);
	fprintf(stderr, "dlab-agent belongs to the containers that dlab starts: dlab test LAB --fabric docker\n");
	return 2;
}
