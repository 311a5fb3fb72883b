/* child.c - one child process that reads and writes lines: posix_spawn, three pipes, line framing, limits.
 *
 * posix_spawn of glibc uses CLONE_VM | CLONE_VFORK, so that starting a node costs the same however much memory
 * the harness holds. All that the child needs is said as attributes and file actions; no code of ours runs
 * between the clone and the exec. */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	READ_MOST = 64 * 1024,  /* one read asks for at most this */
	READ_LEAST = 4096,      /* the buffer grows when less room than this is left */
	STDIN_PIPE = 256 * 1024,/* asked for, not demanded: some lines of the greatest length fit */
	KILL_LIMIT_MS = 1000,
	GROUP_LIMIT_MS = 100,   /* for the rest of a killed group */
	SOAK_ROUNDS = 16,       /* a child that never stops writing must not hold us for ever */
	OOM_SCORE = 500,        /* when memory runs out, the kernel takes the children before the harness */
};

/* --- descriptors --- */

static void fd_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void fd_set_nonblocking(int fd)
{
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

/* A harness that was started without descriptors 0 to 2 gets these numbers for its pipes, and the child's dup2
 * onto 0 to 2 would then overwrite an end that is still needed. So every end is moved above them. */
static int fd_above_standard(int fd)
{
	if (fd < 0 || fd > STDERR_FILENO)
		return fd;
	int moved = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	int saved = errno;
	close(fd);
	errno = saved;
	return moved;
}

/* The ends during a start: ours, and those that become the child's 0, 1 and 2. */
struct ends {
	int ours[3], theirs[3];
};

static void ends_close(int fd[3])
{
	for (int i = 0; i < 3; i++)
		fd_close(&fd[i]);
}

static int ends_pipe(struct ends *e, int which)
{
	int fd[2];
	if (pipe2(fd, O_CLOEXEC) != 0)
		return -1;
	fd[0] = fd_above_standard(fd[0]);
	fd[1] = fd_above_standard(fd[1]);
	int ours = which == STDIN_FILENO;
	e->ours[which] = fd[ours];
	e->theirs[which] = fd[!ours];
	return fd[0] < 0 || fd[1] < 0 ? -1 : 0;
}

static int ends_open(struct ends *e, const char *log_path, struct err *err)
{
	*e = (struct ends){ { -1, -1, -1 }, { -1, -1, -1 } };
	int pipes = log_path ? 2 : 3;
	for (int i = 0; i < pipes; i++)
		if (ends_pipe(e, i) != 0)
			return err_errno(err, "cannot make a pipe");
	if (log_path) {
		int fd = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0644);
		e->theirs[2] = fd_above_standard(fd);
		if (e->theirs[2] < 0)
			return err_errno(err, "cannot write %s", log_path);
	}
	/* Each end of a pipe has a file description of its own: the child's stdin stays blocking. */
	fd_set_nonblocking(e->ours[0]);
	if (e->ours[2] >= 0)
		fd_set_nonblocking(e->ours[2]);
	fcntl(e->ours[0], F_SETPIPE_SZ, STDIN_PIPE);
	return 0;
}

/* --- why a program does not start --- */

static const char *explain_script(int fd)
{
	char line[256];
	ssize_t n = read(fd, line, sizeof line);
	if (n < 2 || memcmp(line, "#!", 2) != 0)
		return NULL;
	const char *end = memchr(line, '\n', (size_t)n);
	if (end && end[-1] == '\r')
		return "its first line ends with a carriage return: save it with Unix line ends";
	return "it exists, but the interpreter that its #! line names does not";
}

