# SPDX-License-Identifier: GPL-2.0-only
#
# `make` builds the engine, `make check` and `make demo` everything, from bare.

MAKEFLAGS += --no-print-directory

# What needs nothing found out first.
ifeq ($(filter clean distclean,$(MAKECMDGOALS)),)
include config-host.mak
endif

CFLAGS ?= -O2 -g
PYTHON ?= /usr/bin/python3

ifneq ($(V),1)
Q		:= @
QUIET_CC	= @echo '    ' CC $@;
QUIET_LD	= @echo '    ' LD $@;
QUIET_GEN	= @echo '    ' GEN $@;
QUIET_INSTALL	= @echo '    ' INSTALL $(1);
endif

# fio's headers are a system's: its warnings are not ours
override CPPFLAGS += -D_GNU_SOURCE -I. -include config-host.h
FIO_CPPFLAGS	= -include build/fio/config-host.h -isystem $(FIO_SRC)
override CFLAGS	+= -std=gnu11 -fPIC -fno-strict-aliasing \
		   -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
		   -Wdeclaration-after-statement -Wvla -Werror
ifdef CONFIG_SANITIZER
override CFLAGS	+= -fsanitize=address,undefined -fno-omit-frame-pointer
endif
# All symbols at load: fio opens an engine lazily, and one missing would show in mid-run.
override LDFLAGS += -Wl,-z,now

# Please keep these lists sorted alphabetically.
ENGINE_OBJS	= engine/buffers.o engine/compat.o engine/counters.o engine/data.o engine/dmabuf.o \
		  engine/exporter_cuda.o engine/exporter_dma_heap.o engine/exporter_fd.o \
		  engine/exporter_hip.o engine/exporter_udmabuf.o engine/files.o engine/inspect.o \
		  engine/json.o engine/library.o engine/memory.o engine/memory_p2pmem.o \
		  engine/mismatch.o engine/options.o engine/pool.o engine/regbuf.o engine/ring.o engine/shadow.o
LIBS		= -luring
ifdef CONFIG_LIBDRM
ENGINE_OBJS	+= engine/drm_gem.o engine/exporter_drm.o
override CPPFLAGS += $(LIBDRM_CFLAGS)
LIBS		+= -ldrm
endif
# What knows fio; the others are also linked into the unit tests.
FIO_OBJS	= engine/buffers.o engine/compat.o engine/data.o engine/dmabuf.o engine/files.o \
		  engine/options.o
UNIT_OBJS	= $(filter-out $(FIO_OBJS),$(ENGINE_OBJS))
# The probe takes what it needs of the engine.
PROBE_OBJS	= engine/probe.o engine/probe_devices.o engine/probe_exporters.o \
		  engine/probe_kernel.o engine/probe_look.o engine/probe_pci.o engine/probe_report.o \
		  engine/probe_software.o
