/* The safety rules of Raft (labs/parts/raft_rules.h): each with a short story that breaks it, beside stories that a right node
 * may live through and that break none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "../labs/parts/raft_rules.h"
#include "play.h" /* before cmocka.h, which has a macro of the name run_test */

#include <cmocka.h>

/* A story is words with semicolons between the steps:
 *   start N                                       N is started (again)
 *   state N ROLE TERM VOTE COMMIT LAST LASTTERM   f, c, l; VOTE is a node or -
 *   apply N INDEX TERM COMMAND                    - for none
 *   snap N INDEX TERM DIGEST
 *   next N                                        N's next handler begins
 *   ask COMMAND / ok N INDEX DIGEST / err N CODE  client c1 */
struct story {
	const char *rule; /* how the rule that breaks begins; NULL: none does */
	const char *steps;
};

struct teller {
	struct play play;
	struct result result;
	struct run_spec spec;
	struct raft_rules rules;
	int64_t t_ns, msg_id;
};

static void happen(struct teller *w, int kind, int src, int dst, int64_t arg, const char *type, const char *text)
{
	struct event e = { .kind = (uint8_t)kind, .src = (int16_t)src, .dst = (int16_t)dst, .arg = arg, .t_ns = w->t_ns += NS_PER_MS,
		.type = trace_type(w->play.trace, slice_of(type)), .text = arena_copy(&w->play.arena, slice_of(text)) };
	raft_rules_watch(&w->rules, &w->play, trace_at(w->play.trace, trace_append(w->play.trace, &e)));
}

static void tell_state(struct teller *w, const char *step)
{
	int node;
	char role, vote[8], quoted[16], text[300];
	long long term, commit, last, last_term;
	assert_int_equal(sscanf(step, "state n%d %c %lld %7s %lld %lld %lld", &node, &role, &term, vote, &commit, &last, &last_term), 7);
	snprintf(quoted, sizeof quoted, "\"%s\"", vote);
	snprintf(text, sizeof text, "{\"type\":\"state\",\"role\":\"%s\",\"term\":%lld,\"vote\":%s,\"commit\":%lld,\"last_index\":%lld,"
		"\"last_term\":%lld}", role == 'l' ? "leader" : role == 'c' ? "candidate" : "follower", term, *vote == '-' ? "null" : quoted,
		commit, last, last_term);
	happen(w, EVENT_STATE, node - 1, node - 1, 0, "state", text);
}

static void tell_apply(struct teller *w, const char *step)
{
	int node;
	char command[20], quoted[30], text[200];
	long long index, term;
	assert_int_equal(sscanf(step, "apply n%d %lld %lld %19s", &node, &index, &term, command), 4);
	snprintf(quoted, sizeof quoted, "\"%s\"", command);
	snprintf(text, sizeof text, "{\"type\":\"apply\",\"index\":%lld,\"term\":%lld,\"command\":%s}", index, term,
		*command == '-' ? "null" : quoted);
	happen(w, EVENT_APPLY, node - 1, node - 1, 0, "apply", text);
}

static void tell_reply(struct teller *w, const char *step)
{
	int node, client = lane_client(&w->play.lanes, 1);
	long long a, digest;
	char text[200];
	if (sscanf(step, "ok n%d %lld %lld", &node, &a, &digest) == 3) {
		snprintf(text, sizeof text, "{\"type\":\"propose_ok\",\"index\":%lld,\"digest\":%lld}", a, digest);
		happen(w, EVENT_REPLY, node - 1, client, w->msg_id, "propose_ok", text);
		return;
	}
	assert_int_equal(sscanf(step, "err n%d %lld", &node, &a), 2);
	snprintf(text, sizeof text, "{\"type\":\"error\",\"code\":%lld}", a);
	happen(w, EVENT_REPLY, node - 1, client, w->msg_id, "error", text);
}

static void tell(struct teller *w, const char *step)
{
	int node;
	long long index, term, digest;
	char command[20], text[200];
	if (strncmp(step, "state", 5) == 0) {
		tell_state(w, step);
	} else if (strncmp(step, "apply", 5) == 0) {
		tell_apply(w, step);
	} else if (sscanf(step, "snap n%d %lld %lld %lld", &node, &index, &term, &digest) == 4) {
		snprintf(text, sizeof text, "{\"type\":\"apply\",\"index\":%lld,\"term\":%lld,\"snapshot\":true,\"digest\":%lld}", index, term,
			digest);
		happen(w, EVENT_APPLY, node - 1, node - 1, 0, "apply", text);
	} else if (sscanf(step, "start n%d", &node) == 1) {
		happen(w, EVENT_START, node - 1, node - 1, 0, "", "started");
	} else if (sscanf(step, "next n%d", &node) == 1) {
		happen(w, EVENT_TIMER, node - 1, node - 1, 0, "", "election");
	} else if (sscanf(step, "ask %19s", command) == 1) {
		snprintf(text, sizeof text, "{\"type\":\"propose\",\"command\":\"%s\",\"msg_id\":%lld}", command, (long long)++w->msg_id);
		happen(w, EVENT_CALL, lane_client(&w->play.lanes, 1), 0, -1, "propose", text);
	} else if (strncmp(step, "raw", 3) == 0) {
		happen(w, EVENT_STATE, 0, 0, 0, "state", step + 4);
	} else {
		tell_reply(w, step);
	}
}

