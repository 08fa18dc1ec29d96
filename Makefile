# pam_tmout: make, make install, and everything else by name (make help).

VERSION := 0.1.0

PREFIX     ?= /usr
SYSCONFDIR ?= /etc
SBINDIR    ?= $(PREFIX)/sbin
DATADIR    ?= $(PREFIX)/share
MANDIR     ?= $(DATADIR)/man
# Units of packages, wherever the program is.
UNITDIR    ?= /usr/lib/systemd/system
TMPFILESDIR ?= /usr/lib/tmpfiles.d
# Where the host's own PAM modules are.
PAMDIR     ?= $(or $(patsubst %/,%,$(dir $(firstword $(wildcard \
                 $(addsuffix /security/pam_permit.so,/lib/$(MULTIARCH) /usr/lib/$(MULTIARCH) \
                 /lib64 /usr/lib64 /lib /usr/lib))))),/usr/lib/security)
MULTIARCH  := $(shell $(CC) -print-multiarch 2>/dev/null)

# SANITIZE=1: address and undefined-behaviour sanitizers, in a tree of their own.
# A comma where one separates arguments.
,          := ,
BUILD      := build$(if $(SANITIZE),/sanitize)
CFLAGS     ?= -O2 -g
WARNINGS   := -Wall -Wextra -Wconversion -Wshadow
HARDENING  := $(if $(SANITIZE),-fsanitize=address$(,)undefined -fno-sanitize-recover=all \
                 -fno-omit-frame-pointer,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2) \
              -fstack-protector-strong -fvisibility=hidden -fPIC \
              -ffunction-sections -fdata-sections
CPPFLAGS   += -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -I. -DTMOUT_VERSION='"$(VERSION)"' \
              -DSYSCONFDIR='"$(SYSCONFDIR)"' -DDATADIR='"$(DATADIR)"'
COMPILE     = $(CC) -std=c11 $(WARNINGS) $(WERROR) $(HARDENING) $(CPPFLAGS) $(CFLAGS)
LINK        = $(CC) $(HARDENING) $(CFLAGS) $(LDFLAGS) -Wl,-z,relro,-z,now -Wl,--gc-sections
PKG_CONFIG ?= pkg-config

