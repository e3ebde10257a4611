/* SPDX-License-Identifier: BSD-3-Clause */
/* The workloads, the same for every C and C++ peer: PROGRAM WORKLOAD WORKERS PARAM.
 *
 *   a     round trip, one call in flight; CPU per trip; CPU of an idle process afterwards
 *   b     tasks/s with PARAM calls in flight
 *   c     fan-out of a million calls; crss: their peak memory, with the workers held up
 *   d     posts to the loop from WORKERS foreign threads
 *   e     lateness of a 1 ms timer while the pool burns CPU
 *   f     real work with PARAM calls in flight, against two plain threads
 *
 * Elsewhere PARAM is - or the name of a variant of the peer's settings.
 *
 * Everything here runs on the loop's thread, but for the work functions and post_many(). */
#include "peer.h"

#include "measure.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    TRIPS = 20000,
    WARM_UP_TRIPS = 1000,
    FAN_OUT = 1000000,
    POSTS = 1000000,
    BURN_JOBS = 64,
    WORK_CALLS = 2000,
    WORK_PAIRS = 3,
    MAX_TICKS = 4000,
    MAX_THREADS = 64
};

static const int64_t throughput_ns = 300000000; /* b stops topping up after this, or after FAN_OUT calls */
static const int64_t burn_ns = 800000000;

static const struct peer *peer;
static struct cell cell;
static int workers;

static uint64_t submitted, completed, limit;
static int64_t end_ns;

void die(const char *what)
{
    fprintf(stderr, "%s: %s\n", cell.peer, what);
    exit(1);
}

static void *allocate(size_t count, size_t bytes)
{
    void *memory = calloc(count, bytes);
    if (!memory)
        die("out of memory");
    return memory;
}

static void do_nothing(void)
{
}

/* Submits a job's next round, unless the limit or the time is reached; quits after the last completion. */
static void go_on(struct job *job)
{
    completed++;
    if (submitted < limit) {
        submitted++;
        peer->submit(job);
    } else if (completed == submitted) {
        peer->quit();
    }
}

static void run_jobs(struct job *jobs, int count, void (*work)(void), void (*done)(struct job *),
                     uint64_t total)
{
    submitted = (uint64_t)count;
    completed = 0;
    limit = total;
    for (int i = 0; i < count; i++) {
        jobs[i].work = work;
        jobs[i].done = done;
        peer->submit(&jobs[i]);
    }
    peer->run();
}

/* Pools that start their threads late do it here, before anything is timed. */
static void start_threads(void)
{
    struct job *job = allocate(1, sizeof *job);
    run_jobs(job, 1, do_nothing, go_on, 1);
    free(job);
}

/* a */

static int64_t *samples, trip_start_ns, idle_from_ns;

static void trip_done(struct job *job)
{
    samples[completed] = now_ns() - trip_start_ns;
    trip_start_ns = now_ns();
    go_on(job);
}

static void idle_over(void)
{
    print_value(&cell, "idle_cpu_us", (double)(cpu_ns() - idle_from_ns) / 1000);
    peer->quit();
}

static void idle_begins(void)
{
    idle_from_ns = cpu_ns();
    peer->after_ms(200, idle_over);
}

static void round_trip(void)
{
    struct job *job = allocate(1, sizeof *job);
    samples = allocate(TRIPS, sizeof *samples);
    trip_start_ns = now_ns();
    run_jobs(job, 1, do_nothing, trip_done, WARM_UP_TRIPS);
    int64_t cpu_from_ns = cpu_ns();
    trip_start_ns = now_ns();
    run_jobs(job, 1, do_nothing, trip_done, TRIPS);
    print_value(&cell, "cpu_ns_per_trip", (double)(cpu_ns() - cpu_from_ns) / TRIPS);
    print_distribution(&cell, samples, TRIPS);
    peer->after_ms(100, idle_begins);
    peer->run();
}

/* b */

