/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tries at what a worker gives up.  Each is made in a child of its own, since nothing can be taken back: it
 * answers with the errno that it got, or dies.
 */
#ifndef VIA_TEST_CONFINE_FIXTURE_H
#define VIA_TEST_CONFINE_FIXTURE_H

#include "support/sanitizers.h"
#include "support/support.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <viaduct.h>

#include "process/confine.h"
#include "process/confine_parts.h"

#define NOT_CONFINED 200 /* a child's answer when it could not try */

static char here[] = "/tmp/viaduct-confine-XXXXXX"; /* a directory of the test's */
static const char *const here_alone[] = {here, NULL};
static int has_here;

/* A try: what to give up, and what to do then. */
struct attempt {
    struct via_process_pool_options options;
    int (*act)(void);
};

static inline const struct via__process_config *config_of(const struct via_process_pool_options *options)
{
    int fd = -1;
    if (via__config_new(options, VIA_TRANSPORT_SHARED, &fd) < 0)
        return NULL;
    const struct via__process_config *config = via__config_map(fd);
    close(fd);
    return config;
}

static inline int confine_and_act(void *arg)
{
    const struct attempt *attempt = arg;
    const struct via__process_config *config = config_of(&attempt->options);
    struct via__why why = {""};
    if (!config || via__confine_limits(config, &why) < 0 || via__confine_sandbox(config, &why) < 0) {
        printf("# %s\n", why.text);
        fflush(stdout);
        return NOT_CONFINED;
    }
    return attempt->act();
}

static inline int has_filters(void)
{
    return !via_test_under_valgrind() && via__confine_can_filter();
}

/* ThreadSanitizer keeps a thread of its own, which the rules for files would not reach. */
static inline int has_file_rules(void)
{
    return !UNDER_THREAD_SANITIZER && !via_test_under_valgrind() && via__confine_files_version() > 0;
}

/* Nor would the end of privileges, so that a worker is refused. */
static inline int has_rules_for(unsigned flag)
{
    if (flag & VIA_SANDBOX_NO_PRIVILEGES && UNDER_THREAD_SANITIZER)
        return 0;
    return !(flag & VIA__SANDBOX_FILES) || has_file_rules();
}

/* What comes of doing something under some flags, with files allowed below `here` if that is there. */
static inline int under(unsigned sandbox, int (*act)(void))
{
    struct attempt attempt = {.act = act};
    attempt.options.sandbox = sandbox;
    attempt.options.writable_paths = has_here ? here_alone : NULL;
    return via_test_fork(confine_and_act, &attempt);
}

static inline int answer_of(long rc)
{
    return rc < 0 ? errno : 0;
}

static inline void make_here(void)
{
    char path[PATH_MAX];
    int fd;
    ck_assert_ptr_nonnull(mkdtemp(here));
    has_here = 1;
    snprintf(path, sizeof path, "%s/file", here);
    fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    close(fd);
}

static inline void remove_here(void)
{
    static const char *const names[] = {"file", "new", "moved"};
    char path[PATH_MAX];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", here, names[i]);
        unlink(path);
    }
    ck_assert_int_eq(rmdir(here), 0);
}

/* ---- acts ---- */

static inline int open_internet(void)
{
    return answer_of(socket(AF_INET, SOCK_STREAM, 0));
}

static inline int execute(void)
{
    char name[] = "true", *arguments[] = {name, NULL}, *none[] = {NULL};
    execve("/bin/true", arguments, none);
    return errno;
}

static inline int open_file(const char *directory, const char *name, int how)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return answer_of(open(path, how | O_CLOEXEC, 0600));
}

static inline int read_system(void)
{
    return open_file("/etc", "passwd", O_RDONLY);
}

/* What buffers and answers are made of. */
static inline int use_memory_files(void)
{
    int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0 || ftruncate(fd, 8192) < 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) < 0 ||
        mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED)
        return errno;
    return answer_of(pwrite(fd, "x", 1, 0));
}

#endif
