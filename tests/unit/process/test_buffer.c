/* SPDX-License-Identifier: BSD-3-Clause */
/* Buffers that processes share, and the cache of those that were released. */
#include "support/support.h"

#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <viaduct/error.h>

#include "process/buffer.h"
#include "process/memory.h"

#define KIB 1024u
#define MIB 1048576u

static struct via__buffer_cache *new_cache(size_t bytes)
{
    struct via__buffer_cache *cache = NULL;

    ck_assert_int_eq(via__buffer_cache_new(bytes, &cache), 0);
    ck_assert_ptr_nonnull(cache);
    return cache;
}

static via_buffer *take(struct via__buffer_cache *cache, size_t bytes, unsigned flags)
{
    via_buffer *buffer = NULL;

    ck_assert_int_eq(via__buffer_take(cache, bytes, flags, &buffer), 0);
    ck_assert_uint_eq(via_buffer_bytes(buffer), bytes);
    return buffer;
}

TEST(a_buffer_begins_with_zeros_on_a_page)
{
    const size_t lengths[] = {0, 1, 4096, 64 * KIB, 64 * KIB + 1, 3 * MIB};

    for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
        via_buffer *buffer = take(NULL, lengths[i], i % 2 ? VIA_BUFFER_WRITABLE : 0);
        char *data = via_buffer_data(buffer);
        ck_assert_ptr_nonnull(data);
        ck_assert_uint_eq((uintptr_t)data % (uintptr_t)sysconf(_SC_PAGESIZE), 0);
        size_t zeros = 0; // a check of each would write millions of lines for Check
        while (zeros < lengths[i] && data[zeros] == 0)
            zeros++;
        ck_assert_uint_eq(zeros, lengths[i]);
        memset(data, 1, lengths[i]);
        ck_assert_ptr_null(via_buffer_unref(buffer));
    }
}

TEST(what_is_out_of_range_is_refused)
{
    via_buffer *buffer = (via_buffer *)&buffer;

    ck_assert_int_eq(via_buffer_new(NULL, ((size_t)1 << 40) + 1, 0, &buffer), VIA_EINVAL);
    ck_assert_int_eq(via_buffer_new(NULL, SIZE_MAX, 0, &buffer), VIA_EINVAL);
    ck_assert_int_eq(via_buffer_new(NULL, 1, 2, &buffer), VIA_EINVAL);
    ck_assert_int_eq(via_buffer_new(NULL, 1, 0, NULL), VIA_EINVAL);
    ck_assert_ptr_eq(buffer, &buffer);
}

/* Whether there is so much room among the addresses is the system's to say. */
TEST(the_largest_buffer_takes_the_pages_that_are_touched)
{
    size_t bytes = (size_t)1 << 40;
    via_buffer *buffer = NULL;
    int status = via_buffer_new(NULL, bytes, 0, &buffer);

    if (status < 0) {
        ck_assert_int_eq(status, VIA_ENOMEM);
        return;
    }
    char *data = via_buffer_data(buffer);
    data[0] = data[bytes / 2] = data[bytes - 1] = 1;
    ck_assert_uint_eq(via_buffer_bytes(buffer), bytes);
    via_buffer_unref(buffer);
}

TEST(a_released_buffer_is_taken_again_without_an_allocation)
{
    struct via__buffer_cache *cache = new_cache(MIB);
    via_buffer *buffer = take(cache, 100 * KIB, 0);
    void *data = via_buffer_data(buffer);
    uint64_t number = via__buffer_number(buffer);

    strcpy(data, "left");
    via_buffer_unref(buffer);
    /* Assertions allocate. */
    size_t before = via_test_heap_allocations();
    int status = via__buffer_take(cache, 110 * KIB, 0, &buffer);
    size_t after = via_test_heap_allocations();
    ck_assert_int_eq(status, 0);
    ck_assert_uint_eq(after, before);
    ck_assert_ptr_eq(via_buffer_data(buffer), data);
    ck_assert_uint_eq(via__buffer_number(buffer), number);
    ck_assert_str_eq(data, "left");
    via_buffer_unref(buffer);
    via__buffer_cache_leave(cache);
}

TEST(the_last_reference_releases)
{
    struct via__buffer_cache *cache = new_cache(MIB);
    via_buffer *buffer = take(cache, 1, 0);
    via_buffer *other;

    ck_assert_ptr_eq(via_buffer_ref(buffer), buffer);
    via_buffer_unref(buffer);
    other = take(cache, 1, 0);
    ck_assert_ptr_ne(other, buffer);
    via_buffer_unref(other);
    via_buffer_unref(buffer);
    ck_assert_ptr_eq(take(cache, 1, 0), buffer);
    via_buffer_unref(buffer);
    via__buffer_cache_leave(cache);
}

