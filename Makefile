# dlab. `make help` lists the targets. Everything that is built stands under build/.
# V=1 shows the commands; SANITIZE=address,undefined builds with sanitizers (use another BUILD= folder for it).

BUILD ?= build
CC ?= cc
PREFIX ?= /usr/local
PKGS = sqlite3 jansson
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
CFLAGS_ALL = -std=c11 -D_GNU_SOURCE $(OPT) $(WARN) $(HARDEN) $(if $(WERROR),-Werror) -MMD -MP -Icore -I$(BUILD) \
	-DDLAB_TESTS='"$(abspath tests)"' -DDLAB_VERSION='"$(VERSION)"' -DDLAB_PREFIX='"$(PREFIX)"' $(shell pkg-config --cflags $(PKGS)) $(CFLAGS)
LDFLAGS_ALL = -pie -Wl,-z,relro,-z,now $(if $(SANITIZE),-fsanitize=$(SANITIZE)) $(LDFLAGS)
LIBS = $(shell pkg-config --libs $(PKGS)) -lpthread -lm

CORE = $(filter-out core/main.c,$(wildcard core/*.c))
LABS = $(wildcard labs/*.c)
TUI = $(wildcard tui/*.c)
OBJ = $(patsubst %.c,$(BUILD)/%.o,$(CORE) $(LABS) $(TUI)) $(BUILD)/labs.o
TESTS = $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/test_*.c))

.DEFAULT_GOAL := all
.PHONY: all help clean layers unit
all: $(BUILD)/dlab ## build build/dlab (the default)

help: ## this list
	@awk -F':.*## ' '/^[a-z][a-z-]*:.*## /{printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BUILD)/dlab: $(BUILD)/core/main.o $(BUILD)/libdlab.a
	$(call say,LINK,$@)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

$(BUILD)/libdlab.a: $(OBJ)
	$(call say,AR,$@)rm -f $@ && $(AR) rcs $@ $^

# The labs register by their file names: labs/unique-ids.c defines lab_unique_ids.
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

$(BUILD)/tests/test_%: $(BUILD)/tests/test_%.o $(BUILD)/libdlab.a
	$(call say,LINK,$@)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS) $(shell pkg-config --libs $(TEST_PKGS))

unit: $(TESTS) $(BUILD)/dlab ## the unit tests alone
	@fail=0; for t in $(TESTS); do d=$$(mktemp -d); (cd $$d && $(abspath .)/$$t > log 2>&1) \
	  && echo "  ok     $$t" || { fail=1; echo "  FAILED $$t"; cat $$d/log; }; rm -rf $$d; done; exit $$fail

clean: ## remove build/
	rm -rf $(BUILD)

-include $(OBJ:.o=.d) $(wildcard $(BUILD)/tests/*.d) $(BUILD)/core/main.d
.SECONDARY:
