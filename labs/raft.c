/* raft.c - a replicated log by Raft (Ongaro and Ousterhout, extended version, 2014), members changed one server at a time.
 *
 * The safety rules hold in every test and are judged online: parts/raft_rules.h. The tests differ in what they do to the
 * cluster and in what must come about in the end; they stand in parts/raft_*.c, one file for each part of the lab. What nodes
 * say to one another is their own affair: a rule looks only at reports and at what clients hear. */
#include "parts/raft_tests.h"

/* Requests that no sane client sends, and answers that nobody asked for. */
static const char *const garbage[] = {
	"{}", "{\"type\":42}", "{\"type\":null}", "{\"type\":\"\",\"in_reply_to\":\"x\"}", "{\"type\":\"propse\",\"command\":\"x\"}",
	"{\"type\":\"propose\"}", "{\"type\":\"propose\",\"command\":7}", "{\"type\":\"propose\",\"command\":[1]}",
	"{\"type\":\"reconfigure\"}", "{\"type\":\"reconfigure\",\"add\":7}", "{\"type\":\"reconfigure\",\"remove\":\"n99\"}",
	"{\"type\":\"request_vote\"}", "{\"type\":\"request_vote\",\"term\":\"7\",\"candidate_id\":3}",
	"{\"type\":\"append_entries\"}", "{\"type\":\"append_entries\",\"term\":null,\"entries\":5}",
	"{\"type\":\"append_entries\",\"term\":\"x\",\"entries\":[{}],\"leader_commit\":\"y\"}",
	"{\"type\":\"install_snapshot\"}", "{\"type\":\"install_snapshot\",\"term\":[],\"last_included_index\":null}",
	"{\"type\":\"request_vote_ok\"," TO_NOTHING ",\"vote_granted\":\"yes\"}",
	"{\"type\":\"append_entries_ok\"," TO_NOTHING ",\"success\":1}", "{\"type\":\"install_snapshot_ok\",\"in_reply_to\":-1}",
	"{\"type\":\"error\"," TO_NOTHING ",\"code\":99}", "{\"type\":\"propose_ok\"," TO_NOTHING ",\"index\":1}",
};

void raft_play_garbage(struct play *p)
{
	raft_begin(p);
	const struct raft_rules *r = &raft_world(p)->rules;
	raft_need_commit(p, raft_all(p));
	play_for(p, 1000);
	int64_t index = raft_need_commit(p, raft_all(p)), term = r->top_term;
	for (size_t i = 0; i < ARRAY_LEN(garbage); i++) {
		for (int node = 0; node < play_nodes(p); node++)
			play_throw(p, node, slice_of(garbage[i]));
		play_for(p, 20);
	}
	int64_t next = raft_need_commit(p, raft_all(p));
	if (play_time_is_exact(p) && (r->top_term != term || next != index + 1))
		FAIL(p, .rule = "odd messages change nothing", .source = "the lab's guide, Tests",
			.expected = play_text(p, "term %lld, and the next command at index %lld", (long long)term, (long long)index + 1),
			.seen = play_text(p, "term %lld, and the next command at index %lld", (long long)r->top_term, (long long)next),
			.hint = "look at every key before you use it: a term that is no number changes nothing, a propose without a text is "
				"malformed (error 12), and only members' messages count as votes or entries",
			.nodes = raft_all(p));
	raft_finish(p);
}

static void watch(struct play *p, const struct event *e)
{
	struct raft_world *w = play_data(p);
	if (w)
		raft_rules_watch(&w->rules, p, e);
}

static const struct reply_shape shapes[] = { { "propose_ok", "index digest" }, { "reconfigure_ok", "members" }, { 0 } };

#define EVEN { .mean_ns = 10 * NS_PER_MS, .jitter_ns = 5 * NS_PER_MS, .dist = DIST_UNIFORM }
#define LOSSY { .mean_ns = NS_PER_MS, .dist = DIST_EXPONENTIAL, .loss_million = 100000, .dup_million = 100000, \
	.reorder_million = 200000 }
#define THREE "{\"members\":[\"n1\",\"n2\",\"n3\"]}"
#define SNAPSHOTS(n) "{\"snapshot_entries\":" #n "}"
#define LIMIT 600000

