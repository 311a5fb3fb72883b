/* runfile.h - from a word of a person to a run file, and from a run file to the run that it repeats.
 *
 * A run file may come from a stranger, and to repeat a run is to start the command that it names. So the stored
 * command is taken only from a file in this workspace's .dlab/runs; for any other a person must give the command. */
#ifndef DLAB_RUNFILE_H
#define DLAB_RUNFILE_H

#include <time.h>

#include "run.h"
#include "store.h"
#include "workspace.h"

/* The path that RUN means: a file, LAB or LAB/TEST (the newest of these in .dlab/runs), or NULL (the newest of all).
 * Owned by the caller; NULL and an error when there is none. */
char *runfile_find(const struct workspace *, const char *run, struct err *);

/* The newest file in .dlab/runs that was written at or after `since` (also one that is being written); with `failed` only of runs
 * that are over and did not pass. Owned by the caller; NULL: none. */
char *runfile_newest(const struct workspace *, time_t since, bool failed);

struct rerun {
	struct run_spec spec; /* borrows from here; no store_path, marker, guard, core */
	char **argv;          /* owned */
	char *cwd;            /* owned */
	struct skip_set skip; /* owned */
	char *repeat;         /* owned; "dlab test echo -t one --fabric sim --seed 1", without --skip and command */
};

/* `after`: the command given instead of the stored one; or NULL. 0, or -1 and an error, then there is nothing to free. */
int rerun_open(struct rerun *, const struct workspace *, const char *path, struct store_run *, char **after, struct err *);
/* A run of free play: as rerun_open, with spec.lab, spec.test NULL and spec.nodes, spec.first set. The caller knows what the
 * person typed from the file's remarks (see free_play.h). */
int rerun_open_free(struct rerun *, const struct workspace *, const char *path, struct store_run *, char **after,
	struct err *);
/* True when the file says so. */
bool runfile_is_free(struct store_run *);
void rerun_close(struct rerun *);
/* The stored command as a person would type it, behind " -- "; appends nothing when there is none that can be read. */
void runfile_print_command(struct buf *, struct store_run *);

#endif
