/* SPDX-License-Identifier: BSD-3-Clause */
/* Local values of a thread: set, get, reset, and who destroys them. */
#include "support/support.h"

#include <string.h>

#include <viaduct/error.h>
#include <viaduct/local.h>

#include "base/fork.h"
#include "base/locals.h"

static via_local *make_local(void (*destroy)(void *value))
{
    via_local *local = NULL;
    ck_assert_int_eq(via_local_new(destroy, &local), 0);
    ck_assert_ptr_nonnull(local);
    return local;
}

static void set(const via_local *local, void *value, struct via_local_token *token)
{
    ck_assert_int_eq(via_local_set(local, value, token), 0);
    ck_assert_ptr_eq(via_local_get(local), value);
}

TEST(a_value_is_there_until_it_is_reset)
{
    struct via_local_token first, second;
    int a = 1, b = 2;
    via_local *local = make_local(NULL);
    ck_assert_ptr_null(via_local_get(local));
    set(local, &a, &first);
    set(local, &b, &second);
    ck_assert_int_eq(via_local_reset(&second), 0);
    ck_assert_ptr_eq(via_local_get(local), &a);
    ck_assert_int_eq(via_local_reset(&first), 0);
    ck_assert_ptr_null(via_local_get(local));
    ck_assert_ptr_null(via__role.locals);
    ck_assert_ptr_null(via_local_free(local));
}

TEST(names_do_not_get_into_each_others_way)
{
    struct via_local_token tokens[3];
    int values[3];
    via_local *locals[3];
    for (int i = 0; i < 3; i++) {
        locals[i] = make_local(NULL);
        set(locals[i], &values[i], &tokens[i]);
    }
    ck_assert_int_eq(via_local_reset(&tokens[0]), 0);
    ck_assert_ptr_null(via_local_get(locals[0]));
    ck_assert_ptr_eq(via_local_get(locals[1]), &values[1]);
    ck_assert_ptr_eq(via_local_get(locals[2]), &values[2]);
    ck_assert_int_eq(via_local_reset(&tokens[2]), 0);
    ck_assert_int_eq(via_local_reset(&tokens[1]), 0);
    for (int i = 0; i < 3; i++)
        via_local_free(locals[i]);
}

TEST(a_token_is_good_for_one_reset)
{
    struct via_local_token token = {.id = 0};
    int value;
    via_local *local = make_local(NULL);
    ck_assert_int_eq(via_local_reset(&token), VIA_ESTATE);
    set(local, &value, &token);
    ck_assert_int_eq(via_local_reset(&token), 0);
    ck_assert_int_eq(via_local_reset(&token), VIA_ESTATE);
    via_local_free(local);
}

TEST(a_value_is_destroyed_when_nobody_can_see_it_any_more)
{
    struct via_test_counted a = {0}, b = {0}, c = {0};
    struct via_local_token token;
    via_local *local = make_local(via_test_counted_destroy);
    set(local, &a, NULL);
    struct via__locals *shared = via__locals_share();
    set(local, &b, &token);
    ck_assert_int_eq(via_test_destroyed(&a), 0);
    set(local, &c, NULL);
    ck_assert_int_eq(via_test_destroyed(&b), 1);
    ck_assert_int_eq(via_local_reset(&token), 0);
    ck_assert_int_eq(via_test_destroyed(&c), 1);
    ck_assert_ptr_eq(via_local_get(local), &a);
    struct via__locals *own = via__role.locals;
    via__role.locals = shared;
    ck_assert_ptr_eq(via_local_get(local), &a);
    via__role.locals = NULL;
    via__locals_unref(own);
    ck_assert_int_eq(via_test_destroyed(&a), 0);
    via__locals_unref(shared);
    ck_assert_int_eq(via_test_destroyed(&a), 1);
    via_local_free(local);
}

TEST(who_shares_a_set_does_not_see_what_is_changed)
{
    struct via_local_token one, two;
    int a = 1, b = 2;
    via_local *first = make_local(NULL), *second = make_local(NULL);
    set(first, &a, &one);
    struct via__locals *shared = via__locals_share();
    set(second, &b, &two);
    ck_assert_int_eq(via_local_reset(&two), 0);
    ck_assert_int_eq(via_local_reset(&one), 0);
    ck_assert_ptr_null(via__role.locals);
    via__role.locals = shared;
    ck_assert_ptr_eq(via_local_get(first), &a);
    ck_assert_ptr_null(via_local_get(second));
    via__role.locals = NULL;
    via__locals_unref(shared);
    via_local_free(first);
    via_local_free(second);
}

static void *set_here(void *arg)
{
    void **given = arg;
    ck_assert_ptr_null(via_local_get(given[0]));
    ck_assert_int_eq(via_local_set(given[0], given[1], NULL), 0);
    ck_assert_ptr_eq(via_local_get(given[0]), given[1]);
    return NULL;
}

TEST(each_thread_has_its_own_values_which_go_with_it)
{
    struct via_test_counted mine = {0}, theirs = {0};
    struct via_local_token token;
    struct via_test_thread thread;
    via_local *local = make_local(via_test_counted_destroy);
    void *given[2] = {local, &theirs};
    set(local, &mine, &token);
    via_test_thread_start(&thread, set_here, given);
    via_test_thread_join(&thread);
    ck_assert_int_eq(via_test_destroyed(&theirs), 1);
    ck_assert_ptr_eq(via_local_get(local), &mine);
    ck_assert_int_eq(via_local_reset(&token), 0);
    ck_assert_int_eq(via_test_destroyed(&mine), 1);
    via_local_free(local);
}

TEST(a_freed_name_takes_nothing_of_others_with_it)
{
    struct via_test_counted value = {0};
    struct via_local_token token;
    via_local *local = make_local(via_test_counted_destroy);
    set(local, &value, &token);
    via_local_free(local);
    via_local *other = make_local(NULL);
    ck_assert_ptr_null(via_local_get(other));
    ck_assert_int_eq(via_test_destroyed(&value), 0);
    ck_assert_int_eq(via_local_reset(&token), 0);
    ck_assert_int_eq(via_test_destroyed(&value), 1);
    via_local_free(other);
}

static int look_in_child(void *local)
{
    return via_local_get(local) ? 0 : 1;
}

TEST(a_forked_child_keeps_the_values)
{
    struct via_local_token token;
    int value;
    via_local *local = make_local(NULL);
    ck_assert_int_eq(via__fork_watch(), 0); /* a child forgets what its thread was */
    set(local, &value, &token);
    ck_assert_int_eq(via_test_fork(look_in_child, local), 0);
    ck_assert_int_eq(via_local_reset(&token), 0);
    via_local_free(local);
}

TEST(wrong_arguments_are_refused)
{
    ck_assert_int_eq(via_local_new(NULL, NULL), VIA_EINVAL);
    ck_assert_int_eq(via_local_set(NULL, NULL, NULL), VIA_EINVAL);
    ck_assert_int_eq(via_local_reset(NULL), VIA_EINVAL);
    ck_assert_ptr_null(via_local_get(NULL));
    ck_assert_ptr_null(via_local_free(NULL));
}

TEST_MAIN("base/locals", a_value_is_there_until_it_is_reset, names_do_not_get_into_each_others_way,
          a_token_is_good_for_one_reset, a_value_is_destroyed_when_nobody_can_see_it_any_more,
          who_shares_a_set_does_not_see_what_is_changed, each_thread_has_its_own_values_which_go_with_it,
          a_freed_name_takes_nothing_of_others_with_it, a_forked_child_keeps_the_values,
          wrong_arguments_are_refused)
