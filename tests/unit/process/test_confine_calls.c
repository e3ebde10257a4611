/* SPDX-License-Identifier: BSD-3-Clause */
/* What the filter of system calls refuses, and what it lets pass. */
#include "confine_fixture.h"

#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>

/* ---- the network ---- */

static int open_packet(void)
{
    return answer_of(socket(AF_NETLINK, SOCK_RAW, 0));
}

static int open_local(void)
{
    return answer_of(socket(AF_UNIX, SOCK_STREAM, 0));
}

static int open_pair(void)
{
    int pair[2];
    return answer_of(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)) ||
           answer_of(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair)) || answer_of(send(pair[0], "x", 1, 0));
}

static int open_pair_for_datagrams(void)
{
    int pair[2];
    return answer_of(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair));
}

/* A service of this machine that listens to a name which no file system has. */
static struct sockaddr_un service_name;
static socklen_t service_bytes;
static int early_socket = -1;

static int open_service(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    socklen_t bytes = sizeof service_name;
    struct sockaddr any = {.sa_family = AF_UNIX};
    ck_assert_int_eq(bind(fd, &any, sizeof any.sa_family), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&service_name, &bytes), 0);
    ck_assert_int_eq(listen(fd, 8), 0);
    service_bytes = bytes;
    return fd;
}

static int connect_early_socket(void)
{
    return answer_of(connect(early_socket, (const struct sockaddr *)&service_name, service_bytes));
}

TEST(no_network_kills_who_opens_a_socket_of_one)
{
    if (!has_filters())
        return;
    ck_assert_int_eq(under(VIA_SANDBOX_NO_NETWORK, open_internet), -SIGSYS);
    ck_assert_int_eq(under(VIA_SANDBOX_NO_NETWORK, open_packet), -SIGSYS);
    ck_assert_int_eq(under(VIA_SANDBOX_NO_NETWORK, open_pair), 0);
    ck_assert_int_eq(under(VIA_SANDBOX_NO_EXEC | VIA_SANDBOX_NO_TRACE, open_internet), 0);
}

TEST(no_network_keeps_from_the_services_of_this_machine)
{
    if (!has_filters())
        return;
    int service = open_service();
    early_socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(under(VIA_SANDBOX_NO_NETWORK, open_local), EACCES);
    ck_assert_int_eq(under(VIA_SANDBOX_NO_NETWORK, open_pair_for_datagrams), EACCES);
    ck_assert_int_eq(under(VIA_SANDBOX_NO_NETWORK, connect_early_socket), EACCES);
    ck_assert_int_eq(under(VIA_SANDBOX_NO_EXEC, open_local), 0);
    ck_assert_int_eq(under(VIA_SANDBOX_NO_EXEC, connect_early_socket), 0);
    close(early_socket);
    close(service);
}

/* ---- other programs ---- */

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

static int prioritise_parent(void)
{
    return answer_of(setpriority(PRIO_PROCESS, (id_t)getppid(), 19));
}

static int prioritise_group(void)
{
    return answer_of(setpriority(PRIO_PGRP, 0, 0));
}

static int prioritise_user(void)
{
    return answer_of(setpriority(PRIO_USER, 0, 0));
}

static int pin_parent(void)
{
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(0, &cpus);
    return answer_of(sched_setaffinity(getppid(), sizeof cpus, &cpus));
}

static int schedule_parent(void)
{
    struct sched_param none = {0};
    return answer_of(sched_setscheduler(getppid(), SCHED_BATCH, &none));
}

static int prioritise_reading_of_parent(void)
{
    return answer_of(syscall(SYS_ioprio_set, 1, getppid(), 0));
}

static int share_by_key(void)
{
    return answer_of(shmget(IPC_PRIVATE, 4096, 0600));
}

static int queue_by_key(void)
{
    return answer_of(msgget(IPC_PRIVATE, 0600));
}

