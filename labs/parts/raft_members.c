/* raft_members.c - changes of the members, one server at a time (Ongaro's thesis, chapter 4). */
#include "raft_tests.h"

enum { CHANGE_MS = 10000 };

static const char thesis[] = "Ongaro, Consensus: Bridging Theory and Practice (2014), chapter 4";

static bool has_ended(struct play *p, void *op)
{
	(void)p;
	return ((const struct op *)op)->status != OP_PENDING;
}

static struct op *send_change(struct play *p, int leader, const char *what, int node, int64_t timeout_ms)
{
	return play_send_body(p, -1, leader, slice_of(play_text(p, "{\"type\":\"reconfigure\",\"%s\":\"%s\"}", what,
		play_node_name(p, node))), timeout_ms);
}

static void need_members(struct play *p, const struct op *op, lane_set expected)
{
	const json_t *list = json_get(play_answer(p, op), "members");
	lane_set told = 0;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *name = json_string_value(json_array_get(list, i));
		int lane = name ? lane_find(play_lanes(p), slice_of(name)) : LANE_UNKNOWN;
		told |= lane_is_node(play_lanes(p), lane) ? lane_bit(lane) : 0;
	}
	if (told == expected)
		return;
	struct buf b = BUF_EMPTY;
	lane_set_print(&b, play_lanes(p), expected);
	FAIL(p, .rule = "reconfigure_ok tells the members", .source = "the lab's guide, Messages",
		.expected = play_text(p, "\"members\" is a list of %s", buf_cstr(&b)),
		.seen = play_text(p, "%s answered %.*s", play_node_name(p, op->node), SLICE_ARG(op->answer)),
		.hint = "answer when the entry is committed, with the names of all members from then on", .nodes = lane_bit(op->node),
		.evidence = { op->call_seq, op->return_seq });
}

static _Noreturn void fail_change(struct play *p, lane_set set, const struct op *op)
{
	if (op->status == OP_FAILED && op->code == ERROR_NOT_SUPPORTED)
		play_need_answer(p, op);
	FAIL(p, .rule = "a change of the members is committed", .source = thesis,
		.expected = play_text(p, "reconfigure_ok within %d s: the members are up and reach one another", CHANGE_MS / 1000),
		.seen = play_text(p, "%s. The closest it came: %s", op->answer.n ? play_text(p, "%s answered %.*s",
			play_node_name(p, op->node), SLICE_ARG(op->answer)) : play_text(p, "%s did not answer %.*s",
			play_node_name(p, op->node), SLICE_ARG(op->request)), raft_story(p, set | lane_bit(op->node))),
		.hint = "the leader appends an entry with the new members and uses them from that moment on, committed or not; a new member "
			"starts from an empty log and is caught up like any follower",
		.nodes = set, .evidence = { op->call_seq, op->return_seq });
}

/* Asks the leader until it is done. */
static void need_change(struct play *p, const char *what, int node)
{
	struct raft_world *w = raft_world(p);
	lane_set after = what[0] == 'a' ? w->members | lane_bit(node) : w->members & ~lane_bit(node);
	int64_t until = play_now(p) + CHANGE_MS * NS_PER_MS;
	for (;;) {
		int leader = raft_need_leader(p, w->members);
		struct op *op = send_change(p, leader, what, node, CHANGE_MS);
		play_until(p, has_ended, op, CHANGE_MS);
		if (op->status == OP_OK) {
			need_members(p, op, after);
			break;
		}
		if (op->status == OP_PENDING || play_now(p) > until)
			fail_change(p, w->members, op);
		play_for(p, 50);
		raft_need_commit(p, w->members); /* the leader may refuse as long as it has committed nothing in its own term */
	}
	w->members = after;
}

static struct raft_world *begin(struct play *p, int members)
{
	struct raft_world *w = raft_begin(p);
	w->members = lane_bit(members) - 1;
	return w;
}

/* Nodes that are no members yet wait: they do not stand for election. */
static void need_no_candidate(struct play *p, lane_set set)
{
	for (int i = 0; i < play_nodes(p); i++) {
		const struct raft_node *n = raft_node(p, i);
		if (!(set & lane_bit(i)) || n->candidacies == 0)
			continue;
		FAIL(p, .rule = "who is no member stands for no election", .source = thesis,
			.expected = play_text(p, "%s waits until it is added: it is not in \"members\" of init's config", play_node_name(p, i)),
			.seen = play_text(p, "it was candidate in term %lld", (long long)n->first_candidate),
			.hint = "read config.members in init. A node that is not in the members that it knows starts no election time-out; it takes "
				"entries from a leader all the same", .nodes = lane_bit(i), .evidence = { n->state_seq });
	}
}

