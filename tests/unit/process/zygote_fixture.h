/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A zygote under test, and workers that do as they are told over their control sockets.
 *
 * The test program is its own copy: its main() calls via_process_enter(), and the definitions of
 * via__zygote_main() and via__worker_main_fresh() below give it the worker of this file.
 */
#ifndef VIA_TEST_ZYGOTE_FIXTURE_H
#define VIA_TEST_ZYGOTE_FIXTURE_H

#include "support/support.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <viaduct.h>

#include "process/zygote_parts.h"

/* ---- the worker ---- */

/* What a worker says of itself. */
struct facts {
    pid_t pid, parent, group;
    int is_warm;    /* a copy of the zygote's memory */
    int stdin_null; /* its standard input is /dev/null */
    int given;      /* descriptors beside the control socket */
    int inherited;  /* descriptors, but for the first three, that another program would find */
    int oom;
    char name[17];
    uint64_t blocked, ignored; /* signals, but for those that the C library keeps to itself */
    char descriptors[256];
};

static int is_warm;

static void read_line(const char *path, const char *key, char *to, size_t capacity)
{
    char line[256];
    FILE *file = fopen(path, "re");
    *to = '\0';
    while (file && fgets(line, sizeof line, file)) {
        if (strncmp(line, key, strlen(key)) != 0)
            continue;
        snprintf(to, capacity, "%.*s", (int)capacity - 1, line + strlen(key));
        to[strcspn(to, "\n")] = '\0';
        break;
    }
    if (file)
        fclose(file);
}

static void list_descriptors(char *to, size_t capacity)
{
    *to = '\0';
    for (int fd = 0; fd < 256; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            snprintf(to + strlen(to), capacity - strlen(to), "%s%d", *to ? " " : "", fd);
}

static uint64_t signals_of(const char *key)
{
    char text[32];
    read_line("/proc/self/status", key, text, sizeof text);
    /* The C library's posix_spawn() has its own, 32 and 33, ignored. */
    return strtoull(text, NULL, 16) & ~(UINT64_C(3) << 31);
}

static void tell_facts(const struct via__birth *birth)
{
    struct facts facts = {.pid = getpid(), .parent = getppid(), .group = getpgrp()};
    struct stat in, null;
    char oom[16];
    facts.is_warm = is_warm;
    facts.stdin_null = fstat(0, &in) == 0 && stat("/dev/null", &null) == 0 && in.st_rdev == null.st_rdev;
    facts.given = birth->count;
    for (int i = 0; i < birth->count; i++)
        facts.given += fcntl(birth->fds[i], F_GETFD) < 0 ? 100 : 0;
    read_line("/proc/self/oom_score_adj", "", oom, sizeof oom);
    facts.oom = atoi(oom);
    prctl(PR_GET_NAME, facts.name);
    facts.blocked = signals_of("SigBlk:\t");
    facts.ignored = signals_of("SigIgn:\t");
    for (int fd = 3; fd < 256; fd++)
        facts.inherited += fcntl(fd, F_GETFD) == 0;
    list_descriptors(facts.descriptors, sizeof facts.descriptors);
    via__fds_send(birth->control, &facts, sizeof facts, NULL, 0);
}

static void block_everything(void)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
}

/* A child in the worker's group that ends only by SIGKILL. */
static pid_t breed(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        block_everything();
        for (;;)
            pause();
    }
    return pid;
}

static void burn(void)
{
    struct timespec used;
    do
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    while (used.tv_sec == 0 && used.tv_nsec < 20 * VIA_MS);
}

