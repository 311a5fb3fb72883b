/* The dashboard without a terminal: keys in, screens out, as text. GOLDEN=write rewrites tests/golden/screens/. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "action.h"
#include "dash.h"
#include "files.h"

/* --- a run with something of everything that a screen must stand --- */

struct making {
	struct arena arena;
	struct lanes lanes;
	struct trace *trace;
	struct history *history;
	uint64_t msg;
	int64_t now;
};

static void add(struct making *m, int kind, int src, int dst, struct slice text, int64_t arg)
{
	m->now += 5 * NS_PER_MS;
	trace_append(m->trace, &(struct event){ .t_ns = m->now, .kind = (uint8_t)kind, .src = (int16_t)src, .dst = (int16_t)dst,
		.text = text, .arg = arg });
}

static void local(struct making *m, int kind, int node, const char *text)
{
	add(m, kind, node, node, slice_of(text), 0);
}

/* A message and what became of it: RECV, or DROP with a reason. */
static void message(struct making *m, int src, int dst, const char *type, struct slice body, int end, int why, int64_t ms)
{
	struct event e = { .t_ns = m->now += NS_PER_MS, .msg = ++m->msg, .arg = -1, .text = body, .kind = EVENT_SEND,
		.type = trace_type(m->trace, slice_of(type)), .src = (int16_t)src, .dst = (int16_t)dst };
	trace_append(m->trace, &e);
	e.text = SLICE_NONE;
	e.kind = (uint8_t)end;
	e.why = (uint8_t)why;
	e.t_ns = m->now += ms * NS_PER_MS;
	trace_append(m->trace, &e);
}

static void client(struct making *m, int kind, int src, int dst, const char *type, const char *body)
{
	m->now += 2 * NS_PER_MS;
	trace_append(m->trace, &(struct event){ .t_ns = m->now, .msg = ++m->msg, .arg = -1, .text = slice_of(body),
		.kind = (uint8_t)kind, .type = trace_type(m->trace, slice_of(type)), .src = (int16_t)src, .dst = (int16_t)dst });
}

static void heartbeats(struct making *m, int n)
{
	for (int i = 0; i < n; i++)
		message(m, 0, 2, "heartbeat", SLICE("{\"type\":\"heartbeat\",\"term\":1}"), EVENT_RECV, 0, 3);
}

/* What a node may write to steer a terminal, or to break columns. */
static void nasty(struct making *m)
{
	local(m, EVENT_LOG, 0, "\033[2J\033[31mred\033[0m \a bell \r carriage");
	local(m, EVENT_LOG, 1, "bidi \xe2\x80\xae gnirts \xe2\x80\xac zero width \xe2\x80\x8b end");
	local(m, EVENT_LOG, 2, "not UTF-8: \xff\xfe\xc3( \xed\xa0\x80");
	local(m, EVENT_LOG, 0, "CJK \xe6\xbc\xa2\xe5\xad\x97 kana \xe3\x81\x8b combining e\xcc\x81 a\xcc\x8a\xcc\xa3 emoji \xf0\x9f\x98\x80 end");
	message(m, 1, 0, "\xe6\xbc\xa2\xe5\xad\x97", SLICE("{\"type\":\"\xe6\xbc\xa2\xe5\xad\x97\",\"e\xcc\x81\":\"\xe3\x81\x8b\xe3\x81\xaa\"}"), EVENT_RECV, 0, 4);
	char *longest = arena_alloc(&m->arena, 60001);
	memset(longest, 'x', 60000);
	longest[60000] = '\0';
	local(m, EVENT_LOG, 1, longest);
}

