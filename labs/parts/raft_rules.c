#include "raft_rules.h"

enum { COMMAND_SHOWN = 40 };

static const char paper[] = "Raft (extended version), section ";
#define SOURCE(p, section) play_text((p), "%s%s", paper, (section))
#define FIGURE_2 "Raft (extended version), Figure 2"

static const char *const role_names[] = { [RAFT_FOLLOWER] = "follower", [RAFT_CANDIDATE] = "candidate", [RAFT_LEADER] = "leader" };

const char *raft_role_name(enum raft_role role)
{
	return role_names[role];
}

int64_t raft_digest(int64_t digest, struct slice command)
{
	for (size_t i = 0; i < command.n; i++)
		digest = (digest * 31 + (unsigned char)command.s[i]) % 1000000007;
	return digest;
}

/* --- words --- */

static double seconds(int64_t ns)
{
	return (double)ns / (double)NS_PER_S;
}

/* "n2 at 1.234 s" */
static const char *who_when(struct play *p, uint64_t seq)
{
	const struct event *e = trace_at(play_trace(p), seq);
	return play_text(p, "%s at %.3f s", lane_name(play_lanes(p), e->src), seconds(e->t_ns));
}

static const char *when(struct play *p, uint64_t seq)
{
	return play_text(p, "%.3f s", seconds(trace_at(play_trace(p), seq)->t_ns));
}

static const char *command_text(struct play *p, struct slice command)
{
	if (!command.s)
		return "no command (null)";
	return play_text(p, "\"%.*s%s\"", command.n > COMMAND_SHOWN ? COMMAND_SHOWN : (int)command.n, command.s,
		command.n > COMMAND_SHOWN ? "..." : "");
}

static const char *name_of(struct play *p, const struct raft_rules *r, const struct raft_node *n)
{
	return play_node_name(p, (int)(n - r->node));
}

/* A finding about the two events that conflict; evidence in the order of the trace. */
static _Noreturn void fail_pair(struct play *p, struct finding f, uint64_t a, uint64_t between, uint64_t b)
{
	uint64_t seq[] = { a, between, b };
	size_t n = 0;
	for (size_t i = 0; i < ARRAY_LEN(seq); i++) {
		if (!seq[i])
			continue;
		const struct event *e = trace_at(play_trace(p), seq[i]);
		if (lane_is_node(play_lanes(p), e->src))
			f.nodes |= lane_bit(e->src);
		f.t_ns = e->t_ns > f.t_ns ? e->t_ns : f.t_ns;
		size_t k = n++;
		for (; k > 0 && f.evidence[k - 1] > seq[i]; k--)
			f.evidence[k] = f.evidence[k - 1];
		f.evidence[k] = seq[i];
	}
	play_fail(p, &f);
}
#define FAIL_PAIR(p, a, between, b, ...) fail_pair((p), (struct finding){ __VA_ARGS__ }, (a), (between), (b))

/* The start of the node's present life when it lies between: it forgot something. */
static uint64_t restart_after(const struct raft_node *n, uint64_t seq)
{
	return seq < n->start_seq ? n->start_seq : 0;
}

/* --- reading a report --- */

/* A report as it was written. Texts keep their quotes off; s == NULL: absent, or of another kind. */
struct report {
	struct slice role, vote, command;
	int64_t term, commit, last_index, last_term, index, digest; /* -1: absent, or no whole number */
	bool has_vote, has_command, command_null, snapshot;
};

static struct slice text_of(struct play *p, struct slice value)
{
	if (value.n < 2 || value.s[0] != '"')
		return SLICE_NONE;
	if (memchr(value.s, '\\', value.n)) {
		const char *text = json_string_value(play_json(p, value));
		return text ? slice_of(text) : SLICE_NONE;
	}
	return (struct slice){ value.s + 1, value.n - 2 };
}

static int64_t number_of(struct slice value)
{
	int64_t number;
	return slice_int(value, &number) && number >= 0 ? number : -1;
}

static void report_member(struct play *p, struct report *r, struct slice key, struct slice value)
{
	const struct {
		const char *key;
		int64_t *number;
	} numbers[] = { { "term", &r->term }, { "commit", &r->commit }, { "last_index", &r->last_index },
		{ "last_term", &r->last_term }, { "index", &r->index }, { "digest", &r->digest } };
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		if (slice_is(key, numbers[i].key))
			*numbers[i].number = number_of(value);
	if (slice_is(key, "role")) {
		r->role = text_of(p, value);
	} else if (slice_is(key, "vote")) {
		r->vote = text_of(p, value);
		r->has_vote = r->vote.s || slice_is(value, "null");
	} else if (slice_is(key, "command")) {
		r->command = text_of(p, value);
		r->command_null = slice_is(value, "null");
		r->has_command = r->command.s || r->command_null;
	} else if (slice_is(key, "snapshot")) {
		r->snapshot = slice_is(value, "true");
	}
}

static struct report report_read(struct play *p, struct slice body)
{
	struct report r = { .term = -1, .commit = -1, .last_index = -1, .last_term = -1, .index = -1, .digest = -1 };
	struct slice key, value;
	size_t pos = 0;
	while (json_member_next(body, &pos, &key, &value))
		report_member(p, &r, key, value);
	return r;
}

/* --- rule 12: reports are whole --- */

