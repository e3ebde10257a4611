/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The fault driver: runs each scenario again and again, each time in a child process of its own in which the
 * n-th call of some kind fails, until n is beyond the calls that there are.
 *
 * The child runs the scenario with the fault, then once more without, for one failure must not leave the
 * library lame; then it looks at blocks, descriptors, threads, processes and mapped memory files.  The parent
 * sees crashes, sanitizers' verdicts and hangs.  One line of TAP for each scenario and kind.
 *
 * What a process pool starts are copies of this program, which take part in the run (fault_enter()): there
 * are series in which the calls of the helper process fail, or those of workers.
 *
 *   fault.tap [SCENARIO-WORD [SERIES [N]]]
 *
 * VIADUCT_FAULT_FULL=1 sweeps every n; without it a long sweep goes in growing steps after the first ones,
 * and scenarios that start processes leave out the series of single kinds.  VIADUCT_FAULT_FULL=but-processes
 * has only those go in steps. VIADUCT_FAULT_KEEP=1 leaves a child that hangs to a debugger.
 */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "inject.h"
#include "ledger.h"
#include "scenario.h"
#include "support/sanitizers.h"

enum {
    DEADLINE_MS = 20000,
    SHORT_DENSE = 40,
    SHORTER_DENSE = 24,
    DIE_OF_HANG = 1000,
    REST_MS = 20000,
    MAX_FAILURES_SHOWN = 3
};

#define KIND(kind) (1u << (kind))
#define MEMORY     (KIND(FAULT_MEMORY) | KIND(FAULT_EVENT_MEMORY))
#define RESOURCES                                                                                            \
    (MEMORY | KIND(FAULT_MAPPING) | KIND(FAULT_THREAD) | KIND(FAULT_WATCH) | KIND(FAULT_PROCESS) |           \
     KIND(FAULT_FILE))
/* SQLite allocates twenty times as often as all others together: it has a sweep of its own. */
#define ALL_KINDS (KIND(FAULT_KINDS) - 1 - KIND(FAULT_SQLITE_MEMORY))

/* One way of sweeping: which kinds count together, and whether what fails once fails from then on. */
struct series {
    const char *name;
    unsigned kinds;
    bool lasting;
    bool limited; /* n - 1 is how many descriptors there still are */
    enum fault_place place;
    bool sums_up; /* it does, in larger steps, what others do one kind after the other */
};

