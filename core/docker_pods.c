#include "docker_pods.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent_id.h" /* made by the Makefile */
#include "docker_sweep.h"
#include "guard.h"

#define HARNESS_FOLDER "/dlab-harness" /* docker/pod.h */

enum { SUBNETS = 256, FIRST_HOST = 10, NOBODY = 65532, AGENT_MEMORY_MB = 256, CLOSE_LIMIT_MS = 10000, MOUNTS_MAX = 24, FIRST_PORT = 10000, PORTS = 20000 };

const char *pods_agent_image(void)
{
	return "dlab-agent:" DLAB_VERSION;
}

/* --- the image --- */

/* What is wrong with an image, as a sentence without its subject; NULL: nothing. An engine that does not answer is `e`. */
static const char *image_fault(struct docker *d, const char *image, const char *agent_id, struct err *e)
{
	struct docker_call call = { 0 };
	docker_send(d, &call, "GET", NULL, "/images/%s/json", image);
	const char *fault = docker_finish(d, &call, 1, e) == 0 ? NULL : call.status == 404 ? "is not there" : e->text;
	if (!fault && agent_id) {
		json_t *doc = json_read(buf_as_slice(&call.reply), e);
		const json_t *labels = json_get(json_get(doc, "Config"), "Labels");
		if (strcmp(json_get_string(labels, "org.dlab.agent", ""), agent_id) != 0)
			fault = "holds the agents of another dlab";
		json_decref(doc);
	}
	docker_call_done(&call);
	return fault;
}

const char *pods_agent_image_fault(struct docker *d, struct err *e)
{
	return image_fault(d, pods_agent_image(), AGENT_ID, e);
}

static int refuse_image(const char *image, const char *fault, const char *advice, struct err *e)
{
	if (fault && fault != e->text)
		err_set(e, "the Docker image %s %s: %s", image, fault, advice);
	return fault ? -1 : 0;
}

static int need_images(struct pods *p, struct err *e)
{
	const char *own = p->cluster->image;
	if (refuse_image(pods_agent_image(), pods_agent_image_fault(p->docker, e), "`make image` in dlab's folder builds it (`make image "
		"BASE=IMAGE` from an image that is here, where nothing can be pulled)", e) != 0)
		return -1;
	return own ? refuse_image(own, image_fault(p->docker, own, NULL, e), "pull or build it first (`docker pull`)", e) : 0;
}

/* --- the network --- */

static json_t *network_body(const struct pods *p, int subnet)
{
	char range[24];
	snprintf(range, sizeof range, "10.199.%d.0/24", subnet);
	return json_pack("{s:s, s:b, s:b, s:{s:s}, s:{s:[{s:s}]}, s:o}", "Name", p->run, "Internal", 1, "CheckDuplicate", 1,
		"Options", "com.docker.network.driver.mtu", "65535", "IPAM", "Config", "Subnet", range,
		"Labels", docker_labels(p->run, p->cluster->marker, NULL, NULL));
}

/* Another run, or another program, may have a range already: then the next one. */
static int make_network(struct pods *p, struct err *e)
{
	uint64_t first = hash_bytes(0, p->run, strlen(p->run));
	for (int i = 0; i < SUBNETS; i++) {
		int subnet = (int)((first + (uint64_t)i) % SUBNETS);
		if (docker_do(p->docker, "POST", network_body(p, subnet), NULL, e, "/networks/create") == 0) {
			for (int n = 0; n < p->count; n++)
				snprintf(p->address[n], sizeof p->address[n], "10.199.%u.%u", (unsigned)subnet & 0xff, (unsigned)(FIRST_HOST + n) & 0xff);
			return 0;
		}
		if (!strstr(e->text, "overlap"))
			return err_wrap(e, "cannot make a network");
	}
	return err_set(e, "every range from 10.199.0.0/24 to 10.199.255.0/24 is taken: `docker network prune` removes unused networks");
}

/* --- what both containers have --- */

const char *pod_owner(const struct pods *p, int pod)
{
	return pod < p->cluster->lanes->nodes ? lane_name(p->cluster->lanes, pod) : "the clients";
}

static bool is_clients(const struct pods *p, int pod)
{
	return pod == p->cluster->lanes->nodes;
}

static json_t *labels_of(const struct pods *p, int pod, const char *role)
{
	return docker_labels(p->run, p->cluster->marker, is_clients(p, pod) ? "clients" : lane_name(p->cluster->lanes, pod), role);
}

