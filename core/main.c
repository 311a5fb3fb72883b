/* main.c - the table of commands, and finding one. */
#include <errno.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "cmd.h"
#include "style.h"

/* Those of the screen are there when tui/ is (the Makefile says so): without it, the rest works. */
#ifdef DLAB_TUI
#define SCREEN_COMMANDS(X) X(open) X(demo)
#else
#define SCREEN_COMMANDS(X)
#endif

/* One name a line, in the order in which `dlab help` shows them. */
#define COMMANDS(X) \
	X(new) \
	X(list) \
	X(guide) \
	X(test) \
	SCREEN_COMMANDS(X) \
	X(replay) \
	X(export) \
	X(shrink) \
	X(run) \
	X(hint) \
	X(doctor) \
	X(clean) \
	X(new_lab) \
	X(completion) \
	X(man) \
	X(help)

#define X(name) extern const struct command cmd_##name;
COMMANDS(X)
#undef X

const struct command *const all_commands[] = {
#define X(name) &cmd_##name,
	COMMANDS(X)
#undef X
	NULL
};

/* `dlab --help` and the like mean a command. */
static const char *command_word(const char *word)
{
	return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 ? "help" : word;
}

static int print_version(void)
{
	printf("dlab %s\n", DLAB_VERSION);
	return EXIT_PASSED;
}

/* The write that failed may be long ago, and its errno gone: a pipe without a reader says so itself. */
static bool reader_is_gone(void)
{
	struct pollfd fd = { .fd = STDOUT_FILENO, .events = POLLOUT };
	return errno == EPIPE || (poll(&fd, 1, 0) > 0 && (fd.revents & POLLERR));
}

/* What was printed must have arrived; a reader that has seen enough (dlab list | head) is no error. */
static int finish(int status)
{
	struct err e;
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	int why = errno;
	if (reader_is_gone())
		return status;
	errno = why;
	err_errno(&e, "cannot write to stdout");
	return cmd_world(&e);
}

/* On a terminal the roadmap, where there is a screen to draw it; else the list of commands. */
static int alone(void)
{
#ifdef DLAB_TUI
	static char name[] = "open", option[] = "--home";
	static char *home[] = { name, option, NULL };
	if (isatty(STDIN_FILENO) && style_of(stdout).terminal)
		return finish(cmd_open.run(2, home));
#endif
	cmd_print_all(stderr);
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	setlocale(LC_CTYPE, "");
	signal(SIGPIPE, SIG_IGN); /* a node that is gone is an error of write, not our end */
	signal(SIGXFSZ, SIG_IGN); /* so is a file that may not grow */
	if (argc < 2)
		return alone();
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)
		return finish(print_version());
	const struct command *c = cmd_need(command_word(argv[1]));
	return c ? finish(c->run(argc - 1, argv + 1)) : EXIT_USAGE;
}
