/* The record of progress: what counts, and that many writers at a time lose nothing. */
#include "progress.h"

#include <setjmp.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const struct test echo_tests[] = {
	{ .id = "one-node", .points = 30 },
	{ .id = "many", .points = 50 },
	{ .id = "slow", .points = 20 },
	{ 0 },
};
static const struct lab echo = { .id = "echo", .title = "Echo", .tests = echo_tests };

static struct progress *open_progress(const char *dir)
{
	struct err err = { "" };
	struct progress *p = progress_open(dir, &err);
	if (!p)
		fail_msg("%s", err.text);
	return p;
}

static void record(struct progress *p, const char *lab, const char *test, bool passed, uint64_t seed, int64_t time_s)
{
	struct err err = { "" };
	struct progress_result r = { .lab = lab, .test = test, .verdict = passed ? "PASS" : "FAIL",
		.rule = passed ? NULL : "every node has every value", .passed = passed, .seed = seed, .time_s = time_s };
	if (progress_record(p, &r, 1, &err) != 0)
		fail_msg("%s", err.text);
}

static int points(struct progress *p)
{
	struct err err = { "" };
	int n = progress_lab_points(p, &echo, &err);
	if (n < 0)
		fail_msg("%s", err.text);
	return n;
}

static void test_counts(void **state)
{
	(void)state;
	struct arena a;
	struct err err;
	struct progress_row row;
	struct progress *p = open_progress("counts");
	arena_init(&a);
	assert_int_equal(points(p), 0);
	assert_int_equal(progress_find(p, "echo", "many", &a, &row, &err), 0);
	record(p, "echo", "many", false, 1, 100);
	assert_int_equal(points(p), 0);
	record(p, "echo", "many", true, 2, 200);
	assert_int_equal(points(p), 50);
	record(p, "echo", "many", true, 3, 300);
	record(p, "echo", "many", false, UINT64_MAX, 400); /* passed once, passed for good */
	record(p, "echo", "one-node", true, 5, 500);
	record(p, "echo", "a test of long ago", true, 5, 500);
	record(p, "other", "slow", true, 5, 500);
	assert_int_equal(points(p), 80);

	progress_close(p);
	p = open_progress("counts"); /* it was kept */
	assert_int_equal(progress_find(p, "echo", "many", &a, &row, &err), 1);
	assert_string_equal(row.lab, "echo");
	assert_string_equal(row.test, "many");
	assert_int_equal(row.attempts, 4);
	assert_int_equal(row.passes, 2);
	assert_int_equal(row.first_pass_s, 200);
	assert_string_equal(row.last_verdict, "FAIL");
	assert_string_equal(row.last_rule, "every node has every value");
	assert_true(row.last_seed == UINT64_MAX);
	assert_int_equal(row.last_time_s, 400);
	assert_int_equal(progress_find(p, "echo", "one-node", &a, &row, &err), 1);
	assert_string_equal(row.last_rule, "");
	progress_close(p);
	arena_done(&a);
}

static void test_list(void **state)
{
	(void)state;
	struct arena a;
	struct err err;
	struct progress_row *rows;
	struct progress *p = open_progress("list");
	arena_init(&a);
	assert_int_equal(progress_list(p, &a, &rows, &err), 0);
	record(p, "raft", "b", true, 1, 1);
	record(p, "echo", "z", false, 1, 1);
	record(p, "raft", "a'; DROP TABLE tests; --", true, 1, 1);
	assert_int_equal(progress_list(p, &a, &rows, &err), 3);
	assert_string_equal(rows[0].lab, "echo");
	assert_string_equal(rows[1].test, "a'; DROP TABLE tests; --");
	assert_string_equal(rows[2].test, "b");
	assert_int_equal(rows[2].passes, 1);
	progress_close(p);
	arena_done(&a);
}

