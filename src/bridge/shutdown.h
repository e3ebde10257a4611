/* SPDX-License-Identifier: BSD-3-Clause */
/* Shutting executors down from a loop. */
#ifndef VIADUCT_BRIDGE_SHUTDOWN_H
#define VIADUCT_BRIDGE_SHUTDOWN_H

#include "bridge/future.h"

// The future of a shutdown that is over, or never had anything to wait for.
via_future *via__shutdown_over(struct via__bridge *bridge);

#endif
