/* SPDX-License-Identifier: BSD-3-Clause */
#include "support/sanitizers.h"
#include "support/support.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <viaduct.h>

static int numbers[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};

static int value_of(void *value)
{
    return *(int *)value;
}

/* Yields the first `*arg` numbers; its result is the number after them. */
static int count(void *arg, void **result)
{
    int most = value_of(arg);
    for (int i = 0; i < most; i++) {
        int rc = via_coro_yield(&numbers[i], NULL);
        if (rc < 0)
            return rc;
    }
    *result = &numbers[most];
    return 0;
}

static via_coro *coro_new(via_coro_fn fn, void *arg)
{
    via_coro *coro = NULL;
    ck_assert_int_eq(via_coro_new(fn, arg, NULL, &coro), 0);
    return coro;
}

static void assert_yields(via_coro *coro, int expected)
{
    void *value = NULL;
    ck_assert_int_eq(via_coro_next(coro, &value), 1);
    ck_assert_int_eq(value_of(value), expected);
}

static struct via_outcome outcome_of(via_coro *coro)
{
    struct via_outcome outcome;
    ck_assert_int_eq(via_coro_outcome(coro, &outcome), 0);
    return outcome;
}

TEST(next_gives_each_value_and_then_0)
{
    via_coro *coro = coro_new(count, &numbers[3]);
    assert_yields(coro, 0);
    assert_yields(coro, 1);
    assert_yields(coro, 2);
    void *value = &numbers[9];
    ck_assert_int_eq(via_coro_next(coro, &value), 0);
    ck_assert_ptr_eq(value, &numbers[9]);
    ck_assert_ptr_eq(outcome_of(coro).value, &numbers[3]);
    ck_assert_ptr_null(via_coro_free(coro));
}

TEST(after_the_end_next_keeps_giving_0)
{
    via_coro *coro = coro_new(count, &numbers[0]);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(via_coro_next(coro, NULL), 0);
    ck_assert_int_eq(via_coro_close(coro), 0);
    ck_assert_ptr_eq(outcome_of(coro).value, &numbers[0]);
    via_coro_free(coro);
}

static int add_up(void *arg, void **result)
{
    int *sum = arg;
    void *sent;
    while (via_coro_yield(sum, &sent) == 0 && sent)
        *sum += value_of(sent);
    *result = sum;
    return 0;
}

TEST(send_hands_a_value_to_the_yield)
{
    int sum = 0;
    void *value = NULL;
    via_coro *coro = coro_new(add_up, &sum);
    ck_assert_int_eq(via_coro_next(coro, &value), 1);
    ck_assert_int_eq(via_coro_send(coro, &numbers[4], &value), 1);
    ck_assert_int_eq(value_of(value), 4);
    ck_assert_int_eq(via_coro_send(coro, &numbers[5], NULL), 1);
    ck_assert_int_eq(via_coro_next(coro, &value), 0);
    ck_assert_int_eq(sum, 9);
    via_coro_free(coro);
}

TEST(nobody_takes_what_is_sent_before_the_first_yield)
{
    int sum = 0;
    via_coro *coro = coro_new(add_up, &sum);
    ck_assert_int_eq(via_coro_send(coro, &numbers[4], NULL), VIA_ESTATE);
    ck_assert_int_eq(via_coro_state(coro), VIA_CORO_CREATED);
    ck_assert_int_eq(via_coro_send(coro, NULL, NULL), 1);
    via_coro_free(coro);
}

/* Goes on after every error, and yields which it was. */
static int collect_errors(void *arg, void **result)
{
    int *last = arg;
    (void)result;
    while (*last != VIA_ECANCELED)
        *last = via_coro_yield(last, NULL);
    return VIA_ECANCELED;
}

TEST(throw_fails_the_yield_and_may_be_survived)
{
    int last = 0;
    void *value = NULL;
    via_coro *coro = coro_new(collect_errors, &last);
    ck_assert_int_eq(via_coro_next(coro, NULL), 1);
    ck_assert_int_eq(via_coro_throw(coro, VIA_ETIMEDOUT, &value), 1);
    ck_assert_int_eq(value_of(value), VIA_ETIMEDOUT);
    ck_assert_int_eq(via_coro_next(coro, &value), 1);
    ck_assert_int_eq(value_of(value), 0);
    ck_assert_int_eq(via_coro_throw(coro, VIA_ECANCELED, &value), VIA_ECANCELED);
    ck_assert_int_eq(via_coro_state(coro), VIA_CORO_DONE);
    via_coro_free(coro);
}

