// SPDX-License-Identifier: BSD-3-Clause
// Objects with constructors are there in a copy, also where main() is wrapped; functions may be lambdas.
#include "variant.h"

#include <string>

#if !WRAPPED
#include <viaduct/process_pool.h>
#endif

static const std::string text(7, 'x');

static int in_program(via_bytes_call *, const void *, size_t)
{
    return static_cast<int>(text.size());
}

int main()
{
#if !WRAPPED
    via_process_enter();
#endif
    variant_add("program", in_program);
    variant_add("lambda", [](via_bytes_call *, const void *, size_t) { return static_cast<int>(text.size() * 2); });
    return variant_run();
}
