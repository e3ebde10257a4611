/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VIADUCT_BASE_EXIT_H
#define VIADUCT_BASE_EXIT_H

#include "base/list.h"

// Something to be done when the process exits.  `fn` runs with no lock held; while it runs the node is off
// the list, and via__exit_remove() from another thread waits for it to return.
struct via__exit_node {
    struct via__list link;
    void (*fn)(struct via__exit_node *node);
    int running;
};

// 0, or VIA_ENOMEM if the process has no room for an exit handler.
int via__exit_add(struct via__exit_node *node, void (*fn)(struct via__exit_node *node));
void via__exit_remove(struct via__exit_node *node);

// In a forked child: forgets the parent's nodes.
void via__exit_reset(void);

#endif
