# pam_tmout: make, make install, and everything else by name (make help).

VERSION := 0.1.0

PREFIX     ?= /usr
SYSCONFDIR ?= /etc
BINDIR     ?= $(PREFIX)/bin
SBINDIR    ?= $(PREFIX)/sbin
DATADIR    ?= $(PREFIX)/share
MANDIR     ?= $(DATADIR)/man
DOCDIR     ?= $(DATADIR)/doc/pam_tmout
# Units belong here, whatever PREFIX is.
UNITDIR    ?= /usr/lib/systemd/system
CATALOGDIR ?= /usr/lib/systemd/catalog
TMPFILESDIR ?= /usr/lib/tmpfiles.d
# Where zsh looks for completions: Debian's has a directory of its own.
ZSHDIR     ?= $(DATADIR)/zsh/$(if $(wildcard /etc/debian_version),vendor-completions,site-functions)
# The directory with the PAM modules of the host.
PAMDIR     ?= $(or $(patsubst %/,%,$(dir $(firstword $(wildcard \
                 $(addsuffix /security/pam_permit.so,/lib/$(MULTIARCH) /usr/lib/$(MULTIARCH) \
                 /lib64 /usr/lib64 /lib /usr/lib))))),/usr/lib/security)
MULTIARCH  := $(shell $(CC) -print-multiarch 2>/dev/null)

# A comma inside a function's argument.
,          := ,
# The options among $(1) that the compiler has for its target.
cc_options  = $(foreach option,$(1),$(shell $(CC) -Werror $(option) -x c -c -o /dev/null /dev/null \
                 2>/dev/null && echo $(option)))

# SANITIZE=1: address and undefined-behaviour sanitizers, in a directory of their own.
BUILD      := build$(if $(SANITIZE),/sanitize)
CFLAGS     ?= -O2 -g
WARNINGS   := -Wall -Wextra -Wconversion -Wshadow
HARDENING  := $(if $(SANITIZE),-fsanitize=address$(,)undefined -fno-sanitize-recover=all \
                 -fno-omit-frame-pointer,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2) \
              -fstack-protector-strong $(call cc_options,-fstack-clash-protection -fcf-protection) \
              -fvisibility=hidden -fPIC -ffunction-sections -fdata-sections
# The last two: 64-bit file offsets and times on 32-bit hosts, too.
CPPFLAGS   += -D_GNU_SOURCE -I. -DTMOUT_VERSION='"$(VERSION)"' -DSYSCONFDIR='"$(SYSCONFDIR)"' \
              -DDATADIR='"$(DATADIR)"' -D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64
PROGRAM_PATHS = -DBINDIR='"$(BINDIR)"' -DSBINDIR='"$(SBINDIR)"' -DPAMDIR='"$(PAMDIR)"'
COMPILE     = $(CC) -std=c11 $(WARNINGS) $(WERROR) $(HARDENING) $(CPPFLAGS) $(CFLAGS)
LINK        = $(CC) $(HARDENING) $(CFLAGS) $(LDFLAGS) -Wl,-z,relro,-z,now -Wl,--gc-sections
PKG_CONFIG ?= pkg-config

# Records for auditd; libpam links libaudit as well. AUDIT=no builds without them.
ifndef AUDIT
AUDIT      := $(shell echo 'int main(void) { return audit_open(); }' | $(CC) $(CPPFLAGS) $(LDFLAGS) \
                -include libaudit.h -x c -o /dev/null - -laudit 2>/dev/null && echo yes || echo no)
endif
ifeq ($(AUDIT),yes)
CPPFLAGS   += -DHAVE_LIBAUDIT
AUDIT_LIBS := -Wl,--as-needed -laudit
else
all: audit-note
endif

# tmout-fleetd needs libvalkey, or hiredis. FLEET=no builds without it; FLEET_CLIENT chooses. Their TLS
# is in a library of its own, which hiredis has since 1.0. FLEET_TLS=no builds without it.
links = $(shell echo 'int main(void) { return !($(1)); }' | $(CC) $(CPPFLAGS) $(LDFLAGS) -w \
          $(patsubst %,-include %.h,$(2)) -x c -o /dev/null - $(3) 2>/dev/null && echo yes || echo no)
ifndef FLEET_CLIENT
FLEET_CLIENT := $(if $(filter yes,$(call links,valkeyAsyncFree,valkey/async,-lvalkey)),valkey,hiredis)
endif
ifeq ($(FLEET_CLIENT),valkey)
CPPFLAGS   += -DHAVE_LIBVALKEY
CLIENT_LIBS     := -lvalkey
CLIENT_TLS_LIBS := -lvalkey_tls
FLEET      ?= $(call links,valkeyAsyncFree,valkey/async,$(CLIENT_LIBS))
FLEET_TLS  ?= $(call links,valkeyInitiateTLS && SSL_new,valkey/async valkey/tls openssl/ssl,$(CLIENT_TLS_LIBS) $(CLIENT_LIBS) -lssl -lcrypto)
else
CLIENT_LIBS     := -lhiredis
CLIENT_TLS_LIBS := -lhiredis_ssl
FLEET      ?= $(call links,redisAsyncFree,hiredis/async,$(CLIENT_LIBS))
FLEET_TLS  ?= $(call links,redisInitiateSSL && SSL_new,hiredis/hiredis hiredis/hiredis_ssl openssl/ssl,$(CLIENT_TLS_LIBS) $(CLIENT_LIBS) -lssl -lcrypto)
endif
# A variable of ?= is computed at each use.
FLEET      := $(FLEET)
FLEET_TLS  := $(if $(filter yes,$(FLEET)),$(FLEET_TLS),no)
ifeq ($(FLEET_TLS),yes)
CPPFLAGS   += -DHAVE_FLEET_TLS
CLIENT_LIBS := $(CLIENT_TLS_LIBS) $(CLIENT_LIBS) -lssl -lcrypto
else
all: fleet-note
endif

