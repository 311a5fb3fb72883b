/* exactly-once: `add {delta}` on any node must count once, on the counter of n1. `read {}` gives its value. */
#define DLAB_IMPLEMENTATION
#include "dlab.h"

struct node {
	int64_t value; /* as it stands, every node counts for itself */
};

static void on_add(struct dlab *d, const struct dlab_msg *m, void *arg)
{
	struct node *node = arg;
	node->value += dlab_int(dlab_get(m->body, "delta"), 0);
	/* Your code comes here. Only n1 may count: a node that is not n1 (dlab_node_id) hands the add to n1 and answers the
	 * client when n1 has answered. dlab_rpc(d, "n1", body, on_answer, arg, timeout_ms) sends a request; on_answer gets
	 * the answer, or one of the type "error" when none came in time. A message lives until its handler returns: copy
	 * the client's src and msg_id to answer later. */
	dlab_reply(d, m, dlab_body(d, "add_ok"));
}

static void on_read(struct dlab *d, const struct dlab_msg *m, void *arg)
{
	const struct node *node = arg;
	struct dlab_text *body = dlab_body(d, "read_ok");
	dlab_put_int(body, "value", node->value);
	dlab_reply(d, m, body);
}

int main(void)
{
	struct node node = { 0 };
	struct dlab *d = dlab_new();
	dlab_on(d, "add", on_add, &node);
	dlab_on(d, "read", on_read, &node);
	return dlab_run(d);
}
