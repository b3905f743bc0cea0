/* Any bytes as a packed token file; in every other run with the checksum put right, so that what lies behind it is
 * reached. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "data/packed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEADER = 64, CHECKSUM_AT = 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint8_t *bytes = malloc(size + 1);
    if (!bytes)
        return 0;
    if (size)
        memcpy(bytes, data, size);
    if (size >= HEADER && data[size - 1] % 2 == 0) {
        uLong sum = crc32(0L, bytes + HEADER, (uInt)(size - HEADER));
        for (int i = 0; i < 4; i++)
            bytes[CHECKSUM_AT + i] = (uint8_t)(sum >> 8 * i);
    }
    mhc__token_array tokens = {0};
    int vocabulary = 0;
    mhc_error error;
    if (mhc__packed_parse(bytes, size, "fuzz", &tokens, &vocabulary, &error) == MHC_OK) {
        for (int64_t i = 0; i < tokens.count; i++)
            if (mhc__token_at(&tokens, i) < 0 || mhc__token_at(&tokens, i) >= vocabulary)
                abort();
        mhc__token_array_free(&tokens);
    } else if (!*error.message || strchr(error.message, '\n')) {
        abort();
    }
    free(bytes);
    return 0;
}
