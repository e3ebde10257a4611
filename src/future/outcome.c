/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading and taking what became of a future. */
#include <config.h>

#include <viaduct/error.h>

#include "future/cfuture.h"

static void fill(const via_cfuture *cf, uint32_t state, struct via_outcome *outcome)
{
    if ((state & VIA__STATE_MASK) == VIA_CANCELLED) {
        *outcome = (struct via_outcome){.status = VIA_ECANCELED};
        return;
    }
    const struct via__extra *extra = cf->extra;
    *outcome = (struct via_outcome){.status = cf->status,
                                    .code = cf->code,
                                    .value = cf->value,
                                    .bytes = extra ? extra->bytes : 0,
                                    .destroy = extra && cf->value ? extra->destroy : NULL,
                                    .message = extra ? extra->message : NULL,
                                    .process = extra ? extra->process : NULL};
}

int via_cfuture_outcome(via_cfuture *cf, struct via_outcome *outcome)
{
    if (!cf || !outcome)
        return VIA_EINVAL;
    uint32_t state = via__cf_state(cf);
    if (!via__state_done(state))
        return VIA_EPENDING;
    if (state & VIA__TAKEN)
        return VIA_ETAKEN;
    fill(cf, state, outcome);
    return 0;
}

int via_cfuture_take(via_cfuture *cf, struct via_outcome *outcome)
{
    if (!cf || !outcome)
        return VIA_EINVAL;
    uint32_t state = via__cf_state(cf);
    if (!via__state_done(state))
        return VIA_EPENDING;
    // Where there is no value there is nothing to take, and the error stays readable for everybody.
    if ((state & VIA__STATE_MASK) == VIA_CANCELLED || cf->status < 0) {
        fill(cf, state, outcome);
        return 0;
    }
    // Acquire and release: of several takers one sees the flag clear, and it comes after the completer.
    state = atomic_fetch_or_explicit(&cf->state, VIA__TAKEN, memory_order_acq_rel);
    if (state & VIA__TAKEN)
        return VIA_ETAKEN;
    fill(cf, state, outcome);
    return 0;
}

int via_cfuture_result(via_cfuture *cf, int64_t timeout_ns, void **value)
{
    struct via_outcome outcome;
    int status = via_cfuture_wait(cf, timeout_ns);
    if (status == 0)
        status = via_cfuture_outcome(cf, &outcome);
    if (status == 0)
        status = outcome.status;
    if (status == 0 && value)
        *value = outcome.value;
    return status;
}
