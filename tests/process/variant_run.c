/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Enters functions in a directory, starts a copy of the program, and has it find and run them.  It is what a
 * pool does of naming and entering, and no more, so that a program's build is all that can make it fail.
 */
#include "variant.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <viaduct/error.h>
#include <viaduct/process_pool.h>

#include "process/directory.h"
#include "process/enter.h"
#include "process/fds.h"

enum { MOST = 16 };

struct order {
    uint32_t number;
    uint32_t object; /* whose file comes with it, or 0 */
};

struct answer {
    int32_t status, value;
    struct via__why why;
};

static struct variant_function functions[MOST];
static int count;

void variant_add(const char *name, via_bytes_fn function)
{
    if (count == MOST)
        exit(90);
    functions[count++] = (struct variant_function){name, function};
}

// ---- the copy ----

static int object_file = -1;

static int give_file(void *arg, uint32_t object)
{
    (void)arg, (void)object;
    return object_file;
}

static void answer_order(struct via__directory_view *view, uint32_t number)
{
    struct answer answer = {0};
    void *found = NULL;
    answer.status = via__directory_find(view, number, give_file, NULL, &found, &answer.why);
    if (answer.status == 0)
        answer.value = ((via_bytes_fn)found)(NULL, NULL, 0);
    if (via__fds_send(VIA__FD_CONTROL, &answer, sizeof answer, NULL, 0) < 0)
        _exit(91);
}

_Noreturn void via__zygote_main(void)
{
    struct via__directory_view *view = NULL;
    struct order order;
    int fds[VIA__FDS_MAX], fd_count;
    if (via__directory_map(VIA__FD_DIRECTORY, &view) < 0)
        _exit(92);
    while (via__fds_receive(VIA__FD_CONTROL, &order, sizeof order, fds, &fd_count, VIA__FDS_BLOCK) ==
           sizeof order) {
        object_file = fd_count ? fds[0] : -1;
        answer_order(view, order.number);
    }
    _exit(0);
}

_Noreturn void via__worker_main_fresh(void)
{
    _exit(93);
}

// ---- the program ----

static pid_t start(int theirs, int directory)
{
    static char name[] = "copy";
    char *arguments[] = {name, NULL}, **environment;
    posix_spawn_file_actions_t actions;
    pid_t pid = -1;
    if (via__enter_environment(VIA__COPY_ZYGOTE, theirs, &environment) < 0)
        return -1;
    int high = fcntl(theirs, F_DUPFD_CLOEXEC, 16), high_directory = fcntl(directory, F_DUPFD_CLOEXEC, 16);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, high, VIA__FD_CONTROL);
    posix_spawn_file_actions_addopen(&actions, VIA__FD_CONFIG, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, high_directory, VIA__FD_DIRECTORY);
    if (posix_spawn(&pid, via__enter_program(), &actions, NULL, arguments, environment) != 0)
        pid = -1;
    posix_spawn_file_actions_destroy(&actions);
    close(high);
    close(high_directory);
    free(environment);
    return pid;
}

/* Prints what the copy says to one order: 1, or 0 if it is gone. */
static int ask(int control, const char *name, const struct order *order, int file)
{
    union {
        struct answer answer;
        struct via__hello hello;
    } got;
    int fds[VIA__FDS_MAX], fd_count;
    via__fds_send(control, order, sizeof *order, &file, file >= 0);
    ssize_t bytes = via__fds_receive(control, &got, sizeof got, fds, &fd_count, VIA__FDS_BLOCK);
    if (bytes == sizeof got.hello && got.hello.magic == VIA__HELLO_MAGIC)
        printf("the copy: %s\n", got.hello.text);
    if (bytes != sizeof got.answer || got.hello.magic == VIA__HELLO_MAGIC)
        return 0;
    if (got.answer.status < 0)
        printf("%s not found: %s\n", name, got.answer.why.text);
    else
        printf("%s %d\n", name, (int)got.answer.value);
    return 1;
}

static void enter_all(struct via__directory *directory, uint32_t numbers[MOST])
{
    struct via__why why;
    for (int i = 0; i < count; i++)
        if (via__directory_enter(directory, (void *)functions[i].function, &numbers[i], &why) < 0) {
            printf("%s refused: %s\n", functions[i].name, why.text);
            numbers[i] = 0;
        }
}

static int run(struct via__directory *directory, const uint32_t numbers[MOST])
{
    int ends[2], status = 0, is_there = 1;
    if (via__fds_pair(ends) < 0)
        return 94;
    pid_t pid = start(ends[1], via__directory_fd(directory));
    close(ends[1]);
    if (pid < 0)
        return 95;
    for (int i = 0; is_there && i < count; i++) {
        struct order order = {numbers[i], 0};
        if (!order.number)
            continue;
        order.object = via__directory_object(directory, order.number);
        int file = order.object ? via__directory_object_fd(directory, order.object) : -1;
        is_there = ask(ends[0], functions[i].name, &order, file);
    }
    close(ends[0]);
    waitpid(pid, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    printf("the copy ended with status %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status));
    return 2;
}

int variant_run(void)
{
    const char *spoil = getenv("VARIANT_SPOIL");
    struct via__directory *directory;
    struct via__why why;
    uint32_t numbers[MOST] = {0};
    if (via__enter_check(&why) < 0) {
        printf("refused: %s\n", why.text);
        return 3;
    }
    if (via__directory_new(&directory) < 0)
        return 96;
    enter_all(directory, numbers);
    if (spoil && system(spoil) != 0)
        return 97;
    fflush(stdout);
    int status = run(directory, numbers);
    via__directory_free(directory);
    return status;
}
