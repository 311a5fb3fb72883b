#include "docker_api.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "docker_where.h"

enum { VERSION_LEAST = 40, VERSION_MOST = 44, CALL_LIMIT_S = 120, ATTACH_LIMIT_S = 20, HEAD_MAX = 4096, CONNECTIONS_MAX = 16, REPLY_MAX = 64 << 20 };

struct docker {
	char *socket; /* owned */
	char version[16];
	CURLM *multi; /* owned */
	size_t pending;
};

/* --- the socket --- */

static int explain_connect(const char *path, int error, struct err *e)
{
	switch (error) {
	case ENOENT:
		return err_set(e, "there is no Docker engine at %s: install one (apt-get install docker.io), start it "
			"(systemctl start docker), or set DOCKER_HOST", path);
	case EACCES:
	case EPERM:
		return err_set(e, "you may not use the Docker engine at %s: `sudo usermod -aG docker $USER`, then log in again", path);
	case ECONNREFUSED:
		return err_set(e, "the Docker engine at %s does not run: start it (systemctl start docker)", path);
	default:
		errno = error;
		return err_errno(e, "cannot reach the Docker engine at %s", path);
	}
}

static int connect_socket(const char *path, struct err *e)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof a.sun_path)
		return err_set(e, "the path of the Docker engine's socket is too long: %s", path);
	memcpy(a.sun_path, path, strlen(path));
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_errno(e, "cannot make a socket");
	if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0)
		return fd;
	int error = errno;
	close(fd);
	return explain_connect(path, error, e);
}

/* --- calls --- */

static size_t take_reply(char *data, size_t size, size_t n, void *ctx)
{
	struct docker_call *call = ctx;
	if (call->reply.n + size * n > REPLY_MAX)
		return 0;
	buf_add(&call->reply, data, size * n);
	return size * n;
}

static CURL *new_handle(const struct docker *d, struct docker_call *call, const char *method)
{
	CURL *h = curl_easy_init();
	if (!h)
		abort(); /* out of memory */
	curl_easy_setopt(h, CURLOPT_UNIX_SOCKET_PATH, d->socket);
	curl_easy_setopt(h, CURLOPT_URL, call->url);
	curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, method);
	curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, take_reply);
	curl_easy_setopt(h, CURLOPT_WRITEDATA, call);
	curl_easy_setopt(h, CURLOPT_PRIVATE, call);
	curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(h, CURLOPT_PROXY, "");
	curl_easy_setopt(h, CURLOPT_TIMEOUT, (long)CALL_LIMIT_S);
	return h;
}

static void set_body(CURL *h, struct docker_call *call, json_t *body)
{
	struct buf text = BUF_EMPTY;
	json_print(&text, body);
	json_decref(body);
	call->body = xstrdup(buf_cstr(&text));
	buf_done(&text);
	call->headers = curl_slist_append(NULL, "Content-Type: application/json");
	curl_easy_setopt(h, CURLOPT_HTTPHEADER, call->headers);
	curl_easy_setopt(h, CURLOPT_POSTFIELDS, call->body);
	curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE, (long)strlen(call->body));
}

static void begin(struct docker *d, struct docker_call *call, const char *method, json_t *body, const char *path)
{
	call->docker = d;
	snprintf(call->what, sizeof call->what, "%s %.*s", method, (int)strcspn(path, "?"), path);
	call->url = *d->version ? xasprintf("http://docker/v%s%s", d->version, path) : xasprintf("http://docker%s", path);
	CURL *h = new_handle(d, call, method);
	if (body)
		set_body(h, call, body);
	else if (strcmp(method, "POST") == 0)
		curl_easy_setopt(h, CURLOPT_POSTFIELDS, "");
	call->easy = h;
	curl_multi_add_handle(d->multi, h);
	d->pending++;
}

void docker_send(struct docker *d, struct docker_call *call, const char *method, json_t *body, const char *path, ...)
{
	struct buf text = BUF_EMPTY;
	va_list ap;
	va_start(ap, path);
	buf_vprintf(&text, path, ap);
	va_end(ap);
	begin(d, call, method, body, buf_cstr(&text));
	buf_done(&text);
}

static void leave(struct docker_call *call)
{
	if (!call->easy)
		return;
	curl_multi_remove_handle(call->docker->multi, call->easy);
	curl_easy_cleanup(call->easy);
	curl_slist_free_all(call->headers);
	call->easy = call->headers = NULL;
	call->docker->pending--;
}

