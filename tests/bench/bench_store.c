/* How fast events are stored, beside a bare loop that inserts the same rows with SQLite alone: one prepared
 * statement, transactions of as many rows, the same table, WAL, synchronous=OFF. Everything stays on one core.
 *
 *	bench_store [EVENTS [ROUNDS]] */
#include "store.h"

#include <sched.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { NODES = 5, BATCH = 2000 };

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "bench_store: %s\n", what);
	exit(3);
}

static void stay_on_one_core(void)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET((size_t)sched_getcpu(), &set);
	if (sched_setaffinity(0, sizeof set, &set) != 0)
		fputs("bench_store: not pinned to one core\n", stderr);
}

/* A broadcast of sorts: most are messages between nodes, with a client's request now and then. */
static void fill(struct trace *t, struct arena *a, const struct lanes *lanes, uint64_t events)
{
	struct rng rng;
	rng_seed(&rng, 1);
	uint16_t type = trace_type(t, SLICE("broadcast"));
	uint64_t msg = 0;
	int64_t now = 0;
	while (trace_count(t) < events) {
		int src = (int)rng_below(&rng, NODES), dst = (src + 1 + (int)rng_below(&rng, NODES - 1)) % NODES;
		bool ask = rng_chance(&rng, 100000);
		const char *body = arena_printf(a, "{\"type\":\"broadcast\",\"msg_id\":%llu,\"message\":%llu,\"path\":[\"n1\",\"n2\"],"
			"\"note\":\"a body of a usual length\"}", (unsigned long long)msg, (unsigned long long)rng_below(&rng, 100000));
		struct event e = { .t_ns = now, .msg = ++msg, .arg = -1, .text = slice_of(body), .type = type,
			.kind = ask ? EVENT_CALL : EVENT_SEND, .src = (int16_t)(ask ? lane_client(lanes, 1) : src), .dst = (int16_t)dst };
		trace_append(t, &e);
		now += (int64_t)rng_below(&rng, 100000);
		if (ask)
			continue;
		e.t_ns = now;
		e.kind = rng_chance(&rng, 20000) ? EVENT_DROP : EVENT_RECV;
		e.text = SLICE_NONE;
		trace_append(t, &e);
	}
}

static void sql(sqlite3 *db, const char *text)
{
	if (sqlite3_exec(db, text, NULL, NULL, NULL) != SQLITE_OK)
		die(sqlite3_errmsg(db));
}

/* The clocks of the rows as the store wrote them, so that the bare loop binds the same bytes. */
static struct slice *clocks_of(const char *path, uint64_t n, struct arena *a)
{
	struct slice *clocks = xcalloc(n, sizeof *clocks);
	sqlite3 *db;
	sqlite3_stmt *q;
	if (sqlite3_open(path, &db) != SQLITE_OK ||
	    sqlite3_prepare_v2(db, "SELECT clock FROM events ORDER BY seq", -1, &q, NULL) != SQLITE_OK)
		die(sqlite3_errmsg(db));
	for (uint64_t i = 0; i < n && sqlite3_step(q) == SQLITE_ROW; i++) {
		const void *bytes = sqlite3_column_blob(q, 0);
		if (bytes)
			clocks[i] = arena_copy(a, (struct slice){ bytes, (size_t)sqlite3_column_bytes(q, 0) });
	}
	sqlite3_finalize(q);
	sqlite3_close(db);
	return clocks;
}

static void bare_row(sqlite3_stmt *q, const struct event *e, struct slice clock)
{
	int at = 0;
	sqlite3_bind_int64(q, ++at, (int64_t)e->seq);
	sqlite3_bind_int64(q, ++at, e->t_ns);
	sqlite3_bind_int(q, ++at, e->kind);
	sqlite3_bind_int(q, ++at, e->why);
	sqlite3_bind_int(q, ++at, e->src);
	sqlite3_bind_int(q, ++at, e->dst);
	sqlite3_bind_int(q, ++at, event_lane(e));
	sqlite3_bind_int64(q, ++at, (int64_t)e->msg);
	sqlite3_bind_int64(q, ++at, (int64_t)e->cause);
	sqlite3_bind_int64(q, ++at, e->arg);
	sqlite3_bind_int(q, ++at, e->type);
	sqlite3_bind_int64(q, ++at, e->tick);
	if (e->text.n)
		sqlite3_bind_text(q, ++at, e->text.s, (int)e->text.n, SQLITE_STATIC);
	else
		sqlite3_bind_null(q, ++at);
	if (clock.n)
		sqlite3_bind_blob(q, ++at, clock.s, (int)clock.n, SQLITE_STATIC);
	else
		sqlite3_bind_null(q, ++at);
	if (sqlite3_step(q) != SQLITE_DONE)
		die("a bare insert failed");
	sqlite3_reset(q);
}

