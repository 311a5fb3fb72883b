/* test_guard.c - nothing outlives the harness: the guard after a kill, the sweep before an end in order.
 *
 * Each test is a harness of its own, in a forked process: guard_start changes the process that calls it. */
#include "child.h"
#include "guard.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define LIMIT_MS 10000
#define GUARD_LIMIT_MS 2000
#define PATH_ENTRY "PATH=/usr/local/bin:/usr/bin:/bin"

union strings {
	const char *const *literals;
	char *const *list;
};
#define LIST(...) (((union strings){ .literals = (const char *[]){ __VA_ARGS__, NULL } }).list)

/* --- helpers --- */

static const char *test_marker(char *room, size_t size)
{
	snprintf(room, size, "test-%d-%lld", (int)getpid(), (long long)clock_ns());
	return room;
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

static bool lives(pid_t pid)
{
	return !gone_in_time(pid, 0);
}

/* Starts a shell; with a marker, in its environment. */
static struct child shell(const char *script, const char *marker)
{
	char entry[128];
	snprintf(entry, sizeof entry, GUARD_VARIABLE "=%s", marker ? marker : "");
	struct child c;
	struct err e = { "" };
	struct child_spec spec = { .argv = LIST("/bin/sh", "-c", script), .env = LIST(PATH_ENTRY, marker ? entry : NULL) };
	if (child_spawn(&c, &spec, &e) != 0)
		fail_msg("%s", e.text);
	return c;
}

/* The child says a number. */
static pid_t said_pid(struct child *c)
{
	struct slice line;
	while (line_next(&c->out_buf, 1000, false, &line) == LINE_NONE) {
		struct pollfd p = { .fd = c->out, .events = POLLIN };
		assert_int_equal(poll(&p, 1, LIMIT_MS), 1);
		assert_int_equal(child_fill_out(c), CHILD_MORE);
	}
	int64_t pid = 0;
	assert_true(slice_int(line, &pid));
	return (pid_t)pid;
}

/* The ways to hide. Each says the number of one process that ends only by SIGKILL. */
#define STUBBORN "trap \\\"\\\" TERM HUP INT; echo \\$\\$; exec tail -f /dev/null"
#define HIDE(how) "exec 9<&0; " how
static const char plain[] = HIDE("sh -c \"" STUBBORN "\"");
static const char orphan[] = HIDE("(sh -c \"" STUBBORN "\" & ) ; read y");
static const char daemon_without_env[] = HIDE("(setsid env -i sh -c \"" STUBBORN "\" & ) ; read y");
static const char group_without_env[] = HIDE("env -i sh -c \"" STUBBORN "\" & read y");
static const char daemon_with_env[] = HIDE("(setsid sh -c \"" STUBBORN "\" & ) ; read y");

/* Runs `body` in a process of its own and passes its verdict on. */
static void in_harness(void (*body)(const char *marker))
{
	fflush(NULL);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		char room[64];
		alarm(60);
		setsid();
		body(test_marker(room, sizeof room));
		_exit(0);
	}
	int status = 0;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (status != 0)
		fail_msg("the harness ended with %d: see above", status);
}

/* cmocka's assertions jump; in the forked process they end it instead. */
#define MUST(x) \
	do { \
		if (!(x)) { \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x); \
			_exit(1); \
		} \
	} while (0)

static struct guard *guarded(const char *marker)
{
	struct err e = { "" };
	struct guard *g = guard_start(marker, &e);
	MUST(g);
	return g;
}

/* --- the sweep --- */

static void forget(struct child *c)
{
	MUST(child_reap(c));
	child_done(c);
}

static int sweep_all(const char *marker, const struct guard *g)
{
	return guard_sweep(marker, g, NULL, 0);
}

