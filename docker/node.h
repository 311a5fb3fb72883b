/* node.h - PID 1 of the learner's container. */
#ifndef DLAB_NODE_H
#define DLAB_NODE_H

/* Runs the command until it ends; never returns to its caller without having ended all that it started. */
int node_main(char **argv);
/* What the agent takes of a connection: its stdin's write end, its stdout's and stderr's read ends. 0, or -1. */
int node_take_pipes(int connection, int fd[3]);

#endif
