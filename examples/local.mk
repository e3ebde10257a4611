# SPDX-License-Identifier: BSD-3-Clause
# The examples.  The small ones and the gallery need the library alone (02_attach also libevent_core); sqlite_httpd is built where
# libevent_extra and sqlite3 are there, and listed in examples/examples.mk, which tools/update-sources.sh writes.

include examples/examples.mk

SMALL_EXAMPLES = \
  examples/01_hello \
  examples/02_attach \
  examples/03_threads_only \
  examples/04_cancel \
  examples/05_map \
  examples/06_strand \
  examples/07_own_executor \
  examples/08_progress \
  examples/09_bytes \
  examples/10_generator \
  examples/11_watchdog \
  examples/12_portal \
  examples/13_processes \
  examples/14_served_pool

noinst_PROGRAMS += $(SMALL_EXAMPLES)
examples_01_hello_LDADD = libviaduct.la
examples_02_attach_LDADD = libviaduct.la $(LIBEVENT_CORE_LIBS)
examples_03_threads_only_LDADD = libviaduct.la
examples_04_cancel_LDADD = libviaduct.la
examples_05_map_LDADD = libviaduct.la
examples_06_strand_LDADD = libviaduct.la
examples_07_own_executor_LDADD = libviaduct.la
examples_08_progress_LDADD = libviaduct.la
examples_09_bytes_LDADD = libviaduct.la
examples_10_generator_LDADD = libviaduct.la
examples_11_watchdog_LDADD = libviaduct.la
examples_12_portal_LDADD = libviaduct.la
examples_13_processes_LDADD = libviaduct.la
examples_14_served_pool_LDADD = libviaduct.la

# The decoder with the defects is a library of its own, shared where shared libraries are built: without -rpath
# libtool would make an archive of it.
noinst_LTLIBRARIES += examples/crashy_codec/libtzif.la
examples_crashy_codec_libtzif_la_SOURCES = examples/crashy_codec/tzif.c examples/crashy_codec/tzif.h
examples_crashy_codec_libtzif_la_CFLAGS = $(AM_CFLAGS) -fvisibility=default
examples_crashy_codec_libtzif_la_LDFLAGS = $(AM_LDFLAGS) -avoid-version -no-undefined -rpath $(abs_top_builddir)/examples

noinst_PROGRAMS += examples/crashy_codec/crashy_codec
examples_crashy_codec_crashy_codec_SOURCES = $(crashy_codec_sources)
examples_crashy_codec_crashy_codec_LDADD = libviaduct.la examples/crashy_codec/libtzif.la

noinst_PROGRAMS += $(GALLERY)
EXTRA_DIST += examples/gallery/gallery.h

if HAVE_EXAMPLES
noinst_PROGRAMS += $(SQLITE_GALLERY)
noinst_PROGRAMS += examples/sqlite_httpd/sqlite_httpd
examples_sqlite_httpd_sqlite_httpd_SOURCES = $(sqlite_httpd_sources)
examples_sqlite_httpd_sqlite_httpd_CPPFLAGS = $(AM_CPPFLAGS) $(EXAMPLES_CFLAGS)
examples_sqlite_httpd_sqlite_httpd_LDADD = libviaduct.la examples/crashy_codec/libtzif.la $(EXAMPLES_LIBS) -lm
endif

TESTS += tests/check_examples.test
EXTRA_DIST += tests/check_examples.test $(SMALL_EXAMPLES:=.out) $(GALLERY:=.out) $(SQLITE_GALLERY:=.out)

# What the programs must print is written by hand: without this GNU make would copy a program to its .out.
small_example_outputs = $(SMALL_EXAMPLES:=.out) $(GALLERY:=.out) $(SQLITE_GALLERY:=.out)
$(small_example_outputs):
	@:
