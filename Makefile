# dlab. `make help` lists the targets. Everything that is built stands under build/.
# V=1 shows the commands; SANITIZE=address,undefined builds with sanitizers (use another BUILD= folder for it).

BUILD ?= build
CC ?= cc
PREFIX ?= /usr/local
PKGS = sqlite3 jansson md4c libcurl ncursesw
TEST_PKGS = cmocka
Q = $(if $(V),,@)
say = $(if $(V),,@printf '  %-6s %s\n' $(1) $(2);)

VERSION := 0.1.0
WARN = -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla \
	-Wcast-qual -Wformat=2 -Wundef -Wwrite-strings
HARDEN = -fstack-protector-strong -fPIE -D_FORTIFY_SOURCE=2
ifneq ($(shell echo 'int x;' | $(CC) -O2 -D_FORTIFY_SOURCE=3 -Werror -include stdio.h -xc -c -o /dev/null - 2>&1),)
else
HARDEN := $(subst FORTIFY_SOURCE=2,FORTIFY_SOURCE=3,$(HARDEN))
endif
OPT ?= -O2 -g
ifdef SANITIZE
HARDEN := -fPIE
OPT := -O1 -g -fno-omit-frame-pointer -fsanitize=$(SANITIZE) -fno-sanitize-recover=all
endif
CFLAGS_ALL = -std=c11 -D_GNU_SOURCE $(OPT) $(WARN) $(HARDEN) $(if $(WERROR),-Werror) -MMD -MP -Icore -iquote tui -I$(BUILD) $(if $(wildcard tui/*.c),-DDLAB_TUI) \
	-DDLAB_TESTS='"$(abspath tests)"' -DDLAB_VERSION='"$(VERSION)"' -DDLAB_PREFIX='"$(PREFIX)"' $(shell pkg-config --cflags $(PKGS)) $(CFLAGS)
LDFLAGS_ALL = -pie -Wl,-z,relro,-z,now $(if $(SANITIZE),-fsanitize=$(SANITIZE)) $(LDFLAGS)
ifneq ($(filter-out help clean uninstall layers try test test-all test-docker test-docker-netem check-labs strict deps-%,$(or $(MAKECMDGOALS),all)),)
MISSING := $(strip $(foreach p,$(PKGS),$(if $(shell pkg-config --exists $(p) 2>/dev/null && echo y),,$(p))))
$(if $(MISSING),$(error these libraries are missing: $(MISSING). `make try` or `make test` installs what is needed))
endif
LIBS = $(shell pkg-config --libs $(PKGS)) -lpthread -lm

CORE = $(filter-out core/main.c,$(wildcard core/*.c))
# In the order of the roadmap; a lab that is not named here comes after these.
ROADMAP = echo sockets exactly-once unique-ids broadcast raft raft-kv
LABS := $(wildcard labs/*.c)
LABS := $(filter $(LABS),$(ROADMAP:%=labs/%.c)) $(filter-out $(ROADMAP:%=labs/%.c),$(LABS))
PARTS = $(wildcard labs/parts/*.c)
TUI = $(wildcard tui/*.c)
OBJ = $(patsubst %.c,$(BUILD)/%.o,$(CORE) $(LABS) $(PARTS) $(TUI)) $(BUILD)/labs.o
TESTS = $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/test_*.c))

.DEFAULT_GOAL := all
.PHONY: all help clean layers unit try test test-all check-labs strict install uninstall
all: $(BUILD)/dlab ## build build/dlab (the default)

help: ## this list
	@awk -F':.*## ' '/^[a-z][a-z-]*:.*## /{printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# What each step of the simulation runs through, optimised as one piece: a program that links it takes nothing of these files
# from the library. For gcc; other compilers, and builds with options of their own, do without.
STEP = arena base child event explain fabric_sim history lanes link measure play proto route run trace workload
CAN_STEP = $(if $(SANITIZE),,$(if $(filter file,$(origin OPT)),$(shell echo | $(CC) -flinker-output=nolto-rel -E -xc - 2>/dev/null)))
STEP_O := $(if $(CAN_STEP),$(BUILD)/step.o)

$(BUILD)/step/%.o: core/%.c Makefile
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(CFLAGS_ALL) -O3 -flto -c -o $@ $<

$(BUILD)/step.o: $(STEP:%=$(BUILD)/step/%.o)
	$(call say,LINK,$@)$(CC) -O3 -g $(HARDEN) -flto -flto-partition=one -r -flinker-output=nolto-rel -o $@ $^

$(BUILD)/dlab: $(BUILD)/core/main.o $(STEP_O) $(BUILD)/libdlab.a
	$(call say,LINK,$@)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

$(BUILD)/libdlab.a: $(OBJ)
	$(call say,AR,$@)rm -f $@ && $(AR) rcs $@ $^

# The labs register by their file names: labs/unique-ids.c defines lab_unique_ids. What stands in labs/parts/ is no lab:
# pieces of judges, and rules that labs share.
$(BUILD)/labs.c: $(LABS) Makefile
	@mkdir -p $(BUILD)
	$(call say,GEN,$@){ echo '#include "registry.h"'; \
	  for l in $(basename $(notdir $(LABS))); do echo "extern const struct lab lab_$$(echo $$l | tr - _);"; done; \
	  echo 'const struct lab *const all_labs[] = {'; \
	  for l in $(basename $(notdir $(LABS))); do echo "	&lab_$$(echo $$l | tr - _),"; done; \
	  echo '	0'; echo '};'; } > $@

$(BUILD)/labs.o: $(BUILD)/labs.c
	$(call say,CC,$<)$(CC) $(CFLAGS_ALL) -c -o $@ $<

$(BUILD)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(CFLAGS_ALL) -c -o $@ $<

# --- the agent of the docker fabric: one static program, so that it runs in any image ---
AGENT_PARTS = arena base child event fault lanes link pass proto shape
AGENT_OBJ = $(patsubst %.c,$(BUILD)/%.o,$(wildcard docker/*.c) $(AGENT_PARTS:%=core/%.c))
$(BUILD)/docker/dlab-agent: $(AGENT_OBJ)
	$(call say,LINK,$@)$(CC) -static-pie -Wl,-z,relro,-z,now -o $@ $^ -lm

# The sources of the agents as a number, which their image has as a label: dlab runs no agents but its own.
$(BUILD)/agent_id.h: $(sort $(wildcard docker/*.[ch] $(AGENT_PARTS:%=core/%.[ch]))) docker/Dockerfile
	@mkdir -p $(@D)
	$(call say,GEN,$@)echo "#define AGENT_ID \"$$(cat $^ | cksum | cut -d ' ' -f 1)\"" > $@

$(BUILD)/core/docker_pods.o: $(BUILD)/agent_id.h

$(BUILD)/docker/image.Dockerfile: docker/Dockerfile $(BUILD)/agent_id.h
	@mkdir -p $(@D)
	$(call say,GEN,$@)sed 's/#define AGENT_ID /LABEL org.dlab.agent=/' $(BUILD)/agent_id.h | cat docker/Dockerfile - > $@

.PHONY: image
IMAGE_BASE = $(if $(BASE),--build-arg BASE=$(BASE))
image: $(BUILD)/docker/dlab-agent $(BUILD)/docker/image.Dockerfile ## build the image of the docker fabric (BASE=IMAGE: from another than debian:bookworm-slim)
	cd $(BUILD)/docker && tar -c image.Dockerfile dlab-agent | docker build -q -f image.Dockerfile $(IMAGE_BASE) -t dlab-agent:$(VERSION) -

# --- tests ---
REPLAYS = $(patsubst tests/fuzz/fuzz_%.c,$(BUILD)/tests/replay_fuzz_%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZERS = $(patsubst tests/fuzz/fuzz_%.c,$(BUILD)/fuzz/fuzz_%,$(wildcard tests/fuzz/fuzz_*.c))
TEST_LIBS = $(LIBS) $(shell pkg-config --libs $(TEST_PKGS))

$(BUILD)/tests/test_%: $(BUILD)/tests/test_%.o $(BUILD)/libdlab.a
	$(call say,LINK,$@)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(TEST_LIBS)

$(BUILD)/tests/replay_fuzz_%: $(BUILD)/tests/fuzz/fuzz_%.o $(BUILD)/tests/fuzz/replay_main.o $(BUILD)/libdlab.a
	$(call say,LINK,$@)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

# libFuzzer wants every object instrumented, so the fuzzers have a build folder of their own.
FUZZ_BUILD = build-fuzz
fuzzers:
	@$(MAKE) --no-print-directory -j2 CC=clang SANITIZE=fuzzer-no-link,address,undefined BUILD=$(FUZZ_BUILD) \
		$(FUZZ_BUILD)/libdlab.a $(patsubst %.c,$(FUZZ_BUILD)/%.o,$(wildcard tests/fuzz/fuzz_*.c))
	@mkdir -p $(BUILD)/fuzz
	@for f in $(notdir $(FUZZERS)); do echo "  FUZZ   $$f"; clang -pie -fsanitize=fuzzer,address,undefined -o $(BUILD)/fuzz/$$f \
		$(FUZZ_BUILD)/tests/fuzz/$$f.o $(FUZZ_BUILD)/libdlab.a $(LIBS) || exit 1; done

.PHONY: deps-build deps-try deps-test deps-all deps-docker programs fuzzers
deps-build deps-try deps-test deps-all deps-docker: deps-%:
	@CC="$(CC)" tests/install.sh $*

programs: $(TESTS) $(REPLAYS) $(BUILD)/dlab

try: deps-try ## install what is missing, build, and grade a small node: a first look
	@$(MAKE) --no-print-directory $(BUILD)/dlab
	@tests/try.sh

test: deps-test ## install what is missing, build, and run the tests (under two minutes)
	@$(MAKE) --no-print-directory -j2 programs
	@BUILD=$(BUILD) python3 tests/suites.py quick

test-all: deps-all ## what `make test` leaves out: sanitizers, valgrind, fuzzers, hostile nodes, 20 seeds (half an hour)
	@$(MAKE) --no-print-directory -j2 programs
	@$(MAKE) --no-print-directory -j2 SANITIZE=address,undefined BUILD=build-asan programs
	@$(MAKE) --no-print-directory fuzzers
	@BUILD=$(BUILD) python3 tests/suites.py all

.PHONY: test-docker test-docker-netem
NETEM_NODES = broadcast raft sockets
test-docker: deps-docker ## the docker fabric with real containers (it starts an engine where none runs; three minutes)
	@$(MAKE) --no-print-directory -j2 $(BUILD)/dlab $(BUILD)/tests/test_contract $(BUILD)/docker/dlab-agent
	@BUILD=$(BUILD) python3 tests/docker/run.py

test-docker-netem: deps-docker ## the same links by a kernel with netem, in a small virtual machine (skipped where its tool is missing)
	@$(MAKE) --no-print-directory -j2 $(BUILD)/dlab $(BUILD)/tests/test_contract $(BUILD)/docker/dlab-agent $(BUILD)/docker/image.Dockerfile $(NETEM_NODES:%=$(BUILD)/tests/bench/node_%)
	@BUILD=$(BUILD) python3 tests/docker/netem.py

unit: programs ## the unit tests alone
	@BUILD=$(BUILD) python3 tests/suites.py quick --only test_

layers: ## who includes whom
	@python3 tests/layers.py

check-labs: deps-test ## guides, starters, solutions, judges and wrong solutions belong together (50 seeds)
	@$(MAKE) --no-print-directory $(BUILD)/dlab
	@python3 tests/check-labs.py
	@python3 tests/check-tutorial.py stages/*/*/debugging.md

strict: deps-all ## build everything with gcc and clang, warnings are errors
	@$(MAKE) --no-print-directory -j2 WERROR=1 CC=gcc BUILD=build-gcc programs
	@$(MAKE) --no-print-directory -j2 WERROR=1 CC=clang BUILD=build-clang programs

.PHONY: pictures
pictures: $(BUILD)/dlab ## draw the pictures of the documents again, from real runs
	@tests/pictures.sh $(BUILD)/dlab

# --- speed ---
BENCHES = $(addprefix $(BUILD)/tests/bench/,bench_sim bench_store bench_linear bench_screen copy_node node_echo node_broadcast node_raft)

$(BUILD)/tests/bench/bench_%: $(BUILD)/tests/bench/bench_%.o $(STEP_O) $(BUILD)/libdlab.a
	$(call say,LINK,$@)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

$(BUILD)/tests/bench/copy_node: tests/bench/copy_node.c
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) -std=c11 -O2 $(WARN) -o $@ $<

# Built as a learner would.
$(BUILD)/tests/bench/node_echo: $(wildcard solutions/echo/c/*)
$(BUILD)/tests/bench/node_broadcast: $(wildcard solutions/broadcast/c/*)
$(BUILD)/tests/bench/node_raft: $(wildcard solutions/raft/c/*)
$(BUILD)/tests/bench/node_sockets: $(wildcard solutions/sockets/c/*)
NODE_DEFINES = -D_GNU_SOURCE
$(BUILD)/tests/bench/node_sockets: NODE_DEFINES = # it has no SDK, and says so itself
$(BUILD)/tests/bench/node_%: core/sdk/c/dlab.h
	@mkdir -p $(@D)
	$(call say,CC,solutions/$*/c)$(CC) -std=c11 $(NODE_DEFINES) -O2 -Icore/sdk/c -o $@ solutions/$*/c/*.c -lm

.PHONY: bench
bench: $(BENCHES) $(BUILD)/dlab ## how fast this build is, beside its goals (BENCH_FULL=1: 1,000 seeds)
	@BUILD=$(BUILD) tests/bench/run.py

# The man page and the completions are printed by the program itself, so they are those of this version.
MAN_DIR = $(DESTDIR)$(PREFIX)/share/man/man1
BASH_DIR = $(DESTDIR)$(PREFIX)/share/bash-completion/completions
ZSH_DIR = $(DESTDIR)$(PREFIX)/share/zsh/site-functions
SHARE_DIR = $(DESTDIR)$(PREFIX)/share/dlab

# The nodes that the demos start, and what these are made of.
DEMO_NODES = $(sort $(shell sed -n 's/.*\.node = "\([^"]*\)".*/\1/p' tui/demo_*.c) $(addprefix solutions/,raft/python raft-kv/python))
install: $(BUILD)/dlab ## put dlab under PREFIX (/usr/local); DESTDIR goes before it
	install -d $(DESTDIR)$(PREFIX)/bin $(MAN_DIR) $(BASH_DIR) $(ZSH_DIR) $(SHARE_DIR)/core
	install -m 755 $(BUILD)/dlab $(DESTDIR)$(PREFIX)/bin/dlab
	rm -rf $(SHARE_DIR)/stages $(SHARE_DIR)/core/sdk
	cp -R stages $(SHARE_DIR)/stages
	cp -R core/sdk $(SHARE_DIR)/core/sdk
	rm -rf $(SHARE_DIR)/solutions $(SHARE_DIR)/tests
	cp -R --parents $(DEMO_NODES) $(SHARE_DIR)
	find $(SHARE_DIR) -name __pycache__ -prune -exec rm -rf {} +
	chmod -R u+w,a+rX $(SHARE_DIR)
	$(BUILD)/dlab man > $(MAN_DIR)/dlab.1
	$(BUILD)/dlab completion bash > $(BASH_DIR)/dlab
	$(BUILD)/dlab completion zsh > $(ZSH_DIR)/_dlab

uninstall: ## remove what install put there
	rm -rf $(SHARE_DIR)
	rm -f $(DESTDIR)$(PREFIX)/bin/dlab $(MAN_DIR)/dlab.1 $(BASH_DIR)/dlab $(ZSH_DIR)/_dlab

clean: ## remove what was built
	rm -rf $(BUILD) build-asan build-gcc build-clang build-fuzz

-include $(OBJ:.o=.d) $(STEP:%=$(BUILD)/step/%.d) $(AGENT_OBJ:.o=.d) $(wildcard $(BUILD)/tests/*.d $(BUILD)/tests/bench/*.d) $(BUILD)/core/main.d
.SECONDARY:
