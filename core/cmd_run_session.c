#include "cmd_run_session.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "text.h"

enum { SLICE_MS = 20, STEP_LIMIT_MS = 10000, STEPS_MAX = 1000000, ASK_MS = 5000, LINE_LIMIT = 2 * LINE_MAX_BYTES,
       GO_MAX_MS = 1000000000 };

/* --- showing --- */

static void say(struct session *s, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* An answer to the person: no row of the log. */
static void say(struct session *s, const char *fmt, ...)
{
	struct buf b = BUF_EMPTY;
	va_list ap;
	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	s->out.n = 0;
	text_add(&s->out, buf_as_slice(&b), SIZE_MAX, rows_ascii());
	printf("%s\n", buf_cstr(&s->out));
	fflush(stdout);
	buf_done(&b);
}

static void complain(struct session *s, const char *text)
{
	s->out.n = 0;
	text_add(&s->out, slice_of(text), SIZE_MAX, rows_ascii());
	fflush(stdout);
	fprintf(stderr, "dlab run: %s\n", buf_cstr(&s->out));
	s->misunderstood |= !s->terminal;
}

void session_show(void *ctx, const struct trace *t, const struct event *e)
{
	struct session *s = ctx;
	if (!s->rows_ready) {
		rows_init(&s->rows, t, &s->style, &(struct rows_plan){ .width = s->style.width, .last_seq = 9999 });
		s->rows_ready = true;
		s->out.n = 0;
		rows_head(&s->out, &s->rows);
		fwrite(s->out.s, 1, s->out.n, stdout);
	}
	bool init = e->kind == EVENT_CALL && slice_is(trace_type_name(t, e->type), "init");
	bool typed = e->kind == EVENT_NOTE && e->src < 0 && e->text.n > 1 && e->text.s[0] == '>'; /* who typed it knows */
	if (!init && !typed && !rows_hides(&s->rows, e)) {
		s->out.n = 0;
		rows_print(&s->out, &s->rows, e, false);
		s->shown++;
		fwrite(s->out.s, 1, s->out.n, stdout);
		fflush(stdout);
	}
	rows_see(&s->rows, e);
}

/* --- time --- */

static bool interrupted(struct session *s)
{
	struct pollfd fd = { .fd = s->signals, .events = POLLIN };
	if (!s->quit && poll(&fd, 1, 0) > 0)
		s->quit = true;
	return s->quit;
}

static void tell_unanswered(struct session *s)
{
	for (size_t i = 0; i < s->pending_n;) {
		const struct op *op = s->pending[i];
		if (op->status == OP_PENDING) {
			i++;
			continue;
		}
		if (!op->answer.n)
			say(s, "no answer from %s within %d s", play_node_name(s->play, op->node), ASK_MS / 1000);
		s->pending[i] = s->pending[--s->pending_n];
	}
}

/* Lets time go on until `until_ns`, an operation has ended (or NULL), or Ctrl-C. */
static void go_on(struct session *s, int64_t until_ns, const struct op *op)
{
	struct play *p = s->play;
	while (play_now(p) < until_ns && !(op && op->status != OP_PENDING) && !interrupted(s)) {
		int64_t slice = play_now(p) + SLICE_MS * NS_PER_MS;
		play_pump_one(p, slice < until_ns ? slice : until_ns);
	}
	tell_unanswered(s);
}

/* --- requests --- */

static void ask(struct session *s, int node, json_t *body, bool wait)
{
	struct play *p = s->play;
	struct buf b = BUF_EMPTY;
	json_object_del(body, "msg_id");
	json_print(&b, body);
	if (b.n > LINE_MAX_BYTES / 2) {
		complain(s, "that request is too long");
	} else if (!play_is_up(p, node)) {
		say(s, "%s is down; `start %s` starts it", play_node_name(p, node), play_node_name(p, node));
	} else if (s->pending_n == SESSION_PENDING) {
		say(s, "%d requests wait for an answer already", SESSION_PENDING);
	} else {
		const struct op *op = play_send_body(p, -1, node, arena_copy(play_arena(p), buf_as_slice(&b)), ASK_MS);
		s->pending[s->pending_n++] = op;
		if (wait && (!s->terminal || p->ops->deterministic))
			go_on(s, INT64_MAX, op);
	}
	buf_done(&b);
}

static struct slice trim(struct slice s)
{
	while (s.n && (s.s[0] == ' ' || s.s[0] == '\t'))
		s = (struct slice){ s.s + 1, s.n - 1 };
	while (s.n && (s.s[s.n - 1] == ' ' || s.s[s.n - 1] == '\t' || s.s[s.n - 1] == '\r'))
		s.n--;
	return s;
}

static struct slice take_word(struct slice *line)
{
	*line = trim(*line);
	size_t n = 0;
	while (n < line->n && line->s[n] != ' ' && line->s[n] != '\t')
		n++;
	struct slice word = { line->s, n };
	*line = trim((struct slice){ line->s + n, line->n - n });
	return word;
}

/* A JSON value at the front when there is one that ends at a space, else the word as a string. */
static json_t *take_value(struct slice *line)
{
	json_error_t e;
	json_t *value = json_loadb(line->s, line->n, JSON_DECODE_ANY | JSON_DISABLE_EOF_CHECK | JSON_REJECT_DUPLICATES, &e);
	size_t end = value ? (size_t)e.position : 0;
	if (value && (end == line->n || line->s[end] == ' ')) {
		*line = trim((struct slice){ line->s + end, line->n - end });
		return value;
	}
	json_decref(value);
	struct slice word = take_word(line);
	return json_stringn(word.s, word.n); /* NULL when it is not UTF-8 */
}

/* "echo echo=hi times=3" */
static json_t *short_body(struct slice line, struct err *e)
{
	struct slice type = take_word(&line);
	json_t *body = json_object();
	if (json_object_set_new(body, "type", json_stringn(type.s, type.n)) != 0)
		err_set(e, "that is not UTF-8");
	while (line.n && !e->text[0]) {
		const char *equals = memchr(line.s, '=', line.n);
		size_t n = equals ? (size_t)(equals - line.s) : 0;
		if (n == 0 || memchr(line.s, ' ', n)) {
			err_set(e, "after the type come name=value pairs, as in `n1 echo echo=hi`; \"%.*s\" is none",
				line.n > 40 ? 40 : (int)line.n, line.s);
			break;
		}
		char *key = xasprintf("%.*s", (int)n, line.s);
		line = (struct slice){ line.s + n + 1, line.n - n - 1 };
		if (json_object_set_new(body, key, take_value(&line)) != 0)
			err_set(e, "that is not UTF-8");
		free(key);
	}
	return body;
}

static void request(struct session *s, int node, struct slice line, bool wait)
{
	struct err e = { "" };
	json_t *body = line.n && line.s[0] == '{' ? json_read(line, &e) : line.n ? short_body(line, &e) : NULL;
	if (!line.n)
		err_set(&e, "say what to send, as in `%s echo echo=hi`", play_node_name(s->play, node));
	else if (!e.text[0] && !json_is_string(json_get(body, "type")))
		err_set(&e, "a request needs a \"type\", which is a string");
	if (e.text[0])
		complain(s, e.text);
	else
		ask(s, node, body, wait);
	json_decref(body);
}

/* --- commands --- */

static const char help[] =
	"  n1 {\"type\":\"echo\",\"echo\":\"hi\"}   send a request and show the answer\n"
	"  n1 echo echo=hi                  the same, shorter: a type, then name=value\n"
	"  send n1 echo echo=hi             the same, and do not wait for the answer\n"
	"  cut n1 > n2    cut n1 | n2,n3    messages one way, or both ways, are lost\n"
	"  loss * > * 30%   latency n1 > * 80ms   duplicate * > * 10%   reorder * > * 10%   heal\n"
	"  kill n2   start n2   pause n2   resume n2\n"
	"  go MS                            let so much time pass\n"
	"  step [N]                         until the next row, or the next N (sim)\n"
	"  state                            who is up, what it last said of itself, which faults are on\n"
	"  quit                             or the end of input, or Ctrl-C";

static void do_help(struct session *s, struct slice rest)
{
	(void)s;
	(void)rest;
	printf("%s\n", help);
	fflush(stdout);
}

static void do_quit(struct session *s, struct slice rest)
{
	(void)rest;
	s->quit = true;
}

static void do_go(struct session *s, struct slice rest)
{
	int64_t ms;
	if (!slice_int(rest, &ms) || ms < 0 || ms > GO_MAX_MS)
		complain(s, "go takes milliseconds, as in `go 500`");
	else
		go_on(s, play_now(s->play) + ms * NS_PER_MS, NULL);
}

static void do_step(struct session *s, struct slice rest)
{
	struct play *p = s->play;
	int64_t steps = 1;
	if (!p->ops->deterministic) {
		complain(s, "step is for --fabric sim: on proc time goes on by itself; `go MS` waits");
		return;
	}
	if (rest.n && (!slice_int(rest, &steps) || steps < 1 || steps > STEPS_MAX)) {
		complain(s, "step takes a number of events, as in `step 10`");
		return;
	}
	uint64_t target = s->shown + (uint64_t)steps;
	int64_t limit = play_now(p) + STEP_LIMIT_MS * NS_PER_MS;
	while (s->shown < target && !interrupted(s) && play_pump_one(p, limit))
		;
	if (s->shown < target && !s->quit)
		say(s, "nothing more happens within %d s", STEP_LIMIT_MS / 1000);
	tell_unanswered(s);
}

static const struct event *last_state(const struct play *p, int node)
{
	for (uint64_t q = trace_count(p->trace); q >= 1; q--) {
		const struct event *e = trace_at(p->trace, q);
		if (e->src == node && e->kind == EVENT_EXIT)
			return NULL;
		if (e->src == node && e->kind == EVENT_STATE)
			return e;
	}
	return NULL;
}

static void do_state(struct session *s, struct slice rest)
{
	const struct play *p = s->play;
	uint64_t heal = 0, count = trace_count(p->trace);
	(void)rest;
	say(s, "%.3f s", (double)play_now(p) / (double)NS_PER_S);
	for (int i = 0; i < play_nodes(p); i++) {
		const struct event *e = last_state(p, i);
		struct buf b = BUF_EMPTY;
		if (e)
			rows_print_body(&b, e->text);
		say(s, "  %-4s %-7s %.*s", play_node_name(p, i), !p->up[i] ? "down" : p->paused[i] ? "paused" : "up", SLICE_ARG(b));
		buf_done(&b);
	}
	for (uint64_t q = 1; q <= count; q++)
		if (trace_at(p->trace, q)->kind == EVENT_FAULT && trace_at(p->trace, q)->arg == FAULT_HEAL)
			heal = q;
	for (uint64_t q = heal + 1; q <= count; q++)
		if (trace_at(p->trace, q)->kind == EVENT_FAULT)
			say(s, "  %.*s", SLICE_ARG(trace_at(p->trace, q)->text));
}

/* "n2 n3" becomes "n2,n3": people leave out commas. */
static void add_commas(struct buf *b, const struct lanes *l, struct slice line)
{
	bool name = false;
	while (line.n) {
		struct slice word = take_word(&line);
		bool joins = name && lane_find(l, word) >= 0;
		buf_str(b, !b->n ? "" : joins ? "," : " ");
		buf_slice(b, word);
		size_t last = word.n; /* what stands behind the last comma of "n1,n2" */
		while (last > 0 && word.s[last - 1] != ',')
			last--;
		name = lane_find(l, (struct slice){ word.s + last, word.n - last }) >= 0;
	}
}

/* Faults are recorded and never left out, and a node may be down as long as one likes. */
static void do_fault(struct session *s, struct slice line)
{
	struct play *p = s->play;
	struct fault f[2];
	struct err e = { "" };
	struct buf text = BUF_EMPTY;
	add_commas(&text, &p->lanes, line);
	int n = fault_parse(&p->lanes, buf_as_slice(&text), f, &e);
	buf_done(&text);
	if (n < 0)
		complain(s, e.text);
	for (int i = 0; i < n; i++)
		play_fault_quietly(p, &f[i]);
	play_pump(p, play_now(p));
}

static bool is_fault_word(struct slice word)
{
	for (int i = 0; i < FAULT_KIND_COUNT; i++)
		if (slice_is(word, fault_kind_name(i)))
			return true;
	return false;
}

/* Into the trace, before it is done. */
static void remark(struct session *s, struct slice line)
{
	struct play *p = s->play;
	play_record(p, &(struct event){ .kind = EVENT_NOTE, .src = LANE_NONE, .dst = LANE_NONE,
		.text = slice_of(arena_printf(&p->arena, SESSION_REMARK "%.*s", SLICE_ARG(line))) });
}

static void obey(struct session *s, struct slice line)
{
	static const struct { const char *word; void (*fn)(struct session *, struct slice rest); } verbs[] = {
		{ "help", do_help }, { "quit", do_quit }, { "exit", do_quit }, { "go", do_go }, { "step", do_step },
		{ "state", do_state },
	};
	struct slice rest = trim(line), whole = rest;
	if (!rest.n || rest.s[0] == '#')
		return;
	struct slice word = take_word(&rest);
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		if (slice_is(word, verbs[i].word)) {
			verbs[i].fn(s, rest);
			return;
		}
	bool wait = !slice_is(word, "send");
	if (!wait)
		word = take_word(&rest);
	int lane = lane_find(&s->play->lanes, word);
	if (lane_is_node(&s->play->lanes, lane)) {
		remark(s, whole);
		request(s, lane, rest, wait);
	} else if (is_fault_word(word)) {
		remark(s, whole);
		do_fault(s, whole);
	} else {
		char *text = xasprintf("\"%.*s\" is neither a node (%s to %s) nor a command; `help` lists them",
			word.n > 40 ? 40 : (int)word.n, word.s, play_node_name(s->play, 0),
			play_node_name(s->play, play_nodes(s->play) - 1));
		complain(s, text);
		free(text);
	}
}

/* Tells who looks on how far the run is. A file that cannot be written shows nobody anything: the run ends, and says why. */
static void tell_reached(struct session *s)
{
	struct play *p = s->play;
	if (p->spec->store_live && p->ops->deterministic && !store_reached(p->store, play_now(p)))
		s->quit = true;
}

/* --- stdin --- */

/* Waits for input or a signal; on proc only for a moment that has passed already. */
static void read_input(struct session *s)
{
	struct pollfd fds[2] = { { .fd = STDIN_FILENO, .events = POLLIN }, { .fd = s->signals, .events = POLLIN } };
	if (poll(fds, 2, s->play->ops->deterministic ? -1 : 0) <= 0)
		return;
	if (fds[1].revents) {
		s->quit = true;
		return;
	}
	if (!fds[0].revents)
		return;
	buf_room(&s->in, 4096);
	ssize_t n = read(STDIN_FILENO, s->in.s + s->in.n, 4096);
	if (n > 0)
		s->in.n += (size_t)n;
	else if (n == 0 || errno != EINTR)
		s->in_ended = true;
}

/* Takes a whole line out; the last one needs no newline. */
static bool take_line(struct session *s)
{
	struct buf *line = &s->line;
	const char *end = s->in.n ? memchr(s->in.s, '\n', s->in.n) : NULL;
	if (!end && !(s->in_ended && s->in.n))
		return false;
	size_t n = end ? (size_t)(end - s->in.s) : s->in.n;
	line->n = 0;
	buf_add(line, s->in.s, n);
	n += end != NULL;
	memmove(s->in.s, s->in.s + n, s->in.n - n);
	s->in.n -= n;
	return true;
}

/* --- what was typed before --- */

static void script_add(struct session_script *s, const struct event *e)
{
	const size_t mark = sizeof SESSION_REMARK - 1;
	if (s->n == s->cap) {
		s->cap = s->cap ? s->cap * 2 : 16;
		s->line = xrealloc(s->line, s->cap * sizeof *s->line);
	}
	s->line[s->n++] = (struct session_line){ .seq = e->seq, .t_ns = e->t_ns,
		.text = xasprintf("%.*s", (int)(e->text.n - mark), e->text.s + mark) };
}

static bool was_typed(const struct event *e)
{
	const size_t mark = sizeof SESSION_REMARK - 1;
	return e->kind == EVENT_NOTE && e->src < 0 && e->text.n > mark && memcmp(e->text.s, SESSION_REMARK, mark) == 0;
}

int session_script_read(struct session_script *s, struct store_run *r, int64_t until_ns, struct err *e)
{
	enum { PAGE = 256 };
	struct event page[PAGE];
	int n = 0;
	*s = (struct session_script){ .until_ns = until_ns };
	for (uint64_t from = 1; ; from += (uint64_t)n) {
		struct arena texts;
		arena_init(&texts);
		n = store_page(r, from, page, PAGE, &texts, e);
		for (int i = 0; i < n && page[i].t_ns <= until_ns; i++)
			if (was_typed(&page[i]))
				script_add(s, &page[i]);
		bool more = n == PAGE && page[n - 1].t_ns <= until_ns;
		arena_done(&texts);
		if (!more)
			return n < 0 ? -1 : 0;
	}
}

void session_script_done(struct session_script *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->line[i].text);
	free(s->line);
	*s = (struct session_script){ 0 };
}

