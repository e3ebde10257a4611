/* SPDX-License-Identifier: BSD-3-Clause */
/* Viaduct's process pool: PROGRAM WORKLOAD WORKERS PARAM.  The workloads are those of bench/README.md.
 *
 * The pool is served by the loop, and nobody spins, unless the parameter says otherwise. */
#include "measure.h"

#include <dirent.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <viaduct.h>

enum {
    CALL_BYTES = 16,
    WARM_UP = 300, /* more calls than a function needs to be given ahead */
    SPIN_NS = 50000,
    BIRTHS = 40,
    CRASHES = 100,
    TIMEOUTS = 200,
    TIMEOUT_NS = 5000000,
    RESTARTS = 10,
    TURNS = 200
};

static struct cell cell = {.peer = "viaduct"};
static struct via_process_pool_options pool_options;
static struct via_loop_options loop_options;
static via_loop *loop;
static via_executor *pool;

static void check(int status, const char *what)
{
    if (status >= 0)
        return;
    fprintf(stderr, "viaduct: %s: %s\n", what, via_status_text(status));
    exit(1);
}

static int says(const char *word)
{
    return strstr(cell.param, word) != NULL;
}

/* ---- the pool ---- */

/* Whether it waits until there is no worker, which would be replaced if some were kept. */
static int waits_for_births(void)
{
    return !strcmp(cell.workload, "p3") || says("birth");
}

static void open_pool(int workers)
{
    char why[256] = "";
    check(via_loop_new_with(&loop_options, &loop), "the loop");
    pool_options.max_workers = workers;
    pool_options.min_workers = waits_for_births() ? 0 : workers;
    pool_options.loop = says("thread") ? NULL : loop;
    pool_options.why = why;
    pool_options.why_bytes = sizeof why;
    if (via_process_pool_new(&pool_options, &pool) < 0) {
        fprintf(stderr, "viaduct: the pool: %s\n", why);
        exit(1);
    }
}

static void set_options(void)
{
    via_process_pool_options_init(&pool_options);
    via_loop_options_init(&loop_options);
    if (says("default"))
        return;
    int spins = says("spin");
    pool_options.linger_ns = spins ? SPIN_NS : 0;
    pool_options.serve_linger_ns = spins ? SPIN_NS : 0;
    loop_options.linger_ns = spins ? SPIN_NS : 0;
    if (says("socket"))
        pool_options.transport = VIA_TRANSPORT_SOCKET;
    if (says("depth1"))
        pool_options.prefetch_max = 1;
}

static void call_and_then(const struct via_call *call, via_future_fn done, void *arg)
{
    via_future *future = via_run_in_executor(loop, pool, call);
    check(via_future_add_done_callback(future, done, arg), "a callback");
    via_future_unref(future);
}

static struct via_outcome outcome_of(via_future *future)
{
    struct via_outcome outcome = {0};
    (void)via_future_outcome(future, &outcome);
    return outcome;
}

static int stop_now(via_future *future, void *arg)
{
    *(int *)arg = outcome_of(future).status;
    return via_loop_stop(loop);
}

/* Runs one call to its end; its status. */
static int call_once(const struct via_call *call)
{
    int status = 0;
    call_and_then(call, stop_now, &status);
    check(via_loop_run_forever(loop), "the loop's run");
    return status;
}

/* ---- what workers run ---- */

static int return_at_once(via_bytes_call *call, const void *in, size_t bytes)
{
    (void)call;
    (void)in;
    (void)bytes;
    return 0;
}

static uint64_t sum_of(const void *in, size_t bytes)
{
    const uint64_t *words = in;
    uint64_t a = 0, b = 0, c = 0, d = 0;
    for (size_t i = 0; i + 4 <= bytes / sizeof *words; i += 4) {
        a += words[i];
        b += words[i + 1];
        c += words[i + 2];
        d += words[i + 3];
    }
    return a + b + c + d;
}

static int sum_bytes(via_bytes_call *call, const void *in, size_t bytes)
{
    uint64_t *sum = via_bytes_out(call, sizeof *sum);
    if (!sum)
        return VIA_ENOMEM;
    *sum = sum_of(in, bytes);
    return 0;
}

static int crash(via_bytes_call *call, const void *in, size_t bytes)
{
    (void)call;
    (void)in;
    (void)bytes;
    raise(SIGSEGV);
    return 0;
}

