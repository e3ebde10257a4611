/* SPDX-License-Identifier: BSD-3-Clause */
/* Futures that one thread hands to another: to cancel, to wait for, to settle. */
#include "stress.h"

#include <pthread.h>

static struct letter boxes[MAIL_BOXES];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

struct letter mail_swap(unsigned box, struct letter letter)
{
    pthread_mutex_lock(&lock);
    struct letter old = boxes[box % MAIL_BOXES];
    boxes[box % MAIL_BOXES] = letter;
    pthread_mutex_unlock(&lock);
    return old;
}

void mail_drop(struct letter letter)
{
    via_cfuture_unref(letter.cf);
    /* Release: pairs with the acquire in item_ended(), after which the item may be used again. */
    if (letter.item)
        atomic_fetch_sub_explicit(&letter.item->pins, 1, memory_order_release);
}

void mail_fini(void)
{
    for (unsigned box = 0; box < MAIL_BOXES; box++)
        mail_drop(mail_swap(box, (struct letter){NULL, NULL}));
}
