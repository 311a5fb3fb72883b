#include "action.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { SPEED_STEPS = 10, PAGE = 15, ZOOM_LEAST_NS = 1000000 };

#define IN(v) (1u << VIEW_##v)
#define RUN_VIEWS (IN(CLUSTER) | IN(FLOW) | IN(TIMELINE) | IN(LOGS) | IN(OPS) | IN(SCORE) | IN(COMMANDS))
#define ANYWHERE (RUN_VIEWS | IN(HOME) | IN(GUIDE))

/* --- going about --- */

static void go_view(struct dash *d, enum view v)
{
	if (!d->source && v != VIEW_HOME && v != VIEW_GUIDE) {
		dash_say(d, true, "no run is open; o opens the newest run of the chosen lab");
		return;
	}
	if (d->view != VIEW_GUIDE)
		d->before = d->view;
	d->view = v;
	d->pane = d->scroll = 0;
}

#define GO(fn, view) \
	static void fn(struct dash *d, const char *arg) \
	{ \
		(void)arg; \
		go_view(d, VIEW_##view); \
	}
GO(do_cluster, CLUSTER)
GO(do_flow, FLOW)
GO(do_timeline, TIMELINE)
GO(do_logs, LOGS)
GO(do_ops, OPS)
GO(do_score, SCORE)
GO(do_commands, COMMANDS)
GO(do_home, HOME)

static void ask(struct dash *d, enum prompt_kind kind, const char *begin)
{
	d->prompt = kind;
	d->typed_n = (size_t)snprintf(d->typed, sizeof d->typed, "%s", begin);
	d->message[0] = '\0';
}

static void do_quit(struct dash *d, const char *arg)
{
	(void)arg;
	if (!d->live) {
		d->quit = true;
		return;
	}
	snprintf(d->pending, sizeof d->pending, "quit!");
	dash_say(d, false, "A run is live, and ends with the dashboard. Enter quits, Esc stays.");
	d->prompt = PROMPT_SURE;
}

static void do_quit_now(struct dash *d, const char *arg)
{
	(void)arg;
	d->quit = true;
}

static void do_back(struct dash *d, const char *arg)
{
	if (d->help || d->inspector) {
		d->help = d->inspector = false;
		d->scroll = 0;
	} else if (d->view == VIEW_GUIDE) {
		go_view(d, d->before == VIEW_GUIDE ? VIEW_HOME : d->before);
	} else if (d->view == VIEW_HOME || !d->home.n) {
		do_quit(d, arg);
	} else {
		go_view(d, VIEW_HOME);
	}
}

static void do_help(struct dash *d, const char *arg)
{
	(void)arg;
	d->help = !d->help;
	d->scroll = 0;
}

/* --- the playhead --- */

static void stand(struct dash *d)
{
	d->playing = d->follow = false;
}

static void do_play(struct dash *d, const char *arg)
{
	(void)arg;
	d->playing = d->follow && d->live_sim ? true : !d->playing;
	d->follow = d->live && !d->live_sim && d->playing; /* real time is at the end always */
	if (d->playing && !d->live && d->at >= source_count(d->source)) /* from the end it begins again */
		dash_goto(d, 0);
}

static void do_follow(struct dash *d, const char *arg)
{
	(void)arg;
	d->follow = !d->follow;
	if (d->follow)
		dash_goto(d, source_count(d->source));
}

static void do_slower(struct dash *d, const char *arg)
{
	(void)arg;
	d->speed = fmax(d->speed / 2, 1.0 / (1 << SPEED_STEPS));
}

static void do_faster(struct dash *d, const char *arg)
{
	(void)arg;
	d->speed = fmin(d->speed * 2, 1 << SPEED_STEPS);
}

/* The next place of a list that is after (or before) the chosen event. */
static void step_places(struct dash *d, const struct places *p, int by)
{
	int64_t here = places_find(p, d->at), to = here + by;
	if (by < 0 && here >= 0 && p->seq[here] < d->at)
		to = here; /* between two: back to the one before */
	if (p->n > 0)
		dash_goto(d, p->seq[to < 0 ? 0 : to >= (int64_t)p->n ? (int64_t)p->n - 1 : to]);
}

static void step_ops(struct dash *d, int by)
{
	struct places calls = { .n = d->survey.ops_n, .seq = xcalloc(d->survey.ops_n + 1, sizeof(uint32_t)) };
	for (size_t i = 0; i < calls.n; i++)
		calls.seq[i] = d->survey.ops[i].call;
	step_places(d, &calls, by);
	free(calls.seq);
}

static void step_time(struct dash *d, int by)
{
	int64_t from = d->from_ns, to = d->to_ns > from ? d->to_ns : d->survey.end_ns, column = (to - from) / 60 + 1;
	int64_t t = d->t_ns + by * column;
	t = t < 0 ? 0 : t > d->survey.end_ns ? d->survey.end_ns : t;
	dash_goto(d, source_seek(d->source, t));
	d->t_ns = t;
}

static void step_evidence(struct dash *d, int by)
{
	const uint64_t *evidence;
	int n = (int)source_evidence(d->source, &evidence), to = d->evidence + by;
	d->evidence = to < 0 || n == 0 ? 0 : to >= n ? n - 1 : to;
}

/* Behind the last event of a live run on sim there is the next one, which has not happened yet. */
static void step_live(struct dash *d)
{
	struct err ignored;
	if (d->verbs.send && d->verbs.send(d->verbs.ctx, "step", &ignored) == 0)
		d->follow = true;
}

static void step_flow(struct dash *d, int by)
{
	int one = by < 0 ? -1 : 1;
	for (int i = 0; i < abs(by); i++)
		if (dash_step(d, one))
			d->row += one;
		else if (d->live && d->live_sim && by > 0 && i == 0)
			step_live(d);
}

static void step(struct dash *d, int by)
{
	if (d->help || d->inspector || d->view == VIEW_GUIDE) {
		d->scroll += by;
		d->scroll = d->scroll < 0 ? 0 : d->scroll;
		return;
	}
	if (d->view == VIEW_HOME) {
		home_choose(&d->home, d->home.at + by);
		return;
	}
	stand(d);
	switch (d->view) {
	case VIEW_LOGS: step_places(d, &d->survey.logs, by); break;
	case VIEW_COMMANDS: step_places(d, &d->survey.commands, by); break;
	case VIEW_OPS: step_ops(d, by); break;
	case VIEW_TIMELINE: step_time(d, by); break;
	case VIEW_SCORE: step_evidence(d, by); break;
	default: step_flow(d, by); break;
	}
}

#define STEP(fn, by) \
	static void fn(struct dash *d, const char *arg) \
	{ \
		(void)arg; \
		step(d, by); \
	}
STEP(do_previous, -1)
STEP(do_page_down, PAGE)
STEP(do_page_up, -PAGE)

/* While a demo asks, the key that goes on is its. */
static void do_next(struct dash *d, const char *arg)
{
	(void)arg;
	if (d->narration.gate && d->verbs.demo && !d->help && !d->inspector)
		d->verbs.demo(d->verbs.ctx, 1);
	else
		step(d, 1);
}

static void do_narrate_next(struct dash *d, const char *arg)
{
	if (d->narration.say && d->verbs.demo)
		d->verbs.demo(d->verbs.ctx, 1);
	else
		do_page_down(d, arg);
}

static void do_narrate_back(struct dash *d, const char *arg)
{
	if (d->narration.say && d->verbs.demo)
		d->verbs.demo(d->verbs.ctx, -1);
	else
		do_page_up(d, arg);
}

static void do_start(struct dash *d, const char *arg)
{
	(void)arg;
	if (d->view == VIEW_GUIDE || d->view == VIEW_HOME) {
		step(d, -100000);
		return;
	}
	stand(d);
	d->row = 0;
	dash_goto(d, 1);
}

static void do_end(struct dash *d, const char *arg)
{
	(void)arg;
	if (d->view == VIEW_GUIDE || d->view == VIEW_HOME) {
		step(d, 100000);
		return;
	}
	stand(d);
	d->row = GRID_MAX;
	dash_goto(d, source_count(d->source));
}

static void do_goto(struct dash *d, const char *arg)
{
	char *end;
	double v = strtod(arg, &end);
	if (end == arg || !isfinite(v) || v < 0 || v > 1e15) {
		dash_say(d, true, ":goto takes a number of an event, or seconds as in 1.5s");
		return;
	}
	stand(d);
	if (*end == 's')
		dash_goto(d, source_seek(d->source, (int64_t)(fmin(v, 9e9) * 1e9)));
	else
		dash_goto(d, v < 1 ? 1 : (uint64_t)v);
}

/* --- looking closer --- */

static void do_enter(struct dash *d, const char *arg)
{
	struct err e;
	const uint64_t *evidence;
	(void)arg;
	if (d->view == VIEW_HOME && d->home.n > 0) {
		snprintf(d->guide_lab, sizeof d->guide_lab, "%s", d->home.lab[d->home.at].lab->id);
		if (dash_guide(d, d->guide_lab, MIN_W, &e) != 0)
			dash_say(d, true, "%s", e.text);
		else
			go_view(d, VIEW_GUIDE);
	} else if (d->view == VIEW_SCORE && source_evidence(d->source, &evidence) > (size_t)d->evidence) {
		dash_goto(d, evidence[d->evidence]);
		go_view(d, VIEW_FLOW);
	} else if (d->source) {
		d->inspector = !d->inspector;
		d->scroll = 0;
	}
}

static void do_causes(struct dash *d, const char *arg)
{
	(void)arg;
	d->causes = !d->causes;
	dash_say(d, false, d->causes ? "< led to the chosen event, > follows from it, dim: neither" : "");
	if (d->causes && !source_finished(d->source))
		dash_say(d, true, "causes are known when the run is over");
}

static void do_all(struct dash *d, const char *arg)
{
	(void)arg;
	d->all = !d->all;
	dash_say(d, false, d->all ? "every event has a row" : "repeats, reports without news, timers and departures have no row");
}

static void do_pane(struct dash *d, const char *arg)
{
	(void)arg;
	if (d->view == VIEW_LOGS || d->view == VIEW_SCORE)
		d->pane = !d->pane;
	else if (d->source)
		d->node = (d->node + 1) % source_lanes(d->source)->nodes;
}

static void do_presenter(struct dash *d, const char *arg)
{
	(void)arg;
	d->presenter = !d->presenter;
}

static void do_blank(struct dash *d, const char *arg)
{
	(void)arg;
	d->blank = !d->blank;
}

static void do_find(struct dash *d, const char *arg)
{
	(void)arg;
	ask(d, PROMPT_FIND, "");
}

static void find(struct dash *d, int by)
{
	struct slice word = slice_of(d->find);
	if (!word.n) {
		dash_say(d, true, "nothing was looked for yet: / looks for a word");
		return;
	}
	stand(d);
	for (uint64_t q = d->at; (q += (uint64_t)(int64_t)by) > 0 && q <= source_count(d->source);) {
		const struct event *e = source_at(d->source, q);
		if (e && dash_shows(d, e) && event_says(d->source, e, word)) {
			dash_goto(d, q);
			return;
		}
	}
	dash_say(d, true, "\"%s\" is not %s here", d->find, by > 0 ? "after" : "before");
}

static void do_find_next(struct dash *d, const char *arg)
{
	(void)arg;
	find(d, 1);
}

static void do_find_previous(struct dash *d, const char *arg)
{
	(void)arg;
	find(d, -1);
}

static void do_filter(struct dash *d, const char *arg)
{
	if (*arg)
		filter_set(&d->filter, source_lanes(d->source), arg);
	else
		ask(d, PROMPT_FILTER, d->filter.text);
}

static void zoom(struct dash *d, double by)
{
	int64_t end = d->survey.end_ns, from = d->from_ns, to = d->to_ns > from ? d->to_ns : end;
	double half = (double)(to - from) / 2 * by;
	if (half * 2 >= (double)end || half * 2 < ZOOM_LEAST_NS) {
		if (by > 1)
			d->from_ns = d->to_ns = 0;
		return;
	}
	d->from_ns = d->t_ns - (int64_t)half < 0 ? 0 : d->t_ns - (int64_t)half;
	d->to_ns = d->from_ns + (int64_t)(2 * half);
}

static void do_zoom_in(struct dash *d, const char *arg)
{
	(void)arg;
	zoom(d, 0.5);
}

static void do_zoom_out(struct dash *d, const char *arg)
{
	(void)arg;
	zoom(d, 2);
}

/* --- runs --- */

static void do_open(struct dash *d, const char *arg)
{
	struct err e = { "" };
	const char *run = *arg ? arg : d->view == VIEW_HOME && d->home.n ? d->home.lab[d->home.at].lab->id : "";
	if (d->live)
		dash_say(d, true, "a run is live; q ends it first");
	else if (!d->verbs.open || d->verbs.open(d->verbs.ctx, d, run, &e) != 0)
		dash_say(d, true, "%s", *e.text ? e.text : "no run can be opened here");
}

static void do_write(struct dash *d, const char *arg)
{
	struct err e = { "" };
	const char *path = *arg ? arg : "dlab-screen.txt";
	if (!d->verbs.write || d->verbs.write(d->verbs.ctx, d, path, &e) != 0)
		dash_say(d, true, "%s", *e.text ? e.text : "nothing can be written here");
	else
		dash_say(d, false, "the screen is in %s", path);
}

static void do_copy(struct dash *d, const char *arg)
{
	const struct event *e = d->source ? source_at(d->source, d->at) : NULL;
	(void)arg;
	if (!e || !d->verbs.copy)
		return;
	d->verbs.copy(d->verbs.ctx, source_body(d->source, e));
	dash_say(d, false, "the event's text is in the terminal's clipboard, where the terminal allows it");
}

/* --- verbs: lines for `dlab run` --- */

static void send(struct dash *d, const char *line)
{
	struct err e = { "" };
	if (!d->verbs.send || d->verbs.send(d->verbs.ctx, line, &e) != 0)
		dash_say(d, true, "%s", *e.text ? e.text : "this run takes no commands");
	else
		dash_say(d, false, "%s", line);
}

/* On a live run it happens now. On a stored one of sim the run can be forked: repeated up to here, and then go on otherwise. */
static void verb(struct dash *d, const char *line)
{
	bool sim = d->source && strcmp(source_meta(d->source, STORE_FABRIC), "sim") == 0;
	bool past = d->source && d->at < source_count(d->source) && !d->follow && !d->playing;
	if (!d->source)
		dash_say(d, true, "no run is open");
	else if (d->live && !(sim && past && d->verbs.fork))
		send(d, line);
	else if (!sim || !d->verbs.fork)
		dash_say(d, true, "this run is over; only one on sim can be forked");
	else {
		snprintf(d->pending, sizeof d->pending, "%s", line);
		dash_say(d, false, "Fork the run at %.3f s, and there: %s? Enter forks, Esc leaves it.", (double)d->t_ns / 1e9, line);
		d->prompt = PROMPT_SURE;
	}
}

static void fork_here(struct dash *d, const char *line)
{
	struct err e = { "" };
	char then[PROMPT_MAX];
	snprintf(then, sizeof then, "%s", line);
	if (d->verbs.fork(d->verbs.ctx, d, d->t_ns, &e) != 0)
		dash_say(d, true, "%s", e.text);
	else
		send(d, then);
}

static const char *name_of(const struct dash *d, int node)
{
	return d->source ? lane_name(source_lanes(d->source), node) : "";
}

/* "n1,n2" of a set. */
static void print_nodes(struct buf *b, const struct dash *d, lane_set nodes)
{
	for (int i = 0; i < source_lanes(d->source)->nodes; i++)
		if (nodes >> i & 1)
			buf_printf(b, "%s%s", b->n && b->s[b->n - 1] != ' ' ? "," : "", name_of(d, i));
}

static void cut_parts(struct dash *d, lane_set one, lane_set other)
{
	struct buf b = BUF_EMPTY;
	buf_str(&b, "cut ");
	print_nodes(&b, d, one);
	buf_str(&b, " | ");
	print_nodes(&b, d, other);
	verb(d, buf_cstr(&b));
	buf_done(&b);
}

static void do_cut(struct dash *d, const char *arg)
{
	char line[PROMPT_MAX];
	if (!*arg) {
		ask(d, PROMPT_COMMAND, "cut ");
		return;
	}
	snprintf(line, sizeof line, "cut %s", arg);
	verb(d, line);
}

static void do_isolate(struct dash *d, const char *arg)
{
	if (!d->source)
		return;
	int lane = *arg ? lane_find(source_lanes(d->source), slice_of(arg)) : d->node;
	if (!lane_is_node(source_lanes(d->source), lane))
		dash_say(d, true, "nobody here is called \"%s\"", arg);
	else
		cut_parts(d, lane_bit(lane), lanes_all_nodes(source_lanes(d->source)) & ~lane_bit(lane));
}

static void do_halves(struct dash *d, const char *arg)
{
	(void)arg;
	if (!d->source)
		return;
	int nodes = source_lanes(d->source)->nodes, half = nodes / 2;
	lane_set all = lanes_all_nodes(source_lanes(d->source)), one = 0;
	for (int i = 0; i < half; i++)
		one |= lane_bit((d->node + i) % nodes); /* the chosen node is in the smaller half */
	if (nodes > 1)
		cut_parts(d, one, all & ~one);
}

/* Two halves that hear only the chosen node, which hears all. */
static void do_bridge(struct dash *d, const char *arg)
{
	(void)arg;
	if (!d->source)
		return;
	int nodes = source_lanes(d->source)->nodes, half = (nodes - 1) / 2;
	lane_set rest = lanes_all_nodes(source_lanes(d->source)) & ~lane_bit(d->node), one = 0;
	for (int i = 1; i <= half; i++)
		one |= lane_bit((d->node + i) % nodes);
	if (nodes > 2)
		cut_parts(d, one, rest & ~one);
}

static void node_verb(struct dash *d, const char *what, const char *arg)
{
	char line[PROMPT_MAX];
	snprintf(line, sizeof line, "%s %s", what, *arg ? arg : name_of(d, d->node));
	verb(d, line);
}

#define NODE_VERB(fn, what) \
	static void fn(struct dash *d, const char *arg) \
	{ \
		node_verb(d, what, arg); \
	}
NODE_VERB(do_kill, "kill")
NODE_VERB(do_start_node, "start")

static void do_pause(struct dash *d, const char *arg)
{
	bool paused = d->source && !*arg && dash_moment(d)->life[d->node] == LIFE_PAUSED;
	node_verb(d, paused ? "resume" : "pause", arg);
}

static void do_ring(struct dash *d, const char *arg)
{
	struct buf b = BUF_EMPTY;
	(void)arg;
	if (!d->source)
		return;
	int nodes = source_lanes(d->source)->nodes, hears = nodes / 2 + 1;
	/* Every node hears a majority, no two the same one: each the next ones in the ring. One line a node. */
	for (int to = 0; to < nodes; to++) {
		lane_set deaf = 0;
		for (int i = hears; i < nodes; i++)
			deaf |= lane_bit((to + i) % nodes);
		b.n = 0;
		buf_str(&b, "cut ");
		print_nodes(&b, d, deaf);
		buf_printf(&b, " > %s", name_of(d, to));
		if (deaf && d->live)
			send(d, buf_cstr(&b));
	}
	if (!d->live)
		dash_say(d, true, "a ring takes several cuts: fork the run first (:fork), then press r");
	buf_done(&b);
}

#define ASKING_VERB(fn, what, begin) \
	static void fn(struct dash *d, const char *arg) \
	{ \
		char line[PROMPT_MAX]; \
		snprintf(line, sizeof line, "%s %s", what, arg); \
		if (*arg) \
			verb(d, line); \
		else \
			ask(d, PROMPT_COMMAND, begin); \
	}
ASKING_VERB(do_delay, "latency", "latency * > * 80ms")
ASKING_VERB(do_loss, "loss", "loss * > * 30%")

static void do_heal(struct dash *d, const char *arg)
{
	(void)arg;
	verb(d, "heal");
}

static void do_request(struct dash *d, const char *arg)
{
	char begin[PROMPT_MAX];
	if (*arg) {
		snprintf(begin, sizeof begin, "send %s", arg);
		verb(d, begin);
		return;
	}
	snprintf(begin, sizeof begin, "request %s ", name_of(d, d->node));
	ask(d, PROMPT_COMMAND, begin);
}

static void do_fork(struct dash *d, const char *arg)
{
	(void)arg;
	verb(d, "state");
}

/* --- the table --- */

const struct action all_actions[] = {
	{ "play", { ' ' }, "space", RUN_VIEWS, "go", "pause, or go on", do_play },
	{ "next", { '.', KEYS_RIGHT, KEYS_DOWN }, ". right down", ANYWHERE, "next", "the next event, line or lab", do_next },
	{ "next", { 'j', 'l' }, "j l", ANYWHERE, NULL, "the same", do_next },
	{ "previous", { KEYS_LEFT, KEYS_UP, 'h' }, "left up h", ANYWHERE, NULL, "the one before", do_previous },
	{ "page-down", { KEYS_PAGE_DOWN, 4 }, "PgDn ctrl-d", ANYWHERE, NULL, "fifteen on; in a demo its next step", do_narrate_next },
	{ "page-up", { KEYS_PAGE_UP, 21 }, "PgUp ctrl-u", ANYWHERE, NULL, "fifteen back; in a demo the step before", do_narrate_back },
	{ "first", { 'g', KEYS_HOME }, "g Home", ANYWHERE, NULL, "the start", do_start },
	{ "last", { 'G', KEYS_END }, "G End", ANYWHERE, NULL, "the end", do_end },
	{ "enter", { KEYS_ENTER, 13 }, "Enter", ANYWHERE, "look", "the event in full; of a lab the guide; of evidence the place", do_enter },
	{ "slower", { '<' }, "<", RUN_VIEWS, NULL, "half as fast", do_slower },
	{ "faster", { '>' }, ">", RUN_VIEWS, "speed", "twice as fast", do_faster },
	{ "follow", { 'F' }, "F", RUN_VIEWS, NULL, "stay at the end of a run that goes on", do_follow },
	{ "goto", { 0 }, "", RUN_VIEWS, NULL, ":goto 123 an event, :goto 1.5s a time", do_goto },
	{ "cluster", { '1' }, "1", ANYWHERE, NULL, "nodes, links and messages under way", do_cluster },
	{ "flow", { '2' }, "2", ANYWHERE, NULL, "messages between columns, time downwards", do_flow },
	{ "timeline", { '3' }, "3", ANYWHERE, NULL, "the whole run at once", do_timeline },
	{ "logs", { '4' }, "4", ANYWHERE, NULL, "what the nodes wrote to stderr", do_logs },
	{ "operations", { '5' }, "5", ANYWHERE, NULL, "what clients asked", do_ops },
	{ "score", { '6' }, "6", ANYWHERE, NULL, "the verdict and its evidence", do_score },
	{ "commands", { '7' }, "7", ANYWHERE, NULL, "every tc, nft and docker command", do_commands },
	{ "home", { 'H' }, "H", ANYWHERE, NULL, "the roadmap", do_home },
	{ "find", { '/' }, "/", RUN_VIEWS, "find", "look for a word", do_find },
	{ "find-next", { 'n' }, "n", RUN_VIEWS, NULL, "the next one that has it", do_find_next },
	{ "find-previous", { 'N' }, "N", RUN_VIEWS, NULL, "the one before that has it", do_find_previous },
	{ "filter", { 'f' }, "f", RUN_VIEWS, "filter", "rows: type=append_entries node=n2 kind=drop !heartbeat word", do_filter },
	{ "all", { 'z' }, "z", IN(FLOW), NULL, "a row for every event, or not for repeats", do_all },
	{ "causes", { 'a' }, "a", IN(FLOW), "causes", "mark what led to the chosen event and what follows from it", do_causes },
	{ "zoom-in", { '+', '=' }, "+", IN(TIMELINE), "zoom", "half as much time", do_zoom_in },
	{ "zoom-out", { '-' }, "-", IN(TIMELINE), NULL, "twice as much time", do_zoom_out },
	{ "pane", { KEYS_TAB }, "Tab", RUN_VIEWS, NULL, "choose the next node; Logs: a column per node", do_pane },
	{ "cut", { 'c' }, "c", RUN_VIEWS, "cut", "cut links: n1 > n2 one way, n1,n2 | n3 both", do_cut },
	{ "isolate", { 'i' }, "i", RUN_VIEWS, "isolate", "the chosen node from all others", do_isolate },
	{ "halves", { 'v' }, "v", RUN_VIEWS, NULL, "cut in two; the chosen node is in the smaller half", do_halves },
	{ "bridge", { 'b' }, "b", RUN_VIEWS, NULL, "two halves that only the chosen node connects (in a demo: blank screen)", do_bridge },
	{ "ring", { 'r' }, "r", RUN_VIEWS, NULL, "every node hears a majority, no two the same", do_ring },
	{ "kill", { 'k' }, "k", RUN_VIEWS, "kill", "SIGKILL for the chosen node", do_kill },
	{ "start", { 's' }, "s", RUN_VIEWS, NULL, "start the chosen node again", do_start_node },
	{ "pause", { 'p' }, "p", RUN_VIEWS, "pause", "stop the chosen node, or let it go on", do_pause },
	{ "latency", { 'd' }, "d", RUN_VIEWS, NULL, "delay: n1 > * 80ms", do_delay },
	{ "loss", { 'L' }, "L", RUN_VIEWS, NULL, "lose messages: * > * 30%", do_loss },
	{ "heal", { '0' }, "0", RUN_VIEWS, "heal", "undo all that was done to the network", do_heal },
	{ "request", { 'm' }, "m", RUN_VIEWS, NULL, "a client's request: n1 add value=3", do_request },
	{ "fork", { 0 }, "", RUN_VIEWS, NULL, "go on live from the chosen event (sim)", do_fork },
	{ "open", { 'o' }, "o", ANYWHERE, "open", "a run: a file, LAB or LAB/TEST; at home the chosen lab's newest", do_open },
	{ "write", { 'w' }, "w", ANYWHERE, NULL, "write this screen into a file", do_write },
	{ "copy", { 'y' }, "y", RUN_VIEWS, NULL, "copy the chosen event's text", do_copy },
	{ "presenter", { 'B' }, "B", IN(CLUSTER), NULL, "large, for the last row of a lecture hall", do_presenter },
	{ "blank", { 0 }, "", ANYWHERE, NULL, "an empty screen, so that the class looks at you", do_blank },
	{ "help", { '?' }, "?", ANYWHERE, "keys", "the keys that work here", do_help },
	{ "back", { 'q', KEYS_ESC }, "q Esc", ANYWHERE, "back", "one level back; at home, leave", do_back },
	{ "quit", { 'Q', KEYS_CTRL_C }, "Q ctrl-c", ANYWHERE, NULL, "leave", do_quit },
	{ "quit!", { 0 }, "", ANYWHERE, NULL, "leave at once", do_quit_now },
	{ 0 },
};

bool action_is_here(const struct dash *d, const struct action *a)
{
	return a->views >> d->view & 1;
}

static const struct action *action_of_key(const struct dash *d, int key)
{
	for (const struct action *a = all_actions; a->name; a++)
		for (int i = 0; i < ACTION_KEYS; i++)
			if (a->key[i] == key && action_is_here(d, a))
				return a;
	return NULL;
}

void action_command(struct dash *d, const char *line)
{
	size_t n = strcspn(line, " ");
	const char *arg = line + n + strspn(line + n, " ");
	if (!n)
		return;
	for (const struct action *a = all_actions; a->name; a++)
		if (strlen(a->name) == n && memcmp(a->name, line, n) == 0) {
			if ((a->views & RUN_VIEWS) == a->views && !d->source)
				dash_say(d, true, "no run is open");
			else
				a->fn(d, arg);
			return;
		}
	if (d->source && lane_is_node(source_lanes(d->source), lane_find(source_lanes(d->source), (struct slice){ line, n })))
		do_request(d, line);
	else
		dash_say(d, true, "there is no command \"%.*s\"; ? shows the keys and their names", n > 40 ? 40 : (int)n, line);
}

/* --- the prompt --- */

/* Tab: the rest of the only command that begins so. */
static void complete(struct dash *d)
{
	const char *found = NULL;
	for (const struct action *a = all_actions; a->name; a++)
		if (strncmp(a->name, d->typed, d->typed_n) == 0) {
			if (found && strcmp(found, a->name) != 0)
				return;
			found = a->name;
		}
	if (found)
		d->typed_n = (size_t)snprintf(d->typed, sizeof d->typed, "%s ", found);
}

static void accept(struct dash *d)
{
	enum prompt_kind kind = d->prompt;
	char line[PROMPT_MAX];
	d->prompt = PROMPT_NONE;
	snprintf(line, sizeof line, "%s", kind == PROMPT_SURE ? d->pending : d->typed);
	while (*line && line[strlen(line) - 1] == ' ')
		line[strlen(line) - 1] = '\0';
	d->message[0] = '\0';
	if (kind == PROMPT_COMMAND) {
		action_command(d, line);
	} else if (kind == PROMPT_FIND && *line) {
		snprintf(d->find, sizeof d->find, "%s", line);
		find(d, 1);
	} else if (kind == PROMPT_SURE && strcmp(line, "quit!") == 0) {
		d->quit = true;
	} else if (kind == PROMPT_SURE) {
		fork_here(d, line);
	}
}

static void cancel(struct dash *d)
{
	if (d->prompt == PROMPT_FILTER)
		filter_set(&d->filter, source_lanes(d->source), "");
	d->prompt = PROMPT_NONE;
	d->message[0] = '\0';
}

static void rub_out(struct dash *d)
{
	while (d->typed_n > 0 && ((unsigned char)d->typed[--d->typed_n] & 0xc0) == 0x80)
		;
	d->typed[d->typed_n] = '\0';
}

static void type(struct dash *d, int key)
{
	struct buf b = BUF_EMPTY;
	cell_print(&b, &(struct cell){ .c = key });
	if (d->typed_n + b.n + 1 < sizeof d->typed) {
		memcpy(d->typed + d->typed_n, b.s, b.n);
		d->typed_n += b.n;
		d->typed[d->typed_n] = '\0';
	}
	buf_done(&b);
}

static void prompt_key(struct dash *d, int key)
{
	if (key == KEYS_ENTER || key == 13) {
		accept(d);
		return;
	}
	if (key == KEYS_ESC || key == KEYS_CTRL_C) {
		cancel(d);
		return;
	}
	if (d->prompt == PROMPT_SURE)
		return;
	if (key == KEYS_DELETE || key == 8)
		rub_out(d);
	else if (key == KEYS_TAB && d->prompt == PROMPT_COMMAND)
		complete(d);
	else if (key >= ' ' && key < KEYS_UP)
		type(d, key);
	if (d->prompt == PROMPT_FILTER)
		filter_set(&d->filter, source_lanes(d->source), d->typed);
}

bool action_key(struct dash *d, int key)
{
	if (d->blank) {
		d->blank = false;
		return true;
	}
	if (d->prompt != PROMPT_NONE) {
		prompt_key(d, key);
		return true;
	}
	if (key == ':') {
		ask(d, PROMPT_COMMAND, "");
		return true;
	}
	if (key == 'b' && d->narration.say) { /* a presenter's clicker */
		d->blank = true;
		return true;
	}
	const struct action *a = action_of_key(d, key);
	if (!a)
		return false;
	d->message[0] = '\0';
	a->fn(d, "");
	return true;
}

/* --- shown --- */

/* Returns the column behind it; where it does not fit, nothing is written. */
static int footer_key(struct grid *g, int x, int y, int end, const struct action *a)
{
	size_t key = strcspn(a->keys, " ");
	if (x + (int)(key + strlen(a->label)) + 1 > end)
		return x;
	x = grid_text(g, x, y, -1, LOOK_BOLD, (struct slice){ a->keys, key });
	return grid_printf(g, x, y, -1, LOOK_DIM, " %s", a->label) + 2;
}

static bool acts(const struct action *a)
{
	return a->fn == do_cut || a->fn == do_isolate || a->fn == do_kill || a->fn == do_pause || a->fn == do_heal;
}

/* Help and the way back are always there, at the right. */
void action_footer(struct dash *d, struct grid *g, int y)
{
	enum { ALWAYS_W = 17 };
	int x = 1, always = g->w - ALWAYS_W;
	bool can_act = d->live || (d->source && d->verbs.fork);
	for (const struct action *a = all_actions; a->name; a++) {
		if (!a->label || !action_is_here(d, a) || (acts(a) && !can_act))
			continue;
		if (a->fn == do_help || a->fn == do_back)
			always = footer_key(g, always, y, g->w, a);
		else
			x = footer_key(g, x, y, g->w - ALWAYS_W - 2, a);
	}
}

void view_help(struct dash *d, struct grid *g, struct rect r)
{
	char title[80];
	snprintf(title, sizeof title, "%s: %s", view_name(d->view), view_meaning(d->view));
	grid_fill(g, r, LOOK_PLAIN, ' ');
	grid_frame(g, r, LOOK_BOLD, title);
	int lines = 0, y = r.y + 1 - d->scroll;
	for (const struct action *a = all_actions; a->name; a++)
		lines += action_is_here(d, a);
	if (d->scroll > lines - (r.h - 2))
		d->scroll = lines > r.h - 2 ? lines - (r.h - 2) : 0;
	y = r.y + 1 - d->scroll;
	for (const struct action *a = all_actions; a->name; a++) {
		if (!action_is_here(d, a))
			continue;
		if (y > r.y && y < r.y + r.h - 1) {
			grid_printf(g, r.x + 2, y, 14, LOOK_BOLD, "%s", a->keys);
			grid_printf(g, r.x + 16, y, 15, LOOK_DIM, ":%s", a->name);
			grid_printf(g, r.x + 31, y, r.w - 33, LOOK_PLAIN, "%s", a->help);
		}
		y++;
	}
}
