/* log.h - the log of Raft: in memory, and in files of the data folder.
 *
 * Indexes begin at 1. The log holds the entries after prev_index; those up to prev_index are in the snapshot
 * (section 7). At the very beginning prev_index and prev_term are 0.
 *
 * On the disk the log is cut into files of SEGMENT entries ("log-0" holds 1 to 16, "log-1" holds 17 to 32, ...), so that
 * an append writes one small file, however long the log is. The order of writes and removals is such that a crash
 * between any two of them leaves a log that Raft may have: see log.c. */
#ifndef LOG_H
#define LOG_H

#include "dlab.h"

struct entry {
	int64_t term;
	char *command; /* JSON; NULL: none (a no-op) */
};

struct log {
	struct dlab *d;
	int64_t prev_index, prev_term; /* of the entry before the first one */
	struct entry *at;
	size_t n, cap;
};

int64_t log_last_index(const struct log *);
int64_t log_last_term(const struct log *);
/* -1 when the log does not reach there, or no longer does. */
int64_t log_term(const struct log *, int64_t index);
/* prev_index < index <= last index */
const struct entry *log_at(const struct log *, int64_t index);

/* Appends in memory; the entry's command is the log's from here on. log_save writes what was appended from `index` on. */
void log_append(struct log *, struct entry);
void log_save(const struct log *, int64_t index);
/* Removes the entries from index on. The caller appends at least one in their place, and saves. */
void log_truncate(struct log *, int64_t index);
/* A snapshot that ends with this entry is on the disk: forgets the entries up to it, and all others too when the log
 * holds another entry there (Figure 13, rules 6 and 7). */
void log_compact(struct log *, int64_t index, int64_t term);
/* Reads what an earlier life saved; the snapshot ends with this entry (0, 0: there is none). */
void log_load(struct log *, struct dlab *, int64_t index, int64_t term);
void log_free(struct log *);

/* Entries as JSON, on the wire and on the disk: {"term": 3, "command": ...} */
struct dlab_json entry_json(struct dlab *, const struct entry *);
struct entry entry_read(struct dlab_json); /* the caller owns its command */

#endif
