/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What remains of a pool where it should not be in use: in forked children of the program, in workers that do
 * not die, and in memory that they could write to.  The linker's --wrap keeps signals from workers, as the
 * kernel does with a process that cannot be killed at the moment.
 */
#include "pool_inside.h"
#include "support/sanitizers.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* ---- what is wrapped ---- */

static _Atomic int keeps_signals;

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
long __wrap_syscall(long number, ...)
{
    long values[6];
    va_list list;
    va_start(list, number);
    for (int i = 0; i < 6; i++)
        values[i] = va_arg(list, long);
    va_end(list);
    if (number == SYS_pidfd_send_signal && keeps_signals)
        return 0;
    return __real_syscall(number, values[0], values[1], values[2], values[3], values[4], values[5]);
}

int __real_via__zygote_kill(struct via__zygote *zygote, uint64_t serial);
int __wrap_via__zygote_kill(struct via__zygote *zygote, uint64_t serial);
int __wrap_via__zygote_kill(struct via__zygote *zygote, uint64_t serial)
{
    return keeps_signals ? 0 : __real_via__zygote_kill(zygote, serial);
}

/* In a helper process: births are refused while the file is there that the environment names. */
pid_t __real_fork(void);
pid_t __wrap_fork(void);
pid_t __wrap_fork(void)
{
    const char *path = getenv("VIADUCT_TEST_NO_FORK");
    if (!path || access(path, F_OK) < 0)
        return __real_fork();
    errno = EAGAIN;
    return -1;
}

/* ---- forked children ---- */

/* A child that has its copies of everything until it is told to end. */
static pid_t fork_and_stay(int *tell)
{
    int ends[2];
    char byte;
    ck_assert_int_eq(pipe(ends), 0);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        close(ends[1]);
        _exit(read(ends[0], &byte, 1) != 0);
    }
    close(ends[0]);
    *tell = ends[1];
    return pid;
}

TEST(the_copies_that_a_forked_child_has_keep_nobody_awake)
{
    via_loop *loop = new_loop();
    EACH_TRANSPORT(transport)
    {
        struct epoll_event event;
        int tell, wait_status;
        via_executor *pool = open_served(loop, transport, 1);
        via_cfuture *cf = submit(pool, tell_pid, NULL, 0);
        RUN_UNTIL(loop, via_cfuture_done(cf));
        long worker;
        memcpy(&worker, wait_outcome(cf).value, sizeof worker);
        via_cfuture_unref(cf);
        pid_t child = fork_and_stay(&tell);
        ck_assert_int_eq(kill((pid_t)worker, SIGKILL), 0);
        RUN_UNTIL(loop, executor_stats(pool).workers == 0);
        RUN_UNTIL(loop, epoll_wait(inside(pool)->epoll_fd, &event, 1, 0) == 0);
        close(tell);
        ck_assert_int_eq(waitpid(child, &wait_status, 0), child);
        ck_assert_int_eq(wait_status, 0);
        close_pool(pool);
    }
    via_loop_unref(loop);
}

/* How many descriptors there are that lead to something of the kind. */
static int count_descriptors(const char *kind)
{
    int count = 0;
    for (int fd = 0; fd < 256; fd++) {
        char path[64], target[128] = "";
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        count += readlink(path, target, sizeof target - 1) > 0 && strstr(target, kind) != NULL;
    }
    return count;
}

static const char *const kinds[] = {"socket:", "pidfd", "[eventfd]", "[timerfd]", "viaduct-config"};
enum { KINDS = sizeof kinds / sizeof *kinds };

static int compare_descriptors(void *arg)
{
    const int *before = arg;
    int more = 0;
    for (int i = 0; i < KINDS; i++)
        more += count_descriptors(kinds[i]) - before[i];
    return more;
}

TEST(a_forked_child_closes_what_it_has_of_the_pool)
{
    EACH_TRANSPORT(transport)
    {
        int before[KINDS];
        for (int i = 0; i < KINDS; i++)
            before[i] = count_descriptors(kinds[i]);
        via_executor *pool = open_over(transport, 2);
        ck_assert_int_eq(finish(submit(pool, do_nothing, NULL, 0)), 0);
        ck_assert_int_eq(via_test_fork(compare_descriptors, before), 0);
        ck_assert_int_eq(finish(submit(pool, do_nothing, NULL, 0)), 0);
        close_pool(pool);
    }
}

