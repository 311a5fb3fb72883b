/* child.h - one child process that reads and writes lines: posix_spawn, three pipes, line framing, limits.
 *
 * The child leads a session and a process group of its own; child_kill ends the group. What it writes is read by
 * child_fill_out and child_fill_err and framed by line_next. It inherits three descriptors and no other, no
 * blocked and no ignored signal. Our ends are close-on-exec. The caller ignores SIGPIPE: a write to a child that
 * has closed its stdin is then EPIPE. Only child_fill_out waits (for output), and child_kill (a second at most). */
#ifndef DLAB_CHILD_H
#define DLAB_CHILD_H

#include <sys/types.h>

#include "base.h"

struct child_spec {
	char *const *argv;   /* borrowed; argv[0] is a path or a name looked up in PATH */
	char *const *env;    /* borrowed; the whole environment */
	const char *cwd;     /* borrowed; NULL: ours. A relative argv[0] is looked up from here */
	const char *log_path;/* borrowed; NULL: stderr is a pipe of ours; else a file it appends to */
};

struct line_buf {
	char *s;         /* owned */
	size_t at, n, cap; /* unread bytes are s[at..n) */
	size_t seen;     /* no newline in s[at..seen) */
	bool skipping;   /* inside a line that was too long: drop up to its newline */
};

struct child {
	pid_t pid;       /* 0: none */
	int in, out, err;/* our ends: its stdin (non-blocking), stdout, stderr (non-blocking); -1: closed */
	struct line_buf out_buf, err_buf;
	uint64_t out_bytes;
	bool reaped;
	int status;      /* as waitpid gives it, once reaped */
};

/* On failure the child is empty: child_done is harmless, and not needed. */
int child_spawn(struct child *, const struct child_spec *, struct err *);

/* How reading went. */
enum child_read { CHILD_MORE, CHILD_EOF, CHILD_AGAIN };
/* Reads once from stdout into the buffer. Blocks when the pipe is empty, unless the descriptor was made
 * non-blocking; an EINTR gives CHILD_AGAIN. Take all lines before the next fill: then the buffer stays under
 * max + 64 KiB, whatever the child writes. */
enum child_read child_fill_out(struct child *);
enum child_read child_fill_err(struct child *);
/* Empties stderr without waiting, a megabyte at most, and keeps up to `max` unread bytes of it; what comes beyond
 * them is dropped. Returns how many bytes came. */
size_t child_soak_err(struct child *, size_t max);

/* Reads once into a buffer, from any descriptor; how many bytes came is in *got. */
enum child_read line_fill(int fd, struct line_buf *, size_t *got);

enum line_kind { LINE_NONE, LINE_WHOLE, LINE_TOO_LONG, LINE_LAST /* at end of file, without its newline */ };
/* Takes the next line out of the buffer; it is borrowed until the next fill. `eof`: the rest counts as a line.
 * A line over max is given once as LINE_TOO_LONG (its first bytes) and skipped to its newline. */
enum line_kind line_next(struct line_buf *, size_t max, bool eof, struct slice *line);

/* Writes all of it or nothing: 0, or -1 with errno (EAGAIN: the pipe is full; EPIPE: it has closed; EMSGSIZE: no
 * pipe can hold so much, which never befalls up to 64 KiB on an ordinary Linux). Near the brim it may say EAGAIN
 * a little early; an empty pipe always takes a line. */
int child_write(struct child *, const char *, size_t n);
/* SIGKILL to its process group, and reap it; the rest of the group has ended too when this returns. Harmless when it has
 * ended: child_reap killed the group then. */
void child_kill(struct child *);
/* Reaps without waiting: true when it has ended (status is set). What is left of its group is killed. */
bool child_reap(struct child *);
/* True when nobody holds the other end of its stdin any more. */
bool child_reads_no_more(const struct child *);
/* True when it is stopped (SIGSTOP and its like), whoever did that. */
bool child_stopped(const struct child *);
/* Bytes of memory that its first process holds (resident); 0 when that is not known. */
uint64_t child_memory(const struct child *);
/* Closes the pipes and frees the buffers; the process must have been reaped. */
void child_done(struct child *);

/* "exited with status 1", "was killed by signal 11 (Segmentation fault)" */
void child_print_status(struct buf *, int status);

#endif
