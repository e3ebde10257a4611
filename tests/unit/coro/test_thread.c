/* SPDX-License-Identifier: BSD-3-Clause */
/* What coroutines share with their thread and what they have for themselves, and how both end. */
#include "support/sanitizers.h"
#include "support/support.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <string.h>
#include <unistd.h>
#include <viaduct.h>

#include <config.h>

#ifdef HAVE_VALGRIND_MEMCHECK_H
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

#include "base/list.h"
#include "base/role.h"

/* gcc's ThreadSanitizer ends at 8128 fibers, other tools keep a list or shadow memory of all stacks. */
#define MANY (UNDER_SANITIZER || RUNNING_ON_VALGRIND ? 1000 : 100000)

static int keep_errno(void *arg, void **result)
{
    (void)result;
    for (int i = 0; i < 3; i++) {
        errno = *(int *)arg + i;
        if (via_coro_yield(arg, NULL) < 0)
            return 0;
        if (errno != *(int *)arg + i)
            return VIA_EINVAL;
    }
    return 0;
}

TEST(each_has_an_errno_of_its_own)
{
    int first = 100, second = 200;
    via_coro *a, *b;
    ck_assert_int_eq(via_coro_new(keep_errno, &first, NULL, &a), 0);
    ck_assert_int_eq(via_coro_new(keep_errno, &second, NULL, &b), 0);
    errno = 5;
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(via_coro_next(a, NULL), 1);
        ck_assert_int_eq(errno, 5);
        ck_assert_int_eq(via_coro_next(b, NULL), 1);
        ck_assert_int_eq(errno, 5);
    }
    ck_assert_int_eq(via_coro_next(a, NULL), 0);
    ck_assert_int_eq(via_coro_next(b, NULL), 0);
    via_coro_free(a);
    via_coro_free(b);
}

static int yield_its_place(void *arg, void **result)
{
    char here = 0;
    (void)arg;
    (void)result;
    return via_coro_yield(&here, NULL);
}

TEST(a_hundred_thousand_can_be_suspended)
{
    via_coro **all = calloc(MANY, sizeof *all);
    void *value;
    for (int i = 0; i < MANY; i++) {
        ck_assert_int_eq(via_coro_new(yield_its_place, NULL, NULL, &all[i]), 0);
        ck_assert_int_eq(via_coro_next(all[i], &value), 1);
        ck_assert_int_eq(*(char *)value, 0);
    }
    for (int i = 0; i < MANY; i++)
        ck_assert_int_eq(via_coro_next(all[i], NULL), 0);
    for (int i = 0; i < MANY; i++)
        via_coro_free(all[i]);
    free(all);
    via_coro_trim();
}

/* Touches `bytes` of its stack. */
static int use_stack(void *arg, void **result)
{
    size_t bytes = *(size_t *)arg;
    volatile char block[1024];
    (void)result;
    block[0] = (char)bytes;
    if (bytes > sizeof block) {
        size_t rest = bytes - sizeof block;
        int rc = use_stack(&rest, NULL);
        return rc + (block[0] != (char)bytes);
    }
    return via_coro_yield(NULL, NULL);
}

TEST(a_stack_can_be_as_large_as_is_asked_for)
{
    size_t bytes = UNDER_SANITIZER ? 1 << 20 : 7 << 20;
    struct via_coro_options options = {.stack_bytes = 8 << 20};
    via_coro *coro;
    ck_assert_int_eq(via_coro_new(use_stack, &bytes, &options, &coro), 0);
    ck_assert_int_eq(via_coro_next(coro, NULL), 1);
    ck_assert_int_eq(via_coro_next(coro, NULL), 0);
    via_coro_free(coro);
    via_coro_trim();
}

