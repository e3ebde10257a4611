/* SPDX-License-Identifier: BSD-3-Clause */
#include "support/support.h"

#include "base/fork.h"
#include "base/lock.h"
#include "base/role.h"

static int generations_on(void *before)
{
    return (int)(via__fork_generation() - *(unsigned *)before);
}

TEST(each_fork_is_a_new_generation)
{
    unsigned before;

    ck_assert_int_eq(via__fork_watch(), 0);
    before = via__fork_generation();
    ck_assert_int_eq(via_test_fork(generations_on, &before), 1);
    ck_assert_uint_eq(via__fork_generation(), before);
}

static int fork_again(void *before)
{
    return via_test_fork(generations_on, before);
}

TEST(a_grandchild_is_two_generations_on)
{
    unsigned before;

    ck_assert_int_eq(via__fork_watch(), 0);
    ck_assert_int_eq(via__fork_watch(), 0);
    before = via__fork_generation();
    ck_assert_int_eq(via_test_fork(fork_again, &before), 2);
}

static int is_nobody(void *address)
{
    int free = pthread_mutex_trylock(via__hashlock(address)) == 0;

    return via__role.loop || via__role.frame ? 1 : free ? 0 : 2;
}

TEST(the_child_has_no_role_and_free_locks)
{
    int here;

    ck_assert_int_eq(via__fork_watch(), 0);
    via__role.loop = &here;
    via__role.frame = &here;
    pthread_mutex_lock(via__hashlock(&here));
    ck_assert_int_eq(via_test_fork(is_nobody, &here), 0);
    pthread_mutex_unlock(via__hashlock(&here));
    ck_assert_ptr_eq(via__role.loop, &here);
    via__role_reset();
    ck_assert_ptr_null(via__role.loop);
    ck_assert_ptr_null(via__role.frame);
}

TEST_MAIN("base/fork", each_fork_is_a_new_generation, a_grandchild_is_two_generations_on,
          the_child_has_no_role_and_free_locks)