static void test_many_at_once(void **state)
{
	(void)state;
	struct arena a;
	struct err err;
	struct progress_row row;
	struct progress_result r[50];
	for (int i = 0; i < 50; i++)
		r[i] = (struct progress_result){ .lab = "echo", .test = i % 2 ? "many" : "slow", .verdict = "PASS", .passed = i % 3 == 0,
			.seed = (uint64_t)i, .time_s = i + 1 };
	struct progress *p = open_progress("many");
	arena_init(&a);
	assert_int_equal(progress_record(p, r, 50, &err), 0);
	assert_int_equal(progress_record(p, r, 0, &err), 0);
	assert_int_equal(progress_find(p, "echo", "slow", &a, &row, &err), 1);
	assert_int_equal(row.attempts, 25);
	assert_int_equal(row.passes, 9);
	assert_int_equal(row.first_pass_s, 1);
	assert_int_equal(row.last_seed, 48);
	progress_close(p);
	arena_done(&a);
}

enum { WRITERS = 6, RECORDS = 40 };

/* Each opens (and one of them makes) the file at the same moment, as two terminals would. */
static _Noreturn void writer(int number, int go)
{
	struct err err = { "" };
	char c;
	if (read(go, &c, 1) != 0)
		_exit(2);
	for (int i = 0; i < RECORDS; i++) {
		struct progress *p = progress_open("crowd", &err);
		struct progress_result r = { .lab = "echo", .test = i % 2 ? "many" : "slow", .verdict = "PASS", .passed = true,
			.seed = (uint64_t)number, .time_s = 1 };
		if (!p || progress_record(p, &r, 1, &err) != 0) {
			dprintf(2, "writer %d: %s\n", number, err.text);
			_exit(1);
		}
		progress_close(p);
	}
	_exit(0);
}

static void test_concurrent_writers(void **state)
{
	(void)state;
	struct arena a;
	struct err err;
	struct progress_row row;
	int go[2], status;
	pid_t child[WRITERS];
	assert_int_equal(pipe(go), 0);
	for (int i = 0; i < WRITERS; i++) {
		child[i] = fork();
		assert_true(child[i] >= 0);
		if (child[i] == 0) {
			close(go[1]);
			writer(i, go[0]);
		}
	}
	close(go[0]);
	close(go[1]); /* all at once */
	for (int i = 0; i < WRITERS; i++) {
		assert_int_equal(waitpid(child[i], &status, 0), child[i]);
		assert_int_equal(status, 0);
	}
	struct progress *p = open_progress("crowd");
	arena_init(&a);
	assert_int_equal(progress_find(p, "echo", "many", &a, &row, &err), 1);
	assert_int_equal(row.attempts, WRITERS * RECORDS / 2);
	assert_int_equal(progress_find(p, "echo", "slow", &a, &row, &err), 1);
	assert_int_equal(row.passes, WRITERS * RECORDS / 2);
	progress_close(p);
	arena_done(&a);
}

static void refused(const char *dir, const char *part)
{
	struct err err = { "" };
	struct progress *p = progress_open(dir, &err);
	if (p)
		fail_msg("%s was opened", dir);
	if (!strstr(err.text, part))
		fail_msg("got \"%s\", expected something with \"%s\"", err.text, part);
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void change(const char *path, const char *sql)
{
	sqlite3 *db;
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static void test_refusals(void **state)
{
	(void)state;
	refused("no/such/folder", "cannot make the folder no/such/folder");
	write_file("a-file", "text");
	refused("a-file", "a-file/progress.db");
	assert_int_equal(mkdir("text", 0777), 0);
	write_file("text/progress.db", "this is a text and not a database, whatever its name may say of it\n");
	refused("text", "is not dlab's record of progress");
	assert_int_equal(mkdir("other", 0777), 0);
	change("other/progress.db", "CREATE TABLE t(x)");
	refused("other", "is not dlab's record of progress");
	progress_close(open_progress("newer"));
	change("newer/progress.db", "PRAGMA user_version=9");
	refused("newer", "another version of dlab (version 9");
	progress_close(open_progress("changed"));
	change("changed/progress.db", "DROP TABLE tests");
	struct err err;
	struct progress *p = open_progress("changed");
	assert_int_equal(progress_lab_points(p, &echo, &err), -1);
	assert_non_null(strstr(err.text, "changed/progress.db"));
	progress_close(p);
	progress_close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_many_at_once),
		cmocka_unit_test(test_concurrent_writers),
		cmocka_unit_test(test_refusals),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
