/* guard.c - nothing that we started outlives us.
 *
 * Both the guard and the sweep look at /proc again and again: a pass lists all processes, marks those to be killed
 * and kills them. They are done when two passes in a row find nobody, because one pass may miss a process that was
 * born, with a low number, behind the back of the listing. */
#include "guard.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	SWEEP_LIMIT_MS = 2000,
	GUARD_LIMIT_MS = 10000, /* what SIGKILL has not ended by then, it never will */
	PAUSE_LEAST_US = 200,
	PAUSE_MOST_US = 20000,
	CLEAN_PASSES = 2,
	ANNOUNCED_FIRST = 64,
};

/* Not "dlab": whoever ends all processes of that name is not to end the guard. */
#define GUARD_NAME "lab-guard"

struct guard {
	pid_t pid;
	int pipe; /* write end */
	struct will *will; /* shared with the guard process */
};

/* What is left to do when the harness has died. */
struct will {
	char folder[PATH_MAX];      /* to be removed; empty: none */
	void (*last)(const char *); /* the guard is a fork of the harness: code stands at the same place in both */
};

/* --- the list of processes --- */

struct process {
	pid_t pid, parent, group, session;
	uint64_t start; /* clock ticks since boot: tells two owners of one number apart */
	int threads;
	char state;
	bool doomed;
};

struct processes {
	struct process *a; /* owned; ascending by pid */
	size_t n, cap;
};

/* A process whose first thread has ended shows as a zombie, too, but its other threads run on. */
static bool process_gone(const struct process *p)
{
	return p->state == 'X' || (p->state == 'Z' && p->threads <= 1);
}

/* Fields of /proc/<pid>/stat, numbered as in proc(5). Field 2, the name, may hold spaces and parentheses: the
 * third begins after the last of those. */
enum { STAT_STATE = 3, STAT_PARENT, STAT_GROUP, STAT_SESSION, STAT_THREADS = 20, STAT_START = 22, STAT_FIELDS };

static bool stat_parse(const char *text, struct process *p)
{
	const char *at = strrchr(text, ')');
	if (!at || at[1] != ' ')
		return false;
	at += 2;
	p->state = *at++;
	uint64_t field[STAT_FIELDS] = { 0 };
	for (int i = STAT_PARENT; i < STAT_FIELDS; i++) {
		char *end;
		field[i] = strtoull(at, &end, 10);
		if (end == at)
			return false;
		at = end;
	}
	p->parent = (pid_t)field[STAT_PARENT];
	p->group = (pid_t)field[STAT_GROUP];
	p->session = (pid_t)field[STAT_SESSION];
	p->threads = (int)field[STAT_THREADS];
	p->start = field[STAT_START];
	return true;
}

static int proc_open(pid_t pid, const char *file)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static bool process_read(pid_t pid, struct process *p)
{
	char text[1024];
	int fd = proc_open(pid, "stat");
	if (fd < 0)
		return false;
	ssize_t n = read(fd, text, sizeof text - 1);
	close(fd);
	if (n <= 0)
		return false;
	text[n] = '\0';
	*p = (struct process){ .pid = pid };
	return stat_parse(text, p);
}

static int process_compare(const void *a, const void *b)
{
	const struct process *x = a, *y = b;
	return (x->pid > y->pid) - (x->pid < y->pid);
}

static struct process *process_find(const struct processes *l, pid_t pid)
{
	struct process key = { .pid = pid };
	return l->n ? bsearch(&key, l->a, l->n, sizeof *l->a, process_compare) : NULL;
}

static void processes_list(struct processes *l)
{
	l->n = 0;
	DIR *proc = opendir("/proc");
	if (!proc)
		return;
	for (struct dirent *d; (d = readdir(proc));) {
		int64_t pid;
		if (!slice_int(slice_of(d->d_name), &pid) || pid <= 0)
			continue;
		if (l->n == l->cap) {
			l->cap = l->cap ? 2 * l->cap : 256;
			l->a = xrealloc(l->a, l->cap * sizeof *l->a);
		}
		l->n += process_read((pid_t)pid, &l->a[l->n]);
	}
	closedir(proc);
	if (l->n)
		qsort(l->a, l->n, sizeof *l->a, process_compare);
}

/* --- the marker --- */