static const struct test tests[] = {
	{ "elect-one", "one leader, and it stays", 3, TEST_LIVENESS, 3, LIMIT, raft_play_elect_one, NULL, 0, { 0 }, NULL },
	{ "elect-again", "leaders are cut off and come back", 3, TEST_LIVENESS, 3, LIMIT, raft_play_elect_again, NULL, NEEDS_BITE,
		{ 0 }, NULL },
	{ "elect-many", "seven nodes, three of them cut off, ten times", 3, TEST_LIVENESS, 7, LIMIT, raft_play_elect_many, NULL,
		NEEDS_BITE, { 0 }, NULL },
	{ "elect-no-quorum", "no majority, no leader", 2, TEST_SAFETY, 5, LIMIT, raft_play_elect_no_quorum, NULL, NEEDS_BITE, { 0 },
		NULL },
	{ "elect-undisturbed", "a leader that is well is left alone", 2, TEST_LIVENESS, 5, LIMIT, raft_play_elect_undisturbed, NULL, 0,
		EVEN, NULL },
	{ "elect-stale-leader", "an old leader is heard and hears nobody", 2, TEST_LIVENESS, 5, LIMIT, raft_play_elect_stale_leader, NULL,
		NEEDS_BITE, { 0 }, NULL },

	{ "log-agree", "commands reach everybody", 2, TEST_LIVENESS, 3, LIMIT, raft_play_log_agree, NULL, 0, { 0 }, NULL },
	{ "log-follower", "a follower fails, then all", 2, TEST_SAFETY, 3, LIMIT, raft_play_log_follower, NULL, NEEDS_BITE, { 0 }, NULL },
	{ "log-leader", "leaders fail", 3, TEST_LIVENESS, 3, LIMIT, raft_play_log_leader, NULL, NEEDS_BITE, { 0 }, NULL },
	{ "log-rejoin-follower", "a follower comes back and gets what it missed", 2, TEST_LIVENESS, 3, LIMIT,
		raft_play_log_rejoin_follower, NULL, NEEDS_BITE, { 0 }, NULL },
	{ "log-behind", "who lacks committed entries is not elected", 3, TEST_SAFETY, 5, LIMIT, raft_play_log_behind, NULL, NEEDS_BITE,
		{ 0 }, NULL },
	{ "log-no-quorum", "three of five are away: nothing is committed", 3, TEST_SAFETY, 5, LIMIT, raft_play_log_no_quorum, NULL,
		NEEDS_BITE, { 0 }, NULL },
	{ "log-concurrent", "twenty commands at once", 2, TEST_LIVENESS, 3, LIMIT, raft_play_log_concurrent, NULL, 0, { 0 }, NULL },
	{ "log-late", "messages that come late undo nothing", 3, TEST_SAFETY, 3, LIMIT, raft_play_log_late, NULL, NEEDS_BITE, { 0 }, NULL },
	{ "log-rejoin", "an old leader's entries are replaced", 3, TEST_SAFETY, 3, LIMIT, raft_play_log_rejoin, NULL, NEEDS_BITE, { 0 },
		NULL },
	{ "log-backup", "a log with 50 wrong entries is mended fast", 2, TEST_LIVENESS, 5, LIMIT, raft_play_log_backup, NULL, NEEDS_BITE,
		{ 0 }, NULL },
	{ "log-messages", "messages per command, and idle", 1, TEST_EFFICIENCY, 3, LIMIT, raft_play_log_messages, NULL, 0, { 0 }, NULL },
	{ "log-bytes", "each entry is sent about once", 1, TEST_EFFICIENCY, 3, LIMIT, raft_play_log_bytes, NULL, 0, { 0 }, NULL },

	{ "persist-all", "all are killed and started again", 2, TEST_SAFETY, 3, LIMIT, raft_play_persist_all, NULL, 0, { 0 }, NULL },
	{ "persist-one-by-one", "always another three of five are up", 3, TEST_SAFETY, 5, LIMIT, raft_play_persist_one_by_one, NULL, 0,
		{ 0 }, NULL },
	{ "persist-partitioned", "one missed a command, the others die", 3, TEST_SAFETY, 3, LIMIT, raft_play_persist_partitioned, NULL,
		NEEDS_BITE, { 0 }, NULL },
	{ "persist-vote", "a vote survives a crash", 3, TEST_SAFETY, 5, LIMIT, raft_play_persist_vote, NULL, NEEDS_BITE, { 0 }, NULL },
	{ "persist-figure-8", "an old entry on a majority is not yet committed", 3, TEST_SAFETY, 5, LIMIT, raft_play_persist_figure_8, NULL,
		NEEDS_BITE, { 0 }, NULL },
	{ "persist-figure-8-random", "leaders die all the time, messages are lost", 3, TEST_SAFETY, 5, LIMIT,
		raft_play_persist_figure_8_random, NULL, NEEDS_BITE, LOSSY, NULL },
	{ "persist-lossy", "agreement under loss, copies and delay", 2, TEST_LIVENESS, 5, LIMIT, raft_play_persist_lossy, NULL, 0, LOSSY,
		NULL },
	{ "persist-churn", "kills and cuts while clients propose", 3, TEST_SAFETY, 5, LIMIT, raft_play_persist_churn, NULL, NEEDS_BITE,
		{ 0 }, NULL },
	{ "persist-churn-lossy", "the same under loss, copies and delay", 3, TEST_SAFETY, 5, LIMIT, raft_play_persist_churn_lossy, NULL,
		NEEDS_BITE, LOSSY, NULL },

	{ "snap-bounded", "500 commands, and little on disk", 3, TEST_EFFICIENCY, 3, LIMIT, raft_play_snap_bounded, NULL, 0, { 0 },
		SNAPSHOTS(20) },
	{ "snap-install", "who is far behind gets a snapshot", 3, TEST_LIVENESS, 3, LIMIT, raft_play_snap_install, NULL, NEEDS_BITE, { 0 },
		SNAPSHOTS(10) },
	{ "snap-install-lossy", "the same under loss, copies and delay", 2, TEST_SAFETY, 3, LIMIT, raft_play_snap_install_lossy, NULL,
		NEEDS_BITE, LOSSY, SNAPSHOTS(10) },
	{ "snap-install-crash", "the same with kills", 2, TEST_SAFETY, 3, LIMIT, raft_play_snap_install_crash, NULL, 0, { 0 },
		SNAPSHOTS(10) },
	{ "snap-install-lossy-crash", "kills, loss, copies and delay", 2, TEST_SAFETY, 3, LIMIT, raft_play_snap_install_lossy_crash, NULL,
		0, LOSSY, SNAPSHOTS(10) },
	{ "snap-restart", "all start again from a snapshot", 3, TEST_SAFETY, 3, LIMIT, raft_play_snap_restart, NULL, 0, { 0 },
		SNAPSHOTS(10) },
	{ "snap-restart-follower", "one starts again from a snapshot and goes on", 3, TEST_SAFETY, 3, LIMIT,
		raft_play_snap_restart_follower, NULL, NEEDS_BITE, { 0 }, SNAPSHOTS(3) },

	{ "member-add", "three members become five", 3, TEST_LIVENESS, 5, LIMIT, raft_play_member_add, NULL, NEEDS_BITE, { 0 }, THREE },
	{ "member-remove", "a follower is removed", 2, TEST_LIVENESS, 4, LIMIT, raft_play_member_remove, NULL, NEEDS_BITE, { 0 }, NULL },
	{ "member-remove-leader", "the leader is removed and steps down", 3, TEST_LIVENESS, 4, LIMIT, raft_play_member_remove_leader, NULL,
		0, { 0 }, NULL },
	{ "member-one-at-a-time", "a second change waits for the first", 3, TEST_SAFETY, 5, LIMIT, raft_play_member_one_at_a_time, NULL,
		NEEDS_BITE, { 0 }, THREE },

	{ "garbage", "odd messages do not stop it", 4, TEST_SAFETY, 3, LIMIT, raft_play_garbage, NULL, 0, { 0 }, NULL },
	{ 0 },
};

const struct lab lab_raft = {
	.id = "raft", .title = "a log that a majority agrees on", .stage = 4, .kind = LAB_LINES, .tests = tests, .shapes = shapes,
	.watch = watch, .docker = true,
};
