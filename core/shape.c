#include "shape.h"

#define NO_RATE "100gbit quantum 65535"

enum { FIRST_CLASS = 0x10, FIRST_FILTER = 1, QUEUE = 100000, REORDER_LEAST_US = 10000, MILLION = 1000000 };

unsigned shape_agent_kinds(const struct shaping *s)
{
	bool firewall = shape_cut_tool(s);
	unsigned kinds = 0;
	if (!firewall)
		kinds |= FAULT_BIT(FAULT_CUT) | FAULT_BIT(FAULT_UNCUT);
	if (!s->netem && !firewall)
		kinds |= FAULT_BIT(FAULT_LOSS);
	if (!s->netem_doubles)
		kinds |= FAULT_BIT(FAULT_DUPLICATE);
	if (!s->netem)
		kinds |= FAULT_BIT(FAULT_LATENCY) | FAULT_BIT(FAULT_REORDER);
	if (!s->netem && !s->htb)
		kinds |= FAULT_BIT(FAULT_RATE);
	return kinds;
}

const char *shape_cut_tool(const struct shaping *s)
{
	return s->nft ? "nft" : s->iptables ? "iptables" : NULL;
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

/* How much of what comes from a peer the firewall drops, in millionths: all for a cut. */
static uint32_t dropped_million(const struct shape *s, const struct shaping *how, const struct link *link, int peer)
{
	if (is_cut(s, link, peer))
		return MILLION;
	return peer == s->me || how->netem ? 0 : rule_of(s, link, peer, s->me).loss_million;
}

/* --- nftables --- */

static void print_base_nft(struct buf *b, const struct shape *s)
{
	buf_str(b, "table inet dlab_base\ndelete table inet dlab_base\ntable inet dlab_base {\n"
		"chain out { type filter hook output priority 0; policy drop;\noifname \"lo\" accept\nip daddr { ");
	for (int i = 0; i < s->pods; i++)
		buf_printf(b, "%s%s", i ? ", " : "", s->address[i]);
	buf_str(b, " } accept\n}\n}\n");
}

static bool print_nft(struct buf *b, const struct shape *s, const struct shaping *how, const struct link *link)
{
	bool drops = false;
	buf_str(b, "table inet dlab\ndelete table inet dlab\ntable inet dlab {\nchain in { type filter hook input priority 0; policy accept;\n");
	for (int i = 0; i < s->pods; i++) {
		uint32_t million = dropped_million(s, how, link, i);
		if (million >= MILLION)
			buf_printf(b, "ip saddr %s drop\n", s->address[i]);
		else if (million)
			buf_printf(b, "ip saddr %s numgen random mod 1000000 < %u drop\n", s->address[i], million);
		drops |= million > 0;
	}
	buf_str(b, "}\n}\n");
	return drops;
}

/* --- iptables, in the words of iptables-restore: a chain that is named there is emptied first, all in one step --- */

static void print_base_iptables(struct buf *b, const struct shape *s)
{
	buf_str(b, "*filter\n:DLAB_IN - [0:0]\n:DLAB_OUT - [0:0]\n-A INPUT -j DLAB_IN\n-A OUTPUT -j DLAB_OUT\n-A DLAB_OUT -o lo -j ACCEPT\n");
	for (int i = 0; i < s->pods; i++)
		buf_printf(b, "-A DLAB_OUT -d %s -j ACCEPT\n", s->address[i]);
	buf_str(b, "-A DLAB_OUT -j DROP\nCOMMIT\n");
}

static bool print_iptables(struct buf *b, const struct shape *s, const struct shaping *how, const struct link *link)
{
	bool drops = false;
	buf_str(b, "*filter\n:DLAB_IN - [0:0]\n");
	for (int i = 0; i < s->pods; i++) {
		uint32_t million = dropped_million(s, how, link, i);
		if (million >= MILLION)
			buf_printf(b, "-A DLAB_IN -s %s -j DROP\n", s->address[i]);
		else if (million)
			buf_printf(b, "-A DLAB_IN -s %s -m statistic --mode random --probability %u.%06u -j DROP\n", s->address[i], million / MILLION,
				million % MILLION);
		drops |= million > 0;
	}
	buf_str(b, "COMMIT\n");
	return drops;
}

void shape_print_base(struct buf *b, const struct shape *s, const struct shaping *how)
{
	(how->nft ? print_base_nft : print_base_iptables)(b, s);
}

bool shape_print_cuts(struct buf *b, const struct shape *s, const struct shaping *how, const struct link *link)
{
	return (how->nft ? print_nft : print_iptables)(b, s, how, link);
}

/* --- tc --- */

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
	buf_printf(b, "class add dev eth0 parent 1: classid 1:%x htb rate " NO_RATE "\n", class);
	buf_printf(b, "filter add dev eth0 parent 1: protocol ip prio %d u32 match ip dst %s/32 flowid 1:%x\n", FIRST_FILTER + peer,
		s->address[peer], class);
	s->rooted = true;
	s->classed |= lane_bit(peer);
}

/* A queue that is emptied at the rate alone: what else the rule says is the agents' or the firewall's. */
static void print_htb(struct buf *b, int class, const struct network *n)
{
	buf_printf(b, "class replace dev eth0 parent 1: classid 1:%x htb rate ", class);
	if (n->rate_bps)
		buf_printf(b, "%lldbit quantum 65535\n", (long long)n->rate_bps * 8);
	else
		buf_str(b, NO_RATE "\n");
	buf_printf(b, "qdisc replace dev eth0 parent 1:%x handle %x: pfifo limit %d\n", class, class, QUEUE);
}

void shape_print_tc(struct buf *b, struct shape *s, const struct shaping *how, const struct link *link)
{
	for (int i = 0; i < s->pods && (how->netem || how->htb); i++) {
		struct network rule = rule_of(s, link, s->me, i);
		bool wanted = how->netem ? !is_plain(&rule) : rule.rate_bps > 0;
		int class = FIRST_CLASS + i;
		if (i == s->me || (!wanted && !(s->classed & lane_bit(i))))
			continue;
		if (!(s->classed & lane_bit(i)))
			make_class(b, s, i);
		if (!how->netem) {
			print_htb(b, class, &rule);
			continue;
		}
		buf_printf(b, "qdisc replace dev eth0 parent 1:%x handle %x: ", class, class);
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

const char *shape_probe_htb(void)
{
	return "qdisc add dev lo root handle 1: htb\n"
		"class add dev lo parent 1: classid 1:10 htb rate 100gbit quantum 65535\n"
		"class replace dev lo parent 1: classid 1:10 htb rate 160000bit quantum 65535\n"
		"qdisc replace dev lo parent 1:10 handle 10: pfifo limit 1000\n"
		"qdisc del dev lo root\n";
}

void shape_print_status(struct buf *b, const struct shaping *s)
{
	const char *cuts = s->nft ? "nftables" : s->iptables ? "iptables" : "the agents";
	buf_printf(b, "cuts by %s, loss by %s, doubles by %s, delays by %s, rates by %s", cuts, s->netem ? "netem" : cuts,
		s->netem_doubles ? "netem" : "the agents", s->netem ? "netem" : "the agents", s->netem ? "netem" : s->htb ? "htb" : "the agents");
	if (!s->netem)
		buf_str(b, " (no netem: the kernel lacks sch_netem)");
	if (!shape_cut_tool(s))
		buf_str(b, " (no nftables, no iptables: a node may reach more than its peers)");
	else if (s->iptables)
		buf_str(b, " (no nftables: the kernel lacks nf_tables)");
}