/* Reads NUL-separated text piece by piece: true when one entry is exactly `entry`. */
static bool entry_in(int fd, const char *entry)
{
	char piece[4096];
	size_t length = strlen(entry), matched = 0;
	bool matching = true;
	for (ssize_t n; (n = read(fd, piece, sizeof piece)) > 0;)
		for (ssize_t i = 0; i < n; i++) {
			if (piece[i] == '\0') {
				if (matching && matched == length)
					return true;
				matching = true;
				matched = 0;
			} else if (matching) {
				matching = matched < length && piece[i] == entry[matched];
				matched++;
			}
		}
	return false;
}

static bool process_has(pid_t pid, const char *entry)
{
	int fd = proc_open(pid, "environ");
	if (fd < 0)
		return false;
	bool found = entry_in(fd, entry);
	close(fd);
	return found;
}

static char *marker_entry(const char *marker)
{
	return xasprintf("%s=%s", GUARD_VARIABLE, marker);
}

/* --- killing --- */

/* Kills the doomed; returns how many of them the pass before had not killed already. `found` counts all. */
static int processes_kill(const struct processes *now, const struct processes *before, size_t *found)
{
	int fresh = 0;
	*found = 0;
	for (size_t i = 0; i < now->n; i++) {
		struct process *p = &now->a[i];
		if (!p->doomed)
			continue;
		/* What may not be killed (another user's) is not waited for either. */
		p->doomed = kill(p->pid, SIGKILL) == 0;
		if (!p->doomed)
			continue;
		(*found)++;
		const struct process *old = process_find(before, p->pid);
		fresh += !(old && old->doomed && old->start == p->start);
	}
	return fresh;
}

static void pause_us(long us)
{
	nanosleep(&(struct timespec){ .tv_nsec = us * 1000 }, NULL);
}

/* What a pass needs to know to doom. */
struct hunt {
	const char *entry;   /* borrowed */
	struct process self; /* never killed */
	pid_t spared;        /* never killed; 0: nobody */
	/* the sweep */
	const pid_t *keep; /* borrowed */
	size_t n_keep;
	/* the guard */
	const struct process *announced; /* borrowed */
	size_t n_announced;
	void (*doom)(const struct hunt *, struct processes *);
	void (*reap)(const struct hunt *, const struct processes *); /* or NULL */
	bool (*escaped)(const struct hunt *); /* or NULL. Asked when the passes find nobody any more: is there somebody still? */
};

/* Whoever is older than we are cannot have the marker from us: that spares reading, and our own ancestors. */
static bool hunt_marked(const struct hunt *h, const struct process *p)
{
	return p->start >= h->self.start && process_has(p->pid, h->entry);
}

static struct process process_self(void)
{
	struct process p;
	if (!process_read(getpid(), &p))
		p = (struct process){ .pid = getpid() };
	return p;
}

static int hunt_run(const struct hunt *h, int limit_ms)
{
	struct processes lists[2] = { { 0 }, { 0 } };
	int64_t limit = clock_ns() + limit_ms * NS_PER_MS;
	long pause = PAUSE_LEAST_US;
	int killed = 0, clean = 0;
	for (int pass = 0; (clean < CLEAN_PASSES || (h->escaped && h->escaped(h))) && clock_ns() < limit; pass++) {
		struct processes *now = &lists[pass % 2], *before = &lists[!(pass % 2)];
		size_t found;
		processes_list(now);
		h->doom(h, now);
		killed += processes_kill(now, before, &found);
		if (h->reap)
			h->reap(h, now);
		clean = found ? 0 : clean + 1;
		if (found) {
			pause_us(pause);
			pause = pause * 2 < PAUSE_MOST_US ? pause * 2 : PAUSE_MOST_US;
		}
	}
	free(lists[0].a);
	free(lists[1].a);
	return killed;
}

/* --- the sweep --- */

static bool pid_in(pid_t pid, const pid_t *a, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (a[i] == pid)
			return true;
	return false;
}

static bool hunt_spares(const struct hunt *h, pid_t pid)
{
	return pid == h->spared || pid_in(pid, h->keep, h->n_keep);
}

enum ancestry { STRANGER, DESCENDANT, SPARED };

/* Climbs from a process to its parents. The list is no snapshot, so the climb is bounded: a number that changed its
 * owner meanwhile could close a circle. */
