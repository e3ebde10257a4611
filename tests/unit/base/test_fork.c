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

static int first_resets, second_resets;

static void reset_first(void)
{
    first_resets++;
}

static void reset_second(void)
{
    second_resets++;
}

static int count_resets(void *unused)
{
    (void)unused;
    return 10 * first_resets + second_resets;
}

static int count_resets_below(void *unused)
{
    return via_test_fork(count_resets, unused);
}

TEST(the_layers_above_reset_themselves_once_in_each_child)
{
    ck_assert_int_eq(via__fork_watch(), 0);
    via__fork_on_child(reset_first);
    via__fork_on_child(reset_second);
    via__fork_on_child(reset_first);
    ck_assert_int_eq(via_test_fork(count_resets, NULL), 11);
    ck_assert_int_eq(via_test_fork(count_resets_below, NULL), 22);
    ck_assert_int_eq(first_resets, 0);
}

/* Two threads that are first at once may both install the handlers. */
TEST(handlers_that_were_installed_twice_count_a_fork_once)
{
    unsigned before = via__fork_generation();

    ck_assert_int_eq(via__fork_watch(), 0);
    ck_assert_int_eq(via__fork_install(), 0);
    ck_assert_int_eq(via_test_fork(generations_on, &before), 1);
    ck_assert_int_eq(via_test_fork(fork_again, &before), 2);
}

TEST_MAIN("base/fork", each_fork_is_a_new_generation, a_grandchild_is_two_generations_on,
          the_child_has_no_role_and_free_locks, the_layers_above_reset_themselves_once_in_each_child,
          handlers_that_were_installed_twice_count_a_fork_once)
