/* SPDX-License-Identifier: BSD-3-Clause */
/* The worker's side of payloads, with the program's side beside it; and both sides in two processes. */
#include "support/sanitizers.h"
#include "unit/process/payload_sides.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

struct pair {
    struct sides sides;
    struct via__pantry *pantry;
    uint16_t taken; /* answers */
};

static struct pair open_pair(void)
{
    struct pair pair = {open_sides(256 * MIB), NULL, 0};

    ck_assert_int_eq(via__pantry_new(pair.sides.worker, &pair.pantry), 0);
    return pair;
}

static void close_pair(struct pair *pair)
{
    via__pantry_free(pair->pantry);
    close_sides(&pair->sides);
}

static char *view(struct pair *pair, via_buffer *buffer, int writable)
{
    void *data = NULL;

    ck_assert_int_eq(
        via__pantry_view(pair->pantry, via__buffer_number(buffer), via_buffer_bytes(buffer), writable, &data),
        0);
    return data;
}

static char *take(struct pair *pair, size_t bytes, const void *old, size_t keep, uint64_t *number)
{
    void *data = NULL;

    ck_assert_int_eq(via__pantry_take(pair->pantry, bytes, old, keep, &data, number), 0);
    ck_assert_uint_eq((uintptr_t)data % (uintptr_t)sysconf(_SC_PAGESIZE), 0);
    return data;
}

/* The worker answers with so many bytes, and the program takes it. */
static void *answer(struct pair *pair, size_t bytes, const char *text, void (**destroy)(void *))
{
    uint64_t number;
    void *value = NULL;

    via__pantry_taken(pair->pantry, pair->taken);
    strcpy(take(pair, bytes, NULL, 0, &number), text);
    via__pantry_rest(pair->pantry);
    pair->taken++;
    ck_assert_int_eq(via__acquaintance_answer(pair->sides.acquaintance, number, bytes, &value, destroy), 0);
    ck_assert_str_eq(value, text);
    return value;
}

static void answer_and_release(struct pair *pair, size_t bytes)
{
    void (*destroy)(void *);
    void *value = answer(pair, bytes, "answer", &destroy);

    destroy(value);
    ck_assert_int_ge(via__acquaintance_settle(pair->sides.acquaintance), 0);
}

/* How many mappings of memory files this process has. */
static int mappings(void)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512];
    int count = 0;

    ck_assert_ptr_nonnull(maps);
    while (fgets(line, sizeof(line), maps))
        count += strstr(line, "memfd:") != NULL;
    fclose(maps);
    return count;
}

/* ---- the program's buffers ---- */

TEST(a_view_shows_what_the_program_writes)
{
    struct pair pair = open_pair();
    via_buffer *buffer = new_buffer(100, 0);

    introduce(&pair.sides, buffer);
    const char *seen = view(&pair, buffer, 0);
    ck_assert_ptr_ne(seen, via_buffer_data(buffer));
    strcpy(via_buffer_data(buffer), "later");
    ck_assert_str_eq(seen, "later");
    ck_assert_ptr_eq(view(&pair, buffer, 0), seen);
    via_buffer_unref(buffer);
    close_pair(&pair);
}

TEST(a_view_for_writing_is_the_programs_memory)
{
    struct pair pair = open_pair();
    via_buffer *buffer = new_buffer(MIB, VIA_BUFFER_WRITABLE);

    introduce(&pair.sides, buffer);
    strcpy(view(&pair, buffer, 1), "in place");
    ck_assert_str_eq(via_buffer_data(buffer), "in place");
    via__pantry_rest(pair.pantry);
    strcpy(view(&pair, buffer, 1), "again");
    ck_assert_str_eq(via_buffer_data(buffer), "again");
    via_buffer_unref(buffer);
    close_pair(&pair);
}

TEST(a_view_that_cannot_be_is_refused)
{
    struct pair pair = open_pair();
    via_buffer *buffer = new_buffer(1, 0);
    uint64_t number = via__buffer_number(buffer);
    void *data = &pair;

    introduce(&pair.sides, buffer);
    ck_assert_int_eq(via__pantry_view(pair.pantry, number, 64 * KIB + 1, 0, &data), VIA_EINVAL);
    ck_assert_int_eq(via__pantry_view(pair.pantry, number, 1, 1, &data), VIA_EINVAL);
    ck_assert_ptr_eq(data, &pair);
    via_buffer_unref(buffer);
    close_pair(&pair);
}

