/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Work for several workers through a queue that holds two items at most, so that the producer has to wait.
 */
#include "gallery.h"

enum { JOBS = 7, WORKERS = 2 };

struct worker {
    const char *name;
    struct via_queue *jobs;
};

static int work(void *arg, void **result)
{
    const struct worker *worker = arg;
    void *job;
    int rc;
    (void)result;
    while ((rc = via_queue_get(worker->jobs, &job)) == 0) {
        rc = via_sleep(1 * VIA_S);
        if (rc == 0)
            say("%s has done job %d", worker->name, *(int *)job);
        via_queue_task_done(worker->jobs);
    }
    say("%s goes home: %s", worker->name, via_status_text(rc));
    return rc;
}

static int produce(struct via_queue *jobs, int *numbers)
{
    int rc = 0;
    for (int i = 0; i < JOBS && rc == 0; i++) {
        numbers[i] = i + 1;
        rc = via_queue_put(jobs, &numbers[i]); /* waits while the queue is full */
        if (rc == 0)
            say("job %d is in the queue", numbers[i]);
    }
    if (rc == 0)
        rc = via_queue_join(jobs);
    say("every job is done");
    return rc;
}

static int main_task(void *arg, void **result)
{
    struct via_queue jobs;
    struct worker workers[WORKERS] = {{"Anna", &jobs}, {"Bert", &jobs}};
    via_future *tasks[WORKERS];
    struct via_outcome outcomes[WORKERS];
    int numbers[JOBS];
    (void)arg;
    (void)result;
    int rc = via_queue_init(NULL, &(struct via_queue_options){.max_items = 2}, &jobs);
    if (rc < 0)
        return rc;
    for (int i = 0; i < WORKERS; i++)
        tasks[i] = via_create_task(work, &workers[i]);
    rc = produce(&jobs, numbers);
    /* via_queue_shutdown() would send them home without cancelling them. */
    for (int i = 0; i < WORKERS; i++)
        via_task_cancel(tasks[i], NULL);
    int all = via_await_all(tasks, WORKERS, VIA_GATHER_RETURN_ERRORS, outcomes);
    via_queue_fini(&jobs);
    return rc < 0 ? rc : all;
}

int main(void)
{
    return via_exit_status(gallery_run(main_task, NULL, NULL));
}
