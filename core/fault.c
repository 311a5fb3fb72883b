#include "fault.h"

/* --- words of the language ---
 *
 *   fault    = "heal" | node-verb set | link-verb set (">" | "|") set [what]
 *   set      = name {"," name} | "*" | "nodes" | "rest" | "nobody"
 *   what     = percent | rate | latency, by the verb
 *
 * "*" is every node and service (every node for a node-verb), "nodes" every node, "rest" the nodes that the
 * other side does not have. "|" stands for both directions and gives two faults. */

enum shape { SHAPE_BARE, SHAPE_NODES, SHAPE_LINK, SHAPE_PERCENT, SHAPE_LATENCY, SHAPE_RATE };

static const enum shape shapes[FAULT_KIND_COUNT] = {
	[FAULT_CUT] = SHAPE_LINK,         [FAULT_UNCUT] = SHAPE_LINK,        [FAULT_LATENCY] = SHAPE_LATENCY,
	[FAULT_LOSS] = SHAPE_PERCENT,     [FAULT_DUPLICATE] = SHAPE_PERCENT, [FAULT_REORDER] = SHAPE_PERCENT,
	[FAULT_RATE] = SHAPE_RATE,        [FAULT_HEAL] = SHAPE_BARE,         [FAULT_KILL] = SHAPE_NODES,
	[FAULT_START] = SHAPE_NODES,      [FAULT_PAUSE] = SHAPE_NODES,       [FAULT_RESUME] = SHAPE_NODES,
};

static const char *const kind_names[FAULT_KIND_COUNT] = {
#define X(name, text) [FAULT_##name] = text,
	FAULT_KINDS(X)
#undef X
};

static const char *const dist_names[DIST_COUNT] = {
#define X(name, text) [DIST_##name] = text,
	FAULT_DISTS(X)
#undef X
};

const char *fault_kind_name(int kind)
{
	return kind >= 0 && kind < FAULT_KIND_COUNT ? kind_names[kind] : "?";
}

const char *fault_dist_name(int dist)
{
	return dist >= 0 && dist < DIST_COUNT ? dist_names[dist] : "?";
}

static lane_set everyone(const struct lanes *l)
{
	return lanes_all_nodes(l) | ((lane_bit(SERVICES) - 1) << l->nodes);
}

/* --- quantities: exact decimals with a unit --- */

struct unit {
	const char *name;
	int64_t scale; /* a power of ten */
};

struct quantity {
	const char *what, *example;
	int64_t max;
	struct unit unit[6]; /* the largest first; printing takes the largest that divides */
};

static const struct quantity duration = {
	"a time", "80ms", 24 * 3600 * NS_PER_S,
	{ { "s", NS_PER_S }, { "ms", NS_PER_MS }, { "us", NS_PER_US }, { "ns", 1 } },
};
static const struct quantity percent = { "a percentage", "30%", 1000000, { { "%", 10000 } } };
static const struct quantity byte_rate = {
	"a rate", "100kB/s", INT64_C(1000000000000),
	{ { "MB/s", 1000000 }, { "kB/s", 1000 }, { "B/s", 1 } },
};

static void duration_print(struct buf *b, int64_t ns)
{
	const struct unit *u = duration.unit;
	while (ns % u->scale != 0)
		u++;
	/* 1,500 ms reads better than 1500000 us, and 0 better as ms than as s. */
	if (ns == 0)
		u = &duration.unit[1];
	buf_int(b, ns / u->scale);
	buf_str(b, u->name);
}

static void percent_print(struct buf *b, uint32_t p_million)
{
	buf_int(b, p_million / 10000);
	uint32_t rest = p_million % 10000;
	if (rest) {
		char digits[5] = { 0 };
		for (int i = 3; i >= 0; i--, rest /= 10)
			digits[i] = (char)('0' + rest % 10);
		for (size_t n = 4; digits[n - 1] == '0'; n--)
			digits[n - 1] = '\0';
		buf_char(b, '.');
		buf_str(b, digits);
	}
	buf_char(b, '%');
}

static void rate_print(struct buf *b, int64_t bps)
{
	if (bps == 0) {
		buf_str(b, "unlimited");
		return;
	}
	const struct unit *u = byte_rate.unit;
	while (bps % u->scale != 0)
		u++;
	buf_int(b, bps / u->scale);
	buf_str(b, u->name);
}

/* --- printing --- */

static void set_print(struct buf *b, const struct lanes *l, lane_set set, lane_set star)
{
	const char *word = set == star ? "*" : set == lanes_all_nodes(l) ? "nodes" : set == 0 ? "nobody" : NULL;
	if (word) {
		buf_str(b, word);
		return;
	}
	bool first = true;
	for (int i = 0; i < l->nodes + SERVICES; i++) {
		if (!(set & lane_bit(i)))
			continue;
		if (!first)
			buf_char(b, ',');
		first = false;
		buf_str(b, lane_name(l, i));
	}
}

