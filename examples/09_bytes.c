/* SPDX-License-Identifier: BSD-3-Clause */
/* A bytes call: bytes go in, bytes come out, no pointer is shared.  Such a function can run on a thread pool
 * as well as in another process. */
#include <stdio.h>
#include <string.h>
#include <viaduct.h>

/* Run-length encoding: "aaab" becomes "3a1b".  The answer is written in place; since its length is not known
 * beforehand, room for the longest is asked for, and given back at the end. */
static int encode(via_bytes_call *call, const void *in, size_t in_bytes)
{
    const char *text = in;
    char *out = via_bytes_out(call, 2 * in_bytes);
    size_t length = 0;
    if (out == NULL)
        return VIA_ENOMEM;
    for (size_t i = 0, run; i < in_bytes; i += run) {
        for (run = 1; i + run < in_bytes && run < 9 && text[i + run] == text[i]; run++)
            ;
        out[length++] = (char)('0' + run);
        out[length++] = text[i];
    }
    return via_bytes_out(call, length) != NULL ? 0 : VIA_ENOMEM;
}

int main(void)
{
    char text[] = "aaabccccccccccccd";
    via_executor *pool;
    via_cfuture *cf;
    struct via_outcome outcome;
    if (via_thread_pool_new(NULL, &pool) < 0)
        return 1;
    struct via_call call = VIA_CALL_BYTES(encode, text, strlen(text));
    int rc = via_executor_submit(pool, &call, &cf);
    if (rc < 0)
        return 1;
    /* The input was copied: what happens to the original now does not matter. */
    memset(text, '?', sizeof text - 1);
    rc = via_cfuture_wait(cf, 5 * VIA_S);
    if (rc == 0)
        rc = via_cfuture_outcome(cf, &outcome);
    if (rc == 0 && outcome.status == 0)
        printf("%.*s (%zu bytes)\n", (int)outcome.bytes, (const char *)outcome.value, outcome.bytes);
    via_cfuture_unref(cf);
    via_executor_shutdown(pool, 0, 5 * VIA_S);
    via_executor_unref(pool);
    return 0;
}
