/* cmd.h - a command of `dlab`: one command, one file, one constant struct. main.c holds the table.
 *
 * Help, man page and completion are made from these tables, so they cannot differ from the program. Only cmd_*.c
 * and main.c print. Exit status: 0 passed, 1 failed, 2 used wrongly, 3 the world failed. */
#ifndef DLAB_CMD_H
#define DLAB_CMD_H

#include <stdio.h>

#include "base.h"

enum { EXIT_PASSED = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_WORLD = 3 };

struct cmd_option {
	const char *name;  /* long name without dashes; NULL ends the table */
	char letter;       /* 0: none */
	const char *value; /* "N", "FILE"; NULL: a flag */
	const char *help;
	const char *choices; /* for completion: "sim proc", "@labs", "@tests", "@runs", "@files", "@folders",
	                      * "@commands"; or NULL */
};

/* What the keys of a screen do, for help and man page: out[n], owned by nobody. How many. */
enum { CMD_KEYS_MAX = 100 };

struct cmd_key {
	const char *keys, *name, *help; /* static */
};

struct command {
	const char *name;
	const char *arguments; /* "[LAB] [-- COMMAND...]" */
	const char *summary;   /* one line, no full stop */
	const char *help;      /* paragraphs for `dlab help NAME` and the man page */
	/* What its arguments are, as in choices; or NULL. @labs is offered until a lab stands on the line, @tests are
	 * those of that lab. */
	const char *completes;
	const struct cmd_option *options; /* or NULL */
	int (*run)(int argc, char **argv); /* argv[0] is the command's name */
	size_t (*keys)(struct cmd_key *out, size_t max); /* or NULL: it has no screen */
};

extern const struct command *const all_commands[]; /* ended by NULL */

/* Reads options by the command's own table. Calls take(ctx, option, value) for each; take returns 0, or -1 after
 * printing why not. What is left, in order, is in argv[0..*rest) afterwards; words after "--" are in *after
 * (NULL when there was no "--"). Returns 0, or EXIT_USAGE after printing. Handles --help itself (returns -1). */
struct cmd_words {
	char **word; /* borrowed from argv; the command's name is not among them */
	int n;
	char **after; /* borrowed; NULL-terminated; NULL without "--" */
};
int cmd_parse(const struct command *, int argc, char **argv, struct cmd_words *,
	int (*take)(void *ctx, const struct cmd_option *, const char *value), void *ctx);

/* --watch (-w) among the command's own words: then the dashboard (`dlab open`) is to show what the command does. It starts
 * the command again, without --watch, as what it looks at; `how` is its option for that. Returns the exit status. */
bool cmd_wants_watch(int argc, char **argv);
int cmd_watch(const struct command *, const char *how, int argc, char **argv);

/* A number of the given range, or -1 after printing "dlab test: --seeds takes a whole number from 1 to ..." . */
int cmd_number(const struct command *, const char *option, const char *value, int64_t lo, int64_t hi, int64_t *out);
/* Prints "dlab NAME: text" and a hint at help to stderr; returns EXIT_USAGE. */
int cmd_usage(const struct command *, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Prints "dlab: text" to stderr; returns EXIT_WORLD. */
int cmd_world(const struct err *);
void cmd_print_help(const struct command *);
/* All commands, a line each. */
void cmd_print_all(FILE *);
/* The command of that name, or NULL. */
const struct command *cmd_find(const char *name);
/* The command of that name; NULL after printing that there is none, and the nearest name. */
const struct command *cmd_need(const char *name);

/* The lab, or the test of the lab, with that id; NULL after printing that there is none, and the nearest name. */
struct lab;
struct test;
const struct lab *cmd_need_lab(const struct command *, const char *id);
const struct test *cmd_need_test(const struct command *, const struct lab *, const char *id);

#endif
