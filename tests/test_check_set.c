/* The checker of a growing set: small histories with the verdict beside them, brute force against all small histories,
 * and published histories with the verdicts of Jepsen's set-full. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "check.h"

/* --- histories as text: one operation a word pair, in the order of events ---
 *
 *   "a1( a1) 0( 0)1,2"    add of 1 is called and acknowledged; node 0 is asked for a read and answers 1, 2
 *
 * Places are counted from 1, one millisecond apart. Reads are on nodes 0..9, one at a time on each node. */

enum { OPS = 64, VALUES = 512 };

struct script {
	struct set_add add[OPS];
	struct set_read read[OPS];
	int64_t value[VALUES];
	size_t adds, reads, values;
};

static struct set_add *find_add(struct script *s, int64_t value)
{
	for (size_t i = 0; i < s->adds; i++)
		if (s->add[i].value == value)
			return &s->add[i];
	return NULL;
}

static void take_word(struct script *s, const char *word, uint64_t place, struct set_read *open)
{
	bool add = *word == 'a';
	char *end;
	int64_t number = strtoll(word + add, &end, 10);
	int64_t t_ns = (int64_t)place * NS_PER_MS;
	if (add && *end == '(') {
		s->add[s->adds++] = (struct set_add){ .value = number, .call = place };
	} else if (add) {
		find_add(s, number)->ret = place;
		find_add(s, number)->ret_ns = t_ns;
	} else if (*end == '(') {
		open[number] = (struct set_read){ .node = (int)number, .call = place, .call_ns = t_ns };
	} else {
		struct set_read *r = &s->read[s->reads++];
		*r = open[number];
		r->ret = place;
		r->ret_ns = t_ns;
		r->values = &s->value[s->values];
		while (*++end) {
			s->value[s->values++] = strtoll(end, &end, 10);
			r->n++;
			if (!*end)
				break;
		}
	}
}

static struct set_report check_text(struct arena *a, struct script *s, const char *text)
{
	struct set_read open[10] = { { 0 } };
	char *copy = xstrdup(text), *rest = NULL;
	uint64_t place = 0;
	*s = (struct script){ .adds = 0 };
	for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
		take_word(s, word, ++place, open);
	free(copy);
	return set_check(a, s->add, s->adds, s->read, s->reads);
}

struct expected {
	const char *history;
	size_t stable, lost, never_read, stale, phantoms, doubled, vanished;
};