TEST(a_failure_is_told_once_and_kept_in_the_outcome)
{
    via_coro *coro = coro_new(count, &numbers[3]);
    assert_yields(coro, 0);
    ck_assert_int_eq(via_coro_throw(coro, -EIO, NULL), -EIO);
    ck_assert_int_eq(via_coro_next(coro, NULL), 0);
    ck_assert_int_eq(via_coro_throw(coro, -EPIPE, NULL), -EPIPE);
    ck_assert_int_eq(outcome_of(coro).status, -EIO);
    via_coro_free(coro);
}

static int must_not_run(void *arg, void **result)
{
    (void)arg;
    (void)result;
    ck_abort_msg("it ran");
}

TEST(throw_before_the_start_ends_it_unrun)
{
    via_coro *coro = coro_new(must_not_run, NULL);
    ck_assert_int_eq(via_coro_throw(coro, -EIO, NULL), -EIO);
    ck_assert_int_eq(outcome_of(coro).status, -EIO);
    ck_assert_int_eq(via_coro_next(coro, NULL), 0);
    via_coro_free(coro);
}

TEST(throw_takes_only_errors)
{
    via_coro *coro = coro_new(count, &numbers[3]);
    ck_assert_int_eq(via_coro_throw(coro, 0, NULL), VIA_EINVAL);
    ck_assert_int_eq(via_coro_throw(coro, 1, NULL), VIA_EINVAL);
    via_coro_free(coro);
}

static int fail_with_code(void *arg, void **result)
{
    *result = arg;
    return 7;
}

TEST(a_code_of_its_own_is_kept_and_its_result_destroyed)
{
    struct via_test_counted payload = {0};
    struct via_coro_options options = {.destroy_result = via_test_counted_destroy};
    via_coro *coro;
    ck_assert_int_eq(via_coro_new(fail_with_code, &payload, &options, &coro), 0);
    ck_assert_int_eq(via_coro_next(coro, NULL), VIA_EFAILED);
    ck_assert_int_eq(via_test_destroyed(&payload), 1);
    struct via_outcome outcome = outcome_of(coro);
    ck_assert_int_eq(outcome.status, VIA_EFAILED);
    ck_assert_int_eq(outcome.code, 7);
    ck_assert_ptr_null(outcome.value);
    via_coro_free(coro);
    ck_assert_int_eq(via_test_destroyed(&payload), 1);
}

struct journal {
    struct via_test_recorder *recorder;
    int yields_in_clean_up;
};

static int clean_up_in_stages(void *arg, void **result)
{
    struct journal *journal = arg;
    (void)result;
    int rc = via_coro_yield(arg, NULL);
    via_test_record(journal->recorder, "asked:%s", via_status_name(rc));
    for (int i = 0; i < journal->yields_in_clean_up; i++)
        if (via_coro_yield(arg, NULL) != VIA_ECANCELED)
            via_test_record(journal->recorder, "went-on");
    via_test_record(journal->recorder, "cleaned");
    return rc;
}

TEST(close_lets_it_clean_up)
{
    struct via_test_recorder recorder = VIA_TEST_RECORDER_INITIALIZER;
    struct journal journal = {&recorder, 0};
    via_coro *coro = coro_new(clean_up_in_stages, &journal);
    ck_assert_int_eq(via_coro_next(coro, NULL), 1);
    ck_assert_int_eq(via_coro_close(coro), 0);
    ASSERT_RECORD(&recorder, "asked:VIA_ECANCELED cleaned");
    ck_assert_int_eq(via_coro_state(coro), VIA_CORO_DONE);
    ck_assert_int_eq(via_coro_close(coro), 0);
    ck_assert_int_eq(via_coro_next(coro, NULL), 0);
    via_coro_free(coro);
}

TEST(while_it_closes_every_yield_fails_at_once)
{
    struct via_test_recorder recorder = VIA_TEST_RECORDER_INITIALIZER;
    struct journal journal = {&recorder, 999};
    via_coro *coro = coro_new(clean_up_in_stages, &journal);
    ck_assert_int_eq(via_coro_next(coro, NULL), 1);
    ck_assert_int_eq(via_coro_close(coro), 0);
    ASSERT_RECORD(&recorder, "asked:VIA_ECANCELED cleaned");
    via_coro_free(coro);
}

TEST(close_before_the_start_runs_nothing_and_releases_the_argument)
{
    struct via_test_counted payload = {0};
    struct via_coro_options options = {.destroy = via_test_counted_destroy};
    via_coro *coro;
    ck_assert_int_eq(via_coro_new(must_not_run, &payload, &options, &coro), 0);
    ck_assert_int_eq(via_coro_close(coro), 0);
    ck_assert_int_eq(via_test_destroyed(&payload), 1);
    ck_assert_int_eq(outcome_of(coro).status, VIA_ECANCELED);
    via_coro_free(coro);
    ck_assert_int_eq(via_test_destroyed(&payload), 1);
}

