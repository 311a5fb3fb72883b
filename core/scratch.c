#include "scratch.h"

#include <linux/magic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/vfs.h>
#include <unistd.h>

static const char memory[] = "/dev/shm", disk[] = "/tmp";
static const unsigned long long ROOM_LEAST = 256ull << 20; /* in a container it is often 64 MB, too little for many runs */

static const char *chosen(void)
{
	const char *tmp = getenv("TMPDIR");
	return tmp && *tmp == '/' ? tmp : NULL;
}

static bool memory_has_room(void)
{
	struct statfs fs;
	return statfs(memory, &fs) == 0 && fs.f_type == TMPFS_MAGIC && access(memory, W_OK | X_OK) == 0 &&
		(unsigned long long)fs.f_bavail * (unsigned long long)fs.f_bsize >= ROOM_LEAST;
}

const char *scratch_folder(void)
{
	return chosen() ? chosen() : memory_has_room() ? memory : disk;
}

void scratch_places(const char *place[SCRATCH_PLACES + 1])
{
	place[0] = chosen() ? chosen() : memory;
	place[1] = chosen() ? NULL : disk;
	place[2] = NULL;
}
