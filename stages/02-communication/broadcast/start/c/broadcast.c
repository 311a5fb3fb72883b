/* broadcast: a value that one node was given must reach all nodes.
 *
 * A client sends {"type": "broadcast", "message": 7} to one node and {"type": "read"} to any. */
#define DLAB_IMPLEMENTATION
#include "dlab.h"

struct node {
	int64_t *values;
	size_t n;
};

static void on_topology(struct dlab *d, const struct dlab_msg *m, void *arg)
{
	(void)arg;
	/* The body's "topology" says who your neighbours could be. You may as well choose your own. */
	dlab_reply(d, m, dlab_body(d, "topology_ok"));
}

static void on_broadcast(struct dlab *d, const struct dlab_msg *m, void *arg)
{
	struct node *node = arg;
	node->values = realloc(node->values, (node->n + 1) * sizeof *node->values);
	if (!node->values)
		abort();
	node->values[node->n++] = dlab_int(dlab_get(m->body, "message"), 0);
	/* Your code comes here. The other nodes (dlab_node) must learn the value too. The network may lose what you send,
	 * so ask for an answer: dlab_rpc. */
	dlab_reply(d, m, dlab_body(d, "broadcast_ok"));
}

static void on_read(struct dlab *d, const struct dlab_msg *m, void *arg)
{
	const struct node *node = arg;
	struct dlab_text *list = dlab_array(d), *body = dlab_body(d, "read_ok");
	for (size_t i = 0; i < node->n; i++)
		dlab_put_int(list, NULL, node->values[i]);
	dlab_put(body, "messages", dlab_as_json(list));
	dlab_reply(d, m, body);
}

int main(void)
{
	struct node node = { 0 };
	struct dlab *d = dlab_new();
	dlab_on(d, "topology", on_topology, NULL);
	dlab_on(d, "broadcast", on_broadcast, &node);
	dlab_on(d, "read", on_read, &node);
	return dlab_run(d);
}
