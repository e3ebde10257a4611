/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The worker's side of payloads.
 *
 * Views are the program's buffers, mapped for reading when their descriptors come; one that the program lets
 * the function write to is opened for writing while that runs.
 *
 * Shelves are memory files of the worker's for answers.  One is *current* while an order fills it; then it is
 * out with an answer: in `copied`, until an order says that the program has taken that answer, or with a
 * larger one, which the program reads in place and gives back by a message, and which is read-only here
 * meanwhile. Then it stands in `free`.  What is free beyond a bound is unmapped, and the program told.  A
 * worker with very many answers out makes further shelves for one answer each.
 *
 * Functions may use up the worker's descriptors.  The pantry holds a spare one, and lets go of it while it
 * needs another.
 */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <viaduct/error.h>

#include "base/list.h"
#include "process/acquaintance.h"
#include "process/buffer.h"
#include "process/fds.h"
#include "process/memory.h"
#include "process/numbers.h"
#include "process/pantry.h"
#include "process/payload.h"

#define FREE_BYTES   134217728 // kept for answers to come
#define SHELVES_MOST 160       // more than a channel has slots
#define TRIES_MOST   10000     // of a millisecond

struct view {
    void *data; // NULL if it could not be mapped
    size_t bytes;
    int is_writable;
};

struct shelf {
    struct via__list link; // in `free` or `copied`, or alone
    int is_free;
    uint16_t turn; // of the order whose answer the program copies
    uint64_t number;
    void *data;
    size_t bytes;
    size_t asked; // of the last answer in it
    int is_last;  // for one answer
    int is_lent;  // the program reads it in place
    int is_shut;  // read-only
};

struct object {
    int fd;
};

struct via__pantry {
    int control;
    uint64_t last_number;
    struct via__numbers views;
    struct view *open; // for writing
    struct via__numbers shelves;
    struct shelf *current;
    uint16_t turn;           // of the order that is under way
    struct via__list copied; // in the order of their turns
    struct via__list free;   // the one given back last first
    size_t free_bytes;
    struct via__numbers objects; // by number + 1
    int given_fd;                // of an object that was asked for, or -1
    int spare_fd;
    int has_lost;      // a message with a descriptor, or what it told of, for want of room
    int has_lost_file; // the same, for objects, and nobody has asked since
};

// ---- the spare descriptor ----

static void give_up_spare(struct via__pantry *pantry)
{
    if (pantry->spare_fd >= 0)
        close(pantry->spare_fd);
    pantry->spare_fd = -1;
}

static void take_spare(struct via__pantry *pantry)
{
    if (pantry->spare_fd < 0)
        pantry->spare_fd = fcntl(pantry->control, F_DUPFD_CLOEXEC, 0);
}

// ---- views ----

static void drop_view(struct via__pantry *pantry, uint64_t number)
{
    struct view *view = via__numbers_remove(&pantry->views, number);
    if (!view)
        return;
    if (view == pantry->open)
        pantry->open = NULL;
    if (view->data)
        munmap(view->data, view->bytes);
    free(view);
}

static void on_buffer(struct via__pantry *pantry, const struct via__payload_message *message, int fd)
{
    struct view *view = message->count == 3 ? calloc(1, sizeof *view) : NULL;
    pantry->has_lost |= !view;
    if (!view)
        return;
    drop_view(pantry, message->numbers[0]);
    view->bytes = (size_t)message->numbers[1];
    view->is_writable = !!(message->numbers[2] & VIA_BUFFER_WRITABLE);
    (void)via__memory_map(fd, view->bytes, VIA__MEMORY_READ, &view->data);
    if (via__numbers_add(&pantry->views, message->numbers[0], view) < 0) {
        if (view->data)
            munmap(view->data, view->bytes);
        free(view);
        pantry->has_lost = 1;
    }
}

// ---- shelves ----

static void tear_down(struct via__pantry *pantry, struct shelf *shelf)
{
    via__numbers_remove(&pantry->shelves, shelf->number);
    if (shelf->is_free)
        pantry->free_bytes -= shelf->bytes;
    via__list_remove(&shelf->link);
    munmap(shelf->data, shelf->bytes);
    free(shelf);
}

// Unmaps a free shelf, if the program can be told now: 1 or 0.
static int let_go(struct via__pantry *pantry, struct shelf *shelf)
{
    struct via__payload_message message = {.kind = VIA__PAYLOAD_GONE, .count = 1, .numbers = {shelf->number}};
    if (via__fds_send(pantry->control, &message, via__payload_bytes(&message), NULL, 0) < 0)
        return 0;
    tear_down(pantry, shelf);
    return 1;
}

