/* SPDX-License-Identifier: BSD-3-Clause */
#include "in_process.h"
#include "report.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATIENCE_S = 10 };

/* `reached` counts the files begun, where somebody can read it afterwards. */
static void run(struct files *files, volatile size_t *reached)
{
    for (size_t i = 0; i < files->count; i++) {
        struct file *file = &files->file[i];
        *reached = i + 1;
        int error = file_read(file, NULL) < 0 ? -1 : tzif_read(file->bytes, file->length);
        if (error == 0)
            tzif_sum_up(&file->summary);
        file_note(file, error == 0 ? DECODED : REFUSED, error < 0 ? "cannot be read" : tzif_error(error));
        file_forget(file);
        report_progress(files, i + 1);
    }
}

void in_process_run(struct files *files)
{
    size_t reached = 0;
    run(files, &reached);
    report_failures(files, SIZE_MAX);
    printf("in-process: all of %zu files\n", files->count);
    report_sums(files);
}

static void describe(const struct files *files, int status, struct in_process_end *end)
{
    const char *name = files->file[end->files].name;
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS) {
        end->files = files->count;
        snprintf(end->how, sizeof end->how, "went through all");
    } else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        snprintf(end->how, sizeof end->how, "made no end of %s", name);
    else if (WIFSIGNALED(status))
        snprintf(end->how, sizeof end->how, "died of signal %d (%s) in %s", WTERMSIG(status),
                 strsignal(WTERMSIG(status)), name);
    else
        snprintf(end->how, sizeof end->how, "ended with status %d in %s", WEXITSTATUS(status), name);
}

/* A child stands in for the program, so that there is somebody left to tell.  The count is in memory that
 * both see.  fork() is safe here: nothing of Viaduct was made yet. */
void in_process_show(struct files *files, struct in_process_end *end)
{
    size_t *reached = mmap(NULL, sizeof *reached, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int status = 0;
    if (reached == MAP_FAILED)
        return;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0});
        alarm(PATIENCE_S);
        run(files, reached);
        _exit(EXIT_SUCCESS);
    }
    if (child > 0 && waitpid(child, &status, 0) == child) {
        end->files = *reached > 0 ? *reached - 1 : 0;
        describe(files, status, end);
    }
    munmap(reached, sizeof *reached);
}
