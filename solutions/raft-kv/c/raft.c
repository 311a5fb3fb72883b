/* raft.c - after Ongaro and Ousterhout, "In Search of an Understandable Consensus Algorithm (Extended Version)", 2014:
 * sections without a name are that paper's. "Thesis" is Ongaro's "Consensus: Bridging Theory and Practice", 2014.
 *
 * - The RPCs are the paper's, as plain messages that may be lost, doubled or late. An answer tells all that is needed to
 *   understand it, so nobody remembers what it was an answer to.
 * - What must survive a crash is saved in the handler that changes it. What a handler sends leaves the process when it is
 *   done. So everything is on the disk before anybody hears of it.
 * - A leader has at most one message with entries on its way to a follower. What is proposed meanwhile goes with the next
 *   one: few messages when there is much to do, no delay when there is little.
 * - A node asks whether it could win before it becomes a candidate (pre-vote, thesis 9.6), and nobody helps to depose a
 *   leader that is well (thesis 4.2.3). So a node that comes back from a partition does not disturb.
 * - A leader that hears no majority gives up (thesis 6.2). */
#include "raft.h"
#include "log.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
	HEARTBEAT_MS = 50,
	ELECTION_MIN_MS = 150, /* an election time-out is chosen by chance from 150 to 299 ms (section 9.3) */
	ELECTION_MAX_MS = 300,
	QUORUM_MS = 600,       /* a leader gives up when no majority has answered for so long */
	RESEND_MS = 150,       /* entries that are not confirmed by then are sent again */
	BATCH_BYTES = 40000,   /* of entries in a message; a line has at most 60,000 */
	PIECE_BYTES = 20000,   /* of a snapshot in a message; quotes and backslashes count twice on the way */
	NODES_MAX = 64         /* the voters are the bits of a uint64_t */
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
	int64_t snapshot;  /* it is getting the snapshot that ends with this entry, ... */
	int64_t offset;    /* ... and has so many bytes of it */
};

/* A snapshot of which a follower has got the first pieces. */
struct incoming {
	char *text;
	size_t n;
	int64_t index, leader_term;
};

/* A client that waits for its answer. */
struct waiting {
	char *client;
	int64_t msg_id;
	int64_t index, term; /* of its entry */
};

