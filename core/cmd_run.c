/* cmd_run.c - `dlab run`: free play. A cluster of any command, driven from the keyboard or by a script on stdin.
 *
 * It is a lab with one test whose play reads stdin (cmd_run_session.c); nothing is judged. On proc time goes on while it
 * waits for a line: it looks at stdin and at the nodes in turn. On sim time moves only by a request, `step` and `go`. With
 * --from it is a stored run of sim that is repeated up to a time, and goes on from there. */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "cmd.h"
#include "cmd_run_session.h"
#include "jobs.h"
#include "report.h"
#include "runfile.h"
#include "workspace.h"

extern const struct command cmd_run;

enum { NODES_DEFAULT = 3, LATENCY_MAX_MS = 600000 };
#define FOREVER_MS INT64_C(300000000000) /* nine years */

struct options {
	int64_t nodes, first, latency_ms, seed;
	const char *fabric, *image, *store, *from;
	double at_s;
};

static int take_seconds(struct options *x, const char *value)
{
	char *end;
	x->at_s = strtod(value, &end);
	if (end != value && *end == '\0' && isfinite(x->at_s) && x->at_s >= 0 && x->at_s < 1e9)
		return 0;
	return cmd_usage(&cmd_run, "--at takes seconds, such as 1.5, not \"%s\"", value);
}

static int take_option(void *ctx, const struct cmd_option *o, const char *value)
{
	struct options *x = ctx;
	if (strcmp(o->name, "nodes") == 0)
		return cmd_number(&cmd_run, o->name, value, 1, NODES_MAX, &x->nodes);
	if (strcmp(o->name, "count-from") == 0)
		return cmd_number(&cmd_run, o->name, value, 0, 1, &x->first);
	if (strcmp(o->name, "latency") == 0)
		return cmd_number(&cmd_run, o->name, value, 0, LATENCY_MAX_MS, &x->latency_ms);
	if (strcmp(o->name, "seed") == 0)
		return cmd_number(&cmd_run, o->name, value, 0, INT64_MAX, &x->seed);
	if (strcmp(o->name, "at") == 0)
		return take_seconds(x, value);
	const struct { const char *name, **to; } words[] = { { "image", &x->image }, { "store", &x->store }, { "from", &x->from },
		{ "fabric", &x->fabric } };
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strcmp(o->name, words[i].name) == 0)
			*words[i].to = value;
	return 0;
}

static void play_free(struct play *p)
{
	session_play(p->spec->watch_ctx, p);
}

static const struct test free_tests[] = {
	{ .id = "play", .title = "free play", .kind = TEST_SAFETY, .limit_ms = FOREVER_MS, .play = play_free },
	{ 0 },
};
static const struct lab lab_free = { .id = "free", .title = "free play", .stage = 1, .kind = LAB_LINES, .tests = free_tests };

/* --- putting it together --- */

static int block_signals(struct session *s, struct err *e)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	s->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return s->signals >= 0 ? 0 : err_errno(e, "cannot wait for signals");
}

static char *store_name(const char *runs)
{
	time_t now = time(NULL);
	struct tm t;
	char when[32];
	strftime(when, sizeof when, "%Y-%m-%d-%H%M%S", localtime_r(&now, &t));
	return xasprintf("%s/free.%s.db", runs, when);
}

/* What a verdict of the start says: a node did not come up. */
static int tell_end(const struct result *r, struct session *s, const char *path)
{
	if (r->verdict == VERDICT_PASS) {
		printf("%s%llu events; look at them again with `dlab replay %s`%s\n", s->style.dim, (unsigned long long)r->events_n,
			path, s->style.off);
		return s->misunderstood ? EXIT_USAGE : EXIT_PASSED;
	}
	const struct style plain = style_of(stderr);
	fflush(stdout);
	fprintf(stderr, "dlab run: it ended: %s\n", r->rule);
	report_field(stderr, &plain, "expected", r->expected);
	report_field(stderr, &plain, "seen", r->seen);
	report_field(stderr, &plain, "stderr", r->stderr_tail);
	report_field(stderr, &plain, "next", r->hint);
	return EXIT_FAILED;
}