static json_t *volume_mount(const struct pods *p, int node)
{
	char options[32];
	snprintf(options, sizeof options, "size=%dm,mode=0755", POD_DISK_MB);
	return json_pack("{s:s, s:s, s:s, s:{s:b, s:o, s:{s:s, s:{s:s, s:s, s:s}}}}", "Type", "volume", "Source", p->pod[node].name,
		"Target", "/dlab", "VolumeOptions", "NoCopy", 1, "Labels",
		labels_of(p, node, NULL), "DriverConfig", "Name", "local", "Options", "type", "tmpfs", "device", "tmpfs", "o", options);
}

static json_t *host_config(int memory_mb, int processes, json_t *mounts)
{
	return json_pack("{s:[s], s:[s], s:b, s:I, s:I, s:i, s:{s:s}, s:o}", "CapDrop", "ALL", "SecurityOpt", "no-new-privileges",
		"ReadonlyRootfs", 1, "Memory", (json_int_t)memory_mb << 20, "MemorySwap", (json_int_t)memory_mb << 20,
		"PidsLimit", processes, "LogConfig", "Type", "none", "Mounts", mounts);
}

/* --- the agent's container --- */

/* For nft and tc the first would do; iptables wants a raw socket to speak to the kernel. */
static void add_rights(json_t *host)
{
	json_object_set_new(host, "CapAdd", json_pack("[s, s]", "NET_ADMIN", "NET_RAW"));
}

static void print_addresses(struct buf *b, const struct pods *p)
{
	for (int i = 0; i < p->count; i++)
		buf_printf(b, "%s%s", i ? "," : "", p->address[i]);
}

static json_t *agent_command(const struct pods *p, int node)
{
	char me[12], first[12], port[12], token[24];
	struct buf addresses = BUF_EMPTY;
	print_addresses(&addresses, p);
	snprintf(me, sizeof me, "%d", node);
	snprintf(first, sizeof first, "%d", p->cluster->lanes->first);
	snprintf(port, sizeof port, "%d", POD_PORT);
	snprintf(token, sizeof token, "%llx", (unsigned long long)p->token);
	json_t *words = json_pack("[s, s, s, s, s, s]", "pod", me, first, port, token, buf_cstr(&addresses));
	buf_done(&addresses);
	if (is_clients(p, node))
		json_array_append_new(words, json_string("clients"));
	return words;
}

/* A connection that waited out a long cut is to go on soon after it: the kernel's own pause would be two minutes. */
static json_t *tcp_settings(void)
{
	static const char longest[] = "net.ipv4.tcp_rto_max_ms"; /* since Linux 6.15 */
	json_t *o = json_pack("{s:s}", "net.ipv4.tcp_retries2", "120");
	if (access("/proc/sys/net/ipv4/tcp_rto_max_ms", F_OK) == 0)
		json_object_set_new(o, longest, json_string("1000"));
	return o;
}

static json_t *agent_body(const struct pods *p, int node)
{
	json_t *mounts = json_pack("[o]", volume_mount(p, node));
	if (is_clients(p, node))
		json_array_append_new(mounts, json_pack("{s:s, s:s, s:s, s:b}", "Type", "bind", "Source", p->dial.folder, "Target", HARNESS_FOLDER,
			"ReadOnly", 1));
	json_t *host = host_config(AGENT_MEMORY_MB, POD_PROCESSES, mounts);
	if (p->port)
		json_object_set_new(host, "Sysctls", tcp_settings());
	add_rights(host);
	json_object_set_new(host, "AutoRemove", json_true());
	json_object_set_new(host, "CpuShares", json_integer(4096)); /* a busy node must not slow its network */
	json_object_set_new(host, "NetworkMode", json_string(p->run));
	return json_pack("{s:s, s:o, s:s, s:b, s:b, s:b, s:b, s:b, s:o, s:o, s:{s:{s:{s:{s:s}}}}}", "Image", pods_agent_image(),
		"Cmd", agent_command(p, node), "Hostname", is_clients(p, node) ? "clients" : lane_name(p->cluster->lanes, node), "OpenStdin", 1, "StdinOnce", 1,
		"AttachStdin", 1, "AttachStdout", 1, "AttachStderr", 1,
		"Labels", labels_of(p, node, "agent"), "HostConfig", host,
		"NetworkingConfig", "EndpointsConfig", p->run, "IPAMConfig", "IPv4Address", p->address[node]);
}

/* --- the learner's container --- */

static bool is_below(const char *path, const char *folder)
{
	size_t n = strlen(folder);
	return strncmp(path, folder, n) == 0 && (path[n] == '\0' || path[n] == '/');
}

/* Folders that an image has itself. */
static bool is_system(const char *path)
{
	static const char *const folders[] = { "/bin", "/boot", "/dev", "/dlab", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/proc",
		"/run", "/sbin", "/sys", "/usr", "/var" };
	for (size_t i = 0; i < ARRAY_LEN(folders); i++)
		if (is_below(path, folders[i]))
			return true;
	return strcmp(path, "/") == 0;
}

/* True when the program is what our PATH gives for its name: then it was typed as a name, and the image's own PATH is asked. */
static bool is_of_path(const char *program)
{
	const char *name = strrchr(program, '/');
	char *copy = xstrdup(getenv("PATH") ? getenv("PATH") : ""), *rest = copy, *found = NULL;
	for (char *one; name && !found && (one = strsep(&rest, ":"));) {
		found = xasprintf("%s%s", one, name);
		if (access(found, X_OK) != 0) {
			free(found);
			found = NULL;
		}
	}
	bool same = found && strcmp(found, program) == 0;
	free(found);
	free(copy);
	return same;
}

/* Folders of the host that a node may read, at their own paths. */
struct folders {
	char *path[MOUNTS_MAX]; /* owned */
	int n;
};

static void folders_add(struct folders *f, const char *path)
{
	char *real = realpath(path, NULL);
	bool wanted = real && !is_system(real) && f->n < MOUNTS_MAX;
	for (int i = 0; i < f->n && wanted; i++)
		wanted = !is_below(real, f->path[i]);
	if (wanted)
		f->path[f->n++] = real;
	else
		free(real);
}

static void folders_add_file(struct folders *f, const char *word)
{
	struct stat st;
	if (word[0] != '/' || stat(word, &st) != 0)
		return;
	char *folder = xstrdup(word);
	if (!S_ISDIR(st.st_mode) && strrchr(folder, '/') != folder)
		*strrchr(folder, '/') = '\0';
	folders_add(f, folder);
	free(folder);
}

static void folders_done(struct folders *f)
{
	for (int i = 0; i < f->n; i++)
		free(f->path[i]);
}

static void folders_of_variable(struct folders *f, const char *name)
{
	char *copy = xstrdup(getenv(name) ? getenv(name) : ""), *rest = copy;
	for (char *one; (one = strsep(&rest, ":"));)
		folders_add_file(f, one);
	free(copy);
}

static void folders_find(struct folders *f, const struct cluster *c)
{
	folders_add(f, c->cwd);
	for (char *const *word = c->argv + is_of_path(c->argv[0]); *word; word++)
		folders_add_file(f, *word);
	folders_of_variable(f, "PYTHONPATH");
}

static json_t *node_mounts(const struct pods *p, int node)
{
	struct folders f = { .n = 0 };
	json_t *mounts = json_pack("[o]", volume_mount(p, node));
	folders_find(&f, p->cluster);
	for (int i = 0; i < f.n; i++)
		json_array_append_new(mounts, json_pack("{s:s, s:s, s:s, s:b}", "Type", "bind", "Source", f.path[i], "Target", f.path[i],
			"ReadOnly", 1));
	folders_done(&f);
	return mounts;
}

static json_t *node_command(const struct cluster *c)
{
	const char *program = c->argv[0];
	json_t *words = json_array();
	json_array_append_new(words, json_string(is_of_path(program) ? strrchr(program, '/') + 1 : program));
	for (char *const *word = c->argv + 1; *word; word++)
		json_array_append_new(words, json_string(*word));
	return words;
}

static void add_variable(json_t *env, const char *name, const char *value)
{
	char *text = xasprintf("%s=%s", name, value);
	json_array_append_new(env, json_string(text));
	free(text);
}

/* As on proc, but each node has an address of its own. */
static void add_addresses(json_t *env, const struct pods *p, int node)
{
	struct buf b = BUF_EMPTY;
	buf_printf(&b, "%s:%d", p->address[node], p->port);
	add_variable(env, "DLAB_LISTEN", buf_cstr(&b));
	b.n = 0;
	for (int i = 0; i < p->cluster->lanes->nodes; i++)
		buf_printf(&b, "%s%s=%s:%d", i ? "," : "", lane_name(p->cluster->lanes, i), p->address[i], p->port);
	add_variable(env, "DLAB_PEERS", buf_cstr(&b));
	buf_done(&b);
}