static const char state_shape[] = "{\"type\":\"state\",\"role\":\"follower\",\"term\":3,\"vote\":\"n1\",\"commit\":7,"
	"\"last_index\":9,\"last_term\":3}; role is \"follower\", \"candidate\" or \"leader\", vote a node's name or null";
static const char apply_shape[] = "{\"type\":\"apply\",\"index\":7,\"term\":3,\"command\":\"...\"} with null for an entry without a "
	"command; {\"type\":\"apply\",\"index\":7,\"term\":3,\"snapshot\":true,\"digest\":...} for a snapshot";

static _Noreturn void fail_report(struct play *p, const struct event *e, const char *what, const char *shape, const char *wrong)
{
	FAIL(p, .rule = "reports are whole", .source = "the lab's guide, Reports", .expected = shape,
		.seen = play_text(p, "%s reported %.*s: %s", lane_name(play_lanes(p), e->src), e->text.n > 200 ? 200 : (int)e->text.n,
			e->text.s, wrong),
		.hint = play_text(p, "write one function that makes the %s report, and call it at each place; the judge sees nothing but "
			"these reports", what), .nodes = lane_bit(e->src), .t_ns = e->t_ns ? e->t_ns : 1, .evidence = { e->seq });
}

static int role_of(struct slice text)
{
	for (size_t i = 0; i < ARRAY_LEN(role_names); i++)
		if (slice_is(text, role_names[i]))
			return (int)i;
	return -1;
}

static int vote_of(const struct play *p, const struct report *s)
{
	int lane = s->vote.s ? lane_find(play_lanes(p), s->vote) : LANE_NONE;
	return lane_is_node(play_lanes(p), lane) ? lane : s->vote.s ? LANE_UNKNOWN : LANE_NONE;
}

static void need_whole_state(struct play *p, const struct event *e, const struct report *s)
{
	const char *wrong = role_of(s->role) < 0 ? "\"role\" is missing, or another word" :
		s->term < 0 ? "\"term\" is missing, or no whole number" :
		!s->has_vote ? "\"vote\" is missing, or neither a text nor null" :
		vote_of(p, s) == LANE_UNKNOWN ? "\"vote\" is no node's name" :
		s->commit < 0 ? "\"commit\" is missing, or no whole number" :
		s->last_index < 0 ? "\"last_index\" is missing, or no whole number" :
		s->last_term < 0 ? "\"last_term\" is missing, or no whole number" : NULL;
	if (wrong)
		fail_report(p, e, "state", state_shape, wrong);
}

static void need_whole_apply(struct play *p, const struct event *e, const struct report *a)
{
	const char *wrong = a->index < 1 ? "\"index\" is missing, or not a whole number from 1 on" :
		a->term < 0 ? "\"term\" is missing, or no whole number" :
		a->snapshot && a->digest < 0 ? "\"digest\" is missing, or no whole number" :
		!a->snapshot && !a->has_command ? "\"command\" is missing, or neither a text nor null" : NULL;
	if (wrong)
		fail_report(p, e, "apply", apply_shape, wrong);
}

/* --- growing lists in the arena --- */

static void *list_room(struct play *p, void *list, size_t n, size_t *cap, size_t size)
{
	if (n < *cap)
		return list;
	size_t more = *cap ? *cap * 2 : 16;
	void *grown = arena_zero(play_arena(p), more * size);
	if (*cap)
		memcpy(grown, list, *cap * size);
	*cap = more;
	return grown;
}

/* --- rules 1 to 5: state reports --- */

static void rule_term(struct play *p, const struct raft_rules *r, const struct raft_node *n, const struct event *e, int64_t term)
{
	if (!n->term_seq || term >= n->term)
		return;
	uint64_t restart = restart_after(n, n->term_seq);
	FAIL_PAIR(p, n->term_seq, restart, e->seq, .rule = "the term never goes back", .source = FIGURE_2 " (persistent state)",
		.expected = play_text(p, "from %s on, %s is in term %lld or a later one", when(p, n->term_seq), name_of(p, r, n),
			(long long)n->term),
		.seen = play_text(p, "%s reported term %lld at %s, and term %lld at %s%s", name_of(p, r, n), (long long)n->term,
			when(p, n->term_seq), (long long)term, when(p, e->seq), restart ? ", after it had been killed and started again" : ""),
		.hint = restart ? "the term must be on disk before anything of that term leaves the node: save term and vote together, in the "
			"handler that changes them, and load them in init" :
			"a message with a lower term never changes the term: refuse it, and answer with the own term");
}

static void rule_vote(struct play *p, const struct raft_rules *r, const struct raft_node *n, const struct event *e, int vote)
{
	if (vote < 0 || n->vote < 0 || n->vote == vote)
		return;
	uint64_t restart = restart_after(n, n->vote_seq);
	FAIL_PAIR(p, n->vote_seq, restart, e->seq, .rule = "one vote a term", .source = SOURCE(p, "5.2"),
		.expected = play_text(p, "%s, which voted for %s in term %lld, votes for nobody else in that term", name_of(p, r, n),
			play_node_name(p, n->vote), (long long)n->term),
		.seen = play_text(p, "in term %lld, %s reported a vote for %s at %s, and a vote for %s at %s%s", (long long)n->term,
			name_of(p, r, n), play_node_name(p, n->vote), when(p, n->vote_seq), play_node_name(p, vote), when(p, e->seq),
			restart ? ", after it had been killed and started again" : ""),
		.hint = restart ? "the vote must be on disk before it is given: save it before you answer request_vote, and load it in init" :
			"before you grant a vote, look whether you have voted in this term (for yourself too, as a candidate). Forget the vote "
			"only when the term goes up");
}

