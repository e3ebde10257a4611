/* SPDX-License-Identifier: BSD-3-Clause */
/* Errors that no caller can be told of, and debug mode. */
#include <config.h>

#include <string.h>

#include "base/log.h"
#include "loop/loop.h"

int via_loop_set_exception_handler(via_loop *loop, via_exception_fn fn, void *arg)
{
    int status = loop ? via__loop_check_thread(loop) : VIA_EINVAL;
    if (status < 0)
        return status;
    loop->exception_fn = fn;
    loop->exception_arg = arg;
    return 0;
}

// One line: what happened, of which task, and what was said about it.
static void log_line(const struct via_exception *exception, const char *text)
{
    const char *message = exception->message ? exception->message : "something failed";
    const char *in = exception->task ? " in task " : "", *task = exception->task ? exception->task : "";
    if (exception->took_ns)
        via__log(VIA_LOG_WARNING, "%s%s%s: %lld us", message, in, task,
                 (long long)(exception->took_ns / 1000));
    else if (exception->status < 0)
        via__log(VIA_LOG_ERROR, "%s%s%s: %s (%s)", message, in, task,
                 text ? text : via_status_text(exception->status), via_status_name(exception->status));
    else if (text)
        via__log(VIA_LOG_ERROR, "%s%s%s: %s", message, in, task, text);
    else
        via__log(VIA_LOG_ERROR, "%s%s%s", message, in, task);
}

// The log hook gets one line at a time, and a list of waiting tasks has many.
static void log_exception(const struct via_exception *exception)
{
    const char *text = exception->text;
    if (text == NULL || strchr(text, '\n') == NULL) {
        log_line(exception, text);
        return;
    }
    log_line(exception, NULL);
    for (size_t length; *text; text += length + (text[length] == '\n')) {
        length = strcspn(text, "\n");
        via__log(VIA_LOG_ERROR, "  %.*s", (int)length, text);
    }
}

// Who is to be named.
static const char *task_of(const via_loop *loop, const struct via_exception *exception)
{
    return exception->task || !loop->name_task ? exception->task : loop->name_task(loop, exception->future);
}

int via_loop_call_exception_handler(via_loop *loop, const struct via_exception *exception)
{
    int status = loop && exception ? via__loop_check_thread(loop) : VIA_EINVAL;
    if (status < 0)
        return status;
    struct via_exception whole = *exception;
    whole.task = task_of(loop, exception);
    if (!loop->exception_fn) {
        log_exception(&whole);
        return 0;
    }
    status = loop->exception_fn(&whole, loop->exception_arg);
    if (status < 0) {
        via__log(VIA_LOG_ERROR, "the exception handler failed: %s", via_status_text(status));
        whole.task = task_of(loop, exception); // the handler may have given the task another name
        log_exception(&whole);
    }
    return 0;
}

void via__loop_report(via_loop *loop, const char *message, int status, via_future *future, via_handle *handle)
{
    struct via_exception exception = {.message = message,
                                      .status = status,
                                      .loop = loop,
                                      .future = future,
                                      .handle = handle,
                                      .function = via__loop_function(loop)};
    via_loop_call_exception_handler(loop, &exception);
}

int via_loop_set_debug(via_loop *loop, int on)
{
    int status = loop ? via__loop_check_thread(loop) : VIA_EINVAL;
    if (status < 0)
        return status;
    // Relaxed: a switch that orders nothing.
    atomic_store_explicit(&loop->debug, on != 0, memory_order_relaxed);
    return 0;
}

int via_loop_set_slow_callback_ns(via_loop *loop, int64_t duration_ns)
{
    int status = loop && duration_ns >= 0 ? via__loop_check_thread(loop) : VIA_EINVAL;
    if (status < 0)
        return status;
    loop->slow_callback_ns = duration_ns;
    return 0;
}
