# SPDX-License-Identifier: BSD-3-Clause
# What a worker may write, fuzzed by clang's libFuzzer against the program's end of a channel.
#
#   VIADUCT_FUZZ_SECONDS   how long; the default is short
#   VIADUCT_FUZZ_CORPUS    a directory where new inputs are kept; the default is below fuzz-runs

FUZZ_PARTS = src/process/layout.c src/process/channel.c src/process/channel_shared.c \
  src/process/channel_socket.c
FUZZ_CORPUS = tests/fuzz/corpus/channel/answers tests/fuzz/corpus/channel/frames \
  tests/fuzz/corpus/channel/scribbles tests/fuzz/corpus/channel/end
EXTRA_DIST += tests/fuzz/channel_bytes.h tests/fuzz/fuzz_channel.c tests/fuzz/run-fuzz.sh $(FUZZ_CORPUS)

FUZZ_FLAGS = $(DEFS) $(DEFAULT_INCLUDES) -D_GNU_SOURCE -I$(top_builddir)/include -I$(top_srcdir)/include \
  -I$(top_srcdir)/src -I$(top_srcdir)/tests

check-fuzz:
	@CLANG='$(CLANG)' CPPFLAGS='$(FUZZ_FLAGS)' $(SHELL) $(srcdir)/tests/fuzz/run-fuzz.sh '$(srcdir)' fuzz-runs \
	  $(FUZZ_PARTS)

.PHONY: check-fuzz