/* ---- a worker that does not die ---- */

static int stay(via_bytes_call *call, const void *in, size_t bytes)
{
    struct process_gate *gate = via_bytes_in_place(call);
    (void)in;
    (void)bytes;
    atomic_store(&gate->pid, (long)getpid());
    for (;;)
        sched_yield();
    return 0;
}

/* The same memory is not given to another call while the worker may still write to it. */
TEST(what_a_worker_that_cannot_be_killed_could_write_to_is_not_used_again)
{
    via_executor *pool = open_pool(2);
    via_buffer *buffer = NULL, *next = NULL;
    ck_assert_int_eq(via_buffer_new(pool, sizeof(struct process_gate), VIA_BUFFER_WRITABLE, &buffer), 0);
    uint64_t number = via__buffer_number(buffer);
    struct via_call call = VIA_CALL_BUFFER(stay, buffer);
    call.timeout_ns = 10 * VIA_MS;
    keeps_signals = 1;
    via_cfuture *cf = submit_call(pool, &call);
    ck_assert_int_eq(wait_outcome(cf).process->unkillable, 1);
    long zombie = wait_outcome(cf).process->pid;
    via_cfuture_unref(cf);
    via_buffer_unref(buffer);
    ck_assert_int_eq(via_buffer_new(pool, sizeof(struct process_gate), VIA_BUFFER_WRITABLE, &next), 0);
    ck_assert_uint_ne(via__buffer_number(next), number);
    via_buffer_unref(next);
    keeps_signals = 0;
    ck_assert_int_eq(kill((pid_t)zombie, SIGKILL), 0);
    AWAIT(process_stats(pool).unkillable == 0);
    close_pool(pool);
}

/* ---- births that the system refuses ---- */

static char refusing[64];

static void refuse_births(void)
{
    strcpy(refusing, "/tmp/viaduct-refuses-XXXXXX");
    int fd = mkstemp(refusing);
    ck_assert_int_ge(fd, 0);
    close(fd);
}

static void allow_births(void)
{
    unlink(refusing);
}

/* Whose helper process looks at the file. */
static via_executor *open_refused(int workers)
{
    ck_assert_int_eq(setenv("VIADUCT_TEST_NO_FORK", refusing, 1), 0);
    via_executor *pool = open_pool(workers);
    unsetenv("VIADUCT_TEST_NO_FORK");
    return pool;
}

TEST(calls_for_which_the_system_refuses_every_worker_are_told_and_the_pool_recovers)
{
    enum { CALLS = 5 };
    via_cfuture *cf[CALLS];
    refuse_births();
    via_executor *pool = open_refused(3);
    for (int i = 0; i < CALLS; i++)
        cf[i] = submit(pool, give_back, "x", 1);
    for (int i = 0; i < CALLS; i++) {
        struct via_outcome outcome = wait_outcome(cf[i]);
        ck_assert_int_eq(outcome.status, VIA_EAGAIN);
        ck_assert_ptr_nonnull(strstr(outcome.message, "the system refuses worker processes: "));
        via_cfuture_unref(cf[i]);
    }
    allow_births();
    ck_assert_int_eq(finish(submit(pool, give_back, "x", 1)), 0);
    close_pool(pool);
}

static int count_refusals(via_executor *pool)
{
    via__process_lock(inside(pool));
    int refusals = inside(pool)->birth_refusals;
    via__process_unlock(inside(pool));
    return refusals;
}