static const char *explain_file(int folder, const char *path, int error)
{
	struct stat st;
	if (fstatat(folder, path, &st, 0) != 0)
		return NULL;
	if (S_ISDIR(st.st_mode))
		return "it is a folder";
	if (error == EACCES && faccessat(folder, path, X_OK, AT_EACCESS) != 0)
		return "it is not executable: chmod +x, or start it through its interpreter";
	if (error == ENOEXEC)
		return "it is neither a program for this machine nor a script that begins with #!";
	if (error != ENOENT || !S_ISREG(st.st_mode))
		return NULL;
	int fd = openat(folder, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return NULL;
	const char *why = explain_script(fd);
	close(fd);
	return why;
}

static const char *explain_name(int folder, const char *name, int error)
{
	if (error != ENOENT)
		return NULL;
	return faccessat(folder, name, F_OK, 0) == 0 ? "it is not in PATH: for the file in its folder put ./ before it"
						      : "it is not in PATH";
}

static int explain(const struct child_spec *spec, int error, struct err *err)
{
	const char *program = spec->argv[0];
	int folder = open(spec->cwd ? spec->cwd : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0)
		return err_errno(err, "cannot start %s: its folder %s", program, spec->cwd ? spec->cwd : ".");
	const char *hint = strchr(program, '/') ? explain_file(folder, program, error)
						: explain_name(folder, program, error);
	close(folder);
	if (hint)
		return err_set(err, "cannot start %s: %s (%s)", program, strerror(error), hint);
	return err_set(err, "cannot start %s: %s", program, strerror(error));
}

/* --- starting --- */

/* 0, or an errno. */
static int actions_fill(posix_spawn_file_actions_t *a, const struct ends *e, const char *cwd)
{
	int bad = 0;
	for (int i = 0; i < 3 && !bad; i++)
		bad = posix_spawn_file_actions_adddup2(a, e->theirs[i], i);
	if (!bad && cwd)
		bad = posix_spawn_file_actions_addchdir_np(a, cwd);
	/* Ours are close-on-exec; this is for what the harness itself inherited. */
	if (!bad)
		bad = posix_spawn_file_actions_addclosefrom_np(a, STDERR_FILENO + 1);
	return bad;
}

static int attributes_fill(posix_spawnattr_t *a)
{
	sigset_t none, all;
	sigemptyset(&none);
	sigfillset(&all);
	int bad = posix_spawnattr_setflags(
		a, (short)(POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF));
	if (!bad)
		bad = posix_spawnattr_setsigmask(a, &none);
	/* The harness ignores SIGPIPE, and what is ignored stays so across an exec: every signal gets its default. */
	if (!bad)
		bad = posix_spawnattr_setsigdefault(a, &all);
	return bad;
}

static int spawn(pid_t *pid, const struct child_spec *spec, const struct ends *e)
{
	posix_spawn_file_actions_t actions;
	int bad = posix_spawn_file_actions_init(&actions);
	if (bad)
		return bad;
	posix_spawnattr_t attributes;
	bad = posix_spawnattr_init(&attributes);
	if (!bad) {
		bad = actions_fill(&actions, e, spec->cwd);
		if (!bad)
			bad = attributes_fill(&attributes);
		if (!bad)
			bad = posix_spawnp(pid, spec->argv[0], &actions, &attributes, spec->argv, spec->env);
		posix_spawnattr_destroy(&attributes);
	}
	posix_spawn_file_actions_destroy(&actions);
	return bad;
}

/* Without effect where /proc says no. */
static void prefer_for_oom(pid_t pid)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/oom_score_adj", (int)pid);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	dprintf(fd, "%d", OOM_SCORE);
	close(fd);
}

int child_spawn(struct child *c, const struct child_spec *spec, struct err *err)
{
	*c = (struct child){ .in = -1, .out = -1, .err = -1 };
	struct ends e;
	int bad = ends_open(&e, spec->log_path, err);
	if (bad) {
		err_wrap(err, "cannot start %s", spec->argv[0]);
	} else {
		int error = spawn(&c->pid, spec, &e);
		if (error) {
			c->pid = 0;
			bad = explain(spec, error, err);
		}
	}
	ends_close(e.theirs);
	if (bad) {
		ends_close(e.ours);
		return bad;
	}
	prefer_for_oom(c->pid);
	c->in = e.ours[0];
	c->out = e.ours[1];
	c->err = e.ours[2];
	return 0;
}

/* --- reading --- */

/* Moves what is unread to the front: less than a line, when the caller has taken all lines. */
static void line_make_room(struct line_buf *b)
{
	if (b->at > 0) {
		memmove(b->s, b->s + b->at, b->n - b->at);
		b->n -= b->at;
		b->seen -= b->seen > b->at ? b->at : b->seen;
		b->at = 0;
	}
	if (b->cap - b->n < READ_LEAST) {
		b->cap = b->n + (b->n / 2 > READ_MOST ? b->n / 2 : READ_MOST);
		b->s = xrealloc(b->s, b->cap);
	}
}

