/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * What the tests of groups and of time limits share: tasks that sleep and then say so, that clean up, and
 * that do not listen.
 */
#ifndef VIA_TEST_GROUP_FIXTURE_H
#define VIA_TEST_GROUP_FIXTURE_H

#include "unit/task/task_fixture.h"
#include <viaduct/group.h>
#include <viaduct/timeout.h>

/* What a task of these tests is to do. */
struct plan {
    const char *name;    /* written to the history when its time is over, or with '!' when it was cut short */
    int64_t sleep_ns;    /* how long it works */
    int status;          /* what it returns then */
    int64_t clean_up_ns; /* how long its clean-up takes when it was cut short */
    int clean_up_status; /* what it returns then; 0 for what it was cut short with */
};

/* In a task: sleeps whatever is asked meanwhile. */
static inline void sleep_shielded(int64_t duration_ns)
{
    struct via_scope shield;
    ck_assert_int_eq(via_shield_begin(&shield), 0);
    ck_assert_int_eq(via_sleep(duration_ns), 0);
    ck_assert_int_eq(via_shield_end(&shield), 0);
}

static inline int follow(const struct plan *plan)
{
    int status = via_sleep(plan->sleep_ns);
    if (status == 0) {
        via_test_record(&history, "%s", plan->name);
        return plan->status;
    }
    ck_assert_int_eq(status, VIA_ECANCELED);
    if (plan->clean_up_ns)
        sleep_shielded(plan->clean_up_ns);
    via_test_record(&history, "%s!", plan->name);
    return plan->clean_up_status ? plan->clean_up_status : status;
}

/* A task that follows the plan that is its argument. */
static inline int task_follow(void *plan, void **result)
{
    *result = plan;
    return follow(plan);
}

static inline via_group *begin_group(void)
{
    via_group *group = NULL;
    ck_assert_int_eq(via_group_begin(NULL, &group), 0);
    ck_assert_ptr_nonnull(group);
    return group;
}

static inline via_group *begin_limited(size_t limit)
{
    struct via_group_options options = {.limit = limit};
    via_group *group = NULL;
    ck_assert_int_eq(via_group_begin(&options, &group), 0);
    return group;
}

/* Ends a group in which nothing failed, and frees it. */
static inline int end_group(via_group *group, int status)
{
    const struct via_outcome *errors = NULL;
    int ended = via_group_end(group, status);
    ck_assert_int_eq(via_group_errors(group, &errors), ended == 0 || ended == VIA_ECANCELED ? 0 : 1);
    via_group_free(group);
    return ended;
}

/* Adds a task whose future nobody looks at. */
static inline void add(via_group *group, via_task_fn fn, void *arg)
{
    via_future_unref(via_group_create_task(group, fn, arg));
}

static inline void add_plan(via_group *group, struct plan *plan)
{
    add(group, task_follow, plan);
}

/* The statuses of what failed, as words in the history. */
static inline void say_errors(via_group *group)
{
    const struct via_outcome *errors = NULL;
    int count = via_group_errors(group, &errors);
    ck_assert_int_ge(count, 0);
    for (int i = 0; i < count; i++)
        via_test_record(&history, "%s", via_status_name(errors[i].status) + strlen("VIA_"));
}

/* Ends a group of which the statuses of what failed go to the history, and frees it. */
static inline int end_and_say(via_group *group, int status)
{
    int ended = via_group_end(group, status);
    say_errors(group);
    via_group_free(group);
    return ended;
}

#endif
