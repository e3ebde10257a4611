/* SPDX-License-Identifier: BSD-3-Clause */
#include "support/support.h"

#include <errno.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <viaduct/error.h>

#include "base/thread.h"

/* What a thread found out about itself. */
struct self {
    sigset_t blocked;
    cpu_set_t cpus;
    size_t stack_bytes;
    char name[16];
    int nice;
    long id;
};

static void *look_at_self(void *arg)
{
    struct self *self = arg;
    pthread_attr_t attr;

    pthread_sigmask(SIG_BLOCK, NULL, &self->blocked);
    sched_getaffinity(0, sizeof(self->cpus), &self->cpus);
    pthread_getattr_np(pthread_self(), &attr);
    pthread_attr_getstacksize(&attr, &self->stack_bytes);
    pthread_attr_destroy(&attr);
    via__thread_set_name("a-name-that-is-too-long");
    pthread_getname_np(pthread_self(), self->name, sizeof(self->name));
    via__thread_set_nice(2);
    self->id = via__thread_id();
    self->nice = getpriority(PRIO_PROCESS, (id_t)gettid());
    return NULL;
}

static struct self start(const struct via__thread_attr *attr)
{
    struct self self;
    pthread_t thread;

    memset(&self, 0, sizeof(self));
    ck_assert_int_eq(via__thread_start(&thread, attr, look_at_self, &self), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    return self;
}

TEST(a_thread_starts_with_every_signal_blocked)
{
    sigset_t before, after;
    struct self self;

    pthread_sigmask(SIG_BLOCK, NULL, &before);
    self = start(NULL);
    pthread_sigmask(SIG_BLOCK, NULL, &after);
    ck_assert_int_eq(sigismember(&self.blocked, SIGINT), 1);
    ck_assert_int_eq(sigismember(&self.blocked, SIGUSR1), 1);
    ck_assert_int_eq(sigismember(&before, SIGUSR1), sigismember(&after, SIGUSR1));
}

TEST(it_has_the_processes_cpus_a_name_and_a_nice_value)
{
    cpu_set_t mine;
    int nice = getpriority(PRIO_PROCESS, (id_t)getpid()) + 2;
    struct self self = start(NULL);

    ck_assert_int_eq(sched_getaffinity(0, sizeof(mine), &mine), 0);
    ck_assert(CPU_EQUAL(&self.cpus, &mine));
    ck_assert_str_eq(self.name, "a-name-that-is-");
    ck_assert_int_eq(self.nice, nice < 19 ? nice : 19);
    ck_assert_int_gt(self.id, 0);
    ck_assert_int_ne(self.id, via__thread_id());
}

TEST(it_has_the_wanted_stack_and_cpus)
{
    struct via__thread_attr attr = {.stack_bytes = (size_t)24 << 20, .cpu_count = 1};
    struct self self;
    cpu_set_t mine;
    int cpu = 0;

    ck_assert_int_eq(sched_getaffinity(0, sizeof(mine), &mine), 0);
    while (!CPU_ISSET(cpu, &mine))
        cpu++;
    attr.cpus = &cpu;
    self = start(&attr);
    ck_assert_uint_ge(self.stack_bytes, attr.stack_bytes);
    ck_assert_int_eq(CPU_COUNT(&self.cpus), 1);
    ck_assert(CPU_ISSET(cpu, &self.cpus));
}

/* As a sandbox may. */
static int forbid_affinity(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sched_setaffinity, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static int start_without_affinity(void *unused)
{
    struct self self = {.id = 0};
    int cpu = 0;
    struct via__thread_attr attr = {.cpus = &cpu, .cpu_count = 1};
    pthread_t thread;

    (void)unused;
    if (forbid_affinity())
        return 0;
    if (via__thread_start(&thread, NULL, look_at_self, &self) < 0 || pthread_join(thread, NULL))
        return 1;
    if (!self.id || !sigismember(&self.blocked, SIGINT))
        return 2;
    return via__thread_start(&thread, &attr, look_at_self, &self) == VIA_EPERM ? 0 : 3;
}

TEST(where_nobody_may_choose_cpus_it_has_those_of_its_starter)
{
    ck_assert_int_eq(via_test_fork(start_without_affinity, NULL), 0);
}

TEST(bad_attributes_are_refused)
{
    static const int cpu[] = {-1, CPU_SETSIZE, INT_MAX};
    struct via__thread_attr attr = {.stack_bytes = 1};
    pthread_t thread;

    ck_assert_int_eq(via__thread_start(&thread, &attr, look_at_self, NULL), VIA_EINVAL);
    for (int i = 0; i < 3; i++) {
        attr = (struct via__thread_attr){.cpus = &cpu[i], .cpu_count = 1};
        ck_assert_int_eq(via__thread_start(&thread, &attr, look_at_self, NULL), VIA_EINVAL);
    }
}

TEST(without_memory_for_its_stack_it_does_not_start)
{
    struct via__thread_attr attr = {.stack_bytes = (size_t)1 << 47};
    pthread_t thread;

    if (via_test_under_valgrind())
        return;
    ck_assert_int_eq(via__thread_start(&thread, &attr, look_at_self, NULL), VIA_EAGAIN);
}

TEST(the_number_of_cpus_respects_affinity)
{
    cpu_set_t mine, one;
    int cpu = 0;

    ck_assert_int_eq(sched_getaffinity(0, sizeof(mine), &mine), 0);
    ck_assert_int_ge(via__cpu_count(), 1);
    ck_assert_int_le(via__cpu_count(), CPU_COUNT(&mine));
    while (!CPU_ISSET(cpu, &mine))
        cpu++;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    if (sched_setaffinity(0, sizeof(one), &one) == 0)
        ck_assert_int_eq(via__cpu_count(), 1);
}

TEST_MAIN("base/thread", a_thread_starts_with_every_signal_blocked,
          it_has_the_processes_cpus_a_name_and_a_nice_value, it_has_the_wanted_stack_and_cpus,
          where_nobody_may_choose_cpus_it_has_those_of_its_starter, bad_attributes_are_refused,
          without_memory_for_its_stack_it_does_not_start, the_number_of_cpus_respects_affinity)