static int play(struct run_spec *spec, const struct options *o, const char *runs, const struct session_script *script)
{
	struct err e = { "" };
	struct session s = { .style = style_of(stdout), .terminal = isatty(STDIN_FILENO), .signals = -1, .script = script };
	struct result result;
	char *path = o->store ? xstrdup(o->store) : store_name(runs);
	spec->core = -1;
	spec->store_path = path;
	spec->store_live = o->store;
	spec->real_limit_ns = INT64_MAX;
	spec->watch = session_show;
	spec->watch_ctx = &s;
	int rc = block_signals(&s, &e) != 0 || jobs_run_one(spec, &result, &e, NULL, NULL) != 0 ? cmd_world(&e) : 0;
	if (rc == 0)
		rc = tell_end(&result, &s, path);
	if (s.signals >= 0) {
		result_done(&result);
		close(s.signals);
	}
	buf_done(&s.out);
	buf_done(&s.in);
	buf_done(&s.line);
	free(path);
	return rc;
}

/* --- a new cluster --- */

/* The command after --, or that of a lab of the workspace. */
static char **find_argv(const struct workspace *w, const struct cmd_words *words, const char *cwd, struct err *e)
{
	if (words->after)
		return command_resolve(words->after, cwd, e);
	char **stored = words->n ? workspace_command(w, words->word[0], e) : NULL;
	if (!words->n)
		err_set(e, "say what to start, as in `dlab run -- python3 node.py`, or which lab of the workspace, as in `dlab run echo`");
	char **argv = stored ? command_resolve(stored, cwd, e) : NULL;
	command_free(stored);
	return argv;
}

static struct network network_of(int64_t latency_ms)
{
	if (latency_ms < 0)
		return (struct network){ 0 }; /* the usual one */
	return (struct network){ .mean_ns = latency_ms ? latency_ms * NS_PER_MS : 1 }; /* all zero would be the usual one */
}

static int play_new(const struct options *o, const struct workspace *w, const struct cmd_words *words, const char *runs)
{
	struct err e = { "" };
	const struct fabric_ops *fabric = fabric_find(o->fabric);
	if (!fabric)
		return cmd_usage(&cmd_run, "there is no fabric \"%s\": proc, sim or docker", o->fabric);
	if (o->image && fabric != &fabric_docker)
		return cmd_usage(&cmd_run, "--image is for --fabric docker");
	char *cwd = words->after ? realpath(".", NULL) : xstrdup(w->root);
	char **command = cwd ? find_argv(w, words, cwd, &e) : NULL;
	int rc;
	if (command) {
		struct test test = free_tests[0];
		test.nodes = (int)o->nodes;
		test.network = network_of(o->latency_ms);
		rc = play(&(struct run_spec){ .lab = &lab_free, .test = &test, .fabric = fabric, .argv = command, .cwd = cwd,
			.image = o->image, .seed = (uint64_t)o->seed, .first = (int)o->first }, o, runs, NULL);
	} else {
		rc = cmd_usage(&cmd_run, "%s", e.text);
	}
	command_free(command);
	free(cwd);
	return rc;
}

/* --- a fork of a stored run --- */

static int64_t meta_int(struct store_run *r, const char *key, int64_t otherwise)
{
	int64_t v;
	struct slice s = store_meta_get(r, key);
	return s.s && slice_int(s, &v) && v >= 0 ? v : otherwise;
}

/* A test is left at that time; but a run that is a fork itself was left before, and what was typed since is repeated. */
static int play_fork(struct rerun *a, struct store_run *r, const struct options *o, const char *runs)
{
	struct err e = { "" };
	struct session_script script;
	struct test test = free_tests[0];
	int64_t at_ns = o->at_s < 0 ? INT64_MAX : (int64_t)(o->at_s * 1e9), forked_ns = meta_int(r, STORE_FORKED, INT64_MAX);
	bool free_play = runfile_is_free(r), typed = free_play || store_meta_get(r, STORE_FORKED).s;
	if (session_script_read(&script, r, typed ? at_ns : -1, &e) != 0) {
		session_script_done(&script);
		return cmd_world(&e);
	}
	if (script.until_ns == INT64_MAX)
		script.until_ns = script.n ? script.line[script.n - 1].t_ns : 0;
	if (free_play) {
		test.nodes = a->spec.nodes;
		int64_t latency_ns = meta_int(r, STORE_LATENCY, 0); /* the file may be a stranger's */
		test.network.mean_ns = latency_ns <= LATENCY_MAX_MS * NS_PER_MS ? latency_ns : 0;
		a->spec.lab = &lab_free;
		a->spec.test = &test;
	} else {
		a->spec.take_over = play_free;
		a->spec.take_over_ns = at_ns < forked_ns ? at_ns : forked_ns;
	}
	int rc = play(&a->spec, o, runs, script.n || typed ? &script : NULL);
	session_script_done(&script);
	return rc;
}

