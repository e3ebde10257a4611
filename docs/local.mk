# SPDX-License-Identifier: BSD-3-Clause
# The manual: man pages and HTML out of the header comments.  A warning of doxygen is an error.

man_dir = docs/man/man3
manual_sources = include/viaduct.h include/viaduct/version.h $(viaduct_headers)

docs/manual.stamp: docs/Doxyfile $(manual_sources) tools/make-man.sh
	rm -rf docs/html docs/man docs/man-raw
	$(DOXYGEN) docs/Doxyfile
	$(SHELL) $(top_srcdir)/tools/make-man.sh docs/man-raw/man3 $(man_dir)
	echo done >$@

doc: docs/manual.stamp
if !HAVE_MANUAL
	@echo "The manual needs doxygen when configure runs (Debian: doxygen)." >&2
	@exit 1
endif

if HAVE_MANUAL
# Only `make doc` and `make install` build the manual, not every `make`.
install-data-local: docs/manual.stamp
	$(MKDIR_P) $(DESTDIR)$(man3dir) $(DESTDIR)$(htmldir)
	$(INSTALL_DATA) $(man_dir)/*.3 $(DESTDIR)$(man3dir)
	cp -R docs/html/. $(DESTDIR)$(htmldir)
	chmod -R u+w,a+rX $(DESTDIR)$(htmldir)

uninstall-local:
	rm -f $(DESTDIR)$(man3dir)/via_*.3 $(DESTDIR)$(man3dir)/viaduct*.3
	rm -rf $(DESTDIR)$(htmldir)
endif

man3dir = $(mandir)/man3

EXTRA_DIST += tools/make-man.sh
.PHONY: doc
