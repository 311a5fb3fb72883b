/* Linearization points of the dashboard: orders and conflicts of small runs of a key-value store. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "points.h"

/* A run as a text: "c1 w 0 7" a write is called, "c1 ok" answered, "c2 r 0" "c2 = 7", "c2 none" no such key, "c1 no" refused with
 * error 11, "c3 cas 0 1 2", "c3 done", "c3 differs" error 22. Each line takes a millisecond. */
struct story {
	const char *steps;
	enum points_state state;
	const char *points; /* of the operations in order: the millisecond, - none, ! in conflict */
};

static const struct story stories[] = {
	{ "c1 w 0 7\nc1 ok\nc2 r 0\nc2 = 7", POINTS_ORDER, "1 3" },
	{ "c1 w 0 7\nc1 ok\nc2 r 0\nc2 none", POINTS_CONFLICT, "! !" },
	{ "c1 w 0 7\nc2 r 0\nc2 none\nc1 ok", POINTS_ORDER, "2 2" },
	{ "c1 w 0 7\nc2 r 0\nc2 = 7", POINTS_ORDER, "1 2" },            /* the write has no answer, and was seen */
	{ "c1 w 0 7\nc2 w 1 8\nc2 ok\nc1 ok", POINTS_ORDER, "1 2" },    /* keys do not touch */
	{ "c1 w 0 7\nc1 no\nc2 r 0\nc2 none", POINTS_ORDER, "- 3" },    /* refused: it did not happen */
	{ "c1 w 0 1\nc1 ok\nc2 cas 0 1 2\nc2 done\nc1 r 0\nc1 = 2", POINTS_ORDER, "1 3 5" },
	{ "c1 w 0 1\nc1 ok\nc2 cas 0 1 2\nc2 differs", POINTS_CONFLICT, "! !" },
	{ "c1 x 0", POINTS_NONE, "" },                                   /* no store */
};

struct making {
	struct arena arena;
	struct lanes lanes;
	struct trace *trace;
	struct history *history;
	uint64_t msg;
};

static void add(struct making *m, int kind, int64_t ms, int client, const char *type, const char *body)
{
	int c = lane_client(&m->lanes, client);
	bool call = kind == EVENT_CALL;
	trace_append(m->trace, &(struct event){ .t_ns = ms * NS_PER_MS, .msg = ++m->msg, .kind = (uint8_t)kind, .arg = -1,
		.type = trace_type(m->trace, slice_of(type)), .text = slice_of(arena_printf(&m->arena, "%s", body)),
		.src = (int16_t)(call ? c : 0), .dst = (int16_t)(call ? 0 : c) });
}

static void tell(struct making *m, int64_t ms, const char *step)
{
	static const struct { const char *word, *type, *body; } answers[] = {
		{ "ok", "write_ok", "{\"type\":\"write_ok\"}" }, { "done", "cas_ok", "{\"type\":\"cas_ok\"}" },
		{ "none", "error", "{\"type\":\"error\",\"code\":20}" }, { "no", "error", "{\"type\":\"error\",\"code\":11}" },
		{ "differs", "error", "{\"type\":\"error\",\"code\":22}" },
	};
	char word[20], body[200];
	int client, a = 0, b = 0, c = 0;
	assert_true(sscanf(step, "c%d %19s %d %d %d", &client, word, &a, &b, &c) >= 2);
	snprintf(body, sizeof body, strcmp(word, "w") == 0 ? "{\"type\":\"write\",\"key\":%d,\"value\":%d}" :
		strcmp(word, "r") == 0 ? "{\"type\":\"read\",\"key\":%d}" : strcmp(word, "cas") == 0 ?
		"{\"type\":\"cas\",\"key\":%d,\"from\":%d,\"to\":%d}" : strcmp(word, "=") == 0 ? "{\"type\":\"read_ok\",\"value\":%d}" :
		"{\"type\":\"other\",\"key\":%d}", a, b, c);
	for (size_t i = 0; i < sizeof answers / sizeof *answers; i++)
		if (strcmp(word, answers[i].word) == 0) {
			add(m, EVENT_REPLY, ms, client, answers[i].type, answers[i].body);
			return;
		}
	add(m, strcmp(word, "=") == 0 ? EVENT_REPLY : EVENT_CALL, ms, client, "any", body);
}

static void make(const char *steps)
{
	struct making m = { .msg = 0 };
	struct err e;
	char line[100];
	int64_t ms = 0;
	arena_init(&m.arena);
	lanes_init(&m.lanes, 1, 1);
	m.trace = trace_new(&m.arena, &m.lanes);
	m.history = history_new(&m.arena);
	struct store *s = store_create("points.db", m.trace, &e);
	assert_non_null(s);
	for (const char *at = steps; *at;) {
		size_t n = strcspn(at, "\n");
		snprintf(line, sizeof line, "%.*s", (int)n, at);
		tell(&m, ++ms, line);
		at += n + (at[n] == '\n');
	}
	assert_int_equal(store_finish(s, &(struct store_meta){ .history = m.history }, &e), 0);
	trace_free(m.trace);
	history_free(m.history);
	arena_done(&m.arena);
}

static void each_story(void **state)
{
	(void)state;
	for (size_t k = 0; k < sizeof stories / sizeof *stories; k++) {
		struct err e;
		struct survey survey;
		struct points p = { 0 };
		struct buf told = BUF_EMPTY;
		make(stories[k].steps);
		struct source *source = source_open("points.db", &e);
		assert_non_null(source);
		survey_init(&survey, source_lanes(source));
		while (survey_go(&survey, source, NS_PER_S))
			;
		points_find(&p, &survey, source);
		for (size_t i = 0; i < survey.ops_n && p.state != POINTS_NONE; i++) {
			buf_str(&told, i ? " " : "");
			if (p.conflict[i])
				buf_str(&told, "!");
			else if (p.t_ns[i] < 0)
				buf_str(&told, "-");
			else
				buf_int(&told, p.t_ns[i] / NS_PER_MS);
		}
		if (p.state != stories[k].state || strcmp(buf_cstr(&told), stories[k].points) != 0)
			fail_msg("%s\n  state %d, %s; expected %d, %s", stories[k].steps, p.state, buf_cstr(&told), stories[k].state, stories[k].points);
		points_done(&p);
		survey_done(&survey);
		source_close(source);
		buf_done(&told);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(each_story) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
