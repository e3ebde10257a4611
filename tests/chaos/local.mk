# SPDX-License-Identifier: BSD-3-Clause
# The chaos test: short in `make check`, ten thousand calls a round in `make check-chaos`.

check_PROGRAMS += tests/chaos/chaos.tap
TESTS += tests/chaos/chaos.tap
tests_chaos_chaos_tap_SOURCES = \
  tests/chaos/chaos.c \
  tests/chaos/chaos.h \
  tests/chaos/saboteur.c \
  tests/chaos/work.c
tests_chaos_chaos_tap_LDADD = $(LINK_PROCESS)

check-chaos: tests/chaos/chaos.tap
	VIADUCT_CHAOS_CALLS=$${VIADUCT_CHAOS_CALLS:-10000} tests/chaos/chaos.tap

.PHONY: check-chaos
