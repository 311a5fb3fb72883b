/* Two halves: a writer (struct store) that follows a trace from its own thread, and a reader (struct store_run).
 *
 * The writer sleeps until enough events are there or a quarter of a second has passed, and writes what is
 * there in transactions. Its connection is used by one thread at a time: `using_db` says whose turn it is. The first
 * failure is remembered and ends the writing; the run never waits for the disk, except in store_finish. */
#include "store.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	BATCH = 2000,          /* rows in a transaction, and the number of events that wakes the writer */
	LATENCY_MS = 250,      /* unless somebody is in a hurry */
	BUSY_MS = 2000,        /* how long to wait for another process */
	TEXT_LIMIT = 16 << 20, /* bytes in one text of a file that is read */
	MSG_AHEAD = 1000000,   /* how far a message's number may be ahead of its event's */
	VARINT_MAX = 5,        /* bytes of a 32-bit number */
	ROWS = 8               /* rows of one INSERT: a third of its cost is its beginning and end */
};
#define TIME_LIMIT INT64_C(1000000000000000000) /* 31 years: sums of times stay in range */
#define EVENTS_LIMIT (UINT64_C(1) << 28)        /* what a trace can hold */

/* --- the tables --- */

struct table {
	const char *name, *sql;
	bool read; /* store_open demands it letter by letter: then a name can stand for nothing but this table */
};

static const struct table tables[] = {
	{ "meta", "CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT)", true },
	{ "lanes", "CREATE TABLE lanes(id INTEGER PRIMARY KEY, name TEXT, kind TEXT)", false },
	{ "kinds", "CREATE TABLE kinds(id INTEGER PRIMARY KEY, name TEXT, meaning TEXT)", false },
	{ "reasons", "CREATE TABLE reasons(kind INTEGER, why INTEGER, text TEXT, PRIMARY KEY(kind, why))", false },
	{ "types", "CREATE TABLE types(id INTEGER PRIMARY KEY, name TEXT)", true },
	{ "events", "CREATE TABLE events(seq INTEGER PRIMARY KEY, t INTEGER, kind INTEGER, why INTEGER, src INTEGER, "
		    "dst INTEGER, lane INTEGER, msg INTEGER, cause INTEGER, arg INTEGER, type INTEGER, tick INTEGER, "
		    "text, clock BLOB)", true },
	{ "ops", "CREATE TABLE ops(n INTEGER PRIMARY KEY, f TEXT, client INTEGER, node INTEGER, final INTEGER, "
		 "shrinkable INTEGER, status INTEGER, code INTEGER, ordinal INTEGER, key INTEGER, value INTEGER, "
		 "extra INTEGER, result INTEGER, request, answer, call_ns INTEGER, return_ns INTEGER, "
		 "call_seq INTEGER, return_seq INTEGER)", true },
	{ "evidence", "CREATE TABLE evidence(n INTEGER PRIMARY KEY, seq INTEGER)", true },
	{ "statuses", "CREATE TABLE statuses(id INTEGER PRIMARY KEY, name TEXT)", false },
	{ "readable",
	  "CREATE VIEW readable AS SELECT e.seq, e.t / 1e6 AS ms, k.name AS kind, s.name AS src, d.name AS dst, "
	  "nullif(e.msg, 0) AS msg, y.name AS type, r.text AS why, e.arg, e.text FROM events e "
	  "LEFT JOIN kinds k ON k.id = e.kind LEFT JOIN lanes s ON s.id = e.src LEFT JOIN lanes d ON d.id = e.dst "
	  "LEFT JOIN types y ON y.id = e.type LEFT JOIN reasons r ON r.kind = e.kind AND r.why = e.why", false },
	{ "operations",
	  "CREATE VIEW operations AS SELECT o.n, o.client, l.name AS node, o.f, t.name AS status, nullif(o.code, -1) AS code, "
	  "o.call_ns / 1e6 AS call_ms, CASE WHEN o.return_seq THEN o.return_ns / 1e6 END AS return_ms, o.request, o.answer "
	  "FROM ops o LEFT JOIN lanes l ON l.id = o.node LEFT JOIN statuses t ON t.id = o.status", false },
};

/* Made when the run is over: in an index that is kept up, every event would cost half as much again. */
static const char INDEX_SQL[] = "CREATE INDEX events_by_lane ON events(lane, t)";

enum column { C_SEQ, C_T, C_KIND, C_WHY, C_SRC, C_DST, C_LANE, C_MSG, C_CAUSE, C_ARG, C_TYPE, C_TICK, C_TEXT, C_CLOCK,
	COLUMNS };
#define EVENT_ROW "(?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
static const char INSERT_EVENT[] = "INSERT INTO events VALUES" EVENT_ROW;
static const char INSERT_EVENTS[] = "INSERT INTO events VALUES" EVENT_ROW "," EVENT_ROW "," EVENT_ROW "," EVENT_ROW ","
	EVENT_ROW "," EVENT_ROW "," EVENT_ROW "," EVENT_ROW; /* ROWS times */

enum op_column {
	O_N, O_F, O_CLIENT, O_NODE, O_FINAL, O_SHRINKABLE, O_STATUS, O_CODE, O_ORDINAL, O_KEY, O_VALUE, O_EXTRA, O_RESULT,
	O_REQUEST, O_ANSWER, O_CALL_NS, O_RETURN_NS, O_CALL_SEQ, O_RETURN_SEQ
};
static const char INSERT_OP[] = "INSERT INTO ops VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)";

/* SQLite takes some names as something else (":memory:", "", "file:..."); never a path with a slash in front. */
static char *plain_path(const char *path)
{
	return path[0] == '/' ? xstrdup(path) : xasprintf("./%s", path);
}

/* --- the writer --- */

enum ending { GOES_ON, DRAIN, DROP };

struct store {
	const struct trace *trace; /* borrowed */
	char *path;                /* owned */
	sqlite3 *db;               /* owned; for whom has using_db */
	sqlite3_stmt *insert_event, *insert_events, *insert_type, *insert_meta; /* owned */
	pthread_t thread;
	pthread_mutex_t using_db, sleeping;
	pthread_cond_t wake;
	_Atomic bool asleep;
	_Atomic int ending;        /* enum ending */
	_Atomic int latency_ms;    /* the longest that an event waits for its transaction */
	_Atomic uint64_t taken;    /* events that are committed */
	uint16_t types;            /* types that are written */
	const uint32_t *clock[LANES_MAX]; /* by lane: the last one that was written; borrowed from the trace */
	unsigned char clock_text[ROWS][LANES_MAX * VARINT_MAX]; /* of the rows that are bound */
	_Atomic bool failed;
	struct err failure;        /* the first one; set before `failed` */
};

/* SQLite says "disk I/O error" where the system knows better; errno was 0 when the call began. */
static void store_failed(struct store *s)
{
	int system = errno, code = sqlite3_errcode(s->db);
	if (s->failed)
		return;
	bool of_system = system != 0 && ((code & 0xff) == SQLITE_IOERR || (code & 0xff) == SQLITE_CANTOPEN);
	err_set(&s->failure, "cannot write the run to %s: %s", s->path, of_system ? strerror(system) : sqlite3_errmsg(s->db));
	s->failed = true;
	if (!sqlite3_get_autocommit(s->db))
		sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
}

static bool run_sql(struct store *s, const char *sql)
{
	errno = 0;
	if (!s->failed && sqlite3_exec(s->db, sql, NULL, NULL, NULL) != SQLITE_OK)
		store_failed(s);
	return !s->failed;
}

static sqlite3_stmt *prepare(struct store *s, const char *sql)
{
	sqlite3_stmt *q = NULL;
	if (!s->failed && sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &q, NULL) != SQLITE_OK)
		store_failed(s);
	return q;
}

/* Runs a statement that gives no rows and makes it ready for the next ones. */
static bool step(struct store *s, sqlite3_stmt *q)
{
	if (s->failed)
		return false;
	errno = 0;
	if (sqlite3_step(q) != SQLITE_DONE)
		store_failed(s);
	sqlite3_reset(q);
	return !s->failed;
}

static void bind_cstr(sqlite3_stmt *q, int column, const char *text)
{
	sqlite3_bind_text(q, column + 1, text, -1, SQLITE_STATIC);
}

/* Text where it is text for every reader, else a blob; NULL when empty. It is borrowed until the step. */
static void bind_slice(sqlite3_stmt *q, int column, struct slice text, bool known_utf8)
{
	if (text.n == 0)
		sqlite3_bind_null(q, column + 1);
	else if (known_utf8 || (!memchr(text.s, '\0', text.n) && slice_utf8(text)))
		sqlite3_bind_text64(q, column + 1, text.s, text.n, SQLITE_STATIC, SQLITE_UTF8);
	else
		sqlite3_bind_blob64(q, column + 1, text.s, text.n, SQLITE_STATIC);
}

static void write_pair(struct store *s, const char *key, struct slice value)
{
	if (s->failed)
		return;
	bind_cstr(s->insert_meta, 0, key);
	sqlite3_bind_text64(s->insert_meta, 2, value.s ? value.s : "", value.n, SQLITE_STATIC, SQLITE_UTF8);
	step(s, s->insert_meta);
}

static void write_number(struct store *s, const char *key, uint64_t value)
{
	char text[24];
	snprintf(text, sizeof text, "%llu", (unsigned long long)value);
	write_pair(s, key, slice_of(text));
}

static void write_hash(struct store *s, const char *key, uint64_t value)
{
	char text[24];
	snprintf(text, sizeof text, "%016llx", (unsigned long long)value);
	write_pair(s, key, slice_of(text));
}

static void write_pairs(struct store *s, const struct store_pair *pairs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		write_pair(s, pairs[i].key, pairs[i].value);
}

/* A row (id, name, third) of one of the small tables of names. */
static void write_name(struct store *s, sqlite3_stmt *q, int id, const char *name, const char *third)
{
	sqlite3_bind_int(q, 1, id);
	bind_cstr(q, 1, name);
	if (third)
		bind_cstr(q, 2, third);
	step(s, q);
}

static void write_lanes(struct store *s)
{
	const struct lanes *l = trace_lanes(s->trace);
	sqlite3_stmt *q = prepare(s, "INSERT INTO lanes VALUES(?,?,?)");
	for (int i = 0; i < lanes_count(l) && !s->failed; i++)
		write_name(s, q, i, lane_name(l, i),
			lane_is_node(l, i) ? "node" : lane_is_service(l, i) ? "service" : "client");
	if (!s->failed)
		write_name(s, q, LANE_DLAB, "dlab", "dlab");
	sqlite3_finalize(q);
}

static void write_kinds(struct store *s)
{
	sqlite3_stmt *q = prepare(s, "INSERT INTO kinds VALUES(?,?,?)");
	for (int i = 0; i < EVENT_KIND_COUNT && !s->failed; i++)
		write_name(s, q, i, event_kind_name(i), event_kind_meaning(i));
	sqlite3_finalize(q);
	q = prepare(s, "INSERT INTO statuses VALUES(?,?)");
	for (int i = OP_PENDING; i <= OP_SKIPPED && !s->failed; i++)
		write_name(s, q, i, op_status_name(i), NULL);
	sqlite3_finalize(q);
}

static void write_reasons(struct store *s, int kind, int count, const char *(*text_of)(int))
{
	sqlite3_stmt *q = prepare(s, "INSERT INTO reasons VALUES(?,?,?)");
	for (int i = 0; i < count && !s->failed; i++) {
		sqlite3_bind_int(q, 1, kind);
		sqlite3_bind_int(q, 2, i);
		bind_cstr(q, 2, text_of(i));
		step(s, q);
	}
	sqlite3_finalize(q);
}