static int schedule_oneself(void)
{
    struct sched_param none = {0};
    cpu_set_t cpus;
    return answer_of(sched_getaffinity(0, sizeof cpus, &cpus)) ||
           answer_of(sched_setaffinity(0, sizeof cpus, &cpus)) ||
           answer_of(sched_setaffinity(getpid(), sizeof cpus, &cpus)) ||
           answer_of(sched_setscheduler(0, SCHED_BATCH, &none)) ||
           answer_of(setpriority(PRIO_PROCESS, 0, 19)) ||
           answer_of(setpriority(PRIO_PROCESS, (id_t)getpid(), 19));
}

TEST(no_trace_keeps_from_the_priority_and_the_cpus_of_others)
{
    static int (*const acts[])(void) = {prioritise_parent, prioritise_group, prioritise_user,
                                        pin_parent,        schedule_parent,  prioritise_reading_of_parent};
    int nice = getpriority(PRIO_PROCESS, 0);
    if (!has_filters())
        return;
    for (size_t i = 0; i < sizeof acts / sizeof *acts; i++)
        ck_assert_int_eq(under(VIA_SANDBOX_NO_TRACE, acts[i]), EPERM);
    ck_assert_int_eq(under(VIA_SANDBOX_NO_TRACE, schedule_oneself), 0);
    ck_assert_int_eq(getpriority(PRIO_PROCESS, 0), nice);
}

TEST(no_trace_keeps_from_what_others_find_by_a_key)
{
    if (!has_filters())
        return;
    ck_assert_int_eq(under(VIA_SANDBOX_NO_TRACE, share_by_key), EACCES);
    ck_assert_int_eq(under(VIA_SANDBOX_NO_TRACE, queue_by_key), EACCES);
}

/* ---- new processes ---- */

static int fork_only(void)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    return answer_of(pid);
}

static int fork_by_its_older_name(void)
{
#ifdef SYS_fork
    long pid = syscall(SYS_fork);
    if (pid == 0)
        _exit(0);
    return answer_of(pid);
#else
    return fork_only();
#endif
}

static int fork_by_its_newer_name(void)
{
    char nothing[64] = {0};
    return answer_of(syscall(435 /* clone3 */, nothing, sizeof nothing));
}

static int start_program(void)
{
    char name[] = "true", *arguments[] = {name, NULL}, *none[] = {NULL};
    pid_t pid;
    return posix_spawn(&pid, "/bin/true", NULL, NULL, arguments, none);
}

static int leave_session(void)
{
    return answer_of(setsid());
}

static int leave_group(void)
{
    return answer_of(setpgid(0, 0));
}

static int outlive_parent(void)
{
    return answer_of(prctl(PR_SET_PDEATHSIG, 0));
}

static void *do_nothing(void *value)
{
    return value;
}

static int start_thread(void)
{
    pthread_t thread;
    void *value = NULL;
    int error = pthread_create(&thread, NULL, do_nothing, here);
    return error ? error : pthread_join(thread, &value) != 0 || value != here;
}

TEST(no_fork_leaves_threads_and_no_processes)
{
    if (!has_filters())
        return;
    ck_assert_int_eq(under(VIA_SANDBOX_NO_FORK, fork_only), EPERM);
    ck_assert_int_eq(under(VIA_SANDBOX_NO_FORK, fork_by_its_older_name), EPERM);
    ck_assert_int_eq(under(VIA_SANDBOX_NO_FORK, fork_by_its_newer_name), ENOSYS);
    ck_assert_int_eq(under(VIA_SANDBOX_NO_FORK, start_program), EPERM);
    ck_assert_int_eq(under(VIA_SANDBOX_NO_FORK, start_thread), 0);
}

TEST(no_fork_keeps_a_process_in_its_group_and_under_its_parent)
{
    if (!has_filters())
        return;
    ck_assert_int_eq(under(VIA_SANDBOX_NO_FORK, leave_session), EPERM);
    ck_assert_int_eq(under(VIA_SANDBOX_NO_FORK, leave_group), EPERM);
    ck_assert_int_eq(under(VIA_SANDBOX_NO_FORK, outlive_parent), EPERM);
    ck_assert_int_eq(under(VIA_SANDBOX_NO_TRACE, leave_session), 0);
}

