/* SPDX-License-Identifier: BSD-3-Clause */
#include <config.h>

#include "support/support.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <viaduct/error.h>

#include "process/fds.h"

static int ends[2];
static int fds[VIA__FDS_MAX], count;
static char text[16];

static int receive(void)
{
    memset(text, 0, sizeof text);
    return via__fds_receive(ends[0], text, sizeof text, fds, &count, VIA__FDS_NOW);
}

static void expect(const char *expected)
{
    ck_assert_int_eq(receive(), (int)strlen(expected));
    ck_assert_str_eq(text, expected);
    ck_assert_int_eq(count, 0);
}

static void say(int end, const char *words)
{
    ck_assert_int_eq(via__fds_send(end, words, strlen(words), NULL, 0), 0);
}

TEST(messages_come_whole_and_in_order)
{
    ck_assert_int_eq(via__fds_pair(ends), 0);
    ck_assert_int_eq(receive(), VIA_EAGAIN);
    say(ends[1], "one");
    say(ends[1], "two");
    expect("one");
    expect("two");
    ck_assert_int_eq(receive(), VIA_EAGAIN);
    close(ends[1]);
    ck_assert_int_eq(receive(), 0);
    close(ends[0]);
}

TEST(what_a_peer_said_before_it_went_comes_though_it_left_messages_unread)
{
    ck_assert_int_eq(via__fds_pair(ends), 0);
    say(ends[1], "one");
    say(ends[1], "two");
    say(ends[0], "unread");
    close(ends[1]);
    expect("one");
    expect("two");
    ck_assert_int_eq(receive(), 0);
    ck_assert_int_eq(receive(), 0);
    close(ends[0]);
}

TEST(descriptors_come_with_their_message_and_are_not_inherited)
{
    int pipes[2];
    ck_assert_int_eq(via__fds_pair(ends), 0);
    ck_assert_int_eq(pipe2(pipes, O_CLOEXEC), 0);
    ck_assert_int_eq(via__fds_send(ends[1], "pipes", 5, pipes, 2), 0);
    ck_assert_int_eq(receive(), 5);
    ck_assert_int_eq(count, 2);
    ck_assert_int_eq(fcntl(fds[0], F_GETFD), FD_CLOEXEC);
    ck_assert_int_eq(write(fds[1], "x", 1), 1);
    ck_assert_int_eq(read(pipes[0], text, sizeof text), 1);
    via__fds_close(fds, count);
    via__fds_close(pipes, 2);
    via__fds_close(ends, 2);
}

TEST(a_message_that_is_too_long_is_an_error_and_its_descriptors_are_closed)
{
    ck_assert_int_eq(via__fds_pair(ends), 0);
    ck_assert_int_eq(via__fds_send(ends[1], "longer than there is room", 25, ends, 1), 0);
    ck_assert_int_eq(receive(), -EMSGSIZE);
    ck_assert_int_eq(count, 0);
    via__fds_close(ends, 2);
}

TEST_MAIN("process/fds", messages_come_whole_and_in_order,
          what_a_peer_said_before_it_went_comes_though_it_left_messages_unread,
          descriptors_come_with_their_message_and_are_not_inherited,
          a_message_that_is_too_long_is_an_error_and_its_descriptors_are_closed)
