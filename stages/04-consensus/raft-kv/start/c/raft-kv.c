/* raft-kv: `read {key}`, `write {key, value}` and `cas {key, from, to}` on any node; all nodes hold one map. */
#define DLAB_IMPLEMENTATION
#include "dlab.h"

#include <string.h>

enum { PAIRS_MAX = 1000 };

struct pair {
	int64_t key, value;
};

struct node {
	struct pair pair[PAIRS_MAX]; /* as it stands, every node has a map of its own */
	size_t pairs;
};

static struct pair *find(struct node *n, int64_t key)
{
	for (size_t i = 0; i < n->pairs; i++)
		if (n->pair[i].key == key)
			return &n->pair[i];
	return NULL;
}

static struct dlab_text *error(struct dlab *d, int code, const char *text)
{
	struct dlab_text *body = dlab_body(d, "error");
	dlab_put_int(body, "code", code);
	dlab_put_string(body, "text", text);
	return body;
}

/* The state machine: carries out one operation, and returns the answer. */
static struct dlab_text *execute(struct dlab *d, struct node *n, const char *type, struct dlab_json op)
{
	int64_t key = dlab_int(dlab_get(op, "key"), 0);
	struct pair *p = find(n, key);
	if (strcmp(type, "write") == 0) {
		if (!p && n->pairs == PAIRS_MAX)
			return error(d, 11, "no room");
		if (!p)
			p = &n->pair[n->pairs++];
		*p = (struct pair){ key, dlab_int(dlab_get(op, "value"), 0) };
		return dlab_body(d, "write_ok");
	}
	if (!p)
		return error(d, 20, "no such key");
	if (strcmp(type, "read") == 0) {
		struct dlab_text *body = dlab_body(d, "read_ok");
		dlab_put_int(body, "value", p->value);
		return body;
	}
	if (p->value != dlab_int(dlab_get(op, "from"), 0))
		return error(d, 22, "another value");
	p->value = dlab_int(dlab_get(op, "to"), 0);
	return dlab_body(d, "cas_ok");
}

static void on_request(struct dlab *d, const struct dlab_msg *m, void *arg)
{
	struct node *n = arg;
	/* Your code comes here. A node that does not lead answers error 11. The leader puts the request into its log, and answers
	 * when the entry is committed and applied: with execute(), once for each pair of session and seq. A message lives until
	 * its handler returns: copy the client's src and msg_id to answer later. */
	dlab_reply(d, m, execute(d, n, m->type, m->body));
}

int main(void)
{
	static struct node node;
	struct dlab *d = dlab_new();
	dlab_on(d, "read", on_request, &node);
	dlab_on(d, "write", on_request, &node);
	dlab_on(d, "cas", on_request, &node);
	return dlab_run(d);
}
