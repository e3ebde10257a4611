/* SPDX-License-Identifier: BSD-3-Clause */
#include "progress.h"

#include <stdio.h>
#include <unistd.h>
#include <viaduct.h>

enum { BAR_COLUMNS = 30 };

static void draw_bar(struct progress *progress, double done, const char *news)
{
    char bar[BAR_COLUMNS + 1];
    for (int i = 0; i < BAR_COLUMNS; i++)
        bar[i] = i < (int)(done * BAR_COLUMNS + 0.5) ? '#' : '.';
    bar[BAR_COLUMNS] = '\0';
    fprintf(stderr, "\r%-16s [%s] %3d %%  %s\033[K", progress->label, bar, (int)(done * 100), news);
    fflush(stderr);
}

void progress_show(struct progress *progress, double done, const char *news)
{
    int terminal = isatty(STDERR_FILENO);
    int step = (int)(done * progress->lines) + 1;
    int64_t now_ns = via_now_ns();
    /* A terminal is redrawn ten times a second, which is as fast as one reads; a log gets its few lines.  The
     * last one is for progress_end(). */
    if (terminal ? now_ns - progress->drawn_ns < 100 * VIA_MS : step <= progress->shown || done >= 1)
        return;
    progress->drawn_ns = now_ns;
    progress->shown = step;
    if (terminal)
        draw_bar(progress, done, news);
    else
        fprintf(stderr, "%s: %d %%  %s\n", progress->label, (int)(done * 100), news);
}

void progress_end(struct progress *progress, const char *news)
{
    if (isatty(STDERR_FILENO)) {
        draw_bar(progress, 1, news);
        fputc('\n', stderr);
    } else
        fprintf(stderr, "%s: 100 %%  %s\n", progress->label, news);
}

void progress_stop(void)
{
    if (isatty(STDERR_FILENO))
        fputc('\n', stderr);
}
