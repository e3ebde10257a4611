/* SPDX-License-Identifier: BSD-3-Clause */
/* Plugins for tests: copies of those that were built, in a directory of the test's own, and what they hold.
 */
#ifndef VIA_TEST_PLUGIN_FIXTURE_H
#define VIA_TEST_PLUGIN_FIXTURE_H

#include "support/support.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <viaduct/call.h>

/* Where the test works; removed by leave_directory(). */
static char plugin_directory[] = "/tmp/viaduct-plugin-XXXXXX";

static inline void enter_directory(void)
{
    ck_assert_ptr_nonnull(mkdtemp(plugin_directory));
}

static inline const char *in_directory(const char *name)
{
    static char path[8][PATH_MAX];
    static unsigned turn;
    char *result = path[turn++ % 8];
    snprintf(result, PATH_MAX, "%s/%s", plugin_directory, name);
    return result;
}

static inline void leave_directory(void)
{
    static const char *const names[] = {"a.so", "b.so", "new.so", "file"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        unlink(in_directory(names[i]));
    ck_assert_int_eq(rmdir(plugin_directory), 0);
}

/* One of the plugins that were built. */
static inline const char *built(const char *name)
{
    static char path[PATH_MAX];
    const char *top = getenv("top_builddir");
    snprintf(path, sizeof path, "%s/tests/process/%s", top ? top : ".", name);
    return path;
}

static inline void copy_into(const char *from, int to)
{
    char piece[4096];
    int fd = open(from, O_RDONLY | O_CLOEXEC);
    ck_assert_msg(fd >= 0, "%s is missing: run the test in the build directory", from);
    for (ssize_t bytes; (bytes = read(fd, piece, sizeof piece)) > 0;)
        ck_assert_int_eq(write(to, piece, (size_t)bytes), bytes);
    close(fd);
}

/* Puts a plugin at a path, as a new file, as installers do. */
static inline const char *put_plugin(const char *plugin, const char *name)
{
    const char *path = in_directory(name), *fresh = in_directory("new.so");
    int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
    ck_assert_int_ge(fd, 0);
    copy_into(built(plugin), fd);
    close(fd);
    ck_assert_int_eq(rename(fresh, path), 0);
    return path;
}

static inline void *load_plugin(const char *path)
{
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    ck_assert_msg(handle != NULL, "%s", dlerror());
    return handle;
}

static inline int is_loaded(const char *path)
{
    void *handle = dlopen(path, RTLD_LAZY | RTLD_NOLOAD);
    if (handle)
        dlclose(handle);
    return handle != NULL;
}

static inline void *shown_function(void *handle)
{
    return dlsym(handle, "plugin_shown");
}

static inline void *hidden_function(void *handle)
{
    via_bytes_fn (*get)(void) = (via_bytes_fn(*)(void))dlsym(handle, "plugin_hidden");
    return (void *)get();
}

/* What a function of a plugin answers. */
static inline int answer_of(void *function)
{
    return ((via_bytes_fn)function)(NULL, NULL, 0);
}

#endif
