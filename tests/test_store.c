/* The store: what is written is read back as it was; at every moment, after a SIGKILL, on a full disk; and what
 * was not written by dlab, or was changed since, is refused with a sentence. */
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { NODES = 5, PATIENCE_S = 60 };

/* --- a run to store --- */

struct sample {
	struct arena arena;
	struct lanes lanes;
	struct trace *trace;
	struct history *history;
	struct rng rng;
	uint64_t msg;
	int64_t now;
};

static void sample_init(struct sample *s)
{
	memset(s, 0, sizeof *s);
	arena_init(&s->arena);
	lanes_init(&s->lanes, NODES, 0);
	s->trace = trace_new(&s->arena, &s->lanes);
	s->history = history_new(&s->arena);
	rng_seed(&s->rng, 7);
}

static void sample_done(struct sample *s)
{
	trace_free(s->trace);
	history_free(s->history);
	arena_done(&s->arena);
}

static void sample_message(struct sample *s)
{
	int src = (int)rng_below(&s->rng, NODES), dst = (int)rng_below(&s->rng, NODES + SERVICES);
	char type[32];
	snprintf(type, sizeof type, "type-%d", (int)rng_below(&s->rng, 30));
	const char *body = arena_printf(&s->arena, "{\"type\":\"%s\",\"n\":%llu}", type, (unsigned long long)s->msg);
	struct event e = { .t_ns = s->now, .msg = ++s->msg, .arg = -1, .text = slice_of(body), .kind = EVENT_SEND,
		.type = trace_type(s->trace, slice_of(type)), .src = (int16_t)src, .dst = (int16_t)dst };
	trace_append(s->trace, &e);
	e.text = SLICE_NONE;
	e.t_ns = s->now += (int64_t)rng_below(&s->rng, 2000000);
	e.kind = rng_chance(&s->rng, 200000) ? EVENT_DROP : EVENT_RECV;
	e.why = e.kind == EVENT_DROP ? DROP_CUT : 0;
	trace_append(s->trace, &e);
}

static void sample_client(struct sample *s)
{
	int16_t client = (int16_t)lane_client(&s->lanes, (int)rng_below(&s->rng, CLIENTS_MAX));
	int16_t node = (int16_t)rng_below(&s->rng, NODES);
	struct event e = { .t_ns = s->now, .msg = ++s->msg, .arg = 3, .text = SLICE("{\"type\":\"read\"}"), .kind = EVENT_CALL,
		.type = trace_type(s->trace, SLICE("read")), .src = client, .dst = node };
	trace_append(s->trace, &e);
	e.msg = ++s->msg;
	e.kind = EVENT_REPLY;
	e.src = node;
	e.dst = client;
	trace_append(s->trace, &e);
}

/* Every kind, with texts that are no text and numbers at their ends. */
static void sample_odd_ones(struct sample *s)
{
	static const char raw[] = "no text: \0 \xff \x01";
	for (int kind = 0; kind < EVENT_KIND_COUNT; kind++) {
		bool client = kind == EVENT_CALL || kind == EVENT_REPLY;
		struct event e = { .t_ns = s->now, .kind = (uint8_t)kind, .src = 1, .dst = client ? 2 : LANE_NONE,
			.arg = kind & 1 ? INT64_MAX : INT64_MIN, .text = SLICE("z\xc3\xbcrich") };
		if (kind == EVENT_LOG || kind == EVENT_BAD)
			e.text = (struct slice){ raw, sizeof raw - 1 };
		if (kind == EVENT_BAD)
			e.why = BAD_COUNT - 1;
		if (kind == EVENT_SEND)
			e.dst = LANE_DLAB;
		trace_append(s->trace, &e);
	}
}

static void sample_events(struct sample *s, uint64_t n)
{
	while (trace_count(s->trace) < n) {
		if (rng_chance(&s->rng, 100000))
			sample_client(s);
		else
			sample_message(s);
	}
}

static void sample_ops(struct sample *s, int n)
{
	for (int i = 0; i < n; i++) {
		struct op *op = history_add(s->history);
		*op = (struct op){ .f = i % 2 ? "read" : "write", .client = i % CLIENTS_MAX, .node = i % NODES, .final = i % 3 == 0,
			.shrinkable = i % 5 == 0, .status = (uint8_t)(i % (OP_SKIPPED + 1)), .code = (int16_t)(i - 1),
			.ordinal = UINT32_MAX - (uint32_t)i, .key = INT64_MIN + i, .value = INT64_MAX - i, .extra = -i, .result = i,
			.request = SLICE("{\"type\":\"read\"}"), .answer = i % 2 ? SLICE("{}") : SLICE_NONE, .call_ns = i,
			.return_ns = i % 4 ? i + 1 : INT64_MAX, .call_seq = (uint64_t)i % 20, .return_seq = (uint64_t)i % 10 };
	}
}

