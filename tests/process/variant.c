/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The program of the variants: a static function of its own, and of each plugin that its arguments name the
 * shown and the hidden one.  FORGOTTEN, ON_SOME_PATHS, LINKED and NESTED make it others.
 *
 * The environment has it do other things: VARIANT_ROWS, a plugin or "program", to go through the ways in
 * which calls end badly; VARIANT_MISTAKE, to be set up wrongly; VARIANT_START_MS, to wait so long for a copy;
 * VARIANT_STARTS, to note in a file that main() was come to.
 */
#include "variant.h"
#include "variant_rows.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include <viaduct/process_pool.h>

/* What main() sets after via_process_enter() is as before in a copy. */
static int set_by_main = 41;

static int in_program(via_bytes_call *call, const void *in, size_t in_bytes)
{
    (void)call, (void)in, (void)in_bytes;
    return set_by_main;
}

#if LINKED
int plugin_shown(via_bytes_call *call, const void *in, size_t in_bytes);
via_bytes_fn plugin_hidden(void);
#endif

#if !STATIC
/* A plugin that has no path: what follows "memory:" is copied to a memory file, and loaded from there. */
static void *open_from_memory(const char *path)
{
    char bytes[4096], name[64];
    int from = open(path, O_RDONLY | O_CLOEXEC), to = memfd_create("plugin", MFD_CLOEXEC);
    for (ssize_t got; (got = read(from, bytes, sizeof bytes)) > 0;)
        if (write(to, bytes, (size_t)got) != got)
            _exit(84);
    close(from);
    snprintf(name, sizeof name, "/proc/self/fd/%d", to);
    void *handle = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    close(to);
    return handle;
}

static void add_plugin(const char *path)
{
    void *handle =
        strncmp(path, "memory:", 7) == 0 ? open_from_memory(path + 7) : dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        printf("%s\n", dlerror());
        _exit(80);
    }
    via_bytes_fn (*get)(void) = (via_bytes_fn(*)(void))dlsym(handle, "plugin_hidden");
    variant_add("shown", (via_bytes_fn)dlsym(handle, "plugin_shown"));
    variant_add("hidden", get());
}
#endif

static const struct variant_functions *functions_of(const char *where)
{
#if !STATIC
    void *handle = strcmp(where, "program") != 0 ? dlopen(where, RTLD_NOW | RTLD_LOCAL) : NULL;
    if (handle)
        return ((const struct variant_functions *(*)(void))dlsym(handle, "variant_functions"))();
#endif
    if (strcmp(where, "program") != 0)
        _exit(82);
    return variant_functions();
}

static void note_start(void)
{
    const char *path = getenv("VARIANT_STARTS");
    int fd = path ? open(path, O_WRONLY | O_APPEND | O_CLOEXEC) : -1;
    if (fd >= 0) {
        if (write(fd, "x", 1) != 1)
            _exit(83);
        close(fd);
    }
}

/* What is wrong in a main(); a copy of the program is known by its arguments.  1 if it is not to enter. */
static int make_mistake(const char *mistake, int argc)
{
    int is_copy = argc == 1;
    if (!mistake)
        return 0;
    if (is_copy && strcmp(mistake, "exits") == 0)
        exit(2);
    while (is_copy && strcmp(mistake, "blocks") == 0)
        pause();
    return strcmp(mistake, "forgets") == 0 || (is_copy && strcmp(mistake, "some paths") == 0);
}

int main(int argc, char **argv)
{
    const char *rows = getenv("VARIANT_ROWS");
    note_start();
    if (make_mistake(getenv("VARIANT_MISTAKE"), argc))
        return variant_run();
#if ON_SOME_PATHS
    if (argc > 1)
        via_process_enter();
#elif !FORGOTTEN
    via_process_enter();
#endif
    if (getauxval(AT_SECURE))
        printf("secure\n");
    if (rows)
        return variant_rows(functions_of(rows));
    set_by_main = 42;
    variant_add("program", in_program);
#if LINKED
    variant_add("linked", plugin_shown);
    variant_add("hidden", plugin_hidden());
#endif
#if NESTED
    int local = argc;
    int nested(via_bytes_call * call, const void *in, size_t in_bytes)
    {
        (void)call, (void)in, (void)in_bytes;
        return local;
    }
    variant_add("nested", nested);
#endif
#if STATIC
    (void)argc, (void)argv;
#else
    for (int i = 1; i < argc && argv[i][0] != '-'; i++)
        add_plugin(argv[i]);
    if (argc > 1 && chdir("/") < 0)
        return 81;
#endif
    return variant_run();
}
