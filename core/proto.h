/* proto.h - the envelope of a message: a bounded reader over slices that allocates nothing.
 *
 * One line is one JSON object (RFC 8259): {"src": ..., "dest": ..., "body": {...}}. The reader checks the whole
 * line strictly (UTF-8 too), as jansson would, and picks out the few fields that the harness needs. The body
 * stays a slice of the line. When a key stands twice, the last one counts. A key or a short string may be
 * written with escapes; it is compared and given decoded. */
#ifndef DLAB_PROTO_H
#define DLAB_PROTO_H

#include "base.h"
#include "event.h"

/* Every limit of a node in one table. Passing one is an event or a verdict, never a crash. */
enum {
	LINE_MAX_BYTES = 60000,   /* a line, without its newline */
	JSON_DEPTH_MAX = 200,     /* nested arrays and objects */
	NAME_MAX_BYTES = 64,      /* a decoded src, dest, type or timer name; a longer one is "unknown" */
	LINES_PER_STEP = 20000,   /* lines in answer to one line (sim) */
	BYTES_PER_STEP = 16 << 20,/* bytes in answer to one line (sim) */
	BAD_LINES_MAX = 200,      /* BAD events of one node that are kept; the next one ends the node */
	LOG_LINE_MAX = 4096,      /* a line of stderr; the rest is cut */
	LOG_LINES_MAX = 100000,   /* LOG events of one node; the rest is dropped, which a lint tells once */
	LOG_BYTES_MAX = 16 << 20, /* bytes of stderr of one node; likewise */
	NODE_MEMORY_MB = 1024,    /* resident memory of a node's process; more ends the node. No rlimit: those that count
				   * address space or mappings forbid sanitizers, V8 and Go's race detector to start */
	TIMERS_MAX = 1024,        /* timers of one node at a time */
	TIMER_MS_MAX = 86400000   /* a day */
};

struct envelope {
	struct slice src, dest;  /* decoded; src.s == NULL when there was none, or it was no string */
	struct slice body;       /* the object with its braces, a part of the line */
	struct slice type;       /* the body's "type", decoded; s == NULL when there is none or it is no string */
	int64_t msg_id;          /* the body's; -1 when there is none (or no int64) */
	int64_t in_reply_to;     /* likewise */
	/* For messages to "dlab" only: */
	struct slice name;       /* the body's "name", decoded */
	int64_t after_ms;        /* the body's "after_ms"; AFTER_NULL for null, AFTER_NONE when absent or no number */
	char text[4][NAME_MAX_BYTES + 1]; /* where strings live that had escapes or were too long */
};
#define AFTER_NONE INT64_C(-1)
#define AFTER_NULL INT64_C(-2)

/* Reads one line (without newline). Returns -1 when it is an envelope, else the enum bad that says why not
 * (NOT_JSON, NOT_OBJECT, NO_DEST, NO_BODY, TOO_DEEP, TOO_LONG); *at is then the offset of the offending byte, and the
 * envelope holds nothing of use. `at` may be NULL. The offending byte of a wrong escape is its backslash, of a wrong
 * UTF-8 character its first byte, of a line that breaks off its length.
 *
 * The slices borrow the line, or the envelope itself (so an envelope is not to be copied). A decoded string of more
 * than NAME_MAX_BYTES is cut to NAME_MAX_BYTES + 1: its n tells. A negative after_ms is AFTER_NONE; the fraction
 * of another is cut off, and INT64_MAX stands for all that is larger. */
int envelope_read(struct envelope *, struct slice line, size_t *at);

/* Reads only a body: type, msg_id, in_reply_to, name, after_ms; src, dest stay empty. Same results. */
int envelope_read_body(struct envelope *, struct slice body, size_t *at);

/* Walks the top-level members of an object that is known to be valid JSON: returns false at the end.
 * *pos starts at 0. Keys are given as written, between the quotes. */
bool json_member_next(struct slice object, size_t *pos, struct slice *key, struct slice *value);

/* True when s is valid JSON of any kind, within the depth limit; *at is the offset of the first bad byte. */
bool json_valid(struct slice s, size_t *at);

/* Writes the line that a node is given, with its newline:
 * {"id":7,"src":"n1","dest":"n2","at_ms":12,"body":{...}}  */
void envelope_write(struct buf *, uint64_t id, struct slice src, struct slice dest, int64_t at_ms, struct slice body);

/* The error codes of the protocol. */
#define PROTO_ERRORS(X) \
	X(0, "timeout", false) X(1, "node-not-found", true) X(10, "not-supported", true) \
	X(11, "temporarily-unavailable", true) X(12, "malformed-request", true) X(13, "crash", false) \
	X(14, "abort", true) X(20, "key-does-not-exist", true) X(21, "key-already-exists", true) \
	X(22, "precondition-failed", true) X(30, "txn-conflict", true)
enum { ERROR_TIMEOUT = 0, ERROR_NOT_SUPPORTED = 10, ERROR_UNAVAILABLE = 11, ERROR_MALFORMED = 12, ERROR_CRASH = 13,
       ERROR_ABORT = 14, ERROR_NO_KEY = 20, ERROR_KEY_EXISTS = 21, ERROR_PRECONDITION = 22, ERROR_CONFLICT = 30 };

/* True when the code says for sure that the operation did not happen; codes from 1000 on are definite. */
bool proto_error_definite(int64_t code);
/* Static; "unknown error" for a code without a name, "the lab's own" from 1000 on. */
const char *proto_error_name(int64_t code);

#endif