static struct store_meta sample_meta(const struct sample *s)
{
	static const struct store_pair pairs[] = {
		{ STORE_LAB, { "broadcast", 9 } },
		{ STORE_SEED, { "18446744073709551615", 20 } },
		{ STORE_VERDICT, { "FAIL", 4 } },
		{ STORE_RULE, { NULL, 0 } },
		{ STORE_SEEN, { "Z\xc3\xbcrich", 7 } },
	};
	static const uint64_t evidence[] = { 3, 1, 9 };
	return (struct store_meta){ pairs, ARRAY_LEN(pairs), s->history, evidence, ARRAY_LEN(evidence) };
}

static void store_sample(struct sample *s, const char *path, uint64_t events)
{
	struct err err;
	sample_odd_ones(s);
	struct store *st = store_create(path, s->trace, &err);
	assert_non_null(st);
	while (trace_count(s->trace) < events) {
		sample_events(s, trace_count(s->trace) + 1);
		store_poke(st);
	}
	sample_ops(s, 700);
	struct store_meta meta = sample_meta(s);
	assert_int_equal(store_finish(st, &meta, &err), 0);
}

enum { RUN_EVENTS = 302 };
/* A small run file at `path`. */
static void make_run(const char *path)
{
	struct sample s;
	sample_init(&s);
	store_sample(&s, path, RUN_EVENTS);
	sample_done(&s);
}

/* --- comparing --- */

static bool there(const char *path, const char *end)
{
	char name[200];
	snprintf(name, sizeof name, "%s%s", path, end);
	return access(name, F_OK) == 0;
}

static void assert_text(struct slice s, const char *expected)
{
	if (!slice_is(s, expected))
		fail_msg("got \"%.*s\", expected \"%s\"", SLICE_ARG(s), expected);
}

static void assert_contains(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("got \"%s\", expected something with \"%s\"", text, part);
}

static void assert_same_event(const struct trace *ta, const struct event *a, const struct trace *tb, const struct event *b)
{
	assert_int_equal(a->seq, b->seq);
	assert_int_equal(a->t_ns, b->t_ns);
	assert_int_equal(a->msg, b->msg);
	assert_int_equal(a->cause, b->cause);
	assert_int_equal(a->arg, b->arg);
	assert_true(slice_eq(a->text, b->text));
	assert_int_equal(a->tick, b->tick);
	assert_int_equal(a->kind, b->kind);
	assert_int_equal(a->why, b->why);
	assert_int_equal(a->src, b->src);
	assert_int_equal(a->dst, b->dst);
	assert_true(slice_eq(trace_type_name(ta, a->type), trace_type_name(tb, b->type)));
}

static void assert_same_clock(bool has_a, const uint32_t *a, bool has_b, const uint32_t *b, int n)
{
	assert_int_equal(has_a, has_b);
	if (has_a)
		assert_memory_equal(a, b, (size_t)n * sizeof *a);
}

/* The first events of `whole` are those of `part`, clocks and all. */
static void assert_prefix(const struct trace *whole, const struct trace *part)
{
	int n = lanes_count(trace_lanes(whole));
	assert_int_equal(n, lanes_count(trace_lanes(part)));
	assert_true(trace_count(part) <= trace_count(whole));
	for (uint64_t i = 1; i <= trace_count(part); i++) {
		const struct event *a = trace_at(whole, i), *b = trace_at(part, i);
		uint32_t ca[LANES_MAX], cb[LANES_MAX];
		assert_same_event(whole, a, part, b);
		assert_same_clock(trace_clock(whole, a, ca), ca, trace_clock(part, b, cb), cb, n);
	}
}

static void assert_same_ops(const struct history *a, const struct history *b)
{
	assert_int_equal(history_count(a), history_count(b));
	for (size_t i = 0; i < history_count(a); i++) {
		const struct op *x = history_at(a, i), *y = history_at(b, i);
		assert_string_equal(x->f, y->f);
		assert_true(slice_eq(x->request, y->request) && slice_eq(x->answer, y->answer));
		assert_true(x->client == y->client && x->node == y->node && x->final == y->final);
		assert_true(x->shrinkable == y->shrinkable && x->status == y->status && x->code == y->code);
		assert_true(x->ordinal == y->ordinal && x->key == y->key && x->value == y->value);
		assert_true(x->extra == y->extra && x->result == y->result);
		assert_true(x->call_ns == y->call_ns && x->return_ns == y->return_ns);
		assert_true(x->call_seq == y->call_seq && x->return_seq == y->return_seq);
	}
}

