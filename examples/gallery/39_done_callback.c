/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A callback on a task: called once, when the task has ended, with the result there to be read.
 */
#include "gallery.h"

static int count_words(void *arg, void **result)
{
    static int words;
    int rc = via_sleep(1 * VIA_S);
    for (const char *at = arg; *at != 0; at++)
        words += *at == ' ';
    words++;
    *result = &words;
    say("the task ends");
    return rc;
}

static int print_result(via_future *task, void *arg)
{
    void *value;
    int rc = via_future_result(task, &value);
    (void)arg;
    if (rc == 0)
        say("the callback of '%s': %d words", via_task_name(task), *(int *)value);
    return rc;
}

static int main_task(void *arg, void **result)
{
    static char text[] = "what is to be counted";
    struct via_task_options options = {.name = "counter"};
    (void)arg;
    (void)result;
    via_future *task = via_create_task_with(NULL, count_words, text, &options);
    int rc = via_future_add_done_callback(task, print_result, NULL);
    via_future_unref(task); /* it is kept until its callbacks have run */
    if (rc == 0)
        rc = via_sleep(2 * VIA_S);
    say("main ends");
    return rc;
}

int main(void)
{
    return via_exit_status(gallery_run(main_task, NULL, NULL));
}