static void throughput_done(struct job *job)
{
    if ((completed & 63) == 0 && now_ns() > end_ns)
        limit = 0;
    go_on(job);
}

static void throughput(int in_flight)
{
    struct job *jobs = allocate((size_t)in_flight, sizeof *jobs);
    start_threads();
    int64_t cpu_from_ns = cpu_ns(), from_ns = now_ns();
    end_ns = from_ns + throughput_ns;
    run_jobs(jobs, in_flight, do_nothing, throughput_done, FAN_OUT);
    double seconds = (double)(now_ns() - from_ns) * 1e-9;
    print_value(&cell, "tasks_per_s", (double)completed / seconds);
    print_value(&cell, "cpu_ns_per_task", (double)(cpu_ns() - cpu_from_ns) / (double)completed);
}

/* c */

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static atomic_int workers_held;

void noop_done(void)
{
    if (++completed == submitted)
        peer->quit();
}

static void fan_out(void)
{
    start_threads();
    completed = 0;
    submitted = FAN_OUT;
    int64_t cpu_from_ns = cpu_ns(), from_ns = now_ns();
    for (int i = 0; i < FAN_OUT; i++)
        peer->submit_noop();
    int64_t submitted_ns = now_ns();
    peer->run();
    print_value(&cell, "wall_s", (double)(now_ns() - from_ns) * 1e-9);
    print_value(&cell, "submit_s", (double)(submitted_ns - from_ns) * 1e-9);
    print_value(&cell, "cpu_s", (double)(cpu_ns() - cpu_from_ns) * 1e-9);
}

static void wait_at_gate(void)
{
    atomic_fetch_add(&workers_held, 1); /* Only a count: what it waits for is ordered by the mutex. */
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
}

static void gate_done(struct job *job)
{
    (void)job;
    noop_done();
}

/* With every worker held at the gate all calls are pending at the end, so the peak is theirs. */
static void fan_out_memory(void)
{
    struct job *jobs = allocate((size_t)workers, sizeof *jobs);
    start_threads();
    completed = 0;
    submitted = FAN_OUT + (uint64_t)workers;
    pthread_mutex_lock(&gate);
    for (int i = 0; i < workers; i++) {
        jobs[i].work = wait_at_gate;
        jobs[i].done = gate_done;
        peer->submit(&jobs[i]);
    }
    while (atomic_load(&workers_held) < workers)
        usleep(100);
    double before_bytes = peak_memory_bytes();
    for (int i = 0; i < FAN_OUT; i++)
        peer->submit_noop();
    print_value(&cell, "bytes_per_call", (peak_memory_bytes() - before_bytes) / FAN_OUT);
    pthread_mutex_unlock(&gate);
    peer->run();
}

/* d */

void post_arrived(void)
{
    if (++completed == limit)
        peer->quit();
}

static void *post_many(void *arg)
{
    for (int i = 0; i < POSTS; i++)
        peer->post();
    return arg;
}

static void posts(void)
{
    pthread_t threads[MAX_THREADS];
    completed = 0;
    limit = (uint64_t)POSTS * (uint64_t)workers;
    peer->post_begin();
    int64_t cpu_from_ns = cpu_ns(), from_ns = now_ns();
    for (int i = 0; i < workers; i++)
        if (pthread_create(&threads[i], NULL, post_many, NULL))
            die("no thread");
    peer->run();
    double seconds = (double)(now_ns() - from_ns) * 1e-9;
    for (int i = 0; i < workers; i++)
        pthread_join(threads[i], NULL);
    print_value(&cell, "posts_per_s", (double)completed / seconds);
    print_value(&cell, "cpu_ns_per_post", (double)(cpu_ns() - cpu_from_ns) / (double)completed);
}

/* e */

static size_t ticks;
static int64_t due_ns;
static int timer_over;