/* A sanitizer would make a report of the signal. */
static int write_to(void *memory)
{
    signal(SIGSEGV, SIG_DFL);
    signal(SIGSEGV, SIG_DFL); // a sanitizer would report it, and exit
    *(volatile char *)memory = 1;
    return 0;
}

/* Tells how a child ends that writes there. */
static int writing(void *memory)
{
    return via_test_fork(write_to, memory);
}

TEST(a_worker_cannot_write_to_a_read_only_buffer)
{
    struct pair pair = open_pair();
    via_buffer *buffer = new_buffer(1, 0);

    introduce(&pair.sides, buffer);
    char *seen = view(&pair, buffer, 0);
    ck_assert_int_eq(writing(seen), -SIGSEGV);
    ck_assert_int_eq(mprotect(seen, 64 * KIB, PROT_READ | PROT_WRITE), -1);
    via_buffer_unref(buffer);
    close_pair(&pair);
}

TEST(a_worker_writes_to_a_buffer_only_while_an_order_has_it)
{
    struct pair pair = open_pair();
    via_buffer *buffer = new_buffer(1, VIA_BUFFER_WRITABLE);

    introduce(&pair.sides, buffer);
    char *seen = view(&pair, buffer, 0);
    ck_assert_int_eq(writing(seen), -SIGSEGV);
    seen = view(&pair, buffer, 1);
    ck_assert_int_eq(writing(seen), 0);
    via__pantry_rest(pair.pantry);
    ck_assert_int_eq(writing(seen), -SIGSEGV);
    via_buffer_unref(buffer);
    close_pair(&pair);
}

TEST(a_buffer_that_is_gone_is_unmapped)
{
    struct pair pair = open_pair();
    via_buffer *buffer = new_buffer(64 * KIB, 0);

    introduce(&pair.sides, buffer);
    char *seen = view(&pair, buffer, 0);
    ck_assert_int_eq(msync(seen, 64 * KIB, MS_ASYNC), 0);
    via_buffer_unref(buffer);
    ck_assert_int_eq(via__acquaintance_settle(pair.sides.acquaintance), 1);
    via__pantry_refresh(pair.pantry);
    ck_assert_int_eq(msync(seen, 64 * KIB, MS_ASYNC), -1);
    close_pair(&pair);
}

struct introducer {
    struct pair *pair;
    struct via_test_thread *reader;
    via_buffer *buffer;
};

static void *introduce_late(void *arg)
{
    struct introducer *introducer = arg;

    via_test_thread_await_blocked(introducer->reader);
    introduce(&introducer->pair->sides, introducer->buffer);
    return NULL;
}

TEST(a_view_waits_for_its_descriptor)
{
    struct pair pair = open_pair();
    struct via_test_thread here = {.tid = gettid()};
    struct introducer introducer = {&pair, &here, new_buffer(1, 0)};
    struct via_test_thread thread;

    via_test_thread_start(&thread, introduce_late, &introducer);
    strcpy(via_buffer_data(introducer.buffer), "came");
    ck_assert_str_eq(view(&pair, introducer.buffer, 0), "came");
    via_test_thread_join(&thread);
    via_buffer_unref(introducer.buffer);
    close_pair(&pair);
}

TEST(a_view_does_not_wait_for_a_program_that_is_gone)
{
    struct pair pair = open_pair();
    void *data;

    close(pair.sides.program);
    ck_assert_int_eq(via__pantry_view(pair.pantry, 1, 1, 0, &data), VIA_ESHUTDOWN);
    pair.sides.program = dup(pair.sides.worker);
    close_pair(&pair);
}

/* ---- objects ---- */

static int is_same_file(int fd, int other)
{
    struct stat one, two;

    return fstat(fd, &one) == 0 && fstat(other, &two) == 0 && one.st_ino == two.st_ino;
}

TEST(the_file_of_an_object_is_given_and_closed)
{
    struct pair pair = open_pair();
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    int before = via_test_descriptors();
    int is_new;

    ck_assert_int_eq(via__acquaintance_send_object(pair.sides.acquaintance, 0, file, &is_new), 0);
    ck_assert_int_eq(via__acquaintance_send_object(pair.sides.acquaintance, 3, file, &is_new), 0);
    ck_assert_int_eq(via__pantry_object_fd(pair.pantry, 7), -1);
    int fd = via__pantry_object_fd(pair.pantry, 3);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_ne(fd, file);
    ck_assert(is_same_file(fd, file));
    via__pantry_refresh(pair.pantry);
    ck_assert(!is_same_file(fd, file));
    ck_assert_int_eq(via__pantry_object_fd(pair.pantry, 3), -1);
    ck_assert_int_ge(via__pantry_object_fd(pair.pantry, 0), 0);
    via__pantry_refresh(pair.pantry);
    ck_assert_int_eq(via_test_descriptors(), before);
    close(file);
    close_pair(&pair);
}

