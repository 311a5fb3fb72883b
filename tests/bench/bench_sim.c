/* bench_sim.c - how fast the simulation is, beside the least that a machine can do: a line there and a line back over
 * two pipes, to a process on the same core. Both are measured in turns, in short slices, so that what else the machine
 * does hits both; the medians of the slices are printed, as one JSON object.
 *
 *	bench_sim steps SLICES STEPS STORE BARE NODE    STORE: a path for the run's file, or - for none
 *	bench_sim start ROUNDS MEGABYTES BARE NODE      five nodes; the harness holds so much memory meanwhile
 *	bench_sim idle SECONDS NODE                     five nodes of broadcast, one value every two virtual seconds
 *
 * BARE and NODE are commands, split at spaces. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "child.h"
#include "guard.h"
#include "play.h"

extern char **environ;

enum { SLICES_MAX = 1000, WORDS_MAX = 16, NODES = 5, WARM_STEPS = 200, STEP_BYTES = 2048 };

/* About what the harness writes for one step, and what the node answers. */
static const char STEP_LINE[] =
	"{\"id\":123456,\"src\":\"c1\",\"dest\":\"n1\",\"at_ms\":0,\"body\":{\"type\":\"echo\",\"echo\":\"hi\",\"msg_id\":12345}}\n";

struct command {
	char *argv[WORDS_MAX];
};

struct slices {
	double a[SLICES_MAX];
	int n;
};

struct bench {
	int slices, steps;
	struct command bare, node;
	struct child copier;
	struct slices bare_s, sim_s, ratio, cpu_ratio; /* seconds; ratios of neighbours */
	int64_t began, ready; /* real time */
	int64_t virtual_s;
	struct result result;
	char marker[32];
	struct guard *guard;
};

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "bench_sim: %s\n", what);
	exit(3);
}

static struct command command_split(char *text)
{
	struct command c = { { NULL } };
	int n = 0;
	for (char *word = strtok(text, " "); word && n < WORDS_MAX - 1; word = strtok(NULL, " "))
		c.argv[n++] = word;
	if (n == 0)
		die("an empty command");
	return c;
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;
	return (*x > *y) - (*x < *y);
}

static double median(struct slices *s)
{
	if (s->n == 0)
		die("nothing was measured");
	qsort(s->a, (size_t)s->n, sizeof s->a[0], compare);
	return s->n % 2 ? s->a[s->n / 2] : (s->a[s->n / 2 - 1] + s->a[s->n / 2]) / 2;
}

static void slices_add(struct slices *s, double v)
{
	if (s->n < SLICES_MAX)
		s->a[s->n++] = v;
}

/* A play gets nothing but the run; the one place in it that is ours is the watcher's. */
static struct bench *bench_of(const struct play *p)
{
	return p->spec->watch_ctx;
}

/* --- steps --- */

/* Real time, and processor time of this thread and one other process. */
struct lap {
	int64_t real, cpu;
};

static int64_t read_clock(clockid_t id)
{
	struct timespec t = { 0 };
	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}

static struct lap lap_now(pid_t other)
{
	clockid_t id;
	int64_t cpu = read_clock(CLOCK_THREAD_CPUTIME_ID);
	if (clock_getcpuclockid(other, &id) == 0)
		cpu += read_clock(id);
	return (struct lap){ clock_ns(), cpu };
}

static void ping(struct child *c, int steps)
{
	char in[4096];
	for (int i = 0; i < steps; i++) {
		ssize_t n;
		if (write(c->in, STEP_LINE, sizeof STEP_LINE - 1) != (ssize_t)sizeof STEP_LINE - 1)
			die("the copying process does not read");
		while ((n = read(c->out, in, sizeof in)) < 0 && errno == EINTR)
			;
		if (n <= 0)
			die("the copying process does not answer");
	}
}

static void next_echo(struct play *p, struct op *op, struct rng *rng, struct buf *body, void *arg)
{
	(void)p;
	(void)rng;
	(void)arg;
	op->node = 0;
	buf_str(body, "{\"type\":\"echo\",\"echo\":\"hi\"}");
}

static void echo_steps(struct play *p, int steps)
{
	play_workload(p, &(struct workload){ .clients = 1, .count = steps, .next = next_echo });
}

/* The youngest child of this process: before the copier is started, that is the node. */
static pid_t node_pid(void)
{
	char text[4096];
	FILE *f = fopen("/proc/thread-self/children", "r");
	size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
	text[n] = '\0';
	if (f)
		fclose(f);
	pid_t last = 0;
	for (char *at = text, *end; ; at = end) {
		long pid = strtol(at, &end, 10);
		if (end == at)
			return last;
		last = (pid_t)pid;
	}
}

