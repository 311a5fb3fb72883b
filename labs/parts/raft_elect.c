/* raft_elect.c - leader election (section 5.2): somebody wins, one only, and a leader that is well is left alone. */
#include "raft_tests.h"

void raft_play_elect_one(struct play *p)
{
	raft_begin(p);
	raft_need_leader(p, raft_all(p));
	raft_undisturbed(p, 2000);
	raft_finish(p);
}

void raft_play_elect_again(struct play *p)
{
	lane_set all = raft_all(p);
	raft_begin(p);
	int first = raft_need_leader(p, all);
	play_note(p, "the leader is cut off");
	raft_cut_alone(p, lane_bit(first));
	raft_need_leader(p, all & ~lane_bit(first));
	play_note(p, "it comes back");
	play_heal(p);
	raft_need_one_leader(p, all);
	play_note(p, "everybody is alone");
	raft_cut_alone(p, all);
	raft_no_new_leader(p, 2000, "every node is alone");
	play_note(p, "two of three reach each other");
	int away = raft_one(p, all);
	raft_cut_alone(p, lane_bit(away));
	raft_need_leader(p, all & ~lane_bit(away));
	raft_finish(p);
}

void raft_play_elect_many(struct play *p)
{
	enum { ROUNDS = 10 };
	lane_set all = raft_all(p);
	raft_begin(p);
	for (int i = 0; i < ROUNDS; i++) {
		int leader = raft_need_leader(p, all);
		lane_set away = i % 3 == 2 ? raft_some(p, all, 3) : lane_bit(leader) | raft_some(p, all & ~lane_bit(leader), 2);
		raft_cut_alone(p, away);
		raft_need_leader(p, all & ~away);
		play_heal(p);
	}
	raft_finish(p);
}

/* Two followers together, everybody else alone. */
void raft_play_elect_no_quorum(struct play *p)
{
	lane_set all = raft_all(p);
	raft_begin(p);
	int leader = raft_need_leader(p, all);
	play_for(p, 300);
	leader = raft_need_leader(p, all);
	lane_set pair = raft_some(p, all & ~lane_bit(leader), 2);
	int one = raft_one(p, pair);
	raft_star(p, one, pair & ~lane_bit(one));
	raft_no_new_leader(p, 3000, "no three of the five nodes reach one another");
	play_heal(p);
	raft_need_leader(p, all);
	raft_finish(p);
}

void raft_play_elect_undisturbed(struct play *p)
{
	raft_begin(p);
	raft_need_leader(p, raft_all(p));
	raft_undisturbed(p, 8000);
	raft_finish(p);
}

/* The old leader hears nobody and is heard: it goes on sending heartbeats of its old term. */
void raft_play_elect_stale_leader(struct play *p)
{
	lane_set all = raft_all(p);
	raft_begin(p);
	int old = raft_need_leader(p, all);
	raft_need_commit(p, all);
	raft_cut_alone(p, lane_bit(old));
	int leader = raft_need_leader(p, all & ~lane_bit(old));
	play_note(p, "the old leader is heard again, and hears nobody");
	struct partition part = { { 0 } };
	part.drop[old] = all & ~lane_bit(old);
	raft_partition(p, &part);
	play_for(p, 200);
	play_note(p, "the new leader is cut off");
	for (int i = 0; i < play_nodes(p); i++)
		part.drop[i] |= i == leader ? all & ~lane_bit(i) : lane_bit(leader);
	raft_partition(p, &part);
	raft_need_leader(p, all & ~lane_bit(leader) & ~lane_bit(old));
	raft_finish(p);
}
