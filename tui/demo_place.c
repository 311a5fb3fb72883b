#include "demo_place.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "files.h"
#include "workspace.h"

enum { NOTES_MAX = 1 << 16 };

static char *in_state(const char *name, struct err *e)
{
	struct workspace w;
	if (workspace_open(&w, e) != 0)
		return NULL;
	char *path = xasprintf("%s/%s", w.state, name);
	workspace_close(&w);
	return path;
}

/* By a rename, so that a reader never sees half of it. */
void demo_place_write(const struct demo *d, int step, const char *notes)
{
	struct err ignored;
	char *path = in_state("demo.txt", &ignored), *part = in_state("demo.txt.part", &ignored);
	FILE *f = part ? fopen(part, "w") : NULL;
	if (f) {
		fprintf(f, "%s, step %d of %d\n%s\n", d->title, step + 1, demo_steps(d), notes);
		if (fclose(f) == 0 && path)
			rename(part, path);
	}
	free(path);
	free(part);
}

void demo_place_clear(void)
{
	struct err ignored;
	char *path = in_state("demo.txt", &ignored);
	if (path)
		unlink(path);
	free(path);
}

bool demo_place_read(struct buf *out)
{
	struct err ignored;
	char *path = in_state("demo.txt", &ignored);
	bool there = path && file_read(path, NOTES_MAX, out, &ignored) == 0;
	free(path);
	return there;
}

char *demo_store(struct err *e)
{
	struct workspace w;
	if (workspace_open(&w, e) != 0)
		return NULL;
	char *runs = workspace_runs(&w, e);
	char *path = runs ? xasprintf("%s/free.demo-%ld.db", runs, (long)getpid()) : NULL;
	free(runs);
	workspace_close(&w);
	return path;
}
