/* demo_messages.c - scenes about messages alone: a lost answer, gossip. And the table of all demos. */
#include "demo.h"

extern const struct demo demo_raft_election, demo_split_brain, demo_figure_8, demo_figure_8_right, demo_stale_read,
	demo_stale_read_right;

#define GATE(question) question "  Press PgDn or Right."

/* A node that was started is there when it has answered init: the run begins so. */
static bool everybody(struct demo_run *r)
{
	for (int n = 0; n < r->lanes->nodes; n++)
		if (!r->facts.up[n])
			return false;
	return true;
}

static bool counter_is_5(struct demo_run *r)
{
	return strstr(r->facts.answer, "\"value\":5,") || strstr(r->facts.answer, "\"value\":5}") || strstr(r->facts.answer, "\"value\": 5");
}

static bool counter_is_more(struct demo_run *r)
{
	return strstr(r->facts.answer, "\"read_ok\"") && !counter_is_5(r);
}

#define ONCE_START \
	{ .say = "n1 keeps a counter. n2 is a front: clients ask n2, and n2 asks n1.", .notes = "The lab exactly-once.", \
	  .until = everybody, .time_ms = 50 }, \
	{ .say = "We cut the way back: what n1 says does not reach n2. Then a client adds 5.", \
	  .notes = "One direction only. n1 hears n2.", .gate = GATE("Does n1 count the 5?"), \
	  .act = "cut n1 > n2\nsend n2 add delta=5", .time_ms = 1500 }, \
	{ .say = "n1 has counted, and its answer is lost. n2 heard nothing, so it asks again, and again.", \
	  .notes = "n2 cannot tell a lost request from a lost answer: look at both in Flow.", \
	  .gate = GATE("n2 must not give up, and must not count twice. How?"), .act = "heal", .until = demo_answered, .time_ms = 200 }

static const struct demo_step once[] = {
	ONCE_START,
	{ .say = "Each request carries a key. n1 knows the key: it changes nothing and gives the same answer. Now a client reads.",
	  .notes = "At least once from the front, at most once from n1: together exactly once.", .gate = GATE("5, 10 or 15?"),
	  .act = "send n2 read", .until = counter_is_5, .time_ms = 100 },
	{ .say = "5. The request was carried out once, however often it arrived.", .notes = "The wrong node: exactly-once-wrong.", .time_ms = 50 },
	{ 0 },
};

static const struct demo_step once_wrong[] = {
	ONCE_START,
	{ .say = "This node sends no key: n1 cannot tell a second request from the same one again. Now a client reads.",
	  .notes = "The shipped wrong node retry_without_key.py.", .gate = GATE("5, 10 or 15?"), .act = "send n2 read",
	  .until = counter_is_more, .time_ms = 100 },
	{ .say = "More than 5: each copy was counted. The client was told \"done\" once.", .notes = "Then show exactly-once.", .time_ms = 50 },
	{ 0 },
};

static const struct demo demo_exactly_once = {
	.id = "exactly-once", .title = "A lost answer", .teaches = "a request is sent again and counted once",
	.node = "solutions/exactly-once/python/exactly-once.py", .nodes = 3, .latency_ms = 20, .speed = 0.4, .steps = once,
};
static const struct demo demo_exactly_once_wrong = {
	.id = "exactly-once-wrong", .title = "A lost answer, a wrong node", .teaches = "a request is sent again and counted twice",
	.node = "tests/wrong/exactly-once/retry_without_key.py", .nodes = 3, .latency_ms = 20, .speed = 0.4, .steps = once_wrong,
};

static bool reads_show_7(struct demo_run *r)
{
	return r->facts.oks > 0 && strchr(r->facts.answer, '7');
}

static const struct demo_step gossip[] = {
	{ .say = "Seven nodes, and nobody knows anything yet. Each tells its neighbours what it hears.", .notes = "The lab broadcast.",
	  .until = everybody, .time_ms = 50 },
	{ .say = "A client tells n1 the number 7. n1 answers at once, and passes it on.",
	  .notes = "Watch the dots in 1 Cluster. Count the messages.", .gate = GATE("How many messages until all know?"),
	  .act = "send n1 broadcast message=7", .until = demo_answered, .time_ms = 500 },
	{ .say = "Everybody knows. Now n7 is cut off, and a client tells n1 the number 17.",
	  .notes = "n1 does not know that n7 hears nothing.", .gate = GATE("What must happen when the network is whole again?"),
	  .act = "cut n7 | n1,n2,n3,n4,n5,n6\nsend n1 broadcast message=17", .until = demo_answered, .time_ms = 800 },
	{ .say = "Six nodes know. Somebody must try again until n7 has answered. Now we heal.",
	  .notes = "Without retries n7 would never hear of it: the wrong node fire_and_forget.", .gate = GATE("How long will it take?"),
	  .act = "heal", .time_ms = 1500 },
	{ .say = "A client asks n7.", .notes = "Convergence: in the end every node shows every value.", .act = "send n7 read",
	  .until = reads_show_7, .time_ms = 200 },
	{ .say = "n7 knows as well. Gossip with acknowledgements reaches everybody in the end.", .notes = "What does it cost? The last tests of the lab count messages.", .time_ms = 50 },
	{ 0 },
};

static const struct demo demo_broadcast = {
	.id = "broadcast", .title = "Gossip spreads", .teaches = "how a value reaches every node, also over a cut",
	.node = "solutions/broadcast/python/broadcast.py", .nodes = 7, .latency_ms = 60, .speed = 0.3, .steps = gossip,
};

const struct demo *const all_demos[] = {
	&demo_split_brain, &demo_raft_election, &demo_figure_8, &demo_figure_8_right, &demo_stale_read, &demo_stale_read_right,
	&demo_exactly_once, &demo_exactly_once_wrong, &demo_broadcast, NULL
};
