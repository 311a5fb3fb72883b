/* probe: uses every verb of the SDK on demand. The probes in C, Go and Python do the same. */
#define DLAB_IMPLEMENTATION
#include "dlab.h"
#include "dlab.h" /* as when a header of the learner's has it too */

static void on_init(struct dlab *d, const struct dlab_msg *m, void *arg)
{
	(void)m;
	int64_t *lives = arg;
	*lives = dlab_int(dlab_load(d, "lives"), 0) + 1;
	struct dlab_text *number = dlab_array(d);
	dlab_put_int(number, NULL, *lives);
	struct dlab_json item = { 0 };
	dlab_next(dlab_as_json(number), &item);
	dlab_save(d, "lives", item);
	dlab_log(d, "life %d of %s", (int)*lives, dlab_node_id(d));
}

static void on_echo(struct dlab *d, const struct dlab_msg *m, void *arg)
{
	(void)arg;
	struct dlab_text *body = dlab_body(d, "echo_ok");
	dlab_put(body, "echo", dlab_get(m->body, "echo"));
	dlab_reply(d, m, body);
}

static void on_who(struct dlab *d, const struct dlab_msg *m, void *arg)
{
	const int64_t *lives = arg;
	struct dlab_text *body = dlab_body(d, "who_ok"), *ids = dlab_array(d);
	for (size_t i = 0; i < dlab_node_count(d); i++)
		dlab_put_string(ids, NULL, dlab_node(d, i));
	dlab_put_string(body, "id", dlab_node_id(d));
	dlab_put(body, "ids", dlab_as_json(ids));
	dlab_put(body, "config", dlab_config(d));
	dlab_put_int(body, "now", dlab_now(d));
	dlab_put_int(body, "lives", *lives);
	dlab_reply(d, m, body);
}

static void on_refuse(struct dlab *d, const struct dlab_msg *m, void *arg)
{
	(void)arg;
	dlab_reply_error(d, m, 22, "no \"way\"\n");
}

static void on_two(struct dlab *d, const struct dlab_msg *m, void *arg)
{
	(void)arg;
	dlab_send(d, "n2", dlab_body(d, "one"));
	dlab_send(d, "n3", dlab_body(d, "two"));
	dlab_reply(d, m, dlab_body(d, "two_ok"));
}

static void on_ring(struct dlab *d, const struct dlab_msg *m, void *arg)
{
	(void)m;
	struct dlab_text *body = dlab_body(d, "fired");
	dlab_put_string(body, "name", arg);
	dlab_put_int(body, "now", dlab_now(d));
	dlab_send(d, "c9", body);
	free(arg);
}

static void on_arm(struct dlab *d, const struct dlab_msg *m, void *arg)
{
	(void)arg;
	const char *given = dlab_string(d, dlab_get(m->body, "name"));
	char *name = strdup(given ? given : "");
	dlab_timer(d, name, dlab_int(dlab_get(m->body, "after"), 0), on_ring, name);
}

static void on_stop(struct dlab *d, const struct dlab_msg *m, void *arg)
{
	(void)arg;
	const char *name = dlab_string(d, dlab_get(m->body, "name"));
	dlab_cancel_timer(d, name ? name : "");
}

static void on_answer(struct dlab *d, const struct dlab_msg *m, void *arg)
{
	(void)arg;
	struct dlab_text *body = dlab_body(d, "got");
	dlab_put_string(body, "from", m->src);
	dlab_put_string(body, "answer", m->type);
	dlab_put_int(body, "code", dlab_int(dlab_get(m->body, "code"), -1));
	dlab_put_int(body, "now", dlab_now(d));
	dlab_send(d, "c9", body);
}

static void on_ask(struct dlab *d, const struct dlab_msg *m, void *arg)
{
	(void)arg;
	const char *of = dlab_string(d, dlab_get(m->body, "of"));
	dlab_rpc(d, of ? of : "n2", dlab_body(d, "question"), on_answer, NULL,
		dlab_int(dlab_get(m->body, "timeout"), 0));
}

static void on_chance(struct dlab *d, const struct dlab_msg *m, void *arg)
{
	(void)arg;
	struct dlab_text *body = dlab_body(d, "chance_ok"), *ints = dlab_array(d);
	for (int i = 0; i < 3; i++)
		dlab_put_int(ints, NULL, (int64_t)dlab_random(d, 1000));
	dlab_put(body, "ints", dlab_as_json(ints));
	dlab_put_double(body, "unit", dlab_random_unit(d));
	dlab_reply(d, m, body);
}

static void on_report(struct dlab *d, const struct dlab_msg *m, void *arg)
{
	(void)m, (void)arg;
	struct dlab_text *body = dlab_body(d, "state");
	dlab_put_string(body, "role", "leader");
	dlab_put_int(body, "term", 3);
	dlab_state(d, body);
	body = dlab_body(d, "apply");
	dlab_put_int(body, "index", 7);
	dlab_apply(d, body);
}

static void on_put(struct dlab *d, const struct dlab_msg *m, void *arg)
{
	(void)arg;
	struct dlab_text *body = dlab_body(d, "put_ok");
	dlab_put_bool(body, "kept", dlab_save(d, "value", dlab_get(m->body, "value")));
	dlab_reply(d, m, body);
}

static void on_fetch(struct dlab *d, const struct dlab_msg *m, void *arg)
{
	(void)arg;
	struct dlab_text *body = dlab_body(d, "fetch_ok");
	dlab_put(body, "value", dlab_load(d, "value"));
	dlab_reply(d, m, body);
}

int main(void)
{
	static const struct {
		const char *type;
		dlab_handler *handler;
	} table[] = { { "init", on_init }, { "echo", on_echo }, { "who", on_who }, { "refuse", on_refuse },
		{ "two", on_two }, { "arm", on_arm }, { "stop", on_stop }, { "ask", on_ask }, { "chance", on_chance },
		{ "report", on_report }, { "put", on_put }, { "fetch", on_fetch } };
	int64_t lives = 0;
	struct dlab *d = dlab_new();
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
		dlab_on(d, table[i].type, table[i].handler, &lives);
	return dlab_run(d);
}
