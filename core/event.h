/* event.h - the one thing that a fabric says and a trace holds: something that happened.
 *
 * A message between nodes (or node and service) is a SEND and then, for each copy, a RECV or a DROP that carry
 * the same `msg`. Between a client and a node nothing is delayed or lost, so one event stands for both ends: a
 * CALL (client to node) or a REPLY (node to client). When the node cannot take a client's message at once, it is
 * a SEND and later a RECV or a DROP.
 *
 * `text` by kind: SEND, CALL, REPLY: the body, one JSON object. RECV, DROP: empty, see the SEND of the same msg.
 * STATE, APPLY: the body of the report. TIMER, ARM: the timer's name. LOG: a line of stderr. BAD: the offending text, cut. LINT,
 * NOTE: a sentence. START, EXIT: a sentence. FAULT: the fault as fault_print writes it. */
#ifndef DLAB_EVENT_H
#define DLAB_EVENT_H

#include "base.h"

/* name, text on the screen, one-line meaning */
#define EVENT_KINDS(X) \
	X(START, "start", "a node's process was started") \
	X(READY, "ready", "the node answered init") \
	X(EXIT, "exit", "the node's process ended; arg: status, or 1000 + signal") \
	X(SEND, "send", "a message left src for dst") \
	X(RECV, "recv", "a message arrived at dst") \
	X(DROP, "drop", "a message was lost; why: enum drop") \
	X(CALL, "call", "a client's message reached a node") \
	X(REPLY, "reply", "a node's message reached a client") \
	X(ARM, "arm", "a node set a timer; arg: ms, -1 stops it") \
	X(TIMER, "timer", "a timer of a node went off") \
	X(STATE, "state", "a node reported its state") \
	X(APPLY, "apply", "a node reported that it applied an entry") \
	X(LOG, "log", "a line of a node's stderr") \
	X(BAD, "bad", "a node wrote a line that is no message; why: enum bad") \
	X(LINT, "lint", "allowed, and worth a look") \
	X(PAUSE, "pause", "a node was stopped by the lab") \
	X(RESUME, "resume", "a stopped node goes on") \
	X(KILL, "kill", "a node was killed by the lab") \
	X(FAULT, "fault", "the network was changed by the lab") \
	X(SOCK, "sock", "a step on a raw socket; arg: connection") \
	X(NOTE, "note", "a remark of the lab: a phase, a step") \
	X(VERDICT, "verdict", "how the test ended")

enum event_kind {
#define X(name, text, meaning) EVENT_##name,
	EVENT_KINDS(X)
#undef X
	EVENT_KIND_COUNT
};

#define DROP_REASONS(X) \
	X(LOSS, "lost") X(CUT, "cut") X(DEAD, "receiver down") X(FULL, "queue full") X(END, "run ended")

enum drop {
#define X(name, text) DROP_##name,
	DROP_REASONS(X)
#undef X
	DROP_COUNT
};

/* What a node can write that is no message. The sentence goes on after the node's name. */
#define BAD_REASONS(X) \
	X(NOT_JSON, "wrote a line that is not JSON") \
	X(NOT_OBJECT, "wrote JSON that is not an object") \
	X(NO_DEST, "wrote a message without a \"dest\" string") \
	X(UNKNOWN_DEST, "wrote to a \"dest\" that does not exist") \
	X(NO_BODY, "wrote a message whose \"body\" is not an object") \
	X(WRONG_SRC, "wrote a message whose \"src\" is another's name") \
	X(ECHO, "wrote back the very line that it was given") \
	X(TOO_LONG, "wrote a line of more than 60,000 bytes") \
	X(FLOOD, "wrote more than the limits allow") \
	X(BAD_DLAB, "wrote a \"dlab\" message that is not understood") \
	X(AFTER_DONE, "wrote after \"done\"") \
	X(NO_NEWLINE, "ended with a line that has no newline") \
	X(TOO_DEEP, "wrote JSON that is nested too deep")

enum bad {
#define X(name, text) BAD_##name,
	BAD_REASONS(X)
#undef X
	BAD_COUNT
};

struct event {
	uint64_t seq;      /* place in the trace, from 1; 0 before the trace took it */
	int64_t t_ns;      /* since the run began */
	uint64_t msg;      /* the message's number, from 1; 0: no message */
	uint64_t cause;    /* seq of the event that led to this one; 0 unknown */
	int64_t arg;       /* by kind; messages: the body's in_reply_to, -1 when it has none */
	struct slice text; /* borrowed from the run's arena; by kind */
	const uint32_t *clock; /* borrowed from the trace: the lane's vector clock after its last merge, or NULL */
	uint32_t tick;     /* the lane's own entry of the clock at this event; 0: no clock */
	uint16_t type;     /* number of the body's "type" in the trace's table; 0: none */
	uint8_t kind;      /* enum event_kind */
	uint8_t why;       /* enum drop, enum bad; RECV: 1 when this is the second copy of a doubled message */
	int16_t src, dst;  /* lanes. Events of one node have it in both. LANE_NONE: nobody's */
};

const char *event_kind_name(int kind);    /* static */
const char *event_kind_meaning(int kind); /* static */
const char *drop_text(int why);           /* static */
const char *bad_text(int why);            /* static */

/* The lane at which an event happened; LANE_NONE for those of the network or the lab. */
int event_lane(const struct event *);

#endif