static int hang(via_bytes_call *call, const void *in, size_t bytes)
{
    sigset_t all;
    (void)call;
    (void)in;
    (void)bytes;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    for (volatile unsigned turn = 0;; turn++)
        ;
    return 0;
}

static void call_nothing(int times)
{
    struct via_call call = VIA_CALL_BYTES(return_at_once, "sixteen bytes in", CALL_BYTES);
    for (int i = 0; i < times; i++)
        check(call_once(&call), "a call");
}

/* ---- p1: calls of nothing ---- */

static long to_submit, to_finish;

static int on_answer(via_future *future, void *arg)
{
    struct via_call *call = arg;
    check(outcome_of(future).status, "a call");
    if (to_submit > 0) {
        to_submit--;
        call_and_then(call, on_answer, call);
    }
    return --to_finish ? 0 : via_loop_stop(loop);
}

static void keep_in_flight(struct via_call *call, long in_flight, long count)
{
    to_finish = count;
    to_submit = count - in_flight;
    for (long i = 0; i < in_flight; i++)
        call_and_then(call, on_answer, call);
    check(via_loop_run_forever(loop), "the loop's run");
}

static void calls_of_nothing(int workers)
{
    long in_flight = atol(cell.param);
    long count = in_flight == 1 ? 30000 : in_flight == 16 ? 200000 : 600000;
    struct via_call call = VIA_CALL_BYTES(return_at_once, "sixteen bytes in", CALL_BYTES);
    if (says("depth1") || says("socket"))
        count /= 8;
    open_pool(workers);
    keep_in_flight(&call, workers, WARM_UP);
    keep_in_flight(&call, in_flight, count / 10 + in_flight);
    int64_t cpu_from_ns = cpu_ns(), from_ns = now_ns();
    keep_in_flight(&call, in_flight, count);
    double took_ns = (double)(now_ns() - from_ns);
    print_value(&cell, "ns_per_call", took_ns / (double)count);
    print_value(&cell, "tasks_per_s", (double)count * 1e9 / took_ns);
    print_value(&cell, "cpu_ns_per_task", (double)(cpu_ns() - cpu_from_ns) / (double)count);
}

/* ---- p2: payloads ---- */

static size_t payload_bytes(void)
{
    return strtoul(cell.param, NULL, 10) << (says("m") ? 20 : 10);
}

static double time_sums_here(const void *data, size_t bytes, long count)
{
    volatile uint64_t sum = sum_of(data, bytes);
    int64_t from_ns = now_ns();
    for (long i = 0; i < count; i++)
        sum += sum_of(data, bytes);
    return (double)(now_ns() - from_ns) / (double)count;
}

/* "64k-copied": the library copies; "1m-built": the payload is where the worker finds it. */
static void payloads(int workers)
{
    size_t bytes = payload_bytes();
    long count = bytes <= 65536 ? 10000 : bytes <= 1048576 ? 3000 : 30;
    via_buffer *buffer = NULL;
    void *data = NULL;
    open_pool(workers);
    if (says("built")) {
        check(via_buffer_new(pool, bytes, 0, &buffer), "a buffer");
        data = via_buffer_data(buffer);
    } else if (!(data = aligned_alloc(64, bytes))) {
        check(VIA_ENOMEM, "the payload");
    }
    memset(data, 3, bytes);
    struct via_call call =
        buffer ? VIA_CALL_BUFFER(sum_bytes, buffer) : VIA_CALL_BYTES(sum_bytes, data, bytes);
    keep_in_flight(&call, 1, count / 10 + 1);
    double here_ns = time_sums_here(data, bytes, count);
    int64_t from_ns = now_ns();
    keep_in_flight(&call, 1, count);
    double took_ns = (double)(now_ns() - from_ns) / (double)count;
    here_ns = (here_ns + time_sums_here(data, bytes, count)) / 2;
    print_value(&cell, "ns_per_call", took_ns);
    print_value(&cell, "in_process_ns", here_ns);
    print_value(&cell, "of_in_process", took_ns / here_ns);
    if (buffer)
        via_buffer_unref(buffer);
    else
        free(data);
}

/* ---- p3: new workers ---- */

static void wait_until_alone(void)
{
    while (via_process_pool_workers(pool, NULL, 0) > 0)
        check(via_loop_step(loop, VIA_MS), "a step");
}

static double first_answer(void)
{
    (void)via_process_pool_kill(pool);
    wait_until_alone();
    int64_t from_ns = now_ns();
    call_nothing(1);
    return (double)(now_ns() - from_ns);
}

