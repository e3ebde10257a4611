/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the filter of system calls refuses.
 *
 * It forbids what is listed and lets everything else pass: legacy code calls what it likes, and a list of
 * what it may call would have to be written for each.  A call that has no place in the work kills the
 * process, so that it is seen (its signal is SIGSYS); one that libraries try and do without gets an error.
 */
#include <config.h>

#include <errno.h>

#include <viaduct/error.h>

#include "process/confine_parts.h"

#if defined(__linux__) && (defined(__x86_64__) || defined(__aarch64__))
#include <fcntl.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "process/filter.h"

// By number where the C library's headers may be older than the kernel; these are the same everywhere.
#define CALL_PIDFD_SEND_SIGNAL 424
#define CALL_IO_URING_SETUP    425
#define CALL_IO_URING_ENTER    426
#define CALL_IO_URING_REGISTER 427
#define CALL_OPEN_TREE         428
#define CALL_MOVE_MOUNT        429
#define CALL_FSOPEN            430
#define CALL_FSPICK            433
#define CALL_CLONE3            435
#define CALL_PIDFD_GETFD       438
#define CALL_PROCESS_MADVISE   440
#define CALL_MOUNT_SETATTR     442
#define CALL_PROCESS_MRELEASE  448
#define CALL_FCHMODAT2         452
#define CALL_SETXATTRAT        463
#define CALL_REMOVEXATTRAT     466
#define CALL_FILE_SETATTR      469

#define KILL       VIA__FILTER_KILL
#define FAIL(code) VIA__FILTER_FAIL(code)
#define ALL        UINT32_MAX

#define COUNT(list)                  (sizeof(list) / sizeof *(list))
#define REFUSE(filter, list, action) via__filter_refuse(filter, list, COUNT(list), action)

typedef struct via__filter_argument argument;

static void only_one(struct via__filter *filter, argument compared, uint32_t value, uint32_t action)
{
    via__filter_only(filter, compared, &value, 1, action);
}

// A ring of requests does what it is asked to behind the filter's back.
static void refuse_rings(struct via__filter *filter)
{
    static const int calls[] = {CALL_IO_URING_SETUP, CALL_IO_URING_ENTER, CALL_IO_URING_REGISTER};
    REFUSE(filter, calls, FAIL(ENOSYS));
}

// A worker has the program's standard error, which may be the user's terminal.  It may look and print there,
// but neither type (TIOCSTI), nor paste (TIOCLINUX), nor change how it behaves.  Of all requests to terminals
// and consoles pass those that are for any descriptor, and those that only ask.
static void refuse_terminals(struct via__filter *filter)
{
    static const uint32_t harmless[] = {
        FIONREAD, FIONBIO,   FIOASYNC,   FIOCLEX,  FIONCLEX,
        TCGETS,   TIOCGPGRP, TIOCGWINSZ, TIOCOUTQ, 0x802c542a, // TCGETS2
    };
    via__filter_family(filter, (argument){SYS_ioctl, 1, 0xff00}, 0x5400, harmless, COUNT(harmless),
                       FAIL(EPERM));
    via__filter_family(filter, (argument){SYS_ioctl, 1, 0xffffff00}, 0x4b00, NULL, 0, FAIL(EPERM));
    via__filter_family(filter, (argument){SYS_ioctl, 1, 0xffffff00}, 0x5600, NULL, 0, FAIL(EPERM));
}

// No sockets but pairs, which know their other end.  A pair for datagrams could be given another one by
// name.  The services of this machine, as the system's log or its cache of names, are tried by many
// libraries, which do without; the services of others are not.
static void refuse_network(struct via__filter *filter)
{
    static const int calls[] = {SYS_socket, SYS_connect, SYS_bind, SYS_listen};
    static const uint32_t firm[] = {SOCK_STREAM, SOCK_SEQPACKET};
    only_one(filter, (argument){SYS_socket, 0, ALL}, AF_UNIX, KILL);
    only_one(filter, (argument){SYS_socketpair, 0, ALL}, AF_UNIX, KILL);
    via__filter_only(filter, (argument){SYS_socketpair, 1, 0xf}, firm, COUNT(firm), FAIL(EACCES));
    REFUSE(filter, calls, FAIL(EACCES));
}

