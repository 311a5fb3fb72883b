/* test_docker_api.c - the Engine API against an engine that is none (tests/nodes/fake_engine.py). */
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "docker_api.h"
#include "docker_where.h"

extern char **environ;

enum { SEEN_LIMIT_MS = 20000 };

/* --- an engine per test --- */

struct engine {
	pid_t pid;
	char socket[64];
	struct docker *docker;
};

static void start_engine(struct engine *n, const char *version)
{
	char python[] = "python3", script[] = DLAB_TESTS "/nodes/fake_engine.py", name[16];
	snprintf(n->socket, sizeof n->socket, "engine-%ld", (long)getpid());
	snprintf(name, sizeof name, "%s", version);
	char *argv[] = { python, script, n->socket, name, NULL };
	unlink(n->socket);
	assert_int_equal(posix_spawnp(&n->pid, python, NULL, NULL, argv, environ), 0);
	for (int i = 0; access(n->socket, F_OK) != 0; i++) {
		assert_true(i < SEEN_LIMIT_MS);
		poll(NULL, 0, 1);
	}
}

static void stop_engine(struct engine *n)
{
	docker_close(n->docker);
	kill(n->pid, SIGKILL);
	waitpid(n->pid, NULL, 0);
	unlink(n->socket);
}

static void open_engine(struct engine *n, const char *version)
{
	struct err e = { "" };
	*n = (struct engine){ 0 };
	start_engine(n, version);
	n->docker = docker_open_at(n->socket, &e);
	if (!n->docker)
		fail_msg("%s", e.text);
}

static void expect_text(const struct err *e, const char *part)
{
	if (!strstr(e->text, part))
		fail_msg("\"%s\" does not say \"%s\"", e->text, part);
}

/* --- version --- */

static void test_the_version_is_the_lower_one(void **state)
{
	static const struct { const char *engine, *agreed; } rounds[] = {
		{ "1.40", "1.40" }, { "1.41", "1.41" }, { "1.44", "1.44" }, { "1.52", "1.44" },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rounds); i++) {
		struct engine n;
		open_engine(&n, rounds[i].engine);
		assert_string_equal(docker_version(n.docker), rounds[i].agreed);
		stop_engine(&n);
	}
}

static void test_an_old_engine_is_refused(void **state)
{
	static const char *const old[] = { "1.39", "none", "2.0" };
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(old); i++) {
		struct engine n = { 0 };
		struct err e = { "" };
		start_engine(&n, old[i]);
		assert_null(docker_open_at(n.socket, &e));
		expect_text(&e, "1.40 or newer");
		stop_engine(&n);
	}
}

/* --- calls --- */

static void test_a_call_and_its_answer(void **state)
{
	struct engine n;
	struct err e = { "" };
	json_t *reply = NULL;
	(void)state;
	open_engine(&n, "1.41");
	assert_int_equal(docker_do(n.docker, "POST", json_pack("{s:i}", "a", 1), &reply, &e, "/x/%s?force=%d", "echo", 1), 0);
	assert_string_equal(json_get_string(reply, "method", ""), "POST");
	assert_string_equal(json_get_string(reply, "path", ""), "/v1.41/x/echo?force=1");
	assert_string_equal(json_get_string(reply, "body", ""), "{\"a\":1}");
	json_decref(reply);
	assert_int_equal(docker_do(n.docker, "DELETE", NULL, &reply, &e, "/echo"), 0);
	assert_string_equal(json_get_string(reply, "method", ""), "DELETE");
	json_decref(reply);
	assert_int_equal(docker_do(n.docker, "POST", NULL, NULL, &e, "/same"), 0);
	stop_engine(&n);
}

