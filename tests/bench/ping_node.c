/* ping_node.c - the smallest lockstep node, for measuring the harness: answers every line at once. Not an example to follow. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void answer(const char *line, int bare)
{
	char out[512];
	if (bare) { /* a line there, a line of about the same length back */
		size_t n = strlen(line);
		memcpy(out, line, n);
		out[n] = '\n';
		if (write(1, out, n + 1) < 0)
			exit(1);
		return;
	}
	const char *id = strstr(line, "\"msg_id\":"), *src = strstr(line, "\"src\":\"");
	const char *type = strstr(line, "\"init\"") ? "init_ok" : "echo_ok";
	int n = 0;
	if (id && src)
		n = snprintf(out, sizeof out, "{\"src\":\"n1\",\"dest\":\"%.*s\",\"body\":{\"type\":\"%s\",\"in_reply_to\":%d,\"echo\":\"hi\"}}\n",
			(int)strcspn(src + 7, "\""), src + 7, type, atoi(id + 9));
	n += snprintf(out + n, sizeof out - (size_t)n, "{\"dest\":\"dlab\",\"body\":{\"type\":\"done\"}}\n");
	if (write(1, out, (size_t)n) < 0)
		exit(1);
}

int main(int argc, char **argv)
{
	(void)argv;
	char buf[65536];
	ssize_t n;
	while ((n = read(0, buf, sizeof buf - 1)) > 0) {
		buf[n] = '\0';
		for (char *at = buf, *end; (end = strchr(at, '\n')); at = end + 1) {
			*end = '\0';
			answer(at, argc > 1);
		}
	}
	return 0;
}
