/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a worker gives up.  Each try is made in a child of its own, since nothing can be taken back: it
 * answers with the errno that it got, or dies.
 */
#include "support/sanitizers.h"
#include "support/support.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <viaduct.h>

#include "process/confine.h"
#include "process/confine_parts.h"

#define NOT_CONFINED 200 /* a child's answer when it could not try */

static char here[] = "/tmp/viaduct-confine-XXXXXX"; /* a directory of the test's */
static const char *const here_alone[] = {here, NULL};
static int has_here;

/* A try: what to give up, and what to do then. */
struct attempt {
    struct via_process_pool_options options;
    int (*act)(void);
};

static const struct via__process_config *config_of(const struct via_process_pool_options *options)
{
    int fd = -1;
    if (via__config_new(options, VIA_TRANSPORT_SHARED, &fd) < 0)
        return NULL;
    const struct via__process_config *config = via__config_map(fd);
    close(fd);
    return config;
}

static int confine_and_act(void *arg)
{
    const struct attempt *attempt = arg;
    const struct via__process_config *config = config_of(&attempt->options);
    struct via__why why = {""};
    if (!config || via__confine_limits(config, &why) < 0 || via__confine_sandbox(config, &why) < 0) {
        printf("# %s\n", why.text);
        fflush(stdout);
        return NOT_CONFINED;
    }
    return attempt->act();
}

static int has_filters(void)
{
    return !via_test_under_valgrind() && via__confine_can_filter();
}

/* ThreadSanitizer keeps a thread of its own, which the rules for files would not reach. */
static int has_file_rules(void)
{
    return !UNDER_THREAD_SANITIZER && !via_test_under_valgrind() && via__confine_files_version() > 0;
}

/* What comes of doing something under some flags, with files allowed below `here` if that is there. */
static int under(unsigned sandbox, int (*act)(void))
{
    struct attempt attempt = {.act = act};
    attempt.options.sandbox = sandbox;
    attempt.options.writable_paths = has_here ? here_alone : NULL;
    return via_test_fork(confine_and_act, &attempt);
}

static int answer_of(long rc)
{
    return rc < 0 ? errno : 0;
}

static void make_here(void)
{
    char path[PATH_MAX];
    int fd;
    ck_assert_ptr_nonnull(mkdtemp(here));
    has_here = 1;
    snprintf(path, sizeof path, "%s/file", here);
    fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    close(fd);
}

static void remove_here(void)
{
    static const char *const names[] = {"file", "new", "moved"};
    char path[PATH_MAX];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", here, names[i]);
        unlink(path);
    }
    ck_assert_int_eq(rmdir(here), 0);
}

/* ---- the network ---- */

static int open_internet(void)
{
    return answer_of(socket(AF_INET, SOCK_STREAM, 0));
}

static int open_packet(void)
{
    return answer_of(socket(AF_NETLINK, SOCK_RAW, 0));
}

