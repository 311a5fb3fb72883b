/* test_child.c - child processes: starting, framing, writing, ending. */
#include "child.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define LIMIT_MS 5000
#define MAX_LINE 60000
/* Literals are const; posix_spawn's lists, by history, are not. */
union strings {
	const char *const *literals;
	char *const *list;
};
#define ARGV(...) (((union strings){ .literals = (const char *[]){ __VA_ARGS__, NULL } }).list)
#define CLEAN_ENV ARGV("PATH=/usr/local/bin:/usr/bin:/bin")
#define SH(script) ARGV("/bin/sh", "-c", (script))

/* --- helpers --- */

static struct child started(char *const *argv)
{
	struct child c;
	struct err e = { "" };
	struct child_spec spec = { .argv = argv, .env = CLEAN_ENV };
	if (child_spawn(&c, &spec, &e) != 0)
		fail_msg("%s", e.text);
	return c;
}

static void ended(struct child *c)
{
	child_kill(c);
	child_done(c);
}

static void await_readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	assert_int_equal(poll(&p, 1, LIMIT_MS), 1);
}

/* The next line of stdout (or stderr); fails the test when there is none in time. */
static enum line_kind next_line(struct child *c, bool err, size_t max, struct slice *line)
{
	bool eof = false;
	for (;;) {
		enum line_kind k = line_next(err ? &c->err_buf : &c->out_buf, max, eof, line);
		if (k != LINE_NONE || eof)
			return k;
		await_readable(err ? c->err : c->out);
		eof = (err ? child_fill_err(c) : child_fill_out(c)) == CHILD_EOF;
	}
}

static void assert_line(struct child *c, bool err, const char *want)
{
	struct slice line;
	assert_int_equal(next_line(c, err, MAX_LINE, &line), LINE_WHOLE);
	if (!slice_is(line, want))
		fail_msg("expected '%s', got '%.*s'", want, SLICE_ARG(line));
}

/* Waits until a process has ended; it may be a zombie still, but none with a thread that lives. */
static bool gone_in_time(pid_t pid, int limit_ms)
{
	char path[64], text[512];
	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	for (int64_t end = clock_ns() + limit_ms * NS_PER_MS;; poll(NULL, 0, 1)) {
		FILE *f = fopen(path, "re");
		bool read = f && fgets(text, sizeof text, f);
		if (f)
			fclose(f);
		const char *state = read ? strrchr(text, ')') : NULL;
		int threads = 0;
		if (!state || (sscanf(state, ") Z %*d %*d %*d %*d %*d %*d %*d %*d %*d %*d %*d %*d %*d %*d %*d %*d %d",
				      &threads) == 1 && threads <= 1))
			return true;
		if (clock_ns() >= end)
			return false;
	}
}

static void await_exit(struct child *c)
{
	assert_true(gone_in_time(c->pid, LIMIT_MS));
	assert_true(child_reap(c));
}

static size_t open_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	assert_non_null(d);
	size_t n = 0;
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void assert_start_fails(const struct child_spec *spec, const char *want)
{
	struct child c;
	struct err e = { "" };
	size_t before = open_descriptors();
	assert_int_equal(child_spawn(&c, spec, &e), -1);
	assert_string_equal(e.text, want);
	assert_int_equal(c.pid, 0);
	assert_int_equal(open_descriptors(), before);
	child_kill(&c);
	child_done(&c);
}

static void write_file(const char *path, const char *text, mode_t mode)
{
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(chmod(path, mode), 0);
}

/* valgrind makes a plain fork of a vfork: the failure of an exec then does not reach the parent. */
static bool under_valgrind(void)
{
	const char *preload = getenv("LD_PRELOAD");
	return preload && strstr(preload, "vgpreload");
}

/* --- starting --- */

