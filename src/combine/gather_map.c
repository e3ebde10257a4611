/* SPDX-License-Identifier: BSD-3-Clause */
/* A gather that makes its children: tasks, so many at a time. */
#include <config.h>

#include <stdlib.h>

#include "combine/gather.h"

static void fill(struct via__gather *gather, via_task_fn fn, void *const *args, size_t limit)
{
    for (size_t i = 0; i < gather->count; i++)
        gather->items[i] = (struct via__item){.first = i, .arg = args[i]};
    gather->fn = fn;
    gather->to_begin = gather->count;
    gather->limit = limit ? limit : SIZE_MAX;
}

via_future *via_gather_map(via_task_fn fn, void *const *args, size_t count, size_t limit, unsigned flags)
{
    via_loop *loop = via__role.loop;
    if (!fn || (!args && count) || count > VIA__ITEMS_MOST || !via__gather_knows(flags))
        return via__future_failed(VIA_EINVAL);
    int status = loop ? via__loop_check(loop) : VIA_ESTATE;
    if (status < 0)
        return via__future_failed(status);
    struct via__bridge *bridge = via__bridge_of(loop);
    struct via__gather *gather = bridge ? via__gather_alloc(count) : NULL;
    via_future *future = NULL;
    if (gather) {
        fill(gather, fn, args, limit);
        future = via__gather_begin(gather, bridge, flags);
    }
    if (!future)
        via__gather_free(gather);
    return future ? future : via__future_failed(VIA_ENOMEM);
}