static void play(struct making *m)
{
	int c1 = lane_client(&m->lanes, 1), c2 = lane_client(&m->lanes, 2);
	for (int n = 0; n < 3; n++)
		add(m, EVENT_START, n, n, SLICE("process 1"), 1);
	local(m, EVENT_STATE, 0, "{\"type\":\"state\",\"role\":\"leader\",\"term\":1,\"commit\":0}");
	local(m, EVENT_STATE, 1, "{\"type\":\"state\",\"role\":\"follower\",\"term\":1,\"commit\":0}");
	local(m, EVENT_STATE, 2, "{\"type\":\"state\",\"role\":\"follower\",\"term\":1,\"commit\":0}");
	client(m, EVENT_CALL, c1, 0, "write", "{\"type\":\"write\",\"key\":1,\"value\":7}");
	message(m, 0, 1, "append", SLICE("{\"type\":\"append\",\"term\":1,\"entries\":[7]}"), EVENT_RECV, 0, 12);
	message(m, 1, 0, "append_ok", SLICE("{\"type\":\"append_ok\",\"term\":1}"), EVENT_RECV, 0, 1);
	client(m, EVENT_REPLY, 0, c1, "write_ok", "{\"type\":\"write_ok\"}");
	heartbeats(m, 5);
	add(m, EVENT_FAULT, LANE_NONE, LANE_NONE, SLICE("cut n1 > n2,n3"), 0);
	add(m, EVENT_NOTE, LANE_NONE, LANE_NONE, SLICE("the leader speaks and is not heard"), 0);
	message(m, 0, 1, "append", SLICE("{\"type\":\"append\",\"term\":1,\"entries\":[8]}"), EVENT_DROP, DROP_CUT, 0);
	client(m, EVENT_CALL, c2, 0, "read", "{\"type\":\"read\",\"key\":1}");
	local(m, EVENT_STATE, 1, "{\"type\":\"state\",\"role\":\"leader\",\"term\":2,\"commit\":1}");
	message(m, 1, 2, "append", SLICE("{\"type\":\"append\",\"term\":2,\"entries\":[]}"), EVENT_RECV, 0, 2);
	message(m, 1, 2, "append", SLICE("{\"type\":\"append\",\"term\":2,\"entries\":[9]}"), EVENT_RECV, 1, 2);
	local(m, EVENT_PAUSE, 2, "");
	local(m, EVENT_KILL, 0, "");
	add(m, EVENT_EXIT, 0, 0, SLICE("was killed by the lab"), 1009);
	nasty(m);
	add(m, EVENT_NOTE, 1, 1, SLICE("# tc qdisc replace dev eth0 root netem delay 80ms"), 0);
	add(m, EVENT_FAULT, LANE_NONE, LANE_NONE, SLICE("heal"), 0);
	local(m, EVENT_RESUME, 2, "");
	add(m, EVENT_VERDICT, LANE_NONE, LANE_NONE, SLICE("failed: an acknowledged write was lost"), 1);
}

static void make_run(const char *path)
{
	struct making m = { 0 };
	struct err e;
	arena_init(&m.arena);
	lanes_init(&m.lanes, 3, 1);
	m.trace = trace_new(&m.arena, &m.lanes);
	m.history = history_new(&m.arena);
	struct store *s = store_create(path, m.trace, &e);
	assert_non_null(s);
	play(&m);
	struct store_pair pairs[] = { { STORE_LAB, SLICE("raft-kv") }, { STORE_TEST, SLICE("basic") }, { STORE_SEED, SLICE("42") },
		{ STORE_TITLE, SLICE("reads see writes") }, { STORE_FABRIC, SLICE("sim") }, { STORE_VERDICT, SLICE("failed") },
		{ STORE_RULE, SLICE("an acknowledged write was lost") }, { STORE_SOURCE, SLICE("Herlihy and Wing 1990, section 2") },
		{ STORE_EXPECTED, SLICE("key 1 holds 7 from 0.090 s on, for c1 was told so then") },
		{ STORE_SEEN, SLICE("c2 read nothing \033[31mthere\033[0m") },
		{ STORE_HINT, SLICE("look at what the new leader had in its log when it was elected") } };
	uint64_t evidence[] = { 7, 12 };
	assert_int_equal(store_finish(s, &(struct store_meta){ .pairs = pairs, .pairs_n = ARRAY_LEN(pairs), .history = m.history,
		.evidence = evidence, .evidence_n = ARRAY_LEN(evidence) }, &e), 0);
	trace_free(m.trace);
	history_free(m.history);
	arena_done(&m.arena);
}

static struct dash *open_dash(bool ascii)
{
	struct dash *d = xcalloc(1, sizeof *d);
	struct err e;
	make_run("screens.db");
	dash_init(d, ascii);
	assert_int_equal(dash_open(d, "screens.db", &e), 0);
	while (dash_tick(d, 0))
		;
	return d;
}

static void close_dash(struct dash *d)
{
	dash_done(d);
	free(d);
}

static void press(struct dash *d, const char *keys)
{
	for (; *keys; keys++)
		action_key(d, *keys == '\n' ? KEYS_ENTER : *keys == '\t' ? KEYS_TAB : *keys == '\033' ? KEYS_ESC : *keys);
}

