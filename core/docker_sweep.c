#include "docker_sweep.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SESSION_LIMIT_MS = 10000, PAUSE_MS = 50, OWNER_MAX = 160 };

/* --- owners --- */

/* Field 22 of /proc/<pid>/stat; 0: there is no such process, or it has ended. */
static unsigned long long started_at(long pid)
{
	char path[48], text[1024];
	snprintf(path, sizeof path, "/proc/%ld/stat", pid);
	FILE *f = fopen(path, "r");
	size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
	if (f)
		fclose(f);
	text[n] = '\0';
	const char *at = strrchr(text, ')');
	if (!at || at[1] == '\0' || at[2] == 'Z' || at[2] == 'X')
		return 0;
	for (int field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	return at ? strtoull(at, NULL, 10) : 0;
}

static unsigned long long pid_namespace(void)
{
	struct stat st;
	return stat("/proc/self/ns/pid", &st) == 0 ? (unsigned long long)st.st_ino : 0;
}

static void owner_print(char out[OWNER_MAX])
{
	char boot[BOOT_ID_MAX];
	boot_id(boot);
	snprintf(out, OWNER_MAX, "%ld %llu %llu %s", (long)getpid(), started_at(getpid()), pid_namespace(), boot);
}

static bool owner_is_dead(const char *owner)
{
	long pid;
	unsigned long long start, space;
	char boot[BOOT_ID_MAX], ours[BOOT_ID_MAX];
	if (sscanf(owner, "%ld %llu %llu %63s", &pid, &start, &space, boot) != 4)
		return true; /* nothing of ours looks so; half a label is nobody's */
	boot_id(ours);
	if (strcmp(boot, ours) != 0)
		return true;
	return space == pid_namespace() && started_at(pid) != start;
}

json_t *docker_labels(const char *run, const char *session, const char *node, const char *role)
{
	char owner[OWNER_MAX];
	owner_print(owner);
	json_t *o = json_pack("{s:s, s:s, s:s}", DOCKER_LABEL_RUN, run, DOCKER_LABEL_SESSION, session, DOCKER_LABEL_OWNER, owner);
	if (node)
		json_object_set_new(o, DOCKER_LABEL_NODE, json_string(node));
	if (role)
		json_object_set_new(o, DOCKER_LABEL_ROLE, json_string(role));
	return o;
}

/* --- what there is --- */

static const struct kind {
	const char *list;    /* path and query, up to the filter */
	const char *array;   /* the member that holds the list; NULL: the answer is the list */
	const char *id;      /* the member that names a thing */
	const char *folder, *query; /* of a removal: folder, name, query */
} kinds[] = {
	{ "/containers/json?all=1&filters=", NULL, "Id", "/containers/", "?force=1&v=1" },
	{ "/networks?filters=", NULL, "Id", "/networks/", "" },
	{ "/volumes?filters=", "Volumes", "Name", "/volumes/", "?force=1" },
};
enum { KINDS = ARRAY_LEN(kinds) };

/* Things of one kind with the label (and value, when that is not NULL); owned. NULL and an error. */
static json_t *list(struct docker *d, const struct kind *k, const char *label, const char *value, struct err *e)
{
	json_t *doc = NULL;
	/* The filter is {"label":["a=b"]}, as a query may hold it. */
	if (docker_do(d, "GET", NULL, &doc, e, "%s%%7B%%22label%%22%%3A%%5B%%22%s%s%s%%22%%5D%%7D", k->list, label, value ? "%3D" : "",
			value ? value : "") != 0)
		return NULL;
	json_t *array = k->array ? json_incref(json_get(doc, k->array)) : json_incref(doc);
	json_decref(doc);
	return json_is_array(array) ? array : (json_decref(array), json_array());
}

/* Asks for all removals at once. Some are refused while another is under way: the caller looks again. */
static void remove_all(struct docker *d, const struct kind *k, const json_t *things)
{
	size_t n = json_array_size(things);
	struct docker_call *calls = xcalloc(n + 1, sizeof *calls);
	struct err ignored;
	for (size_t i = 0; i < n; i++)
		docker_send(d, &calls[i], "DELETE", NULL, "%s%s%s", k->folder, json_get_string(json_array_get(things, i), k->id, ""), k->query);
	docker_finish(d, calls, n, &ignored);
	for (size_t i = 0; i < n; i++)
		docker_call_done(&calls[i]);
	free(calls);
}

/* --- sweeping --- */

int docker_sweep_label(struct docker *d, const char *label, const char *value, int limit_ms, struct err *e)
{
	int64_t limit = clock_ns() + limit_ms * NS_PER_MS;
	for (;;) {
		size_t left = 0;
		for (size_t i = 0; i < KINDS; i++) {
			json_t *things = list(d, &kinds[i], label, value, e);
			if (!things)
				return -1;
			left += json_array_size(things);
			remove_all(d, &kinds[i], things);
			json_decref(things);
		}
		if (left == 0)
			return 0;
		if (clock_ns() > limit)
			return err_set(e, "%zu things of %s=%s are still there in Docker; try `dlab clean`", left, label, value ? value : "");
		poll(NULL, 0, PAUSE_MS);
	}
}

static void keep_dead(json_t *things)
{
	for (size_t i = json_array_size(things); i-- > 0;) {
		const char *owner = json_get_string(json_get(json_array_get(things, i), "Labels"), DOCKER_LABEL_OWNER, "");
		if (!owner_is_dead(owner))
			json_array_remove(things, i);
	}
}

static int sweep_round(struct docker *d, bool dry, int found[KINDS], struct err *e)
{
	for (size_t i = 0; i < KINDS; i++) {
		json_t *things = list(d, &kinds[i], DOCKER_LABEL_RUN, NULL, e);
		if (!things)
			return -1;
		keep_dead(things);
		found[i] = (int)json_array_size(things);
		if (!dry && found[i])
			remove_all(d, &kinds[i], things);
		json_decref(things);
	}
	return 0;
}

int docker_sweep(struct docker *d, bool dry, struct docker_swept *swept, struct err *e)
{
	int first[KINDS], again[KINDS];
	int64_t limit = clock_ns() + SESSION_LIMIT_MS * NS_PER_MS;
	if (sweep_round(d, dry, first, e) != 0)
		return -1;
	*swept = (struct docker_swept){ first[0], first[1], first[2] };
	for (bool left = first[0] || first[1] || first[2]; left && !dry;) {
		if (sweep_round(d, false, again, e) != 0)
			return -1;
		left = again[0] || again[1] || again[2];
		if (left && clock_ns() > limit)
			return err_set(e, "Docker does not remove what an earlier run has left: look at `docker ps -a --filter label=%s`",
				DOCKER_LABEL_RUN);
		if (left)
			poll(NULL, 0, PAUSE_MS);
	}
	return 0;
}

void docker_sweep_session(const char *session)
{
	struct err e;
	struct docker *d = docker_open(&e);
	if (d)
		docker_sweep_label(d, DOCKER_LABEL_SESSION, session, SESSION_LIMIT_MS, &e);
	docker_close(d);
}
