/* action.h - what keys and :commands do; one table, from which footer, help, manual and completion come. */
#ifndef DLAB_ACTION_H
#define DLAB_ACTION_H

#include "dash.h"
#include "key.h"

enum { ACTION_KEYS = 3 };

struct action {
	const char *name;   /* as in :name; NULL ends the table */
	int key[ACTION_KEYS]; /* 0: none */
	const char *keys;   /* how they are written: "space" */
	unsigned views;     /* bits: 1 << enum view */
	const char *label;  /* in the footer; NULL: not there */
	const char *help;   /* one line */
	void (*fn)(struct dash *, const char *arg);
};

extern const struct action all_actions[];

/* A key; false when nobody has it here. */
bool action_key(struct dash *, int key);
/* A :command. */
void action_command(struct dash *, const char *line);
/* The keys that work now, in one line. */
void action_footer(struct dash *, struct grid *, int y);
/* True when the action is for the view that is shown. */
bool action_is_here(const struct dash *, const struct action *);

#endif