enum child_read line_fill(int fd, struct line_buf *b, size_t *got)
{
	*got = 0;
	if (fd < 0)
		return CHILD_EOF;
	line_make_room(b);
	size_t room = b->cap - b->n;
	ssize_t n = read(fd, b->s + b->n, room < READ_MOST ? room : READ_MOST);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? CHILD_AGAIN : CHILD_EOF;
	b->n += (size_t)n;
	*got = (size_t)n;
	return n > 0 ? CHILD_MORE : CHILD_EOF;
}

enum child_read child_fill_out(struct child *c)
{
	size_t got;
	enum child_read r = line_fill(c->out, &c->out_buf, &got);
	c->out_bytes += got;
	return r;
}

enum child_read child_fill_err(struct child *c)
{
	size_t got;
	return line_fill(c->err, &c->err_buf, &got);
}

size_t child_soak_err(struct child *c, size_t max)
{
	size_t sum = 0, got = 1;
	for (int i = 0; i < SOAK_ROUNDS && got > 0; i++) {
		size_t unread = c->err_buf.n - c->err_buf.at;
		line_fill(c->err, &c->err_buf, &got);
		sum += got;
		if (unread + got > max)
			c->err_buf.n = c->err_buf.at + (unread > max ? unread : max);
	}
	return sum;
}

/* The newline at or after `at`, or NULL; bytes that were looked at once are not looked at again. */
static const char *line_end(struct line_buf *b)
{
	size_t from = b->seen > b->at ? b->seen : b->at;
	const char *end = b->n > from ? memchr(b->s + from, '\n', b->n - from) : NULL;
	b->seen = end ? (size_t)(end - b->s) : b->n;
	return end;
}

/* Gives s[at..at+n), or its first max bytes, and goes on reading at `next`. */
static enum line_kind line_take(struct line_buf *b, size_t n, size_t max, size_t next, enum line_kind kind,
				struct slice *line)
{
	*line = (struct slice){ b->s + b->at, n > max ? max : n };
	b->at = next;
	return n > max ? LINE_TOO_LONG : kind;
}

enum line_kind line_next(struct line_buf *b, size_t max, bool eof, struct slice *line)
{
	*line = SLICE_NONE;
	const char *end = line_end(b);
	if (b->skipping) {
		b->at = end ? (size_t)(end - b->s) + 1 : b->n;
		b->skipping = !end && !eof;
		if (!end)
			return LINE_NONE;
		end = line_end(b);
	}
	size_t n = (end ? (size_t)(end - b->s) : b->n) - b->at;
	if (end)
		return line_take(b, n, max, b->at + n + 1, LINE_WHOLE, line);
	if (eof)
		return n > 0 ? line_take(b, n, max, b->n, LINE_LAST, line) : LINE_NONE;
	if (n <= max)
		return LINE_NONE;
	b->skipping = true;
	return line_take(b, n, max, b->n, LINE_WHOLE, line);
}

/* --- writing --- */

/* Whether a write of n > PIPE_BUF bytes would be taken whole. Linux keeps a pipe as pages. A write takes at most
 * one page for each begun 4 KiB, and it begins a new page only when its odd bytes do not fit into the last one:
 * two pages side by side hold more than one page of bytes together, but for the first, which may have been read
 * in part. So q bytes stand in at most 2 * ceil(q / page) + 1 pages. */
static int room_for(int fd, size_t n)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t need = (n + page - 1) / page;
	int queued = 0, bytes = fcntl(fd, F_GETPIPE_SZ);
	if (bytes < 0 || ioctl(fd, FIONREAD, &queued) != 0)
		return -1;
	if (need > (size_t)bytes / page) {
		if (need > INT_MAX / page || fcntl(fd, F_SETPIPE_SZ, (int)(need * page)) < 0) {
			errno = EMSGSIZE;
			return -1;
		}
		bytes = fcntl(fd, F_GETPIPE_SZ);
	}
	size_t q = (size_t)queued;
	size_t used = q == 0 ? 0 : 2 * ((q + page - 1) / page) + 1;
	if (used + need <= (size_t)bytes / page)
		return 0;
	/* A pipe that nobody reads any more is closed, not full. */
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	errno = poll(&p, 1, 0) == 1 && (p.revents & POLLERR) ? EPIPE : EAGAIN;
	return -1;
}