static void put_back(struct via__pantry *pantry, struct shelf *shelf)
{
    via__list_push_front(&pantry->free, &shelf->link);
    shelf->is_free = 1;
    shelf->is_lent = 0;
    pantry->free_bytes += shelf->bytes;
    if (shelf->is_last && let_go(pantry, shelf))
        return;
    while (pantry->free_bytes > FREE_BYTES) {
        if (!let_go(pantry, VIA__CONTAINER_OF(pantry->free.prev, struct shelf, link)))
            return;
    }
}

static void on_reuse(struct via__pantry *pantry, const struct via__payload_message *message)
{
    for (uint32_t i = 0; i < message->count; i++) {
        struct shelf *shelf = via__numbers_find(&pantry->shelves, message->numbers[i]);
        if (shelf && shelf->is_lent)
            put_back(pantry, shelf);
    }
}

static void on_drop(struct via__pantry *pantry, const struct via__payload_message *message)
{
    for (uint32_t i = 0; i < message->count; i++) {
        struct shelf *shelf = via__numbers_find(&pantry->shelves, message->numbers[i]);
        if (shelf && shelf != pantry->current)
            tear_down(pantry, shelf);
        else if (shelf)
            shelf->is_last = 1;
    }
}

// ---- messages ----

static void drop_object(struct via__pantry *pantry, uint64_t number)
{
    struct object *object = via__numbers_remove(&pantry->objects, number + 1);
    if (!object)
        return;
    close(object->fd);
    free(object);
}

// Keeps the descriptor: 1, or 0.  It comes again when the object was not found.
static int on_object(struct via__pantry *pantry, uint64_t number, int fd)
{
    struct object *object = malloc(sizeof *object);
    drop_object(pantry, number);
    if (object)
        object->fd = fd;
    if (!object || via__numbers_add(&pantry->objects, number + 1, object) < 0) {
        free(object);
        pantry->has_lost_file = 1;
        return 0;
    }
    return 1;
}

static void on_message(struct via__pantry *pantry, const struct via__payload_message *message, int *fds,
                       int *count)
{
    switch ((enum via__payload_kind)message->kind) {
    case VIA__PAYLOAD_BUFFER:
        if (*count == 1)
            on_buffer(pantry, message, fds[0]);
        return;
    case VIA__PAYLOAD_FORGET:
        for (uint32_t i = 0; i < message->count; i++)
            drop_view(pantry, message->numbers[i]);
        return;
    case VIA__PAYLOAD_OBJECT:
        if (*count == 1 && on_object(pantry, message->numbers[0], fds[0]))
            *count = 0;
        return;
    case VIA__PAYLOAD_REUSE:
        on_reuse(pantry, message);
        return;
    case VIA__PAYLOAD_DROP:
        on_drop(pantry, message);
        return;
    case VIA__PAYLOAD_OFFER:
    case VIA__PAYLOAD_GONE:
        return;
    }
}

// One message: 1; 0 if there is none; a negative status if the program's end is gone.
static int receive(struct via__pantry *pantry, enum via__fds_wait how)
{
    struct via__payload_message message;
    int fds[VIA__FDS_MAX];
    int count = 0;
    int got = via__fds_receive(pantry->control, &message, sizeof message, fds, &count, how);
    if (got == VIA_EAGAIN)
        return 0;
    if (got == -EMSGSIZE)
        return pantry->has_lost = pantry->has_lost_file = 1;
    if (got <= 0)
        return got < 0 ? got : VIA_ESHUTDOWN;
    if (via__payload_is_whole(&message, (size_t)got))
        on_message(pantry, &message, fds, &count);
    via__fds_close(fds, count);
    return 1;
}

void via__pantry_refresh(void *arg)
{
    struct via__pantry *pantry = arg;
    if (pantry->given_fd >= 0)
        close(pantry->given_fd);
    pantry->given_fd = -1;
    give_up_spare(pantry);
    while (receive(pantry, VIA__FDS_NOW) > 0)
        ;
    take_spare(pantry);
}

// ---- what an order needs ----

// Waits for the message with a buffer, but not for one that was lost.  0 or a negative status.
static int await_view(struct via__pantry *pantry, uint64_t number)
{
    int status = 1;
    via__pantry_refresh(pantry);
    give_up_spare(pantry);
    while (status > 0 && !pantry->has_lost && !via__numbers_find(&pantry->views, number))
        status = receive(pantry, VIA__FDS_BLOCK);
    take_spare(pantry);
    if (status > 0 && !via__numbers_find(&pantry->views, number))
        return VIA_EAGAIN;
    return status < 0 ? status : 0;
}

