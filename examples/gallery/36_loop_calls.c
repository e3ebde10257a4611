/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The calls below tasks: what a loop itself can do, with callbacks only.
 */
#include "gallery.h"

static via_loop *loop;
static int64_t start_ns;

static void print(const char *what)
{
    printf("%.1f s  %s\n", (double)(via_loop_time_ns(loop) - start_ns) / (double)VIA_S, what);
}

static int print_word(void *word)
{
    print(word);
    return 0;
}

static int stop(void *arg)
{
    (void)arg;
    print(via_loop_is_running(loop) ? "stop: the loop is running" : "stop: the loop is not running");
    return via_loop_stop(loop);
}

static int keep(void *promise)
{
    print("keep the promise");
    return via_future_set_result(promise, NULL, NULL);
}

static void schedule_words(void)
{
    static char first[] = "soon, first", second[] = "soon, second", late[] = "after 0.2 s",
                early[] = "at 0.1 s", same[] = "after 0.2 s as well", never[] = "never";
    via_handle *handle;
    /* Asyncio keeps no order among callbacks that are due at the same time; here it is that of the calls. */
    via_call_later(loop, 200 * VIA_MS, print_word, late, NULL);
    via_call_later(loop, 200 * VIA_MS, print_word, same, NULL);
    via_call_at(loop, start_ns + 100 * VIA_MS, print_word, early, NULL);
    via_call_soon(loop, print_word, first, NULL);
    via_call_soon(loop, print_word, second, NULL);
    if (via_call_later(loop, 50 * VIA_MS, print_word, never, &handle) == 0) {
        via_handle_cancel(handle);
        via_handle_unref(handle);
    }
}

int main(void)
{
    struct via_loop_options options;
    via_loop_options_init(&options);
    options.virtual_clock = gallery_clock_is_virtual();
    int rc = via_loop_new_with(&options, &loop);
    if (rc < 0)
        return via_exit_status(rc);
    start_ns = via_loop_time_ns(loop);

    schedule_words();
    via_call_later(loop, 300 * VIA_MS, stop, NULL, NULL);
    print("run_forever");
    rc = via_loop_run_forever(loop);
    print(via_loop_is_running(loop) ? "the loop is running" : "the loop is not running");

    if (rc == 0) {
        via_future *promise = via_future_new(loop);
        via_call_later(loop, 100 * VIA_MS, keep, promise, NULL);
        print("run_until_complete");
        rc = via_loop_run_until_complete(loop, promise);
        print(via_future_done(promise) ? "the promise is kept" : "the promise is not kept");
        via_future_unref(promise);
    }
    via_loop_close(loop);
    puts(via_loop_is_closed(loop) ? "the loop is closed" : "the loop is open");
    printf("call_soon: %s\n", via_status_text(via_call_soon(loop, stop, NULL, NULL)));
    via_loop_unref(loop);
    return via_exit_status(rc);
}