static const struct expected table[] = {
	/* history                                                      st lo nr  stale ph do va */
	{ "",                                                           0, 0, 0,  0,    0, 0, 0 },
	{ "a1( a1)",                                                    0, 0, 1,  0,    0, 0, 0 },
	{ "a1( a1) 0( 0)1",                                             1, 0, 0,  0,    0, 0, 0 },
	{ "a1( a1) 0( 0)",                                              0, 1, 0,  0,    0, 0, 0 },
	{ "a1( a1) 0( 0) 0( 0)1",                                       1, 0, 0,  1,    0, 0, 0 },
	/* A read that was under way when the add was acknowledged may lack it. */
	{ "0( a1( a1) 0) 0( 0)1",                                       1, 0, 0,  0,    0, 0, 0 },
	{ "a1( 0( a1) 0)",                                              0, 0, 1,  0,    0, 0, 0 },
	/* Nobody acknowledged it: it may be there or not; once shown, it is known. */
	{ "a1( 0( 0)",                                                  0, 0, 1,  0,    0, 0, 0 },
	{ "a1( 0( 0)1",                                                 1, 0, 0,  0,    0, 0, 0 },
	{ "a1( 0( 0)1 1( 1)",                                           0, 1, 0,  0,    0, 0, 0 },
	/* One node has it and the other has not: set-full would call this stable. */
	{ "a1( a1) 1( 1) 0( 0)1",                                       0, 1, 0,  0,    0, 0, 0 },
	{ "a1( a1) 0( 0)1 1( 1)1",                                      1, 0, 0,  0,    0, 0, 0 },
	/* Node 1 was not asked after the acknowledgement: nothing can be said of it. */
	{ "1( 1) a1( a1) 0( 0)1",                                       0, 0, 1,  0,    0, 0, 0 },
	{ "1( a1( 1) a1) 0( 0)1",                                       0, 0, 1,  0,    0, 0, 0 },
	/* Invented: never added, or shown before the add was called. */
	{ "0( 0)7",                                                     0, 0, 0,  0,    1, 0, 0 },
	{ "0( 0)1 a1( a1) 0( 0)1",                                      1, 0, 0,  0,    1, 0, 0 },
	{ "0( a1( 0)1 a1)",                                             1, 0, 0,  0,    0, 0, 0 },
	{ "a5( a5) 0( 0)4,5,6",                                         1, 0, 0,  0,    2, 0, 0 },
	/* Shown more than once; an invented value too. */
	{ "a1( a1) 0( 0)1,1",                                           1, 0, 0,  0,    0, 1, 0 },
	{ "a1( a1) a2( a2) 0( 0)2,1,2,1,1",                             2, 0, 0,  0,    0, 2, 0 },
	{ "0( 0)9,9",                                                   0, 0, 0,  0,    1, 1, 0 },
	/* Taken back: by the same node, in a read that began after the other had ended. */
	{ "a1( a1) 0( 0)1 0( 0)",                                       0, 1, 0,  0,    0, 0, 1 },
	{ "a1( a1) 0( 0)1 0( 0) 0( 0)1",                                1, 0, 0,  1,    0, 0, 1 },
	{ "a1( a1) 0( 0)1 1( 1) 1( 1)1",                                1, 0, 0,  1,    0, 0, 0 },
	{ "a1( 0( 0)1 0( 0) a1)",                                       0, 1, 0,  0,    0, 0, 1 },
};

static void small_histories(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		const struct expected *x = &table[i];
		struct script s;
		struct arena a;
		arena_init(&a);
		struct set_report r = check_text(&a, &s, x->history);
		size_t got[] = { r.stable, r.lost, r.never_read, r.stale, r.phantoms, r.doubled, r.vanished };
		size_t want[] = { x->stable, x->lost, x->never_read, x->stale, x->phantoms, x->doubled, x->vanished };
		if (memcmp(got, want, sizeof got) != 0)
			fail_msg("\"%s\": got %zu %zu %zu %zu %zu %zu %zu, expected %zu %zu %zu %zu %zu %zu %zu", x->history, got[0], got[1],
				got[2], got[3], got[4], got[5], got[6], want[0], want[1], want[2], want[3], want[4], want[5], want[6]);
		arena_done(&a);
	}
}

/* Two reads of one node at the same time: the later return may lack what the earlier showed. */
static void reads_that_overlap(void **state)
{
	(void)state;
	int64_t one[] = { 1 };
	struct set_add add = { .value = 1, .call = 1, .ret = 2, .ret_ns = 2 };
	struct set_read reads[] = {
		{ .node = 0, .call = 3, .ret = 6, .call_ns = 3, .ret_ns = 6 },
		{ .node = 0, .call = 4, .ret = 5, .call_ns = 4, .ret_ns = 5, .values = one, .n = 1 },
	};
	struct arena a;
	arena_init(&a);
	struct set_report r = set_check(&a, &add, 1, reads, 2);
	assert_int_equal(r.vanished, 0);
	assert_int_equal(r.stable, 1);
	arena_done(&a);
}

