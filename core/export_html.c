/* A report of a run as one HTML page: verdict, diagram, what the nodes wrote beside their messages, how to see it again.
 *
 * The page may be opened by somebody who does not trust whoever wrote the nodes. So it has no script and no resource
 * from elsewhere, its policy forbids both, no text of the run ever stands in a tag, and all of it is escaped. */
#include "export_scene.h"
#include "runfile.h"
#include "text.h"

extern const struct export_format export_html;

enum { LOG_LINES = 200, LINE_COLUMNS = 1000, COMMAND_COLUMNS = 20000, TITLE_COLUMNS = 200 };

const char export_html_css[] =
	":root{color-scheme:light dark;--paper:#fff;--ink:#1b1f24;--dim:#5c6670;--edge:#d5dbe1;--code:#f4f6f8;--good:#1a7f37;--bad:#b3261e;"
	"--unsure:#8a6100}\n"
	"@media (prefers-color-scheme:dark){:root{--paper:#14181d;--ink:#e3e8ee;--dim:#9aa5b1;--edge:#343c45;--code:#1d232a;"
	"--good:#57d173;--bad:#ff8a80;--unsure:#f0c34e}}\n"
	"body{margin:0 auto;max-width:76rem;padding:1.5rem;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif}\n"
	"h1{font-size:1.5rem;line-height:1.25;margin:0 0 .25rem;overflow-wrap:anywhere}h2{font-size:1.1rem;margin:2rem 0 .5rem}"
	".about{color:var(--dim);margin:0 0 1rem;overflow-wrap:anywhere}\n"
	".passed{color:var(--good)}.failed{color:var(--bad)}.unknown{color:var(--unsure)}"
	"dl{display:grid;grid-template-columns:max-content 1fr;gap:.4rem 1.2rem;margin:0}dt{color:var(--dim)}"
	"dd{margin:0;white-space:pre-wrap;overflow-wrap:anywhere}\n"
	"figure{margin:0;overflow-x:auto;border:1px solid var(--edge);border-radius:6px}"
	"pre,code{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:.85rem}"
	"pre{background:var(--code);padding:.8rem 1rem;border-radius:6px;overflow:auto;max-height:32rem;margin:0 0 .8rem}"
	".when{color:var(--dim)}\n"
	"@media (max-width:40rem){dl{grid-template-columns:1fr}dt{margin-top:.4rem}}\n"
	"@media print{figure,pre{overflow:visible;max-height:none}pre{white-space:pre-wrap;overflow-wrap:anywhere}}\n";

const char export_html_head[] = "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
	"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
	"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"referrer\" content=\"no-referrer\">\n"
	"<title>";

/* --- pieces --- */

static void add_words(struct export *x, struct slice text)
{
	export_add_xml(&x->out, text);
}

static void add_cut(struct export *x, struct slice text, size_t columns)
{
	struct buf b = BUF_EMPTY;
	text_add(&b, text, columns, false);
	add_words(x, buf_as_slice(&b));
	buf_done(&b);
}

static struct slice meta(struct export *x, const char *key)
{
	return store_meta_get(x->run, key);
}

static void add_term(struct export *x, const char *name, struct slice text)
{
	if (text.n == 0)
		return;
	buf_printf(&x->out, "<dt>%s</dt><dd>", name);
	add_words(x, text);
	buf_str(&x->out, "</dd>\n");
}

/* --- head --- */

static const char *verdict_class(struct slice verdict)
{
	static const char *const classes[] = { "passed", "failed" };
	for (size_t i = 0; i < ARRAY_LEN(classes); i++)
		if (slice_is(verdict, classes[i]))
			return classes[i];
	return "unknown";
}

static void add_about(struct export *x)
{
	struct buf b = BUF_EMPTY;
	bool over = slice_is(meta(x, STORE_STATE), "finished");
	buf_slice(&b, meta(x, STORE_TITLE));
	buf_printf(&b, "%s%d node%s, fabric ", b.n ? " \u00b7 " : "", x->lanes->nodes, x->lanes->nodes == 1 ? "" : "s");
	buf_slice(&b, meta(x, STORE_FABRIC));
	buf_str(&b, ", seed ");
	buf_slice(&b, meta(x, STORE_SEED));
	buf_printf(&b, ", %llu events%s, dlab ", (unsigned long long)store_events(x->run),
		over ? "" : " (not finished: still running, or killed)");
	buf_slice(&b, meta(x, STORE_DLAB));
	buf_str(&x->out, "<p class=\"about\">");
	add_cut(x, buf_as_slice(&b), LINE_COLUMNS);
	buf_str(&x->out, "</p>\n");
	buf_done(&b);
}

static void add_head(struct export *x)
{
	struct slice verdict = meta(x, STORE_VERDICT);
	struct buf title = BUF_EMPTY;
	scene_print_title(x, &title);
	buf_str(&x->out, export_html_head);
	add_cut(x, buf_as_slice(&title), TITLE_COLUMNS);
	buf_printf(&x->out, "</title>\n<style>%s</style>\n</head>\n<body>\n<h1><span class=\"%s\">", export_html_css, verdict_class(verdict));
	add_cut(x, verdict.n ? verdict : SLICE("no verdict"), TITLE_COLUMNS);
	buf_str(&x->out, "</span> <code>");
	add_cut(x, meta(x, STORE_LAB), TITLE_COLUMNS);
	buf_char(&x->out, '/');
	add_cut(x, meta(x, STORE_TEST), TITLE_COLUMNS);
	buf_str(&x->out, "</code></h1>\n");
	add_about(x);
	buf_done(&title);
}