static void refuse_exec(struct via__filter *filter)
{
    static const int calls[] = {SYS_execve, SYS_execveat};
    REFUSE(filter, calls, KILL);
}

// A process may signal itself, by its own number, as abort() does; not its group, which it can change.  To
// have the kernel send signals about a descriptor is signalling too.
static void refuse_signals(struct via__filter *filter, uint32_t self)
{
    static const int calls[] = {SYS_kill, SYS_tkill, SYS_tgkill, SYS_rt_sigqueueinfo, SYS_rt_tgsigqueueinfo};
    static const uint32_t owners[] = {F_SETOWN, F_SETOWN_EX}, owned[] = {FIOSETOWN, SIOCSPGRP};
    for (size_t i = 0; i < COUNT(calls); i++)
        only_one(filter, (argument){calls[i], 0, ALL}, self, KILL);
    via__filter_never(filter, (argument){SYS_fcntl, 1, ALL}, owners, COUNT(owners), KILL);
    via__filter_never(filter, (argument){SYS_ioctl, 1, ALL}, owned, COUNT(owned), KILL);
}

// Priorities and CPUs of others.  Libraries set those of their own threads, whose numbers are not known here,
// and do without.
static void refuse_scheduling(struct via__filter *filter, uint32_t self)
{
    static const int calls[] = {SYS_sched_setaffinity, SYS_sched_setscheduler, SYS_sched_setparam,
                                SYS_sched_setattr,     SYS_migrate_pages,      SYS_move_pages};
    const uint32_t me[] = {0, self};
    for (size_t i = 0; i < COUNT(calls); i++)
        via__filter_only(filter, (argument){calls[i], 0, ALL}, me, COUNT(me), FAIL(EPERM));
    only_one(filter, (argument){SYS_setpriority, 0, ALL}, PRIO_PROCESS, FAIL(EPERM));
    via__filter_only(filter, (argument){SYS_setpriority, 1, ALL}, me, COUNT(me), FAIL(EPERM));
    only_one(filter, (argument){SYS_ioprio_set, 0, ALL}, 1 /* a process */, FAIL(EPERM));
    via__filter_only(filter, (argument){SYS_ioprio_set, 1, ALL}, me, COUNT(me), FAIL(EPERM));
}

// What any process of the same user finds by a number or a name.
static void refuse_shared(struct via__filter *filter)
{
    static const int calls[] = {SYS_shmget, SYS_shmat,   SYS_shmctl,   SYS_msgget, SYS_msgsnd,
                                SYS_msgrcv, SYS_msgctl,  SYS_semget,   SYS_semop,  SYS_semtimedop,
                                SYS_semctl, SYS_mq_open, SYS_mq_unlink};
    REFUSE(filter, calls, FAIL(EACCES));
}

static void refuse_trace(struct via__filter *filter)
{
    static const int calls[] = {SYS_ptrace,
                                SYS_process_vm_readv,
                                SYS_process_vm_writev,
                                SYS_kcmp,
                                SYS_perf_event_open,
                                SYS_bpf,
                                CALL_PIDFD_GETFD,
                                CALL_PROCESS_MADVISE,
                                CALL_PROCESS_MRELEASE,
                                CALL_PIDFD_SEND_SIGNAL};
    uint32_t self = (uint32_t)getpid();
    const uint32_t me[] = {0, self};
    REFUSE(filter, calls, KILL);
    refuse_signals(filter, self);
    via__filter_only(filter, (argument){SYS_prlimit64, 0, ALL}, me, COUNT(me), KILL);
    refuse_scheduling(filter, self);
    refuse_shared(filter);
}

// The filter cannot see what this one is asked for; without it the C library makes threads the older way.
static void refuse_clone3(struct via__filter *filter)
{
    static const int calls[] = {CALL_CLONE3};
    REFUSE(filter, calls, FAIL(ENOSYS));
}

