/* SPDX-License-Identifier: BSD-3-Clause */
/* Fibers that suspend together with those that they have resumed. */
#include "support/sanitizers.h"
#include "support/support.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <viaduct.h>

#include <config.h>

#include "base/role.h"
#include "coro/fiber.h"

static struct via_test_recorder recorder = VIA_TEST_RECORDER_INITIALIZER;

/* A fiber that runs a function of the test. */
struct probe {
    struct via__fiber fiber;
    void (*run)(struct probe *self);
    const char *label;
    struct probe *base; /* with which it suspends */
    struct probe *next; /* the one that it resumes */
    struct probe *heir;
    int value;
};

static void run_probe(struct via__fiber *fiber)
{
    struct probe *self = VIA__CONTAINER_OF(fiber, struct probe, fiber);
    self->run(self);
}

static void lose_probe(struct via__fiber *fiber)
{
    struct probe *self = VIA__CONTAINER_OF(fiber, struct probe, fiber);
    ck_assert_int_eq(fiber->state, VIA__FIBER_OVER);
    via_test_record(&recorder, "lost:%s", self->label);
}

static const char *name_probe(const struct via__fiber *fiber, char buffer[VIA__FIBER_NAME])
{
    const struct probe *probe = VIA__CONTAINER_OF(fiber, const struct probe, fiber);
    snprintf(buffer, VIA__FIBER_NAME, "probe %s", probe->label);
    return buffer;
}

static struct via__fiber *heir_of_probe(struct via__fiber *fiber)
{
    struct probe *heir = VIA__CONTAINER_OF(fiber, struct probe, fiber)->heir;
    return heir ? &heir->fiber : NULL;
}

static void inherited_probe(struct via__fiber *fiber)
{
    struct probe *self = VIA__CONTAINER_OF(fiber, struct probe, fiber);
    ck_assert_int_eq(fiber->state, VIA__FIBER_OVER);
    ck_assert_ptr_null(fiber->stack);
    via_test_record(&recorder, "inherited:%s", self->label);
    errno = 99;
}

static const struct via__fiber_kind probe_kind = {.run = run_probe,
                                                  .lost = lose_probe,
                                                  .name = name_probe,
                                                  .heir = heir_of_probe,
                                                  .inherited = inherited_probe};

static void probe_init(struct probe *probe, const char *label, void (*run)(struct probe *self))
{
    *probe = (struct probe){.label = label, .run = run, .base = probe};
    ck_assert_int_eq(via__fiber_init(&probe->fiber, &probe_kind, 0), 0);
}

/* Suspends twice with its base, and says how it finds itself. */
static void wait_twice(struct probe *self)
{
    volatile int local = self->value;
    for (int i = 0; i < 2; i++) {
        errno = 40 + i;
        via_test_record(&recorder, "%s:waits", self->label);
        via__fiber_suspend_to(&self->base->fiber);
        ck_assert_int_eq(errno, 40 + i);
        ck_assert_ptr_eq(via__fiber_self.current, &self->fiber);
        ck_assert_int_eq(local, self->value);
    }
    via_test_record(&recorder, "%s:ends", self->label);
}

/* Resumes the next one until that is over; all that waits is further in. */
static void step_next(struct probe *self)
{
    volatile int local = self->value;
    while (self->next->fiber.state != VIA__FIBER_OVER) {
        via__fiber_resume(&self->next->fiber);
        ck_assert_ptr_eq(via__fiber_self.current, &self->fiber);
        ck_assert_int_eq(local, self->value);
        via_test_record(&recorder, "%s:stepped", self->label);
    }
}

/* Three, each inside of the one before; the innermost waits for all of them. */
static void three_init(struct probe three[3])
{
    static const char *const labels[] = {"base", "middle", "inner"};
    for (int i = 0; i < 3; i++) {
        probe_init(&three[i], labels[i], i < 2 ? step_next : wait_twice);
        three[i].value = 100 + i;
        three[i].next = &three[i + 1];
        three[i].base = &three[0];
    }
}

static void assert_states(const struct probe *probes, int count, const int *states)
{
    for (int i = 0; i < count; i++)
        ck_assert_int_eq(probes[i].fiber.state, states[i]);
}

