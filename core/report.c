#include "report.h"

#include "workspace.h"

#include <stdlib.h>
#include <time.h>

#include "text.h"

enum {
	FIELD_INDENT = 14, BLOCK_INDENT = 6, BAR_WIDTH = 20, TITLE_WIDTH = 44, TITLE_LEAST = 20,
	TAIL_WIDTH = 20 /* "100 points  12.34 s" */
};

bool test_report_passed(const struct test_report *t)
{
	return t->done == t->n && t->passed == t->n;
}

static double seconds(int64_t ns)
{
	return (double)ns / (double)NS_PER_S;
}

static int64_t real_time(const struct test_report *t)
{
	int64_t sum = 0;
	for (size_t i = 0; i < t->n; i++)
		sum += t->jobs[i].result.real_ns;
	return sum;
}

void report_lab_head(FILE *f, const struct style *s, const struct lab_report *l)
{
	fprintf(f, "%s%s%s: %s  %s(%s, %s %llu)%s\n", s->bold, l->lab->id, s->off, l->lab->title, s->dim, l->fabric,
		l->n && l->tests[0].n > 1 ? "seeds from" : "seed", (unsigned long long)l->seed, s->off);
}

/* --- one line per test --- */

static const char *mark(const struct style *s, const struct test_report *t, const char **colour)
{
	enum verdict v = t->worst ? t->worst->result.verdict : VERDICT_PASS;
	bool not_run = t->done == 0;
	*colour = not_run ? s->dim : v == VERDICT_PASS ? s->green : v == VERDICT_FAIL ? s->red : s->yellow;
	return not_run ? s->skip : v == VERDICT_PASS ? s->pass : v == VERDICT_FAIL ? s->fail : s->unknown;
}

static void clear_line(FILE *f, const struct style *s)
{
	if (s->terminal)
		fputs("\r\033[K", f);
}

static void print_measures(FILE *f, const struct style *s, const struct result *r)
{
	for (int i = 0; i < r->measures_n; i++) {
		const struct measure *m = &r->measures[i];
		fprintf(f, "      %s%s %.4g%s%s%s%s%s%s\n", s->dim, m->what, m->value, m->unit[0] ? " " : "", m->unit,
			m->bound[0] ? " (" : "", m->bound, m->bound[0] ? ")" : "", s->off);
	}
}

/* Of several seeds the measures of the last are shown: they differ little, and a median would need all in memory. */
static const struct result *shown_result(const struct test_report *t)
{
	return t->worst ? &t->worst->result : &t->jobs[t->n - 1].result;
}

static int id_width(const struct lab_report *l)
{
	size_t most = 0;
	for (size_t i = 0; i < l->n; i++)
		most = strlen(l->tests[i].test->id) > most ? strlen(l->tests[i].test->id) : most;
	return (int)most;
}

/* On a narrow terminal a title is cut, so that a test is one line. */
static void print_title(FILE *f, const struct style *s, const char *title, int used)
{
	int room = TITLE_WIDTH;
	if (s->terminal && s->width - used - TAIL_WIDTH < room)
		room = s->width - used - TAIL_WIDTH < TITLE_LEAST ? TITLE_LEAST : s->width - used - TAIL_WIDTH;
	struct buf b = BUF_EMPTY;
	size_t columns = text_add(&b, slice_of(title), s->terminal ? (size_t)room : SIZE_MAX, false);
	fprintf(f, "%s%*s ", buf_cstr(&b), columns < (size_t)room ? room - (int)columns : 0, "");
	buf_done(&b);
}

void report_test_line(FILE *f, const struct style *s, const struct lab_report *l, const struct test_report *t)
{
	const char *colour, *m = mark(s, t, &colour);
	clear_line(f, s);
	fprintf(f, "  %s%s%s %-*s ", colour, m, s->off, id_width(l), t->test->id);
	print_title(f, s, t->test->title, 6 + id_width(l));
	if (t->done == 0)
		fprintf(f, "%snot run%s", s->dim, s->off);
	else if (t->n > 1)
		fprintf(f, "%zu of %zu seeds", t->passed, t->n);
	else
		fprintf(f, "%u point%s", test_report_passed(t) ? t->test->points : 0,
			(test_report_passed(t) ? t->test->points : 0) == 1 ? "" : "s");
	if (t->done)
		fprintf(f, "  %s%.2f s%s", s->dim, seconds(real_time(t)), s->off);
	fputc('\n', f);
	if (t->done)
		print_measures(f, s, shown_result(t));
	fflush(f);
}