/* One file, which needs no other beside it: bytes 18 and 19 are 2 in WAL mode. */
static void assert_one_file(const char *path)
{
	char head[20];
	assert_true(there(path, "") && !there(path, "-wal") && !there(path, "-shm") && !there(path, "-journal"));
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(read(fd, head, sizeof head), sizeof head);
	close(fd);
	assert_true(head[18] == 1 && head[19] == 1);
}

static void assert_pages(struct store_run *r, const struct trace *t)
{
	struct event page[37];
	uint64_t seq = 1;
	struct arena arena;
	struct err err;
	int n;
	arena_init(&arena);
	while ((n = store_page(r, seq, page, (int)ARRAY_LEN(page), &arena, &err)) > 0) {
		for (int i = 0; i < n; i++, seq++) {
			uint32_t a[LANES_MAX], b[LANES_MAX];
			struct event *e = &page[i];
			assert_true(slice_eq(store_type(r, e->type), trace_type_name(t, trace_at(t, seq)->type)));
			e->type = trace_at(t, seq)->type;
			assert_same_event(t, trace_at(t, seq), t, e);
			assert_same_clock(trace_clock(t, trace_at(t, seq), a), a, store_clock(r, e, b), b, lanes_count(store_lanes(r)));
		}
	}
	assert_int_equal(n, 0);
	assert_int_equal(seq, trace_count(t) + 1);
	arena_done(&arena);
}

/* --- whole runs --- */

static void test_round_trip(void **state)
{
	(void)state;
	struct sample s;
	struct err err;
	struct store_loaded got;
	sample_init(&s);
	store_sample(&s, "round.db", 9001);
	assert_one_file("round.db");

	struct store_run *r = store_open("round.db", &err);
	assert_non_null(r);
	assert_int_equal(store_events(r), trace_count(s.trace));
	assert_text(store_meta_get(r, STORE_STATE), "finished");
	assert_text(store_meta_get(r, STORE_LAB), "broadcast");
	assert_text(store_meta_get(r, STORE_SEED), "18446744073709551615");
	assert_text(store_meta_get(r, STORE_SEEN), "Z\xc3\xbcrich");
	assert_text(store_meta_get(r, STORE_RULE), "");
	assert_non_null(store_meta_get(r, STORE_RULE).s);
	assert_null(store_meta_get(r, "no such key").s);
	char hash[32];
	snprintf(hash, sizeof hash, "%016llx", (unsigned long long)trace_hash(s.trace));
	assert_text(store_meta_get(r, STORE_TRACE_HASH), hash);
	uint64_t evidence[8];
	assert_int_equal(store_evidence(r, evidence, 8), 3);
	assert_true(evidence[0] == 3 && evidence[1] == 1 && evidence[2] == 9);
	assert_int_equal(store_evidence(r, evidence, 2), 2);

	assert_int_equal(store_load(r, &got, &err), 0);
	assert_int_equal(trace_count(got.trace), trace_count(s.trace));
	assert_int_equal(trace_hash(got.trace), trace_hash(s.trace));
	assert_prefix(s.trace, got.trace);
	assert_same_ops(s.history, got.history);
	store_loaded_done(&got);
	assert_pages(r, s.trace);
	store_close(r);
	sample_done(&s);
}

static void test_empty_run(void **state)
{
	(void)state;
	struct sample s;
	struct err err;
	struct store_loaded got;
	sample_init(&s);
	struct store *st = store_create("empty.db", s.trace, &err);
	assert_non_null(st);
	assert_int_equal(store_finish(st, &(struct store_meta){ 0 }, &err), 0);
	struct store_run *r = store_open("empty.db", &err);
	assert_non_null(r);
	assert_int_equal(store_events(r), 0);
	assert_int_equal(store_load(r, &got, &err), 0);
	assert_int_equal(trace_count(got.trace), 0);
	assert_int_equal(history_count(got.history), 0);
	store_loaded_done(&got);
	store_close(r);
	sample_done(&s);
}

static int count_rows(const char *path, const char *sql)
{
	sqlite3 *db;
	sqlite3_stmt *q;
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &q, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(q), SQLITE_ROW);
	int n = sqlite3_column_int(q, 0);
	sqlite3_finalize(q);
	sqlite3_close(db);
	return n;
}

