#include "log.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEGMENT = 16 }; /* entries in a file */

/* --- entries as JSON --- */

struct dlab_json entry_json(struct dlab *d, const struct entry *e)
{
	struct dlab_text *t = dlab_object(d);
	dlab_put_int(t, "term", e->term);
	if (e->command)
		dlab_put(t, "command", (struct dlab_json){ e->command, strlen(e->command) });
	return dlab_as_json(t);
}

struct entry entry_read(struct dlab_json j)
{
	struct dlab_json command = dlab_get(j, "command");
	struct entry e = { .term = dlab_int(dlab_get(j, "term"), 0) };
	if (command.n && !(e.command = strndup(command.s, command.n)))
		abort();
	return e;
}

/* --- in memory --- */

int64_t log_last_index(const struct log *l)
{
	return l->prev_index + (int64_t)l->n;
}

const struct entry *log_at(const struct log *l, int64_t index)
{
	assert(index > l->prev_index && index <= log_last_index(l));
	return &l->at[index - l->prev_index - 1];
}

int64_t log_term(const struct log *l, int64_t index)
{
	if (index == l->prev_index)
		return l->prev_term;
	return index > l->prev_index && index <= log_last_index(l) ? log_at(l, index)->term : -1;
}

int64_t log_last_term(const struct log *l)
{
	return log_term(l, log_last_index(l));
}

void log_append(struct log *l, struct entry e)
{
	if (l->n == l->cap) {
		l->cap = l->cap ? l->cap * 2 : 64;
		l->at = realloc(l->at, l->cap * sizeof *l->at);
		if (!l->at)
			abort();
	}
	l->at[l->n++] = e;
}

/* Forgets the first `count` entries. */
static void drop_first(struct log *l, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(l->at[i].command);
	l->n -= count;
	if (l->n > 0)
		memmove(l->at, l->at + count, l->n * sizeof *l->at);
}

void log_free(struct log *l)
{
	drop_first(l, l->n);
	free(l->at);
}

/* --- on the disk ---
 *
 * A file also tells what stands before its first entry, so that a start can see whether log and snapshot fit together.
 * What a crash may interrupt, and why no harm is done:
 * - append: files are written from the first to the last. A part of the new entries is there; they were not yet confirmed.
 * - truncate: whole files go from the last to the first, then the file of `index` is replaced. What is missing was in
 *   conflict with a leader's log, so it was not committed.
 * - compact: the snapshot is on the disk before; so files up to it may be there still, or gone. */

static int64_t segment_of(int64_t index)
{
	return (index - 1) / SEGMENT;
}

static const char *segment_name(char name[32], int64_t segment)
{
	snprintf(name, 32, "log-%lld", (long long)segment);
	return name;
}

static bool remove_segment(const struct log *l, int64_t segment)
{
	const char *folder = dlab_data_dir(l->d);
	char path[4096], name[32];
	if (!folder || snprintf(path, sizeof path, "%s/%s", folder, segment_name(name, segment)) >= (int)sizeof path)
		return false;
	return remove(path) == 0;
}

static void remove_segments(const struct log *l, int64_t first, int64_t last)
{
	for (int64_t i = last; i >= first; i--)
		remove_segment(l, i);
}

static void save_segment(const struct log *l, int64_t segment)
{
	int64_t prev = segment * SEGMENT, last = prev + SEGMENT;
	if (prev < l->prev_index)
		prev = l->prev_index;
	if (last > log_last_index(l))
		last = log_last_index(l);
	struct dlab_text *file = dlab_object(l->d), *entries = dlab_array(l->d);
	for (int64_t i = prev + 1; i <= last; i++)
		dlab_put(entries, NULL, entry_json(l->d, log_at(l, i)));
	dlab_put_int(file, "prev_index", prev);
	dlab_put_int(file, "prev_term", log_term(l, prev));
	dlab_put(file, "entries", dlab_as_json(entries));
	char name[32];
	dlab_save(l->d, segment_name(name, segment), dlab_as_json(file));
}

void log_save(const struct log *l, int64_t index)
{
	for (int64_t i = segment_of(index); i <= segment_of(log_last_index(l)); i++)
		save_segment(l, i);
}

void log_truncate(struct log *l, int64_t index)
{
	remove_segments(l, segment_of(index) + 1, segment_of(log_last_index(l)));
	while (log_last_index(l) >= index)
		free(l->at[--l->n].command);
}

void log_compact(struct log *l, int64_t index, int64_t term)
{
	bool fits = log_term(l, index) == term;
	int64_t first = segment_of(l->prev_index + 1), kept = segment_of(index + 1), last = segment_of(log_last_index(l));
	if (!fits)
		remove_segments(l, first, last);
	for (int64_t i = first; fits && i < kept; i++)
		remove_segment(l, i);
	drop_first(l, fits ? (size_t)(index - l->prev_index) : l->n);
	l->prev_index = index;
	l->prev_term = term;
}

/* Reads one file. Its entries up to prev_index are in the snapshot and left out. False when there is no such file, or
 * when it does not go on where the log ends now. */
static bool load_segment(struct log *l, int64_t segment)
{
	char name[32];
	struct dlab_json file = dlab_load(l->d, segment_name(name, segment)), item = { 0 };
	int64_t index = dlab_int(dlab_get(file, "prev_index"), 0), term = dlab_int(dlab_get(file, "prev_term"), 0);
	int64_t end = log_last_index(l);
	if (!file.n || index > end || (index == end && term != log_last_term(l)))
		return false;
	while (dlab_next(dlab_get(file, "entries"), &item)) {
		struct entry e = entry_read(item);
		if (++index > end) {
			log_append(l, e);
			continue;
		}
		bool fits = index < end || e.term == log_last_term(l);
		free(e.command);
		if (!fits)
			return false;
	}
	return true;
}

void log_load(struct log *l, struct dlab *d, int64_t index, int64_t term)
{
	*l = (struct log){ .d = d, .prev_index = index, .prev_term = term };
	int64_t first = segment_of(index + 1), next = first;
	while (load_segment(l, next) && log_last_index(l) == (next + 1) * SEGMENT)
		next++;
	if (l->n == 0) { /* nothing, or a log that the snapshot has replaced */
		int64_t end = first;
		while (dlab_load(d, segment_name((char[32]){ 0 }, end)).n)
			end++;
		remove_segments(l, first, end - 1);
	}
	for (int64_t i = first - 1; i >= 0 && remove_segment(l, i);)
		i--;
}
