/* The model reader of the demo's firmware: any bytes are refused with a reason, or can be
 * evaluated. */
#include <assert.h>
#include <stdlib.h>

#include "deploy/demo/firmware/network.c"
#include "deploy/demo/firmware/tflite.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct network net;
    static int8_t in[MAX_WIDTH], out[MAX_WIDTH];
    const char *wrong = network_read(&net, data, (uint32_t)size);
    if (wrong) {
        assert(*wrong);
        return 0;
    }
    assert(net.layer_count && net.scale_count);
    network_input(&net, 1, in);
    network_run(&net, in, out);
    assert(out[0] >= net.layers[net.layer_count - 1].lowest);
    return 0;
}
