#include "lanes.h"

#include <stdio.h>

static const char *const service_names[SERVICES] = {
	[SERVICE_LIN_KV] = "lin-kv",
	[SERVICE_SEQ_KV] = "seq-kv",
	[SERVICE_LWW_KV] = "lww-kv",
	[SERVICE_LIN_TSO] = "lin-tso",
};

static void lane_number(struct lanes *l, int lane, char letter, int number)
{
	int n = snprintf(l->name[lane], sizeof l->name[lane], "%c%d", letter, number);
	l->name_n[lane] = (uint8_t)n;
}

void lanes_init(struct lanes *l, int nodes, int first)
{
	assert(nodes >= 1 && nodes <= NODES_MAX);
	assert(first == 0 || first == 1);
	*l = (struct lanes){ .nodes = nodes, .first = first };
	for (int i = 0; i < nodes; i++)
		lane_number(l, i, 'n', first + i);
	for (int i = 0; i < SERVICES; i++) {
		int lane = lane_service(l, i);
		size_t n = strlen(service_names[i]);
		memcpy(l->name[lane], service_names[i], n + 1);
		l->name_n[lane] = (uint8_t)n;
	}
	for (int i = 0; i < CLIENTS_MAX; i++)
		lane_number(l, lane_client(l, i), 'c', i);
}

lane_set lanes_all_nodes(const struct lanes *l)
{
	return lane_bit(l->nodes) - 1;
}

/* Up to three digits without a leading zero, or -1. */
static int number_parse(const char *s, size_t n)
{
	if (n == 0 || n > 3 || (n > 1 && s[0] == '0'))
		return -1;
	int v = 0;
	for (size_t i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return -1;
		v = v * 10 + (s[i] - '0');
	}
	return v;
}

static int word_find(const struct lanes *l, struct slice name)
{
	for (int i = 0; i < SERVICES; i++) {
		int lane = lane_service(l, i);
		if (name.n == l->name_n[lane] && memcmp(name.s, l->name[lane], name.n) == 0)
			return lane;
	}
	return slice_is(name, "dlab") ? LANE_DLAB : LANE_UNKNOWN;
}

/* On the way of every message, so numbered names are read instead of looked up. */
int lane_find(const struct lanes *l, struct slice name)
{
	if (name.n < 2)
		return LANE_UNKNOWN;
	char letter = name.s[0];
	if (letter != 'n' && letter != 'c')
		return word_find(l, name);
	int number = number_parse(name.s + 1, name.n - 1);
	if (number < 0)
		return LANE_UNKNOWN;
	if (letter == 'c')
		return number < CLIENTS_MAX ? lane_client(l, number) : LANE_UNKNOWN;
	int node = number - l->first;
	return lane_is_node(l, node) ? node : LANE_UNKNOWN;
}

const char *lane_name(const struct lanes *l, int lane)
{
	return lane >= 0 && lane < lanes_count(l) ? l->name[lane] : "?";
}

void lane_set_print(struct buf *b, const struct lanes *l, lane_set set)
{
	const char *gap = "";
	for (int i = 0; i < l->nodes + SERVICES; i++) {
		if (!(set & lane_bit(i)))
			continue;
		buf_str(b, gap);
		buf_str(b, l->name[i]);
		gap = ", ";
	}
}
