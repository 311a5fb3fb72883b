/* markdown.h - Markdown (CommonMark and tables, read by md4c) as text for a terminal: wrapped at a width, headings
 * bold, tables aligned, code as it is. Without colours, `code` and headings keep their marks. */
#ifndef DLAB_MARKDOWN_H
#define DLAB_MARKDOWN_H

#include "base.h"
#include "style.h"

/* Appends. Control characters of the source are left out, so that a file cannot steer the terminal. */
void markdown_print(struct buf *, struct slice source, const struct style *, int width);

#endif
