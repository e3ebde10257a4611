/* SPDX-License-Identifier: BSD-3-Clause */
/* What workers are told: the memory that is made, and what is not taken for it. */
#include "support/support.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <viaduct.h>

#include "process/config.h"

static int make(const struct via_process_pool_options *options)
{
    int fd = -1;
    ck_assert_int_eq(via__config_new(options, VIA_TRANSPORT_SOCKET, &fd), 0);
    ck_assert_int_ne(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
    return fd;
}

static void unmap(const struct via__process_config *config)
{
    munmap((void *)(uintptr_t)config, config->bytes);
}

static const char *string_at(const struct via__process_config *config, uint32_t at)
{
    return (const char *)config + at;
}

TEST(what_is_told_is_what_was_asked_for)
{
    const char *const readable[] = {"/dev/null", "/", NULL}, *const writable[] = {"/tmp", NULL};
    struct via_process_pool_options options = {.name = "a-name-that-is-too-long",
                                               .linger_ns = 1,
                                               .cancel_grace_ns = 2,
                                               .max_out_bytes = 3,
                                               .sandbox = VIA_SANDBOX_STRICT,
                                               .fresh_exec = 1,
                                               .limits = {4, 5, 6, 7, 80},
                                               .readable_paths = readable,
                                               .writable_paths = writable};
    int fd = make(&options);
    const struct via__process_config *config = via__config_map(fd);

    ck_assert_ptr_nonnull(config);
    ck_assert_int_eq(config->transport, VIA_TRANSPORT_SOCKET);
    ck_assert_int_eq(config->linger_ns, 1);
    ck_assert_int_eq(config->cancel_grace_ns, 2);
    ck_assert_uint_eq(config->max_out_bytes, 3);
    ck_assert_uint_eq(config->sandbox, VIA_SANDBOX_STRICT);
    ck_assert_int_eq(config->fresh_exec, 1);
    ck_assert_int_eq(config->parent_pid, getpid());
    ck_assert_mem_eq(&config->limits, &options.limits, sizeof options.limits);
    ck_assert_str_eq(config->name, "a-name-that-is-");
    ck_assert_mem_eq(string_at(config, config->readable_at), "/dev/null\0/\0", 13);
    ck_assert_mem_eq(string_at(config, config->writable_at), "/tmp\0", 6);
    unmap(config);
    close(fd);
}

TEST(nothing_asked_for_is_told_too)
{
    struct via_process_pool_options options = {.name = NULL};
    int fd = make(&options);
    const struct via__process_config *config = via__config_map(fd);

    ck_assert_ptr_nonnull(config);
    ck_assert_str_eq(config->name, "via");
    ck_assert_str_eq(string_at(config, config->readable_at), "");
    ck_assert_str_eq(string_at(config, config->writable_at), "");
    unmap(config);
    close(fd);
}

TEST(paths_are_those_of_the_moment)
{
    const char *const paths[] = {".", "", "/no/such/path", NULL};
    struct via_process_pool_options options = {.readable_paths = paths};
    char here[PATH_MAX];
    ck_assert_ptr_nonnull(realpath(".", here));
    int fd = make(&options);
    const struct via__process_config *config = via__config_map(fd);
    const char *text = string_at(config, config->readable_at);

    ck_assert_str_eq(text, here);
    ck_assert_mem_eq(text + strlen(here) + 1, "/no/such/path\0", 15);
    unmap(config);
    close(fd);
}

TEST(no_copy_can_change_it)
{
    struct via_process_pool_options options = {.name = NULL};
    int fd = make(&options);

    ck_assert_int_eq(pwrite(fd, "x", 1, 0), -1);
    ck_assert_int_eq(ftruncate(fd, 1), -1);
    ck_assert_ptr_eq(mmap(NULL, 1, PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
    close(fd);
}

/* A copy of a good configuration, to be spoilt. */
static int copy_of(const struct via__process_config *config)
{
    int fd = memfd_create("test", MFD_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(pwrite(fd, config, config->bytes, 0), (ssize_t)config->bytes);
    return fd;
}

static void put(int fd, size_t offset, uint32_t value)
{
    ck_assert_int_eq(pwrite(fd, &value, sizeof value, (off_t)offset), sizeof value);
}

static int is_taken(int fd)
{
    const struct via__process_config *config = via__config_map(fd);
    if (config)
        unmap(config);
    close(fd);
    return config != NULL;
}

TEST(what_is_no_configuration_is_not_taken_for_one)
{
    const char *const paths[] = {"/tmp", NULL};
    struct via_process_pool_options options = {.readable_paths = paths, .writable_paths = paths};
    int good = make(&options), fd;
    const struct via__process_config *config = via__config_map(good);
    ck_assert_int_eq(is_taken(copy_of(config)), 1);

    static const size_t words[] = {
        offsetof(struct via__process_config, magic), offsetof(struct via__process_config, version),
        offsetof(struct via__process_config, bytes), offsetof(struct via__process_config, readable_at),
        offsetof(struct via__process_config, writable_at)};
    static const uint32_t values[] = {0, 7, UINT32_MAX};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        for (size_t j = 0; j < sizeof values / sizeof *values; j++) {
            put(fd = copy_of(config), words[i], values[j]);
            ck_assert_int_eq(is_taken(fd), 0);
        }
    put(fd = copy_of(config), offsetof(struct via__process_config, name) + 12, UINT32_MAX);
    ck_assert_int_eq(is_taken(fd), 0);
    /* The last list without its end, then too short to be anything. */
    fd = copy_of(config);
    ck_assert_int_eq(pwrite(fd, "x", 1, config->bytes - 1), 1);
    ck_assert_int_eq(is_taken(fd), 0);
    fd = copy_of(config);
    ck_assert_int_eq(ftruncate(fd, sizeof *config - 1), 0);
    ck_assert_int_eq(is_taken(fd), 0);
    ck_assert_ptr_null(via__config_map(-1));
    unmap(config);
    close(good);
}

static int exhaust(void *arg)
{
    int fd = -2;
    for (int rc = 0; rc >= 0;)
        rc = fcntl(0, F_DUPFD_CLOEXEC, 0);
    int status = via__config_new(arg, VIA_TRANSPORT_SHARED, &fd);
    return status == -EMFILE && fd == -2 ? 0 : 1;
}

TEST(without_descriptors_there_is_none)
{
    struct via_process_pool_options options = {.name = NULL};
    ck_assert_int_eq(via_test_fork(exhaust, &options), 0);
}

TEST_MAIN("process/config", what_is_told_is_what_was_asked_for, nothing_asked_for_is_told_too,
          paths_are_those_of_the_moment, no_copy_can_change_it, what_is_no_configuration_is_not_taken_for_one,
          without_descriptors_there_is_none)
