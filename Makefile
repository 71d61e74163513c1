# SPDX-License-Identifier: Apache-2.0
# Swerve: one non-recursive Makefile, everything it makes is under $(BUILD).
# `make help` lists the targets.

CC	?= gcc
CLANG	?= clang
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool) bpftool)
PREFIX	?= /usr/local
DESTDIR ?=
SAN	?=
V	?=

comma := ,
ifneq ($(SAN),)
BUILD	  ?= build-san
SAN_FLAGS := -fsanitize=address$(comma)undefined -fno-omit-frame-pointer -fno-sanitize-recover=undefined
endif
BUILD	?= build

Q   := $(if $(V),,@)
say  = $(if $(V),,@printf '  %-7s %s\n' '$(1)' '$(patsubst $(BUILD)/%,%,$(2))')

CFLAGS	?= -O2 -g
WARN	:= -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef \
	   $(if $(CI),-Werror)
ALL_CFLAGS   := -std=gnu17 $(WARN) $(SAN_FLAGS) $(CFLAGS)
ALL_CPPFLAGS := -D_GNU_SOURCE -Iuserspace -Iinclude -I$(BUILD) $(CPPFLAGS)
ALL_LDFLAGS  := $(SAN_FLAGS) $(LDFLAGS)
LDLIBS	     := -lbpf -lelf -lz -lcurl -ljansson -lyaml -lmicrohttpd -lpthread

# -mcpu=v2: the oldest supported kernel, 5.10, takes v3, but its verifier proves less about 32-bit
# jumps. -idirafter: <asm/types.h> for -target bpf.
BPF_CFLAGS := -target bpf -mcpu=v2 -O2 -g -Wall -Wextra -Wno-unused-function -Iinclude -Ibpf \
	      -idirafter /usr/include/$(shell $(CC) -dumpmachine) $(if $(CI),-Werror)

# main.c of the two programs is all that is not in the library.
MAINS	:= userspace/agent/main.c userspace/ctl/main.c
SRCS	:= $(filter-out $(MAINS),$(wildcard userspace/*/*.c))
OBJS	:= $(SRCS:%.c=$(BUILD)/%.o)
LIB	:= $(BUILD)/libswerve.a
BPF_SRC := $(wildcard bpf/*.bpf.c)
SKELS	:= $(BPF_SRC:bpf/%.bpf.c=$(BUILD)/%.skel.h)
PROGS	:= $(BUILD)/swerved $(BUILD)/swervectl

UNIT_SRC  := $(wildcard tests/unit/test_*.c)
UNIT	  := $(UNIT_SRC:tests/unit/%.c=$(BUILD)/tests/%)
BPF_TESTS := $(patsubst tests/bpf/%.c,$(BUILD)/tests/%,$(wildcard tests/bpf/test_*.c))
TEST_BPF_SRC := $(wildcard tests/bpf/*.bpf.c)
TEST_SKELS := $(TEST_BPF_SRC:tests/bpf/%.bpf.c=$(BUILD)/%.skel.h)
HARNESS	  := $(patsubst tests/harness/%.c,$(BUILD)/tests/%,$(wildcard tests/harness/*.c)) \
	     $(patsubst tests/harness/%/main.c,$(BUILD)/tests/%,$(wildcard tests/harness/*/main.c)) \
	     $(if $(shell command -v musl-gcc 2>/dev/null),$(BUILD)/tests/resolve-musl)
FUZZERS	  := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))

.PHONY: all
all: $(PROGS) ## Build swerved and swervectl

.DELETE_ON_ERROR:
.SECONDARY:

$(BUILD)/%.bpf.o: bpf/%.bpf.c
	$(call say,BPF,$@)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/%.bpf.o: tests/bpf/%.bpf.c
	$(call say,BPF,$@)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/%.skel.h: $(BUILD)/%.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name $*_bpf > $@

$(BUILD)/%.o: %.c $(BUILD)/flags | $(SKELS) $(TEST_SKELS)
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(OBJ_CFLAGS) -MMD -MP -c $< -o $@

# Other flags, or a source file that is gone, rebuild what depends on them.
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(ALL_LDFLAGS) $(SRCS)' | cmp -s - $@ || \
	 echo '$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(ALL_LDFLAGS) $(SRCS)' > $@
.PHONY: FORCE

$(LIB): $(OBJS)
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

$(BUILD)/swerved: $(BUILD)/userspace/agent/main.o $(LIB)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) $^ -o $@ $(LDLIBS)

$(BUILD)/swervectl: $(BUILD)/userspace/ctl/main.o $(LIB)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) $^ -o $@ $(LDLIBS)

# Tests: one binary per file; a test function that is not registered does not compile.
$(BUILD)/tests/unit/%.o $(BUILD)/tests/bpf/%.o: OBJ_CFLAGS := -Werror=unused-function -Itests -Ibpf
WRAP := malloc calloc realloc reallocarray strdup strndup
comma := ,
$(BUILD)/tests/test_%: $(BUILD)/tests/unit/test_%.o $(LIB)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) $(if $(findstring alloc,$*),$(WRAP:%=-Wl$(comma)--wrap=%)) $^ -o $@ $(LDLIBS) -lcmocka

