/* workload.c - many clients, each with one operation at a time; what they ask follows from the seed alone.
 *
 * Every client draws from a stream of its own, in the order of its operations, and draws also for an operation
 * that is left out: so shrink can leave one out and the contents of the rest stay what they were. An operation has
 * its ordinal before `next` is asked to fill it in. Its time moves a little: one that is left out takes the
 * client's pause and, where there is no pause, about a round trip.
 *
 * An operation may be several requests (`again`): each is an op of its own in the history, and the client stays busy. */
#include <math.h>
#include <stdlib.h>

#include "play.h"

struct worker {
	struct workload_run *run;
	struct rng rng;
	struct op *op; /* the request that it waits for, or that it will repeat; NULL: neither */
	int client;
};

struct workload_run {
	struct workload plan;
	struct play *play;
	int64_t end_ns;
	int64_t begun;   /* operations so far */
	int active;      /* operations under way */
	int sleeping;    /* workers that will ask again */
	struct worker *workers; /* in the run's arena */
	struct workload_run *next;
};

static void worker_ask(struct play *p, void *arg);

static bool workload_is_over(const struct workload_run *w)
{
	return play_now(w->play) >= w->end_ns || (w->plan.count > 0 && w->begun >= w->plan.count);
}

/* Exponential gaps make a Poisson stream: -ln(u) * mean. */
static int64_t gap_ns(struct worker *k)
{
	const struct workload *plan = &k->run->plan;
	if (plan->rate <= 0)
		return 0;
	double mean = (double)NS_PER_S * plan->clients / plan->rate;
	return (int64_t)(-log(1.0 - rng_unit(&k->rng)) * mean);
}

static void worker_sleep(struct play *p, struct worker *k)
{
	int64_t at = play_now(p) + gap_ns(k);
	if (at >= k->run->end_ns || workload_is_over(k->run))
		return;
	k->run->sleeping++;
	play_agenda_add(p, at, worker_ask, k);
}

static struct op *worker_next(struct play *p, struct worker *k, struct buf *body)
{
	struct op *op = history_add(p->history);
	op->client = k->client;
	op->shrinkable = true;
	op->call_ns = play_now(p);
	if (play_skips(p, STREAM_CLIENT + k->client, &op->ordinal))
		op->status = OP_SKIPPED;
	k->run->plan.next(p, op, &k->rng, body, k->run->plan.arg);
	return op;
}

/* After an operation that is left out. Those of a counted workload do not count when only some are kept: else
 * a client that skips fast would take the places of others. It ends when none of its own is left. */
static void worker_skip(struct play *p, struct worker *k, const struct op *op)
{
	struct workload_run *w = k->run;
	const struct skip_set *skip = &p->spec->skip;
	if (!skip->rest)
		w->begun++;
	else if (w->plan.count > 0 && !skip_keeps_later(skip, op->ordinal))
		return;
	int64_t round_trip = 2 * p->cluster.network.mean_ns;
	int64_t took = w->plan.rate > 0 ? 0 : round_trip > NS_PER_MS ? round_trip : NS_PER_MS;
	w->sleeping++;
	play_agenda_add(p, play_now(p) + took + gap_ns(k), worker_ask, k);
}

static void worker_call(struct play *p, struct worker *k, struct op *op)
{
	int64_t timeout_ms = k->run->plan.timeout_ms;
	k->op = op;
	play_call(p, op, k->client, buf_as_slice(&p->body), timeout_ms ? timeout_ms : 5000);
}

/* Another request of the operation that is under way: it comes and goes with the first one, so shrink does not see it. */
static void worker_ask_again(struct play *p, void *arg)
{
	struct worker *k = arg;
	struct op *op = history_add(p->history);
	op->client = k->client;
	op->before = k->op;
	op->call_ns = play_now(p);
	p->body.n = 0;
	k->run->plan.next(p, op, &k->rng, &p->body, k->run->plan.arg);
	worker_call(p, k, op);
}

static void worker_ask(struct play *p, void *arg)
{
	struct worker *k = arg;
	struct workload_run *w = k->run;
	w->sleeping--;
	if (workload_is_over(w))
		return;
	p->body.n = 0;
	struct op *op = worker_next(p, k, &p->body);
	if (op->status == OP_SKIPPED) {
		worker_skip(p, k, op);
		return;
	}
	w->begun++;
	w->active++;
	worker_call(p, k, op);
}

static void worker_op_ended(struct play *p, struct worker *k)
{
	struct workload_run *w = k->run;
	struct op *op = k->op;
	int64_t pause_ms = w->plan.again ? w->plan.again(p, op, w->plan.arg) : -1;
	if (pause_ms >= 0) {
		play_at(p, pause_ms, worker_ask_again, k);
		return;
	}
	k->op = NULL;
	w->active--;
	if (w->plan.done)
		w->plan.done(p, op, w->plan.arg);
	worker_sleep(p, k);
}

void workload_op_ended(struct play *p, struct op *op)
{
	for (struct workload_run *w = p->workloads; w; w = w->next) {
		int i = op->client - w->plan.first_client;
		if (i < 0 || i >= w->plan.clients || w->workers[i].op != op)
			continue;
		worker_op_ended(p, &w->workers[i]);
		return;
	}
}

void play_workload_start(struct play *p, const struct workload *plan)
{
	struct workload_run *w = arena_zero(&p->arena, sizeof *w);
	w->plan = *plan;
	w->play = p;
	if (w->plan.first_client == 0)
		w->plan.first_client = 1;
	assert(w->plan.first_client + plan->clients <= CLIENTS_MAX);
	w->end_ns = plan->duration_ms ? play_now(p) + plan->duration_ms * NS_PER_MS : INT64_MAX;
	assert(plan->duration_ms || plan->count);
	w->workers = arena_zero(&p->arena, (size_t)plan->clients * sizeof *w->workers);
	w->next = p->workloads;
	p->workloads = w;
	for (int i = 0; i < plan->clients; i++) {
		struct worker *k = &w->workers[i];
		k->run = w;
		k->client = w->plan.first_client + i;
		p->client[k->client].reserved = true;
		rng_seed(&k->rng, rng_derive(p->spec->seed, 100 + (uint64_t)k->client));
		worker_sleep(p, k);
	}
}

static bool workloads_are_over(struct play *p, void *arg)
{
	(void)arg;
	for (struct workload_run *w = p->workloads; w; w = w->next)
		if (w->active > 0 || (w->sleeping > 0 && !workload_is_over(w)))
			return false;
	return true;
}

void play_workload_wait(struct play *p)
{
	play_until(p, workloads_are_over, NULL, 3600 * 1000);
	for (struct workload_run *w = p->workloads; w; w = w->next)
		for (int i = 0; i < w->plan.clients; i++)
			p->client[w->plan.first_client + i].reserved = false;
	p->workloads = NULL;
}

void play_workload(struct play *p, const struct workload *plan)
{
	play_workload_start(p, plan);
	play_workload_wait(p);
}
