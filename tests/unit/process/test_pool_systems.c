/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pools on systems that have less: kernels without the newer system calls, and sandboxes that refuse some.
 * Filters of system calls pretend them, for a forked child and all that it starts.
 */
#include "pool_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* ---- what is missing ---- */

/* In every thread of this process, and in all that it starts. */
static void install(struct sock_filter *code, size_t count)
{
    struct sock_fprog program = {.len = (unsigned short)count, .filter = code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) != 0)
        _exit(77);
}

/* The call fails for good. */
static void refuse(int number, int error)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    install(code, sizeof code / sizeof *code);
}

#define ARGUMENT(i) (uint32_t)(offsetof(struct seccomp_data, args) + (i) * sizeof(uint64_t))

/* The same with a flag in its second argument. */
static void refuse_flag(int number, uint32_t flag, int error)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ARGUMENT(1)),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, flag, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    install(code, sizeof code / sizeof *code);
}

/* Sealing, by any of these seals. */
static void refuse_seals(uint32_t seals, int error)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fcntl, 0, 5),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ARGUMENT(1)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, F_ADD_SEALS, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ARGUMENT(2)),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, seals, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    install(code, sizeof code / sizeof *code);
}

#define NO_EXEC_SEAL 0x0008u
#define FUTURE_WRITE 0x0010u

static void without_pidfds(void)
{
    refuse(SYS_pidfd_open, ENOSYS);
    refuse(SYS_pidfd_send_signal, ENOSYS);
    ck_assert_int_eq((int)syscall(SYS_pidfd_open, getpid(), 0), -1); // the filter is there
}

static void without_clone3(void)
{
    refuse(SYS_clone3, ENOSYS);
}

static void without_close_range(void)
{
    refuse(SYS_close_range, ENOSYS);
}

static void without_new_seals(void)
{
    refuse_flag(SYS_memfd_create, NO_EXEC_SEAL, EINVAL);
    refuse_seals(FUTURE_WRITE, EINVAL);
}

static void without_landlock_and_random(void)
{
    refuse(SYS_landlock_create_ruleset, ENOSYS);
    refuse(SYS_getrandom, ENOSYS);
}

/* About Linux 4.5. */
static void without_anything_new(void)
{
    without_pidfds();
    without_clone3();
    without_close_range();
    without_new_seals();
    without_landlock_and_random();
}

/* ---- a pool there ---- */

static int tell_parent(via_bytes_call *call, const void *in, size_t bytes)
{
    long pid = (long)getppid();
    (void)in, (void)bytes;
    return give_back(call, &pid, sizeof pid);
}

/* The helper process is the parent of the workers. */
static void kill_helper(via_executor *pool)
{
    uint64_t before = process_stats(pool).helper_restarts;
    via_cfuture *cf = submit(pool, tell_parent, NULL, 0);
    long pid = 0;
    memcpy(&pid, wait_outcome(cf).value, sizeof pid);
    via_cfuture_unref(cf);
    ck_assert_int_ne(pid, (long)getpid());
    ck_assert_int_eq(kill((pid_t)pid, SIGKILL), 0);
    AWAIT(process_stats(pool).helper_restarts == before + 1);
}

/* One of each kind: small, large, a crash, an exit, a timeout, a cancel, and the ends of all processes. */
static void use(via_executor *pool)
{
    static char large[300000];
    int signo = SIGSEGV, status = 7;
    via_buffer *gate = new_gate();
    ck_assert_int_eq(finish(submit(pool, give_back, "x", 1)), 0);
    ck_assert_int_eq(finish(submit(pool, give_back, large, sizeof large)), 0);
    via_cfuture *cf = submit(pool, die_of, &signo, sizeof signo);
    ck_assert_int_eq(wait_outcome(cf).status, VIA_ECRASHED);
    ck_assert_int_eq(wait_outcome(cf).process->signal, SIGSEGV);
    via_cfuture_unref(cf);
    cf = submit(pool, exit_with, &status, sizeof status);
    ck_assert_int_eq(wait_outcome(cf).process->exit_status, 7);
    via_cfuture_unref(cf);
    struct via_call call = VIA_CALL_BYTES(hang, NULL, 0);
    call.timeout_ns = 10 * VIA_MS;
    ck_assert_int_eq(finish(submit_call(pool, &call)), VIA_ETIMEDOUT);
    cf = occupy(pool, gate);
    ck_assert_int_eq(via_cfuture_cancel(cf), VIA_CANCEL_REQUESTED);
    ck_assert_int_eq(finish(cf), VIA_ECANCELED);
    cf = occupy(pool, gate);
    ck_assert_int_ge(via_process_pool_kill(pool), 1);
    ck_assert_int_eq(finish(cf), VIA_ECRASHED);
    via_buffer_unref(gate);
    kill_helper(pool);
    ck_assert_int_eq(finish(submit(pool, give_back, "x", 1)), 0);
}

