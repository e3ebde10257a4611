/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The zygote: a single-threaded copy of the program from which workers are forked.
 *
 * Who does what.  The program's side asks for workers over the control socket and hears of births and deaths
 * on it; it never waits there.  The zygote alone is the workers' parent: it reaps them, so it knows how each
 * ended, and nothing else can.  It polls the control socket and a pidfd of the program; when either says that
 * the program is gone it kills what it has started and exits.  Workers have the zygote's death for their
 * parent-death signal, which is sound because the zygote has a single thread.  So nothing survives the
 * program.
 *
 * A worker leads a process group.  When the zygote finds one dead, it kills the rest of its group before it
 * reaps: until then the number cannot be anybody else's.
 */
#ifndef VIADUCT_PROCESS_ZYGOTE_H
#define VIADUCT_PROCESS_ZYGOTE_H

#include <stdint.h>
#include <sys/types.h>

#include "process/config.h"
#include "process/why.h"

// What a worker is born with, besides its control socket.
#define VIA__BIRTH_FDS_MAX 5

// The program's side.
struct via__zygote {
    int control; // readable when there is an event, and at its end; -1 while there is no zygote
    int pidfd;   // readable when it has ended, which a copy of `control` in a forked child can hide; or -1
    pid_t pid;
};

// Starts one and waits until it is ready, or until `timeout_ns` is over.  Any thread; blocks.  Borrows the
// descriptors of configuration and directory.  0, and in `why` what is to be said of it, or ""; VIA_ESETUP if
// it did not come to via_process_enter(); VIA_ETIMEDOUT; VIA_EAGAIN; VIA_ENOMEM; another negative errno.
int via__zygote_start(int config_fd, int directory_fd, int64_t timeout_ns, struct via__zygote *zygote,
                      struct via__why *why);

// Asks for a worker that is given `fds`, at most VIA__BIRTH_FDS_MAX, of which the first is its control
// socket.  The caller may close them afterwards.  `serial` comes back with the events.  0; VIA_EAGAIN if the
// socket is full, or the system short of what it takes; another negative status if the zygote is gone.
int via__zygote_ask(struct via__zygote *zygote, uint64_t serial, const int *fds, int count);

// Asks it to kill a worker with its whole group, if it still lives.  The same returns.
int via__zygote_kill(struct via__zygote *zygote, uint64_t serial);

enum via__zygote_event_kind {
    VIA__ZYGOTE_BORN = 1, // `serial`, `pid`, `pidfd`, which becomes the receiver's (-1 without)
    VIA__ZYGOTE_UNBORN,   // `serial`, `status`: a negative errno
    VIA__ZYGOTE_DIED      // `serial`, `pid`, `wait_status`, user and system time, most memory
};

struct via__zygote_event {
    enum via__zygote_event_kind kind;
    uint64_t serial;
    pid_t pid;
    int pidfd;
    int status;
    int wait_status; // as waitpid()'s
    int64_t user_ns, system_ns, max_rss_bytes;
};

// The next event: 1; 0 if there is none; VIA_ESHUTDOWN if the zygote is gone; VIA_ECORRUPT for nonsense.
// Never blocks.
int via__zygote_next(struct via__zygote *zygote, struct via__zygote_event *event);

// Has it go on, should somebody have stopped it.
void via__zygote_rouse(const struct via__zygote *zygote);

// Kills it; that it is gone comes as an event.
void via__zygote_strike(const struct via__zygote *zygote);

// Ends it with all its workers, at once, and reaps it; does nothing if there is none.  Blocks until it is
// dead: about a millisecond if it is well, at most one and a half seconds.
void via__zygote_end(struct via__zygote *zygote);

// The same, but the descriptors stay open: via__zygote_forget() is still to be called.
void via__zygote_stop(const struct via__zygote *zygote);

// Closes its descriptors: of one that was stopped, or in a forked child of the program those inherited.
void via__zygote_forget(struct via__zygote *zygote);

// The zygote's side, in a worker that it has just forked, or that was started anew: what a worker is born
// with.
struct via__birth {
    const struct via__process_config *config;
    int directory_fd;
    int control;
    int fds[VIA__BIRTH_FDS_MAX]; // without the control socket
    int count;
};

// The worker: never returns.  In worker.c.
_Noreturn void via__worker_main(const struct via__birth *birth);

// What the copies of enter.h do, given that worker: whoever defines it also defines via__zygote_main() and
// via__worker_main_fresh(), each as one call of these.  So the zygote knows no worker by name, and tests have
// workers of their own.
typedef void (*via__worker_fn)(const struct via__birth *birth);
_Noreturn void via__zygote_run(via__worker_fn worker);
_Noreturn void via__fresh_run(via__worker_fn worker);

#endif