static json_t *node_environment(const struct pods *p, int node)
{
	json_t *env = json_array();
	add_variable(env, "DLAB_NODE", lane_name(p->cluster->lanes, node));
	add_variable(env, "DLAB_DATA_DIR", "/dlab/data");
	add_variable(env, GUARD_VARIABLE, p->cluster->marker);
	add_variable(env, "HOME", "/tmp");
	add_variable(env, "PYTHONDONTWRITEBYTECODE", "1");
	if (p->port)
		add_addresses(env, p, node);
	if (getenv("PYTHONPATH"))
		add_variable(env, "PYTHONPATH", getenv("PYTHONPATH"));
	return env;
}

static json_t *node_body(const struct pods *p, int node)
{
	char user[32], network[96], tmp[32];
	char *cwd = realpath(p->cluster->cwd, NULL);
	unsigned uid = geteuid() ? geteuid() : NOBODY, gid = geteuid() ? getegid() : NOBODY;
	snprintf(user, sizeof user, "%u:%u", uid, gid);
	snprintf(network, sizeof network, "container:%s", p->pod[node].agent);
	snprintf(tmp, sizeof tmp, "size=%dm,mode=1777", POD_TMP_MB);
	json_t *host = host_config(POD_MEMORY_MB, POD_PROCESSES, node_mounts(p, node));
	json_object_set_new(host, "NetworkMode", json_string(network));
	json_object_set_new(host, "OomScoreAdj", json_integer(500));
	json_object_set_new(host, "Ulimits", json_pack("[{s:s, s:i, s:i}]", "Name", "nofile", "Soft", POD_FILES, "Hard", POD_FILES));
	if (!cwd || strcmp(cwd, "/tmp") != 0)
		json_object_set_new(host, "Tmpfs", json_pack("{s:s}", "/tmp", tmp));
	json_t *body = json_pack("{s:s, s:[s, s], s:o, s:s, s:s, s:o, s:o, s:o}", "Image",
		p->cluster->image ? p->cluster->image : pods_agent_image(), "Entrypoint", "/dlab/dlab-agent", "node",
		"Cmd", node_command(p->cluster), "User", user, "WorkingDir", cwd ? cwd : "/", "Env", node_environment(p, node),
		"Labels", labels_of(p, node, "node"), "HostConfig", host);
	free(cwd);
	return body;
}

/* The learner's container runs as somebody else when we are root; that one must be able to read the files. */
static int check_folders(const struct pods *p, struct err *e)
{
	struct folders f = { .n = 0 };
	struct stat st;
	int rc = 0;
	char *cwd = realpath(p->cluster->cwd, NULL);
	if (!cwd || is_system(cwd))
		rc = err_set(e, "the folder where nodes start is mounted into their containers: stand in a folder of your own, not in %s",
			cwd ? cwd : p->cluster->cwd);
	free(cwd);
	folders_find(&f, p->cluster);
	for (int i = 0; i < f.n && rc == 0 && geteuid() == 0; i++)
		if (stat(f.path[i], &st) == 0 && (st.st_mode & 05) != 05)
			rc = err_set(e, "in its container a node is not root, and cannot read %s: chmod o+rx %s", f.path[i], f.path[i]);
	folders_done(&f);
	return rc;
}

/* --- all of them side by side --- */

/* Calls for every pod, waited for together. */
struct calls {
	struct docker_call call[PODS_MAX];
	size_t n;
};

static int finish(struct pods *p, struct calls *c, struct err *e)
{
	int rc = docker_finish(p->docker, c->call, c->n, e);
	for (size_t i = 0; i < c->n; i++)
		docker_call_done(&c->call[i]);
	c->n = 0;
	return rc;
}

static int make_agents(struct pods *p, struct calls *c, struct err *e)
{
	for (int i = 0; i < p->count; i++)
		docker_send(p->docker, &c->call[c->n++], "POST", agent_body(p, i), "/containers/create?name=%s", p->pod[i].agent);
	if (finish(p, c, e) != 0)
		return err_wrap(e, "cannot make the agents' containers");
	for (int i = 0; i < p->count; i++)
		if ((p->pod[i].control = docker_attach(p->docker, p->pod[i].agent, e)) < 0)
			return -1;
	return 0;
}

