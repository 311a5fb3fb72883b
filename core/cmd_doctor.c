/* cmd_doctor.c - `dlab doctor`: what works on this machine, and what to do about what does not. */
#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd.h"
#include "docker_pods.h"
#include "fabric.h"
#include "files.h"
#include "scratch.h"
#include "style.h"
#include "workspace.h"

extern const struct command cmd_doctor;
extern char **environ;

enum { FILES_LEAST = 256, FILES_GOOD = 1024, PROCESSES_LEAST = 64, DISK_LEAST_MB = 50, DISK_GOOD_MB = 500 };

/* GOOD; WEAK: works without it, or not everything does; BAD: needed. */
enum health { GOOD, WEAK, BAD };

struct checkup {
	struct style style;
	struct workspace w;    /* doc is NULL outside a workspace */
	const char *language;  /* borrowed: of the workspace; "" outside */
	int weak, bad;
};

/* One line; the remedy on its own line below. */
static void report(struct checkup *c, enum health health, const char *what, const char *seen, const char *remedy)
{
	static const char *const marks[] = { "ok", "--", "!!" };
	const char *const colours[] = { c->style.green, c->style.yellow, c->style.red };
	c->weak += health == WEAK;
	c->bad += health == BAD;
	printf("%s%s%s  %-12s %s\n", colours[health], marks[health], c->style.off, what, seen);
	if (health != GOOD && remedy)
		printf("    %-12s %s %s\n", "", c->style.arrow, remedy);
}

#define REPORT(c, health, what, remedy, ...) do { \
	char seen_[1400]; \
	snprintf(seen_, sizeof seen_, __VA_ARGS__); \
	report((c), (health), (what), seen_, (remedy)); \
} while (0)

/* --- the machine --- */

static void check_sim(struct checkup *c)
{
	cpu_set_t old, one;
	if (sched_getaffinity(0, sizeof old, &old) != 0) {
		REPORT(c, WEAK, "sim", "sim works, a few times slower", "cannot ask for the cores: %s", strerror(errno));
		return;
	}
	int core = 0;
	while (core < CPU_SETSIZE && !CPU_ISSET((size_t)core, &old))
		core++;
	CPU_ZERO(&one);
	CPU_SET((size_t)core, &one);
	bool pinned = sched_setaffinity(0, sizeof one, &one) == 0;
	sched_setaffinity(0, sizeof old, &old);
	int cores = CPU_COUNT(&old);
	REPORT(c, pinned ? GOOD : WEAK, "sim", "sim works, a few times slower: allow sched_setaffinity in the sandbox",
		"virtual time; %s one core; %d core%s, so -j %d at most makes sense", pinned ? "can stay on" : "cannot stay on", cores,
		cores == 1 ? "" : "s", cores);
}

static void check_faults(struct checkup *c)
{
	const struct fabric_ops *const all[] = { &fabric_sim, &fabric_proc, &fabric_docker };
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		struct buf missing = BUF_EMPTY;
		for (int k = 0; k < FAULT_KIND_COUNT; k++)
			if (!(all[i]->can & FAULT_BIT(k)))
				buf_printf(&missing, " %s", fault_kind_name(k));
		REPORT(c, missing.n ? WEAK : GOOD, "faults", "tests that need them are not run on this fabric", "%s: %s%s", all[i]->name,
			missing.n ? "all but" : "all kinds", buf_cstr(&missing));
		buf_done(&missing);
	}
}

/* Starts a process that waits, stops it, kills it: what proc does to nodes. NULL, or what failed. */
static const char *try_process(void)
{
	char shell[] = "sh", option[] = "-c", words[] = "read x";
	char *argv[] = { shell, option, words, NULL };
	int fds[2], status = 0;
	pid_t pid;
	if (pipe2(fds, O_CLOEXEC) != 0)
		return "pipe";
	posix_spawn_file_actions_t actions;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fds[0], STDIN_FILENO);
	int rc = posix_spawn(&pid, "/bin/sh", &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	const char *failed = rc != 0 ? "starting /bin/sh" : NULL;
	if (!failed && (kill(pid, SIGSTOP) != 0 || waitpid(pid, &status, WUNTRACED) != pid || !WIFSTOPPED(status)))
		failed = "SIGSTOP";
	if (rc == 0 && (kill(pid, SIGKILL) != 0 || waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status)))
		failed = "SIGKILL";
	close(fds[0]);
	close(fds[1]);
	return failed;
}

