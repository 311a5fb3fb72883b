#include "demo.h"

#include <stdio.h>
#include <stdlib.h>

#include "canon.h"
#include "proto.h"
#include "workspace.h"

enum { LIMIT_MS = 30000 };

const struct demo *demo_find(const char *id)
{
	for (const struct demo *const *d = all_demos; *d; d++)
		if (strcmp((*d)->id, id) == 0)
			return *d;
	return NULL;
}

int demo_steps(const struct demo *d)
{
	int n = 0;
	while (d->steps[n].say)
		n++;
	return n;
}

char **demo_words(const struct demo *d, const char *fabric, uint64_t seed, struct err *e)
{
	char *home = dlab_home(e);
	if (!home)
		return NULL;
	char *words[] = { xstrdup("--fabric"), xstrdup(fabric), xstrdup("--nodes"), xasprintf("%d", d->nodes), xstrdup("--latency"),
		xasprintf("%lld", (long long)d->latency_ms), xstrdup("--seed"), xasprintf("%llu", (unsigned long long)seed), xstrdup("--"),
		xstrdup("python3"), xasprintf("%s/%s", home, d->node), NULL };
	char **copy = xcalloc(ARRAY_LEN(words), sizeof *copy);
	memcpy(copy, words, sizeof words);
	free(home);
	return copy;
}

void demo_words_free(char **words)
{
	for (char **w = words; w && *w; w++)
		free(*w);
	free(words);
}

/* --- names --- */

void demo_bind(struct demo_run *r, char name, lane_set nodes)
{
	char *out = r->name[name - 'A'];
	size_t n = 0;
	out[0] = '\0';
	for (int i = 0; i < r->lanes->nodes; i++)
		if (nodes >> i & 1 && n < DEMO_NAME_MAX)
			n += (size_t)snprintf(out + n, DEMO_NAME_MAX - n, "%s%s", n ? "," : "", lane_name(r->lanes, i));
}

lane_set demo_nodes(const struct demo_run *r, char name)
{
	lane_set nodes = 0;
	const char *at = r->name[name - 'A'];
	while (*at) {
		size_t n = strcspn(at, ",");
		int lane = lane_find(r->lanes, (struct slice){ at, n });
		if (lane_is_node(r->lanes, lane))
			nodes |= lane_bit(lane);
		at += n + (at[n] == ',');
	}
	return nodes;
}

static void fill_in(const struct demo_run *r, char out[DEMO_TEXT_MAX], const char *text)
{
	size_t n = 0;
	for (const char *at = text ? text : ""; *at && n + 1 < DEMO_TEXT_MAX; at++) {
		if (*at == '$' && at[1] >= 'A' && at[1] <= 'Z') {
			int more = snprintf(out + n, DEMO_TEXT_MAX - n, "%s", r->name[at[1] - 'A']);
			n += more > 0 ? (size_t)more : 0;
			at++;
		} else {
			out[n++] = *at;
		}
	}
	out[n < DEMO_TEXT_MAX ? n : DEMO_TEXT_MAX - 1] = '\0';
}

/* --- steps --- */

static const struct demo_step *step_of(const struct demo_run *r)
{
	return &r->demo->steps[r->step];
}

static void say(struct demo_run *r)
{
	fill_in(r, r->say, step_of(r)->say);
	fill_in(r, r->notes, step_of(r)->notes);
	fill_in(r, r->gate, step_of(r)->gate);
}

static void act(struct demo_run *r)
{
	char lines[DEMO_TEXT_MAX];
	fill_in(r, lines, step_of(r)->act);
	for (char *line = lines, *end; *line; line = end) {
		end = line + strcspn(line, "\n");
		if (*end)
			*end++ = '\0';
		r->send(r->ctx, line);
	}
}

static void play(struct demo_run *r)
{
	r->phase = DEMO_PLAYING;
	r->facts.oks = r->facts.errors = 0;
	r->facts.answer[0] = '\0';
	r->began_ns = r->facts.now_ns;
	r->met_ns = -1;
	act(r);
}

