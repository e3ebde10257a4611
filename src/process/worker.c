/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The worker: a process that runs calls, one after the other.
 *
 * It has a single thread of the library's.  What it is told comes through its port, what is too large for
 * that through the pantry.  A function runs in a frame like that of a call in a thread, so that via_fail(),
 * via_call_cancelled() and via_call_sleep() work.  Whatever goes wrong here ends the process: the program
 * sees how.
 */
#include <config.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#if HAVE___FPENDING
#include <stdio_ext.h>
#endif

#include <viaduct/error.h>
#include <viaduct/time.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/fork.h"
#include "base/role.h"
#include "executor/executor.h"
#include "executor/frame.h"
#include "executor/packed.h"
#include "process/channel.h"
#include "process/confine.h"
#include "process/directory.h"
#include "process/enter.h"
#include "process/pantry.h"
#include "process/stray.h"
#include "process/zygote_parts.h"

#define EXIT_NOT_SET_UP 124
#define NO_MEMORY       "memory ran out in a worker process"

static struct {
    const struct via__process_config *config;
    struct via__port *port;
    struct via__pantry *pantry;
    struct via__directory_view *view;
    int control, statm_fd;

    // The call that runs.
    struct via__frame frame;
    via_cfuture cf;
    struct via__owner owner;
    via_bytes_fn fn;
    int is_running;
    int64_t ended_ns; // when the last one's function returned; 0 for none
    const struct via__order *order;
    struct via__answer *answer;
    uint64_t out_buffer; // 0: the answer is in the slot
    size_t too_long;     // what the function asked for in vain
} self;

_Noreturn static void give_up(const char *what)
{
    // The one place of the library that prints: there is nobody left to tell.
    dprintf(STDERR_FILENO, "viaduct worker: %s\n", what);
    _exit(EXIT_NOT_SET_UP);
}

static int asked(void)
{
    return via__port_cancelled(self.port);
}

// Where via_bytes_out() puts an answer: in the slot while it fits, else in a buffer.
static void *take_out(struct via_bytes_call *call, size_t bytes)
{
    if (bytes > self.order->out_max) {
        self.too_long = bytes;
        return NULL;
    }
    if (bytes <= VIA__ANSWER_INLINE && !self.out_buffer) {
        call->out = self.answer->out;
        call->bytes = bytes;
        return call->out;
    }
    size_t keep = call->bytes < bytes ? call->bytes : bytes;
    void *data;
    if (via__pantry_take(self.pantry, bytes, call->out, keep, &data, &self.out_buffer) < 0)
        return NULL;
    call->out = data;
    call->bytes = bytes;
    return data;
}

static void say(struct via__answer *answer, const char *text)
{
    size_t bytes = text ? strnlen(text, VIA__ANSWER_INLINE) : 0;
    if (!bytes)
        return;
    memcpy(answer->out, text, bytes);
    answer->message_bytes = (uint32_t)bytes;
    answer->flags |= VIA__ANSWER_MESSAGE;
}

static void clear(struct via__answer *answer)
{
    memset(answer, 0, offsetof(struct via__answer, out));
}

static void answer_text(uint32_t flags, int status, const char *text)
{
    clear(self.answer);
    self.answer->flags = flags;
    self.answer->status = status;
    say(self.answer, text);
}

// What the function returned, as the program is to see it.
static void fill_answer(int returned)
{
    struct via__answer *answer = self.answer;
    struct via__failure *failure = &self.frame.failure;
    char text[120];
    answer->status = returned;
    if (returned == 0) {
        answer->out_bytes = self.frame.bytes.bytes;
        answer->buffer = self.out_buffer;
        answer->flags |= self.out_buffer ? VIA__ANSWER_OUT_BUFFER : 0;
        return;
    }
    if (self.out_buffer)
        via__pantry_give_back(self.pantry, self.out_buffer);
    if (returned == VIA_EFAILED && failure->given) {
        answer->code = failure->code;
        say(answer, failure->message);
    } else if (returned < 0 && self.too_long) {
        snprintf(text, sizeof text, "an answer of %zu bytes is longer than the pool's limit of %llu",
                 self.too_long, (unsigned long long)self.order->out_max);
        answer->status = VIA_EMSGSIZE;
        say(answer, text);
    }
}

static int64_t to_ns(struct timeval time)
{
    return (int64_t)time.tv_sec * VIA_S + (int64_t)time.tv_usec * VIA_US;
}