// Threads are no processes.  Nor may the process leave its group, whose end its own is, or outlive the one
// that has started it.
static void refuse_fork(struct via__filter *filter)
{
    static const int calls[] = {
        SYS_setsid,
        SYS_setpgid,
#ifdef __x86_64__
        SYS_fork,
        SYS_vfork,
#endif
    };
    static const uint32_t death[] = {PR_SET_PDEATHSIG};
    REFUSE(filter, calls, FAIL(EPERM));
    refuse_clone3(filter);
    only_one(filter, (argument){SYS_clone, 0, CLONE_THREAD}, CLONE_THREAD, FAIL(EPERM));
    via__filter_never(filter, (argument){SYS_prctl, 0, ALL}, death, COUNT(death), FAIL(EPERM));
}

// What the kernel offers everybody, and hardly any library asks for; with namespaces a process would be root
// again, in a world of its own.
static void refuse_privileges(struct via__filter *filter)
{
    static const int calls[] = {
        SYS_setns,         SYS_mount,           SYS_umount2,
        SYS_pivot_root,    SYS_chroot,          SYS_add_key,
        SYS_request_key,   SYS_keyctl,          SYS_userfaultfd,
        SYS_bpf,           SYS_perf_event_open, SYS_open_by_handle_at,
        SYS_fanotify_init, CALL_OPEN_TREE,      CALL_MOVE_MOUNT,
        CALL_FSOPEN,       CALL_FSPICK,         CALL_MOUNT_SETATTR,
    };
    const uint32_t namespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
                                CLONE_NEWPID | CLONE_NEWNET;
    REFUSE(filter, calls, FAIL(EPERM));
    refuse_clone3(filter);
    only_one(filter, (argument){SYS_clone, 0, namespaces}, 0, FAIL(EPERM));
    only_one(filter, (argument){SYS_unshare, 0, namespaces | 0x80 /* CLONE_NEWTIME */}, 0, FAIL(EPERM));
}

// What the file system's half of a sandbox does not see: modes, owners, times, attributes.
static void refuse_changes(struct via__filter *filter, int files_version)
{
    static const int calls[] = {
        SYS_fchmod,       SYS_fchmodat,   SYS_fchown,      SYS_fchownat,       SYS_utimensat,
        SYS_setxattr,     SYS_lsetxattr,  SYS_fsetxattr,   SYS_removexattr,    SYS_lremovexattr,
        SYS_fremovexattr, CALL_FCHMODAT2, CALL_SETXATTRAT, CALL_REMOVEXATTRAT, CALL_FILE_SETATTR,
#ifdef __x86_64__
        SYS_chmod,        SYS_chown,      SYS_lchown,      SYS_utime,          SYS_utimes,
        SYS_futimesat,
#endif
    };
    static const int cuts[] = {SYS_truncate};
    static const uint32_t flags[] = {0x40086602, 0x401c5820}; // FS_IOC_SETFLAGS, FS_IOC_FSSETXATTR
    REFUSE(filter, calls, FAIL(EROFS));
    via__filter_never(filter, (argument){SYS_ioctl, 1, ALL}, flags, COUNT(flags), FAIL(EROFS));
    if (files_version < 3) // from then on it sees this
        REFUSE(filter, cuts, FAIL(EROFS));
}

static void build(struct via__filter *filter, unsigned sandbox, int files_version)
{
    via__filter_begin(filter);
    refuse_rings(filter);
    refuse_terminals(filter);
    if (sandbox & VIA_SANDBOX_NO_NETWORK)
        refuse_network(filter);
    if (sandbox & VIA_SANDBOX_NO_EXEC)
        refuse_exec(filter);
    if (sandbox & VIA_SANDBOX_NO_TRACE)
        refuse_trace(filter);
    if (sandbox & VIA_SANDBOX_NO_FORK)
        refuse_fork(filter);
    if (sandbox & VIA_SANDBOX_NO_PRIVILEGES)
        refuse_privileges(filter);
    if (sandbox & VIA__SANDBOX_FILES)
        refuse_changes(filter, files_version);
    via__filter_end(filter);
}

int via__confine_can_filter(void)
{
    uint32_t action = KILL;
    return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

// For all threads: the initializer may have started some.
int via__confine_calls(unsigned sandbox, int files_version)
{
    struct via__filter filter;
    build(&filter, sandbox, files_version);
    if (filter.is_cut)
        return -E2BIG;
    struct sock_fprog program = {.len = filter.count, .filter = filter.code};
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