/* One pod on its way up: the agent's container starts while the learner's is made, which starts when both are done. */
struct rise {
	struct docker_call agent, make, start;
	bool starting;
};

static void rise_begin(struct pods *p, struct rise *r, int node)
{
	docker_send(p->docker, &r->agent, "POST", NULL, "/containers/%s/start", p->pod[node].agent);
	if (!is_clients(p, node))
		docker_send(p->docker, &r->make, "POST", node_body(p, node), "/containers/create?name=%s", p->pod[node].name);
}

/* 1: it is up; 0: not yet. */
static int rise_step(struct pods *p, struct rise *r, int node, struct err *e)
{
	if (r->starting)
		return !r->start.done ? 0 : docker_check(&r->start, e) == 0 ? 1 : err_wrap(e, "cannot start a node's container");
	if (!r->agent.done || (!is_clients(p, node) && !r->make.done))
		return 0;
	if (docker_check(&r->agent, e) != 0)
		return err_wrap(e, "cannot start an agent's container");
	if (is_clients(p, node))
		return 1;
	if (docker_check(&r->make, e) != 0)
		return err_wrap(e, "cannot make a node's container");
	docker_send(p->docker, &r->start, "POST", NULL, "/containers/%s/start", p->pod[node].name);
	r->starting = true;
	return 0;
}

static int rise_all(struct pods *p, struct rise *r, struct err *e)
{
	int n = p->count;
	for (int i = 0; i < n; i++)
		rise_begin(p, &r[i], i);
	for (int up = 0; up < n;) {
		up = 0;
		for (int i = 0; i < n; i++) {
			int one = rise_step(p, &r[i], i, e);
			if (one < 0)
				return -1;
			up += one;
		}
		if (up < n && docker_step(p->docker, NULL, 0, 1000, e) != 0)
			return -1;
	}
	return 0;
}

static int start_pods(struct pods *p, struct err *e)
{
	int n = p->count;
	struct rise *r = xcalloc((size_t)n, sizeof *r);
	int rc = rise_all(p, r, e);
	for (int i = 0; i < n; i++) {
		docker_call_done(&r[i].agent);
		docker_call_done(&r[i].make);
		docker_call_done(&r[i].start);
	}
	free(r);
	return rc;
}

static void name_all(struct pods *p)
{
	uint64_t id = rng_derive((uint64_t)clock_ns(), (uint64_t)getpid());
	snprintf(p->run, sizeof p->run, "dlab-%ld-%06llx", (long)getpid(), (unsigned long long)(id & 0xffffff));
	p->token = rng_derive(id, 1);
	if (p->cluster->kind == CLUSTER_SOCKETS)
		p->port = FIRST_PORT + (int)(p->token % PORTS);
	for (int i = 0; i < p->count; i++) {
		const char *node = is_clients(p, i) ? "clients" : lane_name(p->cluster->lanes, i);
		snprintf(p->pod[i].name, sizeof p->pod[i].name, "%.40s-%.12s", p->run, node);
		snprintf(p->pod[i].agent, sizeof p->pod[i].agent, "%.40s-%.12s-agent", p->run, node);
		p->pod[i].control = -1;
	}
}

static int make_all(struct pods *p, struct err *e)
{
	struct docker_swept swept;
	struct calls *c = xcalloc(1, sizeof *c);
	int rc = docker_sweep(p->docker, false, &swept, e);
	p->made = rc == 0;
	if (rc == 0)
		rc = make_network(p, e);
	if (rc == 0)
		rc = make_agents(p, c, e);
	if (rc == 0)
		rc = start_pods(p, e);
	free(c);
	return rc;
}

int pods_open(struct pods *p, const struct cluster *cluster, struct err *e)
{
	*p = (struct pods){ .cluster = cluster, .count = cluster->lanes->nodes + (cluster->kind == CLUSTER_SOCKETS) };
	name_all(p);
	p->docker = docker_open(e);
	if (p->docker && (!p->port || dial_open(&p->dial, cluster->data_root, e) == 0) && check_folders(p, e) == 0 && need_images(p, e) == 0) {
		if (cluster->guard)
			guard_last(cluster->guard, docker_sweep_session);
		if (make_all(p, e) == 0)
			return 0;
	}
	pods_close(p);
	return -1;
}