static void witnesses(void **state)
{
	(void)state;
	struct script s;
	struct arena a;
	arena_init(&a);
	struct set_report r = check_text(&a, &s, "a1( a1) a2( a2) 3( 3)1,2 3( 3)1 5( 5)8,1,1,1 3( 3)1,2,9");
	assert_int_equal(r.vanished, 1);
	assert_int_equal(r.gone.value, 2);
	assert_int_equal(r.gone.earlier, 0);
	assert_int_equal(r.gone.read, 1);
	assert_int_equal(r.doubled, 1);
	assert_int_equal(r.twice.value, 1);
	assert_int_equal(r.twice.times, 3);
	assert_int_equal(r.twice.read, 2);
	assert_int_equal(r.phantoms, 2);
	assert_int_equal(r.phantom.value, 8);
	assert_int_equal(r.values[0].fate, SET_STABLE);
	assert_int_equal(r.values[1].fate, SET_LOST);
	assert_true(r.values[1].lost_on == lane_bit(5));
	assert_int_equal(r.acknowledged, 2);
	arena_done(&a);
}

static void latencies(void **state)
{
	(void)state;
	struct script s;
	struct arena a;
	arena_init(&a);
	/* Known at 2 ms; the last read that lacks it is called at 5 ms. */
	struct set_report r = check_text(&a, &s, "a1( a1) 0( 0)1 1( 1) 1( 1)1");
	assert_int_equal(r.values[0].stable_ns, 3 * NS_PER_MS + 1);
	assert_int_equal(r.values[0].absent, 1);
	r = check_text(&a, &s, "a1( a1) 0( 0)1");
	assert_int_equal(r.values[0].stable_ns, 0);
	/* A read proves it before the acknowledgement does. */
	r = check_text(&a, &s, "a1( 0( 0)1 1( 1) a1) 1( 1)1");
	assert_int_equal(r.values[0].known, 3);
	assert_int_equal(r.values[0].stable_ns, NS_PER_MS + 1);
	arena_done(&a);
}

/* --- brute force: the definitions, word by word, without cleverness --- */

static bool shows(const struct set_read *r, int64_t value)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->values[i] == value)
			return true;
	return false;
}

static uint64_t known_since(const struct script *s, const struct set_add *a)
{
	uint64_t known = a->ret;
	for (size_t i = 0; i < s->reads; i++)
		if (s->read[i].ret > a->call && shows(&s->read[i], a->value) && (!known || s->read[i].ret < known))
			known = s->read[i].ret;
	return known;
}

/* -1: lost, 1: stable, 0: neither. */
static int fate_on(const struct script *s, const struct set_add *a, int node, uint64_t known)
{
	const struct set_read *present = NULL, *absent = NULL;
	for (size_t i = 0; i < s->reads; i++) {
		const struct set_read *r = &s->read[i], **last = shows(r, a->value) ? &present : &absent;
		if (r->node == node && r->ret > a->call && (!*last || r->call > (*last)->call))
			*last = r;
	}
	uint64_t p = present ? present->call : 0, q = absent ? absent->call : 0;
	return p > q ? 1 : q && known && known < q ? -1 : 0;
}

static int slow_fate(const struct script *s, const struct set_add *a)
{
	bool stable = s->reads > 0;
	for (size_t i = 0; i < s->reads; i++) {
		int fate = fate_on(s, a, s->read[i].node, known_since(s, a));
		if (fate < 0)
			return SET_LOST;
		stable = stable && fate > 0;
	}
	return stable ? SET_STABLE : SET_NEVER_READ;
}

static size_t slow_vanished(const struct script *s)
{
	size_t n = 0;
	for (size_t i = 0; i < s->reads; i++)
		for (size_t k = 0; k < s->adds; k++) {
			const struct set_read *late = &s->read[i];
			bool gone = false;
			for (size_t e = 0; e < s->reads; e++)
				gone |= s->read[e].node == late->node && s->read[e].ret < late->call && s->read[e].ret > s->add[k].call &&
					shows(&s->read[e], s->add[k].value);
			n += gone && !shows(late, s->add[k].value);
		}
	return n;
}

