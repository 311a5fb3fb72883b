/* test_docker_parts.c - what the docker fabric is made of and needs no engine: the stream of a container, the heap of what
 * was said, the messages of whose end nobody has spoken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "docker_said.h"
#include "docker_talk.h"
#include "docker_wires.h"

/* --- the stream --- */

static void put_frame(struct buf *b, int stream, const char *text)
{
	const char head[8] = { (char)stream, 0, 0, 0, 0, 0, (char)(strlen(text) >> 8), (char)strlen(text) };
	buf_add(b, head, sizeof head);
	buf_str(b, text);
}

static void expect_line(struct talk *t, const char *text)
{
	struct slice line;
	assert_true(talk_next(t, &line));
	assert_int_equal(line.n, strlen(text));
	assert_memory_equal(line.s, text, line.n);
}

/* Lines and frames do not end together, stderr stands between them, and all of it comes byte by byte. */
static void test_lines_come_out_of_frames(void **state)
{
	int fd[2];
	struct buf b = BUF_EMPTY;
	struct slice line;
	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	struct talk t = { .fd = fd[0] };
	put_frame(&b, 1, "one\ntw");
	put_frame(&b, 2, "an error\n");
	put_frame(&b, 1, "");
	put_frame(&b, 1, "o\n\nthree");
	put_frame(&b, 1, "\n");
	for (size_t i = 0, lines = 0; i < b.n; i++) {
		static const char *const expected[] = { "one", "two", "", "three" };
		assert_int_equal(send(fd[1], b.s + i, 1, 0), 1);
		assert_true(talk_read(&t));
		while (lines < ARRAY_LEN(expected) && talk_next(&t, &line)) {
			assert_int_equal(line.n, strlen(expected[lines]));
			assert_memory_equal(line.s, expected[lines], line.n);
			lines++;
		}
		assert_true(i + 1 < b.n || lines == ARRAY_LEN(expected));
	}
	put_frame(&b, 1, "four\nfive\n");
	assert_true(send(fd[1], b.s, b.n, 0) == (ssize_t)b.n); /* all at once */
	assert_true(talk_read(&t));
	expect_line(&t, "one");
	expect_line(&t, "two");
	expect_line(&t, "");
	expect_line(&t, "three");
	expect_line(&t, "four");
	expect_line(&t, "five");
	assert_false(talk_next(&t, &line));
	assert_true(talk_read(&t)); /* nothing has come, and that is no end */
	close(fd[1]);
	assert_false(talk_read(&t));
	talk_done(&t);
	buf_done(&b);
	close(fd[0]);
}

/* More than the socket holds: the rest waits, and nothing is lost or twice. */
static void test_what_is_not_taken_waits(void **state)
{
	enum { LINES = 40000 };
	int fd[2];
	char room[65536];
	size_t got = 0;
	unsigned sum = 0, read_sum = 0;
	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	struct talk t = { .fd = fd[0] };
	size_t total = 0;
	for (int i = 0; i < LINES; i++) {
		char line[32];
		int n = snprintf(line, sizeof line, "line %d\n", i);
		for (int k = 0; k < n; k++)
			sum = sum * 31 + (unsigned char)line[k];
		total += (size_t)n;
		buf_add(talk_buf(&t), line, (size_t)n);
		talk_flush(&t);
	}
	assert_true(talk_waits(&t));
	while (got < total) {
		ssize_t n = recv(fd[1], room, sizeof room, 0);
		assert_true(n > 0);
		for (ssize_t k = 0; k < n; k++)
			read_sum = read_sum * 31 + (unsigned char)room[k];
		got += (size_t)n;
		talk_flush(&t);
	}
	assert_false(talk_waits(&t));
	assert_int_equal(read_sum, sum);
	talk_done(&t);
	close(fd[0]);
	close(fd[1]);
}

/* --- what was said --- */

static void test_what_was_said_comes_in_its_order(void **state)
{
	enum { COUNT = 1000, TIMES = 50 };
	struct said_heap h = { 0 };
	struct rng rng;
	struct said before = { .t_ns = -1 };
	(void)state;
	rng_seed(&rng, 7);
	assert_int_equal(said_due(&h), INT64_MAX);
	for (int i = 0; i < COUNT; i++)
		said_add(&h, (int64_t)rng_below(&rng, TIMES), i % 3, SLICE("got"));
	struct said first = said_take(&h);
	first.t_ns = TIMES;
	said_put(&h, first); /* to be said again, after all others */
	for (int i = 0; i < COUNT; i++) {
		assert_int_equal(said_due(&h), h.said[0].t_ns);
		struct said s = said_take(&h);
		assert_true(s.t_ns > before.t_ns || (s.t_ns == before.t_ns && s.order > before.order));
		before = s;
		free(s.line);
	}
	assert_int_equal(before.order, first.order);
	assert_int_equal(h.n, 0);
	said_add(&h, 1, 0, SLICE("never taken"));
	said_done(&h);
}

/* --- under way --- */

static void test_what_is_overdue_is_told_once(void **state)
{
	struct wires s = { 0 };
	(void)state;
	assert_null(wires_find(&s, 1));
	wires_add(&s, 1, (struct wire){ .msg = 11, .give_up_ns = 100 });
	wires_add(&s, 3, (struct wire){ .msg = 13, .give_up_ns = 50 }); /* the second was a timer */
	wires_add(&s, 4, (struct wire){ .msg = 14, .give_up_ns = 200 });
	assert_null(wires_find(&s, 0));
	assert_null(wires_find(&s, 5));
	assert_true(wires_find(&s, 2)->settled);
	assert_int_equal(wires_find(&s, 3)->msg, 13);
	assert_null(wires_overdue(&s, 49));
	assert_int_equal(wires_overdue(&s, 60)->msg, 13);
	assert_null(wires_overdue(&s, 60));
	wires_find(&s, 1)->settled = true; /* it has arrived */
	assert_null(wires_overdue(&s, 199));
	assert_int_equal(wires_overdue(&s, INT64_MAX)->msg, 14);
	assert_null(wires_overdue(&s, INT64_MAX));
	wires_done(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines_come_out_of_frames), cmocka_unit_test(test_what_is_not_taken_waits),
		cmocka_unit_test(test_what_was_said_comes_in_its_order), cmocka_unit_test(test_what_is_overdue_is_told_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
