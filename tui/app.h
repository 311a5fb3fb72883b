/* app.h - the dashboard on a terminal: keys in, frames out, until the person leaves. */
#ifndef DLAB_APP_H
#define DLAB_APP_H

#include "dash.h"
#include "demo.h"

/* True when stdin and stdout are a terminal that more than lines can be drawn on. */
bool app_can_draw(void);

struct app_spec {
	const char *run;       /* a run file to open; NULL: home */
	int view;              /* enum view to begin with; -1: its own choice */
	char *const *live;     /* borrowed; arguments of `dlab run` for a live run; NULL: none */
	const struct demo *demo; /* what is shown with the live run; NULL: nothing */
	char *const *test;     /* borrowed; arguments of `dlab test`, whose runs are followed; NULL: none */
};

/* An exit status as commands give it. A terminal that cannot be drawn on is an error. */
int app_run(const struct app_spec *, struct err *);
/* One screen of a stored run, as SVG (the file's name ends in .svg) or text, without a terminal. `keys` are pressed first. */
struct still {
	const char *run, *file;
	int view, w, h;
	const char *keys; /* or NULL */
};
int still_write(const struct still *, struct err *);
/* The same events as lines, one each, for pipes and screen readers; a run that is being written is followed to its end. */
int plain_run(const char *path, struct err *);

#endif
