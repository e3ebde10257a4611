/* SPDX-License-Identifier: BSD-3-Clause */
/* via_fail() in coroutines: the innermost gets code and text. */
#include "support/sanitizers.h"
#include "support/support.h"

#include <setjmp.h>
#include <stdlib.h>
#include <viaduct.h>

#include "base/role.h"

static via_coro *coro_new(via_coro_fn fn, void *arg)
{
    via_coro *coro = NULL;
    ck_assert_int_eq(via_coro_new(fn, arg, NULL, &coro), 0);
    return coro;
}

static void assert_outcome(via_coro *coro, int status, int code, const char *message)
{
    struct via_outcome outcome;
    ck_assert_int_eq(via_coro_outcome(coro, &outcome), 0);
    ck_assert_int_eq(outcome.status, status);
    ck_assert_int_eq(outcome.code, code);
    ck_assert_pstr_eq(outcome.message, message);
}

static int say_and_yield(void *arg, void **result)
{
    int rc;
    (void)via_fail(1, "not this");
    (void)result;
    rc = via_fail(-7, "line %d", *(int *)arg);
    ck_assert_int_eq(rc, VIA_EFAILED);
    return via_coro_yield(NULL, NULL) < 0 ? VIA_ECANCELED : rc;
}

TEST(code_and_text_are_in_the_outcome_also_when_it_has_yielded_since)
{
    int line = 12;
    via_coro *coro = coro_new(say_and_yield, &line);
    ck_assert_int_eq(via_coro_next(coro, NULL), 1);
    ck_assert_int_eq(via_coro_next(coro, NULL), VIA_EFAILED);
    assert_outcome(coro, VIA_EFAILED, -7, "line 12");
    ck_assert_ptr_null(via_coro_free(coro));
}

TEST(the_text_goes_if_it_ends_otherwise)
{
    int line = 12;
    via_coro *coro = coro_new(say_and_yield, &line);
    ck_assert_int_eq(via_coro_next(coro, NULL), 1);
    ck_assert_int_eq(via_coro_close(coro), 0);
    assert_outcome(coro, VIA_ECANCELED, 0, NULL);
    via_coro_free(coro);
}

TEST(it_may_be_dropped_with_a_text)
{
    int line = 12;
    via_coro *coro = coro_new(say_and_yield, &line);
    ck_assert_int_eq(via_coro_next(coro, NULL), 1);
    ck_assert_ptr_null(via_coro_free(coro));
}

static int give_code(void *arg, void **result)
{
    (void)result;
    return *(int *)arg;
}

TEST(without_it_there_is_the_code_alone)
{
    static const int codes[] = {5, VIA_EFAILED};
    for (int i = 0; i < 2; i++) {
        via_coro *coro = coro_new(give_code, (void *)&codes[i]);
        ck_assert_int_eq(via_coro_next(coro, NULL), VIA_EFAILED);
        assert_outcome(coro, VIA_EFAILED, i == 0 ? 5 : 0, NULL);
        via_coro_free(coro);
    }
}

static int say_nothing_but_code(void *arg, void **result)
{
    (void)arg;
    (void)result;
    (void)via_fail(1, "a text");
    return via_fail(2, NULL);
}

TEST(the_last_one_counts)
{
    via_coro *coro = coro_new(say_nothing_but_code, NULL);
    ck_assert_int_eq(via_coro_next(coro, NULL), VIA_EFAILED);
    assert_outcome(coro, VIA_EFAILED, 2, NULL);
    via_coro_free(coro);
}

static int fail_around(void *arg, void **result)
{
    (void)result;
    int rc = via_fail(1, "outer");
    ck_assert_int_eq(via_coro_next(arg, NULL), 1);
    ck_assert_int_eq(via_coro_next(arg, NULL), VIA_EFAILED);
    return rc;
}

TEST(the_innermost_gets_it)
{
    int line = 3;
    via_coro *inner = coro_new(say_and_yield, &line), *outer = coro_new(fail_around, inner);
    ck_assert_int_eq(via_coro_next(outer, NULL), VIA_EFAILED);
    assert_outcome(inner, VIA_EFAILED, -7, "line 3");
    assert_outcome(outer, VIA_EFAILED, 1, "outer");
    via_coro_free(outer);
    via_coro_free(inner);
}

static int fail_in_call_and_loop(void *arg, void **result)
{
    struct via__failure *own = via__role.failure;
    (void)result;
    via__role.failure = arg;
    (void)via_fail(4, "of the call");
    struct via__role_outer outer = via__role_enter_loop(&outer);
    (void)via_fail(5, "of nobody");
    via__role_leave_loop(outer);
    via__role.failure = own;
    return via_fail(6, "of the coroutine");
}

TEST(a_call_within_it_has_its_own_and_a_loop_none)
{
    struct via__failure call = {.message = NULL};
    via_coro *coro = coro_new(fail_in_call_and_loop, &call);
    ck_assert_int_eq(via_coro_next(coro, NULL), VIA_EFAILED);
    assert_outcome(coro, VIA_EFAILED, 6, "of the coroutine");
    ck_assert_int_eq(call.code, 4);
    ck_assert_str_eq(call.message, "of the call");
    free(call.message);
    via_coro_free(coro);
}

TEST(who_steps_one_has_what_it_had)
{
    int line = 1;
    struct via__failure call = {.message = NULL};
    via_coro *coro = coro_new(say_and_yield, &line);
    ck_assert_int_eq(via_coro_next(coro, NULL), 1);
    ck_assert_int_eq(via_fail(9, "of nobody"), VIA_EFAILED);
    via__role.failure = &call;
    ck_assert_int_eq(via_coro_next(coro, NULL), VIA_EFAILED);
    (void)via_fail(8, NULL);
    via__role.failure = NULL;
    ck_assert_int_eq(call.code, 8);
    assert_outcome(coro, VIA_EFAILED, -7, "line 1");
    via_coro_free(coro);
}

/* ThreadSanitizer takes longjmp() only on the stack that the thread began with. */
#if !UNDER_THREAD_SANITIZER

static jmp_buf target;

static int say_and_jump(void *arg, void **result)
{
    (void)arg;
    (void)result;
    (void)via_fail(1, "before the jump");
    longjmp(target, 1);
}

TEST(one_that_is_lost_has_no_text_and_gets_none)
{
    static via_coro *coro;
    coro = coro_new(say_and_jump, NULL);
    if (setjmp(target) == 0)
        via_coro_next(coro, NULL);
    ck_assert_ptr_null(via_coro_current());
    ck_assert_int_eq(via_fail(2, "after it"), VIA_EFAILED);
    assert_outcome(coro, VIA_EEXITED, 0, NULL);
    via_coro_free(coro);
}

#define LEAVING one_that_is_lost_has_no_text_and_gets_none,
#else
#define LEAVING
#endif

TEST_MAIN("coro/fail", code_and_text_are_in_the_outcome_also_when_it_has_yielded_since,
          the_text_goes_if_it_ends_otherwise, it_may_be_dropped_with_a_text,
          without_it_there_is_the_code_alone, the_last_one_counts, the_innermost_gets_it,
          LEAVING a_call_within_it_has_its_own_and_a_loop_none, who_steps_one_has_what_it_had)
