/* Any lines leave figures that are not known or not negative, and a region's name only with an
 * overflow. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "worker/lab/firmware_size.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct firmware_size found = FIRMWARE_SIZE_UNKNOWN;
    char *text = malloc(size + 1), *rest = text, *line;
    memcpy(text, data, size);
    text[size] = 0;
    while ((line = strsep(&rest, "\n")))
        firmware_size_line(&found, line);
    assert(found.flash_bytes >= -1 && found.ram_bytes >= -1 && found.overflow_bytes >= 0);
    assert(strlen(found.region) < sizeof(found.region));
    assert(found.overflow_bytes || !found.region[0]);
    free(text);
    return 0;
}