static void latency_print(struct buf *b, const struct fault *f)
{
	buf_str(b, " mean ");
	duration_print(b, f->mean_ns);
	if (f->jitter_ns) {
		buf_str(b, " jitter ");
		duration_print(b, f->jitter_ns);
	}
	buf_char(b, ' ');
	buf_str(b, fault_dist_name(f->dist));
}

void fault_print(struct buf *b, const struct lanes *l, const struct fault *f)
{
	buf_str(b, fault_kind_name(f->kind));
	enum shape shape = f->kind < FAULT_KIND_COUNT ? shapes[f->kind] : SHAPE_BARE;
	if (shape == SHAPE_BARE)
		return;
	buf_char(b, ' ');
	if (shape == SHAPE_NODES) {
		set_print(b, l, f->from, lanes_all_nodes(l));
		return;
	}
	set_print(b, l, f->from, everyone(l));
	buf_str(b, " > ");
	set_print(b, l, f->to, everyone(l));
	if (shape == SHAPE_LATENCY)
		latency_print(b, f);
	if (shape == SHAPE_LINK || shape == SHAPE_LATENCY)
		return;
	buf_char(b, ' ');
	if (shape == SHAPE_PERCENT)
		percent_print(b, f->p_million);
	else
		rate_print(b, f->rate_bps);
}

/* --- reading --- */

struct reader {
	const struct lanes *lanes;
	const char *at, *end;
	struct slice word; /* the present one; empty at the end */
	const char *verb;
	struct err *err;
};

/* What a person typed, for an error: not more than fits. */
#define WORD_ARG(w) (int)((w).n < 40 ? (w).n : 40), (w).s

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_mark(char c)
{
	return c == ',' || c == '>' || c == '|' || c == '*';
}

static void advance(struct reader *r)
{
	while (r->at < r->end && is_space(*r->at))
		r->at++;
	const char *start = r->at;
	if (r->at < r->end && is_mark(*r->at))
		r->at++;
	else
		while (r->at < r->end && !is_space(*r->at) && !is_mark(*r->at))
			r->at++;
	r->word = (struct slice){ start, (size_t)(r->at - start) };
}

static bool at_end(const struct reader *r)
{
	return r->word.n == 0;
}

static bool take(struct reader *r, const char *word)
{
	if (!slice_is(r->word, word))
		return false;
	advance(r);
	return true;
}

static int name_error(struct reader *r)
{
	const struct lanes *l = r->lanes;
	if (lane_is_client(l, lane_find(l, r->word)))
		return err_set(r->err, "%.*s is a client; faults act on nodes and services only", WORD_ARG(r->word));
	if (l->nodes == 1)
		return err_set(r->err, "%.*s is not a node of this cluster (%s)", WORD_ARG(r->word), lane_name(l, 0));
	return err_set(r->err, "%.*s is not a node of this cluster (%s to %s)", WORD_ARG(r->word), lane_name(l, 0),
	               lane_name(l, l->nodes - 1));
}

/* Names with commas between them. */
static int names_read(struct reader *r, bool services, lane_set *out)
{
	*out = 0;
	do {
		if (at_end(r))
			return err_set(r->err, "%s: a name is missing, for example %s", r->verb, lane_name(r->lanes, 0));
		int lane = lane_find(r->lanes, r->word);
		if (lane_is_service(r->lanes, lane) && !services)
			return err_set(r->err, "%s is a service; %s acts on nodes only", lane_name(r->lanes, lane), r->verb);
		if (!lane_is_node(r->lanes, lane) && !lane_is_service(r->lanes, lane))
			return name_error(r);
		*out |= lane_bit(lane);
		advance(r);
	} while (take(r, ","));
	return 0;
}

static int set_read(struct reader *r, bool links, lane_set *out, bool *rest)
{
	*rest = false;
	*out = 0;
	if (take(r, "*"))
		*out = links ? everyone(r->lanes) : lanes_all_nodes(r->lanes);
	else if (take(r, "nodes"))
		*out = lanes_all_nodes(r->lanes);
	else if (links && take(r, "rest"))
		*rest = true;
	else if (!take(r, "nobody"))
		return names_read(r, links, out);
	return 0;
}