void pods_close(struct pods *p)
{
	struct err ignored;
	for (int i = 0; i < p->count; i++)
		if (p->pod[i].control >= 0)
			close(p->pod[i].control);
	if (p->made)
		docker_sweep_label(p->docker, DOCKER_LABEL_RUN, p->run, CLOSE_LIMIT_MS, &ignored);
	docker_close(p->docker);
	dial_done(&p->dial);
	p->docker = NULL;
	p->made = false;
}

/* --- the probe --- */

static json_t *probe_body(void)
{
	json_t *host = host_config(AGENT_MEMORY_MB, POD_PROCESSES, json_array());
	add_rights(host);
	json_object_set_new(host, "AutoRemove", json_true());
	json_object_set_new(host, "NetworkMode", json_string("none"));
	return json_pack("{s:s, s:[s], s:b, s:b, s:b, s:b, s:o, s:o}", "Image", pods_agent_image(), "Cmd", "probe", "AttachStdout", 1,
		"AttachStderr", 1, "OpenStdin", 1, "StdinOnce", 1, "Labels", docker_labels("probe", "probe", NULL, "probe"), "HostConfig", host);
}

/* All that it writes; its words are far apart enough to be found among the frames. */
static void read_all(int fd, struct buf *b)
{
	for (ssize_t n = 1; n > 0; b->n += n > 0 ? (size_t)n : 0) {
		buf_room(b, 4096);
		n = read(fd, b->s + b->n, 4096);
	}
}

int pods_probe(struct docker *d, struct shaping *s, struct err *e)
{
	json_t *made = NULL;
	struct buf said = BUF_EMPTY;
	if (docker_do(d, "POST", probe_body(), &made, e, "/containers/create") != 0)
		return -1;
	const char *id = json_get_string(made, "Id", "");
	int fd = docker_attach(d, id, e);
	int rc = fd < 0 ? -1 : docker_do(d, "POST", NULL, NULL, e, "/containers/%s/start", id);
	if (rc == 0) {
		struct err ignored; /* when it is gone already */
		read_all(fd, &said);
		docker_do(d, "POST", NULL, NULL, &ignored, "/containers/%s/wait?condition=removed", id);
	} else {
		struct err ignored;
		docker_do(d, "DELETE", NULL, NULL, &ignored, "/containers/%s?force=1", id);
	}
	if (fd >= 0)
		close(fd);
	json_decref(made);
	*s = (struct shaping){ 0 };
	if (said.n) {
		s->nft = memmem(said.s, said.n, "nft 0", 5);
		s->iptables = !s->nft && memmem(said.s, said.n, "iptables 0", 10);
		s->netem = memmem(said.s, said.n, "netem 0", 7);
		s->netem_doubles = memmem(said.s, said.n, "doubles 0", 9);
		s->htb = !s->netem && memmem(said.s, said.n, "htb 0", 5);
	}
	buf_done(&said);
	return rc;
}

int pods_each(struct pods *p, lane_set nodes, const char *verb, struct err *e)
{
	struct calls *c = xcalloc(1, sizeof *c);
	for (int i = 0; i < p->cluster->lanes->nodes; i++)
		if (nodes & lane_bit(i))
			docker_send(p->docker, &c->call[c->n++], "POST", NULL, "/containers/%s/%s", p->pod[i].name, verb);
	int rc = finish(p, c, e);
	free(c);
	return rc;
}

bool pods_out_of_memory(struct pods *p, int node)
{
	struct err ignored;
	json_t *doc = NULL;
	docker_do(p->docker, "POST", NULL, NULL, &ignored, "/containers/%s/wait", p->pod[node].name);
	if (docker_do(p->docker, "GET", NULL, &doc, &ignored, "/containers/%s/json", p->pod[node].name) != 0)
		return false;
	bool killed = json_is_true(json_get(json_get(doc, "State"), "OOMKilled"));
	json_decref(doc);
	return killed;
}

pid_t pods_pid(const struct pods *p, int node)
{
	struct err ignored;
	json_t *doc = NULL;
	if (docker_do(p->docker, "GET", NULL, &doc, &ignored, "/containers/%s/json", p->pod[node].name) != 0)
		return 0;
	pid_t pid = (pid_t)json_get_int(json_get(doc, "State"), "Pid", 0);
	json_decref(doc);
	return pid;
}