/* Adds and reads that begin and end in any order; reads show any values of 1..3. */
static void make_history(struct script *s, struct rng *rng)
{
	uint64_t place = 0, adds = 1 + rng_below(rng, 2), reads = 1 + rng_below(rng, 4);
	*s = (struct script){ .adds = adds };
	for (size_t i = 0; i < adds; i++)
		s->add[i] = (struct set_add){ .value = (int64_t)i + 1 };
	for (size_t i = 0; i < reads; i++)
		s->read[i] = (struct set_read){ .node = (int)rng_below(rng, 2), .values = &s->value[3 * i] };
	s->reads = reads;
	for (int round = 0; round < 40; round++) {
		size_t i = rng_below(rng, adds + reads);
		uint64_t *call = i < adds ? &s->add[i].call : &s->read[i - adds].call;
		uint64_t *ret = i < adds ? &s->add[i].ret : &s->read[i - adds].ret;
		if (!*call || !*ret)
			*(*call ? ret : call) = ++place;
	}
	for (size_t i = 0; i < reads; i++) {
		struct set_read *r = &s->read[i];
		for (int64_t v = 1; v <= 3; v++)
			if (rng_below(rng, 3) != 0)
				s->value[3 * i + r->n++] = v;
		r->call = r->call ? r->call : ++place;
		r->ret = r->ret ? r->ret : ++place;
	}
	for (size_t i = 0; i < adds; i++)
		s->add[i].call = s->add[i].call ? s->add[i].call : ++place;
}

static void brute_force(void **state)
{
	(void)state;
	struct rng rng;
	rng_seed(&rng, 7);
	size_t lost = 0, stable = 0, vanished = 0;
	for (int n = 0; n < 20000; n++) {
		struct script s;
		struct arena a;
		make_history(&s, &rng);
		arena_init(&a);
		struct set_report r = set_check(&a, s.add, s.adds, s.read, s.reads);
		for (size_t i = 0; i < s.adds; i++) {
			assert_int_equal(r.values[i].fate, slow_fate(&s, &s.add[i]));
			assert_true(r.values[i].known == known_since(&s, &s.add[i]));
		}
		assert_int_equal(r.vanished, slow_vanished(&s));
		lost += r.lost;
		stable += r.stable;
		vanished += r.vanished;
		arena_done(&a);
	}
	assert_true(lost > 1000 && stable > 1000 && vanished > 1000);
}

/* --- published histories ---
 *
 * Each folder holds history.edn, one operation a line, and results.edn with the verdict of Jepsen's set-full. Set-full
 * sees all nodes as one set, so with all reads on one node set_check must say exactly what it says: the same values
 * stable, lost, never read and stale, and the same latencies.
 *
 * Per node set_check is stricter, and never milder: a value that set-full calls lost is lost on the node that answered
 * the last read without it. Beyond that, three things differ. A value that the last read showed is "stable" for set-full
 * although other nodes never show it. Values that nobody added are passed over by it. And values shown twice are never
 * reported, because its test for them is the wrong way round (it looks for counts below 1). */

enum { FILE_MAX = 4 << 20, PUBLISHED_OPS = 4096 };

struct published {
	struct set_add *add;
	struct set_read *read;
	struct {
		int process;
		uint64_t call;
		int64_t call_ns;
	} open[256];
	size_t adds, reads, open_n;
	int clients; /* processes before the first crash: a crashed one goes on as number + clients */
	bool crashed;
	struct arena arena;
};

static char *read_text(const char *path)
{
	FILE *f = fopen(path, "rb");
	if (!f)
		return NULL;
	char *text = xmalloc(FILE_MAX + 1);
	size_t n = fread(text, 1, FILE_MAX, f);
	fclose(f);
	text[n] = '\0';
	return text;
}

/* What stands behind ":key " in a line, NULL when it is not there. */
static const char *after_key(const char *line, const char *key)
{
	const char *at = strstr(line, key);
	return at ? at + strlen(key) : NULL;
}

