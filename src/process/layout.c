/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The checksum of an answer.
 *
 * It has to find accidents: a worker's function that writes where it should not, over some words of an answer
 * that is complete, or an older answer over a newer one.  Each 64-bit word is multiplied by an odd number
 * that follows from its place and from the number of the order, and the products are added.  A change of one
 * word always changes the sum, since an odd factor can be undone; changes of several cancel each other with a
 * chance of 2^-64 or so.  The high half of a word is folded into its low half first, because a product's high
 * bits do not reach its low ones.  The products do not wait for each other, so that a small answer takes a
 * few nanoseconds.
 */
#include <config.h>

#include <string.h>

#include "process/layout.h"

#define STEP       UINT64_C(0x9e3779b97f4a7c16) // twice an odd number, so that what it is added to stays odd
#define HEAD_WORDS ((int)((VIA__ANSWER_HEAD - offsetof(struct via__answer, status)) / sizeof(uint64_t)))

uint64_t via__order_used(const struct via__order *order)
{
    return order->flags & VIA__ORDER_IN_BUFFER ? 0 : order->in_bytes;
}

void *via__answer_usage(struct via__answer *answer)
{
    return answer->out + via__answer_content(answer);
}

static inline uint64_t product(const unsigned char *at, size_t bytes, uint64_t factor)
{
    uint64_t word = 0;
    memcpy(&word, at, bytes);
    return (word ^ word >> 32) * factor;
}

uint64_t via__answer_sum(const struct via__answer *answer)
{
    const unsigned char *at = (const unsigned char *)&answer->status;
    size_t left = via__answer_used(answer);
    uint64_t factor = answer->number | 1, sum = answer->number;
#pragma GCC unroll 8
    for (int i = 0; i < HEAD_WORDS; i++, at += sizeof(uint64_t)) {
        sum += product(at, sizeof(uint64_t), factor);
        factor += STEP;
    }
    for (; left >= sizeof(uint64_t); left -= sizeof(uint64_t), at += sizeof(uint64_t)) {
        sum += product(at, sizeof(uint64_t), factor);
        factor += STEP;
    }
    if (left > 0)
        sum += product(at, left, factor);
    return sum ^ sum >> 29;
}