static void test_cat_round_trip(void **state)
{
	(void)state;
	struct child c = started(ARGV("cat"));
	assert_int_equal(child_write(&c, "one\ntwo\r\n\n", 10), 0);
	assert_line(&c, false, "one");
	assert_line(&c, false, "two\r");
	assert_line(&c, false, "");
	assert_int_equal(c.out_bytes, 10);
	assert_false(child_reap(&c));
	close(c.in);
	c.in = -1;
	struct slice line;
	assert_int_equal(next_line(&c, false, MAX_LINE, &line), LINE_NONE);
	await_exit(&c);
	assert_int_equal(c.status, 0);
	ended(&c);
}

static void test_env_cwd_and_arguments(void **state)
{
	(void)state;
	assert_int_equal(mkdir("home", 0755), 0);
	write_file("home/show", "#!/bin/sh\necho \"$A|$HOME|$#|$1\"; basename \"$(pwd)\"\n", 0755);
	struct child c;
	struct err e;
	struct child_spec spec = { .argv = ARGV("./show", "x y"), .env = ARGV("A=b c", "PATH=/bin:/usr/bin"),
				   .cwd = "home" };
	assert_int_equal(child_spawn(&c, &spec, &e), 0);
	assert_line(&c, false, "b c||1|x y");
	assert_line(&c, false, "home");
	ended(&c);
}

static void test_stderr_is_separate(void **state)
{
	(void)state;
	struct child c = started(SH("echo out; echo err >&2; read x; printf last >&2"));
	assert_line(&c, true, "err");
	assert_line(&c, false, "out");
	/* Nothing more on stderr, and asking does not wait. */
	assert_int_equal(child_fill_err(&c), CHILD_AGAIN);
	assert_int_equal(child_write(&c, "\n", 1), 0);
	struct slice line;
	assert_int_equal(next_line(&c, true, MAX_LINE, &line), LINE_LAST);
	assert_true(slice_is(line, "last"));
	ended(&c);
}

static void test_stderr_to_a_file(void **state)
{
	(void)state;
	assert_int_equal(mkdir("elsewhere", 0755), 0);
	for (int i = 0; i < 2; i++) {
		struct child c;
		struct err e;
		struct child_spec spec = { .argv = SH("echo oops >&2"), .env = CLEAN_ENV, .cwd = "elsewhere",
					   .log_path = "log.txt" };
		assert_int_equal(child_spawn(&c, &spec, &e), 0);
		assert_int_equal(c.err, -1);
		assert_int_equal(child_fill_err(&c), CHILD_EOF);
		await_exit(&c);
		ended(&c);
	}
	char text[32] = "";
	FILE *f = fopen("log.txt", "r");
	assert_non_null(f);
	assert_int_equal(fread(text, 1, sizeof text - 1, f), 10);
	fclose(f);
	assert_string_equal(text, "oops\noops\n");
}