TEST(files_nobody_asked_for_are_closed_in_the_end)
{
    struct pair pair = open_pair();
    int is_new;

    ck_assert_int_eq(via__acquaintance_send_object(pair.sides.acquaintance, 1, 0, &is_new), 0);
    ck_assert_int_eq(via__acquaintance_send_object(pair.sides.acquaintance, 2, 0, &is_new), 0);
    ck_assert_int_ge(via__pantry_object_fd(pair.pantry, 2), 0);
    close_pair(&pair);
}

TEST(a_file_that_comes_again_takes_the_place_of_the_first)
{
    struct pair pair = open_pair();
    int before = via_test_descriptors();
    int is_new;

    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(via__acquaintance_send_object(pair.sides.acquaintance, 1, 0, &is_new), 0);
        ck_assert_int_eq(is_new, 1);
        via__acquaintance_estrange_object(pair.sides.acquaintance, 1);
    }
    ck_assert_int_ge(via__pantry_object_fd(pair.pantry, 1), 0);
    ck_assert_int_eq(via_test_descriptors(), before + 1);
    close_pair(&pair);
}

static int lose_a_file(void *arg)
{
    struct pair *pair = arg;
    struct rlimit none = {0, 0};

    setrlimit(RLIMIT_NOFILE, &none);
    if (via__pantry_object_fd(pair->pantry, 1) != VIA_EAGAIN)
        return 1;
    return via__pantry_object_fd(pair->pantry, 1) == -1 ? 0 : 2;
}

TEST(a_file_that_was_lost_is_told_once)
{
    struct pair pair = open_pair();
    int is_new;

    ck_assert_int_eq(via__acquaintance_send_object(pair.sides.acquaintance, 1, 0, &is_new), 0);
    ck_assert_int_eq(via__acquaintance_send_object(pair.sides.acquaintance, 2, 0, &is_new), 0);
    ck_assert_int_eq(via_test_fork(lose_a_file, &pair), 0);
    close_pair(&pair);
}

/* ---- answers ---- */

TEST(memory_is_used_again_when_the_answer_was_released)
{
    struct pair pair = open_pair();

    answer_and_release(&pair, 100 * KIB);
    int before = mappings();
    for (int i = 0; i < 50; i++)
        answer_and_release(&pair, 100 * KIB);
    for (int i = 0; i < 50; i++)
        answer_and_release(&pair, 10);
    ck_assert_int_eq(mappings(), before);
    ck_assert_uint_eq(via__acquaintance_held(pair.sides.acquaintance), 112 * KIB);
    close_pair(&pair);
}

/* With orders given ahead the worker answers several before it learns that the first was copied. */
TEST(memory_of_a_copied_answer_is_used_again_when_an_order_says_so)
{
    struct pair pair = open_pair();
    uint64_t numbers[4], number;

    for (int round = 0; round < 20000; round++) {
        for (int i = 0; i < 4; i++) {
            via__pantry_taken(pair.pantry, (uint16_t)(4 * round));
            take(&pair, 1000, NULL, 0, &number);
            for (int before = 0; before < i; before++)
                ck_assert_uint_ne(number, numbers[before]);
            numbers[i] = number;
            via__pantry_rest(pair.pantry);
        }
        for (int i = 0; i < 4; i++)
            ck_assert_uint_le(numbers[i], 4);
    }
    close_pair(&pair);
}

TEST(an_answer_that_is_read_is_not_written_over)
{
    struct pair pair = open_pair();
    void (*destroy)(void *);
    void (*destroy_second)(void *);
    char *first = answer(&pair, MIB, "first", &destroy);
    char *second = answer(&pair, MIB, "second", &destroy_second);

    ck_assert_str_eq(first, "first");
    destroy(first);
    destroy_second(second);
    close_pair(&pair);
}

