/* SPDX-License-Identifier: BSD-3-Clause */
#include "support/support.h"

#include <errno.h>
#include <poll.h>
#include <sys/resource.h>

#include "base/wakefd.h"

static int readable(const struct via__wakefd *wake)
{
    struct pollfd fd = {.fd = wake->read_fd, .events = POLLIN};

    return poll(&fd, 1, 0);
}

TEST(signalled_it_is_readable_until_it_is_drained)
{
    struct via__wakefd wake;

    ck_assert_int_eq(via__wakefd_open(&wake), 0);
    ck_assert_int_eq(readable(&wake), 0);
    via__wakefd_signal(&wake);
    ck_assert_int_eq(readable(&wake), 1);
    ck_assert_int_eq(readable(&wake), 1);
    via__wakefd_drain(&wake);
    ck_assert_int_eq(readable(&wake), 0);
    via__wakefd_close(&wake);
    ck_assert_int_eq(wake.read_fd, -1);
}

TEST(many_signals_are_drained_at_once_and_never_block)
{
    struct via__wakefd wake;

    ck_assert_int_eq(via__wakefd_open(&wake), 0);
    for (int i = 0; i < 100000; i++)
        via__wakefd_signal(&wake);
    via__wakefd_drain(&wake);
    ck_assert_int_eq(readable(&wake), 0);
    via__wakefd_drain(&wake);
    via__wakefd_signal(&wake);
    ck_assert_int_eq(readable(&wake), 1);
    via__wakefd_close(&wake);
}

TEST(without_a_free_descriptor_it_says_so)
{
    struct via__wakefd wake;
    struct rlimit before, none;

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 0;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    ck_assert_int_eq(via__wakefd_open(&wake), -EMFILE);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
}

TEST_MAIN("base/wakefd", signalled_it_is_readable_until_it_is_drained,
          many_signals_are_drained_at_once_and_never_block, without_a_free_descriptor_it_says_so)
