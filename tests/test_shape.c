/* test_shape.c - the scripts for nft and tc, as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "shape.h"

static const char address[NODES_MAX][16] = { "10.0.0.1", "10.0.0.2", "10.0.0.3" };
static const struct shaping everything = { .nft = true, .netem = true, .netem_doubles = true };
static const struct shaping nft_only = { .nft = true };
static const struct shaping second_choice = { .iptables = true, .htb = true };
static const struct shaping nothing;

struct world {
	struct lanes lanes;
	struct link *link;
	struct shape shape;
	struct buf text;
};

static int set_up(void **state)
{
	static const struct network none;
	struct world *w = calloc(1, sizeof *w);
	lanes_init(&w->lanes, 3, 1);
	w->link = link_new(&w->lanes, &none, 1);
	w->shape = (struct shape){ .lanes = &w->lanes, .address = address, .pods = 3, .me = 0 };
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;
	link_free(w->link);
	buf_done(&w->text);
	free(w);
	return 0;
}

static void fault(struct world *w, struct fault f)
{
	link_fault(w->link, &f);
}

static void expect(struct world *w, const char *text)
{
	assert_string_equal(buf_cstr(&w->text), text);
	w->text.n = 0;
}

static void test_who_does_what(void **state)
{
	(void)state;
	assert_int_equal(shape_agent_kinds(&everything), 0);
	assert_int_equal(shape_agent_kinds(&nft_only),
		FAULT_BIT(FAULT_LATENCY) | FAULT_BIT(FAULT_REORDER) | FAULT_BIT(FAULT_RATE) | FAULT_BIT(FAULT_DUPLICATE));
	assert_int_equal(shape_agent_kinds(&second_choice), FAULT_BIT(FAULT_LATENCY) | FAULT_BIT(FAULT_REORDER) | FAULT_BIT(FAULT_DUPLICATE));
	assert_int_equal(shape_agent_kinds(&nothing), FAULT_BIT(FAULT_LATENCY) | FAULT_BIT(FAULT_REORDER) | FAULT_BIT(FAULT_RATE) |
		FAULT_BIT(FAULT_DUPLICATE) | FAULT_BIT(FAULT_LOSS) | FAULT_BIT(FAULT_CUT) | FAULT_BIT(FAULT_UNCUT));
}

static void test_a_node_reaches_its_peers_only(void **state)
{
	struct world *w = *state;
	shape_print_base(&w->text, &w->shape, &nft_only);
	expect(w, "table inet dlab_base\ndelete table inet dlab_base\ntable inet dlab_base {\n"
		"chain out { type filter hook output priority 0; policy drop;\noifname \"lo\" accept\n"
		"ip daddr { 10.0.0.1, 10.0.0.2, 10.0.0.3 } accept\n}\n}\n");
}

#define NFT_HEAD "table inet dlab\ndelete table inet dlab\ntable inet dlab {\n" \
	"chain in { type filter hook input priority 0; policy accept;\n"

static void test_cuts_are_at_the_receiver(void **state)
{
	struct world *w = *state;
	assert_false(shape_print_cuts(&w->text, &w->shape, &nft_only, w->link));
	expect(w, NFT_HEAD "}\n}\n");
	fault(w, (struct fault){ .kind = FAULT_CUT, .from = 2, .to = 1 });
	fault(w, (struct fault){ .kind = FAULT_CUT, .from = 1, .to = 4 }); /* n3's business */
	fault(w, (struct fault){ .kind = FAULT_LOSS, .from = 4, .to = 1, .p_million = 300000 });
	assert_true(shape_print_cuts(&w->text, &w->shape, &nft_only, w->link));
	expect(w, NFT_HEAD "ip saddr 10.0.0.2 drop\nip saddr 10.0.0.3 numgen random mod 1000000 < 300000 drop\n}\n}\n");
	assert_true(shape_print_cuts(&w->text, &w->shape, &everything, w->link)); /* the loss is netem's */
	expect(w, NFT_HEAD "ip saddr 10.0.0.2 drop\n}\n}\n");
	fault(w, (struct fault){ .kind = FAULT_LOSS, .from = 4, .to = 1, .p_million = 1000000 });
	shape_print_cuts(&w->text, &w->shape, &nft_only, w->link);
	expect(w, NFT_HEAD "ip saddr 10.0.0.2 drop\nip saddr 10.0.0.3 drop\n}\n}\n");
}

