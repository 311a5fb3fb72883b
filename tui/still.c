/* still.c - one screen of a stored run, written to a file: for documents and slides. */
#include <stdio.h>
#include <stdlib.h>

#include "action.h"
#include "app.h"
#include "picture.h"
#include "rows.h"

static int write_file(const char *path, const struct buf *b, struct err *e)
{
	FILE *f = strcmp(path, "-") == 0 ? stdout : fopen(path, "w");
	if (!f)
		return err_errno(e, "cannot write %s", path);
	bool good = fwrite(b->s, 1, b->n, f) == b->n;
	good &= (f == stdout ? fflush(f) : fclose(f)) == 0;
	return good ? 0 : err_errno(e, "cannot write %s", path);
}

static bool is_picture(const char *path)
{
	size_t n = strlen(path);
	return n > 4 && strcmp(path + n - 4, ".svg") == 0;
}

int still_write(const struct still *s, struct err *e)
{
	struct dash d;
	struct grid g;
	struct buf b = BUF_EMPTY;
	dash_init(&d, rows_ascii() && !is_picture(s->file));
	int rc = dash_open(&d, s->run, e);
	if (rc == 0) {
		char *title = xasprintf("%s of a run of %s/%s", s->view >= 0 ? view_name((enum view)s->view) : "Flow",
			source_meta(d.source, STORE_LAB), source_meta(d.source, STORE_TEST));
		while (dash_tick(&d, 0))
			;
		if (s->view >= 0)
			d.view = (enum view)s->view;
		grid_init(&g, s->w, s->h, d.ascii);
		dash_draw(&d, &g); /* keys go by what was drawn */
		for (const char *k = s->keys ? s->keys : ""; *k; k++)
			action_key(&d, *k == '\n' ? KEYS_ENTER : *k);
		dash_draw(&d, &g);
		if (is_picture(s->file))
			picture_print(&b, &g, title);
		else
			grid_print(&b, &g, false);
		rc = write_file(s->file, &b, e);
		grid_done(&g);
		free(title);
	}
	dash_done(&d);
	buf_done(&b);
	return rc;
}