void report_progress(FILE *f, const struct style *s, const struct lab_report *l, const struct test_report *t)
{
	if (!s->terminal)
		return;
	clear_line(f, s);
	fprintf(f, "  %s %-*s ", s->skip, id_width(l), t->test->id);
	if (t->n > 1) {
		size_t full = t->done * BAR_WIDTH / t->n;
		for (size_t i = 0; i < BAR_WIDTH; i++)
			fputs(i < full ? s->bar_full : s->bar_empty, f);
		fprintf(f, " %zu/%zu", t->done, t->n);
		if (t->passed < t->done)
			fprintf(f, "  %s%zu failed%s", s->red, t->done - t->passed, s->off);
	} else {
		fprintf(f, "%s", t->test->title);
	}
	fflush(f);
}

/* --- a failure, in full --- */

/* Prints the lines of a text, made harmless and cut to `columns`, each but the first behind `indent`. */
static void print_lines(FILE *f, const char *text, const char *indent, size_t columns)
{
	struct buf b = BUF_EMPTY;
	while (*text) {
		size_t n = strcspn(text, "\n");
		text_add(&b, (struct slice){ text, n }, columns, false);
		buf_char(&b, '\n');
		text += n + (text[n] == '\n');
		buf_str(&b, *text ? indent : "");
	}
	fputs(buf_cstr(&b), f);
	buf_done(&b);
}

/* Breaks a text at blanks, so that no line is wider than `width` bytes if it can be helped. */
static char *folded(const char *text, size_t width)
{
	char *copy = xstrdup(text), *line = copy, *blank = NULL;
	for (char *at = copy; *at; at++) {
		if (*at == '\n')
			line = at + 1, blank = NULL;
		else if (*at == ' ')
			blank = at;
		if ((size_t)(at - line) >= width && blank) {
			*blank = '\n';
			line = blank + 1;
			blank = NULL;
		}
	}
	return copy;
}

void report_field(FILE *f, const struct style *s, const char *label, const char *text)
{
	if (!text || !*text)
		return;
	fprintf(f, "    %s%-9s%s ", s->dim, label, s->off);
	print_lines(f, text, "              ", SIZE_MAX);
}

/* A field of prose: folded to the width of a terminal. */
static void print_prose(FILE *f, const struct style *s, const char *label, const char *text)
{
	if (!text)
		return;
	char *lines = folded(text, s->terminal ? (size_t)s->width - FIELD_INDENT : SIZE_MAX);
	report_field(f, s, label, lines);
	free(lines);
}

static void print_block(FILE *f, const struct style *s, const char *title, const char *text)
{
	if (!text || !*text)
		return;
	fprintf(f, "    %s%s%s\n      ", s->dim, title, s->off);
	print_lines(f, text, "      ", s->terminal ? (size_t)(s->width - BLOCK_INDENT) : SIZE_MAX);
}

static void print_rule(FILE *f, const struct style *s, const struct result *r)
{
	struct buf b = BUF_EMPTY;
	buf_str(&b, r->rule);
	if (r->source[0])
		buf_printf(&b, "  (%s)", r->source);
	report_field(f, s, "rule", buf_cstr(&b));
	buf_done(&b);
}

static void print_when(FILE *f, const struct style *s, const struct job *j)
{
	char when[96];
	snprintf(when, sizeof when, "%.3f s of the run's clock, seed %llu", seconds(j->result.t_ns),
		(unsigned long long)j->spec.seed);
	report_field(f, s, "when", when);
}

void report_repeat(struct buf *b, const struct lab_report *l, const struct job *j)
{
	buf_printf(b, "dlab test %s -t %s --fabric %s --seed %llu", l->lab->id, j->spec.test->id, l->fabric,
		(unsigned long long)j->spec.seed);
	if (!skip_is_empty(&j->spec.skip)) {
		buf_str(b, " --skip ");
		skip_print(b, &j->spec.skip);
	}
	buf_str(b, l->command_words);
}

