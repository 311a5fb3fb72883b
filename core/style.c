#include "style.h"

#include <langinfo.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

struct style style_of(FILE *f)
{
	struct style s = { "", "", "", "", "", "", "", "ok", "FAILED", "?", "-", "->", "#", "-", false, 80 };
	const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");
	bool smart = isatty(fileno(f)) && term && strcmp(term, "dumb") != 0;
	s.terminal = smart;
	if (smart && !(no_color && *no_color)) {
		s.bold = "\033[1m";
		s.dim = "\033[2m";
		s.red = "\033[31m";
		s.green = "\033[32m";
		s.yellow = "\033[33m";
		s.blue = "\033[34m";
		s.off = "\033[0m";
	}
	if (strcmp(nl_langinfo(CODESET), "UTF-8") == 0) {
		s.pass = "\xe2\x9c\x93";
		s.fail = "\xe2\x9c\x97";
		s.arrow = "\xe2\x86\x92";
		s.bar_full = "\xe2\x96\x88";
		s.bar_empty = "\xe2\x96\x91";
	}
	struct winsize w;
	if (smart && ioctl(fileno(f), TIOCGWINSZ, &w) == 0 && w.ws_col >= 20)
		s.width = w.ws_col;
	return s;
}
