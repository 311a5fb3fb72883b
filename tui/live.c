#include "live.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store.h"

enum { START_LIMIT_MS = 120000, STOP_LIMIT_MS = 10000, LOOK_MS = 10, WORDS_KEPT = 2000, QUEUE_MAX = 1 << 20 };

struct live {
	pid_t pid;      /* 0: reaped */
	int ended;      /* pidfd */
	int in, err;    /* ours, not blocking */
	bool sim;
	char *path;     /* owned */
	struct buf queue; /* owned; lines that it has not taken yet */
	struct buf words; /* owned; its stderr */
	int64_t granted_ns;
};

static void run_child(const struct live_spec *spec, int in, int err, pid_t parent)
{
	sigset_t none;
	int nothing = open("/dev/null", O_WRONLY);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	setsid(); /* the terminal's signals are not for it */
	dup2(in, STDIN_FILENO);
	dup2(nothing, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	if (getppid() == parent && (!spec->cwd || chdir(spec->cwd) == 0))
		execv("/proc/self/exe", spec->argv);
	_exit(127);
}

static int make_pipes(int in[2], int err[2], struct err *e)
{
	if (pipe2(in, O_CLOEXEC) != 0)
		return err_errno(e, "cannot make a pipe");
	if (pipe2(err, O_CLOEXEC) == 0)
		return 0;
	err_errno(e, "cannot make a pipe");
	close(in[0]);
	close(in[1]);
	return -1;
}

static struct live *spawn(const struct live_spec *spec, struct err *e)
{
	int in[2], err[2];
	if (make_pipes(in, err, e) != 0)
		return NULL;
	pid_t parent = getpid(), pid = fork();
	if (pid == 0)
		run_child(spec, in[0], err[1], parent);
	close(in[0]);
	close(err[1]);
	int ended = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
	if (pid < 0 || ended < 0) {
		err_errno(e, "cannot start the run");
		close(in[1]);
		close(err[0]);
		return NULL;
	}
	struct live *l = xcalloc(1, sizeof *l);
	fcntl(in[1], F_SETFL, O_NONBLOCK);
	fcntl(err[0], F_SETFL, O_NONBLOCK);
	*l = (struct live){ .pid = pid, .ended = ended, .in = in[1], .err = err[0], .sim = spec->sim, .path = xstrdup(spec->store) };
	return l;
}

static void read_words(struct live *l)
{
	char text[1024];
	for (ssize_t n; (n = read(l->err, text, sizeof text)) > 0;)
		if (l->words.n < WORDS_KEPT)
			buf_add(&l->words, text, (size_t)n);
}

/* What cannot be written now is written at the next call. */
static void push(struct live *l)
{
	while (l->queue.n) {
		ssize_t n = write(l->in, l->queue.s, l->queue.n);
		if (n <= 0)
			return;
		memmove(l->queue.s, l->queue.s + n, l->queue.n - (size_t)n);
		l->queue.n -= (size_t)n;
	}
}

static bool has_ended(const struct live *l, int wait_ms)
{
	struct pollfd fd = { .fd = l->ended, .events = POLLIN };
	return poll(&fd, 1, wait_ms) > 0;
}

bool live_over(struct live *l)
{
	read_words(l);
	push(l);
	return has_ended(l, 0);
}

static bool file_is_there(const char *path)
{
	struct err ignored;
	struct store_run *r = access(path, R_OK) == 0 ? store_open(path, &ignored) : NULL;
	bool there = r && store_meta_get(r, STORE_FABRIC).s;
	store_close(r);
	return there;
}

struct live *live_start(const struct live_spec *spec, struct err *e)
{
	unlink(spec->store); /* an old one would be taken for it */
	struct live *l = spawn(spec, e);
	int64_t limit = clock_ns() + START_LIMIT_MS * NS_PER_MS;
	while (l && !file_is_there(spec->store)) {
		bool over = has_ended(l, LOOK_MS); /* a file tells nobody that it is there: looked at until the child ends */
		read_words(l);
		if (!over && clock_ns() < limit)
			continue;
		int first = (int)strcspn(live_words(l), "\n"); /* what follows points at help */
		err_set(e, "%.*s", first, live_words(l));
		if (!first)
			err_set(e, "the run did not begin");
		live_stop(l);
		return NULL;
	}
	return l;
}

int live_send(struct live *l, const char *line, struct err *e)
{
	if (has_ended(l, 0))
		return err_set(e, "the live run has ended");
	if (l->queue.n > QUEUE_MAX)
		return err_set(e, "the live run does not read what it is told");
	buf_str(&l->queue, line);
	buf_char(&l->queue, '\n');
	push(l);
	return 0;
}

int64_t live_granted_ns(const struct live *l)
{
	return l->granted_ns;
}

void live_set_granted(struct live *l, int64_t t_ns)
{
	l->granted_ns = t_ns;
}

void live_time(struct live *l, int64_t t_ns)
{
	struct err ignored;
	char line[40];
	int64_t ms = (t_ns - l->granted_ns) / NS_PER_MS;
	if (!l->sim || ms <= 0)
		return;
	snprintf(line, sizeof line, "go %lld", (long long)ms);
	if (live_send(l, line, &ignored) == 0)
		l->granted_ns += ms * NS_PER_MS;
}

const char *live_words(struct live *l)
{
	return l->words.n ? buf_cstr(&l->words) : "";
}

const char *live_path(const struct live *l)
{
	return l->path;
}

void live_stop(struct live *l)
{
	if (!l)
		return;
	push(l);
	close(l->in); /* the end of its input is the end of the run */
	if (!has_ended(l, STOP_LIMIT_MS))
		kill(l->pid, SIGTERM);
	if (!has_ended(l, STOP_LIMIT_MS))
		kill(l->pid, SIGKILL);
	while (waitpid(l->pid, NULL, 0) < 0 && errno == EINTR)
		;
	read_words(l);
	close(l->err);
	close(l->ended);
	buf_done(&l->queue);
	buf_done(&l->words);
	free(l->path);
	free(l);
}
