/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Functions that are named for workers.  This program registers its names before main(), and what a copy of
 * it finds under them is another function, as in a program of another build.
 */
#include "pool_fixture.h"

#define COPY "VIADUCT_TEST_COPY"

static int say_program(via_bytes_call *call, const void *in, size_t bytes)
{
    (void)in;
    (void)bytes;
    return give_back(call, "program", 7);
}

static int say_copy(via_bytes_call *call, const void *in, size_t bytes)
{
    (void)in;
    (void)bytes;
    return give_back(call, "copy", 4);
}

/* Known by its name in the program alone. */
static int say_nothing(via_bytes_call *call, const void *in, size_t bytes)
{
    (void)call;
    (void)in;
    (void)bytes;
    return 0;
}

__attribute__((constructor)) static void register_names(void)
{
    int is_copy = getenv(COPY) != NULL;
    if (via_process_register("who", is_copy ? say_copy : say_program) < 0)
        _exit(70);
    if (!is_copy && via_process_register("nothing", say_nothing) < 0)
        _exit(71);
}

static via_executor *open_named(int transport, int fresh_exec)
{
    struct via_process_pool_options options = pool_options(1);
    options.transport = transport;
    options.fresh_exec = fresh_exec;
    ck_assert_int_eq(setenv(COPY, "1", 1), 0);
    via_executor *pool = open_with(&options);
    if (!fresh_exec)
        unsetenv(COPY);
    return pool;
}

TEST(a_name_leads_to_what_the_worker_has_under_it)
{
    for (int fresh_exec = 0; fresh_exec < 2; fresh_exec++) {
        EACH_TRANSPORT(transport)
        {
            via_executor *pool = open_named(transport, fresh_exec);
            via_cfuture *cf = submit(pool, say_program, NULL, 0);
            struct via_outcome outcome = wait_outcome(cf);
            ck_assert_int_eq(outcome.status, 0);
            ck_assert_uint_eq(outcome.bytes, 4);
            ck_assert_mem_eq(outcome.value, "copy", 4);
            via_cfuture_unref(cf);
            ck_assert_int_eq(finish(submit(pool, do_nothing, NULL, 0)), 0); // by its place, beside it
            close_pool(pool);
            unsetenv(COPY);
        }
    }
}

TEST(a_name_that_the_worker_does_not_have_fails_its_call_alone)
{
    EACH_TRANSPORT(transport)
    {
        via_executor *pool = open_named(transport, 0);
        for (int i = 0; i < 2; i++) {
            via_cfuture *cf = submit(pool, say_nothing, NULL, 0);
            struct via_outcome outcome = wait_outcome(cf);
            ck_assert_int_eq(outcome.status, VIA_EINVAL);
            ck_assert_msg(strstr(outcome.message, "nothing") &&
                              strstr(outcome.message, "via_process_register"),
                          "%s", outcome.message);
            via_cfuture_unref(cf);
        }
        ck_assert_int_eq(finish(submit(pool, do_nothing, NULL, 0)), 0);
        ck_assert_uint_eq(process_stats(pool).started, 1);
        close_pool(pool);
    }
}

PROCESS_TEST_MAIN("process/pool_named", a_name_leads_to_what_the_worker_has_under_it,
                  a_name_that_the_worker_does_not_have_fails_its_call_alone)
