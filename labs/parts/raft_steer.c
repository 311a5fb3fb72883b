#include "raft_steer.h"

enum { TRY_MS = 2000, PAUSE_MS = 20, AT_ONCE_MAX = 100 };

struct raft_world *raft_world(struct play *p) { return play_data(p); }
const struct raft_node *raft_node(struct play *p, int node) { return &raft_world(p)->rules.node[node]; }
lane_set raft_all(const struct play *p) { return lanes_all_nodes(play_lanes(p)); }

struct raft_world *raft_begin(struct play *p)
{
	struct raft_world *w = arena_zero(play_arena(p), sizeof *w);
	raft_rules_begin(&w->rules, p, true);
	w->members = raft_all(p);
	play_set_data(p, w);
	return w;
}

static int count(lane_set s)
{
	int n = 0;
	for (; s; s &= s - 1)
		n++;
	return n;
}

static double seconds(int64_t ns)
{
	return (double)ns / (double)NS_PER_S;
}

static const char *names(struct play *p, lane_set set)
{
	struct buf b = BUF_EMPTY;
	lane_set_print(&b, play_lanes(p), set);
	const char *text = play_text(p, "%s", b.n ? buf_cstr(&b) : "nobody");
	buf_done(&b);
	return text;
}

/* --- the closest the run came --- */

/* ", was candidate in 16 of the terms 4 to 19, and never leader" */
static const char *candidate_text(struct play *p, const struct raft_node *n)
{
	const char *won = n->victories == 0 ? "never leader" : n->victories == 1 ? "leader once" :
		play_text(p, "leader %u times", n->victories);
	if (n->candidacies == 0)
		return n->victories ? play_text(p, ", was %s", won) : ", was never candidate";
	if (n->candidacies == 1)
		return play_text(p, ", was candidate in term %lld, and %s", (long long)n->first_candidate, won);
	return play_text(p, ", was candidate in %u of the terms %lld to %lld, and %s", n->candidacies, (long long)n->first_candidate,
		(long long)n->last_candidate, won);
}

static const char *node_story(struct play *p, int node)
{
	const struct raft_node *n = raft_node(p, node);
	const char *name = play_node_name(p, node);
	if (!play_is_up(p, node))
		return play_text(p, "%s is down", name);
	if (!n->state_seq)
		return play_text(p, "%s has reported no state", name);
	return play_text(p, "%s is %s in term %lld%s, and has applied %lld of %lld entries", name, raft_role_name(n->role),
		(long long)n->term, candidate_text(p, n), (long long)n->applied, (long long)raft_world(p)->rules.entries);
}

const char *raft_story(struct play *p, lane_set set)
{
	const char *story = "";
	for (int i = 0; i < play_nodes(p); i++)
		if (set & lane_bit(i))
			story = play_text(p, "%s%s%s", story, *story ? "; " : "", node_story(p, i));
	return story;
}

/* The last report of each, as far as they fit. */
static void story_evidence(struct play *p, lane_set set, struct finding *f)
{
	size_t n = 0;
	for (int i = 0; i < play_nodes(p); i++) {
		uint64_t seq = raft_node(p, i)->state_seq;
		if (!(set & lane_bit(i)) || !seq || n == ARRAY_LEN(f->evidence))
			continue;
		size_t k = n++;
		for (; k > 0 && f->evidence[k - 1] > seq; k--)
			f->evidence[k] = f->evidence[k - 1];
		f->evidence[k] = seq;
	}
}

static _Noreturn void fail_story(struct play *p, lane_set set, struct finding f)
{
	f.nodes = set;
	story_evidence(p, set, &f);
	play_fail(p, &f);
}
#define FAIL_STORY(p, set, ...) fail_story((p), (set), (struct finding){ __VA_ARGS__ })

/* --- leaders --- */

int raft_leader_of(struct play *p, lane_set set)
{
	int leader = -1;
	int64_t top = -1;
	for (int i = 0; i < play_nodes(p); i++) {
		const struct raft_node *n = raft_node(p, i);
		if (!(set & lane_bit(i)) || !play_is_up(p, i) || n->term < top)
			continue;
		leader = n->state_seq && n->role == RAFT_LEADER ? i : n->term > top ? -1 : leader;
		top = n->term;
	}
	return leader;
}

