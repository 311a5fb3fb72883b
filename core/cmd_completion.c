/* cmd_completion.c - `dlab completion`: scripts for bash and zsh, made from the same tables as the program. */
#include <ctype.h>
#include <stdio.h>

#include "catalogue.h"
#include "cmd.h"

extern const struct command cmd_completion;

static int take_option(void *ctx, const struct cmd_option *o, const char *value)
{
	(void)ctx;
	(void)o;
	(void)value;
	return 0;
}

static void print_labs(const char *between)
{
	for (const struct lab *const *l = all_labs; *l; l++)
		printf("%s%s", l == all_labs ? "" : between, (*l)->id);
}

static void print_tests_cases(const char *variable)
{
	printf("\tcase \"$1\" in\n");
	for (const struct lab *const *l = all_labs; *l; l++) {
		printf("\t%s) %s='", (*l)->id, variable);
		for (const struct test *t = (*l)->tests; t->id; t++)
			printf("%s%s", t == (*l)->tests ? "" : " ", t->id);
		printf("' ;;\n");
	}
	printf("\tesac\n");
}

static void print_commands(void)
{
	for (const struct command *const *c = all_commands; *c; c++)
		printf("%s%s", c == all_commands ? "" : " ", (*c)->name);
}

/* Both shells find the run files in the same way: of the workspace that we stand in, else here. */
static void print_runs_function(void)
{
	printf("_dlab_runs() {\n"
		"\tlocal at=$PWD f\n"
		"\twhile [ -n \"$at\" ] && [ ! -e \"$at/dlab.json\" ]; do at=${at%%/*}; done\n"
		"\t[ -n \"$at\" ] || at=$PWD\n"
		"\tfind \"$at/.dlab/runs\" -maxdepth 1 -name '*.db' 2>/dev/null | while IFS= read -r f; do\n"
		"\t\tprintf '%%s\\n' \"${f#\"$PWD\"/}\"\n"
		"\tdone\n"
		"}\n\n");
}

/* --- bash --- */

/* Words that call for completion of a choice: "sim proc" or "@labs @tests". */
static void print_bash_choices(const char *choices)
{
	printf("_dlab_offer '%s'", choices ? choices : "");
}

static void print_bash_command(const struct command *c)
{
	printf("\t%s)\n\t\tcase \"$prev\" in\n", c->name);
	for (const struct cmd_option *o = c->options; o && o->name; o++) {
		if (!o->value)
			continue;
		printf("\t\t--%s", o->name);
		if (o->letter)
			printf("|-%c", o->letter);
		printf(") ");
		print_bash_choices(o->choices);
		printf("; return ;;\n");
	}
	printf("\t\tesac\n\t\tif [[ $cur == -* ]]; then\n\t\t\tCOMPREPLY=($(compgen -W '--help");
	for (const struct cmd_option *o = c->options; o && o->name; o++)
		printf(" --%s", o->name);
	printf("' -- \"$cur\"))\n\t\telse\n\t\t\t");
	print_bash_choices(c->completes);
	printf("\n\t\tfi\n\t\t;;\n");
}