/* A text column that is not UTF-8 would stop other programs that read the file. */
static void test_text_is_text(void **state)
{
	(void)state;
	make_run("types.db");
	assert_int_equal(count_rows("types.db", "SELECT count(*) FROM events WHERE typeof(text) = 'blob'"), 2); /* LOG, BAD */
	assert_int_equal(count_rows("types.db", "SELECT count(*) FROM events WHERE text = 'z\xc3\xbcrich'"), EVENT_KIND_COUNT - 2);
	assert_int_equal(count_rows("types.db", "SELECT count(*) FROM events WHERE kind = 4 AND text IS NOT NULL"), 1);
	assert_int_equal(count_rows("types.db", "SELECT count(*) FROM sqlite_schema WHERE name = 'events_by_lane'"), 1);
}

/* What a person sees with the sqlite3 shell. */
static void test_views(void **state)
{
	(void)state;
	make_run("views.db");
	sqlite3 *db;
	sqlite3_stmt *q;
	assert_int_equal(sqlite3_open("views.db", &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, "SELECT kind, src, dst, type, text, why, ms FROM readable WHERE kind IN "
		"('send', 'drop', 'call') AND type IS NOT NULL ORDER BY kind = 'drop' DESC, seq", -1, &q, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(q), SQLITE_ROW);
	assert_string_equal((const char *)sqlite3_column_text(q, 0), "drop");
	assert_int_equal(sqlite3_column_text(q, 1)[0], 'n');
	assert_non_null(sqlite3_column_text(q, 2));
	assert_int_equal(strncmp((const char *)sqlite3_column_text(q, 3), "type-", 5), 0);
	assert_null(sqlite3_column_text(q, 4));
	assert_string_equal((const char *)sqlite3_column_text(q, 5), "cut");
	sqlite3_finalize(q);
	assert_int_equal(sqlite3_prepare_v2(db, "SELECT status, node, return_ms FROM operations", -1, &q, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(q), SQLITE_ROW);
	assert_string_equal((const char *)sqlite3_column_text(q, 0), "pending");
	assert_string_equal((const char *)sqlite3_column_text(q, 1), "n0");
	assert_null(sqlite3_column_text(q, 2));
	sqlite3_finalize(q);
	sqlite3_close(db);
}

static void test_replaces_and_abandons(void **state)
{
	(void)state;
	struct sample s;
	struct err err;
	make_run("old.db");
	FILE *f = fopen("old.db-wal", "w");
	assert_non_null(f);
	fputs("left over", f);
	fclose(f);
	make_run("old.db");
	struct store_run *r = store_open("old.db", &err);
	assert_non_null(r);
	assert_int_equal(store_events(r), RUN_EVENTS);
	store_close(r);

	sample_init(&s);
	struct store *st = store_create("old.db", s.trace, &err);
	assert_non_null(st);
	sample_events(&s, 5000);
	store_poke(st);
	store_abandon(st);
	assert_false(there("old.db", "") || there("old.db", "-wal") || there("old.db", "-shm"));
	store_abandon(NULL);
	sample_done(&s);
}

/* Names that SQLite would take for something else. */
static void test_odd_names(void **state)
{
	(void)state;
	static const char *const names[] = { ":memory:", "file:x.db?mode=memory", "-dash.db", "a b%20c?d#e.db" };
	struct err err;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		make_run(names[i]);
		assert_true(there(names[i], ""));
		struct store_run *r = store_open(names[i], &err);
		assert_non_null(r);
		store_close(r);
	}
}

static void test_cannot_create(void **state)
{
	(void)state;
	struct sample s;
	struct err err;
	sample_init(&s);
	assert_null(store_create("no/such/folder/x.db", s.trace, &err));
	assert_contains(err.text, "cannot");
	assert_contains(err.text, "no/such/folder/x.db");
	assert_int_equal(mkdir("folder", 0777), 0);
	assert_null(store_create("folder", s.trace, &err));
	assert_contains(err.text, "cannot replace folder");
	assert_null(store_create("", s.trace, &err));
	sample_done(&s);
}

/* --- while it is written --- */

static void wait_for_events(struct store_run *r, uint64_t n)
{
	int64_t limit = clock_ns() + PATIENCE_S * NS_PER_S;
	while (store_events(r) < n) {
		if (clock_ns() > limit)
			fail_msg("only %llu of %llu events came", (unsigned long long)store_events(r), (unsigned long long)n);
		sched_yield();
	}
}

static void test_read_while_written(void **state)
{
	(void)state;
	struct sample s;
	struct err err;
	struct store_loaded got;
	sample_init(&s);
	struct store *st = store_create("live.db", s.trace, &err);
	assert_non_null(st);
	const struct store_pair pairs[] = { { STORE_LAB, SLICE("echo") }, { STORE_VERDICT, SLICE("none yet") } };
	store_describe(st, pairs, ARRAY_LEN(pairs));
	struct store_run *r = store_open("live.db", &err);
	assert_non_null(r);
	assert_text(store_meta_get(r, STORE_LAB), "echo");
	assert_text(store_meta_get(r, STORE_STATE), "running");

	/* A few events are written soon, although nothing pokes the writer. */
	sample_events(&s, 3);
	wait_for_events(r, 3);
	for (uint64_t n = 4000; n <= 40000; n += 4000) {
		sample_events(&s, n);
		store_poke(st);
		wait_for_events(r, n - 3000);
		assert_int_equal(store_load(r, &got, &err), 0);
		assert_true(trace_count(got.trace) >= n - 3000);
		assert_prefix(s.trace, got.trace);
		store_loaded_done(&got);
	}

	struct store_meta meta = sample_meta(&s);
	assert_int_equal(store_finish(st, &meta, &err), 0); /* with a reader there */
	assert_text(store_meta_get(r, STORE_STATE), "finished");
	assert_text(store_meta_get(r, STORE_VERDICT), "FAIL");
	assert_pages(r, s.trace);
	store_close(r);
	r = store_open("live.db", &err);
	assert_non_null(r);
	assert_int_equal(store_events(r), trace_count(s.trace));
	store_close(r);
	sample_done(&s);
}

/* What was reached and all events before are seen at once, without waiting, while the writer's own thread writes too. */
static void test_reached(void **state)
{
	(void)state;
	struct sample s;
	struct err err;
	sample_init(&s);
	struct store *st = store_create("reached.db", s.trace, &err);
	assert_non_null(st);
	store_hurry(st, 1);
	struct store_run *r = store_open("reached.db", &err);
	assert_non_null(r);
	assert_int_equal(store_reached_ns(r), -1);
	for (uint64_t n = 1; n <= 6000; n += n < 3000 ? 7 : 1000) {
		sample_events(&s, n);
		assert_true(store_reached(st, (int64_t)n * 1000));
		assert_int_equal(store_reached_ns(r), (int64_t)n * 1000);
		assert_int_equal(store_events(r), trace_count(s.trace));
	}
	struct store_meta meta = sample_meta(&s);
	assert_int_equal(store_finish(st, &meta, &err), 0);
	assert_pages(r, s.trace);
	store_close(r);
	sample_done(&s);
}

/* The child: writes a run, says how far it is, and goes on until it is killed. */
static _Noreturn void write_until_killed(int say, uint64_t finish_after)
{
	struct sample s;
	struct err err;
	sample_init(&s);
	struct store *st = store_create("killed.db", s.trace, &err);
	const struct store_pair pairs[] = { { STORE_SEED, SLICE("42") } };
	if (!st)
		_exit(1);
	store_describe(st, pairs, ARRAY_LEN(pairs));
	for (uint64_t n = 500; n <= finish_after; n += 500) {
		sample_events(&s, n);
		store_poke(st);
		if (write(say, "", 1) != 1)
			_exit(1);
	}
	struct store_meta meta = sample_meta(&s);
	store_finish(st, &meta, &err);
	_exit(0);
}

static void kill_after(int reports, uint64_t finish_after)
{
	int ends[2], status;
	assert_int_equal(pipe(ends), 0);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		close(ends[0]);
		write_until_killed(ends[1], finish_after);
	}
	close(ends[1]);
	char c;
	for (int i = 0; i < reports; i++) {
		struct pollfd p = { ends[0], POLLIN, 0 };
		assert_int_equal(poll(&p, 1, PATIENCE_S * 1000), 1);
		assert_int_equal(read(ends[0], &c, 1), 1);
	}
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, &status, 0), child);
	close(ends[0]);
}

