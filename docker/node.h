/* node.h - PID 1 of the learner's container. */
#ifndef DLAB_NODE_H
#define DLAB_NODE_H

/* Runs the command until it ends; never returns to its caller without having ended all that it started. */
int node_main(char **argv);

#endif
