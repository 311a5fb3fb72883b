/* A log for ShiViz (https://bestchai.bitbucket.io/shiviz/): line 1 is the regular expression that reads it, line 2 the
 * one between executions (empty: there is one), then for each event its sentence, and its host with its vector clock.
 *
 * ShiViz demands that a host's own entry goes up by 1 from 1, and that every host in a clock has that many events. The
 * clocks of the trace count events that may not be in this log (a window, a node, the first `most`), so they are
 * counted anew here: an event that is left out carries knowledge on, but does not tick. Whoever is given no event does
 * not occur. A CALL or a REPLY is both ends of a message, so it is two events. A message that was lost is an event
 * of its sender alone, for nobody learned anything; so is the second copy, of its receiver. What the lab does
 * happens at a host of its own, "lab". */
#include <stdlib.h>

#include "export.h"
#include "text.h"

extern const struct export_format export_shiviz;

/* A host is a lane and 1; the lab has the first place. */
enum { LAB = 0, HOSTS = LANES_MAX + 1, TEXT_COLUMNS = 200 };

struct shiviz {
	struct export *x;             /* borrowed */
	uint32_t clock[HOSTS][HOSTS]; /* what a host knows of the others */
	int hosts;                    /* those that have acted are below this */
	struct export_index messages; /* to the place in carried */
	uint32_t **carried;           /* owned: [0] how many entries follow, then the clock when it was sent */
	size_t carried_n, carried_cap;
};

static const char *host_name(const struct shiviz *s, int host)
{
	return host == LAB ? "lab" : lane_name(s->x->lanes, host - 1);
}

/* Also makes room for whoever is seen for the first time. */
static int host_of(struct shiviz *s, int lane)
{
	int host = lane < 0 ? LAB : lane + 1;
	if (host >= s->hosts)
		s->hosts = host + 1;
	return host;
}

/* --- clocks --- */

static void carry(struct shiviz *s, uint64_t msg, int host)
{
	if (msg == 0)
		return;
	if (s->carried_n == s->carried_cap) {
		s->carried_cap = s->carried_cap ? s->carried_cap * 2 : 256;
		s->carried = xrealloc(s->carried, s->carried_cap * sizeof *s->carried);
	}
	uint32_t n = (uint32_t)s->hosts, *clock = xmalloc((n + 1) * sizeof *clock);
	clock[0] = n;
	memcpy(clock + 1, s->clock[host], n * sizeof *clock);
	export_index_put(&s->messages, msg, s->carried_n);
	s->carried[s->carried_n++] = clock;
}

static void merge(struct shiviz *s, int host, const uint32_t *clock, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (clock[i] > s->clock[host][i])
			s->clock[host][i] = clock[i];
}

static void arrive(struct shiviz *s, uint64_t msg, int host)
{
	uint64_t at = export_index_get(&s->messages, msg, UINT64_MAX);
	if (at != UINT64_MAX)
		merge(s, host, s->carried[at] + 1, s->carried[at][0]);
}

/* --- telling --- */

static void tell(struct shiviz *s, const struct event *e, int host, bool receiving)
{
	struct buf *b = &s->x->out, says = BUF_EMPTY;
	const char *comma = "";
	s->clock[host][host]++;
	buf_printf(b, "%.6f s ", (double)e->t_ns / (double)NS_PER_S);
	export_say(s->x, &says, e, receiving);
	text_add(b, buf_as_slice(&says), TEXT_COLUMNS, false);
	buf_done(&says);
	buf_printf(b, "\n%s {", host_name(s, host));
	for (int i = 0; i < s->hosts; i++)
		if (s->clock[host][i]) {
			buf_printf(b, "%s\"%s\":%u", comma, host_name(s, i), s->clock[host][i]);
			comma = ",";
		}
	buf_str(b, "}\n");
	export_flush(s->x, 1 << 16);
}

static void see_send(struct shiviz *s, const struct event *e, bool told)
{
	int host = host_of(s, e->src);
	if (told)
		tell(s, e, host, false);
	carry(s, e->msg, host);
}

/* Both ends at once. */
static void see_client_message(struct shiviz *s, const struct event *e, bool told)
{
	int from = host_of(s, e->src), to = host_of(s, e->dst);
	if (told)
		tell(s, e, from, false);
	merge(s, to, s->clock[from], (uint32_t)s->hosts);
	if (told)
		tell(s, e, to, true);
}

static void see_arrival(struct shiviz *s, const struct event *e, bool told)
{
	int host = host_of(s, e->dst);
	arrive(s, e->msg, host);
	if (told)
		tell(s, e, host, true);
}

static void see(struct shiviz *s, const struct event *e, bool told)
{
	switch (e->kind) {
	case EVENT_SEND:
		see_send(s, e, told);
		break;
	case EVENT_RECV:
		see_arrival(s, e, told);
		break;
	case EVENT_CALL:
	case EVENT_REPLY:
		see_client_message(s, e, told);
		break;
	default:
		if (told)
			tell(s, e, host_of(s, e->kind == EVENT_DROP ? e->src : event_lane(e)), false);
	}
}

/* Names of hosts have no blanks, and nothing in a sentence is a line end: so two lines are always one event. */
static int write_shiviz(struct export *x, struct err *err)
{
	struct shiviz *s = xcalloc(1, sizeof *s);
	const struct event *e;
	s->x = x;
	buf_str(&x->out, "(?<event>.*)\\n(?<host>\\S+) (?<clock>\\{.*\\})\n\n");
	while ((e = export_next(x, err)) && e->t_ns <= x->ask->to_ns) {
		bool told = export_wants(x, e) && export_takes(x);
		if (x->left == 0) /* what comes after the last event that is told can change no clock */
			see(s, e, told);
	}
	for (size_t i = 0; i < s->carried_n; i++)
		free(s->carried[i]);
	free(s->carried);
	export_index_done(&s->messages);
	free(s);
	return err->text[0] ? -1 : 0;
}

const struct export_format export_shiviz = {
	.name = "shiviz",
	.what = "a log with vector clocks for the ShiViz visualizer",
	.most = 2000,
	.write = write_shiviz,
};
