/* Any bytes as dlab.json: an error with a sentence that a terminal can show, or a workspace in which every lab has a
 * command. For libFuzzer, or a main that hands over a file. */
#include "workspace.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void need(bool holds)
{
	if (!holds)
		abort();
}

static void need_sentence(const struct err *e)
{
	need(*e->text != '\0');
	for (const char *c = e->text; *c; c++)
		need((unsigned char)*c >= ' ' && *c != 0x7f);
}

/* Whatever was accepted must be safe to use. */
static void use(json_t *doc)
{
	struct err e = { "" };
	struct workspace w = { .doc = doc };
	const char *lab;
	json_t *entry;
	json_object_foreach(json_object_get(doc, "labs"), lab, entry) {
		char **argv = workspace_command(&w, lab, &e);
		need(argv && argv[0] && *argv[0]);
		command_free(argv);
	}
	if (!json_get(json_get(doc, "labs"), "no-such-lab")) {
		need(!workspace_command(&w, "no-such-lab", &e));
		need_sentence(&e);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct err e = { "" };
	json_t *doc = json_read((struct slice){ (const char *)data, n }, &e);
	if (!doc)
		need(*e.text != '\0');
	else if (workspace_check(doc, &e) == 0)
		use(doc);
	else
		need_sentence(&e);
	json_decref(doc);
	return 0;
}
