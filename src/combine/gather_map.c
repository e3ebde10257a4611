/* SPDX-License-Identifier: BSD-3-Clause */
/* A gather that makes its children: tasks, so many at a time. */
#include <config.h>

#include <stdlib.h>

#include "combine/gather.h"

static void fill(struct via__gather *gather, via_task_fn fn, void *const *args,
                 const struct via_gather_map_options *options)
{
    for (size_t i = 0; i < gather->count; i++)
        gather->items[i] = (struct via__item){.first = i, .arg = args[i]};
    gather->fn = fn;
    gather->child = (struct via_task_options){.stack_bytes = options->stack_bytes,
                                              .destroy = options->destroy,
                                              .destroy_result = options->destroy_result};
    gather->to_begin = gather->count;
    gather->limit = options->limit ? options->limit : SIZE_MAX;
}

static int begin(via_task_fn fn, void *const *args, size_t count,
                 const struct via_gather_map_options *options, via_future **future)
{
    via_loop *loop = via__role.loop;
    if (!fn || (!args && count) || count > VIA__ITEMS_MOST || !via__gather_knows(options->flags))
        return VIA_EINVAL;
    int status = loop ? via__loop_check(loop) : VIA_ESTATE;
    if (status < 0)
        return status;
    struct via__bridge *bridge = via__bridge_of(loop);
    struct via__gather *gather = bridge ? via__gather_alloc(count) : NULL;
    if (!gather)
        return VIA_ENOMEM;
    fill(gather, fn, args, options);
    *future = via__gather_begin(gather, bridge, options->flags);
    if (*future)
        return 0;
    via__gather_free(gather);
    return VIA_ENOMEM;
}

via_future *via_gather_map_with(via_task_fn fn, void *const *args, size_t count,
                                const struct via_gather_map_options *options)
{
    static const struct via_gather_map_options plain;
    via_future *future;
    if (!options)
        options = &plain;
    int status = begin(fn, args, count, options, &future);
    if (status == 0)
        return future;
    for (size_t i = 0; i < count && args && count <= VIA__ITEMS_MOST && options->destroy; i++)
        options->destroy(args[i]);
    return via__future_failed(status);
}

via_future *via_gather_map(via_task_fn fn, void *const *args, size_t count, size_t limit, unsigned flags)
{
    const struct via_gather_map_options options = {.limit = limit, .flags = flags};
    return via_gather_map_with(fn, args, count, &options);
}
