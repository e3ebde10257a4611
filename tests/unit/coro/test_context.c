/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The bare switch keeps what a function must preserve.  More values are alive across it than any processor
 * has registers for, so the preserved ones are all in use.
 */
#include "support/sanitizers.h"
#include "support/support.h"

#include <fenv.h>
#include <sys/mman.h>

#include <config.h>

#include "coro/annotate.h"
#include "coro/context.h"

enum { STACK_BYTES = 256 * 1024, TURNS = 16 };

#define TEN(X)          X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9)
#define TWENTY(X)       TEN(X) X(10) X(11) X(12) X(13) X(14) X(15) X(16) X(17) X(18) X(19)
#define DECLARE_REAL(i) double real##i = seed + i;
#define DECLARE_WORD(i) long word##i = (long)seed + i;
#define ADVANCE_REAL(i) real##i += word##i;
#define ADVANCE_WORD(i) word##i += i + turn;
#define ADD_REAL(i)     sum += real##i;
#define ADD_WORD(i)     sum += (double)word##i;

static struct via__context main_context, other_context;
static struct via__annotation main_note, other_note;
static volatile double zero;

static void switch_to_other(void)
{
    via__annotate_leave(&main_note, &other_note, 0);
    via__context_switch(&main_context, &other_context);
    via__annotate_arrive(&main_note, &other_note);
}

static void switch_to_main(void)
{
    via__annotate_leave(&other_note, &main_note, 0);
    via__context_switch(&other_context, &main_context);
    via__annotate_arrive(&other_note, &main_note);
}

static void leave_for_main(void)
{
    via__annotate_leave(&other_note, &main_note, 1);
    via__context_leave(&other_context, &main_context);
}

static void stay(void)
{
}

static double compute(double start, void (*switch_away)(void))
{
    double seed = start + zero, sum = 0;
    TWENTY(DECLARE_REAL)
    TEN(DECLARE_WORD)
    for (int turn = 0; turn < TURNS; turn++) {
        TEN(ADVANCE_WORD)
        TEN(ADVANCE_REAL)
        switch_away();
    }
    TWENTY(ADD_REAL)
    TEN(ADD_WORD)
    return sum;
}

static struct other {
    double sum;
    int rounding;
} other;

static void run_other(struct via__context *self)
{
    ck_assert_ptr_eq(self, &other_context);
    via__annotate_arrive(&other_note, &main_note);
    fesetround(FE_DOWNWARD);
    other.sum = compute(1000, switch_to_main);
    other.rounding = fegetround();
    leave_for_main();
}

static char *prepare(void (*entry)(struct via__context *self))
{
    char *stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(stack, MAP_FAILED);
    via__annotate_bounds(&other_note, stack, STACK_BYTES);
    via__annotate_root(&main_note);
    via__annotate_begin(&other_note, "other");
    (void)via__annotate_acquire(stack, STACK_BYTES);
    via__context_make(&other_context, stack + STACK_BYTES, STACK_BYTES, entry);
    return stack;
}

TEST(registers_and_control_words_survive)
{
    char *stack = prepare(run_other);
    double sum = compute(3, switch_to_other);
    ck_assert_int_eq(fegetround(), FE_TONEAREST);
    switch_to_other();
    ck_assert(sum == compute(3, stay));
    ck_assert(other.sum == compute(1000, stay));
    ck_assert_int_eq(other.rounding, FE_DOWNWARD);
    ck_assert_int_eq(fegetround(), FE_TONEAREST);
    via__annotate_release(stack, STACK_BYTES, 0);
    via__annotate_end(&other_note);
    via__annotate_unmap(stack, STACK_BYTES);
    munmap(stack, STACK_BYTES);
}

static int aligned;

static void look_at_alignment(struct via__context *self)
{
    _Alignas(16) char here[16];
    char *volatile address = here;
    via__annotate_arrive(&other_note, &main_note);
    (void)self;
    aligned = (uintptr_t)address % 16 == 0;
    leave_for_main();
}

TEST(a_new_stack_is_aligned)
{
    char *stack = prepare(look_at_alignment);
    switch_to_other();
    ck_assert(aligned);
    via__annotate_release(stack, STACK_BYTES, 0);
    via__annotate_end(&other_note);
    via__annotate_unmap(stack, STACK_BYTES);
    munmap(stack, STACK_BYTES);
}

TEST_MAIN("coro/context", registers_and_control_words_survive, a_new_stack_is_aligned)