/* The tables are made before the file goes over to WAL, so that the file alone already says what it is. */
static void write_tables(struct store *s)
{
	run_sql(s, "PRAGMA synchronous=OFF");
	run_sql(s, "PRAGMA journal_mode=MEMORY");
	run_sql(s, "BEGIN");
	char sql[80];
	snprintf(sql, sizeof sql, "PRAGMA application_id=%d; PRAGMA user_version=%d", STORE_APPLICATION_ID, STORE_VERSION);
	run_sql(s, sql);
	for (size_t i = 0; i < ARRAY_LEN(tables); i++)
		run_sql(s, tables[i].sql);
	write_lanes(s);
	write_kinds(s);
	write_reasons(s, EVENT_DROP, DROP_COUNT, drop_text);
	write_reasons(s, EVENT_BAD, BAD_COUNT, bad_text);
	s->insert_event = prepare(s, INSERT_EVENT);
	s->insert_events = prepare(s, INSERT_EVENTS);
	s->insert_type = prepare(s, "INSERT INTO types VALUES(?,?)");
	s->insert_meta = prepare(s, "INSERT INTO meta VALUES(?,?) ON CONFLICT(key) DO UPDATE SET value = excluded.value");
	write_pair(s, STORE_STATE, SLICE("running"));
	write_pair(s, STORE_DLAB, SLICE(DLAB_VERSION));
	write_number(s, STORE_NODES, (uint64_t)trace_lanes(s->trace)->nodes);
	write_number(s, STORE_FIRST, (uint64_t)trace_lanes(s->trace)->first);
	run_sql(s, "COMMIT");
	run_sql(s, "PRAGMA journal_mode=WAL");
}

/* Returns 0, or -1 and errno when one is there and stays. */
static int delete_files(const char *path)
{
	static const char *const ends[] = { "", "-wal", "-shm", "-journal" };
	int result = 0;
	for (size_t i = 0; i < ARRAY_LEN(ends) && result == 0; i++) {
		char *name = xasprintf("%s%s", path, ends[i]);
		if (unlink(name) != 0 && errno != ENOENT)
			result = -1;
		free(name);
	}
	return result;
}

static size_t varint_put(unsigned char *out, uint32_t v)
{
	size_t n = 0;
	for (; v >= 0x80; v >>= 7)
		out[n++] = (unsigned char)(v | 0x80);
	out[n++] = (unsigned char)v;
	return n;
}

/* Binds the clock when it is another than at the lane's last event. */
static void bind_clock(struct store *s, sqlite3_stmt *q, int row, const struct event *e, int lane)
{
	uint32_t clock[LANES_MAX];
	int column = row * COLUMNS + C_CLOCK + 1;
	if (lane < 0 || !e->clock || e->clock == s->clock[lane] || !trace_clock(s->trace, e, clock)) {
		sqlite3_bind_null(q, column);
		return;
	}
	s->clock[lane] = e->clock;
	int count = lanes_count(trace_lanes(s->trace));
	while (count > 0 && clock[count - 1] == 0)
		count--;
	size_t n = 0;
	for (int i = 0; i < count; i++)
		n += varint_put(s->clock_text[row] + n, clock[i]);
	sqlite3_bind_blob(q, column, s->clock_text[row], (int)n, SQLITE_STATIC);
}

/* Bodies were checked when they were read; any other text may quote what a process wrote. */
static bool kind_has_body(int kind)
{
	return kind == EVENT_SEND || kind == EVENT_CALL || kind == EVENT_REPLY || kind == EVENT_STATE ||
		kind == EVENT_APPLY;
}

static void bind_event(struct store *s, sqlite3_stmt *q, int row, const struct event *e)
{
	int at = row * COLUMNS, lane = event_lane(e);
	sqlite3_bind_int64(q, at + C_SEQ + 1, (int64_t)e->seq);
	sqlite3_bind_int64(q, at + C_T + 1, e->t_ns);
	sqlite3_bind_int(q, at + C_KIND + 1, e->kind);
	sqlite3_bind_int(q, at + C_WHY + 1, e->why);
	sqlite3_bind_int(q, at + C_SRC + 1, e->src);
	sqlite3_bind_int(q, at + C_DST + 1, e->dst);
	sqlite3_bind_int(q, at + C_LANE + 1, lane);
	sqlite3_bind_int64(q, at + C_MSG + 1, (int64_t)e->msg);
	sqlite3_bind_int64(q, at + C_CAUSE + 1, (int64_t)e->cause);
	sqlite3_bind_int64(q, at + C_ARG + 1, e->arg);
	sqlite3_bind_int(q, at + C_TYPE + 1, e->type);
	sqlite3_bind_int64(q, at + C_TICK + 1, e->tick);
	bind_slice(q, at + C_TEXT, e->text, kind_has_body(e->kind));
	bind_clock(s, q, row, e, lane);
}

/* Writes `rows` events from seq on; returns the highest type among them. */
static uint16_t write_events(struct store *s, sqlite3_stmt *q, uint64_t seq, int rows)
{
	uint16_t type = 0;
	for (int i = 0; i < rows; i++) {
		const struct event *e = trace_at(s->trace, seq + (uint64_t)i);
		bind_event(s, q, i, e);
		if (e->type > type)
			type = e->type;
	}
	step(s, q);
	return type;
}

static void write_types(struct store *s, uint16_t up_to)
{
	while (s->types < up_to && !s->failed) {
		struct slice name = trace_type_name(s->trace, ++s->types);
		sqlite3_bind_int(s->insert_type, 1, s->types);
		bind_slice(s->insert_type, 1, name.s ? name : SLICE(""), false);
		step(s, s->insert_type);
	}
}

/* In a transaction that is open, and by who has using_db: the events after `taken` up to `to`. */
static void write_up_to(struct store *s, uint64_t to)
{
	uint16_t types = s->types;
	for (uint64_t seq = s->taken + 1; seq <= to && !s->failed;) {
		int rows = to - seq + 1 >= ROWS ? ROWS : 1;
		uint16_t type = write_events(s, rows == ROWS ? s->insert_events : s->insert_event, seq, rows);
		if (type > types)
			types = type;
		seq += (uint64_t)rows;
	}
	write_types(s, types);
}