static void rule_commit(struct play *p, const struct raft_rules *r, const struct raft_node *n, const struct event *e, int64_t commit)
{
	if (!n->commit_seq || commit >= n->commit)
		return;
	FAIL_PAIR(p, n->commit_seq, 0, e->seq, .rule = "the commit index never goes back", .source = FIGURE_2 " (volatile state)",
		.expected = play_text(p, "commit of %s stays at %lld or above", name_of(p, r, n), (long long)n->commit),
		.seen = play_text(p, "%s reported commit %lld at %s, and commit %lld at %s, in the same life", name_of(p, r, n),
			(long long)n->commit, when(p, n->commit_seq), (long long)commit, when(p, e->seq)),
		.hint = "what is committed stays committed. Raise commit only: max(commit, min(leader_commit, index of the last new entry)); "
			"an old append_entries may arrive late");
}

static void rule_one_leader(struct play *p, const struct raft_rules *r, int node, const struct event *e, int64_t term)
{
	for (size_t i = r->leaders; i-- > 0;) {
		const struct raft_leader *l = &r->leader[i];
		if (l->term != term || l->node == node)
			continue;
		FAIL_PAIR(p, l->seq, 0, e->seq, .rule = "Election Safety: one leader a term", .source = SOURCE(p, "5.2"),
			.expected = play_text(p, "at most one leader in term %lld", (long long)term),
			.seen = play_text(p, "in term %lld, %s reported that it is leader, and so did %s", (long long)term,
				who_when(p, l->seq), who_when(p, e->seq)),
			.hint = "two majorities always share a node, and it votes once. So: who counts the votes, and is it more than half of all "
				"members (2 of 3, 3 of 5), each voter once? Are votes of an older term ignored? Does a node vote twice, perhaps "
				"after a restart?");
	}
}

static void note_length(struct raft_node *n, int64_t index, uint64_t seq)
{
	if (index < n->longest)
		return;
	n->longest = index;
	n->longest_seq = seq;
}

/* What most likely went wrong, by what the leader has instead. */
static const char *completeness_hint(struct play *p, const struct raft_rules *r, const struct raft_node *n,
	const struct report *s, const struct raft_reach *most)
{
	int64_t term = r->entry[most->index].term;
	if (n->longest >= most->index && s->last_index < n->longest && restart_after(n, n->longest_seq))
		return play_text(p, "the log of %s reached to %lld at %s, before it was killed and started again: save the log before anything "
			"that depends on it leaves the node, and load it in init", name_of(p, r, n), (long long)n->longest,
			when(p, n->longest_seq));
	if (s->last_term > term && term < most->term)
		return "this is Figure 8: a leader counts copies only for entries of its own term. An older entry, even on a majority, is "
			"committed with the first entry of the leader's term after it, and not before (5.4.2)";
	if (s->last_term > term)
		return "the entry was taken for committed, and a leader without it could be elected: fewer than a majority had it on disk. Does "
			"a follower answer success for entries that it has not kept? Does the leader count an answer for more than was sent?";
	return "a voter gave its vote to a log that is less up-to-date than its own (compare last_log_term first, then last_log_index), or "
		"the entry was taken for committed although fewer than a majority had it on disk";
}

/* Leaders of later terms than that of the node that applied an entry must have it: it was committed in that term or an
 * earlier one. (Not: all that was applied so far. A candidate of an old term may win late.) */
static void rule_completeness(struct play *p, const struct raft_rules *r, int node, const struct event *e, const struct report *s)
{
	const struct raft_reach *most = NULL;
	for (size_t i = 0; i < r->reaches; i++)
		if (r->reach[i].term < s->term && (!most || r->reach[i].index > most->index))
			most = &r->reach[i];
	if (!most || s->last_index < 0)
		return;
	int64_t term = r->entry[most->index].term;
	bool has = s->last_index > most->index || (s->last_index == most->index && (s->last_term < 0 || s->last_term == term));
	if (has)
		return;
	FAIL_PAIR(p, most->seq, 0, e->seq, .rule = "Leader Completeness: a leader has every committed entry", .source = SOURCE(p, "5.4"),
		.expected = play_text(p, "%s, leader of term %lld, has the entry %lld, which was committed in term %lld at the latest",
			play_node_name(p, node), (long long)s->term, (long long)most->index, (long long)most->term),
		.seen = play_text(p, "%s applied entry %lld, of term %lld; and when %s was leader of term %lld, at %s, its log ended at %lld "
			"(of term %lld)", who_when(p, most->seq), (long long)most->index, (long long)term, play_node_name(p, node),
			(long long)s->term, when(p, e->seq), (long long)s->last_index, (long long)s->last_term),
		.hint = completeness_hint(p, r, &r->node[node], s, most));
}

static void add_leader(struct play *p, struct raft_rules *r, int node, const struct event *e, int64_t term)
{
	rule_one_leader(p, r, node, e, term);
	r->leader = list_room(p, r->leader, r->leaders, &r->leader_cap, sizeof *r->leader);
	r->leader[r->leaders++] = (struct raft_leader){ term, node, e->seq };
}