static void print_bash(void)
{
	printf("# bash completion of dlab %s; made by `dlab completion bash`\n\n", DLAB_VERSION);
	printf("_dlab_labs='");
	print_labs(" ");
	printf("'\n\n_dlab_tests() {\n\tlocal tests=\n");
	print_tests_cases("tests");
	printf("\tprintf '%%s' \"$tests\"\n}\n\n");
	print_runs_function();
	/* $lab is the lab on the line, from _dlab. */
	printf("_dlab_offer() {\n"
		"\tlocal choice words=()\n"
		"\tlocal IFS=$' \\t\\n'\n"
		"\tfor choice in $1; do\n"
		"\t\tcase \"$choice\" in\n"
		"\t\t@labs) [[ -n $lab ]] || words+=($_dlab_labs) ;;\n"
		"\t\t@tests) words+=($(_dlab_tests \"$lab\")) ;;\n"
		"\t\t@commands) words+=($_dlab_commands) ;;\n"
		"\t\t@runs) local IFS=$'\\n'; words+=($(_dlab_runs)); COMPREPLY+=($(compgen -f -- \"$cur\")) ;;\n"
		"\t\t@files) compopt -o filenames 2>/dev/null; local IFS=$'\\n'; COMPREPLY+=($(compgen -f -- \"$cur\")) ;;\n"
		"\t\t@folders) compopt -o filenames 2>/dev/null; local IFS=$'\\n'; COMPREPLY+=($(compgen -d -- \"$cur\")) ;;\n"
		"\t\t*) words+=(\"$choice\") ;;\n"
		"\t\tesac\n"
		"\tdone\n"
		"\tlocal IFS=$'\\n'\n"
		"\tCOMPREPLY+=($(compgen -W \"${words[*]}\" -- \"$cur\"))\n"
		"}\n\n"
		"_dlab_commands='");
	print_commands();
	printf("'\n\n_dlab() {\n"
		"\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} lab= i\n"
		"\tCOMPREPLY=()\n"
		"\tif ((COMP_CWORD == 1)); then\n"
		"\t\tCOMPREPLY=($(compgen -W \"$_dlab_commands --help --version\" -- \"$cur\"))\n"
		"\t\treturn\n"
		"\tfi\n"
		"\tif [[ $cur == = ]]; then cur=; fi\n"
		"\tif [[ $prev == = ]]; then prev=${COMP_WORDS[COMP_CWORD-2]}; fi\n"
		"\tfor ((i = 2; i < COMP_CWORD; i++)); do\n"
		"\t\tif [[ ${COMP_WORDS[i]} == -- ]]; then\n"
		"\t\t\tcompopt -o filenames 2>/dev/null\n"
		"\t\t\tlocal IFS=$'\\n'\n"
		"\t\t\tCOMPREPLY=($(compgen -f -- \"$cur\"))\n"
		"\t\t\treturn\n"
		"\t\tfi\n"
		"\t\tif [[ \" $_dlab_labs \" == *\" ${COMP_WORDS[i]} \"* ]]; then lab=${COMP_WORDS[i]}; fi\n"
		"\tdone\n"
		"\tcase \"${COMP_WORDS[1]}\" in\n");
	for (const struct command *const *c = all_commands; *c; c++)
		print_bash_command(*c);
	printf("\tesac\n}\n\ncomplete -F _dlab dlab\n");
}

/* --- zsh --- */

/* Inside '...' of an _arguments specification. */
static void print_zsh_text(const char *s)
{
	for (; *s; s++) {
		if (*s == '\'')
			printf("'\\''");
		else if (strchr("[]:\\", *s))
			printf("\\%c", *s);
		else
			putchar(*s);
	}
}

static const char *zsh_action(const char *choices)
{
	static const struct { const char *name, *action; } actions[] = {
		{ "@labs", "_dlab_lab" }, { "@tests", "_dlab_test" }, { "@labs @tests", "_dlab_lab_or_test" },
		{ "@runs", "_dlab_run" }, { "@files", "_files" }, { "@folders", "_files -/" }, { "@commands", "_dlab_command" },
	};
	for (size_t i = 0; i < ARRAY_LEN(actions); i++)
		if (strcmp(actions[i].name, choices) == 0)
			return actions[i].action;
	return NULL;
}

static void print_zsh_choices(const char *choices)
{
	const char *action = choices ? zsh_action(choices) : NULL;
	if (action)
		printf("%s", action);
	else if (choices)
		printf("(%s)", choices);
	else
		printf(" ");
}

static void print_zsh_option(const struct cmd_option *o)
{
	printf(" \\\n\t\t\t");
	if (o->letter)
		printf("'(-%c --%s)'{-%c%s,--%s%s}'[", o->letter, o->name, o->letter, o->value ? "+" : "", o->name, o->value ? "=" : "");
	else
		printf("'--%s%s[", o->name, o->value ? "=" : "");
	print_zsh_text(o->help);
	putchar(']');
	if (o->value) {
		printf(":%s:", o->value);
		print_zsh_choices(o->choices);
	}
	putchar('\'');
}

