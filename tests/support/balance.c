/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The balance check: what a test's body left behind fails that test.
 *
 * A joined thread is still listed by the kernel for a moment after pthread_join() has returned, and a
 * detached one for longer, so threads are counted again and again up to a bound.
 */
#include "support/heap.h"
#include "support/sanitizers.h"
#include "support/support.h"

#include <dirent.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Descriptors above this are not looked at; no test opens so many. */
#define MAX_DESCRIPTORS 4096

struct descriptor_set {
    int count;
    unsigned char open[MAX_DESCRIPTORS];
};

static struct descriptor_set descriptors_before;
static int threads_before;
static unsigned tolerated;
static int sanitizer_threads; /* threads that are no business of the test's */

static int count_entries(const char *path)
{
    DIR *dir = opendir(path);
    int count = 0;

    ck_assert_ptr_nonnull(dir);
    for (const struct dirent *entry; (entry = readdir(dir));)
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

int via_test_threads(void)
{
    return count_entries("/proc/self/task") - sanitizer_threads;
}

#if UNDER_THREAD_SANITIZER
static void *tell_id(void *id)
{
    *(pid_t *)id = gettid();
    return NULL;
}

/* ThreadSanitizer starts threads of its own with the first thread of the process.  Let it, and leave them out
 * of all counts. */
static void start_sanitizer(void)
{
    int64_t end_ns = via_test_now_ns() + via_test_bound_ns();
    char path[64];
    pid_t id = 0;
    pthread_t thread;

    if (sanitizer_threads > 0)
        return;
    ck_assert_int_eq(pthread_create(&thread, NULL, tell_id, &id), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    snprintf(path, sizeof(path), "/proc/self/task/%d", (int)id);
    while (access(path, F_OK) == 0 && via_test_now_ns() < end_ns)
        via_test_yield();
    sanitizer_threads = via_test_threads() - 1;
}
#else
static void start_sanitizer(void)
{
}
#endif

/* The directory's own descriptor is open while it is read and is not counted. */
static void read_descriptors(struct descriptor_set *set)
{
    DIR *dir = opendir("/proc/self/fd");

    ck_assert_ptr_nonnull(dir);
    memset(set, 0, sizeof(*set));
    for (const struct dirent *entry; (entry = readdir(dir));) {
        int fd = atoi(entry->d_name);
        if (entry->d_name[0] == '.' || fd == dirfd(dir))
            continue;
        set->count++;
        if (fd < MAX_DESCRIPTORS)
            set->open[fd] = 1;
    }
    closedir(dir);
}

int via_test_descriptors(void)
{
    struct descriptor_set now;

    read_descriptors(&now);
    return now.count;
}

void via_test_await_threads(int count)
{
    int64_t end_ns = via_test_now_ns() + via_test_bound_ns();

    while (via_test_threads() != count && via_test_now_ns() < end_ns)
        via_test_yield();
    ck_assert_int_eq(via_test_threads(), count);
}

void via_test_tolerate(unsigned kinds, const char *reason)
{
    ck_assert_msg(reason && *reason, "a tolerated leak needs a reason");
    tolerated |= kinds;
}

void via_test_begin(void)
{
    tolerated = 0;
    start_sanitizer();
    threads_before = via_test_threads();
    read_descriptors(&descriptors_before);
    via_test_heap_begin();
}

static void check_threads(void)
{
    int64_t end_ns = via_test_now_ns() + via_test_bound_ns();
    int now;

    while ((now = via_test_threads()) > threads_before && via_test_now_ns() < end_ns)
        via_test_yield();
    ck_assert_msg(now <= threads_before, "%d threads left behind", now - threads_before);
}

static void check_descriptors(void)
{
    struct descriptor_set now;
    char path[32], target[256], text[1024] = "";

    read_descriptors(&now);
    for (int fd = 0; fd < MAX_DESCRIPTORS; fd++) {
        if (now.open[fd] == descriptors_before.open[fd])
            continue;
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        ssize_t length = readlink(path, target, sizeof(target) - 1);
        target[length > 0 ? length : 0] = '\0';
        size_t at = strlen(text);
        snprintf(text + at, sizeof(text) - at, " %d (%s)", fd, now.open[fd] ? target : "closed");
    }
    ck_assert_msg(text[0] == '\0', "descriptors out of balance:%s", text);
}

static void check_heap(void)
{
    char text[1024] = "";
    size_t count = via_test_heap_left(text, sizeof(text));

    ck_assert_msg(count == 0, "%zu blocks of memory left behind:%s", count, text);
}

void via_test_end(void)
{
    if (!(tolerated & VIA_TEST_THREADS))
        check_threads();
    if (!(tolerated & VIA_TEST_DESCRIPTORS))
        check_descriptors();
    if (!(tolerated & VIA_TEST_HEAP))
        check_heap();
}
