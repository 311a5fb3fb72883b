/* raft: a log that all members agree on, and a state machine (one number, the digest) that follows it.
 *
 * After Ongaro and Ousterhout, "In Search of an Understandable Consensus Algorithm (Extended Version)", 2014: sections
 * without a name are that paper's. "Thesis" is Ongaro's "Consensus: Bridging Theory and Practice", 2014.
 *
 * - The RPCs are the paper's, as plain messages that may be lost, doubled or late. An answer tells all that is needed to
 *   understand it, so nobody remembers what it was an answer to.
 * - What must survive a crash is saved in the handler that changes it. What a handler sends leaves the process when it is
 *   done. So everything is on the disk before anybody hears of it.
 * - A leader has at most one message with entries on its way to a follower. What is proposed meanwhile goes with the next
 *   one: few messages when there is much to do, no delay when there is little.
 * - A node asks whether it could win before it becomes a candidate (pre-vote, thesis 9.6), and nobody helps to depose a
 *   leader that is well (thesis 4.2.3). So a node that comes back from a partition, or that was removed, does not disturb.
 * - A leader that hears no majority gives up (thesis 6.2).
 * - Members change one server at a time (thesis, chapter 4). */
#define DLAB_IMPLEMENTATION
#include "log.h"

#include <assert.h>

enum {
	HEARTBEAT_MS = 50,
	ELECTION_MIN_MS = 150, /* an election time-out is chosen by chance from 150 to 299 ms (section 9.3) */
	ELECTION_MAX_MS = 300,
	QUORUM_MS = 600,       /* a leader gives up when no majority has answered for so long */
	RESEND_MS = 150,       /* entries that are not confirmed by then are sent again */
	CATCH_UP_MS = 5000,    /* a new server gets all entries within this time, or it is not added */
	BATCH_BYTES = 40000,   /* of entries in a message; a line has at most 60,000 */
	NODES_MAX = 64         /* the members are the bits of a uint64_t */
};

enum role { FOLLOWER, PRE_CANDIDATE, CANDIDATE, LEADER };
static const char *const role_names[] = { "follower", "follower", "candidate", "leader" };

/* What the leader knows of another node. */
struct peer {
	int64_t next;      /* nextIndex: what to send next */
	int64_t match;     /* matchIndex: it has our log up to here */
	int64_t sent;      /* the last entry that was sent to it */
	int64_t resend_ms; /* `sent` is not confirmed; when to send again. 0: nothing is on its way */
	int64_t sent_ms;   /* the last message to it */
	int64_t heard_ms;  /* the last answer */
};

/* A client that waits for its answer. */
struct waiting {
	char *client;
	int64_t msg_id;
	int64_t index, term; /* of its entry */
};

struct raft {
	struct dlab *d;
	int self;
	/* On the disk. */
	int64_t term;
	int vote;                   /* for whom, in this term; -1: nobody */
	struct log log;
	int64_t snapshot_digest;    /* the snapshot: the state after the entry log.prev_index, ... */
	uint64_t snapshot_members;  /* ... and the members then */
	/* In memory. */
	enum role role;
	int leader;                 /* of this term, as far as we know; -1: unknown */
	int64_t commit, applied;
	int64_t digest;             /* the state machine, after `applied` */
	uint64_t applied_members;   /* the members as of `applied` */
	uint64_t members;           /* as of the last entry, committed or not (thesis 4.1) */
	int64_t snapshot_entries;   /* fold the log when so many applied entries are in it; 0: never */
	/* Elections. */
	int64_t election_ms;        /* the election time-out ends */
	int64_t heard_leader_ms;    /* the leader's last message */
	bool election_timer;        /* the timer is set; it may ring too early */
	uint64_t votes;             /* who voted for us */
	/* A leader's. */
	struct peer peers[NODES_MAX];
	int64_t first_own;          /* the first entry of its term */
	int newcomer;               /* a server to be added that gets the log first; -1: none */
	int64_t newcomer_goal, newcomer_stop_ms;
	struct waiting newcomer_client;
	struct waiting *waiting;
	size_t waiting_count, waiting_cap;
};

