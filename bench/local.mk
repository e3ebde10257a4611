# SPDX-License-Identifier: BSD-3-Clause
# The benchmarks: built and run by `make bench` alone.  A peer that is not installed is skipped, with a note.
# BENCH_FLAGS="--quick" and the like go to bench/run.py.

BENCH_DRIVER = bench/peers/driver.c bench/peers/measure.c bench/peers/measure.h bench/peers/peer.h
BENCH_NOTES =
bench_programs =

if HAVE_ZLIB
bench_programs += bench/peers/bench_viaduct bench/peers/task_viaduct bench/peers/process_viaduct bench/peers/process_raw
if HAVE_LIBUV
bench_programs += bench/peers/bench_uv
else
BENCH_NOTES += "libuv is skipped (Debian: libuv1-dev)."
endif
if HAVE_GLIB
bench_programs += bench/peers/bench_glib
else
BENCH_NOTES += "GLib is skipped (Debian: libglib2.0-dev)."
endif
if HAVE_ASIO
bench_programs += bench/peers/bench_asio
else
BENCH_NOTES += "Boost.Asio is skipped (Debian: libboost-dev)."
endif
if HAVE_GO
bench_programs += bench/peers/bench_go bench/peers/task_go
else
BENCH_NOTES += "Go is skipped (Debian: golang-go)."
endif
if HAVE_CARGO
bench_programs += bench/peers/task_tokio
else
BENCH_NOTES += "tokio is skipped (Debian: cargo librust-tokio-dev)."
endif
else
BENCH_NOTES += "The benchmarks need zlib (Debian: zlib1g-dev)."
endif

EXTRA_PROGRAMS += bench/peers/bench_viaduct bench/peers/task_viaduct bench/peers/process_viaduct bench/peers/process_raw \
  bench/peers/bench_uv bench/peers/bench_glib bench/peers/bench_asio

# -no-install: the program that is measured is then the program itself, not a script that starts it.
bench_peers_bench_viaduct_SOURCES = bench/peers/bench_viaduct.c $(BENCH_DRIVER)
bench_peers_bench_viaduct_LDFLAGS = $(AM_LDFLAGS) -no-install
bench_peers_bench_viaduct_LDADD = libviaduct.la $(ZLIB_LIBS)
bench_peers_task_viaduct_SOURCES = bench/peers/task_viaduct.c bench/peers/measure.c bench/peers/measure.h
bench_peers_task_viaduct_LDFLAGS = $(AM_LDFLAGS) -no-install
bench_peers_task_viaduct_LDADD = libviaduct.la $(ZLIB_LIBS)
bench_peers_process_viaduct_SOURCES = bench/peers/process_viaduct.c bench/peers/measure.c bench/peers/measure.h
bench_peers_process_viaduct_LDFLAGS = $(AM_LDFLAGS) -no-install
bench_peers_process_viaduct_LDADD = libviaduct.la $(ZLIB_LIBS)
bench_peers_process_raw_SOURCES = bench/peers/process_raw.c bench/peers/measure.c bench/peers/measure.h
bench_peers_process_raw_LDADD = $(ZLIB_LIBS)
bench_peers_bench_uv_SOURCES = bench/peers/bench_uv.c $(BENCH_DRIVER)
bench_peers_bench_uv_CFLAGS = $(AM_CFLAGS) $(LIBUV_CFLAGS)
bench_peers_bench_uv_LDADD = $(LIBUV_LIBS) $(ZLIB_LIBS)
bench_peers_bench_glib_SOURCES = bench/peers/bench_glib.c $(BENCH_DRIVER)
bench_peers_bench_glib_CFLAGS = $(AM_CFLAGS) $(GLIB_CFLAGS)
bench_peers_bench_glib_LDADD = $(GLIB_LIBS) $(ZLIB_LIBS)
bench_peers_bench_asio_SOURCES = bench/peers/bench_asio.cpp $(BENCH_DRIVER)
bench_peers_bench_asio_CXXFLAGS = $(AM_CXXFLAGS) -std=c++17 -pthread
bench_peers_bench_asio_LDADD = $(ZLIB_LIBS)

bench/peers/bench_go: bench/peers/bench_go.go
	@$(MKDIR_P) bench/peers
	GOCACHE=`pwd`/bench/gocache $(GO) build -o $@ $(srcdir)/bench/peers/bench_go.go
	@rm -rf bench/gocache

bench/peers/task_go: bench/peers/task_go.go
	@$(MKDIR_P) bench/peers
	GOCACHE=`pwd`/bench/gocache-task $(GO) build -o $@ $(srcdir)/bench/peers/task_go.go
	@rm -rf bench/gocache-task

# With Debian's packages of the crates and nothing from the network.  Cargo writes beside its manifest, so it
# gets a copy of it.  A machine whose crates do not do goes without.
CRATES = /usr/share/cargo/registry
CARGO_OFFLINE = --offline --config 'source.crates-io.replace-with="debian"' \
  --config 'source.debian.directory="$(CRATES)"'

bench/peers/task_tokio: bench/peers/task_tokio.toml bench/peers/task_tokio.rs
	@rm -rf bench/tokio
	@$(MKDIR_P) bench/peers bench/tokio/src
	@cp $(srcdir)/bench/peers/task_tokio.toml bench/tokio/Cargo.toml
	@cp $(srcdir)/bench/peers/task_tokio.rs bench/tokio/src/main.rs
	cd bench/tokio && if CARGO_HOME=`pwd`/home $(CARGO) build -q --release $(CARGO_OFFLINE) ; \
	  then cp target/release/task_tokio ../peers ; \
	  else echo "tokio is skipped: it could not be built (Debian: librust-tokio-dev)." ; fi
	@rm -rf bench/tokio

bench: $(bench_programs)
	@for note in $(BENCH_NOTES) ; do echo "$$note" ; done
if HAVE_ZLIB
if HAVE_PYTHON3
	$(PYTHON3) -B $(srcdir)/bench/run.py --programs bench/peers --out bench/out $(BENCH_FLAGS)
else
	@echo "The programs are in bench/peers; bench/run.py, which runs them, needs python3."
endif
endif

.PHONY: bench

CLEANFILES += bench/peers/bench_viaduct bench/peers/bench_uv bench/peers/bench_glib bench/peers/bench_asio \
  bench/peers/bench_go bench/peers/task_viaduct bench/peers/task_go bench/peers/task_tokio \
  bench/peers/process_viaduct bench/peers/process_raw \
  bench/out/samples.tsv bench/out/medians.tsv bench/out/RESULTS.md bench/out/results.svg

EXTRA_DIST += bench/RESULTS.md bench/results.svg bench/README.md bench/run.py bench/report.py bench/plot.py bench/peers/bench_go.go bench/peers/bench_python.py \
  bench/peers/bench_viaduct.c bench/peers/bench_uv.c bench/peers/bench_glib.c bench/peers/bench_asio.cpp \
  bench/peers/driver.c bench/peers/measure.c bench/peers/measure.h bench/peers/peer.h \
  bench/peers/task_viaduct.c bench/peers/task_go.go bench/peers/task_tokio.rs bench/peers/task_tokio.toml \
  bench/peers/task_python.py bench/peers/process_viaduct.c bench/peers/process_raw.c bench/peers/process_python.py
