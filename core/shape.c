#include "shape.h"

enum { FIRST_CLASS = 0x10, FIRST_FILTER = 1, QUEUE = 100000, REORDER_LEAST_US = 10000 };

unsigned shape_agent_kinds(const struct shaping *s)
{
	unsigned kinds = 0;
	if (!s->nft)
		kinds |= FAULT_BIT(FAULT_CUT) | FAULT_BIT(FAULT_UNCUT);
	if (!s->netem && !s->nft)
		kinds |= FAULT_BIT(FAULT_LOSS);
	if (!s->netem_doubles)
		kinds |= FAULT_BIT(FAULT_DUPLICATE);
	if (!s->netem)
		kinds |= FAULT_BIT(FAULT_LATENCY) | FAULT_BIT(FAULT_REORDER) | FAULT_BIT(FAULT_RATE);
	return kinds;
}

/* Of messages from one pod to another. No fault is ever between the nodes and the clients' pod. */
static struct network rule_of(const struct shape *s, const struct link *link, int src, int dst)
{
	return src < s->lanes->nodes && dst < s->lanes->nodes ? link_rule(link, src, dst) : s->clients;
}

static bool is_cut(const struct shape *s, const struct link *link, int src)
{
	return src < s->lanes->nodes && s->me < s->lanes->nodes && link_is_cut(link, src, s->me);
}

/* --- nftables --- */

void shape_print_base(struct buf *b, const struct shape *s)
{
	buf_str(b, "table inet dlab_base\ndelete table inet dlab_base\ntable inet dlab_base {\n"
		"chain out { type filter hook output priority 0; policy drop;\noifname \"lo\" accept\nip daddr { ");
	for (int i = 0; i < s->pods; i++)
		buf_printf(b, "%s%s", i ? ", " : "", s->address[i]);
	buf_str(b, " } accept\n}\n}\n");
}

bool shape_print_nft(struct buf *b, const struct shape *s, const struct shaping *how, const struct link *link)
{
	bool drops = false;
	buf_str(b, "table inet dlab\ndelete table inet dlab\ntable inet dlab {\nchain in { type filter hook input priority 0; policy accept;\n");
	for (int i = 0; i < s->pods; i++) {
		uint32_t loss = i == s->me || how->netem ? 0 : rule_of(s, link, i, s->me).loss_million;
		if (is_cut(s, link, i) || loss >= 1000000)
			buf_printf(b, "ip saddr %s drop\n", s->address[i]);
		else if (loss)
			buf_printf(b, "ip saddr %s numgen random mod 1000000 < %u drop\n", s->address[i], loss);
		drops |= loss || is_cut(s, link, i);
	}
	buf_str(b, "}\n}\n");
	return drops;
}

/* --- netem --- */

static void print_delay(struct buf *b, const struct network *n)
{
	static const char *const tables[DIST_COUNT] = { NULL, "uniform", "exponential", "normal" };
	int64_t mean = n->mean_ns / NS_PER_US, jitter = n->dist == DIST_EXPONENTIAL ? mean : n->jitter_ns / NS_PER_US;
	if (n->reorder_million && mean == 0)
		mean = REORDER_LEAST_US;
	buf_printf(b, " delay %lldus", (long long)mean);
	if (tables[n->dist] && jitter > 0)
		buf_printf(b, " %lldus distribution %s", (long long)jitter, tables[n->dist]);
	if (n->reorder_million)
		buf_printf(b, " reorder %.4f%%", n->reorder_million / 1e4);
}

static void print_netem(struct buf *b, const struct shaping *how, const struct network *n)
{
	buf_printf(b, "netem limit %d", QUEUE);
	print_delay(b, n);
	if (n->loss_million)
		buf_printf(b, " loss random %.4f%%", n->loss_million / 1e4);
	if (how->netem_doubles && n->dup_million)
		buf_printf(b, " duplicate %.4f%%", n->dup_million / 1e4);
	buf_printf(b, " rate %lldbit\n", (long long)n->rate_bps * 8);
}

static bool is_plain(const struct network *n)
{
	return !n->mean_ns && !n->jitter_ns && !n->loss_million && !n->dup_million && !n->reorder_million && !n->rate_bps;
}

static void make_class(struct buf *b, struct shape *s, int peer)
{
	int class = FIRST_CLASS + peer;
	if (!s->rooted)
		buf_str(b, "qdisc add dev eth0 root handle 1: htb\n");
	buf_printf(b, "class add dev eth0 parent 1: classid 1:%x htb rate 100gbit quantum 65535\n", class);
	buf_printf(b, "filter add dev eth0 parent 1: protocol ip prio %d u32 match ip dst %s/32 flowid 1:%x\n", FIRST_FILTER + peer,
		s->address[peer], class);
	s->rooted = true;
	s->classed |= lane_bit(peer);
}

void shape_print_tc(struct buf *b, struct shape *s, const struct shaping *how, const struct link *link)
{
	for (int i = 0; i < s->pods; i++) {
		struct network rule = rule_of(s, link, s->me, i);
		if (!how->netem || i == s->me || (is_plain(&rule) && !(s->classed & lane_bit(i))))
			continue;
		if (!(s->classed & lane_bit(i)))
			make_class(b, s, i);
		buf_printf(b, "qdisc replace dev eth0 parent 1:%x handle %x: ", FIRST_CLASS + i, FIRST_CLASS + i);
		print_netem(b, how, &rule);
	}
}

/* --- probes, on the loopback of a pod in which nothing runs yet --- */

const char *shape_probe_netem(void)
{
	return "qdisc add dev lo root handle 1: htb\n"
		"class add dev lo parent 1: classid 1:10 htb rate 100gbit quantum 65535\n"
		"qdisc add dev lo parent 1:10 handle 10: netem delay 1ms 1ms distribution exponential\n"
		"qdisc del dev lo root\n";
}

const char *shape_probe_doubles(void)
{
	return "qdisc add dev lo root handle 1: htb\n"
		"class add dev lo parent 1: classid 1:10 htb rate 100gbit quantum 65535\n"
		"class add dev lo parent 1: classid 1:11 htb rate 100gbit quantum 65535\n"
		"qdisc add dev lo parent 1:10 handle 10: netem duplicate 10%\n"
		"qdisc add dev lo parent 1:11 handle 11: netem duplicate 10%\n"
		"qdisc del dev lo root\n";
}

void shape_print_status(struct buf *b, const struct shaping *s)
{
	buf_printf(b, "cuts by %s, loss by %s, doubles by %s, delays by %s", s->nft ? "nftables" : "the agents",
		s->netem ? "netem" : s->nft ? "nftables" : "the agents", s->netem_doubles ? "netem" : "the agents",
		s->netem ? "netem" : "the agents");
	if (!s->netem)
		buf_str(b, " (no netem: the kernel lacks sch_netem)");
	if (!s->nft)
		buf_str(b, " (no nftables: a node may reach more than its peers)");
}
