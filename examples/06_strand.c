/* SPDX-License-Identifier: BSD-3-Clause */
/* A strand: calls that must not run at the same time, in order, without a lock and without a thread of their
 * own.  The ledger below knows nothing of threads. */
#include <stdio.h>
#include <viaduct.h>

enum { TRANSFERS = 1000 };

struct ledger {
    long balance;
    int entries;
    int out_of_order;
};

struct transfer {
    struct ledger *ledger;
    int number; /* transfers come numbered from 0 */
    long amount;
};

/* Reads and writes plain variables: only the strand makes this right, also under a thread sanitizer. */
static int enter(void *arg, void **result)
{
    struct transfer *transfer = arg;
    struct ledger *ledger = transfer->ledger;
    (void)result;
    if (transfer->number != ledger->entries)
        ledger->out_of_order++;
    ledger->entries++;
    ledger->balance += transfer->amount;
    return 0;
}

static int submit_all(via_executor *strand, struct transfer *transfers, struct ledger *ledger,
                      via_cfuture **last)
{
    int rc = 0;
    for (int i = 0; i < TRANSFERS && rc == 0; i++) {
        transfers[i] = (struct transfer){ledger, i, i % 2 == 0 ? 100 : -40};
        struct via_call call = VIA_CALL(enter, &transfers[i]);
        /* Nobody wants to know how each went, so there is no future, except for the last: in a strand it is
         * done after all the others. */
        rc = via_executor_submit(strand, &call, i == TRANSFERS - 1 ? last : NULL);
    }
    return rc;
}

int main(void)
{
    static struct transfer transfers[TRANSFERS];
    struct ledger ledger = {0};
    via_executor *pool, *strand;
    via_cfuture *last;
    if (via_thread_pool_new(NULL, &pool) < 0 || via_serial_new(pool, &strand) < 0)
        return 1;
    if (submit_all(strand, transfers, &ledger, &last) < 0 || via_cfuture_wait(last, 10 * VIA_S) < 0)
        return 1;
    /* The future being done makes what the calls wrote visible here. */
    printf("%d entries, %d out of order, balance %ld\n", ledger.entries, ledger.out_of_order, ledger.balance);
    via_cfuture_unref(last);
    via_executor_unref(strand);
    via_executor_shutdown(pool, 0, 5 * VIA_S);
    via_executor_unref(pool);
    return 0;
}