static int open_local(void)
{
    int pair[2];
    return answer_of(socket(AF_UNIX, SOCK_STREAM, 0)) || answer_of(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
}

TEST(no_network_kills_who_opens_a_socket_of_one)
{
    if (!has_filters())
        return;
    ck_assert_int_eq(under(VIA_SANDBOX_NO_NETWORK, open_internet), -SIGSYS);
    ck_assert_int_eq(under(VIA_SANDBOX_NO_NETWORK, open_packet), -SIGSYS);
    ck_assert_int_eq(under(VIA_SANDBOX_NO_NETWORK, open_local), 0);
    ck_assert_int_eq(under(VIA_SANDBOX_NO_EXEC | VIA_SANDBOX_NO_TRACE, open_internet), 0);
}

/* ---- other programs ---- */

static int execute(void)
{
    char name[] = "true", *arguments[] = {name, NULL}, *none[] = {NULL};
    execve("/bin/true", arguments, none);
    return errno;
}

static int execute_descriptor(void)
{
    char name[] = "true", *arguments[] = {name, NULL}, *none[] = {NULL};
    int fd = open("/bin/true", O_PATH | O_CLOEXEC);
    syscall(SYS_execveat, fd, "", arguments, none, AT_EMPTY_PATH);
    return errno;
}

static int fork_and_wait(void)
{
    pid_t pid = fork();
    int status;
    if (pid == 0)
        _exit(3);
    return waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 3 ? 0 : 1;
}

TEST(no_exec_kills_who_executes)
{
    if (!has_filters())
        return;
    ck_assert_int_eq(under(VIA_SANDBOX_NO_EXEC, execute), -SIGSYS);
    ck_assert_int_eq(under(VIA_SANDBOX_NO_EXEC, execute_descriptor), -SIGSYS);
    ck_assert_int_eq(under(VIA_SANDBOX_NO_EXEC, fork_and_wait), 0);
    ck_assert_int_eq(under(VIA_SANDBOX_NO_NETWORK | VIA_SANDBOX_NO_TRACE, execute), 0);
}

/* ---- other processes ---- */

static int trace(void)
{
    return answer_of(ptrace(PTRACE_SEIZE, getppid(), NULL, NULL));
}

static int read_parent(void)
{
    char byte;
    struct iovec mine = {&byte, 1}, its = {here, 1};
    return answer_of(process_vm_readv(getppid(), &mine, 1, &its, 1, 0));
}

static int signal_parent(void)
{
    return answer_of(kill(getppid(), 0));
}

static int signal_group(void)
{
    return answer_of(kill(0, 0));
}

static int signal_thread_of_parent(void)
{
    return answer_of(syscall(SYS_tgkill, getppid(), getppid(), 0));
}

static int have_parent_signalled(void)
{
    int pair[2];
    return answer_of(pipe(pair)) || answer_of(fcntl(pair[0], F_SETOWN, getppid()));
}

static int have_parent_signalled_otherwise(void)
{
    int pair[2], pid = getppid();
    return answer_of(socketpair(AF_UNIX, SOCK_STREAM, 0, pair)) || answer_of(ioctl(pair[0], FIOSETOWN, &pid));
}

static int limit_parent(void)
{
    struct rlimit limit;
    return answer_of(prlimit(getppid(), RLIMIT_NOFILE, NULL, &limit));
}

static int open_memory_of_parent(void)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/mem", (int)getppid());
    return answer_of(open(path, O_RDWR | O_CLOEXEC));
}

static int abort_oneself(void)
{
    signal(SIGABRT, SIG_DFL);
    abort();
}

static int live_alone(void)
{
    struct rlimit limit;
    int pair[2];
    return answer_of(kill(getpid(), 0)) || answer_of(raise(0)) ||
           answer_of(getrlimit(RLIMIT_NOFILE, &limit)) ||
           answer_of(prlimit(getpid(), RLIMIT_NOFILE, NULL, &limit)) || answer_of(pipe2(pair, O_NONBLOCK)) ||
           answer_of(fcntl(pair[0], F_SETFL, 0));
}

TEST(no_trace_kills_who_reaches_for_another_process)
{
    static int (*const acts[])(void) = {trace,
                                        read_parent,
                                        signal_parent,
                                        signal_group,
                                        signal_thread_of_parent,
                                        have_parent_signalled,
                                        have_parent_signalled_otherwise,
                                        limit_parent};
    if (!has_filters())
        return;
    for (size_t i = 0; i < sizeof acts / sizeof *acts; i++)
        ck_assert_int_eq(under(VIA_SANDBOX_NO_TRACE, acts[i]), -SIGSYS);
    ck_assert_int_eq(under(VIA_SANDBOX_NO_TRACE, abort_oneself), -SIGABRT);
    ck_assert_int_eq(under(VIA_SANDBOX_NO_TRACE, live_alone), 0);
    ck_assert_int_eq(under(VIA_SANDBOX_NO_NETWORK, signal_parent), 0);
}

TEST(no_trace_closes_the_memory_of_others)
{
    if (!has_filters() || !has_file_rules())
        return;
    ck_assert_int_eq(under(0, open_memory_of_parent), 0);
    ck_assert_int_eq(under(VIA_SANDBOX_NO_TRACE, open_memory_of_parent), EACCES);
}

/* ---- files ---- */

static int open_file(const char *directory, const char *name, int how)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return answer_of(open(path, how | O_CLOEXEC, 0600));
}

static int read_system(void)
{
    return open_file("/etc", "passwd", O_RDONLY);
}

static int read_here(void)
{
    return open_file(here, "file", O_RDONLY);
}

