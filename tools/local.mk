# SPDX-License-Identifier: BSD-3-Clause
# The scripts that keep the promises, and the long variants of the tests.

EXTRA_DIST += \
  tools/layers \
  tools/check-coverage.sh \
  tools/check-docs.sh \
  tools/check-headers.sh \
  tools/check-layers.sh \
  tools/check-style.sh \
  tools/check-symbols.sh \
  tools/run-sanitized.sh \
  tools/run-valgrind.sh \
  tools/valgrind.supp \
  tools/update-sources.sh

# The whole suite again under a sanitizer, each in a build directory of its own below this one.
RUN_SANITIZED = $(SHELL) $(srcdir)/tools/run-sanitized.sh '$(srcdir)'

check-asan:
	+@$(RUN_SANITIZED) address '$(CC)' check-asan '$(MAKE)'

check-tsan: check-tsan-gcc check-tsan-clang

check-tsan-gcc:
	+@$(RUN_SANITIZED) thread '$(CC)' check-tsan-gcc '$(MAKE)'

check-tsan-clang:
	+@$(RUN_SANITIZED) thread '$(CLANG)' check-tsan-clang '$(MAKE)'

# The unit tests under memcheck.
check-valgrind: $(check_PROGRAMS)
	@$(SHELL) $(srcdir)/tools/run-valgrind.sh '$(VALGRIND)' $(srcdir)/tools/valgrind.supp $(VIA_TESTS)

mostlyclean-local:
	rm -rf check-asan check-tsan-gcc check-tsan-clang
	rm -rf model-runs
	rm -rf docs/html docs/man docs/man-raw docs/manual.stamp

.PHONY: check-asan check-tsan check-tsan-gcc check-tsan-clang check-valgrind