static void print_zsh_command(const struct command *c)
{
	printf("\t\t%s)\n\t\t\t_arguments -S '--help[show help]'", c->name);
	for (const struct cmd_option *o = c->options; o && o->name; o++)
		print_zsh_option(o);
	if (c->completes) {
		printf(" \\\n\t\t\t'*: :");
		print_zsh_choices(c->completes);
		putchar('\'');
	}
	printf("\n\t\t\t;;\n");
}

static void print_zsh(void)
{
	printf("#compdef dlab\n# zsh completion of dlab %s; made by `dlab completion zsh`\n\n", DLAB_VERSION);
	printf("_dlab_labs=(");
	print_labs(" ");
	printf(")\n\n_dlab_tests() {\n\tlocal tests=\n");
	print_tests_cases("tests");
	printf("\tprint -r -- \"$tests\"\n}\n\n");
	print_runs_function();
	printf("_dlab_lab_on_line() {\n"
		"\tlocal w\n"
		"\tfor w in ${words[2,CURRENT-1]}; do\n"
		"\t\t(( ${_dlab_labs[(Ie)$w]} )) && { print -r -- $w; return }\n"
		"\tdone\n"
		"\treturn 1\n"
		"}\n\n"
		"_dlab_lab() { _dlab_lab_on_line >/dev/null || compadd -a _dlab_labs }\n\n"
		"_dlab_test() { compadd -- ${=\"$(_dlab_tests \"$(_dlab_lab_on_line)\")\"} }\n\n"
		"_dlab_lab_or_test() { if _dlab_lab_on_line >/dev/null; then _dlab_test; else _dlab_lab; fi }\n\n"
		"_dlab_run() { compadd -f -- ${(f)\"$(_dlab_runs)\"}; _files -g '*.db' }\n\n"
		"_dlab_command() {\n\tlocal -a commands=(\n");
	for (const struct command *const *c = all_commands; *c; c++) {
		printf("\t\t'%s:", (*c)->name);
		print_zsh_text((*c)->summary);
		printf("'\n");
	}
	printf("\t)\n\t_describe command commands\n}\n\n"
		"_dlab() {\n"
		"\tlocal context state state_descr line\n"
		"\ttypeset -A opt_args\n"
		"\t_arguments -C '(- *)--help[show the commands]' '(- *)--version[show the version]' "
		"'1: :_dlab_command' '*:: :->rest'\n"
		"\t[[ $state == rest ]] || return\n"
		"\tif (( ${words[(I)--]} && ${words[(I)--]} < CURRENT )); then\n\t\t_files\n\t\treturn\n\tfi\n"
		"\tcase $words[1] in\n");
	for (const struct command *const *c = all_commands; *c; c++)
		print_zsh_command(*c);
	printf("\tesac\n}\n\n"
		"if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _dlab \"$@\"; else compdef _dlab dlab; fi\n");
}

static int run(int argc, char **argv)
{
	struct cmd_words words;
	int rc = cmd_parse(&cmd_completion, argc, argv, &words, take_option, NULL);
	if (rc != 0)
		return rc < 0 ? EXIT_PASSED : rc;
	if (words.n != 1 || words.after)
		return cmd_usage(&cmd_completion, "say for which shell: bash or zsh");
	if (strcmp(words.word[0], "bash") == 0)
		print_bash();
	else if (strcmp(words.word[0], "zsh") == 0)
		print_zsh();
	else
		return cmd_usage(&cmd_completion, "there is completion for bash and zsh, not for \"%s\"", words.word[0]);
	return EXIT_PASSED;
}

const struct command cmd_completion = {
	.name = "completion",
	.arguments = "bash|zsh",
	.summary = "Print the completion script of a shell",
	.help = "bash: add `source <(dlab completion bash)` to ~/.bashrc. zsh: add `source <(dlab completion zsh)` to ~/.zshrc,\n"
		"after compinit. `make install` puts both where the shells look for them.",
	.completes = "bash zsh",
	.run = run,
};