static int yield_in_a_call(void *arg, void **result)
{
    int loop = 0;
    struct via__failure failure = {.given = 0};
    struct via__role before = via__role;
    (void)arg;
    (void)result;
    via__role.failure = &failure;
    int in_call = via_coro_yield(NULL, NULL);
    via__role = before;
    struct via__role_outer outer = via__role_enter_loop(&loop);
    int in_loop = via_coro_yield(NULL, NULL);
    via__role_leave_loop(outer);
    return in_call == VIA_ESTATE && in_loop == VIA_ESTATE ? via_coro_yield(NULL, NULL) : VIA_EINVAL;
}

TEST(a_call_or_loop_within_it_cannot_be_left_by_a_yield)
{
    via_coro *coro;
    ck_assert_int_eq(via_coro_new(yield_in_a_call, NULL, NULL, &coro), 0);
    ck_assert_int_eq(via_coro_next(coro, NULL), 1);
    ck_assert_int_eq(via_coro_next(coro, NULL), 0);
    via_coro_free(coro);
}

/* ---- threads that end ---- */

/* ThreadSanitizer takes pthread_exit() only on the stack that the thread began with. */
#if !UNDER_THREAD_SANITIZER

struct ending {
    pthread_key_t key;
    struct via_test_counted inner, outer;
    int outcome;
};

static int exit_thread(void *arg, void **result)
{
    (void)arg;
    (void)result;
    pthread_exit(arg);
}

static int step_one_that_exits(void *arg, void **result)
{
    struct via_coro_options options = {.name = "inner", .destroy = via_test_counted_destroy};
    struct ending *all = VIA__CONTAINER_OF(arg, struct ending, outer);
    via_coro *inner;
    (void)result;
    ck_assert_int_eq(via_coro_new(exit_thread, &all->inner, &options, &inner), 0);
    ck_assert_int_eq(pthread_setspecific(all->key, inner), 0);
    return via_coro_next(inner, NULL);
}

static struct ending ending;

/* Runs before the library's own destructor in the first round, when the coroutine still seems to run. */
static void free_coro(void *arg)
{
    struct via_outcome outcome = {0};
    via_coro *coro = arg;
    if (via_coro_outcome(coro, &outcome) == VIA_EPENDING) {
        pthread_setspecific(ending.key, coro);
        return;
    }
    ending.outcome = outcome.status;
    ck_assert_ptr_null(via_coro_free(coro));
}

static void *run_one_into_exit(void *arg)
{
    struct via_coro_options options = {.destroy = via_test_counted_destroy};
    via_coro *coro;
    ck_assert_int_eq(via_coro_new(exit_thread, arg, &options, &coro), 0);
    ck_assert_int_eq(pthread_setspecific(ending.key, coro), 0);
    via_coro_next(coro, NULL);
    ck_abort_msg("the thread went on");
}

TEST(pthread_exit_in_a_coroutine_ends_the_thread_and_releases_its_argument)
{
    struct via_test_thread thread;
    struct via_test_counted payload = {0};
    ck_assert_int_eq(pthread_key_create(&ending.key, free_coro), 0);
    via_test_thread_start(&thread, run_one_into_exit, &payload);
    ck_assert_ptr_eq(via_test_thread_join(&thread), &payload);
    ck_assert_int_eq(via_test_destroyed(&payload), 1);
    ck_assert_int_eq(ending.outcome, VIA_EEXITED);
    pthread_key_delete(ending.key);
}

static via_coro *outer_coro;

static void *run_nested_into_exit(void *arg)
{
    struct via_coro_options options = {.destroy = via_test_counted_destroy};
    ck_assert_int_eq(via_coro_new(step_one_that_exits, arg, &options, &outer_coro), 0);
    via_coro_next(outer_coro, NULL);
    ck_abort_msg("the thread went on");
}

/* The inner one is the key's, and frees the outer one too. */
static void free_both(void *arg)
{
    struct via_outcome outcome;
    free_coro(arg);
    if (ending.outcome && via_coro_outcome(outer_coro, &outcome) == 0) {
        ck_assert_int_eq(outcome.status, VIA_EEXITED);
        via_coro_free(outer_coro);
    }
}