static void check_proc(struct checkup *c)
{
	const char *failed = try_process();
	if (failed)
		REPORT(c, BAD, "proc", "nodes cannot run here: look at the limits below and at the sandbox", "%s does not work: %s", failed,
			strerror(errno));
	else
		REPORT(c, GOOD, "proc", NULL, "processes can be started, paused and killed");
}

static void check_subreaper(struct checkup *c)
{
	bool can = prctl(PR_SET_CHILD_SUBREAPER, 1) == 0;
	prctl(PR_SET_CHILD_SUBREAPER, 0);
	REPORT(c, can ? GOOD : WEAK, "subreaper", "a node's own children may outlive a run: end them by hand",
		can ? "children of nodes end with the run" : "the kernel refuses it");
}

static void check_proc_folder(struct checkup *c)
{
	struct buf text = BUF_EMPTY;
	struct err e;
	bool can = file_read("/proc/self/stat", 65536, &text, &e) == 0 && text.n > 0;
	buf_done(&text);
	REPORT(c, can ? GOOD : BAD, "/proc", "mount it: mount -t proc proc /proc", can ? "readable" : "not readable");
}

static void check_limit(struct checkup *c, int which, const char *what, rlim_t least, rlim_t good, const char *remedy)
{
	struct rlimit l;
	if (getrlimit((__rlimit_resource_t)which, &l) != 0)
		return;
	enum health health = l.rlim_cur >= good ? GOOD : l.rlim_cur >= least ? WEAK : BAD;
	if (l.rlim_cur == RLIM_INFINITY)
		REPORT(c, GOOD, what, NULL, "no limit");
	else
		REPORT(c, health, what, remedy, "at most %llu", (unsigned long long)l.rlim_cur);
}

static void check_limits(struct checkup *c)
{
	check_limit(c, RLIMIT_NOFILE, "open files", FILES_LEAST, FILES_GOOD, "many nodes or connections need more: ulimit -n 4096");
	check_limit(c, RLIMIT_NPROC, "processes", PROCESSES_LEAST, PROCESSES_LEAST, "nodes are processes: ulimit -u 4096");
}

/* --- programs --- */

/* The first line that a command prints, in *line. False when it cannot be started or fails. */
static bool first_line(const char *command, char *line, size_t size)
{
	FILE *f = popen(command, "re");
	bool got = f && fgets(line, (int)size, f);
	char rest[512];
	while (f && fgets(rest, sizeof rest, f))
		;
	if (!f || pclose(f) != 0)
		return false;
	line[got ? strcspn(line, "\n") : 0] = '\0';
	return got;
}

static bool version_is_least(const char *text, int major, int minor)
{
	int a = 0, b = 0;
	text += strcspn(text, "0123456789");
	return sscanf(text, "%d.%d", &a, &b) == 2 && (a > major || (a == major && b >= minor));
}

struct program {
	const char *what, *command, *language, *remedy;
	int major, minor; /* the oldest that will do; 0: any */
};

static void check_program(struct checkup *c, const struct program *p)
{
	char line[200];
	bool needed = strcmp(c->language, p->language) == 0;
	enum health lacking = needed ? BAD : WEAK;
	if (!first_line(p->command, line, sizeof line))
		REPORT(c, lacking, p->what, p->remedy, "not found%s", needed ? "; this workspace needs it" : "; only for nodes in this language");
	else if (p->major && !version_is_least(line, p->major, p->minor))
		REPORT(c, lacking, p->what, p->remedy, "%s is too old: %d.%d or newer", line, p->major, p->minor);
	else
		REPORT(c, GOOD, p->what, NULL, "%.70s", line);
}

