/* raft_persist.c - what survives a crash (Figure 2, persistent state), and logs that were torn apart again and again. */
#include "raft_tests.h"

static lane_set without(struct play *p, int node)
{
	return raft_all(p) & ~lane_bit(node);
}

void raft_play_persist_all(struct play *p)
{
	lane_set all = raft_all(p);
	raft_begin(p);
	for (int i = 0; i < 2; i++) {
		raft_need_applied(p, all, raft_need_commits(p, all, 3, 0), COMMIT_MS);
		play_note(p, "all are killed and started again");
		raft_kill(p, all);
		raft_start(p, all);
	}
	raft_need_commit(p, all);
	int leader = raft_need_leader(p, all);
	play_note(p, "the leader is killed");
	raft_kill(p, lane_bit(leader));
	raft_need_commit(p, without(p, leader));
	raft_start(p, lane_bit(leader));
	raft_need_applied(p, all, raft_need_commit(p, all), CAUGHT_UP_MS);
	raft_finish(p);
}

/* Any three of five may be the ones that are up; each time another three. */
void raft_play_persist_one_by_one(struct play *p)
{
	lane_set all = raft_all(p);
	raft_begin(p);
	raft_need_commits(p, all, 3, 0);
	int leader = raft_need_leader(p, all);
	lane_set pair = raft_some(p, without(p, leader), 2), rest = all & ~pair;
	raft_kill(p, pair);
	raft_need_commits(p, rest, 3, 0);
	play_note(p, "all are down but nobody has all; one of the three and the first two come back");
	raft_kill(p, rest);
	int one = raft_one(p, rest);
	raft_start(p, pair);
	play_for(p, 500);
	raft_start(p, lane_bit(one));
	raft_need_commits(p, pair | lane_bit(one), 3, 0);
	raft_start(p, rest & ~lane_bit(one));
	raft_need_applied(p, all, raft_need_commit(p, all), CAUGHT_UP_MS);
	raft_finish(p);
}

/* A follower misses a command; leader and the other follower die; the leader and the one that missed it go on. */
void raft_play_persist_partitioned(struct play *p)
{
	lane_set all = raft_all(p);
	raft_begin(p);
	for (int i = 0; i < 2; i++) {
		raft_need_applied(p, all, raft_need_commit(p, all), COMMIT_MS);
		int leader = raft_need_leader(p, all), missing = raft_one(p, without(p, leader));
		int other = raft_one(p, without(p, leader) & ~lane_bit(missing));
		raft_cut_alone(p, lane_bit(missing));
		raft_need_commits(p, without(p, missing), 2, 0);
		play_for(p, 100); /* what was sent to it is lost by now, not still under way */
		raft_kill(p, without(p, missing));
		play_heal(p);
		int back = i ? other : leader;
		raft_start(p, lane_bit(back));
		raft_need_commits(p, lane_bit(back) | lane_bit(missing), 2, 0);
		raft_start(p, without(p, missing) & ~lane_bit(back));
		raft_need_applied(p, all, raft_need_commit(p, all), CAUGHT_UP_MS);
	}
	raft_finish(p);
}

/* --- a vote that is forgotten --- */

enum { SLOW_MS = 1000, VOTE_MS = 4000 };

struct voting { int rival, leader, voter; };

/* A node that has voted for another in a term that the rival has not left behind. */
static bool somebody_voted(struct play *p, void *arg)
{
	struct voting *v = arg;
	for (int i = 0; i < play_nodes(p); i++) {
		const struct raft_node *n = raft_node(p, i);
		if (i == v->rival || i == v->leader || n->vote < 0 || n->vote == i || n->vote == v->rival || n->vote == v->leader)
			continue;
		v->voter = i;
		return raft_node(p, v->rival)->term <= n->term;
	}
	return false;
}

static bool rival_asks(struct play *p, void *arg)
{
	const struct voting *v = arg;
	return raft_node(p, v->rival)->term >= raft_node(p, v->voter)->term;
}

