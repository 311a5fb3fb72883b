/* raft_snap.c - log compaction (section 7): who is far behind gets a snapshot, and a restart begins with one. */
#include "raft_tests.h"

enum { BATCH = 15, BATCHES = 3, FOLLOWING = 6 };

static lane_set without(struct play *p, int node)
{
	return raft_all(p) & ~lane_bit(node);
}

static int64_t need_batches(struct play *p, lane_set set)
{
	int64_t index = 0;
	for (int i = 0; i < BATCHES; i++)
		index = raft_need_commits(p, set, BATCH, 0);
	return index;
}

static void need_snapshot(struct play *p, int node, int64_t before)
{
	const struct raft_node *n = raft_node(p, node);
	if (n->snapshot > before || raft_world(p)->partial)
		return;
	FAIL(p, .rule = "who is far behind gets a snapshot", .source = "Raft (extended version), section 7",
		.expected = play_text(p, "%s, which had applied %lld entries and missed %d, takes over a snapshot: the others have dropped those "
			"entries (snapshot_entries is 10). It reports apply with \"snapshot\":true", play_node_name(p, node), (long long)before,
			BATCH * BATCHES),
		.seen = play_text(p, "it has applied %lld, and reported no snapshot that reaches beyond %lld", (long long)n->applied,
			(long long)before),
		.hint = "when next_index of a follower is not in the log any more, send install_snapshot: the last index and term in it, the "
			"digest, and the members if they can change", .nodes = lane_bit(node), .evidence = { n->applied_seq });
}

/* A victim is away while the others go on; then it comes back. */
static void install(struct play *p, int rounds, bool crash)
{
	lane_set all = raft_all(p);
	raft_need_applied(p, all, raft_need_commit(p, all), CAUGHT_UP_MS);
	for (int i = 0; i < rounds; i++) {
		int leader = raft_need_leader(p, all), victim = i % 2 ? leader : raft_one(p, without(p, leader));
		int64_t before = raft_node(p, victim)->applied;
		if (crash)
			raft_kill(p, lane_bit(victim));
		else
			raft_cut_alone(p, lane_bit(victim));
		int64_t index = need_batches(p, without(p, victim));
		play_heal(p);
		if (raft_world(p)->lossy) { /* a snapshot comes twice, and late, while entries follow it */
			play_duplicate(p, 50);
			play_reorder(p, 50);
		}
		raft_start(p, lane_bit(victim));
		for (int k = 0; k < FOLLOWING && raft_world(p)->lossy; k++)
			index = raft_need_commit(p, all);
		raft_need_applied(p, all, index, CAUGHT_UP_MS);
		need_snapshot(p, victim, before);
		raft_need_applied(p, all, raft_need_commit(p, all), CAUGHT_UP_MS);
	}
	raft_finish(p);
}

void raft_play_snap_install(struct play *p)
{
	raft_begin(p);
	install(p, 2, false);
}

void raft_play_snap_install_lossy(struct play *p)
{
	raft_begin(p)->lossy = true;
	install(p, 3, false);
}

void raft_play_snap_install_crash(struct play *p)
{
	raft_begin(p);
	install(p, 2, true);
}

void raft_play_snap_install_lossy_crash(struct play *p)
{
	raft_begin(p)->lossy = true;
	install(p, 2, true);
}

void raft_play_snap_restart(struct play *p)
{
	lane_set all = raft_all(p);
	raft_begin(p);
	for (int i = 0; i < 2; i++) {
		raft_need_applied(p, all, need_batches(p, all), COMMIT_MS);
		play_note(p, "all are killed and started again");
		raft_kill(p, all);
		raft_start(p, all);
		raft_need_applied(p, all, raft_need_commit(p, all), CAUGHT_UP_MS);
	}
	raft_finish(p);
}

/* With few entries at a time, some restarts find an empty log behind the snapshot. */
void raft_play_snap_restart_follower(struct play *p)
{
	lane_set all = raft_all(p);
	raft_begin(p);
	for (int i = 0; i < 4; i++) {
		raft_need_applied(p, all, raft_need_commits(p, all, 3, 0), COMMIT_MS);
		int node = raft_one(p, without(p, raft_need_leader(p, all)));
		raft_kill(p, lane_bit(node));
		raft_need_commit(p, without(p, node));
		raft_start(p, lane_bit(node));
		raft_need_applied(p, all, raft_need_commit(p, all), CAUGHT_UP_MS);
		int away = raft_one(p, without(p, node)); /* now its vote is needed, and perhaps its log */
		raft_cut_alone(p, lane_bit(away));
		raft_need_commit(p, without(p, away));
		play_heal(p);
	}
	raft_finish(p);
}
