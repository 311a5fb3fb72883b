/* Any bytes as a run file: an error with a sentence, or data that can be read. For libFuzzer, or a main that
 * hands over a file. */
#include "store.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void put_file(const char *path, const uint8_t *bytes, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		abort();
	while (n > 0) {
		ssize_t wrote = write(fd, bytes, n);
		if (wrote <= 0)
			abort();
		bytes += wrote;
		n -= (size_t)wrote;
	}
	close(fd);
}

static void remove_files(const char *path)
{
	static const char *const ends[] = { "", "-wal", "-shm", "-journal" };
	char name[100];
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		snprintf(name, sizeof name, "%s%s", path, ends[i]);
		unlink(name);
	}
}

/* Whatever was accepted must be safe to use. */
static void use(const struct store_loaded *run)
{
	struct buf line = BUF_EMPTY;
	uint32_t clock[LANES_MAX];
	for (uint64_t i = 1; i <= trace_count(run->trace); i++) {
		const struct event *e = trace_at(run->trace, i);
		line.n = 0;
		trace_print_event(&line, run->trace, e);
		trace_clock(run->trace, e, clock);
		trace_body(run->trace, e);
	}
	for (size_t i = 0; i < history_count(run->history); i++) {
		const struct op *op = history_at(run->history, i);
		line.n = 0;
		buf_printf(&line, "%s %s %s ", op->f, op_status_name(op->status), lane_name(&run->lanes, op->node));
		buf_slice(&line, op->request);
		buf_slice(&line, op->answer);
	}
	buf_done(&line);
}

static void read_pages(struct store_run *r)
{
	struct event page[32];
	uint32_t clock[LANES_MAX];
	struct arena arena;
	struct err err;
	arena_init(&arena);
	int n = store_page(r, 1, page, (int)ARRAY_LEN(page), &arena, &err);
	for (int i = 0; i < n; i++) {
		store_clock(r, &page[i], clock);
		store_type(r, page[i].type);
	}
	arena_done(&arena);
}

static void must_say_why(const struct err *err)
{
	if (!err->text[0])
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	char dir[] = "/dev/shm/fuzz_store.XXXXXX", path[64];
	if (!mkdtemp(dir))
		abort();
	snprintf(path, sizeof path, "%s/run.db", dir);
	put_file(path, bytes, n);
	struct err err = { "" };
	struct store_loaded run;
	uint64_t evidence[10];
	struct store_run *r = store_open(path, &err);
	if (!r) {
		must_say_why(&err);
	} else {
		store_meta_get(r, STORE_COMMAND);
		store_evidence(r, evidence, ARRAY_LEN(evidence));
		read_pages(r);
		if (store_load(r, &run, &err) == 0) {
			use(&run);
			store_loaded_done(&run);
		} else {
			must_say_why(&err);
		}
		store_close(r);
	}
	remove_files(path);
	rmdir(dir);
	return 0;
}
