/* SPDX-License-Identifier: BSD-3-Clause */
/* Readers and writers of descriptors. */
#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unit/loop/loop_fixture.h"

static void open_pair(int fds[2])
{
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
}

static void close_pair(int fds[2])
{
    close(fds[0]);
    close(fds[1]);
}

TEST(a_reader_is_called_while_there_is_something_to_read)
{
    via_loop *loop = open_loop();
    int fds[2], calls = 0;
    char byte;
    open_pair(fds);
    ck_assert_int_eq(via_loop_add_reader(loop, fds[0], count_up, &calls), 0);
    RUN_TICKS(loop, 2);
    ck_assert_int_eq(calls, 0);
    ck_assert_int_eq(write(fds[1], "x", 1), 1);
    RUN_TICKS(loop, 3);
    ck_assert_int_eq(calls, 3);
    ck_assert_int_eq(read(fds[0], &byte, 1), 1);
    RUN_TICKS(loop, 2);
    ck_assert_int_eq(calls, 3);
    close_loop(loop);
    close_pair(fds);
}

TEST(a_new_reader_replaces_the_old_one)
{
    via_loop *loop = open_loop();
    int fds[2];
    open_pair(fds);
    ck_assert_int_eq(via_loop_add_reader(loop, fds[0], never_called, NULL), 0);
    ck_assert_int_eq(via_loop_add_reader(loop, fds[0], say, "second"), 0);
    ck_assert_uint_eq(stats_of(loop).watches, 1);
    ck_assert_int_eq(write(fds[1], "x", 1), 1);
    run_one_tick(loop);
    ASSERT_RECORD(&history, "second");
    ck_assert_int_eq(via_loop_remove_reader(loop, fds[0]), 1);
    ck_assert_int_eq(via_loop_remove_reader(loop, fds[0]), 0);
    close_loop(loop);
    close_pair(fds);
}

TEST(removing_tells_whether_there_was_one)
{
    via_loop *loop = open_loop();
    int fds[2];
    open_pair(fds);
    ck_assert_int_eq(via_loop_remove_reader(loop, fds[0]), 0);
    ck_assert_int_eq(via_loop_remove_writer(loop, fds[0]), 0);
    ck_assert_int_eq(via_loop_add_writer(loop, fds[0], say, "writable"), 0);
    ck_assert_int_eq(via_loop_remove_reader(loop, fds[0]), 0);
    run_one_tick(loop);
    ck_assert_int_eq(via_loop_remove_writer(loop, fds[0]), 1);
    ck_assert_int_eq(via_loop_remove_writer(loop, fds[0]), 0);
    run_one_tick(loop);
    ASSERT_RECORD(&history, "writable");
    ck_assert_uint_eq(stats_of(loop).watches, 0);
    close_loop(loop);
    close_pair(fds);
}

struct stream {
    via_loop *loop;
    int fd;
    char text[64];
    size_t length;
};

static int read_to_end(void *arg)
{
    struct stream *stream = arg;
    ssize_t n = read(stream->fd, stream->text + stream->length, 3);
    if (n > 0) {
        stream->length += (size_t)n;
        return 0;
    }
    ck_assert_int_eq(n, 0);
    ck_assert_int_eq(via_loop_remove_reader(stream->loop, stream->fd), 1);
    return via_loop_stop(stream->loop);
}

static int write_and_close(void *fd)
{
    ck_assert_int_eq(write(*(int *)fd, "second.", 7), 7);
    return close(*(int *)fd);
}

TEST(a_reader_reads_across_several_events_to_the_end)
{
    via_loop *loop = open_loop();
    int fds[2];
    open_pair(fds);
    struct stream stream = {loop, fds[0], "", 0};
    ck_assert_int_eq(via_loop_add_reader(loop, fds[0], read_to_end, &stream), 0);
    ck_assert_int_eq(write(fds[1], "first,", 6), 6);
    ck_assert_int_eq(via_call_later(loop, VIA_MS, write_and_close, &fds[1], NULL), 0);
    run(loop);
    ck_assert_str_eq(stream.text, "first,second.");
    close_loop(loop);
    close(fds[0]);
}

TEST(a_pipe_is_read_to_its_end)
{
    via_loop *loop = open_loop();
    int fds[2];
    ck_assert_int_eq(pipe(fds), 0);
    struct stream stream = {loop, fds[0], "", 0};
    ck_assert_int_eq(via_loop_add_reader(loop, fds[0], read_to_end, &stream), 0);
    ck_assert_int_eq(write(fds[1], "12345", 5), 5);
    close(fds[1]);
    run(loop);
    ck_assert_str_eq(stream.text, "12345");
    close_loop(loop);
    close(fds[0]);
}

