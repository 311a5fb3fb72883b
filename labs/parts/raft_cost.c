/* raft_cost.c - what it costs: messages, bytes, storage. */
#include "raft_tests.h"

enum {
	IDLE_PER_S = 60,        /* messages a second and follower, requests and answers */
	PER_COMMAND = 10,       /* messages of three nodes for one command, beside those */
	HEARTBEAT_BYTES = 400
};

static double seconds(int64_t ns)
{
	return (double)ns / (double)NS_PER_S;
}

static int followers(const struct play *p)
{
	return play_nodes(p) - 1;
}

static double idle_messages(const struct play *p, int64_t ns)
{
	return IDLE_PER_S * followers(p) * seconds(ns);
}

static void check_idle(struct play *p)
{
	int64_t from = play_now(p);
	play_for(p, 2000);
	double each = (double)measure_traffic(p, from, play_now(p)).server_messages / 2 / followers(p);
	play_measure(p, "idle messages a second and follower", each, "", play_text(p, "<= %d", IDLE_PER_S));
	if (each > IDLE_PER_S)
		FAIL(p, .rule = "an idle cluster is quiet", .source = "Raft (extended version), section 5.6",
			.expected = play_text(p, "at most %d messages a second between the leader and each follower when nobody proposes anything",
				IDLE_PER_S), .seen = play_text(p, "%.0f", each),
			.hint = "a heartbeat every 50 to 100 ms, and one answer, is enough: 20 to 40 messages a second", .nodes = raft_all(p),
			.t_ns = from);
}

void raft_play_log_messages(struct play *p)
{
	enum { COMMANDS = 20 };
	raft_begin(p);
	raft_need_commit(p, raft_all(p));
	play_for(p, 500);
	check_idle(p);
	int64_t from = play_now(p);
	for (int i = 0; i < COMMANDS; i++)
		raft_need_commit(p, raft_all(p));
	int64_t took = play_now(p) - from;
	double sent = (double)measure_traffic(p, from, play_now(p)).server_messages;
	double budget = COMMANDS * PER_COMMAND + idle_messages(p, took);
	play_measure(p, "messages per command", sent / COMMANDS, "", play_text(p, "<= %.1f", budget / COMMANDS));
	if (sent > budget)
		FAIL(p, .rule = "a command costs few messages", .source = "Raft (extended version), section 5.3",
			.expected = play_text(p, "at most %d messages for each of %d commands with three nodes, and %d a second and follower beside "
				"them: %.0f in all", PER_COMMAND, COMMANDS, IDLE_PER_S, budget),
			.seen = play_text(p, "%.0f messages in %.2f s", sent, seconds(took)),
			.hint = "one append_entries to each follower, one answer each: four messages, and perhaps four more that tell the commit index "
				"at once. Does every answer bring forth a new request, also when there is nothing to send?",
			.nodes = raft_all(p), .t_ns = from);
	raft_finish(p);
}

static void check_bytes(struct play *p, const char *what, int64_t from, double payload, const char *hint)
{
	int64_t took = play_now(p) - from;
	double sent = (double)measure_traffic(p, from, play_now(p)).server_bytes;
	double budget = payload + idle_messages(p, took) * HEARTBEAT_BYTES;
	play_measure(p, what, sent / 1000, "kB", play_text(p, "<= %.0f kB", budget / 1000));
	if (sent > budget)
		FAIL(p, .rule = "an entry is sent to a follower about once", .source = "Raft (extended version), section 5.3",
			.expected = play_text(p, "%s: at most %.0f kB between all nodes", what, budget / 1000),
			.seen = play_text(p, "%.0f kB in %.2f s", sent / 1000, seconds(took)), .hint = hint, .nodes = raft_all(p), .t_ns = from);
}

/* 5,000 bytes at a time, then many small ones at once. */
void raft_play_log_bytes(struct play *p)
{
	enum { LARGE = 8, LARGE_BYTES = 5000, SMALL = 100, SMALL_BYTES = 500, BURSTS = 2 };
	raft_begin(p);
	raft_need_commit(p, raft_all(p));
	int64_t from = play_now(p);
	for (int i = 0; i < LARGE; i++)
		raft_need_commits(p, raft_all(p), 1, LARGE_BYTES);
	check_bytes(p, "8 commands of 5,000 bytes", from, 1.5 * LARGE * LARGE_BYTES * followers(p),
		"send each follower what it lacks, from next_index on, and not the whole log. The leader's own copy needs no message");
	from = play_now(p);
	for (int i = 0; i < BURSTS; i++)
		raft_need_commits(p, raft_all(p), SMALL, 0);
	check_bytes(p, "200 small commands, 100 at once", from, (double)SMALL * BURSTS * SMALL_BYTES * followers(p),
		"when commands come faster than answers, an entry that is under way must not be sent with each new one again: wait for the "
		"answer and send all new ones together, or move next_index on when you send");
	raft_finish(p);
}

/* --- storage --- */

enum { STORAGE_MAX = 16000, BATCH = 25, BATCHES = 20, COMMAND_PAD = 80 };

static void check_storage(struct play *p, int commands)
{
	int64_t most = 0;
	int worst = 0;
	for (int i = 0; i < play_nodes(p); i++) {
		int64_t bytes = play_storage_bytes(p, i);
		worst = bytes > most ? i : worst;
		most = bytes > most ? bytes : most;
	}
	if (commands == BATCH * BATCHES)
		play_measure(p, "largest data folder", (double)most / 1000, "kB", play_text(p, "<= %.0f kB", STORAGE_MAX / 1000.0));
	if (most <= STORAGE_MAX)
		return;
	FAIL(p, .rule = "the log does not grow without bound", .source = "Raft (extended version), section 7",
		.expected = play_text(p, "at most %d bytes in each node's data folder, however many commands there were: more than 20 applied "
			"entries are folded into a snapshot (snapshot_entries in init's config)", STORAGE_MAX),
		.seen = play_text(p, "%lld bytes in that of %s after %d commands of about %d bytes", (long long)most, play_node_name(p, worst),
			commands, COMMAND_PAD + 10),
		.hint = "when more than snapshot_entries applied entries are in the log: save digest, index and term of the last applied one, "
			"and drop all entries up to it. Every node does so by itself, followers too", .nodes = lane_bit(worst));
}

void raft_play_snap_bounded(struct play *p)
{
	raft_begin(p);
	for (int i = 1; i <= BATCHES; i++) {
		raft_need_applied(p, raft_all(p), raft_need_commits(p, raft_all(p), BATCH, COMMAND_PAD), COMMIT_MS);
		check_storage(p, i * BATCH);
	}
	raft_finish(p);
}
