/* SPDX-License-Identifier: BSD-3-Clause */
/* Both ends of a worker's control socket, in one process unless a test forks. */
#ifndef VIA_TEST_PAYLOAD_SIDES_H
#define VIA_TEST_PAYLOAD_SIDES_H

#include "support/support.h"

#include <stddef.h>
#include <unistd.h>

#include <viaduct/error.h>

#include "process/acquaintance.h"
#include "process/buffer.h"
#include "process/fds.h"
#include "process/memory.h"
#include "process/pantry.h"
#include "process/payload.h"

#define KIB 1024u
#define MIB 1048576u

struct sides {
    int program, worker; /* ends of the control socket */
    struct via__acquaintance *acquaintance;
};

static inline struct sides open_sides(size_t out_most)
{
    struct sides sides;
    int ends[2];

    ck_assert_int_eq(via__fds_pair(ends), 0);
    sides.program = ends[0];
    sides.worker = ends[1];
    ck_assert_int_eq(via__acquaintance_new(sides.program, out_most, &sides.acquaintance), 0);
    return sides;
}

static inline void close_sides(struct sides *sides)
{
    via__acquaintance_free(sides->acquaintance, 0);
    close(sides->program);
    close(sides->worker);
}

static inline via_buffer *new_buffer(size_t bytes, unsigned flags)
{
    via_buffer *buffer = NULL;

    ck_assert_int_eq(via__buffer_take(NULL, bytes, flags, &buffer), 0);
    return buffer;
}

/* Introduces a buffer; tells whether it was new to the worker. */
static inline int introduce(struct sides *sides, via_buffer *buffer)
{
    int is_new = -1;

    ck_assert_int_eq(via__acquaintance_introduce(sides->acquaintance, buffer, &is_new), 0);
    return is_new;
}

#endif
