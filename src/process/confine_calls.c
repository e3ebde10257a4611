/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The filter of system calls: a program for the kernel's packet filter, written here instruction by
 * instruction.
 *
 * It forbids what is listed and lets everything else pass: legacy code calls what it likes, and a list of
 * what it may call would have to be written for each.  A call that has no place in the work kills the
 * process, so that it is seen (its signal is SIGSYS); one that libraries try and do without gets an error.
 *
 * Numbers of system calls depend on the architecture that a call was made for, which a process can change
 * from one call to the next; so a call for another one kills before its number is looked at.
 *
 * Only the lower half of an argument is compared where the kernel itself takes an int.
 */
#include <config.h>

#include <errno.h>

#include <viaduct/error.h>

#include "process/confine_parts.h"

#if defined(__linux__) && (defined(__x86_64__) || defined(__aarch64__))
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef __x86_64__
#define ARCHITECTURE AUDIT_ARCH_X86_64
#else
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#endif
#define X32_BIT 0x40000000u

// By number where the C library's headers may be older than the kernel; these are the same everywhere.
#define CALL_PIDFD_SEND_SIGNAL 424
#define CALL_IO_URING_SETUP    425
#define CALL_IO_URING_ENTER    426
#define CALL_IO_URING_REGISTER 427
#define CALL_PIDFD_GETFD       438
#define CALL_PROCESS_MADVISE   440
#define CALL_FCHMODAT2         452
#define CALL_SETXATTRAT        463
#define CALL_REMOVEXATTRAT     466

#define KILL       SECCOMP_RET_KILL_PROCESS
#define FAIL(code) (SECCOMP_RET_ERRNO | (uint32_t)(code))

struct code {
    struct sock_filter at[256];
    unsigned short count;
};

static void emit(struct code *code, uint16_t op, uint8_t if_true, uint8_t if_false, uint32_t k)
{
    // The lists below are fixed, and so is their length: see the test that installs all of them.
    if (code->count < sizeof code->at / sizeof *code->at)
        code->at[code->count++] = (struct sock_filter){op, if_true, if_false, k};
}

static void load(struct code *code, size_t offset)
{
    emit(code, BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t)offset);
}

static void answer(struct code *code, uint32_t action)
{
    emit(code, BPF_RET | BPF_K, 0, 0, action);
}

// Skips `count` instructions unless what was loaded equals `value`.
static void unless_equal(struct code *code, uint32_t value, uint8_t count)
{
    emit(code, BPF_JMP | BPF_JEQ | BPF_K, 0, count, value);
}

static void load_argument(struct code *code, unsigned argument)
{
    size_t lower = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? sizeof(uint32_t) : 0;
    load(code, offsetof(struct seccomp_data, args) + argument * sizeof(uint64_t) + lower);
}

static void begin(struct code *code)
{
    load(code, offsetof(struct seccomp_data, arch));
    emit(code, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, ARCHITECTURE);
    answer(code, KILL);
    load(code, offsetof(struct seccomp_data, nr));
#ifdef __x86_64__
    emit(code, BPF_JMP | BPF_JGE | BPF_K, 0, 1, X32_BIT);
    answer(code, KILL);
#endif
}

static void forbid(struct code *code, const int *calls, size_t count, uint32_t action)
{
    for (size_t i = 0; i < count; i++) {
        unless_equal(code, (uint32_t)calls[i], 1);
        answer(code, action);
    }
}
#define FORBID(code, calls, action) forbid(code, calls, sizeof(calls) / sizeof *(calls), action)

// The call passes only if an argument is one of two values.
static void allow_only(struct code *code, int call, unsigned argument, uint32_t one, uint32_t other)
{
    unless_equal(code, (uint32_t)call, 5);
    load_argument(code, argument);
    emit(code, BPF_JMP | BPF_JEQ | BPF_K, 2, 0, one);
    emit(code, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, other);
    answer(code, KILL);
    answer(code, SECCOMP_RET_ALLOW);
}

// The call kills if an argument is one of two values.
static void refuse_only(struct code *code, int call, unsigned argument, uint32_t one, uint32_t other)
{
    unless_equal(code, (uint32_t)call, 5);
    load_argument(code, argument);
    emit(code, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, one);
    emit(code, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, other);
    answer(code, KILL);
    answer(code, SECCOMP_RET_ALLOW);
}

