/* guard.h - nothing that we started outlives us: a guard process for a harness that is killed, a sweep for one
 * that ends in order.
 *
 *     harness ──announce──▶ guard       (a pipe; only the harness holds its write end)
 *        ╳  killed          │ end of file (or its pidfd): SIGKILL to every announced session and group, and to every process
 *                           ▼ whose environment says DLAB_SESSION=<marker>, until none is left; then it ends
 *
 * A process that left its session AND cleared its environment is out of the guard's sight once the harness is dead.
 * While the harness lives it is not: guard_start makes the harness the subreaper of all that descends from it,
 * so guard_sweep finds orphans by their ancestry.
 *
 * The environment meant here is the one a process was started with (/proc/<pid>/environ). Linux only. */
#ifndef DLAB_GUARD_H
#define DLAB_GUARD_H

#include <sys/types.h>

#include "base.h"

#define GUARD_VARIABLE "DLAB_SESSION" /* a node's environment holds GUARD_VARIABLE=<marker> */

struct guard;

/* Forks the guard. The marker is copied; nobody else may use it. Call it early: the process is to be small, to have
 * one thread and to hold no locks. The guard lives in a session of its own, in /, without a descriptor of ours.
 * NULL and an err when it fails. Owned by the caller: guard_stop. */
struct guard *guard_start(const char *marker, struct err *);
/* Tells the guard of a child that leads a session or a group (child_spawn's do). Never waits; a guard that has
 * died is no error. The caller ignores SIGPIPE. */
void guard_announce(struct guard *, pid_t);
/* A folder (an absolute path) that the guard removes after the harness has died in mid-run; NULL: there is none any
 * more. One at a time. */
void guard_folder(struct guard *, const char *path);
/* What the guard does last after the harness has died, with the marker: for what is no process and no folder. The function
 * is called in the guard process, which was forked before; NULL: nothing. */
void guard_last(struct guard *, void (*fn)(const char *marker));
/* Removes a folder and all that is in it, as far as that is allowed; does not follow links. */
void folder_remove(const char *path);
pid_t guard_pid(const struct guard *);
/* Ends the guard without killing anything else, and frees. NULL is harmless. */
void guard_stop(struct guard *);

/* Kills every descendant of this process and every process with the marker, except the guard (NULL: there is none),
 * the processes in `keep` and what descends from those. Repeats until none is left, for 2 s at most. Reaps every
 * dead child of this process that is not in `keep`: a struct child that is not kept reads as killed afterwards.
 * Returns how many it killed. */
int guard_sweep(const char *marker, const struct guard *, const pid_t *keep, size_t n_keep);
/* For the end of one run of many: the same with nothing kept, when a descendant is left; nearly free when none is. A
 * stranger with the marker (a node asked another daemon to start it) then lives until the next guard_sweep: call that
 * once at the end of all. */
int guard_sweep_descendants(const char *marker, const struct guard *);

#endif