TEST(workers_that_are_refused_do_not_harm_those_that_are_there)
{
    via_buffer *gate = new_gate();
    refuse_births();
    allow_births();
    via_executor *pool = open_refused(2);
    via_cfuture *running = occupy(pool, gate);
    int fd = open(refusing, O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    close(fd);
    via_cfuture *waiting = submit(pool, give_back, "x", 1);
    AWAIT(count_refusals(pool) == VIA__PROCESS_FAILURES);
    ck_assert_int_eq(via_cfuture_done(waiting), 0);
    open_gate(gate);
    ck_assert_int_eq(finish(running), 0);
    ck_assert_int_eq(finish(waiting), 0);
    ck_assert_uint_eq(process_stats(pool).started, 1);
    allow_births();
    close_pool(pool);
    via_buffer_unref(gate);
}

TEST(workers_that_were_born_together_do_not_end_together)
{
    enum { WORKERS = 8, CALLS = 1000 };
    struct via_process_pool_options options = pool_options(WORKERS);
    uint64_t least = UINT64_MAX, most = 0;
    options.min_workers = WORKERS;
    options.max_calls = CALLS;
    via_executor *pool = open_with(&options);
    via__process_lock(inside(pool));
    for (size_t i = 0; i < inside(pool)->slots; i++) {
        const struct via__process_worker *worker = inside(pool)->table[i];
        if (worker && worker->quota < least)
            least = worker->quota;
        if (worker && worker->quota > most)
            most = worker->quota;
    }
    via__process_unlock(inside(pool));
    ck_assert_uint_ge(least, CALLS - CALLS / 10);
    ck_assert_uint_le(most, CALLS + CALLS / 10);
    ck_assert_uint_lt(least, most);
    close_pool(pool);
}

/* ---- what a worker has from the helper process ---- */

/* As a library might: what it has written stands in a buffer when main() begins. */
__attribute__((constructor)) static void write_into_a_buffer(void)
{
    const char *path = getenv("VIADUCT_TEST_BUFFERED");
    FILE *file = path ? fopen(path, "ae") : NULL;
    if (file)
        fputc('x', file);
}

TEST(what_stood_in_a_buffer_before_main_is_not_written_by_every_worker)
{
    char path[] = "/tmp/viaduct-buffered-XXXXXX";
    int fd = mkstemp(path), zero = 0;
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(setenv("VIADUCT_TEST_BUFFERED", path, 1), 0);
    via_executor *pool = open_pool(1);
    unsetenv("VIADUCT_TEST_BUFFERED");
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(finish(submit(pool, exit_with, &zero, sizeof zero)), VIA_ECRASHED);
    close_pool(pool);
    ck_assert_int_eq((int)lseek(fd, 0, SEEK_END), 1); // the helper process's own
    close(fd);
    unlink(path);
}

/* ---- what a worker can do to what it shares ---- */

/* Punches holes into every memory file that this process may write to. */
static int punch_holes(via_bytes_call *call, const void *in, size_t bytes)
{
    char line[512];
    int punched = 0;
    FILE *maps = fopen("/proc/self/maps", "re");
    while (maps && fgets(line, sizeof line, maps)) {
        unsigned long from, to;
        char mode[8];
        if (sscanf(line, "%lx-%lx %7s", &from, &to, mode) == 3 && mode[1] == 'w' && mode[3] == 's' &&
            strstr(line, "/memfd:"))
            punched += madvise((void *)(uintptr_t)from, to - from, MADV_REMOVE) == 0; // NOLINT
    }
    if (maps)
        fclose(maps);
    if (!punched)
        return 1;
    return hang(call, in, bytes);
}

TEST(holes_in_what_a_worker_shares_harm_nobody_else)
{
    via_executor *pool = open_over(VIA_TRANSPORT_SHARED, 1);
    ck_assert_int_eq(finish(submit(pool, do_nothing, NULL, 0)), 0);
    ck_assert_int_eq(finish(submit(pool, punch_holes, NULL, 0)), VIA_ECORRUPT);
    ck_assert_int_eq(finish(submit(pool, do_nothing, NULL, 0)), 0);
    ck_assert_uint_eq(process_stats(pool).corrupt, 1);
    close_pool(pool);
}

/* Writes nonsense into every socket that this process has, before an answer that needs them. */
static int write_nonsense(via_bytes_call *call, const void *in, size_t bytes)
{
    char nonsense[64];
    int kind;
    (void)in;
    (void)bytes;
    memset(nonsense, 0xa5, sizeof nonsense);
    for (int fd = 3; fd < 256; fd++) {
        socklen_t length = sizeof kind;
        if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &kind, &length) == 0 && !write(fd, nonsense, sizeof nonsense))
            return 1;
    }
    return via_bytes_out(call, 200000) ? 0 : 2;
}

TEST(nonsense_from_a_worker_is_found_out_over_both_transports)
{
    EACH_TRANSPORT(transport)
    {
        via_executor *pool = open_over(transport, 1);
        ck_assert_int_eq(finish(submit(pool, do_nothing, NULL, 0)), 0);
        ck_assert_int_eq(finish(submit(pool, write_nonsense, NULL, 0)), VIA_ECORRUPT);
        ck_assert_int_eq(finish(submit(pool, do_nothing, NULL, 0)), 0);
        ck_assert_uint_eq(process_stats(pool).corrupt, 1);
        close_pool(pool);
    }
}

