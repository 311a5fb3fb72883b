/* bench_sim.c - steps of the simulation a second, beside a bare ping-pong over two pipes on the same core.
 *
 * usage: bench_sim NODE_COMMAND... ; environment: STEPS (default 200000), STORE=path */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "child.h"
#include "run.h"

static int64_t steps;

static void next_op(struct play *p, struct op *op, struct rng *rng, struct buf *body, void *arg)
{
	(void)p;
	(void)rng;
	(void)arg;
	op->node = 0;
	buf_str(body, "{\"type\":\"echo\",\"echo\":\"hi\"}");
}

static void play(struct play *p)
{
	play_workload(p, &(struct workload){ .clients = 1, .count = steps, .next = next_op });
}

static const struct test tests[] = { { "bench", "bench", 100, TEST_SAFETY, 1, 3600000, play, NULL, 0, { 0 }, NULL }, { 0 } };
static const struct lab lab = { .id = "bench", .title = "bench", .stage = 1, .tests = tests };

static double bare(char *node, const char *line)
{
	extern char **environ;
	char arg[] = "bare";
	char *argv[] = { node, arg, NULL };
	struct child c;
	struct err e;
	if (child_spawn(&c, &(struct child_spec){ .argv = argv, .env = environ, .cwd = "." }, &e) != 0)
		exit(3);
	char in[65536];
	size_t n = strlen(line);
	int64_t t0 = clock_ns();
	for (int64_t i = 0; i < steps; i++)
		if (write(c.in, line, n) < 0 || read(c.out, in, sizeof in) <= 0)
			exit(3);
	double s = (double)(clock_ns() - t0) / 1e9;
	child_kill(&c);
	child_done(&c);
	return (double)steps / s;
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	steps = getenv("STEPS") ? atoll(getenv("STEPS")) : 200000;
	int core = sched_getcpu();
	cpu_set_t all, one;
	sched_getaffinity(0, sizeof all, &all);
	for (int round = 0; round < 3; round++) {
		CPU_ZERO(&one);
		CPU_SET((size_t)core, &one);
		sched_setaffinity(0, sizeof one, &one);
		double b = bare(argv[1], "{\"id\":123456,\"src\":\"c1\",\"dest\":\"n1\",\"at_ms\":0,\"body\":{\"type\":\"echo\",\"echo\":\"hi\",\"msg_id\":12345}}\n");
		sched_setaffinity(0, sizeof all, &all);
		struct run_spec spec = { .lab = &lab, .test = &tests[0], .fabric = &fabric_sim, .argv = argv + 1, .cwd = ".", .seed = 1,
			.first = 1, .core = core, .marker = "bench", .store_path = getenv("STORE") };
		struct result r;
		struct err e;
		if (run_test(&spec, &r, &e) != 0 || r.verdict != VERDICT_PASS) {
			fprintf(stderr, "failed: %s %s\n", e.text, r.seen ? r.seen : "");
			return 1;
		}
		double s = (double)steps / ((double)r.real_ns / 1e9);
		printf("bare %.0f/s  sim %.0f/s  ratio %.2f  memory per million events %.0f MB\n", b, s, s / b,
			(double)r.memory / (double)r.events_n);
		result_done(&r);
	}
	return argc < 1;
}