static int play_from(const struct options *o, const struct workspace *w, const struct cmd_words *words, const char *runs)
{
	struct err e = { "" };
	struct rerun a;
	char *path = runfile_find(w, o->from, &e);
	struct store_run *r = path ? store_open(path, &e) : NULL;
	int rc = 0;
	if (!r)
		rc = cmd_usage(&cmd_run, "%s", e.text);
	else if ((runfile_is_free(r) ? rerun_open_free(&a, w, path, r, words->after, &e) : rerun_open(&a, w, path, r, words->after, &e)) != 0)
		rc = cmd_usage(&cmd_run, "%s", e.text);
	else {
		if (a.spec.fabric->deterministic)
			rc = play_fork(&a, r, o, runs);
		else
			rc = cmd_usage(&cmd_run, "this run was on %s, where real time never repeats: only a run on sim can be forked",
				a.spec.fabric->name);
		rerun_close(&a);
	}
	store_close(r);
	free(path);
	return rc;
}

static int run(int argc, char **argv)
{
	struct options o = { .nodes = NODES_DEFAULT, .first = 1, .latency_ms = -1, .fabric = "proc", .seed = 1, .at_s = -1 };
	struct cmd_words words;
	struct workspace w;
	struct err e = { "" };
	if (cmd_wants_watch(argc, argv))
		return cmd_watch(&cmd_run, "--live", argc, argv);
	int rc = cmd_parse(&cmd_run, argc, argv, &words, take_option, &o);
	if (rc != 0)
		return rc < 0 ? EXIT_PASSED : rc;
	if (words.n > 1 || (words.n && o.from))
		return cmd_usage(&cmd_run, "one lab at a time, please; \"%s\" is one word too many", words.word[words.n - 1]);
	if (o.at_s >= 0 && !o.from)
		return cmd_usage(&cmd_run, "--at is for --from");
	if (workspace_open(&w, &e) != 0)
		return cmd_usage(&cmd_run, "%s", e.text);
	char *runs = o.store ? NULL : workspace_runs(&w, &e);
	if (!runs && !o.store)
		rc = cmd_world(&e);
	else
		rc = o.from ? play_from(&o, &w, &words, runs) : play_new(&o, &w, &words, runs);
	free(runs);
	workspace_close(&w);
	return rc;
}

static const struct cmd_option options[] = {
	{ "nodes", 'n', "N", "how many nodes (default 3)", NULL },
	{ "fabric", 'f', "NAME", "proc (real processes, time goes on; default), docker (containers) or sim (time stands still between commands)",
		"proc sim docker" },
	{ "image", 0, "IMAGE", "docker: run the nodes in this image (default: dlab's own, a Debian with Python)", NULL },
	{ "count-from", 0, "N", "the first node is n1 (default) or n0", "0 1" },
	{ "latency", 0, "MS", "every message between nodes takes MS (default: 1 ms on average)", NULL },
	{ "seed", 's', "N", "the seed of chance (default 1)", NULL },
	{ "from", 0, "RUN", "repeat this run, which was on sim, and go on from there", "@runs" },
	{ "at", 0, "S", "of --from: up to second S (default: to its end)", NULL },
	{ "watch", 'w', NULL, "in the dashboard: see nodes, links and messages, and use keys for faults", NULL },
	{ "store", 0, "FILE", "write the run into FILE, where another program can read it meanwhile (default: in .dlab/runs)", "@files" },
	{ 0 },
};

const struct command cmd_run = {
	.name = "run",
	.arguments = "[LAB] [OPTIONS] [-- COMMAND...]",
	.summary = "Start a cluster of a command and play with it",
	.help = "Starts nodes, shows messages as they happen, and does what it reads on stdin, from a terminal or a script:\n\n"
		"  n1 {\"type\":\"echo\",\"echo\":\"hi\"}   send a request and show the answer\n"
		"  n1 echo echo=hi                  the same, shorter\n"
		"  cut n1 > n2, cut n1 | n2,n3, loss * > * 30%, latency n1 > * 80ms, heal, kill n2, start n2, pause n2, resume n2\n"
		"  send n1 echo echo=hi             the same, and do not wait for the answer\n"
		"  go MS, step [N] (sim), state, help, quit\n\n"
		"On proc time goes on while you think. On sim it moves only by a request (until its answer), go and step.\n"
		"From a script a request is over when it is answered, or after 5 s. Nothing is judged; the run is stored in .dlab/runs.\n"
		"--from repeats a run up to --at: of a test its clients and the faults to come go on, and the rest is yours.\n"
		"Exit status: 0, 1 when a node did not start, 2 when a line of a script was not understood.",
	.completes = "@labs",
	.options = options,
	.run = run,
};
