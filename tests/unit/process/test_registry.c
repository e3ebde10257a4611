/* SPDX-License-Identifier: BSD-3-Clause */
#include <config.h>

#include "support/support.h"

#include <string.h>

#include <viaduct/error.h>
#include <viaduct/process_pool.h>

#include "process/registry.h"

static int one(via_bytes_call *call, const void *in, size_t in_bytes)
{
    (void)call, (void)in, (void)in_bytes;
    return 1;
}

static int two(via_bytes_call *call, const void *in, size_t in_bytes)
{
    (void)call, (void)in, (void)in_bytes;
    return 2;
}

static void register_both(void)
{
    via_test_tolerate(VIA_TEST_HEAP, "names are for the life of the process");
    ck_assert_int_eq(via_process_register("one", one), 0);
    ck_assert_int_eq(via_process_register("two", two), 0);
}

TEST(a_name_and_its_function_lead_to_each_other)
{
    register_both();
    ck_assert_str_eq(via__registry_name((void *)one), "one");
    ck_assert_str_eq(via__registry_name((void *)two), "two");
    ck_assert_ptr_eq(via__registry_find("one"), (void *)one);
    ck_assert_ptr_eq(via__registry_find("two"), (void *)two);
    ck_assert_ptr_null(via__registry_find("three"));
    ck_assert_ptr_null(via__registry_name((void *)register_both));
}

TEST(the_same_pair_again_is_no_error)
{
    char again[] = "one";
    register_both();
    ck_assert_int_eq(via_process_register(again, one), 0);
}

TEST(a_name_has_one_function_and_a_function_one_name)
{
    register_both();
    ck_assert_int_eq(via_process_register("one", two), VIA_EBUSY);
    ck_assert_int_eq(via_process_register("three", one), VIA_EBUSY);
    ck_assert_ptr_null(via__registry_find("three"));
    ck_assert_ptr_eq(via__registry_find("one"), (void *)one);
}

TEST(what_is_no_name_or_function_is_refused)
{
    static char name[VIA__REGISTRY_NAME_BYTES + 2];
    via_test_tolerate(VIA_TEST_HEAP, "names are for the life of the process");
    memset(name, 'n', sizeof name - 1);
    ck_assert_int_eq(via_process_register(NULL, one), VIA_EINVAL);
    ck_assert_int_eq(via_process_register("", one), VIA_EINVAL);
    ck_assert_int_eq(via_process_register("none", NULL), VIA_EINVAL);
    ck_assert_int_eq(via_process_register(name, one), VIA_EINVAL);
    name[VIA__REGISTRY_NAME_BYTES] = '\0';
    ck_assert_int_eq(via_process_register(name, one), 0);
    ck_assert_ptr_eq(via__registry_find(name), (void *)one);
}

static int look_in_child(void *arg)
{
    (void)arg;
    return via__registry_find("one") == (void *)one && via_process_register("two", two) == 0 &&
           via__registry_find("two") == (void *)two;
}

TEST(a_forked_child_has_the_names_and_may_add_some)
{
    via_test_tolerate(VIA_TEST_HEAP, "names are for the life of the process");
    ck_assert_int_eq(via_process_register("one", one), 0);
    ck_assert_int_eq(via_test_fork(look_in_child, NULL), 1);
    ck_assert_ptr_null(via__registry_find("two"));
}

TEST_MAIN("process/registry", a_name_and_its_function_lead_to_each_other, the_same_pair_again_is_no_error,
          a_name_has_one_function_and_a_function_one_name, what_is_no_name_or_function_is_refused,
          a_forked_child_has_the_names_and_may_add_some)
