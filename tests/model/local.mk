# SPDX-License-Identifier: BSD-3-Clause
# The models, searched by spin: the short way into a pool; the ways of sleeping and waking of a channel.

EXTRA_DIST += tests/model/README.md tests/model/check-model.sh tests/model/process_wakeup.pml \
  tests/model/short_way.pml

check-model:
	@SPIN='$(SPIN)' CC='$(CC)' $(SHELL) $(srcdir)/tests/model/check-model.sh '$(srcdir)' model-runs

.PHONY: check-model
