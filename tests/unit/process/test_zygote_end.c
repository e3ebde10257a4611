/* SPDX-License-Identifier: BSD-3-Clause */
/* Ends: of the program, of the zygote, of both in good order.  Nothing survives any of them. */
#include "unit/process/zygote_fixture.h"

enum { WORKERS = 4 };

/* A program of the test's, with a zygote and workers of all tempers. */
struct program {
    pid_t pid;
    int alive; /* ends when every process that the program has started has gone */
    pid_t zygote, stopped, copy;
    int hold; /* to be closed to let the copy go */
};

struct report {
    pid_t zygote, stopped, copy;
};

/* A forked copy of the program, which holds all that its parent has open until it is let go. */
static pid_t fork_holder(int alive, const int hold[2])
{
    char byte;
    pid_t pid = fork();
    if (pid == 0) {
        close(alive);
        close(hold[1]);
        (void)!read(hold[0], &byte, 1);
        _exit(0);
    }
    return pid;
}

static void live_as_program(int alive, int report_to, const int hold[2], int has_copy)
{
    static const char *const orders[WORKERS] = {"deaf", "deaf", "breed", "stop"};
    struct report report = {0};
    struct pen pen;
    make_pen(&pen);
    for (int i = 0; i < WORKERS; i++) {
        int control = ask_with(&pen, (uint64_t)i, alive);
        pid_t pid = born(&pen, (uint64_t)i);
        if (i < WORKERS - 1) {
            order_and_hear(control, orders[i]);
            continue;
        }
        order(control, orders[i]);
        report.stopped = pid;
    }
    AWAIT(state_of(report.stopped) == 'T');
    report.zygote = pen.zygote.pid;
    report.copy = has_copy ? fork_holder(alive, hold) : 0;
    (void)!write(report_to, &report, sizeof report);
    for (;;)
        pause();
}

static void start_program(struct program *program, int has_copy)
{
    struct report report;
    int alive[2], told[2], hold[2];
    ck_assert_int_eq(pipe2(alive, O_CLOEXEC), 0);
    ck_assert_int_eq(pipe2(told, O_CLOEXEC), 0);
    ck_assert_int_eq(pipe2(hold, O_CLOEXEC), 0);
    program->pid = fork();
    ck_assert_int_ge(program->pid, 0);
    if (program->pid == 0) {
        close(alive[0]);
        live_as_program(alive[1], told[1], hold, has_copy);
    }
    close(alive[1]);
    close(told[1]);
    close(hold[0]);
    ck_assert(is_readable(told[0], via_test_bound_ns()));
    ck_assert_int_eq(read(told[0], &report, sizeof report), sizeof report);
    close(told[0]);
    program->alive = alive[0];
    program->hold = hold[1];
    program->zygote = report.zygote;
    program->stopped = report.stopped;
    program->copy = report.copy;
}

/* Kills it without warning; all must go. */
static void kill_program(struct program *program)
{
    int pidfd = via__pidfd_open(program->zygote);
    ck_assert(!is_readable(program->alive, 0));
    ck_assert_int_eq(kill(program->pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(program->pid, NULL, 0), program->pid);
    await_end(program->alive);
    if (pidfd >= 0) {
        ck_assert(is_readable(pidfd, via_test_bound_ns()));
        close(pidfd);
    }
}

TEST(nothing_survives_the_program)
{
    struct program program;
    start_program(&program, 0);
    kill_program(&program);
    close(program.hold);
}

TEST(nothing_survives_the_program_though_a_copy_holds_its_sockets)
{
    struct program program;
    start_program(&program, 1);
    kill_program(&program);
    ck_assert_int_eq(kill(program.copy, 0), 0); /* it was there all the time */
    close(program.hold);
}

TEST(nothing_survives_the_program_where_there_are_no_pidfds)
{
    struct program program;
    break_call(SYS_pidfd_open, 1, 0, 0, ENOSYS);
    start_program(&program, 1);
    kill_program(&program);
    close(program.hold);
}

/* A pen with workers of all tempers, and what tells whether one of their processes is left. */
static int make_full_pen(struct pen *pen, int *controls)
{
    static const char *const orders[WORKERS] = {"deaf", "deaf", "breed", "stop"};
    int alive[2];
    ck_assert_int_eq(pipe2(alive, O_CLOEXEC), 0);
    make_pen(pen);
    for (int i = 0; i < WORKERS; i++) {
        controls[i] = ask_with(pen, (uint64_t)i, alive[1]);
        pid_t pid = born(pen, (uint64_t)i);
        if (i < WORKERS - 1) {
            order_and_hear(controls[i], orders[i]);
            continue;
        }
        order(controls[i], orders[i]);
        AWAIT(state_of(pid) == 'T');
    }
    close(alive[1]);
    return alive[0];
}

TEST(the_end_of_a_zygote_is_the_end_of_all)
{
    struct pen pen;
    int controls[WORKERS];
    int alive = make_full_pen(&pen, controls);
    pid_t pid = pen.zygote.pid;
    via__zygote_end(&pen.zygote);

    ck_assert_int_eq(waitpid(pid, NULL, WNOHANG), -1);
    await_end(alive);
    via__fds_close(controls, WORKERS);
    via__zygote_end(&pen.zygote); /* does nothing */
}

TEST(a_stopped_zygote_ends_in_the_same_way)
{
    struct pen pen;
    int controls[WORKERS];
    int alive = make_full_pen(&pen, controls);
    pid_t pid = pen.zygote.pid;
    ck_assert_int_eq(kill(pid, SIGSTOP), 0);
    AWAIT(state_of(pid) == 'T');
    via__zygote_end(&pen.zygote);

    ck_assert_int_eq(waitpid(pid, NULL, WNOHANG), -1);
    await_end(alive);
    via__fds_close(controls, WORKERS);
}

/* Kills a zygote whose workers have no children, which nothing would find. */
static void kill_zygote(struct pen *pen)
{
    int controls[2];
    struct via__zygote_event event = {.kind = 0};
    controls[0] = ask(pen, 1);
    born(pen, 1);
    controls[1] = ask(pen, 2);
    born(pen, 2);
    order_and_hear(controls[0], "deaf");
    ck_assert_int_eq(kill(pen->zygote.pid, SIGKILL), 0);
    await_end(controls[0]);
    await_end(controls[1]);
    ck_assert(is_readable(pen->zygote.control, via_test_bound_ns()));
    ck_assert_int_eq(via__zygote_next(&pen->zygote, &event), VIA_ESHUTDOWN);
    if (pen->zygote.pidfd >= 0)
        ck_assert(is_readable(pen->zygote.pidfd, via_test_bound_ns()));
}

TEST(workers_die_with_a_killed_zygote)
{
    struct pen pen;
    int ends[2];
    make_pen(&pen);
    kill_zygote(&pen);
    ck_assert_int_eq(via__fds_pair(ends), 0);
    ck_assert_int_lt(via__zygote_ask(&pen.zygote, 3, ends, 1), 0);
    ck_assert_int_lt(via__zygote_kill(&pen.zygote, 3), 0);
    via__zygote_end(&pen.zygote);
    ck_assert_int_eq(via__zygote_ask(&pen.zygote, 3, ends, 1), VIA_ESHUTDOWN);
    via__fds_close(ends, 2);
    /* Another is as good. */
    pen_open(&pen);
    kill_zygote(&pen);
    via__zygote_end(&pen.zygote);
}

TEST(a_zygote_that_somebody_else_reaped_is_no_trouble)
{
    struct pen pen;
    make_pen(&pen);
    pid_t pid = pen.zygote.pid;
    kill_zygote(&pen);
    ck_assert_int_eq(waitpid(-1, NULL, 0), pid);
    via__zygote_end(&pen.zygote);
    ck_assert_int_eq(pen.zygote.control, -1);
}

TEST(only_the_zygote_is_a_child_of_the_program)
{
    struct pen pen;
    make_pen(&pen);
    int control = ask(&pen, 1);
    pid_t pid = born(&pen, 1);
    order(control, "exit");
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), 0);
    ck_assert_int_eq(waitpid(pid, NULL, WNOHANG), -1);
    ck_assert_int_eq(errno, ECHILD);
    ck_assert_int_eq(WEXITSTATUS(died(&pen, 1, pid).wait_status), 7);
    close(control);
    via__zygote_end(&pen.zygote);
}

