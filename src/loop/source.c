/* SPDX-License-Identifier: BSD-3-Clause */
#include <config.h>

#include <viaduct/error.h>

#include "loop/source.h"
#include "loop/tick.h"

static void on_event(evutil_socket_t fd, short what, void *arg)
{
    struct via__loop_source *source = arg;
    (void)fd;
    (void)what;
    if (via__loop_leave_to_parent(source->loop, &source->event))
        return;
    source->is_due = 1;
    source->loop->sources_due = 1;
    via__tick_this_poll(source->loop);
}

int via__source_add(via_loop *loop, struct via__loop_source *source, int fd,
                    const struct via__loop_source_kind *kind)
{
    source->kind = kind;
    source->loop = loop;
    source->is_due = 0;
    if (event_assign(&source->event, loop->base, fd, EV_READ | EV_PERSIST, on_event, source) < 0)
        return VIA_ENOMEM;
    // The same flag that keeps the loop's own wake-up event from keeping the base.
    source->event.ev_evcallback.evcb_flags |= EVLIST_INTERNAL;
    if (event_add(&source->event, NULL) < 0)
        return VIA_ENOMEM;
    via__list_push_back(&loop->sources, &source->link);
    return 0;
}

void via__source_remove(struct via__loop_source *source)
{
    event_del(&source->event);
    via__list_remove(&source->link);
}

// Brackets of what sources complete: it is to be found in front of the backlog.
static void *begin_serving(via_loop *loop)
{
    void *outer = via__role.serves;
    loop->served = 0;
    loop->served_end = &loop->served;
    via__role.serves = loop;
    return outer;
}

static void end_serving(via_loop *loop, void *outer)
{
    via__role.serves = outer;
    *loop->served_end = loop->backlog;
    loop->backlog = loop->served;
}

void via__sources_serve(via_loop *loop)
{
    loop->sources_due = 0;
    void *outer = begin_serving(loop);
    for (struct via__list *at = loop->sources.next, *next; at != &loop->sources; at = next) {
        struct via__loop_source *source = VIA__CONTAINER_OF(at, struct via__loop_source, link);
        next = at->next;
        if (source->is_due) {
            source->is_due = 0;
            source->kind->serve(source);
        }
    }
    end_serving(loop, outer);
}

int via__sources_look(via_loop *loop)
{
    void *outer = begin_serving(loop);
    for (struct via__list *at = loop->sources.next; at != &loop->sources; at = at->next) {
        struct via__loop_source *source = VIA__CONTAINER_OF(at, struct via__loop_source, link);
        source->kind->look(source);
    }
    end_serving(loop, outer);
    return loop->backlog != 0;
}

void via__sources_rest(via_loop *loop)
{
    for (struct via__list *at = loop->sources.next; at != &loop->sources; at = at->next) {
        struct via__loop_source *source = VIA__CONTAINER_OF(at, struct via__loop_source, link);
        source->kind->rest(source);
    }
}
