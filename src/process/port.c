/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The worker's end of a channel: what does not depend on the transport.
 *
 * Lingering.  Looking for more work saves the way through the scheduler when the program answers an answer
 * with an order at once; otherwise it burns the processor that the program may need.  So a worker looks only
 * while looking has found something of late.  After some looks for nothing it just sleeps, measures the
 * sleeps, and looks once more when several in a row were short.  That may fail too, for instance because the
 * program waits for this very processor; then it takes twice as many short sleeps until the next try.
 */
#include <config.h>

#include <viaduct/error.h>

#include "process/port_kind.h"

#define FAILURES_MAX 3
#define NEEDED_MIN   4
#define NEEDED_MAX   4096
#define RUNNING      (UINT64_C(1) << 32)

void via__linger_init(struct via__linger *linger, int64_t limit_ns)
{
    *linger = (struct via__linger){.limit_ns = limit_ns, .needed = NEEDED_MIN};
}

int64_t via__linger_ns(const struct via__linger *linger)
{
    return linger->failures < FAILURES_MAX ? linger->limit_ns : 0;
}

void via__linger_looked(struct via__linger *linger, int found)
{
    linger->shorts = 0;
    if (found) {
        linger->failures = 0;
        linger->needed = NEEDED_MIN;
    } else if (++linger->failures == FAILURES_MAX && linger->needed < NEEDED_MAX) {
        linger->needed *= 2;
    }
}

void via__linger_slept(struct via__linger *linger, int64_t slept_ns)
{
    // Waking up is in the time too, and takes about as long as looking may.
    if (slept_ns >= 2 * linger->limit_ns)
        linger->shorts = 0;
    else if (++linger->shorts >= linger->needed)
        linger->failures = FAILURES_MAX - 1;
}

int via__port_open(int transport, const int *fds, int count, int64_t linger_ns, via__port_knock_fn knocked,
                   void *arg, struct via__port **port)
{
    struct via__port *opened;
    int status = transport == VIA_TRANSPORT_SHARED ? via__port_shared_open(fds, count, &opened)
                                                   : via__port_socket_open(fds, count, &opened);
    if (status < 0)
        return status;
    opened->knocked = knocked;
    opened->arg = arg;
    via__linger_init(&opened->linger, linger_ns);
    *port = opened;
    return 0;
}

void via__port_close(struct via__port *port)
{
    if (port)
        port->kind->close(port);
}

const struct via__order *via__port_next(struct via__port *port)
{
    port->has_paused = 0;
    port->order = port->kind->next(port);
    return port->order;
}

int via__port_has_paused(const struct via__port *port)
{
    return port->has_paused;
}

int via__port_begin(struct via__port *port)
{
    if (!port->kind->begin(port))
        return 0;
    // Relaxed: other threads of the worker ask about the call only after its function, which runs later, has
    // told them of it.
    atomic_store_explicit(&port->running, RUNNING | port->head, memory_order_relaxed);
    return 1;
}

int via__port_cancelled(const struct via__port *port)
{
    // Relaxed: as above.
    uint64_t running = atomic_load_explicit(&port->running, memory_order_relaxed);
    // What a transport changes while it looks is its own affair.
    return running && port->kind->cancelled((struct via__port *)(uintptr_t)port, (uint32_t)running);
}

struct via__answer *via__port_answer(struct via__port *port)
{
    return port->kind->answer(port);
}

// A function can have overwritten the answer with lengths that are none.  What goes instead must not pass for
// an answer either.
static uint64_t number_for(const struct via__port *port, struct via__answer *answer)
{
    if (via__answer_used(answer) <= VIA__ANSWER_ROOM)
        return port->order->number;
    answer->flags = answer->message_bytes = 0;
    answer->out_bytes = 0;
    return ~port->order->number;
}

int via__port_send(struct via__port *port)
{
    struct via__answer *answer = port->kind->answer(port);
    // Relaxed: who asks later asks about no call.
    atomic_store_explicit(&port->running, 0, memory_order_relaxed);
    answer->number = number_for(port, answer);
    answer->sum = via__answer_sum(answer);
    port->order = NULL;
    return port->kind->send(port, answer);
}
