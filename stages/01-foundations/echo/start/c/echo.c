/* echo: your node gets {"type": "echo", "echo": X} and answers {"type": "echo_ok", "echo": X}. */
#define DLAB_IMPLEMENTATION
#include "dlab.h"

/* Your code comes here. A handler is a function that gets the message:
 *
 *	static void on_echo(struct dlab *d, const struct dlab_msg *m, void *arg)
 *
 * The request is m->body; read it with dlab_get. Build the answer with dlab_body and dlab_put, and send it with
 * dlab_reply. dlab.h says what else there is. */

int main(void)
{
	struct dlab *d = dlab_new();
	/* And here: dlab_on(d, "echo", on_echo, NULL); */
	return dlab_run(d);
}