TEST(a_buffer_that_was_released_is_no_input)
{
    via_executor *pool = open_pool(1);
    via_cfuture *cf = NULL;
    via_buffer *buffer = NULL;
    ck_assert_int_eq(via_buffer_new(pool, 100, 0, &buffer), 0);
    struct via_call call = VIA_CALL_BUFFER(give_back, buffer);
    via_buffer_unref(buffer);
    ck_assert_int_eq(via_executor_submit(pool, &call, &cf), VIA_EINVAL);
    ck_assert_ptr_null(cf);
    close_pool(pool);
}

/* ---- what a crash leaves ---- */

/* 1 if the system writes core files to the working directory. */
static int leaves_core_files(void)
{
    char pattern[128] = "|";
    struct rlimit limit;
    FILE *file = fopen("/proc/sys/kernel/core_pattern", "re");
    if (file && !fgets(pattern, sizeof pattern, file))
        pattern[0] = '|';
    if (file)
        fclose(file);
    return pattern[0] != '|' && !strchr(pattern, '/') && getrlimit(RLIMIT_CORE, &limit) == 0 &&
           limit.rlim_max == RLIM_INFINITY;
}

static int empty_directory(const char *path)
{
    int count = 0;
    DIR *directory = opendir(path);
    ck_assert_ptr_nonnull(directory);
    for (const struct dirent *entry; (entry = readdir(directory));) {
        if (entry->d_name[0] != '.')
            count += unlinkat(dirfd(directory), entry->d_name, 0) == 0;
    }
    closedir(directory);
    return count;
}

static int crash_in(via_bytes_call *call, const void *in, size_t bytes)
{
    int signo = SIGSEGV;
    (void)bytes;
    return chdir(in) < 0 ? -errno : die_of(call, &signo, sizeof signo);
}

TEST(a_core_file_is_told_of_if_there_is_one)
{
    if (!leaves_core_files() || UNDER_SANITIZER)
        return;
    for (int limited = 0; limited < 2; limited++) {
        struct via_process_pool_options options = pool_options(1);
        char path[] = "/tmp/viaduct-core-XXXXXX";
        ck_assert_ptr_nonnull(mkdtemp(path));
        options.limits.core_bytes = limited ? 0 : (uint64_t)1 << 30;
        via_executor *pool = open_with(&options);
        via_cfuture *cf = submit(pool, crash_in, path, sizeof path);
        struct via_outcome outcome = wait_outcome(cf);
        ck_assert_int_eq(outcome.status, VIA_ECRASHED);
        ck_assert_int_eq(outcome.process->core_dumped, !limited);
        ck_assert_int_eq(strstr(outcome.message, "core dumped") != NULL, !limited);
        via_cfuture_unref(cf);
        close_pool(pool);
        ck_assert_int_eq(empty_directory(path), !limited);
        ck_assert_int_eq(rmdir(path), 0);
    }
}

/* ---- a helper process that was stopped ---- */

static void stop_helper(via_executor *pool)
{
    via__process_lock(inside(pool));
    ck_assert_int_gt(inside(pool)->zygote.pid, 0);
    ck_assert_int_eq(kill(inside(pool)->zygote.pid, SIGSTOP), 0);
    via__process_unlock(inside(pool));
}

TEST(a_helper_that_was_stopped_keeps_nobody_from_hearing_of_a_crash)
{
    via_executor *pool = open_pool(1);
    via_buffer *gate = new_gate();
    via_cfuture *cf = occupy(pool, gate);
    stop_helper(pool);
    ck_assert_int_eq(kill((pid_t)atomic_load(&gate_of(gate)->pid), SIGKILL), 0);
    ck_assert_int_eq(wait_outcome(cf).status, VIA_ECRASHED);
    ck_assert_int_eq(wait_outcome(cf).process->signal, SIGKILL);
    via_cfuture_unref(cf);
    ck_assert_int_eq(finish(submit(pool, do_nothing, NULL, 0)), 0);
    ck_assert_uint_eq(process_stats(pool).helper_restarts, 0);
    close_pool(pool);
    via_buffer_unref(gate);
}