/* The same program, until its first byte. */
static double first_byte(void)
{
    int ends[2];
    char byte, name[] = "process_viaduct", say[] = "hello", *argv[] = {name, say, NULL};
    pid_t pid;
    posix_spawn_file_actions_t actions;
    if (pipe(ends) < 0 || posix_spawn_file_actions_init(&actions) ||
        posix_spawn_file_actions_adddup2(&actions, ends[1], 1))
        check(VIA_EAGAIN, "a pipe");
    int64_t from_ns = now_ns();
    if (posix_spawn(&pid, "/proc/self/exe", &actions, NULL, argv, environ))
        check(VIA_EAGAIN, "posix_spawn()");
    close(ends[1]);
    if (read(ends[0], &byte, 1) != 1)
        check(VIA_EAGAIN, "the other program");
    double took_ns = (double)(now_ns() - from_ns);
    close(ends[0]);
    waitpid(pid, NULL, 0);
    posix_spawn_file_actions_destroy(&actions);
    return took_ns;
}

static int has_memory(size_t bytes)
{
    double pages = (double)sysconf(_SC_AVPHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    return bytes == 0 || pages > (double)bytes * 1.5;
}

static void new_workers(void)
{
    size_t bytes = strtoul(cell.param, NULL, 10) << 30;
    double answers[BIRTHS], spawns[BIRTHS];
    if (!has_memory(bytes))
        check(VIA_ENOMEM, "the parent's memory");
    char *held = bytes ? malloc(bytes) : NULL;
    if (held)
        memset(held, 1, bytes);
    open_pool(1);
    call_nothing(1);
    for (int i = 0; i < BIRTHS; i++) {
        answers[i] = first_answer();
        spawns[i] = first_byte();
    }
    double answer_ns = median(answers, BIRTHS), spawn_ns = median(spawns, BIRTHS);
    print_value(&cell, "first_answer_ns", answer_ns);
    print_value(&cell, "spawn_ns", spawn_ns);
    print_value(&cell, "of_spawn", answer_ns / spawn_ns);
    free(held);
}

/* ---- p4: ends of workers ---- */

static int64_t crashed_ns;

static int on_crash(via_future *future, void *arg)
{
    (void)arg;
    if (outcome_of(future).status != VIA_ECRASHED)
        check(VIA_EINVAL, "the call that was to crash");
    crashed_ns = now_ns();
    return 0;
}

static void crashes(int workers)
{
    struct via_call bad = VIA_CALL_BYTES(crash, NULL, 0);
    static int64_t replaced_ns[CRASHES];
    open_pool(workers);
    call_nothing(WARM_UP);
    for (int i = 0; i < CRASHES; i++) {
        call_and_then(&bad, on_crash, NULL);
        call_nothing(1);
        replaced_ns[i] = now_ns() - crashed_ns;
    }
    print_distribution(&cell, replaced_ns, CRASHES);
}

static void timeouts(int workers)
{
    struct via_call endless = VIA_CALL_BYTES(hang, NULL, 0);
    static int64_t late_ns[TIMEOUTS];
    endless.timeout_ns = TIMEOUT_NS;
    open_pool(workers);
    for (int i = 0; i < TIMEOUTS; i++) {
        call_nothing(1); /* in a worker that is there */
        int64_t from_ns = now_ns();
        if (call_once(&endless) != VIA_ETIMEDOUT)
            check(VIA_EINVAL, "the call that was to time out");
        late_ns[i] = now_ns() - from_ns - TIMEOUT_NS;
    }
    print_distribution(&cell, late_ns, TIMEOUTS);
}

/* ---- p5: the loop thread's own time ---- */

static int64_t thread_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * VIA_S + t.tv_nsec;
}

static int64_t samples[RESTARTS * TURNS];
static size_t sampled;

/* One turn of the loop, which may do several things. */
static void take_turn(void)
{
    int64_t from_ns = thread_ns();
    check(via_loop_step(loop, 20 * VIA_MS), "a step");
    if (sampled < sizeof samples / sizeof *samples)
        samples[sampled++] = thread_ns() - from_ns;
}

static int count_down(via_future *future, void *arg)
{
    (void)future;
    --*(int *)arg;
    return 0;
}

