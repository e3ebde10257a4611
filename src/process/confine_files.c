/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Files: what a worker may open, through Landlock.
 *
 * The kernel's interface has grown by versions, and refuses bits that it does not know, so each right is
 * asked for only where it exists.  The constants are given here, as the C library's headers may be older than
 * the kernel.
 *
 * A process that is restricted so cannot look into one that is not, through /proc/PID/mem for instance, which
 * no filter of system calls sees; for that VIA_SANDBOX_NO_TRACE has a share in it, where it is to be had.
 *
 * What is open stays open, and memory files are no files of any path: buffers and answers pass.
 */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <viaduct/error.h>

#include "process/confine_parts.h"

#if defined(__linux__) && defined(SYS_landlock_create_ruleset)

enum { VERSION_REFER = 2, VERSION_TRUNCATE = 3, VERSION_NET = 4, VERSION_SCOPE = 6 };

// Rights, and the sets of them that are used here.
#define EXECUTE    (UINT64_C(1) << 0)
#define WRITE_FILE (UINT64_C(1) << 1)
#define READ_FILE  (UINT64_C(1) << 2)
#define READ_DIR   (UINT64_C(1) << 3)
#define MAKE_CHAR  (UINT64_C(1) << 6)
#define MAKE_BLOCK (UINT64_C(1) << 11)
#define REFER      (UINT64_C(1) << 13)
#define TRUNCATE   (UINT64_C(1) << 14)
#define TREE       (((UINT64_C(1) << 13) - 1) & ~((UINT64_C(1) << 4) - 1)) // remove and make, of any kind
#define OF_A_FILE  (EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE)

#define SCOPE_SIGNAL (UINT64_C(1) << 1)
#define ASK_VERSION  1u
#define RULE_PATH    1

struct ruleset {
    uint64_t files, net, scoped;
};

struct path_rule {
    uint64_t allowed;
    int32_t parent;
} __attribute__((packed));

int via__confine_files_version(void)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, ASK_VERSION);
    return version > 0 ? (int)version : 0;
}

static uint64_t reading(void)
{
    return EXECUTE | READ_FILE | READ_DIR;
}

static uint64_t writing(int version)
{
    return WRITE_FILE | TREE | (version >= VERSION_REFER ? REFER : 0) |
           (version >= VERSION_TRUNCATE ? TRUNCATE : 0);
}

// What is forbidden but for the rules.
static struct ruleset forbidden(unsigned sandbox, int version)
{
    struct ruleset set = {0, 0, 0};
    if (sandbox & VIA__SANDBOX_FILES)
        set.files = writing(version);
    if (sandbox & VIA_SANDBOX_NO_FILES)
        set.files |= reading();
    if ((sandbox & VIA_SANDBOX_NO_TRACE) && version >= VERSION_SCOPE)
        set.scoped = SCOPE_SIGNAL;
    if ((sandbox & VIA_SANDBOX_NO_TRACE) && !set.files && !set.scoped)
        set.files = MAKE_CHAR | MAKE_BLOCK; // something has to be
    return set;
}

static int make_ruleset(const struct ruleset *set, int version)
{
    size_t bytes = sizeof *set;
    if (version < VERSION_SCOPE)
        bytes = version < VERSION_NET ? offsetof(struct ruleset, net) : offsetof(struct ruleset, scoped);
    int fd = (int)syscall(SYS_landlock_create_ruleset, set, bytes, 0);
    return fd < 0 ? -errno : fd;
}

static int add_rule(int ruleset, int fd, uint64_t rights)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return -errno;
    struct path_rule rule = {.allowed = S_ISDIR(st.st_mode) ? rights : rights & OF_A_FILE, .parent = fd};
    if (!rule.allowed)
        return 0;
    return syscall(SYS_landlock_add_rule, ruleset, RULE_PATH, &rule, 0) < 0 ? -errno : 0;
}

static int allow_path(int ruleset, const char *path, uint64_t rights)
{
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int status = add_rule(ruleset, fd, rights);
    close(fd);
    return status;
}

// A list of paths in the configuration.
static int allow_paths(int ruleset, const char *path, uint64_t rights, struct via__why *why)
{
    for (; *path; path += strlen(path) + 1) {
        int status = allow_path(ruleset, path, rights);
        if (status < 0)
            return via__why(why, status, "a worker's sandbox cannot leave %s open: %s", path,
                            via_status_text(status));
    }
    return 0;
}

// Who may write somewhere may read there as well.
static int allow_all(int ruleset, const struct via__process_config *config, uint64_t handled, int version,
                     struct via__why *why)
{
    const char *strings = (const char *)config;
    uint64_t written = (writing(version) | reading()) & handled;
    int status = 0;
    if (handled & READ_FILE)
        status = allow_paths(ruleset, strings + config->readable_at, reading(), why);
    else if (handled & WRITE_FILE)
        (void)allow_path(ruleset, "/dev/null", WRITE_FILE); // writing there changes nothing
    return status < 0 || !(handled & WRITE_FILE)
               ? status
               : allow_paths(ruleset, strings + config->writable_at, written, why);
}

static int restrict_to(int ruleset, struct via__why *why)
{
    if (syscall(SYS_landlock_restrict_self, ruleset, 0) == 0)
        return 0;
    return via__why(why, -errno, "a worker's sandbox for files was refused: %s", via_status_text(-errno));
}

int via__confine_files(const struct via__process_config *config, struct via__why *why)
{
    int version = via__confine_files_version();
    if (version == 0)
        return config->sandbox & VIA__SANDBOX_FILES
                   ? via__why(why, VIA_ENOTSUP, "a worker cannot restrict files: Landlock is missing")
                   : 0;
    struct ruleset set = forbidden(config->sandbox, version);
    if (!set.files && !set.scoped)
        return 0;
    // The kernel restricts a thread, and what it starts; not those that run beside it.
    if ((config->sandbox & VIA__SANDBOX_FILES) && via__confine_has_threads())
        return via__why(why, VIA_ENOTSUP,
                        "a worker's sandbox for files does not reach the threads that its initializer has "
                        "left running");
    int ruleset = make_ruleset(&set, version);
    if (ruleset < 0)
        return via__why(why, ruleset, "a worker's sandbox for files was refused: %s",
                        via_status_text(ruleset));
    int status = allow_all(ruleset, config, set.files, version, why);
    if (status == 0)
        status = restrict_to(ruleset, why);
    close(ruleset);
    return status;
}

#else

int via__confine_files_version(void)
{
    return 0;
}

int via__confine_files(const struct via__process_config *config, struct via__why *why)
{
    return config->sandbox & VIA__SANDBOX_FILES
               ? via__why(why, VIA_ENOTSUP, "a worker cannot restrict files on this system")
               : 0;
}

#endif