static uint64_t open_killed(void)
{
	struct sample s;
	struct err err = { "" };
	struct store_loaded got;
	struct store_run *r = store_open("killed.db", &err);
	if (!r)
		fail_msg("%s", err.text);
	assert_text(store_meta_get(r, STORE_SEED), slice_is(store_meta_get(r, STORE_STATE), "running") ? "42" :
		"18446744073709551615");
	assert_int_equal(store_load(r, &got, &err), 0);
	uint64_t events = trace_count(got.trace);
	sample_init(&s);
	for (uint64_t n = 500; trace_count(s.trace) < events; n += 500) /* as the child drew its chances */
		sample_events(&s, n);
	assert_prefix(s.trace, got.trace);
	sample_done(&s);
	store_loaded_done(&got);
	store_close(r);
	return events;
}

static void test_killed_in_mid_run(void **state)
{
	(void)state;
	uint64_t most = 0;
	for (int i = 0; i < 12; i++) {
		kill_after(1 + i * 20, UINT64_MAX);
		uint64_t n = open_killed();
		if (n > most)
			most = n;
	}
	assert_true(most > 0);
}

/* The kill falls into store_finish, or close to it. */
static void test_killed_while_finishing(void **state)
{
	(void)state;
	for (int i = 0; i < 12; i++) {
		kill_after(20 + i % 2, 10500);
		open_killed();
	}
}

