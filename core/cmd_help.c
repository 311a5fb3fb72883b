/* cmd_help.c - `dlab help`: the commands, or one of them. */
#include <stdio.h>

#include "catalogue.h"
#include "cmd.h"

extern const struct command cmd_help;

static int take_option(void *ctx, const struct cmd_option *o, const char *value)
{
	(void)ctx;
	(void)o;
	(void)value;
	return 0;
}

static int run(int argc, char **argv)
{
	struct cmd_words words;
	int rc = cmd_parse(&cmd_help, argc, argv, &words, take_option, NULL);
	if (rc != 0)
		return rc < 0 ? EXIT_PASSED : rc;
	if (words.n > 1 || words.after)
		return cmd_usage(&cmd_help, "one command at a time, please");
	if (words.n == 0) {
		cmd_print_all(stdout);
		return EXIT_PASSED;
	}
	const struct command *c = cmd_need(words.word[0]);
	if (!c)
		return EXIT_USAGE;
	cmd_print_help(c);
	return EXIT_PASSED;
}

const struct command cmd_help = {
	.name = "help",
	.arguments = "[COMMAND]",
	.summary = "Explain a command",
	.help = "`dlab COMMAND --help` shows the same. `man dlab` has all commands on one page.",
	.completes = "@commands",
	.run = run,
};
