# SPDX-License-Identifier: BSD-3-Clause
# The stress test: short in `make check`, a million operations in `make check-stress`, with some orders through the
# channel of the process pool; as many of these as you like in `make check-stress-process`.

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

EXTRA_PROGRAMS += tests/stress/process_channel
tests_stress_process_channel_SOURCES = tests/stress/process_channel.c
tests_stress_process_channel_LDADD = $(LINK_PROCESS)
CLEANFILES += tests/stress/process_channel

check-stress: tests/stress/stress.tap check-stress-process
	VIADUCT_STRESS_OPS=$${VIADUCT_STRESS_OPS:-1000000} tests/stress/stress.tap

check-stress-process: tests/stress/process_channel
	tests/stress/process_channel

.PHONY: check-stress check-stress-process