/* One transaction, and a pair of meta in it when there is one. */
static void write_batch(struct store *s, uint64_t to, const char *key, uint64_t number)
{
	pthread_mutex_lock(&s->using_db);
	run_sql(s, "BEGIN");
	write_up_to(s, to);
	if (key)
		write_number(s, key, number);
	if (run_sql(s, "COMMIT") && to > s->taken) /* the other thread may have been further already */
		s->taken = to;
	pthread_mutex_unlock(&s->using_db);
}

static void wait_for_events(struct store *s)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += atomic_load_explicit(&s->latency_ms, memory_order_relaxed) * NS_PER_MS;
	until.tv_sec += until.tv_nsec / NS_PER_S;
	until.tv_nsec %= NS_PER_S;
	pthread_mutex_lock(&s->sleeping);
	s->asleep = true;
	if (s->ending == GOES_ON && trace_published(s->trace) - s->taken < BATCH)
		pthread_cond_timedwait(&s->wake, &s->sleeping, &until);
	s->asleep = false;
	pthread_mutex_unlock(&s->sleeping);
}

static void *writer(void *arg)
{
	struct store *s = arg;
	for (;;) {
		int ending = s->ending; /* before the number of events: after DRAIN there come no more */
		uint64_t to = trace_published(s->trace);
		while (s->taken < to && !s->failed && s->ending != DROP)
			write_batch(s, to - s->taken > BATCH ? s->taken + BATCH : to, NULL, 0);
		if (ending != GOES_ON || s->failed)
			return NULL;
		wait_for_events(s);
	}
}

void store_hurry(struct store *s, int latency_ms)
{
	atomic_store_explicit(&s->latency_ms, latency_ms, memory_order_relaxed);
}

bool store_reached(struct store *s, int64_t now_ns)
{
	write_batch(s, trace_published(s->trace), STORE_REACHED, (uint64_t)now_ns);
	return !s->failed;
}

void store_poke(struct store *s)
{
	if (trace_published(s->trace) - atomic_load_explicit(&s->taken, memory_order_relaxed) < BATCH)
		return;
	if (!atomic_load_explicit(&s->asleep, memory_order_relaxed) || !atomic_exchange(&s->asleep, false))
		return;
	pthread_mutex_lock(&s->sleeping);
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->sleeping);
}

/* Signals are the run's: none is to be delivered to the writer. */
static int start_writer(struct store *s)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int failed = pthread_create(&s->thread, NULL, writer, s);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return failed;
}

static void stop_writer(struct store *s, enum ending ending)
{
	pthread_mutex_lock(&s->sleeping);
	s->ending = (int)ending;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->sleeping);
	pthread_join(s->thread, NULL);
}

static void store_free(struct store *s)
{
	sqlite3_finalize(s->insert_event);
	sqlite3_finalize(s->insert_events);
	sqlite3_finalize(s->insert_type);
	sqlite3_finalize(s->insert_meta);
	sqlite3_close(s->db);
	pthread_mutex_destroy(&s->using_db);
	pthread_mutex_destroy(&s->sleeping);
	pthread_cond_destroy(&s->wake);
	free(s->path);
	free(s);
}

static struct store *store_new(const char *path, const struct trace *trace)
{
	struct store *s = xcalloc(1, sizeof *s);
	s->trace = trace;
	s->latency_ms = LATENCY_MS;
	s->path = plain_path(path);
	pthread_mutex_init(&s->using_db, NULL);
	pthread_mutex_init(&s->sleeping, NULL);
	pthread_condattr_t monotonic;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&s->wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	return s;
}

static void create_file(struct store *s)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
	errno = 0;
	if (sqlite3_open_v2(s->path, &s->db, flags, NULL) != SQLITE_OK) {
		store_failed(s);
		return;
	}
	sqlite3_busy_timeout(s->db, BUSY_MS);
	write_tables(s);
	if (!s->failed && (errno = start_writer(s)) != 0) {
		err_errno(&s->failure, "cannot start a thread to write %s", s->path);
		s->failed = true;
	}
}

static void free_and_delete(struct store *s)
{
	char *path = xstrdup(s->path);
	store_free(s);
	delete_files(path);
	free(path);
}

struct store *store_create(const char *path, const struct trace *trace, struct err *err)
{
	struct store *s = store_new(path, trace);
	if (delete_files(s->path) != 0) {
		err_errno(err, "cannot replace %s", path);
		store_free(s);
		return NULL;
	}
	create_file(s);
	if (!s->failed)
		return s;
	*err = s->failure;
	free_and_delete(s);
	return NULL;
}

void store_describe(struct store *s, const struct store_pair *pairs, size_t n)
{
	pthread_mutex_lock(&s->using_db);
	run_sql(s, "BEGIN");
	write_pairs(s, pairs, n);
	run_sql(s, "COMMIT");
	pthread_mutex_unlock(&s->using_db);
}

static void write_op(struct store *s, sqlite3_stmt *q, size_t n, const struct op *op)
{
	const int64_t numbers[] = {
		[O_N] = (int64_t)n, [O_CLIENT] = op->client, [O_NODE] = op->node, [O_FINAL] = op->final,
		[O_SHRINKABLE] = op->shrinkable, [O_STATUS] = op->status, [O_CODE] = op->code, [O_ORDINAL] = op->ordinal,
		[O_KEY] = op->key, [O_VALUE] = op->value, [O_EXTRA] = op->extra, [O_RESULT] = op->result,
		[O_CALL_NS] = op->call_ns, [O_RETURN_NS] = op->return_ns, [O_CALL_SEQ] = (int64_t)op->call_seq,
		[O_RETURN_SEQ] = (int64_t)op->return_seq,
	};
	for (int i = 0; i <= O_RETURN_SEQ; i++)
		sqlite3_bind_int64(q, i + 1, numbers[i]);
	bind_cstr(q, O_F, op->f ? op->f : "");
	bind_slice(q, O_REQUEST, op->request, false);
	bind_slice(q, O_ANSWER, op->answer, false);
	step(s, q);
}

