/* test_sock.c - connections of the harness against a peer in this very process: a listening socket and the kernel's
 * buffers are enough. The play is a fake one that keeps the sentences of the trace. */
#include "play.h"
#include "sock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { LIMIT_MS = 5000 };

struct fake {
	struct play play; /* first: a play is a fake; only its arena and its socks are used */
	struct buf said;  /* sentences, one in a line */
	int64_t now_ns;
	int listener, port;
	unsigned pumps;
};

static struct fake *fake_of(const struct play *p)
{
	return (struct fake *)(uintptr_t)p;
}

void play_pump(struct play *p, int64_t until_ns)
{
	struct fake *f = fake_of(p);
	assert_true(until_ns >= f->now_ns);
	f->now_ns = until_ns;
	f->pumps++;
}

uint64_t play_record(struct play *p, struct event *e)
{
	struct fake *f = fake_of(p);
	assert_int_equal(e->kind, EVENT_SOCK);
	buf_slice(&f->said, e->text);
	buf_char(&f->said, '\n');
	return 1;
}

struct socks **play_socks(struct play *p)
{
	return &p->socks;
}

int play_dial(struct play *p, int node, struct sockaddr_in *to)
{
	assert_int_equal(node, 0);
	*to = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons((uint16_t)fake_of(p)->port) };
	return socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

int64_t play_now(const struct play *p)
{
	return fake_of(p)->now_ns;
}

struct arena *play_arena(struct play *p)
{
	return &p->arena;
}

static int open_listener(int *port)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof at;
	assert_int_equal(bind(fd, (const struct sockaddr *)&at, n), 0);
	assert_int_equal(listen(fd, 512), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &n), 0);
	*port = ntohs(at.sin_port);
	return fd;
}

static int setup(void **state)
{
	struct fake *f = xcalloc(1, sizeof *f);
	arena_init(&f->play.arena);
	f->listener = open_listener(&f->port);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fake *f = *state;
	socks_free(f->play.socks);
	close(f->listener);
	buf_done(&f->said);
	arena_done(&f->play.arena);
	free(f);
	return 0;
}

static bool said(struct fake *f, const char *what)
{
	return strstr(buf_cstr(&f->said), what) != NULL;
}

static int peer_of(struct fake *f)
{
	int fd = accept(f->listener, NULL, NULL);
	assert_true(fd >= 0);
	return fd;
}