/* ---- privileges ---- */

static int set_clock_as_it_is(void)
{
    struct timespec now;
    return answer_of(clock_gettime(CLOCK_REALTIME, &now)) || answer_of(clock_settime(CLOCK_REALTIME, &now));
}

static int has_capabilities(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[2];
    long rc = syscall(SYS_capget, &header, sets);
    return rc < 0 || sets[0].permitted || sets[1].permitted || sets[0].effective || sets[1].effective;
}

static int make_user_namespace(void)
{
    return answer_of(unshare(CLONE_NEWUSER));
}

static int clone_into_namespace(void)
{
    long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL);
    if (pid == 0)
        _exit(0);
    return answer_of(pid);
}

static int unshare_files(void)
{
    return answer_of(unshare(CLONE_FILES));
}

static int look_for_keys(void)
{
    return answer_of(syscall(SYS_keyctl, 0 /* the number of a ring */, -1, 0));
}

static int handle_page_faults(void)
{
    return answer_of(syscall(SYS_userfaultfd, O_CLOEXEC));
}

TEST(no_privileges_leaves_nothing_of_root)
{
    if (!has_filters() || !has_rules_for(VIA_SANDBOX_NO_PRIVILEGES))
        return;
    ck_assert_int_eq(under(VIA_SANDBOX_NO_PRIVILEGES, has_capabilities), 0);
    ck_assert_int_eq(under(VIA_SANDBOX_NO_PRIVILEGES, set_clock_as_it_is), 1);
    ck_assert_int_eq(under(VIA_SANDBOX_NO_EXEC, has_capabilities), geteuid() == 0);
}

TEST(no_privileges_closes_namespaces_and_what_hardly_anybody_needs)
{
    static int (*const acts[])(void) = {make_user_namespace, clone_into_namespace, look_for_keys,
                                        handle_page_faults};
    if (!has_filters() || !has_rules_for(VIA_SANDBOX_NO_PRIVILEGES))
        return;
    for (size_t i = 0; i < sizeof acts / sizeof *acts; i++)
        ck_assert_int_eq(under(VIA_SANDBOX_NO_PRIVILEGES, acts[i]), EPERM);
    ck_assert_int_eq(under(VIA_SANDBOX_NO_PRIVILEGES, fork_by_its_newer_name), ENOSYS);
    ck_assert_int_eq(under(VIA_SANDBOX_NO_PRIVILEGES, fork_and_wait), 0);
    ck_assert_int_eq(under(VIA_SANDBOX_NO_PRIVILEGES, start_thread), 0);
    /* A container may refuse it to everybody. */
    ck_assert_int_eq(under(VIA_SANDBOX_NO_PRIVILEGES, unshare_files), under(0, unshare_files));
}

/* What nobody has more of than this user. */
static int become_nobody(void *arg)
{
    if (setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0)
        return NOT_CONFINED;
    return confine_and_act(arg);
}

static int try_all_without_privileges(void)
{
    return has_capabilities() || make_user_namespace() != EPERM || look_for_keys() != EPERM ||
           fork_only() != EPERM || leave_session() != EPERM || open_local() != EACCES ||
           prioritise_parent() != EPERM || pin_parent() != EPERM || start_thread();
}

TEST(what_a_sandbox_refuses_to_root_it_refuses_to_others)
{
    struct attempt attempt = {.act = try_all_without_privileges};
    if (!has_filters() || !has_file_rules())
        return;
    attempt.options.sandbox = VIA_SANDBOX_STRICT;
    ck_assert_int_eq(via_test_fork(confine_and_act, &attempt), 0);
    if (geteuid() == 0)
        ck_assert_int_eq(via_test_fork(become_nobody, &attempt), 0);
}

/* ---- terminals ---- */

/* The end of a terminal that programs have, and the one of who types there. */
static int terminal = -1, keyboard = -1;