static enum ancestry ancestry_of(const struct hunt *h, const struct processes *l, const struct process *p)
{
	for (size_t steps = 0; p && steps < l->n; steps++) {
		if (hunt_spares(h, p->pid))
			return SPARED;
		if (p->parent == h->self.pid)
			return DESCENDANT;
		p = process_find(l, p->parent);
	}
	return STRANGER;
}

static void sweep_doom(const struct hunt *h, struct processes *l)
{
	for (size_t i = 0; i < l->n; i++) {
		struct process *p = &l->a[i];
		if (p->pid == h->self.pid || process_gone(p))
			continue;
		enum ancestry a = ancestry_of(h, l, p);
		p->doomed = a == DESCENDANT || (a == STRANGER && hunt_marked(h, p));
	}
}

static void sweep_reap(const struct hunt *h, const struct processes *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->a[i].parent == h->self.pid && !hunt_spares(h, l->a[i].pid))
			waitpid(l->a[i].pid, NULL, WNOHANG);
}

/* --- is anybody left at all? ---
 *
 * Every descendant of a subreaper has a chain of living parents up to it, so when it has no child there is nobody to
 * hunt. A thread's list of children only grows while we look, since nobody but us reaps: it can be trusted. */

enum left {
	LEFT_NOBODY,
	LEFT_UNKNOWN,   /* a dead one was reaped: its children are ours now */
	LEFT_SOMEBODY,
	LEFT_NO_ANSWER, /* a kernel without these lists, or a thread that has just ended */
};

/* Appends all of a file under /proc. */
static bool file_read(const char *path, struct buf *b)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ssize_t n;
	do {
		buf_room(b, 1024);
		n = read(fd, b->s + b->n, b->cap - b->n - 1);
		b->n += n > 0 ? (size_t)n : 0;
	} while (n > 0);
	close(fd);
	return n == 0;
}

static enum left children_look(const struct hunt *h, const char *list)
{
	enum left left = LEFT_NOBODY;
	for (char *end;; list = end) {
		pid_t pid = (pid_t)strtol(list, &end, 10);
		if (end == list)
			return left;
		if (hunt_spares(h, pid))
			continue;
		if (waitpid(pid, NULL, WNOHANG) != pid)
			return LEFT_SOMEBODY;
		left = LEFT_UNKNOWN;
	}
}

/* The children of all threads of this process. */
static enum left threads_look(const struct hunt *h)
{
	enum left left = LEFT_NOBODY;
	struct buf children = BUF_EMPTY;
	DIR *threads = opendir("/proc/self/task");
	for (struct dirent *d; threads && left < LEFT_SOMEBODY && (d = readdir(threads));) {
		char path[64];
		if (d->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "/proc/self/task/%.20s/children", d->d_name);
		children.n = 0;
		enum left one = file_read(path, &children) ? children_look(h, buf_cstr(&children)) : LEFT_NO_ANSWER;
		left = one > left ? one : left;
	}
	if (threads)
		closedir(threads);
	buf_done(&children);
	return threads ? left : LEFT_NO_ANSWER;
}

static enum left who_is_left(const struct hunt *h)
{
	int subreaper = 0;
	if (prctl(PR_GET_CHILD_SUBREAPER, &subreaper) != 0 || !subreaper)
		return LEFT_NO_ANSWER;
	enum left left;
	do
		left = threads_look(h);
	while (left == LEFT_UNKNOWN);
	return left;
}

/* A list of all processes is no snapshot: of a chain whose every link starts the next and ends, all may be missed, time
 * after time. Its last link is a child of ours. */
static bool sweep_escaped(const struct hunt *h)
{
	return who_is_left(h) == LEFT_SOMEBODY;
}

int guard_sweep_descendants(const char *marker, const struct guard *g)
{
	struct hunt look = { .spared = g ? g->pid : 0 };
	return who_is_left(&look) == LEFT_NOBODY ? 0 : guard_sweep(marker, g, NULL, 0);
}

int guard_sweep(const char *marker, const struct guard *g, const pid_t *keep, size_t n_keep)
{
	char *entry = marker_entry(marker);
	struct hunt h = {
		.entry = entry, .self = process_self(), .spared = g ? g->pid : 0, .keep = keep, .n_keep = n_keep,
		.doom = sweep_doom, .reap = sweep_reap, .escaped = sweep_escaped,
	};
	int killed = hunt_run(&h, SWEEP_LIMIT_MS);
	free(entry);
	return killed;
}