// A ring of requests does what it is asked to behind the filter's back.
static void forbid_rings(struct code *code)
{
    static const int calls[] = {CALL_IO_URING_SETUP, CALL_IO_URING_ENTER, CALL_IO_URING_REGISTER};
    FORBID(code, calls, FAIL(ENOSYS));
}

static void forbid_network(struct code *code)
{
    allow_only(code, SYS_socket, 0, AF_UNIX, AF_UNIX);
    allow_only(code, SYS_socketpair, 0, AF_UNIX, AF_UNIX);
}

static void forbid_exec(struct code *code)
{
    static const int calls[] = {SYS_execve, SYS_execveat};
    FORBID(code, calls, KILL);
}

// A process may signal itself, by its own number, as abort() does; not its group, which it can change.  To
// have the kernel send signals about a descriptor is signalling too.
static void forbid_trace(struct code *code)
{
    static const int calls[] = {
        SYS_ptrace,       SYS_process_vm_readv, SYS_process_vm_writev,  SYS_kcmp, SYS_perf_event_open,
        CALL_PIDFD_GETFD, CALL_PROCESS_MADVISE, CALL_PIDFD_SEND_SIGNAL, SYS_bpf};
    static const int by_number[] = {SYS_kill, SYS_tkill, SYS_tgkill, SYS_rt_sigqueueinfo,
                                    SYS_rt_tgsigqueueinfo};
    uint32_t self = (uint32_t)getpid();
    FORBID(code, calls, KILL);
    for (size_t i = 0; i < sizeof by_number / sizeof *by_number; i++)
        allow_only(code, by_number[i], 0, self, self);
    allow_only(code, SYS_prlimit64, 0, self, 0);
    refuse_only(code, SYS_fcntl, 1, F_SETOWN, F_SETOWN_EX);
    refuse_only(code, SYS_ioctl, 1, FIOSETOWN, SIOCSPGRP);
}

// What the file system's half of a sandbox does not see: modes, owners, times, attributes.
static void forbid_changes(struct code *code, int files_version)
{
    static const int calls[] = {
        SYS_fchmod,       SYS_fchmodat,   SYS_fchown,      SYS_fchownat,       SYS_utimensat,
        SYS_setxattr,     SYS_lsetxattr,  SYS_fsetxattr,   SYS_removexattr,    SYS_lremovexattr,
        SYS_fremovexattr, CALL_FCHMODAT2, CALL_SETXATTRAT, CALL_REMOVEXATTRAT,
#ifdef __x86_64__
        SYS_chmod,        SYS_chown,      SYS_lchown,      SYS_utime,          SYS_utimes,
        SYS_futimesat,
#endif
    };
    static const int cuts[] = {SYS_truncate};
    FORBID(code, calls, FAIL(EROFS));
    if (files_version < 3) // from then on it sees this
        FORBID(code, cuts, FAIL(EROFS));
}

static void build(struct code *code, unsigned sandbox, int files_version)
{
    begin(code);
    forbid_rings(code);
    if (sandbox & VIA_SANDBOX_NO_NETWORK)
        forbid_network(code);
    if (sandbox & VIA_SANDBOX_NO_EXEC)
        forbid_exec(code);
    if (sandbox & VIA_SANDBOX_NO_TRACE)
        forbid_trace(code);
    if (sandbox & VIA__SANDBOX_FILES)
        forbid_changes(code, files_version);
    answer(code, SECCOMP_RET_ALLOW);
}

int via__confine_can_filter(void)
{
    uint32_t action = KILL;
    return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

// For all threads: the initializer may have started some.
int via__confine_calls(unsigned sandbox, int files_version)
{
    struct code code = {.count = 0};
    build(&code, sandbox, files_version);
    struct sock_fprog program = {.len = code.count, .filter = code.at};
    long rc = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program);
    if (rc > 0)
        return VIA_EBUSY; // a thread that has a filter of its own
    return rc < 0 ? -errno : 0;
}

#else

int via__confine_can_filter(void)
{
    return 0;
}

int via__confine_calls(unsigned sandbox, int files_version)
{
    (void)sandbox;
    (void)files_version;
    return VIA_ENOTSUP;
}

#endif