/* --- a full disk --- */

/* The child may write files of `bytes` at most. Its exit status is 0 when all is as it should be. */
static void with_full_disk(rlim_t bytes, void (*body)(void))
{
	int status;
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct rlimit limit = { bytes, bytes };
		signal(SIGXFSZ, SIG_IGN);
		if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
			_exit(9);
		body();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void expect(bool holds, const char *what, const char *err)
{
	if (holds)
		return;
	dprintf(2, "on a full disk: %s: %s\n", what, err);
	_exit(1);
}

static void full_in_mid_run(void)
{
	struct sample s;
	struct err err = { "" };
	struct store_loaded got;
	sample_init(&s);
	struct store *st = store_create("full.db", s.trace, &err);
	expect(st != NULL, "created", err.text);
	for (uint64_t n = 500; n <= 60000; n += 500) {
		sample_events(&s, n);
		store_poke(st);
	}
	struct store_meta meta = sample_meta(&s);
	expect(store_finish(st, &meta, &err) == -1, "an error", err.text);
	expect(strstr(err.text, "cannot write the run to ./full.db: ") != NULL, "the sentence names the file", err.text);
	expect(strstr(err.text, "File too large") || strstr(err.text, "disk is full"), "the sentence says why", err.text);
	expect(strstr(err.text, "it holds the first ") != NULL, "the sentence says what is there", err.text);
	expect(strstr(err.text, " of 6000") != NULL, "the sentence says how many there were", err.text);
	struct store_run *r = store_open("full.db", &err);
	expect(r != NULL, "opened", err.text);
	expect(store_load(r, &got, &err) == 0, "loaded", err.text);
	expect(trace_count(got.trace) > 0 && trace_count(got.trace) < 60000, "a part", "");
	store_loaded_done(&got);
	store_close(r);
	sample_done(&s);
}

static void full_at_once(void)
{
	struct sample s;
	struct err err = { "" };
	sample_init(&s);
	expect(store_create("full-at-once.db", s.trace, &err) == NULL, "not created", "");
	expect(strstr(err.text, "full-at-once.db") != NULL, "the sentence names the file", err.text);
	expect(!there("full-at-once.db", ""), "nothing is left", "");
	sample_done(&s);
}

/* Enough room for the events, not for what comes at the end; or just not enough for a create. */
static void full_somewhere(void)
{
	struct sample s;
	struct err err = { "" };
	sample_init(&s);
	struct store *st = store_create("full.db", s.trace, &err);
	if (!st) {
		sample_done(&s);
		return;
	}
	sample_events(&s, 2000);
	sample_ops(&s, 200);
	struct store_meta meta = sample_meta(&s);
	bool finished = store_finish(st, &meta, &err) == 0;
	struct store_run *r = store_open("full.db", &err);
	expect(r != NULL, "opened", err.text);
	expect(!finished || slice_is(store_meta_get(r, STORE_STATE), "finished"), "finished is finished", "");
	store_close(r);
	sample_done(&s);
}

static void test_full_disk(void **state)
{
	(void)state;
	with_full_disk(1 << 20, full_in_mid_run);
	with_full_disk(5000, full_at_once);
	for (rlim_t bytes = 40000; bytes < 500000; bytes += 20011)
		with_full_disk(bytes, full_somewhere);
}

/* --- files that dlab did not write --- */

static void write_file(const char *path, const void *bytes, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, n), (ssize_t)n);
	close(fd);
}

static struct slice read_file(const char *path)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	char *s = xmalloc((size_t)st.st_size);
	assert_int_equal(read(fd, s, (size_t)st.st_size), st.st_size);
	close(fd);
	return (struct slice){ s, (size_t)st.st_size };
}

static void refused(const char *path, const char *part)
{
	struct err err = { "" };
	struct store_run *r = store_open(path, &err);
	if (r)
		fail_msg("%s was opened, expected: %s", path, part);
	assert_contains(err.text, part);
	assert_contains(err.text, path);
}

static void change(const char *path, const char *sql)
{
	sqlite3 *db;
	char *why = NULL;
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
		fail_msg("%s: %s", sql, why);
	sqlite3_close(db);
}

