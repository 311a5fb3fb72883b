/* bench_screen.c - the dashboard without a terminal, on a run of many events.
 *
 *	bench_screen stored EVENTS JUMPS    opens a stored run and draws; then jumps to places by chance
 *	bench_screen live SECONDS RATE      another process writes a run at that rate while this one follows it, 30 frames a second
 *
 * Prints one JSON object. Times are of the slowest jump; memory is this process's own, by what it grew since before. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "action.h"
#include "dash.h"

enum { NODES = 5, W = 120, H = 40, FRAME_MS = 34 };

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "bench_screen: %s\n", what);
	exit(3);
}

/* --- a run --- */

struct making {
	struct arena arena;
	struct lanes lanes;
	struct trace *trace;
	struct history *history;
	struct rng rng;
	uint64_t msg;
	int64_t now, step_ns;
};

static void making_init(struct making *m, int64_t step_ns)
{
	*m = (struct making){ .step_ns = step_ns };
	arena_init(&m->arena);
	lanes_init(&m->lanes, NODES, 1);
	m->trace = trace_new(&m->arena, &m->lanes);
	m->history = history_new(&m->arena);
	rng_seed(&m->rng, 3);
	for (int n = 0; n < NODES; n++)
		trace_append(m->trace, &(struct event){ .kind = EVENT_START, .src = (int16_t)n, .dst = (int16_t)n, .arg = 1 });
}

static void making_done(struct making *m)
{
	trace_free(m->trace);
	history_free(m->history);
	arena_done(&m->arena);
}

static void add_message(struct making *m)
{
	int src = (int)rng_below(&m->rng, NODES), dst = (src + 1 + (int)rng_below(&m->rng, NODES - 1)) % NODES;
	const char *body = arena_printf(&m->arena, "{\"type\":\"append_entries\",\"term\":%llu,\"index\":%llu}",
		(unsigned long long)(m->msg / 9000), (unsigned long long)m->msg);
	struct event e = { .t_ns = m->now += m->step_ns, .msg = ++m->msg, .arg = -1, .text = slice_of(body), .kind = EVENT_SEND,
		.type = trace_type(m->trace, SLICE("append_entries")), .src = (int16_t)src, .dst = (int16_t)dst };
	trace_append(m->trace, &e);
	e.text = SLICE_NONE;
	e.kind = rng_chance(&m->rng, 50000) ? EVENT_DROP : EVENT_RECV;
	e.why = e.kind == EVENT_DROP ? DROP_CUT : 0;
	e.t_ns = m->now += m->step_ns;
	trace_append(m->trace, &e);
}

/* Now and then something else: requests, reports, faults, logs. */
static void add_some(struct making *m)
{
	int node = (int)rng_below(&m->rng, NODES);
	struct event e = { .t_ns = m->now, .src = (int16_t)node, .dst = (int16_t)node };
	switch (rng_below(&m->rng, 400)) {
	case 0: e.kind = EVENT_FAULT; e.src = e.dst = LANE_NONE; e.text = SLICE("cut n1 > n2,n3"); break;
	case 1: e.kind = EVENT_FAULT; e.src = e.dst = LANE_NONE; e.text = SLICE("heal"); break;
	case 2: case 3: case 4: e.kind = EVENT_LOG; e.text = SLICE("a line that a node has written to its log"); break;
	case 5: case 6: case 7: case 8:
		e.kind = EVENT_STATE;
		e.text = slice_of(arena_printf(&m->arena, "{\"type\":\"state\",\"role\":\"follower\",\"term\":%llu}", (unsigned long long)m->msg));
		break;
	case 9: case 10: case 11: case 12: case 13: case 14:
		e = (struct event){ .t_ns = m->now, .msg = ++m->msg, .kind = EVENT_CALL, .src = (int16_t)lane_client(&m->lanes, 1 + node),
			.dst = (int16_t)node, .text = SLICE("{\"type\":\"read\",\"key\":1}"), .type = trace_type(m->trace, SLICE("read")) };
		trace_append(m->trace, &e);
		e = (struct event){ .t_ns = m->now, .msg = ++m->msg, .kind = EVENT_REPLY, .src = (int16_t)node, .dst = e.src,
			.text = SLICE("{\"type\":\"read_ok\",\"value\":1}"), .type = trace_type(m->trace, SLICE("read_ok")) };
		break;
	default: add_message(m); return;
	}
	trace_append(m->trace, &e);
}

static void finish(struct making *m, struct store *s)
{
	struct err e;
	struct store_pair pairs[] = { { STORE_LAB, SLICE("bench") }, { STORE_TEST, SLICE("screen") }, { STORE_SEED, SLICE("1") },
		{ STORE_FABRIC, SLICE("sim") } };
	if (store_finish(s, &(struct store_meta){ .pairs = pairs, .pairs_n = ARRAY_LEN(pairs), .history = m->history }, &e) != 0)
		die(e.text);
}

static void make_run(const char *path, uint64_t events)
{
	struct making m;
	struct err e;
	making_init(&m, 10000);
	struct store *s = store_create(path, m.trace, &e);
	if (!s)
		die(e.text);
	while (trace_count(m.trace) < events) {
		add_some(&m);
		store_poke(s);
	}
	finish(&m, s);
	making_done(&m);
}

/* --- measuring --- */