static const struct series all_series[] = {
    {"memory", KIND(FAULT_MEMORY), false, false, FAULT_IN_PROGRAM, false},
    {"libevent's memory", KIND(FAULT_EVENT_MEMORY), false, false, FAULT_IN_PROGRAM, false},
    {"SQLite's memory", KIND(FAULT_SQLITE_MEMORY), false, false, FAULT_IN_PROGRAM, false},
    {"mappings", KIND(FAULT_MAPPING), false, false, FAULT_IN_PROGRAM, false},
    {"threads", KIND(FAULT_THREAD), false, false, FAULT_IN_PROGRAM, false},
    {"thread set-up", KIND(FAULT_SETUP), false, false, FAULT_IN_PROGRAM, false},
    {"processes", KIND(FAULT_PROCESS), false, false, FAULT_IN_PROGRAM, false},
    {"memory files", KIND(FAULT_FILE), false, false, FAULT_IN_PROGRAM, false},
    {"descriptors", KIND(FAULT_DESCRIPTOR), false, false, FAULT_IN_PROGRAM, false},
    {"epoll_ctl", KIND(FAULT_WATCH), false, false, FAULT_IN_PROGRAM, false},
    {"epoll_wait EINTR", KIND(FAULT_POLL), false, false, FAULT_IN_PROGRAM, false},
    {"read EINTR", KIND(FAULT_READ_EINTR), false, false, FAULT_IN_PROGRAM, false},
    {"read EAGAIN", KIND(FAULT_READ_EAGAIN), false, false, FAULT_IN_PROGRAM, false},
    {"write EINTR", KIND(FAULT_WRITE_EINTR), false, false, FAULT_IN_PROGRAM, false},
    {"write EAGAIN", KIND(FAULT_WRITE_EAGAIN), false, false, FAULT_IN_PROGRAM, false},
    {"send EINTR", KIND(FAULT_SEND_EINTR), false, false, FAULT_IN_PROGRAM, false},
    {"send EAGAIN", KIND(FAULT_SEND_EAGAIN), false, false, FAULT_IN_PROGRAM, false},
    {"send ENOBUFS", KIND(FAULT_SEND_ENOBUFS), false, false, FAULT_IN_PROGRAM, false},
    {"receive EINTR", KIND(FAULT_RECEIVE_EINTR), false, false, FAULT_IN_PROGRAM, false},
    {"receive without descriptors", KIND(FAULT_RECEIVE_LOST), false, false, FAULT_IN_PROGRAM, false},
    {"all kinds together", ALL_KINDS, false, false, FAULT_IN_PROGRAM, true},
    {"memory from then on", MEMORY, true, false, FAULT_IN_PROGRAM, false},
    {"mappings from then on", KIND(FAULT_MAPPING), true, false, FAULT_IN_PROGRAM, false},
    {"threads from then on", KIND(FAULT_THREAD), true, false, FAULT_IN_PROGRAM, false},
    {"few descriptors left", KIND(FAULT_DESCRIPTOR), false, true, FAULT_IN_PROGRAM, true},
    {"every resource from then on", RESOURCES, true, false, FAULT_IN_PROGRAM, true},
    {"in the helper, all kinds", ALL_KINDS, false, false, FAULT_IN_HELPER, true},
    {"in the helper, every resource from then on", RESOURCES, true, false, FAULT_IN_HELPER, true},
    {"in the helper, few descriptors left", KIND(FAULT_DESCRIPTOR), false, true, FAULT_IN_HELPER, true},
    {"in workers, all kinds", ALL_KINDS, false, false, FAULT_IN_WORKER, true},
    {"in workers, every resource from then on", RESOURCES, true, false, FAULT_IN_WORKER, true},
};
enum { SERIES = sizeof(all_series) / sizeof(*all_series) };

static struct fault_report *report;
static int tests;
static int failures;
static enum { SHORT, FULL_BUT_PROCESSES, FULL } extent;

/* Whether every n is swept. */
static bool is_full(const struct fault_scenario *scenario)
{
    return extent == FULL || (extent == FULL_BUT_PROCESSES && !scenario->processes);
}

static size_t count_entries(const char *path)
{
    size_t count = 0;
    DIR *dir = opendir(path);
    while (dir && readdir(dir))
        count++;
    closedir(dir);
    return count;
}

/* Says what each open descriptor belongs to. */
static void note_descriptors(void)
{
    char path[300], target[200];
    DIR *dir = opendir("/proc/self/fd");
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        snprintf(path, sizeof(path), "/proc/self/fd/%s", entry->d_name);
        ssize_t length = readlink(path, target, sizeof(target) - 1);
        if (length > 0)
            fault_note("descriptor %s: %.*s", entry->d_name, (int)length, target);
    }
    closedir(dir);
}

static bool one_thread_left(void)
{
    struct timespec slice = {.tv_nsec = 50000};
    for (int waits = 0; waits < REST_MS * 20; waits++) {
        if (count_entries("/proc/self/task") == 3) /* with . and .. */
            return true;
        /* A thread that was told to end without being waited for may take a moment. */
        nanosleep(&slice, NULL);
    }
    return false;
}

/* Whether every process that was started is gone; those that have ended are reaped here. */
static bool no_process_left(void)
{
    struct timespec slice = {.tv_nsec = 50000};
    for (int waits = 0; waits < REST_MS * 20; waits++) {
        pid_t got;
        while ((got = waitpid(-1, NULL, WNOHANG)) > 0)
            ;
        if (got < 0)
            return true;
        nanosleep(&slice, NULL);
    }
    return false;
}

/* How many memory files of the library are mapped. */
static size_t count_memory_files(void)
{
    char line[512];
    size_t count = 0;
    FILE *maps = fopen("/proc/self/maps", "re");
    while (maps && fgets(line, sizeof(line), maps))
        count += strstr(line, "/memfd:via") != NULL;
    if (maps)
        fclose(maps);
    return count;
}

