/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Stopping what is under way.  Nothing is killed: a started function ends by returning, and its future is
 * done only then.  What differs is how the function learns that it is not wanted any more.
 */
#include <errno.h>
#include <semaphore.h>
#include <stdio.h>
#include <unistd.h>
#include <viaduct.h>

/* A pipe to which nobody writes, so that reading from it blocks; and a sign that the function has begun. */
struct work {
    int pipe[2];
    sem_t begun;
};

static void wait_until_begun(struct work *work)
{
    while (sem_wait(&work->begun) != 0)
        ;
}

/* 1. It computes, and asks from time to time. */
static int compute(void *arg, void **result)
{
    struct work *work = arg;
    (void)result;
    sem_post(&work->begun);
    for (volatile unsigned long steps = 0;; steps++)
        if (steps % 1000 == 0 && via_call_cancelled())
            return VIA_ECANCELED;
}

/* 2. It waits inside a library that has a way to be told: here a byte in the pipe, elsewhere
 * sqlite3_interrupt() or PQcancel(). */
static int read_pipe(void *arg, void **result)
{
    struct work *work = arg;
    char byte;
    (void)result;
    sem_post(&work->begun);
    return read(work->pipe[0], &byte, 1) == 1 && byte == 'x' ? VIA_ECANCELED : 0;
}

static void write_pipe(void *arg)
{
    struct work *work = arg;
    if (write(work->pipe[1], "x", 1) != 1)
        perror("write");
}

/* 3. It waits in a system call, and nothing but a signal gets it out. */
static int read_until_interrupted(void *arg, void **result)
{
    struct work *work = arg;
    char byte;
    (void)result;
    sem_post(&work->begun);
    if (read(work->pipe[0], &byte, 1) >= 0)
        return 0;
    return errno == EINTR && via_call_cancelled() ? VIA_ECANCELED : -errno;
}

static const char *cancel_word(int cancel)
{
    return cancel == VIA_CANCEL_REQUESTED   ? "it runs, and was asked to stop"
           : cancel == VIA_CANCEL_NEVER_RAN ? "it never ran"
           : cancel == VIA_CANCEL_TOO_LATE  ? "too late"
                                            : "something else";
}

static void cancel_and_print(const char *what, via_cfuture *cf)
{
    printf("%s: cancel says: %s; ", what, cancel_word(via_cfuture_cancel(cf)));
    int rc = via_cfuture_wait(cf, 10 * VIA_S);
    printf("then: %s\n", rc < 0 ? via_status_text(rc) : via_status_text(via_cfuture_result(cf, 0, NULL)));
}

static void run_and_cancel(via_executor *pool, struct work *work, const char *what,
                           const struct via_call *call)
{
    via_cfuture *cf;
    if (via_executor_submit(pool, call, &cf) < 0)
        return;
    wait_until_begun(work);
    cancel_and_print(what, cf);
    via_cfuture_unref(cf);
}

/* 4. What has not begun is simply taken out of the queue; and what is over is over. */
static void cancel_queued(via_executor *pool, struct work *work)
{
    struct via_call call = VIA_CALL(read_pipe, work);
    via_cfuture *first, *second;
    if (via_executor_submit(pool, &call, &first) < 0)
        return;
    wait_until_begun(work); /* the only worker is busy now */
    if (via_executor_submit(pool, &call, &second) == 0) {
        cancel_and_print("a queued call", second);
        via_cfuture_unref(second);
    }
    if (write(work->pipe[1], "y", 1) != 1)
        perror("write");
    via_cfuture_wait(first, 10 * VIA_S);
    cancel_and_print("a finished call", first);
    via_cfuture_unref(first);
}

int main(void)
{
    struct work work;
    via_executor *pool;
    struct via_thread_pool_options options;
    via_thread_pool_options_init(&options);
    options.max_workers = 1;
    sem_init(&work.begun, 0, 0);
    /* Signals belong to the whole process, so the program says that it agrees. */
    if (pipe(work.pipe) != 0 || via_thread_interrupt_enable(0) < 0 ||
        via_thread_pool_new(&options, &pool) < 0)
        return 1;

    struct via_call call = VIA_CALL(compute, &work);
    run_and_cancel(pool, &work, "polling", &call);

    call = VIA_CALL(read_pipe, &work);
    call.cancel = write_pipe;
    call.cancel_arg = &work;
    run_and_cancel(pool, &work, "a hook", &call);

    call = VIA_CALL(read_until_interrupted, &work);
    call.flags = VIA_CALL_INTERRUPTIBLE;
    run_and_cancel(pool, &work, "an interrupt", &call);

    cancel_queued(pool, &work);

    via_executor_shutdown(pool, 0, 5 * VIA_S);
    via_executor_unref(pool);
    close(work.pipe[0]);
    close(work.pipe[1]);
    sem_destroy(&work.begun);
    return 0;
}
