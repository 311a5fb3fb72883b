/* pod.h - what is fixed between the agent, the learner's container and core/fabric_docker.c.
 *
 * A pod is two containers that share a network namespace and the volume POD_FOLDER:
 *   the agent's      dlab-agent pod ME FIRST PORT TOKEN ADDRESS,ADDRESS,... [clients]
 *   the learner's    dlab-agent node COMMAND...     (PID 1: makes three pipes, hands their ends to the agent through POD_SOCKET,
 *                                                    starts the command, tells how it ended)
 *
 * The pod of the clients of raw sockets is an agent's container alone (its last word is "clients"); its address is the last
 * one, after the nodes'. It passes sockets to the harness through POD_HARNESS (core/docker_dial.h).
 *
 * From node to node a message is one UDP datagram: struct datagram, then the body.
 *
 * The harness speaks to the agent in lines on its stdin:
 *   clock NS            when the run began, by CLOCK_MONOTONIC of the agent's machine
 *   init LINE           start the node, now or as soon as its container is there; LINE is the first that it is given
 *   serve PORT          start the node likewise, as a server of raw sockets: it is given nothing, and what it writes is its log
 *   signal N            send the node a signal
 *   line LINE           give the node this line
 *   fault TEXT          (fault.h) the agent itself shapes so: loss, latency, ... of what it sends, cuts of what it gets
 *   run ID TOOL SCRIPT  nft, iptables or tc, which reads SCRIPT; its newlines are written as POD_NEWLINE
 *   sync ID             answer with ran ID 0: what was said before is done
 * and the agent answers on its stdout, each line with the time (ns of the same clock) as its second word:
 *   hello T BOOT        it is up; the machine's boot id
 *   here T              the learner's container has connected; of the clients' agent: it has connected to the harness
 *   nowhere T TEXT      it could not, and why
 *   up T                the node was started
 *   ready T             the node's PORT accepts connections
 *   gone T STATUS       its container has ended, and it was never started
 *   out T K LINE        the node wrote LINE. K > 0: a message to a node, this agent's K'th; 0: something else; -1: too many timers
 *   long T LINE         the node wrote a line that is too long; its beginning
 *   last T LINE         the node ended with a line without a newline
 *   err T LINE          the node wrote to stderr
 *   got T SRC K         message K of node SRC was given to the node
 *   lost T SRC K WHY    message K of node SRC was dropped by an agent: enum drop
 *   timer T NAME        the node was told of its timer
 *   end T STATUS OOM    the node's process ended, as waitpid says it; -1: its container did. OOM 1: for want of memory
 *   shut T              the node closed its stdout
 *   unfit T TEXT        the node must be ended, and why
 *   ran T ID STATUS TEXT  a tool ended with STATUS and wrote TEXT */
#ifndef DLAB_POD_H
#define DLAB_POD_H

#include <stdint.h>

#define POD_FOLDER "/dlab"
#define POD_PROGRAM POD_FOLDER "/dlab-agent"
#define POD_SOCKET POD_FOLDER "/node.sock"
#define POD_DATA POD_FOLDER "/data"
#define POD_HARNESS "/dlab-harness/harness.sock"

enum { POD_NEWLINE = 0x1e, POD_MAGIC = 0x62616c64, POD_UID = 65532 };

struct datagram {
	uint32_t magic;
	uint32_t src;   /* lane */
	uint64_t token; /* of the run: whoever does not know it is not heard */
	uint64_t k;
};

#endif
