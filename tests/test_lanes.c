/* Lanes, the texts of events, histories: the small tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "event.h"
#include "history.h"
#include "lanes.h"

static int find(const struct lanes *l, const char *name)
{
	return lane_find(l, slice_of(name));
}

static void names_round_trip(void **state)
{
	(void)state;
	for (int first = 0; first <= 1; first++)
		for (int nodes = 1; nodes <= NODES_MAX; nodes++) {
			struct lanes l;
			lanes_init(&l, nodes, first);
			assert_int_equal(lanes_count(&l), nodes + SERVICES + CLIENTS_MAX);
			assert_true(lanes_count(&l) <= LANES_MAX);
			for (int i = 0; i < lanes_count(&l); i++) {
				assert_int_equal(find(&l, lane_name(&l, i)), i);
				assert_int_equal(strlen(lane_name(&l, i)), l.name_n[i]);
				assert_int_equal(lane_is_node(&l, i) + lane_is_service(&l, i) + lane_is_client(&l, i), 1);
			}
		}
}

static void names_say_what_they_are(void **state)
{
	(void)state;
	struct lanes l;
	lanes_init(&l, 5, 1);
	assert_string_equal(lane_name(&l, 0), "n1");
	assert_string_equal(lane_name(&l, 4), "n5");
	assert_string_equal(lane_name(&l, lane_service(&l, SERVICE_LIN_TSO)), "lin-tso");
	assert_string_equal(lane_name(&l, lane_client(&l, 0)), "c0");
	assert_string_equal(lane_name(&l, lanes_count(&l)), "?");
	assert_string_equal(lane_name(&l, LANE_NONE), "?");
	lanes_init(&l, 3, 0);
	assert_string_equal(lane_name(&l, 0), "n0");
	assert_int_equal(find(&l, "n3"), LANE_UNKNOWN);
}

static void strange_names_are_unknown(void **state)
{
	(void)state;
	static const char *const names[] = {
		"", "n", "c", "n0", "n6", "n01", "n1 ", " n1", "n-1", "n+1", "n1a", "N1", "n999", "n1000", "n4294967297",
		"c132", "c00", "c01", "c-0", "c", "x1", "1", "lin-k", "lin-kv2", "LIN-KV", "dlab2", "dla", "n\xc2\xb9", "s1",
	};
	struct lanes l;
	lanes_init(&l, 5, 1);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (find(&l, names[i]) != LANE_UNKNOWN)
			fail_msg("\"%s\" is lane %d", names[i], find(&l, names[i]));
	assert_int_equal(lane_find(&l, SLICE_NONE), LANE_UNKNOWN);
	assert_int_equal(lane_find(&l, (struct slice){ "n1\0", 3 }), LANE_UNKNOWN);
	assert_int_equal(find(&l, "dlab"), LANE_DLAB);
	/* No byte behind the slice counts. */
	assert_int_equal(lane_find(&l, (struct slice){ "n12", 2 }), 0);
}

static void sets_print(void **state)
{
	(void)state;
	struct lanes l;
	lanes_init(&l, NODES_MAX, 1);
	assert_int_equal(lanes_all_nodes(&l), (UINT64_C(1) << 60) - 1);
	struct buf b = BUF_EMPTY;
	lane_set_print(&b, &l, lane_bit(0) | lane_bit(2) | lane_bit(lane_service(&l, SERVICE_LIN_TSO)));
	assert_string_equal(buf_cstr(&b), "n1, n3, lin-tso");
	b.n = 0;
	lane_set_print(&b, &l, 0);
	assert_string_equal(buf_cstr(&b), "");
	buf_done(&b);
}

static void every_event_has_its_texts(void **state)
{
	(void)state;
	for (int i = 0; i < EVENT_KIND_COUNT; i++) {
		assert_true(strlen(event_kind_name(i)) > 1);
		assert_true(strlen(event_kind_meaning(i)) > 5);
	}
	for (int i = 0; i < DROP_COUNT; i++)
		assert_true(strlen(drop_text(i)) > 1);
	for (int i = 0; i < BAD_COUNT; i++)
		assert_true(strlen(bad_text(i)) > 5);
	assert_string_equal(event_kind_name(EVENT_KIND_COUNT), "?");
	assert_string_equal(event_kind_meaning(-1), "?");
	assert_string_equal(drop_text(DROP_COUNT), "?");
	assert_string_equal(bad_text(BAD_COUNT), "?");
	assert_string_equal(drop_text(DROP_DEAD), "receiver down");
	assert_string_equal(bad_text(BAD_NOT_JSON), "wrote a line that is not JSON");
}

static void events_happen_at_a_lane(void **state)
{
	(void)state;
	static const int at_src[] = { EVENT_SEND, EVENT_REPLY, EVENT_LOG, EVENT_KILL, EVENT_START, EVENT_TIMER };
	static const int at_dst[] = { EVENT_RECV, EVENT_CALL };
	static const int nowhere[] = { EVENT_DROP, EVENT_FAULT, EVENT_NOTE, EVENT_VERDICT };
	struct event e = { .src = 2, .dst = 3 };
	for (size_t i = 0; i < ARRAY_LEN(at_src); i++) {
		e.kind = (uint8_t)at_src[i];
		assert_int_equal(event_lane(&e), 2);
	}
	for (size_t i = 0; i < ARRAY_LEN(at_dst); i++) {
		e.kind = (uint8_t)at_dst[i];
		assert_int_equal(event_lane(&e), 3);
	}
	for (size_t i = 0; i < ARRAY_LEN(nowhere); i++) {
		e.kind = (uint8_t)nowhere[i];
		assert_int_equal(event_lane(&e), LANE_NONE);
	}
}

static void operations_never_move(void **state)
{
	(void)state;
	enum { N = 100000 };
	struct arena a;
	arena_init(&a);
	struct history *h = history_new(&a);
	assert_int_equal(history_count(h), 0);
	struct op **seen = xmalloc(N * sizeof *seen);
	for (int i = 0; i < N; i++) {
		seen[i] = history_add(h);
		assert_int_equal(seen[i]->status, OP_PENDING);
		assert_true(seen[i]->return_ns == INT64_MAX && seen[i]->key == 0 && seen[i]->data == NULL);
		seen[i]->key = i;
	}
	assert_int_equal(history_count(h), N);
	for (int i = 0; i < N; i++) {
		assert_ptr_equal(history_at(h, (size_t)i), seen[i]);
		assert_int_equal(seen[i]->key, i);
	}
	free(seen);
	history_free(h);
	history_free(NULL);
	arena_done(&a);
	assert_string_equal(op_status_name(OP_MAYBE), "maybe");
	assert_string_equal(op_status_name(OP_SKIPPED), "skipped");
	assert_string_equal(op_status_name(5), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_round_trip),
		cmocka_unit_test(names_say_what_they_are),
		cmocka_unit_test(strange_names_are_unknown),
		cmocka_unit_test(sets_print),
		cmocka_unit_test(every_event_has_its_texts),
		cmocka_unit_test(events_happen_at_a_lane),
		cmocka_unit_test(operations_never_move),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