static void tell_all(struct teller *w, const char *steps)
{
	while (*steps) {
		char step[200];
		size_t n = strcspn(steps, ";");
		assert_true(n < sizeof step);
		memcpy(step, steps, n);
		step[n] = '\0';
		tell(w, step + strspn(step, " "));
		steps += n + (steps[n] == ';');
	}
	raft_rules_end(&w->rules, &w->play);
}

/* True when a rule broke. */
static bool breaks(struct teller *w, const char *steps)
{
	if (setjmp(w->play.stop))
		return true;
	raft_rules_begin(&w->rules, &w->play, true);
	tell_all(w, steps);
	return false;
}

static void judge(const struct story *s)
{
	struct teller *w = xcalloc(1, sizeof *w);
	w->play.result = &w->result;
	w->play.spec = &w->spec;
	w->play.ops = &fabric_sim;
	lanes_init(&w->play.lanes, 5, 1);
	arena_init(&w->play.arena);
	w->play.trace = trace_new(&w->play.arena, &w->play.lanes);
	bool broken = breaks(w, s->steps);
	if (broken != (s->rule != NULL) || (broken && strncmp(w->result.rule, s->rule, strlen(s->rule)) != 0))
		fail_msg("%s\n  expected: %s\n  broken: %s, %s", s->steps, s->rule ? s->rule : "no rule", w->result.rule,
			w->result.seen ? w->result.seen : "");
	if (broken)
		assert_true(w->result.expected && w->result.seen && w->result.hint && w->result.evidence[0]);
	for (size_t i = 1; i < EVIDENCE_MAX && w->result.evidence[i]; i++)
		assert_true(w->result.evidence[i - 1] < w->result.evidence[i]);
	result_done(&w->result);
	trace_free(w->play.trace);
	arena_done(&w->play.arena);
	free(w);
}

#define LEADER "start n1; start n2; start n3; state n1 f 0 - 0 0 0; state n2 f 0 - 0 0 0; state n3 f 0 - 0 0 0;" \
	"state n1 c 1 n1 0 0 0; state n2 f 1 n1 0 0 0; state n3 f 1 n1 0 0 0; state n1 l 1 n1 0 0 0;"
/* n1 leads term 1 and has applied "a" at 1: digest 97. */
#define ONE LEADER "ask a; apply n1 1 1 a; ok n1 1 97; next n1;"

