/* raft: a log of commands that a majority agrees on.
 *
 * Clients send {"type": "propose", "command": "..."} to any node. This node starts, reports that it is follower, and leaves
 * the rest to you. Keep Figure 2 of the paper at hand. */
#define DLAB_IMPLEMENTATION
#include "dlab.h"

enum role { FOLLOWER, CANDIDATE, LEADER };

struct raft {
	enum role role;
	int64_t term, commit;
	const char *vote; /* to be saved, like term and log: dlab_save, dlab_load */
	int64_t last_index, last_term;
};

static const char *const role_names[] = { "follower", "candidate", "leader" };

/* After each change of role, term or vote: the judge knows them only by this. */
static void report(struct dlab *d, const struct raft *r)
{
	struct dlab_text *body = dlab_body(d, "state");
	dlab_put_string(body, "role", role_names[r->role]);
	dlab_put_int(body, "term", r->term);
	dlab_put_string(body, "vote", r->vote);
	dlab_put_int(body, "commit", r->commit);
	dlab_put_int(body, "last_index", r->last_index);
	dlab_put_int(body, "last_term", r->last_term);
	dlab_state(d, body);
}

static void on_election_timeout(struct dlab *d, const struct dlab_msg *m, void *arg);

static void start_election_timer(struct dlab *d, struct raft *r)
{
	dlab_timer(d, "election", 150 + (int64_t)dlab_random(d, 150), on_election_timeout, r);
}

static void on_election_timeout(struct dlab *d, const struct dlab_msg *m, void *arg)
{
	(void)m;
	struct raft *r = arg;
	/* Your code comes here: a new term, your own vote, role CANDIDATE, report, and to each other node (dlab_node)
	 * dlab_rpc(d, peer, body of type "request_vote", on_vote, r, 100). */
	start_election_timer(d, r);
}

static void on_init(struct dlab *d, const struct dlab_msg *m, void *arg)
{
	(void)m;
	struct raft *r = arg;
	/* dlab_config(d) may name the voting "members". Load here what an earlier life has saved. */
	report(d, r);
	start_election_timer(d, r);
}

static void on_request_vote(struct dlab *d, const struct dlab_msg *m, void *arg)
{
	const struct raft *r = arg;
	struct dlab_text *body = dlab_body(d, "request_vote_ok");
	dlab_put_int(body, "term", r->term);
	dlab_put_bool(body, "vote_granted", false);
	dlab_reply(d, m, body);
}

static void on_append_entries(struct dlab *d, const struct dlab_msg *m, void *arg)
{
	const struct raft *r = arg;
	struct dlab_text *body = dlab_body(d, "append_entries_ok");
	dlab_put_int(body, "term", r->term);
	dlab_put_bool(body, "success", false);
	dlab_reply(d, m, body);
}

static void on_propose(struct dlab *d, const struct dlab_msg *m, void *arg)
{
	const struct raft *r = arg;
	if (r->role != LEADER) {
		dlab_reply_error(d, m, 11, "not the leader");
		return;
	}
	/* Your code comes here: append it, save, send it to all, and reply propose_ok with index and digest when it is applied:
	 * dlab_apply with index, term and command for each entry, in order. */
}

static void on_reconfigure(struct dlab *d, const struct dlab_msg *m, void *arg)
{
	(void)arg;
	dlab_reply_error(d, m, 11, "not the leader");
}

int main(void)
{
	struct raft r = { .role = FOLLOWER };
	struct dlab *d = dlab_new();
	dlab_on(d, "init", on_init, &r);
	dlab_on(d, "request_vote", on_request_vote, &r);
	dlab_on(d, "append_entries", on_append_entries, &r);
	dlab_on(d, "propose", on_propose, &r);
	dlab_on(d, "reconfigure", on_reconfigure, &r);
	return dlab_run(d);
}
