/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * What every test program shares: one process per test, a balance check around it, and tools that make
 * threads and loops wait for each other instead of sleeping.
 *
 * A test program looks like this:
 *
 *     #include "support/support.h"
 *     #include <viaduct.h>
 *
 *     TEST(a_call_returns_its_value)
 *     {
 *         ck_assert_int_eq(...);
 *     }
 *
 *     TEST_MAIN("executor/job", a_call_returns_its_value)
 *
 * A test's name is the rule it shows.  The suite is named after the layer and the module.  A test that is not
 * in TEST_MAIN's list is an unused static, which the compiler reports, so none is forgotten.
 *
 * Each test runs in its own process, for at most 60 s (CK_TIMEOUT_MULTIPLIER scales this and every bound
 * below).  When its body has returned, the test fails if it left behind open descriptors, threads, or memory
 * that was allocated by the test or by Viaduct.  Memory that libevent and the C library keep for themselves
 * is not counted.  Under a sanitizer LeakSanitizer counts memory instead.
 */
#ifndef VIA_TEST_SUPPORT_H
#define VIA_TEST_SUPPORT_H

#include <check.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/types.h>

/* Defines a test; list it in TEST_MAIN.  Ends with the balance check, so leave by falling off the end or by
 * `return`, and release what you made. */
#define TEST(name)                                                                                           \
    static void via_test_body_##name(void);                                                                  \
    START_TEST(name)                                                                                         \
    {                                                                                                        \
        via_test_begin();                                                                                    \
        via_test_body_##name();                                                                              \
        via_test_end();                                                                                      \
    }                                                                                                        \
    END_TEST                                                                                                 \
    static void via_test_body_##name(void)

/* Defines main(): runs the tests in this order and prints TAP. */
#define TEST_MAIN(suite, ...)                                                                                \
    int main(void)                                                                                           \
    {                                                                                                        \
        const TTest *const tests[] = {__VA_ARGS__, NULL};                                                    \
        return via_test_main(suite, tests);                                                                  \
    }

int via_test_main(const char *suite, const TTest *const *tests);
void via_test_begin(void);
void via_test_end(void);

/* Kinds of things that via_test_end() compares with via_test_begin(). */
enum via_test_kind { VIA_TEST_HEAP = 1 << 0, VIA_TEST_THREADS = 1 << 1, VIA_TEST_DESCRIPTORS = 1 << 2 };

/* Leaves some kinds out of this test's balance check.  `reason` says why what stays behind is right, for
 * instance "a stuck worker is left to the end of the process". */
void via_test_tolerate(unsigned kinds, const char *reason);

/* Memory: how many blocks the test and Viaduct hold at this moment.  Always 0 under a sanitizer, which
 * via_test_counts_heap() tells. */
size_t via_test_heap_blocks(void);
/* How many allocations have been made since the test began; 0 under a sanitizer. */
size_t via_test_heap_allocations(void);
int via_test_counts_heap(void);

/* How many threads and open descriptors this process has now. */
int via_test_threads(void);
int via_test_descriptors(void);
/* Waits (bounded) until the process has exactly `count` threads, and fails the test otherwise. */
void via_test_await_threads(int count);

/* The bound of every wait below, in nanoseconds: 30 s times CK_TIMEOUT_MULTIPLIER. */
int64_t via_test_bound_ns(void);
/* Tells whether the program runs under valgrind, which has an address space and forked children of its own.
 */
int via_test_under_valgrind(void);
/* The monotonic clock in nanoseconds. */
int64_t via_test_now_ns(void);

/* Waits, bounded, until an expression is true; for conditions that another thread brings about.  Yields the
 * processor between two looks; it must only be used where there is nothing to block on.  That it was true at
 * one look is enough, so it need not stay true; and there is a look after the bound is over. */
