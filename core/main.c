/* main.c - the table of commands, and finding one. */
#include <locale.h>
#include <signal.h>
#include <stdio.h>

#include "cmd.h"

extern const struct command cmd_test;

const struct command *const all_commands[] = { &cmd_test, NULL };

static void print_commands(FILE *f)
{
	fprintf(f, "dlab %s, a learning lab for distributed systems\n\nUsage: dlab COMMAND [ARGUMENTS]\n\n", DLAB_VERSION);
	for (const struct command *const *c = all_commands; *c; c++)
		fprintf(f, "  %-10s %s\n", (*c)->name, (*c)->summary);
	fprintf(f, "\n`dlab help COMMAND` tells more.\n");
}

int main(int argc, char **argv)
{
	setlocale(LC_CTYPE, "");
	signal(SIGPIPE, SIG_IGN); /* a node that is gone is an error of write, not our end */
	signal(SIGXFSZ, SIG_IGN); /* so is a file that may not grow */
	if (argc < 2) {
		print_commands(stderr);
		return EXIT_USAGE;
	}
	for (const struct command *const *c = all_commands; *c; c++)
		if (strcmp((*c)->name, argv[1]) == 0)
			return (*c)->run(argc - 1, argv + 1);
	fprintf(stderr, "dlab: there is no command \"%s\"\n\n", argv[1]);
	print_commands(stderr);
	return EXIT_USAGE;
}