static void take_role(struct play *p, struct raft_rules *r, int node, const struct event *e, const struct report *s, bool new_term)
{
	struct raft_node *n = &r->node[node];
	enum raft_role role = (enum raft_role)role_of(s->role);
	if (role == RAFT_CANDIDATE && n->last_candidate != s->term) {
		n->first_candidate = n->candidacies++ ? n->first_candidate : s->term;
		n->last_candidate = s->term;
	}
	if (role == RAFT_LEADER && (new_term || n->role != RAFT_LEADER || !n->state_seq)) {
		add_leader(p, r, node, e, s->term);
		n->victories++;
	}
	if (role == RAFT_LEADER)
		rule_completeness(p, r, node, e, s);
	n->role = role;
}

static void take_term(struct play *p, struct raft_rules *r, struct raft_node *n, const struct event *e, const struct report *s)
{
	rule_term(p, r, n, e, s->term);
	if (n->term_seq && s->term == n->term)
		return;
	n->term = s->term;
	n->term_seq = e->seq;
	n->vote = LANE_NONE;
	r->top_term = s->term > r->top_term ? s->term : r->top_term;
}

static void take_vote(struct play *p, struct raft_rules *r, struct raft_node *n, const struct event *e, const struct report *s)
{
	int vote = vote_of(p, s);
	rule_vote(p, r, n, e, vote);
	if (vote < 0 || n->vote >= 0)
		return; /* null after a vote: what counts is whether another one follows */
	n->vote = vote;
	n->vote_seq = e->seq;
}

/* Rule 13, and commit >= lastApplied. A node that begins with a snapshot may say commit 0 at first. */
static void rule_keeps_applied(struct play *p, const struct raft_rules *r, const struct raft_node *n, const struct event *e,
	const struct report *s)
{
	if (!n->kept)
		return;
	int64_t term = r->entry[n->kept].term;
	bool shorter = s->last_index >= 0 && s->last_index < n->kept;
	bool other = s->last_index == n->kept && s->last_term >= 0 && s->last_term != term;
	bool uncommitted = s->commit >= 0 && s->commit < n->kept_alone;
	if (!shorter && !other && !uncommitted)
		return;
	const char *name = name_of(p, r, n);
	FAIL_PAIR(p, n->kept_seq, 0, e->seq,
		.rule = uncommitted && !shorter ? "what is applied is committed" : "what a node has applied stays in its log",
		.source = uncommitted && !shorter ? FIGURE_2 " (commitIndex, lastApplied)" : SOURCE(p, "5.3 and 7"),
		.expected = shorter ? play_text(p, "the log of %s reaches at least to entry %lld, which it has applied", name,
				(long long)n->kept) :
			other ? play_text(p, "last_index %lld with last_term %lld, the term of the entry that %s applied there",
				(long long)n->kept, (long long)term, name) :
			play_text(p, "commit of %s is at least %lld, which it has applied", name, (long long)n->kept_alone),
		.seen = play_text(p, "%s applied entry %lld, of term %lld, at %s, and reported last_index %lld, last_term %lld, commit %lld "
			"at %s", name, (long long)n->kept, (long long)term, when(p, n->kept_seq), (long long)s->last_index,
			(long long)s->last_term, (long long)s->commit, when(p, e->seq)),
		.hint = shorter ? "cut the log only where an entry of append_entries has another term than the one at its index. A message "
				"that comes late brings old entries, or none, and must cut nothing off (5.3: \"if an existing entry conflicts\")" :
			other ? "when the log is empty, last_index and last_term are those of the snapshot: keep both with it, on disk too" :
			"raise commit only, never lower it: an old append_entries, or an old snapshot, may come late");
}

static void take_state(struct play *p, struct raft_rules *r, const struct event *e)
{
	struct raft_node *n = &r->node[e->src];
	struct report s = report_read(p, e->text);
	if (r->strict)
		need_whole_state(p, e, &s);
	rule_keeps_applied(p, r, n, e, &s);
	if (s.term >= 0) {
		bool new_term = s.term != n->term;
		take_term(p, r, n, e, &s);
		take_vote(p, r, n, e, &s);
		if (role_of(s.role) >= 0)
			take_role(p, r, e->src, e, &s, new_term);
	}
	if (s.commit >= 0) {
		rule_commit(p, r, n, e, s.commit);
		n->commit = s.commit;
		n->commit_seq = e->seq;
	}
	n->last_index = s.last_index >= 0 ? s.last_index : n->last_index;
	note_length(n, s.last_index, e->seq);
	n->last_term = s.last_term >= 0 ? s.last_term : n->last_term;
	n->state_seq = e->seq;
}

/* --- what clients propose --- */

static size_t command_place(const struct raft_rules *r, struct slice text)
{
	size_t at = (size_t)hash_bytes(0, text.s, text.n) & (r->command_cap - 1);
	while (r->command[at] && !slice_eq(r->command[at]->text, text))
		at = (at + 1) & (r->command_cap - 1);
	return at;
}

static struct raft_command *command_find(const struct raft_rules *r, struct slice text)
{
	return r->command_cap ? r->command[command_place(r, text)] : NULL;
}

const struct raft_command *raft_rules_command(const struct raft_rules *r, struct slice text)
{
	return command_find(r, text);
}

static void command_table_grow(struct play *p, struct raft_rules *r)
{
	struct raft_command **old = r->command;
	size_t n = r->command_cap;
	r->command_cap = n ? n * 2 : 256;
	r->command = arena_zero(play_arena(p), r->command_cap * sizeof(struct raft_command *));
	for (size_t i = 0; i < n; i++)
		if (old[i])
			r->command[command_place(r, old[i]->text)] = old[i];
}