void docker_call_done(struct docker_call *call)
{
	leave(call);
	free(call->body);
	free(call->url);
	buf_done(&call->reply);
	*call = (struct docker_call){ 0 };
}

static void ended(CURL *h, CURLcode code)
{
	char *private = NULL;
	long os_error = 0;
	curl_easy_getinfo(h, CURLINFO_PRIVATE, &private);
	struct docker_call *call = (struct docker_call *)(void *)private;
	curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &call->status);
	curl_easy_getinfo(h, CURLINFO_OS_ERRNO, &os_error);
	if (code == CURLE_COULDNT_CONNECT)
		explain_connect(call->docker->socket, os_error ? (int)os_error : ECONNREFUSED, &call->err);
	else if (code != CURLE_OK)
		err_set(&call->err, "the Docker engine did not answer %s: %s", call->what, curl_easy_strerror(code));
	if (code != CURLE_OK)
		call->status = 0;
	call->done = true;
	leave(call);
}

/* How many calls have ended. */
static size_t take_ended(struct docker *d)
{
	int left;
	size_t n = 0;
	for (CURLMsg *m; (m = curl_multi_info_read(d->multi, &left));)
		if (m->msg == CURLMSG_DONE) {
			ended(m->easy_handle, m->data.result);
			n++;
		}
	return n;
}

int docker_step(struct docker *d, struct pollfd *fds, size_t n, int wait_ms, struct err *e)
{
	int running;
	struct curl_waitfd wait[256];
	n = n < ARRAY_LEN(wait) ? n : ARRAY_LEN(wait);
	for (size_t i = 0; i < n; i++)
		wait[i] = (struct curl_waitfd){ .fd = fds[i].fd,
			.events = (short)((fds[i].events & POLLIN ? CURL_WAIT_POLLIN : 0) | (fds[i].events & POLLOUT ? CURL_WAIT_POLLOUT : 0)) };
	CURLMcode rc = curl_multi_perform(d->multi, &running);
	if (take_ended(d)) /* an answer that was there already: nothing would wake us */
		wait_ms = 0;
	if (rc == CURLM_OK)
		rc = curl_multi_poll(d->multi, wait, (unsigned)n, wait_ms, NULL);
	if (rc == CURLM_OK)
		rc = curl_multi_perform(d->multi, &running);
	if (rc != CURLM_OK)
		return err_set(e, "cannot wait for the Docker engine: %s", curl_multi_strerror(rc));
	take_ended(d);
	return n ? poll(fds, (nfds_t)n, 0) >= 0 || errno == EINTR ? 0 : err_errno(e, "cannot wait") : 0;
}

size_t docker_pending(const struct docker *d)
{
	return d->pending;
}

/* The engine answers errors with {"message":"..."}. */
int docker_check(const struct docker_call *call, struct err *e)
{
	if (call->status == 0) {
		*e = call->err;
		return -1;
	}
	if (call->status / 100 == 2 || call->status == 304)
		return 0;
	struct err ignored;
	json_t *doc = json_read(buf_as_slice(&call->reply), &ignored);
	const char *said = json_get_string(doc, "message", NULL);
	if (said && strcasestr(said, "no space left on device"))
		err_set(e, "the disk of the Docker engine at %s is full: `docker system df` says what uses it, `docker system prune` removes what "
			"is not needed (%.500s)", call->docker->socket, said);
	else if (said)
		err_set(e, "the Docker engine refuses: %.900s", said);
	else
		err_set(e, "the Docker engine answers %s with status %ld", call->what, call->status);
	json_decref(doc);
	return -1;
}

int docker_finish(struct docker *d, struct docker_call *calls, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++)
		while (!calls[i].done)
			if (docker_step(d, NULL, 0, 1000, e) != 0)
				return -1;
	for (size_t i = 0; i < n; i++)
		if (docker_check(&calls[i], e) != 0)
			return -1;
	return 0;
}

int docker_do(struct docker *d, const char *method, json_t *body, json_t **reply, struct err *e, const char *path, ...)
{
	struct docker_call call = { 0 };
	struct buf text = BUF_EMPTY;
	va_list ap;
	va_start(ap, path);
	buf_vprintf(&text, path, ap);
	va_end(ap);
	begin(d, &call, method, body, buf_cstr(&text));
	buf_done(&text);
	int rc = docker_finish(d, &call, 1, e);
	if (rc == 0 && reply) {
		*reply = json_read(buf_as_slice(&call.reply), e);
		if (!*reply)
			rc = err_wrap(e, "the Docker engine's answer to %s is not understood", call.what);
	}
	docker_call_done(&call);
	return rc;
}

