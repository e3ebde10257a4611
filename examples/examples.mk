# SPDX-License-Identifier: BSD-3-Clause
# Written by tools/update-sources.sh.
sqlite_httpd_sources = \
  examples/sqlite_httpd/demo.c \
  examples/sqlite_httpd/demo.h \
  examples/sqlite_httpd/driver.c \
  examples/sqlite_httpd/driver.h \
  examples/sqlite_httpd/executors.c \
  examples/sqlite_httpd/executors.h \
  examples/sqlite_httpd/import.c \
  examples/sqlite_httpd/import.h \
  examples/sqlite_httpd/json.c \
  examples/sqlite_httpd/json.h \
  examples/sqlite_httpd/listen.c \
  examples/sqlite_httpd/listen.h \
  examples/sqlite_httpd/main.c \
  examples/sqlite_httpd/params.c \
  examples/sqlite_httpd/params.h \
  examples/sqlite_httpd/progress.c \
  examples/sqlite_httpd/progress.h \
  examples/sqlite_httpd/query.c \
  examples/sqlite_httpd/query.h \
  examples/sqlite_httpd/server.c \
  examples/sqlite_httpd/server.h \
  examples/sqlite_httpd/stats.c \
  examples/sqlite_httpd/stats.h \
  examples/sqlite_httpd/svg.c \
  examples/sqlite_httpd/svg.h
