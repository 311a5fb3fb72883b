/* unique-ids: your node gets {"type": "generate"} and answers {"type": "generate_ok", "id": ...}. No id is ever given
 * twice: not by this node, not by another, not after a crash. */
#define DLAB_IMPLEMENTATION
#include "dlab.h"

static void on_generate(struct dlab *d, const struct dlab_msg *m, void *arg)
{
	(void)arg;
	/* Your code comes here. What makes an id that no other node gives, and that this node gave never before?
	 * Useful: dlab_node_id, dlab_load, dlab_save. */
	dlab_reply_error(d, m, 11, "this node cannot make ids yet");
}

int main(void)
{
	struct dlab *d = dlab_new();
	dlab_on(d, "generate", on_generate, NULL);
	return dlab_run(d);
}
