#include "sock.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "play.h"

enum { READ_CHUNK = 64 << 10, READS_PER_STEP = 8, RECV_MS_MAX = 24 * 3600 * 1000 };

struct sock {
	struct socks *set; /* borrowed: the run's */
	int fd;            /* -1: closed */
	int id, node;
	int error;
	uint8_t state;     /* enum sock_state */
	bool held;
	bool quiet;        /* its steps are not traced */
	bool fin_asked, fin_sent;
	char name[12];
	size_t place;      /* index in set->live */
	struct buf in;     /* owned; in.s[in_at..n) is kept */
	size_t in_at;
	struct buf out;    /* owned; out.s[out_at..n) is queued */
	size_t out_at;
	uint64_t sent;     /* bytes that went out */
};

struct socks {
	struct sock **live; /* owned array of borrowed: those with a descriptor */
	size_t n, cap;
	struct pollfd *fds; /* owned; cap of them */
	struct sock **polled; /* owned; cap of them: whom fds[i] is about */
	size_t kept;        /* bytes in all in-buffers */
	int next_id;
	int64_t run_ns, clock_ns; /* the same moment on the run's clock and on the machine's */
};

static struct socks *set_of(struct play *p)
{
	struct socks **place = play_socks(p);
	if (!*place) {
		struct socks *set = xcalloc(1, sizeof *set);
		set->next_id = 1;
		set->run_ns = play_now(p);
		set->clock_ns = clock_ns();
		*place = set;
	}
	return *place;
}

static void set_add(struct socks *set, struct sock *s)
{
	if (set->n == set->cap) {
		set->cap = set->cap ? 2 * set->cap : 16;
		set->live = xrealloc(set->live, set->cap * sizeof *set->live);
		set->fds = xrealloc(set->fds, set->cap * sizeof *set->fds);
		set->polled = xrealloc(set->polled, set->cap * sizeof *set->polled);
	}
	s->place = set->n;
	set->live[set->n++] = s;
}

static void set_remove(struct socks *set, struct sock *s)
{
	struct sock *last = set->live[--set->n];
	assert(set->live[s->place] == s || s == last);
	set->live[s->place] = last;
	last->place = s->place;
}

static void drop_queue(struct sock *s)
{
	buf_done(&s->out);
	s->out_at = 0;
}

static void sock_shut(struct sock *s)
{
	if (s->fd < 0)
		return;
	set_remove(s->set, s);
	close(s->fd);
	s->fd = -1;
	s->state = SOCK_CLOSED;
	s->set->kept -= s->in.n - s->in_at;
	buf_done(&s->in);
	s->in_at = 0;
	drop_queue(s);
}

void socks_free(struct socks *set)
{
	if (!set)
		return;
	while (set->n > 0)
		sock_shut(set->live[set->n - 1]);
	free(set->live);
	free(set->fds);
	free(set->polled);
	free(set);
}

/* --- the trace --- */

static void pump(struct play *p)
{
	struct socks *set = set_of(p);
	int64_t now = set->run_ns + (clock_ns() - set->clock_ns);
	int64_t shown = play_now(p);
	play_pump(p, now > shown ? now : shown);
}

/* Pumping and recording may leave by a longjmp, so no text here is held outside the arena. */
static void record(struct play *p, int node, int64_t arg, const char *text)
{
	pump(p);
	struct event e = {
		.t_ns = play_now(p), .kind = EVENT_SOCK, .arg = arg, .src = (int16_t)node, .dst = (int16_t)node,
		.text = slice_of(text),
	};
	play_record(p, &e);
}

/* A sentence about one connection, its name first. */
static void PRINTF_LIKE(3, 4) tell(struct play *p, struct sock *s, const char *fmt, ...)
{
	if (s->quiet)
		return;
	va_list ap;
	va_start(ap, fmt);
	const char *what = arena_vprintf(play_arena(p), fmt, ap);
	va_end(ap);
	record(p, s->node, s->id, arena_printf(play_arena(p), "%s %s", s->name, what));
}