/* Up to the very event after which the line was typed: more than one may have the same time. */
static void repeat(struct session *s)
{
	struct play *p = s->play;
	for (size_t i = 0; i < s->script->n && !interrupted(s); i++) {
		const struct session_line *l = &s->script->line[i];
		while (trace_count(p->trace) + 1 < l->seq && play_pump_one(p, l->t_ns))
			;
		if (trace_count(p->trace) + 1 == l->seq && play_now(p) < l->t_ns)
			play_pump(p, l->t_ns);
		obey(s, slice_of(l->text));
	}
	if (play_now(p) < s->script->until_ns)
		go_on(s, s->script->until_ns, NULL);
}

void session_play(struct session *s, struct play *p)
{
	s->play = p;
	p->unjudged = true;
	for (int i = 0; i < NODES_MAX; i++)
		p->may_end[i] = true; /* a node that ends is shown, and the play goes on */
	if (s->script)
		repeat(s);
	if (s->terminal)
		printf("`help` lists what can be typed.\n");
	while (!s->quit) {
		if (take_line(s)) {
			obey(s, buf_as_slice(&s->line));
			continue;
		}
		if (s->in_ended)
			break;
		if (s->in.n > LINE_LIMIT) {
			complain(s, "that line is too long");
			break;
		}
		if (!p->ops->deterministic)
			go_on(s, play_now(p) + SLICE_MS * NS_PER_MS, NULL);
		tell_reached(s);
		if (!s->quit)
			read_input(s);
	}
}
