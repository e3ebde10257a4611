/* SPDX-License-Identifier: BSD-3-Clause */
#include <config.h>

#include <pthread.h>
#include <stdlib.h>

#include <viaduct/error.h>

#include "base/exit.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct via__list nodes = {&nodes, &nodes};
static struct via__list done_nodes = {&done_nodes, &done_nodes}; // kept, so that leak checkers find them
static int registered;
static pthread_t exiting_thread;

static void run_all(void)
{
    pthread_mutex_lock(&lock);
    exiting_thread = pthread_self();
    while (!via__list_empty(&nodes)) {
        struct via__exit_node *node = VIA__CONTAINER_OF(nodes.next, struct via__exit_node, link);
        via__list_remove(&node->link);
        node->running = 1;
        pthread_mutex_unlock(&lock);
        node->fn(node);
        pthread_mutex_lock(&lock);
        via__list_push_back(&done_nodes, &node->link);
        node->running = 0;
        pthread_cond_broadcast(&changed);
    }
    pthread_mutex_unlock(&lock);
}

int via__exit_add(struct via__exit_node *node, void (*fn)(struct via__exit_node *node))
{
    int status = 0;
    node->fn = fn;
    node->running = 0;
    pthread_mutex_lock(&lock);
    if (!registered)
        registered = atexit(run_all) == 0;
    if (registered)
        via__list_push_back(&nodes, &node->link);
    else
        status = VIA_ENOMEM;
    pthread_mutex_unlock(&lock);
    return status;
}

void via__exit_remove(struct via__exit_node *node)
{
    pthread_mutex_lock(&lock);
    // A node that removes itself from inside its function must not wait for itself.
    while (node->running && !pthread_equal(exiting_thread, pthread_self()))
        pthread_cond_wait(&changed, &lock);
    if (!node->running)
        via__list_remove(&node->link);
    pthread_mutex_unlock(&lock);
}

void via__exit_reset(void)
{
    pthread_mutex_init(&lock, NULL);
    pthread_cond_init(&changed, NULL);
    via__list_init(&nodes);
    via__list_init(&done_nodes);
}
