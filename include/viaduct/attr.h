/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Compiler attributes and the forward declarations that the other headers share.
 */
#ifndef VIADUCT_ATTR_H
#define VIADUCT_ATTR_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__) || defined(__clang__)
/** Marks a function that the shared library exports. */
#define VIA_PUBLIC __attribute__((visibility("default")))
/** Marks a function with printf's format rules: format argument F, first value V. */
#define VIA_PRINTF(F, V) __attribute__((format(printf, F, V)))
/** Marks a function whose result must not be ignored. */
#define VIA_MUST_USE __attribute__((warn_unused_result))
#else
#define VIA_PUBLIC
#define VIA_PRINTF(F, V)
#define VIA_MUST_USE
#endif

#ifdef __cplusplus
/** Opens a block of C declarations in a C++ program. */
#define VIA_BEGIN_C extern "C" {
/** Closes it. */
#define VIA_END_C }
#else
#define VIA_BEGIN_C
#define VIA_END_C
#endif

/** A thread-safe future; see cfuture.h. */
typedef struct via_cfuture via_cfuture;
/** A future of one loop; see future.h. */
typedef struct via_future via_future;
/** Anything that accepts a call and runs it; see executor.h. */
typedef struct via_executor via_executor;
/** A call that an executor was given; see executor.h. */
typedef struct via_job via_job;
/** A loop over one libevent `event_base`; see loop.h. */
typedef struct via_loop via_loop;
/** A callback that a loop was asked to run; see loop.h. */
typedef struct via_handle via_handle;

#endif
