#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "explain.h"
#include "guard.h"
#include "play.h"
#include "scratch.h"
#include "sock.h"

enum { EVENTS_SHOWN = 10, INIT_LIMIT_S = 10, STEP_LIMIT_S = 10, DATA_ROOT_TRIES = 5, LIVE_LATENCY_MS = 30 };

const char *verdict_name(enum verdict verdict)
{
	static const char *const names[] = { "passed", "failed", "unknown", "error" };
	return names[verdict];
}

void result_done(struct result *r)
{
	free(r->expected);
	free(r->seen);
	free(r->hint);
	free(r->events);
	free(r->stderr_tail);
	free(r->parts);
	for (int i = 0; i < r->notices_n; i++)
		free(r->notices[i]);
	*r = (struct result){ 0 };
}

/* --- the nodes' folders --- */

/* A shared lock says that the folder is in use as long as this process lives: `dlab clean` removes those that it can
 * lock for itself. False when it was quicker and the folder is gone. A file system without locks is no obstacle. */
static bool lock_data_root(const char *path, int *lock)
{
	*lock = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*lock >= 0 && (flock(*lock, LOCK_SH | LOCK_NB) == 0 || errno != EWOULDBLOCK) && access(path, F_OK) == 0)
		return true;
	if (*lock >= 0)
		close(*lock);
	return false;
}

static char *make_data_root(int *lock, struct err *e)
{
	for (int tries = 0; tries < DATA_ROOT_TRIES; tries++) {
		char *path = xasprintf("%s/dlab-XXXXXX", scratch_folder());
		bool made = mkdtemp(path);
		if (!made)
			err_errno(e, "cannot make a folder for the nodes (%s)", path);
		else if (lock_data_root(path, lock))
			return path;
		else
			err_errno(e, "cannot use the folder for the nodes (%s)", path);
		if (made)
			rmdir(path);
		free(path);
		if (!made)
			return NULL;
	}
	return NULL;
}

static void remove_data_root(char *path, struct guard *guard)
{
	folder_remove(path);
	if (guard)
		guard_folder(guard, NULL);
	free(path);
}

/* --- the run file --- */

static void command_json(struct buf *b, char *const *argv)
{
	buf_char(b, '[');
	for (char *const *a = argv; *a; a++) {
		if (a != argv)
			buf_char(b, ',');
		buf_json_string(b, slice_of(*a));
	}
	buf_char(b, ']');
}

/* What is known from the start. The texts must outlive the call of store_describe only. */
static void describe(struct play *p)
{
	struct buf command = BUF_EMPTY, skip = BUF_EMPTY, seed = BUF_EMPTY, latency = BUF_EMPTY, forked = BUF_EMPTY;
	command_json(&command, p->spec->argv);
	skip_print(&skip, &p->spec->skip);
	buf_printf(&seed, "%llu", (unsigned long long)p->spec->seed);
	buf_printf(&latency, "%lld", (long long)p->test->network.mean_ns);
	buf_printf(&forked, "%lld", (long long)p->spec->take_over_ns);
	struct store_pair pairs[] = {
		{ STORE_LAB, slice_of(p->lab->id) }, { STORE_TEST, slice_of(p->test->id) },
		{ STORE_TITLE, slice_of(p->test->title) }, { STORE_SEED, buf_as_slice(&seed) },
		{ STORE_FABRIC, slice_of(p->ops->name) }, { STORE_COMMAND, buf_as_slice(&command) },
		{ STORE_CWD, slice_of(p->spec->cwd) }, { STORE_SKIP, buf_as_slice(&skip) },
		{ STORE_LATENCY, buf_as_slice(&latency) }, { STORE_FORKED, buf_as_slice(&forked) },
	};
	store_describe(p->store, pairs, ARRAY_LEN(pairs) - !p->spec->take_over);
	buf_done(&command);
	buf_done(&skip);
	buf_done(&seed);
	buf_done(&latency);
	buf_done(&forked);
}

static int finish_store(struct play *p, struct err *e)
{
	const struct result *r = p->result;
	struct store_pair pairs[] = {
		{ STORE_VERDICT, slice_of(p->unjudged ? "" : verdict_name(r->verdict)) }, { STORE_RULE, slice_of(r->rule) },
		{ STORE_SOURCE, slice_of(r->source) }, { STORE_EXPECTED, slice_of(r->expected) },
		{ STORE_SEEN, slice_of(r->seen) }, { STORE_HINT, slice_of(r->hint) },
	};
	size_t n = 0;
	while (n < EVIDENCE_MAX && r->evidence[n])
		n++;
	struct store_meta meta = { .pairs = pairs, .pairs_n = ARRAY_LEN(pairs), .history = p->history,
		.evidence = r->evidence, .evidence_n = n };
	int rc = store_finish(p->store, &meta, e);
	p->store = NULL;
	if (rc == 0 && strcmp(p->part_path, p->spec->store_path) != 0 && rename(p->part_path, p->spec->store_path) != 0)
		return err_errno(e, "cannot name the run file %s", p->spec->store_path);
	return rc;
}

