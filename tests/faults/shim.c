/* shim.c - a library for LD_PRELOAD in which the n'th call of one function fails.
 *
 *   FAULT_CALL=write FAULT_N=3 FAULT_PROGRAM=/path/dlab FAULT_FIRED=/path/file LD_PRELOAD=shim.so dlab ...
 *
 * Only in FAULT_PROGRAM (and what it forks) are calls counted; other programs that inherit the environment are left alone.
 * When the call fails, FAULT_FIRED is created, so that the caller sees when n is larger than the number of calls. */
#define _GNU_SOURCE
#undef _FORTIFY_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

static const char *victim = "", *fired = "";
static long at;
static atomic_long count;

__attribute__((constructor)) static void begin(void)
{
	char self[4096];
	long n = syscall(SYS_readlinkat, AT_FDCWD, "/proc/self/exe", self, sizeof self - 1);
	self[n > 0 ? n : 0] = '\0';
	const char *program = getenv("FAULT_PROGRAM"), *call = getenv("FAULT_CALL"), *number = getenv("FAULT_N");
	if (!program || !call || !number || strcmp(self, program) != 0)
		return;
	fired = getenv("FAULT_FIRED") ? getenv("FAULT_FIRED") : "";
	at = atol(number);
	victim = call;
}

/* True when this call is to fail. */
static int fails(const char *name, int error)
{
	if (strcmp(name, victim) != 0 || atomic_fetch_add(&count, 1) + 1 != at)
		return 0;
	long fd = syscall(SYS_openat, AT_FDCWD, fired, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd >= 0)
		syscall(SYS_close, fd);
	errno = error;
	return 1;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
/* A function without a variable list of arguments: its failure is `bad`, with errno. */
#define WRAP(type, name, bad, error, params, args) \
	type name params \
	{ \
		static __typeof__(&name) real; \
		if (!real) \
			real = REAL(name); \
		return fails(#name, error) ? bad : real args; \
	}

ssize_t __read_chk(int, void *, size_t, size_t);
int __poll_chk(struct pollfd *, nfds_t, int, size_t);
int __ppoll_chk(struct pollfd *, nfds_t, const struct timespec *, const sigset_t *, size_t);
int __open_2(const char *, int);

WRAP(ssize_t, write, -1, ENOSPC, (int fd, const void *s, size_t n), (fd, s, n))
WRAP(ssize_t, pwrite64, -1, ENOSPC, (int fd, const void *s, size_t n, off_t o), (fd, s, n, o))
WRAP(ssize_t, pread64, -1, EIO, (int fd, void *s, size_t n, off_t o), (fd, s, n, o))
WRAP(int, pipe2, -1, EMFILE, (int fd[2], int flags), (fd, flags))
WRAP(char *, mkdtemp, NULL, ENOSPC, (char *s), (s))
WRAP(int, mkdir, -1, EACCES, (const char *s, mode_t m), (s, m))
WRAP(void *, mmap, MAP_FAILED, ENOMEM, (void *a, size_t n, int p, int f, int fd, off_t o), (a, n, p, f, fd, o))
WRAP(void *, mmap64, MAP_FAILED, ENOMEM, (void *a, size_t n, int p, int f, int fd, off_t o), (a, n, p, f, fd, o))
WRAP(int, fdatasync, -1, EIO, (int fd), (fd))
WRAP(int, ftruncate64, -1, EIO, (int fd, off_t n), (fd, n))
WRAP(int, unlink, -1, EACCES, (const char *s), (s))
WRAP(DIR *, opendir, NULL, EMFILE, (const char *s), (s))
WRAP(char *, realpath, NULL, EACCES, (const char *restrict s, char *restrict out), (s, out))

/* By number or by name: forks, spawns and threads give the error back in other ways. */
pid_t fork(void)
{
	return fails("fork", EAGAIN) ? -1 : REAL(fork)();
}

int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *a, const posix_spawnattr_t *t,
	char *const argv[], char *const envp[])
{
	return fails("posix_spawnp", EAGAIN) ? EAGAIN : REAL(posix_spawnp)(pid, file, a, t, argv, envp);
}

int pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*fn)(void *), void *arg)
{
	return fails("pthread_create", EAGAIN) ? EAGAIN : REAL(pthread_create)(t, a, fn, arg);
}

/* Functions that have a second name when the program was compiled with checks. */
ssize_t read(int fd, void *s, size_t n)
{
	return fails("read", EIO) ? -1 : REAL(read)(fd, s, n);
}

ssize_t __read_chk(int fd, void *s, size_t n, size_t room)
{
	return fails("read", EIO) ? -1 : REAL(__read_chk)(fd, s, n, room);
}

int poll(struct pollfd *p, nfds_t n, int ms)
{
	return fails("poll", ENOMEM) ? -1 : REAL(poll)(p, n, ms);
}

int __poll_chk(struct pollfd *p, nfds_t n, int ms, size_t room)
{
	return fails("poll", ENOMEM) ? -1 : REAL(__poll_chk)(p, n, ms, room);
}

int ppoll(struct pollfd *p, nfds_t n, const struct timespec *t, const sigset_t *s)
{
	return fails("ppoll", ENOMEM) ? -1 : REAL(ppoll)(p, n, t, s);
}

int __ppoll_chk(struct pollfd *p, nfds_t n, const struct timespec *t, const sigset_t *s, size_t room)
{
	return fails("ppoll", ENOMEM) ? -1 : REAL(__ppoll_chk)(p, n, t, s, room);
}

/* The third argument counts only with O_CREAT and O_TMPFILE; passing a mode that nobody reads harms nobody. */
static mode_t mode_of(int flags, va_list ap)
{
	return flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, mode_t) : 0;
}

#define OPEN(name, before_params, before_args) \
	int name before_params \
	{ \
		va_list ap; \
		va_start(ap, flags); \
		mode_t mode = mode_of(flags, ap); \
		va_end(ap); \
		return fails("open", EMFILE) ? -1 : REAL(name) before_args; \
	}
OPEN(open, (const char *s, int flags, ...), (s, flags, mode))
OPEN(open64, (const char *s, int flags, ...), (s, flags, mode))
OPEN(openat, (int at_fd, const char *s, int flags, ...), (at_fd, s, flags, mode))

int __open_2(const char *s, int flags)
{
	return fails("open", EMFILE) ? -1 : REAL(__open_2)(s, flags);
}

#define FCNTL(name) \
	int name(int fd, int what, ...) \
	{ \
		va_list ap; \
		va_start(ap, what); \
		void *arg = va_arg(ap, void *); \
		va_end(ap); \
		return fails("fcntl", EMFILE) ? -1 : REAL(name)(fd, what, arg); \
	}
FCNTL(fcntl)
FCNTL(fcntl64)