/* Submits a call and takes turns until it is over. */
static void take_turns_for(const struct via_call *call, int times_submit)
{
    int left = 1;
    int64_t from_ns = thread_ns();
    call_and_then(call, count_down, &left);
    if (times_submit)
        samples[sampled++] = thread_ns() - from_ns;
    while (left > 0)
        if (times_submit)
            check(via_loop_step(loop, 20 * VIA_MS), "a step");
        else
            take_turn();
}

/* The child of one thread; 0 if it has none. */
static pid_t child_of(const char *thread)
{
    char path[300], line[64];
    snprintf(path, sizeof path, "/proc/self/task/%s/children", thread);
    FILE *file = fopen(path, "r");
    pid_t pid = file && fgets(line, sizeof line, file) ? (pid_t)strtol(line, NULL, 10) : 0;
    if (file)
        fclose(file);
    return pid;
}

static pid_t zygote_pid(void)
{
    DIR *threads = opendir("/proc/self/task");
    pid_t pid = 0;
    for (const struct dirent *entry; threads && !pid && (entry = readdir(threads));)
        pid = child_of(entry->d_name);
    if (!pid)
        check(VIA_ENOENT, "the helper process");
    closedir(threads);
    return pid;
}

static void own_time(int workers)
{
    struct via_call nothing = VIA_CALL_BYTES(return_at_once, "sixteen bytes in", CALL_BYTES);
    struct via_call bad = VIA_CALL_BYTES(crash, NULL, 0);
    open_pool(workers);
    call_nothing(WARM_UP);
    for (int i = 0; i < (says("restart") ? RESTARTS : TURNS); i++) {
        if (says("birth")) { /* its submission and all turns until the answer */
            (void)via_process_pool_kill(pool);
            wait_until_alone();
            take_turns_for(&nothing, 1);
            (void)via_process_pool_kill(pool);
            wait_until_alone();
            take_turns_for(&nothing, 0);
        } else if (says("death")) {
            take_turns_for(&bad, 0);
            take_turns_for(&nothing, 0);
        } else if (says("restart")) {
            kill(zygote_pid(), SIGKILL);
            for (int turn = 0; turn < 10; turn++)
                take_turn();
            take_turns_for(&nothing, 0);
        } else {
            take_turns_for(&nothing, says("submit"));
        }
    }
    print_distribution(&cell, samples, sampled);
}

/* ---- p6: an idle worker's memory ---- */

static double private_kib(long pid)
{
    char path[64], line[256];
    double kib = 0;
    snprintf(path, sizeof path, "/proc/%ld/smaps_rollup", pid);
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file))
        if (!strncmp(line, "Private_Clean:", 14) || !strncmp(line, "Private_Dirty:", 14))
            kib += strtod(line + 14, NULL);
    if (!file)
        check(VIA_ENOENT, path);
    fclose(file);
    return kib;
}

static void idle_memory(int workers)
{
    long pid;
    open_pool(workers);
    call_nothing(WARM_UP);
    if (via_process_pool_workers(pool, &pid, 1) < 1)
        check(VIA_ENOENT, "a worker");
    print_value(&cell, "private_bytes", private_kib(pid) * 1024);
}

/* ---- */

static void bench_main(char workload, int workers)
{
    if (workload == '1')
        calls_of_nothing(workers);
    else if (workload == '2')
        payloads(workers);
    else if (workload == '3')
        new_workers();
    else if (workload == '4')
        says("crash") ? crashes(workers) : timeouts(workers);
    else if (workload == '5')
        own_time(workers);
    else
        idle_memory(workers);
    check(via_executor_shutdown(pool, VIA_SHUTDOWN_CANCEL_QUEUED, 5 * VIA_S), "the pool's end");
    via_executor_unref(pool);
    check(via_loop_close(loop), "the loop's end");
    via_loop_unref(loop);
}

int main(int argc, char **argv)
{
    via_process_enter();
    if (argc == 2 && !strcmp(argv[1], "hello"))
        return write(STDOUT_FILENO, "!", 1) == 1 ? 0 : 1;
    if (argc != 4 || strlen(argv[1]) != 2 || argv[1][0] != 'p' || argv[1][1] < '1' || argv[1][1] > '6') {
        fprintf(stderr, "usage: %s p1..p6 WORKERS PARAM\n", argv[0]);
        return 2;
    }
    cell = (struct cell){argv[1], "viaduct", argv[2], argv[3]};
    set_options();
    bench_main(argv[1][1], atoi(argv[2]));
    return 0;
}
