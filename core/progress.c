#include "progress.h"

#include <errno.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { APPLICATION_ID = 0x646c7067, VERSION = 1, BUSY_MS = 20000 };

/* A rollback journal, not WAL: several processes can make the file at the same moment, and it stays one file. */
static const char CREATE[] =
	"CREATE TABLE tests(lab TEXT NOT NULL, test TEXT NOT NULL, attempts INTEGER NOT NULL, passes INTEGER NOT NULL, "
	"first_pass INTEGER NOT NULL, last_verdict TEXT NOT NULL, last_rule TEXT NOT NULL, last_seed INTEGER NOT NULL, "
	"last_time INTEGER NOT NULL, PRIMARY KEY(lab, test)) WITHOUT ROWID;"
	"PRAGMA application_id=1684828263; PRAGMA user_version=1;";
static_assert(APPLICATION_ID == 1684828263 && VERSION == 1, "CREATE has the same numbers");

static const char RECORD[] =
	"INSERT INTO tests VALUES(?1, ?2, 1, ?3, CASE WHEN ?3 THEN ?4 ELSE 0 END, ?5, ?6, ?7, ?4) "
	"ON CONFLICT DO UPDATE SET attempts = attempts + 1, passes = passes + excluded.passes, "
	"first_pass = CASE WHEN passes > 0 THEN first_pass ELSE excluded.first_pass END, "
	"last_verdict = excluded.last_verdict, last_rule = excluded.last_rule, last_seed = excluded.last_seed, "
	"last_time = excluded.last_time";

#define COLUMNS "lab, test, attempts, passes, first_pass, last_verdict, last_rule, last_seed, last_time"

struct progress {
	sqlite3 *db; /* owned */
	char *path;  /* owned */
};

static int failed(const struct progress *p, struct err *err)
{
	switch (sqlite3_errcode(p->db)) {
	case SQLITE_NOTADB:
		return err_set(err, "%s is not dlab's record of progress; move it away to start a new one", p->path);
	case SQLITE_CORRUPT:
		return err_set(err, "%s is damaged (%s); move it away to start a new one", p->path, sqlite3_errmsg(p->db));
	case SQLITE_BUSY:
		return err_set(err, "%s is kept busy by another program", p->path);
	default:
		return err_set(err, "cannot use %s: %s", p->path, sqlite3_errmsg(p->db));
	}
}