static void test_not_a_run(void **state)
{
	(void)state;
	refused("missing.db", "No such file");
	refused(".", "is not a dlab run file");
	refused("/dev/zero", "is not a dlab run file");
	write_file("none.db", "", 0);
	refused("none.db", "is not a dlab run file");
	write_file("text.db", "#!/usr/bin/env python3\nprint('a node, not a run')\n", 51);
	refused("text.db", "is not a dlab run file");
	change("other.db", "CREATE TABLE t(x)");
	refused("other.db", "is not a dlab run file");
	make_run("newer.db");
	change("newer.db", "PRAGMA user_version=3");
	refused("newer.db", "was written by a newer dlab (version 3 of the file; this dlab reads 1)");
	change("newer.db", "PRAGMA user_version=0");
	refused("newer.db", "is damaged");
}

struct forgery {
	const char *sql, *sentence;
};

/* Refused when it is opened. */
static const struct forgery schemas[] = {
	{ "DROP TABLE ops", "its table \"ops\" is not dlab's" },
	{ "ALTER TABLE events RENAME TO other; CREATE VIEW events AS SELECT * FROM other", "its table \"events\" is not dlab's" },
	{ "ALTER TABLE meta ADD COLUMN more GENERATED ALWAYS AS (key || value)", "its table \"meta\" is not dlab's" },
	{ "DELETE FROM meta WHERE key = 'nodes'", "how many nodes" },
	{ "UPDATE meta SET value = '61' WHERE key = 'nodes'", "how many nodes" },
	{ "UPDATE meta SET value = x'00ff' WHERE key = 'nodes'", "how many nodes" },
	{ "UPDATE meta SET value = '2' WHERE key = 'first'", "numbered" },
};

/* Refused when it is loaded. */
static const struct forgery rows[] = {
	{ "UPDATE events SET kind = 99 WHERE seq = 17", "event 17 has kind 99" },
	{ "UPDATE events SET kind = -1 WHERE seq = 17", "event 17 has kind -1" },
	{ "UPDATE events SET why = 256 WHERE seq = 17", "event 17 has reason 256" },
	{ "UPDATE events SET kind = 5, why = 5 WHERE seq = 17", "event 17 has reason 5" },
	{ "UPDATE events SET kind = 13, why = 13 WHERE seq = 17", "event 17 has reason 13" },
	{ "UPDATE events SET src = 141 WHERE seq = 17", "event 17 has source 141" },
	{ "UPDATE events SET dst = -4 WHERE seq = 17", "event 17 has destination -4" },
	{ "UPDATE events SET kind = 6, src = -1 WHERE seq = 17", "event 17 has source -1" },
	{ "UPDATE events SET kind = 7, dst = -2 WHERE seq = 17", "event 17 has destination -2" },
	{ "UPDATE events SET t = -1 WHERE seq = 17", "event 17 has time -1" },
	{ "UPDATE events SET t = 9223372036854775807 WHERE seq = 17", "event 17 has time 9223372036854775807" },
	{ "UPDATE events SET msg = 1 << 60 WHERE seq = 17", "event 17 has message" },
	{ "UPDATE events SET msg = -1 WHERE seq = 17", "event 17 has message -1" },
	{ "UPDATE events SET cause = 17 WHERE seq = 17", "event 17 has cause 17" },
	{ "UPDATE events SET type = 4096 WHERE seq = 17", "event 17 has type 4096" },
	{ "UPDATE events SET tick = 1 << 32 WHERE seq = 17", "event 17 has tick 4294967296" },
	{ "UPDATE events SET text = zeroblob(16777217) WHERE seq = 17", "event 17 has a text of 16777217 bytes" },
	{ "DELETE FROM events WHERE seq = 17", "row 17 of events is missing" },
	{ "DELETE FROM events WHERE seq = 1", "row 1 of events is missing" },
	{ "UPDATE types SET id = 0 WHERE id = 1", "row 1 of types is missing" },
	{ "WITH RECURSIVE n(i) AS (SELECT (SELECT max(id) FROM types) + 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) "
	  "INSERT INTO types SELECT i, 'x' || i FROM n", "more than 4095 types" },
	{ "UPDATE ops SET client = 132 WHERE n = 5", "operation 5 has client 132" },
	{ "UPDATE ops SET node = 5 WHERE n = 5", "operation 5 has node 5" },
	{ "UPDATE ops SET status = 5 WHERE n = 5", "operation 5 has status 5" },
	{ "UPDATE ops SET code = 40000 WHERE n = 5", "operation 5 has code 40000" },
	{ "UPDATE ops SET call_seq = 303 WHERE n = 5", "operation 5 has call event 303" },
	{ "UPDATE ops SET return_ns = 9223372036854775806 WHERE n = 5", "operation 5 has return" },
	{ "DELETE FROM ops WHERE n = 5", "row 5 of ops is missing" },
};