static int link_read(struct reader *r, struct fault *f, bool *both)
{
	bool from_rest, to_rest;
	if (set_read(r, true, &f->from, &from_rest) < 0)
		return -1;
	*both = slice_is(r->word, "|");
	if (!take(r, "|") && !take(r, ">"))
		return err_set(r->err, "%s needs two sides: \"%s n1 > n2\" for one way, \"%s n1 | n2\" for both", r->verb,
		               r->verb, r->verb);
	if (set_read(r, true, &f->to, &to_rest) < 0)
		return -1;
	if (from_rest && to_rest)
		return err_set(r->err, "%s: only one side can be the rest", r->verb);
	if (from_rest)
		f->from = lanes_all_nodes(r->lanes) & ~f->to;
	if (to_rest)
		f->to = lanes_all_nodes(r->lanes) & ~f->from;
	return 0;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Length of a decimal number at the beginning of a word. */
static size_t number_len(struct slice w)
{
	size_t n = 0;
	while (n < w.n && is_digit(w.s[n]))
		n++;
	if (n > 0 && n + 1 < w.n && w.s[n] == '.' && is_digit(w.s[n + 1]))
		for (n++; n < w.n && is_digit(w.s[n]);)
			n++;
	return n;
}

/* The decimal number in units of scale. 0, or 1 when it passes max, 2 when it has too many decimals. */
static int number_scale(struct slice number, int64_t scale, int64_t max, int64_t *out)
{
	int64_t v = 0;
	size_t i = 0;
	for (; i < number.n && number.s[i] != '.'; i++) {
		v = v * 10 + (number.s[i] - '0');
		if (v > max / scale)
			return 1;
	}
	v *= scale;
	for (i++; i < number.n; i++) {
		scale /= 10;
		if (scale == 0 && number.s[i] != '0')
			return 2;
		v += scale * (number.s[i] - '0');
	}
	*out = v;
	return v > max;
}

static int quantity_read(struct reader *r, const struct quantity *q, int64_t *out)
{
	if (at_end(r))
		return err_set(r->err, "%s needs %s at the end, for example %s", r->verb, q->what, q->example);
	struct slice word = r->word;
	struct slice number = { word.s, number_len(word) };
	if (number.n == 0)
		return err_set(r->err, "%s: \"%.*s\" is not %s, for example %s", r->verb, WORD_ARG(word), q->what, q->example);
	struct slice name = { word.s + number.n, word.n - number.n };
	advance(r);
	if (name.n == 0) { /* "30 %" */
		name = r->word;
		advance(r);
	}
	const struct unit *u = q->unit;
	while (u->name && !slice_is(name, u->name))
		u++;
	if (!u->name)
		return err_set(r->err, "%s: %.*s needs a unit, for example %s", r->verb, WORD_ARG(number), q->example);
	int wrong = number_scale(number, u->scale, q->max, out);
	if (wrong)
		return err_set(r->err, "%s: %.*s%s is too %s", r->verb, WORD_ARG(number), u->name,
		               wrong == 1 ? "large" : "precise");
	return 0;
}

static int percent_read(struct reader *r, struct fault *f)
{
	int64_t v;
	if (quantity_read(r, &percent, &v) < 0)
		return -1;
	f->p_million = (uint32_t)v;
	return 0;
}

static int rate_read(struct reader *r, struct fault *f)
{
	return take(r, "unlimited") ? 0 : quantity_read(r, &byte_rate, &f->rate_bps);
}

static int dist_find(struct slice word)
{
	for (int i = 0; i < DIST_COUNT; i++)
		if (slice_is(word, dist_names[i]))
			return i;
	return -1;
}

/* "mean 80ms jitter 10ms normal", or short "80ms 10ms". Without a name of a distribution: uniform when there
 * is jitter, else constant. */
static int latency_read(struct reader *r, struct fault *f)
{
	bool mean = false, jitter = false;
	int dist = -1;
	do {
		if (dist < 0 && (dist = dist_find(r->word)) >= 0) {
			advance(r);
			continue;
		}
		bool second = take(r, "jitter") || (!take(r, "mean") && mean && !jitter);
		bool *done = second ? &jitter : &mean;
		if (*done)
			return err_set(r->err, "latency: \"%.*s\" is one too many", WORD_ARG(r->word));
		if (quantity_read(r, &duration, second ? &f->jitter_ns : &f->mean_ns) < 0)
			return -1;
		*done = true;
	} while (!at_end(r));
	if (!mean)
		return err_set(r->err, "latency needs a mean, for example \"latency n1 > n2 mean 80ms\"");
	f->dist = (uint8_t)(dist >= 0 ? dist : jitter ? DIST_UNIFORM : DIST_CONSTANT);
	return 0;
}

static int kind_read(struct reader *r)
{
	for (int i = 0; i < FAULT_KIND_COUNT; i++)
		if (take(r, kind_names[i]))
			return i;
	if (at_end(r))
		return err_set(r->err, "say which fault, for example \"cut n1 > n2\" or \"loss * > * 30%%\"");
	return err_set(r->err,
	               "\"%.*s\" is not a fault; there are "
#define X(name, text) text ", "
	               FAULT_KINDS(X)
#undef X
	               "and no other",
	               WORD_ARG(r->word));
}

static int what_read(struct reader *r, struct fault *f, bool *both)
{
	enum shape shape = shapes[f->kind];
	bool rest;
	if (shape == SHAPE_BARE)
		return 0;
	if (shape == SHAPE_NODES)
		return set_read(r, false, &f->from, &rest);
	if (link_read(r, f, both) < 0)
		return -1;
	switch (shape) {
	case SHAPE_PERCENT:
		return percent_read(r, f);
	case SHAPE_LATENCY:
		return latency_read(r, f);
	case SHAPE_RATE:
		return rate_read(r, f);
	default:
		return 0;
	}
}

int fault_parse(const struct lanes *l, struct slice text, struct fault out[2], struct err *err)
{
	struct reader r = { .lanes = l, .at = text.s, .end = text.s + text.n, .err = err };
	if (text.n == 0) /* a NULL slice has no end to count to */
		r.at = r.end = "";
	advance(&r);
	int kind = kind_read(&r);
	if (kind < 0)
		return -1;
	r.verb = kind_names[kind];
	struct fault f = { .kind = (uint8_t)kind };
	bool both = false;
	if (what_read(&r, &f, &both) < 0)
		return -1;
	if (!at_end(&r))
		return err_set(err, "%s: \"%.*s\" is not expected there", r.verb, WORD_ARG(r.word));
	out[0] = f;
	if (!both)
		return 1;
	out[1] = f;
	out[1].from = f.to;
	out[1].to = f.from;
	return 2;
}

/* --- partitions --- */

static void shuffle(struct rng *rng, int *order, int n)
{
	for (int i = 0; i < n; i++)
		order[i] = i;
	for (int i = n - 1; i > 0; i--) {
		int j = (int)rng_below(rng, (uint64_t)i + 1);
		int t = order[i];
		order[i] = order[j];
		order[j] = t;
	}
}

static lane_set set_of(const int *order, int n)
{
	lane_set set = 0;
	for (int i = 0; i < n; i++)
		set |= lane_bit(order[i]);
	return set;
}

void partition_split(struct partition *p, const struct lanes *l, lane_set part)
{
	lane_set all = lanes_all_nodes(l);
	*p = (struct partition){ 0 };
	for (int b = 0; b < l->nodes; b++)
		p->drop[b] = part & lane_bit(b) ? all & ~part : all & part;
}

lane_set partition_halves(struct partition *p, const struct lanes *l, struct rng *rng)
{
	int order[NODES_MAX];
	shuffle(rng, order, l->nodes);
	lane_set smaller = set_of(order, l->nodes / 2);
	partition_split(p, l, smaller);
	return smaller;
}

lane_set partition_isolate(struct partition *p, const struct lanes *l, int node)
{
	assert(lane_is_node(l, node));
	partition_split(p, l, lane_bit(node));
	return lane_bit(node);
}

int partition_bridge(struct partition *p, const struct lanes *l, struct rng *rng)
{
	int order[NODES_MAX];
	shuffle(rng, order, l->nodes);
	int bridge = order[0];
	lane_set a = set_of(order + 1, (l->nodes - 1) / 2);
	lane_set b = lanes_all_nodes(l) & ~a & ~lane_bit(bridge);
	*p = (struct partition){ 0 };
	for (int i = 0; i < l->nodes; i++)
		if (i != bridge)
			p->drop[i] = a & lane_bit(i) ? b : a;
	return bridge;
}

/* The nodes stand in a ring; each hears the window of a bare majority in whose middle it stands. Windows of a
 * ring that do not go all around differ, so from 3 nodes on no two nodes hear the same majority. */
void partition_majorities_ring(struct partition *p, const struct lanes *l, struct rng *rng)
{
	int n = l->nodes, majority = n / 2 + 1;
	int order[NODES_MAX];
	shuffle(rng, order, n);
	*p = (struct partition){ 0 };
	for (int i = 0; i < n; i++) {
		lane_set heard = 0;
		for (int k = 0; k < majority; k++)
			heard |= lane_bit(order[(i + k) % n]);
		p->drop[order[(i + majority / 2) % n]] = lanes_all_nodes(l) & ~heard;
	}
}

void partition_one_way(struct partition *p, const struct lanes *l, lane_set part)
{
	*p = (struct partition){ 0 };
	for (int b = 0; b < l->nodes; b++)
		if (!(part & lane_bit(b)))
			p->drop[b] = lanes_all_nodes(l) & part;
}

void partition_star(struct partition *p, const struct lanes *l, int hub, lane_set spokes)
{
	assert(lane_is_node(l, hub));
	lane_set all = lanes_all_nodes(l);
	*p = (struct partition){ 0 };
	for (int b = 0; b < l->nodes; b++)
		p->drop[b] = all & ~lane_bit(b) & ~(b == hub ? spokes : spokes & lane_bit(b) ? lane_bit(hub) : 0);
}
