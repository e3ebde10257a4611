/* SPDX-License-Identifier: BSD-3-Clause */
/* A program that dies while coroutines are suspended in a few calls: for tests/check_gdb.test. */
#include <stdlib.h>
#include <viaduct.h>

static int inner_function(int *value)
{
    int rc = via_coro_yield(value, NULL);
    return rc + *value;
}

static int outer_function(void *arg, void **result)
{
    int value = 5;
    (void)arg;
    (void)result;
    int rc = inner_function(&value);
    return rc < 0 ? rc : 0;
}

int main(void)
{
    static const char *const names[] = {"first one", "second one", "not begun"};
    via_coro *coros[3];
    for (int i = 0; i < 3; i++) {
        struct via_coro_options options = {.name = names[i]};
        if (via_coro_new(outer_function, NULL, &options, &coros[i]) < 0)
            return 1;
        if (i < 2 && via_coro_next(coros[i], NULL) != 1)
            return 1;
    }
    abort();
}
