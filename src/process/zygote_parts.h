/* SPDX-License-Identifier: BSD-3-Clause */
/* What the two sides of zygote.h share among their files. */
#ifndef VIADUCT_PROCESS_ZYGOTE_PARTS_H
#define VIADUCT_PROCESS_ZYGOTE_PARTS_H

#include <stdint.h>

#include "process/enter.h"
#include "process/fds.h"
#include "process/zygote.h"

// What the program asks for.  The answers are struct via__zygote_event with `pidfd` set to -1; the descriptor
// itself comes beside it.
enum via__request_kind { VIA__REQUEST_BIRTH = 1, VIA__REQUEST_KILL = 2 };
struct via__request {
    uint32_t kind;
    uint32_t unused;
    uint64_t serial;
};

// What a worker that is started anew is told beside its mark: "descriptors:serial:pid of the zygote".
#define VIA__BIRTH_VARIABLE "VIADUCT_BIRTH"

// A descriptor of a process, close-on-exec; -1 if the kernel has none.
int via__pidfd_open(pid_t pid);

// Waits until the zygote has ended, and reaps it, but not past `end_ns`.  0 and its wait status;
// VIA_ETIMEDOUT; -ECHILD if somebody else has reaped it.
int via__zygote_reap(const struct via__zygote *zygote, int64_t end_ns, int *wait_status);

// Ends it as via__zygote_end() does, but lets it run for `grace_ns` so that it can end its workers itself.
void via__zygote_finish(struct via__zygote *zygote, int64_t grace_ns);

// Copies a descriptor to a number above those that copies give a meaning to.  That or a negative errno.
int via__fd_lift(int fd, int least);

// Closes every descriptor from `first` on.
void via__close_from(int first);

// Says the first message of a copy.  0 or a negative status.
int via__hello_send(int control, int status, const char *text);

// Says that this copy cannot be what it is meant to be, and ends it.
_Noreturn void via__copy_refuse(int status, const char *text);

// The configuration.  A copy without it ends.
const struct via__process_config *via__copy_config(void);

// Names this process, with as much of the name as the suffix, of at most 15 bytes, leaves room for.
void via__name_process(const char *name, const char *suffix);

// In a process that the zygote has just forked: makes it a worker as far as the kernel is concerned: group,
// the zygote's death, name, the mark of what is to be killed first when memory runs out, signals.  `oom` is
// the zygote's own mark.
void via__birth_prepare(const struct via__process_config *config, uint64_t serial, pid_t zygote, int oom);

// The same process's mark: /proc/self/oom_score_adj; 0 if it cannot be read.
int via__birth_oom(void);

// Starts the program anew as a worker, in such a process.  `fds` begins with its control socket.
_Noreturn void via__birth_exec(const char *program, uint64_t serial, const int *fds, int count, pid_t zygote);

#endif
