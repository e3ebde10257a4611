/* SPDX-License-Identifier: BSD-3-Clause */
/* A program that is built in many ways; see tests/check_process_variants.test. */
#ifndef VIA_TEST_VARIANT_H
#define VIA_TEST_VARIANT_H

#include <viaduct/call.h>

#ifdef __cplusplus
extern "C" {
#endif

struct variant_function {
    const char *name;
    via_bytes_fn function;
};

/* What a copy is to run. */
void variant_add(const char *name, via_bytes_fn function);

/* Runs all in a process pool, and prints what comes of it; the exit status for main(). */
int variant_run(void);

#ifdef __cplusplus
}
#endif

#endif
