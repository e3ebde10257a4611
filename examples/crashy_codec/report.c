/* SPDX-License-Identifier: BSD-3-Clause */
#include "report.h"

#include <stdio.h>
#include <unistd.h>
#include <viaduct.h>

void report_progress(const struct files *files, size_t done)
{
    static int64_t next_ns;
    int64_t now_ns = via_now_ns();
    if (!isatty(STDERR_FILENO) || (now_ns < next_ns && done < files->count))
        return;
    next_ns = now_ns + 50 * VIA_MS;
    size_t decoded = report_count(files, DECODED);
    fprintf(stderr, "\r%zu of %zu files, %zu decoded, %zu failed\033[K%s", done, files->count, decoded,
            done - decoded, done == files->count ? "\r\033[K" : "");
}

void report_failures(const struct files *files, size_t at_most)
{
    size_t failed = 0;
    for (size_t i = 0; i < files->count; i++) {
        const struct file *file = &files->file[i];
        if (file->state == WAITING || file->state == DECODED || failed++ >= at_most)
            continue;
        printf("  %s: %s\n", file->name, file->reason != NULL ? file->reason : "failed");
    }
    if (failed > at_most)
        printf("  ... and %zu more\n", failed - at_most);
}

size_t report_count(const struct files *files, enum state state)
{
    size_t count = 0;
    for (size_t i = 0; i < files->count; i++)
        count += files->file[i].state == state;
    return count;
}

void report_sums(const struct files *files)
{
    size_t changes = 0, still = 0;
    for (size_t i = 0; i < files->count; i++) {
        changes += files->file[i].summary.changes;
        still += files->file[i].summary.month[0] != 0;
    }
    printf("the decoded ones have changed their clocks %zu times; %zu still do it every year\n", changes,
           still);
}