static int64_t min64(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t max64(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* --- sets of nodes --- */

static uint64_t bit(int node)
{
	return UINT64_C(1) << node;
}

static int count(uint64_t nodes)
{
	return __builtin_popcountll(nodes);
}

static bool is_majority(const struct raft *r, uint64_t nodes)
{
	return count(nodes & r->members) * 2 > count(r->members);
}

static const char *name_of(const struct raft *r, int node)
{
	return node < 0 ? NULL : dlab_node(r->d, (size_t)node);
}

static int node_count(const struct raft *r)
{
	return (int)dlab_node_count(r->d);
}

/* --- what must survive a crash (Figure 2, persistent state; section 7) --- */

static void save_vote(const struct raft *r)
{
	struct dlab_text *t = dlab_object(r->d);
	dlab_put_int(t, "term", r->term);
	dlab_put_string(t, "vote", name_of(r, r->vote));
	dlab_save(r->d, "vote", dlab_as_json(t));
}

static void load_vote(struct raft *r)
{
	struct dlab_json saved = dlab_load(r->d, "vote");
	r->term = dlab_int(dlab_get(saved, "term"), 0);
	r->vote = node_number(r->d, dlab_string(r->d, dlab_get(saved, "vote")));
}

static void save_snapshot(const struct raft *r, int64_t index, int64_t term)
{
	struct dlab_text *t = dlab_object(r->d);
	dlab_put_int(t, "index", index);
	dlab_put_int(t, "term", term);
	dlab_put(t, "members", members_json(r->d, r->snapshot_members));
	dlab_put_int(t, "digest", r->snapshot_digest);
	dlab_save(r->d, "snapshot", dlab_as_json(t));
}

/* --- reports --- */

static void report_state(const struct raft *r)
{
	struct dlab_text *t = dlab_body(r->d, "state");
	dlab_put_string(t, "role", role_names[r->role]);
	dlab_put_int(t, "term", r->term);
	dlab_put_string(t, "vote", name_of(r, r->vote));
	dlab_put_int(t, "commit", r->commit);
	dlab_put_int(t, "last_index", log_last_index(&r->log));
	dlab_put_int(t, "last_term", log_last_term(&r->log));
	dlab_state(r->d, t);
}

static void report_applied(const struct raft *r, int64_t index)
{
	const struct entry *e = log_at(&r->log, index);
	struct dlab_text *t = dlab_body(r->d, "apply");
	dlab_put_int(t, "index", index);
	dlab_put_int(t, "term", e->term);
	dlab_put(t, "command", (struct dlab_json){ e->command, e->command ? strlen(e->command) : 0 });
	if (e->members)
		dlab_put(t, "members", members_json(r->d, e->members));
	dlab_apply(r->d, t);
}

static void report_snapshot(const struct raft *r)
{
	struct dlab_text *t = dlab_body(r->d, "apply");
	dlab_put_int(t, "index", r->log.prev_index);
	dlab_put_int(t, "term", r->log.prev_term);
	dlab_put_bool(t, "snapshot", true);
	dlab_put_int(t, "digest", r->snapshot_digest);
	dlab_apply(r->d, t);
}

/* --- answers to clients --- */

static struct waiting client_of(const struct dlab_msg *m)
{
	struct waiting w = { .client = strdup(m->src), .msg_id = m->msg_id };
	if (!w.client)
		abort();
	return w;
}

static void answer(const struct raft *r, struct waiting *w, struct dlab_text *body)
{
	struct dlab_msg request = { .src = w->client, .msg_id = w->msg_id };
	dlab_reply(r->d, &request, body);
	free(w->client);
	w->client = NULL;
}

static struct dlab_text *error_body(const struct raft *r, int code, const char *text)
{
	struct dlab_text *body = dlab_body(r->d, "error");
	dlab_put_int(body, "code", code);
	dlab_put_string(body, "text", text);
	if (code == 11)
		dlab_put_string(body, "leader", name_of(r, r->leader));
	return body;
}

/* The answer to one who waits for the entry that was just applied. That this node may no longer lead does not matter. When
 * another entry is committed in the place of the client's, then it is certain that the client's never will be; not before:
 * a node that still has it may become leader (Figure 8). */
static struct dlab_text *applied_body(const struct raft *r, const struct waiting *w)
{
	const struct entry *e = log_at(&r->log, w->index);
	if (e->term != w->term)
		return error_body(r, 14, "a new leader has replaced the entry");
	struct dlab_text *body = dlab_body(r->d, e->members ? "reconfigure_ok" : "propose_ok");
	if (e->members) {
		dlab_put(body, "members", members_json(r->d, e->members));
	} else {
		dlab_put_int(body, "index", w->index);
		dlab_put_int(body, "digest", r->digest);
	}
	return body;
}

/* Answers those who wait for the entry that was just applied, or for one that a snapshot has covered. */
static void answer_waiting(struct raft *r)
{
	size_t kept = 0;
	for (size_t i = 0; i < r->waiting_count; i++) {
		struct waiting *w = &r->waiting[i];
		if (w->index > r->applied)
			r->waiting[kept++] = *w;
		else if (w->index > r->log.prev_index)
			answer(r, w, applied_body(r, w));
		else
			answer(r, w, error_body(r, 13, "a snapshot came in between"));
	}
	r->waiting_count = kept;
}

static void wait_for_entry(struct raft *r, struct waiting w, int64_t index)
{
	if (r->waiting_count == r->waiting_cap) {
		r->waiting_cap = r->waiting_cap ? r->waiting_cap * 2 : 16;
		r->waiting = realloc(r->waiting, r->waiting_cap * sizeof *r->waiting);
		if (!r->waiting)
			abort();
	}
	w.index = index;
	w.term = log_term(&r->log, index);
	r->waiting[r->waiting_count++] = w;
}

/* --- the state machine --- */

/* The command is JSON; its digest is that of the string. */
static int64_t digest_after(struct raft *r, const char *command)
{
	const char *s = dlab_string(r->d, (struct dlab_json){ command, strlen(command) });
	int64_t digest = r->digest;
	for (; *s; s++)
		digest = (digest * 31 + (unsigned char)*s) % 1000000007;
	return digest;
}

static void take_snapshot(struct raft *r)
{
	r->snapshot_digest = r->digest;
	r->snapshot_members = r->applied_members;
	int64_t term = log_term(&r->log, r->applied);
	save_snapshot(r, r->applied, term);
	log_compact(&r->log, r->applied, term);
}

static void members_applied(struct raft *, uint64_t members);

static void apply_next(struct raft *r)
{
	const struct entry *e = log_at(&r->log, ++r->applied);
	if (e->command)
		r->digest = digest_after(r, e->command);
	report_applied(r, r->applied);
	answer_waiting(r);
	if (e->members)
		members_applied(r, e->members);
}

/* Raises the commit index, if it is lower (Figure 2, rules for all servers). */
static void commit_to(struct raft *r, int64_t index)
{
	r->commit = max64(r->commit, index);
	while (r->applied < r->commit)
		apply_next(r);
	if (r->snapshot_entries > 0 && r->applied - r->log.prev_index > r->snapshot_entries)
		take_snapshot(r);
}

/* --- terms and roles (section 5.1) --- */

static void on_election_timer(struct dlab *, const struct dlab_msg *, void *);

/* The timer is not set anew at each heartbeat: when it rings too early it is set for the rest. */
static void set_election_timer(struct raft *r)
{
	if (!r->election_timer)
		dlab_timer(r->d, "election", r->election_ms - dlab_now(r->d), on_election_timer, r);
	r->election_timer = true;
}

static void restart_election_timeout(struct raft *r)
{
	r->election_ms = dlab_now(r->d) + ELECTION_MIN_MS + (int64_t)dlab_random(r->d, ELECTION_MAX_MS - ELECTION_MIN_MS);
	set_election_timer(r);
}

static void drop_newcomer(struct raft *r, const char *why)
{
	if (r->newcomer >= 0)
		answer(r, &r->newcomer_client, error_body(r, 11, why));
	r->newcomer = -1;
}

/* A follower in this term or in a later one. */
static void become_follower(struct raft *r, int64_t term, int leader)
{
	enum role before = r->role;
	bool later = term > r->term;
	r->role = FOLLOWER;
	r->leader = leader;
	if (later) {
		r->term = term;
		r->vote = -1;
		save_vote(r);
	}
	if (before == LEADER) {
		dlab_cancel_timer(r->d, "heartbeat");
		drop_newcomer(r, "the leadership was lost");
		restart_election_timeout(r);
	}
	if (later || before >= CANDIDATE)
		report_state(r);
}

/* --- replication: the leader (section 5.3) --- */

/* Who gets the log: the members, those who were until the change is committed, and one who is to become one. */
static uint64_t followers(const struct raft *r)
{
	uint64_t all = r->members | r->applied_members | (r->newcomer >= 0 ? bit(r->newcomer) : 0);
	return all & ~bit(r->self);
}

static void send_to(struct raft *r, int to, struct dlab_text *body)
{
	r->peers[to].sent_ms = dlab_now(r->d);
	dlab_send(r->d, name_of(r, to), body);
}

/* Sends the entries from `next` on, as many as fit; with_entries false: none, a heartbeat. */
static void send_append(struct raft *r, int to, bool with_entries)
{
	struct peer *p = &r->peers[to];
	struct dlab_text *body = dlab_body(r->d, "append_entries"), *entries = dlab_array(r->d);
	int64_t prev = p->next - 1;
	if (prev < r->log.prev_index)
		prev = 0; /* we no longer know that entry's term: a sign of life that claims nothing */
	if (with_entries) {
		size_t bytes = 0;
		for (p->sent = prev; p->sent < log_last_index(&r->log); p->sent++) {
			struct dlab_json e = entry_json(r->d, log_at(&r->log, p->sent + 1));
			bytes += e.n;
			if (bytes > BATCH_BYTES && p->sent > prev)
				break;
			dlab_put(entries, NULL, e);
		}
	}
	dlab_put_int(body, "term", r->term);
	dlab_put_string(body, "leader_id", name_of(r, r->self));
	dlab_put_int(body, "prev_log_index", prev);
	dlab_put_int(body, "prev_log_term", prev ? log_term(&r->log, prev) : 0);
	dlab_put(body, "entries", dlab_as_json(entries));
	dlab_put_int(body, "leader_commit", r->commit);
	send_to(r, to, body);
}

/* Section 7. One message is enough, since the state is a number; the paper cuts large states into pieces. */
static void send_snapshot(struct raft *r, int to)
{
	struct dlab_text *body = dlab_body(r->d, "install_snapshot");
	dlab_put_int(body, "term", r->term);
	dlab_put_string(body, "leader_id", name_of(r, r->self));
	dlab_put_int(body, "last_included_index", r->log.prev_index);
	dlab_put_int(body, "last_included_term", r->log.prev_term);
	dlab_put(body, "members", members_json(r->d, r->snapshot_members));
	dlab_put_int(body, "digest", r->snapshot_digest);
	r->peers[to].sent = r->log.prev_index;
	send_to(r, to, body);
}

/* Sends what the follower lacks, unless something is on its way. */
static void replicate(struct raft *r, int to)
{
	struct peer *p = &r->peers[to];
	if (dlab_now(r->d) < p->resend_ms || p->next > log_last_index(&r->log))
		return;
	if (p->next <= r->log.prev_index)
		send_snapshot(r, to);
	else
		send_append(r, to, true);
	p->resend_ms = dlab_now(r->d) + RESEND_MS;
}

static void replicate_to_all(struct raft *r)
{
	for (int i = 0; i < node_count(r); i++)
		if (followers(r) & bit(i))
			replicate(r, i);
}

/* The greatest index that a majority of the members has. */
static int64_t majority_match(const struct raft *r)
{
	int64_t best = 0;
	for (int i = 0; i < node_count(r); i++) {
		int64_t index = i == r->self ? log_last_index(&r->log) : r->peers[i].match;
		uint64_t have = 0;
		for (int k = 0; k < node_count(r); k++)
			if (k == r->self || r->peers[k].match >= index)
				have |= bit(k);
		if (is_majority(r, have))
			best = max64(best, index);
	}
	return best;
}

/* Only an entry of the own term is committed by counting; the older ones below it are with it (5.4.2, Figure 8). */
static void advance_commit(struct raft *r)
{
	int64_t index = majority_match(r);
	if (index > r->commit && log_term(&r->log, index) == r->term)
		commit_to(r, index);
}

/* Puts an entry of this term into the log; its command is the log's then. */
static int64_t append_own(struct raft *r, struct entry e)
{
	e.term = r->term;
	log_append(&r->log, e);
	int64_t index = log_last_index(&r->log);
	log_save(&r->log, index);
	if (e.members)
		r->members = e.members; /* in force as soon as it is in the log (thesis 4.1) */
	return index;
}

/* What a leader does after append_own; a leader that is the only member commits right here. */
static void publish(struct raft *r)
{
	replicate_to_all(r);
	advance_commit(r);
}

static void on_heartbeat_timer(struct dlab *d, const struct dlab_msg *m, void *arg)
{
	struct raft *r = arg;
	(void)m;
	uint64_t heard = bit(r->self);
	for (int i = 0; i < node_count(r); i++)
		if (dlab_now(d) - r->peers[i].heard_ms < QUORUM_MS)
			heard |= bit(i);
	if (!is_majority(r, heard)) {
		become_follower(r, r->term, -1);
		return;
	}
	if (r->newcomer >= 0 && dlab_now(d) >= r->newcomer_stop_ms)
		drop_newcomer(r, "the new server does not catch up");
	for (int i = 0; i < node_count(r); i++) {
		if (!(followers(r) & bit(i)))
			continue;
		replicate(r, i);
		if (dlab_now(d) - r->peers[i].sent_ms >= HEARTBEAT_MS / 2)
			send_append(r, i, false);
	}
	dlab_timer(d, "heartbeat", HEARTBEAT_MS, on_heartbeat_timer, r);
}

static void add_newcomer(struct raft *);

/* The follower has our log up to `match`. */
static void on_success(struct raft *r, int from, int64_t match)
{
	struct peer *p = &r->peers[from];
	p->match = max64(p->match, match);
	p->next = max64(p->next, p->match + 1);
	if (p->match >= p->sent)
		p->resend_ms = 0;
	if (from == r->newcomer && p->match >= r->newcomer_goal)
		add_newcomer(r);
	advance_commit(r);
	if (r->role == LEADER)
		replicate(r, from);
}

/* The follower's log does not fit at next - 1. It tells the term of its entry there and the first index of that term; so
 * a whole term is skipped in one round trip (end of section 5.3). */
static void on_rejection(struct raft *r, int from, const struct dlab_msg *m)
{
	struct peer *p = &r->peers[from];
	int64_t prev = dlab_int(dlab_get(m->body, "prev_log_index"), -1), i = prev;
	int64_t term = dlab_int(dlab_get(m->body, "conflict_term"), -1);
	if (prev != p->next - 1 || prev <= p->match)
		return; /* late or doubled: it was heeded already */
	while (i > r->log.prev_index && log_term(&r->log, i) > term)
		i--;
	p->next = term >= 0 && log_term(&r->log, i) == term ? i + 1 : dlab_int(dlab_get(m->body, "conflict_index"), 1);
	p->next = max64(p->match + 1, min64(p->next, prev));
	p->resend_ms = 0;
	replicate(r, from);
}

/* Answers to append_entries and to install_snapshot. */
static void on_append_answer(struct dlab *d, const struct dlab_msg *m, void *arg)
{
	struct raft *r = arg;
	int from = node_number(d, m->src);
	int64_t term = dlab_int(dlab_get(m->body, "term"), -1);
	if (from < 0)
		return;
	if (term > r->term)
		become_follower(r, term, -1);
	if (r->role != LEADER || term != r->term)
		return;
	r->peers[from].heard_ms = dlab_now(d);
	if (dlab_bool(dlab_get(m->body, "success")))
		on_success(r, from, dlab_int(dlab_get(m->body, "match_index"), 0));
	else
		on_rejection(r, from, m);
}

/* --- replication: the follower --- */

/* What append_entries and install_snapshot have in common. False: it is from an old leader, who is told so. */
static bool heed_leader(struct raft *r, const struct dlab_msg *m, const char *answer_type)
{
	int from = node_number(r->d, m->src);
	int64_t term = dlab_int(dlab_get(m->body, "term"), -1);
	if (from < 0 || term < 0)
		return false;
	if (term < r->term) {
		struct dlab_text *body = dlab_body(r->d, answer_type);
		dlab_put_int(body, "term", r->term);
		dlab_put_bool(body, "success", false);
		dlab_send(r->d, m->src, body);
		return false;
	}
	assert(r->role != LEADER || term > r->term); /* Election Safety */
	become_follower(r, term, from);
	r->heard_leader_ms = dlab_now(r->d);
	restart_election_timeout(r);
	return true;
}

static void send_success(struct raft *r, const char *to, const char *type, int64_t match)
{
	struct dlab_text *body = dlab_body(r->d, type);
	dlab_put_int(body, "term", r->term);
	dlab_put_bool(body, "success", true);
	dlab_put_int(body, "match_index", match);
	dlab_send(r->d, to, body);
}

static void send_rejection(struct raft *r, const char *to, int64_t prev)
{
	struct dlab_text *body = dlab_body(r->d, "append_entries_ok");
	int64_t term = log_term(&r->log, prev), index = log_last_index(&r->log) + 1;
	dlab_put_int(body, "term", r->term);
	dlab_put_bool(body, "success", false);
	dlab_put_int(body, "prev_log_index", prev);
	if (term >= 0) {
		for (index = prev; index - 1 > r->log.prev_index && log_term(&r->log, index - 1) == term;)
			index--;
		dlab_put_int(body, "conflict_term", term);
	}
	dlab_put_int(body, "conflict_index", index);
	dlab_send(r->d, to, body);
}

/* The members as the last entry about them says. */
static uint64_t latest_members(const struct raft *r)
{
	for (int64_t i = log_last_index(&r->log); i > r->log.prev_index; i--)
		if (log_at(&r->log, i)->members)
			return log_at(&r->log, i)->members;
	return r->snapshot_members;
}

/* Takes the entries after prev; returns the index of the last one. Only an entry that conflicts is removed, and what
 * follows it: an old message may hold less than the log has since then (Figure 2, AppendEntries 3 and 4). */
static int64_t take_entries(struct raft *r, int64_t prev, struct dlab_json entries)
{
	struct dlab_json item = { 0 };
	int64_t index = prev, first_new = 0;
	bool members_changed = false;
	while (dlab_next(entries, &item)) {
		struct entry e = entry_read(r->d, item);
		index++;
		if (index <= r->log.prev_index || log_term(&r->log, index) == e.term) {
			free(e.command);
			continue;
		}
		if (index <= log_last_index(&r->log)) {
			assert(index > r->commit); /* Leader Completeness */
			log_truncate(&r->log, index);
			members_changed = true;
		}
		log_append(&r->log, e);
		members_changed |= e.members != 0;
		first_new = first_new ? first_new : index;
	}
	if (first_new)
		log_save(&r->log, first_new);
	if (members_changed)
		r->members = latest_members(r);
	return index;
}

static void on_append_entries(struct dlab *d, const struct dlab_msg *m, void *arg)
{
	struct raft *r = arg;
	if (!heed_leader(r, m, "append_entries_ok"))
		return;
	int64_t prev = dlab_int(dlab_get(m->body, "prev_log_index"), 0);
	/* What is in our snapshot is committed, so the leader has the same. */
	if (prev >= r->log.prev_index && log_term(&r->log, prev) != dlab_int(dlab_get(m->body, "prev_log_term"), 0)) {
		send_rejection(r, m->src, prev);
		return;
	}
	int64_t last = take_entries(r, prev, dlab_get(m->body, "entries"));
	send_success(r, m->src, "append_entries_ok", last);
	commit_to(r, min64(dlab_int(dlab_get(m->body, "leader_commit"), 0), last));
	(void)d;
}

static void on_install_snapshot(struct dlab *d, const struct dlab_msg *m, void *arg)
{
	struct raft *r = arg;
	if (!heed_leader(r, m, "install_snapshot_ok"))
		return;
	int64_t index = dlab_int(dlab_get(m->body, "last_included_index"), 0);
	int64_t term = dlab_int(dlab_get(m->body, "last_included_term"), 0);
	send_success(r, m->src, "install_snapshot_ok", index);
	if (index <= r->commit)
		return; /* nothing new; in particular no step back */
	r->snapshot_digest = dlab_int(dlab_get(m->body, "digest"), 0);
	r->snapshot_members = members_read(d, dlab_get(m->body, "members"));
	save_snapshot(r, index, term);
	log_compact(&r->log, index, term);
	r->commit = r->applied = index;
	r->digest = r->snapshot_digest;
	r->applied_members = r->snapshot_members;
	r->members = latest_members(r);
	report_snapshot(r);
	answer_waiting(r);
}

/* --- elections (5.2, 5.4.1; pre-vote: thesis 9.6) --- */

static void become_leader(struct raft *r)
{
	int64_t last = log_last_index(&r->log);
	r->role = LEADER;
	r->leader = r->self;
	r->newcomer = -1;
	for (int i = 0; i < node_count(r); i++)
		r->peers[i] = (struct peer){ .next = last + 1, .sent = last, .heard_ms = dlab_now(r->d) };
	report_state(r);
	dlab_timer(r->d, "heartbeat", HEARTBEAT_MS, on_heartbeat_timer, r);
	r->first_own = append_own(r, (struct entry){ 0 }); /* a no-op: with it the entries of older terms get committed (section 8) */
	publish(r);
}

static void count_vote(struct raft *, int from);

static void ask_for_votes(struct raft *r, bool pre_vote)
{
	r->votes = 0;
	for (int i = 0; i < node_count(r); i++) {
		if (i == r->self || !(r->members & bit(i)))
			continue;
		struct dlab_text *body = dlab_body(r->d, "request_vote");
		dlab_put_int(body, "term", r->term);
		dlab_put_string(body, "candidate_id", name_of(r, r->self));
		dlab_put_int(body, "last_log_index", log_last_index(&r->log));
		dlab_put_int(body, "last_log_term", log_last_term(&r->log));
		if (pre_vote)
			dlab_put_bool(body, "pre_vote", true);
		dlab_send(r->d, name_of(r, i), body);
	}
	count_vote(r, r->self);
}

static void start_election(struct raft *r)
{
	r->role = CANDIDATE;
	r->term++;
	r->vote = r->self;
	save_vote(r);
	report_state(r);
	restart_election_timeout(r);
	ask_for_votes(r, false);
}

/* A pre-vote and a vote are counted alike. */
static void count_vote(struct raft *r, int from)
{
	r->votes |= bit(from);
	if (!is_majority(r, r->votes))
		return;
	if (r->role == PRE_CANDIDATE)
		start_election(r);
	else
		become_leader(r);
}

static void on_election_timer(struct dlab *d, const struct dlab_msg *m, void *arg)
{
	struct raft *r = arg;
	(void)m;
	r->election_timer = false;
	if (r->role == LEADER)
		return;
	if (dlab_now(d) < r->election_ms) {
		set_election_timer(r);
		return;
	}
	restart_election_timeout(r);
	/* A server that is being removed may still be needed until that is committed (thesis 4.2.2). */
	if (!((r->members | r->applied_members) & bit(r->self)))
		return;
	if (r->role == CANDIDATE)
		become_follower(r, r->term, -1);
	r->role = PRE_CANDIDATE;
	r->leader = -1;
	ask_for_votes(r, true);
}

/* A log is more up-to-date with the later last term; with the same last term, when it is longer (5.4.1). */
static bool is_up_to_date(const struct raft *r, int64_t last_index, int64_t last_term)
{
	int64_t own = log_last_term(&r->log);
	return last_term > own || (last_term == own && last_index >= log_last_index(&r->log));
}

static bool hears_leader(const struct raft *r)
{
	return r->role == LEADER || dlab_now(r->d) - r->heard_leader_ms < ELECTION_MIN_MS;
}

static void on_request_vote(struct dlab *d, const struct dlab_msg *m, void *arg)
{
	struct raft *r = arg;
	int from = node_number(d, m->src);
	int64_t term = dlab_int(dlab_get(m->body, "term"), -1);
	bool pre_vote = dlab_bool(dlab_get(m->body, "pre_vote"));
	if (from < 0 || term < 0 || hears_leader(r))
		return; /* not even a higher term counts while the leader is well (thesis 4.2.3) */
	if (term > r->term && !pre_vote)
		become_follower(r, term, -1);
	bool granted = term >= r->term && (pre_vote || r->vote < 0 || r->vote == from) &&
		is_up_to_date(r, dlab_int(dlab_get(m->body, "last_log_index"), 0), dlab_int(dlab_get(m->body, "last_log_term"), 0));
	if (granted && !pre_vote) {
		restart_election_timeout(r);
		if (r->vote < 0) {
			r->vote = from;
			save_vote(r);
			report_state(r);
		}
	}
	struct dlab_text *body = dlab_body(d, "request_vote_ok");
	dlab_put_int(body, "term", granted ? term : r->term); /* a pre-vote tells the asker's term, which may be later than ours */
	dlab_put_bool(body, "vote_granted", granted);
	if (pre_vote)
		dlab_put_bool(body, "pre_vote", true);
	dlab_send(d, m->src, body);
}

static void on_vote_answer(struct dlab *d, const struct dlab_msg *m, void *arg)
{
	struct raft *r = arg;
	int from = node_number(d, m->src);
	int64_t term = dlab_int(dlab_get(m->body, "term"), -1);
	enum role asked_as = dlab_bool(dlab_get(m->body, "pre_vote")) ? PRE_CANDIDATE : CANDIDATE;
	if (from < 0)
		return;
	if (term > r->term)
		become_follower(r, term, -1);
	if (term == r->term && r->role == asked_as && dlab_bool(dlab_get(m->body, "vote_granted")))
		count_vote(r, from);
}

/* --- membership (thesis, chapter 4) --- */

/* A change of the members is committed. */
static void members_applied(struct raft *r, uint64_t members)
{
	uint64_t removed = r->applied_members & ~members;
	r->applied_members = members;
	if (r->role != LEADER)
		return;
	if (removed & bit(r->self)) { /* a leader that removed itself goes (4.2.2) */
		become_follower(r, r->term, -1);
		return;
	}
	for (int i = 0; i < node_count(r); i++)
		if (removed & bit(i))
			send_append(r, i, false); /* the last that it hears: that it is removed */
}

static bool change_in_progress(const struct raft *r)
{
	return r->newcomer >= 0 || r->members != r->applied_members;
}

/* The new server has caught up: the change goes into the log. */
static void add_newcomer(struct raft *r)
{
	struct entry e = { .members = r->members | bit(r->newcomer) };
	r->newcomer = -1;
	wait_for_entry(r, r->newcomer_client, append_own(r, e));
	publish(r);
}

/* The log goes to the new server before it counts, or the members might wait for it (4.2.1). */
static void start_newcomer(struct raft *r, const struct dlab_msg *m, int node)
{
	r->newcomer = node;
	r->newcomer_client = client_of(m);
	r->newcomer_goal = log_last_index(&r->log);
	r->newcomer_stop_ms = dlab_now(r->d) + CATCH_UP_MS;
	r->peers[node] = (struct peer){ .next = r->newcomer_goal + 1, .heard_ms = dlab_now(r->d) };
	send_append(r, node, false);
}

static void remove_member(struct raft *r, const struct dlab_msg *m, int node)
{
	wait_for_entry(r, client_of(m), append_own(r, (struct entry){ .members = r->members & ~bit(node) }));
	publish(r);
}

static void on_reconfigure(struct dlab *d, const struct dlab_msg *m, void *arg)
{
	struct raft *r = arg;
	struct dlab_json add = dlab_get(m->body, "add"), remove = dlab_get(m->body, "remove");
	int node = node_number(d, dlab_string(d, add.n ? add : remove));
	if (node < 0 || (add.n && remove.n)) {
		dlab_reply_error(d, m, 12, "reconfigure needs add or remove, and the name of a node");
	} else if (r->role != LEADER) {
		dlab_reply(d, m, error_body(r, 11, "not the leader"));
	} else if (r->commit < r->first_own) { /* else two majorities might not meet: Ongaro, raft-dev, 10 July 2015 */
		dlab_reply(d, m, error_body(r, 11, "this leader has not committed an entry yet"));
	} else if (change_in_progress(r)) {
		dlab_reply(d, m, error_body(r, 11, "a change of the members is in progress"));
	} else if (!add.n == !(r->members & bit(node))) {
		struct dlab_text *body = dlab_body(d, "reconfigure_ok"); /* it is so already */
		dlab_put(body, "members", members_json(d, r->members));
		dlab_reply(d, m, body);
	} else if (add.n) {
		start_newcomer(r, m, node);
	} else if (count(r->members) == 1) {
		dlab_reply_error(d, m, 12, "the last member stays");
	} else {
		remove_member(r, m, node);
	}
}

/* --- clients and start --- */

static void on_propose(struct dlab *d, const struct dlab_msg *m, void *arg)
{
	struct raft *r = arg;
	struct dlab_json command = dlab_get(m->body, "command");
	if (dlab_kind(command) != '"') {
		dlab_reply_error(d, m, 12, "command must be a string");
		return;
	}
	if (r->role != LEADER) {
		dlab_reply(d, m, error_body(r, 11, "not the leader"));
		return;
	}
	struct entry e = { .command = strndup(command.s, command.n) };
	if (!e.command)
		abort();
	wait_for_entry(r, client_of(m), append_own(r, e));
	publish(r);
}

static void load_snapshot(struct raft *r)
{
	struct dlab_json saved = dlab_load(r->d, "snapshot");
	r->commit = r->applied = dlab_int(dlab_get(saved, "index"), 0);
	r->snapshot_digest = r->digest = dlab_int(dlab_get(saved, "digest"), 0);
	if (saved.n)
		r->snapshot_members = members_read(r->d, dlab_get(saved, "members"));
	r->applied_members = r->snapshot_members;
	log_load(&r->log, r->d, r->applied, dlab_int(dlab_get(saved, "term"), 0));
	if (saved.n)
		report_snapshot(r);
}

/* The members at the very first start. */
static uint64_t first_members(const struct raft *r)
{
	uint64_t members = members_read(r->d, dlab_get(dlab_config(r->d), "members"));
	return members ? members : node_count(r) == NODES_MAX ? UINT64_MAX : bit(node_count(r)) - 1;
}

static void on_init(struct dlab *d, const struct dlab_msg *m, void *arg)
{
	struct raft *r = arg;
	(void)m;
	if (dlab_node_count(d) > NODES_MAX)
		abort();
	r->self = node_number(d, dlab_node_id(d));
	r->leader = r->newcomer = -1;
	r->heard_leader_ms = -ELECTION_MAX_MS;
	r->snapshot_entries = dlab_int(dlab_get(dlab_config(d), "snapshot_entries"), 0);
	r->snapshot_members = first_members(r);
	load_vote(r);
	load_snapshot(r);
	r->members = latest_members(r);
	report_state(r);
	restart_election_timeout(r);
}

int main(void)
{
	struct raft r = { .d = dlab_new() };
	dlab_on(r.d, "init", on_init, &r);
	dlab_on(r.d, "propose", on_propose, &r);
	dlab_on(r.d, "reconfigure", on_reconfigure, &r);
	dlab_on(r.d, "request_vote", on_request_vote, &r);
	dlab_on(r.d, "request_vote_ok", on_vote_answer, &r);
	dlab_on(r.d, "append_entries", on_append_entries, &r);
	dlab_on(r.d, "append_entries_ok", on_append_answer, &r);
	dlab_on(r.d, "install_snapshot", on_install_snapshot, &r);
	dlab_on(r.d, "install_snapshot_ok", on_append_answer, &r);
	int status = dlab_run(r.d);
	for (size_t i = 0; i < r.waiting_count; i++)
		free(r.waiting[i].client);
	free(r.waiting);
	free(r.newcomer_client.client);
	log_free(&r.log);
	return status;
}