static void check_programs(struct checkup *c)
{
	static const struct program programs[] = {
		{ "python3", "python3 --version 2>&1", "python", "apt-get install python3", 3, 8 },
		{ "cc", "cc --version 2>/dev/null", "c", "apt-get install build-essential", 0, 0 },
		{ "make", "make --version 2>/dev/null", "c", "apt-get install make", 0, 0 },
		{ "go", "go version 2>/dev/null", "go", "apt-get install golang", 1, 19 },
	};
	for (size_t i = 0; i < ARRAY_LEN(programs); i++)
		check_program(c, &programs[i]);
}

/* --- Docker: dlab does without it, so nothing here is BAD --- */

static bool is_rootless(struct docker *d)
{
	struct err ignored;
	json_t *info = NULL;
	struct buf b = BUF_EMPTY;
	if (docker_do(d, "GET", NULL, &info, &ignored, "/info") == 0)
		json_print(&b, json_get(info, "SecurityOptions"));
	json_decref(info);
	bool rootless = strstr(buf_cstr(&b), "rootless") != NULL;
	buf_done(&b);
	return rootless;
}

static void check_engine(struct checkup *c, struct docker *d)
{
	struct err e;
	json_t *version = NULL;
	if (docker_do(d, "GET", NULL, &version, &e, "/version") != 0)
		REPORT(c, WEAK, "docker", "restart the engine", "%s", e.text);
	else
		REPORT(c, GOOD, "docker", NULL, "engine %s, API %s%s, at %s", json_get_string(version, "Version", "?"), docker_version(d),
			is_rootless(d) ? ", rootless" : "", docker_socket(d));
	json_decref(version);
}

static void check_shaping(struct checkup *c, struct docker *d)
{
	struct shaping s;
	struct err e;
	struct buf b = BUF_EMPTY;
	const char *fault = pods_agent_image_fault(d, &e);
	if (fault) {
		REPORT(c, WEAK, "image", "for --fabric docker: `make image` in dlab's folder", "%s %s", pods_agent_image(), fault);
		return;
	}
	if (pods_probe(d, &s, &e) != 0) {
		REPORT(c, WEAK, "image", "look at the engine's log", "%s does not start: %s", pods_agent_image(), e.text);
		return;
	}
	shape_print_status(&b, &s);
	REPORT(c, shape_cut_tool(&s) && s.netem ? GOOD : WEAK, "shaping", s.netem ? "the agents cut instead: load nf_tables (`modprobe nf_tables`)" :
		"the agents delay instead; for netem, a kernel with sch_netem (`modprobe sch_netem`)", "%s", buf_cstr(&b));
	buf_done(&b);
}

static void check_docker(struct checkup *c)
{
	struct err e;
	struct docker *d = docker_open(&e);
	if (!d) {
		REPORT(c, WEAK, "docker", "without it, all but --fabric docker works", "%s", e.text);
		return;
	}
	check_engine(c, d);
	check_shaping(c, d);
	docker_close(d);
}

/* --- the terminal --- */

static void check_terminal(struct checkup *c)
{
	const char *codeset = nl_langinfo(CODESET), *term = getenv("TERM"), *no_color = getenv("NO_COLOR");
	bool utf8 = strcmp(codeset, "UTF-8") == 0;
	REPORT(c, utf8 ? GOOD : WEAK, "locale", "marks are plain ASCII; for more: export LC_ALL=C.UTF-8", "%s", codeset);
	if (!c->style.terminal) {
		REPORT(c, GOOD, "terminal", NULL, "stdout is none (%s): plain text", isatty(STDOUT_FILENO) ? "TERM is dumb or unset" : "a pipe or file");
		return;
	}
	REPORT(c, c->style.width >= 60 ? GOOD : WEAK, "terminal", "lines will wrap: widen it to 80 columns", "%s, %d columns, %s", term,
		c->style.width, *c->style.off ? "colours" : no_color && *no_color ? "no colours (NO_COLOR is set)" : "no colours");
}

/* --- folders --- */

