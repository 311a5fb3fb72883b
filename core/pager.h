/* pager.h - long text on a terminal goes through $PAGER (less when it is unset), short text and pipes get it directly. */
#ifndef DLAB_PAGER_H
#define DLAB_PAGER_H

#include "base.h"
#include "style.h"

/* Shows the text on stdout. A pager that cannot be started is no error: the text is printed then. */
void pager_show(struct slice text, const struct style *);

#endif
