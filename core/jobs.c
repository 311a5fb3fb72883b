#include "jobs.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "determinism.h"
#include "guard.h"

enum { WORKERS_MAX = 64 };

/* --- a result as JSON --- */

static void put_text(json_t *o, const char *key, const char *text)
{
	if (!text || !*text)
		return;
	struct buf b = BUF_EMPTY; /* text of a node may hold bytes that are not UTF-8 */
	buf_json_string(&b, slice_of(text));
	json_t *s = json_loadb(b.s, b.n, JSON_DECODE_ANY, NULL);
	buf_done(&b);
	json_object_set_new(o, key, s);
}

static json_t *measures_to_json(const struct result *r)
{
	json_t *list = json_array();
	for (int i = 0; i < r->measures_n; i++) {
		const struct measure *m = &r->measures[i];
		json_array_append_new(list, json_pack("{s:s, s:f, s:s, s:s}", "what", m->what, "value", m->value, "unit", m->unit,
			"bound", m->bound));
	}
	return list;
}

json_t *result_to_json(const struct result *r)
{
	json_t *o = json_object(), *evidence = json_array(), *notices = json_array();
	json_object_set_new(o, "verdict", json_string(verdict_name(r->verdict)));
	put_text(o, "rule", r->rule);
	put_text(o, "source", r->source);
	put_text(o, "expected", r->expected);
	put_text(o, "seen", r->seen);
	put_text(o, "hint", r->hint);
	put_text(o, "nodes", r->nodes);
	put_text(o, "events_that_matter", r->events);
	put_text(o, "stderr", r->stderr_tail);
	for (int i = 0; i < EVIDENCE_MAX && r->evidence[i]; i++)
		json_array_append_new(evidence, json_integer((json_int_t)r->evidence[i]));
	json_object_set_new(o, "evidence", evidence);
	for (int i = 0; i < r->notices_n; i++) {
		json_t *box = json_object();
		put_text(box, "text", r->notices[i]);
		json_array_append(notices, json_object_get(box, "text"));
		json_decref(box);
	}
	json_object_set_new(o, "notices", notices);
	json_object_set_new(o, "measures", measures_to_json(r));
	json_object_set_new(o, "start_failed", json_boolean(r->start_failed));
	json_object_set_new(o, "t_ns", json_integer(r->t_ns));
	json_object_set_new(o, "virtual_ns", json_integer(r->virtual_ns));
	json_object_set_new(o, "real_ns", json_integer(r->real_ns));
	json_object_set_new(o, "events", json_integer((json_int_t)r->events_n));
	json_object_set_new(o, "messages", json_integer((json_int_t)r->messages_n));
	json_object_set_new(o, "memory", json_integer((json_int_t)r->memory));
	json_object_set_new(o, "ordinals", json_integer(r->ordinals));
	char hash[17];
	snprintf(hash, sizeof hash, "%016llx", (unsigned long long)r->hash);
	json_object_set_new(o, "hash", json_string(hash));
	return o;
}

static char *get_text(const json_t *o, const char *key)
{
	const char *s = json_get_string(o, key, NULL);
	return s ? xstrdup(s) : NULL;
}

static void get_array(char *out, size_t n, const json_t *o, const char *key)
{
	snprintf(out, n, "%s", json_get_string(o, key, ""));
}

static void measures_from_json(struct result *r, const json_t *list)
{
	for (size_t i = 0; i < json_array_size(list) && r->measures_n < MEASURES_MAX; i++) {
		const json_t *m = json_array_get(list, i);
		struct measure *to = &r->measures[r->measures_n++];
		get_array(to->what, sizeof to->what, m, "what");
		get_array(to->unit, sizeof to->unit, m, "unit");
		get_array(to->bound, sizeof to->bound, m, "bound");
		to->value = json_number_value(json_get(m, "value"));
	}
}

void result_from_json(struct result *r, const json_t *o)
{
	*r = (struct result){ .verdict = VERDICT_WORLD };
	for (enum verdict v = VERDICT_PASS; v <= VERDICT_WORLD; v++)
		if (strcmp(json_get_string(o, "verdict", ""), verdict_name(v)) == 0)
			r->verdict = v;
	get_array(r->rule, sizeof r->rule, o, "rule");
	get_array(r->source, sizeof r->source, o, "source");
	get_array(r->nodes, sizeof r->nodes, o, "nodes");
	r->expected = get_text(o, "expected");
	r->seen = get_text(o, "seen");
	r->hint = get_text(o, "hint");
	r->events = get_text(o, "events_that_matter");
	r->stderr_tail = get_text(o, "stderr");
	const json_t *evidence = json_get(o, "evidence"), *notices = json_get(o, "notices");
	for (size_t i = 0; i < json_array_size(evidence) && i < EVIDENCE_MAX; i++)
		r->evidence[i] = (uint64_t)json_integer_value(json_array_get(evidence, i));
	for (size_t i = 0; i < json_array_size(notices) && i < NOTICES_MAX; i++)
		r->notices[r->notices_n++] = xstrdup(json_string_value(json_array_get(notices, i)));
	measures_from_json(r, json_get(o, "measures"));
	r->start_failed = json_is_true(json_get(o, "start_failed"));
	r->t_ns = json_get_int(o, "t_ns", 0);
	r->virtual_ns = json_get_int(o, "virtual_ns", 0);
	r->real_ns = json_get_int(o, "real_ns", 0);
	r->events_n = (uint64_t)json_get_int(o, "events", 0);
	r->messages_n = (uint64_t)json_get_int(o, "messages", 0);
	r->memory = (size_t)json_get_int(o, "memory", 0);
	r->ordinals = (uint32_t)json_get_int(o, "ordinals", 0);
	r->hash = strtoull(json_get_string(o, "hash", "0"), NULL, 16);
}

