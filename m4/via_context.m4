# SPDX-License-Identifier: BSD-3-Clause

# VIA_FCONTEXT_DECLARATIONS
# Boost.Context's functions by their C names, as src/coro/context.h declares them too.
m4_define([VIA_FCONTEXT_DECLARATIONS], [[
typedef struct { void *context; void *data; } transfer;
transfer jump_fcontext(void *to, void *data);
void *make_fcontext(void *top, size_t bytes, void (*begin)(transfer));
]])

# VIA_FCONTEXT_PROGRAM
# Two contexts that take turns and each keep more values in registers than the processor has of those that a
# function must preserve, and a rounding mode of their own.  Exits with 0 if none was lost.
m4_define([VIA_FCONTEXT_PROGRAM], [AC_LANG_SOURCE([[
#include <fenv.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
]VIA_FCONTEXT_DECLARATIONS[
#define TEN(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9)
#define TWENTY(X) TEN(X) X(10) X(11) X(12) X(13) X(14) X(15) X(16) X(17) X(18) X(19)
#define MAKE_REAL(i) double real##i = *seed + i;
#define MAKE_WORD(i) long word##i = (long)*seed * 7 + i;
#define STEP_REAL(i) real##i = real##i * 2 + i;
#define STEP_WORD(i) word##i = word##i * 3 + i;
#define SUM_REAL(i) sum += real##i;
#define SUM_WORD(i) sum += (double)word##i;
static volatile double main_seed = 3, other_seed = 1000;
static void *there;
static double turns(volatile double *seed, int switches)
{
    double sum = 0;
    TWENTY(MAKE_REAL)
    TEN(MAKE_WORD)
    for (int i = 0; i < 8; i++) {
        TWENTY(STEP_REAL)
        TEN(STEP_WORD)
        if (switches)
            there = jump_fcontext(there, NULL).context;
    }
    TWENTY(SUM_REAL)
    TEN(SUM_WORD)
    return sum;
}
static volatile double other_sum;
static volatile int other_rounding;
static void other(transfer from)
{
    there = from.context;
    fesetround(FE_UPWARD);
    other_sum = turns(&other_seed, 1);
    other_rounding = fegetround();
    jump_fcontext(there, NULL);
}
int main(void)
{
    size_t bytes = 65536;
    char *stack = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (stack == MAP_FAILED)
        return 1;
    there = make_fcontext(stack + bytes, bytes, other);
    double sum = turns(&main_seed, 1);
    int rounding = fegetround();
    there = jump_fcontext(there, NULL).context;
    return sum != turns(&main_seed, 0) || other_sum != turns(&other_seed, 0) || rounding != FE_TONEAREST ||
           other_rounding != FE_UPWARD || fegetround() != FE_TONEAREST;
}
]])])