TEST(a_writer_of_a_pipe_hears_that_the_reader_is_gone)
{
    via_loop *loop = open_loop();
    int fds[2], calls = 0;
    ck_assert_int_eq(pipe2(fds, O_NONBLOCK), 0);
    while (write(fds[1], "................", 16) > 0)
        ;
    ck_assert_int_eq(via_loop_add_writer(loop, fds[1], count_up, &calls), 0);
    RUN_TICKS(loop, 2);
    ck_assert_int_eq(calls, 0);
    close(fds[0]);
    RUN_TICKS(loop, 1);
    ck_assert_int_eq(calls, 1);
    close_loop(loop);
    close(fds[1]);
}

TEST(a_reader_and_a_writer_of_one_descriptor_are_apart)
{
    via_loop *loop = open_loop();
    int fds[2], reads = 0, writes = 0;
    open_pair(fds);
    ck_assert_int_eq(write(fds[1], "x", 1), 1);
    ck_assert_int_eq(via_loop_add_reader(loop, fds[0], count_up, &reads), 0);
    ck_assert_int_eq(via_loop_add_writer(loop, fds[0], count_up, &writes), 0);
    ck_assert_uint_eq(stats_of(loop).watches, 2);
    run_one_tick(loop);
    ck_assert_int_eq(reads, 1);
    ck_assert_int_eq(writes, 1);
    ck_assert_int_eq(via_loop_remove_reader(loop, fds[0]), 1);
    run_one_tick(loop);
    ck_assert_int_eq(reads, 1);
    ck_assert_int_eq(writes, 2);
    close_loop(loop);
    close_pair(fds);
}

TEST(a_regular_file_cannot_be_watched_with_epoll)
{
    via_loop *loop = open_loop();
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    if (strcmp(event_base_get_method(via_loop_base(loop)), "epoll") == 0) {
        ck_assert_int_eq(via_loop_add_reader(loop, fd, never_called, NULL), VIA_EPERM);
        ck_assert_int_eq(via_loop_add_writer(loop, fd, never_called, NULL), VIA_EPERM);
    }
    ck_assert_uint_eq(stats_of(loop).watches, 0);
    ck_assert_int_eq(via_loop_remove_reader(loop, fd), 0);
    RUN_TICKS(loop, 2);
    close_loop(loop);
    close(fd);
}

TEST(a_descriptor_that_is_not_open_is_refused)
{
    via_loop *loop = open_loop();
    int fds[2];
    open_pair(fds);
    close_pair(fds);
    ck_assert_int_eq(via_loop_add_reader(loop, fds[0], never_called, NULL), VIA_EBADF);
    ck_assert_int_eq(via_loop_add_writer(loop, fds[1], never_called, NULL), VIA_EBADF);
    int rc = via_loop_add_reader(loop, -1, never_called, NULL);
    ck_assert_msg(rc == VIA_EBADF || rc == VIA_EINVAL, "a negative descriptor gives %d", rc);
    ck_assert_uint_eq(stats_of(loop).watches, 0);
    close_loop(loop);
}

/* Two readers of which each removes the other. */
struct rival {
    via_loop *loop;
    int other_fd;
    int calls;
};

static int remove_rival(void *arg)
{
    struct rival *rival = arg;
    rival->calls++;
    return via_loop_remove_reader(rival->loop, rival->other_fd) < 0 ? VIA_EINVAL : 0;
}

TEST(a_reader_removed_by_an_earlier_callback_of_its_tick_is_not_called)
{
    via_loop *loop = open_loop();
    int a[2], b[2];
    open_pair(a);
    open_pair(b);
    struct rival rivals[2] = {{loop, b[0], 0}, {loop, a[0], 0}};
    ck_assert_int_eq(write(a[1], "x", 1), 1);
    ck_assert_int_eq(write(b[1], "x", 1), 1);
    ck_assert_int_eq(via_loop_add_reader(loop, a[0], remove_rival, &rivals[0]), 0);
    ck_assert_int_eq(via_loop_add_reader(loop, b[0], remove_rival, &rivals[1]), 0);
    run_one_tick(loop);
    ck_assert_int_eq(rivals[0].calls + rivals[1].calls, 1);
    close_loop(loop);
    close_pair(a);
    close_pair(b);
}

static int replace_self(void *arg)
{
    struct stream *stream = arg;
    via_test_record(&history, "first");
    return via_loop_add_reader(stream->loop, stream->fd, say, "second");
}

TEST(a_reader_may_replace_itself)
{
    via_loop *loop = open_loop();
    int fds[2];
    open_pair(fds);
    struct stream stream = {loop, fds[0], "", 0};
    ck_assert_int_eq(write(fds[1], "x", 1), 1);
    ck_assert_int_eq(via_loop_add_reader(loop, fds[0], replace_self, &stream), 0);
    RUN_TICKS(loop, 2);
    ASSERT_RECORD(&history, "first second");
    close_loop(loop);
    close_pair(fds);
}