static void enter(struct demo_run *r, int step)
{
	r->step = step;
	if (!step_of(r)->say) {
		r->step = step - 1;
		r->phase = DEMO_OVER;
		return;
	}
	say(r);
	r->phase = DEMO_SAYING;
	if (!step_of(r)->gate)
		play(r);
}

void demo_begin(struct demo_run *r, const struct demo *d, const struct lanes *lanes, int (*send)(void *, const char *), void *ctx)
{
	*r = (struct demo_run){ .demo = d, .lanes = lanes, .send = send, .ctx = ctx };
	enter(r, 0);
}

bool demo_go(struct demo_run *r)
{
	if (r->phase != DEMO_SAYING)
		return false;
	play(r);
	return true;
}

const char *demo_gate(const struct demo_run *r)
{
	switch (r->phase) {
	case DEMO_SAYING: return r->gate;
	case DEMO_OVER: return "The end. The run stays: look around, or q.";
	case DEMO_FAILED: return "That did not happen in time. The run stays: look around, or q.";
	default: return NULL;
	}
}

bool demo_plays(const struct demo_run *r)
{
	return r->phase == DEMO_PLAYING;
}

/* --- what the nodes tell --- */

static void note_state(struct demo_facts *f, int node, struct slice body)
{
	struct slice role = json_member(body, "role");
	int64_t term;
	f->leads[node] = slice_is(role, "\"leader\"");
	f->follows[node] = slice_is(role, "\"follower\"");
	if (slice_int(json_member(body, "term"), &term))
		f->term[node] = term;
}

static void note_apply(struct demo_facts *f, int node, struct slice body)
{
	struct slice command = json_member(body, "command");
	size_t n = strlen(f->applied[node]);
	if (command.n > 2 && command.s[0] == '"' && n + command.n < DEMO_APPLIED_MAX)
		snprintf(f->applied[node] + n, DEMO_APPLIED_MAX - n, " %.*s", (int)command.n - 2, command.s + 1);
}

static void note_reply(struct demo_facts *f, struct source *s, const struct event *e)
{
	struct slice type = source_type(s, e->type);
	if (slice_is(type, "init_ok"))
		return;
	if (slice_is(type, "error"))
		f->errors++;
	else
		f->oks++;
	snprintf(f->answer, sizeof f->answer, "%.*s", e->text.n > 150 ? 150 : (int)e->text.n, e->text.s ? e->text.s : "");
}

static void note(struct demo_run *r, struct source *s, const struct event *e)
{
	struct demo_facts *f = &r->facts;
	bool node = lane_is_node(r->lanes, e->src);
	switch (e->kind) {
	case EVENT_START:
		if (node) {
			f->up[e->src] = true;
			f->applied[e->src][0] = '\0'; /* it applies again from the beginning */
		}
		break;
	case EVENT_EXIT:
		if (node)
			f->up[e->src] = f->leads[e->src] = f->follows[e->src] = false;
		break;
	case EVENT_STATE:
		if (node && json_valid(e->text, NULL))
			note_state(f, e->src, e->text);
		break;
	case EVENT_APPLY:
		if (node && json_valid(e->text, NULL))
			note_apply(f, e->src, e->text);
		break;
	case EVENT_REPLY: note_reply(f, s, e); break;
	default: break;
	}
}

static bool look(struct demo_run *r)
{
	const struct demo_step *step = step_of(r);
	int64_t limit = (step->limit_ms ? step->limit_ms : LIMIT_MS) * NS_PER_MS;
	if (r->phase != DEMO_PLAYING)
		return false;
	if (r->met_ns < 0 && (!step->until || step->until(r)))
		r->met_ns = r->facts.now_ns;
	if (r->met_ns >= 0 && r->facts.now_ns - r->met_ns >= step->time_ms * NS_PER_MS) {
		if (!step->until || step->until(r)) {
			enter(r, r->step + 1);
			return true;
		}
		r->met_ns = -1; /* such as a leader that a candidate of the same moment deposed: what comes next would miss it */
	}
	if (r->met_ns < 0 && r->facts.now_ns - r->began_ns > limit) {
		r->phase = DEMO_FAILED;
		return true;
	}
	return false;
}

