/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Each way in which a worker can end is a row: what the call is told, what becomes of the other calls, and
 * that the pool goes on.
 */
#include "variant_rows.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <viaduct.h>

static const struct variant_functions *functions;
static int transport, failures;

/* ---- what all rows need ---- */

static void row(const char *name, int is_good, const char *detail)
{
    if (!is_good) {
        printf("wrong over %s: %s: %s\n", transport == VIA_TRANSPORT_SHARED ? "memory" : "sockets", name,
               detail);
        failures++;
    }
}

static struct via_process_pool_options pool_options(int workers)
{
    struct via_process_pool_options options;
    via_process_pool_options_init(&options);
    options.max_workers = workers;
    options.transport = transport;
    return options;
}

static via_executor *open_with(struct via_process_pool_options *options)
{
    char why[512] = "";
    via_executor *pool = NULL;
    options->why = why;
    options->why_bytes = sizeof why;
    if (via_process_pool_new(options, &pool) < 0) {
        printf("refused: %s\n", why);
        exit(3);
    }
    return pool;
}

static via_executor *open_pool(int workers)
{
    struct via_process_pool_options options = pool_options(workers);
    return open_with(&options);
}

static void close_pool(via_executor *pool)
{
    row("shutdown", via_executor_shutdown(pool, 0, 30 * VIA_S) == 0, "it did not end");
    via_executor_unref(pool);
}

static via_cfuture *submit(via_executor *pool, const struct via_call *call)
{
    via_cfuture *cf = NULL;
    if (via_executor_submit(pool, call, &cf) < 0)
        exit(91);
    return cf;
}

static struct via_outcome wait_outcome(via_cfuture *cf)
{
    struct via_outcome outcome = {.status = 1};
    if (via_cfuture_wait(cf, 30 * VIA_S) < 0 || via_cfuture_outcome(cf, &outcome) < 0) {
        printf("a call does not end\n");
        exit(92);
    }
    return outcome;
}

static struct via_process_pool_stats stats_of(via_executor *pool)
{
    struct via_process_pool_stats stats;
    if (via_process_pool_get_stats(pool, &stats) < 0)
        exit(93);
    return stats;
}

struct expected {
    const char *row;
    int status, signo, exit_status;
    const char *says;
};

/* The outcome of a call that ended badly: with process, function and end. */
static void check_outcome(const struct via_outcome *outcome, const struct expected *expected)
{
    const struct via_process_report *report = outcome->process;
    const char *text = outcome->message ? outcome->message : "no message";
    char pid[32];
    row(expected->row, outcome->status == expected->status, via_status_name(outcome->status));
    row(expected->row, report != NULL, "no report");
    row(expected->row, strstr(text, expected->says) != NULL, text);
    row(expected->row, strstr(text, "function") || strstr(text, "()"), text);
    if (!report)
        return;
    snprintf(pid, sizeof pid, "worker process %ld ", report->pid);
    row(expected->row, report->pid > 0 && strncmp(text, pid, strlen(pid)) == 0, text);
    row(expected->row, report->signal == expected->signo, "the signal");
    row(expected->row, report->exit_status == expected->exit_status, "the exit status");
}

/* ---- a worker dies while it runs a call ---- */

static void end_badly(via_executor *pool, via_bytes_fn fn, int number, int64_t timeout_ns,
                      const struct expected *expected)
{
    struct via_call call = VIA_CALL_BYTES(fn, &number, sizeof number);
    call.timeout_ns = timeout_ns;
    via_cfuture *cf = submit(pool, &call);
    struct via_outcome outcome = wait_outcome(cf);
    check_outcome(&outcome, expected);
    row(expected->row, outcome.process && outcome.process->function == (void *)(uintptr_t)fn, "the function");
    via_cfuture_unref(cf);
}