static void test_iptables_is_the_second_choice(void **state)
{
	struct world *w = *state;
	shape_print_base(&w->text, &w->shape, &second_choice);
	expect(w, "*filter\n:DLAB_IN - [0:0]\n:DLAB_OUT - [0:0]\n-A INPUT -j DLAB_IN\n-A OUTPUT -j DLAB_OUT\n-A DLAB_OUT -o lo -j ACCEPT\n"
		"-A DLAB_OUT -d 10.0.0.1 -j ACCEPT\n-A DLAB_OUT -d 10.0.0.2 -j ACCEPT\n-A DLAB_OUT -d 10.0.0.3 -j ACCEPT\n"
		"-A DLAB_OUT -j DROP\nCOMMIT\n");
	assert_false(shape_print_cuts(&w->text, &w->shape, &second_choice, w->link));
	expect(w, "*filter\n:DLAB_IN - [0:0]\nCOMMIT\n");
	fault(w, (struct fault){ .kind = FAULT_CUT, .from = 2, .to = 1 });
	fault(w, (struct fault){ .kind = FAULT_LOSS, .from = 4, .to = 1, .p_million = 50000 });
	assert_true(shape_print_cuts(&w->text, &w->shape, &second_choice, w->link));
	expect(w, "*filter\n:DLAB_IN - [0:0]\n-A DLAB_IN -s 10.0.0.2 -j DROP\n"
		"-A DLAB_IN -s 10.0.0.3 -m statistic --mode random --probability 0.050000 -j DROP\nCOMMIT\n");
}

static void test_htb_alone_makes_a_rate(void **state)
{
	struct world *w = *state;
	fault(w, (struct fault){ .kind = FAULT_LATENCY, .from = 1, .to = 6, .mean_ns = NS_PER_MS }); /* the agents' */
	fault(w, (struct fault){ .kind = FAULT_RATE, .from = 1, .to = 2, .rate_bps = 1000 });
	shape_print_tc(&w->text, &w->shape, &second_choice, w->link);
	expect(w, "qdisc add dev eth0 root handle 1: htb\n"
		"class add dev eth0 parent 1: classid 1:11 htb rate 100gbit quantum 65535\n"
		"filter add dev eth0 parent 1: protocol ip prio 2 u32 match ip dst 10.0.0.2/32 flowid 1:11\n"
		"class replace dev eth0 parent 1: classid 1:11 htb rate 8000bit quantum 65535\n"
		"qdisc replace dev eth0 parent 1:11 handle 11: pfifo limit 100000\n");
	fault(w, (struct fault){ .kind = FAULT_HEAL });
	shape_print_tc(&w->text, &w->shape, &second_choice, w->link);
	expect(w, "class replace dev eth0 parent 1: classid 1:11 htb rate 100gbit quantum 65535\n"
		"qdisc replace dev eth0 parent 1:11 handle 11: pfifo limit 100000\n");
}

static void test_netem_is_at_the_sender(void **state)
{
	struct world *w = *state;
	shape_print_tc(&w->text, &w->shape, &everything, w->link);
	expect(w, ""); /* nothing to do, nothing is made */
	fault(w, (struct fault){ .kind = FAULT_LATENCY, .from = 1, .to = 2, .mean_ns = 80 * NS_PER_MS });
	fault(w, (struct fault){ .kind = FAULT_LATENCY, .from = 2, .to = 1, .mean_ns = 90 * NS_PER_MS }); /* n2's business */
	shape_print_tc(&w->text, &w->shape, &everything, w->link);
	expect(w, "qdisc add dev eth0 root handle 1: htb\n"
		"class add dev eth0 parent 1: classid 1:11 htb rate 100gbit quantum 65535\n"
		"filter add dev eth0 parent 1: protocol ip prio 2 u32 match ip dst 10.0.0.2/32 flowid 1:11\n"
		"qdisc replace dev eth0 parent 1:11 handle 11: netem limit 100000 delay 80000us rate 0bit\n");
	fault(w, (struct fault){ .kind = FAULT_LATENCY, .from = 1, .to = 2, .mean_ns = 5 * NS_PER_MS, .dist = DIST_EXPONENTIAL });
	fault(w, (struct fault){ .kind = FAULT_LOSS, .from = 1, .to = 2, .p_million = 250000 });
	fault(w, (struct fault){ .kind = FAULT_DUPLICATE, .from = 1, .to = 2, .p_million = 10000 });
	fault(w, (struct fault){ .kind = FAULT_RATE, .from = 1, .to = 2, .rate_bps = 1000 });
	shape_print_tc(&w->text, &w->shape, &everything, w->link); /* changed in place: no queue is lost */
	expect(w, "qdisc replace dev eth0 parent 1:11 handle 11: netem limit 100000 delay 5000us 5000us distribution exponential"
		" loss random 25.0000% duplicate 1.0000% rate 8000bit\n");
	fault(w, (struct fault){ .kind = FAULT_HEAL });
	shape_print_tc(&w->text, &w->shape, &everything, w->link);
	expect(w, "qdisc replace dev eth0 parent 1:11 handle 11: netem limit 100000 delay 0us rate 0bit\n");
}