# What the module may link: no libconfuse, no jansson.
COMPILER_SOURCES := $(addprefix lib/policy/,compile.c load.c rules.c scan.c snapshot_write.c)
LOGIN_SOURCES    := $(filter-out $(COMPILER_SOURCES),$(wildcard lib/*/*.c))
MODULE_SOURCES   := $(wildcard pam_module/*.c)
CTL_SOURCES      := $(wildcard tools/tmoutctl/*.c tools/tmoutctl/*/*.c)
DAEMON_SOURCES   := $(wildcard tools/tmoutd/*.c)

UNITS           := $(patsubst conf/%.in,$(BUILD)/%,$(wildcard conf/*.service.in))
MAN_PAGES       := $(patsubst man/%,$(BUILD)/man/%,$(wildcard man/*.[1-9]) \
                     $(patsubst %.in,%,$(wildcard man/*.in)))

objects = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))

.PHONY: all install uninstall check check-run demo demo-run bench fuzz fuzz-run soak warnings \
        clean help dependencies
.DELETE_ON_ERROR:

all: $(BUILD)/pam_tmout.so $(BUILD)/tmoutctl $(BUILD)/tmoutd $(UNITS) $(MAN_PAGES)

help:
	@echo 'make                build the module and tmoutctl into build/'
	@echo 'make install        install them (DESTDIR, PREFIX, SYSCONFDIR, PAMDIR)'
	@echo 'make uninstall      remove them again; the policy and PAM lines stay'
	@echo 'make deb            packages for Debian, into build/'
	@echo 'make rpm            packages for Fedora and RHEL, into build/'
	@echo 'sudo make demo      see it work on a throw-away host'
	@echo 'sudo make check     all tests; as a plain user, those that need no root'
	@echo 'make check SANITIZE=1   unit and module tests with sanitizers'
	@echo 'make bench          what a login costs beside pam_limits and pam_faillock, and tmoutd'
	@echo 'make fuzz           fuzz the parsers for FUZZ_SECONDS each (60)'
	@echo 'sudo make soak      the same, and what takes long (about half an hour)'
	@echo 'make warnings       build with gcc and clang, warnings as errors'

# --- build ---------------------------------------------------------------

# Paths are compiled in: other ones than the last time make everything anew.
PATHS := $(PREFIX) $(SYSCONFDIR) $(SBINDIR) $(DATADIR) $(PAMDIR)
$(BUILD)/paths: FORCE
	@mkdir -p $(@D)
	@echo '$(PATHS)' | cmp -s - $@ || echo '$(PATHS)' > $@
.PHONY: FORCE

$(BUILD)/obj/%.o: %.c Makefile $(BUILD)/paths
	@mkdir -p $(@D)
	$(COMPILE) $(OBJECT_CPPFLAGS) -MMD -MP -c -o $@ $<

$(call objects,$(MODULE_SOURCES)) $(call objects,$(CTL_SOURCES)): \
    OBJECT_CPPFLAGS = -DSBINDIR='"$(SBINDIR)"' -DPAMDIR='"$(PAMDIR)"'

$(BUILD)/pam_tmout.so: $(call objects,$(MODULE_SOURCES) $(LOGIN_SOURCES)) pam_module/pam_tmout.map
	$(LINK) -shared $(if $(SANITIZE),,-Wl,--no-undefined) -Wl,--version-script=pam_module/pam_tmout.map \
	    -Wl,--as-needed -o $@ $(filter %.o,$^) -lpam

$(BUILD)/tmoutctl: $(call objects,$(CTL_SOURCES) $(LOGIN_SOURCES) $(COMPILER_SOURCES))
	$(LINK) -pie -o $@ $^ $$($(PKG_CONFIG) --libs libconfuse jansson)

$(BUILD)/tmoutd: $(call objects,$(DAEMON_SOURCES) $(LOGIN_SOURCES))
	$(LINK) -pie -o $@ $^ $$($(PKG_CONFIG) --libs libsystemd)

$(BUILD)/%.service: conf/%.service.in Makefile $(BUILD)/paths
	sed 's|@SBINDIR@|$(SBINDIR)|' $< > $@

# The settings table of the manual comes out of the settings table of the code.
$(BUILD)/man/settings_table: man/settings_table.c $(call objects,$(addprefix lib/policy/,settings.c duration.c number.c sshd_values.c))
	@mkdir -p $(@D)
	$(COMPILE) -o $@ $^

$(BUILD)/man/%: man/%.in $(BUILD)/man/settings_table
	$(BUILD)/man/settings_table > $@.table
	sed -e '/^@SETTINGS@$$/{r $@.table' -e 'd;}' $< > $@

$(BUILD)/man/%: man/%
	@mkdir -p $(@D)
	cp $< $@

-include $(shell find $(wildcard $(BUILD)/obj $(BUILD)/tests) -name '*.d' -type f 2>/dev/null)

# --- install -------------------------------------------------------------

install: all
	install -d $(DESTDIR)$(PAMDIR) $(DESTDIR)$(SBINDIR) $(DESTDIR)$(SYSCONFDIR)/security/tmout.conf.d \
	    $(DESTDIR)$(SYSCONFDIR)/profile.d $(DESTDIR)$(DATADIR)/tmout/shells \
	    $(DESTDIR)$(DATADIR)/tmout/pam.d $(DESTDIR)$(DATADIR)/tmout/presets $(DESTDIR)$(UNITDIR) \
	    $(DESTDIR)$(TMPFILESDIR)
	install -m 644 $(BUILD)/pam_tmout.so $(DESTDIR)$(PAMDIR)/
	install -m 755 $(BUILD)/tmoutctl $(BUILD)/tmoutd $(DESTDIR)$(SBINDIR)/
	install -m 644 $(UNITS) conf/*.path $(DESTDIR)$(UNITDIR)/
	install -m 644 conf/tmpfiles/* $(DESTDIR)$(TMPFILESDIR)/
	install -m 644 conf/tmout.conf $(DESTDIR)$(DATADIR)/tmout/
	test -e $(DESTDIR)$(SYSCONFDIR)/security/tmout.conf || \
	    install -m 644 conf/tmout.conf $(DESTDIR)$(SYSCONFDIR)/security/
	@for script in tmout.sh tmout.csh; do \
	    site=$(DESTDIR)$(SYSCONFDIR)/profile.d/$$script; \
	    if [ -e $$site ] && ! grep -q PAM_TMOUT $$site; then \
	        mv -v $$site $$site.before-pam_tmout || exit 1; fi; done
	install -m 644 profile.d/tmout.sh profile.d/tmout.csh $(DESTDIR)$(SYSCONFDIR)/profile.d/
	install -m 644 profile.d/shells/* $(DESTDIR)$(DATADIR)/tmout/shells/
	install -m 644 conf/pam.d/* $(DESTDIR)$(DATADIR)/tmout/pam.d/
	install -m 644 conf/presets/*.conf $(DESTDIR)$(DATADIR)/tmout/presets/
	for page in $(MAN_PAGES); do \
	    install -d $(DESTDIR)$(MANDIR)/man$${page##*.} && \
	    install -m 644 $$page $(DESTDIR)$(MANDIR)/man$${page##*.}/ || exit 1; done

# Leaves the policy, its snapshot and PAM's files: first take our lines out of
# /etc/pam.d, then `tmoutctl shells --remove`, then this.
uninstall:
	rm -f $(DESTDIR)$(PAMDIR)/pam_tmout.so $(DESTDIR)$(SBINDIR)/tmoutctl \
	    $(DESTDIR)$(SBINDIR)/tmoutd $(addprefix $(DESTDIR)$(UNITDIR)/,$(notdir $(UNITS) $(wildcard conf/*.path))) \
	    $(addprefix $(DESTDIR)$(TMPFILESDIR)/,$(notdir $(wildcard conf/tmpfiles/*))) \
	    $(DESTDIR)$(SYSCONFDIR)/profile.d/tmout.sh $(DESTDIR)$(SYSCONFDIR)/profile.d/tmout.csh
	rm -rf $(DESTDIR)$(DATADIR)/tmout
	for page in $(notdir $(MAN_PAGES)); do \
	    rm -f $(DESTDIR)$(MANDIR)/man$${page##*.}/$$page; done

# --- packages ------------------------------------------------------------

PACKAGED = $(shell find . \( -path ./build -o -path ./.git -o -name __pycache__ \) -prune -o -type f -print)

.PHONY: deb rpm
deb: build/deb/built
	@ls build/*.deb

build/deb/built: $(PACKAGED)
	packaging/build-deb $(VERSION) build/deb
	@rm -f build/*.deb build/*.dsc build/*.tar.xz build/*.changes build/*.buildinfo
	@cp build/deb/*.deb build/deb/*.dsc build/deb/*.tar.xz build/deb/*.changes build/deb/*.buildinfo build/
	@touch $@

rpm: build/rpm/built
	@ls build/*.rpm

build/rpm/built: $(PACKAGED)
	packaging/build-rpm $(VERSION) build/rpm
	@rm -f build/*.rpm
	@cp build/rpm/RPMS/*/*.rpm build/rpm/SRPMS/*.rpm build/
	@touch $@

# --- tests ---------------------------------------------------------------

TEST_BUILD   := $(BUILD)/tests
UNIT_SOURCES := $(shell find tests/unit -name 'test_*.c')
UNIT_TESTS   := $(patsubst tests/unit/%.c,$(TEST_BUILD)/unit/%,$(UNIT_SOURCES))
MODULE_TESTS := $(patsubst tests/module/%.c,$(TEST_BUILD)/module/%,$(wildcard tests/module/test_*.c))
TEST_FLAGS    = $(COMPILE) -DTEST_BUILD='"$(CURDIR)/$(TEST_BUILD)"' -DTESTS='"$(CURDIR)/tests"'

# Everything but each program's main(): a unit test takes what it calls.
$(BUILD)/libtmout.a: $(call objects,$(LOGIN_SOURCES) $(COMPILER_SOURCES))
$(BUILD)/libtmoutctl.a: $(call objects,$(filter-out %/main.c,$(CTL_SOURCES)))
$(BUILD)/libtmoutd.a: $(call objects,$(filter-out %/main.c,$(DAEMON_SOURCES)))
$(BUILD)/%.a:
	@rm -f $@
	$(AR) rcs $@ $^

UNIT_ARCHIVES := $(addprefix $(BUILD)/,libtmoutctl.a libtmoutd.a libtmout.a)
$(TEST_BUILD)/unit/%: tests/unit/%.c $(UNIT_ARCHIVES)
	@mkdir -p $(@D)
	$(TEST_FLAGS) -MMD -MP -o $@ $(filter %.c %.a,$^) \
	    $$($(PKG_CONFIG) --cflags --libs cmocka libconfuse jansson libsystemd)

$(TEST_BUILD)/module/%: tests/module/%.c tests/module/stack.c
	@mkdir -p $(@D)
	$(TEST_FLAGS) -MMD -MP -o $@ $(filter %.c,$^) $$($(PKG_CONFIG) --cflags --libs cmocka) -lpam

# In the place of pam_unix, and what the tests of attempts have in common.
ATTEMPT_TESTS := $(TEST_BUILD)/module/test_auth $(TEST_BUILD)/module/test_attempts_parallel
$(ATTEMPT_TESTS): tests/module/attempts.c tests/module/pam_check.h | $(TEST_BUILD)/pam_check.so
$(TEST_BUILD)/pam_check.so: tests/module/pam_check.c tests/module/pam_check.h
	@mkdir -p $(@D)
	$(COMPILE) -shared $(LDFLAGS) -o $@ $< -lpam

# The module as it is installed, but running the tmoutctl of this tree.
$(TEST_BUILD)/pam_tmout.so: $(MODULE_SOURCES) $(call objects,$(LOGIN_SOURCES)) $(BUILD)/tmoutctl
	@mkdir -p $(@D)
	$(COMPILE) -DSBINDIR='"$(CURDIR)/$(BUILD)"' -shared $(LDFLAGS) -Wl,-z,relro,-z,now -Wl,--gc-sections \
	    -Wl,--version-script=pam_module/pam_tmout.map -o $@ $(filter %.c %.o,$^) -lpam

dependencies:
	@packaging/install-dependencies

check: dependencies
	@$(MAKE) --no-print-directory check-run

check-run: all $(UNIT_TESTS) $(MODULE_TESTS) $(TEST_BUILD)/pam_tmout.so fuzz-build
	@tests/run --build $(BUILD) $(if $(SANITIZE),--sanitize) $(TEST_OPTIONS)

# What the build of a package runs: no root, no network, nothing but cmocka.
.PHONY: check-units
check-units: $(UNIT_TESTS)
	@for test in $^; do CMOCKA_MESSAGE_OUTPUT=TAP $$test || exit 1; done

soak: dependencies
	@$(MAKE) --no-print-directory check-run TEST_OPTIONS=--soak

demo: dependencies
	@$(MAKE) --no-print-directory --silent all build/bench/crowd build/bench/pam_check.so
	@tests/host/throwaway demo/demo.py

# --- measure, fuzz, lint -------------------------------------------------

bench: dependencies
	@$(MAKE) --no-print-directory --silent all $(BENCH_PROGRAMS)
	@tests/bench/run

BENCH_PROGRAMS := $(addprefix build/bench/,session attempt crowd idlers pam_check.so)
build/bench/session build/bench/attempt: tests/bench/turns.c
build/bench/session build/bench/attempt build/bench/crowd: tests/bench/remote_login.c
build/bench/idlers: $(call objects,$(LOGIN_SOURCES))

build/bench/%: tests/bench/%.c $(wildcard tests/bench/*.h)
	@mkdir -p $(@D)
	$(COMPILE) -o $@ $(filter %.c %.o,$^) -lpam

build/bench/%.so: tests/module/%.c $(wildcard tests/module/*.h)
	@mkdir -p $(@D)
	$(COMPILE) -shared -o $@ $< -lpam

FUZZ_SECONDS ?= 60
FUZZ_TARGETS := $(patsubst tests/fuzz/%.c,build/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
.PHONY: fuzz-build
# Without clang there is nothing to build, and tests/fuzz/run says so.
fuzz-build: $(if $(shell command -v clang),$(FUZZ_TARGETS))

build/fuzz/%: tests/fuzz/%.c $(LOGIN_SOURCES) $(COMPILER_SOURCES) $(wildcard lib/*/*.h tests/fuzz/*.h)
	@mkdir -p $(@D)
	clang -std=c11 -g -O1 $(CPPFLAGS) -fsanitize=fuzzer,address,undefined \
	    -fno-sanitize-recover=undefined -o $@ $(filter %.c,$^) \
	    $$($(PKG_CONFIG) --libs libconfuse)

fuzz: dependencies
	@$(MAKE) --no-print-directory --silent fuzz-build
	@tests/fuzz/run $(FUZZ_SECONDS)

warnings:
	$(MAKE) --no-print-directory clean && $(MAKE) -s all CC=gcc WERROR=-Werror
	$(MAKE) --no-print-directory clean && $(MAKE) -s all CC=clang WERROR=-Werror
	$(MAKE) --no-print-directory clean

clean:
	rm -rf build