/* Nobody hears anybody, but the voter the rival. */
static void leave_rival_and_voter(struct play *p, const struct voting *v)
{
	struct partition part = { { 0 } };
	for (int i = 0; i < play_nodes(p); i++)
		part.drop[i] = without(p, i);
	part.drop[v->voter] &= ~lane_bit(v->rival);
	raft_partition(p, &part);
}

/* The rival stands in the same terms as the others, and what it says takes a second. A node votes for another one and is
 * killed at once; it is up again when the rival's request for the same term arrives. */
static void forgotten_vote(struct play *p)
{
	lane_set all = raft_all(p);
	raft_need_applied(p, all, raft_need_commit(p, all), COMMIT_MS);
	struct voting v = { .leader = raft_need_leader(p, all), .voter = -1 };
	v.rival = raft_one(p, without(p, v.leader));
	struct partition part = { { 0 } };
	for (int i = 0; i < play_nodes(p); i++)
		part.drop[i] = i == v.leader || i == v.rival ? without(p, i) : lane_bit(v.leader);
	raft_partition(p, &part);
	play_latency(p, lane_bit(v.rival), all, SLOW_MS, 0, DIST_CONSTANT);
	if (play_until(p, somebody_voted, &v, VOTE_MS)) {
		leave_rival_and_voter(p, &v);
		raft_kill(p, lane_bit(v.voter));
		play_until(p, rival_asks, &v, 2000);
		const struct raft_node *rival = raft_node(p, v.rival);
		int64_t arrives_ns = rival->term_seq ? trace_at(play_trace(p), rival->term_seq)->t_ns + SLOW_MS * NS_PER_MS : 0;
		int64_t left_ms = (arrives_ns - play_now(p)) / NS_PER_MS - 10;
		play_for(p, left_ms > 0 ? left_ms : 0);
		raft_start(p, lane_bit(v.voter));
		play_for(p, 300);
	}
	play_heal(p);
}

void raft_play_persist_vote(struct play *p)
{
	raft_begin(p);
	for (int i = 0; i < 3; i++)
		forgotten_vote(p);
	raft_finish(p);
}

/* --- Figure 8 --- */

static bool elect(struct play *p, int hub, lane_set spokes, int64_t limit_ms)
{
	raft_star(p, hub, spokes);
	return raft_wait_for_leader(p, hub, limit_ms);
}

/* (a) to (e) of Figure 8, as far as elections go that way. s1 leads, s2 has its entry, s5 has another one. */
static void figure_8(struct play *p, int s1, int s2, int s5)
{
	lane_set rest = raft_all(p) & ~(lane_bit(s1) | lane_bit(s2) | lane_bit(s5));
	int s3 = raft_one(p, rest);
	play_note(p, "Figure 8 (a): %s leads, and its entry reaches %s only", play_node_name(p, s1), play_node_name(p, s2));
	raft_star(p, s1, lane_bit(s2));
	raft_send(p, s1, 1000);
	play_for(p, 300);
	raft_kill(p, lane_bit(s1));
	play_note(p, "Figure 8 (b): %s is elected without that entry, and its own one reaches nobody", play_node_name(p, s5));
	if (!elect(p, s5, rest, STEER_MS))
		return;
	raft_cut_alone(p, raft_all(p));
	raft_send(p, s5, 1000);
	play_for(p, 100);
	raft_kill(p, lane_bit(s5));
	raft_start(p, lane_bit(s1));
	play_note(p, "Figure 8 (c): %s is elected again, and its old entry reaches %s", play_node_name(p, s1), play_node_name(p, s3));
	if (!elect(p, s1, lane_bit(s2) | lane_bit(s3), STEER_MS))
		return;
	play_for(p, 500);
	raft_kill(p, lane_bit(s1));
	raft_start(p, lane_bit(s5));
	play_note(p, "Figure 8 (d): %s may be elected again, unless an entry of a later term stands in its way", play_node_name(p, s5));
	if (elect(p, s5, rest | lane_bit(s2), 4000))
		play_wait(p, raft_send(p, s5, 2000));
}

