/* SPDX-License-Identifier: BSD-3-Clause */
/* Births and deaths: what a zygote's workers are like, and what is told of their ends. */
#include "unit/process/zygote_fixture.h"

static void close_pen(struct pen *pen)
{
    via__zygote_end(&pen->zygote);
    ck_assert_int_eq(pen->zygote.control, -1);
    ck_assert_int_eq(pen->zygote.pidfd, -1);
}

static const struct via__zygote *forgotten;
static int found_closing;

/* The linker puts this before the C library's own (see tests/local.mk). */
int __real_close(int fd);
int __wrap_close(int fd);
int __wrap_close(int fd)
{
    found_closing += forgotten && (fd == forgotten->control || fd == forgotten->pidfd);
    return __real_close(fd);
}

/* A child that is forked then would close them once more, whatever they are by then. */
TEST(descriptors_that_are_being_closed_are_not_found_in_a_zygote)
{
    struct via__zygote zygote = {.control = dup(STDIN_FILENO), .pidfd = dup(STDIN_FILENO), .pid = -1};
    forgotten = &zygote;
    via__zygote_forget(&zygote);
    forgotten = NULL;
    ck_assert_int_eq(found_closing, 0);
    ck_assert_int_eq(zygote.control, -1);
    ck_assert_int_eq(zygote.pidfd, -1);
}

/* What a worker ignores, as bits of its status: no terminal is to stop it. */
#define TERMINAL_SIGNALS (UINT64_C(1) << (SIGTTIN - 1) | UINT64_C(1) << (SIGTTOU - 1))

TEST(a_worker_has_what_it_is_given_and_nothing_else)
{
    struct pen pen;
    char expected[64];
    int leaked = fcntl(0, F_DUPFD, 50);
    make_pen(&pen);
    int given = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int control = ask_with(&pen, 12, given);
    pid_t pid = born(&pen, 12);
    struct facts facts = facts_of(control);

    ck_assert_int_eq(facts.pid, pid);
    ck_assert_int_eq(facts.parent, pen.zygote.pid);
    ck_assert_int_eq(facts.group, pid);
    ck_assert_int_eq(facts.is_warm, 1);
    ck_assert_int_eq(facts.stdin_null, 1);
    ck_assert_int_eq(facts.given, 1);
    ck_assert_int_eq(facts.inherited, 0);
    ck_assert_int_ge(facts.oom, 500);
    ck_assert_str_eq(facts.name, "pen-12");
    /* The directory, and the two that came with the request, in the lowest free places after the pidfd. */
    snprintf(expected, sizeof expected, "0 1 2 5 7 8");
    ck_assert_str_eq(facts.descriptors, expected);
    close(control);
    ck_assert_int_eq(died(&pen, 12, pid).wait_status, 0);
    close(given);
    close(leaked);
    close_pen(&pen);
}

TEST(signals_are_as_at_the_beginning)
{
    struct pen pen;
    block_everything();
    signal(SIGUSR1, SIG_IGN);
    make_pen(&pen);
    int control = ask(&pen, 1);
    pid_t pid = born(&pen, 1);
    struct facts facts = facts_of(control);

    ck_assert_uint_eq(facts.blocked, 0);
    ck_assert_uint_eq(facts.ignored, TERMINAL_SIGNALS);
    close(control);
    died(&pen, 1, pid);
    close_pen(&pen);
}

static void dies_with(struct pen *pen, const char *text, int expected)
{
    static uint64_t serial = UINT64_C(0x100000000);
    int control = ask(pen, ++serial);
    pid_t pid = born(pen, serial);
    order(control, text);
    struct via__zygote_event event = died(pen, serial, pid);
    int got = WIFSIGNALED(event.wait_status) ? -WTERMSIG(event.wait_status) : WEXITSTATUS(event.wait_status);
    ck_assert_int_eq(got, expected);
    await_end(control);
}

