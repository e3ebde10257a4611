/* SPDX-License-Identifier: BSD-3-Clause */
#include <config.h>

#if defined(__linux__) && (defined(__x86_64__) || defined(__aarch64__))
#include <linux/audit.h>

#include "process/filter.h"

#ifdef __x86_64__
#define ARCHITECTURE AUDIT_ARCH_X86_64
#else
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#endif
#define X32_BIT 0x40000000u

static void emit(struct via__filter *filter, uint16_t op, size_t if_true, size_t if_false, uint32_t k)
{
    // Distances are bytes: longer lists than that are to be split.
    if (filter->count == sizeof filter->code / sizeof *filter->code || if_true > UINT8_MAX ||
        if_false > UINT8_MAX) {
        filter->is_cut = 1;
        return;
    }
    filter->code[filter->count++] = (struct sock_filter){op, (uint8_t)if_true, (uint8_t)if_false, k};
}

static void load(struct via__filter *filter, size_t offset)
{
    emit(filter, BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t)offset);
}

static void load_call(struct via__filter *filter)
{
    load(filter, offsetof(struct seccomp_data, nr));
}

static void load_argument(struct via__filter *filter, unsigned number)
{
    size_t lower = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? sizeof(uint32_t) : 0;
    load(filter, offsetof(struct seccomp_data, args) + number * sizeof(uint64_t) + lower);
}

static void load_masked(struct via__filter *filter, struct via__filter_argument argument)
{
    load_argument(filter, argument.number);
    emit(filter, BPF_ALU | BPF_AND | BPF_K, 0, 0, argument.mask);
}

static void answer(struct via__filter *filter, uint32_t action)
{
    emit(filter, BPF_RET | BPF_K, 0, 0, action);
}

// Skips so many instructions if what was loaded is `value`, or so many if it is not.
static void skip(struct via__filter *filter, uint32_t value, size_t if_equal, size_t if_not)
{
    emit(filter, BPF_JMP | BPF_JEQ | BPF_K, if_equal, if_not, value);
}

// For each value: skips what is left of the list, and one instruction behind it.
static void skip_list(struct via__filter *filter, const uint32_t *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        skip(filter, values[i], count - i, 0);
}

// Skips one instruction.
static void skip_one(struct via__filter *filter)
{
    emit(filter, BPF_JMP | BPF_JA, 0, 0, 1);
}

void via__filter_begin(struct via__filter *filter)
{
    filter->count = 0;
    filter->is_cut = 0;
    load(filter, offsetof(struct seccomp_data, arch));
    skip(filter, ARCHITECTURE, 1, 0);
    answer(filter, VIA__FILTER_KILL);
    load_call(filter);
#ifdef __x86_64__
    emit(filter, BPF_JMP | BPF_JGE | BPF_K, 0, 1, X32_BIT);
    answer(filter, VIA__FILTER_KILL);
#endif
}

void via__filter_end(struct via__filter *filter)
{
    answer(filter, SECCOMP_RET_ALLOW);
}

void via__filter_refuse(struct via__filter *filter, const int *calls, size_t count, uint32_t action)
{
    for (size_t i = 0; i < count; i++)
        skip(filter, (uint32_t)calls[i], count - i, 0);
    skip_one(filter);
    answer(filter, action);
}

void via__filter_never(struct via__filter *filter, struct via__filter_argument argument,
                       const uint32_t *values, size_t count, uint32_t action)
{
    skip(filter, (uint32_t)argument.call, 0, count + 5);
    load_masked(filter, argument);
    skip_list(filter, values, count);
    skip_one(filter);
    answer(filter, action);
    load_call(filter);
}

void via__filter_only(struct via__filter *filter, struct via__filter_argument argument,
                      const uint32_t *values, size_t count, uint32_t action)
{
    skip(filter, (uint32_t)argument.call, 0, count + 4);
    load_masked(filter, argument);
    skip_list(filter, values, count);
    answer(filter, action);
    load_call(filter);
}

void via__filter_family(struct via__filter *filter, struct via__filter_argument argument, uint32_t family,
                        const uint32_t *values, size_t count, uint32_t action)
{
    skip(filter, (uint32_t)argument.call, 0, count + 6);
    load_masked(filter, argument);
    skip(filter, family, 0, count + 2);
    load_argument(filter, argument.number);
    skip_list(filter, values, count);
    answer(filter, action);
    load_call(filter);
}

#endif
