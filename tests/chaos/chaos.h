/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The chaos test's parts: the functions that run in workers (work.c), the saboteur who kills them from
 * outside (saboteur.c), and the books that are kept of every call (chaos.c).
 */
#ifndef VIADUCT_TESTS_CHAOS_CHAOS_H
#define VIADUCT_TESTS_CHAOS_CHAOS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include <viaduct.h>

/* What a call does in its worker. */
enum deed {
    DEED_ANSWER, /* gives its number back */
    DEED_SEGV,   /* dies of SIGSEGV */
    DEED_EXIT,   /* exits with status 0 */
    DEED_STOP,   /* stops its process */
    DEED_WILD,   /* writes all over what it can write to of what is shared */
    DEEDS
};

/* The input of a call. */
struct task {
    uint32_t number;
    uint32_t deed;
    uint64_t seed;
};

/* In memory that the program and every worker map: a file whose path the initializer gets. */
struct ledger {
    _Atomic uint32_t runs[1]; /* how often each call was begun */
};

/* The function of every call, the same for all deeds, or a kind one for calls that only answer; and the
 * initializer. */
int do_deed(via_bytes_call *call, const void *in, size_t bytes);
int do_answer(via_bytes_call *call, const void *in, size_t bytes);
int open_ledger(via_bytes_call *call, const void *in, size_t bytes);

/* Makes the file for `count` calls and maps it here; NULL if that failed. */
struct ledger *new_ledger(const char *path, uint32_t count);

/* A generator of choices: splitmix64. */
uint64_t choose(uint64_t *state);

/* A thread that kills workers at random, and the zygote once. */
struct saboteur {
    pthread_t thread;
    via_executor *pool;
    uint64_t seed;
    unsigned kills_wanted;
    unsigned calls;
    _Atomic int over;
    unsigned killed, stopped, zygotes; /* read when joined */
};
int saboteur_start(struct saboteur *saboteur);
void saboteur_join(struct saboteur *saboteur);

/* Waits until so many calls are over, or `enough` is set and tell_moved() was called; NULL for neither. */
void await_over(unsigned count, const _Atomic int *enough);
void tell_moved(void);

/* The process that started another: its parent, or 0. */
long parent_of(long pid);

#endif