static void test_errors_are_told(void **state)
{
	struct engine n;
	struct err e = { "" };
	json_t *reply = NULL;
	(void)state;
	open_engine(&n, "1.41");
	assert_int_equal(docker_do(n.docker, "GET", NULL, &reply, &e, "/refuse"), -1);
	expect_text(&e, "refuses: Conflict: that name is in use");
	assert_int_equal(docker_do(n.docker, "POST", NULL, NULL, &e, "/full"), -1);
	expect_text(&e, "the disk of the Docker engine at engine-");
	expect_text(&e, "is full: ");
	assert_int_equal(docker_do(n.docker, "GET", NULL, &reply, &e, "/odd"), -1);
	expect_text(&e, "GET /odd with status 500");
	assert_int_equal(docker_do(n.docker, "GET", NULL, &reply, &e, "/cut"), -1);
	expect_text(&e, "did not answer GET /cut");
	assert_int_equal(docker_do(n.docker, "GET", NULL, &reply, &e, "/text"), -1);
	expect_text(&e, "is not understood");
	stop_engine(&n);
}

/* Nothing wakes a wait for what is there already. */
static void test_an_answer_that_is_there_is_not_waited_for(void **state)
{
	enum { ANSWERED_MS = 300, WAIT_MS = 10000 };
	struct engine n;
	struct docker_call call = { 0 };
	struct err e = { "" };
	(void)state;
	open_engine(&n, "1.41");
	docker_send(n.docker, &call, "POST", NULL, "/same");
	docker_step(n.docker, NULL, 0, 0, &e);
	poll(NULL, 0, ANSWERED_MS);
	for (int i = 0; i < 3 && !call.done; i++) {
		int64_t began = clock_ns();
		assert_int_equal(docker_step(n.docker, NULL, 0, WAIT_MS, &e), 0);
		assert_true(clock_ns() - began < WAIT_MS / 2 * NS_PER_MS);
	}
	assert_true(call.done);
	docker_call_done(&call);
	stop_engine(&n);
}

static void test_calls_go_side_by_side(void **state)
{
	enum { CALLS = 8, EACH_MS = 200 };
	struct engine n;
	struct err e = { "" };
	struct docker_call calls[CALLS] = { { 0 } };
	(void)state;
	open_engine(&n, "1.41");
	int64_t began = clock_ns();
	for (int i = 0; i < CALLS; i++)
		docker_send(n.docker, &calls[i], "POST", NULL, "/slow");
	assert_int_equal(docker_pending(n.docker), CALLS);
	assert_int_equal(docker_finish(n.docker, calls, CALLS, &e), 0);
	assert_true(clock_ns() - began < CALLS * EACH_MS * NS_PER_MS);
	assert_int_equal(docker_pending(n.docker), 0);
	for (int i = 0; i < CALLS; i++)
		docker_call_done(&calls[i]);
	docker_send(n.docker, &calls[0], "POST", NULL, "/slow");
	docker_call_done(&calls[0]); /* in mid-way */
	assert_int_equal(docker_pending(n.docker), 0);
	stop_engine(&n);
}

static void test_an_engine_that_stops(void **state)
{
	struct engine n;
	struct err e = { "" };
	(void)state;
	open_engine(&n, "1.41");
	kill(n.pid, SIGKILL);
	waitpid(n.pid, NULL, 0);
	assert_int_equal(docker_do(n.docker, "GET", NULL, NULL, &e, "/echo"), -1);
	expect_text(&e, "Docker engine");
	stop_engine(&n);
}

static void test_attach(void **state)
{
	struct engine n;
	struct err e = { "" };
	char got[12];
	(void)state;
	open_engine(&n, "1.41");
	int fd = docker_attach(n.docker, "abc", &e);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "hey\n", 4), 4);
	assert_int_equal(recv(fd, got, sizeof got, MSG_WAITALL), sizeof got);
	assert_memory_equal(got, "\1\0\0\0\0\0\0\4hey\n", sizeof got);
	close(fd);
	assert_int_equal(docker_attach(n.docker, "gone", &e), -1);
	expect_text(&e, "status 404");
	stop_engine(&n);
}