static int fail_in_clean_up(void *arg, void **result)
{
    (void)result;
    return via_coro_yield(arg, NULL) == VIA_ECANCELED ? -EIO : 0;
}

TEST(close_tells_how_the_clean_up_failed)
{
    via_coro *coro = coro_new(fail_in_clean_up, NULL);
    ck_assert_int_eq(via_coro_next(coro, NULL), 1);
    ck_assert_int_eq(via_coro_close(coro), -EIO);
    via_coro_free(coro);
}

/* Yields whatever it is told; `*arg` counts. */
static int never_listen(void *arg, void **result)
{
    (void)result;
    while (arg) {
        (void)!via_coro_yield(arg, NULL);
        ++*(int *)arg;
    }
    return 0;
}

static void count_log(enum via_log_level level, const char *text, void *arg)
{
    if (level == VIA_LOG_WARNING && strstr(text, "\"deaf\""))
        ++*(int *)arg;
}

TEST(one_that_does_not_listen_is_told_of_and_can_still_be_freed)
{
    int yields = 0, warnings = 0;
    struct via_coro_options options = {.name = "deaf"};
    via_coro *coro;
    ck_assert_int_eq(via_coro_new(never_listen, &yields, &options, &coro), 0);
    ck_assert_int_eq(via_coro_next(coro, NULL), 1);
    ck_assert_int_eq(via_coro_close(coro), VIA_ESTATE);
    ck_assert_int_eq(yields, 1001);
    ck_assert_int_eq(via_coro_state(coro), VIA_CORO_SUSPENDED);
    via_set_log_hook(count_log, &warnings);
    ck_assert_ptr_null(via_coro_free(coro));
    via_set_log_hook(NULL, NULL);
    ck_assert_int_eq(warnings, 1);
}

static int give(void *arg, void **result)
{
    *result = arg;
    return 0;
}

TEST(argument_and_result_are_each_released_once)
{
    struct via_test_counted payload = {0};
    struct via_coro_options options = {.destroy_result = via_test_counted_destroy};
    via_coro *coro;
    ck_assert_int_eq(via_coro_new(give, &payload, &options, &coro), 0);
    ck_assert_int_eq(via_coro_next(coro, NULL), 0);
    ck_assert_int_eq(via_test_destroyed(&payload), 0);
    ck_assert_ptr_eq(outcome_of(coro).destroy, via_test_counted_destroy);
    via_coro_free(coro);
    ck_assert_int_eq(via_test_destroyed(&payload), 1);

    payload.destroyed = 0;
    options = (struct via_coro_options){.destroy = via_test_counted_destroy};
    ck_assert_int_eq(via_coro_new(give, &payload, &options, &coro), 0);
    ck_assert_int_eq(via_coro_next(coro, NULL), 0);
    ck_assert_int_eq(via_test_destroyed(&payload), 1);
    via_coro_free(coro);
    ck_assert_int_eq(via_test_destroyed(&payload), 1);
}

TEST(a_result_is_taken_once)
{
    struct via_test_counted payload = {0};
    struct via_coro_options options = {.destroy_result = via_test_counted_destroy};
    void *result = NULL;
    via_coro *coro;
    ck_assert_int_eq(via_coro_new(give, &payload, &options, &coro), 0);
    ck_assert_int_eq(via_coro_take(coro, &result), VIA_EPENDING);
    ck_assert_int_eq(via_coro_next(coro, NULL), 0);
    ck_assert_int_eq(via_coro_take(coro, &result), 0);
    ck_assert_ptr_eq(result, &payload);
    ck_assert_int_eq(via_coro_take(coro, &result), VIA_ETAKEN);
    via_coro_free(coro);
    ck_assert_int_eq(via_test_destroyed(&payload), 0);
}

TEST(take_of_a_failed_one_tells_its_status)
{
    void *result = &numbers[1];
    via_coro *coro = coro_new(fail_with_code, NULL);
    ck_assert_int_eq(via_coro_next(coro, NULL), VIA_EFAILED);
    ck_assert_int_eq(via_coro_take(coro, &result), VIA_EFAILED);
    ck_assert_ptr_eq(result, &numbers[1]);
    via_coro_free(coro);
}