static void tell_usage(struct via__answer *answer, const struct rusage *before)
{
    struct rusage now;
    if (getrusage(RUSAGE_SELF, &now) < 0)
        return;
    struct via__usage usage = {.user_ns = to_ns(now.ru_utime) - to_ns(before->ru_utime),
                               .system_ns = to_ns(now.ru_stime) - to_ns(before->ru_stime),
                               .max_rss_bytes = (uint64_t)now.ru_maxrss * 1024};
    memcpy(via__answer_usage(answer), &usage, sizeof usage);
    answer->flags |= VIA__ANSWER_MEASURED;
}

// The second number of /proc/self/statm, in pages.
static uint64_t resident_bytes(void)
{
    char text[128];
    unsigned long long size, resident;
    if (self.statm_fd < 0)
        self.statm_fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t got = self.statm_fd < 0 ? -1 : pread(self.statm_fd, text, sizeof text - 1, 0);
    if (got <= 0)
        return 0;
    text[got] = 0;
    if (sscanf(text, "%llu %llu", &size, &resident) != 2)
        return 0;
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void begin_frame(void *in_place)
{
    via__cpu_clear(&self.frame, sizeof self.frame);
    self.frame.cf = &self.cf;
    self.frame.asked = asked;
    self.frame.bytes.take = take_out;
    self.frame.bytes.in_place = in_place;
    self.out_buffer = 0;
    self.too_long = 0;
    via__frame_push(&self.frame);
}

static void end_frame(void)
{
    via__frame_returned(&self.frame);
    via__frame_pop(&self.frame);
    free(self.frame.failure.message);
}

// The function has ended the worker's thread: that is its answer, and the end of the process.
static void thread_ends(void)
{
    if (!self.is_running)
        _exit(EXIT_NOT_SET_UP);
    self.too_long = 0;
    fill_answer(VIA_EEXITED);
    say(self.answer, via_status_text(VIA_EEXITED));
    via__pantry_rest(self.pantry);
    (void)via__port_send(self.port);
    _exit(0);
}

static int call_function(via_bytes_call *call, const void *in, size_t in_bytes)
{
    int returned = self.fn(call, in, in_bytes);
    if (via__stray_is_copy())
        _exit(returned != 0); // a child that the function has made: no second worker
    return returned;
}

// A call that comes right behind another begins when that has ended: next to nothing happens in between, and
// looks at the clock are a good part of a short call.
static int64_t when_it_begins(int measures)
{
    int is_next = self.ended_ns && !measures && !via__port_has_paused(self.port);
    return is_next ? self.ended_ns : via_now_ns();
}

static void run(via_bytes_fn fn, const void *in, void *in_place)
{
    const struct via__order *order = self.order;
    struct rusage before;
    int measures = order->flags & VIA__ORDER_MEASURE && getrusage(RUSAGE_SELF, &before) == 0;
    clear(self.answer);
    if (order->cpu_ns)
        (void)via__confine_call_cpu(order->cpu_ns);
    begin_frame(in_place);
    int64_t begun_ns = when_it_begins(measures);
    self.fn = fn;
    self.is_running = 1;
    int returned = via__packed_call(order->flags & VIA__ORDER_PACKED, call_function, &self.frame.bytes, in,
                                    (size_t)order->in_bytes);
    self.is_running = 0;
    self.ended_ns = via_now_ns();
    self.answer->wall_ns = self.ended_ns - begun_ns;
    if (order->cpu_ns)
        (void)via__confine_call_cpu(0);
    fill_answer(returned);
    end_frame();
    if (measures)
        tell_usage(self.answer, &before);
    if (order->flags & VIA__ORDER_SIZE)
        self.answer->rss_bytes = resident_bytes();
}

// The function of an order, or NULL with the answer written.
static via_bytes_fn find_function(void)
{
    struct via__why why;
    void *function;
    int status = via__directory_find(self.view, self.order->function, via__pantry_object_fd, self.pantry,
                                     &function, &why);
    if (status == 0)
        return (via_bytes_fn)(uintptr_t)function;
    answer_text(VIA__ANSWER_NOT_FOUND, status == VIA_ENOMEM || status == VIA_EAGAIN ? status : VIA_EINVAL,
                why.text);
    return NULL;
}

// The input of an order: 0, or a negative status with the answer written.
static int find_input(const void **in, void **in_place)
{
    const struct via__order *order = self.order;
    int writable = (order->flags & VIA__ORDER_IN_PLACE) != 0;
    void *data;
    *in = order->in;
    *in_place = NULL;
    if (!(order->flags & VIA__ORDER_IN_BUFFER))
        return 0;
    int status = via__pantry_view(self.pantry, order->buffer, order->in_bytes, writable, &data);
    if (status < 0 && fcntl(self.control, F_GETFD) < 0)
        give_up("a function has closed the worker's descriptors");
    if (status < 0) {
        answer_text(VIA__ANSWER_NO_INPUT, status, "the input could not be mapped in the worker");
        return status;
    }
    *in = data;
    *in_place = writable ? data : NULL;
    return 0;
}

static void handle_call(void)
{
    const void *in;
    void *in_place;
    via_bytes_fn fn = find_function();
    if (!fn || find_input(&in, &in_place) < 0)
        return;
    if (via__port_begin(self.port))
        run(fn, in, in_place);
    else
        answer_text(VIA__ANSWER_REFUSED, VIA_ECANCELED, NULL);
}

// What an initializer or finalizer has answered goes nowhere.
static void drop_answer(void)
{
    if (self.answer->status != 0)
        return;
    if (self.answer->flags & VIA__ANSWER_OUT_BUFFER)
        via__pantry_give_back(self.pantry, self.out_buffer);
    clear(self.answer);
}

// The initializer, if there is one; and then the sandbox is shut.
static void handle_init(void)
{
    struct via__why why = {{0}};
    self.answer->status = 0;
    if (self.order->function)
        handle_call();
    else if (via__port_begin(self.port))
        clear(self.answer);
    drop_answer();
    if (self.answer->status != 0)
        return;
    // Plugins are loaded, and the kernel's word on memory opened, while files can be.
    if (self.config->sandbox) {
        via__directory_find_all(self.view);
        (void)resident_bytes();
    }
    int status = via__confine_sandbox(self.config, &why);
    clear(self.answer);
    self.answer->status = status;
    say(self.answer, why.text);
}

_Noreturn static void handle_end(void)
{
    if (self.order->function)
        handle_call();
    else
        clear(self.answer);
    drop_answer();
    (void)via__port_send(self.port);
    fflush(NULL);
    _exit(0);
}

// The pool reads it when it hears of the process's end.
_Noreturn static void cannot_begin(const char *what)
{
    via__hello_send(self.control, VIA_EBROKEN, what);
    _exit(EXIT_NOT_SET_UP);
}

// The rest of a line that the function has printed.  A worker may be killed as soon as it has answered, and
// what it had not written by then would be lost; lines are written at once, see set_up().
static void write_out(void)
{
#if HAVE___FPENDING
    if (__fpending(stdout) == 0)
        return;
#endif
    self.ended_ns = 0; // this takes a while
    fflush(stdout);
}

// What can be made in the zygote: its workers share the pages that this is written to.  The C library keeps
// streams and keys in pages that a worker has no other use for.
static void prepare(void)
{
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    if (via__stray_prepare(thread_ends) < 0)
        via__copy_refuse(VIA_ENOMEM, NO_MEMORY);
}

static void set_up(const struct via__birth *birth)
{
    struct via__why why = {{0}};
    self.config = birth->config;
    self.control = birth->control;
    self.statm_fd = -1;
    self.owner.generation = 0;
    via__cf_init(&self.cf, &self.owner, 1, VIA_RUNNING | VIA__OWNED);
    if (via__confine_limits(birth->config, &why) < 0)
        cannot_begin(why.text);
    if (via__fork_watch() < 0 || via__stray_watch() < 0)
        cannot_begin(NO_MEMORY);
    if (via__directory_map(birth->directory_fd, &self.view) < 0 ||
        via__pantry_new(birth->control, &self.pantry) < 0 ||
        via__port_open(birth->config->transport, birth->fds, birth->count, birth->config->linger_ns,
                       via__pantry_refresh, self.pantry, &self.port) < 0)
        cannot_begin("what a worker process shares with the program could not be mapped");
}

_Noreturn static void work(const struct via__birth *birth)
{
    set_up(birth);
    while ((self.order = via__port_next(self.port)) != NULL) {
        self.answer = via__port_answer(self.port);
        via__pantry_taken(self.pantry, self.order->taken);
        switch (self.order->kind) {
        case VIA__ORDER_CALL:
            handle_call();
            break;
        case VIA__ORDER_INIT:
            handle_init();
            break;
        default:
            handle_end();
        }
        write_out();
        via__pantry_rest(self.pantry);
        if (via__port_send(self.port) < 0)
            break;
    }
    _exit(0);
}

void via__zygote_main(void)
{
    prepare();
    via__zygote_run(work);
}

void via__worker_main_fresh(void)
{
    prepare();
    via__fresh_run(work);
}