/* Of a virtual machine's memory the host gives out a page when it is first touched, and takes it back when it was free for
 * a second or two. That costs more than the step that happens to need the page, so before each slice as much is touched as
 * the run and its file take in it. */
static void warm_memory(size_t n)
{
	char *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return;
	madvise(p, n, MADV_HUGEPAGE); /* the run asks for large pages too, and those are what the host takes back */
	for (size_t i = 0; i < n; i += 4096)
		p[i] = 1;
	munmap(p, n);
}

static void play_steps(struct play *p)
{
	struct bench *b = bench_of(p);
	struct err e;
	pid_t node = node_pid();
	if (child_spawn(&b->copier, &(struct child_spec){ .argv = b->bare.argv, .env = environ, .cwd = "." }, &e) != 0)
		die(e.text);
	ping(&b->copier, WARM_STEPS);
	echo_steps(p, WARM_STEPS);
	for (int i = 0; i < b->slices; i++) {
		warm_memory((size_t)b->steps * STEP_BYTES);
		struct lap t0 = lap_now(b->copier.pid);
		ping(&b->copier, b->steps);
		struct lap t1 = lap_now(b->copier.pid), t2 = lap_now(node);
		echo_steps(p, b->steps);
		struct lap t3 = lap_now(node);
		double bare = (double)(t1.real - t0.real), sim = (double)(t3.real - t2.real);
		slices_add(&b->bare_s, bare / 1e9);
		slices_add(&b->sim_s, sim / 1e9);
		slices_add(&b->ratio, bare / sim);
		slices_add(&b->cpu_ratio, (double)(t1.cpu - t0.cpu) / (double)(t3.cpu - t2.cpu));
	}
	child_kill(&b->copier);
	child_done(&b->copier);
}

/* --- start --- */

static void play_started(struct play *p)
{
	bench_of(p)->ready = clock_ns();
	(void)play_ask(p, 0, "{\"type\":\"echo\",\"echo\":1}");
}

static double bare_start(struct bench *b)
{
	struct child c[NODES];
	struct err e;
	int64_t t0 = clock_ns();
	for (int i = 0; i < NODES; i++)
		if (child_spawn(&c[i], &(struct child_spec){ .argv = b->bare.argv, .env = environ, .cwd = "." }, &e) != 0 ||
		    child_write(&c[i], STEP_LINE, sizeof STEP_LINE - 1) != 0)
			die("a bare process does not start");
	for (int i = 0; i < NODES; i++)
		if (child_fill_out(&c[i]) != CHILD_MORE)
			die("a bare process does not answer");
	double s = (double)(clock_ns() - t0) / 1e9;
	for (int i = 0; i < NODES; i++) {
		child_kill(&c[i]);
		child_done(&c[i]);
	}
	return s;
}

/* --- idle --- */

static void next_value(struct play *p, struct op *op, struct rng *rng, struct buf *body, void *arg)
{
	(void)p;
	(void)arg;
	op->node = (int)rng_below(rng, NODES);
	buf_printf(body, "{\"type\":\"broadcast\",\"message\":%u}", op->ordinal);
}

static void play_idle(struct play *p)
{
	struct bench *b = bench_of(p);
	for (int i = 0; i < NODES; i++)
		play_need_answer(p, play_ask(p, i, "{\"type\":\"topology\",\"topology\":{\"n1\":[\"n2\",\"n3\"],\"n2\":[\"n1\",\"n4\"],"
			"\"n3\":[\"n1\",\"n5\"],\"n4\":[\"n2\"],\"n5\":[\"n3\"]}}"));
	b->began = clock_ns();
	play_workload(p, &(struct workload){ .clients = 1, .rate = 0.5, .duration_ms = b->virtual_s * 1000,
		.next = next_value });
	b->ready = clock_ns();
}

/* --- the whole --- */

enum { TEST_STEPS, TEST_START, TEST_IDLE };
static const struct test tests[] = {
	[TEST_STEPS] = { "steps", "steps", 100, TEST_SAFETY, 1, INT32_MAX, play_steps, NULL, 0, { 0 }, NULL },
	[TEST_START] = { "start", "start", 100, TEST_SAFETY, NODES, INT32_MAX, play_started, NULL, 0, { 0 }, NULL },
	[TEST_IDLE] = { "idle", "idle", 100, TEST_SAFETY, NODES, INT32_MAX, play_idle, NULL, 0, { 0 }, NULL },
	{ 0 },
};
static const struct lab lab = { .id = "bench", .title = "bench", .stage = 1, .tests = tests };

