/* The services keep what their names promise, and no more than that. */
#include "json.h"
#include "services.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* What a service answered, taken apart. */
struct answer {
	bool ok;
	int64_t code; /* of an error; 0 */
	int64_t value; /* of read_ok, ts_ok; -1 */
};

static struct answer ask(struct services *s, int service, const char *src, const char *fmt, ...) PRINTF_LIKE(4, 5);

static struct answer ask(struct services *s, int service, const char *src, const char *fmt, ...)
{
	struct buf body = BUF_EMPTY, reply = BUF_EMPTY;
	buf_str(&body, "{\"msg_id\":5,");
	va_list ap;
	va_start(ap, fmt);
	buf_vprintf(&body, fmt, ap);
	va_end(ap);
	buf_char(&body, '}');
	assert_true(services_handle(s, service, slice_of(src), buf_as_slice(&body), &reply));
	json_t *j = json_read(buf_as_slice(&reply), NULL);
	assert_non_null(j);
	assert_int_equal(json_get_int(j, "in_reply_to", -1), 5);
	const char *type = json_get_string(j, "type", "");
	struct answer a = { strcmp(type, "error") != 0, json_get_int(j, "code", 0),
			    json_get_int(j, strcmp(type, "ts_ok") == 0 ? "ts" : "value", -1) };
	json_decref(j);
	buf_done(&reply);
	buf_done(&body);
	return a;
}

static struct answer ask_read(struct services *s, int service, const char *src, const char *key)
{
	return ask(s, service, src, "\"type\":\"read\",\"key\":\"%s\"", key);
}

static void ask_write(struct services *s, int service, const char *src, const char *key, int64_t value)
{
	assert_true(ask(s, service, src, "\"type\":\"write\",\"key\":\"%s\",\"value\":%lld", key, (long long)value).ok);
}

static struct answer ask_cas(struct services *s, int service, const char *src, int64_t from, int64_t to)
{
	return ask(s, service, src, "\"type\":\"cas\",\"key\":\"k\",\"from\":%lld,\"to\":%lld", (long long)from,
		   (long long)to);
}

/* --- requests and replies, word for word --- */

struct exchange {
	const char *body, *reply; /* reply NULL: none */
};

static void check_exchange(struct services *s, int service, const struct exchange *x)
{
	struct buf reply = BUF_EMPTY;
	bool replied = services_handle(s, service, SLICE("n1"), slice_of(x->body), &reply);
	if (replied != (x->reply != NULL) || (replied && strcmp(buf_cstr(&reply), x->reply) != 0))
		fail_msg("%s: got %s, wanted %s", x->body, buf_cstr(&reply), x->reply ? x->reply : "nothing");
	assert_true(replied || reply.n == 0);
	buf_done(&reply);
}

static void check_exchanges(int service, const struct exchange *x, size_t count)
{
	struct services *s = services_new(1);
	for (size_t i = 0; i < count; i++)
		check_exchange(s, service, &x[i]);
	services_free(s);
}

#define ERROR_REPLY(code, text) "{\"type\":\"error\",\"in_reply_to\":1,\"code\":" #code ",\"text\":\"" text "\"}"
#define OK_REPLY(type) "{\"type\":\"" type "_ok\",\"in_reply_to\":1}"
#define VALUE_REPLY(value) "{\"type\":\"read_ok\",\"in_reply_to\":1,\"value\":" value "}"
#define READ(key) "{\"type\":\"read\",\"msg_id\":1,\"key\":" key "}"
#define WRITE(key, value) "{\"type\":\"write\",\"msg_id\":1,\"key\":" key ",\"value\":" value "}"
#define CAS(key, from, to) "{\"type\":\"cas\",\"msg_id\":1,\"key\":" key ",\"from\":" from ",\"to\":" to "}"
#define CREATE(key, from, to) \
	"{\"type\":\"cas\",\"msg_id\":1,\"key\":" key ",\"from\":" from ",\"to\":" to ",\"create_if_not_exists\":true}"