void raft_play_member_add(struct play *p)
{
	struct raft_world *w = begin(p, 3);
	lane_set old = w->members, all = raft_all(p);
	raft_need_commits(p, old, 5, 0);
	play_for(p, 1000);
	need_no_candidate(p, all & ~old);
	for (int node = 3; node < play_nodes(p); node++) {
		need_change(p, "add", node);
		raft_need_applied(p, w->members, raft_need_commit(p, w->members), CAUGHT_UP_MS);
	}
	lane_set away = raft_some(p, old, 2);
	play_note(p, "two of the old members are cut off");
	raft_cut_alone(p, away);
	play_for(p, 200);
	raft_need_commits(p, all & ~away, 3, 0);
	raft_finish(p);
}

void raft_play_member_remove(struct play *p)
{
	struct raft_world *w = begin(p, play_nodes(p));
	raft_need_applied(p, w->members, raft_need_commits(p, w->members, 3, 0), COMMIT_MS);
	int gone = raft_one(p, w->members & ~lane_bit(raft_need_leader(p, w->members)));
	need_change(p, "remove", gone);
	raft_kill(p, lane_bit(gone));
	raft_need_commit(p, w->members);
	int away = raft_one(p, w->members & ~lane_bit(raft_need_leader(p, w->members)));
	play_note(p, "one more is cut off: two of three members are a majority");
	raft_cut_alone(p, lane_bit(away));
	play_for(p, 200);
	raft_need_commits(p, w->members & ~lane_bit(away), 3, 0);
	raft_finish(p);
}

static bool leads_no_more(struct play *p, void *node)
{
	return raft_node(p, *(int *)node)->role != RAFT_LEADER;
}

void raft_play_member_remove_leader(struct play *p)
{
	struct raft_world *w = begin(p, play_nodes(p));
	raft_need_applied(p, w->members, raft_need_commits(p, w->members, 3, 0), COMMIT_MS);
	int leader = raft_need_leader(p, w->members);
	need_change(p, "remove", leader);
	for (int i = 0; i < play_nodes(p); i++) /* another one may lead by now, and it was that one which removed `leader` */
		leader = !(w->members & lane_bit(i)) ? i : leader;
	if (!play_until(p, leads_no_more, &leader, LEADER_MS))
		FAIL(p, .rule = "a leader that is removed steps down", .source = "Ongaro's thesis (2014), section 4.2.2",
			.expected = play_text(p, "%s, which is no member any more, steps down when that entry is committed", play_node_name(p, leader)),
			.seen = play_text(p, "%d s after reconfigure_ok it still reports leader of term %lld", LEADER_MS / 1000,
				(long long)raft_node(p, leader)->term),
			.hint = "the leader commits the entry by the votes of the others (it does not count itself), answers, and becomes follower; "
				"it does not stand for election again", .nodes = lane_bit(leader), .evidence = { raft_node(p, leader)->state_seq });
	raft_kill(p, lane_bit(leader));
	raft_need_commits(p, w->members, 3, 0);
	raft_finish(p);
}

static _Noreturn void fail_two(struct play *p, const struct op *op, bool second)
{
	FAIL(p, .rule = second ? "one change of the members at a time" : "nothing is committed without a majority", .source = thesis,
		.expected = second ? "error 11: the first change is not committed yet. With two changes under way, two majorities need not "
			"share a node" : "no reconfigure_ok: of four members, the leader reaches one other only",
		.seen = play_text(p, "%s answered %.*s with %.*s", play_node_name(p, op->node), SLICE_ARG(op->request), SLICE_ARG(op->answer)),
		.hint = second ? "remember the index of the last entry with members; while it is above commit, refuse the next change with error "
			"11" : "the new members count as soon as the entry is in the log: a majority of four is three",
		.nodes = lane_bit(op->node), .evidence = { op->call_seq, op->return_seq });
}

/* The leader and the two newcomers on one side, the other two members on the other. */
void raft_play_member_one_at_a_time(struct play *p)
{
	struct raft_world *w = begin(p, 3);
	lane_set newcomers = raft_all(p) & ~w->members;
	raft_need_applied(p, w->members, raft_need_commits(p, w->members, 3, 0), COMMIT_MS);
	int leader = raft_need_leader(p, w->members);
	lane_set others = w->members & ~lane_bit(leader);
	raft_cut_alone(p, others);
	const struct op *first = send_change(p, leader, "add", 3, 30000);
	play_for(p, 200);
	const struct op *second = send_change(p, leader, "add", 4, 30000);
	play_for(p, 600);
	if (!w->partial && second->status == OP_OK)
		fail_two(p, second, true);
	if (!w->partial && first->status == OP_OK)
		fail_two(p, first, false);
	play_note(p, "the other two members reach each other: they are a majority of the three");
	struct partition part;
	partition_split(&part, play_lanes(p), others);
	raft_partition(p, &part);
	raft_need_commits(p, others, 2, 0);
	play_for(p, 500);
	raft_kill(p, newcomers); /* they know members that the others never had, and would stand for election for ever */
	raft_finish(p);
}
