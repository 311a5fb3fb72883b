/* cmd_man.c - `dlab man`: the man page, made from the same tables as the program. */
#include <stdio.h>

#include "catalogue.h"
#include "cmd.h"

extern const struct command cmd_man;

static int take_option(void *ctx, const struct cmd_option *o, const char *value)
{
	(void)ctx;
	(void)o;
	(void)value;
	return 0;
}

/* Text for roff: backslashes and hyphens are themselves, a line never begins with a request. `code` becomes bold. */
static void print_text(const char *s)
{
	bool line_start = true, code = false;
	for (; *s; line_start = *s == '\n', s++) {
		if (line_start && (*s == '.' || *s == '\''))
			printf("\\&");
		if (*s == '`')
			printf("%s", (code = !code) ? "\\fB" : "\\fR");
		else if (*s == '\\')
			printf("\\e");
		else if (*s == '-')
			printf("\\-");
		else
			putchar(*s);
	}
	if (code)
		printf("\\fR");
	putchar('\n');
}

/* One that is typed as it stands: its hyphens are no hyphenation. */
static void print_name(const char *s)
{
	for (; *s; s++)
		printf(*s == '-' ? "\\-" : "%c", *s);
}

static void print_option(const struct cmd_option *o)
{
	printf(".TP\n");
	if (o->letter)
		printf("\\fB\\-%c\\fR, ", o->letter);
	printf("\\fB\\-\\-");
	print_name(o->name);
	printf("\\fR");
	if (o->value)
		printf(" \\fI%s\\fR", o->value);
	putchar('\n');
	print_text(o->help);
}

static void print_key(const struct cmd_key *k)
{
	printf(".TP\n.B \"");
	print_name(k->keys);
	printf("%s:", *k->keys ? "  " : "");
	print_name(k->name);
	printf("\"\n");
	print_text(k->help);
}

static void print_command(const struct command *c)
{
	printf(".SS \"dlab ");
	print_name(c->name);
	printf("%s", *c->arguments ? " " : "");
	print_name(c->arguments);
	printf("\"\n");
	char summary[200];
	snprintf(summary, sizeof summary, "%s.", c->summary);
	print_text(summary);
	printf(".br\n");
	if (c->help)
		print_text(c->help);
	for (const struct cmd_option *o = c->options; o && o->name; o++)
		print_option(o);
	struct cmd_key keys[CMD_KEYS_MAX];
	size_t n = c->keys ? c->keys(keys, CMD_KEYS_MAX) : 0;
	if (n > 0)
		printf(".PP\nKeys, each with its command:\n");
	for (size_t i = 0; i < n; i++)
		print_key(&keys[i]);
}

static void print_pairs(const char *section, const char *const (*pairs)[2], size_t n)
{
	printf(".SH %s\n", section);
	for (size_t i = 0; i < n; i++) {
		printf(".TP\n.B \"");
		print_name(pairs[i][0]);
		printf("\"\n");
		print_text(pairs[i][1]);
	}
}

static void print_labs(void)
{
	printf(".SH LABS\n");
	for (const struct lab *const *l = all_labs; *l; l++) {
		printf(".TP\n.B \"");
		print_name((*l)->id);
		printf("\"\nStage %d: ", (*l)->stage);
		print_text((*l)->title);
	}
}

static void print_page(void)
{
	static const char *const status[][2] = {
		{ "0", "Passed." }, { "1", "A test failed." }, { "2", "Used wrongly; dlab.json is wrong." },
		{ "3", "The world failed: no disk space, no permission, no such program." },
	};
	static const char *const environment[][2] = {
		{ "DLAB_HOME", "The folder with stages/ and core/sdk/, when it is not beside the program." },
		{ "NO_COLOR", "When set and not empty: no colours." },
		{ "PAGER", "Shows long guides on a terminal; less when unset, none when empty." },
		{ "DOCKER_HOST, DOCKER_CONTEXT", "Which Docker Engine --fabric docker uses, as for the docker command; one on this machine." },
		{ "TMPDIR", "Where the nodes' data folders are made; when unset, in memory (/dev/shm) if there is room, else in /tmp." },
	};
	static const char *const files[][2] = {
		{ "dlab.json", "The workspace: how each lab's node is built and started." },
		{ ".dlab/progress.db", "What was passed." },
		{ ".dlab/runs/", "One file for each run; the input of `dlab replay`." },
		{ ".dlab/hints.json", "Which hints were shown." },
	};
	printf(".TH DLAB 1 \"\" \"dlab %s\" \"User Commands\"\n", DLAB_VERSION);
	printf(".SH NAME\ndlab \\- a learning lab for distributed systems\n");
	printf(".SH SYNOPSIS\n.B dlab\n.I COMMAND\n.RI [ ARGUMENTS ]\n");
	printf(".SH DESCRIPTION\n");
	print_text("You write the nodes of a distributed system, in any language. dlab starts them as real processes, carries their\n"
		"messages, breaks the network between them, and judges what they did. A lab is a task with tests; a verdict says what\n"
		"was expected, what was seen, on which nodes and when. On the fabric sim, time is virtual and the same seed gives the\n"
		"same run; on proc, the processes run freely in real time; on docker, they are containers on a real network, whose faults\n"
		"are rules of nftables and tc netem.\n"
		"\n"
		"To begin: `dlab new DIR`, `cd DIR`, `dlab guide echo`, `dlab test echo`.");
	printf(".SH COMMANDS\n");
	for (const struct command *const *c = all_commands; *c; c++)
		print_command(*c);
	print_labs();
	print_pairs("EXIT STATUS", status, ARRAY_LEN(status));
	print_pairs("ENVIRONMENT", environment, ARRAY_LEN(environment));
	print_pairs("FILES", files, ARRAY_LEN(files));
}

static int run(int argc, char **argv)
{
	struct cmd_words words;
	int rc = cmd_parse(&cmd_man, argc, argv, &words, take_option, NULL);
	if (rc != 0)
		return rc < 0 ? EXIT_PASSED : rc;
	if (words.n > 0 || words.after)
		return cmd_usage(&cmd_man, "it takes no arguments");
	print_page();
	return EXIT_PASSED;
}

const struct command cmd_man = {
	.name = "man",
	.arguments = "",
	.summary = "Print the man page as roff",
	.help = "To read it: `dlab man | man -l -`. `make install` puts it where `man dlab` finds it.",
	.run = run,
};
