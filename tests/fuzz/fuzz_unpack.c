/* Any bytes as a zip, gzip or xz file; the first byte chooses. Never more content than the limit. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "data/unpack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const size_t limit = 1 << 20;
    if (size == 0)
        return 0;
    mhc__packing packing = *data == 'z' ? MHC__PACKING_ZIP : *data == 'g' ? MHC__PACKING_GZIP : MHC__PACKING_XZ;
    mhc__text text = {0};
    mhc_error error;
    mhc_status status = mhc__unpack(packing, data + 1, size - 1, limit, &text, &error);
    if (status == MHC_OK ? text.length > limit : !*error.message || strchr(error.message, '\n'))
        abort();
    mhc__text_free(&text);
    return 0;
}
