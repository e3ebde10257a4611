/* SPDX-License-Identifier: BSD-3-Clause */
/* Limits and sandboxes of whole pools, and what runs at the beginning and the end of workers. */
#include "pool_fixture.h"
#include "support/sanitizers.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "process/confine_parts.h"

/* ---- a directory, and a page that workers share with the test ---- */

static char here[64];

static const char *path_of(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", here, name);
    return path;
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

static void make_here(void)
{
    snprintf(here, sizeof here, "/tmp/viaduct-confined-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(here));
    write_file(path_of("file"), "text");
}

static void remove_here(void)
{
    unlink(path_of("file"));
    unlink(path_of("page"));
    unlink(path_of("new"));
    rmdir(here);
}

/* What initializers and finalizers of all workers write to. */
struct page {
    _Atomic int begun, ended;
    _Atomic long last_ended;
};

static struct page *page;

static struct page *map_page(const char *path, int flags)
{
    int fd = open(path, O_RDWR | O_CLOEXEC | flags, 0600);
    if (fd < 0 || (flags & O_CREAT && ftruncate(fd, sizeof(struct page)) < 0))
        return NULL;
    void *map = mmap(NULL, sizeof(struct page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return map == MAP_FAILED ? NULL : map;
}

static int begin(via_bytes_call *call, const void *in, size_t bytes)
{
    char path[128] = "";
    (void)call;
    memcpy(path, in, bytes);
    page = map_page(path, 0);
    if (!page)
        return VIA_ENOMEM;
    atomic_fetch_add(&page->begun, 1);
    return 0;
}

static int end(via_bytes_call *call, const void *in, size_t bytes)
{
    (void)call;
    (void)in;
    if (bytes)
        return VIA_EINVAL;
    atomic_store(&page->last_ended, (long)getpid());
    atomic_fetch_add(&page->ended, 1);
    return 0;
}

/* Options with that initializer and finalizer; the page is mapped here too. */
static struct via_process_pool_options ended_options(int workers)
{
    struct via_process_pool_options options = pool_options(workers);
    static char path[128];
    make_here();
    snprintf(path, sizeof path, "%s", path_of("page"));
    page = map_page(path, O_CREAT);
    ck_assert_ptr_nonnull(page);
    options.initializer = begin;
    options.initializer_in = path;
    options.initializer_in_bytes = strlen(path);
    options.finalizer = end;
    return options;
}

static void end_page(void)
{
    munmap(page, sizeof *page);
    remove_here();
}

/* ---- limits ---- */

static int allocate(via_bytes_call *call, const void *in, size_t bytes)
{
    size_t wanted;
    (void)call;
    (void)bytes;
    memcpy(&wanted, in, sizeof wanted);
    char *volatile memory = malloc(wanted);
    if (!memory)
        return VIA_ENOMEM;
    memset(memory, 'x', wanted);
    free(memory);
    return 0;
}

TEST(above_the_limit_of_memory_malloc_fails_and_the_worker_lives_on)
{
    if (UNDER_SANITIZER)
        return;
    struct via_process_pool_options options = pool_options(1);
    options.limits.data_bytes = (uint64_t)64 << 20;
    via_executor *pool = open_with(&options);
    size_t much = (size_t)128 << 20, little = (size_t)8 << 20;
    long before = pid_of_worker(pool);
    ck_assert_int_eq(finish(submit(pool, allocate, &much, sizeof much)), VIA_ENOMEM);
    ck_assert_int_eq(finish(submit(pool, allocate, &little, sizeof little)), 0);
    ck_assert_int_eq(pid_of_worker(pool), before);
    close_pool(pool);
}

static int spin(via_bytes_call *call, const void *in, size_t bytes)
{
    sigset_t every;
    (void)call;
    (void)in;
    sigfillset(&every);
    sigprocmask(SIG_BLOCK, &every, NULL);
    for (volatile size_t i = 0; bytes == 0; i++)
        ;
    return 0;
}

TEST(a_call_that_uses_too_much_cpu_time_has_timed_out)
{
    struct via_process_pool_options options = pool_options(1);
    options.limits.call_cpu_ns = 20 * VIA_MS;
    via_executor *pool = open_with(&options);
    for (int i = 0; i < 2; i++) {
        struct via_call call = VIA_CALL_BYTES(spin, NULL, 0);
        call.retries = 1;
        via_cfuture *cf = submit_call(pool, &call);
        struct via_outcome outcome = wait_outcome(cf);
        ck_assert_int_eq(outcome.status, VIA_ETIMEDOUT);
        ck_assert_int_eq(outcome.process->signal, SIGKILL);
        ck_assert_int_eq(outcome.process->tries, 1);
        ck_assert_ptr_nonnull(strstr(outcome.message, "killed at the call's limit of CPU time while"));
        via_cfuture_unref(cf);
        ck_assert_int_eq(finish(submit(pool, do_nothing, NULL, 0)), 0);
    }
    ck_assert_uint_eq(process_stats(pool).timed_out, 2);
    close_pool(pool);
}

TEST(a_worker_that_has_used_its_cpu_time_dies)
{
    struct via_process_pool_options options = pool_options(1);
    options.limits.cpu_ns = 1; // a second: that is how it is rounded
    via_executor *pool = open_with(&options);
    via_cfuture *cf = submit(pool, spin, NULL, 0);
    struct via_outcome outcome = wait_outcome(cf);
    ck_assert_int_eq(outcome.status, VIA_ECRASHED);
    ck_assert_int_eq(outcome.process->signal, SIGKILL);
    ck_assert_ptr_nonnull(strstr(outcome.message, "killed at its limit of CPU time while"));
    via_cfuture_unref(cf);
    ck_assert_int_eq(finish(submit(pool, do_nothing, NULL, 0)), 0);
    close_pool(pool);
}

static int tell_limit(via_bytes_call *call, const void *in, size_t bytes)
{
    struct rlimit limit;
    int resource;
    (void)bytes;
    memcpy(&resource, in, sizeof resource);
    if (getrlimit(resource, &limit) < 0)
        return -errno;
    struct rlimit *out = via_bytes_out(call, sizeof limit);
    if (!out)
        return VIA_ENOMEM;
    memcpy(out, &limit, sizeof limit);
    return 0;
}

static struct rlimit limit_of(via_executor *pool, int resource)
{
    struct rlimit limit;
    via_cfuture *cf = submit(pool, tell_limit, &resource, sizeof resource);
    struct via_outcome outcome = wait_outcome(cf);
    ck_assert_int_eq(outcome.status, 0);
    memcpy(&limit, outcome.value, sizeof limit);
    via_cfuture_unref(cf);
    return limit;
}

static int open_many(via_bytes_call *call, const void *in, size_t bytes)
{
    int opened = 0;
    (void)in;
    (void)bytes;
    while (open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0)
        opened++;
    int *out = via_bytes_out(call, sizeof opened);
    *out = errno == EMFILE ? opened : -errno;
    return 0;
}

TEST(core_files_and_descriptors_are_limited)
{
    struct via_process_pool_options options = pool_options(1);
    options.limits.files = 40;
    via_executor *pool = open_with(&options);
    ck_assert_uint_eq(limit_of(pool, RLIMIT_CORE).rlim_max, 0);
    ck_assert_uint_eq(limit_of(pool, RLIMIT_NOFILE).rlim_max, 40);
    via_cfuture *cf = submit(pool, open_many, NULL, 0);
    int opened = *(int *)wait_outcome(cf).value;
    ck_assert_int_gt(opened, 10);
    ck_assert_int_lt(opened, 40);
    via_cfuture_unref(cf);
    ck_assert_int_eq(finish(submit(pool, give_back, "x", 1)), 0);
    close_pool(pool);
}

TEST(a_worker_whose_functions_have_used_up_the_descriptors_serves_on)
{
    static char in[100000];
    struct via_process_pool_options options = pool_options(1);
    options.limits.files = 40;
    EACH_TRANSPORT(transport)
    {
        options.transport = transport;
        via_executor *pool = open_with(&options);
        long pid = pid_of_worker(pool);
        ck_assert_int_eq(finish(submit(pool, open_many, NULL, 0)), 0);
        for (int i = 0; i < 3; i++)
            ck_assert_int_eq(finish(submit(pool, give_back, in, sizeof in)), 0);
        ck_assert_int_eq(pid_of_worker(pool), pid);
        close_pool(pool);
    }
}

/* ---- sandboxes ---- */

static int open_internet(via_bytes_call *call, const void *in, size_t bytes)
{
    (void)call;
    (void)in;
    (void)bytes;
    return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) < 0 ? -errno : 0;
}

static int execute(via_bytes_call *call, const void *in, size_t bytes)
{
    (void)call;
    (void)in;
    (void)bytes;
    char *const none[] = {NULL};
    execve("/bin/true", none, none);
    return -errno;
}

static int signal_program(via_bytes_call *call, const void *in, size_t bytes)
{
    (void)call;
    (void)in;
    (void)bytes;
    return kill(getppid(), 0) < 0 ? -errno : 0;
}

static int read_path(via_bytes_call *call, const void *in, size_t bytes)
{
    char path[200] = "";
    (void)call;
    memcpy(path, in, bytes);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    close(fd);
    return 0;
}

static int write_path(via_bytes_call *call, const void *in, size_t bytes)
{
    char path[200] = "";
    (void)call;
    memcpy(path, in, bytes);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    close(fd);
    return 0;
}

static int try_path(via_executor *pool, via_bytes_fn fn, const char *path)
{
    return finish(submit(pool, fn, path, strlen(path)));
}

/* Whether the function is stopped by a signal in a pool with that sandbox, and runs in one without. */
static void expect_killed(unsigned sandbox, via_bytes_fn fn)
{
    struct via_process_pool_options options = pool_options(1);
    via_executor *pool = open_with(&options);
    int status = finish(submit(pool, fn, NULL, 0));
    ck_assert_msg(fn == execute || status == 0, "%s", via_status_name(status));
    close_pool(pool);
    options.sandbox = sandbox;
    pool = open_with(&options);
    via_cfuture *cf = submit(pool, fn, NULL, 0);
    struct via_outcome outcome = wait_outcome(cf);
    ck_assert_int_eq(outcome.status, VIA_ECRASHED);
    ck_assert_int_eq(outcome.process->signal, SIGSYS);
    ck_assert_ptr_nonnull(strstr(outcome.message, "killed by the sandbox: it made a system call"));
    ck_assert_ptr_nonnull(strstr(outcome.message, "signal 31"));
    via_cfuture_unref(cf);
    ck_assert_int_eq(finish(submit(pool, give_back, "x", 1)), 0);
    close_pool(pool);
}

static int has_filters(void)
{
    return via__confine_can_filter();
}

/* ThreadSanitizer keeps a thread of its own, which the rules for files would not reach. */
static int has_file_rules(void)
{
    return !UNDER_THREAD_SANITIZER && via__confine_files_version() > 0;
}

TEST(what_a_sandbox_forbids_ends_the_worker_and_nothing_else)
{
    if (!has_filters())
        return;
    expect_killed(VIA_SANDBOX_NO_NETWORK, open_internet);
    expect_killed(VIA_SANDBOX_NO_EXEC, execute);
    expect_killed(VIA_SANDBOX_NO_TRACE, signal_program);
}

static int open_service(via_bytes_call *call, const void *in, size_t bytes)
{
    (void)call;
    (void)in;
    (void)bytes;
    return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) < 0 ? -errno : 0;
}

static int leave_a_child(via_bytes_call *call, const void *in, size_t bytes)
{
    (void)call;
    (void)in;
    (void)bytes;
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    return pid < 0 ? -errno : 0;
}

static int leave_session(via_bytes_call *call, const void *in, size_t bytes)
{
    (void)call;
    (void)in;
    (void)bytes;
    return setpgid(0, getppid()) < 0 ? -errno : 0;
}

static int slow_program(via_bytes_call *call, const void *in, size_t bytes)
{
    int program;
    (void)call;
    (void)bytes;
    memcpy(&program, in, sizeof program);
    return setpriority(PRIO_PROCESS, (id_t)program, 19) < 0 ? -errno : 0;
}

TEST(a_strict_worker_stays_one_process_that_reaches_no_other)
{
    if (!has_file_rules() || !has_filters())
        return;
    struct via_process_pool_options options = pool_options(1);
    int self = getpid(), nice = getpriority(PRIO_PROCESS, 0);
    options.sandbox = VIA_SANDBOX_STRICT;
    EACH_TRANSPORT(transport)
    {
        options.transport = transport;
        via_executor *pool = open_with(&options);
        long pid = pid_of_worker(pool);
        ck_assert_int_eq(finish(submit(pool, open_service, NULL, 0)), -EACCES);
        ck_assert_int_eq(finish(submit(pool, leave_a_child, NULL, 0)), -EPERM);
        ck_assert_int_eq(finish(submit(pool, leave_session, NULL, 0)), -EPERM);
        ck_assert_int_eq(finish(submit(pool, slow_program, &self, sizeof self)), -EPERM);
        ck_assert_int_eq(pid_of_worker(pool), pid);
        close_pool(pool);
    }
    ck_assert_int_eq(getpriority(PRIO_PROCESS, 0), nice);
}

static int fail_with_controls(via_bytes_call *call, const void *in, size_t bytes)
{
    (void)call;
    (void)in;
    (void)bytes;
    return via_fail(1, "\033]0;x\a\nline\t\x7f\xc2\x9b\x9b \xc3\xa9 \xe2\x82\xac \xe4.");
}

TEST(a_text_from_a_worker_controls_no_terminal)
{
    via_executor *pool = open_pool(1);
    via_cfuture *cf = submit(pool, fail_with_controls, NULL, 0);
    struct via_outcome outcome = wait_outcome(cf);
    ck_assert_int_eq(outcome.status, VIA_EFAILED);
    ck_assert_str_eq(outcome.message, "?]0;x??line????? \xc3\xa9 \xe2\x82\xac \xe4.");
    via_cfuture_unref(cf);
    close_pool(pool);
}

TEST(read_only_workers_write_only_where_they_may)
{
    if (!has_file_rules())
        return;
    make_here();
    const char *writable[] = {here, NULL};
    struct via_process_pool_options options = pool_options(1);
    options.sandbox = VIA_SANDBOX_READ_ONLY;
    via_executor *pool = open_with(&options);
    ck_assert_int_eq(try_path(pool, write_path, path_of("new")), -EACCES);
    ck_assert_int_eq(try_path(pool, read_path, path_of("file")), 0);
    close_pool(pool);
    options.writable_paths = writable;
    pool = open_with(&options);
    ck_assert_int_eq(try_path(pool, write_path, path_of("new")), 0);
    ck_assert_int_eq(try_path(pool, write_path, "/tmp/viaduct-elsewhere"), -EACCES);
    close_pool(pool);
    remove_here();
}

TEST(workers_without_files_open_only_what_they_are_given)
{
    if (!has_file_rules())
        return;
    make_here();
    const char *readable[] = {here, NULL};
    struct via_process_pool_options options = pool_options(1);
    options.sandbox = VIA_SANDBOX_NO_FILES;
    via_executor *pool = open_with(&options);
    ck_assert_int_eq(try_path(pool, read_path, path_of("file")), -EACCES);
    close_pool(pool);
    options.readable_paths = readable;
    pool = open_with(&options);
    ck_assert_int_eq(try_path(pool, read_path, path_of("file")), 0);
    ck_assert_int_eq(try_path(pool, write_path, path_of("new")), -EACCES);
    ck_assert_int_eq(try_path(pool, read_path, "/etc/passwd"), -EACCES);
    close_pool(pool);
    remove_here();
}

static int kept_fd = -1;

static int open_and_keep(via_bytes_call *call, const void *in, size_t bytes)
{
    char path[200] = "";
    (void)call;
    memcpy(path, in, bytes);
    kept_fd = open(path, O_RDONLY | O_CLOEXEC);
    return kept_fd < 0 ? -errno : 0;
}

static int read_kept(via_bytes_call *call, const void *in, size_t bytes)
{
    (void)in;
    (void)bytes;
    char *out = via_bytes_out(call, 4);
    return out && pread(kept_fd, out, 4, 0) == 4 ? 0 : VIA_EINVAL;
}

TEST(the_initializer_runs_before_the_sandbox_shuts)
{
    if (!has_file_rules() || !has_filters())
        return;
    make_here();
    struct via_process_pool_options options = pool_options(1);
    options.sandbox = VIA_SANDBOX_STRICT;
    options.initializer = open_and_keep;
    options.initializer_in = path_of("file");
    options.initializer_in_bytes = strlen(path_of("file"));
    EACH_TRANSPORT(transport)
    {
        options.transport = transport;
        via_executor *pool = open_with(&options);
        via_cfuture *cf = submit(pool, read_kept, NULL, 0);
        struct via_outcome outcome = wait_outcome(cf);
        ck_assert_int_eq(outcome.status, 0);
        ck_assert_mem_eq(outcome.value, "text", 4);
        via_cfuture_unref(cf);
        ck_assert_int_eq(try_path(pool, read_path, path_of("file")), -EACCES);
        close_pool(pool);
    }
    remove_here();
}

TEST(large_payloads_cross_the_border_of_a_strict_sandbox)
{
    if (!has_file_rules() || !has_filters())
        return;
    struct via_process_pool_options options = pool_options(1);
    options.sandbox = VIA_SANDBOX_STRICT;
    options.max_worker_bytes = (uint64_t)4 << 30; // so that it looks how much it occupies
    size_t bytes = (size_t)3 << 20;
    char *in = malloc(bytes);
    memset(in, 'i', bytes);
    EACH_TRANSPORT(transport)
    {
        options.transport = transport;
        via_executor *pool = open_with(&options);
        for (int i = 0; i < 3; i++) {
            struct via_call call = VIA_CALL_BYTES(give_back, in, bytes);
            call.flags = VIA_CALL_MEASURED;
            via_cfuture *cf = submit_call(pool, &call);
            struct via_outcome outcome = wait_outcome(cf);
            ck_assert_int_eq(outcome.status, 0);
            ck_assert(memcmp(outcome.value, in, bytes) == 0);
            via_cfuture_unref(cf);
        }
        close_pool(pool);
    }
    free(in);
}

/* ---- workers of their own layout ---- */

static int tell_address(via_bytes_call *call, const void *in, size_t bytes)
{
    uintptr_t address = (uintptr_t)&kept_fd;
    return give_back(call, &address, sizeof address) + (in ? (int)bytes : 0);
}

static uintptr_t address_in(via_executor *pool)
{
    uintptr_t address = 0;
    via_cfuture *cf = submit(pool, tell_address, NULL, 0);
    struct via_outcome outcome = wait_outcome(cf);
    ck_assert_int_eq(outcome.status, 0);
    memcpy(&address, outcome.value, sizeof address);
    via_cfuture_unref(cf);
    return address;
}

/* How many of ten workers stand where the first stands. */
static int count_same(int fresh_exec)
{
    struct via_process_pool_options options = pool_options(1);
    options.fresh_exec = fresh_exec;
    options.max_calls = 1;
    via_executor *pool = open_with(&options);
    uintptr_t first = address_in(pool);
    int same = 0;
    for (int i = 0; i < 10; i++)
        same += address_in(pool) == first;
    close_pool(pool);
    return same;
}

static int has_random_layout(void)
{
    int value = 0;
    FILE *file = fopen("/proc/sys/kernel/randomize_va_space", "re");
    if (file) {
        if (fscanf(file, "%d", &value) != 1)
            value = 0;
        fclose(file);
    }
    return value == 2 && !(personality(0xffffffff) & ADDR_NO_RANDOMIZE) && !UNDER_SANITIZER;
}

TEST(workers_started_anew_have_a_layout_of_their_own)
{
    ck_assert_int_eq(count_same(0), 10);
    int same = count_same(1);
    ck_assert(!has_random_layout() || same < 10);
}

TEST(workers_started_anew_crash_and_are_replaced_as_others)
{
    struct via_process_pool_options options = ended_options(1);
    options.fresh_exec = 1;
    via_executor *pool = open_with(&options);
    int signo = SIGKILL;
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(finish(submit(pool, give_back, "x", 1)), 0);
        ck_assert_int_eq(finish(submit(pool, die_of, &signo, sizeof signo)), VIA_ECRASHED);
    }
    ck_assert_int_eq(finish(submit(pool, give_back, "x", 1)), 0);
    ck_assert_int_eq(atomic_load(&page->begun), 3);
    close_pool(pool);
    ck_assert_int_eq(atomic_load(&page->ended), 1);
    end_page();
}

/* ---- finalizers ---- */

TEST(a_finalizer_runs_in_each_worker_when_the_pool_shuts_down)
{
    struct via_process_pool_options options = ended_options(2);
    EACH_TRANSPORT(transport)
    {
        options.transport = transport;
        via_executor *pool = open_with(&options);
        via_buffer *gate = new_gate();
        via_cfuture *cf[2] = {occupy(pool, gate), occupy(pool, gate)};
        open_gate(gate);
        ck_assert_int_eq(finish(cf[0]), 0);
        ck_assert_int_eq(finish(cf[1]), 0);
        close_pool(pool);
        ck_assert_int_eq(atomic_load(&page->begun), 2);
        ck_assert_int_eq(atomic_load(&page->ended), 2);
        atomic_store(&page->begun, 0);
        atomic_store(&page->ended, 0);
        via_buffer_unref(gate);
    }
    end_page();
}

TEST(a_finalizer_runs_in_workers_that_end_for_their_calls_or_for_want_of_them)
{
    struct via_process_pool_options options = ended_options(1);
    options.max_calls = 1;
    via_executor *pool = open_with(&options);
    long first = pid_of_worker(pool);
    AWAIT(atomic_load(&page->ended) == 1);
    ck_assert_int_eq(atomic_load(&page->last_ended), first);
    close_pool(pool);
    options.max_calls = 0;
    options.idle_timeout_ns = 1 * VIA_MS;
    pool = open_with(&options);
    long second = pid_of_worker(pool);
    AWAIT(atomic_load(&page->ended) == 2);
    ck_assert_int_eq(atomic_load(&page->last_ended), second);
    close_pool(pool);
    ck_assert_int_eq(atomic_load(&page->ended), 2);
    end_page();
}

TEST(a_finalizer_does_not_run_in_workers_that_die)
{
    struct via_process_pool_options options = ended_options(1);
    via_executor *pool = open_with(&options);
    int signo = SIGKILL;
    ck_assert_int_eq(finish(submit(pool, die_of, &signo, sizeof signo)), VIA_ECRASHED);
    ck_assert_int_eq(finish(submit(pool, do_nothing, NULL, 0)), 0);
    ck_assert_int_eq(via_process_pool_kill(pool), 1);
    AWAIT(via_process_pool_workers(pool, NULL, 0) == 0);
    close_pool(pool);
    ck_assert_int_eq(atomic_load(&page->begun), 2);
    ck_assert_int_eq(atomic_load(&page->ended), 0);
    end_page();
}

static int crash_at_the_end(via_bytes_call *call, const void *in, size_t bytes)
{
    (void)call;
    (void)in;
    (void)bytes;
    signal(SIGABRT, SIG_DFL);
    raise(SIGABRT);
    return 0;
}

TEST(a_finalizer_that_crashes_harms_nobody)
{
    struct via_process_pool_options options = pool_options(1);
    options.finalizer = crash_at_the_end;
    options.max_calls = 1;
    via_executor *pool = open_with(&options);
    for (int i = 0; i < 8; i++)
        ck_assert_int_eq(finish(submit(pool, do_nothing, NULL, 0)), 0);
    close_pool(pool);
}

/* ---- what is not there ---- */

TEST(options_that_cannot_be_are_refused_with_a_reason)
{
    static const char *const relative[] = {"here", NULL};
    char why[256];
    for (int i = 0; i < 5; i++) {
        struct via_process_pool_options options = pool_options(1);
        via_executor *pool = NULL;
        options.why = why;
        options.why_bytes = sizeof why;
        why[0] = 0;
        if (i == 0)
            options.sandbox = VIA_SANDBOX_STRICT + 1;
        else if (i == 1)
            options.limits.files = 15;
        else if (i == 2)
            options.limits.cpu_ns = -1;
        else if (i == 3)
            options.limits.call_cpu_ns = -1;
        else {
            options.sandbox = VIA_SANDBOX_READ_ONLY;
            options.readable_paths = relative;
        }
        int status = via_process_pool_new(&options, &pool);
        ck_assert_msg(status == VIA_EINVAL || (i == 4 && status == VIA_ENOTSUP), "%d: %s", i,
                      via_status_name(status));
        ck_assert_ptr_null(pool);
        ck_assert_str_ne(why, "");
    }
}

PROCESS_TEST_MAIN(
    "process/pool_confined", above_the_limit_of_memory_malloc_fails_and_the_worker_lives_on,
    a_call_that_uses_too_much_cpu_time_has_timed_out, a_worker_that_has_used_its_cpu_time_dies,
    core_files_and_descriptors_are_limited, a_worker_whose_functions_have_used_up_the_descriptors_serves_on,
    what_a_sandbox_forbids_ends_the_worker_and_nothing_else,
    a_strict_worker_stays_one_process_that_reaches_no_other, a_text_from_a_worker_controls_no_terminal,
    read_only_workers_write_only_where_they_may, workers_without_files_open_only_what_they_are_given,
    the_initializer_runs_before_the_sandbox_shuts, large_payloads_cross_the_border_of_a_strict_sandbox,
    workers_started_anew_have_a_layout_of_their_own, workers_started_anew_crash_and_are_replaced_as_others,
    a_finalizer_runs_in_each_worker_when_the_pool_shuts_down,
    a_finalizer_runs_in_workers_that_end_for_their_calls_or_for_want_of_them,
    a_finalizer_does_not_run_in_workers_that_die, a_finalizer_that_crashes_harms_nobody,
    options_that_cannot_be_are_refused_with_a_reason)