# The module must not need libconfuse or jansson, so these are not linked into it.
COMPILER_SOURCES := $(addprefix lib/policy/,compile.c lexer.c load.c rules.c scan.c section.c \
                      snapshot_write.c) $(addprefix lib/fleet/,conf.c files.c query.c)
LOGIN_SOURCES    := $(filter-out $(COMPILER_SOURCES),$(wildcard lib/*/*.c))
# Not in the daemon.
AUDIT_SOURCES    := lib/host/audit_record.c
MODULE_SOURCES   := $(wildcard pam_module/*.c)
CTL_SOURCES      := $(wildcard tools/tmoutctl/*.c tools/tmoutctl/*/*.c)
DAEMON_SOURCES   := $(wildcard tools/tmoutd/*.c)
FLEETD_SOURCES   := $(wildcard tools/fleetd/*.c)

# For the units of others, which check passwords.
UNIT_DROP_INS   := $(patsubst conf/units.d/%,%,$(wildcard conf/units.d/*/*))
UNITS           := $(patsubst conf/%.in,$(BUILD)/%,$(wildcard conf/*.service.in))
COMPLETIONS     := $(addprefix $(BUILD)/completions/,bash zsh fish)
MAN_PAGES       := $(patsubst man/%,$(BUILD)/man/%,$(wildcard man/*.[1-9]) \
                     $(patsubst %.in,%,$(wildcard man/*.in)))

LANGUAGES       := $(patsubst po/%.po,%,$(wildcard po/*.po))
CATALOGS        := $(patsubst %,$(BUILD)/locale/%/LC_MESSAGES/pam_tmout.mo,$(LANGUAGES))

quote   = '$(subst ','\'',$(1))'
objects = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))

.PHONY: all install uninstall check check-run demo bench fuzz soak clean help
.DELETE_ON_ERROR:

all: $(BUILD)/pam_tmout.so $(BUILD)/tmoutctl $(BUILD)/tmoutd $(if $(filter yes,$(FLEET)),$(BUILD)/tmout-fleetd) $(UNITS) $(MAN_PAGES) $(CATALOGS) $(COMPLETIONS)

.PHONY: audit-note
audit-note:
	@echo 'pam_tmout: configured without libaudit, so nothing is recorded for auditd' \
	    '(libaudit-dev or audit-libs-devel)'

.PHONY: fleet-note
fleet-note:
ifeq ($(FLEET),yes)
	@echo 'pam_tmout: configured without hiredis_ssl or libvalkey_tls, so tmout-fleetd has no TLS: the store' \
	    'must be a Unix socket or on loopback'
else
	@echo 'pam_tmout: configured without libvalkey or hiredis, so tmout-fleetd is not built' \
	    '(libhiredis-dev or hiredis-devel)'
endif

help:
	@echo 'Build and install'
	@echo '  make                    build the module, tmoutctl and tmoutd into build/'
	@echo '  make install            install them (DESTDIR, PREFIX, SYSCONFDIR, PAMDIR)'
	@echo '  make install-fleet      install tmout-fleetd: docs/FLEET.md'
	@echo '  make uninstall          uninstall them; the policy and PAM lines are kept'
	@echo '  make deb, make rpm      build packages for Debian, or Fedora and RHEL, into build/'
	@echo '  make dist               build the source tarball'
	@echo '  make release            check, build the tarball, tag the commit: docs/RELEASE.md'
	@echo '  make selinux            compile the SELinux policy module, build/selinux/tmout.pp'
	@echo '  make clean              remove build/'
	@echo 'Test'
	@echo '  sudo make demo          see it work on a throw-away host'
	@echo '  sudo make demo-fleet    see three throw-away hosts share one count of failed logins'
	@echo '  make check-units        unit tests only: under a minute, no root'
	@echo '  sudo make check         all tests and most linters; without root, what needs none'
	@echo '  make check SANITIZE=1   unit and module tests with sanitizers'
	@echo '  make coverage           lines covered by the fast tests, per file'
	@echo '  make coverage-of FILE=lib/...   the lines of a file that are not covered'
	@echo '  sudo make mutants N=24 SEED=...   random changes that no test notices'
	@echo '  sudo make soak          make check and what takes long: hours'
	@echo '  make fuzz               fuzz the parsers for FUZZ_SECONDS each (60)'
	@echo '  make bench              benchmark logins and tmoutd'
	@echo 'Develop'
	@echo '  make lint FILES="..."   all linters; without FILES, for the whole tree'
	@echo '  make compile-commands   build/compile_commands.json, for editors'

# --- build ---------------------------------------------------------------

# Paths are compiled in: if they change, everything is rebuilt.
PATHS := $(PREFIX) $(SYSCONFDIR) $(BINDIR) $(SBINDIR) $(DATADIR) $(PAMDIR) audit=$(AUDIT)
$(BUILD)/paths: FORCE
	@mkdir -p $(@D)
	@echo '$(PATHS)' | cmp -s - $@ || echo '$(PATHS)' > $@
.PHONY: FORCE

# Once it has what it needs, a machine is not asked again.
$(addprefix $(BUILD)/requirements-,build deb rpm):
	@mkdir -p $(@D)
	@CC=$(call quote,$(CC)) CPPFLAGS=$(call quote,$(CPPFLAGS)) PKG_CONFIG=$(call quote,$(PKG_CONFIG)) \
	    packaging/require $(patsubst requirements-%,%,$(@F))
	@touch $@

$(BUILD)/obj/%.o: %.c Makefile $(BUILD)/paths | $(BUILD)/requirements-build
	@mkdir -p $(@D)
	$(COMPILE) $(OBJECT_CPPFLAGS) -MMD -MP -c -o $@ $<

$(call objects,$(MODULE_SOURCES)) $(call objects,$(CTL_SOURCES)): \
    OBJECT_CPPFLAGS = $(PROGRAM_PATHS)

# It has nothing to construct or destroy. What the compiler links for that would have four
# more symbols looked up in all libraries of the program at each login.
$(BUILD)/pam_tmout.so: $(call objects,$(MODULE_SOURCES) $(LOGIN_SOURCES)) pam_module/pam_tmout.map
	$(LINK) -shared -nostartfiles $(if $(SANITIZE),,-Wl,--no-undefined) -Wl,--version-script=pam_module/pam_tmout.map \
	    -Wl,--as-needed -o $@ $(filter %.o,$^) -lpam $(AUDIT_LIBS) -ldl

$(BUILD)/tmoutctl: $(call objects,$(CTL_SOURCES) $(LOGIN_SOURCES) $(COMPILER_SOURCES))
	$(LINK) -pie -o $@ $^ $$($(PKG_CONFIG) --libs libconfuse jansson libcrypto) $(AUDIT_LIBS) -ldl

$(BUILD)/tmoutd: $(call objects,$(DAEMON_SOURCES) $(filter-out $(AUDIT_SOURCES),$(LOGIN_SOURCES)))
	$(LINK) -pie -o $@ $^ $$($(PKG_CONFIG) --libs libsystemd) -Wl,--as-needed -ldl

# The script as a string of C.
$(BUILD)/fleet/fleet_script.c: lib/fleet/attempts.lua Makefile
	@mkdir -p $(@D)
	@{ echo '#include "tools/fleetd/fleet_script.h"'; echo 'const char fleet_script[] ='; \
	    sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/.*/"&\\n"/' $<; echo ';'; } > $@

$(BUILD)/fleet/fleet_script.o: $(BUILD)/fleet/fleet_script.c
	$(COMPILE) -c -o $@ $<

$(BUILD)/tmout-fleetd: $(BUILD)/fleet/fleet_script.o $(call objects,$(FLEETD_SOURCES) $(filter-out $(AUDIT_SOURCES),$(LOGIN_SOURCES)) $(COMPILER_SOURCES))
	$(LINK) -pie -o $@ $^ $$($(PKG_CONFIG) --libs libsystemd libconfuse) $(CLIENT_LIBS) -Wl,--as-needed -ldl

$(BUILD)/%.service: conf/%.service.in Makefile $(BUILD)/paths
	sed 's|@BINDIR@|$(BINDIR)|; s|@SBINDIR@|$(SBINDIR)|' $< > $@

# The manual's table of settings is printed from the code's. EMULATOR runs programs of
# another architecture.
$(BUILD)/man/settings_table: man/settings_table.c $(call objects,$(addprefix lib/policy/,settings.c duration.c number.c sshd_values.c))
	@mkdir -p $(@D)
	$(COMPILE) $(LDFLAGS) -o $@ $^

$(BUILD)/man/%: man/%.in $(BUILD)/man/settings_table
	$(EMULATOR) $(BUILD)/man/settings_table > $@.table
	sed -e '/^@SETTINGS@$$/{r $@.table' -e 'd;}' $< > $@

# The shells' completions have the commands and options of tmoutctl's own tables.
$(BUILD)/completions/tables: completions/tables.c $(BUILD)/libtmoutctl.a $(BUILD)/libtmout.a
	@mkdir -p $(@D)
	$(COMPILE) $(LDFLAGS) -o $@ $^ $$($(PKG_CONFIG) --libs libconfuse jansson libcrypto) $(AUDIT_LIBS) -ldl

$(COMPLETIONS): $(BUILD)/completions/%: completions/%.in $(BUILD)/completions/tables $(BUILD)/paths
	$(EMULATOR) $(BUILD)/completions/tables $* > $@.table
	sed -e '/^@TABLE@$$/{r $@.table' -e 'd;}' -e 's|@DATADIR@|$(DATADIR)|g; s|@SYSCONFDIR@|$(SYSCONFDIR)|g' $< > $@

$(BUILD)/man/%: man/%
	@mkdir -p $(@D)
	cp $< $@

# What users see who only logged in. `make po` brings po/ up to date with the texts in
# the sources; new ones are then empty there, which the tests reject.
$(BUILD)/locale/%/LC_MESSAGES/pam_tmout.mo: po/%.po | $(BUILD)/requirements-build
	@mkdir -p $(@D)
	msgfmt -c -o $@ $<

.PHONY: po
PO       = po
XGETTEXT = xgettext --language=C --from-code=UTF-8 --omit-header --keyword=translation:2 \
               --keyword=translation_of_number:2,3 --no-location -o
po:
	@mkdir -p $(BUILD)
	$(XGETTEXT) $(BUILD)/pam_tmout.pot $(MODULE_SOURCES) $(DAEMON_SOURCES)
	for file in $(PO)/*.po; do \
	    msgmerge --quiet --update --backup=none --no-fuzzy-matching --no-wrap --no-location $$file \
	        $(BUILD)/pam_tmout.pot || exit 1; done

-include $(foreach directory,$(wildcard $(BUILD)/obj $(BUILD)/tests build/fuzz/obj),$(shell find $(directory) -name '*.d' -type f 2>/dev/null))

# --- install -------------------------------------------------------------

install: all
	install -d $(DESTDIR)$(PAMDIR) $(DESTDIR)$(BINDIR) $(DESTDIR)$(SBINDIR) \
	    $(DESTDIR)$(SYSCONFDIR)/security/tmout.conf.d \
	    $(DESTDIR)$(SYSCONFDIR)/profile.d $(DESTDIR)$(DATADIR)/tmout/shells \
	    $(DESTDIR)$(DATADIR)/tmout/profile.d $(DESTDIR)$(DATADIR)/tmout/selinux \
	    $(DESTDIR)$(DATADIR)/tmout/pam.d $(DESTDIR)$(DATADIR)/tmout/presets $(DESTDIR)$(UNITDIR) \
	    $(DESTDIR)$(TMPFILESDIR) $(DESTDIR)$(CATALOGDIR) $(DESTDIR)$(DOCDIR)/docs
	install -m 644 $(BUILD)/pam_tmout.so $(DESTDIR)$(PAMDIR)/
	install -m 755 $(BUILD)/tmoutctl $(DESTDIR)$(BINDIR)/
	install -m 755 $(BUILD)/tmoutd $(DESTDIR)$(SBINDIR)/
# Scripts know it there. Where the two directories are one, it is there already.
	test $(DESTDIR)$(SBINDIR) -ef $(DESTDIR)$(BINDIR) || \
	    ln -snf --relative $(DESTDIR)$(BINDIR)/tmoutctl $(DESTDIR)$(SBINDIR)/tmoutctl
	install -m 644 $(UNITS) conf/*.path conf/*.timer $(DESTDIR)$(UNITDIR)/
	for file in $(UNIT_DROP_INS); do \
	    install -d $(DESTDIR)$(UNITDIR)/$${file%/*} && \
	    install -m 644 conf/units.d/$$file $(DESTDIR)$(UNITDIR)/$$file || exit 1; done
	install -m 644 conf/tmpfiles/* $(DESTDIR)$(TMPFILESDIR)/
	install -m 644 conf/tmout.conf $(DESTDIR)$(DATADIR)/tmout/
	test -e $(DESTDIR)$(SYSCONFDIR)/security/tmout.conf || \
	    install -m 644 conf/tmout.conf $(DESTDIR)$(SYSCONFDIR)/security/
	@for script in tmout.sh tmout.csh; do \
	    site=$(DESTDIR)$(SYSCONFDIR)/profile.d/$$script; \
	    if [ -e $$site ] && ! grep -qE 'PAM_TMOUT|tmout_mode' $$site; then \
	        mv -v $$site $$site.before-pam_tmout || exit 1; fi; done
	install -m 644 profile.d/tmout.sh profile.d/tmout.csh $(DESTDIR)$(SYSCONFDIR)/profile.d/
	install -m 644 profile.d/tmout.sh profile.d/tmout.csh $(DESTDIR)$(DATADIR)/tmout/profile.d/
	install -m 644 profile.d/shells/* $(DESTDIR)$(DATADIR)/tmout/shells/
	install -m 644 conf/pam.d/* $(DESTDIR)$(DATADIR)/tmout/pam.d/
	install -m 644 packaging/selinux/tmout.* $(DESTDIR)$(DATADIR)/tmout/selinux/
	install -m 644 conf/presets/*.conf $(DESTDIR)$(DATADIR)/tmout/presets/
	install -D -m 644 $(BUILD)/completions/bash $(DESTDIR)$(DATADIR)/bash-completion/completions/tmoutctl
	install -D -m 644 $(BUILD)/completions/zsh $(DESTDIR)$(ZSHDIR)/_tmoutctl
	install -D -m 644 $(BUILD)/completions/fish $(DESTDIR)$(DATADIR)/fish/vendor_completions.d/tmoutctl.fish
	for language in $(LANGUAGES); do \
	    install -d $(DESTDIR)$(DATADIR)/locale/$$language/LC_MESSAGES && \
	    install -m 644 $(BUILD)/locale/$$language/LC_MESSAGES/pam_tmout.mo \
	        $(DESTDIR)$(DATADIR)/locale/$$language/LC_MESSAGES/ || exit 1; done
	for page in $(MAN_PAGES); do \
	    install -d $(DESTDIR)$(MANDIR)/man$${page##*.} && \
	    install -m 644 $$page $(DESTDIR)$(MANDIR)/man$${page##*.}/ || exit 1; done
	install -m 644 README.md NEWS.md SECURITY.md $(DESTDIR)$(DOCDIR)/
	install -m 644 docs/* $(DESTDIR)$(DOCDIR)/docs/
	install -m 644 conf/tmout.catalog $(DESTDIR)$(CATALOGDIR)/
	@[ -n "$(DESTDIR)" ] || ! command -v journalctl >/dev/null || journalctl --update-catalog

# tmout-fleetd, for hosts that share attempts: docs/FLEET.md. It is a package of its own.
.PHONY: install-fleet
install-fleet: $(BUILD)/tmout-fleetd
	install -D -m 755 $(BUILD)/tmout-fleetd $(DESTDIR)$(SBINDIR)/tmout-fleetd
	install -d $(DESTDIR)$(UNITDIR)
	install -d -m 700 $(DESTDIR)$(SYSCONFDIR)/security/tmout-fleet
	install -m 644 conf/fleet/tmout-fleetd.socket conf/fleet/tmout-fleetd-unlock.timer $(DESTDIR)$(UNITDIR)/
	for unit in tmout-fleetd tmout-fleetd-unlock; do \
	    sed 's|@BINDIR@|$(BINDIR)|; s|@SBINDIR@|$(SBINDIR)|' conf/fleet/$$unit.service.in \
	        > $(DESTDIR)$(UNITDIR)/$$unit.service || exit 1; done

# Leaves the policy, its snapshot and PAM's files: first take our lines out of
# /etc/pam.d, then `tmoutctl shells --remove`, then this.
uninstall:
	rm -f $(DESTDIR)$(PAMDIR)/pam_tmout.so $(DESTDIR)$(BINDIR)/tmoutctl $(DESTDIR)$(SBINDIR)/tmoutctl \
	    $(addprefix $(DESTDIR)$(SBINDIR)/,tmoutd tmout-fleetd) \
	    $(addprefix $(DESTDIR)$(UNITDIR)/tmout-fleetd,.service .socket -unlock.service -unlock.timer) \
	    $(addprefix $(DESTDIR)$(UNITDIR)/,$(notdir $(UNITS) $(wildcard conf/*.path conf/*.timer))) \
	    $(addprefix $(DESTDIR)$(TMPFILESDIR)/,$(notdir $(wildcard conf/tmpfiles/*))) \
	    $(DESTDIR)$(SYSCONFDIR)/profile.d/tmout.sh $(DESTDIR)$(SYSCONFDIR)/profile.d/tmout.csh
	for file in $(UNIT_DROP_INS); do \
	    rm -f $(DESTDIR)$(UNITDIR)/$$file && \
	    rmdir --ignore-fail-on-non-empty $(DESTDIR)$(UNITDIR)/$${file%/*} || exit 1; done
	rm -f $(patsubst %,$(DESTDIR)$(DATADIR)/locale/%/LC_MESSAGES/pam_tmout.mo,$(LANGUAGES))
	rm -rf $(DESTDIR)$(DATADIR)/tmout $(DESTDIR)$(DOCDIR)
	rm -f $(DESTDIR)$(CATALOGDIR)/tmout.catalog $(DESTDIR)$(ZSHDIR)/_tmoutctl \
	    $(DESTDIR)$(DATADIR)/bash-completion/completions/tmoutctl \
	    $(DESTDIR)$(DATADIR)/fish/vendor_completions.d/tmoutctl.fish
	@[ -n "$(DESTDIR)" ] || ! command -v journalctl >/dev/null || journalctl --update-catalog
	for page in $(notdir $(MAN_PAGES)); do \
	    rm -f $(DESTDIR)$(MANDIR)/man$${page##*.}/$$page; done

# --- packages ------------------------------------------------------------

PACKAGED = $(shell find . \( -path ./build -o -path ./.git -o -name __pycache__ \) -prune -o -type f -print)

.PHONY: deb rpm
deb: build/deb/built
	@ls build/*.deb

build/deb/built: $(PACKAGED) | $(BUILD)/requirements-deb
	packaging/build-deb $(VERSION) build/deb
	@rm -f build/*.deb build/*.deb.spdx.json build/*.dsc build/*.tar.xz build/*.changes build/*.buildinfo
	@cp build/deb/*.deb build/deb/*.deb.spdx.json build/deb/*.dsc build/deb/*.tar.xz build/deb/*.changes build/deb/*.buildinfo build/
	@touch $@

rpm: build/rpm/built
	@ls build/*.rpm

build/rpm/built: $(PACKAGED) | $(BUILD)/requirements-rpm
	packaging/build-rpm $(VERSION) build/rpm
	@rm -f build/*.rpm build/*.rpm.spdx.json
	@cp build/rpm/RPMS/*/*.rpm build/rpm/RPMS/*/*.spdx.json build/rpm/SRPMS/*.rpm build/
	@touch $@

# The SELinux module, for the policy that SELINUX_MAKEFILE belongs to.
SELINUX_MAKEFILE ?= /usr/share/selinux/devel/Makefile
.PHONY: selinux
selinux: build/selinux/tmout.pp
	@ls $<

build/selinux/tmout.pp: $(wildcard packaging/selinux/*) $(SELINUX_MAKEFILE)
	@mkdir -p $(@D)
	cp packaging/selinux/tmout.* $(@D)
	$(MAKE) --no-print-directory -C $(@D) -f $(SELINUX_MAKEFILE) NAME=$(SELINUX_NAME) tmout.pp

# Which policy: "default" on Debian, "targeted" on Fedora and RHEL.
SELINUX_NAME ?= $(or $(shell sed -n 's/^SELINUXTYPE=//p' /etc/selinux/config 2>/dev/null),default)

# The tarball of a release, build/pam_tmout-VERSION.tar.gz.
.PHONY: dist release
dist:
	@packaging/build-tarball $(VERSION) build
	@ls build/pam_tmout-$(VERSION).tar.gz

# Builds it and tags the commit, if docs/RELEASE.md's conditions are met.
release:
	@packaging/release $(VERSION)

# --- tests ---------------------------------------------------------------

TEST_BUILD   := $(BUILD)/tests
UNIT_SOURCES := $(shell find tests/unit -name 'test_*.c')
UNIT_TESTS   := $(patsubst tests/unit/%.c,$(TEST_BUILD)/unit/%,$(UNIT_SOURCES))
MODULE_TESTS := $(patsubst tests/module/%.c,$(TEST_BUILD)/module/%,$(wildcard tests/module/test_*.c))
TEST_FLAGS    = $(COMPILE) -DTEST_BUILD='"$(CURDIR)/$(TEST_BUILD)"' -DTESTS='"$(CURDIR)/tests"'

# Everything but each program's main(): a unit test takes what it calls.
$(BUILD)/libtmout.a: $(call objects,$(LOGIN_SOURCES) $(COMPILER_SOURCES))
$(BUILD)/libpam_tmout.a: $(call objects,$(MODULE_SOURCES))
$(BUILD)/libtmoutctl.a: $(call objects,$(filter-out %/main.c,$(CTL_SOURCES)))
$(BUILD)/libtmoutd.a: $(call objects,$(filter-out %/main.c,$(DAEMON_SOURCES)))
# Without what needs hiredis, which a machine may lack.
$(BUILD)/libfleetd.a: $(call objects,tools/fleetd/script_call.c)
$(BUILD)/%.a:
	@rm -f $@
	$(AR) rcs $@ $^

# Compiled and linked apart, so that a change in lib/ only links again.
UNIT_ARCHIVES := $(addprefix $(BUILD)/,libpam_tmout.a libtmoutctl.a libtmoutd.a libfleetd.a libtmout.a)
.SECONDARY: $(UNIT_ARCHIVES) $(patsubst %.c,$(TEST_BUILD)/obj/%.o,$(UNIT_SOURCES))
$(TEST_BUILD)/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(TEST_FLAGS) -MMD -MP -c -o $@ $<

$(TEST_BUILD)/unit/%: $(TEST_BUILD)/obj/tests/unit/%.o $(UNIT_ARCHIVES)
	@mkdir -p $(@D)
	$(LINK) -o $@ $(filter %.o %.a,$^) $$($(PKG_CONFIG) --libs cmocka libconfuse jansson libcrypto libsystemd) \
	    $(AUDIT_LIBS)

# lib/attempts on standard input, for the comparison with the fleet's script.
$(TEST_BUILD)/fleet/%: tests/fleet/%.c $(BUILD)/libtmout.a
	@mkdir -p $(@D)
	$(TEST_FLAGS) -MMD -MP -o $@ $(filter %.c %.a,$^) $(LDFLAGS)

# In these, allocations fail on demand: tests/unit/out_of_memory.h.
$(TEST_BUILD)/unit/%_memory: override LDFLAGS += $(addprefix -Wl$(,)--wrap=,malloc calloc realloc reallocarray \
    strdup strndup asprintf __asprintf_chk vasprintf __vasprintf_chk open_memstream free)

$(TEST_BUILD)/module/%: tests/module/%.c tests/module/stack.c
	@mkdir -p $(@D)
	$(TEST_FLAGS) -MMD -MP -o $@ $(filter %.c,$^) $(filter %.a,$^) $(LDFLAGS) $$($(PKG_CONFIG) --cflags --libs cmocka) -lpam

# In the place of pam_unix, and what the tests of attempts have in common.
ATTEMPT_TESTS := $(addprefix $(TEST_BUILD)/module/,test_auth test_password test_audit test_attempts_parallel \
    test_attempts_killed)
# Takes down what libaudit sends.
$(TEST_BUILD)/module/test_audit: override LDFLAGS += -rdynamic
$(ATTEMPT_TESTS): tests/module/attempts.c tests/module/pam_check.h | $(TEST_BUILD)/pam_check.so
$(TEST_BUILD)/pam_check.so: tests/module/pam_check.c tests/module/pam_check.h
	@mkdir -p $(@D)
	$(COMPILE) -shared $(LDFLAGS) -o $@ $< -lpam

# tmoutctl's evaluator of stacks, beside libpam with modules that return anything.
$(TEST_BUILD)/module/test_pam_stacks: $(BUILD)/libtmoutctl.a $(BUILD)/libtmout.a | $(TEST_BUILD)/pam_stub.so
# Answers libpam's questions about accounts.
$(TEST_BUILD)/module/test_pam_users: $(BUILD)/libtmoutctl.a $(BUILD)/libtmout.a
$(TEST_BUILD)/module/test_pam_users: override LDFLAGS += -rdynamic
$(TEST_BUILD)/pam_stub.so: tests/module/pam_stub.c tests/module/pam_stub.h
	@mkdir -p $(@D)
	$(COMPILE) -shared $(LDFLAGS) -o $@ $< -lpam

# The module as it is installed, but running the tmoutctl of this tree.
$(patsubst %.c,$(TEST_BUILD)/obj/%.o,$(MODULE_SOURCES)): TEST_FLAGS = $(COMPILE) -DBINDIR='"$(CURDIR)/$(BUILD)"'
$(TEST_BUILD)/pam_tmout.so: $(patsubst %.c,$(TEST_BUILD)/obj/%.o,$(MODULE_SOURCES)) \
    $(call objects,$(LOGIN_SOURCES)) pam_module/pam_tmout.map | $(BUILD)/tmoutctl
	$(LINK) -shared -nostartfiles -Wl,--version-script=pam_module/pam_tmout.map -o $@ $(filter %.o,$^) \
	    -lpam $(AUDIT_LIBS)

# dependencies-GROUP: what that group of targets needs.
dependencies-%: FORCE
	@packaging/install-dependencies $*

# As many jobs as there are processors, unless make was told how many.
JOBS = $(if $(findstring --jobserver,$(MAKEFLAGS)),,-j$(shell nproc 2>/dev/null || echo 1))

check: dependencies-check
	@$(MAKE) --no-print-directory $(JOBS) check-run WERROR=-Werror

check-run: all $(UNIT_TESTS) $(MODULE_TESTS) $(TEST_BUILD)/pam_tmout.so $(TEST_BUILD)/fleet/ledger_driver fuzz-build build/bench/idlers build/bench/pam_check.so \
    build/compile_commands.json
	@tests/run --build $(BUILD) $(if $(SANITIZE),--sanitize) $(TEST_OPTIONS)

# What the build of a package runs: no root, no network, nothing but cmocka.
.PHONY: check-units
check-units: $(UNIT_TESTS)
	@tests/dev/units $(UNITS_OPTIONS) $^

# The fast tests in a build of its own that counts the lines executed.
# `make coverage-of FILE=lib/...c` lists the lines that were not.
.PHONY: coverage coverage-run coverage-of
COVERAGE := build/coverage
coverage: dependencies-coverage
	@find $(COVERAGE) -name '*.gcda' -delete 2>/dev/null || :
	@mkdir -p $(COVERAGE)
	@$(CC) -c -o $(COVERAGE)/exit.o tests/dev/coverage_exit.c
	@$(MAKE) --no-print-directory --silent coverage-run BUILD=$(COVERAGE) FLEET=$(FLEET) \
	    CFLAGS='-O0 -g --coverage -fprofile-update=atomic -U_FORTIFY_SOURCE' \
	    LDFLAGS='-Wl,--wrap=_exit $(CURDIR)/$(COVERAGE)/exit.o'
	@tests/dev/coverage $(COVERAGE)

# Some tests give up root: they, too, must be able to add to the counts.
coverage-run: all $(UNIT_TESTS) $(MODULE_TESTS) $(TEST_BUILD)/pam_tmout.so
	@find $(BUILD) -type d -exec chmod 777 {} +
	@umask 0 && TMOUT_COVERAGE=1 tests/dev/units $(UNIT_TESTS) $(MODULE_TESTS)
	@[ ! -e $(BUILD)/tmout-fleetd ] || BUILD=$(BUILD) tests/fleet/daemon.t >$(BUILD)/fleetd.tap || \
	    { cat $(BUILD)/fleetd.tap; exit 1; }

coverage-of:
	@tests/dev/coverage $(COVERAGE) --missing $(FILE)

# N random changes of one token each, or of those in FILES; the same ones with
# the same SEED. Prints the changes that the fast tests do not notice.
.PHONY: mutants mutants-build
N ?= 24
mutants: dependencies-mutants
	@tests/dev/mutants --count $(N) $(if $(SEED),--seed $(SEED)) $(FILES)

mutants-build: all $(UNIT_TESTS) $(MODULE_TESTS) $(TEST_BUILD)/pam_tmout.so

soak: dependencies-soak
	@$(MAKE) --no-print-directory $(JOBS) check-run TEST_OPTIONS=--soak

demo: dependencies-demo
	@$(MAKE) --no-print-directory --silent all build/bench/crowd build/bench/pam_check.so
	@tests/host/throwaway demo/demo.py

.PHONY: demo-fleet
demo-fleet: dependencies-demo-fleet
	@$(MAKE) --no-print-directory --silent all $(BUILD)/tmout-fleetd
	@tests/host/throwaway demo/fleet.py

# --- measure, fuzz, lint -------------------------------------------------

bench: dependencies-bench
	@$(MAKE) --no-print-directory --silent all $(BENCH_PROGRAMS)
	@tests/bench/run $(LOGINS)

BENCH_PROGRAMS := $(addprefix build/bench/,session attempt crowd idlers logind_sessions pam_check.so)
build/bench/session build/bench/attempt: tests/bench/turns.c
build/bench/session build/bench/attempt build/bench/crowd: tests/bench/remote_login.c
build/bench/idlers: $(call objects,$(filter-out $(AUDIT_SOURCES),$(LOGIN_SOURCES)))

build/bench/logind_sessions: LDLIBS := -lsystemd
build/bench/%: tests/bench/%.c $(wildcard tests/bench/*.h)
	@mkdir -p $(@D)
	$(COMPILE) -o $@ $(filter %.c %.o,$^) -lpam $(LDLIBS)

build/bench/%.so: tests/module/%.c $(wildcard tests/module/*.h)
	@mkdir -p $(@D)
	$(COMPILE) -shared -o $@ $< -lpam

FUZZ_SECONDS ?= 60
FUZZ_TARGETS := $(patsubst tests/fuzz/%.c,build/fuzz/%,$(filter-out $(if $(filter yes,$(FLEET)),,%_fleet_store.c),$(wildcard tests/fuzz/fuzz_*.c)))
.PHONY: fuzz-build
# Without clang there is nothing to build, and tests/fuzz/run says so.
fuzz-build: $(if $(shell command -v clang),$(FUZZ_TARGETS))

FUZZ_COMPILE = clang -std=c11 -g -O1 $(CPPFLAGS) -DBINDIR='"$(BINDIR)"' -DSBINDIR='"$(SBINDIR)"' -DPAMDIR='"$(PAMDIR)"' \
               -fno-sanitize-recover=undefined
FUZZ_SOURCES := $(LOGIN_SOURCES) $(COMPILER_SOURCES) $(MODULE_SOURCES) $(filter-out %/main.c,$(CTL_SOURCES))
.SECONDARY: $(patsubst %.c,build/fuzz/obj/%.o,$(FUZZ_SOURCES) $(FLEETD_SOURCES))
build/fuzz/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(FUZZ_COMPILE) -fsanitize=fuzzer-no-link,address,undefined -MMD -MP -c -o $@ $<

build/fuzz/tested.a: $(patsubst %.c,build/fuzz/obj/%.o,$(FUZZ_SOURCES))
	@rm -f $@
	$(AR) rcs $@ $^

build/fuzz/%: tests/fuzz/%.c build/fuzz/tested.a $(wildcard tests/fuzz/*.h)
	$(FUZZ_COMPILE) -fsanitize=fuzzer,address,undefined -o $@ $(filter %.c %.o,$^) $(filter %.a,$^) \
	    $$($(PKG_CONFIG) --libs libconfuse jansson libcrypto) $(AUDIT_LIBS) $(FUZZ_LIBS)

build/fuzz/fuzz_fleet_store: $(patsubst %.c,build/fuzz/obj/%.o,$(filter-out %/main.c,$(FLEETD_SOURCES))) $(BUILD)/fleet/fleet_script.o
build/fuzz/fuzz_fleet_store: FUZZ_LIBS = $$($(PKG_CONFIG) --libs libsystemd) $(CLIENT_LIBS)

fuzz: dependencies-fuzz
	@$(MAKE) --no-print-directory --silent fuzz-build
	@tests/fuzz/run $(FUZZ_SECONDS)

# For clangd, which looks for it in build/, and for clang-tidy.
.PHONY: compile-commands
compile-commands: build/compile_commands.json
# clang-tidy has other warnings than gcc, and decides by itself which are errors.
build/compile_commands.json: override WERROR =
build/compile_commands.json: Makefile FORCE
	@mkdir -p build
	@tests/dev/compile_commands $(call quote,$(TEST_FLAGS) $(PROGRAM_PATHS)) \
	    $(shell git ls-files -co --exclude-standard '*.c' 2>/dev/null || find . -name '*.c' -not -path './build/*') > $@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

.PHONY: lint
lint: dependencies-lint build/compile_commands.json
	@tests/dev/lint $(FILES)

clean:
	rm -rf build
