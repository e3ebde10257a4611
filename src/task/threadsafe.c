/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tasks that other threads start.
 *
 * The task can be made in the loop's thread only, so its starter gets a concurrent future of another block,
 * the *remote*, which travels to the loop as a message.
 *
 * Who completes.  While it is PENDING: a canceller, or the loop that drops the message.  The loop's thread
 * claims it when the message arrives, and from then on completes it alone: in a watch on the task's own
 * concurrent future, which is called in the very moment that the task is done, whatever has ended it.
 *
 * What keeps it alive.  The program's reference, and one that goes from the message to the task's watch.  The
 * loop is pinned as long; the pin goes after a pass through the hashed lock, under which other threads ask a
 * future that is not done for its loop.
 *
 * `task` belongs to the loop's thread, and is set while the watch hangs on the task, which keeps itself.
 */
#include <config.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <viaduct/threadsafe.h>

#include "base/lock.h"
#include "coro/stack.h"
#include "task/task.h"

struct remote {
    via_cfuture cf; // first: the block goes with it
    struct via__owner owner;
    struct via__post post;
    struct via__watch watch;
    via_loop *loop;
    via_future *task;
    struct via__locals *locals; // of its starter
    int is_wanted;              // somebody has asked for the future
    via_task_fn fn;
    void *arg;
    struct via_task_options options; // its name is ours
};

static struct remote *remote_of(via_cfuture *cf)
{
    return VIA__CONTAINER_OF(cf, struct remote, cf);
}

// The future is done, or will never be looked at: gives the loop's reference back.
static void leave(struct remote *remote)
{
    via_loop *loop = remote->loop;
    pthread_mutex_t *lock = via__hashlock(&remote->cf);
    pthread_mutex_lock(lock); // somebody may have found it not done, and asks for its loop
    pthread_mutex_unlock(lock);
    free((char *)(uintptr_t)remote->options.name);
    remote->options.name = NULL;
    via__locals_unref(remote->locals);
    via_cfuture_unref(&remote->cf);
    via__loop_unpin(loop);
}

// Fails a future that was claimed.
static void fail(struct remote *remote, int status)
{
    via__cf_finish(via_cfuture_ref(&remote->cf), status, 0, NULL, NULL);
    leave(remote);
}

static void destroy_arg(const struct remote *remote)
{
    if (remote->options.destroy)
        remote->options.destroy(remote->arg);
}

static void copy_cancelled(struct remote *remote)
{
    uint32_t before = via__cf_cancel_running(&remote->cf);
    if (before)
        via__cf_completed(via_cfuture_ref(&remote->cf), before);
}

// The value moves over, with its destructor, which the remote has known from the beginning.
static void copy_outcome(struct remote *remote, via_cfuture *task)
{
    struct via_outcome outcome = {.value = NULL};
    int status = via_cfuture_take(task, &outcome);
    if (status == 0)
        status = outcome.status;
    via__cf_finish(via_cfuture_ref(&remote->cf), status, outcome.code, outcome.value,
                   outcome.message ? strdup(outcome.message) : NULL);
}

static void task_is_done(struct remote *remote, via_cfuture *task)
{
    remote->task = NULL;
    if (via_cfuture_state(task) == VIA_CANCELLED)
        copy_cancelled(remote);
    else
        copy_outcome(remote, task);
    leave(remote);
}

static int on_done(struct via__watch *watch, via_cfuture *task)
{
    task_is_done(VIA__CONTAINER_OF(watch, struct remote, watch), task);
    return 0;
}

static void start(via_loop *loop, struct remote *remote)
{
    struct via__locals *outer = via__role.locals;
    via__role.locals = remote->locals;
    via_future *task = via_create_task_with(loop, remote->fn, remote->arg, &remote->options);
    remote->locals = via__role.locals; // code of the program may have changed them
    via__role.locals = outer;
    if (!task->loop) {
        fail(remote, via_future_result(task, NULL));
        return;
    }
    task->looked = remote->is_wanted; // then its error goes to the remote's owner
    remote->task = task;
    remote->watch.fn = on_done;
    if (!via__cf_watch(task->cf, &remote->watch))
        task_is_done(remote, task->cf);
    via_future_unref(task);
}

static void arrive(via_loop *loop, struct via__post *post)
{
    struct remote *remote = VIA__CONTAINER_OF(post, struct remote, post);
    if (via__cf_claim(&remote->cf))
        start(loop, remote);
    else
        leave(remote); // it was cancelled
}

static void drop(via_loop *loop, struct via__post *post)
{
    struct remote *remote = VIA__CONTAINER_OF(post, struct remote, post);
    (void)loop;
    if (via__cf_claim(&remote->cf)) {
        destroy_arg(remote);
        fail(remote, VIA_ECLOSED);
    } else {
        leave(remote);
    }
}