static int create_elsewhere(void)
{
    char path[64];
    snprintf(path, sizeof path, "/tmp/viaduct-%d", (int)getpid());
    int answer = open_file("/tmp", strrchr(path, '/') + 1, O_CREAT | O_WRONLY);
    unlink(path);
    return answer;
}

static int change_elsewhere(void)
{
    return open_file("/etc", "passwd", O_WRONLY);
}

static int change_here(void)
{
    char path[PATH_MAX], to[PATH_MAX];
    snprintf(path, sizeof path, "%s/new", here);
    snprintf(to, sizeof to, "%s/moved", here);
    int answer = open_file(here, "file", O_RDWR | O_TRUNC);
    if (!answer)
        answer = open_file(here, "new", O_CREAT | O_WRONLY);
    if (!answer)
        answer = answer_of(rename(path, to));
    return answer ? answer : answer_of(unlink(to));
}

static int list_elsewhere(void)
{
    return answer_of(open("/etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

static int change_mode(void)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/file", here);
    return answer_of(chmod(path, 0600));
}

static int change_times(void)
{
    return answer_of(utimensat(AT_FDCWD, here, NULL, 0));
}

static int write_to_nowhere(void)
{
    return answer_of(open("/dev/null", O_WRONLY | O_CLOEXEC));
}

/* What buffers and answers are made of. */
static int use_memory_files(void)
{
    int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0 || ftruncate(fd, 8192) < 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) < 0 ||
        mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED)
        return errno;
    return answer_of(pwrite(fd, "x", 1, 0));
}

TEST(read_only_refuses_changes_but_where_they_are_allowed)
{
    if (!has_filters() || !has_file_rules())
        return;
    make_here();
    ck_assert_int_eq(under(VIA_SANDBOX_READ_ONLY, create_elsewhere), EACCES);
    ck_assert_int_eq(under(VIA_SANDBOX_READ_ONLY, change_elsewhere), EACCES);
    ck_assert_int_eq(under(VIA_SANDBOX_READ_ONLY, change_mode), EROFS);
    ck_assert_int_eq(under(VIA_SANDBOX_READ_ONLY, change_times), EROFS);
    ck_assert_int_eq(under(VIA_SANDBOX_READ_ONLY, change_here), 0);
    ck_assert_int_eq(under(VIA_SANDBOX_READ_ONLY, read_system), 0);
    ck_assert_int_eq(under(VIA_SANDBOX_READ_ONLY, write_to_nowhere), 0);
    ck_assert_int_eq(under(VIA_SANDBOX_READ_ONLY, use_memory_files), 0);
    ck_assert_int_eq(under(VIA_SANDBOX_NO_TRACE, create_elsewhere), 0);
    remove_here();
}

TEST(no_files_refuses_all_but_what_is_given)
{
    if (!has_filters() || !has_file_rules())
        return;
    make_here();
    ck_assert_int_eq(under(VIA_SANDBOX_NO_FILES, read_system), EACCES);
    ck_assert_int_eq(under(VIA_SANDBOX_NO_FILES, list_elsewhere), EACCES);
    ck_assert_int_eq(under(VIA_SANDBOX_NO_FILES, create_elsewhere), EACCES);
    ck_assert_int_eq(under(VIA_SANDBOX_NO_FILES, execute), EACCES);
    ck_assert_int_eq(under(VIA_SANDBOX_NO_FILES, read_here), 0);
    ck_assert_int_eq(under(VIA_SANDBOX_NO_FILES, change_here), 0);
    ck_assert_int_eq(under(VIA_SANDBOX_NO_FILES, use_memory_files), 0);
    remove_here();
}

TEST(readable_paths_can_be_read_and_no_more)
{
    static const char *const paths[] = {"/etc/passwd", here, NULL};
    struct attempt attempt = {.options = {.sandbox = VIA_SANDBOX_NO_FILES, .readable_paths = paths}};
    if (!has_filters() || !has_file_rules())
        return;
    make_here();
    attempt.act = read_system;
    ck_assert_int_eq(via_test_fork(confine_and_act, &attempt), 0);
    attempt.act = read_here;
    ck_assert_int_eq(via_test_fork(confine_and_act, &attempt), 0);
    attempt.act = change_here;
    ck_assert_int_eq(via_test_fork(confine_and_act, &attempt), EACCES);
    attempt.act = change_elsewhere;
    ck_assert_int_eq(via_test_fork(confine_and_act, &attempt), EACCES);
    remove_here();
}

