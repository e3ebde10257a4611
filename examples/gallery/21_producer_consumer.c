/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A producer and a consumer in one thread, without a loop: the consumer is a generator that is sent numbers,
 * and yields its replies.
 */
#include "gallery.h"

static int consume(void *arg, void **result)
{
    const char *reply = "";
    void *number;
    (void)arg;
    (void)result;
    while (via_coro_yield((void *)reply, &number) == 0) {
        printf("[CONSUMER] Consuming %d...\n", *(int *)number);
        reply = "200 OK";
    }
    return 0;
}

static int produce(via_coro *consumer)
{
    void *reply;
    int rc = via_coro_next(consumer, NULL); /* as far as its first yield */
    for (int n = 1; n <= 5 && rc == 1; n++) {
        printf("[PRODUCER] Producing %d...\n", n);
        rc = via_coro_send(consumer, &n, &reply);
        if (rc == 1)
            printf("[PRODUCER] Consumer returns: %s\n", (char *)reply);
    }
    return rc < 0 ? rc : 0;
}

int main(void)
{
    via_coro *consumer;
    int rc = via_coro_new(consume, NULL, NULL, &consumer);
    if (rc < 0)
        return via_exit_status(rc);
    rc = produce(consumer);
    via_coro_free(consumer); /* its yield fails, and it returns */
    return via_exit_status(rc);
}