static void test_lin_exchanges(void **state)
{
	(void)state;
	static const struct exchange x[] = {
		{ READ("1"), ERROR_REPLY(20, "key does not exist") },
		{ CAS("1", "0", "5"), ERROR_REPLY(20, "key does not exist") },
		{ WRITE("1", "5"), OK_REPLY("write") },
		{ READ("1"), VALUE_REPLY("5") },
		{ CAS("1", "6", "7"), ERROR_REPLY(22, "current value 5 is not 6") },
		{ CAS("1", "5", "7"), OK_REPLY("cas") },
		{ READ("1"), VALUE_REPLY("7") },
		{ CREATE("1", "8", "9"), ERROR_REPLY(22, "current value 7 is not 8") },
		{ CREATE("2", "0", "{\"a\": \"b\"}"), OK_REPLY("cas") },
		{ READ("2"), VALUE_REPLY("{\"a\": \"b\"}") },
		{ CAS("2", "null", "1"), ERROR_REPLY(22, "current value {\\\"a\\\": \\\"b\\\"} is not null") },
		{ "{\"type\":\"cas\",\"msg_id\":1,\"key\":3,\"from\":1,\"to\":2,\"create_if_not_exists\":false}",
		  ERROR_REPLY(20, "key does not exist") },
		/* null is a value like others. */
		{ WRITE("4", "null"), OK_REPLY("write") },
		{ READ("4"), VALUE_REPLY("null") },
		{ CAS("4", "null", "1"), OK_REPLY("cas") },
	};
	check_exchanges(SERVICE_LIN_KV, x, ARRAY_LEN(x));
}

static void test_equality(void **state)
{
	(void)state;
	static const struct exchange x[] = {
		{ WRITE("{\"a\":1,\"b\":[true,null]}", "0.1"), OK_REPLY("write") },
		{ READ("{ \"b\": [true, null], \"\\u0061\":1}"), VALUE_REPLY("0.1") },
		{ READ("{\"a\":1,\"b\":[null,true]}"), ERROR_REPLY(20, "key does not exist") },
		{ WRITE("1", "[\"int\"]"), OK_REPLY("write") },
		{ READ("1.0"), ERROR_REPLY(20, "key does not exist") },
		{ READ("\"1\""), ERROR_REPLY(20, "key does not exist") },
		{ CAS("1", "[\"\\u0069nt\"]", "1.50"), OK_REPLY("cas") },
		{ CAS("1", "15e-1", "2"), OK_REPLY("cas") },
		{ WRITE("\"\"", "\"\""), OK_REPLY("write") },
		{ READ("\"\""), VALUE_REPLY("\"\"") },
		{ "{\"type\":\"read\",\"msg_id\":1,\"key\":9,\"k\\u0065y\":1}", VALUE_REPLY("2") },
	};
	check_exchanges(SERVICE_LIN_KV, x, ARRAY_LEN(x));
}

static void test_wrong_requests(void **state)
{
	(void)state;
	static const struct exchange x[] = {
		{ "{\"type\":\"read\",\"msg_id\":1}", ERROR_REPLY(12, "the request has no \\\"key\\\"") },
		{ "{\"type\":\"write\",\"msg_id\":1,\"key\":1}", ERROR_REPLY(12, "the request has no \\\"value\\\"") },
		{ "{\"type\":\"cas\",\"msg_id\":1,\"key\":1,\"to\":1}", ERROR_REPLY(12, "the request has no \\\"from\\\"") },
		{ "{\"type\":\"cas\",\"msg_id\":1,\"key\":1,\"from\":1}", ERROR_REPLY(12, "the request has no \\\"to\\\"") },
		{ WRITE("1", "1e999"), ERROR_REPLY(12, "\\\"value\\\" holds a number that is too large") },
		{ READ("1"), ERROR_REPLY(20, "key does not exist") },
		{ "{\"msg_id\":1}", ERROR_REPLY(12, "lin-kv was sent a request without a type") },
		{ "{\"msg_id\":1,\"type\":\"ts\"}", ERROR_REPLY(10, "lin-kv has no request of type \\\"ts\\\"") },
		{ "{\"msg_id\":1,\"type\":\"Read\"}", ERROR_REPLY(10, "lin-kv has no request of type \\\"Read\\\"") },
		{ "{\"type\":\"read\",\"key\":1}", NULL },
		{ "{\"type\":\"read\"}", NULL },
		{ "{\"type\":\"nothing\"}", NULL },
		{ "{}", NULL },
		{ "[]", NULL },
		{ "{\"type\":\"read\",\"msg_id\":\"1\",\"key\":1}", NULL },
		/* Without a msg_id it happens all the same. */
		{ "{\"type\":\"write\",\"key\":1,\"value\":3}", NULL },
		{ READ("1"), VALUE_REPLY("3") },
	};
	check_exchanges(SERVICE_LIN_KV, x, ARRAY_LEN(x));
}

