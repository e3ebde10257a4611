/* SPDX-License-Identifier: BSD-3-Clause */
/* What a worker gives up, but for system calls: files, threads that are there before, limits. */
#include "confine_fixture.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

/* ---- files ---- */

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

static int change_flags(void)
{
    int flags = 0, fd = open(here, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return answer_of(ioctl(fd, _IOW('f', 2, long) /* FS_IOC_SETFLAGS */, &flags));
}

static int change_times(void)
{
    return answer_of(utimensat(AT_FDCWD, here, NULL, 0));
}

static int write_to_nowhere(void)
{
    return answer_of(open("/dev/null", O_WRONLY | O_CLOEXEC));
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
    ck_assert_int_eq(under(VIA_SANDBOX_READ_ONLY, change_flags), EROFS);
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
    struct via_process_pool_options options = {.limits = {.files = 15}};
    check_says(&options, VIA_EINVAL, "descriptors");
    options.limits = (struct via_process_limits){.cpu_ns = -1};
    check_says(&options, VIA_EINVAL, "CPU time");
    options.limits = (struct via_process_limits){.call_cpu_ns = -1};
    check_says(&options, VIA_EINVAL, "CPU time");
    options.limits = (struct via_process_limits){.files = 16, .cpu_ns = 1, .call_cpu_ns = 1};
    check_says(&options, 0, "");
    options.sandbox = VIA_SANDBOX_STRICT + 1;
    check_says(&options, VIA_EINVAL, "0x80");
    options.sandbox = VIA_SANDBOX_STRICT;
    if (has_filters() && has_file_rules())
        check_says(&options, 0, "");
}

TEST(paths_that_mean_nothing_are_refused)
{
    static const char *const nothing[] = {"", NULL}, *const missing[] = {"/tmp", "/no/such/path", NULL};
    struct via_process_pool_options options = {.sandbox = 0, .readable_paths = nothing};
    check_says(&options, VIA_EINVAL, "readable_paths: all files can be read without VIA_SANDBOX_NO_FILES");
    if (!has_filters() || !has_file_rules())
        return;
    options.sandbox = VIA_SANDBOX_READ_ONLY;
    check_says(&options, VIA_EINVAL, "readable_paths: all files can be read without VIA_SANDBOX_NO_FILES");
    options.sandbox = VIA_SANDBOX_NO_FILES;
    check_says(&options, VIA_EINVAL, "readable_paths: a path is empty");
    options.readable_paths = NULL;
    options.writable_paths = missing;
    check_says(&options, VIA_EINVAL, "writable_paths: /no/such/path: ");
    options.sandbox = VIA_SANDBOX_NO_TRACE;
    check_says(&options, VIA_EINVAL, "writable_paths: all files can be written without ");
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

TEST_MAIN("process/confine", read_only_refuses_changes_but_where_they_are_allowed,
          no_files_refuses_all_but_what_is_given, readable_paths_can_be_read_and_no_more,
          a_path_that_has_gone_is_told, the_filter_reaches_threads_and_where_files_do_not_it_is_told,
          limits_are_set_for_good, limits_that_are_not_asked_for_stay_and_none_is_raised_beyond_the_programs,
          a_limit_of_memory_is_one_of_private_memory, no_worker_can_gain_privileges,
          a_call_is_killed_at_its_cpu_time_whatever_it_blocks, what_cannot_be_asked_for_is_refused,
          paths_that_mean_nothing_are_refused, what_the_system_cannot_do_is_not_supported)
