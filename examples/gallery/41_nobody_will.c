/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Awaiting what nobody will ever do.  Asyncio waits for ever.  A run of Viaduct notices that nothing is left
 * that could end the wait - no timer, descriptor, call on a thread - and says who waits for what.
 */
#include "gallery.h"

static int forgetful(void *arg, void **result)
{
    (void)result;
    return via_await(via_future_ref(arg), NULL);
}

static int main_task(void *arg, void **result)
{
    struct via_task_options options = {.name = "the forgetful one"};
    via_future *promise = via_future_new(via_loop_current());
    (void)arg;
    (void)result;
    int rc = via_await(via_create_task_with(NULL, forgetful, promise, &options), NULL);
    via_future_unref(promise);
    printf("main ends: %s\n", via_status_text(rc));
    return rc;
}

/* Without a handler of its own the program would find this on standard error. */
static int print_report(const struct via_exception *exception, void *arg)
{
    (void)arg;
    printf("%s:\n%s", exception->message, exception->text);
    return 0;
}

int main(void)
{
    struct via_runner_options options;
    via_runner *runner;
    gallery_options_init(&options);
    options.exception_fn = print_report;
    int rc = via_runner_new(&options, &runner);
    if (rc < 0)
        return via_exit_status(rc);
    rc = via_runner_run(runner, main_task, NULL, NULL);
    printf("the run: %s (%s)\n", via_status_text(rc), via_status_name(rc));
    via_runner_free(runner);
    return via_exit_status(rc == VIA_EDEADLK ? 0 : rc);
}
