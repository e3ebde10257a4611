/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Naming: the program's side names, and the worker's side finds, here in one process.  A plugin that was
 * released and closed in between is not loaded any more, so finding it is what a worker does.
 */
#include <config.h>

#include "plugin_fixture.h"
#include "support/sanitizers.h"

#include <viaduct/error.h>

#include "process/name.h"

static struct via__object object;
static uint64_t offset;
static struct via__why why;

static int static_function(via_bytes_call *call, const void *in, size_t in_bytes)
{
    (void)call, (void)in, (void)in_bytes;
    return 42;
}

static void name(const void *address)
{
    ck_assert_msg(via__name_of(address, &object, &offset, &why) == 0, "%s", why.text);
}

static void *find(void)
{
    void *address = NULL;
    int rc =
        via__name_find(&object.identity, object.is_program, object.path, object.fd, offset, &address, &why);
    ck_assert_msg(rc == 0, "%s", why.text);
    ck_assert_str_eq(why.text, "");
    return address;
}

static void release(void)
{
    via__name_release(object.fd, object.pin);
}

static void refuse_name(const void *address, const char *text)
{
    why.text[0] = '\0';
    ck_assert_int_eq(via__name_of(address, &object, &offset, &why), VIA_EINVAL);
    ck_assert_msg(strstr(why.text, text) != NULL, "%s", why.text);
    ck_assert_int_eq(via__name_of(address, &object, &offset, NULL), VIA_EINVAL);
}

static void refuse_find(int fd, const char *text)
{
    void *address = &why;
    int rc = via__name_find(&object.identity, object.is_program, object.path, fd, offset, &address, &why);
    ck_assert_int_eq(rc, VIA_ENOENT);
    ck_assert_ptr_eq(address, &why);
    ck_assert_msg(strstr(why.text, text) != NULL, "%s", why.text);
}

TEST(a_static_function_of_the_program_is_found_again)
{
    name((void *)static_function);
    ck_assert_int_eq(object.is_program, 1);
    ck_assert_int_eq(object.fd, -1);
    ck_assert_ptr_null(object.pin);
    ck_assert_ptr_eq(find(), (void *)static_function);
    release();
}

TEST(a_function_of_a_linked_library_is_found_where_it_is)
{
    void *function = dlsym(RTLD_DEFAULT, "dl_iterate_phdr");
    void *in_library = dlsym(RTLD_NEXT, "fopen");
    name(in_library ? in_library : function);
    ck_assert_int_eq(object.is_program, 0);
    ck_assert_int_eq(object.path[0], '/');
    ck_assert_int_ge(object.fd, 0);
    ck_assert_ptr_eq(find(), in_library ? in_library : function);
    release();
}

/* Names both functions of the plugin at a path, unloads it, and finds them again. */
static void name_and_find(const char *path, int version)
{
    void *handle = load_plugin(path);
    name(hidden_function(handle));
    release();
    name(shown_function(handle));
    ck_assert_int_eq(object.is_program, 0);
    ck_assert_ptr_nonnull(object.pin);
    int fd = fcntl(object.fd, F_DUPFD_CLOEXEC, 0);
    release();
    dlclose(handle);
    ck_assert_int_eq(is_loaded(path), 0);
    object.fd = fd;
    ck_assert_int_eq(answer_of(find()), version * 1000 + 101);
    ck_assert_int_eq(answer_of(find()), version * 1000 + 102);
    close(fd);
}

TEST(functions_of_a_plugin_are_found_by_loading_it)
{
    enter_directory();
    name_and_find(put_plugin("plugin.so", "a.so"), 1);
    ck_assert_int_eq(is_loaded(in_directory("a.so")), 1);
    leave_directory();
}

TEST(a_plugin_without_a_build_id_is_known_by_its_code)
{
    enter_directory();
    name_and_find(put_plugin("plugin-unnamed.so", "a.so"), 3);
    ck_assert_int_eq(object.identity.kind, VIA__IDENTITY_HASH);
    leave_directory();
}

TEST(a_hidden_function_of_a_plugin_is_found)
{
    enter_directory();
    void *handle = load_plugin(put_plugin("plugin.so", "a.so"));
    name(hidden_function(handle));
    release();
    dlclose(handle);
    object.fd = -1;
    ck_assert_int_eq(answer_of(find()), 1200);
    leave_directory();
}

TEST(a_relative_path_is_found_after_the_program_has_left_the_directory)
{
    enter_directory();
    put_plugin("plugin.so", "a.so");
    ck_assert_int_eq(chdir(plugin_directory), 0);
    void *handle = load_plugin("./a.so");
    ck_assert_int_eq(chdir("/"), 0);
    name(shown_function(handle));
    ck_assert_ptr_nonnull(object.pin);
    ck_assert_str_eq(object.path, in_directory("a.so"));
    release();
    dlclose(handle);
    object.fd = -1;
    ck_assert_int_eq(answer_of(find()), 1101);
    leave_directory();
}

/* The plugin of the program's is replaced or deleted after it was named; a worker loads the program's file.
 */