static void shot(struct buf *b, struct dash *d, int w, int h, bool looks)
{
	struct grid g;
	grid_init(&g, w, h, d->ascii);
	dash_draw(d, &g);
	grid_print(b, &g, looks);
	grid_done(&g);
}

/* --- golden screens --- */

static const struct scene {
	const char *name, *keys;
} scenes[] = {
	{ "home", "H" }, { "guide", "H\n" }, { "cluster", "1" }, { "cluster-presenter", "1B" }, { "flow", "2" }, { "flow-all", "2zg" },
	{ "flow-causes", "2ga........" }, { "flow-filter", "2fkind=drop\n" }, { "flow-filter-wrong", "2fnode=n9" }, { "timeline", "3" },
	{ "logs", "4G" }, { "logs-columns", "4G\t" }, { "operations", "5" }, { "score", "6j" }, { "commands", "7" },
	{ "inspector", "2\n" }, { "help", "2?" }, { "find", "2g/append_ok\n" }, { "prompt", "2:goto 1" }, { "start", "2g" },
};
static const struct { int w, h; bool ascii, looks; } sizes[] = {
	{ 80, 24, false, true }, { 80, 24, true, false }, { 100, 30, false, false }, { 200, 60, false, false }, { 60, 20, false, false },
	{ 60, 20, true, false },
};

static void print_scene(struct buf *b, const struct scene *scene)
{
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct dash *d = open_dash(sizes[i].ascii);
		press(d, scene->keys);
		buf_printf(b, "=== %dx%d%s\n", sizes[i].w, sizes[i].h, sizes[i].ascii ? " ASCII" : "");
		shot(b, d, sizes[i].w, sizes[i].h, sizes[i].looks);
		close_dash(d);
	}
}

static void write_file(const char *path, const struct buf *b)
{
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(b->s, 1, b->n, f), b->n);
	assert_int_equal(fclose(f), 0);
}

static void test_golden(void **state)
{
	const char *golden = getenv("GOLDEN");
	int differ = 0;
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(scenes); i++) {
		char *path = xasprintf("%s/golden/screens/%s.txt", DLAB_TESTS, scenes[i].name);
		struct buf now = BUF_EMPTY, then = BUF_EMPTY;
		struct err e;
		print_scene(&now, &scenes[i]);
		if (golden && strcmp(golden, "write") == 0)
			write_file(path, &now);
		if (file_read(path, 1 << 22, &then, &e) != 0 || !slice_eq(buf_as_slice(&now), buf_as_slice(&then))) {
			char *mine = xasprintf("%s.txt", scenes[i].name);
			write_file(mine, &now);
			print_message("%s is not as before: diff -u %s %s\n", scenes[i].name, path, mine);
			free(mine);
			differ++;
		}
		buf_done(&now);
		buf_done(&then);
		free(path);
	}
	assert_int_equal(differ, 0);
}

/* --- what must hold of every screen --- */

/* Every key in every view at odd sizes: nothing but characters that are safe, no line longer than the screen. */
static void check_grid(const struct grid *g)
{
	for (int i = 0; i < g->w * g->h; i++) {
		const struct cell *c = &g->cells[i];
		assert_true(c->c == 0 ? i % g->w > 0 : (c->c >= 0x20 && c->c != 0x7f && !(c->c >= 0x80 && c->c < 0xa0)));
		assert_true(c->c != 0x202e && c->c != 0x200b && c->c != 0x202c);
		if (g->ascii)
			assert_true(c->c < 0x7f);
	}
	assert_in_range(g->cursor_x, 0, g->w - 1);
	assert_in_range(g->cursor_y, 0, g->h - 1);
}

static void test_any_key(void **state)
{
	static const int odd[][2] = { { 1, 1 }, { 59, 20 }, { 60, 20 }, { 61, 23 }, { 80, 24 }, { 101, 20 }, { 137, 41 }, { 300, 100 } };
	struct rng rng;
	(void)state;
	rng_seed(&rng, 5);
	struct dash *d = open_dash(false);
	for (int i = 0; i < 6000; i++) {
		int key = (int)rng_below(&rng, 4) ? (int)rng_between(&rng, 0, 127) : (int)rng_between(&rng, KEYS_UP, KEYS_BACK_TAB);
		d->quit = false;
		action_key(d, key);
		dash_tick(d, 20 * NS_PER_MS);
		if (i % 3)
			continue;
		const int *size = odd[rng_below(&rng, ARRAY_LEN(odd))];
		struct grid g;
		d->ascii = rng_below(&rng, 2);
		grid_init(&g, size[0], size[1], d->ascii);
		dash_draw(d, &g);
		check_grid(&g);
		grid_done(&g);
	}
	close_dash(d);
}

