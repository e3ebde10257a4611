/* SPDX-License-Identifier: BSD-3-Clause */
/* Scenarios of process pools whose functions are found by a name, or in a plugin. */
#include "scenarios_process.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "ledger.h"

static int give_back_by_name(via_bytes_call *call, const void *in, size_t bytes)
{
    return give_back(call, in, bytes);
}

/* A name is kept for the life of the process. */
static int register_name(void)
{
    ledger_leave_out(true);
    int status = via_process_register("fault", give_back_by_name);
    ledger_leave_out(false);
    return status;
}

void process_enter(void)
{
    fault_pause();
    (void)register_name();
    fault_resume();
}

void run_named(void)
{
    static const char in[SMALL_BYTES] = "aaaaaaaaaaaaaaaa";
    via_executor *pool = pool_over(VIA_TRANSPORT_SHARED, 1);
    if (!pool)
        return;
    if (FAULT_WORKED(register_name()))
        for (int i = 0; i < TRIES; i++)
            (void)finish(submit_bytes(pool, give_back_by_name, in, sizeof(in)), sizeof(in), 'a');
    check_alive(pool);
    check_and_shut(pool);
}

/* What a plugin's function answers is a code of its own. */
static void call_plugin(via_executor *pool, via_bytes_fn fn)
{
    int worked = 0;
    for (int i = 0; i < TRIES; i++)
        worked += finish_with(submit_bytes(pool, fn, NULL, 0), VIA_EFAILED);
    FAULT_CHECK(worked > 1 || fault_lasts());
}

/* The plugin as it was built, or a copy of it that is gone when workers are to load it. */
static void *load_plugin(bool is_gone)
{
    char path[PATH_MAX], copy[] = "/tmp/viaduct-fault-plugin-XXXXXX", command[2 * PATH_MAX];
    const char *top = getenv("top_builddir");
    snprintf(path, sizeof(path), "%s/tests/process/plugin.so", top ? top : ".");
    if (!is_gone)
        return dlopen(path, RTLD_NOW | RTLD_LOCAL);
    int fd = mkstemp(copy);
    snprintf(command, sizeof(command), "cp '%s' '%s'", path, copy);
    void *handle = fd >= 0 && system(command) == 0 ? dlopen(copy, RTLD_NOW | RTLD_LOCAL) : NULL;
    close(fd);
    unlink(copy);
    return handle;
}

static void run_plugin(int transport, bool is_gone)
{
    fault_pause();
    void *handle = load_plugin(is_gone);
    via_bytes_fn fn = handle ? (via_bytes_fn)dlsym(handle, "plugin_shown") : NULL;
    fault_resume();
    via_executor *pool = FAULT_CHECK(fn != NULL) ? pool_over(transport, 1) : NULL;
    if (pool) {
        call_plugin(pool, fn);
        check_alive(pool);
        check_and_shut(pool);
    }
    if (handle)
        dlclose(handle);
}

void run_plugin_shared(void)
{
    run_plugin(VIA_TRANSPORT_SHARED, false);
}

void run_plugin_socket(void)
{
    run_plugin(VIA_TRANSPORT_SOCKET, true);
}
