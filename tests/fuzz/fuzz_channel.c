/* SPDX-License-Identifier: BSD-3-Clause */
/* Whatever a worker writes, the program's end of a channel neither crashes nor hangs nor believes nonsense.
 */
#include "fuzz/channel_bytes.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!channel_bytes(data, size))
        abort();
    return 0;
}
