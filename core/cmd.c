#include "cmd.h"

#include <stdio.h>
#include <stdlib.h>

#include "catalogue.h"

static const struct cmd_option *find_option(const struct command *c, const char *name, size_t n, char letter)
{
	for (const struct cmd_option *o = c->options; o && o->name; o++)
		if ((name && strlen(o->name) == n && strncmp(o->name, name, n) == 0) || (letter && o->letter == letter))
			return o;
	return NULL;
}

int cmd_usage(const struct command *c, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	fprintf(stderr, "dlab %s: ", c->name);
	vfprintf(stderr, fmt, ap);
	fprintf(stderr, "\nTry `dlab help %s`.\n", c->name);
	va_end(ap);
	return EXIT_USAGE;
}

int cmd_world(const struct err *e)
{
	fprintf(stderr, "dlab: %s\n", e->text);
	return EXIT_WORLD;
}

int cmd_number(const struct command *c, const char *option, const char *value, int64_t lo, int64_t hi, int64_t *out)
{
	if (slice_int(slice_of(value), out) && *out >= lo && *out <= hi)
		return 0;
	cmd_usage(c, "--%s takes a whole number from %lld to %lld, not \"%s\"", option, (long long)lo, (long long)hi, value);
	return -1;
}

void cmd_print_help(const struct command *c)
{
	printf("dlab %s %s\n\n%s.\n", c->name, c->arguments, c->summary);
	if (c->help)
		printf("\n%s\n", c->help);
	if (c->options && c->options->name)
		printf("\nOptions:\n");
	for (const struct cmd_option *o = c->options; o && o->name; o++) {
		char left[64];
		int n = o->letter ? snprintf(left, sizeof left, "-%c, --%s", o->letter, o->name) :
			snprintf(left, sizeof left, "    --%s", o->name);
		if (o->value)
			snprintf(left + n, sizeof left - (size_t)n, " %s", o->value);
		printf("  %-26s %s\n", left, o->help);
	}
	struct cmd_key keys[CMD_KEYS_MAX];
	size_t n = c->keys ? c->keys(keys, CMD_KEYS_MAX) : 0;
	if (n > 0)
		printf("\nKeys (each is a :command too):\n");
	for (size_t i = 0; i < n; i++)
		printf("  %-14s :%-14s %s\n", keys[i].keys, keys[i].name, keys[i].help);
}

void cmd_print_all(FILE *f)
{
	fprintf(f, "dlab %s, a learning lab for distributed systems\n\nUsage: dlab COMMAND [ARGUMENTS]\n\n", DLAB_VERSION);
	for (const struct command *const *c = all_commands; *c; c++)
		fprintf(f, "  %-10s  %s\n", (*c)->name, (*c)->summary);
	fprintf(f, "\n`dlab help COMMAND` tells more. To begin: `dlab new DIR`.\n");
}

const struct command *cmd_find(const char *name)
{
	for (const struct command *const *c = all_commands; *c; c++)
		if (strcmp((*c)->name, name) == 0)
			return *c;
	return NULL;
}

/* Where --watch stands; 0: nowhere. What follows -- is the nodes'. */
static int find_watch(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--watch") == 0 || strcmp(argv[i], "-w") == 0)
			return i;
	return 0;
}

bool cmd_wants_watch(int argc, char **argv)
{
	return find_watch(argc, argv) > 0;
}

int cmd_watch(const struct command *c, const char *how, int argc, char **argv)
{
	const struct command *open = cmd_find("open");
	if (!open)
		return cmd_usage(c, "--watch: this dlab was built without the dashboard");
	char **words = xcalloc((size_t)argc + 4, sizeof *words);
	char *own[] = { xstrdup("open"), xstrdup(how), xstrdup("--") };
	int n = 0;
	for (size_t i = 0; i < ARRAY_LEN(own); i++)
		words[n++] = own[i];
	for (int i = 1; i < argc; i++)
		if (i != find_watch(argc, argv))
			words[n++] = argv[i];
	int rc = open->run(n, words);
	for (size_t i = 0; i < ARRAY_LEN(own); i++)
		free(own[i]);
	free(words);
	return rc;
}

