# SPDX-License-Identifier: BSD-3-Clause
# The test programs are listed in tests/tests.mk, which tools/update-sources.sh writes.

TEST_EXTENSIONS = .tap .test
TAP_LOG_DRIVER = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh
AM_TESTS_ENVIRONMENT = CC='$(CC)' CXX='$(CXX)' NM='$(NM)' LIBEVENT_CFLAGS='$(LIBEVENT_CORE_CFLAGS)' \
  top_builddir='$(abs_top_builddir)'; export CC CXX NM LIBEVENT_CFLAGS top_builddir;

# Every allocation of a test's objects and of the layers it links goes through the counting heap.
WRAP_HEAP = -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=reallocarray,--wrap=free \
  -Wl,--wrap=aligned_alloc,--wrap=posix_memalign,--wrap=strdup,--wrap=strndup \
  -Wl,--wrap=asprintf,--wrap=vasprintf

VIA_TESTS =
include tests/tests.mk

SCRIPT_TESTS = \
  tests/check_lists.test \
  tests/check_layers.test \
  tests/check_headers.test \
  tests/check_docs.test \
  tests/check_symbols.test \
  tests/check_style.test \
  tests/check_gdb.test \
  tests/check_plain.test \
  tests/check_process_variants.test

TESTS = $(SCRIPT_TESTS)
check_PROGRAMS = tests/gdb/target
tests_gdb_target_CFLAGS = $(AM_CFLAGS) -g -O0
tests_gdb_target_LDADD = libviaduct.la
check_LTLIBRARIES =
COVERAGE_TEST = tests/check_coverage.test
if HAVE_CHECK
check_LTLIBRARIES += libviaduct-test.la
libviaduct_test_la_SOURCES = tests/support/support.c tests/support/support.h tests/support/balance.c \
  tests/support/heap.c tests/support/heap.h tests/support/sanitizers.h $(test_headers)
LINK_TEST = libviaduct-test.la
WRAPPING = $(AM_LDFLAGS) $(WRAP_HEAP)
check_PROGRAMS += $(VIA_TESTS)
TESTS += $(VIA_TESTS) $(COVERAGE_TEST)
# Processes that cannot be killed, and want of memory, are pretended.
tests_unit_process_test_pool_remains_tap_LDFLAGS += -Wl,--wrap=syscall,--wrap=via__zygote_kill,--wrap=fork
tests_unit_process_test_pool_crashes_tap_LDFLAGS += -Wl,--wrap=syscall,--wrap=via__zygote_kill,--wrap=via__zygote_stop \
  -Wl,--wrap=via__process_oom_kills,--wrap=via__pantry_new
# Threads that cannot be had, likewise.  (A definition of the same name would stand in the way of a sanitizer's own.)
tests_unit_process_test_pool_workers_tap_LDFLAGS += -Wl,--wrap=pthread_create
# What is closed, and when, is noticed.
tests_unit_process_test_zygote_tap_LDFLAGS += -Wl,--wrap=close
# Room in workers that is used up.
tests_unit_process_test_pool_misuse_tap_LDFLAGS += -Wl,--wrap=via__pantry_view
# The clock runs on at each look, where a test wants it to.
tests_unit_process_test_pool_prefetch_tap_LDFLAGS += -Wl,--wrap=clock_gettime
# The exit's handler that waits for a pool is noticed.
tests_unit_process_test_pool_exit_tap_LDFLAGS += -Wl,--wrap=via__cond_wait_until
endif

# The mapping is checked when every test program has run.
tests/check_coverage.log: $(VIA_TESTS:.tap=.log)
tests/check_gdb.log: tests/gdb/target

EXTRA_DIST += $(SCRIPT_TESTS) tests/check_coverage.test tests/coverage-names.txt tests/COVERAGE.md
