/* SPDX-License-Identifier: BSD-3-Clause */
/* Which sanitizer the program is built with: gcc says so by macros, clang by features. */
#ifndef VIADUCT_TESTS_SUPPORT_SANITIZERS_H
#define VIADUCT_TESTS_SUPPORT_SANITIZERS_H

#ifndef __has_feature
#define __has_feature(name) 0
#endif

#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define UNDER_ADDRESS_SANITIZER 1
#else
#define UNDER_ADDRESS_SANITIZER 0
#endif

#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define UNDER_THREAD_SANITIZER 1
#else
#define UNDER_THREAD_SANITIZER 0
#endif

/* Both keep a heap of their own. */
#define UNDER_SANITIZER (UNDER_ADDRESS_SANITIZER || UNDER_THREAD_SANITIZER || __has_feature(memory_sanitizer))

#endif