static void deaths(via_executor *pool)
{
    end_badly(pool, functions->die, SIGSEGV, 0,
              &(struct expected){"SIGSEGV", VIA_ECRASHED, SIGSEGV, -1, "killed by signal 11"});
    end_badly(pool, functions->die, SIGABRT, 0,
              &(struct expected){"SIGABRT", VIA_ECRASHED, SIGABRT, -1, "killed by signal 6"});
    end_badly(pool, functions->overflow, 0, 0,
              &(struct expected){"stack overflow", VIA_ECRASHED, SIGSEGV, -1, "killed by signal 11"});
    end_badly(pool, functions->leave, 0, 0,
              &(struct expected){"exit(0)", VIA_ECRASHED, 0, 0, "exited with status 0"});
    end_badly(pool, functions->leave, 7, 0,
              &(struct expected){"exit(7)", VIA_ECRASHED, 0, 7, "exited with status 7"});
    end_badly(pool, functions->hang, 0, 20 * VIA_MS,
              &(struct expected){"timeout", VIA_ETIMEDOUT, SIGKILL, -1, "at the call's timeout"});
    if (transport == VIA_TRANSPORT_SHARED)
        end_badly(pool, functions->run_wild, 0, 0,
                  &(struct expected){"wild writer", VIA_ECORRUPT, SIGKILL, -1, "overwrote"});
}

/* ---- a worker that others end ---- */

static via_buffer *new_board(void)
{
    via_buffer *buffer = NULL;
    if (via_buffer_new(NULL, sizeof(struct variant_board), VIA_BUFFER_WRITABLE, &buffer) < 0)
        exit(94);
    memset(via_buffer_data(buffer), 0, sizeof(struct variant_board));
    return buffer;
}

/* A call that runs, and its worker. */
static via_cfuture *occupy(via_executor *pool, via_buffer *buffer)
{
    struct variant_board *board = via_buffer_data(buffer);
    struct via_call call = VIA_CALL_BUFFER(functions->stay, buffer);
    atomic_store(&board->pid, 0);
    via_cfuture *cf = submit(pool, &call);
    while (!atomic_load(&board->pid) && !via_cfuture_done(cf))
        sched_yield();
    return cf;
}

static void end_from_outside(const struct expected *expected, int what)
{
    via_executor *pool = open_pool(1);
    via_buffer *buffer = new_board();
    struct variant_board *board = via_buffer_data(buffer);
    via_cfuture *cf = occupy(pool, buffer);
    struct via_call after = VIA_CALL_BUFFER(functions->stay, buffer);
    via_cfuture *queued = submit(pool, &after);
    atomic_store(&board->open, what != 'z' && what != 'k' && what != 'c'); // for the queued one
    if (what == 'k')
        kill((pid_t)atomic_load(&board->pid), SIGKILL);
    else if (what == 'z')
        kill((pid_t)atomic_load(&board->parent), SIGKILL);
    else
        (void)via_cfuture_cancel(cf);
    struct via_outcome outcome = wait_outcome(cf);
    if (what == 'c')
        row(expected->row, outcome.status == expected->status, via_status_name(outcome.status));
    else
        check_outcome(&outcome, expected);
    atomic_store(&board->open, 1);
    row(expected->row, wait_outcome(queued).status == 0, "the queued call");
    row(expected->row, stats_of(pool).helper_restarts == (what == 'z'), "the helper process");
    via_cfuture_unref(cf);
    via_cfuture_unref(queued);
    close_pool(pool);
    via_buffer_unref(buffer);
}

static void ends_from_outside(void)
{
    end_from_outside(
        &(struct expected){"SIGKILL from nowhere", VIA_ECRASHED, SIGKILL, -1, "killed by signal 9"}, 'k');
    end_from_outside(&(struct expected){"cancel", VIA_ECANCELED, 0, 0, ""}, 'c');
    end_from_outside(&(struct expected){"death of the helper", VIA_ECRASHED, 0, -1, "helper process"}, 'z');
}

/* ---- what becomes of the others ---- */

enum { KNOWN = 150, CALLS = 120, VICTIM = 20 };

static via_cfuture *note(via_executor *pool, struct variant_tally *tally, int number, int signo)
{
    struct via_call call = VIA_CALL_BYTES(functions->count, tally, sizeof *tally);
    tally->number = number;
    tally->signo = signo;
    return submit(pool, &call);
}

/* Each number stands once in the file. */
static void check_tally(const char *path)
{
    int number, seen[KNOWN + CALLS] = {0}, wrong = 0;
    FILE *file = fopen(path, "re");
    while (file && fread(&number, sizeof number, 1, file) == 1)
        wrong += number < 0 || number >= KNOWN + CALLS || seen[number]++;
    if (file)
        fclose(file);
    for (int i = 0; i < KNOWN + CALLS; i++)
        wrong += !seen[i];
    row("the others", wrong == 0, "not each ran once");
}