TEST(a_path_that_has_gone_is_told)
{
    static const char *const paths[] = {"/no/such/path", NULL};
    struct via_process_pool_options options = {.sandbox = VIA_SANDBOX_READ_ONLY, .writable_paths = paths};
    struct via__why why = {""};
    if (!has_file_rules())
        return;
    const struct via__process_config *config = config_of(&options);
    ck_assert_int_eq(via__confine_files(config, &why), VIA_ENOENT);
    ck_assert_ptr_nonnull(strstr(why.text, "/no/such/path"));
    munmap((void *)(uintptr_t)config, config->bytes);
}

/* ---- all of them ---- */

static int ask_for_a_ring(void)
{
    return answer_of(syscall(SYS_io_uring_setup, 1, NULL));
}

TEST(rings_of_requests_do_not_go_round_the_filter)
{
    if (!has_filters())
        return;
    for (unsigned flag = 1; flag < VIA_SANDBOX_STRICT; flag <<= 1)
        if (!(flag & VIA__SANDBOX_FILES) || has_file_rules())
            ck_assert_int_eq(under(flag, ask_for_a_ring), ENOSYS);
}

#ifdef __x86_64__
/* The same number means another call for the older architecture, so it must not get that far. */
static int call_as_another_architecture(void)
{
    long rc;
    __asm__ volatile("int $0x80" : "=a"(rc) : "0"(20L /* getpid() there */) : "memory");
    return rc > 0 ? 0 : ENOSYS;
}

static int call_as_x32(void)
{
    return answer_of(syscall(SYS_getpid | 0x40000000));
}

TEST(no_other_architecture_goes_round_the_filter)
{
    if (!has_filters())
        return;
    ck_assert_int_eq(under(VIA_SANDBOX_NO_EXEC, call_as_another_architecture), -SIGSYS);
    ck_assert_int_eq(under(VIA_SANDBOX_NO_EXEC, call_as_x32), -SIGSYS);
}
#else
TEST(no_other_architecture_goes_round_the_filter)
{
    ck_assert_int_eq(under(VIA_SANDBOX_NO_EXEC, execute), -SIGSYS);
}
#endif

/* The filter fits, and what workers do anyway passes. */
static int work_on(void)
{
    struct timespec now;
    void *memory = malloc(1 << 20);
    int is_good = memory && clock_gettime(CLOCK_MONOTONIC, &now) == 0 && sched_yield() == 0;
    free(memory);
    return !is_good || use_memory_files() || live_alone() || fork_and_wait() ||
           via__confine_call_cpu(VIA_S) || via__confine_call_cpu(0);
}

TEST(everything_at_once_leaves_room_to_work)
{
    if (!has_filters() || !has_file_rules())
        return;
    make_here();
    ck_assert_int_eq(under(VIA_SANDBOX_STRICT, work_on), 0);
    ck_assert_int_eq(under(VIA_SANDBOX_STRICT, execute), -SIGSYS);
    ck_assert_int_eq(under(VIA_SANDBOX_STRICT, open_internet), -SIGSYS);
    ck_assert_int_eq(under(VIA_SANDBOX_STRICT, trace), -SIGSYS);
    ck_assert_int_eq(under(VIA_SANDBOX_STRICT, read_system), EACCES);
    remove_here();
}

/* ---- threads that were there before ---- */

static struct via_test_gate gate = VIA_TEST_GATE_INITIALIZER;

static void *open_later(void *unused)
{
    (void)unused;
    via_test_gate_pass(&gate);
    open_internet();
    return NULL;
}

static int confine_with_thread(void *arg)
{
    const unsigned *sandbox = arg;
    struct via_process_pool_options options = {.sandbox = *sandbox};
    const struct via__process_config *config = config_of(&options);
    struct via__why why = {""};
    pthread_t thread;
    if (via__confine_limits(config, &why) < 0 || pthread_create(&thread, NULL, open_later, NULL) != 0)
        return NOT_CONFINED;
    via_test_gate_await(&gate, 1);
    int status = via__confine_sandbox(config, &why);
    via_test_gate_open(&gate);
    pthread_join(thread, NULL);
    return status == VIA_ENOTSUP && strstr(why.text, "threads") ? 1 : 0;
}

