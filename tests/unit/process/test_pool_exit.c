/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pools at the end of the program.  The linker's --wrap tells when the exit's handler waits for a pool to
 * end.
 */
#include "pool_inside.h"

#include <sys/wait.h>

#include "base/lock.h"

static int is_exiting;
static via_buffer *exit_gate;

void __real_via__cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t deadline_ns);
void __wrap_via__cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t deadline_ns);
void __wrap_via__cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t deadline_ns)
{
    if (is_exiting)
        open_gate(exit_gate);
    __real_via__cond_wait_until(cond, mutex, deadline_ns);
}

static void note_exit(void)
{
    is_exiting = 1;
}

/* Leaves main() with a call running that ends once the exit waits for it; nobody else has the pool. */
static void leave_with_a_released_pool(int transport)
{
    struct via_process_pool_options options = pool_options(1);
    options.transport = transport;
    options.exit_timeout_ns = via_test_bound_ns();
    via_test_tolerate(VIA_TEST_HEAP | VIA_TEST_THREADS | VIA_TEST_DESCRIPTORS, "the process ends");
    via_executor *pool = open_with(&options);
    exit_gate = new_gate();
    via_cfuture_unref(occupy(pool, exit_gate));
    via_executor_unref(pool);
    atexit(note_exit); /* before the library's own, which is older */
}

TEST(the_exit_waits_for_a_pool_whose_server_is_the_last_to_have_it)
{
    EACH_TRANSPORT(transport)
    {
        int status = -1;
        pid_t pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
            leave_with_a_released_pool(transport);
            exit(7);
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_int_eq(status, 7 << 8);
    }
}

PROCESS_TEST_MAIN("process/pool_exit", the_exit_waits_for_a_pool_whose_server_is_the_last_to_have_it)
