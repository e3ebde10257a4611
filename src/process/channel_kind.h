/* SPDX-License-Identifier: BSD-3-Clause */
/* What the program's ends of the two transports have in common. */
#ifndef VIADUCT_PROCESS_CHANNEL_KIND_H
#define VIADUCT_PROCESS_CHANNEL_KIND_H

#include "process/layout.h"

// The functions of one transport; places are checked by the caller.
struct via__channel_kind {
    int (*start_at)(struct via__channel *channel, const struct via__channel_fds *worker, uint32_t place);
    void (*free)(struct via__channel *channel);
    int (*fd)(const struct via__channel *channel, int *is_level);
    struct via__order *(*slot)(struct via__channel *channel); // of the next order
    void (*push)(struct via__channel *channel);
    void (*flush)(struct via__channel *channel);
    void (*show)(struct via__channel *channel); // NULL: orders are shown by flush() only
    int (*take)(struct via__channel *channel, uint64_t number, struct via__answer *answer);
    int (*has_answer)(const struct via__channel *channel);
    int (*arm)(struct via__channel *channel);
    int (*started)(struct via__channel *channel);
    int (*cancel)(struct via__channel *channel, uint32_t place, enum via__request request);
    void (*knock)(struct via__channel *channel);
};

// The beginning of each transport's struct.
struct via__channel {
    const struct via__channel_kind *kind;
    uint32_t pushed; // place of the next order to be pushed
    uint32_t shown;  // place after the last order that a flush has shown
    uint32_t taken;  // place of the next answer to be taken
};

int via__channel_shared_new(struct via__channel **channel, struct via__channel_fds *worker);
int via__channel_socket_new(struct via__channel **channel, struct via__channel_fds *worker);

// For tests: the place of the first order, so that the counts wrap soon.  Before anything is pushed, and
// before the worker opens its end.  0 or a negative errno.
int via__channel_start_at(struct via__channel *channel, const struct via__channel_fds *worker,
                          uint32_t place);

// Whether a copied answer is one to the order of that number: 1 or 0.
int via__channel_is_answer(const struct via__answer *answer, uint64_t number);

// An errno as a status of via__channel_new().
int via__channel_status(int error);

#endif
