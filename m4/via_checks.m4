# SPDX-License-Identifier: BSD-3-Clause

# VIA_CHECK_CFLAGS(VARIABLE, FLAGS)
# Sets VARIABLE to those of FLAGS that the C compiler knows.
AC_DEFUN([VIA_CHECK_CFLAGS], [
  $1=
  via_saved_CFLAGS=$CFLAGS
  for via_flag in m4_normalize([$2]); do
    AC_MSG_CHECKING([whether $CC knows $via_flag])
    CFLAGS="$via_saved_CFLAGS -Werror $via_flag"
    AC_COMPILE_IFELSE([AC_LANG_PROGRAM([], [])],
      [AC_MSG_RESULT([yes]); $1="$$1 $via_flag"],
      [AC_MSG_RESULT([no])])
  done
  CFLAGS=$via_saved_CFLAGS
])

# VIA_CHECK_VERSION_SCRIPT
# Sets the conditional HAVE_VERSION_SCRIPT if the linker knows GNU version scripts.
AC_DEFUN([VIA_CHECK_VERSION_SCRIPT], [
  AC_CACHE_CHECK([whether the linker knows version scripts], [via_cv_version_script], [
    echo '{ global: via_@<:@!_@:>@*; main; local: *; };' > conftest.map
    via_saved_LDFLAGS=$LDFLAGS
    LDFLAGS="$LDFLAGS -Wl,--version-script=conftest.map"
    AC_LINK_IFELSE([AC_LANG_PROGRAM([], [])], [via_cv_version_script=yes], [via_cv_version_script=no])
    LDFLAGS=$via_saved_LDFLAGS
    rm -f conftest.map
  ])
  AM_CONDITIONAL([HAVE_VERSION_SCRIPT], [test "x$via_cv_version_script" = xyes])
])