# VIA_CHECK_CONTEXT
# Chooses how coroutines switch stacks.  Sets via_context to fcontext or ucontext, and for the former
# BOOST_CONTEXT_ARCHIVE to the archive; sets the conditional FCONTEXT.
AC_DEFUN([VIA_CHECK_CONTEXT], [
  AC_ARG_WITH([context],
    [AS_HELP_STRING([--with-context=KIND],
      [how coroutines switch stacks: fcontext (of Boost.Context, fast) or ucontext (of the C library)])],
    [], [with_context=auto])
  AC_ARG_VAR([BOOST_CONTEXT_ARCHIVE], [the static library of Boost.Context, if the compiler does not find it])
  AS_CASE([$with_context], [auto|fcontext|ucontext], [],
    [AC_MSG_ERROR([--with-context takes fcontext or ucontext])])
  via_context=ucontext
  via_context_why="by --with-context"
  AS_IF([test "x$with_context" != xucontext], [
    test -n "$BOOST_CONTEXT_ARCHIVE" ||
      BOOST_CONTEXT_ARCHIVE=`$CC $CFLAGS $LDFLAGS -print-file-name=libboost_context.a 2>/dev/null`
    AC_CHECK_TOOL([OBJCOPY], [objcopy])
    AC_CACHE_CHECK([whether fcontext of Boost.Context links], [via_cv_fcontext_links], [
      via_saved_LIBS=$LIBS
      LIBS="$BOOST_CONTEXT_ARCHIVE $LIBS -lm"
      via_cv_fcontext_links=no
      AS_IF([test -f "$BOOST_CONTEXT_ARCHIVE" && test -n "$OBJCOPY"],
        [AC_LINK_IFELSE([VIA_FCONTEXT_PROGRAM], [via_cv_fcontext_links=yes])])
      LIBS=$via_saved_LIBS
    ])
    AS_IF([test "x$via_cv_fcontext_links" = xyes], [
      AC_CACHE_CHECK([whether fcontext preserves registers], [via_cv_fcontext_preserves], [
        via_saved_LIBS=$LIBS
        LIBS="$BOOST_CONTEXT_ARCHIVE $LIBS -lm"
        # Not to be run here: then all are trusted but the one that is known to lose registers.
        AC_RUN_IFELSE([VIA_FCONTEXT_PROGRAM], [via_cv_fcontext_preserves=yes],
          [via_cv_fcontext_preserves=no],
          [AS_CASE([$host_cpu], [powerpc*|ppc*], [via_cv_fcontext_preserves=no],
            [via_cv_fcontext_preserves=yes])])
        LIBS=$via_saved_LIBS
      ])
      AS_IF([test "x$via_cv_fcontext_preserves" = xyes],
        [via_context=fcontext via_context_why=], [via_context_why="fcontext loses registers here"])
    ], [via_context_why="for fcontext: Debian: libboost-context-dev"])
  ])
  AS_IF([test "x$with_context" = xfcontext && test "x$via_context" != xfcontext],
    [AC_MSG_ERROR([fcontext cannot be used ($via_context_why)])])
  AS_IF([test "x$via_context" = xucontext], [
    AC_CHECK_FUNC([makecontext], [],
      [AC_MSG_ERROR([neither fcontext nor makecontext() is there (Debian: libboost-context-dev)])])
  ])
  AM_CONDITIONAL([FCONTEXT], [test "x$via_context" = xfcontext])
  AS_IF([test "x$via_context" = xfcontext],
    [AC_DEFINE([VIA_FCONTEXT], [1], [1 if coroutines switch stacks with fcontext, 0 if with ucontext.])],
    [AC_DEFINE([VIA_FCONTEXT], [0])])
  VIA_CHECK_JUMP_IN_LINE
])

# VIA_CHECK_JUMP_IN_LINE
# Whether src/coro/context.h may jump to fcontext instead of calling it: not where a shadow stack wants calls.
AC_DEFUN([VIA_CHECK_JUMP_IN_LINE], [
  AC_CACHE_CHECK([whether fcontext can be jumped to], [via_cv_jump_in_line], [
    via_saved_CFLAGS=$CFLAGS
    CFLAGS="$CFLAGS -Werror -mno-red-zone"
    AC_COMPILE_IFELSE([AC_LANG_SOURCE([[
#if !defined(__x86_64__) || !defined(__LP64__) || !defined(__ELF__) || (defined(__CET__) && (__CET__ & 2))
#error "not here"
#endif
int main(void)
{
    __asm__ volatile("" : : : "st", "st(7)", "xmm15");
    return 0;
}
]])], [via_cv_jump_in_line=yes], [via_cv_jump_in_line=no])
    CFLAGS=$via_saved_CFLAGS
  ])
  AS_IF([test "x$via_context" = xfcontext && test "x$via_cv_jump_in_line" = xyes],
    [AC_DEFINE([VIA_JUMP_IN_LINE], [1], [1 if fcontext is entered by a jump; no function may have a red zone then.])
      VIA_CFLAGS="$VIA_CFLAGS -mno-red-zone"],
    [AC_DEFINE([VIA_JUMP_IN_LINE], [0])])
])