BPF_TEST_OBJS := $(addprefix $(BUILD)/tests/bpf/,sandbox.o world.o links.o rescue_scene.o)
$(BUILD)/tests/test_bpf_%: $(BUILD)/tests/bpf/test_bpf_%.o $(BPF_TEST_OBJS) $(LIB)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) $^ -o $@ $(LDLIBS) -lcmocka -luring

$(BUILD)/tests/%: tests/harness/%.c
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -D_GNU_SOURCE -std=gnu17 $(WARN) -O2 -g -MMD -MP $< -o $@ -lpthread

# A program of several files has a directory of its own.
.SECONDEXPANSION:
$(BUILD)/tests/%: tests/harness/%/main.c $$(wildcard tests/harness/%/*.[ch])
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -D_GNU_SOURCE -std=gnu17 $(WARN) -O2 -g $(filter %.c,$(sort $^)) -o $@ -lpthread -luring

$(BUILD)/tests/resolve-musl: tests/harness/resolve.c
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)musl-gcc -D_GNU_SOURCE -std=gnu17 -O2 -static $< -o $@

# What is pure: bytes in, values out.
FUZZED := userspace/base/% userspace/model/% userspace/source/decode% \
	  $(patsubst %,userspace/source/kube_%.c,body frame list watch objects) \
	  userspace/rescue/http_% userspace/rescue/bytes.c
$(BUILD)/fuzz/%: tests/fuzz/%.c $(SRCS) | $(SKELS)
	$(call say,FUZZ,$@)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(ALL_CPPFLAGS) -std=gnu17 -g -O1 -fsanitize=fuzzer,address,undefined \
		$< $(filter $(FUZZED),$(SRCS)) -o $@ -ljansson

$(BUILD)/tests/bench/%.o: OBJ_CFLAGS := -Itests
BENCH_OBJS := $(addprefix $(BUILD)/tests/bench/,fake_api.o hooks.o paired.o)
$(BUILD)/bench/%: $(BUILD)/tests/bench/%.o $(BENCH_OBJS) $(LIB)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) $^ -o $@ $(LDLIBS)

.PHONY: bench
bench: $(addprefix $(BUILD)/bench/,programming connect crr) ## Build the benchmarks, see scripts/bench-*

.PHONY: tests
tests: all bench $(UNIT) $(BPF_TESTS) $(HARNESS) ## Build everything that the tests need

.PHONY: check
check: $(UNIT) ## Run the unit tests (no root needed)
	$(Q)scripts/run-tests $(if $(V),-v) $(UNIT)

.PHONY: check-kernels
check-kernels: tests ## Run the BPF suite on Linux 5.10, 6.1 and 6.12 under QEMU
	$(Q)BUILD=$(BUILD) tests/kernels/run

FUZZ_SECONDS ?= 10
.PHONY: fuzzers
fuzzers: $(FUZZERS) ## Build the fuzz targets

.PHONY: fuzz
fuzz: $(FUZZERS) ## Fuzz the decoder for FUZZ_SECONDS (10)
	$(Q)BUILD=$(BUILD) FUZZ_SECONDS=$(FUZZ_SECONDS) tests/fuzz/run $(FUZZERS)

C_FILES = $(shell git -c safe.directory='*' ls-files --cached --others --exclude-standard '*.c' '*.h')

.PHONY: lint
lint: $(SKELS) $(TEST_SKELS) ## Check format, include layers, shell scripts, and run clang-tidy
	$(Q)clang-format --dry-run -Werror $(C_FILES)
	$(Q)scripts/check-includes
	$(Q)scripts/check-style
	$(Q)scripts/shell-files | xargs shellcheck -x
	$(Q)BUILD=$(BUILD) scripts/run-tidy $(ALL_CPPFLAGS) -std=gnu17

.PHONY: format
format: ## Format all C files in place
	$(Q)clang-format -i $(C_FILES)

.PHONY: install
install: all ## Install into $(DESTDIR)$(PREFIX)
	install -D -m 755 $(BUILD)/swerved $(DESTDIR)$(PREFIX)/sbin/swerved
	install -D -m 755 $(BUILD)/swervectl $(DESTDIR)$(PREFIX)/bin/swervectl

.PHONY: uninstall
uninstall: ## Remove what `make install` installed
	rm -f $(DESTDIR)$(PREFIX)/sbin/swerved $(DESTDIR)$(PREFIX)/bin/swervectl

.PHONY: clean
clean: ## Remove everything that was built
	rm -rf build build-san

.PHONY: help
help: ## Show this text
	@echo 'usage: make [V=1] [SAN=1] [target]'
	@sed -nE 's/^([a-z-]+):.*## (.*)/  \1 \2/p' $(MAKEFILE_LIST) | awk '{t=$$1; $$1=""; printf "  %-14s%s\n", t, $$0}'

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
