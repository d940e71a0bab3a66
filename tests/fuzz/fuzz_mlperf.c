/* A folder of MLPerf Tiny from any bytes: one byte of sizes, then stamps, results and samples. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "worker/lab/mlperf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put(const char *folder, const char *name, const uint8_t *bytes, size_t len)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(bytes, 1, len, f) != len || fclose(f))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char folder[64];
    if (!folder[0]) {
        snprintf(folder, sizeof(folder), "/dev/shm/fuzz-mlperf-XXXXXX");
        if (!mkdtemp(folder))
            abort();
    }
    if (size < 3)
        return 0;
    size_t stamps = data[0], results = (size_t)data[1] << 2;
    data += 2;
    size -= 2;
    stamps = stamps < size ? stamps : size;
    put(folder, "trace1-timestamps.json", data, stamps);
    data += stamps;
    size -= stamps;
    results = results < size ? results : size;
    put(folder, "results.txt", data, results);
    put(folder, "trace1-energy.bin", data + results, size - results);
    struct mlperf m = {0};
    struct err e = {0};
    if (mlperf_read(folder, &m, &e)) {
        if (!e.detail[0])
            abort();
        return 0;
    }
    for (size_t i = 0; i < m.window_count; i++)
        if (!isfinite(m.windows[i].energy_j) || m.windows[i].samples > m.count)
            abort();
    mlperf_free(&m);
    return 0;
}