static void write_history(struct store *s, const struct history *h)
{
	sqlite3_stmt *q = prepare(s, INSERT_OP);
	for (size_t i = 0; h && i < history_count(h) && !s->failed; i++)
		write_op(s, q, i + 1, history_at(h, i));
	sqlite3_finalize(q);
}

static void write_evidence(struct store *s, const struct store_meta *meta)
{
	sqlite3_stmt *q = prepare(s, "INSERT INTO evidence VALUES(?,?)");
	for (size_t i = 0; i < meta->evidence_n && !s->failed; i++) {
		sqlite3_bind_int64(q, 1, (int64_t)i + 1);
		sqlite3_bind_int64(q, 2, (int64_t)meta->evidence[i]);
		step(s, q);
	}
	sqlite3_finalize(q);
}

/* Leaves one file. MEMORY ends WAL mode as DELETE would, but needs no journal beside the file: a SIGKILL in between
 * leaves nothing that a reader would have to roll back. A reader of this moment keeps the file in WAL mode. */
static void leave_one_file(struct store *s)
{
	run_sql(s, "PRAGMA wal_checkpoint(TRUNCATE)");
	if (s->failed)
		return;
	int code = sqlite3_exec(s->db, "PRAGMA journal_mode=MEMORY", NULL, NULL, NULL);
	if (code != SQLITE_OK && (code & 0xff) != SQLITE_BUSY)
		store_failed(s);
}

static void write_end(struct store *s, const struct store_meta *meta)
{
	run_sql(s, "BEGIN");
	write_history(s, meta->history);
	write_evidence(s, meta);
	write_pairs(s, meta->pairs, meta->pairs_n);
	write_number(s, STORE_EVENTS, s->taken);
	write_hash(s, STORE_TRACE_HASH, trace_hash(s->trace));
	run_sql(s, INDEX_SQL);
	write_pair(s, STORE_STATE, SLICE("finished"));
	run_sql(s, "COMMIT");
	leave_one_file(s);
}

int store_finish(struct store *s, const struct store_meta *meta, struct err *err)
{
	stop_writer(s, DRAIN);
	if (!s->failed)
		write_end(s, meta);
	int result = s->failed ? -1 : 0;
	if (s->failed)
		err_set(err, "%.700s; it holds the first %llu of %llu events", s->failure.text, (unsigned long long)s->taken,
			(unsigned long long)trace_count(s->trace));
	store_free(s);
	return result;
}

void store_abandon(struct store *s)
{
	if (!s)
		return;
	stop_writer(s, DROP);
	free_and_delete(s);
}

/* --- the reader --- */

struct store_run {
	sqlite3 *db;        /* owned */
	char *path;         /* owned; as the caller wrote it */
	struct arena arena; /* values that were asked for */
	struct lanes lanes;
};

static int damaged(const struct store_run *r, struct err *err, const char *fmt, ...) PRINTF_LIKE(3, 4);
static int damaged(const struct store_run *r, struct err *err, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof err->text, fmt, ap);
	va_end(ap);
	return err_wrap(err, "%s is damaged", r->path);
}

static int read_failed(const struct store_run *r, struct err *err)
{
	switch (sqlite3_errcode(r->db)) {
	case SQLITE_NOTADB:
		return err_set(err, "%s is not a dlab run file", r->path);
	case SQLITE_CORRUPT:
		return damaged(r, err, "%s", sqlite3_errmsg(r->db));
	default:
		return err_set(err, "cannot read %s: %s", r->path, sqlite3_errmsg(r->db));
	}
}

static sqlite3_stmt *query(const struct store_run *r, const char *sql, struct err *err)
{
	sqlite3_stmt *q = NULL;
	if (sqlite3_prepare_v2(r->db, sql, -1, &q, NULL) != SQLITE_OK)
		read_failed(r, err);
	return q;
}

/* The first column of the first row as a number; `otherwise` when there is no row. -1 and an error on failure. */
static int query_number(const struct store_run *r, const char *sql, int64_t otherwise, int64_t *out, struct err *err)
{
	sqlite3_stmt *q = query(r, sql, err);
	if (!q)
		return -1;
	int code = sqlite3_step(q);
	*out = code == SQLITE_ROW ? sqlite3_column_int64(q, 0) : otherwise;
	if (code != SQLITE_ROW && code != SQLITE_DONE)
		read_failed(r, err);
	sqlite3_finalize(q);
	return code == SQLITE_ROW || code == SQLITE_DONE ? 0 : -1;
}

/* Borrowed until the next step. */
static struct slice column_slice(sqlite3_stmt *q, int column)
{
	const void *s = sqlite3_column_type(q, column) == SQLITE_BLOB ? sqlite3_column_blob(q, column)
								       : sqlite3_column_text(q, column);
	return (struct slice){ s, s ? (size_t)sqlite3_column_bytes(q, column) : 0 };
}

static int check_versions(const struct store_run *r, struct err *err)
{
	int64_t id, version;
	if (query_number(r, "PRAGMA application_id", 0, &id, err) || query_number(r, "PRAGMA user_version", 0, &version, err))
		return -1;
	if (id != STORE_APPLICATION_ID)
		return err_set(err, "%s is not a dlab run file", r->path);
	if (version > STORE_VERSION)
		return err_set(err, "%s was written by a newer dlab (version %lld of the file; this dlab reads %d)", r->path,
			(long long)version, STORE_VERSION);
	if (version != STORE_VERSION)
		return damaged(r, err, "version %lld of the file is unknown", (long long)version);
	return 0;
}

