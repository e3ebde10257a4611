# SPDX-License-Identifier: BSD-3-Clause
# The fault driver: in `make check` long sweeps go in steps, `make check-fault` tries every single call where no
# processes are started, and with VIADUCT_FAULT_FULL=1 everywhere.

# Every run is a forked child with threads of its own, which ThreadSanitizer does not allow; and its run-time
# library in a program of clang's calls the wrapped functions before it is ready for them.
if !THREAD_SANITIZER
check_PROGRAMS += tests/fault/fault.tap
TESTS += tests/fault/fault.tap
tests_fault_fault_tap_SOURCES = \
  tests/fault/fault.c \
  tests/fault/inject.c \
  tests/fault/inject.h \
  tests/fault/ledger.c \
  tests/fault/ledger.h \
  tests/fault/scenario.c \
  tests/fault/scenario.h \
  tests/fault/scenarios_bridge.c \
  tests/fault/scenarios_coro.c \
  tests/fault/scenarios_executor.c \
  tests/fault/scenarios_loop.c \
  tests/fault/scenarios_named.c \
  tests/fault/scenarios_process.c \
  tests/fault/scenarios_process.h \
  tests/fault/scenarios_sync.c \
  tests/fault/scenarios_task.c \
  tests/fault/wrap.h \
  tests/fault/wrap_mapping.c \
  tests/fault/wrap_memory.c \
  tests/fault/wrap_process.c \
  tests/fault/wrap_system.c \
  tests/fault/wrap_thread.c
tests_fault_fault_tap_LDADD = libviaduct-process.la libviaduct-combine.la $(LINK_SYNC)
tests_fault_fault_tap_LDFLAGS = $(AM_LDFLAGS) $(WRAP_HEAP) \
  -Wl,--wrap=mmap,--wrap=mmap64,--wrap=mprotect,--wrap=madvise \
  -Wl,--wrap=pthread_create,--wrap=pthread_attr_init,--wrap=pthread_key_create \
  -Wl,--wrap=pthread_setspecific,--wrap=pthread_atfork \
  -Wl,--wrap=posix_spawn,--wrap=fork,--wrap=execve,--wrap=syscall,--wrap=prctl,--wrap=timer_create \
  -Wl,--wrap=memfd_create,--wrap=ftruncate,--wrap=pwrite,--wrap=fcntl,--wrap=open,--wrap=opendir,--wrap=fopen \
  -Wl,--wrap=send,--wrap=sendmsg,--wrap=recv,--wrap=recvmsg,--wrap=poll,--wrap=ppoll
EXTRA_tests_fault_fault_tap_DEPENDENCIES = $(PLUGINS)
if HAVE_EXAMPLES
# The server is linked in, so that its own allocations fail too.
tests_fault_fault_tap_SOURCES += \
  tests/fault/scenarios_httpd.c \
  tests/fault/wrap_http.c \
  tests/fault/wrap_sqlite.c \
  examples/crashy_codec/tzif.c \
  examples/crashy_codec/tzif.h \
  examples/sqlite_httpd/apart.h \
  examples/sqlite_httpd/callbacks.c \
  examples/sqlite_httpd/coroutines.c \
  examples/sqlite_httpd/executors.c \
  examples/sqlite_httpd/executors.h \
  examples/sqlite_httpd/import.c \
  examples/sqlite_httpd/import.h \
  examples/sqlite_httpd/json.c \
  examples/sqlite_httpd/json.h \
  examples/sqlite_httpd/listen.c \
  examples/sqlite_httpd/listen.h \
  examples/sqlite_httpd/params.c \
  examples/sqlite_httpd/params.h \
  examples/sqlite_httpd/progress.c \
  examples/sqlite_httpd/progress.h \
  examples/sqlite_httpd/query.c \
  examples/sqlite_httpd/query.h \
  examples/sqlite_httpd/request.c \
  examples/sqlite_httpd/request.h \
  examples/sqlite_httpd/server.c \
  examples/sqlite_httpd/server.h \
  examples/sqlite_httpd/similar.c \
  examples/sqlite_httpd/stats.c \
  examples/sqlite_httpd/stats.h \
  examples/sqlite_httpd/zone.c
tests_fault_fault_tap_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/examples/sqlite_httpd $(EXAMPLES_CFLAGS) -DFAULT_HTTPD
tests_fault_fault_tap_LDADD += $(EXAMPLES_LIBS)
endif
endif

check-fault: tests/fault/fault.tap
	VIADUCT_FAULT_FULL=$${VIADUCT_FAULT_FULL:-but-processes} tests/fault/fault.tap

.PHONY: check-fault
