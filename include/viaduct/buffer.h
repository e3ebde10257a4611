/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Buffers: memory for large inputs and answers that processes share, so that nothing is copied.
 *
 *     via_buffer *image;
 *     rc = via_buffer_new(pool, image_bytes, 0, &image);
 *     read_image(via_buffer_data(image), image_bytes);
 *     struct via_call call = VIA_CALL_BUFFER(decode, image);
 *     via_future *f = via_run_in_executor(loop, pool, &call);
 *
 * A buffer can be the input of calls of any executor.  While a call has it, the program must not write to it.
 *
 * A pointer to a buffer that was freed is found out: calls with it are refused with VIA_EINVAL, and the
 * functions below do nothing and answer as for NULL.  But once a new buffer has been made the pointer may be
 * that one's.
 */
#ifndef VIADUCT_BUFFER_H
#define VIADUCT_BUFFER_H

#include <viaduct/attr.h>

/** Memory that worker processes can be shown; see buffer.h. */
typedef struct via_buffer via_buffer;

/** Options of a buffer that are yes or no. */
enum via_buffer_flags {
    /** Workers may write to it: see via_bytes_in_place().  Without it the kernel keeps every worker from
     *  changing it. */
    VIA_BUFFER_WRITABLE = 1 << 0
};

VIA_BEGIN_C

/**
 * Makes a buffer, filled with zeros or with what an earlier buffer of the same pool held.
 *
 * - Ownership: gives a reference.  Holds no reference on `executor`.
 * - Threads: any.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: Viaduct.
 *
 * @param executor the process pool whose memory is used again, or NULL for none.  The buffer can be used with
 *        any executor all the same.
 * @param bytes its length in bytes; at most 2^40.
 * @param flags enum via_buffer_flags, or'ed.
 * @param buffer receives it; untouched on failure.
 * @return 0; VIA_EINVAL; VIA_ENOMEM; VIA_EAGAIN if the system refused a descriptor; VIA_ENOTSUP if it has or
 *         allows no memory files that can be sealed (memfd_create()).
 */
VIA_PUBLIC int via_buffer_new(via_executor *executor, size_t bytes, unsigned flags, via_buffer **buffer);

/**
 * Takes a further reference.
 *
 * - Ownership: gives a reference.
 * - Threads: any.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: Viaduct.
 *
 * @param buffer the buffer, or NULL.
 * @return `buffer`; NULL if it was freed.
 */
VIA_PUBLIC via_buffer *via_buffer_ref(via_buffer *buffer);

/**
 * Gives a reference back; with the last one the buffer is freed.
 *
 * Its memory goes, or is used again by its pool, when no call has it any more.
 *
 * - Ownership: takes the caller's reference.
 * - Threads: any.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: Viaduct.
 *
 * @param buffer the buffer, or NULL.
 * @return NULL.
 */
VIA_PUBLIC via_buffer *via_buffer_unref(via_buffer *buffer);

/**
 * Gives the memory of a buffer.
 *
 * - Ownership: borrowed from the buffer.
 * - Threads: any; what is in it is the program's to order.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: Viaduct.
 *
 * @param buffer the buffer, or NULL.
 * @return its first byte, aligned to a page; NULL for NULL.
 */
VIA_PUBLIC void *via_buffer_data(const via_buffer *buffer);

/**
 * Tells the length of a buffer.
 *
 * - Ownership: nothing changes hands.
 * - Threads: any.
 * - Blocks: no.
 * - Cancel: not applicable.
 * - Origin: Viaduct.
 *
 * @param buffer the buffer, or NULL.
 * @return its length in bytes; 0 for NULL.
 */
VIA_PUBLIC size_t via_buffer_bytes(const via_buffer *buffer);

VIA_END_C

#endif
