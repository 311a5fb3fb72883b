/* workspace.h - where things are: the learner's folder with its dlab.json, and dlab's own files.
 *
 * dlab.json: {"language": "python", "labs": {"echo": {"run": ["python3", "echo/echo.py"], "build": ["make", "-C", "echo"]}}}
 * The paths are relative to the folder of dlab.json; `build` is optional and is run before the tests. */
#ifndef DLAB_WORKSPACE_H
#define DLAB_WORKSPACE_H

#include "base.h"
#include "json.h"

enum { WORKSPACE_FILE_MAX = 1 << 20, WORKSPACE_NOWHERE = -2 };

struct workspace {
	char *root;   /* owned; absolute; the folder with dlab.json, or the current one */
	json_t *doc;  /* owned; NULL when there is no dlab.json */
	char *state;  /* owned; root/.dlab */
};

/* Looks for dlab.json here and in the folders above. -1 when one is there and is wrong;
 * WORKSPACE_NOWHERE when the current folder cannot be found (it was deleted, say). */
int workspace_open(struct workspace *, struct err *);
void workspace_close(struct workspace *);
/* Checks a document as dlab.json is read: an error says what is wrong and where. */
int workspace_check(const json_t *, struct err *);

/* How a lab's node is started: an argv, ended by NULL, owned (command_free). NULL and an error when dlab.json has none. */
char **workspace_command(const struct workspace *, const char *lab, struct err *);
/* Runs the lab's build command, if it has one; its output goes to ours. */
int workspace_build(const struct workspace *, const char *lab, struct err *);
/* A copy of a command whose program is an absolute path, looked up in PATH or from `root`. NULL and an error. */
char **command_resolve(char *const *argv, const char *root, struct err *);
void command_free(char **argv);
/* As a person would type it, behind " --": " -- python3 'my node.py'". */
void command_print(struct buf *, char *const *argv);

/* dlab's own files (stages/, core/sdk/): beside the program, or where it was installed. Owned by the caller. */
char *dlab_home(struct err *);
/* The path as it is written from the current folder, when it lies in it; else as it is. A part of `path`. */
const char *path_from_here(const char *path);
/* root/.dlab/runs, made when it is not there. Owned by the caller. */
char *workspace_runs(const struct workspace *, struct err *);

#endif
