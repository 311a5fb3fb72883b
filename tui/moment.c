#include "moment.h"

#include "proto.h"

static void pairs(lane_set *by_receiver, const struct fault *f, bool on)
{
	for (int to = 0; to < NODES_MAX + SERVICES; to++)
		if (f->to >> to & 1)
			by_receiver[to] = on ? by_receiver[to] | f->from : by_receiver[to] & ~f->from;
}

static void heal(struct moment *m)
{
	memset(m->cut, 0, sizeof m->cut);
	memset(m->slow, 0, sizeof m->slow);
	memset(m->lossy, 0, sizeof m->lossy);
}

static void apply_fault(struct moment *m, const struct lanes *lanes, const struct event *e)
{
	struct fault f[2];
	struct err ignored;
	int n = fault_parse(lanes, e->text, f, &ignored);
	for (int i = 0; i < n; i++)
		switch (f[i].kind) {
		case FAULT_CUT: pairs(m->cut, &f[i], true); break;
		case FAULT_UNCUT: pairs(m->cut, &f[i], false); break;
		case FAULT_LATENCY:
		case FAULT_RATE: pairs(m->slow, &f[i], true); break;
		case FAULT_LOSS: pairs(m->lossy, &f[i], f[i].p_million > 0); break;
		case FAULT_HEAL: heal(m); break;
		default: break;
		}
}

void moment_init(struct moment *m)
{
	*m = (struct moment){ 0 };
}

void moment_apply(struct moment *m, const struct lanes *lanes, const struct event *e)
{
	m->seq = e->seq;
	m->t_ns = e->t_ns;
	bool node = lane_is_node(lanes, e->src);
	if (e->kind == EVENT_FAULT)
		apply_fault(m, lanes, e);
	else if (node && (e->kind == EVENT_START || e->kind == EVENT_RESUME))
		m->life[e->src] = LIFE_UP;
	else if (node && e->kind == EVENT_PAUSE)
		m->life[e->src] = LIFE_PAUSED;
	else if (node && e->kind == EVENT_EXIT) {
		m->life[e->src] = LIFE_DOWN;
		m->state[e->src] = 0;
	}
	if (node && e->kind == EVENT_STATE)
		m->state[e->src] = e->seq;
}

static struct slice unquoted(struct slice v)
{
	return v.n >= 2 && v.s[0] == '"' ? (struct slice){ v.s + 1, v.n - 2 } : v;
}

bool moment_state(const struct moment *m, struct source *source, int node, struct buf *role, struct buf *rest)
{
	const struct event *e = m->state[node] ? source_at(source, m->state[node]) : NULL;
	struct slice key, value;
	size_t pos = 0;
	if (!e || !e->text.n || e->text.s[0] != '{' || !json_valid(e->text, NULL))
		return false;
	while (json_member_next(e->text, &pos, &key, &value)) {
		if (slice_is(key, "type") || slice_is(key, "msg_id"))
			continue;
		if (slice_is(key, "role")) {
			buf_slice(role, unquoted(value));
			continue;
		}
		buf_str(rest, rest->n ? " " : "");
		buf_slice(rest, key);
		buf_char(rest, '=');
		buf_slice(rest, value.n > 40 ? SLICE("...") : unquoted(value));
	}
	return true;
}
