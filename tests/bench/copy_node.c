/* copy_node.c - the other end of the bare measurements: writes back every line that it is given. Not an example to follow. */
#include <unistd.h>

int main(void)
{
	char line[65536];
	ssize_t n;
	while ((n = read(0, line, sizeof line)) > 0)
		if (write(1, line, (size_t)n) != n)
			return 1;
	return 0;
}
