/* SPDX-License-Identifier: BSD-3-Clause */
#include <config.h>

#include "plugin_fixture.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <viaduct/error.h>
#include <viaduct/process_pool.h>

#include "process/directory_memory.h"
#include "process/elf.h"

static struct via__directory *directory;
static struct via__why why;

static int one(via_bytes_call *call, const void *in, size_t in_bytes)
{
    (void)call, (void)in, (void)in_bytes;
    return 1;
}

static int two(via_bytes_call *call, const void *in, size_t in_bytes)
{
    (void)call, (void)in, (void)in_bytes;
    return 2;
}

static void open_directory(void)
{
    ck_assert_int_eq(via__directory_new(&directory), 0);
}

static uint32_t enter(void *function)
{
    uint32_t number = 0;
    ck_assert_msg(via__directory_enter(directory, function, &number, &why) == 0, "%s", why.text);
    return number;
}

/* Views are for the life of a process, so whatever looks through one does it in a child. */
static struct via__directory_view *view_of(int fd)
{
    struct via__directory_view *view = NULL;
    if (via__directory_map(fd, &view) < 0)
        _exit(100);
    return view;
}

static int is_found(struct via__directory_view *view, uint32_t number, void *function)
{
    void *found = NULL;
    return via__directory_find(view, number, NULL, NULL, &found, &why) == 0 && found == function;
}

TEST(functions_are_numbered_from_one_on_and_once)
{
    open_directory();
    ck_assert_uint_eq(enter((void *)one), 1);
    ck_assert_uint_eq(enter((void *)two), 2);
    ck_assert_uint_eq(enter((void *)one), 1);
    ck_assert_ptr_eq(via__directory_function(directory, 1), (void *)one);
    ck_assert_ptr_eq(via__directory_function(directory, 2), (void *)two);
    ck_assert_uint_eq(via__directory_object(directory, 1), 0);
    ck_assert_uint_eq(via__directory_objects(directory), 1);
    ck_assert_int_eq(via__directory_object_fd(directory, 0), -1);
    via__directory_free(directory);
    via__directory_free(NULL);
}

static int find_both(void *fd)
{
    struct via__directory_view *view = view_of(*(int *)fd);
    for (int i = 0; i < 2; i++)
        if (!is_found(view, 1, (void *)one) || !is_found(view, 2, (void *)two))
            return 1;
    return 0;
}

TEST(a_worker_finds_what_stands_under_a_number)
{
    open_directory();
    enter((void *)one);
    enter((void *)two);
    int fd = via__directory_fd(directory);
    ck_assert_int_eq(via_test_fork(find_both, &fd), 0);
    via__directory_free(directory);
}

static int find_none(void *fd)
{
    static const uint32_t numbers[] = {0, 2, 65535, 65536, UINT32_MAX};
    struct via__directory_view *view = view_of(*(int *)fd);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        void *function = view;
        if (via__directory_find(view, numbers[i], NULL, NULL, &function, &why) != VIA_ENOENT ||
            function != (void *)view || !strstr(why.text, "no function number"))
            return 1;
    }
    return 0;
}

TEST(a_number_under_which_nothing_stands_is_told)
{
    open_directory();
    enter((void *)one);
    int fd = via__directory_fd(directory);
    ck_assert_int_eq(via_test_fork(find_none, &fd), 0);
    via__directory_free(directory);
}

/* A child that looks when it is told to. */
struct late_child {
    int fd, ends[2];
    pid_t pid;
    int (*look)(struct via__directory_view *view);
};

static void start_late_child(struct late_child *child)
{
    child->fd = via__directory_fd(directory);
    ck_assert_int_eq(pipe2(child->ends, O_CLOEXEC), 0);
    child->pid = fork();
    ck_assert_int_ge(child->pid, 0);
    if (child->pid == 0) {
        char go;
        struct via__directory_view *view = view_of(child->fd);
        _exit(read(child->ends[0], &go, 1) == 1 ? child->look(view) : 101);
    }
}