#define AWAIT(condition)                                                                                     \
    do {                                                                                                     \
        int64_t via_test_end_ns_ = via_test_now_ns() + via_test_bound_ns();                                  \
        int via_test_seen_ = 0;                                                                              \
        for (int via_test_late_ = 0; !(via_test_seen_ = !!(condition)) && !via_test_late_; via_test_yield()) \
            via_test_late_ = via_test_now_ns() >= via_test_end_ns_;                                          \
        ck_assert_msg(via_test_seen_, "never came true: %s", #condition);                                    \
    } while (0)
void via_test_yield(void);

/* Runs a loop tick by tick until an expression is true, and fails the test when the bound is over.  As with
 * AWAIT, one look is enough.  Needs <viaduct/loop.h>. */
#define RUN_UNTIL(loop, condition)                                                                           \
    do {                                                                                                     \
        int64_t via_test_end_ns_ = via_test_now_ns() + via_test_bound_ns();                                  \
        int via_test_seen_ = 0;                                                                              \
        for (int via_test_late_ = 0; !(via_test_seen_ = !!(condition)) && !via_test_late_;) {                \
            via_test_late_ = via_test_now_ns() >= via_test_end_ns_;                                          \
            ck_assert_int_ge(via_loop_step((loop), 20 * INT64_C(1000000)), 0);                               \
        }                                                                                                    \
        ck_assert_msg(via_test_seen_, "never came true: %s", #condition);                                    \
    } while (0)

/* Runs exactly so many ticks without waiting: for things that must not happen. */
#define RUN_TICKS(loop, count)                                                                               \
    do {                                                                                                     \
        for (int via_test_tick_ = 0; via_test_tick_ < (count); via_test_tick_++)                             \
            ck_assert_int_ge(via_loop_step((loop), 0), 0);                                                   \
    } while (0)

/* A gate: functions park in it until the test lets them through.  Initialise with
 * VIA_TEST_GATE_INITIALIZER; it holds no memory, so there is nothing to destroy. */
struct via_test_gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int arrived; /* how many have ever come to the gate */
    int passes;  /* how many may still go through */
    int open;    /* everybody may go through */
};
#define VIA_TEST_GATE_INITIALIZER                                                                            \
    {                                                                                                        \
        PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0, 0                                         \
    }

/* Parks the calling thread until it may pass; a bound keeps a broken test from hanging. */
void via_test_gate_pass(struct via_test_gate *gate);
/* The same as a call for an executor: VIA_CALL(via_test_gate_call, &gate); returns 0, leaves no result. */
int via_test_gate_call(void *gate, void **result);
/* Waits until `count` callers in all have come to the gate. */
void via_test_gate_await(struct via_test_gate *gate, int count);
/* How many have come so far. */
int via_test_gate_arrived(struct via_test_gate *gate);
/* Lets `count` callers through, present or to come. */
void via_test_gate_admit(struct via_test_gate *gate, int count);
/* Lets everybody through from now on. */
void via_test_gate_open(struct via_test_gate *gate);

/* A payload that counts its destructions.  Use `{0}` in static or automatic storage: a second destruction is
 * then seen, not fatal. */
struct via_test_counted {
    int destroyed;          /* read with via_test_destroyed() */
    pthread_t destroyed_in; /* the thread of the last destruction */
    int value;              /* free for the test */
};
/* A destructor: `call.destroy = via_test_counted_destroy`. */
void via_test_counted_destroy(void *counted);
/* How often it was destroyed, safe while other threads may do it. */
int via_test_destroyed(const struct via_test_counted *counted);

/* A recorder: callbacks append words, the test compares the whole history with one literal.  Thread-safe.
 * Initialise with VIA_TEST_RECORDER_INITIALIZER. */
struct via_test_recorder {
    pthread_mutex_t lock;
    size_t length;
    char text[8192];
};
#define VIA_TEST_RECORDER_INITIALIZER                                                                        \
    {                                                                                                        \
        PTHREAD_MUTEX_INITIALIZER, 0, ""                                                                     \
    }

/* Appends a word, separated by a blank from the one before. */
void via_test_record(struct via_test_recorder *recorder, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Forgets the history. */
void via_test_recorder_clear(struct via_test_recorder *recorder);
/* Fails the test unless the history is exactly this. */
#define ASSERT_RECORD(recorder, expected) via_test_assert_record((recorder), (expected), __FILE__, __LINE__)
void via_test_assert_record(struct via_test_recorder *recorder, const char *expected, const char *file,
                            int line);
/* How many words there are, safe while other threads append. */
int via_test_recorded(struct via_test_recorder *recorder);

/* A thread of the test.  Join every thread that you start. */
struct via_test_thread {
    pthread_t thread;
    void *(*fn)(void *arg);
    void *arg;
    pid_t tid; /* known once via_test_thread_start() has returned */
};
void via_test_thread_start(struct via_test_thread *thread, void *(*fn)(void *arg), void *arg);
/* Joins it, bounded, and gives what its function returned. */
void *via_test_thread_join(struct via_test_thread *thread);
/* Waits, bounded, until the kernel has put the thread to sleep: it blocks in a system call. */
void via_test_thread_await_blocked(const struct via_test_thread *thread);

/* Forks, runs `fn` in the child and gives what it returned there (0 to 255), or minus the signal that ended
 * it.  The child leaves with _exit(), so no exit handler runs and Check does not notice it. */
int via_test_fork(int (*fn)(void *arg), void *arg);

#endif
