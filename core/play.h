/* play.h - what the engine gives to those of its own parts that drive a test beside it, such as sock.c. Labs use lab.h. */
#ifndef DLAB_PLAY_H
#define DLAB_PLAY_H

#include "lab.h"

struct socks;

/* Handles what the fabric has, up to that time of the run's clock. Does not return when the test has failed. */
void play_pump(struct play *, int64_t until_ns);
/* Appends an event to the run's trace. */
void play_record(struct play *, struct event *);
/* The run's place for its connections, NULL at first. The engine calls socks_free on it when the run ends. */
struct socks **play_socks(struct play *);
/* The port at which a node listens, on 127.0.0.1. */
int play_port(const struct play *, int node);
/* How many files a node has open; -1: not known here. */
int play_open_files(const struct play *, int node);
/* Sends a signal to a node's process. */
void play_signal(struct play *, int node, int signal_number);
/* True when the node has ended; status is then its exit status, or 1000 + signal. */
bool play_exit_status(const struct play *, int node, int *status);

#endif