/* Whether or not a cache still has its memory. */
TEST(a_buffer_that_was_freed_is_none)
{
    struct via__buffer_cache *cache = new_cache(MIB);
    via_buffer *buffers[] = {take(NULL, 100, 0), take(cache, 100, 0)};

    for (int i = 0; i < 2; i++) {
        ck_assert_ptr_eq(via_buffer_ref(buffers[i]), buffers[i]);
        via_buffer_unref(buffers[i]);
        ck_assert_uint_eq(via_buffer_bytes(buffers[i]), 100);
        via_buffer_unref(buffers[i]);
        ck_assert_ptr_null(via_buffer_data(buffers[i]));
        ck_assert_uint_eq(via_buffer_bytes(buffers[i]), 0);
        ck_assert_ptr_null(via_buffer_ref(buffers[i]));
        ck_assert_int_eq(via__buffer_hold(buffers[i], 0), VIA_EINVAL);
        ck_assert_ptr_null(via_buffer_unref(buffers[i]));
    }
    ck_assert_ptr_eq(take(cache, 100, 0), buffers[1]);
    ck_assert_uint_eq(via_buffer_bytes(buffers[1]), 100);
    via_buffer_unref(buffers[1]);
    via__buffer_cache_leave(cache);
}

TEST(freeing_a_buffer_twice_takes_nothing_from_who_holds_it)
{
    via_buffer *buffer = take(NULL, 100, 0);

    ck_assert_int_eq(via__buffer_hold(buffer, 101), VIA_EINVAL);
    ck_assert_int_eq(via__buffer_hold(buffer, 100), 0);
    via_buffer_unref(buffer);
    via_buffer_unref(buffer);
    ck_assert_ptr_null(via_buffer_data(buffer));
    strcpy(buffer->data, "good");
    ck_assert_str_eq(buffer->data, "good");
    via__buffer_drop(buffer);
}

TEST(among_many_buffers_each_is_found)
{
    enum { MANY = 200 };
    via_buffer *buffers[MANY];

    for (int i = 0; i < MANY; i++)
        buffers[i] = take(NULL, (size_t)i, 0);
    for (int i = 0; i < MANY; i += 3)
        via_buffer_unref(buffers[i]);
    for (int i = 0; i < MANY; i++)
        ck_assert_uint_eq(via_buffer_bytes(buffers[i]), i % 3 ? (size_t)i : 0);
    for (int i = 0; i < MANY; i++)
        via_buffer_unref(buffers[i]);
}

TEST(another_class_or_kind_is_not_taken)
{
    struct via__buffer_cache *cache = new_cache(MIB);
    via_buffer *first = take(cache, 64 * KIB, 0);
    uint64_t number = via__buffer_number(first);

    via_buffer_unref(first);
    via_buffer *writable = take(cache, 64 * KIB, VIA_BUFFER_WRITABLE);
    via_buffer *larger = take(cache, 64 * KIB + 1, 0);
    ck_assert_uint_gt(via__buffer_number(writable), number);
    ck_assert_uint_gt(via__buffer_number(larger), via__buffer_number(writable));
    ck_assert_uint_eq(via__buffer_flags(writable), VIA_BUFFER_WRITABLE);
    ck_assert_uint_eq(via__buffer_flags(larger), 0);
    via_buffer_unref(writable);
    via_buffer_unref(larger);
    via__buffer_cache_leave(cache);
}

TEST(the_one_released_last_is_taken_first)
{
    struct via__buffer_cache *cache = new_cache(MIB);
    via_buffer *first = take(cache, 1, 0);
    via_buffer *second = take(cache, 1, 0);

    via_buffer_unref(second);
    via_buffer_unref(first);
    ck_assert_ptr_eq(take(cache, 1, 0), first);
    ck_assert_ptr_eq(take(cache, 1, 0), second);
    via_buffer_unref(second);
    via_buffer_unref(first);
    via__buffer_cache_leave(cache);
}

TEST(above_its_bytes_a_cache_gives_up_what_was_released_first)
{
    struct via__buffer_cache *cache = new_cache(256 * KIB);
    via_buffer *small[3];

    for (int i = 0; i < 3; i++)
        small[i] = take(cache, 64 * KIB, 0);
    via_buffer *large = take(cache, 128 * KIB, 0);
    ck_assert_uint_eq(via__buffer_cache_held(cache), 320 * KIB);
    for (int i = 0; i < 3; i++)
        via_buffer_unref(small[i]);
    ck_assert_uint_eq(via__buffer_cache_held(cache), 320 * KIB);
    via_buffer_unref(large);
    ck_assert_uint_eq(via__buffer_cache_held(cache), 256 * KIB);
    ck_assert_ptr_eq(take(cache, 1, 0), small[2]);
    ck_assert_ptr_eq(take(cache, 1, 0), small[1]);
    via_buffer_unref(small[1]);
    via_buffer_unref(small[2]);
    via__buffer_cache_leave(cache);
}