static bool has_leader(struct play *p, void *set)
{
	return raft_leader_of(p, *(lane_set *)set) >= 0;
}

static const char *no_leader_hint(struct play *p, lane_set set)
{
	unsigned reports = 0, candidacies = 0, victories = 0;
	for (int i = 0; i < play_nodes(p); i++) {
		if (!(set & lane_bit(i)))
			continue;
		reports += raft_node(p, i)->state_seq != 0;
		candidacies += raft_node(p, i)->candidacies;
		victories += raft_node(p, i)->victories;
	}
	if (!reports)
		return "the judge knows roles and terms only from reports: send state to \"dlab\" (the SDK's function state) at the end of the "
			"init handler, and whenever role, term or vote has changed";
	if (!candidacies)
		return "a follower that hears nothing from a leader of its term for its election time-out becomes candidate: a new term, its "
			"own vote, request_vote to all others. Only append_entries of the present term (or a vote that is given) starts the "
			"time-out anew";
	if (!victories)
		return "candidates there are, and nobody wins. Does a node with an older term or no vote yet answer vote_granted? Is every "
			"time-out drawn anew, from a wide range (150 to 300 ms), so that they do not all stand at once?";
	return "look at who asks for votes and who refuses: a message with a higher term makes a node follower of that term, whatever it "
		"was; a candidate's log must be at least as up-to-date as the voter's; time-outs are drawn anew, by chance, each time";
}

/* A network that loses messages takes longer. */
static int64_t patience(struct play *p, int64_t ms)
{
	return raft_world(p)->lossy ? 3 * ms : ms;
}

/* When a cut or a kill was left out, those that should be away are there, and may lead. */
static lane_set present(struct play *p, lane_set set)
{
	return raft_world(p)->partial ? raft_world(p)->members : set;
}

int raft_need_leader(struct play *p, lane_set set)
{
	set = present(p, set);
	int64_t limit_ms = patience(p, LEADER_MS);
	if (play_until(p, has_leader, &set, limit_ms))
		return raft_leader_of(p, set);
	FAIL_STORY(p, set, .rule = "a majority that is connected elects a leader", .source = "Raft (extended version), section 5.2",
		.expected = play_text(p, "within %d s, one of %s reports that it is leader, of the latest term among them: they are up and "
			"reach one another", (int)(limit_ms / 1000), names(p, set)),
		.seen = play_text(p, "none %.1f s later. The closest it came: %s", (double)limit_ms / 1000, raft_story(p, set)),
		.hint = no_leader_hint(p, set));
}

struct awaited { int node; int64_t term; };

static bool is_leader(struct play *p, void *arg)
{
	const struct awaited *a = arg;
	const struct raft_node *n = raft_node(p, a->node);
	return n->state_seq && n->role == RAFT_LEADER && n->term > a->term;
}

bool raft_wait_for_leader(struct play *p, int node, int64_t limit_ms)
{
	const struct raft_node *n = raft_node(p, node);
	struct awaited a = { node, n->role == RAFT_LEADER && play_is_up(p, node) ? n->term : -1 };
	return play_until(p, is_leader, &a, limit_ms);
}

static bool has_new_leader(struct play *p, void *before)
{
	return raft_rules_leaders(&raft_world(p)->rules) > *(size_t *)before;
}

/* On the wall clock, what a node did before a cut may be heard after it. */
static void let_settle(struct play *p)
{
	if (!play_time_is_exact(p))
		play_for(p, 300);
}