/* --- open --- */

static size_t take_header(char *line, size_t size, size_t n, void *ctx)
{
	static const char name[] = "Api-Version:";
	char *version = ctx;
	if (size * n > sizeof name && strncasecmp(line, name, sizeof name - 1) == 0) {
		const char *at = line + sizeof name - 1;
		const char *end = line + size * n;
		size_t k = 0;
		for (; at < end && k < 15; at++)
			if ((*at >= '0' && *at <= '9') || *at == '.')
				version[k++] = *at;
		version[k] = '\0';
	}
	return size * n;
}

static int agree(struct docker *d, const char *version, struct err *e)
{
	int minor = strncmp(version, "1.", 2) == 0 ? atoi(version + 2) : 0;
	if (minor < VERSION_LEAST)
		return err_set(e, "the Docker engine at %s speaks API version %s; dlab needs 1.%d or newer (Docker 19.03)", d->socket,
			*version ? version : "unknown", VERSION_LEAST);
	snprintf(d->version, sizeof d->version, "1.%d", minor < VERSION_MOST ? minor : VERSION_MOST);
	return 0;
}

static int ping(struct docker *d, struct err *e)
{
	char version[16] = "";
	struct docker_call call = { 0 };
	docker_send(d, &call, "GET", NULL, "/_ping");
	curl_easy_setopt(call.easy, CURLOPT_HEADERFUNCTION, take_header);
	curl_easy_setopt(call.easy, CURLOPT_HEADERDATA, version);
	int rc = docker_finish(d, &call, 1, e);
	docker_call_done(&call);
	return rc == 0 ? agree(d, version, e) : -1;
}

struct docker *docker_open_at(const char *socket, struct err *e)
{
	int fd = connect_socket(socket, e); /* libcurl does not say why it cannot connect */
	if (fd < 0)
		return NULL;
	close(fd);
	struct docker *d = xcalloc(1, sizeof *d);
	d->socket = xstrdup(socket);
	d->multi = curl_multi_init();
	curl_multi_setopt(d->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)CONNECTIONS_MAX);
	if (ping(d, e) == 0)
		return d;
	docker_close(d);
	return NULL;
}

struct docker *docker_open(struct err *e)
{
	char *path = docker_where(e);
	struct docker *d = path ? docker_open_at(path, e) : NULL;
	free(path);
	return d;
}

void docker_close(struct docker *d)
{
	if (!d)
		return;
	assert(d->pending == 0);
	curl_multi_cleanup(d->multi);
	free(d->socket);
	free(d);
}

const char *docker_socket(const struct docker *d) { return d->socket; }
const char *docker_version(const struct docker *d) { return d->version; }

/* --- attach --- */

/* Reads an answer's head, byte by byte: what follows belongs to the container. */
static int read_head(int fd, struct err *e)
{
	char head[HEAD_MAX];
	size_t n = 0;
	while (n < sizeof head - 1) {
		ssize_t got = read(fd, head + n, 1);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return err_set(e, "the Docker engine closed an attached stream at once");
		head[++n] = '\0';
		if (n >= 4 && memcmp(head + n - 4, "\r\n\r\n", 4) == 0)
			break;
	}
	int status = n > 12 ? atoi(head + 9) : 0;
	return status == 101 || status == 200 ? 0 : err_set(e, "the Docker engine answers an attach with status %d", status);
}

int docker_attach(const struct docker *d, const char *id, struct err *e)
{
	int fd = connect_socket(d->socket, e);
	if (fd < 0)
		return -1;
	struct timeval limit = { .tv_sec = ATTACH_LIMIT_S };
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	struct buf b = BUF_EMPTY;
	buf_printf(&b, "POST /v%s/containers/%s/attach?stream=1&stdin=1&stdout=1&stderr=1 HTTP/1.1\r\nHost: docker\r\n"
		"Upgrade: tcp\r\nConnection: Upgrade\r\nContent-Length: 0\r\n\r\n", d->version, id);
	bool sent = send(fd, b.s, b.n, MSG_NOSIGNAL) == (ssize_t)b.n;
	buf_done(&b);
	if (sent ? read_head(fd, e) == 0 : (err_errno(e, "cannot write to the Docker engine"), false))
		return fd;
	close(fd);
	return -1;
}
