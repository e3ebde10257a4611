/* SPDX-License-Identifier: BSD-3-Clause */
#include "apart.h"
#include "../crashy_codec/tzif.h"

#include <event2/http.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

int zone_run(via_bytes_call *call, const void *file, size_t bytes)
{
    struct tzif_summary s;
    int error = tzif_read(file, bytes);
    if (error != 0)
        return via_fail(HTTP_BADREQUEST, "%s", tzif_error(error));
    tzif_sum_up(&s);
    char text[200];
    int length = snprintf(text, sizeof text,
                          "{\"changes\":%" PRIu32 ",\"first\":%" PRId64 ",\"last\":%" PRId64
                          ",\"still\":%s,\"longest_name\":%" PRIu32 "}\n",
                          s.changes, s.first, s.last, s.month[0] != 0 ? "true" : "false", s.longest_name);
    char *out = via_bytes_out(call, (size_t)length);
    if (out == NULL)
        return VIA_ENOMEM;
    memcpy(out, text, (size_t)length);
    return 0;
}
