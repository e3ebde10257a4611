# SPDX-License-Identifier: BSD-3-Clause
# The model of the short way into a pool, searched by spin.

EXTRA_DIST += tests/model/README.md tests/model/check-model.sh tests/model/short_way.pml

check-model:
	@SPIN='$(SPIN)' CC='$(CC)' $(SHELL) $(srcdir)/tests/model/check-model.sh '$(srcdir)' model-runs

.PHONY: check-model