void raft_no_new_leader(struct play *p, int64_t ms, const char *why)
{
	const struct raft_rules *r = &raft_world(p)->rules;
	let_settle(p);
	size_t before = raft_rules_leaders(r);
	if (raft_world(p)->partial || !play_until(p, has_new_leader, &before, ms))
		return;
	const struct raft_leader *l = &r->leader[r->leaders - 1];
	FAIL(p, .rule = "no leader without a majority", .source = "Raft (extended version), section 5.2",
		.expected = play_text(p, "no new leader while %s", why),
		.seen = play_text(p, "%s reported at %.3f s that it is leader of term %lld", play_node_name(p, l->node),
			seconds(trace_at(play_trace(p), l->seq)->t_ns), (long long)l->term),
		.hint = "a candidate needs the votes of more than half of all members, not of those that it reaches: 2 of 3, 3 of 5, 4 of 7. "
			"Its own vote counts as one",
		.nodes = lane_bit(l->node), .evidence = { raft_node(p, l->node)->term_seq == l->seq ? 0 : raft_node(p, l->node)->term_seq, l->seq });
}

void raft_undisturbed(struct play *p, int64_t ms)
{
	const struct raft_rules *r = &raft_world(p)->rules;
	play_for(p, 1000); /* candidates of the first election may still be there */
	int leader = raft_need_leader(p, raft_all(p));
	int64_t term = r->top_term, until = play_now(p) + ms * NS_PER_MS;
	while (play_now(p) < until && r->top_term == term)
		play_for(p, 50);
	if (r->top_term == term || !play_time_is_exact(p))
		return;
	int who = 0;
	while (r->node[who].term < r->top_term)
		who++;
	FAIL(p, .rule = "a leader that is well stays the leader", .source = "Raft (extended version), section 5.2",
		.expected = play_text(p, "%s stays leader of term %lld for %.0f s: all nodes are up and reach one another",
			play_node_name(p, leader), (long long)term, (double)ms / 1000),
		.seen = play_text(p, "%s was in term %lld at %.3f s", play_node_name(p, who), (long long)r->node[who].term,
			seconds(trace_at(play_trace(p), r->node[who].term_seq)->t_ns)),
		.hint = "the leader sends a heartbeat every 50 to 100 ms, and each one starts the follower's election time-out (150 to 300 ms) "
			"anew", .nodes = lane_bit(who) | lane_bit(leader), .evidence = { raft_node(p, leader)->state_seq, r->node[who].term_seq });
}

/* --- commands --- */

struct slice raft_propose_body(struct play *p, int pad)
{
	struct raft_world *w = raft_world(p);
	w->commands++;
	struct buf b = BUF_EMPTY;
	buf_printf(&b, "{\"type\":\"propose\",\"command\":\"c%u %04x", w->commands, (unsigned)rng_below(play_rng(p), 65536));
	for (int i = 0; i < pad; i++)
		buf_char(&b, (char)('a' + (i + (int)w->commands) % 26));
	buf_str(&b, "\"}");
	struct slice body = arena_copy(play_arena(p), buf_as_slice(&b));
	buf_done(&b);
	return body;
}

struct op *raft_send(struct play *p, int node, int64_t timeout_ms)
{
	return play_send_body(p, -1, node, raft_propose_body(p, 0), timeout_ms);
}

/* Proposals that were sent to the leader of a set. */
struct batch {
	lane_set set;
	int leader;
	struct op *op[AT_ONCE_MAX];
	int n;
};

static bool batch_is_over(struct play *p, void *arg)
{
	const struct batch *b = arg;
	bool over = true;
	for (int i = 0; i < b->n && over; i++)
		over = b->op[i]->status != OP_PENDING;
	return over || raft_leader_of(p, b->set) != b->leader;
}

static int64_t index_of(struct play *p, const struct op *op)
{
	return json_get_int(play_answer(p, op), "index", 0);
}

static _Noreturn void fail_commit(struct play *p, lane_set set, const struct op *op)
{
	if (op->status == OP_FAILED && op->code == ERROR_NOT_SUPPORTED)
		play_need_answer(p, op);
	int node = op->node;
	struct finding f = { .rule = "a majority that is connected commits", .source = "Raft (extended version), section 5.3",
		.expected = play_text(p, "within %d s of an election, a command that is proposed to the leader of %s is applied and answered "
			"with propose_ok: they are up and reach one another", COMMIT_MS / 1000, names(p, set)),
		.seen = play_text(p, "none. %s. The closest it came: %s", op->answer.n ?
			play_text(p, "The last one was answered with %.*s by %s", SLICE_ARG(op->answer), play_node_name(p, node)) :
			play_text(p, "%s did not answer the last one, sent at %.3f s", play_node_name(p, node), seconds(op->call_ns)),
			raft_story(p, set)),
		.hint = "the way of a command: the leader appends it, sends append_entries, counts the nodes that have it (itself too), commits "
			"when they are a majority, applies, answers. Where does it stop? A follower whose log does not fit answers success "
			"false, and the leader goes back and tries again",
		.nodes = set, .evidence = { op->call_seq, op->return_seq } };
	play_fail(p, &f);
}