TEST(a_descriptor_number_can_be_used_again)
{
    via_loop *loop = open_loop();
    int a[2], b[2];
    open_pair(a);
    ck_assert_int_eq(via_loop_add_reader(loop, a[0], never_called, NULL), 0);
    ck_assert_int_eq(via_loop_remove_reader(loop, a[0]), 1);
    close_pair(a);
    open_pair(b);
    ck_assert_int_eq(b[0], a[0]);
    ck_assert_int_eq(via_loop_add_reader(loop, b[0], say, "new"), 0);
    ck_assert_int_eq(write(b[1], "x", 1), 1);
    run_one_tick(loop);
    ASSERT_RECORD(&history, "new");
    close_loop(loop);
    close_pair(b);
}

TEST(many_descriptors_are_watched_at_once)
{
    via_loop *loop = open_loop();
    int fds[100][2], calls = 0;
    for (int i = 0; i < 100; i++) {
        open_pair(fds[i]);
        ck_assert_int_eq(via_loop_add_reader(loop, fds[i][0], count_up, &calls), 0);
        ck_assert_int_eq(write(fds[i][1], "x", 1), 1);
    }
    ck_assert_uint_eq(stats_of(loop).watches, 100);
    RUN_UNTIL(loop, calls >= 100);
    for (int i = 0; i < 100; i += 2)
        ck_assert_int_eq(via_loop_remove_reader(loop, fds[i][0]), 1);
    ck_assert_uint_eq(stats_of(loop).watches, 50);
    close_loop(loop);
    for (int i = 0; i < 100; i++)
        close_pair(fds[i]);
}

static int memory_is_out;

/* libevent's realloc(), with which it makes room for timers. */
static void *grow_if_there_is_memory(void *block, size_t bytes)
{
    return memory_is_out ? NULL : realloc(block, bytes);
}

static int write_byte(void *fd)
{
    ck_assert_int_eq(write(*(int *)fd, "x", 1), 1);
    return 0;
}

TEST(readers_are_called_though_there_is_no_memory_for_the_timer)
{
    event_set_mem_functions(malloc, grow_if_there_is_memory, free);
    via_loop *loop = open_loop();
    int fds[2];
    open_pair(fds);
    ck_assert_int_eq(via_loop_add_reader(loop, fds[0], stop_loop, loop), 0);
    memory_is_out = 1;
    ck_assert_int_eq(via_call_later(loop, 3600 * VIA_S, never_called, NULL, NULL), 0);
    ck_assert_int_eq(via_call_soon(loop, write_byte, &fds[1], NULL), 0);
    run(loop);
    memory_is_out = 0;
    close_loop(loop);
    close_pair(fds);
}

TEST(watching_without_loop_or_function_is_refused)
{
    via_loop *loop = open_loop();
    int fds[2];
    open_pair(fds);
    ck_assert_int_eq(via_loop_add_reader(NULL, fds[0], say, "x"), VIA_EINVAL);
    ck_assert_int_eq(via_loop_add_writer(NULL, fds[0], say, "x"), VIA_EINVAL);
    ck_assert_int_eq(via_loop_add_reader(loop, fds[0], NULL, "x"), VIA_EINVAL);
    ck_assert_int_eq(via_loop_add_writer(loop, fds[0], NULL, "x"), VIA_EINVAL);
    ck_assert_int_eq(via_loop_remove_reader(NULL, fds[0]), VIA_EINVAL);
    ck_assert_int_eq(via_loop_remove_writer(NULL, fds[0]), VIA_EINVAL);
    ck_assert_uint_eq(stats_of(loop).watches, 0);
    close_loop(loop);
    close_pair(fds);
}

TEST_MAIN("loop/watch", a_reader_is_called_while_there_is_something_to_read,
          a_new_reader_replaces_the_old_one, removing_tells_whether_there_was_one,
          a_reader_reads_across_several_events_to_the_end, a_pipe_is_read_to_its_end,
          a_writer_of_a_pipe_hears_that_the_reader_is_gone, a_reader_and_a_writer_of_one_descriptor_are_apart,
          a_regular_file_cannot_be_watched_with_epoll, a_descriptor_that_is_not_open_is_refused,
          a_reader_removed_by_an_earlier_callback_of_its_tick_is_not_called, a_reader_may_replace_itself,
          a_descriptor_number_can_be_used_again, many_descriptors_are_watched_at_once,
          readers_are_called_though_there_is_no_memory_for_the_timer,
          watching_without_loop_or_function_is_refused)