TEST(all_that_run_when_a_thread_ends_are_over)
{
    struct via_test_thread thread;
    ck_assert_int_eq(pthread_key_create(&ending.key, free_both), 0);
    via_test_thread_start(&thread, run_nested_into_exit, &ending.outer);
    via_test_thread_join(&thread);
    ck_assert_int_eq(via_test_destroyed(&ending.inner), 1);
    ck_assert_int_eq(via_test_destroyed(&ending.outer), 1);
    pthread_key_delete(ending.key);
}

#define EXITING                                                                                              \
    pthread_exit_in_a_coroutine_ends_the_thread_and_releases_its_argument,                                   \
        all_that_run_when_a_thread_ends_are_over,
#else
#define EXITING
#endif

static void *leave_one_suspended(void *arg)
{
    ck_assert_int_eq(via_coro_new(yield_its_place, NULL, NULL, arg), 0);
    ck_assert_int_eq(via_coro_next(*(via_coro **)arg, NULL), 1);
    return NULL;
}

static void count_log(enum via_log_level level, const char *text, void *arg)
{
    if (level == VIA_LOG_WARNING && strstr(text, "suspended"))
        ++*(int *)arg;
}

TEST(suspended_ones_outlive_their_thread_but_cannot_be_used)
{
    static via_coro *left;
    struct via_test_thread thread;
    int warnings = 0;
    via_test_tolerate(VIA_TEST_HEAP, "a coroutine of a thread that has ended cannot be freed");
    via_set_log_hook(count_log, &warnings);
    via_test_thread_start(&thread, leave_one_suspended, &left);
    via_test_thread_join(&thread);
    via_set_log_hook(NULL, NULL);
    ck_assert_int_eq(warnings, 1);
    ck_assert_int_eq(via_coro_next(left, NULL), VIA_EFOREIGN);
    ck_assert_ptr_eq(via_coro_free(left), left);
}

/* ---- what AddressSanitizer must see, and what not ---- */

#if UNDER_ADDRESS_SANITIZER

int __lsan_do_recoverable_leak_check(void);

static int hold_memory(void *arg, void **result)
{
    char *block = malloc(100);
    (void)result;
    int rc = via_coro_yield(arg, NULL);
    free(block);
    return rc;
}

TEST(memory_that_only_a_suspended_one_knows_is_no_leak)
{
    via_coro *coro;
    ck_assert_int_eq(via_coro_new(hold_memory, NULL, NULL, &coro), 0);
    ck_assert_int_eq(via_coro_next(coro, NULL), 1);
    ck_assert_int_eq(__lsan_do_recoverable_leak_check(), 0);
    via_coro_free(coro);
}

static int read_of_the_dead(void *arg)
{
    volatile char *value = *(char **)arg;
    close(STDERR_FILENO);
    return *value & 0; /* read, but nothing made of it: only a report ends this with another status */
}

TEST(a_local_of_one_that_is_done_is_not_to_be_read)
{
    void *value = NULL;
    via_coro *coro;
    ck_assert_int_eq(via_coro_new(yield_its_place, NULL, NULL, &coro), 0);
    ck_assert_int_eq(via_coro_next(coro, &value), 1);
    ck_assert_int_eq(via_test_fork(read_of_the_dead, &value), 0);
    via_coro_free(coro);
    ck_assert_int_ne(via_test_fork(read_of_the_dead, &value), 0);
}

static int write_beyond(void *arg, void **result)
{
    char block[8] = {0};
    (void)result;
    block[*(volatile int *)arg] = 1;
    return block[0];
}

static int overrun_in_child(void *arg)
{
    int at = 8;
    close(STDERR_FILENO);
    (void)arg;
    via_coro *coro;
    return via_coro_new(write_beyond, &at, NULL, &coro) == 0 ? via_coro_next(coro, NULL) : 0;
}

TEST(an_overrun_in_a_coroutine_is_seen)
{
    ck_assert_int_ne(via_test_fork(overrun_in_child, NULL), 0);
}