/* `dlab clean` leaves a file alone that is written in its place. Closed after the store: a process that closes any descriptor
 * of a file loses the locks that SQLite has on it. */
static void lock_store(struct play *p)
{
	p->store_lock = open(p->part_path, O_RDONLY | O_CLOEXEC);
	if (p->store_lock >= 0)
		flock(p->store_lock, LOCK_SH | LOCK_NB);
}

/* Another process may be writing the same run at this moment: each writes a file of its own, and the last to end
 * gives it the name. */
static int open_store(struct play *p, struct err *e)
{
	const char *path = p->spec->store_path;
	size_t n = strlen(path), stem = n > 3 && strcmp(path + n - 3, ".db") == 0 ? n - 3 : n;
	p->part_path = p->spec->store_live ? xstrdup(path) : xasprintf("%.*s.part%ld.db", (int)stem, path, (long)getpid());
	p->store = store_create(p->part_path, p->trace, e);
	if (!p->store)
		return -1;
	if (p->spec->store_live) {
		store_hurry(p->store, LIVE_LATENCY_MS);
		lock_store(p);
	}
	describe(p);
	return 0;
}

static int close_store(struct play *p, struct err *e)
{
	if (!p->spec->store_path)
		return 0;
	bool wanted = p->result->verdict == VERDICT_FAIL || p->result->verdict == VERDICT_UNKNOWN;
	if (!p->store && wanted && open_store(p, e) != 0)
		return -1;
	return p->store ? finish_store(p, e) : 0;
}

/* --- setting up --- */

static uint16_t intern_type(void *trace, struct slice type)
{
	return trace_type(trace, type);
}

static bool network_is_set(const struct network *n)
{
	const struct network none = { 0 };
	return memcmp(n, &none, sizeof none) != 0;
}

static void set_up(struct play *p, const struct run_spec *spec, struct result *r)
{
	p->spec = spec;
	p->lab = spec->lab;
	p->test = spec->test;
	p->result = r;
	p->ops = spec->fabric;
	p->store_lock = -1;
	p->real_began_ns = clock_ns();
	lanes_init(&p->lanes, spec->nodes ? spec->nodes : spec->test->nodes, spec->first);
	arena_init(&p->arena);
	p->trace = trace_new(&p->arena, &p->lanes);
	p->history = history_new(&p->arena);
	p->services = services_new(rng_derive(spec->seed, 2));
	rng_seed(&p->rng, rng_derive(spec->seed, 3));
	for (int i = 0; i < NODES_MAX; i++)
		p->exit_status[i] = -1;
	p->client[0].msg_id = INIT_MSG_ID; /* "c0" says init */
	p->cluster = (struct cluster){
		.lanes = &p->lanes, .arena = &p->arena, .argv = spec->argv, .cwd = spec->cwd, .seed = spec->seed,
		.kind = spec->lab->kind == LAB_SOCKETS ? CLUSTER_SOCKETS : CLUSTER_LINES,
		.config = slice_of(spec->test->config), .core = spec->core, .prompt = !spec->watch,
		.image = spec->image, .marker = spec->marker, .guard = spec->guard,
		.network = network_is_set(&spec->test->network) ? spec->test->network : LAB_NETWORK,
		.init_limit_ns = INIT_LIMIT_S * NS_PER_S, .step_limit_ns = STEP_LIMIT_S * NS_PER_S,
		.type_of = intern_type, .type_ctx = p->trace,
	};
}

static void tear_down(struct play *p)
{
	if (p->socks)
		socks_free(p->socks);
	for (size_t i = 0; i < p->docs_n; i++)
		json_decref(p->docs[i]);
	free(p->docs);
	free(p->agenda);
	free(p->part_path);
	if (p->store_lock >= 0)
		close(p->store_lock);
	buf_done(&p->body);
	services_free(p->services);
	history_free(p->history);
	trace_free(p->trace);
	arena_done(&p->arena);
}

/* --- the run itself --- */

static size_t answered(const struct history *h)
{
	size_t n = 0;
	for (size_t i = 0; i < history_count(h); i++)
		n += history_at(h, i)->status == OP_OK;
	return n;
}

static bool socket_steps(const struct trace *t)
{
	for (uint64_t s = 1; s <= trace_count(t); s++)
		if (trace_at(t, s)->kind == EVENT_SOCK)
			return true;
	return false;
}

static void faults_had_effect(struct play *p)
{
	const struct bites *b = &p->bites;
	const char *missed = NULL;
	if (b->asked_cut && b->cut == 0)
		missed = "the partition cut no message";
	else if (b->asked_loss && b->lost == 0)
		missed = "the loss lost no message";
	else if (b->asked_dup && b->doubled == 0)
		missed = "no message was doubled";
	if (!missed || (p->test->needs & MAY_MISS))
		return;
	if (p->test->needs & NEEDS_BITE)
		play_unknown(p, play_text(p, "%s: the nodes sent nothing where it hurts", missed));
	struct event e = { .kind = EVENT_LINT, .src = LANE_NONE, .dst = LANE_NONE,
		.text = slice_of(play_text(p, "%s: the nodes sent none there", missed)) };
	play_record(p, &e);
}

