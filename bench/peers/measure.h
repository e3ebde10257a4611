/* SPDX-License-Identifier: BSD-3-Clause */
/* Clocks, memory, calibrated work and the output lines of the benchmark programs. */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <stddef.h>
#include <stdint.h>

/* The first columns of every line that is printed. */
struct cell {
    const char *workload, *peer, *workers, *param;
};

int64_t now_ns(void);
int64_t cpu_ns(void);           /* of the whole process */
double peak_memory_bytes(void); /* VmHWM */
double resident_bytes(void);    /* VmRSS */

void print_value(const struct cell *cell, const char *metric, double value);
/* Sorts the samples and prints their p50, p99, maximum and mean. */
void print_distribution(const struct cell *cell, int64_t *samples, size_t count);
double median(double *values, size_t count);

void calibrate_burn(double us); /* sets how long burn() takes */
void burn(void);
void calibrate_checksum(double us); /* sets how long checksum() takes */
void checksum(void);
double checksum_us(void); /* as calibrated */

#endif
