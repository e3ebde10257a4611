/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Futures in the order they complete.
 *
 * Each future has an entry with a watch.  The watch, under the future's hashed lock, appends its entry to
 * the list of arrivals under the iterator's lock, and unparks.  Lock order: hashed lock, then the iterator's.
 * via_completion_free() takes every watch off before it frees the entries.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include <viaduct/error.h>

#include "base/clock.h"
#include "base/lock.h"
#include "future/cfuture.h"
#include "future/wait.h"

struct entry {
    struct via__watch watch;
    struct via_completion *completion;
    via_cfuture *cf; // our reference, until it was given out
    struct entry *next;
};

struct via_completion {
    struct via__parker parker;
    pthread_mutex_t lock;
    struct entry *first, **last; // arrivals, guarded by `lock`
    size_t total, given;
    int64_t deadline_ns;
    via_cfuture **waiting; // scratch for the check of a wait
    struct entry entries[];
};

static void arrive(struct entry *entry)
{
    struct via_completion *completion = entry->completion;
    pthread_mutex_lock(&completion->lock);
    entry->next = NULL;
    *completion->last = entry;
    completion->last = &entry->next;
    via__unpark(&completion->parker);
    pthread_mutex_unlock(&completion->lock);
}

static int watch_fired(struct via__watch *watch, via_cfuture *cf)
{
    (void)cf;
    arrive((struct entry *)watch);
    return 0;
}

static struct entry *next_arrival(struct via_completion *completion)
{
    pthread_mutex_lock(&completion->lock);
    struct entry *entry = completion->first;
    if (entry) {
        completion->first = entry->next;
        if (!completion->first)
            completion->last = &completion->first;
    }
    pthread_mutex_unlock(&completion->lock);
    return entry;
}

static int any_arrival(void *arg)
{
    struct via_completion *completion = arg;
    pthread_mutex_lock(&completion->lock);
    int any = completion->first != NULL;
    pthread_mutex_unlock(&completion->lock);
    return any;
}

static void init_entries(struct via_completion *completion, int64_t timeout_ns)
{
    via__parker_init(&completion->parker);
    via__mutex_init(&completion->lock);
    completion->last = &completion->first;
    completion->deadline_ns = timeout_ns == 0 ? 0 : via__deadline(timeout_ns);
    for (size_t i = 0; i < completion->total; i++) {
        struct entry *entry = &completion->entries[i];
        entry->watch = (struct via__watch){.fn = watch_fired, .waiter = 1};
        entry->completion = completion;
        entry->cf = via_cfuture_ref(completion->waiting[i]);
    }
    for (size_t i = 0; i < completion->total; i++) {
        if (!via__cf_watch(completion->entries[i].cf, &completion->entries[i].watch))
            arrive(&completion->entries[i]);
    }
}

int via_cfutures_as_completed(via_cfuture *const *futures, size_t count, int64_t timeout_ns,
                              via_completion **completion)
{
    if ((!futures && count) || count > INT32_MAX || timeout_ns < 0 || !completion)
        return VIA_EINVAL;
    for (size_t i = 0; i < count; i++) {
        if (!futures[i])
            return VIA_EINVAL;
    }
    struct via_completion *fresh = calloc(1, sizeof *fresh + count * sizeof fresh->entries[0]);
    via_cfuture **unique = malloc((count ? count : 1) * sizeof *unique);
    if (!fresh || !unique) {
        free(fresh);
        free(unique);
        return VIA_ENOMEM;
    }
    if (count)
        memcpy(unique, futures, count * sizeof *unique);
    fresh->waiting = unique;
    fresh->total = via__unique_futures(unique, count);
    init_entries(fresh, timeout_ns);
    *completion = fresh;
    return 0;
}

// Collects what is still waited for, so that the wait can be checked against a circle.
static size_t list_waiting(struct via_completion *completion)
{
    size_t count = 0;
    for (size_t i = 0; i < completion->total; i++) {
        if (completion->entries[i].cf)
            completion->waiting[count++] = completion->entries[i].cf;
    }
    return count;
}

static int any_forked(const struct via_completion *completion)
{
    for (size_t i = 0; i < completion->total; i++) {
        if (completion->entries[i].cf && via__cf_forked(completion->entries[i].cf))
            return 1;
    }
    return 0;
}

int via_completion_next(via_completion *completion, via_cfuture **cf)
{
    if (!completion || !cf)
        return VIA_EINVAL;
    if (completion->given == completion->total)
        return 0;
    if (!any_arrival(completion)) {
        if (any_forked(completion))
            return VIA_EFORKED;
        size_t waiting = list_waiting(completion);
        int status = via__wait_until(completion->waiting, waiting, 0, &completion->parker, any_arrival,
                                     completion, completion->deadline_ns);
        if (status < 0)
            return status;
    }
    struct entry *entry = next_arrival(completion);
    completion->given++;
    *cf = entry->cf;
    entry->cf = NULL;
    return 1;
}

int via_completion_pending(const via_completion *completion, size_t *total)
{
    if (!completion)
        return VIA_EINVAL;
    if (total)
        *total = completion->total;
    return (int)(completion->total - completion->given);
}

via_completion *via_completion_free(via_completion *completion)
{
    if (!completion)
        return NULL;
    for (size_t i = 0; i < completion->total; i++) {
        struct entry *entry = &completion->entries[i];
        if (entry->cf) {
            via__cf_unwatch(entry->cf, &entry->watch);
            via_cfuture_unref(entry->cf);
        }
    }
    via__parker_fini(&completion->parker);
    pthread_mutex_destroy(&completion->lock);
    free(completion->waiting);
    free(completion);
    return NULL;
}
