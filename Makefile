# One Makefile, no recursion.  All output goes to build/$(MODE); sources stay clean.
#   make            build everything          make demo       the whole job on emulated hardware
#   make test       what CI runs (15 min)     make test-all   everything (long)
#   make MODE=asan unit   one suite in one mode: unit, db, e2e
#   make fuzz T=doc S=60  make bench  make format  make lint  make install
#   V=1 shows the commands.
MODE ?= debug
B    := build/$(MODE)
VERSION := $(shell cat VERSION)

CC   ?= cc
STD  := -std=gnu17
WARN := -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wvla -Wstrict-prototypes \
        -Wmissing-prototypes -Wformat=2 -Wundef -Wno-missing-field-initializers -Werror
# clang counts GNU extensions that gcc accepts under -Wpedantic; the house style uses these on purpose.
WARN += $(if $(findstring clang,$(shell $(CC) --version 2>/dev/null)),-Wno-gnu-zero-variadic-macro-arguments -Wno-gnu-statement-expression -Wno-gnu-auto-type -Wno-overlength-strings,-Wno-overlength-strings)
OPT.debug   := -Og -g3 -DFAULTS=1
OPT.release := -O2 -g -D_FORTIFY_SOURCE=2 -fstack-protector-strong
OPT.asan    := -Og -g3 -DFAULTS=1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
OPT.tsan    := -Og -g3 -DFAULTS=1 -fsanitize=thread
OPT.fuzz    := -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
OPT         := $(or $(OPT.$(MODE)),$(error MODE=$(MODE) is not known))

# Each program names the packages it may use; a server symbol in the worker is a link error.
PKG.shared := jansson libpcre2-8 libcurl openssl
PKG.server := libmicrohttpd libuv libpq libdeflate $(PKG.shared)
PKG.worker := libuv yaml-0.1 sqlite3 cairo $(PKG.shared)
PKG.cli    := $(PKG.shared) yaml-0.1
PKG.sim    :=
PKG.test   := check $(sort $(PKG.server) $(PKG.worker))
LIBS.server := -lwslay
LIBS.test   := -lwslay
pkg-libs    = -Wl,--as-needed $(if $(PKG.$(1)),$(shell $(pkg-config) --libs $(PKG.$(1)))) $(LIBS.$(1)) -lpthread -lm -lutil
# make demo and make test begin without it
pkg-config := $(shell command -v pkg-config)
CPPFLAGS := $(CPPFLAGS) -I. -I$(B)/gen -D_GNU_SOURCE -DVERSION='"$(VERSION)"' $(if $(pkg-config),$(shell $(pkg-config) --cflags $(sort $(PKG.server) $(PKG.worker) check)))
CFLAGS   += $(STD) $(WARN) $(OPT) -MMD -MP
LDFLAGS  += $(filter -fsanitize=%,$(OPT:-fsanitize=fuzzer-no-link%=-fsanitize=address%))

