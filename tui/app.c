#include "app.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "action.h"
#include "cmd.h"
#include "demo_place.h"
#include "live.h"
#include "rows.h"
#include "runfile.h"
#include "term.h"

enum { FRAME_MS = 34, WAITING_MS = 100 };

struct app {
	struct dash dash;
	struct terminal *term;
	struct grid grid;
	int signals; /* signalfd */
	int64_t drawn_ns, ticked_ns;
	bool dirty;
	struct live *live; /* owned; NULL: none */
	int stores;        /* live runs so far */
	struct demo_run demo; /* while demo.demo is not NULL */
	int64_t demo_began_ns;
	pid_t test;        /* `dlab test`, while it runs */
	FILE *test_words;  /* owned; what it says */
	time_t test_began;
	int test_status;
};

/* --- live runs --- */

/* A file of its own for each: a fork may be forked. In the workspace's runs, from where a run can be repeated. */
static char *new_store(struct app *a, struct err *e)
{
	struct workspace w;
	if (workspace_open(&w, e) != 0)
		return NULL;
	char *runs = workspace_runs(&w, e);
	char *path = runs ? xasprintf("%s/free.live-%ld-%d.db", runs, (long)getpid(), ++a->stores) : NULL;
	free(runs);
	workspace_close(&w);
	return path;
}

/* Of the arguments of `dlab run`: whether it will be on sim. */
static bool is_sim(char *const *words)
{
	for (; *words && strcmp(*words, "--") != 0; words++)
		if (strcmp(*words, "--fabric=sim") == 0 || strcmp(*words, "--from") == 0 ||
			((strcmp(*words, "--fabric") == 0 || strcmp(*words, "-f") == 0) && words[1] && strcmp(words[1], "sim") == 0))
			return true;
	return false;
}

/* words: the arguments of `dlab run`, without its name. */
static int go_live(struct app *a, struct dash *d, char *const *words, const char *cwd, int64_t t_ns, struct err *e)
{
	static char dlab[] = "dlab", run[] = "run", store[] = "--store";
	size_t n = 0;
	bool sim = is_sim(words);
	char *path = new_store(a, e);
	if (!path)
		return -1;
	while (words[n])
		n++;
	char **argv = xcalloc(n + 5, sizeof *argv);
	argv[0] = dlab;
	argv[1] = run;
	argv[2] = store;
	argv[3] = path;
	memcpy(argv + 4, words, n * sizeof *argv);
	struct live *l = live_start(&(struct live_spec){ .argv = argv, .cwd = cwd, .store = path, .sim = sim }, e);
	int rc = l ? dash_open(d, path, e) : -1;
	if (rc == 0) {
		live_stop(a->live);
		a->live = l;
		a->demo.demo = NULL; /* a fork is no scene any more */
		d->narration = (struct narration){ 0 };
		live_set_granted(l, t_ns);
		d->live = true;
		d->live_sim = sim;
		d->follow = true;
	} else {
		live_stop(l);
	}
	free(argv);
	free(path);
	return rc;
}

static int fork_run(void *ctx, struct dash *d, int64_t t_ns, struct err *e)
{
	static char from[] = "--from", at[] = "--at";
	char *path = xstrdup(source_path(d->source)), seconds[40];
	snprintf(seconds, sizeof seconds, "%.9f", (double)t_ns / 1e9);
	char *words[] = { from, path, at, seconds, NULL };
	enum view view = d->view;
	int rc = go_live(ctx, d, words, NULL, t_ns, e);
	if (rc == 0) {
		d->view = view;
		d->row = GRID_MAX;
	}
	free(path);
	return rc;
}

static int send_line(void *ctx, const char *line, struct err *e)
{
	struct app *a = ctx;
	if (!a->live)
		return err_set(e, "no run is live");
	return live_send(a->live, line, e);
}

/* --- demos --- */

static int demo_line(void *ctx, const char *line)
{
	struct err ignored;
	return send_line(ctx, line, &ignored);
}