void play_sock_note(struct play *p, int node, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	const char *what = arena_vprintf(play_arena(p), fmt, ap);
	va_end(ap);
	record(p, node, 0, what);
}

void sock_quote(struct buf *b, struct slice text)
{
	size_t n = text.n < SOCK_QUOTE_MAX ? text.n : SOCK_QUOTE_MAX;
	buf_char(b, '"');
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)text.s[i];
		if (c == '\n')
			buf_str(b, "\\n");
		else if (c == '\r')
			buf_str(b, "\\r");
		else if (c == '"' || c == '\\')
			buf_printf(b, "\\%c", c);
		else if (c < 0x20 || c >= 0x7f)
			buf_printf(b, "\\x%02x", c);
		else
			buf_char(b, (char)c);
	}
	buf_str(b, text.n > n ? "\"..." : "\"");
}

/* Moves a text into the run's arena. */
static const char *keep(struct play *p, struct buf *b)
{
	const char *kept = arena_copy(play_arena(p), buf_as_slice(b)).s;
	buf_done(b);
	return kept;
}

/* --- moving bytes --- */

static void sock_break(struct sock *s, int error)
{
	s->state = SOCK_BROKEN;
	s->error = error;
	drop_queue(s);
}

static bool is_moment(int error)
{
	return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

static void connect_done(struct sock *s)
{
	int error = 0;
	socklen_t n = sizeof error;
	if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &n) < 0)
		error = errno;
	if (error)
		sock_break(s, error);
	else
		s->state = SOCK_OPEN;
}

static bool can_send(const struct sock *s)
{
	return (s->state == SOCK_OPEN || s->state == SOCK_EOF) && !s->fin_sent;
}

static bool wants_to_send(const struct sock *s)
{
	return can_send(s) && (sock_queued(s) > 0 || s->fin_asked);
}

static bool wants_to_read(const struct sock *s)
{
	return s->state == SOCK_OPEN && !s->held && s->set->kept < SOCK_KEPT_MAX;
}

static void sock_push(struct sock *s)
{
	while (can_send(s) && sock_queued(s) > 0) {
		ssize_t n = send(s->fd, s->out.s + s->out_at, sock_queued(s), MSG_NOSIGNAL);
		if (n < 0) {
			if (!is_moment(errno))
				sock_break(s, errno);
			return;
		}
		s->out_at += (size_t)n;
		s->sent += (uint64_t)n;
	}
	if (!can_send(s))
		return;
	drop_queue(s);
	if (s->fin_asked) {
		shutdown(s->fd, SHUT_WR);
		s->fin_sent = true;
	}
}

static void sock_pull(struct sock *s)
{
	for (int i = 0; i < READS_PER_STEP && wants_to_read(s); i++) {
		if (s->in_at == s->in.n)
			s->in_at = s->in.n = 0;
		buf_room(&s->in, READ_CHUNK);
		ssize_t n = recv(s->fd, s->in.s + s->in.n, READ_CHUNK, 0);
		if (n > 0) {
			s->in.n += (size_t)n;
			s->set->kept += (size_t)n;
		} else if (n == 0) {
			s->state = SOCK_EOF;
		} else {
			if (!is_moment(errno))
				sock_break(s, errno);
			return;
		}
	}
}

static short wanted_events(const struct sock *s)
{
	int events = 0;
	if (s->state == SOCK_CONNECTING || wants_to_send(s))
		events |= POLLOUT;
	if (wants_to_read(s))
		events |= POLLIN;
	return (short)events;
}

/* Waits until something can move, and moves it. Connections that want nothing are left out: poll would report
 * their hang-up again and again. */
static void socks_step(struct socks *set, int timeout_ms)
{
	nfds_t n = 0;
	for (size_t i = 0; i < set->n; i++) {
		short events = wanted_events(set->live[i]);
		if (!events)
			continue;
		set->fds[n] = (struct pollfd){ .fd = set->live[i]->fd, .events = events };
		set->polled[n++] = set->live[i];
	}
	if (poll(set->fds, n, timeout_ms) <= 0)
		return;
	for (nfds_t i = 0; i < n; i++) {
		struct sock *s = set->polled[i];
		if (!set->fds[i].revents)
			continue;
		if (s->state == SOCK_CONNECTING)
			connect_done(s);
		if (wants_to_send(s))
			sock_push(s);
		sock_pull(s);
	}
}

