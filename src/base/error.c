/* SPDX-License-Identifier: BSD-3-Clause */
#include <config.h>

#include <string.h>

#include <viaduct/error.h>

struct status_row {
    int status;
    const char *name;
    const char *text;
};

static const struct status_row rows[] = {
#define ROW(name, value, text) {value, #name, text},
    VIA_STATUS_MAP(ROW)
#undef ROW
};

static const struct status_row *find_row(int status)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].status == status)
            return &rows[i];
    }
    return NULL;
}

const char *via_status_name(int status)
{
    const struct status_row *row = find_row(status);
    if (row)
        return row->name;
#ifdef HAVE_STRERRORNAME_NP
    const char *name = status < 0 && status > -4000 ? strerrorname_np(-status) : NULL;
    if (name)
        return name;
#endif
    return "VIA_E?";
}

const char *via_status_text(int status)
{
    const struct status_row *row = find_row(status);
    if (row)
        return row->text;
#ifdef HAVE_STRERRORDESC_NP
    const char *text = status < 0 && status > -4000 ? strerrordesc_np(-status) : NULL;
    if (text)
        return text;
#endif
    return "unknown status";
}
