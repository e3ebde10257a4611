/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A filter of system calls: a program for the kernel's packet filter, written here instruction by
 * instruction.
 *
 * Each rule looks at the call's number, and what it does not refuse falls through to the next rule; so one
 * call may have several.  The first that refuses decides.
 */
#ifndef VIADUCT_PROCESS_FILTER_H
#define VIADUCT_PROCESS_FILTER_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>

#define VIA__FILTER_KILL       SECCOMP_RET_KILL_PROCESS
#define VIA__FILTER_FAIL(code) (SECCOMP_RET_ERRNO | (uint32_t)(code))

struct via__filter {
    struct sock_filter code[768];
    unsigned short count;
    int is_cut; // there was not room for everything: it must not be installed
};

// What a rule compares: the lower half of an argument, as far as the mask goes.  The kernel itself takes an
// int there.
struct via__filter_argument {
    int call;
    unsigned number;
    uint32_t mask;
};

// Kills who calls for another architecture: numbers of calls depend on it, and a process can change it from
// one call to the next.
void via__filter_begin(struct via__filter *filter);

// Lets pass what no rule has refused.
void via__filter_end(struct via__filter *filter);

// Refuses calls.
void via__filter_refuse(struct via__filter *filter, const int *calls, size_t count, uint32_t action);

// Refuses a call whose argument is one of the values.
void via__filter_never(struct via__filter *filter, struct via__filter_argument argument,
                       const uint32_t *values, size_t count, uint32_t action);

// Refuses a call whose argument is none of the values.
void via__filter_only(struct via__filter *filter, struct via__filter_argument argument,
                      const uint32_t *values, size_t count, uint32_t action);

// Refuses a call whose argument, as far as its mask goes, is `family`, and as a whole none of the values.
void via__filter_family(struct via__filter *filter, struct via__filter_argument argument, uint32_t family,
                        const uint32_t *values, size_t count, uint32_t action);

#endif