static void use_both(int fresh_exec)
{
    EACH_TRANSPORT(transport)
    {
        struct via_process_pool_options options = pool_options(1);
        options.transport = transport;
        options.fresh_exec = fresh_exec;
        via_executor *pool = open_with(&options);
        use(pool);
        long pid = pid_of_worker(pool);
        close_pool(pool);
        AWAIT(is_dead(pid)); // without pidfds nobody waits for it
    }
}

static int use_with(void *what)
{
    (*(void (**)(void))what)();
    use_both(0);
    use_both(1);
    return 23;
}

static void works(void (*without)(void))
{
    if (!via_test_under_valgrind())
        ck_assert_int_eq(via_test_fork(use_with, &without), 23);
}

TEST(without_pidfds_a_pool_works)
{
    works(without_pidfds);
}

TEST(without_clone3_a_pool_works)
{
    works(without_clone3);
}

TEST(without_close_range_a_pool_works)
{
    works(without_close_range);
}

TEST(without_the_newer_seals_a_pool_works)
{
    works(without_new_seals);
}

TEST(without_anything_new_a_pool_works)
{
    works(without_anything_new);
}

/* ---- a library that starts a thread before main() ---- */

#define THREAD "VIADUCT_TEST_THREAD"

static void *wait_for_ever(void *unused)
{
    (void)unused;
    for (;;)
        pause();
    return NULL;
}

__attribute__((constructor)) static void start_thread(void)
{
    pthread_t thread;
    if (getenv(THREAD) && pthread_create(&thread, NULL, wait_for_ever, NULL) != 0)
        _exit(70);
}

static void hear_warning(enum via_log_level level, const char *text, void *arg)
{
    *(int *)arg += level == VIA_LOG_WARNING && strstr(text, "a library starts a thread") != NULL;
}

TEST(with_a_thread_from_the_beginning_a_pool_says_so_and_works)
{
    int warnings = 0;
    if (via_test_under_valgrind())
        return;
    via_set_log_hook(hear_warning, &warnings);
    ck_assert_int_eq(setenv(THREAD, "1", 1), 0);
    use_both(0);
    ck_assert_int_eq(unsetenv(THREAD), 0);
    via_set_log_hook(NULL, NULL);
    ck_assert_int_eq(warnings, 2);
}

/* ---- what every pool needs ---- */

struct refusal {
    int number, error;
    const char *says;
};

static int refused_pool(void *arg)
{
    const struct refusal *refusal = arg;
    refuse(refusal->number, refusal->error);
    for (int transport = VIA_TRANSPORT_AUTO; transport <= VIA_TRANSPORT_SOCKET; transport++) {
        struct via_process_pool_options options = pool_options(1);
        char why[256] = "";
        via_executor *pool = NULL;
        options.transport = transport;
        options.why = why;
        options.why_bytes = sizeof why;
        ck_assert_int_eq(via_process_pool_new(&options, &pool), VIA_ENOTSUP);
        ck_assert_ptr_null(pool);
        ck_assert_msg(strstr(why, refusal->says) != NULL || strstr(why, "sealed shared memory"), "%s", why);
    }
    return 23;
}

TEST(a_system_that_refuses_what_every_pool_needs_is_told)
{
    struct refusal refusals[] = {
        {SYS_memfd_create, EPERM, "memfd_create"}, {SYS_memfd_create, ENOSYS, "memfd_create"},
        {SYS_epoll_create1, EPERM, "epoll"},       {SYS_timerfd_create, EACCES, "timer"},
        {SYS_eventfd2, ENOSYS, "event"},
    };
    if (via_test_under_valgrind())
        return;
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
        ck_assert_int_eq(via_test_fork(refused_pool, &refusals[i]), 23);
}

/* A pool that is there serves on; what needs a memory file fails by itself. */
static int refuse_memory_later(void *unused)
{
    static char large[300000];
    via_executor *pools[2];
    (void)unused;
    for (int i = 0; i < 2; i++) {
        pools[i] = open_over(i ? VIA_TRANSPORT_SOCKET : VIA_TRANSPORT_SHARED, 1);
        ck_assert_int_eq(finish(submit(pools[i], give_back, "x", 1)), 0);
    }
    refuse(SYS_memfd_create, EPERM);
    for (int i = 0; i < 2; i++) {
        struct via_call call = VIA_CALL_BYTES(give_back, large, sizeof large);
        via_cfuture *cf = NULL;
        via_buffer *buffer = NULL;
        ck_assert_int_eq(via_executor_submit(pools[i], &call, &cf), VIA_ENOTSUP);
        ck_assert_int_eq(via_buffer_new(pools[i], sizeof large, 0, &buffer), VIA_ENOTSUP);
        ck_assert_ptr_null(cf);
        ck_assert_ptr_null(buffer);
        ck_assert_int_eq(finish(submit(pools[i], give_back, "x", 1)), 0);
        ck_assert_int_eq(via_process_pool_kill(pools[i]), 1);
    }
    /* Another worker needs memory files for its channel, or none. */
    via_cfuture *shared = submit(pools[0], give_back, "x", 1);
    ck_assert_int_eq(wait_outcome(shared).status, VIA_EBROKEN);
    ck_assert_ptr_nonnull(strstr(wait_outcome(shared).message, "could not be started (VIA_EPERM)"));
    via_cfuture_unref(shared);
    ck_assert_int_eq(finish(submit(pools[1], give_back, "x", 1)), 0);
    for (int i = 0; i < 2; i++)
        close_pool(pools[i]);
    return 23;
}