TEST(the_filter_reaches_threads_and_where_files_do_not_it_is_told)
{
    unsigned network = VIA_SANDBOX_NO_NETWORK, files = VIA_SANDBOX_NO_FILES;
    if (!has_filters() || UNDER_THREAD_SANITIZER)
        return;
    ck_assert_int_eq(via_test_fork(confine_with_thread, &network), -SIGSYS);
    if (has_file_rules())
        ck_assert_int_eq(via_test_fork(confine_with_thread, &files), 1);
}

/* ---- limits ---- */

static int has_limit(int resource, rlim_t expected)
{
    struct rlimit limit;
    return getrlimit(resource, &limit) == 0 && limit.rlim_cur == expected && limit.rlim_max == expected;
}

static int look_at_limits(void)
{
    return has_limit(RLIMIT_CORE, 0) && has_limit(RLIMIT_NOFILE, 32) && has_limit(RLIMIT_CPU, 2) ? 0 : 1;
}

TEST(limits_are_set_for_good)
{
    struct attempt attempt = {.act = look_at_limits};
    if (via_test_under_valgrind())
        return; /* whose limits it would see */
    attempt.options.limits = (struct via_process_limits){.cpu_ns = VIA_S + 1, .files = 32};
    ck_assert_int_eq(via_test_fork(confine_and_act, &attempt), 0);
}

static int look_at_untouched(void)
{
    struct rlimit limit;
    int is_same = getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur == 20 && limit.rlim_max == 40;
    return is_same && has_limit(RLIMIT_CORE, 4096) ? 0 : 1;
}

static int limit_low(void *arg)
{
    struct rlimit files = {20, 40};
    return setrlimit(RLIMIT_NOFILE, &files) == 0 ? confine_and_act(arg) : NOT_CONFINED;
}

static int look_at_lowered(void)
{
    return has_limit(RLIMIT_NOFILE, 40) ? 0 : 1;
}

TEST(limits_that_are_not_asked_for_stay_and_none_is_raised_beyond_the_programs)
{
    struct attempt attempt = {.act = look_at_untouched};
    if (via_test_under_valgrind())
        return; /* whose limits it would see */
    attempt.options.limits.core_bytes = 4096;
    ck_assert_int_eq(via_test_fork(limit_low, &attempt), 0);
    attempt.act = look_at_lowered;
    attempt.options.limits.files = 1000;
    ck_assert_int_eq(via_test_fork(limit_low, &attempt), 0);
}

