/* raft_log.c - log replication (section 5.3): agreement with a majority, none without, and logs that part are joined. */
#include "raft_tests.h"

static lane_set without(struct play *p, int node)
{
	return raft_all(p) & ~lane_bit(node);
}

/* A node that does not lead refuses, or hands the command on. */
static void ask_follower(struct play *p, int node)
{
	struct op *op = raft_send(p, node, 5000);
	play_wait(p, op);
	if (op->status == OP_FAILED && op->code != ERROR_UNAVAILABLE && op->code != ERROR_ABORT)
		FAIL(p, .rule = "a follower refuses with error 11", .source = "the lab's guide, Errors",
			.expected = "error 11 (temporarily-unavailable) from a node that is not the leader; or propose_ok, when it hands the command "
				"to the leader",
			.seen = play_text(p, "%s answered %.*s", play_node_name(p, node), SLICE_ARG(op->answer)),
			.hint = "only the leader takes commands. Error 11 may carry the leader's name: {\"type\":\"error\",\"code\":11,\"leader\":\"n2\"}",
			.nodes = lane_bit(node), .evidence = { op->call_seq, op->return_seq });
}

void raft_play_log_agree(struct play *p)
{
	enum { COMMANDS = 8 };
	int64_t index = 0;
	raft_begin(p);
	for (int i = 0; i < COMMANDS; i++)
		index = raft_need_commit(p, raft_all(p));
	raft_need_applied(p, raft_all(p), index, COMMIT_MS);
	ask_follower(p, raft_one(p, without(p, raft_need_leader(p, raft_all(p)))));
	raft_finish(p);
}

void raft_play_log_follower(struct play *p)
{
	raft_begin(p);
	raft_need_commit(p, raft_all(p));
	int leader = raft_need_leader(p, raft_all(p)), away = raft_one(p, without(p, leader));
	play_note(p, "a follower is cut off");
	raft_cut_alone(p, lane_bit(away));
	raft_need_commit(p, without(p, away));
	int64_t index = raft_need_commits(p, without(p, away), 3, 0);
	raft_need_applied(p, without(p, away), index, COMMIT_MS);
	leader = raft_need_leader(p, without(p, away));
	play_note(p, "the leader is alone");
	raft_cut_alone(p, raft_all(p));
	raft_send(p, leader, 30000);
	raft_nothing_commits(p, 1500, "every node is alone");
	raft_finish(p);
}

void raft_play_log_leader(struct play *p)
{
	raft_begin(p);
	raft_need_commit(p, raft_all(p));
	for (int i = 0; i < 2; i++) {
		int leader = raft_need_leader(p, raft_all(p));
		play_note(p, "the leader is cut off");
		raft_cut_alone(p, lane_bit(leader));
		raft_need_commits(p, without(p, leader), 2, 0);
		play_heal(p);
		raft_need_applied(p, raft_all(p), raft_need_commit(p, raft_all(p)), CAUGHT_UP_MS);
	}
	raft_cut_alone(p, raft_all(p));
	for (int i = 0; i < play_nodes(p); i++)
		raft_send(p, i, 30000);
	raft_nothing_commits(p, 1500, "every node is alone");
	raft_finish(p);
}

void raft_play_log_rejoin_follower(struct play *p)
{
	raft_begin(p);
	raft_need_commit(p, raft_all(p));
	for (int i = 0; i < 2; i++) {
		int away = raft_one(p, without(p, raft_need_leader(p, raft_all(p))));
		raft_cut_alone(p, lane_bit(away));
		int64_t index = raft_need_commits(p, without(p, away), 5, 0);
		play_for(p, 500);
		play_heal(p);
		raft_need_applied(p, raft_all(p), index, CAUGHT_UP_MS);
		raft_need_commit(p, raft_all(p));
	}
	raft_finish(p);
}

/* A node that lacks committed entries is the only one that can reach a majority: a right cluster has no leader then. */
void raft_play_log_behind(struct play *p)
{
	raft_begin(p);
	raft_need_commit(p, raft_all(p));
	int away = raft_one(p, without(p, raft_need_leader(p, raft_all(p))));
	raft_cut_alone(p, lane_bit(away));
	raft_need_applied(p, without(p, away), raft_need_commits(p, without(p, away), 5, 0), COMMIT_MS);
	play_note(p, "only %s, whose log is behind, reaches a majority; the leader is alone", play_node_name(p, away));
	raft_star(p, away, without(p, away) & ~lane_bit(raft_need_leader(p, without(p, away))));
	play_for(p, 3000);
	raft_finish(p);
}

void raft_play_log_no_quorum(struct play *p)
{
	raft_begin(p);
	raft_need_applied(p, raft_all(p), raft_need_commit(p, raft_all(p)), COMMIT_MS);
	int leader = raft_need_leader(p, raft_all(p));
	raft_cut_alone(p, raft_some(p, without(p, leader), 3));
	for (int i = 0; i < 3; i++)
		raft_send(p, leader, 30000);
	raft_nothing_commits(p, 3000, "three of five nodes are alone");
	play_heal(p);
	raft_need_commits(p, raft_all(p), 3, 0);
	raft_finish(p);
}

void raft_play_log_concurrent(struct play *p)
{
	raft_begin(p);
	for (int i = 0; i < 3; i++)
		raft_need_commits(p, raft_all(p), 20, 0);
	raft_finish(p);
}

static bool has_ended(struct play *p, void *op)
{
	(void)p;
	return ((const struct op *)op)->status != OP_PENDING;
}

/* Messages of the leader to one follower overtake one another; the other follower has nothing. When the last command is
 * committed, the leader dies, and the late messages arrive. */