/* Sends up to n to the present leader, and tells how many were committed. */
static int try_commits(struct play *p, struct batch *b, int n, int pad, int64_t *index)
{
	int done = 0;
	b->n = 0;
	b->leader = raft_need_leader(p, b->set);
	while (b->n < n && b->n < AT_ONCE_MAX)
		b->op[b->n++] = play_send_body(p, -1, b->leader, raft_propose_body(p, pad), TRY_MS);
	play_until(p, batch_is_over, b, TRY_MS);
	for (int i = 0; i < b->n; i++) {
		if (b->op[i]->status != OP_OK)
			continue;
		int64_t at = index_of(p, b->op[i]);
		*index = at > *index ? at : *index;
		done++;
	}
	return done;
}

int64_t raft_need_commits(struct play *p, lane_set set, int n, int pad)
{
	struct batch b = { .set = set = present(p, set) };
	int64_t index = 0, limit_ns = patience(p, LEADER_MS + COMMIT_MS) * NS_PER_MS, until = play_now(p) + limit_ns;
	while (n > 0) {
		int done = try_commits(p, &b, n, pad, &index);
		n -= done;
		if (n > 0 && play_now(p) > until)
			fail_commit(p, set, b.op[0]);
		if (done > 0)
			until = play_now(p) + limit_ns;
		if (n > 0)
			play_for(p, PAUSE_MS);
	}
	return index;
}

int64_t raft_need_commit(struct play *p, lane_set set)
{
	return raft_need_commits(p, set, 1, 0);
}

struct goal { lane_set set; int64_t index; };

static lane_set behind(struct play *p, const struct goal *g)
{
	lane_set set = 0;
	for (int i = 0; i < play_nodes(p); i++)
		if ((g->set & lane_bit(i)) && raft_node(p, i)->applied < g->index)
			set |= lane_bit(i);
	return set;
}

static bool all_have(struct play *p, void *goal)
{
	return !behind(p, goal);
}

void raft_need_applied(struct play *p, lane_set set, int64_t index, int64_t limit_ms)
{
	struct goal g = { set, index };
	limit_ms = patience(p, limit_ms);
	int64_t until = play_now(p) + limit_ms * NS_PER_MS;
	while (play_now(p) < until) {
		if (play_until(p, all_have, &g, 1000))
			return;
		raft_need_commit(p, set); /* a new leader may know what is committed only by an entry of its own term (5.4.2) */
	}
	if (all_have(p, &g))
		return;
	lane_set late = behind(p, &g);
	FAIL_STORY(p, set, .rule = "every member that is connected applies every committed entry",
		.source = "Raft (extended version), section 5.3",
		.expected = play_text(p, "within %.1f s, %s apply entry %lld, which is committed", (double)limit_ms / 1000, names(p, set),
			(long long)index),
		.seen = play_text(p, "%s did not. The closest it came: %s", names(p, late), raft_story(p, set)),
		.hint = "the leader keeps next_index for each follower, goes back when the follower refuses, and tries again for ever. The "
			"follower learns what is committed from leader_commit, also in a heartbeat");
}

struct stillness { int64_t entries; };

static bool something_happened(struct play *p, void *arg)
{
	const struct stillness *s = arg;
	return raft_world(p)->rules.entries > s->entries;
}