static void remove_run(const char *path)
{
	static const char *const ends[] = { "", "-wal", "-shm" };
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		char *name = xasprintf("%s%s", path, ends[i]);
		unlink(name);
		free(name);
	}
}

struct times {
	double insert_s, whole_s; /* until the last row is committed; until one file with an index is left */
};

static double since(int64_t start)
{
	return (double)(clock_ns() - start) / (double)NS_PER_S;
}

static struct times time_bare(const char *path, const struct trace *t, const struct slice *clocks)
{
	struct times times;
	uint64_t n = trace_count(t);
	sqlite3 *db;
	sqlite3_stmt *q;
	remove_run(path);
	int64_t start = clock_ns();
	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
		die(sqlite3_errmsg(db));
	sql(db, "PRAGMA synchronous=OFF; PRAGMA journal_mode=WAL");
	sql(db, "CREATE TABLE events(seq INTEGER PRIMARY KEY, t INTEGER, kind INTEGER, why INTEGER, src INTEGER, dst INTEGER, "
		"lane INTEGER, msg INTEGER, cause INTEGER, arg INTEGER, type INTEGER, tick INTEGER, text, clock BLOB)");
	if (sqlite3_prepare_v2(db, "INSERT INTO events VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?)", -1, &q, NULL) != SQLITE_OK)
		die(sqlite3_errmsg(db));
	for (uint64_t i = 1; i <= n; i++) {
		if (i % BATCH == 1)
			sql(db, "BEGIN");
		bare_row(q, trace_at(t, i), clocks[i - 1]);
		if (i % BATCH == 0 || i == n)
			sql(db, "COMMIT");
	}
	times.insert_s = since(start);
	sqlite3_finalize(q);
	sql(db, "CREATE INDEX events_by_lane ON events(lane, t); PRAGMA journal_mode=MEMORY");
	sqlite3_close(db);
	times.whole_s = since(start);
	return times;
}

static struct times time_store(const char *path, const struct trace *t)
{
	struct times times;
	struct err err;
	int64_t start = clock_ns();
	struct store *s = store_create(path, t, &err);
	if (!s)
		die(err.text);
	struct store_run *r = store_open(path, &err);
	if (!r)
		die(err.text);
	while (store_events(r) < trace_count(t)) /* rare enough to cost nothing to speak of */
		nanosleep(&(struct timespec){ .tv_nsec = 5 * NS_PER_MS }, NULL);
	times.insert_s = since(start);
	store_close(r);
	if (store_finish(s, &(struct store_meta){ 0 }, &err) != 0)
		die(err.text);
	times.whole_s = since(start);
	return times;
}

static void keep_best(struct times *best, struct times t)
{
	if (best->insert_s == 0 || t.insert_s < best->insert_s)
		best->insert_s = t.insert_s;
	if (best->whole_s == 0 || t.whole_s < best->whole_s)
		best->whole_s = t.whole_s;
}

int main(int argc, char **argv)
{
	uint64_t events = argc > 1 ? strtoull(argv[1], NULL, 10) : 500000;
	int rounds = argc > 2 ? atoi(argv[2]) : 3;
	char dir[] = "/tmp/bench_store.XXXXXX";
	if (events == 0 || events > 100000000 || rounds < 1 || !mkdtemp(dir))
		die("usage: bench_store [EVENTS [ROUNDS]]");
	char *stored = xasprintf("%s/store.db", dir), *bare = xasprintf("%s/bare.db", dir);
	stay_on_one_core();
	struct arena arena;
	struct lanes lanes;
	arena_init(&arena);
	lanes_init(&lanes, NODES, 1);
	struct trace *t = trace_new(&arena, &lanes);
	fill(t, &arena, &lanes, events);

	struct times of_store = { 0 }, of_bare = { 0 };
	struct slice *clocks = NULL;
	for (int i = 0; i < rounds; i++) {
		keep_best(&of_store, time_store(stored, t));
		if (!clocks)
			clocks = clocks_of(stored, trace_count(t), &arena);
		keep_best(&of_bare, time_bare(bare, t, clocks));
	}
	double n = (double)trace_count(t);
	printf("store: %.0f rows/s, bare: %.0f rows/s, ratio %.2f\n", n / of_store.insert_s, n / of_bare.insert_s,
		of_bare.insert_s / of_store.insert_s);
	printf("store with index, one file: %.0f rows/s, bare: %.0f rows/s, ratio %.2f\n", n / of_store.whole_s,
		n / of_bare.whole_s, of_bare.whole_s / of_store.whole_s);

	remove_run(stored);
	remove_run(bare);
	rmdir(dir);
	free(clocks);
	trace_free(t);
	arena_done(&arena);
	free(stored);
	free(bare);
	return 0;
}