C_TESTS		= $(patsubst %.c,%,$(wildcard tests/*/*.c))
# What tests/kernel/ runs inside the guest.
GUEST_TESTS	= $(patsubst %.c,build/%,$(filter-out %/common.c,$(wildcard tests/kernel/guest/*.c)))
ENGINE		= engine/fio-dmabuf.so
PROBE		= engine/fio-dmabuf-probe
BARE_RING	= engine/fio-dmabuf-ring
LIGHT_FIO	= build/light-fio/all.so
libdir		= $(prefix)/lib/fio-dmabuf

all: $(ENGINE) $(PROBE) $(BARE_RING) $(LIGHT_FIO)

# Re-run what was run, when configure has changed; run it where it never was.
# What tests and demonstrates everything also installs what that takes.
ifneq ($(filter check check-kernel demo,$(MAKECMDGOALS)),)
CONFIGURE_ARGS	= --install-deps
endif
config-host.mak: configure
	@if [ -e $@ ]; then \
		echo "$@ is out of date, running configure again"; \
		sed -n 's/.*Configured with: //p' $@ | sh; \
	else \
		./configure $(CONFIGURE_ARGS); \
	fi

# An engine can have been configured with less than the tests need.
deps: config-host.mak
	@grep -q -e --install-deps config-host.mak || \
		eval "$$(sed -n 's/.*Configured with: //p' config-host.mak) --install-deps"

# Touched only when it changes.
build/version.h: FORCE
	@mkdir -p $(@D)
	@v=$$(git describe --always --dirty 2>/dev/null || echo unknown); \
	line="#define ENGINE_VERSION \"$$v\""; \
	[ "$$(cat $@ 2>/dev/null)" = "$$line" ] || echo "$$line" >$@

engine/counters.o engine/probe_software.o: build/version.h

$(FIO_OBJS): override CPPFLAGS += $(FIO_CPPFLAGS)

engine/%.o: engine/%.c config-host.mak
	$(QUIET_CC)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(ENGINE): $(ENGINE_OBJS)
	$(QUIET_LD)$(CC) $(CFLAGS) $(LDFLAGS) -shared -o $@ $^ $(LIBS)

$(PROBE): $(PROBE_OBJS) $(UNIT_OBJS)
	$(QUIET_LD)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

$(BARE_RING): engine/bare_ring.o engine/regbuf.o engine/ring.o
	$(QUIET_LD)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -luring

$(LIGHT_FIO): kernel/light-fio config-host.mak
	$(QUIET_GEN)CC="$(CC)" $(PYTHON) kernel/light-fio $(FIO) $(@D)

# A test in C is one file; it sees what the engine has that does not need fio.
tests/%: tests/%.c $(UNIT_OBJS) config-host.mak
	$(QUIET_LD)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -MF $@.d -o $@ $< $(UNIT_OBJS) $(LDFLAGS) $(LIBS)

build/tests/kernel/guest/%: tests/kernel/guest/%.c tests/kernel/guest/common.c \
			   tests/kernel/guest/common.h kernel/modules/dmabuf_test.h config-host.mak
	@mkdir -p $(@D)
	$(QUIET_LD)$(CC) $(CPPFLAGS) -Iengine $(CFLAGS) -o $@ $(filter %.c,$^) $(LDFLAGS) -luring

-include $(wildcard engine/*.d tests/*/*.d)

install: all
	$(call QUIET_INSTALL,$(libdir))install -D -m 755 -t $(DESTDIR)$(libdir) $(ENGINE)
	$(call QUIET_INSTALL,$(prefix)/bin)install -D -m 755 -t $(DESTDIR)$(prefix)/bin $(PROBE)

kernel:
	$(Q)kernel/build >/dev/null

# To be installed on a real machine: hours. KERNEL_DEB=--minimal is for trying the packages out.
kernel-deb:
	$(Q)kernel/build --deb build/deb $(KERNEL_DEB)

# Everything that the tests run; what they write is in build/tests.
check: deps
	$(Q)$(MAKE) all $(C_TESTS) $(GUEST_TESTS)
	$(Q)$(MAKE) lint
	$(Q)$(MAKE) kernel
	$(Q)tests/run

# The tests that have a long form, in it; those of the series on a kernel that watches itself, with the
# lines that they reach, on both releases. Hours.
check-kernel: deps
	$(Q)$(MAKE) all $(C_TESTS) $(GUEST_TESTS)
	$(Q)$(MAKE) kernel
	$(Q)rm -rf build/tests/coverage
	$(Q)tests/run --long kernel/iommu_kinds 'kernel/build_*' engine/newest_fio \
		engine/speed engine/starts engine/vm_left engine/vm_pools engine/vm_storm engine/vm_verify
	$(Q)for release in 6.12 7.3; do \
		export RELEASE=$$release COVERAGE=$(CURDIR)/build/tests/coverage/$$release && \
		tests/run --long kernel/cost_unpatched kernel/cost_flat engine/vm_no_feature && \
		kernel=$$(kernel/build --release $$release --debug) && \
		KERNEL=$$kernel tests/run --long 'kernel/regbuf_*' && \
		tests/kernel/_coverage "$${kernel%/*}/coverage" "$$COVERAGE" || exit; \
	done

demo: deps
	$(Q)$(MAKE) all
	$(Q)sweep/demo

# This engine beside fio's own, instructions per I/O, in the VM.
bench:
	$(Q)$(MAKE) all
	$(Q)./fio-dmabuf bench

# What the README shows, from results/sample/; SAMPLE=results/demo-... takes another run first.
docs:
	$(Q)$(PYTHON) -m plot.docs $(SAMPLE)

# What sparse says about headers is not ours; RWF_NOWAIT is a bitwise type only to the kernel.
SPARSE		= sparse -gcc-base-dir "$$($(CC) -print-file-name=)" -Wno-declaration-after-statement \
		  -Wno-bitwise $(CPPFLAGS) $(FIO_CPPFLAGS)
lint: all $(C_TESTS)
	@echo '     SPARSE'
	$(Q)for f in $(ENGINE_OBJS:.o=.c) $(PROBE_OBJS:.o=.c) engine/bare_ring.c $(C_TESTS:=.c); do \
		$(SPARSE) $$f 2>&1; done | \
		{ ! grep -E '^(engine|tests)/[^:]*:[0-9]+:[0-9]+: (warning|error)'; }
	@echo '     ANALYZER'
	$(Q)for f in $(UNIT_OBJS:.o=.c) $(PROBE_OBJS:.o=.c) engine/bare_ring.c; do \
		$(CC) $(CPPFLAGS) $(CFLAGS) -fanalyzer -c -o /dev/null $$f || exit 1; \
	done
	@echo '     SHELLCHECK'
	$(Q)git ls-files -z | xargs -0 awk 'FNR == 1 && /^#!\/bin\/(ba)?sh/ { print FILENAME } \
		{ nextfile }' | xargs shellcheck -x
	@echo '     PYTHON'
	$(Q)git ls-files -z | xargs -0 awk 'FNR == 1 && (/^#!.*python3/ || FILENAME ~ /\.py$$/) \
		{ print FILENAME } { nextfile }' | xargs $(PYTHON) -c 'import sys; \
		[compile(open(f).read(), f, "exec") for f in sys.argv[1:]]'

clean:
	$(Q)rm -f $(ENGINE) $(PROBE) $(BARE_RING) engine/*.o engine/*.d tests/*/*.d
	$(Q)rm -f $(patsubst %.c,%,$(wildcard tests/*/*.c))
	$(Q)rm -rf build/tests $(dir $(LIGHT_FIO))

distclean: clean
	$(Q)rm -rf build config-host.mak config-host.h config.log

FORCE:
.PHONY: all bench check check-kernel clean demo deps distclean docs FORCE install kernel kernel-deb lint
