/* SPDX-License-Identifier: BSD-3-Clause */
#include "measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

enum { CHUNK_BYTES = 16384 };

static uint64_t burn_rounds;
static unsigned char chunk[CHUNK_BYTES];
static int chunks_per_checksum = 1;
static double calibrated_us;

static int64_t read_clock(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t now_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t cpu_ns(void)
{
    return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

static double memory_bytes(const char *field)
{
    FILE *file = fopen("/proc/self/status", "r");
    char line[256];
    double kib = 0;
    while (file && !kib && fgets(line, sizeof line, file))
        if (!strncmp(line, field, strlen(field)))
            kib = strtod(line + strlen(field), NULL);
    if (file)
        fclose(file);
    return kib * 1024;
}

/* getrusage's maximum would not do: it is inherited from whoever started the program. */
double peak_memory_bytes(void)
{
    return memory_bytes("VmHWM:");
}

double resident_bytes(void)
{
    return memory_bytes("VmRSS:");
}

void print_value(const struct cell *cell, const char *metric, double value)
{
    printf("%s\t%s\t%s\t%s\t%s\t%.6g\n", cell->workload, cell->peer, cell->workers, cell->param, metric,
           value);
}

static int compare_int64(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int compare_double(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void print_distribution(const struct cell *cell, int64_t *samples, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (double)samples[i];
    qsort(samples, count, sizeof *samples, compare_int64);
    print_value(cell, "p50_ns", (double)samples[count / 2]);
    print_value(cell, "p99_ns", (double)samples[count * 99 / 100]);
    print_value(cell, "max_ns", (double)samples[count - 1]);
    print_value(cell, "mean_ns", sum / (double)count);
}

double median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, compare_double);
    return values[count / 2];
}

/* Rounds, not a time to wait for: being preempted must not make the work shorter. */
static void burn_for(uint64_t rounds)
{
    uint64_t x = 88172645463325252u;
    for (uint64_t i = 0; i < rounds; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
    }
    __asm__ volatile("" ::"r"(x));
}

void calibrate_burn(double us)
{
    const uint64_t rounds = 200000;
    double best_ns = 1e18;
    for (int i = 0; i < 9; i++) {
        int64_t from = now_ns();
        burn_for(rounds);
        double took_ns = (double)(now_ns() - from);
        if (took_ns < best_ns)
            best_ns = took_ns;
    }
    burn_rounds = (uint64_t)(us * 1000 * (double)rounds / best_ns);
}

void burn(void)
{
    burn_for(burn_rounds);
}

void checksum(void)
{
    uLong crc = 0;
    for (int i = 0; i < chunks_per_checksum; i++)
        crc = crc32(crc, chunk, CHUNK_BYTES);
    __asm__ volatile("" ::"r"(crc));
}

void calibrate_checksum(double us)
{
    double best_ns = 1e18;
    for (int i = 0; i < CHUNK_BYTES; i++)
        chunk[i] = (unsigned char)(i * 7);
    for (int i = 0; i < 200; i++) {
        int64_t from = now_ns();
        checksum();
        double took_ns = (double)(now_ns() - from);
        if (took_ns < best_ns)
            best_ns = took_ns;
    }
    chunks_per_checksum = (int)(us * 1000 / best_ns + 0.5);
    if (chunks_per_checksum < 1)
        chunks_per_checksum = 1;
    calibrated_us = best_ns * chunks_per_checksum / 1000;
}

double checksum_us(void)
{
    return calibrated_us;
}