static void narrate(struct app *a)
{
	struct dash *d = &a->dash;
	const struct demo_run *r = &a->demo;
	int before = d->narration.step;
	d->narration = (struct narration){ .title = r->demo->title, .say = r->say, .gate = demo_gate(r), .step = r->step + 1,
		.steps = demo_steps(r->demo) };
	if (before != d->narration.step)
		demo_place_write(r->demo, r->step, r->notes);
	d->playing = demo_plays(r);
	d->follow = d->playing && !d->live_sim;
	a->dirty = true;
}

static void begin_demo(struct app *a, const struct demo *demo)
{
	demo_begin(&a->demo, demo, source_lanes(a->dash.source), demo_line, a);
	a->demo_began_ns = clock_ns();
	a->dash.speed = a->dash.live_sim ? demo->speed : 1;
	a->dash.follow = false;
	narrate(a);
}

static void demo_key(void *ctx, int step)
{
	struct app *a = ctx;
	if (step > 0 && demo_go(&a->demo))
		narrate(a);
	else if (step < 0)
		dash_say(&a->dash, false, "A demo goes forward. The run behind it can be walked: Left, and Space to go on.");
}

/* What the audience has seen is what counts: up to the playhead. Where time is real, it passes without events, too. */
static void see_demo(struct app *a)
{
	struct dash *d = &a->dash;
	int64_t now = d->live_sim ? d->t_ns : clock_ns() - a->demo_began_ns;
	if (!a->demo.demo || !a->live)
		return;
	if (demo_see(&a->demo, d->source, d->live_sim ? d->at : source_count(d->source), now))
		narrate(a);
}

/* On sim the run is let go a little further than the playhead, so that it is never waited for. */
static void drive(struct app *a, int64_t dt_ns)
{
	struct dash *d = &a->dash;
	if (!a->live)
		return;
	if (live_over(a->live)) {
		const char *words = live_words(a->live);
		dash_say(d, *words, "%s", *words ? words : "the live run has ended");
		live_stop(a->live);
		a->live = NULL;
		d->live = false;
		a->dirty = true;
		return;
	}
	if (!d->live_sim)
		return;
	if (source_reached_ns(d->source) > live_granted_ns(a->live)) /* it has begun, or was stepped */
		live_set_granted(a->live, source_reached_ns(d->source));
	if (d->playing)
		live_time(a->live, d->t_ns + 2 * (int64_t)((double)dt_ns * d->speed));
}

/* --- what the dashboard may ask of the world --- */

static int open_run(void *ctx, struct dash *d, const char *run, struct err *e)
{
	struct workspace w;
	(void)ctx;
	if (workspace_open(&w, e) != 0)
		return -1;
	char *path = runfile_find(&w, *run ? run : NULL, e);
	int rc = path ? dash_open(d, path, e) : -1;
	free(path);
	workspace_close(&w);
	return rc;
}

static int write_screen(void *ctx, const struct dash *d, const char *path, struct err *e)
{
	struct app *a = ctx;
	struct buf b = BUF_EMPTY;
	(void)d;
	grid_print(&b, &a->grid, false);
	FILE *f = fopen(path, "wx"); /* never over something that is there */
	bool good = f && fwrite(b.s, 1, b.n, f) == b.n;
	good &= f && fclose(f) == 0;
	buf_done(&b);
	return good ? 0 : err_errno(e, "cannot write %s", path);
}

static void copy(void *ctx, struct slice text)
{
	term_copy(((struct app *)ctx)->term, text);
}

/* --- a test that runs beside --- */