static void check_balance(const char *when, size_t descriptors)
{
    char text[64];
    snprintf(text, sizeof(text), "threads are left after the run %s", when);
    fault_check(one_thread_left(), __FILE__, __LINE__, text);
    snprintf(text, sizeof(text), "processes are left after the run %s", when);
    fault_check(no_process_left(), __FILE__, __LINE__, text);
    snprintf(text, sizeof(text), "memory files are mapped after the run %s", when);
    fault_check(count_memory_files() == 0, __FILE__, __LINE__, text);
    snprintf(text, sizeof(text), "descriptors are left after the run %s", when);
    if (!fault_check(count_entries("/proc/self/fd") == descriptors, __FILE__, __LINE__, text))
        note_descriptors();
    snprintf(text, sizeof(text), "blocks are left after the run %s", when);
    fault_check(ledger_report() == 0, __FILE__, __LINE__, text);
}

/* The child: never returns. */
static void run_child(const struct fault_scenario *scenario, const struct fault_plan *plan)
{
    size_t descriptors = count_entries("/proc/self/fd");
    fault_setup();
    prctl(PR_SET_CHILD_SUBREAPER, 1); /* what the processes of a pool leave behind comes here */
    fault_arm(plan);
    scenario->run();
    fault_disarm();
    check_balance("with the fault", descriptors);
    if (plan->nth && plan->place == FAULT_IN_PROGRAM) {
        fault_rearm();
        scenario->run();
        check_balance("after it", descriptors);
    }
    report->finished = true;
    exit(report->checks_failed != 0);
}

/* Waits for the child; one that does not end in time is killed.  Returns its wait status or DIE_OF_HANG. */
static int reap(pid_t child)
{
    int status = 0;
    struct pollfd watch = {.fd = (int)syscall(SYS_pidfd_open, child, 0), .events = POLLIN};
    const char *factor = getenv("CK_TIMEOUT_MULTIPLIER");
    int deadline_ms = DEADLINE_MS * (factor && atoi(factor) > 1 ? atoi(factor) : 1);
    int ended = watch.fd < 0 ? 1 : poll(&watch, 1, deadline_ms);
    if (watch.fd >= 0)
        close(watch.fd);
    if (ended == 0) {
        if (getenv("VIADUCT_FAULT_KEEP")) {
            printf("# process %d hangs\n", (int)child);
            fflush(stdout);
            pause();
        }
        kill(child, SIGKILL);
    }
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    return ended == 0 ? DIE_OF_HANG : status;
}

static void describe(int status, unsigned long nth)
{
    printf("#   call %lu: ", nth);
    if (status == DIE_OF_HANG)
        printf("it hung\n");
    else if (WIFSIGNALED(status))
        printf("it died of signal %d\n", WTERMSIG(status));
    else
        printf("%lu checks failed, exit status %d\n", atomic_load(&report->checks_failed),
               WEXITSTATUS(status));
    for (char *line = strtok(report->text, "\n"); line; line = strtok(NULL, "\n"))
        printf("#     %s\n", line);
}

/* One run in a child.  Returns whether all was well. */
static bool run_once(const struct fault_scenario *scenario, const struct series *series, unsigned long nth,
                     bool show)
{
    struct fault_plan plan = {.place = series->place,
                              .kinds = series->kinds,
                              .nth = nth,
                              .lasting = series->lasting,
                              .limited = series->limited};
    memset(report, 0, sizeof(*report));
    fflush(NULL);
    pid_t child = fork();
    if (child == 0)
        run_child(scenario, &plan);
    int status = child < 0 ? -1 : reap(child);
    bool fine = status == 0 && report->finished && !report->checks_failed;
    if (!fine && show)
        describe(status, nth);
    return fine;
}

static void tell(bool fine, const char *scenario, const char *what, unsigned long faults)
{
    tests++;
    failures += !fine;
    printf("%sok %d - %s: %s, %lu faults\n", fine ? "" : "not ", tests, scenario, what, faults);
    fflush(stdout);
}

/* Where processes are started what lasts costs waits, and under a sanitizer every run costs a tenth of a
 * second. */
