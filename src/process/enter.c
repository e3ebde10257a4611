/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A process learns what it is twice: the constructor below reads the mark before main(), and
 * via_process_enter() follows it.  Between the two nothing is started that could inherit anything.
 *
 * Neither variable has a lock: the first is written before main(), the second by the first line of it, both
 * before the program can have threads.
 */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#if HAVE_GETAUXVAL
#include <sys/auxv.h>
#endif

#include <viaduct/error.h>
#include <viaduct/process_pool.h>

#include "process/elf.h"
#include "process/enter.h"
#include "process/fds.h"

#define MARK_NAME  "VIADUCT_PROCESS"
#define MARK_BYTES 64
#define EXE        "/proc/self/exe"

// What the mark says that this process is; 0 for the program.
static enum via__copy marked;
static int entered;

// ---- the mark ----

int via__enter_mark(enum via__copy copy, int control, char *mark, size_t capacity)
{
    struct stat st;
    if (fstat(control, &st) < 0)
        return -errno;
    if (!S_ISSOCK(st.st_mode))
        return -ENOTSOCK;
    char text[MARK_BYTES];
    size_t bytes = (size_t)snprintf(text, sizeof text, MARK_NAME "=%d:%d:%llu", (int)copy, VIA__FD_CONTROL,
                                    (unsigned long long)st.st_ino) +
                   1;
    if (bytes > capacity)
        return -ENAMETOOLONG;
    memcpy(mark, text, bytes);
    return 0;
}

static int is_mark(const char *entry)
{
    return strncmp(entry, MARK_NAME "=", sizeof MARK_NAME) == 0;
}

int via__enter_environment(enum via__copy copy, int control, char ***environment)
{
    char mark[MARK_BYTES];
    size_t count = 0;
    int rc = via__enter_mark(copy, control, mark, sizeof mark);
    if (rc < 0)
        return rc;
    while (environ && environ[count])
        count++;
    char **block = malloc((count + 2) * sizeof *block + sizeof mark);
    if (!block)
        return VIA_ENOMEM;
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (!is_mark(environ[i]))
            block[kept++] = environ[i];
    block[kept++] = memcpy(block + count + 2, mark, sizeof mark);
    block[kept] = NULL;
    *environment = block;
    return 0;
}

// Whether the mark in the environment is that of such a copy, and the socket the one that it names.
static int has_mark(const char *value, enum via__copy copy)
{
    char mark[MARK_BYTES];
    return via__enter_mark(copy, VIA__FD_CONTROL, mark, sizeof mark) == 0 &&
           strcmp(value, mark + sizeof MARK_NAME) == 0;
}

// Nothing that this process starts is to have the descriptors of a copy.
static void keep_descriptors(void)
{
    for (int fd = VIA__FD_CONTROL; fd < VIA__FD_FIRST_CHANNEL; fd++) {
        int flags = fcntl(fd, F_GETFD);
        if (flags >= 0)
            fcntl(fd, F_SETFD, flags | FD_CLOEXEC);
    }
}

// Copies are not in the foreground of the program's terminal.  That must not stop them when they write, which
// somebody would wait for.
static void heed_no_terminal(void)
{
    signal(SIGTTOU, SIG_IGN);
    signal(SIGTTIN, SIG_IGN);
}

// Before the program's own constructors, which may start processes and print.
__attribute__((constructor(101))) static void take_mark(void)
{
    const char *value = getenv(MARK_NAME);
    if (!value)
        return;
    if (has_mark(value, VIA__COPY_ZYGOTE))
        marked = VIA__COPY_ZYGOTE;
    else if (has_mark(value, VIA__COPY_WORKER))
        marked = VIA__COPY_WORKER;
    unsetenv(MARK_NAME);
    if (marked) {
        keep_descriptors();
        heed_no_terminal();
    }
}

// ---- entering ----