/* Short calls are given ahead once they are known; one dies with some behind it. */
static void others(void)
{
    struct variant_tally tally = {.path = "/tmp/viaduct-tally-XXXXXX"};
    int fd = mkstemp(tally.path);
    via_cfuture *cf[CALLS];
    via_executor *pool = open_pool(1);
    for (int i = 0; i < KNOWN; i++) {
        cf[0] = note(pool, &tally, i, 0);
        row("the others", wait_outcome(cf[0]).status == 0, "a call that is to be known");
        via_cfuture_unref(cf[0]);
    }
    for (int i = 0; i < CALLS; i++)
        cf[i] = note(pool, &tally, KNOWN + i, i == VICTIM ? SIGSEGV : 0);
    for (int i = 0; i < CALLS; i++) {
        int expected = i == VICTIM ? VIA_ECRASHED : 0;
        row("the others", wait_outcome(cf[i]).status == expected,
            via_status_name(wait_outcome(cf[i]).status));
        via_cfuture_unref(cf[i]);
    }
    row("the others", stats_of(pool).crashed == 1, "one has crashed");
    close_pool(pool);
    check_tally(tally.path);
    close(fd);
    unlink(tally.path);
}

/* ---- workers that cannot begin ---- */

static void crash_loop(void)
{
    struct via_process_pool_options options = pool_options(2);
    struct via_call call = VIA_CALL_BYTES(functions->leave, NULL, 0);
    options.initializer = functions->fail_to_begin;
    via_executor *pool = open_with(&options);
    via_cfuture *cf = submit(pool, &call);
    struct via_outcome outcome = wait_outcome(cf);
    const char *text = outcome.message ? outcome.message : "no message";
    row("crash loop", outcome.status == VIA_EBROKEN && strstr(text, "status 2"), text);
    row("crash loop", stats_of(pool).started <= 6, "it went on");
    via_cfuture_unref(cf);
    close_pool(pool);
}

/* ---- limits ---- */

static void limits(void)
{
    struct via_process_pool_options options = pool_options(1);
    options.limits.call_cpu_ns = 20 * VIA_MS;
    via_executor *pool = open_with(&options);
    struct via_call call = VIA_CALL_BYTES(functions->spin, NULL, 0);
    via_cfuture *cf = submit(pool, &call);
    row("CPU time", wait_outcome(cf).status == VIA_ETIMEDOUT, via_status_name(wait_outcome(cf).status));
    via_cfuture_unref(cf);
    close_pool(pool);
}

/* ---- the program dies ---- */

/* A second program, as far as pools are concerned; tells its worker and helper, and waits to be killed. */
static void live_until_killed(int tell)
{
    via_executor *pool = open_pool(1);
    via_buffer *buffer = new_board();
    (void)occupy(pool, buffer);
    struct variant_board *board = via_buffer_data(buffer);
    long pids[2] = {atomic_load(&board->pid), atomic_load(&board->parent)};
    if (write(tell, pids, sizeof pids) != sizeof pids)
        _exit(95);
    for (;;)
        pause();
}

static int is_gone(long pid)
{
    char path[64], text[512] = "";
    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return 1;
    size_t got = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[got] = 0;
    const char *state = strrchr(text, ')');
    return !state || state[2] == 'Z' || state[2] == 'X';
}

static void orphans(void)
{
    long pids[2] = {0, 0};
    int ends[2], left = 0;
    if (pipe(ends) < 0)
        exit(96);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0)
        live_until_killed(ends[1]);
    close(ends[1]);
    row("orphans", read(ends[0], pids, sizeof pids) == sizeof pids, "it could not begin");
    close(ends[0]);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    for (int i = 0; i < 60000 && (left = !is_gone(pids[0]) + !is_gone(pids[1])) > 0; i++)
        usleep(1000);
    row("orphans", left == 0, "processes have survived the program");
}

static void all_rows(void)
{
    via_executor *pool = open_pool(2);
    deaths(pool);
    close_pool(pool);
    ends_from_outside();
    others();
    crash_loop();
    limits();
    orphans();
}

int variant_rows(const struct variant_functions *given)
{
    functions = given;
    for (transport = VIA_TRANSPORT_SHARED; transport <= VIA_TRANSPORT_SOCKET; transport++)
        all_rows();
    printf(failures ? "%d wrong\n" : "every row\n", failures);
    return failures > 0;
}
