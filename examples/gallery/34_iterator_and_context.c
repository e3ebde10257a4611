/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One object that is entered and left, and gives messages in between; two of them at once, left in reverse
 * order.
 */
#include "gallery.h"

struct channel {
    const char *name;
    int sent;
};

static int channel_enter(void *self, void **value)
{
    struct channel *channel = self;
    (void)value;
    int rc = via_sleep(500 * VIA_MS);
    say("%s: connected", channel->name);
    return rc;
}

static int channel_leave(void *self, int status)
{
    struct channel *channel = self;
    int rc = via_sleep(500 * VIA_MS);
    say("%s: disconnected", channel->name);
    return status != 0 ? status : rc;
}

static struct via_resource channel_resource(struct channel *channel)
{
    return (struct via_resource){channel, channel_enter, channel_leave};
}

static int channel_next(struct channel *channel, int *message)
{
    if (channel->sent == 3)
        return 0;
    int rc = via_sleep(1 * VIA_S);
    if (rc < 0)
        return rc;
    *message = ++channel->sent;
    return 1;
}

static int listen_to(struct channel *channel)
{
    int rc, message;
    while ((rc = channel_next(channel, &message)) == 1)
        say("%s: message %d", channel->name, message);
    return rc;
}

static int main_task(void *arg, void **result)
{
    struct channel news = {"news", 0}, sports = {"sports", 0};
    struct via_exit_stack stack;
    (void)arg;
    (void)result;
    via_exit_stack_init(&stack);
    int rc = via_exit_stack_enter(&stack, channel_resource(&news), NULL);
    if (rc == 0)
        rc = via_exit_stack_enter(&stack, channel_resource(&sports), NULL);
    if (rc == 0)
        rc = listen_to(&news);
    if (rc == 0)
        rc = listen_to(&sports);
    return via_exit_stack_close(&stack, rc);
}

int main(void)
{
    return via_exit_status(gallery_run(main_task, NULL, NULL));
}