TEST(all_down_to_the_base_suspend_and_go_on_together)
{
    static const int waiting[] = {VIA__FIBER_SUSPENDED, VIA__FIBER_RUNNING, VIA__FIBER_RUNNING};
    static const int over[] = {VIA__FIBER_OVER, VIA__FIBER_OVER, VIA__FIBER_OVER};
    struct probe three[3];
    three_init(three);
    errno = 7;
    for (int i = 0; i < 2; i++) {
        via__fiber_resume(&three[0].fiber);
        ck_assert_ptr_null(via__fiber_self.current);
        ck_assert_int_eq(errno, 7);
        assert_states(three, 3, waiting);
    }
    ASSERT_RECORD(&recorder, "inner:waits inner:waits");
    via__fiber_resume(&three[0].fiber);
    assert_states(three, 3, over);
    ASSERT_RECORD(&recorder, "inner:waits inner:waits inner:ends middle:stepped base:stepped");
}

/* Hands over to the next one twice, and says how it finds itself. */
static void hand_over_twice(struct probe *self)
{
    volatile int local = self->value;
    for (int i = 0; i < 2; i++) {
        errno = local + i;
        via_test_record(&recorder, "%s:hands_over", self->label);
        via__fiber_hand_over(&self->base->fiber, &self->next->fiber);
        ck_assert_int_eq(errno, local + i);
        ck_assert_ptr_eq(via__fiber_self.current, &self->fiber);
        ck_assert_ptr_eq(via__role.failure, &self->fiber.failure);
        ck_assert_int_eq(local, self->value);
    }
    via_test_record(&recorder, "%s:ends", self->label);
}

static void end_at_once(struct probe *self)
{
    via_test_record(&recorder, "%s:ends", self->label);
}

TEST(one_that_hands_over_is_replaced_for_its_resumer)
{
    struct probe first, second;
    probe_init(&first, "first", hand_over_twice);
    probe_init(&second, "second", hand_over_twice);
    first.next = &second;
    second.next = &first;
    first.value = 40;
    second.value = 60;
    errno = 7;
    ck_assert_ptr_eq(via__fiber_resume(&first.fiber), &first.fiber);
    ASSERT_RECORD(&recorder,
                  "first:hands_over second:hands_over first:hands_over second:hands_over first:ends");
    ck_assert_int_eq(errno, 7);
    ck_assert_ptr_null(via__fiber_self.current);
    ck_assert_int_eq(first.fiber.state, VIA__FIBER_OVER);
    ck_assert_int_eq(second.fiber.state, VIA__FIBER_SUSPENDED);
    ck_assert_ptr_eq(via__fiber_resume(&second.fiber), &second.fiber);
    ck_assert_int_eq(second.fiber.state, VIA__FIBER_OVER);
    ck_assert_int_eq(errno, 7);
}

TEST(all_down_to_the_base_hand_over_together)
{
    static const int waiting[] = {VIA__FIBER_SUSPENDED, VIA__FIBER_RUNNING, VIA__FIBER_RUNNING};
    struct probe three[3], others[2];
    three_init(three);
    three[2].run = hand_over_twice;
    three[2].next = &others[0];
    for (int i = 0; i < 2; i++) {
        probe_init(&others[i], "other", end_at_once);
        ck_assert_ptr_eq(via__fiber_resume(&three[0].fiber), &others[i].fiber);
        assert_states(three, 3, waiting);
        three[2].next = &others[1];
    }
    ck_assert_ptr_eq(via__fiber_resume(&three[0].fiber), &three[0].fiber);
    ASSERT_RECORD(
        &recorder,
        "inner:hands_over other:ends inner:hands_over other:ends inner:ends middle:stepped base:stepped");
}

static void end_with_its_own_errno(struct probe *self)
{
    ck_assert_int_eq(errno, 0);
    ck_assert_ptr_eq(via__fiber_self.current, &self->fiber);
    ck_assert_ptr_eq(via__role.failure, &self->fiber.failure);
    errno = 5;
    via_test_record(&recorder, "%s:ends", self->label);
}

