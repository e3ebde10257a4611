/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The strand: jobs in order and one at a time, on the threads of another executor.
 *
 * Jobs wait in a queue of the strand's own.  While there are any, one call is at the other executor, the
 * *pump*, which runs a bounded number of them and then hands on to a fresh pump, behind what others submitted
 * there meanwhile.  Pumps are numbered.  `current` is the pump that may touch the queue; whoever changes it
 * from 0 starts a pump, and it becomes 0 only when the queue is empty.  So no two jobs run at once.
 *
 * A pump can end without having done its duty: it was cancelled by the other executor's shutdown, or a job
 * ended its thread.  Its payload is released however it ends (pump_over()), and if it is current even then,
 * it was lost: another one is started, or, if that is not possible, what is queued fails.
 *
 * What keeps it alive: one life for the references of users, one for each pump; where a job is queued or
 * runs, there is a pump.
 *
 * Where it is: serial.c is the executor that the program sees, serial_pump.c what runs its jobs.
 */
#ifndef VIADUCT_EXECUTOR_SERIAL_H
#define VIADUCT_EXECUTOR_SERIAL_H

#include <pthread.h>
#include <stdint.h>

#include "executor/executor.h"
#include "executor/queue.h"

struct via__strand {
    via_executor base; // first
    via_executor *on;

    pthread_mutex_t lock; // guards what follows; no function of the program runs under it
    pthread_cond_t idle;  // a job is over
    via_cfuture *first;   // before the queue: the job whose submission starts the pump
    struct via__queue queue;
    uint64_t current;           // the number of the pump, or 0
    uint64_t submitting;        // the number of the pump that is being submitted and has not begun
    int lost;                   // that one is over already
    int asked;                  // a search for deadlocks came meanwhile
    pthread_t submitter;        // who submits it
    uint64_t pumps;             // the last number given
    via_cfuture *pump_cf;       // the current pump's, with a reference; NULL where it is not known yet
    int busy, stopping;         // a job was taken and is not over; nothing new is accepted
    via_cfuture *running;       // with a reference
    struct via_stuck_call call; // describes it
    int64_t started_ns;
    size_t dead; // queued jobs that an outsider has claimed
    size_t queued_peak;
    uint64_t submitted, completed, cancelled, expired, rejected, helped;
};

static inline size_t via__strand_live_count(const struct via__strand *strand)
{
    size_t count = strand->queue.count + (strand->first != NULL);
    return count > strand->dead ? count - strand->dead : 0;
}

// Under the lock: the next number becomes the current one, to be given to via__strand_start_pump().
uint64_t via__strand_begin_pump(struct via__strand *strand);

// Submits the pump of this number.  On failure `current` stays as it is, and the caller decides what becomes
// of it.
int via__strand_start_pump(struct via__strand *strand, uint64_t number, enum via__submit how);

// Under the lock: the job that is next, or NULL.
static inline via_cfuture *via__strand_pop(struct via__strand *strand)
{
    via_cfuture *cf = strand->first;
    strand->first = NULL;
    return cf ? cf : via__queue_pop(&strand->queue);
}

// Ends a job that was taken out of the queue and will not run.
void via__strand_end_taken(struct via__strand *strand, via_cfuture *cf, int status);

// There will be no pump: ends what is queued.
void via__strand_give_up(struct via__strand *strand, int status);

#endif