static int forget(void *pen)
{
    via__zygote_forget(&((struct pen *)pen)->zygote);
    return ((struct pen *)pen)->zygote.control == -1 ? 0 : 1;
}

TEST(a_forked_child_that_forgets_a_zygote_does_it_no_harm)
{
    struct pen pen;
    make_pen(&pen);
    int control = ask(&pen, 1);
    pid_t pid = born(&pen, 1);
    ck_assert_int_eq(via_test_fork(forget, &pen), 0);
    order(control, "exit");
    ck_assert_int_eq(WEXITSTATUS(died(&pen, 1, pid).wait_status), 7);
    close(control);
    via__zygote_end(&pen.zygote);
}

TEST(nonsense_from_a_zygote_is_told)
{
    int ends[2], fds[] = {0, 0};
    struct via__zygote zygote = {.pidfd = -1, .pid = -1};
    struct via__zygote_event event = {.kind = 0}, got = {.kind = 0};
    ck_assert_int_eq(via__fds_pair(ends), 0);
    zygote.control = ends[0];

    ck_assert_int_eq(via__zygote_next(&zygote, &got), 0);
    ck_assert_int_eq(via__fds_send(ends[1], "short", 5, NULL, 0), 0);
    ck_assert_int_eq(via__zygote_next(&zygote, &got), VIA_ECORRUPT);
    ck_assert_int_eq(via__fds_send(ends[1], &event, sizeof event, NULL, 0), 0);
    ck_assert_int_eq(via__zygote_next(&zygote, &got), VIA_ECORRUPT);
    event.kind = VIA__ZYGOTE_DIED;
    ck_assert_int_eq(via__fds_send(ends[1], &event, sizeof event, fds, 1), 0);
    ck_assert_int_eq(via__zygote_next(&zygote, &got), VIA_ECORRUPT);
    event.kind = VIA__ZYGOTE_BORN;
    ck_assert_int_eq(via__fds_send(ends[1], &event, sizeof event, fds, 2), 0);
    ck_assert_int_eq(via__zygote_next(&zygote, &got), VIA_ECORRUPT);
    ck_assert_int_eq(got.kind, 0);
    via__fds_close(ends, 2);
}

int main(void)
{
    const TTest *const tests[] = {nothing_survives_the_program,
                                  nothing_survives_the_program_though_a_copy_holds_its_sockets,
                                  nothing_survives_the_program_where_there_are_no_pidfds,
                                  the_end_of_a_zygote_is_the_end_of_all,
                                  a_stopped_zygote_ends_in_the_same_way,
                                  workers_die_with_a_killed_zygote,
                                  a_zygote_that_somebody_else_reaped_is_no_trouble,
                                  only_the_zygote_is_a_child_of_the_program,
                                  a_forked_child_that_forgets_a_zygote_does_it_no_harm,
                                  nonsense_from_a_zygote_is_told,
                                  NULL};
    return pen_main("process/zygote_end", tests);
}
