#include "dash.h"

#include <stdio.h>
#include <stdlib.h>

#include "catalogue.h"
#include "files.h"
#include "markdown.h"
#include "text.h"
#include "workspace.h"

enum { SURVEY_SLICE_MS = 20, REPEAT_LOOK_BACK = 512, GUIDE_MAX = 1 << 20 };

struct view_text {
	const char *name, *meaning;
};

static const struct view_text views[VIEW_COUNT] = {
#define X(id, name, meaning) { name, meaning },
	DASH_VIEWS(X)
#undef X
};

const char *view_name(enum view v)
{
	return views[v].name;
}

const char *view_meaning(enum view v)
{
	return views[v].meaning;
}

void dash_init(struct dash *d, bool ascii)
{
	*d = (struct dash){ .ascii = ascii, .speed = 1, .view = VIEW_HOME };
	home_read(&d->home);
}

static void close_run(struct dash *d)
{
	source_close(d->source);
	survey_done(&d->survey);
	points_done(&d->points);
	d->source = NULL;
}

void dash_done(struct dash *d)
{
	close_run(d);
	buf_done(&d->guide);
}

void dash_say(struct dash *d, bool bad, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(d->message, sizeof d->message, fmt, ap);
	va_end(ap);
	d->message_bad = bad;
}

/* What was looked for in one run is not what one looks for in the next. */
static void forget_place(struct dash *d)
{
	d->at = 0;
	d->t_ns = 0;
	d->playing = d->follow = d->inspector = false;
	d->moment_known = false;
	d->row = d->evidence = d->scroll = d->pane = 0;
	d->from_ns = d->to_ns = 0;
	d->quiet_ns = 0;
	d->filter = (struct filter){ 0 };
}

int dash_open(struct dash *d, const char *path, struct err *e)
{
	struct source *s = source_open(path, e);
	if (!s)
		return -1;
	close_run(d);
	d->source = s;
	survey_init(&d->survey, source_lanes(s));
	forget_place(d);
	const uint64_t *evidence;
	size_t n = source_evidence(s, &evidence);
	if (d->view == VIEW_HOME || d->view == VIEW_GUIDE)
		d->view = VIEW_FLOW;
	if (n > 0) /* a failing run opens where it is proved */
		dash_goto(d, evidence[n - 1]);
	return 0;
}

int64_t dash_end_ns(const struct dash *d)
{
	return d->source ? source_end_ns(d->source) : 0;
}

/* --- what has a row --- */

static bool same_message(struct dash *d, const struct event *a, const struct event *b)
{
	return a->kind == b->kind && a->src == b->src && a->dst == b->dst && a->type == b->type &&
		slice_eq(source_body(d->source, a), source_body(d->source, b));
}

/* A heartbeat that says what the one before said, or a report without news. */
static bool repeats(struct dash *d, const struct event *e)
{
	uint64_t first = e->seq > REPEAT_LOOK_BACK ? e->seq - REPEAT_LOOK_BACK : 1;
	for (uint64_t q = e->seq - 1; q >= first && q > 0; q--) {
		const struct event *before = source_at(d->source, q);
		if (!before || before->kind != e->kind || before->src != e->src || before->dst != e->dst)
			continue;
		if (e->kind == EVENT_STATE)
			return slice_eq(before->text, e->text);
		if (before->type == e->type)
			return same_message(d, before, e);
	}
	return false;
}

static bool has_row(struct dash *d, const struct event *e)
{
	switch (e->kind) {
	case EVENT_SEND:
	case EVENT_KILL:
	case EVENT_ARM:
	case EVENT_READY: return d->all;
	case EVENT_START: return d->all || e->arg != 1;
	case EVENT_TIMER: return d->all;
	case EVENT_STATE:
	case EVENT_RECV: return d->all || !repeats(d, e);
	default: return true;
	}
}

bool dash_shows(struct dash *d, const struct event *e)
{
	return has_row(d, e) && filter_matches(&d->filter, d->source, e);
}

/* --- the place --- */

void dash_goto(struct dash *d, uint64_t seq)
{
	if (!d->source)
		return;
	uint64_t count = source_count(d->source);
	d->at = seq > count ? count : seq;
	const struct event *e = source_at(d->source, d->at);
	d->t_ns = e ? e->t_ns : 0;
	d->moment_known = false;
}

bool dash_step(struct dash *d, int by)
{
	if (!d->source)
		return false;
	for (uint64_t q = d->at; (q += (uint64_t)(int64_t)by) > 0 && q <= source_count(d->source);) {
		const struct event *e = source_at(d->source, q);
		if (!e)
			return false;
		if (dash_shows(d, e)) {
			dash_goto(d, q);
			return true;
		}
	}
	return false;
}

const struct moment *dash_moment(struct dash *d)
{
	if (!d->moment_known || d->moment.seq != d->at)
		d->moment_known = survey_moment(&d->survey, d->source, d->at, &d->moment);
	return &d->moment;
}

static void play_on(struct dash *d, int64_t dt_ns)
{
	int64_t to = d->t_ns + (int64_t)((double)dt_ns * d->speed), reached = source_reached_ns(d->source);
	if (d->live && d->live_sim && to > reached) /* a run that is held up is waited for */
		to = reached > d->t_ns ? reached : d->t_ns;
	d->t_ns = to;
	const struct event *e;
	while ((e = source_at(d->source, d->at + 1)) && e->t_ns <= d->t_ns)
		d->at++;
	d->moment_known = false;
	if (e || !source_finished(d->source))
		return;
	d->t_ns = dash_end_ns(d);
	d->playing = false;
}

static bool refresh(struct dash *d)
{
	bool more = source_refresh(d->source);
	if (more && d->follow)
		dash_goto(d, source_count(d->source));
	return more;
}

bool dash_tick(struct dash *d, int64_t dt_ns)
{
	if (!d->source)
		return false;
	bool changed = refresh(d);
	uint64_t seen = d->survey.seen;
	survey_go(&d->survey, d->source, SURVEY_SLICE_MS * NS_PER_MS);
	changed |= d->survey.seen != seen;
	if (d->playing && !d->follow) {
		play_on(d, dt_ns);
		changed = true;
	}
	return changed;
}

/* --- guides --- */

int dash_guide(struct dash *d, const char *lab, int width, struct err *e)
{
	char *home = dlab_home(e);
	if (!home)
		return -1;
	char *folder = catalogue_folder(home, lab);
	char *path = folder ? xasprintf("%s/guide.md", folder) : NULL;
	struct buf source = BUF_EMPTY;
	int rc = path ? file_read(path, GUIDE_MAX, &source, e) : err_set(e, "there is no guide of %s", lab);
	if (rc == 0) {
		struct style style = grid_style(width, d->ascii);
		d->guide.n = 0;
		markdown_print(&d->guide, buf_as_slice(&source), &style, width);
		if (lab != d->guide_lab)
			snprintf(d->guide_lab, sizeof d->guide_lab, "%s", lab);
		d->guide_w = width;
	}
	buf_done(&source);
	free(path);
	free(folder);
	free(home);
	return rc;
}
