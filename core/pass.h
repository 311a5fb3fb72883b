/* pass.h - descriptors from one process to another, over a unix socket (SCM_RIGHTS). Each goes with one byte, which means
 * what the two agree on. Used by dlab and by the agents of the docker fabric. */
#ifndef DLAB_PASS_H
#define DLAB_PASS_H

#include <stddef.h>

enum { PASS_MAX = 3 };

/* The descriptors stay the caller's; n is 1 to PASS_MAX. 0, or -1 with errno. */
int pass_send(int socket, char byte, const int *fds, size_t n);
/* Exactly n descriptors, owned by the caller. 0, or -1: nothing came, or not what was due. */
int pass_receive(int socket, char *byte, int *fds, size_t n);

#endif