static void begin_op(struct published *p, const char *value, int process, uint64_t place, int64_t t_ns, bool add)
{
	if (add)
		p->add[p->adds++] = (struct set_add){ .value = strtoll(value, NULL, 10), .call = place };
	for (size_t i = 0; i <= p->open_n; i++)
		if (i == p->open_n || p->open[i].process == process) {
			p->open_n += i == p->open_n;
			p->open[i].process = process;
			p->open[i].call = place;
			p->open[i].call_ns = t_ns;
			return;
		}
}

static void end_read(struct published *p, const char *value, int process, uint64_t place, int64_t t_ns)
{
	struct set_read *r = &p->read[p->reads++];
	size_t i = 0, room = 1;
	while (p->open[i].process != process)
		i++;
	for (const char *c = value; *c && *c != ']'; c++)
		room += *c == ' ';
	int64_t *values = arena_alloc(&p->arena, room * sizeof *values);
	*r = (struct set_read){ .node = process, .call = p->open[i].call, .call_ns = p->open[i].call_ns, .ret = place, .ret_ns = t_ns,
		.values = values };
	if (*value != '[') /* nil: some nodes write null for an empty list */
		return;
	for (const char *at = value + 1; *at != ']'; at += *at == ' ') {
		char *end;
		values[r->n] = strtoll(at, &end, 10);
		if (end == at) /* a text: nobody added it */
			values[r->n] = -1;
		r->n++;
		at += strcspn(at, " ]");
	}
}

static void end_add(struct published *p, const char *value, uint64_t place, int64_t t_ns)
{
	for (size_t i = 0; i < p->adds; i++)
		if (p->add[i].value == strtoll(value, NULL, 10)) {
			p->add[i].ret = place;
			p->add[i].ret_ns = t_ns;
		}
}

static void take_line(struct published *p, const char *line)
{
	const char *process = after_key(line, ":process "), *value = after_key(line, ":value "), *type = after_key(line, ":type :");
	const char *f = after_key(line, ":f :");
	if (!process || *process < '0' || *process > '9' || !value || !type || !f)
		return;
	int number = atoi(process);
	uint64_t place = strtoull(after_key(line, ":index "), NULL, 10) + 1;
	int64_t t_ns = strtoll(after_key(line, ":time "), NULL, 10);
	bool add = strncmp(f, "broadcast", 9) == 0;
	p->crashed |= strncmp(type, "info", 4) == 0;
	if (!p->crashed && number >= p->clients)
		p->clients = number + 1;
	if (strncmp(type, "invoke", 6) == 0)
		begin_op(p, value, number, place, t_ns, add);
	else if (strncmp(type, "ok", 2) == 0 && add)
		end_add(p, value, place, t_ns);
	else if (strncmp(type, "ok", 2) == 0)
		end_read(p, value, number, place, t_ns);
}

static bool published_read(struct published *p, const char *folder, int number, char **results)
{
	char *path = xasprintf("%s/%02d/history.edn", folder, number);
	char *text = read_text(path), *rest = NULL;
	free(path);
	path = xasprintf("%s/%02d/results.edn", folder, number);
	*results = text ? read_text(path) : NULL;
	free(path);
	if (!text || !*results) {
		free(text);
		return false;
	}
	arena_init(&p->arena);
	p->add = arena_alloc(&p->arena, PUBLISHED_OPS * sizeof *p->add);
	p->read = arena_alloc(&p->arena, PUBLISHED_OPS * sizeof *p->read);
	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		take_line(p, line);
	free(text);
	return true;
}

static void same_count(int number, const char *results, const char *key, size_t got)
{
	const char *at = after_key(results, key);
	if (!at)
		fail_msg("broadcast/%02d: no %s in the results", number, key);
	else if (strtoull(at, NULL, 10) != got)
		fail_msg("broadcast/%02d: %s is %.10s published, %zu here", number, key, at, got);
}

static int ascending(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return x < y ? -1 : x > y;
}

