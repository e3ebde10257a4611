/* SPDX-License-Identifier: BSD-3-Clause */
#include "support/support.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <viaduct/log.h>

#include "base/log.h"

struct heard {
    int count;
    enum via_log_level level;
    char text[1024];
};

static void hear(enum via_log_level level, const char *text, void *arg)
{
    struct heard *heard = arg;

    heard->count++;
    heard->level = level;
    strncpy(heard->text, text, sizeof(heard->text) - 1);
}

TEST(without_a_hook_messages_are_dropped)
{
    via__log(VIA_LOG_ERROR, "nobody hears %d", 1);
    via_set_log_hook(NULL, NULL);
    via__log(VIA_LOG_ERROR, "nobody hears %d", 2);
}

TEST(the_hook_is_given_level_and_text)
{
    struct heard heard = {0};

    via_set_log_hook(hear, &heard);
    via__log(VIA_LOG_WARNING, "%s is %d", "seven", 7);
    ck_assert_int_eq(heard.count, 1);
    ck_assert_int_eq(heard.level, VIA_LOG_WARNING);
    ck_assert_str_eq(heard.text, "seven is 7");
    via_set_log_hook(NULL, NULL);
    via__log(VIA_LOG_ERROR, "no more");
    ck_assert_int_eq(heard.count, 1);
}

TEST(a_long_message_is_cut)
{
    char text[2000];
    struct heard heard = {0};

    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    via_set_log_hook(hear, &heard);
    via__log(VIA_LOG_ERROR, "%s", text);
    ck_assert_uint_eq(strlen(heard.text), 511);
    via_set_log_hook(NULL, NULL);
}

static void replace(enum via_log_level level, const char *text, void *arg)
{
    via_set_log_hook(hear, arg);
    via__log(level, "again: %s", text);
}

TEST(a_hook_may_log_and_replace_itself)
{
    struct heard heard = {0};

    via_set_log_hook(replace, &heard);
    via__log(VIA_LOG_ERROR, "once");
    ck_assert_int_eq(heard.count, 1);
    ck_assert_str_eq(heard.text, "again: once");
    via_set_log_hook(NULL, NULL);
}

/* Two hooks, each with an argument that the other must not be given. */
static int first_arg, second_arg;
static int heard_right, heard_wrong;

static void hear_first(enum via_log_level level, const char *text, void *arg)
{
    (void)level;
    (void)text;
    heard_right += arg == &first_arg;
    heard_wrong += arg != &first_arg;
}

static void hear_second(enum via_log_level level, const char *text, void *arg)
{
    (void)level;
    (void)text;
    heard_right += arg == &second_arg;
    heard_wrong += arg != &second_arg;
}

/* A thread that replaces the hook without end, and so holds the lock much of the time. */

static void *replace_without_end(void *stop)
{
    for (unsigned i = 0; !__atomic_load_n((int *)stop, __ATOMIC_RELAXED); i++)
        via_set_log_hook(i % 2 ? hear_first : hear_second, i % 2 ? &first_arg : &second_arg);
    return NULL;
}

static int log_in_child(void *unused)
{
    (void)unused;
    signal(SIGALRM, SIG_DFL);
    alarm(5);
    via__log(VIA_LOG_WARNING, "child");
    return heard_right == 1 && heard_wrong == 0;
}

TEST(a_child_that_was_forked_amid_a_replacement_can_log)
{
    struct via_test_thread thread;
    int stop = 0, good = 0;

    via_set_log_hook(hear_first, &first_arg);
    via_test_thread_start(&thread, replace_without_end, &stop);
    for (int i = 0; i < 100 && good == i; i++)
        good += via_test_fork(log_in_child, NULL) == 1;
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    via_test_thread_join(&thread);
    via_set_log_hook(NULL, NULL);
    ck_assert_int_eq(good, 100);
}

TEST_MAIN("base/log", without_a_hook_messages_are_dropped, the_hook_is_given_level_and_text,
          a_long_message_is_cut, a_hook_may_log_and_replace_itself,
          a_child_that_was_forked_amid_a_replacement_can_log)