static void test_forged_schema(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(schemas); i++) {
		make_run("forged.db");
		change("forged.db", schemas[i].sql);
		refused("forged.db", schemas[i].sentence);
	}
}

static void test_forged_rows(void **state)
{
	(void)state;
	struct err err;
	struct store_loaded got;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		make_run("forged.db");
		change("forged.db", rows[i].sql);
		struct store_run *r = store_open("forged.db", &err);
		assert_non_null(r);
		if (store_load(r, &got, &err) == 0)
			fail_msg("loaded after %s", rows[i].sql);
		assert_contains(err.text, rows[i].sentence);
		assert_contains(err.text, "forged.db is damaged");
		store_close(r);
	}
}

static void test_forged_page_and_clock(void **state)
{
	(void)state;
	struct err err;
	struct arena arena;
	struct event page[300];
	uint32_t clock[LANES_MAX];
	make_run("forged.db");
	change("forged.db", "UPDATE events SET clock = x'ffffffffffffffffffff' WHERE clock IS NOT NULL AND seq < 100;"
		"UPDATE events SET clock = zeroblob(5000) WHERE clock IS NOT NULL AND seq >= 100");
	struct store_run *r = store_open("forged.db", &err);
	assert_non_null(r);
	arena_init(&arena);
	assert_int_equal(store_page(r, 1, page, 300, &arena, &err), 300);
	int refusals = 0;
	for (int i = 0; i < 300; i++)
		refusals += !store_clock(r, &page[i], clock);
	assert_true(refusals > 150);
	assert_int_equal(store_page(r, 0, page, 300, &arena, &err), 300);
	assert_int_equal(store_page(r, UINT64_MAX, page, 300, &arena, &err), 0);
	store_close(r);
	change("forged.db", "UPDATE events SET src = 30000 WHERE seq = 17");
	r = store_open("forged.db", &err);
	assert_non_null(r);
	assert_int_equal(store_page(r, 1, page, 300, &arena, &err), -1);
	assert_contains(err.text, "event 17 has source 30000");
	store_close(r);
	arena_done(&arena);
}

/* Whatever the bytes are: an error with a sentence, or data. */
static void read_all(const char *path)
{
	struct err err = { "" };
	struct store_loaded got;
	struct event page[16];
	uint32_t clock[LANES_MAX];
	struct arena arena;
	struct store_run *r = store_open(path, &err);
	if (!r) {
		assert_true(err.text[0] != '\0');
		return;
	}
	if (store_load(r, &got, &err) == 0)
		store_loaded_done(&got);
	else
		assert_true(err.text[0] != '\0');
	arena_init(&arena);
	int n = store_page(r, 1, page, 16, &arena, &err);
	for (int i = 0; i < n; i++)
		store_clock(r, &page[i], clock);
	arena_done(&arena);
	store_close(r);
}

static void test_damaged_bytes(void **state)
{
	(void)state;
	struct rng rng;
	make_run("whole.db");
	struct slice whole = read_file("whole.db");
	char *bytes = xmalloc(whole.n);
	for (size_t n = 0; n < whole.n; n += 1 + whole.n / 60) {
		write_file("cut.db", whole.s, n);
		read_all("cut.db");
	}
	rng_seed(&rng, 3);
	for (int round = 0; round < 300; round++) {
		memcpy(bytes, whole.s, whole.n);
		for (uint64_t flips = 1 + rng_below(&rng, 20); flips > 0; flips--)
			bytes[rng_below(&rng, 2) ? rng_below(&rng, whole.n) : rng_below(&rng, whole.n / 4096) * 4096 + rng_below(&rng, 60)] =
				(char)rng_next(&rng);
		write_file("flipped.db", bytes, whole.n);
		read_all("flipped.db");
	}
	free(bytes);
	free((void *)(uintptr_t)whole.s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_empty_run),
		cmocka_unit_test(test_text_is_text),
		cmocka_unit_test(test_views),
		cmocka_unit_test(test_replaces_and_abandons),
		cmocka_unit_test(test_odd_names),
		cmocka_unit_test(test_cannot_create),
		cmocka_unit_test(test_read_while_written),
		cmocka_unit_test(test_reached),
		cmocka_unit_test(test_killed_in_mid_run),
		cmocka_unit_test(test_killed_while_finishing),
		cmocka_unit_test(test_full_disk),
		cmocka_unit_test(test_not_a_run),
		cmocka_unit_test(test_forged_schema),
		cmocka_unit_test(test_forged_rows),
		cmocka_unit_test(test_forged_page_and_clock),
		cmocka_unit_test(test_damaged_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