static struct raft_command *command_add(struct play *p, struct raft_rules *r, struct slice text, uint64_t seq)
{
	if (2 * r->commands >= r->command_cap)
		command_table_grow(p, r);
	size_t at = command_place(r, text);
	if (!r->command[at]) {
		r->command[at] = arena_zero(play_arena(p), sizeof **r->command);
		*r->command[at] = (struct raft_command){ .text = text, .call_seq = seq };
		r->commands++;
	}
	return r->command[at];
}

static bool is_type(const struct play *p, const struct event *e, const char *type)
{
	return e->type && slice_is(trace_type_name(play_trace(p), e->type), type);
}

static int client_of(const struct play *p, int lane)
{
	return lane - lane_client(play_lanes(p), 0);
}

static void take_request(struct play *p, struct raft_rules *r, const struct event *e)
{
	if (!is_type(p, e, "propose"))
		return;
	struct slice key, value, command = SLICE_NONE;
	int64_t msg_id = -1;
	size_t pos = 0;
	while (json_member_next(e->text, &pos, &key, &value)) {
		if (slice_is(key, "command"))
			command = text_of(p, value);
		else if (slice_is(key, "msg_id") && !slice_int(value, &msg_id))
			msg_id = -1;
	}
	if (!command.s || msg_id < 0)
		return; /* garbage */
	int client = client_of(p, e->src);
	r->asked[client].command = command_add(p, r, command, e->seq);
	r->asked[client].msg_id = msg_id;
}

/* Rule 11. */
static void rule_refused(struct play *p, const struct raft_command *c)
{
	if (!c->refused_seq || !c->applied_seq)
		return;
	FAIL_PAIR(p, c->refused_seq, c->call_seq, c->applied_seq, .rule = "what was refused is applied nowhere",
		.source = "the lab's guide, Errors; Raft (extended version), section 8",
		.expected = play_text(p, "the command %s, answered with a definite error at %s, is applied by no node at any time",
			command_text(p, c->text), when(p, c->refused_seq)),
		.seen = play_text(p, "%s answered it with %.*s, and it was applied at index %lld by %s",
			who_when(p, c->refused_seq), SLICE_ARG(trace_at(play_trace(p), c->refused_seq)->text), (long long)c->index,
			who_when(p, c->applied_seq)),
		.hint = "error 11 says: it was never put into the log; 14: it was replaced there, for sure. A leader that steps down with the "
			"command in its log knows neither: it keeps the client waiting until the entry is applied or replaced, or answers "
			"error 13, or nothing");
}

static bool is_definite(const struct event *reply)
{
	struct slice key, value;
	size_t pos = 0;
	int64_t code = ERROR_CRASH;
	while (json_member_next(reply->text, &pos, &key, &value))
		if (slice_is(key, "code") && !slice_int(value, &code))
			code = ERROR_CRASH;
	return proto_error_definite(code);
}

static void take_promise(struct play *p, struct raft_node *n, struct raft_command *c, const struct event *e)
{
	struct report r = report_read(p, e->text);
	if (r.index < 0 || r.digest < 0)
		FAIL(p, .rule = "propose_ok tells index and digest", .source = "the lab's guide, Messages",
			.expected = "{\"type\":\"propose_ok\",\"index\":7,\"digest\":...}, both whole numbers",
			.seen = play_text(p, "%s answered %.*s", lane_name(play_lanes(p), e->src), SLICE_ARG(e->text)),
			.hint = "answer when you apply the entry: then you know its index, and the digest after it", .nodes = lane_bit(e->src),
			.t_ns = e->t_ns, .evidence = { c->call_seq, e->seq });
	struct raft_promise *promise = arena_alloc(play_arena(p), sizeof *promise);
	*promise = (struct raft_promise){ n->promises, c, r.index, r.digest, e->seq };
	n->promises = promise;
	c->ok_seq = e->seq;
}

static void unsettle(struct raft_node *n, const struct event *e)
{
	if (n->unsettled_ns < 0)
		n->unsettled_ns = e->t_ns;
}

static void take_reply(struct play *p, struct raft_rules *r, const struct event *e)
{
	int client = client_of(p, e->dst);
	struct raft_command *c = r->asked[client].command;
	if (!c || e->arg != r->asked[client].msg_id || c->ok_seq || c->refused_seq)
		return;
	if (is_type(p, e, "propose_ok")) {
		take_promise(p, &r->node[e->src], c, e);
		unsettle(&r->node[e->src], e);
	} else if (is_type(p, e, "error") && is_definite(e)) {
		c->refused_seq = e->seq;
		rule_refused(p, c);
	}
}

/* --- rules 6 to 9: apply reports --- */

