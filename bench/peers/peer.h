/* SPDX-License-Identifier: BSD-3-Clause */
/* What a peer gives to the driver, and what the driver gives to it.  Every C and C++ peer runs the same
 * workloads (driver.c) through the few functions of struct peer, so that only the library differs. */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A piece of work that is submitted again and again; the driver owns it. */
struct job {
    void (*work)(void);            /* runs in the pool */
    void (*done)(struct job *job); /* runs on the loop's thread afterwards */
    union {
        void *align;
        char bytes[160];
    } space; /* for what the library asks its caller to keep, such as a uv_work_t */
};

/* A library under test. */
struct peer {
    const char *name;
    /* Makes the loop and a pool of so many threads, or none for 0; `variant` names special settings, NULL for
     * the usual ones.  0, or -1 for an unknown variant. */
    int (*start)(int workers, const char *variant);
    void (*submit)(struct job *job);
    /* Submits a function that does nothing, with whatever memory the library needs for that; noop_done() is
     * to be called on the loop afterwards. */
    void (*submit_noop)(void);
    void (*run)(void);  /* runs the loop until quit() */
    void (*quit)(void); /* called on the loop */
    void (*after_ms)(int ms, void (*fn)(void));
    void (*post_begin)(void); /* before the threads that post are started */
    void (*post)(void);       /* in any thread: post_arrived() is to be called on the loop */
};

/* Given by the driver. */
void noop_done(void);
void post_arrived(void);
int bench_main(int argc, char **argv, const struct peer *peer);
void die(const char *what);

#ifdef __cplusplus
}
#endif

#endif