TEST(a_buffer_larger_than_the_cache_is_not_kept)
{
    struct via__buffer_cache *cache = new_cache(128 * KIB);
    via_buffer *kept = take(cache, 128 * KIB, 0);

    via_buffer_unref(kept);
    via_buffer_unref(take(cache, MIB, 0));
    ck_assert_uint_eq(via__buffer_cache_held(cache), 128 * KIB);
    ck_assert_ptr_eq(take(cache, 128 * KIB, 0), kept);
    via_buffer_unref(kept);
    via__buffer_cache_leave(cache);
}

TEST(a_cache_keeps_few_descriptors)
{
    struct via__buffer_cache *cache = new_cache((size_t)1 << 40);
    int before = via_test_descriptors();
    via_buffer *buffers[100];

    for (int i = 0; i < 100; i++)
        buffers[i] = take(cache, 1, 0);
    for (int i = 0; i < 100; i++)
        via_buffer_unref(buffers[i]);
    ck_assert_int_eq(via_test_descriptors() - before, 64);
    via__buffer_cache_leave(cache);
    ck_assert_int_eq(via_test_descriptors(), before);
}

TEST(a_buffer_outlives_its_cache)
{
    struct via__buffer_cache *cache = new_cache(MIB);
    via_buffer *buffer = take(cache, 1, 0);

    via_buffer_unref(take(cache, 1, 0));
    via__buffer_cache_leave(cache);
    strcpy(via_buffer_data(buffer), "good");
    ck_assert_str_eq(via_buffer_data(buffer), "good");
    via_buffer_unref(buffer);
}

TEST(a_tainted_buffer_is_not_used_again)
{
    struct via__buffer_cache *cache = new_cache(MIB);
    via_buffer *out = take(cache, 1, VIA_BUFFER_WRITABLE);
    via_buffer *kept = take(cache, 1, VIA_BUFFER_WRITABLE);
    uint64_t newest = via__buffer_number(kept);

    via_buffer_unref(kept);
    atomic_store(&via__buffer_segment(out)->is_tainted, 1);
    atomic_store(&via__buffer_segment(kept)->is_tainted, 1);
    via_buffer_unref(out);
    via_buffer *fresh = take(cache, 1, VIA_BUFFER_WRITABLE);
    ck_assert_uint_gt(via__buffer_number(fresh), newest);
    ck_assert_uint_eq(via__buffer_cache_held(cache), 64 * KIB);
    via_buffer_unref(fresh);
    via__buffer_cache_leave(cache);
}

TEST(a_copy_has_the_bytes)
{
    struct via__buffer_cache *cache = new_cache(MIB);
    via_buffer *buffer = NULL;
    char bytes[5000];

    memset(bytes, 7, sizeof(bytes));
    ck_assert_int_eq(via__buffer_copy(cache, bytes, sizeof(bytes), &buffer), 0);
    ck_assert_mem_eq(buffer->data, bytes, sizeof(bytes));
    ck_assert_uint_eq(via__buffer_flags(buffer), 0);
    via__buffer_drop(buffer);
    ck_assert_int_eq(via__buffer_copy(cache, NULL, 0, &buffer), 0);
    ck_assert_uint_eq(buffer->bytes, 0);
    via__buffer_drop(buffer);
    via__buffer_cache_leave(cache);
}