static void sweep_finds_hidden(const char *marker, int (*sweep)(const char *, const struct guard *))
{
	struct guard *g = guarded(marker);
	MUST(sweep(marker, g) == 0);
	const char *const scripts[] = { plain, orphan, daemon_without_env, group_without_env, daemon_with_env };
	struct child c[ARRAY_LEN(scripts)];
	pid_t hidden[ARRAY_LEN(scripts)];
	for (size_t i = 0; i < ARRAY_LEN(scripts); i++) {
		c[i] = shell(scripts[i], marker);
		hidden[i] = said_pid(&c[i]);
		MUST(lives(hidden[i]));
	}
	int killed = sweep(marker, g);
	for (size_t i = 0; i < ARRAY_LEN(scripts); i++) {
		MUST(!lives(hidden[i]));
		forget(&c[i]);
	}
	/* Each shell and what it hid; a shell may exec its last command. */
	MUST(killed >= (int)ARRAY_LEN(scripts) && killed <= 2 * (int)ARRAY_LEN(scripts));
	MUST(lives(guard_pid(g)));
	MUST(sweep(marker, g) == 0);
	guard_stop(g);
	/* No zombie is left. */
	MUST(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
}

static void sweep_finds_every_way_to_hide(const char *marker)
{
	sweep_finds_hidden(marker, sweep_all);
}

static void descendants_find_every_way_to_hide(const char *marker)
{
	sweep_finds_hidden(marker, guard_sweep_descendants);
}

/* As at the end of a run: the nodes are gone, what they left in other sessions is a child of ours now. */
static void descendants_find_orphans(const char *marker)
{
	struct guard *g = guarded(marker);
	const char *const scripts[] = { daemon_without_env, daemon_with_env };
	struct child c[ARRAY_LEN(scripts)];
	pid_t hidden[ARRAY_LEN(scripts)];
	for (size_t i = 0; i < ARRAY_LEN(scripts); i++) {
		c[i] = shell(scripts[i], marker);
		hidden[i] = said_pid(&c[i]);
		child_kill(&c[i]);
		MUST(lives(hidden[i]));
	}
	MUST(guard_sweep_descendants(marker, g) == (int)ARRAY_LEN(scripts));
	for (size_t i = 0; i < ARRAY_LEN(scripts); i++) {
		MUST(!lives(hidden[i]));
		child_done(&c[i]); /* not before: tail ends by itself when nobody reads what it says */
	}
	MUST(guard_sweep_descendants(marker, g) == 0);
	guard_stop(g);
	MUST(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
}

static void sweep_ends_200(const char *marker)
{
	struct guard *g = guarded(marker);
	struct child c = shell("exec 9<&0; trap '' TERM; i=0; while [ $i -lt 200 ]; do "
			       "setsid env -i sh -c 'trap \"\" TERM; echo $$; read x <&9' & i=$((i+1)); done; wait", marker);
	pid_t pids[200];
	for (int i = 0; i < 200; i++)
		pids[i] = said_pid(&c);
	int killed = guard_sweep(marker, g, NULL, 0);
	for (int i = 0; i < 200; i++)
		MUST(!lives(pids[i]));
	MUST(killed == 201);
	forget(&c);
	guard_stop(g);
	MUST(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
}

static void sweep_catches_a_runaway_forker(const char *marker)
{
	struct guard *g = guarded(marker);
	/* Each generation starts the next in a session of its own, without an environment, and ends. */
	struct child c = shell("echo 1; echo 'setsid env -i PATH=$PATH sh run &' > run; exec sh run", NULL);
	(void)said_pid(&c);
	guard_sweep(marker, g, NULL, 0);
	int left = guard_sweep(marker, g, NULL, 0);
	unlink("run");
	MUST(left == 0);
	forget(&c);
	guard_stop(g);
	MUST(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
}

static void sweep_spares_who_is_kept(const char *marker)
{
	struct guard *g = guarded(marker);
	struct child kept = shell(plain, marker), other = shell(plain, marker);
	pid_t below = said_pid(&kept), doomed = said_pid(&other);
	MUST(guard_sweep(marker, g, &kept.pid, 1) >= 1);
	MUST(lives(kept.pid) && lives(below) && !lives(doomed));
	forget(&other);
	child_kill(&kept);
	child_done(&kept);
	guard_stop(g);
}

/* /proc counts starts in ticks of the clock: waits for the next but one. */
static void await_tick(void)
{
	int64_t tick = NS_PER_S / sysconf(_SC_CLK_TCK), end = clock_ns() + 2 * tick;
	while (clock_ns() < end)
		poll(NULL, 0, 1);
}

/* Processes that do not descend from the harness: only one that is younger and has the very marker is ours. */
static void sweep_knows_its_marker(const char *marker)
{
	char longer[128], shorter[128];
	snprintf(longer, sizeof longer, "%s0", marker);
	snprintf(shorter, sizeof shorter, "%.*s", (int)strlen(marker) - 1, marker);
	struct child older = shell(plain, marker);
	(void)said_pid(&older);
	await_tick();
	int go[2];
	MUST(pipe2(go, O_CLOEXEC) == 0);
	pid_t harness = fork();
	MUST(harness >= 0);
	if (harness == 0) {
		char c;
		struct guard *g = guarded(marker);
		MUST(read(go[0], &c, 1) == 1);
		int n = guard_sweep(marker, g, NULL, 0);
		guard_stop(g);
		_exit(n >= 1 ? 0 : 1);
	}
	struct child ours = shell(plain, marker);
	struct child stranger[] = { shell(plain, longer), shell(plain, shorter), shell(plain, NULL), older };
	pid_t below = said_pid(&ours);
	for (size_t i = 0; i + 1 < ARRAY_LEN(stranger); i++)
		(void)said_pid(&stranger[i]);
	MUST(write(go[1], "", 1) == 1);
	int status;
	MUST(waitpid(harness, &status, 0) == harness && status == 0);
	MUST(!lives(ours.pid) && !lives(below));
	child_kill(&ours);
	child_done(&ours);
	for (size_t i = 0; i < ARRAY_LEN(stranger); i++) {
		MUST(lives(stranger[i].pid));
		child_kill(&stranger[i]);
		child_done(&stranger[i]);
	}
	close(go[0]);
	close(go[1]);
}

static void *wait_for_ever(void *unused)
{
	while (pause() < 0)
		;
	return unused;
}

/* /proc calls it a zombie, but a thread of it lives. */
static void sweep_ends_a_headless_process(const char *marker)
{
	struct guard *g = guarded(marker);
	pid_t pid = fork();
	if (pid == 0) {
		alarm(60);
		pthread_t t;
		pthread_create(&t, NULL, wait_for_ever, NULL);
		syscall(SYS_exit, 0); /* this thread alone */
	}
	char path[64], text[256];
	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	bool headless = false;
	for (int64_t end = clock_ns() + LIMIT_MS * NS_PER_MS; !headless && clock_ns() < end; poll(NULL, 0, 1)) {
		FILE *f = fopen(path, "re");
		MUST(f);
		headless = fgets(text, sizeof text, f) && strstr(text, ") Z ");
		fclose(f);
	}
	MUST(headless && lives(pid));
	MUST(guard_sweep(marker, g, NULL, 0) == 1);
	MUST(!lives(pid));
	guard_stop(g);
}

/* --- the guard --- */

/* What a harness tells the test before it is killed. */
struct report {
	pid_t guard;
	pid_t copy;
	pid_t hidden[4];
};

/* A fork without an exec: it holds copies of all that its parent has open, the guard's pipe among them. */
static pid_t bare_fork(void)
{
	pid_t pid = fork();
	MUST(pid >= 0);
	if (pid == 0) {
		alarm(60);
		for (;;)
			pause();
	}
	return pid;
}

/* A harness with nodes; it waits to be killed. The last of them is not announced: only its marker gives it away. */
static _Noreturn void doomed_harness(const char *marker, int report_fd)
{
	alarm(60);
	setsid();
	struct guard *g = guarded(marker);
	struct report r = { .guard = guard_pid(g) };
	const char *const scripts[] = { plain, orphan, group_without_env, daemon_with_env };
	struct child c[ARRAY_LEN(scripts)];
	for (size_t i = 0; i < ARRAY_LEN(scripts); i++) {
		c[i] = shell(scripts[i], marker);
		if (i + 1 < ARRAY_LEN(scripts))
			guard_announce(g, c[i].pid);
		r.hidden[i] = said_pid(&c[i]);
	}
	r.copy = bare_fork();
	MUST(write(report_fd, &r, sizeof r) == sizeof r);
	for (;;)
		pause();
}

static pid_t harness_start(const char *marker, struct report *r)
{
	int fd[2];
	MUST(pipe2(fd, O_CLOEXEC) == 0);
	pid_t pid = fork();
	MUST(pid >= 0);
	if (pid == 0)
		doomed_harness(marker, fd[1]);
	close(fd[1]);
	struct pollfd p = { .fd = fd[0], .events = POLLIN };
	MUST(poll(&p, 1, LIMIT_MS) == 1);
	MUST(read(fd[0], r, sizeof *r) == sizeof *r);
	close(fd[0]);
	return pid;
}

/* Old kernels have none, nor has valgrind. */
static bool there_are_pidfds(void)
{
	int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static void assert_all_gone(const struct report *r, int64_t since)
{
	for (size_t i = 0; i < ARRAY_LEN(r->hidden); i++)
		MUST(gone_in_time(r->hidden[i], GUARD_LIMIT_MS));
	MUST(gone_in_time(r->guard, GUARD_LIMIT_MS));
	MUST(clock_ns() - since < GUARD_LIMIT_MS * NS_PER_MS);
}

static void guard_acts_when_killed(const char *marker)
{
	struct report r;
	pid_t harness = harness_start(marker, &r);
	for (size_t i = 0; i < ARRAY_LEN(r.hidden); i++)
		MUST(lives(r.hidden[i]));
	/* What a terminal or a careless user sends does not end the guard. */
	kill(r.guard, SIGINT);
	kill(r.guard, SIGTERM);
	kill(r.guard, SIGHUP);
	MUST(!gone_in_time(r.guard, 100));
	int64_t start = clock_ns();
	if (!there_are_pidfds())
		kill(r.copy, SIGKILL);
	kill(harness, SIGKILL); /* the copy of it lives on */
	MUST(waitpid(harness, NULL, 0) == harness);
	assert_all_gone(&r, start);
	MUST(!there_are_pidfds() || lives(r.copy));
	kill(r.copy, SIGKILL);
}

static void guard_stays_out_of_the_way(const char *marker)
{
	struct report r;
	pid_t harness = harness_start(marker, &r);
	MUST(getsid(r.guard) == r.guard);
	char path[64], name[64] = "", target[64];
	snprintf(path, sizeof path, "/proc/%d/comm", (int)r.guard);
	FILE *f = fopen(path, "r");
	MUST(f && fgets(name, sizeof name, f));
	fclose(f);
	MUST(!strstr(name, "dlab"));
	snprintf(path, sizeof path, "/proc/%d/fd", (int)r.guard);
	DIR *d = opendir(path);
	MUST(d);
	int n = 0;
	for (struct dirent *e; (e = readdir(d));)
		if (e->d_name[0] != '.') {
			ssize_t len = readlinkat(dirfd(d), e->d_name, target, sizeof target - 1);
			MUST(len > 0);
			target[len] = '\0';
			/* "anon_inode:[pidfd]" or, in newer kernels, "pidfd:[...]" */
			const char *want = strcmp(e->d_name, "0") == 0 ? "pipe:"
					   : strcmp(e->d_name, "3") == 0 ? "pidfd" : "/dev/null";
			MUST(strstr(target, want));
			n++;
		}
	closedir(d);
	MUST(n == 3 + there_are_pidfds());
	kill(-harness, SIGKILL); /* its group, the copy among it, but not the guard */
	MUST(waitpid(harness, NULL, 0) == harness);
	assert_all_gone(&r, clock_ns());
	MUST(gone_in_time(r.copy, LIMIT_MS));
}

static void guard_stopped_harms_nobody(const char *marker)
{
	struct guard *g = guarded(marker);
	pid_t guard = guard_pid(g);
	struct child c = shell(plain, marker);
	guard_announce(g, c.pid);
	pid_t hidden = said_pid(&c);
	guard_stop(g);
	MUST(!lives(guard));
	MUST(waitpid(guard, NULL, WNOHANG) == -1 && errno == ECHILD);
	MUST(!gone_in_time(hidden, 100));
	child_kill(&c);
	child_done(&c);
}

/* A guard that is stopped, or dead, holds nobody up. */
static void guard_announce_never_waits(const char *marker)
{
	struct guard *g = guarded(marker);
	kill(guard_pid(g), SIGSTOP);
	for (int i = 0; i < 100000; i++)
		guard_announce(g, getpid());
	kill(guard_pid(g), SIGKILL);
	MUST(gone_in_time(guard_pid(g), LIMIT_MS));
	guard_announce(g, getpid());
	guard_stop(g);
}

/* Far more announcements than live sessions: the dead are forgotten, the living are not. */
static void guard_remembers_the_living(const char *marker)
{
	int fd[2];
	MUST(pipe2(fd, O_CLOEXEC) == 0);
	pid_t harness = fork();
	if (harness == 0) {
		alarm(60);
		struct guard *g = guarded(marker);
		struct child c = shell(plain, NULL);
		guard_announce(g, c.pid);
		struct report r = { .guard = guard_pid(g), .hidden = { said_pid(&c) } };
		for (int i = 0; i < 300; i++) {
			struct child brief = shell("exit 0", NULL);
			guard_announce(g, brief.pid);
			child_kill(&brief);
			child_done(&brief);
		}
		MUST(write(fd[1], &r, sizeof r) == sizeof r);
		for (;;)
			pause();
	}
	struct report r;
	struct pollfd p = { .fd = fd[0], .events = POLLIN };
	MUST(poll(&p, 1, LIMIT_MS) == 1 && read(fd[0], &r, sizeof r) == sizeof r);
	int64_t start = clock_ns();
	kill(harness, SIGKILL);
	MUST(waitpid(harness, NULL, 0) == harness);
	MUST(gone_in_time(r.hidden[0], GUARD_LIMIT_MS));
	MUST(gone_in_time(r.guard, GUARD_LIMIT_MS));
	MUST(clock_ns() - start < GUARD_LIMIT_MS * NS_PER_MS);
	close(fd[0]);
	close(fd[1]);
}

#define HARNESS_TEST(body) \
	static void test_##body(void **state) \
	{ \
		if (under_valgrind() && *state) \
			skip(); \
		in_harness(body); \
	}

/* valgrind keeps descriptors of its own, and is too slow for a race. */
static bool under_valgrind(void)
{
	const char *preload = getenv("LD_PRELOAD");
	return preload && strstr(preload, "vgpreload");
}

HARNESS_TEST(sweep_finds_every_way_to_hide)
HARNESS_TEST(descendants_find_every_way_to_hide)
HARNESS_TEST(descendants_find_orphans)
HARNESS_TEST(sweep_ends_200)
HARNESS_TEST(sweep_catches_a_runaway_forker)
HARNESS_TEST(sweep_spares_who_is_kept)
HARNESS_TEST(sweep_knows_its_marker)
HARNESS_TEST(sweep_ends_a_headless_process)
HARNESS_TEST(guard_acts_when_killed)
HARNESS_TEST(guard_stays_out_of_the_way)
HARNESS_TEST(guard_stopped_harms_nobody)
HARNESS_TEST(guard_announce_never_waits)
HARNESS_TEST(guard_remembers_the_living)

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	bool native = true; /* a test with this state runs without valgrind only */
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sweep_finds_every_way_to_hide),
		cmocka_unit_test(test_descendants_find_every_way_to_hide),
		cmocka_unit_test(test_descendants_find_orphans),
		cmocka_unit_test(test_sweep_ends_200),
		cmocka_unit_test_prestate(test_sweep_catches_a_runaway_forker, &native),
		cmocka_unit_test(test_sweep_spares_who_is_kept),
		cmocka_unit_test(test_sweep_knows_its_marker),
		cmocka_unit_test(test_sweep_ends_a_headless_process),
		cmocka_unit_test(test_guard_acts_when_killed),
		cmocka_unit_test_prestate(test_guard_stays_out_of_the_way, &native),
		cmocka_unit_test(test_guard_stopped_harms_nobody),
		cmocka_unit_test(test_guard_announce_never_waits),
		cmocka_unit_test(test_guard_remembers_the_living),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