static void die_of(int signal_number)
{
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

/* Does one thing; returns a number for the answer, if it returns. */
static int obey(const char *order)
{
    if (strcmp(order, "segv") == 0)
        die_of(SIGSEGV);
    else if (strcmp(order, "abort") == 0)
        die_of(SIGABRT);
    else if (strcmp(order, "kill") == 0)
        raise(SIGKILL);
    else if (strcmp(order, "exit") == 0)
        _exit(7);
    else if (strcmp(order, "breed") == 0)
        return breed();
    else if (strcmp(order, "burn") == 0)
        burn();
    else if (strcmp(order, "deaf") == 0)
        block_everything();
    else if (strcmp(order, "stop") == 0)
        raise(SIGSTOP);
    else if (strcmp(order, "leave") == 0)
        return setpgid(0, getpgid(getppid()));
    return 0;
}

static void work(const struct via__birth *birth)
{
    char order[64];
    int fds[VIA__FDS_MAX], count;
    for (;;) {
        memset(order, 0, sizeof order);
        if (via__fds_receive(birth->control, order, sizeof order - 1, fds, &count, VIA__FDS_BLOCK) <= 0)
            _exit(0);
        if (strcmp(order, "tell") == 0) {
            tell_facts(birth);
            continue;
        }
        int answer = obey(order);
        via__fds_send(birth->control, &answer, sizeof answer, NULL, 0);
        while (strcmp(order, "deaf") == 0)
            continue;
    }
}

_Noreturn void via__zygote_main(void)
{
    is_warm = 1;
    via__zygote_run(work);
}

_Noreturn void via__worker_main_fresh(void)
{
    via__fresh_run(work);
}

/* ---- the program's side ---- */

struct pen {
    struct via_process_pool_options options;
    struct via__zygote zygote;
    int config, directory;
};

static inline void pen_prepare(struct pen *pen)
{
    memset(pen, 0, sizeof *pen);
    pen->options.name = "pen";
    pen->zygote.control = pen->zygote.pidfd = -1;
}

static inline int pen_try(struct pen *pen, int64_t timeout_ns, struct via__why *why)
{
    ck_assert_int_eq(via__config_new(&pen->options, VIA_TRANSPORT_SHARED, &pen->config), 0);
    pen->directory = open("/dev/null", O_RDONLY | O_CLOEXEC);
    ck_assert_int_ge(pen->directory, 0);
    int status = via__zygote_start(pen->config, pen->directory, timeout_ns, &pen->zygote, why);
    close(pen->config);
    close(pen->directory);
    return status;
}

static inline void pen_open(struct pen *pen)
{
    struct via__why why = {""};
    int status = pen_try(pen, via_test_bound_ns(), &why);
    ck_assert_msg(status == 0, "%s: %s", via_status_name(status), why.text);
}

static inline void make_pen(struct pen *pen)
{
    pen_prepare(pen);
    pen_open(pen);
}

static inline int is_readable(int fd, int64_t timeout_ns)
{
    struct pollfd watched = {.fd = fd, .events = POLLIN};
    return poll(&watched, 1, (int)(timeout_ns / VIA_MS)) == 1;
}

/* Waits for the next event, which must be of this kind. */
static inline struct via__zygote_event next_event(struct pen *pen, enum via__zygote_event_kind kind)
{
    struct via__zygote_event event;
    ck_assert(is_readable(pen->zygote.control, via_test_bound_ns()));
    ck_assert_int_eq(via__zygote_next(&pen->zygote, &event), 1);
    ck_assert_int_eq(event.kind, kind);
    return event;
}

/* Asks for a worker that is given one more descriptor, unless that is -1; gives the other end of its control
 * socket. */
static inline int ask_with(struct pen *pen, uint64_t serial, int given)
{
    int ends[2];
    ck_assert_int_eq(via__fds_pair(ends), 0);
    int fds[] = {ends[1], given};
    AWAIT(via__zygote_ask(&pen->zygote, serial, fds, given < 0 ? 1 : 2) != VIA_EAGAIN);
    close(ends[1]);
    return ends[0];
}

static inline int ask(struct pen *pen, uint64_t serial)
{
    return ask_with(pen, serial, -1);
}

/* Waits for a birth and gives the process. */
static inline pid_t born(struct pen *pen, uint64_t serial)
{
    struct via__zygote_event event = next_event(pen, VIA__ZYGOTE_BORN);
    ck_assert_uint_eq(event.serial, serial);
    ck_assert_int_gt(event.pid, 0);
    if (event.pidfd >= 0)
        close(event.pidfd);
    return event.pid;
}

static inline struct via__zygote_event died(struct pen *pen, uint64_t serial, pid_t pid)
{
    struct via__zygote_event event = next_event(pen, VIA__ZYGOTE_DIED);
    ck_assert_uint_eq(event.serial, serial);
    ck_assert_int_eq(event.pid, pid);
    ck_assert_int_eq(event.pidfd, -1);
    return event;
}

static inline void order(int control, const char *text)
{
    ck_assert_int_eq(via__fds_send(control, text, strlen(text), NULL, 0), 0);
}

static inline void hear(int control, void *answer, size_t bytes)
{
    int fds[VIA__FDS_MAX], count;
    ck_assert(is_readable(control, via_test_bound_ns()));
    ck_assert_int_eq(via__fds_receive(control, answer, bytes, fds, &count, VIA__FDS_NOW), (int)bytes);
    ck_assert_int_eq(count, 0);
}

static inline int order_and_hear(int control, const char *text)
{
    int answer;
    order(control, text);
    hear(control, &answer, sizeof answer);
    return answer;
}

static inline struct facts facts_of(int control)
{
    struct facts facts;
    order(control, "tell");
    hear(control, &facts, sizeof facts);
    return facts;
}

/* Waits until nobody has the other end of a socket or pipe any more, and closes it. */
static inline void await_end(int fd)
{
    char byte[64];
    ssize_t got;
    do {
        ck_assert_msg(is_readable(fd, via_test_bound_ns()), "somebody is still there");
        got = read(fd, byte, sizeof byte);
    } while (got > 0);
    close(fd);
}

/* The letter of a process's state in /proc, or 0 if there is none. */
static inline int state_of(pid_t pid)
{
    char path[64], text[16];
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    read_line(path, "State:\t", text, sizeof text);
    return text[0];
}

/* What main() does.  Under valgrind a copy would be valgrind itself. */
static inline int pen_main(const char *suite, const TTest *const *tests)
{
    via_process_enter();
    if (!via_test_under_valgrind())
        return via_test_main(suite, tests);
    printf("1..0 # SKIP valgrind cannot be started as a copy of the program\n");
    return 0;
}

/* Has a system call fail from now on in this process and all that it starts, if what is set in one of its
 * arguments under a mask is a certain value. */
static inline void break_call(int number, unsigned argument, uint32_t mask, uint32_t value, int error)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, 4),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                 (uint32_t)(offsetof(struct seccomp_data, args) + argument * sizeof(uint64_t))),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, mask),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};
    ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

#endif
