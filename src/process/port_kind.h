/* SPDX-License-Identifier: BSD-3-Clause */
/* What the worker's ends of the two transports have in common. */
#ifndef VIADUCT_PROCESS_PORT_KIND_H
#define VIADUCT_PROCESS_PORT_KIND_H

#include "process/layout.h"

// Whether to look for more work for a moment before sleeping, learned from the waits of late.
struct via__linger {
    int64_t limit_ns;  // how long at most; 0 for never
    unsigned failures; // looks in a row that found nothing
    unsigned shorts;   // sleeps in a row that looking might have saved
    unsigned needed;   // so many of these before the next look, once looks have failed
};

// The functions of one transport.
struct via__port_kind {
    const struct via__order *(*next)(struct via__port *port);
    int (*begin)(struct via__port *port);
    int (*cancelled)(struct via__port *port, uint32_t place);
    struct via__answer *(*answer)(struct via__port *port);
    int (*send)(struct via__port *port, struct via__answer *answer);
    void (*close)(struct via__port *port);
};

// The beginning of each transport's struct.
struct via__port {
    const struct via__port_kind *kind;
    via__port_knock_fn knocked;
    void *arg;
    struct via__linger linger;
    const struct via__order *order; // that next() gave and that has no answer; or NULL
    uint32_t head;                  // place of that order, or of the next one
    int has_paused;                 // next() did more than to look
    _Atomic uint64_t running;       // the place of the order that runs, with RUNNING; or 0
};

int via__port_shared_open(const int *fds, int count, struct via__port **port);
int via__port_socket_open(const int *fds, int count, struct via__port **port);

void via__linger_init(struct via__linger *linger, int64_t limit_ns);
// How long to look before the next sleep, in nanoseconds; 0 for not at all.
int64_t via__linger_ns(const struct via__linger *linger);
// It looked, and found something, or not.
void via__linger_looked(struct via__linger *linger, int found);
// It slept without having looked, for so long.
void via__linger_slept(struct via__linger *linger, int64_t slept_ns);

#endif
