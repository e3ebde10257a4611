/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The program of the variants: a static function of its own, and of each plugin that its arguments name the
 * shown and the hidden one.  FORGOTTEN, ON_SOME_PATHS, LINKED and NESTED make it others.
 */
#include "variant.h"

#include <dlfcn.h>
#include <stdio.h>
#include <sys/auxv.h>
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
static void add_plugin(const char *path)
{
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        printf("%s\n", dlerror());
        _exit(80);
    }
    via_bytes_fn (*get)(void) = (via_bytes_fn(*)(void))dlsym(handle, "plugin_hidden");
    variant_add("shown", (via_bytes_fn)dlsym(handle, "plugin_shown"));
    variant_add("hidden", get());
}
#endif

int main(int argc, char **argv)
{
#if ON_SOME_PATHS
    if (argc > 1)
        via_process_enter();
#elif !FORGOTTEN
    via_process_enter();
#endif
    if (getauxval(AT_SECURE))
        printf("secure\n");
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
