/* Any file: refused with a reason, or a trace whose numbers make sense. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "worker/lab/trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    int fd = memfd_create("trace", 0);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    struct trace t = {0};
    struct err e = {0};
    if (trace_read(path, &t, &e)) {
        if (!e.detail[0])
            abort();
    } else {
        struct samples s = trace_samples(&t);
        for (size_t i = 0; i < t.window_count; i++)
            if (!isfinite(span_total_a(&s, t.rate_hz, t.windows[i].start_s, t.windows[i].end_s,
                                       EDGE_FRACTIONAL)))
                abort();
    }
    trace_free(&t);
    close(fd);
    return 0;
}
