#include "data/unpack.h"

#include <lzma.h>
#include <stdint.h>
#include <string.h>
#include <zlib.h>

#include "file/checksum.h"

#define CHUNK     65536
#define ZIP_LOCAL 30 /* bytes of a member's header before its name (APPNOTE.TXT 4.3.7) */

/* The first bytes of files by kind; those of packing NONE are known only to be refused. */
static const struct {
    const char *kind, *first;
    size_t length;
    mhc__packing packing;
} signatures[] = {
    {"zip", "PK\3\4", 4, MHC__PACKING_ZIP},
    {"gzip", "\x1F\x8B\x08", 3, MHC__PACKING_GZIP},
    {"xz", "\xFD\x37zXZ\0", 6, MHC__PACKING_XZ},
    {"bzip2", "BZh91AY&SY", 10, MHC__PACKING_NONE},
    {"zstd", "\x28\xB5\x2F\xFD", 4, MHC__PACKING_NONE},
    {"7z", "7z\xBC\xAF\x27\x1C", 6, MHC__PACKING_NONE},
};

mhc_status mhc__packing_of(const void *bytes, size_t size, mhc__packing *packing, mhc_error *error) {
    *packing = MHC__PACKING_NONE;
    for (size_t i = 0; i < sizeof signatures / sizeof *signatures; i++) {
        if (size < signatures[i].length || memcmp(bytes, signatures[i].first, signatures[i].length) != 0)
            continue;
        *packing = signatures[i].packing;
        return *packing != MHC__PACKING_NONE
                   ? MHC_OK
                   : mhc__fail(error, MHC_UNSUPPORTED, "a %s file: unpack it first", signatures[i].kind);
    }
    return MHC_OK;
}

static mhc_status damaged(mhc_error *error, const char *kind) {
    return mhc__fail(error, MHC_CORRUPT, "the %s file is damaged or cut short", kind);
}

/* Appends a chunk unless the content passes the limit. */
static mhc_status take(mhc__text *out, const unsigned char *chunk, size_t count, size_t limit, mhc_error *error) {
    if (count > limit - out->length)
        return mhc__fail(error, MHC_CORRUPT, "the file holds more than the %zu bytes expected", limit);
    mhc__text_append(out, (const char *)chunk, count);
    return out->failed ? mhc__fail(error, MHC_OUT_OF_MEMORY, "no memory to unpack") : MHC_OK;
}

/* window: -15 for bare deflate, 31 for gzip, as zlib wants it. A gzip file may be several, one after the other. */
static mhc_status unpack_deflate(int window, const char *kind, const unsigned char *bytes, size_t size, size_t limit,
                                 mhc__text *out, mhc_error *error) {
    z_stream stream = {0};
    if (inflateInit2(&stream, window) != Z_OK)
        return mhc__fail(error, MHC_OUT_OF_MEMORY, "no memory to unpack");
    unsigned char chunk[CHUNK];
    mhc_status status = MHC_OK;
    int code = Z_OK;
    while (status == MHC_OK && code != Z_STREAM_END) {
        if (stream.avail_in == 0) {
            uInt part = size > 1u << 30 ? 1u << 30 : (uInt)size;
            stream.next_in = (Bytef *)(uintptr_t)bytes;
            stream.avail_in = part;
            bytes += part;
            size -= part;
        }
        stream.next_out = chunk;
        stream.avail_out = CHUNK;
        code = inflate(&stream, Z_NO_FLUSH);
        if (code != Z_OK && code != Z_STREAM_END)
            status = damaged(error, kind);
        else
            status = take(out, chunk, CHUNK - stream.avail_out, limit, error);
        if (code == Z_STREAM_END && window > 15 && stream.avail_in + size > 0)
            code = inflateReset(&stream);
    }
    inflateEnd(&stream);
    return status;
}

static unsigned little(const unsigned char *bytes, int count) {
    unsigned value = 0;
    for (int i = count - 1; i >= 0; i--)
        value = value << 8 | bytes[i];
    return value;
}

static mhc_status unpack_zip(const unsigned char *bytes, size_t size, size_t limit, mhc__text *out, mhc_error *error) {
    if (size < ZIP_LOCAL || little(bytes, 4) != 0x04034B50u)
        return damaged(error, "zip");
    unsigned flags = little(bytes + 6, 2), method = little(bytes + 8, 2), crc = little(bytes + 14, 4);
    size_t start = ZIP_LOCAL + little(bytes + 26, 2) + little(bytes + 28, 2), before = out->length;
    if (start > size)
        return damaged(error, "zip");
    if (method != 8 || (flags & 1))
        return mhc__fail(error, MHC_UNSUPPORTED, "the zip file's first member is %s",
                         flags & 1 ? "encrypted" : "not deflated");
    MHC__TRY(unpack_deflate(-15, "zip", bytes + start, size - start, limit, out, error));
    /* With bit 3 the checksum comes after the data, where only the directory could find it: SHA-256 guards instead. */
    bool same = mhc__checksum(out->data + before, out->length - before) == crc;
    return !(flags & 8) && !same ? damaged(error, "zip") : MHC_OK;
}

static mhc_status unpack_xz(const unsigned char *bytes, size_t size, size_t limit, mhc__text *out, mhc_error *error) {
    lzma_stream stream = LZMA_STREAM_INIT;
    if (lzma_stream_decoder(&stream, UINT64_C(1) << 30, LZMA_CONCATENATED) != LZMA_OK)
        return mhc__fail(error, MHC_OUT_OF_MEMORY, "no memory to unpack");
    unsigned char chunk[CHUNK];
    stream.next_in = bytes;
    stream.avail_in = size;
    mhc_status status = MHC_OK;
    lzma_ret code = LZMA_OK;
    while (status == MHC_OK && code != LZMA_STREAM_END) {
        stream.next_out = chunk;
        stream.avail_out = CHUNK;
        code = lzma_code(&stream, LZMA_FINISH);
        if (code != LZMA_OK && code != LZMA_STREAM_END)
            status = damaged(error, "xz");
        else
            status = take(out, chunk, CHUNK - stream.avail_out, limit, error);
    }
    lzma_end(&stream);
    return status;
}

mhc_status mhc__unpack(mhc__packing packing, const void *bytes, size_t size, size_t limit, mhc__text *out,
                       mhc_error *error) {
    switch (packing) {
    case MHC__PACKING_ZIP:
        return unpack_zip(bytes, size, limit, out, error);
    case MHC__PACKING_GZIP:
        return unpack_deflate(31, "gzip", bytes, size, limit, out, error);
    case MHC__PACKING_XZ:
        return unpack_xz(bytes, size, limit, out, error);
    case MHC__PACKING_NONE:
        break;
    }
    return take(out, bytes, size, limit, error);
}