TEST(an_heir_goes_on_as_itself_be_it_new_or_in_the_midst_of_others)
{
    static const int waiting[] = {VIA__FIBER_SUSPENDED, VIA__FIBER_RUNNING, VIA__FIBER_RUNNING};
    struct probe three[3], first, second;
    three_init(three);
    via__fiber_resume(&three[0].fiber);
    probe_init(&first, "first", end_with_its_own_errno);
    probe_init(&second, "second", end_with_its_own_errno);
    first.heir = &second;
    second.heir = &three[0];
    errno = 7;
    ck_assert_ptr_eq(via__fiber_resume(&first.fiber), &three[0].fiber);
    ASSERT_RECORD(&recorder,
                  "inner:waits first:ends inherited:first second:ends inherited:second inner:waits");
    ck_assert_int_eq(errno, 7);
    ck_assert_ptr_null(via__fiber_self.current);
    assert_states(three, 3, waiting);
    ck_assert_ptr_eq(via__fiber_resume(&three[0].fiber), &three[0].fiber);
    ck_assert_int_eq(three[0].fiber.state, VIA__FIBER_OVER);
}

TEST(one_may_be_its_own_base)
{
    struct probe one;
    probe_init(&one, "one", wait_twice);
    via__fiber_resume(&one.fiber);
    ck_assert_int_eq(one.fiber.state, VIA__FIBER_SUSPENDED);
    via__fiber_resume(&one.fiber);
    via__fiber_resume(&one.fiber);
    ck_assert_int_eq(one.fiber.state, VIA__FIBER_OVER);
    ASSERT_RECORD(&recorder, "one:waits one:waits one:ends");
}

TEST(the_base_need_not_be_the_outermost)
{
    struct probe three[3];
    three_init(three);
    three[2].base = &three[1];
    via__fiber_resume(&three[0].fiber);
    ASSERT_RECORD(&recorder, "inner:waits base:stepped inner:waits base:stepped inner:ends middle:stepped "
                             "base:stepped");
    ck_assert_int_eq(three[0].fiber.state, VIA__FIBER_OVER);
}

static void step_from_here(struct probe *self)
{
    via__fiber_resume(&self->next->fiber);
}

TEST(who_resumes_the_base_may_be_another_each_time)
{
    struct probe three[3], other;
    three_init(three);
    via__fiber_resume(&three[0].fiber);
    probe_init(&other, "other", step_from_here);
    other.next = &three[0];
    via__fiber_resume(&other.fiber);
    ck_assert_int_eq(other.fiber.state, VIA__FIBER_OVER);
    via__fiber_resume(&three[0].fiber);
    ck_assert_int_eq(three[0].fiber.state, VIA__FIBER_OVER);
}

TEST(many_can_wait_so_at_once)
{
    enum { MANY = 50 };
    struct probe(*all)[3] = calloc(MANY, sizeof *all);
    for (int i = 0; i < MANY; i++)
        three_init(all[i]);
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < MANY; i++)
            via__fiber_resume(&all[round % 2 ? MANY - 1 - i : i][0].fiber);
    for (int i = 0; i < MANY; i++)
        ck_assert_int_eq(all[i][0].fiber.state, VIA__FIBER_OVER);
    free(all);
}

/* ---- generators ---- */

static via_coro *generator;
static int yielded[3];

