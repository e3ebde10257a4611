/* SPDX-License-Identifier: BSD-3-Clause */
/* The first program with a process pool: a function that crashes costs one call, and the program goes on. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <viaduct.h>

static int halve(via_bytes_call *call, const void *in, size_t in_bytes) /* runs in another process */
{
    int number;
    int *half = via_bytes_out(call, sizeof *half); /* the answer, filled in place */
    if (half == NULL || in_bytes != sizeof number)
        return VIA_EINVAL;
    memcpy(&number, in, sizeof number);
    if (number % 2 != 0)
        abort(); /* what a defect may do, too */
    *half = number / 2;
    return 0;
}

static int main_task(void *pool, void **result)
{
    (void)result;
    for (int number = 4; number > 0; number--) {
        struct via_outcome outcome = {0};
        struct via_call call = VIA_CALL_BYTES(halve, &number, sizeof number);
        int rc = via_await_in_executor(pool, &call, &outcome);
        if (rc == 0 && outcome.bytes == sizeof(int)) /* it comes from another process */
            printf("half of %d is %d\n", number, *(int *)outcome.value);
        else
            printf("half of %d: %s\n", number, via_status_text(rc));
        if (outcome.destroy != NULL)
            outcome.destroy(outcome.value);
    }
    return 0;
}

int main(void)
{
    via_process_enter(); /* the one line: workers are copies of this program, and go no further */
    via_executor *pool;
    int rc = via_process_pool_new(NULL, &pool);
    if (rc < 0)
        return via_exit_status(rc);
    rc = via_run(main_task, pool, NULL);
    via_executor_shutdown(pool, 0, 5 * VIA_S);
    via_executor_unref(pool);
    return via_exit_status(rc);
}
