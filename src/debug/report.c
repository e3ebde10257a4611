/* SPDX-License-Identifier: BSD-3-Clause */
/* What is said of a blocked loop. */
#include <config.h>

#include <dlfcn.h>
#include <stdio.h>

#include "base/log.h"
#include "base/clock.h"
#include "debug/watchdog.h"

#define SYMBOL_BYTES 192

// Writes "function+0x12 in file", or what is known of it.  `back` is 1 for the address that a call returns
// to, which may be in the next function already.
static void describe(const void *address, int back, char text[SYMBOL_BYTES])
{
    Dl_info info;
    const char *at = address;
    if (!dladdr(at - back, &info) || !info.dli_fname)
        snprintf(text, SYMBOL_BYTES, "%p", address);
    else if (info.dli_sname)
        snprintf(text, SYMBOL_BYTES, "%s+0x%tx in %s", info.dli_sname, at - (const char *)info.dli_saddr,
                 info.dli_fname);
    else
        snprintf(text, SYMBOL_BYTES, "0x%tx in %s", at - (const char *)info.dli_fbase, info.dli_fname);
}

static const char *what_it_does(enum via_blocked state)
{
    static const char *const texts[] = {"what it does is not known", "it waits in the system", "it computes",
                                        ""};
    return texts[state];
}

static void log_blockage(const struct via_blockage *blockage)
{
    char who[SYMBOL_BYTES] = "an unknown function";
    if (blockage->function)
        describe(blockage->function, 0, who);
    const char *quote = blockage->task ? "\"" : "";
    const char *sort = blockage->task ? "task " : "callback", *name = blockage->task ? blockage->task : "";
    long long blocked_ms = blockage->blocked_ns / VIA_MS, cpu_ms = blockage->cpu_ns / VIA_MS;
    if (blockage->state == VIA_BLOCKED_OVER)
        via__log(VIA_LOG_WARNING, "the loop goes on: %s%s%s%s (%s) has blocked it for %lld ms", sort, quote,
                 name, quote, who, blocked_ms);
    else
        via__log(
            VIA_LOG_WARNING,
            "the loop is blocked: %s%s%s%s (%s) has not returned for %lld ms; %s (processor time %lld ms)",
            sort, quote, name, quote, who, blocked_ms, what_it_does(blockage->state), cpu_ms);
    for (int i = 0; i < blockage->frame_count; i++)
        via__log(VIA_LOG_WARNING, "  #%d %s", i, blockage->symbols[i]);
}

void via__blockage_report(struct via_blockage *blockage, const struct via__trace *trace,
                          via_blockage_fn report, void *arg)
{
    char texts[VIA__TRACE_FRAMES][SYMBOL_BYTES];
    const char *symbols[VIA__TRACE_FRAMES];
    blockage->task = trace->is_task ? trace->name : NULL;
    blockage->function = trace->function;
    blockage->frame_count = blockage->state == VIA_BLOCKED_OVER ? 0 : trace->count;
    blockage->frames = trace->frames;
    blockage->symbols = symbols;
    for (int i = 0; i < blockage->frame_count; i++) {
        describe(trace->frames[i], i > 0, texts[i]);
        symbols[i] = texts[i];
    }
    if (report)
        report(blockage, arg);
    else
        log_blockage(blockage);
}