static int end_late_child(struct late_child *child)
{
    int status = 0;
    ck_assert_int_eq(write(child->ends[1], "", 1), 1);
    ck_assert_int_eq(waitpid(child->pid, &status, 0), child->pid);
    close(child->ends[0]);
    close(child->ends[1]);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static int look_for_late(struct via__directory_view *view)
{
    return !is_found(view, 1, (void *)one);
}

TEST(what_is_entered_later_is_found_by_those_that_have_mapped_before)
{
    struct late_child child = {.look = look_for_late};
    open_directory();
    start_late_child(&child);
    enter((void *)one);
    ck_assert_int_eq(end_late_child(&child), 0);
    via__directory_free(directory);
}

static int look_for_name(struct via__directory_view *view)
{
    void *function = NULL;
    int rc = via__directory_find(view, 1, NULL, NULL, &function, &why);
    if (rc != VIA_ENOENT || !strstr(why.text, "named by test") || !strstr(why.text, "via_process_register"))
        return 1;
    return via_process_register("by test", two) < 0 || !is_found(view, 1, (void *)two);
}

TEST(a_registered_function_is_found_by_its_name)
{
    struct late_child child = {.look = look_for_name};
    via_test_tolerate(VIA_TEST_HEAP, "names are for the life of the process");
    open_directory();
    start_late_child(&child);
    ck_assert_int_eq(via_process_register("by test", one), 0);
    ck_assert_uint_eq(enter((void *)one), 1);
    ck_assert_uint_eq(via__directory_object(directory, 1), 0);
    ck_assert_int_eq(end_late_child(&child), 0);
    via__directory_free(directory);
}

/* Machine code that no object holds may be called if the worker has it under the same name. */
TEST(a_registered_function_need_not_be_in_an_object)
{
    static int data;
    via_test_tolerate(VIA_TEST_HEAP, "names are for the life of the process");
    open_directory();
    ck_assert_int_eq(via_process_register("made", (via_bytes_fn)(void *)&data), 0);
    ck_assert_uint_eq(enter(&data), 1);
    via__directory_free(directory);
}

TEST(what_cannot_run_apart_is_refused)
{
    static int data;
    uint32_t number = 77;
    open_directory();
    ck_assert_int_eq(via__directory_enter(directory, &data, &number, &why), VIA_EINVAL);
    ck_assert_ptr_nonnull(strstr(why.text, "is data"));
    ck_assert_int_eq(via__directory_enter(directory, &number, &number, NULL), VIA_EINVAL);
    ck_assert_int_eq(via__directory_enter(directory, NULL, &number, &why), VIA_EINVAL);
    ck_assert_uint_eq(number, 77);
    ck_assert_uint_eq(enter((void *)one), 1);
    via__directory_free(directory);
}

// ---- plugins ----

struct plugin_case {
    void *handle;
    const char *path;
    int version;
    int view_fd, object_fd;
    int asked;
};

static struct plugin_case plugin;

static int give_file(void *arg, uint32_t object)
{
    plugin.asked++;
    return arg == &plugin && object == 1 ? plugin.object_fd : -1;
}

/* In a child: unloads the plugin that it has from its parent, and finds it again as a worker does.  Gives how
 * often the file was asked for. */
static int find_plugin(void *arg)
{
    (void)arg;
    void *shown = NULL, *hidden = NULL;
    via__directory_free(directory);
    dlclose(plugin.handle);
    if (is_loaded(plugin.path))
        return 101;
    struct via__directory_view *view = view_of(plugin.view_fd);
    via__directory_find_all(view);
    if (via__directory_find(view, 2, give_file, &plugin, &hidden, &why) < 0 ||
        via__directory_find(view, 1, give_file, &plugin, &shown, &why) < 0)
        return 102;
    if (answer_of(shown) != plugin.version * 1000 + 101 || answer_of(hidden) != plugin.version * 1000 + 200)
        return 103;
    return plugin.asked;
}

static int find_no_plugin(void *arg)
{
    void *function = NULL;
    plugin.object_fd = -1;
    if (find_plugin(arg) != 102)
        return 1;
    struct via__directory_view *view = view_of(plugin.view_fd);
    return via__directory_find(view, 1, NULL, NULL, &function, &why) != VIA_ENOENT || !*why.text;
}

/* The giver has the file once, and closes it; the first try is one that fails for want of descriptors. */
static int give_file_once(void *arg, uint32_t object)
{
    int given = give_file(arg, object);
    plugin.object_fd = -1;
    return given;
}

static void allow_descriptors(rlim_t count)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        _exit(110);
    limit.rlim_cur = count ? count : limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        _exit(111);
}