static void check_tmp(struct checkup *c)
{
	struct statvfs fs;
	char *path = xasprintf("%s/dlab-XXXXXX", scratch_folder());
	bool made = mkdtemp(path) && rmdir(path) == 0;
	free(path);
	if (!made || statvfs(scratch_folder(), &fs) != 0) {
		REPORT(c, BAD, "TMPDIR", "the nodes' folders are made there: set TMPDIR to a folder that you may write to", "%s: %s", scratch_folder(),
			strerror(errno));
		return;
	}
	unsigned long long mb = (unsigned long long)fs.f_bavail * fs.f_frsize >> 20;
	REPORT(c, mb >= DISK_GOOD_MB ? GOOD : mb >= DISK_LEAST_MB ? WEAK : BAD, "TMPDIR", "make room (`dlab clean`), or set TMPDIR to another disk",
		"%s is writable, %llu MB free", scratch_folder(), mb);
}

/* Doctor leaves nothing behind: where there is no .dlab yet, the folder above must take one. */
static void check_state(struct checkup *c)
{
	struct err e;
	bool there = file_is_folder(c->w.state);
	char *path = xasprintf("%s/.dlab-check-%ld", there ? c->w.state : c->w.root, (long)getpid());
	bool can = file_write_new(path, SLICE("x"), &e) == 0;
	if (can)
		unlink(path);
	free(path);
	REPORT(c, can ? GOOD : BAD, ".dlab", "progress and runs are kept there: stand in a folder that you may write to", "%s %s", c->w.state,
		!can ? "cannot be written" : there ? "is writable" : "can be made");
}

static void check_home(struct checkup *c)
{
	struct err e;
	char *home = dlab_home(&e);
	REPORT(c, home ? GOOD : BAD, "dlab's files", "set DLAB_HOME to the folder with stages/, or install again", "%s", home ? home : e.text);
	free(home);
}

static void check_workspace(struct checkup *c)
{
	if (c->w.doc)
		REPORT(c, GOOD, "workspace", NULL, "%s/dlab.json, %zu labs", c->w.root, json_object_size(json_get(c->w.doc, "labs")));
	else
		REPORT(c, GOOD, "workspace", NULL, "none here; `dlab new DIR` makes one");
}

/* --- */

static int take_option(void *ctx, const struct cmd_option *o, const char *value)
{
	(void)ctx;
	(void)o;
	(void)value;
	return 0;
}

static void check_all(struct checkup *c)
{
	check_sim(c);
	check_proc(c);
	check_faults(c);
	check_subreaper(c);
	check_proc_folder(c);
	check_limits(c);
	check_programs(c);
	check_docker(c);
	check_terminal(c);
	check_tmp(c);
	check_state(c);
	check_home(c);
	check_workspace(c);
}

static int run(int argc, char **argv)
{
	struct checkup c = { .style = style_of(stdout) };
	struct cmd_words words;
	struct err e;
	int rc = cmd_parse(&cmd_doctor, argc, argv, &words, take_option, &c);
	if (rc != 0)
		return rc < 0 ? EXIT_PASSED : rc;
	if (words.n > 0 || words.after)
		return cmd_usage(&cmd_doctor, "it takes no arguments");
	if (workspace_open(&c.w, &e) != 0)
		return cmd_usage(&cmd_doctor, "%s", e.text);
	c.language = json_get_string(c.w.doc, "language", "");
	check_all(&c);
	workspace_close(&c.w);
	if (c.bad)
		printf("\n%d thing%s that dlab needs %s missing (!!).\n", c.bad, c.bad == 1 ? "" : "s", c.bad == 1 ? "is" : "are");
	else if (c.weak)
		printf("\nAll that dlab needs is there; -- marks what it can do without.\n");
	else
		printf("\nAll is well.\n");
	return c.bad ? EXIT_WORLD : EXIT_PASSED;
}

const struct command cmd_doctor = {
	.name = "doctor",
	.arguments = "",
	.summary = "Check what works on this machine",
	.help = "One line for each thing: ok, -- (dlab can do without it) or !! (needed), with what to do about it.\n"
		"Exit status: 0 nothing that is needed is missing, 3 something is.",
	.run = run,
};