#define WATCHED                                                                                              \
    memory_that_only_a_suspended_one_knows_is_no_leak, a_local_of_one_that_is_done_is_not_to_be_read,        \
        an_overrun_in_a_coroutine_is_seen,
#else
#define WATCHED
#endif

/* ---- longjmp ---- */

static int jump_within(void *arg, void **result)
{
    jmp_buf here;
    (void)result;
    if (setjmp(here) == 0) {
        int rc = via_coro_yield(arg, NULL);
        if (rc < 0)
            return rc;
        longjmp(here, 1);
    }
    return 0;
}

TEST(longjmp_within_a_coroutine_is_as_ever)
{
    via_coro *coro;
    ck_assert_int_eq(via_coro_new(jump_within, NULL, NULL, &coro), 0);
    ck_assert_int_eq(via_coro_next(coro, NULL), 1);
    ck_assert_int_eq(via_coro_next(coro, NULL), 0);
    via_coro_free(coro);
}

/* ThreadSanitizer's longjmp() takes the stack it leads to for that of the fiber it leads out of. */
#if !UNDER_THREAD_SANITIZER

static jmp_buf target;

static int jump_out(void *arg, void **result)
{
    (void)arg;
    (void)result;
    longjmp(target, 1);
}

/* C leaves a variable that is set after setjmp() undefined, so these are static. */
static via_coro *jumper, *next;

TEST(one_that_longjmp_left_is_over_and_others_go_on)
{
    static struct via_test_counted payload;
    struct via_coro_options options = {.destroy = via_test_counted_destroy};
    struct via_outcome outcome;
    ck_assert_int_eq(via_coro_new(jump_out, &payload, &options, &jumper), 0);
    ck_assert_int_eq(via_coro_new(yield_its_place, NULL, NULL, &next), 0);
    if (setjmp(target) == 0) {
        via_coro_next(jumper, NULL);
        ck_abort_msg("it did not jump");
    }
    ck_assert_int_eq(via_coro_next(next, NULL), 1);
    ck_assert_int_eq(via_coro_outcome(jumper, &outcome), 0);
    ck_assert_int_eq(outcome.status, VIA_EEXITED);
    ck_assert_int_eq(via_test_destroyed(&payload), 1);
    ck_assert_ptr_null(via_coro_free(jumper));
    ck_assert_ptr_null(via_coro_current());
    ck_assert_int_eq(via_coro_next(next, NULL), 0);
    via_coro_free(next);
}

static int catch_jump(void *arg, void **result)
{
    (void)arg;
    (void)result;
    if (setjmp(target) == 0)
        return via_coro_next(jumper, NULL);
    return via_coro_yield(&jumper, NULL);
}

TEST(longjmp_may_lead_to_another_coroutine)
{
    void *value;
    ck_assert_int_eq(via_coro_new(jump_out, NULL, NULL, &jumper), 0);
    ck_assert_int_eq(via_coro_new(catch_jump, NULL, NULL, &next), 0);
    ck_assert_int_eq(via_coro_next(next, &value), 1);
    ck_assert_ptr_eq(value, &jumper);
    ck_assert_int_eq(via_coro_state(jumper), VIA_CORO_DONE);
    ck_assert_int_eq(via_coro_next(next, NULL), 0);
    via_coro_free(next);
    via_coro_free(jumper);
}

#define JUMPING one_that_longjmp_left_is_over_and_others_go_on, longjmp_may_lead_to_another_coroutine,
#else
#define JUMPING
#endif

TEST_MAIN("coro/thread", each_has_an_errno_of_its_own, a_hundred_thousand_can_be_suspended,
          a_stack_can_be_as_large_as_is_asked_for, a_call_or_loop_within_it_cannot_be_left_by_a_yield,
          EXITING JUMPING WATCHED suspended_ones_outlive_their_thread_but_cannot_be_used,
          longjmp_within_a_coroutine_is_as_ever)
