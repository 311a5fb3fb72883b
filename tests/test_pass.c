/* test_pass.c - descriptors from hand to hand, in one process. */
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "pass.h"

static int open_files(void)
{
	int n = 0;
	DIR *d = opendir("/proc/self/fd");
	for (const struct dirent *x; d && (x = readdir(d));)
		n += x->d_name[0] != '.';
	closedir(d);
	return n;
}

static void close_both(const int fd[2])
{
	close(fd[0]);
	close(fd[1]);
}

static void test_what_is_passed_is_the_same_file(void **state)
{
	int wire[2], tube[2], got[2];
	char byte = 0, word[3] = "";
	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, wire), 0);
	assert_int_equal(pipe(tube), 0);
	assert_int_equal(pass_send(wire[0], 'x', tube, 2), 0);
	assert_int_equal(pass_receive(wire[1], &byte, got, 2), 0);
	assert_int_equal(byte, 'x');
	close_both(tube);
	assert_int_equal(write(got[1], "hi", 2), 2);
	assert_int_equal(read(got[0], word, 2), 2);
	assert_string_equal(word, "hi");
	close_both(got);
	close_both(wire);
}

static void test_another_number_is_refused_and_nothing_stays_open(void **state)
{
	int wire[2], tube[2], got[PASS_MAX];
	char byte;
	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, wire), 0);
	assert_int_equal(pipe(tube), 0);
	int before = open_files();
	assert_int_equal(pass_send(wire[0], 'x', tube, 2), 0);
	assert_int_equal(pass_receive(wire[1], &byte, got, 1), -1);
	assert_int_equal(errno, EPROTO);
	assert_int_equal(send(wire[0], "y", 1, 0), 1);
	assert_int_equal(pass_receive(wire[1], &byte, got, 1), -1); /* a byte alone */
	assert_int_equal(open_files(), before);
	close(wire[0]);
	assert_int_equal(pass_receive(wire[1], &byte, got, 1), -1); /* the end */
	close(wire[1]);
	close_both(tube);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_passed_is_the_same_file),
		cmocka_unit_test(test_another_number_is_refused_and_nothing_stays_open),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
