/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory files: classes of length, seals, and what the system refuses. */
#include "support/support.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <viaduct/error.h>

#include "process/memory.h"

#define BYTES ((size_t)VIA__MEMORY_LEAST)

static int new_file(size_t bytes)
{
    int fd = -1;

    ck_assert_int_eq(via__memory_new("test", bytes, &fd), 0);
    ck_assert_int_ge(fd, 0);
    return fd;
}

TEST(a_class_wastes_less_than_a_quarter)
{
    const size_t most = (size_t)1 << 40;
    unsigned last = 0;

    for (size_t whole = BYTES; whole < most;) {
        unsigned index;
        size_t next = via__memory_class(whole + 1, &index);

        ck_assert_uint_eq(index, last + 1);
        ck_assert_uint_gt(next, whole);
        ck_assert_uint_le(next - whole, whole / 4);
        ck_assert_uint_eq(via__memory_class(next, &index), next);
        ck_assert_uint_eq(index, last + 1);
        ck_assert_uint_eq(next % (size_t)sysconf(_SC_PAGESIZE), 0);
        whole = next;
        last = index;
    }
    ck_assert_uint_eq(last, VIA__MEMORY_CLASSES - 1);
    ck_assert_uint_eq(via__memory_class(most, NULL), most);
}

TEST(small_lengths_are_one_class)
{
    const size_t lengths[] = {0, 1, 4096, BYTES};

    for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
        unsigned index = 9;
        ck_assert_uint_eq(via__memory_class(lengths[i], &index), BYTES);
        ck_assert_uint_eq(index, 0);
    }
}

TEST(a_sealed_file_keeps_its_length)
{
    int fd = new_file(BYTES);

    ck_assert_int_eq(via__memory_seal(fd), 0);
    ck_assert_int_eq(ftruncate(fd, 0), -1);
    ck_assert_int_eq(ftruncate(fd, 2 * (off_t)BYTES), -1);
    ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
    ck_assert_int_eq(pwrite(fd, "x", 1, 0), 1);
    close(fd);
}

TEST(a_file_sealed_from_others_is_written_through_its_first_mapping_only)
{
    int fd = new_file(BYTES);
    void *first = NULL;
    void *second = NULL;

    ck_assert_int_eq(via__memory_map(fd, BYTES, VIA__MEMORY_WRITE, &first), 0);
    ck_assert_int_eq(via__memory_seal_from_others(&fd), 0);
    ck_assert_int_lt(via__memory_map(fd, BYTES, VIA__MEMORY_WRITE, &second), 0);
    ck_assert_int_eq(pwrite(fd, "x", 1, 0), -1);
    ck_assert_int_eq(ftruncate(fd, 0), -1);
    ck_assert_int_eq(via__memory_map(fd, BYTES, VIA__MEMORY_READ, &second), 0);
    ck_assert_int_eq(mprotect(second, BYTES, PROT_READ | PROT_WRITE), -1);
    strcpy(first, "seen");
    ck_assert_str_eq(second, "seen");
    munmap(first, BYTES);
    munmap(second, BYTES);
    close(fd);
}

TEST(only_sealed_memory_of_the_right_length_is_sound)
{
    int fd = new_file(BYTES);
    int pipes[2];
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

    ck_assert_int_eq(pipe(pipes), 0);
    ck_assert_int_eq(via__memory_is_sound(fd, BYTES), 0);
    ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
    ck_assert_int_eq(via__memory_is_sound(fd, BYTES), 0);
    ck_assert_int_eq(via__memory_seal(fd), 0);
    ck_assert_int_eq(via__memory_is_sound(fd, BYTES), 1);
    ck_assert_int_eq(via__memory_is_sound(fd, BYTES - 1), 0);
    ck_assert_int_eq(via__memory_is_sound(fd, 2 * BYTES), 0);
    ck_assert_int_eq(via__memory_is_sound(pipes[0], BYTES), 0);
    ck_assert_int_eq(via__memory_is_sound(file, BYTES), 0);
    ck_assert_int_eq(via__memory_is_sound(-1, BYTES), 0);
    close(fd);
    close(pipes[0]);
    close(pipes[1]);
    close(file);
}

/* Huge pages run out at a read.  Where the system has none the file cannot be made at all. */
TEST(a_file_of_huge_pages_is_not_sound)
{
    size_t bytes = 2 << 20;
    int fd = memfd_create("huge", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB);

    if (fd < 0)
        return;
    if (ftruncate(fd, (off_t)bytes) == 0 && via__memory_seal(fd) == 0)
        ck_assert_int_eq(via__memory_is_sound(fd, bytes), 0);
    close(fd);
}

static int make_without_descriptors(void *arg)
{
    struct rlimit none = {3, 3};
    int fd = -7;

    (void)arg;
    setrlimit(RLIMIT_NOFILE, &none);
    return via__memory_new("test", BYTES, &fd) == VIA_EAGAIN && fd == -7 ? 0 : 1;
}

TEST(without_descriptors_there_is_a_status)
{
    ck_assert_int_eq(via_test_fork(make_without_descriptors, NULL), 0);
}

static int make_above_the_limit(void *arg)
{
    struct rlimit small = {4096, 4096};
    int fd = -7;

    (void)arg;
    setrlimit(RLIMIT_FSIZE, &small);
    return via__memory_new("test", BYTES, &fd) == VIA_ENOMEM && fd == -7 ? 0 : 1;
}

/* The kernel would send SIGXFSZ, which ends the process. */
TEST(a_limit_on_files_is_a_status_and_no_signal)
{
    ck_assert_int_eq(via_test_fork(make_above_the_limit, NULL), 0);
}

static int make_where_refused(void *arg)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_memfd_create, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)*(int *)arg),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof(filter) / sizeof(*filter), filter};
    int fd = -7;

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) < 0)
        return 0;
    return via__memory_new("test", BYTES, &fd) == VIA_ENOTSUP && fd == -7 ? 0 : 1;
}

TEST(a_system_that_refuses_memory_files_is_told_of)
{
    int refusals[] = {EPERM, ENOSYS};

    if (via_test_under_valgrind())
        return;
    ck_assert_int_eq(via_test_fork(make_where_refused, &refusals[0]), 0);
    ck_assert_int_eq(via_test_fork(make_where_refused, &refusals[1]), 0);
}

TEST_MAIN("process/memory", a_class_wastes_less_than_a_quarter, small_lengths_are_one_class,
          a_sealed_file_keeps_its_length, a_file_sealed_from_others_is_written_through_its_first_mapping_only,
          only_sealed_memory_of_the_right_length_is_sound, a_file_of_huge_pages_is_not_sound,
          without_descriptors_there_is_a_status, a_limit_on_files_is_a_status_and_no_signal,
          a_system_that_refuses_memory_files_is_told_of)
