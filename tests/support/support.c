/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The runner, and the tools that make threads wait for each other: gates, counted payloads, recorders.
 */
#include "support/support.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* The seconds that one test may take, unless CK_DEFAULT_TIMEOUT says otherwise. */
#define TEST_TIMEOUT_S 60
/* The seconds that one wait in it may take: only what will never come is waited for so long. */
#define BOUND_S  30
#define NS_PER_S INT64_C(1000000000)

/* Whoever starts a program may have closed them; what is opened later must not take their numbers. */
static void open_standard_descriptors(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    close(fd);
}

int via_test_main(const char *suite, const TTest *const *tests)
{
    Suite *all = suite_create(suite);
    TCase *tcase = tcase_create(suite);
    SRunner *runner;
    int failed;

    open_standard_descriptors();
    if (!getenv("CK_DEFAULT_TIMEOUT"))
        tcase_set_timeout(tcase, TEST_TIMEOUT_S);
    for (; *tests; tests++)
        tcase_add_test(tcase, *tests);
    suite_add_tcase(all, tcase);
    runner = srunner_create(all);
    srunner_set_tap(runner, "-");
    srunner_run_all(runner, CK_SILENT);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

int64_t via_test_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * NS_PER_S + now.tv_nsec;
}

int64_t via_test_bound_ns(void)
{
    const char *text = getenv("CK_TIMEOUT_MULTIPLIER");
    int64_t factor = text ? strtol(text, NULL, 10) : 1;

    return (factor > 0 ? factor : 1) * BOUND_S * NS_PER_S;
}

int via_test_under_valgrind(void)
{
    return getenv("VIADUCT_UNDER_VALGRIND") != NULL;
}

void via_test_yield(void)
{
    sched_yield();
}

/* Waits on a gate's condition until the bound is over; returns whether there is time left. */
static int gate_wait(struct via_test_gate *gate, int64_t end_ns)
{
    struct timespec when;
    int64_t left_ns = end_ns - via_test_now_ns();

    if (left_ns <= 0)
        return 0;
    clock_gettime(CLOCK_REALTIME, &when);
    left_ns += when.tv_sec * NS_PER_S + when.tv_nsec;
    when.tv_sec = left_ns / NS_PER_S;
    when.tv_nsec = left_ns % NS_PER_S;
    pthread_cond_timedwait(&gate->changed, &gate->lock, &when);
    return 1;
}

void via_test_gate_pass(struct via_test_gate *gate)
{
    int64_t end_ns = via_test_now_ns() + via_test_bound_ns();

    pthread_mutex_lock(&gate->lock);
    gate->arrived++;
    pthread_cond_broadcast(&gate->changed);
    while (!gate->open && gate->passes == 0)
        if (!gate_wait(gate, end_ns))
            break;
    if (!gate->open && gate->passes > 0)
        gate->passes--;
    pthread_mutex_unlock(&gate->lock);
}

int via_test_gate_call(void *gate, void **result)
{
    (void)result;
    via_test_gate_pass(gate);
    return 0;
}

void via_test_gate_await(struct via_test_gate *gate, int count)
{
    int64_t end_ns = via_test_now_ns() + via_test_bound_ns();
    int arrived;

    pthread_mutex_lock(&gate->lock);
    while (gate->arrived < count && gate_wait(gate, end_ns))
        continue;
    arrived = gate->arrived;
    pthread_mutex_unlock(&gate->lock);
    ck_assert_msg(arrived >= count, "%d came to the gate instead of %d", arrived, count);
}

int via_test_gate_arrived(struct via_test_gate *gate)
{
    int arrived;

    pthread_mutex_lock(&gate->lock);
    arrived = gate->arrived;
    pthread_mutex_unlock(&gate->lock);
    return arrived;
}

void via_test_gate_admit(struct via_test_gate *gate, int count)
{
    pthread_mutex_lock(&gate->lock);
    gate->passes += count;
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->lock);
}

void via_test_gate_open(struct via_test_gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    gate->open = 1;
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->lock);
}

void via_test_counted_destroy(void *counted)
{
    struct via_test_counted *payload = counted;

    payload->destroyed_in = pthread_self();
    /* Release pairs with the acquire in via_test_destroyed(): who sees the count sees the thread. */
    __atomic_add_fetch(&payload->destroyed, 1, __ATOMIC_RELEASE);
}

