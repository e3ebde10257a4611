/* SPDX-License-Identifier: BSD-3-Clause */
/* The files of a directory, and what became of each. */
#ifndef FILES_H
#define FILES_H

#include "tzif.h"

/* How it went with a file. */
enum state { WAITING, DECODED, REFUSED, CRASHED, TIMED_OUT, LOST, STATES };

struct file {
    char *path;
    const char *name;     /* the part of the path below the directory */
    unsigned char *bytes; /* what stands in it, between file_read() and file_forget() */
    size_t length;
    enum state state;
    struct tzif_summary summary; /* if it was decoded */
    char *reason;                /* in words, if not; NULL if memory ran out */
};

struct files {
    struct file *file;
    size_t count, room;
    size_t skipped; /* what is neither file nor directory, and directories behind symbolic links */
};

/* Lists the files in a directory and below, in the order of their names.  0, or -1 after saying why not; what
 * is below and cannot be opened is listed all the same, to be refused. */
int files_find(const char *directory, struct files *files);
void files_free(struct files *files);

/* A call for a pool of threads: reads a `struct file` into memory. */
int file_read(void *file, void **unused);
void file_forget(struct file *file);

/* Notes how it went; `reason` is copied. */
void file_note(struct file *file, enum state state, const char *reason);

#endif
