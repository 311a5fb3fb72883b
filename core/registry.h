/* registry.h - every lab there is; the Makefile writes the list from the files in labs/. */
#ifndef DLAB_REGISTRY_H
#define DLAB_REGISTRY_H

#include "lab.h"

extern const struct lab *const all_labs[]; /* ended by NULL */

#endif
