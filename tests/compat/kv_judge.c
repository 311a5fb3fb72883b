/* kv_judge.c - judges nodes that use the services: a store that stands on lin-kv, a counter that stands on seq-kv.
 *
 * usage: kv_judge kv|counter sim|proc COMMAND...      exit status 0: passed; else the reason is on stdout */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "guard.h"
#include "lab.h"
#include "run.h"

enum { NODES = 3, ADDS = 20 };

static void need_error(struct play *p, const struct op *op, int code)
{
	if (op->code != code)
		FAIL(p, .rule = "errors of the service reach the client", .expected = play_text(p, "error %d", code),
			.seen = play_text(p, "%.*s", SLICE_ARG(op->answer)), .nodes = lane_bit(op->node));
}

static void need_value(struct play *p, int node, int64_t value)
{
	const struct op *op = play_ask(p, node, "{\"type\":\"read\",\"key\":7}");
	if (json_get_int(play_need_answer(p, op), "value", -1) != value)
		FAIL(p, .rule = "a read shows the last write", .expected = play_text(p, "%lld", (long long)value),
			.seen = play_text(p, "%.*s", SLICE_ARG(op->answer)), .nodes = lane_bit(node));
}

static void play_kv(struct play *p)
{
	need_error(p, play_ask(p, 0, "{\"type\":\"read\",\"key\":7}"), ERROR_NO_KEY);
	play_need_answer(p, play_ask(p, 1, "{\"type\":\"write\",\"key\":7,\"value\":1}"));
	need_value(p, 2, 1);
	play_need_answer(p, play_ask(p, 0, "{\"type\":\"cas\",\"key\":7,\"from\":1,\"to\":2}"));
	need_value(p, 1, 2);
	need_error(p, play_ask(p, 2, "{\"type\":\"cas\",\"key\":7,\"from\":1,\"to\":3}"), ERROR_PRECONDITION);
	need_value(p, 0, 2);
}


static void play_counter(struct play *p)
{
	int64_t sum = 0;
	for (int i = 0; i < ADDS; i++) {
		play_need_answer(p, play_ask(p, i % NODES, "{\"type\":\"add\",\"delta\":%d}", i));
		sum += i;
	}
	for (int node = 0; node < NODES; node++) {
		int64_t until = play_elapsed_ms(p) + 10000, value;
		do {
			value = json_get_int(play_need_answer(p, play_ask(p, node, "{\"type\":\"read\"}")), "value", -1);
			play_for(p, 100);
		} while (value != sum && play_elapsed_ms(p) < until);
		if (value != sum)
			FAIL(p, .rule = "in the end a read shows the sum", .expected = play_text(p, "%lld", (long long)sum),
				.seen = play_text(p, "%lld", (long long)value), .nodes = lane_bit(node));
	}
}

static const struct test tests[] = {
	{ "kv", "a store on lin-kv", 50, TEST_SAFETY, NODES, 60000, play_kv, NULL, 0, { 0 }, NULL },
	{ "counter", "a counter on seq-kv", 50, TEST_LIVENESS, NODES, 60000, play_counter, NULL, 0, { 0 }, NULL },
	{ 0 },
};

static const struct lab lab = { .id = "services", .title = "nodes on services", .stage = 1, .tests = tests };

int main(int argc, char **argv)
{
	struct err e = { "" };
	if (argc < 4)
		return 2;
	const struct test *test = strcmp(argv[1], "kv") == 0 ? &tests[0] : &tests[1];
	char marker[64], cwd[4096];
	snprintf(marker, sizeof marker, "kv-judge-%ld", (long)getpid());
	struct guard *guard = guard_start(marker, &e);
	struct run_spec spec = { .lab = &lab, .test = test, .fabric = fabric_find(argv[2]), .argv = argv + 3,
		.cwd = getcwd(cwd, sizeof cwd), .seed = 1, .first = getenv("FIRST") ? atoi(getenv("FIRST")) : 1, .core = -1,
		.marker = marker, .guard = guard };
	struct result r = { 0 };
	int rc = guard && spec.fabric && spec.cwd ? run_test(&spec, &r, &e) : -1;
	bool passed = rc == 0 && r.verdict == VERDICT_PASS;
	if (!passed)
		printf("%s: expected %s, seen %s %s\n%s%s", r.rule, r.expected ? r.expected : "-", r.seen ? r.seen : "-", e.text,
			r.events ? r.events : "", r.stderr_tail ? r.stderr_tail : "");
	result_done(&r);
	guard_stop(guard);
	return passed ? 0 : 1;
}
