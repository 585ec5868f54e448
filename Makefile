# libcrutils. The targets:
#
#   make            builds the libraries
#   make demo       sets up, builds, and restores a real checkpoint archive before your eyes
#   make check      sets up, and runs every check of the project
#   make check-vm   sets up, and runs the library in a virtual machine with podman, runc, CRIU and SELinux; PARTS=...
#                   chooses among tests/vm/guest/parts, SHORT=yes is what CI runs, LIMIT=... how many seconds it may take;
#                   without KVM, what is about containers runs in namespaces instead, EMULATED=yes emulates it
#   make check-large  counts every byte of exports and imports with 4 GiB of memory pages, which takes 20 GiB of disk
#   make bench      sets up, measures the library beside other programs and writes BENCHMARKS.md, which takes up to
#                   an hour, 40 GiB of disk, and root for most; CASES='xfs runtime' chooses by parts of names, and
#                   BENCHFLAGS=--quick reduces sizes: then it writes build/bench/BENCHMARKS.md
#   make install    installs the libraries, the header and the pkg-config file; the command crutils with its manual and
#                   completions; make uninstall removes exactly these
#   make check-faults  has every system call of the operations fail once, kills them, takes them room, descriptors and
#                   memory, and attacks the directories that they work in, which takes half an hour
#   make check-corpora  unpacks public test archives of Debian's packages and of crates, and compares with other programs
#   make fuzz       runs the fuzz targets, SECONDS=60 each, or TARGETS='...'; it needs cargo-fuzz (tests/fuzz.rs doesn't)
#   make docs       renders the header: HTML in build/docs, pages of the manual in build/man
#   make header     writes include/crutils.h anew from src/capi
#   make abi        writes the description of the ABI anew from the header: include/crutils.symbols and include/crutils.abi
#   make check-reproducible  builds in another directory, and compares the libraries
#   make licences   writes the licences of all that is linked in, and a list of it (CycloneDX), to build/licences
#   make dist       makes the source tarball with vendored crates, in build/dist, from the last commit
#   make deb        makes packages for Debian of it, in build/deb; make rpm makes RPMs, in build/rpm
#   make check-packages  installs the Debian packages in a directory tree of their own, uses, upgrades and removes them
#   make check-podman  builds podman on the library, and runs its checkpoint tests and more beside Debian's podman;
#                   SHORT=yes is what CI runs: a test of each kind, unless it would be emulated; LIMIT=..., EMULATED=yes as above
#
# What a packager sets, here with what holds otherwise. SELINUX=no builds without libselinux and libclang: files are not
# labelled then. VENDORED=no takes zstd and xz from the system, through pkg-config. CC, CFLAGS and LDFLAGS hold for the
# shared library and for C sources of crates, RUSTFLAGS for Rust; AR, NM and OBJCOPY go with CC. For a package of debugging
# information, CARGO_PROFILE_RELEASE_DEBUG=2 and CARGO_PROFILE_RELEASE_STRIP=none in the environment. For a build without
# network, `mkdir -p .cargo && cargo vendor --locked >.cargo/config.toml` beforehand and CARGOFLAGS='--locked --offline'.
# COMMAND=no leaves the command out.

PREFIX       = /usr/local
LIBDIR       = $(PREFIX)/lib
INCLUDEDIR   = $(PREFIX)/include
PKGCONFIGDIR = $(LIBDIR)/pkgconfig
MANDIR       = $(PREFIX)/share/man
DOCDIR       = $(PREFIX)/share/doc/libcrutils
BINDIR       = $(PREFIX)/bin
BASHDIR      = $(PREFIX)/share/bash-completion/completions
ZSHDIR       = $(PREFIX)/share/zsh/site-functions
FISHDIR      = $(PREFIX)/share/fish/vendor_completions.d
DESTDIR      =
CARGO        = cargo
CARGOFLAGS   = --locked
NM           = nm
OBJCOPY      = objcopy
SELINUX      = yes
VENDORED     = yes
COMMAND      = yes

ifneq ($(filter-out yes no,$(SELINUX) $(VENDORED) $(COMMAND)),)
$(error SELINUX, VENDORED and COMMAND are yes or no)
endif

