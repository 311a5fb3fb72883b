/* children.c - becomes another program, after it has left many children behind.
 *
 *   children COUNT plain|setsid|bare WORD PROGRAM [ARGUMENT...]
 *
 * Each child ignores SIGTERM and waits for ever. setsid: in a session of its own. bare: also without a living parent and with
 * nothing in its environment; only WORD, among its words, tells whose it is. In C, for two hundred forks of an
 * interpreter take longer on a slow machine than a node has for its start. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static _Noreturn void be_a_child(const char *how, char *word)
{
	signal(SIGTERM, SIG_IGN);
	if (strcmp(how, "plain") != 0)
		setsid();
	if (strcmp(how, "bare") == 0) {
		if (fork() != 0)
			_exit(0);
		char *words[] = { "sleep", word, NULL }, *nothing[] = { NULL };
		execve("/bin/sleep", words, nothing);
		_exit(127);
	}
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	if (argc < 5)
		return 2;
	for (int i = 0; i < atoi(argv[1]); i++) {
		pid_t pid = fork();
		if (pid < 0) {
			perror("fork");
			return 126;
		}
		if (pid == 0)
			be_a_child(argv[2], argv[3]);
	}
	execvp(argv[4], argv + 4);
	perror(argv[4]);
	return 127;
}