/* Tries on itself what only others may do to it. */
static int touch_itself(void *arg, void **result)
{
    via_coro *self = *(via_coro **)arg;
    (void)result;
    ck_assert_ptr_eq(via_coro_current(), self);
    ck_assert_int_eq(via_coro_state(self), VIA_CORO_RUNNING);
    ck_assert_int_eq(via_coro_next(self, NULL), VIA_EBUSY);
    ck_assert_int_eq(via_coro_throw(self, -EIO, NULL), VIA_EBUSY);
    ck_assert_int_eq(via_coro_close(self), VIA_EBUSY);
    ck_assert_ptr_eq(via_coro_free(self), self);
    ck_assert_int_eq(via_coro_yield_from(self, NULL), VIA_EBUSY);
    return 0;
}

TEST(a_running_coroutine_is_busy)
{
    via_coro *coro = coro_new(touch_itself, &coro);
    ck_assert_int_eq(via_coro_next(coro, NULL), 0);
    ck_assert_ptr_null(via_coro_current());
    via_coro_free(coro);
}

static int step_back(void *arg, void **result)
{
    (void)result;
    return via_coro_next(*(via_coro **)arg, NULL);
}

static int step_inner(void *arg, void **result)
{
    via_coro *inner = coro_new(step_back, arg);
    (void)result;
    int rc = via_coro_next(inner, NULL);
    via_coro_free(inner);
    return rc;
}

TEST(one_that_steps_another_is_busy_too)
{
    via_coro *coro = coro_new(step_inner, &coro);
    ck_assert_int_eq(via_coro_next(coro, NULL), VIA_EBUSY);
    via_coro_free(coro);
}

TEST(yield_outside_of_a_coroutine_is_an_error)
{
    void *sent = &numbers[1];
    ck_assert_int_eq(via_coro_yield(NULL, &sent), VIA_ESTATE);
    ck_assert_ptr_eq(sent, &numbers[1]);
    via_coro *coro = coro_new(count, &numbers[3]);
    ck_assert_int_eq(via_coro_yield_from(coro, NULL), VIA_ESTATE);
    ck_assert_int_eq(via_coro_state(coro), VIA_CORO_CREATED);
    via_coro_free(coro);
}

TEST(bad_arguments_are_refused_and_the_argument_still_released)
{
    struct via_test_counted payload = {0};
    struct via_coro_options options = {.destroy = via_test_counted_destroy};
    via_coro *coro = (via_coro *)numbers;
    ck_assert_int_eq(via_coro_new(NULL, &payload, &options, &coro), VIA_EINVAL);
    ck_assert_int_eq(via_coro_new(give, &payload, &options, NULL), VIA_EINVAL);
    options.stack_bytes = SIZE_MAX;
    ck_assert_int_eq(via_coro_new(give, &payload, &options, &coro), VIA_EINVAL);
    ck_assert_ptr_eq(coro, (via_coro *)numbers);
    ck_assert_int_eq(via_test_destroyed(&payload), 3);
}

TEST(null_is_refused_everywhere)
{
    struct via_outcome outcome;
    void *value;
    ck_assert_int_eq(via_coro_next(NULL, &value), VIA_EINVAL);
    ck_assert_int_eq(via_coro_send(NULL, NULL, &value), VIA_EINVAL);
    ck_assert_int_eq(via_coro_throw(NULL, -EIO, &value), VIA_EINVAL);
    ck_assert_int_eq(via_coro_close(NULL), VIA_EINVAL);
    ck_assert_int_eq(via_coro_outcome(NULL, &outcome), VIA_EINVAL);
    ck_assert_int_eq(via_coro_take(NULL, &value), VIA_EINVAL);
    ck_assert_int_eq(via_coro_state(NULL), VIA_EINVAL);
    ck_assert_ptr_null(via_coro_free(NULL));
    ck_assert_ptr_null(via_coro_name(NULL));
}

TEST(a_name_is_copied)
{
    char name[] = "lines of a file";
    struct via_coro_options options = {.name = name};
    via_coro *coro;
    ck_assert_int_eq(via_coro_new(give, NULL, &options, &coro), 0);
    name[0] = 'p';
    ck_assert_str_eq(via_coro_name(coro), "lines of a file");
    via_coro_free(coro);
    coro = coro_new(give, NULL);
    ck_assert_str_eq(via_coro_name(coro), "coroutine");
    via_coro_free(coro);
}