static int open_view(struct via__pantry *pantry, struct view *view)
{
    if (!view->is_writable)
        return VIA_EINVAL;
    if (mprotect(view->data, view->bytes, PROT_READ | PROT_WRITE) < 0)
        return VIA_ENOMEM;
    pantry->open = view;
    return 0;
}

int via__pantry_view(struct via__pantry *pantry, uint64_t number, uint64_t bytes, int writable, void **data)
{
    int status = 0;
    if (!via__numbers_find(&pantry->views, number))
        status = await_view(pantry, number);
    struct view *view = via__numbers_find(&pantry->views, number);
    if (status < 0 || !view)
        return status < 0 ? status : VIA_ESHUTDOWN;
    if (!view->data)
        return VIA_ENOMEM;
    if (bytes > view->bytes)
        return VIA_EINVAL;
    status = writable ? open_view(pantry, view) : 0;
    if (status == 0)
        *data = view->data;
    return status;
}

int via__pantry_object_fd(void *arg, uint32_t object)
{
    struct via__pantry *pantry = arg;
    via__pantry_refresh(pantry);
    struct object *kept = via__numbers_remove(&pantry->objects, (uint64_t)object + 1);
    int is_lost = pantry->has_lost_file;
    pantry->has_lost_file = 0;
    if (!kept)
        return is_lost ? VIA_EAGAIN : -1;
    pantry->given_fd = kept->fd;
    free(kept);
    return pantry->given_fd;
}

// The smallest free shelf that is large enough, or NULL.
static struct shelf *fitting(struct via__pantry *pantry, size_t bytes)
{
    struct shelf *best = NULL;
    for (struct via__list *at = pantry->free.next; at != &pantry->free; at = at->next) {
        struct shelf *shelf = VIA__CONTAINER_OF(at, struct shelf, link);
        if (shelf->bytes >= bytes && (!best || shelf->bytes < best->bytes))
            best = shelf;
    }
    if (!best)
        return NULL;
    if (best->is_shut && mprotect(best->data, best->bytes, PROT_READ | PROT_WRITE) < 0)
        return NULL;
    best->is_shut = best->is_free = 0;
    via__list_remove(&best->link);
    pantry->free_bytes -= best->bytes;
    return best;
}

// Waits until the program has taken in some of what was sent: it does so as it takes answers, and what it has
// not taken yet is on its way already.  1 to try again.
static int await_room(const struct via__pantry *pantry, int status, int *tries)
{
    struct pollfd writable = {.fd = pantry->control, .events = POLLOUT};
    if (status == VIA_EAGAIN)
        return poll(&writable, 1, -1) >= 0 || errno == EINTR;
    // Too many descriptors are on their way, which nothing tells the end of.
    return status == -ETOOMANYREFS && ++*tries < TRIES_MOST && poll(NULL, 0, 1) >= 0;
}

// Tells the program of a shelf.
static int offer(struct via__pantry *pantry, const struct shelf *shelf, int fd)
{
    struct via__payload_message message = {
        .kind = VIA__PAYLOAD_OFFER, .count = 3, .numbers = {shelf->number, shelf->bytes, shelf->is_last}};
    int tries = 0;
    int status;
    do
        status = via__fds_send(pantry->control, &message, via__payload_bytes(&message), &fd, 1);
    while (status < 0 && await_room(pantry, status, &tries));
    return status;
}

static int make_memory(struct via__pantry *pantry, struct shelf *shelf)
{
    int fd;
    give_up_spare(pantry);
    int status = via__memory_new("via-answer", shelf->bytes, &fd);
    if (status < 0)
        return status;
    status = via__memory_map(fd, shelf->bytes, VIA__MEMORY_WRITE, &shelf->data);
    if (status == 0)
        status = via__memory_seal(fd);
    if (status == 0)
        status = offer(pantry, shelf, fd);
    if (status < 0 && shelf->data)
        munmap(shelf->data, shelf->bytes);
    close(fd);
    return status;
}

static struct shelf *make_shelf(struct via__pantry *pantry, size_t bytes)
{
    struct shelf *shelf = calloc(1, sizeof *shelf);
    if (!shelf)
        return NULL;
    via__list_init(&shelf->link);
    shelf->number = ++pantry->last_number;
    shelf->bytes = via__memory_class(bytes, NULL);
    shelf->is_last = pantry->shelves.count >= SHELVES_MOST;
    if (via__numbers_add(&pantry->shelves, shelf->number, shelf) < 0) {
        free(shelf);
        return NULL;
    }
    int status = make_memory(pantry, shelf);
    take_spare(pantry);
    if (status < 0) {
        via__numbers_remove(&pantry->shelves, shelf->number);
        free(shelf);
        return NULL;
    }
    return shelf;
}

