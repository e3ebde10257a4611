/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The stress test's parts.
 *
 * Four threads draw their choices from generators of their own, so that a seed gives the same choices again,
 * whatever the timing makes of them.  They share executors (places.c), hand futures to each other (mail.c),
 * and post work to two loops (loops.c).  Everything that is submitted is an item (items.c), which is marked
 * at each thing that happens to it; in the end the marks must tell one consistent story.
 */
#ifndef VIADUCT_TESTS_STRESS_STRESS_H
#define VIADUCT_TESTS_STRESS_STRESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <viaduct.h>

enum { STRESS_THREADS = 4, STRESS_LOOPS = 2, STRESS_PLACES = 5 };

/* A generator of choices: xorshift64*. */
struct choices {
    uint64_t state;
};
uint64_t choose(struct choices *choices);
/* A number from 0 to bound - 1. */
unsigned choose_below(struct choices *choices, unsigned bound);
/* A generator of its own for stream `number` of the seed. */
struct choices choices_of(uint64_t seed, unsigned number);

/* ---- items ---- */

/* What happens to an item: each at most once. */
enum mark {
    MARK_RAN = 1 << 0,      /* its function was entered */
    MARK_GAVE = 1 << 1,     /* a result was handed over */
    MARK_ARG = 1 << 2,      /* its argument was released */
    MARK_RESULT = 1 << 3,   /* its result was released */
    MARK_CALLBACK = 1 << 4, /* its done callback ran */
    MARK_POSTED = 1 << 5,   /* the loop ran the post that carried it */
    MARK_RETIRED = 1 << 6,  /* its end is known: `status` is set */
    MARK_HOOK = 1 << 7,     /* its cancel hook ran */
    MARK_TAKEN = 1 << 8     /* it is in use, or was */
};

enum item_kind { ITEM_CALL, ITEM_PROMISE, ITEM_LOOP };

struct item {
    atomic_uint marks;
    atomic_uint pins; /* holders that may still mark it, besides the library */
    atomic_int status;
    int kind;
    bool called; /* it was handed to an executor: argument and result have destructors */
    bool abandonable;
    bool callback_due;      /* a done callback was added */
    uint64_t choice;        /* what its function or post is to do */
    via_executor *executor; /* a reference for its function's own calls, or NULL; ends with the argument */
    via_future *future;     /* a loop's promise until it is settled */
    struct loop_thread *home;
};

/* Items of one thread; they are used again when their story has ended. */
struct arena {
    struct item *items;
    size_t count;
    size_t next;
};

struct totals {
    atomic_ulong finished, failed, cancelled, expired, refused, posts, waits;
};
extern struct totals totals;

int arena_init(struct arena *arena, size_t count);
/* Waits for every story to end, checks them, and releases the arena. */
void arena_fini(struct arena *arena);
/* An unused item; waits for one if none is free. */
struct item *item_take(struct arena *arena, int kind, uint64_t choice);
void item_mark(struct item *item, unsigned mark);
/* The end is known. */
void item_retire(struct item *item, int status);
/* The call that an item's choice asks for. */
struct via_call item_call(struct item *item, via_executor *executor);
/* Releases a result: the item itself. */
void item_release_result(void *result);

/* Reports what must not be; the test fails in the end. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
unsigned long complaints(void);
/* Checks a status against those that are allowed here: up to four, 0 included by itself. */
void expect_status(const char *what, int status, int a, int b, int c, int d);

/* ---- places: the executors that all threads share ---- */

int places_init(uint64_t seed);
/* A reference on the executor at a place. */
via_executor *place_get(unsigned place);
/* Puts a new executor at a place and shuts the old one down as the choices say. */
void place_renew(unsigned place, struct choices *choices);
/* Shuts everything down and waits. */
void places_fini(void);

/* ---- mail: futures that one thread hands to another ---- */

struct letter {
    via_cfuture *cf;   /* a reference; NULL if the box was empty */
    struct item *item; /* of a promise that the reader may settle; pinned */
};
/* Puts a letter into a box, and gives what lay there. */
struct letter mail_swap(unsigned box, struct letter letter);
/* Drops a letter's reference and pin. */
void mail_drop(struct letter letter);
/* Empties every box. */
void mail_fini(void);
enum { MAIL_BOXES = 16 };

/* ---- loops ---- */

struct loop_thread;
int loops_init(void);
/* Posts an item to a loop; a post that was accepted is retired by the loop's thread. */
int loops_post(unsigned number, struct item *item, via_handle **handle);
/* Tells that an accepted post will not run because its handle was cancelled. */
void loops_withdrawn(struct item *item);
/* Lets the loops end when all that was posted is retired, and closes them. */
void loops_fini(void);

/* ---- the threads ---- */

/* What one thread does: `operations` choices; `progress` counts them for the watchdog. */
struct operator
{
    struct choices choices;
    unsigned long operations;
    struct arena arena;
    atomic_ulong *progress;
};
void *operator_run(void *arg);

#endif