TEST(states_follow_its_life)
{
    struct via_outcome outcome;
    via_coro *coro = coro_new(count, &numbers[1]);
    ck_assert_int_eq(via_coro_state(coro), VIA_CORO_CREATED);
    assert_yields(coro, 0);
    ck_assert_int_eq(via_coro_state(coro), VIA_CORO_SUSPENDED);
    ck_assert_int_eq(via_coro_outcome(coro, &outcome), VIA_EPENDING);
    ck_assert_int_eq(via_coro_next(coro, NULL), 0);
    ck_assert_int_eq(via_coro_state(coro), VIA_CORO_DONE);
    via_coro_free(coro);
}

static void *use_foreign(void *arg)
{
    via_coro *coro = arg;
    struct via_outcome outcome;
    void *value;
    ck_assert_int_eq(via_coro_next(coro, &value), VIA_EFOREIGN);
    ck_assert_int_eq(via_coro_close(coro), VIA_EFOREIGN);
    ck_assert_int_eq(via_coro_outcome(coro, &outcome), VIA_EFOREIGN);
    ck_assert_int_eq(via_coro_take(coro, &value), VIA_EFOREIGN);
    ck_assert_int_eq(via_coro_state(coro), VIA_EFOREIGN);
    ck_assert_ptr_eq(via_coro_free(coro), coro);
    return NULL;
}

TEST(it_belongs_to_the_thread_that_made_it)
{
    struct via_test_thread thread;
    via_coro *coro = coro_new(count, &numbers[2]);
    assert_yields(coro, 0);
    via_test_thread_start(&thread, use_foreign, coro);
    via_test_thread_join(&thread);
    assert_yields(coro, 1);
    via_coro_free(coro);
}

/* ThreadSanitizer forgets its fibers in a forked child. */
#if !UNDER_THREAD_SANITIZER

static int step_in_child(void *arg)
{
    void *value;
    return via_coro_next(arg, &value) == 1 ? value_of(value) : 100;
}

TEST(a_forked_child_has_a_copy)
{
    via_coro *coro = coro_new(count, &numbers[3]);
    assert_yields(coro, 0);
    ck_assert_int_eq(via_test_fork(step_in_child, coro), 1);
    assert_yields(coro, 1);
    via_coro_free(coro);
}

static int fork_and_yield(void *arg, void **result)
{
    (void)result;
    *(pid_t *)arg = fork();
    return via_coro_yield(NULL, NULL);
}

TEST(one_that_forks_goes_on_in_the_child)
{
    pid_t pid = -1;
    int status;
    via_coro *coro = coro_new(fork_and_yield, &pid);
    int rc = via_coro_next(coro, NULL);
    if (pid == 0)
        _exit(rc == 1 ? 33 : 1);
    ck_assert_int_eq(rc, 1);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 33);
    via_coro_free(coro);
}

#define FORKING a_forked_child_has_a_copy, one_that_forks_goes_on_in_the_child,
#else
#define FORKING
#endif

/* A value deep down on the stack of one coroutine is read by another. */
static int depth_first(void *arg, void **result)
{
    int level = value_of(arg);
    (void)result;
    if (level > 0) {
        int rc = depth_first(&numbers[level - 1], result);
        if (rc < 0)
            return rc;
    }
    return via_coro_yield(&level, NULL);
}

TEST(it_yields_from_any_depth)
{
    via_coro *coro = coro_new(depth_first, &numbers[9]);
    for (int i = 0; i <= 9; i++)
        assert_yields(coro, i);
    ck_assert_int_eq(via_coro_next(coro, NULL), 0);
    via_coro_free(coro);
}

TEST_MAIN("coro/coro", next_gives_each_value_and_then_0, after_the_end_next_keeps_giving_0,
          send_hands_a_value_to_the_yield, nobody_takes_what_is_sent_before_the_first_yield,
          throw_fails_the_yield_and_may_be_survived, a_failure_is_told_once_and_kept_in_the_outcome,
          throw_before_the_start_ends_it_unrun, throw_takes_only_errors,
          a_code_of_its_own_is_kept_and_its_result_destroyed, close_lets_it_clean_up,
          while_it_closes_every_yield_fails_at_once,
          close_before_the_start_runs_nothing_and_releases_the_argument, close_tells_how_the_clean_up_failed,
          one_that_does_not_listen_is_told_of_and_can_still_be_freed,
          argument_and_result_are_each_released_once, a_result_is_taken_once,
          take_of_a_failed_one_tells_its_status, a_running_coroutine_is_busy,
          one_that_steps_another_is_busy_too, yield_outside_of_a_coroutine_is_an_error,
          bad_arguments_are_refused_and_the_argument_still_released, null_is_refused_everywhere,
          a_name_is_copied, states_follow_its_life, it_belongs_to_the_thread_that_made_it,
          FORKING it_yields_from_any_depth)
