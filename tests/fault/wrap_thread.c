/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threads: the linker's --wrap sends the library's calls here.
 *
 * Mutexes and conditions are left out: the C library has no way to fail to make them.
 */
#include <errno.h>
#include <pthread.h>

#include "inject.h"

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg);
int __real_pthread_attr_init(pthread_attr_t *attr);
int __real_pthread_key_create(pthread_key_t *key, void (*destroy)(void *));
int __real_pthread_setspecific(pthread_key_t key, const void *value);
int __real_pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void));

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg);
int __wrap_pthread_attr_init(pthread_attr_t *attr);
int __wrap_pthread_key_create(pthread_key_t *key, void (*destroy)(void *));
int __wrap_pthread_setspecific(pthread_key_t key, const void *value);
int __wrap_pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void));

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
    return fault_hit(FAULT_THREAD) ? EAGAIN : __real_pthread_create(thread, attr, run, arg);
}

int __wrap_pthread_attr_init(pthread_attr_t *attr)
{
    return fault_hit(FAULT_SETUP) ? ENOMEM : __real_pthread_attr_init(attr);
}

int __wrap_pthread_key_create(pthread_key_t *key, void (*destroy)(void *))
{
    return fault_hit(FAULT_SETUP) ? EAGAIN : __real_pthread_key_create(key, destroy);
}

int __wrap_pthread_setspecific(pthread_key_t key, const void *value)
{
    return fault_hit(FAULT_SETUP) ? ENOMEM : __real_pthread_setspecific(key, value);
}

int __wrap_pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void))
{
    return fault_hit(FAULT_SETUP) ? ENOMEM : __real_pthread_atfork(prepare, parent, child);
}
