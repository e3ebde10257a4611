/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Payloads too large for a slot: buffers, which are memory files that both sides map and keep.
 *
 * Program to worker (buffer.h, acquaintance.h).  A via_buffer is a memory file, sealed against shrinking and
 * growing, and without VIA_BUFFER_WRITABLE against writing by anyone but the program.  Before the first order
 * that names it, its descriptor goes to the worker over the control socket, which maps it and keeps it
 * mapped; when the program gives the memory up, the worker is told to forget it.  Those that are released go
 * to a cache of the pool's, in classes of size, up to a bound, least recently used first out.
 *
 * Worker to program (pantry.h, acquaintance.h).  A worker makes memory files of its own for large answers,
 * seals them, and sends the descriptor over its control socket before the answer that names it.  The program
 * checks the seals and the length before it maps them, read-only; without the seals a worker could shrink the
 * file under the program's reads.  Small answers are copied; each order says how many answers were taken, and
 * the worker uses their memory again.  Larger ones are shown in place; when such an answer was released the
 * worker is told by a message.
 *
 * Trust.  A number in an answer is looked up among the buffers of that worker only; its length is checked
 * against the length that fstat() told.  A writable buffer that a worker knew which has crashed or scribbled
 * is not used again, for something that worker started may have it mapped still; one that it could only read
 * is as good as new.  What a worker holds that no order of the moment may write to is read-only in the worker
 * as well, so a function that writes wildly meets a fault instead of an earlier answer.
 *
 * This header is the messages on the control socket.  Each has a kind, and numbers as the kind wants them.
 */
#ifndef VIADUCT_PROCESS_PAYLOAD_H
#define VIADUCT_PROCESS_PAYLOAD_H

#include <stddef.h>
#include <stdint.h>

#define VIA__PAYLOAD_NUMBERS 30

enum via__payload_kind {
    // From the program.
    VIA__PAYLOAD_BUFFER = 1, // number, length, flags; with its descriptor
    VIA__PAYLOAD_FORGET,     // numbers of buffers that are gone
    VIA__PAYLOAD_OBJECT,     // number of an object of the directory; with its descriptor
    VIA__PAYLOAD_REUSE,      // numbers of offers whose answers were released
    VIA__PAYLOAD_DROP,       // numbers of offers that the program could not take
    // From the worker.
    VIA__PAYLOAD_OFFER, // number, length, 1 if it is for one answer only; with its descriptor
    VIA__PAYLOAD_GONE   // numbers of offers that the worker will not use again
};

struct via__payload_message {
    uint32_t kind; // enum via__payload_kind
    uint32_t count;
    uint64_t numbers[VIA__PAYLOAD_NUMBERS];
};

static inline size_t via__payload_bytes(const struct via__payload_message *message)
{
    return offsetof(struct via__payload_message, numbers) + message->count * sizeof message->numbers[0];
}

// Whether what was received is a message with as many numbers as it says.
static inline int via__payload_is_whole(const struct via__payload_message *message, size_t received)
{
    return received >= offsetof(struct via__payload_message, numbers) &&
           message->count <= VIA__PAYLOAD_NUMBERS && received == via__payload_bytes(message);
}

#endif
