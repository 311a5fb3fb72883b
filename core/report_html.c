/* report_html.c - a grading as one HTML page. */
#include <stdio.h>
#include <stdlib.h>

#include "catalogue.h"
#include "export.h"
#include "report.h"
#include "text.h"

enum { TEXT_COLUMNS = 20000 };

static const char more_css[] = "table{border-collapse:collapse;width:100%}td,th{padding:.3rem .6rem;text-align:left;border-bottom:1px solid "
	"var(--edge);vertical-align:top}td.n,th.n{text-align:right}details{margin:1rem 0}summary{cursor:pointer}\n";

static void add_text(struct buf *b, const char *text)
{
	struct buf safe = BUF_EMPTY;
	for (const char *at = text ? text : ""; *at;) { /* line by line: a newline is no harm here */
		size_t n = strcspn(at, "\n");
		text_add(&safe, (struct slice){ at, n }, TEXT_COLUMNS, false);
		at += n;
		if (*at) {
			buf_char(&safe, '\n');
			at++;
		}
	}
	export_add_xml(b, buf_as_slice(&safe));
	buf_done(&safe);
}

static unsigned earned(const struct lab_report *l)
{
	unsigned points = 0;
	for (size_t i = 0; i < l->n; i++)
		points += l->tests[i].done && test_report_passed(&l->tests[i]) ? l->tests[i].test->points : 0;
	return points;
}

static unsigned possible(const struct lab_report *l)
{
	unsigned points = 0;
	for (size_t i = 0; i < l->n; i++)
		points += l->tests[i].test->points;
	return points;
}

static const char *outcome(const struct test_report *t)
{
	return !t->done ? "not run" : test_report_passed(t) ? "passed" : t->worst ? verdict_name(t->worst->result.verdict) : "unknown";
}

static void add_head(struct buf *b, const struct lab_report *l)
{
	unsigned points = earned(l), of = possible(l);
	buf_printf(b, "%s%s: %u of %u points</title>\n<style>%s%s</style>\n</head>\n<body>\n", export_html_head, l->lab->id, points, of,
		export_html_css, more_css);
	buf_printf(b, "<h1><span class=\"%s\">%u of %u points</span> <code>%s</code></h1>\n<p class=\"about\">", points == of ? "passed" : "failed",
		points, of, l->lab->id);
	add_text(b, l->lab->title);
	buf_printf(b, ", fabric %s, seed %llu, %.1f s, dlab %s</p>\n<p class=\"about\"><code>dlab test %s", l->fabric, (unsigned long long)l->seed,
		(double)l->real_ns / 1e9, DLAB_VERSION, l->lab->id);
	add_text(b, l->command_words);
	buf_str(b, "</code></p>\n");
}

static void add_row(struct buf *b, const struct test_report *t)
{
	bool good = t->done && test_report_passed(t);
	buf_printf(b, "<tr><td><code>%s</code></td><td>", t->test->id);
	add_text(b, t->test->title);
	buf_printf(b, "</td><td class=\"n\">%u of %u</td><td class=\"n\">%zu of %zu</td><td class=\"%s\">%s</td></tr>\n", good ? t->test->points : 0,
		t->test->points, t->passed, t->n, good ? "passed" : "failed", outcome(t));
}

static void add_term(struct buf *b, const char *name, const char *text)
{
	if (!text || !*text)
		return;
	buf_printf(b, "<dt>%s</dt><dd>", name);
	add_text(b, text);
	buf_str(b, "</dd>\n");
}

static void add_failure(struct buf *b, const struct lab_report *l, const struct test_report *t)
{
	const struct result *r = &t->worst->result;
	struct buf repeat = BUF_EMPTY;
	report_repeat(&repeat, l, t->worst);
	buf_printf(b, "<details open><summary><code>%s</code> <span class=\"failed\">", t->test->id);
	add_text(b, r->verdict == VERDICT_WORLD ? t->worst->err.text : r->rule);
	buf_str(b, "</span></summary>\n<dl>\n");
	add_term(b, "source", r->source);
	add_term(b, "expected", r->expected);
	add_term(b, "seen", r->seen);
	add_term(b, "nodes", r->nodes);
	add_term(b, "next", r->hint);
	add_term(b, "stderr", r->stderr_tail);
	buf_str(b, "<dt>repeat</dt><dd><code>");
	add_text(b, buf_cstr(&repeat));
	buf_str(b, "</code></dd>\n</dl>\n");
	if (r->events) {
		buf_str(b, "<pre>");
		add_text(b, r->events);
		buf_str(b, "</pre>\n");
	}
	buf_str(b, "</details>\n");
	buf_done(&repeat);
}

void report_html(FILE *f, const struct lab_report *l)
{
	struct buf b = BUF_EMPTY;
	add_head(&b, l);
	buf_str(&b, "<table>\n<tr><th>test</th><th></th><th class=\"n\">points</th><th class=\"n\">runs passed</th><th>verdict</th></tr>\n");
	for (size_t i = 0; i < l->n; i++)
		add_row(&b, &l->tests[i]);
	buf_str(&b, "</table>\n");
	for (size_t i = 0; i < l->n; i++)
		if (l->tests[i].done && l->tests[i].worst)
			add_failure(&b, l, &l->tests[i]);
	buf_str(&b, "</body>\n</html>\n");
	fwrite(b.s, 1, b.n, f);
	buf_done(&b);
}