bool play_sock_wait(struct play *p, bool (*cond)(void *arg), void *arg, int64_t limit_ms)
{
	struct socks *set = set_of(p);
	int64_t end = clock_ns() + limit_ms * NS_PER_MS;
	int64_t pumped = 0;
	socks_step(set, 0);
	for (;;) {
		int64_t now = clock_ns();
		if (now - pumped >= SOCK_SLICE_MS * NS_PER_MS) {
			pump(p);
			pumped = now;
		}
		if (cond(arg))
			return true;
		if (now >= end)
			return false;
		socks_step(set, SOCK_SLICE_MS);
	}
}

/* --- connecting --- */

static void no_delay(int fd)
{
	int on = 1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static struct sock *connect_begin(struct play *p, int node, int receive_buffer)
{
	struct socks *set = set_of(p);
	struct sock *s = arena_zero(play_arena(p), sizeof *s);
	*s = (struct sock){ .set = set, .fd = -1, .id = set->next_id++, .node = node };
	snprintf(s->name, sizeof s->name, "c%d", s->id);
	struct sockaddr_in to;
	s->fd = play_dial(p, node, &to);
	if (s->fd < 0) {
		sock_break(s, errno);
		return s;
	}
	set_add(set, s);
	no_delay(s->fd);
	/* Before connecting: the size decides the window that is offered. */
	if (receive_buffer > 0)
		setsockopt(s->fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
	if (connect(s->fd, (const struct sockaddr *)&to, sizeof to) == 0)
		s->state = SOCK_OPEN;
	else if (errno != EINPROGRESS && errno != EINTR)
		sock_break(s, errno);
	return s;
}

static bool is_decided(void *arg)
{
	return ((const struct sock *)arg)->state != SOCK_CONNECTING;
}

static struct sock *connect_one(struct play *p, int node, int receive_buffer)
{
	struct sock *s = connect_begin(p, node, receive_buffer);
	s->held = receive_buffer > 0;
	if (!play_sock_wait(p, is_decided, s, SOCK_CONNECT_MS))
		sock_break(s, ETIMEDOUT);
	if (s->state == SOCK_BROKEN)
		tell(p, s, "could not connect: %s", strerror(s->error));
	else
		tell(p, s, "connected%s", s->held ? " and does not read yet" : "");
	return s;
}

struct sock *play_sock_connect(struct play *p, int node)
{
	return connect_one(p, node, 0);
}

struct sock *play_sock_connect_slow(struct play *p, int node)
{
	return connect_one(p, node, SOCK_SLOW_BUFFER);
}

struct crowd {
	struct sock **socks;
	size_t n;
};

static bool all_decided(void *arg)
{
	const struct crowd *c = arg;
	for (size_t i = 0; i < c->n; i++)
		if (c->socks[i]->state == SOCK_CONNECTING)
			return false;
	return true;
}

size_t play_sock_connect_many(struct play *p, int node, struct sock **out, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		out[i] = connect_begin(p, node, 0);
		out[i]->quiet = true;
	}
	struct crowd crowd = { out, count };
	play_sock_wait(p, all_decided, &crowd, SOCK_CONNECT_MS);
	size_t made = 0;
	for (size_t i = 0; i < count; i++) {
		if (out[i]->state == SOCK_CONNECTING)
			sock_break(out[i], ETIMEDOUT);
		made += out[i]->state != SOCK_BROKEN;
	}
	if (count > 0)
		play_sock_note(p, node, "%s to %s: %zu of %zu connected", out[0]->name, out[count - 1]->name, made, count);
	return made;
}

void play_sock_close_many(struct play *p, struct sock **socks, size_t count)
{
	for (size_t i = 0; i < count; i++)
		sock_shut(socks[i]);
	if (count > 0)
		play_sock_note(p, socks[0]->node, "%s to %s closed", socks[0]->name, socks[count - 1]->name);
}

/* --- sending --- */

static void queue(struct sock *s, struct slice bytes)
{
	if (!can_send(s) || s->fin_asked)
		return;
	buf_slice(&s->out, bytes);
	sock_push(s);
}

static void tell_sent(struct play *p, struct sock *s, struct slice bytes, const char *how)
{
	if (s->quiet)
		return;
	struct buf b = BUF_EMPTY;
	sock_quote(&b, bytes);
	tell(p, s, "sent %zu byte%s%s: %s", bytes.n, bytes.n == 1 ? "" : "s", how, keep(p, &b));
}

void play_sock_send(struct play *p, struct sock *s, struct slice bytes)
{
	queue(s, bytes);
	tell_sent(p, s, bytes, "");
}

static bool is_flushed(void *arg)
{
	return !wants_to_send(arg);
}

static bool is_over(void *arg)
{
	return !can_send(arg);
}

bool play_sock_send_pieces(struct play *p, struct sock *s, struct slice bytes, size_t piece, int64_t pause_ms)
{
	assert(piece > 0);
	size_t pieces = 0;
	for (size_t at = 0; at < bytes.n && can_send(s); pieces++) {
		size_t n = bytes.n - at < piece ? bytes.n - at : piece;
		queue(s, (struct slice){ bytes.s + at, n });
		at += n;
		play_sock_wait(p, pause_ms > 0 ? is_over : is_flushed, s, pause_ms > 0 ? pause_ms : SOCK_CONNECT_MS);
	}
	char how[64];
	snprintf(how, sizeof how, " in %zu piece%s, %d ms apart", pieces, pieces == 1 ? "" : "s", (int)pause_ms);
	tell_sent(p, s, bytes, how);
	return can_send(s);
}

bool play_sock_flush(struct play *p, struct sock *s, int64_t limit_ms)
{
	return play_sock_wait(p, is_flushed, s, limit_ms) && s->state != SOCK_BROKEN;
}

struct stall {
	struct sock *s;
	uint64_t moved;
	int64_t since_ns, stall_ns;
};

/* Bytes that have come and were not read: for a connection that is held. */
static int bytes_arrived(const struct sock *s)
{
	int n = 0;
	return s->fd >= 0 && ioctl(s->fd, FIONREAD, &n) == 0 ? n : 0;
}

uint64_t play_sock_moved(const struct sock *s)
{
	return s->sent + (uint64_t)bytes_arrived(s);
}

static bool is_stalled(void *arg)
{
	struct stall *st = arg;
	int64_t now = clock_ns();
	uint64_t moved = play_sock_moved(st->s);
	if (moved != st->moved) {
		st->moved = moved;
		st->since_ns = now;
	}
	return st->s->state == SOCK_BROKEN || now - st->since_ns >= st->stall_ns;
}

void play_sock_stall(struct play *p, struct sock *s, int64_t stall_ms, int64_t limit_ms)
{
	struct stall st = { s, play_sock_moved(s), clock_ns(), stall_ms * NS_PER_MS };
	play_sock_wait(p, is_stalled, &st, limit_ms);
	if (sock_queued(s) > 0)
		tell(p, s, "can send no more for now: %zu bytes wait", sock_queued(s));
	else
		tell(p, s, "has sent all; %d bytes wait for it to read", bytes_arrived(s));
}

/* --- receiving --- */

struct want {
	struct sock *s;
	size_t n;       /* bytes; 0: not asked for */
	size_t scanned; /* bytes looked at, from the start of what is kept: no newline among them */
	bool newline;
	int64_t since_ns, idle_ns; /* when the last byte came; how long it may be until the next */
};

static bool is_received(void *arg)
{
	struct want *w = arg;
	if (w->s->state != SOCK_OPEN)
		return true;
	struct slice got = sock_got(w->s);
	if (w->n > 0 && got.n >= w->n)
		return true;
	if (got.n == w->scanned)
		return clock_ns() - w->since_ns >= w->idle_ns;
	bool found = w->newline && memchr(got.s + w->scanned, '\n', got.n - w->scanned) != NULL;
	w->scanned = got.n;
	w->since_ns = clock_ns();
	return found;
}

/* What came while a verb waited; said once, also for what had come before. */
static void tell_received(struct play *p, struct sock *s, int64_t idle_ms)
{
	if (s->quiet)
		return;
	struct buf b = BUF_EMPTY;
	struct slice got = sock_got(s);
	if (got.n > 0) {
		buf_printf(&b, "received %zu byte%s: ", got.n, got.n == 1 ? "" : "s");
		sock_quote(&b, got);
	}
	const char *sep = got.n > 0 ? ", then " : "";
	if (s->state == SOCK_EOF)
		buf_printf(&b, "%ssaw the end of the connection", sep);
	else if (s->state == SOCK_BROKEN)
		buf_printf(&b, "%slost the connection: %s", sep, strerror(s->error));
	else if (got.n == 0)
		buf_printf(&b, "received nothing for %d ms", (int)idle_ms);
	tell(p, s, "%s", keep(p, &b));
}

static void recv_wait(struct play *p, struct want *w, int64_t idle_ms)
{
	w->since_ns = clock_ns();
	w->idle_ns = idle_ms * NS_PER_MS;
	play_sock_wait(p, is_received, w, RECV_MS_MAX);
	tell_received(p, w->s, idle_ms);
}

bool play_sock_recv(struct play *p, struct sock *s, size_t n, int64_t idle_ms)
{
	assert(n > 0);
	recv_wait(p, &(struct want){ .s = s, .n = n }, idle_ms);
	return sock_got(s).n >= n;
}

bool play_sock_recv_line(struct play *p, struct sock *s, int64_t idle_ms)
{
	recv_wait(p, &(struct want){ .s = s, .newline = true }, idle_ms);
	struct slice got = sock_got(s);
	return got.n > 0 && memchr(got.s, '\n', got.n) != NULL;
}

bool play_sock_recv_eof(struct play *p, struct sock *s, int64_t idle_ms)
{
	recv_wait(p, &(struct want){ .s = s }, idle_ms);
	return s->state == SOCK_EOF;
}

void play_sock_hold(struct play *p, struct sock *s)
{
	s->held = true;
	tell(p, s, "stops reading");
}

void play_sock_release(struct play *p, struct sock *s)
{
	s->held = false;
	tell(p, s, "begins to read");
}

/* --- ending --- */

void play_sock_half_close(struct play *p, struct sock *s)
{
	s->fin_asked = true;
	sock_push(s);
	tell(p, s, "%s", s->fin_sent ? "ended its sending side" : "will end its sending side when all is sent");
}

void play_sock_reset(struct play *p, struct sock *s)
{
	if (s->fd < 0)
		return;
	struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
	setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
	sock_shut(s);
	tell(p, s, "reset the connection");
}

void play_sock_close(struct play *p, struct sock *s)
{
	if (s->fd < 0)
		return;
	sock_shut(s);
	tell(p, s, "closed the connection");
}

/* --- looking --- */

const char *sock_name(const struct sock *s)
{
	return s->name;
}

int sock_id(const struct sock *s)
{
	return s->id;
}

int sock_node(const struct sock *s)
{
	return s->node;
}

enum sock_state sock_state(const struct sock *s)
{
	return s->state;
}

int sock_error(const struct sock *s)
{
	return s->error;
}

struct slice sock_got(const struct sock *s)
{
	return (struct slice){ s->in.s ? s->in.s + s->in_at : "", s->in.n - s->in_at };
}

void sock_take(struct sock *s, size_t n)
{
	assert(n <= s->in.n - s->in_at);
	s->in_at += n;
	s->set->kept -= n;
}

size_t sock_queued(const struct sock *s)
{
	return s->out.n - s->out_at;
}
