/* The fat binary: a header of 16 bytes (its mark, version, own length, length of what follows), then entries, each with
 * a header: kind (16 bits; 1 is PTX), version, own length (32), length of what follows (64), length of it when
 * compressed (32), ..., flags (64 bits at 40; 0x8000: by zstd), ... NVIDIA does not document it: this is what CUDA 13
 * writes, and anything else is said to be unknown. */
#include "ptx/ptx.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zstd.h>

enum {
    MARK = 0x466243b1,
    BINARY = (int)0xba55ed50,
    ENTRY_HEADER = 48,
    PTX_KIND = 1,
    ZSTD_FLAG = 0x8000,
    COMPRESSED = 0xf000
};

static uint64_t number(const char *from, int bytes) {
    uint64_t value = 0;
    memcpy(&value, from, (size_t)bytes);
    return value;
}

static char *text_of(const char *payload, size_t bytes, size_t compressed, uint64_t flags) {
    if ((flags & COMPRESSED) == 0) {
        char *text = calloc(bytes + 1, 1);
        return text ? memcpy(text, payload, bytes) : NULL;
    }
    unsigned long long length = ZSTD_getFrameContentSize(payload, compressed);
    if (!(flags & ZSTD_FLAG) || length == ZSTD_CONTENTSIZE_ERROR || length == ZSTD_CONTENTSIZE_UNKNOWN)
        ptx_give_up("PTX is compressed in a way that is not known here (flags %#llx)", (unsigned long long)flags);
    char *text = calloc((size_t)length + 1, 1);
    if (text && ZSTD_isError(ZSTD_decompress(text, (size_t)length, payload, compressed)))
        ptx_give_up("PTX can't be decompressed");
    return text;
}

char *ptx_of_fatbin(const void *wrapper) {
    const char *binary;
    memcpy(&binary, (const char *)wrapper + 8, sizeof binary);
    if (number(wrapper, 4) != MARK || number(binary, 4) != (uint32_t)BINARY)
        ptx_give_up("a fat binary that is not known here");
    const char *entry = binary + number(binary + 6, 2), *end = entry + number(binary + 8, 8);
    while (entry + ENTRY_HEADER < end) {
        const uint64_t header = number(entry + 4, 4), bytes = number(entry + 8, 8);
        if (number(entry, 2) == PTX_KIND) {
            char *text = text_of(entry + header, bytes, number(entry + 16, 4), number(entry + 40, 8));
            return text ? text : (ptx_give_up("no memory for PTX"), NULL);
        }
        entry += header + bytes;
    }
    ptx_give_up("a fat binary without PTX");
}