static void peer_says(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static void peer_resets(int fd)
{
	struct linger at_once = { 1, 0 };
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
	close(fd);
}

static void test_line_there_and_back(void **state)
{
	struct fake *f = *state;
	struct play *p = &f->play;
	struct sock *s = play_sock_connect(p, 0);
	assert_int_equal(sock_state(s), SOCK_OPEN);
	int peer = peer_of(f);
	play_sock_send(p, s, SLICE("hi\n"));
	char got[8];
	assert_int_equal(read(peer, got, sizeof got), 3);
	peer_says(peer, "ho\nrest");
	assert_true(play_sock_recv_line(p, s, LIMIT_MS));
	assert_true(play_sock_recv(p, s, 7, LIMIT_MS));
	assert_true(slice_is(sock_got(s), "ho\nrest"));
	sock_take(s, 3);
	assert_true(slice_is(sock_got(s), "rest"));
	assert_false(play_sock_recv_line(p, s, 20));
	close(peer);
	assert_true(play_sock_recv_eof(p, s, LIMIT_MS));
	assert_true(said(f, "c1 connected\n"));
	assert_true(said(f, "c1 sent 3 bytes: \"hi\\n\"\n"));
	assert_true(said(f, "c1 received 4 bytes: \"rest\", then saw the end of the connection\n"));
	assert_true(f->pumps > 0);
}

static void test_pieces(void **state)
{
	struct fake *f = *state;
	struct play *p = &f->play;
	struct sock *s = play_sock_connect(p, 0);
	int peer = peer_of(f);
	assert_true(play_sock_send_pieces(p, s, SLICE("abcde"), 2, 1));
	char got[8];
	assert_int_equal(recv(peer, got, 5, MSG_WAITALL), 5);
	assert_memory_equal(got, "abcde", 5);
	assert_true(said(f, "c1 sent 5 bytes in 3 pieces, 1 ms apart: \"abcde\"\n"));
	peer_resets(peer);
	assert_false(play_sock_send_pieces(p, s, SLICE("more bytes"), 1, 20));
	assert_int_equal(sock_state(s), SOCK_BROKEN);
}

static void test_silence_and_reset(void **state)
{
	struct fake *f = *state;
	struct play *p = &f->play;
	struct sock *s = play_sock_connect(p, 0);
	int peer = peer_of(f);
	assert_false(play_sock_recv(p, s, 1, 20));
	assert_int_equal(sock_state(s), SOCK_OPEN);
	assert_true(said(f, "c1 received nothing for 20 ms\n"));
	peer_resets(peer);
	assert_false(play_sock_recv_eof(p, s, LIMIT_MS));
	assert_int_equal(sock_state(s), SOCK_BROKEN);
	assert_int_equal(sock_error(s), ECONNRESET);
	assert_true(said(f, "c1 lost the connection: Connection reset by peer\n"));
	play_sock_send(p, s, SLICE("into the void"));
	assert_int_equal(sock_queued(s), 0);
	play_sock_close(p, s);
	play_sock_close(p, s);
	play_sock_reset(p, s);
}

static void test_refused(void **state)
{
	struct fake *f = *state;
	struct play *p = &f->play;
	close(f->listener);
	struct sock *s = play_sock_connect(p, 0);
	assert_int_equal(sock_state(s), SOCK_BROKEN);
	assert_int_equal(sock_error(s), ECONNREFUSED);
	assert_true(said(f, "c1 could not connect: Connection refused\n"));
	assert_false(play_sock_recv(p, s, 1, LIMIT_MS));
	f->listener = open_listener(&f->port);
}

/* The peer's end of the connection: what a reset of ours and a half-close look like from there. */
static void test_half_close_and_reset_of_ours(void **state)
{
	struct fake *f = *state;
	struct play *p = &f->play;
	struct sock *s = play_sock_connect(p, 0);
	int peer = peer_of(f);
	char c;
	play_sock_half_close(p, s);
	assert_int_equal(read(peer, &c, 1), 0);
	peer_says(peer, "late\n");
	assert_true(play_sock_recv_line(p, s, LIMIT_MS));
	play_sock_reset(p, s);
	assert_int_equal(sock_state(s), SOCK_CLOSED);
	/* After a half-close a reset shows in writing, else in reading. */
	assert_int_equal(send(peer, "x", 1, MSG_NOSIGNAL), -1);
	assert_int_equal(errno, EPIPE);
	close(peer);
	s = play_sock_connect(p, 0);
	peer = peer_of(f);
	play_sock_reset(p, s);
	assert_int_equal(read(peer, &c, 1), -1);
	assert_int_equal(errno, ECONNRESET);
	close(peer);
	assert_true(said(f, "c1 ended its sending side\n"));
	assert_true(said(f, "c1 reset the connection\n"));
}

static void test_slow_reader_fills_the_buffers(void **state)
{
	struct fake *f = *state;
	struct play *p = &f->play;
	struct sock *s = play_sock_connect_slow(p, 0);
	int peer = peer_of(f);
	assert_int_equal(fcntl(peer, F_SETFL, O_NONBLOCK), 0);
	static char block[1 << 16];
	size_t written = 0;
	ssize_t n;
	while ((n = write(peer, block, sizeof block)) > 0)
		written += (size_t)n;
	play_sock_stall(p, s, 20, LIMIT_MS);
	assert_int_equal(sock_got(s).n, 0);
	assert_true(written > 2 * SOCK_SLOW_BUFFER);
	play_sock_release(p, s);
	assert_true(play_sock_recv(p, s, written, LIMIT_MS));
	close(peer);
}

static void test_big_queue_drains_before_fin(void **state)
{
	struct fake *f = *state;
	struct play *p = &f->play;
	struct sock *s = play_sock_connect(p, 0);
	int peer = peer_of(f);
	size_t size = 64 << 20;
	char *bytes = xcalloc(1, size);
	play_sock_send(p, s, (struct slice){ bytes, size });
	assert_true(sock_queued(s) > 0);
	play_sock_half_close(p, s);
	assert_false(play_sock_flush(p, s, 20));
	size_t got = 0;
	ssize_t n;
	while ((n = recv(peer, bytes, size, MSG_DONTWAIT)) != 0) {
		if (n > 0)
			got += (size_t)n;
		else
			play_sock_flush(p, s, 1);
	}
	assert_int_equal(got, size);
	assert_true(said(f, "c1 will end its sending side when all is sent\n"));
	free(bytes);
	close(peer);
}

static void test_many(void **state)
{
	struct fake *f = *state;
	struct play *p = &f->play;
	struct sock *socks[200];
	assert_int_equal(play_sock_connect_many(p, 0, socks, ARRAY_LEN(socks)), 200);
	for (size_t i = 0; i < ARRAY_LEN(socks); i++) {
		int peer = peer_of(f);
		peer_says(peer, "x\n");
		close(peer);
	}
	for (size_t i = 0; i < ARRAY_LEN(socks); i++)
		assert_true(play_sock_recv(p, socks[i], 2, LIMIT_MS));
	assert_true(said(f, "c1 to c200: 200 of 200 connected\n"));
	/* Closed in an order that is not that of opening. */
	for (size_t i = 0; i < ARRAY_LEN(socks); i += 3)
		play_sock_close(p, socks[i]);
	play_sock_close_many(p, socks, ARRAY_LEN(socks) / 2);
	assert_int_equal(sock_state(socks[0]), SOCK_CLOSED);
	assert_int_equal(sock_state(socks[199]), SOCK_EOF);
}

static void check_quote(struct slice text, const char *want)
{
	struct buf b = BUF_EMPTY;
	sock_quote(&b, text);
	assert_string_equal(buf_cstr(&b), want);
	buf_done(&b);
}

static void test_quote(void **state)
{
	(void)state;
	check_quote(SLICE_NONE, "\"\"");
	check_quote(SLICE("a\r\n\"\\\0\xff"), "\"a\\r\\n\\\"\\\\\\x00\\xff\"");
	check_quote(SLICE("0123456789012345678901234567890123456789"), "\"0123456789012345678901234567890123456789\"");
	check_quote(SLICE("0123456789012345678901234567890123456789x"), "\"0123456789012345678901234567890123456789\"...");
}

static void test_free_closes_everything(void **state)
{
	struct fake *f = *state;
	struct play *p = &f->play;
	struct sock *s = play_sock_connect(p, 0);
	int peer = peer_of(f);
	(void)s;
	socks_free(p->socks);
	p->socks = NULL;
	char c;
	assert_int_equal(read(peer, &c, 1), 0);
	close(peer);
	socks_free(NULL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_line_there_and_back), TEST(test_pieces), TEST(test_silence_and_reset), TEST(test_refused),
		TEST(test_half_close_and_reset_of_ours), TEST(test_slow_reader_fills_the_buffers),
		TEST(test_big_queue_drains_before_fin), TEST(test_many), TEST(test_quote), TEST(test_free_closes_everything),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