TEST(an_answer_grows_with_what_stood_in_it)
{
    struct pair pair = open_pair();
    uint64_t number, last = 0;
    char *data = take(&pair, 1, NULL, 0, &number);
    char *grown = data;

    strcpy(data, "kept");
    ck_assert_ptr_eq(take(&pair, 64 * KIB, data, 5, &last), data);
    ck_assert_uint_eq(last, number);
    for (size_t bytes = 100 * KIB; bytes < 8 * MIB; bytes += 300 * KIB) {
        grown[0]++;
        grown = take(&pair, bytes, grown, 5, &last);
        grown[bytes - 1] = 1;
        ck_assert_str_eq(grown + 1, "ept");
    }
    ck_assert_int_eq((unsigned char)grown[0], 'k' + 27);
    ck_assert_uint_ne(last, number);
    close_pair(&pair);
}

/* An answer that began in the slot, or on the heap. */
TEST(an_answer_moves_in_from_elsewhere)
{
    struct pair pair = open_pair();
    char slot[] = "from the slot";
    uint64_t number;

    ck_assert_str_eq(take(&pair, MIB, slot, sizeof(slot), &number), slot);
    close_pair(&pair);
}

TEST(memory_that_was_not_needed_is_there_for_the_next)
{
    struct pair pair = open_pair();
    uint64_t number, again;

    take(&pair, MIB, NULL, 0, &number);
    via__pantry_give_back(pair.pantry, number);
    via__pantry_give_back(pair.pantry, number);
    via__pantry_give_back(pair.pantry, 999);
    take(&pair, MIB, NULL, 0, &again);
    ck_assert_uint_eq(again, number);
    close_pair(&pair);
}

/* A later call that writes wildly meets a fault instead of an answer that is read in place. */
TEST(a_large_answer_is_shut_once_it_is_given)
{
    struct pair pair = open_pair();
    uint64_t number;
    char *large = take(&pair, 65537, NULL, 0, &number);

    ck_assert_int_eq(writing(large), 0);
    via__pantry_rest(pair.pantry);
    ck_assert_int_eq(writing(large), -SIGSEGV);
    close_pair(&pair);
}

TEST(free_memory_is_bounded)
{
    struct pair pair = open_pair();
    void *values[6];
    void (*destroy)(void *);

    for (int i = 0; i < 6; i++)
        values[i] = answer(&pair, 40 * MIB, "answer", &destroy);
    ck_assert_uint_eq(via__acquaintance_held(pair.sides.acquaintance), 240 * MIB);
    for (int i = 0; i < 6; i++)
        destroy(values[i]);
    ck_assert_int_eq(via__acquaintance_settle(pair.sides.acquaintance), 1);
    via__pantry_refresh(pair.pantry);
    ck_assert_int_eq(via__acquaintance_settle(pair.sides.acquaintance), 0);
    ck_assert_uint_eq(via__acquaintance_held(pair.sides.acquaintance), 120 * MIB);
    close_pair(&pair);
}

TEST(memory_above_the_bound_is_not_kept_at_all)
{
    struct pair pair = open_pair();

    answer_and_release(&pair, 200 * MIB);
    via__pantry_refresh(pair.pantry);
    answer_and_release(&pair, 10);
    via__acquaintance_settle(pair.sides.acquaintance);
    ck_assert_uint_eq(via__acquaintance_held(pair.sides.acquaintance), 64 * KIB);
    close_pair(&pair);
}

/* Answers that the program keeps cost the worker nothing beyond a number of them. */
TEST(a_worker_does_not_keep_very_many_answers_mapped)
{
    enum { MANY = 400, KEPT = 160 };
    static void *values[MANY];
    struct pair pair = open_pair();
    void (*destroy)(void *);
    int before = mappings();

    for (int i = 0; i < MANY; i++)
        values[i] = answer(&pair, 65537, "answer", &destroy);
    // A sanitizer maps memory of its own meanwhile.
    if (!UNDER_SANITIZER)
        ck_assert_int_eq(mappings() - before, 2 * KEPT + MANY - KEPT);
    for (int i = 0; i < MANY; i++) {
        ck_assert_str_eq(values[i], "answer");
        destroy(values[i]);
    }
    via__acquaintance_settle(pair.sides.acquaintance);
    ck_assert_uint_eq(via__acquaintance_held(pair.sides.acquaintance), KEPT * 80 * KIB);
    answer_and_release(&pair, 65537);
    ck_assert_uint_eq(via__acquaintance_held(pair.sides.acquaintance), KEPT * 80 * KIB);
    close_pair(&pair);
}

