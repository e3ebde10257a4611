/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A source: something of the library's that a loop serves, with a descriptor that tells when there is work.
 *
 * It counts as nothing outstanding and keeps no base from ending.  Its work is done first in the tick after
 * the poll that told of it, so that the messages it leads to are handled in the same tick.  While the loop
 * lingers it looks at the source without being told; so it says when it will not, which is a source's moment
 * to see to it that the descriptor tells.
 */
#ifndef VIADUCT_LOOP_SOURCE_H
#define VIADUCT_LOOP_SOURCE_H

#include "loop/loop.h"

struct via__loop_source;

// All are called in the loop's thread.
struct via__loop_source_kind {
    void (*serve)(struct via__loop_source *source); // the descriptor is readable; it may remove the source
    void (*look)(struct via__loop_source *source);  // the loop lingers: to be quick, and never to block
    void (*rest)(struct via__loop_source *source);  // the loop goes to sleep, if no message is sent meanwhile
};

struct via__loop_source {
    struct via__list link;
    const struct via__loop_source_kind *kind;
    via_loop *loop;
    struct event event;
    int is_due;
};

// In the loop's thread.  0 or VIA_ENOMEM.
int via__source_add(via_loop *loop, struct via__loop_source *source, int fd,
                    const struct via__loop_source_kind *kind);

// Also while the loop closes, in a closer.
void via__source_remove(struct via__loop_source *source);

// For ticks: to each source, or to those that are due.  What they complete for this loop goes to the front of
// its backlog, not through its inbox; a look tells whether there is a backlog.
void via__sources_serve(via_loop *loop);
int via__sources_look(via_loop *loop);
void via__sources_rest(via_loop *loop);

#endif
