/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Something that moves on the screen while a slow function runs on a thread, and how it ends.
 *
 * The spinner wipes its line when it is cancelled.  To cancel it is only to ask: it wipes when it runs the
 * next time.  A runner lets every task that is left run to its end before it returns, so what the caller
 * prints comes after the wiping.  run_until_complete() comes back the moment its future is done: there the
 * supervisor has to await the spinner, or the answer would be printed behind it and then be wiped.
 */
#include "gallery.h"

static int spin(void *arg, void **result)
{
    const char *message = arg;
    int rc = 0;
    (void)result;
    for (int i = 0; rc == 0; i++) {
        printf("\r%c %s", "|/-\\"[i % 4], message);
        fflush(stdout);
        rc = via_sleep(250 * VIA_MS);
    }
    printf("\r%*s\r", (int)strlen(message) + 2, "");
    return rc;
}

static int slow(void *arg, void **result) /* on a thread; it blocks */
{
    static int answer = 42;
    (void)arg;
    *result = &answer;
    return via_call_sleep(1900 * VIA_MS);
}

static int supervise(void *arg, void **result)
{
    const int *must_await = arg;
    via_future *spinner = via_create_task(spin, "thinking!");
    int rc = via_await_to_thread(slow, NULL, result);
    via_task_cancel(spinner, NULL);
    if (*must_await)
        return via_await(spinner, NULL) == VIA_EABORTED ? rc : VIA_ESTATE;
    via_future_unref(spinner);
    return rc;
}

static int with_run(void)
{
    int must_await = 0;
    void *answer;
    int rc = gallery_run(supervise, &must_await, &answer);
    if (rc == 0)
        printf("run(): the answer is %d\n", *(int *)answer);
    return rc;
}

static int with_run_until_complete(void)
{
    int must_await = 1;
    void *answer;
    via_loop *loop;
    struct via_loop_options options;
    via_loop_options_init(&options);
    options.virtual_clock = gallery_clock_is_virtual();
    int rc = via_loop_new_with(&options, &loop);
    if (rc < 0)
        return rc;
    via_future *task = via_create_task_with(loop, supervise, &must_await, NULL);
    rc = via_loop_run_until_complete(loop, task);
    if (rc == 0)
        rc = via_future_result(task, &answer);
    if (rc == 0)
        printf("run_until_complete(): the answer is %d\n", *(int *)answer);
    via_future_unref(task);
    via_loop_close(loop);
    via_loop_unref(loop);
    return rc;
}

int main(void)
{
    int rc = with_run();
    return via_exit_status(rc < 0 ? rc : with_run_until_complete());
}
