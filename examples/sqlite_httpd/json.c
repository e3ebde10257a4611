/* SPDX-License-Identifier: BSD-3-Clause */
#include "json.h"

#include <event2/buffer.h>
#include <string.h>

/* Appends one character that cannot stand for itself inside quotes. */
static int add_escaped(struct evbuffer *out, unsigned char c)
{
    if (c == '"' || c == '\\')
        return evbuffer_add_printf(out, "\\%c", c) < 0 ? -1 : 0;
    return evbuffer_add_printf(out, "\\u%04x", c) < 0 ? -1 : 0;
}

int json_add_string(struct evbuffer *out, const char *text)
{
    int rc = evbuffer_add(out, "\"", 1);
    while (rc == 0 && *text != '\0') {
        size_t plain = 0;
        while ((unsigned char)text[plain] >= ' ' && text[plain] != '"' && text[plain] != '\\')
            plain++;
        rc = evbuffer_add(out, text, plain);
        text += plain;
        if (rc == 0 && *text != '\0')
            rc = add_escaped(out, (unsigned char)*text++);
    }
    return rc == 0 ? evbuffer_add(out, "\"", 1) : rc;
}

/* Tells how many bytes the sequence with this first byte has; 0 if none begins so. */
static size_t sequence_length(unsigned char first)
{
    if (first < 0x80)
        return first != 0;
    if (first < 0xc2 || first > 0xf4)
        return 0;
    return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

/* Tells whether the second byte makes the sequence overlong, a surrogate, or more than U+10FFFF. */
static int second_is_wrong(unsigned char first, unsigned char second)
{
    return (first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) ||
           (first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f);
}

int utf8_is_valid(const unsigned char *bytes, size_t length)
{
    while (length > 0) {
        size_t n = sequence_length(bytes[0]);
        if (n == 0 || n > length || (n > 1 && second_is_wrong(bytes[0], bytes[1])))
            return 0;
        for (size_t i = 1; i < n; i++)
            if ((bytes[i] & 0xc0) != 0x80)
                return 0;
        bytes += n;
        length -= n;
    }
    return 1;
}