int via_test_destroyed(const struct via_test_counted *counted)
{
    /* Acquire pairs with the release in via_test_counted_destroy(). */
    return __atomic_load_n(&counted->destroyed, __ATOMIC_ACQUIRE);
}

void via_test_record(struct via_test_recorder *recorder, const char *format, ...)
{
    va_list values;

    pthread_mutex_lock(&recorder->lock);
    if (recorder->length > 0 && recorder->length + 1 < sizeof(recorder->text))
        recorder->text[recorder->length++] = ' ';
    va_start(values, format);
    int added = vsnprintf(recorder->text + recorder->length, sizeof(recorder->text) - recorder->length,
                          format, values);
    va_end(values);
    recorder->length += added > 0 ? (size_t)added : 0;
    int full = recorder->length >= sizeof(recorder->text);
    pthread_mutex_unlock(&recorder->lock);
    ck_assert_msg(!full, "the recorder is full");
}

void via_test_recorder_clear(struct via_test_recorder *recorder)
{
    pthread_mutex_lock(&recorder->lock);
    recorder->length = 0;
    recorder->text[0] = '\0';
    pthread_mutex_unlock(&recorder->lock);
}

void via_test_assert_record(struct via_test_recorder *recorder, const char *expected, const char *file,
                            int line)
{
    char text[sizeof(recorder->text)];

    pthread_mutex_lock(&recorder->lock);
    memcpy(text, recorder->text, sizeof(text));
    pthread_mutex_unlock(&recorder->lock);
    if (strcmp(text, expected) != 0)
        ck_abort_msg("%s:%d: recorded \"%s\", expected \"%s\"", file, line, text, expected);
}

int via_test_recorded(struct via_test_recorder *recorder)
{
    int words;

    pthread_mutex_lock(&recorder->lock);
    words = recorder->length > 0;
    for (size_t i = 0; i < recorder->length; i++)
        words += recorder->text[i] == ' ';
    pthread_mutex_unlock(&recorder->lock);
    return words;
}

static void *run_thread(void *arg)
{
    struct via_test_thread *thread = arg;
    /* Release pairs with the acquire in via_test_thread_start(), which waits for the id. */
    __atomic_store_n(&thread->tid, gettid(), __ATOMIC_RELEASE);
    return thread->fn(thread->arg);
}

void via_test_thread_start(struct via_test_thread *thread, void *(*fn)(void *arg), void *arg)
{
    thread->fn = fn;
    thread->arg = arg;
    thread->tid = 0;
    ck_assert_int_eq(pthread_create(&thread->thread, NULL, run_thread, thread), 0);
    /* Acquire pairs with the release in run_thread(). */
    while (__atomic_load_n(&thread->tid, __ATOMIC_ACQUIRE) == 0)
        via_test_yield();
}

void *via_test_thread_join(struct via_test_thread *thread)
{
    struct timespec when;
    void *result = NULL;

    clock_gettime(CLOCK_REALTIME, &when);
    when.tv_sec += via_test_bound_ns() / NS_PER_S;
    ck_assert_msg(pthread_timedjoin_np(thread->thread, &result, &when) == 0, "a thread does not end");
    return result;
}

/* The state letter of a thread: 'S' when it sleeps in a system call. */
static int thread_state(pid_t tid)
{
    char path[64], text[256] = "";
    const char *name_end;
    int fd;

    snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)tid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t length = read(fd, text, sizeof(text) - 1);
    close(fd);
    text[length > 0 ? length : 0] = '\0';
    name_end = strrchr(text, ')');
    return name_end && name_end[1] == ' ' ? name_end[2] : 0;
}

void via_test_thread_await_blocked(const struct via_test_thread *thread)
{
    AWAIT(thread_state(thread->tid) == 'S');
}

int via_test_fork(int (*fn)(void *arg), void *arg)
{
    int status = 0;
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid == 0)
        _exit(fn(arg) & 0xff);
    while (waitpid(pid, &status, 0) < 0)
        ck_assert_int_eq(errno, EINTR);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}
