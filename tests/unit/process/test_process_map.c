/* SPDX-License-Identifier: BSD-3-Clause */
/* Maps over bytes in worker processes: a chunk is one call there. */
#include "pool_fixture.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>

struct source {
    int taken, count, number;
};

static int next_number(void *arg, const void **in, size_t *in_bytes)
{
    struct source *source = arg;
    if (source->taken == source->count)
        return 0;
    source->number = source->taken++;
    *in = &source->number;
    *in_bytes = sizeof source->number;
    return 1;
}

static int number_of(const void *in)
{
    int number;
    memcpy(&number, in, sizeof number);
    return number;
}

/* Answers with so many times its low byte. */
static int spell(via_bytes_call *call, const void *in, size_t in_bytes)
{
    int number = number_of(in);
    (void)in_bytes;
    if (number == 45)
        return via_fail(45, "no %d", number);
    char *out = via_bytes_out(call, (size_t)number);
    if (!out)
        return VIA_ENOMEM;
    memset(out, number, (size_t)number);
    return 0;
}

static int spell_10000(via_bytes_call *call, const void *in, size_t in_bytes)
{
    char *out = via_bytes_out(call, 10000);
    (void)in_bytes;
    if (!out)
        return VIA_ENOMEM;
    memset(out, number_of(in), 10000);
    return 0;
}

static int die_at_7(via_bytes_call *call, const void *in, size_t in_bytes)
{
    if (number_of(in) == 7)
        raise(SIGKILL);
    return spell(call, in, in_bytes);
}

static via_map *map_on(via_executor *pool, struct source *source, via_bytes_fn fn, size_t chunk)
{
    struct via_map_options options = {
        .next_bytes = next_number, .source = source, .bytes_fn = fn, .chunk = chunk};
    via_map *map = NULL;
    ck_assert_int_eq(via_map_new(pool, &options, &map), 0);
    return map;
}

static void expect_value(via_map *map, int number, size_t bytes)
{
    struct via_outcome outcome;
    ck_assert_int_eq(via_map_next(map, &outcome), 1);
    ck_assert_msg(outcome.status == 0, "item %d: %s", number, via_status_name(outcome.status));
    ck_assert_uint_eq(outcome.bytes, bytes);
    const unsigned char *value = outcome.value;
    ck_assert(bytes == 0 || (value[0] == (unsigned char)number && value[bytes - 1] == (unsigned char)number));
    if (outcome.destroy)
        outcome.destroy(outcome.value);
}

TEST(chunks_of_any_size_give_the_same_results)
{
    const size_t chunks[] = {0, 6, 40, 50, 100};
    EACH_TRANSPORT(transport)
    {
        via_executor *pool = open_over(transport, 2);
        for (size_t i = 0; i < sizeof chunks / sizeof *chunks; i++) {
            struct source source = {.count = 60};
            struct via_outcome outcome;
            via_map *map = map_on(pool, &source, spell, chunks[i]);
            for (int k = 0; k < 45; k++)
                expect_value(map, k, (size_t)k);
            ck_assert_int_eq(via_map_next(map, &outcome), 1);
            ck_assert(outcome.status == VIA_EFAILED && outcome.code == 45);
            ck_assert_str_eq(outcome.message, "no 45");
            for (int k = 46; k < 60; k++)
                expect_value(map, k, (size_t)k);
            ck_assert_int_eq(via_map_next(map, &outcome), 0);
            via_map_free(map);
        }
        close_pool(pool);
    }
}

TEST(a_chunks_answers_may_be_large_together)
{
    via_executor *pool = open_pool(2);
    struct source source = {.count = 100};
    via_map *map = map_on(pool, &source, spell_10000, 30);
    for (int i = 0; i < 100; i++)
        expect_value(map, i, 10000);
    via_map_free(map);
    close_pool(pool);
}

