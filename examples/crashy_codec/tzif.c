/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The decoder.  Its defects, which are left as such code is found in the wild:
 *
 * - `changes` has room for two changes a year over 96 years.  Zones that were busier write on over what
 *   follows in the struct, the pointer to the names first, and the library dies when it looks there.
 * - Version 3 of the format allows changes at a negative time of the day.  read_date() knows no minus, stays
 *   where it is, and read_rule() asks it for the next date for ever.
 *
 * Everything else is checked: what is no such file is refused.
 */
#include "tzif.h"

#include <ctype.h>
#include <string.h>

enum { MAX_CHANGES = 192, MAX_KINDS = 256, HEADER_BYTES = 44 };

enum { TZIF_OK, TZIF_OTHER, TZIF_SHORT, TZIF_NUMBER };

struct change {
    int64_t at;
    int kind;
};

struct kind {
    int32_t offset_s;
    int is_summer;
    int name;
};

/* How many there are of each, as the header of a block says. */
struct counts {
    uint32_t ut, standard, leaps, changes, kinds, name_bytes;
};

/* The zone that was read last. */
static struct {
    struct counts counts;
    struct change changes[MAX_CHANGES];
    const char *names;
    struct kind kinds[MAX_KINDS];
    int8_t month[2];
    int32_t time_s[2];
} zone;

static int64_t read_number(const unsigned char *at, int bytes)
{
    uint64_t number = at[0] >= 0x80 ? UINT64_MAX : 0;
    for (int i = 0; i < bytes; i++)
        number = number << 8 | at[i];
    return (int64_t)number;
}

static void read_counts(const unsigned char *header, struct counts *counts)
{
    uint32_t number[6];
    for (int i = 0; i < 6; i++)
        number[i] = (uint32_t)read_number(header + 20 + 4 * i, 4);
    *counts = (struct counts){number[0], number[1], number[2], number[3], number[4], number[5]};
}

/* The length of a block after its header, where times have 4 or 8 bytes. */
static uint64_t block_bytes(const struct counts *counts, unsigned time_bytes)
{
    return (uint64_t)counts->changes * (time_bytes + 1) + (uint64_t)counts->kinds * 6 + counts->name_bytes +
           (uint64_t)counts->leaps * (time_bytes + 4) + counts->standard + counts->ut;
}

static int is_sound(const struct counts *counts, const unsigned char *block)
{
    const unsigned char *kinds = block + (uint64_t)counts->changes * 9;
    const unsigned char *names = kinds + (uint64_t)counts->kinds * 6;
    if (counts->kinds == 0 || counts->kinds > MAX_KINDS || counts->name_bytes == 0 ||
        names[counts->name_bytes - 1] != '\0')
        return 0;
    for (uint32_t i = 0; i < counts->changes; i++)
        if (block[(uint64_t)counts->changes * 8 + i] >= counts->kinds)
            return 0;
    for (uint32_t i = 0; i < counts->kinds; i++)
        if (kinds[6 * i + 5] >= counts->name_bytes)
            return 0;
    return 1;
}

static void read_block(const struct counts *counts, const unsigned char *at)
{
    const unsigned char *kind_of = at + (size_t)counts->changes * 8;
    const unsigned char *kinds = kind_of + counts->changes;
    struct change *change = zone.changes;
    zone.names = (const char *)kinds + (size_t)counts->kinds * 6;
    for (uint32_t i = 0; i < counts->changes; i++, change++, at += 8) {
        change->at = read_number(at, 8);
        change->kind = kind_of[i];
    }
    for (struct kind *kind = zone.kinds; kind < zone.kinds + counts->kinds; kind++, kinds += 6) {
        kind->offset_s = (int32_t)read_number(kinds, 4);
        kind->is_summer = kinds[4];
        kind->name = kinds[5];
    }
}

static int read_digits(const char **at)
{
    int number = 0;
    while (isdigit((unsigned char)**at) && number < 10000)
        number = 10 * number + *(*at)++ - '0';
    return number;
}

/* Reads a date such as "M3.5.0/2:30" and gives the place after it. */
static const char *read_date(const char *at, int8_t *month, int32_t *time_s)
{
    int unit_s = 3600;
    *time_s = 2 * unit_s;
    if (*at == 'M') {
        at++;
        *month = (int8_t)read_digits(&at);
    }
    while (*at == '.' || isdigit((unsigned char)*at))
        at++;
    for (*time_s = *at == '/' ? 0 : *time_s; *at == '/' || *at == ':'; unit_s /= 60) {
        at++;
        *time_s += unit_s * read_digits(&at);
    }
    return at;
}

/* Reads the dates of "CET-1CEST,M3.5.0,M10.5.0/3", the rule for the years after the last change. */
static void read_rule(const char *at)
{
    int dates = 0;
    at = strchr(at, ',');
    if (at == NULL)
        return;
    for (;;) {
        if (*at == '\0')
            return;
        if (*at == ',')
            at++;
        at = read_date(at, &zone.month[dates % 2], &zone.time_s[dates % 2]);
        dates++;
    }
}

/* The rule is the last line. */
static int read_last_line(const char *line, size_t length)
{
    char rule[128];
    if (length < 2 || length - 2 >= sizeof rule || line[0] != '\n' || line[length - 1] != '\n')
        return TZIF_SHORT;
    memcpy(rule, line + 1, length - 2);
    rule[length - 2] = '\0';
    read_rule(rule);
    return TZIF_OK;
}

int tzif_read(const void *bytes, size_t length)
{
    const unsigned char *at = bytes, *end = at + length;
    struct counts counts;
    memset(&zone, 0, sizeof zone);
    if (length < 5 || memcmp(at, "TZif", 4) != 0 || at[4] < '2')
        return TZIF_OTHER;
    if (length < HEADER_BYTES)
        return TZIF_SHORT;
    /* The first block is for programs of the last century: its times have 4 bytes. */
    read_counts(at, &counts);
    uint64_t skip = HEADER_BYTES + block_bytes(&counts, 4);
    if (skip + HEADER_BYTES > length)
        return TZIF_SHORT;
    at += skip;
    read_counts(at, &counts);
    at += HEADER_BYTES;
    if (memcmp(at - HEADER_BYTES, "TZif", 4) != 0 || block_bytes(&counts, 8) > (uint64_t)(end - at))
        return TZIF_SHORT;
    if (!is_sound(&counts, at))
        return TZIF_NUMBER;
    zone.counts = counts;
    read_block(&counts, at);
    at += block_bytes(&counts, 8);
    return read_last_line((const char *)at, (size_t)(end - at));
}

void tzif_sum_up(struct tzif_summary *summary)
{
    uint32_t changes = zone.counts.changes;
    memset(summary, 0, sizeof *summary);
    summary->changes = changes;
    if (changes > 0) {
        summary->first = zone.changes[0].at;
        summary->last = zone.changes[changes - 1].at;
    }
    for (uint32_t i = 0; i < zone.counts.kinds; i++) {
        size_t length = strlen(zone.names + zone.kinds[i].name);
        if (length > summary->longest_name)
            summary->longest_name = (uint32_t)length;
    }
    memcpy(summary->month, zone.month, sizeof zone.month);
    memcpy(summary->time_s, zone.time_s, sizeof zone.time_s);
}

const char *tzif_error(int error)
{
    static const char *const text[] = {"no error", "not a compiled time zone", "the file is cut short",
                                       "a number in the file is out of range"};
    return error >= 0 && error < (int)(sizeof text / sizeof *text) ? text[error] : "unknown error";
}
