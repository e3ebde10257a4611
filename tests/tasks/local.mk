# SPDX-License-Identifier: BSD-3-Clause
# The model test of tasks: 3,000 random programs in `make check`, 100,000 in `make check-tasks`.

check_PROGRAMS += tests/tasks/tasks.tap
TESTS += tests/tasks/tasks.tap
tests_tasks_tasks_tap_SOURCES = \
  tests/tasks/model.c \
  tests/tasks/model.h \
  tests/tasks/model_future.c \
  tests/tasks/model_statement.c \
  tests/tasks/model_task.c \
  tests/tasks/program.c \
  tests/tasks/program.h \
  tests/tasks/run.c \
  tests/tasks/shrink.c \
  tests/tasks/tasks.c
tests_tasks_tasks_tap_LDADD = $(LINK_LIBRARY)

check-tasks: tests/tasks/tasks.tap
	VIADUCT_TASKS_PROGRAMS=$${VIADUCT_TASKS_PROGRAMS:-100000} tests/tasks/tasks.tap

.PHONY: check-tasks