/* Only the tables that dlab makes: no view or generated column can stand in for one. */
static int check_schema(const struct store_run *r, struct err *err)
{
	sqlite3_stmt *q = query(r, "SELECT sql FROM sqlite_schema WHERE name = ?1", err);
	if (!q)
		return -1;
	int result = 0;
	for (size_t i = 0; i < ARRAY_LEN(tables) && result == 0; i++) {
		if (!tables[i].read)
			continue;
		bind_cstr(q, 0, tables[i].name);
		int code = sqlite3_step(q);
		if (code != SQLITE_ROW && code != SQLITE_DONE)
			result = read_failed(r, err);
		else if (code == SQLITE_DONE || !slice_is(column_slice(q, 0), tables[i].sql))
			result = damaged(r, err, "its table \"%s\" is not dlab's", tables[i].name);
		sqlite3_reset(q);
	}
	sqlite3_finalize(q);
	return result;
}

static int read_lanes(struct store_run *r, struct err *err)
{
	int64_t nodes, first;
	if (!slice_int(store_meta_get(r, STORE_NODES), &nodes) || nodes < 1 || nodes > NODES_MAX)
		return damaged(r, err, "it does not say how many nodes there were");
	if (!slice_int(store_meta_get(r, STORE_FIRST), &first) || first < 0 || first > 1)
		return damaged(r, err, "it does not say how the nodes were numbered");
	lanes_init(&r->lanes, (int)nodes, (int)first);
	return 0;
}