static void test_long_values_are_cut_in_texts(void **state)
{
	(void)state;
	struct services *s = services_new(1);
	struct buf body = BUF_EMPTY, reply = BUF_EMPTY;
	buf_printf(&body, "{\"type\":\"write\",\"key\":1,\"value\":\"%050000d\"}", 0);
	assert_false(services_handle(s, SERVICE_LIN_KV, SLICE("n1"), buf_as_slice(&body), &reply));
	assert_true(services_handle(s, SERVICE_LIN_KV, SLICE("n1"), SLICE(CAS("1", "1", "2")), &reply));
	assert_true(reply.n < 400);
	reply.n = 0;
	assert_true(services_handle(s, SERVICE_LIN_KV, SLICE("n1"), SLICE(READ("1")), &reply));
	assert_true(reply.n > 50000);
	buf_done(&body);
	buf_done(&reply);
	services_free(s);
}

static void test_timestamps(void **state)
{
	(void)state;
	static const struct exchange x[] = {
		{ "{\"type\":\"ts\",\"msg_id\":1}", "{\"type\":\"ts_ok\",\"in_reply_to\":1,\"ts\":0}" },
		{ "{\"type\":\"ts\",\"msg_id\":9}", "{\"type\":\"ts_ok\",\"in_reply_to\":9,\"ts\":1}" },
		{ "{\"type\":\"ts\"}", NULL },
		{ "{\"type\":\"ts\",\"msg_id\":1}", "{\"type\":\"ts_ok\",\"in_reply_to\":1,\"ts\":3}" },
		{ READ("1"), ERROR_REPLY(10, "lin-tso has no request of type \\\"read\\\"") },
	};
	check_exchanges(SERVICE_LIN_TSO, x, ARRAY_LEN(x));
}

/* --- lin-kv: as one variable --- */

static void test_lin_never_stale(void **state)
{
	(void)state;
	static const char *const nodes[] = { "n1", "n2", "n3" };
	for (uint64_t seed = 0; seed < 50; seed++) {
		struct services *s = services_new(seed);
		struct rng r;
		int64_t value[5] = { -1, -1, -1, -1, -1 };
		rng_seed(&r, seed);
		for (int64_t i = 0; i < 500; i++) {
			uint64_t k = rng_below(&r, 5);
			const char *node = nodes[rng_below(&r, 3)];
			char key[2] = { (char)('a' + k), '\0' };
			if (rng_below(&r, 2)) {
				ask_write(s, SERVICE_LIN_KV, node, key, i);
				value[k] = i;
			}
			struct answer a = ask_read(s, SERVICE_LIN_KV, node, key);
			assert_int_equal(a.value, value[k]);
			assert_int_equal(a.code, value[k] < 0 ? 20 : 0);
		}
		services_free(s);
	}
}

/* --- seq-kv: one order for all, each sender somewhere in it --- */

static void test_seq_serves_stale_reads(void **state)
{
	(void)state;
	int stale = 0, fresh = 0, missing = 0;
	for (uint64_t seed = 0; seed < 100; seed++) {
		struct services *s = services_new(seed);
		ask_write(s, SERVICE_SEQ_KV, "n1", "k", 1);
		ask_write(s, SERVICE_SEQ_KV, "n1", "k", 2);
		struct answer a = ask_read(s, SERVICE_SEQ_KV, "n2", "k");
		stale += a.value == 1;
		fresh += a.value == 2;
		missing += a.code == 20;
		/* Whoever wrote sees it. */
		assert_int_equal(ask_read(s, SERVICE_SEQ_KV, "n1", "k").value, 2);
		services_free(s);
	}
	assert_in_range(stale, 15, 60);
	assert_in_range(fresh, 15, 60);
	assert_in_range(missing, 15, 60);
}

