/* echo: answers every echo request with what it was given. */
#define DLAB_IMPLEMENTATION
#include "dlab.h"

static void on_echo(struct dlab *d, const struct dlab_msg *m, void *arg)
{
	(void)arg;
	struct dlab_text *body = dlab_body(d, "echo_ok");
	dlab_put(body, "echo", dlab_get(m->body, "echo"));
	dlab_reply(d, m, body);
}

int main(void)
{
	struct dlab *d = dlab_new();
	dlab_on(d, "echo", on_echo, NULL);
	return dlab_run(d);
}