/* `dlab test` writes where we keep its words, for when the screen is gone. */
static int start_test(struct app *a, char *const *words, struct err *e)
{
	static char dlab[] = "dlab", test[] = "test";
	size_t n = 0;
	while (words[n])
		n++;
	char **argv = xcalloc(n + 3, sizeof *argv);
	argv[0] = dlab;
	argv[1] = test;
	memcpy(argv + 2, words, n * sizeof *argv);
	a->test_words = tmpfile();
	a->test_began = time(NULL);
	pid_t parent = getpid(), pid = a->test_words ? fork() : -1;
	if (pid == 0) {
		sigset_t none;
		int in = open("/dev/null", O_RDONLY);
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		setsid();
		dup2(in, STDIN_FILENO);
		dup2(fileno(a->test_words), STDOUT_FILENO);
		dup2(fileno(a->test_words), STDERR_FILENO);
		if (getppid() == parent)
			execv("/proc/self/exe", argv);
		_exit(127);
	}
	free(argv);
	a->test = pid > 0 ? pid : 0;
	return pid > 0 ? 0 : err_errno(e, "cannot start the test");
}

/* The newest run since the test began; of those that are over, one that failed when there is one. Owned; NULL: none. */
static char *newest_run(const struct app *a, bool failed)
{
	struct workspace w;
	struct err ignored;
	char *path = NULL;
	if (workspace_open(&w, &ignored) != 0)
		return NULL;
	path = runfile_newest(&w, a->test_began, failed);
	workspace_close(&w);
	return path;
}

static void show_run(struct app *a, char *path)
{
	struct err ignored;
	bool other = path && (!a->dash.source || strcmp(path, source_path(a->dash.source)) != 0);
	if (other && dash_open(&a->dash, path, &ignored) == 0) {
		int lab = home_find(&a->dash.home, source_meta(a->dash.source, STORE_LAB));
		if (lab >= 0)
			home_choose(&a->dash.home, lab);
		a->dash.follow = a->test != 0;
		a->dirty = true;
	}
	free(path);
}

static void look_at_test(struct app *a)
{
	int status;
	if (!a->test)
		return;
	if (waitpid(a->test, &status, WNOHANG) != a->test) {
		show_run(a, newest_run(a, false));
		return;
	}
	a->test = 0;
	a->test_status = WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_WORLD;
	char *failed = a->test_status == EXIT_FAILED ? newest_run(a, true) : NULL;
	show_run(a, failed ? failed : newest_run(a, false));
	home_read(&a->dash.home);
	a->dash.follow = false;
	dash_say(&a->dash, a->test_status != 0, a->test_status == 0 ? "all tests passed" : a->test_status == EXIT_FAILED ?
		"not all passed; this is one that did not, at its evidence. q ends, and the report follows" : "the test could not be run: q ends, and shows why");
	a->dirty = true;
}

static void end_test(struct app *a)
{
	int status;
	if (a->test) {
		kill(a->test, SIGTERM);
		waitpid(a->test, &status, 0);
		a->test_status = EXIT_FAILED;
	}
	if (!a->test_words)
		return;
	char text[4096];
	rewind(a->test_words);
	for (size_t n; (n = fread(text, 1, sizeof text, a->test_words)) > 0;)
		fwrite(text, 1, n, stdout);
	fclose(a->test_words);
}

/* --- the loop --- */

static void draw(struct app *a)
{
	int w, h;
	if (term_size(a->term, &w, &h) || !a->grid.cells) {
		grid_done(&a->grid);
		grid_init(&a->grid, w, h, a->dash.ascii);
	}
	dash_draw(&a->dash, &a->grid);
	term_show(a->term, &a->grid);
	a->drawn_ns = clock_ns();
	a->dirty = false;
}

static void take_keys(struct app *a)
{
	for (int key; (key = term_key(a->term)) != 0 && !a->dash.quit;)
		if (action_key(&a->dash, key))
			a->dirty = true;
}

static void take_signals(struct app *a)
{
	struct signalfd_siginfo info;
	while (read(a->signals, &info, sizeof info) == sizeof info) {
		if (info.ssi_signo != SIGWINCH)
			a->dash.quit = true;
		a->dirty = true;
	}
}

/* How long nothing needs to be done, when no key comes; -1: for ever. */
static int wait_ms(const struct app *a)
{
	const struct dash *d = &a->dash;
	bool moves = d->source && (d->playing || d->live || d->survey.seen < source_count(d->source));
	if (a->dirty || moves) {
		int64_t left = FRAME_MS - (clock_ns() - a->drawn_ns) / NS_PER_MS;
		return left > 0 ? (int)left : 0;
	}
	return a->test || (d->source && !source_finished(d->source)) ? WAITING_MS : -1;
}