void raft_play_persist_figure_8(struct play *p)
{
	lane_set all = raft_all(p);
	raft_begin(p);
	for (int i = 0; i < 2; i++) {
		raft_need_applied(p, all, raft_need_commits(p, all, 2, 0), CAUGHT_UP_MS);
		int s1 = raft_need_leader(p, all), s2 = raft_one(p, without(p, s1));
		figure_8(p, s1, s2, raft_one(p, without(p, s1) & ~lane_bit(s2)));
		play_heal(p);
		raft_start(p, all);
	}
	raft_finish(p);
}

static lane_set up_nodes(struct play *p)
{
	lane_set up = 0;
	for (int i = 0; i < play_nodes(p); i++)
		if (play_is_up(p, i))
			up |= lane_bit(i);
	return up;
}

static int count(lane_set s)
{
	int n = 0;
	for (; s; s &= s - 1)
		n++;
	return n;
}

/* Every node that says that it leads gets a command. */
static void propose_to_leaders(struct play *p)
{
	for (int i = 0; i < play_nodes(p); i++)
		if (play_is_up(p, i) && raft_node(p, i)->role == RAFT_LEADER)
			raft_send(p, i, 300);
}

void raft_play_persist_figure_8_random(struct play *p)
{
	enum { ROUNDS = 60 };
	lane_set all = raft_all(p), away = 0;
	struct rng *rng = play_rng(p);
	raft_begin(p)->lossy = true;
	raft_need_commit(p, all);
	for (int i = 0; i < ROUNDS; i++) {
		propose_to_leaders(p);
		play_for(p, rng_below(rng, 10) < 2 ? 150 + (int64_t)rng_below(rng, 150) : (int64_t)rng_below(rng, 30));
		int leader = raft_leader_of(p, up_nodes(p) & ~away);
		if (leader >= 0 && rng_below(rng, 2)) {
			if (rng_below(rng, 4) == 0)
				raft_kill(p, lane_bit(leader));
			else
				raft_cut_alone(p, away |= lane_bit(leader));
		}
		if (count(up_nodes(p) & ~away) >= 3)
			continue;
		int back = raft_one(p, away | (all & ~up_nodes(p)));
		raft_start(p, lane_bit(back));
		raft_cut_alone(p, away &= ~lane_bit(back));
	}
	raft_finish(p);
}

void raft_play_persist_lossy(struct play *p)
{
	lane_set all = raft_all(p);
	raft_begin(p)->lossy = true;
	for (int i = 0; i < 6; i++) {
		raft_need_commits(p, all, 5, 0);
		if (i % 2 == 0)
			continue;
		int node = i == 1 ? raft_need_leader(p, all) : raft_one(p, all);
		raft_kill(p, lane_bit(node));
		raft_need_commits(p, without(p, node), 3, 0);
		raft_start(p, lane_bit(node));
	}
	raft_finish(p);
}

/* --- churn --- */

static int leader_now(struct play *p)
{
	return raft_rules_leader(&raft_world(p)->rules, p);
}

/* Two of three proposals go to whom the judge thinks the leader. */
static void next_proposal(struct play *p, struct op *op, struct rng *rng, struct buf *body, void *arg)
{
	(void)arg;
	int leader = leader_now(p);
	int node = (int)rng_below(rng, (uint64_t)play_nodes(p));
	op->node = rng_below(rng, 3) && leader >= 0 ? leader : node;
	buf_slice(body, raft_propose_body(p, 0));
}

static void churn(struct play *p)
{
	enum { CHURN_MS = 6000 };
	raft_need_commit(p, raft_all(p));
	play_nemesis(p, &(struct nemesis){ .kinds = NEMESIS_KILL_ROLE | NEMESIS_ISOLATE_ROLE | NEMESIS_KILL | NEMESIS_HALVES |
		NEMESIS_SWIZZLE, .every_ms = 400, .hold_ms = 500, .duration_ms = CHURN_MS, .role = leader_now });
	play_workload(p, &(struct workload){ .clients = 5, .rate = 30, .duration_ms = CHURN_MS, .timeout_ms = 1500,
		.next = next_proposal });
	raft_finish(p);
}

void raft_play_persist_churn(struct play *p)
{
	raft_begin(p);
	churn(p);
}

void raft_play_persist_churn_lossy(struct play *p)
{
	raft_begin(p)->lossy = true;
	churn(p);
}
