/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Injected faults: the n-th call of a kind fails as the system would let it fail.
 *
 * The library's archives are linked into this program with --wrap for what allocates, starts and sets up
 * threads, and the program defines the system calls that libevent makes too, so that its definitions
 * come before the C library's.  libevent allocates through event_set_mem_functions().  Nothing else of the
 * process is touched: the scenarios' own needs are met by the fault_own_ functions.
 */
#ifndef VIADUCT_TESTS_FAULT_INJECT_H
#define VIADUCT_TESTS_FAULT_INJECT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>

/* What can fail.  A call belongs to one kind, but some that read and write can fail in several ways. */
enum fault_kind {
    FAULT_MEMORY,        /* malloc and its relatives, called by the library: ENOMEM */
    FAULT_EVENT_MEMORY,  /* the same, called by libevent */
    FAULT_SQLITE_MEMORY, /* the same, called by SQLite */
    FAULT_MAPPING,       /* mmap(), mprotect(), madvise(), called by the library: ENOMEM */
    FAULT_THREAD,        /* pthread_create(): EAGAIN */
    FAULT_SETUP,         /* thread attributes and keys, fork handlers: ENOMEM, EAGAIN */
    FAULT_PROCESS,       /* posix_spawn(), fork(), execve(): EAGAIN */
    FAULT_FILE,          /* ftruncate(), pwrite(): ENOSPC */
    FAULT_CONFINE,       /* what a sandbox is made with: ENOMEM */
    FAULT_DESCRIPTOR,    /* eventfd(), pipe(), epoll_create(), timerfd_create(), socketpair(), accept4(),
                            memfd_create(), pidfd_open(), open() and the like: EMFILE */
    FAULT_WATCH,         /* epoll_ctl() that adds: ENOSPC */
    FAULT_POLL,          /* epoll_wait(), poll(), futex waits: EINTR */
    FAULT_READ_EINTR,    /* read(): nothing is read */
    FAULT_READ_EAGAIN,   /* read(): nothing is read; what was ready stays ready */
    FAULT_WRITE_EINTR,   /* write(): nothing is written */
    FAULT_WRITE_EAGAIN,  /* write(): there was no room, so what is there can be read: nothing is lost by it */
    FAULT_SEND_EINTR,    /* send(), sendmsg(): nothing is sent */
    FAULT_SEND_EAGAIN,   /* the same, where it would not wait: the socket is full */
    FAULT_SEND_ENOBUFS,  /* the same: the kernel is short of memory */
    FAULT_RECEIVE_EINTR, /* recv(), recvmsg(): nothing is received */
    FAULT_RECEIVE_LOST,  /* recvmsg(): there was no room for the descriptors */
    FAULT_KINDS
};

/* Whose calls fail: the program's, or those of the processes that a pool starts. */
enum fault_place { FAULT_IN_PROGRAM, FAULT_IN_HELPER, FAULT_IN_WORKER, FAULT_PLACES };

/* Which calls fail. */
struct fault_plan {
    enum fault_place place;
    unsigned kinds;    /* a bit for each kind that counts */
    unsigned long nth; /* the call that fails, from 1 on; 0 for none */
    bool lasting;      /* every later one fails too */
    bool limited;      /* instead, the system has room for nth - 1 descriptors */
};

/* The plan and the report of one run: shared by all its processes with the driver, so that a fault comes
 * once wherever it is to come, and what was found outlives a crash. */
enum { FAULT_TEXT_BYTES = 4096 };
struct fault_report {
    struct fault_plan plan;
    atomic_bool armed; /* set last when arming and read first by every wrapper: makes `plan` visible */
    atomic_ulong counted;
    atomic_ulong struck;                           /* calls that failed since it was armed */
    atomic_ulong calls[FAULT_PLACES][FAULT_KINDS]; /* calls seen while armed */
    atomic_ulong checks_failed;                    /* checks of the scenario that failed */
    unsigned long injected;                        /* how many calls failed in all */
    bool finished;                                 /* the run came to its end */
    unsigned long descriptors_before;              /* the limit before it was lowered; 0 if it was not */
    atomic_int births;                             /* for scenarios: counts what begins in workers */
    atomic_size_t text_length;
    char text[FAULT_TEXT_BYTES]; /* what failed, and where the fault came */
};

/* The first thing in main(): a process that a pool has started takes part in the run of its program.  Returns
 * whether this is one. */
bool fault_enter(const char *process_name);
/* Makes the report.  NULL if there is no memory. */
struct fault_report *fault_report_new(void);
/* Prepares this process: libevent's allocation and log.  Called before any scenario. */
void fault_setup(void);
/* A counter that all processes of the run share; 0 before each scenario. */
atomic_int *fault_births(void);
/* From here on calls count and fail as planned. */
void fault_arm(const struct fault_plan *plan);
/* From here on nothing fails. */
void fault_disarm(void);
/* Before a run in which nothing fails: forgets the faults there were, so that they explain nothing. */
void fault_rearm(void);
/* Whether anything failed since fault_arm(). */
bool fault_injected(void);
/* Whether what fails goes on to fail, so that whatever needs it may give up for good. */
bool fault_lasts(void);
/* Calls of this thread do not count until fault_resume(); pairs nest. */
void fault_pause(void);
void fault_resume(void);

/* Whether this call is to fail; for the wrappers. */
bool fault_hit(enum fault_kind kind);
/* A call failed by the limit. */
void fault_struck(enum fault_kind kind);
/* Gives a system call's answer back, and notes that there was no descriptor left if it says so. */
int fault_noticed(int answer);

/* Notes that a check failed: a line for the report. */
void fault_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Notes with FAULT_CHECK(condition): what must hold whatever failed. */
#define FAULT_CHECK(condition) fault_check((condition), __FILE__, __LINE__, #condition)
bool fault_check(bool holds, const char *file, int line, const char *text);
/* Whether a status is a success; an error must be one that the injected fault explains. */
#define FAULT_WORKED(status) fault_worked((status), __FILE__, __LINE__)
bool fault_worked(int status, const char *file, int line);

/* A thread of the scenario's own, which never fails to start. */
pthread_t fault_own_thread(void *(*run)(void *arg), void *arg);
/* A non-blocking pipe of the scenario's own. */
void fault_own_pipe(int fds[2]);

#endif