static unsigned long next_call(const struct fault_scenario *scenario, const struct series *series,
                               unsigned long nth)
{
    bool costs = scenario->processes && (series->lasting || series->limited || UNDER_SANITIZER);
    if (is_full(scenario))
        return nth + 1;
    if (costs)
        return nth + 1 + nth / 2;
    return nth < (scenario->processes ? SHORTER_DENSE : SHORT_DENSE) ? nth + 1 : nth + nth / 8;
}

static void sweep(const struct fault_scenario *scenario, const struct series *series)
{
    unsigned long runs = 0, bad = 0;
    for (unsigned long nth = 1;; nth = next_call(scenario, series, nth)) {
        bool fine = run_once(scenario, series, nth, bad < MAX_FAILURES_SHOWN);
        bad += !fine;
        /* A run in which nothing failed, and which came to its end, is beyond the last call. */
        if (report->finished && !report->injected)
            break;
        runs++;
        if (bad > 2 * MAX_FAILURES_SHOWN)
            break;
    }
    if (bad)
        printf("#   %lu of %lu runs failed%s\n", bad, runs, bad > 2 * MAX_FAILURES_SHOWN ? ", so far" : "");
    tell(bad == 0, scenario->name, series->name, runs);
}

/* A clean run first: what it calls says which sweeps there are. */
static void run_scenario(const struct fault_scenario *scenario, const char *only)
{
    static const struct series none = {"no fault", 0, false, false, FAULT_IN_PROGRAM, true};
    unsigned long calls[FAULT_PLACES][FAULT_KINDS];
    bool fine = run_once(scenario, &none, 0, true);
    for (int place = 0; place < FAULT_PLACES; place++)
        for (int kind = 0; kind < FAULT_KINDS; kind++)
            calls[place][kind] = atomic_load(&report->calls[place][kind]);
    tell(fine, scenario->name, none.name, 0);
    for (int i = 0; fine && i < SERIES; i++) {
        unsigned long expected = 0;
        for (int kind = 0; kind < FAULT_KINDS; kind++)
            expected += all_series[i].kinds & KIND(kind) ? calls[all_series[i].place][kind] : 0;
        if (scenario->accepts && all_series[i].limited)
            continue; /* libevent's listener tries again and again until a descriptor is free */
        if (scenario->processes && !is_full(scenario) && !only && !all_series[i].sums_up)
            continue;
        if (expected && (!only || strcmp(only, all_series[i].name) == 0))
            sweep(scenario, &all_series[i]);
    }
}

static void run_group(const struct fault_scenario *group, int argc, char **argv)
{
    for (; group->name; group++) {
        if (argc > 1 && !strstr(group->name, argv[1]))
            continue;
        if (argc < 4) {
            run_scenario(group, argc > 2 ? argv[2] : NULL);
            continue;
        }
        for (int i = 0; i < SERIES; i++)
            if (strcmp(argv[2], all_series[i].name) == 0)
                tell(run_once(group, &all_series[i], strtoul(argv[3], NULL, 10), true), group->name, argv[2],
                     1);
    }
}

int main(int argc, char **argv)
{
    if (fault_enter(argv[0]))
        process_enter();
    via_process_enter();
    static const struct fault_scenario *const groups[] = {
        coro_scenarios, loop_scenarios, executor_scenarios, bridge_scenarios,
        task_scenarios, sync_scenarios, process_scenarios};
    const char *wanted = getenv("VIADUCT_FAULT_FULL");
    if (wanted && *wanted && *wanted != '0')
        extent = strcmp(wanted, "but-processes") == 0 ? FULL_BUT_PROCESSES : FULL;
    report = fault_report_new();
    if (!report) {
        printf("Bail out! no memory for the report\n");
        return 1;
    }
    for (size_t i = 0; i < sizeof(groups) / sizeof(*groups); i++)
        run_group(groups[i], argc, argv);
#ifdef FAULT_HTTPD
    if (!httpd_prepare()) {
        printf("Bail out! no place for the files of sqlite_httpd\n");
        return 1;
    }
    run_group(httpd_scenarios, argc, argv);
    httpd_clean_up();
#endif
    printf("1..%d\n", tests);
    return failures != 0;
}