// Whether the kernel gave this process more than its starter has.  Such a process must not do what its
// environment says.
static int is_privileged(void)
{
#if HAVE_GETAUXVAL
    return getauxval(AT_SECURE) != 0;
#else
    return getuid() != geteuid() || getgid() != getegid();
#endif
}

static _Noreturn void leave(const char *text)
{
    struct via__hello hello = {VIA__HELLO_MAGIC, VIA_ESETUP, ""};
    snprintf(hello.text, sizeof hello.text, "%s", text);
    via__fds_send(VIA__FD_CONTROL, &hello, sizeof hello, NULL, 0);
    _exit(VIA__EXIT_NOT_ENTERED);
}

void via_process_enter(void)
{
    if (marked && !entered && is_privileged())
        leave("the worker process has gained privileges when it was started, and does not trust its starter");
    int is_first = !entered;
    entered = 1;
    if (is_first && marked == VIA__COPY_ZYGOTE)
        via__zygote_main();
    if (is_first && marked == VIA__COPY_WORKER)
        via__worker_main_fresh();
}

// ---- what to start ----

// Whether the file is the one that this program was loaded from, or one with the same code.
static int is_this_program(const char *path)
{
    struct via__loaded program;
    struct via__identity here, there;
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
    if (fd < 0)
        return 0;
    int rc = via__elf_file_identity(fd, &there);
    close(fd);
    if (rc < 0 || !via__elf_program(&program))
        return 0;
    via__elf_identity(&program, &here);
    return via__identity_equal(&here, &there);
}

const char *via__enter_choose(const char *exe, const char *started_by)
{
    if (exe && access(exe, F_OK) == 0)
        return is_this_program(exe) ? EXE : NULL;
    return is_this_program(started_by) ? started_by : NULL;
}

// valgrind and emulators answer for EXE as if it were the program, but what would be executed is them.  They
// do not know its other name.
static const char *honest_exe(void)
{
    static const char other[] = "/proc/thread-self/exe";
    return access(other, F_OK) == 0 ? other : EXE;
}

const char *via__enter_program(void)
{
    const char *started_by = NULL;
#if HAVE_GETAUXVAL
    started_by = (const char *)getauxval(AT_EXECFN);
#endif
    return via__enter_choose(honest_exe(), started_by);
}

static int cannot_start(int error, struct via__why *why)
{
    char exe[256];
    if (error == EMFILE || error == ENFILE || error == ENOMEM)
        return via__why(why, VIA_EAGAIN, "the system refused a descriptor: %s", strerror(error));
    ssize_t bytes = readlink(honest_exe(), exe, sizeof exe - 1);
    exe[bytes > 0 ? bytes : 0] = '\0';
    if (error == EACCES)
        return via__why(why, VIA_ESETUP,
                        "the program's file %s may be executed, but not be read, which it has to be to find "
                        "functions in it again: allow that (chmod +r)",
                        exe);
    return via__why(why, VIA_ESETUP,
                    "/proc/self/exe is %s, which is not this program, so it cannot be started again: was it "
                    "started through a loader (ld.so), valgrind or an emulator? Start the program itself",
                    bytes > 0 ? exe : "not readable");
}

int via__enter_check(struct via__why *why)
{
    if (marked && !entered)
        leave(
            "a worker process came to via_process_pool_new() without passing via_process_enter(): make that "
            "the first line of main(), on every path");
    if (!entered)
        return via__why(why, VIA_ESETUP,
                        "main() of this program has not called via_process_enter(): make that its first "
                        "line, or link with the flags of the pkg-config module viaduct-main");
    if (is_privileged())
        return via__why(why, VIA_ESETUP,
                        "this program gains privileges when it is started (set-user-id, capabilities of the "
                        "file), so it cannot start worker processes");
    if (access("/proc/self/maps", F_OK) < 0)
        return via__why(why, VIA_ESETUP,
                        "/proc is not mounted: worker processes cannot be started without it");
    errno = 0;
    return via__enter_program() ? 0 : cannot_start(errno, why);
}