bool demo_see(struct demo_run *r, struct source *s, uint64_t seq, int64_t now_ns)
{
	while (r->seen < seq) {
		const struct event *e = source_at(s, r->seen + 1);
		if (!e)
			break;
		r->seen++;
		r->facts.now_ns = e->t_ns;
		note(r, s, e);
	}
	if (now_ns > r->facts.now_ns)
		r->facts.now_ns = now_ns;
	return look(r);
}

/* --- conditions --- */

/* The up node that leads in the highest term; -1: none. */
static int leader(const struct demo_run *r)
{
	int best = -1;
	for (int n = 0; n < r->lanes->nodes; n++)
		if (r->facts.up[n] && r->facts.leads[n] && (best < 0 || r->facts.term[n] > r->facts.term[best]))
			best = n;
	return best;
}

bool demo_leader(struct demo_run *r)
{
	int n = leader(r);
	char name = 'B';
	if (n < 0)
		return false;
	demo_bind(r, 'A', lane_bit(n));
	demo_bind(r, 'R', lanes_all_nodes(r->lanes) & ~lane_bit(n));
	for (int i = 0; i < r->lanes->nodes; i++)
		if (i != n)
			demo_bind(r, name++, lane_bit(i));
	return true;
}

bool demo_new_leader(struct demo_run *r)
{
	int n = leader(r);
	lane_set old = demo_nodes(r, 'A');
	if (n < 0 || (old >> n & 1))
		return false;
	demo_bind(r, 'N', lane_bit(n));
	demo_bind(r, 'M', lanes_all_nodes(r->lanes) & ~lane_bit(n) & ~old);
	return true;
}

bool demo_two_leaders(struct demo_run *r)
{
	lane_set old = demo_nodes(r, 'A');
	for (int n = 0; n < r->lanes->nodes; n++)
		if ((old >> n & 1) && !r->facts.leads[n])
			return false;
	return demo_new_leader(r);
}

bool demo_who_leads(struct demo_run *r)
{
	int n = leader(r);
	return n >= 0 && (demo_nodes(r, step_of(r)->who[0]) >> n & 1);
}

bool demo_other_leads(struct demo_run *r)
{
	int n = leader(r);
	if (n < 0 || (demo_nodes(r, step_of(r)->who[0]) >> n & 1))
		return false;
	demo_bind(r, 'N', lane_bit(n));
	return true;
}

bool demo_who_follows(struct demo_run *r)
{
	for (int n = 0; n < r->lanes->nodes; n++)
		if ((demo_nodes(r, step_of(r)->who[0]) >> n & 1) && !r->facts.follows[n])
			return false;
	return true;
}

bool demo_answered(struct demo_run *r)
{
	const char *what = step_of(r)->what;
	return r->facts.oks > 0 && (!what || strstr(r->facts.answer, what));
}

bool demo_refused(struct demo_run *r)
{
	return r->facts.errors > 0;
}

static bool has_word(const char *text, const char *word)
{
	size_t n = strlen(word);
	for (const char *at = text; (at = strstr(at, word)); at++)
		if (at > text && at[-1] == ' ' && (at[n] == ' ' || at[n] == '\0'))
			return true;
	return false;
}

bool demo_applied(struct demo_run *r)
{
	for (int n = 0; n < r->lanes->nodes; n++)
		if ((demo_nodes(r, step_of(r)->who[0]) >> n & 1) && !has_word(r->facts.applied[n], step_of(r)->what))
			return false;
	return true;
}
