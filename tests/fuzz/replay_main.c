/* Gives files to a fuzz target, for compilers without libFuzzer: `replay FILE|FOLDER ...`. Folders are not searched
 * deeper. Exit status 1 when something could not be read, or when there was nothing. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { INPUT_MAX = 1 << 20 };

/* Returns how many inputs were given, or -1. */
static int replay_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *bytes = malloc(INPUT_MAX);
	size_t n = f && bytes ? fread(bytes, 1, INPUT_MAX, f) : 0;
	int result = f && bytes && !ferror(f) ? 1 : -1;
	uint8_t *exact = result > 0 ? malloc(n ? n : 1) : NULL; /* so that a sanitizer sees a step too far */
	if (exact) {
		for (size_t i = 0; i < n; i++)
			exact[i] = bytes[i];
		LLVMFuzzerTestOneInput(exact, n);
	} else {
		perror(path);
		result = -1;
	}
	free(exact);
	free(bytes);
	if (f)
		fclose(f);
	return result;
}

static int replay_folder(DIR *d, const char *path)
{
	int count = 0;
	for (struct dirent *e = readdir(d); e; e = readdir(d)) {
		if (e->d_name[0] == '.')
			continue;
		char *file = NULL;
		if (asprintf(&file, "%s/%s", path, e->d_name) < 0)
			return -1;
		int got = replay_file(file);
		free(file);
		if (got < 0)
			return -1;
		count += got;
	}
	return count;
}

int main(int argc, char **argv)
{
	int count = 0;
	for (int i = 1; i < argc; i++) {
		DIR *d = opendir(argv[i]);
		int got = d ? replay_folder(d, argv[i]) : replay_file(argv[i]);
		if (d)
			closedir(d);
		if (got < 0)
			return 1;
		count += got;
	}
	printf("%d inputs\n", count);
	return count > 0 ? 0 : 1;
}