/* Leaves room for `more` descriptors; they are given out from the lowest free number on. */
static void leave_descriptors(int more)
{
    int lowest = dup(0);
    struct rlimit limit = {(rlim_t)(lowest + more), (rlim_t)(lowest + more)};

    close(lowest);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

TEST(what_is_kept_gives_way_when_descriptors_run_out)
{
    struct via__buffer_cache *cache = new_cache(MIB);
    via_buffer *buffer = (via_buffer *)&cache;

    leave_descriptors(2);
    via_buffer *first = take(cache, 1, 0);
    via_buffer *second = take(cache, 1, 0);
    ck_assert_int_eq(via__buffer_take(cache, 1, 0, &buffer), VIA_EAGAIN);
    ck_assert_int_eq(via__buffer_take(NULL, 1, 0, &buffer), VIA_EAGAIN);
    ck_assert_ptr_eq(buffer, &cache);
    via_buffer_unref(second);
    buffer = take(cache, 100 * KIB, 0);
    via_buffer_unref(buffer);
    via_buffer_unref(first);
    via__buffer_cache_leave(cache);
}

TEST(only_what_a_worker_knew_is_counted_as_gone)
{
    uint64_t gone = via__segments_gone();
    via_buffer *buffer = take(NULL, 1, 0);

    via_buffer_unref(take(NULL, 1, 0));
    ck_assert_uint_eq(via__segments_gone(), gone);
    struct via__segment *segment = via__segment_live(via__buffer_segment(buffer));
    ck_assert_int_eq(atomic_load(&segment->is_gone), 0);
    via_buffer_unref(buffer);
    ck_assert_uint_eq(via__segments_gone(), gone + 1);
    ck_assert_int_eq(atomic_load(&segment->is_gone), 1);
    via__segment_die(segment);
}

/* The child must not be given memory that its parent is given as well. */
static int take_in_child(void *arg)
{
    struct via__buffer_cache *cache = arg;
    via_buffer *buffer;

    if (via__buffer_take(cache, 1, 0, &buffer) < 0)
        return 1;
    strcpy(via_buffer_data(buffer), "child");
    via_buffer_unref(buffer);
    via__buffer_cache_leave(cache);
    return 0;
}

TEST(a_child_leaves_the_cache_of_its_parent_alone)
{
    struct via__buffer_cache *cache = new_cache(MIB);
    via_buffer *buffer = take(cache, 1, 0);

    strcpy(via_buffer_data(buffer), "parent");
    via_buffer_unref(buffer);
    ck_assert_int_eq(via_test_fork(take_in_child, cache), 0);
    ck_assert_ptr_eq(take(cache, 1, 0), buffer);
    ck_assert_str_eq(via_buffer_data(buffer), "parent");
    via_buffer_unref(buffer);
    via__buffer_cache_leave(cache);
}

static int release_in_child(void *arg)
{
    via_buffer *buffer = arg;

    strcpy(via_buffer_data(buffer), "shared");
    via_buffer_unref(buffer);
    return 0;
}

TEST(a_buffer_that_a_child_releases_stays_good_in_its_parent)
{
    struct via__buffer_cache *cache = new_cache(MIB);
    via_buffer *buffer = take(cache, 1, 0);

    ck_assert_int_eq(via_test_fork(release_in_child, buffer), 0);
    ck_assert_str_eq(via_buffer_data(buffer), "shared");
    via_buffer_unref(buffer);
    ck_assert_ptr_eq(take(cache, 1, 0), buffer);
    via_buffer_unref(buffer);
    via__buffer_cache_leave(cache);
}

static void *take_and_release(void *arg)
{
    for (int i = 0; i < 2000; i++) {
        via_buffer *buffer = take(arg, (size_t)(i % 5) * 20 * KIB, i % 3 ? 0 : VIA_BUFFER_WRITABLE);
        unsigned char *data = via_buffer_data(buffer);
        data[0] = (unsigned char)i;
        ck_assert_int_eq(data[0], (unsigned char)i);
        via_buffer_unref(buffer);
    }
    return NULL;
}

TEST(threads_share_a_cache)
{
    struct via__buffer_cache *cache = new_cache(512 * KIB);
    struct via_test_thread threads[4];

    for (int i = 0; i < 4; i++)
        via_test_thread_start(&threads[i], take_and_release, cache);
    for (int i = 0; i < 4; i++)
        via_test_thread_join(&threads[i]);
    ck_assert_uint_le(via__buffer_cache_held(cache), 512 * KIB);
    via__buffer_cache_leave(cache);
}

TEST_MAIN("process/buffer", a_buffer_begins_with_zeros_on_a_page, what_is_out_of_range_is_refused,
          the_largest_buffer_takes_the_pages_that_are_touched,
          a_released_buffer_is_taken_again_without_an_allocation, the_last_reference_releases,
          a_buffer_that_was_freed_is_none, freeing_a_buffer_twice_takes_nothing_from_who_holds_it,
          among_many_buffers_each_is_found, another_class_or_kind_is_not_taken,
          the_one_released_last_is_taken_first, above_its_bytes_a_cache_gives_up_what_was_released_first,
          a_buffer_larger_than_the_cache_is_not_kept, a_cache_keeps_few_descriptors,
          a_buffer_outlives_its_cache, a_tainted_buffer_is_not_used_again, a_copy_has_the_bytes,
          what_is_kept_gives_way_when_descriptors_run_out, only_what_a_worker_knew_is_counted_as_gone,
          a_child_leaves_the_cache_of_its_parent_alone,
          a_buffer_that_a_child_releases_stays_good_in_its_parent, threads_share_a_cache)