# The number in the SONAME changes when the ABI breaks, which the version's numbers may do for other reasons.
SOVERSION := 1
VERSION   := $(shell scripts/cargo-field version)
# Of two files with one SONAME, ldconfig takes the one with the longer name: that of a release isn't its candidate's.
RELEASE   := $(firstword $(subst -, ,$(VERSION)))
SOURCES   := Cargo.toml Cargo.lock $(wildcard build.rs) $(shell find src -name '*.rs')
SYMBOLS   := include/crutils.symbols
FEATURES  := $(if $(filter yes,$(SELINUX)),selinux) $(if $(filter yes,$(VENDORED)),vendored)
TARGET    := $(abspath $(or $(CARGO_TARGET_DIR),target)/$(CARGO_BUILD_TARGET)/release)
VARIANT   := selinux-$(SELINUX).vendored-$(VENDORED)
BUILT     := build/$(VARIANT)
STAGE     := $(CURDIR)/build/prefix
NOTICES    = $(wildcard build/licences/*)
PAGES      = $(wildcard build/man/man3/*.3)
# The pages of section 1, which the command writes itself.
SUBCOMMANDS := apply cat check compare diff export extract image image-build image-inspect import inspect list memory
MAN1        := crutils.1 $(SUBCOMMANDS:%=crutils-%.1)

# The header's text depends on the version of its generator.
CBINDGEN_VERSION := 0.29.2
CBINDGEN         := build/tools/cbindgen-$(CBINDGEN_VERSION)/bin/cbindgen

export CARGO CARGOFLAGS CC AR NM OBJCOPY

.PHONY: all install uninstall stage demo check bench check-large check-vm header check-header abi check-abi \
    check-reproducible check-faults check-corpora docs fuzz clean licences dist deb rpm check-packages check-podman

all: $(BUILT)/libcrutils.so $(if $(filter yes,$(COMMAND)),$(BUILT)/command/crutils)

# What rustc makes has the Rust runtime's symbols and those of zstd and xz; only for the next step.
$(BUILT)/unsealed.a: $(SOURCES) scripts/compile
	scripts/check-rust
	scripts/compile '$(FEATURES) capi' $(BUILT)/native-static-libs
	cp $(TARGET)/libcrutils.a $@

$(BUILT)/libcrutils.a: $(BUILT)/unsealed.a $(SYMBOLS) scripts/seal
	scripts/seal $< $(SYMBOLS) $@

$(BUILT)/crutils.map: $(SYMBOLS) scripts/version-script
	scripts/version-script $(SYMBOLS) >$@

$(BUILT)/libcrutils.so: $(BUILT)/libcrutils.a $(BUILT)/crutils.map scripts/hardening
	$(CC) $(CFLAGS) -shared -o $@ -Wl,-soname,libcrutils.so.$(SOVERSION) -Wl,--version-script=$(BUILT)/crutils.map \
	    $$(scripts/hardening) $(LDFLAGS) -Wl,--whole-archive $(BUILT)/libcrutils.a -Wl,--no-whole-archive \
	    $$(cat $(BUILT)/native-static-libs)

# It runs here, to write its manual and its completions.
$(BUILT)/command/crutils: $(SOURCES) cli/Cargo.toml $(shell find cli/src -name '*.rs') scripts/compile scripts/document-command
	scripts/check-rust
	scripts/compile '$(FEATURES)' command
	scripts/document-command $(TARGET)/crutils $(@D) $(MAN1)
	cp $(TARGET)/crutils $@

# The pages of section 3 are there after `make docs`.
install: all
	install -d '$(DESTDIR)$(LIBDIR)' '$(DESTDIR)$(INCLUDEDIR)' '$(DESTDIR)$(PKGCONFIGDIR)'
	install -m 755 $(BUILT)/libcrutils.so '$(DESTDIR)$(LIBDIR)/libcrutils.so.$(RELEASE)'
	ln -sf libcrutils.so.$(RELEASE) '$(DESTDIR)$(LIBDIR)/libcrutils.so.$(SOVERSION)'
	ln -sf libcrutils.so.$(SOVERSION) '$(DESTDIR)$(LIBDIR)/libcrutils.so'
	install -m 644 $(BUILT)/libcrutils.a '$(DESTDIR)$(LIBDIR)/libcrutils.a'
	install -m 644 include/crutils.h '$(DESTDIR)$(INCLUDEDIR)/crutils.h'
	scripts/pkg-config-file $(BUILT)/native-static-libs '$(VERSION)' '$(PREFIX)' '$(LIBDIR)' '$(INCLUDEDIR)' \
	    >'$(DESTDIR)$(PKGCONFIGDIR)/crutils.pc'
	chmod 644 '$(DESTDIR)$(PKGCONFIGDIR)/crutils.pc'
ifneq ($(PAGES),)
	install -d '$(DESTDIR)$(MANDIR)/man3'
	install -m 644 $(PAGES) '$(DESTDIR)$(MANDIR)/man3'
endif
# After `make licences`.
ifneq ($(NOTICES),)
	install -d '$(DESTDIR)$(DOCDIR)'
	install -m 644 LICENSE $(NOTICES) '$(DESTDIR)$(DOCDIR)'
endif
ifeq ($(COMMAND),yes)
	install -d '$(DESTDIR)$(BINDIR)' '$(DESTDIR)$(MANDIR)/man1' '$(DESTDIR)$(BASHDIR)' '$(DESTDIR)$(ZSHDIR)' \
	    '$(DESTDIR)$(FISHDIR)'
	install -m 755 $(BUILT)/command/crutils '$(DESTDIR)$(BINDIR)/crutils'
	install -m 644 $(MAN1:%=$(BUILT)/command/man/%) '$(DESTDIR)$(MANDIR)/man1'
	install -m 644 $(BUILT)/command/crutils.bash '$(DESTDIR)$(BASHDIR)/crutils'
	install -m 644 $(BUILT)/command/crutils.zsh '$(DESTDIR)$(ZSHDIR)/_crutils'
	install -m 644 $(BUILT)/command/crutils.fish '$(DESTDIR)$(FISHDIR)/crutils.fish'
endif

uninstall:
	rm -f '$(DESTDIR)$(LIBDIR)/libcrutils.so' '$(DESTDIR)$(LIBDIR)/libcrutils.so.$(SOVERSION)' \
	    '$(DESTDIR)$(LIBDIR)/libcrutils.so.$(RELEASE)' '$(DESTDIR)$(LIBDIR)/libcrutils.a' \
	    '$(DESTDIR)$(INCLUDEDIR)/crutils.h' '$(DESTDIR)$(PKGCONFIGDIR)/crutils.pc'
	for file in LICENSE $(notdir $(NOTICES)); do rm -f '$(DESTDIR)$(DOCDIR)/'$$file; done
	for page in $(notdir $(PAGES)); do rm -f '$(DESTDIR)$(MANDIR)/man3/'$$page; done
ifeq ($(COMMAND),yes)
	rm -f '$(DESTDIR)$(BINDIR)/crutils' '$(DESTDIR)$(BASHDIR)/crutils' '$(DESTDIR)$(ZSHDIR)/_crutils' \
	    '$(DESTDIR)$(FISHDIR)/crutils.fish'
	for page in $(MAN1); do rm -f '$(DESTDIR)$(MANDIR)/man1/'$$page; done
endif

# What the demo and the checks link against: an installation of its own.
stage: all
	@$(MAKE) --no-print-directory -s install DESTDIR= PREFIX='$(STAGE)' LIBDIR='$(STAGE)/lib' \
	    INCLUDEDIR='$(STAGE)/include' PKGCONFIGDIR='$(STAGE)/lib/pkgconfig' MANDIR='$(STAGE)/share/man' \
	    DOCDIR='$(STAGE)/share/doc/libcrutils' \
	    BINDIR='$(STAGE)/bin' BASHDIR='$(STAGE)/share/bash-completion/completions' \
	    ZSHDIR='$(STAGE)/share/zsh/site-functions' FISHDIR='$(STAGE)/share/fish/vendor_completions.d'

demo:
	@scripts/setup demo
	@$(MAKE) --no-print-directory -s stage
	@scripts/demo '$(STAGE)'

check:
	@scripts/setup check
	@scripts/check

bench:
	@scripts/setup bench
	@$(MAKE) --no-print-directory -s stage
	$(CARGO) build --release --example tar-crate $(CARGOFLAGS) --no-default-features --features '$(FEATURES)'
	python3 -B -m benches --tar-crate $(TARGET)/examples/tar-crate $(BENCHFLAGS) $(CASES)

# Where there can be no machine, it has said why.
check-large:
	CRUTILS_TEST_MIB=4096 $(CARGO) test $(CARGOFLAGS) --features capi --test suite -- \
	    every_byte_is_read_once_and_written_once extracting_moves_each_byte_once

VM = tests/vm/run $(if $(SHORT),--short) $(if $(EMULATED),--emulated) $(if $(LIMIT),--limit $(LIMIT))

check-vm:
	@$(VM) $(PARTS) || [ $$? = 77 ]

header: $(CBINDGEN)
	scripts/header $(CBINDGEN) >build/crutils.h && mv build/crutils.h include/crutils.h

check-header: $(CBINDGEN)
	scripts/header $(CBINDGEN) >build/crutils.h
	diff -u include/crutils.h build/crutils.h

$(CBINDGEN):
	$(CARGO) install --quiet --locked --debug --root build/tools/cbindgen-$(CBINDGEN_VERSION) \
	    --version $(CBINDGEN_VERSION) cbindgen

# A function of the header that is new to the list gets the version of the crate.
abi:
	mkdir -p build
	scripts/abi symbols >build/crutils.symbols
	cp build/crutils.symbols $(SYMBOLS)
	scripts/abi describe include/crutils.abi

check-abi: all
	VENDORED=$(VENDORED) scripts/check-abi $(BUILT) libcrutils.so.$(SOVERSION)

# HTML in build/docs, and pages of the manual in build/man, which `make install` installs.
docs:
	@scripts/docs

check-faults:
	@scripts/check-faults

check-corpora:
	@scripts/check-corpora

fuzz:
	@scripts/fuzz $(or $(SECONDS),60) $(TARGETS)

check-reproducible: all
	SELINUX=$(SELINUX) VENDORED=$(VENDORED) scripts/check-reproducible $(BUILT)

licences:
	@scripts/licences build/licences --features '$(FEATURES)'

dist:
	@scripts/dist build/dist

deb: dist
	@scripts/deb build/dist build/deb

rpm: dist
	@scripts/rpm build/dist build/rpm

check-packages: deb
	@scripts/check-packages build/deb

check-podman:
	@$(VM) engine engine-e2e engine-tests engine-losses || [ $$? = 77 ]
	@cat build/vm/engine*/engine*/table 2>/dev/null || true

# What the demo left in a user namespace belongs to ids that only a namespace may remove.
clean:
	rm -rf build 2>/dev/null || unshare --map-root-user --map-auto rm -rf build
	$(CARGO) clean