static void open_terminal(void)
{
    keyboard = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    ck_assert_int_ge(keyboard, 0);
    ck_assert_int_eq(grantpt(keyboard), 0);
    ck_assert_int_eq(unlockpt(keyboard), 0);
    terminal = open(ptsname(keyboard), O_RDWR | O_NOCTTY | O_CLOEXEC);
    ck_assert_int_ge(terminal, 0);
}

static int type_a_letter(void)
{
    return answer_of(ioctl(terminal, TIOCSTI, "x"));
}

static int paste(void)
{
    char request[] = {2, 0, 0, 0, 0, 0, 0, 0};
    return answer_of(ioctl(terminal, TIOCLINUX, request));
}

static int change_line(void)
{
    int line = 0;
    return answer_of(ioctl(terminal, TIOCSETD, &line));
}

static int change_echo(void)
{
    struct termios settings;
    return tcgetattr(terminal, &settings) < 0 ? -1 : answer_of(tcsetattr(terminal, TCSANOW, &settings));
}

static int change_size(void)
{
    struct winsize size = {.ws_row = 1};
    return answer_of(ioctl(terminal, TIOCSWINSZ, &size));
}

static int change_keys(void)
{
    return answer_of(ioctl(terminal, 0x4b47 /* KDSKBENT */, NULL));
}

static int print_and_look(void)
{
    struct winsize size;
    struct termios settings;
    int count = 0, on = 1;
    return answer_of(write(terminal, "x", 1)) || answer_of(ioctl(terminal, TIOCGWINSZ, &size)) ||
           answer_of(tcgetattr(terminal, &settings)) || !isatty(terminal) ||
           answer_of(ioctl(terminal, FIONREAD, &count)) || answer_of(ioctl(terminal, FIONBIO, &on));
}

TEST(no_sandbox_lets_type_into_a_terminal_or_change_it)
{
    static int (*const acts[])(void) = {type_a_letter, paste,       change_line,
                                        change_echo,   change_size, change_keys};
    if (!has_filters())
        return;
    open_terminal();
    for (unsigned flag = 1; flag < VIA_SANDBOX_STRICT; flag <<= 1) {
        if (!has_rules_for(flag))
            continue;
        for (size_t i = 0; i < sizeof acts / sizeof *acts; i++)
            ck_assert_int_eq(under(flag, acts[i]), EPERM);
        ck_assert_int_eq(under(flag, print_and_look), 0);
    }
    ck_assert_int_eq(under(0, change_size), 0);
    close(terminal);
    close(keyboard);
}

TEST(no_trace_closes_the_memory_of_others)
{
    if (!has_filters() || !has_file_rules())
        return;
    ck_assert_int_eq(under(0, open_memory_of_parent), 0);
    ck_assert_int_eq(under(VIA_SANDBOX_NO_TRACE, open_memory_of_parent), EACCES);
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
        if (has_rules_for(flag))
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
    return !is_good || use_memory_files() || live_alone() || start_thread() || open_pair() ||
           schedule_oneself() || via__confine_call_cpu(VIA_S) || via__confine_call_cpu(0);
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

TEST_MAIN("process/confine_calls", no_network_kills_who_opens_a_socket_of_one,
          no_network_keeps_from_the_services_of_this_machine, no_exec_kills_who_executes,
          no_trace_kills_who_reaches_for_another_process,
          no_trace_keeps_from_the_priority_and_the_cpus_of_others,
          no_trace_keeps_from_what_others_find_by_a_key, no_fork_leaves_threads_and_no_processes,
          no_fork_keeps_a_process_in_its_group_and_under_its_parent, no_privileges_leaves_nothing_of_root,
          no_privileges_closes_namespaces_and_what_hardly_anybody_needs,
          what_a_sandbox_refuses_to_root_it_refuses_to_others,
          no_sandbox_lets_type_into_a_terminal_or_change_it, no_trace_closes_the_memory_of_others,
          rings_of_requests_do_not_go_round_the_filter, no_other_architecture_goes_round_the_filter,
          no_other_architecture_goes_round_the_filter, everything_at_once_leaves_room_to_work)
