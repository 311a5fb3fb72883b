/* child.h - one child process that reads and writes lines: posix_spawn, three pipes, line framing, limits.
 *
 * The child leads a session and a process group of its own; child_kill ends the group. Its stdout is framed
 * into lines by child_line; its stderr by child_log. Pipes are close-on-exec on our side. Nothing here waits
 * for longer than it is told. */
#ifndef DLAB_CHILD_H
#define DLAB_CHILD_H

#include <sys/types.h>

#include "base.h"

struct child_spec {
	char *const *argv;   /* borrowed; argv[0] is a path or a name looked up in PATH */
	char *const *env;    /* borrowed; the whole environment */
	const char *cwd;     /* borrowed */
	const char *log_path;/* NULL: stderr is a pipe of ours; else a file it appends to */
};

struct line_buf {
	char *s;         /* owned */
	size_t at, n, cap; /* unread bytes are s[at..n) */
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

int child_spawn(struct child *, const struct child_spec *, struct err *);

/* How reading went. */
enum child_read { CHILD_MORE, CHILD_EOF, CHILD_AGAIN };
/* Reads once from stdout into the buffer. Blocks when the pipe is empty, unless the descriptor was made
 * non-blocking; an EINTR gives CHILD_AGAIN. */
enum child_read child_fill_out(struct child *);
enum child_read child_fill_err(struct child *);

enum line_kind { LINE_NONE, LINE_WHOLE, LINE_TOO_LONG, LINE_LAST /* at end of file, without its newline */ };
/* Takes the next line out of the buffer; it is borrowed until the next fill. `eof`: the rest counts as a line.
 * A line over max is given once as LINE_TOO_LONG (its first bytes) and skipped to its newline. */
enum line_kind line_next(struct line_buf *, size_t max, bool eof, struct slice *line);

/* Writes all of it or nothing: 0, or -1 with errno (EAGAIN: the pipe is full; EPIPE: it has closed). */
int child_write(struct child *, const char *, size_t n);
/* SIGKILL to its process group, and reap it. Harmless when it has ended. */
void child_kill(struct child *);
/* Reaps without waiting: true when it has ended (status is set). */
bool child_reap(struct child *);
/* Closes the pipes and frees the buffers; the process must have been reaped. */
void child_done(struct child *);

/* "exited with status 1", "was killed by signal 11 (Segmentation fault)" */
void child_print_status(struct buf *, int status);

#endif