static void late_round(struct play *p)
{
	enum { BURST = 8, GAP_MS = 4, LATE_MS = 15, ARRIVED_MS = 100 };
	raft_need_commit(p, raft_all(p));
	int leader = raft_need_leader(p, raft_all(p)), near = raft_one(p, without(p, leader));
	int away = raft_one(p, without(p, leader) & ~lane_bit(near));
	raft_cut_alone(p, lane_bit(away));
	play_latency(p, lane_bit(leader), lane_bit(near), LATE_MS, 0, DIST_EXPONENTIAL);
	struct op *op = NULL;
	for (int i = 0; i < BURST; i++) {
		op = raft_send(p, leader, 2000);
		play_for(p, GAP_MS);
	}
	play_until(p, has_ended, op, 1500);
	raft_kill(p, lane_bit(leader));
	play_for(p, ARRIVED_MS);
	play_heal(p);
	raft_need_commit(p, without(p, leader));
	play_start(p, leader);
}

void raft_play_log_late(struct play *p)
{
	raft_begin(p);
	for (int i = 0; i < 4; i++)
		late_round(p);
	raft_finish(p);
}

void raft_play_log_rejoin(struct play *p)
{
	raft_begin(p);
	raft_need_applied(p, raft_all(p), raft_need_commit(p, raft_all(p)), COMMIT_MS);
	int first = raft_need_leader(p, raft_all(p));
	play_note(p, "the leader is cut off, with commands that nobody else gets");
	raft_cut_alone(p, lane_bit(first));
	for (int i = 0; i < 3; i++)
		raft_send(p, first, 30000);
	raft_need_commit(p, without(p, first));
	int second = raft_need_leader(p, without(p, first));
	play_note(p, "it comes back, and its successor is cut off");
	raft_cut_alone(p, lane_bit(second));
	raft_need_commit(p, without(p, second));
	play_heal(p);
	raft_need_commit(p, raft_all(p));
	raft_finish(p);
}

/* --- a log that is wrong for long --- */

enum { UNCOMMITTED = 50, LINK_MS = 40, BACKUP_MS = 2500 };

static void leave_uncommitted(struct play *p, int leader)
{
	for (int i = 0; i < UNCOMMITTED; i++)
		raft_send(p, leader, 800);
	play_for(p, 1000);
}

struct catching_up { int node; int64_t index; size_t leaders; };

static bool has_caught_up(struct play *p, void *arg)
{
	const struct catching_up *c = arg;
	return raft_node(p, c->node)->applied >= c->index;
}

static bool has_or_elected(struct play *p, void *arg)
{
	const struct catching_up *c = arg;
	return has_caught_up(p, arg) || raft_rules_leaders(&raft_world(p)->rules) != c->leaders;
}

/* Counted from the last election; a new leader gets a command, as it may know what is committed only by that (5.4.2). */
static void need_caught_up(struct play *p, int node, int64_t index)
{
	struct catching_up c = { .node = node, .index = index };
	int64_t since_ns = play_now(p);
	do {
		since_ns = play_now(p);
		if (c.leaders)
			raft_send(p, raft_rules_leader(&raft_world(p)->rules, p), 5000);
		c.leaders = raft_rules_leaders(&raft_world(p)->rules);
	} while (play_until(p, has_or_elected, &c, BACKUP_MS) && !has_caught_up(p, &c));
	double took = (double)(play_now(p) - since_ns) / (double)NS_PER_S;
	bool has = has_caught_up(p, &c);
	play_measure(p, "catching up", took, "s", play_text(p, "<= %.1f s", BACKUP_MS / 1000.0));
	if (has || !play_time_is_exact(p))
		return;
	FAIL(p, .rule = "a log that is wrong is mended in a few round trips", .source = "Raft (extended version), section 5.3, last part",
		.expected = play_text(p, "%s, which has %d entries that were never committed, applies entry %lld within %.1f s; a message takes "
			"%d ms", play_node_name(p, node), UNCOMMITTED, (long long)index, BACKUP_MS / 1000.0, LINK_MS),
		.seen = play_text(p, "%.1f s later it has applied %lld", took, (long long)raft_node(p, node)->applied),
		.hint = "one entry a round trip is too slow. A follower that refuses tells the term at prev_log_index and the first index of "
			"that term (or how short its log is), and the leader skips the whole term; then it sends many entries in one message",
		.nodes = lane_bit(node), .evidence = { raft_node(p, node)->state_seq });
}

/* Two leaders, one after the other, take commands that no majority gets. The third one's log, when it is elected, is already
 * long where the first one's differs: that one comes back. */
void raft_play_log_backup(struct play *p)
{
	lane_set all = raft_all(p);
	raft_begin(p);
	raft_need_applied(p, all, raft_need_commit(p, all), COMMIT_MS);
	int first = raft_need_leader(p, all);
	raft_cut_alone(p, without(p, first)); /* its entries reach nobody */
	leave_uncommitted(p, first);
	raft_cut_alone(p, lane_bit(first));
	raft_need_commits(p, without(p, first), UNCOMMITTED, 0);
	int second = raft_need_leader(p, without(p, first));
	raft_cut_alone(p, all);
	leave_uncommitted(p, second);
	raft_cut_alone(p, lane_bit(first) | lane_bit(second));
	lane_set rest = all & ~lane_bit(first) & ~lane_bit(second);
	int64_t index = raft_need_commits(p, rest, 10, 0);
	raft_need_leader(p, rest);
	play_note(p, "the first leader comes back; a message takes %d ms", LINK_MS);
	raft_cut_alone(p, lane_bit(second));
	play_latency(p, all, all, LINK_MS, 0, DIST_CONSTANT);
	need_caught_up(p, first, index);
	raft_finish(p);
}