static int find_plugin_twice(void *arg)
{
    void *function = NULL;
    int given = plugin.object_fd;
    via__directory_free(directory);
    dlclose(plugin.handle);
    struct via__directory_view *view = view_of(plugin.view_fd);
    allow_descriptors(16);
    if (via__directory_find(view, 2, give_file_once, &plugin, &function, &why) != VIA_EAGAIN)
        return 101;
    close(given);
    allow_descriptors(0);
    int before = via_test_descriptors();
    if (via__directory_find(view, 2, give_file_once, &plugin, &function, &why) < 0)
        return 102;
    (void)arg;
    return answer_of(function) == 1200 && via_test_descriptors() == before && plugin.asked == 1 ? 0 : 103;
}

static void open_plugin_case(const char *name, int version)
{
    enter_directory();
    open_directory();
    plugin.version = version;
    plugin.path = put_plugin(name, "a.so");
    plugin.handle = load_plugin(plugin.path);
    ck_assert_uint_eq(enter(shown_function(plugin.handle)), 1);
    ck_assert_uint_eq(enter(hidden_function(plugin.handle)), 2);
    ck_assert_uint_eq(via__directory_object(directory, 1), 1);
    ck_assert_uint_eq(via__directory_object(directory, 2), 1);
    ck_assert_uint_eq(via__directory_objects(directory), 2);
    plugin.object_fd = fcntl(via__directory_object_fd(directory, 1), F_DUPFD_CLOEXEC, 0);
    plugin.view_fd = fcntl(via__directory_fd(directory), F_DUPFD_CLOEXEC, 0);
    ck_assert_int_ge(plugin.object_fd, 0);
}

static void close_plugin_case(void)
{
    close(plugin.object_fd);
    close(plugin.view_fd);
    via__directory_free(directory);
    ck_assert_int_eq(is_loaded(plugin.path), 1);
    dlclose(plugin.handle);
    ck_assert_int_eq(is_loaded(plugin.path), 0);
    leave_directory();
}

TEST(a_plugin_is_loaded_from_its_path)
{
    open_plugin_case("plugin.so", 1);
    ck_assert_int_eq(via_test_fork(find_plugin, NULL), 0);
    close_plugin_case();
}

TEST(a_plugin_without_a_build_id_is_loaded_from_its_path)
{
    open_plugin_case("plugin-unnamed.so", 3);
    ck_assert_int_eq(via_test_fork(find_plugin, NULL), 0);
    close_plugin_case();
}

TEST(the_file_of_a_replaced_plugin_is_asked_for_once)
{
    open_plugin_case("plugin.so", 1);
    put_plugin("plugin-changed.so", "a.so");
    ck_assert_int_eq(via_test_fork(find_plugin, NULL), 1);
    close_plugin_case();
}

TEST(a_file_that_was_given_is_kept_until_the_plugin_is_there)
{
    open_plugin_case("plugin.so", 1);
    put_plugin("plugin-changed.so", "a.so");
    ck_assert_int_eq(via_test_fork(find_plugin_twice, NULL), 0);
    close_plugin_case();
}

/* A function must not be entered for good without the file that a worker may need. */
static int enter_without_descriptors(void *handle)
{
    uint32_t number = 77;
    int limit = 3;
    while (fcntl(limit, F_GETFD) >= 0)
        limit++;
    allow_descriptors((rlim_t)limit);
    if (via__directory_enter(directory, shown_function(handle), &number, &why) != VIA_EAGAIN || number != 77)
        return 1;
    if (!strstr(why.text, "cannot be opened now"))
        return 2;
    allow_descriptors(0);
    if (via__directory_enter(directory, shown_function(handle), &number, &why) < 0 || number != 1)
        return 3;
    return via__directory_object_fd(directory, 1) < 0;
}

