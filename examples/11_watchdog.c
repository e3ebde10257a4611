/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The watchdog: a task makes a blocking call by mistake, and is told of while everything stands still.
 *
 * Without a report function the log hook would get what is printed here, with the back-trace and the times.
 */
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <viaduct.h>

static sem_t sensor, is_over;

/* Somebody else's function, of which nobody knew that it may block. */
static void read_sensor(void)
{
    while (sem_wait(&sensor) < 0)
        ;
}

static int measure(void *arg, void **result)
{
    (void)arg;
    (void)result;
    read_sensor(); /* the mistake: this should be via_await_to_thread() */
    printf("measure: the sensor has answered\n");
    return 0;
}

static int tick(void *arg, void **result)
{
    (void)arg;
    (void)result;
    printf("tick: at last\n");
    return 0;
}

/* In the watchdog's thread.  It prints only what is the same in every run, and has the sensor answer. */
static void on_blockage(const struct via_blockage *blockage, void *arg)
{
    (void)arg;
    if (blockage->task == NULL || strcmp(blockage->task, "measure") != 0)
        return;
    if (blockage->state == VIA_BLOCKED_OVER) {
        sem_post(&is_over);
    } else if (blockage->state == VIA_BLOCKED_WAITS) {
        printf("the loop is blocked: task \"%s\" waits in the system\n", blockage->task);
        printf("  its function is %s\n", blockage->function == (void *)measure ? "measure()" : "unknown");
        printf("  where it stands is %s\n", blockage->frame_count > 0 ? "known" : "unknown");
        sem_post(&sensor);
    }
}

int main(void)
{
    const struct via_watchdog_options options = {.threshold_ns = 20 * VIA_MS, .report = on_blockage};
    const struct via_task_options named = {.name = "measure"};
    via_loop *loop;

    sem_init(&sensor, 0, 0);
    sem_init(&is_over, 0, 0);
    if (via_watchdog_enable(&options) < 0 || via_loop_new(&loop) < 0 || via_loop_set_debug(loop, 1) < 0)
        return 1;

    via_future *first = via_create_task_with(loop, measure, NULL, &named);
    via_future *second = via_create_task_with(loop, tick, NULL, NULL);
    int rc = via_loop_run_until_complete(loop, second);
    while (sem_wait(&is_over) < 0) /* this would be reported too, if it were a task's */
        ;
    printf("the loop was told of when it went on, too\n");

    via_future_unref(first);
    via_future_unref(second);
    via_loop_unref(loop);
    via_watchdog_disable();
    return rc < 0;
}