/* A writer puts i into a and then into b, so no reader may see b ahead of what it then sees in a. */
static void test_seq_never_goes_back(void **state)
{
	(void)state;
	static const char *const readers[] = { "n2", "n3", "n4" };
	bool jumped = false;
	for (uint64_t seed = 0; seed < 50; seed++) {
		struct services *s = services_new(seed);
		struct rng r;
		int64_t seen[3] = { -1, -1, -1 };
		rng_seed(&r, seed);
		for (int64_t i = 0; i < 300; i++) {
			ask_write(s, SERVICE_SEQ_KV, "n1", "a", i);
			ask_write(s, SERVICE_SEQ_KV, "n1", "b", i);
			if (rng_below(&r, 4) > 0)
				continue;
			uint64_t n = rng_below(&r, 3);
			int64_t b = ask_read(s, SERVICE_SEQ_KV, readers[n], "b").value;
			int64_t a = ask_read(s, SERVICE_SEQ_KV, readers[n], "a").value;
			assert_true(b >= seen[n]);
			assert_true(a >= b && a <= i);
			assert_true(i - b <= 16); /* 32 states, two for each i */
			jumped = jumped || b < i;
			seen[n] = a - 1;
		}
		services_free(s);
	}
	assert_true(jumped);
}

static void test_seq_cas_counts_exactly(void **state)
{
	(void)state;
	static const char *const nodes[] = { "n1", "n2", "n3" };
	int refused = 0;
	for (uint64_t seed = 0; seed < 20; seed++) {
		struct services *s = services_new(seed);
		struct rng r;
		int64_t added = 0;
		rng_seed(&r, seed);
		ask_write(s, SERVICE_SEQ_KV, "n1", "k", 0);
		for (int i = 0; i < 500; i++) {
			const char *node = nodes[rng_below(&r, 3)];
			struct answer a = ask_read(s, SERVICE_SEQ_KV, node, "k");
			if (!a.ok)
				continue;
			bool done = ask_cas(s, SERVICE_SEQ_KV, node, a.value, a.value + 1).ok;
			added += done;
			refused += !done;
		}
		ask_write(s, SERVICE_SEQ_KV, "n9", "other", (int64_t)seed); /* brings n9 to the front */
		assert_int_equal(ask_read(s, SERVICE_SEQ_KV, "n9", "k").value, added);
		assert_true(added > 100);
		services_free(s);
	}
	assert_true(refused > 100);
}

/* A write of the value that is there may be answered in the past: it does not bring the sender to the front. */
static void test_seq_same_write_stays_back(void **state)
{
	(void)state;
	int back = 0;
	for (uint64_t seed = 0; seed < 100; seed++) {
		struct services *s = services_new(seed);
		ask_write(s, SERVICE_SEQ_KV, "n1", "x", 7);
		for (int i = 0; i < 20; i++)
			ask_write(s, SERVICE_SEQ_KV, "n1", "k", i);
		ask_write(s, SERVICE_SEQ_KV, "n2", "x", 7);
		back += ask_read(s, SERVICE_SEQ_KV, "n2", "k").value != 19;
		services_free(s);
	}
	assert_in_range(back, 20, 99);
}

static void test_seq_catches_up(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 20; seed++) {
		struct services *s = services_new(seed);
		for (int i = 0; i < 100; i++)
			ask_write(s, SERVICE_SEQ_KV, "n1", "k", i);
		int reads = 1;
		while (ask_read(s, SERVICE_SEQ_KV, "n2", "k").value != 99)
			reads++;
		assert_in_range(reads, 1, 200);
		services_free(s);
	}
}

/* --- lww-kv: converges, and forgets --- */

/* Writes `writes` values one after the other, each after the answer to the one before, then reads until all replicas must
 * agree. Returns the value that is left. */
