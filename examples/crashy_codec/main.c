/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A library with real defects, run over real files: within the program, which dies of the first bad file, and
 * in worker processes, where a bad file costs the one call that met it.
 *
 *     crashy_codec [--timeout MS] [--workers N] [DIRECTORY]       in a process pool
 *     crashy_codec --in-process [DIRECTORY]                       as if there were none
 *     crashy_codec --demo [DIRECTORY]                             one after the other
 *
 * Each file is a task, because what happens to it is a story with steps: read it (which may block, so on a
 * thread), decode it (which may crash, so in a process), note how it went.  With callbacks that would be
 * three functions and a state; here it is decode_file(), from the top to the bottom.
 */
#include "files.h"
#include "in_process.h"
#include "report.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <viaduct.h>

static const char usage[] = "usage: crashy_codec [--timeout MS] [--workers N] [DIRECTORY]\n"
                            "       crashy_codec --in-process [DIRECTORY]\n"
                            "       crashy_codec --demo [--timeout MS] [--workers N] [DIRECTORY]\n"
                            "\n"
                            "  --timeout MS   how long a file may take; default 500\n"
                            "  --workers N    so many processes; default one for each CPU\n"
                            "  --in-process   decode in this process, and see what that does\n"
                            "  --demo         show both\n"
                            "  DIRECTORY      default /usr/share/zoneinfo\n";

enum { TASKS = 64, LISTED_IN_DEMO = 8 };

struct program {
    const char *directory;
    long timeout_ms, workers; /* 0 workers: as many as the pool likes */
    enum { POOL, IN_PROCESS, DEMO } way;
    struct files files;
    via_executor *pool;
    size_t done;
    double seconds; /* that the pool took */
};

/* What a worker process runs.  Bytes in, bytes out: it is the same function that a thread pool would get. */
static int decode(via_bytes_call *call, const void *in, size_t in_bytes)
{
    int error = tzif_read(in, in_bytes);
    if (error != 0)
        return via_fail(error, "%s", tzif_error(error));
    struct tzif_summary *summary = via_bytes_out(call, sizeof *summary);
    if (summary == NULL)
        return VIA_ENOMEM;
    tzif_sum_up(summary);
    return 0;
}

/* outcome->message would say all this in one sentence; here is what it is made of. */
static void describe(char *text, size_t room, int status, const struct via_outcome *outcome)
{
    const struct via_process_report *process = outcome->process;
    if (status == VIA_EFAILED || process == NULL)
        snprintf(text, room, "%s", outcome->message != NULL ? outcome->message : via_status_text(status));
    else if (status == VIA_ETIMEDOUT)
        snprintf(text, room, "timed out after %.0f ms, process %ld was killed",
                 (double)process->wall_ns / (double)VIA_MS, process->pid);
    else if (process->signal != 0)
        snprintf(text, room, "process %ld died of signal %d (%s)%s", process->pid, process->signal,
                 strsignal(process->signal), process->probably_oom ? ", probably out of memory" : "");
    else
        snprintf(text, room, "process %ld exited with status %d", process->pid, process->exit_status);
}

static void note_outcome(struct file *file, int status, const struct via_outcome *outcome)
{
    char reason[200];
    enum state state = LOST;
    if (status == VIA_EFAILED)
        state = REFUSED;
    else if (status == VIA_ECRASHED || status == VIA_ECORRUPT)
        state = CRASHED;
    else if (status == VIA_ETIMEDOUT)
        state = TIMED_OUT;
    describe(reason, sizeof reason, status, outcome);
    file_note(file, state, reason);
}

/* The decoder's answer is bytes from another process: their number is looked at before they are. */
static int take_summary(struct file *file, struct via_outcome *outcome)
{
    int rc = outcome->bytes == sizeof file->summary ? 0 : VIA_ECORRUPT;
    if (rc == 0)
        memcpy(&file->summary, outcome->value, sizeof file->summary);
    if (outcome->destroy != NULL)
        outcome->destroy(outcome->value);
    return rc;
}

struct job {
    struct program *program;
    struct file *file;
};

static int decode_file(void *arg, void **result) /* a task */
{
    struct job *job = arg;
    struct program *program = job->program;
    struct file *file = job->file;
    struct via_outcome outcome = {0};
    (void)result;
    struct via_call call = VIA_CALL(file_read, file);
    int rc = via_await_in_executor(NULL, &call, &outcome);
    if (rc == 0) {
        call = VIA_CALL_BYTES(decode, file->bytes, file->length);
        call.name = file->name;
        call.timeout_ns = program->timeout_ms * VIA_MS;
        rc = via_await_in_executor(program->pool, &call, &outcome);
    }
    if (rc == 0)
        rc = take_summary(file, &outcome);
    if (rc == 0)
        file_note(file, DECODED, NULL);
    else
        note_outcome(file, rc, &outcome);
    file_forget(file);
    report_progress(&program->files, ++program->done);
    /* What a file has come to is no error of the program; being asked to stop is another thing. */
    return rc == VIA_ECANCELED ? rc : 0;
}

static int decode_all(void *arg, void **result) /* the main task */
{
    struct program *program = arg;
    size_t count = program->files.count;
    struct job *jobs = calloc(count + 1, sizeof *jobs);
    void **args = calloc(count + 1, sizeof *args);
    int rc = jobs != NULL && args != NULL ? 0 : VIA_ENOMEM;
    (void)result;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        jobs[i] = (struct job){program, &program->files.file[i]};
        args[i] = &jobs[i];
    }
    /* However many files there are, so many are in memory at once. */
    if (rc == 0)
        rc = via_await(via_gather_map(decode_file, args, count, TASKS, VIA_GATHER_DRAIN), NULL);
    free(args);
    free(jobs);
    return rc;
}

