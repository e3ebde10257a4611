/* SPDX-License-Identifier: BSD-3-Clause */
/* A libevent program that has its own event_base, timers and event_base_dispatch(), and adds one blocking
 * call. */
#include <event2/event.h>
#include <semaphore.h>
#include <stdio.h>
#include <viaduct.h>

struct program {
    struct event *timer;
    int ticks;
    sem_t enough_ticks; /* stands for whatever the blocking function waits for */
};

/* On a worker: it really blocks here, and the timer goes on ticking. */
static int wait_for_ticks(void *arg, void **result)
{
    struct program *program = arg;
    (void)result;
    while (sem_wait(&program->enough_ticks) != 0)
        ;
    return 0;
}

/* The program's own event, which knows nothing of Viaduct. */
static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct program *program = arg;
    (void)fd;
    (void)what;
    printf("tick %d\n", ++program->ticks);
    if (program->ticks == 3) {
        event_del(program->timer);
        sem_post(&program->enough_ticks);
    }
}

/* In the program's thread, like any other callback. */
static int on_done(via_future *future, void *arg)
{
    struct program *program = arg;
    printf("the call returned %d after %d ticks\n", via_future_result(future, NULL), program->ticks);
    return 0;
}

int main(void)
{
    struct event_base *base = event_base_new();
    struct program program = {0};
    struct timeval interval = {0, 1000};
    via_loop *loop;

    sem_init(&program.enough_ticks, 0, 0);
    program.timer = event_new(base, -1, EV_PERSIST, on_timer, &program);
    event_add(program.timer, &interval);

    if (via_loop_attach(base, &loop) < 0)
        return 1;
    struct via_call call = VIA_CALL(wait_for_ticks, &program);
    via_future *future = via_run_in_executor(loop, NULL, &call);
    via_future_add_done_callback(future, on_done, &program);
    /* The callback keeps the future alive. */
    via_future_unref(future);

    /* Returns when nothing is left to do: no event of the program's, and no call of the loop's. */
    event_base_dispatch(base);
    printf("nothing is left to do\n");

    /* The loop goes before the base it is attached to. */
    via_loop_unref(loop);
    event_free(program.timer);
    event_base_free(base);
    sem_destroy(&program.enough_ticks);
    return 0;
}