/* Answers how often it was run in this worker and its children, after it has returned in one as well. */
static int fork_and_count(via_bytes_call *call, const void *in, size_t in_bytes)
{
    static _Atomic int *runs;
    if (!runs)
        runs = mmap(NULL, sizeof *runs, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    atomic_fetch_add(runs, 1);
    pid_t pid = fork();
    if (pid > 0)
        waitpid(pid, NULL, 0);
    (void)in;
    (void)in_bytes;
    int count = atomic_load(runs);
    return give_back(call, &count, sizeof count);
}

TEST(a_child_of_an_item_that_returns_runs_no_further_items)
{
    EACH_TRANSPORT(transport)
    {
        via_executor *pool = open_over(transport, 1);
        struct source source = {.count = 6};
        struct via_outcome outcome;
        via_map *map = map_on(pool, &source, fork_and_count, 3);
        for (int i = 1; i <= 6; i++) {
            ck_assert_int_eq(via_map_next(map, &outcome), 1);
            ck_assert_int_eq(outcome.status, 0);
            ck_assert_int_eq(number_of(outcome.value), i);
            if (outcome.destroy)
                outcome.destroy(outcome.value);
        }
        via_map_free(map);
        close_pool(pool);
    }
}

static int next_hang(void *arg, const void **in, size_t *in_bytes)
{
    int *left = arg;
    *in = NULL;
    *in_bytes = 0;
    return (*left)-- > 0;
}

TEST(each_chunk_has_the_timeout_that_the_map_gives_it)
{
    via_executor *pool = open_pool(1);
    const size_t chunks[] = {1, 3};
    for (int i = 0; i < 2; i++) {
        int left = 4;
        struct via_map_options options = {.next_bytes = next_hang,
                                          .source = &left,
                                          .bytes_fn = hang,
                                          .chunk = chunks[i],
                                          .call_timeout_ns = 5 * VIA_MS};
        struct via_outcome outcome;
        via_map *map = NULL;
        ck_assert_int_eq(via_map_new(pool, &options, &map), 0);
        for (int item = 0; item < 4; item++) {
            ck_assert_int_eq(via_map_next(map, &outcome), 1);
            ck_assert_int_eq(outcome.status, VIA_ETIMEDOUT);
        }
        ck_assert_int_eq(via_map_next(map, &outcome), 0);
        via_map_free(map);
    }
    close_pool(pool);
}

/* Its input is the name of a file: crashes when it is the one to make it. */
static int crash_first(via_bytes_call *call, const void *in, size_t in_bytes)
{
    int fd = open(in, O_CREAT | O_EXCL | O_RDONLY | O_CLOEXEC, 0600);
    if (fd >= 0)
        raise(SIGKILL);
    return give_back(call, in, in_bytes);
}

static int next_name(void *arg, const void **in, size_t *in_bytes)
{
    const char **name = arg;
    *in = *name;
    *in_bytes = *name ? strlen(*name) + 1 : 0;
    *name = NULL;
    return *in != NULL;
}

TEST(each_chunk_has_the_retries_that_the_map_gives_it)
{
    via_executor *pool = open_pool(1);
    char path[] = "/tmp/viaduct-map-XXXXXX";
    for (int retries = 0; retries <= 1; retries++) {
        int fd = mkstemp(path);
        ck_assert_int_ge(fd, 0);
        close(fd);
        unlink(path);
        const char *name = path;
        struct via_map_options options = {
            .next_bytes = next_name, .source = &name, .bytes_fn = crash_first, .call_retries = retries};
        struct via_outcome outcome;
        via_map *map = NULL;
        ck_assert_int_eq(via_map_new(pool, &options, &map), 0);
        ck_assert_int_eq(via_map_next(map, &outcome), 1);
        ck_assert_int_eq(outcome.status, retries ? 0 : VIA_ECRASHED);
        if (outcome.destroy)
            outcome.destroy(outcome.value);
        via_map_free(map);
        unlink(path);
        strcpy(path, "/tmp/viaduct-map-XXXXXX");
    }
    ck_assert_uint_eq(process_stats(pool).retried, 1);
    close_pool(pool);
}

TEST(a_crash_costs_the_chunk_and_says_so)
{
    via_executor *pool = open_pool(1);
    struct source source = {.count = 20};
    struct via_outcome outcome;
    via_map *map = map_on(pool, &source, die_at_7, 5);
    for (int i = 0; i < 5; i++)
        expect_value(map, i, (size_t)i);
    for (int i = 5; i < 10; i++) {
        char expected[64];
        ck_assert_int_eq(via_map_next(map, &outcome), 1);
        ck_assert_int_eq(outcome.status, VIA_ECRASHED);
        ck_assert_ptr_nonnull(outcome.process);
        ck_assert_int_eq(outcome.process->signal, SIGKILL);
        snprintf(expected, sizeof expected, "(this is item %d of 5 that were given to a worker together: any",
                 i - 4);
        ck_assert_msg(strstr(outcome.message, expected) != NULL, "%s", outcome.message);
    }
    for (int i = 10; i < 20; i++)
        expect_value(map, i, (size_t)i);
    ck_assert_int_eq(via_map_next(map, &outcome), 0);
    via_map_free(map);
    close_pool(pool);
}

TEST(a_crash_costs_a_single_item_alone)
{
    via_executor *pool = open_pool(1);
    struct source source = {.count = 12};
    struct via_outcome outcome;
    via_map *map = map_on(pool, &source, die_at_7, 1);
    for (int i = 0; i < 7; i++)
        expect_value(map, i, (size_t)i);
    ck_assert_int_eq(via_map_next(map, &outcome), 1);
    ck_assert_int_eq(outcome.status, VIA_ECRASHED);
    ck_assert_int_eq(outcome.process->signal, SIGKILL);
    for (int i = 8; i < 12; i++)
        expect_value(map, i, (size_t)i);
    via_map_free(map);
    close_pool(pool);
}

/* An item too many fails by itself; a table that finds no room fails the chunk. */
TEST(answers_above_the_limit_fail_where_they_find_no_room)
{
    struct via_process_pool_options options = pool_options(1);
    struct source source = {.count = 3};
    struct via_outcome outcome;
    options.max_out_bytes = 25000;
    via_executor *pool = open_with(&options);
    via_map *map = map_on(pool, &source, spell_10000, 3);
    expect_value(map, 0, 10000);
    expect_value(map, 1, 10000);
    ck_assert_int_eq(via_map_next(map, &outcome), 1);
    ck_assert_int_eq(outcome.status, VIA_ENOMEM);
    via_map_free(map);
    close_pool(pool);
}

PROCESS_TEST_MAIN("process/process_map", chunks_of_any_size_give_the_same_results,
                  a_chunks_answers_may_be_large_together,
                  a_child_of_an_item_that_returns_runs_no_further_items,
                  each_chunk_has_the_timeout_that_the_map_gives_it,
                  each_chunk_has_the_retries_that_the_map_gives_it, a_crash_costs_the_chunk_and_says_so,
                  a_crash_costs_a_single_item_alone, answers_above_the_limit_fail_where_they_find_no_room)
