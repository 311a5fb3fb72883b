/* unique-ids: identifiers that no two nodes ever give out, and no node twice.
 *
 * An id is <node>-<life>-<count>. The node's name keeps nodes apart without a word between them, so a partition
 * changes nothing. The count keeps the ids of one life apart. The count is lost in a crash: the life, one more
 * at every start and on the disk before the first id goes out, keeps lives apart. */
#define DLAB_IMPLEMENTATION
#include "dlab.h"

struct ids {
	int64_t life, count;
};

static int64_t wall_clock_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void on_init(struct dlab *d, const struct dlab_msg *m, void *arg)
{
	(void)m;
	struct ids *ids = arg;
	ids->life = dlab_int(dlab_load(d, "life"), 0) + 1;
	char text[24];
	int n = snprintf(text, sizeof text, "%lld", (long long)ids->life);
	if (!dlab_save(d, "life", (struct dlab_json){ text, (size_t)n }))
		ids->life = wall_clock_ns(); /* no disk to remember lives (not dlab): a start is later than the one before */
}

static void on_generate(struct dlab *d, const struct dlab_msg *m, void *arg)
{
	struct ids *ids = arg;
	char id[128];
	snprintf(id, sizeof id, "%s-%lld-%lld", dlab_node_id(d), (long long)ids->life, (long long)++ids->count);
	struct dlab_text *body = dlab_body(d, "generate_ok");
	dlab_put_string(body, "id", id);
	dlab_reply(d, m, body);
}

int main(void)
{
	struct ids ids = { 0 };
	struct dlab *d = dlab_new();
	dlab_on(d, "init", on_init, &ids);
	dlab_on(d, "generate", on_generate, &ids);
	return dlab_run(d);
}