static void burn_done(struct job *job)
{
    completed++;
    if (now_ns() < end_ns) {
        submitted++;
        peer->submit(job);
    } else if (completed == submitted && timer_over) {
        peer->quit();
    }
}

static void tick(void)
{
    int64_t now = now_ns();
    samples[ticks++] = now - due_ns;
    if (now < end_ns && ticks < MAX_TICKS) {
        due_ns = now_ns() + 1000000;
        peer->after_ms(1, tick);
    } else {
        timer_over = 1;
        if (completed == submitted)
            peer->quit();
    }
}

static void timer_lateness(void)
{
    struct job *jobs = allocate(BURN_JOBS, sizeof *jobs);
    samples = allocate(MAX_TICKS, sizeof *samples);
    calibrate_burn(200);
    start_threads();
    int64_t from_ns = now_ns();
    end_ns = from_ns + burn_ns;
    due_ns = from_ns + 1000000;
    peer->after_ms(1, tick);
    run_jobs(jobs, BURN_JOBS, burn, burn_done, 0);
    print_value(&cell, "burns_per_s", (double)completed / ((double)(now_ns() - from_ns) * 1e-9));
    print_distribution(&cell, samples, ticks);
}

/* f */

static void *half_of_the_work(void *arg)
{
    for (int i = 0; i < WORK_CALLS / 2; i++)
        checksum();
    return arg;
}

static double plain_threads_ns(void)
{
    pthread_t other;
    int64_t from_ns = now_ns();
    if (pthread_create(&other, NULL, half_of_the_work, NULL))
        die("no thread");
    half_of_the_work(NULL);
    pthread_join(other, NULL);
    return (double)(now_ns() - from_ns);
}

static double pool_ns(struct job *jobs, int in_flight)
{
    int64_t from_ns = now_ns();
    run_jobs(jobs, in_flight, checksum, go_on, WORK_CALLS);
    return (double)(now_ns() - from_ns);
}

static void real_work(int in_flight)
{
    double efficiency[WORK_PAIRS];
    struct job *jobs = allocate((size_t)in_flight, sizeof *jobs);
    calibrate_checksum(100);
    start_threads();
    for (int i = 0; i < WORK_PAIRS; i++) {
        double ideal_ns = plain_threads_ns();
        efficiency[i] = 100 * ideal_ns / pool_ns(jobs, in_flight);
    }
    print_value(&cell, "efficiency_pct", median(efficiency, WORK_PAIRS));
    print_value(&cell, "call_us", checksum_us());
}

static int run_workload(const char *workload, int param)
{
    if (!strcmp(workload, "a"))
        round_trip();
    else if (!strcmp(workload, "b") && param > 0)
        throughput(param);
    else if (!strcmp(workload, "c"))
        fan_out();
    else if (!strcmp(workload, "crss"))
        fan_out_memory();
    else if (!strcmp(workload, "d"))
        posts();
    else if (!strcmp(workload, "e"))
        timer_lateness();
    else if (!strcmp(workload, "f") && param > 0)
        real_work(param);
    else
        return -1;
    return 0;
}

int bench_main(int argc, char **argv, const struct peer *library)
{
    peer = library;
    cell = (struct cell){.workload = argc > 1 ? argv[1] : "",
                         .peer = peer->name,
                         .workers = argc > 2 ? argv[2] : "",
                         .param = argc > 3 ? argv[3] : "-"};
    workers = atoi(cell.workers);
    int number = atoi(cell.param);
    const char *variant = number || !strcmp(cell.param, "-") ? NULL : cell.param;
    if (workers < 1 || workers > MAX_THREADS || peer->start(*cell.workload == 'd' ? 0 : workers, variant) ||
        run_workload(cell.workload, number)) {
        fprintf(stderr, "usage: %s a|b|c|crss|d|e|f WORKERS [PARAM]\n", argv[0]);
        return 2;
    }
    fflush(stdout);
    _exit(0); /* Taking everything down is not what is measured. */
}