static int make_pool(struct program *program)
{
    struct via_process_pool_options options;
    char why[256] = "";
    via_process_pool_options_init(&options);
    options.name = "codec";
    if (program->workers > 0)
        options.max_workers = (int)program->workers;
    /* What the library leaks goes with the process: each ends after about so many files. */
    options.max_calls = 1000;
    options.why = why;
    options.why_bytes = sizeof why;
    int rc = via_process_pool_new(&options, &program->pool);
    if (rc < 0)
        fprintf(stderr, "crashy_codec: %s\n", *why != '\0' ? why : via_status_text(rc));
    return rc;
}

static int run_in_pool(struct program *program)
{
    if (make_pool(program) < 0)
        return EXIT_FAILURE;
    int64_t start_ns = via_now_ns();
    int rc = via_run(decode_all, program, NULL);
    program->seconds = (double)(via_now_ns() - start_ns) / (double)VIA_S;
    if (rc < 0)
        fprintf(stderr, "crashy_codec: %s\n", via_status_text(rc));
    return via_exit_status(rc);
}

static void free_pool(struct program *program)
{
    unsigned flags = VIA_SHUTDOWN_CANCEL_QUEUED | VIA_SHUTDOWN_CANCEL_RUNNING;
    if (program->pool != NULL && via_executor_shutdown(program->pool, flags, 5 * VIA_S) < 0)
        fprintf(stderr, "crashy_codec: a worker process does not end\n");
    via_executor_unref(program->pool);
}

static void print_figures(const struct program *program)
{
    const struct files *files = &program->files;
    struct via_process_pool_stats stats = {0};
    via_process_pool_get_stats(program->pool, &stats);
    printf("%zu files: %zu decoded, %zu refused, %zu crashed, %zu timed out", files->count,
           report_count(files, DECODED), report_count(files, REFUSED), report_count(files, CRASHED),
           report_count(files, TIMED_OUT));
    if (files->skipped > 0)
        printf("; %zu others skipped", files->skipped);
    printf("\n%.2f s, %.0f files/s, %llu worker processes started\n", program->seconds,
           (double)files->count / program->seconds, (unsigned long long)stats.started);
}

static int show_pool(struct program *program)
{
    int status = run_in_pool(program);
    if (status == EXIT_SUCCESS) {
        report_failures(&program->files, program->way == DEMO ? LISTED_IN_DEMO : SIZE_MAX);
        print_figures(program);
        report_sums(&program->files);
    }
    free_pool(program);
    return status;
}

static int show_both(struct program *program)
{
    struct in_process_end end = {.how = "could not be started"};
    printf("in-process:\n");
    in_process_show(&program->files, &end);
    printf("  %s\n\nprocess pool:\n", end.how);
    int status = show_pool(program);
    if (status == EXIT_SUCCESS)
        printf("\n%-16s%8s\n%-16s%8zu  %s\n%-16s%8zu  went through all\n", "", "files", "in-process",
               end.files, end.how, "process pool", program->files.count);
    return status;
}

static int show_in_process(struct program *program)
{
    in_process_run(&program->files);
    return EXIT_SUCCESS;
}

/* ---- options ---- */

static long number(const char *option, const char *text, long most)
{
    char *end;
    long value = strtol(text, &end, 10);
    if (end == text || *end != '\0' || value < 1 || value > most) {
        fprintf(stderr, "crashy_codec: --%s takes a number from 1 to %ld\n", option, most);
        exit(EXIT_FAILURE);
    }
    return value;
}

static void read_options(struct program *program, int argc, char **argv)
{
    static const struct option options[] = {
        {"timeout", required_argument, NULL, 't'}, {"workers", required_argument, NULL, 'w'},
        {"in-process", no_argument, NULL, 'i'},    {"demo", no_argument, NULL, 'd'},
        {"help", no_argument, NULL, 'h'},          {NULL, 0, NULL, 0}};
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 't')
            program->timeout_ms = number("timeout", optarg, 3600 * 1000);
        else if (option == 'w')
            program->workers = number("workers", optarg, 1000);
        else if (option == 'i')
            program->way = IN_PROCESS;
        else if (option == 'd')
            program->way = DEMO;
        else {
            fputs(usage, option == 'h' ? stdout : stderr);
            exit(option == 'h' ? EXIT_SUCCESS : EXIT_FAILURE);
        }
    }
    if (optind < argc)
        program->directory = argv[optind++];
    if (optind < argc) {
        fputs(usage, stderr);
        exit(EXIT_FAILURE);
    }
}

int main(int argc, char **argv)
{
    via_process_enter(); /* worker processes go no further */
    struct program program = {.directory = "/usr/share/zoneinfo", .timeout_ms = 500};
    read_options(&program, argc, argv);
    if (files_find(program.directory, &program.files) < 0)
        return EXIT_FAILURE;
    int status = EXIT_SUCCESS;
    if (program.files.count == 0)
        printf("%s: there are no files\n", program.directory);
    else
        status = program.way == DEMO         ? show_both(&program)
                 : program.way == IN_PROCESS ? show_in_process(&program)
                                             : show_pool(&program);
    files_free(&program.files);
    return status;
}