static int64_t lww_left(uint64_t seed, int64_t writes)
{
	struct services *s = services_new(seed);
	for (int64_t i = 1; i <= writes; i++)
		ask_write(s, SERVICE_LWW_KV, "n1", "k", i);
	for (int i = 0; i < 200; i++)
		ask_read(s, SERVICE_LWW_KV, "n2", "k");
	int64_t left = ask_read(s, SERVICE_LWW_KV, "n2", "k").value;
	for (int i = 0; i < 50; i++)
		assert_int_equal(ask_read(s, SERVICE_LWW_KV, i % 2 ? "n1" : "n3", "k").value, left);
	services_free(s);
	return left;
}

static void test_lww_loses_writes(void **state)
{
	(void)state;
	int lost = 0, kept = 0;
	for (uint64_t seed = 0; seed < 200; seed++) {
		assert_int_equal(lww_left(seed, 1), 1);
		int64_t left = lww_left(seed, 5);
		assert_in_range(left, 1, 5);
		lost += left != 5;
		kept += left == 5;
	}
	assert_true(lost >= 5);
	assert_true(kept >= 50);
}

/* A write that meets a replica that knows the one before is later in Lamport's sense and always wins. */
static void test_lww_later_write_wins(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 100; seed++) {
		struct services *s = services_new(seed);
		for (int64_t value = 1; value < 5; value++) {
			ask_write(s, SERVICE_LWW_KV, "n1", "k", value);
			for (int i = 0; i < 100; i++) /* until both replicas have it */
				ask_read(s, SERVICE_LWW_KV, "n1", "k");
			assert_int_equal(ask_read(s, SERVICE_LWW_KV, "n2", "k").value, value);
		}
		services_free(s);
	}
}

static void test_lww_reads_go_back(void **state)
{
	(void)state;
	int back = 0, missing = 0;
	for (uint64_t seed = 0; seed < 100; seed++) {
		struct services *s = services_new(seed);
		int64_t last = 0;
		ask_write(s, SERVICE_LWW_KV, "n1", "k", 1);
		missing += !ask_read(s, SERVICE_LWW_KV, "n1", "k").ok;
		ask_write(s, SERVICE_LWW_KV, "n1", "k", 2);
		for (int i = 0; i < 10; i++) {
			int64_t v = ask_read(s, SERVICE_LWW_KV, "n2", "k").value;
			back += v < last;
			last = v;
		}
		services_free(s);
	}
	assert_true(back > 0);
	assert_true(missing > 0);
}

static void test_lww_exchanges(void **state)
{
	(void)state;
	static const struct exchange x[] = {
		{ READ("1"), ERROR_REPLY(20, "key does not exist") },
		{ CREATE("1", "0", "5"), ERROR_REPLY(20, "key does not exist") },
		{ WRITE("1", "5"), OK_REPLY("write") },
		{ "{\"msg_id\":1,\"type\":\"ts\"}", ERROR_REPLY(10, "lww-kv has no request of type \\\"ts\\\"") },
	};
	check_exchanges(SERVICE_LWW_KV, x, ARRAY_LEN(x));
	/* Many keys at once converge too, through cas as well. */
	struct services *s = services_new(4);
	char key[16];
	for (int i = 0; i < 2000; i++) {
		snprintf(key, sizeof key, "key%d", i);
		ask_write(s, SERVICE_LWW_KV, "n1", key, i);
	}
	for (int i = 0; i < 100; i++)
		ask_read(s, SERVICE_LWW_KV, "n1", "key0");
	for (int i = 0; i < 2000; i++) {
		snprintf(key, sizeof key, "key%d", i);
		assert_int_equal(ask_read(s, SERVICE_LWW_KV, "n1", key).value, i);
	}
	ask_write(s, SERVICE_LWW_KV, "n1", "k", 1);
	for (int i = 0; i < 100; i++)
		ask_read(s, SERVICE_LWW_KV, "n1", "k");
	assert_int_equal(ask_cas(s, SERVICE_LWW_KV, "n1", 2, 3).code, 22);
	assert_true(ask_cas(s, SERVICE_LWW_KV, "n1", 1, 2).ok);
	services_free(s);
}

/* --- all --- */

