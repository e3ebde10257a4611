/* SPDX-License-Identifier: BSD-3-Clause */
/* What tasks wait for can be seen through what stands between them. */
#include "unit/combine/combine_fixture.h"

static char text[2000];

/* The line of a task. */
static const char *line_of(const char *name)
{
    static char line[1000];
    int bytes = via_tasks_describe(via_loop_current(), sizeof text, text);
    ck_assert_int_lt(bytes, (int)sizeof text);
    for (const char *at = text; *at; at += strcspn(at, "\n") + 1) {
        size_t length = strcspn(at, "\n");
        if (strncmp(at, name, strlen(name)) != 0 || at[strlen(name)] != ' ')
            continue;
        ck_assert_uint_lt(length, sizeof line);
        memcpy(line, at, length);
        line[length] = '\0';
        return line + strlen(name) + 1;
    }
    return "is not there";
}

static via_future *sleeper(const char *name)
{
    return create_named(name, task_wait_for_ever, NULL);
}

static int await_it(void *future, void **result)
{
    (void)result;
    return via_await(future, NULL);
}

static void end(via_future *task)
{
    yield_times(2);
    via_task_cancel(task, NULL);
    ck_assert_int_eq(via_await(task, NULL), VIA_EABORTED);
}

static int describe_gather(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *children[] = {sleeper("a"), sleeper("b"), new_promise(), done_with(NULL)};
    via_future *task = create_named("w", await_it, via_gather(children, 4, 0));
    yield_times(2);
    ck_assert_str_eq(line_of("w"), "waits for a gather of (a, b, a promise)");
    ck_assert_str_eq(line_of("a"), "waits for a time");
    end(task);
    return 0;
}

TEST(a_gather_names_the_children_that_are_not_done)
{
    ck_assert_int_eq(run_main(describe_gather, NULL), 0);
}

static int describe_shield(void *arg, void **result)
{
    (void)arg;
    (void)result;
    via_future *inner = sleeper("inner"),
               *task = create_named("w", await_it, via_shield(via_future_ref(inner)));
    yield_times(2);
    ck_assert_str_eq(line_of("w"), "waits for a shield of (inner)");
    end(task);
    end(inner);
    return 0;
}

TEST(a_shield_names_the_inner_one)
{
    ck_assert_int_eq(run_main(describe_shield, NULL), 0);
}

static int when_to_return;

static int wait_it(void *futures, void **result)
{
    (void)result;
    return via_wait(futures, 2, VIA_FOREVER, when_to_return) < 0 ? VIA_ECANCELED : 0;
}

static int describe_wait(void *arg, void **result)
{
    static const char *const expected[] = {[VIA_ALL_COMPLETED] = "waits for all futures of (a, b)",
                                           [VIA_FIRST_COMPLETED] = "waits for one future of (a, b)",
                                           [VIA_FIRST_EXCEPTION] = "waits for an error of (a, b)"};
    via_future *children[] = {sleeper("a"), sleeper("b")};
    struct via_task_info info;
    (void)arg;
    (void)result;
    for (when_to_return = 0; when_to_return <= VIA_FIRST_EXCEPTION; when_to_return++) {
        via_future *task = create_named("w", wait_it, children);
        yield_times(2);
        ck_assert_str_eq(line_of("w"), expected[when_to_return]);
        ck_assert_int_eq(via_task_info(task, &info), 0);
        ck_assert_ptr_null(info.awaited);
        end(task);
    }
    end(children[0]);
    end(children[1]);
    return 0;
}

TEST(a_wait_names_its_futures)
{
    ck_assert_int_eq(run_main(describe_wait, NULL), 0);
}

static int walk_it(void *it, void **result)
{
    via_future *future;
    (void)result;
    return via_completed_next(it, &future) < 0 ? VIA_ECANCELED : 0;
}

static int describe_walk(void *arg, void **result)
{
    via_future *children[] = {sleeper("a"), sleeper("b")};
    via_completed *it = NULL;
    (void)arg;
    (void)result;
    ck_assert_int_eq(via_as_completed(children, 2, VIA_FOREVER, &it), 0);
    via_future *task = create_named("w", walk_it, it);
    yield_times(2);
    ck_assert_str_eq(line_of("w"), "waits for the next future of (a, b)");
    end(task);
    via_completed_free(it);
    end(children[0]);
    end(children[1]);
    return 0;
}

TEST(a_walk_names_what_is_still_to_come)
{
    ck_assert_int_eq(run_main(describe_walk, NULL), 0);
}

/* A tower of gathers, each of two shields of the one below: a path for every subset. */
static int describe_diamonds(void *arg, void **result)
{
    via_future *top = sleeper("bottom");
    (void)arg;
    (void)result;
    for (int i = 0; i < 40; i++) {
        via_future *both[] = {via_shield(via_future_ref(top)), via_shield(top)};
        top = via_gather(both, 2, 0);
    }
    via_future *bottom = NULL;
    via_future *tasks[4];
    ck_assert_int_ge(via_all_tasks(via_loop_current(), tasks, 4), 2);
    bottom = via_future_ref(tasks[1]);
    via_future *task = create_named("w", await_it, top);
    yield_times(2);
    ck_assert_uint_lt(strlen(line_of("w")), 500);
    ck_assert_ptr_nonnull(strstr(line_of("w"), "..."));
    end(task);
    end(bottom);
    return 0;
}

TEST(diamonds_do_not_multiply)
{
    ck_assert_int_eq(run_main(describe_diamonds, NULL), 0);
}

static int describe_many(void *arg, void **result)
{
    enum { MANY = 100 };
    via_future *promises[MANY];
    (void)arg;
    (void)result;
    for (int i = 0; i < MANY; i++)
        promises[i] = new_promise();
    via_future *task = create_named("w", await_it, via_gather(promises, MANY, 0));
    yield_times(2);
    ck_assert_uint_lt(strlen(line_of("w")), 300);
    ck_assert_ptr_nonnull(strstr(line_of("w"), ", ...)"));
    end(task);
    return 0;
}

TEST(of_many_only_some_are_named)
{
    ck_assert_int_eq(run_main(describe_many, NULL), 0);
}

TEST_MAIN("combine/describe", a_gather_names_the_children_that_are_not_done, a_shield_names_the_inner_one,
          a_wait_names_its_futures, a_walk_names_what_is_still_to_come, diamonds_do_not_multiply,
          of_many_only_some_are_named)
