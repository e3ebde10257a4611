/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Statuses: 0 or a negative code, each with a name and a sentence.
 *
 * Where errno has a word for what happened, the status is minus that errno.  What errno has no word for
 * has a code of Viaduct's own, below -4000.  A status says what became of an operation of the library; the
 * return value of a wrapped function is data and travels as `code` in an outcome (outcome.h).
 */
#ifndef VIADUCT_ERROR_H
#define VIADUCT_ERROR_H

#include <errno.h>
#include <viaduct/attr.h>

/** Every status that has a name: X(NAME, value, "text"). */
#define VIA_STATUS_MAP(X)                                                                                    \
    X(VIA_OK, 0, "success")                                                                                  \
    X(VIA_EINVAL, -EINVAL, "an argument is not valid")                                                       \
    X(VIA_ENOMEM, -ENOMEM, "out of memory")                                                                  \
    X(VIA_EAGAIN, -EAGAIN, "the system cannot do this now; try again later")                                 \
    X(VIA_EBUSY, -EBUSY, "the object is in use, or the queue is full")                                       \
    X(VIA_ENOENT, -ENOENT, "no such thing")                                                                  \
    X(VIA_EBADF, -EBADF, "not an open file descriptor")                                                      \
    X(VIA_EPERM, -EPERM, "the system does not permit this")                                                  \
    X(VIA_EDEADLK, -EDEADLK, "this wait could never end")                                                    \
    X(VIA_ETIMEDOUT, -ETIMEDOUT, "the time allowed ran out")                                                 \
    X(VIA_ECANCELED, -ECANCELED, "cancelled")                                                                \
    X(VIA_EMSGSIZE, -EMSGSIZE, "the input or the answer is longer than the limit")                           \
    X(VIA_ENOTSUP, -ENOTSUP, "this executor or system cannot do that")                                       \
    X(VIA_EFAILED, -4001, "the function reported an error code of its own")                                  \
    X(VIA_EABORTED, -4002, "what was awaited was cancelled")                                                 \
    X(VIA_EPENDING, -4003, "the future is not done yet")                                                     \
    X(VIA_ESTATE, -4004, "the object is not in a state that allows this")                                    \
    X(VIA_ETAKEN, -4005, "the value was already taken")                                                      \
    X(VIA_ECLOSED, -4006, "the loop is closed")                                                              \
    X(VIA_ERUNNING, -4007, "a loop is already running here")                                                 \
    X(VIA_ESTOPPED, -4008, "the loop stopped before the future was done")                                    \
    X(VIA_ESHUTDOWN, -4009, "the executor or queue was shut down")                                           \
    X(VIA_EBROKEN, -4010, "broken: a worker's initializer failed, or a barrier was aborted")                 \
    X(VIA_EFOREIGN, -4011, "the object belongs to another thread or loop")                                   \
    X(VIA_EFORKED, -4012, "the object belongs to the parent process")                                        \
    X(VIA_EEXITED, -4013, "the function ended its thread instead of returning")                              \
    X(VIA_EGROUP, -4014, "tasks of the group failed")                                                        \
    X(VIA_EINTERRUPTED, -4015, "the run was interrupted by SIGINT")                                          \
    X(VIA_ECRASHED, -4016, "the worker process died while it ran the call")                                  \
    X(VIA_ECORRUPT, -4017, "the worker process overwrote what it shares with the program")                   \
    X(VIA_ESETUP, -4018, "worker processes of this program cannot be started")

/** The statuses. */
enum via_status {
#define VIA_STATUS_ENUM_(name, value, text) name = value,
    VIA_STATUS_MAP(VIA_STATUS_ENUM_)
#undef VIA_STATUS_ENUM_
};

VIA_BEGIN_C

/**
 * Names a status.
 *
 * - Ownership: the text is static.
 * - Threads: any.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: Viaduct.
 *
 * @param status 0 or a negative status.
 * @return its name, such as "VIA_EDEADLK"; for another errno its name where the C library has one, else
 *         "VIA_E?".
 */
VIA_PUBLIC const char *via_status_name(int status);

/**
 * Describes a status in a sentence without a full stop.
 *
 * - Ownership: the text is static.
 * - Threads: any.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: Viaduct.
 *
 * @param status 0 or a negative status.
 * @return the text; for another errno the C library's, else "unknown status".
 */
VIA_PUBLIC const char *via_status_text(int status);

VIA_END_C

#endif