static int open_db(struct store_run *r, struct err *err)
{
	struct stat st;
	if (stat(r->path, &st) != 0)
		return err_errno(err, "cannot open %s", r->path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, "%s is not a dlab run file: it is not a plain file", r->path);
	char *path = plain_path(r->path);
	int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX;
	int code = sqlite3_open_v2(path, &r->db, flags, NULL);
	free(path);
	if (code != SQLITE_OK)
		return read_failed(r, err);
	sqlite3_busy_timeout(r->db, BUSY_MS);
	sqlite3_limit(r->db, SQLITE_LIMIT_LENGTH, 2 * TEXT_LIMIT);
	sqlite3_db_config(r->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(r->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_exec(r->db, "PRAGMA cell_size_check=ON", NULL, NULL, NULL);
	return 0;
}

struct store_run *store_open(const char *path, struct err *err)
{
	struct store_run *r = xcalloc(1, sizeof *r);
	r->path = xstrdup(path);
	arena_init(&r->arena);
	if (open_db(r, err) || check_versions(r, err) || check_schema(r, err) || read_lanes(r, err)) {
		store_close(r);
		return NULL;
	}
	return r;
}

void store_close(struct store_run *r)
{
	if (!r)
		return;
	sqlite3_close(r->db);
	arena_done(&r->arena);
	free(r->path);
	free(r);
}

/* The first column of the row that sql finds for what was bound; without s when there is none. */
static struct slice lookup(struct store_run *r, sqlite3_stmt *q)
{
	struct slice found = SLICE_NONE;
	if (sqlite3_step(q) == SQLITE_ROW) {
		struct slice s = column_slice(q, 0);
		if (s.n <= TEXT_LIMIT)
			found = arena_copy(&r->arena, s);
	}
	sqlite3_finalize(q);
	return found;
}

struct slice store_meta_get(struct store_run *r, const char *key)
{
	struct err ignored;
	sqlite3_stmt *q = query(r, "SELECT value FROM meta WHERE key = ?1", &ignored);
	if (!q)
		return SLICE_NONE;
	bind_cstr(q, 0, key);
	return lookup(r, q);
}

struct slice store_type(struct store_run *r, uint16_t type)
{
	struct err ignored;
	sqlite3_stmt *q = query(r, "SELECT name FROM types WHERE id = ?1", &ignored);
	if (!q)
		return SLICE("");
	sqlite3_bind_int(q, 1, type);
	struct slice name = lookup(r, q);
	return name.s ? name : SLICE("");
}

const struct lanes *store_lanes(const struct store_run *r)
{
	return &r->lanes;
}

uint64_t store_events(struct store_run *r)
{
	struct err ignored;
	int64_t n;
	if (query_number(r, "SELECT max(seq) FROM events", 0, &n, &ignored) != 0 || n < 0)
		return 0;
	return (uint64_t)n;
}

int64_t store_reached_ns(const struct store_run *r)
{
	struct err ignored;
	int64_t t;
	if (query_number(r, "SELECT CAST(value AS INTEGER) FROM meta WHERE key = '" STORE_REACHED "'", -1, &t, &ignored) != 0)
		return -1;
	return t >= 0 && t <= TIME_LIMIT ? t : -1;
}

size_t store_evidence(struct store_run *r, uint64_t *out, size_t max)
{
	struct err ignored;
	sqlite3_stmt *q = query(r, "SELECT seq FROM evidence ORDER BY n", &ignored);
	size_t n = 0;
	while (q && n < max && sqlite3_step(q) == SQLITE_ROW)
		out[n++] = (uint64_t)sqlite3_column_int64(q, 0);
	sqlite3_finalize(q);
	return n;
}

/* --- rows, checked --- */

struct range {
	const char *name;
	int column;
	int64_t low, high;
};

/* Says which column of row `n` of a table is out of range; 0 when none is. */
static int check_ranges(const struct store_run *r, sqlite3_stmt *q, const struct range *ranges, size_t n, const char *what,
	struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		int64_t v = sqlite3_column_int64(q, ranges[i].column);
		if (v < ranges[i].low || v > ranges[i].high)
			return damaged(r, err, "%s %lld has %s %lld", what, (long long)sqlite3_column_int64(q, 0), ranges[i].name,
				(long long)v);
	}
	return 0;
}

static int check_text(const struct store_run *r, sqlite3_stmt *q, int column, const char *what, struct err *err)
{
	int n = sqlite3_column_bytes(q, column);
	if (n > TEXT_LIMIT)
		return damaged(r, err, "%s %lld has a text of %d bytes", what, (long long)sqlite3_column_int64(q, 0), n);
	return 0;
}

static int check_event(const struct store_run *r, sqlite3_stmt *q, struct err *err)
{
	int64_t seq = sqlite3_column_int64(q, C_SEQ), lanes = lanes_count(&r->lanes);
	int64_t kind = sqlite3_column_int64(q, C_KIND);
	bool both_ends = kind == EVENT_CALL || kind == EVENT_REPLY;
	int64_t lane_low = both_ends ? 0 : LANE_UNKNOWN;
	const struct range ranges[] = {
		{ "number", C_SEQ, 1, (int64_t)EVENTS_LIMIT },
		{ "time", C_T, 0, TIME_LIMIT },
		{ "kind", C_KIND, 0, EVENT_KIND_COUNT - 1 },
		{ "reason", C_WHY, 0, kind == EVENT_DROP ? DROP_COUNT - 1 : kind == EVENT_BAD ? BAD_COUNT - 1 : UINT8_MAX },
		{ "source", C_SRC, lane_low, lanes - 1 },
		{ "destination", C_DST, lane_low, lanes - 1 },
		{ "message", C_MSG, 0, seq + MSG_AHEAD },
		{ "cause", C_CAUSE, 0, seq - 1 },
		{ "type", C_TYPE, 0, TYPES_MAX - 1 },
		{ "tick", C_TICK, 0, UINT32_MAX },
	};
	int result = check_ranges(r, q, ranges, ARRAY_LEN(ranges), "event", err);
	return result ? result : check_text(r, q, C_TEXT, "event", err);
}

/* The row as an event; its text is borrowed until the next step. */
static int read_event(const struct store_run *r, sqlite3_stmt *q, struct event *e, struct err *err)
{
	if (check_event(r, q, err))
		return -1;
	*e = (struct event){
		.seq = (uint64_t)sqlite3_column_int64(q, C_SEQ),
		.t_ns = sqlite3_column_int64(q, C_T),
		.msg = (uint64_t)sqlite3_column_int64(q, C_MSG),
		.cause = (uint64_t)sqlite3_column_int64(q, C_CAUSE),
		.arg = sqlite3_column_int64(q, C_ARG),
		.text = column_slice(q, C_TEXT),
		.tick = (uint32_t)sqlite3_column_int64(q, C_TICK),
		.type = (uint16_t)sqlite3_column_int(q, C_TYPE),
		.kind = (uint8_t)sqlite3_column_int(q, C_KIND),
		.why = (uint8_t)sqlite3_column_int(q, C_WHY),
		.src = (int16_t)sqlite3_column_int(q, C_SRC),
		.dst = (int16_t)sqlite3_column_int(q, C_DST),
	};
	return 0;
}

int store_page(struct store_run *r, uint64_t from, struct event *out, int n, struct arena *arena, struct err *err)
{
	sqlite3_stmt *q = query(r, "SELECT * FROM events WHERE seq >= ?1 ORDER BY seq LIMIT ?2", err);
	if (!q)
		return -1;
	sqlite3_bind_int64(q, 1, from > EVENTS_LIMIT ? (int64_t)EVENTS_LIMIT + 1 : (int64_t)from);
	sqlite3_bind_int(q, 2, n);
	int got = 0, code = SQLITE_DONE;
	while (got < n && (code = sqlite3_step(q)) == SQLITE_ROW) {
		struct event *e = &out[got];
		if (read_event(r, q, e, err)) {
			sqlite3_finalize(q);
			return -1;
		}
		e->text = e->text.n ? arena_copy(arena, e->text) : SLICE_NONE;
		got++;
	}
	if (code != SQLITE_ROW && code != SQLITE_DONE)
		got = read_failed(r, err);
	sqlite3_finalize(q);
	return got;
}

/* False when the bytes are no such numbers. */
static bool clock_decode(struct slice bytes, uint32_t *out, int count)
{
	size_t at = 0;
	for (int i = 0; i < count; i++) {
		uint64_t v = 0;
		unsigned shift = 0;
		while (at < bytes.n) {
			unsigned char c = (unsigned char)bytes.s[at++];
			v |= (uint64_t)(c & 0x7f) << shift;
			shift += 7;
			if (c < 0x80)
				break;
			if (shift == 7 * VARINT_MAX)
				return false;
		}
		out[i] = (uint32_t)v;
	}
	return at == bytes.n;
}

bool store_clock(struct store_run *r, const struct event *e, uint32_t *out)
{
	int count = lanes_count(&r->lanes), lane = event_lane(e);
	if (e->tick == 0 || lane < 0 || lane >= count)
		return false;
	struct err ignored;
	sqlite3_stmt *q = query(r, "SELECT clock FROM events WHERE lane = ?1 AND t <= ?2 AND seq <= ?3 AND clock IS NOT NULL "
		"ORDER BY t DESC, seq DESC LIMIT 1", &ignored);
	if (!q)
		return false;
	sqlite3_bind_int(q, 1, lane);
	sqlite3_bind_int64(q, 2, e->t_ns);
	sqlite3_bind_int64(q, 3, (int64_t)e->seq);
	int code = sqlite3_step(q); /* no row: the lane has heard of nobody yet */
	bool good = clock_decode(code == SQLITE_ROW ? column_slice(q, 0) : SLICE_NONE, out, count);
	sqlite3_finalize(q);
	out[lane] = e->tick;
	return good && (code == SQLITE_ROW || code == SQLITE_DONE);
}

/* --- a whole run --- */

struct loading {
	const struct store_run *r; /* borrowed */
	struct store_loaded *to;   /* borrowed */
	uint64_t text_left;        /* bytes of text that the file can hold: more is a forgery */
	uint16_t type[TYPES_MAX];  /* the trace's number of each type of the file */
	struct err *err;
};

static uint64_t file_size(const char *path, const char *end)
{
	char *name = xasprintf("%s%s", path, end);
	struct stat st;
	uint64_t n = stat(name, &st) == 0 ? (uint64_t)st.st_size : 0;
	free(name);
	return n;
}

static int load_text(struct loading *l, struct slice from, struct slice *to)
{
	*to = SLICE_NONE;
	if (from.n == 0)
		return 0;
	if (from.n > l->text_left)
		return damaged(l->r, l->err, "it has more text than bytes");
	l->text_left -= from.n;
	*to = arena_copy(&l->to->arena, from);
	return 0;
}

static int load_type(struct loading *l, sqlite3_stmt *q, uint64_t n)
{
	if (n >= TYPES_MAX)
		return damaged(l->r, l->err, "it has more than %d types", TYPES_MAX - 1);
	struct slice name = column_slice(q, 1), copy;
	if (name.n > TEXT_LIMIT || load_text(l, name, &copy))
		return damaged(l->r, l->err, "type %llu is too long", (unsigned long long)n);
	l->type[n] = trace_type(l->to->trace, copy.s ? copy : SLICE(""));
	return 0;
}

static int load_event(struct loading *l, sqlite3_stmt *q, uint64_t n)
{
	(void)n;
	struct event e;
	if (read_event(l->r, q, &e, l->err) || load_text(l, e.text, &e.text))
		return -1;
	e.type = l->type[e.type];
	e.clock = NULL;
	trace_append(l->to->trace, &e);
	return 0;
}

static int check_op(struct loading *l, sqlite3_stmt *q)
{
	int64_t events = (int64_t)trace_count(l->to->trace);
	const struct range ranges[] = {
		{ "client", O_CLIENT, 0, CLIENTS_MAX - 1 },
		{ "node", O_NODE, 0, l->to->lanes.nodes - 1 },
		{ "status", O_STATUS, OP_PENDING, OP_SKIPPED },
		{ "code", O_CODE, INT16_MIN, INT16_MAX },
		{ "ordinal", O_ORDINAL, 0, UINT32_MAX },
		{ "call", O_CALL_NS, 0, TIME_LIMIT },
		{ "return", O_RETURN_NS, 0, sqlite3_column_int64(q, O_RETURN_NS) == INT64_MAX ? INT64_MAX : TIME_LIMIT },
		{ "call event", O_CALL_SEQ, 0, events },
		{ "return event", O_RETURN_SEQ, 0, events },
	};
	static const int texts[] = { O_F, O_REQUEST, O_ANSWER };
	if (check_ranges(l->r, q, ranges, ARRAY_LEN(ranges), "operation", l->err))
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (check_text(l->r, q, texts[i], "operation", l->err))
			return -1;
	return 0;
}

static int load_op(struct loading *l, sqlite3_stmt *q, uint64_t n)
{
	(void)n;
	struct slice f, request, answer;
	if (check_op(l, q) || load_text(l, column_slice(q, O_F), &f) || load_text(l, column_slice(q, O_REQUEST), &request) ||
	    load_text(l, column_slice(q, O_ANSWER), &answer))
		return -1;
	*history_add(l->to->history) = (struct op){
		.f = f.s ? f.s : "",
		.client = sqlite3_column_int(q, O_CLIENT),
		.node = sqlite3_column_int(q, O_NODE),
		.final = sqlite3_column_int(q, O_FINAL) != 0,
		.shrinkable = sqlite3_column_int(q, O_SHRINKABLE) != 0,
		.status = (uint8_t)sqlite3_column_int(q, O_STATUS),
		.code = (int16_t)sqlite3_column_int(q, O_CODE),
		.ordinal = (uint32_t)sqlite3_column_int64(q, O_ORDINAL),
		.key = sqlite3_column_int64(q, O_KEY),
		.value = sqlite3_column_int64(q, O_VALUE),
		.extra = sqlite3_column_int64(q, O_EXTRA),
		.result = sqlite3_column_int64(q, O_RESULT),
		.request = request,
		.answer = answer,
		.call_ns = sqlite3_column_int64(q, O_CALL_NS),
		.return_ns = sqlite3_column_int64(q, O_RETURN_NS),
		.call_seq = (uint64_t)sqlite3_column_int64(q, O_CALL_SEQ),
		.return_seq = (uint64_t)sqlite3_column_int64(q, O_RETURN_SEQ),
	};
	return 0;
}

/* Rows are numbered from 1 without a gap: then a damaged tree of pages cannot show the same ones for ever. */
static int load_table(struct loading *l, const char *table, const char *sql, int (*load)(struct loading *, sqlite3_stmt *, uint64_t))
{
	sqlite3_stmt *q = query(l->r, sql, l->err);
	if (!q)
		return -1;
	int result = 0, code = SQLITE_DONE;
	for (uint64_t n = 1; result == 0 && (code = sqlite3_step(q)) == SQLITE_ROW; n++) {
		if (sqlite3_column_int64(q, 0) != (int64_t)n)
			result = damaged(l->r, l->err, "row %llu of %s is missing", (unsigned long long)n, table);
		else
			result = load(l, q, n);
	}
	if (result == 0 && code != SQLITE_DONE)
		result = read_failed(l->r, l->err);
	sqlite3_finalize(q);
	return result;
}

int store_load(struct store_run *r, struct store_loaded *to, struct err *err)
{
	struct loading *l = xcalloc(1, sizeof *l);
	*l = (struct loading){ .r = r, .to = to, .err = err };
	arena_init(&to->arena);
	to->lanes = r->lanes;
	to->trace = trace_new(&to->arena, &to->lanes);
	to->history = history_new(&to->arena);
	/* The first query fixes the moment of a file that may be growing; its size is taken after that. Text that is
	 * kept as UTF-16 can become half as long again. */
	sqlite3_exec(r->db, "BEGIN", NULL, NULL, NULL);
	store_events(r);
	l->text_left = 2 * (file_size(r->path, "") + file_size(r->path, "-wal"));
	int result = load_table(l, "types", "SELECT * FROM types ORDER BY id", load_type);
	if (result == 0)
		result = load_table(l, "events", "SELECT * FROM events ORDER BY seq", load_event);
	if (result == 0)
		result = load_table(l, "ops", "SELECT * FROM ops ORDER BY n", load_op);
	sqlite3_exec(r->db, "COMMIT", NULL, NULL, NULL);
	free(l);
	if (result)
		store_loaded_done(to);
	return result;
}

void store_loaded_done(struct store_loaded *l)
{
	trace_free(l->trace);
	history_free(l->history);
	arena_done(&l->arena);
}