TEST(want_of_descriptors_is_told_and_passes)
{
    enter_directory();
    open_directory();
    void *handle = load_plugin(put_plugin("plugin.so", "a.so"));
    ck_assert_int_eq(via_test_fork(enter_without_descriptors, handle), 0);
    dlclose(handle);
    via__directory_free(directory);
    leave_directory();
}

TEST(a_replaced_plugin_without_its_file_is_told)
{
    open_plugin_case("plugin.so", 1);
    put_plugin("plugin-changed.so", "a.so");
    ck_assert_int_eq(via_test_fork(find_no_plugin, NULL), 0);
    close_plugin_case();
}

/* Without the pin another plugin could come to the same addresses, and calls would run the first one's code.
 */
TEST(an_entered_plugin_stays_while_the_directory_is_there)
{
    open_plugin_case("plugin.so", 1);
    dlclose(plugin.handle);
    ck_assert_int_eq(is_loaded(plugin.path), 1);
    ck_assert_int_eq(answer_of(via__directory_function(directory, 2)), 1200);
    plugin.handle = load_plugin(plugin.path);
    close_plugin_case();
}

// ---- memory ----

TEST(the_memory_is_written_by_nobody_else)
{
    open_directory();
    int fd = via__directory_fd(directory);
    struct stat st;
    ck_assert_int_eq(fstat(fd, &st), 0);
    ck_assert_ptr_eq(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
    ck_assert_int_eq(write(fd, "x", 1), -1);
    ck_assert_int_eq(ftruncate(fd, 0), -1);
    ck_assert_int_eq(ftruncate(fd, st.st_size * 2), -1);
    ck_assert_int_eq(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    enter((void *)one);
    via__directory_free(directory);
}

TEST(what_is_no_directory_is_not_mapped)
{
    struct via__directory_view *view = NULL;
    struct stat st;
    open_directory();
    ck_assert_int_eq(fstat(via__directory_fd(directory), &st), 0);
    int fd = memfd_create("none", MFD_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(via__directory_map(fd, &view), VIA_EINVAL);
    ck_assert_int_eq(ftruncate(fd, st.st_size), 0);
    ck_assert_int_eq(via__directory_map(fd, &view), VIA_EINVAL);
    ck_assert_int_eq(via__directory_map(-1, &view), -EBADF);
    ck_assert_ptr_null(view);
    close(fd);
    via__directory_free(directory);
}

/* A directory whose every record is nonsense: each find is an error, and none crashes. */
static int find_in_nonsense(void *arg)
{
    struct via__directory_memory *memory = arg;
    int fd = memfd_create("nonsense", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, sizeof *memory) < 0)
        return 1;
    memory = mmap(NULL, sizeof *memory, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED)
        return 2;
    memory->magic = VIA__DIRECTORY_MAGIC;
    atomic_store(&memory->functions, 6);
    memory->function[1] = (struct via__directory_function){.object = VIA__DIRECTORY_OBJECTS};
    memory->function[2] = (struct via__directory_function){.object = 7};
    memory->function[3] = (struct via__directory_function){.name = VIA__DIRECTORY_STRINGS};
    memory->function[4] = (struct via__directory_function){.name = VIA__DIRECTORY_STRINGS - 1};
    memory->function[5] = (struct via__directory_function){.name = 1};
    memory->function[6] = (struct via__directory_function){.offset = UINT64_MAX};
    memset(memory->strings + 1, 'n', sizeof memory->strings - 1);
    struct via__directory_view *view = view_of(fd);
    for (uint32_t number = 1; number <= 6; number++) {
        void *function = NULL;
        if (via__directory_find(view, number, NULL, NULL, &function, &why) != VIA_ENOENT || function)
            return (int)(10 + number);
    }
    return 0;
}

TEST(nonsense_in_the_memory_is_told)
{
    ck_assert_int_eq(via_test_fork(find_in_nonsense, NULL), 0);
}

// ---- many ----

/* Any address in code will do.  The C library has enough of them. */
static char *code_of_library(size_t bytes)
{
    struct via__loaded loaded;
    void *function = dlsym(RTLD_NEXT, "fopen");
    ck_assert_int_eq(via__elf_at(function, &loaded), 1);
    for (unsigned i = 0; i < loaded.count; i++) {
        char *start = (char *)(loaded.base + loaded.headers[i].p_vaddr);
        if (via__elf_has_code(&loaded, start) && loaded.headers[i].p_memsz >= bytes)
            return start;
    }
    ck_abort_msg("the C library has no %zu bytes of code", bytes);
}

TEST(there_is_room_for_so_many_functions_and_no_more)
{
    uint32_t number = 77;
    char *code = code_of_library(VIA__DIRECTORY_FUNCTIONS + 1);
    open_directory();
    for (uint32_t i = 0; i < VIA__DIRECTORY_FUNCTIONS; i++)
        ck_assert_uint_eq(enter(code + i), i + 1);
    int rc = via__directory_enter(directory, code + VIA__DIRECTORY_FUNCTIONS, &number, &why);
    ck_assert_int_eq(rc, VIA_ENOTSUP);
    ck_assert_uint_eq(number, 77);
    ck_assert_ptr_nonnull(strstr(why.text, "65535"));
    for (uint32_t i = 0; i < VIA__DIRECTORY_FUNCTIONS; i++) {
        ck_assert_uint_eq(enter(code + i), i + 1);
        ck_assert_ptr_eq(via__directory_function(directory, i + 1), code + i);
    }
    via__directory_free(directory);
}

/* Each thread enters the same functions, and looks at once whether the number leads back. */
enum { TOGETHER = 2000, THREADS = 4 };

struct enterer {
    struct via_test_thread thread;
    char *code;
    uint32_t numbers[TOGETHER];
    int wrong;
};

static void *enter_all(void *arg)
{
    struct enterer *enterer = arg;
    for (int i = 0; i < TOGETHER; i++) {
        char *function = enterer->code + i;
        int rc = via__directory_enter(directory, function, &enterer->numbers[i], NULL);
        enterer->wrong += rc < 0 || via__directory_function(directory, enterer->numbers[i]) != function ||
                          via__directory_object(directory, enterer->numbers[i]) != 1;
    }
    return NULL;
}

TEST(threads_that_enter_the_same_functions_get_the_same_numbers)
{
    static struct enterer enterers[THREADS];
    open_directory();
    for (int i = 0; i < THREADS; i++) {
        enterers[i].code = code_of_library(TOGETHER);
        via_test_thread_start(&enterers[i].thread, enter_all, &enterers[i]);
    }
    for (int i = 0; i < THREADS; i++) {
        via_test_thread_join(&enterers[i].thread);
        ck_assert_int_eq(enterers[i].wrong, 0);
        ck_assert_mem_eq(enterers[i].numbers, enterers[0].numbers, sizeof enterers[0].numbers);
    }
    ck_assert_uint_eq(via__directory_objects(directory), 2);
    via__directory_free(directory);
}

TEST_MAIN("process/directory", functions_are_numbered_from_one_on_and_once,
          a_worker_finds_what_stands_under_a_number, a_number_under_which_nothing_stands_is_told,
          what_is_entered_later_is_found_by_those_that_have_mapped_before,
          a_registered_function_is_found_by_its_name, a_registered_function_need_not_be_in_an_object,
          what_cannot_run_apart_is_refused, a_plugin_is_loaded_from_its_path,
          a_plugin_without_a_build_id_is_loaded_from_its_path,
          the_file_of_a_replaced_plugin_is_asked_for_once,
          a_file_that_was_given_is_kept_until_the_plugin_is_there, want_of_descriptors_is_told_and_passes,
          a_replaced_plugin_without_its_file_is_told, an_entered_plugin_stays_while_the_directory_is_there,
          the_memory_is_written_by_nobody_else, what_is_no_directory_is_not_mapped,
          nonsense_in_the_memory_is_told, there_is_room_for_so_many_functions_and_no_more,
          threads_that_enter_the_same_functions_get_the_same_numbers)