TEST(memory_files_that_are_refused_later_cost_what_needs_them)
{
    if (!via_test_under_valgrind())
        ck_assert_int_eq(via_test_fork(refuse_memory_later, NULL), 23);
}

/* ---- without /proc ---- */

/* An empty directory in its place; 0 if that cannot be had here. */
static int hide_proc(void)
{
    if (unshare(CLONE_NEWNS) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
        return 0;
    return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("none", "/proc", "tmpfs", 0, NULL) == 0;
}

static int make_without_proc(void *unused)
{
    struct via_process_pool_options options = pool_options(1);
    char why[256] = "";
    via_executor *pool = NULL;
    (void)unused;
    if (!hide_proc())
        return 23;
    options.why = why;
    options.why_bytes = sizeof why;
    ck_assert_int_eq(via_process_pool_new(&options, &pool), VIA_ESETUP);
    ck_assert_ptr_nonnull(strstr(why, "/proc is not mounted"));
    return 23;
}

TEST(without_proc_there_is_no_pool_and_a_reason)
{
    ck_assert_int_eq(via_test_fork(make_without_proc, NULL), 23);
}

/* The helper is started again by the path that the program was started by. */
static int lose_proc(void *unused)
{
    (void)unused;
    if (unshare(CLONE_NEWNS) < 0) // not in a process with threads: before the pool
        return 23;
    via_executor *pool = open_pool(1);
    ck_assert_int_eq(finish(submit(pool, give_back, "x", 1)), 0);
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || mount("none", "/proc", "tmpfs", 0, NULL) < 0)
        return 23;
    ck_assert_int_eq(finish(submit(pool, give_back, "x", 1)), 0);
    ck_assert_int_eq(via_process_pool_kill(pool), 1);
    ck_assert_int_eq(finish(submit(pool, do_nothing, NULL, 0)), 0); // which was not named yet
    kill_helper(pool);
    ck_assert_int_eq(finish(submit(pool, give_back, "x", 1)), 0);
    close_pool(pool);
    return 23;
}

TEST(a_pool_that_loses_proc_serves_on)
{
    ck_assert_int_eq(via_test_fork(lose_proc, NULL), 23);
}

/* ---- a helper that cannot be started again ---- */

static int refuse_programs(void *unused)
{
    (void)unused;
    via_executor *pool = open_pool(1);
    via_cfuture *cf = submit(pool, tell_parent, NULL, 0);
    long pid = 0;
    memcpy(&pid, wait_outcome(cf).value, sizeof pid);
    via_cfuture_unref(cf);
    refuse(SYS_execve, EACCES);
    ck_assert_int_eq(kill((pid_t)pid, SIGKILL), 0);
    AWAIT(executor_stats(pool).workers == 0);
    for (int i = 0; i < 2; i++) {
        cf = submit(pool, give_back, "x", 1);
        ck_assert_int_eq(wait_outcome(cf).status, VIA_EBROKEN);
        ck_assert_ptr_nonnull(
            strstr(wait_outcome(cf).message, "the helper process cannot be started again: "));
        via_cfuture_unref(cf);
    }
    ck_assert_uint_eq(process_stats(pool).helper_restarts, 0);
    close_pool(pool);
    return 23;
}

TEST(a_helper_that_cannot_be_started_again_breaks_the_pool_with_the_reason)
{
    if (!via_test_under_valgrind())
        ck_assert_int_eq(via_test_fork(refuse_programs, NULL), 23);
}

PROCESS_TEST_MAIN("process/pool_systems", without_pidfds_a_pool_works, without_clone3_a_pool_works,
                  without_close_range_a_pool_works, without_the_newer_seals_a_pool_works,
                  without_anything_new_a_pool_works,
                  with_a_thread_from_the_beginning_a_pool_says_so_and_works,
                  a_system_that_refuses_what_every_pool_needs_is_told,
                  memory_files_that_are_refused_later_cost_what_needs_them,
                  without_proc_there_is_no_pool_and_a_reason, a_pool_that_loses_proc_serves_on,
                  a_helper_that_cannot_be_started_again_breaks_the_pool_with_the_reason)
