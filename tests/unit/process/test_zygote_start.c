/* SPDX-License-Identifier: BSD-3-Clause */
/* Programs that are set up wrongly: what a copy does instead of entering, and what is said of it. */
#include "unit/process/zygote_fixture.h"

#include <sched.h>

#define MISTAKE "VIA_TEST_MISTAKE"

/* What a copy of this program does before it enters, or instead. */
static void *wait_for_ever(void *unused)
{
    (void)unused;
    for (;;)
        pause();
    return NULL;
}

static void make_mistake(const char *mistake)
{
    pthread_t thread;
    if (strcmp(mistake, "exit") == 0)
        _exit(2);
    if (strcmp(mistake, "load") == 0)
        _exit(127); /* as the loader does */
    if (strcmp(mistake, "crash") == 0)
        die_of(SIGSEGV);
    if (strcmp(mistake, "hang") == 0)
        block_everything();
    if (strcmp(mistake, "close") == 0)
        close(VIA__FD_CONTROL);
    if (strcmp(mistake, "write") == 0)
        (void)!write(VIA__FD_CONTROL, "hello", 5);
    if (strcmp(mistake, "configure") == 0)
        close(VIA__FD_CONFIG);
    if (strcmp(mistake, "forget") == 0) {
        struct via__why why;
        via__enter_check(&why); /* as via_process_pool_new() does */
    }
    if (strcmp(mistake, "thread") == 0)
        pthread_create(&thread, NULL, wait_for_ever, NULL);
    else if (strcmp(mistake, "configure") != 0)
        wait_for_ever(NULL);
}

/* Starts a copy that makes this mistake; gives the status. */
static int start_with(const char *mistake, int64_t timeout_ns, struct via__why *why)
{
    struct pen pen;
    pen_prepare(&pen);
    ck_assert_int_eq(setenv(MISTAKE, mistake, 1), 0);
    int status = pen_try(&pen, timeout_ns, why);
    ck_assert_int_eq(unsetenv(MISTAKE), 0);
    ck_assert_int_eq(pen.zygote.control, -1); /* untouched */
    /* Nothing is left, not even a zombie. */
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
    ck_assert_int_eq(errno, ECHILD);
    return status;
}

static void says(const char *mistake, int status, const char *text)
{
    struct via__why why = {""};
    ck_assert_int_eq(start_with(mistake, via_test_bound_ns(), &why), status);
    ck_assert_msg(strncmp(why.text, text, strlen(text)) == 0, "\"%s\"", why.text);
}

TEST(a_copy_that_exits_first)
{
    says(
        "exit", VIA_ESETUP,
        "a worker process exited with status 2 before the handshake; via_process_enter() has to be the first "
        "thing that main() calls, on every path");
}

TEST(a_copy_that_is_not_loaded)
{
    says(
        "load", VIA_ESETUP,
        "a worker process exited with status 127 before the handshake: most likely the loader did not find a "
        "library; has the program changed its environment (LD_LIBRARY_PATH)?");
}

TEST(a_copy_that_crashes_first)
{
    says("crash", VIA_ESETUP, "a worker process was killed by signal 11 before the handshake; ");
}

TEST(a_copy_that_never_comes_to_the_line)
{
    struct via__why why = {""};
    ck_assert_int_eq(start_with("hang", 50 * VIA_MS, &why), VIA_ETIMEDOUT);
    ck_assert_str_eq(why.text, "a worker process did not reach via_process_enter() in 50 ms; "
                               "via_process_enter() has to be the first thing that main() calls, on every "
                               "path");
}

TEST(a_copy_that_closes_what_it_was_given)
{
    struct via__why why = {""};
    ck_assert_int_eq(start_with("close", via_test_bound_ns(), &why), VIA_ESETUP);
    ck_assert_ptr_nonnull(strstr(why.text, "closed its descriptors before the handshake"));
}

TEST(a_copy_that_writes_where_it_should_not)
{
    says("write", VIA_ESETUP, "a worker process wrote to its control socket; ");
}

TEST(a_copy_that_comes_past_the_line)
{
    says("forget", VIA_ESETUP, "a worker process came to via_process_pool_new() without passing ");
}

/* A fork would copy the locks of the other thread as they are, so each worker is the program started anew. */
TEST(a_copy_that_has_threads_starts_its_workers_anew)
{
    struct pen pen;
    struct via__why why = {""};
    pen_prepare(&pen);
    ck_assert_int_eq(setenv(MISTAKE, "thread", 1), 0);
    ck_assert_int_eq(pen_try(&pen, via_test_bound_ns(), &why), 0);
    ck_assert_int_eq(unsetenv(MISTAKE), 0);
    ck_assert_msg(strncmp(why.text, "a library starts a thread before main() calls ", 46) == 0, "%s",
                  why.text);
    for (uint64_t serial = 1; serial <= 20; serial++) {
        int control = ask(&pen, serial);
        pid_t pid = born(&pen, serial);
        struct facts facts = facts_of(control);
        ck_assert_int_eq(facts.pid, pid);
        ck_assert_int_eq(facts.parent, pen.zygote.pid);
        ck_assert_int_eq(facts.group, pid);
        ck_assert_int_eq(facts.is_warm, 0);
        ck_assert_int_eq(facts.inherited, 0);
        order(control, "exit");
        ck_assert_int_eq(WEXITSTATUS(died(&pen, serial, pid).wait_status), 7); // whoever gets the signal
        close(control);
    }
    via__zygote_end(&pen.zygote);
}

TEST(a_copy_that_cannot_read_its_configuration)
{
    says("configure", VIA_ESETUP, "the configuration of the worker processes is not readable");
}