// ---- what other threads ask of the future ----

struct cancel_post {
    struct via__post post;
    struct remote *remote; // with a reference
};

static void cancel_over(struct cancel_post *request)
{
    via_cfuture_unref(&request->remote->cf);
    free(request);
}

static void cancel_arrives(via_loop *loop, struct via__post *post)
{
    struct cancel_post *request = (struct cancel_post *)post;
    (void)loop;
    if (request->remote->task)
        (void)via_task_cancel(request->remote->task, "cancelled by another thread");
    cancel_over(request);
}

static void cancel_dropped(via_loop *loop, struct via__post *post)
{
    (void)loop;
    cancel_over((struct cancel_post *)post);
}

static int request(via_cfuture *cf, uint32_t state)
{
    static const struct via__post_kind kind = {.arrive = cancel_arrives, .drop = cancel_dropped};
    struct remote *remote = remote_of(cf);
    (void)state;
    struct cancel_post *message = malloc(sizeof *message);
    if (!message)
        return VIA_ENOMEM;
    *message = (struct cancel_post){.post = {.kind = &kind}, .remote = remote};
    via_cfuture_ref(cf);
    if (via__loop_post(remote->loop, &message->post) < 0) {
        cancel_over(message);
        return VIA_CANCEL_TOO_LATE;
    }
    via__loop_expect(remote->loop);
    return VIA_CANCEL_REQUESTED;
}

static void dispose(via_cfuture *cf)
{
    destroy_arg(remote_of(cf));
}

static int only_here(via_cfuture *cf)
{
    return via__loop_is_served_here(remote_of(cf)->loop);
}

static const struct via__owner_ops ops = {.request = request, .dispose = dispose, .only_here = only_here};

// ---- making one ----

static int copy_options(struct remote *remote, const struct via_task_options *options)
{
    if (!options)
        return 0;
    remote->options = *options;
    remote->options.name = NULL;
    if (options->name && !(remote->options.name = strdup(options->name)))
        return VIA_ENOMEM;
    if (!options->destroy_result)
        return 0;
    remote->cf.extra = calloc(1, sizeof *remote->cf.extra);
    if (!remote->cf.extra)
        return VIA_ENOMEM;
    remote->cf.extra->destroy = options->destroy_result;
    return 0;
}

static void discard(struct remote *remote)
{
    free((char *)(uintptr_t)remote->options.name);
    via__locals_unref(remote->locals);
    free(remote->cf.extra);
    free(remote);
}

static struct remote *make(via_loop *loop, via_task_fn fn, void *arg, const struct via_task_options *options)
{
    static const struct via__post_kind kind = {.arrive = arrive, .drop = drop};
    struct remote *remote = calloc(1, sizeof *remote);
    if (!remote)
        return NULL;
    remote->owner = (struct via__owner){.ops = &ops, .generation = via__fork_generation()};
    via__cf_init(&remote->cf, &remote->owner, 2, VIA_PENDING | VIA__OWNED);
    remote->post.kind = &kind;
    remote->loop = loop;
    remote->locals = via__locals_share();
    remote->fn = fn;
    remote->arg = arg;
    if (copy_options(remote, options) < 0) {
        discard(remote);
        return NULL;
    }
    return remote;
}

static int send_remote(struct remote *remote)
{
    via_loop *loop = via__loop_pin(remote->loop);
    int status = via__loop_post(loop, &remote->post);
    if (status < 0) {
        via__loop_unpin(loop);
        discard(remote);
        return status;
    }
    via__loop_expect(loop);
    return 0;
}

static int start_remotely(via_loop *loop, via_task_fn fn, void *arg, const struct via_task_options *options,
                          via_cfuture **cf)
{
    int status = fn ? via__loop_check_any(loop) : VIA_EINVAL;
    if (status == 0 && options && via__stack_order(options->stack_bytes) < 0)
        status = VIA_EINVAL;
    if (status < 0)
        return status;
    struct remote *remote = make(loop, fn, arg, options);
    if (!remote)
        return VIA_ENOMEM;
    via_cfuture *made = &remote->cf;
    remote->is_wanted = cf != NULL;
    status = send_remote(remote); // the loop may have done all of it when this returns
    if (status < 0)
        return status;
    if (cf)
        *cf = made;
    else
        via_cfuture_unref(made);
    return 0;
}

int via_run_coroutine_threadsafe(via_loop *loop, via_task_fn fn, void *arg,
                                 const struct via_task_options *options, via_cfuture **cf)
{
    int status = start_remotely(loop, fn, arg, options, cf);
    if (status < 0 && options && options->destroy)
        options->destroy(arg);
    return status;
}