/* Waits with the fiber that steps it before each value. */
static int wait_and_yield(void *arg, void **result)
{
    struct probe *stepper = arg;
    (void)result;
    for (int i = 0; i < 3; i++) {
        yielded[i] = i;
        via__fiber_suspend_to(&stepper->fiber);
        int rc = via_coro_yield(&yielded[i], NULL);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static void sum_generated(struct probe *self)
{
    void *value;
    while (via_coro_next(generator, &value) == 1)
        self->value += 1 + *(int *)value;
}

static void stepper_init(struct probe *stepper)
{
    probe_init(stepper, "stepper", sum_generated);
    ck_assert_int_eq(via_coro_new(wait_and_yield, stepper, NULL, &generator), 0);
}

TEST(a_generator_may_wait_with_who_steps_it)
{
    static const int sums[] = {0, 1, 3, 6};
    struct probe stepper;
    stepper_init(&stepper);
    for (int i = 0; i < 4; i++) {
        via__fiber_resume(&stepper.fiber);
        ck_assert_int_eq(stepper.value, sums[i]);
    }
    ck_assert_int_eq(stepper.fiber.state, VIA__FIBER_OVER);
    ck_assert_int_eq(via_coro_state(generator), VIA_CORO_DONE);
    via_coro_free(generator);
}

TEST(while_it_waits_nobody_else_can_step_it)
{
    struct probe stepper;
    stepper_init(&stepper);
    via__fiber_resume(&stepper.fiber);
    ck_assert_int_eq(via_coro_state(generator), VIA_CORO_RUNNING);
    ck_assert_int_eq(via_coro_next(generator, NULL), VIA_EBUSY);
    ck_assert_int_eq(via_coro_close(generator), VIA_EBUSY);
    ck_assert_ptr_eq(via_coro_free(generator), generator);
    ck_assert_ptr_null(via_coro_current());
    while (stepper.fiber.state != VIA__FIBER_OVER)
        via__fiber_resume(&stepper.fiber);
    via_coro_free(generator);
}

static int clean_up_slowly(void *arg, void **result)
{
    struct probe *stepper = arg;
    (void)result;
    int rc = via_coro_yield(NULL, NULL);
    via__fiber_suspend_to(&stepper->fiber);
    return rc;
}

static void close_generator(struct probe *self)
{
    ck_assert_int_eq(via_coro_next(generator, NULL), 1);
    self->value = via_coro_close(generator);
}

TEST(a_generator_that_is_closed_may_wait_with_who_closes_it)
{
    struct probe closer;
    probe_init(&closer, "closer", close_generator);
    closer.value = 1;
    ck_assert_int_eq(via_coro_new(clean_up_slowly, &closer, NULL, &generator), 0);
    via__fiber_resume(&closer.fiber);
    ck_assert_int_eq(closer.value, 1);
    via__fiber_resume(&closer.fiber);
    ck_assert_int_eq(closer.value, 0);
    ck_assert_int_eq(via_coro_state(generator), VIA_CORO_DONE);
    via_coro_free(generator);
}

/* ---- loops and calls ---- */

static void say_what_it_may(struct probe *self)
{
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(via__fiber_may_suspend(), 1);
        ck_assert_int_eq(via__fiber_may_suspend_to(&self->base->fiber), 1);
        via__fiber_suspend_to(&self->base->fiber);
    }
    ck_assert_int_eq(via__fiber_may_suspend(), 1);
}

static void step_and_say_what_it_may(struct probe *self)
{
    via__fiber_resume(&self->next->fiber);
    ck_assert_int_eq(via__fiber_may_suspend(), 1);
    ck_assert_int_eq(via__fiber_may_suspend_to(&self->base->fiber), 1);
}

TEST(after_it_they_may_suspend_wherever_the_base_was_resumed)
{
    struct probe three[3];
    int loops[3];
    three_init(three);
    three[0].run = three[1].run = step_and_say_what_it_may;
    three[2].run = say_what_it_may;
    for (int i = 0; i < 3; i++) {
        struct via__role_outer outer = via__role_enter_loop(&loops[i]);
        via__fiber_resume(&three[0].fiber);
        ck_assert_ptr_null(via__role.failure);
        ck_assert_ptr_eq(via__role.loop, &loops[i]);
        via__role_leave_loop(outer);
    }
    ck_assert_int_eq(three[0].fiber.state, VIA__FIBER_OVER);
}

static void step_in_a_call(struct probe *self)
{
    struct via__failure failure = {.given = 0}, *before = via__role.failure;
    via__role.failure = &failure;
    via__fiber_resume(&self->next->fiber);
    ck_assert_ptr_eq(via__role.failure, &failure);
    via__role.failure = before;
}

static void find_a_call_between(struct probe *self)
{
    ck_assert_int_eq(via__fiber_may_suspend(), 1);
    ck_assert_int_eq(via__fiber_may_suspend_to(&self->base->fiber), 0);
}

TEST(a_call_between_the_two_cannot_be_left)
{
    struct probe three[3];
    three_init(three);
    three[1].run = step_in_a_call;
    three[2].run = find_a_call_between;
    via__fiber_resume(&three[0].fiber);
    ck_assert_int_eq(three[0].fiber.state, VIA__FIBER_OVER);
}

/* ---- those that will not go on ---- */

TEST(dropping_the_base_loses_those_inside_the_innermost_first)
{
    struct probe three[3];
    three_init(three);
    via__fiber_resume(&three[0].fiber);
    via__fiber_drop(&three[0].fiber);
    ASSERT_RECORD(&recorder, "inner:waits lost:inner lost:middle");
    ck_assert_int_eq(three[0].fiber.state, VIA__FIBER_OVER);
    ck_assert_uint_eq(via__stacks_in_use(&via__fiber_self.thread->stacks), 0);
}

TEST(a_generator_whose_stepper_is_dropped_is_over)
{
    struct via_outcome outcome;
    struct probe stepper;
    stepper_init(&stepper);
    via__fiber_resume(&stepper.fiber);
    via__fiber_drop(&stepper.fiber);
    ck_assert_int_eq(via_coro_outcome(generator, &outcome), 0);
    ck_assert_int_eq(outcome.status, VIA_EEXITED);
    ck_assert_ptr_null(via_coro_free(generator));
}

/* ThreadSanitizer takes pthread_exit() and longjmp() only on the stack that the thread began with. */
#if !UNDER_THREAD_SANITIZER

static void wait_and_exit(struct probe *self)
{
    via__fiber_suspend_to(&self->base->fiber);
    pthread_exit(self->base);
}

static void *run_into_exit(void *arg)
{
    struct probe *three = arg;
    three_init(three);
    three[2].run = wait_and_exit;
    via__fiber_resume(&three[0].fiber);
    via__fiber_resume(&three[0].fiber);
    ck_abort_msg("the thread went on");
}

TEST(all_that_run_again_when_a_thread_ends_are_lost)
{
    struct probe three[3];
    struct via_test_thread thread;
    via_test_thread_start(&thread, run_into_exit, three);
    ck_assert_ptr_eq(via_test_thread_join(&thread), three);
    ASSERT_RECORD(&recorder, "lost:inner lost:middle lost:base");
}

static jmp_buf target;

static void wait_and_jump(struct probe *self)
{
    via__fiber_suspend_to(&self->base->fiber);
    longjmp(target, 1);
}

TEST(longjmp_out_of_those_that_have_waited_ends_them_all)
{
    static struct probe three[3];
    three_init(three);
    three[2].run = wait_and_jump;
    via__fiber_resume(&three[0].fiber);
    if (setjmp(target) == 0) {
        via__fiber_resume(&three[0].fiber);
        ck_abort_msg("it did not jump");
    }
    ck_assert_int_eq(via__fiber_settle(), 0);
    ck_assert_ptr_null(via__fiber_self.current);
    ASSERT_RECORD(&recorder, "lost:inner lost:middle lost:base");
}

#define LEAVING                                                                                              \
    all_that_run_again_when_a_thread_ends_are_lost, longjmp_out_of_those_that_have_waited_ends_them_all,
#else
#define LEAVING
#endif

static pthread_key_t key;

/* What a program's own destructor may do while the library waits for it. */
static void drop_base(void *arg)
{
    struct probe *three = arg;
    via__fiber_drop(&three[0].fiber);
}

static void *leave_three_waiting(void *arg)
{
    three_init(arg);
    via__fiber_resume(&((struct probe *)arg)->fiber);
    ck_assert_int_eq(pthread_setspecific(key, arg), 0);
    return NULL;
}

static void count_log(enum via_log_level level, const char *text, void *arg)
{
    (void)level;
    (void)text;
    ++*(int *)arg;
}

TEST(those_that_wait_when_their_thread_ends_can_be_dropped_there)
{
    struct probe three[3];
    struct via_test_thread thread;
    int logged = 0;
    ck_assert_int_eq(pthread_key_create(&key, drop_base), 0);
    via_set_log_hook(count_log, &logged);
    via_test_thread_start(&thread, leave_three_waiting, three);
    via_test_thread_join(&thread);
    via_set_log_hook(NULL, NULL);
    ck_assert_int_eq(logged, 0);
    ASSERT_RECORD(&recorder, "inner:waits lost:inner lost:middle");
    pthread_key_delete(key);
}

TEST_MAIN("coro/fiber", all_down_to_the_base_suspend_and_go_on_together,
          one_that_hands_over_is_replaced_for_its_resumer, all_down_to_the_base_hand_over_together,
          an_heir_goes_on_as_itself_be_it_new_or_in_the_midst_of_others, one_may_be_its_own_base,
          the_base_need_not_be_the_outermost, who_resumes_the_base_may_be_another_each_time,
          many_can_wait_so_at_once, a_generator_may_wait_with_who_steps_it,
          while_it_waits_nobody_else_can_step_it, a_generator_that_is_closed_may_wait_with_who_closes_it,
          after_it_they_may_suspend_wherever_the_base_was_resumed, a_call_between_the_two_cannot_be_left,
          dropping_the_base_loses_those_inside_the_innermost_first,
          a_generator_whose_stepper_is_dropped_is_over,
          LEAVING those_that_wait_when_their_thread_ends_can_be_dropped_there)