/* In a child, since other things make processes too, as sanitizers at the end. */
static int start_refused(void *unused)
{
    struct pen pen;
    struct via__why why = {""};
    (void)unused;
    pen_prepare(&pen);
    break_call(SYS_clone, 0, 0x100 /* CLONE_VM */, 0x100, EAGAIN);
    break_call(SYS_clone3, 0, 0, 0, EAGAIN);
    int status = pen_try(&pen, via_test_bound_ns(), &why);
    return status == VIA_EAGAIN && strstr(why.text, "refused a process") && pen.zygote.control == -1 ? 23 : 1;
}

TEST(a_refused_process_is_told)
{
    ck_assert_int_eq(via_test_fork(start_refused, NULL), 23);
}

TEST(a_refused_descriptor_is_told)
{
    struct pen pen;
    struct via__why why = {""};
    struct rlimit limit, before;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    int least = fcntl(0, F_DUPFD, 0);
    close(least);
    /* Two for what every try has; then one more each time, until it is enough. */
    for (int more = 2, status = VIA_EAGAIN; status != 0; more++) {
        pen_prepare(&pen);
        ck_assert_int_lt(more, 40);
        limit = before;
        limit.rlim_cur = (rlim_t)(least + more);
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
        status = pen_try(&pen, via_test_bound_ns(), &why);
        ck_assert_msg(status == 0 || status == VIA_EAGAIN, "%d: %s: %s", more, via_status_name(status),
                      why.text);
    }
    via__zygote_end(&pen.zygote);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
}

/* The numbers that a copy's descriptors get may be in use by the very descriptors it is to get. */
TEST(any_numbers_of_the_descriptors_do)
{
    struct pen pen;
    int fillers[3], count = 0;
    pen_prepare(&pen);
    for (; count < 3; count++)
        fillers[count] = fcntl(0, F_DUPFD_CLOEXEC, 0);
    for (int hole = 0; hole < 3; hole++) {
        close(fillers[hole]);
        pen_open(&pen);
        via__zygote_end(&pen.zygote);
        fillers[hole] = fcntl(0, F_DUPFD_CLOEXEC, 0);
    }
    via__fds_close(fillers, count);
}

TEST(closed_standard_descriptors_do_not_matter)
{
    struct pen pen;
    int kept[3];
    for (int fd = 0; fd < 3; fd++)
        kept[fd] = fcntl(fd, F_DUPFD_CLOEXEC, 20);
    for (int fd = 0; fd < 3; fd++)
        close(fd);
    make_pen(&pen);
    int control = ask(&pen, 1);
    pid_t pid = born(&pen, 1);
    struct facts facts = facts_of(control);
    close(control);
    died(&pen, 1, pid);
    via__zygote_end(&pen.zygote);
    for (int fd = 0; fd < 3; fd++) {
        dup2(kept[fd], fd);
        close(kept[fd]);
    }
    ck_assert_int_eq(strncmp(facts.descriptors, "0 1 2 5 ", 8), 0);
    ck_assert_int_eq(facts.stdin_null, 1);
}

TEST(a_program_that_ignores_its_children_can_start_one)
{
    struct pen pen;
    signal(SIGCHLD, SIG_IGN);
    make_pen(&pen);
    int control = ask(&pen, 1);
    pid_t pid = born(&pen, 1);
    order(control, "exit");
    ck_assert_int_eq(WEXITSTATUS(died(&pen, 1, pid).wait_status), 7);
    close(control);
    via__zygote_end(&pen.zygote);

    struct via__why why = {""};
    ck_assert_int_eq(setenv(MISTAKE, "exit", 1), 0);
    ck_assert_int_eq(pen_try(&pen, via_test_bound_ns(), &why), VIA_ESETUP);
    ck_assert_ptr_nonnull(strstr(why.text, "a worker process ended before the handshake; "));
    ck_assert_int_eq(unsetenv(MISTAKE), 0);
}

/* A thread that is confined to one CPU may be the one that starts the zygote. */
static void *start_confined(void *arg)
{
    cpu_set_t all, one;
    int cpu = 0;
    sched_getaffinity(0, sizeof all, &all);
    while (!CPU_ISSET(cpu, &all))
        cpu++;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    sched_setaffinity(0, sizeof one, &one);
    make_pen(arg);
    return NULL;
}

TEST(the_starting_threads_cpus_do_not_matter)
{
    struct pen pen;
    struct via_test_thread thread;
    cpu_set_t mine, its;
    via_test_thread_start(&thread, start_confined, &pen);
    via_test_thread_join(&thread);
    ck_assert_int_eq(sched_getaffinity(0, sizeof mine, &mine), 0);
    ck_assert_int_eq(sched_getaffinity(pen.zygote.pid, sizeof its, &its), 0);
    ck_assert(CPU_EQUAL(&mine, &its));
    via__zygote_end(&pen.zygote);
}

int main(void)
{
    const TTest *const tests[] = {a_copy_that_exits_first,
                                  a_copy_that_is_not_loaded,
                                  a_copy_that_crashes_first,
                                  a_copy_that_never_comes_to_the_line,
                                  a_copy_that_closes_what_it_was_given,
                                  a_copy_that_writes_where_it_should_not,
                                  a_copy_that_comes_past_the_line,
                                  a_copy_that_has_threads_starts_its_workers_anew,
                                  a_copy_that_cannot_read_its_configuration,
                                  a_refused_process_is_told,
                                  a_refused_descriptor_is_told,
                                  any_numbers_of_the_descriptors_do,
                                  closed_standard_descriptors_do_not_matter,
                                  a_program_that_ignores_its_children_can_start_one,
                                  the_starting_threads_cpus_do_not_matter,
                                  NULL};
    if (getenv(MISTAKE))
        make_mistake(getenv(MISTAKE));
    return pen_main("process/zygote_start", tests);
}
