/* SPDX-License-Identifier: BSD-3-Clause */
/* Long work that tells how far it is: the worker posts to the loop, where the display lives. */
#include <stdio.h>
#include <stdlib.h>
#include <viaduct.h>

enum { NUMBERS = 200000, REPORTS = 4 };

struct count {
    via_loop *loop; /* where reports go; held, so that the loop waits for them */
    long primes;
};

struct report {
    int percent;
};

/* On the loop's thread, so it may touch whatever the loop's other callbacks touch. */
static int show_report(void *arg)
{
    struct report *report = arg;
    printf("%d %%\n", report->percent);
    free(report);
    return 0;
}

/* Each report owns what it says: the worker is long past it when it is shown.  One that cannot be posted is
 * dropped, because the work matters more than the display. */
static void post_report(via_loop *loop, int percent)
{
    struct report *report = malloc(sizeof *report);
    if (report == NULL)
        return;
    report->percent = percent;
    if (via_call_soon_threadsafe(loop, show_report, report, NULL) < 0)
        free(report);
}

static int is_prime(long n)
{
    for (long divisor = 2; divisor * divisor <= n; divisor++)
        if (n % divisor == 0)
            return 0;
    return n > 1;
}

static int count_primes(void *arg, void **result)
{
    struct count *count = arg;
    (void)result;
    for (long n = 1; n <= NUMBERS; n++) {
        count->primes += is_prime(n);
        if (n % (NUMBERS / REPORTS) == 0)
            post_report(count->loop, (int)(100 * n / NUMBERS));
    }
    return 0;
}

int main(void)
{
    struct count count = {0};
    if (via_loop_new(&count.loop) < 0)
        return 1;
    struct via_call call = VIA_CALL(count_primes, &count);
    via_future *future = via_run_in_executor(count.loop, NULL, &call);
    /* What one thread sends to a loop arrives in order, so every report is shown before the future is done.
     */
    int rc = via_loop_run_until_complete(count.loop, future);
    if (rc == 0)
        rc = via_future_result(future, NULL);
    /* The future is done, so the function has returned, and nobody else looks at `count` any more. */
    printf("%ld primes up to %d: %s\n", count.primes, NUMBERS, via_status_text(rc));
    via_future_unref(future);
    via_loop_unref(count.loop);
    return 0;
}
