#include "files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TREE_FDS = 16, COPY_MAX = 16 << 20 };

bool file_exists(const char *path)
{
	struct stat st;
	return lstat(path, &st) == 0;
}

bool file_is_folder(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

int file_read(const char *path, size_t limit, struct buf *to, struct err *e)
{
	FILE *f = fopen(path, "rbe");
	if (!f)
		return err_errno(e, "cannot read %s", path);
	size_t before = to->n, got;
	do {
		buf_room(to, 65536);
		got = fread(to->s + to->n, 1, 65536, f);
		to->n += got;
	} while (got > 0 && to->n - before <= limit);
	int rc = 0;
	if (ferror(f))
		rc = err_errno(e, "cannot read %s", path);
	else if (to->n - before > limit)
		rc = err_set(e, "%s is longer than %zu bytes", path, limit);
	fclose(f);
	return rc;
}

static int write_all(int fd, struct slice text)
{
	while (text.n > 0) {
		ssize_t n = write(fd, text.s, text.n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		text.s += n;
		text.n -= (size_t)n;
	}
	return 0;
}

static int folder_above(const char *path, struct err *e)
{
	char *above = xstrdup(path);
	char *slash = strrchr(above, '/');
	int rc = 0;
	if (slash && slash != above) {
		*slash = '\0';
		rc = folder_make(above, e);
	}
	free(above);
	return rc;
}

static int write_mode(const char *path, struct slice text, mode_t mode, struct err *e)
{
	if (folder_above(path, e) != 0)
		return -1;
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (fd < 0)
		return err_errno(e, "cannot make %s", path);
	int rc = write_all(fd, text);
	if (rc != 0)
		err_errno(e, "cannot write %s", path);
	if (close(fd) != 0 && rc == 0)
		rc = err_errno(e, "cannot write %s", path);
	if (rc != 0)
		unlink(path);
	return rc;
}

int file_write_new(const char *path, struct slice text, struct err *e)
{
	return write_mode(path, text, 0666, e);
}

int file_replace(const char *path, struct slice text, struct err *e)
{
	char *beside = xasprintf("%s.%ld.new", path, (long)getpid());
	unlink(beside);
	int rc = write_mode(beside, text, 0666, e);
	if (rc == 0 && rename(beside, path) != 0) {
		rc = err_errno(e, "cannot write %s", path);
		unlink(beside);
	}
	free(beside);
	return rc;
}

int file_copy_new(const char *from, const char *to, struct err *e)
{
	struct buf text = BUF_EMPTY;
	struct stat st;
	int rc = file_read(from, COPY_MAX, &text, e);
	if (rc == 0)
		rc = write_mode(to, buf_as_slice(&text), stat(from, &st) == 0 && (st.st_mode & 0100) ? 0777 : 0666, e);
	buf_done(&text);
	return rc;
}

int folder_make(const char *path, struct err *e)
{
	if (mkdir(path, 0777) == 0 || (errno == EEXIST && file_is_folder(path)))
		return 0;
	if (errno != ENOENT)
		return err_errno(e, "cannot make the folder %s", path);
	if (folder_above(path, e) != 0)
		return -1;
	if (mkdir(path, 0777) == 0 || errno == EEXIST)
		return 0;
	return err_errno(e, "cannot make the folder %s", path);
}

int folder_is_empty(const char *path, struct err *e)
{
	DIR *d = opendir(path);
	if (!d)
		return errno == ENOENT ? 1 : err_errno(e, "cannot read the folder %s", path);
	int empty = 1;
	for (struct dirent *x = readdir(d); x; x = readdir(d))
		if (strcmp(x->d_name, ".") != 0 && strcmp(x->d_name, "..") != 0)
			empty = 0;
	closedir(d);
	return empty;
}

static int copy_entry(const char *from, const char *to, bool (*leave)(const char *), struct err *e)
{
	struct stat st;
	if (stat(from, &st) != 0)
		return err_errno(e, "cannot read %s", from);
	if (S_ISDIR(st.st_mode))
		return folder_copy_new(from, to, leave, e);
	return S_ISREG(st.st_mode) ? file_copy_new(from, to, e) : 0;
}

int folder_copy_new(const char *from, const char *to, bool (*leave)(const char *), struct err *e)
{
	DIR *d = opendir(from);
	if (!d)
		return err_errno(e, "cannot read the folder %s", from);
	int rc = folder_make(to, e);
	for (struct dirent *x = readdir(d); x && rc == 0; x = readdir(d)) {
		if (x->d_name[0] == '.' || strcmp(x->d_name, "__pycache__") == 0 || (leave && leave(x->d_name)))
			continue;
		char *a = xasprintf("%s/%s", from, x->d_name), *b = xasprintf("%s/%s", to, x->d_name);
		rc = copy_entry(a, b, leave, e);
		free(a);
		free(b);
	}
	closedir(d);
	return rc;
}

/* Own recursion: nftw has no place for a sum. */
int64_t tree_bytes(const char *path)
{
	struct stat st;
	if (lstat(path, &st) != 0)
		return 0;
	int64_t sum = (int64_t)st.st_blocks * 512;
	DIR *d = S_ISDIR(st.st_mode) ? opendir(path) : NULL;
	if (!d)
		return sum;
	for (struct dirent *x = readdir(d); x; x = readdir(d)) {
		if (strcmp(x->d_name, ".") == 0 || strcmp(x->d_name, "..") == 0)
			continue;
		char *below = xasprintf("%s/%s", path, x->d_name);
		sum += tree_bytes(below);
		free(below);
	}
	closedir(d);
	return sum;
}

int64_t tree_length(const char *path)
{
	DIR *d = opendir(path);
	if (!d)
		return -1;
	int64_t sum = 0;
	for (struct dirent *x = readdir(d); x; x = readdir(d)) {
		struct stat st;
		if (strcmp(x->d_name, ".") == 0 || strcmp(x->d_name, "..") == 0)
			continue;
		char *below = xasprintf("%s/%s", path, x->d_name);
		int64_t n = lstat(below, &st) != 0 ? 0 : S_ISREG(st.st_mode) ? (int64_t)st.st_size :
			S_ISDIR(st.st_mode) ? tree_length(below) : 0;
		sum += n > 0 ? n : 0;
		free(below);
	}
	closedir(d);
	return sum;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

int tree_remove(const char *path, struct err *e)
{
	if (nftw(path, remove_one, TREE_FDS, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) == 0)
		return 0;
	return err_errno(e, "cannot remove %s", path);
}