void raft_nothing_commits(struct play *p, int64_t ms, const char *why)
{
	const struct raft_rules *r = &raft_world(p)->rules;
	let_settle(p);
	struct stillness s = { .entries = r->entries };
	if (raft_world(p)->partial || !play_until(p, something_happened, &s, ms))
		return;
	const struct raft_entry *entry = &r->entry[r->entries];
	const struct event *e = trace_at(play_trace(p), entry->seq);
	FAIL(p, .rule = "nothing is committed without a majority", .source = "Raft (extended version), section 5.3",
		.expected = play_text(p, "no entry after %lld is applied while %s", (long long)s.entries, why),
		.seen = play_text(p, "%s applied entry %lld at %.3f s", lane_name(play_lanes(p), e->src), (long long)r->entries,
			seconds(e->t_ns)),
		.hint = "an entry is committed when more than half of all members have it on disk: 2 of 3, 3 of 5. Members that are out of "
			"reach count among \"all\". Apply only up to the commit index",
		.nodes = lane_bit(e->src), .t_ns = e->t_ns, .evidence = { e->seq });
}

/* --- faults --- */

void raft_partition(struct play *p, const struct partition *part)
{
	uint64_t before = trace_count(play_trace(p));
	play_partition(p, part);
	raft_world(p)->partial |= trace_count(play_trace(p)) == before;
}

void raft_cut_alone(struct play *p, lane_set alone)
{
	struct partition part = { { 0 } };
	for (int b = 0; b < play_nodes(p); b++)
		part.drop[b] = alone & lane_bit(b) ? raft_all(p) & ~lane_bit(b) : alone;
	raft_partition(p, &part);
}

void raft_star(struct play *p, int hub, lane_set spokes)
{
	struct partition part;
	partition_star(&part, play_lanes(p), hub, spokes);
	raft_partition(p, &part);
}

void raft_kill(struct play *p, lane_set set)
{
	for (int i = 0; i < play_nodes(p); i++)
		if (set & lane_bit(i)) {
			play_kill(p, i);
			raft_world(p)->partial |= play_is_up(p, i);
		}
}

void raft_start(struct play *p, lane_set set)
{
	for (int i = 0; i < play_nodes(p); i++)
		if (set & lane_bit(i))
			play_start(p, i);
}

int raft_one(struct play *p, lane_set of)
{
	uint64_t skip = rng_below(play_rng(p), (uint64_t)count(of));
	for (int i = 0;; i++)
		if ((of & lane_bit(i)) && skip-- == 0)
			return i;
}

lane_set raft_some(struct play *p, lane_set of, int n)
{
	lane_set some = 0;
	while (n-- > 0 && of & ~some)
		some |= lane_bit(raft_one(p, of & ~some));
	return some;
}

/* --- the end --- */

static bool has_one_leader(struct play *p, void *set)
{
	int leaders = 0;
	lane_set members = *(lane_set *)set;
	for (int i = 0; i < play_nodes(p); i++)
		leaders += (members & lane_bit(i)) && play_is_up(p, i) && raft_node(p, i)->role == RAFT_LEADER;
	return leaders == 1 && raft_leader_of(p, members) >= 0;
}

void raft_need_one_leader(struct play *p, lane_set members)
{
	if (play_until(p, has_one_leader, &members, LEADER_MS))
		return;
	FAIL_STORY(p, members, .rule = "in the end there is one leader, and all others follow it",
		.source = "Raft (extended version), section 5.1",
		.expected = play_text(p, "%d s after the last fault, one of %s is leader, and no other says so", LEADER_MS / 1000,
			names(p, members)),
		.seen = raft_story(p, members),
		.hint = "a message, request or answer, that carries a higher term makes a leader or candidate step down at once: it takes that "
			"term, becomes follower, and reports so");
}

void raft_finish(struct play *p)
{
	struct raft_world *w = raft_world(p);
	if (w->members == raft_all(p)) {
		play_calm(p);
	} else {
		play_heal(p);
		raft_start(p, w->members);
	}
	if (w->lossy) {
		play_loss(p, 0);
		play_duplicate(p, 0);
		play_reorder(p, 0);
		w->lossy = false;
	}
	play_note(p, "quiet phase: no faults, everybody is up");
	int64_t index = raft_need_commit(p, w->members);
	raft_need_applied(p, w->members, index, CAUGHT_UP_MS);
	raft_need_one_leader(p, w->members);
	raft_rules_end(&w->rules, p);
}