TEST(the_end_of_a_worker_is_told_exactly)
{
    struct pen pen;
    make_pen(&pen);
    dies_with(&pen, "segv", -SIGSEGV);
    dies_with(&pen, "abort", -SIGABRT);
    dies_with(&pen, "kill", -SIGKILL);
    dies_with(&pen, "exit", 7);
    close_pen(&pen);
}

TEST(a_pidfd_comes_with_the_birth)
{
    struct pen pen;
    make_pen(&pen);
    int control = ask(&pen, 1);
    struct via__zygote_event event = next_event(&pen, VIA__ZYGOTE_BORN);

    if (pen.zygote.pidfd >= 0) {
        ck_assert_int_ge(event.pidfd, 0);
        ck_assert_int_ne(fcntl(event.pidfd, F_GETFD) & FD_CLOEXEC, 0);
        ck_assert(!is_readable(event.pidfd, 0));
        order(control, "kill");
        ck_assert(is_readable(event.pidfd, via_test_bound_ns()));
        close(event.pidfd);
    }
    close(control);
    close_pen(&pen);
}

TEST(what_a_worker_has_used_is_told)
{
    struct pen pen;
    make_pen(&pen);
    int control = ask(&pen, 1);
    pid_t pid = born(&pen, 1);
    order_and_hear(control, "burn");
    close(control);
    struct via__zygote_event event = died(&pen, 1, pid);

    ck_assert_int_ge(event.user_ns + event.system_ns, 10 * VIA_MS);
    ck_assert_int_gt(event.max_rss_bytes, 4096);
    close_pen(&pen);
}

TEST(a_dead_workers_own_children_are_killed)
{
    struct pen pen;
    make_pen(&pen);
    int control = ask(&pen, 1);
    pid_t pid = born(&pen, 1);
    ck_assert_int_gt(order_and_hear(control, "breed"), 0);
    order(control, "exit");

    ck_assert_int_eq(WEXITSTATUS(died(&pen, 1, pid).wait_status), 7);
    await_end(control); /* which the child has inherited */
    close_pen(&pen);
}

TEST(a_worker_is_killed_whatever_it_does)
{
    struct pen pen;
    make_pen(&pen);
    const char *const orders[] = {"deaf", "breed", "leave"};
    for (uint64_t serial = 0; serial < 3; serial++) {
        int control = ask(&pen, serial);
        pid_t pid = born(&pen, serial);
        order_and_hear(control, orders[serial]);
        ck_assert_int_eq(via__zygote_kill(&pen.zygote, serial), 0);
        ck_assert_int_eq(WTERMSIG(died(&pen, serial, pid).wait_status), SIGKILL);
        await_end(control);
    }
    close_pen(&pen);
}

TEST(killing_what_is_not_there_does_nothing)
{
    struct pen pen;
    make_pen(&pen);
    ck_assert_int_eq(via__zygote_kill(&pen.zygote, 99), 0);
    dies_with(&pen, "exit", 7);
    ck_assert_int_eq(via__zygote_kill(&pen.zygote, UINT64_C(0x100000001)), 0);
    dies_with(&pen, "exit", 7);
    close_pen(&pen);
}

TEST(a_hundred_workers_in_a_burst)
{
    enum { COUNT = 100 };
    struct pen pen;
    int controls[COUNT], births = 0, deaths = 0;
    unsigned char seen[COUNT] = {0};
    make_pen(&pen);
    for (int i = 0; i < COUNT; i++)
        controls[i] = ask(&pen, (uint64_t)i);
    while (deaths < COUNT) {
        struct via__zygote_event event;
        ck_assert(is_readable(pen.zygote.control, via_test_bound_ns()));
        ck_assert_int_eq(via__zygote_next(&pen.zygote, &event), 1);
        ck_assert_uint_lt(event.serial, COUNT);
        int is_birth = event.kind == VIA__ZYGOTE_BORN;
        ck_assert_int_eq(event.kind, is_birth ? VIA__ZYGOTE_BORN : VIA__ZYGOTE_DIED);
        ck_assert_int_eq(seen[event.serial]++, is_birth ? 0 : 1);
        births += is_birth;
        deaths += !is_birth;
        if (!is_birth)
            continue;
        if (event.pidfd >= 0)
            close(event.pidfd);
        close(controls[event.serial]);
    }
    ck_assert_int_eq(births, COUNT);
    close_pen(&pen);
}

