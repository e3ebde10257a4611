/* SPDX-License-Identifier: BSD-3-Clause */
/* Identities: the same in memory and in the file, and nothing believed of a file that is none. */
#include <config.h>

#include "plugin_fixture.h"

#include <viaduct/error.h>

#include "process/elf.h"

static struct via__identity identity_of_file(const char *path)
{
    struct via__identity identity;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(via__elf_file_identity(fd, &identity), 0);
    close(fd);
    return identity;
}

static struct via__identity identity_of_loaded(const char *path)
{
    struct via__loaded loaded;
    struct via__identity identity;
    void *handle = load_plugin(path);
    ck_assert_int_eq(via__elf_at(shown_function(handle), &loaded), 1);
    via__elf_identity(&loaded, &identity);
    dlclose(handle);
    return identity;
}

TEST(an_object_is_in_memory_what_it_is_in_its_file)
{
    static const char *const plugins[] = {"plugin.so", "plugin-changed.so", "plugin-unnamed.so"};
    struct via__identity found[3];
    for (int i = 0; i < 3; i++) {
        struct via__identity loaded = identity_of_loaded(built(plugins[i]));
        found[i] = identity_of_file(built(plugins[i]));
        ck_assert_int_eq(via__identity_equal(&found[i], &loaded), 1);
        for (int j = 0; j < i; j++)
            ck_assert_int_eq(via__identity_equal(&found[i], &found[j]), 0);
    }
    ck_assert_int_eq(found[0].kind, VIA__IDENTITY_BUILD_ID);
    ck_assert_int_eq(found[2].kind, VIA__IDENTITY_HASH);
}

TEST(the_program_is_the_file_it_was_started_from)
{
    struct via__loaded program, at;
    struct via__identity here;
    if (via_test_under_valgrind())
        return;
    ck_assert_int_eq(via__elf_program(&program), 1);
    ck_assert_int_eq(program.is_program, 1);
    ck_assert_int_eq(via__elf_at((void *)identity_of_file, &at), 1);
    ck_assert_ptr_eq(at.headers, program.headers);
    via__elf_identity(&program, &here);
    struct via__identity file = identity_of_file("/proc/self/exe");
    ck_assert_int_eq(via__identity_equal(&here, &file), 1);
}

static int refuses(int fd)
{
    struct via__identity identity = {.kind = 77};
    int rc = via__elf_file_identity(fd, &identity);
    ck_assert_int_eq(rc < 0 && identity.kind == 77, rc < 0);
    return rc < 0;
}

TEST(a_file_that_is_no_object_is_refused)
{
    int ends[2];
    enter_directory();
    int file = open(in_directory("file"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    int directory = open("/", O_RDONLY | O_CLOEXEC), nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    ck_assert_int_eq(refuses(file), 1);
    ck_assert_int_eq(ftruncate(file, 100000), 0);
    ck_assert_int_eq(refuses(file), 1);
    ck_assert_int_eq(refuses(directory), 1);
    ck_assert_int_eq(refuses(nothing), 1);
    ck_assert_int_eq(refuses(ends[0]), 1);
    ck_assert_int_eq(refuses(-1), 1);
    int fds[] = {file, directory, nothing, ends[0], ends[1]};
    for (int i = 0; i < 5; i++)
        close(fds[i]);
    leave_directory();
}

/* Whatever a file says of itself, nothing outside of it is read, and it is told at once. */
TEST(a_damaged_file_is_survived)
{
    unsigned char head[1024];
    enter_directory();
    int fd = open(in_directory("file"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    copy_into(built("plugin.so"), fd);
    struct via__identity whole = identity_of_file(in_directory("file")), damaged;
    ck_assert_int_eq(pread(fd, head, sizeof head, 0), sizeof head);
    for (size_t i = 0; i < sizeof head; i++) {
        unsigned char byte = ~head[i];
        ck_assert_int_eq(pwrite(fd, &byte, 1, (off_t)i), 1);
        int rc = via__elf_file_identity(fd, &damaged);
        if (rc == 0)
            ck_assert_int_le(damaged.bytes, VIA__IDENTITY_BYTES);
        else
            ck_assert_int_lt(rc, 0);
        ck_assert_int_eq(pwrite(fd, &head[i], 1, (off_t)i), 1);
    }
    ck_assert_int_eq(ftruncate(fd, 60), 0);
    ck_assert_int_eq(refuses(fd), 1);
    ck_assert_int_gt(whole.bytes, 0);
    close(fd);
    leave_directory();
}

TEST_MAIN("process/elf", an_object_is_in_memory_what_it_is_in_its_file,
          the_program_is_the_file_it_was_started_from, a_file_that_is_no_object_is_refused,
          a_damaged_file_is_survived)
