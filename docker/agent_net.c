/* agent_net.c - messages from node to node: out through the link's delays, in from the peers. */
#include "agent.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pod.h"

/* A node that sends faster than its delayed messages leave must not fill the agent's memory. */
enum { UNDER_WAY_MAX = 64 << 20, SOCKET_BYTES = 8 << 20, READS_AT_ONCE = 64, HEADER = sizeof(struct datagram) };

int net_open(struct agent *a, int port)
{
	int bytes = SOCKET_BYTES;
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	a->udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (a->udp < 0 || bind(a->udp, (struct sockaddr *)&any, sizeof any) != 0)
		return -1;
	if (setsockopt(a->udp, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) != 0)
		setsockopt(a->udp, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
	if (setsockopt(a->udp, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes) != 0)
		setsockopt(a->udp, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
	return 0;
}

/* --- in --- */

static void take_datagram(struct agent *a, const char *data, size_t n)
{
	struct datagram head;
	if (n < HEADER)
		return;
	memcpy(&head, data, HEADER);
	if (head.magic != POD_MAGIC || head.token != a->token || head.src >= (uint32_t)a->lanes.nodes)
		return; /* a stranger */
	int src = (int)head.src;
	if (link_is_cut(a->link, src, a->me))
		report_text(&a->report, "lost", "%d %llu %d", src, (unsigned long long)head.k, DROP_CUT);
	else
		node_deliver(a, src, head.k, (struct slice){ data + HEADER, n - HEADER });
}

void net_read(struct agent *a)
{
	char data[HEADER + LINE_MAX_BYTES + 1];
	for (int i = 0; i < READS_AT_ONCE; i++) {
		ssize_t n = recv(a->udp, data, sizeof data, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return;
		take_datagram(a, data, (size_t)n);
	}
}

/* --- out --- */

static void unref(struct agent *a, struct parcel_body *b)
{
	if (--b->refs > 0)
		return;
	a->under_way -= b->n;
	free(b);
}

static struct parcel_body *body_of(const struct link_item *item)
{
	return (struct parcel_body *)(uintptr_t)(item->body.s - offsetof(struct parcel_body, s));
}

void net_send(struct agent *a, int dst, struct slice body, uint64_t k)
{
	if (a->under_way > UNDER_WAY_MAX) {
		report_text(&a->report, "lost", "%d %llu %d", a->me, (unsigned long long)k, DROP_FULL);
		return;
	}
	struct parcel_body *b = xmalloc(sizeof *b + body.n);
	a->under_way += body.n;
	*b = (struct parcel_body){ .refs = 1, .k = k, .n = body.n };
	memcpy(b->s, body.s, body.n);
	struct link_item item = { .msg = k, .src = (int16_t)a->me, .dst = (int16_t)dst, .body = { b->s, b->n } };
	int copies = link_send(a->link, clock_ns(), &item);
	if (copies == 0)
		report_text(&a->report, "lost", "%d %llu %d", a->me, (unsigned long long)k, DROP_LOSS);
	b->refs += copies;
	unref(a, b);
}

static void send_now(struct agent *a, int dst, const struct parcel_body *b)
{
	if (dst == a->me) {
		node_deliver(a, a->me, b->k, (struct slice){ b->s, b->n });
		return;
	}
	struct datagram head = { .magic = POD_MAGIC, .src = (uint32_t)a->me, .token = a->token, .k = b->k };
	struct iovec part[2] = { { &head, sizeof head }, { (void *)(uintptr_t)b->s, b->n } };
	struct msghdr m = { .msg_name = &a->peer[dst], .msg_namelen = sizeof a->peer[dst], .msg_iov = part, .msg_iovlen = 2 };
	ssize_t n;
	do
		n = sendmsg(a->udp, &m, 0);
	while (n < 0 && (errno == EINTR || errno == ECONNREFUSED)); /* an answer to an earlier one */
	if (n < 0)
		report_text(&a->report, "lost", "%d %llu %d", a->me, (unsigned long long)b->k, DROP_FULL);
}

void net_due(struct agent *a)
{
	struct link_item item;
	while (link_pop(a->link, clock_ns(), &item)) {
		if (item.kind == ITEM_TIMER) {
			node_deliver(a, LANE_DLAB, 0, item.body);
			continue;
		}
		struct parcel_body *b = body_of(&item);
		send_now(a, item.dst, b);
		unref(a, b);
	}
}
