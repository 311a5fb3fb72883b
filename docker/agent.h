/* agent.h - the agent of a pod: what its parts share. Its protocol is in pod.h.
 *
 *   DOWN --its container has connected, and its first line is known--> INIT --the node says init_ok--> READY     its container ends: DOWN
 *
 * One loop (agent.c) waits for the harness, the node, the peers, timers and a tool. Messages that the agent delays and
 * the node's timers stand in a struct link. What waits for the node's init_ok is held. */
#ifndef DLAB_AGENT_H
#define DLAB_AGENT_H

#include <netinet/in.h>

#include "child.h"
#include "link.h"
#include "proto.h"
#include "report.h"
#include "tool.h"

enum agent_phase { AGENT_DOWN, AGENT_INIT, AGENT_READY };

/* A body under way, shared by the copies of a message. */
struct parcel_body {
	int refs;
	uint64_t k;
	size_t n;
	char s[];
};

/* What waits for init_ok. */
struct held {
	int src;     /* lane; the node itself: a timer, and body is its name */
	uint64_t k;
	char *body;  /* owned */
	size_t n;
};

struct agent {
	struct lanes lanes;
	int me;
	uint64_t token;
	int64_t began_ns;
	struct link *link;
	size_t under_way;         /* bytes of bodies in the link */
	struct sockaddr_in peer[NODES_MAX];
	struct report report;     /* to the harness */
	struct tool tool;
	struct line_buf control;  /* from the harness */
	int udp, listener;
	int harness;              /* the clients' pod: whom sockets are passed to; -1: none */
	/* the node */
	enum agent_phase phase;
	int connection;           /* to PID 1 of its container; -1: none */
	int in, out, err;         /* its pipes; -1: closed */
	struct line_buf out_buf, err_buf;
	struct buf backlog;       /* what it has not read */
	size_t backlog_at;
	struct buf init;          /* the line that it is given first */
	int serve_port;           /* it is a server of raw sockets, which is to accept connections there; 0: it is none */
	int64_t knock_ns;         /* when to try whether it does; 0: not */
	uint64_t silent_bytes;    /* since its last whole line */
	bool unfit;               /* said so */
	struct held *held;        /* owned */
	size_t held_n, held_cap;
	uint64_t sent;            /* its messages to nodes */
	struct buf line;          /* under construction */
};

/* --- agent_node.c: the node's side --- */
void node_connect(struct agent *);
void node_go(struct agent *);
void node_read_connection(struct agent *);
void node_read_out(struct agent *);
void node_read_err(struct agent *);
void node_flush(struct agent *);
void node_signal(struct agent *, int signal_number);
/* Tries the port of a server of raw sockets, when that is due. */
void node_knock(struct agent *);
void node_give(struct agent *, struct slice line);
/* A message or a timer for the node, now or when it has answered init. */
void node_deliver(struct agent *, int src, uint64_t k, struct slice body);

/* --- agent_net.c: the peers' side --- */
int net_open(struct agent *, int port);
void net_read(struct agent *);
/* Takes over a message of the node to a node. */
void net_send(struct agent *, int dst, struct slice body, uint64_t k);
/* Does what is due: sends delayed messages, tells the node of its timers. */
void net_due(struct agent *);

/* --- agent_clients.c: the clients' pod --- */
void clients_open(struct agent *);
void clients_serve(struct agent *);

#endif