/* The third pod is the clients': no fault of the nodes' links touches it, and it is as far away as the test says. */
static void test_the_clients_have_a_pod(void **state)
{
	struct world *w = *state;
	lanes_init(&w->lanes, 2, 1);
	w->shape.clients.mean_ns = NS_PER_MS;
	shape_print_base(&w->text, &w->shape, &nft_only);
	assert_non_null(strstr(buf_cstr(&w->text), "10.0.0.1, 10.0.0.2, 10.0.0.3 }"));
	w->text.n = 0;
	fault(w, (struct fault){ .kind = FAULT_CUT, .from = 7, .to = 7 }); /* lane 2 is a service here */
	shape_print_cuts(&w->text, &w->shape, &everything, w->link);
	expect(w, NFT_HEAD "ip saddr 10.0.0.2 drop\n}\n}\n");
	shape_print_tc(&w->text, &w->shape, &everything, w->link);
	assert_non_null(strstr(buf_cstr(&w->text), "match ip dst 10.0.0.3/32"));
	assert_non_null(strstr(buf_cstr(&w->text), "netem limit 100000 delay 1000us rate 0bit\n"));
}

static void test_reordering_needs_a_delay(void **state)
{
	struct world *w = *state;
	fault(w, (struct fault){ .kind = FAULT_REORDER, .from = 1, .to = 2, .p_million = 100000 });
	shape_print_tc(&w->text, &w->shape, &everything, w->link);
	assert_non_null(strstr(buf_cstr(&w->text), "delay 10000us reorder 10.0000%"));
}

static void test_without_netem_tc_is_left_alone(void **state)
{
	struct world *w = *state;
	fault(w, (struct fault){ .kind = FAULT_LATENCY, .from = 1, .to = 6, .mean_ns = NS_PER_MS });
	shape_print_tc(&w->text, &w->shape, &nft_only, w->link);
	expect(w, "");
}

static void test_the_status_says_what_is_missing(void **state)
{
	struct world *w = *state;
	shape_print_status(&w->text, &everything);
	expect(w, "cuts by nftables, loss by netem, doubles by netem, delays by netem, rates by netem");
	shape_print_status(&w->text, &nft_only);
	expect(w, "cuts by nftables, loss by nftables, doubles by the agents, delays by the agents, rates by the agents "
		"(no netem: the kernel lacks sch_netem)");
	shape_print_status(&w->text, &second_choice);
	expect(w, "cuts by iptables, loss by iptables, doubles by the agents, delays by the agents, rates by htb (no netem: the kernel lacks "
		"sch_netem) (no nftables: the kernel lacks nf_tables)");
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(test_who_does_what), CASE(test_a_node_reaches_its_peers_only), CASE(test_cuts_are_at_the_receiver),
		CASE(test_iptables_is_the_second_choice), CASE(test_htb_alone_makes_a_rate),
		CASE(test_netem_is_at_the_sender), CASE(test_the_clients_have_a_pod), CASE(test_reordering_needs_a_delay), CASE(test_without_netem_tc_is_left_alone),
		CASE(test_the_status_says_what_is_missing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