struct raft {
	struct dlab *d;
	struct raft_machine machine;
	int self;
	/* On the disk. */
	int64_t term;
	int vote;                   /* for whom, in this term; -1: nobody */
	struct log log;
	char *snapshot;             /* JSON: the state of the machine after the entry log.prev_index; NULL: there is none */
	/* In memory. */
	enum role role;
	int leader;                 /* of this term, as far as we know; -1: unknown */
	int64_t commit, applied;
	int64_t snapshot_entries;   /* fold the log when so many applied entries are in it; 0: never */
	/* Elections. */
	int64_t election_ms;        /* the election time-out ends */
	int64_t heard_leader_ms;    /* the leader's last message */
	bool election_timer;        /* the timer is set; it may ring too early */
	uint64_t votes;             /* who voted for us */
	/* A follower's. */
	struct incoming incoming;
	/* A leader's. */
	struct peer peers[NODES_MAX];
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

static int node_count(const struct raft *r)
{
	return (int)dlab_node_count(r->d);
}

static uint64_t bit(int node)
{
	return UINT64_C(1) << node;
}

static bool is_majority(const struct raft *r, uint64_t nodes)
{
	return __builtin_popcountll(nodes) * 2 > node_count(r);
}

static const char *name_of(const struct raft *r, int node)
{
	return node < 0 ? NULL : dlab_node(r->d, (size_t)node);
}

/* -1: it is no node's name. */
static int node_number(const struct dlab *d, const char *name)
{
	for (size_t i = 0; name && i < dlab_node_count(d); i++)
		if (strcmp(dlab_node(d, i), name) == 0)
			return (int)i;
	return -1;
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

static struct dlab_json snapshot_json(const struct raft *r)
{
	return (struct dlab_json){ r->snapshot, r->snapshot ? strlen(r->snapshot) : 0 };
}

static void keep_snapshot(struct raft *r, struct dlab_json state)
{
	free(r->snapshot);
	r->snapshot = strndup(state.s, state.n);
	if (!r->snapshot)
		abort();
}

static void save_snapshot(const struct raft *r, int64_t index, int64_t term)
{
	struct dlab_text *t = dlab_object(r->d);
	dlab_put_int(t, "index", index);
	dlab_put_int(t, "term", term);
	dlab_put(t, "state", snapshot_json(r));
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
	return body;
}

static struct dlab_text *error_not_here(const struct raft *r, const char *text)
{
	struct dlab_text *body = error_body(r, 11, text);
	dlab_put_string(body, "leader", name_of(r, r->leader));
	return body;
}

/* A body that the machine made, as a text that can be sent. */
static struct dlab_text *body_of(const struct raft *r, struct dlab_json object)
{
	struct dlab_text *body = dlab_object(r->d);
	struct dlab_json key = { 0 }, value = { 0 };
	while (dlab_next_member(object, &key, &value))
		dlab_put(body, dlab_string(r->d, key), value);
	return body;
}

/* Answers those who wait for entry `applied`, with the machine's result; { 0 }: a snapshot has come instead. When another
 * entry was committed in the place of theirs, then it is certain that theirs never will be; not before (Figure 8). */
static void answer_waiting(struct raft *r, struct dlab_json result)
{
	size_t kept = 0;
	for (size_t i = 0; i < r->waiting_count; i++) {
		struct waiting *w = &r->waiting[i];
		if (w->index > r->applied)
			r->waiting[kept++] = *w;
		else if (w->index <= r->log.prev_index)
			answer(r, w, error_body(r, 13, "a snapshot came in between"));
		else if (log_term(&r->log, w->index) != w->term)
			answer(r, w, error_not_here(r, "a new leader has replaced the entry"));
		else
			answer(r, w, body_of(r, result));
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

static void take_snapshot(struct raft *r)
{
	int64_t term = log_term(&r->log, r->applied);
	keep_snapshot(r, r->machine.save(r->machine.arg));
	save_snapshot(r, r->applied, term);
	log_compact(&r->log, r->applied, term);
}

static void apply_next(struct raft *r)
{
	const struct entry *e = log_at(&r->log, ++r->applied);
	struct dlab_json result = { 0 };
	if (e->command)
		result = r->machine.apply(r->machine.arg, (struct dlab_json){ e->command, strlen(e->command) });
	answer_waiting(r, result);
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
		restart_election_timeout(r);
	}
	if (later || before >= CANDIDATE)
		report_state(r);
}

/* --- replication: the leader (section 5.3) --- */

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

/* The text from offset on, PIECE_BYTES at most; no character is cut in two. */
static char *piece_of(const char *text, size_t offset)
{
	size_t n = strnlen(text + offset, PIECE_BYTES + 1);
	if (n > PIECE_BYTES)
		for (n = PIECE_BYTES; ((unsigned char)text[offset + n] & 0xc0) == 0x80;)
			n--;
	char *piece = strndup(text + offset, n);
	if (!piece)
		abort();
	return piece;
}

/* Section 7: the next piece of the snapshot. */
static void send_snapshot(struct raft *r, int to)
{
	struct peer *p = &r->peers[to];
	if (p->snapshot != r->log.prev_index)
		p->offset = 0;
	p->snapshot = r->log.prev_index;
	char *piece = piece_of(r->snapshot, (size_t)p->offset);
	struct dlab_text *body = dlab_body(r->d, "install_snapshot");
	dlab_put_int(body, "term", r->term);
	dlab_put_string(body, "leader_id", name_of(r, r->self));
	dlab_put_int(body, "last_included_index", r->log.prev_index);
	dlab_put_int(body, "last_included_term", r->log.prev_term);
	dlab_put_int(body, "offset", p->offset);
	dlab_put_string(body, "data", piece);
	dlab_put_bool(body, "done", (size_t)p->offset + strlen(piece) == strlen(r->snapshot));
	free(piece);
	p->sent = r->log.prev_index;
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
		if (i != r->self)
			replicate(r, i);
}

/* The greatest index that a majority of the nodes has. */
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
	return index;
}

/* What a leader does after append_own; a leader that is alone commits right here. */
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
	for (int i = 0; i < node_count(r); i++) {
		if (i == r->self)
			continue;
		replicate(r, i);
		if (dlab_now(d) - r->peers[i].sent_ms >= HEARTBEAT_MS / 2)
			send_append(r, i, false);
	}
	dlab_timer(d, "heartbeat", HEARTBEAT_MS, on_heartbeat_timer, r);
}

/* The follower has our log up to `match`. */
static void on_success(struct raft *r, int from, int64_t match)
{
	struct peer *p = &r->peers[from];
	p->match = max64(p->match, match);
	p->next = max64(p->next, p->match + 1);
	if (p->match >= p->sent)
		p->resend_ms = 0;
	advance_commit(r);
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

/* The follower has got so much of the snapshot; after a crash it may be nothing. */
static void on_piece(struct raft *r, int from, const struct dlab_msg *m)
{
	struct peer *p = &r->peers[from];
	int64_t offset = dlab_int(dlab_get(m->body, "offset"), 0);
	if (p->snapshot != r->log.prev_index || dlab_int(dlab_get(m->body, "last_included_index"), 0) != p->snapshot)
		return;
	p->offset = min64(offset, (int64_t)strlen(r->snapshot));
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
	else if (dlab_get(m->body, "offset").n)
		on_piece(r, from, m);
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

/* Takes the entries after prev; returns the index of the last one. Only an entry that conflicts is removed, and what
 * follows it: an old message may hold less than the log has since then (Figure 2, AppendEntries 3 and 4). */
static int64_t take_entries(struct raft *r, int64_t prev, struct dlab_json entries)
{
	struct dlab_json item = { 0 };
	int64_t index = prev, first_new = 0;
	while (dlab_next(entries, &item)) {
		struct entry e = entry_read(item);
		index++;
		if (index <= r->log.prev_index || log_term(&r->log, index) == e.term) {
			free(e.command);
			continue;
		}
		if (index <= log_last_index(&r->log)) {
			assert(index > r->commit); /* Leader Completeness */
			log_truncate(&r->log, index);
		}
		log_append(&r->log, e);
		first_new = first_new ? first_new : index;
	}
	if (first_new)
		log_save(&r->log, first_new);
	return index;
}

static void on_append_entries(struct dlab *d, const struct dlab_msg *m, void *arg)
{
	struct raft *r = arg;
	(void)d;
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
}

/* Adds a piece, if it is the next one; says whether it was. */
static bool take_piece(struct raft *r, int64_t index, int64_t offset, const char *data)
{
	struct incoming *in = &r->incoming;
	if (in->index != index || in->leader_term != r->term)
		in->n = 0;
	in->index = index;
	in->leader_term = r->term;
	if (!data || offset != (int64_t)in->n)
		return false;
	size_t n = strlen(data);
	in->text = realloc(in->text, in->n + n + 1);
	if (!in->text)
		abort();
	memcpy(in->text + in->n, data, n + 1);
	in->n += n;
	return true;
}

static void ask_for_piece(struct raft *r, const char *to)
{
	struct dlab_text *body = dlab_body(r->d, "install_snapshot_ok");
	dlab_put_int(body, "term", r->term);
	dlab_put_bool(body, "success", false);
	dlab_put_int(body, "last_included_index", r->incoming.index);
	dlab_put_int(body, "offset", (int64_t)r->incoming.n);
	dlab_send(r->d, to, body);
}

static void install(struct raft *r, int64_t index, int64_t term)
{
	keep_snapshot(r, (struct dlab_json){ r->incoming.text, r->incoming.n });
	r->incoming.n = 0;
	save_snapshot(r, index, term);
	log_compact(&r->log, index, term);
	r->commit = r->applied = index;
	r->machine.load(r->machine.arg, snapshot_json(r));
	answer_waiting(r, (struct dlab_json){ 0 });
}

static void on_install_snapshot(struct dlab *d, const struct dlab_msg *m, void *arg)
{
	struct raft *r = arg;
	if (!heed_leader(r, m, "install_snapshot_ok"))
		return;
	int64_t index = dlab_int(dlab_get(m->body, "last_included_index"), 0);
	int64_t offset = dlab_int(dlab_get(m->body, "offset"), 0);
	if (index > r->commit) { /* else there is nothing new in it; in particular no step back */
		bool next = take_piece(r, index, offset, dlab_string(d, dlab_get(m->body, "data")));
		if (!next || !dlab_bool(dlab_get(m->body, "done"))) {
			ask_for_piece(r, m->src);
			return;
		}
		install(r, index, dlab_int(dlab_get(m->body, "last_included_term"), 0));
	}
	send_success(r, m->src, "install_snapshot_ok", index);
}

/* --- elections (5.2, 5.4.1; pre-vote: thesis 9.6) --- */

static void become_leader(struct raft *r)
{
	int64_t last = log_last_index(&r->log);
	r->role = LEADER;
	r->leader = r->self;
	for (int i = 0; i < node_count(r); i++)
		r->peers[i] = (struct peer){ .next = last + 1, .sent = last, .heard_ms = dlab_now(r->d) };
	report_state(r);
	dlab_timer(r->d, "heartbeat", HEARTBEAT_MS, on_heartbeat_timer, r);
	append_own(r, (struct entry){ 0 }); /* a no-op: with it the entries of older terms get committed (section 8) */
	publish(r);
}

static void count_vote(struct raft *, int from);

static void ask_for_votes(struct raft *r, bool pre_vote)
{
	r->votes = 0;
	for (int i = 0; i < node_count(r); i++) {
		if (i == r->self)
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

/* --- the machine's side, and start --- */

void raft_propose(struct raft *r, const struct dlab_msg *m, struct dlab_json command)
{
	if (r->role != LEADER) {
		dlab_reply(r->d, m, error_not_here(r, "not the leader"));
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
	if (saved.n) {
		keep_snapshot(r, dlab_get(saved, "state"));
		r->machine.load(r->machine.arg, snapshot_json(r));
	}
	r->commit = r->applied = dlab_int(dlab_get(saved, "index"), 0);
	log_load(&r->log, r->d, r->applied, dlab_int(dlab_get(saved, "term"), 0));
}

static void on_init(struct dlab *d, const struct dlab_msg *m, void *arg)
{
	struct raft *r = arg;
	(void)m;
	if (dlab_node_count(d) > NODES_MAX)
		abort();
	r->self = node_number(d, dlab_node_id(d));
	r->leader = -1;
	r->heard_leader_ms = -ELECTION_MAX_MS;
	r->snapshot_entries = dlab_int(dlab_get(dlab_config(d), "snapshot_entries"), 0);
	load_vote(r);
	load_snapshot(r);
	report_state(r);
	restart_election_timeout(r);
}

struct raft *raft_new(struct dlab *d, struct raft_machine machine)
{
	struct raft *r = calloc(1, sizeof *r);
	if (!r)
		abort();
	r->d = d;
	r->machine = machine;
	dlab_on(d, "init", on_init, r);
	dlab_on(d, "request_vote", on_request_vote, r);
	dlab_on(d, "request_vote_ok", on_vote_answer, r);
	dlab_on(d, "append_entries", on_append_entries, r);
	dlab_on(d, "append_entries_ok", on_append_answer, r);
	dlab_on(d, "install_snapshot", on_install_snapshot, r);
	dlab_on(d, "install_snapshot_ok", on_append_answer, r);
	return r;
}

void raft_free(struct raft *r)
{
	for (size_t i = 0; i < r->waiting_count; i++)
		free(r->waiting[i].client);
	free(r->waiting);
	free(r->snapshot);
	free(r->incoming.text);
	log_free(&r->log);
	free(r);
}