static void rule_order(struct play *p, const struct raft_rules *r, const struct raft_node *n, const struct event *e, int64_t index,
	bool snapshot)
{
	if (snapshot ? index >= n->applied : index == n->applied + 1)
		return;
	bool gap = index > n->applied + 1;
	const char *name = name_of(p, r, n), *before = n->applied_seq ?
		play_text(p, "%s had applied %lld at %s", name, (long long)n->applied, when(p, n->applied_seq)) :
		play_text(p, "%s had applied nothing in this life", name);
	FAIL_PAIR(p, n->applied_seq, 0, e->seq, .rule = "entries are applied in order, each once a life",
		.source = FIGURE_2 " (lastApplied)",
		.expected = snapshot ? play_text(p, "a snapshot that reaches at least to %lld, or none", (long long)n->applied) :
			play_text(p, "%s applies %lld next", name, (long long)n->applied + 1),
		.seen = play_text(p, "%s, and %s %lld at %s", before, snapshot ? "then took over a snapshot up to" : "then", (long long)index,
			when(p, e->seq)),
		.hint = snapshot ? "a snapshot that is older than what is applied already brings nothing: ignore it" :
			gap && !n->applied_seq ? "after a start, a node that has a snapshot reports it first (\"snapshot\":true), and goes on "
				"after it; a node without one begins at 1" :
			gap ? "apply one by one: while applied < commit, applied += 1, apply log[applied]. Only a snapshot may jump" :
			"applied goes up by one with each entry and never back; keep it as long as the process lives");
}

static const char *entry_text(struct play *p, int64_t term, struct slice command)
{
	return play_text(p, "%s of term %lld", command_text(p, command), (long long)term);
}

static void rule_same_entry(struct play *p, const struct raft_entry *known, const struct event *e, const struct report *a)
{
	bool same_command = !known->command.s == !a->command.s && slice_eq(known->command, a->command);
	if (same_command && known->term == a->term)
		return;
	FAIL_PAIR(p, known->seq, 0, e->seq,
		.rule = same_command ? "Log Matching: one term at an index" : "State Machine Safety: one command at an index",
		.source = SOURCE(p, same_command ? "5.3" : "5.4.3"),
		.expected = play_text(p, "all nodes apply the same entry at index %lld", (long long)a->index),
		.seen = play_text(p, "at index %lld, %s applied %s, and %s applied %s", (long long)a->index, who_when(p, known->seq),
			entry_text(p, known->term, known->command), who_when(p, e->seq), entry_text(p, a->term, a->command)),
		.hint = same_command ? "an entry keeps the term in which a leader created it, on its way and on disk" :
			"three places can do this: append_entries without the check of prev_log_index and prev_log_term (5.3); commit raised by "
			"counting copies of an entry of an older term (5.4.2, Figure 8); entries applied before they are committed");
}

static void rule_terms_grow(struct play *p, const struct raft_rules *r, const struct event *e, const struct report *a)
{
	const struct raft_entry *before = a->index > 1 && a->index - 1 <= r->entries ? &r->entry[a->index - 1] : NULL;
	if (!before || !before->seq || before->term <= a->term)
		return;
	FAIL_PAIR(p, before->seq, 0, e->seq, .rule = "terms never decrease along the log", .source = SOURCE(p, "5.3"),
		.expected = play_text(p, "entry %lld is of term %lld or later, like the one before it", (long long)a->index,
			(long long)before->term),
		.seen = play_text(p, "%s applied entry %lld of term %lld, and %s entry %lld of term %lld", who_when(p, before->seq),
			(long long)a->index - 1, (long long)before->term, who_when(p, e->seq), (long long)a->index, (long long)a->term),
		.hint = "a leader appends with its own term, and takes over entries only as they are. Was a log joined from two leaders "
			"without the check of prev_log_term?");
}

static void rule_known_command(struct play *p, struct raft_rules *r, const struct event *e, const struct report *a)
{
	struct raft_command *c = command_find(r, a->command);
	if (!c)
		FAIL(p, .rule = "only what was proposed is applied", .source = "the lab's guide, Rules",
			.expected = "every command that is applied came from a client's propose, or is null",
			.seen = play_text(p, "%s applied %s at index %lld, which no client has proposed", who_when(p, e->seq),
				command_text(p, a->command), (long long)a->index),
			.hint = "an entry that carries no client's command (a leader's first entry, or a change of the members) is applied with "
				"command null. A request without a command is malformed: answer error 12",
			.nodes = lane_bit(e->src), .t_ns = e->t_ns, .evidence = { e->seq });
	if (c->index && c->index != a->index)
		FAIL_PAIR(p, c->applied_seq, c->call_seq, e->seq, .rule = "a command is applied at one index",
			.source = "Raft (extended version), section 8",
			.expected = play_text(p, "%s, which was proposed once, stands at one index", command_text(p, c->text)),
			.seen = play_text(p, "%s applied it at index %lld, and %s at index %lld", who_when(p, c->applied_seq),
				(long long)c->index, who_when(p, e->seq), (long long)a->index),
			.hint = "one propose makes one entry. Who forwards a proposal must send it once only, and know that the network may double "
				"a message: to answer error 11 with the leader's name is simpler");
	if (c->index)
		return;
	c->index = a->index;
	c->applied_seq = e->seq;
	rule_refused(p, c);
}

static struct raft_entry *entry_known(struct raft_rules *r, int64_t index)
{
	return index <= r->entries ? &r->entry[index] : NULL;
}

/* Indexes come without a gap (rule_order), so the next one is the only one that can be new. */
static struct raft_entry *entry_new(struct play *p, struct raft_rules *r, const struct event *e, const struct report *a)
{
	if (a->command.s)
		rule_known_command(p, r, e, a);
	r->entry = list_room(p, r->entry, (size_t)r->entries + 1, &r->entry_cap, sizeof *r->entry);
	struct raft_entry *entry = &r->entry[++r->entries];
	int64_t before = r->entry[r->entries - 1].digest;
	*entry = (struct raft_entry){ .term = a->term, .digest = raft_digest(before, a->command), .command = a->command, .seq = e->seq };
	return entry;
}