/* A request without descriptors is refused, which costs no process. */
static int ask_wrongly(struct pen *pen, uint64_t serial)
{
    struct via__request request = {.kind = VIA__REQUEST_BIRTH, .serial = serial};
    return via__fds_send(pen->zygote.control, &request, sizeof request, NULL, 0);
}

TEST(no_event_is_lost_when_the_socket_is_full)
{
    enum { COUNT = 3000 };
    static unsigned char seen[COUNT + 1];
    struct pen pen;
    uint64_t serial = 0;
    make_pen(&pen);
    /* More than its events' way takes at once; nothing is read meanwhile. */
    for (; serial < COUNT; serial++)
        AWAIT(ask_wrongly(&pen, serial) == 0);
    int control = ask(&pen, COUNT);
    order(control, "exit");
    await_end(control);
    for (int left = COUNT + 2; left > 0; left--) {
        struct via__zygote_event event;
        ck_assert(is_readable(pen.zygote.control, via_test_bound_ns()));
        ck_assert_int_eq(via__zygote_next(&pen.zygote, &event), 1);
        ck_assert_uint_le(event.serial, COUNT);
        if (event.serial == COUNT) {
            ck_assert_int_eq(event.kind, seen[COUNT] ? VIA__ZYGOTE_DIED : VIA__ZYGOTE_BORN);
            if (event.pidfd >= 0)
                close(event.pidfd);
        } else {
            ck_assert_int_eq(event.kind, VIA__ZYGOTE_UNBORN);
            ck_assert_int_eq(event.status, VIA_EINVAL);
        }
        ck_assert_int_eq(seen[event.serial]++, event.serial == COUNT ? seen[COUNT] - 1 : 0);
    }
    close_pen(&pen);
}

static void limit_descriptors(pid_t pid, rlim_t count)
{
    struct rlimit limit;
    ck_assert_int_eq(prlimit(pid, RLIMIT_NOFILE, NULL, &limit), 0);
    limit.rlim_cur = count;
    ck_assert_int_eq(prlimit(pid, RLIMIT_NOFILE, &limit, NULL), 0);
}

TEST(a_zygote_without_descriptors_refuses_births_and_lives)
{
    struct pen pen;
    struct rlimit before;
    make_pen(&pen);
    ck_assert_int_eq(prlimit(pen.zygote.pid, RLIMIT_NOFILE, NULL, &before), 0);
    limit_descriptors(pen.zygote.pid, 6);
    int control = ask(&pen, 1);
    struct via__zygote_event event = next_event(&pen, VIA__ZYGOTE_UNBORN);
    ck_assert_uint_eq(event.serial, 1);
    ck_assert_int_eq(event.status, -EMFILE);
    await_end(control);
    limit_descriptors(pen.zygote.pid, before.rlim_cur);
    dies_with(&pen, "exit", 7);
    close_pen(&pen);
}

TEST(a_program_without_descriptors_hears_of_the_birth)
{
    struct pen pen;
    struct rlimit before;
    make_pen(&pen);
    int control = ask(&pen, 1);
    ck_assert(is_readable(pen.zygote.control, via_test_bound_ns()));
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    limit_descriptors(0, 3);
    struct via__zygote_event event = next_event(&pen, VIA__ZYGOTE_BORN);
    ck_assert_int_eq(event.pidfd, -1);
    limit_descriptors(0, before.rlim_cur);
    close(control);
    died(&pen, 1, event.pid);
    close_pen(&pen);
}

