/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A small library that decodes compiled time zones (TZif, RFC 8536: what stands in /usr/share/zoneinfo).
 *
 * It plays the part of the old library that does its work and that nobody dares to touch: one thread at a
 * time, with a table that was large enough once.  It has two real defects.  Look for them, or see tzif.c.
 */
#ifndef TZIF_H
#define TZIF_H

#include <stddef.h>
#include <stdint.h>

struct tzif_summary {
    int64_t first, last;   /* the first and last change of the clock, in seconds since 1970 */
    uint32_t changes;      /* how many changes there are between */
    uint32_t longest_name; /* the length of the longest abbreviation, as 4 for "CEST" */
    int8_t month[2];       /* the months of the changes in every later year, or 0 */
    int32_t time_s[2];     /* their time of the day, in seconds */
};

/* Decodes the bytes of a file, which have to stay for as long as the zone is used.  0, or an error for
 * tzif_error(). */
int tzif_read(const void *bytes, size_t length);

/* Sums up the zone that was read last. */
void tzif_sum_up(struct tzif_summary *summary);

/* An error in words. */
const char *tzif_error(int error);

#endif
