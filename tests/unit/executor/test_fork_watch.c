/* SPDX-License-Identifier: BSD-3-Clause */
/* A system that cannot tell of forks: executors are not made, since a child would inherit their locks. */
#include "unit/executor/fixture.h"

#include <pthread.h>

static int refuses;

/* clang's ThreadSanitizer is a part of the program and would come by here before it is ready. */
#if !UNDER_THREAD_SANITIZER
extern int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void), void *object);

/* Stands before the C library's, which is a part of every program. */
int pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void))
{
    return refuses ? ENOMEM : __register_atfork(prepare, parent, child, NULL);
}
#endif

static int refuse_job(void *self, via_job *job)
{
    (void)self;
    (void)job;
    return VIA_EPERM;
}

TEST(executors_are_not_made_where_forks_cannot_be_watched)
{
    static const struct via_executor_ops ops = {
        .kind = "refuser", .call_kinds = VIA_CALL_POINTER, .submit = refuse_job};
    via_executor *executor = NULL;

    if (UNDER_THREAD_SANITIZER)
        return;
    refuses = 1;
    ck_assert_int_eq(via_inline_new(&executor), VIA_ENOMEM);
    ck_assert_int_eq(via_thread_pool_new(NULL, &executor), VIA_ENOMEM);
    ck_assert_int_eq(via_pinned_new(NULL, &executor), VIA_ENOMEM);
    ck_assert_int_eq(via_executor_new(&ops, NULL, &executor), VIA_ENOMEM);
    ck_assert_int_eq(via_thread_interrupt_enable(0), VIA_ENOMEM);
    ck_assert_ptr_null(executor);
    refuses = 0;
    ck_assert_int_eq(via_inline_new(&executor), 0);
    close_executor(executor);
}

TEST_MAIN("executor/fork_watch", executors_are_not_made_where_forks_cannot_be_watched)