static void test_what_does_not_start_says_why(void **state)
{
	(void)state;
	if (under_valgrind())
		skip();
	write_file("plain", "echo hello\n", 0644);
	write_file("nobang", "echo hello\n", 0755);
	write_file("lost", "#!/no/such/interpreter\n", 0755);
	write_file("dos", "#!/bin/sh\r\necho hello\r\n", 0755);
	assert_int_equal(mkdir("folder", 0755), 0);
	struct {
		const char *program, *cwd, *log_path, *want;
	} cases[] = {
		{ "./x", NULL, NULL, "cannot start ./x: No such file or directory" },
		{ "./plain", NULL, NULL, "cannot start ./plain: Permission denied (it is not executable: chmod +x, or "
			"start it through its interpreter)" },
		{ "../plain", "folder", NULL, "cannot start ../plain: Permission denied (it is not executable: chmod +x, "
			"or start it through its interpreter)" },
		{ "./folder", NULL, NULL, "cannot start ./folder: Permission denied (it is a folder)" },
		{ "./nobang", NULL, NULL, "cannot start ./nobang: Exec format error (it is neither a program for this "
			"machine nor a script that begins with #!)" },
		{ "./lost", NULL, NULL, "cannot start ./lost: No such file or directory (it exists, but the interpreter "
			"that its #! line names does not)" },
		{ "./dos", NULL, NULL, "cannot start ./dos: No such file or directory (its first line ends with a carriage "
			"return: save it with Unix line ends)" },
		{ "plain", NULL, NULL, "cannot start plain: No such file or directory (it is not in PATH: for the file in "
			"its folder put ./ before it)" },
		{ "no-such-program-here", NULL, NULL, "cannot start no-such-program-here: No such file or directory (it is "
			"not in PATH)" },
		{ "cat", "nowhere", NULL, "cannot start cat: its folder nowhere: No such file or directory" },
		{ "cat", "plain", NULL, "cannot start cat: its folder plain: Not a directory" },
		{ "cat", NULL, "nowhere/log", "cannot start cat: cannot write nowhere/log: No such file or directory" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_start_fails(&(struct child_spec){ .argv = ARGV(cases[i].program), .env = CLEAN_ENV,
							 .cwd = cases[i].cwd, .log_path = cases[i].log_path },
				   cases[i].want);
}

static void test_signals_and_descriptors_are_not_inherited(void **state)
{
	(void)state;
	sigset_t usr1, old;
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	assert_int_equal(sigprocmask(SIG_BLOCK, &usr1, &old), 0);
	void (*was)(int) = signal(SIGTERM, SIG_IGN);
	int inherited = open("/dev/null", O_RDONLY); /* without close-on-exec, on purpose */
	struct child c = started(ARGV("grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"));
	struct slice line;
	assert_line(&c, false, "SigBlk:\t0000000000000000");
	assert_int_equal(next_line(&c, false, MAX_LINE, &line), LINE_WHOLE);
	char ignored[32];
	snprintf(ignored, sizeof ignored, "%.*s", SLICE_ARG(line));
	/* glibc's posix_spawn always ignores 32 and 33, which it keeps to itself. */
	assert_int_equal(strtoull(ignored + strlen("SigIgn:\t"), NULL, 16) & ~UINT64_C(0x180000000), 0);
	ended(&c);
	/* Besides its own /proc/self/fd, ls has three. */
	c = started(ARGV("ls", "/proc/self/fd"));
	for (int i = 0; i < 4; i++)
		assert_line(&c, false, (const char *[]){ "0", "1", "2", "3" }[i]);
	assert_int_equal(next_line(&c, false, MAX_LINE, &line), LINE_NONE);
	ended(&c);
	close(inherited);
	signal(SIGTERM, was);
	sigprocmask(SIG_SETMASK, &old, NULL);
}

static void test_session_of_its_own(void **state)
{
	(void)state;
	struct child c = started(ARGV("cat"));
	assert_int_equal(getsid(c.pid), c.pid);
	assert_int_equal(getpgid(c.pid), c.pid);
	ended(&c);
}

static void test_starts_without_standard_descriptors(void **state)
{
	(void)state;
	int kept[3];
	for (int i = 0; i < 3; i++) {
		kept[i] = fcntl(i, F_DUPFD_CLOEXEC, 10);
		close(i);
	}
	struct child c;
	struct err e = { "" };
	struct child_spec spec = { .argv = SH("cat; echo err >&2"), .env = CLEAN_ENV };
	int r = child_spawn(&c, &spec, &e);
	for (int i = 0; i < 3; i++) {
		dup2(kept[i], i);
		close(kept[i]);
	}
	assert_int_equal(r, 0);
	assert_int_equal(child_write(&c, "hello\n", 6), 0);
	assert_line(&c, false, "hello");
	close(c.in);
	c.in = -1;
	assert_line(&c, true, "err");
	ended(&c);
}

static void test_no_descriptor_leaks(void **state)
{
	(void)state;
	size_t before = open_descriptors();
	for (int i = 0; i < 200; i++) {
		struct child c = started(ARGV("/bin/true"));
		if (i % 2)
			await_exit(&c);
		ended(&c);
	}
	assert_int_equal(open_descriptors(), before);
}

/* --- framing --- */

static void test_endless_line_stays_bounded(void **state)
{
	(void)state;
	struct child c = started(SH("head -c 10000000 /dev/zero | tr '\\0' x; echo; echo after"));
	struct slice line;
	size_t greatest = 0;
	int too_long = 0;
	for (bool eof = false, seen = false; !seen;) {
		enum line_kind k = line_next(&c.out_buf, MAX_LINE, eof, &line);
		if (k == LINE_TOO_LONG) {
			too_long++;
			assert_int_equal(line.n, MAX_LINE);
			assert_int_equal(line.s[0], 'x');
			assert_int_equal(line.s[MAX_LINE - 1], 'x');
		} else if (k == LINE_NONE) {
			assert_false(eof);
			await_readable(c.out);
			eof = child_fill_out(&c) == CHILD_EOF;
			greatest = c.out_buf.cap > greatest ? c.out_buf.cap : greatest;
		} else {
			assert_true(slice_is(line, "after"));
			seen = true;
		}
	}
	assert_int_equal(too_long, 1);
	assert_int_equal(c.out_bytes, 10000000 + 1 + 6);
	assert_true(greatest <= MAX_LINE + 64 * 1024);
	ended(&c);
}

static void test_lines_of_the_greatest_length(void **state)
{
	(void)state;
	struct child c = started(SH("for n in 59999 60000 60001; do head -c $n /dev/zero | tr '\\0' y; echo; done; "
				    "head -c 60001 /dev/zero"));
	struct slice line;
	assert_int_equal(next_line(&c, false, MAX_LINE, &line), LINE_WHOLE);
	assert_int_equal(line.n, 59999);
	assert_int_equal(next_line(&c, false, MAX_LINE, &line), LINE_WHOLE);
	assert_int_equal(line.n, 60000);
	assert_int_equal(next_line(&c, false, MAX_LINE, &line), LINE_TOO_LONG);
	assert_int_equal(line.n, 60000);
	assert_int_equal(next_line(&c, false, MAX_LINE, &line), LINE_TOO_LONG);
	assert_int_equal(next_line(&c, false, MAX_LINE, &line), LINE_NONE);
	ended(&c);
}

/* Every way to cut the same bytes into pieces gives the same lines. */
static void test_framing_does_not_depend_on_the_pieces(void **state)
{
	(void)state;
	static const char text[] = "a\n\nbcd\nefgh\nijklmnopq\n\r\nrs\ntuvwxyz";
	static const char want[] = "W:a W: W:bcd T:efg T:ijk W:\r W:rs T:tuv ";
	const size_t n = sizeof text - 1;
	struct rng rng;
	rng_seed(&rng, 7);
	for (int round = 0; round < 500; round++) {
		int fd[2];
		assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
		struct child c = { .in = -1, .out = fd[0], .err = -1 };
		struct buf got = BUF_EMPTY;
		for (size_t at = 0, piece; at <= n; at += piece) {
			bool eof = at == n;
			piece = eof ? 1 : 1 + rng_below(&rng, round % 2 ? n - at : 3 < n - at ? 3 : n - at);
			if (!eof) {
				assert_int_equal(write(fd[1], text + at, piece), piece);
				assert_int_equal(child_fill_out(&c), CHILD_MORE);
			}
			struct slice line;
			enum line_kind k;
			while ((k = line_next(&c.out_buf, 3, eof, &line)) != LINE_NONE) {
				buf_str(&got, k == LINE_WHOLE ? "W:" : k == LINE_LAST ? "L:" : "T:");
				buf_slice(&got, line);
				buf_char(&got, ' ');
			}
		}
		assert_string_equal(buf_cstr(&got), want);
		buf_done(&got);
		close(fd[1]);
		child_done(&c);
	}
}

/* --- writing --- */

static void test_writes_all_or_nothing(void **state)
{
	(void)state;
	static const size_t sizes[] = { 1, 100, 4000, 4096, 4097, 5000, 8193, 20000, 60000 };
	static char line[60000];
	struct rng rng;
	rng_seed(&rng, 3);
	for (int round = 0; round < 20; round++) {
		/* It reads nothing until it is told to; then it counts. */
		struct child c = started(SH("trap 'wc -c; exit' USR1; tail -f /dev/null & echo ready; wait"));
		assert_line(&c, false, "ready");
		size_t taken = 0;
		for (int refused = 0; refused < 50;) {
			size_t n = round < 9 ? sizes[round] : sizes[rng_below(&rng, ARRAY_LEN(sizes))];
			if (child_write(&c, line, n) == 0) {
				taken += n;
			} else {
				assert_int_equal(errno, EAGAIN);
				refused++;
			}
		}
		assert_true(taken >= 60000);
		assert_true(c.in >= 0);
		kill(c.pid, SIGUSR1);
		close(c.in);
		c.in = -1;
		char want[32];
		snprintf(want, sizeof want, "%zu", taken);
		assert_line(&c, false, want);
		ended(&c);
	}
}

static void test_small_pipe_still_takes_a_line(void **state)
{
	(void)state;
	static char line[60000];
	struct child c = started(SH("read x; wc -c"));
	fcntl(c.in, F_SETPIPE_SZ, 4096);
	assert_int_equal(child_write(&c, "\n", 1), 0);
	for (int64_t end = clock_ns() + LIMIT_MS * NS_PER_MS; child_write(&c, line, sizeof line) != 0;) {
		assert_int_equal(errno, EAGAIN);
		assert_true(clock_ns() < end);
		poll(NULL, 0, 1);
	}
	close(c.in);
	c.in = -1;
	assert_line(&c, false, "60000");
	ended(&c);
}

static void test_write_to_the_dead_is_epipe(void **state)
{
	(void)state;
	static char line[60000];
	struct child c = started(ARGV("/bin/true"));
	await_exit(&c);
	errno = 0;
	assert_int_equal(child_write(&c, "x\n", 2), -1);
	assert_int_equal(errno, EPIPE);
	errno = 0;
	assert_int_equal(child_write(&c, line, sizeof line), -1);
	assert_int_equal(errno, EPIPE);
	ended(&c);
	/* Full when it died: closed for good, not full for a while. */
	c = started(ARGV("cat"));
	kill(c.pid, SIGSTOP);
	while (child_write(&c, line, sizeof line) == 0)
		;
	assert_int_equal(errno, EAGAIN);
	child_kill(&c);
	errno = 0;
	assert_int_equal(child_write(&c, line, sizeof line), -1);
	assert_int_equal(errno, EPIPE);
	ended(&c);
}

/* --- ending --- */

static void test_status_in_words(void **state)
{
	(void)state;
	static const struct {
		const char *script, *want;
	} cases[] = {
		{ "exit 0", "exited with status 0" },
		{ "exit 7", "exited with status 7" },
		{ "kill -SEGV $$", "was killed by signal 11 (Segmentation fault)" },
		{ "kill -KILL $$", "was killed by signal 9 (Killed)" },
		{ "kill -PIPE $$", "was killed by signal 13 (Broken pipe)" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct child c = started(SH(cases[i].script));
		await_exit(&c);
		struct buf b = BUF_EMPTY;
		child_print_status(&b, c.status);
		assert_string_equal(buf_cstr(&b), cases[i].want);
		buf_done(&b);
		ended(&c);
	}
}

static void assert_killed_quickly(struct child *c)
{
	int64_t start = clock_ns();
	child_kill(c);
	assert_true(clock_ns() - start < NS_PER_S);
	assert_true(c->reaped);
	assert_true(WIFSIGNALED(c->status));
	assert_int_equal(WTERMSIG(c->status), SIGKILL);
	child_kill(c);
	child_done(c);
}

static void test_stopped_child_is_killed(void **state)
{
	(void)state;
	struct child c = started(ARGV("cat"));
	kill(c.pid, SIGSTOP);
	siginfo_t info;
	assert_int_equal(waitid(P_PID, (id_t)c.pid, &info, WSTOPPED | WNOWAIT), 0);
	assert_killed_quickly(&c);
}

static void test_group_of_200_is_killed(void **state)
{
	(void)state;
	struct child c = started(SH("exec 9<&0; trap '' TERM; i=0; while [ $i -lt 200 ]; do "
				    "{ sh -c 'echo $PPID'; read x <&9; } & i=$((i+1)); done; wait"));
	pid_t pids[200];
	for (int i = 0; i < 200; i++) {
		struct slice line;
		int64_t pid;
		assert_int_equal(next_line(&c, false, MAX_LINE, &line), LINE_WHOLE);
		assert_true(slice_int(line, &pid));
		pids[i] = (pid_t)pid;
	}
	for (int i = 0; i < 200; i++)
		assert_false(gone_in_time(pids[i], 0));
	assert_killed_quickly(&c);
	for (int i = 0; i < 200; i++)
		assert_true(gone_in_time(pids[i], LIMIT_MS));
}

/* A server in a child of the node still holds its port when only the leader has ended. */
static void test_kill_waits_for_the_group(void **state)
{
	(void)state;
	struct child c = started(SH("exec 9<&0; { read x <&9; } & echo $!; { read x <&9; } & echo $!; wait"));
	pid_t pids[2];
	for (size_t i = 0; i < ARRAY_LEN(pids); i++) {
		struct slice line;
		int64_t pid;
		assert_int_equal(next_line(&c, false, MAX_LINE, &line), LINE_WHOLE);
		assert_true(slice_int(line, &pid));
		pids[i] = (pid_t)pid;
	}
	assert_killed_quickly(&c);
	for (size_t i = 0; i < ARRAY_LEN(pids); i++)
		assert_true(gone_in_time(pids[i], 0));
}

/* A node that crashes takes what it started with it. */
static void test_reap_ends_the_group(void **state)
{
	(void)state;
	struct child c = started(SH("exec 9<&0; cat <&9 >/dev/null & echo $!; wait"));
	struct slice line;
	int64_t pid;
	assert_int_equal(next_line(&c, false, MAX_LINE, &line), LINE_WHOLE);
	assert_true(slice_int(line, &pid));
	assert_int_equal(kill(c.pid, SIGTERM), 0);
	await_exit(&c);
	assert_int_equal(WTERMSIG(c.status), SIGTERM);
	assert_true(gone_in_time((pid_t)pid, LIMIT_MS));
	ended(&c);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cat_round_trip),
		cmocka_unit_test(test_env_cwd_and_arguments),
		cmocka_unit_test(test_stderr_is_separate),
		cmocka_unit_test(test_stderr_to_a_file),
		cmocka_unit_test(test_what_does_not_start_says_why),
		cmocka_unit_test(test_signals_and_descriptors_are_not_inherited),
		cmocka_unit_test(test_session_of_its_own),
		cmocka_unit_test(test_starts_without_standard_descriptors),
		cmocka_unit_test(test_no_descriptor_leaks),
		cmocka_unit_test(test_endless_line_stays_bounded),
		cmocka_unit_test(test_lines_of_the_greatest_length),
		cmocka_unit_test(test_framing_does_not_depend_on_the_pieces),
		cmocka_unit_test(test_writes_all_or_nothing),
		cmocka_unit_test(test_small_pipe_still_takes_a_line),
		cmocka_unit_test(test_write_to_the_dead_is_epipe),
		cmocka_unit_test(test_status_in_words),
		cmocka_unit_test(test_stopped_child_is_killed),
		cmocka_unit_test(test_group_of_200_is_killed),
		cmocka_unit_test(test_kill_waits_for_the_group),
		cmocka_unit_test(test_reap_ends_the_group),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
