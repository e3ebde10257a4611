/* SPDX-License-Identifier: BSD-3-Clause */
/* The smallest program: a function that blocks, called without blocking the loop. */
#include <pwd.h>
#include <stdio.h>
#include <viaduct.h>

static int look_up(void *name, void **home) /* an ordinary function: it may ask a server on the network */
{
    struct passwd *user = getpwnam(name);
    *home = user != NULL ? user->pw_dir : NULL;
    return user != NULL ? 0 : VIA_ENOENT;
}

int main(void)
{
    char name[] = "root";
    void *home = NULL;
    via_loop *loop;
    if (via_loop_new(&loop) < 0)
        return 1;
    struct via_call call = VIA_CALL(look_up, name);
    via_future *future = via_run_in_executor(loop, NULL, &call); /* on a thread of the default pool */
    int rc = via_loop_run_until_complete(loop, future);          /* meanwhile the loop serves others */
    if (rc == 0)
        rc = via_future_result(future, &home);
    printf("%s lives in %s\n", name, rc == 0 ? (char *)home : via_status_text(rc));
    via_future_unref(future);
    via_loop_unref(loop);
    return rc == 0 ? 0 : 1;
}