static int run_sql(const struct progress *p, const char *sql, struct err *err)
{
	return sqlite3_exec(p->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : failed(p, err);
}

static int pragma(const struct progress *p, const char *sql, int64_t *out, struct err *err)
{
	sqlite3_stmt *q = NULL;
	if (sqlite3_prepare_v2(p->db, sql, -1, &q, NULL) != SQLITE_OK || sqlite3_step(q) != SQLITE_ROW) {
		failed(p, err);
		sqlite3_finalize(q);
		return -1;
	}
	*out = sqlite3_column_int64(q, 0);
	sqlite3_finalize(q);
	return 0;
}

/* Within a transaction, so that only one process makes the table. */
static int make_table(const struct progress *p, struct err *err)
{
	int64_t id, version, pages;
	if (pragma(p, "PRAGMA application_id", &id, err) || pragma(p, "PRAGMA user_version", &version, err) ||
	    pragma(p, "SELECT count(*) FROM sqlite_schema", &pages, err))
		return -1;
	if (id == 0 && version == 0 && pages == 0)
		return run_sql(p, CREATE, err);
	if (id != APPLICATION_ID)
		return err_set(err, "%s is not dlab's record of progress; move it away to start a new one", p->path);
	if (version != VERSION)
		return err_set(err, "%s was written by another version of dlab (version %lld of the file; this dlab knows %d)",
			p->path, (long long)version, VERSION);
	return 0;
}

/* Ends the transaction that began with BEGIN. */
static int transaction_end(const struct progress *p, int result, struct err *err)
{
	if (result == 0)
		result = run_sql(p, "COMMIT", err);
	if (result != 0 && !sqlite3_get_autocommit(p->db))
		sqlite3_exec(p->db, "ROLLBACK", NULL, NULL, NULL);
	return result;
}

static int open_db(struct progress *p, struct err *err)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
	if (sqlite3_open_v2(p->path, &p->db, flags, NULL) != SQLITE_OK)
		return failed(p, err);
	sqlite3_busy_timeout(p->db, BUSY_MS);
	sqlite3_db_config(p->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	if (run_sql(p, "PRAGMA synchronous=NORMAL", err) || run_sql(p, "BEGIN IMMEDIATE", err))
		return -1;
	return transaction_end(p, make_table(p, err), err);
}

struct progress *progress_open(const char *dir, struct err *err)
{
	if (mkdir(dir, 0777) != 0 && errno != EEXIST) {
		err_errno(err, "cannot make the folder %s", dir);
		return NULL;
	}
	struct progress *p = xcalloc(1, sizeof *p);
	/* "./": SQLite would read a path that begins with "file:" as an address. */
	p->path = xasprintf("%s%s/progress.db", dir[0] == '/' ? "" : "./", dir);
	if (open_db(p, err) == 0)
		return p;
	progress_close(p);
	return NULL;
}

void progress_close(struct progress *p)
{
	if (!p)
		return;
	sqlite3_close(p->db);
	free(p->path);
	free(p);
}

static void bind_text(sqlite3_stmt *q, int at, const char *text)
{
	sqlite3_bind_text(q, at, text ? text : "", -1, SQLITE_STATIC);
}

static int record(const struct progress *p, sqlite3_stmt *q, const struct progress_result *r, struct err *err)
{
	bind_text(q, 1, r->lab);
	bind_text(q, 2, r->test);
	sqlite3_bind_int(q, 3, r->passed);
	sqlite3_bind_int64(q, 4, r->time_s);
	bind_text(q, 5, r->verdict);
	bind_text(q, 6, r->rule);
	sqlite3_bind_int64(q, 7, (int64_t)r->seed);
	int result = sqlite3_step(q) == SQLITE_DONE ? 0 : failed(p, err);
	sqlite3_reset(q);
	return result;
}

int progress_record(struct progress *p, const struct progress_result *results, size_t n, struct err *err)
{
	sqlite3_stmt *q = NULL;
	if (sqlite3_prepare_v2(p->db, RECORD, -1, &q, NULL) != SQLITE_OK)
		return failed(p, err);
	int result = run_sql(p, "BEGIN IMMEDIATE", err);
	if (result == 0) {
		for (size_t i = 0; i < n && result == 0; i++)
			result = record(p, q, &results[i], err);
		sqlite3_reset(q);
		result = transaction_end(p, result, err);
	}
	sqlite3_finalize(q);
	return result;
}

static const char *column_text(sqlite3_stmt *q, int column, struct arena *a)
{
	const unsigned char *s = sqlite3_column_text(q, column);
	return arena_copy(a, slice_of(s ? (const char *)s : "")).s;
}

static void read_row(sqlite3_stmt *q, struct arena *a, struct progress_row *row)
{
	*row = (struct progress_row){
		.lab = column_text(q, 0, a),
		.test = column_text(q, 1, a),
		.attempts = sqlite3_column_int64(q, 2),
		.passes = sqlite3_column_int64(q, 3),
		.first_pass_s = sqlite3_column_int64(q, 4),
		.last_verdict = column_text(q, 5, a),
		.last_rule = column_text(q, 6, a),
		.last_seed = (uint64_t)sqlite3_column_int64(q, 7),
		.last_time_s = sqlite3_column_int64(q, 8),
	};
}

static sqlite3_stmt *find(const struct progress *p, const char *sql, const char *lab, struct err *err)
{
	sqlite3_stmt *q = NULL;
	if (sqlite3_prepare_v2(p->db, sql, -1, &q, NULL) != SQLITE_OK)
		failed(p, err);
	else if (lab)
		bind_text(q, 1, lab);
	return q;
}

int progress_find(struct progress *p, const char *lab, const char *test, struct arena *a, struct progress_row *row,
	struct err *err)
{
	sqlite3_stmt *q = find(p, "SELECT " COLUMNS " FROM tests WHERE lab = ?1 AND test = ?2", lab, err);
	if (!q)
		return -1;
	bind_text(q, 2, test);
	int code = sqlite3_step(q), result = code == SQLITE_ROW;
	if (code == SQLITE_ROW)
		read_row(q, a, row);
	else if (code != SQLITE_DONE)
		result = failed(p, err);
	sqlite3_finalize(q);
	return result;
}

int progress_list(struct progress *p, struct arena *a, struct progress_row **out, struct err *err)
{
	sqlite3_stmt *q = find(p, "SELECT " COLUMNS " FROM tests ORDER BY lab, test", NULL, err);
	if (!q)
		return -1;
	struct buf rows = BUF_EMPTY;
	int n = 0, code;
	while ((code = sqlite3_step(q)) == SQLITE_ROW && n < INT_MAX) {
		struct progress_row row;
		read_row(q, a, &row);
		buf_add(&rows, &row, sizeof row);
		n++;
	}
	if (code != SQLITE_DONE)
		n = failed(p, err);
	*out = NULL;
	if (rows.n > 0)
		*out = memcpy(arena_alloc(a, rows.n), rows.s, rows.n);
	buf_done(&rows);
	sqlite3_finalize(q);
	return n;
}

static unsigned points_of(const struct lab *lab, const char *test)
{
	for (const struct test *t = lab->tests; t->id; t++)
		if (strcmp(t->id, test) == 0)
			return t->points;
	return 0;
}

int progress_lab_points(struct progress *p, const struct lab *lab, struct err *err)
{
	sqlite3_stmt *q = find(p, "SELECT test FROM tests WHERE lab = ?1 AND passes > 0", lab->id, err);
	if (!q)
		return -1;
	unsigned points = 0;
	int code;
	while ((code = sqlite3_step(q)) == SQLITE_ROW) {
		const unsigned char *test = sqlite3_column_text(q, 0);
		points += points_of(lab, test ? (const char *)test : "");
	}
	int result = code == SQLITE_DONE ? (int)points : failed(p, err);
	sqlite3_finalize(q);
	return result;
}