/* --- the guard process --- */

struct announced {
	struct process *a; /* owned; a start of 0: it had ended before we looked */
	size_t n, cap;
};

/* Forgets the sessions and groups that nobody is in any more: their numbers may be given out again. */
static void announced_prune(struct announced *t)
{
	struct processes l = { 0 };
	processes_list(&l);
	size_t kept = 0;
	for (size_t i = 0; i < t->n; i++) {
		bool lives = false;
		for (size_t j = 0; j < l.n && !lives; j++)
			lives = l.a[j].pid == t->a[i].pid || l.a[j].session == t->a[i].pid ||
				l.a[j].group == t->a[i].pid;
		if (lives)
			t->a[kept++] = t->a[i];
	}
	t->n = kept;
	free(l.a);
}

static void announced_add(struct announced *t, pid_t pid)
{
	if (pid <= 1)
		return;
	if (t->n == t->cap) {
		if (t->n > 0)
			announced_prune(t);
		/* Grown when half of it lives, so that a prune is always paid for by as many announcements. */
		if (t->n >= t->cap / 2) {
			t->cap = t->cap ? 2 * t->cap : ANNOUNCED_FIRST;
			t->a = xrealloc(t->a, t->cap * sizeof *t->a);
		}
	}
	struct process *p = &t->a[t->n++];
	if (!process_read(pid, p))
		*p = (struct process){ .pid = pid };
}

/* False when the number that was announced has another owner today. */
static bool still_the_same(const struct process *announced, const struct processes *l)
{
	const struct process *leader = process_find(l, announced->pid);
	return !leader || leader->start == announced->start;
}

static bool is_announced(const struct hunt *h, const struct processes *l, const struct process *p)
{
	for (size_t i = 0; i < h->n_announced; i++) {
		const struct process *a = &h->announced[i];
		bool member = p->pid == a->pid || p->session == a->pid || p->group == a->pid;
		if (member && p->start >= a->start && still_the_same(a, l))
			return true;
	}
	return false;
}

static void guard_doom(const struct hunt *h, struct processes *l)
{
	for (size_t i = 0; i < l->n; i++) {
		struct process *p = &l->a[i];
		if (p->pid != h->self.pid && !process_gone(p))
			p->doomed = is_announced(h, l, p) || hunt_marked(h, p);
	}
}

/* The guard's descriptors. The second is readable when the harness has died, though a copy of it (a fork without
 * an exec) still holds the pipe; a kernel without pidfds leaves it closed. */
enum { FD_PIPE = STDIN_FILENO, FD_HARNESS = STDERR_FILENO + 1 };

/* Leaves everything that the harness and its terminal could be held up by, or that could end the guard early. */
static void guard_detach(int pipe_end, int harness)
{
	static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGTSTP, SIGTTIN, SIGTTOU,
				       SIGUSR1, SIGUSR2, SIGALRM };
	for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
		signal(ignored[i], SIG_IGN);
	setsid();
	prctl(PR_SET_NAME, GUARD_NAME);
	/* Both are above 2 here, and the pipe is moved away before its number may be taken by the other. */
	if (chdir("/") != 0 || dup2(pipe_end, FD_PIPE) < 0)
		_exit(1);
	if (harness >= 0)
		dup2(harness, FD_HARNESS);
	else
		close(FD_HARNESS);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null >= 0) {
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
	}
	if (null == FD_HARNESS)
		close(null);
	closefrom(FD_HARNESS + 1);
}

/* One read of announcements; false at the end of them. */
static bool guard_take(struct announced *t)
{
	/* A write of a pid is whole, and the pipe holds nothing but whole pids. */
	pid_t pids[256];
	ssize_t n = read(FD_PIPE, pids, sizeof pids);
	if (n < 0)
		return errno == EINTR;
	for (size_t i = 0; i < (size_t)n / sizeof pids[0]; i++)
		announced_add(t, pids[i]);
	return n > 0;
}