static const struct story stories[] = {
	{ NULL, ONE },
	/* 1 */
	{ "Election Safety", LEADER "state n2 c 2 n2 0 0 0; state n3 c 2 n3 0 0 0; state n2 l 2 n2 0 0 0; state n3 l 2 n3 0 0 0" },
	{ NULL, LEADER "state n2 c 2 n2 0 0 0; state n2 l 2 n2 0 0 0; state n1 l 1 n1 0 0 0" }, /* the old one does not know yet */
	/* 2 */
	{ "one vote", LEADER "state n2 f 1 n3 0 0 0" },
	{ "one vote", LEADER "start n2; state n2 f 1 - 0 0 0; state n2 f 1 n3 0 0 0" },
	{ NULL, LEADER "start n2; state n2 f 1 n1 0 0 0; state n2 f 2 - 0 0 0; state n2 f 2 n3 0 0 0" },
	/* 3 */
	{ "the term", LEADER "state n2 f 0 - 0 0 0" },
	{ "the term", LEADER "start n2; state n2 f 0 - 0 0 0" },
	/* 4 */
	{ "the commit", LEADER "state n1 l 1 n1 2 3 1; state n1 l 1 n1 1 3 1" },
	{ NULL, LEADER "state n1 l 1 n1 2 3 1; start n1; state n1 f 1 n1 0 3 1" },
	{ "what is applied is committed", ONE "state n1 f 2 - 0 1 1" },
	/* 5 */
	{ "Leader Completeness", ONE "state n2 c 2 n2 0 0 0; state n2 l 2 n2 0 0 0" },
	{ "Leader Completeness", ONE "state n1 f 2 - 1 1 1; state n2 f 3 - 0 1 2; state n2 l 3 - 0 1 2" }, /* another entry at 1 */
	{ NULL, ONE "state n2 c 2 n2 0 1 1; state n2 l 2 n2 0 1 1" },
	/* An entry of term 1 is committed in term 4 only; a candidate of term 2 wins late. */
	{ NULL, LEADER "ask a; state n3 c 2 n3 0 0 0; state n1 c 4 n1 0 1 1; state n1 l 4 n1 0 1 1; apply n1 1 1 a; next n1;"
		"state n3 l 2 n3 0 0 0" },
	/* 6 */
	{ "State Machine Safety", ONE "ask b; apply n2 1 1 b" },
	{ "State Machine Safety", ONE "apply n2 1 1 -" },
	{ "Log Matching", ONE "apply n2 1 0 a" },
	/* 7 */
	{ "entries are applied in order", ONE "ask b; apply n1 3 1 b" },
	{ "entries are applied in order", ONE "apply n1 1 1 a" },
	{ "entries are applied in order", ONE "ask b; apply n2 2 1 b" },
	{ NULL, ONE "start n1; state n1 f 1 n1 0 1 1; apply n1 1 1 a" },
	{ NULL, ONE "snap n2 1 1 97; ask b; apply n2 2 1 b" },
	{ NULL, ONE "snap n1 1 1 97" },
	{ "entries are applied in order", ONE "ask b; apply n1 2 1 b; snap n1 1 1 97" },
	{ "a snapshot is", ONE "snap n2 1 1 98" },
	{ "a snapshot is", ONE "snap n2 1 0 97" },
	{ "a snapshot is", ONE "snap n2 2 1 97" },
	/* 8 */
	{ "only what was proposed", LEADER "apply n1 1 1 a" },
	{ "a command is applied at one index", ONE "apply n1 2 1 a" },
	/* 9 */
	{ "terms never decrease", LEADER "state n2 l 2 n2 0 0 0; state n1 f 2 - 0 0 0; apply n1 1 2 -; apply n1 2 1 -" },
	{ "an applied entry is of the node's own term", LEADER "state n2 c 2 n2 0 0 0; state n2 l 2 n2 0 0 0; apply n1 1 2 -; next n1" },
	{ NULL, LEADER "state n2 c 2 n2 0 0 0; state n2 l 2 n2 0 0 0; apply n1 1 2 -; state n1 f 2 - 1 1 2; next n1" },
	/* 10 */
	{ "propose_ok tells", LEADER "ask a; ok n1 1 97; next n1" },
	{ "propose_ok tells", LEADER "ask a; apply n1 1 1 a; ok n1 1 98; next n1" },
	{ "propose_ok tells", LEADER "ask a; apply n1 1 1 -; apply n1 2 1 a; ok n1 1 0; next n1" },
	{ NULL, LEADER "ask a; ok n1 1 97; apply n1 1 1 a; next n1" },
	{ NULL, LEADER "ask a; apply n1 1 1 a; next n1; ok n2 1 97; next n2" }, /* n2 had handed it on */
	/* 11 */
	{ "what was refused", LEADER "ask a; err n1 11; apply n1 1 1 a" },
	{ "what was refused", LEADER "ask a; apply n1 1 1 a; err n1 14" },
	{ NULL, LEADER "ask a; err n1 13; apply n1 1 1 a" },
	/* 12 */
	{ "reports are whole", "start n1; raw {\"type\":\"state\",\"role\":\"leader\",\"term\":1}" },
	{ "reports are whole", "start n1; raw {\"type\":\"state\",\"role\":\"boss\",\"term\":1,\"vote\":null,\"commit\":0,\"last_index\":0,"
		"\"last_term\":0}" },
	{ "reports are whole", "start n1; state n1 f 1 - 0 0 0; apply n1 1 1 -; next n1" }, /* nobody leads term 1 */
	{ "reports are whole", LEADER "start n4; apply n4 1 1 -; next n4" },
	/* 13 */
	{ "what a node has applied", ONE "state n1 f 2 - 1 0 0" },
	{ "what a node has applied", ONE "state n1 f 2 - 1 1 0" },
	{ NULL, ONE "state n1 f 2 - 1 1 1" },
};

static void each_story_ends_as_said(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(stories); i++)
		judge(&stories[i]);
}

/* Where whole reports are not asked for, what is there is judged. */
static void partial_reports_are_judged_by_what_they_have(void **state)
{
	(void)state;
	struct teller *w = xcalloc(1, sizeof *w);
	w->play.result = &w->result;
	w->play.spec = &w->spec;
	w->play.ops = &fabric_sim;
	lanes_init(&w->play.lanes, 3, 1);
	arena_init(&w->play.arena);
	w->play.trace = trace_new(&w->play.arena, &w->play.lanes);
	if (!setjmp(w->play.stop)) {
		raft_rules_begin(&w->rules, &w->play, false);
		happen(w, EVENT_STATE, 0, 0, 0, "state", "{\"type\":\"state\",\"role\":\"leader\",\"term\":3}");
		happen(w, EVENT_STATE, 1, 1, 0, "state", "{\"type\":\"state\",\"keys\":7}");
		assert_int_equal(raft_rules_leaders(&w->rules), 1);
		happen(w, EVENT_STATE, 2, 2, 0, "state", "{\"type\":\"state\",\"role\":\"leader\",\"term\":3}");
		fail_msg("two leaders of one term went unseen");
	}
	assert_int_equal(strncmp(w->result.rule, "Election Safety", 15), 0);
	result_done(&w->result);
	trace_free(w->play.trace);
	arena_done(&w->play.arena);
	free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_story_ends_as_said),
		cmocka_unit_test(partial_reports_are_judged_by_what_they_have),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
