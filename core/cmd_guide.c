/* cmd_guide.c - `dlab guide`: a lab's guide in the terminal. */
#include <stdlib.h>

#include "catalogue.h"
#include "cmd.h"
#include "files.h"
#include "markdown.h"
#include "pager.h"
#include "workspace.h"

extern const struct command cmd_guide;

enum { GUIDE_MAX = 1 << 20 };

static int take_option(void *ctx, const struct cmd_option *o, const char *value)
{
	(void)o;
	(void)value;
	*(bool *)ctx = true;
	return 0;
}

static int read_guide(const struct lab *lab, struct buf *source, struct err *e)
{
	char *home = dlab_home(e);
	if (!home)
		return -1;
	char *folder = catalogue_folder(home, lab->id);
	char *path = folder ? xasprintf("%s/guide.md", folder) : NULL;
	int rc = path ? file_read(path, GUIDE_MAX, source, e) : err_set(e, "there is no folder for %s in %s/stages", lab->id, home);
	free(path);
	free(folder);
	free(home);
	return rc;
}

static int run(int argc, char **argv)
{
	struct cmd_words words;
	struct err e;
	bool raw = false;
	int rc = cmd_parse(&cmd_guide, argc, argv, &words, take_option, &raw);
	if (rc != 0)
		return rc < 0 ? EXIT_PASSED : rc;
	if (words.n != 1 || words.after)
		return cmd_usage(&cmd_guide, "say which lab; `dlab list` shows them");
	const struct lab *lab = cmd_need_lab(&cmd_guide, words.word[0]);
	if (!lab)
		return EXIT_USAGE;
	struct buf source = BUF_EMPTY, text = BUF_EMPTY;
	struct style style = style_of(stdout);
	if (read_guide(lab, &source, &e) != 0) {
		buf_done(&source);
		return cmd_world(&e);
	}
	if (raw)
		buf_slice(&text, buf_as_slice(&source));
	else
		markdown_print(&text, buf_as_slice(&source), &style, style.width);
	pager_show(buf_as_slice(&text), &style);
	buf_done(&text);
	buf_done(&source);
	return EXIT_PASSED;
}

static const struct cmd_option options[] = {
	{ "raw", 0, NULL, "the Markdown source as it is", NULL },
	{ 0 },
};

const struct command cmd_guide = {
	.name = "guide",
	.arguments = "LAB [--raw]",
	.summary = "Read a lab's guide",
	.help = "On a terminal, a text longer than the screen goes through $PAGER (less when it is unset; none when it is empty).",
	.completes = "@labs",
	.options = options,
	.run = run,
};