/* Reads announcements until the harness has died. */
static void guard_listen(struct announced *t)
{
	int harness = FD_HARNESS;
	for (;;) {
		struct pollfd p[] = { { .fd = FD_PIPE, .events = POLLIN }, { .fd = harness, .events = POLLIN } };
		if (poll(p, ARRAY_LEN(p), -1) < 0)
			continue;
		if (p[0].revents) {
			if (!guard_take(t))
				return;
		} else if (p[1].revents & POLLIN) {
			return;
		} else if (p[1].revents) {
			harness = -1; /* there is no pidfd: poll would return at once, for ever */
		}
	}
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	remove(path);
	return 0;
}

void folder_remove(const char *path)
{
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

static _Noreturn void guard_main(const char *marker, int pipe_end, int harness, const struct will *will)
{
	guard_detach(pipe_end, harness);
	char *entry = marker_entry(marker);
	struct announced t = { 0 };
	guard_listen(&t);
	struct hunt h = {
		.entry = entry, .self = process_self(), .announced = t.a, .n_announced = t.n, .doom = guard_doom,
	};
	hunt_run(&h, GUARD_LIMIT_MS);
	if (will->folder[0] == '/')
		folder_remove(will->folder);
	if (will->last)
		will->last(marker);
	_exit(0);
}

/* --- the harness's side --- */

/* A pipe whose ends are not 0 to 2, even when those are closed: what the harness prints is no announcement. */
static int pipe_above_standard(int fd[2])
{
	int low[2];
	if (pipe2(low, O_CLOEXEC) != 0)
		return -1;
	fd[0] = fcntl(low[0], F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	fd[1] = fcntl(low[1], F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	int saved = errno;
	close(low[0]);
	close(low[1]);
	if (fd[0] >= 0 && fd[1] >= 0)
		return 0;
	if (fd[0] >= 0)
		close(fd[0]);
	errno = saved;
	return -1;
}

static pid_t guard_fork(const char *marker, const int fd[2], const struct will *will)
{
	int self = (int)syscall(SYS_pidfd_open, getpid(), 0);
	int harness = self < 0 ? -1 : fcntl(self, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	pid_t pid = fork();
	if (pid == 0) {
		close(fd[1]);
		guard_main(marker, fd[0], harness, will);
	}
	int saved = errno;
	if (self >= 0)
		close(self);
	if (harness >= 0)
		close(harness);
	errno = saved;
	return pid;
}

struct guard *guard_start(const char *marker, struct err *e)
{
	int fd[2];
	struct will *will = mmap(NULL, sizeof *will, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (will == MAP_FAILED) {
		err_errno(e, "cannot make the guard's memory");
		return NULL;
	}
	if (pipe_above_standard(fd) != 0) {
		err_errno(e, "cannot make the guard's pipe");
		munmap(will, sizeof *will);
		return NULL;
	}
	pid_t pid = guard_fork(marker, fd, will);
	if (pid < 0)
		err_errno(e, "cannot start the guard");
	close(fd[0]);
	if (pid < 0) {
		close(fd[1]);
		munmap(will, sizeof *will);
		return NULL;
	}
	/* A guard that is stopped must not stop the harness. */
	fcntl(fd[1], F_SETFL, O_NONBLOCK);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	struct guard *g = xmalloc(sizeof *g);
	*g = (struct guard){ .pid = pid, .pipe = fd[1], .will = will };
	return g;
}

void guard_announce(struct guard *g, pid_t pid)
{
	ssize_t n;
	do
		n = write(g->pipe, &pid, sizeof pid);
	while (n < 0 && errno == EINTR);
	/* When it is lost, the marker is left, and for the living harness the sweep. */
}

void guard_folder(struct guard *g, const char *path)
{
	snprintf(g->will->folder, sizeof g->will->folder, "%s", path ? path : "");
}

void guard_last(struct guard *g, void (*fn)(const char *marker))
{
	g->will->last = fn;
}

pid_t guard_pid(const struct guard *g)
{
	return g->pid;
}

void guard_stop(struct guard *g)
{
	if (!g)
		return;
	/* It is our child, so the number is its own until we reap it. */
	kill(g->pid, SIGKILL);
	while (waitpid(g->pid, NULL, 0) < 0 && errno == EINTR)
		;
	close(g->pipe);
	munmap(g->will, sizeof *g->will);
	free(g);
}