static int take_memory(void)
{
    return mmap(NULL, 64 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
               ? errno
               : 0;
}

static int share_memory(void)
{
    int fd = memfd_create("test", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, 64 << 20) < 0)
        return errno;
    return mmap(NULL, 64 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED ? errno : 0;
}

TEST(a_limit_of_memory_is_one_of_private_memory)
{
    struct attempt attempt = {.act = take_memory};
    if (UNDER_SANITIZER || via_test_under_valgrind())
        return;
    ck_assert_int_eq(via_test_fork(confine_and_act, &attempt), 0);
    attempt.options.limits.data_bytes = 32 << 20;
    ck_assert_int_eq(via_test_fork(confine_and_act, &attempt), ENOMEM);
    attempt.act = share_memory;
    ck_assert_int_eq(via_test_fork(confine_and_act, &attempt), 0);
}

static int look_at_privileges(void)
{
    char line[128];
    int is_set = 0;
    FILE *file = fopen("/proc/self/status", "re");
    while (file && fgets(line, sizeof line, file))
        is_set |= strcmp(line, "NoNewPrivs:\t1\n") == 0;
    if (file)
        fclose(file);
    return is_set ? 0 : 1;
}

TEST(no_worker_can_gain_privileges)
{
    ck_assert_int_eq(under(0, look_at_privileges), 0);
}

/* ---- a call's CPU time ---- */

static void burn_deaf(int64_t ns)
{
    struct timespec used;
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    do
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    while (used.tv_sec * VIA_S + used.tv_nsec < ns);
}

static int burn_too_much(void *unused)
{
    (void)unused;
    if (via__confine_call_cpu(10 * VIA_MS) < 0)
        return 1;
    burn_deaf(5 * VIA_S);
    return 0;
}

static int burn_in_time(void *unused)
{
    (void)unused;
    /* Nothing to disarm yet; then a call that ends in time, and work that is no call's. */
    if (via__confine_call_cpu(0) < 0 || via__confine_call_cpu(20 * VIA_MS) < 0 ||
        via__confine_call_cpu(0) < 0)
        return 1;
    burn_deaf(40 * VIA_MS);
    return 23;
}

static int burn_in_child(void *unused)
{
    /* A timer is not inherited; the child arms one of its own. */
    if (via__confine_call_cpu(VIA_S) < 0)
        return 1;
    return via_test_fork(burn_too_much, unused) == -SIGKILL ? 23 : 1;
}

TEST(a_call_is_killed_at_its_cpu_time_whatever_it_blocks)
{
    ck_assert_int_eq(via_test_fork(burn_too_much, NULL), -SIGKILL);
    ck_assert_int_eq(via_test_fork(burn_in_time, NULL), 23);
    ck_assert_int_eq(via_test_fork(burn_in_child, NULL), 23);
}

/* ---- the program's side ---- */

static void check_says(const struct via_process_pool_options *options, int status, const char *text)
{
    struct via__why why = {""};
    ck_assert_int_eq(via__confine_check(options, &why), status);
    ck_assert_msg(strstr(why.text, text) != NULL, "\"%s\"", why.text);
}

TEST(what_cannot_be_asked_for_is_refused)
{
    static const char *const nothing[] = {"", NULL}, *const missing[] = {"/tmp", "/no/such/path", NULL};
    struct via_process_pool_options options = {.limits = {.files = 15}};
    check_says(&options, VIA_EINVAL, "descriptors");
    options.limits = (struct via_process_limits){.cpu_ns = -1};
    check_says(&options, VIA_EINVAL, "CPU time");
    options.limits = (struct via_process_limits){.call_cpu_ns = -1};
    check_says(&options, VIA_EINVAL, "CPU time");
    options.limits = (struct via_process_limits){.files = 16, .cpu_ns = 1, .call_cpu_ns = 1};
    check_says(&options, 0, "");
    options.sandbox = VIA_SANDBOX_STRICT + 1;
    check_says(&options, VIA_EINVAL, "0x20");
    options.sandbox = 0;
    options.readable_paths = nothing;
    check_says(&options, VIA_EINVAL, "readable_paths: a path is empty");
    options.readable_paths = NULL;
    options.writable_paths = missing;
    check_says(&options, VIA_EINVAL, "writable_paths: /no/such/path: ");
    options.writable_paths = NULL;
    options.sandbox = VIA_SANDBOX_STRICT;
    if (has_filters() && has_file_rules())
        check_says(&options, 0, "");
}

/* A system without what a sandbox takes, as containers often are. */
static int check_without(void *call)
{
    struct via_process_pool_options options = {.sandbox = VIA_SANDBOX_READ_ONLY};
    struct via__why why = {""};
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t) * (const int *)call, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
        return NOT_CONFINED;
    int status = via__confine_check(&options, &why);
    return status == VIA_ENOTSUP && strncmp(why.text, "sandbox: this system cannot ", 28) == 0 ? 0 : 1;
}

TEST(what_the_system_cannot_do_is_not_supported)
{
    int calls[] = {SYS_landlock_create_ruleset, SYS_seccomp};
    if (!has_filters())
        return;
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(via_test_fork(check_without, &calls[i]), 0);
}

TEST_MAIN("process/confine", no_network_kills_who_opens_a_socket_of_one, no_exec_kills_who_executes,
          no_trace_kills_who_reaches_for_another_process, no_trace_closes_the_memory_of_others,
          read_only_refuses_changes_but_where_they_are_allowed, no_files_refuses_all_but_what_is_given,
          readable_paths_can_be_read_and_no_more, a_path_that_has_gone_is_told,
          rings_of_requests_do_not_go_round_the_filter, no_other_architecture_goes_round_the_filter,
          everything_at_once_leaves_room_to_work,
          the_filter_reaches_threads_and_where_files_do_not_it_is_told, limits_are_set_for_good,
          limits_that_are_not_asked_for_stay_and_none_is_raised_beyond_the_programs,
          a_limit_of_memory_is_one_of_private_memory, no_worker_can_gain_privileges,
          a_call_is_killed_at_its_cpu_time_whatever_it_blocks, what_cannot_be_asked_for_is_refused,
          what_the_system_cannot_do_is_not_supported)