static bool screen_has(struct dash *d, const char *text)
{
	struct buf b = BUF_EMPTY;
	shot(&b, d, 200, 60, false);
	bool has = strstr(buf_cstr(&b), text) != NULL;
	buf_done(&b);
	return has;
}

static void test_places(void **state)
{
	(void)state;
	struct dash *d = open_dash(false);
	press(d, "2g");
	assert_int_equal(d->at, 1);
	press(d, "G");
	assert_int_equal(d->at, source_count(d->source));
	press(d, ":goto 0.05s\n");
	assert_int_equal(d->at, source_seek(d->source, 50 * NS_PER_MS));
	assert_true(source_at(d->source, d->at)->t_ns <= 50 * NS_PER_MS);
	assert_true(source_at(d->source, d->at + 1)->t_ns > 50 * NS_PER_MS);
	press(d, "6\n"); /* evidence */
	assert_int_equal(d->view, VIEW_FLOW);
	assert_int_equal(d->at, 7);
	press(d, "g/append_ok\n");
	assert_true(event_says(d->source, source_at(d->source, d->at), SLICE("append_ok")));
	uint64_t there = d->at;
	press(d, "n"); /* there is one only: it stays and says so */
	assert_int_equal(d->at, there);
	assert_true(d->message_bad);
	close_dash(d);
}

static void test_filter(void **state)
{
	(void)state;
	struct dash *d = open_dash(false);
	press(d, "2fkind=drop\n");
	for (uint64_t q = 1; q <= source_count(d->source); q++)
		assert_int_equal(dash_shows(d, source_at(d->source, q)), source_at(d->source, q)->kind == EVENT_DROP);
	press(d, "f\033");
	assert_int_equal(d->filter.n, 0);
	press(d, "fnode=n2 !append\n");
	for (uint64_t q = 1; q <= source_count(d->source); q++) {
		const struct event *e = source_at(d->source, q);
		if (dash_shows(d, e))
			assert_true((e->src == 1 || e->dst == 1) && !event_says(d->source, e, SLICE("append")));
	}
	close_dash(d);
}

/* The state of things at a place, however one came there. */
static void test_moment(void **state)
{
	(void)state;
	struct dash *d = open_dash(false);
	uint64_t cut = 0, killed = 0;
	for (uint64_t q = 1; q <= source_count(d->source); q++) {
		const struct event *e = source_at(d->source, q);
		if (e->kind == EVENT_FAULT && !cut)
			cut = q;
		if (e->kind == EVENT_EXIT)
			killed = q;
	}
	dash_goto(d, cut - 1);
	assert_int_equal(dash_moment(d)->cut[1], 0);
	dash_goto(d, cut);
	assert_int_equal(dash_moment(d)->cut[1], 1);
	assert_int_equal(dash_moment(d)->cut[2], 1);
	assert_int_equal(dash_moment(d)->cut[0], 0);
	dash_goto(d, killed);
	assert_int_equal(dash_moment(d)->life[0], LIFE_DOWN);
	assert_int_equal(dash_moment(d)->life[2], LIFE_PAUSED);
	assert_int_equal(dash_moment(d)->state[0], 0);
	dash_goto(d, source_count(d->source));
	assert_int_equal(dash_moment(d)->cut[1], 0);
	assert_int_equal(dash_moment(d)->life[2], LIFE_UP);
	dash_goto(d, cut);
	assert_int_equal(dash_moment(d)->cut[1], 1);
	close_dash(d);
}

/* The playhead moves with real time, at its speed, and stops at the end. */
static void test_play(void **state)
{
	(void)state;
	struct dash *d = open_dash(false);
	press(d, "2g ");
	assert_true(d->playing);
	int64_t t0 = d->t_ns;
	dash_tick(d, 40 * NS_PER_MS);
	assert_int_equal(d->t_ns, t0 + 40 * NS_PER_MS);
	press(d, "<");
	dash_tick(d, 40 * NS_PER_MS);
	assert_int_equal(d->t_ns, t0 + 60 * NS_PER_MS);
	dash_tick(d, 100 * NS_PER_S);
	assert_int_equal(d->at, source_count(d->source));
	assert_false(d->playing);
	close_dash(d);
}

