#include "docker_where.h"

#include <dirent.h>
#include <stdlib.h>

#include "json.h"

enum { CONFIG_LIMIT = 4 << 20 };
static const char usual_socket[] = "/var/run/docker.sock";

static const char *env(const char *name)
{
	const char *value = getenv(name);
	return value && *value ? value : NULL;
}

static char *socket_of_host(const char *host, const char *whence, struct err *e)
{
	if (strncmp(host, "unix://", 7) == 0 && host[7] == '/')
		return xstrdup(host + 7);
	err_set(e, "%s names the Docker engine %s; dlab needs one on this machine, with a unix socket (unix:///path)", whence, host);
	return NULL;
}

static char *config_folder(void)
{
	const char *set = env("DOCKER_CONFIG"), *home = env("HOME");
	return set ? xstrdup(set) : xasprintf("%s/.docker", home ? home : "/root");
}

/* The name of the chosen context; owned. NULL: the default one. */
static char *context_name(const char *config)
{
	const char *set = env("DOCKER_CONTEXT");
	struct err e;
	char *path = xasprintf("%s/config.json", config);
	json_t *doc = set ? NULL : json_read_file(path, CONFIG_LIMIT, &e);
	const char *name = set ? set : json_get_string(doc, "currentContext", "");
	char *copy = *name && strcmp(name, "default") != 0 ? xstrdup(name) : NULL;
	json_decref(doc);
	free(path);
	return copy;
}

/* The host that one meta.json says, when it is that of the context; owned. */
static char *host_in(const char *path, const char *name)
{
	struct err e;
	json_t *doc = json_read_file(path, CONFIG_LIMIT, &e);
	const char *host = json_get_string(json_get(json_get(doc, "Endpoints"), "docker"), "Host", NULL);
	bool wanted = host && strcmp(json_get_string(doc, "Name", ""), name) == 0;
	char *copy = wanted ? xstrdup(host) : NULL;
	json_decref(doc);
	return copy;
}

/* Each context has a folder, named by a hash of its name: looking into all of them spares the hash. */
static char *host_of_context(const char *config, const char *name)
{
	char *folder = xasprintf("%s/contexts/meta", config), *host = NULL;
	DIR *d = opendir(folder);
	for (const struct dirent *x; d && !host && (x = readdir(d));) {
		if (x->d_name[0] == '.')
			continue;
		char *path = xasprintf("%s/%s/meta.json", folder, x->d_name);
		host = host_in(path, name);
		free(path);
	}
	if (d)
		closedir(d);
	free(folder);
	return host;
}

static char *where_by_context(const char *config, const char *name, struct err *e)
{
	char *host = host_of_context(config, name);
	if (!host) {
		err_set(e, "the Docker context \"%s\" is chosen, but %s/contexts does not have it: `docker context use default`", name, config);
		return NULL;
	}
	char *whence = xasprintf("the Docker context \"%s\"", name);
	char *path = socket_of_host(host, whence, e);
	free(whence);
	free(host);
	return path;
}

char *docker_where(struct err *e)
{
	if (env("DOCKER_HOST"))
		return socket_of_host(env("DOCKER_HOST"), "DOCKER_HOST", e);
	char *config = config_folder(), *name = context_name(config);
	char *path = name ? where_by_context(config, name, e) : xstrdup(usual_socket);
	free(name);
	free(config);
	return path;
}
