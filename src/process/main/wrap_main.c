/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The link option: stands before main() in programs whose source is not to be touched.
 *
 * With `--wrap=main` the linker has the start-up code call this instead, which is before main() and after the
 * constructors of global objects.  Not a part of the shared library, whose references the linker does not
 * wrap.
 */
#include <viaduct/process_pool.h>

int __real_main(int argc, char **argv, char **environment);
int __wrap_main(int argc, char **argv, char **environment);

int __wrap_main(int argc, char **argv, char **environment)
{
    via_process_enter();
    return __real_main(argc, argv, environment);
}