/* --- verdict --- */

static void add_when(struct export *x, const struct scene *s)
{
	struct buf b = BUF_EMPTY;
	int64_t last = -1;
	for (int i = 0; i < s->moments_n; i++)
		if (s->moments[i].evidence)
			last = s->moments[i].t_ns;
	if (last >= 0)
		buf_printf(&b, "%.3f s of the run's clock", (double)last / (double)NS_PER_S);
	add_term(x, "when", buf_as_slice(&b));
	buf_done(&b);
}

static void add_verdict(struct export *x, const struct scene *s)
{
	buf_str(&x->out, "<dl>\n");
	add_term(x, "rule", meta(x, STORE_RULE));
	add_term(x, "source", meta(x, STORE_SOURCE));
	add_term(x, "expected", meta(x, STORE_EXPECTED));
	add_term(x, "seen", meta(x, STORE_SEEN));
	add_when(x, s);
	add_term(x, "next", meta(x, STORE_HINT));
	buf_str(&x->out, "</dl>\n");
}

static void add_diagram(struct export *x, const struct scene *s)
{
	struct buf title = BUF_EMPTY;
	scene_print_title(x, &title);
	buf_str(&x->out, "<h2>What happened</h2>\n<figure>\n");
	scene_draw_svg(x, s, buf_as_slice(&title), false);
	buf_str(&x->out, "</figure>\n");
	buf_done(&title);
}

/* --- logs --- */

static bool is_log(const struct event *e)
{
	return e->kind == EVENT_LOG || e->kind == EVENT_BAD || e->kind == EVENT_LINT;
}

/* --type chooses what is drawn; the logs are there in any case. */
static bool wants_log(struct export *x, const struct event *e)
{
	bool named = x->ask->nodes.n == 0 || (e->src >= 0 && x->lane[e->src]);
	return is_log(e) && named && e->t_ns >= x->ask->from_ns && e->t_ns <= x->ask->to_ns;
}

static void add_log_line(struct export *x, const struct event *e)
{
	buf_printf(&x->out, "<span class=\"when\">%10.3f s  %-4s</span> ", (double)e->t_ns / (double)NS_PER_S,
		lane_name(x->lanes, e->src));
	if (e->kind == EVENT_BAD)
		buf_printf(&x->out, "%s: ", bad_text(e->why));
	add_cut(x, e->text, LINE_COLUMNS);
	buf_char(&x->out, '\n');
	export_flush(x, 1 << 16);
}

static uint64_t count_logs(struct export *x, struct err *err)
{
	const struct event *e;
	uint64_t n = 0;
	for (export_rewind(x); (e = export_next(x, err));)
		n += wants_log(x, e);
	return n;
}

/* The last lines: a node that goes wrong says so late. */
static void add_logs(struct export *x, struct err *err)
{
	uint64_t n = count_logs(x, err), skip = n > LOG_LINES ? n - LOG_LINES : 0;
	const struct event *e;
	if (n == 0)
		return;
	buf_str(&x->out, "<h2>What the nodes wrote beside their messages</h2>\n<pre>");
	if (skip)
		buf_printf(&x->out, "<span class=\"when\">%llu earlier lines are left out</span>\n", (unsigned long long)skip);
	for (export_rewind(x); (e = export_next(x, err));)
		if (wants_log(x, e) && !(skip && skip--))
			add_log_line(x, e);
	buf_str(&x->out, "</pre>\n");
}

/* --- once more --- */

static void add_command(struct export *x, const char *what, const struct buf *command)
{
	buf_printf(&x->out, "<p class=\"about\">%s</p>\n<pre>", what);
	add_cut(x, buf_as_slice(command), COMMAND_COLUMNS);
	buf_str(&x->out, "</pre>\n");
}

static void add_repeat(struct export *x)
{
	struct buf b = BUF_EMPTY;
	buf_str(&x->out, "<h2>See it again</h2>\n");
	buf_printf(&b, "dlab replay %s%s", x->ask->path, store_evidence(x->run, (uint64_t[1]){ 0 }, 1) ? " --evidence" : "");
	add_command(x, "The run as a log:", &b);
	if (!slice_is(meta(x, STORE_LAB), "free")) {
		b.n = 0;
		buf_str(&b, "dlab test ");
		buf_slice(&b, meta(x, STORE_LAB));
		buf_str(&b, " -t ");
		buf_slice(&b, meta(x, STORE_TEST));
		buf_str(&b, " --fabric ");
		buf_slice(&b, meta(x, STORE_FABRIC));
		buf_str(&b, " --seed ");
		buf_slice(&b, meta(x, STORE_SEED));
		if (meta(x, STORE_SKIP).n) {
			buf_str(&b, " --skip ");
			buf_slice(&b, meta(x, STORE_SKIP));
		}
		runfile_print_command(&b, x->run);
		add_command(x, "The same test once more:", &b);
	}
	buf_done(&b);
}

static int write_html(struct export *x, struct err *err)
{
	struct scene s;
	if (scene_read(&s, x, err) == 0) {
		add_head(x);
		add_verdict(x, &s);
		add_diagram(x, &s);
		add_logs(x, err);
		add_repeat(x);
		buf_str(&x->out, "</body>\n</html>\n");
	}
	scene_done(&s);
	return err->text[0] ? -1 : 0;
}

const struct export_format export_html = {
	.name = "html",
	.what = "a report as one page",
	.most = 60,
	.write = write_html,
};