static void no_empty_pass(struct play *p)
{
	if (p->lab->kind == LAB_SOCKETS ? socket_steps(p->trace) : answered(p->history) > 0)
		return;
	FAIL(p, .rule = "an empty history never passes", .expected = "at least one operation that was answered",
		.seen = play_text(p, "%zu operations, none was answered", history_count(p->history)));
}

static void start_all(struct play *p)
{
	for (int i = 0; i < p->lanes.nodes; i++)
		if (p->ops->start(p->fabric, i, &p->err) != 0)
			play_stop_world(p);
	play_ready(p);
	p->t0_ns = play_now(p);
}

/* Everything that may jump out. Nothing here is kept in a local variable across a jump. */
static void play_all(struct play *p)
{
	start_all(p);
	p->phase = PLAY_PLAYING;
	p->test->play(p);
	if (p->spec->take_over) /* asked for a time that the test has not lasted */
		play_hand_over(p);
	if (p->spec->settle && p->ops->settle) {
		p->ops->settle(p->fabric);
		play_pump(p, play_now(p));
	}
	p->phase = PLAY_CHECKING;
	if (p->unjudged)
		return;
	if (p->test->check)
		p->test->check(p);
	no_empty_pass(p);
	faults_had_effect(p);
	p->phase = PLAY_OVER;
}

/* The judge has seen all that it may: these are for whoever reads the run. */
static void trace_under_way(struct play *p)
{
	struct event e;
	while (p->ops->under_way && p->ops->under_way(p->fabric, &e))
		trace_append(p->trace, &e);
}

static void trace_verdict(struct play *p)
{
	struct result *r = p->result;
	if (p->unjudged)
		return;
	struct event e = { .kind = EVENT_VERDICT, .src = LANE_NONE, .dst = LANE_NONE, .arg = r->verdict,
		.text = slice_of(play_text(p, "%s%s%s", verdict_name(r->verdict), r->rule[0] ? ": " : "", r->rule)) };
	e.t_ns = play_now(p);
	trace_append(p->trace, &e);
}

static void fill_result(struct play *p)
{
	struct result *r = p->result;
	r->virtual_ns = play_now(p) - p->t0_ns;
	r->hash = trace_hash(p->trace);
	r->events_n = trace_count(p->trace);
	r->ordinals = p->ordinals;
	r->memory = trace_memory(p->trace) + p->arena.total;
	struct traffic all = measure_traffic(p, 0, INT64_MAX);
	r->messages_n = all.server_messages + all.client_messages;
	r->notices_n = explain_notices(p->trace, r->notices, NOTICES_MAX);
	struct buf b = BUF_EMPTY;
	explain_events(&b, p->trace, r->evidence, EVIDENCE_MAX, EVENTS_SHOWN);
	r->events = b.n ? b.s : NULL;
	r->real_ns = clock_ns() - p->real_began_ns;
}

typedef void (*keep_fn)(void *ctx, const struct trace *, const struct history *);

static int run_open(struct play *p, keep_fn keep, void *ctx, struct err *e)
{
	/* Before the fabric keeps this thread on one core: the writer's thread is to use the others. */
	if (p->spec->store_path && !p->spec->store_failed_only && open_store(p, e) != 0)
		return -1;
	p->fabric = p->ops->open(&p->cluster, e);
	if (!p->fabric) {
		store_abandon(p->store);
		p->store = NULL;
		return -1;
	}
	if (setjmp(p->stop) == 0)
		play_all(p);
	trace_under_way(p);
	trace_verdict(p);
	fill_result(p);
	p->ops->close(p->fabric);
	if (p->result->verdict == VERDICT_WORLD) {
		*e = p->err;
		store_abandon(p->store);
		p->store = NULL;
		return -1;
	}
	if (keep)
		keep(ctx, p->trace, p->history);
	return close_store(p, e);
}

int run_test_with(const struct run_spec *spec, struct result *r, struct err *e, keep_fn keep, void *ctx)
{
	*r = (struct result){ 0 };
	int lock;
	char *root = make_data_root(&lock, e);
	if (!root) {
		r->verdict = VERDICT_WORLD;
		return -1;
	}
	struct play *p = xcalloc(1, sizeof *p);
	set_up(p, spec, r);
	p->cluster.data_root = root;
	if (spec->guard)
		guard_folder(spec->guard, root);
	int rc = run_open(p, keep, ctx, e);
	if (rc != 0)
		r->verdict = VERDICT_WORLD;
	tear_down(p);
	free(p);
	remove_data_root(root, spec->guard);
	close(lock);
	return rc;
}

int run_test(const struct run_spec *spec, struct result *r, struct err *e)
{
	return run_test_with(spec, r, e, NULL, NULL);
}