static void tick(struct app *a)
{
	int64_t now = clock_ns();
	drive(a, now - a->ticked_ns);
	if (dash_tick(&a->dash, now - a->ticked_ns))
		a->dirty = true;
	see_demo(a);
	look_at_test(a);
	a->ticked_ns = now;
}

static void loop(struct app *a)
{
	a->ticked_ns = clock_ns();
	a->dirty = true;
	while (!a->dash.quit) {
		struct pollfd fds[] = { { .fd = STDIN_FILENO, .events = POLLIN }, { .fd = a->signals, .events = POLLIN } };
		if (poll(fds, ARRAY_LEN(fds), wait_ms(a)) < 0 && errno != EINTR)
			return;
		if (fds[0].revents & (POLLHUP | POLLERR)) /* the terminal is gone */
			return;
		take_signals(a);
		take_keys(a);
		tick(a);
		if (a->dirty && clock_ns() - a->drawn_ns >= FRAME_MS * NS_PER_MS && !a->dash.quit)
			draw(a);
	}
}

static int wait_for_signals(struct err *e)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGWINCH);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd >= 0 ? fd : err_errno(e, "cannot wait for signals");
}

static int show(const struct app_spec *spec, struct err *e)
{
	struct app a = { .signals = wait_for_signals(e) };
	if (a.signals < 0)
		return -1;
	dash_init(&a.dash, rows_ascii());
	a.dash.verbs = (struct verbs){ .ctx = &a, .open = open_run, .write = write_screen, .copy = copy,
		.send = send_line, .fork = fork_run, .demo = demo_key };
	int rc = spec->run ? dash_open(&a.dash, spec->run, e) : 0;
	if (rc == 0 && spec->live) {
		char *home = spec->demo ? dlab_home(e) : NULL; /* on docker, the folder where it starts is what the nodes see */
		rc = spec->demo && !home ? -1 : go_live(&a, &a.dash, spec->live, home, 0, e);
		free(home);
	}
	if (rc == 0 && spec->view >= 0)
		a.dash.view = (enum view)spec->view;
	if (rc == 0 && a.dash.source) {
		int lab = home_find(&a.dash.home, source_meta(a.dash.source, STORE_LAB));
		if (lab >= 0)
			home_choose(&a.dash.home, lab);
	}
	if (rc == 0 && spec->demo)
		begin_demo(&a, spec->demo);
	if (rc == 0 && spec->test)
		rc = start_test(&a, spec->test, e);
	a.term = rc == 0 ? term_open(e) : NULL;
	if (a.term) {
		loop(&a);
		term_close(a.term);
	}
	live_stop(a.live);
	end_test(&a);
	rc = a.term ? a.test_status : -1;
	if (spec->demo)
		demo_place_clear();
	grid_done(&a.grid);
	dash_done(&a.dash);
	close(a.signals);
	return rc;
}

bool app_can_draw(void)
{
	const char *term = getenv("TERM");
	return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && term && strcmp(term, "dumb") != 0;
}

/* The drawing is done by a child, so that somebody is left to put the terminal in order when it is killed. */
int app_run(const struct app_spec *spec, struct err *e)
{
	struct termios before;
	bool known = tcgetattr(STDIN_FILENO, &before) == 0;
	pid_t parent = getpid(), child = fork();
	if (child < 0)
		return err_errno(e, "cannot start the dashboard");
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		if (getppid() != parent)
			_exit(EXIT_WORLD);
		struct err why = { "" };
		int rc = show(spec, &why);
		if (rc < 0)
			cmd_world(&why);
		exit(rc >= 0 ? rc : EXIT_WORLD);
	}
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	int status = 0;
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	term_mend();
	if (known)
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
	return err_set(e, "the dashboard was ended by signal %d (%s); the run file is as it was", WTERMSIG(status),
		strsignal(WTERMSIG(status)));
}
