#include "catalogue.h"

#include <glob.h>
#include <stdlib.h>

const struct lab *catalogue_lab(const char *id)
{
	for (const struct lab *const *l = all_labs; *l; l++)
		if (strcmp((*l)->id, id) == 0)
			return *l;
	return NULL;
}

const struct test *catalogue_test(const struct lab *lab, const char *id)
{
	for (const struct test *t = lab->tests; t->id; t++)
		if (strcmp(t->id, id) == 0)
			return t;
	return NULL;
}

size_t catalogue_tests(const struct lab *lab)
{
	size_t n = 0;
	while (lab->tests[n].id)
		n++;
	return n;
}

unsigned catalogue_points(const struct lab *lab)
{
	unsigned sum = 0;
	for (const struct test *t = lab->tests; t->id; t++)
		sum += t->points;
	return sum;
}

const char *test_kind_name(enum test_kind kind)
{
	static const char *const names[] = {
		[TEST_SAFETY] = "safety", [TEST_LIVENESS] = "liveness", [TEST_EFFICIENCY] = "efficiency", [TEST_TIMING] = "timing",
	};
	return names[kind];
}

/* --- stages --- */

const char *stage_slug(int stage)
{
	static const char *const slugs[STAGE_COUNT] = {
		"foundations", "communication", "partition-replication", "consensus", "fault-tolerance", "computation", "advanced",
		"real-world", "overlays",
	};
	assert(stage >= 1 && stage <= STAGE_COUNT);
	return slugs[stage - 1];
}

/* A path as glob takes it: what stands for itself there is marked. */
static void add_literal(struct buf *pattern, const char *path)
{
	for (; *path; path++) {
		if (strchr("*?[]\\", *path))
			buf_char(pattern, '\\');
		buf_char(pattern, *path);
	}
}

static char *first_match(const char *home, const char *pattern, const char *tail)
{
	struct buf b = BUF_EMPTY;
	glob_t found;
	char *path = NULL;
	add_literal(&b, home);
	buf_str(&b, pattern);
	add_literal(&b, tail);
	if (glob(buf_cstr(&b), 0, NULL, &found) == 0) {
		path = xstrdup(found.gl_pathv[0]);
		globfree(&found);
	}
	buf_done(&b);
	return path;
}

char *catalogue_folder(const char *home, const char *lab)
{
	return first_match(home, "/stages/[0-9][0-9]-*/", lab);
}

char *stage_folder(const char *home, int stage)
{
	char *pattern = xasprintf("/stages/%02d-*", stage);
	char *path = first_match(home, pattern, "");
	free(pattern);
	return path ? path : xasprintf("%s/stages/%02d-%s", home, stage, stage_slug(stage));
}

/* --- the nearest name --- */

enum { WORD_MAX_BYTES = 40 };

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Optimal string alignment (Damerau-Levenshtein without overlapping swaps). */
static size_t edit_distance(const char *a, const char *b)
{
	size_t d[WORD_MAX_BYTES + 1][WORD_MAX_BYTES + 1];
	size_t n = strlen(a), m = strlen(b);
	if (n > WORD_MAX_BYTES || m > WORD_MAX_BYTES)
		return SIZE_MAX;
	for (size_t i = 0; i <= n; i++)
		d[i][0] = i;
	for (size_t j = 0; j <= m; j++)
		d[0][j] = j;
	for (size_t i = 1; i <= n; i++)
		for (size_t j = 1; j <= m; j++) {
			d[i][j] = least(least(d[i - 1][j], d[i][j - 1]) + 1, d[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				d[i][j] = least(d[i][j], d[i - 2][j - 2] + 1);
		}
	return d[n][m];
}

void nearest_offer(struct nearest *n, const char *candidate)
{
	size_t typed = strlen(n->word);
	/* A beginning that was not finished counts as near; else a third of the letters may differ. */
	size_t distance = typed >= 2 && strncmp(candidate, n->word, typed) == 0 ? 1 : edit_distance(n->word, candidate);
	if (distance <= 1 + typed / 3 && distance < typed && (!n->best || distance < n->distance)) {
		n->best = candidate;
		n->distance = distance;
	}
}

const char *nearest_lab(const char *word)
{
	struct nearest n = { .word = word };
	for (const struct lab *const *l = all_labs; *l; l++)
		nearest_offer(&n, (*l)->id);
	return n.best;
}

const char *nearest_test(const struct lab *lab, const char *word)
{
	struct nearest n = { .word = word };
	for (const struct test *t = lab->tests; t->id; t++)
		nearest_offer(&n, t->id);
	return n.best;
}
