# SPDX-License-Identifier: BSD-3-Clause
# The stress test: short in `make check`, a million operations in `make check-stress`.

check_PROGRAMS += tests/stress/stress.tap
TESTS += tests/stress/stress.tap
tests_stress_stress_tap_SOURCES = \
  tests/stress/items.c \
  tests/stress/loops.c \
  tests/stress/mail.c \
  tests/stress/operator.c \
  tests/stress/places.c \
  tests/stress/stress.c \
  tests/stress/stress.h
tests_stress_stress_tap_LDADD = $(LINK_BRIDGE)

check-stress: tests/stress/stress.tap
	VIADUCT_STRESS_OPS=$${VIADUCT_STRESS_OPS:-1000000} tests/stress/stress.tap

.PHONY: check-stress