TEST(growing_beyond_many_answers_leaves_nothing)
{
    enum { KEPT = 160 };
    static void *values[KEPT];
    struct pair pair = open_pair();
    void (*destroy)(void *);
    uint64_t number;

    for (int i = 0; i < KEPT; i++)
        values[i] = answer(&pair, 65537, "answer", &destroy);
    char *data = take(&pair, 1, NULL, 0, &number);
    strcpy(data, "grows");
    ck_assert_str_eq(take(&pair, MIB, data, 6, &number), "grows");
    via__pantry_rest(pair.pantry);
    via__acquaintance_settle(pair.sides.acquaintance);
    for (int i = 0; i < KEPT; i++)
        destroy(values[i]);
    close_pair(&pair);
}

TEST(lengths_at_the_ends_of_the_range)
{
    struct pair pair = open_pair();
    uint64_t number;
    void *data = &pair;

    take(&pair, 0, NULL, 0, &number);
    ck_assert_int_eq(via__pantry_take(pair.pantry, ((size_t)1 << 40) + 1, NULL, 0, &data, &number),
                     VIA_ENOMEM);
    ck_assert_int_eq(via__pantry_take(pair.pantry, SIZE_MAX, NULL, 0, &data, &number), VIA_ENOMEM);
    ck_assert_ptr_eq(data, &pair);
    close_pair(&pair);
}

TEST(without_memory_the_answer_so_far_stays)
{
    struct pair pair = open_pair();
    struct rlimit small = {2 * MIB, RLIM_INFINITY};
    uint64_t number, other = 0;
    void *none = &pair;
    char *data = take(&pair, MIB, NULL, 0, &number);

    strcpy(data, "so far");
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    ck_assert_int_eq(via__pantry_take(pair.pantry, 4 * MIB, data, 7, &none, &other), VIA_ENOMEM);
    ck_assert_ptr_eq(none, &pair);
    ck_assert_str_eq(data, "so far");
    ck_assert_ptr_eq(take(&pair, MIB, data, 7, &other), data);
    close_pair(&pair);
}

/* ---- at the limits ---- */

static int work_without_descriptors(void *arg)
{
    struct pair *pair = arg;
    struct rlimit none = {0, 0};
    uint64_t number;
    void *data;

    /* Every number below the spare one is in use. */
    while (dup(0) >= 0 && dup(0) < 900)
        ;
    none.rlim_cur = none.rlim_max = 900;
    setrlimit(RLIMIT_NOFILE, &none);
    while (dup(0) >= 0)
        ;
    if (via__pantry_view(pair->pantry, 1, 1, 0, &data) < 0)
        return 1;
    if (via__pantry_take(pair->pantry, MIB, NULL, 0, &data, &number) < 0)
        return 2;
    return via__pantry_view(pair->pantry, 2, 1, 0, &data) < 0 ? 3 : 0;
}

/* What functions leave open must not make a worker useless for buffers. */
TEST(a_worker_without_descriptors_still_shares_memory)
{
    struct pair pair = open_pair();
    via_buffer *first = new_buffer(1, 0);
    via_buffer *second = new_buffer(1, 0);

    introduce(&pair.sides, first);
    introduce(&pair.sides, second);
    ck_assert_int_eq(via_test_fork(work_without_descriptors, &pair), 0);
    via_buffer_unref(first);
    via_buffer_unref(second);
    close_pair(&pair);
}

static int lose_a_descriptor(void *arg)
{
    struct pair *pair = arg;
    struct rlimit none = {0, 0};
    void *data;

    setrlimit(RLIMIT_NOFILE, &none);
    return via__pantry_view(pair->pantry, 1, 1, 0, &data) == VIA_EAGAIN ? 0 : 1;
}

TEST(a_view_does_not_wait_for_a_descriptor_that_was_lost)
{
    struct pair pair = open_pair();
    via_buffer *buffer = new_buffer(1, 0);

    introduce(&pair.sides, buffer);
    ck_assert_int_eq(via_test_fork(lose_a_descriptor, &pair), 0);
    via_buffer_unref(buffer);
    close_pair(&pair);
}

struct filler {
    struct pair *pair;
    struct via_test_thread *worker;
};

static void *settle_late(void *arg)
{
    struct filler *filler = arg;
    struct pair *pair = filler->pair;
    void *value;
    void (*destroy)(void *);

    via_test_thread_await_blocked(filler->worker);
    /* One of the last, so that those before it are taken in. */
    ck_assert_int_eq(via__acquaintance_answer(pair->sides.acquaintance, 250, 1, &value, &destroy), 0);
    destroy(value);
    return NULL;
}