TEST(a_refused_fork_is_told)
{
    struct pen pen;
    /* Of all that make a process, only fork() does not share memory with it. */
    break_call(SYS_clone, 0, 0x100 /* CLONE_VM */, 0, EAGAIN);
    make_pen(&pen);
    int control = ask(&pen, 1);
    struct via__zygote_event event = next_event(&pen, VIA__ZYGOTE_UNBORN);

    ck_assert_uint_eq(event.serial, 1);
    ck_assert_int_eq(event.status, VIA_EAGAIN);
    await_end(control);
    close_pen(&pen);
}

TEST(without_pidfds_everything_else_works)
{
    struct pen pen;
    break_call(SYS_pidfd_open, 1, 0, 0, ENOSYS);
    make_pen(&pen);
    ck_assert_int_eq(pen.zygote.pidfd, -1);
    int control = ask(&pen, 1);
    struct via__zygote_event event = next_event(&pen, VIA__ZYGOTE_BORN);
    ck_assert_int_eq(event.pidfd, -1);
    order(control, "exit");
    ck_assert_int_eq(WEXITSTATUS(died(&pen, 1, event.pid).wait_status), 7);
    close(control);
    close_pen(&pen);
}

TEST(a_worker_can_be_started_anew)
{
    struct pen pen;
    pen_prepare(&pen);
    pen.options.fresh_exec = 1;
    pen_open(&pen);
    int given = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int control = ask_with(&pen, 3, given);
    pid_t pid = born(&pen, 3);
    struct facts facts = facts_of(control);

    ck_assert_int_eq(facts.pid, pid);
    ck_assert_int_eq(facts.parent, pen.zygote.pid);
    ck_assert_int_eq(facts.group, pid);
    ck_assert_int_eq(facts.is_warm, 0);
    ck_assert_int_eq(facts.given, 1);
    ck_assert_int_eq(facts.inherited, 0);
    ck_assert_int_ge(facts.oom, 500);
    ck_assert_str_eq(facts.name, "pen-3");
    ck_assert_str_eq(facts.descriptors, "0 1 2 3 5 6");
    ck_assert_uint_eq(facts.blocked, 0);
    ck_assert_uint_eq(facts.ignored, TERMINAL_SIGNALS);
    order(control, "exit");
    ck_assert_int_eq(WEXITSTATUS(died(&pen, 3, pid).wait_status), 7);
    close(control);
    close(given);
    close_pen(&pen);
}

TEST(a_worker_that_cannot_be_started_anew_says_why)
{
    struct pen pen;
    struct via__hello hello;
    pen_prepare(&pen);
    pen.options.fresh_exec = 1;
    pen_open(&pen);
    limit_descriptors(pen.zygote.pid, 10);
    int control = ask(&pen, 3);
    pid_t pid = born(&pen, 3);
    hear(control, &hello, sizeof hello);

    ck_assert_int_lt(hello.status, 0);
    ck_assert_ptr_nonnull(strstr(hello.text, "could not start the program anew: "));
    ck_assert_int_eq(WEXITSTATUS(died(&pen, 3, pid).wait_status), VIA__EXIT_NOT_ENTERED);
    close(control);
    close_pen(&pen);
}

int main(void)
{
    const TTest *const tests[] = {a_worker_has_what_it_is_given_and_nothing_else,
                                  signals_are_as_at_the_beginning,
                                  the_end_of_a_worker_is_told_exactly,
                                  a_pidfd_comes_with_the_birth,
                                  what_a_worker_has_used_is_told,
                                  a_dead_workers_own_children_are_killed,
                                  a_worker_is_killed_whatever_it_does,
                                  killing_what_is_not_there_does_nothing,
                                  a_hundred_workers_in_a_burst,
                                  no_event_is_lost_when_the_socket_is_full,
                                  a_zygote_without_descriptors_refuses_births_and_lives,
                                  a_program_without_descriptors_hears_of_the_birth,
                                  a_refused_fork_is_told,
                                  without_pidfds_everything_else_works,
                                  a_worker_can_be_started_anew,
                                  a_worker_that_cannot_be_started_anew_says_why,
                                  descriptors_that_are_being_closed_are_not_found_in_a_zygote,
                                  NULL};
    return pen_main("process/zygote", tests);
}
