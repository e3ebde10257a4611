/* SPDX-License-Identifier: BSD-3-Clause */
/* The program's end of a channel: what does not depend on the transport. */
#include <config.h>

#include <errno.h>

#include <viaduct/error.h>

#include "process/channel_kind.h"

#define KNOWN_FLAGS                                                                                          \
    (VIA__ANSWER_OUT_BUFFER | VIA__ANSWER_MESSAGE | VIA__ANSWER_REFUSED | VIA__ANSWER_NOT_FOUND |            \
     VIA__ANSWER_MEASURED | VIA__ANSWER_NO_INPUT)

int via__channel_status(int error)
{
    if (error == EMFILE || error == ENFILE || error == ENOBUFS)
        return VIA_EAGAIN;
    return -error;
}

int via__channel_new(int transport, struct via__channel **channel, struct via__channel_fds *worker)
{
    if (transport == VIA_TRANSPORT_SHARED)
        return via__channel_shared_new(channel, worker);
    return via__channel_socket_new(channel, worker);
}

void via__channel_free(struct via__channel *channel)
{
    if (channel)
        channel->kind->free(channel);
}

int via__channel_start_at(struct via__channel *channel, const struct via__channel_fds *worker, uint32_t place)
{
    channel->pushed = channel->shown = channel->taken = place;
    return channel->kind->start_at(channel, worker, place);
}

int via__channel_fd(const struct via__channel *channel, int *is_level)
{
    return channel->kind->fd(channel, is_level);
}

uint32_t via__channel_pending(const struct via__channel *channel)
{
    return channel->pushed - channel->taken;
}

uint32_t via__channel_room(const struct via__channel *channel)
{
    return VIA__CHANNEL_SLOTS - via__channel_pending(channel);
}

struct via__order *via__channel_next_order(struct via__channel *channel)
{
    return via__channel_room(channel) > 0 ? channel->kind->slot(channel) : NULL;
}

uint32_t via__channel_push(struct via__channel *channel)
{
    channel->kind->push(channel);
    return channel->pushed++;
}

void via__channel_flush(struct via__channel *channel)
{
    channel->kind->flush(channel);
}

void via__channel_show(struct via__channel *channel)
{
    if (channel->kind->show)
        channel->kind->show(channel);
}

int via__channel_take(struct via__channel *channel, uint64_t number, struct via__answer *answer)
{
    return channel->kind->take(channel, number, answer);
}

int via__channel_has_answer(const struct via__channel *channel)
{
    return channel->kind->has_answer(channel);
}

int via__channel_arm(struct via__channel *channel)
{
    return channel->kind->arm(channel);
}

int via__channel_started(struct via__channel *channel)
{
    return channel->kind->started(channel);
}

int via__channel_cancel(struct via__channel *channel, uint32_t place)
{
    if (place - channel->taken >= via__channel_pending(channel))
        return 0;
    return channel->kind->cancel(channel, place, VIA__REQUEST_STOP);
}

int via__channel_call_back(struct via__channel *channel, uint32_t place)
{
    if (place - channel->taken >= via__channel_pending(channel))
        return 0;
    return channel->kind->cancel(channel, place, VIA__REQUEST_BACK);
}

void via__channel_knock(struct via__channel *channel)
{
    channel->kind->knock(channel);
}

int via__channel_is_answer(const struct via__answer *answer, uint64_t number)
{
    return answer->number == number && !(answer->flags & ~(uint32_t)KNOWN_FLAGS) &&
           answer->message_bytes <= VIA__ANSWER_INLINE && via__answer_used(answer) <= VIA__ANSWER_ROOM &&
           answer->sum == via__answer_sum(answer);
}