TEST(a_worker_waits_while_its_socket_is_full)
{
    struct pair pair = open_pair();
    struct via_test_thread here = {.tid = gettid()};
    struct filler filler = {&pair, &here};
    struct via_test_thread thread;
    uint64_t number = 0;

    via_test_thread_start(&thread, settle_late, &filler);
    for (int i = 0; i < 400; i++) {
        take(&pair, 1, NULL, 0, &number);
        via__pantry_rest(pair.pantry);
    }
    ck_assert_uint_eq(number, 400);
    via_test_thread_join(&thread);
    close_pair(&pair);
}

TEST(an_idle_worker_keeps_little_of_its_own)
{
    struct pair pair = open_pair();
    via_buffer *buffer = new_buffer(MIB, 0);

    if (!via_test_counts_heap()) {
        via_buffer_unref(buffer);
        close_pair(&pair);
        return;
    }
    size_t before = via_test_heap_blocks();
    introduce(&pair.sides, buffer);
    view(&pair, buffer, 0);
    answer_and_release(&pair, MIB);
    ck_assert_uint_le(via_test_heap_blocks() - before, 8);
    via_buffer_unref(buffer);
    close_pair(&pair);
}

/* ---- two processes ---- */

static int sum_in_worker(void *arg)
{
    const struct pair *pair = arg;
    struct via__pantry *pantry;
    const unsigned char *in;
    void *data;
    uint64_t *out;
    uint64_t number;

    close(pair->sides.program);
    if (via__pantry_new(pair->sides.worker, &pantry) < 0)
        return 1;
    if (via__pantry_view(pantry, 1, MIB, 1, &data) < 0)
        return 2;
    in = data;
    memset((char *)data + MIB / 2, 2, MIB / 2);
    if (via__pantry_take(pantry, MIB, NULL, 0, &data, &number) < 0)
        return 3;
    out = data;
    for (size_t i = 0; i < MIB; i++)
        *out += in[i];
    return (int)number;
}

TEST(a_worker_in_another_process_reads_writes_and_answers)
{
    struct sides sides = open_sides(MIB);
    struct pair pair = {sides, NULL, 0};
    via_buffer *buffer = new_buffer(MIB, VIA_BUFFER_WRITABLE);
    void *value;
    void (*destroy)(void *);

    memset(via_buffer_data(buffer), 1, MIB);
    introduce(&sides, buffer);
    ck_assert_int_eq(via_test_fork(sum_in_worker, &pair), 1);
    ck_assert_int_eq(((unsigned char *)via_buffer_data(buffer))[MIB - 1], 2);
    ck_assert_int_eq(via__acquaintance_answer(sides.acquaintance, 1, MIB, &value, &destroy), 0);
    ck_assert_uint_eq(*(uint64_t *)value, MIB / 2 * 3);
    destroy(value);
    via_buffer_unref(buffer);
    close_sides(&sides);
}

TEST_MAIN("process/pantry", a_view_shows_what_the_program_writes, a_view_for_writing_is_the_programs_memory,
          a_view_that_cannot_be_is_refused, a_worker_cannot_write_to_a_read_only_buffer,
          a_worker_writes_to_a_buffer_only_while_an_order_has_it, a_buffer_that_is_gone_is_unmapped,
          a_view_waits_for_its_descriptor, a_view_does_not_wait_for_a_program_that_is_gone,
          the_file_of_an_object_is_given_and_closed, files_nobody_asked_for_are_closed_in_the_end,
          a_file_that_comes_again_takes_the_place_of_the_first, a_file_that_was_lost_is_told_once,
          memory_is_used_again_when_the_answer_was_released,
          memory_of_a_copied_answer_is_used_again_when_an_order_says_so,
          an_answer_that_is_read_is_not_written_over, an_answer_grows_with_what_stood_in_it,
          an_answer_moves_in_from_elsewhere, memory_that_was_not_needed_is_there_for_the_next,
          a_large_answer_is_shut_once_it_is_given, free_memory_is_bounded,
          memory_above_the_bound_is_not_kept_at_all, a_worker_does_not_keep_very_many_answers_mapped,
          growing_beyond_many_answers_leaves_nothing, lengths_at_the_ends_of_the_range,
          without_memory_the_answer_so_far_stays, a_worker_without_descriptors_still_shares_memory,
          a_view_does_not_wait_for_a_descriptor_that_was_lost, a_worker_waits_while_its_socket_is_full,
          an_idle_worker_keeps_little_of_its_own, a_worker_in_another_process_reads_writes_and_answers)
