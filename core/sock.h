/* sock.h - the harness as the client of a raw-socket lab: TCP connections that a play drives step by step.
 *
 * Sending only queues. While any verb here waits, every connection of the run moves: queued bytes go out,
 * arriving bytes are kept until they are taken, and the engine handles what the nodes do. A connection that
 * is held is not read at all: that is a slow reader.
 * Nothing here judges. A verb says what came; the lab decides whether that is right. Every step of a
 * connection is an event (SOCK) with a sentence; the steps of a crowd are one event together.
 * A struct sock lives in the run's arena; its descriptor and bytes live until it is closed or the run ends. */
#ifndef DLAB_SOCK_H
#define DLAB_SOCK_H

#include "lab.h"

enum {
	SOCK_CONNECT_MS = 5000,       /* how long a connection may take to be made */
	SOCK_SLICE_MS = 5,            /* the longest sleep between two looks at the engine */
	SOCK_KEPT_MAX = 48 << 20,     /* bytes of all connections that are kept; beyond it nothing is read */
	SOCK_SLOW_BUFFER = 64 << 10,  /* receive buffer of a slow reader */
	SOCK_QUOTE_MAX = 40           /* bytes of a text that a sentence shows */
};

enum sock_state {
	SOCK_CONNECTING,
	SOCK_OPEN,
	SOCK_EOF,     /* the node has ended its side; we may still send */
	SOCK_BROKEN,  /* refused, reset or timed out; sock_error says which */
	SOCK_CLOSED   /* by us */
};

struct sock;
struct socks;

/* --- one connection --- */
/* Returns when it is made, or has failed: then its state is SOCK_BROKEN. */
struct sock *play_sock_connect(struct play *, int node);
/* With a small receive buffer, and held from the start. */
struct sock *play_sock_connect_slow(struct play *, int node);
/* Queues the bytes (they are copied). */
void play_sock_send(struct play *, struct sock *, struct slice);
/* Sends pieces of `piece` bytes, each on its own, with a pause after each. False: the connection ended meanwhile. */
bool play_sock_send_pieces(struct play *, struct sock *, struct slice, size_t piece, int64_t pause_ms);
/* Waits until nothing is queued; false when that took too long, or the connection broke. */
bool play_sock_flush(struct play *, struct sock *, int64_t limit_ms);
/* For a connection that is held: waits until for stall_ms nothing goes out and nothing arrives. Then all buffers
 * on the way are full, or the node has nothing more to say. */
void play_sock_stall(struct play *, struct sock *, int64_t stall_ms, int64_t limit_ms);
/* Bytes of it that have moved so far, in both directions: those that a stalled one waits for. */
uint64_t play_sock_moved(const struct sock *);
/* Waits until n bytes are kept; false when the connection ended first, or no byte came for idle_ms. */
bool play_sock_recv(struct play *, struct sock *, size_t n, int64_t idle_ms);
/* Waits until a newline is kept. Likewise. */
bool play_sock_recv_line(struct play *, struct sock *, int64_t idle_ms);
/* Waits for the end of file: false when it did not come, or the connection broke. */
bool play_sock_recv_eof(struct play *, struct sock *, int64_t idle_ms);
/* Stops reading; goes on reading. */
void play_sock_hold(struct play *, struct sock *);
void play_sock_release(struct play *, struct sock *);
/* Ends our side (FIN) once everything queued is out; we go on reading. */
void play_sock_half_close(struct play *, struct sock *);
/* Ends the connection with a reset (RST), and drops what is queued. */
void play_sock_reset(struct play *, struct sock *);
/* Closes at once. Harmless on a closed one. */
void play_sock_close(struct play *, struct sock *);

/* --- many at once --- */
/* Fills out[count]; returns how many were made within SOCK_CONNECT_MS. Their steps are not traced one by one. */
size_t play_sock_connect_many(struct play *, int node, struct sock **out, size_t count);
void play_sock_close_many(struct play *, struct sock **, size_t count);
/* Waits until the condition holds; it is asked again whenever a connection has moved. */
bool play_sock_wait(struct play *, bool (*cond)(void *arg), void *arg, int64_t limit_ms);
/* An event about no connection, or several: "100 lines were sent". */
void play_sock_note(struct play *, int node, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* --- the process of a node (play.c) --- */
/* Open descriptors: of the node's process, or of the one that descends from it and has most (the node may be a script
 * around a server); -1: not known here. */
int play_open_files(const struct play *, int node);
void play_signal(struct play *, int node, int signal_number);
/* True when it has ended by itself (a node that got play_signal may); the status is as an EXIT event's arg. */
bool play_exit_status(const struct play *, int node, int *status);

/* --- looking at one --- */
const char *sock_name(const struct sock *); /* "c3"; lives as long as the run */
int sock_id(const struct sock *);
int sock_node(const struct sock *);
enum sock_state sock_state(const struct sock *);
/* errno of what broke it; 0: nothing did. */
int sock_error(const struct sock *);
/* What has come and was not taken; borrowed until the next verb that waits or takes. */
struct slice sock_got(const struct sock *);
/* Drops the first n bytes of what has come. */
void sock_take(struct sock *, size_t n);
/* Bytes that wait to go out. */
size_t sock_queued(const struct sock *);
/* "hello\n" in quotes with escapes, cut after SOCK_QUOTE_MAX bytes ("..." follows). */
void sock_quote(struct buf *, struct slice);

/* --- for the engine --- */
/* Closes every connection of a run without a word and frees all. NULL is fine. */
void socks_free(struct socks *);

#endif