/* --- verbs --- */

struct sent {
	char line[PROMPT_MAX];
	int n;
	int64_t forked_ns;
};

static int keep_line(void *ctx, const char *line, struct err *e)
{
	struct sent *s = ctx;
	(void)e;
	snprintf(s->line, sizeof s->line, "%s", line);
	s->n++;
	return 0;
}

static int keep_fork(void *ctx, struct dash *d, int64_t t_ns, struct err *e)
{
	(void)e;
	((struct sent *)ctx)->forked_ns = t_ns;
	d->live = true;
	return 0;
}

static void test_verbs(void **state)
{
	static const struct { const char *keys, *line; } cases[] = {
		{ "0", "heal" }, { "k", "kill n1" }, { "s", "start n1" }, { "i", "cut n1 | n2,n3" }, { "\ti", "cut n2 | n1,n3" },
		{ "v", "cut n2 | n1,n3" }, { "b", "cut n3 | n1" }, { "c\b\b\b\bcut n1 > n2\n", "cut n1 > n2" },
		{ "d\n", "latency * > * 80ms" }, { "L\n", "loss * > * 30%" }, { "mwrite key=1\n", "send n2 write key=1" },
	};
	struct sent sent = { "", 0, -1 };
	(void)state;
	struct dash *d = open_dash(false);
	d->verbs = (struct verbs){ .ctx = &sent, .send = keep_line, .fork = keep_fork };
	d->live = true;
	press(d, "2G");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		press(d, cases[i].keys);
		assert_string_equal(sent.line, cases[i].line);
	}
	d->live = false; /* a stored run of sim: the person is asked, and it is forked at the playhead */
	sent = (struct sent){ "", 0, -1 };
	press(d, "g........k");
	assert_int_equal(d->prompt, PROMPT_SURE);
	assert_int_equal(sent.n, 0);
	press(d, "\033");
	assert_int_equal(sent.forked_ns, -1);
	press(d, "k\n");
	assert_int_equal(sent.forked_ns, d->t_ns);
	assert_string_equal(sent.line, "kill n2");
	close_dash(d);
}

static void test_leave(void **state)
{
	(void)state;
	struct dash *d = open_dash(false);
	d->live = true;
	press(d, "Q");
	assert_false(d->quit); /* a live run ends with it: it asks */
	press(d, "\033");
	assert_false(d->quit);
	press(d, "Q\n");
	assert_true(d->quit);
	d->quit = d->live = false;
	press(d, "2\nq"); /* closes the inspector only */
	assert_int_equal(d->view, VIEW_FLOW);
	press(d, "q");
	assert_int_equal(d->view, VIEW_HOME);
	press(d, "q");
	assert_true(d->quit);
	close_dash(d);
}

/* What a node wrote stays on its line, whatever it is. */
static void test_nasty(void **state)
{
	(void)state;
	struct dash *d = open_dash(false);
	press(d, "4G");
	assert_true(screen_has(d, "?[2J?[31mred?[0m ? bell ? carriage"));
	assert_true(screen_has(d, "bidi ? gnirts ? zero width ? end"));
	assert_true(screen_has(d, "e\xcc\x81 a\xcc\x8a\xcc\xa3 emoji \xf0\x9f\x98\x80 end"));
	assert_true(screen_has(d, "xxxxx..."));
	press(d, "6");
	assert_true(screen_has(d, "c2 read nothing ?[31mthere?[0m"));
	close_dash(d);
}

/* A name of a command is one word, and no two of one view share a key. */
static void test_table(void **state)
{
	(void)state;
	for (const struct action *a = all_actions; a->name; a++) {
		assert_null(strchr(a->name, ' '));
		assert_non_null(a->help);
		for (const struct action *b = a + 1; b->name; b++)
			for (int i = 0; i < ACTION_KEYS; i++)
				for (int k = 0; k < ACTION_KEYS; k++)
					assert_false(a->key[i] && a->key[i] == b->key[k] && (a->views & b->views));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden), cmocka_unit_test(test_any_key), cmocka_unit_test(test_places), cmocka_unit_test(test_filter),
		cmocka_unit_test(test_moment), cmocka_unit_test(test_play), cmocka_unit_test(test_verbs), cmocka_unit_test(test_leave),
		cmocka_unit_test(test_nasty), cmocka_unit_test(test_table),
	};
	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
