/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the programs of the gallery share: how they run, and how they tell the time.
 *
 * gallery_run() is via_run(), with one thing added: if the environment says VIADUCT_GALLERY_CLOCK=virtual,
 * nobody has to wait.  Time stands still then, and jumps to whatever comes next.  A program's own tests can
 * do the same.
 */
#ifndef VIADUCT_GALLERY_H
#define VIADUCT_GALLERY_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <viaduct.h>

static int64_t gallery_start_ns;

static inline int gallery_clock_is_virtual(void)
{
    const char *clock = getenv("VIADUCT_GALLERY_CLOCK");
    return clock != NULL && strcmp(clock, "virtual") == 0;
}

static inline void gallery_options_init(struct via_runner_options *options)
{
    via_runner_options_init(options);
    options->loop.virtual_clock = gallery_clock_is_virtual();
}

static inline int gallery_run(via_task_fn main_task, void *arg, void **result)
{
    struct via_runner_options options;
    via_runner *runner;
    gallery_options_init(&options);
    int rc = via_runner_new(&options, &runner);
    if (rc < 0)
        return rc;
    gallery_start_ns = via_loop_time_ns(via_runner_loop(runner));
    rc = via_runner_run(runner, main_task, arg, result);
    via_runner_free(runner);
    return rc;
}

/* Prints a line, with the seconds since the start before it.  On the loop's thread. */
static inline void VIA_PRINTF(1, 2) say(const char *format, ...)
{
    va_list values;
    printf("%4.1f s  ", (double)(via_loop_time_ns(via_loop_current()) - gallery_start_ns) / (double)VIA_S);
    va_start(values, format);
    vprintf(format, values);
    va_end(values);
    putchar('\n');
    fflush(stdout);
}

#endif