static void run(struct bench *b, int which, const char *store_path)
{
	struct err e = { "" };
	struct run_spec spec = { .lab = &lab, .test = &tests[which], .fabric = &fabric_sim, .argv = b->node.argv, .cwd = ".",
		.seed = 1, .first = 1, .core = sched_getcpu(), .marker = b->marker, .guard = b->guard, .store_path = store_path,
		.real_limit_ns = 3600 * NS_PER_S, .watch_ctx = b };
	if (which != TEST_IDLE)
		b->began = clock_ns();
	if (run_test(&spec, &b->result, &e) != 0 || b->result.verdict != VERDICT_PASS)
		die(b->result.seen ? b->result.seen : e.text);
}

static int bench_steps(struct bench *b, char **argv)
{
	b->slices = atoi(argv[0]);
	b->steps = atoi(argv[1]);
	const char *store = strcmp(argv[2], "-") ? argv[2] : NULL;
	b->bare = command_split(argv[3]);
	b->node = command_split(argv[4]);
	if (b->slices < 1 || b->slices > SLICES_MAX || b->steps < 1)
		die("odd numbers");
	run(b, TEST_STEPS, store);
	printf("{\"bare\":%.0f,\"sim\":%.0f,\"ratio\":%.3f,\"cpu_ratio\":%.3f,\"events\":%llu,\"bytes_per_event\":%.1f}\n",
		b->steps / median(&b->bare_s), b->steps / median(&b->sim_s), median(&b->ratio), median(&b->cpu_ratio),
		(unsigned long long)b->result.events_n, (double)b->result.memory / (double)b->result.events_n);
	return 0;
}

/* Memory that is in use: touched, so that it is really there. */
static char *hold(size_t megabytes)
{
	size_t n = megabytes << 20;
	char *held = xmalloc(n);
	memset(held, 1, n);
	return held;
}

static void stay_on_one_core(cpu_set_t *before)
{
	cpu_set_t one;
	CPU_ZERO(&one);
	CPU_SET((size_t)sched_getcpu(), &one);
	sched_getaffinity(0, sizeof *before, before);
	sched_setaffinity(0, sizeof one, &one);
}

static int bench_start(struct bench *b, char **argv)
{
	int rounds = atoi(argv[0]);
	char *held = hold((size_t)atoi(argv[1]));
	b->bare = command_split(argv[2]);
	b->node = command_split(argv[3]);
	for (int i = 0; i < rounds; i++) {
		cpu_set_t before;
		stay_on_one_core(&before);
		double bare = bare_start(b);
		sched_setaffinity(0, sizeof before, &before);
		run(b, TEST_START, NULL);
		result_done(&b->result);
		double sim = (double)(b->ready - b->began) / 1e9;
		slices_add(&b->bare_s, bare);
		slices_add(&b->sim_s, sim);
		slices_add(&b->ratio, sim / bare);
	}
	free(held);
	printf("{\"bare_ms\":%.2f,\"sim_ms\":%.2f,\"ratio\":%.3f}\n", median(&b->bare_s) * 1000, median(&b->sim_s) * 1000,
		median(&b->ratio));
	return 0;
}

static int bench_idle(struct bench *b, char **argv)
{
	b->virtual_s = atoi(argv[0]);
	b->node = command_split(argv[1]);
	run(b, TEST_IDLE, NULL);
	printf("{\"virtual_per_real\":%.0f,\"events\":%llu}\n", (double)b->virtual_s * 1e9 / (double)(b->ready - b->began),
		(unsigned long long)b->result.events_n);
	return 0;
}

static const struct {
	const char *name;
	int arguments;
	int (*run)(struct bench *, char **);
} benches[] = {
	{ "steps", 5, bench_steps },
	{ "start", 4, bench_start },
	{ "idle", 2, bench_idle },
};

int main(int argc, char **argv)
{
	struct bench b = { 0 };
	signal(SIGPIPE, SIG_IGN);
	/* As in the program itself: while the process is small. It makes this process the one that orphans come to. */
	struct err e;
	snprintf(b.marker, sizeof b.marker, "bench-%ld", (long)getpid());
	b.guard = guard_start(b.marker, &e);
	if (!b.guard)
		die(e.text);
	for (size_t i = 0; i < ARRAY_LEN(benches); i++)
		if (argc == benches[i].arguments + 2 && strcmp(argv[1], benches[i].name) == 0) {
			int rc = benches[i].run(&b, argv + 2);
			result_done(&b.result);
			guard_stop(b.guard);
			return rc;
		}
	die("steps SLICES STEPS STORE BARE NODE | start ROUNDS MEGABYTES BARE NODE | idle SECONDS NODE");
}