/* The replies to a random run of requests, one after the other. */
static void play(uint64_t seed, uint64_t requests_seed, struct buf *replies)
{
	static const char *const types[] = { "read", "write", "cas", "cas" };
	struct services *s = services_new(seed);
	struct rng r;
	rng_seed(&r, requests_seed);
	for (int i = 0; i < 2000; i++) {
		char body[160], src[8];
		int v[3];
		for (size_t k = 0; k < ARRAY_LEN(v); k++)
			v[k] = (int)rng_below(&r, 6);
		snprintf(src, sizeof src, "n%d", (int)rng_below(&r, 5));
		uint64_t kind = rng_below(&r, ARRAY_LEN(types));
		/* Members that a request does not have are passed over. */
		snprintf(body, sizeof body,
			 "{\"type\":\"%s\",\"msg_id\":%d,\"key\":%d,\"value\":%d,\"from\":%d,\"to\":%d%s}", types[kind], i,
			 v[0], v[1], v[1], v[2], kind == 3 ? ",\"create_if_not_exists\":true" : "");
		services_handle(s, (int)rng_below(&r, 3), slice_of(src), slice_of(body), replies);
		buf_char(replies, '\n');
	}
	for (int service = 0; service < SERVICES; service++) {
		size_t from = replies->n;
		services_print(replies, s, service);
		json_t *j = json_read((struct slice){ replies->s + from, replies->n - from }, NULL);
		assert_true(json_is_object(j));
		json_decref(j);
	}
	services_free(s);
}

static void test_same_seed_same_replies(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 10; seed++) {
		struct buf a = BUF_EMPTY, b = BUF_EMPTY, c = BUF_EMPTY;
		play(seed, 1, &a);
		play(seed, 1, &b);
		play(seed + 100, 1, &c);
		assert_string_equal(a.s, b.s);
		assert_string_not_equal(a.s, c.s);
		buf_done(&a);
		buf_done(&b);
		buf_done(&c);
	}
}

static void test_services_are_apart(void **state)
{
	(void)state;
	struct services *s = services_new(1);
	ask_write(s, SERVICE_LIN_KV, "n1", "k", 1);
	assert_int_equal(ask_read(s, SERVICE_SEQ_KV, "n1", "k").code, 20);
	assert_int_equal(ask_read(s, SERVICE_LWW_KV, "n1", "k").code, 20);
	services_free(s);
	services_free(NULL);
}

static void test_print(void **state)
{
	(void)state;
	static const char *const want[SERVICES] = {
		"{\"state\":2,\"keys\":[[\"b\",1],[\"a\",2],[\"c\",null]],\"senders\":{\"n1\":2}}",
		"{\"state\":0,\"keys\":[],\"senders\":{}}",
		"{\"keys\":[]}",
		"{\"next\":1}",
	};
	struct services *s = services_new(1);
	ask_write(s, SERVICE_LIN_KV, "n1", "b", 1);
	ask_write(s, SERVICE_LIN_KV, "n1", "a", 2);
	ask_read(s, SERVICE_LIN_KV, "n1", "c");
	assert_int_equal(ask(s, SERVICE_LIN_TSO, "n1", "\"type\":\"ts\"").value, 0);
	for (int i = 0; i < SERVICES; i++) {
		struct buf b = BUF_EMPTY;
		services_print(&b, s, i);
		assert_string_equal(b.s, want[i]);
		buf_done(&b);
	}
	services_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lin_exchanges),
		cmocka_unit_test(test_equality),
		cmocka_unit_test(test_wrong_requests),
		cmocka_unit_test(test_long_values_are_cut_in_texts),
		cmocka_unit_test(test_timestamps),
		cmocka_unit_test(test_lin_never_stale),
		cmocka_unit_test(test_seq_serves_stale_reads),
		cmocka_unit_test(test_seq_never_goes_back),
		cmocka_unit_test(test_seq_cas_counts_exactly),
		cmocka_unit_test(test_seq_same_write_stays_back),
		cmocka_unit_test(test_seq_catches_up),
		cmocka_unit_test(test_lww_loses_writes),
		cmocka_unit_test(test_lww_later_write_wins),
		cmocka_unit_test(test_lww_reads_go_back),
		cmocka_unit_test(test_lww_exchanges),
		cmocka_unit_test(test_same_seed_same_replies),
		cmocka_unit_test(test_services_are_apart),
		cmocka_unit_test(test_print),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