static void lose_and_find(int is_replaced)
{
    enter_directory();
    const char *path = put_plugin("plugin.so", "a.so");
    void *handle = load_plugin(path);
    name(hidden_function(handle));
    int fd = fcntl(object.fd, F_DUPFD_CLOEXEC, 0);
    if (is_replaced)
        put_plugin("plugin-changed.so", "a.so");
    else
        unlink(path);
    release();
    dlclose(handle);
    refuse_find(-1, is_replaced ? "has changed" : "No such file");
    ck_assert_msg(!is_loaded(path), "the wrong version was loaded, and its constructors have run");
    via_test_tolerate(VIA_TEST_DESCRIPTORS, "what was loaded from a descriptor keeps it");
    object.fd = fd;
    ck_assert_int_eq(answer_of(find()), 1200);
    close(fd);
    ck_assert_int_eq(answer_of(find()), 1200);
    leave_directory();
}

TEST(a_plugin_that_was_replaced_is_loaded_from_the_programs_file)
{
    lose_and_find(1);
}

TEST(a_plugin_that_was_deleted_is_loaded_from_the_programs_file)
{
    lose_and_find(0);
}

TEST(a_plugin_is_not_taken_for_another_that_is_loaded_from_its_path)
{
    enter_directory();
    void *old = load_plugin(put_plugin("plugin.so", "a.so"));
    name(hidden_function(old));
    release();
    struct via__object first = object;
    uint64_t first_offset = offset;
    dlclose(old);
    load_plugin(put_plugin("plugin-changed.so", "a.so"));
    object = first;
    offset = first_offset;
    refuse_find(-1, "has changed");
    leave_directory();
}

TEST(two_plugins_with_the_same_code_are_kept_apart)
{
    enter_directory();
    void *a = load_plugin(put_plugin("plugin.so", "a.so")), *b = load_plugin(put_plugin("plugin.so", "b.so"));
    ck_assert_ptr_ne(a, b);
    name(shown_function(a));
    ck_assert_ptr_eq(find(), shown_function(a));
    release();
    name(shown_function(b));
    ck_assert_ptr_eq(find(), shown_function(b));
    release();
    dlclose(a);
    dlclose(b);
    leave_directory();
}

TEST(a_plugin_that_never_had_a_path_is_found)
{
    char path[32];
    int fd = memfd_create("plugin", MFD_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    copy_into(built("plugin.so"), fd);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    void *handle = load_plugin(path);
    name(hidden_function(handle));
    ck_assert_int_ge(object.fd, 0);
    int kept = fcntl(object.fd, F_DUPFD_CLOEXEC, 0);
    release();
    dlclose(handle);
    close(fd);
    object.fd = kept;
    via_test_tolerate(VIA_TEST_DESCRIPTORS, "what was loaded from a descriptor keeps it");
    ck_assert_int_eq(answer_of(find()), 1200);
    close(kept);
}

TEST(a_named_object_stays_until_it_is_released)
{
    enter_directory();
    const char *path = put_plugin("plugin.so", "a.so");
    void *handle = load_plugin(path);
    name(shown_function(handle));
    dlclose(handle);
    ck_assert_int_eq(is_loaded(path), 1);
    release();
    ck_assert_int_eq(is_loaded(path), 0);
    leave_directory();
}

TEST(what_is_no_code_of_an_object_is_refused)
{
    static int number = 1;
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(page, MAP_FAILED);
    int local = number;
    refuse_name(page, "in no object file");
    refuse_name(&local, "in no object file");
    refuse_name(NULL, "in no object file");
    refuse_name(&number, "is data");
    munmap(page, 4096);
}

TEST(a_plugin_in_a_namespace_of_its_own_is_refused)
{
#if HAVE_DLMOPEN && !UNDER_SANITIZER
    if (via_test_under_valgrind())
        return;
    enter_directory();
    void *handle = dlmopen(LM_ID_NEWLM, put_plugin("plugin.so", "a.so"), RTLD_NOW | RTLD_LOCAL);
    ck_assert_msg(handle != NULL, "%s", dlerror());
    refuse_name(shown_function(handle), "dlmopen");
    refuse_name(hidden_function(handle), "dlmopen");
    leave_directory();
#endif
}

TEST(another_build_of_the_program_is_refused)
{
    name((void *)static_function);
    object.identity.id[0] ^= 1;
    refuse_find(-1, "not the same build");
}

TEST(an_offset_that_is_no_code_is_refused)
{
    static int number;
    name((void *)static_function);
    uint64_t good = offset;
    offset = (uintptr_t)&number - object.base;
    refuse_find(-1, "outside the code");
    offset = UINT64_MAX - 1;
    refuse_find(-1, "outside the code");
    offset = good;
    ck_assert_ptr_eq(find(), (void *)static_function);
}

TEST_MAIN("process/name", a_static_function_of_the_program_is_found_again,
          a_function_of_a_linked_library_is_found_where_it_is, functions_of_a_plugin_are_found_by_loading_it,
          a_plugin_without_a_build_id_is_known_by_its_code, a_hidden_function_of_a_plugin_is_found,
          a_relative_path_is_found_after_the_program_has_left_the_directory,
          a_plugin_that_was_replaced_is_loaded_from_the_programs_file,
          a_plugin_that_was_deleted_is_loaded_from_the_programs_file,
          a_plugin_is_not_taken_for_another_that_is_loaded_from_its_path,
          two_plugins_with_the_same_code_are_kept_apart, a_plugin_that_never_had_a_path_is_found,
          a_named_object_stays_until_it_is_released, what_is_no_code_of_an_object_is_refused,
          a_plugin_in_a_namespace_of_its_own_is_refused, another_build_of_the_program_is_refused,
          an_offset_that_is_no_code_is_refused)