int child_write(struct child *c, const char *s, size_t n)
{
	if (n == 0)
		return 0;
	if (c->in < 0) {
		errno = EPIPE;
		return -1;
	}
	if (n > PIPE_BUF && room_for(c->in, n) != 0)
		return -1;
	ssize_t w;
	do
		w = write(c->in, s, n);
	while (w < 0 && errno == EINTR);
	if (w == (ssize_t)n)
		return 0;
	if (w >= 0) {
		/* Only a child that changed its own stdin meanwhile gets here: a torn line must not be followed by
		 * another. */
		fd_close(&c->in);
		errno = EPIPE;
	}
	return -1;
}

/* --- the end --- */

static void end_with(struct child *c, int status)
{
	c->reaped = true;
	c->status = status;
}

/* The group is killed while the dead leader still holds the number: afterwards it may be somebody else's. */
bool child_reap(struct child *c)
{
	if (c->pid == 0 || c->reaped)
		return true;
	siginfo_t info = { 0 };
	int r = waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOHANG | WNOWAIT);
	if (r != 0 && errno == ECHILD) {
		end_with(c, SIGKILL); /* a sweep took it, and a sweep kills */
		return true;
	}
	if (r != 0 || info.si_pid == 0)
		return false;
	kill(-c->pid, SIGKILL);
	int status = 0;
	if (waitpid(c->pid, &status, WNOHANG) != c->pid)
		return false;
	end_with(c, status);
	return true;
}

/* Waits for the process to end, for KILL_LIMIT_MS at most. */
static void await_end(pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	int64_t limit = clock_ns() + KILL_LIMIT_MS * NS_PER_MS;
	for (int64_t left; (left = limit - clock_ns()) > 0;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		/* A kernel without pidfds: look again every millisecond. */
		int r = poll(&p, fd >= 0, fd >= 0 ? (int)(left / NS_PER_MS) + 1 : 1);
		siginfo_t info = { 0 };
		if (r > 0 || waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == pid)
			break;
	}
	fd_close(&fd);
}

/* A server that was started by a script, or that forks, holds its port and its files until its last process has ended,
 * which may be a moment after the leader. Those that became our children (guard.h) are reaped on the way. */
static void await_group(pid_t group)
{
	int64_t limit = clock_ns() + GROUP_LIMIT_MS * NS_PER_MS;
	do {
		while (waitpid(-group, NULL, WNOHANG) > 0)
			;
		if (kill(-group, 0) != 0)
			return;
		poll(NULL, 0, 1);
	} while (clock_ns() < limit);
}

void child_kill(struct child *c)
{
	if (child_reap(c))
		return;
	kill(-c->pid, SIGKILL);
	await_end(c->pid);
	/* What SIGKILL does not end (another user's program, a hung disk) is not waited for. */
	if (!child_reap(c))
		end_with(c, SIGKILL);
	await_group(c->pid);
}

bool child_reads_no_more(const struct child *c)
{
	struct pollfd p = { .fd = c->in };
	return c->in >= 0 && poll(&p, 1, 0) == 1 && (p.revents & POLLERR);
}

bool child_stopped(const struct child *c)
{
	siginfo_t info = { 0 };
	return c->pid != 0 && !c->reaped && waitid(P_PID, (id_t)c->pid, &info, WSTOPPED | WNOHANG | WNOWAIT) == 0 &&
		info.si_pid == c->pid;
}

uint64_t child_memory(const struct child *c)
{
	char text[128] = "";
	unsigned long long pages = 0;
	snprintf(text, sizeof text, "/proc/%d/statm", (int)c->pid);
	int fd = c->pid != 0 ? open(text, O_RDONLY | O_CLOEXEC) : -1;
	if (fd < 0)
		return 0;
	ssize_t n = read(fd, text, sizeof text - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	return sscanf(text, "%*u %llu", &pages) == 1 ? pages * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

void child_done(struct child *c)
{
	assert(c->pid == 0 || c->reaped);
	fd_close(&c->in);
	fd_close(&c->out);
	fd_close(&c->err);
	free(c->out_buf.s);
	free(c->err_buf.s);
	c->out_buf = c->err_buf = (struct line_buf){ 0 };
	c->pid = 0;
}

void child_print_status(struct buf *b, int status)
{
	if (WIFEXITED(status)) {
		buf_printf(b, "exited with status %d", WEXITSTATUS(status));
		return;
	}
	int sig = WTERMSIG(status);
	const char *name = sigdescr_np(sig);
	buf_printf(b, "was killed by signal %d", sig);
	if (name)
		buf_printf(b, " (%s)", name);
}
