# SPDX-License-Identifier: BSD-3-Clause
# Plugins for the tests of the process layer.  They are made without libtool, which makes none where only static
# libraries are wanted.

PLUGINS = \
  tests/process/plugin.so \
  tests/process/plugin-changed.so \
  tests/process/plugin-unnamed.so

PLUGIN_LINK = $(CC) $(DEFAULT_INCLUDES) $(INCLUDES) $(AM_CPPFLAGS) $(CPPFLAGS) $(VIA_CFLAGS) $(CFLAGS) $(LDFLAGS) \
  -shared -fPIC -o $@ $(srcdir)/tests/process/plugin.c

tests/process/plugin.so: tests/process/plugin.c
	@$(MKDIR_P) tests/process
	$(AM_V_CCLD)$(PLUGIN_LINK) -Wl,--build-id

tests/process/plugin-changed.so: tests/process/plugin.c
	@$(MKDIR_P) tests/process
	$(AM_V_CCLD)$(PLUGIN_LINK) -DVERSION=2 -Wl,--build-id

tests/process/plugin-unnamed.so: tests/process/plugin.c
	@$(MKDIR_P) tests/process
	$(AM_V_CCLD)$(PLUGIN_LINK) -DVERSION=3 -Wl,--build-id=none

check_DATA = $(PLUGINS)
# Who makes a test program alone, or all of them for valgrind, gets what it loads.
EXTRA_tests_unit_process_test_elf_tap_DEPENDENCIES = $(PLUGINS)
EXTRA_tests_unit_process_test_name_tap_DEPENDENCIES = $(PLUGINS)
EXTRA_tests_unit_process_test_directory_tap_DEPENDENCIES = $(PLUGINS)
CLEANFILES += $(PLUGINS)
EXTRA_DIST += tests/process/plugin.c

# The programs of tests/check_process_variants.test, which builds them in many ways.
EXTRA_DIST += tests/process/variant.c tests/process/variant.h tests/process/variant_run.c tests/process/variant_globals.cc \
  tests/process/variant_rows.c tests/process/variant_rows.h tests/process/variant_crash.c
