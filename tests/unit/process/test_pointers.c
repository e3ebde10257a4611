/* SPDX-License-Identifier: BSD-3-Clause */
/* Pointers among inputs, in debug mode. */
#include "pool_fixture.h"
#include "support/sanitizers.h"

static struct via_test_recorder history = VIA_TEST_RECORDER_INITIALIZER;

static void note(enum via_log_level level, const char *text, void *arg)
{
    (void)arg;
    if (level == VIA_LOG_DEBUG && strstr(text, "seems to hold a pointer"))
        via_test_record(&history, strstr(text, "at byte 8") ? "at-8" : "elsewhere");
}

static void submit_words(const uintptr_t *words, size_t bytes)
{
    via_executor *pool = open_pool(1);
    ck_assert_int_eq(finish(submit(pool, do_nothing, words, bytes)), 0);
    close_pool(pool);
}

TEST(a_pointer_to_the_stack_or_the_heap_is_noticed)
{
    char *there = malloc(16);
    // Not a variable's address: a sanitizer may keep that elsewhere.
    uintptr_t words[2] = {7, (uintptr_t)__builtin_frame_address(0)};
    setenv("VIADUCT_DEBUG", "1", 1);
    via_set_log_hook(note, NULL);
    submit_words(words, sizeof words);
    ASSERT_RECORD(&history, "at-8");
    // A sanitizer's heap is elsewhere.
    words[1] = (uintptr_t)there;
    submit_words(words, sizeof words);
    if (!UNDER_SANITIZER)
        ASSERT_RECORD(&history, "at-8 at-8");
    via_set_log_hook(NULL, NULL);
    free(there);
}

TEST(numbers_and_texts_are_not_noticed)
{
    uintptr_t words[4] = {0, 1, UINTPTR_MAX, 0x6f6c6c6548206e61};
    setenv("VIADUCT_DEBUG", "1", 1);
    via_set_log_hook(note, NULL);
    submit_words(words, sizeof words);
    submit_words(words, 3);
    ASSERT_RECORD(&history, "");
    via_set_log_hook(NULL, NULL);
}

TEST(without_debug_mode_nothing_is_looked_at)
{
    int here = 0;
    uintptr_t words[2] = {7, (uintptr_t)&here};
    via_set_log_hook(note, NULL);
    submit_words(words, sizeof words);
    ASSERT_RECORD(&history, "");
    via_set_log_hook(NULL, NULL);
}

PROCESS_TEST_MAIN("process/pointers", a_pointer_to_the_stack_or_the_heap_is_noticed,
                  numbers_and_texts_are_not_noticed, without_debug_mode_nothing_is_looked_at)
