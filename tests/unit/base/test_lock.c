/* SPDX-License-Identifier: BSD-3-Clause */
#include "support/support.h"

#include <errno.h>

#include "base/lock.h"

static char memory[1 << 16];

TEST(the_same_address_always_has_the_same_lock)
{
    for (size_t i = 0; i < sizeof(memory); i += 64)
        ck_assert_ptr_eq(via__hashlock(&memory[i]), via__hashlock(&memory[i]));
}

TEST(neighbours_are_spread_over_many_locks)
{
    pthread_mutex_t *seen[64];
    size_t count = 0;

    for (size_t i = 0; i < sizeof(memory); i += 64) {
        pthread_mutex_t *lock = via__hashlock(&memory[i]);
        size_t at = 0;

        while (at < count && seen[at] != lock)
            at++;
        if (at == count && count < 64)
            seen[count++] = lock;
    }
    ck_assert_uint_ge(count, 32);
}

TEST(a_hashed_lock_can_be_locked_and_made_anew)
{
    pthread_mutex_t *lock = via__hashlock(memory);

    ck_assert_int_eq(pthread_mutex_lock(lock), 0);
    ck_assert_int_eq(pthread_mutex_trylock(lock), EBUSY);
    via__hashlock_reset();
    ck_assert_int_eq(pthread_mutex_trylock(lock), 0);
    ck_assert_int_eq(pthread_mutex_unlock(lock), 0);
}

TEST(an_initialized_mutex_works)
{
    pthread_mutex_t mutex;

    via__mutex_init(&mutex);
    ck_assert_int_eq(pthread_mutex_lock(&mutex), 0);
    ck_assert_int_eq(pthread_mutex_unlock(&mutex), 0);
    ck_assert_int_eq(pthread_mutex_destroy(&mutex), 0);
}

TEST_MAIN("base/lock", the_same_address_always_has_the_same_lock, neighbours_are_spread_over_many_locks,
          a_hashed_lock_can_be_locked_and_made_anew, an_initialized_mutex_works)