static void print_again(FILE *f, const struct style *s, const struct lab_report *l, const struct job *j)
{
	struct buf b = BUF_EMPTY;
	if (j->store_path) {
		buf_printf(&b, "dlab replay %s", path_from_here(j->store_path));
		report_field(f, s, "look", buf_cstr(&b));
		b.n = 0;
	}
	report_repeat(&b, l, j);
	report_field(f, s, j->spec.fabric->deterministic ? "repeat" : "again", buf_cstr(&b));
	buf_done(&b);
}

static void print_notices(FILE *f, const struct style *s, const struct result *r)
{
	for (int i = 0; i < r->notices_n; i++)
		print_prose(f, s, i ? "" : "noticed", r->notices[i]);
}

void report_failure(FILE *f, const struct style *s, const struct lab_report *l, const struct test_report *t)
{
	const struct job *j = t->worst;
	const struct result *r = &j->result;
	fprintf(f, "\n  %s%s%s %s/%s%s  %s\n", r->verdict == VERDICT_FAIL ? s->red : s->yellow, s->bold,
		r->verdict == VERDICT_FAIL ? s->fail : s->unknown, l->lab->id, t->test->id, s->off, t->test->title);
	if (r->verdict == VERDICT_WORLD) {
		report_field(f, s, "error", j->err.text);
		return;
	}
	print_rule(f, s, r);
	print_prose(f, s, "expected", r->expected);
	print_prose(f, s, "seen", r->seen);
	report_field(f, s, "nodes", r->nodes);
	print_when(f, s, j);
	print_block(f, s, "the events that matter", r->events);
	print_block(f, s, "the last lines of its stderr", r->stderr_tail);
	print_notices(f, s, r);
	print_prose(f, s, "next", r->hint);
	print_again(f, s, l, j);
}

/* A test before this one that broke the same rule; NULL: none. */
static const struct test_report *same_rule_before(const struct lab_report *l, const struct test_report *t)
{
	for (const struct test_report *u = l->tests; u < t; u++)
		if (u->worst && u->worst->result.verdict == t->worst->result.verdict &&
			strcmp(u->worst->result.rule, t->worst->result.rule) == 0)
			return u;
	return NULL;
}

void report_failures(FILE *f, const struct style *s, const struct lab_report *l)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct test_report *t = &l->tests[i];
		if (!t->worst)
			continue;
		const struct test_report *before = same_rule_before(l, t);
		if (!before || t->worst->result.verdict == VERDICT_WORLD)
			report_failure(f, s, l, t);
		else
			fprintf(f, "\n  %s%s%s %s/%s  the same rule as %s: %s\n", s->red, s->fail, s->off, l->lab->id, t->test->id,
				before->test->id, t->worst->result.rule);
	}
}

void report_lab_tail(FILE *f, const struct style *s, const struct lab_report *l)
{
	size_t passed = 0;
	unsigned points = 0, all = 0;
	for (size_t i = 0; i < l->n; i++) {
		bool ok = test_report_passed(&l->tests[i]);
		passed += ok;
		points += ok ? l->tests[i].test->points : 0;
		all += l->tests[i].test->points;
	}
	fprintf(f, "\n%s%s%zu of %zu tests passed, %u of %u points%s  %s%.2f s%s\n", s->bold, passed == l->n ? s->green : s->red,
		passed, l->n, points, all, s->off, s->dim, seconds(l->real_ns), s->off);
}

/* --- machines --- */

