/* files.h - whole files and folders: read, write, copy, remove. What is written is new: nothing is overwritten
 * unless a function says so. Links are never followed into what they name when something is removed. */
#ifndef DLAB_FILES_H
#define DLAB_FILES_H

#include "base.h"

bool file_exists(const char *path);
bool file_is_folder(const char *path);
/* Appends all of a file of at most limit bytes. */
int file_read(const char *path, size_t limit, struct buf *, struct err *);
/* Makes a new file; the folders above it are made as well. An error when the path is taken. */
int file_write_new(const char *path, struct slice text, struct err *);
/* Puts the text in the place of what is there, if anything: whole or not at all. */
int file_replace(const char *path, struct slice text, struct err *);
/* Copies a regular file with its right to be executed; the new file must not exist. */
int file_copy_new(const char *from, const char *to, struct err *);

/* `mkdir -p`. */
int folder_make(const char *path, struct err *);
/* 1 when it has no entry (or is not there), 0 when it has, -1 and an error. */
int folder_is_empty(const char *path, struct err *);
/* Copies regular files and folders below. Leaves out names that begin with a dot, __pycache__, and what `leave` names. */
int folder_copy_new(const char *from, const char *to, bool (*leave)(const char *name), struct err *);
/* Bytes on disk of a file, or of all below a folder. */
int64_t tree_bytes(const char *path);
/* Bytes of all regular files below a folder, as long as they are; -1 when it cannot be read. */
int64_t tree_length(const char *path);
/* Removes a file or a folder with all below it. */
int tree_remove(const char *path, struct err *);

#endif