static long resident_kb(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	long all, resident = 0;
	if (f && fscanf(f, "%ld %ld", &all, &resident) != 2)
		resident = 0;
	if (f)
		fclose(f);
	return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

static double seconds_since(int64_t t0)
{
	return (double)(clock_ns() - t0) / 1e9;
}

/* The making must not count as the screen's memory: it is done by another process. */
static void in_child(void (*fn)(void *), void *arg)
{
	pid_t pid = fork();
	int status;
	if (pid == 0) {
		fn(arg);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
		die("the run could not be made");
}

static void make_child(void *arg)
{
	make_run("screen.db", *(uint64_t *)arg);
}

static void stored(uint64_t events, int jumps)
{
	in_child(make_child, &events);
	struct dash d;
	struct grid g;
	struct rng rng;
	struct err e;
	double slowest = 0, survey;
	long before = resident_kb(), most = 0;
	dash_init(&d, false);
	grid_init(&g, W, H, false);
	rng_seed(&rng, 9);
	int64_t t0 = clock_ns();
	if (dash_open(&d, "screen.db", &e) != 0)
		die(e.text);
	d.view = VIEW_FLOW;
	dash_draw(&d, &g);
	double first = seconds_since(t0);
	for (int i = 0; i < jumps; i++) { /* the first ones while the survey is under way */
		int64_t t1 = clock_ns();
		d.view = (enum view)(VIEW_CLUSTER + (int)rng_below(&rng, VIEW_COMMANDS - VIEW_CLUSTER + 1));
		dash_goto(&d, i == 0 ? source_count(d.source) : 1 + rng_below(&rng, source_count(d.source)));
		dash_draw(&d, &g);
		slowest = fmax(slowest, seconds_since(t1));
		dash_tick(&d, FRAME_MS * NS_PER_MS);
		if (resident_kb() > most)
			most = resident_kb();
	}
	int64_t t2 = clock_ns();
	while (dash_tick(&d, 0))
		;
	survey = seconds_since(t2);
	for (int i = 0; i < jumps; i++) {
		int64_t t1 = clock_ns();
		d.view = (enum view)(VIEW_CLUSTER + (int)rng_below(&rng, VIEW_COMMANDS - VIEW_CLUSTER + 1));
		dash_goto(&d, 1 + rng_below(&rng, source_count(d.source)));
		dash_draw(&d, &g);
		slowest = fmax(slowest, seconds_since(t1));
		if (resident_kb() > most)
			most = resident_kb();
	}
	printf("{\"first_s\":%.4f,\"jump_s\":%.4f,\"survey_s\":%.3f,\"memory_mb\":%.1f,\"events\":%llu}\n", first, slowest, survey,
		(double)(most - before) / 1024, (unsigned long long)source_count(d.source));
	dash_done(&d);
	grid_done(&g);
}

/* --- live --- */

static void sleep_until(int64_t t)
{
	struct timespec at = { t / NS_PER_S, t % NS_PER_S };
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
}

static void write_live(int seconds, int rate)
{
	struct making m;
	struct err e;
	making_init(&m, NS_PER_S / rate);
	struct store *s = store_create("live.db", m.trace, &e);
	if (!s)
		die(e.text);
	store_hurry(s, 30);
	int64_t t0 = clock_ns();
	for (int ms = 0; ms < seconds * 1000; ms += 5) {
		while (trace_count(m.trace) < (uint64_t)rate * (uint64_t)(ms + 5) / 1000) {
			add_some(&m);
			store_poke(s);
		}
		sleep_until(t0 + (ms + 5) * NS_PER_MS);
	}
	finish(&m, s);
	making_done(&m);
}

static double cpu_seconds(void)
{
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void live(int seconds, int rate)
{
	struct dash d;
	struct grid g;
	struct err e;
	unlink("live.db"); /* an older one would be taken for it */
	pid_t writer = fork();
	if (writer == 0) {
		write_live(seconds, rate);
		_exit(0);
	}
	dash_init(&d, false);
	grid_init(&g, W, H, false);
	while (access("live.db", R_OK) != 0 || dash_open(&d, "live.db", &e) != 0)
		sleep_until(clock_ns() + 5 * NS_PER_MS);
	d.view = VIEW_FLOW;
	d.follow = true;
	double cpu = cpu_seconds();
	int64_t t0 = clock_ns();
	int frames = 0;
	uint64_t seen = 0, behind = 0;
	while (!source_finished(d.source)) {
		if (dash_tick(&d, FRAME_MS * NS_PER_MS)) {
			dash_draw(&d, &g);
			frames++;
		}
		if (source_count(d.source) > d.survey.seen + behind)
			behind = source_count(d.source) - d.survey.seen;
		sleep_until(t0 + (int64_t)(seconds_since(t0) * 1000 / FRAME_MS + 1) * FRAME_MS * NS_PER_MS);
	}
	double real = seconds_since(t0);
	cpu = cpu_seconds() - cpu;
	while (dash_tick(&d, 0))
		;
	for (uint64_t q = 1; q <= source_count(d.source); q++)
		seen += source_at(d.source, q) != NULL;
	waitpid(writer, NULL, 0);
	printf("{\"events\":%llu,\"seen\":%llu,\"wanted\":%llu,\"frames_a_second\":%.1f,\"core\":%.3f,\"behind\":%llu}\n",
		(unsigned long long)source_count(d.source), (unsigned long long)(seen < d.survey.seen ? seen : d.survey.seen),
		(unsigned long long)((uint64_t)rate * (uint64_t)seconds), frames / real, cpu / real, (unsigned long long)behind);
	dash_done(&d);
	grid_done(&g);
}

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "stored") == 0)
		stored(strtoull(argv[2], NULL, 10), atoi(argv[3]));
	else if (argc == 4 && strcmp(argv[1], "live") == 0)
		live(atoi(argv[2]), atoi(argv[3]));
	else
		die("stored EVENTS JUMPS, or live SECONDS RATE");
	return 0;
}