/* --- one job --- */

static void do_job(struct job *j, const char *marker, struct guard *guard, int core)
{
	j->spec.marker = marker;
	j->spec.guard = guard;
	j->spec.core = j->spec.fabric->deterministic ? core : -1;
	j->spec.store_path = j->store_path;
	if (j->twice)
		determinism_run(&j->spec, &j->result, &j->err);
	else
		run_test(&j->spec, &j->result, &j->err);
	j->done = true;
}

/* Runs on sim sweep only what descends from them; whoever else has the marker ends here. */
static void guard_end(const char *marker, struct guard *guard)
{
	if (guard)
		guard_sweep(marker, guard, NULL, 0);
	guard_stop(guard);
}

/* The k'th processor that this process may use. */
static int core_number(int k)
{
	cpu_set_t set;
	if (sched_getaffinity(0, sizeof set, &set) != 0)
		return -1;
	int n = CPU_COUNT(&set);
	k %= n;
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET((size_t)i, &set) && k-- == 0)
			return i;
	return -1;
}

static void make_marker(char *out, size_t n, int worker)
{
	snprintf(out, n, "%ld-%d-%llx", (long)getpid(), worker, (unsigned long long)clock_ns());
}

static int run_here(struct job *jobs, size_t n, bool (*ended)(void *, struct job *), void *ctx, struct err *e)
{
	char marker[64];
	make_marker(marker, sizeof marker, 0);
	struct guard *guard = guard_start(marker, e);
	if (!guard)
		return -1;
	int core = sched_getcpu();
	for (size_t i = 0; i < n; i++) {
		do_job(&jobs[i], marker, guard, core);
		if (!ended(ctx, &jobs[i]))
			break;
	}
	guard_end(marker, guard);
	return 0;
}

int jobs_run_one(struct run_spec *spec, struct result *r, struct err *e,
	void (*keep)(void *, const struct trace *, const struct history *), void *ctx)
{
	char marker[64];
	make_marker(marker, sizeof marker, 0);
	*r = (struct result){ .verdict = VERDICT_WORLD };
	struct guard *guard = guard_start(marker, e);
	if (!guard)
		return -1;
	spec->marker = marker;
	spec->guard = guard;
	spec->core = spec->fabric->deterministic ? sched_getcpu() : -1;
	int rc = run_test_with(spec, r, e, keep, ctx);
	guard_end(marker, guard);
	spec->marker = NULL;
	spec->guard = NULL;
	return rc;
}

/* --- workers --- */

struct worker_process {
	pid_t pid;
	int to, from;  /* pipes: job numbers out, results in; -1: closed */
	struct line_buf in;
	size_t job;    /* what it does; SIZE_MAX: nothing */
};

/* False when the one who asked cannot be told any more. */
static bool send_result(int to, const struct job *j)
{
	json_t *doc = result_to_json(&j->result);
	put_text(doc, "error", j->result.verdict == VERDICT_WORLD ? j->err.text : "");
	struct buf line = BUF_EMPTY;
	json_print(&line, doc);
	buf_char(&line, '\n');
	ssize_t w = 0;
	for (size_t at = 0; at < line.n && (w >= 0 || errno == EINTR); at += w > 0 ? (size_t)w : 0)
		w = write(to, line.s + at, line.n - at);
	buf_done(&line);
	json_decref(doc);
	return w >= 0;
}

static _Noreturn void worker_main(struct job *jobs, int k, int from, int to, pid_t parent)
{
	char marker[64];
	struct err e = { "" };
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent) /* it died before we could ask to be told */
		_exit(EXIT_FAILURE);
	make_marker(marker, sizeof marker, k);
	struct guard *guard = guard_start(marker, &e);
	int core = core_number(k);
	uint32_t i;
	bool told = guard != NULL;
	while (told && read(from, &i, sizeof i) == (ssize_t)sizeof i) {
		do_job(&jobs[i], marker, guard, core);
		told = send_result(to, &jobs[i]);
		result_done(&jobs[i].result);
	}
	guard_end(marker, guard); /* also when nobody hears us: who waits for this process must not find its guard alive */
	_exit(told ? EXIT_SUCCESS : EXIT_FAILURE);
}

