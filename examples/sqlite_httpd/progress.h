/* SPDX-License-Identifier: BSD-3-Clause */
/* A progress bar on standard error: redrawn in place on a terminal, a few plain lines elsewhere. */
#ifndef SQLITE_HTTPD_PROGRESS_H
#define SQLITE_HTTPD_PROGRESS_H

#include <stdint.h>

/* Start one with {.label = ..., .lines = ...}; the other fields are its own. */
struct progress {
    const char *label; /* what is going on */
    int lines;         /* how many plain lines the whole takes where there is no terminal */
    int shown;         /* the last step that was drawn, plus one */
    int64_t drawn_ns;  /* when that was */
};

/* Shows that the part `done`, from 0 to 1, is done, with a few words of news.  Call it as often as you like.
 */
void progress_show(struct progress *progress, double done, const char *news);

/* Shows the bar full, and leaves it there. */
void progress_end(struct progress *progress, const char *news);

/* Leaves the bar as it is, and ends its line. */
void progress_stop(void);

#endif
