# SPDX-License-Identifier: BSD-3-Clause
# The library: one convenience library per layer, so that a unit test links its own layer and those below it.

include src/sources.mk

noinst_LTLIBRARIES = \
  libviaduct-base.la \
  libviaduct-coro.la \
  libviaduct-future.la \
  libviaduct-executor.la \
  libviaduct-loop.la \
  libviaduct-process.la \
  libviaduct-bridge.la \
  libviaduct-task.la \
  libviaduct-combine.la \
  libviaduct-sync.la \
  libviaduct-debug.la

# Listed from the top layer down, so that a linker that reads them once finds everything.
LINK_BASE = libviaduct-base.la
LINK_CORO = libviaduct-coro.la $(LINK_BASE)
LINK_FUTURE = libviaduct-future.la $(LINK_BASE)
LINK_EXECUTOR = libviaduct-executor.la $(LINK_FUTURE)
LINK_LOOP = libviaduct-loop.la $(LINK_BASE) $(LIBEVENT_CORE_LIBS)
LINK_PROCESS = libviaduct-process.la libviaduct-executor.la libviaduct-loop.la libviaduct-future.la \
  libviaduct-base.la $(LIBEVENT_CORE_LIBS)
LINK_BRIDGE = libviaduct-bridge.la libviaduct-executor.la libviaduct-loop.la libviaduct-future.la \
  libviaduct-base.la $(LIBEVENT_CORE_LIBS)
LINK_TASK = libviaduct-task.la libviaduct-coro.la $(LINK_BRIDGE)
LINK_COMBINE = libviaduct-combine.la $(LINK_TASK)
LINK_SYNC = libviaduct-sync.la $(LINK_TASK)
LINK_DEBUG = libviaduct-debug.la libviaduct-sync.la $(LINK_COMBINE)
LINK_LIBRARY = libviaduct.la $(LIBEVENT_CORE_LIBS)

lib_LTLIBRARIES = libviaduct.la
libviaduct_la_SOURCES =
libviaduct_la_LIBADD = libviaduct-process.la $(LINK_DEBUG)
libviaduct_la_LDFLAGS = $(AM_LDFLAGS) -no-undefined -version-info 0:0:0
libviaduct_la_DEPENDENCIES = libviaduct-debug.la libviaduct-sync.la libviaduct-combine.la libviaduct-task.la \
  libviaduct-coro.la libviaduct-bridge.la libviaduct-process.la libviaduct-executor.la libviaduct-loop.la \
  libviaduct-future.la libviaduct-base.la
if HAVE_VERSION_SCRIPT
libviaduct_la_LDFLAGS += -Wl,--version-script=$(top_srcdir)/src/libviaduct.map -Wl,-Bsymbolic-functions
libviaduct_la_DEPENDENCIES += src/libviaduct.map
endif
EXTRA_DIST += src/libviaduct.map

# The switch itself, out of Boost.Context's archive: the script stands in for a compiler.
if FCONTEXT
libviaduct_coro_la_LIBADD = src/coro/fcontext.lo
src/coro/fcontext.lo: $(BOOST_CONTEXT_ARCHIVE) tools/take-fcontext.sh
	@$(MKDIR_P) src/coro
	$(AM_V_GEN)NM='$(NM)' CC='$(CC) $(CFLAGS)' OBJCOPY='$(OBJCOPY)' AR='$(AR)' $(LIBTOOL) $(AM_LIBTOOLFLAGS) --silent \
	  --tag=CC --mode=compile $(SHELL) $(top_srcdir)/tools/take-fcontext.sh -c $(BOOST_CONTEXT_ARCHIVE) -o $@
endif
EXTRA_DIST += tools/take-fcontext.sh

# What stands before main() where the source is not to be touched: an archive of its own, for the linker has to
# see it beside the program's objects.
lib_LIBRARIES = libviaduct-main.a
libviaduct_main_a_SOURCES = src/process/main/wrap_main.c
libviaduct_main_a_CFLAGS = $(AM_CFLAGS) -fPIC

include_HEADERS = include/viaduct.h
viaductincludedir = $(includedir)/viaduct
viaductinclude_HEADERS = $(viaduct_headers)
nodist_viaductinclude_HEADERS = include/viaduct/version.h

pkgconfig_DATA = viaduct.pc viaduct-main.pc
dist_pkgdata_DATA = tools/viaduct-gdb.py

# What was installed is enough to build and run a program: headers, library and pkg-config files; and one that
# does not know of process pools passes via_process_enter() all the same.
installcheck-local:
	PKG_CONFIG_PATH='$(DESTDIR)$(pkgconfigdir)'; export PKG_CONFIG_PATH; \
	$(CC) $(VIA_CFLAGS) $(CFLAGS) $(LDFLAGS) -o installed-hello \
	  `$(PKG_CONFIG) --cflags viaduct` $(srcdir)/examples/01_hello.c `$(PKG_CONFIG) --libs viaduct`
	LD_LIBRARY_PATH='$(DESTDIR)$(libdir)' ./installed-hello | cmp - $(srcdir)/examples/01_hello.out
	rm -f installed-hello
	PKG_CONFIG_PATH='$(DESTDIR)$(pkgconfigdir)'; export PKG_CONFIG_PATH; \
	$(CC) $(VIA_CFLAGS) $(CFLAGS) $(LDFLAGS) -o installed-main \
	  `$(PKG_CONFIG) --cflags viaduct-main` $(srcdir)/examples/01_hello.c `$(PKG_CONFIG) --libs viaduct-main`
	LD_LIBRARY_PATH='$(DESTDIR)$(libdir)' ./installed-main | cmp - $(srcdir)/examples/01_hello.out
	$(NM) installed-main | grep -q ' T __wrap_main$$'
	rm -f installed-main
