/* SPDX-License-Identifier: BSD-3-Clause */
/* The value of a gather.  The design is at the head of outcomes.h. */
#include <config.h>

#include <stdlib.h>

#include "combine/outcomes.h"

struct via__outcomes *via__outcomes_new(size_t count)
{
    struct via__outcomes *outcomes;
    outcomes = calloc(1, sizeof *outcomes + count * (sizeof outcomes->at[0] + sizeof *outcomes->kept));
    if (!outcomes)
        return NULL;
    outcomes->count = count;
    outcomes->kept = (via_cfuture **)(void *)&outcomes->at[count];
    return outcomes;
}

struct via__outcomes *via__outcomes_of(void *value)
{
    return VIA__CONTAINER_OF(value, struct via__outcomes, at);
}

void via__outcomes_destroy(void *value)
{
    struct via__outcomes *outcomes = via__outcomes_of(value);
    for (size_t i = 0; i < outcomes->count; i++) {
        if (outcomes->at[i].destroy && outcomes->at[i].value)
            outcomes->at[i].destroy(outcomes->at[i].value);
        via_cfuture_unref(outcomes->kept[i]);
    }
    free(outcomes);
}

struct via_outcome *via_outcomes_free(struct via_outcome *outcomes)
{
    if (outcomes)
        via__outcomes_destroy(outcomes);
    return NULL;
}

// Who did not cancel it has awaited something that was.
static int as_awaited(struct via_outcome *outcome)
{
    if (outcome->status == VIA_ECANCELED)
        outcome->status = VIA_EABORTED;
    return outcome->status;
}

int via__outcome_look(via_future *future, struct via_outcome *outcome)
{
    int status = via_future_outcome(future, outcome);
    return status < 0 ? status : as_awaited(outcome);
}

void via__outcomes_take(struct via__outcomes *outcomes, size_t at, via_future *future)
{
    struct via_outcome *outcome = &outcomes->at[at];
    int status = via_future_outcome(future, outcome);
    if (status == 0 && outcome->destroy)
        status = via_future_take(future, outcome);
    if (status < 0)
        *outcome = (struct via_outcome){.status = status}; // somebody else has the value
    as_awaited(outcome);
    if ((outcome->message || outcome->process) && future->loop)
        outcomes->kept[at] = via_cfuture_ref(future->cf);
}

void via__outcomes_share(struct via__outcomes *outcomes, size_t at, size_t first)
{
    outcomes->at[at] = outcomes->at[first];
    outcomes->at[at].destroy = NULL;
}