static void same_latencies(struct published *p, int number, const char *results, const struct set_report *r)
{
	static const struct {
		const char *key;
		double q;
	} quantiles[] = { { "{0 ", 0 }, { " 0.5 ", 0.5 }, { " 0.95 ", 0.95 }, { " 0.99 ", 0.99 }, { " 1 ", 1 } };
	const char *at = after_key(results, ":stable-latencies ");
	int64_t *ms = arena_alloc(&p->arena, (r->n + 1) * sizeof *ms);
	size_t n = 0, stale = 0;
	for (size_t i = 0; i < r->n; i++)
		if (r->values[i].fate == SET_STABLE)
			ms[n++] = r->values[i].stable_ns / NS_PER_MS;
	for (size_t i = 0; i < n; i++)
		stale += ms[i] > 0;
	same_count(number, results, ":stale-count ", stale);
	if (n)
		qsort(ms, n, sizeof *ms, ascending);
	for (size_t i = 0; n && at && i < ARRAY_LEN(quantiles); i++) {
		size_t k = (size_t)(quantiles[i].q * (double)n);
		int64_t got = ms[k < n ? k : n - 1];
		const char *published = after_key(at, quantiles[i].key);
		if (!published || strtoll(published, NULL, 10) != got)
			fail_msg("broadcast/%02d: quantile %g is %.10s published, %lld here", number, quantiles[i].q, published ? published : "?",
				(long long)got);
	}
}

static struct set_report check_published(struct published *p, int nodes)
{
	struct set_read *reads = arena_alloc(&p->arena, (p->reads + 1) * sizeof *reads);
	memcpy(reads, p->read, p->reads * sizeof *reads);
	for (size_t i = 0; i < p->reads; i++)
		reads[i].node %= nodes;
	return set_check(&p->arena, p->add, p->adds, reads, p->reads);
}

static void compare_published(struct published *p, int number, const char *results, struct set_report *sum)
{
	const char *workload = after_key(results, ":workload ");
	assert_non_null(workload);
	struct set_report whole = check_published(p, 1);
	same_count(number, workload, ":attempt-count ", whole.n);
	same_count(number, workload, ":stable-count ", whole.stable);
	same_count(number, workload, ":lost-count ", whole.lost);
	same_count(number, workload, ":never-read-count ", whole.never_read);
	same_latencies(p, number, workload, &whole);
	struct set_report each = check_published(p, p->clients > 0 && p->clients <= NODES_MAX ? p->clients : 1);
	for (size_t i = 0; i < whole.n; i++)
		assert_true(whole.values[i].fate != SET_LOST || each.values[i].fate == SET_LOST);
	assert_int_equal(whole.phantoms, each.phantoms);
	assert_int_equal(whole.doubled, each.doubled);
	sum->lost += each.lost - whole.lost;
	sum->phantoms += each.phantoms;
	sum->doubled += each.doubled;
	sum->vanished += each.vanished;
	sum->n += 1;
}

static void published_histories(void **state)
{
	(void)state;
	const char *root = getenv("DLAB_HISTORIES");
	if (!root) {
		print_message("skipped: DLAB_HISTORIES does not name a folder of published histories\n");
		skip();
	}
	char *folder = xasprintf("%s/broadcast", root);
	struct set_report sum = { .n = 0 };
	for (int number = 1; number <= 99; number++) {
		struct published p = { .adds = 0 };
		char *results;
		if (!published_read(&p, folder, number, &results))
			continue;
		compare_published(&p, number, results, &sum);
		free(results);
		arena_done(&p.arena);
	}
	free(folder);
	print_message("%zu published histories agree. Beyond set-full, per node: %zu more lost, %zu taken back; %zu invented, %zu "
		"doubled\n", sum.n, sum.lost, sum.vanished, sum.phantoms, sum.doubled);
	assert_true(sum.n > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(small_histories), cmocka_unit_test(reads_that_overlap), cmocka_unit_test(witnesses),
		cmocka_unit_test(latencies), cmocka_unit_test(brute_force), cmocka_unit_test(published_histories),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