const struct command *cmd_need(const char *name)
{
	struct nearest near = { .word = name };
	const struct command *found = cmd_find(name);
	if (found)
		return found;
	for (const struct command *const *c = all_commands; *c; c++)
		nearest_offer(&near, (*c)->name);
	fprintf(stderr, "dlab: there is no command \"%s\"", name);
	if (near.best)
		fprintf(stderr, "; did you mean `dlab %s`?", near.best);
	fprintf(stderr, "\n`dlab help` lists the commands.\n");
	return NULL;
}

struct parser {
	const struct command *c;
	int argc;
	char **argv;
	int at;
	int (*take)(void *, const struct cmd_option *, const char *);
	void *ctx;
};

static int unknown_option(const struct command *c, const char *word)
{
	struct nearest near = { .word = word + strspn(word, "-") };
	for (const struct cmd_option *o = c->options; o && o->name && word[1] == '-'; o++)
		nearest_offer(&near, o->name);
	if (near.best)
		return cmd_usage(c, "there is no option %s; did you mean --%s?", word, near.best);
	return cmd_usage(c, "there is no option %s", word);
}

static int take_with_value(struct parser *p, const struct cmd_option *o, const char *word, const char *attached)
{
	if (!o)
		return unknown_option(p->c, word);
	if (!o->value && attached)
		return cmd_usage(p->c, "--%s takes no value", o->name);
	const char *value = attached;
	if (o->value && !value) {
		if (p->at + 1 >= p->argc || strcmp(p->argv[p->at + 1], "--") == 0)
			return cmd_usage(p->c, "%s needs a value: %s", word, o->value);
		value = p->argv[++p->at];
	}
	return p->take(p->ctx, o, value) == 0 ? 0 : EXIT_USAGE;
}

static int parse_option(struct parser *p)
{
	char *word = p->argv[p->at];
	if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
		cmd_print_help(p->c);
		return -1;
	}
	if (word[1] == '-') {
		char *equals = strchr(word, '=');
		size_t n = equals ? (size_t)(equals - word - 2) : strlen(word + 2);
		return take_with_value(p, find_option(p->c, word + 2, n, 0), word, equals ? equals + 1 : NULL);
	}
	return take_with_value(p, find_option(p->c, NULL, 0, word[1]), word, word[2] ? word + 2 : NULL);
}

int cmd_parse(const struct command *c, int argc, char **argv, struct cmd_words *words,
	int (*take)(void *, const struct cmd_option *, const char *), void *ctx)
{
	struct parser p = { c, argc, argv, 1, take, ctx };
	*words = (struct cmd_words){ argv, 0, NULL };
	for (; p.at < argc; p.at++) {
		if (strcmp(argv[p.at], "--") == 0) {
			words->after = argv + p.at + 1;
			break;
		}
		if (argv[p.at][0] == '-' && argv[p.at][1]) {
			int rc = parse_option(&p);
			if (rc != 0)
				return rc;
		} else {
			argv[words->n++] = argv[p.at];
		}
	}
	return 0;
}

const struct lab *cmd_need_lab(const struct command *c, const char *id)
{
	const struct lab *lab = catalogue_lab(id);
	const char *near = lab ? NULL : nearest_lab(id);
	if (near)
		cmd_usage(c, "there is no lab \"%s\"; did you mean %s? `dlab list` shows them all", id, near);
	else if (!lab)
		cmd_usage(c, "there is no lab \"%s\"; `dlab list` shows them", id);
	return lab;
}

const struct test *cmd_need_test(const struct command *c, const struct lab *lab, const char *id)
{
	const struct test *test = catalogue_test(lab, id);
	const char *near = test ? NULL : nearest_test(lab, id);
	if (near)
		cmd_usage(c, "the lab %s has no test \"%s\"; did you mean %s? `dlab list %s` shows them all", lab->id, id, near,
			lab->id);
	else if (!test)
		cmd_usage(c, "the lab %s has no test \"%s\"; `dlab list %s` shows them", lab->id, id, lab->id);
	return test;
}
