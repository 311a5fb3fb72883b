/* scratch.h - where the data folders of a run's nodes are made.
 *
 * $TMPDIR when it is set; else in memory (/dev/shm) where that is a tmpfs with room; else /tmp. Memory, because a node
 * that saves its state writes a new file and renames it over the old one, as it should: on ext4 each such rename waits
 * some milliseconds for the disk, on tmpfs it costs nothing. What the folders have to survive is the death of a process,
 * not that of the machine. */
#ifndef DLAB_SCRATCH_H
#define DLAB_SCRATCH_H

enum { SCRATCH_PLACES = 2 };

/* Borrowed from the environment, or static. */
const char *scratch_folder(void);
/* Every folder that runs with this environment may have used, for those who clean; ended by NULL. */
void scratch_places(const char *place[SCRATCH_PLACES + 1]);

#endif