// As the pool's timers do, at some time.
static void look_at(via_executor *pool, int64_t now_ns)
{
    via__process_lock(inside(pool));
    ck_assert_ptr_nonnull(inside(pool)->table[0]);
    via__process_look(inside(pool)->table[0], now_ns);
    via__process_unlock(inside(pool));
}

// Whether the first worker is dead with all its threads, as its pidfd tells.
static int has_ended(via_executor *pool)
{
    struct pollfd end = {.fd = inside(pool)->table[0]->pidfd, .events = POLLIN};
    return end.fd >= 0 && poll(&end, 1, 0) == 1;
}

// A pool whose worker is dead, of which nobody has heard, is looked at so often; how many helpers it needed.
static uint64_t look_at_untold(int times, int64_t every_ns)
{
    via_loop *loop = new_loop();
    via_executor *pool = open_served(loop, VIA_TRANSPORT_AUTO, 1);
    via_buffer *gate = new_gate();
    via_cfuture *cf = submit_gate(pool, gate);
    RUN_UNTIL(loop, atomic_load(&gate_of(gate)->arrived) == 1);
    ck_assert_int_eq(kill((pid_t)atomic_load(&gate_of(gate)->pid), SIGKILL), 0);
    AWAIT(has_ended(pool));
    int64_t now_ns = via_now_ns();
    for (int i = 0; i < times; i++)
        look_at(pool, now_ns + i * every_ns);
    ck_assert_int_eq(run_to_end(loop, cf), VIA_ECRASHED);
    ck_assert_int_eq(run_to_end(loop, submit(pool, do_nothing, NULL, 0)), 0);
    uint64_t restarts = process_stats(pool).helper_restarts;
    close_pool(pool);
    via_loop_unref(loop);
    via_buffer_unref(gate);
    return restarts;
}

TEST(a_helper_that_does_not_tell_is_replaced_but_not_if_nobody_listened)
{
    ck_assert_uint_eq(look_at_untold(2, 60 * VIA_S), 0);
    ck_assert_uint_eq(look_at_untold(12, VIA_S), 1);
}

TEST(a_worker_that_is_dead_is_not_unkillable_because_the_helper_was_stopped)
{
    via_executor *pool = open_pool(1);
    struct via_call call = VIA_CALL_BYTES(hang, NULL, 0);
    call.timeout_ns = 10 * VIA_MS;
    ck_assert_int_eq(finish(submit(pool, do_nothing, NULL, 0)), 0);
    stop_helper(pool);
    via_cfuture *cf = submit_call(pool, &call);
    ck_assert_int_eq(wait_outcome(cf).status, VIA_ETIMEDOUT);
    ck_assert_int_eq(wait_outcome(cf).process->unkillable, 0);
    via_cfuture_unref(cf);
    ck_assert_int_eq(finish(submit(pool, do_nothing, NULL, 0)), 0);
    close_pool(pool);
}

TEST(a_helper_that_was_stopped_starts_workers_all_the_same)
{
    via_executor *pool = open_pool(1);
    stop_helper(pool);
    ck_assert_int_eq(finish(submit(pool, do_nothing, NULL, 0)), 0);
    close_pool(pool);
}

PROCESS_TEST_MAIN("process/pool_remains", the_copies_that_a_forked_child_has_keep_nobody_awake,
                  a_forked_child_closes_what_it_has_of_the_pool,
                  what_a_worker_that_cannot_be_killed_could_write_to_is_not_used_again,
                  calls_for_which_the_system_refuses_every_worker_are_told_and_the_pool_recovers,
                  workers_that_are_refused_do_not_harm_those_that_are_there,
                  workers_that_were_born_together_do_not_end_together,
                  what_stood_in_a_buffer_before_main_is_not_written_by_every_worker,
                  holes_in_what_a_worker_shares_harm_nobody_else,
                  nonsense_from_a_worker_is_found_out_over_both_transports,
                  a_buffer_that_was_released_is_no_input, a_core_file_is_told_of_if_there_is_one,
                  a_helper_that_was_stopped_keeps_nobody_from_hearing_of_a_crash,
                  a_worker_that_is_dead_is_not_unkillable_because_the_helper_was_stopped,
                  a_helper_that_was_stopped_starts_workers_all_the_same,
                  a_helper_that_does_not_tell_is_replaced_but_not_if_nobody_listened)
