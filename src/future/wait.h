/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VIADUCT_FUTURE_WAIT_H
#define VIADUCT_FUTURE_WAIT_H

#include <viaduct/cfuture.h>

// Tells whether only this thread could complete the future: it belongs to the loop that runs here.
int via__cf_only_here(via_cfuture *cf);

// Sorts an array of futures and drops what stands there twice; returns how many are left.
size_t via__unique_futures(via_cfuture **futures, size_t count);

#endif