json_t *report_json(const struct lab_report *l)
{
	json_t *tests = json_array();
	for (size_t i = 0; i < l->n; i++) {
		const struct test_report *t = &l->tests[i];
		json_t *runs = json_array();
		for (size_t k = 0; k < t->n; k++) {
			if (!t->jobs[k].done)
				continue;
			json_t *run = result_to_json(&t->jobs[k].result);
			json_object_set_new(run, "seed", json_integer((json_int_t)t->jobs[k].spec.seed));
			if (t->jobs[k].store_path)
				json_object_set_new(run, "file", json_string(t->jobs[k].store_path));
			if (t->jobs[k].result.verdict == VERDICT_WORLD)
				json_object_set_new(run, "error", json_string(t->jobs[k].err.text));
			json_array_append_new(runs, run);
		}
		json_array_append_new(tests, json_pack("{s:s, s:s, s:i, s:b, s:i, s:i, s:o}", "id", t->test->id, "title",
			t->test->title, "points", (int)t->test->points, "passed", test_report_passed(t), "seeds", (int)t->n,
			"seeds_passed", (int)t->passed, "runs", runs));
	}
	return json_pack("{s:s, s:s, s:s, s:o}", "lab", l->lab->id, "title", l->lab->title, "fabric", l->fabric, "tests",
		tests);
}

/* XML 1.0 has no control characters but tab and line ends, and forbids U+FFFE and U+FFFF. */
static void xml_text(FILE *f, const char *s)
{
	struct buf b = BUF_EMPTY;
	buf_json_string(&b, slice_of(s ? s : "")); /* makes it valid UTF-8; escapes are read back */
	json_t *clean = json_loadb(b.s, b.n, JSON_DECODE_ANY, NULL);
	buf_done(&b);
	const char *text = json_string_value(clean);
	for (const char *at = text ? text : ""; *at; at++) {
		unsigned char c = (unsigned char)*at;
		if (strncmp(at, "\xef\xbf\xbe", 3) == 0 || strncmp(at, "\xef\xbf\xbf", 3) == 0)
			at += 2;
		else if (c == '<')
			fputs("&lt;", f);
		else if (c == '>')
			fputs("&gt;", f);
		else if (c == '&')
			fputs("&amp;", f);
		else if (c == '"')
			fputs("&quot;", f);
		else if (c >= 0x20 || c == '\n' || c == '\t')
			fputc(c, f);
	}
	json_decref(clean);
}

static void junit_problem(FILE *f, const struct lab_report *l, const struct test_report *t)
{
	const struct job *j = t->worst;
	const struct style plain = { "", "", "", "", "", "", "", "ok", "FAILED", "?", "-", "->", "#", "-", false, 80 };
	const char *tag = j->result.verdict == VERDICT_WORLD ? "error" : "failure";
	fprintf(f, "<%s type=\"", tag);
	xml_text(f, j->result.verdict == VERDICT_WORLD ? "world" : j->result.rule);
	fputs("\" message=\"", f);
	xml_text(f, j->result.verdict == VERDICT_WORLD ? j->err.text : j->result.seen);
	fputs("\">", f);
	char *text = NULL;
	size_t n = 0;
	FILE *memory = open_memstream(&text, &n);
	report_failure(memory, &plain, l, t);
	fclose(memory);
	xml_text(f, text);
	free(text);
	fprintf(f, "</%s>", tag);
}

static void junit_lab(FILE *f, const struct lab_report *l)
{
	size_t failures = 0, errors = 0, skipped = 0;
	for (size_t i = 0; i < l->n; i++) {
		const struct test_report *t = &l->tests[i];
		skipped += t->done == 0;
		if (t->done && t->worst)
			*(t->worst->result.verdict == VERDICT_WORLD ? &errors : &failures) += 1;
	}
	fprintf(f, " <testsuite name=\"%s\" tests=\"%zu\" failures=\"%zu\" errors=\"%zu\" skipped=\"%zu\" time=\"%.3f\">\n", l->lab->id,
		l->n, failures, errors, skipped, seconds(l->real_ns));
	for (size_t i = 0; i < l->n; i++) {
		const struct test_report *t = &l->tests[i];
		fprintf(f, "  <testcase classname=\"%s\" name=\"%s\" time=\"%.3f\">", l->lab->id, t->test->id, seconds(real_time(t)));
		if (t->done == 0)
			fputs("<skipped/>", f);
		else if (t->worst)
			junit_problem(f, l, t);
		fputs("</testcase>\n", f);
	}
	fputs(" </testsuite>\n", f);
}

void report_junit(FILE *f, const struct lab_report *labs, size_t n)
{
	fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n", f);
	for (size_t i = 0; i < n; i++)
		junit_lab(f, &labs[i]);
	fputs("</testsuites>\n", f);
}