static void take_entry(struct play *p, struct raft_rules *r, const struct event *e, const struct report *a)
{
	const struct raft_entry *entry = entry_known(r, a->index);
	rule_terms_grow(p, r, e, a);
	if (entry)
		rule_same_entry(p, entry, e, a);
	else
		entry_new(p, r, e, a);
}

static void take_snapshot(struct play *p, struct raft_rules *r, const struct event *e, const struct report *a)
{
	const struct raft_entry *entry = entry_known(r, a->index);
	if (entry && entry->digest == a->digest && entry->term == a->term)
		return;
	bool term = entry && entry->digest == a->digest;
	FAIL_PAIR(p, entry ? entry->seq : 0, 0, e->seq, .rule = "a snapshot is what the log had made", .source = SOURCE(p, "7"),
		.expected = entry ? play_text(p, "the snapshot up to %lld has last term %lld and digest %lld, as entry %lld left them when %s "
				"applied it", (long long)a->index, (long long)entry->term, (long long)entry->digest, (long long)a->index,
				who_when(p, entry->seq)) :
			play_text(p, "a snapshot of applied entries only: no node has applied entry %lld yet", (long long)a->index),
		.seen = play_text(p, "%s took over a snapshot up to %lld with last term %lld and digest %lld", who_when(p, e->seq),
			(long long)a->index, (long long)a->term, (long long)a->digest),
		.hint = term ? "a snapshot keeps the index and the term of the last entry in it, on disk and in install_snapshot" :
			"a snapshot is made of what is applied: digest, index and term of that very moment, saved as one");
}

static void take_apply(struct play *p, struct raft_rules *r, const struct event *e)
{
	struct raft_node *n = &r->node[e->src];
	struct report a = report_read(p, e->text);
	need_whole_apply(p, e, &a);
	rule_order(p, r, n, e, a.index, a.snapshot);
	if (a.snapshot)
		take_snapshot(p, r, e, &a);
	else
		take_entry(p, r, e, &a);
	n->applied = n->fresh_index = a.index;
	note_length(n, a.index, e->seq);
	n->applied_alone = a.snapshot ? n->applied_alone : a.index;
	n->snapshot = a.snapshot ? a.index : n->snapshot;
	n->fresh_term = a.term;
	n->applied_seq = n->fresh_seq = e->seq;
	unsettle(n, e);
}

/* --- what is judged when a handler is over --- */

static void rule_says_state(struct play *p, const struct raft_rules *r, const struct raft_node *n)
{
	if (n->state_seq)
		return;
	FAIL(p, .rule = "reports are whole", .source = "the lab's guide, Reports",
		.expected = play_text(p, "a state report of %s after each start, in the handler of init", name_of(p, r, n)),
		.seen = play_text(p, "%s applied entry %lld at %s, and has sent no state report since its start", name_of(p, r, n),
			(long long)n->fresh_index, when(p, n->fresh_seq)),
		.hint = "report state at the end of the init handler, and whenever role, term or vote has changed",
		.nodes = lane_bit((int)(n - r->node)), .t_ns = trace_at(play_trace(p), n->fresh_seq)->t_ns, .evidence = { n->fresh_seq });
}

static void rule_own_term(struct play *p, const struct raft_rules *r, const struct raft_node *n)
{
	if (n->fresh_term <= n->term)
		return;
	FAIL_PAIR(p, n->term_seq, 0, n->fresh_seq, .rule = "an applied entry is of the node's own term or an earlier one",
		.source = SOURCE(p, "5.1"),
		.expected = play_text(p, "%s, in term %lld, applies entries of terms up to %lld", name_of(p, r, n), (long long)n->term,
			(long long)n->term),
		.seen = play_text(p, "it applied entry %lld of term %lld at %s, and had reported no later term than %lld",
			(long long)n->fresh_index, (long long)n->fresh_term, when(p, n->fresh_seq), (long long)n->term),
		.hint = "a message with a higher term makes the node take that term first (and report it: state after each change of term, "
			"vote or role)");
}

static void rule_has_leader(struct play *p, const struct raft_rules *r, const struct raft_node *n)
{
	for (size_t i = r->leaders; i-- > 0;)
		if (r->leader[i].term == n->fresh_term)
			return;
	FAIL(p, .rule = "reports are whole", .source = "the lab's guide, Reports",
		.expected = play_text(p, "entries of term %lld come from a leader that reported so", (long long)n->fresh_term),
		.seen = play_text(p, "%s applied entry %lld of term %lld at %s, and no node has reported to be leader of that term",
			name_of(p, r, n), (long long)n->fresh_index, (long long)n->fresh_term, when(p, n->fresh_seq)),
		.hint = "report state in the handler in which a node becomes candidate or leader", .nodes = lane_bit((int)(n - r->node)),
		.t_ns = trace_at(play_trace(p), n->fresh_seq)->t_ns, .evidence = { n->fresh_seq });
}

/* Remembers how far was applied in a term: rule 5 asks for it. */
static void note_reach(struct play *p, struct raft_rules *r, const struct raft_node *n)
{
	for (size_t i = r->reaches; i-- > 0;) {
		struct raft_reach *reach = &r->reach[i];
		if (reach->term != n->term)
			continue;
		if (n->fresh_index > reach->index)
			*reach = (struct raft_reach){ n->term, n->fresh_index, n->fresh_seq };
		return;
	}
	r->reach = list_room(p, r->reach, r->reaches, &r->reach_cap, sizeof *r->reach);
	r->reach[r->reaches++] = (struct raft_reach){ n->term, n->fresh_index, n->fresh_seq };
}

