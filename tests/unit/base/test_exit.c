/* SPDX-License-Identifier: BSD-3-Clause */
/* What is to be done when the process exits.  Each scenario runs in a child that ends with exit(). */
#include "support/support.h"

#include <sys/wait.h>
#include <unistd.h>

#include "base/exit.h"
#include "base/fork.h"

static int output;

struct writer {
    struct via__exit_node node;
    char byte;
    struct writer *removes; /* taken off the list by this one */
};

static void write_byte(struct via__exit_node *node)
{
    struct writer *writer = VIA__CONTAINER_OF(node, struct writer, node);

    (void)!write(output, &writer->byte, 1);
    if (writer->removes)
        via__exit_remove(&writer->removes->node);
}

static struct writer a = {.byte = 'a'}, b = {.byte = 'b'}, c = {.byte = 'c'};

static void add(struct writer *writer)
{
    if (via__exit_add(&writer->node, write_byte) != 0)
        _exit(1);
}

/* Forks a child that runs `fn` and then exits; gives what the exit handlers wrote there. */
static const char *output_of(void (*fn)(void))
{
    static char text[16];
    int fds[2], status;
    ssize_t got, length = 0;
    pid_t pid;

    ck_assert_int_eq(pipe(fds), 0);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        output = fds[1];
        fn();
        exit(7);
    }
    close(fds[1]);
    while ((got = read(fds[0], text + length, sizeof(text) - 1 - (size_t)length)) > 0)
        length += got;
    text[length] = '\0';
    close(fds[0]);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    return text;
}

static void add_three(void)
{
    add(&a);
    add(&b);
    add(&c);
}

TEST(every_node_is_run_once)
{
    ck_assert_str_eq(output_of(add_three), "abc");
}

static void remove_one(void)
{
    add_three();
    via__exit_remove(&b.node);
    via__exit_remove(&b.node);
}

TEST(a_removed_node_is_not_run)
{
    ck_assert_str_eq(output_of(remove_one), "ac");
}

static void remove_while_running(void)
{
    a.removes = &b;
    c.removes = &c;
    add_three();
}

TEST(a_node_may_remove_another_and_itself_while_it_runs)
{
    ck_assert_str_eq(output_of(remove_while_running), "ac");
}

static void forget_parents(void)
{
    add(&c);
}

TEST(a_child_does_not_run_its_parents_nodes)
{
    ck_assert_int_eq(via__fork_watch(), 0);
    add(&a);
    ck_assert_str_eq(output_of(forget_parents), "c");
    via__exit_remove(&a.node);
}

TEST_MAIN("base/exit", every_node_is_run_once, a_removed_node_is_not_run,
          a_node_may_remove_another_and_itself_while_it_runs, a_child_does_not_run_its_parents_nodes)