src = $(sort $(shell find $(1) -name '*.c' 2>/dev/null))
obj = $(patsubst %,$(B)/%.o,$(call src,$(1)))
SHARED := $(call obj,shared)
SERVER := $(filter-out %/main.c.o,$(call obj,server)) $(B)/gen/assets.c.o
WORKER := $(filter-out %/main.c.o,$(call obj,worker))
CLI    := $(filter-out %/main.c.o,$(call obj,cli))
SIM    := $(call obj,tools/benchsim)
unit_tests := $(patsubst %.c,$(B)/%,$(wildcard tests/unit/test_*.c))
db_tests   := $(patsubst %.c,$(B)/%,$(wildcard tests/db/test_*.c))
bench_programs := $(patsubst %.c,$(B)/%,$(wildcard tests/bench/*.c))
FUZZ       := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
PROGRAMS   := $(patsubst %,$(B)/%,$(if $(wildcard server/main.c),switchyard-server) $(if $(wildcard worker/main.c),switchyard-worker) \
              $(if $(wildcard cli/main.c),switchyard) $(if $(wildcard tools/benchsim/*.c),switchyard-benchsim))

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-5s %s\n' '$(1)' '$(2)')

all: $(PROGRAMS) $(B)/libshared.a

$(B)/switchyard-server: $(B)/server/main.c.o $(B)/libserver.a $(B)/libshared.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) $^ $(call pkg-libs,server) -o $@
$(B)/switchyard-worker: $(B)/worker/main.c.o $(B)/libworker.a $(B)/libshared.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) $^ $(call pkg-libs,worker) -o $@
$(B)/switchyard: $(B)/cli/main.c.o $(B)/libcli.a $(B)/libshared.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) $^ $(call pkg-libs,cli) -o $@
$(B)/switchyard-benchsim: $(SIM)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) $^ $(call pkg-libs,sim) -o $@

$(B)/libshared.a: $(SHARED)
$(B)/libserver.a: $(SERVER)
$(B)/libworker.a: $(WORKER)
$(B)/libcli.a: $(CLI)
$(B)/lib%.a:
	$(call say,AR,$@)
	$(Q)mkdir -p $(@D) && rm -f $@ && $(AR) rcs $@ $^

$(B)/%.c.o: %.c Makefile | generated
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(CPPFLAGS) $(CFLAGS) -c $< -o $@
$(B)/server/model/block_system.c.o: server/model/block_types.json # .incbin, which -MMD does not see
$(B)/gen/%.c.o: $(B)/gen/%.c
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -c $< -o $@

# What is made from other files: named queries, migrations and the dashboard.
generated: $(B)/gen/queries.inc $(B)/gen/migrations.inc
	$(if $(pkg-config),,$(error there is no pkg-config: deploy/bootstrap.sh installs what is missing))
$(B)/gen/queries.inc: $(wildcard server/db/sql/*.sql) tools/sql.awk
	$(Q)mkdir -p $(@D) && cat /dev/null $(wildcard server/db/sql/*.sql) | awk -f tools/sql.awk > $@
$(B)/gen/migrations.inc: migrations $(wildcard migrations/*.sql) tools/migrations.sh # the folder: one may be renamed
	$(Q)mkdir -p $(@D) && sh tools/migrations.sh migrations > $@
$(B)/gen/assets.c: $(shell find web -type f 2>/dev/null) tools/embed.sh
	$(Q)mkdir -p $(B)/gen/web && sh tools/embed.sh web $(B)/gen/web > $@

$(db_tests): $(B)/tests/db/fixture.c.o
$(B)/tests/%: $(B)/tests/%.c.o $(B)/libserver.a $(B)/libworker.a $(B)/libcli.a $(B)/libshared.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) $(filter %.o,$^) $(filter %.a,$^) $(call pkg-libs,test) -o $@
$(B)/tests/fuzz/replay_%: $(B)/tests/fuzz/fuzz_%.c.o $(B)/tests/fuzz/replay.c.o $(B)/libserver.a $(B)/libworker.a $(B)/libcli.a $(B)/libshared.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) $^ $(call pkg-libs,test) -o $@

$(B)/tests/unit/test_board_flash: | $(B)/switchyard-benchsim
unit: $(unit_tests) $(B)/switchyard-worker $(B)/switchyard-benchsim
	$(Q)for t in $(unit_tests); do $$t || exit 1; done
db: $(db_tests)
	$(Q)for t in $(db_tests); do tests/db/with-postgres.sh $$t || exit 1; done
fuzz-replay: $(FUZZ:%=$(B)/tests/fuzz/replay_%)
	$(Q)for f in $(FUZZ); do $(B)/tests/fuzz/replay_$$f tests/fuzz/corpus/$$f/* || exit 1; done
test: ; $(Q)tests/run.sh short
test-all: ; $(Q)tests/run.sh all
test-compat: all ; $(Q)python3 tests/compat/differential
compat-table: all ; $(Q)python3 tests/compat/differential --table
demo: ; $(Q)deploy/demo/demo.sh
demo-ci: ; $(Q)deploy/demo/demo.sh --exit
bench: ; $(Q)$(MAKE) --no-print-directory MODE=release all bench-programs && tests/bench/run.sh
bench-peers: ; $(Q)$(MAKE) --no-print-directory MODE=release all bench-programs && tests/bench/peers.sh
bench-programs: $(bench_programs)

fuzz: ; $(Q)$(MAKE) --no-print-directory MODE=fuzz CC=clang-14 fuzz-run
fuzz-run: $(B)/tests/fuzz/fuzz_$(T).c.o $(B)/libserver.a $(B)/libworker.a $(B)/libcli.a $(B)/libshared.a
	$(Q)$(CC) -fsanitize=fuzzer,address,undefined $^ $(call pkg-libs,test) -o $(B)/fuzz_$(T)
	$(Q)mkdir -p $(B)/corpus/$(T) && $(B)/fuzz_$(T) -max_total_time=$(or $(S),30) $(FUZZFLAGS) $(B)/corpus/$(T) tests/fuzz/corpus/$(T)

PREFIX ?= /usr/local
share := $(DESTDIR)$(PREFIX)/share
units := $(DESTDIR)$(PREFIX)/lib/systemd/system
install: ; $(Q)$(MAKE) --no-print-directory MODE=release install-files
install-files: all
	install -d $(DESTDIR)$(PREFIX)/bin $(share)/bash-completion/completions $(share)/zsh/site-functions \
	    $(share)/fish/vendor_completions.d $(share)/doc/switchyard $(units)
	install -m 755 $(PROGRAMS) $(DESTDIR)$(PREFIX)/bin
	$(B)/switchyard completion bash > $(share)/bash-completion/completions/switchyard
	$(B)/switchyard completion zsh > $(share)/zsh/site-functions/_switchyard
	$(B)/switchyard completion fish > $(share)/fish/vendor_completions.d/switchyard.fish
	install -m 644 README.md LICENSE $(filter-out docs/README.md,$(wildcard docs/*.md)) $(share)/doc/switchyard
	for u in deploy/systemd/*; do sed 's|/usr/local/|$(PREFIX)/|g' $$u > $(units)/$${u##*/} || exit 1; done

c_files = $(shell git ls-files "*.c" "*.h" | grep -v "_rows.h\|_vectors.h") # rows that scripts write keep their form
format: ; $(Q)clang-format-14 -i $(c_files)
lint:   ; $(Q)tools/lint.sh

# What lint found good stays good until the file, or what it includes, changes: a stamp each.
L := build/lint
linted := server worker shared cli tools
headers := $(filter-out %_rows.h,$(sort $(shell find $(linted) -name '*.h')))
lint-files: $(L)/format $(headers:%=$(L)/%.alone) $(patsubst %,$(L)/%.tidy,$(call src,$(linted)))
$(L)/format: .clang-format $(if $(filter lint-files,$(MAKECMDGOALS)),$(c_files))
	$(Q)mkdir -p $(@D) && clang-format-14 --dry-run -Werror $(filter %.c %.h,$(if $(filter .clang-format,$?),$^,$?))
	$(Q)touch $@
$(L)/%.h.alone: %.h | generated
	$(Q)mkdir -p $(@D) && printf '#include "%s"\n' $< | $(CC) $(CPPFLAGS) $(STD) -fsyntax-only -MMD -MP -MT $@ -MF $@.d -x c -
	$(Q)touch $@
$(L)/%.c.tidy: %.c .clang-tidy | generated
	$(call say,TIDY,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(CPPFLAGS) $(STD) -MM -MP -MT $@ -MF $@.d $<
	$(Q)clang-tidy-14 --quiet --warnings-as-errors='*' $< -- $(CPPFLAGS) $(STD) -DFAULTS=1 2>$@.log || { cat $@.log; exit 1; }
	$(Q)touch $@
clean:  ; rm -rf build
.PHONY: all generated unit db fuzz-replay test test-all test-compat compat-table demo demo-ci bench bench-peers bench-programs fuzz fuzz-run install install-files format lint lint-files clean
.SECONDARY: $(call obj,tests) # kept; of a library, a missing object must be made
-include $(shell find $(B) $(if $(filter lint-files %.tidy,$(MAKECMDGOALS)),$(L)) -name '*.d' 2>/dev/null)