static void rule_promise(struct play *p, const struct raft_rules *r, const struct raft_promise *k)
{
	const struct raft_entry *entry = k->index >= 1 && k->index <= r->entries ? &r->entry[k->index] : NULL;
	bool there = entry && entry->command.s && slice_eq(entry->command, k->command->text);
	if (there && entry->digest == k->digest)
		return;
	const char *stands = !entry ? "nobody has applied an entry there" : there ?
		play_text(p, "the digest after it is %lld (%s applied it)", (long long)entry->digest, who_when(p, entry->seq)) :
		play_text(p, "there %s applied %s", who_when(p, entry->seq), entry_text(p, entry->term, entry->command));
	FAIL_PAIR(p, entry ? entry->seq : k->command->call_seq, 0, k->seq, .rule = "propose_ok tells index and digest as they are",
		.source = "Raft (extended version), section 5.3",
		.expected = play_text(p, "the command %s stands at the index that propose_ok names, applied before the answer",
			command_text(p, k->command->text)),
		.seen = play_text(p, "%s answered index %lld, digest %lld; %s", who_when(p, k->seq), (long long)k->index,
			(long long)k->digest, stands),
		.hint = there ? "digest = (digest * 31 + byte) mod 1000000007 for each byte of the command, from the digest after the entry "
				"before; a no-op and a change of the members do not change it. A snapshot carries the digest" :
			entry ? "remember which client waits for which index and which term. When the entry that is applied there is of another "
				"term, the client's own was replaced: answer error 14" :
			"answer when the entry is applied, not when it is appended");
}

static void settle(struct play *p, struct raft_rules *r, struct raft_node *n)
{
	if (n->unsettled_ns < 0)
		return;
	n->unsettled_ns = -1;
	if (n->fresh_index) {
		n->kept = n->applied;
		n->kept_alone = n->applied_alone;
		n->kept_seq = n->applied_seq;
		if (r->strict) {
			rule_says_state(p, r, n);
			rule_own_term(p, r, n);
			rule_has_leader(p, r, n);
		}
		if (n->state_seq)
			note_reach(p, r, n);
		n->fresh_index = 0;
	}
	for (; n->promises; n->promises = n->promises->next)
		rule_promise(p, r, n->promises);
}

/* Where lines of a handler may still be under way, a moment must pass. */
static bool handler_is_over(const struct play *p, const struct raft_node *n, const struct event *e)
{
	return play_time_is_exact(p) || e->t_ns - n->unsettled_ns > NS_PER_S;
}

static void handler_begins(struct play *p, struct raft_rules *r, const struct event *e)
{
	struct raft_node *n = &r->node[e->dst];
	if (n->unsettled_ns >= 0 && handler_is_over(p, n, e))
		settle(p, r, n);
}

static void life_begins(struct raft_rules *r, const struct event *e)
{
	struct raft_node *n = &r->node[e->src];
	n->start_seq = e->seq;
	n->state_seq = n->commit_seq = n->applied_seq = 0;
	n->commit = n->applied = n->applied_alone = n->snapshot = n->kept = n->kept_alone = 0;
	n->role = RAFT_FOLLOWER;
}

/* --- the whole --- */

void raft_rules_watch(struct raft_rules *r, struct play *p, const struct event *e)
{
	const struct lanes *l = play_lanes(p);
	switch (e->kind) {
	case EVENT_STATE: take_state(p, r, e); break;
	case EVENT_APPLY: take_apply(p, r, e); break;
	case EVENT_START: life_begins(r, e); break;
	case EVENT_EXIT: settle(p, r, &r->node[e->src]); break;
	case EVENT_REPLY: take_reply(p, r, e); break;
	case EVENT_CALL: take_request(p, r, e); handler_begins(p, r, e); break;
	case EVENT_SEND:
		if (lane_is_client(l, e->src))
			take_request(p, r, e);
		break;
	case EVENT_RECV:
	case EVENT_TIMER:
		if (lane_is_node(l, e->dst))
			handler_begins(p, r, e);
		break;
	default: break;
	}
}

void raft_rules_begin(struct raft_rules *r, struct play *p, bool strict)
{
	*r = (struct raft_rules){ .strict = strict };
	for (int i = 0; i < NODES_MAX; i++) {
		r->node[i].vote = LANE_NONE;
		r->node[i].unsettled_ns = -1;
	}
	r->entry = list_room(p, NULL, 0, &r->entry_cap, sizeof *r->entry);
	const struct trace *t = play_trace(p);
	for (uint64_t seq = 1; seq <= trace_count(t); seq++)
		raft_rules_watch(r, p, trace_at(t, seq));
}

void raft_rules_end(struct raft_rules *r, struct play *p)
{
	for (int i = 0; i < play_nodes(p); i++)
		settle(p, r, &r->node[i]);
}

int raft_rules_leader(const struct raft_rules *r, const struct play *p)
{
	int leader = -1;
	for (int i = 0; i < play_nodes(p); i++) {
		const struct raft_node *n = &r->node[i];
		if (play_is_up(p, i) && n->state_seq && n->role == RAFT_LEADER && (leader < 0 || n->term > r->node[leader].term))
			leader = i;
	}
	return leader;
}

size_t raft_rules_leaders(const struct raft_rules *r)
{
	return r->leaders;
}