static struct shelf *find_shelf(struct via__pantry *pantry, size_t bytes)
{
    struct shelf *shelf = fitting(pantry, bytes);
    if (shelf)
        return shelf;
    // A look is much cheaper than new memory.
    via__pantry_refresh(pantry);
    shelf = fitting(pantry, bytes);
    return shelf ? shelf : make_shelf(pantry, bytes);
}

int via__pantry_take(struct via__pantry *pantry, size_t bytes, const void *old, size_t keep, void **data,
                     uint64_t *number)
{
    struct shelf *before = pantry->current;
    struct shelf *shelf = before;
    if (bytes > VIA__BUFFER_MOST)
        return VIA_ENOMEM;
    if (!before || before->bytes < bytes)
        shelf = find_shelf(pantry, bytes);
    if (!shelf)
        return VIA_ENOMEM;
    if (keep && old != shelf->data)
        memcpy(shelf->data, old, keep < bytes ? keep : bytes);
    pantry->current = shelf;
    if (before && before != shelf)
        put_back(pantry, before);
    shelf->asked = bytes;
    *data = shelf->data;
    *number = shelf->number;
    return 0;
}

void via__pantry_give_back(struct via__pantry *pantry, uint64_t number)
{
    struct shelf *shelf = pantry->current;
    if (!shelf || shelf->number != number)
        return;
    pantry->current = NULL;
    put_back(pantry, shelf);
}

void via__pantry_taken(struct via__pantry *pantry, uint16_t taken)
{
    while (!via__list_empty(&pantry->copied)) {
        struct shelf *first = VIA__CONTAINER_OF(pantry->copied.next, struct shelf, link);
        // Never further apart than a channel has slots, so the difference tells which is first.
        if ((int16_t)(uint16_t)(first->turn - taken) >= 0)
            return;
        via__list_remove(&first->link);
        put_back(pantry, first);
    }
}

// The answer goes to the program.
static void send_off(struct via__pantry *pantry, struct shelf *shelf)
{
    if (shelf->is_last) {
        tear_down(pantry, shelf);
    } else if (shelf->asked > VIA__ANSWER_COPIED) {
        shelf->is_lent = 1;
        shelf->is_shut = mprotect(shelf->data, shelf->bytes, PROT_READ) == 0;
    } else {
        shelf->turn = pantry->turn;
        via__list_push_back(&pantry->copied, &shelf->link);
    }
}

void via__pantry_rest(struct via__pantry *pantry)
{
    if (pantry->open)
        (void)mprotect(pantry->open->data, pantry->open->bytes, PROT_READ);
    if (pantry->current)
        send_off(pantry, pantry->current);
    pantry->open = NULL;
    pantry->current = NULL;
    pantry->turn++;
}

// ---- life ----

int via__pantry_new(int control, struct via__pantry **pantry)
{
    struct via__pantry *made = calloc(1, sizeof *made);
    if (!made)
        return VIA_ENOMEM;
    made->control = control;
    made->given_fd = made->spare_fd = -1;
    take_spare(made);
    via__list_init(&made->copied);
    via__list_init(&made->free);
    *pantry = made;
    return 0;
}

static void free_views(struct via__pantry *pantry)
{
    struct view *view;
    for (uint32_t at = 0; (view = via__numbers_next(&pantry->views, &at));) {
        if (view->data)
            munmap(view->data, view->bytes);
        free(view);
    }
    via__numbers_free(&pantry->views);
}

static void free_shelves(struct via__pantry *pantry)
{
    struct shelf *shelf;
    for (uint32_t at = 0; (shelf = via__numbers_next(&pantry->shelves, &at));) {
        munmap(shelf->data, shelf->bytes);
        free(shelf);
    }
    via__numbers_free(&pantry->shelves);
}

static void free_objects(struct via__pantry *pantry)
{
    struct object *object;
    for (uint32_t at = 0; (object = via__numbers_next(&pantry->objects, &at));) {
        close(object->fd);
        free(object);
    }
    via__numbers_free(&pantry->objects);
}

void via__pantry_free(struct via__pantry *pantry)
{
    if (!pantry)
        return;
    if (pantry->given_fd >= 0)
        close(pantry->given_fd);
    give_up_spare(pantry);
    free_views(pantry);
    free_shelves(pantry);
    free_objects(pantry);
    free(pantry);
}