static int worker_start(struct worker_process *w, struct job *jobs, int k, struct err *e)
{
	int down[2], up[2];
	if (pipe2(down, O_CLOEXEC) != 0)
		return err_errno(e, "cannot start a worker");
	if (pipe2(up, O_CLOEXEC) != 0) {
		close(down[0]);
		close(down[1]);
		return err_errno(e, "cannot start a worker");
	}
	fflush(NULL);
	pid_t parent = getpid();
	w->pid = fork();
	if (w->pid == 0) {
		close(down[1]);
		close(up[0]);
		worker_main(jobs, k, down[0], up[1], parent);
	}
	close(down[0]);
	close(up[1]);
	if (w->pid < 0) {
		close(down[1]);
		close(up[0]);
		return err_errno(e, "cannot start a worker");
	}
	w->to = down[1];
	w->from = up[0];
	w->job = SIZE_MAX;
	return 0;
}

static void give_job(struct worker_process *w, size_t *next, size_t n)
{
	uint32_t i = (uint32_t)*next;
	w->job = SIZE_MAX;
	if (*next < n && write(w->to, &i, sizeof i) == (ssize_t)sizeof i) {
		w->job = (*next)++;
	} else if (w->to >= 0) {
		close(w->to);
		w->to = -1;
	}
}

static void take_result(struct worker_process *w, struct job *jobs, struct slice line)
{
	struct job *j = &jobs[w->job];
	struct err e;
	json_t *doc = json_read(line, &e);
	result_from_json(&j->result, doc);
	snprintf(j->err.text, sizeof j->err.text, "%s", json_get_string(doc, "error", ""));
	json_decref(doc);
	j->done = true;
}

/* Reads what a worker wrote. True when a job ended; then w->job is still its number. */
static bool worker_read(struct worker_process *w, struct job *jobs)
{
	char chunk[65536];
	ssize_t got = read(w->from, chunk, sizeof chunk);
	if (got > 0) {
		struct line_buf *b = &w->in;
		if (b->cap - b->n < (size_t)got) {
			b->cap = (b->n + (size_t)got) * 2;
			b->s = xrealloc(b->s, b->cap);
		}
		memcpy(b->s + b->n, chunk, (size_t)got);
		b->n += (size_t)got;
		if (b->s[b->n - 1] != '\n')
			return false;
		take_result(w, jobs, (struct slice){ b->s, b->n - 1 });
		b->n = 0;
		return true;
	}
	if (got < 0 && errno == EINTR)
		return false;
	close(w->from);
	w->from = -1;
	if (w->job == SIZE_MAX)
		return false;
	struct job *j = &jobs[w->job];
	j->result = (struct result){ .verdict = VERDICT_WORLD };
	err_set(&j->err, "a worker process of dlab ended in the middle of a run (a fault in dlab)");
	j->done = true;
	return true;
}

static int run_workers(struct worker_process *w, int workers, struct job *jobs, size_t n,
	bool (*ended)(void *, struct job *), void *ctx, struct err *e)
{
	size_t next = 0, limit = n;
	for (int k = 0; k < workers; k++)
		give_job(&w[k], &next, limit);
	for (;;) {
		struct pollfd fds[WORKERS_MAX];
		int who[WORKERS_MAX], m = 0;
		for (int k = 0; k < workers; k++)
			if (w[k].from >= 0) {
				who[m] = k;
				fds[m++] = (struct pollfd){ .fd = w[k].from, .events = POLLIN };
			}
		if (m == 0 && next < limit)
			return err_set(e, "every worker process of dlab ended before its work was done: is there too little memory, "
				"or are too many processes running?");
		if (m == 0)
			return 0;
		if (poll(fds, (nfds_t)m, -1) < 0)
			continue;
		for (int i = 0; i < m; i++) {
			struct worker_process *one = &w[who[i]];
			if (!fds[i].revents || !worker_read(one, jobs))
				continue;
			if (!ended(ctx, &jobs[one->job]))
				limit = next;
			give_job(one, &next, limit);
		}
	}
}

int jobs_run(struct job *jobs, size_t n, int workers, bool (*ended)(void *, struct job *), void *ctx, struct err *e)
{
	if ((size_t)workers > n)
		workers = (int)n;
	if (workers > WORKERS_MAX)
		workers = WORKERS_MAX;
	if (workers <= 1)
		return run_here(jobs, n, ended, ctx, e);
	struct worker_process w[WORKERS_MAX] = { 0 };
	int started = 0, rc = 0;
	while (started < workers && (rc = worker_start(&w[started], jobs, started, e)) == 0)
		started++;
	if (rc == 0)
		rc = run_workers(w, workers, jobs, n, ended, ctx, e);
	for (int k = 0; k < started; k++) {
		if (w[k].to >= 0)
			close(w[k].to);
		if (w[k].from >= 0)
			close(w[k].from);
		free(w[k].in.s);
		while (waitpid(w[k].pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	return rc;
}