/* --- no engine --- */

static void test_no_engine(void **state)
{
	struct err e = { "" };
	(void)state;
	assert_null(docker_open_at("nowhere", &e));
	expect_text(&e, "there is no Docker engine at nowhere");
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "nobody-listens" };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
	assert_null(docker_open_at(a.sun_path, &e));
	expect_text(&e, "does not run");
	close(fd);
	unlink(a.sun_path);
}

static void test_no_permission(void **state)
{
	(void)state;
	struct engine n = { 0 };
	start_engine(&n, "1.41");
	assert_int_equal(chmod(n.socket, 0600), 0);
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) { /* as somebody else; only root can become one */
		struct err e = { "" };
		if (geteuid() != 0 || chmod(".", 0755) != 0 || seteuid(65532) != 0)
			_exit(77);
		_exit(!docker_open_at(n.socket, &e) && strstr(e.text, "usermod -aG docker") ? 0 : 1);
	}
	int status = 0;
	waitpid(pid, &status, 0);
	stop_engine(&n);
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(status, 0);
}

/* --- which engine --- */

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static void clear_environment(void)
{
	unsetenv("DOCKER_HOST");
	unsetenv("DOCKER_CONTEXT");
	setenv("DOCKER_CONFIG", "config", 1);
}

static void expect_where(const char *path, const char *error)
{
	struct err e = { "" };
	char *got = docker_where(&e);
	if (path)
		assert_string_equal(got ? got : e.text, path);
	else
		expect_text(&e, error);
	free(got);
}

static void test_where(void **state)
{
	(void)state;
	clear_environment();
	expect_where("/var/run/docker.sock", NULL);
	assert_int_equal(system("mkdir -p config/contexts/meta/0a config/contexts/meta/0b"), 0);
	write_file("config/contexts/meta/0a/meta.json", "{\"Name\":\"far\",\"Endpoints\":{\"docker\":{\"Host\":\"ssh://x\"}}}");
	write_file("config/contexts/meta/0b/meta.json", "{\"Name\":\"mine\",\"Endpoints\":{\"docker\":{\"Host\":\"unix:///m.sock\"}}}");
	expect_where("/var/run/docker.sock", NULL);
	write_file("config/config.json", "{\"currentContext\":\"mine\"}");
	expect_where("/m.sock", NULL);
	setenv("DOCKER_CONTEXT", "far", 1);
	expect_where(NULL, "the Docker context \"far\" names the Docker engine ssh://x");
	setenv("DOCKER_CONTEXT", "none", 1);
	expect_where(NULL, "the Docker context \"none\" is chosen");
	setenv("DOCKER_CONTEXT", "default", 1);
	expect_where("/var/run/docker.sock", NULL);
	setenv("DOCKER_HOST", "unix:///h.sock", 1);
	expect_where("/h.sock", NULL);
	setenv("DOCKER_HOST", "tcp://1.2.3.4:2375", 1);
	expect_where(NULL, "DOCKER_HOST names the Docker engine tcp://1.2.3.4:2375");
	clear_environment();
}

int main(void)
{
	char folder[] = "docker-api-XXXXXX"; /* the sockets' names are short, and no other run's */
	signal(SIGPIPE, SIG_IGN);
	if (!mkdtemp(folder) || chdir(folder) != 0)
		return 1;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_version_is_the_lower_one), cmocka_unit_test(test_an_old_engine_is_refused),
		cmocka_unit_test(test_a_call_and_its_answer), cmocka_unit_test(test_errors_are_told),
		cmocka_unit_test(test_an_answer_that_is_there_is_not_waited_for),
		cmocka_unit_test(test_calls_go_side_by_side), cmocka_unit_test(test_an_engine_that_stops),
		cmocka_unit_test(test_attach), cmocka_unit_test(test_no_engine), cmocka_unit_test(test_no_permission),
		cmocka_unit_test(test_where),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
